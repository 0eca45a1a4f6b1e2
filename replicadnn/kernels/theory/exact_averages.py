"""Exact neurons: the field v of one omega, and averages over u.

Notation and the choice of grids: `kernels.theory.exact`, which sums these over omega.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erf as _erf

from replicadnn.kernels._jit import jit, jit_strict
from replicadnn.kernels.theory.exact_grids import EXPONENT, message_grid, reach
from replicadnn.kernels.theory.special import erfcx

_SQRT_2PI = math.sqrt(2.0 * math.pi)
_SQRT_HALF = math.sqrt(0.5)
_SQRT_PI = math.sqrt(math.pi)

NARROW = 1.5  # eps up to which u has its own grid
_TINY = 1e-290
_NEAR_ZERO = 0.25  # t by quadrature of its density: W(omega) - W(-omega) cancels
_FEW_NODES, _FEW_WEIGHTS = np.polynomial.legendre.leggauss(6)

# Tables over x = k _TABLE_STEP, k = 0, 1, ...; what is even or odd in x is said by `far_sums`.
_TABLE_STEP = 0.125
_X = _TABLE_STEP * np.arange(360)
_TAU = np.tanh(_X)
_SECH = 1.0 / np.cosh(_X)
_RHO = _SECH**2
_SOFT_SIGN = _TAU - _erf(_X)
_SOFT_SIZE = np.log1p(np.exp(-2.0 * _X)) + np.where(
    _X > 0.0, _X * (1.0 - _erf(_X)) - np.exp(-(_X**2)) / _SQRT_PI, -1.0 / _SQRT_PI
)
_PLANTED = 0.5 * (
    np.exp(_X) * np.log1p(np.exp(-2.0 * _X))
    + np.exp(-_X) * (2.0 * _X + np.log1p(np.exp(-2.0 * _X)))
)


# -- the weight at one omega ------------------------------------------------------------------
@jit_strict
def side(u, beta, b):
    """ln w(u) and w'(u)/w(u)."""
    tail, gauss = erfcx(abs(u) * _SQRT_HALF), math.exp(-0.5 * u * u)
    if u >= 0.0:
        missing = 0.5 * b * tail * gauss
        return math.log1p(-missing), b * gauss / (_SQRT_2PI * (1.0 - missing))
    signal = math.log(0.5 * b * tail) - 0.5 * u * u
    if math.isinf(beta):
        return signal, 2.0 / (_SQRT_2PI * tail)
    slope = b / (_SQRT_2PI * (math.exp(0.5 * u * u - beta) + 0.5 * b * tail))
    if signal > -beta:
        return signal + math.log1p(math.exp(-beta - signal)), slope
    return -beta + math.log1p(math.exp(signal + beta)), slope


@jit_strict
def side_curvature(u, slope, beta, b):
    """(ln w)''(u) = -h (u + h), h = ``slope``; below u = -6, where u + h cancels, by phi/Phi.

    There h0 = phi/Phi = |u| + 1/(|u| + 2/(|u| + 3/(...))), and h is the share of Phi in w times h0.
    """
    if u > -6.0:
        return -slope * (u + slope)
    size = -u
    excess = size
    for n in range(26, 1, -1):
        excess = size + n / excess
    excess = 1.0 / excess
    if math.isinf(beta):
        return -slope * excess
    ratio = math.exp(0.5 * u * u - beta) / (0.5 * b * erfcx(size * _SQRT_HALF))
    floor = 1.0 / (1.0 + 1.0 / ratio) if ratio > 0.0 else 0.0  # share of exp(-beta) in w
    return -slope * (excess - floor * (size + excess))


@jit_strict
def neuron_field(y, k, beta, b):
    """r+, r- (per y), v, t, P-, P+ = (1 +- t)/2 at omega = sqrt(mu) y >= 0; k = kappa/sqrt(mu).

    Next to y = 0 t = b phi(k) Int_-y^y exp(-s^2/2 - k s) ds/(W(omega) + W(-omega)).
    """
    missing = 1.0
    if k == 0.0:
        tail, gauss = erfcx(y * _SQRT_HALF), math.exp(-0.5 * y * y)
        missing = 0.5 * b * tail * gauss
    if k == 0.0 and missing > _TINY:
        below = math.exp(-beta) + missing
        up = b * gauss / (_SQRT_2PI * (1.0 - missing))
        down = b * gauss / (_SQRT_2PI * below)
        v = 0.5 * math.log((1.0 - missing) / below)
    else:
        log_up, up = side(y - k, beta, b)
        log_down, down = side(-y - k, beta, b)
        v = 0.5 * (log_up - log_down)
        if math.isinf(beta) and y < k:  # the squares of both tails cancel
            v = k * y + 0.5 * math.log(down / up)
    minus = 1.0 / (1.0 + math.exp(2.0 * v))
    t = 1.0 - 2.0 * minus
    if y * (1.0 + abs(k)) < _NEAR_ZERO:
        area = 0.0
        for j in range(_FEW_NODES.size):
            s = 0.5 * y * (1.0 + _FEW_NODES[j])
            area += 0.5 * y * _FEW_WEIGHTS[j] * math.exp(-0.5 * s * s) * math.cosh(k * s)
        # b phi(k)/W(omega) = r+ exp(y^2/2 - k y)
        t = 2.0 * area * up * math.exp(0.5 * y * y - k * y) * (1.0 - minus)
        v = math.atanh(t)
    return up, down, v, t, minus, 1.0 - minus


