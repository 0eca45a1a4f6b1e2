"""The driver: from a `Problem` to certified `Solution` objects, one point or a sweep in alpha."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeAlias, TypedDict, Unpack, overload

import numpy as np

from replicadnn import interrupt
from replicadnn.calls import by_name
from replicadnn.errors import CallError, InputError
from replicadnn.inputs import Inputs, inputs_of
from replicadnn.potential import Potential
from replicadnn.problem import AVERAGED, Ansatz, BranchChoice, Problem, Scenario
from replicadnn.progress import Progress, reporting
from replicadnn.provenance import provenance, same_settings, settings
from replicadnn.solution import Solution, Solutions
from replicadnn.status import Status
from replicadnn.theory.broken.point import Settings
from replicadnn.theory.broken.point import solve_point as solve_broken
from replicadnn.theory.closures import (
    broken_equations,
    closure_of,
    default_ansatz,
    symmetric_equations,
)
from replicadnn.theory.contract import KnowsLevels
from replicadnn.theory.symmetric.branches import MAX_SWEEPS, Candidate, find_branches
from replicadnn.theory.symmetric.point import solve_point
from replicadnn.theory.unsolved import unsolved
from replicadnn.types import Number, Several
from replicadnn.validate import choice, numbers, real, single, whole

logger = logging.getLogger(__name__)

TOL_RANGE = (1e-14, 1e-2)
#: Grid of a flow, at its replica-symmetric overlaps, beyond which broken symmetry takes minutes.
MAX_FLOW_POINTS = 3000


class Options(TypedDict, total=False):
    """Keywords of `solve` beside ``branch``; their defaults are those of `plan`."""

    scenario: str
    ansatz: str | None
    kappa: float
    beta: float
    closure: str
    potential: Potential | None
    inputs: Inputs | str | None
    tol: float
    max_sweeps: int
    levels: int
    time_limit: float
    threads: int


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
    alpha: Number | Several,
    L: int,
    *,
    scenario: str = "teacher-student",
    ansatz: str | None = None,
    kappa: float = 0.0,
    beta: float = math.inf,
    closure: str = AVERAGED,
    potential: Potential | None = None,
    inputs: Inputs | str | None = None,
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
    usual = default_ansatz(setting, closure) if potential is None else Ansatz.RS
    structure = usual if ansatz is None else choice(Ansatz, "ansatz", ansatz)
    if structure is not Ansatz.RS and setting is Scenario.TEACHER_STUDENT:
        raise InputError("ansatz", str(structure), "rs (exact for teacher-student data)")
    levels = whole("levels", levels, 1, 512)
    threads = whole("threads", threads, 1, 1024)
    time_limit = real("time_limit", time_limit, 0.0, math.inf, "a number of seconds from 0 up")
    tol = real("tol", tol, *TOL_RANGE, f"a number from {TOL_RANGE[0]:g} to {TOL_RANGE[1]:g}")
    max_sweeps = whole("max_sweeps", max_sweeps, 1, 10**9)
    law = inputs_of(inputs)
    problems = tuple(
        Problem(
            alpha=a, L=L, scenario=setting, ansatz=structure, kappa=kappa, beta=beta,
            closure=closure, potential=potential, inputs=law,
        )
        for a in numbers("alpha", alpha)
    )  # fmt: skip
    for problem in problems:  # there is such a closure, and it covers them
        closure_of(problem)
    return Plan(problems, asked, tol, max_sweeps, levels, time_limit, threads)


def _plan_of(problem: Problem, L: int | None, **options: Any) -> Plan:
    """The plan of one `Problem`, which states everything but how it is solved."""
    stated = {f.name: getattr(problem, f.name) for f in fields(problem)}
    twice = [name for name in stated if name in options or (name == "L" and L is not None)]
    if twice:
        raise CallError(f"solve: {twice[0]} is given twice; the Problem states it: solve(problem)")
    return plan(stated.pop("alpha"), stated.pop("L"), **stated, **options)


_One: TypeAlias = Literal["auto", "equilibrium", "continuous"]


@overload
def solve(
    problem: Problem, /, *, branch: _One = ..., known: Solutions | None = ...,
    progress: Progress = ...,
    **options: Unpack[Options],
) -> Solution: ...  # fmt: skip
@overload
def solve(
    problem: Problem, /, *, branch: Literal["all"], known: Solutions | None = ...,
    progress: Progress = ...,
    **options: Unpack[Options],
) -> Solutions: ...  # fmt: skip
@overload
def solve(
    alpha: Number, L: int, *, branch: _One = ..., known: Solutions | None = ...,
    progress: Progress = ...,
    **options: Unpack[Options],
) -> Solution: ...  # fmt: skip
@overload
def solve(
    alpha: Number, L: int, *, branch: Literal["all"], known: Solutions | None = ...,
    progress: Progress = ...,
    **options: Unpack[Options],
) -> Solutions: ...  # fmt: skip
@overload
def solve(
    alpha: Several, L: int, *, branch: str = ..., known: Solutions | None = ...,
    progress: Progress = ...,
    **options: Unpack[Options],
) -> Solutions: ...  # fmt: skip
@overload
def solve(
    alpha: Number, L: int, *, branch: str, known: Solutions | None = ...,
    progress: Progress = ...,
    **options: Unpack[Options],
) -> Solution | Solutions: ...  # fmt: skip
@by_name(options=plan)
def solve(
    alpha: Number | Several | Problem,
    L: int | None = None,
    *,
    branch: str = "auto",
    known: Solutions | None = None,
    progress: Progress = None,
    **options: Unpack[Options],
) -> Solution | Solutions:
    """Solve the saddle-point equations q(l), Q(l) of docs/theory.md at one or many alpha.

    Parameters
    ----------
    alpha : float, array or Problem
        Patterns per coupling of a perceptron, alpha = M/c (c = N where fully connected);
        1e-9..1e9.  The numbers of a point do not depend on the others asked for; results come
        back in the order given.  ``solve(problem)``: a `Problem`, which states L, scenario,
        ansatz, kappa, beta, closure, potential and inputs too.
    L : int
        Depth, 1..1e6; the cost is linear in L.
    scenario : {"teacher-student", "random"}
    ansatz : {"rs", "1rsb", "rsb"}, optional
        Default: rs for teacher-student data (exact there), rsb for random data (closure exact:
        rs; the others, ten times the work of the averaged closure, are asked for by name).
    kappa : float
        Margin, -10..10.
    beta : float
        Inverse temperature of the violation-count potential, 1e-3..inf (hard constraint).
    closure : str
        Treatment of the neurons: "averaged" (the article's), "exact" (every neuron summed over
        together with its perceptron: what networks with N >> c >> 1 inputs a perceptron obey), or
        one that was added with `replicadnn.theory.closures.register`.
    potential : Potential, optional
        A weight w(r) of the gaps of one's own (`replicadnn.Potential`) in place of kappa and beta:
        random data, ansatz rs.
    inputs : HiddenManifold, InputSpectrum or str, optional
        Law of structured inputs of one perceptron with a teacher (docs/inputs.md), or its text:
        "hidden-manifold:0.5".  Q is then the overlap of the fields, `Solution.weight_overlap` that
        of the couplings.
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
    known, progress : after every point
        Points that did not converge are computed again.

    Returns
    -------
    Solution or Solutions
        One `Solution` for a single number ``alpha`` (unless ``branch="all"``), else
        `Solutions` in the order of ``alpha``.  Look at ``status`` before you use the numbers.

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.
    CallError
        The call itself is wrong; the message shows the right one.
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
    if isinstance(alpha, Problem):
        work = _plan_of(alpha, L, branch=branch, **options)
    elif L is None:
        raise CallError("solve: L is missing; the call is solve(alpha, L)")
    else:
        work = plan(alpha, L, branch=branch, **options)
    results = {} if known is None else taken_over(work, known)

    def collected() -> Solutions:
        return Solutions([s for i in sorted(results) for s in results[i]], origin(work))

    with (
        reporting(progress, "point") as report,
        interrupt.keeping(lambda: (collected(), len(results))),
    ):
        for index, found in solve_plan(work, done=set(results)):
            results[index] = found
            report(len(results), len(work.problems))
    if (isinstance(alpha, Problem) or single(alpha)) and work.asked is not BranchChoice.ALL:
        return results[0][0]
    return collected()


