"""Replica-symmetric free entropy of the exact closure, and its derivatives by a second route.

    random:           s = sum_l { F(l) + S_sph(l)/alpha } - 1/2 sum_{l<L} eps(l) [1 - q(l)]
    teacher-student:  s = sum_l { F(l) + S_sph(l)/alpha } + 1/2 sum_{l<L} eps(l) [1 - q(l)]

F(l) = <f> of layer l (less eps(l) with a teacher, l < L); docs/theory.md, eqs. 44, 45.  The
certificate differentiates F numerically: that shares no quadrature with q and G.
"""

from __future__ import annotations

import numpy as np

from replicadnn.theory.closures.common import cancel, coupling_entropies, coupling_slopes
from replicadnn.theory.closures.exact.site import Sites
from replicadnn.theory.contract import Entropy
from replicadnn.theory.symmetric.state import State
from replicadnn.types import FloatArray


def _overlaps(state: State) -> tuple[FloatArray, FloatArray]:
    """lam(l) = q(l-1) Q(l) and 1 - lam(l), (L,)."""
    p, P = state.p[:-1], state.P
    return state.q[:-1] * state.Q, p + P - p * P


def free_entropy(sites: Sites, state: State, eps: FloatArray) -> Entropy:
    """s at the fields ``eps`` (L, inf at the output); ``neurons`` is the term eps (1 - q)/2."""
    F = sites.potentials(*_overlaps(state), eps)
    couplings = coupling_entropies(sites.problem, state)
    sign = 1.0 if sites.problem.teacher else -1.0
    neurons = 0.5 * sign * eps[:-1] * state.p[1:-1]
    return Entropy(float(np.sum(F) + np.sum(couplings) + np.sum(neurons)), F, couplings, neurons)


def gradient(
    sites: Sites, state: State, eps: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """ds/d(logit q) (L-1), ds/d(logit Q) (L), ds/d(ln eps) (L-1), the others held fixed.

    Where the terms that cancel exceed 1 their sum is given relative to them, where F is large
    relative to its rounding.
    """
    sign = 1.0 if sites.problem.teacher else -1.0
    slope, in_log_eps, size = sites.potential_slopes(*_overlaps(state), eps)
    hidden, rest = state.q[1:-1], state.p[1:-1]
    conjugate = 0.5 * sign * eps[:-1] * rest
    in_eps = cancel(in_log_eps[:-1], conjugate, size[:-1])
    in_q = cancel(
        hidden * rest * slope[1:] * state.Q[1:], -0.5 * sign * eps[:-1] * hidden * rest, size[1:]
    )
    in_Q = cancel(
        state.Q * state.P * state.q[:-1] * slope, coupling_slopes(sites.problem, state), size
    )
    return in_q, in_Q, in_eps
