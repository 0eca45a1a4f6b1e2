"""The exact closure as the symmetric engine needs it (`theory.contract.SymmetricEquations`).

F goes from the output to the input: eps(l) = Q(l+1) G(l+1), then q(l), G(l) of the layer, and
Q(l) from B(l) = alpha q(l-1) G(l) (docs/theory.md, section 8).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from replicadnn import interrupt
from replicadnn.kernels.theory import exact_map as kernels
from replicadnn.kernels.theory.symmetric import ONSET
from replicadnn.problem import Problem
from replicadnn.theory.closures.averaged.weight import mean_weight
from replicadnn.theory.closures.common import by_log_alpha
from replicadnn.theory.closures.exact import entropy, replicon
from replicadnn.theory.closures.exact.site import Pass, Sites, Slopes
from replicadnn.theory.contract import Entropy, Fall
from replicadnn.theory.symmetric.state import LIQUID_FLOOR, SAME, State, distance, full_order
from replicadnn.types import BoolArray, FloatArray

#: Layers that moved by less than this part of the largest change are left alone in a pass.
_REST = 1e-3
#: Passes of two layers by which the start above all solutions comes nearer to them.
_PASSES = 8
#: Depth beyond which a deeper network has the same order next to the output: a new layer becomes
#: solid for every factor 1/c0^2 >= 2.47 of alpha.
FRONT = 40


@dataclass(slots=True)
class Equations:
    """Replica-symmetric equations of the exact closure for one `Problem`."""

    problem: Problem
    sites: Sites = field(init=False)
    #: c0 = <w'>^2/<w>^2 and w2 = <w''>/<w> of a gap without signal
    c0: float = field(init=False)
    w2: float = field(init=False)

    def __post_init__(self) -> None:
        problem = self.problem
        self.sites = Sites(problem)
        density = math.exp(-0.5 * problem.kappa**2) / math.sqrt(2.0 * math.pi)
        w1 = -math.expm1(-problem.beta) * density / mean_weight(problem.kappa, problem.beta)
        self.c0, self.w2 = w1 * w1, problem.kappa * w1

    @property
    def monotone(self) -> bool:
        """Teacher-student: every derivative of F is an average of squares."""
        return self.problem.teacher

    @property
    def auto_is_continuous(self) -> bool:
        """In both scenarios: what a learner that starts from nothing meets."""
        return True

    def at(self, alpha: float) -> Equations:
        """The same equations at another alpha."""
        return Equations(replace(self.problem, alpha=alpha))

    def shallow(self) -> Equations:
        """Order comes from the output and does not reach 40 layers deep."""
        return Equations(replace(self.problem, L=min(self.problem.L, FRONT)))

    def starts_above(self) -> Sequence[State]:
        """Teacher-student: above the largest solution; random: q = 0.9, Q = 0.99."""
        return [self._above() if self.problem.teacher else State.uniform(self.problem.L, 0.1, 0.01)]

    def _above(self) -> State:
        """Order above that of any solution, a few passes below full order.

        In a network of two layers neurons have data on both sides.  Data order more than neurons
        do, so that its overlaps bound those of a deeper network, inner couplings as layer 1 and as
        layer 2.
        """
        L = self.problem.L
        if L < 3:
            return full_order(self.problem)
        pair = Equations(replace(self.problem, L=2))
        top = full_order(pair.problem)
        pair.sweep(top, _PASSES)
        inner = int(np.argmin(top.Q))
        couplings = np.full(L, inner)
        couplings[0], couplings[-1] = 0, 1
        neurons = np.concatenate([[0], np.ones(L - 1, dtype=int), [2]])
        return State(top.q[neurons], top.p[neurons], top.Q[couplings], top.P[couplings])

    def search_between(self, smallest: State, largest: State, fall: Fall) -> None:
        """Teacher-student, up to 40 layers: partly ordered networks (docs/theory.md, section 8.12).

        The map being monotone, the solutions that nested starts lead to are nested: a series of
        starts is left where it reaches a solution that bounds the rest of it.
        """
        L = self.problem.L
        if not self.problem.teacher or L > FRONT:
            return
        for state in (smallest, largest):
            self._remember(state)
        met = self._from_the_output(smallest, largest, fall)
        if met is None or distance(met, largest) > SAME:
            self._above_a_network(smallest, largest, fall, met)
        solid = 1 + np.flatnonzero(smallest.q[1:-1] > 0.0)
        first = int(solid[0]) if solid.size else L

        def below_the_front(low: int, high: int, lower: State | None, upper: State | None) -> None:
            """Starts ``low`` < k < ``high``; those two lead to ``lower`` and ``upper``."""
            if high - low > 1 and not _same(lower, upper):
                k = (low + high) // 2
                found = fall(_joined(largest, smallest, k, 0))
                self._remember(found)
                below_the_front(low, k, lower, found)
                below_the_front(k, high, found, upper)

        below_the_front(max(first - 1, 2) - 1, L, smallest, largest)

    def _remember(self, state: State | None) -> None:
        """Layers of other states that are like those of this solution will follow from them."""
        if state is not None:
            self.sites = self.sites.remembering(state.q, state.p, state.Q, state.P)

    def _from_the_output(self, smallest: State, largest: State, fall: Fall) -> State | None:
        """Layers of the largest solution at the output, each above what was found without it.

        The neurons of such a layer are to the layers below what data are to a network without it.
        Returns what the first start that leads to nothing new has led to.
        """
        seen = [largest]
        last: State | None = smallest
        while last is not None and not any(_same(last, one) for one in seen):
            seen.append(last)
            last = fall(_joined(last, largest, self.problem.L - 1, 1))
            self._remember(last)
        return last

    def _above_a_network(
        self, smallest: State, largest: State, fall: Fall, met: State | None
    ) -> None:
        """Layers of the largest solution above networks of 1, 2, ... layers.

        Where layer 1 melts, what is left is fed from the output alone: the series that ended with
        ``met`` has found it, and it bounds the rest of this one.
        """
        L = self.problem.L

        def melts(state: State) -> bool:
            return met is not None and bool(state.q[1] == 0.0)

        for k in range(1, L - 1):
            found = fall(_joined(smallest, largest, k, L - k), melts)
            if found is not None and (melts(found) or _same(found, met)):
                break
            self._remember(found)

    def layers(self, state: State) -> Pass:
        """Averages of every layer at ``state``."""
        return self.sites.backward(state.q, state.p, state.Q, state.P)

    def linear(self, state: State) -> tuple[Pass, Slopes]:
        """The same with their derivatives."""
        return self.sites.linear(state.q, state.p, state.Q, state.P)

    def sweep(self, state: State, pairs: int) -> float:
        """``pairs`` backward-and-forward Gauss-Seidel passes in place; last relative change."""
        G = self.layers(state).G
        known = self.sites.known.arguments, self.sites.known.averages
        moves = np.full(state.q.size, np.inf)
        moves[0] = 0.0
        change = 0.0
        for _ in range(pairs):
            interrupt.check()
            rest_below = _REST * min(change, 1.0)
            change = 0.0
            for forward in (False, True):
                moved = kernels.sweep(
                    self.sites.parameters, known, self.problem.alpha, self.c0, self.w2,
                    state.q, state.p, state.Q, state.P, G, moves, rest_below, LIQUID_FLOOR, forward,
                )  # fmt: skip
                change = max(change, moved)
            if change == 0.0:
                break
        return change

    def linearise(self, state: State, active: BoolArray) -> tuple[FloatArray, FloatArray]:
        """F(y) - y and the bands of 1 - dF/dy, as wide as G(l) depends on the layers above."""
        interrupt.check()
        at, slopes = self.linear(state)
        size = active.size
        width = min(2 * kernels.reach(state.Q, at.G, slopes.q_lam) + 2, max(size - 1, 1))
        values, bands = np.empty(size), np.empty((2 * width + 1, size))
        kernels.newton_system(
            self.problem.teacher, state.q, state.p, state.Q, state.P, active,
            at.q, at.log_rest, at.G, self.problem.alpha,
            slopes.q_eps, slopes.q_lam, slopes.G_lam, values, bands,
        )  # fmt: skip
        return values, bands

    def by_log_alpha(self, state: State, active: BoolArray) -> FloatArray:
        """dF/d ln alpha at fixed overlaps."""
        return by_log_alpha(self.problem, state, active)

    def residual(self, state: State) -> float:
        """max |logit F(x) - logit x| over all overlaps; inf where one is 0 and should not be."""
        if state.torn:
            return math.inf
        return float(np.max(np.abs(self.linearise(state, state.active)[0])))

    def growth(self, state: State) -> FloatArray:
        """Growth factor of an infinitesimal overlap of the hidden layers 1..L-1, were they liquid.

        The larger root of g^2 - (x + y) g + x (y - z) = 0 with x = alpha G(l+1)^2,
        y = alpha w2^2 q(l-1)^2, z = alpha c0^2 q(l-1)^2; above 1 where (48) is, smooth and rising
        in every overlap (docs/theory.md, eq. 48a).  Meaningful where q(l) = 0.
        """
        alpha, fed = self.problem.alpha, self.problem.alpha * state.q[:-2] ** 2
        above, below = alpha * self.layers(state).G[1:] ** 2, fed * self.w2**2
        mean, half = 0.5 * (above + below), 0.5 * (above - below)
        return np.asarray(mean + np.sqrt(half**2 + above * fed * self.c0**2))

    def unstable_liquid_layers(self, state: State) -> list[int]:
        """Hidden layers (1..L-1) that are liquid although an overlap there would grow."""
        bad = (state.q[1:-1] == 0.0) & (self.growth(state) > 1.0 + ONSET)
        return [int(l) + 1 for l in np.flatnonzero(bad)]

    def free_entropy(self, state: State) -> Entropy:
        """s of a state at its own eps (docs/theory.md, eqs. 44, 45)."""
        return entropy.free_entropy(self.sites, state, self.layers(state).eps)

    def gradient(self, state: State) -> tuple[FloatArray, FloatArray, FloatArray]:
        """ds/d(logit q), ds/d(logit Q), ds/d(ln eps), numerically."""
        return entropy.gradient(self.sites, state, self.layers(state).eps)

    def mass_error(self, state: State) -> float:
        """Largest error of the normalisations of `kernels.theory.exact.site_mass_error`."""
        at = self.layers(state)
        solid = (at.lam > 0.0) | (at.eps > 0.0)
        return self.sites.mass_error(at.lam[solid], at.mu[solid], at.eps[solid])

    def replicon(self, state: State) -> float | None:
        """rho; None in very deep networks (L > 500)."""
        if self.problem.L > replicon.MAX_DEPTH:
            return None
        at, slopes = self.linear(state)
        return replicon.replicon(self.problem, state, at.G, slopes)


def _same(one: State | None, other: State | None) -> bool:
    """Whether two searches have come to one solution."""
    return one is not None and other is not None and distance(one, other) < SAME


def _joined(below: State, above: State, k: int, shift: int) -> State:
    """Neurons 1..k-1 and couplings 1..k of ``below``, ``shift`` layers down, the rest of ``above``.

    What is moved below layer 1 is lost, and the couplings of layer 1 go by layer 1 itself.
    """
    joined = above.copy()
    for target, source in ((joined.q, below.q), (joined.p, below.p)):
        target[1:k] = source[1 + shift : k + shift]
    for target, source in ((joined.Q, below.Q), (joined.P, below.P)):
        target[:k] = source[shift : k + shift]
    return joined
