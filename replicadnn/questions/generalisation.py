"""Generalisation error of the typical student against depth and alpha.

    rho(0) = 1,   rho(l) = (2/pi) asin(Q(l) rho(l-1)),   eps_g = (1 - rho(L))/2   (eq. 24)

with Q(l) of the teacher-student solution.  A liquid layer has Q(l) = 0 on both sides, hence
rho = 0 from there on and eps_g = 1/2 exactly: fresh inputs are not followed through it.
"""

from __future__ import annotations

import enum
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from replicadnn import interrupt
from replicadnn.arcsine import sign_overlap
from replicadnn.calls import by_name
from replicadnn.errors import InputError
from replicadnn.problem import AVERAGED
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
from replicadnn.results import extra
from replicadnn.solution import Solution
from replicadnn.status import Branch, Status
from replicadnn.storage.tables import Plain, Table, Tables, plain
from replicadnn.theory.observables import generalisation_error
from replicadnn.theory.solve import plan, solve_plan
from replicadnn.types import FloatArray, Number, Several
from replicadnn.validate import bare, choice, numbers, whole


class Noise(enum.StrEnum):
    """Which networks err on the fresh inputs, as in training at finite beta."""

    NONE = "none"
    TEACHER = "teacher"
    BOTH = "both"

    def factor(self, beta: float) -> float:
        """Factor of rho(l) a layer: tanh(beta/2) for each network that errs."""
        power = {Noise.NONE: 0, Noise.TEACHER: 1, Noise.BOTH: 2}[self]
        return math.tanh(beta / 2) ** power


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
    status: Status
    branch: Branch
    message: str


_POINTS = Schema(
    "points",
    ErrorPoint,
    (
        Item("L", "depth"),
        Item("alpha", "patterns per coupling"),
        Item("error", "generalisation error eps_g of the typical student", "24"),
        Item("uncertainty", "error of eps_g from the residual of the solution"),
        Item("log_rho", "ln(1 - 2 eps_g)", "24"),
        Item("liquid_layers", "hidden layers with q = 0"),
        Item("status", "status of the solution"),
        Item("branch", "branch of the solution"),
        Item("message", "remark on the solution"),
    ),
    counter="point",
)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Generalisation(Answer):
    """Points in the order of L and, for each, of alpha asked for; see `generalisation`."""

    KIND: ClassVar[str] = "generalisation"

    points: tuple[ErrorPoint, ...]
    beta: float
    kappa: float
    branch: str
    noisy: Noise
    closure: str = AVERAGED

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
        rows = [_POINTS.document(p) for p in self.points]
        for row in rows:
            row["eps_g"] = row.pop("error")
        document: dict[str, Any] = plain(
            {
                "generalisation": rows,
                "scenario": "teacher-student",
                "ansatz": "rs",
                "closure": self.closure,
                "kappa": self.kappa,
                "beta": beta_value(self.beta),
                "branch": self.branch,
                "noisy": str(self.noisy),
                "timings": self.timings,
                "finished": self.finished,
            }
        )
        return document

    def tables(self) -> list[Table]:
        """The points."""
        return [_POINTS.table(self.points)]

    def attributes(self) -> dict[str, Plain]:
        """What they have in common."""
        return {
            "beta": self.beta, "kappa": self.kappa, "branch": self.branch,
            "noisy": str(self.noisy), "closure": self.closure,
        }  # fmt: skip

    @classmethod
    def read(cls, file: Tables) -> Generalisation:
        """What a file holds."""
        a = file.attributes
        return cls(
            points=tuple(_stored(row) for row in _POINTS.read(file["points"])),
            beta=float(a["beta"]),
            kappa=float(a["kappa"]),
            branch=str(a["branch"]),
            noisy=choice(Noise, "noisy", a["noisy"]),
            closure=str(a.get("closure", AVERAGED)),
            **origin(file),
        )


load_generalisation = Generalisation.load


def dataset(found: Generalisation) -> Any:
    """eps_g, its error, ln rho and the liquid layers as an xarray Dataset over L and alpha."""
    L, alpha = found.depths, found.alphas
    names = ("error", "uncertainty", "log_rho", "liquid_layers")
    arrays = {name: np.full((len(L), len(alpha)), math.nan) for name in names}
    for p in found.points:
        for name, array in arrays.items():
            array[L.index(p.L), alpha.index(p.alpha)] = getattr(p, name)
    text = {item.attribute: item.text for item in _POINTS.items}
    return extra("xarray").Dataset(
        {name: (("L", "alpha"), a, {"long_name": text[name]}) for name, a in arrays.items()},
        {"L": L, "alpha": alpha},
        dict(found.attributes()),
    )


def _stored(row: dict[str, Any]) -> ErrorPoint:
    kinds = {"status": choice(Status, "status", row["status"]), "branch": Branch(row["branch"])}
    return ErrorPoint(**row | kinds)


