"""The sweep itself: submit, collect, keep, and go on when something fails."""

from __future__ import annotations

import contextlib
import logging
import queue
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from pathlib import Path

from replicadnn import interrupt, kernels
from replicadnn.calls import by_name
from replicadnn.errors import InputError, ReplicaDNNError, WriteError
from replicadnn.progress import Progress, Report, reporting
from replicadnn.storage.locking import lock
from replicadnn.sweeps import executors
from replicadnn.sweeps.index import FAILED
from replicadnn.sweeps.plan import Plan, Point, make_plan
from replicadnn.sweeps.reader import Sweep
from replicadnn.sweeps.worker import failure, outcome, run_point
from replicadnn.sweeps.writer import Writer
from replicadnn.validate import whole

logger = logging.getLogger(__name__)

#: Seconds between two looks for Ctrl-C.
_WAIT = 0.1
#: How often a point may be computing, alone, when its process dies, before it is given up.
_DEATHS = 3


class BrokenError(ReplicaDNNError):
    """The executor is gone; what was computed is in the store."""

    exit_code = 1


@by_name()
@interrupt.safely()
def sweep(
    plan: object,
    output: str | Path,
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
    retry: bool = False,
    share: tuple[int, int] | None = None,
    collect: Sequence[str | Path] = (),
    progress: Progress = None,
    moving: Report | None = None,
) -> Sweep:
    """Compute many points at once into one store, and continue one that was cut off.

    Parameters
    ----------
    plan : path, mapping or iterable
        A TOML file or the same as a mapping (docs/sweep.md), or `Problem` objects to solve.
    output : path
        The store (HDF5).  Points that it holds already are not repeated, new ones are added; the
        order of the plan does not matter.
    executor : concurrent.futures.Executor, optional
        Where to compute.  Default: processes on this machine.
    workers : int, optional
        Number of processes, 1..1024; default: the cores of this machine.
    scheduler : str, optional
        Address of a Dask scheduler, ``tcp://host:port``, instead.
    overwrite : bool
        Begin anew, whatever ``output`` is.
    retry : bool
        Repeat the points that failed or did not converge.
    share : (i, n), optional
        Only every n-th point, from the i-th (from 1): one task of n of an array job.
    collect : paths
        Stores of shares, whose points are taken over and not computed.
    progress : after every point
    moving : callable, optional
        Called with (points moved, points to move) while the points computed are moved from the
        journal into the store: about 4 ms a point.

    Returns
    -------
    Sweep
        The store, opened.  A failed point has status "failed" and its reason as message; the
        others are not affected.

    Raises
    ------
    InputError
        A parameter outside its range: nothing has been computed.
    FileError
        The store is in use by another process, is no store, or cannot be written.
    KeyboardInterrupt
        Passed on after everything computed has been saved.
    """
    if executors.imported_by_a_worker():  # the script has no __main__ guard
        raise SystemExit(1)
    work = make_plan(plan)
    if share is not None:
        work = work.share(*share)
    if sum(x is not None for x in (executor, workers, scheduler)) > 1:
        raise InputError("executor", executor, "only one of executor, workers, scheduler")
    count = executors.cores() if workers is None else whole("workers", workers, 1, 1024)
    with reporting(progress, "point") as report, lock(output):
        writer = Writer(output, work, overwrite=overwrite, retry=retry, moving=moving)
        try:
            todo = [point for point in work.points if point.id not in writer.done]
            computed = 0
            if todo:
                writer.begin()
                with _saved(writer):
                    todo = _collected(todo, writer, collect)
                    computed = len(todo)
                    if todo:
                        here = _workers(executor, scheduler, min(count, len(todo)))
                        _Run(work, todo, writer, here, report).go()
        finally:
            writer.close()
        return Sweep(output, computed)


def are_compiled(folder: Path) -> bool:
    """Whether kernels of this folder (or below it) have been compiled and kept."""
    return any(folder.rglob("__pycache__/*.nbc"))


def _workers(executor: Executor | None, scheduler: str | None, count: int) -> executors.Workers:
    if executor is not None:
        return executors.own(executor)
    return executors.Cluster(scheduler) if scheduler is not None else executors.Pool(count)


@contextlib.contextmanager
def _saved(writer: Writer) -> Iterator[None]:
    """Move the journal into the file in the end, whatever the end is."""
    try:
        yield
    except WriteError:
        raise  # no room: the journal holds what there is
    except BaseException:
        with contextlib.suppress(WriteError):
            writer.merge(finished=False)
        raise
    try:
        writer.merge(finished=writer.finished)
    except WriteError as error:
        raise WriteError(
            error.path, f"{error.reason}; the points are safe in {error.path}.journal: make room "
            "and run the same sweep again"
        ) from error  # fmt: skip


