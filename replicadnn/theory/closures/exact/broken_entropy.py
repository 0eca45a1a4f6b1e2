"""Free entropy of a K-level state of the exact closure, with ds/dm, and its parts by layer.

s = sum_l { F(l) + S_sph[Q(l)]/alpha }
  + sum_{l<L} { -eps_K/2 + 1/2 sum_i (m_{i+1}-m_i) eps_i q_i }       (docs/theory.md, eqs. 56, 57)
"""

from __future__ import annotations

import numpy as np

from replicadnn.kernels.theory import couplings as spherical
from replicadnn.kernels.theory import layers
from replicadnn.theory.closures.exact.broken_flows import Pass, liquid_potential
from replicadnn.theory.contract import Entropy
from replicadnn.types import FloatArray


def free_entropy(run: Pass) -> tuple[float, FloatArray, float]:
    """s, its explicit derivatives ds/dm_i (q, Q, eps fixed) and the largest mass error."""
    problem, state = run.problem, run.state
    m, grad = state.m, np.zeros(state.m.size)
    s, mass = run.output.free_energy, run.output.mass_error
    grad += run.output.A[: m.size]
    for row in range(problem.L):
        s += layers.sphere_terms(1.0 / problem.alpha, state.Q[row], m, grad) / problem.alpha
    for row, flow in enumerate(run.hidden):
        if flow is None:
            s += liquid_potential(problem.kappa, problem.beta)
            continue
        s += flow.free_energy
        s += layers.field_terms(1.0, flow.A, run.eps[row + 1], flow.q, state.steps, m, grad)
        mass = max(mass, flow.mass_error)
    grad[0] = 0.0
    return s, grad, mass


def by_layer(run: Pass, total: float) -> Entropy:
    """Parts of s: F(l) (L), S_sph/alpha (L), and the terms of eps (L-1); their sum is s."""
    problem, state = run.problem, run.state
    interaction = np.full(problem.L, liquid_potential(problem.kappa, problem.beta))
    interaction[-1] = run.output.free_energy
    couplings, neurons = np.zeros(problem.L), np.zeros(problem.L - 1)
    for row in np.flatnonzero(state.Q[:, -1] > 0.0):
        couplings[row] = spherical.entropy(state.Q[row], state.m)[0] / problem.alpha
    for layer, flow in enumerate(run.hidden):
        if flow is not None:
            eps = run.eps[layer + 1]
            interaction[layer] = flow.free_energy
            neurons[layer] = 0.5 * (float(state.steps @ (eps * flow.q)) - eps[-1])
    return Entropy(total, interaction, couplings, neurons)
