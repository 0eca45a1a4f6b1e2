"""Quantities that users read off a solution."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from replicadnn.arcsine import sign_overlap
from replicadnn.errors import InputError
from replicadnn.results import ResultBase
from replicadnn.types import FloatArray

#: A cell this many times wider than its neighbours and the median cell is a plateau of q(x).
_PLATEAU = 3.0
#: With fewer levels than this no curve is drawn through them: each level is a delta.
_FEWEST = 4
#: Overlaps that differ by less are equal, and below it they are 0.
_ROUNDING = 1e-12
#: Overlaps of a certified solution may decrease by this much from level to level.
_DECREASE = 1e-9


@dataclass(frozen=True, slots=True)
class Delta:
    """A delta function of P(q): where, its weight, and half the cells that border on it."""

    value: float
    weight: float
    error: float


@dataclass(frozen=True, slots=True)
class Step:
    """A rise of q(x) from the plateau ``below`` to the plateau ``above``.

    q(x) leaves ``below`` at x = ``start``, is half-way at ``middle`` and reaches ``above`` at
    ``end``; ``error`` is half the width of the cells at its ends. ``resolved`` is False if no
    level lies inside: then start = middle = end is a breakpoint, and the width is unknown.
    """

    start: float
    middle: float
    end: float
    error: float
    below: float
    above: float
    resolved: bool


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class OverlapDistribution(ResultBase):
    """P(q) = dx/dq of one layer, from K levels.

    Attributes
    ----------
    values, weights : arrays (n,)
        The result itself: P(q) = sum_i weights_i delta(q - values_i), distinct values rising,
        weights summing to 1.
    deltas : tuple of Delta
        The weights that stay on one value when K grows (docs/observables.md, eqs. 3, 4).
    edges, density : arrays (b+1,), (b,)
        The other weights, spread between the values: P(q) = density_j on
        [edges_j, edges_{j+1}]. Empty without a continuous part. The weights of ``deltas`` and
        the integral of ``density`` sum to 1.
    steps : tuple of Step
        The rises of q(x), from x = 0 to 1.
    """

    values: FloatArray
    weights: FloatArray
    deltas: tuple[Delta, ...]
    edges: FloatArray
    density: FloatArray
    steps: tuple[Step, ...]

    def _line(self) -> Mapping[str, object]:
        return {
            "values": self.values.size, "deltas": len(self.deltas), "onset": self.onset,
            "continuous_weight": self.continuous_weight,
        }  # fmt: skip

    def _records(self) -> Sequence[Mapping[str, Any]]:
        return [{"value": v, "weight": w} for v, w in zip(self.values, self.weights, strict=True)]

    @property
    def continuous_weight(self) -> float:
        """Integral of ``density``."""
        return float(np.sum(self.density * np.diff(self.edges)))

    @property
    def onset(self) -> float:
        """x up to which q(x) = 0 (1 in a liquid layer)."""
        if self.values[-1] <= 0.0:
            return 1.0
        return self.steps[0].start if self.steps and self.steps[0].below == 0.0 else 0.0

    @property
    def onset_error(self) -> float:
        """Error of ``onset``: half a cell; 0 where ``onset`` is exactly 0 or 1."""
        return self.steps[0].error if 0.0 < self.onset < 1.0 else 0.0


def moment(x: ArrayLike, values: ArrayLike, order: float) -> FloatArray:
    """Int_0^1 q(x)^k dx = sum_i (m_{i+1} - m_i) q_i^k  (docs/observables.md, eq. 2).

    Parameters
    ----------
    x : array (K+1,)
        Breakpoints m_i, from 0; m_{K+1} = 1.
    values : array (..., K+1)
        Overlaps by level; leading axes (layers) are kept.
    order : float
        k >= 0.

    Raises
    ------
    InputError
        Negative ``order``.
    """
    if not order >= 0.0:
        raise InputError("order", order, "a number k >= 0")
    widths = np.diff(np.append(np.asarray(x, dtype=float), 1.0))
    return np.asarray(np.asarray(values, dtype=float) ** order @ widths)


def plateaus(x: ArrayLike) -> NDArray[np.bool_]:
    """Which cells [m_i, m_{i+1}) are plateaus: (K+1,) booleans, the same for every layer.

    Levels divide a steep part of q(x) into cells whose widths vary smoothly; a cell more than 3
    times wider than the narrower of its neighbours, and than the median cell, holds a plateau.
    The last cell always is one (q = q_EA) and is no neighbour. The first cell counts twice: at
    its left end it is half a cell. With K < 4 levels every cell is taken as a plateau.
    """
    width = np.diff(np.append(np.asarray(x, dtype=float), 1.0))
    flat = np.ones(width.size, dtype=bool)
    inner = width[:-1].copy()
    if inner.size >= _FEWEST:
        inner[0] *= 2.0
        sides = np.concatenate([[np.inf], inner, [np.inf]])
        usual = np.maximum(np.minimum(sides[:-2], sides[2:]), np.median(inner))
        flat[:-1] = inner > _PLATEAU * usual
    return flat


def overlap_distribution(
    x: ArrayLike, values: ArrayLike, *, jump: bool = False
) -> OverlapDistribution:
    """P(q) = dx/dq of one layer: delta weights and continuous part.

    docs/observables.md, eqs. 1-4. A level that is no plateau stands for the piece of a continuous
    curve x(q) between the midpoints to its neighbours, through which the curve passes at the
    breakpoints: x((q_{i-1} + q_i)/2) = m_i up to O(1/K^2). At a plateau the curve is continued
    with its slope on either side to the plateau's value; what is left of the cell is the
    weight of the delta.

    Parameters
    ----------
    x : array (K+1,)
        Breakpoints m_i, rising from 0; m_{K+1} = 1.
    values : array (K+1,)
        Overlaps q_i of one layer, in [0, 1], not decreasing.
    jump : bool
        q(x) jumps to its last value (frozen branch): the last but one is a plateau too.

    Raises
    ------
    InputError
        Lengths that differ, values that decrease or leave [0, 1], or x not rising from 0.
    """
    m, q = _checked(x, values)
    width = np.diff(np.append(m, 1.0))
    first = np.flatnonzero(np.diff(q, prepend=-1.0) > _ROUNDING)  # the first level of every value
    count = np.diff(np.append(first, q.size))
    level, weight = q[first], np.add.reduceat(width, first)
    flat = plateaus(m)
    flat[-2:] |= jump
    steps, deltas, knots = _curve(level, weight, flat[first] | (count > 1))
    rises = np.diff(knots[:, 1]) > 0.0
    density = np.diff(knots[:, 0])[rises] / np.diff(knots[:, 1])[rises]
    edges = np.append(knots[0, 1], knots[1:, 1][rises]) if rises.any() else np.zeros(0)
    return OverlapDistribution(level, weight, deltas, edges, density, steps)


def _checked(x: ArrayLike, values: ArrayLike) -> tuple[FloatArray, FloatArray]:
    m, q = np.asarray(x, dtype=float), np.asarray(values, dtype=float)
    if m.ndim != 1 or m.size == 0 or m[0] != 0.0 or m[-1] > 1.0 or not np.all(np.diff(m) > 0.0):
        raise InputError("x", x, "breakpoints that rise from 0 and stay below 1")
    if q.shape != m.shape:
        raise InputError("values", f"{q.shape} numbers", f"one overlap a breakpoint: {m.shape}")
    if not (np.all((q >= 0.0) & (q <= 1.0)) and np.all(np.diff(q) > -_DECREASE)):
        raise InputError("values", values, "overlaps in [0, 1] that do not decrease")
    return m, np.maximum.accumulate(np.where(q < _ROUNDING, 0.0, q))


def _curve(
    level: FloatArray, weight: FloatArray, flat: NDArray[np.bool_]
) -> tuple[tuple[Step, ...], tuple[Delta, ...], FloatArray]:
    """Steps, plateaus and knots (x, q) of the piecewise linear curve q(x) of one layer."""
    liquid = _liquid_cells(level, weight, flat)
    if liquid > 1:
        level, flat = np.append(0.0, level[liquid:]), np.append(True, flat[liquid:])
        weight = np.append(weight[:liquid].sum(), weight[liquid:])
    ends = [*np.flatnonzero(flat[:-1]).tolist(), level.size - 1]  # the last cell is a plateau
    rises_at_zero = ends[0] > 0
    knots = [(0.0, float(level[0]))]
    steps: list[Step] = []
    for p, r in itertools.pairwise([-1, *ends] if rises_at_zero else ends):
        nodes = _rise(level, weight, p, r)
        resolved = r - p > 1
        cells = weight[[p + 1, r - 1]].max() if resolved else weight[[p, r]].min()
        bottom, top = nodes[0][1], nodes[-1][1]
        x, q = zip(*nodes, strict=True)
        middle = float(np.interp(0.5 * (bottom + top), q, x))
        steps.append(Step(x[0], middle, x[-1], 0.5 * float(cells), bottom, top, resolved))
        knots += nodes
    knots.append((1.0, float(level[-1])))
    return tuple(steps), _deltas(level[ends], steps, rises_at_zero), np.array(knots)


def _rise(level: FloatArray, weight: FloatArray, p: int, r: int) -> list[tuple[float, float]]:
    """Knots (x, q) from the plateau in cell p (-1: from x = 0) to the one in cell r."""
    x = np.cumsum(weight)
    nodes = [
        (float(x[i]), 0.5 * float(level[i] + level[i + 1])) for i in range(max(p, 0), r)
    ]  # fmt: skip
    if p < 0:
        nodes.insert(0, (0.0, float(level[0])))
    elif r - p == 1:  # no level between: nothing tells how steep the rise is
        at = nodes[0][0]
        return [(at, float(level[p])), (at, float(level[r]))]
    else:
        nodes.insert(0, _continued(nodes[1], nodes[0], float(level[p]), 0.5 * float(weight[p])))
    nodes.append(_continued(nodes[-2], nodes[-1], float(level[r]), 0.5 * float(weight[r])))
    return nodes


def _deltas(values: FloatArray, steps: list[Step], rises_at_zero: bool) -> tuple[Delta, ...]:
    """The plateaus between the steps; the first is missing if q(x) rises from x = 0 on."""
    begins = [(0.0, 0.0), *((s.end, s.error) for s in steps)][rises_at_zero:]
    stops = [*((s.start, s.error) for s in steps), (1.0, 0.0)][rises_at_zero:]
    return tuple(
        Delta(float(value), max(stop - begin, 0.0), left + right)
        for value, (begin, left), (stop, right) in zip(values, begins, stops, strict=True)
    )


def _continued(
    before: tuple[float, float], last: tuple[float, float], value: float, room: float
) -> tuple[float, float]:
    """Where the line through two knots (x, q) reaches ``value``, within ``room`` of the last.

    ``room`` is half of the plateau's cell, so that two rises beside it cannot overlap.
    """
    slope = (last[0] - before[0]) / (last[1] - before[1])
    shift = slope * (value - last[1])
    return last[0] + float(np.clip(shift, -room, room)), value


def _liquid_cells(level: FloatArray, weight: FloatArray, flat: NDArray[np.bool_]) -> int:
    """Number of leading cells that are liquid: 0, or plateaus that are 0 within their error.

    A plateau of width W that borders on a steep cell of width w whose value is higher by D has a
    value uncertain by about D w/(12 W), of order 1/K^2.
    """
    if level[0] > 0.0:
        return 0
    rise, share = np.diff(level), np.minimum(1.0, weight[1:] / weight[:-1])
    zero = np.append(flat[:-1] & (level[:-1] <= rise * share / 12.0), False)
    return int(np.flatnonzero(zero)[-1]) + 1 if zero.any() else 1


def vote_error(Q: float, rest: float) -> float:
    """arccos(sqrt Q)/pi, accurate at both ends; ``rest``: 1 - Q.

    Error of the sign of the mean field of all solutions of one perceptron, where two of them, or
    one and the teacher, have fields that overlap by Q: Bayes-optimal (docs/inputs.md, section 2).
    """
    return math.atan2(math.sqrt(rest), math.sqrt(Q)) / math.pi


def generalisation_error(
    Q: ArrayLike, rest: ArrayLike | None = None, *, beta: float = math.inf, noisy: str = "none"
) -> float:
    """Disagreement of teacher and typical student on fresh inputs, neurons matched.

    Mean-field correlation map (docs/theory.md, eq. 24), rho(0) = 1,

        rho(l) = a (2/pi) asin(Q(l) rho(l-1)),   eps_g = (1 - rho(L))/2,

    where a = 1 when both networks are run without noise, 1 - 2p when one of them
    (``noisy="teacher"``) and (1 - 2p)^2 when both (``noisy="both"``) err at every perceptron
    with p = 1/(1 + exp(beta)).

    Parameters
    ----------
    Q : array (L,)
        Coupling overlap of teacher and student by layer, in [0, 1].
    rest : array (L,), optional
        1 - Q with its own accuracy; keeps eps_g accurate when Q -> 1.
    beta : float
        Inverse temperature, used only for ``noisy`` other than "none".
    noisy : {"none", "teacher", "both"}

    Returns
    -------
    float
        eps_g in [0, 1/2]; acos(Q)/pi for L = 1 without noise.

    Raises
    ------
    InputError
        ``Q`` outside [0, 1] or an unknown ``noisy``.
    """
    factors = {"none": 1.0, "teacher": math.tanh(beta / 2), "both": math.tanh(beta / 2) ** 2}
    if noisy not in factors:
        raise InputError("noisy", noisy, "one of " + ", ".join(factors))
    couplings = np.atleast_1d(np.asarray(Q, dtype=float))
    if not np.all((couplings >= 0.0) & (couplings <= 1.0)):
        raise InputError("Q", couplings, "overlaps in [0, 1]")
    rests = 1.0 - couplings if rest is None else np.atleast_1d(np.asarray(rest, dtype=float))
    a = factors[noisy]
    gap = 0.0  # 1 - rho
    for P in rests:
        product_gap = P + gap - P * gap  # 1 - Q rho
        gap = (1.0 - a) + a * float(sign_overlap(1.0 - product_gap, product_gap)[1])
    return 0.5 * gap
