"""The law of the squared singular values of J = prod_l D^l W^l, as a curve lambda(u).

With m(y) = E[d/(y - d)], d = phi'(sqrt(q*) z)^2 (docs/wide.md, eqs. 15 to 17):

    Gaussian    lambda = sigma_w^{2L} y^L m^{L-1} (1 + m)
    orthogonal  lambda = sigma_w^{2L} y^L (m/(1 + m))^{L-1},      G(lambda) = (1 + m)/lambda.

The curve is parametrised by m where phi' is 0 or 1, by y else.  From the upper edge, where
d lambda/du = 0, Newton's steps follow it down at ln lambda = ln(edge) - tau^2.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from replicadnn import interrupt
from replicadnn.quadrature import SQRT_2PI, on_panels
from replicadnn.types import FloatArray
from replicadnn.wide.activations import BUILT_IN, Activation
from replicadnn.wide.averages import REACH, gaussian
from replicadnn.wide.closed import Erf

ComplexArray = NDArray[np.complex128]

#: First step of tau, Gaussian (in units of sqrt(L + 1)) and orthogonal, how often it is tried with
#: half of it, and where nodes end.
_STEP, _FINE, _HALVINGS, _LAST, _MOST = 0.06, 0.06, 5, 1e-16, 5_000
#: Mass and E x^2 may move by this if every second node is left out; the error is its square.
_SETTLED = 1e-7
#: Newton's steps at a node.
_NEWTON = 60


class Place(NamedTuple):
    """A point u of the curve: ln lambda (mod 2 pi i), two derivatives by u, and 1 + m."""

    log: complex
    slope: complex
    curvature: complex
    n: complex


class Curve(Protocol):
    """A curve lambda(u) with its upper edge."""

    @property
    def L(self) -> int: ...
    @property
    def orthogonal(self) -> bool: ...
    @property
    def edge(self) -> float:
        """u at the upper edge."""

    @property
    def side(self) -> float:
        """Sign of Im u on the way down."""

    def at(self, u: complex) -> Place: ...


@dataclass(frozen=True)
class Pieces:
    """phi'^2 is 1 with probability p, else 0: u = m + p; ``scale``: ln(sigma_w^{2L}).

    u falls to 0 with lambda, so that nothing cancels at the hard edge.
    """

    p: float
    L: int
    orthogonal: bool
    scale: float
    side: float = -1.0

    @property
    def edge(self) -> float:
        """p + m*, m* in closed form (docs/wide.md, eqs. 18 and 19)."""
        L, p = self.L, self.p
        if self.orthogonal:
            return p + p / (L * (1.0 - p) - 1.0)
        return p + 2.0 * p / (L - 1.0 + math.sqrt((L - 1.0) ** 2 + 4.0 * L * p))

    @property
    def borderline(self) -> bool:
        """L (1 - p) = 1, orthogonal: m is infinite at the edge, where the density diverges."""
        return self.orthogonal and abs(self.L * (1.0 - self.p) - 1.0) < 1e-9

    def at(self, u: complex) -> Place:
        """Gaussian (m + p)^L (1 + m)/m; orthogonal (m + p)^L/(m (1 + m)^{L-1})."""
        p, L = self.p, self.L
        k = 1.0 - L if self.orthogonal else 1.0
        m, b = u - p, u + (1.0 - p)
        log = self.scale + L * cmath.log(u) + k * cmath.log(b) - cmath.log(m)
        slope = L / u + k / b - 1.0 / m
        return Place(log, slope, 1.0 / m**2 - L / u**2 - k / b**2, b)


@dataclass(frozen=True)
class Smooth:
    """Any other phi: u = y; values d of phi'^2 with weights, ``top`` their maximum."""

    d: ComplexArray
    w: ComplexArray
    top: float
    L: int
    orthogonal: bool
    scale: float
    edge: float = math.nan
    side: float = 1.0

    def at(self, u: complex) -> Place:
        """y^L m^{L-1} (1 + m), or y^L (m/(1 + m))^{L-1}; 1 + m = E[y/(y - d)]."""
        inverse = 1.0 / (u - self.d)
        first = self.w * self.d * inverse
        m, n = complex(np.sum(first)), complex(self.w @ inverse) * u
        second = first * inverse
        m1, m2 = -complex(np.sum(second)), 2.0 * complex(second @ inverse)
        L, k = self.L, (1.0 - self.L) if self.orthogonal else 1.0
        log = self.scale + L * cmath.log(u) + (L - 1) * cmath.log(m) + k * cmath.log(n)
        slope = L / u + (L - 1) * m1 / m + k * m1 / n
        bend = (L - 1) * (m2 / m - (m1 / m) ** 2) + k * (m2 / n - (m1 / n) ** 2)
        return Place(log, slope, bend - L / u**2, n)

    def with_edge(self) -> Smooth | None:
        """The same with its edge: the outermost root of d lambda/dy on y > max d; None: none."""
        top = self.top

        def slope(t: float) -> float:
            return self.at(complex(top * (1.0 + math.exp(t)))).slope.real

        grid = np.linspace(14.0, -32.0, 185)
        before = slope(grid[0])
        for low, high in zip(grid[1:], grid[:-1], strict=True):
            now = slope(low)
            if now < 0.0 < before:
                t = float(brentq(slope, low, high, xtol=1e-14, rtol=1e-15))
                return replace(self, edge=top * (1.0 + math.exp(t)))
            before = now
        return None


