"""Thresholds alpha(l) of the random scenario with broken replica symmetry.

The criterion is (22) with q_EA = q(x = 1): the overlaps of a liquid layer at every x are multiplied
by alpha G(0)^2 q(l-1, x)^2, largest at x = 1.  q_EA(l-1) comes from the K-level solution of the
network at each alpha (`replicadnn.theory.broken.search`).
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from replicadnn import interrupt
from replicadnn.problem import Problem
from replicadnn.progress import Report
from replicadnn.provenance import provenance
from replicadnn.questions.schema import Checkpoint
from replicadnn.questions.transitions.result import (
    Order,
    Threshold,
    Transitions,
    thickness_table,
)
from replicadnn.questions.transitions.thresholds import (
    ALL_SECOND,
    NO_LAYER,
    ROUNDING,
    fit_thresholds,
)
from replicadnn.status import BranchKind
from replicadnn.theory.broken.search import Found, find
from replicadnn.theory.broken.state import FlowError
from replicadnn.theory.closures import broken_equations, fronts
from replicadnn.theory.contract import Stage

logger = logging.getLogger(__name__)

#: The threshold is extrapolated from this close below it (value of the criterion).
_CLOSE = 2e-3
#: Part of the way to the predicted threshold that the next solution is sought at.
_APPROACH = 0.9
#: Largest step in ln alpha, and the smallest before the branch is said to end.
_LARGEST, _SMALLEST = 0.4, 2e-3
#: Next to the threshold with fewer levels the first step with all of them is this.
_BESIDE = 1e-6
#: Fewer levels than asked for are taken as a guide this far below the threshold.
_FAR = 0.2
#: Seconds for one solution; never reached on an idle core (the result would depend on its speed).
_TIME_LIMIT = 60.0
#: A threshold whose error from the levels is relatively larger than this is not reported.
_MAX_ERROR = 0.05
#: With all levels the threshold is not sought further than this factor beyond that with half.
_FURTHER = 1.5


@dataclass(frozen=True, slots=True)
class _Root:
    """Threshold of one layer: ln alpha and its error from q_EA; nan with the ``reason``."""

    log_alpha: float
    error: float
    reason: str = ""

    @property
    def alpha(self) -> float:
        return math.exp(self.log_alpha)

    @classmethod
    def none(cls, reason: str) -> _Root:
        return cls(math.nan, math.nan, reason)


@dataclass(frozen=True, slots=True)
class _Layer:
    """Threshold of one layer: alpha, its error; ``coarse``: alpha with half the levels."""

    alpha: float
    error: float
    coarse: float
    reason: str = ""


def broken_transitions(
    problem: Problem,
    alpha_max: float,
    levels: int,
    threads: int,
    progress: Report | None,
    asked: str = "",
    known: Sequence[Threshold] = (),
    checkpoint: Checkpoint | None = None,
) -> Transitions:
    """`replicadnn.transitions` for ``ansatz`` 1rsb and rsb, with the error of K from K/2 levels.

    Layers whose threshold lies beyond the end of the certified continuous branch are nan.
    ``known``: thresholds of an earlier call, from which the search goes on.
    """
    began = time.perf_counter()
    grown = fronts(problem)
    first = grown.first_threshold
    last = _Layer(first, ROUNDING * first, first)
    found: list[Threshold] = []

    def result(reason: str, finished: bool) -> tuple[Transitions, int]:
        answer = _answer(problem, found, reason)
        seconds = {"solve": time.perf_counter() - began}
        return replace(
            answer, levels=levels, timings=seconds,
            provenance=provenance(threads=threads, asked=asked), finished=finished,
        ), len(found)  # fmt: skip

    with interrupt.keeping(lambda: result("interrupted", False)):
        for number, layer in enumerate(grown.layers):
            old = known[number] if number < len(known) else Threshold.missing(layer)
            if math.isfinite(old.coarse):
                last = _Layer(old.alpha, old.uncertainty, old.coarse)
                found.append(old)
                continue
            if number > 0:
                search = _Search(problem, grown.stage(number), threads)
                last = search.threshold(last, alpha_max, levels)
            if not last.alpha <= alpha_max:
                break
            alpha = last.alpha
            logger.info("layer %d becomes solid at alpha = %.8g +- %.1g", layer, alpha, last.error)
            found.append(
                Threshold(
                    layer, alpha, last.error, alpha, Order.SECOND, math.nan, coarse=last.coarse
                )
            )
            if checkpoint is not None:
                checkpoint(lambda: result("interrupted", False)[0])
            if progress is not None:
                progress(len(found), len(grown.layers))
    return result(last.reason or f"alpha_max = {alpha_max:g}", True)[0]


def _answer(problem: Problem, found: list[Threshold], reason: str) -> Transitions:
    """From the thresholds of the first layers; ``reason``: why there are no more."""
    layers = fronts(problem).layers
    thresholds = [*found, *map(Threshold.missing, layers[len(found) :])]
    message = ALL_SECOND
    if not thresholds:
        message = NO_LAYER
    elif len(found) < len(thresholds):
        message = f"layers {layers[len(found)]}..{layers[-1]} are not reached: {reason}"
    last = thresholds[-1].alpha if thresholds else math.nan
    return Transitions.of_problem(
        problem,
        thresholds=tuple(thresholds),
        steps=(),
        fit=fit_thresholds(thresholds, problem.L),
        thickness=thickness_table([]),
        last_liquid=last,
        liquid_returns=last,
        saturated=math.nan,
        saturated_uncertainty=math.nan,
        message=message,
    )


@dataclass(frozen=True, slots=True)
class _Search:
    """The threshold of the layer behind the solid ones of ``stage``, sought from below."""

    problem: Problem
    stage: Stage
    threads: int

    def threshold(self, last: _Layer, alpha_max: float, levels: int) -> _Layer:
        """The threshold with K and K/2 levels; ``last`` is that of the layer before."""
        if levels < 2:
            root = self.approach(math.log(last.alpha), alpha_max, levels)
            return _Layer(root.alpha, _CLOSE**2 * root.alpha, root.alpha, root.reason)
        half = levels // 2
        root = self.approach(math.log(last.coarse), alpha_max, half)
        coarse = root.alpha
        if math.isnan(coarse):
            return _Layer(math.nan, math.nan, coarse, root.reason)
        near = max(math.log(last.alpha), root.log_alpha + math.log1p(-_MAX_ERROR))
        root = self.approach(near, min(alpha_max, _FURTHER * coarse), levels, first=_BESIDE)
        value = root.alpha
        error = abs(value - coarse) + (_SMALLEST + float(np.nan_to_num(root.error))) * value
        if not error < _MAX_ERROR * value:
            reason = root.reason or f"{value:.4g} with {levels}"
            reason = f"{coarse:.4g} with {half} levels is not confirmed to 5 %: {reason}"
            return _Layer(math.nan, math.nan, coarse, reason)
        return _Layer(value, error, coarse)

    def approach(
        self, log_alpha: float, alpha_max: float, levels: int, first: float = _LARGEST
    ) -> _Root:
        """From ``log_alpha`` on: with the layer liquid q_EA of the one before is smooth.

        Right at the threshold the levels that belong to the new layer have no width yet and drop
        out of the solution, so the last step is an extrapolation.  The error is that of q_EA as the
        certificate gives it.
        """
        newest, beyond = self.stage.network_layers
        points: list[tuple[float, float]] = []
        near: Found | None = None
        step, error = first, math.nan
        while True:
            trial = log_alpha + step
            if trial > math.log(alpha_max):
                return _Root.none(f"alpha_max = {alpha_max:g}")
            found = _solve(self, math.exp(trial), levels, near)
            q = 0.0 if found is None else float(found.q_ea[newest])
            value = self.stage.excess_of(q, trial) if q > 0.0 else math.nan
            if found is None or not value < 0.0 or (value > -_FAR and found.levels < levels):
                step *= 0.5
                if step < _SMALLEST and points and found is not None and found.q_ea[beyond] > 0.0:
                    # another allocation of the levels, with a threshold between the two points
                    return _Root(0.5 * (log_alpha + trial), error)
                if step < _SMALLEST:
                    return _Root.none(
                        f"with {levels} levels nothing is certified at "
                        f"alpha = {math.exp(trial):.4g}"
                    )
                continue
            log_alpha, near = trial, found
            points.append((trial, value))
            if len(points) == 1:
                step = min(0.5 * abs(value) / 2.0, _LARGEST)
                continue
            (x0, f0), (x1, f1) = points[-2:]
            distance = -f1 * (x1 - x0) / (f1 - f0)
            error = 2.0 * float(found.errors.q[newest]) / q * (x1 - x0) / (f1 - f0)
            if -f1 < _CLOSE:
                return _Root(x1 + distance, error)
            step = min(_APPROACH * distance, _LARGEST)


def _solve(search: _Search, alpha: float, levels: int, near: Found | None) -> Found | None:
    """The continuous solution at one alpha, or None where none is certified.

    As long as the next layer is liquid a network just deeper than the fronts is enough.
    """
    depth = search.stage.network_depth
    equations = broken_equations(replace(search.problem, alpha=alpha, L=depth))
    for start in [near, None] if near is not None else [None]:
        try:
            found = find(
                equations, levels=levels, start=None if start is None else start.state,
                time_limit=_TIME_LIMIT, threads=search.threads,
            )  # fmt: skip
        except FlowError:
            continue
        if found.converged and found.kind is BranchKind.CONTINUOUS and not found.liquid:
            return found
    return None
