"""One evaluation of the K-level saddle-point equations of the random scenario.

`State` holds what is unknown: breakpoints m, fields eps_i(l), overlaps Q_i(l); q = T(eps) follows.
`evaluate` runs the flow of every distinct layer once and returns the moments, the free
entropy s, ds/dm and, if asked for, the response matrices that the Newton iteration assembles
(docs/theory.md, section 6).
The solution is symmetric under q(l) -> q(L-l), Q(l) -> Q(L+1-l): flows are run for l <= L/2 and
mirrored.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from operator import itemgetter
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replicadnn import interrupt
from replicadnn.kernels.theory import couplings as spherical
from replicadnn.kernels.theory import layers, newton
from replicadnn.kernels.theory import parisi as kernels
from replicadnn.kernels.theory.levels import widths

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]

CONTACT = 0.999
LN2 = math.log(2.0)
POINTS_PER_WIDTH = 5.0


class FlowError(ArithmeticError):
    """The iteration has left the range in which a flow can be computed."""


@dataclass(frozen=True, slots=True)
class Model:
    """alpha, L, kappa, beta of docs/theory.md, and the number of grid points per kink width."""

    alpha: float
    L: int
    kappa: float = 0.0
    beta: float = np.inf
    points_per_width: float = POINTS_PER_WIDTH

    @property
    def hidden(self) -> int:
        """Number of distinct hidden layers, L // 2."""
        return self.L // 2

    @property
    def coupled(self) -> int:
        """Number of distinct coupling layers, (L + 1) // 2."""
        return (self.L + 1) // 2


@dataclass(frozen=True, slots=True)
class State:
    """m (K+1) with m[0] = 0, fields eps (L+1, K+1), overlaps Q (L, K+1); row l-1 of Q is layer l.

    Layers mirror each other, l and L - l (couplings: l and L + 1 - l). Rows 0 and L of eps are
    unused. `top[l]` is the number of free levels of hidden layer l:
    q_i(l) = 1 for i >= top[l] (frozen branch), where eps is unused; top = K+1 elsewhere.
    """

    m: Array
    eps: Array
    Q: Array
    top: Ints

    @property
    def K(self) -> int:
        return self.m.size - 1

    @property
    def steps(self) -> Array:
        """m_{i+1} - m_i with m_{K+1} = 1."""
        return np.asarray(widths(self.m))

    def with_values(self, **changes: Any) -> State:
        return replace(self, **changes)


def make_state(m: Array, eps: Array, Q: Array, top: Ints | None = None) -> State:
    """A state from arrays; without `top` no level is frozen."""
    eps = np.array(eps, float)
    eps[0] = eps[-1] = 0.0
    if top is None:
        top = np.full(eps.shape[0], m.size, dtype=np.int64)
    return State(np.array(m, float), eps, np.array(Q, float), np.array(top, dtype=np.int64))


def first_levels(state: State) -> Ints:
    """First level with eps_i(l) > 0 for each hidden l (K+1 if none); 0 for the data layers."""
    positive = state.eps > 0.0
    first = np.where(positive.any(1), positive.argmax(1), state.m.size).astype(np.int64)
    first[0] = first[-1] = 0
    return np.minimum(first, state.top)


@dataclass(frozen=True, slots=True)
class LayerFlow:
    """Results of one flow: F, moments T, curvature <f''^2>, A_i (index i = 1..k+1, 0 unused)."""

    F: float
    T: Array
    curvature: Array
    A: Array
    mass_error: float


@dataclass(frozen=True, slots=True)
class SpinCurvature:
    """Hessian of one neuron entropy over its free levels and m, with T'^-1 and T_m = dT/dm."""

    block: Array
    inverse: Array
    T_m: Array


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything one pass over the layers gives.

    q = T(eps) (L+1, K+1) with q(0) = q(L) = 1; lam, G (L, K+1); `field` is the right-hand side of
    the eps equation, `pull` = alpha q(l-1) q(l) G that of the B equation; free_entropy s at
    (q, Q, eps); ds_dm (K+1), explicit derivative, entry 0 unused; flows of the distinct layers
    (None: liquid) and, if derivatives were asked for, their blocks of the Hessian.
    """

    state: State
    q: Array
    lam: Array
    G: Array
    field: Array
    pull: Array
    free_entropy: float
    ds_dm: Array
    mass_error: float
    gap_flows: list[LayerFlow | None]
    spin_flows: list[LayerFlow | None]
    gap_blocks: list[Array | None]
    spin_blocks: list[SpinCurvature | None]


def _serial(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterable[Any]:
    return map(function, items)


def _call(task: Callable[[], None]) -> None:
    task()


@lru_cache(maxsize=8)
def liquid_flow(model: Model) -> tuple[float, float]:
    """F and G of an interaction with lam = 0: f(0) and f'(0)^2."""
    f, f1, f2 = np.zeros(1), np.zeros(1), np.zeros(1)
    kernels.gap_boundary(model.kappa, model.beta, 1.0, 1.0, 0, f, f1, f2)
    return float(f[0]), float(f1[0] ** 2)


