"""Natural gradient at infinite width: the factor alpha of every metric, predictions, conditions.

Where the kernel A = J G^{-1} J^T/N of a metric is alpha times the identity, f - y falls by
1 - alpha eta a step and eta = 1/alpha needs one step (docs/wide.md, eqs. G1 to G8).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from replicadnn import interrupt
from replicadnn.errors import InputError
from replicadnn.types import FloatArray
from replicadnn.wide.activations import Activation
from replicadnn.wide.averages import Panels
from replicadnn.wide.covariances import follow, pairs_of_gram
from replicadnn.wide.preconditioners import Metric, tridiagonal

#: Kernels of a least eigenvalue below this share of the mean are singular.
_SINGULAR = 1e-9
#: What is said of the unit-wise metric with damping.
DAMPED = "damped: alpha is that of each network's kernel"
#: Variances that the layers may have.
_RANGE = (1e-30, 1e30)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Depth, samples, width of the inputs and of the layers, outputs; are biases trained?"""

    L: int
    N: int
    M0: int
    M: int
    C: int
    biases: bool


def straight(phi: Activation) -> bool:
    """Is the slope a constant (linear)?"""
    q = np.ones(1)
    return bool(phi.slope_product(q, q, np.zeros(1))[0] == phi.slope_square(q)[0])


def active(phi: Activation, q: float) -> float:
    """P(phi'(u) != 0), u ~ N(0, q)."""
    if phi.pieces:
        return float(phi.slope_square(q))
    if isinstance(phi.averages, Panels):
        z, weight = phi.averages.nodes(q)
        return float(weight @ (phi.derivative(math.sqrt(q) * z) != 0.0))
    return 1.0


