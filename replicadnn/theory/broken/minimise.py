"""Newton minimisation of the free entropy over fields, overlaps and breakpoints together.

`descent` makes the steps; here is when they end, and the polish that follows.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from replicadnn.theory.broken.accuracy import polish_error
from replicadnn.theory.broken.active import min_gap
from replicadnn.theory.broken.descent import Descent, Point, Quadratic, natural_units
from replicadnn.theory.broken.layout import Layout, apply_step
from replicadnn.theory.broken.state import Evaluation, FlowError, Mapper, State, serial
from replicadnn.theory.broken.stop import StopReason
from replicadnn.theory.broken.tuning import TUNING
from replicadnn.theory.contract import BrokenEquations
from replicadnn.theory.threads import one_blas_thread


@dataclass(frozen=True, slots=True)
class Minimum:
    """Where the minimisation stopped and why."""

    evaluation: Evaluation
    layout: Layout
    gradient_norm: float
    iterations: int
    stop: StopReason

    @property
    def converged(self) -> bool:
        """True if the gradient is below the tolerance asked for."""
        return self.stop is StopReason.GRADIENT

    @property
    def lost(self) -> bool:
        """True if there is no solution near the start."""
        return self.stop.lost


class Watch:
    """When a minimisation has to end although its gradient is not small."""

    def __init__(
        self, equations: BrokenEquations, first: Point, deadline: float, leash: float, share: float
    ) -> None:
        problem, state = equations.problem, first.evaluation.state
        hard = np.isinf(problem.beta)  # else the volume cannot close: s >= -beta L
        floor = 0.0 if hard else -problem.beta * problem.L
        self.lowest = min(equations.liquid_entropy(), floor) - TUNING.collapse
        self.first_saturated = int(state.top.min()) if state.saturated else None
        bounded = problem.L > 1 and not state.saturated
        self.largest = equations.largest_overlap if bounded else np.inf
        self.closes = hard and problem.L == 1
        self.start = first.evaluation.q[:, -1]
        self.deadline, self.leash = deadline, leash
        self.least_rest = (1.0 - share) ** 2 * (1.0 - self.start[1:-1])

    def __call__(self, point: Point) -> StopReason | None:
        """Why the search has to end at this point (None if it goes on)."""
        ev, state = point.evaluation, point.evaluation.state
        overlap = ev.lam.max() if self.closes else 0.0
        if not point.s > self.lowest or overlap > 1.0 - TUNING.closed:
            return StopReason.COLLAPSE
        if overlap > 1.0 - TUNING.narrow and np.abs(point.gradient).max() < TUNING.falling:
            return StopReason.CONTACT
        if ev.lam.max() > self.largest:
            return StopReason.RUNAWAY
        if abs(ev.q[:, -1] - self.start).max() > self.leash:
            return StopReason.LEASH
        if (1.0 - ev.q[1:-1, -1] < self.least_rest).any():
            return StopReason.LEAP
        if self.first_saturated is not None and (
            state.m[self.first_saturated] < TUNING.smallest_saturated
            or 1.0 - state.Q[:, -1].max() < TUNING.smallest_rest
        ):
            return StopReason.CLOSING
        if state.steps.min() < 0.5 * min_gap(state):
            return StopReason.MERGED
        return StopReason.TIME_LIMIT if time.perf_counter() > self.deadline else None


def _at_rounding(local: Quadratic, cut: bool, last: float) -> bool:
    """True where a Newton step would lower s by less than `unresolved`, if it is ``cut`` short.

    Also if the step before, from the gradient ``last``, has not lowered the gradient by half.
    """
    if local.newton is None or not local.newton_gain() < TUNING.unresolved:
        return False
    return cut or local.gradient_norm > TUNING.stalled * last


@one_blas_thread
def minimise(
    equations: BrokenEquations,
    state: State,
    *,
    gradient_tol: float = TUNING.gradient,
    max_iterations: int = 100,
    deadline: float = np.inf,
    mapper: Mapper = serial,
    free_breakpoints: bool = True,
    leash: float = np.inf,
    share: float = 1.0,
    leave_saddles: bool = False,
) -> Minimum:
    """Saddle-free Newton minimisation of s over (q, Q, m) at a fixed set of active levels.

    Trust-region steps in all unknowns, each followed by corrections at fixed m. A step changes no
    logarithm of an increment by more than `Tuning.max_log` and no breakpoint by more than
    `Tuning.max_gap` of its gap. Stops when all ds/d(logarithms, m in gaps) are below
    ``gradient_tol``, at ``deadline`` (time.perf_counter), when a q_EA(l) has moved by more than
    ``leash`` or 1 - q_EA(l) fallen below (1 - ``share``)^2 of itself, or at rounding: where Newton
    steps that would lower s by less than `Tuning.unresolved` do not halve the gradient or (one
    perceptron) are cut short (`polish` follows); without ``leave_saddles`` also where s falls by no
    more than its rounding and the Hessian is not positive definite: often a level about to vanish,
    which `adjust_levels` removes. Without ``free_breakpoints`` m stays as it is.

    Raises FlowError if the start itself cannot be evaluated.
    """
    layout = equations.layout(state)
    count = layout.size + (state.K if free_breakpoints else 0)
    descent = Descent(equations, layout, mapper)
    first = descent.point(state)
    if first is None:
        raise FlowError("the flows of the start cannot be computed")
    watch = Watch(equations, first, deadline, leash, share)
    at = descent.correct(first, TUNING.start_gain, TUNING.start_corrections, watch)
    radius, norm = np.inf, np.inf
    for iteration in range(max_iterations):
        local = at.local(count)
        last, norm = norm, local.gradient_norm
        stop = StopReason.GRADIENT if norm < gradient_tol else watch(at)
        cut = state.L == 1 and local.newton is not None and radius < np.linalg.norm(local.newton)
        if stop is None and _at_rounding(local, bool(cut), last):
            stop = StopReason.ROUNDING
        if stop is None:
            step = descent.advance(at, local, radius, watch, leave_saddles)
            if step.point is not None:
                at, radius = step.point, step.radius
                continue
            stop = step.stop or StopReason.NO_DESCENT
        return Minimum(at.evaluation, layout, norm, iteration, stop)
    return Minimum(at.evaluation, layout, norm, max_iterations, StopReason.ITERATIONS)


@one_blas_thread
def polish(equations: BrokenEquations, start: Minimum, *, mapper: Mapper = serial) -> Minimum:
    """Undamped Newton steps from a minimum found to rounding in s; the best point is kept.

    Near the minimum s is flat to rounding while its gradient is still resolved; improvement is
    judged by `polish_error`.
    """
    layout, ev = start.layout, start.evaluation
    if start.gradient_norm > TUNING.polishable:
        return start

    best, best_error = ev, polish_error(equations, ev, mapper)
    for free in (layout.size + ev.state.K, layout.size):
        ev = best
        for _ in range(TUNING.polish_steps):
            if best_error < TUNING.polished:
                break
            try:
                trial = _newton_step(equations, layout, ev, free)
                if trial is None:
                    break
                ev = equations.evaluate(trial, True, mapper)
                error = polish_error(equations, ev, mapper)
            except (FlowError, np.linalg.LinAlgError):
                break
            if error < best_error:
                best, best_error = ev, error
            elif not error < TUNING.polish_growth * best_error:
                break
    return replace(start, evaluation=best)


def _newton_step(
    equations: BrokenEquations, layout: Layout, ev: Evaluation, free: int
) -> State | None:
    """The state after one Newton step in the first ``free`` unknowns; None if there is none."""
    units = natural_units(layout, ev)
    H = units.hessian(equations.hessian(layout, ev))[:free, :free]
    size = 1.0 / np.sqrt(np.abs(np.diag(H)) + TUNING.tiny)
    g = units.gradient(equations.gradient(layout, ev))[:free] * size
    p = np.zeros(layout.size + ev.state.K)
    p[:free] = -size * np.linalg.solve(H * size[:, None] * size, g)
    if not np.all(np.isfinite(p)):
        return None
    longest = float(np.abs(p).max(initial=TUNING.tiny))
    p = units.step(p * min(1.0, TUNING.polish_length / longest))
    change = equations.field_step(layout, ev, p)
    state = apply_step(layout, ev.state, change, p[layout.size :])
    return state if state.Q[:, -1].max(initial=0.0) < 1.0 else None
