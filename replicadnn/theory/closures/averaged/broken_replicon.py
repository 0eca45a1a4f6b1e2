"""Replicon: stability of one level against splitting (docs/theory.md, section 6).

At level i fluctuations between replicas that share value i obey delta q = <f''^2>_spin delta eps,
delta G = <f''^2>_int delta lam, delta Q = D_i^2 delta B. Together with the definitions of eps, lam
and B they form one linear map W C of (delta q(1..L-1), delta Q(1..L)), with W diagonal and C
symmetric: for each interaction, with x, y of its overlaps (q(l-1), Q(l), q(l)),

    C_xy = <f''^2> lam_x lam_y + G lam_xy,    W = <f''^2>_spin for q, alpha D^2 for Q.

Its largest eigenvalue, that of W^1/2 C W^1/2, is rho_i. rho_i < 1: stable, 1: marginal (continuous
replica-symmetry breaking), > 1: the level wants to split. With K levels rho_i - 1 is the error of
the discretisation in cell i: it falls as K^-2. In the order Q(1), q(1), Q(2), ... C has five
diagonals; the leading vector is mirror symmetric, so half the layers suffice.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import diags_array
from scipy.sparse.linalg import eigsh

from replicadnn.problem import Problem
from replicadnn.theory import spherical
from replicadnn.theory.broken.state import Evaluation, Replicon
from replicadnn.theory.closures.averaged.broken_flows import Layers, coupled, hidden
from replicadnn.theory.closures.smoothed import Step
from replicadnn.types import FloatArray

ROUNDING = 1e-12  # of a vector of length one
DENSE = 300  # unknowns above which the leading vector is found by Lanczos steps


def liquid_curvature(problem: Problem) -> float:
    """f''(0)^2 of an interaction with lam = 0."""
    _, _, f2 = Step(problem.kappa, problem.beta).smoothed(np.zeros(1), 1.0)
    return float(f2[0] ** 2)


def zero_level_growth(problem: Problem, ev: Evaluation, kept: Layers) -> FloatArray:
    """Growth factor rho_i(l) of an infinitesimal overlap at level i of layer l, (L+1, K+1).

    rho_i(l) = alpha f_i''(0)^2 [ D_i(l)^2 q_i(l-1)^2 G_i(l)^2 + D_i(l+1)^2 q_i(l+1)^2 G_i(l+1)^2 ].
    Meaningful where q_i(l) = 0 (there P_i is a delta at 0, so <f''^2> = f''(0)^2); in a liquid
    layer and at the top level it is the criterion alpha (2/pi)^2 (q(l-1)^2 + q(l+1)^2) > 1.
    """
    m, q, Q = ev.state.m, ev.q, ev.state.Q
    D = spherical.resolvents(Q, m)
    drive = (D * kept.G) ** 2
    rho = np.zeros_like(q)
    for layer in range(1, problem.L):
        flow = kept.spin_flows[min(layer, problem.L - layer)]
        curvature = np.ones(m.size)
        if flow is not None:
            curvature[: flow.curvature.size] = flow.curvature
        pair = drive[layer - 1] * q[layer - 1] ** 2 + drive[layer] * q[layer + 1] ** 2
        rho[layer] = problem.alpha * curvature * pair
    return rho


def replicon(problem: Problem, ev: Evaluation, kept: Layers) -> Replicon:
    """Largest eigenvalue and its vector at every level."""
    L, K1 = problem.L, ev.state.m.size
    solid = np.flatnonzero(ev.q[: hidden(L) + 1, -1] > 0.0)[-1]  # the last one: 0 is data
    layers = min(int(solid) + 1, hidden(L))  # a liquid layer feels its solid neighbour
    pairs = min(layers + 1, coupled(L))
    spin, gap = np.ones((layers, K1)), np.full((pairs, K1), liquid_curvature(problem))
    for layer, flow in enumerate(kept.spin_flows[1 : layers + 1]):
        if flow is not None:
            spin[layer] = 0.0
            spin[layer, : flow.curvature.size] = flow.curvature
    for layer, flow in enumerate(kept.gap_flows[:pairs]):
        if flow is not None:
            gap[layer] = flow.curvature
    Q = ev.state.Q[:pairs]
    diagonals = _curvature(L, ev, kept.G, gap, layers)
    n = layers + pairs
    W, centre = np.empty((n, K1)), np.ones(n)
    W[0::2] = problem.alpha * spherical.resolvents(Q, np.broadcast_to(ev.state.m, Q.shape)) ** 2
    W[1::2] = spin
    if n == L:
        centre[-1] = np.sqrt(2.0)  # layer without mirror image, in an orthonormal basis
    root = np.sqrt(W)
    rho, vectors = _leading([d * root[k:] * root[: n - k] for k, d in enumerate(diagonals)])
    change = root * vectors
    pull = diagonals[0] * change
    for k in (1, 2):
        pull[k:] += diagonals[k] * change[: n - k]
        pull[: n - k] += diagonals[k] * change[k:]
    eps, Q_change, shares = np.zeros((K1, L + 1)), np.zeros((K1, L)), np.zeros((K1, L - 1))
    weighted = change * centre[:, None]
    places = np.arange(layers)
    eps[:, 1 + places] = eps[:, L - 1 - places] = (pull * centre[:, None])[1::2].T
    shares[:, places] = shares[:, L - 2 - places] = weighted[1::2].T
    places = np.arange(pairs)
    Q_change[:, places] = Q_change[:, L - 1 - places] = weighted[0::2].T
    total = shares.sum(1, keepdims=True)
    shares = np.where(total > ROUNDING, shares / np.maximum(total, ROUNDING), 0.0)
    return Replicon(rho, eps, Q_change, shares)


def _curvature(
    L: int, ev: Evaluation, G: FloatArray, gap: FloatArray, layers: int
) -> tuple[FloatArray, ...]:
    """Diagonals 0, 1, 2 of C, mirrored layers folded together, (n - k, K+1)."""
    pairs, K1 = gap.shape
    n = layers + pairs
    a, b, Q, G = ev.q[:pairs], ev.q[1 : pairs + 1], ev.state.Q[:pairs], G[:pairs]
    by_a, by_Q, by_b = b * Q, a * b, a * Q
    own, next_to, across = np.zeros((n, K1)), np.zeros((n - 1, K1)), np.zeros((max(n - 2, 0), K1))
    left, right = slice(1, 2 * pairs - 2, 2), slice(1, 2 * layers, 2)  # places of q beside Q
    own[0::2] = gap * by_Q**2
    own[left] += (gap * by_a**2)[1:]
    own[right] += (gap * by_b**2)[:layers]
    next_to[left] = (gap * by_a * by_Q + G * b)[1:]
    next_to[0 : 2 * layers : 2] = (gap * by_b * by_Q + G * a)[:layers]
    mixed = gap * by_a * by_b + G * Q
    across[1 : 2 * layers - 1 : 2] = mixed[1:layers]
    if n == L:
        if L % 2 == 0:  # the central q is its own image
            own[-1] *= 2.0
            next_to[-1] *= np.sqrt(2.0)
            across[-1:] *= np.sqrt(2.0)
        elif layers > 0:  # both q beside the central Q are one
            own[-2] += mixed[-1]
            next_to[-1] *= np.sqrt(2.0)
    return own, next_to, across


def _leading(diagonals: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Largest eigenvalue of a non-negative symmetric matrix, and its vector, for each column."""
    n, K1 = diagonals[0].shape
    if n <= DENSE:
        matrices = np.zeros((K1, n, n))
        for k, values in enumerate(diagonals):
            rows = np.arange(values.shape[0])
            matrices[:, rows, rows + k] = matrices[:, rows + k, rows] = values.T
        values, vectors = np.linalg.eigh(matrices)
        return values[:, -1], np.abs(vectors[:, :, -1]).T
    rho, out = np.empty(K1), np.empty((n, K1))
    for i in range(K1):
        upper = sum(
            (diags_array(d[:, i], offsets=k, shape=(n, n)) for k, d in enumerate(diagonals[1:], 1)),
            start=diags_array(0.5 * diagonals[0][:, i], offsets=0),
        )
        value, vector = eigsh((upper + upper.T).tocsr(), 1, which="LA", v0=np.ones(n))
        rho[i], out[:, i] = value[0], np.abs(vector[:, 0])
    return rho, out
