"""A perceptron that learns from a teacher on the latent variables of its inputs.

Labels y = sgn(theta.c/sqrt D), inputs x = sgn(F c/sqrt D), student uniform on the couplings that
fit all patterns.  With omega = sqrt(q) xi the mean of a student's field, V its variance around it
and f = d ln Phi(y omega/sqrt V)/d omega (docs/inputs.md, eqs. 6, 7):

    Vh = -alpha E f',  qh = alpha E f^2,  M = alpha E dZ f/Z,   D = 1 + Vh Omega
    V = <Omega/D>,  q = <(qh Omega + M^2 A/delta) Omega/D^2>,  m = (M/delta) <A/D>

No student computes such labels exactly, and from `closing` on none fits the patterns: V -> 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, root
from scipy.special import ndtr

from replicadnn.inputs import HiddenManifold
from replicadnn.quadrature import SQRT_2PI, gaussian_panels, log_weight_curvature, mills
from replicadnn.status import Status
from replicadnn.types import FloatArray

#: Fields beyond this many standard deviations do not count.
_FAR = 9.0
#: Order of the panels.
_ORDER = 20
#: Passes before Powell's method; values of alpha on the way where it fails from there.
_PASSES, _STEPS = 20, 40
#: Closer than this to the closing (relative) the equations are not solved.
_CLOSE = 1e-6

Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class LatentTeacher:
    """The overlaps at one alpha, nan where there are none.

    ``V`` variance of a student's field around the mean over students, ``q`` variance of that mean,
    ``m`` its covariance with the teacher's field, whose variance is 1; ``residual``: relative
    change of the three by one more pass on twice as many panels.
    """

    V: float
    q: float
    m: float
    residual: float
    status: Status
    message: str

    @property
    def r(self) -> float:
        """Variance of a student's field."""
        return self.V + self.q

    @property
    def gibbs(self) -> float:
        """Error of a typical student, arccos(m/sqrt r)/pi."""
        return _angle(self.m, self.r) / math.pi

    @property
    def vote(self) -> float:
        """Error of the vote of all students, arccos(m/sqrt q)/pi."""
        return _angle(self.m, self.q) / math.pi


def _angle(m: float, square: float) -> float:
    return math.nan if math.isnan(m) else math.acos(min(1.0, m / math.sqrt(square)))


def closing(inputs: HiddenManifold) -> float:
    """alpha from which no student fits all patterns: pi/phi, phi cot phi = <A/Omega>/delta.

    There V -> 0, f -> -omega/V where the mean of the students is wrong, and the six equations
    become these two (docs/inputs.md, eq. 8); phi/pi is the error there.  delta -> infinity: 2.
    """
    share = inputs.latent_limit / inputs.delta
    if share >= 1.0 - 1e-15:
        return math.inf
    phi = brentq(lambda x: x / math.tan(x) - share, 1e-9, 0.5 * math.pi, xtol=1e-300, rtol=9e-16)
    return math.pi / float(phi)


def solve_latent(alpha: float, inputs: HiddenManifold, tol: float = 1e-8) -> LatentTeacher:
    """V, q, m at one alpha, solved from nothing."""
    end = closing(inputs)
    if alpha >= end * (1.0 - _CLOSE):
        message = (
            f"no student fits all patterns from alpha = {end:.6g} on (the labels of a teacher on "
            "latent variables are not those of any student)"
        )
        return _nothing(Status.NO_SOLUTION, message)
    point = _solved(alpha, inputs, _relaxed(alpha, inputs, (0.5, 0.5, 0.5)))
    if point is None:  # follow the solution from a smaller alpha
        point = _followed(alpha, inputs)
    if point is None:
        return _nothing(Status.NOT_CONVERGED, f"no fixed point found at alpha = {alpha:g}")
    residual = _apart(_step(alpha, inputs, point, 2), point)
    if not residual <= tol:
        message = f"residual = {residual:.1e} (limit {tol:.0e})"
        return LatentTeacher(*point, residual, Status.NOT_CONVERGED, message)
    return LatentTeacher(*point, residual, Status.CONVERGED, "certified")


def _nothing(status: Status, message: str) -> LatentTeacher:
    nan = math.nan
    return LatentTeacher(nan, nan, nan, nan, status, f"{message}; to do: {status.remedy}")


