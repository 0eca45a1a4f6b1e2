"""The averaged closure as the symmetric engine needs it (`theory.contract.SymmetricEquations`)."""

from __future__ import annotations

from dataclasses import dataclass

from replicadnn.theory.closures.averaged import entropy, replicon
from replicadnn.theory.closures.averaged.saddle import SaddlePoint
from replicadnn.theory.contract import Entropy
from replicadnn.theory.symmetric.state import State
from replicadnn.types import FloatArray


@dataclass(slots=True)
class Equations(SaddlePoint):
    """The map of `SaddlePoint` with the free entropy, whose stationary points it solves."""

    def free_entropy(self, state: State) -> Entropy:
        """s of a state at its own eps (docs/theory.md, eqs. 19, 20)."""
        return entropy.free_entropy(self, state)

    def gradient(self, state: State) -> tuple[FloatArray, FloatArray, FloatArray]:
        """ds/d(logit q), ds/d(logit Q), ds/d(ln eps), numerically."""
        return entropy.gradient(self, state)

    def mass_error(self, state: State) -> float:
        """Largest error of Int Dz w(u) = norm over the layers."""
        return entropy.mass_error(self, state)

    def replicon(self, state: State) -> float | None:
        """rho; None in very deep networks (L > 500)."""
        if self.problem.L > replicon.MAX_DEPTH:
            return None
        return replicon.replicon(self, state)
