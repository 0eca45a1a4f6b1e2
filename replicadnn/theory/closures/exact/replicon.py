"""Replicon of the replica-symmetric solution, exact closure: a 2 x 2 block (u, omega) a layer.

    ( dq )   ( <f_uu^2>  <f_uw^2> ) ( deps )      deps(l) = Q(l+1) dG(l+1) + G(l+1) dQ(l+1)
    ( dG ) = ( <f_uw^2>  <f_ww^2> ) ( dlam )      dlam(l) = Q(l) dq(l-1) + q(l-1) dQ(l)
    dQ(l) = (1 - Q(l))^2 alpha [ q(l-1) dG(l) + G(l) dq(l-1) ]

rho is the spectral radius of the map of (q, Q) (docs/theory.md, eq. 49).
"""

from __future__ import annotations

import numpy as np

from replicadnn.problem import Problem
from replicadnn.theory.closures.exact.site import Slopes
from replicadnn.theory.symmetric.state import State
from replicadnn.types import FloatArray

#: Depth up to which the replicon is computed, by dense linear algebra.
MAX_DEPTH = 500


def replicon_matrix(problem: Problem, state: State, G: FloatArray, slopes: Slopes) -> FloatArray:
    """The map of (delta q(0..L), delta Q(1..L)), (2L+1, 2L+1)."""
    L, q, Q = problem.L, state.q, state.Q
    size = 2 * L + 1
    out = np.zeros((size, size))
    dG = np.zeros(size)
    for l in range(L, 0, -1):
        uu, uw, ww = (float(x[l - 1]) for x in (slopes.f_uu, slopes.f_uw, slopes.f_ww))
        d_eps = np.zeros(size)
        if l < L:
            d_eps = Q[l] * dG
            d_eps[L + 1 + l] += G[l]
        d_lam = np.zeros(size)
        d_lam[l - 1] += Q[l - 1]
        d_lam[L + l] += q[l - 1]
        if l < L:
            out[l] = uu * d_eps + uw * d_lam
        dG = uw * d_eps + ww * d_lam
        dB = problem.alpha * q[l - 1] * dG
        dB[l - 1] += problem.alpha * G[l - 1]
        out[L + l] = state.P[l - 1] ** 2 * dB
    out[:, 0] = 0.0  # the data do not fluctuate
    return out


def replicon(problem: Problem, state: State, G: FloatArray, slopes: Slopes) -> float:
    """rho of a replica-symmetric state."""
    return float(np.max(np.abs(np.linalg.eigvals(replicon_matrix(problem, state, G, slopes)))))
