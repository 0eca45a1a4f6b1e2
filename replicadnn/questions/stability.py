"""Stability of the replica-symmetric solution: replicon rho and de Almeida-Thouless line, rho = 1.

rho: the spectral radius of the map of fluctuations that break replica symmetry
(`SymmetricEquations.replicon` of `replicadnn.theory.contract`).
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import brentq

from replicadnn import interrupt
from replicadnn.calls import by_name
from replicadnn.errors import InputError
from replicadnn.problem import AVERAGED, Problem, Scenario
from replicadnn.progress import Progress, reporting
from replicadnn.provenance import provenance, settings
from replicadnn.questions.schema import (
    Answer,
    Checkpoint,
    Item,
    Schema,
    beta_value,
    origin,
    taken_over,
)
from replicadnn.status import Branch
from replicadnn.storage.tables import Plain, Table, Tables
from replicadnn.theory.closures import closure_of, symmetric_equations
from replicadnn.theory.contract import SymmetricEquations
from replicadnn.theory.counting import possible
from replicadnn.theory.symmetric.branches import Candidate, find_branches
from replicadnn.theory.symmetric.search import Settled, Stop, settle
from replicadnn.theory.symmetric.state import State
from replicadnn.types import Number, Several
from replicadnn.validate import choice, numbers

logger = logging.getLogger(__name__)

_SWEEPS = 20_000
#: Depth up to which rho is computed.
MAX_DEPTH = 500
#: Relative errors of a crossing of rho = 1: of a simple root, and of a double one at an onset.
_SIMPLE, _DOUBLE = 1e-10, 1e-6
#: Relative distance below the crossing at which the solution is liquid at an onset.
_BELOW = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class StabilityPoint:
    """One solution: rho < 1 is stable against replica-symmetry breaking.

    ``possible``: False beyond the counting bound of random data; None where that does not tell.
    """

    L: int
    kappa: float
    beta: float
    alpha: float
    branch: Branch
    free_entropy: float
    rho: float
    contraction: float
    converged: bool
    possible: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StabilityLine:
    """alpha where rho of the continuous branch crosses 1; nan where it does not on the grid.

    ``onset`` says that the solution below is liquid, so that symmetry breaks where the first layer
    becomes solid; rho - 1 is quadratic above an onset, hence the larger ``uncertainty``.
    """

    L: int
    kappa: float
    beta: float
    alpha: float
    uncertainty: float
    onset: bool
    message: str


_SETTING = (Item("L", "depth"), Item("kappa", "margin"), Item("beta", "inverse temperature"))
_ALPHA = Item("alpha", "patterns per coupling")
_POINTS = Schema(
    "points",
    StabilityPoint,
    (
        *_SETTING,
        _ALPHA,
        Item("branch", "branch"),
        Item("free_entropy", "free entropy per N M"),
        Item("rho", "replicon: spectral radius"),
        Item("contraction", "spectral radius of the saddle-point map"),
        Item("converged", "solved"),
        Item("possible", "within the counting bound"),
    ),
    counter="index",
)
_LINES = Schema(
    "lines",
    StabilityLine,
    (
        *_SETTING,
        _ALPHA,
        Item("uncertainty", "error estimate of alpha"),
        Item("onset", "the solution below is liquid"),
        Item("message", "remark"),
    ),
    counter="index",
)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Stability(Answer):
    """Points and lines that `stability` returns."""

    KIND: ClassVar[str] = "stability"

    scenario: Scenario
    points: tuple[StabilityPoint, ...]
    lines: tuple[StabilityLine, ...]
    closure: str = AVERAGED

    @property
    def converged(self) -> bool:
        """Every point was solved or has no solution (UNSAT)."""
        return all(p.converged for p in self.points)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers under the keys of ``replicadnn stability --json``."""
        return {
            "scenario": str(self.scenario),
            "closure": self.closure,
            "points": [_POINTS.document(p) | {"beta": beta_value(p.beta)} for p in self.points],
            "lines": [_LINES.document(c) | {"beta": beta_value(c.beta)} for c in self.lines],
            "finished": self.finished,
        }

    def tables(self) -> list[Table]:
        """Points and lines."""
        return [_POINTS.table(self.points), _LINES.table(self.lines)]

    def attributes(self) -> dict[str, Plain]:
        """Scenario and closure."""
        return {"scenario": str(self.scenario), "closure": self.closure}

    @classmethod
    def read(cls, file: Tables) -> Stability:
        """What a file holds."""
        scenario = choice(Scenario, "scenario", file.attributes["scenario"])
        points = []
        for row in _POINTS.read(file["points"]):
            setting = {name: row[name] for name in ("alpha", "L", "kappa", "beta")}
            known = possible(Problem(scenario=scenario, **setting))
            points.append(StabilityPoint(**row | {"branch": Branch(row["branch"])}, possible=known))
        lines = tuple(StabilityLine(**row) for row in _LINES.read(file["lines"]))
        closure = str(file.attributes.get("closure", AVERAGED))
        return cls(scenario, tuple(points), lines, closure, **origin(file))


