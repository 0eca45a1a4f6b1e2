"""Compiled responses of a Parisi flow: the second derivatives of its free energy.

Notation and arguments as in `replicadnn.kernels.theory.parisi`.
"""

import numpy as np

from replicadnn.kernels._jit import jit_ieee, jit_ieee_strict
from replicadnn.kernels.theory import columns
from replicadnn.kernels.theory.parisi import grids, stencil, tilts

# Eighth-order central difference.
_D8 = np.array([4 / 5, -1 / 5, 4 / 105, -1 / 280])


@jit_ieee_strict
def _supports(P, sides, ratio):
    """Ranges low..high-1 of each level outside which no mean is needed.

    Where P is not zero, and as far on both sides as the differences of the coarsest level reach;
    the range of the level below is inside, for a mean that underflows there keeps its value.
    """
    lows, highs = np.empty(sides.size, dtype=np.int64), np.empty(sides.size, dtype=np.int64)
    margin = _D8.size
    for r in range(sides.size):
        margin *= ratio[r] if r > 0 else 1
        low, high = 0, 2 * sides[r] + 1
        while low < high and P[r, low] == 0.0:
            low += 1
        while high > low and P[r, high - 1] == 0.0:
            high -= 1
        lows[r] = max(low - margin, 0)
        highs[r] = min(high + margin, 2 * sides[r] + 1)
        if r > 0:
            lows[r] = min(lows[r], lows[r - 1] * ratio[r])
            highs[r] = max(highs[r], (highs[r - 1] - 1) * ratio[r] + 1)
    return lows, highs


@jit_ieee
def _dot(x, y, n):
    total = 0.0
    for h in range(n):
        total += x[h] * y[h]
    return total


@jit_ieee
def _minus_slope(P, f1, step, n, out):
    """out = -(P f')' on a grid of `n` points: <f' x'> = sum_h out_h x_h."""
    density = np.empty(n)
    for h in range(n):
        density[h] = P[h] * f1[h]
        out[h] = 0.0
    for j in range(4):
        c = _D8[j] / step
        for h in range(n - j - 1):
            out[h] -= c * density[h + j + 1]
        for h in range(j + 1, n):
            out[h] += c * density[h - j - 1]


@jit_ieee
def _variance(P, f, n, P_below, fbar, n_below):
    """<f^2> - <fbar^2> of two neighbouring levels with `n` and `n_below` points."""
    total = 0.0
    for h in range(n):
        total += P[h] * f[h] ** 2
    for h in range(n_below):
        total -= P_below[h] * fbar[h] ** 2
    return total


@jit_ieee
def _product(P, f, n, out):
    """out = P f on the first `n` points."""
    for h in range(n):
        out[h] = P[h] * f[h]


