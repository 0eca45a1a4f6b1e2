"""Gaussian averages of one layer: curvature of an interaction, overlap of a neuron, potentials.

Formulae: docs/theory.md, sections 3 and 4; readable twins in `theory.closures.averaged.twin`.

Conventions used by every kernel here

* an overlap x travels as the pair (x, 1 - x), each with its own relative accuracy;
* ``beta`` and ``b = 1 - exp(-beta)`` describe the violation-count potential,
  ``w(u) = exp(-beta) + b Phi(u)``; the hard constraint is ``beta = inf``.  exp(-beta) underflows
  at 745, so that ln w and w'/w are made of ``beta`` itself;
* ``drop`` is the distance at which ln w levels off: b Phi(-drop) = exp(-beta) (inf: never);
* ``norm = exp(-beta) + b Phi(-kappa)`` is the average of w.
"""

from __future__ import annotations

import math

import numpy as np

from replicadnn.kernels._jit import jit_strict
from replicadnn.kernels.theory.special import mills

_SQRT_2PI = math.sqrt(2.0 * math.pi)
_SQRT_HALF = math.sqrt(0.5)

# Trapezoidal rule for integrands that are analytic in a strip: the error falls like
# exp(-2 pi d/step) with the half width d of the strip (the poles of 1/Phi are 2.8 away).
_T_STEP_HARD = 0.5
_T_STEP_SOFT = 1.0 / 16.0
_T_MAX = 9.0
_X_STEP = 0.25
_X_EXPONENT = 42.0  # terms below exp(-42) are dropped

# Gauss-Legendre panels refined towards the kink (and, at finite beta, the step) of ln w.
_Z_MAX = 9.5
_PANEL = 2.4
_GRADING = 1.7
_FINEST = 1e-14  # shorter panels have no room for nodes between rounded numbers
_SHARP = 0.5  # lam from which dG/dlam is taken in the form without f''
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


@jit_strict
def log_derivative(u, beta, b):
    """w'(u)/w(u) = b phi / (exp(-beta) + b Phi)."""
    if math.isinf(beta):
        return 1.0 / mills(u)
    return b / (_SQRT_2PI * math.exp(0.5 * u * u - beta) + b * mills(u))


@jit_strict
def log_weight(u, beta, b):
    """ln w(u) = ln(exp(-beta) + b Phi(u))."""
    if u > 0.0:
        return math.log1p(-0.5 * b * math.erfc(u * _SQRT_HALF))
    signal = math.log(b * mills(u) / _SQRT_2PI) - 0.5 * u * u
    if math.isinf(beta):
        return signal
    if signal > -beta:
        return signal + math.log1p(math.exp(-beta - signal))
    return -beta + math.log1p(math.exp(signal + beta))


@jit_strict
def panels(kink, width, drop, high):
    """Edges of panels on [-9.5, high], short near the sharp points and growing away from them.

    ln w(u) bends at u = 0 on the scale 1 and, at finite beta, levels off at u = -drop on the
    scale 1/drop; in z these are ``kink`` and ``kink - drop width``.  With a margin the Gaussian
    of z puts its weight on one side of the bend, where panels have to grow more slowly.
    """
    kappa = kink / math.sqrt(1.0 + width * width)
    grading = _GRADING / (1.0 + 0.1 * max(0.0, kappa - 1.0))
    edges = [-_Z_MAX]
    ends = [high]
    while len(ends) > 0:
        lo, hi = edges[-1], ends[-1]
        size = hi - lo
        near = width + max(0.0, lo - kink, kink - hi)
        if drop < math.inf:
            step = kink - drop * width
            near = min(near, width / (1.0 + drop) + max(0.0, lo - step, step - hi))
        if size > _PANEL or size > max(grading * near, _FINEST):
            ends.append(0.5 * (lo + hi))
        else:
            edges.append(ends.pop())
    return np.array(edges)


