"""What every closure with spherical couplings shares: their entropy, and the certifying stencil."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from replicadnn.problem import Problem
from replicadnn.theory.symmetric.state import State
from replicadnn.types import BoolArray, FloatArray

#: Offsets and weights of the five-point first derivative, in units of the step ...
STENCIL = ((-2.0, 1.0 / 12.0), (-1.0, -2.0 / 3.0), (1.0, 2.0 / 3.0), (2.0, -1.0 / 12.0))
#: ... which is this part of the argument.
RELATIVE_STEP = 2e-3
#: Part of a potential that its differences cannot resolve, on a limit of 1e-8: its relative
#: rounding is some 1e-16/RELATIVE_STEP.
ROUNDING = 3e-4


def coupling_entropies(problem: Problem, state: State) -> FloatArray:
    """S_sph(l)/alpha: [ln(1-Q) + Q]/(2 alpha) with a teacher, Q/(1-Q) in place of Q without; (L,).

    docs/theory.md, eqs. 19, 20.
    """
    filled = state.Q if problem.teacher else state.Q / state.P
    return np.asarray((np.log(state.P) + filled) / (2.0 * problem.alpha))


def coupling_slopes(problem: Problem, state: State) -> FloatArray:
    """d(S_sph(l)/alpha)/d logit Q(l), (L,)."""
    slope = -0.5 * state.Q if problem.teacher else 0.5 * state.Q / state.P
    return np.asarray(slope * state.Q / problem.alpha)


def by_log_alpha(problem: Problem, state: State, active: BoolArray) -> FloatArray:
    """dF/d ln alpha: only B(l) depends on alpha, and d logit Q/d ln B is 1 or 1/(1+Q); (2L-1,)."""
    out = np.zeros(active.size)
    out[0::2] = 1.0 if problem.teacher else 1.0 / (1.0 + state.Q)
    out[~active] = 0.0
    return out


def cancel(one: FloatArray, other: FloatArray, size: FloatArray) -> FloatArray:
    """The sum of two terms that should cancel, relative to them or ``size`` if they exceed 1."""
    return np.asarray((one + other) / np.maximum(np.maximum(1.0, size), np.abs(other)))


def iterate(
    saddle_map: Callable[[Problem, FloatArray, FloatArray], tuple[FloatArray, FloatArray]],
    problem: Problem, q: FloatArray, Q: FloatArray, *, tol: float, max_steps: int = 100_000,
) -> tuple[FloatArray, FloatArray, int]:  # fmt: skip
    """Plain iteration of a twin's ``saddle_map`` until no overlap moves by more than ``tol``."""
    step = 0
    while step < max_steps:
        step += 1
        new_q, new_Q = saddle_map(problem, q, Q)
        change = max(np.max(np.abs(new_q - q)), np.max(np.abs(new_Q - Q)))
        q, Q = new_q, new_Q
        if change <= tol:
            break
    return q, Q, step
