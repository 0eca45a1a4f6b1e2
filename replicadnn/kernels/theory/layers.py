"""One layer of the saddle-point equations: grid, boundary and flow in one call, then responses.

So threads share layers almost without meeting in the interpreter. Called by
`replicadnn.theory.closures.averaged.broken_flows`, which says what the results mean.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replicadnn.kernels._jit import jit_ieee_strict, jit_short
from replicadnn.kernels.theory import boundaries, couplings, parisi
from replicadnn.kernels.theory.hessian import hessian

REACH = 8.0
MARGIN = 24
MAX_STEP = 0.2
SPIN = 1.2  # points of neurons on those of interactions
RISE = 1.2
TAIL = 7.0
FLOOR = 0.28  # points for each width of the kink at the floor f = -beta, on those of other kinks
MAX_POINTS = 4000.2  # for each point per width: 20001 by default
MAX_POINTS_SYMMETRIC = 200000.2  # ... of one level, whose flow has no convolution
MAX_POINTS_SPIN = 1600.2  # long windows come with long stencils


@jit_ieee_strict
def spacings(m, v, width, points):
    """Largest grid spacing of every level of an interaction.

    f_i varies on the scale sqrt(c_i), c_i = width^2 + sum_{j>i} m_j (v_j - v_{j-1}), and is
    -h^2/(2 c_i) far to the left, where the density of level i has the variance
    u_i = (c_i/c_{i-1})^2 u_{i-1} + (v_i - v_{i-1}) c_i/c_{i-1}. A band-limited stencil wants
    exp(m f) to rise by less than e^RISE a point as far as TAIL standard deviations.
    """
    k = v.size - 1
    c, out = np.empty(k + 1), np.empty(k + 1)
    c[k] = width * width
    for i in range(k, 0, -1):
        c[i - 1] = c[i] + m[i] * (v[i] - v[i - 1])
    u = v[0]
    for i in range(k + 1):
        out[i] = min(math.sqrt(c[i]) / points, MAX_STEP)
        if i > 0:
            dv, shrink = v[i] - v[i - 1], c[i] / c[i - 1]
            gentle = RISE * c[i] / max(m[i] * TAIL * math.sqrt(u), 1e-300)
            out[i] = min(out[i], max(gentle, math.sqrt(0.99 * dv / parisi.S_SAMPLED)))
            u = shrink * shrink * u + dv * shrink
    return out


@jit_ieee_strict
def coarsening(limits, step):
    """How much coarser the grid of level i-1 may be than that of level i: powers of two."""
    k = limits.size - 1
    ratio = np.empty(k + 1, dtype=np.int64)
    for i in range(k + 1):
        ratio[i] = 1
    for i in range(k, 0, -1):
        while 2.0 * step * ratio[i] <= limits[i - 1]:
            ratio[i] *= 2
        step *= ratio[i]
    return ratio


@jit_ieee_strict
def _append(values, last):
    out = np.empty(values.size + 1)
    for i in range(values.size):
        out[i] = values[i]
    out[values.size] = last
    return out


@jit_ieee_strict
def gap_spacings(m, lam, width, kappa, beta, points):
    """`spacings` with the kink of f at its floor -beta resolved, and how much that adds."""
    sharper = 1.0
    floor = math.sqrt(2.0 * beta)  # of f, in widths left of kappa; its kink is 1/floor wide
    if floor * width < TAIL * math.sqrt(lam[lam.size - 1]) + kappa:
        sharper = max(1.0, FLOOR * floor)
    return spacings(m, lam, width, sharper * points), sharper


@jit_ieee_strict
def _gap_grid(m, lam, width, kappa, beta, points):
    """Spacing, half-size and coarsening of the grid of an interaction."""
    k1 = lam.size
    reach = REACH * math.sqrt(lam[k1 - 1])
    limits = gap_spacings(m, lam, width, kappa, beta, points)[0]
    smallest = limits[0]
    for i in range(1, k1):
        smallest = min(smallest, limits[i])
    most = MAX_POINTS if k1 > 1 else MAX_POINTS_SYMMETRIC
    step = max(smallest, 2.0 * reach / (most * points))
    ratio = coarsening(limits, step)
    block = 1
    for i in range(k1):
        block *= ratio[i]
    return step, block * (math.ceil(reach / (step * block)) + MARGIN), ratio


@jit_ieee_strict
def _spin_grid(m, eps, m_top, points):
    """The same of a neuron."""
    k1 = eps.size
    drift = 0.0
    ratio = np.empty(k1, dtype=np.int64)
    ratio[0] = 1
    for i in range(1, k1):
        drift += m[i] * (eps[i] - eps[i - 1])
        ratio[i] = 1
    reach = REACH * math.sqrt(eps[k1 - 1]) + drift
    step = max(1.0 / (SPIN * m_top * points), 2.0 * reach / (MAX_POINTS_SPIN * points))
    return step, math.ceil(reach / step) + MARGIN, ratio


@jit_ieee_strict
def _layer_flow(neuron, m, v, m_top, kappa, beta, points):
    """`spin_flow` of a neuron or `gap_flow`: one kernel, since most of it serves both."""
    k1 = v.size
    if neuron:
        slope, width = 1.0, 1.0 / m_top
        step, side, ratio = _spin_grid(m, v, m_top, points)
    else:
        slope, width = 0.0, math.sqrt(max(1.0 - v[k1 - 1], 1e-12))
        step, side, ratio = _gap_grid(m, v, width, kappa, beta, points)
    n = 2 * side + 1
    tables, df_dm = np.empty((7, k1, n)), np.zeros(n)
    T, C, mean, A = np.zeros(k1), np.zeros(k1), np.zeros(k1), np.zeros(k1 + 1)
    f, f1, f2, P = tables[0], tables[1], tables[2], tables[6]
    if neuron:
        boundaries.spin_boundary(m_top, step, side, f[k1 - 1], f1[k1 - 1], f2[k1 - 1], df_dm)
    else:
        boundaries.gap_boundary(kappa, beta, width, step, side, f[k1 - 1], f1[k1 - 1], f2[k1 - 1])
    full = _append(m, m_top)
    F, error = parisi.flow(
        full, v, step, side, ratio, slope, width,
        f, f1, f2, tables[3], tables[4], tables[5], P, T, C, mean,
    )  # fmt: skip
    for i in range(1, k1):
        A[i] = (mean[i] - mean[i - 1]) / full[i]
    rest = math.nan
    if neuron:
        rest = 0.0
        for h in range(n):
            tail = math.exp(-2.0 * m_top * abs((h - side) * step))
            rest += P[k1 - 1, h] * (4.0 * tail / (1.0 + tail) ** 2)
            if m_top < 1.0:
                A[k1] += df_dm[h] * P[k1 - 1, h]
            else:
                df_dm[h] = 0.0
    return (F, T, C, A, error, rest), (full, v, step, side, ratio, slope, width, tables, df_dm)


def gap_flow(
    m: NDArray[np.float64], lam: NDArray[np.float64], kappa: float, beta: float, points: float
) -> tuple[Any, Any]:
    """Interaction: f = ln[e^-beta + (1-e^-beta) Phi((h-kappa)/sqrt(1-lam_k))], variances lam.

    Returns (F, T, C, A, error) and what `responses` needs.
    """
    moments, work = _layer_flow(False, m, lam, 1.0, kappa, beta, points)
    return moments[:5], work


def spin_flow(
    m: NDArray[np.float64], eps: NDArray[np.float64], m_top: float, points: float
) -> tuple[Any, Any]:
    """Neuron: f = (1/m_top) ln 2cosh(m_top h), variances eps; m_top < 1 where it is saturated.

    Also 1 - T_k as the average of sech^2(m_top h), which keeps its digits where T_k is next to one.
    """
    moments, work = _layer_flow(True, m, eps, m_top, 0.0, 0.0, points)
    return moments, work


@jit_ieee_strict
def responses(T, C, work):
    """dT/dv, dT/dm, dA/dv and dA/dm of a flow from what `_flow` has kept."""
    full, v, step, side, ratio, slope, width, tables, df_dm = work
    f, f1, P = tables[0], tables[1], tables[6]
    k1 = v.size
    dTdv, dTdm = np.zeros((k1, k1)), np.zeros((k1, k1 + 1))
    dAdv, dAdm = np.empty((k1 + 1, k1)), np.zeros((k1 + 1, k1 + 1))
    hessian(
        full, v, step, side, ratio, slope, width,
        f, f1, tables[3], tables[4], tables[5], P, C, df_dm, dTdv, dTdm, dAdm,
    )  # fmt: skip
    for j in range(k1):
        for i in range(k1 + 1):
            dAdv[i, j] = -0.5 * (full[j + 1] - full[j]) * dTdm[j, i]
        dAdv[j + 1, j] -= 0.5 * T[j]
        if j > 0:
            dAdv[j, j] += 0.5 * T[j]
    m_top = full[k1]
    if slope > 0.0 and m_top < 1.0:  # <d^2 f_k/dm_top^2> of (1/m) ln 2cosh(m h)
        curvature = 0.0
        for x in range(f.shape[1]):
            h, t = (x - side) * step, f1[k1 - 1, x]
            second = 2.0 * f[k1 - 1, x] / m_top**2 - 2.0 * h * t / m_top**2
            curvature += P[k1 - 1, x] * (second + h**2 * (1.0 - t * t) / m_top)
        dAdm[k1, k1] += curvature
        dAdv[k1, k1 - 1] += 0.5
    return dTdv, dTdm, dAdv, dAdm


@jit_short
def sphere_terms(weight, Q, m, grad):
    """S_sph(Q, m); adds weight dS_sph/dm_i to `grad`, i = 1..k."""
    if not Q[-1] > 0.0:
        return 0.0
    value, by_m = couplings.entropy(Q, m)
    for i in range(1, m.size):
        grad[i] += weight * by_m[i - 1]
    return value


@jit_short
def field_terms(weight, A, eps, q, steps, m, grad):
    """weight [sum_i (m_{i+1}-m_i)/2 eps_i q_i - m_top eps_top/2], and weight d(F + ...)/dm_i.

    Levels i < A.size - 1 are free (below m_top); the derivatives are added to `grad`.
    """
    k1, top = m.size, A.size - 1
    value = -(1.0 if top == k1 else m[top]) * eps[top - 1]
    for i in range(top):
        value += steps[i] * eps[i] * q[i]
        if i > 0:
            grad[i] += weight * (A[i] + 0.5 * (eps[i - 1] * q[i - 1] - eps[i] * q[i]))
    if top < k1:
        grad[top] += weight * (A[top] + 0.5 * (eps[top - 1] * q[top - 1] - eps[top - 1]))
    return 0.5 * weight * value
