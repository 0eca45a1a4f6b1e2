"""One evaluation of the K-level saddle-point equations of the random scenario.

`State` holds what is unknown: breakpoints m, fields eps_i(l), overlaps Q_i(l); q = T(eps) follows.
`evaluate` runs the flow of every distinct layer once and returns the moments, the free
entropy s, ds/dm and, if asked for, the response matrices that the Newton iteration assembles
(docs/theory.md, section 6).
The solution is symmetric under q(l) -> q(L-l), Q(l) -> Q(L+1-l): flows are run for l <= L/2 and
mirrored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels import couplings as spherical
from ..kernels import layers
from ..kernels import parisi as kernels

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]

CONTACT = 0.999


class FlowError(ArithmeticError):
    """The iteration has left the range in which a flow can be computed."""


@dataclass(frozen=True, slots=True)
class Model:
    """alpha, L, kappa, beta of docs/theory.md, and the number of grid points per kink width."""

    alpha: float
    L: int
    kappa: float = 0.0
    beta: float = np.inf
    points_per_width: float = 5.0

    @property
    def noise(self) -> float:
        """e^-beta."""
        return float(np.exp(-self.beta))

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

    Rows 0 and L of eps are unused. `top[l]` is the number of free levels of hidden layer l:
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
        return np.diff(np.append(self.m, 1.0))

    def with_values(self, **changes: Any) -> State:
        return replace(self, **changes)


def make_state(m: Array, eps: Array, Q: Array, top: Ints | None = None) -> State:
    """A state from arrays; without `top` no level is frozen."""
    eps = np.array(eps, float)
    eps[0] = eps[-1] = 0.0
    if top is None:
        top = np.full(eps.shape[0], m.size, dtype=np.int64)
    return State(np.array(m, float), eps, np.array(Q, float), np.array(top, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class LayerFlow:
    """Results of one flow: F, moments T, curvature <f''^2>, A_i (index i = 1..k+1, 0 unused), and
    the responses dT/dv, dT/dm, dA/dv, dA/dm (empty if not asked for).
    """

    F: float
    T: Array
    curvature: Array
    A: Array
    mass_error: float
    dTdv: Array
    dTdm: Array
    dAdv: Array
    dAdm: Array


_EMPTY = np.empty((0, 0))
_NONE = _EMPTY, _EMPTY, _EMPTY, _EMPTY
Rest = Callable[[], LayerFlow]


def _layer_flow(moments: Any, rates: Any = _NONE) -> LayerFlow:
    """What the compiled layers return, with names."""
    return LayerFlow(*moments, *rates)


def interaction_flow(model: Model, m: Array, lam: Array, derivatives: bool = False) -> LayerFlow:
    """Flow of f = ln[e^-beta + (1-e^-beta) Phi((h-kappa)/sqrt(1-lam_k))] with variances lam."""
    if not np.isfinite(lam[-1]):
        raise FlowError("the overlaps of an interaction are not finite")
    values = m, lam, model.kappa, model.noise, model.points_per_width
    moments, work = layers.gap_flow(*values)
    if not derivatives:
        return _layer_flow(moments)
    return _layer_flow(moments, layers.responses(moments[1], moments[2], work))


def spin_flow(
    model: Model, m: Array, eps: Array, m_top: float = 1.0, derivatives: bool = False
) -> LayerFlow:
    """Flow of f = (1/m_top) ln 2cosh(m_top h) with variances eps."""
    flow, responses = _spin_stages(model, m, eps, m_top)
    return responses() if derivatives else flow


def _spin_stages(model: Model, m: Array, eps: Array, m_top: float) -> tuple[LayerFlow, Rest]:
    """The flow, which q needs, and its responses, which can run together with those of the gaps."""
    if not np.isfinite(eps).all():
        raise FlowError("the fields of a hidden layer are not finite")
    moments, work = layers.spin_flow(m, eps, float(m_top), model.points_per_width)

    def responses() -> LayerFlow:
        return _layer_flow(moments, layers.responses(moments[1], moments[2], work))

    return _layer_flow(moments), responses


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything one pass over the layers gives.

    q = T(eps) (L+1, K+1) with q(0) = q(L) = 1; lam, G (L, K+1); `field` is the right-hand side of
    the eps equation, `pull` = alpha q(l-1) q(l) G that of the B equation; free_entropy s at
    (q, Q, eps); ds_dm (K+1), explicit derivative, entry 0 unused; flows of the distinct layers.
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


def _serial(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterable[Any]:
    return map(function, items)


def _call(task: Rest) -> LayerFlow:
    return task()


def liquid_flow(model: Model) -> tuple[float, float]:
    """F and G of an interaction with lam = 0: f(0) and f'(0)^2."""
    f, f1, f2 = np.zeros(1), np.zeros(1), np.zeros(1)
    kernels.gap_boundary(model.kappa, model.noise, 1.0, 1.0, 0, f, f1, f2)
    return float(f[0]), float(f1[0] ** 2)


def liquid_entropy(model: Model) -> float:
    """s of the liquid, L f(0) + (L-1) ln 2."""
    return model.L * liquid_flow(model)[0] + (model.L - 1) * float(np.log(2.0))


