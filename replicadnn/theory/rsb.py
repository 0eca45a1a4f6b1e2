"""Full replica-symmetry breaking of the random scenario: front end.

`solve_rsb` returns, for every alpha, a K-level stationary point of the free entropy with free
breakpoints and a certificate of what was reached. K = 0 is the replica-symmetric ansatz, K = 1
is 1RSB, large K approximates continuous breaking: s to K^-4, q_EA to K^-2.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .counting import counting_bound
from .replicon import replicon
from .rsb_continuation import LEASH, BranchPath, follow_branch
from .rsb_layout import make_layout
from .rsb_levels import (
    drop_collapsed,
    drop_weakest,
    first_guess,
    frozen_guess,
    jump_guess,
    plateaus,
    refine,
    relaxed_guess,
    resample,
    split_cells,
    thin,
)
from .rsb_map import (
    Array,
    Evaluation,
    FlowError,
    Mapper,
    Model,
    State,
    _serial,
    evaluate,
    first_levels,
    residual,
)
from .rsb_newton import (
    COLLAPSE_MESSAGE,
    FLAT_MESSAGE,
    LIMIT_MESSAGE,
    LOST,
    Minimum,
    adjust_levels,
    gradient,
    minimise,
    polish,
    solution_error,
    zero_level_growth,
)
from .threads import Threads

MASS_TOLERANCE = 1e-10
GRID_TOLERANCE = 1e-8
FINER = 1.5  # grid on which the numbers are checked
CONTINUATION_LEVELS = 8
PATIENCE = 200  # iterations along the falling direction of a flat saddle
FLAT_ERROR = 1e-10  # accuracy below which a flat saddle is taken for the solution
TOP_MOVES = 4  # levels moved to the top cell at most
SAME = 1e-11  # differences of s that are rounding


class Status(enum.Enum):
    """Outcome of a solve; the value says what to do."""

    CONVERGED = "converged: the certificate passes"
    NOT_CONVERGED = "not converged: raise time_limit, change levels, or start from a nearby alpha"
    TIME_LIMIT = "time limit reached: raise time_limit"
    RUN_AWAY = "overlaps run to one: no solution near the start"
    NO_SOLUTION = "no solution: Q(1) -> 1, the constraints cannot be met (alpha above capacity)"


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was checked. All derivatives are of s per N*M.

    residual: max |map(q, Q) - (q, Q)|, undamped; mass_error: max |sum P_i - 1| over flows;
    ds_dm_max, ds_dq_max, ds_dQ_max; unstable_liquid_layers: liquid layers (1..L-1) in which an
    infinitesimal overlap grows; unstable_zero_levels: (layer, level) pairs where a zero overlap
    of a solid layer grows; monotone: q_i(l), Q_i(l) do not decrease in i and lie in [0, 1];
    grid_error: residual of the same fields and overlaps on a grid 1.5 times finer, and the change
    of s there, whichever is larger;
    levels_error_s, levels_error_q: |s(K) - s(K/2)|/15 and max_l |q_EA(K) - q_EA(K/2)|/3, the
    error of the number of levels if it falls as K^-4 and K^-2 (nan if K/2 was not solved). Where
    q(x) has several steep parts their levels come in whole numbers and K and K/2 may share the
    same error at the top: levels_error_q is at least the change of q_EA when the top cell alone
    is split;
    replicon (K+1): rho_i; replicon_by_layer (K+1, L-1): share of hidden layers in its mode.
    """

    residual: float
    mass_error: float
    ds_dm_max: float
    ds_dq_max: float
    ds_dQ_max: float
    unstable_liquid_layers: tuple[int, ...]
    unstable_zero_levels: tuple[tuple[int, int], ...]
    monotone: bool
    grid_error: float
    levels_error_s: float
    levels_error_q: float
    replicon: Array
    replicon_by_layer: Array

    def passes(self, tol: float) -> bool:
        """True if every check holds to `tol` (mass: 1e-10, grid: 1e-8 at best)."""
        worst = max(self.residual, self.ds_dm_max, self.ds_dq_max, self.ds_dQ_max)
        return bool(
            worst <= tol
            and self.mass_error <= MASS_TOLERANCE
            and self.grid_error <= max(tol, GRID_TOLERANCE)
            and not self.unstable_liquid_layers
            and not self.unstable_zero_levels
            and self.monotone
        )


