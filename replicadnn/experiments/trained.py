"""Networks trained to zero error, by depth, inputs, patterns and share of random labels."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from replicadnn import interrupt
from replicadnn.calls import by_name
from replicadnn.errors import InputError
from replicadnn.experiments.network import MAX_LAYERS, MAX_WIDTH, loss_of, trainable
from replicadnn.experiments.result import Trained
from replicadnn.experiments.single import Outcome, Point, RateChoice, Recipe, best_rate, outcome
from replicadnn.experiments.tasks import MAX_INPUTS, MAX_PATTERNS, Stored, task_of
from replicadnn.progress import Progress, reporting
from replicadnn.provenance import provenance, settings
from replicadnn.questions.schema import Checkpoint, taken_over
from replicadnn.types import FloatArray, Number, Several
from replicadnn.validate import numbers, real, whole
from replicadnn.wide.activations import Activation

#: Most epochs and repetitions.
_MOST = 1_000_000
#: Inputs where they are not given.
_INPUTS = 100


@by_name()
def train(
    hidden: int | Sequence[int],
    *,
    data: str = "local",
    k: int | None = None,
    betas: Sequence[float] | None = None,
    latent: int | None = None,
    inputs: int | Sequence[int] | None = None,
    n: int | Sequence[int] = 1000,
    random: Number | Several = 0.0,
    width: int = 200,
    activation: str | Activation = "relu",
    gain: float = 1.0,
    loss: str = "cross-entropy",
    rate: float | str | None = None,
    folds: int = 5,
    batch: int = 50,
    epochs: int = 200,
    repeats: int = 4,
    tests: int = 5000,
    kernel: bool = False,
    radius: float | None = None,
    along: bool = False,
    seed: int = 1,
    known: Trained | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = None,
) -> Trained:
    """Train multilayer perceptrons until they make no error on their patterns; then test them.

        h_l = phi(h_{l-1} W_l + b_l),   f = h_{L-1} W_L + b_L,   class sign f,   L = hidden + 1,
        theta <- theta - rate dE/dtheta,   E the mean loss over a batch

    (docs/trained.md).  All combinations of ``hidden``, ``inputs``, ``n`` and ``random`` are
    trained, each ``repeats`` times; networks of one repetition have the same data whatever their
    depth and share of random labels, so that differences can be paired (`Trained.difference`).

    Parameters
    ----------
    hidden : int or sequence
        Hidden layers, 0..1000.
    data : {"local", "global", "temperature", "hidden-manifold"} or path
        The rule (docs/trained.md, section 2), or an .npz file with arrays x (patterns, inputs) and
        y (patterns,) of labels -1 and 1; what is not used for training is for the test.
    k : int
        Data "local" and "global": factors of a product, 1..10.  Default: 1.
    betas : two floats
        Data "temperature": inverse temperatures.  Default: 0.1 and 0.3.
    latent : int
        Data "hidden-manifold": latent inputs.  Default: 10.
    inputs : int or sequence
        Default: 100, of a file what it has.
    n : int or sequence
        Training patterns, 4 or more.
    random : float or sequence
        Probability that a training label is drawn anew, +1 or -1.  The test has clean labels.
    width, activation, gain : of the hidden layers, as of `Network`
    loss : {"cross-entropy", "squared"}
    rate : float or {"cross-validation", "fresh"}, optional
        Learning rate.  By default the one of least error in cross-validation, for every combination
        on data of their own: Brent's search in 0.01..3, six rates.  "fresh": of least error on
        fresh patterns, mean over three data sets of n patterns (not of a file).
    folds : int
        Of the cross-validation, 2..10.
    batch, epochs : int
        Patterns a step, without replacement; most epochs.
    repeats : int
        Networks of every combination: fresh rule, data, start and order.
    tests : int
        Fresh patterns of the test.
    kernel : bool
        Regression with the tangent kernel of infinite width on the same data (n up to 10000, relu
        or erf).
    radius : float, optional
        Count critical samples: fresh inputs with another class within it in every component.
    along : bool
        Measure the test error at the end of each epoch.
    seed : int
        Every repetition has its own children of it: more of them, or other combinations, later
        have the bits of one run.
    known, checkpoint, progress : after every network

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.
    FileError
        The file of ``data`` cannot be read.
    KeyboardInterrupt
        Ctrl-C; its ``partial`` holds the networks that are done.

    Examples
    --------
    >>> import replicadnn as rd
    >>> found = rd.experiments.train(1, n=500, inputs=20, rate=0.1, repeats=2)
    >>> found.reached, bool(found.mean("test_error") < 0.15)
    ([2], True)
    """
    recipe, points, own_rate, count = plan(
        hidden=hidden, data=data, k=k, betas=betas, latent=latent, inputs=inputs, n=n,
        random=random, width=width, activation=activation, gain=gain, loss=loss, rate=rate,
        folds=folds, batch=batch, epochs=epochs, repeats=repeats, tests=tests, kernel=kernel,
        radius=radius, along=along, seed=seed,
    )  # fmt: skip
    todo = [(point, repeat) for point in points for repeat in range(count)]
    run = _Run(recipe, _asked(recipe, own_rate), own_rate)
    run.take_over(known, todo)
    return run.make(todo, checkpoint, progress)


def plan(
    *, hidden: Any, data: Any, inputs: Any, n: Any, random: Any, rate: Any, repeats: Any,
    k: Any = None, betas: Any = None, latent: Any = None, **asked: Any,
) -> tuple[Recipe, list[Point], float | RateChoice, int]:  # fmt: skip
    """The arguments of `train`, checked: recipe, combinations, learning rate, repetitions."""
    task = task_of(data, k=k, betas=betas, latent=latent)
    radius = asked["radius"]
    recipe = Recipe(
        task, whole("width", asked["width"], 1, MAX_WIDTH), trainable(asked["activation"]),
        real("gain", asked["gain"], 1e-6, 50.0, "a number above 0"), loss_of(asked["loss"]),
        whole("batch", asked["batch"], 1, MAX_PATTERNS), whole("epochs", asked["epochs"], 1, _MOST),
        whole("tests", asked["tests"], 1, MAX_PATTERNS),
        whole("seed", asked["seed"], 0, 2**63 - 1), whole("folds", asked["folds"], 2, 10),
        bool(asked.get("kernel", False)),
        None if radius is None else real("radius", radius, 1e-9, 1e6, "a number above 0"),
        bool(asked.get("along", False)),
    )  # fmt: skip
    own = task.x.shape[1] if isinstance(task, Stored) else _INPUTS
    points = _points(hidden, own if inputs is None else inputs, n, random)
    own_rate = _rate(rate)
    _check(recipe, points, own_rate)
    return recipe, points, own_rate, whole("repeats", repeats, 1, _MOST)


def _rate(rate: Any) -> float | RateChoice:
    """A number, or how it is chosen."""
    if rate is None or rate in list(RateChoice):
        return RateChoice.CROSS_VALIDATION if rate is None else RateChoice(rate)
    choices = " or ".join(RateChoice)
    if isinstance(rate, str):
        raise InputError("rate", rate, f"a number above 0, {choices}")
    return real("rate", rate, 1e-9, 1e6, "a number above 0")


def _points(hidden: Any, inputs: Any, n: Any, random: Any) -> list[Point]:
    """All combinations, each once."""
    return list(dict.fromkeys(
        Point(*one)
        for one in itertools.product(
            [whole("hidden", one, 0, MAX_LAYERS) for one in numbers("hidden", hidden)],
            [whole("inputs", one, 1, MAX_INPUTS) for one in numbers("inputs", inputs)],
            [whole("n", one, 4, MAX_PATTERNS) for one in numbers("n", n)],
            [real("random", one, 0.0, 1.0, "a probability") for one in numbers("random", random)],
        )
    ))  # fmt: skip


def _check(recipe: Recipe, points: Sequence[Point], rate: float | RateChoice) -> None:
    """Refuse combinations that cannot be trained."""
    for point in points:
        recipe.task.check(point.inputs, point.n)
        if recipe.kernel and point.n > 10_000:
            raise InputError("n", point.n, "at most 10000 with kernel")
        if recipe.kernel and recipe.activation.name not in ("relu", "erf", "erf1"):
            raise InputError("activation", recipe.activation.name, "relu or erf with kernel")
        if isinstance(rate, RateChoice) and point.random == 1.0:
            raise InputError("rate", str(rate), "a number where all labels are random")
        if rate is RateChoice.CROSS_VALIDATION and point.n < 2 * recipe.folds:
            raise InputError("folds", recipe.folds, f"at most half of n = {point.n}")
    if rate is RateChoice.FRESH and isinstance(recipe.task, Stored):
        raise InputError("rate", str(rate), "a number or cross-validation for the data of a file")


def _asked(recipe: Recipe, rate: float | RateChoice) -> dict[str, Any]:
    """What the numbers depend on; also the attributes of a file (radius -1, folds 0: none)."""
    return {
        "data": recipe.task.name, **recipe.task.attributes(), "width": recipe.width,
        "activation": recipe.activation.name, "gain": recipe.gain, "loss": str(recipe.loss),
        "rate": str(rate) if isinstance(rate, RateChoice) else rate,
        "folds": recipe.folds if rate is RateChoice.CROSS_VALIDATION else 0,
        "batch": recipe.batch, "epochs": recipe.epochs,
        "tests": recipe.tests, "kernel": recipe.kernel, "along": recipe.along,
        "radius": -1.0 if recipe.radius is None else recipe.radius, "seed": recipe.seed,
    }  # fmt: skip


class _Run:
    """The networks of one call, as they are made."""

    def __init__(self, recipe: Recipe, asked: dict[str, Any], rate: float | RateChoice) -> None:
        self.recipe, self.asked, self.rate = recipe, asked, rate
        self.done: dict[tuple[Point, int], Outcome] = {}
        self.errors: dict[tuple[Point, int], FloatArray] = {}
        self.rates: dict[Point, float] = {}
        self.began, self.before = time.perf_counter(), 0.0

    def take_over(self, known: Trained | None, todo: Sequence[tuple[Point, int]]) -> None:
        """What an earlier result has."""
        rows: list[tuple[tuple[Point, int], tuple[int, Outcome]]] = []
        if known is not None:
            self.before = known.timings.get("training", 0.0)
            rows = [((one.point, one.repeat), (i, one)) for i, one in enumerate(known.networks)]
        wanted = settings(**self.asked)
        for key, ((number, one),) in taken_over(
            known, wanted, rows, todo, "(hidden, inputs, n, random), repeat"
        ).items():
            assert known is not None
            self.done[key], self.rates[key[0]] = one, one.rate
            self.errors[key] = known.along[known.along[:, 0] == number][:, 2:]

    def make(
        self, todo: Sequence[tuple[Point, int]], checkpoint: Checkpoint | None, progress: Progress
    ) -> Trained:
        """Train what is left."""

        def result(finished: bool) -> Trained:
            return self.result([key for key in todo if key in self.done], finished)

        with (
            reporting(progress, "network") as report,
            interrupt.keeping(lambda: (result(False), len(self.done))),
        ):
            for key in todo:
                if key not in self.done:
                    found = outcome(self.recipe, *key, self._rate(key[0]))
                    self.done[key], self.errors[key] = found
                    if checkpoint is not None:
                        checkpoint(lambda: result(False))
                    report(len(self.done), len(todo))
        return result(True)

    def _rate(self, point: Point) -> float:
        """The learning rate of a point, chosen once."""
        if not isinstance(self.rate, RateChoice):
            return self.rate
        if point not in self.rates:
            self.rates[point] = best_rate(self.recipe, point, self.rate)
        return self.rates[point]

    def result(self, keys: Sequence[tuple[Point, int]], finished: bool) -> Trained:
        """Of the networks that are done."""
        along = [
            np.column_stack([
                np.full(len(self.errors[key]), number),
                1 + np.arange(len(self.errors[key])), self.errors[key],
            ])
            for number, key in enumerate(keys)
        ]  # fmt: skip
        spent = self.before + time.perf_counter() - self.began
        return Trained(
            settings=self.asked,
            networks=tuple(self.done[key] for key in keys),
            along=np.vstack([np.empty((0, 4)), *along]),
            timings={"training": spent},
            provenance=provenance(asked=settings(**self.asked), seed=self.recipe.seed),
            finished=finished,
        )


__all__ = ["train"]
