"""Ctrl-C: at safe points, what is done is kept, exit code 130."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from replicadnn.cli import options, target
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn import interrupt
from replicadnn.errors import WriteError


def ctrl_c(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(autouse=True)
def _handler() -> Iterator[None]:
    """As in a terminal; a background job would ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_first_waits_for_a_safe_point_second_does_not() -> None:
    seen = []

    @interrupt.safely()
    def computes() -> None:
        ctrl_c()
        seen.append("here")
        interrupt.check()
        seen.append("not here")

    @interrupt.safely()
    def never_checks() -> None:
        ctrl_c()
        ctrl_c()
        seen.append("nor here")

    for one in (computes, never_checks):
        with pytest.raises(KeyboardInterrupt):
            one()
    assert seen == ["here"]


def test_none_is_lost_and_none_comes_twice() -> None:
    with pytest.raises(KeyboardInterrupt), interrupt.safely():
        ctrl_c()  # nobody checks: raised in the end
    with interrupt.safely():
        interrupt.check()
        ctrl_c()
        with pytest.raises(KeyboardInterrupt), interrupt.safely():
            interrupt.check()
        interrupt.check()  # what is done can be saved now
    with interrupt.safely():
        assert not interrupt.requested()
        ctrl_c()
        assert interrupt.requested()
        interrupt.check()  # the one who asked acts on it
        assert interrupt.requested()
    assert not interrupt.requested()


def test_other_handlers_and_threads_are_left_alone() -> None:
    own: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: own.append(number))
    with interrupt.safely():
        ctrl_c()
    assert own == [signal.SIGINT]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupt.safely():
        ctrl_c()
        interrupt.check()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    found: list[Any] = []

    def elsewhere() -> None:
        with interrupt.safely():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]


def test_a_kernel_hit_by_the_second_is_no_system_error() -> None:
    @interrupt.safely()
    def kernel() -> None:
        ctrl_c()
        try:
            ctrl_c()
        except KeyboardInterrupt as error:
            raise SystemError("returned a result with an exception set") from error

    with pytest.raises(KeyboardInterrupt):
        kernel()
    with pytest.raises(SystemError), interrupt.safely():
        raise SystemError("of another kind")


def test_an_error_after_the_interrupt_is_told() -> None:
    @interrupt.safely()
    def saves() -> None:
        ctrl_c()
        with pytest.raises(KeyboardInterrupt):
            interrupt.check()
        raise WriteError("a.h5", "disk full")

    with pytest.raises(WriteError):
        saves()


@pytest.mark.parametrize("threads", [1, 2])
def test_solve_is_interrupted_at_any_moment(threads: int) -> None:
    """Kernels of milliseconds: without safe points most of these are a SystemError."""
    rd.solve(20.0, L=6, scenario="random", levels=2)  # compiled
    for delay in (0.02, 0.11, 0.17, 0.23, 0.31):
        timer = threading.Timer(delay, ctrl_c)
        timer.start()
        with pytest.raises(interrupt.Interrupted) as stopped:
            rd.solve(np.linspace(40.0, 60.0, 40), L=20, scenario="random", threads=threads)
        timer.join()
        assert stopped.value.done == len(stopped.value.partial) < 5


def stop_at(count: int) -> Callable[[int, int], None]:
    """A progress that presses Ctrl-C after so many rows."""
    return lambda done, total: ctrl_c() if done == count else None


def test_results_keep_what_is_done() -> None:
    def partial(function: Callable[..., Any], *args: Any, count: int = 2, **options: Any) -> Any:
        with pytest.raises(interrupt.Interrupted) as stopped:
            function(*args, progress=stop_at(count), **options)
        return stopped.value.partial

    assert [s.alpha for s in partial(rd.solve, [9.0, 5.0, 3.0], L=4)] == [5.0, 3.0]
    capacity = partial(rd.capacity, [1, 2, 3])
    assert [(p.L, round(p.alpha, 4)) for p in capacity] == [(1, 2.0), (2, 48.9588)]
    assert not capacity.finished
    errors = partial(rd.generalisation, [4.0, 2.0, 3.0], [1, 2])
    assert [(p.L, p.alpha) for p in errors.points] == [(1, 2.0), (1, 3.0)]
    assert errors.error.shape == (1, 2)
    stable = partial(rd.stability, [1.0, 1.5], [1, 2, 3])
    assert [(p.L, p.alpha) for p in stable.points] == [(1, 1.0), (1, 1.5), (2, 1.0), (2, 1.5)]
    assert [line.L for line in stable.lines] == [1, 2]
    states = partial(rd.complexity, 6.0, 2, m=[0.8, 0.9, 0.95])
    assert states.m.tolist() == [0.8, 0.9]
    assert np.isnan(states.dynamical)
    found = partial(rd.transitions, 20)
    assert found.alpha[:3].round(6).tolist() == [2.467401, 12.915626, 38.421296]
    assert np.isnan(found.alpha[3:]).all()
    assert found.message == "interrupted"
    broken = partial(rd.transitions, 8, scenario="random", levels=2, count=1)
    assert np.isfinite(broken.alpha).tolist() == [True, False, False, False]
    assert broken.message == "layers 2..4 are not reached: interrupted"


COMMANDS = {
    "solve": ("--alpha 3,5,9 --L 4", "results"),
    "capacity": ("--L 1,2,3", "capacity"),
    "generalisation": ("--L 1,2 --alpha 2,3,4", "generalisation"),
    "stability": ("--L 1,2,3 --alpha 1,1.5", "points"),
    "complexity": ("--L 2 --alpha 6 --m 0.8,0.9,0.95", "m"),
    "transitions": ("--L 20", "transitions"),
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("done", [0, 1, 2])
def test_commands_save_and_print_what_is_done(
    name: str, done: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """130; the file holds the rows done and finished = false; one JSON document."""
    _press(monkeypatch, done)
    words, key = COMMANDS[name]
    path = tmp_path / "a.h5"
    assert run([name, *words.split(), "--output", str(path), "--json"]) == 130
    out, err = capsys.readouterr()
    assert "interrupted: " in err
    document = json.loads(out)
    rows = document[key]
    if name == "transitions":
        rows = [row for row in rows if row["alpha"] is not None]
        done += 1  # the first is a closed form, and each part of the curve leads to the next
    if name == "stability":
        done *= 2  # it tells of lines, here of two points
    assert len(rows) == done
    if name != "solve":
        assert document["finished"] is False
    assert path.exists() == (done > 0)
    if done:
        with h5py.File(path) as file:
            assert not file.attrs["finished"]
        assert rd.load(path).as_dict() == document


def _press(monkeypatch: pytest.MonkeyPatch, done: int) -> None:
    """Ctrl-C as soon as the command is told that this many rows are done."""

    @contextlib.contextmanager
    def progress(unit: str) -> Iterator[Callable[[int, int], None]]:
        def report(now: int, total: int) -> None:
            if now == done:
                ctrl_c()

        report(0, 0)
        yield report

    def with_progress(items: Iterable[Any], total: int, unit: str) -> Iterator[Any]:
        with progress(unit) as report:
            for number, item in enumerate(items, 1):
                yield item
                report(number, total)

    monkeypatch.setattr(target, "progress", progress)
    monkeypatch.setattr(options, "with_progress", with_progress)


def test_finished_is_kept(tmp_path: Path) -> None:
    found = rd.capacity(1)
    assert found.finished
    assert found.as_dict()["finished"] is True
    assert rd.load(found.save(tmp_path / "a.h5")).finished
