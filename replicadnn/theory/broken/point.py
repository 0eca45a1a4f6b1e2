"""From a `Problem` with broken replica symmetry to certified `Solution` objects.

`replicadnn.theory.broken.solve` solves one branch of one point; here its answers get the names, the
certificate and the form that every ansatz shares.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from replicadnn.certificate import Certificate
from replicadnn.problem import Ansatz, BranchChoice, Problem
from replicadnn.solution import OtherBranch, Solution, unsolved
from replicadnn.status import Branch, BranchKind, Status
from replicadnn.theory.broken import solve as rsb
from replicadnn.theory.broken.levels import frozen_guess, relaxed_guess
from replicadnn.theory.broken.minimise import CLOSING_MESSAGE
from replicadnn.theory.closures.averaged.broken import FlowError, Model, State
from replicadnn.theory.counting import beyond, counting_bound, objection

#: Levels of the frozen branch at most: s to 3e-6; K = 16 gains 2e-6 in s for five times the time.
FROZEN_LEVELS = 8
#: ... of the branches with two or more frozen layers a side, and seconds to refine them.
DEEP_FROZEN_LEVELS = 4
DEEP_FROZEN_SECONDS = 30.0
#: Two solutions of a point with s closer than this are one (levels can be shared out in many ways).
SAME_ENTROPY = 1e-6
#: Overlap of the next layer from which it counts as frozen too: the same state.
FROZEN_OVERLAP = 0.999


def solve_point(
    problem: Problem,
    asked: BranchChoice,
    *,
    levels: int,
    tol: float,
    time_limit: float,
    threads: int,
) -> list[Solution]:
    """Solutions of one point that answer ``asked`` (docs/theory.md, section 5.3).

    ``continuous`` is the branch of the liquid; ``auto`` the same while it exists, past its end the
    solution with the smallest s (n -> 0) of all found; ``all`` and ``equilibrium`` always search
    the other branches too: discontinuous (reached by a jump of q_EA only), and q = 1 above a
    breakpoint m* in the first 1, 2, ... layers from either boundary.
    """
    count = 1 if problem.ansatz is Ansatz.ONE_RSB else levels
    continuous = _search(problem, "continuous", count, tol, time_limit, threads)
    if continuous is None:
        return [unsolved(problem, Status.NOT_CONVERGED, "the iteration diverged", tol=tol)]
    ended = continuous.status is rsb.Status.ENDED
    others: list[rsb.RSBSolution] = []
    beyond = asked in (BranchChoice.ALL, BranchChoice.EQUILIBRIUM)
    if problem.L > 1 and (beyond or (ended and asked is BranchChoice.AUTO)):
        others = _discontinuous(problem, continuous, count, tol, time_limit, threads)
        others += _frozen(problem, count, tol, time_limit, threads)
    good = [one for one in [continuous, *others] if one.converged]
    if asked is BranchChoice.ALL and others:
        chosen = [*([] if ended else [continuous]), *others]
    elif good and (asked is BranchChoice.EQUILIBRIUM or (ended and asked is BranchChoice.AUTO)):
        chosen = [min(good, key=lambda one: one.free_entropy)]
    else:
        chosen = [continuous]
    why = continuous.message if ended else ""
    return [_solution(problem, one, good, tol, why) for one in chosen]


def _discontinuous(
    problem: Problem, continuous: rsb.RSBSolution, levels: int, tol: float, time_limit: float,
    threads: int,
) -> list[rsb.RSBSolution]:  # fmt: skip
    """The certified solution that levels added at this alpha lead to, if it is another one."""
    one = _search(problem, "discontinuous", levels, tol, time_limit, threads)
    if one is None or not one.converged or one.branch != "discontinuous":
        return []
    same = continuous.converged and abs(one.free_entropy - continuous.free_entropy) < SAME_ENTROPY
    return [] if same else [one]


def _frozen(
    problem: Problem, levels: int, tol: float, time_limit: float, threads: int
) -> list[rsb.RSBSolution]:
    """Certified branches with 1, 2, ... frozen layers a side.

    Each lives between an alpha where m* -> 1 and one where m* -> 0, both growing with the number
    of frozen layers: those that have closed are passed over, the first that has not begun ends
    the search.
    """
    hard = problem.kappa >= 0.0 and math.isinf(problem.beta)
    if hard and problem.alpha > counting_bound(problem.L):
        return []
    model = Model(problem.alpha, problem.L, problem.kappa, problem.beta)
    found: list[rsb.RSBSolution] = []
    for depth in range(1, problem.L // 2 + 1):
        if found and found[-1].q_ea[depth] > FROZEN_OVERLAP:
            break
        few, start = min(levels, FROZEN_LEVELS), None
        if depth > 1:
            few = min(levels, 2)
            start = relaxed_guess(model, frozen_guess(model, few, depth=depth))
        one = _search(problem, "saturated", few, tol, time_limit, threads, start)
        if one is None or not (one.converged and one.branch == "saturated"):
            if one is not None and one.message == CLOSING_MESSAGE:
                continue
            break
        for more in range(few + 1, min(levels, DEEP_FROZEN_LEVELS) + 1) if depth > 1 else ():
            seconds = min(time_limit, DEEP_FROZEN_SECONDS)
            finer = _search(problem, "saturated", more, tol, seconds, threads, one.state)
            if finer is None or not (finer.converged and finer.branch == "saturated"):
                break
            one = finer
        found.append(one if depth == 1 else replace(one, branch=f"saturated {depth}"))
    return found


def _search(
    problem: Problem, branch: str, levels: int, tol: float, time_limit: float, threads: int,
    start: State | None = None,
) -> rsb.RSBSolution | None:  # fmt: skip
    """One branch, or None where the iteration left the range of the flows."""
    try:
        found = rsb.solve_rsb(
            problem.alpha,
            problem.L,
            kappa=problem.kappa,
            beta=problem.beta,
            levels=levels,
            tol=tol,
            branch=branch,
            start=start,
            time_limit=time_limit,
            threads=threads,
        )
    except FlowError:
        return None
    return found[0]


_STATUS = {
    rsb.Status.CONVERGED: Status.CONVERGED,
    rsb.Status.NO_SOLUTION: Status.NO_SOLUTION,
}


def _solution(
    problem: Problem,
    found: rsb.RSBSolution,
    good: Sequence[rsb.RSBSolution],
    tol: float,
    ended: str = "",
) -> Solution:
    """The form shared with every ansatz; `ended` says where the branch of the liquid ends."""
    others = tuple(OtherBranch(_branch(one), one.free_entropy) for one in good if one is not found)
    if found.status is rsb.Status.ENDED:
        return unsolved(
            problem, Status.NO_SOLUTION, "; ".join([found.message, _where(problem, others)]),
            tol=tol, other_branches=others, timings=dict(found.timings),
        )  # fmt: skip
    status = _STATUS.get(found.status, Status.NOT_CONVERGED)
    interaction, couplings, neurons = found.parts
    words = [str(found.status.value), found.message]
    if status is Status.CONVERGED:
        words = ["certified", found.message or rsb.count_levels(found.levels), ended]
        if _branch(found).kind is BranchKind.SATURATED:
            words.append("q = 1 with Q < 1: may be an artefact of the dense limit")
        words += objection(problem)
    return Solution(
        problem=problem,
        status=status,
        message="; ".join(word for word in words if word),
        branch=_branch(found),
        other_branches=others,
        free_entropy=found.free_entropy if status is not Status.NO_SOLUTION else -math.inf,
        x=found.x.copy(),
        q=found.q.copy(),
        Q=found.Q.copy(),
        one_minus_q_ea=1.0 - found.q_ea,
        one_minus_Q_ea=1.0 - found.Q_ea,
        entropy_interaction=interaction,
        entropy_couplings=couplings,
        entropy_neurons=neurons,
        certificate=_certificate(found),
        tol=tol,
        q_ea_error=found.errors.q.copy(),
        Q_ea_error=found.errors.Q.copy(),
        timings=dict(found.timings),
        iterations={"levels": found.levels},
    )


def _branch(found: rsb.RSBSolution) -> Branch:
    return Branch("continuous" if found.branch == "liquid" else found.branch)


def _where(problem: Problem, others: Sequence[OtherBranch]) -> str:
    """What exists past the end of the branch of the liquid, or how to look for it."""
    impossible = beyond(problem)
    if impossible:
        return impossible
    if others:
        return "found: " + ", ".join(f"{o.branch} (s = {o.free_entropy:.6f})" for o in others)
    return "--branch all searches for others"


def _certificate(found: rsb.RSBSolution) -> Certificate:
    own = found.certificate
    return Certificate(
        residual=own.residual,
        mass_error=own.mass_error,
        ds_dq_max=own.ds_dq_max,
        ds_dQ_max=own.ds_dQ_max,
        ds_dm_max=own.ds_dm_max,
        unstable_liquid_layers=own.unstable_liquid_layers,
        contraction=math.nan,
        unstable_zero_levels=own.unstable_zero_levels,
        monotone=own.monotone,
        levels_error_s=found.errors.s,
        levels_error_q=float(found.errors.q.max()),
        levels_error_Q=float(found.errors.Q.max()),
        grid_error=own.grid_error,
        replicon=tuple(float(rho) for rho in np.atleast_1d(own.replicon)),
    )
