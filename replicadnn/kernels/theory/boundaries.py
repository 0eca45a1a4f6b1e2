"""Boundary functions of the Parisi flows: f of the highest level on a uniform grid."""

import math

from replicadnn.kernels._jit import jit_ieee_strict


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
