"""Thresholds from the curve of the solutions: criterion (22), folds, straight line, thickness."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from replicadnn.problem import Problem
from replicadnn.questions.transitions.path import Segment
from replicadnn.questions.transitions.result import Fit, Order, Threshold, thickness_table
from replicadnn.theory.closures import fronts
from replicadnn.theory.symmetric.curve import Curve, Point
from replicadnn.types import FloatArray

#: Half width, in the logit of the control, of the bracket that certifies a root.
_BRACKET = 1e-9
#: Relative error of alpha from rounding and quadrature (tests: against 18-digit integrals).
ROUNDING = 1e-12
#: Layers that make a straight line.
_FEWEST = 3


def find_thresholds(
    problem: Problem, segments: Sequence[Segment], alpha_max: float
) -> tuple[Threshold, ...]:
    """Where each layer becomes solid when alpha rises, as far as the curve is known.

    A layer whose onset lies on a part of the curve that rising alpha jumps over, behind a fold at
    larger alpha, becomes solid at that fold.
    """
    grown = fronts(problem)
    out: list[Threshold] = []
    highest, highest_width = -math.inf, 0.0
    for number, layer in enumerate(grown.layers):
        onset, width = _onset(grown.first_threshold, segments, number)
        if not (onset <= alpha_max and highest <= alpha_max):
            out.append(Threshold.missing(layer))
            continue
        second = onset >= highest
        if second:
            highest, highest_width = onset, width
        segment = segments[number] if number < len(segments) else None
        growth = math.nan
        if segment is not None:
            start = segment.points[0]
            second = second and start.slope > 0.0
            if second:
                growth = float(start.state.q[segment.stage.newest] / start.slope)
        order = Order.SECOND if second else Order.FIRST
        out.append(Threshold(layer, highest, highest_width, onset, order, growth))
        if segment is None:
            continue
        for fold in (segment.points[j] for j in segment.folds):
            if fold.alpha > highest:
                highest, highest_width = fold.alpha, _width(segment.curve, fold)
    return tuple(out)


def _onset(first: float, segments: Sequence[Segment], number: int) -> tuple[float, float]:
    """alpha at which (22) holds on the curve after ``number`` segments, and its uncertainty.

    ``first`` is that of the liquid; nan where the curve was not followed so far.
    """
    if number == 0:
        return first, ROUNDING * first
    if number > len(segments) or not segments[number - 1].complete:
        return math.nan, math.nan
    last = segments[number - 1].points[-1]
    return last.alpha, _width(segments[number - 1].curve, last)


def _width(curve: Curve, point: Point) -> float:
    """Uncertainty of alpha at a root in the control: its bracket, and rounding."""
    ends = [curve.at(point.y + sign * _BRACKET, point) for sign in (-1.0, 1.0)]
    spread = max(abs(e.alpha - point.alpha) if e is not None else math.inf for e in ends)
    return spread + ROUNDING * point.alpha


def liquid_range(
    segments: Sequence[Segment], thresholds: Sequence[Threshold]
) -> tuple[float, float]:
    """Largest alpha with a liquid layer on the way up; where one returns on the way down."""
    if not thresholds or math.isnan(thresholds[-1].alpha) or len(segments) < len(thresholds):
        return math.nan, math.nan
    closed = segments[len(thresholds) - 1 :]
    returns = min(point.alpha for segment in closed for point in segment.points)
    return thresholds[-1].alpha, min(thresholds[-1].onset, returns)


def thickness(problem: Problem, segments: Sequence[Segment]) -> dict[str, FloatArray]:
    """Solid layers a side and sum of q over them while alpha rises."""
    layers = np.array(fronts(problem).layers, dtype=int)
    rows = []
    highest = -math.inf
    for segment in segments:
        solid = layers[: segment.stage.layer]
        for point in segment.points:
            if point.log_alpha > highest:
                highest = point.log_alpha
                total = float(np.sum(segment.stage.expand(point.state).q[solid]))
                rows.append((point.alpha, float(solid.size), total))
    return thickness_table(rows)


def fit_thresholds(thresholds: Sequence[Threshold], L: int) -> Fit | None:
    """Straight line through ln alpha over the second-order layers with a liquid neighbour.

    Against the depth from the boundary where the front starts, 1 first.  Left out: layers of
    first-order steps, and the last one where its two solid neighbours change its criterion: the
    centre of an even network, or the layer beside the data that a single front reaches.  None
    with fewer than three layers.
    """
    enclosed = L % 2 == 0 or len(thresholds) == L - 1
    with_liquid = thresholds[:-1] if enclosed else thresholds
    used = [(n, t) for n, t in enumerate(with_liquid, start=1) if t.order is Order.SECOND]
    if len(used) < _FEWEST:
        return None
    layers = np.array([n for n, _ in used], float)
    logs = np.log([t.alpha for _, t in used])
    x, y = layers - layers.mean(), logs - logs.mean()
    spread = float(x @ x)
    slope = float(x @ y) / spread
    rest = y - slope * x
    slope_err = math.sqrt(float(rest @ rest) / (len(used) - 2) / spread)
    local = np.diff(logs) / np.diff(layers)
    return Fit(
        layers=tuple(n for n, _ in used),
        intercept=float(logs.mean() - slope * layers.mean()),
        intercept_err=slope_err * math.sqrt(spread / len(used) + float(layers.mean()) ** 2),
        slope=slope,
        slope_err=slope_err,
        r_squared=1.0 - float(rest @ rest) / float(y @ y),
        residual_max=float(np.max(np.abs(rest))),
        slope_first=float(local[0]),
        slope_last=float(local[-1]),
    )


NO_LAYER = "L = 1 has no hidden layer: no transition"
ALL_SECOND = "every layer becomes solid by a second-order transition"


def remark(thresholds: Sequence[Threshold], alpha_max: float) -> str:
    """What is missing or of first order, for people."""
    if not thresholds:
        return NO_LAYER
    missing = [t.layer for t in thresholds if math.isnan(t.alpha)]
    first = [t.layer for t in thresholds if t.order is Order.FIRST]
    words = []
    if first:
        words.append(f"{_layers(first, 'become')} solid in {_steps(first)}")
    if missing:
        words.append(f"{_layers(missing, 'stay')} liquid up to alpha_max = {alpha_max:g}")
    return "; ".join(words) or ALL_SECOND


def _layers(numbers: Sequence[int], verb: str) -> str:
    """Layers of a range with their verb."""
    if len(numbers) == 1:
        return f"layer {numbers[0]} {verb}s"
    return f"layers {numbers[0]}..{numbers[-1]} {verb}"


def _steps(numbers: Sequence[int]) -> str:
    """Steps of one layer or of several."""
    return "a first-order step" if len(numbers) == 1 else "first-order steps"
