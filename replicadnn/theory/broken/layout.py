"""The unknowns of the K-level saddle point as one vector, their natural units, and steps in them.

The vector holds Q(1), eps(1) (or q(1)), Q(2), eps(2), ...: a block of levels for every distinct
solid layer, numbered through, then m_1..m_K.  Layers that are images of each other share numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from replicadnn.kernels.theory import newton
from replicadnn.kernels.theory.levels import largest_ratio, slide_blocks, widths
from replicadnn.theory.broken.state import State, first_fields, first_levels
from replicadnn.theory.broken.tuning import TUNING
from replicadnn.types import BoolArray, FloatArray, IntArray

NONE = -1

#: Layers with the same numbers, e.g. ((1, 4), (2, 3)); each counts once.
Images = Sequence[tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Places:
    """Where unknowns stand in a table of layers and levels.

    ``index`` holds their numbers (-1: none), ``mask`` where there are any, ``numbers`` all of them.
    """

    index: IntArray
    mask: BoolArray
    numbers: IntArray

    @classmethod
    def of(cls, index: IntArray) -> Places:
        """From the table of numbers."""
        mask = index != NONE
        return cls(index, mask, index[mask])


@dataclass(frozen=True, slots=True)
class Layout:
    """Numbers of the unknowns.

    ``weights`` counts the layers that an unknown stands for.  Block b holds the numbers
    offsets[b]..offsets[b+1]-1, its levels begin at first[b], and its values are below bounds[b]
    (1: overlaps; 0: fields, without bound).  The breakpoints m_1..m_K have the numbers
    size..size+K-1.
    """

    size: int
    weights: FloatArray
    Q: Places
    eps: Places
    offsets: IntArray
    first: IntArray
    bounds: FloatArray


def number_unknowns(state: State, couplings: Images, neurons: Images, bound: float = 0.0) -> Layout:
    """Number the unknowns: Q_i(l) where both neighbours are solid, eps_i(l) where positive.

    Parameters
    ----------
    state : State
    couplings, neurons : sequences of tuples
        Layers 1..L and 1..L-1 by groups of images, from the first layer inwards.
    bound : float
        Upper bound of eps, 0 for none.
    """
    L, K1 = state.L, state.m.size
    start, fields = first_levels(state), first_fields(state)
    eps = np.full((L + 1, K1), NONE, dtype=np.int64)
    Q = np.full((L, K1), NONE, dtype=np.int64)
    offsets: list[int] = [0]
    first: list[int] = []
    bounds: list[float] = []
    weights: list[float] = []

    def add(index: IntArray, rows: list[int], low: int, top: int, limit: float) -> None:
        if low < top:
            count = offsets[-1]
            for row in rows:
                index[row, low:top] = np.arange(count, count + top - low)
            offsets.append(count + top - low)
            first.append(low)
            bounds.append(limit)
            weights.extend([float(len(rows))] * (top - low))

    for coupling, neuron in zip_longest(couplings, neurons):
        if coupling is not None:
            layer = coupling[0]
            low = int(max(start[layer - 1], start[layer]))
            add(Q, [image - 1 for image in coupling], low, K1, 1.0)
        if neuron is not None:
            layer = neuron[0]
            add(eps, list(neuron), int(fields[layer]), int(state.top[layer]), bound)
    return Layout(
        offsets[-1], np.array(weights), Places.of(Q), Places.of(eps), np.array(offsets),
        np.array(first, dtype=np.int64), np.array(bounds),
    )  # fmt: skip


def gather(layout: Layout, Q: FloatArray, eps: FloatArray) -> FloatArray:
    """The vector (without m) of tables Q (L, K+1) and eps (L+1, K+1), which may also hold q."""
    out = np.empty(layout.size)
    out[layout.Q.numbers] = Q[layout.Q.mask]
    out[layout.eps.numbers] = eps[layout.eps.mask]
    return out


def gap_units(m: FloatArray) -> FloatArray:
    """min(m_i - m_{i-1}, m_{i+1} - m_i), i = 1..K, with m_{K+1} = 1."""
    gaps = widths(m)
    return np.asarray(np.minimum(gaps[:-1], gaps[1:]))


@dataclass(frozen=True, slots=True)
class Units:
    """Natural directions of (q, Q, m), the columns of a matrix U that is never written out.

    Increments of q and Q exchange with the largest of their block (`kernels.newton.exchanges`),
    breakpoints move in their gaps.
    """

    size: FloatArray
    turns: IntArray
    offsets: IntArray

    @classmethod
    def of(
        cls, layout: Layout, x: FloatArray, m: FloatArray, turns: IntArray | None = None
    ) -> Units:
        """At overlaps ``x``, the vector of (q, Q); increments exchange with those at ``turns``.

        Directions at different ``turns`` are different coordinates: whoever compares steps at two
        states keeps ``turns`` or converts the steps (`step`, then `coordinates`).
        """
        if turns is None:
            turns = newton.largest_increments(x, layout.offsets)
        size = newton.exchanges(x, layout.offsets, turns, gap_units(m))
        return cls(size, turns, layout.offsets)

    def hessian(self, H: FloatArray) -> FloatArray:
        """U^T H U for symmetric H."""
        half = newton.rows_in_units(H, self.size, self.turns, self.offsets)
        other = np.ascontiguousarray(half.T)  # one type of argument: compiled once
        return np.asarray(newton.rows_in_units(other, self.size, self.turns, self.offsets))

    def gradient(self, g: FloatArray) -> FloatArray:
        """U^T g."""
        return np.asarray(
            newton.rows_in_units(g[:, None], self.size, self.turns, self.offsets)[:, 0]
        )

    def step(self, z: FloatArray) -> FloatArray:
        """U z; with a short ``z`` that of (q, Q) alone."""
        return np.asarray(newton.step_from_units(z, self.size, self.turns, self.offsets))

    def coordinates(self, step: FloatArray) -> FloatArray:
        """U^-1 of a step in (q, Q, m)."""
        return np.asarray(newton.step_in_units(step, self.size, self.turns, self.offsets))


def step_size(layout: Layout, state: State, change: FloatArray, dm: FloatArray) -> float:
    """Step (``change`` of (eps, Q), ``dm``) in units of the allowed one.

    Increments that run to zero do not count.
    """
    values = gather(layout, state.Q, state.eps)
    ratio = largest_ratio(values, change, layout.offsets, layout.bounds, TUNING.vanishing)
    move = float((np.abs(dm) / gap_units(state.m)).max(initial=0.0))
    return float(max(move / TUNING.max_gap, ratio / TUNING.max_log))


def apply_step(layout: Layout, state: State, change: FloatArray, dm: FloatArray) -> State:
    """The state after a step; to first order x + dx, beyond that along the curves x(c).

    The soft directions of s slide levels along the smooth curves eps(x), Q(x), and in (q, Q, m)
    that valley is bent. So a level whose cell centre c moves by dc goes to Phi(c + dc) plus the
    rest dx - Phi'(c) dc, with Phi the interpolated curve. The rest multiplies the increments by
    exp(d rest / increment), which keeps order and signs.
    """
    m = state.m.copy()
    m[1:] += dm
    values = slide_blocks(
        gather(layout, state.Q, state.eps), change, _centres(state.m), _centres(m),
        layout.offsets, layout.first, layout.bounds, TUNING.max_log,
    )  # fmt: skip
    eps, Q = state.eps.copy(), state.Q.copy()
    Q[layout.Q.mask] = values[layout.Q.numbers]
    eps[layout.eps.mask] = values[layout.eps.numbers]
    return state.with_values(eps=eps, Q=Q, m=m)


def _centres(m: FloatArray) -> FloatArray:
    return np.asarray(m + 0.5 * widths(m))
