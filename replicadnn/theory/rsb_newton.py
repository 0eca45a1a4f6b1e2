"""Newton minimisation of the free entropy over fields, overlaps and breakpoints together.

At a stable solution s(q, Q, m), with eps eliminated by q = T(eps), is a local minimum (n -> 0
reverses the usual sign): with A = S''_spin + S''_sph and C = -F''_int the map (q, Q) -> (q, Q) has
the Jacobian A^-1 C, and its stability means A - C > 0; adding levels lowers s further. So one
scalar function is minimised, with

    ds/dq_i(l) = (m_{i+1}-m_i)/2 [eps_i - Q_i(l) q_i(l-1) G_i(l) - Q_i(l+1) q_i(l+1) G_i(l+1)]
    ds/dQ_i(l) = (m_{i+1}-m_i)/2 [B_i(Q)/alpha - q_i(l-1) q_i(l) G_i]
    ds/dm_i    = (docs/theory.md)

and the exact Hessian in (q, Q, m), which needs no more than the responses of the flows. Steps
multiply the increments of levels (those of Q and 1 - Q_K keep the sum one, see `apply_step`): order
and signs are kept, and a state with two merged levels - a solution with fewer levels, hence a
saddle - lies at infinity. (With eps in place of q as the unknown the Hessian needs d^2 T; leaving
that term out spoils the soft directions and costs ten times the iterations.)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.linalg import eigh
from scipy.linalg.lapack import dpotrf, dpotrs

from ..kernels import couplings, newton
from ..kernels.levels import largest_ratio, slide
from . import response as spherical
from .rsb_map import (
    Array,
    Evaluation,
    FlowError,
    Ints,
    LayerFlow,
    Mapper,
    Model,
    State,
    _serial,
    evaluate,
    liquid_entropy,
    residual,
    weight_coupling,
    weight_hidden,
)

NONE = -1
MAX_LOG = 1.0
MAX_GAP = 0.4
RUNAWAY_MESSAGE = "overlaps run to one"
COLLAPSE_MESSAGE = "the free entropy runs to minus infinity"
COLLAPSE = 20.0  # this far below the liquid free entropy (and -beta L)
LEASH_MESSAGE = "left the neighbourhood of the start"
CLOSING_MESSAGE = "the breakpoint m* of the frozen branch runs to zero"
MERGED_MESSAGE = "two levels merge"
FLAT_MESSAGE = "rounding level"
LIMIT_MESSAGE = "iteration limit"
MIN_GAP = 1e-4  # cells narrower than this are removed: 1/m amplifies rounding errors
LOST = (RUNAWAY_MESSAGE, COLLAPSE_MESSAGE, LEASH_MESSAGE, CLOSING_MESSAGE)
SMALLEST_FROZEN = 0.02  # m* below which the frozen branch is taken to be closing
SMALLEST_GAP = 1e-6  # ... and 1 - Q
START_GAIN = 1e-5  # the start is brought this close to the bottom at fixed breakpoints
MAX_TRIALS = 12
RESOLVED = 1e-13  # differences of s above this, for each layer, are not rounding
SMALLEST_GAIN = 1e-20
CORRECTION = 10.0  # longest correction in units of the step it corrects
SMALLEST_CURVATURE = 1e-13  # of the scaled Hessian, whose diagonal is one
POLISHABLE = 1e-5  # gradient from which Newton steps without a line search are tried
CLOSED = 1.0 - 1e-6  # overlap of one perceptron at which its volume has closed
RUNAWAY = 0.999  # interaction overlap beyond which a minimisation is given up


@dataclass(frozen=True, slots=True)
class Block:
    """Unknown levels `span` of row `row` (and of its mirror image) at `where` in the vector."""

    row: int
    mirror: int
    span: slice
    where: slice


@dataclass(frozen=True, slots=True)
class Layout:
    """Index of every unknown: eps (L+1, K+1), Q (L, K+1), -1 where fixed; m comes last."""

    eps: Ints
    Q: Ints
    size: int
    eps_blocks: tuple[Block, ...]
    Q_blocks: tuple[Block, ...]


def first_levels(state: State) -> Ints:
    """First level with eps_i(l) > 0 for each hidden l (K+1 if none); 0 for the data layers."""
    positive = state.eps > 0.0
    first = np.where(positive.any(1), positive.argmax(1), state.m.size).astype(np.int64)
    first[0] = first[-1] = 0
    return np.minimum(first, state.top)


def make_layout(model: Model, state: State) -> Layout:
    """Number the unknowns Q(1), eps(1), Q(2), eps(2), ...; mirrored layers share numbers."""
    L, K1 = model.L, state.m.size
    first = first_levels(state)
    eps = np.full((L + 1, K1), NONE, dtype=np.int64)
    Q = np.full((L, K1), NONE, dtype=np.int64)
    eps_blocks: list[Block] = []
    Q_blocks: list[Block] = []
    count = 0

    def add(index: Ints, blocks: list[Block], row: int, mirror: int, low: int, top: int) -> None:
        nonlocal count
        if low < top:
            index[row, low:top] = index[mirror, low:top] = np.arange(count, count + top - low)
            blocks.append(Block(row, mirror, slice(low, top), slice(count, count + top - low)))
            count += top - low

    for layer in range(1, model.coupled + 1):
        low = int(max(first[layer - 1], first[layer]))
        add(Q, Q_blocks, layer - 1, L - layer, low, K1)
        if layer <= model.hidden:
            add(eps, eps_blocks, layer, L - layer, int(first[layer]), int(state.top[layer]))
    return Layout(eps, Q, count, tuple(eps_blocks), tuple(Q_blocks))


def _span(index: Ints) -> slice:
    """Contiguous range of unknown levels."""
    known = np.flatnonzero(index >= 0)
    return slice(0, 0) if known.size == 0 else slice(int(known[0]), int(known[-1]) + 1)


def apply_step(layout: Layout, state: State, deps: Array, dQ: Array, dm: Array) -> State:
    """The state after a step; to first order x + dx, beyond that along the curves x(c).

    The soft directions of s slide levels along the smooth curves eps(x), Q(x), and in (q, Q, m)
    that valley is bent. So a level whose cell centre c moves by dc goes to Phi(c + dc) plus the
    rest dx - Phi'(c) dc, with Phi the interpolated curve. The rest multiplies the increments by
    exp(d rest / increment), which keeps order and signs.
    """
    eps, Q, m = state.eps.copy(), state.Q.copy(), state.m.copy()
    m[1:] += dm
    old_centre, new_centre = _centres(state.m), _centres(m)
    for values, blocks, change, bound in (
        (Q, layout.Q_blocks, dQ, 1.0),
        (eps, layout.eps_blocks, deps, 0.0),
    ):
        for block in blocks:
            at, span = (block.row, block.span), block.span
            values[at] = slide(
                values[at], change[at], old_centre[span], new_centre[span], MAX_LOG, bound
            )
            values[block.mirror] = values[block.row]
    return state.with_values(eps=eps, Q=Q, m=m)


def _centres(m: Array) -> Array:
    edges = np.append(m, 1.0)
    return np.asarray(0.5 * (edges[1:] + edges[:-1]))


@dataclass(frozen=True, slots=True)
class Quadratic:
    """Gradient and Hessian of s in (q, Q, m)."""

    gradient: Array
    hessian: Array


def _zero_flow(K1: int) -> LayerFlow:
    return LayerFlow(
        0.0, np.zeros(K1), np.zeros(K1), np.zeros(K1 + 1), 0.0, np.zeros((K1, K1)),
        np.zeros((K1, K1 + 1)), np.zeros((K1 + 1, K1)), np.zeros((K1 + 1, K1 + 1)),
    )  # fmt: skip


def gradient(model: Model, layout: Layout, ev: Evaluation) -> Array:
    """ds/d(q, Q, m), each at fixed others (eps is stationary: q = T(eps))."""
    state, steps = ev.state, ev.state.steps
    out = np.zeros(layout.size + state.K)
    out[layout.size :] = ev.ds_dm[1:]
    for block in layout.Q_blocks:
        row = block.row
        B = couplings.field_overlaps(state.Q[row], state.m)
        value = 0.5 * steps * (B - ev.pull[row]) / model.alpha
        out[block.where] = weight_coupling(model, row) * value[block.span]
    for block in layout.eps_blocks:
        value = 0.5 * steps * (state.eps[block.row] - ev.field[block.row])
        out[block.where] = weight_hidden(model, block.row) * value[block.span]
    return out


def quadratic(model: Model, layout: Layout, ev: Evaluation) -> Quadratic:
    """Gradient and exact Hessian in (q, Q, m) from an evaluation with ``derivatives=True``."""
    K, n = ev.state.K, layout.size
    H = np.zeros((n + K, n + K))
    for layer in range(1, model.coupled + 1):
        _add_coupling(model, layout, ev, layer, H)
    for layer in range(1, model.hidden + 1):
        _add_spin(model, layout, ev, layer, H)
    return Quadratic(gradient(model, layout, ev), 0.5 * (H + H.T))


def _add_coupling(model: Model, layout: Layout, ev: Evaluation, layer: int, H: Array) -> None:
    """Second derivatives of F_int(lam, m) + S_sph(Q, m)/alpha, lam = q_a Q q_b."""
    state = ev.state
    K1 = state.m.size
    K, n = state.K, layout.size
    m, Q = state.m, state.Q[layer - 1]
    if Q[-1] <= 0.0:
        return
    qa, qb = ev.q[layer - 1], ev.q[layer]
    flow = ev.gap_flows[layer - 1] or _zero_flow(K1)
    index = np.concatenate(
        [layout.eps[layer - 1], layout.Q[layer - 1], layout.eps[layer], n + np.arange(K)]
    )
    block = newton.coupling_block(
        m, qa, Q, qb, ev.G[layer - 1], flow.dTdv, flow.dAdv, flow.dAdm,
        *couplings.second_derivatives(Q, m), model.alpha,
    )  # fmt: skip
    newton.add_block(H, index, weight_coupling(model, layer - 1), block)


def _add_spin(model: Model, layout: Layout, ev: Evaluation, layer: int, H: Array) -> None:
    """Second derivatives of the neuron entropy at given (q, m), eps eliminated by q = T(eps)."""
    flow = ev.spin_flows[layer]
    if flow is None:
        return
    index, K = layout.eps[layer], ev.state.K
    span = _span(index)
    top = int(ev.state.top[layer])
    block = newton.spin_block(
        ev.state.steps, ev.state.eps[layer, :top], np.linalg.inv(flow.dTdv[span, span]),
        flow.dTdm, flow.dAdm, span.start, min(top, K),
    )  # fmt: skip
    columns = np.concatenate([index[span], layout.size + np.arange(K)])
    newton.add_block(H, columns, weight_hidden(model, layer), block)


def field_step(
    model: Model, layout: Layout, ev: Evaluation, step: Array, dm: Array
) -> tuple[Array, Array]:
    """(d eps, dQ) of the distinct layers for a step in (q, Q, m): d eps = T'^-1 (dq - T_m dm)."""
    state = ev.state
    deps, dQ = np.zeros_like(state.eps), np.zeros_like(state.Q)
    for block in layout.Q_blocks:
        dQ[block.row, block.span] = step[block.where]
    for block in layout.eps_blocks:
        flow = ev.spin_flows[block.row]
        if flow is not None:
            n_m = min(int(state.top[block.row]), state.K)
            T_m = flow.dTdm[block.span, 1 : n_m + 1]
            rest = step[block.where] - T_m @ dm[:n_m]
            deps[block.row, block.span] = np.linalg.solve(flow.dTdv[block.span, block.span], rest)
    return deps, dQ


