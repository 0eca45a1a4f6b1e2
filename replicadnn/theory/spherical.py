"""Spherical response: the coupling overlaps Q_i that a field of overlaps B_i induces.

Formulas: docs/theory.md, section 6. With the resolvents ``D_k = 1 - Q_k`` and
``D_{i-1} = D_i + m_i (Q_i - Q_{i-1})`` the relation is explicit from Q to B,

    B_0 = Q_0 / D_0^2,     B_i - B_{i-1} = (Q_i - Q_{i-1}) / (D_i D_{i-1}),

and from B to Q once ``mu = 1/D_k`` is known; mu follows from the length constraint
``1/mu + Q_k = 1``. Every function but `response` accepts complex input and leading batch axes, so
that derivatives can be taken exactly by a complex step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

Array = NDArray[Any]
STEP = 1e-30


def resolvents(Q: Array, m: Array) -> Array:
    """D_i, i = 0..k, from overlaps `Q` (..., k+1) and breakpoints `m` (..., k+1) with m_0 = 0."""
    top = 1.0 - Q[..., -1:]
    steps = m[..., 1:] * np.diff(Q, axis=-1)
    below = top + np.cumsum(steps[..., ::-1], axis=-1)[..., ::-1]
    return np.concatenate([below, top], axis=-1)


def field_overlaps(Q: Array, m: Array) -> Array:
    """B_i(Q), the inverse of `response`; shapes as in `resolvents`."""
    D = resolvents(Q, m)
    first = Q[..., :1] / D[..., :1] ** 2
    steps = np.diff(Q, axis=-1) / (D[..., 1:] * D[..., :-1])
    return np.concatenate([first, first + np.cumsum(steps, axis=-1)], axis=-1)


def entropy(Q: Array, m: Array) -> Any:
    """S_sph = 1/2 [ ln D_k + sum_i (1/m_i) ln(D_{i-1}/D_i) + Q_0/D_0 ], i = 1..k."""
    D = resolvents(Q, m)
    ratio = np.log1p(m[..., 1:] * np.diff(Q, axis=-1) / D[..., 1:])
    return 0.5 * (np.log(D[..., -1]) + (ratio / m[..., 1:]).sum(-1) + Q[..., 0] / D[..., 0])


def entropy_dm(Q: Array, m: Array) -> Array:
    """dS_sph/dm_i at fixed Q, i = 1..k (last axis k).

    S'_i = 1/2 { -ln(D_{i-1}/D_i)/m_i^2 + (Q_i - Q_{i-1}) [1/(m_i D_{i-1}) - B_{i-1}] }.
    """
    D = resolvents(Q, m)
    B = field_overlaps(Q, m)
    dQ = np.diff(Q, axis=-1)
    mi = m[..., 1:]
    ratio = dQ / D[..., 1:]
    value: Array = 0.5 * (ratio**2 * _curved_log(mi * ratio) - dQ * B[..., :-1])
    return value


def _curved_log(x: Array) -> Array:
    """(x/(1+x) - ln(1+x))/x^2, by its series sum_n (-x)^(n-2) (1-n)/n, n >= 2, where it cancels."""
    near = np.abs(x) < 0.01
    safe = np.where(near, 1.0, x)
    closed = (safe / (1.0 + safe) - np.log1p(safe)) / safe**2
    small = np.where(near, x, 0.0)
    series = sum((1.0 - n) / n * (-small) ** (n - 2) for n in range(2, 12))
    return np.asarray(np.where(near, series, closed))


def jacobians(Q: Array, m: Array) -> tuple[Array, Array, Array, Array]:
    """dB/dQ, dB/dm (k+1, k), dS'/dQ (k, k+1), dS'/dm (k, k) by complex step (exact)."""
    k1 = Q.size
    dQ = Q + 1j * STEP * np.eye(k1)
    dm = m + 1j * STEP * np.eye(k1)[1:]
    fixed_m = np.broadcast_to(m, dQ.shape)
    fixed_Q = np.broadcast_to(Q, dm.shape)
    return (
        field_overlaps(dQ, fixed_m).imag.T / STEP,
        field_overlaps(fixed_Q, dm).imag.T / STEP,
        entropy_dm(dQ, fixed_m).imag.T / STEP,
        entropy_dm(fixed_Q, dm).imag.T / STEP,
    )


def _overlaps_at(mu: float, B: Array, m: Array) -> Array:
    """Q_i for a given multiplier `mu`."""
    k = B.size - 1
    c = np.empty(k + 1)
    c[k] = 1.0 / mu
    steps = np.diff(B)
    d = np.ones(k + 1)
    for i in range(k, 0, -1):
        d[i] = 1.0 - m[i] * steps[i - 1] * c[i]
        c[i - 1] = c[i] / d[i]
    w = np.empty(k + 1)
    w[0] = B[0]
    for i in range(1, k + 1):
        w[i] = w[i - 1] / d[i] ** 2 + steps[i - 1] / d[i]
    return np.asarray(c**2 * w)


def response(B: Array, m: Array) -> Array:
    """Overlaps Q_i, i = 0..k, induced by non-decreasing field overlaps `B` >= 0.

    c_k = 1/mu, c_{i-1} = c_i/d_i, d_i = 1 - m_i (B_i - B_{i-1}) c_i; w_0 = B_0,
    w_i = w_{i-1}/d_i^2 + (B_i - B_{i-1})/d_i; Q_i = c_i^2 w_i; mu from 1/mu + Q_k = 1.
    mu is sought above max(1, sum_i m_i (B_i - B_{i-1})), where all d_i > 0.
    """
    if B[-1] <= 0.0:
        return np.zeros_like(B)
    low = max(1.0, float(np.sum(m[1:] * np.diff(B))))

    def excess(mu: float) -> float:
        return float(1.0 / mu + _overlaps_at(mu, B, m)[-1] - 1.0)

    high = 2.0 * low + 2.0 * np.sqrt(B[-1])
    while excess(high) > 0.0:
        high *= 2.0
    gap = high - low
    while excess(low + gap) <= 0.0 and gap > 1e-15 * low:
        gap *= 0.5
    if excess(low + gap) <= 0.0:  # B below rounding: the root is mu = low
        return _overlaps_at(low + gap, B, m)
    mu = brentq(excess, low + gap, high, xtol=1e-300, rtol=8.9e-16, maxiter=500)
    return _overlaps_at(float(mu), B, m)
