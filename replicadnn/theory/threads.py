"""Independent tasks on a few threads, the calling one among them; linear algebra on one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from threading import Lock
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def one_blas_thread(function: Callable[P, T]) -> Callable[P, T]:
    """`function` with linear algebra on one thread.

    Its matrices have some hundred rows: more threads cost time, take the cores from `Threads`, and
    the last digits would depend on their number.
    """

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> T:
        with _LIMIT:
            return function(*args, **kwargs)

    return limited


class _BlasLimit:
    """One thread in BLAS, which belongs to the process, while any caller is inside.

    OpenBLAS may ignore what a thread other than the main one sets: then this costs time only.
    """

    def __init__(self) -> None:
        self.lock, self.inside = Lock(), 0
        self.libraries: Any = None
        self.limit: Any = None

    def __enter__(self) -> None:
        with self.lock:
            if self.inside == 0:
                if (
                    self.libraries is None
                ):  # a millisecond: those of numpy and scipy are loaded by now
                    from threadpoolctl import ThreadpoolController

                    self.libraries = ThreadpoolController()
                self.limit = self.libraries.limit(limits=1, user_api="blas")
            self.inside += 1

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                self.limit.restore_original_limits()


_LIMIT = _BlasLimit()


class Threads:
    """`map` of tasks of a millisecond: every thread takes the next one when it is free.

    Unlike a pool's `map`, which hands over each task for itself, this wakes each of the other
    threads once and the caller works too; a thread that comes too late is not waited for.
    """

    def __init__(self, count: int) -> None:
        self.others = count - 1
        self.pool = ThreadPoolExecutor(max(self.others, 1))

    def __enter__(self) -> Threads:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.pool.shutdown()

    def __call__(self, function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """[function(item) for item in items]; after an error no further task begins."""
        todo = deque(enumerate(items))
        results: list[Any] = [None] * len(todo)

        def work() -> None:
            while True:
                try:
                    number, item = todo.popleft()
                except IndexError:
                    return
                try:
                    results[number] = function(item)
                except BaseException:
                    todo.clear()
                    raise

        helpers = [self.pool.submit(work) for _ in range(min(self.others, len(todo) - 1))]
        try:
            work()
        finally:
            todo.clear()
            running = [helper for helper in helpers if not helper.cancel()]
            errors = [helper.exception() for helper in running]  # waits
        for error in errors:
            if error is not None:
                raise error
        return results
