"""Training in the regime of the tangent kernel: curves, and posteriors at their end.

With Theta_XX = U diag(w) U^T of the N training inputs, everything follows from the matrices
A_t = Theta_{.X} U diag(g_t) U^T, g_t = (1 - (1 - eta w/N)^t)/w (docs/wide.md, eqs. 37 to 40).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from replicadnn import interrupt
from replicadnn.errors import InputError
from replicadnn.provenance import provenance
from replicadnn.questions.schema import Answer, origin
from replicadnn.results import Labelled, extra
from replicadnn.storage.tables import Column, Plain, Table, Tables, plain
from replicadnn.types import FloatArray, Number, Several
from replicadnn.validate import numbers, real

#: Smallest eigenvalue, relative to the largest, of a kernel that is inverted.
_SINGULAR = 1e-13
_CURVES = {
    "time": "step of gradient descent, or time of gradient flow",
    "loss": "sum (f - y)^2/(2N) on the training inputs, mean over networks",
    "test_loss": "the same on the test inputs; nan: their targets are not known",
}
_OUTPUTS = {
    "mean": "output, mean over networks",
    "variance": "its variance over networks",
}


class OfInputs(Protocol):
    """Kernels of n inputs, each (n, n): a `replicadnn.wide.Kernels`."""

    @property
    def activation(self) -> str: ...
    @property
    def overlap(self) -> FloatArray: ...
    @property
    def nngp(self) -> FloatArray: ...
    @property
    def ntk(self) -> FloatArray: ...


class Posterior(NamedTuple):
    """Of the outputs on the test inputs: mean and variance over networks, arrays (n - N,)."""

    mean: FloatArray
    variance: FloatArray


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Training(Answer, Labelled):
    """Curves of gradient descent in the regime of the tangent kernel; see `Kernels.train`.

    Attributes
    ----------
    eta : float
        Learning rate, in the parameterisation of the tangent kernel; nan: gradient flow.
    eta_max : float
        2N/lambda_max: above it the linearised network diverges.
    N : int
        Training inputs: the first ones.
    time : array (T,)
    loss, test_loss : arrays (T,)
        sum (f - y)^2/(2N), mean over networks; ``test_loss`` is nan without test targets.
    mean, variance : arrays (T, n)
        Of the outputs on all inputs, over networks; of one network ``variance`` is 0.
    """

    KIND: ClassVar[str] = "training"

    eta: float
    eta_max: float
    N: int
    time: FloatArray
    loss: FloatArray
    test_loss: FloatArray
    mean: FloatArray
    variance: FloatArray

    @property
    def eta_catapult(self) -> float:
        """4N/lambda_max: up to about there networks of finite width still learn.

        Between eta_max and this their loss first rises and the kernel becomes smaller (Lewkowycz
        et al. 2020, an observation of theirs).
        """
        return 2.0 * self.eta_max

    @property
    def converged(self) -> bool:
        """Does the linearised network not diverge?"""
        return not self.eta >= self.eta_max

    @property
    def message(self) -> str:
        """What the learning rate does."""
        if self.converged:
            return ""
        return (
            f"eta = {self.eta:.4g} is not below 2N/lambda_max = {self.eta_max:.4g}: the linearised "
            "network diverges"
        )

    def _line(self) -> Mapping[str, object]:
        return {
            "inputs": self.mean.shape[1], "N": self.N, "times": self.time.size, "eta": self.eta,
            "eta_max": self.eta_max,
        }  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values; null for what does not exist."""
        names = ("N", "eta", "eta_max", "eta_catapult", *_CURVES, *_OUTPUTS)
        document: dict[str, Any] = plain({name: getattr(self, name) for name in names})
        return document

    def tables(self) -> list[Table]:
        """A row a time; a row a time and input."""
        count = self.mean.shape[1]
        number = np.arange(self.mean.size)
        outputs = [
            Column.of("row", number, "number of the row"),
            Column.of("curve", number // count, "row of the table of curves"),
            Column.of("input", number % count, "input, the training ones first"),
            *(Column.of(n, getattr(self, n).ravel(), text) for n, text in _OUTPUTS.items()),
        ]
        curves = [Column.of("curve", np.arange(self.time.size), "number of the row")]
        curves += [Column.of(n, getattr(self, n), text) for n, text in _CURVES.items()]
        return [Table("curves", tuple(curves)), Table("outputs", tuple(outputs))]

    def attributes(self) -> dict[str, Plain]:
        """What was asked, and the threshold."""
        names = ("eta", "eta_max", "N")
        return {name: getattr(self, name) for name in names} | {"inputs": self.mean.shape[1]}

    @classmethod
    def read(cls, file: Tables) -> Training:
        """What a file holds."""
        a = file.attributes
        shape = (-1, int(a["inputs"]))
        values: dict[str, Any] = {name: file["curves"][name] for name in _CURVES}
        values |= {name: np.reshape(file["outputs"][name], shape) for name in _OUTPUTS}
        return cls(float(a["eta"]), float(a["eta_max"]), int(a["N"]), **values, **origin(file))


load_training = Training.load


def dataset(found: Training) -> Any:
    """Curves over times and outputs over times and inputs, as an xarray Dataset."""
    axes = {"loss": ("time",), "test_loss": ("time",)} | dict.fromkeys(_OUTPUTS, ("time", "input"))
    texts = _CURVES | _OUTPUTS
    return extra("xarray").Dataset(
        {n: (axis, getattr(found, n), {"long_name": texts[n]}) for n, axis in axes.items()},
        {"time": found.time, "input": np.arange(found.mean.shape[1])},
        found.attributes(),
    )


def train(
    kernels: OfInputs,
    targets: ArrayLike,
    t: Number | Several,
    eta: float | None,
    test_targets: ArrayLike | None,
    initial: ArrayLike | None,
) -> Training:
    """See `replicadnn.wide.Kernels.train`."""
    y = _targets("targets", targets, kernels)
    N, total = y.size, len(kernels.overlap)
    w, U = _modes(kernels.ntk[:N, :N])
    rate = math.nan if eta is None else real("eta", eta, 1e-300, 1e300, "a number above 0")
    times = _times(t, rate, 2.0 * N / w[-1])
    later = np.full(total - N, math.nan)
    if test_targets is not None:
        later = _column("test_targets", test_targets, total - N)
    start = None if initial is None else _column("initial", initial, total)
    cross = kernels.ntk[:, :N] @ U
    mean, variance = np.empty((times.size, total)), np.zeros((times.size, total))
    for i, time in enumerate(times):
        interrupt.check()
        with np.errstate(over="ignore", invalid="ignore"):
            A = cross * _progress(w, rate, time, N) @ U.T
            if start is None:
                mean[i], variance[i] = A @ y, _variance(kernels.nngp, A)
            else:
                mean[i] = start - A @ (start[:N] - y)
    wrong = (mean - np.append(y, later)) ** 2 + variance
    nothing = np.full(times.size, math.nan)
    return Training(
        rate, 2.0 * N / w[-1], N, times, 0.5 * wrong[:, :N].mean(axis=1),
        0.5 * wrong[:, N:].mean(axis=1) if total > N else nothing, mean, variance,
        provenance=provenance(),
    )  # fmt: skip


def posterior(kernels: OfInputs, targets: ArrayLike, kernel: str, ridge: float) -> Posterior:
    """See `replicadnn.wide.Kernels.posterior`."""
    noise = real("ridge", ridge, 0.0, 1e300, "a variance, 0 or more")
    if kernel not in ("ntk", "nngp"):
        raise InputError("kernel", kernel, "one of ntk, nngp")
    if kernel == "ntk" and noise:
        raise InputError("ridge", noise, "0 with the tangent kernel")
    y = _targets("targets", targets, kernels, ntk=kernel == "ntk")
    N, k = y.size, kernels.nngp
    of = kernels.ntk if kernel == "ntk" else k
    w, U = _modes(of[:N, :N] + noise * np.eye(N))
    A = of[:, :N] @ U / w @ U.T
    plain_one = np.diag(k) - np.sum(A * k[:, :N], axis=1)
    variance = _variance(k, A) if kernel == "ntk" else plain_one
    return Posterior((A @ y)[N:], variance[N:])


def _variance(k: FloatArray, A: FloatArray) -> FloatArray:
    """Diagonal of K - A K_X. - K_.X A^T + A K_XX A^T, by input."""
    N = A.shape[1]
    found = np.diag(k) - 2.0 * np.sum(A * k[:, :N], axis=1) + np.sum(A @ k[:N, :N] * A, axis=1)
    return np.asarray(np.maximum(found, 0.0))


def _progress(w: FloatArray, rate: float, time: float, N: int) -> FloatArray:
    """(1 - (1 - eta w/N)^t)/w, or (1 - exp(-w t/N))/w, also where it is nearly t eta/N."""
    if math.isinf(time):
        return 1.0 / w
    if math.isnan(rate):
        return np.asarray(-np.expm1(-w * time / N) / w)
    step = rate * w / N
    small = np.log1p(-np.minimum(step, 0.5))
    left = np.where(step < 0.5, -np.expm1(time * small), 1.0 - (1.0 - step) ** time)
    return np.asarray(left / w)


def _modes(kernel: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues, rising, and vectors of a kernel that can be inverted."""
    w, U = np.linalg.eigh(kernel)
    if not w[0] > _SINGULAR * w[-1]:
        raise InputError(
            "inputs", f"with a smallest eigenvalue of {w[0]:.2g}",
            "training inputs of which no two are equal: their kernel must be invertible",
        )  # fmt: skip
    return w, U


def _targets(name: str, values: ArrayLike, kernels: OfInputs, ntk: bool = True) -> FloatArray:
    """y of the first inputs."""
    if kernels.overlap.ndim != 2:
        raise InputError("inputs", "none", "given to kernels(): pairs cannot be trained on")
    if ntk and np.isnan(kernels.ntk[0, 0]):
        raise InputError("activation", kernels.activation, "one with gradients")
    y = np.asarray(values, float).ravel()
    if not 1 <= y.size <= len(kernels.overlap) or not np.all(np.isfinite(y)):
        raise InputError(name, f"{y.size} values", f"1 to {len(kernels.overlap)} finite numbers")
    return y


def _column(name: str, values: ArrayLike, count: int) -> FloatArray:
    found = np.asarray(values, float).ravel()
    if found.size != count or not np.all(np.isfinite(found)):
        raise InputError(name, f"{found.size} values", f"{count} finite numbers")
    return found


def _times(t: Number | Several, rate: float, limit: float) -> FloatArray:
    """Steps or times, checked."""
    given: Sequence[Any] = numbers("t", t)
    found = np.array([real("t", one, 0.0, math.inf, "numbers of 0 or more") for one in given])
    if math.isnan(rate):
        return found
    if np.any(found[np.isfinite(found)] % 1.0):
        raise InputError("t", given, "whole numbers of steps with eta")
    if rate >= limit and np.isinf(found).any():
        raise InputError("t", math.inf, f"finite: eta is not below 2N/lambda_max = {limit:.4g}")
    return found
