"""The exact closure: a neuron is kept in the trace together with its own perceptron."""

from __future__ import annotations

import math
from dataclasses import dataclass

from replicadnn.errors import InputError
from replicadnn.problem import EXACT, Problem
from replicadnn.solution import Solution
from replicadnn.theory.closures.exact import closed_forms
from replicadnn.theory.closures.exact.equations import Equations
from replicadnn.theory.closures.exact.fronts import Fronts
from replicadnn.theory.closures.exact.gaps import GapDensity
from replicadnn.theory.closures.exact.general import GeneralEquations


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

    def general(self, problem: Problem) -> GeneralEquations:
        """The same equations for a weight of one's own, in numpy."""
        return GeneralEquations(problem)

    def gaps(self, solution: Solution, layer: int) -> GapDensity:
        """Distribution of the gaps of ``layer`` (1..L)."""
        return GapDensity.of(solution, layer)

    def reduced_capacity(self, problem: Problem) -> float:
        """From the equations left where the volume closes; nan with a margin: not derived."""
        return closed_forms.reduced_rs(problem.L) if problem.kappa == 0.0 else math.nan

    def fronts(self, problem: Problem) -> Fronts:
        """One front, from the output."""
        if problem.kappa != 0.0:
            raise InputError(
                "kappa", problem.kappa,
                "0 for the thresholds of the exact closure (with a margin a second front comes "
                "from the inputs)",
            )  # fmt: skip
        return Fronts(problem)
