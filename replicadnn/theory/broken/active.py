"""The active set: which levels of which layers have an overlap, and which cells are too narrow."""

from __future__ import annotations

import numpy as np

from replicadnn.theory.broken.state import Evaluation, State, first_levels
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
    eps = state.eps.copy()
    changed = False
    for images in equations.neuron_images:
        layer = images[0]
        row = _adjusted(state, eps.max(), eps[layer], rho[layer], int(first[layer]), layer)
        if row is not None:
            changed = True
            for image in images:
                eps[image] = row
    if not changed:
        return None
    return match_couplings(equations, state.with_values(eps=eps))


def _melts(equations: BrokenEquations, state: State) -> bool:
    """True if next to nothing is solid and the liquid is stable."""
    if not 0.0 < state.eps.max(initial=0.0) < TUNING.melted or state.saturated:
        return False
    nothing = state.with_values(eps=np.zeros_like(state.eps), Q=np.zeros_like(state.Q))
    growth = equations.zero_level_growth(equations.evaluate(nothing))
    return bool(growth[1:-1].max(initial=0.0) < 1.0)


def _adjusted(
    state: State, largest: float, eps: FloatArray, rho: FloatArray, low: int, layer: int
) -> FloatArray | None:
    """The fields of one layer whose first active level is ``low``, or None if they stay.

    ``largest`` is the largest field of all layers, ``rho`` the growth of a zero level.
    """
    top, pinned = int(state.top[layer]), min(state.K, 1)  # q_0 = 0 by the gauge, but for K = 0
    row = eps.copy()
    free = row[:top]
    dead = (free > 0.0) & (free < TUNING.dead * row[top - 1])
    if low < top:  # about to vanish: small, and zero is stable there
        dead |= (free > 0.0) & (free < TUNING.small * largest) & (rho[:top] < 1.0)
    # a level that grows has an overlap of order rho - 1: far below, it is stuck next to zero
    stuck = (
        low < top - 1
        and row[low] < TUNING.stuck * row[low + 1]
        and rho[low] > 1.0 + TUNING.stuck_growth
    )
    if stuck:
        row[low] = TUNING.unstick * row[low + 1]
        return row
    if dead.any():
        free[dead] = 0.0
        return row
    wake = np.flatnonzero(rho[pinned:low] > 1.0 + TUNING.grows) + pinned
    if not wake.size:
        return None
    start = int(wake[0])
    seed = TUNING.seed * (row[low] if low < top else TUNING.seed_alone)
    row[start:low] = seed * np.arange(1, low - start + 1) / (low - start)
    return row


def match_couplings(equations: BrokenEquations, state: State) -> State:
    """Make Q(l) positive, increasing exactly where both neighbours are solid, zero elsewhere."""
    Q = state.Q.copy()
    first = first_levels(state)
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
    return state.with_values(Q=Q)
