"""From the equations of a point with broken replica symmetry to certified `Solution` objects.

`search.find` solves one branch; here its answers get the names, the certificate and the form that
every ansatz shares.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from replicadnn.problem import Ansatz, BranchChoice, Problem
from replicadnn.solution import OtherBranch, Solution
from replicadnn.status import Branch, BranchKind, Status
from replicadnn.theory.broken.connected import count_levels
from replicadnn.theory.broken.ends import ended
from replicadnn.theory.broken.guess import relaxed_guess, saturated_guess
from replicadnn.theory.broken.search import Found, find
from replicadnn.theory.broken.state import FlowError, State
from replicadnn.theory.broken.stop import StopReason
from replicadnn.theory.broken.tuning import TUNING
from replicadnn.theory.contract import BrokenEquations
from replicadnn.theory.counting import beyond, counting_bound, objection
from replicadnn.theory.unsolved import unsolved


@dataclass(frozen=True, slots=True)
class Settings:
    """What a caller allows to each branch of a point: K, tolerance, seconds and threads."""

    levels: int = 16
    tol: float = 1e-8
    time_limit: float = math.inf
    threads: int = 1


def solve_point(
    equations: BrokenEquations, asked: BranchChoice, settings: Settings
) -> list[Solution]:
    """Solutions of one point that answer ``asked`` (docs/theory.md, section 5.3).

    ``continuous`` is the branch of the liquid; ``auto`` the same while it exists, past its end the
    solution with the smallest s (n -> 0) of all found; ``all`` and ``equilibrium`` always search
    the other branches too: discontinuous (reached by a jump of q_EA only), and q = 1 above a
    breakpoint m* in the first 1, 2, ... layers from either boundary.
    """
    problem, tol = equations.problem, settings.tol
    if problem.ansatz is Ansatz.ONE_RSB:
        settings = replace(settings, levels=1)
    quick = range(1, min(settings.levels, TUNING.quick_end) + 1)
    closed = next(filter(None, (_closed(equations, few) for few in quick)), "")
    if closed:
        return [unsolved(problem, Status.NO_SOLUTION, closed, tol=tol)]
    continuous = _try(equations, BranchKind.CONTINUOUS, settings)
    failed = continuous is None or not (continuous.converged or continuous.stop.branch_ends)
    if failed:
        closed = _closed(equations, settings.levels)
        if closed:
            return [unsolved(problem, Status.NO_SOLUTION, closed, tol=tol)]
    if continuous is None:
        why = "; ".join(["the iteration diverged", *_before(equations)])
        return [unsolved(problem, Status.NOT_CONVERGED, why, tol=tol)]
    ended = continuous.stop.branch_ends
    others: list[_Named] = []
    everywhere = asked in (BranchChoice.ALL, BranchChoice.EQUILIBRIUM)
    if problem.L > 1 and (everywhere or (ended and asked is BranchChoice.AUTO)):
        others = [*_discontinuous(equations, continuous, settings)]
        others += _saturated(equations, settings)
    first = _Named(continuous, Branch(continuous.kind))
    good = [one for one in [first, *others] if one.found.converged]
    if asked is BranchChoice.ALL and others:
        chosen = [*([] if ended else [first]), *others]
    elif good and (asked is BranchChoice.EQUILIBRIUM or (ended and asked is BranchChoice.AUTO)):
        chosen = [min(good, key=lambda one: one.found.free_entropy)]
    else:
        chosen = [first]
    why = continuous.text if ended else ""
    return [_solution(one, good, tol, why) for one in chosen]


def _closed(equations: BrokenEquations, levels: int) -> str:
    """Why there is no solution beyond the end of ``levels`` levels; empty below it."""
    if not ended(equations, levels):
        return ""
    problem, end = equations.problem, equations.closing(levels)
    words = f"{_several(levels)} end by alpha = {end:.6g}, where s -> -infinity"
    return f"{words}; {beyond(problem) or _bound(problem)}"


def _before(equations: BrokenEquations) -> list[str]:
    """Where one level ends, for a point next to it that was not solved."""
    problem, end = equations.problem, equations.closing(1)
    if not problem.alpha > TUNING.near_closing * end:
        return []
    return [f"{_several(1)} end by alpha = {end:.6g}; {_bound(problem)}"]


def _several(levels: int) -> str:
    return f"solutions with {count_levels(levels)} or more"


def _bound(problem: Problem) -> str:
    return f"counting bound {counting_bound(problem.L):.6g}"


@dataclass(frozen=True, slots=True)
class _Named:
    """What was found and the name of its branch."""

    found: Found
    branch: Branch


def _discontinuous(
    equations: BrokenEquations, continuous: Found, settings: Settings
) -> list[_Named]:
    """The certified solution that levels added at this alpha lead to, if it is another one."""
    one = _try(equations, BranchKind.DISCONTINUOUS, settings)
    if one is None or not one.converged or one.kind is not BranchKind.DISCONTINUOUS:
        return []
    change = abs(one.free_entropy - continuous.free_entropy)
    same = continuous.converged and change < TUNING.same_solution
    return [] if same else [_Named(one, Branch(one.kind))]


def _saturated(equations: BrokenEquations, settings: Settings) -> list[_Named]:
    """Certified branches with 1, 2, ... saturated layers a side.

    Each lives between an alpha where m* -> 1 and one where m* -> 0, both growing with the number
    of saturated layers: those that have closed are passed over, the first that has not begun ends
    the search.
    """
    problem = equations.problem
    hard = problem.kappa >= 0.0 and math.isinf(problem.beta)
    if hard and problem.alpha > counting_bound(problem.L):
        return []
    found: list[_Named] = []
    for depth in range(1, problem.L // 2 + 1):
        if not equations.saturated_layers(depth):
            break
        if found and found[-1].found.q_ea[depth] > TUNING.saturated_overlap:
            break
        one = _saturated_at(equations, depth, settings)
        if one is not None and one.stop is StopReason.CLOSING:
            continue
        if one is None or not _is_saturated(one):
            break
        found.append(_Named(one, Branch.saturated(depth)))
    return found


def _is_saturated(one: Found) -> bool:
    return one.converged and one.kind is BranchKind.SATURATED


def _saturated_at(equations: BrokenEquations, depth: int, settings: Settings) -> Found | None:
    """The branch with ``depth`` saturated layers a side; None where the flows fail."""
    few = min(settings.levels, TUNING.saturated_levels)
    if depth == 1:
        return _try(equations, BranchKind.SATURATED, replace(settings, levels=few))
    few = min(settings.levels, 2)
    start = relaxed_guess(equations, saturated_guess(equations, few, depth=depth))
    one = _try(equations, BranchKind.SATURATED, replace(settings, levels=few), start)
    if one is None or not _is_saturated(one):
        return one
    seconds = min(settings.time_limit, TUNING.deep_seconds)
    for more in range(few + 1, min(settings.levels, TUNING.deep_levels) + 1):
        allowed = replace(settings, levels=more, time_limit=seconds)
        finer = _try(equations, BranchKind.SATURATED, allowed, one.state)
        if finer is None or not _is_saturated(finer):
            break
        one = finer
    return one


def _try(
    equations: BrokenEquations, kind: BranchKind, settings: Settings, start: State | None = None
) -> Found | None:
    """One branch, or None where the iteration left the range of the flows."""
    try:
        return find(
            equations, kind, levels=settings.levels, tol=settings.tol, start=start,
            time_limit=settings.time_limit, threads=settings.threads,
        )  # fmt: skip
    except FlowError:
        return None


def _heading(stop: StopReason) -> str:
    """First words of the message of a point that is not certified."""
    if stop is StopReason.TIME_LIMIT:
        return "time limit reached: raise time_limit"
    if stop is StopReason.COLLAPSE:
        return "no solution: Q(1) -> 1, the constraints cannot be met (alpha above capacity)"
    if stop.lost:
        return "no solution near the start of the search"
    return "not converged: raise time_limit, change levels, or start from a nearby alpha"


def _solution(one: _Named, good: Sequence[_Named], tol: float, ended: str = "") -> Solution:
    """The form shared with every ansatz; ``ended`` says where the branch of the liquid ends."""
    found, ev, state = one.found, one.found.evaluation, one.found.state
    equations = found.stage.equations
    problem = equations.problem
    others = tuple(
        OtherBranch(other.branch, other.found.free_entropy) for other in good if other is not one
    )
    if found.stop.branch_ends:
        return unsolved(
            problem, Status.NO_SOLUTION, "; ".join([found.text, _where(problem, others)]),
            tol=tol, other_branches=others, timings=dict(found.timings),
        )  # fmt: skip
    words = [_heading(found.stop), found.text]
    if found.converged:
        words = ["certified", found.text or count_levels(found.levels), ended]
        if found.kind is BranchKind.SATURATED:
            words.append("q = 1 with Q < 1: may be an artefact of the dense limit")
        words += objection(problem)
    else:
        words += [*_before(equations), f"to do: {found.status.remedy}"]
    q_rest, Q_rest = 1.0 - found.q_ea, 1.0 - found.Q_ea
    if found.converged:  # else the right-hand sides, which `rests` are of, are other numbers
        q_rest, Q_rest = equations.rests(ev)
    parts, errors = equations.entropy(ev), found.errors
    return Solution(
        problem=problem,
        status=found.status,
        message="; ".join(word for word in words if word),
        branch=one.branch,
        other_branches=others,
        free_entropy=-math.inf if found.status is Status.NO_SOLUTION else found.free_entropy,
        x=state.m.copy(),
        q=ev.q.copy(),
        Q=state.Q.copy(),
        one_minus_q_ea=np.where(state.top < state.m.size, 0.0, q_rest),
        one_minus_Q_ea=Q_rest,
        entropy_interaction=parts.interaction,
        entropy_couplings=parts.couplings,
        entropy_neurons=parts.neurons,
        certificate=replace(
            found.certificate,
            levels_error_s=errors.s,
            levels_error_q=float(errors.q.max()),
            levels_error_Q=float(errors.Q.max()),
        ),
        tol=tol,
        q_ea_error=errors.q.copy(),
        Q_ea_error=errors.Q.copy(),
        timings=dict(found.timings),
        iterations={"levels": found.levels},
    )


def _where(problem: Problem, others: Sequence[OtherBranch]) -> str:
    """What exists past the end of the branch of the liquid, or how to look for it."""
    impossible = beyond(problem)
    if impossible:
        return impossible
    if others:
        return "found instead: " + ", ".join(
            f"{o.branch} (s = {o.free_entropy:.6f})" for o in others
        )
    return 'branch="all" searches for others'
