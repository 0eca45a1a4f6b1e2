"""Generalisation error of the typical student against depth and alpha.

    rho(0) = 1,   rho(l) = (2/pi) asin(Q(l) rho(l-1)),   eps_g = (1 - rho(L))/2   (eq. 24)

with Q(l) of the teacher-student solution.  A liquid layer has Q(l) = 0 on both sides, hence
rho = 0 from there on and eps_g = 1/2 exactly: fresh inputs are not followed through it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from replicadnn import interrupt
from replicadnn.errors import InputError
from replicadnn.provenance import provenance
from replicadnn.solution import Solution
from replicadnn.storage.tables import Column, Plain, Table, plain, reading, seconds, write_tables
from replicadnn.theory.observables import generalisation_error
from replicadnn.theory.solve import Progress, plan, solve_plan
from replicadnn.types import FloatArray
from replicadnn.validate import whole

NOISY = ("none", "teacher", "both")


@dataclass(frozen=True, slots=True)
class ErrorPoint:
    """eps_g at one (L, alpha).

    ``error`` is eps_g (nan where the solution did not converge), ``uncertainty`` what the residual
    of the solution makes of it, ``log_rho`` = ln rho(L) = ln(1 - 2 eps_g) (-inf: exactly 1/2),
    ``liquid_layers`` the number of hidden layers with q = 0.
    """

    L: int
    alpha: float
    error: float
    uncertainty: float
    log_rho: float
    liquid_layers: int
    status: str
    branch: str
    message: str


@dataclass(frozen=True, slots=True)
class Generalisation:
    """Points in the order of L and, for each, of alpha asked for; see `generalisation`.

    ``finished`` is False if it was interrupted: the points are those that were done.
    """

    points: tuple[ErrorPoint, ...]
    beta: float
    kappa: float
    branch: str
    noisy: str
    timings: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    finished: bool = True

    @property
    def depths(self) -> list[int]:
        """Depths in the order asked for."""
        return list(dict.fromkeys(p.L for p in self.points))

    @property
    def alphas(self) -> list[float]:
        """Values of alpha in the order asked for."""
        return list(dict.fromkeys(p.alpha for p in self.points))

    @property
    def error(self) -> FloatArray:
        """eps_g, one row a depth, one column an alpha; nan where an interrupted run has none."""
        known = {(p.L, p.alpha): p.error for p in self.points}
        rows = [[known.get((L, a), math.nan) for a in self.alphas] for L in self.depths]
        return np.array(rows, dtype=float).reshape(len(self.depths), len(self.alphas))

    @property
    def converged(self) -> bool:
        """Every point has an error."""
        return not any(math.isnan(p.error) for p in self.points)

    def as_dict(self) -> dict[str, Any]:
        """The document of ``generalisation --json``; null for what does not exist."""
        rows = [{name: getattr(p, name) for name, _, _ in _COLUMNS} for p in self.points]
        for row in rows:
            row["eps_g"] = row.pop("error")
        document: dict[str, Any] = plain(
            {
                "generalisation": rows,
                "scenario": "teacher-student",
                "ansatz": "rs",
                "kappa": self.kappa,
                "beta": "inf" if math.isinf(self.beta) else self.beta,
                "branch": self.branch,
                "noisy": self.noisy,
                "timings": self.timings,
                "finished": self.finished,
            }
        )
        return document

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the points to one HDF5 file of kind "generalisation" (docs/file-format.md).

        Raises
        ------
        FileError
            The file exists (without ``overwrite``), the folder is missing, or writing fails.
        """
        points = Table.of("points", self.points, _COLUMNS)
        number = Column.of("point", np.arange(len(self.points)), "number of the point")
        attributes: dict[str, Plain] = {
            "beta": self.beta, "kappa": self.kappa, "branch": self.branch, "noisy": self.noisy,
        }  # fmt: skip
        return write_tables(
            path, "generalisation", [Table("points", (number, *points.columns))],
            attributes=attributes | seconds(self.timings), provenance=self.provenance,
            finished=self.finished, overwrite=overwrite,
        )  # fmt: skip


_COLUMNS = (
    ("L", "depth", ""),
    ("alpha", "patterns per coupling", ""),
    ("error", "generalisation error eps_g of the typical student", "24"),
    ("uncertainty", "error of eps_g from the residual of the solution", ""),
    ("log_rho", "ln(1 - 2 eps_g)", "24"),
    ("liquid_layers", "hidden layers with q = 0", ""),
    ("status", "status of the solution", ""),
    ("branch", "branch of the solution", ""),
    ("message", "remark on the solution", ""),
)


