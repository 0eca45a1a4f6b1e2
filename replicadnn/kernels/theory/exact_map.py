"""Exact neurons, replica symmetric: passes over all layers of a network, and the matrix of Newton.

Layers l = 1..L stand at index l - 1, so do G and the variance eps of the field from above; at the
output eps = inf.  A hidden layer is liquid where q(l) = 0: then Q(l) = Q(l+1) = 0, and G(l) = 0.
Formulae: docs/theory.md, section 8; averages of one layer: `kernels.theory.exact`.
"""

from __future__ import annotations

import math

import numpy as np

from replicadnn.kernels._jit import jit_strict
from replicadnn.kernels.theory.exact import site, site_and_slopes
from replicadnn.kernels.theory.exact_known import CLOSE, close, find, following
from replicadnn.kernels.theory.symmetric import ONSET, relative_change, response

_SEED = 0.05  # q of a layer that wakes, in units of its growth minus 1; at most _LARGEST
_LARGEST = 1e-3
_SMALLER = 0.125  # ... and smaller by this factor until its image is larger than it is,
_TRIALS = 20  # ... so often at most
_REPEATS = 6
_STILL = 1e-3
_NEGLIGIBLE = 1e-17
_TINY = 1e-200


@jit_strict
def growth(alpha, c0, w2, below, G_above):
    """Growth factor of an infinitesimal overlap of a liquid layer; inf beyond the input onset.

    alpha G(l+1)^2 [1 + alpha c0^2 q(l-1)^2/(1 - alpha w2^2 q(l-1)^2)]   (docs/theory.md, eq. 48);
    ``below`` = q(l-1), G_above = G(l+1) at lam(l+1) = 0.
    """
    fed = alpha * below * below
    left = 1.0 - fed * w2 * w2
    if left <= 0.0:
        return math.inf
    return alpha * G_above * G_above * (1.0 + fed * c0 * c0 / left)


@jit_strict
def overlap_below(q, p, Q, P, l):
    """lam = q(l-1) Q(l), 0 if it underflows, and 1 - lam (at least 1e-200) of index ``l``."""
    lam = q[l] * Q[l]
    return lam if lam > _TINY else 0.0, max(p[l] + P[l] - p[l] * P[l], _TINY)


@jit_strict
def field_above(Q, G, l):
    """eps(l) = Q(l+1) G(l+1) of the layer at index ``l``; inf at the output, 0 if it underflows."""
    if l == Q.size - 1:
        return math.inf
    eps = Q[l + 1] * G[l + 1]
    return eps if eps > _TINY else 0.0


@jit_strict
def update(constants, known, alpha, q, p, Q, P, G, l):
    """Site and couplings of the layer at index ``l`` from their neighbours; relative change."""
    teacher, kappa, beta, drop, b = constants
    L = Q.size
    lam, mu = overlap_below(q, p, Q, P, l)
    eps = field_above(Q, G, l)
    k = find(known[0], kappa, lam, mu, eps)
    if k >= 0:
        full, log_rest, G[l] = following(known[0], known[1], k, lam, mu, eps)
    else:
        full, log_rest, G[l] = site(teacher, kappa, beta, drop, b, lam, mu, eps, 1)
    change = 0.0
    if l < L - 1:
        rest = math.exp(log_rest)
        change = relative_change(q[l + 1], full, p[l + 1], rest)
        q[l + 1], p[l + 1] = full, rest
    old, old_rest = Q[l], P[l]
    Q[l], P[l] = response(teacher, alpha * q[l] * G[l])
    return max(change, relative_change(old, Q[l], old_rest, P[l]))


