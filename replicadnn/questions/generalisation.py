"""Generalisation error of the typical student against depth and alpha.

    rho(0) = 1,   rho(l) = (2/pi) asin(Q(l) rho(l-1)),   eps_g = (1 - rho(L))/2   (eq. 24)

with Q(l) of the teacher-student solution.  A liquid layer has Q(l) = 0 on both sides, hence
rho = 0 from there on and eps_g = 1/2 exactly: fresh inputs are not followed through it.  Of one
perceptron also the error of the vote of all students, on structured inputs too (docs/inputs.md).
"""

from __future__ import annotations

import enum
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from replicadnn import interrupt
from replicadnn.arcsine import sign_overlap
from replicadnn.calls import by_name
from replicadnn.errors import InputError
from replicadnn.inputs import INDEPENDENT, HiddenManifold, Inputs, inputs_of
from replicadnn.problem import AVERAGED, Problem
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
from replicadnn.solution import CONTINUOUS, Solution
from replicadnn.status import Branch, Status
from replicadnn.storage.tables import Plain, Table, Tables, plain
from replicadnn.theory.latent_teacher import solve_latent
from replicadnn.theory.observables import generalisation_error
from replicadnn.theory.solve import Plan, plan, solve_plan
from replicadnn.types import FloatArray, Number, Several
from replicadnn.validate import bare, choice, numbers, whole


class Teacher(enum.StrEnum):
    """What the teacher of one perceptron reads: the inputs, or their latent variables."""

    INPUTS = "inputs"
    LATENT = "latent"


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
    ``liquid_layers`` the number of hidden layers with q = 0.  One perceptron, else nan: ``vote``
    is the error of the vote of all students; ``m`` covariance of the fields of teacher and
    student, ``q`` of two students, ``r`` variance of a student's, that of the teacher being 1
    (teacher on the inputs: m = q = Q, r = 1).
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
    vote: float = math.nan
    m: float = math.nan
    q: float = math.nan
    r: float = math.nan


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
        Item("vote", "error of the vote of all students of one perceptron", added=True),
        Item("m", "covariance of the fields of teacher and student", added=True),
        Item("q", "covariance of the fields of two students", added=True),
        Item("r", "variance of the field of a student", added=True),
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
    inputs: Inputs | None = None
    teacher: Teacher = Teacher.INPUTS

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
            row["eps_g"], row["eps_vote"] = row.pop("error"), row.pop("vote")
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
                "inputs": None if self.inputs is None else self.inputs.text,
                "teacher": str(self.teacher),
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
            "inputs": INDEPENDENT if self.inputs is None else self.inputs.text,
            "teacher": str(self.teacher),
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
            inputs=inputs_of(str(a.get("inputs", INDEPENDENT))),
            teacher=choice(Teacher, "teacher", a.get("teacher", "inputs")),
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
    inputs: Inputs | str | None = None,
    teacher: str = "inputs",
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
    inputs : HiddenManifold, InputSpectrum or str, optional
        Law of structured inputs of one perceptron, as in `replicadnn.solve`.
    teacher : {"inputs", "latent"}
        What the teacher reads; its latent variables: inputs of a hidden manifold, beta = inf.
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
    noise, reads = choice(Noise, "noisy", noisy), choice(Teacher, "teacher", teacher)
    works = _planned(
        alpha, numbers("L", L), reads, kappa=kappa, beta=beta, closure=closure, branch=branch,
        inputs=inputs,
    )  # fmt: skip
    law = inputs_of(inputs)
    total = sum(len(work.problems) for work in works)
    asked = settings(
        kappa=float(kappa), beta=float(beta), closure=closure, branch=branch, noisy=noise,
        inputs=None if law is None else law.text,
        teacher=None if reads is Teacher.INPUTS else reads,
    )  # fmt: skip
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
            branch, noise, closure, law, reads, timings={"solve": time.perf_counter() - began},
            provenance=provenance(asked=asked), finished=finished,
        )  # fmt: skip

    with (
        reporting(progress, "point") as report,
        interrupt.keeping(lambda: (result(False), len(found))),
    ):
        for depth, work in enumerate(works):
            done = {index for at, index in found if at == depth}
            for index, point in _solved(work, done, noise, reads):
                found[depth, index] = point
                if checkpoint is not None:
                    checkpoint(lambda: result(False))
                report(len(found), total)
    return result(True)


def _planned(
    alpha: Number | Several, depths: Sequence[Any], reads: Teacher, **how: Any
) -> list[Plan]:
    """One plan a depth; InputError where what is asked is not covered."""
    if how["branch"] == "all":
        raise InputError("branch", "all", "one of auto, equilibrium, continuous")
    works = [plan(alpha, whole("L", depth, 1, 10_000), **how) for depth in depths]
    if reads is Teacher.INPUTS:
        return works
    for problem in (problem for work in works for problem in work.problems):
        if not isinstance(problem.inputs, HiddenManifold):
            shown = INDEPENDENT if problem.inputs is None else problem.inputs.text
            raise InputError("inputs", shown, f"{HiddenManifold.NAME}:DELTA with teacher latent")
        if not problem.hard:
            raise InputError("beta", problem.beta, "inf with teacher latent")
    return works


def _solved(
    work: Plan, done: set[int], noise: Noise, reads: Teacher
) -> Iterator[tuple[int, ErrorPoint]]:
    """Points of one depth by their place, those of ``done`` left out."""
    if reads is Teacher.INPUTS:
        for index, solutions in solve_plan(work, done):
            yield index, _point(solutions[0], noise)
        return
    for index, problem in enumerate(work.problems):
        if index not in done:
            interrupt.check()
            yield index, _of_latent_teacher(problem, work.tol)


def _of_latent_teacher(problem: Problem, tol: float) -> ErrorPoint:
    assert isinstance(problem.inputs, HiddenManifold)
    found = solve_latent(problem.alpha, problem.inputs, tol)
    error = vote = uncertainty = log_rho = math.nan
    if found.status is Status.CONVERGED:
        error, vote = found.gibbs, found.vote
        uncertainty = found.residual + 1e-15  # V, q, m to this part, and an angle of them
        log_rho = math.log1p(-2.0 * error)
    return ErrorPoint(
        1, problem.alpha, error, uncertainty, log_rho, 0 if math.isfinite(error) else -1,
        found.status, CONTINUOUS, found.message, vote, found.m, found.q, found.r,
    )  # fmt: skip


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
        solution.branch, solution.message, *_fields(solution),
    )  # fmt: skip


def _fields(solution: Solution) -> tuple[float, float, float, float]:
    """Error of the vote, and m, q, r, of one perceptron."""
    if solution.eps_bayes is None or not solution.converged:
        return (math.nan,) * 4
    Q = float(solution.Q_ea[0])
    return solution.eps_bayes, Q, Q, 1.0


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
