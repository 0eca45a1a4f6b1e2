"""Gaussian averages of functions without closed form: trapezoid, Mehler's series, panels.

u = sqrt(q) z and pairs (u_a, u_b) of correlation c; z, u standard and Gaussian.  What a class here
offers is stated in `replicadnn.wide.activations.Averages`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from replicadnn.errors import ReplicaDNNError
from replicadnn.quadrature import SQRT_2PI, on_panels
from replicadnn.types import FloatArray

Function = Callable[[FloatArray], FloatArray]

#: Gaussian tails beyond this many standard deviations are below 1e-30.
REACH = 12.0
#: Largest variance of Mehler's series (degrees grow like it), distance of the poles of tanh, and
#: the decay of a_k, as an exponent, behind which the series is cut.
_SERIES_Q, _POLE, _DECAY = 100.0, 0.5 * math.pi, 18.0
#: Nodes of a panel; panels are doubled until averages agree to this.
_ORDER, _AGREE, _LEVELS = 16, 2e-14, 7
#: The panels next to a kink that only narrow pairs see shrink by this factor, down to its width.
_SHRINK = 2.5
#: Least variance in a denominator.
_TINY = 1e-280
#: Terms in one pass of Mehler's series.
_CHUNK = 1_000_000


def gaussian(z: FloatArray) -> FloatArray:
    """Density of a standard normal number."""
    return np.asarray(np.exp(-0.5 * z * z) / SQRT_2PI)


def sech2(x: FloatArray) -> FloatArray:
    """1 / cosh(x)^2 without overflow, of complex numbers too."""
    e = np.exp(-2.0 * np.where(np.real(x) < 0.0, -x, x))
    return np.asarray(4.0 * e / (1.0 + e) ** 2)


class Tanh:
    """tanh: trapezoid in z for one neuron, Mehler's series for two.

    The trapezoid has the error exp(-2 pi s/h), s = pi/(2 sqrt q) the distance of the poles.
    With a_k = E[tanh(sqrt(q) z) He_k(z)]/sqrt(k!), which are not 0 for odd k alone,

        E tanh(u_a) tanh(u_b) = sum_k a_k(q_a) a_k(q_b) c^k.                (docs/wide.md, eq. 5)
    """

    def square(self, q: FloatArray) -> FloatArray:
        """E phi(u)^2."""
        return self._one(q, lambda u, z: np.tanh(u) ** 2)

    def slope_square(self, q: FloatArray) -> FloatArray:
        """E phi'(u)^2."""
        return self._one(q, lambda u, z: sech2(u) ** 2)

    def response(self, q: FloatArray) -> FloatArray:
        """d E phi(u)^2/dq = E[u phi(u) phi'(u)]/q."""
        scale = np.sqrt(np.maximum(q, _TINY))[..., None]
        return self._one(q, lambda u, z: z * np.tanh(u) * sech2(u) / scale)

    def product(self, qa: FloatArray, qb: FloatArray, c: FloatArray) -> FloatArray:
        """E phi(u_a) phi(u_b)."""
        if _beyond(qa, qb):
            return _BY_PANELS.product(qa, qb, c)
        return _series(qa, qb, c, lambda k, c: c**k)

    def slope_product(self, qa: FloatArray, qb: FloatArray, c: FloatArray) -> FloatArray:
        """E phi'(u_a) phi'(u_b)."""
        if _beyond(qa, qb):
            return _BY_PANELS.slope_product(qa, qb, c)
        scale = np.sqrt(np.maximum(qa, _TINY) * np.maximum(qb, _TINY))
        return np.asarray(_series(qa, qb, c, lambda k, c: k * c ** (k - 1)) / scale)

    def deficit(self, q: FloatArray, gap: FloatArray) -> FloatArray:
        """E phi(u)^2 - E phi(u_a) phi(u_b), gap = 1 - c; to its own digits if gap < 1/2."""
        if _beyond(q, q):
            return _BY_PANELS.deficit(q, gap)
        if np.max(gap, initial=0.0) > 0.5:
            return self.square(q) - self.product(q, q, 1.0 - gap)
        return _series(q, q, np.log1p(-gap), lambda k, log: -np.expm1(k * log))

    @staticmethod
    def _one(
        q: FloatArray, integrand: Callable[[FloatArray, FloatArray], FloatArray]
    ) -> FloatArray:
        top = max(float(np.max(q, initial=0.0)), 1.0)
        h = min(0.2, 2.0 * math.pi * _POLE / math.sqrt(top) / (28.0 * math.log(10.0)))
        z: FloatArray = h * np.arange(-math.ceil(REACH / h), math.ceil(REACH / h) + 1.0)
        u = np.sqrt(np.maximum(q, _TINY))[..., None] * z
        return np.asarray(integrand(u, z) @ (h * gaussian(z)))


