"""Ridge and ridgeless least squares on Gaussian inputs: exact for many features and patterns.

y = x.b + eps, Cov x of eigenvalues s, Var eps = sigma2; b^ = X^T (X X^T/n + lambda)^{-1} y/n.
Everything follows from kappa (docs/curves.md, eqs. 2 to 6), gamma = p/n:

    lambda = kappa (1 - df1),   df1 = gamma <s/(s + kappa)>,   df2 = gamma <s^2/(s + kappa)^2>
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from replicadnn.curves.covariance import Covariance
from replicadnn.curves.roots import rising_root
from replicadnn.errors import InputError
from replicadnn.storage.tables import Column, Plain, Table, Tables
from replicadnn.types import FloatArray


@dataclass(frozen=True, slots=True)
class LeastSquares:
    """What is learned: covariance of the inputs, ``|b|^2`` and the variance of the noise."""

    covariance: Covariance
    b2: float
    sigma2: float

    COLUMNS: ClassVar[Mapping[str, str]] = {
        "ridge": "ridge lambda",
        "kappa": "effective ridge kappa",
        "df1": "degrees of freedom per pattern, gamma <s/(s + kappa)>",
        "df2": "gamma <s^2/(s + kappa)^2>",
        "bias": "part of the risk that the signal makes",
        "variance": "part of the risk that the noise makes; inf: at the interpolation threshold",
        "risk": "excess risk, bias + variance: error on fresh patterns without their noise",
        "test_error": "risk + sigma2: mean squared error on fresh patterns",
        "training_error": "mean squared residual on the patterns",
        "optimal_ridge": "ridge of the smallest risk; may be negative",
        "optimal_risk": "risk at optimal_ridge",
    }
    MEASURED: ClassVar[tuple[str, ...]] = (
        "bias", "variance", "risk", "test_error", "training_error",
    )  # fmt: skip
    #: What the size of a drawn data set counts.
    SIZE: ClassVar[str] = "features"

    def attributes(self) -> dict[str, Plain]:
        """For titles, documents and files."""
        return {"covariance": self.covariance.name, "b2": self.b2, "sigma2": self.sigma2}

    def settings(self) -> dict[str, Any]:
        """What the numbers depend on."""
        law = self.covariance
        return self.attributes() | {"covariance": f"{law.name} {law.digest}"}

    def tables(self) -> list[Table]:
        """The covariance."""
        law = self.covariance
        columns = [
            Column.of("mode", np.arange(law.weights.size), "number of the row"),
            Column.of("eigenvalue", law.eigenvalues, "eigenvalue of the covariance"),
            Column.of("weight", law.weights, "share of the features"),
            Column.of("signal", law.signal, "share of |b|^2"),
        ]
        return [Table("covariance", tuple(columns))]

    @classmethod
    def read(cls, file: Tables) -> LeastSquares:
        """What a file holds."""
        a, modes = file.attributes, file["covariance"]
        law = Covariance(
            modes["eigenvalue"], weights=modes["weight"], signal=modes["signal"],
            name=str(a["covariance"]),
        )  # fmt: skip
        return cls(law, float(a["b2"]), float(a["sigma2"]))

    # --- theory ---------------------------------------------------------------------------------

    def at(self, gamma: float) -> AtGamma:
        """The functions of kappa at one gamma."""
        law = self.covariance
        there = (law.eigenvalues > 0.0) & (law.weights > 0.0)
        s, w = law.eigenvalues[there], law.weights[there]
        return AtGamma(s, gamma * w, self.b2 * law.signal[there], self.sigma2)

    def row(self, gamma: float, ridge: float | None) -> dict[str, float]:
        """`COLUMNS` at one gamma; ``ridge``: None for the optimal one.

        Raises
        ------
        ValueError
            The ridge is not above `AtGamma.lowest`.
        """
        here, flat = self.at(gamma), self.covariance.flat_signal
        if flat is None:
            best = here.optimal_kappa()
            optimal = here.ridge(best)
        else:
            optimal = self.sigma2 * gamma / (self.b2 * flat)
            best = here.kappa(optimal)
        lam = optimal if ridge is None else ridge
        found = here.numbers(lam, here.kappa(lam))
        return found | {
            "optimal_ridge": optimal, "optimal_risk": here.numbers(optimal, best)["risk"],
        }  # fmt: skip

    def lowest_ridge(self, gamma: float) -> float:
        """Minus the smallest eigenvalue above 0 of X X^T/n (docs/curves.md, eq. 9)."""
        here = self.at(gamma)
        return here.ridge(here.lowest)

    # --- data sets -------------------------------------------------------------------------------

    def shape(self, size: int, gamma: float) -> tuple[int, int]:
        """(n, p) of a drawn data set: n = p/gamma, rounded."""
        if size < gamma:
            raise InputError("p", size, f"at least gamma = {gamma:g}: one pattern")
        self.covariance.counts(size)
        return round(size / gamma), size

    def draw(self, rng: np.random.Generator, n: int, p: int, ridge: float) -> dict[str, float]:
        """`MEASURED` on one data set of n patterns with p features; nan where no mean exists.

        Features of eigenvalue 0 are left out: they are 0 in every pattern.
        """
        law = self.covariance
        counts = np.array(law.counts(p))
        there = (law.eigenvalues > 0.0) & (counts > 0)
        s = np.repeat(law.eigenvalues[there], counts[there])
        b = np.sqrt(np.repeat(self.b2 * law.signal[there] / counts[there], counts[there]))
        if ridge == 0.0 and abs(n - s.size) <= 1:  # E (X^T X)^{-1} is infinite
            return dict.fromkeys(self.MEASURED, math.nan)
        X = rng.standard_normal((n, s.size)) * np.sqrt(s)
        y = np.column_stack([X @ b, math.sqrt(self.sigma2) * rng.standard_normal(n)])
        if n <= s.size:
            gram = X @ X.T / n
            fit = X.T @ np.linalg.solve(gram + ridge * np.eye(n), y) / n
        else:
            gram = X.T @ X / n
            fit = np.linalg.solve(gram + ridge * np.eye(s.size), X.T @ y / n)
        off, noise = fit[:, 0] - b, fit[:, 1]
        residual = y.sum(axis=1) - X @ fit.sum(axis=1)
        risk = float(s @ (off + noise) ** 2)
        return {
            "bias": float(s @ off**2), "variance": float(s @ noise**2), "risk": risk,
            "test_error": risk + self.sigma2, "training_error": float(np.mean(residual**2)),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class AtGamma:
    """Functions of kappa at one gamma: eigenvalues above 0, gamma times their weights, b_k^2."""

    s: FloatArray
    gw: FloatArray
    b2: FloatArray
    sigma2: float

    @property
    def surplus(self) -> float:
        """gamma times the rank, less 1: above 0 the patterns can be interpolated.

        Exactly 0 within rounding, where the risk without ridge diverges.
        """
        value = float(self.gw.sum()) - 1.0
        return 0.0 if abs(value) < 1e-14 * self.s.size + 1e-15 else value

    def ridge(self, kappa: float) -> float:
        """lambda = kappa (1 - df1), written without the cancellation in 1 - df1."""
        return kappa * (float(self.gw @ (kappa / (self.s + kappa))) - self.surplus)

    def df2(self, kappa: float) -> float:
        """gamma <s^2/(s + kappa)^2>."""
        return float(self.gw @ (self.s / (self.s + kappa)) ** 2)

    @property
    def lowest(self) -> float:
        """kappa at which df2 = 1: d lambda/d kappa = 1 - df2 vanishes.

        There lambda is minus the smallest eigenvalue above 0 of X X^T/n: no ridge lies below.
        """
        if self.surplus == 0.0:
            return 0.0
        low, high = 0.0, math.sqrt(float(self.gw @ self.s**2))
        if self.surplus < 0.0:
            low = -float(self.s.min()) * (1.0 - 1e-15)
        return rising_root(lambda k: 1.0 - self.df2(k), low, high)

    def kappa(self, ridge: float) -> float:
        """The root kappa > `lowest` of lambda(kappa) = ridge.

        Raises
        ------
        ValueError
            There is none.
        """
        surplus = self.surplus
        if ridge == 0.0 and surplus <= 0.0:
            return 0.0
        top = max(ridge, 0.0) + float(self.gw @ self.s)  # lambda >= kappa - gamma <s>
        if ridge > 0.0:
            return rising_root(lambda k: self.ridge(k) - ridge, ridge, top)
        low = self.lowest
        if self.ridge(low) >= ridge:
            raise ValueError(f"no ridge at or below {self.ridge(low):.6g}")
        if surplus > 0.0 and ridge == 0.0:
            return rising_root(lambda k: float(self.gw @ (k / (self.s + k))) - surplus, low, top)
        return rising_root(lambda k: self.ridge(k) - ridge, low, top if surplus > 0.0 else 0.0)

    def numbers(self, ridge: float, kappa: float) -> dict[str, float]:
        """Everything at a ridge and its kappa (docs/curves.md, eqs. 3 to 6)."""
        r = self.s / (self.s + kappa)
        df1, df2 = float(self.gw @ r), float(self.gw @ r**2)
        left = -self.surplus if kappa == 0.0 else ridge / kappa  # 1 - df1
        slope = left + kappa * float(self.gw @ (r / (self.s + kappa)))  # 1 - df2
        if slope == 0.0:  # the interpolation threshold, no ridge
            bias, variance = 0.0, math.inf if self.sigma2 > 0.0 else 0.0
        else:
            bias = kappa**2 * float(self.b2 @ (r / (self.s + kappa))) / slope
            variance = self.sigma2 * df2 / slope
        risk = bias + variance
        error = left**2 * (risk + self.sigma2) if left != 0.0 else 0.0
        return {
            "ridge": ridge, "kappa": kappa, "df1": df1, "df2": df2, "bias": bias,
            "variance": variance, "risk": risk, "test_error": risk + self.sigma2,
            "training_error": error,
        }  # fmt: skip

    def slope(self, kappa: FloatArray) -> FloatArray:
        """d risk/d kappa up to a factor above 0 (docs/curves.md, eq. 8)."""
        k = np.asarray(kappa)[..., None]
        inverse = 1.0 / (self.s + k)
        r = self.s * inverse
        k = k[..., 0]
        c3, d3 = (r**2 * inverse) @ self.b2, (r**2 * inverse) @ self.gw
        flat = -self.surplus + k * ((inverse + r * inverse) @ self.gw)  # 1 - df2
        return np.asarray(k * c3 * flat - d3 * (self.sigma2 + k**2 * ((r * inverse) @ self.b2)))

    def risk(self, kappa: FloatArray) -> FloatArray:
        """Risk at many kappa above `lowest`."""
        k = np.asarray(kappa)[:, None]
        r = self.s / (self.s + k)
        k = k[:, 0]
        flat = -self.surplus + k * (((1.0 + r) / (self.s + k[:, None])) @ self.gw)
        bias = k**2 * ((r / (self.s + k[:, None])) @ self.b2)
        there = flat > 0.0  # beside `lowest` rounding may hide it
        parts = bias + self.sigma2 * (r**2 @ self.gw)
        return np.asarray(np.divide(parts, flat, out=np.full(k.shape, math.inf), where=there))

    def optimal_kappa(self) -> float:
        """kappa of the smallest risk: the best of a grid, then the root of `slope` beside it."""
        low = self.lowest
        signal = float(self.b2 @ self.s)
        # for large kappa the slope vanishes at this one
        last = float(self.gw @ self.s**2) * (self.sigma2 + signal) / float(self.b2 @ self.s**2)
        top = 10.0 * max(last, float(self.s.max()) * max(1.0, float(self.gw.sum())))
        grid = low + np.geomspace(1e-6 * min(float(self.s.min()), abs(low) or math.inf), top, 400)
        best = int(np.argmin(self.risk(grid)))
        left, right = grid[best - 1] if best else low, grid[min(best + 1, grid.size - 1)]
        return rising_root(lambda k: float(self.slope(np.asarray(k))), left, right)
