"""What is learned by what: network, teacher, noise, size of the data, rate, and the start."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from replicadnn.curves.evolution.network import Network
from replicadnn.errors import InputError
from replicadnn.results import same
from replicadnn.storage.tables import Column, Plain, Table, Tables
from replicadnn.types import FloatArray
from replicadnn.validate import real, whole
from replicadnn.wide.activations import Activation, activation
from replicadnn.wide.averages import Panels

#: Most layers and neurons of a layer.
MAX_L, MAX_M = 50, 50
#: Neurons of a hidden layer where nothing is asked for.
WIDTH = 3
_LARGEST = 1e6


@dataclass(frozen=True, slots=True)
class Teacher:
    """y = function(u) + eps, u ~ N(0, 1), eps of variance sigma2; slope None: not smooth."""

    function: Callable[[FloatArray], FloatArray]
    slope: Callable[[FloatArray], FloatArray] | None
    sigma2: float

    @classmethod
    def of(cls, phi: Activation, amplitude: float, sigma2: float) -> Teacher:
        """amplitude phi(u) + eps."""

        def function(u: FloatArray) -> FloatArray:
            return np.asarray(amplitude * phi.function(u))

        def slope(u: FloatArray) -> FloatArray:
            return np.asarray(amplitude * phi.derivative(u))

        return cls(function, None if phi.kinks else slope, sigma2)

    @classmethod
    def seen_linearly(cls, phi: Activation, amplitude: float, sigma2: float) -> Teacher:
        """What a linear student sees: c u, c = E u y, and the rest as noise (L = 1)."""
        z, weights = Panels(phi.function, phi.derivative, phi.kinks).nodes(1.0)
        y = amplitude * phi.function(z)
        c, square = float(weights @ (z * y)), float(weights @ y**2)
        return cls(
            lambda u: np.asarray(c * u), lambda u: np.full_like(u, c),
            sigma2 + max(square - c * c, 0.0),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Functions:
    """What computes: a result and its file hold the names alone."""

    network: Network
    teacher: Teacher


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Gradient descent on all layers; see `replicadnn.curves.descent`.

    Attributes
    ----------
    L, M : int
        Layers of weights, and neurons of each hidden layer (1 for L = 1).
    activation, teacher : str
    amplitude, sigma2, n_over_d, eta : float
    gram : array (M + 1, M + 1)
        Of the initial rows of W^1 and of the teacher's vector mu, over d.
    weights : tuple of arrays
        Initial W^2..W^{L-1} (M, M) and w (M,).
    """

    L: int
    M: int
    activation: str
    teacher: str
    amplitude: float
    sigma2: float
    n_over_d: float
    eta: float
    gram: FloatArray
    weights: tuple[FloatArray, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and same(self, other)

    __hash__ = None  # type: ignore[assignment]

    def attributes(self) -> dict[str, Plain]:
        """For titles, documents and files."""
        return {
            "L": self.L, "M": self.M, "activation": self.activation, "teacher": self.teacher,
            "amplitude": self.amplitude, "sigma2": self.sigma2, "n_over_d": self.n_over_d,
            "eta": self.eta,
        }  # fmt: skip

    def settings(self) -> dict[str, Any]:
        """What the numbers depend on."""
        weights = [W.tolist() for W in self.weights]
        return dict(self.attributes()) | {"gram": self.gram.tolist(), "weights": weights}

    def tables(self) -> list[Table]:
        """The start."""
        size = self.M + 1
        row = np.arange(size**2)
        found = [Table("gram", (
            Column.of("row", row, "number of the row"),
            Column.of("a", row // size, "row of W^1, the last one is mu"),
            Column.of("b", row % size, "row of W^1, the last one is mu"),
            Column.of("value", self.gram.ravel(), "their product over d at the start"),
        ))]  # fmt: skip
        values = np.concatenate([np.empty(0), *(W.ravel() for W in self.weights)])
        layers = [np.full(W.size, l + 2) for l, W in enumerate(self.weights)]
        found.append(Table("weights", (
            Column.of("row", np.arange(values.size), "number of the row"),
            Column.of("layer", np.concatenate([np.empty(0, int), *layers]), "layer of the weight"),
            Column.of("value", values, "W^l or w at the start, row by row"),
        )))  # fmt: skip
        return found

    @classmethod
    def read(cls, file: Tables) -> Problem:
        """What a file holds."""
        a = file.attributes
        L, M = int(a["L"]), int(a["M"])
        layer, values = file["weights"]["layer"], file["weights"]["value"]
        weights = [values[layer == l].reshape((M, M) if l < L else (M,)) for l in range(2, L + 1)]
        amplitude, sigma2, ratio, eta = (
            float(a[name]) for name in ("amplitude", "sigma2", "n_over_d", "eta")
        )
        gram = file["gram"]["value"].reshape(M + 1, M + 1)
        return cls(
            L, M, str(a["activation"]), str(a["teacher"]), amplitude, sigma2, ratio, eta,
            gram, tuple(weights),
        )  # fmt: skip


def problem_of(given: dict[str, Any], rng: np.random.Generator) -> tuple[Problem, Functions]:
    """What the arguments of `replicadnn.curves.descent` state; rng draws weights."""
    L = whole("L", given["L"], 1, MAX_L)
    if L == 1 and given["M"] is not None:
        raise InputError("M", given["M"], "only with L from 2: L = 1 has no hidden layer")
    M = 1 if L == 1 else WIDTH if given["M"] is None else whole("M", given["M"], 1, MAX_M)
    phi, taught = activation(given["activation"]), _teacher(given["teacher"])
    amplitude = real("amplitude", given["amplitude"], -_LARGEST, _LARGEST, "a number to 1e6")
    sigma2 = real("sigma2", given["sigma2"], 0.0, _LARGEST, "a variance, 0 or more")
    ratio = real("n_over_d", given["n_over_d"], 1e-3, 1e3, "a number from 0.001 to 1000")
    eta = real("eta", given["eta"], 1e-9, 1e3, "a rate above 0, at most 1000")
    scale = real("sigma_w2", given["sigma_w2"], 0.0, _LARGEST, "a variance, 0 or more")
    network = Network.of(L, phi)
    teach = Teacher.seen_linearly if L == 1 else Teacher.of
    problem = Problem(
        L, M, phi.name if L > 1 else "linear", taught.name, amplitude, sigma2, ratio, eta,
        _gram(given["gram"], M, scale), _weights(given["weights"], L, M, scale, rng),
    )  # fmt: skip
    return problem, Functions(network, teach(taught, amplitude, sigma2))


def _teacher(value: Any) -> Activation:
    """An activation by its name, or one of the user's own, under the name of its argument."""
    try:
        return activation(value)
    except InputError as error:
        raise InputError("teacher", value, error.allowed) from None


def _gram(value: Any, M: int, scale: float) -> FloatArray:
    """Gram matrix of the start, by default of independent rows."""
    if value is None:
        return np.diag([*[scale] * M, 1.0])
    gram = _array("gram", value, (M + 1, M + 1))
    if gram[M, M] != 1.0 or np.any(gram != gram.T):
        raise InputError("gram", gram.tolist(), "symmetric, with 1 (of mu) at its end")
    if np.linalg.eigvalsh(gram)[0] < -1e-12 * np.trace(gram):
        raise InputError("gram", gram.tolist(), "without a negative eigenvalue")
    return gram


def _weights(
    value: Any, L: int, M: int, scale: float, rng: np.random.Generator
) -> tuple[FloatArray, ...]:
    """W^2..W^{L-1}, w of the start, by default drawn."""
    shapes = [*[(M, M)] * (L - 2), (M,)] if L > 1 else []
    if value is None:
        return tuple(math.sqrt(scale / M) * rng.standard_normal(shape) for shape in shapes)
    if not isinstance(value, Sequence) or len(value) != len(shapes):
        raise InputError("weights", value, f"{len(shapes)} arrays: W^2..W^(L-1) and w")
    return tuple(_array("weights", W, shape) for W, shape in zip(value, shapes, strict=True))


def _array(name: str, value: Any, shape: tuple[int, ...]) -> FloatArray:
    """A finite array of this shape."""
    try:
        found = np.array(value, float)
    except (TypeError, ValueError):
        found = np.empty(0)
    if found.shape != shape or not np.all(np.isfinite(found)):
        raise InputError(name, value, f"finite numbers of shape {shape}")
    return found
