"""Compiled Parisi flow: one function, K levels, first and second derivatives of its free energy.

Notation (docs/theory.md, section 6): breakpoints ``m[0] = 0 < m[1] < ... < m[k]`` and
``m[k+1] = 1`` (``m*`` on the saturated branch), variances ``v[0] <= ... <= v[k]``, and on a uniform
grid of spacing ``dh`` that has ``h = 0`` at index ``i0``

    exp(m_i f_{i-1}(h)) = sum_h' w_i(h' - h) exp(m_i f_i(h')),          i = k..1
    A_i(h, h')          = w_i(h' - h) exp(m_i f_i(h')) / exp(m_i f_{i-1}(h))

``w_i`` is the Gaussian of variance ``v_i - v_{i-1}`` as a stencil and ``A_i`` a matrix whose rows
sum to one *on the grid*: averages go back with ``A_i``, densities forward with its transpose, so
mass is conserved to rounding. The readable twin is `replicadnn.theory.parisi`.

Arguments of `flow` and `hessian`, rows by level i = 0..k:

    m, v            breakpoints (k+2) and variances (k+1)
    dh, i0, ratio   spacing and half-size of the grid of level k; how much coarser each next one is
    slope, width    bound of |f'| where f grows linearly, and scale of f' of the boundary (`tilts`)
    f, f1, f2       f_i, f_i', f_i'' on the grid of level i
    fbar            <f_{i+1}> given h_i
    e               exp(m_i (f_i - max f_i)), 0 below underflow
    S               the row sums of w_i e_i on the grid of level i-1, 0 where they underflow
    P               densities P_i, probabilities of grid points
    T, C, fm        averages over P_i of f_i'^2, f_i''^2 and f_i
"""

import math

import numpy as np

from replicadnn.kernels._jit import jit_ieee, jit_ieee_strict
from replicadnn.kernels.theory import columns

# --- Gaussian stencils ---------------------------------------------------------------------------
# Sampled Gaussians alias as exp(-2 pi^2 s), s = sigma^2/dh^2: used for s >= S_SAMPLED (4e-14).
# Below that the stencil is exp(-s g), g(theta) = theta^2/2 + O(theta^(2p+2)) a periodic symbol with
# N_SERIES terms of  theta^2/2 = sum_n (2 sin(theta/2))^(2n) / (n^2 C(2n, n)).
S_SAMPLED = 1.5625
N_SERIES = 10
HALF_SMALL = 20
N_THETA = 64
# Such a stencil has taps of 1e-12 at its end: where exp(m f) grows by more than e^MAX_SLOPE a point
# its sum holds nothing else. There, in the far tail of the density, f is taken to be quadratic and
# the Gaussian average of exp(m f) is closed.
MAX_SLOPE = 1.5
REACH = 8.0
UNDERFLOW = 1e-280
TINY = 1e-200  # densities below are set to zero: products with them would be denormal, hence slow


def symbol(theta: np.ndarray) -> np.ndarray:
    """g(theta): the series of theta^2/2 in sin(theta/2), cut after N_SERIES terms."""
    y = 2 * np.sin(theta / 2)
    terms = [y ** (2 * n) / (n**2 * math.comb(2 * n, n)) for n in range(1, N_SERIES + 1)]
    return np.sum(terms, axis=0)


_theta = np.pi * (np.arange(N_THETA) + 0.5) / N_THETA
_SYMBOL = symbol(_theta)
_COS = np.cos(np.outer(np.arange(HALF_SMALL + 1), _theta)) / N_THETA
# Eighth-order central difference.
_D8 = np.array([4 / 5, -1 / 5, 4 / 105, -1 / 280])


