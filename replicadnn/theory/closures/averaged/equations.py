"""The averaged closure as the symmetric engine needs it (`theory.contract.SymmetricEquations`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from replicadnn.theory.closures.averaged import entropy, replicon
from replicadnn.theory.closures.averaged.saddle import SaddlePoint
from replicadnn.theory.contract import Entropy, Fall
from replicadnn.theory.symmetric.state import State, full_order
from replicadnn.types import FloatArray

#: Depth beyond which the two fronts are independent.
FRONT = 40


@dataclass(slots=True)
class Equations(SaddlePoint):
    """The map of `SaddlePoint` with the free entropy, whose stationary points it solves."""

    @property
    def auto_is_continuous(self) -> bool:
        """For random data."""
        return not self.problem.teacher

    def at(self, alpha: float) -> Equations:
        """The same equations at another alpha."""
        return Equations(replace(self.problem, alpha=alpha))

    def shallow(self) -> Equations:
        """The network of 40 layers, parity kept: two fronts do not feel each other over more."""
        L = self.problem.L
        return Equations(replace(self.problem, L=FRONT + L % 2)) if L > FRONT else self

    def starts_above(self) -> Sequence[State]:
        """Teacher-student: q = 0.9, and full order; random: q = 0.9 only."""
        L, full = self.problem.L, full_order(self.problem)
        if not self.problem.teacher:
            return [State.uniform(L, 0.1, 0.01)]
        return [State.uniform(L, 0.1, float(full.P[0])), full]

    def search_between(self, smallest: State, largest: State, fall: Fall) -> None:
        """None: a saturated layer cuts a network in two, so that any number of them may be one.

        The solutions grow in number exponentially with L (docs/theory.md, section 5.2).
        """

    def free_entropy(self, state: State) -> Entropy:
        """s of a state at its own eps (docs/theory.md, eqs. 19, 20)."""
        return entropy.free_entropy(self, state)

    def gradient(self, state: State) -> tuple[FloatArray, FloatArray, FloatArray]:
        """ds/d(logit q), ds/d(logit Q), ds/d(ln eps), numerically."""
        return entropy.gradient(self, state)

    def mass_error(self, state: State) -> float:
        """Largest error of Int Dz w(u) = norm over the layers."""
        return self.mass_errors(*entropy.interaction_overlap(state))

    def replicon(self, state: State) -> float | None:
        """rho; None in very deep networks (L > 500)."""
        if self.problem.L > replicon.MAX_DEPTH:
            return None
        return replicon.replicon(self, state)
