"""Compiled spherical couplings: S_sph, its derivatives, B(Q) and its inverse for one layer.

D_k = 1 - Q_k, D_{i-1} = D_i + m_i dQ_i, dQ_i = Q_i - Q_{i-1}, w_i = m_{i+1} - m_i, m_{k+1} = 1
(docs/theory.md, section 6). With the rate at which B_i changes when D_0..D_i all grow alike,

    E_i = -2 Q_0/D_0^3 - sum_{r=1..i} dQ_r (D_r + D_{r-1})/(D_r D_{r-1})^2,

the second derivatives are closed: dB_i/dQ_j = delta_ij/D_i^2 - w_j E_min(i,j), and those in m
follow from dD_r/dm_i = dQ_i (r < i). The readable twin is `replicadnn.theory.spherical`, which
takes them by complex steps.
"""

import math

import numpy as np

from replicadnn.kernels._jit import jit_short

SERIES = 0.1  # below, `curved_log` by its series
TERMS = 22


@jit_short
def resolvents(Q, m):
    """D_i, i = 0..k."""
    k = Q.size - 1
    D = np.empty(k + 1)
    D[k] = 1.0 - Q[k]
    for i in range(k, 0, -1):
        D[i - 1] = D[i] + m[i] * (Q[i] - Q[i - 1])
    return D


@jit_short
def field_overlaps(Q, m):
    """B_0 = Q_0/D_0^2, B_i - B_{i-1} = dQ_i/(D_i D_{i-1})."""
    D = resolvents(Q, m)
    B = np.empty(Q.size)
    B[0] = Q[0] / D[0] ** 2
    for i in range(1, Q.size):
        B[i] = B[i - 1] + (Q[i] - Q[i - 1]) / (D[i] * D[i - 1])
    return B


@jit_short
def curved_log(x):
    """g(x) = (x/(1+x) - ln(1+x))/x^2 and g'(x), by sum_n (-x)^(n-2) (1-n)/n where they cancel."""
    if x < SERIES:
        g, slope, power = 0.0, 0.0, 1.0
        for n in range(2, TERMS):
            c = (1.0 - n) / n
            g += c * power
            if n + 1 < TERMS:
                slope += n / (n + 1.0) * (n - 1.0) * power
            power *= -x
        return g, slope
    g = (x / (1.0 + x) - math.log1p(x)) / x**2
    return g, -(2.0 * g + 1.0 / (1.0 + x) ** 2) / x


@jit_short
def entropy(Q, m):
    """S_sph and dS_sph/dm_i at fixed Q, i = 1..k."""
    D = resolvents(Q, m)
    B = field_overlaps(Q, m)
    k = Q.size - 1
    total = math.log(D[k]) + Q[0] / D[0]
    by_m = np.empty(k)
    for i in range(1, k + 1):
        dQ = Q[i] - Q[i - 1]
        ratio = dQ / D[i]
        total += math.log1p(m[i] * ratio) / m[i]
        by_m[i - 1] = 0.5 * (ratio**2 * curved_log(m[i] * ratio)[0] - dQ * B[i - 1])
    return 0.5 * total, by_m


@jit_short
def second_derivatives(Q, m):
    """dB/dQ (k+1, k+1), d^2S/dm dQ (k, k+1) and d^2S/dm^2 (k, k) of S_sph(Q, m)."""
    D = resolvents(Q, m)
    B = field_overlaps(Q, m)
    k = Q.size - 1
    E = np.empty(k + 1)
    E[0] = -2.0 * Q[0] / D[0] ** 3
    for i in range(1, k + 1):
        E[i] = E[i - 1] - (Q[i] - Q[i - 1]) * (D[i] + D[i - 1]) / (D[i] * D[i - 1]) ** 2
    by_Q = np.empty((k + 1, k + 1))
    by_mQ = np.empty((k, k + 1))
    by_m = np.empty((k, k))
    for j in range(k + 1):
        step = (m[j + 1] if j < k else 1.0) - m[j]
        for i in range(k + 1):
            by_Q[i, j] = -step * E[min(i, j)]
        by_Q[j, j] += 1.0 / D[j] ** 2
        for i in range(1, k + 1):  # dS/dQ_j = w_j B_j/2
            dQ = Q[i] - Q[i - 1]
            change = E[j] if i > j else E[i - 1] - dQ / (D[i] * D[i - 1] ** 2)
            by_mQ[i - 1, j] = 0.5 * step * dQ * change
        if j > 0:
            by_mQ[j - 1, j] -= 0.5 * B[j]
        if j < k:
            by_mQ[j, j] += 0.5 * B[j]
    for i in range(1, k + 1):
        dQ = Q[i] - Q[i - 1]
        ratio = dQ / D[i]
        own = ratio**3 * curved_log(m[i] * ratio)[1]
        by_m[i - 1, i - 1] = 0.5 * (own - dQ**2 * E[i - 1])
        for j in range(i + 1, k + 1):
            other = dQ**2 / (D[i] * D[i - 1] ** 2) - dQ * E[i - 1]
            by_m[i - 1, j - 1] = by_m[j - 1, i - 1] = 0.5 * (Q[j] - Q[j - 1]) * other
    return by_Q, by_mQ, by_m


@jit_short
def _overlaps_at(mu, B, m, Q):
    """Write Q_i for a multiplier `mu`; returns 1/mu + Q_k - 1."""
    k = B.size - 1
    Q[k] = 1.0 / mu
    for i in range(k, 0, -1):  # c_{i-1} = c_i/d_i
        Q[i - 1] = Q[i] / (1.0 - m[i] * (B[i] - B[i - 1]) * Q[i])
    w = B[0]
    for i in range(k + 1):
        c = Q[i]
        if i > 0:
            d = 1.0 - m[i] * (B[i] - B[i - 1]) * c
            w = w / d**2 + (B[i] - B[i - 1]) / d
        Q[i] = c * c * w
    return 1.0 / mu + Q[k] - 1.0


@jit_short
def response(B, m):
    """Q_i(B), the inverse of `field_overlaps`."""
    return response_and_rest(B, m)[0]


@jit_short
def response_and_rest(B, m):
    """Q_i(B) and 1 - Q_k = D_k = 1/mu, which keeps its digits; mu by bisection to the last one."""
    k = B.size - 1
    Q = np.zeros(k + 1)
    if B[k] <= 0.0:
        return Q, 1.0
    low = 0.0
    for i in range(1, k + 1):
        low += m[i] * (B[i] - B[i - 1])
    low = max(1.0, low)
    high = 2.0 * low + 2.0 * math.sqrt(B[k])
    while _overlaps_at(high, B, m, Q) > 0.0:
        high *= 2.0
    # mu - low is bracketed on the scale of its logarithm; B below rounding: the root is mu = low
    gap = high - low
    while _overlaps_at(low + gap, B, m, Q) <= 0.0 and gap > 1e-15 * low:
        high = low + gap
        gap *= 0.5
    left = low + gap
    while True:
        middle = 0.5 * (left + high)
        if not left < middle < high:
            break
        if _overlaps_at(middle, B, m, Q) > 0.0:
            left = middle
        else:
            high = middle
    _overlaps_at(left, B, m, Q)
    return Q, 1.0 / left
