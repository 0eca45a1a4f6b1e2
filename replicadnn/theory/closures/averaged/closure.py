"""The closure of the article: a neuron is averaged inside the interaction of its perceptron."""

from __future__ import annotations

from dataclasses import dataclass

from replicadnn.problem import AVERAGED, Problem
from replicadnn.solution import Solution
from replicadnn.theory.closures.averaged import closed_forms
from replicadnn.theory.closures.averaged.broken import LevelEquations, floor_points
from replicadnn.theory.closures.averaged.entropy import interaction_overlap
from replicadnn.theory.closures.averaged.equations import Equations
from replicadnn.theory.closures.averaged.fronts import Fronts
from replicadnn.theory.closures.averaged.gaps import GapDensity
from replicadnn.theory.closures.averaged.general import GeneralEquations
from replicadnn.theory.contract import SaturatedEnds
from replicadnn.theory.symmetric.state import State


@dataclass(frozen=True, slots=True)
class Averaged:
    """S_l^a S_l^b -> q_ab(l) in the interaction (docs/theory.md); covers every `Problem`."""

    name: str = AVERAGED

    def check(self, problem: Problem) -> None:
        """Nothing is refused."""

    def symmetric(self, problem: Problem) -> Equations:
        """The replica-symmetric equations of docs/theory.md, sections 3 and 4."""
        return Equations(problem)

    def broken(self, problem: Problem) -> LevelEquations:
        """The K-level equations of docs/theory.md, section 6."""
        return LevelEquations(problem)

    def flow_points(self, problem: Problem, state: State) -> float:
        """Grid that resolves the kink of an interaction at its floor -beta; 0: no such kink."""
        return floor_points(problem.kappa, problem.beta, *interaction_overlap(state))

    def fronts(self, problem: Problem) -> Fronts:
        """Two mirrored fronts."""
        return Fronts(problem)

    def general(self, problem: Problem) -> GeneralEquations:
        """The same equations for a weight of one's own, in numpy."""
        return GeneralEquations(problem)

    def gaps(self, solution: Solution, layer: int) -> GapDensity:
        """Distribution of the gaps of ``layer`` (1..L), of any ansatz."""
        return GapDensity.of(solution, layer)

    def reduced_capacity(self, problem: Problem) -> float:
        """alpha_J of the equations that are left at 1 - lam -> 0."""
        return closed_forms.reduced_rs(problem.L, problem.kappa)

    def saturated_ends(self, problem: Problem, levels: int, alpha_max: float) -> SaturatedEnds:
        """From the jamming limit m* -> 0."""
        # only the capacity needs it, and it would slow every start
        from replicadnn.theory.closures.averaged import saturated_ends

        return saturated_ends.saturated_ends(problem.L, problem.kappa, levels, alpha_max)
