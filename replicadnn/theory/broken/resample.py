"""The same curves q(x), Q(x) with another number of levels.

A cell is the interval [m_i, m_{i+1}) on which the overlaps have value i.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.interpolate import PchipInterpolator, make_interp_spline
from scipy.special import expit, logit

from replicadnn.theory.broken.active import match_couplings
from replicadnn.theory.broken.state import Evaluation, State, make_state
from replicadnn.theory.broken.tuning import TUNING
from replicadnn.theory.contract import BrokenEquations
from replicadnn.types import FloatArray, IntArray


def resample(equations: BrokenEquations, state: State, K: int) -> State:
    """The same curves with K levels.

    Breakpoints m_i are read as M(i/(K+1)) and values as X((i+1/2)/(K+1)), M and X monotone
    interpolants of the old ones: the density of levels keeps its shape. Saturated levels stay one.
    """
    if state.saturated:
        return _resample_saturated(equations, state, K)
    if state.L == 1 and state.K > 1:
        return _resample_perceptron(state, K)
    index = np.arange(state.K + 2) / (state.K + 1.0)
    breakpoints = PchipInterpolator(index, np.append(state.m, 1.0))
    old: FloatArray = (np.arange(state.K + 1) + 0.5) / np.float64(state.K + 1)
    new: FloatArray = (np.arange(K + 1) + 0.5) / np.float64(K + 1)
    m = breakpoints(np.arange(K + 1) / (K + 1.0))
    m[0] = 0.0
    pinned = state.L > 1
    eps = np.array([_curve(old, new, row, pinned) for row in state.eps])
    Q = np.array([_curve(old, new, row, pinned) for row in state.Q])
    if pinned:
        eps[:, 0] = Q[:, 0] = 0.0
    Q = np.minimum(Q, 1.0 - TUNING.kept_rest * (1.0 - state.Q[:, -1:]))
    return match_couplings(equations, separate(make_state(m, eps, Q)))


def _resample_perceptron(state: State, K: int) -> State:
    """One perceptron: logits of m_i and Q_i are interpolated, beyond the ends linearly.

    Near contact the levels are spread over decades of m and of 1 - Q.
    """
    m = np.append(0.0, expit(_spread(logit(state.m[1:]), K)))
    return make_state(m, np.zeros((2, K + 1)), expit(_spread(logit(state.Q[0]), K + 1))[None])


def _spread(values: FloatArray, count: int) -> FloatArray:
    """`count` values at the places (j + 1/2)/count of the curve through values at such places."""
    have = values.size
    line = make_interp_spline((np.arange(have) + 0.5) / have, values, k=1)
    return np.asarray(line((np.arange(count) + 0.5) / count))


def _curve(old: FloatArray, new: FloatArray, values: FloatArray, pinned: bool) -> FloatArray:
    """Monotone interpolation of one layer; where it is zero it stays zero."""
    if values[-1] <= 0.0:
        return np.zeros(new.size)
    low = int(np.argmax(values > 0.0))
    x, y = old[low:], values[low:]
    if low == 0 or x.size == 1:
        x, y = np.append(0.0, x), np.append(TUNING.curve_start * y[0] if low == 0 else 0.0, y)
    elif low == 1 and pinned:
        x, y = np.append(0.0, x), np.append(0.0, y)
    else:  # continue the first two values down to zero, within the last zero cells
        reach = x[1] - x[0]
        if y[0] < y[1] - y[0]:
            reach *= max(y[0] / (y[1] - y[0]), TUNING.curve_reach)
        x, y = np.append(max(x[0] - reach, old[low - 2]), x), np.append(0.0, y)
    x, y = np.append(x, 1.0), np.append(y, y[-1] + 0.5 * (y[-1] - y[-2]))
    out = PchipInterpolator(x, y, extrapolate=False)(new)
    return np.asarray(np.maximum(np.nan_to_num(out), 0.0))


def _resample_saturated(equations: BrokenEquations, state: State, K: int) -> State:
    """Resample the free levels; the saturated top cell is kept as it is."""
    top = state.K
    m_star = state.m[top]
    scale = State(state.m[:top] / m_star, state.eps[:, :top], state.Q[:, :top], state.top)
    free = resample(equations, make_state(scale.m, scale.eps, scale.Q), K - 1)
    m = np.append(free.m * m_star, m_star)
    eps = np.hstack([free.eps, np.maximum(free.eps[:, -1:], state.eps[:, -1:])])
    Q = np.hstack([free.Q, np.maximum((1.0 + TUNING.top_step) * free.Q[:, -1:], state.Q[:, -1:])])
    tops = np.where(state.top <= state.K, K, K + 1).astype(np.int64)
    new = make_state(m, eps, np.minimum(Q, 1.0 - TUNING.rescaled_Q), tops)
    return match_couplings(equations, separate(new))


def plateaus(steps: FloatArray, excess: float = TUNING.plateau) -> list[int]:
    """Cells more than `excess` times wider than both neighbours, and the last cell.

    Between them q(x) rises (the steep parts of the terraces).
    """
    inner = steps[1:-1] > excess * np.maximum(steps[:-2], steps[2:])
    return [int(i) + 1 for i in np.flatnonzero(inner)] + [steps.size - 1]


def refine(
    equations: BrokenEquations, ev: Evaluation, K: int, barred: tuple[int, ...] = ()
) -> State:
    """K > ev.state.K levels, distributed over the rises between plateaus.

    A rise with n inner levels contributes an error of s like (n + 1)^-4 times the sum of its
    gains (m_{i+1}-m_i)(rho_i - 1)^2; every further level goes where it lowers this most, but
    to no rise in `barred`. Each rise is resampled by index, plateaus stay. Without a plateau:
    `resample`.
    """
    state = ev.state
    rises, gain, have = _rises(equations, ev)
    if len(rises) == 1:
        return resample(equations, state, K)
    want = have.copy()
    while want.sum() + want.size < K + 1:
        left = gain * (have + 1.0) ** 4
        value = left * ((want + 1.0) ** -4 - (want + 2.0) ** -4)
        value[[j for j in barred if j < value.size]] = -1.0
        want[int(np.argmax(value))] += 1
    return _with_counts(equations, state, rises, want)


def thin(equations: BrokenEquations, ev: Evaluation) -> State | None:
    """One level fewer, from the rise where that raises the error of s least (see `refine`).

    None if there is a single rise or none has a level to spare.
    """
    rises, gain, have = _rises(equations, ev)
    spare = have > 1
    if len(rises) == 1 or not spare.any():
        return None
    rest = np.where(spare, have, 1)
    cost = np.where(spare, gain * (((have + 1.0) / rest) ** 4 - 1.0), np.inf)
    want = have.copy()
    want[int(np.argmin(cost))] -= 1
    return _with_counts(equations, ev.state, rises, want)


def _rises(
    equations: BrokenEquations, ev: Evaluation
) -> tuple[list[tuple[int, int]], FloatArray, IntArray]:
    """Pairs of plateaus (-1: none before) around every rise, its gain and its inner levels."""
    state = ev.state
    rises = list(pairwise([-1, *plateaus(state.steps)]))
    score = np.append(state.steps * np.maximum(equations.replicon(ev).rho - 1.0, 0.0) ** 2, 0.0)
    score[int(state.top.min()) : -1] = 0.0
    gain = np.array([score[a + 1 : b].sum() + 0.5 * (score[a] + score[b]) for a, b in rises])
    return rises, gain, np.array([b - a - 1 for a, b in rises], dtype=np.int64)


def _with_counts(
    equations: BrokenEquations, state: State, rises: list[tuple[int, int]], counts: IntArray
) -> State:  # fmt: skip
    """Every rise resampled by index to its number of inner levels; plateaus stay."""
    both = np.vstack([state.eps, state.Q])
    parts = [
        _refined_rise(state, both, a, b, int(n)) for (a, b), n in zip(rises, counts, strict=True)
    ]
    m = np.concatenate([part[0] for part in parts])
    both = np.hstack([part[1] for part in parts])
    eps, Q = both[: state.L + 1], both[state.L + 1 :]
    if state.L > 1:
        eps[:, 0] = Q[:, 0] = 0.0
    K = m.size - 1
    top = np.where(state.top <= state.K, K, K + 1).astype(np.int64)
    return match_couplings(equations, separate(make_state(m, eps, Q, top)))


def _refined_rise(
    state: State, both: FloatArray, a: int, b: int, count: int
) -> tuple[FloatArray, FloatArray]:
    """Breakpoints m_{a+1}.. and values of cells a+1..b with `count` cells between a and b."""
    edges, steps = state.m[a + 1 : b + 1], state.steps
    have = b - a - 1
    if count == have:
        return edges, both[:, a + 1 : b + 1]
    if have == 0:
        width = TUNING.new_rise * min(steps[a], steps[b])
        m = edges[0] + width * np.linspace(-0.5, 0.5, count + 1)
    else:
        m = PchipInterpolator(np.arange(have + 1), edges)(np.linspace(0.0, have, count + 1))
    left = both[:, a] if a >= 0 else np.zeros(both.shape[0])
    values = np.column_stack([left, both[:, a + 1 : b + 1]])
    old = np.arange(have + 2) / (have + 1.0)
    new = np.arange(1, count + 2) / (count + 1.0)
    return m, np.asarray(PchipInterpolator(old, values, axis=1)(new))


def separate(state: State) -> State:
    """Strictly increasing fields at active levels."""
    eps = state.eps.copy()
    for row, top in zip(eps[1:-1], state.top[1:-1], strict=True):
        if top > 0 and row[top - 1] > 0.0:
            low = int(np.argmax(row > 0.0))
            steps = np.diff(row[low:top], prepend=0.0)
            row[low:top] = np.cumsum(np.maximum(steps, TUNING.separation * row[top - 1]))
    return state.with_values(eps=eps)
