"""Replicon of a K-level state of the exact closure: stability of one level against splitting.

    ( dq )   ( <f_uu^2>  <f_uw^2> ) ( deps )      deps(l) = Q(l+1) dG(l+1) + G(l+1) dQ(l+1)
    ( dG ) = ( <f_uw^2>  <f_ww^2> ) ( dlam )      dlam(l) = Q(l) dq(l-1) + q(l-1) dQ(l)
    dQ(l) = D_i(l)^2 alpha [ q(l-1) dG(l) + G(l) dq(l-1) ]

with averages over P_i; rho_i is the spectral radius of the map of (q, Q) (docs/theory.md, eq. 49
with D_i in place of 1 - Q).  Its entries are not negative, so the leading eigenvalue is real and
its vector has no negative entry.
"""

from __future__ import annotations

import numpy as np

from replicadnn.theory import spherical
from replicadnn.theory.broken.state import Evaluation, Replicon
from replicadnn.theory.closures.averaged.weight import liquid_curvature
from replicadnn.theory.closures.exact.broken_flows import Pass
from replicadnn.types import FloatArray

ROUNDING = 1e-12  # of a vector of length one


def squares(run: Pass, layer: int) -> FloatArray:
    """<f_uu^2>, <f_uw^2>, <f_ww^2> of a layer (1..L) at every level, (3, K+1)."""
    K1, problem = run.state.m.size, run.problem
    if layer == problem.L:
        return np.vstack([np.zeros((2, K1)), run.output.curvature])
    flow = run.hidden[layer - 1]
    if flow is not None:
        return flow.squares
    c0 = liquid_curvature(problem.kappa, problem.beta)
    return np.repeat([[1.0], [c0], [problem.kappa**2 * c0]], K1, axis=1)


def zero_level_growth(run: Pass) -> FloatArray:
    """Growth factor of an infinitesimal overlap at every level of every layer, (L+1, K+1).

        alpha D(l+1)^2 G(l+1)^2 [ <f_uu^2> + <f_uw^2>^2 k/(1 - <f_ww^2> k) ],
        k = alpha D(l)^2 q(l-1)^2                                      (docs/theory.md, eq. 58)

    or <f_ww^2> k, growth of the couplings below by themselves, if that is larger; inf where the
    last denominator is not positive and a field comes from above.  Meaningful where q_i(l) = 0:
    there P_i is a delta at 0.  In a liquid layer, at the top level, it is docs/theory.md, eq. 48.
    """
    state, problem = run.state, run.problem
    D = spherical.resolvents(state.Q, state.m)
    out = np.zeros_like(run.q)
    for layer in range(1, problem.L):
        uu, uw, ww = squares(run, layer)
        k = problem.alpha * (D[layer - 1] * run.q[layer - 1]) ** 2
        left, above = 1.0 - ww * k, problem.alpha * (D[layer] * run.G[layer]) ** 2
        safe = np.where(left > 0.0, left, 1.0)
        growth = np.where(left > 0.0, above * (uu + uw**2 * k / safe), np.inf)
        out[layer] = np.maximum(np.where(above > 0.0, growth, 0.0), ww * k)
    return out


def replicon_matrix(run: Pass, level: int, first: int) -> tuple[FloatArray, FloatArray]:
    """The map of (dq(first..L-1), dQ(first..L)) at one level, and deps (L+1) as rows over these."""
    state, L, i = run.state, run.problem.L, level
    hidden, alpha = L - first, run.problem.alpha
    size = 2 * hidden + 1
    D = spherical.resolvents(state.Q, state.m)[:, i]
    out, eps, dG = np.zeros((size, size)), np.zeros((L + 1, size)), np.zeros(size)
    for layer in range(L, first - 1, -1):
        uu, uw, ww = squares(run, layer)[:, i]
        at, below = layer - first, run.q[layer - 1, i]
        if layer < L:
            eps[layer] = state.Q[layer, i] * dG
            eps[layer, hidden + at + 1] += run.G[layer, i]
        d_lam = np.zeros(size)
        d_lam[hidden + at] = below
        if layer > first:
            d_lam[at - 1] = state.Q[layer - 1, i]
        if layer < L:
            out[at] = uu * eps[layer] + uw * d_lam
        dG = uw * eps[layer] + ww * d_lam
        row = below * dG
        if layer > first:
            row[at - 1] += run.G[layer - 1, i]
        out[hidden + at] = D[layer - 1] ** 2 * alpha * row
    return out, eps


def replicon(ev: Evaluation, run: Pass) -> Replicon:
    """rho_i and its mode; the liquid layer below the last solid one feels it and counts too."""
    L, K1 = run.problem.L, ev.state.m.size
    solid = np.flatnonzero(ev.q[1:, -1] > 0.0)  # at least the output
    first = max(int(solid[0]), 1)
    hidden = L - first
    rho = np.empty(K1)
    eps, Q, shares = np.zeros((K1, L + 1)), np.zeros((K1, L)), np.zeros((K1, L - 1))
    for i in range(K1):
        matrix, by_eps = replicon_matrix(run, i, first)
        values, vectors = np.linalg.eig(matrix)
        lead = int(np.argmax(np.abs(values)))
        rho[i], vector = abs(values[lead]), np.abs(vectors[:, lead])
        eps[i], Q[i, first - 1 :] = by_eps @ vector, vector[hidden:]
        total = float(vector[:hidden].sum())
        if total > ROUNDING:
            shares[i, first - 1 :] = vector[:hidden] / total
    return Replicon(rho, eps, Q, shares)
