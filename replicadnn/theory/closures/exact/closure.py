"""The exact closure: a neuron is kept in the trace together with its own perceptron."""

from __future__ import annotations

from dataclasses import dataclass

from replicadnn.errors import InputError
from replicadnn.problem import EXACT, Ansatz, Problem
from replicadnn.theory.closures.exact.equations import Equations
from replicadnn.theory.closures.exact.fronts import Fronts


@dataclass(frozen=True, slots=True)
class Exact:
    """The theory that networks with N >> c >> 1 obey (docs/theory.md, section 8)."""

    name: str = EXACT

    def check(self, problem: Problem) -> None:
        """Refuses what it does not cover: a margin with a teacher, broken symmetry."""
        if problem.teacher and problem.kappa != 0.0:
            raise InputError(
                "kappa", problem.kappa,
                "0 for a teacher with the exact closure: with a margin the sum over the outputs of "
                "a perceptron depends on its field, and planting is not exact",
            )  # fmt: skip
        if problem.ansatz is not Ansatz.RS:
            raise InputError("ansatz", str(problem.ansatz), "rs with the exact closure")

    def symmetric(self, problem: Problem) -> Equations:
        """The replica-symmetric equations of docs/theory.md, section 8."""
        return Equations(problem)

    def fronts(self, problem: Problem) -> Fronts:
        """One front, from the output."""
        if problem.kappa != 0.0:
            raise InputError(
                "kappa", problem.kappa,
                "0 for the thresholds of the exact closure (with a margin a second front comes "
                "from the inputs)",
            )  # fmt: skip
        return Fronts(problem)