def _apart(one: Point, other: Point) -> float:
    return max(abs(a / b - 1.0) for a, b in zip(one, other, strict=True))


def averages(point: Point, fineness: int = 1) -> Point:
    """-E f', E f^2 and E dZ f/Z at (V, q, m)."""
    V, q, m = point
    spread = math.sqrt(max(1.0 - m * m / q, 1e-300))
    slope = m / math.sqrt(q) / spread
    near = [k * math.sqrt(V / q) for k in (0.5, 1.0, 2.0, 4.0, 8.0, 20.0)]
    near += [k / slope for k in (1.0, 2.0, 4.0, 8.0)]
    edges = np.concatenate([np.linspace(-_FAR, _FAR, 12 * fineness + 1), near, [-x for x in near]])
    order = _ORDER if fineness == 1 else _ORDER + 8
    xi, weight = gaussian_panels(np.clip(edges, -_FAR, _FAR), order)
    z = math.sqrt(q / V) * xi
    with np.errstate(over="ignore"):  # far above 0, where f is 0
        f = 1.0 / mills(z)  # times sqrt V
    chance = ndtr(slope * xi)
    density = np.exp(-0.5 * (slope * xi) ** 2) / (SQRT_2PI * spread)
    return (
        -2.0 * float(np.sum(weight * chance * log_weight_curvature(z, math.inf))) / V,
        2.0 * float(np.sum(weight * chance * f**2)) / V,
        2.0 * float(np.sum(weight * density * f)) / math.sqrt(V),
    )


def _step(alpha: float, inputs: HiddenManifold, point: Point, fineness: int = 1) -> Point:
    """One pass of the equations."""
    Vh, qh, M = (alpha * one for one in averages(point, fineness))
    at, (linear, mixed) = inputs.response(Vh), inputs.latent(Vh)
    pull = M / inputs.delta
    return at.rest, qh * at.slope + pull * M * mixed, pull * linear


def _relaxed(alpha: float, inputs: HiddenManifold, start: Point) -> Point:
    """Passes, each half of its way."""
    point = start
    for _ in range(_PASSES):
        new = _step(alpha, inputs, point)
        V, q, m = (math.sqrt(a * b) for a, b in zip(point, new, strict=True))
        point = V, q, min(m, math.sqrt(q) * 0.999999)
    return point


def _solved(alpha: float, inputs: HiddenManifold, start: Point) -> Point | None:
    """Powell's method in ln V, ln q and the logit of m/sqrt q; None where it fails."""

    def point(x: FloatArray) -> Point:
        V, q = np.exp(np.clip(x[:2], -200.0, 200.0))
        return float(V), float(q), float(math.sqrt(q) / (1.0 + math.exp(-min(x[2], 200.0))))

    def off(x: FloatArray) -> FloatArray:
        here = point(x)
        new = _step(alpha, inputs, here)
        return np.array([math.log(a / b) for a, b in zip(new, here, strict=True)])

    V, q, m = start
    share = m / math.sqrt(q)
    x = np.array([math.log(V), math.log(q), math.log(share / (1.0 - share))])
    try:
        found = root(off, x, method="hybr", options={"xtol": 1e-14})
        last = point(found.x)
        return last if _apart(_step(alpha, inputs, last), last) < 1e-6 else None
    except (ValueError, OverflowError, ZeroDivisionError, FloatingPointError):
        return None


def _followed(alpha: float, inputs: HiddenManifold) -> Point | None:
    """The same from one alpha to the next, in equal steps of the distance to the closing."""
    end = closing(inputs)
    last = math.log1p(-alpha / end) if math.isfinite(end) else 0.0
    first = 0.5 * alpha
    point: Point | None = _relaxed(first, inputs, (0.5, 0.5, 0.5))
    for k in range(1, _STEPS + 1):
        if point is None:
            return None
        if math.isfinite(end):
            low = math.log1p(-first / end)
            here = -end * math.expm1(low + (last - low) * k / _STEPS)
        else:
            here = first + (alpha - first) * k / _STEPS
        point = _solved(alpha if k == _STEPS else here, inputs, point)
    return point
