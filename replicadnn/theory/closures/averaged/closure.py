"""The closure of the article: a neuron is averaged inside the interaction of its perceptron."""

from __future__ import annotations

from dataclasses import dataclass

from replicadnn.problem import AVERAGED, Problem
from replicadnn.solution import Solution
from replicadnn.theory.closures.averaged.equations import Equations
from replicadnn.theory.closures.averaged.fronts import Fronts
from replicadnn.theory.closures.averaged.gaps import GapDensity


@dataclass(frozen=True, slots=True)
class Averaged:
    """S_l^a S_l^b -> q_ab(l) in the interaction (docs/theory.md); covers every `Problem`."""

    name: str = AVERAGED

    def check(self, problem: Problem) -> None:
        """Nothing is refused."""

    def symmetric(self, problem: Problem) -> Equations:
        """The replica-symmetric equations of docs/theory.md, sections 3 and 4."""
        return Equations(problem)

    def fronts(self, problem: Problem) -> Fronts:
        """Two mirrored fronts."""
        return Fronts(problem)

    def gaps(self, solution: Solution, layer: int) -> GapDensity:
        """Distribution of the gaps of ``layer`` (1..L), of any ansatz."""
        return GapDensity.of(solution, layer)
