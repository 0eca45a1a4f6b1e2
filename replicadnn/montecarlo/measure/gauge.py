"""Overlaps of two networks that do not change when hidden neurons are flipped.

A hidden neuron may be flipped together with its couplings and those that read it.  In a diluted
network nothing else is left to choose, since neurons are told apart by what they read; in a fully
connected one neurons may be permuted too, see `replicadnn.montecarlo.measure.overlaps`.  The sign
of neuron i of one network against the other has to be read from their products, and reading and
measuring on the same number would make an overlap of nothing.  So every pattern, and every
coupling, is measured with the sign that all others have:

    s_mu = S^a_{l,i}^mu S^b_{l,i}^mu,    m_i = sum_mu s_mu,    sgn(0) = 0
    q(l) = (1/(N M)) sum_{i,mu} sgn(m_i - s_mu) s_mu,                          l = 1..L-1

    p_k = sgn(m_{l-1,k'}) J^a_{l,i,k} J^b_{l,i,k},    P_i = sum_k p_k,    k' the neuron read
    Q(l) = (1/(N c)) sum_{i,k} sgn(P_i - p_k) p_k,                             l = 1..L

Inputs and outputs have no sign to choose: in layer 1 sgn(m) is 1, and Q(L) is the mean of p.

Of unrelated networks the numbers have independent fair signs: q and Q are 0 on average, without a
floor to subtract, where the mean of |m_i|/M would be sqrt(2/(pi M)).  Where no sign is wrong they
are the overlaps themselves.  In between a wrong sign costs: |m_i|/M below about 1/sqrt(M), |P_i|/c
below about 1/sqrt(c).  Two liquid layers whose neurons follow their couplings do agree, or
disagree, neuron by neuron, by (2/pi) times the overlap of two random perceptrons:
q = (2/pi)^(3/2) / sqrt(c) = 0.51/sqrt(c) for M >> c >> 1.

Squares need no sign.  They are 0 on average for unrelated networks and 1 for equal ones (l = L: on
average), and nothing is read low:

    q2(l) = (1/(N M (M-1))) sum_i sum_{mu != nu} s_mu s_nu = (1/N) sum_i (m_i^2 - M)/(M (M-1))
    Q2(l) = (1/N) sum_i (P_i^2/c - 1)/(c - 1),                                 l < L, or l = L = 1
    Q2(L) = the mean of p p' over pairs of couplings that read the same neuron of layer L-1

Two random vectors on the sphere have P^2/c = 1 on average.  Only for 1 < l < L the signs of the
neurons read have to be taken from their products, sgn(m), sgn(0) = 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from replicadnn.montecarlo.network import Network

Array = NDArray[np.float64]


def neuron_overlap(a: Network, b: Network) -> Array:
    """q(l) for l = 1..L-1, shape (L-1,); nan for a single pattern, whose sign nothing tells."""
    M = a.S.shape[2]
    if M < 2:
        return np.full(len(a.S) - 2, np.nan)
    m = _products(a, b)
    ups, downs = (M + m) // 2, (M - m) // 2  # patterns with s = 1 and with s = -1
    q: Array = (ups * np.sign(m - 1) - downs * np.sign(m + 1)).mean(axis=1) / M
    return q


def coupling_overlap(a: Network, b: Network) -> Array:
    """Q(l) for l = 1..L, shape (L,); the networks have the same ``inputs``."""
    L = len(a.J)
    p = a.J.astype(np.float64) * b.J
    signs = np.sign(_products(a, b))
    for layer in range(2, L + 1):
        below = signs[layer - 2]
        p[layer - 1] *= below if a.inputs is None else below[a.inputs[layer - 1]]
    others = p.sum(axis=2, keepdims=True) - p
    Q: Array = (np.sign(others) * p).mean(axis=(1, 2))
    Q[L - 1] = p[L - 1].mean()
    return Q


def neuron_square(a: Network, b: Network) -> Array:
    """q2(l) for l = 1..L-1, shape (L-1,); nan for a single pattern."""
    M = a.S.shape[2]
    if M < 2:
        return np.full(len(a.S) - 2, np.nan)
    q2: Array = ((_products(a, b) ** 2 - M) / (M * (M - 1.0))).mean(axis=1)
    return q2


def coupling_square(a: Network, b: Network) -> Array:
    """Q2(l) for l = 1..L, shape (L,); nan where no neuron is read twice."""
    L, N, c = a.J.shape
    p = a.J.astype(np.float64) * b.J
    signs = np.where(_products(a, b) < 0, -1, 1)  # a tie has one of the two, as others do
    for layer in range(2, L):
        below = signs[layer - 2]
        p[layer - 1] *= below if a.inputs is None else below[a.inputs[layer - 1]]
    Q2: Array = (np.square(p.sum(axis=2)) / c - 1.0).mean(axis=1) / (c - 1.0)
    if L > 1:
        read = np.tile(np.arange(N), N) if a.inputs is None else a.inputs[L - 1].ravel()
        Q2[L - 1] = _mean_of_pairs(p[L - 1].ravel(), read, N)
    return Q2


def _mean_of_pairs(p: Array, group: NDArray[np.integer[Any]], groups: int) -> float:
    """Mean of p p' over all pairs of one group."""
    sums, squares, sizes = (
        np.bincount(group, weights, groups) for weights in (p, p * p, np.ones_like(p))
    )
    pairs = float((sizes * (sizes - 1.0)).sum())
    return float((sums * sums - squares).sum()) / pairs if pairs else float("nan")


def _products(a: Network, b: Network) -> NDArray[np.int64]:
    """m (L-1, N)."""
    m: NDArray[np.int64] = (a.S[1:-1] * b.S[1:-1]).sum(axis=2, dtype=np.int64)
    return m
