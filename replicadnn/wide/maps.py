"""Maps of variances and correlations through the layers, and their fixed points.

Everything works on arrays: one pair (sigma_w^2, sigma_b^2), or a whole plane of them.
"""

from __future__ import annotations

import math

import numpy as np

from replicadnn import interrupt
from replicadnn.types import FloatArray
from replicadnn.wide.activations import Activation
from replicadnn.wide.ask import CRITICAL

#: A variance that passes this has no fixed point; one below the floor is 0.
_CEILING, _FLOOR = 1e9, 1e-12
#: Variances below this have no correlation that a float could hold.
_NOTHING = 1e-280
#: Relative width at which a root is found.
_CLOSE = 4e-16


def fixed_variance(
    phi: Activation, sigma_w2: FloatArray, sigma_b2: FloatArray, start: FloatArray
) -> FloatArray:
    """q* = sigma_w^2 V(q*) + sigma_b^2, the first one that q meets from ``start``; inf: none.

    0 where only that is left, ``start`` itself where it does not move (relu at sigma_w^2 = 2).
    """
    sigma_w2, sigma_b2, start = np.broadcast_arrays(sigma_w2, sigma_b2, start)
    change = sigma_w2 * phi.square(start) + sigma_b2 - start
    found = np.where(change == 0.0, start, np.nan)
    low, high = start.copy(), start.copy()
    up, down = change > 0.0, change < 0.0
    for _ in range(64):
        interrupt.check()
        for side, edge, other, factor in ((up, high, low, 2.0), (down, low, high, 0.25)):
            if side.any():
                other[side] = edge[side]
                edge[side] *= factor
                value = sigma_w2[side] * phi.square(edge[side]) + sigma_b2[side] - edge[side]
                side[side] = value > 0.0 if factor > 1.0 else value < 0.0
        found[up & (high > _CEILING)], found[down & (low < _FLOOR)] = np.inf, 0.0
        up &= np.isnan(found)
        down &= np.isnan(found)
        if not (up.any() or down.any()):
            break
    todo = np.isnan(found)
    if todo.any():
        found[todo] = _root(phi, sigma_w2[todo], sigma_b2[todo], low[todo], high[todo])
    return found


def _root(
    phi: Activation, sigma_w2: FloatArray, sigma_b2: FloatArray, low: FloatArray, high: FloatArray
) -> FloatArray:
    """The root between ``low`` (q rises there) and ``high``: Newton, halved where it leaves."""
    q = 0.5 * (low + high)
    for _ in range(200):
        interrupt.check()
        value = sigma_w2 * phi.square(q) + sigma_b2 - q
        low, high = np.where(value > 0.0, q, low), np.where(value > 0.0, high, q)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = q - value / (sigma_w2 * phi.response(q) - 1.0)
        inside = (step > low) & (step < high)
        new = np.where(inside, step, 0.5 * (low + high))
        moved = np.abs(new - q)
        q = np.where(value == 0.0, q, new)
        if np.all((moved <= _CLOSE * q) | (value == 0.0) | (high - low <= _CLOSE * high)):
            break
    return q


def fixed_correlation(
    phi: Activation, sigma_w2: FloatArray, sigma_b2: FloatArray, q: FloatArray
) -> FloatArray:
    """c* of the map c -> (sigma_w^2 F(q*, q*, c) + sigma_b^2)/q*; nan where q* is 0 or infinite.

    F is a power series in c of coefficients >= 0 (docs/wide.md, eq. 5), so the map is convex on
    [0, 1] and maps 1 to itself: for chi_1 <= 1 there is no other fixed point, else exactly one, to
    which Newton's steps from c = 0 rise.
    """
    sigma_w2, sigma_b2, q = np.broadcast_arrays(sigma_w2, sigma_b2, q)
    there = (q > 0.0) & np.isfinite(q)
    found = np.where(there, 1.0, np.nan)
    chi = np.ones(q.shape)
    chi[there] = sigma_w2[there] * phi.slope_square(q[there])
    todo = there & (chi > 1.0)
    w, b, at = sigma_w2[todo], sigma_b2[todo], q[todo]
    c, left = np.zeros(w.shape), np.ones(w.shape, bool)
    for _ in range(120):
        if not left.any():
            break
        interrupt.check()
        w_, at_, c_ = w[left], at[left], c[left]
        rise = (w_ * phi.product(at_, at_, c_) + b[left]) / at_ - c_
        slope = 1.0 - w_ * phi.slope_product(at_, at_, c_)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.where(slope > 0.0, rise / slope, 0.0)
        c[left] = np.minimum(c_ + step, 1.0)
        left[left] = np.abs(step) > 1e-15
    found[todo] = c
    return found


def depth_scale(chi: FloatArray) -> FloatArray:
    """xi = -1/ln chi, layers: 0 at chi = 0, inf at 1 (to 1e-12), < 0: growth; nan at inf."""
    chi = np.asarray(chi, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = -1.0 / np.log(chi)
    found = np.where(np.abs(chi - 1.0) <= CRITICAL, np.inf, found)
    return np.asarray(np.where(np.isinf(chi), np.nan, np.where(chi == 0.0, 0.0, found)))


def forward(
    phi: Activation, sigma_w2: float, sigma_b2: float, L: int, q0: float, c0: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """q^l, c^l and 1 - c^l, l = 1..L, from two inputs of |x|^2/M_0 = q0 and correlation c0.

    Small 1 - c and small c are iterated as such, each to its own last digits.
    """
    q, c, gap = np.empty(L), np.empty(L), np.empty(L)
    q[0] = sigma_w2 * q0 + sigma_b2
    c[0] = (sigma_w2 * q0 * c0 + sigma_b2) / q[0]
    gap[0] = sigma_w2 * q0 * (1.0 - c0) / q[0]
    for l in range(1, L):
        interrupt.check()
        q[l] = sigma_w2 * phi.square(q[l - 1]) + sigma_b2
        if q[l] < _NOTHING or not math.isfinite(q[l]):
            q[l:], c[l:], gap[l:] = q[l], math.nan, math.nan
            break
        if gap[l - 1] < 0.5:
            gap[l] = sigma_w2 * phi.deficit(q[l - 1], gap[l - 1]) / q[l]
            c[l] = 1.0 - gap[l]
        else:
            c[l] = (sigma_w2 * phi.product(q[l - 1], q[l - 1], c[l - 1]) + sigma_b2) / q[l]
            gap[l] = 1.0 - c[l]
    return q, c, gap


def log_gradient(phi: Activation, sigma_w2: float, q: FloatArray) -> FloatArray:
    """ln |df/dh^l|^2, l = 1..L: the sum of ln(sigma_w^2 D(q^k)) over k = l..L-1, 0 at l = L."""
    steps = np.log(sigma_w2 * phi.slope_square(q[:-1]))
    return np.append(np.cumsum(steps[::-1])[::-1], 0.0)
