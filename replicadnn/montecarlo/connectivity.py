"""Which neurons of the layer below a perceptron reads: c of them, the fan-in, or all N.

Everything that depends on c is said here and nowhere else: the sphere sum_k (J_{l,i}^k)^2 = c, the
fields, the number of patterns M = alpha c, and one rotation a coupling in every sweep.  Couplings
are arrays J (L, N, c); coupling k of perceptron (l, i) reads neuron ``inputs[l-1, i, k]`` of layer
l-1,

    h_{l,i}^mu = c^-1/2 sum_k J_{l,i}^k S_{l-1,inputs[l-1,i,k]}^mu,

with ``inputs`` (L, N, c) ascending in k, or None where every perceptron reads all neurons (c = N,
k itself).
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.floating]
Signs = NDArray[np.int8]
Inputs = NDArray[np.int32]

#: Rounds of random switches after the last double edge of a regular graph; each tries one switch
#: an edge, so every edge is chosen about 2 SWITCH_ROUNDS times.
SWITCH_ROUNDS = 10
#: Random numbers of switches that are drawn at once.
_SWITCHES_AT_ONCE = 1_000_000


class Graph(enum.StrEnum):
    """``random``: fan-in c, fan-out fluctuates.  ``regular``: fan-in and fan-out c."""

    RANDOM = "random"
    REGULAR = "regular"


@dataclass(frozen=True, slots=True)
class Connectivity:
    """Networks of one width in which every perceptron reads ``fan_in`` neurons, 2..width.

    graph : ensemble of the graphs where fan_in < width; without a meaning where they are equal.
    """

    width: int
    fan_in: int
    graph: Graph = Graph.RANDOM

    @property
    def dense(self) -> bool:
        """Does every perceptron read all neurons of the layer below?"""
        return self.fan_in == self.width

    def shape(self, L: int) -> tuple[int, int, int]:
        """Shape (L, N, c) of the couplings of L layers."""
        return L, self.width, self.fan_in

    def patterns(self, alpha: float) -> int:
        """M = alpha c, rounded."""
        return round(alpha * self.fan_in)

    def alpha(self, M: int) -> float:
        """M / c."""
        return M / self.fan_in

    def draw(self, L: int, rng: np.random.Generator) -> Inputs | None:
        """A graph, ``inputs`` (L, N, c) of this module; None where the network is dense.

        random : every perceptron draws its c neurons without repetition, independent of all
            others; the fan-out of a neuron is binomial with mean c and variance c (1 - c/N).
        regular : one of the graphs of a layer in which every neuron is also read c times; see
            `regular_layer` for how uniform.
        """
        if self.dense:
            return None
        layer = random_layer if self.graph is Graph.RANDOM else regular_layer
        return np.stack([layer(self.width, self.fan_in, rng) for _ in range(L)])

    def holds(self, inputs: Inputs) -> bool:
        """Is ``inputs`` (L, N, c) a graph that `draw` might give?"""
        if inputs.shape[1:] != (self.width, self.fan_in):
            return False
        ascending = bool((inputs[..., 1:] > inputs[..., :-1]).all())
        within = bool((inputs[..., 0] >= 0).all() and (inputs[..., -1] < self.width).all())
        if not ascending or not within or self.graph is Graph.RANDOM:
            return ascending and within
        fan_out = [np.bincount(layer.ravel(), minlength=self.width) for layer in inputs]
        return bool((np.array(fan_out) == self.fan_in).all())


def random_layer(N: int, c: int, rng: np.random.Generator) -> Inputs:
    """(N, c), rows independent and uniform among the subsets of c of N neurons."""
    rows = [rng.choice(N, c, replace=False, shuffle=False) for _ in range(N)]
    return np.sort(np.array(rows, np.int32), axis=1)


def regular_layer(N: int, c: int, rng: np.random.Generator) -> Inputs:
    """(N, c), every neuron is read c times and by no perceptron twice.

    N c edges from a random pairing of perceptrons and neurons (the configuration model), then
    random switches: two edges exchange their neurons if that makes no double edge.  Switches are
    symmetric and connect all graphs without double edges, so those are all equally probable after
    many; it ends `SWITCH_ROUNDS` rounds of N c switches after the last double edge.  That this is
    enough is experience (tests), not a proof; for c = N - 1 the graph is exactly uniform.
    c > N/2: the complement of such a graph with N - c.
    """
    if 2 * c > N:
        left_out = regular_layer(N, N - c, rng)
        kept = np.ones((N, N), bool)
        np.put_along_axis(kept, left_out.astype(np.intp), False, axis=1)
        return np.nonzero(kept)[1].reshape(N, c).astype(np.int32)
    edges = rng.permutation(np.repeat(np.arange(N, dtype=np.int32), c)).reshape(N, c)
    rounds = 0 if c > 1 else SWITCH_ROUNDS  # a permutation is uniform already
    while rounds < SWITCH_ROUNDS:
        _switch(edges, rng)
        rounds += int(not _doubled(edges))
    return np.sort(edges, axis=1)


def _switch(edges: Inputs, rng: np.random.Generator) -> None:
    """One random switch an edge, edges (N, c) in place."""
    # numba, which reading a file needs not
    from replicadnn.kernels.sampler.graph import switch_edges

    for start in range(0, edges.size, _SWITCHES_AT_ONCE):
        n = min(_SWITCHES_AT_ONCE, edges.size - start)
        switch_edges(edges, rng.integers(0, edges.size, (n, 2)))


def _doubled(edges: Inputs) -> bool:
    """Does a perceptron read a neuron twice?"""
    in_order = np.sort(edges, axis=1)
    return bool((in_order[:, 1:] == in_order[:, :-1]).any())


def moves_per_layer(J: Floats) -> int:
    """Rotations that a sweep attempts in a layer: one a coupling, N c."""
    return int(J[0].size)


def random_couplings(
    L: int, N: int, rng: np.random.Generator, fan_in: int | None = None
) -> NDArray[np.float32]:
    """J (L, N, c), every row uniform on the sphere of square norm c; c = N by default."""
    c = N if fan_in is None else fan_in
    return normalised(rng.standard_normal((L, N, c)))


def normalised(J: Floats) -> NDArray[np.float32]:
    """J (..., N, c) with every row rescaled to square norm c."""
    J64 = J.astype(np.float64)
    J64 *= np.sqrt(J.shape[-1] / np.square(J64).sum(axis=-1, keepdims=True))
    return J64.astype(np.float32)


def weighted_sums(J: Floats, S: Signs, inputs: Inputs | None = None) -> NDArray[np.float64]:
    """sum_k J_{i,k} S_{inputs[i,k]}^mu, without 1/sqrt(c), (N, M).

    J, inputs (N, c) of one layer, S (N, M) the layer below.
    """
    sums: NDArray[np.float64]
    if inputs is None:
        sums = np.matmul(J.astype(np.float64), S.astype(np.float64))
        return sums
    N, c = J.shape
    first = np.arange(0, N * c + 1, c)
    matrix = csr_array((J.astype(np.float64).ravel(), inputs.ravel(), first), shape=(N, len(S)))
    sums = matrix @ S.astype(np.float64)
    return sums


def fields(J: Floats, S: Signs, inputs: Inputs | None = None) -> NDArray[np.float64]:
    """h (L, N, M), h[l-1] = J_l S_{l-1} / sqrt(c); J, inputs (L, N, c), S (L+1, N, M)."""
    if inputs is None:
        sums = np.matmul(J.astype(np.float64), S[:-1].astype(np.float64))
    else:
        sums = np.stack([weighted_sums(*layer) for layer in zip(J, S[:-1], inputs, strict=True)])
    h: NDArray[np.float64] = sums / math.sqrt(J.shape[-1])
    return h
