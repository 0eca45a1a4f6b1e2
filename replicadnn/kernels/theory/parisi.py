"""Compiled Parisi flow: one function, K levels, and its free energy.

Notation (docs/theory.md, section 6): breakpoints ``m[0] = 0 < m[1] < ... < m[k]`` and
``m[k+1] = 1`` (``m*`` on the saturated branch), variances ``v[0] <= ... <= v[k]``, and on a uniform
grid of spacing ``dh`` that has ``h = 0`` at index ``i0``

    exp(m_i f_{i-1}(h)) = sum_h' w_i(h' - h) exp(m_i f_i(h')),          i = k..1
    A_i(h, h')          = w_i(h' - h) exp(m_i f_i(h')) / exp(m_i f_{i-1}(h))

``w_i`` is the Gaussian of variance ``v_i - v_{i-1}`` as a stencil and ``A_i`` a matrix whose rows
sum to one *on the grid*: averages go back with ``A_i``, densities forward with its transpose, so
mass is conserved to rounding. The readable twin is `replicadnn.theory.parisi`.

Arguments of `flow` and of `hessian.hessian`, rows by level i = 0..k:

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


@jit_ieee_strict
def stencil(s, tilt, jmax):
    """Half stencil w[0..J] of a Gaussian of variance `s` (in units dh^2), w0 + 2 sum w_j = 1.

    `tilt` (in units dh) widens it for integrands that grow like exp(tilt x / s).
    """
    if s <= 0.0:
        w = np.empty(1)
        w[0] = 1.0
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
def _fill_table(m, f, f1, f2, e, table, first):
    """1, e, e f, e f' and e (f'' + m f'^2) of one level in `table`, from its point `first` on.

    e = exp(m (f - max f)) is kept; returns max f.
    """
    fmax = f[0]
    for h in range(f.size):
        if fmax == fmax and not f[h] <= fmax:  # nan stays
            fmax = f[h]
    for h in range(f.size):
        x = math.exp(m * (f[h] - fmax))
        e[h] = x if x > UNDERFLOW else 0.0
        at = columns.GROUP * (first + h)
        table[at] = 1.0
        table[at + 1] = e[h]
        table[at + 2] = e[h] * f[h]
        table[at + 3] = e[h] * f1[h]
        table[at + 4] = e[h] * (f2[h] + m * f1[h] ** 2)
    return fmax


@jit_ieee_strict
def _lower_level(i, m, dv, step, ratio, nc, moved, fmax, f, f1, f2, fbar, e, S, good, steep):
    """Level i-1 (`nc` points) from the sums `moved` of the table of level i.

    Rows that underflow are not `good`. Where f rises too fast for a stencil with negative weights
    (`steep`) it is taken to be quadratic, and where nothing is known it is extrapolated.
    """
    band_limited = 0.0 < dv / step**2 < S_SAMPLED
    known = np.empty(nc, dtype=np.bool_)
    missing = False
    for h in range(nc):
        at, here = columns.GROUP * h, h * ratio
        total, low = moved[at + 1], UNDERFLOW
        if band_limited:
            low = max(low, 0.5 * e[i, here] * moved[at])  # positive weights give more
            steep[i, h] = m * abs(f1[i, here]) * step > MAX_SLOPE
        else:
            steep[i, h] = False
        good[i, h] = total > low
        known[h] = good[i, h] or band_limited
        S[i, h] = total if good[i, h] else 0.0
        if good[i, h] and not steep[i, h]:
            f[i - 1, h] = fmax + math.log(total / moved[at]) / m
            fbar[i - 1, h] = moved[at + 2] / total
            f1[i - 1, h] = moved[at + 3] / total
            f2[i - 1, h] = moved[at + 4] / total - m * f1[i - 1, h] ** 2
        elif known[h]:  # no small f'' there is cut; the row counts as lost mass
            shrink = max(1.0 - m * dv * f2[i, here], 0.5)
            f1[i - 1, h] = f1[i, here] / shrink
            f2[i - 1, h] = f2[i, here] / shrink
            f[i - 1, h] = f[i, here] - 0.5 * math.log(shrink) / m
            f[i - 1, h] += 0.5 * m * dv * f1[i, here] * f1[i - 1, h]
            fbar[i - 1, h] = f[i, here]
        else:
            missing = True
            fbar[i - 1, h] = f[i, here]
    if missing:
        _extrapolate(known, f[i - 1, :nc], f1[i - 1, :nc], f2[i - 1, :nc])


@jit_ieee_strict
def _backward(m, v, steps, sides, ratio, tilt, f, f1, f2, fbar, e, S, good, steep):
    """f, f', f'' of all levels below the highest, <f_i>, the weights e and their sums S."""
    n = f.shape[1]
    table, moved, ones = np.zeros(1), np.empty(columns.GROUP * n), np.empty(n)
    for h in range(n):
        ones[h] = 1.0
    for i in range(v.size - 1, 0, -1):
        ni, nc = 2 * sides[i] + 1, 2 * sides[i - 1] + 1
        dv = v[i] - v[i - 1]
        w = stencil(dv / steps[i] ** 2, tilt[i] / steps[i], ni - 1)
        half = w.size - 1
        if table.size < columns.GROUP * (ni + 2 * half):
            table = np.zeros(columns.GROUP * (ni + 2 * half))
        size = table.size // columns.GROUP
        columns.clear(table, size, columns.GROUP, 0, half)
        columns.clear(table, size, columns.GROUP, half + ni, size)
        fmax = _fill_table(m[i], f[i, :ni], f1[i, :ni], f2[i, :ni], e[i, :ni], table, half)
        columns.convolve(w, table, size, half, ratio[i], columns.GROUP, 0, nc, ones, moved, n)
        _lower_level(
            i, m[i], dv, steps[i], ratio[i], nc, moved, fmax, f, f1, f2, fbar, e, S, good, steep
        )


