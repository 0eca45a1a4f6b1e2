"""Overlaps between two networks on the same inputs, raw and after matching their neurons.

    Q(l) = (1/(N c)) sum_{i,k} J^a_{l,i,k} J^b_{l,i,k},    l = 1..L  (fan-in c)
    q(l) = (1/(N M)) sum_{i,mu} S^a_{l,i}^mu S^b_{l,i}^mu,  l = 1..L-1

Hidden neurons of a fully connected network may be permuted and flipped without any consequence, so
between networks that were not started from one state the raw overlaps of hidden layers vanish.
Matching finds, layer by layer, the permutation and the signs that maximise
sum_i |S^a_i . S^b_pi(i)|.  It has a positive bias: neurons at random match at about
sqrt(2 ln N / M) in q, those of unrelated networks higher, and their couplings too: compare with
`matching_floor`.  On a graph with c < N neurons are
distinguished by whom they read, and only the signs are left; two independent networks match at
sqrt(2 / (pi M)) in q.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from replicadnn.montecarlo.connectivity import Signs, random_couplings
from replicadnn.montecarlo.network import (
    Network,
    error_rate,
    gauge,
    permute,
    plant,
    propagate,
)

Array = NDArray[np.float64]


def coupling_overlap(a: Network, b: Network) -> Array:
    """Q(l) for l = 1..L, shape (L,)."""
    product = a.J.astype(np.float64) * b.J
    overlap: Array = product.mean(axis=(1, 2))
    return overlap


def neuron_overlap(a: Network, b: Network) -> Array:
    """q(l) for l = 1..L-1, shape (L-1,)."""
    overlap: Array = (a.S[1:-1] * b.S[1:-1]).mean(axis=(1, 2), dtype=np.float64)
    return overlap


def best_relabelling(a: Signs, b: Signs) -> tuple[NDArray[np.intp], Signs]:
    """order, signs (N,) such that signs[i] * b[order[i]] is closest to a[i]; a, b (N, M)."""
    c = a.astype(np.float64) @ b.T.astype(np.float64)
    _, order = linear_sum_assignment(-np.abs(c))
    signs = np.where(c[np.arange(len(order)), order] < 0.0, -1, 1).astype(np.int8)
    return order, signs


def own_signs(a: Signs, b: Signs) -> Signs:
    """signs (N,) such that signs[i] * b[i] is closest to a[i] (1 where neither is); a, b (N, M)."""
    return np.where((a * b).sum(axis=1, dtype=np.int64) < 0, -1, 1).astype(np.int8)


def match(a: Network, b: Network) -> Network:
    """``b`` with the neurons of every hidden layer made to resemble those of ``a``.

    They are relabelled and flipped in fully connected networks; on another graph, which must be the
    same for both, only flipped.
    """
    for layer in range(1, a.J.shape[0]):
        if b.inputs is None:
            order, signs = best_relabelling(a.S[layer], b.S[layer])
            b = permute(b, layer, order, signs)
        else:
            b = gauge(b, layer, own_signs(a.S[layer], b.S[layer]))
    return b


def disagreement(teacher: Network, student: Network, patterns: Signs) -> Array:
    """(1/(N P)) #{i, mu : S^teacher_{l,i}^mu != S^student_{l,i}^mu}, l = 1..L.

    Noiseless forward passes of both.
    patterns : (N, P) of +-1, fresh ones for the generalisation error eps_g, the last entry.
    1 - 2 disagreement is the overlap rho(l) of docs/theory.md (24); hidden layers are compared
    neuron by neuron, so `match` first where the two do not share their labels.  Returns (L,).
    """
    own, other = (propagate(net.J, patterns, inputs=net.inputs) for net in (teacher, student))
    different: Array = (own[1:] != other[1:]).mean(axis=(1, 2))
    return different


def matching_floor(L: int, N: int, M: int, beta: float, rng: np.random.Generator) -> Array:
    """Matched overlaps of unrelated fully connected networks: Q (L), then q (L-1), of one draw.

    Two equilibrium samples on the same inputs, each with outputs of its own (`plant`).  Neurons
    follow their couplings, so that pairs which are matched for their patterns have alike couplings,
    too: Q(1) is about q(1), Q(2) less, Q(L) none.  That is what liquid layers keep.
    """
    a = plant(L, N, M, beta, rng)
    J = random_couplings(L, N, rng, N)
    b = match(a, Network(J, propagate(J, a.S[0], error_rate(beta), rng)))
    return np.concatenate([coupling_overlap(a, b), neuron_overlap(a, b)])
