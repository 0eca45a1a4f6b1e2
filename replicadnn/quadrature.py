"""Integrals in Python code: Gauss-Legendre panels, and ln w(u) with its derivatives, one copy.

w(u) = exp(-beta) + (1 - exp(-beta)) Phi(u) is the weight of a gap (docs/theory.md, eq. 2).
Compiled kernels have their own, in plain loops; tests hold the two together.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.special import erfcx, log_ndtr

from replicadnn.types import FloatArray

SQRT_2PI = math.sqrt(2.0 * math.pi)


@lru_cache(maxsize=8)
def _legendre(order: int) -> tuple[FloatArray, FloatArray]:
    nodes, weights = np.polynomial.legendre.leggauss(order)
    return nodes, weights


def on_panels(edges: FloatArray, order: int) -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre nodes and weights on every panel between ``edges`` (n+1), both (n, order).

    Exact for polynomials of degree 2 order - 1 on each panel.
    """
    nodes, weights = _legendre(order)
    half = 0.5 * np.diff(edges)
    return (edges[:-1] + half)[:, None] + half[:, None] * nodes, half[:, None] * weights


def gaussian_panels(edges: FloatArray, order: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights of the average over a standard normal number cut to the panels, both flat.

    ``edges`` in any order, repeated or not.
    """
    x, weight = (one.ravel() for one in on_panels(np.unique(edges), order))
    return x, weight * np.exp(-0.5 * x**2) / SQRT_2PI


def mills(u: FloatArray) -> FloatArray:
    """Phi(u)/phi(u)."""
    return np.asarray(math.sqrt(0.5 * math.pi) * erfcx(-u * math.sqrt(0.5)))


def log_weight(u: FloatArray, beta: float) -> FloatArray:
    """ln w(u), w = exp(-beta) + (1 - exp(-beta)) Phi(u)."""
    hard: FloatArray = log_ndtr(u)
    if math.isinf(beta):
        return hard
    return np.logaddexp(-beta, math.log(-math.expm1(-beta)) + hard)


def log_weight_slope(u: FloatArray, beta: float) -> FloatArray:
    """w'(u)/w(u) = b/(exp(-beta)/phi + b Phi/phi): no large logarithms cancel."""
    b = -math.expm1(-beta)
    with np.errstate(over="ignore"):  # far on either side the slope is 0
        out: FloatArray = b / (SQRT_2PI * np.exp(0.5 * u**2 - beta) + b * mills(u))
    return out


def log_weight_curvature(u: FloatArray, beta: float) -> FloatArray:
    """(ln w)'' = -h (u + h), h = w'/w; at u < -200, where u + h cancels, by its series.

    There phi/Phi = |u| + r, r = (1 - 2/u^2 + ...)/|u|, and h is the share of Phi in w times that.
    """
    h = log_weight_slope(u, beta)
    out: FloatArray = -h * (u + h)
    far = u < -200.0
    v = -u[far]
    r = (1.0 - (2.0 - 10.0 / v**2) / v**2) / v
    with np.errstate(over="ignore"):
        signal = -math.expm1(-beta) * mills(-v) * np.exp(beta - 0.5 * v**2) / SQRT_2PI
    out[far] = -h[far] * (r - (v + r) / (1.0 + signal))
    return out