@jit_strict
def wake(constants, alpha, c0, w2, factor, q, p, Q, P, G, n):
    """Give the liquid, unstable neuron layer ``n`` a small overlap that its own image exceeds.

    A climb from there cannot step over the smallest solution, however small the overlap of the
    layer is in it.  ``factor`` : growth of the layer; where it is inf the couplings below it grow
    by themselves, and they get the overlap that their neurons then have.
    """
    teacher, kappa, beta, drop, b = constants
    l = n - 1
    fed = alpha * (q[l] * w2) ** 2
    overlap = min(_SEED * (factor - 1.0), _LARGEST)
    for _ in range(_TRIALS):
        q[n], p[n] = overlap, 1.0 - overlap
        Q[n], P[n] = response(teacher, alpha * overlap * G[n])
        if factor == math.inf:
            Q[l] = min(overlap / (c0 * q[l]), 0.5)
            P[l] = 1.0 - Q[l]
            return
        G[l] = c0 * Q[n] * G[n] / (1.0 - fed)
        Q[l], P[l] = response(teacher, alpha * q[l] * G[l])
        lam, mu = overlap_below(q, p, Q, P, l)
        image, _, _ = site(teacher, kappa, beta, drop, b, lam, mu, field_above(Q, G, l), 1)
        if image > overlap:
            return
        overlap *= _SMALLER


@jit_strict
def sweep(constants, known, alpha, c0, w2, q, p, Q, P, G, moves, rest_below, floor, forward):
    """One Gauss-Seidel pass over the layers, in place; returns the largest relative change.

    A liquid layer that is unstable (`growth`) is seeded; a layer below ``floor`` that is not is set
    to exactly 0.  Layers are skipped while ``moves`` (L+1, by neuron layer; the output counts as
    L) of them and their neighbours are below ``rest_below``.
    """
    L = Q.size
    teacher = constants[0]
    change = 0.0
    for i in range(L):
        l = i if forward else L - 1 - i
        n = l + 1  # its neurons
        if max(moves[n - 1], moves[n], moves[min(n + 1, L)]) < rest_below:
            continue
        if n < L and q[n] < floor:
            factor = growth(alpha, c0, w2, q[n - 1], G[n])
            if factor <= 1.0 + ONSET:
                q[n], p[n], Q[l], P[l], Q[n], P[n] = 0.0, 1.0, 0.0, 1.0, 0.0, 1.0
                G[l] = 0.0
                moves[n] = 0.0
                continue
            if q[n] == 0.0:
                wake(constants, alpha, c0, w2, factor, q, p, Q, P, G, n)
                change = math.inf
        moved = 0.0
        for repeat in range(_REPEATS):
            moved = update(constants, known, alpha, q, p, Q, P, G, l)
            if n < L:
                old, old_rest = Q[n], P[n]
                Q[n], P[n] = response(teacher, alpha * q[n] * G[n])
                moved = max(moved, relative_change(old, Q[n], old_rest, P[n]))
            if repeat == 0:
                change = max(change, moved)
                moves[n] = moved
            if moved < _STILL or n == L:
                break
    return change


@jit_strict
def averages(constants, known, q, p, Q, P, arguments, table, linear, fine):
    """`site` of every layer from the overlaps, output first, or `site_and_slopes` if ``linear``.

    ``arguments`` (3, L), ``table`` (9, L) and the pair ``known`` of such as in `exact_known`: a
    layer close to a known one or to the last that was computed follows from it.
    """
    teacher, kappa, beta, drop, b = constants
    part = CLOSE if linear else 0.0
    L = Q.size
    last = L
    for l in range(L - 1, -1, -1):
        lam, mu = overlap_below(q, p, Q, P, l)
        eps = field_above(Q, table[2], l)
        arguments[0, l], arguments[1, l], arguments[2, l] = lam, mu, eps
        k = find(known[0], kappa, lam, mu, eps)
        if k >= 0:
            first = following(known[0], known[1], k, lam, mu, eps)
            for j in range(3, 9):
                table[j, l] = known[1][j, k]
        elif last < L and close(arguments, last, kappa, lam, mu, eps, part):
            first = following(arguments, table, last, lam, mu, eps)
            for j in range(3, 9):
                table[j, l] = table[j, last]
        else:
            last = l
            first = 0.0, 0.0, 0.0
            if linear:
                found = site_and_slopes(teacher, kappa, beta, drop, b, lam, mu, eps, fine)
                first = found[:3]
                for j in range(3, 9):
                    table[j, l] = found[j]
            elif lam > 0.0 or eps > 0.0:
                first = site(teacher, kappa, beta, drop, b, lam, mu, eps, fine)
            if lam == 0.0 and eps == 0.0:
                first = 0.0, 0.0, 0.0
        table[0, l], table[1, l], table[2, l] = first


