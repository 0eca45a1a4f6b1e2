"""Thresholds alpha(l) of the random scenario with broken replica symmetry.

The criterion is that of `replicadnn.theory.transitions` with q_EA = q(x = 1): the overlaps of a
liquid layer at every x are multiplied by alpha G(0)^2 q(l-1, x)^2, largest at x = 1.  q_EA(l-1)
comes from the K-level solution of the network at each alpha (`replicadnn.theory.rsb`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq

from replicadnn.problem import Problem
from replicadnn.provenance import provenance
from replicadnn.theory import rsb
from replicadnn.theory.rsb_map import FlowError
from replicadnn.theory.saddle import liquid_curvature
from replicadnn.theory.transitions import (
    Progress,
    Threshold,
    Transitions,
    first_threshold,
    fit_thresholds,
)

#: Relative accuracy of a root at fixed K; the error of the levels is larger.
_ROOT = 1e-4
#: Factor by which alpha grows in the search for a bracket.
_GROWTH = 1.5
#: Seconds for one solution.
_TIME_LIMIT = 60.0
#: The search for the end of the branch stops at this relative width.
_END = 0.01


class _Ended(Exception):
    """The continuous branch is not certified at this alpha."""


def broken_transitions(
    problem: Problem, alpha_max: float, levels: int, threads: int, progress: Progress | None
) -> Transitions:
    """`transitions` for ``ansatz`` 1rsb and rsb, with the error of K from K/2 levels.

    Layers whose threshold lies beyond the end of the certified continuous branch are nan.
    """
    began = time.perf_counter()
    centre = problem.L // 2
    counts = [levels] if levels < 2 else [levels // 2, levels]
    found: list[list[float]] = []
    reasons: list[str] = []
    for number, count in enumerate(counts):

        def report(layer: int, number: int = number) -> None:
            if progress is not None:
                progress(number * centre + layer, len(counts) * centre)

        alphas, reason = _ladder(problem, alpha_max, count, threads, report)
        found.append(alphas)
        reasons.append(reason)
    thresholds = []
    for layer in range(1, centre + 1):
        values = [row[layer - 1] if layer <= len(row) else math.nan for row in found]
        alpha = values[-1]
        if layer == 1:
            error = 1e-12 * alpha
        else:
            spread = abs(values[-1] - values[0]) if len(values) > 1 else math.nan
            error = spread + _ROOT * alpha
        if math.isnan(alpha):
            thresholds.append(Threshold(layer, alpha, alpha, alpha, "", math.nan))
        else:
            thresholds.append(Threshold(layer, alpha, error, alpha, "second", math.nan))
    reached = [t for t in thresholds if not math.isnan(t.alpha)]
    message = "every layer freezes by a second-order transition"
    if not thresholds:
        message = "L = 1 has no hidden layer: no transition"
    elif len(reached) < len(thresholds):
        message = f"layers {len(reached) + 1}..{centre} are not reached: {reasons[-1]}"
    nan = math.nan
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
        timings={"solve": time.perf_counter() - began},
        provenance=provenance(threads=threads),
    )


def _ladder(
    problem: Problem,
    alpha_max: float,
    levels: int,
    threads: int,
    report: Callable[[int], object],
) -> tuple[list[float], str]:
    """alpha(1), alpha(2), ... at ``levels`` levels, and why there are no more."""
    centre = problem.L // 2
    if centre == 0:
        return [], ""
    log_G0 = math.log(liquid_curvature(problem.kappa, problem.beta))
    alphas = [first_threshold(problem)]
    if alphas[0] > alpha_max:
        return [], f"alpha_max = {alpha_max:g}"
    report(1)
    for layer in range(2, centre + 1):
        even_centre = layer == centre and problem.L % 2 == 0
        # as long as layer l is liquid a network just deeper than both fronts is enough
        depth = problem.L if layer == centre else 2 * layer + 2
        both = math.log(2.0) if even_centre else 0.0

        def excess(
            log_alpha: float, layer: int = layer, depth: int = depth, both: float = both
        ) -> float:
            q = _overlap(problem, math.exp(log_alpha), depth, layer - 1, levels, threads)
            if q <= 0.0:
                return -50.0
            return log_alpha + 2.0 * (log_G0 + math.log(q)) + both

        low = math.log(alphas[-1])
        high = low
        try:
            value = -1.0
            while value < 0.0:
                low, high = high, high + math.log(_GROWTH)
                if high > math.log(alpha_max):
                    return alphas, f"alpha_max = {alpha_max:g}"
                value = excess(high)
        except _Ended:
            end, root = _last_certified(excess, low, high)
            if root is None:
                return alphas, (
                    f"the continuous branch is certified up to alpha = {math.exp(end[0]):.4g} and "
                    f"not at {math.exp(end[1]):.4g} ({levels} levels)"
                )
            low, high = root
        alphas.append(math.exp(float(brentq(excess, low, high, xtol=0.1 * _ROOT, rtol=1e-12))))
        report(layer)
    return alphas, ""


def _last_certified(
    excess: Callable[[float], float], low: float, high: float
) -> tuple[tuple[float, float], tuple[float, float] | None]:
    """Bisect for the end of the branch; a bracket of the threshold if it comes first."""
    while high - low > _END:
        middle = 0.5 * (low + high)
        try:
            if excess(middle) >= 0.0:
                return (low, high), (low, middle)
            low = middle
        except _Ended:
            high = middle
    return (low, high), None


def _overlap(
    problem: Problem, alpha: float, depth: int, layer: int, levels: int, threads: int
) -> float:
    """q_EA of a hidden layer at one alpha; `_Ended` where nothing continuous is certified."""
    try:
        found = rsb.solve_rsb(
            alpha, depth, kappa=problem.kappa, beta=problem.beta, levels=levels,
            time_limit=_TIME_LIMIT, threads=threads,
        )[0]  # fmt: skip
    except FlowError:
        raise _Ended from None
    if not found.converged or found.branch == "frozen":
        raise _Ended
    return float(found.q[layer, -1])
