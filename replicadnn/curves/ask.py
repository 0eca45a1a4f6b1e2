"""What is asked: the arguments of a learning curve, checked once, as a problem."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import numpy as np

from replicadnn import interrupt
from replicadnn.curves.channels import Loss, Teacher
from replicadnn.curves.covariance import ISOTROPIC, POWER_LAW, Covariance, power_law
from replicadnn.curves.features import Features
from replicadnn.curves.least_squares import LeastSquares
from replicadnn.errors import InputError
from replicadnn.storage.tables import Plain, Table
from replicadnn.types import FloatArray
from replicadnn.validate import bare, choice, numbers, real
from replicadnn.wide.activations import activation

#: ``ridge`` that is chosen anew at every gamma.
OPTIMAL = "optimal"
#: gamma where none is asked for.
_GRID = np.logspace(-1.0, 1.0, 40)
#: Largest |b|^2, variance of the noise and ridge.
_LARGEST = 1e9


class Model(enum.StrEnum):
    """What learns."""

    #: Linear least squares with a ridge, or without (the solution of least norm).
    RIDGE = "ridge"
    #: A linear student of random nonlinear features of latent inputs.
    FEATURES = "features"


#: Class of the problem of every model.
PROBLEMS: Mapping[Model, type[LeastSquares] | type[Features]] = {
    Model.RIDGE: LeastSquares, Model.FEATURES: Features,
}  # fmt: skip
#: Arguments of one model alone, with what they are where they are not given.
DEFAULTS: Mapping[Model, Mapping[str, Any]] = {
    Model.RIDGE: {
        "covariance": ISOTROPIC, "exponent": None, "modes": None, "signal_exponent": None,
        "b2": 1.0, "p": 400,
    },
    Model.FEATURES: {
        "activation": "tanh", "teacher": "linear", "loss": "square", "n_over_d": 3.0, "n": 600,
    },
}  # fmt: skip
#: Ridge where none is asked for.
RIDGE = {Model.RIDGE: 0.0, Model.FEATURES: 1e-4}


class Problem(Protocol):
    """What the models have in common."""

    #: Numbers at every gamma; those measured on drawn data sets; what their size counts.
    COLUMNS: ClassVar[Mapping[str, str]]
    MEASURED: ClassVar[tuple[str, ...]]
    SIZE: ClassVar[str]

    def attributes(self) -> dict[str, Plain]:
        """For titles, documents and files."""

    def settings(self) -> dict[str, Any]:
        """What the numbers depend on."""

    def tables(self) -> list[Table]:
        """What files hold beside the attributes."""

    def row(self, gamma: float, ridge: float | None) -> dict[str, float]:
        """`COLUMNS` at one gamma; ridge None: the optimal one.  ValueError: it is too low."""

    def lowest_ridge(self, gamma: float) -> float:
        """Ridges must lie above it."""

    def shape(self, size: int, gamma: float) -> tuple[int, int]:
        """(n, p) of a drawn data set."""

    def draw(self, rng: np.random.Generator, n: int, p: int, ridge: float) -> dict[str, float]:
        """`MEASURED` on one data set."""


def complete(model: Model, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a model with its defaults.

    Raises
    ------
    InputError
        One of another model is given.
    """
    for other, names in DEFAULTS.items():
        for name in names:
            if other is not model and given[name] is not None:
                raise InputError(name, given[name], f"only with model {other}")
    own = DEFAULTS[model]
    return {name: own[name] if given[name] is None else given[name] for name in own}


def problem_of(model: Model, own: Mapping[str, Any], sigma2: Any) -> LeastSquares | Features:
    """The problem that completed arguments state."""
    noise = real("sigma2", sigma2, 0.0, _LARGEST, "a variance, 0 or more")
    if model is Model.RIDGE:
        b2 = real("b2", own["b2"], 1e-12, _LARGEST, "a number above 0")
        return LeastSquares(_covariance(own), b2, noise)
    ratio = real("n_over_d", own["n_over_d"], 1e-3, 1e3, "a number from 0.001 to 1000")
    return Features.of(
        activation(own["activation"]), choice(Teacher, "teacher", own["teacher"]),
        choice(Loss, "loss", own["loss"]), ratio, noise,
    )  # fmt: skip


def _covariance(own: Mapping[str, Any]) -> Covariance:
    """The covariance that is asked for."""
    asked = own["covariance"]
    names = ("exponent", "modes", "signal_exponent")
    given = {name: own[name] for name in names if own[name] is not None}
    if isinstance(asked, str) and asked == POWER_LAW:
        return power_law(**given)
    for name, value in given.items():
        raise InputError(name, value, f"only with covariance {POWER_LAW}")
    if isinstance(asked, Covariance):
        return asked
    if isinstance(asked, str) and asked == ISOTROPIC:
        return Covariance([1.0], name=ISOTROPIC)
    raise InputError(
        "covariance", asked, f"{ISOTROPIC}, {POWER_LAW}, or your own: a Covariance or a file of one"
    )


def gammas(values: Any) -> FloatArray:
    """gamma, any grid."""
    if values is None:
        return _GRID.copy()
    allowed = "a number from 1e-6 to 1e6"
    return np.array([real("gamma", one, 1e-6, 1e6, allowed) for one in numbers("gamma", values)])


def ridge_of(value: Any, model: Model) -> float | None:
    """None: the optimal one."""
    if value is None:
        return RIDGE[model]
    if isinstance(bare(value), str) and bare(value) == OPTIMAL:
        return None
    return real("ridge", value, -_LARGEST, _LARGEST, f"a number or {OPTIMAL}")


def row_of(problem: Problem, gamma: float, ridge: float | None) -> dict[str, float]:
    """The numbers at one gamma, or an `InputError` that says which ridges there are."""
    interrupt.check()
    try:
        return problem.row(gamma, ridge)
    except InputError:
        raise
    except ValueError:
        edge = problem.lowest_ridge(gamma)
        raise InputError("ridge", ridge, f"above {edge:.6g} at gamma = {gamma:.6g}") from None
