"""Stability of the replica-symmetric solution: replicon rho and de Almeida-Thouless line, rho = 1.

rho: `replicadnn.theory.closures.averaged.replicon`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from replicadnn import interrupt
from replicadnn.errors import InputError
from replicadnn.problem import Problem, Scenario
from replicadnn.provenance import provenance as make_provenance
from replicadnn.storage.tables import Column, Table, plain, reading, write_tables
from replicadnn.theory.closures import symmetric_equations
from replicadnn.theory.closures.averaged.equations import Equations
from replicadnn.theory.closures.averaged.replicon import MAX_DEPTH, replicon
from replicadnn.theory.counting import possible
from replicadnn.theory.symmetric import search as branches
from replicadnn.theory.symmetric.branches import Candidate, find_branches
from replicadnn.theory.symmetric.state import State
from replicadnn.validate import choice

KIND = "stability"
_SWEEPS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StabilityPoint:
    """One solution: rho < 1 is stable against replica-symmetry breaking.

    ``possible``: False beyond the counting bound of random data; None where that does not tell.
    """

    L: int
    kappa: float
    beta: float
    alpha: float
    branch: str
    free_entropy: float
    rho: float
    contraction: float
    converged: bool
    possible: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StabilityLine:
    """alpha where rho of the continuous branch crosses 1; nan where it does not on the grid.

    ``onset`` says that the solution below is liquid, so that symmetry breaks where the first layer
    freezes; rho - 1 is quadratic above an onset, hence the larger ``uncertainty``.
    """

    L: int
    kappa: float
    beta: float
    alpha: float
    uncertainty: float
    onset: bool
    message: str


@dataclass(frozen=True, slots=True)
class Stability:
    """Points and lines that `stability` returns; ``finished`` is False if it was interrupted."""

    scenario: str
    points: tuple[StabilityPoint, ...]
    lines: tuple[StabilityLine, ...]
    provenance: Mapping[str, str] = field(default_factory=dict)
    finished: bool = True

    @property
    def converged(self) -> bool:
        """Every point was solved or has no solution (UNSAT)."""
        return all(p.converged for p in self.points)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers under the keys of ``replicadnn stability --json``."""

        def rows(items: Sequence[Any]) -> list[dict[str, Any]]:
            out = []
            for item in items:
                row = {name: plain(getattr(item, name)) for name in item.__dataclass_fields__}
                row["beta"] = "inf" if math.isinf(item.beta) else item.beta
                out.append(row)
            return out

        return {
            "scenario": self.scenario, "points": rows(self.points), "lines": rows(self.lines),
            "finished": self.finished,
        }  # fmt: skip

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write to HDF5 (kind "stability", docs/file-format.md)."""
        tables = [
            _table("points", self.points, StabilityPoint),
            _table("lines", self.lines, StabilityLine),
        ]
        return write_tables(
            path, KIND, tables, attributes={"scenario": self.scenario},
            provenance=self.provenance or None, finished=self.finished, overwrite=overwrite,
        )  # fmt: skip

    @classmethod
    def load(cls, path: str | Path) -> Stability:
        """Read back what `save` wrote; FileError if it is damaged or something else."""
        with reading(path, KIND) as found:
            scenario = choice(Scenario, "scenario", found.attributes["scenario"])
            points = tuple(_point(scenario, row) for row in _rows(found["points"]))
            lines = tuple(StabilityLine(**row) for row in _rows(found["lines"]))
            return cls(str(scenario), points, lines, found.provenance, found.finished)


def load_stability(path: str | Path) -> Stability:
    """`Stability.load`."""
    return Stability.load(path)


_WORDS = {
    "L": "depth", "kappa": "margin", "beta": "inverse temperature",
    "alpha": "patterns per coupling", "branch": "branch", "free_entropy": "free entropy per N M",
    "rho": "replicon: spectral radius", "contraction": "spectral radius of the saddle-point map",
    "converged": "solved", "uncertainty": "error estimate of alpha",
    "onset": "the solution below is liquid", "message": "remark",
}  # fmt: skip


def _table(name: str, items: Sequence[Any], kind: Any) -> Table:
    first = Column.of("index", np.arange(len(items)), "number of the row")
    kinds = {"int": np.int64, "float": np.float64, "bool": np.bool_, "str": object}
    columns = [
        Column.of(key, np.array([getattr(i, key) for i in items], dtype=kinds[f.type]), _WORDS[key])
        for key, f in kind.__dataclass_fields__.items()
        if key != "possible"
    ]
    if kind is StabilityPoint:
        columns.append(Column.possible(i.possible for i in items))
    return Table(name, (first, *columns))


def _point(scenario: Scenario, row: dict[str, Any]) -> StabilityPoint:
    """A row of a file, also of an older one without "possible"."""
    setting = {name: row[name] for name in ("alpha", "L", "kappa", "beta")}
    return StabilityPoint(**row | {"possible": possible(Problem(scenario=scenario, **setting))})


def _rows(table: Table) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in record.items() if name != "index"}
        for record in table.records()
    ]


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
        equations = Equations(here)
        for branch in found:
            good = branch.settled.found
            rho = replicon(equations, branch.settled.state) if good else math.nan
            empty = branch.settled.stop is branches.Stop.UNSAT
            points.append(
                StabilityPoint(
                    L=here.L, kappa=here.kappa, beta=here.beta, alpha=alpha, branch=branch.name,
                    free_entropy=-math.inf if empty else branch.free_entropy, rho=rho,
                    contraction=branch.settled.contraction, converged=good or empty,
                    possible=possible(here),
                )
            )  # fmt: skip
        first = found[0]
        if not first.settled.found:
            continue
        state, rho = first.settled.state, points[-len(found)].rho
        if math.isnan(line.alpha) and rho > 1.0:
            if below is None:
                line = replace(line, message=f"rho > 1 already at the smallest alpha, {alpha:g}")
            elif below[2] <= 1.0:
                line = _cross(problem, line, below, alpha)
        below = (alpha, state, rho)
    if below is None:
        line = replace(line, message="no solution at any alpha of the grid")
    return line


def _cross(
    problem: Problem, line: StabilityLine, below: tuple[float, State, float], above: float
) -> StabilityLine:
    """Root of rho - 1 between two points of the grid, on the solution climbed to from below."""
    low, start, _ = below

    def excess(log_alpha: float) -> float:
        here = Equations(replace(problem, alpha=math.exp(log_alpha)))
        settled = branches.settle(here, start, side=+1, max_sweeps=_SWEEPS)
        if not settled.found:
            raise ArithmeticError(settled.message)
        return replicon(here, settled.state) - 1.0

    try:
        root = brentq(excess, math.log(low), math.log(above), xtol=1e-11, rtol=1e-13)
    except (ArithmeticError, ValueError) as error:
        return replace(line, message=f"rho crosses 1 between {low:g} and {above:g}; {error}")
    alpha = math.exp(root)
    settled = branches.settle(
        Equations(replace(problem, alpha=alpha * (1.0 - 1e-4))), start, side=+1, max_sweeps=_SWEEPS
    )
    onset = problem.L > 1 and bool(np.all(settled.state.q[1:-1] == 0.0))
    return replace(
        line, alpha=alpha, uncertainty=(1e-6 if onset else 1e-10) * alpha, onset=onset,
        message="at the onset of order" if onset else "de Almeida-Thouless",
    )  # fmt: skip


def stability(
    alpha: ArrayLike,
    L: int | Sequence[int],
    *,
    scenario: str = "random",
    kappa: ArrayLike = 0.0,
    beta: ArrayLike = math.inf,
    progress: Callable[[int, int], None] | None = None,
) -> Stability:
    """Replicon rho of the replica-symmetric solutions, and the de Almeida-Thouless line.

    rho: spectral radius of (delta q, delta Q) -> (delta q, delta Q), see the module docstring.

    Parameters
    ----------
    alpha : float or array
        Grid of patterns per coupling; a crossing of rho = 1 between two of its points is refined.
    L : int or sequence
        Depth, 1..500.
    scenario : {"random", "teacher-student"}
    kappa, beta : float or array
        Margins and inverse temperatures; every L is combined with every kappa and beta.
    progress : callable, optional
        Called with (combinations done, combinations in all).

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
    problems, alphas = plan(alpha, L, scenario=scenario, kappa=kappa, beta=beta)
    points: list[StabilityPoint] = []
    lines: list[StabilityLine] = []

    def result(finished: bool) -> Stability:
        setting = str(problems[0].scenario)
        return Stability(setting, tuple(points), tuple(lines), make_provenance(), finished)

    with interrupt.keeping(lambda: (result(False), len(points))):
        for problem in problems:
            lines.append(scan(problem, alphas, points))
            if progress is not None:
                progress(len(lines), len(problems))
    return result(True)


def plan(
    alpha: ArrayLike, L: int | Sequence[int], *, scenario: str, kappa: ArrayLike, beta: ArrayLike
) -> tuple[list[Problem], list[float]]:
    """Validate the arguments of `stability`: problems at the first alpha, and the grid."""
    setting = choice(Scenario, "scenario", scenario)
    lists = {"alpha": _list(alpha), "L": _list(L), "kappa": _list(kappa), "beta": _list(beta)}
    for name, values in lists.items():
        if not values:
            raise InputError(name, values, "at least one number")
    for depth in lists["L"]:
        if isinstance(depth, int) and depth > MAX_DEPTH:
            raise InputError("L", depth, f"a whole number from 1 to {MAX_DEPTH}")
    problems = [
        Problem(alpha=lists["alpha"][0], L=depth, scenario=setting, kappa=k, beta=b)
        for depth, k, b in itertools.product(lists["L"], lists["kappa"], lists["beta"])
    ]
    grid = [replace(problems[0], alpha=a).alpha for a in lists["alpha"]]
    return problems, grid


def _list(values: Any) -> list[Any]:
    items = list(values) if np.ndim(values) else [values]
    return [v.item() if isinstance(v, np.generic) else v for v in items]
