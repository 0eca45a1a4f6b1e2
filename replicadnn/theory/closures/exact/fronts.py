"""How order grows in the exact closure: at kappa = 0 one front, from the output; else two.

    layer l, liquid, is unstable when  a q(l+1)^2 [1 + a q(l-1)^2] > 1,  a = alpha c0^2
                                                        (kappa = 0; docs/theory.md, eq. 48)

At kappa = 0 q(l-1) = 0 unless l = 1, whose inputs are data: without a signal from above a neuron
teaches its couplings nothing.  While the layers below are liquid the front of n layers is a chain
of n + 1 layers with q(0) = 0; with layer 1 solid, the whole network.

With a margin layers beside solid inputs become solid by themselves (`TwoFronts`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from replicadnn.problem import Ansatz, Problem
from replicadnn.theory.closures.averaged.weight import liquid_curvature
from replicadnn.theory.closures.exact.equations import Equations
from replicadnn.theory.symmetric.state import State
from replicadnn.types import FloatArray


@dataclass(frozen=True, slots=True)
class Stage:
    """``layer`` solid layers beside the output (`theory.contract.Stage`)."""

    network: Problem
    layer: int

    @property
    def closed(self) -> bool:
        """Whether layer 1 is solid."""
        return self.layer == self.network.L - 1

    @property
    def mirrored(self) -> bool:
        """Input and output differ."""
        return False

    @property
    def newest(self) -> int:
        """The lowest hidden layer of the chain."""
        return 1

    @property
    def problem(self) -> Problem:
        """The chain of ``layer`` + 1 layers, or the network."""
        return self.network if self.closed else replace(self.network, L=self.layer + 1)

    @property
    def network_depth(self) -> int:
        """Layers below a liquid one do not matter; whether the next layer is layer 1 does."""
        return self.network.L if self.closed or self._next_is_first else self.layer + 3

    @property
    def network_layers(self) -> tuple[int, int]:
        """Counted down from the output."""
        newest = self.network_depth - self.layer
        return newest, newest - 1

    @property
    def _next_is_first(self) -> bool:
        return self.layer + 1 == self.network.L - 1

    def seed(self, before: State | None, log_alpha: float, overlap: float) -> State:
        """Chain of the stage before, its liquid end now at ``overlap``: linear response."""
        L = self.layer + 1
        state = State.liquid(L)
        if before is not None:
            for target, source in (
                (state.q, before.q), (state.p, before.p), (state.Q, before.Q), (state.P, before.P),
            ):  # fmt: skip
                target[1:] = source
        c0 = liquid_curvature(self.network.kappa, self.network.beta)
        above = c0 if before is None else c0 * float(before.q[1])  # G(2) at lam(2) = 0
        gain = math.exp(log_alpha) * above
        data = 1.0 if self.closed else 0.0
        state.q[0], state.p[0] = data, 1.0 - data
        state.q[1], state.p[1] = overlap, 1.0 - overlap
        state.Q[1] = gain * overlap
        G = c0 * above * state.Q[1]
        state.Q[0] = math.exp(log_alpha) * data * G
        for n in (0, 1):
            state.P[n] = 1.0 - state.Q[n]
        return state

    def excess(self, state: State, log_alpha: float) -> float:
        """ln of the left side of (48) for the next layer."""
        return self.excess_of(float(state.q[1]), log_alpha)

    def excess_of(self, overlap: float, log_alpha: float) -> float:
        """ln of the left side of (48)."""
        c0 = liquid_curvature(self.network.kappa, self.network.beta)
        log_a = log_alpha + 2.0 * math.log(c0)
        data = math.log1p(math.exp(log_a)) if self._next_is_first else 0.0
        return log_a + 2.0 * math.log(overlap) + data

    def expand(self, state: State) -> State:
        """The front at the end of the network; a closed one is the network."""
        if self.closed:
            return state
        network = State.liquid(self.network.L)
        n = self.layer
        for target, source in ((network.q, state.q), (network.p, state.p)):
            target[-n - 1 :] = source[-n - 1 :]
        for target, source in ((network.Q, state.Q), (network.P, state.P)):
            target[-n:] = source[-n:]
        return network


@dataclass(frozen=True, slots=True)
class Fronts:
    """Stages 1 .. L-1 (`theory.contract.Fronts`).

    alpha and the ansatz of ``problem`` are unused.
    """

    problem: Problem

    @property
    def layers(self) -> Sequence[int]:
        """Layers L-1 .. 1: the front comes from the output."""
        return range(self.problem.L - 1, 0, -1)

    @property
    def first_threshold(self) -> float:
        """1/c0^2; (sqrt 5 - 1)/2 of it for L = 2, whose hidden layer reads the data.

        With a margin, L = 2: the root of a [1 + a/(1 - alpha w2^2)] = 1, a = alpha c0^2 and
        w2^2 = kappa^2 c0.
        """
        if self.problem.L == 1:
            return math.inf
        c0 = liquid_curvature(self.problem.kappa, self.problem.beta)
        if self.problem.L > 2:
            return 1.0 / c0**2
        one, two = c0**2, self.problem.kappa**2 * c0
        return 2.0 / (one + two + math.sqrt((one + two) ** 2 + 4.0 * one * (one - two)))

    def stage(self, layer: int) -> Stage:
        """``layer`` solid layers beside the output."""
        return Stage(replace(self.problem, ansatz=Ansatz.RS), layer)


@dataclass(frozen=True, slots=True)
class TwoFronts:
    """One front from the inputs and one from the outputs (`theory.contract.IndependentFronts`).

    alpha of ``problem`` is unused.
    """

    problem: Problem

    def log_growth(self, state: State, log_alpha: float) -> FloatArray:
        """ln of the growth factor (48a) of every hidden layer, were it liquid."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self._at(log_alpha).growth(state)))

    @property
    def first_threshold(self) -> float:
        """1/c0^2 or 1/w2^2, whichever is smaller; L = 2, whose hidden layer sees both: (48a)."""
        L = self.problem.L
        return math.inf if L == 1 else math.exp(-float(self.log_growth(State.liquid(L), 0.0).max()))

    def seed(self, state: State, log_alpha: float, layer: int, overlap: float) -> State:
        """``state`` at the onset of ``layer``, whose largest overlap becomes ``overlap`` << 1.

        x = alpha G(l+1)^2:  Q(l+1) G(l+1) = x q(l),  c0 q(l-1) Q(l) = (1 - x) q(l).  At small beta
        c0 and G are small, and the couplings have the larger overlaps.
        """
        equations = self._at(log_alpha)
        new, n = state.copy(), layer
        above = float(equations.layers(state).G[n])
        x = math.exp(log_alpha) * above**2
        below, fed = 0.0, float(state.q[n - 1])
        if fed > 0.0:
            below = (1.0 - x) / (equations.c0 * fed)
        ratios = np.array([1.0, below, math.exp(log_alpha) * above])  # q(l), Q(l), Q(l+1)
        new.q[n], new.Q[n - 1], new.Q[n] = overlap * ratios / ratios.max()
        new.p[n], new.P[n - 1 : n + 1] = 1.0 - new.q[n], 1.0 - new.Q[n - 1 : n + 1]
        return new

    def _at(self, log_alpha: float) -> Equations:
        return Equations(replace(self.problem, alpha=math.exp(log_alpha), ansatz=Ansatz.RS))
