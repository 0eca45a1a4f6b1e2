"""Replica-symmetric saddle-point equations of a whole network as one map y = F(y).

State: overlaps q(0..L) and Q(1..L), each kept together with its distance from 1 so that both
ends of [0, 1] have full relative accuracy.  Newton works in the logits y = ln x/(1-x) of the
overlaps that are neither exactly 0 (liquid) nor 1 to within 1e-280 (saturated), interleaved as
Q(1), q(1), Q(2), ..., q(L-1), Q(L), in which the Jacobian has two bands on either side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_ndtr, ndtr

from replicadnn import interrupt
from replicadnn.kernels.theory import symmetric as kernels
from replicadnn.problem import Problem
from replicadnn.theory.symmetric.newton import NewtonResult, newton
from replicadnn.types import FloatArray

#: An overlap below this that is not unstable is a liquid layer: exactly 0.
LIQUID_FLOOR = 1e-10
_SATURATED = 1e-280
#: Layers that moved by less than this part of the largest change are left alone in a pass.
_REST = 1e-3


@dataclass(slots=True)
class State:
    """Overlaps q (L+1), Q (L) and their distances p = 1 - q, P = 1 - Q from 1."""

    q: FloatArray
    p: FloatArray
    Q: FloatArray
    P: FloatArray

    @classmethod
    def uniform(cls, L: int, rest: float, coupling_rest: float | None = None) -> State:
        """Every inner overlap at 1 - ``rest`` (couplings at 1 - ``coupling_rest`` if given)."""
        other = rest if coupling_rest is None else coupling_rest
        state = cls(
            np.full(L + 1, 1.0 - rest), np.full(L + 1, rest), np.full(L, 1.0 - other),
            np.full(L, other),
        )  # fmt: skip
        state.q[[0, L]] = 1.0
        state.p[[0, L]] = 0.0
        return state

    @classmethod
    def liquid(cls, L: int) -> State:
        """No order anywhere but in the data: q = Q = 0 inside."""
        return cls.uniform(L, 1.0)

    def copy(self) -> State:
        return State(self.q.copy(), self.p.copy(), self.Q.copy(), self.P.copy())

    @property
    def logits(self) -> FloatArray:
        """Interleaved logits, -inf for 0 and +inf for 1."""
        y = np.empty(2 * self.Q.size - 1)
        with np.errstate(divide="ignore"):
            y[0::2] = np.log(self.Q) - np.log(self.P)
            y[1::2] = np.log(self.q[1:-1]) - np.log(self.p[1:-1])
        return y

    def with_logits(self, active: NDArray[np.bool_], y: FloatArray) -> State:
        """Copy of this state in which the logits marked ``active`` are those of ``y``."""
        filled, empty = expit(y), expit(-y)
        new = self.copy()
        for x, rest, part in (
            (new.Q, new.P, slice(0, None, 2)),
            (new.q[1:-1], new.p[1:-1], slice(1, None, 2)),
        ):
            np.copyto(x, filled[part], where=active[part])
            np.copyto(rest, empty[part], where=active[part])
        return new

    def drop(self, below: float) -> None:
        """Make every hidden layer with q < ``below`` liquid, in place."""
        small = np.flatnonzero(self.q < below)
        self.q[small], self.p[small] = 0.0, 1.0
        for couplings in (small - 1, small):
            self.Q[couplings], self.P[couplings] = 0.0, 1.0


@dataclass(slots=True)
class Equations:
    """The replica-symmetric map of one `Problem` (docs/theory.md, eqs. 8-18)."""

    problem: Problem
    #: teacher, alpha, kappa, beta, drop, b, norm of `replicadnn.kernels.theory.symmetric`
    parameters: tuple[bool, float, float, float, float, float, float] = field(init=False)
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

    # -- Newton ----------------------------------------------------------------------------
    def active(self, state: State) -> NDArray[np.bool_]:
        """Mask (2L-1) of the overlaps that are neither liquid nor saturated."""
        mask = np.empty(2 * state.Q.size - 1, dtype=bool)
        mask[0::2] = (state.Q > 0.0) & (state.P > _SATURATED)
        mask[1::2] = (state.q[1:-1] > 0.0) & (state.p[1:-1] > _SATURATED)
        return mask

    def curvatures(self, state: State) -> FloatArray:
        """G(l) of the interaction, l = 1..L (eqs. 14, 16)."""
        G = np.empty(state.Q.size)
        kernels.curvatures(*self.parameters, state.q, state.p, state.Q, state.P, G)
        return G

    def linearise(self, state: State, active: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
        """F(y) - y (0 outside ``active``) and the bands of 1 - dF/dy on ``active``."""
        interrupt.check()
        values = np.empty(active.size)
        bands = np.empty((5, active.size))
        kernels.newton_system(
            *self.parameters, state.q, state.p, state.Q, state.P, active, values, bands
        )
        return values, bands

    def residual(self, state: State) -> float:
        """max |logit F(x) - logit x| over all overlaps: bounds |dx| / (x (1 - x))."""
        return float(np.max(np.abs(self.linearise(state, self.active(state))[0])))

    def newton(
        self, state: State, *, tol: float, cap: float, max_iter: int, dying: bool
    ) -> NewtonResult:
        """Newton in the active logits of ``state``; the others are 0 in the result's ``y``.

        With ``dying`` it stops when a neuron layer falls below `LIQUID_FLOOR`.
        """
        active = self.active(state)

        def evaluate(y: FloatArray) -> tuple[FloatArray, FloatArray]:
            return self.linearise(state.with_logits(active, y), active)

        floor = np.full(active.size, -np.inf)
        if dying:
            floor[1::2] = math.log(LIQUID_FLOOR)
        start = np.where(active, state.logits, 0.0)
        return newton(evaluate, start, tol=tol, cap=cap, max_iter=max_iter, floor=floor)


def mean_weight(kappa: float, beta: float) -> float:
    """Average of w: exp(-beta) + (1 - exp(-beta)) Phi(-kappa)  (docs/theory.md, eq. 2)."""
    return math.exp(-beta) - math.expm1(-beta) * float(ndtr(-kappa))


def floor_distance(beta: float) -> float:
    """d with (1 - exp(-beta)) Phi(-d) = exp(-beta): where ln w(-d) levels off at -beta.

    d = sqrt(2 beta) to leading order; 0 at beta <= ln 2, inf for the hard constraint.
    """
    if math.isinf(beta):
        return math.inf
    limit = beta + math.log(-math.expm1(-beta))
    d = math.sqrt(2.0 * beta)
    for _ in range(12):  # a factor 1/d^2 each
        d = math.sqrt(max(0.0, 2.0 * (limit + float(log_ndtr(-d)) + 0.5 * d * d)))
    return d


def liquid_curvature(kappa: float, beta: float) -> float:
    """G(0) = (b phi(kappa)/norm)^2; (2/pi) tanh^2(beta/2) at kappa = 0 (eq. 21)."""
    density = math.exp(-0.5 * kappa * kappa) / math.sqrt(2.0 * math.pi)
    return float((-math.expm1(-beta) * density / mean_weight(kappa, beta)) ** 2)
