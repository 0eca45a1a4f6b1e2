"""Replica-symmetric kernels of a whole network: passes over the layers and Newton's system.

Formulae: docs/theory.md, sections 3 and 4; conventions and arguments as in `averages`.  The first
seven arguments (teacher, alpha, kappa, beta, drop, b, norm) are `SaddlePoint.parameters`, the next
ones a `symmetric.state.State`: q, p = 1 - q (L+1), Q, P = 1 - Q (L).
"""

from __future__ import annotations

import math

import numpy as np

from replicadnn.kernels._jit import jit_strict
from replicadnn.kernels.theory.averages import (
    curvature,
    mean_weight,
    neuron,
    neuron_potential,
    potential,
)

# Updates of one layer within a pass: repeated while they change it by more than this factor.
_REPEATS = 6
_STILL = 0.05
#: A liquid layer counts as unstable if its instability exceeds 1 by more than this.
ONSET = 1e-9


@jit_strict
def response(teacher, field):
    """Spherical response B -> (Q, 1 - Q): Q = B/(1+B), or Q/(1-Q)^2 = B in the random scenario."""
    if teacher:
        empty = 1.0 / (1.0 + field)
        return field * empty, empty
    empty = 2.0 / (1.0 + math.sqrt(1.0 + 4.0 * field))
    return field * empty * empty, empty


@jit_strict
def largest_difference(a, b):
    """max |a - b| of two short arrays (n,); nan if one of their numbers is."""
    largest = 0.0
    for i in range(a.size):
        difference = abs(a[i] - b[i])
        if difference > largest or math.isnan(difference):
            largest = difference
        if math.isnan(largest):
            break
    return largest


@jit_strict
def gap_below_one(p1, p2, p3):
    """1 - (1-p1)(1-p2)(1-p3) without cancellation."""
    s = p1 + p2 - p1 * p2
    return s + p3 - s * p3


@jit_strict
def newton_system(teacher, alpha, kappa, beta, drop, b, norm, q, p, Q, P, active, residual, bands):
    """Residual F(y) - y in logits and the bands of 1 - dF/dy.

    Unknowns interleaved as Q(1), q(1), Q(2), ..., Q(L); ``active`` (2L-1) marks those that take
    part, the others get residual 0 and a row of the unit matrix.  With g = dlnG/dlnlam

        dln lam  = p dlogit q(l-1) + P dlogit Q(l) + p dlogit q(l),
        logit Q  : B = alpha q(l-1) q(l) G,             dlnB = (1 + g) dln lam - P dlogit Q,
        logit q  : eps = sum of a = Q q_neighbour G,    da/a = (1 + g) dln lam - p dlogit q(l).

    ``bands[2 + i - j, j]`` holds row i, column j (scipy's solve_banded).
    """
    L = Q.size
    G, g = np.empty(L), np.empty(L)
    residual[:] = 0.0
    bands[:] = 0.0
    bands[2] = 1.0
    for l in range(L):
        lam = q[l] * Q[l] * q[l + 1]
        mu = gap_below_one(p[l], P[l], p[l + 1])
        G[l], slope = curvature(teacher, lam, mu, kappa, beta, drop, b, norm)
        g[l] = lam * slope / G[l]
    for l in range(L):  # couplings of layer l + 1 of the paper, unknown 2 l
        i = 2 * l
        if not active[i]:
            continue
        field = alpha * q[l] * q[l + 1] * G[l]
        if teacher:
            out, gain = math.log(field), 1.0
        else:
            rest = 2.0 / (1.0 + math.sqrt(1.0 + 4.0 * field))
            out = math.log(field * rest)
            gain = (1.0 + field * rest) / (1.0 + 2.0 * field * rest)
        residual[i] = out - math.log(Q[l] / P[l])
        bands[2, i] -= gain * P[l] * g[l]
        if l > 0 and active[i - 1]:
            bands[3, i - 1] = -gain * p[l] * (1.0 + g[l])
        if l < L - 1 and active[i + 1]:
            bands[1, i + 1] = -gain * p[l + 1] * (1.0 + g[l])
    for l in range(1, L):  # neurons of layer l, unknown 2 l - 1
        i = 2 * l - 1
        if not active[i]:
            continue
        left = Q[l - 1] * q[l - 1] * G[l - 1]
        right = Q[l] * q[l + 1] * G[l]
        new, log_rest, slope = neuron(teacher, left + right)
        residual[i] = math.log(new) - log_rest - math.log(q[l] / p[l])
        gain = slope / (new * math.exp(log_rest))
        bands[2, i] -= gain * p[l] * (left * g[l - 1] + right * g[l])
        if active[i - 1]:
            bands[3, i - 1] = -gain * left * P[l - 1] * (1.0 + g[l - 1])
        if active[i + 1]:
            bands[1, i + 1] = -gain * right * P[l] * (1.0 + g[l])
        if l > 1 and active[i - 2]:
            bands[4, i - 2] = -gain * left * p[l - 1] * (1.0 + g[l - 1])
        if l < L - 1 and active[i + 2]:
            bands[0, i + 2] = -gain * right * p[l + 1] * (1.0 + g[l])


@jit_strict
def curvatures(teacher, alpha, kappa, beta, drop, b, norm, q, p, Q, P, G):
    """G of every layer into ``G`` (L): what the first pass of `sweep` starts from."""
    for l in range(Q.size):
        lam = q[l] * Q[l] * q[l + 1]
        mu = gap_below_one(p[l], P[l], p[l + 1])
        G[l], _ = curvature(teacher, lam, mu, kappa, beta, drop, b, norm)


