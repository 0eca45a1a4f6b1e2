"""Interpolation of noisy numbers on a circle: harmful or benign by the kernel (docs/descent.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from replicadnn import interrupt
from replicadnn.calls import by_name
from replicadnn.errors import InputError, ReplicaDNNError
from replicadnn.progress import Progress, reporting
from replicadnn.results import ResultBase
from replicadnn.types import FloatArray, IntArray, Number, Several
from replicadnn.validate import numbers, real, whole

#: Fresh inputs on which a fit is tested; most patterns, and data sets.
_FRESH, _MAX_N, _MAX_SAMPLES = 4000, 4000, 10_000
#: Mean square of residuals, over that of y, from which a fit without ridge has missed.
_MISSED = 1e-4


@dataclass(frozen=True, slots=True)
class Kernel:
    """1 + sum_k cos(2 pi k x)/k^order, and a spike of this height and half-width.

        order 2:  pi^2 (x^2 - x + 1/6),   order 4:  -(pi^4/3) (x^4 - 2 x^3 + x^2 - 1/30)

    for 0 <= x < 1; the spike is height max(0, 1 - |x|/width).  Without one, the interpolant of
    least norm is a polygon (order 2) or a cubic spline (order 4).
    """

    order: int
    height: float = 0.0
    width: float = 0.0

    def of(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Matrix (a, b) of the kernel."""
        x = np.mod(a[:, None] - b, 1.0)
        y = x * (1.0 - x)  # x^2 - x = -y, x^4 - 2 x^3 + x^2 = y^2
        found = 1.0 + (
            math.pi**2 * (1.0 / 6.0 - y) if self.order == 2
            else math.pi**4 / 3.0 * (1.0 / 30.0 - y * y)
        )  # fmt: skip
        if self.height > 0.0:
            near = np.minimum(x, 1.0 - x) / self.width
            found += self.height * np.maximum(0.0, 1.0 - near)
        return np.asarray(found)


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """sum_i c_i k(x, x_i) through the patterns, (K + ridge) c = y."""

    kernel: Kernel
    x: FloatArray
    y: FloatArray
    coefficients: FloatArray

    @classmethod
    def of(cls, kernel: Kernel, x: FloatArray, y: FloatArray, ridge: float = 0.0) -> Fit:
        """The fit of least norm (ridge 0), or of kernel ridge regression."""
        matrix = kernel.of(x, x) + ridge * np.eye(x.size)
        return cls(kernel, x, y, np.asarray(cho_solve(cho_factor(matrix), y)))

    def __call__(self, x: FloatArray) -> FloatArray:
        """Values at x."""
        return np.asarray(self.kernel.of(x, self.x) @ self.coefficients)


def signal(x: FloatArray) -> FloatArray:
    """What is to be learned: sin(2 pi x)."""
    return np.sin(2.0 * math.pi * x)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Interpolation(ResultBase):
    """Risk of fits on a circle; see `replicadnn.curves.interpolation`.

    Attributes
    ----------
    order : int
    height, ridge, sigma2 : float
    n : array (points,)
    risk, training_error : arrays (samples, points)
        Of every data set: mean square of fit minus signal on fresh inputs, of the residuals.
    """

    order: int
    height: float
    ridge: float
    sigma2: float
    n: IntArray
    risk: FloatArray
    training_error: FloatArray

    @property
    def mean(self) -> FloatArray:
        """Mean risk, array (points,); it means nothing for cubic splines (heavy tail)."""
        return np.asarray(self.risk.mean(axis=0))

    @property
    def error(self) -> FloatArray:
        """Its standard error."""
        return np.asarray(self.risk.std(axis=0, ddof=1) / math.sqrt(len(self.risk)))

    @property
    def median(self) -> FloatArray:
        """Median risk over data sets, array (points,)."""
        return np.asarray(np.median(self.risk, axis=0))

    def _line(self) -> Mapping[str, object]:
        return {
            "order": self.order, "height": self.height, "ridge": self.ridge, "sigma2": self.sigma2,
            "points": self.n.size, "samples": len(self.risk),
        }  # fmt: skip

    def _records(self) -> Sequence[Mapping[str, Any]]:
        columns = {"n": self.n, "risk": self.mean, "risk_error": self.error,
                   "median": self.median}  # fmt: skip
        rows = zip(*(one.tolist() for one in columns.values()), strict=True)
        return [dict(zip(columns, row, strict=True)) for row in rows]


