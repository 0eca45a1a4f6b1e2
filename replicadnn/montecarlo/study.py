"""Several runs into one file: checkpoints, resume, interruption, time limit.

A study is a list of jobs (one a width N, or two a width for ``start="both"``).  The file holds the
state of all that have begun; a study that was cut off, by whatever means, continues from the last
checkpoint and ends with the same bits as one that was not.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from replicadnn.errors import FileError, InputError
from replicadnn.montecarlo.drive import drive
from replicadnn.montecarlo.result import MonteCarloResult, RunStatus
from replicadnn.montecarlo.run import compare_starts
from replicadnn.montecarlo.simulation import Simulation
from replicadnn.montecarlo.spec import Spec, Start, make_spec
from replicadnn.montecarlo.tempering import Tempering, check_ladder, needs_round_trips
from replicadnn.provenance import provenance as make_provenance
from replicadnn.storage.outputs import check_target
from replicadnn.storage.runs import (
    Result,
    Runs,
    load_checkpoint,
    load_runs,
    lock,
    mode_of,
    save_runs,
)
from replicadnn.validate import real, whole

#: Least number of seconds between checkpoints, and the largest share of time they may take.
SAVE_EVERY = 10.0
SAVE_SHARE = 0.01
MAX_RUNS = 1000


@dataclass(frozen=True, slots=True)
class Job:
    """One run: its Spec and, for replica exchange, the ladder and the sweeps between swaps."""

    spec: Spec
    betas: tuple[float, ...] = ()
    every: int = 0

    def begin(self, arrays: dict[str, NDArray[Any]] | None) -> Simulation | Tempering:
        """Start, or continue from ``arrays``."""
        if not self.betas:
            return Simulation(self.spec, arrays)
        rounds = self.spec.sweeps // self.every
        return Tempering(self.spec, self.betas, rounds, self.every, arrays)

    def parameters(self) -> dict[str, Any]:
        """What two runs must share to be the same run."""
        out = self.spec.parameters()
        if self.betas:
            out |= {"betas": list(self.betas), "every": self.every}
        return out


def make_jobs(
    L: int,
    N: Sequence[float],
    alpha: float,
    *,
    tempering: Sequence[float] | None = None,
    every: int | None = None,
    start: str | None = None,
    **arguments: Any,
) -> list[Job]:
    """Jobs of a study, in the order of N; raises InputError for a value outside its range.

    start : as in `simulate`, or "both": a planted and a random start on the same data.
    tempering : ladder of beta (its largest is the beta of the data), or None; ``replicas`` is then
        the number of ladders on each data set.
    every : sweeps between two swaps, 10 by default; only with tempering.
    """
    if not 1 <= len(N) <= MAX_RUNS:
        raise InputError("N", f"{len(N)} values", f"1 to {MAX_RUNS} widths")
    widths = [int(n) if float(n).is_integer() else n for n in N]
    if start not in (None, "both", *Start):
        raise InputError("start", start, "one of both, " + ", ".join(sorted(Start)))
    starts = [*Start] if start == "both" else [start]
    if every is not None and tempering is None:
        raise InputError("every", every, "only with tempering")
    ladder: tuple[float, ...] = ()
    if tempering is not None:
        ladder = check_ladder(tempering)
        if arguments.get("beta") not in (None, ladder[-1]):
            raise InputError("beta", arguments["beta"], f"absent, or {ladder[-1]:g} as the ladder")
        arguments["beta"] = ladder[-1]
        every = whole("every", 10 if every is None else every, 1, 10**9)
        if arguments.get("burn_in", 0) != 0:
            raise InputError("burn_in", arguments["burn_in"], "0 with tempering")
    jobs = []
    for n in widths:
        for begin in starts:
            spec = make_spec(L, n, alpha, start=begin, **arguments)  # type: ignore[arg-type]
            if every is not None and spec.sweeps < every:
                raise InputError("sweeps", spec.sweeps, f"at least the {every} between two swaps")
            jobs.append(Job(spec, ladder, every or 0))
    return jobs


@dataclass(slots=True)
class _Slot:
    """What is known of a job: its latest result and the arrays to continue from."""

    result: Result
    arrays: dict[str, NDArray[Any]] | None


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

    resume : continue the file; it must hold a study of the same parameters (a missing file
        starts from the beginning, a finished one is returned as it is).
    progress : called with (number of the job, done, total) after every block.

    Raises
    ------
    FileError
        The file exists (without resume or overwrite), is in use, or is damaged.
    InputError
        ``resume`` with other parameters than those of the file.
    """
    threads = whole("threads", threads, 1, 4096)
    if time_limit is not None:
        time_limit = real("time_limit", time_limit, 0.0, float("inf"), "seconds, 0 or more")
    if resume and output is None:
        raise InputError("resume", "without an output", "needs the file to continue (--output)")
    if overwrite and output is None:
        raise InputError("overwrite", "without an output", "needs the file to replace (--output)")
    if resume and overwrite:
        raise InputError("overwrite", "True", "not together with resume")
    deadline = None if time_limit is None else time.monotonic() + time_limit
    guard = contextlib.nullcontext() if output is None else lock(output)
    with guard:
        slots: list[_Slot] = []
        exists = output is not None and Path(output).exists()
        if output is not None and resume and exists:
            slots = _resumed(jobs, output)
            before = load_runs(output)
            if before.finished:
                return before
        elif output is not None:
            check_target(output, overwrite=overwrite)
        writer = None
        if output is not None:
            writer = _Writer(output, jobs, overwrite or (resume and exists), save_every, threads)
        return _run(jobs, slots, threads, writer, stop, deadline, progress)


