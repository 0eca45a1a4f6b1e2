"""Is a solution connected to the liquid?  The curve through it is followed downwards in alpha."""

from __future__ import annotations

import math

import numpy as np

from replicadnn.theory.contract import SymmetricEquations
from replicadnn.theory.symmetric.curve import Curve, Point
from replicadnn.theory.symmetric.search import settle
from replicadnn.theory.symmetric.state import State, distance, neuron_logit

#: An overlap below this is about to vanish: its layer becomes liquid just below this alpha.
_VANISHES = 1e-6
#: Relative step in alpha to where it is liquid (next to its onset passes take forever) ...
_BELOW = 1e-5
#: ... and the smallest solution has to have the overlaps of the curve, to this.
_SAME = 1e-2
#: Controls that follow one another at most.
_TURNS = 100


def connected_to_liquid(equations: SymmetricEquations, state: State, *, max_sweeps: int) -> bool:
    """Follow a solution down in alpha: does it lead to the liquid without a fold?

    The curve is followed by `Curve`, whose control is replaced where it turns back.  It ends where
    alpha has a minimum (a fold, spinodal: not connected) or where a layer becomes liquid; connected
    is what then meets the smallest solution just below that alpha, which climbs from the liquid.
    A deep network is judged at the depth of `SymmetricEquations.shallow`, from the solution that
    is found there from the liquid.
    """
    shallow = equations.shallow()
    if shallow.problem.L != equations.problem.L:
        equations, L = shallow, shallow.problem.L
        settled = settle(equations, State.liquid(L), side=+1, max_sweeps=max_sweeps)
        if not settled.found:
            return False
        state = settled.state
    if equations.problem.L == 1 or np.any(state.q == 0.0):
        return True
    point = _down_to_a_liquid_layer(equations, state)
    if point is None:
        return False
    smallest = settle(
        equations.at(point.alpha * (1.0 - _BELOW)), State.liquid(equations.problem.L), side=+1,
        max_sweeps=max_sweeps,
    )  # fmt: skip
    return smallest.found and distance(smallest.state, point.state) < _SAME


def _down_to_a_liquid_layer(equations: SymmetricEquations, state: State) -> Point | None:
    """The point of the curve at smaller alpha at which a layer is about to melt; None: a fold."""
    last = 1 + int(np.argmin(state.q[1:-1]))
    curve = Curve(equations, neuron_logit(last))
    point = curve.solve(state, math.log(equations.problem.alpha))
    if point is not None and point.slope > 0.0:
        curve = Curve(equations, neuron_logit(last), sign=-1.0)
        point = curve.solve(state, math.log(equations.problem.alpha))
    for _ in range(_TURNS):
        if point is None:
            return None
        for reached in curve.trace(point, lambda here: _over(here) or here.turning):
            point = reached
        if point.slope >= 0.0:
            return None
        if _over(point):
            return point
        turned = curve.turned(point)
        if turned is curve:
            return None
        curve, point = turned, turned.solve(point.state, point.log_alpha)
    return None


def _over(point: Point) -> bool:
    """Whether alpha rises again, or a layer vanishes."""
    return point.slope >= 0.0 or bool(np.min(point.state.q[1:-1]) < _VANISHES)
