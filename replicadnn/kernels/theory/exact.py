"""Exact neurons, replica symmetric: averages of one layer and of all layers of a network.

Two fields meet at a neuron, omega ~ N(0, lam) from below and u ~ N(0, eps) from above,

    f(omega, u) = ln [ e^u W(omega) + e^-u W(-omega) ],   W(x) = w((x - kappa)/sqrt(mu)),

mu = 1 - lam, w of `kernels.theory.symmetric`; readable twin: `theory.closures.exact.twin`.  With

    v = 1/2 ln W(omega)/W(-omega),   t = tanh v,   tau = tanh(u + v),   rho = 1 - tau^2,
    r+- = W'(+-omega)/W(+-omega),    g0 = d/domega ln [W(omega) + W(-omega)]   (0 if kappa = 0)

every average is one over u of a polynomial in tau, at fixed omega:

    f_u = tau,   f_uu = rho,   f_w = g0 + B (tau - t),   B = (r+ + r-)/2,   f_uw = B rho,
    f_ww = sum_S (1 + S tau)/2 (ln W)''(S omega) + B^2 rho.

In the teacher-student scenario (kappa = 0) averages carry the planted weight, made symmetric,
e^(-eps/2) D,  D = cosh u + t sinh u = cosh(u + v)/cosh v.

Quadrature.  f is even under (omega, u) -> (-omega, -u): half the axis of y = omega/sqrt(mu).  The
trapezoidal rule in y where the zeros of Phi or of exp(-beta) + b Phi limit analyticity, graded
Gauss-Legendre panels where ln w has more sharp places (large finite beta, margin).  Over u: up to
``NARROW`` a grid of u, on which all terms are positive and every limit is exact; above it a grid
of x = u + v, on which rho and its like are tables, and what does not decay in x is a Gaussian
average in closed form.  ``fine`` (1 or 2) divides every step: the difference is the error.
"""

from __future__ import annotations

import math

import numpy as np

from replicadnn.kernels._jit import jit_strict
from replicadnn.kernels.theory.exact_averages import (
    NARROW,
    far_grid,
    far_potential,
    far_rest,
    far_sums,
    gauge_slope,
    message_mass,
    near_slopes,
    near_sums,
    neuron_field,
    side,
    side_curvature,
)
from replicadnn.kernels.theory.exact_grids import FOURTH, SQUARES, field_grid, message_grid
from replicadnn.kernels.theory.exact_known import close, differences, find

_HALF_FULL = 0.6  # 1 - q below which q is taken from it, not from tau^2


# -- one layer --------------------------------------------------------------------------------
@jit_strict
def site(teacher, kappa, beta, drop, b, lam, mu, eps, fine):
    """q, ln(1 - q) and G of one layer; ``mu = 1 - lam``; eps = inf is the output layer.

    q = <f_u^2>,  1 - q = <f_uu> (random) or its planted average,  G = <f_w^2>.
    """
    root = math.sqrt(mu)
    k = kappa / root
    y, weight = field_grid(teacher, k, beta, drop, lam, mu, eps, fine, SQUARES)
    near, output = eps <= NARROW, math.isinf(eps)
    up, down, sinh, message = message_grid(teacher, eps if near else 0.0, fine)
    gauss = far_grid(teacher, eps, fine)
    planted = math.exp(-0.5 * eps) if teacher and not near else 1.0
    q = rest = G = 0.0
    for i in range(y.size):
        r_up, r_down, v, t, minus, plus = neuron_field(y[i], k, beta, b)
        slope = 0.5 * (r_up + r_down)
        if near:
            g0 = gauge_slope(y[i], k, r_up, r_down, plus, minus)
            a, c, g = near_sums(
                teacher, plus, minus, t, g0, slope, up, down, sinh, message
            )  # fmt: skip
            q += weight[i] * a
        else:
            c, away = 0.0, 1.0  # away = <1 - tau>
            if not output:
                c, away = far_rest(teacher, eps, v, gauss, fine)
            if teacher:
                away = 2.0 * minus
            g = (1.0 - 0.5 * away) * r_up * r_up + 0.5 * away * r_down * r_down
            g -= planted * c * slope * slope
        rest += weight[i] * c
        G += weight[i] * g
    return values(teacher, eps, q, rest, G / mu)