def liquid_entropy(model: Model) -> float:
    """s of the liquid, L f(0) + (L-1) ln 2."""
    return model.L * liquid_flow(model)[0] + (model.L - 1) * LN2


def liquid_curvature(model: Model) -> float:
    """f''(0)^2 of an interaction with lam = 0."""
    f, f1, f2 = np.zeros(1), np.zeros(1), np.zeros(1)
    kernels.gap_boundary(model.kappa, model.beta, 1.0, 1.0, 0, f, f1, f2)
    return float(f2[0] ** 2)


def floor_points(kappa: float, beta: float, lam: Array, rest: Array) -> float:
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


class _Pass:
    """The layers of one evaluation.

    An interaction needs the neurons on both sides: whoever comes first, the task of that layer or
    its neighbour on another thread, runs their flow; everybody else waits or finds it done.
    """

    def __init__(self, model: Model, state: State, eps: Array, derivatives: bool = False) -> None:
        self.model, self.state, self.eps, self.derivatives = model, state, eps, derivatives
        self.q = np.zeros_like(eps)
        self.q[0] = self.q[-1] = 1.0
        solid = (state.top < state.m.size) | ~(eps[:, -1] <= 0.0)
        solid[0] = solid[-1] = True
        coupled = ~(state.Q[:, -1] <= 0.0) & solid[:-1] & solid[1:]
        self.neurons: list[int] = (1 + np.flatnonzero(solid[1 : model.hidden + 1])).tolist()
        self.interactions: list[int] = np.flatnonzero(coupled[: model.coupled]).tolist()
        self.locks = {i: Lock() for i in self.neurons}
        self.works: dict[int, Any] = {}
        self.spin_flows: list[LayerFlow | None] = [None] * (model.hidden + 1)
        self.spin_blocks: list[SpinCurvature | None] = [None] * (model.hidden + 1)
        self.gap_flows: list[LayerFlow | None] = [None] * model.coupled
        self.gap_blocks: list[Array | None] = [None] * model.coupled

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
        return {min(i, self.model.L - i) for i in (layer, layer + 1)}

    def neuron(self, layer: int) -> LayerFlow:
        """q(l) = T of the flow of f = (1/m_top) ln 2cosh(m_top h) with variances eps(l)."""
        with self.locks[layer]:
            flow = self.spin_flows[layer]
            if flow is not None:
                return flow
            top, L = int(self.state.top[layer]), self.model.L
            fields = self.eps[layer, :top]
            if top == 0 or not np.isfinite(fields).all():
                raise FlowError("the fields of a hidden layer are not finite")
            m_top = 1.0 if top == self.state.m.size else float(self.state.m[top])
            moments, work = layers.spin_flow(
                self.state.m[:top], fields, m_top, self.model.points_per_width
            )
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
        model, m = self.model, self.state.m
        q_a, Q, q_b = self.q[layer], self.state.Q[layer], self.q[layer + 1]
        lam = q_a * Q * q_b
        if not np.isfinite(lam).all():
            raise FlowError("the overlaps of an interaction are not finite")
        moments, work = layers.gap_flow(m, lam, model.kappa, model.beta, model.points_per_width)
        flow = self.gap_flows[layer] = LayerFlow(*moments)
        if self.derivatives:
            dTdv, _, dAdv, dAdm = layers.responses(flow.T, flow.curvature, work)
            self.gap_blocks[layer] = newton.coupling_block(
                m, q_a, Q, q_b, flow.T, dTdv, dAdv, dAdm, model.alpha
            )


def spin_overlaps(model: Model, state: State, eps: Array, mapper: Mapper = _serial) -> Array:
    """q(l) = T of the neuron flow with variances eps(l); liquid layers give 0."""
    run = _Pass(model, state, eps)
    for _ in mapper(run.neuron, run.neurons):
        pass
    return run.q


def evaluate(
    model: Model, state: State, derivatives: bool = False, mapper: Mapper = _serial
) -> Evaluation:
    """One pass: q = T(eps), G from lam = q Q q, new fields, s and ds/dm.

    `mapper` gets one list of tasks: the flows of neurons and of interactions and, with
    `derivatives`, their blocks of the Hessian.
    """
    interrupt.check()
    L, m, Q = model.L, state.m, state.Q
    run = _Pass(model, state, state.eps, derivatives)
    for _ in mapper(_call, run.tasks()):
        pass
    q = run.q
    F0, G0 = liquid_flow(model)
    G = np.full((L, m.size), G0)
    for layer, flow in enumerate(run.gap_flows):
        if flow is not None:
            G[layer] = G[L - 1 - layer] = flow.T
    lam, field, pull = layers.drives(q, Q, G, model.alpha)
    s, ds_dm, mass = _free_entropy(model, state, q, run.gap_flows, run.spin_flows, F0)
    return Evaluation(
        state, q, lam, G, field, pull, s, ds_dm, mass,
        run.gap_flows, run.spin_flows, run.gap_blocks, run.spin_blocks,
    )  # fmt: skip


