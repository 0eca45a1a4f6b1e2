"""One layer of the saddle-point equations: grid, boundary and flow in one call, then responses.

So threads share layers almost without meeting in the interpreter. Called by
`replicadnn.theory.rsb_map`, which says what the results mean.
"""

import math

import numpy as np

from . import parisi
from ._jit import jit_ieee_strict

REACH = 8.0
MARGIN = 24
MAX_STEP = 0.2
MAX_POINTS = 20001
MAX_POINTS_SPIN = 8001  # long windows come with long stencils


@jit_ieee_strict
def coarsening(m, v, width, step, points):
    """How much coarser the grid of level i-1 may be than that of level i: powers of two.

    f_{i-1} varies on the scale sqrt(width^2 + sum_{j>=i} m_j (v_j - v_{j-1})) or more.
    """
    k = v.size - 1
    ratio = np.ones(k + 1, dtype=np.int64)
    c = width * width
    for i in range(k, 0, -1):
        c += m[i] * (v[i] - v[i - 1])
        target = min(math.sqrt(c) / points, MAX_STEP)
        while 2.0 * step * ratio[i] <= target:
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
def _flow(full, v, step, side, ratio, slope, width, f, f1, f2, df_dm):
    """The flow from row k of f, f1, f2, and what its responses need."""
    k1, n = f.shape
    fbar, e, S, P = np.empty((k1, n)), np.empty((k1, n)), np.empty((k1, n)), np.empty((k1, n))
    T, C, mean, A = np.zeros(k1), np.zeros(k1), np.zeros(k1), np.zeros(k1 + 1)
    F, error = parisi.flow(
        full, v, step, side, ratio, slope, width, f, f1, f2, fbar, e, S, P, T, C, mean
    )
    for i in range(1, k1):
        A[i] = (mean[i] - mean[i - 1]) / full[i]
    for h in range(n):
        A[k1] += df_dm[h] * P[k1 - 1, h]
    work = (full, v, step, side, ratio, slope, width, f, f1, fbar, e, S, P, df_dm)
    return (F, T, C, A, error), work


@jit_ieee_strict
def gap_flow(m, lam, kappa, noise, points):
    """Interaction: f = ln[noise + (1-noise) Phi((h-kappa)/sqrt(1-lam_k))], variances lam."""
    k1 = lam.size
    top = lam[k1 - 1]
    width = math.sqrt(max(1.0 - top, 1e-12))
    reach = REACH * math.sqrt(top)
    step = max(width / points, 2.0 * reach / MAX_POINTS)
    ratio = coarsening(m, lam, width, step, points)
    block = 1
    for r in ratio:
        block *= r
    side = block * (math.ceil(reach / (step * block)) + MARGIN)
    n = 2 * side + 1
    f, f1, f2 = np.empty((k1, n)), np.empty((k1, n)), np.empty((k1, n))
    parisi.gap_boundary(kappa, noise, width, step, side, f[k1 - 1], f1[k1 - 1], f2[k1 - 1])
    full = _append(m, 1.0)
    return _flow(full, lam, step, side, ratio, 0.0, width, f, f1, f2, np.zeros(n))


@jit_ieee_strict
def spin_flow(m, eps, m_top, points):
    """Neuron: f = (1/m_top) ln 2cosh(m_top h), variances eps; m_top < 1 on the frozen branch."""
    k1 = eps.size
    drift = 0.0
    for i in range(1, k1):
        drift += m[i] * (eps[i] - eps[i - 1])
    reach = REACH * math.sqrt(eps[k1 - 1]) + drift
    step = max(1.0 / (m_top * points), 2.0 * reach / MAX_POINTS_SPIN)
    side = math.ceil(reach / step) + MARGIN
    n = 2 * side + 1
    f, f1, f2 = np.empty((k1, n)), np.empty((k1, n)), np.empty((k1, n))
    df_dm = np.empty(n)
    parisi.spin_boundary(m_top, step, side, f[k1 - 1], f1[k1 - 1], f2[k1 - 1], df_dm)
    if m_top >= 1.0:
        df_dm[:] = 0.0
    ratio = np.ones(k1, dtype=np.int64)
    full = _append(m, m_top)
    return _flow(full, eps, step, side, ratio, 1.0, 1.0 / m_top, f, f1, f2, df_dm)


@jit_ieee_strict
def responses(T, C, work):
    """dT/dv, dT/dm, dA/dv and dA/dm of a flow from what `_flow` has kept."""
    full, v, step, side, ratio, slope, width, f, f1, fbar, e, S, P, df_dm = work
    k1 = v.size
    dTdv, dTdm = np.zeros((k1, k1)), np.zeros((k1, k1 + 1))
    dAdv, dAdm = np.empty((k1 + 1, k1)), np.zeros((k1 + 1, k1 + 1))
    parisi.hessian(
        full, v, step, side, ratio, slope, width,
        f, f1, fbar, e, S, P, C, df_dm, dTdv, dTdm, dAdm,
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
