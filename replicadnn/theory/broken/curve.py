"""Pseudo-arclength continuation of K-level solutions in alpha, through folds (spinodals).

With x = (q, Q, m) and g(x, ln alpha) = ds/dx a branch is the curve g = 0. Its tangent t solves

    [ H   g_a ]         [ 0 ]        H = dg/dx, the exact Hessian of s, g_a = dg/d ln alpha,
    [   c^T   ]  t   =  [ 1 ],       c the previous tangent,

and a step along t is corrected by Newton steps orthogonal to t with the same bordered matrix,
which stays regular at a simple fold, where H alone is singular. Reference: H. B. Keller, in
Applications of Bifurcation Theory, Academic Press (1977). Increments of overlaps and gaps of m are
measured in their own size (`layout.Units`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from replicadnn.problem import ALPHA_RANGE
from replicadnn.theory.broken.active import active_levels, adjust_levels
from replicadnn.theory.broken.descent import natural_units
from replicadnn.theory.broken.layout import Layout, Units, apply_step, step_size
from replicadnn.theory.broken.minimise import minimise, polish
from replicadnn.theory.broken.state import (
    Evaluation,
    FlowError,
    Mapper,
    State,
    serial,
    zero_levels,
)
from replicadnn.theory.broken.stop import StopReason
from replicadnn.theory.broken.tuning import TUNING
from replicadnn.theory.contract import BrokenEquations
from replicadnn.theory.threads import one_blas_thread
from replicadnn.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class BranchPoint:
    """One solution on a branch.

    `slope` is d ln alpha/d(arclength) (0 at a fold), `lowest` the lowest eigenvalue of the Hessian
    with unit diagonal, `negative` the number of negative ones, `growth` the largest
    growth factor of a zero level (above 1: a further layer would wake).
    """

    alpha: float
    evaluation: Evaluation
    slope: float
    lowest: float
    negative: int
    growth: float

    @property
    def state(self) -> State:
        return self.evaluation.state


@dataclass(frozen=True, slots=True)
class Fold:
    """Extremum of alpha along a branch: alpha within `error`, and the solution next to it."""

    alpha: float
    error: float
    point: BranchPoint


@dataclass(frozen=True, slots=True)
class BranchPath:
    """Points in the order in which they were reached, the first fold, and why it stopped."""

    points: tuple[BranchPoint, ...]
    fold: Fold | None
    reason: StopReason


@dataclass(frozen=True, slots=True)
class _Linear:
    """Linearisation at one state, in natural units, rows scaled to a unit diagonal of H."""

    equations: BrokenEquations
    layout: Layout
    evaluation: Evaluation
    units: Units
    scale: FloatArray
    hessian: FloatArray
    gradient: FloatArray
    by_alpha: FloatArray
    mapper: Mapper

    @classmethod
    def at(
        cls,
        equations: BrokenEquations,
        layout: Layout,
        state: State,
        mapper: Mapper,
        turns: IntArray | None = None,
    ) -> _Linear:
        ev = equations.evaluate(state, True, mapper)
        units = natural_units(layout, ev, turns)
        H = units.hessian(equations.hessian(layout, ev))
        scale = 1.0 / np.sqrt(np.abs(np.diag(H)) + TUNING.tiny)
        if not np.isfinite(H).all():
            raise FlowError("the Hessian is not finite")
        return cls(
            equations, layout, ev, units, scale, H,
            units.gradient(equations.gradient(layout, ev)),
            units.gradient(equations.by_log_alpha(layout, ev)), mapper,
        )  # fmt: skip

    def bordered(self, row: FloatArray, rhs: FloatArray, last: float) -> FloatArray:
        """Solve [[H, g_a], [row]] t = [rhs, last]."""
        n = self.scale.size
        matrix = np.zeros((n + 1, n + 1))
        matrix[:n, :n] = self.hessian * self.scale[:, None] * self.scale
        matrix[:n, n] = self.by_alpha * self.scale
        matrix[n, :n] = row[:n] * self.scale
        matrix[n, n] = row[n]
        out = np.linalg.solve(matrix, np.append(rhs * self.scale, last))
        out[:n] *= self.scale
        return np.asarray(out)

    def tangent(self, towards: FloatArray) -> FloatArray:
        t = self.bordered(towards, np.zeros(self.scale.size), 1.0)
        return t / length(t)

    def moved(self, step: FloatArray) -> tuple[BrokenEquations, State] | None:
        """Equations and state after a step in natural units.

        None if an overlap would reach one or alpha leave its range.
        """
        n, state = self.layout.size, self.evaluation.state
        full = self.units.step(step[:-1])
        change, dm = self.equations.field_step(self.layout, self.evaluation, full), full[n:]
        size = max(step_size(self.layout, state, change, dm), TUNING.curve_least)
        factor = min(1.0, TUNING.curve_change / size)
        new = apply_step(self.layout, state, factor * change, factor * dm)
        alpha = self.equations.problem.alpha * float(np.exp(factor * step[-1]))
        if not (new.Q[:, -1].max(initial=0.0) < 1.0 and ALPHA_RANGE[0] <= alpha <= ALPHA_RANGE[1]):
            return None
        return self.equations.at(alpha), new

    def in_own_units(self, tangent: FloatArray) -> tuple[_Linear, FloatArray]:
        """The same point and tangent in units that exchange with the increments largest here."""
        units = natural_units(self.layout, self.evaluation)
        if np.array_equal(units.turns, self.units.turns):
            return self, tangent
        own = _Linear.at(self.equations, self.layout, self.evaluation.state, self.mapper)
        turned = np.append(own.units.coordinates(self.units.step(tangent[:-1])), tangent[-1])
        return own, turned / length(turned)

    def point(self, slope: float) -> BranchPoint:
        ev = self.evaluation
        values = np.linalg.eigvalsh(self.hessian * self.scale[:, None] * self.scale)
        growth = self.equations.zero_level_growth(ev)
        zero = zero_levels(ev.state)[1:-1]
        zero[:, 0] = zero[:, 0] & (ev.state.K == 0)
        return BranchPoint(
            self.equations.problem.alpha, ev, slope, float(values[0]), int(np.sum(values < 0.0)),
            float(growth[1:-1][zero].max(initial=0.0)),
        )  # fmt: skip


def length(t: FloatArray) -> float:
    """Arclength of a step: root mean square in natural units plus the change of ln alpha."""
    return float(np.sqrt(np.mean(t[:-1] ** 2) + t[-1] ** 2))


def _row(t: FloatArray) -> FloatArray:
    """The gradient of `length`^2/2: what steps orthogonal to t are orthogonal to."""
    return np.append(t[:-1] / (t.size - 1), t[-1])


def _alpha_row(t: FloatArray) -> FloatArray:
    """What steps at fixed alpha are orthogonal to."""
    row = np.zeros_like(t)
    row[-1] = 1.0
    return row


def _correct(start: _Linear, predicted: FloatArray, row: FloatArray) -> _Linear | None:
    """Newton from a predicted step back to g = 0, orthogonal to `row`."""
    step, at, last = predicted, start, np.inf
    for _ in range(TUNING.curve_newton):
        moved = at.moved(step)
        if moved is None:
            return None
        try:
            at = _Linear.at(moved[0], at.layout, moved[1], at.mapper, at.units.turns)
            norm = float(np.abs(at.gradient).max(initial=0.0))
            if norm < TUNING.curve_gradient or (
                norm < TUNING.curve_accepted and norm > TUNING.curve_stalled * last
            ):
                return at
            step = at.bordered(row, -at.gradient, 0.0)
        except (FlowError, np.linalg.LinAlgError):
            return None
        if not np.isfinite(step).all() or norm > TUNING.curve_growth * last:
            return None
        last = norm
    return at if last < TUNING.curve_accepted else None


@dataclass(frozen=True, slots=True)
class _Ends:
    """Where a path has to end: outside a range of alpha, where asked, at a time."""

    alpha_range: tuple[float, float]
    stop: Callable[[BranchPoint], bool] | None
    deadline: float

    def at(self, point: BranchPoint) -> StopReason | None:
        if self.stop is not None and self.stop(point):
            return StopReason.ASKED
        inside = self.alpha_range[0] <= point.alpha <= self.alpha_range[1]
        return None if inside else StopReason.ALPHA_RANGE


class _Follower:
    """A point on the branch with its tangent, the step to the next one, and what was passed."""

    def __init__(
        self, equations: BrokenEquations, state: State, up: bool, step: float, mapper: Mapper
    ) -> None:
        self.mapper, self.step, self.largest = mapper, step, TUNING.step_most * step
        self.points: list[BranchPoint] = []
        self.seen: set[tuple[int, ...]] = set()
        self.fold: Fold | None = None
        self.behind, self.asleep = 0, False
        self._begin(_Linear.at(equations, equations.layout(state), state, mapper), up)

    def _begin(self, at: _Linear, up: bool) -> None:
        """Stand at a solution, looking towards larger (``up``) or smaller alpha."""
        towards = np.zeros(at.scale.size + 1)
        towards[-1] = 1.0 if up else -1.0
        self.at, self.tangent = at, at.tangent(towards)
        self.points.append(at.point(float(self.tangent[-1])))
        self.seen.add(active_levels(at.evaluation.state))

    def _next(self) -> tuple[_Linear, FloatArray] | None:
        """The solution one step further and the tangent there; None if the step is too long."""
        steep = abs(self.tangent[-1]) > TUNING.steep
        row = _alpha_row(self.tangent) if steep else _row(self.tangent)
        new = _correct(self.at, self.step * self.tangent, row)
        if new is None:
            return None
        try:
            ahead = new.tangent(_row(self.tangent))
        except np.linalg.LinAlgError:
            return None
        return None if length(ahead - self.tangent) > TUNING.turn else (new, ahead)

    def advance(self, wake: bool, past_fold: int, ends: _Ends) -> StopReason | None:
        """Try one step; why the path ends here (None if it goes on)."""
        tried = self._next()
        if tried is None:
            self.step *= TUNING.step_shrink
            return StopReason.SMALL_STEP if self.step < TUNING.step_least else None
        new, ahead = tried
        if self.fold is None and self.tangent[-1] * ahead[-1] < 0.0:
            self.fold = _locate(self.at, self.tangent, new, ahead, self.step)
        point = new.point(float(ahead[-1]))
        changed = self._changed(new) if wake and self.fold is None else None
        woken: _Linear | None = None
        if changed is not None:
            if self._overshot(point):
                return None
            woken = self._woken(new, changed, point, ends.deadline)
            soon = 1.0 < point.growth < 1.0 + TUNING.unresolved_growth
            if woken is None and not (self.asleep and soon):
                jump = point.growth < 1.0 + TUNING.onset_growth or self.step < TUNING.onset_step
                self.step *= TUNING.step_shrink
                return StopReason.ONSET if jump else None
        bend = length(self.tangent - ahead)
        factor = TUNING.step_grow if bend < TUNING.straight else TUNING.step_bent
        self.step = min(self.step * factor, self.largest)
        self.at, self.tangent = new.in_own_units(ahead)
        self.points.append(point)
        stop = ends.at(point)
        if stop is not None:
            return stop
        if self.fold is not None:
            self.behind += 1
            return StopReason.FOLD if self.behind >= past_fold else None
        if woken is not None:
            self._begin(woken, bool(self.tangent[-1] > 0.0))
        return None

    def _overshot(self, point: BranchPoint) -> bool:
        """True where a zero level has woken well before this point: the step is cut accordingly.

        Its overlap grows from zero there; further on it may be one behind a fold.
        """
        here, there = self.points[-1].growth, point.growth
        aim = 1.0 + max(TUNING.woken_growth, 2.0 * (here - 1.0))
        if not there > aim + TUNING.woken_growth or self.step < TUNING.onset_step:
            return False
        self.step *= (aim - here) / (there - here)
        return True

    def _woken(
        self, new: _Linear, changed: State, point: BranchPoint, deadline: float
    ) -> _Linear | None:
        """The stable solution next to a point with the active set of ``changed``.

        What wakes has an overlap of the order of growth - 1.  None if there is no such solution, or
        (``asleep``) if rounding does not tell it from the unstable one without.
        """
        found = minimise(
            new.equations, changed, leash=TUNING.leash, deadline=deadline, mapper=self.mapper
        )
        moved = np.abs(found.evaluation.q[:, -1] - point.evaluation.q[:, -1]).max()
        reach = TUNING.jump + TUNING.woken_slope * max(point.growth - 1.0, 0.0)
        self.asleep = not found.lost and bool(moved < reach)
        if not self.asleep:
            return None
        if found.gradient_norm > TUNING.curve_accepted:
            found = polish(new.equations, found, mapper=self.mapper)
        at = _Linear.at(new.equations, found.layout, found.evaluation.state, self.mapper)
        solved = np.abs(at.gradient).max(initial=0.0) < TUNING.curve_accepted
        return at if solved and at.point(0.0).negative <= point.negative else None

    def _changed(self, new: _Linear) -> State | None:
        """The state with the active set that belongs to it; None if it stays or was left before."""
        changed = adjust_levels(new.equations, new.evaluation)
        if changed is not None and active_levels(changed) in self.seen:
            return None  # a level at its onset would wake and vanish in turn
        return changed


@one_blas_thread
def follow_branch(
    equations: BrokenEquations,
    state: State,
    *,
    step: float = 0.05,
    up: bool = True,
    max_points: int = 80,
    past_fold: int = 3,
    wake: bool = True,
    alpha_range: tuple[float, float] = (0.0, np.inf),
    stop: Callable[[BranchPoint], bool] | None = None,
    deadline: float = np.inf,
    mapper: Mapper = serial,
) -> BranchPath:
    """Follow the branch of a solution ``state`` of ``equations`` in alpha, through its first fold.

    Parameters
    ----------
    equations, state
        A solution: its gradient is reduced by Newton steps at fixed alpha first.
    step : float
        First step in arclength (relative changes); adapted later.
    up : bool
        Start towards larger alpha.
    past_fold : int
        Points to take on the arm behind the fold.
    wake : bool
        Layers and levels whose zero overlap becomes unstable on the stable arm join the unknowns,
        those that run to zero leave them, but not for a set that was left before. Otherwise (and
        behind the fold) the set is kept, and `growth` shows what would wake.
    alpha_range, stop, deadline
        Where to stop: outside (alpha), at a point for which `stop` is true, at a time
        (time.perf_counter).
    mapper
        Runs the flows of different layers, e.g. ThreadPoolExecutor.map.

    Returns
    -------
    BranchPath
        `reason` is FOLD, ONSET (a layer wakes at the last point, and no solution with it exists
        beyond: a first-order onset), ALPHA_RANGE, ASKED (``stop``), SMALL_STEP, TIME_LIMIT or
        POINTS.
    """
    follower = _Follower(equations, state, up, step, mapper)
    ends = _Ends(alpha_range, stop, deadline)
    reason: StopReason | None = None
    while reason is None and len(follower.points) < max_points:
        if time.perf_counter() > deadline:
            reason = StopReason.TIME_LIMIT
        else:
            reason = follower.advance(wake, past_fold, ends)
    return BranchPath(tuple(follower.points), follower.fold, reason or StopReason.POINTS)


def _locate(a: _Linear, ta: FloatArray, b: _Linear, tb: FloatArray, step: float) -> Fold:
    """Fold between two points by secant steps to d ln alpha/d(arclength) = 0."""
    best = max(((a, ta), (b, tb)), key=lambda pair: -abs(pair[1][-1]))
    low, t_low, size = a, ta, step
    slope_high = float(tb[-1])
    for _ in range(TUNING.fold_steps):
        fraction = float(t_low[-1] / (t_low[-1] - slope_high))
        new = _correct(low, size * fraction * t_low, _row(t_low))
        if new is None:
            break
        t_new = new.tangent(_row(t_low))
        if abs(t_new[-1]) < abs(best[1][-1]):
            best = new, t_new
        if abs(t_new[-1]) < TUNING.fold_slope:
            break
        if t_new[-1] * t_low[-1] > 0.0:
            low, t_low, size = new, t_new, size * (1.0 - fraction)
            slope_high *= TUNING.fold_secant  # keeps the secant from creeping up from one side
        else:
            slope_high, size = float(t_new[-1]), size * fraction
    point = best[0].point(float(best[1][-1]))
    error = point.alpha * max(abs(point.slope) * size, TUNING.fold_error)
    return Fold(point.alpha, error, point)