def _run(
    jobs: Sequence[Job],
    slots: list[_Slot],
    threads: int,
    writer: _Writer | None,
    stop: Callable[[], bool] | None,
    deadline: float | None,
    progress: Callable[[int, int, int], None] | None,
) -> Runs:
    def asked_to_stop() -> bool:
        return stop is not None and stop()

    for k, job in enumerate(jobs):
        if k < len(slots) and slots[k].result.status is RunStatus.COMPLETE:
            continue
        if slots and asked_to_stop():  # the first run begins in any case: there is a result
            break
        before = slots[k].result.timings.get("seconds", 0.0) if k < len(slots) else 0.0
        begin = time.perf_counter()
        sim = job.begin(slots[k].arrays if k < len(slots) else None)
        del slots[k:]
        slots.append(_Slot(sim.result(before), sim.arrays()))
        if writer is not None:
            with writer.timed():
                writer.save(slots, finished=False)

        def checkpoint(
            sim: Simulation | Tempering, k: int = k, begin: float = begin, before: float = before
        ) -> None:
            if progress is not None:
                progress(k, sim.done, sim.total)
            if writer is not None and writer.due() and not sim.finished:
                with writer.timed():
                    slots[k] = _Slot(sim.result(before + time.perf_counter() - begin), sim.arrays())
                    writer.save(slots, finished=False)

        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        drive(sim, threads, checkpoint=checkpoint, stop=asked_to_stop, time_limit=left)
        slots[k] = _Slot(sim.result(before + time.perf_counter() - begin), sim.arrays())
        if not sim.finished:
            break
        _two_sided(jobs, slots, k)
        if writer is not None and k + 1 < len(jobs):
            writer.save(slots, finished=False)
    complete = [s.result.status is RunStatus.COMPLETE for s in slots]
    finished = len(slots) == len(jobs) and all(complete)
    if writer is not None:
        writer.save(slots, finished=finished)
    origin = writer.provenance if writer is not None else _provenance(jobs, threads)
    return Runs(tuple(s.result for s in slots), origin, finished)


def _provenance(jobs: Sequence[Job], threads: int) -> dict[str, str]:
    return make_provenance(threads=threads, seed=jobs[0].spec.seed)


class _Writer:
    """Checkpoints: not more often than asked, and not more than a small share of the time."""

    def __init__(
        self,
        path: str | Path,
        jobs: Sequence[Job],
        overwrite: bool,
        save_every: float,
        threads: int,
    ) -> None:
        self.path, self.jobs, self.overwrite = path, jobs, overwrite
        self.save_every = save_every
        self.provenance = _provenance(jobs, threads)
        self.next = 0.0

    def due(self) -> bool:
        return time.monotonic() >= self.next

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Around a checkpoint: the next one is due when this one is a small share of the time."""
        began = time.monotonic()
        yield
        now = time.monotonic()
        self.next = now + max(self.save_every, (now - began) / SAVE_SHARE)

    def save(self, slots: Sequence[_Slot], *, finished: bool) -> None:
        save_runs(
            self.path,
            [s.result for s in slots],
            states=[s.arrays for s in slots],
            asked_steps=[job.spec.step for job in self.jobs[: len(slots)]],
            widths=[job.spec.N for job in self.jobs],
            provenance=self.provenance,
            overwrite=self.overwrite,
            finished=finished,
        )
        self.overwrite = True


def _resumed(jobs: Sequence[Job], path: str | Path) -> list[_Slot]:
    """Slots of the runs in the file; InputError if they are not those of ``jobs``."""
    runs, states, steps, widths = load_checkpoint(path)
    if widths != [job.spec.N for job in jobs]:
        raise InputError(
            "resume", str(path), f"this file was made with N = {widths} (one number a run)"
        )
    slots = []
    for job, result, state, step in zip(jobs, runs, states, steps, strict=False):
        if (mode_of(result) == "tempering") != bool(job.betas):
            raise InputError("resume", str(path), f"this file holds a {mode_of(result)} run")
        made = result.params | {"step": step}
        for name, asked in job.parameters().items():
            if name not in made or made[name] != asked:
                raise InputError(
                    name, asked, f"must be {made.get(name)} to resume {Path(path).name}: a run, "
                    "its length included, stays as it began; for another one take another --output"
                )  # fmt: skip
        if state is None and result.status is not RunStatus.COMPLETE:
            raise FileError(path, "holds no state to continue from")
        slots.append(_Slot(result, state))
    return slots


def _two_sided(jobs: Sequence[Job], slots: list[_Slot], k: int) -> None:
    """After the random one of two starts on the same data: say whether they agree."""
    spec = jobs[k].spec
    if spec.start is not Start.RANDOM or k == 0:
        return
    if replace(spec, start=Start.PLANTED) != jobs[k - 1].spec:
        return
    planted, random = slots[k - 1].result, slots[k].result
    found = compare_starts(planted, random)
    if isinstance(random, MonteCarloResult):
        slots[k].result = replace(random, equilibrium=found.message)
    else:
        said, why = needs_round_trips(found.verdict, found.message, random.round_trips)
        slots[k].result = replace(random, verdict=said, message=why)
