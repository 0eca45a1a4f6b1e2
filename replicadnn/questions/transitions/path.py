"""The solutions connected to the liquid: one curve in (overlaps, alpha), followed stage by stage.

A stage (`replicadnn.theory.contract.Stage`) has a number of solid layers and a liquid one behind
them.  Along its curve the instability of that layer is a smooth function, so a root search in it
gives the threshold at which the next stage starts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from replicadnn.problem import Ansatz, Problem
from replicadnn.theory.closures import fronts, symmetric_equations
from replicadnn.theory.contract import Stage
from replicadnn.theory.symmetric.curve import Curve, Point
from replicadnn.theory.symmetric.state import neuron_logit

#: Overlap with which a layer starts: alpha - alpha(l) is then ~ q alpha(l).
_SEED = math.exp(-14.0)
#: The curve of a network without liquid layers is followed to this distance of q(centre) from 1
#: (random data: where the volume closes it is not resolved further).
_NEAR_ONE_TEACHER = 1e-9
_NEAR_ONE_RANDOM = 1e-3


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

    def entropy(self, found: Found) -> float:
        """s of the whole network at a point of the curve."""
        here = replace(self.problem, ansatz=Ansatz.RS, alpha=found.point.alpha)
        state = self.segments[found.place[0]].stage.expand(found.point.state)
        return symmetric_equations(here).free_entropy(state).total


def ordering_path(problem: Problem, alpha_max: float) -> Iterator[Segment]:
    """The curve from the liquid on, one segment for each stage that is reached."""
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
            return
        before, log_alpha = segment, segment.points[-1].log_alpha


def _segment(
    stage: Stage, before: Segment | None, log_alpha: float, log_max: float
) -> Segment | None:
    """One stage from its onset at ``log_alpha``, the end of the segment ``before``."""
    curve = Curve(symmetric_equations(stage.problem), neuron_logit(stage.newest), stage.mirrored)
    front = None if before is None else before.points[-1].state
    start = curve.solve(stage.seed(front, log_alpha, _SEED), log_alpha)
    if start is None:
        return None
    near_one = _NEAR_ONE_TEACHER if stage.problem.teacher else _NEAR_ONE_RANDOM

    def excess(point: Point) -> float:
        return stage.excess(point.state, point.log_alpha)

    def over(point: Point) -> bool:
        if point.log_alpha > log_max:
            return True
        if stage.closed:
            return bool(point.state.p[stage.newest] < near_one)
        return excess(point) >= 0.0

    segment = Segment(stage, curve, [start], [])
    for point in curve.trace(start, over):
        last = segment.points[-1]
        if point.slope * last.slope < 0.0:
            segment.folds.append(len(segment.points))
            segment.points.append(curve.fold(last, point))
        segment.points.append(point)
    if not stage.closed and excess(segment.points[-1]) >= 0.0:
        # a fold may lie between the onset of the next layer and the last point
        end = next(j for j, point in enumerate(segment.points) if excess(point) >= 0.0)
        onset = curve.root(segment.points[end - 1], segment.points[end], excess)
        segment.points[end:] = [onset]
        segment.folds = [j for j in segment.folds if j < end]
        segment.complete = True
    return segment
