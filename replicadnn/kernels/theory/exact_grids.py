"""Exact neurons: the grids of omega and u.

Notation and the choice of grids: `kernels.theory.exact`, which sums over them.
"""

from __future__ import annotations

import math

import numpy as np

from replicadnn.kernels._jit import jit_strict

_SQRT_2PI = math.sqrt(2.0 * math.pi)

EXPONENT = 42.0  # terms below exp(-42) are dropped
_U_STEP = 0.21  # poles of tanh at i pi/2
_GAUSS_STEP = 0.42  # in standard deviations of a Gaussian
_SIGMAS = 9.2
_Y_STEP = 0.5  # zeros of Phi at 1.9 + 2.8 i
_SOFT_STEP = 0.54  # those of exp(-beta) + b Phi, at least pi/sqrt(1 + 2 beta) from the real axis
_LEAST_STEP = 0.08  # below it panels
_ANALYTIC = 36.0
SQUARES, FOURTH = 2.0, 4.0  # ``power`` of squares of f' and f'' in `field_grid`
_UNIFORM = 20.0  # trapezoid: equidistant up to here, y = 6 sinh x beyond
_SINH, _SINH_STEP = 6.0, 0.07
_PANEL = 5.0  # longest panel, in standard deviations
_GRADING = 3.2
_FINEST = 1e-14
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)


@jit_strict
def reach(teacher, eps):
    """v beyond which a hidden neuron follows omega whatever u is, up to exp(-EXPONENT)."""
    if teacher:
        if eps < 2.0 / 3.0 * EXPONENT:
            return 0.5 * EXPONENT + 0.25 * eps
        return 2.0 * EXPONENT / (1.0 + math.sqrt(1.0 + 2.0 * EXPONENT / eps))
    if 2.0 * eps <= math.sqrt(2.0 * EXPONENT * eps):
        return eps + 0.5 * EXPONENT
    return math.sqrt(2.0 * EXPONENT * eps)


@jit_strict
def field_panels(end, width, k, drop, fine):
    """Edges of panels on [0, end], short near the sharp places of ln W(+-omega).

    A panel without a number strictly between its edges is not halved: at k > 1e16 neighbouring
    numbers are further apart than the sharp place is wide.
    """
    bend, step = abs(k), abs(k - drop)
    grading = _GRADING if k == 0.0 else 0.5 * _GRADING  # sharp places within the range
    edges = [0.0]
    ends = [end]
    while len(ends) > 0:
        lo, hi = edges[-1], ends[-1]
        size = hi - lo
        near = 1.0 / (1.0 + max(0.0, k)) + lo
        near = min(near, 1.0 + max(0.0, lo - bend, bend - hi))
        if drop < math.inf:
            near = min(near, 2.0 / (2.0 + drop) + max(0.0, lo - step, step - hi))
        middle = 0.5 * (lo + hi)
        long = size * fine > _PANEL * width or (size * fine > grading * near and size > _FINEST)
        if long and lo < middle < hi:
            ends.append(middle)
        else:
            edges.append(ends.pop())
    return np.array(edges)


@jit_strict
def field_grid(teacher, k, beta, drop, lam, mu, eps, fine, power):
    """Points y >= 0 and weights of omega = sqrt(mu) y ~ N(0, lam).

    eps = inf: the output layer.  Far out integrands are constant, since W is (finite beta) or since
    a hidden neuron follows omega (`reach`): one point there has the weight that is left of 1.

    Integrands grow like exp(power eta^2) along the imaginary axis, the Gaussian like
    exp(eta^2/(2 width^2)): the step leaves an error of exp(-_ANALYTIC).
    """
    if lam == 0.0:
        return np.zeros(1), np.ones(1)
    width = math.sqrt(lam / mu)
    whole = _SIGMAS * width
    end = min(whole, abs(k) + math.sqrt(2.0 * (beta + EXPONENT)))
    strip = _Y_STEP
    local = False
    if teacher or eps < math.inf:
        limit = reach(teacher, eps)
        local = 0.5 * beta > limit
        if local:
            end = min(end, abs(k) + 2.0 * math.sqrt(limit))
    cut = end < whole
    if not local and beta < math.inf:
        strip = _SOFT_STEP / math.sqrt(1.0 + 2.0 * beta)
    if k == 0.0 and strip > _LEAST_STEP:
        growth = power + 0.5 / width**2
        step = min(strip, math.pi / math.sqrt(_ANALYTIC * growth)) / fine
        bent = end > _UNIFORM
        if bent:
            step = _SINH_STEP / fine
            end = math.asinh(end / _SINH)
        n = int(end / step) + 2
        y, weight = np.empty(n + 1), np.empty(n + 1)
        for i in range(n):
            x = i * step
            y[i] = _SINH * math.sinh(x) if bent else x
            weight[i] = (_SINH * math.cosh(x) if bent else 1.0) * step
        weight[0] *= 0.5
    else:
        edges = field_panels(end, width, k, drop, fine)
        n = (edges.size - 1) * _NODES.size
        y, weight = np.empty(n + 1), np.empty(n + 1)
        for i in range(edges.size - 1):
            half = 0.5 * (edges[i + 1] - edges[i])
            for j in range(_NODES.size):
                y[i * _NODES.size + j] = edges[i] + half * (1.0 + _NODES[j])
                weight[i * _NODES.size + j] = half * _WEIGHTS[j]
    left = 1.0
    for i in range(n):
        weight[i] *= 2.0 * math.exp(-0.5 * (y[i] / width) ** 2) / (_SQRT_2PI * width)
        left -= weight[i]
    if not cut:
        return y[:n], weight[:n]
    y[n], weight[n] = 2.0 * y[n - 1], left
    return y, weight


@jit_strict
def message_grid(teacher, eps, fine):
    """e^u, e^-u, sinh u and weights of u ~ N(0, eps), times e^(-eps/2) for a teacher."""
    if eps == 0.0:
        return np.ones(1), np.ones(1), np.zeros(1), np.ones(1)
    root = math.sqrt(eps)
    step = min(_U_STEP, _GAUSS_STEP * root) / fine
    half = int((_SIGMAS * root + (eps if teacher else 0.0)) / step) + 1
    n = 2 * half + 1
    up, down, sinh, weight = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    shift = 0.5 * eps if teacher else 0.0
    for i in range(half + 1):
        u = i * step
        above, below = half + i, half - i
        up[above] = down[below] = math.exp(u)
        down[above] = up[below] = math.exp(-u)
        sinh[above] = math.sinh(u)
        sinh[below] = -sinh[above]
        weight[above] = step / (_SQRT_2PI * root) * math.exp(-0.5 * u * u / eps - shift)
        weight[below] = weight[above]
    return up, down, sinh, weight
