"""Ctrl-C: at safe points, what is done is kept, exit code 130."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
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
from replicadnn.montecarlo.chains.gap import GapChain


def ctrl_c(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(autouse=True)
def _handler() -> Iterator[None]:
    """As in a terminal; a background job would ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def again() -> None:
    """The second Ctrl-C: later than signals that are one."""
    time.sleep(0.3)
    ctrl_c()


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
        again()
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


def test_one_that_comes_as_the_block_ends_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the body and before Python's handler is back; and one in between the two handlers."""
    back, seen = signal.signal, []

    def pressed(number: int, handler: Any) -> Any:
        if handler is signal.default_int_handler:
            ctrl_c()  # noted
        return back(number, handler)

    with pytest.raises(KeyboardInterrupt), interrupt.safely():
        monkeypatch.setattr(interrupt.signal, "signal", pressed)
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def pressed_before(number: int, handler: Any) -> Any:
        if handler is not signal.default_int_handler:
            ctrl_c()  # Python's handler raises: the block has not begun
        return back(number, handler)

    monkeypatch.setattr(interrupt.signal, "signal", pressed_before)
    with pytest.raises(KeyboardInterrupt), interrupt.safely():
        raise AssertionError
    monkeypatch.undo()

    @interrupt.safely()
    def noted() -> None:
        ctrl_c()
        seen.append("as ever: nothing was left behind")

    with pytest.raises(KeyboardInterrupt):
        noted()
    assert len(seen) == 1


#: Interrupts at random times; each must come out of the loop over `rd.simulate`.
STRESS = """
import os, random, signal, sys, threading, time
import replicadnn as rd
from replicadnn import interrupt

how = dict(N=4, beta=1.0, sweeps=40, samples=2, step=0.5, test_patterns=0)
rd.simulate(3, 2, **how)
begin = time.perf_counter()
rd.simulate(3, 2, **how)
length = time.perf_counter() - begin
draw, kept = random.Random(1), 0
for k in range(int(sys.argv[1])):
    late = time.monotonic() + 60.0
    timer = threading.Timer(draw.uniform(0.0, 3.0 * length), os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        while time.monotonic() < late:
            rd.simulate(3, 2, **how)
        raise SystemExit(f"interrupt {k} is lost")
    except interrupt.Interrupted as stopped:
        kept += stopped.done
    except KeyboardInterrupt:
        pass
    timer.join()
print(kept)
"""


@pytest.mark.slow
def test_none_of_200_is_lost() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STRESS, "200"], capture_output=True, text=True, timeout=600,
        preexec_fn=as_in_a_terminal,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 20  # most come inside of a run, and keep it


def as_in_a_terminal() -> None:
    """A background job of a shell ignores SIGINT, and so would its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


#: Ctrl-C as a module begins to be imported.
IMPORTING = """
import os, signal, sys

module = sys.argv.pop(1)

class Press:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Press())
from replicadnn.cli.start import main
main()
"""


@pytest.mark.parametrize("module", ["click", "replicadnn.cli.main", "numpy"])
def test_while_modules_are_imported(module: str) -> None:
    words = [module, "capacity", "--L", "1"]
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING, *words], capture_output=True, text=True, timeout=100,
        preexec_fn=as_in_a_terminal,
    )  # fmt: skip
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    if module != "numpy":  # before the command has begun
        assert done.stderr == "Error: interrupted\n"
    else:  # at the next import, with nothing computed
        said = [line for line in done.stderr.splitlines() if line]
        assert len(said) == 2
        assert said[0].startswith("interrupt: stopping at the next safe point")
        assert said[1] == "Error: interrupted"
    assert done.stdout == ""


def test_the_pilot_run_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Between its sweeps; runs before are kept, and without one nothing is written."""
    moved = GapChain.advance
    sweeps: list[int] = []

    def press(chain: GapChain, n: int) -> None:
        moved(chain, n)
        sweeps.append(n)
        if chain.J.shape[1] == 5:
            ctrl_c()

    monkeypatch.setattr(GapChain, "advance", press)
    path = tmp_path / "a.h5"
    words = ["mc-simulate", "--L", "2", "--alpha", "2", "--sweeps", "8", "--samples", "2"]
    assert run([*words, "--N", "5", "--output", str(path)]) == 130
    assert sweeps == [1]
    assert "interrupted before the first sweep: nothing is kept" in capsys.readouterr().err
    assert not path.exists()
    assert run([*words, "--N", "4,5", "--output", str(path)]) == 130
    assert "interrupted; continue with --resume" in capsys.readouterr().err
    assert [r.spec.N for r in rd.load(path)] == [4]
    with pytest.raises(interrupt.Interrupted) as stopped:
        rd.simulate(2.0, 2, N=5, sweeps=8)
    assert (len(stopped.value.partial), stopped.value.done) == (0, 0)
    monkeypatch.undo()
    assert run([*words, "--N", "4,5", "--output", str(path), "--resume"]) == 0


def test_one_in_the_last_block_of_a_run_is_raised() -> None:
    """The run is finished, and kept; whoever pressed wants the next one not to begin."""
    press = stop_at(8)
    with pytest.raises(interrupt.Interrupted) as stopped:
        rd.simulate(2.0, 2, N=4, sweeps=8, samples=2, progress=press)
    assert stopped.value.partial.sweeps_done == 8


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
            again()
        except KeyboardInterrupt as error:
            raise SystemError("returned a result with an exception set") from error

    with pytest.raises(KeyboardInterrupt):
        kernel()
    with pytest.raises(SystemError), interrupt.safely():
        raise SystemError("of another kind")


def test_signals_of_one_moment_are_one_interrupt() -> None:
    """As from `timeout -s INT`, or a launcher that passes on what the terminal sent to both."""
    seen = []

    @interrupt.safely()
    def computes() -> None:
        ctrl_c()
        ctrl_c()
        seen.append("here")
        interrupt.check()
        seen.append("not here")

    with pytest.raises(KeyboardInterrupt):
        computes()
    assert seen == ["here"]


def test_a_kernel_hit_by_the_handler_of_a_caller_is_no_system_error() -> None:
    """A host that raises in its own handler keeps it; what comes out is its KeyboardInterrupt."""

    def raises(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    rd.solve(20.0, L=6, scenario="random", levels=2)  # compiled
    signal.signal(signal.SIGINT, raises)
    try:
        for delay in (0.05, 0.12, 0.19, 0.27, 0.33, 0.41):
            timer = threading.Timer(delay, ctrl_c)
            timer.start()
            with pytest.raises(interrupt.Interrupted):
                rd.solve(np.linspace(40.0, 60.0, 60), L=20, scenario="random")
            timer.join()
            assert signal.getsignal(signal.SIGINT) is raises
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
