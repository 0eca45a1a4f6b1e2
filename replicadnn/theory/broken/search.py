"""One branch of one point: where to look for it, what was found, and how far that is certified.

K = 0 is the replica-symmetric ansatz, K = 1 is 1RSB, large K approximates continuous breaking: s to
K^-4, q_EA to K^-2.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, replace

import numpy as np

from replicadnn import interrupt
from replicadnn.certificate import Certificate
from replicadnn.status import BranchKind, Status
from replicadnn.theory.broken.climb import (
    Climb,
    Effort,
    Stage,
    assess,
    climb,
    curves,
    improve_top,
    settle,
)
from replicadnn.theory.broken.connected import End, connected, count_levels, discontinuous
from replicadnn.theory.broken.guess import first_guess, jump_guess, relaxed_guess, saturated_guess
from replicadnn.theory.broken.jumps import leaps
from replicadnn.theory.broken.level_errors import LevelErrors, level_errors, no_errors
from replicadnn.theory.broken.minimise import minimise
from replicadnn.theory.broken.resample import resample
from replicadnn.theory.broken.state import Evaluation, Mapper, State, liquid, serial, symmetric
from replicadnn.theory.broken.stop import Note, StopReason
from replicadnn.theory.broken.tuning import TUNING
from replicadnn.theory.contract import BrokenEquations
from replicadnn.theory.threads import Threads
from replicadnn.types import FloatArray

logger = logging.getLogger(__name__)

UNBOUNDED = "one more level leads to another branch or to none: the error of the levels is unknown"


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has led to.

    Attributes
    ----------
    stage : Stage
        The solution with its certificate, on the grid on which it passes.
    kind : BranchKind
        CONTINUOUS (the liquid too), DISCONTINUOUS or SATURATED.
    stop : StopReason
        GRADIENT if it is certified, else why not; `text` says the same in words.
    errors : LevelErrors
        Distance to continuous breaking.
    timings : dict
        Seconds: "solve", "level_error".
    """

    stage: Stage
    kind: BranchKind
    stop: StopReason
    text: str
    errors: LevelErrors
    timings: dict[str, float]

    @property
    def status(self) -> Status:
        """What it means for the point."""
        return self.stop.status

    @property
    def converged(self) -> bool:
        """True if it is certified."""
        return self.status is Status.CONVERGED

    @property
    def evaluation(self) -> Evaluation:
        """The solution."""
        return self.stage.evaluation

    @property
    def state(self) -> State:
        """Breakpoints, fields and couplings of the solution."""
        return self.stage.evaluation.state

    @property
    def certificate(self) -> Certificate:
        """Its evidence (without the errors of the number of levels)."""
        return self.stage.certificate

    @property
    def levels(self) -> int:
        """K; fewer than asked for are stable against one more."""
        return self.stage.levels

    @property
    def liquid(self) -> bool:
        """True if no layer has an overlap."""
        return not self.state.Q.max(initial=0.0) > 0.0

    @property
    def free_entropy(self) -> float:
        """s per N M."""
        return self.stage.s

    @property
    def q_ea(self) -> FloatArray:
        """q(l) at x = 1, l = 0..L."""
        return self.evaluation.q[:, -1]

    @property
    def Q_ea(self) -> FloatArray:
        """Q(l) at x = 1, l = 1..L."""
        return self.state.Q[:, -1]