@jit_strict
def seed_of(instability, scale):
    """Overlap below the solution that a liquid layer just past its threshold grows to."""
    return 0.1 * min(1.0, instability - 1.0) / (1.0 + scale)


@jit_strict
def damped(part, old, old_rest, new, new_rest):
    """The overlap whose logit lies ``part`` of the way from old to new, and its rest."""
    if part == 1.0 or old == 0.0 or new == 0.0 or old_rest == 0.0 or new_rest == 0.0:
        return new, new_rest
    odds = math.log(old / old_rest) + part * math.log(new / new_rest * (old_rest / old))
    return 1.0 / (1.0 + math.exp(-odds)), 1.0 / (1.0 + math.exp(odds))


@jit_strict
def update_coupling(teacher, alpha, kappa, beta, drop, b, norm, q, p, Q, P, G, part, l):
    """Q(l) from its neighbours, in place; returns the relative change of Q and 1 - Q."""
    lam = q[l] * Q[l] * q[l + 1]
    mu = gap_below_one(p[l], P[l], p[l + 1])
    G[l], _ = curvature(teacher, lam, mu, kappa, beta, drop, b, norm)
    old, old_rest = Q[l], P[l]
    full, rest = response(teacher, alpha * q[l] * q[l + 1] * G[l])
    Q[l], P[l] = damped(part, old, old_rest, full, rest)
    return relative_change(old, Q[l], old_rest, P[l])


@jit_strict
def relative_change(old, new, old_rest, new_rest):
    """Largest |ln ratio| of an overlap and of its distance from 1 (0 is left out)."""
    change = 0.0
    if old > 0.0 and new > 0.0:
        change = abs(math.log(new / old))
    if old_rest > 0.0 and new_rest > 0.0:
        change = max(change, abs(math.log(new_rest / old_rest)))
    return change


@jit_strict
def sweep(
    teacher, alpha, kappa, beta, drop, b, norm, q, p, Q, P, G,
    part, moves, rest_below, floor, forward,
):  # fmt: skip
    """One Gauss-Seidel pass over the layers, in place; returns the largest relative change.

    Where the map is monotone (docs/theory.md, section 5.2) a pass started below (above) its own
    image stays below (above) the nearest fixed point.  A layer that still moves is updated up to
    ``_REPEATS`` times with its two couplings before the pass goes on, so that a front crosses
    many layers in one pass; it is skipped while ``moves`` (L+1: last relative change of each
    layer) of it and its neighbours are below ``rest_below``, so that a pass costs no more than
    the layers that move.  A liquid layer whose instability
    alpha G(0)^2 (q(l-1)^2 + q(l+1)^2) exceeds 1 is seeded; a layer below ``floor``
    that is not unstable is set to exactly 0.  Overlaps go ``part`` of their way (`damped`).
    """
    L = Q.size
    constants = (teacher, alpha, kappa, beta, drop, b, norm)
    if L == 1:
        return update_coupling(*constants, q, p, Q, P, G, part, 0)
    G0, _ = curvature(teacher, 0.0, 1.0, kappa, beta, drop, b, norm)
    change = 0.0
    for i in range(1, L):
        n = i if forward else L - i
        if max(moves[n - 1], moves[n], moves[n + 1]) < rest_below:
            continue
        instability = alpha * G0 * G0 * (q[n - 1] ** 2 + q[n + 1] ** 2)
        if q[n] < floor and instability <= 1.0 + ONSET:
            q[n], p[n], Q[n - 1], P[n - 1], Q[n], P[n] = 0.0, 1.0, 0.0, 1.0, 0.0, 1.0
            G[n - 1] = G[n] = G0
            moves[n] = 0.0
            continue
        if q[n] == 0.0:
            q[n] = seed_of(instability, alpha * G0)
            p[n] = 1.0 - q[n]
            Q[n - 1], P[n - 1] = response(teacher, alpha * q[n - 1] * q[n] * G0)
            Q[n], P[n] = response(teacher, alpha * q[n + 1] * q[n] * G0)
            change = math.inf
        for repeat in range(_REPEATS):
            moved = update_coupling(*constants, q, p, Q, P, G, part, n - 1)
            moved = max(moved, update_coupling(*constants, q, p, Q, P, G, part, n))
            eps = Q[n - 1] * q[n - 1] * G[n - 1] + Q[n] * q[n + 1] * G[n]
            old, old_rest = q[n], p[n]
            full, log_rest, _ = neuron(teacher, eps)
            q[n], p[n] = damped(part, old, old_rest, full, math.exp(log_rest))
            moved = max(moved, relative_change(old, q[n], old_rest, p[n]))
            if repeat == 0:
                change = max(change, moved)
                moves[n] = moved
            if moved < _STILL:
                break
    return change


@jit_strict
def interaction_terms(teacher, alpha, kappa, beta, drop, b, norm, lam, mu, values):
    """`potential` of every layer (all arrays (L,))."""
    for l in range(lam.size):
        values[l] = potential(teacher, lam[l], mu[l], kappa, beta, drop, b, norm)


@jit_strict
def mass_error(teacher, alpha, kappa, beta, drop, b, norm, lam, mu):
    """Largest error of the identity Int Dz w(u) = norm over the layers."""
    worst = 0.0
    for l in range(lam.size):
        worst = max(worst, abs(mean_weight(lam[l], mu[l], kappa, beta, drop, b) / norm - 1.0))
    return worst


@jit_strict
def neuron_terms(teacher, eps, rest, values):
    """`neuron_potential` of every hidden layer (all (L-1,))."""
    for l in range(eps.size):
        values[l] = neuron_potential(teacher, eps[l], rest[l])
