"""Distribution of the gaps r of one layer at a solution.

Behind the last level of the interaction flow a gap is Gaussian around the field h with variance
1 - lam_K, weighted by the constraint:

    P(r) = e^{-beta theta(kappa - r)} Int dh P_K(h) N(r; h, 1 - lam_K)/w((h - kappa)/sqrt(1 - lam_K)),
    w(u) = e^{-beta} + (1 - e^{-beta}) Phi(u)

with P_K of docs/theory.md, section 6.1 (replica symmetric, random: P_0 = Normal(0, lam)).  In the
teacher-student scenario P_0(h) = Normal(0, lam) w/norm and the integral is exact: the Gaussian of
the unconstrained network cut at the margin, P(r) = e^{-beta theta(kappa - r)} phi(r)/norm, whatever the overlaps.

Exact identity of the random scenario (s is stationary in everything else):

    ds/dkappa = -(1 - e^{-beta}) sum_l P_l(kappa + 0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

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
        """Fraction of gaps in (kappa, kappa + distance), to the resolution of the nodes."""
        near = (self.r >= self.kappa) & (self.r < self.kappa + distance)
        return float(self.weights[near] @ self.P[near])


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
    h, weight, rest = _fields(solution, layer)
    width = math.sqrt(rest)
    r, dr = _nodes(kappa, width, beta)
    density = _density(r, h, weight, width, kappa, beta)
    edge = _density(np.array([kappa]), h, weight, width, kappa, beta)
    return GapDistribution(
        layer, kappa, beta, problem.alpha, width, r, density, dr, float(edge[0])
    )  # fmt: skip


def _fields(solution: Solution, layer: int) -> tuple[FloatArray, FloatArray, float]:
    """Nodes h of the fields, P_K(h) dh, and 1 - lam_K."""
    problem = solution.problem
    q, Q = solution.q[layer - 1 : layer + 1], solution.Q[layer - 1]
    p, P = solution.one_minus_q_ea[layer - 1 : layer + 1], solution.one_minus_Q_ea[layer - 1]
    both = p[0] + p[1] - p[0] * p[1]
    rest = float(both + P - both * P)
    lam = np.maximum.accumulate(q[0] * Q * q[1])
    if solution.x.size > 1 and lam[-1] > 0.0:
        boundary = gap_boundary(1.0 - rest, problem.kappa, problem.beta)
        flow = fast_flow(boundary, solution.x, lam)
        return flow.h, flow.P[-1], rest
    if lam[-1] == 0.0:
        return np.zeros(1), np.ones(1), 1.0
    spread = math.sqrt(float(lam[-1]))
    z, weight = _panels(-_REACH, _REACH, problem.kappa / spread, math.sqrt(rest) / spread)
    weight = weight * np.exp(-0.5 * z * z - _LOG_ROOT_2PI)
    if problem.scenario is Scenario.TEACHER_STUDENT:
        u = (spread * z - problem.kappa) / math.sqrt(rest)
        noise = math.exp(-problem.beta)
        norm = noise + (1.0 - noise) * float(ndtr(-problem.kappa))
        weight = weight * np.exp(log_weight(u, problem.beta)) / norm
    return spread * z, weight, rest


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


def _density(
    r: FloatArray, h: FloatArray, weight: FloatArray, width: float, kappa: float, beta: float
) -> FloatArray:
    log_w = log_weight((h - kappa) / width, beta)
    u = (r[:, None] - h) / width
    density = np.exp(-0.5 * u * u - log_w - _LOG_ROOT_2PI) @ weight / width
    if not math.isinf(beta):
        density = np.where(r < kappa, math.exp(-beta), 1.0) * density
    return np.asarray(density)