def scaling(metric: Metric, phi: Activation, q: FloatArray, s: Sizes) -> tuple[float, str]:
    """alpha, or nan where the kernel of the metric is not isotropic; what to know about it.

    Parameters
    ----------
    q : array (L,)
        Variances of the preactivations.
    """
    reason = _fails(metric, phi, s)
    if reason:
        return math.nan, reason
    if metric is Metric.EXACT:
        return 1.0, ""
    if metric is Metric.BLOCK_DIAGONAL:
        return float(s.L), ""
    if metric is Metric.BLOCK_TRIDIAGONAL:
        told = "the metric is indefinite" if s.L > 2 else ""
        return float(-(-s.L // 3)), "the limit of no damping" if s.L % 3 == 2 else told
    if metric is Metric.KFAC:
        return (float(s.L) if straight(phi) else s.N * (s.L - 1.0) + 1.0), ""
    units = s.M * sum(active(phi, float(one)) for one in q[:-1])
    leaves = s.L > 2 or not (phi.pieces or s.L == 1)
    told = "undamped steps leave the kernel regime: small gradients" if leaves else ""
    return units / s.C + 1.0, told


def _fails(metric: Metric, phi: Activation, s: Sizes) -> str:
    """Why the kernel of this metric cannot be isotropic; empty: it is."""
    first = metric in (Metric.KFAC, Metric.UNIT_WISE) or straight(phi) or s.L == 1
    last = (metric is not Metric.EXACT or straight(phi)) and s.L > 1
    for needed, rank, name in ((first, s.M0, "M_0"), (last, s.M, "M")):
        if needed and rank + s.biases < s.N:
            return f"N = {s.N} samples, but only {rank + s.biases} independent inputs ({name})"
    if metric is Metric.KFAC and s.L > 1 and not straight(phi) and s.C * s.N > s.M:
        return f"C N = {s.C * s.N}, but only {s.M} independent gradients (M)"
    return ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Kernels at infinite width of N training samples, then T others, layer by layer.

    ``inputs`` K^l = sigma_w^2 E x^{l-1} x^{l-1} + sigma_b^2 and ``gradients`` B^l = E d^l d^l of
    one output, l = 1..L: Theta_l = K^l o B^l, and K^L is the covariance of the outputs.
    """

    N: int
    inputs: list[FloatArray]
    gradients: list[FloatArray]

    @classmethod
    def of(
        cls, phi: Activation, variances: tuple[float, float], L: int, x: FloatArray, N: int
    ) -> Limits:
        """Of these inputs, one a row."""
        pairs, at = pairs_of_gram(x @ x.T / x.shape[1])
        through = follow(phi, *variances, L, pairs)
        for l, q in enumerate(through.nngp[:-1, at[0] == at[1]], start=1):
            if not _RANGE[0] < np.min(q) <= np.max(q) < _RANGE[1]:
                raise InputError(
                    "sigma_w2", variances[0], "one at which variances stay finite and above 0: "
                    f"they are {np.min(q):.3g} in layer {l}",
                )  # fmt: skip

        def square(values: FloatArray) -> FloatArray:
            out = np.empty((len(x), len(x)))
            out[at], out.T[at] = values, values
            return out

        K = [square(one) for one in through.nngp]
        B = [np.ones_like(K[0])]
        for one in through.slopes[::-1]:
            B.insert(0, B[0] * square(one))
        return cls(N, K, B)

    @property
    def variances(self) -> FloatArray:
        """q^l, mean over the samples."""
        return np.array([np.mean(np.diag(one)) for one in self.inputs])

    def least(self, metric: Metric, straight: bool) -> float:
        """Least eigenvalue, over its mean, of all matrices that this metric inverts.

        ``straight``: gradients are the same for all samples, as is meant (`straight`).
        """
        if metric is Metric.EXACT:
            used = [np.sum(self.tangent(), axis=0)]
        elif metric in (Metric.BLOCK_DIAGONAL, Metric.BLOCK_TRIDIAGONAL):
            used = self.tangent()
        else:
            more = [] if metric is Metric.UNIT_WISE or straight else self.gradients[:-1]
            used = [*self.inputs, *more]
        return min(self._least(one) for one in used)

    def _least(self, gram: FloatArray) -> float:
        """Least eigenvalue on the training samples over the mean of them all."""
        rows = gram[: self.N, : self.N]
        return float(np.linalg.eigvalsh(rows)[0] / np.mean(np.diag(rows)))

    def tangent(self) -> list[FloatArray]:
        """Theta_l of every layer; their sum is the neural tangent kernel."""
        return [K * B for K, B in zip(self.inputs, self.gradients, strict=True)]

    def smallest(self) -> FloatArray:
        """Least eigenvalue of every Theta_l on the training samples, over the mean of them all."""
        return np.array([self._least(one) for one in self.tangent()])

    def regression(self, metric: Metric, alpha: float) -> FloatArray | None:
        """R (T x N): f(x') -> f_0(x') - R (f_0 - y); None for unit-wise, which has no limit."""
        train, test = slice(0, self.N), slice(self.N, None)

        def of(K: FloatArray) -> FloatArray:
            return np.asarray(K[test, train] @ np.linalg.pinv(K[train, train], hermitian=True))

        theta = self.tangent()
        if metric is Metric.UNIT_WISE:
            return None
        if metric is Metric.EXACT:
            return of(np.sum(theta, axis=0))
        if metric is Metric.BLOCK_DIAGONAL:
            return np.asarray(sum(of(one) for one in theta) / alpha)
        if metric is Metric.KFAC:
            pairs = zip(self.inputs, self.gradients, strict=True)
            return np.asarray(sum(self.N * of(K) * of(B) for K, B in pairs) / alpha)
        inverses = [np.asarray(np.linalg.inv(one[train, train])) for one in theta]
        weights = tridiagonal(inverses, np.eye(self.N))
        return np.asarray(sum(of(one) @ v for one, v in zip(theta, weights, strict=True)) / alpha)

    def error(self, R: FloatArray, y: FloatArray, target: FloatArray) -> float:
        """Root mean square of f_0(x') - R (f_0 - y) - target over x', outputs and networks.

        y (C, N), target (C, T); f_0 of different networks are Gaussian of covariance K^L.
        """
        K, n = self.inputs[-1], self.N
        spread = K[n:, n:] - R @ K[:n, n:] - K[n:, :n] @ R.T + R @ K[:n, :n] @ R.T
        fixed = np.mean((y @ R.T - target) ** 2)
        return math.sqrt(float(fixed + np.mean(np.diag(spread))))

    def size(self, R: FloatArray, y: FloatArray) -> float:
        """Root mean square of R (f_0 - y), in the same way."""
        spread = R @ self.inputs[-1][: self.N, : self.N] @ R.T
        return math.sqrt(float(np.mean((y @ R.T) ** 2) + np.mean(np.diag(spread))))


@dataclass(frozen=True, slots=True)
class Scaling:
    """What is known of one metric at one width, before any network is drawn."""

    M: int
    metric: str
    alpha: float
    eta: float
    isotropic: bool
    test_distance: float
    test_error: float
    message: str


def theory(
    phi: Activation, asked: Mapping[str, Any], widths: list[int], x: FloatArray, y: FloatArray
) -> tuple[FloatArray, tuple[Scaling, ...]]:
    """Least eigenvalues by layer; every metric at every width."""
    N, L = asked["N"], asked["L"]
    limits = Limits.of(phi, (asked["sigma_w2"], asked["sigma_b2"]), L, x, N)
    share = 1.0 - (1.0 - asked["rate"]) ** asked["steps"]
    found, predicted = [], {}
    for M in widths:
        sizes = Sizes(L, N, asked["M0"], M, asked["C"], asked["sigma_b2"] > 0.0)
        for metric in Metric:
            interrupt.check()
            alpha, message = scaling(metric, phi, limits.variances, sizes)
            least = limits.least(metric, straight(phi))
            if not math.isnan(alpha) and least < _SINGULAR:
                alpha = math.nan
                message = f"singular: least eigenvalue of {max(least, 1e-16):.0e} of the mean"
            if metric is Metric.UNIT_WISE and asked["damping"] > 0.0 and not math.isnan(alpha):
                alpha, message = math.nan, DAMPED
            there = not math.isnan(alpha)
            if there and metric not in predicted:
                predicted[metric] = limits.regression(metric, alpha)
            R, exact = predicted.get(metric) if there else None, predicted.get(Metric.EXACT)
            distance = error = math.nan
            if R is not None and exact is not None:
                distance = limits.size(share * (R - exact), y[:, :N])
                error = limits.error(share * R, y[:, :N], y[:, N:])
            found.append(
                Scaling(
                    M, str(metric), alpha, asked["rate"] / alpha, there, distance, error, message
                )
            )
    return limits.smallest(), tuple(found)
