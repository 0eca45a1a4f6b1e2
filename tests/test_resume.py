"""--resume and ``known``: what is there is not computed again, and the end is that of one run."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faults  # scripts/
import numpy as np
import pytest
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn import interrupt
from replicadnn.status import Status
from replicadnn.storage import journal
from replicadnn.storage.solutions import SolutionWriter
from replicadnn.theory.solve import origin, plan


@pytest.fixture(autouse=True)
def _handler() -> Iterator[None]:
    """As in a terminal; a background job would ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


#: Command: what is asked at first, and what later in its place.
COMMANDS = {
    "solve": ("--L 4 --alpha 9,3", "--L 4 --alpha 9,5,3,20"),
    "solve of random data": (
        "--L 3 --scenario random --levels 2 --alpha 20",
        "--L 3 --scenario random --levels 2 --alpha 12,20,30",
    ),
    "generalisation": ("--L 2 --alpha 4,2", "--L 1,2 --alpha 4,3,2"),
    "capacity": ("--L 3", "--L 1,2,3"),
    "stability": ("--L 3 --alpha 1,1.5", "--L 1,3 --alpha 1,1.5"),
    "complexity": ("--L 2 --alpha 6 --m 0.9", "--L 2 --alpha 6 --m 0.8,0.9,0.95"),
    "transitions": ("--L 6 --alpha-max 20", "--L 6"),
    "transitions of random data": (
        "--L 6 --scenario random --levels 2 --alpha-max 10",
        "--L 6 --scenario random --levels 2 --alpha-max 50",
    ),
}


def words(name: str, asked: str, *more: str) -> list[str]:
    return [name.split()[0], *asked.split(), *more]


