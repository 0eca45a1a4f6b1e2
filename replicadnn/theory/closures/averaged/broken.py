"""K-level saddle-point equations of the averaged closure (`theory.contract.BrokenEquations`).

Formulas: docs/theory.md, section 6.  q = T(eps) of the neuron flows, lam = q Q q of the two layers
beside an interaction; layers mirror each other, l and L - l (couplings: l and L + 1 - l).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from replicadnn import interrupt
from replicadnn.kernels.theory import couplings as spherical
from replicadnn.kernels.theory import layers
from replicadnn.problem import Problem
from replicadnn.theory.broken.layout import Images, Layout, number_unknowns
from replicadnn.theory.broken.state import (
    Evaluation,
    Image,
    Mapper,
    Replicon,
    State,
    liquid,
    serial,
)
from replicadnn.theory.closures.averaged import broken_derivatives, broken_entropy, broken_replicon
from replicadnn.theory.closures.averaged.broken_flows import (
    LayerFlow,
    Layers,
    Pass,
    coupled,
    drives,
    hidden,
)
from replicadnn.theory.closures.smoothed import Step
from replicadnn.theory.contract import Entropy
from replicadnn.types import FloatArray

#: Interaction overlap beyond which a search without saturated layers is given up.
LARGEST_OVERLAP = 0.999
#: Grid points for each width of the kink of a boundary function.
POINTS_PER_WIDTH = 5.0


def _call(task: Callable[[], None]) -> None:
    task()


@lru_cache(maxsize=64)
def _without_overlap(kappa: float, beta: float) -> tuple[float, float]:
    """f(0), f'(0)^2 of an interaction with lam = 0."""
    f, f1, _ = Step(kappa, beta).smoothed(np.zeros(1), 1.0)
    return float(f[0]), float(f1[0] ** 2)


def floor_points(kappa: float, beta: float, lam: FloatArray, rest: FloatArray) -> float:
    """Largest grid that the kink of f at its floor -beta asks for, of interactions without levels.

    Parameters
    ----------
    lam, rest : arrays (L,)
        Overlaps and their distance from 1; 0 is returned where that kink sets no grid.
    """
    most = 0.0
    points = POINTS_PER_WIDTH
    for top, left in zip(lam, rest, strict=True):
        if top > 0.0:
            v, width = np.array([top]), math.sqrt(left)
            limits, sharper = layers.gap_spacings(np.zeros(1), v, width, kappa, beta, points)
            if sharper > 1.0:
                most = max(most, 2.0 * layers.REACH * math.sqrt(top) / float(limits[0]))
    return most


def _layers(ev: Evaluation) -> Layers:
    """What `LevelEquations.evaluate` has kept."""
    assert isinstance(ev.kept, Layers)
    return ev.kept


