"""The broken-symmetry engine with the averaged closure, by plain numbers."""

from __future__ import annotations

import math
from typing import Any

from replicadnn.problem import Ansatz, Problem, Scenario
from replicadnn.status import BranchKind
from replicadnn.theory.broken.search import Found, find
from replicadnn.theory.broken.state import State
from replicadnn.theory.closures.averaged.broken import LevelEquations


def equations(
    alpha: float, L: int, kappa: float = 0.0, beta: float = math.inf, points: float = 5.0
) -> LevelEquations:
    """K-level equations of random data."""
    problem = Problem(
        alpha=alpha, L=L, scenario=Scenario.RANDOM, ansatz=Ansatz.RSB, kappa=kappa, beta=beta
    )
    return LevelEquations(problem, points)


def branch_at(
    alpha: float,
    L: int,
    *,
    kappa: float = 0.0,
    beta: float = math.inf,
    branch: str = "continuous",
    start: Found | State | None = None,
    **options: Any,
) -> Found:
    """`find` for one branch of one point; ``start`` may be what was found at another alpha."""
    state = start.state if isinstance(start, Found) else start
    here = equations(alpha, L, kappa, beta)
    return find(here, BranchKind(branch), start=state, **options)
