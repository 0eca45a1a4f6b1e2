"""The frozen branch, q(1) = 1 above a breakpoint m*: where it starts and where its volume closes.

As alpha grows m* falls to zero, and with it all smaller breakpoints and 1 - Q(1), while m_i/m* and
(1 - Q(1))/m* stay finite: the scaling of a SAT/UNSAT (jamming) transition. ln V diverges to minus
infinity only logarithmically, s ~ (1/alpha) ln m* for the two frozen ends.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from scipy.integrate import trapezoid

from replicadnn.theory.broken.climb import Effort, settle
from replicadnn.theory.broken.curve import BranchPath, BranchPoint, follow_branch
from replicadnn.theory.broken.levels import frozen_guess, refine, relaxed_guess
from replicadnn.theory.broken.minimise import LOST
from replicadnn.theory.closures.averaged.broken import FlowError, Model, State, residual
from replicadnn.theory.counting import counting_bound

STARTS = 16  # ... at 0.9 of the counting bound times 0.85^n
SMALLEST = 0.05  # m* down to which the branch is followed
LARGEST = 0.995


@dataclass(frozen=True, slots=True)
class FrozenEnd:
    """alpha_J +- error where m* extrapolates to zero; points: (alpha, m*) used."""

    alpha: float
    error: float
    points: tuple[tuple[float, float], ...]


def frozen_start(
    L: int, *, kappa: float = 0.0, levels: int = 2, deadline: float = np.inf
) -> tuple[Model, State] | None:
    """A solution on the frozen branch at some alpha of a fixed grid, or None.

    The grid starts below the counting bound, scaled by the margin as Gardner's capacity is.
    """
    z = np.linspace(-kappa, 12.0 + abs(kappa), 4001)
    weight = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    scale = 0.5 / float(trapezoid(weight * (z + kappa) ** 2, z))
    effort = Effort(deadline=deadline)
    for n in range(STARTS):
        model = Model(0.9 * scale * counting_bound(L) * 0.85**n, L, kappa)
        try:
            guess = relaxed_guess(model, frozen_guess(model, min(levels, 2)), deadline=deadline)
            found = settle(model, guess, effort)
            if found.message not in LOST and levels > found.evaluation.state.K:
                found = settle(model, refine(model, found.evaluation, levels), effort)
        except FlowError:
            continue
        state = found.evaluation.state
        good = found.message not in LOST and residual(model, found.evaluation) < 1e-8
        if good and int(state.top.min()) <= state.K and 0.1 < state.m[-1] < 0.98:
            return model, state
        if time.perf_counter() > deadline:
            break
    return None


def frozen_path(
    L: int, *, kappa: float = 0.0, levels: int = 2, up: bool = True, deadline: float = np.inf
) -> BranchPath | None:
    """The branch from `frozen_start` to m* = 0.05 (``up``) or m* = 0.995; None without a start."""
    start = frozen_start(L, kappa=kappa, levels=levels, deadline=deadline)
    if start is None:
        return None

    def over(point: BranchPoint) -> bool:
        return not SMALLEST < point.state.m[-1] < LARGEST

    return follow_branch(
        *start, up=up, stop=over, deadline=deadline, max_points=150, past_fold=1, step=0.1
    )


def frozen_end(
    L: int, kappa: float = 0.0, *, levels: int = 2, time_limit: float = 300.0
) -> FrozenEnd | None:
    """alpha_J at which the volume of the frozen branch closes, m* -> 0, in `levels` levels.

    alpha(m*) is followed down to m* = 0.05 and extrapolated by polynomials of degree 1 to 3
    through the last points; the error is twice the largest difference from degree 2 (measured at
    L = 2 against m* = 0.028: 8.671(3) and 8.674). It does not contain
    the error of the number of levels. None if the branch was not found or could not be followed
    that far.

    Parameters
    ----------
    L : int
        Layers, >= 2.
    kappa : float
        Margin.
    levels : int
        K >= 2.
    time_limit : float
        Seconds.
    """
    deadline = time.perf_counter() + time_limit
    path = frozen_path(L, kappa=kappa, levels=levels, deadline=deadline)
    if path is None or path.points[-1].state.m[-1] > 2.0 * SMALLEST:
        return None
    data = [(p.alpha, float(p.state.m[-1])) for p in path.points]
    last = [pair for pair in data if pair[1] < 4.0 * data[-1][1]]
    if len(last) < 5:
        return None
    alpha, m_star = np.array(last).T
    line = float(np.polynomial.Polynomial.fit(m_star[-3:], alpha[-3:], 1)(0.0))
    square, cube = (
        float(np.polynomial.Polynomial.fit(m_star, alpha, degree)(0.0)) for degree in (2, 3)
    )
    return FrozenEnd(square, 2.0 * max(abs(square - line), abs(square - cube)), tuple(last))
