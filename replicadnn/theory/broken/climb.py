"""From few levels to many on one branch: settle, add a level, move levels, take them away."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from replicadnn.certificate import Certificate
from replicadnn.theory.broken.accuracy import residual, solution_error
from replicadnn.theory.broken.active import active_levels, adjust_levels
from replicadnn.theory.broken.cells import drop_collapsed, drop_weakest, split_cells
from replicadnn.theory.broken.certificate import certify, grid_alone
from replicadnn.theory.broken.jumps import doubles, leaps, loses_its_step
from replicadnn.theory.broken.minimise import Minimum, minimise, polish
from replicadnn.theory.broken.resample import plateaus, refine, thin
from replicadnn.theory.broken.state import Evaluation, FlowError, Mapper, State, serial
from replicadnn.theory.broken.stop import Note, StopReason
from replicadnn.theory.broken.tuning import TUNING
from replicadnn.theory.contract import BrokenEquations
from replicadnn.types import FloatArray


@dataclass(frozen=True, slots=True)
class Stage:
    """A settled number of levels, on the grid of ``equations``, and its certificate."""

    equations: BrokenEquations
    found: Minimum
    certificate: Certificate

    @property
    def evaluation(self) -> Evaluation:
        """The solution."""
        return self.found.evaluation

    @property
    def levels(self) -> int:
        """K."""
        return self.found.evaluation.state.K

    @property
    def s(self) -> float:
        """Free entropy."""
        return self.found.evaluation.free_entropy

    @property
    def rho(self) -> float:
        """Largest replicon."""
        return max(self.certificate.replicon)


def half_of(stage: Stage, earlier: Sequence[Stage]) -> Stage | None:
    """The last of the ``earlier`` stages with at most half the levels."""
    K = stage.levels
    return next((one for one in earlier[::-1] if one.levels <= K // 2 and one.levels < K), None)


@dataclass(frozen=True, slots=True)
class Climb:
    """Where adding levels has led.

    ``stage`` is the last one that passes, or the last one if none does; ``before`` holds the
    earlier ones that pass; ``lost`` says why the next number of levels, ``tried``, may not be on
    this branch (then ``stage`` is the last one that is); ``fewer`` why there are fewer levels than
    asked for; ``shift`` (2 L + 1) is the change of `curves` when the top cell is split (None: not
    tried).
    """

    stage: Stage
    before: tuple[Stage, ...] = ()
    lost: Note | None = None
    tried: int = 0
    fewer: Note | None = None
    shift: FloatArray | None = None

    @property
    def half(self) -> Stage | None:
        """The last earlier stage with at most half the levels."""
        return half_of(self.stage, self.before)

    @property
    def stable(self) -> bool:
        """False if one more level was not excluded."""
        reason = None if self.fewer is None else self.fewer.reason
        return reason not in (StopReason.UNSTABLE, StopReason.TIME_LIMIT)


@dataclass(frozen=True, slots=True)
class Effort:
    """Accuracy asked for, when to stop (time.perf_counter) and who runs the flows."""

    tol: float = 1e-8
    deadline: float = np.inf
    mapper: Mapper = serial

    @property
    def over(self) -> bool:
        """True past the deadline."""
        return time.perf_counter() > self.deadline

    def passes(self, stage: Stage) -> bool:
        """True if the certificate does at the accuracy asked for."""
        return stage.certificate.passes(self.tol)


UNLIMITED = Effort()


def settle(
    equations: BrokenEquations,
    state: State,
    effort: Effort = UNLIMITED,
    leash: float = np.inf,
    share: float = 1.0,
) -> Minimum:
    """Minimise, adjust the active set, drop collapsed cells, until nothing changes.

    A level at its onset may wake and vanish in turn; it then stays awake. Where nothing can be
    removed from a flat saddle, the search goes on beyond it.  ``leash`` and ``share``: how far q_EA
    may move (`minimise`).
    """

    def search(start: State, patient: bool) -> Minimum:
        return minimise(
            equations, start, max_iterations=TUNING.patience if patient else TUNING.iterations,
            deadline=effort.deadline, mapper=effort.mapper, leash=leash, share=share,
            leave_saddles=patient,
        )  # fmt: skip

    patient = False
    found = before = search(state, patient)
    active, seen = active_levels(state), {active_levels(state)}
    for _ in range(TUNING.rounds):
        if found.lost:
            return found
        changed = adjust_levels(equations, found.evaluation)
        if changed is None:
            changed = drop_collapsed(equations, found.evaluation.state)
        if changed is None:
            found = polish(equations, found, mapper=effort.mapper)
            unfinished = found.stop in (StopReason.FLAT, StopReason.ITERATIONS)
            if not unfinished or solution_error(equations, found.evaluation) < TUNING.flat_error:
                return found
            patient, changed = True, found.evaluation.state
        if effort.over:
            break
        last, active = active, active_levels(changed)
        if active != last and active in seen:
            found = max(found, before, key=lambda one: one.layout.size)
            break
        seen.add(active)
        before, found = found, search(changed, patient)
    return polish(equations, found, mapper=effort.mapper)


def assess(equations: BrokenEquations, found: Minimum, effort: Effort) -> Stage:
    """The certificate; where only the grid is too coarse, the same again on a finer one."""
    stage = Stage(equations, found, certify(equations, found.evaluation))
    for _ in range(TUNING.finer_grids):
        if not grid_alone(stage.certificate, effort.tol) or effort.over:
            break
        equations = equations.finer(TUNING.finer)
        try:
            finer = settle(equations, stage.evaluation.state, effort)
        except FlowError:  # it is the finest there is
            break
        if finer.lost:
            break
        stage = Stage(equations, finer, certify(equations, finer.evaluation))
    return stage


def ladder(K: int, L: int) -> list[int]:
    """Level counts to pass through: K, 3K/4, K/2, ... down to 2; for one perceptron K, K/2, ..."""
    steps: list[int] = []
    n = K
    while n > 2:
        steps += [n, (3 * n) // 4] if L > 1 else [n]
        n //= 2
    return sorted({*steps, min(K, 2)} - {0} if K else {0})


def jumps(stages: Sequence[Stage], after: Stage) -> bool:
    """True if a q_EA(l) has grown by more than the error of the last of ``stages``.

    That is what the number of levels explains (`between`, doubled).  A liquid layer, whose error is
    not known so, may wake with a q_EA of `leash`.
    """
    last = stages[-1]
    half = half_of(last, stages[:-1])
    if half is None or after.evaluation.state.saturated:
        return False
    old, new = (one.evaluation.q[1:-1, -1] for one in (last, after))
    error = TUNING.safety * between(last, half)[1][1 : last.evaluation.state.L]
    explained = np.where(old > 0.0, np.maximum(error, TUNING.jump), TUNING.leash)
    return bool((new > old + explained).any())


def climb(
    equations: BrokenEquations, state: State, K: int, effort: Effort, share: float = TUNING.leap,
    known: Sequence[Stage] = (),
) -> Climb:  # fmt: skip
    """Settle ``state``, then further levels one number after the other up to K.

    What `leaps` by more than ``share``, or `jumps`, may be on another branch.  ``known``: stages
    with fewer levels at this alpha.

    Near a transition, or where the curves are almost straight, further levels change s by less
    than rounding and merge: then the last stage that passes is the answer, and `fewer` says so.
    """
    done = [assess(equations, settle(equations, state, effort), effort)]
    for k in [k for k in ladder(K, state.L) if k > state.K]:
        last = done[-1]
        if last.found.lost or effort.over:
            break
        if last.levels >= k:
            continue
        if effort.passes(last) and last.rho <= 1.0 + TUNING.stable:
            break
        splits = TUNING.splits if k == K else 1
        begin = _on_grid_of(equations, last)
        stage, lost = _more(begin, k, effort, splits, share)
        stage = last if stage is begin else stage
        if lost is None and share < 1.0 and jumps((*known, *done), stage):
            stage, lost = last, Note.plain(StopReason.LEAP)
        if lost is not None:
            return Climb(stage, _passing(done, effort), lost, k)
        done.append(stage)
        few = stage.levels <= K // 2 < k
        if few and effort.passes(stage):
            break
    if done[-1].found.lost:
        return Climb(
            done[-1], _passing(done[:-1], effort), Note.plain(done[-1].found.stop), state.K
        )
    if not any(effort.passes(stage) for stage in done):
        done.append(_descend(done[-1], effort))
    good = _passing(done, effort)
    if not good:
        return Climb(done[-1])
    return _fill(Climb(good[-1], good[:-1]), K, effort, share)


def _on_grid_of(equations: BrokenEquations, stage: Stage) -> Stage:
    """The stage on the grid of ``equations``: few levels may need a finer one, more of them not."""
    if stage.equations == equations:
        return stage
    ev = equations.evaluate(stage.evaluation.state)
    return Stage(equations, replace(stage.found, evaluation=ev), stage.certificate)


def _passing(stages: list[Stage], effort: Effort) -> tuple[Stage, ...]:
    return tuple(stage for stage in stages if effort.passes(stage))


def _more(
    stage: Stage, k: int, effort: Effort, splits: int, share: float
) -> tuple[Stage, Note | None]:
    """k levels: by splitting cells up to three levels, beyond by resampling the rises.

    Also why that is not on the branch (None if it is).
    """
    saturated = stage.evaluation.state.saturated
    if k <= TUNING.split_levels and not saturated:
        while stage.levels < k and not effort.over:
            added, why = one_more(stage, effort, splits, share)
            if added is None:
                return stage, why
            stage = added
        return stage, None
    equations = stage.equations
    tried = refine(equations, stage.evaluation, k)
    found = settle(equations, tried, effort, share=1.0 if saturated else share)
    lost = Note.plain(found.stop) if found.lost else None
    if lost is None and not saturated and leaps(stage.evaluation, found.evaluation, share):
        lost = Note.plain(StopReason.LEAP)
    if lost is not None:
        return stage, lost
    missing = k - found.evaluation.state.K
    if 0 < missing <= k // 4:
        found = _refill(equations, tried, found, k, effort)
    return assess(equations, found, effort), None


def one_more(
    stage: Stage, effort: Effort, splits: int = TUNING.splits, share: float = TUNING.leap
) -> tuple[Stage | None, Note | None]:
    """The lowest solution with one cell split; else None, and why there is none.

    The cells tried are the unstable ones, rho_i > 1, with most to gain. No note without a solution:
    no cell is unstable, or in all of them the halves merge or change s by less than rounding.
    """
    ev, equations = stage.evaluation, stage.equations
    excess = np.maximum(equations.replicon(ev).rho - 1.0 - TUNING.stable, 0.0)
    excess[int(ev.state.top.min()) :] = 0.0  # saturated cells
    gain = ev.state.steps * excess**2
    best: Stage | None = None
    why: Note | None = None
    for cell in np.argsort(-gain)[:splits]:
        if gain[cell] <= 0.0 or effort.over:
            break
        chosen = np.arange(gain.size) == cell
        try:
            found = settle(equations, split_cells(equations, ev, chosen), effort, share=share)
        except FlowError as error:
            why = Note(StopReason.NO_FLOW, str(error))
            continue
        if found.lost or leaps(ev, found.evaluation, share):
            why = Note.plain(found.stop if found.lost else StopReason.LEAP)
            continue
        new = found.evaluation
        if new.state.K <= ev.state.K and new.free_entropy > ev.free_entropy - TUNING.same:
            continue
        more = assess(equations, found, effort)
        failures = more.certificate.failures(effort.tol)
        if failures:  # next to a transition levels that change nothing are not resolved either
            if abs(more.s - stage.s) > TUNING.same:
                why = Note(StopReason.NOT_CERTIFIED, "; ".join(failures))
        elif best is None or more.s < best.s:
            best = more
    return best, why


def between(stage: Stage, other: Stage) -> tuple[float, FloatArray]:
    """Errors of s and `curves` of ``stage`` from another number of levels (`level_errors`)."""
    ratio = (stage.levels + 1.0) / (other.levels + 1.0)
    change = np.abs(curves(stage.evaluation) - curves(other.evaluation))
    return abs(stage.s - other.s) / abs(ratio**4 - 1.0), change / abs(ratio**2 - 1.0)


def _fill(climb: Climb, K: int, effort: Effort, share: float = TUNING.leap) -> Climb:
    """One level more as long as some are missing and it stays; then why there are fewer."""
    for _ in range(2 * K):
        stage = climb.stage
        if stage.levels >= K:
            break
        rho = stage.rho
        if rho <= 1.0 + TUNING.stable:
            text = f"stable (rho = {rho:.6f}): no further level"
            return replace(climb, fewer=Note(StopReason.STABLE, text))
        half = climb.half
        if half is not None and between(stage, half)[0] < TUNING.same:
            text = f"further ones lower s by less than {TUNING.same:.0e}"
            return replace(climb, fewer=Note(StopReason.SMALL_GAIN, text))
        more, why = one_more(stage, effort, share=share)
        if effort.over:
            return replace(climb, fewer=Note.plain(StopReason.TIME_LIMIT))
        if more is None and why is not None:
            text = f"unstable to one more level (rho = {rho:.6f}): {why.text}"
            return replace(climb, fewer=Note(StopReason.UNSTABLE, text))
        if more is None or more.levels < stage.levels:
            text = "a further one merges with its neighbours: s changes by less than rounding"
            return replace(climb, fewer=Note(StopReason.MERGES, text))
        if share < 1.0 and jumps((*climb.before, stage), more):
            return replace(climb, lost=Note.plain(StopReason.LEAP), tried=more.levels)
        earlier = (*climb.before, stage) if more.levels > stage.levels else climb.before
        climb = replace(climb, stage=more, before=earlier)
    return climb


def _descend(stage: Stage, effort: Effort) -> Stage:
    """Fewer levels than this stage, until one passes; this stage itself if none does."""
    equations, found = stage.equations, stage.found
    while not effort.over:
        fewer = drop_weakest(equations, found.evaluation)
        if fewer is None:
            break
        found = settle(equations, fewer, effort)
        if found.lost or found.evaluation.state.K > fewer.K:
            break
        less = assess(equations, found, effort)
        if effort.passes(less):
            return less
    return stage


def _refill(
    equations: BrokenEquations, tried: State, found: Minimum, K: int, effort: Effort
) -> Minimum:
    """Levels that collapsed are put into the other rises; kept if they stay and lower s."""
    wanted, have = (np.diff([-1, *plateaus(s.steps)]) for s in (tried, found.evaluation.state))
    if wanted.size != have.size:
        return found
    barred = tuple(int(j) for j in np.flatnonzero(have < wanted))
    if len(barred) == have.size:
        return found
    retry = settle(equations, refine(equations, found.evaluation, K, barred), effort)
    ev = retry.evaluation
    better = ev.free_entropy < found.evaluation.free_entropy and not retry.lost
    return retry if better and residual(equations, ev) < effort.tol else found


def improve_top(climb: Climb, effort: Effort) -> Climb:
    """Move levels to the top cell while that lowers s; `shift` is what splitting it once more does.

    Each rise holds a whole number of levels, so s has several minima.  The last rise weighs little
    in s and decides q_EA.  One perceptron has one rise and nothing to move.
    """
    if climb.stage.evaluation.state.L == 1:
        return climb
    chosen = np.zeros(climb.stage.levels + 1, dtype=bool)
    chosen[-1] = True
    for _ in range(TUNING.top_moves):
        stage = climb.stage
        ev, equations = stage.evaluation, stage.equations
        more = settle(equations, split_cells(equations, ev, chosen), effort)
        lost = more.lost or residual(equations, more.evaluation) > effort.tol
        if lost or leaps(ev, more.evaluation) or _leaves(equations, ev, more.evaluation, effort):
            break
        shift = np.abs(curves(more.evaluation) - curves(ev))
        climb = replace(climb, shift=shift)
        moved = more
        if more.evaluation.state.K > ev.state.K:
            fewer = thin(equations, more.evaluation)
            if fewer is None or effort.over:
                break
            moved = settle(equations, fewer, effort)
        lower = moved.evaluation.free_entropy < stage.s - TUNING.same
        if moved.lost or not lower or moved.evaluation.state.K != ev.state.K:
            break
        better = assess(equations, moved, effort)
        if leaps(ev, moved.evaluation) or not effort.passes(better):
            break
        climb = replace(climb, stage=better)
    return climb


def _leaves(
    equations: BrokenEquations, before: Evaluation, after: Evaluation, effort: Effort
) -> bool:
    """True if a layer has become solid with a jump from one solution to the next."""
    return doubles(before, after) and loses_its_step(
        equations, after.state, deadline=effort.deadline, mapper=effort.mapper
    )


def curves(ev: Evaluation) -> FloatArray:
    """q_EA(l), l = 0..L, then Q_EA(l), l = 1..L."""
    return np.concatenate([ev.q[:, -1], ev.state.Q[:, -1]])
