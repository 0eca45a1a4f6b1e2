"""What a treatment of the neurons, a closure, has to offer the engines and the questions.

An engine (`theory.symmetric`, `theory.broken`) searches, follows and certifies solutions; it knows
no equation.  A closure states equations and knows no search.  `theory.closures` picks the closure
of a `Problem`; whatever has these methods can be plugged in (tests/test_contract.py does).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from replicadnn.problem import Problem
from replicadnn.solution import Solution
from replicadnn.theory.broken.layout import Images, Layout
from replicadnn.theory.broken.state import Evaluation, Image, Mapper, Replicon, serial
from replicadnn.theory.broken.state import State as BrokenState
from replicadnn.theory.symmetric.state import State
from replicadnn.types import BoolArray, FloatArray

#: Whether a search may be left at a state: what it leads to is known.
Leave = Callable[[State], bool]


class Fall(Protocol):
    """A search from above."""

    def __call__(self, start: State, leave: Leave | None = None) -> State | None:
        """The solution that ``start`` falls to, or where it is left; None: none is found."""


@dataclass(frozen=True, slots=True)
class Entropy:
    """Free entropy and its parts: interaction (L), couplings S_sph/alpha (L), neurons (L-1)."""

    total: float
    interaction: FloatArray
    couplings: FloatArray
    neurons: FloatArray


class SymmetricEquations(Protocol):
    """Replica-symmetric saddle-point equations x = F(x) of one `Problem`, in logits of overlaps.

    The logits y are those of `State.logits`: Q(1), q(1), Q(2), ..., q(L-1), Q(L).  q(0) and q(L)
    are whatever the state says: 1 at the data, 0 at the liquid end of a chain (see `Stage`).
    """

    @property
    def problem(self) -> Problem:
        """The point of parameter space."""

    @property
    def monotone(self) -> bool:
        """Whether F is known to increase in every overlap: climbs find the smallest solution."""

    @property
    def auto_is_continuous(self) -> bool:
        """Whether ``branch="auto"`` stays on the branch of the liquid while that exists.

        Otherwise it is the branch with the largest s among those without saturated layers.
        """

    def at(self, alpha: float) -> SymmetricEquations:
        """The same equations at another alpha."""

    def shallow(self) -> SymmetricEquations:
        """The equations of a network deep enough that its order is that of this one, or self.

        Whether a solution is connected to the liquid is judged there.
        """

    def starts_above(self) -> Sequence[State]:
        """Starts from which the search falls, besides the liquid from which it climbs.

        Where the map is monotone the last one lies above every solution.
        """

    def search_between(self, smallest: State, largest: State, fall: Fall) -> None:
        """Call ``fall`` from every start of what may lie between two solutions.

        No call where the equations know of nothing there, or of too much to be listed.
        """

    def sweep(self, state: State, pairs: int) -> float:
        """``pairs`` relaxation passes in place; the last relative change."""

    def linearise(self, state: State, active: BoolArray) -> tuple[FloatArray, FloatArray]:
        """F(y) - y, (2L-1,), 0 outside ``active``, and 1 - dF/dy as (2 w + 1, 2L-1) bands.

        Layout of scipy's ``solve_banded``, of any width w; unit rows and columns outside
        ``active``.
        """

    def by_log_alpha(self, state: State, active: BoolArray) -> FloatArray:
        """dF/d ln alpha at fixed overlaps, (2L-1,), 0 outside ``active``."""

    def residual(self, state: State) -> float:
        """max |F(y) - y|."""

    def unstable_liquid_layers(self, state: State) -> list[int]:
        """Hidden layers (1..L-1) that are liquid although their neighbours make them unstable."""

    def free_entropy(self, state: State) -> Entropy:
        """s and its parts by layer; stationary at a solution."""

    def gradient(self, state: State) -> tuple[FloatArray, FloatArray, FloatArray]:
        """ds/d logit q (L-1), ds/d logit Q (L), ds/d ln eps (L-1), by a second route than F."""

    def mass_error(self, state: State) -> float:
        """Largest error of a normalisation that holds exactly."""

    def replicon(self, state: State) -> float | None:
        """rho, 1 at the de Almeida-Thouless line; None where it costs too much."""


class Stage(Protocol):
    """The solutions in which ``layer`` layers of a front are solid and the next one is liquid.

    They are one curve in (overlaps, alpha), that of a chain: a network whose end beyond the front
    has overlap 0 in place of data.  When no liquid layer is left (``closed``) the chain is the
    whole network.
    """

    @property
    def layer(self) -> int:
        """Number of the stage: 1, 2, ... solid layers a front."""

    @property
    def problem(self) -> Problem:
        """The chain; its alpha is not used."""

    @property
    def newest(self) -> int:
        """Neuron layer of the chain that became solid last: its overlap is the control."""

    @property
    def mirrored(self) -> bool:
        """Whether only states with q(l) = q(L-l) of the chain are meant."""

    @property
    def closed(self) -> bool:
        """Whether no liquid layer is left."""

    @property
    def network_depth(self) -> int:
        """Depth of the smallest network with data at its ends in which this stage is the same."""

    @property
    def network_layers(self) -> tuple[int, int]:
        """Of the network of `network_depth`: the layer that became solid last, and the next one."""

    def seed(self, before: State | None, log_alpha: float, overlap: float) -> State:
        """The chain next to its onset: the newest layer at ``overlap`` << 1.

        ``before`` is the state of the chain of the stage before at this onset; None in stage 1.
        """

    def excess(self, state: State, log_alpha: float) -> float:
        """ln of the instability of the next layer, 0 at its onset, negative below (not closed)."""

    def excess_of(self, overlap: float, log_alpha: float) -> float:
        """`excess` as far as the (Edwards-Anderson) overlap of the newest layer determines it."""

    def expand(self, state: State) -> State:
        """The whole network, every front of it in this ``state`` of the chain."""


class Fronts(Protocol):
    """How order grows from the data when alpha is raised: stage by stage."""

    @property
    def layers(self) -> Sequence[int]:
        """Neuron layers of the network in the order in which they become solid, one a stage.

        Where fronts grow from both ends, those of one of them.
        """

    @property
    def first_threshold(self) -> float:
        """alpha at which the liquid becomes unstable; inf where it never does."""

    def stage(self, layer: int) -> Stage:
        """Stage 1 .. len(layers)."""


class IndependentFronts(Protocol):
    """Two fronts, from the inputs and from the outputs, that ignore each other until they meet.

    They are no one curve in (overlaps, alpha): each has its own.
    """

    @property
    def first_threshold(self) -> float:
        """alpha at which the liquid becomes unstable; inf where it never does."""

    def log_growth(self, state: State, log_alpha: float) -> FloatArray:
        """ln of the growth of an infinitesimal overlap of the hidden layers 1..L-1; (L-1,).

        0 at the onset of a layer; meaningful where q(l) = 0.
        """

    def seed(self, state: State, log_alpha: float, layer: int, overlap: float) -> State:
        """``state`` at the onset of ``layer``, whose largest overlap becomes ``overlap`` << 1."""


class Closure(Protocol):
    """A treatment of the neurons: which equations a `Problem` has."""

    @property
    def name(self) -> str:
        """Value of `Problem.closure` that means this one."""

    def check(self, problem: Problem) -> None:
        """InputError, naming the argument, where the closure does not cover ``problem``."""

    def symmetric(self, problem: Problem) -> SymmetricEquations:
        """The replica-symmetric equations."""

    def fronts(self, problem: Problem) -> Fronts:
        """How order grows in the network of ``problem``."""


class GapDensity(Protocol):
    """P(r): distribution of the gaps r of one layer at a solution."""

    @property
    def width(self) -> float:
        """Scale of the peak above the margin."""

    @property
    def floor(self) -> float:
        """r below which P falls off within a width at finite beta; -inf for hard constraints."""

    def at(self, r: FloatArray) -> FloatArray:
        """P at each ``r``, at the margin itself from above."""


@runtime_checkable
class KnowsGaps(Protocol):
    """A closure that also knows the distribution of the gaps; not every one does."""

    def gaps(self, solution: Solution, layer: int) -> GapDensity:
        """That of ``layer`` (1..L) at a solution."""


@runtime_checkable
class KnowsIndependentFronts(Protocol):
    """A closure in which order may grow from both ends, each on its own; not in every one."""

    def independent_fronts(self, problem: Problem) -> IndependentFronts | None:
        """They, or None where there is one front or two mirrored ones (`Closure.fronts`)."""


@runtime_checkable
class KnowsPotentials(Protocol):
    """A closure that also has replica-symmetric equations for any weight of the gaps."""

    def general(self, problem: Problem) -> SymmetricEquations:
        """The equations of a problem with a `Problem.potential` (random data)."""


@runtime_checkable
class KnowsLevels(Protocol):
    """A closure that also has equations for broken replica symmetry; not every one does."""

    def broken(self, problem: Problem) -> BrokenEquations:
        """The K-level equations (random data)."""

    def flow_points(self, problem: Problem, state: State) -> float:
        """Points of the finest grid that a Parisi flow without levels needs at these overlaps.

        0 where the closure sets no grid.
        """


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

    @property
    def solid_without_field(self) -> bool:
        """Whether couplings alone may hold the neurons above them: Q(l) > 0, q(l) > 0, eps(l) = 0.

        Then eps_i(l) is positive exactly where Q_i(l+1) is; otherwise exactly where q_i(l) is.
        """

    @property
    def largest_overlap(self) -> float:
        """Interaction overlap, L >= 2, beyond which only saturated layers are sought."""

    def saturated_layers(self, depth: int) -> tuple[int, ...]:
        """Hidden layers with q = 1 on the branch of this depth; empty where q = 1 is impossible."""

    def first_threshold(self) -> float:
        """alpha at which the liquid becomes unstable (L >= 2)."""

    def closing(self, levels: int) -> float:
        """alpha where s of K = ``levels`` tends to -infinity; nan: no equations of that end."""

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


@dataclass(frozen=True, slots=True)
class SaturatedEnds:
    """alpha at which saturated branches have no states left, at K = 1, 2, ... levels.

    ``everywhere``: saturated in every layer; ``beside``: in the first one from either boundary
    only, where that may end first.  Empty where not solved; beyond the depth ``deepest``
    ``everywhere`` is not tried.
    """

    everywhere: tuple[float, ...]
    beside: tuple[float, ...]
    deepest: int


@runtime_checkable
class KnowsCapacity(Protocol):
    """A closure that also knows the limit in which the symmetric volume of random data closes."""

    def reduced_capacity(self, problem: Problem) -> float:
        """Capacity of the replica-symmetric equations left in that limit.

        inf where they have no end, nan where they are not known.
        """


@runtime_checkable
class KnowsSaturatedEnds(Protocol):
    """A closure with saturated branches that also knows where their states end."""

    def saturated_ends(self, problem: Problem, levels: int, alpha_max: float) -> SaturatedEnds:
        """Ends of the saturated branches with up to ``levels`` levels, below ``alpha_max``."""
