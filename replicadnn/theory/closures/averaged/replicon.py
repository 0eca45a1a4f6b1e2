"""Replicon of the replica-symmetric solution.

A fluctuation of one overlap q_ab that leaves the symmetric ones alone obeys

    delta q(l) = <f''^2>_spin delta eps(l),   delta G(l) = <f''^2>_int delta lam(l),
    delta Q(l) = (1 - Q(l))^2 delta B(l),

with delta eps, delta lam, delta B from docs/theory.md, eqs. (8), (9), (11); rho is the spectral
radius of this map of (q, Q).  rho < 1: stable; rho = 1: de Almeida-Thouless line; rho > 1: replica
symmetry is broken.  Averages (u of docs/theory.md, section 4; f = ln w(u), ' = d/dh):

    random:           <f''^2>_int = Int Dz f''^2,
                      <f''^2>_spin = E cosh^-4 x,  x ~ N(0, eps)
    teacher-student:  <f''^2>_int = Int Dz (w/norm) f''^2,
                      <f''^2>_spin = E cosh^-4 x,  x ~ N(eps, eps)
"""

from __future__ import annotations

import math

import numpy as np

from replicadnn.theory.closures.averaged.entropy import interaction_overlap, neuron_field
from replicadnn.theory.closures.averaged.saddle import SaddlePoint
from replicadnn.theory.symmetric.state import State
from replicadnn.types import FloatArray

#: Depth up to which the replicon is computed, by dense linear algebra.
MAX_DEPTH = 500


def neuron_curvature(teacher: bool, eps: float) -> float:
    """<f''^2>_spin = E cosh^-4 x, x ~ N(0, eps), tilted by exp(x - eps/2) for the teacher."""
    if eps == 0.0:
        return 1.0
    scale = math.sqrt(eps / (1.0 + eps))
    x = np.arange(-400, 401) * 0.1 * scale
    inverse = 1.0 / np.cosh(x)
    exponent = -0.5 * x * x / eps
    if teacher:  # symmetrised: exp(x - eps/2) -> cosh x exp(-eps/2)
        values = inverse**3 * np.exp(exponent - 0.5 * eps)
    else:
        values = inverse**4 * np.exp(exponent)
    return float(np.sum(values)) * 0.1 * scale / math.sqrt(2.0 * math.pi * eps)


def replicon_matrix(equations: SaddlePoint, state: State) -> FloatArray:
    """The map of (delta q(0..L), delta Q(1..L)) of the module docstring, (2L+1, 2L+1)."""
    problem = equations.problem
    L, q, Q = problem.L, state.q, state.Q
    lam, mu = interaction_overlap(state)
    G = equations.curvatures(state)
    eps = neuron_field(equations, state)
    spin = np.zeros(L + 1)
    spin[1:-1] = [neuron_curvature(problem.teacher, float(e)) for e in eps]
    left, right, rows = q[:-1], q[1:], np.arange(L)
    d_lam = np.zeros((L, 2 * L + 1))
    d_lam[rows, rows] = right * Q
    d_lam[rows, rows + 1] = left * Q
    d_lam[rows, L + 1 + rows] = left * right
    d_G = equations.gap_responses(lam, mu)[:, None] * d_lam
    d_eps = np.zeros((L + 1, 2 * L + 1))
    for s in range(L):
        for layer, other in ((s, s + 1), (s + 1, s)):
            d_eps[layer] += Q[s] * q[other] * d_G[s]
            d_eps[layer, other] += Q[s] * G[s]
            d_eps[layer, L + 1 + s] += q[other] * G[s]
    d_B = problem.alpha * (left * right)[:, None] * d_G
    d_B[rows, rows] += problem.alpha * right * G
    d_B[rows, rows + 1] += problem.alpha * left * G
    return np.vstack([spin[:, None] * d_eps, state.P[:, None] ** 2 * d_B])


def replicon(equations: SaddlePoint, state: State) -> float:
    """rho of a replica-symmetric state, accurate to about 1e-10."""
    return float(np.max(np.abs(np.linalg.eigvals(replicon_matrix(equations, state)))))
