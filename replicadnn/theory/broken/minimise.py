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

from replicadnn.kernels.theory import couplings, newton
from replicadnn.theory import spherical
from replicadnn.theory.broken.layout import (
    Layout,
    Units,
    apply_step,
    gather,
    make_layout,
    step_size,
)
from replicadnn.theory.closures.averaged.broken import (
    Array,
    Evaluation,
    FlowError,
    Ints,
    Mapper,
    Model,
    State,
    _serial,
    evaluate,
    first_levels,
    liquid_entropy,
    residual,
    weight_coupling,
    weight_hidden,
)
from replicadnn.theory.threads import one_blas_thread

RUNAWAY_MESSAGE = "overlaps run to one"
COLLAPSE_MESSAGE = "the free entropy runs to minus infinity"
CONTACT_MESSAGE = "1 - Q falls below 1e-5: alpha is next to the capacity"
COLLAPSE = 20.0  # this far below the liquid free entropy (and -beta L)
LEASH_MESSAGE = "left the neighbourhood of the start"
CLOSING_MESSAGE = "the breakpoint m* of the frozen branch runs to zero"
MERGED_MESSAGE = "two levels merge"
FLAT_MESSAGE = "rounding level"
LIMIT_MESSAGE = "iteration limit"
ROUNDING_MESSAGE = "gradient at its rounding"
MIN_GAP = 1e-4  # cells narrower than this are removed: 1/m amplifies rounding errors
SMALLEST_TOP = 1e-3  # m_K of one perceptron below which they no longer count in units of it
LOST = (RUNAWAY_MESSAGE, COLLAPSE_MESSAGE, CONTACT_MESSAGE, LEASH_MESSAGE, CLOSING_MESSAGE)
SMALLEST_FROZEN = 0.02  # m* below which the frozen branch is taken to be closing
SMALLEST_GAP = 1e-6  # ... and 1 - Q
START_GAIN = 1e-5  # the start is brought this close to the bottom at fixed breakpoints
MAX_TRIALS = 12
RESOLVED = 1e-13  # differences of s above this, for each layer, are not rounding
CANCELLING = 0.1  # m_1 of one perceptron below which the parts of s, 1/m_1 each, lose digits
SMALLEST_GAIN = 1e-20
UNRESOLVED = 1e-17  # predicted decrease of s below which only rounding holds a Newton step back
CORRECTION = 10.0  # longest correction in units of the step it corrects
SMALLEST_CURVATURE = 1e-13  # of the scaled Hessian, whose diagonal is one
POLISHABLE = 1e-5  # gradient from which Newton steps without a line search are tried
CLOSED = 1.0 - 1e-6  # overlap of one perceptron at which its volume has closed
NARROW = 1.0 - 1e-5  # ... beyond which the grid does not resolve its flow
FALLING = 1.0  # ds/d ln m, at least, where s runs to minus infinity as -1/m
RUNAWAY = 0.999  # interaction overlap beyond which a minimisation is given up


@dataclass(frozen=True, slots=True)
class Quadratic:
    """Gradient and Hessian of s in (q, Q, m)."""

    gradient: Array
    hessian: Array


def gradient(model: Model, layout: Layout, ev: Evaluation) -> Array:
    """ds/d(q, Q, m), each at fixed others (eps is stationary: q = T(eps))."""
    state, L = ev.state, model.L
    B = np.zeros_like(state.Q)
    for row in range(model.coupled):
        if state.Q[row, -1] > 0.0:
            B[row] = B[L - 1 - row] = couplings.field_overlaps(state.Q[row], state.m)
    half = 0.5 * state.steps
    out = gather(layout, half * (B - ev.pull) / model.alpha, half * (state.eps - ev.field))
    return np.concatenate([layout.weights * out, ev.ds_dm[1:]])


def quadratic(model: Model, layout: Layout, ev: Evaluation) -> Quadratic:
    """Gradient and exact Hessian in (q, Q, m) from an evaluation with ``derivatives=True``."""
    size = layout.size + ev.state.K
    H = np.zeros((size, size))
    for layer, block in enumerate(ev.gap_blocks):
        if block is not None:
            columns = layout.gap_columns[layer]
            newton.add_block(H, columns, weight_coupling(model, layer), block)
    for layer, spin in enumerate(ev.spin_blocks):
        if spin is not None:
            columns = layout.spin_columns[layer]
            newton.add_block(H, columns, weight_hidden(model, layer), spin.block)
    return Quadratic(gradient(model, layout, ev), 0.5 * (H + H.T))