def natural_units(layout: Layout, ev: Evaluation) -> Array:
    """Natural scale of every unknown: increments of q and Q, gaps of m; as a matrix."""
    n, K = layout.size, ev.state.K
    out = np.zeros((n + K, n + K))
    for values, blocks in ((ev.state.Q, layout.Q_blocks), (ev.q, layout.eps_blocks)):
        for block in blocks:
            out[block.where, block.where] = newton.exchanges(values[block.row, block.span])
    out[np.arange(n, n + K), np.arange(n, n + K)] = gap_units(ev.state.m)
    return out


@dataclass(frozen=True, slots=True)
class Minimum:
    """Where the minimisation stopped and why."""

    evaluation: Evaluation
    layout: Layout
    gradient_norm: float
    iterations: int
    converged: bool
    message: str


def unknowns(layout: Layout, ev: Evaluation) -> Array:
    """The values of (q, Q, m)."""
    out = np.empty(layout.size + ev.state.K)
    out[layout.size :] = ev.state.m[1:]
    for values, blocks in ((ev.state.Q, layout.Q_blocks), (ev.q, layout.eps_blocks)):
        for block in blocks:
            out[block.where] = values[block.row, block.span]
    return out


def gap_units(m: Array) -> Array:
    gaps = np.diff(np.append(m, 1.0))
    return np.minimum(gaps[:-1], gaps[1:])


