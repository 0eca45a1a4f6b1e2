"""Thresholds alpha(l) of the random scenario with broken replica symmetry.

The criterion is that of `replicadnn.questions.transitions` with q_EA = q(x = 1): the overlaps of a
liquid layer at every x are multiplied by alpha G(0)^2 q(l-1, x)^2, largest at x = 1.  q_EA(l-1)
comes from the K-level solution of the network at each alpha (`replicadnn.theory.broken.search`).
"""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np

from replicadnn import interrupt
from replicadnn.problem import Problem
from replicadnn.provenance import provenance
from replicadnn.questions.transitions import (
    Progress,
    Threshold,
    Transitions,
    first_threshold,
    fit_thresholds,
)
from replicadnn.status import BranchKind
from replicadnn.theory.broken.search import Found, find
from replicadnn.theory.broken.state import FlowError
from replicadnn.theory.closures import broken_equations
from replicadnn.theory.closures.averaged.weight import liquid_curvature

#: The threshold is extrapolated from this close below it (value of the criterion).
_CLOSE = 2e-3
#: Part of the way to the predicted threshold that the next solution is sought at.
_APPROACH = 0.9
#: Largest step in ln alpha, and the smallest before the branch is said to end.
_LARGEST, _SMALLEST = 0.4, 2e-3
#: Fewer levels than asked for are taken as a guide this far below the threshold.
_FAR = 0.2
#: Seconds for one solution; never reached on an idle core (the result would depend on its speed).
_TIME_LIMIT = 60.0
#: A threshold whose error from the levels is relatively larger than this is not reported.
_MAX_ERROR = 0.05


def broken_transitions(
    problem: Problem, alpha_max: float, levels: int, threads: int, progress: Progress | None
) -> Transitions:
    """`transitions` for ``ansatz`` 1rsb and rsb, with the error of K from K/2 levels.

    Layers whose threshold lies beyond the end of the certified continuous branch are nan.
    """
    began = time.perf_counter()
    centre = problem.L // 2
    found: list[Threshold] = []

    def result(reason: str, finished: bool) -> tuple[Transitions, int]:
        seconds = time.perf_counter() - began
        return _result(problem, found, reason, levels, threads, seconds, finished), len(found)

    reason = ""
    alpha = coarse = first_threshold(problem)
    with interrupt.keeping(lambda: result("interrupted", False)):
        for layer in range(1, centre + 1):
            error = 1e-12 * alpha
            if layer > 1:
                coarse, alpha, error, reason = _one_layer(
                    problem, layer, coarse, alpha, alpha_max, levels, threads
                )
            if not alpha <= alpha_max:
                reason = reason or f"alpha_max = {alpha_max:g}"
                break
            found.append(Threshold(layer, alpha, error, alpha, "second", math.nan))
            if progress is not None:
                progress(layer, centre)
    return result(reason, True)[0]


def _result(
    problem: Problem, found: list[Threshold], reason: str, levels: int, threads: int,
    seconds: float, finished: bool,
) -> Transitions:  # fmt: skip
    """`Transitions` from the thresholds of the first layers; ``reason``: why there are no more."""
    centre, nan = problem.L // 2, math.nan
    thresholds = list(found)
    missing = range(len(thresholds) + 1, centre + 1)
    thresholds += [Threshold(layer, nan, nan, nan, "", nan) for layer in missing]
    reached = [t for t in thresholds if not math.isnan(t.alpha)]
    message = "every layer freezes by a second-order transition"
    if not thresholds:
        message = "L = 1 has no hidden layer: no transition"
    elif len(reached) < len(thresholds):
        message = f"layers {len(reached) + 1}..{centre} are not reached: {reason}"
    return Transitions(
        scenario=problem.scenario,
        ansatz=problem.ansatz,
        L=problem.L,
        kappa=problem.kappa,
        beta=problem.beta,
        thresholds=tuple(thresholds),
        steps=(),
        fit=fit_thresholds(thresholds, problem.L),
        thickness={name: np.zeros(0) for name in ("alpha", "solid_layers", "sum_q")},
        last_liquid=thresholds[-1].alpha if thresholds else nan,
        liquid_returns=thresholds[-1].alpha if thresholds else nan,
        frozen=nan,
        frozen_uncertainty=nan,
        message=message,
        levels=levels,
        timings={"solve": seconds},
        provenance=provenance(threads=threads),
        finished=finished,
    )


