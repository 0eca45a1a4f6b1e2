"""Learning curves: how good is what is learned, against features per pattern, gamma = p/n."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from replicadnn import interrupt
from replicadnn.calls import by_name
from replicadnn.curves.ask import (
    OPTIMAL,
    PROBLEMS,
    Model,
    complete,
    gammas,
    problem_of,
    ridge_of,
    row_of,
)
from replicadnn.curves.covariance import Covariance
from replicadnn.curves.features import TOLERANCE, Features
from replicadnn.curves.least_squares import LeastSquares
from replicadnn.curves.samples import Plan, Samples, samples_asked
from replicadnn.progress import Progress, reporting
from replicadnn.provenance import provenance, same_settings, settings
from replicadnn.questions.schema import Answer, Checkpoint, origin
from replicadnn.results import Labelled, extra
from replicadnn.storage.tables import Column, Plain, Table, Tables, plain
from replicadnn.types import FloatArray, Number, Several
from replicadnn.validate import choice
from replicadnn.wide.activations import Activation


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class LearningCurve(Answer, Labelled):
    """Risk and training error against gamma; see `replicadnn.curves.learning_curve`.

    Attributes
    ----------
    model : Model
    problem : LeastSquares or Features
        What learns from what; its attributes (``covariance``, ``sigma2``, ``loss``, ...) are also
        those of the curve.
    asked : float or "optimal"
        The ridge that was asked for.
    gamma : array (points,)
        Features per pattern, p/n.
    ridge, test_error, training_error : arrays (points,)
        And, model "ridge": kappa, df1, df2, bias, variance, risk (without the noise of fresh
        patterns), optimal_ridge (may be negative), optimal_risk; model "features": V, q, m and
        the residual of their equations.
    measured : Samples or None
        The same on drawn data sets, where that was asked for.
    """

    KIND: ClassVar[str] = "learning-curve"

    model: Model
    problem: LeastSquares | Features
    asked: float | str
    gamma: FloatArray
    columns: Mapping[str, FloatArray]
    measured: Samples | None = None

    def __getattr__(self, name: str) -> Any:
        if name[:1] != "_" and name in self.columns:
            return self.columns[name]
        if name[:1] != "_" and hasattr(self.problem, name):
            return getattr(self.problem, name)
        raise AttributeError(f"LearningCurve has no attribute {name!r}")

    @property
    def converged(self) -> bool:
        """Roots to the last digits; fixed points (model "features") to 1e-8."""
        return bool(np.all(self.columns.get("residual", np.zeros(1)) < TOLERANCE))

    def _line(self) -> Mapping[str, object]:
        return {"model": str(self.model)} | self.problem.attributes() | {
            "ridge": self.asked, "points": self.gamma.size,
            "samples": 0 if self.measured is None else self.measured.samples,
        }  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """The document of ``learning-curve --json``; null for what does not exist."""
        columns = {"gamma": self.gamma} | dict(self.columns)
        document: dict[str, Any] = plain(
            {"model": str(self.model)}
            | self.problem.attributes()
            | {
                "ridge": self.asked,
                "points": [
                    dict(zip(columns, row, strict=True))
                    for row in zip(*columns.values(), strict=True)
                ],
                "samples": None if self.measured is None else self.measured.as_dict(),
                "timings": self.timings,
                "finished": self.finished,
            }
        )
        return document

    def tables(self) -> list[Table]:
        """The points, what belongs to the problem, the drawn data sets."""
        text = self.problem.COLUMNS
        points = [
            Column.of("point", np.arange(self.gamma.size), "number of the row"),
            Column.of("gamma", self.gamma, "features per pattern, p/n"),
            *(Column.of(name, self.columns[name], text[name]) for name in text),
        ]
        drawn = [] if self.measured is None else self.measured.tables()
        return [Table("points", tuple(points)), *self.problem.tables(), *drawn]

    def attributes(self) -> dict[str, Plain]:
        """What was asked."""
        told: dict[str, Plain] = {"model": str(self.model), "ridge": self.asked}
        drawn = {} if self.measured is None else self.measured.attributes()
        return told | self.problem.attributes() | drawn

    @classmethod
    def read(cls, file: Tables) -> LearningCurve:
        """What a file holds."""
        a, points = file.attributes, file["points"]
        model = choice(Model, "model", a["model"])
        kind = PROBLEMS[model]
        drawn = Samples.read(file, kind.MEASURED) if "samples" in file.tables else None
        return cls(
            model=model,
            problem=kind.read(file),
            asked=a["ridge"] if isinstance(a["ridge"], str) else float(a["ridge"]),
            gamma=points["gamma"],
            columns={name: points[name] for name in kind.COLUMNS},
            measured=drawn,
            **origin(file),
        )


load_learning_curve = LearningCurve.load


def dataset(found: LearningCurve) -> Any:
    """All columns as an xarray Dataset over gamma."""
    text = found.problem.COLUMNS
    return extra("xarray").Dataset(
        {name: (("gamma",), found.columns[name], {"long_name": text[name]}) for name in text},
        {"gamma": found.gamma},
        found.attributes(),
    )


@by_name()
def learning_curve(
    gamma: Number | Several | None = None,
    *,
    model: str = "ridge",
    covariance: str | Covariance | None = None,
    exponent: float | None = None,
    modes: int | None = None,
    signal_exponent: float | None = None,
    b2: float | None = None,
    activation: str | Activation | None = None,
    teacher: str | None = None,
    loss: str | None = None,
    n_over_d: float | None = None,
    sigma2: float = 0.25,
    ridge: float | str | None = None,
    samples: int = 0,
    p: int | None = None,
    n: int | None = None,
    seed: int = 1,
    known: LearningCurve | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = None,
) -> LearningCurve:
    """Test and training error of least squares, or of random features, against gamma = p/n.

        lambda = kappa (1 - gamma <s/(s + kappa)>),   df2 = gamma <s^2/(s + kappa)^2>,
        risk = (kappa^2 sum_k b_k^2 s_k/(s_k + kappa)^2 + sigma2 df2)/(1 - df2)

    for model "ridge", y = x.b + eps and b^ = X^T (X X^T/n + lambda)^{-1} y/n, p and n large
    (docs/curves.md, eqs. 1 to 6); without ridge and gamma above 1 the interpolating solution of
    least norm.  Model "features": a linear student of act(F c/sqrt d), any of three losses (eqs. 11
    to 15).

    Parameters
    ----------
    gamma : float or array, optional
        Features per pattern p/n, 1e-6..1e6, any grid.  Default: 40 values from 0.1 to 10.
    model : {"ridge", "features"}
    covariance : {"isotropic", "power-law"} or Covariance
        Model "ridge".  Its law stays the same along the curve.  Default: isotropic.
    exponent, modes, signal_exponent : as of `power_law`, only with "power-law"
        Defaults 1.5, 400, 0.
    b2 : float
        Model "ridge": ``|b|^2``, above 0.  Default: 1.
    activation : str or `replicadnn.wide.Activation`
        Model "features": of mean 0 over N(0, 1), such as an odd one.  Default: tanh.
    teacher : {"linear", "sign"}
        Model "features": y = u + eps (default) or its sign, u of variance 1.
    loss : {"square", "logistic", "hinge"}
        Model "features"; the last two only with a sign teacher.  Default: square.
    n_over_d : float
        Model "features": patterns per latent dimension, the same along the curve.  Default: 3.
    sigma2 : float
        Variance of the noise eps.
    ridge : float or "optimal"
        lambda, or at every gamma the one of the smallest test error.  Model "ridge": it may be
        negative, as long as it is above minus the smallest eigenvalue (of those above 0) of
        X X^T/n; default 0.  Model "features": above 0, square loss also 0; default 1e-4.
    samples : int
        Draw that many data sets and measure the same on each of them.
    p, n : int
        What is fixed along a curve of drawn data sets: features of model "ridge" (default 400),
        patterns of model "features" (default 600).
    seed : int
        Each data set has its own child of it: more of them later have the bits of one run.
    known, checkpoint, progress : after every data set
        The theory comes first, with a checkpoint behind each of its points; without data sets,
        progress is of points.

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.
    KeyboardInterrupt
        Ctrl-C; its ``partial`` holds the points of the theory and the data sets that are done.

    Examples
    --------
    >>> import replicadnn as rd
    >>> found = rd.curves.learning_curve([0.5, 2.0], sigma2=0.25)
    >>> found.risk.round(9).tolist(), found.optimal_risk.round(9).tolist()
    ([0.25, 0.75], [0.17539053, 0.640388203])
    """
    began = time.perf_counter()
    kind = choice(Model, "model", model)
    own = complete(kind, {
        "covariance": covariance, "exponent": exponent, "modes": modes,
        "signal_exponent": signal_exponent, "b2": b2, "p": p, "activation": activation,
        "teacher": teacher, "loss": loss, "n_over_d": n_over_d, "n": n,
    })  # fmt: skip
    problem = problem_of(kind, own, sigma2)
    axis, lam = gammas(gamma), ridge_of(ridge, kind)
    count, word = samples_asked(samples), OPTIMAL if lam is None else lam
    asked = settings(model=str(kind), gamma=axis.tolist(), **problem.settings(), ridge=word)
    if known is not None:
        same_settings(known.provenance, asked)
    before = None if known is None else known.measured

    def points(columns: Mapping[str, FloatArray]) -> LearningCurve:
        size = columns["ridge"].size
        return LearningCurve(
            kind, problem, word, axis[:size], columns, finished=size == axis.size and not count,
            timings={"theory": time.perf_counter() - began}, provenance=provenance(asked=asked),
        )  # fmt: skip

    theory = _theory(problem, axis, lam, known, points, checkpoint, None if count else progress)
    if count == 0 and before is None:
        return theory
    size = "p" if kind is Model.RIDGE else "n"
    plan = Plan.of(problem, axis, theory.columns["ridge"], (size, own[size]), seed)
    if before is not None:
        plan.continues(before, count, size)
    began = time.perf_counter()

    def beside(measured: Samples, finished: bool) -> LearningCurve:
        timings = dict(theory.timings) | {"samples": time.perf_counter() - began}
        came = dict(theory.provenance) | {"seed": str(plan.seed)}
        return replace(
            theory, measured=measured, timings=timings, provenance=came, finished=finished
        )

    found: LearningCurve = plan.draw(count, before, beside, checkpoint, progress)
    return found


def _theory(
    problem: LeastSquares | Features,
    axis: FloatArray,
    ridge: float | None,
    known: LearningCurve | None,
    points: Callable[[Mapping[str, FloatArray]], LearningCurve],
    checkpoint: Checkpoint | None,
    progress: Progress,
) -> LearningCurve:
    """``points`` of the numbers at every gamma; those of ``known`` are not computed again."""
    names = tuple(problem.COLUMNS)
    rows: list[dict[str, float]] = []
    if known is not None:
        table = zip(*(known.columns[name].tolist() for name in names), strict=True)
        rows = [dict(zip(names, row, strict=True)) for row in table]

    def result() -> LearningCurve:
        return points({name: np.array([row[name] for row in rows], float) for name in names})

    with (
        reporting(progress, "point") as report,
        interrupt.keeping(lambda: (result(), len(rows)), "point"),
    ):
        while len(rows) < axis.size:
            rows.append(row_of(problem, float(axis[len(rows)]), ridge))
            if checkpoint is not None:
                checkpoint(result)
            report(len(rows), axis.size)
    return result()