class _Quadratic:
    """Quadratic model of s in natural units, scaled by the diagonal of its Hessian.

    Steps are vectors z in these units. Where the Hessian H is positive definite the Newton step
    -H^-1 g comes from its Cholesky factor; the spectrum is computed only where that step is too
    long or H is not positive definite: then the step is -(|H| + mu)^-1 g (saddle-free).
    """

    def __init__(self, quad: Quadratic, units: Array) -> None:
        H = units.T @ quad.hessian @ units
        g = units.T @ quad.gradient
        diagonal = np.abs(np.diag(H))
        inverse = 1.0 / np.sqrt(np.maximum(diagonal, 1e-9 * diagonal.max(initial=0.0) + 1e-300))
        self.hessian = H * inverse[:, None] * inverse
        self.slope = g * inverse
        self.basis = units * inverse
        self.gradient_norm = float(np.abs(g).max(initial=0.0))
        self.newton = self._newton()

    def _newton(self) -> Array | None:
        """-H^-1 g, None unless H is safely positive definite."""
        if self.slope.size == 0:
            return np.zeros(0)
        factor, failed = dpotrf(self.hessian, lower=True)
        if failed or np.diag(factor).min() ** 2 < SMALLEST_CURVATURE:
            return None
        return np.asarray(-dpotrs(factor, self.slope, lower=True)[0])

    @cached_property
    def spectrum(self) -> tuple[Array, Array, Array]:
        """|eigenvalues|, eigenvectors, slope along them."""
        values, vectors = eigh(self.hessian, driver="evd", check_finite=False)
        return np.maximum(np.abs(values), SMALLEST_CURVATURE), vectors, vectors.T @ self.slope

    def newton_gain(self) -> float:
        """Decrease of s that an unrestricted saddle-free Newton step predicts."""
        if self.newton is not None:
            return float(-0.5 * self.slope @ self.newton)
        size, _, slope = self.spectrum
        return float(0.5 * np.sum(slope**2 / size))

    def step(self, radius: float) -> Array:
        """Saddle-free Newton step of length `radius` or less."""
        if self.newton is not None and np.linalg.norm(self.newton) <= radius:
            return self.newton
        size, vectors, slope = self.spectrum
        steep = np.abs(slope)
        mu = 0.0
        if np.linalg.norm(steep / size) > radius:
            low, mu = 0.0, float(np.linalg.norm(steep)) / radius
            while mu > 1.05 * low:
                middle = float(np.sqrt(max(low, 1e-16 * mu) * mu))
                if np.linalg.norm(steep / (size + middle)) > radius:
                    low = middle
                else:
                    mu = middle
                if mu < 1e-15:
                    break
        return np.asarray(-(vectors @ (slope / (size + mu))))

    def gain(self, step: Array) -> float:
        """Predicted decrease of s."""
        return float(-(self.slope @ step + 0.5 * step @ self.hessian @ step))

    def unknowns(self, step: Array) -> Array:
        """The step in (q, Q, m)."""
        return np.asarray(self.basis @ step)