def slope_law(phi: Activation, q: float) -> tuple[ComplexArray, ComplexArray, float]:
    """Values d of phi'(sqrt(q) z)^2, weights, and the maximum of d.

    tanh and erf: on a path z(t) from 0 into the upper half-plane on which arg d falls to -pi/2,
    since at small lambda y, of argument 0 to pi, comes near to values of d on the real line.  Else
    panels on the real line, split at kinks.  Near a maximum d_0 the integrand has the scale
    sqrt(y - d_0): panels halve there.
    """
    root = math.sqrt(q)
    if phi.name in BUILT_IN:
        edges = np.append(np.linspace(0.0, REACH, 37), 2.0 ** -np.arange(1.0, 26.0))
        t, v = (one.ravel() for one in on_panels(np.unique(edges), 16))
        z, slope = _path(phi, q, t)
        w = 2.0 * v * slope * np.exp(-0.5 * z * z) / SQRT_2PI
        top = float(phi.derivative(np.zeros(1))[0] ** 2)
        return phi.derivative(root * z) ** 2, w, top  # type: ignore[arg-type, return-value]

    def d(z: FloatArray) -> FloatArray:
        return np.asarray(phi.derivative(root * z) ** 2, np.float64)

    x, weight = _real_nodes(d, phi.kinks, root)
    return d(x).astype(complex), weight.astype(complex), float(d(x).max())


def _path(phi: Activation, q: float, t: FloatArray) -> tuple[ComplexArray, ComplexArray]:
    """z(t) and dz/dt: d falls like exp(-4 sqrt(q) z) for tanh, like exp(-a z^2) for erf."""
    if isinstance(phi.averages, Erf):
        a = 2.0 * phi.averages.gain**2 * q
        lift = min(0.5 * math.pi / a, 4.0)
        z: ComplexArray = np.sqrt(t * t + 1j * lift * t * t / (1.0 + t * t))
        return z, (t + 1j * lift * t / (1.0 + t * t) ** 2) / z
    rise = min(math.pi / 8.0 / math.sqrt(q), 1.0)
    return t + 1j * rise * np.tanh(t), 1.0 + 1j * rise / np.cosh(t) ** 2


def _real_nodes(
    d: Callable[[FloatArray], FloatArray], kinks: tuple[float, ...], root: float
) -> tuple[FloatArray, FloatArray]:
    z = np.linspace(-REACH, REACH, 4801)
    values = d(z)
    inner = (values[1:-1] >= values[:-2]) & (values[1:-1] > values[2:])
    high = np.flatnonzero(inner & (values[1:-1] > 0.5 * values.max())) + 1
    peaks = [_peak(d, float(z[i - 1]), float(z[i + 1])) for i in high]
    steps = 2.0 ** -np.arange(0.0, 24.0)
    graded = [peak + sign * steps for peak in peaks for sign in (-1.0, 1.0)]
    edges = np.concatenate(
        [np.linspace(-REACH, REACH, 97), *graded, np.array(peaks), np.array(kinks) / root]
    )
    nodes, weights = (x.ravel() for x in on_panels(np.unique(edges[np.abs(edges) <= REACH]), 12))
    return nodes, weights * gaussian(nodes)


def _peak(d: Callable[[FloatArray], FloatArray], low: float, high: float) -> float:
    """The maximum of d between two points (0 if it is there)."""
    if low < 0.0 < high and d(np.array(0.0)) >= d(np.array(1e-6)):
        return 0.0
    for _ in range(80):
        thirds = np.array([low + (high - low) / 3.0, high - (high - low) / 3.0])
        left, right = d(thirds)
        low, high = (thirds[0], high) if left < right else (low, thirds[1])
    return float(0.5 * (low + high))


class Walk(NamedTuple):
    """Nodes of a density: ln x, density of ln x, weights, and the largest residual."""

    log_x: FloatArray
    log_density: FloatArray
    weights: FloatArray
    residual: float
    moved: float