def _collected(todo: list[Point], writer: Writer, sources: Sequence[str | Path]) -> list[Point]:
    """Take over the points of other stores; returns what is still to do."""
    left = {point.id: point for point in todo}
    for source in sources:
        found = Sweep(source)
        if found.task != writer.task.name:
            raise InputError("collect", str(source), f"a store of {writer.task.name}")
        for k, result in found.results():
            interrupt.check()
            row = found.row(k)
            point = left.pop(row["id"], None)
            if point is not None:
                writer.record(outcome(point, result))
    return list(left.values())


class _Run:
    """Points on their way through the workers."""

    def __init__(
        self,
        plan: Plan,
        todo: list[Point],
        writer: Writer,
        workers: executors.Workers,
        report: Report,
    ) -> None:
        self.plan, self.writer, self.workers = plan, writer, workers
        self.report = report
        self.todo = deque(todo)
        self.total = len(plan.points)
        self.flying: dict[Future[bytes], Point] = {}
        self.landed: queue.SimpleQueue[Future[bytes]] = queue.SimpleQueue()
        # points that were computing when a process died: one of them may be the cause
        self.suspects: deque[Point] = deque()
        self.deaths: dict[str, int] = {}
        self.broken = False

    def go(self) -> None:
        self._tell()
        try:
            if isinstance(self.workers, executors.Pool):
                self._warm_up()
            while self.todo or self.suspects or self.flying:
                self._fill()
                self._land(self._next())
        except BaseException:
            for future in self.flying:
                future.cancel()
            self.workers.stop(now=True)
            raise
        self.workers.stop(now=False)

    def _warm_up(self) -> None:
        """With an empty cache of compiled kernels: compile them once, not once a worker."""
        if are_compiled(Path(str(kernels.__file__)).parent):
            return
        task = self.plan.task
        first = self.todo[0]
        logger.info("compiling the kernels")
        future = self.workers.submit(run_point, task.name, task.tiny(first.params), {})
        future.add_done_callback(self.landed.put)
        with contextlib.suppress(BrokenExecutor):
            self._next().result()

    def _next(self) -> Future[bytes]:
        """The next point that is done; looks for Ctrl-C while it waits."""
        while True:
            interrupt.check()
            with contextlib.suppress(queue.Empty):
                return self.landed.get(timeout=_WAIT)

    def _fill(self) -> None:
        """Keep the workers busy; suspects go one at a time."""
        if self.broken:
            if self.flying:
                return
            self._repair()
        room = 1 if self.suspects else self.workers.window
        source = self.suspects or self.todo
        while source and len(self.flying) < room:
            point = source.popleft()
            logger.info("submitted %s", point.id)
            try:
                future = self.workers.submit(
                    run_point, self.plan.task.name, dict(point.params), dict(self.plan.how)
                )
            except BrokenExecutor:
                source.appendleft(point)
                self.broken = True
                if self.flying:
                    return
                self._repair()
                continue
            self.flying[future] = point
            future.add_done_callback(self.landed.put)

    def _repair(self) -> None:
        if not self.workers.rebuild():
            done = self.total - len(self.todo) - len(self.suspects)
            raise BrokenError(
                f"the executor broke with {done} of {self.total} points done: run the same sweep "
                "again to continue"
            )
        self.broken = False

    def _land(self, future: Future[bytes]) -> None:
        point = self.flying.pop(future)
        try:
            body = future.result()
        except (BrokenExecutor, CancelledError):
            given_up = self._died(point)
            if given_up is None:
                return
            body = given_up
        except Exception as error:  # e.g. Dask's KilledWorker: this point is given up
            body = failure(point, f"{type(error).__name__}: {error}")
        row = self.writer.record(body)
        logger.info("recorded %s: %s", point.id, row["status"])
        if row["status"] == FAILED:
            logger.warning("failed: %s: %s", point.label(short=True), row["message"])
        self._tell()

    def _tell(self) -> None:
        left = len(self.todo) + len(self.suspects) + len(self.flying)
        self.report(self.total - left, self.total)

    def _died(self, point: Point) -> bytes | None:
        """A process died (killed, out of memory, crashed): the points in flight are tried again.

        Returns the record of a point that is given up.
        """
        alone = not self.flying and not self.broken
        self.broken = True
        self.deaths[point.id] = self.deaths.get(point.id, 0) + alone
        if self.deaths[point.id] >= _DEATHS:
            return failure(point, f"its process died {_DEATHS} times (out of memory or a crash)")
        self.suspects.append(point)
        return None
