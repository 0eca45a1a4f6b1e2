"""The exact closure: a neuron is kept in the trace together with its own perceptron."""

from __future__ import annotations

import math
from dataclasses import dataclass

from replicadnn.errors import InputError
from replicadnn.problem import EXACT, Ansatz, Problem
from replicadnn.solution import Solution
from replicadnn.theory import contract
from replicadnn.theory.closures.averaged.broken import floor_points
from replicadnn.theory.closures.exact import broken_gaps, closed_forms
from replicadnn.theory.closures.exact.broken import LevelEquations
from replicadnn.theory.closures.exact.equations import Equations
from replicadnn.theory.closures.exact.fronts import Fronts, TwoFronts
from replicadnn.theory.closures.exact.gaps import GapDensity
from replicadnn.theory.closures.exact.general import GeneralEquations
from replicadnn.theory.symmetric.state import State


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

    def broken(self, problem: Problem) -> LevelEquations:
        """The K-level equations of docs/theory.md, section 8."""
        return LevelEquations(problem)

    def flow_points(self, problem: Problem, state: State) -> float:
        """Grid that resolves the kink of the output at its floor -beta; 0: no such kink."""
        lam, rest = state.q[-2:-1] * state.Q[-1:], state.p[-2:-1] + state.q[-2:-1] * state.P[-1:]
        return floor_points(problem.kappa, problem.beta, lam, rest)

    def general(self, problem: Problem) -> GeneralEquations:
        """The same equations for a weight of one's own, in numpy."""
        return GeneralEquations(problem)

    def gaps(self, solution: Solution, layer: int) -> contract.GapDensity:
        """Distribution of the gaps of ``layer`` (1..L)."""
        if solution.problem.ansatz is not Ansatz.RS:
            return broken_gaps.gap_density(solution, layer)
        return GapDensity.of(solution, layer)

    def reduced_capacity(self, problem: Problem) -> float:
        """From the equations left where the volume closes; nan with a margin: not derived."""
        return closed_forms.reduced_rs(problem.L) if problem.kappa == 0.0 else math.nan

    def saturated_ends(
        self, problem: Problem, levels: int, alpha_max: float
    ) -> contract.SaturatedEnds:
        """End of the branch of the liquid, where all m -> 0 and all overlaps at x = 1 tend to one.

        No q is one before (docs/theory.md, section 8.15).  More than one level: up to
        ``DEEPEST``.  One perceptron is that of the averaged closure.
        """
        from replicadnn.theory.closures.averaged import saturated_ends
        from replicadnn.theory.closures.exact import closing, closing_levels

        if problem.L == 1:  # no hidden neuron
            return saturated_ends.saturated_ends(1, problem.kappa, levels, alpha_max)
        if problem.kappa != 0.0:
            raise InputError(
                "kappa", problem.kappa, "0 for the end of broken symmetry in the exact closure"
            )
        further = levels if problem.L <= closing_levels.DEEPEST else 1
        found = (closing.one_step_end(problem.L), *closing_levels.ends(problem.L, further))
        return contract.SaturatedEnds(found if found[-1] <= alpha_max else (), (), problem.L)

    def fronts(self, problem: Problem) -> Fronts:
        """One front, from the output; InputError with a margin (`independent_fronts`)."""
        if problem.kappa != 0.0:
            raise InputError(
                "kappa",
                problem.kappa,
                "0 for the thresholds of one front (with a margin there are two fronts: ansatz rs)",
            )
        return Fronts(problem)

    def independent_fronts(self, problem: Problem) -> TwoFronts | None:
        """With a margin: one from the inputs, one from the outputs."""
        return TwoFronts(problem) if problem.kappa != 0.0 else None
