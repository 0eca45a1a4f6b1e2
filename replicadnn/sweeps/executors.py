"""Where the points of a sweep are computed: processes here, or a Dask cluster."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing.synchronize import Event
from typing import Any

from replicadnn.errors import InputError, one_line

#: Every worker computes on one thread; the points are the parallelism.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Workers:
    """An executor that may be replaced when it breaks, and how many points it is given at once."""

    def __init__(self, executor: Executor, window: int) -> None:
        self.executor = executor
        self._window = window

    @property
    def window(self) -> int:
        """Points in flight at most: enough to keep every worker busy, few enough for memory."""
        return self._window

    def submit(self, function: Callable[..., bytes], *args: Any) -> Future[bytes]:
        """As `Executor.submit`."""
        return self.executor.submit(function, *args)

    def rebuild(self) -> bool:
        """Replace a broken executor; False if it is not ours to replace."""
        return False

    def stop(self, now: bool) -> None:
        """End what is ours; ``now``: without waiting for the points in flight."""


class Pool(Workers):
    """Processes on this machine, started by spawn (threads and locks are not inherited)."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._context = multiprocessing.get_context("spawn")
        self._begun = self._context.Event()
        super().__init__(self._new(), 2 * workers)

    def _new(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._workers, mp_context=self._context,
            initializer=_begin_worker, initargs=(self._begun,),
        )  # fmt: skip

    def submit(self, function: Callable[..., bytes], *args: Any) -> Future[bytes]:
        """As `Executor.submit`; the processes start with the first point."""
        with _environment():
            return self.executor.submit(function, *args)

    def rebuild(self) -> bool:
        """New processes in place of those that died; InputError if none of them ever began."""
        self.executor.shutdown(wait=True, cancel_futures=True)
        if not self._begun.is_set():
            raise InputError(
                "executor", "processes", "they ended before their first point; each imports "
                'the script, which must be a file with the call under if __name__ == "__main__":'
            )  # fmt: skip
        self.executor = self._new()
        return True

    def stop(self, now: bool) -> None:
        """End the processes."""
        if now:
            processes = getattr(self.executor, "_processes", None) or {}
            for process in list(processes.values()):
                process.kill()
        self.executor.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """What the processes inherit: one thread each."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def imported_by_a_worker() -> bool:
    """Whether this is a new process that imports the script of the one that started it."""
    return bool(getattr(multiprocessing.current_process(), "_inheriting", False))


def _begin_worker(begun: Event) -> None:
    """Ctrl-C is the business of the parent; without a parent there is nothing to work for."""
    begun.set()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def follow() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=follow, daemon=True).start()


class Cluster(Workers):
    """A Dask cluster that exists already, by the address of its scheduler."""

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise InputError(
                "scheduler", address, "needs Dask: pip install 'replicadnn[cluster]'"
            ) from None
        try:
            self._client = Client(address, timeout=20, set_as_default=False)
        except (OSError, ValueError, RuntimeError) as error:
            reason = one_line(f"{type(error).__name__} {error}")
            raise InputError("scheduler", address, f"no Dask scheduler there ({reason})") from None
        self._check_versions(address)
        super().__init__(self._client.get_executor(), 0)

    def _check_versions(self, address: str) -> None:
        from replicadnn.provenance import version

        found = self._client.run(_version, on_error="return")
        for worker, answer in found.items():
            if answer != version():
                said = answer if isinstance(answer, str) else type(answer).__name__
                raise InputError(
                    "scheduler", address, f"worker {worker} has replicadnn {said}, not {version()}"
                )

    @property
    def window(self) -> int:
        """Twice the threads of the workers there are now."""
        info = self._client.scheduler_info(n_workers=-1)
        return max(4, 2 * sum(int(w["nthreads"]) for w in info["workers"].values()))

    def stop(self, now: bool) -> None:
        """Leave the cluster; points in flight are cancelled."""
        self.executor.shutdown(wait=not now)
        self._client.close()


def _version() -> str:
    from replicadnn.provenance import version

    return version()


def own(executor: Executor) -> Workers:
    """An executor of the caller."""
    size = getattr(executor, "_max_workers", None)
    return Workers(executor, 2 * size if isinstance(size, int) else 2 * cores())


def cores() -> int:
    """Cores that this process may use (SLURM grants fewer than there are)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
