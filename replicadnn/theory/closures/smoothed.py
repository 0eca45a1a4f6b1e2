"""The weight of a gap, smoothed: W(x) = Int Dz w(x + sqrt(V) z) in logarithms, for any w.

The readable twins know the weight of a gap by `Weight` alone.  The built-in one, 1 above kappa and
e^-beta below, has closed forms; that of a `Potential` is integrated.  Derivatives of W are Gaussian
moments of w,

    W'/W = <z>/sqrt(V),   W''/W = <z^2 - 1>/V,   < > : weight Dz w(x + sqrt(V) z),

so that w need not be differentiable.  A segment lies between two kinks or minima of ln w.  In each
there are Gauss-Legendre panels about the largest integrand for every x: they begin with the width
of that peak and double away from it until the integrand has fallen by e^-45.  Cells, on which ln w
is a polynomial of degree 24 to 1e-13, bound them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Protocol

import numpy as np

from replicadnn.errors import InputError
from replicadnn.potential import REACH, Potential
from replicadnn.problem import Problem
from replicadnn.quadrature import log_weight, log_weight_curvature, log_weight_slope, on_panels
from replicadnn.types import FloatArray

#: Order of the panels, and of the trial panels on which cells are judged ...
_ORDER, _TRIAL = 16, 32
#: ... by the part of their Legendre coefficients from this degree on, relative to 1 + abs(ln w).
_DEGREE, _SMOOTH = 25, 1e-13
#: Points a unit of r on which minima of ln w are sought.
_SCAN = 200
#: Shortest cell: w is not smooth there.
_SHORTEST = 1e-6
#: Fall of ln of an integrand within the width of its peak, and to where it does not count.
_PEAK, _GONE = 1.0, 45.0
#: Distances from a peak that are tried, in units of sqrt(V), are powers of 2, from the first below
#: the peak at a wall.
_POWERS = (-10, 7)
#: A peak is narrowed down to a part of a cell: this often, by 1/8 each.
_ZOOMS = 4
#: x that are integrated at once.
_CHUNK = 256


class Weight(Protocol):
    """The weight w(r) of a gap as the twins need it."""

    @property
    def kinks(self) -> tuple[float, ...]:
        """Where w or a derivative jumps."""

    @property
    def cells(self) -> FloatArray:
        """Edges of intervals on which w is smooth, ascending; may be empty."""

    def smoothed(self, x: FloatArray, V: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """ln W(x), W'/W and (ln W)'' at variance V; arrays like ``x`` (n,)."""


