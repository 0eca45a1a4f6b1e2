"""Density of the gaps r = S h of one layer in the exact closure, with levels.

As in `gaps`, with the fields behind the last level distributed by P_K(omega, u) of the flow
(docs/theory.md, eq. 53) in place of independent Gaussians:

    P(r) = w(r) < [1 + f_u(omega, u)] phi((r - omega)/sqrt V)/W(omega) >_K/sqrt V,   V = 1 - lam_K.

Without a signal from below, omega = 0, it is the Gaussian of an unconstrained network cut at the
margin; at the output, S given, f_u = 0 and P_K is that of one field.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from replicadnn.errors import InputError
from replicadnn.kernels.theory import layers
from replicadnn.problem import Problem
from replicadnn.solution import Solution
from replicadnn.theory.broken.state import FlowError
from replicadnn.theory.closures.averaged.gaps import GapDensity as OneField
from replicadnn.theory.closures.averaged.gaps import cut_gaussian, sum_over_fields
from replicadnn.theory.closures.averaged.weight import floor_distance
from replicadnn.theory.closures.exact.broken import POINTS_PER_WIDTH
from replicadnn.theory.closures.exact.broken_flows import OUTPUT
from replicadnn.theory.closures.exact.plane import OMEGA, PlaneFlow, plane_flow
from replicadnn.types import FloatArray

#: Spacing of omega in units of sqrt V, at this many standard deviations.
_SPACING, _WITHIN = 0.5, 5.5


@dataclass(frozen=True, slots=True)
class LevelGaps:
    """P(r) of one hidden layer (`replicadnn.theory.contract.GapDensity`).

    ``omega`` and their ``weights``, which sum to 1, stand for P_K; ``rest`` is V.
    """

    problem: Problem
    omega: FloatArray
    weights: FloatArray
    rest: float

    @property
    def width(self) -> float:
        """sqrt V: scale of the peak above the margin."""
        return math.sqrt(self.rest)

    @property
    def floor(self) -> float:
        """Below it, finite beta: fields at which ln W levels off at -beta; -inf for beta = inf."""
        return self.problem.kappa - floor_distance(self.problem.beta) * self.width

    def at(self, r: FloatArray) -> FloatArray:
        """P at the gaps ``r`` (n); at r = kappa from above."""
        kappa, beta = self.problem.kappa, self.problem.beta
        if not np.any(self.omega):
            return cut_gaussian(r, kappa, beta)
        return sum_over_fields(r, self.omega, self.weights, self.width, kappa, beta)


def gap_density(solution: Solution, layer: int) -> OneField | LevelGaps:
    """That of ``layer`` (1..L) of a solution.

    InputError where the overlaps are so close to contact that the grid of its flow is too large.
    """
    problem, L = solution.problem, solution.problem.L
    lam = np.maximum.accumulate(solution.q[:-1] * solution.Q, axis=1)
    below, above = solution.one_minus_q_ea[layer - 1], solution.one_minus_Q_ea[layer - 1]
    rest = float(below + above - below * above)
    if layer == L:
        return OneField(problem, solution.x, lam[-1], rest)
    if lam[layer - 1, -1] == 0.0:
        return LevelGaps(problem, np.zeros(1), np.ones(1), rest)
    finer = _WITHIN * OMEGA / (_SPACING * POINTS_PER_WIDTH) * math.sqrt(lam[layer - 1, -1] / rest)
    try:
        eps = _field(solution, lam, layer)
        flow = _flow(solution, lam[layer - 1], eps, max(finer, 1.0))
    except FlowError as error:
        allowed = "overlaps less close to contact: the flow of this layer needs too large a grid"
        raise InputError("solution", f"1 - lam({layer}) = {rest:.3g}", allowed) from error
    return LevelGaps(problem, *_one_side(flow), rest)


def _field(solution: Solution, lam: FloatArray, layer: int) -> FloatArray:
    """eps(layer) = Q(l+1) G(l+1), the layers above from the output down."""
    problem, m = solution.problem, solution.x
    G = layers.gap_flow(m, lam[-1], problem.kappa, problem.beta, OUTPUT * POINTS_PER_WIDTH)[0][1]
    for above in range(problem.L - 1, layer, -1):
        eps = _rising(solution.Q[above] * G)
        solid = eps[-1] > 0.0 or lam[above - 1, -1] > 0.0
        G = _flow(solution, lam[above - 1], eps).G if solid else np.zeros(m.size)
    return _rising(solution.Q[layer] * G)


def _rising(eps: FloatArray) -> FloatArray:
    return np.asarray(np.maximum.accumulate(eps))


def _flow(solution: Solution, lam: FloatArray, eps: FloatArray, finer: float = 1.0) -> PlaneFlow:
    problem = solution.problem
    return plane_flow(solution.x, lam, eps, problem.kappa, problem.beta, POINTS_PER_WIDTH, finer)


def _one_side(flow: PlaneFlow) -> tuple[FloatArray, FloatArray]:
    """omega and the weights of P_K [1 + f_u], summed over u: those of S = 1, twice.

    The tables hold omega >= 0; (-omega, -u) has the same P_K and the opposite f_u.
    """
    at = flow.tables
    P, f_u, omega = at.P[-1], at.first[-1][0], at.grids[-1].omega
    right, left = (0.5 * (P * (1.0 + sign * f_u)).sum(axis=(0, 2)) for sign in (1.0, -1.0))
    return np.concatenate([-omega[::-1], omega]), np.concatenate([left[::-1], right])
