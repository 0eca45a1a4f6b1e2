"""K-level saddle-point equations of the exact closure (`theory.contract.BrokenEquations`).

Random data.  q(l) = T(lam(l), eps(l)), lam(l) = q(l-1) Q(l), from the inputs to the output;
eps(l) = Q(l+1) G(l+1), B(l) = alpha q(l-1) G(l) (docs/theory.md, section 8).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from replicadnn import interrupt
from replicadnn.kernels.theory import couplings as spherical
from replicadnn.problem import Problem
from replicadnn.theory.broken.layout import Images, Layout, number_unknowns
from replicadnn.theory.broken.state import Evaluation, Image, Mapper, Replicon, State, serial
from replicadnn.theory.closures.averaged.weight import mean_weight
from replicadnn.theory.closures.exact import (
    broken_derivatives,
    broken_entropy,
    broken_replicon,
    closing,
    closing_levels,
)
from replicadnn.theory.closures.exact.broken_flows import Blocks, Pass, liquid_potential
from replicadnn.theory.closures.exact.fronts import Fronts, TwoFronts
from replicadnn.theory.closures.exact.plane import PlaneFlow
from replicadnn.theory.contract import Entropy
from replicadnn.theory.symmetric.state import State as SymmetricState
from replicadnn.types import FloatArray

#: Grid points for each width of a boundary function.
POINTS_PER_WIDTH = 5.0
#: Interaction overlap beyond which no solution is sought: m = 1e-3 at L = 2, 0.1 at L = 6.
LARGEST_OVERLAP = 1.0 - 1e-5
#: Levels whose end is computed to say where more of them have ended.
FEW_LEVELS = 3


@dataclass(frozen=True, slots=True)
class Kept:
    """What an evaluation keeps: its pass, and with derivatives the second ones by layer."""

    run: Pass
    blocks: Blocks


def _call(task: Callable[[], None]) -> None:
    task()


def _kept(ev: Evaluation) -> Kept:
    assert isinstance(ev.kept, Kept)
    return ev.kept


@dataclass(frozen=True, slots=True)
class LevelEquations:
    """The equations of one problem, on grids of ``points_per_width`` points per width."""

    problem: Problem
    points_per_width: float = POINTS_PER_WIDTH

    @property
    def coupling_images(self) -> Images:
        """Every layer is its own: input and output differ."""
        return [(l,) for l in range(1, self.problem.L + 1)]

    @property
    def neuron_images(self) -> Images:
        """Every hidden layer is its own."""
        return [(l,) for l in range(1, self.problem.L)]

    @property
    def first_layers(self) -> tuple[int, ...]:
        """The one beside the output, with a margin that of the front that comes first."""
        L = self.problem.L
        if self.solid_without_field:
            growth = TwoFronts(self.problem).log_growth(SymmetricState.liquid(L), 0.0)
            return (1 + int(growth.argmax()),)
        return (L - 1,) if L > 1 else ()

    @property
    def solid_without_field(self) -> bool:
        """With a margin, below a liquid layer: sum_S w(S h) depends on |h| (section 8.9).

        L = 2: the couplings of the output, solid wherever its inputs are, give every field.
        """
        return self.problem.kappa != 0.0 and self.problem.L > 2

    @property
    def largest_overlap(self) -> float:
        """1 - lam falls as m to the end of a branch."""
        return LARGEST_OVERLAP

    def saturated_layers(self, depth: int) -> tuple[int, ...]:
        """q = 1 with Q < 1 is impossible: it needs infinite fields, hence V(l+1) = 0."""
        return ()

    def closing(self, levels: int) -> float:
        """`closing.one_step_end` or `closing_levels.ends`, of no more than `FEW_LEVELS`.

        kappa = 0, hard constraints.  Levels lower s, so that more of them end no later.
        """
        L = self.problem.L
        if L < 2 or self.problem.kappa != 0.0 or not self.problem.hard or levels < 1:
            return math.nan
        one = closing.one_step_end(L)
        if levels == 1 or L > closing_levels.DEEPEST:
            return one
        return (one, *closing_levels.ends(L, min(levels, FEW_LEVELS)))[-1]

    def first_threshold(self) -> float:
        """alpha at which the liquid becomes unstable, docs/theory.md, section 8.9."""
        if self.solid_without_field:
            return TwoFronts(self.problem).first_threshold
        return Fronts(self.problem).first_threshold

    def liquid_entropy(self) -> float:
        """(L-1) ln 2<w> + ln <w>."""
        problem = self.problem
        hidden = (problem.L - 1) * liquid_potential(problem.kappa, problem.beta)
        return hidden + math.log(mean_weight(problem.kappa, problem.beta))

    def evaluate(
        self, state: State, derivatives: bool = False, mapper: Mapper = serial
    ) -> Evaluation:
        """One pass from the inputs to the output; ``mapper`` gets the second derivatives."""
        interrupt.check()
        run = Pass(self.problem, self.points_per_width, state, self.solid_without_field)
        blocks = run.blocks()
        if derivatives:
            for _ in mapper(_call, run.tasks(blocks)):
                pass
        s, ds_dm, mass = broken_entropy.free_entropy(run)
        return Evaluation(state, run.q, run.lam, s, ds_dm, mass, Kept(run, blocks))

    def _couplings(self, ev: Evaluation) -> tuple[FloatArray, FloatArray]:
        """Q(l) = response(alpha q(l-1) G(l)) (L, K+1), and 1 - Q_K(l)."""
        Q, rest = np.zeros_like(ev.state.Q), np.ones(self.problem.L)
        for row, pull in enumerate(broken_derivatives.pulls(_kept(ev).run)):
            B = np.maximum.accumulate(pull)
            Q[row], rest[row] = spherical.response_and_rest(B, ev.state.m)
        return Q, rest

    def right_hand_sides(self, ev: Evaluation) -> tuple[FloatArray, FloatArray]:
        """(Q(l+1) G(l+1), Q of B)."""
        return broken_derivatives.fields(_kept(ev).run), self._couplings(ev)[0]

    def image(self, ev: Evaluation, mapper: Mapper = serial) -> Image:
        """q of the same lam and the new fields, Q of the new B."""
        run = _kept(ev).run
        new = np.where(ev.state.eps > 0.0, broken_derivatives.fields(run), 0.0)
        new = np.maximum.accumulate(new, axis=1)
        layers = range(1, self.problem.L)
        flows = list(mapper(lambda layer: run.neuron(layer, new[layer]), layers))
        q = run.q.copy()
        for layer, flow in zip(layers, flows, strict=True):
            if flow is not None:
                q[layer] = flow.q
        Q, Q_rest = self._couplings(ev)
        return Image(q, Q, _neuron_rests(flows), Q_rest)

    def rests(self, ev: Evaluation) -> tuple[FloatArray, FloatArray]:
        """<f_uu> of the top level of every hidden layer; D_K of the response."""
        return _neuron_rests(_kept(ev).run.hidden), self._couplings(ev)[1]

    def layout(self, state: State) -> Layout:
        """Numbers of the unknowns."""
        return number_unknowns(state, self.coupling_images, self.neuron_images)

    def gradient(self, layout: Layout, ev: Evaluation) -> FloatArray:
        """ds/d(q, Q, m)."""
        return broken_derivatives.gradient(layout, ev, _kept(ev).run)

    def hessian(self, layout: Layout, ev: Evaluation) -> FloatArray:
        """Second derivatives in (q, Q, m)."""
        return broken_derivatives.hessian(layout, ev, _kept(ev).blocks)

    def by_log_alpha(self, layout: Layout, ev: Evaluation) -> FloatArray:
        """d/d ln alpha of the gradient."""
        return broken_derivatives.by_log_alpha(self.problem, layout, ev)

    def field_step(self, layout: Layout, ev: Evaluation, step: FloatArray) -> FloatArray:
        """Change of (eps, Q) for a step in (q, Q, m)."""
        return broken_derivatives.field_step(layout, ev, _kept(ev).blocks, step)

    def zero_level_growth(self, ev: Evaluation) -> FloatArray:
        """Growth of an infinitesimal overlap, (L+1, K+1)."""
        return broken_replicon.zero_level_growth(_kept(ev).run)

    def replicon(self, ev: Evaluation) -> Replicon:
        """rho_i and its mode."""
        return broken_replicon.replicon(ev, _kept(ev).run)

    def entropy(self, ev: Evaluation) -> Entropy:
        """Parts of s by layer."""
        return broken_entropy.by_layer(_kept(ev).run, ev.free_entropy)

    def at(self, alpha: float) -> LevelEquations:
        """The same at another alpha."""
        return replace(self, problem=replace(self.problem, alpha=alpha))

    def finer(self, factor: float) -> LevelEquations:
        """The same on finer grids."""
        return replace(self, points_per_width=factor * self.points_per_width)


def _neuron_rests(flows: Sequence[PlaneFlow | None]) -> FloatArray:
    """1 - q_K, (L+1,): 0 at the data, 1 in liquid layers."""
    rest = np.ones(len(flows) + 2)
    rest[0] = rest[-1] = 0.0
    for row, flow in enumerate(flows):
        if flow is not None:
            rest[row + 1] = flow.rest
    return rest
