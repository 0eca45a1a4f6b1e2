"""Equations that an engine can solve, one package a treatment of the neurons."""

from __future__ import annotations

from replicadnn.problem import Problem
from replicadnn.theory.closures.averaged.broken import LevelEquations
from replicadnn.theory.closures.averaged.equations import Equations
from replicadnn.theory.contract import BrokenEquations, SymmetricEquations


def symmetric_equations(problem: Problem) -> SymmetricEquations:
    """The replica-symmetric equations of ``problem``."""
    return Equations(problem)


def broken_equations(problem: Problem) -> BrokenEquations:
    """The K-level equations of ``problem`` (random data)."""
    return LevelEquations(problem)