def field_step(layout: Layout, ev: Evaluation, step: Array) -> Array:
    """Change of (eps, Q) for a step in (q, Q, m): d eps = T'^-1 (dq - T_m dm)."""
    out, dm = step[: layout.size].copy(), step[layout.size :]
    for layer, spin in enumerate(ev.spin_blocks):
        if spin is not None:
            where = layout.spin_columns[layer][: spin.inverse.shape[0]]
            out[where] = spin.inverse @ (out[where] - spin.T_m @ dm[: spin.T_m.shape[1]])
    return out


def natural_units(layout: Layout, ev: Evaluation, turns: Ints | None = None) -> Units:
    """Natural directions of (q, Q, m) at an evaluation (`Units.of`)."""
    return Units.of(layout, gather(layout, ev.state.Q, ev.q), ev.state.m, turns)


def unknowns(layout: Layout, ev: Evaluation) -> Array:
    """The values of (q, Q, m)."""
    return np.concatenate([gather(layout, ev.state.Q, ev.q), ev.state.m[1:]])


@dataclass(frozen=True, slots=True)
class Minimum:
    """Where the minimisation stopped and why."""

    evaluation: Evaluation
    layout: Layout
    gradient_norm: float
    iterations: int
    converged: bool
    message: str


class _Quadratic:
    """Quadratic model of s in natural units, scaled by the diagonal of its Hessian.

    Steps are vectors z in these units. Where the Hessian H is positive definite the Newton step
    -H^-1 g comes from its Cholesky factor; the spectrum is computed only where that step is too
    long or H is not positive definite: then the step is -(|H| + mu)^-1 g (saddle-free).
    """

    def __init__(self, g: Array, H: Array, units: Units) -> None:
        diagonal = np.abs(np.diag(H))
        inverse = 1.0 / np.sqrt(np.maximum(diagonal, 1e-9 * diagonal.max(initial=0.0) + 1e-300))
        self.hessian = H * inverse[:, None] * inverse
        self.slope = g * inverse
        self.units, self.scale = units, inverse
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
        return self.units.step(self.scale * step)


@dataclass(frozen=True, slots=True)
class _Point:
    """An evaluation with ds/d(q, Q, m) = `slope`, and gradient and Hessian in natural units."""

    evaluation: Evaluation
    slope: Array
    gradient: Array
    hessian: Array
    units: Units

    @property
    def s(self) -> float:
        return self.evaluation.free_entropy

    def local(self, count: int) -> _Quadratic:
        """Quadratic model in the first `count` unknowns: all, or those at fixed breakpoints."""
        return _Quadratic(self.gradient[:count], self.hessian[:count, :count], self.units)


class _Descent:
    """Steps of one minimisation: fixed model and active set."""

    def __init__(self, model: Model, layout: Layout, mapper: Mapper) -> None:
        self.model, self.layout, self.mapper = model, layout, mapper

    def point(self, state: State) -> _Point | None:
        """None where the flows or the Hessian cannot be computed: such a step is refused."""
        try:
            ev = evaluate(self.model, state, True, self.mapper)
        except FlowError:
            return None
        quad, units = quadratic(self.model, self.layout, ev), natural_units(self.layout, ev)
        if not (np.isfinite(ev.free_entropy) and np.isfinite(quad.hessian).all()):
            return None
        return _Point(
            ev, quad.gradient, units.gradient(quad.gradient), units.hessian(quad.hessian), units
        )

    def take(self, at: _Point, local: _Quadratic, radius: float) -> tuple[_Point | None, Array]:
        """The point after a step of at most `radius`, shortened to what `step_size` allows."""
        layout, state = self.layout, at.evaluation.state
        n = layout.size
        full, step = np.zeros(n + state.K), np.zeros_like(local.slope)
        try:
            step = local.step(radius)
        except np.linalg.LinAlgError:
            return None, step
        full[: step.size] = local.unknowns(step)
        change, dm = field_step(layout, at.evaluation, full), full[n:]
        size = step_size(layout, state, change, dm)
        if not (np.isfinite(size) and np.isfinite(change).all()):
            return None, step
        if size > 1.0:
            step, change, dm = step / size, change / size, dm / size
        trial = apply_step(layout, state, change, dm)
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
        if abs(difference) > resolved(old.evaluation.state):
            return difference
        way = unknowns(self.layout, new.evaluation) - unknowns(self.layout, old.evaluation)
        return float(-0.5 * (old.slope + new.slope) @ way)


