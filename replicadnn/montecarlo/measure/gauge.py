"""Overlaps of two networks that do not change when hidden neurons are flipped.

A hidden neuron may be flipped together with its couplings and those that read it.  In a diluted
network nothing else is left to choose, since neurons are told apart by what they read; in a fully
connected one neurons may be permuted too, see `replicadnn.montecarlo.measure.overlaps`.  The sign
of neuron i of one network against the other is read from their product itself, and reading and
measuring on the same numbers would make an overlap of nothing.  So each half of the numbers
(first, third, ... and second, fourth, ...) is given the sign that the other half has:

    m_i^A, m_i^B = sums over half the patterns of S^a_i S^b_i,    sgn(0) = 0
    q(l) = (1/(N M)) sum_i [sgn(m_i^A) m_i^B + sgn(m_i^B) m_i^A],               l = 1..L-1

    p_{i,k} = g_{l-1,k'} J^a_{l,i,k} J^b_{l,i,k},    g = sgn(m^A + m^B), k' the neuron read
    Q(l) = (1/(N c)) sum_i [sgn(P_i^A) P_i^B + sgn(P_i^B) P_i^A],               l = 1..L

with the sums P_i^A, P_i^B of p over the halves of the k.  Inputs and outputs have no sign to
choose: g_{0,k} = 1, and Q(L) is the mean of p.

Of unrelated numbers the halves are independent with either sign: q and Q are 0 on average,
without a floor to subtract.  Where no half has the wrong sign they are the overlaps themselves.
In between a wrong sign costs: |m_i| below about 1/sqrt(M), |Q_i| below about 1/sqrt(c).
Two liquid layers whose neurons follow their couplings do agree neuron by neuron, by (2/pi) times
the overlap of two random perceptrons: q = (2/pi)^(3/2) / sqrt(c) = 0.51/sqrt(c) for M >> c >> 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from replicadnn.montecarlo.network import Network

Array = NDArray[np.float64]


def neuron_overlap(a: Network, b: Network) -> Array:
    """q(l) for l = 1..L-1, shape (L-1,); nan for a single pattern, which has no halves."""
    M = a.S.shape[2]
    if M < 2:
        return np.full(len(a.S) - 2, np.nan)
    q: Array = _signed(*_halves(a.S[1:-1] * b.S[1:-1])) / M
    return q


def coupling_overlap(a: Network, b: Network) -> Array:
    """Q(l) for l = 1..L, shape (L,); the networks have the same ``inputs``."""
    L, c = len(a.J), a.J.shape[-1]
    product = a.J.astype(np.float64) * b.J
    signs = np.sign((a.S[1:-1] * b.S[1:-1]).sum(axis=2, dtype=np.int64))
    for layer in range(2, L + 1):
        below = signs[layer - 2]
        product[layer - 1] *= below if a.inputs is None else below[a.inputs[layer - 1]]
    Q: Array = _signed(*_halves(product)) / c
    Q[L - 1] = product[L - 1].mean()
    return Q


def _halves(values: NDArray[Any]) -> tuple[Array, Array]:
    """Sums over the first, third, ... and the second, fourth, ... of the last axis."""
    one: Array = values[..., 0::2].sum(axis=-1, dtype=np.float64)
    two: Array = values[..., 1::2].sum(axis=-1, dtype=np.float64)
    return one, two


def _signed(one: Array, two: Array) -> Array:
    """Mean over the neurons of every half with the sign of the other; halves (layers, N)."""
    mean: Array = (np.sign(one) * two + np.sign(two) * one).mean(axis=1)
    return mean
