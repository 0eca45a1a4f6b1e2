"""``rd.simulate`` does what ``mc-simulate`` does: widths, starts, ladders, files, Ctrl-C."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from replicadnn.cli.main import run as command

import replicadnn as rd
from replicadnn.kernels._parts import LINE
from replicadnn.montecarlo.runs.result import RunStatus
from replicadnn.montecarlo.runs.simulate import two_sided
from replicadnn.montecarlo.runs.tempering import temper

HOW: dict[str, Any] = {"beta": 2.0, "sweeps": 40, "samples": 2, "seed": 3}


def test_several_widths_and_connectivities_are_runs_of_one_each() -> None:
    runs = rd.simulate(3, 2, N=(6, 8), connectivity=[3, 6], **HOW)
    assert isinstance(runs, rd.Runs)
    assert [(r.spec.N, r.spec.connectivity) for r in runs] == [(6, 3), (6, 6), (8, 3), (8, 6)]
    assert runs[0] == rd.simulate(3, 2, N=6, connectivity=3, **HOW)
    assert runs[1] == rd.simulate(3, 2, N=6, **HOW)
    alone = rd.simulate(3, 2, N=np.array([6]), **HOW)
    assert isinstance(alone, rd.Runs)
    assert alone[0] == runs[1]


def test_both_starts_are_run_and_compared() -> None:
    planted, random = rd.simulate(3, 2, N=6, start="both", **HOW)
    assert (planted.spec.start, random.spec.start) == ("planted", "random")
    statement, first, second = two_sided(3, 2, N=6, **HOW)
    assert planted == first
    assert random.equilibrium == statement.message != second.equilibrium
    np.testing.assert_array_equal(random.C_J, second.C_J)


def test_a_ladder_is_replica_exchange() -> None:
    found = rd.simulate(3, 2, N=4, tempering=[1.0, 2.0], every=5, sweeps=40, samples=2, seed=3)
    assert isinstance(found, rd.TemperingResult)
    same = temper(3, 2, N=4, betas=[1.0, 2.0], rounds=8, every=5, samples=2, seed=3)
    assert found == same
    both = rd.simulate(3, 2, N=4, tempering=(1, 2), start="both", sweeps=40, samples=2)
    assert [r.spec.start for r in both] == ["planted", "random"]


def test_a_run_that_was_stopped_goes_on_from_its_file_to_the_same_bits(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    cut = rd.simulate(3, 2, N=[4, 5], output=path, time_limit=0.0, **HOW)
    assert not cut.finished
    assert cut[0].status is RunStatus.STOPPED
    whole = rd.simulate(3, 2, N=[4, 5], output=path, resume=True, **HOW)
    assert whole.finished
    assert whole == rd.simulate(3, 2, N=[4, 5], **HOW)
    assert rd.load(path) == whole
    longer = HOW | {"sweeps": 60}
    assert rd.simulate(3, 2, N=[4, 5], output=path, resume=True, **longer) == rd.simulate(
        3, 2, N=[4, 5], **longer
    )


def test_python_and_the_command_line_write_the_same_run(tmp_path: Path) -> None:
    there, here = tmp_path / "there.h5", tmp_path / "here.h5"
    words = [
        "--L",
        "2",
        "--N",
        "4,5",
        "--alpha",
        "3",
        "--beta",
        "2",
        "--sweeps",
        "40",
        "--samples",
        "2",
        "--seed",
        "3",
    ]
    assert command(["mc-simulate", *words, "--output", str(there)]) == 0
    rd.simulate(3, 2, N=[4, 5], output=here, **HOW)
    assert rd.load(there) == rd.load(here)


#: In a process of its own: signals belong to a process.
STOPPED = """
import signal
import replicadnn as rd
from replicadnn import interrupt

how = dict(beta=1.0, sweeps=10**7, samples=2)

def press(done, total):
    if done and not interrupt.requested():
        signal.raise_signal(signal.SIGINT)

def stopped(N, **options):
    try:
        rd.simulate(3, 2, N=N, progress=press, **options, **how)
    except interrupt.Interrupted as caught:
        return caught.partial

one = stopped(4, output="a.h5")
assert 0 < one.sweeps_done < 10**7
assert rd.load("a.h5")[0] == one
assert [r.spec.N for r in stopped([4, 5])] == [4]
"""


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STOPPED], cwd=tmp_path, capture_output=True, text=True, timeout=100
    )
    assert (done.returncode, done.stderr.replace(f"{LINE}\n", "")) == (0, "")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"resume": True}, "resume = 'without an output': needs the output file to continue"),
        ({"overwrite": True}, "overwrite = 'without an output': needs the output file to replace"),
        ({"tempering": 3.0}, "tempering = 3.0: two or more ascending numbers above 0"),
        ({"tempering": "hot"}, "tempering = 'hot': two or more ascending numbers above 0"),
        (
            {"tempering": [2.0, 1.0]},
            "tempering = [2.0, 1.0]: two or more ascending numbers above 0",
        ),
        ({"every": 5}, "every = 5: only with tempering"),
        ({"N": "20"}, "N = '20': a whole number from 2 to 100000"),
        ({"N": []}, "N = []: at least one number"),
        ({"N": [4, 5.5]}, "N = 5.5: a whole number from 2 to 100000"),
        ({"connectivity": [9]}, "connectivity = 9: a whole number from 2 to 4"),
        ({"start": "hot"}, "start = 'hot': one of both, planted, random"),
        ({"threads": 0}, "threads = 0: a whole number from 1 to 4096"),
        ({"time_limit": -1}, "time_limit = -1: seconds, 0 or more"),
    ],
)
def test_mistakes(change: dict[str, Any], line: str) -> None:
    with pytest.raises(rd.InputError) as caught:
        rd.simulate(3, 2, **({"N": 4} | HOW | {"beta": None} | change))
    assert str(caught.value) == line


def test_a_message_is_in_the_words_of_python_here_and_of_the_command_line_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = rd.simulate(3, 2, N=4, **HOW).save(tmp_path / "a.h5")
    with pytest.raises(rd.FileError) as caught:
        rd.simulate(3, 2, N=4, output=path, **HOW)
    assert str(caught.value) == f"{path}: exists already (use overwrite=True to replace it)"
    solved = rd.solve(2.0, 2).save(tmp_path / "b.h5")
    words = ["capacity", "--L", "1", "--output", str(solved)]
    assert command(words) == 2
    assert capsys.readouterr().err == (
        f"Error: {solved}: exists already (--resume continues it, --overwrite replaces it)\n"
    )
