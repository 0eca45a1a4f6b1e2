"""Random features of latent inputs (hidden manifold) and a linear student: what it learns.

c ~ N(0, I_d), x = act(F c/sqrt d) in R^p, u = theta.c/sqrt d, y = u + eps or sgn(u + eps), student
v = b.x of least (1/n) sum g(y, v) + (lambda/2) |b|^2.  The equivalent Gaussian features have the
covariance k1^2 F F^T/d + ks^2; V, q, m solve eqs. 13 and 14 of docs/curves.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from scipy import optimize

from replicadnn.curves.channels import Labels, Loss, Teacher, averages, lost, train
from replicadnn.curves.roots import rising_root
from replicadnn.errors import InputError
from replicadnn.marchenko_pastur import averages as averages_over_t
from replicadnn.storage.tables import Plain, Table, Tables
from replicadnn.types import FloatArray
from replicadnn.validate import choice
from replicadnn.wide.activations import Activation

#: Points of the first look for the best ridge, in ln lambda.
_SEARCH = np.linspace(math.log(1e-6), math.log(1e3), 15)
#: Relative change that one more pass, on twice as many panels, may make.
TOLERANCE = 1e-8
#: ks^2 below this: the features are linear in c, and without ridge their covariance has zeros.
_LINEAR = 1e-12
#: Fresh patterns on which a student is tested.
_FRESH = 4000

Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Traces:
    """Averages (1/p) tr over the features, D = lambda + Vh Omega, A = k1^2 F F^T/d."""

    #: Omega/D, Omega/D^2, Omega^2/D^2, A Omega/D^2, A/D.
    omega: float
    single: float
    omega2: float
    mixed: float
    linear: float


def traces(k1: float, ks2: float, c: float, ridge: float, vh: float) -> Traces:
    """In closed form (docs/curves.md, eq. 15); c = p/d."""
    a = max(vh, 1e-100) * k1 * k1  # 0: hinge loss with every field far below 1
    z = ridge / a + ks2 / (k1 * k1)
    at, k = averages_over_t(c, z), k1 * k1
    return Traces(
        (k * at.T + ks2 * at.S) / a,
        (k * at.T2 + ks2 * at.S2) / a**2,
        (k * k * at.U2 + 2.0 * k * ks2 * at.T2 + ks2 * ks2 * at.S2) / a**2,
        (k * k * at.U2 + k * ks2 * at.T2) / a**2,
        k * at.T / a,
    )


@dataclass(frozen=True, slots=True)
class Features:
    """What learns from what: activation of the features, teacher, loss, n/d and the noise."""

    activation: str
    #: k1 = E z act(z) and ks^2 = E act^2 - k1^2 over z ~ N(0, 1).
    k1: float
    ks2: float
    teacher: Teacher
    loss: Loss
    n_over_d: float
    sigma2: float
    #: The activation itself, for data sets; a file does not hold it.
    function: Callable[[FloatArray], FloatArray] | None = field(default=None, compare=False)

    COLUMNS: ClassVar[Mapping[str, str]] = {
        "ridge": "ridge lambda",
        "V": "response of a field to its own pattern",
        "q": "variance of the student's field",
        "m": "covariance of the fields of student and teacher",
        "test_error": "mean squared error, or share of wrong signs, on fresh patterns with noise",
        "training_error": "the same on the patterns",
        "residual": "relative change of V, q, m by one more pass on a finer grid",
    }
    MEASURED: ClassVar[tuple[str, ...]] = ("test_error", "training_error")
    #: What the size of a drawn data set counts.
    SIZE: ClassVar[str] = "patterns"

    @classmethod
    def of(
        cls, act: Activation, teacher: Teacher, loss: Loss, n_over_d: float, sigma2: float
    ) -> Features:
        """With the coefficients of the activation.

        Raises
        ------
        InputError
            An activation whose mean is not 0, or that has no linear part; a loss that does not
            suit the teacher.
        """
        if loss is not Loss.SQUARE and teacher is Teacher.LINEAR:
            raise InputError("loss", str(loss), "square with teacher linear")
        if abs(float(act.product(1.0, 1.0, 0.0))) > 1e-12:
            allowed = "one of mean 0 over N(0, 1), such as an odd one"
            raise InputError("activation", act.name, allowed)
        k1_squared = float(act.slope_product(1.0, 1.0, 0.0))  # (E act')^2
        if k1_squared < 1e-12:
            raise InputError("activation", act.name, "one with E z act(z) other than 0")
        ks2 = max(0.0, float(act.square(1.0)) - k1_squared)
        k1 = math.sqrt(k1_squared)
        return cls(act.name, k1, ks2, teacher, loss, n_over_d, sigma2, act.function)

    def attributes(self) -> dict[str, Plain]:
        """For titles, documents and files."""
        return {
            "activation": self.activation, "k1": self.k1, "ks2": self.ks2,
            "teacher": str(self.teacher), "loss": str(self.loss), "n_over_d": self.n_over_d,
            "sigma2": self.sigma2,
        }  # fmt: skip

    def settings(self) -> dict[str, Any]:
        """What the numbers depend on."""
        return self.attributes()

    def tables(self) -> list[Table]:
        """Nothing beside the attributes."""
        return []

    @classmethod
    def read(cls, file: Tables) -> Features:
        """What a file holds."""
        a = file.attributes
        k1, ks2, ratio, noise = (float(a[one]) for one in ("k1", "ks2", "n_over_d", "sigma2"))
        teacher, loss = choice(Teacher, "teacher", a["teacher"]), choice(Loss, "loss", a["loss"])
        return cls(str(a["activation"]), k1, ks2, teacher, loss, ratio, noise)

    # --- theory ---------------------------------------------------------------------------------

    def row(self, gamma: float, ridge: float | None) -> dict[str, float]:
        """`COLUMNS` at one gamma = p/n; ``ridge``: None for the one of the smallest test error.

        Raises
        ------
        ValueError
            The ridge is not above 0, and the loss is not the square one.
        InputError
            It is below 0.
        """
        if ridge is not None:
            return self.solve(gamma, ridge, (1.0, 1.0, 0.5))
        start: Point = (1.0, 1.0, 0.5)
        first = []
        for log in _SEARCH[::-1]:
            first.append(self.solve(gamma, math.exp(log), start))
            start = (first[-1]["V"], first[-1]["q"], first[-1]["m"])
        best = min(range(len(first)), key=lambda k: first[k]["test_error"])
        near = first[best]
        step = float(_SEARCH[1] - _SEARCH[0])
        middle = math.log(near["ridge"])
        found = optimize.minimize_scalar(
            lambda log: self.solve(
                gamma, math.exp(log), (near["V"], near["q"], near["m"])
            )["test_error"],
            bounds=(middle - step, middle + step), method="bounded", options={"xatol": 1e-7},
        )  # fmt: skip
        return self.solve(gamma, math.exp(float(found.x)), (near["V"], near["q"], near["m"]))

    def lowest_ridge(self, gamma: float) -> float:
        """Every ridge above 0 is allowed; the square loss needs none."""
        return 0.0

    def solve(self, gamma: float, ridge: float, start: Point) -> dict[str, float]:
        """`COLUMNS` at a ridge; ``start``: (V, q, m) near the fixed point."""
        if self.loss is Loss.SQUARE and self.ks2 > _LINEAR:
            if ridge < 0.0:
                raise InputError("ridge", ridge, "0 or more")
        elif ridge <= 0.0:
            raise ValueError("no ridge at or below 0")
        labels = Labels.of(self.teacher, self.sigma2)
        here = _Here(self, labels, 1.0 / gamma, gamma * self.n_over_d, ridge / gamma)
        if self.loss is Loss.SQUARE:
            point, rest = here.square()
        else:
            point, rest = here.iterate(start), math.nan
        V, q, m = point
        if self.teacher is Teacher.LINEAR:
            test = labels.y2 - 2.0 * labels.uy * m + q
            training = test * rest**2 if rest > 0.0 else 0.0
        else:
            overlap = min(1.0, m / math.sqrt(q * labels.variance))
            test = math.acos(overlap) / math.pi
            training = lost(self.loss, labels, point) if math.isfinite(V) else 0.0
        residual = 0.0  # V or q infinite: nothing was iterated
        if math.isfinite(V) and math.isfinite(q):
            again = here.step(point, 24)
            residual = max(abs(new / old - 1.0) for new, old in zip(again, point, strict=True))
        return {
            "ridge": ridge, "V": V, "q": q, "m": m, "test_error": test,
            "training_error": training, "residual": residual,
        }  # fmt: skip

    # --- data sets -------------------------------------------------------------------------------

    def shape(self, size: int, gamma: float) -> tuple[int, int]:
        """(n, p) of a drawn data set."""
        p = round(gamma * size)
        if p < 1:
            raise InputError("n", size, f"at least 1/gamma = {1.0 / gamma:g}: one feature")
        return size, p

    def draw(self, rng: np.random.Generator, n: int, p: int, ridge: float) -> dict[str, float]:
        """`MEASURED` on n patterns of the features themselves, and on 4000 fresh ones."""
        assert self.function is not None
        if ridge == 0.0 and abs(n - p) <= 1 and self.teacher is Teacher.LINEAR:
            return dict.fromkeys(self.MEASURED, math.nan)
        d = max(1, round(n / self.n_over_d))
        F = rng.standard_normal((p, d))
        F /= np.linalg.norm(F, axis=1)[:, None]
        theta = rng.standard_normal(d)
        theta /= np.linalg.norm(theta)
        c = rng.standard_normal((n + _FRESH, d))
        X = np.asarray(self.function(c @ F.T))
        y = c @ theta + math.sqrt(self.sigma2) * rng.standard_normal(n + _FRESH)
        if self.teacher is Teacher.SIGN:
            y = np.where(y < 0.0, -1.0, 1.0)
        v = X @ train(self.loss, X[:n], y[:n], ridge)
        wrong = (y - v) ** 2 if self.teacher is Teacher.LINEAR else (y * v < 0.0).astype(float)
        return {"test_error": float(wrong[n:].mean()), "training_error": float(wrong[:n].mean())}


@dataclass(frozen=True, slots=True)
class _Here:
    """The fixed point at one place: alpha = n/p, c = p/d, ridge of the sum of losses."""

    problem: Features
    labels: Labels
    alpha: float
    c: float
    ridge: float

    def close(self, vh: float, qh: float, M: float) -> Point:
        """V, q, m from the conjugate numbers (docs/curves.md, eq. 14)."""
        t = traces(self.problem.k1, self.problem.ks2, self.c, self.ridge, vh)
        return t.omega, qh * t.omega2 + M * M * self.c * t.mixed, M * self.c * t.linear

    def step(self, point: Point, panels: int = 12) -> Point:
        """One pass of the equations."""
        V, q, m = point
        if self.problem.loss is Loss.SQUARE:
            error = self.labels.y2 - 2.0 * self.labels.uy * m + q
            found = 1.0 / (1.0 + V), error / (1.0 + V) ** 2, self.labels.uy / (1.0 + V)
        else:
            found = averages(self.problem.loss, self.labels, point, panels)
        return self.close(*(self.alpha * one for one in found))

    def square(self) -> tuple[Point, float]:
        """Square loss: V, q, m, and 1/(1 + V) = 1 - df1, from one root, the effective ridge kappa.

        Without ridge and for p > n V is infinite.
        """
        k1, ks2, lam = self.problem.k1, self.problem.ks2, self.ridge / self.alpha
        uy = self.labels.uy

        def df1(kappa: float) -> float:
            return traces(k1, ks2, self.c, kappa, 1.0).omega / self.alpha

        kappa = 0.0
        if lam > 0.0 or self.alpha < 1.0:
            top = (lam + (k1 * k1 + ks2) / self.alpha) * (1.0 + 1e-12)
            low = max(lam, 1e-300)
            kappa = rising_root(lambda kappa: 1.0 - df1(kappa) - lam / kappa, low, top)
        rest = lam / kappa if kappa > 0.0 else 1.0 - 1.0 / self.alpha
        t = traces(k1, ks2, self.c, kappa, 1.0)
        m, df2 = uy * self.c * t.linear, t.omega2 / self.alpha
        noise = df2 * (self.labels.y2 - 2.0 * uy * m) + uy * uy * self.c * t.mixed
        left = rest + kappa * t.single / self.alpha  # 1 - df2
        q = noise / left if left > 0.0 else math.inf
        return ((1.0 - rest) / rest if rest > 0.0 else math.inf, q, m), rest

    def iterate(self, start: Point) -> Point:
        """Passes, then Powell's method in ln V, ln q, ln m; passes alone where that fails."""
        point = start
        for _ in range(15):
            point = self.step(point)

        def off(logs: FloatArray) -> FloatArray:
            V, q, m = np.exp(np.clip(logs, -300.0, 300.0))
            if m * m >= q:
                return np.full(3, 10.0)
            return np.log(self.step((V, q, m))) - logs

        logs = np.log(point)
        for _ in range(3):  # a new Jacobian each time
            found = optimize.root(off, logs, method="hybr", options={"xtol": 1e-14})
            logs = found.x
            if np.max(np.abs(off(logs))) < 1e-12:
                V, q, m = np.exp(logs)
                return float(V), float(q), float(m)
        for _ in range(5000):
            new = self.step(point)
            change = max(abs(a / b - 1.0) for a, b in zip(new, point, strict=True))
            point = new
            if change < 1e-13:
                break
        return point
