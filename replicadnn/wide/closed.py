"""Gaussian averages in closed form: linear, relu, erf, hard tanh, sign (docs/wide.md, 2)."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr, owens_t

from replicadnn.arcsine import sign_overlap
from replicadnn.types import FloatArray
from replicadnn.wide.averages import gaussian


def _like(q: FloatArray, value: float) -> FloatArray:
    return np.full(np.shape(q), value)


def _angle(gap: FloatArray) -> FloatArray:
    """acos(1 - gap), also where gap is small."""
    return np.asarray(2.0 * np.arcsin(np.sqrt(np.clip(0.5 * gap, 0.0, 1.0))))


class Linear:
    """phi(x) = x."""

    def square(self, q: FloatArray) -> FloatArray:
        """E phi(u)^2."""
        return np.array(q, float)

    def slope_square(self, q: FloatArray) -> FloatArray:
        """E phi'(u)^2."""
        return _like(q, 1.0)

    response = slope_square

    def product(self, qa: FloatArray, qb: FloatArray, c: FloatArray) -> FloatArray:
        """E phi(u_a) phi(u_b)."""
        return np.asarray(c * np.sqrt(qa * qb))

    def slope_product(self, qa: FloatArray, qb: FloatArray, c: FloatArray) -> FloatArray:
        """E phi'(u_a) phi'(u_b)."""
        return np.ones(np.broadcast(qa, qb, c).shape)

    def deficit(self, q: FloatArray, gap: FloatArray) -> FloatArray:
        """E phi(u)^2 - E phi(u_a) phi(u_b), gap = 1 - c."""
        return np.asarray(q * gap)


class Relu:
    """phi(x) = max(x, 0): arc-cosine kernels, t = acos(c)."""

    def square(self, q: FloatArray) -> FloatArray:
        """E phi(u)^2."""
        return np.asarray(0.5 * np.asarray(q, float))

    def slope_square(self, q: FloatArray) -> FloatArray:
        """E phi'(u)^2."""
        return _like(q, 0.5)

    response = slope_square

    def product(self, qa: FloatArray, qb: FloatArray, c: FloatArray) -> FloatArray:
        """E phi(u_a) phi(u_b) = sqrt(q_a q_b) (sin t + (pi - t) cos t)/(2 pi)."""
        t = _angle(1.0 - c)
        shape = np.sin(t) + (math.pi - t) * np.cos(t)
        return np.asarray(np.sqrt(qa * qb) / (2.0 * math.pi) * shape)

    def slope_product(self, qa: FloatArray, qb: FloatArray, c: FloatArray) -> FloatArray:
        """E phi'(u_a) phi'(u_b) = (pi - t)/(2 pi)."""
        t = np.broadcast_arrays(_angle(1.0 - c), qa, qb)[0]
        return np.asarray((math.pi - t) / (2.0 * math.pi))

    def deficit(self, q: FloatArray, gap: FloatArray) -> FloatArray:
        """E phi(u)^2 - E phi(u_a) phi(u_b), gap = 1 - c."""
        t = _angle(gap)
        bend = np.where(
            t > 0.05,
            t * np.cos(t) - np.sin(t),
            -(t**3) / 3.0 * (1.0 - t**2 / 10.0 * (1.0 - t**2 / 28.0 * (1.0 - t**2 / 54.0))),
        )
        return np.asarray(q / (2.0 * math.pi) * (math.pi * gap + bend))


