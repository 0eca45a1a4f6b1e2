"""Several runs into one file: checkpoints, resume, interruption, time limit.

A study is a list of jobs.  The file holds the state of all that have begun; a study that was cut
off, by whatever means, continues from the last checkpoint and ends with the same bits as one that
was not.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from replicadnn.errors import FileError, InputError
from replicadnn.montecarlo.runs import statement
from replicadnn.montecarlo.runs.drive import drive
from replicadnn.montecarlo.runs.jobs import Job
from replicadnn.montecarlo.runs.result import MonteCarloResult, RunStatus, TemperingResult
from replicadnn.montecarlo.runs.simulation import Simulation
from replicadnn.montecarlo.runs.tempering import Tempering
from replicadnn.montecarlo.spec import Start
from replicadnn.provenance import provenance as make_provenance
from replicadnn.storage.checkpoints import Pace
from replicadnn.storage.locking import lock
from replicadnn.storage.outputs import check_target
from replicadnn.storage.run_groups import Result
from replicadnn.storage.runs import Runs, load_checkpoint, load_runs, save_runs
from replicadnn.validate import real, whole

logger = logging.getLogger(__name__)

#: Least number of seconds between checkpoints, and the largest share of time they may take.
SAVE_EVERY = 10.0
SAVE_SHARE = 0.01


def run_study(
    jobs: Sequence[Job],
    *,
    threads: int = 1,
    output: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    stop: Callable[[], bool] | None = None,
    time_limit: float | None = None,
    progress: Callable[[int, int, int], None] | None = None,
    save_every: float = SAVE_EVERY,
) -> Runs:
    """Run all jobs, with checkpoints in ``output``.

    resume : continue the file; it must hold a study of the same parameters, except for the sweeps:
        more of them continue what is complete, to the bits of a run that was as long from the
        beginning (not with replica exchange, whose blocks depend on the length); and except for
        jobs behind those of the file.  A missing file starts from the beginning, a finished one
        that is as long is returned as it is.
    progress : called with (number of the job, done, total) after every block.

    Raises
    ------
    FileError
        The file exists (without resume or overwrite), is in use, or is damaged.
    InputError
        ``resume`` with other parameters than those of the file, or fewer sweeps than are made.
    """
    study = _Study(jobs, whole("threads", threads, 1, 4096), stop=stop, progress=progress)
    if time_limit is not None:
        time_limit = real("time_limit", time_limit, 0.0, float("inf"), "seconds, 0 or more")
        study.deadline = time.monotonic() + time_limit
    if output is None:
        if resume:
            raise InputError("resume", "without an output", "needs the output file to continue")
        if overwrite:
            raise InputError("overwrite", "without an output", "needs the output file to replace")
        return study.run()
    if resume and overwrite:
        raise InputError("overwrite", "True", "not together with resume")
    with lock(output):
        continued = resume and Path(output).exists()
        if continued:
            study.slots = _resumed(jobs, output)
            before = load_runs(output)
            if before.finished and study.complete():
                return before
        else:
            check_target(output, overwrite=overwrite)
        study.writer = _Writer(
            output, jobs, overwrite=overwrite or continued, save_every=save_every, threads=threads
        )
        return study.run()


@dataclass(slots=True)
class _Slot:
    """What is known of a job: its latest result and the arrays to continue from."""

    result: Result
    arrays: dict[str, NDArray[Any]] | None


@dataclass(slots=True)
class _Study:
    """All jobs of a study, one after the other; ``slots``: of those that have begun."""

    jobs: Sequence[Job]
    threads: int
    stop: Callable[[], bool] | None = None
    progress: Callable[[int, int, int], None] | None = None
    deadline: float | None = None
    writer: _Writer | None = None
    slots: list[_Slot] = field(default_factory=list)

    def run(self) -> Runs:
        """Run what is not complete, to the end, the deadline or until asked to stop."""
        for k in range(len(self.jobs)):
            if self._complete(k):
                continue
            if self.slots and self._asked_to_stop():  # the first run begins: there is a result
                break
            if not self._run_job(k):
                break
        finished = self.complete()
        self._save(finished=finished)
        origin = self.writer.provenance if self.writer else _provenance(self.jobs, self.threads)
        return Runs(tuple(s.result for s in self.slots), origin, finished)

    def complete(self) -> bool:
        """Have all jobs made all sweeps asked for?"""
        return all(self._complete(k) for k in range(len(self.jobs)))

    def _complete(self, k: int) -> bool:
        if k >= len(self.slots):
            return False
        result = self.slots[k].result
        as_long = result.spec.sweeps == self.jobs[k].spec.sweeps
        return result.status is RunStatus.COMPLETE and as_long

    def _run_job(self, k: int) -> bool:
        """Run job ``k`` from its slot, or from the beginning; has it come to its end?"""
        known = self.slots[k] if k < len(self.slots) else None
        before = known.result.timings.get("seconds", 0.0) if known else 0.0
        begin = time.perf_counter()
        try:
            sim = self.jobs[k].begin(known.arrays if known else None)
        except KeyboardInterrupt:
            if self._asked_to_stop():  # what runs before have made is kept
                return False
            raise
        spec = self.jobs[k].spec
        logger.info(
            "run %d of %d: N = %d, c = %d, %s start, from %d of %d", k + 1, len(self.jobs), spec.N,
            spec.connectivity, spec.start, sim.done, sim.total,
        )  # fmt: skip
        self.slots[k : k + 1] = [_Slot(sim.result(before), sim.arrays())]
        self._checkpoint(k)

        def after_block(sim: Simulation | Tempering) -> None:
            if self.progress is not None:
                self.progress(k, sim.done, sim.total)
            if self.writer is not None and self.writer.pace.due() and not sim.finished:
                seconds = before + time.perf_counter() - begin
                self._checkpoint(k, lambda: _Slot(sim.result(seconds), sim.arrays()))

        left = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
        drive(sim, self.threads, checkpoint=after_block, stop=self._asked_to_stop, time_limit=left)
        seconds = before + time.perf_counter() - begin
        self.slots[k] = _Slot(sim.result(seconds), sim.arrays())
        if not sim.finished:
            return False
        _two_sided(self.jobs, self.slots, k)
        if k + 1 < len(self.jobs):
            self._save(finished=False)
        return True

    def _asked_to_stop(self) -> bool:
        return self.stop is not None and self.stop()

    def _checkpoint(self, k: int, slot: Callable[[], _Slot] | None = None) -> None:
        """Save on the way, with a new slot k where one is given; the time that takes counts."""
        if self.writer is not None:
            with self.writer.pace.timed():
                if slot is not None:
                    self.slots[k] = slot()
                self._save(finished=False)

    def _save(self, *, finished: bool) -> None:
        if self.writer is not None and self.slots:
            self.writer.save(self.slots, finished=finished)


def _provenance(jobs: Sequence[Job], threads: int) -> dict[str, str]:
    return make_provenance(threads=threads, seed=jobs[0].spec.seed)


class _Writer:
    """Checkpoints: not more often than asked, and not more than a small share of the time."""

    def __init__(
        self,
        path: str | Path,
        jobs: Sequence[Job],
        *,
        overwrite: bool,
        save_every: float,
        threads: int,
    ) -> None:
        self.path, self.jobs, self.overwrite = path, jobs, overwrite
        self.pace = Pace(save_every, SAVE_SHARE)
        self.provenance = _provenance(jobs, threads)

    def save(self, slots: Sequence[_Slot], *, finished: bool) -> None:
        save_runs(
            self.path,
            [s.result for s in slots],
            states=[s.arrays for s in slots],
            widths=[job.spec.N for job in self.jobs],
            provenance=self.provenance,
            overwrite=self.overwrite,
            finished=finished,
        )
        self.overwrite = True
        logger.info("saved %s", self.path)


def _resumed(jobs: Sequence[Job], path: str | Path) -> list[_Slot]:
    """Slots of the runs in the file; InputError if they are not those of ``jobs``."""
    runs, states, widths = load_checkpoint(path)
    asked_widths = [job.spec.N for job in jobs]
    if asked_widths[: len(widths)] != widths:
        raise InputError(
            "resume", str(path),
            f"this file was made with N = {widths} (one number a run); more come behind them",
        )  # fmt: skip
    slots = []
    for job, result, state in zip(jobs, runs, states, strict=False):
        made = result.exchange if isinstance(result, TemperingResult) else None
        if (made is None) != (job.exchange is None):
            raise InputError("resume", str(path), f"this file holds a {result.mode} run")
        asked, there = job.spec.parameters(), result.spec.parameters()
        if job.exchange is not None and made is not None:
            asked |= job.exchange.parameters()
            there |= made.parameters()
        else:
            _enough_sweeps(job, result, Path(path).name)
            asked["sweeps"] = there["sweeps"]
        _same(asked, there, Path(path).name)
        if state is None and result.status is not RunStatus.COMPLETE:
            raise FileError(path, "holds no state to continue from")
        slots.append(_Slot(result, state))
    return slots


def _same(asked: dict[str, Any], made: dict[str, Any], name: str) -> None:
    """Raise InputError for the first parameter that differs."""
    for parameter, value in asked.items():
        if made[parameter] != value:
            raise InputError(
                parameter, value, f"must be {made[parameter]} to resume {name}: only a run at one "
                "temperature can be made longer; for another run take another output file"
            )  # fmt: skip


def _enough_sweeps(job: Job, made: Result, name: str) -> None:
    """Raise InputError where a run at one temperature has made more sweeps than are asked for."""
    done = made.sweeps_done - made.spec.burn_in if isinstance(made, MonteCarloResult) else 0
    if job.spec.sweeps < done:
        raise InputError(
            "sweeps", job.spec.sweeps, f"at least {done}, which are made, to resume {name}"
        )


def _two_sided(jobs: Sequence[Job], slots: list[_Slot], k: int) -> None:
    """After the random one of two starts on the same data: say whether they agree."""
    spec = jobs[k].spec
    if spec.start is not Start.RANDOM or k == 0:
        return
    if replace(spec, start=Start.PLANTED) != jobs[k - 1].spec:
        return
    random = slots[k].result
    found = statement.of_two_starts(slots[k - 1].result, random)
    if isinstance(random, MonteCarloResult):
        slots[k].result = replace(random, equilibrium=found.message)
    else:
        said, why = statement.needs_round_trips(found.verdict, found.message, random.round_trips)
        slots[k].result = replace(random, verdict=said, message=why, equilibrium=why)
