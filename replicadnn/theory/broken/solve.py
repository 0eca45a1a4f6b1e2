"""Full replica-symmetry breaking of the random scenario: front end.

`solve_rsb` returns, for every alpha, a K-level stationary point of the free entropy with free
breakpoints and a certificate of what was reached. K = 0 is the replica-symmetric ansatz, K = 1
is 1RSB, large K approximates continuous breaking: s to K^-4, q_EA to K^-2.
"""

from __future__ import annotations

import enum
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from replicadnn import interrupt
from replicadnn.theory.broken.certificate import Certificate
from replicadnn.theory.broken.climb import (
    APART,
    LEAP_MESSAGE,
    SAME,
    Climb,
    Effort,
    Stage,
    assess,
    climb,
    improve_top,
    is_frozen,
    leaps,
)
from replicadnn.theory.broken.connected import (
    End,
    connected,
    count_levels,
    discontinuous,
    liquid,
    threshold,
)
from replicadnn.theory.broken.level_errors import LevelErrors, level_errors, no_errors
from replicadnn.theory.broken.levels import (
    first_guess,
    frozen_guess,
    jump_guess,
    relaxed_guess,
    resample,
)
from replicadnn.theory.broken.minimise import COLLAPSE_MESSAGE, minimise
from replicadnn.theory.closures.averaged.broken import (
    Array,
    Mapper,
    Model,
    State,
    _serial,
    entropy_by_layer,
    evaluate,
    residual,
)
from replicadnn.theory.threads import Threads

BRANCHES = ("auto", "continuous", "discontinuous", "saturated", "all")
IMPROVED = 4  # levels from which some are moved to the last rise
UNBOUNDED = "one more level leads to another branch: the error of the number of levels is unknown"


class Status(enum.Enum):
    """Outcome of a solve; the value says what to do."""

    CONVERGED = "converged: the certificate passes"
    NOT_CONVERGED = "not converged: raise time_limit, change levels, or start from a nearby alpha"
    TIME_LIMIT = "time limit reached: raise time_limit"
    RUN_AWAY = "overlaps run to one: no solution near the start"
    ENDED = "the branch of the liquid ends below this alpha"
    NO_SOLUTION = "no solution: Q(1) -> 1, the constraints cannot be met (alpha above capacity)"


