"""Laws made step by step: z and G as functions of one parameter w (docs/wide.md, section 9).

Each step takes the pair (z, G) of a law, G = E 1/(z - x), to that of the next one: sums with a
number, free products with Wishart matrices, and with the squared slopes of an activation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq

from replicadnn.types import FloatArray
from replicadnn.wide.bands import ComplexArray, descend

#: Points on which a turn of z(w) is sought, and how far from the start of the chain.
_POINTS, _FAR, _CLOSE = 1200, 1e6, 1e-12
#: Points on which gaps between bands are sought, on either side of the start.
_FINE = 6000
#: How often dips of the slope are looked at more closely, and with how many points.
_DIPS, _BETWEEN = 3, 40


class Pair(NamedTuple):
    """z(w), G(w) and their derivatives by w."""

    z: ComplexArray
    dz: ComplexArray
    G: ComplexArray
    dG: ComplexArray


#: A step of a chain.
Step = Callable[[Pair], Pair]


def start(w: ComplexArray | FloatArray, at: float) -> Pair:
    """The law of one point, w = z."""
    one: Any = np.asarray(w)
    g = 1.0 / (one - at)
    return Pair(one, np.ones_like(one), g, -g * g)


def affine(shift: float, scale: float) -> Step:
    """x -> shift + scale x."""
    return lambda p: Pair(shift + scale * p.z, scale * p.dz, p.G / scale, p.dG / scale)


def wishart(gamma: float) -> Step:
    """X -> X^{1/2} G^T G X^{1/2}/d, G (d, n) Gaussian, gamma = n/d: z -> z (1 + gamma m)."""
    return multiply(lambda m: (1.0 + gamma * m, gamma + 0.0 * m))


def multiply(factor: Callable[[Any], tuple[Any, Any]]) -> Step:
    """A free product: z -> z k(m), G -> (1 + m)/z; ``factor``: m -> k = 1/S(m), dk/dm."""

    def step(p: Pair) -> Pair:
        m, dm = p.z * p.G - 1.0, p.dz * p.G + p.z * p.dG
        k, slope = factor(m)
        z, dz = p.z * k, p.dz * k + p.z * slope * dm
        return Pair(z, dz, (1.0 + m) / z, (dm - (1.0 + m) * dz / z) / z)

    return step


def projection(p: float) -> Step:
    """X -> P X P, P a projection of trace p: z -> z - (1 - p)/G, zG fixed."""

    def step(of: Pair) -> Pair:
        z = of.z - (1.0 - p) / of.G
        dz = of.dz + (1.0 - p) * of.dG / of.G**2
        product, dproduct = of.z * of.G, of.dz * of.G + of.z * of.dG
        return Pair(z, dz, product / z, (dproduct - product * dz / z) / z)

    return step


class Chain(NamedTuple):
    """Steps from a law of one point."""

    at: float
    steps: tuple[Step, ...]

    def __call__(self, w: ComplexArray | FloatArray) -> Pair:
        found = start(w, self.at)
        for step in self.steps:
            found = step(found)
        return found

    def far(self) -> tuple[float, float]:
        """a and b of z = a + b w + O(1/w), far from the start."""
        w = 1e9 * self.at * np.ones(1)
        z, dz, _, _ = self(w)
        b = float(np.real(dz[0]))
        return float(np.real(z[0])) - b * float(w[0]), b

    def slope(self, w: FloatArray) -> FloatArray:
        """The smallest dz/dw of all steps at real w; nan is 0.

        Real w at which z rises at every step are those of points outside the spectrum.
        """
        with np.errstate(all="ignore"):  # atoms are poles of G
            found = start(w, self.at)
            least = np.ones(w.shape)
            for step in self.steps:
                found = step(found)
                least = np.minimum(least, np.nan_to_num(np.real(found.dz), nan=0.0))
        return least

    def bands(self) -> list[tuple[float, float]]:
        """Where the density lies, rising: what is between the images of the real w that rise."""
        away = self.at * np.geomspace(_CLOSE, _FAR / min(self.far()[1], 1.0), _FINE)
        w = np.concatenate([self.at - away[::-1], self.at + away])
        for _ in range(_DIPS):  # narrow bands are seen as dips before they are resolved
            least = self.slope(w)
            middle = least[1:-1]
            dips = (
                np.flatnonzero(
                    (middle > 0.0) & (middle < least[:-2]) & (middle < least[2:]) & (middle < 0.999)
                )
                + 1
            )
            inner = np.linspace(w[dips - 1], w[dips + 1], _BETWEEN, axis=1).ravel()
            w = np.unique(np.concatenate([w, inner]))
        rises = self.slope(w) > 0.0
        change = np.flatnonzero(rises[1:] != rises[:-1])
        good, bad = (
            np.where(rises[change] == yes, w[change], w[change + 1]) for yes in (True, False)
        )
        for _ in range(120):
            middle = 0.5 * (good + bad)
            up = self.slope(middle) > 0.0
            good, bad = np.where(up, middle, good), np.where(up, bad, middle)
        with np.errstate(all="ignore"):
            z = np.real(self(good).z)
        ends = list(
            zip(z.tolist(), np.where(rises[change], 1, -1), strict=True)
        )  # 1: rising w ends here
        ends.sort(key=lambda one: one[0])
        return [(low, high) for (low, first), (high, last) in pairwise(ends) if first > 0 > last]

    def turn(self, side: float, points: int = _POINTS) -> float | None:
        """z at the first dz/dw = 0 from w = side inf; None: none before the start of the chain."""
        away = self.at * np.geomspace(_FAR / min(self.far()[1], 1.0), _CLOSE, points)
        w = self.at + side * away
        with np.errstate(all="ignore"):  # atoms are poles of G
            slope = np.real(self(w).dz)
        down = np.flatnonzero(~(slope > 0.0))
        if not down.size or down[0] == 0:
            return None
        before, after = math.log(away[down[0] - 1]), math.log(away[down[0]])

        def at(t: float) -> Pair:
            with np.errstate(all="ignore"):
                return self(np.array([self.at + side * math.exp(t)]))

        if not at(after).dz[0] <= 0.0:
            return None
        t = brentq(
            lambda t: float(np.real(at(t).dz[0])),
            after,
            before,
            xtol=1e-15,
            rtol=1e-15,
            maxiter=500,
        )
        return float(np.real(at(float(t)).z[0]))

    def density(self, x: FloatArray, height: float) -> tuple[FloatArray, float]:
        """rho = -Im G/pi at z(w) = x, and the largest relative residual.

        Followed down from z = x + i height, where w = (z - a)/b nearly.
        """
        a, b = self.far()

        def solve(z: ComplexArray, w: ComplexArray | None) -> ComplexArray:
            w = (z - a) / b if w is None else w
            close = 1e-14 if np.all(z.imag == 0.0) else 1e-6
            last = math.inf
            for _ in range(60):
                p = self(w)
                change = (p.z - z) / p.dz
                size = np.abs(change)
                reach = 0.5 * np.maximum(np.abs(w.imag), 1e-12)
                w = w - change * np.minimum(1.0, reach / np.maximum(size, 1e-300))
                now = float(np.max(size / np.abs(w)))
                if now <= close or (now < 1e-11 and now >= 0.5 * last):
                    break
                last = now
            return w

        w = descend(x, height, solve)
        p = self(w)
        wrong = np.abs(p.z - x) / np.abs(x)
        return np.asarray(np.abs(p.G.imag) / math.pi), float(np.max(wrong))
