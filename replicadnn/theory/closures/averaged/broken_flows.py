"""One pass over the layers of the averaged closure: the flows of neurons and interactions.

The solution is symmetric under q(l) -> q(L-l), Q(l) -> Q(L+1-l): flows are run for l <= L/2 and
mirrored.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from threading import Lock
from typing import Any

import numpy as np

from replicadnn.kernels.theory import layers, newton
from replicadnn.problem import Problem
from replicadnn.theory.broken.state import FlowError, State
from replicadnn.types import FloatArray


@dataclass(frozen=True, slots=True)
class LayerFlow:
    """Results of one flow: F, moments T, curvature <f''^2>, A_i (index i = 1..k+1, 0 unused).

    ``rest`` is 1 - T_k of neurons, with its own relative accuracy.
    """

    F: float
    T: FloatArray
    curvature: FloatArray
    A: FloatArray
    mass_error: float
    rest: float = math.nan


@dataclass(frozen=True, slots=True)
class SpinCurvature:
    """Hessian of one neuron entropy over its free levels and m, with T'^-1 and T_m = dT/dm."""

    block: FloatArray
    inverse: FloatArray
    T_m: FloatArray


@dataclass(frozen=True, slots=True)
class Layers:
    """What an evaluation keeps (`Evaluation.kept`).

    G (L, K+1); ``field`` is the right-hand side of the eps equation, ``pull`` = alpha q(l-1) q(l) G
    that of the B equation; flows of the distinct layers (None: liquid) and, if derivatives were
    asked for, their blocks of the Hessian.
    """

    G: FloatArray
    field: FloatArray
    pull: FloatArray
    gap_flows: list[LayerFlow | None]
    spin_flows: list[LayerFlow | None]
    gap_blocks: list[FloatArray | None]
    spin_blocks: list[SpinCurvature | None]


def hidden(L: int) -> int:
    """Number of distinct hidden layers."""
    return L // 2


def coupled(L: int) -> int:
    """Number of distinct coupling layers."""
    return (L + 1) // 2


def drives(
    q: FloatArray, Q: FloatArray, G: FloatArray, alpha: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """lam(l) = q(l-1) Q(l) q(l), the fields of the neurons and alpha q(l-1) q(l) G(l).

    Field of hidden layer l: Q(l) G(l) q(l-1) + Q(l+1) G(l+1) q(l+1).
    """
    both, drive = q[:-1] * q[1:], Q * G
    field = np.zeros_like(q)
    field[1:-1] = drive[:-1] * q[:-2] + drive[1:] * q[2:]
    return both * Q, field, alpha * (both * G)


class Pass:
    """The layers of one evaluation.

    An interaction needs the neurons on both sides: whoever comes first, the task of that layer or
    its neighbour on another thread, runs their flow; everybody else waits or finds it done.
    """

    def __init__(
        self, problem: Problem, points: float, state: State, eps: FloatArray,
        derivatives: bool = False,
    ) -> None:  # fmt: skip
        self.problem, self.points, self.L = problem, points, problem.L
        self.state, self.eps, self.derivatives = state, eps, derivatives
        self.q = np.zeros_like(eps)
        self.q[0] = self.q[-1] = 1.0
        solid = (state.top < state.m.size) | ~(eps[:, -1] <= 0.0)
        solid[0] = solid[-1] = True
        coupling = ~(state.Q[:, -1] <= 0.0) & solid[:-1] & solid[1:]
        count, pairs = hidden(self.L), coupled(self.L)
        self.neurons: list[int] = (1 + np.flatnonzero(solid[1 : count + 1])).tolist()
        self.interactions: list[int] = np.flatnonzero(coupling[:pairs]).tolist()
        self.locks = {i: Lock() for i in self.neurons}
        self.works: dict[int, Any] = {}
        self.spin_flows: list[LayerFlow | None] = [None] * (count + 1)
        self.spin_blocks: list[SpinCurvature | None] = [None] * (count + 1)
        self.gap_flows: list[LayerFlow | None] = [None] * pairs
        self.gap_blocks: list[FloatArray | None] = [None] * pairs

    def tasks(self) -> list[Callable[[], Any]]:
        """Neurons one layer ahead of the interactions; their blocks, which free tables, soon."""
        order: list[tuple[int, Callable[[], Any]]]
        order = [(i - 1, partial(self.neuron, i)) for i in self.neurons]
        order += [(i + 1, partial(self.interaction, i)) for i in self.interactions]
        if self.derivatives:
            order += [(i, partial(self.neuron_block, i)) for i in self.neurons]
        return [task for _, task in sorted(order, key=itemgetter(0))]

    def _sides(self, layer: int) -> set[int]:
        """Distinct layers of neurons beside an interaction; 0 is data."""
        return {min(i, self.L - i) for i in (layer, layer + 1)}

    def neuron(self, layer: int) -> LayerFlow:
        """q(l) = T of the flow of f = (1/m_top) ln 2cosh(m_top h) with variances eps(l)."""
        with self.locks[layer]:
            flow = self.spin_flows[layer]
            if flow is not None:
                return flow
            top, L = int(self.state.top[layer]), self.L
            fields = self.eps[layer, :top]
            if top == 0 or not np.isfinite(fields).all():
                raise FlowError("the fields of a hidden layer are not finite")
            m_top = 1.0 if top == self.state.m.size else float(self.state.m[top])
            moments, work = layers.spin_flow(self.state.m[:top], fields, m_top, self.points)
            if self.derivatives:
                self.works[layer] = work
            flow = LayerFlow(*moments)
            self.q[layer, :top] = self.q[L - layer, :top] = flow.T
            self.q[layer, top:] = self.q[L - layer, top:] = 1.0
            self.spin_flows[layer] = flow
            return flow

    def neuron_block(self, layer: int) -> None:
        """Hessian of the neuron entropy over (q, m), from what the flow has left."""
        flow = self.neuron(layer)
        dTdv, dTdm, _, dAdm = layers.responses(flow.T, flow.curvature, self.works.pop(layer))
        eps = self.eps[layer, : flow.T.size]
        first = int(np.argmax(eps > 0.0)) if eps[-1] > 0.0 else eps.size
        try:
            block = newton.spin_block(self.state.steps, eps, dTdv, dTdm, dAdm, first)
        except np.linalg.LinAlgError as error:
            raise FlowError("the response of a hidden layer is singular") from error
        self.spin_blocks[layer] = SpinCurvature(*block)

    def interaction(self, layer: int) -> None:
        """Flow with variances lam = q Q q: f = ln[e^-beta + (1-e^-beta) Phi(r/sqrt(1-lam_k))]."""
        for side in self._sides(layer) - {0}:
            self.neuron(side)
        problem, m = self.problem, self.state.m
        q_a, Q, q_b = self.q[layer], self.state.Q[layer], self.q[layer + 1]
        lam = q_a * Q * q_b
        if not np.isfinite(lam).all():
            raise FlowError("the overlaps of an interaction are not finite")
        moments, work = layers.gap_flow(m, lam, problem.kappa, problem.beta, self.points)
        flow = self.gap_flows[layer] = LayerFlow(*moments)
        if self.derivatives:
            dTdv, _, dAdv, dAdm = layers.responses(flow.T, flow.curvature, work)
            self.gap_blocks[layer] = newton.coupling_block(
                m, q_a, Q, q_b, flow.T, dTdv, dAdv, dAdm, problem.alpha
            )