@jit_ieee_strict
def stencil(s, tilt, jmax):
    """Half stencil w[0..J] of a Gaussian of variance `s` (in units dh^2), w0 + 2 sum w_j = 1.

    `tilt` (in units dh) widens it for integrands that grow like exp(tilt x / s).
    """
    if s <= 0.0:
        w = np.ones(1)
        return w
    if s >= S_SAMPLED:
        half = min(math.ceil(REACH * math.sqrt(s) + tilt), jmax)
        w = np.empty(half + 1)
        total = 0.0
        for j in range(half + 1):
            w[j] = math.exp(-0.5 * j * j / s)
            total += w[j] if j == 0 else 2.0 * w[j]
        for j in range(half + 1):
            w[j] /= total
        return w
    half = min(HALF_SMALL, jmax)
    w = np.zeros(half + 1)
    for t in range(N_THETA):
        e = math.exp(-s * _SYMBOL[t])
        for j in range(half + 1):
            w[j] += e * _COS[j, t]
    total = 0.0
    for j in range(1, half + 1):
        total += 2.0 * w[j]
    w[0] = 1.0 - total
    return w


@jit_ieee
def scatter(w, x, ratio, out):
    """out[h] = sum_c w_|h - c ratio| x[c]: density convolved from a grid `ratio` times coarser."""
    if ratio == 1:
        columns.convolve_one(w, x, out)
        return
    n = out.size
    half = w.size - 1
    for h in range(n):
        out[h] = 0.0
    for c in range(x.size):
        centre = c * ratio
        value = x[c]
        if value == 0.0:
            continue
        out[centre] += w[0] * value
        left = min(half, centre)
        right = min(half, n - 1 - centre)
        for d in range(1, left + 1):
            out[centre - d] += w[d] * value
        for d in range(1, right + 1):
            out[centre + d] += w[d] * value


@jit_ieee_strict
def tilts(m, v, dh, slope, width):
    """How far (in dh) the weight exp(m f) moves the Gaussians of each level.

    Neurons (`slope` > 0): m_i slope (v_i - v_{i-1}). Interaction: f is -h^2/(2 c_i) to the left,
    c_i = width^2 + sum_{j>i} m_j (v_j - v_{j-1}), which moves h by h m_i (v_i - v_{i-1})/c_{i-1};
    h is taken at 7 sqrt(v_{i-1}), beyond which the density is below 1e-10.
    """
    out = np.zeros(v.size)
    c = width * width
    for i in range(v.size - 1, 0, -1):
        pull = m[i] * (v[i] - v[i - 1])
        c += pull
        if slope > 0.0:
            out[i] = slope * pull / dh
        else:
            out[i] = 7.0 * math.sqrt(v[i - 1]) * pull / c / dh
    return out


@jit_ieee_strict
def _extrapolate(good, f, f1, f2):
    """Rows whose sum underflows lie left of all others: continue f quadratically."""
    n = f.size
    first = 0
    while first < n and not good[first]:
        first += 1
    if first >= n - 1:
        return
    for h in range(first - 1, -1, -1):
        f2[h] = f2[first]
        f1[h] = 2.0 * f1[h + 1] - f1[h + 2] if h + 2 < n else f1[h + 1]
        f[h] = 3.0 * f[h + 1] - 3.0 * f[h + 2] + f[h + 3] if h + 3 < n else f[h + 1]
    for h in range(first + 1, n):
        if not good[h]:
            f[h] = f[h - 1]
            f1[h] = f1[h - 1]
            f2[h] = f2[h - 1]


@jit_ieee_strict
def grids(dh, i0, ratio):
    """Spacing and half-size of every level's grid: level i-1 is ratio[i] times coarser than i."""
    k = ratio.size - 1
    steps = np.empty(k + 1)
    sides = np.empty(k + 1, dtype=np.int64)
    steps[k] = dh
    sides[k] = i0
    for i in range(k, 0, -1):
        steps[i - 1] = steps[i] * ratio[i]
        sides[i - 1] = sides[i] // ratio[i]
    return steps, sides