def _one_layer(
    problem: Problem, layer: int, coarse: float, alpha: float, alpha_max: float, levels: int,
    threads: int,
) -> tuple[float, float, float, str]:  # fmt: skip
    """Threshold with K/2 and K levels, error, reason; arguments: those of the layer before."""
    if levels < 2:
        root, _, reason = _approach(problem, math.log(alpha), alpha_max, layer, levels, threads)
        value = math.exp(root)
        return value, value, _CLOSE**2 * value, reason
    half = levels // 2
    root, _, reason = _approach(problem, math.log(coarse), alpha_max, layer, half, threads)
    coarse = math.exp(root)
    if math.isnan(root):
        return coarse, math.nan, math.nan, reason
    near = max(math.log(alpha), root + math.log1p(-_MAX_ERROR))
    root, shift, reason = _approach(
        problem, near, min(alpha_max, 1.5 * coarse), layer, levels, threads, first=1e-6
    )
    value = math.exp(root)
    error = abs(value - coarse) + (_SMALLEST + float(np.nan_to_num(shift))) * value
    if not error < _MAX_ERROR * value:
        reason = reason or f"{value:.4g} with {levels}"
        reason = f"{coarse:.4g} with {half} levels is not confirmed to 5 %: {reason}"
        return coarse, math.nan, math.nan, reason
    return coarse, value, error, ""


def _approach(
    problem: Problem, log_alpha: float, alpha_max: float, layer: int, levels: int, threads: int,
    first: float = _LARGEST,
) -> tuple[float, float, str]:  # fmt: skip
    """ln alpha(layer) and its error, from below: with the layer liquid q_EA(layer-1) is smooth.

    Right at the threshold the levels that belong to the new layer have no width yet and drop out
    of the solution, so the last step is an extrapolation.  The error is that of q_EA(layer-1) as
    the certificate gives it.  nan and a reason where it fails.
    """
    centre = problem.L // 2
    log_G0 = math.log(liquid_curvature(problem.kappa, problem.beta))
    both = math.log(2.0) if layer == centre and problem.L % 2 == 0 else 0.0
    # as long as the layer is liquid a network just deeper than both fronts is enough
    depth = problem.L if layer == centre else 2 * layer + 2
    points: list[tuple[float, float]] = []
    near: Found | None = None
    step, error = first, math.nan
    while True:
        trial = log_alpha + step
        if trial > math.log(alpha_max):
            return math.nan, math.nan, f"alpha_max = {alpha_max:g}"
        found = _solve(problem, math.exp(trial), depth, levels, threads, near)
        q = 0.0 if found is None else float(found.q_ea[layer - 1])
        value = trial + 2.0 * (log_G0 + math.log(q)) + both if q > 0.0 else math.nan
        if found is None or not value < 0.0 or (value > -_FAR and found.levels < levels):
            step *= 0.5
            if step < _SMALLEST and points and found is not None and found.q_ea[layer] > 0.0:
                # another allocation of the levels, with a threshold between the two points
                return 0.5 * (log_alpha + trial), error, ""
            if step < _SMALLEST:
                return (
                    math.nan,
                    math.nan,
                    (f"with {levels} levels nothing is certified at alpha = {math.exp(trial):.4g}"),
                )
            continue
        log_alpha, near = trial, found
        points.append((trial, value))
        if len(points) == 1:
            step = min(0.5 * abs(value) / 2.0, _LARGEST)
            continue
        (x0, f0), (x1, f1) = points[-2:]
        distance = -f1 * (x1 - x0) / (f1 - f0)
        error = 2.0 * float(found.errors.q[layer - 1]) / q * (x1 - x0) / (f1 - f0)
        if -f1 < _CLOSE:
            return x1 + distance, error, ""
        step = min(_APPROACH * distance, _LARGEST)


def _solve(
    problem: Problem, alpha: float, depth: int, levels: int, threads: int,
    near: Found | None,
) -> Found | None:  # fmt: skip
    """The continuous solution at one alpha, or None where none is certified."""
    equations = broken_equations(replace(problem, alpha=alpha, L=depth))
    for start in [near, None] if near is not None else [None]:
        try:
            found = find(
                equations, levels=levels, start=None if start is None else start.state,
                time_limit=_TIME_LIMIT, threads=threads,
            )  # fmt: skip
        except FlowError:
            continue
        if found.converged and found.kind is BranchKind.CONTINUOUS and not found.liquid:
            return found
    return None