@dataclass(frozen=True, slots=True)
class RSBSolution:
    """One solved point: x (K+1) breakpoints from 0, q (L+1, K+1), Q (L, K+1).

    Levels that collapse in the minimisation are dropped, so K can be below the `levels` asked.
    """

    alpha: float
    L: int
    kappa: float
    beta: float
    branch: str
    status: Status
    message: str
    x: Array
    q: Array
    Q: Array
    free_entropy: float
    certificate: Certificate
    timings: dict[str, float]
    state: State = field(repr=False)
    other_branches: tuple[tuple[str, float], ...] = ()

    @property
    def converged(self) -> bool:
        return self.status is Status.CONVERGED

    @property
    def residual(self) -> float:
        return self.certificate.residual

    @property
    def q_ea(self) -> Array:
        """q(l) at x = 1, l = 0..L."""
        return self.q[:, -1]

    @property
    def Q_ea(self) -> Array:
        """Q(l) at x = 1, l = 1..L."""
        return self.Q[:, -1]

    @property
    def levels(self) -> int:
        return self.x.size - 1


def certify(model: Model, ev: Evaluation, half: tuple[float, Array] | None = None) -> Certificate:
    """Check an evaluation; `half` is (s, q_EA) of the solution with half the levels."""
    layout = make_layout(model, ev.state)
    g = gradient(model, layout, ev)
    by_Q = np.abs(g[layout.Q.numbers]).max(initial=0.0)
    by_q = np.abs(g[layout.eps.numbers]).max(initial=0.0)
    growth = zero_level_growth(ev, model)
    liquid, unstable = [], []
    for layer in range(1, model.L):
        zero = np.flatnonzero(ev.state.eps[layer, : ev.state.top[layer]] <= 0.0)
        if ev.state.K > 0 and model.L > 1:
            zero = zero[zero > 0]
        grows = zero[growth[layer, zero] > 1.0 + 1e-9]
        if ev.q[layer, -1] <= 0.0:
            if growth[layer, -1] > 1.0 + 1e-9:
                liquid.append(layer)
        else:
            unstable += [(layer, int(i)) for i in grows]
    values = np.concatenate([ev.q, ev.state.Q])
    monotone = bool(
        np.diff(values, axis=1).min(initial=0.0) > -1e-10
        and values.min() >= 0.0
        and values.max() <= 1.0
    )
    modes = replicon(model, ev)
    return Certificate(
        residual=residual(model, ev),
        mass_error=ev.mass_error,
        ds_dm_max=float(np.abs(ev.ds_dm[1:]).max(initial=0.0)),
        ds_dq_max=float(by_q),
        ds_dQ_max=float(by_Q),
        unstable_liquid_layers=tuple(liquid),
        unstable_zero_levels=tuple(unstable),
        monotone=monotone,
        grid_error=_grid_error(model, ev),
        levels_error_s=float("nan") if half is None else abs(ev.free_entropy - half[0]) / 15.0,
        levels_error_q=float("nan")
        if half is None
        else float(abs(ev.q[:, -1] - half[1]).max()) / 3,
        replicon=modes.rho,
        replicon_by_layer=modes.by_layer,
    )


def _grid_error(model: Model, ev: Evaluation) -> float:
    """Residual of the same numbers on a finer grid, or the change of s."""
    finer = replace(model, points_per_width=FINER * model.points_per_width)
    try:
        other = evaluate(finer, ev.state)
    except FlowError:
        return float("inf")
    worst = np.max([residual(finer, other), abs(other.free_entropy - ev.free_entropy)])
    return float(worst) if np.isfinite(worst) else float("inf")


