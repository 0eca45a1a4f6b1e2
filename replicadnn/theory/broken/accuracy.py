"""How well numbers solve the equations: absolute errors for searches, relative ones to certify."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from replicadnn.theory.broken.layout import Layout, gather
from replicadnn.theory.broken.state import Evaluation, Mapper, serial
from replicadnn.theory.contract import BrokenEquations
from replicadnn.types import FloatArray


def residual(equations: BrokenEquations, ev: Evaluation, mapper: Mapper = serial) -> float:
    """max |F(x) - x| over the overlaps x = q, Q of all layers and levels, the map F undamped."""
    q, Q = equations.image(ev, mapper)
    return float(np.max([abs(q - ev.q).max(), abs(Q - ev.state.Q).max()]))


def solution_error(equations: BrokenEquations, ev: Evaluation, mapper: Mapper = serial) -> float:
    """max(`residual`, |ds/dm|)."""
    return float(np.max([residual(equations, ev, mapper), np.abs(ev.ds_dm).max()]))


@dataclass(frozen=True, slots=True)
class OverlapUnits:
    """x_EA (1 - x_EA) of the neuron layers (L+1) and of the couplings (L): d x_EA/d logit x_EA.

    A saturated layer counts by its last level below one.  Where no overlap lies between 0 and 1
    (liquid layers, data) the unit is 1: there an overlap that should be exact is off by what it is.
    """

    q: FloatArray
    Q: FloatArray

    @classmethod
    def of(cls, equations: BrokenEquations, ev: Evaluation) -> OverlapUnits:
        """At an evaluation."""
        q_rest, Q_rest = equations.rests(ev)
        top = np.minimum(ev.state.top, ev.state.m.size) - 1
        q = ev.q[np.arange(ev.q.shape[0]), np.maximum(top, 0)] * q_rest
        Q = ev.state.Q[:, -1] * Q_rest
        return cls(np.where(q > 0.0, q, 1.0), np.where(Q > 0.0, Q, 1.0))

    def vector(self, layout: Layout, ev: Evaluation) -> FloatArray:
        """The units of the unknowns (without m)."""
        Q = np.broadcast_to(self.Q[:, None], ev.state.Q.shape)
        return gather(layout, Q, np.broadcast_to(self.q[:, None], ev.q.shape))

    def residual(self, equations: BrokenEquations, ev: Evaluation) -> float:
        """max |F(x) - x| in these units."""
        q, Q = equations.image(ev)
        return float(
            np.max(
                [
                    (abs(q - ev.q) / self.q[:, None]).max(),
                    (abs(Q - ev.state.Q) / self.Q[:, None]).max(),
                ]
            )
        )
