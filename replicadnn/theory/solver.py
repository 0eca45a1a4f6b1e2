"""The driver: from a `Problem` to certified `Solution` objects, one point or a sweep in alpha."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from replicadnn import interrupt
from replicadnn.errors import InputError
from replicadnn.problem import (
    Ansatz,
    BranchChoice,
    Problem,
    Scenario,
    choice,
    real,
    whole,
)
from replicadnn.provenance import provenance
from replicadnn.solution import (
    Certificate,
    OtherBranch,
    Solution,
    Solutions,
    Status,
    no_certificate,
    unsolved,
)
from replicadnn.theory import branches, entropy, rsb_map, rsb_solver
from replicadnn.theory.branches import Settled
from replicadnn.theory.counting import objection
from replicadnn.theory.saddle import Equations, State

#: Called after every alpha with (points done, points in all).
Progress = Callable[[int, int], None]

MAX_SWEEPS = 50_000
TOL_RANGE = (1e-14, 1e-2)
#: Grid of a flow, at its replica-symmetric overlaps, beyond which broken symmetry takes minutes.
MAX_FLOOR_POINTS = 3000
#: Two solutions closer than this in every overlap are the same one.
_SAME = 1e-6


@dataclass(frozen=True, slots=True)
class Branch:
    """A named outcome of the search at one point, with its free entropy."""

    name: str
    settled: Settled
    free_entropy: float

    @property
    def frozen(self) -> bool:
        return "frozen" in self.name


def find_branches(
    problem: Problem, *, previous: Sequence[Branch] = (), max_sweeps: int = MAX_SWEEPS
) -> list[Branch]:
    """Every solution that the starts of `replicadnn.theory.branches` lead to, smallest first.

    Parameters
    ----------
    problem : Problem
    previous : sequence of Branch
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
    previous: Sequence[Branch],
    max_sweeps: int,
) -> Branch:
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
        name = "frozen" if np.all(frozen) else "partly frozen" if np.any(frozen) else "filled"
    return Branch(name, settled, value)


def select(problem: Problem, found: Sequence[Branch], asked: BranchChoice) -> list[Branch]:
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
    previous: Sequence[Branch] = (),
    max_sweeps: int = MAX_SWEEPS,
) -> tuple[list[Solution], list[Branch]]:
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
    branch: Branch,
    found: Sequence[Branch],
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


def _remark(problem: Problem, branch: Branch, found: Sequence[Branch], asked: BranchChoice) -> str:
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
    from replicadnn.theory.stability import MAX_DEPTH, replicon

    if equations.problem.teacher or equations.problem.L > MAX_DEPTH:
        return ()
    return (replicon(equations, state),)


def _doubts(problem: Problem, certificate: Certificate) -> list[str]:
    """Random data: is the replica-symmetric state stable, and can there be one at all?"""
    words = []
    for rho in certificate.replicon:
        state = "unstable to" if rho > 1.0 else "stable against"
        words.append(f"{state} replica-symmetry breaking (rho = {rho:.4g})")
    return words + objection(problem)


def _missing(problem: Problem, found: Sequence[Branch], tol: float, seconds: float) -> Solution:
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


def _too_sharp(problem: Problem, tol: float) -> Solution | None:
    """The answer to a point whose Parisi flows would need too fine a grid for a large beta.

    Judged at the replica-symmetric solution; that of broken symmetry needs a grid two to three
    times finer still, on which the time of a solution grows like the square of its points.
    """
    if math.isinf(problem.beta):
        return None
    symmetric = find_branches(replace(problem, ansatz=Ansatz.RS))[0].settled
    if not symmetric.found:
        return None
    points = rsb_map.floor_points(
        problem.kappa, problem.beta, *entropy.interaction_overlap(symmetric.state)
    )
    if points <= MAX_FLOOR_POINTS:
        return None
    found = unsolved(problem, Status.NOT_CONVERGED, "", tol=tol)
    message = (
        f"beta = {problem.beta:g} is too large for broken symmetry at this alpha: a flow wants a "
        f"grid of more than {points:.0f} points (at most {MAX_FLOOR_POINTS}); to do: a smaller "
        "beta, beta = inf, or --ansatz rs"
    )
    return replace(found, message=message)


def default_ansatz(scenario: Scenario) -> Ansatz:
    """rs for teacher-student data, where it is exact; rsb for random data."""
    return Ansatz.RS if scenario is Scenario.TEACHER_STUDENT else Ansatz.RSB