@dataclass(frozen=True, slots=True)
class Step:
    """The built-in weight: w(r) = 1 for r > kappa, e^-beta otherwise."""

    kappa: float
    beta: float

    @property
    def kinks(self) -> tuple[float, ...]:
        """The step."""
        return (self.kappa,)

    @property
    def cells(self) -> FloatArray:
        """None: w is constant on either side."""
        return np.zeros(0)

    def smoothed(self, x: FloatArray, V: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """ln W = ln[e^-beta + (1 - e^-beta) Phi(u)], u = (x - kappa)/sqrt(V), and derivatives."""
        root = math.sqrt(V)
        u = (x - self.kappa) / root
        return (
            log_weight(u, self.beta),
            log_weight_slope(u, self.beta) / root,
            log_weight_curvature(u, self.beta) / V,
        )


@dataclass(frozen=True, slots=True)
class Integrated:
    """The weight of a `Potential`, by quadrature.

    For V from 1e-12 to 1 the error of ln W is about 1e-13, of its derivatives 1e-13 in units of
    1/sqrt(V) and 1/V (tests/test_potential.py).
    """

    potential: Potential

    @property
    def kinks(self) -> tuple[float, ...]:
        """Those that were stated."""
        return self.potential.kinks

    @property
    def cells(self) -> FloatArray:
        """Edges of all cells."""
        return np.concatenate([s.edges for s in _segments(self.potential)])

    def smoothed(self, x: FloatArray, V: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """ln W, W'/W = <z>/sqrt(V) and (ln W)'' = (<z^2> - <z>^2 - 1)/V."""
        parts = [np.concatenate(p) for p in zip(*self._chunks(x, V), strict=True)]
        return parts[0], parts[1] / math.sqrt(V), parts[2] / V

    def _chunks(self, x: FloatArray, V: float) -> Iterator[tuple[FloatArray, ...]]:
        segments = _segments(self.potential)
        for start in range(0, x.size, _CHUNK):
            each = [self._segment(s, x[start : start + _CHUNK], V) for s in segments]
            log_W = np.logaddexp.reduce([e[0] for e in each])
            share = [np.exp(e[0] - log_W) for e in each]
            mean = sum(s * e[1] for s, e in zip(share, each, strict=True))
            # variance within the segments, and of their means: nothing large cancels
            within = sum(s * e[2] for s, e in zip(share, each, strict=True))
            between = sum(s * (e[1] - mean) ** 2 for s, e in zip(share, each, strict=True))
            yield log_W, np.asarray(mean), np.asarray(within + between - 1.0)

    def _segment(self, segment: _Segment, x: FloatArray, V: float) -> tuple[FloatArray, ...]:
        """ln of the part of W from one segment, mean and variance of z in it; each (n,)."""
        root = math.sqrt(V)

        def exponent(r: FloatArray) -> FloatArray:
            """ln w(r) - z^2/2 of (n, k) nodes."""
            return np.asarray(self.potential.at(r) - 0.5 * ((r - x[:, None]) / root) ** 2)

        peak = _peak(exponent, segment, x)
        wall = float(np.max(np.abs(peak - x))) / root
        nodes, weights = _panels(exponent, segment, peak, root, wall)
        values = np.where(weights > 0.0, exponent(nodes), -np.inf)
        top = np.max(values, axis=1)
        density = np.exp(values - top[:, None]) * weights
        mass = np.sum(density, axis=1)
        apart = (nodes - peak[:, None]) / root
        mean = np.sum(density * apart, axis=1) / mass
        variance = np.sum(density * (apart - mean[:, None]) ** 2, axis=1) / mass
        log_mass = top + np.log(mass / (root * math.sqrt(2.0 * math.pi)))
        return log_mass, mean + (peak - x) / root, variance


@dataclass(frozen=True, slots=True)
class _Segment:
    """Edges of the cells between two kinks or minima of ln w, and places in them.

    ``flat``: w is constant there.
    """

    edges: FloatArray
    places: FloatArray
    flat: bool

    @property
    def ends(self) -> tuple[float, float]:
        """Where it begins and ends, by the width of a rounding error inside."""
        low, high = float(self.edges[0]), float(self.edges[-1])
        return low + 1e-15 * (high - low), high - 1e-15 * (high - low)

    def within(self, low: FloatArray, high: FloatArray) -> FloatArray:
        """Edges of cells between ``low`` and ``high`` (n,), as many for each: the last repeats."""
        first = np.searchsorted(self.edges, low)
        count = int(np.max(np.searchsorted(self.edges, high) - first, initial=0))
        index = np.minimum(first[:, None] + np.arange(count), self.edges.size - 1)
        return np.asarray(np.minimum(self.edges[index], np.maximum(high, low)[:, None]))


#: ln of an integrand at (n, k) places.
_Exponent = Callable[[FloatArray], FloatArray]


def _best(places: FloatArray, values: FloatArray) -> FloatArray:
    """The place of the largest value of each row, (n,)."""
    return np.take_along_axis(places, np.argmax(values, axis=1)[:, None], axis=1)[:, 0]


def _peak(exponent: _Exponent, segment: _Segment, x: FloatArray) -> FloatArray:
    """About where the integrand is largest in a segment, (n,)."""
    ends = segment.ends
    if segment.flat:
        return np.clip(x, *ends)
    places = np.append(segment.places, ends)
    some = np.broadcast_to(places, (x.size, places.size))
    tried = np.concatenate([some, np.clip(x, *ends)[:, None]], axis=1)
    peak = _best(tried, exponent(tried))
    step = float(np.max(np.diff(segment.places), initial=0.0))
    for _ in range(_ZOOMS):
        tried = np.clip(peak[:, None] + step * np.linspace(-1.0, 1.0, 17), *ends)
        tried = np.concatenate([tried, peak[:, None]], axis=1)
        peak = _best(tried, exponent(tried))
        step /= 8.0
    return peak


def _panels(
    exponent: _Exponent, segment: _Segment, peak: FloatArray, root: float, wall: float
) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights about the peaks (n,): (n, k) each, weight 0 where there is no panel.

    ``wall``: largest distance of a peak from its x, in units of ``root`` = sqrt(V).
    """
    first = _POWERS[0] - math.ceil(math.log2(1.0 + wall / 2.0**8))
    distances = root * 2.0 ** np.arange(first, _POWERS[1])
    ends, top = segment.ends, exponent(peak[:, None])
    smallest, sides = np.full(peak.size, distances[-1]), []
    for sign in (-1.0, 1.0):
        places = peak[:, None] + sign * distances
        inside = (places >= ends[0]) & (places <= ends[1])
        fall = np.where(inside, top - exponent(np.clip(places, *ends)), np.inf)
        wide = np.where(fall <= _PEAK, distances, distances[0])
        there = np.any(inside, axis=1)  # else the peak lies at this end
        smallest = np.where(there, np.minimum(smallest, np.max(wide, axis=1)), smallest)
        reach = np.max(np.where(fall <= _GONE, distances, 0.0), axis=1)
        sides.append(2.0 * np.maximum(reach, distances[0]))
    count = int(np.max(np.log2(np.maximum(*sides) / smallest))) + 1
    rings = smallest[:, None] * 2.0 ** np.arange(count)
    low, high = peak - sides[0], peak + sides[1]
    cuts = [peak[:, None] - rings, peak[:, None], peak[:, None] + rings, segment.within(low, high)]
    edges = np.clip(np.concatenate(cuts, axis=1), low[:, None], high[:, None])
    edges = np.sort(np.clip(edges, segment.edges[0], segment.edges[-1]), axis=1)
    half = 0.5 * np.diff(edges, axis=1)
    real = half > 0.0  # to the front: the others are left out as far as all rows have them
    order = np.argsort(~real, axis=1, kind="stable")[:, : int(np.max(np.sum(real, axis=1)))]
    half = np.take_along_axis(half, order, axis=1)[:, :, None]
    edges = np.take_along_axis(edges, order, axis=1)[:, :, None]
    nodes, weights = on_panels(np.array([-1.0, 1.0]), _ORDER)
    places = edges + half + half * nodes[0]
    return places.reshape(peak.size, -1), (half * weights[0]).reshape(peak.size, -1)


@lru_cache(maxsize=32)
def _segments(potential: Potential) -> tuple[_Segment, ...]:
    """The segments of a potential where its weight is not 0, cut into cells."""
    bounds = [-REACH, *potential.kinks, REACH]
    found: list[_Segment] = []
    for low, high in pairwise(bounds):
        edges = _cells(potential, low, high)
        if edges is not None:
            found += _unimodal(potential, edges)
    return tuple(found)


def _unimodal(potential: Potential, edges: FloatArray) -> Iterator[_Segment]:
    """A segment cut at the minima of ln w."""
    count = 32 + int(_SCAN * (edges[-1] - edges[0]))
    places = np.linspace(edges[0], edges[-1], count + 2)[1:-1]
    values = potential.at(places)
    moves = np.sign(np.diff(values))
    turns = np.flatnonzero(moves)
    lows = [int(j) for i, j in pairwise(turns) if moves[i] < 0 < moves[j]]
    bounds = [edges[0], *places[lows], edges[-1]]
    for low, high in pairwise(bounds):
        cells = np.concatenate([[low], edges[(edges > low) & (edges < high)], [high]])
        yield _Segment(cells, on_panels(cells, _ORDER)[0].ravel(), not np.any(moves))


def _cells(potential: Potential, low: float, high: float) -> FloatArray | None:
    """Edges of the cells of a segment; None where the weight is 0.

    InputError if ln w is not smooth in it.
    """
    whole = potential.at(on_panels(np.array([low, high]), _TRIAL)[0])
    if np.all(whole == -np.inf):
        return None
    todo, edges = [(low, high)], [low]
    while todo:
        a, b = todo.pop()
        values = potential.at(on_panels(np.array([a, b]), _TRIAL)[0][0])
        if np.all(values == -np.inf):
            continue  # weight begins beside it, at a kink that was not named
        if _smooth(values):
            edges.append(b)
            continue
        if b - a < _SHORTEST:
            raise InputError(
                "kinks", potential.kinks,
                f"all kinks of {potential.name}: ln w is not smooth at r = {0.5 * (a + b):.6g}",
            )  # fmt: skip
        todo += [(0.5 * (a + b), b), (a, 0.5 * (a + b))]
    return np.array(edges)


def _smooth(values: FloatArray) -> bool:
    """Whether ln w at Gauss-Legendre nodes is a polynomial of low degree, to rounding."""
    if not np.all(np.isfinite(values)):
        return False
    nodes, weights = np.polynomial.legendre.leggauss(values.size)
    degree = np.arange(values.size)
    basis = np.polynomial.legendre.legvander(nodes, values.size - 1)
    coefficients = (degree + 0.5) * ((weights * values) @ basis)
    return bool(np.max(np.abs(coefficients[_DEGREE:])) < _SMOOTH * (1.0 + np.max(np.abs(values))))


def weight_of(problem: Problem) -> Weight:
    """The weight of a gap of ``problem``: its potential, or the built-in step."""
    if problem.potential is not None:
        return Integrated(problem.potential)
    return Step(problem.kappa, problem.beta)
