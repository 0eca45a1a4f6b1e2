"""Derivatives of the free entropy of the exact closure in (q, Q, m), eps eliminated.

    ds/dq_i(l) = (m_{i+1}-m_i)/2 [eps_i(l) - Q_i(l+1) G_i(l+1)]
    ds/dQ_i(l) = (m_{i+1}-m_i)/2 [B_i(Q)/alpha - q_i(l-1) G_i(l)]

and the exact second derivatives from the responses of the flows.
"""

from __future__ import annotations

import numpy as np

from replicadnn.kernels.theory import couplings, newton
from replicadnn.problem import Problem
from replicadnn.theory.broken.layout import NONE, Layout, gather
from replicadnn.theory.broken.state import Evaluation
from replicadnn.theory.closures.exact.broken_flows import Blocks, HiddenCurvature, Pass
from replicadnn.types import FloatArray


def fields(run: Pass) -> FloatArray:
    """Q(l+1) G(l+1), the right-hand side of the equation of eps(l); (L+1, K+1), 0 at the data."""
    out = np.zeros_like(run.q)
    out[1:-1] = run.state.Q[1:] * run.G[1:]
    return out


def pulls(run: Pass) -> FloatArray:
    """alpha q(l-1) G(l), that of B(l); (L, K+1)."""
    return np.asarray(run.problem.alpha * run.q[:-1] * run.G)


def gradient(layout: Layout, ev: Evaluation, run: Pass) -> FloatArray:
    """ds/d(q, Q, m), each at fixed others (eps is stationary: q = T(lam, eps))."""
    state = ev.state
    B = np.zeros_like(state.Q)
    for row in np.flatnonzero(state.Q[:, -1] > 0.0):
        B[row] = couplings.field_overlaps(state.Q[row], state.m)
    half = 0.5 * state.steps
    by_Q, by_q = half * (B - pulls(run)) / run.problem.alpha, half * (state.eps - fields(run))
    return np.concatenate([gather(layout, by_Q, by_q), ev.ds_dm[1:]])


def hessian(layout: Layout, ev: Evaluation, blocks: Blocks) -> FloatArray:
    """Second derivatives in (q, Q, m)."""
    size = layout.size + ev.state.K
    m = np.arange(layout.size, size)
    H = np.zeros((size, size))
    q, Q = layout.eps.index, layout.Q.index
    for row, block in enumerate(blocks.couplings):
        if block is not None:
            newton.add_block(H, np.concatenate([q[row], Q[row], m]), 1.0, block)
    for row, parts in enumerate(blocks.neurons):
        if parts is not None:
            own = q[row + 1][q[row + 1] != NONE]
            columns = np.concatenate([own, q[row], Q[row], m])
            newton.add_block(H, columns, 1.0, _neuron_block(parts, ev, row))
            if blocks.couplings[row] is None:  # no coupling below holds its m
                H[layout.size :, layout.size :] += parts.m_m
    return np.asarray(0.5 * (H + H.T))


def _neuron_block(parts: HiddenCurvature, ev: Evaluation, row: int) -> FloatArray:
    """What q(l) adds: rows and columns (q(l), q(l-1), Q(l), m)."""
    below, Q = ev.q[row], ev.state.Q[row]
    n, K1, K = parts.q_q.shape[0], Q.size, Q.size - 1
    out = np.zeros((n + 2 * K1 + K, n + 2 * K1 + K))
    out[:n, :n] = parts.q_q
    out[:n, n:] = np.hstack([parts.q_lam * Q, parts.q_lam * below, parts.q_m])
    out[n:, :n] = out[:n, n:].T
    return out


def field_step(layout: Layout, ev: Evaluation, blocks: Blocks, step: FloatArray) -> FloatArray:
    """Change of (eps, Q): d eps = T'^-1 (dq - T_lam dlam - T_m dm)."""
    out, dm = step[: layout.size].copy(), step[layout.size :]
    change = np.append(step[: layout.size], 0.0)  # NONE is the last entry
    for row, parts in enumerate(blocks.neurons):
        if parts is not None:
            index = layout.eps.index[row + 1]
            where = index[index != NONE]
            by_q, by_Q = change[layout.eps.index[row]], change[layout.Q.index[row]]
            d_lam = by_q * ev.state.Q[row] + ev.q[row] * by_Q
            rest = step[where] - parts.by_lam @ d_lam - parts.by_m @ dm
            out[where] = parts.inverse @ rest
    return out


def by_log_alpha(problem: Problem, layout: Layout, ev: Evaluation) -> FloatArray:
    """d(ds/dx)/d ln alpha = -d(S_sph/alpha)/dx, explicit."""
    state = ev.state
    by_Q, by_m = np.zeros_like(state.Q), np.zeros(state.K)
    half = 0.5 * state.steps
    for row in np.flatnonzero(state.Q[:, -1] > 0.0):
        by_Q[row] = half * couplings.field_overlaps(state.Q[row], state.m)
        by_m += couplings.entropy(state.Q[row], state.m)[1]
    by_unknown = gather(layout, by_Q, np.zeros_like(state.eps))
    return -np.concatenate([by_unknown, by_m]) / problem.alpha