@dataclass(frozen=True, slots=True)
class _Point:
    """An evaluation with its quadratic model in natural units."""

    evaluation: Evaluation
    quad: Quadratic
    units: Array

    @property
    def s(self) -> float:
        return self.evaluation.free_entropy

    def local(self, count: int) -> _Quadratic:
        """Quadratic model in the first `count` unknowns: all, or those at fixed breakpoints."""
        part = Quadratic(self.quad.gradient[:count], self.quad.hessian[:count, :count])
        return _Quadratic(part, self.units[:count, :count])


class _Descent:
    """Steps of one minimisation: fixed model and active set."""

    def __init__(self, model: Model, layout: Layout, mapper: Mapper) -> None:
        self.model, self.layout, self.mapper = model, layout, mapper

    def point(self, state: State) -> _Point | None:
        """None where the flows or the Hessian cannot be computed: such a step is refused."""
        try:
            ev = evaluate(self.model, state, True, self.mapper)
            quad = quadratic(self.model, self.layout, ev)
        except (FlowError, np.linalg.LinAlgError):
            return None
        if not (np.isfinite(ev.free_entropy) and np.isfinite(quad.hessian).all()):
            return None
        return _Point(ev, quad, natural_units(self.layout, ev))

    def take(self, at: _Point, local: _Quadratic, radius: float) -> tuple[_Point | None, Array]:
        """The point after a step of at most `radius`, shortened to what `step_size` allows."""
        layout, state = self.layout, at.evaluation.state
        n = layout.size
        full, step = np.zeros(n + state.K), np.zeros_like(local.slope)
        try:
            step = local.step(radius)
            part = local.unknowns(step)
            full[: part.size] = part
            deps, dQ = field_step(self.model, layout, at.evaluation, full[:n], full[n:])
        except np.linalg.LinAlgError:
            return None, step
        size = step_size(layout, state, deps, dQ, full[n:])
        if not np.isfinite(size):
            return None, step
        if size > 1.0:
            step, full, deps, dQ = step / size, full / size, deps / size, dQ / size
        trial = apply_step(layout, state, deps, dQ, full[n:])
        if trial.Q[:, -1].max(initial=0.0) >= 1.0:
            return None, step
        return self.point(trial), step

    def correct(
        self, at: _Point, target: float, steps: int, lost: Callable[[_Point], str],
        radius: float = np.inf,
    ) -> _Point:  # fmt: skip
        """Newton steps in (q, Q) at fixed m until they would lower s by less than `target`.

        The valley of s along m is curved: a step along its tangent ends on its wall, and this
        leads back to the bottom.
        """
        for _ in range(steps):
            if lost(at):
                break
            try:
                local = at.local(self.layout.size)
                if local.newton_gain() < target:
                    break
            except np.linalg.LinAlgError:
                break
            new, _ = self.take(at, local, radius)
            if new is None or self.decrease(at, new) < 0.0:
                break
            at = new
        return at

    def decrease(self, old: _Point, new: _Point) -> float:
        """By how much s has fallen; below its rounding from the gradients (trapezium rule).

        The gradients resolve differences of s that s itself, a sum of order one, does not
        (W. W. Hager and H. Zhang, SIAM J. Optim. 16, 170 (2005), section 1.1).
        """
        difference = old.s - new.s
        if abs(difference) > RESOLVED * self.model.L:
            return difference
        way = unknowns(self.layout, new.evaluation) - unknowns(self.layout, old.evaluation)
        return float(-0.5 * (old.quad.gradient + new.quad.gradient) @ way)