@dataclass(frozen=True, slots=True)
class RSBSolution:
    """One solved point: x (K+1) breakpoints from 0, q (L+1, K+1), Q (L, K+1).

    Fewer levels than asked for are stable against one more; `message` says why there are fewer.
    `errors` is the distance to continuous breaking; `parts` the entropy by layer (interaction,
    couplings, neurons).
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
    errors: LevelErrors
    parts: tuple[Array, Array, Array]
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


def _symmetric(model: Model, effort: Effort) -> State:
    """The replica-symmetric start of one perceptron."""
    return relaxed_guess(
        model, first_guess(model, 0), deadline=effort.deadline, mapper=effort.mapper
    )


def _perceptron(model: Model, K: int, effort: Effort) -> Climb:
    """L = 1: replica symmetric, broken where that is unstable, or one step with a jump.

    At kappa < -2.043 the step appears with a jump while the symmetric solution is still stable;
    the lower s of the two is taken (docs/parisi.md, section 3).
    """
    symmetric = climb(model, _symmetric(model, effort), 0, effort)
    if symmetric.lost or K == 0:  # further levels are lower still
        return symmetric
    stage = symmetric.stage
    if stage.certificate.replicon.max() > 1.0:
        return climb(model, stage.evaluation.state, K, effort)
    fewer = replace(symmetric, fewer=f"stable (rho = {stage.certificate.replicon.max():.6f})")
    if model.kappa >= 0.0:
        return fewer
    jump = climb(model, jump_guess(stage.evaluation.state), 1, effort)
    if not (jump.stage.certificate.passes(effort.tol) and jump.stage.s < stage.s - SAME):
        return fewer
    return climb(model, jump.stage.evaluation.state, K, effort)


def _liquid(model: Model, effort: Effort) -> Climb:
    stage = assess(model, minimise(model, liquid(model)), effort)
    return Climb(stage, fewer="liquid: no overlap to break")


def _from_start(model: Model, K: int, start: State, effort: Effort) -> Climb:
    """Near a given state, with fewer levels first where K is less than it has."""
    state = start if start.K <= K else resample(model, start, max(K // 2, min(K, 2)))
    found = climb(model, state, K, effort)
    away = leaps(evaluate(model, start), found.stage.evaluation, APART)
    return replace(found, lost=found.lost or LEAP_MESSAGE) if away else found


def _search(
    model: Model, K: int, branch: str, start: State | None, effort: Effort
) -> tuple[Climb | None, End | None]:
    """The climb of one branch at one alpha, and the end of the branch if that is below."""
    if start is not None:
        return _from_start(model, K, start, effort), None
    if branch == "saturated":
        guess = frozen_guess(model, min(K, 2))
        state = relaxed_guess(model, guess, deadline=effort.deadline, mapper=effort.mapper)
        return climb(model, state, K, effort), None
    if branch == "discontinuous":
        return discontinuous(model, K, effort), None
    if model.L == 1:
        return _perceptron(model, K, effort), None
    if model.alpha <= threshold(model):
        return _liquid(model, effort), None
    return connected(model, K, effort)


def _solve_point(
    model: Model, K: int, branch: str, start: State | None, effort: Effort
) -> RSBSolution:
    began = time.perf_counter()
    found, end = _search(model, K, branch, start, effort)
    timings = {"solve": time.perf_counter() - began}
    if found is None:
        found = _liquid(model, effort)
    stage = found.stage
    on_branch = end is None and not found.lost and stage.certificate.passes(effort.tol)
    if on_branch and stage.levels >= IMPROVED and not is_frozen(stage.evaluation.state):
        found = improve_top(found, effort)
        stage = found.stage
    errors = level_errors(found, effort) if on_branch else no_errors(model.L)
    timings["level_error"] = time.perf_counter() - began - timings["solve"]
    status, message = _outcome(found, end, K, effort)
    if status is Status.CONVERGED and math.isnan(errors.s):
        message = "; ".join(filter(None, [message, UNBOUNDED]))
    ev = stage.evaluation
    return RSBSolution(
        alpha=model.alpha, L=model.L, kappa=model.kappa, beta=model.beta,
        branch=_name(stage, branch), status=status, message=message,
        x=ev.state.m, q=ev.q, Q=ev.state.Q, free_entropy=ev.free_entropy,
        certificate=stage.certificate, errors=errors,
        parts=entropy_by_layer(stage.model, ev), timings=timings, state=ev.state,
    )  # fmt: skip


def _outcome(found: Climb, end: End | None, K: int, effort: Effort) -> tuple[Status, str]:
    """Status and why."""
    stage = found.stage
    if end is not None:
        shown = Status.ENDED if end.shown else Status.NOT_CONVERGED
        status = Status.TIME_LIMIT if effort.over and not end.shown else shown
        return status, "; ".join(filter(None, [str(end), _few_levels(found)]))
    if found.lost == COLLAPSE_MESSAGE or not math.isfinite(stage.s):
        return Status.NO_SOLUTION, found.lost
    if found.lost:
        return Status.RUN_AWAY, found.lost
    failures = stage.certificate.failures(effort.tol)
    if failures:
        over = Status.TIME_LIMIT if effort.over else Status.NOT_CONVERGED
        return over, "; ".join([stage.found.message, *failures])
    fewer = f"{stage.levels} of {K} levels: {found.fewer}" if stage.levels < K else ""
    return (Status.CONVERGED if found.stable else Status.NOT_CONVERGED), fewer


def _few_levels(found: Climb) -> str:
    """What fewer levels give where the branch of more has ended."""
    if not found.lost:
        return ""
    stage = found.stage
    return (
        f"with {count_levels(stage.levels)} s = {stage.s:.6f}, unstable to further breaking "
        f"(rho = {stage.certificate.replicon.max():.2f})"
    )


def _name(stage: Stage, asked: str) -> str:
    """liquid (no overlap), frozen (q = 1 above m*), else continuous or discontinuous as asked."""
    if is_frozen(stage.evaluation.state):
        return "saturated"
    if stage.evaluation.state.Q.max(initial=0.0) <= 0.0:
        return "liquid"
    return "discontinuous" if asked == "discontinuous" else "continuous"


@interrupt.safely()
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
        Patterns per coupling, > 0. Every point is solved from scratch unless `start` is given.
    L : int
        Number of layers, >= 1.
    kappa, beta : float
        Margin, inverse temperature (> 0, inf: hard constraints).
    levels : int
        K >= 0 (0: replica symmetric, 1: one-step).
    tol : float
        `converged` needs residual, ds/dm, ds/dq, ds/dQ all below.
    branch : "auto", "continuous", "discontinuous", "saturated" or "all"
        auto is continuous: connected to the liquid by a followed curve; discontinuous: where the
        levels lead that are added at this alpha; "all" returns the continuous and the frozen
        solution of every alpha.
    start : RSBSolution or State
        Where to start, e.g. the solution of a nearby alpha; what is found from there is called
        continuous on the caller's word.
    time_limit : seconds for each point and branch.
    threads : run the flows of different layers on this many threads.

    Returns
    -------
    list of RSBSolution, in the order of alpha (for "all": continuous, frozen, next alpha, ...).
    """
    values = [float(a) for a in np.atleast_1d(np.asarray(alpha, dtype=float))]
    _validate(values, L, beta, levels, branch, threads)
    names = {"auto": ["continuous"], "all": ["continuous", "saturated"]}.get(branch, [branch])
    state = start.state if isinstance(start, RSBSolution) else start
    out: list[RSBSolution] = []
    with Threads(threads) as shared:
        mapper: Mapper = shared if threads > 1 else _serial
        for value in values:
            model = Model(value, L, kappa, beta)
            group = []
            for name in names:
                seconds = np.inf if time_limit is None else time_limit
                effort = Effort(tol, time.perf_counter() + seconds, mapper)
                group.append(_solve_point(model, levels, name, state, effort))
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
        ("branch", branch, branch in BRANCHES, ", ".join(BRANCHES)),
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


__all__ = ["RSBSolution", "Status", "complexity", "count_levels", "solve_rsb"]
