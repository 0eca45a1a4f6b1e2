"""The saturated branch, q(1) = 1 above a breakpoint m*: where it starts and where it closes.

As alpha grows m* falls to zero, and with it all smaller breakpoints and 1 - Q(1), while m_i/m* and
(1 - Q(1))/m* stay finite: the scaling of a SAT/UNSAT (jamming) transition. ln V diverges to minus
infinity only logarithmically, s ~ (1/alpha) ln m* for the two saturated ends.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from scipy.integrate import trapezoid

from replicadnn.theory.broken.accuracy import residual
from replicadnn.theory.broken.climb import Effort, settle
from replicadnn.theory.broken.curve import BranchPath, BranchPoint, follow_branch
from replicadnn.theory.broken.guess import relaxed_guess, saturated_guess
from replicadnn.theory.broken.resample import refine
from replicadnn.theory.broken.state import FlowError, State
from replicadnn.theory.broken.tuning import TUNING
from replicadnn.theory.contract import BrokenEquations
from replicadnn.theory.counting import counting_bound


@dataclass(frozen=True, slots=True)
class SaturatedEnd:
    """alpha_J +- error where m* extrapolates to zero; points: (alpha, m*) used."""

    alpha: float
    error: float
    points: tuple[tuple[float, float], ...]


def saturated_start(
    equations: BrokenEquations, levels: int = 2, deadline: float = np.inf
) -> tuple[BrokenEquations, State] | None:
    """A solution on the saturated branch at some alpha of a fixed grid, or None.

    The grid starts below the counting bound, scaled by the margin as Gardner's capacity is.
    """
    L, kappa = equations.problem.L, equations.problem.kappa
    z = np.linspace(-kappa, 12.0 + abs(kappa), 4001)
    weight = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    scale = 0.5 / float(trapezoid(weight * (z + kappa) ** 2, z))
    effort = Effort(deadline=deadline)
    for n in range(TUNING.starts):
        alpha = TUNING.start_below * scale * counting_bound(L) * TUNING.start_ratio**n
        here = equations.at(alpha)
        try:
            guess = relaxed_guess(here, saturated_guess(here, min(levels, 2)), deadline=deadline)
            found = settle(here, guess, effort)
            if not found.lost and levels > found.evaluation.state.K:
                found = settle(here, refine(here, found.evaluation, levels), effort)
        except FlowError:
            continue
        state = found.evaluation.state
        good = not found.lost and residual(here, found.evaluation) < effort.tol
        low, high = TUNING.start_m_star
        if good and state.saturated and low < state.m[-1] < high:
            return here, state
        if time.perf_counter() > deadline:
            break
    return None


def saturated_path(
    equations: BrokenEquations, levels: int = 2, *, up: bool = True, deadline: float = np.inf
) -> BranchPath | None:
    """The branch from `saturated_start` to m* = 0.05 (``up``) or 0.995; None without a start."""
    start = saturated_start(equations, levels, deadline)
    if start is None:
        return None

    def over(point: BranchPoint) -> bool:
        return not TUNING.smallest_followed < point.state.m[-1] < TUNING.largest_followed

    return follow_branch(
        *start, up=up, stop=over, deadline=deadline, max_points=TUNING.saturated_points,
        past_fold=1, step=TUNING.curve_step,
    )  # fmt: skip


def saturated_end(
    equations: BrokenEquations, *, levels: int = 2, time_limit: float = 300.0
) -> SaturatedEnd | None:
    """alpha_J at which the volume of the saturated branch closes, m* -> 0, in `levels` levels.

    alpha(m*) is followed down to m* = 0.05 and extrapolated by polynomials of degree 1 to 3
    through the last points; the error is twice the largest difference from degree 2 (measured at
    L = 2 against m* = 0.028: 8.671(3) and 8.674). It does not contain
    the error of the number of levels. None if the branch was not found or could not be followed
    that far.

    Parameters
    ----------
    equations : BrokenEquations
        L >= 2; alpha does not matter.
    levels : int
        K >= 2.
    time_limit : float
        Seconds.
    """
    deadline = time.perf_counter() + time_limit
    path = saturated_path(equations, levels, deadline=deadline)
    if path is None or path.points[-1].state.m[-1] > TUNING.end_reach * TUNING.smallest_followed:
        return None
    data = [(p.alpha, float(p.state.m[-1])) for p in path.points]
    last = [pair for pair in data if pair[1] < TUNING.end_window * data[-1][1]]
    if len(last) < TUNING.end_points:
        return None
    alpha, m_star = np.array(last).T
    near = slice(-TUNING.end_line, None)
    line = float(np.polynomial.Polynomial.fit(m_star[near], alpha[near], 1)(0.0))
    square, cube = (
        float(np.polynomial.Polynomial.fit(m_star, alpha, degree)(0.0)) for degree in (2, 3)
    )
    return SaturatedEnd(square, 2.0 * max(abs(square - line), abs(square - cube)), tuple(last))