load_stability = Stability.load


def _rho(equations: SymmetricEquations, state: State) -> float:
    """rho as a number: nan where the closure does not compute it."""
    value = equations.replicon(state)
    return math.nan if value is None else value


def _point(problem: Problem, branch: Candidate) -> StabilityPoint:
    settled = branch.settled
    rho = _rho(symmetric_equations(problem), settled.state) if settled.found else math.nan
    empty = settled.stop is Stop.UNSAT
    return StabilityPoint(
        L=problem.L, kappa=problem.kappa, beta=problem.beta, alpha=problem.alpha,
        branch=branch.name, free_entropy=-math.inf if empty else branch.free_entropy, rho=rho,
        contraction=settled.contraction, converged=settled.found or empty,
        possible=possible(problem),
    )  # fmt: skip


def scan(problem: Problem, alphas: Sequence[float], points: list[StabilityPoint]) -> StabilityLine:
    """Append rho of every branch at growing alpha; returns where the continuous one crosses 1."""
    previous: list[Candidate] = []
    below: tuple[float, State, float] | None = None
    line = StabilityLine(
        L=problem.L, kappa=problem.kappa, beta=problem.beta, alpha=math.nan, uncertainty=math.nan,
        onset=False, message="rho < 1 at every alpha of the grid with a solution",
    )  # fmt: skip
    for alpha in sorted(alphas):
        here = replace(problem, alpha=alpha)
        found = find_branches(symmetric_equations(here), previous=previous)
        previous = found if all(b.settled.found for b in found) else []
        new = [_point(here, branch) for branch in found]
        points += new
        if not found[0].settled.found:
            continue
        rho = new[0].rho
        if math.isnan(line.alpha) and rho > 1.0:
            if below is None:
                line = replace(line, message=f"rho > 1 already at the smallest alpha, {alpha:g}")
            elif below[2] <= 1.0:
                line = _cross(problem, line, below, alpha)
        below = (alpha, found[0].settled.state, rho)
    if below is None:
        line = replace(line, message="no solution at any alpha of the grid")
    return line


def _cross(
    problem: Problem, line: StabilityLine, below: tuple[float, State, float], above: float
) -> StabilityLine:
    """Root of rho - 1 between two points of the grid, on the solution climbed to from below."""
    low, start, _ = below

    def climb(alpha: float) -> tuple[SymmetricEquations, Settled]:
        here = symmetric_equations(replace(problem, alpha=alpha))
        return here, settle(here, start, side=+1, max_sweeps=_SWEEPS)

    def excess(log_alpha: float) -> float:
        here, settled = climb(math.exp(log_alpha))
        if not settled.found:
            raise ArithmeticError(settled.message)
        return _rho(here, settled.state) - 1.0

    try:
        root = brentq(excess, math.log(low), math.log(above), xtol=1e-11, rtol=1e-13)
    except (ArithmeticError, ValueError) as error:
        return replace(line, message=f"rho crosses 1 between {low:g} and {above:g}; {error}")
    alpha = math.exp(root)
    _, settled = climb(alpha * (1.0 - _BELOW))
    onset = problem.L > 1 and bool(np.all(settled.state.q[1:-1] == 0.0))
    return replace(
        line, alpha=alpha, uncertainty=(_DOUBLE if onset else _SIMPLE) * alpha, onset=onset,
        message="at the onset of order" if onset else "de Almeida-Thouless",
    )  # fmt: skip


