"""The unknowns of the K-level saddle point as one vector, their natural units, and steps in them.

The vector holds Q(1), eps(1) (or q(1)), Q(2), eps(2), ...: a block of levels for every distinct
solid layer, numbered through, then m_1..m_K. Mirrored layers share their numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replicadnn.kernels.theory import newton
from replicadnn.kernels.theory.levels import largest_ratio, slide_blocks, widths
from replicadnn.theory.closures.averaged.broken import Array, Ints, Model, State, first_levels

NONE = -1
MAX_LOG = 1.0
MAX_GAP = 0.4
VANISHING = 1e-4  # of the last level: increments below do not limit a step


@dataclass(frozen=True, slots=True)
class Places:
    """Where unknowns stand in a table of layers and levels: `mask`, and their numbers in order."""

    mask: NDArray[np.bool_]
    numbers: Ints

    @classmethod
    def of(cls, index: Ints) -> Places:
        mask = index != NONE
        return cls(mask, index[mask])


@dataclass(frozen=True, slots=True)
class Layout:
    """Numbers of the unknowns.

    `weights` counts the layers that an unknown stands for (2, central layers 1). Block b holds the
    numbers offsets[b]..offsets[b+1]-1, its levels begin at first[b], and its values are below
    bounds[b] (1: overlaps Q; 0: fields eps, without bound). `gap_columns` and
    `spin_columns` number the rows of the Hessian of a layer (see `Evaluation`), -1 where fixed.
    """

    size: int
    weights: Array
    Q: Places
    eps: Places
    offsets: Ints
    first: Ints
    bounds: Array
    gap_columns: tuple[Ints, ...]
    spin_columns: tuple[Ints, ...]


def make_layout(model: Model, state: State) -> Layout:
    """Number the unknowns: Q_i(l) where both neighbours are solid, eps_i(l) where positive."""
    L, K, K1 = model.L, state.K, state.m.size
    start = first_levels(state)
    eps = np.full((L + 1, K1), NONE, dtype=np.int64)
    Q = np.full((L, K1), NONE, dtype=np.int64)
    offsets: list[int] = [0]
    first: list[int] = []
    bounds: list[float] = []
    weights: list[float] = []

    def add(index: Ints, row: int, mirror: int, low: int, top: int, bound: float) -> None:
        if low < top:
            count = offsets[-1]
            index[row, low:top] = index[mirror, low:top] = np.arange(count, count + top - low)
            offsets.append(count + top - low)
            first.append(low)
            bounds.append(bound)
            weights.extend([1.0 if row == mirror else 2.0] * (top - low))

    for layer in range(1, model.coupled + 1):
        low = int(max(start[layer - 1], start[layer]))
        add(Q, layer - 1, L - layer, low, K1, 1.0)
        if layer <= model.hidden:
            add(eps, layer, L - layer, int(start[layer]), int(state.top[layer]), 0.0)
    size = offsets[-1]
    m = size + np.arange(K)
    gaps = [np.concatenate([eps[i], Q[i], eps[i + 1], m]) for i in range(model.coupled)]
    spins = [np.concatenate([row[row != NONE], m]) for row in eps[: model.hidden + 1]]
    return Layout(
        size, np.array(weights), Places.of(Q), Places.of(eps), np.array(offsets),
        np.array(first, dtype=np.int64), np.array(bounds), tuple(gaps), tuple(spins),
    )  # fmt: skip


def gather(layout: Layout, Q: Array, eps: Array) -> Array:
    """The vector (without m) of tables Q (L, K+1) and eps (L+1, K+1), which may also hold q."""
    out = np.empty(layout.size)
    out[layout.Q.numbers] = Q[layout.Q.mask]
    out[layout.eps.numbers] = eps[layout.eps.mask]
    return out


def gap_units(m: Array) -> Array:
    """min(m_i - m_{i-1}, m_{i+1} - m_i), i = 1..K, with m_{K+1} = 1."""
    gaps = widths(m)
    return np.asarray(np.minimum(gaps[:-1], gaps[1:]))


@dataclass(frozen=True, slots=True)
class Units:
    """Natural directions of (q, Q, m), the columns of a matrix U that is never written out.

    Increments of q and Q exchange with the largest of their block (`kernels.newton.exchanges`),
    breakpoints move in their gaps.
    """

    size: Array
    turns: Ints
    offsets: Ints

    @classmethod
    def of(cls, layout: Layout, x: Array, m: Array, turns: Ints | None = None) -> Units:
        """At overlaps `x`, the vector of (q, Q); increments exchange with those at `turns`.

        Directions at different `turns` are different coordinates: whoever compares steps at two
        states keeps `turns` or converts the steps (`step`, then `coordinates`).
        """
        if turns is None:
            turns = newton.largest_increments(x, layout.offsets)
        size = newton.exchanges(x, layout.offsets, turns, gap_units(m))
        return cls(size, turns, layout.offsets)

    def hessian(self, H: Array) -> Array:
        """U^T H U for symmetric H."""
        half = newton.rows_in_units(H, self.size, self.turns, self.offsets)
        return np.asarray(newton.rows_in_units(half.T, self.size, self.turns, self.offsets))

    def gradient(self, g: Array) -> Array:
        """U^T g."""
        return np.asarray(
            newton.rows_in_units(g[:, None], self.size, self.turns, self.offsets)[:, 0]
        )

    def step(self, z: Array) -> Array:
        """U z; with a short `z` that of (q, Q) alone."""
        return np.asarray(newton.step_from_units(z, self.size, self.turns, self.offsets))

    def coordinates(self, step: Array) -> Array:
        """U^-1 of a step in (q, Q, m)."""
        return np.asarray(newton.step_in_units(step, self.size, self.turns, self.offsets))


def step_size(layout: Layout, state: State, change: Array, dm: Array) -> float:
    """Step (`change` of (eps, Q), `dm`) in units of the allowed one.

    Increments that run to zero do not count.
    """
    values = gather(layout, state.Q, state.eps)
    ratio = largest_ratio(values, change, layout.offsets, layout.bounds, VANISHING)
    move = float((np.abs(dm) / gap_units(state.m)).max(initial=0.0))
    return float(max(move / MAX_GAP, ratio / MAX_LOG))


def apply_step(layout: Layout, state: State, change: Array, dm: Array) -> State:
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
        layout.offsets, layout.first, layout.bounds, MAX_LOG,
    )  # fmt: skip
    eps, Q = state.eps.copy(), state.Q.copy()
    Q[layout.Q.mask] = values[layout.Q.numbers]
    eps[layout.eps.mask] = values[layout.eps.numbers]
    return state.with_values(eps=eps, Q=Q, m=m)


def _centres(m: Array) -> Array:
    return np.asarray(m + 0.5 * widths(m))
