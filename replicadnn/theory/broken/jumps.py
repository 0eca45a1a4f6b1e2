"""Jumps: which of two solutions with different levels, or at next alpha, are on one branch.

More levels, or another way to share them out, move q_EA(l) a little.  A layer may also become solid
with a jump (docs/theory.md, section 5.3).
"""

from __future__ import annotations

import numpy as np

from replicadnn.theory.broken.curve import BranchPath, follow_branch
from replicadnn.theory.broken.state import Evaluation, Mapper, State, serial
from replicadnn.theory.broken.stop import StopReason
from replicadnn.theory.broken.tuning import TUNING
from replicadnn.theory.contract import BrokenEquations


def leaps(before: Evaluation, after: Evaluation, share: float = TUNING.leap) -> bool:
    """True if a q_EA(l) has taken up more than ``share`` of its distance from one."""
    return bool((1.0 - after.q[1:-1, -1] < (1.0 - share) * (1.0 - before.q[1:-1, -1])).any())


def doubles(before: Evaluation, after: Evaluation) -> bool:
    """True if a q_EA(l) has more than doubled, by `Tuning.jump` at least."""
    old, new = before.q[1:-1, -1], after.q[1:-1, -1]
    return bool((new > old + np.maximum(old, TUNING.jump)).any())


def loses_its_step(
    equations: BrokenEquations,
    state: State,
    *,
    deadline: float = np.inf,
    mapper: Mapper = serial,
) -> bool:
    """True if the last step of q(x) keeps its height and loses its weight at smaller alpha.

    The curve of the solution is followed down until its last breakpoint m_K reaches x = 1: there
    the step appears, and only that, so this curve is not that of the liquid.  False where it folds
    before (the upper part of an S, which closes as levels are added) or goes on.
    """
    path: BranchPath = follow_branch(
        equations, state, up=False, step=TUNING.curve_step, past_fold=1, deadline=deadline,
        mapper=mapper, max_points=TUNING.back_points,
        alpha_range=(TUNING.back * equations.problem.alpha, np.inf),
        stop=lambda point: point.state.m[-1] > 1.0 - TUNING.no_weight,
    )  # fmt: skip
    return path.reason is StopReason.ASKED
