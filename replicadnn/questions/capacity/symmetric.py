"""Capacity of the replica-symmetric solutions, from the full equations (no closed form used).

The solution is followed with 1 - Q of one layer as the control; alpha(1 - Q) is extrapolated to
1 - Q = 0, where q, Q -> 1 and s -> -infinity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from replicadnn.problem import Ansatz, Problem, Scenario
from replicadnn.questions.capacity.result import CapacityPoint, End
from replicadnn.theory.closures import reduced_capacity, symmetric_equations
from replicadnn.theory.counting import counting_bound
from replicadnn.theory.symmetric.curve import Curve
from replicadnn.theory.symmetric.search import Settled, settle
from replicadnn.theory.symmetric.state import State, coupling_logit

_SWEEPS = 3000
#: Relative bracket from which the solution is followed with 1 - Q as the parameter.
_NEAR = 0.02
#: Relative bracket while a layer is liquid: order may still spread before the end.
_NEAR_LIQUID = 1e-4
#: 1 - Q that ends the extrapolation, and the largest from which one is made.
_CLOSEST = 1e-7
_CLOSE = 1e-4
#: Steps in the logit of Q: the first (half a decade of 1 - Q), and where the curve is given up.
_STEP = 0.5 * math.log(10.0)
_SMALLEST_STEP = 0.02
#: Fewer points than this are no curve.
_FEWEST = 4
#: A maximum of alpha is a spinodal if alpha then falls by more than this part of it.
_FALL = 1e-9
#: Smallest relative uncertainty: rounding of alpha, amplified by the extrapolation.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class _Bracket:
    """A solution ``state`` at alpha = ``low``, none at ``high`` (inf: none up to the largest)."""

    low: float
    high: float
    state: State


def closing(L: int, kappa: float, *, alpha_max: float = 1e6) -> CapacityPoint:
    """The end of the replica-symmetric solutions of depth L at margin kappa below ``alpha_max``."""
    problem = Problem(alpha=1.0, L=L, scenario=Scenario.RANDOM, kappa=kappa)
    blank = CapacityPoint(
        L=L, kappa=kappa, ansatz=Ansatz.RS, alpha=math.nan, uncertainty=math.nan, end=End.FAILED,
        reduced=reduced_capacity(problem), bound=counting_bound(L) if kappa >= 0.0 else math.nan,
    )  # fmt: skip
    found = _bracket(problem, alpha_max)
    state = found.state
    if math.isinf(found.high):
        rest = float(state.P[0])
        words = f"solution at alpha = {alpha_max:g}, 1 - Q = {rest:.2e}"
        return replace(blank, end=End.NO_END, mismatch=rest, message=words)
    liquid = bool(np.any(state.q == 0.0))
    middle = not liquid and L > 1
    alphas, rests = _follow(problem, found, L // 2 + 1 if middle else 1)
    if middle and (len(alphas) < _FEWEST or rests[-1] > _CLOSE):
        middle = False
        alphas, rests = _follow(problem, found, 1)
    if len(alphas) < _FEWEST:
        words = (
            f"solution at {found.low:.6g}, search stops at {found.high:.6g}; "
            f"1 - Q(1) = {state.P[0]:.1e} there"
            + (" while layers in the middle are liquid" if liquid else "")
        )
        return replace(blank, alpha=found.low, mismatch=float(state.P[L // 2]), message=words)
    return _end(blank, alphas, rests, found.high, middle)


def _end(
    blank: CapacityPoint, alphas: list[float], rests: list[float], high: float, middle: bool
) -> CapacityPoint:
    """How the curve alpha(1 - Q) ends, of the ``middle`` layer or else of the first."""
    top = int(np.argmax(alphas))
    if top < len(alphas) - 1 and alphas[top] > alphas[-1] * (1.0 + _FALL):
        error = abs(alphas[top] - max(alphas[max(top - 1, 0)], alphas[top + 1]))
        words = f"turns back at 1 - Q = {rests[top]:.2e}; divergence at {alphas[-1]:.6g}"
        return replace(
            blank, alpha=alphas[top], uncertainty=error, end=End.SPINODAL, mismatch=rests[top],
            message=words,
        )  # fmt: skip
    closest = rests[-1]
    if closest > _CLOSE:
        return replace(
            blank, alpha=alphas[-1], uncertainty=abs(high - alphas[-1]), mismatch=closest,
            message=f"followed to 1 - Q = {closest:.1e} only",
        )  # fmt: skip
    before, last = (
        alphas[i] - rests[i] * (alphas[i] - alphas[i - 1]) / (rests[i] - rests[i - 1])
        for i in (-2, -1)
    )
    error = max(10.0 * abs(last - before), _ROUNDING * last)
    if not middle and blank.L > 2:  # layers behind the first stay open: no straight line in 1 - Q
        error = max(error, abs(last - alphas[-1]))
    return replace(
        blank, alpha=last, uncertainty=error, end=End.DIVERGENCE, mismatch=closest,
        message="q, Q -> 1, s -> -infinity",
    )  # fmt: skip


def _bracket(problem: Problem, alpha_max: float) -> _Bracket:
    """Climb from the liquid: by factors of 2, then by bisection between solution and none."""

    def attempt(alpha: float, start: State) -> Settled:
        equations = symmetric_equations(replace(problem, alpha=alpha))
        return settle(equations, start, side=+1, max_sweeps=_SWEEPS)

    low, state = 1e-3, State.liquid(problem.L)
    high = math.inf
    while math.isinf(high):
        trial = min(2.0 * low, alpha_max)
        found = attempt(trial, state)
        if not found.found:
            high = trial
        elif trial == alpha_max:
            return _Bracket(trial, math.inf, found.state)
        else:
            low, state = trial, found.state
    while high > (1.0 + (_NEAR_LIQUID if np.any(state.q == 0.0) else _NEAR)) * low:
        middle = math.sqrt(low * high)
        found = attempt(middle, state)
        if found.found:
            low, state = middle, found.state
        else:
            high = middle
    return _Bracket(low, high, state)


def _follow(problem: Problem, start: _Bracket, layer: int) -> tuple[list[float], list[float]]:
    """alpha and 1 - Q(layer) along the curve of solutions, down to 1e-7.

    Empty if no curve starts here, or if a layer that is liquid would not stay so.
    """
    curve = Curve(symmetric_equations(problem), coupling_logit(layer))
    point = curve.solve(start.state, math.log(start.low))
    alphas: list[float] = []
    rests: list[float] = []
    step = _STEP
    while point is not None:
        last = point
        alphas.append(point.alpha)
        rests.append(float(point.state.P[layer - 1]))
        if rests[-1] < _CLOSEST:
            break
        point = None
        while point is None and step > _SMALLEST_STEP:
            point = curve.at(last.y + step, last)
            if point is None:
                step *= 0.5
    if alphas and curve.equations.at(last.alpha).unstable_liquid_layers(last.state):
        return [], []
    return alphas, rests
