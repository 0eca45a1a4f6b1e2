"""Replica-symmetric saddle-point equations of a whole network as one map y = F(y).

State: overlaps q(0..L) and Q(1..L), each kept together with its distance from 1 so that both
ends of [0, 1] have full relative accuracy.  Newton works in the logits y = ln x/(1-x) of the
overlaps that are neither exactly 0 (liquid) nor 1 to within 1e-280 (saturated), interleaved as
Q(1), q(1), Q(2), ..., q(L-1), Q(L), in which the Jacobian has two bands on either side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from replicadnn import interrupt
from replicadnn.kernels.theory import averages
from replicadnn.kernels.theory import symmetric as kernels
from replicadnn.problem import Problem
from replicadnn.quadrature import SQRT_2PI, log_weight, log_weight_curvature, on_panels
from replicadnn.theory.closures.averaged.weight import floor_distance, liquid_curvature, mean_weight
from replicadnn.theory.closures.common import by_log_alpha
from replicadnn.theory.symmetric.state import LIQUID_FLOOR, State
from replicadnn.types import BoolArray, FloatArray

#: Layers that moved by less than this part of the largest change are left alone in a pass.
_REST = 1e-3
#: Order of the panels of `SaddlePoint.gap_responses`.
_ORDER = 12

Parameters: TypeAlias = tuple[bool, float, float, float, float, float, float]


@dataclass(slots=True)
class SaddlePoint:
    """The replica-symmetric map of one `Problem` (docs/theory.md, eqs. 8-18)."""

    problem: Problem
    #: teacher, alpha, kappa, beta, drop, b, norm of `replicadnn.kernels.theory.symmetric`
    parameters: Parameters = field(init=False)
    threshold: float = field(init=False)

    def __post_init__(self) -> None:
        problem = self.problem
        self.parameters = (
            problem.teacher, problem.alpha, problem.kappa, problem.beta,
            floor_distance(problem.beta), -math.expm1(-problem.beta),
            mean_weight(problem.kappa, problem.beta),
        )  # fmt: skip
        self.threshold = problem.alpha * liquid_curvature(problem.kappa, problem.beta) ** 2

    @property
    def monotone(self) -> bool:
        """Whether the map is known to increase in every overlap (docs/theory.md, 5.2)."""
        problem = self.problem
        return problem.teacher or math.isinf(problem.beta) or problem.kappa <= 0.0

    @property
    def part(self) -> float:
        """Part of its way that an overlap goes in a pass: less than 1 where passes may overshoot.

        At a margin kappa dlnG/dln(1-lam) may reach kappa^2/8: the factor of 1 - z (kappa - z)
        below the integral for dG/dlam in `kernels.curvature_random`.
        """
        return 1.0 if self.monotone else 1.0 / (1.0 + self.problem.kappa**2 / 16.0)

    # -- relaxation ------------------------------------------------------------------------
    def sweep(self, state: State, pairs: int) -> float:
        """``pairs`` forward-and-backward Gauss-Seidel passes in place; last relative change."""
        G = self.curvatures(state)
        moves = np.full(state.q.size, np.inf)
        moves[[0, -1]] = 0.0
        change = 0.0
        for _ in range(pairs):
            interrupt.check()
            rest_below = _REST * min(change, 1.0)
            change = 0.0
            for forward in (True, False):
                change = max(
                    change,
                    kernels.sweep(
                        *self.parameters, state.q, state.p, state.Q, state.P, G,
                        self.part, moves,
                        rest_below,
                        LIQUID_FLOOR, forward,
                    ),
                )  # fmt: skip
            if change == 0.0:
                break
        return change

    def instability(self, state: State) -> FloatArray:
        """alpha G(0)^2 (q(l-1)^2 + q(l+1)^2) of the hidden layers 1..L-1 (eq. 22)."""
        return self.threshold * (state.q[:-2] ** 2 + state.q[2:] ** 2)

    def unstable_liquid_layers(self, state: State) -> list[int]:
        """Hidden layers (1..L-1) that are liquid although their neighbours make them unstable."""
        bad = (state.q[1:-1] == 0.0) & (self.instability(state) > 1.0 + kernels.ONSET)
        return [int(l) + 1 for l in np.flatnonzero(bad)]

    # -- averages over gaps -----------------------------------------------------------------
    def interactions(self, lam: FloatArray, mu: FloatArray) -> FloatArray:
        """F_int of layers with these overlaps, mu = 1 - lam."""
        values = np.empty_like(lam)
        kernels.interaction_terms(*self.parameters, lam, mu, values)
        return values

    def mass_errors(self, lam: FloatArray, mu: FloatArray) -> float:
        """Largest error of Int Dz w(u) = c + b Phi(-kappa), which holds exactly in every layer."""
        return float(kernels.mass_error(*self.parameters, lam, mu))

    def gap_responses(self, lam: FloatArray, mu: FloatArray) -> FloatArray:
        """<f''^2>_int of layers with these overlaps (`replicon`)."""
        pairs = zip(lam, mu, strict=True)
        return np.array([_gap_response(self.parameters, float(a), float(b)) for a, b in pairs])

    # -- linear response -----------------------------------------------------------------------
    def curvatures(self, state: State) -> FloatArray:
        """G(l) of the interaction, l = 1..L (eqs. 14, 16)."""
        G = np.empty(state.Q.size)
        kernels.curvatures(*self.parameters, state.q, state.p, state.Q, state.P, G)
        return G

    def linearise(self, state: State, active: BoolArray) -> tuple[FloatArray, FloatArray]:
        """F(y) - y (0 outside ``active``) and the bands of 1 - dF/dy on ``active``."""
        interrupt.check()
        values = np.empty(active.size)
        bands = np.empty((5, active.size))
        kernels.newton_system(
            *self.parameters, state.q, state.p, state.Q, state.P, active, values, bands
        )
        return values, bands

    def by_log_alpha(self, state: State, active: BoolArray) -> FloatArray:
        """dF/d ln alpha at fixed overlaps."""
        return by_log_alpha(self.problem, state, active)

    def residual(self, state: State) -> float:
        """max |logit F(x) - logit x| over all overlaps: bounds |dx| / (x (1 - x)).

        inf where an overlap is 0 and should not be.
        """
        if state.torn:
            return math.inf
        return float(np.max(np.abs(self.linearise(state, state.active)[0])))


def _gap_response(parameters: Parameters, lam: float, mu: float) -> float:
    """<f''^2>_int of one layer at lam, mu = 1 - lam."""
    teacher, _, kappa, beta, drop, _, norm = parameters
    if lam == 0.0:
        return float(log_weight_curvature(np.array([-kappa]), beta)[0]) ** 2
    width, kink = math.sqrt(mu / lam), kappa / math.sqrt(lam)
    edges = averages.panels(kink, width, drop, averages.upper_end(lam, kappa))
    z, dz = on_panels(edges, _ORDER)
    u = (z - kink) / width
    second = log_weight_curvature(u, beta)
    weight = dz * np.exp(-0.5 * z * z) / SQRT_2PI
    if teacher:
        weight = weight * np.exp(log_weight(u, beta)) / norm
    return float(np.sum(weight * second**2)) / mu**2