@dataclass(frozen=True, slots=True)
class LevelEquations:
    """The equations of one problem, on grids of ``points_per_width`` points per kink."""

    problem: Problem
    points_per_width: float = POINTS_PER_WIDTH

    @property
    def coupling_images(self) -> Images:
        """Layers l and L + 1 - l."""
        L = self.problem.L
        return [tuple(sorted({l, L + 1 - l})) for l in range(1, coupled(L) + 1)]

    @property
    def neuron_images(self) -> Images:
        """Layers l and L - l."""
        L = self.problem.L
        return [tuple(sorted({l, L - l})) for l in range(1, hidden(L) + 1)]

    @property
    def first_layers(self) -> tuple[int, ...]:
        """Those beside the data."""
        return tuple({1, self.problem.L - 1}) if self.problem.L > 1 else ()

    @property
    def solid_without_field(self) -> bool:
        """Q(l) follows from lam(l) = q(l-1) Q(l) q(l): without q(l) there is none."""
        return False

    @property
    def largest_overlap(self) -> float:
        """Beyond, q runs to one at finite breakpoints: the saturated branch."""
        return LARGEST_OVERLAP

    def saturated_layers(self, depth: int) -> tuple[int, ...]:
        """The first ``depth`` layers from either boundary."""
        L = self.problem.L
        return tuple({*range(1, depth + 1), *range(L - depth, L)}) if L > 1 else ()

    def closing(self, levels: int) -> float:
        """Branches end in folds, and where m* -> 0 (`saturated_ends`)."""
        return math.nan

    def first_threshold(self) -> float:
        """alpha_1, docs/theory.md, eq. (22)."""
        one = self.at(1.0)
        growth = one.zero_level_growth(one.evaluate(liquid(self.problem.L)))
        return 1.0 / float(growth[1:-1].max())

    def liquid_entropy(self) -> float:
        """L f(0) + (L-1) ln 2."""
        problem = self.problem
        F0, _ = _without_overlap(problem.kappa, problem.beta)
        return problem.L * F0 + (problem.L - 1) * broken_entropy.LN2

    def evaluate(
        self, state: State, derivatives: bool = False, mapper: Mapper = serial
    ) -> Evaluation:
        """One pass: q = T(eps), G from lam = q Q q, new fields, s and ds/dm.

        ``mapper`` gets one list of tasks: the flows of neurons and of interactions and, with
        ``derivatives``, their blocks of the Hessian.
        """
        interrupt.check()
        problem, m, Q = self.problem, state.m, state.Q
        run = Pass(problem, self.points_per_width, state, state.eps, derivatives)
        for _ in mapper(_call, run.tasks()):
            pass
        q = run.q
        F0, G0 = _without_overlap(problem.kappa, problem.beta)
        G = np.full((problem.L, m.size), G0)
        for layer, flow in enumerate(run.gap_flows):
            if flow is not None:
                G[layer] = G[problem.L - 1 - layer] = flow.T
        lam, field, pull = drives(q, Q, G, problem.alpha)
        s, ds_dm, mass = broken_entropy.free_entropy(
            problem, state, q, run.gap_flows, run.spin_flows, F0
        )
        kept = Layers(
            G, field, pull, run.gap_flows, run.spin_flows, run.gap_blocks, run.spin_blocks
        )
        return Evaluation(state, q, lam, s, ds_dm, mass, kept)

    def _couplings(self, ev: Evaluation) -> tuple[FloatArray, FloatArray]:
        """Q(l) = response(alpha q(l-1) q(l) G(l)) (L, K+1), and 1 - Q_K(l)."""
        state, L, pull = ev.state, self.problem.L, _layers(ev).pull
        Q, rest = np.zeros_like(state.Q), np.ones(L)
        for layer in range(coupled(L)):
            B = np.maximum.accumulate(pull[layer])
            Q[layer], rest[layer] = spherical.response_and_rest(B, state.m)
            Q[L - 1 - layer], rest[L - 1 - layer] = Q[layer], rest[layer]
        return Q, rest

    def right_hand_sides(self, ev: Evaluation) -> tuple[FloatArray, FloatArray]:
        """(eps, Q) of docs/theory.md, section 6."""
        return _layers(ev).field, self._couplings(ev)[0]

    def image(self, ev: Evaluation, mapper: Mapper = serial) -> Image:
        """q of the neuron flows with the new fields, Q of the new B."""
        fields = np.where(ev.state.eps > 0.0, _layers(ev).field, 0.0)
        run = Pass(
            self.problem, self.points_per_width, ev.state, np.maximum.accumulate(fields, axis=1)
        )
        for _ in mapper(run.neuron, run.neurons):
            pass
        Q, Q_rest = self._couplings(ev)
        return Image(run.q, Q, self._neuron_rests(run.spin_flows), Q_rest)

    def rests(self, ev: Evaluation) -> tuple[FloatArray, FloatArray]:
        """Sum over P of sech^2 in the top level of every neuron flow; D_K of the response."""
        return self._neuron_rests(_layers(ev).spin_flows), self._couplings(ev)[1]

    def _neuron_rests(self, flows: list[LayerFlow | None]) -> FloatArray:
        """1 - q at the last level below one, (L+1,)."""
        L = self.problem.L
        rest = np.ones(L + 1)
        rest[0] = rest[L] = 0.0
        for layer, flow in enumerate(flows):
            if flow is not None:
                rest[layer] = rest[L - layer] = flow.rest
        return rest

    def layout(self, state: State) -> Layout:
        """Numbers of the unknowns; mirror images share theirs."""
        return number_unknowns(state, self.coupling_images, self.neuron_images)

    def gradient(self, layout: Layout, ev: Evaluation) -> FloatArray:
        """ds/d(q, Q, m)."""
        return broken_derivatives.gradient(self.problem, layout, ev, _layers(ev))

    def hessian(self, layout: Layout, ev: Evaluation) -> FloatArray:
        """Second derivatives in (q, Q, m)."""
        return broken_derivatives.hessian(self.problem, layout, ev, _layers(ev))

    def by_log_alpha(self, layout: Layout, ev: Evaluation) -> FloatArray:
        """d/d ln alpha of the gradient."""
        return broken_derivatives.by_log_alpha(self.problem, layout, ev)

    def field_step(self, layout: Layout, ev: Evaluation, step: FloatArray) -> FloatArray:
        """Change of (eps, Q) for a step in (q, Q, m)."""
        return broken_derivatives.field_step(layout, _layers(ev), step)

    def zero_level_growth(self, ev: Evaluation) -> FloatArray:
        """Growth of an infinitesimal overlap, (L+1, K+1)."""
        return broken_replicon.zero_level_growth(self.problem, ev, _layers(ev))

    def replicon(self, ev: Evaluation) -> Replicon:
        """rho_i and its mode."""
        return broken_replicon.replicon(self.problem, ev, _layers(ev))

    def entropy(self, ev: Evaluation) -> Entropy:
        """Parts of s by layer."""
        F0, _ = _without_overlap(self.problem.kappa, self.problem.beta)
        return broken_entropy.by_layer(self.problem, ev, _layers(ev), F0)

    def at(self, alpha: float) -> LevelEquations:
        """The same at another alpha."""
        return replace(self, problem=replace(self.problem, alpha=alpha))

    def finer(self, factor: float) -> LevelEquations:
        """The same on finer grids."""
        return replace(self, points_per_width=factor * self.points_per_width)
