"""Cells of a state: one cut in two, one taken away."""

from __future__ import annotations

import numpy as np

from replicadnn.theory.broken.active import match_couplings, min_gap
from replicadnn.theory.broken.resample import separate
from replicadnn.theory.broken.state import Evaluation, Replicon, State, make_state
from replicadnn.theory.broken.tuning import TUNING
from replicadnn.theory.contract import BrokenEquations
from replicadnn.types import BoolArray, FloatArray


def split_cells(equations: BrokenEquations, ev: Evaluation, chosen: BoolArray) -> State:
    """Cut the chosen cells in half along their replicon eigenvectors.

    The values move apart by at most a quarter of the distance to the neighbouring levels.
    """
    state = ev.state
    if state.K == 0 and state.L > 1 and chosen[0]:  # the sign gauge: no overlap below the step
        m = np.array([0.0, TUNING.first_step])
        eps, Q = (np.hstack([np.zeros_like(table), table]) for table in (state.eps, state.Q))
        return match_couplings(equations, make_state(m, eps, Q))
    modes = equations.replicon(ev)
    parent = np.repeat(np.arange(state.m.size), 1 + chosen.astype(int))
    second = np.concatenate([[False], parent[1:] == parent[:-1]])
    ahead = 0.5 * state.steps[parent]
    if state.L == 1:  # near contact m_i/m_{i-1} and m_K/(1 - Q_K) are finite
        scale = state.m if state.K > 0 else TUNING.contact_ratio * (1.0 - state.Q[0])
        ahead = np.where(scale[parent] > 0.0, np.minimum(ahead, scale[parent]), ahead)
    m = state.m[parent] + second * ahead
    eps, Q = state.eps[:, parent], state.Q[:, parent]
    for j in np.flatnonzero(second):
        _move_apart(state, modes, eps, Q, int(parent[j]), int(j))
    top = np.array([parent.searchsorted(t) for t in state.top], dtype=np.int64)
    return match_couplings(equations, separate(make_state(m, eps, Q, top)))


def _move_apart(
    state: State, modes: Replicon, eps: FloatArray, Q: FloatArray, i: int, j: int
) -> None:
    """Write the values of the halves j-1 and j of cell i of ``state`` into eps and Q."""
    pairs = [(eps[r], state.eps[r], modes.eps[i, r]) for r in range(1, state.L)]
    bounds = [np.inf] * len(pairs) + [1.0] * state.L
    pairs += [(Q[r], state.Q[r], modes.Q[i, r]) for r in range(state.L)]
    if i == 0 and state.L > 1:  # 0 at x = 0 stays; the upper half takes a share of level 1
        for new, old, _ in pairs:
            new[j] = TUNING.first_share * old[min(1, state.K)]
        return
    amplitude = min(
        (_room(old, i, top) / shift for (_, old, shift), top in zip(pairs, bounds, strict=True)
         if shift > 0.0 and old[i] > 0.0),
        default=0.0,
    )  # fmt: skip
    for new, old, shift in pairs:
        if old[i] > 0.0:
            new[j - 1] -= amplitude * shift
            new[j] += amplitude * shift


def _room(values: FloatArray, i: int, bound: float) -> float:
    """A quarter of the distance to the nearer level, or half of that to a bound it would pass."""
    below = values[i] - (values[i - 1] if i > 0 else 0.0)
    above = values[i + 1] - values[i] if i + 1 < values.size else below
    room, left = TUNING.room * float(min(below, above)), bound - float(values[i])
    return room if room < left else 0.5 * left


def drop_collapsed(equations: BrokenEquations, state: State) -> State | None:
    """Remove cells of (almost) zero width; None if there are none."""
    keep = state.steps > min_gap(state)
    if not keep[0] and state.K > 0:  # the first cell has the value 0 (hidden layers): it grows
        keep[1] = False
    keep[0] = True
    keep[-1] |= state.saturated  # the saturated cell: m* -> 1 ends its branch
    return None if keep.all() else _keep_cells(equations, state, keep)


def drop_weakest(equations: BrokenEquations, ev: Evaluation) -> State | None:
    """One level fewer: the cell with least width times (step from the cell below)^2 goes.

    None if there is none to spare (a saturated cell stays).
    """
    state = ev.state
    last = min(int(state.top.min()), state.K + 1)
    if last < 2:
        return None
    values = np.vstack([ev.q, state.Q])[:, :last]
    weakest = 1 + int(np.argmin(state.steps[1:last] * (np.diff(values, axis=1) ** 2).sum(0)))
    return _keep_cells(equations, state, np.arange(state.K + 1) != weakest)


def _keep_cells(equations: BrokenEquations, state: State, keep: BoolArray) -> State:
    """Cells to be dropped fall to the one below."""
    m = state.m[keep]
    top = np.array([np.count_nonzero(keep[:t]) for t in state.top], dtype=np.int64)
    new = make_state(m, state.eps[:, keep], state.Q[:, keep], top)
    return match_couplings(equations, separate(new))
