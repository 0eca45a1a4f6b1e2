"""Gradient descent on all layers of a network: test and training error by step."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from replicadnn.calls import by_name
from replicadnn.curves.evolution.draws import Plan, limits
from replicadnn.curves.evolution.problem import Problem, problem_of
from replicadnn.curves.evolution.steps import DRAWN, THEORY, Steps
from replicadnn.progress import Progress
from replicadnn.provenance import provenance, same_settings, settings
from replicadnn.questions.schema import Answer, Checkpoint, origin
from replicadnn.results import Labelled, extra
from replicadnn.storage.tables import Column, Plain, Table, Tables, plain
from replicadnn.types import FloatArray, IntArray
from replicadnn.wide.activations import Activation

#: Relative standard error of the test error from which on the theory is not told.
TRUSTED = 0.02


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Descent(Answer, Labelled):
    """Test and training error by step; see `replicadnn.curves.descent`.

    Attributes
    ----------
    problem : Problem
        What is learned by what; its attributes (``L``, ``M``, ``eta``, ``gram``, ...) are also
        those of the result.
    steps, points, seed : int
        Last step T, points of a scramble (0 for L = 1: exact), seed of all draws.
    theory : Steps
        Of every scramble.
    n, d : int
        Patterns and inputs of a drawn data set (0: none).
    measured : Steps or None
        Of every drawn data set, with the estimate of its test error from the same data.
    """

    KIND: ClassVar[str] = "descent"

    problem: Problem
    steps: int
    points: int
    seed: int
    theory: Steps
    n: int = 0
    d: int = 0
    measured: Steps | None = None

    def __getattr__(self, name: str) -> Any:
        if name[:1] != "_" and hasattr(self.problem, name):
            return getattr(self.problem, name)
        raise AttributeError(f"Descent has no attribute {name!r}")

    @property
    def t(self) -> IntArray:
        """Steps 0..T."""
        return np.arange(self.steps + 1)

    @property
    def told(self) -> int:
        """How many of the steps 0..T the theory tells.

        It ends before the first step at which the standard error of its test error is above 2 % of
        it, or a scramble is not finite.
        """
        mean, error = self.theory.mean("test_error"), self.theory.error("test_error")
        unsure = ~np.isfinite(mean) | (error > TRUSTED * mean)
        return int(np.argmax(unsure)) if unsure.any() else mean.size

    def _known(self, values: FloatArray) -> FloatArray:
        return np.where(self.t < self.told, values, math.nan)

    @property
    def test_error(self) -> FloatArray:
        """Theory, array (T + 1,): with the noise of fresh patterns; nan where it is not told."""
        return self._known(self.theory.mean("test_error"))

    @property
    def test_error_error(self) -> FloatArray:
        """Its standard error."""
        return self._known(self.theory.error("test_error"))

    @property
    def training_error(self) -> FloatArray:
        """Theory, array (T + 1,); nan where it is not told."""
        return self._known(self.theory.mean("training_error"))

    @property
    def training_error_error(self) -> FloatArray:
        """Its standard error."""
        return self._known(self.theory.error("training_error"))

    @property
    def converged(self) -> bool:
        """Is the theory told at every step?"""
        return self.told > self.steps

    @property
    def message(self) -> str:
        """Why the theory ends before the last step, and what to do; empty if it does not."""
        if self.converged:
            return ""
        mean, error = (f(self.theory, "test_error")[self.told] for f in (Steps.mean, Steps.error))
        why = "it is not finite" if not math.isfinite(mean) else f"{error / mean:.1%} of it"
        return (
            f"the theory ends before step {self.told}: the standard error of its test error passes "
            f"{TRUSTED:.0%} ({why}); heavy tails of the responses: a smaller eta, fewer steps, or "
            "more points and scrambles"
        )

    def _line(self) -> Mapping[str, object]:
        return dict(self.problem.attributes()) | {
            "steps": self.steps, "samples": 0 if self.measured is None else self.measured.draws,
        }  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """The document of ``descent --json``; null for what does not exist."""
        names = ("test_error", "test_error_error", "training_error", "training_error_error")
        columns = {"step": self.t} | {name: getattr(self, name) for name in names}
        drawn = None
        if self.measured is not None:
            drawn = {
                "n": self.n, "d": self.d, "samples": self.measured.draws,
                "steps": list(self.measured._records()),
            }  # fmt: skip
        document: dict[str, Any] = plain(
            self.problem.settings()
            | {
                "points": self.points,
                "scrambles": self.theory.draws,
                "seed": self.seed,
                "steps": [
                    dict(zip(columns, row, strict=True))
                    for row in zip(*columns.values(), strict=True)
                ],
                "samples": drawn,
                "message": self.message,
                "timings": self.timings,
                "finished": self.finished,
            }
        )
        return document

    def tables(self) -> list[Table]:
        """Means by step, every scramble, the start, the drawn data sets."""
        means = [
            Column.of("step", self.t, "step of gradient descent"),
            Column.of("test_error", self.test_error, "theory: with the noise of fresh patterns"),
            Column.of("test_error_error", self.test_error_error, "its standard error"),
            Column.of("training_error", self.training_error, "theory: on the patterns"),
            Column.of("training_error_error", self.training_error_error, "its standard error"),
        ]
        found = [Table("steps", tuple(means)), self.theory.table("theory"), *self.problem.tables()]
        return found + ([] if self.measured is None else [self.measured.table("samples")])

    def attributes(self) -> dict[str, Plain]:
        """What was asked."""
        return self.problem.attributes() | {
            "steps": self.steps, "points": self.points, "seed": self.seed, "n": self.n, "d": self.d,
        }  # fmt: skip

    @classmethod
    def read(cls, file: Tables) -> Descent:
        """What a file holds."""
        steps, points, seed, n, d = (
            int(file.attributes[name]) for name in ("steps", "points", "seed", "n", "d")
        )
        drawn = file.tables.get("samples")
        return cls(
            Problem.read(file), steps, points, seed,
            Steps.read(file["theory"], THEORY, steps, points == 0), n, d,
            None if drawn is None else Steps.read(drawn, DRAWN, steps, False),
            **origin(file),
        )  # fmt: skip


load_descent = Descent.load


def dataset(found: Descent) -> Any:
    """Theory by step, and every data set, as an xarray Dataset."""
    names = ("test_error", "test_error_error", "training_error", "training_error_error")
    arrays: dict[str, Any] = {name: (("step",), getattr(found, name)) for name in names}
    if found.measured is not None:
        for name, values in found.measured.values.items():
            arrays[f"measured_{name}"] = (("sample", "step"), values)
    return extra("xarray").Dataset(arrays, {"step": found.t}, found.attributes())


@by_name()
def descent(
    L: int = 2,
    *,
    M: int | None = None,
    activation: str | Activation = "tanh",
    teacher: str | Activation = "tanh",
    amplitude: float = 2.0,
    sigma2: float = 0.09,
    n_over_d: float = 1.0,
    eta: float = 0.5,
    steps: int = 15,
    sigma_w2: float = 1.0,
    gram: ArrayLike | None = None,
    weights: list[Any] | tuple[Any, ...] | None = None,
    points: int = 4096,
    scrambles: int = 8,
    samples: int = 0,
    n: int = 500,
    seed: int = 1,
    known: Descent | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = None,
) -> Descent:
    """Test and training error at every step of gradient descent on all layers.

        f = w.phi(W^{L-1} ... phi(W^2 phi(W^1 x)))      (L = 1: f = W^1 x),
        W -> W - eta d/dW (1/2n) sum (f - y)^2          for every W, all patterns at once,

    y = amplitude teacher(mu.x/sqrt d) + eps, for n patterns of d isotropic inputs (entries of
    variance 1/d), n and d large, M neurons in every hidden layer.  State evolution, conditional on
    the start: one pattern feels a Gaussian process and what it has done to the weights
    (docs/descent.md, eqs. 3 to 9).  L = 1 is exact; for L >= 2 the process is sampled.

    Parameters
    ----------
    L : int
        Layers of weights, 1..50.
    M : int, optional
        Neurons of each hidden layer, 1..50.  Default: 3 (L = 1 has none).
    activation : str or `replicadnn.wide.Activation`
        Smooth: tanh, erf, erf1, linear, or one of your own without kinks.
    teacher : str or `replicadnn.wide.Activation`
        linear, tanh, sign, ..., or your own; its argument has variance 1.
    amplitude : float
        Factor of the teacher.
    sigma2 : float
        Variance of the noise eps.
    n_over_d : float
        Patterns per input dimension, 0.001..1000.
    eta : float
        Learning rate of all layers, above 0.
    steps : int
        Last step T.
    sigma_w2 : float
        Start: entries of variance sigma_w2 over the number of inputs of their layer.
    gram : array (M + 1, M + 1), optional
        Instead for W^1: the Gram matrix of sqrt(d) times its rows and of mu, over d; 1 at its end.
    weights : list of arrays, optional
        Instead for the others: W^2..W^{L-1} (M, M) and w (M,).  Default: drawn from the seed.
    points : int
        Of one scramble of Sobol's sequence, a power of 2 from 64 to 2^20.
    scrambles : int
        How many, 2 or more: their spread is the error of the theory.  L = 1 needs none.
    samples : int
        Draw that many data sets, descend on each, and estimate its test error from itself.
    n : int
        Their patterns.
    seed : int
        Each draw has its own child of it: more of them later have the bits of one run.
    known, checkpoint, progress : after every draw
        Draws are the scrambles of the theory, then the data sets.

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.
    KeyboardInterrupt
        Ctrl-C; its ``partial`` holds the draws that are done.

    Examples
    --------
    >>> import replicadnn as rd
    >>> found = rd.curves.descent(1, teacher="linear", amplitude=1, sigma2=0.25, eta=0.3, steps=2,
    ...                           n_over_d=2)
    >>> found.test_error.round(9).tolist(), found.training_error.round(9).tolist()
    ([2.25, 1.33125, 0.994659375], [2.25, 0.886875, 0.524282813])
    """
    began = time.perf_counter()
    asked = limits(L, points, scrambles, samples, n, seed)
    start = np.random.default_rng(np.random.SeedSequence(asked.seed, spawn_key=(0,)))
    problem, functions = problem_of({
        "L": L, "M": M, "activation": activation, "teacher": teacher, "amplitude": amplitude,
        "sigma2": sigma2, "n_over_d": n_over_d, "eta": eta, "sigma_w2": sigma_w2, "gram": gram,
        "weights": weights,
    }, start)  # fmt: skip
    plan = Plan.of(problem, functions, steps, asked)
    words = settings(**problem.settings(), steps=plan.steps, points=asked.points, seed=asked.seed)
    came = provenance(asked=words, seed=asked.seed)
    theory: list[FloatArray] = []
    drawn: list[FloatArray] = []
    if known is not None:
        same_settings(known.provenance, words)
        theory, drawn = plan.continues(known.theory, known.measured, known.n)

    def result(finished: bool) -> Descent:
        found = Descent(
            problem, plan.steps, asked.points, asked.seed,
            Steps.of(THEORY, theory, plan.steps, asked.points == 0), provenance=came,
            timings={"draws": time.perf_counter() - began}, finished=finished,
        )  # fmt: skip
        if plan.samples == 0:
            return found
        measured = Steps.of(DRAWN, drawn, plan.steps, False)
        return replace(found, n=plan.n, d=plan.d, measured=measured)

    done: Descent = plan.draw(theory, drawn, result, checkpoint, progress)
    return done
