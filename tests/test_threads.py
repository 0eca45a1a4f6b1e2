"""Sharing tasks among threads."""

from __future__ import annotations

import threading
import time

import pytest

from replicadnn.theory.threads import Threads


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
