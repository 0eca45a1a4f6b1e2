"""Replica-symmetric free entropy and the certificate of a solution.

    s = sum_{l=1..L} { F_int(l) + S_sph(l)/alpha } + sum_{l=1..L-1} F_spin(l)    (per N M)

(docs/theory.md, eqs. 19, 20).  The certificate differentiates this functional numerically and
so compares two independent quadratures: that of s and that of the map.
"""

from __future__ import annotations

import numpy as np

from replicadnn.kernels.theory import symmetric as kernels
from replicadnn.theory.closures.averaged.saddle import SaddlePoint
from replicadnn.theory.closures.common import (
    RELATIVE_STEP,
    ROUNDING,
    STENCIL,
    cancel,
    coupling_entropies,
    coupling_slopes,
)
from replicadnn.theory.contract import Entropy
from replicadnn.theory.symmetric.state import State
from replicadnn.types import FloatArray


def interaction_overlap(state: State) -> tuple[FloatArray, FloatArray]:
    """lam(l) = q(l-1) Q(l) q(l) and 1 - lam(l), both (L,)."""
    lam = state.q[:-1] * state.Q * state.q[1:]
    inputs_and_outputs = state.p[:-1] + state.p[1:] - state.p[:-1] * state.p[1:]
    return lam, inputs_and_outputs + state.P - inputs_and_outputs * state.P


def neuron_field(equations: SaddlePoint, state: State) -> FloatArray:
    """eps(l) = Q(l) q(l-1) G(l) + Q(l+1) q(l+1) G(l+1) for l = 1..L-1 (eq. 9)."""
    G = equations.curvatures(state)
    forward, backward = state.Q * state.q[:-1] * G, state.Q * state.q[1:] * G
    return forward[:-1] + backward[1:]


def free_entropy(equations: SaddlePoint, state: State) -> Entropy:
    """s of a state at its own eps; stationary in q and Q at a solution."""
    interaction = equations.interactions(*interaction_overlap(state))
    couplings = coupling_entropies(equations.problem, state)
    eps = neuron_field(equations, state)
    neurons = _neurons(equations, eps, state)
    total = float(np.sum(interaction) + np.sum(couplings) + np.sum(neurons))
    return Entropy(total, interaction, couplings, neurons)


def gradient(equations: SaddlePoint, state: State) -> tuple[FloatArray, FloatArray, FloatArray]:
    """ds/d(logit q) (L-1), ds/d(logit Q) (L) and ds/d(ln eps) (L-1), the others held fixed.

    s is taken as a function of q, Q and eps at eps(q, Q) of eq. 9.  The derivatives of F_int in
    lam and of F_spin in eps are five-point differences of the free-entropy quadratures, which
    share nothing with the quadratures of the map.  All three vanish at a solution.  Where the
    terms that cancel exceed 1 (near saturation) their sum is given relative to them, where F_int
    exceeds 3e3 (large beta) relative to `ROUNDING` of it: differences carry its rounding.
    """
    problem = equations.problem
    lam, mu = interaction_overlap(state)
    step = RELATIVE_STEP * np.minimum(lam, mu)
    slope, size = np.zeros_like(lam), np.zeros_like(lam)
    for offset, weight in STENCIL:
        values = equations.interactions(lam + offset * step, mu - offset * step)
        slope += weight * values
        size = np.maximum(size, ROUNDING * np.abs(values))
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(lam > 0.0, slope / step, 0.0)
    eps = neuron_field(equations, state)
    in_log_eps = np.zeros_like(eps)
    for offset, weight in STENCIL:
        in_log_eps += weight * _neurons(equations, eps * (1.0 + offset * RELATIVE_STEP), state)
    in_log_eps /= RELATIVE_STEP * np.maximum(1.0, 0.5 * eps * state.p[1:-1])

    sign = 1.0 if problem.teacher else -1.0  # eps is conjugate to -q/2 (+q/2) in s
    forward, backward = slope * state.Q * state.q[:-1], slope * state.Q * state.q[1:]
    width = state.q[1:-1] * state.p[1:-1]
    in_q = cancel(
        width * (forward[:-1] + backward[1:]), -0.5 * sign * eps * width,
        np.maximum(size[:-1], size[1:]),
    )  # fmt: skip
    in_Q = state.Q * state.P * state.q[:-1] * state.q[1:] * slope
    return in_q, cancel(in_Q, coupling_slopes(problem, state), size), in_log_eps


def _neurons(equations: SaddlePoint, eps: FloatArray, state: State) -> FloatArray:
    values = np.empty_like(eps)
    kernels.neuron_terms(equations.problem.teacher, eps, state.p[1:-1].copy(), values)
    return values
