"""Capacity with broken symmetry: where the saturated branch, q = 1 above m*, has no states left.

It dies where m* -> 0 and the logarithm of the number of its states reaches zero
(`replicadnn.theory.closures.saturated_ends`).
"""

from __future__ import annotations

import math
from dataclasses import replace

from replicadnn.problem import AVERAGED, Ansatz, Problem, Scenario
from replicadnn.questions.capacity.result import CapacityPoint, End
from replicadnn.questions.capacity.symmetric import closing
from replicadnn.theory.closures import saturated_ends
from replicadnn.theory.contract import SaturatedEnds
from replicadnn.theory.counting import counting_bound


def closing_rsb(
    L: int, kappa: float, *, levels: int = 3, closure: str = AVERAGED, alpha_max: float = 1e6
) -> CapacityPoint:
    """The end of the saturated branch (L >= 2) or of one perceptron with kappa < 0, K = levels."""
    if L == 1 and kappa >= 0.0:
        same = closing(1, kappa, closure=closure, alpha_max=alpha_max)
        return replace(
            same, ansatz=Ansatz.RSB, message=f"{same.message}; convex: replica symmetric"
        )
    problem = Problem(
        alpha=1.0, L=L, scenario=Scenario.RANDOM, ansatz=Ansatz.RSB, kappa=kappa, closure=closure
    )  # fmt: skip
    ends = saturated_ends(problem, levels, alpha_max)
    closed, beside = ends.everywhere, ends.beside
    best, saturated = closed, -1
    if beside and (not closed or beside[-1] < closed[-1]):
        best, saturated = beside, 1
    blank = CapacityPoint(
        L=L, kappa=kappa, ansatz=Ansatz.RSB, alpha=math.nan, uncertainty=math.nan, end=End.FAILED,
        reduced=closed[0] if L > 1 and closed and best != closed[:1] else math.nan,
        bound=counting_bound(L) if kappa >= 0.0 else math.nan,
        message="the equations of the limit were not solved",
    )  # fmt: skip
    if not best:
        return blank
    error = abs(best[-1] - best[-2]) if len(best) > 1 and math.isfinite(best[-2]) else math.nan
    return replace(
        blank, alpha=best[-1], uncertainty=error, end=End.NO_STATES, levels=len(best),
        saturated_layers=saturated, by_level=best, message=_words(ends, L, levels, len(best)),
    )  # fmt: skip


def _words(ends: SaturatedEnds, L: int, levels: int, solved: int) -> str:
    words = "m* -> 0, s -> -infinity"
    if ends.deepest < L:
        words += (
            "; saturated beside the boundaries "
            f"(all layers saturated: not solved for L > {ends.deepest})"
        )
    if solved < levels:
        words += f"; {solved} of {levels} levels (more do not lower it or were not solved)"
    return words