@by_name()
def generalisation(
    alpha: Number | Several,
    L: int | Iterable[int],
    *,
    kappa: float = 0.0,
    beta: float = math.inf,
    closure: str = AVERAGED,
    branch: str = "auto",
    noisy: str = "none",
    known: Generalisation | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = None,
) -> Generalisation:
    """Generalisation error eps_g(alpha, L) of the typical student (docs/theory.md, eq. 24).

    Parameters
    ----------
    alpha : float or array
        Patterns per coupling of a perceptron, alpha = M/c (c = N where fully connected).
    L : int or iterable of int
        Depths, 1..10000.
    kappa, beta : float
        Margin and inverse temperature of the training, as in `replicadnn.solve`.
    closure : str
        Treatment of the neurons, as in `replicadnn.solve`.
    branch : {"auto", "equilibrium", "continuous"}
        Which solution, where there are several.
    noisy : {"none", "teacher", "both"}
        Which networks err on the fresh inputs as well (`generalisation_error`).
    known, checkpoint, progress : after every point

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
    >>> found = rd.generalisation(4.0, [1, 2, 20])
    >>> print(found.error[:, 0].round(5))
    [0.14338 0.22974 0.5    ]
    """
    began = time.perf_counter()
    depths = numbers("L", L)
    noise = choice(Noise, "noisy", noisy)
    if branch == "all":
        raise InputError("branch", branch, "one of auto, equilibrium, continuous")
    works = [
        plan(
            alpha, whole("L", depth, 1, 10_000), kappa=kappa, beta=beta, closure=closure,
            branch=branch,
        )
        for depth in depths
    ]  # fmt: skip
    total = sum(len(work.problems) for work in works)
    asked = settings(
        kappa=float(kappa), beta=float(beta), closure=closure, branch=branch, noisy=noise
    )
    there = taken_over(
        known, asked, (((p.L, p.alpha), p) for p in (known.points if known else ())),
        ((p.L, p.alpha) for work in works for p in work.problems), "L, alpha",
    )  # fmt: skip
    found = {
        (depth, index): there[p.L, p.alpha][0]
        for depth, work in enumerate(works)
        for index, p in enumerate(work.problems)
        if (p.L, p.alpha) in there and there[p.L, p.alpha][0].status is not Status.NOT_CONVERGED
    }

    def result(finished: bool) -> Generalisation:
        return Generalisation(
            tuple(found[place] for place in sorted(found)), float(bare(beta)), float(bare(kappa)),
            branch,
            noise, closure, timings={"solve": time.perf_counter() - began},
            provenance=provenance(asked=asked), finished=finished,
        )  # fmt: skip

    with (
        reporting(progress, "point") as report,
        interrupt.keeping(lambda: (result(False), len(found))),
    ):
        for depth, work in enumerate(works):
            done = {index for at, index in found if at == depth}
            for index, solutions in solve_plan(work, done):
                found[depth, index] = _point(solutions[0], noise)
                if checkpoint is not None:
                    checkpoint(lambda: result(False))
                report(len(found), total)
    return result(True)


def _point(solution: Solution, noise: Noise) -> ErrorPoint:
    error = uncertainty = log_rho = math.nan
    liquid = -1
    if solution.converged:
        Q, beta = solution.Q_ea, solution.problem.beta
        error = generalisation_error(Q, solution.one_minus_Q_ea, beta=beta, noisy=noise)
        liquid = int(np.sum(solution.q_ea[1:-1] == 0.0))
        uncertainty = _uncertainty(solution, noise)
        log_rho = log_correlation(Q, noise.factor(beta))
    return ErrorPoint(
        solution.L, solution.alpha, error, uncertainty, log_rho, liquid, solution.status,
        solution.branch, solution.message,
    )  # fmt: skip


def log_correlation(Q: Sequence[float] | FloatArray, factor: float = 1.0) -> float:
    """ln rho(L) of eq. 24, also where rho underflows 1/2 - eps_g; -inf behind a liquid layer."""
    log_rho = 0.0
    for overlap in Q:
        if overlap == 0.0:
            return -math.inf
        x = overlap * math.exp(log_rho)
        # rho = 2 x/pi at small x
        bend = math.log(0.5 * math.pi * float(sign_overlap(x)[0]) / x) if x > 1e-8 else 0.0
        log_rho += math.log(factor * 2.0 / math.pi) + math.log(overlap) + bend
    return log_rho


def _uncertainty(solution: Solution, noise: Noise) -> float:
    """Change of eps_g when every Q moves by the error that its residual allows."""
    certificate = solution.certificate
    amplified = certificate.residual / max(1e-6, 1.0 - np.nan_to_num(certificate.contraction))
    Q, P = solution.Q_ea, solution.one_minus_Q_ea
    move = min(amplified, 0.5) * Q * P
    beta = solution.problem.beta
    ends = [
        generalisation_error(Q + s * move, P - s * move, beta=beta, noisy=noise) for s in (-1, 1)
    ]
    return 0.5 * abs(ends[0] - ends[1]) + 1e-15
