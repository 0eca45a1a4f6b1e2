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
from scipy.special import ndtr

from replicadnn import interrupt
from replicadnn.errors import InputError
from replicadnn.problem import Scenario, whole
from replicadnn.solution import Solution
from replicadnn.theory.fixedpoint import FloatArray
from replicadnn.theory.flow import fast_flow, gap_boundary
from replicadnn.theory.rs import log_weight

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
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
    if lam[-1] == 0.0:
        free = np.exp(-0.5 * where**2 - _LOG_ROOT_2PI - log_weight(np.array([-kappa]), beta))
        density = _violated(free, where, kappa, beta)
    elif solution.x.size > 1:
        flow = fast_flow(gap_boundary(1.0 - rest, kappa, beta), solution.x, lam)
        density = _sum_over_fields(where, flow.h, flow.P[-1], width, kappa, beta)
    else:
        density = _symmetric(solution, where, float(lam[-1]), width)
    return GapDistribution(
        layer, kappa, beta, problem.alpha, width, r, density[1:], dr, float(density[0])
    )  # fmt: skip


def _overlap(solution: Solution, layer: int) -> tuple[FloatArray, float]:
    """lam_0 .. lam_K and 1 - lam_K of one layer."""
    q, Q = solution.q[layer - 1 : layer + 1], solution.Q[layer - 1]
    p, P = solution.one_minus_q_ea[layer - 1 : layer + 1], solution.one_minus_Q_ea[layer - 1]
    both = p[0] + p[1] - p[0] * p[1]
    return np.maximum.accumulate(q[0] * Q * q[1]), float(both + P - both * P)


def _symmetric(solution: Solution, r: FloatArray, lam: float, width: float) -> FloatArray:
    """P(r) at K = 0: fields near r as h = r - width z, those behind a hard margin on own nodes."""
    problem = solution.problem
    kappa, beta = problem.kappa, problem.beta
    tilt, norm = 0.0, 1.0
    if problem.scenario is Scenario.TEACHER_STUDENT:
        noise = math.exp(-beta)
        tilt, norm = 1.0, noise + (1.0 - noise) * float(ndtr(-kappa))

    def weight(h: FloatArray) -> FloatArray:
        log_w = log_weight((h - kappa) / width, beta)
        return np.asarray(
            -0.5 * h * h / lam - 0.5 * math.log(lam) - _LOG_ROOT_2PI - (1.0 - tilt) * log_w
        )

    hard = math.isinf(beta)
    top = _REACH if hard else _REACH + math.sqrt(2.0 * beta)
    edges = np.linspace(0.0, 1.0, 41)
    nodes = (edges[:-1, None] + 0.5 * np.diff(edges)[:, None] * (1.0 + _NODES)).ravel()
    steps = np.tile(0.5 * _WEIGHTS / 40.0, 40)
    high = np.minimum(top, (r - kappa) / width) if hard else np.full(r.size, top)
    z = -_REACH + (high + _REACH)[:, None] * nodes
    values = np.exp(weight(r[:, None] - width * z) - 0.5 * z * z - _LOG_ROOT_2PI)
    density = (high + _REACH) * (values @ steps)
    if hard:
        low = min(kappa, 0.0) - _REACH * math.sqrt(lam)
        h, dh = _panels(low, kappa, kappa, 1e-3 * width)
        u = (r[:, None] - h) / width
        behind = np.exp(weight(h) - 0.5 * u * u - _LOG_ROOT_2PI)
        density = density + behind @ dh / width
    return _violated(density / norm, r, kappa, beta)


def _sum_over_fields(
    r: FloatArray, h: FloatArray, P: FloatArray, width: float, kappa: float, beta: float
) -> FloatArray:
    """P(r) from P_K on the grid of the flow, whose spacing is a fifth of the width."""
    live = P != 0.0
    h, P = h[live], P[live]
    log_w = log_weight((h - kappa) / width, beta)
    density = np.empty(r.size)
    for k in range(0, r.size, 64):
        u = (r[k : k + 64, None] - h) / width
        density[k : k + 64] = np.exp(-0.5 * u * u - log_w - _LOG_ROOT_2PI) @ P / width
    return _violated(density, r, kappa, beta)


def _violated(density: FloatArray, r: FloatArray, kappa: float, beta: float) -> FloatArray:
    """The factor e^-beta below the margin."""
    return np.asarray(np.where(r < kappa, math.exp(-beta), 1.0) * density)


def _panels(low: float, high: float, centre: float, scale: float) -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre nodes on panels that grow away from ``centre``, from ``scale``/2."""
    size = 0.5 * min(scale, 0.5)
    steps = size * np.append(0.0, np.cumsum(1.4 ** np.arange(200)))
    steps = np.minimum(steps, 2.0 * (high - low) + np.arange(steps.size) * 0.5)
    coarse = np.arange(low, high + 0.25, 0.5)
    near = steps[steps < 1.0]
    edges = np.unique(np.clip(np.concatenate([centre - near, centre + near, coarse]), low, high))
    half = 0.5 * np.diff(edges)
    nodes = (edges[:-1] + half)[:, None] + half[:, None] * _NODES
    return nodes.ravel(), (half[:, None] * _WEIGHTS).ravel()


def _nodes(kappa: float, width: float, beta: float) -> tuple[FloatArray, FloatArray]:
    """Nodes of r on both sides of the step at kappa (above it only for hard constraints)."""
    scale = 0.2 * width * width  # beside the step P decays over (1 - lam)/|h|
    high, low = max(kappa, 0.0) + _REACH, min(kappa, 0.0) - _REACH
    above = _panels(kappa, high, kappa, scale)
    if math.isinf(beta):
        return above
    below = _panels(low, kappa, kappa, scale)
    return np.concatenate([below[0], above[0]]), np.concatenate([below[1], above[1]])