@jit_strict
def values(teacher, eps, q, rest, G):
    """q, ln(1 - q), G of a layer; for eps > NARROW ``rest`` without a teacher's e^(-eps/2)."""
    if eps <= NARROW:
        return (q if rest > _HALF_FULL else 1.0 - rest), math.log(rest), G
    if math.isinf(eps):
        return 1.0, -math.inf, G
    log_rest = math.log(rest) - (0.5 * eps if teacher else 0.0)
    return -math.expm1(log_rest), log_rest, G


@jit_strict
def far_slopes(teacher, eps, v, minus, r_up, r_down, curved_up, curved_down, gauss, fine):
    """What `near_slopes` finds, for eps > NARROW; <rho> without a teacher's e^(-eps/2).

    f_ww = mean + half tau + B^2 rho with mean +- half = (ln W)''(+-omega), f_w = A + B tau; what
    is left without rho is the output layer.
    """
    full = square = odd = bulge = lean = skew = 0.0
    away = 1.0  # <1 - tau>
    if eps < math.inf:
        full, away, square, odd, bulge, lean, skew = far_sums(teacher, eps, v, gauss, fine)
    rest = full
    if teacher:
        planted = math.exp(-0.5 * eps)
        away, rest, square, odd = 2.0 * minus, planted * full, planted * square, planted * odd
    toward, away = 1.0 - 0.5 * away, 0.5 * away
    A, B = 0.5 * (r_up - r_down), 0.5 * (r_up + r_down)
    mean, half = 0.5 * (curved_up + curved_down), 0.5 * (curved_up - curved_down)
    G = toward * r_up * r_up + away * r_down * r_down - rest * B * B
    uw = B * B * square
    ww = toward * curved_up * curved_up + away * curved_down * curved_down
    ww += rest * (2.0 * mean * B * B - half * half) + 2.0 * half * B * B * odd + B**4 * square
    if teacher:
        return 1.0 - rest, full, G, square, uw, ww, square, uw, ww
    along = toward * r_up * r_up * curved_up + away * r_down * r_down * curved_down
    along += B * B * ((A * A - mean + B * B) * rest - half * odd - B * B * square)
    along += 2.0 * A * B * (B * B * odd - half * rest)
    q_lam = B * (A * lean + B * skew) / eps
    return (
        1.0 - rest, full, G, 0.5 * bulge / eps, q_lam, ww - 2.0 * along, square, uw, ww,
    )  # fmt: skip


@jit_strict
def site_and_slopes(teacher, kappa, beta, drop, b, lam, mu, eps, fine):
    """`site`, dq/deps, dq/dlam = dG/deps, dG/dlam, and <f_uu^2>, <f_uw^2>, <f_ww^2> of one layer.

    Random: dq/deps = <f_uu^2 - 2 f_u^2 f_uu>, dG/deps = <f_uw^2 - 2 f_u f_w f_uw>,
    dG/dlam = <f_ww^2 - 2 f_w^2 f_ww>; for eps > NARROW, where the terms of the first two cancel,
    <(1 - u^2/eps) f_uu>/(2 eps) and <u f_w f_uw>/eps.  Teacher: the first terms alone.
    """
    root = math.sqrt(mu)
    k = kappa / root
    y, weight = field_grid(teacher, k, beta, drop, lam, mu, eps, fine, FOURTH)
    near = eps <= NARROW
    up, down, sinh, message = message_grid(teacher, eps if near else 0.0, fine)
    gauss = far_grid(teacher, eps, fine)
    sums = np.zeros(9)
    for i in range(y.size):
        r_up, r_down, v, t, minus, plus = neuron_field(y[i], k, beta, b)
        curved_up = curved_down = math.nan
        if k != 0.0 or not near:
            curved_up = side_curvature(y[i] - k, r_up, beta, b)
            curved_down = side_curvature(-y[i] - k, r_down, beta, b)
        if near:
            g0 = gauge_slope(y[i], k, r_up, r_down, plus, minus)
            found = near_slopes(
                teacher, y[i], plus, minus, t, g0, 0.5 * (r_up + r_down), curved_up, curved_down,
                up, down, sinh, message,
            )  # fmt: skip
        else:
            found = far_slopes(
                teacher, eps, v, minus, r_up, r_down, curved_up, curved_down, gauss, fine
            )
        for j in range(9):
            sums[j] += weight[i] * found[j]
    q, log_rest, G = values(teacher, eps, sums[0], sums[1], sums[2] / mu)
    # mu^2 underflows below mu = 1e-162
    q_lam, G_lam, uw, ww = sums[4] / mu, sums[5] / mu / mu, sums[7] / mu, sums[8] / mu / mu
    return q, log_rest, G, sums[3], q_lam, G_lam, sums[6], uw, ww


