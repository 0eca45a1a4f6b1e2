"""Replica-symmetric answers at one point: all branches, the one asked for, its certificate."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from replicadnn.certificate import Certificate, no_certificate
from replicadnn.problem import BranchChoice, Problem
from replicadnn.solution import OtherBranch, Solution, unsolved
from replicadnn.status import Branch, Status
from replicadnn.theory.closures.averaged import entropy, replicon
from replicadnn.theory.closures.averaged.equations import Equations
from replicadnn.theory.counting import objection
from replicadnn.theory.symmetric import search as branches
from replicadnn.theory.symmetric.search import Settled
from replicadnn.theory.symmetric.state import State

MAX_SWEEPS = 50_000
#: Two solutions closer than this in every overlap are the same one.
_SAME = 1e-6


@dataclass(frozen=True, slots=True)
class Candidate:
    """A named outcome of the search at one point, with its free entropy."""

    name: Branch
    settled: Settled
    free_entropy: float

    @property
    def frozen(self) -> bool:
        return self.name.is_saturated


def find_branches(
    problem: Problem, *, previous: Sequence[Candidate] = (), max_sweeps: int = MAX_SWEEPS
) -> list[Candidate]:
    """Every solution that the starts of `symmetric.search` lead to, smallest first.

    Parameters
    ----------
    problem : Problem
    previous : sequence of Candidate
        Branches found at a smaller alpha of the same problem: the smallest is the start of the
        climb, and their names carry over where a solution moves continuously.
    max_sweeps : int
        Gauss-Seidel passes allowed to each start.
    """
    equations = Equations(problem)
    start = previous[0].settled.state if previous else State.liquid(problem.L)
    lowest = branches.settle(equations, start, side=+1, max_sweeps=max_sweeps)
    found = [lowest]
    for top in _starts_above(problem):
        known = lowest.state if lowest.found else None
        settled = branches.settle(equations, top, side=-1, max_sweeps=max_sweeps, known=known)
        if settled.found and all(
            branches.distance(settled.state, other.state) > _SAME for other in found if other.found
        ):
            found.append(settled)
    return [
        _named(problem, equations, settled, settled is lowest, previous, max_sweeps)
        for settled in found
    ]


def _starts_above(problem: Problem) -> list[State]:
    if not problem.teacher:
        return [State.uniform(problem.L, 0.1, 0.01)]
    rest = 1e-4 / (1.0 + problem.alpha) ** 2
    return [State.uniform(problem.L, 0.1, rest), branches.full_order(problem)]


def _named(
    problem: Problem,
    equations: Equations,
    settled: Settled,
    lowest: bool,
    previous: Sequence[Candidate],
    max_sweeps: int,
) -> Candidate:
    """Name one solution: continuous if it leads to the liquid, else by what it looks like."""
    state = settled.state
    value = entropy.free_entropy(equations, state).total if settled.found else math.nan
    near = [b for b in previous if branches.distance(b.settled.state, state) < 0.05]
    if not settled.found or (lowest and np.any(state.q == 0.0)):
        name = "continuous"
    elif len(near) == 1:
        name = near[0].name
    elif lowest and branches.connected_to_liquid(problem, state, max_sweeps=max_sweeps):
        name = "continuous"
    else:
        frozen = state.q[1:-1] > branches.FROZEN
        name = "saturated" if np.all(frozen) else "partly saturated" if np.any(frozen) else "filled"
    return Candidate(Branch(name), settled, value)


def select(problem: Problem, found: Sequence[Candidate], asked: BranchChoice) -> list[Candidate]:
    """The branches that answer the question ``asked`` (docs/theory.md, section 5.3).

    ``auto``: teacher-student, the largest s among the branches without frozen layers (among all,
    if every one is frozen); random, the continuous one, and past its end the smallest solution,
    which is where it falls to.  ``equilibrium``: the largest s of all
    in the teacher-student scenario, the smallest in the random one (n -> 0).
    """
    if asked is BranchChoice.ALL:
        return list(found)
    if not found[0].settled.found:  # without the smallest solution nothing can be compared
        return list(found[:1])
    continuous = [b for b in found if b.name == "continuous"]
    if asked is BranchChoice.CONTINUOUS:
        return continuous
    if asked is BranchChoice.AUTO and not problem.teacher:
        return continuous or [found[0]]
    candidates = list(found)
    if asked is BranchChoice.AUTO:
        candidates = [b for b in found if not b.frozen] or candidates
    sign = 1.0 if problem.teacher else -1.0
    return [max(candidates, key=lambda b: (b.settled.found, sign * b.free_entropy))]


def solve_point(
    problem: Problem,
    asked: BranchChoice = BranchChoice.AUTO,
    *,
    tol: float = 1e-8,
    previous: Sequence[Candidate] = (),
    max_sweeps: int = MAX_SWEEPS,
) -> tuple[list[Solution], list[Candidate]]:
    """Solutions of one point that answer ``asked``, and all branches (for the next point)."""
    began = time.perf_counter()
    found = find_branches(problem, previous=previous, max_sweeps=max_sweeps)
    seconds = time.perf_counter() - began
    chosen = select(problem, found, asked)
    if not chosen:
        return [_missing(problem, found, tol, seconds)], found
    return [_solution(problem, b, found, asked, tol, seconds) for b in chosen], found


def _solution(
    problem: Problem,
    branch: Candidate,
    found: Sequence[Candidate],
    asked: BranchChoice,
    tol: float,
    seconds: float,
) -> Solution:
    began = time.perf_counter()
    equations = Equations(problem)
    state = branch.settled.state
    others = tuple(
        OtherBranch(b.name, b.free_entropy) for b in found if b is not branch and b.settled.found
    )
    if branch.settled.found:
        parts = entropy.free_entropy(equations, state)
        in_q, in_Q, in_eps = entropy.gradient(equations, state)
        certificate = Certificate(
            residual=equations.residual(state),
            mass_error=entropy.mass_error(equations, state),
            ds_dq_max=float(np.max(np.abs([*in_q, *in_eps]), initial=0.0)),
            ds_dQ_max=float(np.max(np.abs(in_Q), initial=0.0)),
            ds_dm_max=0.0,
            unstable_liquid_layers=tuple(equations.unstable_liquid_layers(state)),
            contraction=branch.settled.contraction,
            replicon=_replicon(equations, state),
        )
        failures = certificate.failures(tol)
        status = Status.NOT_CONVERGED if failures else Status.CONVERGED
        words = failures or [_remark(problem, branch, found, asked), *_doubts(problem, certificate)]
        message = "; ".join(words)
        total, interaction = parts.total, parts.interaction
        couplings, neurons = parts.couplings, parts.neurons
    else:
        unsat = "UNSAT" in branch.settled.reason
        status = Status.NO_SOLUTION if unsat else Status.NOT_CONVERGED
        residual = branch.settled.residual
        message = branch.settled.reason
        if not unsat:
            message += f"; residual {residual:.1e} (limit {tol:.0e})"
        certificate = no_certificate(residual)
        total = -math.inf if unsat else math.nan
        interaction, couplings = np.full(problem.L, math.nan), np.full(problem.L, math.nan)
        neurons = np.full(problem.L - 1, math.nan)
    if status is not Status.CONVERGED:
        message += f"; to do: {status.remedy}"
    return Solution(
        problem=problem,
        status=status,
        message=message,
        branch=branch.name,
        other_branches=others,
        free_entropy=total,
        x=np.zeros(1),
        q=state.q[:, None].copy(),
        Q=state.Q[:, None].copy(),
        one_minus_q_ea=state.p.copy(),
        one_minus_Q_ea=state.P.copy(),
        entropy_interaction=interaction,
        entropy_couplings=couplings,
        entropy_neurons=neurons,
        certificate=certificate,
        tol=tol,
        timings={"solve": seconds, "certify": time.perf_counter() - began},
        iterations={"sweeps": branch.settled.sweeps, "newton": branch.settled.newton_steps},
    )


def _remark(
    problem: Problem, branch: Candidate, found: Sequence[Candidate], asked: BranchChoice
) -> str:
    """What a reader of a certified solution should still know."""
    if branch.free_entropy > 1e-12 and math.isinf(problem.beta) and problem.kappa == 0.0:
        return (
            "certified, but s > 0 is impossible (hard constraints leave at most one S for each J): "
            "the dense-limit functional fails here, see docs/theory.md, section 5"
        )
    better = [b for b in found if b.frozen and b.free_entropy > branch.free_entropy]
    if asked is BranchChoice.AUTO and problem.teacher and better and not branch.frozen:
        best = max(better, key=lambda b: b.free_entropy)
        return (
            f"certified; a {best.name} branch (q -> 1) has larger s = {best.free_entropy:.6f}: "
            "see --branch equilibrium"
        )
    return "certified"


def _replicon(equations: Equations, state: State) -> tuple[float, ...]:
    """rho of the random scenario, where replica symmetry can break; not in very deep networks."""
    if equations.problem.teacher or equations.problem.L > replicon.MAX_DEPTH:
        return ()
    return (replicon.replicon(equations, state),)


def _doubts(problem: Problem, certificate: Certificate) -> list[str]:
    """Random data: is the replica-symmetric state stable, and can there be one at all?"""
    words = []
    for rho in certificate.replicon:
        state = "unstable to" if rho > 1.0 else "stable against"
        words.append(f"{state} replica-symmetry breaking (rho = {rho:.4g})")
    return words + objection(problem)


def _missing(problem: Problem, found: Sequence[Candidate], tol: float, seconds: float) -> Solution:
    """The continuous branch was asked for and ends before this point."""
    there = ", ".join(f"{b.name} (s = {b.free_entropy:.6f})" for b in found)
    return unsolved(
        problem,
        Status.NO_SOLUTION,
        f"the continuous branch ends below alpha = {problem.alpha:g}; found: {there}",
        tol=tol,
        other_branches=tuple(OtherBranch(b.name, b.free_entropy) for b in found),
        timings={"solve": seconds},
    )
