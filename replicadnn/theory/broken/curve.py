"""Pseudo-arclength continuation of K-level solutions in alpha, through folds (spinodals).

With x = (q, Q, m) and g(x, ln alpha) = ds/dx a branch is the curve g = 0. Its tangent t solves

    [ H   g_a ]         [ 0 ]        H = dg/dx, the exact Hessian of s, g_a = dg/d ln alpha,
    [   c^T   ]  t   =  [ 1 ],       c the previous tangent,

and a step along t is corrected by Newton steps orthogonal to t with the same bordered matrix,
which stays regular at a simple fold, where H alone is singular. Reference: H. B. Keller, in
Applications of Bifurcation Theory, Academic Press (1977). Increments of overlaps and gaps of m are
measured in their own size.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from replicadnn.kernels.theory import couplings
from replicadnn.theory.broken.layout import (
    Layout,
    Units,
    apply_step,
    gather,
    make_layout,
    step_size,
)
from replicadnn.theory.broken.minimise import (
    active_levels,
    adjust_levels,
    field_step,
    minimise,
    natural_units,
    quadratic,
    zero_level_growth,
)
from replicadnn.theory.closures.averaged.broken import (
    Array,
    Evaluation,
    FlowError,
    Ints,
    Mapper,
    Model,
    State,
    _serial,
    evaluate,
)
from replicadnn.theory.threads import one_blas_thread

TOLERANCE = 1e-11  # gradient in natural units
ACCEPTED = 1e-9  # ... where rounding stops Newton
MAX_CHANGE = 0.5  # largest logarithmic change of an increment in one step
LEASH = 0.1
STEEP = 0.03  # d ln alpha/d(arclength) above which corrections keep alpha: soft directions of many
# levels, along which they slide, otherwise lead back along the curve


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
    reason: str


@dataclass(frozen=True, slots=True)
class _Linear:
    """Linearisation at one state, in natural units, rows scaled to a unit diagonal of H."""

    model: Model
    layout: Layout
    evaluation: Evaluation
    units: Units
    scale: Array
    hessian: Array
    gradient: Array
    by_alpha: Array
    mapper: Mapper

    @classmethod
    def at(
        cls, model: Model, layout: Layout, state: State, mapper: Mapper, turns: Ints | None = None
    ) -> _Linear:
        ev = evaluate(model, state, True, mapper)
        quad, units = quadratic(model, layout, ev), natural_units(layout, ev, turns)
        H = units.hessian(quad.hessian)
        scale = 1.0 / np.sqrt(np.abs(np.diag(H)) + 1e-300)
        if not np.isfinite(H).all():
            raise FlowError("the Hessian is not finite")
        return cls(
            model, layout, ev, units, scale, H, units.gradient(quad.gradient),
            units.gradient(gradient_by_ln_alpha(model, layout, ev)), mapper,
        )  # fmt: skip

    def bordered(self, row: Array, rhs: Array, last: float) -> Array:
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

    def tangent(self, towards: Array) -> Array:
        t = self.bordered(towards, np.zeros(self.scale.size), 1.0)
        return t / length(t)

    def moved(self, step: Array) -> tuple[Model, State] | None:
        """Model and state after a step in natural units; None if an overlap would reach one."""
        n, state = self.layout.size, self.evaluation.state
        full = self.units.step(step[:-1])
        change, dm = field_step(self.layout, self.evaluation, full), full[n:]
        factor = min(1.0, MAX_CHANGE / max(step_size(self.layout, state, change, dm), 1e-9))
        new = apply_step(self.layout, state, factor * change, factor * dm)
        if not new.Q[:, -1].max(initial=0.0) < 1.0:
            return None
        return replace(self.model, alpha=self.model.alpha * float(np.exp(factor * step[-1]))), new

    def in_own_units(self, tangent: Array) -> tuple[_Linear, Array]:
        """The same point and tangent in units that exchange with the increments largest here."""
        units = natural_units(self.layout, self.evaluation)
        if np.array_equal(units.turns, self.units.turns):
            return self, tangent
        own = _Linear.at(self.model, self.layout, self.evaluation.state, self.mapper)
        turned = np.append(own.units.coordinates(self.units.step(tangent[:-1])), tangent[-1])
        return own, turned / length(turned)

    def point(self, slope: float) -> BranchPoint:
        ev = self.evaluation
        values = np.linalg.eigvalsh(self.hessian * self.scale[:, None] * self.scale)
        growth = zero_level_growth(ev, self.model)
        zero = ev.state.eps[1:-1] <= 0.0
        zero[:, 0] = zero[:, 0] & (ev.state.K == 0)
        return BranchPoint(
            self.model.alpha, ev, slope, float(values[0]), int(np.sum(values < 0.0)),
            float(growth[1:-1][zero].max(initial=0.0)),
        )  # fmt: skip


def length(t: Array) -> float:
    """Arclength of a step: root mean square in natural units plus the change of ln alpha."""
    return float(np.sqrt(np.mean(t[:-1] ** 2) + t[-1] ** 2))


def _row(t: Array) -> Array:
    """The gradient of `length`^2/2: what steps orthogonal to t are orthogonal to."""
    return np.append(t[:-1] / (t.size - 1), t[-1])


def _alpha_row(t: Array) -> Array:
    """What steps at fixed alpha are orthogonal to."""
    row = np.zeros_like(t)
    row[-1] = 1.0
    return row


def gradient_by_ln_alpha(model: Model, layout: Layout, ev: Evaluation) -> Array:
    """d(ds/dx)/d ln alpha = -d(S_sph/alpha)/dx, explicit."""
    state = ev.state
    by_Q, by_m = np.zeros_like(state.Q), np.zeros(state.K)
    half = 0.5 * state.steps
    for row in range(model.L):
        if state.Q[row, -1] > 0.0:
            by_Q[row] = half * couplings.field_overlaps(state.Q[row], state.m)
            by_m += couplings.entropy(state.Q[row], state.m)[1]
    by_unknown = layout.weights * gather(layout, by_Q, np.zeros_like(state.eps))
    return -np.concatenate([by_unknown, by_m]) / model.alpha


def _correct(start: _Linear, predicted: Array, row: Array) -> _Linear | None:
    """Newton from a predicted step back to g = 0, orthogonal to `row`."""
    step, at, last = predicted, start, np.inf
    for _ in range(9):
        moved = at.moved(step)
        if moved is None:
            return None
        try:
            at = _Linear.at(moved[0], at.layout, moved[1], at.mapper, at.units.turns)
            norm = float(np.abs(at.gradient).max(initial=0.0))
            if norm < TOLERANCE or (norm < ACCEPTED and norm > 0.3 * last):
                return at
            step = at.bordered(row, -at.gradient, 0.0)
        except (FlowError, np.linalg.LinAlgError):
            return None
        if not np.isfinite(step).all() or norm > 1e3 * last:
            return None
        last = norm
    return at if last < ACCEPTED else None


@one_blas_thread
def follow_branch(
    model: Model,
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
    mapper: Mapper = _serial,
) -> BranchPath:
    """Follow the branch of a solution `state` of `model` in alpha, through its first fold.

    Parameters
    ----------
    model, state
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
        `reason` is one of "fold", "onset" (a layer wakes at the last point, and no solution with
        it exists beyond: a first-order onset), "alpha range", "stop", "step too small",
        "time limit", "points".
    """
    layout = make_layout(model, state)
    at = _Linear.at(model, layout, state, mapper)
    towards = np.zeros(at.scale.size + 1)
    towards[-1] = 1.0 if up else -1.0
    tangent = at.tangent(towards)
    points = [at.point(float(tangent[-1]))]
    seen = {active_levels(state)}
    fold: Fold | None = None
    behind, reason = 0, "points"
    largest = 4.0 * step
    while len(points) < max_points:
        if time.perf_counter() > deadline:
            reason = "time limit"
            break
        steep = abs(tangent[-1]) > STEEP
        new = _correct(at, step * tangent, _alpha_row(tangent) if steep else _row(tangent))
        if new is not None:
            try:
                ahead = new.tangent(_row(tangent))
            except np.linalg.LinAlgError:
                new = None
        if new is None or length(ahead - tangent) > 0.7:
            step *= 0.4
            if step < 1e-6:
                reason = "step too small"
                break
            continue
        if fold is None and tangent[-1] * ahead[-1] < 0.0:
            fold = _locate(at, tangent, new, ahead, step)
        point = new.point(float(ahead[-1]))
        changed = adjust_levels(new.model, new.evaluation) if wake and fold is None else None
        if changed is not None and active_levels(changed) in seen:
            changed = None  # a level at its onset would wake and vanish in turn
        if changed is not None:
            found = minimise(new.model, changed, leash=LEASH, deadline=deadline, mapper=mapper)
            if found.gradient_norm > ACCEPTED:
                if point.growth < 1.0 + 1e-4 or step < 1e-5:
                    reason = "onset"
                    break
                step *= 0.4
                continue
        step = min(step * (1.4 if length(tangent - ahead) < 0.25 else 0.8), largest)
        at, tangent = new.in_own_units(ahead)
        points.append(point)
        if stop is not None and stop(point):
            reason = "stop"
            break
        if not alpha_range[0] <= point.alpha <= alpha_range[1]:
            reason = "alpha range"
            break
        if fold is not None:
            behind += 1
            if behind >= past_fold:
                reason = "fold"
                break
            continue
        if changed is not None:
            at = _Linear.at(at.model, found.layout, found.evaluation.state, mapper)
            towards = np.zeros(at.scale.size + 1)
            towards[-1] = 1.0 if tangent[-1] > 0.0 else -1.0
            tangent = at.tangent(towards)
            points.append(at.point(float(tangent[-1])))
            seen.add(active_levels(at.evaluation.state))
    return BranchPath(tuple(points), fold, reason)


def _locate(a: _Linear, ta: Array, b: _Linear, tb: Array, step: float) -> Fold:
    """Fold between two points by secant steps to d ln alpha/d(arclength) = 0."""
    best = max(((a, ta), (b, tb)), key=lambda pair: -abs(pair[1][-1]))
    low, t_low, size = a, ta, step
    slope_high = float(tb[-1])
    for _ in range(14):
        fraction = float(t_low[-1] / (t_low[-1] - slope_high))
        new = _correct(low, size * fraction * t_low, _row(t_low))
        if new is None:
            break
        t_new = new.tangent(_row(t_low))
        if abs(t_new[-1]) < abs(best[1][-1]):
            best = new, t_new
        if abs(t_new[-1]) < 1e-6:
            break
        if t_new[-1] * t_low[-1] > 0.0:
            low, t_low, size = new, t_new, size * (1.0 - fraction)
            slope_high *= 0.5  # keeps the secant from creeping up from one side
        else:
            slope_high, size = float(t_new[-1]), size * fraction
    point = best[0].point(float(best[1][-1]))
    error = point.alpha * max(abs(point.slope) * size, 1e-10)
    return Fold(point.alpha, error, point)
