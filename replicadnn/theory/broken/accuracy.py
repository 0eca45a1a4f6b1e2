"""How well numbers solve the equations: absolute errors for searches, relative ones to certify."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from replicadnn.theory.broken.state import Evaluation, Image, Mapper, serial
from replicadnn.theory.broken.tuning import TUNING
from replicadnn.theory.contract import BrokenEquations
from replicadnn.types import FloatArray, IntArray


def residual(equations: BrokenEquations, ev: Evaluation, mapper: Mapper = serial) -> float:
    """max |F(x) - x| over the overlaps x = q, Q of all layers and levels, the map F undamped."""
    return _distance(ev, equations.image(ev, mapper))


def _distance(ev: Evaluation, image: Image) -> float:
    return float(np.max([abs(image.q - ev.q).max(), abs(image.Q - ev.state.Q).max()]))


def solution_error(equations: BrokenEquations, ev: Evaluation, mapper: Mapper = serial) -> float:
    """max(`residual`, |ds/dm|)."""
    return float(np.max([residual(equations, ev, mapper), np.abs(ev.ds_dm).max()]))


def polish_error(equations: BrokenEquations, ev: Evaluation, mapper: Mapper = serial) -> float:
    """`solution_error`, or ds/dq and ds/dQ, or the residual in `OverlapUnits`, which weigh less."""
    layout, image = equations.layout(ev.state), equations.image(ev, mapper)
    slopes = np.abs(equations.gradient(layout, ev)[: layout.size]).max(initial=0.0)
    relative = OverlapUnits.of(equations, ev).distance(equations, ev, image)
    parts = [
        _distance(ev, image), np.abs(ev.ds_dm).max(), TUNING.slope_weight * slopes,
        TUNING.relative_weight * relative,
    ]  # fmt: skip
    return float(np.max(parts))


@dataclass(frozen=True, slots=True)
class OverlapUnits:
    """x_EA (1 - x_i) of every overlap x_i: q (L+1, K+1) and Q (L, K+1).

    For x_EA itself it is d x_EA/d logit x_EA.  (With x_EA (1 - x_EA) for all levels the rounding of
    low ones would decide where x_EA is next to one.)  A saturated layer counts by its last level
    below one.  Overlaps that are exact, 0 or 1 in the data, in liquid layers and above m*, have the
    unit 1: they count by what they are off.
    """

    q: FloatArray
    Q: FloatArray
    last: IntArray

    @classmethod
    def of(cls, equations: BrokenEquations, ev: Evaluation) -> OverlapUnits:
        """At an evaluation."""
        state = ev.state
        q_rest, Q_rest = equations.rests(ev)
        layers, last = np.arange(state.L + 1), np.maximum(state.top, 1) - 1
        q = ev.q[layers, last][:, None] * (1.0 - ev.q)
        q[layers, last] = ev.q[layers, last] * q_rest
        Q = state.Q[:, -1:] * (1.0 - state.Q)
        Q[:, -1] = state.Q[:, -1] * Q_rest
        return cls(np.where(q > 0.0, q, 1.0), np.where(Q > 0.0, Q, 1.0), last)

    def residual(self, equations: BrokenEquations, ev: Evaluation) -> float:
        """max |F(x) - x| in these units; at the last level from the distances from one."""
        return self.distance(equations, ev, equations.image(ev))

    def distance(self, equations: BrokenEquations, ev: Evaluation, image: Image) -> float:
        """The same of an image F(x) that is known."""
        state = ev.state
        layers = np.arange(state.L + 1)
        q, Q = image.q - ev.q, image.Q - state.Q
        rest = equations.rests(ev)[0]
        q[layers, self.last] = image.q_rest - rest
        Q[:, -1] = image.Q_rest - (1.0 - state.Q[:, -1])
        return float(np.max([(abs(q) / self.q).max(), (abs(Q) / self.Q).max()]))
