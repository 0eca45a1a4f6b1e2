"""Learning curves: how good is what is learned, against features per pattern, gamma = p/n."""

from __future__ import annotations

import enum
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from replicadnn import interrupt
from replicadnn.calls import by_name
from replicadnn.curves.covariance import ISOTROPIC, POWER_LAW, Covariance, power_law
from replicadnn.curves.least_squares import COLUMNS, MEASURED, LeastSquares
from replicadnn.curves.samples import Samples, sample_attributes, sample_tables
from replicadnn.errors import InputError
from replicadnn.progress import Progress, reporting
from replicadnn.provenance import provenance, same_settings, settings
from replicadnn.questions.schema import Answer, Checkpoint, origin
from replicadnn.results import Labelled, extra
from replicadnn.storage.tables import Column, Plain, Table, Tables, plain
from replicadnn.types import FloatArray, Number, Several
from replicadnn.validate import bare, choice, numbers, real, whole

#: ``ridge`` that is chosen anew at every gamma.
OPTIMAL = "optimal"
#: gamma where none is asked for.
_GRID = np.logspace(-1.0, 1.0, 40)
#: Largest |b|^2, variance of the noise and ridge; most features of a drawn data set and draws.
_LARGEST, _MAX_FEATURES, _MAX_SAMPLES = 1e9, 10_000, 100_000
#: Most entries of the matrix of the patterns of one data set.
_MAX_ENTRIES = 20_000_000


class Model(enum.StrEnum):
    """What learns."""

    #: Linear least squares with a ridge, or without (the solution of least norm).
    RIDGE = "ridge"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class LearningCurve(Answer, Labelled):
    """Risk and training error against gamma; see `replicadnn.curves.learning_curve`.

    Attributes
    ----------
    model : Model
    covariance : Covariance
    b2, sigma2 : float
        ``|b|^2`` and variance of the noise.
    asked : float or "optimal"
        The ridge that was asked for.
    gamma : array (points,)
        Features per pattern, p/n.
    ridge, kappa, df1, df2, bias, variance, risk, training_error : arrays (points,)
        Ridge, effective ridge, degrees of freedom per pattern, excess risk and its two parts,
        mean squared residual on the patterns.
    optimal_ridge, optimal_risk : arrays (points,)
        Ridge of the smallest risk, which may be negative, and that risk.
    measured : Samples or None
        The same on drawn data sets, where that was asked for.
    """

    KIND: ClassVar[str] = "learning-curve"

    model: Model
    covariance: Covariance
    b2: float
    sigma2: float
    asked: float | str
    gamma: FloatArray
    columns: Mapping[str, FloatArray]
    measured: Samples | None = None

    def __getattr__(self, name: str) -> FloatArray:
        if name in COLUMNS:
            return self.columns[name]
        raise AttributeError(f"LearningCurve has no attribute {name!r}")

    @property
    def test_error(self) -> FloatArray:
        """risk + sigma2: mean squared error on fresh inputs with their noise."""
        return np.asarray(self.columns["risk"] + self.sigma2)

    @property
    def converged(self) -> bool:
        """Each number is a root to the last digits."""
        return True

    def _line(self) -> Mapping[str, object]:
        return {
            "model": str(self.model), "covariance": self.covariance.name, "b2": self.b2,
            "sigma2": self.sigma2, "ridge": self.asked, "points": self.gamma.size,
            "samples": 0 if self.measured is None else self.measured.samples,
        }  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """The document of ``learning-curve --json``; null for what does not exist."""
        points: dict[str, Any] = {"gamma": self.gamma} | dict(self.columns)
        points["test_error"] = self.test_error
        document: dict[str, Any] = plain(
            {
                "model": str(self.model),
                "covariance": self.covariance.name,
                "b2": self.b2,
                "sigma2": self.sigma2,
                "ridge": self.asked,
                "points": _rows(points),
                "samples": None if self.measured is None else self.measured.as_dict(),
                "timings": self.timings,
                "finished": self.finished,
            }
        )
        return document

    def tables(self) -> list[Table]:
        """The points, the covariance, the drawn data sets."""
        points = [
            Column.of("point", np.arange(self.gamma.size), "number of the row"),
            Column.of("gamma", self.gamma, "features per pattern, p/n"),
            *(Column.of(name, self.columns[name], text) for name, text in COLUMNS.items()),
        ]
        law = self.covariance
        modes = [
            Column.of("mode", np.arange(law.weights.size), "number of the row"),
            Column.of("eigenvalue", law.eigenvalues, "eigenvalue of the covariance"),
            Column.of("weight", law.weights, "share of the features"),
            Column.of("signal", law.signal, "share of |b|^2"),
        ]
        drawn = sample_tables(self.measured)
        return [Table("points", tuple(points)), Table("covariance", tuple(modes)), *drawn]

    def attributes(self) -> dict[str, Plain]:
        """What was asked."""
        told: dict[str, Plain] = {
            "model": str(self.model), "covariance": self.covariance.name, "b2": self.b2,
            "sigma2": self.sigma2, "ridge": self.asked,
        }  # fmt: skip
        return told | sample_attributes(self.measured)

    @classmethod
    def read(cls, file: Tables) -> LearningCurve:
        """What a file holds."""
        a, points, modes = file.attributes, file["points"], file["covariance"]
        law = Covariance(
            modes["eigenvalue"], weights=modes["weight"], signal=modes["signal"],
            name=str(a["covariance"]),
        )  # fmt: skip
        asked = a["ridge"]
        return cls(
            model=choice(Model, "model", a["model"]),
            covariance=law,
            b2=float(a["b2"]),
            sigma2=float(a["sigma2"]),
            asked=asked if isinstance(asked, str) else float(asked),
            gamma=points["gamma"],
            columns={name: points[name] for name in COLUMNS},
            measured=Samples.read(file) if "samples" in file.tables else None,
            **origin(file),
        )