def minimise(
    model: Model,
    state: State,
    *,
    gradient_tol: float = 1e-13,
    max_iterations: int = 100,
    deadline: float = np.inf,
    mapper: Mapper = _serial,
    free_breakpoints: bool = True,
    leash: float = np.inf,
    leave_saddles: bool = False,
) -> Minimum:
    """Saddle-free Newton minimisation of s over (q, Q, m) at a fixed set of active levels.

    Trust-region steps in all unknowns, each followed by corrections at fixed m. A step changes no
    logarithm of an increment by more than `MAX_LOG` and no breakpoint by more than `MAX_GAP` of
    its gap. Stops when all ds/d(logarithms, m in gaps) are below `gradient_tol`, at `deadline`
    (time.perf_counter), or when a q_EA(l) has moved by more than `leash`; without `leave_saddles`
    also where s falls by no more than its rounding and the Hessian is not positive definite: often
    a level about to vanish, which `adjust_levels` removes. Without `free_breakpoints` m stays as
    it is.

    Raises FlowError if the start itself cannot be evaluated.
    """
    layout = make_layout(model, state)
    count = layout.size + (state.K if free_breakpoints else 0)
    descent = _Descent(model, layout, mapper)
    first = descent.point(state)
    if first is None:
        raise FlowError("the flows of the start cannot be computed")
    first_frozen = int(state.top.min())
    frozen = first_frozen <= state.K
    watched = model.L > 1 and not frozen
    hard = np.isinf(model.beta)  # else the volume cannot close: s >= -beta L
    lowest = min(liquid_entropy(model), 0.0 if hard else -model.beta * model.L) - COLLAPSE
    closes = hard and model.L == 1

    def lost(point: _Point) -> str:
        """Why the search has to end at this point ("" if it goes on)."""
        if not point.s > lowest or (closes and point.evaluation.lam.max() > CLOSED):
            return COLLAPSE_MESSAGE
        if watched and point.evaluation.lam.max() > RUNAWAY:
            return RUNAWAY_MESSAGE
        if abs(point.evaluation.q[:, -1] - first.evaluation.q[:, -1]).max() > leash:
            return LEASH_MESSAGE
        at_end = point.evaluation.state
        closing = at_end.m[first_frozen] < SMALLEST_FROZEN if frozen else False
        if closing or (frozen and 1.0 - at_end.Q[:, -1].max() < SMALLEST_GAP):
            return CLOSING_MESSAGE
        if at_end.steps.min() < 0.5 * MIN_GAP:
            return MERGED_MESSAGE
        return "time limit" if time.perf_counter() > deadline else ""

    at = descent.correct(first, START_GAIN, 10, lost)
    radius = np.inf
    for iteration in range(max_iterations):
        local = at.local(count)
        norm = local.gradient_norm
        if norm < gradient_tol:
            message = "gradient below tolerance"
            return Minimum(at.evaluation, layout, norm, iteration, True, message)
        reason = lost(at)
        if reason:
            return Minimum(at.evaluation, layout, norm, iteration, False, reason)
        accepted = None
        for _ in range(MAX_TRIALS):
            new, step = descent.take(at, local, radius)
            length, gain = float(np.linalg.norm(step)), local.gain(step)
            radius = 0.25 * length
            if new is None:
                continue
            flat = gain < 0.1 * RESOLVED * model.L and local.newton is None  # not a minimum
            if flat and not leave_saddles:
                return Minimum(at.evaluation, layout, norm, iteration, False, FLAT_MESSAGE)
            new = descent.correct(
                new, max(0.05 * gain, SMALLEST_GAIN), 3, lost, CORRECTION * length
            )
            ratio = descent.decrease(at, new) / gain
            if ratio > 1e-4:
                accepted = new
                radius = (3.0 if ratio > 0.7 else 1.0 if ratio > 0.25 else 0.5) * length
                break
        if accepted is None:
            return Minimum(at.evaluation, layout, norm, iteration, False, "no descent")
        at = accepted
    return Minimum(at.evaluation, layout, norm, max_iterations, False, LIMIT_MESSAGE)


