"""Thresholds where two fronts grow independently: the solution is followed while alpha is raised.

One front is one curve in (overlaps, alpha) (`path`).  Two that do not touch are a product of two
curves, and where one of them folds the other need not, so here ln alpha itself is the parameter.
A layer becomes solid at its onset, the root of ln growth along the solution, or in the step at a
fold, where the passes of the solver lead to what is left.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import brentq

from replicadnn import interrupt
from replicadnn.problem import Problem
from replicadnn.progress import Report
from replicadnn.provenance import provenance
from replicadnn.questions.schema import Checkpoint
from replicadnn.questions.transitions.result import (
    Order,
    Step,
    Threshold,
    Transitions,
    thickness_table,
)
from replicadnn.questions.transitions.thresholds import ALL_SECOND, NO_LAYER
from replicadnn.theory.closures import symmetric_equations
from replicadnn.theory.contract import IndependentFronts
from replicadnn.theory.symmetric.curve import Curve, Point
from replicadnn.theory.symmetric.newton import solve_bands
from replicadnn.theory.symmetric.search import newton_from, settle
from replicadnn.theory.symmetric.state import State, neuron_logit
from replicadnn.types import FloatArray

#: Steps in ln alpha: the largest, and the one below which the solution is said to end.
_LARGEST, _SMALLEST = 0.1, 1e-5
#: The largest once every layer is solid: only a fold, which stops the step, is left to find.
_LARGEST_SOLID = 1.0
#: A logit may miss its prediction by this much, else the step is halved.
_MISS = 0.1
#: Overlap with which a layer starts, and the factor of it where the next one follows at once.
_SEED, _SMALLER = math.exp(-14.0), math.exp(-4.0)
#: Relative step in alpha across a fold, and the passes that are allowed beyond it.
_ACROSS, _SWEEPS = 1e-6, 20_000
#: Half width in ln alpha of the bracket that certifies a root, and rounding of alpha.
_BRACKET, _ROUNDING = 1e-10, 1e-12
#: 1 - Q at which the volume is closed.
_CLOSED = 1e-9
#: 1 - q of all layers below which nothing is left to grow.
_NEAR_ONE = 1e-3


def rising_transitions(
    problem: Problem,
    fronts: IndependentFronts,
    alpha_max: float,
    progress: Report | None,
    asked: str = "",
    checkpoint: Checkpoint | None = None,
) -> Transitions:
    """`replicadnn.transitions` for ``ansatz`` rs where two fronts grow independently."""
    began = time.perf_counter()

    def report(done: int) -> None:
        if checkpoint is not None:
            checkpoint(lambda: result(False)[0])
        if progress is not None:
            progress(done, problem.L - 1)

    ascent = Ascent(problem, fronts, alpha_max, report)

    def result(finished: bool) -> tuple[Transitions, int]:
        done = {t.layer for t in ascent.thresholds}
        missing = [n for n in range(problem.L - 1, 0, -1) if n not in done]
        thresholds = (*ascent.thresholds, *map(Threshold.missing, missing))
        last = thresholds[-1].alpha if thresholds else math.nan
        found = Transitions.of_problem(
            problem,
            thresholds=thresholds,
            steps=tuple(ascent.steps),
            fit=None,
            thickness=thickness_table(ascent.rows),
            last_liquid=last,
            liquid_returns=math.nan if ascent.steps else last,
            saturated=math.nan,
            saturated_uncertainty=math.nan,
            message=_remark(ascent, missing) if finished else "interrupted",
            timings={"curve": time.perf_counter() - began, "steps": 0.0},
            provenance=provenance(asked=asked),
            finished=finished,
        )
        return found, len(ascent.thresholds)

    with interrupt.keeping(lambda: result(False)):
        ascent.run()
    return result(True)[0]


def _remark(ascent: Ascent, missing: list[int]) -> str:
    """What is missing or of first order, and where the solutions end, for people."""
    if ascent.problem.L == 1:
        return NO_LAYER
    first = [t.layer for t in ascent.thresholds if t.order is Order.FIRST]
    words = []
    if first:
        one = len(first) == 1
        words.append(
            f"layer{'' if one else 's'} {', '.join(map(str, first))} "
            f"become{'s' if one else ''} solid in {'a ' if one else ''}"
            f"first-order step{'' if one else 's'}"
        )
    if missing:
        one = len(missing) == 1
        which = f"layer {missing[0]} is" if one else f"layers {missing[0]}..{missing[-1]} are"
        words.append(f"{which} not reached: {ascent.end or f'alpha_max = {ascent.alpha_max:g}'}")
    elif not first:
        words.append(ALL_SECOND)
    if ascent.end and not missing:
        words.append(ascent.end)
    return "; ".join(words)


@dataclass(frozen=True, slots=True)
class _At:
    """The solution at one alpha, and d logits/d ln alpha (0 where a layer is liquid)."""

    state: State
    log_alpha: float
    tangent: FloatArray

    @property
    def solid(self) -> int:
        """Number of solid hidden layers."""
        return int(np.count_nonzero(self.state.q[1:-1]))


@dataclass(slots=True)
class Ascent:
    """What is met while alpha is raised from the first threshold to ``alpha_max``.

    Attributes
    ----------
    thresholds : list of Threshold
        In the order in which the layers become solid.
    steps : list of Step
    rows : list of (alpha, solid layers, sum of q)
    end : str
        Why nothing is followed further, "" at alpha_max.
    """

    problem: Problem
    fronts: IndependentFronts
    alpha_max: float
    report: Callable[[int], None]
    thresholds: list[Threshold] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    rows: list[tuple[float, float, float]] = field(default_factory=list)
    end: str = ""
    step: float = field(default=_LARGEST, init=False)

    def run(self) -> None:
        """Raise alpha until it is ``alpha_max`` or the solution ends."""
        first = self.fronts.first_threshold
        if not first <= self.alpha_max:
            return
        liquid = State.liquid(self.problem.L)
        here = self._wake(_At(liquid, math.log(first), np.zeros(2 * self.problem.L - 1)))
        while here is not None and here.log_alpha < math.log(self.alpha_max):
            self.rows.append(
                (math.exp(here.log_alpha), here.solid, float(here.state.q[1:-1].sum()))
            )
            if float(here.state.p[1:-1].max()) < _NEAR_ONE:
                return
            here = self._advance(here)

    # -- one step ------------------------------------------------------------------------------
    def _advance(self, here: _At) -> _At | None:
        """The solution at a larger alpha: a step, an onset or the other side of a fold."""
        left = math.log(self.alpha_max) - here.log_alpha
        complete = here.solid == self.problem.L - 1
        self.step = min(2.0 * self.step, _LARGEST_SOLID if complete else _LARGEST)
        while self.step > _SMALLEST:
            after = self._solve(here, here.log_alpha + min(self.step, left))
            if after is None:
                self.step *= 0.5
            elif self._excess(after) < 0.0:
                return after
            else:
                try:
                    onset, width = self._onset(here, after)
                except ArithmeticError:
                    self.step *= 0.5
                    continue
                return self._wake(onset, width)
        return self._fold(here)

    def _solve(self, near: _At, log_alpha: float) -> _At | None:
        """The solution at ``log_alpha`` predicted from one nearby; None if it is not that one.

        Small overlaps grow linearly in alpha, and so the logarithm of 1 + step y' is predicted.
        """
        equations = symmetric_equations(self.problem).at(math.exp(log_alpha))
        active = near.state.active
        move = (log_alpha - near.log_alpha) * near.tangent
        guess = np.where(active, near.state.logits, 0.0) + np.sign(move) * np.log1p(np.abs(move))
        start = near.state.with_logits(active, guess)
        found = newton_from(equations, start, max_iter=12, dying=False)
        if not found.converged or np.max(np.abs(found.y - guess)[active]) > _MISS:
            return None
        state = near.state.with_logits(active, found.y)
        tangent = solve_bands(found.bands, equations.by_log_alpha(state, active))
        return None if tangent is None else _At(state, log_alpha, np.where(active, tangent, 0.0))

    def _growth(self, at: _At) -> FloatArray:
        """ln growth of the liquid layers, -inf of the others."""
        liquid = at.state.q[1:-1] == 0.0
        return np.where(liquid, self.fronts.log_growth(at.state, at.log_alpha), -math.inf)

    def _excess(self, at: _At) -> float:
        return float(np.max(self._growth(at)))

    # -- onsets --------------------------------------------------------------------------------
    def _onset(self, below: _At, above: _At) -> tuple[_At, float]:
        """The first onset between two alphas, and its half width in ln alpha.

        ArithmeticError where they are too far apart for the solutions between to be predicted.
        """

        def at(log_alpha: float) -> _At:
            for end in (below, above):
                if end.log_alpha == log_alpha:
                    return end
            found = self._solve(below, log_alpha) or self._solve(above, log_alpha)
            if found is None:
                raise ArithmeticError(f"no solution at ln alpha = {log_alpha!r}")
            return found

        def excess(log_alpha: float) -> float:
            return self._excess(at(log_alpha))

        root = float(brentq(excess, below.log_alpha, above.log_alpha, xtol=1e-13, rtol=1e-14))
        width = _BRACKET
        while excess(root - width) * excess(root + width) > 0.0 and width < _SMALLEST:
            width *= 4.0
        return at(root), width

    def _wake(self, at: _At, width: float = 0.0) -> _At | None:
        """Note the threshold of the layer at its onset; the solution with it just behind."""
        layer = 1 + int(np.argmax(self._growth(at)))
        alpha = math.exp(at.log_alpha)
        error = alpha * (width + _ROUNDING)
        curve = Curve(symmetric_equations(self.problem), neuron_logit(layer))
        overlap = _SEED
        while True:
            seed = self.fronts.seed(at.state, at.log_alpha, layer, overlap)
            start = curve.solve(seed, at.log_alpha)
            behind = None if start is None else self._behind(start)
            if behind is None or self._excess(behind) < 0.0:
                break
            overlap *= _SMALLER
        if start is None or behind is None:
            self.thresholds.append(Threshold(layer, alpha, error, alpha, Order.SECOND, math.nan))
            self.end = f"the solution is lost at alpha = {alpha:.6g}"
            return None
        if start.slope < 0.0:
            return self._jump(at, error)
        growth = float(start.state.q[layer] / start.slope)
        self.thresholds.append(Threshold(layer, alpha, error, alpha, Order.SECOND, growth))
        self.report(len(self.thresholds))
        return behind

    def _behind(self, start: Point) -> _At:
        """A point of a curve as a point in ln alpha."""
        tangent = np.where(start.state.active, start.tangent / start.slope, 0.0)
        return _At(start.state, start.log_alpha, tangent)

    # -- folds ---------------------------------------------------------------------------------
    def _fold(self, here: _At) -> _At | None:
        """Where alpha has a maximum, or the volume closes; the solution on the other side."""
        k = int(np.argmax(np.abs(here.tangent)))
        sign = math.copysign(1.0, float(here.tangent[k]))
        curve = Curve(symmetric_equations(self.problem), k, sign=sign)
        last = point = curve.solve(here.state, here.log_alpha)
        if last is None or point is None:
            self.end = f"the solution is lost at alpha = {math.exp(here.log_alpha):.6g}"
            return None

        def over(point: Point) -> bool:
            return point.slope <= 0.0 or float(np.min(point.state.P)) < _CLOSED

        for reached in curve.trace(point, over):
            last, point = point, reached
        if point.slope > 0.0:
            self.end = f"the symmetric solutions end at alpha = {point.alpha:.6g}"
            return None
        top = curve.fold(last, point)
        return self._jump(
            _At(top.state, top.log_alpha, here.tangent), top.alpha * (_BRACKET + _ROUNDING)
        )

    def _jump(self, at: _At, error: float) -> _At | None:
        """The other side of a step at ``at``, with the layers that become solid in it."""
        log_alpha = at.log_alpha + _ACROSS
        equations = symmetric_equations(self.problem).at(math.exp(log_alpha))
        found = settle(equations, at.state, side=+1, max_sweeps=_SWEEPS)
        alpha = math.exp(at.log_alpha)
        if not found.found:
            self.end = f"the symmetric solutions end at alpha = {alpha:.6g}"
            return None
        nan = math.nan
        new = np.flatnonzero((at.state.q == 0.0) & (found.state.q > 0.0))
        solid = np.flatnonzero(at.state.q[1:-1] > 0.0) + 1
        from_inputs = [n for n in new if np.all(found.state.q[1:n] > 0.0)]
        order = [*(n for n in new[::-1] if n not in from_inputs), *from_inputs]
        for n in order:
            self.thresholds.append(Threshold(int(n), alpha, error, nan, Order.FIRST, nan))
        self.steps.append(
            Step(
                up=alpha, down=nan, coexistence=nan, uncertainty=nan,
                solid_before=solid.size, solid_after=solid.size + new.size,
                q_before=float(np.min(at.state.q[1:-1])),
                q_after=float(np.min(found.state.q[1:-1])),
            )
        )  # fmt: skip
        self.report(len(self.thresholds))
        active = found.state.active
        _, bands = equations.linearise(found.state, active)
        tangent = solve_bands(bands, equations.by_log_alpha(found.state, active))
        if tangent is None:
            self.end = f"the solution is lost at alpha = {alpha:.6g}"
            return None
        return _At(found.state, log_alpha, np.where(active, tangent, 0.0))
