"""What a treatment of the neurons, a closure, has to offer the engines.

An engine (`theory.symmetric`, `theory.broken`) searches, follows and certifies solutions; it knows
no equation.  A closure states equations and knows no search.  `theory.closures` picks the closure
of a `Problem`; whatever has these methods can be plugged in (tests/test_contract.py does).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from replicadnn.problem import Problem
from replicadnn.theory.broken.layout import Images, Layout
from replicadnn.theory.broken.state import Evaluation, Image, Mapper, Replicon, serial
from replicadnn.theory.broken.state import State as BrokenState
from replicadnn.theory.symmetric.state import State
from replicadnn.types import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class Entropy:
    """Free entropy and its parts: interaction (L), couplings S_sph/alpha (L), neurons (L-1)."""

    total: float
    interaction: FloatArray
    couplings: FloatArray
    neurons: FloatArray


class SymmetricEquations(Protocol):
    """Replica-symmetric saddle-point equations x = F(x) of one `Problem`, in logits of overlaps."""

    problem: Problem

    @property
    def monotone(self) -> bool:
        """Whether F is known to increase in every overlap: climbs find the smallest solution."""

    def sweep(self, state: State, pairs: int) -> float:
        """``pairs`` relaxation passes in place; the last relative change."""

    def active(self, state: State) -> BoolArray:
        """Mask of the logits that are neither liquid nor saturated, the unknowns of Newton."""

    def linearise(self, state: State, active: BoolArray) -> tuple[FloatArray, FloatArray]:
        """F(y) - y (0 outside ``active``) and the bands of 1 - dF/dy, of any width."""

    def by_log_alpha(self, state: State, active: BoolArray) -> FloatArray:
        """dF/d ln alpha at fixed overlaps (0 outside ``active``)."""

    def residual(self, state: State) -> float:
        """max |F(y) - y|."""

    def unstable_liquid_layers(self, state: State) -> list[int]:
        """Hidden layers (1..L-1) that are liquid although their neighbours make them unstable."""

    def free_entropy(self, state: State) -> Entropy:
        """s and its parts by layer; stationary at a solution."""

    def gradient(self, state: State) -> tuple[FloatArray, FloatArray, FloatArray]:
        """ds/d logit q, ds/d logit Q, ds/d ln eps, by a second route than F."""

    def mass_error(self, state: State) -> float:
        """Largest error of a normalisation that holds exactly."""

    def replicon(self, state: State) -> float | None:
        """rho, 1 at the de Almeida-Thouless line; None where it costs too much."""


class BrokenEquations(Protocol):
    """K-level saddle-point equations of one `Problem`, stationary points of s(q, Q, m).

    The engine moves a `broken.State`: breakpoints m, what the flows of the neurons take (eps) and
    Q; q follows.  Derivatives are in (q, Q, m), numbered by a `Layout`.
    """

    @property
    def problem(self) -> Problem:
        """alpha, L, kappa, beta."""

    @property
    def coupling_images(self) -> Images:
        """Groups of coupling layers (1..L) with equal overlaps, from the first layer inwards."""

    @property
    def neuron_images(self) -> Images:
        """Groups of hidden layers (1..L-1) with equal overlaps, from the first layer inwards."""

    @property
    def first_layers(self) -> tuple[int, ...]:
        """Hidden layers that become solid first as alpha grows."""

    def saturated_layers(self, depth: int) -> tuple[int, ...]:
        """Hidden layers with q = 1 on the branch of this depth; empty where q = 1 is impossible."""

    def first_threshold(self) -> float:
        """alpha at which the liquid becomes unstable (L >= 2)."""

    def liquid_entropy(self) -> float:
        """s of the liquid."""

    def evaluate(
        self, state: BrokenState, derivatives: bool = False, mapper: Mapper = serial
    ) -> Evaluation:
        """One pass over the layers; ``derivatives`` keeps what `hessian` and `field_step` need.

        Raises `broken.FlowError` where a flow cannot be computed.
        """

    def right_hand_sides(self, ev: Evaluation) -> tuple[FloatArray, FloatArray]:
        """(eps, Q) that the equations give from an evaluation; for damped passes."""

    def image(self, ev: Evaluation, mapper: Mapper = serial) -> Image:
        """The undamped map of (q, Q) at fixed m."""

    def rests(self, ev: Evaluation) -> tuple[FloatArray, FloatArray]:
        """1 - q(l) at the last level below one (L+1), 1 - Q_K(l) (L), each relatively accurate.

        0 at the data, 1 in liquid layers.
        """

    def layout(self, state: BrokenState) -> Layout:
        """Numbers of the unknowns of a state."""

    def gradient(self, layout: Layout, ev: Evaluation) -> FloatArray:
        """ds/d(q, Q, m), each at fixed others."""

    def hessian(self, layout: Layout, ev: Evaluation) -> FloatArray:
        """Exact second derivatives of s in (q, Q, m); needs ``derivatives``."""

    def by_log_alpha(self, layout: Layout, ev: Evaluation) -> FloatArray:
        """d/d ln alpha of `gradient` at fixed (q, Q, m)."""

    def field_step(self, layout: Layout, ev: Evaluation, step: FloatArray) -> FloatArray:
        """Change of (eps, Q) for a step in (q, Q, m); needs ``derivatives``."""

    def zero_level_growth(self, ev: Evaluation) -> FloatArray:
        """Growth factor of an infinitesimal overlap at every level of every layer, (L+1, K+1).

        Meaningful where q_i(l) = 0; above 1 that zero is unstable.
        """

    def replicon(self, ev: Evaluation) -> Replicon:
        """Stability rho_i of every level against splitting, with its mode."""

    def entropy(self, ev: Evaluation) -> Entropy:
        """s and its parts by layer, from what the evaluation holds."""

    def at(self, alpha: float) -> BrokenEquations:
        """The same problem at another alpha."""

    def finer(self, factor: float) -> BrokenEquations:
        """The same problem on a grid with ``factor`` times as many points."""
