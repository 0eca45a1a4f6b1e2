"""Distribution of the gaps r of one layer at a solution.

Behind the last level of the interaction flow a gap is Gaussian around the field h with variance
1 - lam_K, weighted by the constraint:

    P(r) = e^{-beta theta(kappa - r)} Int dh P_K(h) N(r; h, 1 - lam_K)/w(u),
    u = (h - kappa)/sqrt(1 - lam_K),
    w(u) = e^{-beta} + (1 - e^{-beta}) Phi(u)

with P_K of docs/theory.md, section 6.1 (replica symmetric, random: P_0 = Normal(0, lam)).  In the
teacher-student scenario P_0(h) = Normal(0, lam) w/norm and the integral is exact: the Gaussian of
the unconstrained network cut at the margin, P(r) = e^{-beta theta(kappa - r)} phi(r)/norm,
whatever the overlaps.

Exact identity of the random scenario (s is stationary in everything else):

    ds/dkappa = -(1 - e^{-beta}) sum_l P_l(kappa + 0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from replicadnn import interrupt
from replicadnn.errors import InputError
from replicadnn.kernels.theory import layers
from replicadnn.kernels.theory import symmetric as kernels
from replicadnn.problem import Scenario
from replicadnn.quadrature import log_weight, on_panels
from replicadnn.solution import Solution
from replicadnn.theory.closures.averaged.broken import POINTS_PER_WIDTH
from replicadnn.theory.closures.averaged.weight import floor_distance
from replicadnn.theory.parisi import fast_flow, gap_boundary, make_grid
from replicadnn.types import FloatArray
from replicadnn.validate import whole

_ORDER = 16
_REACH = 9.0
_LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)


@dataclass(frozen=True, slots=True)
class GapDistribution:
    """P(r) of one layer.

    Attributes
    ----------
    layer : int
        Layer of perceptrons, 1..L.
    kappa, beta, alpha : float
    width : float
        sqrt(1 - lam): scale of the peak above the margin.
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
    kappa, beta = problem.kappa, problem.beta
    lam, rest = _overlap(solution, layer)
    width = math.sqrt(rest)
    r, dr = _nodes(kappa, width, beta)
    where = np.append(kappa, r)
    if lam[-1] == 0.0 or problem.scenario is Scenario.TEACHER_STUDENT:
        log_free = -0.5 * where**2 - _LOG_ROOT_2PI - log_weight(np.array([-kappa]), beta)
        density = np.exp(log_free - _cost(where, kappa, beta))
    elif solution.x.size > 1:
        boundary = gap_boundary(1.0 - rest, kappa, beta)
        _, sharper = layers.gap_spacings(solution.x, lam, width, kappa, beta, POINTS_PER_WIDTH)
        points = sharper * POINTS_PER_WIDTH
        grid = make_grid(boundary, np.append(solution.x, 1.0), lam, points)
        flow = fast_flow(boundary, solution.x, lam, grid=grid)
        density = _sum_over_fields(where, flow.h, flow.P[-1], width, kappa, beta)
    else:
        density = np.empty(where.size)
        drop, b = floor_distance(beta), -math.expm1(-beta)
        kernels.gap_density(where, kappa, float(lam[-1]), rest, beta, drop, b, density)
    return GapDistribution(
        layer, kappa, beta, problem.alpha, width, r, density[1:], dr, float(density[0])
    )  # fmt: skip


def _overlap(solution: Solution, layer: int) -> tuple[FloatArray, float]:
    """lam_0 .. lam_K and 1 - lam_K of one layer."""
    q, Q = solution.q[layer - 1 : layer + 1], solution.Q[layer - 1]
    p, P = solution.one_minus_q_ea[layer - 1 : layer + 1], solution.one_minus_Q_ea[layer - 1]
    both = p[0] + p[1] - p[0] * p[1]
    return np.maximum.accumulate(q[0] * Q * q[1]), float(both + P - both * P)


def _sum_over_fields(
    r: FloatArray, h: FloatArray, P: FloatArray, width: float, kappa: float, beta: float
) -> FloatArray:
    """P(r) from P_K on the grid of the flow, whose spacing is a fifth of the width."""
    live = P != 0.0
    h, P = h[live], P[live]
    log_w = log_weight((h - kappa) / width, beta)
    density = np.empty(r.size)
    cost = _cost(r, kappa, beta)
    for k in range(0, r.size, 64):
        u = (r[k : k + 64, None] - h) / width
        exponent = -0.5 * u * u - log_w - _LOG_ROOT_2PI - cost[k : k + 64, None]
        density[k : k + 64] = np.exp(exponent) @ P / width
    return density


def _cost(r: FloatArray, kappa: float, beta: float) -> FloatArray:
    """beta below the margin, else 0."""
    cost = np.zeros(r.size)
    cost[r < kappa] = beta
    return cost


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


def _nodes(kappa: float, width: float, beta: float) -> tuple[FloatArray, FloatArray]:
    """Nodes of r on both sides of the step at kappa (above it only for hard constraints).

    Below it the gaps end within a width of the fields at which ln w levels off.
    """
    step = kappa, 0.2 * width * width  # beside it P decays over (1 - lam)/|h|
    high, low = max(kappa, 0.0) + _REACH, min(kappa, 0.0) - _REACH
    above = _panels(kappa, high, step)
    if math.isinf(beta):
        return above
    below = _panels(low, kappa, step, (kappa - floor_distance(beta) * width, 0.5 * width))
    return np.concatenate([below[0], above[0]]), np.concatenate([below[1], above[1]])
