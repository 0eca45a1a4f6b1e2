"""The weight w(u) = exp(-beta) + (1 - exp(-beta)) Phi(u) of a gap where it has no signal."""

from __future__ import annotations

import math

from scipy.special import log_ndtr, ndtr


def mean_weight(kappa: float, beta: float) -> float:
    """Average of w: exp(-beta) + (1 - exp(-beta)) Phi(-kappa)  (docs/theory.md, eq. 2)."""
    return math.exp(-beta) - math.expm1(-beta) * float(ndtr(-kappa))


def floor_distance(beta: float) -> float:
    """d with (1 - exp(-beta)) Phi(-d) = exp(-beta): where ln w(-d) levels off at -beta.

    d = sqrt(2 beta) to leading order; 0 at beta <= ln 2, inf for the hard constraint.
    """
    if math.isinf(beta):
        return math.inf
    limit = beta + math.log(-math.expm1(-beta))
    d = math.sqrt(2.0 * beta)
    for _ in range(12):  # a factor 1/d^2 each
        d = math.sqrt(max(0.0, 2.0 * (limit + float(log_ndtr(-d)) + 0.5 * d * d)))
    return d


def liquid_curvature(kappa: float, beta: float) -> float:
    """G(0) = (b phi(kappa)/norm)^2; (2/pi) tanh^2(beta/2) at kappa = 0 (eq. 21)."""
    density = math.exp(-0.5 * kappa * kappa) / math.sqrt(2.0 * math.pi)
    return float((-math.expm1(-beta) * density / mean_weight(kappa, beta)) ** 2)
