"""How order grows in the averaged closure: two equal fronts, one from the inputs, one from the
outputs.

    layer l, liquid between q(l-1) and q(l+1), is unstable when
    alpha G(0)^2 (q(l-1)^2 + q(l+1)^2) > 1                            (docs/theory.md, eq. 22)

While the layers beyond l are liquid a front is a chain of l + 1 layers, q(0) = 1, q(l+1) = 0; with
the centre solid, the whole mirror-symmetric network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from replicadnn.problem import Ansatz, Problem
from replicadnn.theory.closures.averaged.weight import liquid_curvature
from replicadnn.theory.symmetric.state import State


@dataclass(frozen=True, slots=True)
class Stage:
    """``layer`` solid layers a side (`theory.contract.Stage`)."""

    network: Problem
    layer: int

    @property
    def closed(self) -> bool:
        """Whether the centre is solid."""
        return self.layer == self.network.L // 2

    @property
    def mirrored(self) -> bool:
        """True of the whole network, not of a chain."""
        return self.closed

    @property
    def newest(self) -> int:
        """Layer of the chain that became solid last."""
        return self.layer

    @property
    def problem(self) -> Problem:
        """The chain of ``layer`` + 1 layers, or the network."""
        return self.network if self.closed else replace(self.network, L=self.layer + 1)

    @property
    def network_depth(self) -> int:
        """Just deeper than both fronts and a liquid layer between; parity matters at the centre."""
        return self.network.L if self._next_is_centre or self.closed else 2 * self.layer + 4

    @property
    def network_layers(self) -> tuple[int, int]:
        """Numbered from the nearest boundary."""
        return self.layer, self.layer + 1

    @property
    def _next_is_centre(self) -> bool:
        return self.layer + 1 == self.network.L // 2

    def seed(self, before: State | None, log_alpha: float, overlap: float) -> State:
        """Chain of the stage before, its liquid end now at ``overlap``: q(l) ~ Q(l) ~ overlap."""
        depth, layer = self.problem.L, self.layer
        gain = math.exp(log_alpha + math.log(self._liquid_curvature))
        state = State.liquid(depth)
        state.q[-1], state.p[-1] = (1.0, 0.0) if self.closed else (0.0, 1.0)
        front = State.liquid(1) if before is None else before
        for target, source in ((state.q, front.q), (state.p, front.p)):
            target[:layer] = source[:layer]
        for target, source in ((state.Q, front.Q), (state.P, front.P)):
            target[: layer - 1] = source[: layer - 1]
        state.q[layer], state.p[layer] = overlap, 1.0 - overlap
        state.Q[layer - 1] = gain * overlap * state.q[layer - 1]
        state.P[layer - 1] = 1.0 - state.Q[layer - 1]
        if self.closed:
            if depth % 2:
                state.Q[layer] = gain * overlap * overlap
                state.P[layer] = 1.0 - state.Q[layer]
            _mirror(state, state, layer)
        return state

    def excess(self, state: State, log_alpha: float) -> float:
        """ln of the left side of (22) for the next layer."""
        return self.excess_of(float(state.q[self.newest]), log_alpha)

    def excess_of(self, overlap: float, log_alpha: float) -> float:
        """ln of the left side of (22); the centre of an even network has two solid neighbours."""
        both = math.log(2.0) if self._next_is_centre and self.network.L % 2 == 0 else 0.0
        return log_alpha + 2.0 * (math.log(self._liquid_curvature) + math.log(overlap)) + both

    def expand(self, state: State) -> State:
        """Both fronts in the network; a closed one is the network."""
        if self.closed:
            return state
        network = State.liquid(self.network.L)
        _mirror(network, state, self.layer)
        return network

    @property
    def _liquid_curvature(self) -> float:
        return liquid_curvature(self.network.kappa, self.network.beta)


def _mirror(state: State, front: State, layer: int) -> None:
    """Write the first ``layer`` layers of ``front`` to both ends of ``state``."""
    L = state.Q.size
    for target, source in ((state.q, front.q), (state.p, front.p)):
        part = source[: layer + 1].copy()
        target[: layer + 1], target[L - layer :] = part, part[::-1]
    for target, source in ((state.Q, front.Q), (state.P, front.P)):
        part = source[:layer].copy()
        target[:layer], target[L - layer :] = part, part[::-1]


@dataclass(frozen=True, slots=True)
class Fronts:
    """Stages 1 .. L//2 (`theory.contract.Fronts`); alpha and the ansatz of ``problem`` are unused.

    A stage is replica symmetric.
    """

    problem: Problem

    @property
    def layers(self) -> Sequence[int]:
        """Layers 1 .. L//2, counted from either end."""
        return range(1, self.problem.L // 2 + 1)

    @property
    def first_threshold(self) -> float:
        """1/G(0)^2, or half of it for L = 2 (both neighbours of its one layer are data)."""
        if self.problem.L == 1:
            return math.inf
        limit = 1.0 / liquid_curvature(self.problem.kappa, self.problem.beta) ** 2
        return 0.5 * limit if self.problem.L == 2 else limit

    def stage(self, layer: int) -> Stage:
        """``layer`` solid layers from either end."""
        return Stage(replace(self.problem, ansatz=Ansatz.RS), layer)
