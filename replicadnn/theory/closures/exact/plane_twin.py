"""Flow of a neuron with its perceptron as it is written: the readable twin of `plane`.

Plain numpy on the whole plane, uniform in omega and u, one matrix a field and level; no symmetry
and no mapped grid.  Slow and meant to be read; tests hold it together with `plane.plane_flow`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from replicadnn.quadrature import log_weight, log_weight_curvature, log_weight_slope
from replicadnn.theory.parisi import gaussian_matrix
from replicadnn.types import FloatArray

#: Points for each width sqrt(1 - lam_K) of omega and for each unit of u; window in deviations.
POINTS = (4.0, 6.0)
REACH = 8.5


@dataclass(frozen=True, slots=True)
class Site:
    """Averages of one flow: F, q, G (K+1), squares (3, K+1), A (K+2), as in `plane.PlaneFlow`."""

    free_energy: float
    q: FloatArray
    G: FloatArray
    squares: FloatArray
    A: FloatArray


def _boundary(
    omega: FloatArray, u: FloatArray, width: float, kappa: float, beta: float
) -> tuple[FloatArray, ...]:
    """f, f_u, f_w, f_uu, f_uw, f_ww of f = ln sum_S e^{S u} W(S omega)."""
    sides = [(S * omega[:, None] - kappa) / width for S in (1.0, -1.0)]
    logs = [log_weight(x, beta) for x in sides]
    slopes = [log_weight_slope(x, beta) / width for x in sides]
    seconds = [
        log_weight_curvature(x, beta) / width**2 + r**2 for x, r in zip(sides, slopes, strict=True)
    ]
    f = np.logaddexp(u + logs[0], -u + logs[1])
    up, down = np.exp(u + logs[0] - f), np.exp(-u + logs[1] - f)
    f_w = up * slopes[0] - down * slopes[1]
    f_uw = 2.0 * up * down * (slopes[0] + slopes[1])
    f_ww = up * seconds[0] + down * seconds[1] - f_w**2
    return f, up - down, f_w, 4.0 * up * down, f_uw, f_ww


def plane_flow(
    m: FloatArray, lam: FloatArray, eps: FloatArray, kappa: float = 0.0, beta: float = math.inf
) -> Site:
    """The flow with breakpoints m (m_0 = 0) and variances lam, eps, each (K+1,)."""
    K, width = m.size - 1, math.sqrt(1.0 - lam[-1])
    steps = (width / POINTS[0], 1.0 / POINTS[1])
    reach = (REACH * math.sqrt(lam[-1]), REACH * math.sqrt(eps[-1]) + float(m[1:] @ np.diff(eps)))
    sides = [math.ceil(far / step) + 24 for far, step in zip(reach, steps, strict=True)]
    omega, u = (
        np.asarray(np.linspace(-step * n, step * n, 2 * n + 1), dtype=np.float64)
        for step, n in zip(steps, sides, strict=True)
    )
    tables = [np.empty(0)] * (K + 1)
    f, f_u, f_w, f_uu, f_uw, f_ww = _boundary(omega, u, width, kappa, beta)
    tables[K] = np.array([f, f_u, f_w, f_uu, f_uw, f_ww])
    moves = []
    for i in range(K, 0, -1):
        from_omega = gaussian_matrix(omega.size, (lam[i] - lam[i - 1]) / steps[0] ** 2)
        from_u = gaussian_matrix(u.size, (eps[i] - eps[i - 1]) / steps[1] ** 2)
        f, f_u, f_w, f_uu, f_uw, f_ww = (tables[i][c] for c in range(6))
        weight = np.exp(m[i] * (f - f.max()))
        norm = from_omega @ weight @ from_u.T
        moves.append((from_omega, from_u, weight, norm))

        def mean(x: FloatArray, i: int = i) -> FloatArray:
            left, right, weight, norm = moves[K - i]
            return np.asarray(left @ (weight * x) @ right.T / norm)

        below_u, below_w = mean(f_u), mean(f_w)
        tables[i - 1] = np.array([
            f.max() + np.log(norm / np.outer(from_omega.sum(1), from_u.sum(1))) / m[i],
            below_u,
            below_w,
            mean(f_uu + m[i] * f_u**2) - m[i] * below_u**2,
            mean(f_uw + m[i] * f_u * f_w) - m[i] * below_u * below_w,
            mean(f_ww + m[i] * f_w**2) - m[i] * below_w**2,
        ])  # fmt: skip
    P = np.outer(
        gaussian_matrix(omega.size, lam[0] / steps[0] ** 2)[sides[0]],
        gaussian_matrix(u.size, eps[0] / steps[1] ** 2)[sides[1]],
    )
    averages = [_averages(P, tables[0])]
    for i in range(1, K + 1):
        from_omega, from_u, weight, norm = moves[K - i]
        P = weight * (from_omega.T @ (P / norm) @ from_u)
        averages.append(_averages(P, tables[i]))
    level, q, G, *squares = np.array(averages).T
    A = np.zeros(K + 2)
    A[1:-1] = np.diff(level) / m[1:]
    return Site(float(level[0]), q, G, np.array(squares), A)


def _averages(P: FloatArray, tables: FloatArray) -> list[float]:
    """<f>, then the averages of the squares of the derivatives."""
    return [float(np.sum(P * tables[0])), *(float(np.sum(P * x * x)) for x in tables[1:])]


def one_step(
    m: float, lam: float, eps: float, kappa: float = 0.0, beta: float = math.inf
) -> tuple[float, float, float, float]:
    """F, q, G and A = dF/dm of one level without a flow: plain sums with the weight e^{m f}.

    F = (1/m) ln E e^{m f}, q and G the averages of f_u^2 and f_w^2 under that weight; omega and u
    of the variances lam and eps.
    """
    z, side = np.linspace(-10.0, 10.0, 201), 10.0 * math.sqrt(eps) + m * eps
    u = np.linspace(-side, side, math.ceil(20.0 * side / math.sqrt(eps)) + 1)
    omega: FloatArray = np.asarray(math.sqrt(lam) * z, dtype=np.float64)
    f, f_u, f_w, *_ = _boundary(omega, u, math.sqrt(1.0 - lam), kappa, beta)
    area = (z[1] - z[0]) * (u[1] - u[0]) / math.sqrt(eps) / (2.0 * math.pi)
    weight = area * np.exp(m * f - 0.5 * z[:, None] ** 2 - 0.5 * u**2 / eps)
    total = float(weight.sum())
    F = math.log(total) / m
    q, G, mean = (float(np.sum(weight * x)) / total for x in (f_u**2, f_w**2, f))
    return F, q, G, (mean - F) / m
