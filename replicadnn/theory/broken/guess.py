"""Guesses to start from, and damped passes that bring them near a solution."""

from __future__ import annotations

import time

import numpy as np

from replicadnn.theory.broken.active import match_couplings
from replicadnn.theory.broken.resample import separate
from replicadnn.theory.broken.state import Mapper, State, make_state, serial
from replicadnn.theory.broken.tuning import TUNING
from replicadnn.theory.contract import BrokenEquations


def first_guess(L: int, K: int, field: float = 2.0, overlap: float = 0.7) -> State:
    """Overlaps rising linearly in x in every layer; zero at x = 0 when there are hidden layers.

    ``field`` and ``overlap`` are the values eps(x=1), Q(x=1).
    """
    m = np.arange(K + 1) / (K + 1.0)
    rise = np.ones(1) if K == 0 else m / m[-1]
    if L == 1:
        rise = TUNING.perceptron_low + (1.0 - TUNING.perceptron_low) * rise
    eps = np.tile(field * rise, (L + 1, 1))
    Q = np.tile(overlap * rise, (L, 1))
    return make_state(m, eps, Q)


def jump_guess(symmetric: State) -> State:
    """L = 1: two well separated overlaps, the lower one next to the symmetric solution."""
    Q = float(symmetric.Q[0, -1])
    low, high = TUNING.jump_low * Q, Q + TUNING.jump_high * (1.0 - Q)
    overlaps = np.array([[low, high]])
    return make_state(np.array([0.0, TUNING.jump_step]), np.zeros((2, 2)), overlaps)


def saturated_guess(
    equations: BrokenEquations, K: int, m_star: float = 0.5, field: float = 1.0, depth: int = 1
) -> State:
    """q = 1 in the top cell [m_star, 1) of the layers of that depth; the rest as `first_guess`."""
    state = first_guess(equations.problem.L, max(K, 1), field, TUNING.saturated_Q)
    m = state.m * m_star / state.m[-1]
    top = state.top.copy()
    top[list(equations.saturated_layers(depth))] = state.K
    return match_couplings(equations, separate(make_state(m, state.eps, state.Q, top)))


def relax(
    equations: BrokenEquations,
    state: State,
    steps: int,
    damping: float = TUNING.damping,
    deadline: float = np.inf,
    mapper: Mapper = serial,
) -> State:
    """Damped iteration of (eps, Q) at fixed breakpoints, to bring a guess near a solution.

    Ends early at ``deadline``, and where an interaction closes in on contact (lam > 0.999): there
    is no solution near, or it is found from here as well.
    """
    for _ in range(steps):
        ev = equations.evaluate(state, mapper=mapper)
        if ev.lam.max() > TUNING.contact or time.perf_counter() > deadline:
            break
        new_eps, new_Q = equations.right_hand_sides(ev)
        eps = state.eps + damping * (new_eps - state.eps)
        Q = state.Q + damping * (new_Q - state.Q)
        if state.pinned:
            eps[:, 0] = Q[:, 0] = 0.0
        state = state.with_values(eps=np.maximum.accumulate(eps, axis=1), Q=Q)
    return state


def relaxed_guess(
    equations: BrokenEquations,
    guess: State,
    steps: int = TUNING.guess_passes,
    deadline: float = np.inf,
    mapper: Mapper = serial,
) -> State:
    """Damped iteration of a guess; fields below a thousandth of the largest are set to zero.

    Overlaps of couplings too, where these may hold neurons without a field.
    """
    state = relax(equations, guess, steps, deadline=deadline, mapper=mapper)
    eps, Q = state.eps.copy(), state.Q.copy()
    for table in (eps, Q) if equations.solid_without_field else (eps,):
        table[table < max(TUNING.guess_dead * table.max(), TUNING.guess_zero)] = 0.0
    return match_couplings(equations, state.with_values(eps=eps, Q=Q))
