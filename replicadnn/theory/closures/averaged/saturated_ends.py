"""Where the saturated branches of random data have no states left, level by level.

With hard constraints a branch with q = 1 above m* dies where m* -> 0 and the logarithm of the
number of its states per N M, g of `replicadnn.theory.closures.averaged.jamming`, reaches zero.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from replicadnn.theory.closures.averaged.closed_forms import contact_moment
from replicadnn.theory.closures.averaged.jamming import SOLVED, Chain, Jamming, Point
from replicadnn.theory.contract import SaturatedEnds

#: A level that lowers the end by less than this has collapsed onto another one.
_COLLAPSED = 1e-5
#: Largest alpha of the search for the first number of levels.
_SEARCH = 1e4
#: Depth up to which the chain that is saturated throughout is solved.  At kappa = 0 its end grows
#: by about 6.8 a layer (49.3 at L = 8), past the 79.4 of the branch saturated beside the boundaries
#: only.
_DEEPEST = 14


def saturated_ends(L: int, kappa: float, levels: int, alpha_max: float) -> SaturatedEnds:
    """Ends at K = 1 .. levels (L >= 2), or those of one perceptron with kappa < 0."""
    everywhere = _everywhere(L, kappa, levels, alpha_max)
    beside: list[float] = []
    if L >= 4 and not (everywhere and _still_open(kappa, everywhere[-1])):
        beside = _ladder(Chain.open(1), kappa, levels, alpha_max)
    return SaturatedEnds(tuple(everywhere), tuple(beside), _DEEPEST)


def _everywhere(L: int, kappa: float, levels: int, alpha_max: float) -> list[float]:
    """Ends by level of the branch that is saturated in every layer; empty where not solved."""
    if L == 1:
        return _perceptron_ladder(kappa, levels)
    return _ladder(Chain.closed(L), kappa, levels, alpha_max) if L <= _DEEPEST else []


def _still_open(kappa: float, alpha: float) -> bool:
    """Does the branch saturated beside the boundaries only still have states at ``alpha``?"""
    model = Jamming(Chain.open(1), 2, kappa)
    point = model.relax(model.start(alpha), alpha, tol=1e-5)
    return model.evaluate(point, alpha).g > 0.02


def _ladder(chain: Chain, kappa: float, levels: int, alpha_max: float) -> list[float]:
    """Capacities at K = 1 .. levels, up to the last K that is solved (nan: no end at this K).

    At K = 1 an open chain has no end: g = n H(1/alpha) > 0.
    """
    first = 2 if chain.ends_open else 1
    ends = [math.nan] * (first - 1)
    best: tuple[Point, float] | None = None
    for K in range(first, max(levels, first) + 1):
        model = Jamming(chain, K, kappa)
        found = _first(model, alpha_max) if best is None else _next(model, *best)
        if found is None:
            break
        best = found
        ends.append(best[1])
    return ends if best is not None else []


#: Margin at which one perceptron is solved from scratch, and steps of the continuation from there.
_MARGIN = -1.5
_MARGIN_STEP = 0.1


def _perceptron_ladder(kappa: float, levels: int) -> list[float]:
    """Capacities of one perceptron at K = 1 .. levels, continued in the margin from -1.5.

    Guesses that serve at one margin fail at others: Q_0 runs from 1 to 0 as kappa falls from 0.
    """
    chain = Chain.closed(1)
    steps = max(1, math.ceil(abs(kappa - _MARGIN) / _MARGIN_STEP))
    margins = np.linspace(_MARGIN, kappa, steps + 1)
    ends: list[float] = []
    best: tuple[Point, float] | None = None
    for K in range(1, levels + 1):
        model = Jamming(chain, K, _MARGIN)
        best = _first_perceptron(model) if best is None else _next(model, *best)
        if best is None:
            break
        point, alpha = best
        residual = 0.0
        for last, margin in itertools.pairwise(map(float, margins)):
            alpha *= contact_moment(last) / contact_moment(margin)
            point, alpha, residual = Jamming(chain, K, margin).capacity(point, alpha)
            if residual > SOLVED:
                break
        if residual > SOLVED or (ends and alpha > ends[-1]):
            break
        ends.append(alpha)
    return ends


def _next(model: Jamming, point: Point, alpha: float) -> tuple[Point, float] | None:
    """One level more than ``point``: the lowest end, as every level must lower g."""
    best: tuple[Point, float] | None = None
    for shift, relaxed in ((0.998, False), (0.98, True), (0.998, True), (0.85, True)):
        guess = model.refine(point) if shift > 0.9 else model.start(alpha * shift)
        try:
            if relaxed and model.chain.gauge:
                guess = model.relax(guess, alpha * shift, tol=1e-6, passes=150)
            new, end, residual = model.capacity(guess, alpha * shift)
            if residual > SOLVED and model.chain.gauge:  # overlaps on their way to zero stop it
                new, end, residual = model.capacity(model.relax(new, end, tol=1e-9), end)
            if residual < SOLVED and model.wakes(new, end):
                continue
        except (ValueError, ArithmeticError):
            continue
        if residual < SOLVED and end < (alpha if best is None else best[1]) * (1.0 + 1e-9):
            best = new, end
            if end < alpha * (1.0 - _COLLAPSED):
                break
    return best


def _first(model: Jamming, alpha_max: float) -> tuple[Point, float] | None:
    """The smallest number of levels: solve from where g is about to vanish."""
    alpha, g = 1.5, math.inf
    while g > 0.0:
        if alpha > min(alpha_max, _SEARCH):
            return None
        alpha *= 1.6
        point = model.relax(model.start(alpha), alpha, tol=1e-5)
        g = model.evaluate(point, alpha).g
    for start in (alpha / 1.3, alpha, alpha / 1.5):
        guess = model.relax(model.start(start), start, tol=1e-5)
        point, end, residual = model.capacity(guess, start)
        if residual < SOLVED:
            return point, end
    return None


def _first_perceptron(model: Jamming) -> tuple[Point, float] | None:
    best: tuple[Point, float] | None = None
    symmetric = 1.0 / contact_moment(model.kappa)
    for overlap, rest in itertools.product((0.4, 0.7, 0.9), (0.01, 0.05, 0.2)):
        guess = model.start(symmetric)
        guess.Q[:] = overlap
        guess.d[:] = rest
        point, alpha, residual = model.capacity(guess, 0.95 * symmetric)
        broken = residual < SOLVED and float(point.d[0]) < 5.0
        if broken and (best is None or alpha < best[1]):
            best = point, alpha
    return best
