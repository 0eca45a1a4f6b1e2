"""What a treatment of the neurons, a closure, has to offer the engines.

An engine (`theory.symmetric`, `theory.broken`) searches, follows and certifies solutions; it knows
no equation.  A closure states equations and knows no search.  `theory.closures` picks the closure
of a `Problem`; whatever has these methods can be plugged in (tests/test_contract.py does).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from replicadnn.problem import Problem
from replicadnn.theory.symmetric.state import State
from replicadnn.types import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class Entropy:
    """Free entropy and its parts: interaction (L), couplings S_sph/alpha (L), neurons (L-1)."""

    total: float
    interaction: FloatArray
    couplings: FloatArray
    neurons: FloatArray


class SymmetricEquations(Protocol):
    """Replica-symmetric saddle-point equations x = F(x) of one `Problem`, in logits of overlaps."""

    problem: Problem

    @property
    def monotone(self) -> bool:
        """Whether F is known to increase in every overlap: climbs find the smallest solution."""

    def sweep(self, state: State, pairs: int) -> float:
        """``pairs`` relaxation passes in place; the last relative change."""

    def active(self, state: State) -> BoolArray:
        """Mask of the logits that are neither liquid nor saturated, the unknowns of Newton."""

    def linearise(self, state: State, active: BoolArray) -> tuple[FloatArray, FloatArray]:
        """F(y) - y (0 outside ``active``) and the bands of 1 - dF/dy, of any width."""

    def by_log_alpha(self, state: State, active: BoolArray) -> FloatArray:
        """dF/d ln alpha at fixed overlaps (0 outside ``active``)."""

    def residual(self, state: State) -> float:
        """max |F(y) - y|."""

    def unstable_liquid_layers(self, state: State) -> list[int]:
        """Hidden layers (1..L-1) that are liquid although their neighbours make them unstable."""

    def free_entropy(self, state: State) -> Entropy:
        """s and its parts by layer; stationary at a solution."""

    def gradient(self, state: State) -> tuple[FloatArray, FloatArray, FloatArray]:
        """ds/d logit q, ds/d logit Q, ds/d ln eps, by a second route than F."""

    def mass_error(self, state: State) -> float:
        """Largest error of a normalisation that holds exactly."""

    def replicon(self, state: State) -> float | None:
        """rho, 1 at the de Almeida-Thouless line; None where it costs too much."""