def load_generalisation(path: str | Path) -> Generalisation:
    """Read a file of kind "generalisation".

    Raises
    ------
    FileError
        As `replicadnn.load`.
    """
    with reading(path, "generalisation") as file:
        a, rows = file.attributes, file["points"].records()
        return Generalisation(
            points=tuple(ErrorPoint(*(row[name] for name, _, _ in _COLUMNS)) for row in rows),
            beta=float(a["beta"]),
            kappa=float(a["kappa"]),
            branch=str(a["branch"]),
            noisy=str(a["noisy"]),
            timings=file.timings,
            provenance=file.provenance,
            finished=file.finished,
        )


def generalisation(
    L: int | Iterable[int],
    alpha: ArrayLike,
    *,
    kappa: float = 0.0,
    beta: float = math.inf,
    branch: str = "auto",
    noisy: str = "none",
    progress: Progress | None = None,
) -> Generalisation:
    """Generalisation error eps_g(alpha, L) of the typical student (docs/theory.md, eq. 24).

    Parameters
    ----------
    L : int or iterable of int
        Depths, 1..10000.
    alpha : float or array
        Patterns per coupling.
    kappa, beta : float
        Margin and inverse temperature of the training, as in `replicadnn.solve`.
    branch : {"auto", "equilibrium", "continuous"}
        Which solution, where there are several.
    noisy : {"none", "teacher", "both"}
        Which networks err on the fresh inputs as well (`generalisation_error`).
    progress : callable, optional
        Called with (points done, points in all).

    Returns
    -------
    Generalisation

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.
    KeyboardInterrupt
        Ctrl-C; its ``partial`` holds what is done.

    Examples
    --------
    >>> import replicadnn as rd
    >>> found = rd.generalisation([1, 2, 20], [4.0])
    >>> print(found.error[:, 0].round(5))
    [0.14338 0.22974 0.5    ]
    """
    began = time.perf_counter()
    depths = [L] if np.ndim(L) == 0 else list(L)  # type: ignore[arg-type]
    if not depths:
        raise InputError("L", depths, "at least one depth")
    if noisy not in NOISY:
        raise InputError("noisy", noisy, "one of " + ", ".join(NOISY))
    if branch == "all":
        raise InputError("branch", branch, "one of auto, equilibrium, continuous")
    works = [
        plan(alpha, whole("L", depth, 1, 10_000), kappa=kappa, beta=beta, branch=branch)
        for depth in depths
    ]
    total = sum(len(work.problems) for work in works)
    found: dict[tuple[int, int], ErrorPoint] = {}

    def result(finished: bool) -> Generalisation:
        return Generalisation(
            tuple(found[place] for place in sorted(found)), float(beta), float(kappa), branch,
            noisy, {"solve": time.perf_counter() - began}, provenance(), finished,
        )  # fmt: skip

    with interrupt.keeping(lambda: (result(False), len(found))):
        for depth, work in enumerate(works):
            for index, solutions in solve_plan(work):
                found[depth, index] = _point(solutions[0], noisy)
                if progress is not None:
                    progress(len(found), total)
    return result(True)


def _point(solution: Solution, noisy: str) -> ErrorPoint:
    error = uncertainty = log_rho = math.nan
    liquid = -1
    if solution.converged:
        Q, rest = solution.Q_ea, solution.one_minus_Q_ea
        beta = solution.problem.beta
        error = generalisation_error(Q, rest, beta=beta, noisy=noisy)
        liquid = int(np.sum(solution.q_ea[1:-1] == 0.0))
        uncertainty = _uncertainty(solution, noisy)
        factor = {"none": 1.0, "teacher": math.tanh(beta / 2), "both": math.tanh(beta / 2) ** 2}
        log_rho = log_correlation(Q, factor[noisy])
    return ErrorPoint(
        solution.L, solution.alpha, error, uncertainty, log_rho, liquid, str(solution.status),
        solution.branch, solution.message,
    )  # fmt: skip


def log_correlation(Q: Sequence[float] | FloatArray, factor: float = 1.0) -> float:
    """ln rho(L) of eq. 24, also where rho underflows 1/2 - eps_g; -inf behind a liquid layer."""
    log_rho = 0.0
    for overlap in Q:
        if overlap == 0.0:
            return -math.inf
        x = overlap * math.exp(log_rho)
        # asin(x) -> x
        bend = math.log(math.asin(min(x, 1.0)) / x) if x > 1e-8 else 0.0
        log_rho += math.log(factor * 2.0 / math.pi) + math.log(overlap) + bend
    return log_rho


def _uncertainty(solution: Solution, noisy: str) -> float:
    """Change of eps_g when every Q moves by the error that its residual allows."""
    certificate = solution.certificate
    amplified = certificate.residual / max(1e-6, 1.0 - np.nan_to_num(certificate.contraction))
    Q, P = solution.Q_ea, solution.one_minus_Q_ea
    move = min(amplified, 0.5) * Q * P
    beta = solution.problem.beta
    ends = [
        generalisation_error(Q + s * move, P - s * move, beta=beta, noisy=noisy) for s in (-1, 1)
    ]
    return 0.5 * abs(ends[0] - ends[1]) + 1e-15
