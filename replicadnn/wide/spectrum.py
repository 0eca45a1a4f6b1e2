"""A spectrum: continuous density and atoms, with the errors of both.

The density is kept over ln x at nodes ln x_i = ln(edge) - tau_i^2, tau_i evenly spaced: square-root
edges, and powers of x at a hard edge 0, are smooth there, and sums over the nodes are integrals.
Between two edges (``angular``) the nodes are those of `by_angle`, as many in each band.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.fft import dct
from scipy.optimize import brentq

from replicadnn.results import ResultBase
from replicadnn.types import FloatArray
from replicadnn.validate import real


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Spectrum(ResultBase):
    """Density of eigenvalues x >= 0 on one interval, or on several bands, and atoms.

    Attributes
    ----------
    log_x : array (n,)
        ln x at the nodes, falling from the upper edge (the edge itself is no node).
    log_density : array (n,)
        Density of ln x there, x rho(x).
    weights : array (n,)
        sum(weights g(x)) is the integral of g rho over the continuous part.
    edges : tuple of two floats
        Ends of the continuous part, (nan, nan) if there is none.
    atoms : tuple of (x, mass)
    mass_error : float
        Mass of continuous part and atoms minus 1.
    residual : float
        Largest violation of the equation that the density solves.
    angular : bool
        Nodes by angle between two edges.
    gaps : tuple of (low, high)
        Where there is no density between the ``edges`` (``angular`` alone), rising.
    """

    log_x: FloatArray
    log_density: FloatArray
    weights: FloatArray
    edges: tuple[float, float]
    atoms: tuple[tuple[float, float], ...]
    mass_error: float
    residual: float
    angular: bool = False
    gaps: tuple[tuple[float, float], ...] = ()

    @property
    def bands(self) -> tuple[tuple[float, float], ...]:
        """Where the density lies, the highest first."""
        ends = [self.edges[0], *(end for gap in self.gaps for end in gap), self.edges[1]]
        return tuple(zip(ends[::2], ends[1::2], strict=True))[::-1]

    @property
    def x(self) -> FloatArray:
        """The nodes (0 where a float cannot hold them)."""
        return np.asarray(np.exp(self.log_x))

    @property
    def density(self) -> FloatArray:
        """rho(x) at the nodes (inf where x underflows)."""
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            return np.asarray(self.log_density * np.exp(-self.log_x))

    @property
    def top(self) -> float:
        """Largest point of the spectrum: the upper edge or an atom above it."""
        return max([one for one, _ in self.atoms] + [self.edges[1]] * (self.log_x.size > 0))

    @property
    def mean(self) -> float:
        """Integral of x."""
        return self.moment(1)

    @property
    def variance(self) -> float:
        """Integral of (x - mean)^2."""
        mean = self.mean
        atoms = sum(mass * (x - mean) ** 2 for x, mass in self.atoms)
        return float(self.weights @ (self.x - mean) ** 2 + atoms)

    def moment(self, power: int) -> float:
        """Integral of x^power, atoms too."""
        atoms = sum(mass * x**power for x, mass in self.atoms)
        return float(self.weights @ np.exp(power * self.log_x) + atoms)

    def above(self, x: float) -> float:
        """Mass above x (an atom at x counts)."""
        atoms = sum(mass for place, mass in self.atoms if place >= x)
        if not self.log_x.size or x >= self.edges[1]:
            return float(atoms)
        if x <= 0.0:
            return 1.0
        if x <= self.edges[0]:
            return float(atoms + np.sum(self.weights))
        if self.angular:
            return float(atoms + _above_by_angle(self, x))
        tau = math.sqrt(math.log(self.edges[1] / x))
        return float(atoms + _cumulative(self)(min(tau, math.sqrt(self._depth))))

    def quantile(self, mass: float) -> float:
        """The point x with ``mass`` above it: 1/(2M) is where the largest of M values is expected.

        Raises
        ------
        InputError
            ``mass`` not between 0 and 1.
        """
        mass = real("mass", mass, 0.0, 1.0, "a number from 0 to 1")
        for place, weight in sorted(self.atoms, reverse=True):
            over = self.above(place) - weight
            if over <= mass <= over + weight:
                return place
        if not self.log_x.size:
            return self.top
        rest = mass - sum(weight for place, weight in self.atoms if place >= self.edges[1])
        if self.angular:
            low, high = self.edges
            if self.above(math.nextafter(low, high)) <= mass:
                return low
            return float(brentq(lambda x: self.above(x) - mass, low, high, xtol=1e-300, rtol=1e-14))
        total = _cumulative(self)
        deepest = math.sqrt(self._depth)
        if rest >= float(total(deepest)):
            return 0.0
        tau = brentq(lambda t: float(total(t)) - rest, 0.0, deepest, xtol=1e-13)
        return float(self.edges[1] * math.exp(-tau * tau))

    def mass_in(self, cuts: ArrayLike) -> FloatArray:
        """Mass in each bin [cuts_i, cuts_{i+1}) of rising cuts: beside a histogram of values."""
        found = np.array([self.above(float(x)) for x in np.asarray(cuts, float)])
        return np.asarray(found[:-1] - found[1:])

    @property
    def _depth(self) -> float:
        """ln(edge / x) of the last node."""
        return math.log(self.edges[1]) - float(self.log_x[-1])

    def _line(self) -> Mapping[str, object]:
        names = ("mean", "variance", "top", "mass_error", "residual")
        return {"nodes": self.log_x.size, "atoms": len(self.atoms)} | {
            name: getattr(self, name) for name in names
        }

    def _records(self) -> Sequence[Mapping[str, Any]]:
        return [
            {"x": x, "density": rho, "weight": w}
            for x, rho, w in zip(self.x, self.density, self.weights, strict=True)
        ] or [self._line()]


def by_angle(t: FloatArray, edges: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
    """x(t) between two edges, falling with t from 0 to pi, and -dx/dt.

    x, or ln x where the edges are of different size, is middle + half cos t: square-root edges, and
    an inverse square root at 0, are smooth in t.
    """
    low, high = edges
    cosine = np.cos(0.5 * t) ** 2  # (1 + cos t)/2, without cancellation near pi
    if _far_apart(edges):
        span = math.log(high / low)
        x = low * np.exp(span * cosine)
        return np.asarray(x), np.asarray(0.5 * span * np.sin(t) * x)
    return np.asarray(low + (high - low) * cosine), np.asarray(0.5 * (high - low) * np.sin(t))


def _far_apart(edges: tuple[float, float]) -> bool:
    return 0.0 < edges[0] < 0.1 * edges[1]


def _angle(edges: tuple[float, float], x: float) -> float:
    """The angle of a point between the edges, 0 above them and pi below."""
    low, high = edges
    share = (x - low) / (high - low)
    if _far_apart(edges) and x > 0.0:
        share = math.log(x / low) / math.log(high / low)
    return 2.0 * math.acos(math.sqrt(min(max(share, 0.0), 1.0)))


def _above_by_angle(found: Spectrum, x: float) -> float:
    """Continuous mass above x: the integral of a cosine series in each band that reaches above x.

    weights_i = f(t_i) pi/n, t_i = (i - 1/2) pi/n, and f is even about both edges.
    """
    mass = 0.0
    for edges, weights in zip(
        found.bands, np.split(found.weights, len(found.gaps) + 1), strict=True
    ):
        if x <= edges[0]:
            mass += float(np.sum(weights))
        elif x < edges[1]:
            n, at = weights.size, _angle(edges, x)
            k = np.arange(1.0, n)
            series = dct(weights)[1:] / math.pi
            mass += float(np.sum(weights)) * at / math.pi + float(series / k @ np.sin(k * at))
    return mass


def _cumulative(found: Spectrum) -> Callable[[float], float]:
    """Continuous mass above x as a function of tau = sqrt(ln(edge/x)).

    The integrand is an even, smooth function of tau: a spline through its image too.  It is 0 at 0
    but where nodes begin half a step from there.
    """
    from scipy.interpolate import make_interp_spline  # slow to import, a density does not need it

    tau = np.sqrt(np.maximum(math.log(found.edges[1]) - found.log_x, 0.0))
    f = 2.0 * tau * found.log_density
    middle = [0.0] if tau[0] > 0.75 * (tau[1] - tau[0]) else []
    nodes = np.concatenate([-tau[::-1], middle, tau])
    spline = make_interp_spline(nodes, np.concatenate([f[::-1], middle, f]), k=9)
    total = spline.antiderivative()
    start = float(total(0.0))
    return lambda at: float(total(at)) - start
