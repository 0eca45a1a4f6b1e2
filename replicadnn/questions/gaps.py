"""Distribution of the gaps r of one layer at a solution.

P(r) is that of the closure of the problem (`replicadnn.theory.closures.gap_density`); here are its
quadrature in r and what follows from it.  Exact identity of the random scenario (s is stationary in
everything else):

    ds/dkappa = -(1 - e^{-beta}) sum_l P_l(kappa + 0).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from replicadnn import interrupt
from replicadnn.calls import by_name, of_kind
from replicadnn.errors import InputError
from replicadnn.quadrature import on_panels
from replicadnn.results import ResultBase
from replicadnn.solution import Solution
from replicadnn.theory.closures import gap_density
from replicadnn.types import FloatArray
from replicadnn.validate import whole

_ORDER = 16
_REACH = 9.0


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class GapDistribution(ResultBase):
    """P(r) of one layer.

    Attributes
    ----------
    layer : int
        Layer of perceptrons, 1..L.
    kappa, beta, alpha : float
    width : float
        Scale of the peak above the margin, sqrt(1 - lam) in the averaged closure.
    r, P : arrays
        Quadrature nodes, dense towards the margin, and the density there.
    weights : array
        sum(weights * g(r) * P) is the average of g.
    edge : float
        P(kappa + 0).
    """

    layer: int
    kappa: float
    beta: float
    alpha: float
    width: float
    r: FloatArray
    P: FloatArray
    weights: FloatArray
    edge: float

    def _line(self) -> Mapping[str, object]:
        names = ("layer", "alpha", "kappa", "beta", "edge")
        return {name: getattr(self, name) for name in names} | {"nodes": self.r.size}

    def _records(self) -> Sequence[Mapping[str, Any]]:
        return [
            {"r": r, "P": P, "weight": w}
            for r, P, w in zip(self.r, self.P, self.weights, strict=True)
        ]

    @property
    def norm(self) -> float:
        """Int P dr: 1 but for quadrature."""
        return float(self.weights @ self.P)

    @property
    def mean(self) -> float:
        """Average gap."""
        return float(self.weights @ (self.r * self.P))

    @property
    def violated(self) -> float:
        """Fraction of gaps below the margin (0 for hard constraints)."""
        below = self.r < self.kappa
        return float(self.weights[below] @ self.P[below])

    def within(self, distance: float) -> float:
        """Fraction of gaps in (kappa, kappa + distance), accurate to about 1e-4."""
        above = self.r >= self.kappa
        pieces = self.weights[above] * self.P[above]
        position = np.append(0.0, self.r[above] - self.kappa)
        return float(np.interp(distance, position, np.append(0.0, np.cumsum(pieces) - pieces / 2)))


@by_name()
@of_kind("Solution")
@interrupt.safely()
def gap_distribution(solution: Solution, layer: int) -> GapDistribution:
    """P(r) of layer ``layer`` (1..L) of a solved point of either scenario and any ansatz.

    Raises
    ------
    InputError
        The point has no numbers, or no such layer.
    """
    problem = solution.problem
    layer = whole("layer", layer, 1, problem.L)
    if not solution.converged:
        raise InputError("solution", str(solution.status), "a converged point")
    density = gap_density(solution, layer)
    kappa, width = problem.kappa, density.width
    r, weights = _nodes(kappa, width, density.floor)
    P = density.at(np.append(kappa, r))
    return GapDistribution(
        layer, kappa, problem.beta, problem.alpha, width, r, P[1:], weights, float(P[0])
    )


def _panels(low: float, high: float, *sharp: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre nodes on panels that grow away from each (centre, scale), from scale/2."""
    edges = [np.arange(low, high + 0.25, 0.5)]
    for centre, scale in sharp:
        size = 0.5 * min(scale, 0.5)
        steps = size * np.append(0.0, np.cumsum(1.4 ** np.arange(200)))
        steps = np.minimum(steps, 2.0 * (high - low) + np.arange(steps.size) * 0.5)
        near = steps[steps < 1.0]
        edges += [centre - near, centre + near]
    cuts = np.unique(np.clip(np.concatenate(edges), low, high))
    nodes, weights = on_panels(cuts, _ORDER)
    return nodes.ravel(), weights.ravel()


def _nodes(kappa: float, width: float, floor: float) -> tuple[FloatArray, FloatArray]:
    """Nodes of r on both sides of the step at kappa (above it only for hard constraints).

    Below it the gaps end within a width of the ``floor``.
    """
    step = kappa, 0.2 * width * width  # beside it P decays over (1 - lam)/|h|
    high, low = max(kappa, 0.0) + _REACH, min(kappa, 0.0) - _REACH
    above = _panels(kappa, high, step)
    if math.isinf(floor):
        return above
    below = _panels(low, kappa, step, (floor, 0.5 * width))
    return np.concatenate([below[0], above[0]]), np.concatenate([below[1], above[1]])
