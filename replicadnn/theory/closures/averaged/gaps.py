"""Density of the gaps r of one layer in the averaged closure.

Behind the last level of the interaction flow a gap is Gaussian around the field h with variance
1 - lam_K, weighted by the constraint:

    P(r) = e^{-beta theta(kappa - r)} Int dh P_K(h) N(r; h, 1 - lam_K)/w(u),
    u = (h - kappa)/sqrt(1 - lam_K),
    w(u) = e^{-beta} + (1 - e^{-beta}) Phi(u)

with P_K of docs/theory.md, section 6.1 (replica symmetric, random: P_0 = Normal(0, lam)).  In the
teacher-student scenario P_0(h) = Normal(0, lam) w/norm and the integral is exact: the Gaussian of
the unconstrained network cut at the margin, P(r) = e^{-beta theta(kappa - r)} phi(r)/norm,
whatever the overlaps; so it is in a liquid layer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from replicadnn.kernels.theory import averages as kernels
from replicadnn.kernels.theory import layers
from replicadnn.problem import Problem
from replicadnn.quadrature import log_weight
from replicadnn.solution import Solution
from replicadnn.theory.closures.averaged.broken import POINTS_PER_WIDTH
from replicadnn.theory.closures.averaged.weight import floor_distance
from replicadnn.theory.parisi import fast_flow, gap_boundary, make_grid
from replicadnn.types import FloatArray

_LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)
#: Values of r that are summed over all fields at once.
_BLOCK = 64


@dataclass(frozen=True, slots=True)
class GapDensity:
    """P(r) of one layer at a solution (`replicadnn.theory.contract.GapDensity`).

    ``lam`` are lam_0 .. lam_K at the breakpoints ``x``, ``rest`` is 1 - lam_K.
    """

    problem: Problem
    x: FloatArray
    lam: FloatArray
    rest: float

    @classmethod
    def of(cls, solution: Solution, layer: int) -> GapDensity:
        """That of ``layer`` (1..L) of a solution."""
        q, Q = solution.q[layer - 1 : layer + 1], solution.Q[layer - 1]
        p, P = solution.one_minus_q_ea[layer - 1 : layer + 1], solution.one_minus_Q_ea[layer - 1]
        both = p[0] + p[1] - p[0] * p[1]
        lam = np.maximum.accumulate(q[0] * Q * q[1])
        return cls(solution.problem, solution.x, lam, float(both + P - both * P))

    @property
    def width(self) -> float:
        """sqrt(1 - lam_K): scale of the peak above the margin."""
        return math.sqrt(self.rest)

    @property
    def floor(self) -> float:
        """Below it, finite beta: fields at which ln w levels off at -beta; -inf for beta = inf."""
        return self.problem.kappa - floor_distance(self.problem.beta) * self.width

    def at(self, r: FloatArray) -> FloatArray:
        """P at the gaps ``r`` (n); at r = kappa from above."""
        kappa, beta = self.problem.kappa, self.problem.beta
        if self.lam[-1] == 0.0 or self.problem.teacher:
            return cut_gaussian(r, kappa, beta)
        if self.x.size > 1:
            return self._behind_levels(r)
        density = np.empty(r.size)
        drop, b = floor_distance(beta), -math.expm1(-beta)
        kernels.gap_density(r, kappa, float(self.lam[-1]), self.rest, beta, drop, b, density)
        return density

    def _behind_levels(self, r: FloatArray) -> FloatArray:
        kappa, beta = self.problem.kappa, self.problem.beta
        boundary = gap_boundary(1.0 - self.rest, kappa, beta)
        _, sharper = layers.gap_spacings(
            self.x, self.lam, self.width, kappa, beta, POINTS_PER_WIDTH
        )
        points = sharper * POINTS_PER_WIDTH
        grid = make_grid(boundary, np.append(self.x, 1.0), self.lam, points)
        flow = fast_flow(boundary, self.x, self.lam, grid=grid)
        return sum_over_fields(r, flow.h, flow.P[-1], self.width, kappa, beta)


def readable_density(
    r: FloatArray, lam: float, kappa: float, beta: float, points: int = 20_001
) -> FloatArray:
    """The replica-symmetric density of random data as it is written: twin of the kernel.

    P_0 = Normal(0, lam) on a grid of ``points`` fields within 10 standard deviations.
    """
    h = np.linspace(-10.0, 10.0, points) * math.sqrt(lam)
    P = np.exp(-0.5 * h * h / lam - _LOG_ROOT_2PI) / math.sqrt(lam) * (h[1] - h[0])
    return sum_over_fields(r, h, P, math.sqrt(1.0 - lam), kappa, beta)


def cut_gaussian(r: FloatArray, kappa: float, beta: float) -> FloatArray:
    """Gaps of an unconstrained network cut at the margin: w(r) phi(r)/norm."""
    log_free = -0.5 * r**2 - _LOG_ROOT_2PI - log_weight(np.array([-kappa]), beta)
    return np.exp(log_free - _cost(r, kappa, beta))


def sum_over_fields(
    r: FloatArray, h: FloatArray, P: FloatArray, width: float, kappa: float, beta: float
) -> FloatArray:
    """P(r) from the weights ``P`` of the fields ``h``, spaced well below ``width``."""
    live = P != 0.0
    h, P = h[live], P[live]
    log_w = log_weight((h - kappa) / width, beta)
    density = np.empty(r.size)
    paid = _cost(r, kappa, beta)
    for k in range(0, r.size, _BLOCK):
        u = (r[k : k + _BLOCK, None] - h) / width
        exponent = -0.5 * u * u - log_w - _LOG_ROOT_2PI - paid[k : k + _BLOCK, None]
        density[k : k + _BLOCK] = np.exp(exponent) @ P / width
    return density


def _cost(r: FloatArray, kappa: float, beta: float) -> FloatArray:
    """beta below the margin, else 0."""
    below = np.zeros(r.size)
    below[r < kappa] = beta
    return below
