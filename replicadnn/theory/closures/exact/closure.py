"""The exact closure: a neuron is kept in the trace together with its own perceptron."""

from __future__ import annotations

import math
from dataclasses import dataclass

from replicadnn.errors import InputError
from replicadnn.problem import EXACT, Problem
from replicadnn.solution import Solution
from replicadnn.theory.closures.exact import closed_forms
from replicadnn.theory.closures.exact.equations import Equations
from replicadnn.theory.closures.exact.fronts import Fronts, TwoFronts
from replicadnn.theory.closures.exact.gaps import GapDensity


@dataclass(frozen=True, slots=True)
class Exact:
    """The theory that networks with N >> c >> 1 obey (docs/theory.md, section 8)."""

    name: str = EXACT

    def check(self, problem: Problem) -> None:
        """Refuses a margin with a teacher."""
        if problem.teacher and problem.kappa != 0.0:
            raise InputError(
                "kappa", problem.kappa,
                "0 for a teacher with the exact closure: with a margin the sum over the outputs of "
                "a perceptron depends on its field, and planting is not exact",
            )  # fmt: skip

    def symmetric(self, problem: Problem) -> Equations:
        """The replica-symmetric equations of docs/theory.md, section 8."""
        return Equations(problem)

    def gaps(self, solution: Solution, layer: int) -> GapDensity:
        """Distribution of the gaps of ``layer`` (1..L)."""
        return GapDensity.of(solution, layer)

    def reduced_capacity(self, problem: Problem) -> float:
        """From the equations left where the volume closes; nan with a margin: not derived."""
        return closed_forms.reduced_rs(problem.L) if problem.kappa == 0.0 else math.nan

    def fronts(self, problem: Problem) -> Fronts:
        """One front, from the output; InputError with a margin (`independent_fronts`)."""
        if problem.kappa != 0.0:
            raise InputError("kappa", problem.kappa, "0: with a margin there are two fronts")
        return Fronts(problem)

    def independent_fronts(self, problem: Problem) -> TwoFronts | None:
        """With a margin: one from the inputs, one from the outputs."""
        return TwoFronts(problem) if problem.kappa != 0.0 else None
