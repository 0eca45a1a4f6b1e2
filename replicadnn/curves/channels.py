"""One pattern: averages over its label and the field of the student, and training on a data set.

The student's field without the pattern is omega = sqrt(q) xi; the pattern moves it to the minimum
z of (z - omega)^2/(2 V) + g(y, z), and f = (z - omega)/V (docs/curves.md, eq. 13).
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, ndtr

from replicadnn.quadrature import gaussian_panels
from replicadnn.types import FloatArray

#: Nodes of a panel.
_ORDER = 20
#: Fields beyond this many standard deviations do not count.
_FAR = 9.0


class Loss(enum.StrEnum):
    """g(y, v)."""

    #: (y - v)^2/2.
    SQUARE = "square"
    #: ln(1 + exp(-y v)).
    LOGISTIC = "logistic"
    #: max(0, 1 - y v).
    HINGE = "hinge"


class Teacher(enum.StrEnum):
    """How the label comes from u + eps."""

    #: y = u + eps: regression.
    LINEAR = "linear"
    #: y = sgn(u + eps): classification.
    SIGN = "sign"


@dataclass(frozen=True, slots=True)
class Labels:
    """E y^2, E u y and the variance of u + eps."""

    y2: float
    uy: float
    variance: float

    @classmethod
    def of(cls, teacher: Teacher, sigma2: float) -> Labels:
        """Of one teacher."""
        variance = 1.0 + sigma2
        if teacher is Teacher.LINEAR:
            return cls(variance, 1.0, variance)
        return cls(1.0, math.sqrt(2.0 / (math.pi * variance)), variance)


def moved(loss: Loss, omega: FloatArray, V: float) -> tuple[FloatArray, FloatArray]:
    """f and df/domega of a pattern with y = 1."""
    if loss is Loss.SQUARE:
        return (1.0 - omega) / (1.0 + V), np.full(omega.shape, -1.0 / (1.0 + V))
    if loss is Loss.HINGE:
        inside = (omega > 1.0 - V) & (omega < 1.0)
        f = np.where(omega >= 1.0, 0.0, np.where(inside, (1.0 - omega) / V, 1.0))
        return f, np.where(inside, -1.0 / V, 0.0)
    low, high = omega.copy(), omega + V
    z = np.clip(0.0, low, high) if V > 1.0 else omega + 0.5 * V
    for _ in range(200):  # Newton's steps inside a bracket: alone they diverge at large V
        f = expit(-z)
        value = z - omega - V * f
        high, low = np.where(value > 0.0, z, high), np.where(value > 0.0, low, z)
        step = z - value / (1.0 + V * f * (1.0 - f))
        step = np.where((step < low) | (step > high), 0.5 * (low + high), step)
        if np.all(np.abs(step - z) <= 1e-15 * (1.0 + np.abs(z))):
            break
        z = step
    f = expit(-step)
    bend = f * (1.0 - f)
    return f, -bend / (1.0 + V * bend)


def averages(
    loss: Loss, labels: Labels, point: tuple[float, float, float], panels: int = 12
) -> tuple[float, float, float]:
    """-E f', E f^2 and E dZ f of a sign teacher, at (V, q, m); ``panels`` of the integral."""
    V, q, m = point
    xi, weight = _grid(loss, V, q, m, labels.variance, panels)
    f, slope = moved(loss, math.sqrt(q) * xi, V)
    spread = math.sqrt(max(labels.variance - m * m / q, 1e-300))
    field = m / math.sqrt(q) * xi / spread
    chance = ndtr(field)
    density = np.exp(-0.5 * field**2) / (math.sqrt(2.0 * math.pi) * spread)
    return (
        -2.0 * float(weight @ (chance * slope)),
        2.0 * float(weight @ (chance * f**2)),
        2.0 * float(weight @ (density * f)),
    )


