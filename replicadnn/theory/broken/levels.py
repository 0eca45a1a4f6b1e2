"""Number of levels of a state: first guess, resampling, splitting, removal.

A cell is the interval [m_i, m_{i+1}) on which the overlaps have value i.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator, make_interp_spline
from scipy.special import expit, logit

from replicadnn.theory.broken.minimise import match_couplings, min_gap
from replicadnn.theory.closures.averaged.broken import (
    Array,
    Evaluation,
    Ints,
    Mapper,
    Model,
    State,
    _serial,
    make_state,
    relax,
)
from replicadnn.theory.closures.averaged.broken_replicon import replicon

CONTACT_RATIO = 10.0  # m_1/(1 - Q) at most where one perceptron breaks

FIRST_STEP = 0.05  # breakpoint at which one level is started from the symmetric solution


def first_guess(model: Model, K: int, field: float = 2.0, overlap: float = 0.7) -> State:
    """Overlaps rising linearly in x in every layer; zero at x = 0 when there are hidden layers.

    `field` and `overlap` are the values eps(x=1), Q(x=1).
    """
    m = np.arange(K + 1) / (K + 1.0)
    rise = np.ones(1) if K == 0 else m / m[-1]
    if model.L == 1:
        rise = 0.3 + 0.7 * rise
    eps = np.tile(field * rise, (model.L + 1, 1))
    Q = np.tile(overlap * rise, (model.L, 1))
    return make_state(m, eps, Q)


def jump_guess(symmetric: State) -> State:
    """L = 1: two well separated overlaps, the lower one next to the symmetric solution."""
    Q = float(symmetric.Q[0, -1])
    overlaps = np.array([[0.95 * Q, Q + 0.65 * (1.0 - Q)]])
    return make_state(np.array([0.0, 0.95]), np.zeros((2, 2)), overlaps)


def relaxed_guess(
    model: Model,
    guess: State,
    steps: int = 60,
    deadline: float = np.inf,
    mapper: Mapper = _serial,
) -> State:
    """Damped iteration of a guess; fields below a thousandth of the largest are set to zero."""
    state = relax(model, guess, steps, deadline=deadline, mapper=mapper)
    eps = state.eps.copy()
    eps[eps < max(1e-3 * eps.max(), 1e-6)] = 0.0
    return match_couplings(model, state.with_values(eps=eps))


def resample(model: Model, state: State, K: int) -> State:
    """The same curves with K levels.

    Breakpoints m_i are read as M(i/(K+1)) and values as X((i+1/2)/(K+1)), M and X monotone
    interpolants of the old ones: the density of levels keeps its shape. Frozen levels stay one.
    """
    frozen = int(state.top.min()) <= state.K
    if frozen:
        return _resample_frozen(model, state, K)
    if model.L == 1 and state.K > 1:
        return _resample_perceptron(state, K)
    index = np.arange(state.K + 2) / (state.K + 1.0)
    breakpoints = PchipInterpolator(index, np.append(state.m, 1.0))
    old: Array = (np.arange(state.K + 1) + 0.5) / np.float64(state.K + 1)
    new: Array = (np.arange(K + 1) + 0.5) / np.float64(K + 1)
    m = breakpoints(np.arange(K + 1) / (K + 1.0))
    m[0] = 0.0
    pinned = model.L > 1
    eps = np.array([_curve(old, new, row, pinned) for row in state.eps])
    Q = np.array([_curve(old, new, row, pinned) for row in state.Q])
    if pinned:
        eps[:, 0] = Q[:, 0] = 0.0
    Q = np.minimum(Q, 1.0 - 0.3 * (1.0 - state.Q[:, -1:]))
    return match_couplings(model, _separate(make_state(m, eps, Q)))


def _resample_perceptron(state: State, K: int) -> State:
    """One perceptron: logits of m_i and Q_i are interpolated, beyond the ends linearly.

    Near contact the levels are spread over decades of m and of 1 - Q.
    """
    m = np.append(0.0, expit(_spread(logit(state.m[1:]), K)))
    return make_state(m, np.zeros((2, K + 1)), expit(_spread(logit(state.Q[0]), K + 1))[None])


def _spread(values: Array, count: int) -> Array:
    """`count` values at the places (j + 1/2)/count of the curve through values at such places."""
    have = values.size
    line = make_interp_spline((np.arange(have) + 0.5) / have, values, k=1)
    return np.asarray(line((np.arange(count) + 0.5) / count))


def _curve(old: Array, new: Array, values: Array, pinned: bool) -> Array:
    """Monotone interpolation of one layer; where it is zero it stays zero."""
    if values[-1] <= 0.0:
        return np.zeros(new.size)
    low = int(np.argmax(values > 0.0))
    x, y = old[low:], values[low:]
    if low == 0 or x.size == 1:
        x, y = np.append(0.0, x), np.append(0.6 * y[0] if low == 0 else 0.0, y)
    elif low == 1 and pinned:
        x, y = np.append(0.0, x), np.append(0.0, y)
    else:  # continue the first two values down to zero, within the last zero cells
        reach = x[1] - x[0]
        if y[0] < y[1] - y[0]:
            reach *= max(y[0] / (y[1] - y[0]), 0.01)
        x, y = np.append(max(x[0] - reach, old[low - 2]), x), np.append(0.0, y)
    x, y = np.append(x, 1.0), np.append(y, y[-1] + 0.5 * (y[-1] - y[-2]))
    out = PchipInterpolator(x, y, extrapolate=False)(new)
    return np.asarray(np.maximum(np.nan_to_num(out), 0.0))


def plateaus(steps: Array, excess: float = 2.0) -> list[int]:
    """Cells more than `excess` times wider than both neighbours, and the last cell.

    Between them q(x) rises (the steep parts of the terraces).
    """
    inner = steps[1:-1] > excess * np.maximum(steps[:-2], steps[2:])
    return [int(i) + 1 for i in np.flatnonzero(inner)] + [steps.size - 1]


def refine(model: Model, ev: Evaluation, K: int, barred: tuple[int, ...] = ()) -> State:
    """K > ev.state.K levels, distributed over the rises between plateaus.

    A rise with n inner levels contributes an error of s like (n + 1)^-4 times the sum of its
    gains (m_{i+1}-m_i)(rho_i - 1)^2; every further level goes where it lowers this most, but
    to no rise in `barred`. Each rise is resampled by index, plateaus stay. Without a plateau:
    `resample`.
    """
    state = ev.state
    rises, gain, have = _rises(model, ev)
    if len(rises) == 1:
        return resample(model, state, K)
    want = have.copy()
    while want.sum() + want.size < K + 1:
        left = gain * (have + 1.0) ** 4
        value = left * ((want + 1.0) ** -4 - (want + 2.0) ** -4)
        value[[j for j in barred if j < value.size]] = -1.0
        want[int(np.argmax(value))] += 1
    return _with_counts(model, state, rises, want)


def thin(model: Model, ev: Evaluation) -> State | None:
    """One level fewer, from the rise where that raises the error of s least (see `refine`).

    None if there is a single rise or none has a level to spare.
    """
    rises, gain, have = _rises(model, ev)
    spare = have > 1
    if len(rises) == 1 or not spare.any():
        return None
    rest = np.where(spare, have, 1)
    cost = np.where(spare, gain * (((have + 1.0) / rest) ** 4 - 1.0), np.inf)
    want = have.copy()
    want[int(np.argmin(cost))] -= 1
    return _with_counts(model, ev.state, rises, want)


def _rises(model: Model, ev: Evaluation) -> tuple[list[tuple[int, int]], Array, Ints]:
    """Pairs of plateaus (-1: none before) around every rise, its gain and its inner levels."""
    state = ev.state
    rises = list(pairwise([-1, *plateaus(state.steps)]))
    score = np.append(state.steps * np.maximum(replicon(model, ev).rho - 1.0, 0.0) ** 2, 0.0)
    score[int(state.top.min()) : -1] = 0.0
    gain = np.array([score[a + 1 : b].sum() + 0.5 * (score[a] + score[b]) for a, b in rises])
    return rises, gain, np.array([b - a - 1 for a, b in rises], dtype=np.int64)


def _with_counts(
    model: Model, state: State, rises: list[tuple[int, int]], counts: Ints
) -> State:  # fmt: skip
    """Every rise resampled by index to its number of inner levels; plateaus stay."""
    both = np.vstack([state.eps, state.Q])
    parts = [
        _refined_rise(state, both, a, b, int(n)) for (a, b), n in zip(rises, counts, strict=True)
    ]
    m = np.concatenate([part[0] for part in parts])
    both = np.hstack([part[1] for part in parts])
    eps, Q = both[: model.L + 1], both[model.L + 1 :]
    if model.L > 1:
        eps[:, 0] = Q[:, 0] = 0.0
    K = m.size - 1
    top = np.where(state.top <= state.K, K, K + 1).astype(np.int64)
    return match_couplings(model, _separate(make_state(m, eps, Q, top)))


def _refined_rise(state: State, both: Array, a: int, b: int, count: int) -> tuple[Array, Array]:
    """Breakpoints m_{a+1}.. and values of cells a+1..b with `count` cells between a and b."""
    edges, steps = state.m[a + 1 : b + 1], state.steps
    have = b - a - 1
    if count == have:
        return edges, both[:, a + 1 : b + 1]
    if have == 0:
        width = 0.3 * min(steps[a], steps[b])
        m = edges[0] + width * np.linspace(-0.5, 0.5, count + 1)
    else:
        m = PchipInterpolator(np.arange(have + 1), edges)(np.linspace(0.0, have, count + 1))
    left = both[:, a] if a >= 0 else np.zeros(both.shape[0])
    values = np.column_stack([left, both[:, a + 1 : b + 1]])
    old = np.arange(have + 2) / (have + 1.0)
    new = np.arange(1, count + 2) / (count + 1.0)
    return m, np.asarray(PchipInterpolator(old, values, axis=1)(new))


def _resample_frozen(model: Model, state: State, K: int) -> State:
    """Resample the free levels; the frozen top cell is kept as it is."""
    top = state.K
    m_star = state.m[top]
    scale = State(state.m[:top] / m_star, state.eps[:, :top], state.Q[:, :top], state.top)
    free = resample(model, make_state(scale.m, scale.eps, scale.Q), K - 1)
    m = np.append(free.m * m_star, m_star)
    eps = np.hstack([free.eps, np.maximum(free.eps[:, -1:], state.eps[:, -1:])])
    Q = np.hstack([free.Q, np.maximum(1.0001 * free.Q[:, -1:], state.Q[:, -1:])])
    tops = np.where(state.top <= state.K, K, K + 1).astype(np.int64)
    new = make_state(m, eps, np.minimum(Q, 1.0 - 1e-6), tops)
    return match_couplings(model, _separate(new))


def split_cells(model: Model, ev: Evaluation, chosen: NDArray[np.bool_]) -> State:
    """Cut the chosen cells in half along their replicon eigenvectors.

    The values move apart by at most a quarter of the distance to the neighbouring levels.
    """
    state = ev.state
    if state.K == 0 and model.L > 1 and chosen[0]:  # the sign gauge: no overlap below the step
        m = np.array([0.0, FIRST_STEP])
        eps, Q = (np.hstack([np.zeros_like(table), table]) for table in (state.eps, state.Q))
        return match_couplings(model, make_state(m, eps, Q))
    modes = replicon(model, ev)
    parent = np.repeat(np.arange(state.m.size), 1 + chosen.astype(int))
    second = np.concatenate([[False], parent[1:] == parent[:-1]])
    ahead = 0.5 * state.steps[parent]
    if model.L == 1:  # near contact m_i/m_{i-1} and m_K/(1 - Q_K) are finite
        scale = state.m if state.K > 0 else CONTACT_RATIO * (1.0 - state.Q[0])
        ahead = np.where(scale[parent] > 0.0, np.minimum(ahead, scale[parent]), ahead)
    m = state.m[parent] + second * ahead
    eps, Q = state.eps[:, parent], state.Q[:, parent]
    for j in np.flatnonzero(second):
        i = int(parent[j])
        pairs = [(eps[r], state.eps[r], modes.eps[i, r]) for r in range(1, model.L)]
        bounds = [np.inf] * len(pairs) + [1.0] * model.L
        pairs += [(Q[r], state.Q[r], modes.Q[i, r]) for r in range(model.L)]
        amplitude = min(
            (_room(old, i, top) / shift for (_, old, shift), top in zip(pairs, bounds, strict=True)
             if shift > 0.0 and old[i] > 0.0),
            default=0.0,
        )  # fmt: skip
        if (
            i == 0 and model.L > 1
        ):  # value 0 at x = 0 stays; the upper half takes a share of level 1
            for new, old, _ in pairs:
                new[j] = 0.3 * old[min(1, state.K)]
            continue
        for new, old, shift in pairs:
            if old[i] > 0.0:
                new[j - 1] -= amplitude * shift
                new[j] += amplitude * shift
    top = np.array([parent.searchsorted(t) for t in state.top], dtype=np.int64)
    return match_couplings(model, _separate(make_state(m, eps, Q, top)))


def _room(values: Array, i: int, bound: float) -> float:
    """A quarter of the distance to the nearer level, or half of that to a bound it would pass."""
    below = values[i] - (values[i - 1] if i > 0 else 0.0)
    above = values[i + 1] - values[i] if i + 1 < values.size else below
    room, left = 0.25 * float(min(below, above)), bound - float(values[i])
    return room if room < left else 0.5 * left


def _separate(state: State) -> State:
    """Strictly increasing fields at active levels."""
    eps = state.eps.copy()
    for row, top in zip(eps[1:-1], state.top[1:-1], strict=True):
        if top > 0 and row[top - 1] > 0.0:
            low = int(np.argmax(row > 0.0))
            steps = np.diff(row[low:top], prepend=0.0)
            row[low:top] = np.cumsum(np.maximum(steps, 1e-5 * row[top - 1]))
    return state.with_values(eps=eps)


def drop_collapsed(model: Model, state: State) -> State | None:
    """Remove cells of (almost) zero width; None if there are none."""
    keep = state.steps > min_gap(state)
    if not keep[0] and state.K > 0:  # the first cell has the value 0 (hidden layers): it grows
        keep[1] = False
    keep[0] = True
    keep[-1] |= int(state.top.min()) <= state.K  # the frozen cell: m* -> 1 ends its branch
    return None if keep.all() else _keep_cells(model, state, keep)


def drop_weakest(model: Model, ev: Evaluation) -> State | None:
    """One level fewer: the cell with least width times (step from the cell below)^2 goes.

    None if there is none to spare (a frozen cell stays).
    """
    state = ev.state
    last = min(int(state.top.min()), state.K + 1)
    if last < 2:
        return None
    values = np.vstack([ev.q, state.Q])[:, :last]
    weakest = 1 + int(np.argmin(state.steps[1:last] * (np.diff(values, axis=1) ** 2).sum(0)))
    return _keep_cells(model, state, np.arange(state.K + 1) != weakest)


def _keep_cells(model: Model, state: State, keep: NDArray[np.bool_]) -> State:
    """Cells to be dropped fall to the one below."""
    m = state.m[keep]
    top = np.array([np.count_nonzero(keep[:t]) for t in state.top], dtype=np.int64)
    new = make_state(m, state.eps[:, keep], state.Q[:, keep], top)
    return match_couplings(model, _separate(new))


def frozen_guess(
    model: Model, K: int, m_star: float = 0.5, field: float = 1.0, depth: int = 1
) -> State:
    """Layers 1..depth (and L-depth..L-1) frozen in the top cell [m_star, 1).

    The rest as in `first_guess`.
    """
    state = first_guess(model, max(K, 1), field, 0.5)
    K = state.K
    m = state.m * m_star / state.m[-1]
    top = state.top.copy()
    if model.L > 1:
        top[1 : depth + 1] = top[model.L - depth : model.L] = K
    return match_couplings(model, _separate(make_state(m, state.eps, state.Q, top)))
