"""Exact neurons: averages of a layer that follow from those of a layer computed before.

Layers of a crystal are alike, and so are those of two solutions of one network but for a few of
them.  Where the arguments (lam, mu = 1 - lam, eps) of two layers differ by a small part of
themselves, the averages of one are those of the other and their slopes times the difference; what
is left out is of second order, below rounding.

A table (9, n) holds what `kernels.theory.exact.site_and_slopes` finds for n layers: q, ln(1 - q), G
and their slopes first; its arguments (3, n) are lam, mu, eps.
"""

from __future__ import annotations

import math

from replicadnn.kernels._jit import jit_strict

#: Part of themselves by which arguments may differ.
CLOSE = 1e-9


@jit_strict
def differences(arguments, k, lam, mu, eps):
    """lam and eps minus those of column ``k``."""
    by_lam = lam - arguments[0, k] if lam < 0.5 else arguments[1, k] - mu
    return by_lam, 0.0 if eps == arguments[2, k] else eps - arguments[2, k]


@jit_strict
def close(arguments, k, kappa, lam, mu, eps, part):
    """Whether the arguments differ by less than ``part`` from column ``k``; 0: are the same.

    The scale of lam is lam or mu, less where the margin is many standard deviations sqrt(mu); that
    of eps is eps, and 1 of ln(1 - q) = -eps/2 + ...
    """
    by_lam, by_eps = differences(arguments, k, lam, mu, eps)
    scale = min(lam, mu) / (1.0 + abs(kappa) / math.sqrt(mu))
    return abs(by_lam) <= part * scale and abs(by_eps) <= part * min(eps, 1.0)


@jit_strict
def find(arguments, kappa, lam, mu, eps):
    """The first column that is `close`; -1: none."""
    for k in range(arguments.shape[1]):
        if close(arguments, k, kappa, lam, mu, eps, CLOSE):
            return k
    return -1


@jit_strict
def find_all(arguments, kappa, layers, where):
    """`find` of every column of ``layers`` (3, m) into ``where`` (m)."""
    for l in range(where.size):
        where[l] = find(arguments, kappa, layers[0, l], layers[1, l], layers[2, l])


@jit_strict
def following(arguments, table, k, lam, mu, eps):
    """q, ln(1 - q) and G at arguments `close` to those of column ``k``."""
    by_lam, by_eps = differences(arguments, k, lam, mu, eps)
    more = table[3, k] * by_eps + table[4, k] * by_lam
    log_rest, rest = table[1, k], math.exp(table[1, k])
    if rest > 0.0:
        log_rest -= more / rest
    return table[0, k] + more, log_rest, table[2, k] + table[4, k] * by_eps + table[5, k] * by_lam


@jit_strict
def mark_new(arguments, kappa, layers, new):
    """Mark in ``new`` (n) the ``layers`` (3, n) that are `close` neither to a column of
    ``arguments`` nor to a marked layer before them.
    """
    for l in range(new.size):
        lam, mu, eps = layers[0, l], layers[1, l], layers[2, l]
        new[l] = find(arguments, kappa, lam, mu, eps) < 0
        for k in range(l):
            if new[l] and new[k] and close(layers, k, kappa, lam, mu, eps, CLOSE):
                new[l] = False
