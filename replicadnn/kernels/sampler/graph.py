"""Who reads whom in a network of connectivity c < N.

The sampler's kernels take a `Wiring`, or None for the fully connected network: numba compiles each
of them once for both, so that the latter pays nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from replicadnn.kernels._jit import jit_strict

_F = np.float32
_U = np.uint64


class Wiring(NamedTuple):
    """The graph of a diluted network, read in both directions.

    inputs              (L, N, c) int32    perceptron (l, i) reads neuron inputs[l-1, i, k] of layer
                                           l-1 through its coupling k
    first               (L, N+1)  int64    the readers of neuron k of layer l-1 are those with
                                           first[l-1, k] <= e < first[l-1, k+1]:
    reader, coupling    (L, N c)  int32    perceptron reader[l-1, e] through its coupling
                                           coupling[l-1, e], in ascending order
    """

    inputs: Any
    first: Any
    reader: Any
    coupling: Any


@jit_strict
def read_by(wiring, l, i, k):
    """Neuron of layer l-1 that perceptron (l, i) reads through its coupling k."""
    if wiring is None:
        return k
    return np.int64(wiring.inputs[l - 1, i, k])


@jit_strict
def readers_of(wiring, l, k, N):
    """Half-open range of the entries e that read neuron k of layer l-1, for `reader`."""
    if wiring is None:
        return k * N, (k + 1) * N
    return wiring.first[l - 1, k], wiring.first[l - 1, k + 1]


@jit_strict
def reader(wiring, l, k, e, N):
    """Perceptron of layer l at entry e of the readers of neuron k, and which of its couplings."""
    if wiring is None:
        return e - k * N, k
    return np.int64(wiring.reader[l - 1, _U(e)]), np.int64(wiring.coupling[l - 1, _U(e)])


@jit_strict
def flip_steps(J, wiring, l, out):
    """What a flip of a neuron S_{l, k} = +1 adds to the fields of its readers in layer l+1.

    out[e] = -2 J / sqrt(c), e over `readers_of` (l+1, k) for all k: N c numbers.
    """
    N, c = J.shape[1], J.shape[2]
    scale = -2.0 / np.sqrt(c)
    for k in range(N):
        begin, end = readers_of(wiring, l + 1, k, N)
        for e in range(begin, end):
            i, place = reader(wiring, l + 1, k, e, N)
            out[_U(e)] = _F(scale * J[l, i, place])


@jit_strict
def switch_edges(edges, pairs):
    """Exchange the neurons of two edges wherever that makes no double edge.

    edges (N, c) int32, changed in place: perceptron i reads edges[i, k]; pairs (n, 2): flat numbers
    of two edges, tried one after the other.
    """
    c = edges.shape[1]
    for n in range(pairs.shape[0]):
        i, a = divmod(pairs[n, 0], c)
        j, b = divmod(pairs[n, 1], c)
        first, second = edges[i, a], edges[j, b]
        there = np.int32(first == second or i == j)
        for k in range(c):  # to the end: it vectorises
            there |= np.int32(edges[i, _U(k)] == second) | np.int32(edges[j, _U(k)] == first)
        if there == 0:
            edges[i, a] = second
            edges[j, b] = first
