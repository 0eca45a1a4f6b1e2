"""Replica-symmetric answers at one point: from the branches found to certified solutions."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np

from replicadnn.certificate import Certificate, no_certificate
from replicadnn.problem import BranchChoice, Problem
from replicadnn.solution import OtherBranch, Solution
from replicadnn.status import Status
from replicadnn.theory.contract import Entropy, SymmetricEquations
from replicadnn.theory.counting import objection
from replicadnn.theory.symmetric.branches import MAX_SWEEPS, Candidate, find_branches, select
from replicadnn.theory.symmetric.search import Stop
from replicadnn.theory.symmetric.state import State
from replicadnn.theory.unsolved import unsolved


def solve_point(
    equations: SymmetricEquations,
    asked: BranchChoice = BranchChoice.AUTO,
    *,
    tol: float = 1e-8,
    previous: Sequence[Candidate] = (),
    max_sweeps: int = MAX_SWEEPS,
) -> tuple[list[Solution], list[Candidate]]:
    """Solutions of one point that answer ``asked``, and all branches (for the next point)."""
    began = time.perf_counter()
    found = find_branches(
        equations, previous=previous, max_sweeps=max_sweeps, between=asked is BranchChoice.ALL
    )
    seconds = time.perf_counter() - began
    chosen = select(equations, found, asked)
    if not chosen:
        return [_missing(equations.problem, found, tol, seconds)], found
    return [_solution(equations, b, found, asked, tol, seconds) for b in chosen], found


def certify(equations: SymmetricEquations, state: State, contraction: float) -> Certificate:
    """The evidence that ``state`` solves the equations."""
    in_q, in_Q, in_eps = equations.gradient(state)
    return Certificate(
        residual=equations.residual(state),
        mass_error=equations.mass_error(state),
        ds_dq_max=float(np.max(np.abs([*in_q, *in_eps]), initial=0.0)),
        ds_dQ_max=float(np.max(np.abs(in_Q), initial=0.0)),
        ds_dm_max=0.0,
        unstable_liquid_layers=tuple(equations.unstable_liquid_layers(state)),
        contraction=contraction,
        replicon=_replicon(equations, state),
    )


def _replicon(equations: SymmetricEquations, state: State) -> tuple[float, ...]:
    """rho of the random scenario, where replica symmetry can break."""
    rho = None if equations.problem.teacher else equations.replicon(state)
    return () if rho is None else (rho,)


def _solution(
    equations: SymmetricEquations,
    branch: Candidate,
    found: Sequence[Candidate],
    asked: BranchChoice,
    tol: float,
    seconds: float,
) -> Solution:
    began = time.perf_counter()
    problem, settled = equations.problem, branch.settled
    if branch.entropy is not None:
        parts = branch.entropy
        certificate = certify(equations, settled.state, settled.contraction)
        failures = certificate.failures(tol)
        status = Status.NOT_CONVERGED if failures else Status.CONVERGED
        words = failures or [_remark(problem, branch, found, asked), *_doubts(problem, certificate)]
        message = "; ".join(words)
    else:
        empty = settled.stop is Stop.UNSAT
        status = Status.NO_SOLUTION if empty else Status.NOT_CONVERGED
        parts = _no_entropy(problem.L, -math.inf if empty else math.nan)
        certificate = no_certificate(settled.residual)
        message = settled.message
        if not empty:
            message += f"; residual {settled.residual:.1e} (limit {tol:.0e})"
    if status is not Status.CONVERGED:
        message += f"; to do: {status.remedy}"
    state = settled.state
    return Solution(
        problem=problem,
        status=status,
        message=message,
        branch=branch.name,
        other_branches=_others(found, branch),
        free_entropy=parts.total,
        x=np.zeros(1),
        q=state.q[:, None].copy(),
        Q=state.Q[:, None].copy(),
        one_minus_q_ea=state.p.copy(),
        one_minus_Q_ea=state.P.copy(),
        entropy_interaction=parts.interaction,
        entropy_couplings=parts.couplings,
        entropy_neurons=parts.neurons,
        certificate=certificate,
        tol=tol,
        timings={"solve": seconds, "certify": time.perf_counter() - began},
        iterations={"sweeps": settled.sweeps, "newton": settled.newton_steps},
    )


def _others(found: Sequence[Candidate], own: Candidate) -> tuple[OtherBranch, ...]:
    return tuple(
        OtherBranch(b.name, b.entropy.total)
        for b in found
        if b is not own and b.entropy is not None
    )


def _no_entropy(L: int, total: float) -> Entropy:
    return Entropy(
        total, np.full(L, math.nan), np.full(L, math.nan), np.full(L - 1, math.nan)
    )  # fmt: skip


def _remark(
    problem: Problem, branch: Candidate, found: Sequence[Candidate], asked: BranchChoice
) -> str:
    """What a reader of a certified solution should still know."""
    if branch.free_entropy > 1e-12 and problem.hard and problem.kappa == 0.0:
        return (
            "certified, but s > 0 is impossible (hard constraints leave at most one S for each J): "
            "the dense-limit functional fails here, see docs/theory.md, section 5"
        )
    better = [b for b in found if b.free_entropy > branch.free_entropy]
    if asked is BranchChoice.AUTO and problem.teacher and better:
        best = max(better, key=lambda b: b.free_entropy)
        limit = " (q -> 1)" if best.saturated else ""
        return (
            f"certified; a {best.name} branch{limit} has larger s = {best.free_entropy:.6f}: "
            'see branch="equilibrium"'
        )
    return "certified"


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