def origin(work: Plan) -> dict[str, str]:
    """Provenance of the solutions of ``work``, with what it asks for."""
    first = work.problems[0]
    symmetric = first.ansatz is Ansatz.RS
    asked = settings(
        L=first.L, scenario=first.scenario, ansatz=first.ansatz, closure=first.closure,
        kappa=first.kappa + 0.0, beta=first.beta, branch=work.asked, tol=work.tol,
        potential=None if first.potential is None else first.potential.name,
        inputs=None if first.inputs is None else first.inputs.text,
        max_sweeps=work.max_sweeps if symmetric else None,
        levels=work.levels if first.ansatz is Ansatz.RSB else None,
    )  # fmt: skip
    return provenance(threads=work.threads, asked=asked)


def taken_over(work: Plan, known: Solutions) -> dict[int, list[Solution]]:
    """What an earlier result has of the points of ``work``, by position; not what did not converge.

    Raises
    ------
    InputError
        It was asked with other arguments, or holds an alpha that is not among those of ``work``.
    """
    same_settings(known.provenance, origin(work)["asked"])
    there: dict[float, list[Solution]] = {}
    for solution in known:
        there.setdefault(solution.alpha, []).append(solution)
    lost = sorted(there.keys() - {problem.alpha for problem in work.problems})
    if lost:
        values = ", ".join(f"{a:g}" for a in lost[:5])
        raise InputError("alpha", values, "is in the earlier result and must be asked for too")
    for alpha, solutions in list(there.items()):
        if any(s.status is Status.NOT_CONVERGED for s in solutions):
            del there[alpha]
    return {
        i: _different(there[problem.alpha])
        for i, problem in enumerate(work.problems)
        if problem.alpha in there
    }


