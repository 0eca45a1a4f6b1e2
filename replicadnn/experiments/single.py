"""One network: its data, its training to zero error, and what is measured on it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from replicadnn.experiments.critical import critical_samples
from replicadnn.experiments.network import Loss, Network
from replicadnn.experiments.regression import kernel_outputs
from replicadnn.experiments.sgd import Descended, descend
from replicadnn.experiments.tasks import Task
from replicadnn.theory.threads import one_blas_thread
from replicadnn.types import FloatArray
from replicadnn.wide.activations import Activation

#: Learning rates between which one is chosen, and how many are tried.
RATES, TRIES = (0.01, 3.0), 6
#: Data sets that judge a rate on fresh patterns.
FRESH_SETS = 3
#: Fresh inputs on which critical samples are counted, at most.
CRITICAL = 1000
#: Purposes of random numbers: each has children of the seed of its own.
_DATA, _LABELS, _START, _ORDER, _NEAR = range(5)
#: The repetition whose data choose the learning rate, the last of those that do.
_TUNING = 2**32 - 1


class RateChoice(StrEnum):
    """How a learning rate is chosen."""

    CROSS_VALIDATION = "cross-validation"
    FRESH = "fresh"


@dataclass(frozen=True, slots=True)
class Point:
    """What varies: hidden layers, inputs, patterns, and the share of random labels."""

    hidden: int
    inputs: int
    n: int
    random: float


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is the same for all networks of one result."""

    task: Task
    width: int
    activation: Activation
    gain: float
    loss: Loss
    batch: int
    epochs: int
    tests: int
    seed: int
    folds: int
    kernel: bool
    radius: float | None
    along: bool

    def network(self, point: Point) -> Network:
        """Its widths and activation."""
        widths = (point.inputs, *[self.width] * point.hidden, 1)
        return Network(widths, self.activation, self.gain)

    def rng(self, purpose: int, *key: int) -> np.random.Generator:
        """Random numbers of one purpose: they depend on nothing else that is asked."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(purpose, *key)))


@dataclass(frozen=True, slots=True)
class Patterns:
    """x (n, inputs) and y (n, 1) for training, fresh ones with clean labels for the test."""

    x: FloatArray
    y: FloatArray
    test_x: FloatArray
    test_y: FloatArray


@dataclass(frozen=True, slots=True)
class Outcome:
    """One network that was trained; nan: not measured.

    Attributes
    ----------
    hidden, inputs, n, random : as of `Point`
    repeat : int
        Number of the repetition: networks of one number and (inputs, n) have the same data.
    rate : float
        Learning rate.
    epochs : int
        Until the training error was 0, or until it was given up.
    reached : bool
        Was it 0?
    training_error, first_error : float
        At the end, and after the first epoch.
    test_error, best_error : float
        On fresh patterns with clean labels, at the end; and the least along training.
    critical : float
        Share of fresh inputs with another class nearby, a lower bound.
    kernel_error : float
        Test error of regression with the tangent kernel on the same data.
    """

    hidden: int
    inputs: int
    n: int
    random: float
    repeat: int
    rate: float
    epochs: int
    reached: bool
    training_error: float
    first_error: float
    test_error: float
    best_error: float
    critical: float
    kernel_error: float

    @property
    def point(self) -> Point:
        """What it is a repetition of."""
        return Point(self.hidden, self.inputs, self.n, self.random)


@dataclass(slots=True)
class _Watch:
    """Errors after every epoch; enough as soon as all patterns are right."""

    net: Network
    data: Patterns
    along: bool
    errors: list[tuple[float, float]] = field(default_factory=list)

    def __call__(self, epoch: int, theta: FloatArray) -> bool:
        train = error(self.net, theta, self.data.x, self.data.y)
        test = (
            error(self.net, theta, self.data.test_x, self.data.test_y) if self.along else math.nan
        )
        self.errors.append((train, test))
        return train == 0.0


def error(net: Network, theta: FloatArray, x: FloatArray, y: FloatArray) -> float:
    """Share of patterns of the wrong sign; an output of 0 is wrong."""
    return float(np.mean(~(net.output(theta, x) * y > 0.0)))


def patterns(recipe: Recipe, point: Point, repeat: int) -> Patterns:
    """Data of a repetition, in single precision; the same for every depth and share.

    Labels are random with probability ``random``, each of the two with probability 1/2.
    """
    where = (repeat, point.inputs, point.n)
    drawn = recipe.task.draw(recipe.rng(_DATA, *where), point.inputs, point.n, recipe.tests)
    x: Any = drawn[0].astype(np.float32)
    y: Any = drawn[1].astype(np.float32)[:, None]
    rng = recipe.rng(_LABELS, *where)
    chosen = rng.random(point.n) < point.random
    coins = rng.choice(np.array([-1.0, 1.0], np.float32), point.n)
    labels = np.where(chosen[:, None], coins[:, None], y[: point.n])
    return Patterns(x[: point.n], labels, x[point.n :], y[point.n :])


def train_on(
    recipe: Recipe,
    point: Point,
    repeat: int,
    data: Patterns,
    rate: float,
    watch: Callable[..., Any],
) -> tuple[Network, Descended]:
    """SGD from a start of this repetition until ``watch`` says enough."""
    net = recipe.network(point)
    key = (repeat, point.inputs, point.n, point.hidden)
    theta = net.draw(recipe.rng(_START, *key), np.float32)
    found = descend(
        lambda theta, x, y: net.gradient(theta, x, y, recipe.loss), theta, (data.x, data.y),
        recipe.rng(_ORDER, *key), rate=rate, batch=min(recipe.batch, len(data.x)),
        epochs=recipe.epochs, each_epoch=watch,
    )  # fmt: skip
    return net, found


@one_blas_thread
def outcome(recipe: Recipe, point: Point, repeat: int, rate: float) -> tuple[Outcome, FloatArray]:
    """Train one network and measure it; and its errors (epochs, 2) along the training."""
    data = patterns(recipe, point, repeat)
    watch = _Watch(recipe.network(point), data, recipe.along)
    net, found = train_on(recipe, point, repeat, data, rate, watch)
    errors = np.array(watch.errors).reshape(-1, 2)
    if not found.finite:
        errors = np.vstack([errors, [1.0, math.nan]])
    theta, near = found.parameters, math.nan
    if recipe.radius is not None and found.finite:
        rng = recipe.rng(_NEAR, repeat, point.inputs, point.n, point.hidden)
        x = data.test_x[:CRITICAL]
        near = float(np.mean(critical_samples(net, theta, x, recipe.radius, rng)))
    test = error(net, theta, data.test_x, data.test_y) if found.finite else math.nan
    made = Outcome(
        point.hidden, point.inputs, point.n, point.random, repeat, rate, found.epochs,
        reached=bool(errors[-1, 0] == 0.0), training_error=float(errors[-1, 0]),
        first_error=float(errors[0, 0]), test_error=test,
        best_error=float(np.nanmin(errors[:, 1])) if recipe.along and found.finite else math.nan,
        critical=near, kernel_error=_kernel_error(recipe, point, data),
    )  # fmt: skip
    return made, errors


def _kernel_error(recipe: Recipe, point: Point, data: Patterns) -> float:
    """Of the tangent kernel of this depth, on the same data; nan: not asked for."""
    if not recipe.kernel:
        return math.nan
    x, y, z = (one.astype(float) for one in (data.x, data.y[:, 0], data.test_x))
    f = kernel_outputs(recipe.activation, recipe.gain, point.hidden + 1, (x, y), z)
    return float(np.mean(~(f * data.test_y[:, 0] > 0.0)))


@one_blas_thread
def best_rate(recipe: Recipe, point: Point, choice: RateChoice) -> float:
    """The learning rate of least mean error over `_trials`, on data that are used for this alone.

    Brent's bounded search of ln rate in `RATES`, `TRIES` rates.  A training that does not reach
    error 0 counts as 1/2 plus half its training error, so that the search turns to rates that do.
    """
    trials = _trials(recipe, point, choice)

    def judged(log_rate: float) -> float:
        rate, scores = math.exp(log_rate), []
        for repeat, part in trials:
            watch = _Watch(recipe.network(point), part, False)
            net, found = train_on(recipe, point, repeat, part, rate, watch)
            if not found.finite:
                scores.append(1.0)
            elif watch.errors[-1][0] > 0.0:
                scores.append(0.5 + 0.5 * watch.errors[-1][0])
            else:
                scores.append(error(net, found.parameters, part.test_x, part.test_y))
        return float(np.mean(scores))

    found = minimize_scalar(
        judged, bounds=(math.log(RATES[0]), math.log(RATES[1])), method="bounded",
        options={"maxiter": TRIES, "xatol": 0.05},
    )  # fmt: skip
    return float(math.exp(found.x))


def _trials(recipe: Recipe, point: Point, choice: RateChoice) -> list[tuple[int, Patterns]]:
    """What judges a rate: repetition (of the start) and data, their test as large as it is told.

    CROSS_VALIDATION: the folds of one data set, each left out of the training once and tested.
    FRESH: `FRESH_SETS` data sets of all n patterns, tested on fresh ones.
    """
    if choice is RateChoice.FRESH:
        sets = range(_TUNING, _TUNING - FRESH_SETS, -1)
        return [(repeat, patterns(recipe, point, repeat)) for repeat in sets]
    data = patterns(recipe, point, _TUNING)
    folds = np.array_split(recipe.rng(_ORDER, _TUNING).permutation(point.n), recipe.folds)
    trials = []
    for number, fold in enumerate(folds):
        left = np.concatenate([one for other, one in enumerate(folds) if other != number])
        trials.append((_TUNING, Patterns(data.x[left], data.y[left], data.x[fold], data.y[fold])))
    return trials


__all__ = [
    "Outcome", "Patterns", "Point", "RateChoice", "Recipe", "best_rate", "error", "outcome",
    "patterns",
]  # fmt: skip