@jit_strict
def potential(teacher, kappa, beta, drop, b, lam, mu, eps, fine):
    """F of one layer: <f> (random), <f> - eps (teacher); <ln W> at the output (eps = inf).

    dF/dlam = -G/2 (random), G/2 (teacher);  dF/deps = (1 - q)/2 (random), -(1 - q)/2 (teacher).
    """
    k = kappa / math.sqrt(mu)
    y, weight = field_grid(teacher, k, beta, drop, lam, mu, eps, fine, SQUARES)
    near, output = eps <= NARROW, math.isinf(eps)
    up, down, _, message = message_grid(teacher, eps if near else 0.0, fine)
    gauss = far_grid(teacher, eps, fine)
    total = 0.0
    for i in range(y.size):
        _, _, v, _, minus, plus = neuron_field(y[i], k, beta, b)
        log_up, _ = side(y[i] - k, beta, b)
        if near:
            value = log_up + math.log1p(math.exp(-2.0 * v)) - (eps if teacher else 0.0)
            for j in range(up.size):
                D = plus * up[j] + minus * down[j]
                value += message[j] * (D if teacher else 1.0) * math.log(D)
        else:
            value = log_up - 2.0 * v * minus if teacher else log_up
            if not output:
                value += far_potential(teacher, eps, v, gauss, fine)
            elif not teacher:
                value -= v
        total += weight[i] * value
    return total


@jit_strict
def site_mass_error(teacher, kappa, beta, drop, b, lam, mu, eps, fine):
    """Error of two averages that are known on the grids of one layer, whichever is larger.

    Over y E [1 - erf^2(y/sqrt 2)] = (2/pi) arccos(lam), y^2 = omega^2/mu, whose integrand is
    1 - t^2 of the hard constraint; over u see `message_mass`.
    """
    k = kappa / math.sqrt(mu)
    y, weight = field_grid(teacher, k, beta, drop, lam, mu, eps, fine, SQUARES)
    total = 0.0
    for i in range(y.size):
        missing = math.erfc(y[i] * math.sqrt(0.5))
        total += weight[i] * missing * (2.0 - missing)
    exact = 2.0 / math.pi * math.atan2(math.sqrt(mu * (1.0 + lam)), lam)
    return max(abs(total / exact - 1.0), abs(message_mass(teacher, eps, fine) - 1.0))


# -- all layers of a network --------------------------------------------------------------------
@jit_strict
def layer_potentials(constants, known, arguments, values, fine):
    """`potential` of every layer into ``values`` (L); ``arguments`` (3, L): lam, mu, eps.

    The pair ``known`` : arguments (3, n) of other layers, and F, dF/dlam, dF/dln eps in the first
    rows of a table.  A layer `close` to one of them follows from it; equal neighbours are computed
    once.
    """
    teacher, kappa, beta, drop, b = constants
    for l in range(values.size):
        lam, mu, eps = arguments[0, l], arguments[1, l], arguments[2, l]
        k = find(known[0], kappa, lam, mu, eps)
        if k >= 0:
            by_lam, by_eps = differences(known[0], k, lam, mu, eps)
            values[l] = known[1][0, k] + known[1][1, k] * by_lam
            if by_eps != 0.0:
                values[l] += known[1][2, k] * by_eps / eps
        elif l > 0 and close(arguments, l - 1, kappa, lam, mu, eps, 0.0):
            values[l] = values[l - 1]
        else:
            values[l] = potential(teacher, kappa, beta, drop, b, lam, mu, eps, fine)


@jit_strict
def mass_error(teacher, kappa, beta, drop, b, lam, mu, eps, fine):
    """Largest `site_mass_error` of the layers."""
    worst = 0.0
    for l in range(lam.size):
        worst = max(
            worst, site_mass_error(teacher, kappa, beta, drop, b, lam[l], mu[l], eps[l], fine)
        )
    return worst
