"""One step downhill in the free entropy: quadratic model, trust region, corrections.

At a stable solution s(q, Q, m), with eps eliminated by q = T(eps), is a local minimum (n -> 0
reverses the usual sign): with A = S''_spin + S''_sph and C = -F''_int the map (q, Q) -> (q, Q) has
the Jacobian A^-1 C, and its stability means A - C > 0; adding levels lowers s further. So one
scalar function is minimised. Steps multiply the increments of levels (those of Q and 1 - Q_K keep
the sum one, see `layout.apply_step`): order and signs are kept, and a state with two merged levels
- a solution with fewer levels, hence a saddle - lies at infinity. (With eps in place of q as the
unknown the Hessian needs d^2 T; leaving that term out spoils the soft directions and costs ten
times the iterations.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import eigh
from scipy.linalg.lapack import dpotrf, dpotrs

from replicadnn.theory.broken.active import resolved
from replicadnn.theory.broken.layout import Layout, Units, apply_step, gather, step_size
from replicadnn.theory.broken.state import Evaluation, FlowError, Mapper, State
from replicadnn.theory.broken.stop import StopReason
from replicadnn.theory.broken.tuning import TUNING
from replicadnn.theory.contract import BrokenEquations
from replicadnn.types import FloatArray, IntArray


def natural_units(layout: Layout, ev: Evaluation, turns: IntArray | None = None) -> Units:
    """Natural directions of (q, Q, m) at an evaluation (`Units.of`)."""
    return Units.of(layout, gather(layout, ev.state.Q, ev.q), ev.state.m, turns)


def unknowns(layout: Layout, ev: Evaluation) -> FloatArray:
    """The values of (q, Q, m)."""
    return np.concatenate([gather(layout, ev.state.Q, ev.q), ev.state.m[1:]])


class Quadratic:
    """Quadratic model of s in natural units, scaled by the diagonal of its Hessian.

    Steps are vectors z in these units. Where the Hessian H is positive definite the Newton step
    -H^-1 g comes from its Cholesky factor; the spectrum is computed only where that step is too
    long or H is not positive definite: then the step is -(|H| + mu)^-1 g (saddle-free).
    """

    def __init__(self, g: FloatArray, H: FloatArray, units: Units) -> None:
        diagonal = np.abs(np.diag(H))
        least = TUNING.smallest_diagonal * diagonal.max(initial=0.0) + TUNING.tiny
        inverse = 1.0 / np.sqrt(np.maximum(diagonal, least))
        self.hessian = H * inverse[:, None] * inverse
        self.slope = g * inverse
        self.units, self.scale = units, inverse
        self.gradient_norm = float(np.abs(g).max(initial=0.0))
        self.newton = self._newton()

    def _newton(self) -> FloatArray | None:
        """-H^-1 g, None unless H is safely positive definite."""
        if self.slope.size == 0:
            return np.zeros(0)
        factor, failed = dpotrf(self.hessian, lower=True)
        if failed or np.diag(factor).min() ** 2 < TUNING.smallest_curvature:
            return None
        return np.asarray(-dpotrs(factor, self.slope, lower=True)[0])

    @cached_property
    def spectrum(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """|eigenvalues|, eigenvectors, slope along them."""
        values, vectors = eigh(self.hessian, driver="evd", check_finite=False)
        return (
            np.maximum(np.abs(values), TUNING.smallest_curvature), vectors, vectors.T @ self.slope,
        )  # fmt: skip

    def newton_gain(self) -> float:
        """Decrease of s that an unrestricted saddle-free Newton step predicts."""
        if self.newton is not None:
            return float(-0.5 * self.slope @ self.newton)
        size, _, slope = self.spectrum
        return float(0.5 * np.sum(slope**2 / size))

    def step(self, radius: float) -> FloatArray:
        """Saddle-free Newton step of length ``radius`` or less."""
        if self.newton is not None and np.linalg.norm(self.newton) <= radius:
            return self.newton
        size, vectors, slope = self.spectrum
        steep = np.abs(slope)
        mu = 0.0
        if np.linalg.norm(steep / size) > radius:
            low, mu = 0.0, float(np.linalg.norm(steep)) / radius
            while mu > TUNING.shift_accuracy * low:
                middle = float(np.sqrt(max(low, TUNING.shift_start * mu) * mu))
                if np.linalg.norm(steep / (size + middle)) > radius:
                    low = middle
                else:
                    mu = middle
                if mu < TUNING.shift_zero:
                    break
        return np.asarray(-(vectors @ (slope / (size + mu))))

    def gain(self, step: FloatArray) -> float:
        """Predicted decrease of s."""
        return float(-(self.slope @ step + 0.5 * step @ self.hessian @ step))

    def unknowns(self, step: FloatArray) -> FloatArray:
        """The step in (q, Q, m)."""
        return self.units.step(self.scale * step)


@dataclass(frozen=True, slots=True)
class Point:
    """An evaluation with ds/d(q, Q, m) = ``slope``, and gradient and Hessian in natural units."""

    evaluation: Evaluation
    slope: FloatArray
    gradient: FloatArray
    hessian: FloatArray
    units: Units

    @property
    def s(self) -> float:
        """Free entropy."""
        return self.evaluation.free_entropy

    def local(self, count: int) -> Quadratic:
        """Quadratic model in the first ``count`` unknowns: all, or those at fixed breakpoints."""
        return Quadratic(self.gradient[:count], self.hessian[:count, :count], self.units)


#: Why a search has to end at a point; None if it goes on.
Lost = Callable[[Point], StopReason | None]


@dataclass(frozen=True, slots=True)
class Advance:
    """What `Descent.advance` found: a point and the radius of the next step, or why there is none.

    The next radius is infinite until a step was cut.
    """

    point: Point | None
    radius: float
    stop: StopReason | None = None


class Descent:
    """Steps of one minimisation: fixed equations and active set."""

    def __init__(self, equations: BrokenEquations, layout: Layout, mapper: Mapper) -> None:
        self.equations, self.layout, self.mapper = equations, layout, mapper

    def point(self, state: State) -> Point | None:
        """None where the flows or the Hessian cannot be computed: such a step is refused."""
        try:
            ev = self.equations.evaluate(state, True, self.mapper)
        except FlowError:
            return None
        H = self.equations.hessian(self.layout, ev)
        slope, units = self.equations.gradient(self.layout, ev), natural_units(self.layout, ev)
        if not (np.isfinite(ev.free_entropy) and np.isfinite(H).all()):
            return None
        return Point(ev, slope, units.gradient(slope), units.hessian(H), units)

    def take(self, at: Point, local: Quadratic, radius: float) -> tuple[Point | None, FloatArray]:
        """The point after a step of at most ``radius``, shortened to what `step_size` allows."""
        layout, state = self.layout, at.evaluation.state
        n = layout.size
        full, step = np.zeros(n + state.K), np.zeros_like(local.slope)
        try:
            step = local.step(radius)
        except np.linalg.LinAlgError:
            return None, step
        full[: step.size] = local.unknowns(step)
        change, dm = self.equations.field_step(layout, at.evaluation, full), full[n:]
        size = step_size(layout, state, change, dm)
        if not (np.isfinite(size) and np.isfinite(change).all()):
            return None, step
        if size > 1.0:
            step, change, dm = step / size, change / size, dm / size
        trial = apply_step(layout, state, change, dm)
        if trial.Q[:, -1].max(initial=0.0) >= 1.0:
            return None, step
        return self.point(trial), step

    def correct(
        self, at: Point, target: float, steps: int, lost: Lost, radius: float = np.inf
    ) -> Point:
        """Newton steps in (q, Q) at fixed m until they would lower s by less than ``target``.

        The valley of s along m is curved: a step along its tangent ends on its wall, and this
        leads back to the bottom.
        """
        for _ in range(steps):
            if lost(at) is not None:
                break
            try:
                local = at.local(self.layout.size)
                if local.newton_gain() < target:
                    break
            except np.linalg.LinAlgError:
                break
            new, _ = self.take(at, local, radius)
            if new is None or self.decrease(at, new) < 0.0:
                break
            at = new
        return at

    def advance(
        self, at: Point, local: Quadratic, radius: float, lost: Lost, leave_saddles: bool
    ) -> Advance:
        """One accepted trust-region step with its corrections, or why there is none."""
        for _ in range(TUNING.max_trials):
            new, step = self.take(at, local, radius)
            length, gain = float(np.linalg.norm(step)), local.gain(step)
            radius = TUNING.shrink * length
            if new is None:
                continue
            small = gain < TUNING.flat * resolved(at.evaluation.state)
            if small and local.newton is None and not leave_saddles:  # not a minimum
                return Advance(None, radius, StopReason.FLAT)
            target = max(TUNING.correction_part * gain, TUNING.smallest_gain)
            reach = TUNING.correction * length
            new = self.correct(new, target, TUNING.corrections, lost, reach)
            ratio = self.decrease(at, new) / gain
            if ratio > TUNING.accept:
                factor = TUNING.poor
                if ratio > TUNING.fair:
                    factor = TUNING.grow if ratio > TUNING.good else 1.0
                return Advance(new, factor * length)
        return Advance(None, radius, StopReason.NO_DESCENT)

    def decrease(self, old: Point, new: Point) -> float:
        """By how much s has fallen; below its rounding from the gradients (trapezium rule).

        The gradients resolve differences of s that s itself, a sum of order one, does not
        (W. W. Hager and H. Zhang, SIAM J. Optim. 16, 170 (2005), section 1.1).
        """
        difference = old.s - new.s
        if abs(difference) > resolved(old.evaluation.state):
            return difference
        way = unknowns(self.layout, new.evaluation) - unknowns(self.layout, old.evaluation)
        return float(-0.5 * (old.slope + new.slope) @ way)
