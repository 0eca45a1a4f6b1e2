"""Losses near a minimum, as means over patterns: what SGD moves in, and the noise it feels."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.optimize import minimize

from replicadnn.errors import InputError
from replicadnn.experiments.committee import Committee
from replicadnn.types import FloatArray, IntArray


class Landscape(Protocol):
    """E(w) = mean over n patterns of E_mu(w), measured from its value at a minimum w*."""

    @property
    def minimum(self) -> FloatArray:
        """w* (p,)."""

    @property
    def hessian(self) -> FloatArray:
        """H (p, p) at w*."""

    @property
    def noise(self) -> FloatArray:
        """C (p, p), the covariance of grad E_mu over patterns at w*."""

    @property
    def n(self) -> int:
        """Patterns."""

    @property
    def every(self) -> int:
        """Steps of which one is looked at: the energy is to cost no more than they do."""

    def energy(self, w: FloatArray) -> FloatArray:
        """E(w) - E(w*) of parameters (runs, p): (runs,)."""

    def gradient(self, w: FloatArray, batch: IntArray) -> FloatArray:
        """Mean of grad E_mu over the batch (runs, B) of every run: (runs, p)."""


class Model(enum.StrEnum):
    """Which landscape."""

    #: H diagonal; the noise does not depend on w and is isotropic.
    QUADRATIC = "quadratic"
    #: Linear regression: the noise grows with the distance from the minimum.
    LEAST_SQUARES = "least-squares"
    #: Regression by two layers of tanh neurons, started at the minimum near the teacher.
    NETWORK = "network"


@dataclass(frozen=True, slots=True)
class Quadratic:
    """E_mu = (w - x_mu)^T H (w - x_mu)/2, H = diag(h); the noise H x_mu has covariance sigma2 I.

    The noise is exact: mean 0 and covariance sigma2 I over the n patterns themselves.
    """

    h: FloatArray
    sigma2: float
    #: H x_mu (n, p).
    pushes: FloatArray
    every: int = 1

    @classmethod
    def draw(cls, n: int, seed: int, h: FloatArray | None = None, sigma2: float = 1.0) -> Quadratic:
        """p = 20 eigenvalues from 0.05 to 2, evenly in ln h, where none are given."""
        h = np.geomspace(0.05, 2.0, 20) if h is None else np.asarray(h, float)
        if n <= h.size:
            raise InputError("n", n, f"more than the {h.size} parameters")
        raw = np.random.default_rng(seed).standard_normal((n, h.size))
        raw -= raw.mean(axis=0)
        lower = np.linalg.cholesky(raw.T @ raw / n)
        return cls(h, sigma2, np.sqrt(sigma2) * np.linalg.solve(lower, raw.T).T)

    @property
    def n(self) -> int:
        """Patterns."""
        return len(self.pushes)

    @property
    def minimum(self) -> FloatArray:
        """0."""
        return np.zeros(self.h.size)

    @property
    def hessian(self) -> FloatArray:
        """diag(h)."""
        return np.diag(self.h)

    @property
    def noise(self) -> FloatArray:
        """sigma2 I."""
        return self.sigma2 * np.eye(self.h.size)

    def energy(self, w: FloatArray) -> FloatArray:
        """sum_i h_i w_i^2/2."""
        return np.asarray(0.5 * (w**2 @ self.h))

    def gradient(self, w: FloatArray, batch: IntArray) -> FloatArray:
        """H w minus the mean push."""
        return np.asarray(self.h * w - self.pushes[batch].mean(axis=1))


@dataclass(frozen=True, slots=True)
class LeastSquares:
    """E_mu = (x_mu . w - y_mu)^2/2; x (n, p), y (n,)."""

    x: FloatArray
    y: FloatArray
    minimum: FloatArray
    hessian: FloatArray
    noise: FloatArray
    every: int = 1

    @classmethod
    def of(cls, x: FloatArray, y: FloatArray) -> LeastSquares:
        """With the minimum of these patterns."""
        best = np.asarray(np.linalg.lstsq(x, y, rcond=None)[0], float)
        pulls = x * (x @ best - y)[:, None]
        return cls(x, y, best, x.T @ x / len(x), pulls.T @ pulls / len(x))

    @classmethod
    def draw(cls, n: int, seed: int) -> LeastSquares:
        """p = 10 inputs of scales 0.3 to 1.5, a Gaussian teacher, noise of variance 1/4."""
        rng, p = np.random.default_rng(seed), 10
        if n <= p:
            raise InputError("n", n, f"more than the {p} parameters")
        x = rng.standard_normal((n, p)) * np.geomspace(0.3, 1.5, p)
        return cls.of(x, x @ rng.standard_normal(p) + 0.5 * rng.standard_normal(n))

    @property
    def n(self) -> int:
        """Patterns."""
        return len(self.x)

    def energy(self, w: FloatArray) -> FloatArray:
        """(w - w*)^T H (w - w*)/2."""
        away = w - self.minimum
        return np.asarray(0.5 * ((away @ self.hessian) * away).sum(axis=1))

    def gradient(self, w: FloatArray, batch: IntArray) -> FloatArray:
        """Mean of x (x.w - y)."""
        x = self.x[batch]
        wrong = (x @ w[:, :, None])[:, :, 0] - self.y[batch]
        return np.asarray((wrong[:, None, :] @ x)[:, 0, :] / batch.shape[1])


@dataclass(frozen=True, slots=True)
class Regression:
    """E_mu = (f(x_mu; w) - y_mu)^2/2 of a `Committee`, at a minimum that was searched for."""

    net: Committee
    x: FloatArray
    y: FloatArray
    minimum: FloatArray
    hessian: FloatArray
    noise: FloatArray
    #: E(w*).
    lowest: float
    every: int = 50

    @classmethod
    def of(cls, net: Committee, x: FloatArray, y: FloatArray, start: FloatArray) -> Regression:
        """At the minimum downhill from ``start`` (p,).

        Raises
        ------
        InputError
            The descent has not come to a minimum.
        """
        search: Any = minimize  # its stubs do not know jac=True of a pair
        found = search(
            lambda w: (net.loss(w, x, y), net.gradients(w, x, y).mean(axis=0)), start, jac=True,
            method="BFGS", options={"gtol": 1e-9, "maxiter": 20_000},
        )  # fmt: skip
        best, pulls = found.x, net.gradients(found.x, x, y)
        if np.abs(pulls.mean(axis=0)).max() > 1e-6:
            raise InputError("seed", "of the data", f"another one: no minimum ({found.message})")
        hessian = net.hessian(best, x, y)
        return cls(net, x, y, best, hessian, pulls.T @ pulls / len(x), net.loss(best, x, y))

    @classmethod
    def draw(cls, n: int, seed: int) -> Regression:
        """6 Gaussian inputs, 3 tanh neurons of a teacher of outputs 1, -1, 0.7; noise 0.4^2."""
        net, rng = Committee(6, 3, "tanh"), np.random.default_rng(seed)
        if n <= net.size:
            raise InputError("n", n, f"more than the {net.size} parameters")
        x = rng.standard_normal((n, 6))
        first = 1.5 * rng.standard_normal((6, 3)) / np.sqrt(6.0)
        teacher = net.join(first, np.array([1.0, -1.0, 0.7]))
        y = net.output(teacher, x) + 0.4 * rng.standard_normal(n)
        return cls.of(net, x, y, teacher)

    @property
    def n(self) -> int:
        """Patterns."""
        return len(self.x)

    def energy(self, w: FloatArray) -> FloatArray:
        """Loss of all patterns above that of the minimum."""
        return np.array([self.net.loss(one, self.x, self.y) for one in w]) - self.lowest

    def gradient(self, w: FloatArray, batch: IntArray) -> FloatArray:
        """Mean over the batches, run by run."""
        return self.net.batch_gradients(w, self.x[batch], self.y[batch])


#: What draws the landscape of a model: a function of (n, seed).
DRAW: dict[Model, Callable[[int, int], Landscape]] = {
    Model.QUADRATIC: Quadratic.draw,
    Model.LEAST_SQUARES: LeastSquares.draw,
    Model.NETWORK: Regression.draw,
}  # fmt: skip

__all__ = ["DRAW", "Landscape", "LeastSquares", "Model", "Quadratic", "Regression"]