def entropy_by_layer(model: Model, ev: Evaluation) -> tuple[Array, Array, Array]:
    """Parts of s by layer: interaction (L), couplings S_sph/alpha (L), neurons (L-1); sum = s."""
    state, L = ev.state, model.L
    m, K1 = state.m, state.m.size
    F0, _ = liquid_flow(model)
    interaction, couplings, neurons = np.empty(L), np.zeros(L), np.empty(L - 1)
    for layer, flow in enumerate(ev.gap_flows):
        interaction[[layer, L - 1 - layer]] = F0 if flow is None else flow.F
        if state.Q[layer, -1] > 0.0:
            part = spherical.entropy(state.Q[layer], m)[0] / model.alpha
            couplings[[layer, L - 1 - layer]] = part
    for layer in range(1, model.hidden + 1):
        flow, top = ev.spin_flows[layer], int(state.top[layer])
        part = LN2
        if flow is not None:
            m_top = 1.0 if top == K1 else float(m[top])
            fields = state.eps[layer, :top]
            conjugate = state.steps[:top] @ (fields * ev.q[layer, :top]) - m_top * fields[-1]
            part = flow.F + 0.5 * float(conjugate)
        neurons[[layer - 1, L - layer - 1]] = part
    return interaction, couplings, neurons


def weight_coupling(model: Model, layer: int) -> float:
    """How many layers the coupling layer with index `layer` (from 0) stands for: 2, centre 1."""
    return 1.0 if 2 * layer + 1 == model.L else 2.0


def weight_hidden(model: Model, layer: int) -> float:
    """How many hidden layers layer `layer` (from 1) stands for."""
    return 1.0 if 2 * layer == model.L else 2.0


def _free_entropy(
    model: Model,
    state: State,
    q: Array,
    gaps: list[LayerFlow | None],
    spins: list[LayerFlow | None],
    F0: float,
) -> tuple[float, Array, float]:
    """s and its explicit derivatives ds/dm_i (q, Q, eps fixed)."""
    m, steps = state.m, state.steps
    s, mass = 0.0, 0.0
    grad = np.zeros(m.size)
    for layer, flow in enumerate(gaps):
        w = weight_coupling(model, layer)
        s += w * layers.sphere_terms(w / model.alpha, state.Q[layer], m, grad) / model.alpha
        if flow is None:
            s += w * F0
        else:
            s += w * flow.F
            grad += w * flow.A[:-1]
            mass = max(mass, flow.mass_error)
    for layer, flow in enumerate(spins[1:], start=1):
        w = weight_hidden(model, layer)
        if flow is None:
            s += w * LN2
        else:
            s += w * flow.F
            s += layers.field_terms(w, flow.A, state.eps[layer], q[layer], steps, m, grad)
            mass = max(mass, flow.mass_error)
    return s, grad, mass


def new_couplings(model: Model, ev: Evaluation) -> Array:
    """Q(l) = response(alpha q(l-1) q(l) G(l))."""
    Q = np.zeros_like(ev.state.Q)
    for layer in range(model.coupled):
        B = np.maximum.accumulate(ev.pull[layer])
        Q[layer] = Q[model.L - 1 - layer] = spherical.response(B, ev.state.m)
    return Q


def residual(model: Model, ev: Evaluation, mapper: Mapper = _serial) -> float:
    """max |map(q, Q) - (q, Q)| over layers and levels, the map undamped."""
    fields = np.where(ev.state.eps > 0.0, ev.field, 0.0)
    eps = np.maximum.accumulate(fields, axis=1)
    q = spin_overlaps(model, ev.state, eps, mapper)
    return float(np.max([abs(q - ev.q).max(), abs(new_couplings(model, ev) - ev.state.Q).max()]))


def relax(
    model: Model,
    state: State,
    steps: int,
    damping: float = 0.5,
    deadline: float = np.inf,
    mapper: Mapper = _serial,
) -> State:
    """Damped iteration of (eps, Q) at fixed breakpoints, to bring a guess near a solution.

    Ends early at `deadline`, and where an interaction closes in on contact (lam > 0.999): there
    is no solution near, or it is found from here as well.
    """
    for _ in range(steps):
        ev = evaluate(model, state, mapper=mapper)
        if ev.lam.max() > CONTACT or time.perf_counter() > deadline:
            break
        eps = state.eps + damping * (ev.field - state.eps)
        Q = state.Q + damping * (new_couplings(model, ev) - state.Q)
        if model.L > 1 and state.K > 0:  # the sign gauge of hidden neurons: no overlap at x = 0
            eps[:, 0] = Q[:, 0] = 0.0
        state = state.with_values(eps=np.maximum.accumulate(eps, axis=1), Q=Q)
    return state
