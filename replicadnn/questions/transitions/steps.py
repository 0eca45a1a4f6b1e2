"""First-order steps: spinodals, coexistence, and where the saturated branch overtakes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy.optimize import brentq

from replicadnn.problem import Problem
from replicadnn.questions.transitions.path import Segment, SolutionPath
from replicadnn.questions.transitions.result import Step
from replicadnn.theory.closures import fronts, symmetric_equations
from replicadnn.theory.symmetric.curve import Curve, Point
from replicadnn.theory.symmetric.search import settle
from replicadnn.theory.symmetric.state import SATURATED, distance, full_order, neuron_logit

_SWEEPS = 20_000
#: Two solutions closer than this in every overlap are the same one.
_SAME = 1e-6
#: Grid in ln alpha of the search for the saturated branch, and where it ends.
_GRID = 0.25
_LAST = 12.0
#: Relative bracket of the alpha at which the saturated branch appears, and errors of alpha where
#: it overtakes at once and later.
_APPEARS = 1e-7
_ERROR_AT_ONCE = 1e-6
_ERROR_LATER = 1e-9


def find_steps(path: SolutionPath) -> tuple[Step, ...]:
    """Steps met when alpha rises: maxima of alpha above everything before, and where they lead.

    A maximum is a fold, or the onset of a layer from which the curve turns to smaller alpha.
    """
    out = []
    highest = -math.inf
    for i, segment in enumerate(path.segments):
        for j, point in enumerate(segment.points):
            rising = j > 0 and segment.points[j - 1].slope > 0.0
            maximum = rising and (j in segment.folds or _turns_at_onset(path, (i, j)))
            if maximum and point.log_alpha > highest:
                out.append(_step(path, (i, j)))
            highest = max(highest, point.log_alpha)
    return tuple(out)


def _turns_at_onset(path: SolutionPath, place: tuple[int, int]) -> bool:
    """Whether this is the end of a stage, and the next layer sets in towards smaller alpha."""
    i, j = place
    segment = path.segments[i]
    if not segment.complete or j != len(segment.points) - 1 or i + 1 == len(path.segments):
        return False
    return path.segments[i + 1].points[0].slope < 0.0


def _step(path: SolutionPath, place: tuple[int, int]) -> Step:
    before = path.segments[place[0]]
    top = before.points[place[1]]
    landing = path.crossing(top.log_alpha, after=(place[0], place[1] + 1))
    minima = [
        (i, j)
        for i, s in enumerate(path.segments)
        for j in s.folds
        if (i, j) > place and s.points[j - 1].slope < 0.0
    ]
    if landing is not None:
        minima = [m for m in minima if m <= landing.place][-1:]
    elif path.turns_back:  # what it falls to is not on this curve
        minima = []
    down = path.segments[minima[-1][0]].points[minima[-1][1]] if minima else None
    coexistence, uncertainty = math.nan, math.nan
    if down is not None:
        high = min(top.log_alpha, path.segments[-1].points[-1].log_alpha)
        coexistence, uncertainty = _coexistence(path, minima[-1], down.log_alpha, high)
    if landing is None:  # beyond the end of what was followed
        after, there = path.segments[-1], path.segments[-1].points[-1]
        solid_after = len(fronts(path.problem).layers)
    else:
        after, there = path.segments[landing.place[0]], landing.point
        solid_after = after.stage.layer
    return Step(
        up=top.alpha,
        down=math.nan if down is None else down.alpha,
        coexistence=coexistence,
        uncertainty=uncertainty,
        solid_before=before.stage.layer,
        solid_after=solid_after,
        q_before=_last_overlap(before, top),
        q_after=math.nan if landing is None and path.turns_back else _last_overlap(after, there),
    )


def _last_overlap(segment: Segment, point: Point) -> float:
    """q of the layer that becomes solid last, the centre."""
    return float(point.state.q[segment.stage.newest]) if segment.stage.closed else 0.0


def _coexistence(
    path: SolutionPath, minimum: tuple[int, int], low: float, high: float
) -> tuple[float, float]:
    """alpha at which the solution beyond a fold has the s of the first one on the curve."""

    def difference(log_alpha: float) -> float:
        lower = path.crossing(log_alpha)
        upper = path.crossing(log_alpha, after=minimum)
        if lower is None or upper is None:
            return math.nan
        return path.entropy(upper) - path.entropy(lower)

    inset = 1e-9 * max(1.0, abs(high - low))
    low, high = low + inset, high - inset
    ends = difference(low), difference(high)
    if not ends[0] * ends[1] < 0.0:
        return math.nan, math.nan
    width = 1e-9
    root = float(brentq(difference, low, high, xtol=1e-12, rtol=1e-14))
    while difference(root - width) * difference(root + width) > 0.0 and width < 1e-3:
        width *= 4.0
    return math.exp(root), math.exp(root) * 2.0 * width


def saturated_overtakes(
    path: SolutionPath, steps: Sequence[Step], alpha_max: float
) -> tuple[float, float]:
    """Teacher-student: from which alpha on the saturated branch has larger s than the first one.

    The saturated branch is what falls from full order (docs/theory.md, section 5.4); in shallow
    networks the curve itself leads there.  alpha and its error, nan without one.
    """
    problem = path.problem
    if not problem.teacher or not path.segments:
        return math.nan, math.nan
    end = path.segments[-1]
    if steps and _last_overlap(end, end.points[-1]) > SATURATED:
        return steps[-1].coexistence, steps[-1].uncertainty

    def gain(log_alpha: float) -> float:
        here = replace(problem, alpha=math.exp(log_alpha))
        equations = symmetric_equations(here)
        top = settle(equations, full_order(here), side=-1, max_sweeps=_SWEEPS)
        first = path.crossing(log_alpha)
        if not top.found or first is None or np.any(top.state.q < SATURATED):
            return -math.inf
        if distance(top.state, path.state(first)) < _SAME:  # the curve itself has led there
            return -math.inf
        return equations.free_entropy(top.state).total - path.entropy(first)

    low = math.log(path.segments[0].points[0].alpha) + 1e-6
    before = -math.inf
    for a, b in itertools.pairwise(np.arange(low, math.log(alpha_max), _GRID)):
        value = gain(b)
        if value > 0.0:
            if math.isinf(before):  # the branch appears within this step of the grid
                a = _first_finite(gain, a, b)
                if gain(a) > 0.0:
                    return math.exp(a), math.exp(a) * _ERROR_AT_ONCE
            root = float(brentq(gain, a, b, xtol=1e-11, rtol=1e-13))
            return math.exp(root), math.exp(root) * _ERROR_LATER
        before = value
        if b > _LAST:
            break
    return math.nan, math.nan


def saturated_spinodal(problem: Problem, alpha: float) -> float:
    """alpha at which the saturated branch appears (it folds there), followed from ``alpha`` down.

    nan where the branch does not exist at ``alpha`` or its fold is not found.
    """
    here = replace(problem, alpha=alpha)
    equations = symmetric_equations(here)
    top = settle(equations, full_order(here), side=-1, max_sweeps=_SWEEPS)
    if not top.found or np.any(top.state.q < SATURATED):
        return math.nan
    softest = neuron_logit(1 + int(np.argmin(top.state.q[1:-1])))
    curve = Curve(equations, softest, sign=-1.0)
    point = curve.solve(top.state, math.log(alpha))
    if point is None or point.slope >= 0.0:
        return math.nan
    for after in curve.trace(point, lambda reached: reached.slope >= 0.0):
        if after.slope >= 0.0:
            return curve.fold(point, after).alpha
        point = after
    return math.nan


def _first_finite(value: Callable[[float], float], low: float, high: float) -> float:
    """Where ``value`` becomes finite, between an infinite and a finite argument."""
    while high - low > _APPEARS:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if math.isfinite(value(middle)) else (middle, high)
    return high