def _different(found: list[Solution]) -> list[Solution]:
    """Solutions of one alpha, each once (an alpha may have been asked for twice)."""
    return list({(s.branch, s.free_entropy): s for s in found}.values())


def solve_plan(work: Plan, done: Collection[int] = ()) -> Iterator[tuple[int, list[Solution]]]:
    """Solve point by point from small to large alpha; yields (position asked for, solutions).

    Positions in ``done`` are left out.

    Every point is solved from nothing; replica-symmetric branches take their names from the point
    before where they have moved continuously.
    """
    previous: list[Candidate] = []
    order = sorted(range(len(work.problems)), key=lambda i: work.problems[i].alpha)
    for i in order:
        if i in done:
            continue
        problem = work.problems[i]
        logger.info("solving alpha = %g, L = %d, %s", problem.alpha, problem.L, problem.ansatz)
        if problem.ansatz is not Ansatz.RS:
            yield i, _broken_point(work, problem)
            continue
        found, previous = solve_point(
            symmetric_equations(problem), work.asked, tol=work.tol, previous=previous,
            max_sweeps=work.max_sweeps,
        )  # fmt: skip
        if not all(b.settled.found for b in previous):
            previous = []
        yield i, found


def _broken_point(work: Plan, problem: Problem) -> list[Solution]:
    """Solutions of a point of random data whose replica symmetry may be broken."""
    refused = _too_sharp(problem, work.tol)
    if refused is not None:
        return [refused]
    if problem.L == 1 and problem.kappa >= 0.0 and math.isinf(problem.beta):
        return [_convex(problem, work.tol)]
    settings = Settings(work.levels, work.tol, work.time_limit, work.threads)
    return solve_broken(broken_equations(problem), work.asked, settings)


def _too_sharp(problem: Problem, tol: float) -> Solution | None:
    """The answer to a point whose Parisi flows would need too fine a grid for a large beta.

    Judged at the replica-symmetric solution; that of broken symmetry needs a grid two to three
    times finer still, on which the time of a solution grows like the square of its points.
    """
    if math.isinf(problem.beta):
        return None
    symmetric = replace(problem, ansatz=Ansatz.RS)
    settled = find_branches(symmetric_equations(symmetric))[0].settled
    if not settled.found:
        return None
    closure = closure_of(problem)
    assert isinstance(closure, KnowsLevels)  # `plan` asked
    points = closure.flow_points(problem, settled.state)
    if points <= MAX_FLOW_POINTS:
        return None
    message = (
        f"beta = {problem.beta:g} is too large for broken symmetry at this alpha: a flow wants a "
        f"grid of more than {points:.0f} points (at most {MAX_FLOW_POINTS}); to do: a smaller "
        'beta, beta = inf, or ansatz="rs"'
    )
    return replace(unsolved(problem, Status.NOT_CONVERGED, "", tol=tol), message=message)


def _convex(problem: Problem, tol: float) -> Solution:
    """One perceptron with kappa >= 0 and hard constraints: convex, hence replica symmetric."""
    equations = symmetric_equations(replace(problem, ansatz=Ansatz.RS))
    symmetric = solve_point(equations, tol=tol)[0][0]
    message = f"{symmetric.message}; one convex perceptron: no replica-symmetry breaking"
    if not symmetric.converged:
        return replace(symmetric, problem=problem, message=message)
    own = symmetric.certificate
    return replace(
        symmetric, problem=problem, message=message,
        certificate=replace(own, levels_error_s=0.0, levels_error_q=0.0, levels_error_Q=0.0),
        q_ea_error=np.zeros(2), Q_ea_error=np.zeros(1),
    )  # fmt: skip