def ladder(K: int) -> list[int]:
    """Level counts to pass through: K, 3K/4, K/2, ... down to 2."""
    steps: list[int] = []
    n = K
    while n > 2:
        steps += [n, (3 * n) // 4]
        n //= 2
    return sorted({*steps, min(K, 2)} - {0} if K else {0})


def settle(
    model: Model,
    state: State,
    deadline: float = np.inf,
    mapper: Mapper = _serial,
    leash: float = np.inf,
) -> Minimum:
    """Minimise, adjust the active set, drop collapsed cells, until nothing changes.

    A level at its onset may wake and vanish in turn; it then stays awake. Where nothing can be
    removed from a flat saddle, the search goes on beyond it.
    """

    def search(start: State, patient: bool) -> Minimum:
        return minimise(
            model, start, max_iterations=PATIENCE if patient else 80, deadline=deadline,
            mapper=mapper, leash=leash, leave_saddles=patient,
        )  # fmt: skip

    patient = False
    found = before = search(state, patient)
    active, seen = _active(state), {_active(state)}
    for _ in range(8):
        if found.message in LOST:
            return found
        changed = adjust_levels(model, found.evaluation)
        if changed is None:
            changed = drop_collapsed(model, found.evaluation.state)
        if changed is None:
            found = polish(model, found, mapper=mapper)
            unfinished = found.message in (FLAT_MESSAGE, LIMIT_MESSAGE)
            if not unfinished or solution_error(model, found.evaluation) < FLAT_ERROR:
                return found
            patient, changed = True, found.evaluation.state
        if time.perf_counter() > deadline:
            break
        last, active = active, _active(changed)
        if active != last and active in seen:
            found = max(found, before, key=lambda one: one.layout.size)
            break
        seen.add(active)
        before, found = found, search(changed, patient)
    return polish(model, found, mapper=mapper)


def _active(state: State) -> tuple[int, ...]:
    """Number of levels and the first active one of every layer."""
    return (state.K, *map(int, first_levels(state)))


@dataclass(frozen=True, slots=True)
class _Stage:
    """A settled number of levels, its certificate, and (s, q_EA) of half the levels."""

    found: Minimum
    certificate: Certificate
    half: tuple[float, Array] | None = None


def _climb(
    model: Model, state: State, K: int, tol: float, deadline: float, mapper: Mapper
) -> _Stage:
    """Settle at growing numbers of levels up to K.

    The last stage that passes is returned: near a transition, or where the curves are almost
    straight, further levels change s by less than rounding and collapse. If none does, levels are
    taken away one by one.
    """
    frozen = int(state.top.min()) <= state.K  # its curves bear resampling only once settled
    low = state.K if frozen else state.K + 1
    stages = [k for k in ladder(K) if k >= low or k in (K // 2, K)] or [K]
    done: list[_Stage] = []
    for k in stages:
        if done and k > state.K:
            state = refine(model, done[-1].found.evaluation, k)
        elif k != state.K:
            state = resample(model, state, k)
        found = settle(model, state, deadline, mapper)
        missing = k - found.evaluation.state.K
        if k == K and 0 < missing <= k // 4 and found.message not in LOST:
            found = _refill(model, state, found, K, tol, deadline, mapper)
        half = _half(done, found)
        done.append(_Stage(found, certify(model, found.evaluation, half), half))
        if found.message in LOST or time.perf_counter() > deadline:
            return done[-1]
        state = found.evaluation.state
        if done[-1].certificate.passes(tol) and len(done) > 1 and state.K <= K // 2 < k:
            break
    passing = (stage for stage in reversed(done) if stage.certificate.passes(tol))
    return next(passing, None) or _descend(model, done, tol, deadline, mapper)


def _descend(
    model: Model, done: list[_Stage], tol: float, deadline: float, mapper: Mapper
) -> _Stage:
    """Fewer levels than the last stage, until it passes; that stage itself if none does."""
    found = done[-1].found
    while time.perf_counter() < deadline:
        fewer = drop_weakest(model, found.evaluation)
        if fewer is None:
            break
        found = settle(model, fewer, deadline, mapper)
        if found.message in LOST or found.evaluation.state.K > fewer.K:
            break
        half = _half(done, found)
        stage = _Stage(found, certify(model, found.evaluation, half), half)
        if stage.certificate.passes(tol):
            return stage
    return done[-1]


def _half(done: list[_Stage], found: Minimum) -> tuple[float, Array] | None:
    """s and q_EA of the last stage with at most half the levels."""
    K = found.evaluation.state.K
    for stage in reversed(done):
        ev = stage.found.evaluation
        if 0 < 2 * ev.state.K <= K:
            return ev.free_entropy, ev.q[:, -1]
    return None


def _refill(
    model: Model, tried: State, found: Minimum, K: int, tol: float, deadline: float, mapper: Mapper
) -> Minimum:
    """Levels that collapsed are put into the other rises; kept if they stay and lower s."""
    wanted, have = (np.diff([-1, *plateaus(s.steps)]) for s in (tried, found.evaluation.state))
    if wanted.size != have.size:
        return found
    barred = tuple(int(j) for j in np.flatnonzero(have < wanted))
    if len(barred) == have.size:
        return found
    retry = settle(model, refine(model, found.evaluation, K, barred), deadline, mapper)
    ev = retry.evaluation
    better = ev.free_entropy < found.evaluation.free_entropy and retry.message not in LOST
    return retry if better and residual(model, ev) < tol else found


def _top_split(
    model: Model, found: Minimum, tol: float, deadline: float, mapper: Mapper
) -> Minimum | None:
    """The top cell split and all solved again; levels that merge on the way are dropped."""
    ev = found.evaluation
    chosen = np.zeros(ev.state.m.size, dtype=bool)
    chosen[-1] = True
    more = settle(model, split_cells(model, ev, chosen), deadline, mapper)
    if more.message in LOST or residual(model, more.evaluation) > tol:
        return None
    return more


def _improve_top(
    model: Model, stage: _Stage, tol: float, deadline: float, mapper: Mapper
) -> tuple[_Stage, float]:
    """Move levels to the top cell while that lowers s; change of q_EA when it is split once more.

    Each rise holds a whole number of levels, so s has several minima.  The last rise weighs little
    in s and decides q_EA.
    """
    for _ in range(TOP_MOVES):
        ev = stage.found.evaluation
        more = _top_split(model, stage.found, tol, deadline, mapper)
        if more is None:
            return stage, float("nan")
        shift = float(abs(more.evaluation.q[:, -1] - ev.q[:, -1]).max())
        moved = more
        if more.evaluation.state.K > ev.state.K:
            fewer = thin(model, more.evaluation)
            if fewer is None or time.perf_counter() > deadline:
                break
            moved = settle(model, fewer, deadline, mapper)
        lower = moved.evaluation.free_entropy < ev.free_entropy - SAME
        if moved.message in LOST or not lower or moved.evaluation.state.K != ev.state.K:
            break
        certificate = certify(model, moved.evaluation, stage.half)
        if not certificate.passes(tol):
            break
        stage = _Stage(moved, certificate, stage.half)
    return stage, shift


#: Paths already followed, by (model at the lower end, levels); None: no solid solution there.
_PATHS: dict[tuple[Model, int], BranchPath | None] = {}


def _path_from(
    model: Model, few: int, tol: float, deadline: float, mapper: Mapper
) -> BranchPath | None:
    """The continuous branch from `model.alpha` to its end; None without a solid solution there."""
    key = model, few
    if key not in _PATHS:
        guess = relaxed_guess(model, first_guess(model, 2), deadline=deadline, mapper=mapper)
        stage = _climb(model, guess, few, tol, deadline, mapper)
        path = None
        if stage.certificate.passes(tol) and stage.found.evaluation.state.Q.max() > 0.0:
            path = follow_branch(
                model, stage.found.evaluation.state, deadline=deadline, past_fold=1, mapper=mapper,
                max_points=200, alpha_range=(0.0, 1e3 * model.alpha),
            )  # fmt: skip
        if time.perf_counter() > deadline:
            return path
        _PATHS[key] = path
    return _PATHS[key]


def _from_below(
    model: Model, K: int, tol: float, deadline: float, mapper: Mapper
) -> tuple[State | None, str]:
    """Continue from a smaller alpha at few levels up to `model`; None where the branch ends.

    It starts at the largest of alpha = 1, 2, 4, 8, ... below `model.alpha` that has a solid
    solution from scratch.
    """
    few = max(1, min(K, CONTINUATION_LEVELS))
    exponent = int(np.ceil(np.log2(model.alpha))) - 1
    path = None
    for n in range(exponent, -1, -1):
        if time.perf_counter() > deadline:
            break
        path = _path_from(replace(model, alpha=2.0**n), few, tol, deadline, mapper)
        if path is not None:
            break
    if path is None:
        return None, "no solid solution found from scratch at smaller alpha"
    alphas = [point.alpha for point in path.points]
    end = int(np.argmax(alphas))
    if path.fold is not None and path.fold.alpha < model.alpha:
        name = count_levels(path.fold.point.state.K)
        return None, f"the branch with {name} ends in a fold at alpha = {path.fold.alpha:.4g}"
    last = f"the branch with {count_levels(few)} was followed up to alpha = {alphas[end]:.4g}"
    if alphas[end] < model.alpha:
        return None, f"{last} ({path.reason})"
    near = min(path.points[: end + 1], key=lambda point: abs(point.alpha - model.alpha))
    found = settle(model, near.state, deadline, mapper, leash=LEASH)
    if found.message in LOST or residual(model, found.evaluation) > tol:
        return None, last
    return found.evaluation.state, ""


def count_levels(K: int) -> str:
    """The number of levels in words."""
    return f"{K} level" if K == 1 else f"{K} levels"


def _few_levels(model: Model, tol: float, deadline: float, mapper: Mapper) -> str:
    """What K = 0 and 1 give where the branch of many levels has ended."""
    words = []
    for K in (0, 1):
        guess = relaxed_guess(model, first_guess(model, K), deadline=deadline, mapper=mapper)
        stage = _climb(model, guess, K, tol, deadline, mapper)
        if stage.certificate.passes(tol):
            s, rho = stage.found.evaluation.free_entropy, stage.certificate.replicon.max()
            words.append(f"K = {K}: s = {s:.6f}, rho = {rho:.2f}")
    if not words:
        return ""
    return f"stationary at few levels, unstable to further breaking: {'; '.join(words)}"


def _perceptron(
    model: Model, symmetric: State, K: int, tol: float, deadline: float, mapper: Mapper
) -> _Stage:
    """L = 1: replica symmetric, broken where that is unstable, or one step with a jump.

    At kappa < -2.043 the step appears with a jump while the symmetric solution is still stable;
    the lower s of the two is taken (docs/parisi.md, section 3).
    """
    stage = _climb(model, symmetric, 0, tol, deadline, mapper)
    if stage.found.message in LOST:  # further levels are lower still
        return stage
    if stage.certificate.replicon.max() > 1.0:
        guess = relaxed_guess(
            model, first_guess(model, min(K, 2)), deadline=deadline, mapper=mapper
        )
        return _climb(model, guess, K, tol, deadline, mapper)
    if model.kappa >= 0.0:
        return stage
    guess = jump_guess(stage.found.evaluation.state)
    jump = _climb(model, guess, 1, tol, deadline, mapper)
    lower = jump.found.evaluation.free_entropy < stage.found.evaluation.free_entropy - SAME
    if not (jump.certificate.passes(tol) and lower):
        return stage
    if jump.certificate.replicon.max() < 1.0:
        return jump
    return _climb(model, jump.found.evaluation.state, K, tol, deadline, mapper)


def _solve_point(
    model: Model, K: int, tol: float, branch: str, start: State | None, deadline: float,
    mapper: Mapper,
) -> RSBSolution:  # fmt: skip
    began = time.perf_counter()
    message = ""
    if start is not None:
        guess = start if start.K <= K else resample(model, start, max(K // 2, min(K, 2)))
    elif branch == "frozen":
        guess = relaxed_guess(
            model, frozen_guess(model, min(K, 2)), deadline=deadline, mapper=mapper
        )
    else:
        guess = relaxed_guess(
            model,
            first_guess(model, 0 if model.L == 1 else min(K, 2)),
            deadline=deadline,
            mapper=mapper,
        )
    if model.L == 1 and start is None and K > 0:
        stage = _perceptron(model, guess, K, tol, deadline, mapper)
    else:
        stage = _climb(model, guess, K, tol, deadline, mapper)
    lost = stage.found.message in LOST and model.L > 1
    if lost and start is None and branch != "frozen":
        near, message = _from_below(model, K, tol, deadline, mapper)
        if near is not None:
            stage = _climb(model, near, K, tol, deadline, mapper)
        elif K > 1:
            words = [message, _few_levels(model, tol, deadline, mapper)]
            if model.kappa >= 0.0 and np.isinf(model.beta):
                bound = counting_bound(model.L)
                words += [f"alpha > {bound:.4g}: no couplings exist (counting)"] * (
                    model.alpha > bound
                )
            message = "; ".join(filter(None, words))
    timings = {"solve": time.perf_counter() - began}
    ev, shift = stage.found.evaluation, float("nan")
    refined = stage.certificate.passes(tol) and ev.state.K >= 4 and _name(ev) == "continuous"
    if refined:
        stage, shift = _improve_top(model, stage, tol, deadline, mapper)
    found, certificate = stage.found, stage.certificate
    ev = found.evaluation
    if refined:
        certificate = replace(
            certificate, levels_error_q=float(np.fmax(certificate.levels_error_q, shift))
        )
        timings["level_error"] = time.perf_counter() - began - timings["solve"]
    if found.message == COLLAPSE_MESSAGE or not np.isfinite(ev.free_entropy):
        status = Status.NO_SOLUTION
    elif found.message in LOST:
        status = Status.RUN_AWAY
    elif certificate.passes(tol):
        status = Status.CONVERGED
    elif time.perf_counter() > deadline:
        status = Status.TIME_LIMIT
    else:
        status = Status.NOT_CONVERGED
    return RSBSolution(
        alpha=model.alpha, L=model.L, kappa=model.kappa, beta=model.beta,
        branch=_name(ev), status=status, message=message or found.message,
        x=ev.state.m, q=ev.q, Q=ev.state.Q, free_entropy=ev.free_entropy,
        certificate=certificate, timings=timings, state=ev.state,
    )  # fmt: skip


def _name(ev: Evaluation) -> str:
    """liquid (no overlap), frozen (q = 1 above m*) or continuous."""
    if int(ev.state.top.min()) <= ev.state.K:
        return "frozen"
    if ev.state.Q.max(initial=0.0) <= 0.0:
        return "liquid"
    return "continuous"


def solve_rsb(
    alpha: float | Sequence[float],
    L: int,
    *,
    kappa: float = 0.0,
    beta: float = np.inf,
    levels: int = 16,
    tol: float = 1e-8,
    branch: str = "auto",
    start: RSBSolution | State | None = None,
    time_limit: float | None = None,
    threads: int = 1,
) -> list[RSBSolution]:
    """Solve the saddle-point equations of docs/theory.md, section 6, with `levels` = K levels.

    Parameters
    ----------
    alpha : number or sequence
        Patterns per coupling, > 0. Points are solved in the order given, each from scratch unless
        `start` is given.
    L : int
        Number of layers, >= 1.
    kappa, beta : float
        Margin, inverse temperature (> 0, inf: hard constraints).
    levels : int
        K >= 0 (0: replica symmetric, 1: one-step).
    tol : float
        `converged` needs residual, ds/dm, ds/dq, ds/dQ all below.
    branch : "auto", "continuous", "frozen" or "all"
        auto is continuous; "all" returns the continuous and the frozen solution of every alpha.
    start : RSBSolution or State
        Where to start, e.g. the solution of a nearby alpha.
    time_limit : seconds for each point and branch.
    threads : run the flows of different layers on this many threads.

    Returns
    -------
    list of RSBSolution, in the order of alpha (for "all": continuous, frozen, next alpha, ...).
    """
    values = [float(a) for a in np.atleast_1d(np.asarray(alpha, dtype=float))]
    _validate(values, L, beta, levels, branch, threads)
    names = {"auto": ["continuous"], "all": ["continuous", "frozen"]}.get(branch, [branch])
    state = start.state if isinstance(start, RSBSolution) else start
    out: list[RSBSolution] = []
    with Threads(threads) as shared:
        mapper: Mapper = shared if threads > 1 else _serial
        for value in values:
            model = Model(value, L, kappa, beta)
            group = []
            for name in names:
                deadline = np.inf if time_limit is None else time.perf_counter() + time_limit
                group.append(_solve_point(model, levels, tol, name, state, deadline, mapper))
            out += [
                replace(
                    one,
                    other_branches=tuple(
                        (o.branch, o.free_entropy) for o in group if o is not one and o.converged
                    ),
                )
                for one in group
            ]
    return out


def _validate(
    alpha: Iterable[float], L: int, beta: float, levels: int, branch: str, threads: int
) -> None:
    """Raise ValueError naming the argument, its value and the allowed range."""
    checks: list[tuple[str, object, bool, str]] = [
        ("alpha", a, bool(np.isfinite(a)) and a > 0.0, "> 0") for a in alpha
    ]
    checks += [
        ("L", L, L >= 1, ">= 1"),
        ("beta", beta, beta > 0.0, "> 0 or inf"),
        ("levels", levels, levels >= 0, ">= 0"),
        ("branch", branch, branch in ("auto", "continuous", "frozen", "all"),
         "auto, continuous, frozen or all"),
        ("threads", threads, threads >= 1, ">= 1"),
    ]  # fmt: skip
    for name, value, good, allowed in checks:
        if not good:
            raise ValueError(f"{name} = {value!r}: must be {allowed}")


def complexity(
    alpha: float, L: int, m: Sequence[float], *, kappa: float = 0.0, beta: float = np.inf
) -> tuple[Array, Array]:
    """1RSB at given breakpoints m: s(m) and the complexity Sigma(m) = -m^2 ds/dm.

    Returns arrays (s, Sigma); entries where the equations were not met to 1e-8 are nan.
    """
    model = Model(float(alpha), L, kappa, beta)
    values, sigma = [], []
    for breakpoint in m:
        guess = first_guess(model, 1).with_values(m=np.array([0.0, float(breakpoint)]))
        guess = relaxed_guess(model, guess)
        found = minimise(model, guess, free_breakpoints=False)
        ev = found.evaluation
        good = residual(model, ev) < 1e-8
        values.append(ev.free_entropy if good else np.nan)
        sigma.append(-(breakpoint**2) * ev.ds_dm[1] if good else np.nan)
    return np.array(values), np.array(sigma)


__all__ = [
    "Certificate", "RSBSolution", "Status", "certify", "complexity", "ladder", "solve_rsb",
]  # fmt: skip
