"""One pass over the layers of the exact closure, from the inputs to the output.

A hidden layer takes lam(l) = q(l-1) Q(l) from below and eps(l) from above and gives q(l), so that
(eps, Q) of a state determine everything; the output layer has omega alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from replicadnn.kernels.theory import layers, newton
from replicadnn.problem import Problem
from replicadnn.theory.broken.state import FlowError, State
from replicadnn.theory.closures.averaged.weight import mean_weight
from replicadnn.theory.closures.exact.plane import PlaneFlow, plane_flow
from replicadnn.theory.closures.exact.plane_response import PlaneResponse, U, W, plane_response
from replicadnn.types import FloatArray

#: Hard contact of an interaction: beyond, no grid resolves its flow.
CONTACT = 1.0 - 1e-12
#: Points of the output, which has one field only, on those of hidden layers.
OUTPUT = 2.0


@dataclass(frozen=True, slots=True)
class OutputFlow:
    """ln W(omega) at the output: F, G, <f_ww^2>, A_i (i = 1..K used), error of the mass."""

    free_energy: float
    G: FloatArray
    curvature: FloatArray
    A: FloatArray
    mass_error: float


@dataclass(frozen=True, slots=True)
class HiddenCurvature:
    """Second derivatives of one hidden layer over (q, lam, m), eps eliminated by q = T(lam, eps).

    Levels of q from the first with a field on; ``inverse`` = (dT/deps)^-1, ``by_lam`` = dT/dlam and
    ``by_m`` = dT/dm on them.
    """

    inverse: FloatArray
    by_lam: FloatArray
    by_m: FloatArray
    q_q: FloatArray
    q_lam: FloatArray
    q_m: FloatArray
    lam_lam: FloatArray
    lam_m: FloatArray
    m_m: FloatArray


def eliminate(m: FloatArray, eps: FloatArray, flow: PlaneFlow, r: PlaneResponse) -> HiddenCurvature:
    """With w_i = (m_{i+1} - m_i)/2 and T' = dT/deps, Phi the potential of (q, lam, m):

        Phi_q = w eps,   Phi_lam = -w G,   Phi_m = A_m + (eps_{m-1} q_{m-1} - eps_m q_m)/2.

    Raises LinAlgError where T' is singular.  ``lam_lam`` is dG/dlam at fixed q, without -w.
    """
    K = m.size - 1
    half = 0.5 * np.diff(np.append(m, 1.0))
    low = int(np.count_nonzero(eps <= 0.0))
    inverse: FloatArray = np.asarray(np.linalg.inv(r.by_variance[U, low:, U, low:]), np.float64)
    by_lam, by_m = r.by_variance[U, low:, W], r.by_step[U, low:, 1:]
    G_eps = r.by_variance[W, :, U, low:] @ inverse
    w = half[low:, None]
    turn = np.zeros((K + 1, K))  # d w_i/dm_j
    turn[np.arange(1, K + 1), np.arange(K)] = -0.5
    turn[np.arange(K), np.arange(K)] = 0.5
    return HiddenCurvature(
        inverse,
        by_lam,
        by_m,
        w * inverse,
        -w * (inverse @ by_lam),
        turn[low:] * eps[low:, None] - w * (inverse @ by_m),
        r.by_variance[W, :, W] - G_eps @ by_lam,
        -turn * flow.G[:, None] - half[:, None] * (r.by_step[W, :, 1:] - G_eps @ by_m),
        r.steps[1:, 1:] + (w * by_m).T @ inverse @ by_m,
    )


class Pass:
    """The layers of one evaluation at couplings and fields ``eps``; q follows.

    Attributes
    ----------
    q : array (L+1, K+1)
        Overlaps, 1 at the data, 0 in liquid layers.
    lam, G : arrays (L, K+1)
        q(l-1) Q(l), and <f_omega^2>; 0 in liquid hidden layers.
    hidden : list of PlaneFlow or None
        By hidden layer 1..L-1 (index l - 1); None: liquid.
    """

    def __init__(self, problem: Problem, points: float, state: State, alone: bool) -> None:
        """``alone``: whether couplings may hold a layer without a field."""
        self.problem, self.points, self.state, self.alone = problem, points, state, alone
        self.eps = state.eps
        L, K1 = problem.L, state.m.size
        self.q, self.lam, self.G = np.zeros((L + 1, K1)), np.zeros((L, K1)), np.zeros((L, K1))
        self.q[0] = self.q[L] = 1.0
        self.hidden: list[PlaneFlow | None] = [None] * (L - 1)
        for layer in range(1, L):
            self.lam[layer - 1] = self.q[layer - 1] * state.Q[layer - 1]
            flow = self.hidden[layer - 1] = self.neuron(layer, self.eps[layer])
            if flow is not None:
                self.q[layer], self.G[layer - 1] = flow.q, flow.G
        self.lam[L - 1] = self.q[L - 1] * state.Q[L - 1]
        self.output, self.work = self._output()
        self.G[L - 1] = self.output.G

    def neuron(self, layer: int, eps: FloatArray) -> PlaneFlow | None:
        """The flow of a hidden layer at other fields; None: it is liquid."""
        lam = self.lam[layer - 1]
        if eps[-1] <= 0.0 and not (self.alone and lam[-1] > 0.0):
            return None
        if not (np.isfinite(eps).all() and np.isfinite(lam).all() and lam[-1] < CONTACT):
            raise FlowError("the fields of a hidden layer are out of range")
        problem = self.problem
        return plane_flow(self.state.m, lam, eps, problem.kappa, problem.beta, self.points)

    def _output(self) -> tuple[OutputFlow, object]:
        lam, problem = self.lam[-1], self.problem
        if not np.isfinite(lam).all():
            raise FlowError("the overlaps of the output layer are not finite")
        moments, work = layers.gap_flow(
            self.state.m, lam, problem.kappa, problem.beta, OUTPUT * self.points
        )
        return OutputFlow(*moments), work

    def blocks(self) -> Blocks:
        """The slots that `tasks` fill."""
        return Blocks([None] * self.problem.L, [None] * (self.problem.L - 1))

    def tasks(self, blocks: Blocks) -> list[Callable[[], None]]:
        """Second derivatives of the layers, one task each."""
        solid = [i + 1 for i, flow in enumerate(self.hidden) if flow is not None]
        out: list[Callable[[], None]] = [partial(self._hidden_block, blocks, l) for l in solid]
        if self.state.Q[-1, -1] > 0.0:
            out.append(partial(self._output_block, blocks))
        return out

    def _hidden_block(self, blocks: Blocks, layer: int) -> None:
        """Blocks of (q(l-1), Q(l), 1, m), with S_sph, and what q(l) adds."""
        flow, m = self.hidden[layer - 1], self.state.m
        assert flow is not None
        try:
            parts = eliminate(m, self.eps[layer], flow, plane_response(flow))
        except np.linalg.LinAlgError as error:
            raise FlowError("the response of a hidden layer is singular") from error
        blocks.neurons[layer - 1] = parts
        if self.state.Q[layer - 1, -1] > 0.0:
            self._couple(blocks, layer, flow.G, parts.lam_lam, parts.lam_m, parts.m_m)

    def _output_block(self, blocks: Blocks) -> None:
        flow = self.output
        dTdv, _, dAdv, dAdm = layers.responses(flow.G, flow.curvature, self.work)
        self._couple(blocks, self.problem.L, flow.G, dTdv, dAdv[1:-1].T, dAdm[1:-1, 1:-1])

    def _couple(
        self, blocks: Blocks, layer: int, G: FloatArray, lam_lam: FloatArray, lam_m: FloatArray,
        m_m: FloatArray,
    ) -> None:  # fmt: skip
        """Second derivatives over (q(l-1), Q(l), m), S_sph/alpha included."""
        m, K1 = self.state.m, self.state.m.size
        by_lam, by_m = np.zeros((K1 + 1, K1)), np.zeros((K1 + 1, K1 + 1))
        by_lam[1:K1], by_m[1:K1, 1:K1] = lam_m.T, m_m
        block = newton.coupling_block(
            m, self.q[layer - 1], self.state.Q[layer - 1], np.ones(K1), G, lam_lam, by_lam, by_m,
            self.problem.alpha,
        )  # fmt: skip
        keep = np.r_[0 : 2 * K1, 3 * K1 : block.shape[0]]
        blocks.couplings[layer - 1] = block[np.ix_(keep, keep)]


@dataclass(frozen=True, slots=True)
class Blocks:
    """Second derivatives by layer: over (q(l-1), Q(l), m), and of hidden layers."""

    couplings: list[FloatArray | None]
    neurons: list[HiddenCurvature | None]


def liquid_potential(kappa: float, beta: float) -> float:
    """f(0, 0) = ln 2 <W> of a liquid hidden layer."""
    return math.log(2.0 * mean_weight(kappa, beta))
