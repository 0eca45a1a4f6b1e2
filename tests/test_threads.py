"""Sharing tasks among threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from scipy import linalg  # noqa: F401  (its BLAS is one of those)
from threadpoolctl import threadpool_info, threadpool_limits

from replicadnn.theory.threads import Threads, one_blas_thread


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("tasks", [0, 1, 2, 40])
def test_results_come_in_order(count: int, tasks: int) -> None:
    with Threads(count) as shared:
        for _ in range(3):
            assert shared(lambda x: x * x, range(tasks)) == [x * x for x in range(tasks)]


def test_the_caller_works_too_and_all_threads_take_part() -> None:
    meeting = threading.Barrier(3, timeout=30)

    def task(_: int) -> str:
        meeting.wait()
        return threading.current_thread().name

    with Threads(3) as shared:
        names = shared(task, range(3))
    assert len(set(names)) == 3
    assert threading.current_thread().name in names


@pytest.mark.parametrize("bad", [0, 3, 9])
def test_an_error_of_any_thread_reaches_the_caller(bad: int) -> None:
    def task(x: int) -> int:
        time.sleep(1e-3)
        if x == bad:
            raise ValueError(f"task {x}")
        return x

    with Threads(3) as shared:
        with pytest.raises(ValueError, match=f"task {bad}"):
            shared(task, range(10))
        assert shared(lambda x: x, range(4)) == [0, 1, 2, 3]  # still usable


def blas_threads() -> list[int]:
    """Threads of every BLAS library in the process."""
    return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]


@pytest.fixture
def two_blas_threads() -> Iterator[None]:
    with threadpool_limits(limits=2, user_api="blas"):
        assert set(blas_threads()) == {2}
        yield


@pytest.mark.usefixtures("two_blas_threads")
def test_one_blas_thread_inside_and_as_before_outside() -> None:
    @one_blas_thread
    def inside(depth: int) -> None:
        assert set(blas_threads()) == {1}
        if depth > 0:
            inside(depth - 1)
            assert set(blas_threads()) == {1}  # the inner call has not lifted the limit
        else:
            raise ValueError("the innermost call fails")

    with pytest.raises(ValueError, match="innermost"):
        inside(0)
    assert set(blas_threads()) == {2}
    with pytest.raises(ValueError, match="innermost"):
        inside(2)
    assert set(blas_threads()) == {2}


@pytest.mark.usefixtures("two_blas_threads")
def test_the_blas_limit_is_lifted_by_the_last_caller() -> None:
    """The main thread enters, another enters and leaves, the main thread leaves."""
    entered, leave = threading.Event(), threading.Event()

    @one_blas_thread
    def other() -> None:
        entered.set()
        assert leave.wait(30)

    @one_blas_thread
    def main() -> threading.Thread:
        thread = threading.Thread(target=other)
        thread.start()
        assert entered.wait(30)
        return thread

    thread = main()
    assert set(blas_threads()) == {1}  # the other one is still inside
    leave.set()
    thread.join()


def test_blas_threads_after_overlapping_calls() -> None:
    before = blas_threads()
    test_overlap = threading.Barrier(2, timeout=30)

    @one_blas_thread
    def call() -> None:
        test_overlap.wait()

    callers = [threading.Thread(target=call) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert blas_threads() == before
