"""The solutions connected to the liquid: one curve in (overlaps, alpha), followed stage by stage.

A stage (`replicadnn.theory.contract.Stage`) has a number of solid layers and a liquid one behind
them.  Along its curve the instability of that layer is a smooth function, so a root search in it
gives the threshold at which the next stage starts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from replicadnn.problem import Ansatz, Problem
from replicadnn.theory.closures import fronts, symmetric_equations
from replicadnn.theory.contract import Stage
from replicadnn.theory.symmetric.curve import Curve, Point
from replicadnn.theory.symmetric.state import State, neuron_logit

#: Overlap with which a layer starts: alpha - alpha(l) is then ~ q alpha(l).
_SEED = math.exp(-14.0)
#: Factor of it where the next layer becomes solid before.
_SMALLER = math.exp(-4.0)
#: A layer of the last stage with an overlap below this is liquid again.
_DISSOLVED = 0.5 * _SEED
#: The curve of a network without liquid layers is followed to this distance of all its q from 1
#: (random data: where the volume closes it is not resolved further).
_NEAR_ONE_TEACHER = 1e-9
_NEAR_ONE_RANDOM = 1e-3
#: The control of the last stage is replaced so often at most.
_TURNS = 40


@dataclass(slots=True)
class Segment:
    """The part of the curve that belongs to one stage.

    ``points`` run from its onset to the onset of the next stage (or, without one, to the end);
    folds are among them.  ``complete`` is False where alpha_max or a failure came first.
    """

    stage: Stage
    curve: Curve
    points: list[Point]
    folds: list[int]
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A point of the curve and its place (segment, point before)."""

    place: tuple[int, int]
    point: Point


@dataclass(slots=True)
class SolutionPath:
    """All segments of one network: where the curve crosses a given alpha, and s there."""

    problem: Problem
    segments: Sequence[Segment]

    def crossing(self, log_alpha: float, after: tuple[int, int] = (0, 0)) -> Found | None:
        """The first rising crossing of ``log_alpha`` from the point ``after`` on."""
        for i, segment in enumerate(self.segments):
            points = segment.points
            for j in range(len(points) - 1):
                if (i, j) < after:
                    continue
                a, b = points[j], points[j + 1]
                if a.log_alpha <= log_alpha < b.log_alpha:
                    found = segment.curve.root(a, b, lambda p: p.log_alpha - log_alpha)
                    return Found((i, j), found)
        return None

    @property
    def turns_back(self) -> bool:
        """Whether the curve ends at smaller alpha than it has reached, and not next to q = 1.

        It is then not connected to the solutions at large alpha.
        """
        last = self.segments[-1]
        highest = max(point.log_alpha for segment in self.segments for point in segment.points)
        end = last.points[-1]
        return last.stage.closed and end.log_alpha < highest and not _ordered(last.stage, end)

    def state(self, found: Found) -> State:
        """The whole network at a point of the curve."""
        return self.segments[found.place[0]].stage.expand(found.point.state)

    def entropy(self, found: Found) -> float:
        """s of the whole network at a point of the curve."""
        here = replace(self.problem, ansatz=Ansatz.RS, alpha=found.point.alpha)
        return symmetric_equations(here).free_entropy(self.state(found)).total


def ordering_path(problem: Problem, alpha_max: float) -> Iterator[Segment]:
    """The curve from the liquid on, one segment for each stage that is reached.

    Where the control of the last stage turns back, further segments of that stage follow.
    """
    grown = fronts(problem)
    log_alpha, log_max = math.log(grown.first_threshold), math.log(alpha_max)
    before: Segment | None = None
    for number in range(1, len(grown.layers) + 1):
        if log_alpha > log_max:
            return
        segment = _segment(grown.stage(number), before, log_alpha, log_max)
        if segment is None:
            return
        yield segment
        if not segment.complete:
            yield from _turns(segment, log_max)
            return
        before, log_alpha = segment, segment.points[-1].log_alpha


def _turns(segment: Segment, log_max: float) -> Iterator[Segment]:
    """What follows the last stage where its control turns back: the same curve, other controls."""
    for _ in range(_TURNS):
        last = segment.points[-1]
        if not segment.stage.closed or _over(segment.stage, last, log_max):
            return
        curve = segment.curve.turned(last)
        start = None if curve is segment.curve else curve.solve(last.state, last.log_alpha)
        if start is None:
            return
        segment = _traced(segment.stage, curve, start, log_max)
        yield segment


def _over(stage: Stage, point: Point, log_max: float) -> bool:
    """Whether a stage ends here: out of range, next layer at its onset, or nothing left to grow.

    The last stage also ends where the curve has led back to a liquid layer (exact closure, deep
    networks: it is then not connected to the saturated branch).
    """
    if point.log_alpha > log_max:
        return True
    if stage.closed and np.min(point.state.q[1:-1]) < _DISSOLVED:
        return True
    if stage.closed:
        return _ordered(stage, point)
    return stage.excess(point.state, point.log_alpha) >= 0.0


def _ordered(stage: Stage, point: Point) -> bool:
    """Whether every overlap of the neurons is next to 1."""
    near_one = _NEAR_ONE_TEACHER if stage.problem.teacher else _NEAR_ONE_RANDOM
    return bool(np.max(point.state.p[1:-1]) < near_one)


def _traced(stage: Stage, curve: Curve, start: Point, log_max: float) -> Segment:
    """The points of a stage from ``start`` on, with its folds."""
    segment = Segment(stage, curve, [start], [])

    def until(point: Point) -> bool:
        return _over(stage, point, log_max) or (stage.closed and point.turning)

    for point in curve.trace(start, until):
        last = segment.points[-1]
        if point.slope * last.slope < 0.0:
            segment.folds.append(len(segment.points))
            segment.points.append(curve.fold(last, point))
        segment.points.append(point)
    return segment


def _segment(
    stage: Stage, before: Segment | None, log_alpha: float, log_max: float
) -> Segment | None:
    """One stage from its onset at ``log_alpha``, the end of the segment ``before``."""
    curve = Curve(symmetric_equations(stage.problem), neuron_logit(stage.newest), stage.mirrored)
    front = None if before is None else before.points[-1].state

    def excess(point: Point) -> float:
        return stage.excess(point.state, point.log_alpha)

    overlap = _SEED
    start = curve.solve(stage.seed(front, log_alpha, overlap), log_alpha)
    # at large alpha the next layer may follow at a smaller overlap
    while start is not None and not stage.closed and excess(start) >= 0.0:
        overlap *= _SMALLER
        start = curve.solve(stage.seed(front, log_alpha, overlap), log_alpha)
    if start is None:
        return None

    segment = _traced(stage, curve, start, log_max)
    if not stage.closed and excess(segment.points[-1]) >= 0.0:
        # a fold may lie between the onset of the next layer and the last point
        end = next(j for j, point in enumerate(segment.points) if excess(point) >= 0.0)
        onset = curve.root(segment.points[end - 1], segment.points[end], excess)
        segment.points[end:] = [onset]
        segment.folds = [j for j in segment.folds if j < end]
        segment.complete = True
    return segment
