"""``mc-simulate``: contract, files, kill and resume, interruption, mistakes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn.storage.locking import lock

pytestmark = pytest.mark.usefixtures("compiled")

KEYS = {
    "params", "times", "C_J", "C_J_err", "C_S", "C_S_err", "tau_J", "tau_J_err", "tau_S",
    "tau_S_err", "energy", "acceptance", "R",
}  # fmt: skip
SMALL = ("mc-simulate", "--L", "3", "--N", "6", "--alpha", "4", "--samples", "2")


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = run(list(args))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def one_line(err: str) -> bool:
    return err.startswith("Error: ") and err.count("\n") == 1 and "Traceback" not in err


def test_json_contract(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, *SMALL, "--sweeps", "200", "--json")
    assert code == 0
    document = json.loads(out)
    assert set(document) >= KEYS
    T = len(document["times"])
    assert np.shape(document["C_J"]) == np.shape(document["C_J_err"]) == (3, T)
    assert np.shape(document["C_S"]) == np.shape(document["C_S_err"]) == (2, T)
    assert len(document["tau_J"]) == len(document["R"]) == 3
    assert len(document["tau_S"]) == 2
    assert document["params"]["beta"] == 3.0
    assert document["status"] == "complete"
    assert "--beta 3 is used" in err


def test_tau_not_reached_is_null_with_a_bound(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("mc-simulate", "--L", "3", "--N", "8", "--alpha", "20", "--beta", "5")
    code, out, _ = call(capsys, *words, "--sweeps", "4", "--samples", "2", "--json")
    assert code == 0
    document = json.loads(out)
    assert document["tau_J"] == [None] * 3
    assert document["tau_J_bound"] == [4.0] * 3
    code, out, _ = call(capsys, *words, "--sweeps", "4", "--samples", "2")
    assert "> 4" in out


def test_default_beta_of_one_layer_is_hard(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("mc-simulate", "--L", "1", "--N", "8", "--alpha", "2", "--samples", "2")
    code, out, err = call(capsys, *words, "--sweeps", "50", "--json")
    assert code == 0
    assert json.loads(out)["params"]["beta"] == "inf"
    assert json.loads(out)["energy"] == [0.0]
    assert json.loads(out)["C_S"] == []
    assert "--beta inf is used" in err


def test_weights_sampler_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    words = (*SMALL, "--sampler", "weights", "--beta", "inf", "--start", "random")
    code, out, _ = call(capsys, *words, "--sweeps", "20")
    assert code == 0
    assert "weights sampler, beta = inf, random start" in out
    code, out, _ = call(capsys, *words, "--sweeps", "20", "--json")
    assert json.loads(out)["acceptance"]["S"] == [None, None]


def test_random_start_is_compared_after_matching(capsys: pytest.CaptureFixture[str]) -> None:
    words = (*SMALL, "--beta", "2", "--sweeps", "20")
    for start, head in (("planted", " R "), ("random", " R matched ")):
        code, out, _ = call(capsys, *words, "--start", start)
        assert code == 0
        assert head in out.splitlines()[3]
        assert "error on fresh inputs" in out


def test_several_widths_in_one_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    words = ("mc-simulate", "--L", "2", "--N", "4,5,6", "--alpha", "3", "--beta", "1")
    words += ("--samples", "3", "--sweeps", "300", "--output", str(path), "--json")
    code, out, _ = call(capsys, *words)
    assert code == 0
    document = json.loads(out)
    assert [r["params"]["N"] for r in document["runs"]] == [4, 5, 6]
    fit = document["growth"]["tau_S"][0]
    assert fit["z_err"] > 0
    loaded = rd.load(path)
    assert loaded.finished
    assert [json.loads(json.dumps(r.to_json())) for r in loaded] == document["runs"]
    code, out, _ = call(capsys, "info", str(path))
    assert code == 0
    assert "runs: 3" in out
    code, out, _ = call(capsys, "info", str(path), "--json")
    assert [r["N"] for r in json.loads(out)["runs"]] == [4, 5, 6]
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]  # no lock, no temporary left


def test_tempering_reports_swaps_and_round_trips(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ("mc-simulate", "--L", "2", "--N", "3", "--alpha", "2", "--scenario", "random")
    words += ("--tempering", "0.5:2:4:log", "--sweeps", "600", "--every", "2", "--samples", "2")
    code, out, _ = call(capsys, *words, "--json", "--output", str(tmp_path / "t.h5"))
    assert code == 0
    document = json.loads(out)
    assert set(document) >= KEYS
    assert document["tau_J"] is None
    assert document["betas"] == pytest.approx([0.5, 0.7937, 1.2599, 2.0], abs=1e-4)
    assert all(0.1 < rate < 1.0 for rate in document["swap_acceptance"])
    assert len(document["round_trips"]) == 2
    assert min(document["round_trips"]) > 0
    again = rd.load(tmp_path / "t.h5")[0].to_json()
    assert {k: document[k] for k in again} == json.loads(json.dumps(again))
    code, out, _ = call(capsys, *words)
    assert "round trips" in out
    code, _, err = call(capsys, "plot", "relaxation", str(tmp_path / "t.h5"))
    assert code == 2
    assert one_line(err)
    assert "replica exchange" in err


def test_hard_constraint_on_top_of_a_ladder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ("mc-simulate", "--L", "1", "--N", "6", "--alpha", "1", "--samples", "2")
    words += ("--tempering", "2:6:3,inf", "--sweeps", "300", "--start", "random")
    words += ("--replicas", "2", "--output", str(tmp_path / "t.h5"))
    code, out, _ = call(capsys, *words, "--json")
    assert code == 0
    document = json.loads(out)
    assert document["betas"] == [2.0, 4.0, 6.0, "inf"]
    assert document["params"]["beta"] == "inf"
    assert document["energy"][-1] == [0.0]
    assert np.shape(document["Q_matched_err"]) == (1,)
    assert 0.0 < rd.load(tmp_path / "t.h5")[0].last_octave["test_error"][0] < 0.5
    assert document["equilibrium"] == document["message"]
    code, _, _ = call(capsys, *words, "--resume")
    assert code == 0
    code, out, _ = call(capsys, "info", str(tmp_path / "t.h5"))
    assert "tempering" in out
    words = ("mc-simulate", "--L", "2", "--N", "6", "--alpha", "1", "--tempering", "1,inf")
    code, _, err = call(capsys, *words)
    assert code == 2
    assert one_line(err)


def test_both_starts_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("mc-simulate", "--L", "3", "--N", "10", "--alpha", "20", "--beta", "5")
    code, out, _ = call(
        capsys, *words, "--start", "both", "--samples", "6", "--sweeps", "300", "--json"
    )
    assert code == 0
    planted, random = json.loads(out)["runs"]
    assert planted["params"]["start"] == "planted"
    assert random["equilibrium"].startswith("not shown: in both runs R_matched not relaxed")
    assert planted["R_matched"] == random["R_matched"] == [None] * 3
    assert planted["R_matched_bound"][0] > random["R_matched_bound"][0]


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--N", "1"], "N = 1"),
        (["--N", "10.5"], "N = 10.5"),
        (["--N", ""], "--N"),
        (["--L", "0"], "L = 0"),
        (["--beta", "0"], "beta = 0.0"),
        (["--beta", "-1"], "beta = -1.0"),
        (["--beta", "nan"], "beta = nan"),
        (["--beta", "inf"], "beta = inf"),
        (["--alpha", "nan"], "alpha = nan"),
        (["--alpha", "1e-5"], "alpha = 1e-05"),
        (["--sweeps", "0"], "sweeps = 0"),
        (["--samples", "0"], "samples = 0"),
        (["--threads", "0"], "threads = 0"),
        (["--seed", "-1"], "seed = -1"),
        (["--time-limit", "nan"], "time-limit = nan"),
        (["--scenario", "glass"], "scenario"),
        (["--sampler", "x"], "sampler"),
        (["--start", "warm"], "start = 'warm': one of both, planted, random"),
        (["--scenario", "random", "--start", "both"], "start = 'planted'"),
        (["--potential", "soft"], "potential"),
        (["--tempering", "2,1"], "tempering"),
        (["--tempering", "1,2", "--beta", "3"], "beta = 3.0"),
        (["--tempering", "1,2", "--sweeps", "5"], "sweeps = 5"),
        (["--tempering", "1,2", "--every", "0"], "every = 0"),
        (["--every", "10"], "every = 10: only with tempering"),
        (["--overwrite"], "overwrite"),
        (["--test-patterns", "-1"], "test-patterns = -1"),
        (["--N", "90000", "--alpha", "100"], "N = 90000: smaller"),
        (["--resume"], "resume"),
        (["--output", "/no/such/folder/a.h5"], "/no/such/folder"),
        (["--output", "a.h5", "--resume", "--overwrite"], "overwrite"),
    ],
)
def test_mistakes(
    args: list[str], named: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    beta = () if "--tempering" in args else ("--beta", "2")
    code, out, err = call(capsys, *SMALL, *beta, *args)
    assert code == 2
    assert one_line(err), err
    assert named in err
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_resume_with_other_parameters(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = str(tmp_path / "a.h5")
    words = (*SMALL, "--beta", "2", "--sweeps", "50", "--output", path)
    assert call(capsys, *words)[0] == 0
    before = Path(path).read_bytes()
    code, _, err = call(capsys, *words)
    assert code == 2
    assert "exists already" in err
    for change, named in (
        (("--beta", "1"), "beta = 1.0: must be 2.0"),
        (("--seed", "7"), "seed = 7: must be 0"),
        (("--sweeps", "49"), "sweeps = 49: at least 50, which are made, to resume a.h5"),
        (("--seed", "7"), "for another run take another output file"),
        (("--N", "7"), "N = [6]"),
        (("--step", "0.1"), "step = 0.1: must be None"),
        (("--tempering", "1,2"), "relaxation run"),
    ):
        code, _, err = call(capsys, *words, *change, "--resume")
        assert code == 2
        assert one_line(err)
        assert named in err
    code, out, err = call(capsys, *words, "--resume")
    assert code == 0
    assert "tau_S" in out
    assert f"nothing to do: {path} is finished" in err
    assert "--resume with more --sweeps makes it longer" in err
    assert "written" not in err
    assert Path(path).read_bytes() == before
    assert call(capsys, *words, "--overwrite")[0] == 0
    assert Path(path).read_bytes() != before
    (tmp_path / "foreign.h5").write_text("no")
    code, _, err = call(capsys, *SMALL, "--output", str(tmp_path / "foreign.h5"), "--resume")
    assert code == 2
    assert one_line(err.splitlines(keepends=True)[-1])


def test_file_in_use(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    code_text = (
        "import sys, time\nfrom replicadnn.storage.locking import lock\n"
        "with lock(sys.argv[1]):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code_text, str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        words = (*SMALL, "--beta", "2", "--sweeps", "5", "--output", str(path))
        code, _, err = call(capsys, *words)
        assert code == 2
        assert one_line(err)
        assert "in use" in err
    finally:
        other.kill()
        other.communicate()
    code, _, _ = call(capsys, *words)  # the system freed the lock of the dead process
    assert code == 0
    with lock(path), pytest.raises(rd.FileError, match="in use"), lock(path):
        pass


def _start(*args: str, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "replicadnn.cli.main", *args], cwd=cwd, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ.copy(),
    )  # fmt: skip


def _sums(path: Path) -> dict[str, str]:
    """Checksums of all series and states: equal if and only if every number is."""
    with h5py.File(path) as file:
        return {
            f"{part}/{name}": group.attrs["sha256"]
            for part in ("series", "state")
            for name, group in file[part].items()
        }


LONG = ("mc-simulate", "--L", "3", "--N", "8,9", "--alpha", "6", "--beta", "2", "--samples", "2")
LONG = (*LONG, "--sweeps", "20000", "--seed", "3")
KILLED = """
import sys
from replicadnn.montecarlo.runs import drive, study
drive.BLOCK_SECONDS = 0.01
study.SAVE_SHARE = 1e9
study.run_study.__kwdefaults__["save_every"] = 0.0
from replicadnn.cli.main import main
main()
"""


@pytest.mark.slow
def test_kill_and_resume_ends_bit_identical(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """kill -9 three times, while checkpoints are written all the time; read in between."""
    through, cut = tmp_path / "through.h5", tmp_path / "cut.h5"
    assert call(capsys, *LONG, "--output", str(through))[0] == 0
    kills = 0
    errors = (tmp_path / "errors.txt").open("w+")
    for pause in (0.0, 0.4, 0.3):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, *LONG, "--output", str(cut), "--resume"],
            stdout=subprocess.DEVNULL, stderr=errors,
        )  # fmt: skip
        before = cut.stat().st_mtime_ns if cut.exists() else 0
        deadline = time.monotonic() + 60
        while not (cut.exists() and cut.stat().st_mtime_ns != before):
            assert time.monotonic() < deadline
            assert process.poll() is None, (tmp_path / "errors.txt").read_text()
            time.sleep(0.01)
        time.sleep(pause)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
        rd.load(cut)  # the last complete checkpoint
    errors.close()
    (tmp_path / "errors.txt").unlink()
    assert kills >= 2
    assert not rd.load(cut).finished
    code, _, _ = call(capsys, *LONG, "--output", str(cut), "--resume", "--threads", "2")
    assert code == 0
    assert _sums(cut) == _sums(through)
    assert len(_sums(cut)) == 4
    assert rd.load(cut).finished
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {"through.h5", "cut.h5"}  # what the killed writers left is gone


@pytest.mark.slow
def test_interrupt_saves_and_resumes(tmp_path: Path) -> None:
    """Ctrl-C: exit code 130, a readable file, and a time limit ends with code 3."""
    words = ("mc-simulate", "--L", "2", "--N", "8", "--alpha", "4", "--samples", "1")
    words += ("--sweeps", "1000000000", "--output", "a.h5", "--json")
    process = _start(*words, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not (tmp_path / "a.h5").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first = rd.load(tmp_path / "a.h5")  # readable while the run goes on
    assert not first.finished
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert json.loads(out)["status"] == "stopped"
    done = rd.load(tmp_path / "a.h5")[0].params["sweeps_done"]
    assert done > 0
    process = _start(*words, "--resume", "--time-limit", "0.5", cwd=tmp_path)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "time limit" in err
    assert json.loads(out)["params"]["sweeps_done"] > done


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
@pytest.mark.slow
def test_progress_on_a_terminal(tmp_path: Path) -> None:
    """A bar for every width on stderr: sweeps per second, remaining time; stdout stays clean."""
    words = ("mc-simulate", "--L", "2", "--N", "6,8", "--alpha", "4", "--beta", "2", "--json")
    words += ("--samples", "2", "--sweeps", "40000")
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "replicadnn.cli.main", *words], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # Linux says so when the other side has closed
        while chunk := os.read(ours, 4096):
            seen += chunk
    out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0
    assert [run["params"]["N"] for run in json.loads(out)["runs"]] == [6, 8]
    bars = seen.decode().split("\r")
    for head in ("N = 6 (1/2)", "N = 8 (2/2)"):
        drawn = [bar for bar in bars if head in bar]
        assert drawn
        # done/total [elapsed<remaining, rate]
        assert any(
            re.search(r"\d+/40000 \[\d\d:\d\d<\d\d:\d\d, +[\d.]+k?sweep/s\]", b) for b in drawn
        )


def test_no_progress_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, *SMALL, "--beta", "2", "--sweeps", "200", "--json")
    assert code == 0
    assert err == ""
