"""The active set: which levels of which layers have an overlap, and which cells are too narrow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from replicadnn.theory.broken.state import Evaluation, State, first_fields, first_levels
from replicadnn.theory.broken.tuning import TUNING
from replicadnn.theory.contract import BrokenEquations
from replicadnn.types import FloatArray


def resolved(state: State) -> float:
    """Differences of s above this are not rounding."""
    if state.L > 1 or state.K == 0:
        return TUNING.resolved * state.L
    return TUNING.resolved * max(1.0, TUNING.cancelling / float(state.m[1]))


def min_gap(state: State) -> float:
    """Cells narrower than this are removed.

    One perceptron has no neurons: its breakpoints may all run to zero, in fixed ratios.
    """
    if state.L > 1:
        return TUNING.min_gap
    return TUNING.min_gap * max(float(state.m[-1]), TUNING.smallest_top)


def active_levels(state: State) -> tuple[int, ...]:
    """Number of levels and the first active one of every layer."""
    return (state.K, *map(int, first_levels(state)))


def adjust_levels(equations: BrokenEquations, ev: Evaluation) -> State | None:
    """Active set: drop levels that run to zero, wake zero levels that are unstable.

    Returns the changed state, or None when nothing changes.
    """
    state = ev.state
    if _melts(equations, state):
        return state.with_values(eps=np.zeros_like(state.eps), Q=np.zeros_like(state.Q))
    first = first_levels(state)
    rho = equations.zero_level_growth(ev)
    eps, Q = state.eps.copy(), state.Q.copy()
    changed = False
    for images in equations.neuron_images:
        layer = images[0]
        held = [Held(eps[layer], eps.max())]
        if equations.solid_without_field:
            held.append(Held(Q[layer - 1], Q.max()))
        rows = _adjusted(state, held, rho[layer], int(first[layer]), layer)
        if rows is not None:
            changed = True
            for image in images:
                eps[image] = rows[0]
                Q[image - 1] = rows[-1] if equations.solid_without_field else Q[image - 1]
    if not changed:
        return None
    return match_couplings(equations, state.with_values(eps=eps, Q=Q))


def _melts(equations: BrokenEquations, state: State) -> bool:
    """True if next to nothing is solid and the liquid is stable."""
    largest = state.eps.max(initial=0.0)
    if equations.solid_without_field:
        largest = max(largest, state.Q.max())
    if not 0.0 < largest < TUNING.melted or state.saturated:
        return False
    nothing = state.with_values(eps=np.zeros_like(state.eps), Q=np.zeros_like(state.Q))
    growth = equations.zero_level_growth(equations.evaluate(nothing))
    return bool(growth[1:-1].max(initial=0.0) < 1.0)


@dataclass(frozen=True, slots=True)
class Held:
    """What holds the levels of a layer, (K+1,): its fields or the couplings below.

    ``largest`` is the largest of its kind in all layers.
    """

    row: FloatArray
    largest: float


def _adjusted(
    state: State, held: Sequence[Held], rho: FloatArray, low: int, layer: int
) -> list[FloatArray] | None:
    """New rows of ``held`` of one layer whose first active level is ``low``; None if they stay.

    ``rho`` is the growth of a zero level.
    """
    top, pinned = int(state.top[layer]), min(state.K, 1)  # q_0 = 0 by the gauge, but for K = 0
    rows = [one.row.copy() for one in held]
    positive = np.any([row[:top] > 0.0 for row in rows], axis=0)
    dead = positive.copy()
    for row, one in zip(rows, held, strict=True):
        free = row[:top]
        gone = free < TUNING.dead * row[top - 1]
        if low < top:  # about to vanish: small, and zero is stable there
            gone |= (free < TUNING.small * one.largest) & (rho[:top] < 1.0)
        dead &= gone | (free <= 0.0)
    # a level that grows has an overlap of order rho - 1: far below, it is stuck next to zero
    lowest = [row for row in rows if low < top - 1 and row[low] > 0.0]
    stuck = [row[low] < TUNING.stuck * row[low + 1] for row in lowest]
    if stuck and all(stuck) and rho[low] > 1.0 + TUNING.stuck_growth:
        for row in lowest:
            row[low] = TUNING.unstick * row[low + 1]
        return rows
    if dead.any():
        for row in rows:
            row[:top][dead] = 0.0
        return rows
    wake = np.flatnonzero(rho[pinned:low] > 1.0 + TUNING.grows) + pinned
    if not wake.size:
        return None
    start = int(wake[0])
    for row in rows:
        seed = TUNING.seed * (row[low] if low < top else TUNING.seed_alone)
        row[start:low] = seed * np.arange(1, low - start + 1) / (low - start)
    return rows


def match_couplings(equations: BrokenEquations, state: State) -> State:
    """Make Q(l) positive, increasing exactly where both neighbours are solid, zero elsewhere.

    Where neurons may be solid without a field (`BrokenEquations.solid_without_field`) they have one
    exactly where the couplings above them are solid.
    """
    alone = equations.solid_without_field
    first = first_levels(state) if alone else first_fields(state)
    Q = state.Q.copy()
    for images in equations.coupling_images:
        layer = images[0]
        low = int(max(first[layer - 1], first[layer]))
        row = Q[layer - 1]
        row[:low] = 0.0
        steps = np.diff(row[low:], prepend=0.0)
        least = TUNING.least_increment / max(row.size - low, 1)
        row[low:] = np.cumsum(np.maximum(steps, least))
        if low < row.size and row[-1] >= 1.0 - TUNING.largest_Q:
            row[low:] *= (1.0 - TUNING.rescaled_Q) / row[-1]
        for image in images[1:]:
            Q[image - 1] = row
    eps = _match_fields(state.eps, Q) if alone else state.eps
    return state.with_values(eps=eps, Q=Q)


def _match_fields(eps: FloatArray, Q: FloatArray) -> FloatArray:
    """eps(l) positive exactly where Q(l+1) is; a level that has none yet gets a small one."""
    eps = eps.copy()
    eps[1:-1] = np.where(Q[1:] > 0.0, eps[1:-1], 0.0)
    for row, above in zip(eps[1:-1], Q[1:], strict=True):
        missing = np.flatnonzero((above > 0.0) & (row <= 0.0))
        if missing.size:
            rest = row[missing[-1] + 1 :]
            top = TUNING.seed * rest[0] if rest.size else TUNING.least_increment
            row[missing] = top * np.arange(1, missing.size + 1) / missing.size
    return eps
