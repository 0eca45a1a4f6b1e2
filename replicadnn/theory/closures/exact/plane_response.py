"""Exact linear response of the flow of `plane`: the second derivatives of its free entropy.

Averages over P_i are written <..>_i, x(fields of level s) is the conditional mean of a source x,
v^u = eps, v^w = lam, T^u = q, T^w = G.  Sources are u_j = f_u^2 and w_j = f_omega^2 of level j and
a_i = df_{i-1}/dm_i, of level i-1.  With

    R_r(x, y) = m_r <x y>_r - sum_{s<r} (m_{s+1} - m_s) <x y>_s

and x, y = u or w (x_i the source, d_x the derivative in that field),

    dT^y_j/dv^x_i = d_ij <f_xy^2>_i - (m_{i+1}-m_i) [ <f_x d_x y_j>_i + R_i(x_i, y_j)/2 ],   i <= j
    dT^y_j/dm_i   = <f_i y_j>_i - <fbar_i y_j>_{i-1} + R_{i-1}(a_i, y_j),                    i <= j
                  = 2 <f_y d_y a_i>_j + R_j(y_j, a_i),                                       i > j
    dA_j/dm_i     = <f_i a_j>_i - <fbar_i a_j>_{i-1} + R_{i-1}(a_i, a_j),                    i < j
    dA_i/dm_i     = ( <f_i^2>_i - <fbar_i^2>_{i-1} - 2 A_i )/m_i + R_{i-1}(a_i, a_i)

and symmetry of the second derivatives gives the rest.  They are those of one field
(`kernels.theory.hessian`) with two sources a level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from replicadnn.kernels.theory import plane as kernels
from replicadnn.theory.closures.exact.plane import Grid, PlaneFlow, Tables
from replicadnn.types import FloatArray

#: Sources of a level, in the order in which they are kept: a_{r+1}, u_r, w_r.
SOURCES = 3
EVEN = 0  # parity of the sources
#: The field of a variance: u (eps, q) and omega (lam, G).
U, W = 0, 1


@dataclass(frozen=True, slots=True)
class PlaneResponse:
    """``by_variance`` [y, j, x, i] = dT^y_j/dv^x_i; ``by_step`` [y, j, i] = dT^y_j/dm_i.

    ``steps`` [j, i] = dA_j/dm_i; index 0 of an m is unused.
    """

    by_variance: FloatArray
    by_step: FloatArray
    steps: FloatArray


def _own_slopes(at: Tables, r: int, field: int) -> FloatArray:
    """<f_x d_x y> of the sources of level r itself: unset for a_{r+1}, 2 f_x f_y f_xy."""
    u, w = (at.first[r][y] * at.second[r][field + y] for y in (U, W))
    weight = 2.0 * at.P[r] * at.first[r][field]
    return np.array([0.0, float(np.sum(weight * u)), float(np.sum(weight * w))])


def _slope(grid: Grid, weight: FloatArray, field: int) -> FloatArray:
    """The linear form y -> <f_x d_x y> on even tables from ``weight`` = P f_x."""
    if grid.n_u == 1:  # the origin, where f_x = 0
        return np.zeros_like(weight)
    total, rest = weight[0] + weight[1], weight[0] - weight[1]
    if field == W:
        even, odd = kernels.slopes(*grid.omega_axis)
        total, rest = even.T @ total, odd.T @ rest
    else:
        even, odd = kernels.slopes(*grid.u_axis)
        total, rest = rest @ even, total @ odd
    return 0.5 * np.stack([total + rest, total - rest])


def plane_response(flow: PlaneFlow) -> PlaneResponse:
    """From a solved flow; exact for its sums but for d_x of conditional means (order 14)."""
    m, K, at = flow.m, flow.m.size - 1, flow.tables
    full = np.append(m, 1.0)
    size = SOURCES * (K + 1)
    products, cov = np.zeros((size, size)), np.zeros((K + 1, size))
    slopes, var = np.zeros((K + 1, 2, size)), np.zeros(K + 1)
    x = np.zeros((0, *at.f[K].shape))
    for r in range(K, -1, -1):
        old, P = SOURCES * (K - r), at.P[r]
        new = old + SOURCES
        rise = (at.mean[r] - at.f[r]) / m[r + 1] if r < K else np.zeros_like(P)
        x = np.concatenate([x, rise[None], at.first[r] ** 2])
        flat = x.reshape(new, -1)
        gram = (flat * P.ravel()) @ flat.T
        products[:old, :old] += (m[r] - full[r + 1]) * gram[:old, :old]
        products[old:new, :new] = m[r] * gram[old:]
        products[:old, old:new] = m[r] * gram[:old, old:]
        for field in (U, W):
            slopes[r, field, old:new] = _own_slopes(at, r, field)
            if r < K:
                form = _slope(at.grids[r], P * at.first[r][field], field)
                slopes[r, field, : old + 1] = flat[: old + 1] @ form.ravel()
        if r == 0:
            break
        cov[r, :new] = flat @ (P * at.f[r]).ravel()
        x = kernels.average(x, at.weight[r], at.inverse[r], at.omega[r], at.u[r], EVEN)
        below = at.P[r - 1] * at.mean[r - 1]
        cov[r, :new] -= x.reshape(new, -1) @ below.ravel()
        var[r] = float(np.sum(P * at.f[r] ** 2) - np.sum(below * at.mean[r - 1]))
    return _assemble(flow, products, slopes, cov, var)


def _assemble(
    flow: PlaneFlow, products: FloatArray, slopes: FloatArray, cov: FloatArray, var: FloatArray
) -> PlaneResponse:
    m, K = flow.m, flow.m.size - 1
    width = np.diff(np.append(m, 1.0))
    curvature = flow.squares[[[0, 1], [1, 2]]]
    by_variance = np.zeros((2, K + 1, 2, K + 1))
    by_step, steps = np.zeros((2, K + 1, K + 1)), np.zeros((K + 1, K + 1))

    def source(level: int, field: int) -> int:
        return SOURCES * (K - level) + 1 + field

    def rise(i: int) -> int:
        return SOURCES * (K - i + 1)

    for y in (U, W):
        for j in range(K + 1):
            at = source(j, y)
            for x in (U, W):
                for i in range(j + 1):
                    c = slopes[i, x, at] + 0.5 * products[source(i, x), at]
                    by_variance[y, j, x, i] = -width[i] * c
                    by_variance[x, i, y, j] = -width[j] * c
            for i in range(1, K + 1):
                drift = cov[i, at] if i <= j else 2.0 * slopes[j, y, rise(i)]
                by_step[y, j, i] = drift + products[rise(i), at]
    levels = np.arange(K + 1)
    by_variance[:, levels, :, levels] += np.moveaxis(curvature, 2, 0)
    for i in range(1, K + 1):
        for j in range(i + 1, K + 1):
            steps[i, j] = steps[j, i] = cov[i, rise(j)] + products[rise(i), rise(j)]
        own = (var[i] - 2.0 * flow.A[i]) / m[i]
        steps[i, i] = own + products[rise(i), rise(i)]
    return PlaneResponse(by_variance, by_step, steps)