@jit_strict
def gauge_slope(y, k, up, down, plus, minus):
    """g0 = (W'(omega) - W'(-omega))/(W(omega) + W(-omega)), per y."""
    if k == 0.0:
        return 0.0
    if k > 0.0:
        return -plus * up * math.expm1(-2.0 * k * y)
    return minus * down * math.expm1(2.0 * k * y)


# -- grid of x ---------------------------------------------------------------------------------
@jit_strict
def far_grid(teacher, eps, fine):
    """exp(-x^2/(2 eps)) at the tabulated x in use (`far_end`); none up to NARROW, at the output."""
    if eps <= NARROW or math.isinf(eps):
        return np.empty(0)
    end = reach(teacher, eps) if teacher else 0.5 * EXPONENT
    gauss = np.empty(min(int(end / _TABLE_STEP) + 1, _X.size))
    for i in range(0, gauss.size, 2 // fine):
        gauss[i] = math.exp(-0.5 * _X[i] * _X[i] / eps)
    return gauss


@jit_strict
def far_end(teacher, eps, v):
    """Largest x with a term above exp(-EXPONENT) in `far_sums`, negative if there is none."""
    if teacher:
        inside = eps * (eps - 4.0 * v + 2.0 * EXPONENT)
        behind, top = eps - v, 2.0 * eps * (EXPONENT - v) - v * v
    else:
        inside = 4.0 * eps * (eps - v + 0.5 * EXPONENT)
        behind, top = 2.0 * eps - v, 2.0 * eps * EXPONENT - v * v
    if inside < 0.0:
        return -1.0
    if behind > 0.0:
        return top / (math.sqrt(inside) + behind)
    return math.sqrt(inside) - behind


# -- averages over u at fixed omega -------------------------------------------------------------
@jit
def near_sums(teacher, plus, minus, t, g0, slope, up, down, sinh, weight):
    """<tau^2>, <rho>, <f_w^2> on a grid of u."""
    q = rest = G = 0.0
    spread = 4.0 * plus * minus
    for i in range(up.size):
        D = plus * up[i] + minus * down[i]
        inverse = 1.0 / D
        delta = spread * sinh[i] * inverse
        tau = t + delta
        fw = g0 + slope * delta
        w = weight[i] * D if teacher else weight[i]
        q += w * tau * tau
        rest += w * spread * inverse * inverse
        G += w * fw * fw
    return q, rest, G


@jit
def near_slopes(
    teacher, y, plus, minus, t, g0, slope, curved_up, curved_down, up, down, sinh, weight
):
    """`near_sums`, the slopes over u, and <f_uu^2>, <f_uw^2>, <f_ww^2>, at one omega.

    Slopes: these three less, without a teacher, 2 <f_u^2 f_uu>, 2 <f_u f_w f_uw>, 2 <f_w^2 f_ww>.
    Without a margin f_ww = delta (-y B - B^2 delta), delta = tau - t, which keeps its accuracy
    as u -> 0.
    """
    q = rest = G = uu = uw = ww = luu = luw = lww = 0.0
    spread = 4.0 * plus * minus
    even = curved_up != curved_up  # no curvatures given: kappa = 0
    for i in range(up.size):
        D = plus * up[i] + minus * down[i]
        inverse = 1.0 / D
        delta = spread * sinh[i] * inverse
        tau = t + delta
        fw = g0 + slope * delta
        fuu = spread * inverse * inverse
        fuw = slope * fuu
        if even:
            fww = -slope * delta * (y + slope * delta)
        else:
            fww = (plus * up[i] * curved_up + minus * down[i] * curved_down) * inverse
            fww += slope * fuw
        w = weight[i] * D if teacher else weight[i]
        q += w * tau * tau
        rest += w * fuu
        G += w * fw * fw
        uu += w * fuu * fuu
        uw += w * fuw * fuw
        ww += w * fww * fww
        luu += w * tau * tau * fuu
        luw += w * tau * fw * fuw
        lww += w * fw * fw * fww
    if teacher:
        luu = luw = lww = 0.0
    return (
        q, rest, G, uu - 2.0 * luu, uw - 2.0 * luw, ww - 2.0 * lww, uu, uw, ww,
    )  # fmt: skip


@jit_strict
def far_weight(teacher, eps, v):
    """Factor of the sums over x: exp(-v^2/(2 eps)) dx/sqrt(2 pi eps), over cosh v for a teacher.

    The factor e^(-eps/2) of the planted weight is left to the caller.
    """
    factor = math.exp(-0.5 * v * v / eps) / math.sqrt(2.0 * math.pi * eps)
    if teacher:
        factor *= 2.0 * math.exp(-v) / (1.0 + math.exp(-2.0 * v))
    return factor


@jit_strict
def far_rest(teacher, eps, v, gauss, fine):
    """<rho> and, for random data, <1 - tau> (a teacher's is 1 - t)."""
    end = far_end(teacher, eps, v)
    stride = 2 // fine
    step = stride * _TABLE_STEP
    rest = soft = 0.0
    if end >= 0.0:
        n = min(int(end / _TABLE_STEP) + 1, gauss.size)
        growth, decay = math.exp(step * v / eps), math.exp(-step * v / eps)
        rising = falling = 1.0
        for i in range(0, n, stride):
            p, m = rising * gauss[i], falling * gauss[i]
            if teacher:
                rest += (p + m) * _SECH[i]
            else:
                rest += (p + m) * _RHO[i]
                soft += (p - m) * _SOFT_SIGN[i]
            rising *= growth
            falling *= decay
        rest -= gauss[0] if teacher else gauss[0] * _RHO[0]
        factor = step * far_weight(teacher, eps, v)
        rest *= factor
        soft *= factor
    return rest, math.erfc(v / math.sqrt(1.0 + 2.0 * eps)) - soft


@jit_strict
def far_sums(teacher, eps, v, gauss, fine):
    """`far_rest`, <rho^2>, <tau rho>; random data: <(1 - u^2/eps) rho>, <u rho>, <u tau rho>."""
    end = far_end(teacher, eps, v)
    away = math.erfc(v / math.sqrt(1.0 + 2.0 * eps))
    if end < 0.0:
        return 0.0, away, 0.0, 0.0, 0.0, 0.0, 0.0
    stride = 2 // fine
    step = stride * _TABLE_STEP
    n = min(int(end / _TABLE_STEP) + 1, gauss.size)
    growth, decay = math.exp(step * v / eps), math.exp(-step * v / eps)
    rising = falling = 1.0
    rest = square = odd = 0.0
    soft = first = second = skew = 0.0  # <tau - erf x>, <x rho>, <x^2 rho>, <x tau rho>
    for i in range(0, n, stride):
        p, m = rising * gauss[i], falling * gauss[i]
        if i == 0:
            p = m = 0.5 * gauss[0]
        r = _SECH[i] if teacher else _RHO[i]
        rest += (p + m) * r
        square += (p + m) * r * _RHO[i]
        odd += (p - m) * r * _TAU[i]
        if not teacher:
            soft += (p - m) * _SOFT_SIGN[i]
            first += (p - m) * _X[i] * r
            second += (p + m) * _X[i] * _X[i] * r
            skew += (p + m) * _X[i] * _TAU[i] * r
        rising *= growth
        falling *= decay
    factor = step * far_weight(teacher, eps, v)
    bulge = rest - (second - v * (2.0 * first - v * rest)) / eps
    return (
        factor * rest, away - factor * soft, factor * square, factor * odd,
        factor * bulge, factor * (first - v * rest), factor * (skew - v * odd),
    )  # fmt: skip


@jit_strict
def far_potential(teacher, eps, v, gauss, fine):
    """Random: <ln 2cosh(u+v)> - v.  Teacher: <sum_S (1 + S tau)/2 ln(1 + exp(-2 S (u+v)))>."""
    end = far_end(teacher, eps, v)
    stride = 2 // fine
    step = stride * _TABLE_STEP
    total = 0.0
    if end >= 0.0:
        n = min(int(end / _TABLE_STEP) + 1, gauss.size)
        growth, decay = math.exp(step * v / eps), math.exp(-step * v / eps)
        rising = falling = 1.0
        for i in range(0, n, stride):
            value = _PLANTED[i] if teacher else _SOFT_SIZE[i]
            part = 0.5 if i == 0 else 1.0
            total += part * (rising + falling) * gauss[i] * value
            rising *= growth
            falling *= decay
        total *= step * far_weight(teacher, eps, v)
    if teacher:
        return math.exp(-0.5 * eps) * total
    slow = v / math.sqrt(1.0 + 2.0 * eps)
    size = math.sqrt(1.0 + 2.0 * eps) * math.exp(-slow * slow) / _SQRT_PI
    return total + size - v * math.erfc(slow)


@jit_strict
def message_mass(teacher, eps, fine):
    """A sum over u that is 1: the (planted) weight, or sqrt(1 + eps) E exp(-u^2/2) on x = u."""
    total = 0.0
    if math.isinf(eps):
        return 1.0
    if eps <= NARROW:
        up, down, _, message = message_grid(teacher, eps, fine)
        for i in range(up.size):
            total += message[i] * (0.5 * (up[i] + down[i]) if teacher else 1.0)
        return total
    gauss, stride = far_grid(teacher, eps, fine), 2 // fine
    for i in range(0, gauss.size, stride):
        total += (1.0 if i == 0 else 2.0) * gauss[i] * math.exp(-0.5 * _X[i] * _X[i])
    return total * stride * _TABLE_STEP * math.sqrt((1.0 + eps) / (2.0 * math.pi * eps))
