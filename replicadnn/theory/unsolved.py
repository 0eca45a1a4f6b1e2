"""The answer where there is no solution, or none was found."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from replicadnn.certificate import no_certificate
from replicadnn.problem import Problem
from replicadnn.solution import CONTINUOUS, OtherBranch, Solution
from replicadnn.status import Branch, Status


def unsolved(
    problem: Problem,
    status: Status,
    message: str,
    *,
    tol: float,
    branch: Branch = CONTINUOUS,
    other_branches: tuple[OtherBranch, ...] = (),
    timings: Mapping[str, float] | None = None,
) -> Solution:
    """A `Solution` without numbers (all nan) that says why there are none and what to do."""
    L = problem.L
    return Solution(
        problem=problem,
        status=status,
        message=f"{message}; to do: {status.remedy}",
        branch=branch,
        other_branches=other_branches,
        free_entropy=math.nan,
        x=np.zeros(1),
        q=np.full((L + 1, 1), math.nan),
        Q=np.full((L, 1), math.nan),
        one_minus_q_ea=np.full(L + 1, math.nan),
        one_minus_Q_ea=np.full(L, math.nan),
        entropy_interaction=np.full(L, math.nan),
        entropy_couplings=np.full(L, math.nan),
        entropy_neurons=np.full(L - 1, math.nan),
        certificate=no_certificate(),
        tol=tol,
        timings=dict(timings or {}),
    )
