"""Passes over a network for equations without kernels, and its liquid, whatever the closure.

A weight w enters the liquid by w1 = <w'>/<w> and w2 = <w''>/<w> of a free gap.  With w1 = 0 (an
even window) neurons stay liquid at an onset: only couplings become solid, each layer by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from replicadnn import interrupt
from replicadnn.kernels.theory.symmetric import ONSET, relative_change, response
from replicadnn.problem import Problem
from replicadnn.theory.closures.exact import twin
from replicadnn.theory.closures.exact.twin import Averages
from replicadnn.theory.closures.smoothed import weight_of
from replicadnn.theory.symmetric.state import LIQUID_FLOOR, State
from replicadnn.types import FloatArray

#: A w1^2 below this is the rounding of a moment that vanishes.
_ROUNDING = 1e-26
#: Overlap of a layer that wakes: this part of its growth minus 1, at most _LARGEST.
_SEED, _LARGEST = 0.02, 1e-3
#: A neuron overlap below this is the square of a rounding error.
_NOTHING = 1e-25

#: The undamped map: new q (L+1), ln(1 - q) (L+1) and B (L) of a state.
Image = Callable[[State], tuple[FloatArray, FloatArray, FloatArray]]


def free_moments(problem: Problem) -> tuple[float, float]:
    """c0 = w1^2 and w2 of a free gap: W'/W and W''/W at V = 1, x = 0."""
    _, slope, curvature = weight_of(problem).smoothed(np.zeros(1), 1.0)
    c0 = float(slope[0]) ** 2
    return (c0 if c0 > _ROUNDING else 0.0), float(curvature[0] + slope[0] ** 2)


def averages(problem: Problem, lam: float, eps: float, mu: float) -> Averages:
    """Those of the readable twin; they know neither alpha nor L, and are kept from one to the next.

    eps = inf: a gap without a field from above, the interaction of the averaged closure.
    """
    anywhere = replace(problem, alpha=1.0, L=1)
    return twin.averages(anywhere, float(lam), float(eps), float(mu))


def log_norm(problem: Problem) -> float:
    """ln <w> of a free gap."""
    return float(weight_of(problem).smoothed(np.zeros(1), 1.0)[0][0])


def sweep(state: State, pairs: int, image: Image, growth: Callable[[State], FloatArray]) -> float:
    """2 ``pairs`` passes of the map, in place; the last relative change.

    ``growth`` (L): that of an infinitesimal overlap of layer l = 1..L where it is liquid, at the
    output of its couplings.  A liquid layer that grows is seeded; what falls below the floor and
    does not grow is set to 0.
    """
    change = 0.0
    for _ in range(2 * pairs):
        interrupt.check()
        before = state.copy()
        woken = _wake(state, growth(state))
        new_q, log_rest, B = image(state)
        state.q[1:-1], state.p[1:-1] = new_q[1:-1], np.exp(log_rest[1:-1])
        for l, field in enumerate(B):
            state.Q[l], state.P[l] = response(False, float(field))
        _melt(state, growth)
        change = math.inf if woken else _change(before, state)
        if change == 0.0:
            break
    return change


def _wake(state: State, factors: FloatArray) -> bool:
    """Give every liquid layer that grows a small overlap; whether there was one."""
    ready = unstable_layers(state, factors)
    for n in ready:
        overlap = min(_SEED * (factors[n - 1] - 1.0), _LARGEST)
        state.Q[n - 1], state.P[n - 1] = overlap, 1.0 - overlap
        if n < state.Q.size:
            state.q[n], state.p[n] = overlap, 1.0 - overlap
            state.Q[n] = max(state.Q[n], overlap)
            state.P[n] = 1.0 - state.Q[n]
    return bool(ready)


def _melt(state: State, growth: Callable[[State], FloatArray]) -> None:
    """Set to 0 what is below the floor, unless it would grow from 0."""
    melted = state.copy()
    small = (state.q < LIQUID_FLOOR) & (np.append(0.0, state.Q) < LIQUID_FLOOR)
    small |= state.q < _NOTHING
    melted.q[small], melted.p[small] = 0.0, 1.0
    rest = state.Q < LIQUID_FLOOR
    rest[:-1] &= (melted.q[1:-1] == 0.0) | (state.q[1:-1] > LIQUID_FLOOR)
    melted.Q[rest], melted.P[rest] = 0.0, 1.0
    for n in unstable_layers(melted, growth(melted)):
        if n < state.Q.size:
            melted.q[n], melted.p[n] = state.q[n], state.p[n]
        melted.Q[n - 1], melted.P[n - 1] = state.Q[n - 1], state.P[n - 1]
    state.q, state.p, state.Q, state.P = melted.q, melted.p, melted.Q, melted.P


def unstable_layers(state: State, factors: FloatArray) -> list[int]:
    """Layers l = 1..L whose couplings are liquid although an overlap of the layer would grow."""
    return [int(l) + 1 for l in np.flatnonzero((state.Q == 0.0) & (factors > 1.0 + ONSET))]


def coupling_growth(alpha: float, w2: float, sides: FloatArray) -> FloatArray:
    """alpha w2^2 x^2: growth of Q(l) from 0 by itself; ``sides`` (L) is what lam(l)/Q(l) is."""
    return np.asarray(alpha * (w2 * sides) ** 2)


def _change(before: State, after: State) -> float:
    pairs = ((before.q, after.q, before.p, after.p), (before.Q, after.Q, before.P, after.P))
    return max(
        relative_change(*numbers) if numbers[0] > 0.0 or numbers[1] == 0.0 else math.inf
        for pair in pairs
        for numbers in zip(*(map(float, x) for x in pair), strict=True)
    )