def walk(curve: Curve) -> Walk:
    """The density below the upper edge; the step of tau is halved until its mass settles."""
    step = _FINE if curve.orthogonal else _STEP * math.sqrt(curve.L + 1.0)
    for _ in range(_HALVINGS):
        if isinstance(curve, Pieces) and curve.borderline:
            found = _walk_from_infinity(curve, step)
        else:
            found = _walk(curve, step)
        if found.moved < _SETTLED:
            break
        step *= 0.5
    return found


def _walk(curve: Curve, step: float) -> Walk:
    """Nodes at tau = step, 2 step, ... down to where nothing is left."""
    start = curve.at(complex(curve.edge))
    top = start.log.real
    lean = 1j * curve.side * math.sqrt(2.0 / start.curvature.real)
    known = [complex(curve.edge)]
    logs, rhos, residual, largest, count = [], [], 0.0, 0.0, 0
    while count < _MOST:
        interrupt.check()
        count += 1
        tau = count * step
        guess = _predict(known, lean * step, curve.side)
        u, place, wrong = _solve(curve, guess, top - tau * tau)
        rho = -place.n.imag / math.pi
        known = [*known[-3:], u]
        logs.append(top - tau * tau)
        rhos.append(rho)
        part = tau * rho
        largest = max(largest, part)
        if part > 1e-8 * largest:
            residual = max(residual, wrong)
        if part < _LAST * largest and count > 8:
            break
    density = np.array(rhos)
    weights = 2.0 * step**2 * np.arange(1.0, count + 1.0) * density
    x = np.exp(np.array(logs) - top)
    moments = [weights * x**power for power in (0, 2)]
    moved = max(abs(float(np.sum(m) - 2.0 * np.sum(m[1::2]))) / float(np.sum(m)) for m in moments)
    return Walk(np.array(logs), density, weights, residual, moved)


def _walk_from_infinity(curve: Pieces, step: float) -> Walk:
    """`_walk` from an edge at which m = -i sqrt((L - 1)(1 - p)/2)/tau and rho diverges.

    Nodes at tau = step/2, 3 step/2, ...: the midpoint rule has no node at the edge.
    """
    p, L = curve.p, curve.L
    m, before = -1j * math.sqrt(0.5 * (L - 1.0) * (1.0 - p)), 1.0
    logs: list[float] = []
    rhos: list[float] = []
    residual = 0.0
    known: list[complex] = []
    while len(logs) < _MOST:
        interrupt.check()
        tau = (len(logs) + 0.5) * step
        far = tau > 1.0 and len(known) > 3
        guess = _predict(known, 0j, curve.side) if far else p + m * before / tau
        u, place, wrong = _solve(curve, guess, curve.scale - tau * tau)
        m, before, known = u - p, tau, [*known[-3:], u]
        logs.append(curve.scale - tau * tau)
        rhos.append(-place.n.imag / math.pi)
        part = tau * rhos[-1]
        residual = max(residual, wrong if part > 1e-8 else 0.0)
        if part < _LAST:
            break
    density = np.array(rhos)
    weights = 2.0 * step**2 * (np.arange(density.size) + 0.5) * density
    moved = abs(float(np.sum(weights) - 3.0 * np.sum(weights[1::3])))
    return Walk(np.array(logs), density, weights, residual, moved)


def _predict(known: list[complex], first: complex, side: float) -> complex:
    """The next u by extrapolation in tau; at tau = step along the square root of the edge."""
    if len(known) == 1:
        return known[0] + first
    if len(known) == 2:
        guess = 2.0 * known[1] - known[0]
    elif len(known) == 3:
        guess = 3.0 * known[2] - 3.0 * known[1] + known[0]
    else:
        guess = 4.0 * known[3] - 6.0 * known[2] + 4.0 * known[1] - known[0]
    return guess if guess.imag * side > 0.0 else known[-1]


def _solve(curve: Curve, u: complex, log: float) -> tuple[complex, Place, float]:
    """Newton's steps to ln lambda(u) = log, kept on one side of the real axis."""
    last = math.inf
    for _ in range(_NEWTON):
        place = curve.at(u)
        change = _miss(place, log) / place.slope
        size = abs(change) / abs(u)
        if size < 1e-12 and size >= 0.5 * last:
            break
        last = size
        u = u - change * min(1.0, 0.3 / size if size > 0.0 else 1.0)
        if u.imag * curve.side < 0.0:
            u = u.conjugate()
        if size < 1e-15:
            break
    place = curve.at(u)
    return u, place, abs(_miss(place, log))


def _miss(place: Place, log: float) -> complex:
    """ln lambda(u) - log, its imaginary part to the nearest multiple of 2 pi."""
    miss = place.log - log
    return complex(miss.real, (miss.imag + math.pi) % (2.0 * math.pi) - math.pi)
