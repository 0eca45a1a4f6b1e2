"""From few levels to many on one branch: settle, add a level, move levels, take them away."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from replicadnn.theory.broken.certificate import Certificate, certify
from replicadnn.theory.broken.levels import (
    drop_collapsed,
    drop_weakest,
    plateaus,
    refine,
    split_cells,
    thin,
)
from replicadnn.theory.broken.minimise import (
    FLAT_MESSAGE,
    LIMIT_MESSAGE,
    LOST,
    Minimum,
    active_levels,
    adjust_levels,
    minimise,
    polish,
    solution_error,
)
from replicadnn.theory.closures.averaged.broken import (
    Array,
    Evaluation,
    FlowError,
    Mapper,
    Model,
    State,
    _serial,
    residual,
)
from replicadnn.theory.closures.averaged.broken_replicon import replicon

PATIENCE = 200  # iterations along the falling direction of a flat saddle
FLAT_ERROR = 1e-10  # accuracy below which a flat saddle is taken for the solution
TOP_MOVES = 4  # levels moved to the top cell at most
SAME = 1e-11  # differences of s that are rounding
LEAP = 0.2  # part of 1 - q_EA(l) that further levels take up without a curve being followed
APART = 0.6  # ... and from which two solutions are never taken for neighbours
SPLITS = 3  # cells that are tried for one more level
STABLE = 1e-9  # a level with rho_i above 1 by this is unstable to splitting
FINER_GRIDS = 2  # times that a grid is refined where the grid alone is too coarse
LEAP_MESSAGE = "leads to another branch"


@dataclass(frozen=True, slots=True)
class Stage:
    """A settled number of levels, on the grid of `model`, and its certificate."""

    model: Model
    found: Minimum
    certificate: Certificate

    @property
    def evaluation(self) -> Evaluation:
        return self.found.evaluation

    @property
    def levels(self) -> int:
        return self.found.evaluation.state.K

    @property
    def s(self) -> float:
        return self.found.evaluation.free_entropy


@dataclass(frozen=True, slots=True)
class Climb:
    """Where adding levels has led.

    `stage` is the last one that passes, or the last one if none does; `before` holds the earlier
    ones that pass; `lost` says why the next number of levels, `tried`, may not be on this branch
    (then `stage` is the last one that is); `fewer` why there are fewer levels than asked for, and
    `stable` is False if one more was not excluded; `shift` (2 L + 1) is the change of `curves` when
    the top cell is split (None: not tried).
    """

    stage: Stage
    before: tuple[Stage, ...] = ()
    lost: str = ""
    tried: int = 0
    fewer: str = ""
    stable: bool = True
    shift: Array | None = None

    @property
    def half(self) -> Stage | None:
        """The last earlier stage with at most half the levels."""
        K = self.stage.levels
        return next(
            (one for one in self.before[::-1] if one.levels <= K // 2 and one.levels < K), None
        )


@dataclass(frozen=True, slots=True)
class Effort:
    """Accuracy asked for, when to stop (time.perf_counter) and who runs the flows."""

    tol: float = 1e-8
    deadline: float = np.inf
    mapper: Mapper = _serial

    @property
    def over(self) -> bool:
        return time.perf_counter() > self.deadline


UNLIMITED = Effort()


def settle(
    model: Model, state: State, effort: Effort = UNLIMITED, leash: float = np.inf
) -> Minimum:
    """Minimise, adjust the active set, drop collapsed cells, until nothing changes.

    A level at its onset may wake and vanish in turn; it then stays awake. Where nothing can be
    removed from a flat saddle, the search goes on beyond it.
    """

    def search(start: State, patient: bool) -> Minimum:
        return minimise(
            model, start, max_iterations=PATIENCE if patient else 80, deadline=effort.deadline,
            mapper=effort.mapper, leash=leash, leave_saddles=patient,
        )  # fmt: skip

    patient = False
    found = before = search(state, patient)
    active, seen = active_levels(state), {active_levels(state)}
    for _ in range(8):
        if found.message in LOST:
            return found
        changed = adjust_levels(model, found.evaluation)
        if changed is None:
            changed = drop_collapsed(model, found.evaluation.state)
        if changed is None:
            found = polish(model, found, mapper=effort.mapper)
            unfinished = found.message in (FLAT_MESSAGE, LIMIT_MESSAGE)
            if not unfinished or solution_error(model, found.evaluation) < FLAT_ERROR:
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
    return polish(model, found, mapper=effort.mapper)


def assess(model: Model, found: Minimum, effort: Effort) -> Stage:
    """The certificate; where only the grid is too coarse, the same again on a finer one."""
    stage = Stage(model, found, certify(model, found.evaluation))
    for _ in range(FINER_GRIDS):
        if not stage.certificate.grid_alone(effort.tol) or effort.over:
            break
        model = replace(model, points_per_width=1.5 * model.points_per_width)
        finer = settle(model, stage.evaluation.state, effort)
        if finer.message in LOST:
            break
        stage = Stage(model, finer, certify(model, finer.evaluation))
    return stage


def ladder(K: int, L: int) -> list[int]:
    """Level counts to pass through: K, 3K/4, K/2, ... down to 2; for one perceptron K, K/2, ..."""
    steps: list[int] = []
    n = K
    while n > 2:
        steps += [n, (3 * n) // 4] if L > 1 else [n]
        n //= 2
    return sorted({*steps, min(K, 2)} - {0} if K else {0})


def leaps(before: Evaluation, after: Evaluation, share: float = LEAP) -> bool:
    """True if a q_EA(l) has taken up more than `share` of its distance from one: another branch?"""
    return bool((1.0 - after.q[1:-1, -1] < (1.0 - share) * (1.0 - before.q[1:-1, -1])).any())


def is_frozen(state: State) -> bool:
    """True if a layer has q = 1 above a breakpoint."""
    return int(state.top.min()) <= state.K


def climb(model: Model, state: State, K: int, effort: Effort, share: float = LEAP) -> Climb:
    """Settle `state`, then further levels one number after the other up to K (`leaps` by `share`).

    Near a transition, or where the curves are almost straight, further levels change s by less
    than rounding and merge: then the last stage that passes is the answer, and `fewer` says so.
    """
    done = [assess(model, settle(model, state, effort), effort)]
    for k in [k for k in ladder(K, model.L) if k > state.K]:
        last = done[-1]
        if last.found.message in LOST or effort.over:
            break
        if last.levels >= k:
            continue
        if last.certificate.passes(effort.tol) and last.certificate.replicon.max() <= 1.0 + STABLE:
            break
        stage, lost = _more(last, k, effort, SPLITS if k == K else 1, share)
        if lost:
            return Climb(stage, _passing(done, effort), lost, k)
        done.append(stage)
        few = stage.levels <= K // 2 < k
        if few and stage.certificate.passes(effort.tol):
            break
    if done[-1].found.message in LOST:
        return Climb(done[-1], _passing(done[:-1], effort), done[-1].found.message, state.K)
    if not any(stage.certificate.passes(effort.tol) for stage in done):
        done.append(_descend(done[-1], effort))
    good = _passing(done, effort)
    if not good:
        return Climb(done[-1])
    return _fill(Climb(good[-1], good[:-1]), K, effort, share)


def _passing(stages: list[Stage], effort: Effort) -> tuple[Stage, ...]:
    return tuple(stage for stage in stages if stage.certificate.passes(effort.tol))


def _more(stage: Stage, k: int, effort: Effort, splits: int, share: float) -> tuple[Stage, str]:
    """k levels: by splitting cells up to three levels, beyond by resampling the rises.

    Also why that is not on the branch ("" if it is).
    """
    frozen = is_frozen(stage.evaluation.state)
    if k <= 3 and not frozen:
        while stage.levels < k and not effort.over:
            added, why = one_more(stage, effort, splits, share)
            if added is None:
                return stage, why
            stage = added
        return stage, ""
    tried = refine(stage.model, stage.evaluation, k)
    found = settle(stage.model, tried, effort)
    lost = found.message if found.message in LOST else ""
    if not lost and not frozen and leaps(stage.evaluation, found.evaluation, share):
        lost = LEAP_MESSAGE
    if lost:
        return stage, lost
    missing = k - found.evaluation.state.K
    if 0 < missing <= k // 4:
        found = _refill(stage.model, tried, found, k, effort)
    return assess(stage.model, found, effort), ""


def one_more(
    stage: Stage, effort: Effort, splits: int = SPLITS, share: float = LEAP
) -> tuple[Stage | None, str]:
    """The lowest solution with one cell split; else None, and why there is none.

    The cells tried are the unstable ones, rho_i > 1, with most to gain. "" without a solution: no
    cell is unstable, or in all of them the halves merge or change s by less than rounding.
    """
    ev, model = stage.evaluation, stage.model
    excess = np.maximum(replicon(model, ev).rho - 1.0 - STABLE, 0.0)
    excess[int(ev.state.top.min()) :] = 0.0  # frozen cells
    gain = ev.state.steps * excess**2
    best: Stage | None = None
    why = ""
    for cell in np.argsort(-gain)[:splits]:
        if gain[cell] <= 0.0 or effort.over:
            break
        chosen = np.arange(gain.size) == cell
        try:
            found = settle(model, split_cells(model, ev, chosen), effort)
        except FlowError as error:
            why = str(error)
            continue
        if found.message in LOST or leaps(ev, found.evaluation, share):
            why = found.message if found.message in LOST else LEAP_MESSAGE
            continue
        new = found.evaluation
        if new.state.K <= ev.state.K and new.free_entropy > ev.free_entropy - SAME:
            continue
        more = assess(model, found, effort)
        failures = more.certificate.failures(effort.tol)
        if failures:  # next to a transition levels that change nothing are not resolved either
            why = "; ".join(failures) if abs(more.s - stage.s) > SAME else why
        elif best is None or more.s < best.s:
            best = more
    return best, why


def between(stage: Stage, other: Stage) -> tuple[float, Array]:
    """Errors of s and `curves` of `stage` from another number of levels (`rsb_errors`)."""
    ratio = (stage.levels + 1.0) / (other.levels + 1.0)
    change = np.abs(curves(stage.evaluation) - curves(other.evaluation))
    return abs(stage.s - other.s) / abs(ratio**4 - 1.0), change / abs(ratio**2 - 1.0)


def _fill(climb: Climb, K: int, effort: Effort, share: float = LEAP) -> Climb:
    """One level more as long as some are missing and it stays; then why there are fewer."""
    for _ in range(2 * K):
        stage = climb.stage
        if stage.levels >= K:
            break
        rho = float(stage.certificate.replicon.max())
        if rho <= 1.0 + STABLE:
            return replace(climb, fewer=f"stable (rho = {rho:.6f}): no further level")
        half = climb.half
        if half is not None and between(stage, half)[0] < SAME:
            return replace(climb, fewer=f"further ones lower s by less than {SAME:.0e}")
        more, why = one_more(stage, effort, share=share)
        if effort.over:
            return replace(climb, fewer="time limit", stable=False)
        if more is None and why:
            words = f"unstable to one more level (rho = {rho:.6f}): {why}"
            return replace(climb, fewer=words, stable=False)
        if more is None or more.levels < stage.levels:
            words = "a further one merges with its neighbours: s changes by less than rounding"
            return replace(climb, fewer=words)
        earlier = (*climb.before, stage) if more.levels > stage.levels else climb.before
        climb = replace(climb, stage=more, before=earlier)
    return climb


def _descend(stage: Stage, effort: Effort) -> Stage:
    """Fewer levels than this stage, until one passes; this stage itself if none does."""
    model, found = stage.model, stage.found
    while not effort.over:
        fewer = drop_weakest(model, found.evaluation)
        if fewer is None:
            break
        found = settle(model, fewer, effort)
        if found.message in LOST or found.evaluation.state.K > fewer.K:
            break
        less = assess(model, found, effort)
        if less.certificate.passes(effort.tol):
            return less
    return stage


def _refill(model: Model, tried: State, found: Minimum, K: int, effort: Effort) -> Minimum:
    """Levels that collapsed are put into the other rises; kept if they stay and lower s."""
    wanted, have = (np.diff([-1, *plateaus(s.steps)]) for s in (tried, found.evaluation.state))
    if wanted.size != have.size:
        return found
    barred = tuple(int(j) for j in np.flatnonzero(have < wanted))
    if len(barred) == have.size:
        return found
    retry = settle(model, refine(model, found.evaluation, K, barred), effort)
    ev = retry.evaluation
    better = ev.free_entropy < found.evaluation.free_entropy and retry.message not in LOST
    return retry if better and residual(model, ev) < effort.tol else found


def improve_top(climb: Climb, effort: Effort) -> Climb:
    """Move levels to the top cell while that lowers s; `shift` is what splitting it once more does.

    Each rise holds a whole number of levels, so s has several minima.  The last rise weighs little
    in s and decides q_EA.  One perceptron has one rise and nothing to move.
    """
    if climb.stage.model.L == 1:
        return climb
    chosen = np.zeros(climb.stage.levels + 1, dtype=bool)
    chosen[-1] = True
    for _ in range(TOP_MOVES):
        stage = climb.stage
        ev, model = stage.evaluation, stage.model
        more = settle(model, split_cells(model, ev, chosen), effort)
        lost = more.message in LOST or residual(model, more.evaluation) > effort.tol
        if lost or leaps(ev, more.evaluation):
            break
        shift = np.abs(curves(more.evaluation) - curves(ev))
        climb = replace(climb, shift=shift)
        moved = more
        if more.evaluation.state.K > ev.state.K:
            fewer = thin(model, more.evaluation)
            if fewer is None or effort.over:
                break
            moved = settle(model, fewer, effort)
        lower = moved.evaluation.free_entropy < stage.s - SAME
        if moved.message in LOST or not lower or moved.evaluation.state.K != ev.state.K:
            break
        better = assess(model, moved, effort)
        if leaps(ev, moved.evaluation) or not better.certificate.passes(effort.tol):
            break
        climb = replace(climb, stage=better)
    return climb


def curves(ev: Evaluation) -> Array:
    """q_EA(l), l = 0..L, then Q_EA(l), l = 1..L."""
    return np.concatenate([ev.q[:, -1], ev.state.Q[:, -1]])
