"""Transitions of the replica-symmetric solutions: what their curve says."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence

import numpy as np

from replicadnn import interrupt
from replicadnn.problem import Problem
from replicadnn.progress import Report
from replicadnn.provenance import provenance
from replicadnn.questions.schema import Checkpoint
from replicadnn.questions.transitions.path import Segment, SolutionPath, ordering_path
from replicadnn.questions.transitions.result import Step, Threshold, Transitions
from replicadnn.questions.transitions.steps import (
    find_steps,
    saturated_overtakes,
    saturated_spinodal,
)
from replicadnn.questions.transitions.thresholds import (
    find_thresholds,
    fit_thresholds,
    liquid_range,
    remark,
    thickness,
)
from replicadnn.theory.closures import fronts

logger = logging.getLogger(__name__)


def symmetric_transitions(
    problem: Problem,
    alpha_max: float,
    progress: Report | None,
    asked: str = "",
    known: Sequence[Threshold] = (),
    checkpoint: Checkpoint | None = None,
) -> Transitions:
    """`replicadnn.transitions` for ``ansatz`` rs.

    ``known``: thresholds of an earlier call, which an interrupt does not lose.
    """
    began = traced = time.perf_counter()
    count = len(fronts(problem).layers)
    segments: list[Segment] = []
    steps: tuple[Step, ...] = ()
    overtakes = (math.nan, math.nan)
    spinodal = math.nan

    def result(finished: bool) -> tuple[Transitions, int]:
        thresholds = find_thresholds(problem, segments, alpha_max)
        if not finished:
            thresholds = _kept(thresholds, known)
        last, returns = liquid_range(segments, thresholds)
        if math.isfinite(spinodal) and SolutionPath(problem, segments).turns_back:
            returns = spinodal  # of the solid side, which is not on the curve
        found = Transitions.of_problem(
            problem,
            thresholds=thresholds,
            steps=steps,
            fit=fit_thresholds(thresholds, problem.L),
            thickness=thickness(problem, segments),
            last_liquid=last,
            liquid_returns=returns,
            saturated=overtakes[0],
            saturated_uncertainty=overtakes[1],
            saturated_spinodal=spinodal,
            message=remark(thresholds, alpha_max) if finished else "interrupted",
            timings={"curve": traced - began, "steps": time.perf_counter() - traced},
            provenance=provenance(asked=asked),
            finished=finished,
        )
        return found, int(np.isfinite(found.alpha).sum())

    with interrupt.keeping(lambda: result(False)):
        for segment in ordering_path(problem, alpha_max):
            segments.append(segment)
            _tell(segment)
            if checkpoint is not None:
                checkpoint(lambda: result(False)[0])
            if progress is not None:
                progress(segment.stage.layer, count)
        traced = time.perf_counter()
        path = SolutionPath(problem, segments)
        steps = find_steps(path)
        overtakes = saturated_overtakes(path, steps, alpha_max)
        if math.isfinite(overtakes[0]):
            spinodal = saturated_spinodal(problem, overtakes[0])
    return result(True)[0]


def _kept(found: tuple[Threshold, ...], known: Sequence[Threshold]) -> tuple[Threshold, ...]:
    """Thresholds found, and those known where the curve has not come to them yet."""
    if not known:
        return found
    both = zip(found, known, strict=True)
    return tuple(old if math.isnan(new.alpha) else new for new, old in both)


def _tell(segment: Segment) -> None:
    logger.info(
        "followed the curve with %d solid layers of a front to alpha = %.8g: %d points, %d folds",
        segment.stage.layer, math.exp(segment.points[-1].log_alpha), len(segment.points),
        len(segment.folds),
    )  # fmt: skip
