"""The closures there are, by name: one package a treatment of the neurons."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from replicadnn.errors import InputError
from replicadnn.problem import EXACT, Ansatz, Problem, Scenario
from replicadnn.solution import Solution
from replicadnn.theory.closures.averaged.closure import Averaged
from replicadnn.theory.closures.exact.closure import Exact
from replicadnn.theory.closures.structured import StructuredEquations
from replicadnn.theory.contract import (
    BrokenEquations,
    Closure,
    Fronts,
    GapDensity,
    IndependentFronts,
    KnowsCapacity,
    KnowsGaps,
    KnowsIndependentFronts,
    KnowsLevels,
    KnowsPotentials,
    KnowsSaturatedEnds,
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


def named(name: str) -> Closure:
    """The closure of this name; InputError if there is none."""
    closure = _CLOSURES.get(name)
    if closure is None:
        raise InputError("closure", name, "one of " + ", ".join(names()))
    return closure


def has_levels(name: str) -> bool:
    """Whether the closure of this name has equations for broken replica symmetry."""
    return isinstance(named(name), KnowsLevels)


def has_saturated_ends(name: str) -> bool:
    """Whether the closure of this name knows where its saturated branches end."""
    return isinstance(named(name), KnowsSaturatedEnds)


def default_ansatz(scenario: Scenario, closure: str) -> Ansatz:
    """rsb for random data if the closure has levels, else rs (exact for teacher-student data).

    With exact neurons broken symmetry, ten times the work of the averaged closure, is asked for by
    name.
    """
    broken = scenario is Scenario.RANDOM and has_levels(closure) and closure != EXACT
    return Ansatz.RSB if broken else Ansatz.RS


def closure_of(problem: Problem) -> Closure:
    """The closure of ``problem``; InputError if there is none, or it does not cover ``problem``."""
    closure = named(problem.closure)
    closure.check(problem)
    if problem.ansatz is not Ansatz.RS and not isinstance(closure, KnowsLevels):
        raise InputError("ansatz", str(problem.ansatz), f"rs with closure {closure.name}")
    if problem.potential is not None:
        if not isinstance(closure, KnowsPotentials):
            raise InputError("potential", problem.potential, f"none with closure {closure.name}")
        problem.potential.at(np.zeros(1))  # a name from a file has no function
    return closure


def symmetric_equations(problem: Problem) -> SymmetricEquations:
    """The replica-symmetric equations of ``problem``."""
    closure = closure_of(problem)
    if problem.inputs is not None:
        plain = replace(problem, inputs=None)
        return StructuredEquations(problem, problem.inputs, closure.symmetric(plain))
    if problem.potential is None:
        return closure.symmetric(problem)
    assert isinstance(closure, KnowsPotentials)  # `closure_of` asked
    return closure.general(problem)


def _built_in(problem: Problem, what: str) -> Closure:
    """The closure of ``problem``; InputError if its potential is one of the user's."""
    if problem.potential is not None:
        raise InputError("potential", problem.potential, f"the built-in one for {what}")
    return closure_of(problem)


def fronts(problem: Problem) -> Fronts:
    """How order grows in the network of ``problem``."""
    return _built_in(problem, "thresholds").fronts(problem)


def independent_fronts(problem: Problem) -> IndependentFronts | None:
    """Fronts that grow independently from both ends of the network of ``problem``, if there are."""
    closure = closure_of(problem)
    if not isinstance(closure, KnowsIndependentFronts):
        return None
    return closure.independent_fronts(problem)


def gap_density(solution: Solution, layer: int) -> GapDensity:
    """Distribution of the gaps of ``layer`` (1..L) at a solution.

    InputError if the closure does not know it.
    """
    closure = _built_in(solution.problem, "the distribution of the gaps")
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
    closure = _built_in(problem, "the capacity")
    return closure.reduced_capacity(problem) if isinstance(closure, KnowsCapacity) else math.nan


def saturated_ends(problem: Problem, levels: int, alpha_max: float) -> SaturatedEnds:
    """Where saturated branches have no states left; InputError if the closure does not know."""
    closure = closure_of(problem)
    if not isinstance(closure, KnowsSaturatedEnds):
        raise InputError("ansatz", str(problem.ansatz), f"rs with closure {closure.name}")
    return closure.saturated_ends(problem, levels, alpha_max)


register(Averaged())
register(Exact())