@jit_strict
def reach(Q, G, by_field):
    """Layers over which a change of G is felt below it, to 1e-17 relative; by_field = dG/deps."""
    L = Q.size
    longest = 0
    for l in range(L - 1):
        size, k = 1.0, l
        while k < L - 1 and size > _NEGLIGIBLE:
            if G[k] <= 0.0:
                break
            size *= min(abs(by_field[k]) * Q[k + 1] * G[k + 1] / G[k], 1.0)
            k += 1
        longest = max(longest, k - l)
    return longest


@jit_strict
def add_curvature(row, size, q, p, Q, P, G, by_field, by_overlap, l):
    """Add ``size`` times dG(l)/dy to ``row`` (2L-1), y the logits; index ``l``.

    dG(l) = dG/dlam dlam(l) + dG/deps [G(l+1) dQ(l+1) + Q(l+1) dG(l+1)], and so on upwards.
    """
    L = Q.size
    start = abs(size) * max(G[l], 1e-300)
    while True:
        add_overlap(row, size * by_overlap[l], q, p, Q, P, l)
        if l == L - 1:
            return
        size *= by_field[l]
        row[2 * l + 2] += size * G[l + 1] * Q[l + 1] * P[l + 1]
        size *= Q[l + 1]
        l += 1
        if abs(size) * G[l] < _NEGLIGIBLE * start:
            return


@jit_strict
def add_overlap(row, size, q, p, Q, P, l):
    """Add ``size`` times dlam/dy to ``row``, lam = q(l-1) Q(l) of the layer at index ``l``."""
    if l > 0:
        row[2 * l - 1] += size * Q[l] * q[l] * p[l]
    row[2 * l] += size * q[l] * Q[l] * P[l]


@jit_strict
def newton_system(
    teacher, q, p, Q, P, active, new_q, log_rest, G, alpha, q_eps, q_lam, G_lam, values, bands
):  # fmt: skip
    """F(y) - y and the bands (2 w + 1, 2L-1) of 1 - dF/dy on the ``active`` logits; unit elsewhere.

    ``new_q``, ``log_rest``, ``G`` and dq/deps, dq/dlam = dG/deps, dG/dlam of `averages`.
    """
    L = Q.size
    n = 2 * L - 1
    width = (bands.shape[0] - 1) // 2
    bands[:] = 0.0
    values[:] = 0.0
    row = np.zeros(n)
    for i in range(n):
        if not active[i]:
            bands[width, i] = 1.0
            continue
        row[max(0, i - width) : min(n, i + width + 1)] = 0.0
        l = i // 2
        if G[l] <= 0.0 or new_q[l] <= 0.0:  # a guess far from any solution: refused by nan
            values[i], bands[width, i] = math.nan, 1.0
            continue
        if i % 2 == 0:  # Q(l+1), index l
            B = alpha * q[l] * G[l]
            new, rest = response(teacher, B)
            values[i] = math.log(new) - math.log(rest) - math.log(Q[l]) + math.log(P[l])
            gain = 1.0 if teacher else 1.0 / (1.0 + new)
            if l > 0:
                row[i - 1] += gain * p[l]
            add_curvature(row, gain / G[l], q, p, Q, P, G, q_lam, G_lam, l)
        else:  # q(l+1): neurons of the layer at index l
            rest = math.exp(log_rest[l])
            if rest <= 0.0:  # 1 - q underflows: refused likewise
                values[i], bands[width, i] = math.nan, 1.0
                continue
            values[i] = math.log(new_q[l]) - log_rest[l] - math.log(q[l + 1]) + math.log(p[l + 1])
            gain = 1.0 / (new_q[l] * rest)
            add_overlap(row, gain * q_lam[l], q, p, Q, P, l)
            field = gain * q_eps[l]
            row[2 * l + 2] += field * G[l + 1] * Q[l + 1] * P[l + 1]
            add_curvature(row, field * Q[l + 1], q, p, Q, P, G, q_lam, G_lam, l + 1)
        for j in range(max(0, i - width), min(n, i + width + 1)):
            value = -row[j] if active[j] else 0.0
            bands[width + i - j, j] = value + (1.0 if i == j else 0.0)
