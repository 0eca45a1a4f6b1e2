"""The curve of replica-symmetric solutions in (overlaps, alpha), followed through its folds.

One overlap, the control, is held fixed and its place among the unknowns is taken by ln alpha:

    F(y; ln alpha) = y,   y_k given      (docs/theory.md, eqs. 8-12, y = logits of the overlaps)

Newton on this system is regular where alpha has a maximum or a minimum along the curve (spinodal),
so a branch can be followed around it, and d ln alpha / d y_k = 0 locates the spinodal itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq

from replicadnn.problem import ALPHA_RANGE
from replicadnn.theory.contract import SymmetricEquations
from replicadnn.theory.symmetric.newton import bandwidth, solve_bands
from replicadnn.theory.symmetric.state import State
from replicadnn.types import FloatArray

_TOL = 1e-12
_MAX_ITER = 30
_CAP = 2.0
#: Steps in the logit of the control: first, largest, smallest.
_STEPS = (0.25, 0.25, 1e-5)
#: A prediction may miss ln alpha by this much, else the step is halved.
_MISS = 0.02
#: ... and a logit by this, or it has come to another curve.
_JUMP = 1.0
#: The control is replaced where another logit changes by this factor more.
_STEEP = 8.0


@dataclass(frozen=True, slots=True)
class Point:
    """One solution of a `Curve`.

    ``y`` is the logit of the control times the sign of the curve, ``slope`` = d ln alpha / d y,
    ``tangent`` the derivatives of all logits by y.
    """

    state: State
    log_alpha: float
    y: float
    slope: float
    tangent: FloatArray
    residual: float

    @property
    def alpha(self) -> float:
        return math.exp(self.log_alpha)

    @property
    def turning(self) -> bool:
        """Whether another overlap changes so much more that it makes the better control."""
        return bool(np.max(np.abs(self.tangent)) > _STEEP)


@dataclass(slots=True)
class Curve:
    """Solutions of ``equations`` at any alpha with one overlap, the control, given.

    Attributes
    ----------
    equations : SymmetricEquations
        Their alpha is not used.
    control : int
        Number of the control among the logits (`symmetric.state.neuron_logit`,
        `coupling_logit`).
    mirrored : bool
        Only states with q(l) = q(L-l) are considered (then the mirror image of the control is the
        control as well); otherwise the ends of a state may be anything, e.g. q(L) = 0.
    """

    equations: SymmetricEquations
    control: int
    mirrored: bool = False
    #: +1 or -1: whether the curve is traced towards larger or smaller overlaps of the control.
    sign: float = 1.0

    def solve(self, state: State, log_alpha: float) -> Point | None:
        """The point next to (``state``, ``log_alpha``) at the control's value in ``state``."""
        k = self.control
        best = math.inf
        for _ in range(_MAX_ITER):
            if not math.log(ALPHA_RANGE[0]) <= log_alpha <= math.log(ALPHA_RANGE[1]):
                return None
            equations = self.equations.at(math.exp(log_alpha))
            active = state.active
            residual, bands = equations.linearise(state, active)
            by_alpha = equations.by_log_alpha(state, active)
            if self.mirrored:
                residual, bands, by_alpha = _fold(residual, bands, by_alpha)
            size = float(np.max(np.abs(residual)))
            moves = _bordered(bands, residual, by_alpha, k)
            if moves is None:
                return None
            move, log_move, tangent, slope = moves
            if size == 0.0 or (size <= _TOL and size > 0.5 * best):
                y, along = self.sign * float(state.logits[k]), self.sign * self._unfold(tangent)
                return Point(state, log_alpha, y, self.sign * slope, along, size)
            best = min(best, size)
            log_alpha += min(max(log_move, -_CAP), _CAP)
            logits = np.where(active, state.logits, 0.0)
            state = state.with_logits(active, logits + self._unfold(np.clip(move, -_CAP, _CAP)))
        return None

    def at(self, y: float, near: Point) -> Point | None:
        """The point with control logit ``y``, predicted along the tangent of ``near``."""
        step = y - near.y
        active = near.state.active
        logits = np.where(active, near.state.logits, 0.0)
        guess = near.state.with_logits(active, logits + np.clip(step * near.tangent, -50.0, 50.0))
        return self.solve(guess, near.log_alpha + step * near.slope)

    def trace(self, start: Point, until: Callable[[Point], bool]) -> Iterator[Point]:
        """Points from ``start`` (not repeated) in the direction of a rising control.

        The last one is the first with ``until(point)``; the iteration also ends where Newton
        fails at the smallest step, e.g. at the end of the range of alpha.
        """
        step, largest, smallest = _STEPS
        point = start
        while not until(point):
            new = self.at(point.y + step, point)
            missed = (
                new is None or abs(new.log_alpha - point.log_alpha - step * point.slope) > _MISS
            )
            jumped = new is None or _jump(point, new) > _JUMP
            if new is None or jumped or (missed and step > 10.0 * smallest):
                step *= 0.5
                if step < smallest:
                    return
                continue
            yield new
            point = new
            step = min(1.5 * step, largest)

    def turned(self, point: Point) -> Curve:
        """The curve with the overlap for control that changes most at ``point``, traced onwards.

        For a point at which this control is about to turn back; self if no other one is better.
        """
        k = int(np.argmax(np.abs(point.tangent)))
        if k == self.control:
            return self
        return replace(self, control=k, sign=math.copysign(1.0, float(point.tangent[k])))

    def root(self, before: Point, after: Point, value: Callable[[Point], float]) -> Point:
        """Brent's method in the control: the point between two others with ``value`` = 0."""

        def point_at(y: float) -> Point:
            near = before if abs(y - before.y) <= abs(y - after.y) else after
            found = self.at(y, near)
            if found is None:
                raise ArithmeticError(f"no solution at control logit {y!r}")
            return found

        # computed anew the ends may have equal signs, where alpha is flat to rounding
        ends = {before.y: value(before), after.y: value(after)}

        def at(t: float) -> float:
            return ends[t] if t in ends else value(point_at(t))

        y = brentq(at, before.y, after.y, xtol=1e-13, rtol=1e-14)
        return point_at(float(y))

    def fold(self, before: Point, after: Point) -> Point:
        """The spinodal between two points whose slopes differ in sign."""
        return self.root(before, after, lambda point: point.slope)

    def _unfold(self, values: FloatArray) -> FloatArray:
        return np.concatenate([values, values[-2::-1]]) if self.mirrored else values