load_learning_curve = LearningCurve.load


def dataset(found: LearningCurve) -> Any:
    """All columns as an xarray Dataset over gamma."""
    return extra("xarray").Dataset(
        {n: (("gamma",), found.columns[n], {"long_name": text}) for n, text in COLUMNS.items()},
        {"gamma": found.gamma},
        found.attributes(),
    )


def _rows(columns: Mapping[str, FloatArray]) -> list[dict[str, float]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@by_name()
def learning_curve(
    gamma: Number | Several | None = None,
    *,
    model: str = "ridge",
    covariance: str | Covariance = ISOTROPIC,
    exponent: float | None = None,
    modes: int | None = None,
    signal_exponent: float | None = None,
    b2: float = 1.0,
    sigma2: float = 0.25,
    ridge: float | str = 0.0,
    samples: int = 0,
    p: int = 400,
    seed: int = 1,
    known: LearningCurve | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = None,
) -> LearningCurve:
    """Risk and training error of ridge and ridgeless regression against gamma = p/n.

        lambda = kappa (1 - gamma <s/(s + kappa)>),   df2 = gamma <s^2/(s + kappa)^2>,
        risk = (kappa^2 sum_k b_k^2 s_k/(s_k + kappa)^2 + sigma2 df2)/(1 - df2)

    for y = x.b + eps and b^ = X^T (X X^T/n + lambda)^{-1} y/n, p and n large (docs/curves.md,
    eqs. 1 to 6).  Without ridge and with gamma above 1: the interpolating solution of least norm.

    Parameters
    ----------
    gamma : float or array, optional
        Features per pattern p/n, 1e-6..1e6, any grid.  Default: 40 values from 0.1 to 10.
    model : {"ridge"}
    covariance : {"isotropic", "power-law"} or Covariance
        Of the inputs.  Its law stays the same along the curve.
    exponent, modes, signal_exponent : as of `power_law`, only with "power-law"
        Defaults 1.5, 400, 0.
    b2, sigma2 : float
        ``|b|^2``, above 0, and variance of the noise.
    ridge : float or "optimal"
        lambda, or at every gamma the one of the smallest risk.  It may be negative, as long as it
        is above minus the smallest eigenvalue (of those above 0) of X X^T/n.
    samples : int
        Draw that many data sets and measure the same on each of them.
    p : int
        Features of a drawn data set, 2..10000; it has p/gamma patterns.
    seed : int
        Each data set has its own child of it: more of them later have the bits of one run.
    known : LearningCurve, optional
        An earlier result with the same arguments and fewer samples.
    checkpoint : callable, optional
        Called after every data set with a function that returns the result so far.
    progress : True or callable, optional
        True for a bar, or a function called with (data sets done, data sets in all).

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.
    KeyboardInterrupt
        Ctrl-C; its ``partial`` holds the theory and the data sets that are done.

    Examples
    --------
    >>> import replicadnn as rd
    >>> found = rd.curves.learning_curve([0.5, 2.0], sigma2=0.25)
    >>> found.risk.round(9).tolist(), found.optimal_risk.round(9).tolist()
    ([0.25, 0.75], [0.17539053, 0.640388203])
    """
    began = time.perf_counter()
    kind = choice(Model, "model", model)
    law = _covariance(covariance, exponent, modes, signal_exponent)
    problem = LeastSquares(
        law,
        real("b2", b2, 1e-12, _LARGEST, "a number above 0"),
        real("sigma2", sigma2, 0.0, _LARGEST, "a variance, 0 or more"),
    )
    axis, lam = _gammas(gamma), _ridge(ridge)
    count = whole("samples", samples, 0, _MAX_SAMPLES)
    asked = settings(
        model=str(kind), gamma=axis.tolist(), covariance=f"{law.name} {law.digest}",
        b2=problem.b2, sigma2=problem.sigma2, ridge=OPTIMAL if lam is None else lam,
    )  # fmt: skip
    rows = [_row(problem, float(g), lam) for g in axis]
    theory = LearningCurve(
        kind, law, problem.b2, problem.sigma2, OPTIMAL if lam is None else lam, axis,
        {name: np.array([row[name] for row in rows]) for name in COLUMNS},
        timings={"theory": time.perf_counter() - began}, provenance=provenance(asked=asked),
    )  # fmt: skip
    before = None
    if known is not None:
        same_settings(known.provenance, asked)
        before = known.measured
    if count == 0 and before is None:
        return theory
    size, start = whole("p", p, 2, _MAX_FEATURES), whole("seed", seed, 0, 2**63 - 1)
    plan = _Plan(problem, axis, lam, size, start)
    plan.check(count, before)
    return plan.draw(theory, count, before, checkpoint, progress)


def _covariance(
    covariance: Any, exponent: float | None, modes: int | None, signal_exponent: float | None
) -> Covariance:
    """The covariance that is asked for."""
    own = {"exponent": exponent, "modes": modes, "signal_exponent": signal_exponent}
    given = {name: value for name, value in own.items() if value is not None}
    if covariance == POWER_LAW and isinstance(covariance, str):
        return power_law(**given)  # type: ignore[arg-type]
    for name, value in given.items():
        raise InputError(name, value, f"only with covariance {POWER_LAW}")
    if isinstance(covariance, Covariance):
        return covariance
    if isinstance(covariance, str) and covariance == ISOTROPIC:
        return Covariance([1.0], name=ISOTROPIC)
    raise InputError(
        "covariance",
        covariance,
        f"{ISOTROPIC}, {POWER_LAW}, or your own: a Covariance or a file of one",
    )


def _gammas(values: Any) -> FloatArray:
    if values is None:
        return _GRID.copy()
    allowed = "a number from 1e-6 to 1e6"
    return np.array([real("gamma", one, 1e-6, 1e6, allowed) for one in numbers("gamma", values)])


def _ridge(value: Any) -> float | None:
    """None: the optimal one."""
    if isinstance(bare(value), str) and bare(value) == OPTIMAL:
        return None
    return real("ridge", value, -_LARGEST, _LARGEST, f"a number or {OPTIMAL}")


def _row(problem: LeastSquares, gamma: float, ridge: float | None) -> dict[str, float]:
    interrupt.check()
    try:
        return problem.row(gamma, ridge)
    except ValueError:
        here = problem.at(gamma)
        edge = here.ridge(here.lowest)
        allowed = f"above {edge:.6g} at gamma = {gamma:.6g}, minus the least eigenvalue of X X^T/n"
        raise InputError("ridge", ridge, allowed) from None


@dataclass(frozen=True, slots=True)
class _Plan:
    """Data sets to be drawn."""

    problem: LeastSquares
    gamma: FloatArray
    ridge: float | None
    p: int
    seed: int

    @property
    def patterns(self) -> list[int]:
        """n = p/gamma, rounded, at every gamma."""
        return [max(1, round(self.p / float(g))) for g in self.gamma]

    def check(self, count: int, known: Samples | None) -> None:
        """Refuse what cannot be drawn, or does not continue ``known``."""
        self.problem.covariance.counts(self.p)
        for g, n in zip(self.gamma, self.patterns, strict=True):
            if self.p < g:
                raise InputError("p", self.p, f"at least gamma = {g:g}: one pattern")
            if n * self.p > _MAX_ENTRIES:
                raise InputError("p", self.p, f"p n at most {_MAX_ENTRIES:g} (gamma = {g:g})")
        if known is None:
            return
        for name in ("p", "seed"):
            there, value = getattr(known, name), getattr(self, name)
            if there != value:
                raise InputError(name, value, f"must be {there} to continue the earlier result")
        if known.samples > count:
            raise InputError("samples", count, f"at least the {known.samples} of the earlier one")

    def draw(
        self,
        theory: LearningCurve,
        count: int,
        known: Samples | None,
        checkpoint: Checkpoint | None,
        progress: Progress,
    ) -> LearningCurve:
        """The theory with ``count`` data sets beside it."""
        began = time.perf_counter()
        at = [(self.p / n, n) for n in self.patterns]
        ridges = [_row(self.problem, gamma, self.ridge)["ridge"] for gamma, _ in at]
        rows: list[list[Sequence[float]]] = [] if known is None else known.rows()

        def result(finished: bool) -> LearningCurve:
            values = np.array(rows, float).reshape(len(rows), len(at), len(MEASURED))
            measured = Samples(
                self.p, self.seed, np.array([n for _, n in at]),
                {name: values[:, :, k] for k, name in enumerate(MEASURED)},
            )  # fmt: skip
            timings = dict(theory.timings) | {"samples": time.perf_counter() - began}
            origin = dict(theory.provenance) | {"seed": str(self.seed)}
            return replace(
                theory, measured=measured, timings=timings, provenance=origin, finished=finished
            )

        with (
            reporting(progress, "data set") as report,
            interrupt.keeping(lambda: (result(False), len(rows))),
        ):
            while len(rows) < count:
                rows.append(self._one(len(rows), ridges))
                if checkpoint is not None:
                    checkpoint(lambda: result(False))
                report(len(rows), count)
        return result(True)

    def _one(self, number: int, ridges: Sequence[float]) -> list[Sequence[float]]:
        """`MEASURED` at every gamma on the data set of this number."""
        row: list[Sequence[float]] = []
        for place, (n, ridge) in enumerate(zip(self.patterns, ridges, strict=True)):
            interrupt.check()
            child = np.random.SeedSequence(self.seed, spawn_key=(number, place))
            found = self.problem.draw(np.random.default_rng(child), n, self.p, ridge)
            row.append([found[name] for name in MEASURED])
        return row