@jit_strict
def curvature_student(lam, mu, kappa, beta, b, norm):
    """G(lam) and dG/dlam of the teacher-student scenario; ``mu = 1 - lam``.

    G = b^2 phi(kappa) / (norm sqrt(mu)) Int Dt g(u),  g = phi/w,
    u = sqrt(lam) t - sqrt(mu) kappa  (docs/theory.md, eq. 14).
    """
    factor = b * b * math.exp(-0.5 * kappa * kappa) / (2.0 * math.pi * norm * math.sqrt(mu))
    root, shift = math.sqrt(lam), math.sqrt(mu) * kappa
    if lam == 0.0:
        g = log_derivative(-kappa, beta, b) / b
        g1 = g * (kappa - b * g)
        g2 = -g + kappa * g1 - 2.0 * b * g * g1
        factor *= _SQRT_2PI
        return factor * g, factor * (0.5 * g + 0.5 * g2 + 0.5 * kappa * g1)
    total = slope = 0.0
    step = _T_STEP_HARD if math.isinf(beta) else _T_STEP_SOFT
    # below the margin, where u > 0, phi(u) pulls the Gaussian of t to the left
    pull = -min(0.0, kappa) * math.sqrt(lam * mu) / (1.0 + lam)
    for i in range(-int((_T_MAX + pull) / step), int(_T_MAX / step) + 1):
        t = i * step
        u = root * t - shift
        weight = math.exp(-0.5 * t * t)
        g = log_derivative(u, beta, b) / b
        g1 = -g * (u + b * g)
        g2 = -g - u * g1 - 2.0 * b * g * g1
        total += weight * g
        slope += weight * (0.5 * g2 + (0.5 * kappa / math.sqrt(mu) * g1 if kappa != 0.0 else 0.0))
    factor *= step
    value = factor * total
    return value, 0.5 * value / mu + factor * slope


@jit_strict
def curvature_random(lam, mu, kappa, beta, drop, b):
    """G(lam) and dG/dlam of the random scenario at k = 0; ``mu = 1 - lam``.

    G = Int Dz f'^2,  dG/dlam = Int Dz (f''^2 - 2 f'^2 f''),  f = ln w(u),
    u = (sqrt(lam) z - kappa)/sqrt(mu)  (docs/theory.md, eqs. 16, 17).  Integrated by parts,

        dG/dlam = Int Dz f'^2 (1 + (z^2 - sqrt(lam) kappa z - 1)/(2 lam)) / mu,

    which cancels at small lam but needs no f'': used where f is sharp.
    """
    if lam == 0.0:
        h = log_derivative(-kappa, beta, b)
        h1 = -h * (h - kappa)
        return h * h, h1 * h1 - 2.0 * h * h * h1
    width = math.sqrt(mu / lam)
    kink = kappa / math.sqrt(lam)
    edges = panels(kink, width, drop, upper_end(lam, kappa))
    sharp, inverse = lam > _SHARP, 0.5 / lam
    total = slope = 0.0
    for k in range(edges.size - 1):
        half = 0.5 * (edges[k + 1] - edges[k])
        for j in range(_NODES.size):
            z = edges[k] + half * (1.0 + _NODES[j])
            u = (z - kink) / width
            h = log_derivative(u, beta, b)
            weight = half * _WEIGHTS[j] * math.exp(-0.5 * z * z)
            total += weight * h * h
            if sharp:
                slope += weight * h * h * (1.0 - inverse + (inverse * z - 0.5 * kink) * z)
            else:
                h1 = -h * (u + h)
                slope += weight * (h1 * h1 - 2.0 * h * h * h1)
    return total / (_SQRT_2PI * mu), slope / (_SQRT_2PI * mu * mu)


@jit_strict
def potential(teacher, lam, mu, kappa, beta, drop, b, norm):
    """Interaction part of the free entropy of one layer.

    Random scenario: Int Dz ln w(u); teacher-student: Int Dz w ln w / norm;
    u = (sqrt(lam) z - kappa)/sqrt(mu)  (docs/theory.md, eqs. 19, 20).
    """
    if lam == 0.0:
        return log_weight(-kappa, beta, b)
    width = math.sqrt(mu / lam)
    kink = kappa / math.sqrt(lam)
    edges = panels(kink, width, drop, upper_end(lam, kappa))
    log_norm = math.log(norm)
    total = 0.0
    for k in range(edges.size - 1):
        half = 0.5 * (edges[k + 1] - edges[k])
        for j in range(_NODES.size):
            z = edges[k] + half * (1.0 + _NODES[j])
            f = log_weight((z - kink) / width, beta, b)
            exponent = f - log_norm if teacher else 0.0
            total += half * _WEIGHTS[j] * math.exp(exponent - 0.5 * z * z) * f
    return total / _SQRT_2PI