def step_size(layout: Layout, state: State, deps: Array, dQ: Array, dm: Array) -> float:
    """Step in units of the allowed one; increments that run to zero do not count."""
    size = float((np.abs(dm) / gap_units(state.m)).max(initial=0.0)) / MAX_GAP
    for values, blocks, change, bound in (
        (state.Q, layout.Q_blocks, dQ, 1.0),
        (state.eps, layout.eps_blocks, deps, 0.0),
    ):
        for block in blocks:
            x = values[block.row]
            ratio = largest_ratio(x[block.span], change[block.row, block.span], 1e-4 * x[-1], bound)
            size = max(size, ratio / MAX_LOG)
    return size


def polish(model: Model, start: Minimum, *, steps: int = 6, mapper: Mapper = _serial) -> Minimum:
    """Undamped Newton steps from a minimum found to rounding in s; the best point is kept.

    Near the minimum s is flat to rounding while ds/d(y, m) is still resolved; improvement is
    judged by `solution_error`.
    """
    layout, ev = start.layout, start.evaluation
    n = layout.size
    if start.gradient_norm > POLISHABLE:
        return start
    best, best_error = ev, solution_error(model, ev, mapper)
    for _ in range(steps):
        if best_error < 1e-12:
            break
        quad, units = quadratic(model, layout, ev), natural_units(layout, ev)
        H = units.T @ quad.hessian @ units
        size = 1.0 / np.sqrt(np.abs(np.diag(H)) + 1e-300)
        p = -size * np.linalg.solve(H * size[:, None] * size, units.T @ quad.gradient * size)
        if not np.all(np.isfinite(p)):
            break
        p = units @ (p * min(1.0, 0.3 / float(np.abs(p).max(initial=1e-300))))
        deps, dQ = field_step(model, layout, ev, p[:n], p[n:])
        trial = apply_step(layout, ev.state, deps, dQ, p[n:])
        if trial.Q[:, -1].max(initial=0.0) >= 1.0:
            break
        ev = evaluate(model, trial, True, mapper)
        error = solution_error(model, ev, mapper)
        if error < best_error:
            best, best_error = ev, error
        elif not error < 100.0 * best_error:
            break
    return replace(start, evaluation=best)


def solution_error(model: Model, ev: Evaluation, mapper: Mapper = _serial) -> float:
    """max(undamped residual, |ds/dm|)."""
    return max(residual(model, ev, mapper), float(np.abs(ev.ds_dm).max()))