@by_name()
def interpolation(
    n: Number | Several,
    *,
    order: int = 2,
    height: float = 0.0,
    ridge: float = 0.0,
    sigma2: float = 0.25,
    samples: int = 20,
    seed: int = 1,
    progress: Progress = None,
) -> Interpolation:
    """Risk of kernel interpolation of y = sin(2 pi x) + eps at n random places of a circle.

    The kernel is sum_k cos(2 pi k x)/k^order, plus a spike of half-width 1/n^2, narrower than the
    distance of neighbours (docs/descent.md, section 6).  Without ridge every pattern is fitted.

    Parameters
    ----------
    n : int or list of int
        Patterns, 3..4000.
    order : {2, 4}
        2: a polygon through the patterns; 4: a cubic spline.
    height : float
        Of the spike, 0 or more.
    ridge : float
        Added to the diagonal of the kernel matrix, 0 or more.
    sigma2 : float
        Variance of eps.
    samples : int
        Data sets at every n, 2 or more.
    seed : int
    progress : True or callable, optional
        True for a bar, or a function called with (fits done, fits in all).

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.
    ReplicaDNNError
        The kernel matrix is singular to rounding (cubic splines of some hundred patterns).

    Examples
    --------
    >>> import replicadnn as rd
    >>> found = rd.curves.interpolation([20, 80], samples=4)
    >>> found.training_error.max() < 1e-20
    True
    """
    sizes = [whole("n", one, 3, _MAX_N) for one in numbers("n", n)]
    if whole("order", order, 2, 4) == 3:
        raise InputError("order", order, "2 or 4")
    top, lam, noise = (
        real(name, value, 0.0, 1e9, "a number, 0 or more")
        for name, value in (("height", height), ("ridge", ridge), ("sigma2", sigma2))
    )
    count = whole("samples", samples, 2, _MAX_SAMPLES)
    start = whole("seed", seed, 0, 2**63 - 1)
    found = np.empty((2, count, len(sizes)))
    with reporting(progress, "fit") as report, interrupt.safely():
        for k, place in np.ndindex(count, len(sizes)):
            interrupt.check()
            key = np.random.SeedSequence(start, spawn_key=(k, sizes[place]))
            kernel = Kernel(order, top, 1.0 / sizes[place] ** 2)
            found[:, k, place] = _measure(kernel, lam, noise, sizes[place], key)
            report(k * len(sizes) + place + 1, count * len(sizes))
    return Interpolation(order, top, lam, noise, np.array(sizes), found[0], found[1])


def _measure(
    kernel: Kernel, ridge: float, sigma2: float, n: int, key: np.random.SeedSequence
) -> tuple[float, float]:
    """Risk and training error on one data set."""
    rng = np.random.default_rng(key)
    x = rng.random(n)
    y = signal(x) + math.sqrt(sigma2) * rng.standard_normal(n)
    fresh = rng.random(_FRESH)
    try:
        fit = Fit.of(kernel, x, y, ridge)
    except np.linalg.LinAlgError:
        residual = math.inf
    else:
        residual = float(np.mean((fit(x) - y) ** 2))
    if ridge == 0.0 and residual > _MISSED * float(np.mean(y**2)):
        raise ReplicaDNNError(
            f"the kernel matrix of {n} patterns is singular to rounding: fewer of them, order 2, a "
            "spike (height) or a ridge"
        )
    return float(np.mean((fit(fresh) - signal(fresh)) ** 2)), residual
