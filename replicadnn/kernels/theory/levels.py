"""Compiled moves of levels along a curve (see `replicadnn.theory.broken.layout.apply_step`)."""

import math

import numpy as np

from replicadnn.kernels._jit import jit_short


@jit_short
def _slopes(x, y):
    """Derivatives of the monotone cubic through (x, y): weighted harmonic means."""
    n = x.size
    d, h, s = np.zeros(n), np.empty(n - 1), np.empty(n - 1)
    for i in range(n - 1):
        h[i] = x[i + 1] - x[i]
        s[i] = (y[i + 1] - y[i]) / h[i]
    for i in range(1, n - 1):
        if s[i - 1] * s[i] > 0.0:
            a = 2.0 * h[i] + h[i - 1]
            b = h[i] + 2.0 * h[i - 1]
            d[i] = (a + b) / (a / s[i - 1] + b / s[i])
    d[0] = max(0.0, 1.5 * s[0] - 0.5 * d[1])
    d[n - 1] = max(0.0, 1.5 * s[n - 2] - 0.5 * d[n - 2])
    return d


@jit_short
def _cubic(x, y, d, t):
    """Value of the cubic at t; outside the nodes a straight line."""
    n = x.size
    if t <= x[0]:
        return y[0] + d[0] * (t - x[0])
    if t >= x[n - 1]:
        return y[n - 1] + d[n - 1] * (t - x[n - 1])
    i = 0
    while x[i + 1] < t:
        i += 1
    h = x[i + 1] - x[i]
    u = (t - x[i]) / h
    v = 1.0 - u
    return (
        y[i] * v * v * (1.0 + 2.0 * u)
        + y[i + 1] * u * u * (3.0 - 2.0 * u)
        + h * u * v * (d[i] * v - d[i + 1] * u)
    )


@jit_short
def slide(values, step, old, new, max_log, bound, out):
    """Levels `values` at cell centres `old`, moved to centres `new` and by `step`, into `out`.

    Increments of Phi(new) times exp(increment of the rest / old increment); Phi the monotone
    cubic through (old, values), rest = step - Phi'(old) (new - old). With a `bound` (1 for
    overlaps, 0: none) the distance of the last level from it is one more increment and all are
    rescaled to the sum `bound`: a small distance then changes by a factor, whatever large
    increments below it do in second order.
    """
    n = values.size
    moved, rest, before = np.empty(n), np.empty(n), np.empty(n)
    for i in range(n):
        before[i] = moved[i] = values[i] - (values[i - 1] if i > 0 else 0.0)
        rest[i] = step[i]
    room = bound - values[n - 1]
    moved_room = room
    if n > 2:
        d = _slopes(old, values)
        last = 0.0
        ok = True
        along = np.empty(n)
        for i in range(n):
            here = _cubic(old, values, d, new[i])
            along[i] = here - last
            last = here
            ok = ok and along[i] > 0.1 * before[i] and along[i] < 10.0 * before[i]
        if bound > 0.0:
            ok = ok and bound - last > 0.5 * room and bound - last < 2.0 * room
        if ok:
            moved_room = bound - last
            for i in range(n):
                moved[i] = along[i]
                rest[i] -= d[i] * (new[i] - old[i])
    total = 0.0
    for i in range(n):
        ratio = (rest[i] - (rest[i - 1] if i > 0 else 0.0)) / before[i]
        total += moved[i] * math.exp(min(max(ratio, -max_log), max_log))
        out[i] = total
    if bound > 0.0:
        ratio = -rest[n - 1] / room
        moved_room *= math.exp(min(max(ratio, -max_log), max_log))
        for i in range(n):
            out[i] *= bound / (total + moved_room)


@jit_short
def slide_blocks(values, step, old, new, offsets, first, bounds, max_log):
    """`slide` for consecutive blocks of levels, block b from level first[b] on."""
    out = np.empty_like(values)
    for b in range(first.size):
        at = slice(offsets[b], offsets[b + 1])
        span = slice(first[b], first[b] + offsets[b + 1] - offsets[b])
        slide(values[at], step[at], old[span], new[span], max_log, bounds[b], out[at])
    return out


@jit_short
def largest_ratio(values, step, offsets, bounds, floor):
    """max |increment of step| / increment of values over increments above `floor` of the last one.

    The distance of the last level of a block from its bound (0: none) counts as an increment.
    """
    worst = 0.0
    for b in range(bounds.size):
        last = offsets[b + 1] - 1
        below = change_below = 0.0
        for i in range(offsets[b], last + 1):
            before, change = values[i] - below, step[i] - change_below
            below, change_below = values[i], step[i]
            if before > floor * values[last]:
                worst = max(worst, abs(change) / before)
        if bounds[b] > 0.0:
            worst = max(worst, abs(step[last]) / (bounds[b] - values[last]))
    return worst


@jit_short
def widths(m):
    """m_{i+1} - m_i, with m_{K+1} = 1."""
    out = np.empty(m.size)
    for i in range(m.size - 1):
        out[i] = m[i + 1] - m[i]
    out[m.size - 1] = 1.0 - m[m.size - 1]
    return out
