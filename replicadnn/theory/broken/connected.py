"""The branch connected to the liquid: followed in alpha from the first threshold.

One level has one place to be, so its curve of solutions is followed by pseudo-arclength from just
above the threshold, where overlaps grow from zero.  Further levels are added at the alpha asked
for; where they lead to another branch, they are added at a smaller alpha and that curve is followed
up.  What cannot be reached so is not on this branch (docs/theory.md, section 5.3).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from replicadnn.theory.broken.accuracy import residual
from replicadnn.theory.broken.active import match_couplings
from replicadnn.theory.broken.climb import Climb, Effort, climb, settle
from replicadnn.theory.broken.curve import BranchPath, follow_branch
from replicadnn.theory.broken.guess import first_guess, relaxed_guess
from replicadnn.theory.broken.jumps import doubles, leaps, loses_its_step
from replicadnn.theory.broken.state import FlowError, State, symmetric
from replicadnn.theory.broken.stop import StopReason
from replicadnn.theory.broken.tuning import TUNING
from replicadnn.theory.contract import BrokenEquations

#: alpha and a solution there.
AlphaState = tuple[float, State]


@dataclass(frozen=True, slots=True)
class End:
    """Where the curve of ``levels`` levels stops, and what was found there."""

    levels: int
    alpha: float
    reason: StopReason

    def __str__(self) -> str:
        if self.reason is StopReason.FOLD:
            what = f"ends in a fold at alpha = {self.alpha:.5g}"
        elif self.reason is StopReason.ONSET:
            what = f"ends at alpha = {self.alpha:.5g}, where a layer becomes solid with a jump"
        else:
            what = f"was followed to alpha = {self.alpha:.5g} ({self.reason.value})"
        return f"the branch of the liquid with {count_levels(self.levels)} {what}"

    @property
    def shown(self) -> bool:
        """True if there is no solution beyond on this curve."""
        return self.reason.branch_ends


def count_levels(K: int) -> str:
    """The number of levels in words."""
    return f"{K} level" if K == 1 else f"{K} levels"


def connected(
    equations: BrokenEquations, K: int, effort: Effort
) -> tuple[Climb | None, End | None]:
    """K levels on the branch of the liquid at the alpha of ``equations``, above the threshold.

    With an `End` the climb holds the fewer levels that there still are at this alpha, or is
    None: past the end of the curve of one level those of more are not searched, which have ended
    earlier wherever both were followed (docs/parisi.md, section 4).
    """
    alpha = equations.problem.alpha
    curve, end = few_level_curve(equations, min(K, 1), effort)
    if end is not None and K > 0 and not (end.shown and _resolved(equations, curve, effort)):
        curve, end = few_level_curve(equations, 0, effort)
    if end is not None:  # more levels end earlier
        return None, end
    found = climb(equations, nearest(curve, alpha)[1], K, effort)
    while found.lost is not None and found.tried < K and not effort.over:
        there, _ = _from_below(equations, curve, found.tried, effort, few=True)
        known = (*found.before, found.stage)
        again = None if there is None else climb(equations, there, K, effort, known=known)
        if again is None or (again.lost is not None and again.tried <= found.tried):
            break
        found = again
    if found.lost is None:
        return found, None
    there, end = _from_below(equations, curve, K, effort)
    above = None if there is None else climb(equations, there, K, effort)
    if above is not None and above.lost is None:
        return above, None
    return found, end or End(K, alpha, StopReason.LED_AWAY)


def discontinuous(equations: BrokenEquations, K: int, effort: Effort) -> Climb | None:
    """Where levels added at this alpha lead, another branch or not; None without a start."""
    for few in (min(K, 1), 0):
        curve, end = few_level_curve(equations, few, effort)
        if end is None:
            start = nearest(curve, equations.problem.alpha)[1]
            return climb(equations, start, K, effort, share=1.0)
    return None


def _from_below(
    equations: BrokenEquations, curve: list[AlphaState], K: int, effort: Effort, few: bool = False
) -> tuple[State | None, End | None]:
    """K levels, added at a smaller alpha and followed up to that asked for, or its end."""
    asked = equations.problem.alpha
    for alpha, state in _below(curve, asked):
        lower = equations.at(alpha)
        tried = climb(lower, state, K, effort)
        if effort.over:
            return None, End(K, alpha, StopReason.TIME_LIMIT)
        if tried.lost is None and effort.passes(tried.stage):
            return _follow_up(lower, tried.stage.evaluation.state, asked, effort, few)
    return None, End(K, curve[0][0], StopReason.NONE_BELOW)


def _below(curve: list[AlphaState], alpha: float) -> Iterator[AlphaState]:
    """Points of the curve at falling alpha, down to its start; every step is twice the last one."""
    length, before = TUNING.shorter, alpha
    while before > curve[0][0]:
        point = nearest(curve, alpha * math.exp(-length))
        if point[0] < before:
            yield point
            before = point[0]
        length *= 2.0


def _resolved(equations: BrokenEquations, curve: list[AlphaState], effort: Effort) -> bool:
    """True if one level lowers s by more than rounding at the end of its curve.

    Where overlaps are small, q = O(e^beta - 1) at high temperature for one, it does not: the
    breakpoint wanders and so does the curve.
    """
    if not curve:
        return True
    alpha, state = curve[-1]
    here = equations.at(alpha)
    broken, without = (settle(here, one, effort).evaluation for one in (state, symmetric(state)))
    return without.free_entropy - broken.free_entropy > TUNING.one_level_gain


def few_level_curve(
    equations: BrokenEquations, K: int, effort: Effort
) -> tuple[list[AlphaState], End | None]:
    """The curve of K = 0 or 1 from next to the threshold to this alpha, or where it ends."""
    alpha, alpha_1 = equations.problem.alpha, equations.first_threshold()
    start = equations.at(min(alpha, (1.0 + TUNING.above_threshold) * alpha_1))
    guess = first_guess(equations.problem.L, K, TUNING.threshold_field, TUNING.threshold_field)
    later = np.ones(guess.eps.shape[0], dtype=bool)
    later[list(equations.first_layers)] = False
    guess.eps[later] = 0.0
    if equations.solid_without_field:
        guess.Q[later[1:]] = 0.0
        guess = match_couplings(start, guess)
    guess = relaxed_guess(
        start, guess, TUNING.threshold_passes, deadline=effort.deadline, mapper=effort.mapper
    )
    found = settle(start, guess, effort)
    ev = found.evaluation
    if found.lost or ev.q[1:-1, -1].max() > TUNING.small_q:
        why = StopReason.TIME_LIMIT if effort.over else StopReason.ONSET
        return [], End(0, alpha_1, why)
    if start.problem.alpha == alpha:
        return [(alpha, ev.state)], None
    path = _follow(start, ev.state, alpha, effort)
    return _rising(path), _end_of(path, alpha)


def _follow(equations: BrokenEquations, state: State, alpha: float, effort: Effort) -> BranchPath:
    return follow_branch(
        equations, state, step=TUNING.curve_step, deadline=effort.deadline, past_fold=1,
        mapper=effort.mapper, max_points=TUNING.curve_points, alpha_range=(0.0, alpha),
    )  # fmt: skip


def _rising(path: BranchPath) -> list[AlphaState]:
    """The points up to the largest alpha."""
    points = [(point.alpha, point.state) for point in path.points]
    return points[: 1 + max(range(len(points)), key=lambda i: points[i][0])]


def _end_of(path: BranchPath, alpha: float) -> End | None:
    """Where a path that was to lead to ``alpha`` ends before it."""
    top = max(path.points, key=lambda point: point.alpha)
    if path.fold is not None and path.fold.alpha < alpha:
        return End(top.state.K, path.fold.alpha, StopReason.FOLD)
    if top.alpha < alpha:
        return End(top.state.K, top.alpha, path.reason)
    return None


def nearest(curve: list[AlphaState], alpha: float) -> AlphaState:
    """The point of a curve nearest to ``alpha``."""
    return min(curve, key=lambda point: abs(math.log(point[0] / alpha)))


def _follow_up(
    equations: BrokenEquations, state: State, alpha: float, effort: Effort, few: bool
) -> tuple[State | None, End | None]:
    """From a solution of ``equations`` up to ``alpha``; None and the end where there is one.

    The curve of many levels also ends where one way to share them out among the rises does; there
    the search goes on from the next solution, if that is near.  Where a layer becomes solid few
    levels make an S of the curve, and its upper part is near, too.  With fewer levels than asked
    for (``few``) such a fold is an end: the S of more levels is smaller or none.
    """
    end: End | None = None
    for _ in range(TUNING.hops):
        path = _follow(equations, state, alpha, effort)
        end = _end_of(path, alpha)
        if end is None:
            return nearest(_rising(path), alpha)[1], None
        last = max(path.points, key=lambda point: point.alpha).evaluation
        equations = equations.at(min((1.0 + TUNING.hop) * end.alpha, alpha))
        try:
            found = settle(equations, last.state, effort, leash=TUNING.leap)
        except FlowError:
            return None, end
        after = found.evaluation
        good = residual(equations, after) < effort.tol and not found.lost
        if not good or leaps(last, after) or effort.over:
            return None, end
        if doubles(last, after) and (few or loses_its_step(
            equations, after.state, deadline=effort.deadline, mapper=effort.mapper
        )):  # fmt: skip
            return None, end
        state = after.state
    return None, end