def _beyond(qa: FloatArray, qb: FloatArray) -> bool:
    """Are there variances for which Mehler's series would be too long?"""
    return max(float(np.max(qa, initial=0.0)), float(np.max(qb, initial=0.0))) > _SERIES_Q


def _series(
    qa: FloatArray,
    qb: FloatArray,
    c: FloatArray,
    power: Callable[[FloatArray, FloatArray], FloatArray],
) -> FloatArray:
    """sum_k a_k(q_a) a_k(q_b) power(k, c), by chunks of memory."""
    qa, qb, c = np.broadcast_arrays(*(np.asarray(x, float) for x in (qa, qb, c)))
    top = max(float(np.max(qa, initial=0.0)), float(np.max(qb, initial=0.0)))
    pieces = -(-qa.size * _rows(top) // _CHUNK)
    if min(pieces, qa.size) > 1:
        parts = [np.array_split(x.ravel(), min(pieces, qa.size)) for x in (qa, qb, c)]
        found = [_series(a, b, x, power) for a, b, x in zip(*parts, strict=True)]
        return np.concatenate(found).reshape(qa.shape)
    k, a = _coefficients(qa, top)
    b = a if np.array_equal(qa, qb) else _coefficients(qb, top)[1]
    return np.asarray(np.sum(a * b * power(k, c[..., None]), axis=-1))


def _coefficients(q: FloatArray, top: float) -> tuple[FloatArray, FloatArray]:
    """Odd degrees k, and a_k(q) on a last axis."""
    rows = _rows(top)
    z, table = _hermite(max(math.ceil(math.log2(rows / 64)), 0))
    return 2.0 * np.arange(float(rows)) + 1.0, np.tanh(np.sqrt(q)[..., None] * z) @ table[:rows].T


def _rows(top: float) -> int:
    """Odd degrees that are needed: a_k^2 falls like exp(-2 s sqrt(k)), s = pi/(2 sqrt q)."""
    return math.ceil(0.5 * (_DECAY / _POLE) ** 2 * max(top, 0.05)) + 24


@lru_cache(maxsize=16)
def _hermite(size: int) -> tuple[FloatArray, FloatArray]:
    """Nodes z > 0 and 64 2^size rows w(z) He_k(z)/sqrt(k!), k odd: trapezoid over the whole line.

    The step resolves He_k, of frequency sqrt(k), and the largest variance with so many rows.
    The recurrence runs over psi_k = He_k exp(-z^2/4)/sqrt(k!), which stay of order one.
    """
    count = 64 * 2**size
    steepest = math.sqrt(2.0 * count) / _DECAY  # 1/s, by `_rows`
    h = 2.0 * math.pi / (math.sqrt(2.0 * count) + 36.0 * steepest + 12.0)
    z: FloatArray = h * np.arange(1.0, math.ceil(13.5 / h))
    weight = 2.0 * h * np.exp(-0.25 * z * z) / SQRT_2PI
    before, now = np.exp(-0.25 * z * z), z * np.exp(-0.25 * z * z)
    rows = [now]
    for k in range(1, 2 * count - 1):
        before, now = now, (z * now - math.sqrt(k) * before) / math.sqrt(k + 1.0)
        if k % 2 == 0:
            rows.append(now)
    return z, np.array(rows) * weight


class Panels:
    """Any function with its derivative: Gauss-Legendre panels, split at the kinks.

    Panels are doubled until the averages of one neuron agree; pairs take the panels of their
    variances, inner ones split at the kinks of the second neuron, outer ones graded towards where
    the second neuron meets them.
    """

    def __init__(self, function: Function, derivative: Function, kinks: tuple[float, ...]) -> None:
        self.function, self.derivative, self.kinks = function, derivative, kinks

    def square(self, q: FloatArray) -> FloatArray:
        """E phi(u)^2."""
        return self._each(q, 0)

    def slope_square(self, q: FloatArray) -> FloatArray:
        """E phi'(u)^2."""
        return self._each(q, 1)

    def response(self, q: FloatArray) -> FloatArray:
        """d E phi(u)^2/dq = E[u phi(u) phi'(u)]/q."""
        return self._each(q, 2)

    def product(self, qa: FloatArray, qb: FloatArray, c: FloatArray) -> FloatArray:
        """E phi(u_a) phi(u_b)."""
        return np.asarray(np.vectorize(self._two, otypes=[float])(qa, qb, c, False))

    def slope_product(self, qa: FloatArray, qb: FloatArray, c: FloatArray) -> FloatArray:
        """E phi'(u_a) phi'(u_b)."""
        return np.asarray(np.vectorize(self._two, otypes=[float])(qa, qb, c, True))

    def deficit(self, q: FloatArray, gap: FloatArray) -> FloatArray:
        """E phi(u)^2 - E phi(u_a) phi(u_b) of equal variances, gap = 1 - c."""
        return self.square(q) - self.product(q, q, 1.0 - gap)

    def nodes(self, q: float) -> tuple[FloatArray, FloatArray]:
        """z and weights (of the Gaussian measure) with which averages at variance q are done."""
        return self._nodes(q, self._settled(q)[1])

    def _each(self, q: FloatArray, which: int) -> FloatArray:
        found = [self._settled(float(one))[0][which] for one in np.ravel(q)]
        return np.reshape(np.array(found), np.shape(q))

    def _nodes(self, q: float, level: int) -> tuple[FloatArray, FloatArray]:
        z, w = on_panels(self._edges(q, level), _ORDER)
        return z.ravel(), (w * gaussian(z)).ravel()

    def _edges(self, q: float, level: int) -> FloatArray:
        base = np.linspace(-REACH, REACH, 8 * 2**level + 1)
        return np.unique(np.append(base, self._places(q)))

    def _places(self, q: float) -> FloatArray:
        """The kinks in z, where they are in reach."""
        places = np.array(self.kinks, float) / math.sqrt(max(q, _TINY))
        return places[np.abs(places) < REACH]

    def _averages(self, q: float, level: int) -> FloatArray:
        z, w = self._nodes(q, level)
        u = math.sqrt(q) * z
        f, d = self.function(u), self.derivative(u)
        response = w @ (z * f * d) / math.sqrt(max(q, _TINY))
        return np.array([w @ (f * f), w @ (d * d), response])

    @lru_cache(maxsize=4096)  # noqa: B019  (one instance an activation)
    def _settled(self, q: float) -> tuple[FloatArray, int]:
        """Averages at variance q, and the level of panels at which they do not move any more."""
        q = max(q, 1e-20)
        before = self._averages(q, 0)
        for level in range(1, _LEVELS + 1):
            now = self._averages(q, level)
            if np.all(np.abs(now - before) <= _AGREE * (np.abs(now) + now[0])):
                return now, level
            before, change = now, float(np.max(np.abs(now - before)))
        raise ReplicaDNNError(
            f"averages of the activation at q = {q:.4g} still move by {change:.1e} with "
            f"{8 * 2**_LEVELS} panels: name all of its kinks"
        )

    def _two(self, qa: float, qb: float, c: float, slopes: bool) -> float:
        g = self.derivative if slopes else self.function
        qa, qb = max(qa, 1e-20), max(qb, 1e-20)
        s = math.sqrt(max((1.0 - c) * (1.0 + c), 0.0))
        level = max(self._settled(qa)[1], self._settled(qb)[1])
        places, mine = self._places(qb), self._edges(qa, level)
        if s < 1e-9:
            z, w = on_panels(np.unique(np.append(mine, math.copysign(1.0, c) * places)), _ORDER)
            other = g(math.sqrt(qb) * math.copysign(1.0, c) * z)
            return float(np.sum(w * gaussian(z) * g(math.sqrt(qa) * z) * other))
        if abs(c) > 0.1 and places.size:
            steps = s * _SHRINK ** np.arange(-2.0, 1.0 + math.log(REACH / s, _SHRINK))
            graded = (places / c)[:, None] + np.concatenate([-steps, [0.0], steps])
            mine = np.append(mine, graded[np.abs(graded) < REACH])
        z, w = on_panels(np.unique(mine), _ORDER)
        z, w = z.ravel(), (w * gaussian(z)).ravel()
        base = np.linspace(-REACH, REACH, 8 * 2**level + 1)
        split = np.clip((places - c * z[:, None]) / s, -REACH, REACH)
        edges = np.sort(np.hstack([np.broadcast_to(base, (z.size, base.size)), split]), axis=1)
        y, v = _rows_of_panels(edges)
        inner = np.sum(v * gaussian(y) * g(math.sqrt(qb) * (c * z[:, None] + s * y)), axis=1)
        return float(w @ (g(math.sqrt(qa) * z) * inner))


def _rows_of_panels(edges: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre nodes and weights on the panels of every row of edges."""
    unit, weights = on_panels(np.array([-1.0, 1.0]), _ORDER)
    half, middle = 0.5 * np.diff(edges, axis=1), 0.5 * (edges[:, 1:] + edges[:, :-1])
    y = middle[:, :, None] + half[:, :, None] * unit[0]
    v = half[:, :, None] * weights[0]
    return y.reshape(len(edges), -1), v.reshape(len(edges), -1)


_BY_PANELS = Panels(np.tanh, sech2, ())
