"""The closures there are, by name: one package a treatment of the neurons."""

from __future__ import annotations

import math

from replicadnn.errors import InputError
from replicadnn.problem import Problem
from replicadnn.solution import Solution
from replicadnn.theory.closures.averaged.closure import Averaged
from replicadnn.theory.closures.exact.closure import Exact
from replicadnn.theory.contract import (
    BrokenEquations,
    Closure,
    Fronts,
    GapDensity,
    KnowsCapacity,
    KnowsGaps,
    KnowsLevels,
    SaturatedEnds,
    SymmetricEquations,
)

_CLOSURES: dict[str, Closure] = {}


def register(closure: Closure) -> Closure:
    """Make ``closure`` available under its name; ValueError if the name is taken by another."""
    if _CLOSURES.setdefault(closure.name, closure) != closure:
        raise ValueError(f"there is a closure {closure.name!r} already")
    return closure


def names() -> tuple[str, ...]:
    """Names of all closures."""
    return tuple(_CLOSURES)


def closure_of(problem: Problem) -> Closure:
    """The closure of ``problem``; InputError if there is none, or it does not cover ``problem``."""
    closure = _CLOSURES.get(problem.closure)
    if closure is None:
        raise InputError("closure", problem.closure, "one of " + ", ".join(names()))
    closure.check(problem)
    return closure


def symmetric_equations(problem: Problem) -> SymmetricEquations:
    """The replica-symmetric equations of ``problem``."""
    return closure_of(problem).symmetric(problem)


def fronts(problem: Problem) -> Fronts:
    """How order grows in the network of ``problem``."""
    return closure_of(problem).fronts(problem)


def gap_density(solution: Solution, layer: int) -> GapDensity:
    """Distribution of the gaps of ``layer`` (1..L) at a solution.

    InputError if the closure does not know it.
    """
    closure = closure_of(solution.problem)
    if not isinstance(closure, KnowsGaps):
        raise InputError("closure", closure.name, "one that knows the distribution of the gaps")
    return closure.gaps(solution, layer)


def broken_equations(problem: Problem) -> BrokenEquations:
    """The K-level equations of ``problem`` (random data); InputError if the closure has none."""
    closure = closure_of(problem)
    if not isinstance(closure, KnowsLevels):
        raise InputError("ansatz", str(problem.ansatz), f"rs with closure {closure.name}")
    return closure.broken(problem)


def reduced_capacity(problem: Problem) -> float:
    """Capacity of the replica-symmetric equations in closed form; nan if the closure has none."""
    closure = closure_of(problem)
    return closure.reduced_capacity(problem) if isinstance(closure, KnowsCapacity) else math.nan


def saturated_ends(problem: Problem, levels: int, alpha_max: float) -> SaturatedEnds:
    """Where saturated branches have no states left; InputError if the closure does not know."""
    closure = closure_of(problem)
    if not isinstance(closure, KnowsCapacity):
        raise InputError("ansatz", str(problem.ansatz), f"rs with closure {closure.name}")
    return closure.saturated_ends(problem, levels, alpha_max)


register(Averaged())
register(Exact())