def solve(
    alpha: ArrayLike,
    L: int,
    *,
    scenario: str = "teacher-student",
    ansatz: str | None = None,
    kappa: float = 0.0,
    beta: float = math.inf,
    branch: str = "auto",
    tol: float = 1e-8,
    max_sweeps: int = MAX_SWEEPS,
    levels: int = 16,
    time_limit: float = 300.0,
    threads: int = 1,
    progress: Progress | None = None,
) -> Any:
    """Solve the saddle-point equations q(l), Q(l) of docs/theory.md at one or many alpha.

    Parameters
    ----------
    alpha : float or array
        Patterns per coupling M/N, 1e-9..1e9.  A sweep is solved from small to large alpha, each
        point started from the one before; results come back in the order given.
    L : int
        Depth, 1..1e6; the cost is linear in L.
    scenario : {"teacher-student", "random"}
    ansatz : {"rs", "1rsb", "rsb"}, optional
        Default: rs for teacher-student data (exact there), rsb for random data.
    kappa : float
        Margin, -10..10.
    beta : float
        Inverse temperature of the violation-count potential, 1e-3..inf (hard constraint).
    branch : {"auto", "equilibrium", "continuous", "all"}
        Which solution, where there are several (docs/theory.md, section 5).
    tol : float
        Largest residual of a certified solution, 1e-14..1e-2.
    max_sweeps : int
        Gauss-Seidel passes allowed to each start.
    levels : int
        Number K of levels of the rsb ansatz, 1..512; q is K + 1 numbers a layer.
    time_limit : float
        Seconds allowed to each branch of each point (rsb).
    threads : int
        Threads over the layers (rsb).
    progress : callable, optional
        Called with (points done, points in all).

    Returns
    -------
    Solution or Solutions
        One `Solution` for a single number ``alpha`` (unless ``branch="all"``), else
        `Solutions` in the order of ``alpha``.  Look at ``status`` before you use the numbers.

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.
    KeyboardInterrupt
        Ctrl-C, between two kernels; its ``partial`` holds the `Solutions` of what is done.

    Examples
    --------
    >>> import replicadnn as rd
    >>> sol = rd.solve(25.0, L=20)
    >>> sol.converged, sol.branch
    (True, 'continuous')
    >>> print(sol.q_ea[:4].round(5))
    [1.      0.54243 0.18767 0.     ]
    """
    work = plan(
        alpha,
        L,
        scenario=scenario,
        ansatz=ansatz,
        kappa=kappa,
        beta=beta,
        branch=branch,
        tol=tol,
        max_sweeps=max_sweeps,
        levels=levels,
        time_limit=time_limit,
        threads=threads,
    )
    results: dict[int, list[Solution]] = {}

    def collected() -> Solutions:
        return Solutions([s for i in sorted(results) for s in results[i]], provenance())

    with interrupt.keeping(lambda: (collected(), len(results))):
        for index, found in solve_plan(work):
            results[index] = found
            if progress is not None:
                progress(len(results), len(work.problems))
    if np.ndim(alpha) == 0 and work.asked is not BranchChoice.ALL:
        return results[0][0]
    return collected()


@dataclass(frozen=True, slots=True)
class Plan:
    """A validated sweep in alpha: what `solve_plan` works through."""

    problems: tuple[Problem, ...]
    asked: BranchChoice
    tol: float
    max_sweeps: int
    levels: int
    time_limit: float
    threads: int


def plan(
    alpha: ArrayLike,
    L: int,
    *,
    scenario: str = "teacher-student",
    ansatz: str | None = None,
    kappa: float = 0.0,
    beta: float = math.inf,
    branch: str = "auto",
    tol: float = 1e-8,
    max_sweeps: int = MAX_SWEEPS,
    levels: int = 16,
    time_limit: float = 300.0,
    threads: int = 1,
) -> Plan:
    """Validate the arguments of `solve` without computing anything."""
    asked = choice(BranchChoice, "branch", branch)
    setting = choice(Scenario, "scenario", scenario)
    structure = default_ansatz(setting) if ansatz is None else choice(Ansatz, "ansatz", ansatz)
    if structure is not Ansatz.RS and setting is Scenario.TEACHER_STUDENT:
        raise InputError("ansatz", str(structure), "rs (exact for teacher-student data)")
    levels = whole("levels", levels, 1, 512)
    threads = whole("threads", threads, 1, 1024)
    time_limit = real("time_limit", time_limit, 0.0, math.inf, "a number of seconds from 0 up")
    tol = real("tol", tol, *TOL_RANGE, f"a number from {TOL_RANGE[0]:g} to {TOL_RANGE[1]:g}")
    max_sweeps = whole("max_sweeps", max_sweeps, 1, 10**9)
    problems = tuple(
        Problem(alpha=a, L=L, scenario=setting, ansatz=structure, kappa=kappa, beta=beta)
        for a in _alphas(alpha)
    )
    return Plan(problems, asked, tol, max_sweeps, levels, time_limit, threads)


def solve_plan(work: Plan) -> Iterator[tuple[int, list[Solution]]]:
    """Solve point by point from small to large alpha; yields (position asked for, solutions)."""
    previous: list[Branch] = []
    order = sorted(range(len(work.problems)), key=lambda i: work.problems[i].alpha)
    for i in order:
        if work.problems[i].ansatz is not Ansatz.RS:
            refused = _too_sharp(work.problems[i], work.tol)
            if refused is not None:
                yield i, [refused]
                continue
            yield (
                i,
                rsb_solver.solve_point(
                    work.problems[i],
                    work.asked,
                    levels=work.levels,
                    tol=work.tol,
                    time_limit=work.time_limit,
                    threads=work.threads,
                ),
            )
            continue
        found, previous = solve_point(
            work.problems[i], work.asked, tol=work.tol, previous=previous,
            max_sweeps=work.max_sweeps,
        )  # fmt: skip
        if not all(b.settled.found for b in previous):
            previous = []
        yield i, found


def _alphas(alpha: ArrayLike) -> list[float]:
    values: Iterable[Any] = alpha if np.ndim(alpha) else [alpha]  # type: ignore[assignment]
    points = list(values)
    if not points:
        raise InputError("alpha", points, "at least one number")
    if any(np.ndim(a) for a in points):
        raise InputError("alpha", points, "a number or a flat list of numbers")
    return [a.item() if isinstance(a, np.generic) else a for a in points]