class Erf:
    """phi(x) = erf(g x): arcsine kernels; k = g^2 q."""

    def __init__(self, gain: float) -> None:
        self.gain = gain

    def square(self, q: FloatArray) -> FloatArray:
        """E phi(u)^2 = (2/pi) asin(2k/(1 + 2k))."""
        k = self.gain**2 * np.asarray(q, float)
        # asin(x), 1 - x = 1/(1 + 2k): x/sqrt(1 - x^2) = 2k/sqrt(1 + 4k)
        return np.asarray(2.0 / math.pi * np.arctan(2.0 * k / np.sqrt(1.0 + 4.0 * k)))

    def slope_square(self, q: FloatArray) -> FloatArray:
        """E phi'(u)^2 = (4 g^2/pi)/sqrt(1 + 4k)."""
        k = self.gain**2 * np.asarray(q, float)
        return np.asarray(4.0 * self.gain**2 / math.pi / np.sqrt(1.0 + 4.0 * k))

    def response(self, q: FloatArray) -> FloatArray:
        """d E phi(u)^2/dq."""
        k = self.gain**2 * np.asarray(q, float)
        return np.asarray(self.slope_square(q) / (1.0 + 2.0 * k))

    def product(self, qa: FloatArray, qb: FloatArray, c: FloatArray) -> FloatArray:
        """E phi(u_a) phi(u_b) = (2/pi) asin(2 g^2 K/sqrt((1 + 2 k_a)(1 + 2 k_b)))."""
        cross, root = self._parts(qa, qb, c)
        return np.asarray(2.0 / math.pi * np.arctan(cross / root))

    def slope_product(self, qa: FloatArray, qb: FloatArray, c: FloatArray) -> FloatArray:
        """E phi'(u_a) phi'(u_b) = (4 g^2/pi)/sqrt((1 + 2 k_a)(1 + 2 k_b) - 4 g^4 K^2)."""
        return np.asarray(4.0 * self.gain**2 / math.pi / self._parts(qa, qb, c)[1])

    def deficit(self, q: FloatArray, gap: FloatArray) -> FloatArray:
        """E phi(u)^2 - E phi(u_a) phi(u_b), gap = 1 - c."""
        x, root = self._parts(q, q, np.ones(np.shape(gap)))
        y, other = self._parts(q, q, 1.0 - gap)
        # atan(a) - atan(b) = atan((a - b)/(1 + a b)), a - b from a^2 - b^2
        whole = (1.0 + 2.0 * self.gain**2 * q) ** 2
        near = x * gap * (2.0 - gap) * whole / (other + (1.0 - gap) * root)
        close = np.arctan2(near, root * other + x * y)
        far = np.arctan(x / root) - np.arctan(y / other)
        return np.asarray(2.0 / math.pi * np.where(np.asarray(gap) < 0.5, close, far))

    def _parts(
        self, qa: FloatArray, qb: FloatArray, c: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """2 g^2 K, and the root of (1 + 2 k_a)(1 + 2 k_b) - 4 g^4 K^2."""
        ka, kb = 2.0 * self.gain**2 * np.asarray(qa), 2.0 * self.gain**2 * np.asarray(qb)
        square = 1.0 + ka + kb + ka * kb * (1.0 - c) * (1.0 + c)
        return np.asarray(c * np.sqrt(ka * kb)), np.asarray(np.sqrt(square))


class Sign:
    """phi(x) = sign(x): slope 0 almost everywhere, E phi'^2 = inf."""

    def square(self, q: FloatArray) -> FloatArray:
        """E phi(u)^2 = 1."""
        return _like(q, 1.0)

    def slope_square(self, q: FloatArray) -> FloatArray:
        """E phi'(u)^2: infinite, as the limit of any smooth step."""
        return _like(q, math.inf)

    def response(self, q: FloatArray) -> FloatArray:
        """d E phi(u)^2/dq = 0."""
        return _like(q, 0.0)

    def product(self, qa: FloatArray, qb: FloatArray, c: FloatArray) -> FloatArray:
        """E phi(u_a) phi(u_b) = (2/pi) asin(c)."""
        return np.broadcast_arrays(sign_overlap(c)[0], qa, qb)[0].copy()

    def slope_product(self, qa: FloatArray, qb: FloatArray, c: FloatArray) -> FloatArray:
        """d E phi(u_a) phi(u_b)/dK = (2/pi)/sqrt(q_a q_b (1 - c^2))."""
        with np.errstate(divide="ignore"):
            return np.asarray(2.0 / math.pi / np.sqrt(qa * qb * (1.0 - c) * (1.0 + c)))

    def deficit(self, q: FloatArray, gap: FloatArray) -> FloatArray:
        """E phi(u)^2 - E phi(u_a) phi(u_b) = (2/pi) acos(c), gap = 1 - c."""
        return np.broadcast_arrays(sign_overlap(1.0 - gap, gap)[1], q)[0].copy()


class HardTanh:
    """phi(x) = min(max(x, -1), 1); a = 1/sqrt(q), Q the Gaussian tail, T Owen's function.

    phi(x) = x - g(x), g(x) = max(x - 1, 0) - max(-x - 1, 0), so that nothing cancels at small q:
    E phi phi = K - 2 K (Q(a_a) + Q(a_b)) + E g g, the last from truncated Gaussian pairs.
    """

    def square(self, q: FloatArray) -> FloatArray:
        """E phi(u)^2."""
        a, tail, n = self._single(q)
        q = np.asarray(q, float)
        with np.errstate(over="ignore", invalid="ignore"):
            excess = np.where(tail > 0.0, 2.0 * tail * (1.0 - q) - 2.0 * q * a * n, 0.0)
        return np.asarray(q + excess)

    def slope_square(self, q: FloatArray) -> FloatArray:
        """E phi'(u)^2 = P(|u| < 1)."""
        return np.asarray(1.0 - 2.0 * self._single(q)[1])

    def response(self, q: FloatArray) -> FloatArray:
        """d E phi(u)^2/dq."""
        a, tail, n = self._single(q)
        with np.errstate(invalid="ignore"):
            return np.asarray(1.0 - 2.0 * tail - np.where(n > 0.0, 2.0 * a * n, 0.0))

    def product(self, qa: FloatArray, qb: FloatArray, c: FloatArray) -> FloatArray:
        """E phi(u_a) phi(u_b)."""
        qa, qb, c = np.broadcast_arrays(*(np.asarray(x, float) for x in (qa, qb, c)))
        K = c * np.sqrt(qa * qb)
        excess = _both_above(qa, qb, c)[1] - _both_above(qa, qb, -c)[1]
        loss = self._single(qa)[1] + self._single(qb)[1]
        return np.asarray(K * (1.0 - 2.0 * loss) + 2.0 * np.sqrt(qa * qb) * excess)

    def slope_product(self, qa: FloatArray, qb: FloatArray, c: FloatArray) -> FloatArray:
        """E phi'(u_a) phi'(u_b) = P(|u_a| < 1, |u_b| < 1)."""
        qa, qb, c = np.broadcast_arrays(*(np.asarray(x, float) for x in (qa, qb, c)))
        both = _both_above(qa, qb, c)[0] + _both_above(qa, qb, -c)[0]
        loss = self._single(qa)[1] + self._single(qb)[1]
        return np.asarray(1.0 - 2.0 * loss + 2.0 * both)

    def deficit(self, q: FloatArray, gap: FloatArray) -> FloatArray:
        """E phi(u)^2 - E phi(u_a) phi(u_b), gap = 1 - c."""
        return self.square(q) - self.product(q, q, 1.0 - np.asarray(gap))

    @staticmethod
    def _single(q: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """a, Q(a) and the normal density at a."""
        a = 1.0 / np.sqrt(np.maximum(q, 1e-280))
        return a, np.asarray(ndtr(-a)), gaussian(np.minimum(a, 1e3))


def _both_above(qa: FloatArray, qb: FloatArray, c: FloatArray) -> tuple[FloatArray, FloatArray]:
    """P(X > a, Y > b) and E (X - a)^+ (Y - b)^+ of a standard pair, a, b = 1/sqrt(q).

    The first by Owen's T, the second by the moments of truncated Gaussian pairs (Rosenbaum 1961).
    """
    a, b = (np.minimum(1.0 / np.sqrt(np.maximum(q, 1e-280)), 1e3) for q in (qa, qb))
    c = np.clip(c, -1.0, 1.0)
    s = np.maximum(np.sqrt((1.0 - c) * (1.0 + c)), 1e-150)
    half = np.where(c < 0.0, (1.0 - c) / s, s / np.maximum(1.0 + c, 1e-150))  # tan(t/2)
    apart = (b - a) / s
    u = apart + a * half  # (b - c a)/s
    v = -apart + b * half  # (a - c b)/s
    above = 0.5 * (ndtr(-a) + ndtr(-b)) - owens_t(a, u / a) - owens_t(b, v / b)
    na, nb, qu, qv = gaussian(a), gaussian(b), ndtr(-u), ndtr(-v)
    with np.errstate(over="ignore"):
        peak = s * np.exp(-0.5 * (a * a + np.minimum(u * u, 1e4))) / (2.0 * math.pi)
    # E XY - a E Y - b E X + a b P, all on X > a, Y > b
    excess = (c + a * b) * above - b * na * qu - a * nb * qv + peak
    return np.asarray(above), np.asarray(excess)