@jit_strict
def upper_end(lam, kappa):
    """Where Dz and Dz w(u) have died out: w moves it to sqrt(lam) kappa if kappa > 0."""
    return _Z_MAX + max(0.0, kappa - 1.0) * math.sqrt(lam)


@jit_strict
def neuron_student(eps):
    """q(eps), ln(1 - q) and dq/deps of the teacher-student scenario.

    The measure Normal(eps, eps) is exp(x - eps/2) Normal(0, eps), hence, symmetrised,
    q = E[tanh x sinh x], 1 - q = E[sech x], dq/deps = E[sech^3 x], each times exp(-eps/2),
    with x ~ Normal(0, eps)  (docs/theory.md, eq. 15).
    """
    if eps == 0.0:
        return 0.0, 0.0, 1.0
    scale = math.sqrt(eps / (1.0 + eps))
    step = _X_STEP * scale
    filled = 0.0
    empty = 0.5
    slope = 0.5
    k = 0
    while True:
        k += 1
        x = k * step
        gauss = math.exp(-0.5 * x * x / eps)
        if eps <= 1.0:
            if 0.5 * x * x / eps - x > _X_EXPONENT:
                break
            filled += gauss * math.tanh(x) * math.sinh(x)
        elif 0.5 * x * x / eps + x > _X_EXPONENT:
            break
        sech = 1.0 / math.cosh(x)
        empty += gauss * sech
        slope += gauss * sech * sech * sech
    factor = 2.0 * step / (_SQRT_2PI * math.sqrt(eps))
    log_empty = math.log(factor * empty) - 0.5 * eps
    damp = factor * math.exp(-0.5 * eps)
    q = damp * filled if eps <= 1.0 else -math.expm1(log_empty)
    return q, log_empty, damp * slope


@jit_strict
def neuron_random(eps):
    """q(eps), ln(1 - q) and dq/deps of the random scenario at k = 0.

    q = E[tanh^2 x], 1 - q = E[sech^2 x], dq/deps = E[sech^4 x - 2 tanh^2 x sech^2 x],
    x ~ Normal(0, eps)  (docs/theory.md, eq. 18); at large eps, where the two terms of dq/deps
    cancel, it is E[(1 - x^2/eps) sech^2 x]/(2 eps).
    """
    if eps == 0.0:
        return 0.0, 0.0, 1.0
    scale = math.sqrt(eps / (1.0 + eps))
    step = _X_STEP * scale
    filled = 0.0
    empty = 0.5
    slope = 0.5
    k = 0
    while True:
        k += 1
        x = k * step
        exponent = 0.5 * x * x / eps
        if (exponent if eps <= 1.0 else exponent + 2.0 * x) > _X_EXPONENT:
            break
        gauss = math.exp(-exponent)
        tanh = math.tanh(x)
        sech2 = 1.0 / math.cosh(x) ** 2
        filled += gauss * tanh * tanh
        empty += gauss * sech2
        if eps <= 1.0:
            slope += gauss * sech2 * (sech2 - 2.0 * tanh * tanh)
        else:
            slope += gauss * sech2 * (1.0 - 2.0 * exponent)
    if eps > 1.0:
        slope *= 0.5 / eps
    factor = 2.0 * step / (_SQRT_2PI * math.sqrt(eps))
    log_empty = math.log(factor * empty)
    q = factor * filled if eps <= 1.0 else -math.expm1(log_empty)
    return q, log_empty, factor * slope


