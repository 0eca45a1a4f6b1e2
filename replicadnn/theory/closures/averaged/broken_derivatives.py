"""Derivatives of the free entropy of the averaged closure in (q, Q, m), eps eliminated.

    ds/dq_i(l) = (m_{i+1}-m_i)/2 [eps_i - Q_i(l) q_i(l-1) G_i(l) - Q_i(l+1) q_i(l+1) G_i(l+1)]
    ds/dQ_i(l) = (m_{i+1}-m_i)/2 [B_i(Q)/alpha - q_i(l-1) q_i(l) G_i]
    ds/dm_i    = (docs/theory.md)

and the exact Hessian, which needs no more than the responses of the flows.
"""

from __future__ import annotations

import numpy as np

from replicadnn.kernels.theory import couplings, newton
from replicadnn.problem import Problem
from replicadnn.theory.broken.layout import NONE, Layout, gather
from replicadnn.theory.broken.state import Evaluation
from replicadnn.theory.closures.averaged.broken_entropy import coupling_weight, neuron_weight
from replicadnn.theory.closures.averaged.broken_flows import Layers, coupled
from replicadnn.types import FloatArray


def gradient(problem: Problem, layout: Layout, ev: Evaluation, kept: Layers) -> FloatArray:
    """ds/d(q, Q, m), each at fixed others (eps is stationary: q = T(eps))."""
    state, L = ev.state, problem.L
    B = np.zeros_like(state.Q)
    for row in range(coupled(L)):
        if state.Q[row, -1] > 0.0:
            B[row] = B[L - 1 - row] = couplings.field_overlaps(state.Q[row], state.m)
    half = 0.5 * state.steps
    out = gather(layout, half * (B - kept.pull) / problem.alpha, half * (state.eps - kept.field))
    return np.concatenate([layout.weights * out, ev.ds_dm[1:]])


def hessian(problem: Problem, layout: Layout, ev: Evaluation, kept: Layers) -> FloatArray:
    """Exact Hessian in (q, Q, m) from an evaluation with ``derivatives=True``."""
    size = layout.size + ev.state.K
    m = np.arange(layout.size, size)
    H = np.zeros((size, size))
    eps, Q = layout.eps.index, layout.Q.index
    for layer, block in enumerate(kept.gap_blocks):
        if block is not None:
            columns = np.concatenate([eps[layer], Q[layer], eps[layer + 1], m])
            newton.add_block(H, columns, coupling_weight(problem.L, layer), block)
    for layer, spin in enumerate(kept.spin_blocks):
        if spin is not None:
            columns = np.concatenate([eps[layer][eps[layer] != NONE], m])
            newton.add_block(H, columns, neuron_weight(problem.L, layer), spin.block)
    return 0.5 * (H + H.T)


def field_step(layout: Layout, kept: Layers, step: FloatArray) -> FloatArray:
    """Change of (eps, Q) for a step in (q, Q, m): d eps = T'^-1 (dq - T_m dm)."""
    out, dm = step[: layout.size].copy(), step[layout.size :]
    for layer, spin in enumerate(kept.spin_blocks):
        if spin is not None:
            row = layout.eps.index[layer]
            where = row[row != NONE]
            out[where] = spin.inverse @ (out[where] - spin.T_m @ dm[: spin.T_m.shape[1]])
    return out


def by_log_alpha(problem: Problem, layout: Layout, ev: Evaluation) -> FloatArray:
    """d(ds/dx)/d ln alpha = -d(S_sph/alpha)/dx, explicit."""
    state = ev.state
    by_Q, by_m = np.zeros_like(state.Q), np.zeros(state.K)
    half = 0.5 * state.steps
    for row in range(problem.L):
        if state.Q[row, -1] > 0.0:
            by_Q[row] = half * couplings.field_overlaps(state.Q[row], state.m)
            by_m += couplings.entropy(state.Q[row], state.m)[1]
    by_unknown = layout.weights * gather(layout, by_Q, np.zeros_like(state.eps))
    return -np.concatenate([by_unknown, by_m]) / problem.alpha
