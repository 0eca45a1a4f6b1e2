"""Replicon: stability of one level against splitting (docs/theory.md, section 6).

At level i fluctuations between replicas that share value i obey delta q = <f''^2>_spin delta eps,
delta G = <f''^2>_int delta lam, delta Q = D_i^2 delta B. Together with the definitions of eps, lam
and B they form one linear map of (delta q(1..L-1), delta Q(1..L)); its spectral radius is rho_i.
rho_i < 1: stable, 1: marginal (continuous replica-symmetry breaking), > 1: the level wants to
split. With K levels rho_i - 1 is the error of the discretisation in cell i: it falls as K^-2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import response as spherical
from .rsb_map import Array, Evaluation, Model, liquid_curvature


@dataclass(frozen=True, slots=True)
class Replicon:
    """rho (K+1) and the eigenvectors: delta eps (K+1, L+1), delta Q (K+1, L).

    `by_layer` (K+1, L-1) is the share of hidden layer l in the eigenvector, sum_l = 1.
    """

    rho: Array
    eps: Array
    Q: Array
    by_layer: Array


def replicon(model: Model, ev: Evaluation) -> Replicon:
    """Spectral radius and leading eigenvector at every level."""
    L, K1 = model.L, ev.state.m.size
    q, Q, G = ev.q, ev.state.Q, ev.G
    spin = np.ones((L + 1, K1))
    gap = np.full((L, K1), liquid_curvature(model))
    for layer, flow in enumerate(ev.gap_flows):
        if flow is not None:
            gap[layer] = gap[L - 1 - layer] = flow.curvature
    for layer, flow in enumerate(ev.spin_flows):
        if flow is not None:
            spin[layer] = 0.0
            spin[layer, : flow.curvature.size] = flow.curvature
            spin[L - layer] = spin[layer]
    spin[0] = spin[-1] = 0.0
    D2 = spherical.resolvents(Q, np.broadcast_to(ev.state.m, Q.shape)) ** 2
    rho = np.zeros(K1)
    eps_vectors, Q_vectors = np.zeros((K1, L + 1)), np.zeros((K1, L))
    shares = np.zeros((K1, max(L - 1, 0)))
    # the matrix is non-negative and mirror symmetric, hence so is its leading vector
    mirrored = np.concatenate([np.arange(L, -1, -1), L + 1 + np.arange(L - 1, -1, -1)])
    first = np.minimum(np.arange(2 * L + 1), mirrored)
    distinct = np.unique(first)
    unfold = (first[:, None] == distinct).astype(float)
    for i in range(K1):
        a, b, Qi, Gi = q[:-1, i], q[1:, i], Q[:, i], G[:, i]
        # rows: (delta eps (L+1), delta B (L)) from (delta q (L+1), delta Q (L))
        dlam = np.zeros((L, 2 * L + 1))
        rows = np.arange(L)
        dlam[rows, rows] = b * Qi
        dlam[rows, rows + 1] = a * Qi
        dlam[rows, L + 1 + rows] = a * b
        dG = gap[:, i][:, None] * dlam
        deps = np.zeros((L + 1, 2 * L + 1))
        for s in range(L):
            for layer, other in ((s, s + 1), (s + 1, s)):
                deps[layer] += Qi[s] * q[other, i] * dG[s]
                deps[layer, other] += Qi[s] * Gi[s]
                deps[layer, L + 1 + s] += q[other, i] * Gi[s]
        dB = model.alpha * (a * b)[:, None] * dG
        dB[rows, rows] += model.alpha * b * Gi
        dB[rows, rows + 1] += model.alpha * a * Gi
        matrix = np.vstack([spin[:, i][:, None] * deps, D2[:, i][:, None] * dB])
        values, vectors = np.linalg.eig(matrix[distinct] @ unfold)
        lead = int(np.argmax(values.real))
        rho[i] = values[lead].real
        vector = unfold @ np.abs(vectors[:, lead].real)
        eps_vectors[i] = np.abs(deps @ vector)
        Q_vectors[i] = vector[L + 1 :]
        total = vector[1:L].sum()
        shares[i] = vector[1:L] / total if total > 0.0 else 0.0
    return Replicon(rho, eps_vectors, Q_vectors, shares)