@jit_ieee_strict
def flow(m, v, dh, i0, ratio, slope, width, f, f1, f2, fbar, e, S, P, T, C, fm):
    """Backward f, f', f'' and forward P.

    In: `m` (k+2), `v` (k+1); the top level's grid (`dh`, half-size `i0`, h = 0 in the middle) and
    `ratio` (k+1), see `grids`: sides must divide; `slope`, `width` for `tilts`; f, f1, f2
    (k+1, n) with row k filled.
    Out, per level, on its own grid (the first 2 side + 1 entries of a row): f, f1, f2; weights e;
    on the grid of level i-1: S[i] and fbar[i-1] = <f_i> given h_{i-1}; P; T_i = <f_i'^2>,
    C_i = <f_i''^2>, fm_i = <f_i>. Returns F and the largest mass error (mass on rows that
    underflow or rise too fast included).
    """
    k = v.size - 1
    n = f.shape[1]
    steps, sides = grids(dh, i0, ratio)
    tmp_full = np.empty(n)
    table, moved, ones = np.zeros(1), np.empty(columns.GROUP * n), np.ones(n)
    good, known = np.ones((k + 1, n), dtype=np.bool_), np.ones(n, dtype=np.bool_)
    steep = np.zeros((k + 1, n), dtype=np.bool_)
    tilt = tilts(m, v, 1.0, slope, width)
    for i in range(k, 0, -1):
        mi = m[i]
        ni = 2 * sides[i] + 1
        nc = 2 * sides[i - 1] + 1
        r = ratio[i]
        w = stencil((v[i] - v[i - 1]) / steps[i] ** 2, tilt[i] / steps[i], ni - 1)
        half = w.size - 1
        if table.size < columns.GROUP * (ni + 2 * half):
            table = np.zeros(columns.GROUP * (ni + 2 * half))
        size = table.size // columns.GROUP
        columns.clear(table, size, columns.GROUP, 0, half)
        columns.clear(table, size, columns.GROUP, half + ni, size)
        dv = v[i] - v[i - 1]
        band_limited = 0.0 < dv / steps[i] ** 2 < S_SAMPLED
        fmax = f[i, :ni].max()
        for h in range(ni):
            x = math.exp(mi * (f[i, h] - fmax))
            e[i, h] = x if x > UNDERFLOW else 0.0
            at = columns.GROUP * (half + h)
            table[at] = 1.0
            table[at + 1] = e[i, h]
            table[at + 2] = e[i, h] * f[i, h]
            table[at + 3] = e[i, h] * f1[i, h]
            table[at + 4] = e[i, h] * (f2[i, h] + mi * f1[i, h] ** 2)
        columns.convolve(w, table, size, half, r, columns.GROUP, 0, nc, ones, moved, n)
        missing = False
        for h in range(nc):
            at, here = columns.GROUP * h, h * r
            total, low = moved[at + 1], UNDERFLOW
            if band_limited:
                low = max(low, 0.5 * e[i, here] * moved[at])  # positive weights give more
                steep[i, h] = mi * abs(f1[i, here]) * steps[i] > MAX_SLOPE
            good[i, h] = total > low
            known[h] = good[i, h] or band_limited
            S[i, h] = total if good[i, h] else 0.0
            if good[i, h] and not steep[i, h]:
                f[i - 1, h] = fmax + math.log(total / moved[at]) / mi
                fbar[i - 1, h] = moved[at + 2] / total
                f1[i - 1, h] = moved[at + 3] / total
                f2[i - 1, h] = moved[at + 4] / total - mi * f1[i - 1, h] ** 2
            elif known[h]:  # no small f'' there is cut; the row counts as lost mass
                shrink = max(1.0 - mi * dv * f2[i, here], 0.5)
                f1[i - 1, h] = f1[i, here] / shrink
                f2[i - 1, h] = f2[i, here] / shrink
                f[i - 1, h] = f[i, here] - 0.5 * math.log(shrink) / mi
                f[i - 1, h] += 0.5 * mi * dv * f1[i, here] * f1[i - 1, h]
                fbar[i - 1, h] = f[i, here]
            else:
                missing = True
                fbar[i - 1, h] = f[i, here]
        if missing:
            _extrapolate(known[:nc], f[i - 1, :nc], f1[i - 1, :nc], f2[i - 1, :nc])
    w = stencil(v[0] / steps[0] ** 2, 0.0, 2 * sides[0])
    for h in range(2 * sides[0] + 1):
        at = abs(h - sides[0])
        P[0, h] = w[at] if at < w.size else 0.0
    error = 0.0
    for i in range(k + 1):
        ni = 2 * sides[i] + 1
        if i > 0:
            r = ratio[i]
            nc = 2 * sides[i - 1] + 1
            w = stencil((v[i] - v[i - 1]) / steps[i] ** 2, tilt[i] / steps[i], ni - 1)
            lost = 0.0
            for h in range(nc):
                if good[i, h]:
                    tmp_full[h] = P[i - 1, h] / S[i, h]
                else:
                    tmp_full[h] = 0.0
                if steep[i, h] or not good[i, h]:
                    lost += abs(P[i - 1, h])
            scatter(w, tmp_full[:nc], r, P[i, :ni])
            for h in range(ni):
                p = P[i, h] * e[i, h]
                P[i, h] = p if abs(p) > TINY else 0.0
            for h in range(nc):
                if not good[i, h]:
                    P[i, h * r] += P[i - 1, h]
            error = max(error, lost)
        mass = 0.0
        t = 0.0
        c = 0.0
        a = 0.0
        for h in range(ni):
            p = P[i, h]
            mass += p
            t += p * f1[i, h] ** 2
            c += p * f2[i, h] ** 2
            a += p * f[i, h]
        T[i] = t
        C[i] = c
        fm[i] = a
        error = max(error, abs(mass - 1.0))
    return fm[0], error