@interrupt.safely()
def find(
    equations: BrokenEquations,
    kind: BranchKind = BranchKind.CONTINUOUS,
    *,
    levels: int = 16,
    tol: float = 1e-8,
    start: State | None = None,
    time_limit: float = math.inf,
    threads: int = 1,
) -> Found:
    """Search one branch with ``levels`` = K levels, from scratch unless ``start`` is given.

    Parameters
    ----------
    equations : BrokenEquations
        The problem, random data.
    kind : BranchKind
        CONTINUOUS: connected to the liquid by a followed curve; DISCONTINUOUS: where the levels
        lead that are added at this alpha; SATURATED: q = 1 above a breakpoint beside the data.
    levels : int
        K >= 0 (0: replica symmetric, 1: one-step).
    tol : float
        Tolerance of the certificate.
    start : State, optional
        Where to start, e.g. the solution of a nearby alpha; what is found from there is of
        ``kind`` on the caller's word.
    time_limit : float
        Seconds.
    threads : int
        Threads over the layers.

    Returns
    -------
    Found
        Look at ``converged`` before the numbers.

    Raises
    ------
    FlowError
        The iteration left the range of the flows.
    """
    with Threads(threads) as shared:
        mapper: Mapper = shared if threads > 1 else serial
        effort = Effort(tol, time.perf_counter() + time_limit, mapper)
        logger.info("searching the branch %s with %s", kind.value, count_levels(levels))
        found = _find(equations, levels, kind, start, effort)
        logger.info(
            "%s: %s; %s, s = %.8g, residual %.1e, %.1f s", found.kind.value, found.status,
            found.text or count_levels(found.levels), found.free_entropy,
            found.certificate.residual, sum(found.timings.values()),
        )  # fmt: skip
        return found


def _find(
    equations: BrokenEquations, K: int, kind: BranchKind, start: State | None, effort: Effort
) -> Found:
    began = time.perf_counter()
    found, end = _search(equations, K, kind, start, effort)
    timings = {"solve": time.perf_counter() - began}
    if found is None:
        found = _liquid(equations, effort)
    elif end is None and found.lost is None:
        found = _without_noise(found, effort)
    stage = found.stage
    on_branch = end is None and found.lost is None and effort.passes(stage)
    if on_branch and stage.levels >= TUNING.improved and not stage.evaluation.state.saturated:
        found = improve_top(found, effort)
        stage = found.stage
    errors = level_errors(found, effort) if on_branch else no_errors(equations.problem.L)
    timings["level_error"] = time.perf_counter() - began - timings["solve"]
    stop, text = _outcome(found, end, K, effort)
    if stop.status is Status.CONVERGED and math.isnan(errors.s):
        text = "; ".join(filter(None, [text, UNBOUNDED]))
    return Found(stage, _kind(stage, kind), stop, text, errors, timings)


def _search(
    equations: BrokenEquations, K: int, kind: BranchKind, start: State | None, effort: Effort
) -> tuple[Climb | None, End | None]:
    """The climb of one branch at one alpha, and the end of the branch if that is below."""
    if start is not None:
        return _from_start(equations, K, start, effort), None
    if kind is BranchKind.SATURATED:
        guess = saturated_guess(equations, min(K, 2))
        state = relaxed_guess(equations, guess, deadline=effort.deadline, mapper=effort.mapper)
        return climb(equations, state, K, effort), None
    if kind is BranchKind.DISCONTINUOUS:
        return discontinuous(equations, K, effort), None
    if equations.problem.L == 1:
        return _perceptron(equations, K, effort), None
    if equations.problem.alpha <= equations.first_threshold():
        return _liquid(equations, effort), None
    return connected(equations, K, effort)


def _without_noise(found: Climb, effort: Effort) -> Climb:
    """The replica-symmetric solution where all levels together lower s by less than rounding.

    Next to a transition s falls by O(q^3) and less by a level: the breakpoints are noise there, and
    a level next to x = 1 may double q_EA at the same s.  What q_EA, Q_EA change is their error.
    """
    stage = found.stage
    state = stage.evaluation.state
    small = 0.0 < stage.evaluation.q[1:-1, -1].max(initial=0.0) < TUNING.small_q
    if state.K == 0 or state.saturated or not small:
        return found
    without = settle(stage.equations, symmetric(state), effort)
    if without.lost or without.evaluation.free_entropy - stage.s > TUNING.same:
        return found
    text = f"further ones lower s by less than {TUNING.same:.0e}"
    change = np.abs(curves(without.evaluation) - curves(stage.evaluation))
    one = assess(stage.equations, without, effort)
    return Climb(one, fewer=Note(StopReason.SMALL_GAIN, text), shift=change)