@jit_ieee
def _condition(w, ratio, count, ends, ends_below, e, S, n, x, table):
    """x <- A x: the first `count` functions become conditional means on the grid below.

    `ends`, `ends_below`: ranges of rows that are needed; rows that underflow keep their value.
    Returns the scratch `table`, enlarged where it has to be.
    """
    (low, high), (low_below, high_below) = ends, ends_below
    start = min(low, low_below * ratio - w.size + 1)
    end = max(high, (high_below - 1) * ratio + w.size)
    size = end - start
    if table.size * n < x.size * size:
        table = np.empty(x.size // n * size)
    columns.clear(table, size, count, 0, low - start)
    columns.clear(table, size, count, high - start, size)
    columns.weighted(x, n, count, e, low, high, table, size, -start)
    scale = np.empty(high_below)
    for h in range(low_below, high_below):
        scale[h] = 1.0 / S[h] if S[h] > 0.0 else 0.0
    columns.convolve(w, table, size, -start, ratio, count, low_below, high_below, scale, x, n)
    return table


@jit_ieee
def _assemble_variances(m, C, slopes, products, dTdv):
    """dT/dv from <f' x'> (`slopes`) and R(x, y) (`products`) of the functions of `hessian`."""
    k = C.size - 1
    for i in range(k + 1):
        ui = 2 * (k - i) + 1
        for j in range(i, k + 1):
            uj = 2 * (k - j) + 1
            c = slopes[i, uj] + 0.5 * products[ui, uj]
            dTdv[j, i] = -(m[i + 1] - m[i]) * c
            dTdv[i, j] = -(m[j + 1] - m[j]) * c
        dTdv[i, i] += C[i]


@jit_ieee
def _assemble_breakpoints(m, rise, slopes, products, cov, var, dTdm, dAdm):
    """dT/dm and dA/dm; `cov`: <f_i x>_i - <fbar_i x>_{i-1}, `var`: the same of f_i itself."""
    k = m.size - 2
    for i in range(1, k + 2):
        ai = 2 * (k - i + 1)
        for j in range(k + 1):
            uj = 2 * (k - j) + 1
            if i <= j:
                dTdm[j, i] = cov[i, uj] + products[ai, uj]
            else:
                dTdm[j, i] = 2.0 * slopes[j, ai] + products[uj, ai]
        for j in range(i + 1, k + 2):
            aj = 2 * (k - j + 1)
            dAdm[j, i] = cov[i, aj] + products[ai, aj]
            dAdm[i, j] = dAdm[j, i]
        dAdm[i, i] = products[ai, ai]
        if i <= k:
            dAdm[i, i] = (var[i] - 2.0 * rise[i] / m[i]) / m[i] + products[ai, ai]


@jit_ieee
def hessian(
    m, v, dh, i0, ratio, slope, width, f, f1, fbar, e, S, P, C, boundary_dm, dTdv, dTdm, dAdm
):
    """Response of T and of A = dF/dm to v and m: the second derivatives of F.

    Exact for the sums over the grid but for the differences of P f' (eighth order).

    With u_j = f_j'^2 (source level j) and a_j = df_{j-1}/dm_j (source level j-1), x(h_s) the
    conditional mean of a source x given the field at level s, and
    R_r(x, y) = m_r <x y>_r - sum_{s<r} (m_{s+1} - m_s) <x y>_s :

        dT_j/dv_i = d_ij <f''^2>_i - (m_{i+1}-m_i) [ <f' u_j'>_i + R_i(u_i, u_j)/2 ],      i <= j
        dT_j/dm_i = <f_i u_j>_i - <fbar_i u_j>_{i-1} + R_{i-1}(a_i, u_j),                 i <= j
                  = 2 <f' a_i'>_j + R_j(u_j, a_i),                                        i > j
        dA_j/dm_i = <f_i a_j>_i - <fbar_i a_j>_{i-1} + R_{i-1}(a_i, a_j),                 i < j
        dA_i/dm_i = ( <f_i^2>_i - <fbar_i^2>_{i-1} - 2 A_i )/m_i + R_{i-1}(a_i, a_i)

    and symmetry gives the rest. `boundary_dm` is df_k/dm_{k+1} (used on the saturated branch; zeros
    otherwise).

    Out: dTdv (k+1, k+1) [j, i]; dTdm (k+1, k+2) [j, i]; dAdm (k+2, k+2). Column 0 of the m
    arrays is unused, column k+1 refers to m_{k+1}.
    """
    k, n = v.size - 1, f.shape[1]
    nf = 2 * (k + 1)
    total = -(-nf // columns.GROUP) * columns.GROUP
    x, xp = np.empty(total * n), np.empty(total * n)  # functions 2(k-r): a_{r+1}, 2(k-r)+1: u_r
    table, out = np.empty(1), np.empty(n)
    products, slopes = np.zeros((total, total)), np.zeros((k + 1, total))
    cov, var, rise = np.zeros((k + 2, total)), np.zeros(k + 2), np.zeros(k + 2)
    weight = np.zeros(total)
    tilt = tilts(m, v, 1.0, slope, width)
    steps, sides = grids(dh, i0, ratio)
    lows, highs = _supports(P, sides, ratio)
    for r in range(k, -1, -1):
        nr = 2 * sides[r] + 1
        low, high = lows[r], highs[r]
        old = 2 * (k - r)
        count = old + 2 + (-(old + 2)) % columns.GROUP
        group = (old - old % columns.GROUP) * n + old % columns.GROUP
        if old % columns.GROUP == 0:
            columns.clear(x[old * n :], n, columns.GROUP, low, high)
        for h in range(low, high):
            at = group + columns.GROUP * h
            x[at + 1] = f1[r, h] ** 2
            if r == k:
                x[at] = boundary_dm[h]
            else:
                x[at] = (fbar[r, h] - f[r, h]) / m[r + 1] if S[r + 1, h] > 0.0 else 0.0
        for a in range(total):
            weight[a] = m[r] - m[r + 1] if a < old else m[r]
        columns.weighted(x, n, count, P[r], low, high, xp, n, 0)
        columns.add_products(xp, x, n, count, low, high, weight, products)
        _minus_slope(P[r], f1[r], steps[r], nr, out)
        columns.add_sums(x, n, count, out, low, high, 1.0, slopes[r])
        if r == 0:
            break
        _product(P[r], f[r], nr, out)
        columns.add_sums(x, n, count, out, low, high, 1.0, cov[r])
        nc = 2 * sides[r - 1] + 1
        var[r] = _variance(P[r], f[r], nr, P[r - 1], fbar[r - 1], nc)
        rise[r] = _dot(P[r], f[r], nr) - _dot(P[r - 1], f[r - 1], nc)
        w = stencil((v[r] - v[r - 1]) / steps[r] ** 2, tilt[r] / steps[r], nr - 1)
        ends, ends_below = (low, high), (lows[r - 1], highs[r - 1])
        table = _condition(w, ratio[r], count, ends, ends_below, e[r], S[r], n, x, table)
        _product(P[r - 1], fbar[r - 1], nc, out)
        columns.add_sums(x, n, count, out, ends_below[0], ends_below[1], -1.0, cov[r])
    for a in range(nf):
        for b in range(a):
            products[b, a] = products[a, b]
    _assemble_variances(m, C, slopes, products, dTdv)
    _assemble_breakpoints(m, rise, slopes, products, cov, var, dTdm, dAdm)
