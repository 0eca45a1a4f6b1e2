"""Stability of the replica-symmetric solution: replicon and de Almeida-Thouless line.

A fluctuation of one overlap q_ab that leaves the symmetric ones alone obeys

    delta q(l) = <f''^2>_spin delta eps(l),   delta G(l) = <f''^2>_int delta lam(l),
    delta Q(l) = (1 - Q(l))^2 delta B(l),

with delta eps, delta lam, delta B from docs/theory.md, eqs. (8), (9), (11); rho is the spectral
radius of this map of (q, Q).  rho < 1: stable; rho = 1: de Almeida-Thouless line; rho > 1: replica
symmetry is broken.  Averages (u of docs/theory.md, section 4; f = ln w(u), ' = d/dh):

    random:           <f''^2>_int = Int Dz f''^2,
                      <f''^2>_spin = E cosh^-4 x,  x ~ N(0, eps)
    teacher-student:  <f''^2>_int = Int Dz (w/norm) f''^2,
                      <f''^2>_spin = E cosh^-4 x,  x ~ N(eps, eps)
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
from replicadnn.kernels import rs as kernels
from replicadnn.problem import Problem, Scenario, choice
from replicadnn.provenance import provenance as make_provenance
from replicadnn.tables import Column, Table, plain, reading, write_tables
from replicadnn.theory import branches
from replicadnn.theory.counting import possible
from replicadnn.theory.entropy import interaction_overlap, neuron_field
from replicadnn.theory.fixedpoint import FloatArray
from replicadnn.theory.rs import log_weight, log_weight_curvature
from replicadnn.theory.saddle import Equations, State
from replicadnn.theory.solver import Branch, find_branches

KIND = "stability"
MAX_DEPTH = 500
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
_SWEEPS = 20_000


def interaction_curvature(equations: Equations, lam: float, mu: float) -> float:
    """<f''^2>_int of one layer at lam, mu = 1 - lam."""
    teacher, _, kappa, beta, drop, _, norm = equations.parameters
    if lam == 0.0:
        return float(log_weight_curvature(np.array([-kappa]), beta)[0]) ** 2
    width, kink = math.sqrt(mu / lam), kappa / math.sqrt(lam)
    edges = kernels.panels(kink, width, drop, kernels.upper_end(lam, kappa))
    half = 0.5 * np.diff(edges)
    z = (edges[:-1] + half)[:, None] + half[:, None] * _NODES
    u = (z - kink) / width
    second = log_weight_curvature(u, beta)
    weight = half[:, None] * _WEIGHTS * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    if teacher:
        weight = weight * np.exp(log_weight(u, beta)) / norm
    return float(np.sum(weight * second**2)) / mu**2


def neuron_curvature(teacher: bool, eps: float) -> float:
    """<f''^2>_spin = E cosh^-4 x, x ~ N(0, eps), tilted by exp(x - eps/2) for the teacher."""
    if eps == 0.0:
        return 1.0
    scale = math.sqrt(eps / (1.0 + eps))
    x = np.arange(-400, 401) * 0.1 * scale
    inverse = 1.0 / np.cosh(x)
    exponent = -0.5 * x * x / eps
    if teacher:  # symmetrised: exp(x - eps/2) -> cosh x exp(-eps/2)
        values = inverse**3 * np.exp(exponent - 0.5 * eps)
    else:
        values = inverse**4 * np.exp(exponent)
    return float(np.sum(values)) * 0.1 * scale / math.sqrt(2.0 * math.pi * eps)


def replicon_matrix(equations: Equations, state: State) -> FloatArray:
    """The map of (delta q(0..L), delta Q(1..L)) of the module docstring, (2L+1, 2L+1)."""
    problem = equations.problem
    L, q, Q = problem.L, state.q, state.Q
    lam, mu = interaction_overlap(state)
    G = equations.curvatures(state)
    gap = [
        interaction_curvature(equations, float(a), float(b)) for a, b in zip(lam, mu, strict=True)
    ]
    eps = neuron_field(equations, state)
    spin = np.zeros(L + 1)
    spin[1:-1] = [neuron_curvature(problem.teacher, float(e)) for e in eps]
    left, right, rows = q[:-1], q[1:], np.arange(L)
    d_lam = np.zeros((L, 2 * L + 1))
    d_lam[rows, rows] = right * Q
    d_lam[rows, rows + 1] = left * Q
    d_lam[rows, L + 1 + rows] = left * right
    d_G = np.array(gap)[:, None] * d_lam
    d_eps = np.zeros((L + 1, 2 * L + 1))
    for s in range(L):
        for layer, other in ((s, s + 1), (s + 1, s)):
            d_eps[layer] += Q[s] * q[other] * d_G[s]
            d_eps[layer, other] += Q[s] * G[s]
            d_eps[layer, L + 1 + s] += q[other] * G[s]
    d_B = problem.alpha * (left * right)[:, None] * d_G
    d_B[rows, rows] += problem.alpha * right * G
    d_B[rows, rows + 1] += problem.alpha * left * G
    return np.vstack([spin[:, None] * d_eps, state.P[:, None] ** 2 * d_B])


def replicon(equations: Equations, state: State) -> float:
    """rho of a replica-symmetric state, accurate to about 1e-10."""
    return float(np.max(np.abs(np.linalg.eigvals(replicon_matrix(equations, state)))))


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
    previous: list[Branch] = []
    below: tuple[float, State, float] | None = None
    line = StabilityLine(
        L=problem.L, kappa=problem.kappa, beta=problem.beta, alpha=math.nan, uncertainty=math.nan,
        onset=False, message="rho < 1 at every alpha of the grid with a solution",
    )  # fmt: skip
    for alpha in sorted(alphas):
        here = replace(problem, alpha=alpha)
        found = find_branches(here, previous=previous)
        previous = found if all(b.settled.found for b in found) else []
        equations = Equations(here)
        for branch in found:
            good = branch.settled.found
            rho = replicon(equations, branch.settled.state) if good else math.nan
            empty = "UNSAT" in branch.settled.reason
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
            raise ArithmeticError(settled.reason)
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