@jit_strict
def neuron_potential(teacher, eps, rest):
    """Neuron part of the free entropy of one layer; ``rest = 1 - q(eps)``.

    teacher-student: E ln 2cosh(sqrt(eps) z + eps) - eps/2 - eps q/2 = A + eps (1-q)/2 with
    A = exp(-eps/2) E[cosh x ln(1 + exp(-2|x|)) + |x| exp(-|x|)], x ~ Normal(0, eps); random:
    E ln 2cosh(x) - eps (1-q)/2  (docs/theory.md, eqs. 19, 20).  Nothing large cancels.
    """
    if eps == 0.0:
        return math.log(2.0)
    root = math.sqrt(eps)
    size = min(1.0, root)
    total = 0.0
    lo = 0.0
    while True:
        for j in range(_NODES.size):
            x = lo + 0.5 * size * (1.0 + _NODES[j])
            weight = 0.5 * size * _WEIGHTS[j] * math.exp(-0.5 * x * x / eps)
            tail = math.log1p(math.exp(-2.0 * x))
            if teacher:
                total += weight * (math.cosh(x) * tail + x * math.exp(-x))
            else:
                total += weight * tail
        lo += size
        if lo * lo / (2.0 * eps) + (lo if teacher else 2.0 * lo) > _X_EXPONENT:
            break
    mean = 2.0 * total / (_SQRT_2PI * root)
    if teacher:
        return math.exp(-0.5 * eps) * mean + 0.5 * eps * rest
    return mean + root * math.sqrt(2.0 / math.pi) - 0.5 * eps * rest


@jit_strict
def curvature(teacher, lam, mu, kappa, beta, drop, b, norm):
    """G(lam) and dG/dlam of either scenario."""
    if teacher:
        return curvature_student(lam, mu, kappa, beta, b, norm)
    return curvature_random(lam, mu, kappa, beta, drop, b)


@jit_strict
def neuron(teacher, eps):
    """q(eps), ln(1 - q), dq/deps of either scenario."""
    if teacher:
        return neuron_student(eps)
    return neuron_random(eps)


@jit_strict
def mean_weight(lam, mu, kappa, beta, drop, b):
    """Int Dz w(u); equals exp(-beta) + b Phi(-kappa) whatever lam is (tests the panels)."""
    c = math.exp(-beta)
    if lam == 0.0:
        return c + 0.5 * b * math.erfc(kappa * _SQRT_HALF)
    width = math.sqrt(mu / lam)
    kink = kappa / math.sqrt(lam)
    edges = panels(kink, width, drop, upper_end(lam, kappa))
    total = 0.0
    for k in range(edges.size - 1):
        half = 0.5 * (edges[k + 1] - edges[k])
        for j in range(_NODES.size):
            z = edges[k] + half * (1.0 + _NODES[j])
            w = c + 0.5 * b * math.erfc(-(z - kink) / width * _SQRT_HALF)
            total += half * _WEIGHTS[j] * math.exp(-0.5 * z * z) * w
    return total / _SQRT_2PI


@jit_strict
def gap_density(r, kappa, lam, mu, beta, drop, b, density):
    """Density of the gaps ``r`` (n) in the random scenario at k = 0 into ``density`` (n).

    e^{-beta theta(kappa - r)} Int dh Normal(h; 0, lam) Normal(r; h, mu) / w((h - kappa)/sqrt(mu)),
    on panels graded towards h = kappa, h = r and the place where ln w levels off.
    """
    width, side = math.sqrt(mu), _Z_MAX * math.sqrt(lam)
    for i in range(r.size):
        edges = [-side]
        ends = [side]
        while len(ends) > 0:
            lo, hi = edges[-1], ends[-1]
            size = hi - lo
            near = width + min(max(0.0, lo - kappa, kappa - hi), max(0.0, lo - r[i], r[i] - hi))
            if drop < math.inf:
                step = kappa - drop * width
                near = min(near, width / (1.0 + drop) + max(0.0, lo - step, step - hi))
            if size > max(min(near, 0.25 * side), _FINEST):
                ends.append(0.5 * (lo + hi))
                continue
            edges.append(ends.pop())
        cost = beta if r[i] < kappa else 0.0
        total = 0.0
        for k in range(len(edges) - 1):
            half = 0.5 * (edges[k + 1] - edges[k])
            for j in range(_NODES.size):
                h = edges[k] + half * (1.0 + _NODES[j])
                f = log_weight((h - kappa) / width, beta, b)
                exponent = -0.5 * (h * h / lam + (r[i] - h) ** 2 / mu) - f - cost
                total += half * _WEIGHTS[j] * math.exp(exponent)
        density[i] = total / (2.0 * math.pi * math.sqrt(lam * mu))
