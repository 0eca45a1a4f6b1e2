"""Many functions on one grid: convolved, multiplied and summed eight at a time.

A table of functions x_b(h), h = 0..size-1, is one array in which function b stands at point h in
place (b - b % 8) size + 8 h + b % 8: eight functions of a group side by side, so that a vector
register holds them while a loop runs over a stencil or over the grid. `count` is a number of
functions rounded up to whole groups. The readable statements are matrix products (see the
docstrings); tests compare with them.
"""

import numpy as np

from replicadnn.kernels._jit import jit_ieee
from replicadnn.kernels._simd import dadd, dload, dmul, dmuladd, dsplat, dstore

GROUP = 8


@jit_ieee
def convolve(w, x, size, shift, ratio, count, low, high, scale, out, out_size):
    """out_b(c) = scale_c sum_d w_|d| x_b(shift + c ratio + d), low <= c < high.

    The stencil has to stay in the table. Where scale_c = 0, out_b(c) becomes out_b(c ratio).
    """
    half = w.size - 1
    w0, zero = dsplat(w[0]), dsplat(0.0)
    for first in range(0, count, 2 * GROUP):
        one, to = first * size, first * out_size
        two, other = one + GROUP * size, to + GROUP * out_size
        pair = first + GROUP < count
        for c in range(low, high):
            here = GROUP * c
            if scale[c] == 0.0:
                dstore(out, to + here, dload(out, to + here * ratio))
                if pair:
                    dstore(out, other + here, dload(out, other + here * ratio))
                continue
            at = GROUP * (shift + c * ratio)
            s = dsplat(scale[c])
            odd, even = zero, dmul(w0, dload(x, one + at))
            if not pair:
                up = down = one + at
                for d in range(1, half, 2):
                    up, down = up + GROUP, down - GROUP
                    odd = dmuladd(dsplat(w[d]), dadd(dload(x, up), dload(x, down)), odd)
                    up, down = up + GROUP, down - GROUP
                    even = dmuladd(dsplat(w[d + 1]), dadd(dload(x, up), dload(x, down)), even)
                if half % 2 == 1:
                    up, down = up + GROUP, down - GROUP
                    odd = dmuladd(dsplat(w[half]), dadd(dload(x, up), dload(x, down)), odd)
                dstore(out, to + here, dmul(s, dadd(odd, even)))
                continue
            odd2, even2 = zero, dmul(w0, dload(x, two + at))
            up, down, gap = one + at, one + at, two - one
            for d in range(1, half, 2):
                up, down, v = up + GROUP, down - GROUP, dsplat(w[d])
                odd = dmuladd(v, dadd(dload(x, up), dload(x, down)), odd)
                odd2 = dmuladd(v, dadd(dload(x, up + gap), dload(x, down + gap)), odd2)
                up, down, v = up + GROUP, down - GROUP, dsplat(w[d + 1])
                even = dmuladd(v, dadd(dload(x, up), dload(x, down)), even)
                even2 = dmuladd(v, dadd(dload(x, up + gap), dload(x, down + gap)), even2)
            if half % 2 == 1:
                up, down, v = up + GROUP, down - GROUP, dsplat(w[half])
                odd = dmuladd(v, dadd(dload(x, up), dload(x, down)), odd)
                odd2 = dmuladd(v, dadd(dload(x, up + gap), dload(x, down + gap)), odd2)
            dstore(out, to + here, dmul(s, dadd(odd, even)))
            dstore(out, other + here, dmul(s, dadd(odd2, even2)))


@jit_ieee
def weighted(x, size, count, y, low, high, out, out_size, shift):
    """out_b(h + shift) = y_h x_b(h), low <= h < high."""
    for b in range(0, count, GROUP):
        at, to = b * size, b * out_size + GROUP * shift
        for h in range(low, high):
            dstore(out, to + GROUP * h, dmul(dsplat(y[h]), dload(x, at + GROUP * h)))


@jit_ieee
def clear(x, size, count, low, high):
    """x_b(h) = 0, low <= h < high."""
    for b in range(0, count, GROUP):
        for h in range(low, high):
            dstore(x, b * size + GROUP * h, dsplat(0.0))


@jit_ieee
def add_sums(x, size, count, y, low, high, sign, out):
    """out_b += sign sum_h y_h x_b(h), low <= h < high."""
    for b in range(0, count, GROUP):
        total = dsplat(0.0)
        for h in range(low, high):
            total = dmuladd(dsplat(y[h]), dload(x, b * size + GROUP * h), total)
        dstore(out, b, dmuladd(dsplat(sign), total, dload(out, b)))


@jit_ieee
def add_products(x, y, size, count, low, high, weight, out):
    """out_ab += weight_a sum_h x_a(h) y_b(h), for b up to the group of a; low <= h < high."""
    columns = out.shape[1]
    flat = out.reshape(-1)
    for a in range(0, count, GROUP):
        for b in range(0, a + GROUP, GROUP):
            s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = dsplat(0.0)
            for h in range(low, high):
                at = a * size + GROUP * h
                v = dload(y, b * size + GROUP * h)
                s0 = dmuladd(dsplat(x[at]), v, s0)
                s1 = dmuladd(dsplat(x[at + 1]), v, s1)
                s2 = dmuladd(dsplat(x[at + 2]), v, s2)
                s3 = dmuladd(dsplat(x[at + 3]), v, s3)
                s4 = dmuladd(dsplat(x[at + 4]), v, s4)
                s5 = dmuladd(dsplat(x[at + 5]), v, s5)
                s6 = dmuladd(dsplat(x[at + 6]), v, s6)
                s7 = dmuladd(dsplat(x[at + 7]), v, s7)
            to = a * columns + b
            for i, s in enumerate((s0, s1, s2, s3, s4, s5, s6, s7)):
                here = to + i * columns
                dstore(flat, here, dmuladd(dsplat(weight[a + i]), s, dload(flat, here)))


@jit_ieee
def convolve_one(w, x, out):
    """out(h) = sum_d w_|d| x(h + d) for one function, zero outside the grid."""
    n, half = x.size, w.size - 1
    padded, whole = np.zeros(n + 2 * half + GROUP), np.empty(n + GROUP)
    for h in range(n):
        padded[half + h] = x[h]
    for h in range(0, n, GROUP):
        odd, even = dsplat(0.0), dmul(dsplat(w[0]), dload(padded, half + h))
        up = down = half + h
        for d in range(1, half, 2):
            up, down = up + 1, down - 1
            odd = dmuladd(dsplat(w[d]), dadd(dload(padded, up), dload(padded, down)), odd)
            up, down = up + 1, down - 1
            even = dmuladd(dsplat(w[d + 1]), dadd(dload(padded, up), dload(padded, down)), even)
        if half % 2 == 1:
            odd = dmuladd(
                dsplat(w[half]), dadd(dload(padded, up + 1), dload(padded, down - 1)), odd
            )
        dstore(whole, h, dadd(odd, even))
    for h in range(n):
        out[h] = whole[h]