@jit_ieee_strict
def _raise_density(w, ratio, below, S, e, good, steep, P):
    """Density of a level from the one below; returns the mass on rows that underflow or rise."""
    conditional = np.empty(below.size)
    lost = 0.0
    for h in range(below.size):
        conditional[h] = below[h] / S[h] if good[h] else 0.0
        if steep[h] or not good[h]:
            lost += abs(below[h])
    scatter(w, conditional, ratio, P)
    for h in range(P.size):
        p = P[h] * e[h]
        P[h] = p if abs(p) > TINY else 0.0
    for h in range(below.size):
        if not good[h]:
            P[h * ratio] += below[h]
    return lost


@jit_ieee_strict
def _averages(P, f, f1, f2):
    """Mass of a density and its averages of f'^2, f''^2 and f."""
    mass = t = c = a = 0.0
    for h in range(P.size):
        p = P[h]
        mass += p
        t += p * f1[h] ** 2
        c += p * f2[h] ** 2
        a += p * f[h]
    return mass, t, c, a


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
    k, n = v.size - 1, f.shape[1]
    steps, sides = grids(dh, i0, ratio)
    good, steep = np.empty((k + 1, n), dtype=np.bool_), np.empty((k + 1, n), dtype=np.bool_)
    tilt = tilts(m, v, 1.0, slope, width)
    _backward(m, v, steps, sides, ratio, tilt, f, f1, f2, fbar, e, S, good, steep)
    w = stencil(v[0] / steps[0] ** 2, 0.0, 2 * sides[0])
    for h in range(2 * sides[0] + 1):
        at = abs(h - sides[0])
        P[0, h] = w[at] if at < w.size else 0.0
    error = 0.0
    for i in range(k + 1):
        ni = 2 * sides[i] + 1
        if i > 0:
            nc = 2 * sides[i - 1] + 1
            w = stencil((v[i] - v[i - 1]) / steps[i] ** 2, tilt[i] / steps[i], ni - 1)
            lost = _raise_density(
                w, ratio[i], P[i - 1, :nc], S[i], e[i], good[i], steep[i], P[i, :ni]
            )
            error = max(error, lost)
        mass, T[i], C[i], fm[i] = _averages(P[i, :ni], f[i], f1[i], f2[i])
        error = max(error, abs(mass - 1.0))
    return fm[0], error