def zero_level_growth(ev: Evaluation, model: Model) -> Array:
    """Growth factor rho_i(l) of an infinitesimal overlap at level i of layer l, (L+1, K+1).

    rho_i(l) = alpha f_i''(0)^2 [ D_i(l)^2 q_i(l-1)^2 G_i(l)^2 + D_i(l+1)^2 q_i(l+1)^2 G_i(l+1)^2 ].
    Meaningful where q_i(l) = 0 (there P_i is a delta at 0, so <f''^2> = f''(0)^2); in a liquid
    layer and at the top level it is the criterion alpha (2/pi)^2 (q(l-1)^2 + q(l+1)^2) > 1.
    """
    m, q, Q = ev.state.m, ev.q, ev.state.Q
    D = spherical.resolvents(Q, m)
    drive = (D * ev.G) ** 2
    rho = np.zeros_like(q)
    for layer in range(1, model.L):
        flow = ev.spin_flows[min(layer, model.L - layer)]
        curvature = np.ones(m.size)
        if flow is not None:
            curvature[: flow.curvature.size] = flow.curvature
        pair = drive[layer - 1] * q[layer - 1] ** 2 + drive[layer] * q[layer + 1] ** 2
        rho[layer] = model.alpha * curvature * pair
    return rho


def adjust_levels(model: Model, ev: Evaluation, threshold: float = 1e-6) -> State | None:
    """Active set: drop levels that run to zero, wake zero levels that are unstable.

    Returns the changed state, or None when nothing changes.
    """
    state = ev.state
    if 0.0 < state.eps.max(initial=0.0) < 1e-4 and int(state.top.min()) > state.K:
        liquid = state.with_values(eps=np.zeros_like(state.eps), Q=np.zeros_like(state.Q))
        if zero_level_growth(evaluate(model, liquid), model)[1:-1].max(initial=0.0) < 1.0:
            return liquid
    first = first_levels(state)
    pinned = min(state.K, 1)  # q_0 = 0 by the sign gauge, but for K = 0
    rho = zero_level_growth(ev, model)
    eps, Q = state.eps.copy(), state.Q.copy()
    changed = False
    for layer in range(1, model.hidden + 1):
        mirror, low, top = model.L - layer, int(first[layer]), int(state.top[layer])
        dead = (eps[layer, :top] > 0.0) & (eps[layer, :top] < threshold * eps[layer, top - 1])
        if low < top:  # about to vanish: small, and zero is stable there
            small = (eps[layer, :top] > 0.0) & (eps[layer, :top] < 1e-5 * eps.max())
            dead |= small & (rho[layer, :top] < 1.0)
        # a level that grows has an overlap of order rho - 1: far below, it is stuck next to zero
        stuck = (
            low < top - 1
            and eps[layer, low] < 1e-4 * eps[layer, low + 1]
            and rho[layer, low] > 1.0 + 1e-3
        )
        if stuck:
            eps[layer, low] = 0.05 * eps[layer, low + 1]
            changed = True
        elif dead.any():
            eps[layer, :top][dead] = 0.0
            changed = True
        else:
            wake = np.flatnonzero(rho[layer, pinned:low] > 1.0 + 1e-9) + pinned
            if wake.size:
                start = int(wake[0])
                seed = 0.1 * (eps[layer, low] if low < top else 0.1)
                ramp = seed * np.arange(1, low - start + 1) / (low - start)
                eps[layer, start:low] = ramp
                changed = True
        eps[mirror] = eps[layer]
    if not changed:
        return None
    return match_couplings(model, state.with_values(eps=eps, Q=Q))


def match_couplings(model: Model, state: State) -> State:
    """Make Q(l) positive, increasing exactly where both neighbours are solid, zero elsewhere."""
    Q = state.Q.copy()
    first = first_levels(state)
    for layer in range(1, model.coupled + 1):
        low = int(max(first[layer - 1], first[layer]))
        row = Q[layer - 1]
        row[:low] = 0.0
        steps = np.diff(row[low:], prepend=0.0)
        row[low:] = np.cumsum(np.maximum(steps, 1e-4 / max(row.size - low, 1)))
        if low < row.size and row[-1] >= 1.0 - 1e-9:
            row[low:] *= (1.0 - 1e-6) / row[-1]
        Q[model.L - layer] = row
    return state.with_values(Q=Q)