@one_blas_thread
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
    (time.perf_counter), when a q_EA(l) has moved by more than `leash`, or (one perceptron) where a
    Newton step is cut short that would lower s by less than `UNRESOLVED` (`polish` follows);
    without `leave_saddles` also where s falls by no more than its rounding and the Hessian is not
    positive definite: often a level about to vanish, which `adjust_levels` removes. Without
    `free_breakpoints` m stays as it is.

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
        overlap = point.evaluation.lam.max() if closes else 0.0
        if not point.s > lowest or overlap > CLOSED:
            return COLLAPSE_MESSAGE
        if overlap > NARROW and np.abs(point.gradient).max() < FALLING:
            return CONTACT_MESSAGE
        if watched and point.evaluation.lam.max() > RUNAWAY:
            return RUNAWAY_MESSAGE
        if abs(point.evaluation.q[:, -1] - first.evaluation.q[:, -1]).max() > leash:
            return LEASH_MESSAGE
        at_end = point.evaluation.state
        closing = at_end.m[first_frozen] < SMALLEST_FROZEN if frozen else False
        if closing or (frozen and 1.0 - at_end.Q[:, -1].max() < SMALLEST_GAP):
            return CLOSING_MESSAGE
        if at_end.steps.min() < 0.5 * min_gap(at_end):
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
        held = local.newton is not None and radius < np.linalg.norm(local.newton)
        if model.L == 1 and held and local.newton_gain() < UNRESOLVED:
            return Minimum(at.evaluation, layout, norm, iteration, False, ROUNDING_MESSAGE)
        accepted = None
        for _ in range(MAX_TRIALS):
            new, step = descent.take(at, local, radius)
            length, gain = float(np.linalg.norm(step)), local.gain(step)
            radius = 0.25 * length
            if new is None:
                continue
            small = gain < 0.1 * resolved(at.evaluation.state)
            flat = small and local.newton is None  # not a minimum
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


@one_blas_thread
def polish(model: Model, start: Minimum, *, steps: int = 6, mapper: Mapper = _serial) -> Minimum:
    """Undamped Newton steps from a minimum found to rounding in s; the best point is kept.

    Near the minimum s is flat to rounding while its gradient is still resolved; improvement is
    judged by `solution_error` and, where overlaps are close to one, by ds/dq and ds/dQ.
    """
    layout, ev = start.layout, start.evaluation
    n = layout.size
    if start.gradient_norm > POLISHABLE:
        return start

    def error_of(one: Evaluation) -> float:
        slopes = np.abs(gradient(model, layout, one)[:n]).max(initial=0.0)
        return float(np.max([solution_error(model, one, mapper), 0.01 * slopes]))

    best, best_error = ev, error_of(ev)
    for _ in range(steps):
        if best_error < 1e-12:
            break
        try:
            trial = _newton_step(model, layout, ev)
            if trial is None:
                break
            ev = evaluate(model, trial, True, mapper)
            error = error_of(ev)
        except (FlowError, np.linalg.LinAlgError):
            break
        if error < best_error:
            best, best_error = ev, error
        elif not error < 100.0 * best_error:
            break
    return replace(start, evaluation=best)


def _newton_step(model: Model, layout: Layout, ev: Evaluation) -> State | None:
    """The state after one Newton step; None if there is none."""
    quad, units = quadratic(model, layout, ev), natural_units(layout, ev)
    H = units.hessian(quad.hessian)
    size = 1.0 / np.sqrt(np.abs(np.diag(H)) + 1e-300)
    g = units.gradient(quad.gradient) * size
    p = -size * np.linalg.solve(H * size[:, None] * size, g)
    if not np.all(np.isfinite(p)):
        return None
    p = units.step(p * min(1.0, 0.3 / float(np.abs(p).max(initial=1e-300))))
    state = apply_step(layout, ev.state, field_step(layout, ev, p), p[layout.size :])
    return state if state.Q[:, -1].max(initial=0.0) < 1.0 else None


def solution_error(model: Model, ev: Evaluation, mapper: Mapper = _serial) -> float:
    """max(undamped residual, |ds/dm|)."""
    return float(np.max([residual(model, ev, mapper), np.abs(ev.ds_dm).max()]))


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


def resolved(state: State) -> float:
    """Differences of s above this are not rounding."""
    L = int(state.Q.shape[0])
    if L > 1 or state.K == 0:
        return RESOLVED * L
    return RESOLVED * max(1.0, CANCELLING / float(state.m[1]))


def min_gap(state: State) -> float:
    """Cells narrower than this are removed.

    One perceptron has no neurons: its breakpoints may all run to zero, in fixed ratios.
    """
    return MIN_GAP if state.Q.shape[0] > 1 else MIN_GAP * max(float(state.m[-1]), SMALLEST_TOP)


def active_levels(state: State) -> tuple[int, ...]:
    """Number of levels and the first active one of every layer."""
    return (state.K, *map(int, first_levels(state)))


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