def lost(loss: Loss, labels: Labels, point: tuple[float, float, float]) -> float:
    """Share of the patterns of a sign teacher that the student gets wrong after training."""
    V, q, m = point
    edge = {Loss.LOGISTIC: -0.5 * V}.get(loss, -V) / math.sqrt(q)  # z = 0 there
    if edge <= -_FAR:
        return 0.0
    xi, weight = gaussian_panels(np.linspace(-_FAR, edge, 13), _ORDER)
    spread = math.sqrt(max(labels.variance - m * m / q, 1e-300))
    return 2.0 * float(weight @ ndtr(m / math.sqrt(q) * xi / spread))


def _grid(
    loss: Loss, V: float, q: float, m: float, variance: float, panels: int
) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights of xi, split where the integrand bends or changes quickly."""
    root = math.sqrt(q)
    bends = {Loss.HINGE: [1.0 - V, 1.0], Loss.LOGISTIC: [-V, 0.0, math.log1p(V)]}.get(loss, [])
    near = [0.0] if loss is Loss.HINGE else [s * k for s in (-1, 1) for k in (1.0, 3.0, 8.0, 20.0)]
    quick = [0.0, *((bend + one) / root for bend in bends for one in near)]
    sharp = math.sqrt(max(variance - m * m / q, 0.0)) * root / abs(m) if m else _FAR
    quick += [s * k * sharp for s in (-1, 1) for k in (1.0, 4.0)]
    edges = np.concatenate([np.linspace(-_FAR, _FAR, panels + 1), quick])
    return gaussian_panels(np.clip(edges, -_FAR, _FAR), _ORDER)


def train(loss: Loss, X: FloatArray, y: FloatArray, ridge: float) -> FloatArray:
    """b of least (1/n) sum g(y, X b) + (ridge/2) |b|^2; square loss, ridge 0: of least norm."""
    n, p = X.shape
    if loss is Loss.SQUARE and ridge == 0.0:
        return np.asarray(np.linalg.lstsq(X, y)[0])
    if n < p:  # b lies in the span of the patterns
        basis, triangle = np.linalg.qr(X.T)
        return np.asarray(basis @ train(loss, triangle.T, y, ridge))
    if loss is Loss.SQUARE:
        return np.asarray(np.linalg.solve(X.T @ X / n + ridge * np.eye(p), X.T @ y / n))
    Z = X * y[:, None]
    if loss is Loss.LOGISTIC:
        return _logistic(Z, ridge)
    gram = Z @ Z.T / (ridge * n)  # of the multipliers a, b = Z^T a/(ridge n), 0 <= a <= 1

    def dual(a: FloatArray) -> tuple[float, FloatArray]:
        pull = gram @ a
        return 0.5 * float(a @ pull) - float(a.sum()), pull - 1.0

    found = minimize(
        dual, np.full(n, 0.5), jac=True, method="L-BFGS-B", bounds=[(0.0, 1.0)] * n,
        options={"maxiter": 20_000, "maxfun": 40_000, "ftol": 1e-14, "gtol": 1e-8},
    )  # fmt: skip
    return np.asarray(Z.T @ found.x / (ridge * n))


def _logistic(Z: FloatArray, ridge: float) -> FloatArray:
    """Newton's method with steps that are halved until the loss falls."""
    n, p = Z.shape
    b = np.zeros(p)

    def value(b: FloatArray) -> float:
        return float(np.logaddexp(0.0, -Z @ b).mean() + 0.5 * ridge * b @ b)

    now = value(b)
    for _ in range(200):
        f = expit(-Z @ b)
        gradient = ridge * b - Z.T @ f / n
        step = np.linalg.solve((Z.T * (f * (1.0 - f) / n)) @ Z + ridge * np.eye(p), gradient)
        if float(gradient @ step) < 1e-20 * max(1.0, now):
            break
        size = 1.0
        while (new := value(b - size * step)) > now and size > 1e-10:
            size *= 0.5
        b, now = b - size * step, new
    return b