def _symmetric(equations: BrokenEquations, effort: Effort) -> State:
    """The replica-symmetric start of one perceptron."""
    return relaxed_guess(
        equations, first_guess(1, 0), deadline=effort.deadline, mapper=effort.mapper
    )


def _perceptron(equations: BrokenEquations, K: int, effort: Effort) -> Climb:
    """L = 1: replica symmetric, broken where that is unstable, or one step with a jump.

    At kappa < -2.043 the step appears with a jump while the symmetric solution is still stable;
    the lower s of the two is taken (docs/parisi.md, section 3).
    """
    symmetric = climb(equations, _symmetric(equations, effort), 0, effort)
    if symmetric.lost is not None or K == 0:  # further levels are lower still
        return symmetric
    stage = symmetric.stage
    if stage.rho > 1.0:
        return climb(equations, stage.evaluation.state, K, effort)
    fewer = replace(symmetric, fewer=Note(StopReason.STABLE, f"stable (rho = {stage.rho:.6f})"))
    if equations.problem.kappa >= 0.0:
        return fewer
    jump = climb(equations, jump_guess(stage.evaluation.state), 1, effort)
    if not (effort.passes(jump.stage) and jump.stage.s < stage.s - TUNING.same):
        return fewer
    return climb(equations, jump.stage.evaluation.state, K, effort)


def _liquid(equations: BrokenEquations, effort: Effort) -> Climb:
    stage = assess(equations, minimise(equations, liquid(equations.problem.L)), effort)
    return Climb(stage, fewer=Note.plain(StopReason.LIQUID))


def _from_start(equations: BrokenEquations, K: int, start: State, effort: Effort) -> Climb:
    """Near a given state, with fewer levels first where K is less than it has."""
    state = start if start.K <= K else resample(equations, start, max(K // 2, min(K, 2)))
    found = climb(equations, state, K, effort)
    away = leaps(equations.evaluate(start), found.stage.evaluation, TUNING.apart)
    if not away or found.lost is not None:
        return found
    return replace(found, lost=Note.plain(StopReason.LEAP))


def _outcome(found: Climb, end: End | None, K: int, effort: Effort) -> tuple[StopReason, str]:
    """How it ended, and the same in words."""
    stage = found.stage
    if end is not None:
        late = effort.over and not end.shown
        text = "; ".join(filter(None, [str(end), _few_levels(found)]))
        return StopReason.TIME_LIMIT if late else end.reason, text
    if not np.isfinite(stage.s):
        return StopReason.COLLAPSE, "" if found.lost is None else found.lost.text
    if found.lost is not None:
        return found.lost.reason, found.lost.text
    failures = stage.certificate.failures(effort.tol)
    if failures:
        reason = StopReason.TIME_LIMIT if effort.over else StopReason.NOT_CERTIFIED
        return reason, "; ".join([stage.found.stop.value, *failures])
    fewer = ""
    if stage.levels < K:
        fewer = f"{stage.levels} of {K} levels: {'' if found.fewer is None else found.fewer.text}"
    return StopReason.GRADIENT if found.stable else StopReason.UNSTABLE, fewer


def _few_levels(found: Climb) -> str:
    """What fewer levels give where the branch of more has ended."""
    if found.lost is None:
        return ""
    stage = found.stage
    return (
        f"with only {count_levels(stage.levels)} a solution is left (s = {stage.s:.6f}), unstable "
        f"to further replica-symmetry breaking (replicon {stage.rho:.2f} > 1)"
    )


def _kind(stage: Stage, asked: BranchKind) -> BranchKind:
    """What was found: q = 1 above m*, the liquid (no overlap), else as asked."""
    if stage.evaluation.state.saturated:
        return BranchKind.SATURATED
    solid = stage.evaluation.state.Q.max(initial=0.0) > 0.0
    discontinuous = solid and asked is BranchKind.DISCONTINUOUS
    return BranchKind.DISCONTINUOUS if discontinuous else BranchKind.CONTINUOUS
