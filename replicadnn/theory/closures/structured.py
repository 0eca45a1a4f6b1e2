"""One perceptron that learns structured inputs from a teacher: another response of the couplings.

The equations of independent inputs give the field B of a state; Q = <B s^2/(1 + B s)> replaces
Q = B/(1 + B) (docs/inputs.md, section 2).  Q is the overlap of the fields of two replicas.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from replicadnn.inputs import Inputs, Response, field_of
from replicadnn.problem import Problem
from replicadnn.theory.closures.common import RELATIVE_STEP, ROUNDING, STENCIL, cancel
from replicadnn.theory.contract import Entropy, Fall, SymmetricEquations
from replicadnn.theory.symmetric.state import State
from replicadnn.types import BoolArray, FloatArray

#: Stands for Q = 0 where the field of the liquid is asked for.
_NOTHING = 1e-20


@dataclass(slots=True)
class StructuredEquations:
    """The equations of ``plain``, those of independent inputs, with the response of ``inputs``."""

    problem: Problem
    inputs: Inputs
    plain: SymmetricEquations

    @property
    def monotone(self) -> bool:
        """The response rises with B, and B with Q where that of independent inputs does."""
        return self.plain.monotone

    @property
    def auto_is_continuous(self) -> bool:
        """There is one branch."""
        return self.plain.auto_is_continuous

    def at(self, alpha: float) -> StructuredEquations:
        """The same equations at another alpha."""
        return StructuredEquations(
            replace(self.problem, alpha=alpha), self.inputs, self.plain.at(alpha)
        )

    def shallow(self) -> StructuredEquations:
        """One layer is shallow."""
        return self

    def starts_above(self) -> Sequence[State]:
        """Full order: 1 - Q far below its smallest value, of alpha patterns a direction of x."""
        alpha = self.problem.alpha / self.inputs.rank
        return [State.uniform(1, 0.0, 1e-4 * self.inputs.rank / (1.0 + alpha) ** 2)]

    def search_between(self, smallest: State, largest: State, fall: Fall) -> None:
        """Nothing lies between."""

    def _log_field(self, state: State) -> tuple[float, float]:
        """ln B of a state, and its derivative by the logit of Q."""
        if state.Q[0] == 0.0:
            state = State.uniform(1, 1.0 - _NOTHING)
            state.Q[0] = _NOTHING
        values, bands = self.plain.linearise(state, np.ones(1, dtype=bool))
        # with independent inputs the logit of B/(1 + B) is ln B
        return float(values[0] + state.logits[0]), float(1.0 - bands[len(bands) // 2, 0])

    def _response(self, log_B: float) -> tuple[Response, float]:
        """At a field, with d logit Q/d ln B."""
        B = math.exp(log_B)
        at = self.inputs.response(B)
        return at, B * at.slope / (at.overlap * at.rest)

    def sweep(self, state: State, pairs: int) -> float:
        """``2 pairs`` passes in place; the change of the logit in the last one."""
        change = math.inf
        for _ in range(2 * pairs):
            at, _ = self._response(self._log_field(state)[0])
            new = math.log(at.overlap) - math.log(at.rest)
            change = math.inf if state.Q[0] == 0.0 else abs(new - float(state.logits[0]))
            state.Q[0], state.P[0] = at.overlap, at.rest
            if change == 0.0:
                break
        return change

    def linearise(self, state: State, active: BoolArray) -> tuple[FloatArray, FloatArray]:
        """F - y and 1 - dF/dy: one number each."""
        if not active[0]:
            return np.zeros(1), np.ones((1, 1))
        log_B, slope = self._log_field(state)
        at, gain = self._response(log_B)
        value = math.log(at.overlap) - math.log(at.rest) - float(state.logits[0])
        return np.array([value]), np.array([[1.0 - gain * slope]])

    def by_log_alpha(self, state: State, active: BoolArray) -> FloatArray:
        """dF/d ln alpha: B is proportional to alpha."""
        gain = self._response(self._log_field(state)[0])[1]
        return self.plain.by_log_alpha(state, active) * gain

    def residual(self, state: State) -> float:
        """|F - y|; inf for Q = 0, which is no solution."""
        if state.Q[0] == 0.0:
            return math.inf
        return abs(float(self.linearise(state, state.active)[0][0]))

    def unstable_liquid_layers(self, state: State) -> list[int]:
        """There is no hidden layer."""
        return []

    def _field_of(self, state: State) -> float:
        return field_of(self.inputs, float(state.Q[0]), float(state.P[0]))

    def free_entropy(self, state: State) -> Entropy:
        """Couplings: [B (1 - Q) - <ln(1 + B s)>]/(2 alpha) at the B whose response is Q."""
        plain = self.plain.free_entropy(state)
        B = self._field_of(state)
        at = self.inputs.response(B)
        couplings = np.array([(B * at.rest - at.log) / (2.0 * self.problem.alpha)])
        total = float(plain.interaction[0] + couplings[0])
        return Entropy(total, plain.interaction, couplings, plain.neurons)

    def gradient(self, state: State) -> tuple[FloatArray, FloatArray, FloatArray]:
        """ds/d logit Q: differences of the interaction, and -B Q (1 - Q)/(2 alpha)."""
        Q, P = state.Q, state.P
        step = RELATIVE_STEP * np.minimum(Q, P)
        slope, size = np.zeros(1), np.zeros(1)
        for offset, weight in STENCIL:
            moved = State(state.q, state.p, Q + offset * step, P - offset * step)
            values = self.plain.free_entropy(moved).interaction
            slope += weight * values / step
            size = np.maximum(size, ROUNDING * np.abs(values))
        couplings = -0.5 * self._field_of(state) * Q * P / self.problem.alpha
        return np.zeros(0), cancel(Q * P * slope, couplings, size), np.zeros(0)

    def mass_error(self, state: State) -> float:
        """Of the interaction."""
        return self.plain.mass_error(state)

    def replicon(self, state: State) -> None:
        """Replica symmetry is exact with a teacher."""