def liquid_curvature(model: Model) -> float:
    """f''(0)^2 of an interaction with lam = 0."""
    f, f1, f2 = np.zeros(1), np.zeros(1), np.zeros(1)
    kernels.gap_boundary(model.kappa, model.noise, 1.0, 1.0, 0, f, f1, f2)
    return float(f2[0] ** 2)


def spin_overlaps(
    model: Model, state: State, eps: Array, derivatives: bool = False, mapper: Mapper = _serial
) -> tuple[Array, list[LayerFlow | None], dict[int, Rest]]:
    """q(l) = T of the neuron flow with variances eps(l); liquid layers give 0.

    With `derivatives` also what computes the responses of layer l.
    """
    K1 = state.m.size

    def spin(layer: int) -> tuple[LayerFlow, Rest | None]:
        top = int(state.top[layer])
        m_top = 1.0 if top == K1 else float(state.m[top])
        flow, rest = _spin_stages(model, state.m[:top], eps[layer, :top], m_top)
        return flow, rest if derivatives else None  # a rest keeps all arrays of its flow

    solid = [i for i in range(1, model.hidden + 1) if state.top[i] < K1 or eps[i, -1] > 0.0]
    spins: list[LayerFlow | None] = [None] * (model.hidden + 1)
    rests: dict[int, Rest] = {}
    q = np.zeros_like(eps)
    q[0] = q[-1] = 1.0
    for layer, (flow, rest) in zip(solid, mapper(spin, solid), strict=True):
        top = int(state.top[layer])
        spins[layer] = flow
        q[layer, :top] = flow.T
        q[layer, top:] = 1.0
        q[model.L - layer] = q[layer]
        if rest is not None:
            rests[layer] = rest
    return q, spins, rests


def evaluate(
    model: Model, state: State, derivatives: bool = False, mapper: Mapper = _serial
) -> Evaluation:
    """One pass: q = T(eps), G from lam = q Q q, new fields, s and ds/dm.

    `mapper` runs two stages: the neuron flows, then the interaction flows with their responses
    and, with nothing to wait for, the responses of the neurons.
    """
    L, m, Q = model.L, state.m, state.Q
    q, spins, rests = spin_overlaps(model, state, state.eps, derivatives, mapper)
    lam = q[:-1] * Q * q[1:]
    F0, G0 = liquid_flow(model)

    def gap(layer: int) -> LayerFlow:
        return interaction_flow(model, m, lam[layer], derivatives)

    solid = [layer for layer in range(model.coupled) if not lam[layer, -1] <= 0.0]
    tasks: list[Rest] = [partial(gap, layer) for layer in solid]
    flows = list(mapper(_call, [*tasks, *rests.values()]))
    for layer, flow in zip(rests, flows[len(solid) :], strict=True):
        spins[layer] = flow
    gaps: list[LayerFlow | None] = [None] * model.coupled
    G = np.full((L, m.size), G0)
    for layer, flow in zip(solid, flows, strict=False):
        gaps[layer] = flow
        G[layer] = G[L - 1 - layer] = flow.T
    field = np.zeros_like(q)
    field[1:-1] = (Q * G)[:-1] * q[:-2] + (Q * G)[1:] * q[2:]
    pull = model.alpha * q[:-1] * q[1:] * G
    s, ds_dm, mass = _free_entropy(model, state, q, gaps, spins, F0)
    return Evaluation(state, q, lam, G, field, pull, s, ds_dm, mass, gaps, spins)


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
        part = float(np.log(2.0))
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
    m, eps, Q, steps = state.m, state.eps, state.Q, state.steps
    K1 = m.size
    s, mass = 0.0, 0.0
    grad = np.zeros(K1)
    for layer in range(model.coupled):
        w, flow = weight_coupling(model, layer), gaps[layer]
        s += w * (F0 if flow is None else flow.F)
        if Q[layer, -1] > 0.0:
            spheres, by_m = spherical.entropy(Q[layer], m)
            s += w * spheres / model.alpha
            grad[1:] += w * by_m / model.alpha
        if flow is not None:
            grad[1:] += w * flow.A[1:K1]
            mass = max(mass, flow.mass_error)
    for layer in range(1, model.hidden + 1):
        w, flow, top = weight_hidden(model, layer), spins[layer], int(state.top[layer])
        if flow is None:
            s += w * np.log(2.0)
            continue
        product = eps[layer, :top] * q[layer, :top]
        m_top = 1.0 if top == K1 else m[top]
        s += w * (flow.F - 0.5 * m_top * eps[layer, top - 1] + 0.5 * steps[:top] @ product)
        grad[1:top] += w * (flow.A[1:top] + 0.5 * (product[:-1] - product[1:]))
        if top < K1:
            grad[top] += w * (flow.A[top] + 0.5 * (product[-1] - eps[layer, top - 1]))
        mass = max(mass, flow.mass_error)
    return float(s), grad, mass


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
    q, _, _ = spin_overlaps(model, ev.state, eps, mapper=mapper)
    return float(max(abs(q - ev.q).max(), abs(new_couplings(model, ev) - ev.state.Q).max()))


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