@jit_ieee_strict
def _supports(P, sides, ratio):
    """Ranges low..high-1 of each level outside which no mean is needed.

    Where P is not zero, and as far on both sides as the differences of the coarsest level reach.
    """
    lows, highs = np.empty_like(sides), np.empty_like(sides)
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
    return lows, highs


@jit_ieee
def _dot(x, y, n):
    total = 0.0
    for h in range(n):
        total += x[h] * y[h]
    return total


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
    k = v.size - 1
    n = f.shape[1]
    nf = 2 * (k + 1)
    total = -(-nf // columns.GROUP) * columns.GROUP
    x = np.empty(total * n)  # functions 2(k-r): a_{r+1}, 2(k-r)+1: u_r
    xp = np.empty(total * n)
    table = np.empty(1)
    acc = np.zeros((total, total))
    loc = np.zeros((k + 1, total))
    cov = np.zeros((k + 2, total))
    var = np.zeros(k + 2)
    weight = np.zeros(total)
    tilt = tilts(m, v, 1.0, slope, width)
    steps, sides = grids(dh, i0, ratio)
    lows, highs = _supports(P, sides, ratio)
    tmp = np.empty(n)
    out = np.empty(n)
    scale = np.empty(n)
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
        weight[:old] = m[r] - m[r + 1]
        weight[old:] = m[r]
        columns.weighted(x, n, count, P[r], low, high, xp, n, 0)
        columns.add_products(xp, x, n, count, low, high, weight, acc)
        for h in range(nr):
            tmp[h] = P[r, h] * f1[r, h]
            out[h] = 0.0
        for j in range(4):
            c = _D8[j] / steps[r]
            for h in range(nr - j - 1):
                out[h] -= c * tmp[h + j + 1]
            for h in range(j + 1, nr):
                out[h] += c * tmp[h - j - 1]
        columns.add_sums(x, n, count, out, low, high, 1.0, loc[r])
        if r == 0:
            break
        for h in range(nr):
            out[h] = P[r, h] * f[r, h]
        columns.add_sums(x, n, count, out, low, high, 1.0, cov[r])
        nc = 2 * sides[r - 1] + 1
        vr = 0.0
        for h in range(nr):
            vr += P[r, h] * f[r, h] ** 2
        for h in range(nc):
            vr -= P[r - 1, h] * fbar[r - 1, h] ** 2
        var[r] = vr
        w = stencil((v[r] - v[r - 1]) / steps[r] ** 2, tilt[r] / steps[r], nr - 1)
        # conditional means: x <- A x on the rows that are needed
        start = min(low, lows[r - 1] * ratio[r] - w.size + 1)
        end = max(high, (highs[r - 1] - 1) * ratio[r] + w.size)
        size = end - start
        if table.size < total * size:
            table = np.empty(total * size)
        columns.clear(table, size, count, 0, low - start)
        columns.clear(table, size, count, high - start, size)
        columns.weighted(x, n, count, e[r], low, high, table, size, -start)
        low, high = lows[r - 1], highs[r - 1]
        for h in range(low, high):  # rows that underflow keep their value
            scale[h] = 1.0 / S[r, h] if S[r, h] > 0.0 else 0.0
        columns.convolve(w, table, size, -start, ratio[r], count, low, high, scale, x, n)
        for h in range(nc):
            out[h] = P[r - 1, h] * fbar[r - 1, h]
        columns.add_sums(x, n, count, out, low, high, -1.0, cov[r])
    for a in range(nf):
        for b in range(a):
            acc[b, a] = acc[a, b]
    for i in range(k + 1):
        ui = 2 * (k - i) + 1
        step_i = m[i + 1] - m[i]
        for j in range(i, k + 1):
            uj = 2 * (k - j) + 1
            c = loc[i, uj] + 0.5 * acc[ui, uj]
            dTdv[j, i] = -step_i * c
            dTdv[i, j] = -(m[j + 1] - m[j]) * c
        dTdv[i, i] += C[i]
    for i in range(1, k + 2):
        ai = 2 * (k - i + 1)
        for j in range(k + 1):
            uj = 2 * (k - j) + 1
            if i <= j:
                dTdm[j, i] = cov[i, uj] + acc[ai, uj]
            else:
                dTdm[j, i] = 2.0 * loc[j, ai] + acc[uj, ai]
        for j in range(i + 1, k + 2):
            aj = 2 * (k - j + 1)
            dAdm[j, i] = cov[i, aj] + acc[ai, aj]
            dAdm[i, j] = dAdm[j, i]
        if i <= k:
            mean = _dot(P[i], f[i], 2 * sides[i] + 1)
            mean -= _dot(P[i - 1], f[i - 1], 2 * sides[i - 1] + 1)
            dAdm[i, i] = (var[i] - 2.0 * mean / m[i]) / m[i] + acc[ai, ai]
        else:
            dAdm[i, i] = acc[ai, ai]


# --- boundary functions --------------------------------------------------------------------------


@jit_ieee_strict
def log_ndtr(x):
    """ln Phi(x), relative accuracy 1e-14 for all x."""
    if x > 5.0:
        return math.log1p(-0.5 * math.erfc(x / math.sqrt(2.0)))
    if x > -30.0:
        return math.log(0.5 * math.erfc(-x / math.sqrt(2.0)))
    y = 1.0 / (x * x)
    series = 1.0 - y * (1.0 - 3.0 * y * (1.0 - 5.0 * y * (1.0 - 7.0 * y * (1.0 - 9.0 * y))))
    return -0.5 * x * x - math.log(-x * math.sqrt(2.0 * math.pi)) + math.log(series)


@jit_ieee_strict
def gap_boundary(kappa, beta, width, dh, i0, f, f1, f2):
    """f = ln[ exp(-beta) + (1 - exp(-beta)) Phi((h - kappa)/width) ], f', f''."""
    logsignal = math.log(-math.expm1(-beta))
    for h in range(f.size):
        x = ((h - i0) * dh - kappa) / width
        lp = log_ndtr(x) + logsignal
        lw = max(lp, -beta)
        if not math.isinf(beta):
            lw += math.log1p(math.exp(-abs(lp + beta)))
        r = math.exp(logsignal - 0.5 * x * x - lw) / math.sqrt(2.0 * math.pi)
        f[h] = lw
        f1[h] = r / width
        f2[h] = -r * (x + r) / width**2


@jit_ieee_strict
def spin_boundary(m, dh, i0, f, f1, f2, fdm):
    """f = (1/m) ln 2cosh(m h), f', f'' and df/dm (m = 1: free neuron; m = m*: saturated)."""
    for h in range(f.size):
        y = m * (h - i0) * dh
        t = math.tanh(y)
        lc = abs(y) + math.log1p(math.exp(-2.0 * abs(y)))
        f[h] = lc / m
        f1[h] = t
        f2[h] = m * (1.0 - t * t)
        fdm[h] = (y * t - lc) / m**2