def _jump(point: Point, new: Point) -> float:
    """Largest difference of a logit from its prediction along the tangent: another curve?"""
    active = point.state.active & new.state.active
    way = new.state.logits[active] - point.state.logits[active]
    return float(np.max(np.abs(way - (new.y - point.y) * point.tangent[active]), initial=0.0))


def _fold(
    residual: FloatArray, bands: FloatArray, by_alpha: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The equations of the first half of a mirrored state: unknown i is also unknown n-1-i."""
    width, size = bandwidth(bands), residual.size
    middle = size // 2
    half = bands[:, : middle + 1].copy()
    for column in range(max(0, middle - width), middle + 1):
        for row in range(column - width, column + width + 1):
            if row > middle:
                half[width + row - column, column] = 0.0
            elif row >= 0 and column < middle and size - 1 - column - row <= width:
                image = size - 1 - column
                half[width + row - column, column] += bands[width + row - image, image]
    return residual[: middle + 1], half, by_alpha[: middle + 1]


def _bordered(
    bands: FloatArray, residual: FloatArray, by_alpha: FloatArray, k: int
) -> tuple[FloatArray, float, FloatArray, float] | None:
    """Newton's step with unknown k fixed and ln alpha free, and the tangent of the curve.

    With row and column k taken out the banded matrix stays regular at a fold (the network with the
    control clamped is stable there); row k then gives the step in ln alpha.

    Returns
    -------
    (step, its ln alpha, tangent d y / d y_k, d ln alpha / d y_k), or None if singular.
    """
    width, size = bandwidth(bands), residual.size
    row, column = np.zeros(size), np.zeros(size)
    inner = bands.copy()
    for j in range(max(0, k - width), min(size, k + width + 1)):
        row[j], column[j] = bands[width + k - j, j], bands[width + j - k, k]
        inner[width + k - j, j] = inner[width + j - k, k] = 0.0
    own = row[k]
    row[k] = column[k] = 0.0
    inner[width, k] = 1.0
    right = np.column_stack([residual, by_alpha, -column])
    right[k] = 0.0
    solved = solve_bands(inner, right)
    if solved is None or not np.all(np.isfinite(solved)):
        return None
    step, rate, tangent = solved.T
    gain = float(row @ rate) - by_alpha[k]
    if gain == 0.0:
        return None
    log_move = float(residual[k] - row @ step) / gain
    slope = -float(own + row @ tangent) / gain
    tangent = tangent + slope * rate
    tangent[k] = 1.0
    return step + log_move * rate, log_move, tangent, slope
