"""The branch connected to the liquid: followed in alpha from the first threshold.

One level has one place to be, so its curve of solutions is followed by pseudo-arclength from just
above the threshold, where overlaps grow from zero.  Further levels are added at the alpha asked
for; where they lead to another branch, they are added at a smaller alpha and that curve is followed
up.  What cannot be reached so is not on this branch (docs/theory.md, section 5.3).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from replicadnn.theory.broken.climb import Climb, Effort, climb, leaps, settle
from replicadnn.theory.broken.curve import LEASH, BranchPath, follow_branch
from replicadnn.theory.broken.levels import first_guess, relaxed_guess
from replicadnn.theory.broken.minimise import LOST, zero_level_growth
from replicadnn.theory.closures.averaged.broken import (
    FlowError,
    Model,
    State,
    evaluate,
    make_state,
    residual,
)

START = 0.1  # the curve of one level begins this far (relative) above the threshold
SMALL = 0.1  # ... where every q_EA has to be below this: q = O(alpha/alpha_1 - 1)
SHORTER = (
    0.07  # levels are added at this much less in ln alpha instead, then at 2, 4, ... times that
)
HOP = 2e-3  # relative step in alpha across the end of one allocation of the levels
HOPS = 8
POINTS = 400
STEP = 0.1
RESOLVED = 1e-10  # gain in s above which one level is told from none

Point = tuple[float, State]


@dataclass(frozen=True, slots=True)
class End:
    """Where the curve of `levels` levels stops, and what was found there."""

    levels: int
    alpha: float
    reason: str

    def __str__(self) -> str:
        if self.reason == "fold":
            what = f"ends in a fold at alpha = {self.alpha:.5g}"
        elif self.reason == "onset":
            what = f"ends at alpha = {self.alpha:.5g}, where a layer freezes with a jump"
        else:
            what = f"was followed to alpha = {self.alpha:.5g} ({self.reason})"
        return f"the branch of the liquid with {count_levels(self.levels)} {what}"

    @property
    def shown(self) -> bool:
        """True if there is no solution beyond on this curve."""
        return self.reason in ("fold", "onset")


def count_levels(K: int) -> str:
    """The number of levels in words."""
    return f"{K} level" if K == 1 else f"{K} levels"


def liquid(model: Model) -> State:
    """q = Q = 0 in all hidden layers, L >= 2, without levels."""
    return make_state(np.zeros(1), np.zeros((model.L + 1, 1)), np.zeros((model.L, 1)))


def threshold(model: Model) -> float:
    """alpha_1 at which the liquid becomes unstable, docs/theory.md, eq. (22); L >= 2."""
    one = replace(model, alpha=1.0)
    return 1.0 / float(zero_level_growth(evaluate(one, liquid(one)), one)[1:-1].max())


def connected(model: Model, K: int, effort: Effort) -> tuple[Climb | None, End | None]:
    """K levels on the branch of the liquid at `model.alpha` > threshold.

    With an `End` the climb holds the fewer levels that there still are at `model.alpha`, or is
    None: past the end of the curve of one level those of more are not searched, which have ended
    earlier wherever both were followed (docs/parisi.md, section 4).
    """
    curve, end = few_level_curve(model, min(K, 1), effort)
    if end is not None and K > 0 and not (end.shown and _resolved(model, curve, effort)):
        curve, end = few_level_curve(model, 0, effort)
    if end is not None:  # more levels end earlier
        return None, end
    found = climb(model, nearest(curve, model.alpha)[1], K, effort)
    while found.lost and found.tried < K and not effort.over:
        there, _ = _from_below(model, curve, found.tried, effort)
        again = None if there is None else climb(model, there, K, effort)
        if again is None or (again.lost and again.tried <= found.tried):
            break
        found = again
    if not found.lost:
        return found, None
    there, end = _from_below(model, curve, K, effort)
    above = None if there is None else climb(model, there, K, effort)
    if above is not None and not above.lost:
        return above, None
    return found, end or End(K, model.alpha, "further levels lead away")


def discontinuous(model: Model, K: int, effort: Effort) -> Climb | None:
    """Where levels added at `model.alpha` lead, another branch or not; None without a start."""
    for few in (min(K, 1), 0):
        curve, end = few_level_curve(model, few, effort)
        if end is None:
            return climb(model, nearest(curve, model.alpha)[1], K, effort, share=1.0)
    return None


def _from_below(
    model: Model, curve: list[Point], K: int, effort: Effort
) -> tuple[State | None, End | None]:
    """K levels, added at a smaller alpha and followed up to `model.alpha`, or its end."""
    for alpha, state in _below(curve, model.alpha):
        lower = replace(model, alpha=alpha)
        tried = climb(lower, state, K, effort)
        if effort.over:
            return None, End(K, alpha, "time limit")
        if not tried.lost and tried.stage.certificate.passes(effort.tol):
            return _follow_up(lower, tried.stage.evaluation.state, model.alpha, effort)
    return None, End(K, curve[0][0], "no further levels found")


def _below(curve: list[Point], alpha: float) -> Iterator[Point]:
    """Points of the curve at falling alpha, down to its start; every step is twice the last one."""
    length, before = SHORTER, alpha
    while before > curve[0][0]:
        point = nearest(curve, alpha * math.exp(-length))
        if point[0] < before:
            yield point
            before = point[0]
        length *= 2.0


def _resolved(model: Model, curve: list[Point], effort: Effort) -> bool:
    """True if one level lowers s by more than rounding at the end of its curve.

    Where overlaps are small, q = O(e^beta - 1) at high temperature for one, it does not: the
    breakpoint wanders and so does the curve.
    """
    if not curve:
        return True
    alpha, state = curve[-1]
    here = replace(model, alpha=alpha)
    symmetric = make_state(np.zeros(1), state.eps[:, -1:], state.Q[:, -1:])
    broken, without = (settle(here, one, effort).evaluation for one in (state, symmetric))
    return without.free_entropy - broken.free_entropy > RESOLVED


def few_level_curve(model: Model, K: int, effort: Effort) -> tuple[list[Point], End | None]:
    """The curve of K = 0 or 1 from next to the threshold to `model.alpha`, or where it ends."""
    alpha_1 = threshold(model)
    start = replace(model, alpha=min(model.alpha, (1.0 + START) * alpha_1))
    guess = first_guess(start, K, 0.2, 0.2)
    guess.eps[2:-2] = 0.0  # the layers beside the data freeze first
    guess = relaxed_guess(start, guess, 15, deadline=effort.deadline, mapper=effort.mapper)
    found = settle(start, guess, effort)
    ev = found.evaluation
    if found.message in LOST or ev.q[1:-1, -1].max() > SMALL:
        return [], End(0, alpha_1, "onset")
    if start.alpha == model.alpha:
        return [(start.alpha, ev.state)], None
    path = _follow(start, ev.state, model.alpha, effort)
    return _rising(path), _end_of(path, model.alpha)


def _follow(model: Model, state: State, alpha: float, effort: Effort) -> BranchPath:
    return follow_branch(
        model, state, step=STEP, deadline=effort.deadline, past_fold=1, mapper=effort.mapper,
        max_points=POINTS, alpha_range=(0.0, alpha),
    )  # fmt: skip


def _rising(path: BranchPath) -> list[Point]:
    """The points up to the largest alpha."""
    points = [(point.alpha, point.state) for point in path.points]
    return points[: 1 + max(range(len(points)), key=lambda i: points[i][0])]


def _end_of(path: BranchPath, alpha: float) -> End | None:
    """Where a path that was to lead to `alpha` ends before it."""
    top = max(path.points, key=lambda point: point.alpha)
    if path.fold is not None and path.fold.alpha < alpha:
        return End(top.state.K, path.fold.alpha, "fold")
    if top.alpha < alpha:
        return End(top.state.K, top.alpha, path.reason)
    return None


def nearest(curve: list[Point], alpha: float) -> Point:
    """The point of a curve nearest to `alpha`."""
    return min(curve, key=lambda point: abs(math.log(point[0] / alpha)))


def _follow_up(
    model: Model, state: State, alpha: float, effort: Effort
) -> tuple[State | None, End | None]:
    """From a solution at `model.alpha` up to `alpha`; None and the end where there is one.

    The curve of many levels also ends where one way to share them out among the rises does; there
    the search goes on from the next solution, if that is near.
    """
    end: End | None = None
    for _ in range(HOPS):
        path = _follow(model, state, alpha, effort)
        end = _end_of(path, alpha)
        if end is None:
            return nearest(_rising(path), alpha)[1], None
        last = max(path.points, key=lambda point: point.alpha)
        beyond = replace(model, alpha=min((1.0 + HOP) * end.alpha, alpha))
        try:
            found = settle(beyond, last.state, effort, leash=LEASH)
        except FlowError:
            return None, end
        good = residual(beyond, found.evaluation) < effort.tol and found.message not in LOST
        if not good or leaps(last.evaluation, found.evaluation) or effort.over:
            return None, end
        model, state = beyond, found.evaluation.state
    return None, end