@pytest.mark.parametrize("name", COMMANDS)
def test_more_may_be_asked_for(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every number and text of the file is that of having asked for all at once."""
    first, later = COMMANDS[name]
    path, whole = tmp_path / "a.h5", tmp_path / "whole.h5"
    assert run(words(name, first, "--output", str(path), "--resume")) in (0, 3)
    assert run(words(name, later, "--output", str(whole))) in (0, 3)
    assert run(words(name, later, "--output", str(path), "--resume")) in (0, 3)
    assert faults.difference(path, whole) == ""
    capsys.readouterr()
    assert run(words(name, later, "--output", str(path), "--resume", "--json")) in (0, 3)
    document = json.loads(capsys.readouterr().out)
    said = rd.load(whole).as_dict()
    for one in (document, said, *document.get("results", ()), *said.get("results", ())):
        one.pop("timings", None)
    assert document == said
    assert faults.difference(path, whole) == ""


def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever computes a point fails."""

    def refused(*_: Any, **__: Any) -> Any:
        raise AssertionError("computed again")

    for place in (
        "replicadnn.theory.solve.solve_point",
        "replicadnn.questions.capacity.ask.closing",
        "replicadnn.questions.stability.scan",
        "replicadnn.questions.complexity._row",
        "replicadnn.questions.complexity.planted_range",
    ):
        monkeypatch.setattr(place, refused)


@pytest.mark.parametrize("name", ["solve", "generalisation", "capacity", "stability", "complexity"])
def test_nothing_is_computed_again(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, path = COMMANDS[name][0], str(tmp_path / "a.h5")
    assert run(words(name, asked, "--output", path)) == 0
    no_work(monkeypatch)
    monkeypatch.setenv("REPLICADNN_DEBUG", "1")
    with pytest.raises(AssertionError):
        run(words(name, asked))
    assert run(words(name, asked, "--output", path, "--resume")) == 0


def test_python_continues_an_earlier_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def press(done: int, total: int) -> None:
        if done == 2:
            os.kill(os.getpid(), signal.SIGINT)

    questions: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
        (rd.solve, ([9.0, 5.0, 3.0], 4)),
        (rd.capacity, ([3, 1, 2],)),
        (rd.stability, ([1.0, 1.5], [3, 1, 2])),
        (rd.generalisation, ([4.0, 2.0], [2, 1])),
    ]
    for question, arguments in questions:
        with pytest.raises(interrupt.Interrupted) as stopped:
            question(*arguments, progress=press)
        found = question(*arguments, known=stopped.value.partial)
        assert without_times(found) == without_times(question(*arguments))
        with monkeypatch.context() as patched:
            no_work(patched)
            assert without_times(question(*arguments, known=found)) == without_times(found)


def without_times(found: Any) -> str:
    document = found.as_dict()
    for one in (document, *document.get("results", ())):
        one.pop("timings", None)
    return json.dumps(document, sort_keys=True)


def test_an_interrupt_keeps_what_comes_later_in_the_list(tmp_path: Path) -> None:
    """L = 3 is in the file; an interrupt before L = 1 is done does not drop it."""
    known = rd.capacity(3)

    def press(_: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(interrupt.Interrupted) as stopped:
        rd.capacity([1, 2, 3], known=known, checkpoint=press)
    assert [p.L for p in stopped.value.partial] == [1, 3]


@pytest.mark.parametrize(
    ("name", "asked", "said"),
    [
        ("solve", "--L 5 --alpha 9,3", "L = 5: must be 4 to continue the earlier result"),
        ("solve", "--L 4 --alpha 9,3 --kappa 0.1", "kappa = 0.1: must be 0.0 to continue"),
        ("solve", "--L 4 --alpha 9,3 --branch equilibrium", "branch = 'equilibrium': must be auto"),
        ("solve", "--L 4 --alpha 9,3 --closure exact", "closure = 'exact': must be averaged"),
        ("solve", "--L 4 --alpha 9", "alpha = '3': is in the earlier result and must be asked for"),
        ("generalisation", "--L 3 --alpha 4,2", "L, alpha = (2, 2.0): is in the earlier result"),
        ("generalisation", "--L 2 --alpha 4,2 --beta 3", "beta = 3.0: must be inf"),
        ("capacity", "--L 1", "L, kappa = (3, 0.0): is in the earlier result and must be asked"),
        ("capacity", "--L 3 --ansatz rsb", "ansatz = 'rsb': must be rs to continue"),
        ("stability", "--L 3 --alpha 1", "alpha = 1.5: is in the earlier result and must be"),
        ("complexity", "--L 2 --alpha 5 --m 0.9", "alpha = 5.0: must be 6.0 to continue"),
        ("transitions", "--L 6 --kappa 0.1", "kappa = 0.1: must be 0.0 to continue"),
    ],
)
def test_another_study_is_not_continued(
    name: str, asked: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.h5"
    assert run(words(name, COMMANDS[name][0], "--output", str(path))) in (0, 3)
    before = path.read_bytes()
    capsys.readouterr()
    assert run(words(name, asked, "--output", str(path), "--resume")) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
    assert path.read_bytes() == before


def test_files_that_do_not_say_what_was_asked_are_not_continued(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(shutil.copy(data / "solve_v1.h5", tmp_path / "a.h5"))
    assert run(["solve", "--alpha", "3", "--L", "4", "--output", path, "--resume"]) == 2
    assert "of an older version': it does not say what was asked, so" in capsys.readouterr().err
    path = str(shutil.copy(data / "capacity_v1.h5", tmp_path / "b.h5"))
    assert run(["solve", "--alpha", "3", "--L", "4", "--output", path, "--resume"]) == 2
    assert "holds 'capacity' results, expected 'solve'" in capsys.readouterr().err


def test_what_did_not_converge_is_tried_again() -> None:
    good = rd.solve([3.0, 5.0], 4)
    bad = dataclasses.replace(good[0], status=Status.NOT_CONVERGED)
    found = rd.solve([3.0, 5.0], 4, known=rd.Solutions([bad, good[1]], good.provenance))
    assert found.converged
    assert found[1] is good[1]


def test_a_killed_run_that_was_continued_is_in_order(tmp_path: Path) -> None:
    """kill -9 leaves file and journal; the file may hold points from before and after others."""
    good = rd.solve([2.0, 3.0, 4.0, 5.0], 4)
    work = plan([2.0, 3.0, 4.0, 5.0], 4)
    path = tmp_path / "a.h5"
    writer = SolutionWriter(path, origin(work), overwrite=False, known={1: [good[1]]})
    writer.add(3, [good[3]])
    writer.add(0, [good[0]])
    assert writer._journal is not None
    writer._journal.close()
    assert journal.journal_path(path).exists()
    assert rd.load(path).alpha.tolist() == [2.0, 3.0, 5.0]
    asked = ["solve", "--alpha", "2,3,4,5", "--L", "4", "--output", str(path), "--resume"]
    assert run(asked) == 0
    assert not journal.journal_path(path).exists()
    found = rd.load(path)
    assert [s.alpha for s in found] == [2.0, 3.0, 4.0, 5.0]
    assert all(np.array_equal(a.q, b.q) for a, b in zip(found, good, strict=True))


def test_a_study_of_the_sampler_takes_more_widths(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["mc-simulate", "--L", "1", "--alpha", "2", "--sweeps", "40", "--samples", "2"]
    path, whole = tmp_path / "a.h5", tmp_path / "whole.h5"
    assert run([*asked, "--N", "6", "--output", str(path)]) == 0
    assert run([*asked, "--N", "6,8", "--output", str(path), "--resume"]) == 0
    assert run([*asked, "--N", "6,8", "--output", str(whole)]) == 0
    assert faults.difference(path, whole) == ""
    capsys.readouterr()
    assert run([*asked, "--N", "8", "--output", str(path), "--resume"]) == 2
    assert "made with N = [6, 8] (one number a run); more come behind" in capsys.readouterr().err


@pytest.mark.slow
def test_a_sweep_continues_with_and_without_the_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "a.h5")
    for alpha, more, computed in (("2", (), 1), ("2,3", ("--resume",), 1), ("2,3", (), 0)):
        asked = ["sweep", "--alpha", alpha, "--L", "2", "--workers", "1", "--output", path, *more]
        assert run(asked) == 0
        assert f"({computed} computed now)" in capsys.readouterr().out
    assert run([*asked, "--resume", "--overwrite"]) == 2