@by_name()
def stability(
    alpha: Number | Several,
    L: int | Sequence[int],
    *,
    scenario: str = "random",
    kappa: Number | Several = 0.0,
    beta: Number | Several = math.inf,
    closure: str = AVERAGED,
    known: Stability | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = None,
) -> Stability:
    """Replicon rho of the replica-symmetric solutions, and the de Almeida-Thouless line.

    rho: spectral radius of (delta q, delta Q) -> (delta q, delta Q) (docs/physics.md, section 7).

    Parameters
    ----------
    alpha : float or array
        Patterns per coupling of a perceptron, alpha = M/c (c = N where fully connected): a grid; a
        crossing of rho = 1 between two of its points is refined.
    L : int or sequence
        Depth, 1..500.
    scenario : {"random", "teacher-student"}
        Default random, unlike `replicadnn.solve`: in the teacher-student scenario replica symmetry
        is exact, and there is no line to look for.
    kappa, beta : float or array
        Margins and inverse temperatures; every L is combined with every kappa and beta.
    closure : str
        Treatment of the neurons, as in `replicadnn.solve`.
    known, checkpoint, progress : after every combination
        Combinations are those of L, kappa and beta, each at all of ``alpha``.

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.
    KeyboardInterrupt
        Ctrl-C; its ``partial`` holds what is done.

    Examples
    --------
    >>> import replicadnn as rd
    >>> found = rd.stability([40.0, 80.0], 1, kappa=-2.0)
    >>> [round(p.rho, 2) for p in found.points]
    [0.59, 1.37]
    """
    problems, alphas = plan(alpha, L, scenario=scenario, kappa=kappa, beta=beta, closure=closure)
    asked = settings(scenario=problems[0].scenario, closure=closure)
    points, lines = _taken_over(known, asked, problems, alphas)

    def result(finished: bool) -> Stability:
        keys = [_key(problem) for problem in problems]
        return Stability(
            problems[0].scenario, tuple(p for key in keys for p in points.get(key, ())),
            tuple(lines[key] for key in keys if key in lines), closure,
            provenance=provenance(asked=asked), finished=finished,
        )  # fmt: skip

    with (
        reporting(progress, "line") as report,
        interrupt.keeping(lambda: (result(False), sum(map(len, points.values())))),
    ):
        for problem in problems:
            if _key(problem) in lines:
                continue
            own = points[_key(problem)] = []
            line = lines[_key(problem)] = scan(problem, alphas, own)
            logger.info("L = %d, kappa = %g: %s", problem.L, problem.kappa, line.message)
            if checkpoint is not None:
                checkpoint(lambda: result(False))
            report(len(lines), len(problems))
    return result(True)


_Key = tuple[int, float, float]


def _key(one: Problem | StabilityPoint | StabilityLine) -> _Key:
    return one.L, one.kappa, one.beta


def _taken_over(
    known: Stability | None, asked: str, problems: Sequence[Problem], alphas: Sequence[float]
) -> tuple[dict[_Key, list[StabilityPoint]], dict[_Key, StabilityLine]]:
    """Points and lines of an earlier result, where they are solved at all of ``alphas``."""
    rows = () if known is None else known.points
    points = taken_over(
        known, asked, ((_key(p), p) for p in rows), map(_key, problems), "L, kappa, beta"
    )
    lost = {p.alpha for p in rows} - set(alphas)
    if lost:
        raise InputError("alpha", min(lost), "is in the earlier result and must be asked for too")
    lines = {} if known is None else {_key(line): line for line in known.lines}
    whole = {
        key: own
        for key, own in points.items()
        if {p.alpha for p in own} == set(alphas) and all(p.converged for p in own)
    }
    lines = {key: line for key, line in lines.items() if key in whole}
    return {key: whole[key] for key in lines}, lines


def plan(
    alpha: Number | Several,
    L: int | Sequence[int],
    *,
    scenario: str,
    kappa: Number | Several,
    beta: Number | Several,
    closure: str = AVERAGED,
) -> tuple[list[Problem], list[float]]:
    """Validate the arguments of `stability`: problems at the first alpha, and the grid."""
    setting = choice(Scenario, "scenario", scenario)
    alphas, depths = numbers("alpha", alpha), numbers("L", L)
    for depth in depths:
        if isinstance(depth, int) and depth > MAX_DEPTH:
            raise InputError("L", depth, f"a whole number from 1 to {MAX_DEPTH}")
    problems = [
        Problem(alpha=alphas[0], L=depth, scenario=setting, kappa=k, beta=b, closure=closure)
        for depth, k, b in itertools.product(depths, numbers("kappa", kappa), numbers("beta", beta))
    ]
    for problem in problems:  # there is such a closure, and it covers them
        closure_of(problem)
    return problems, [replace(problems[0], alpha=a).alpha for a in alphas]
