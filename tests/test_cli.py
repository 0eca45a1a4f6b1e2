"""The command line: contracts, exit codes, one-line errors, no traceback for anything typed."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replicadnn.cli.main import run
from replicadnn.cli.options import NumberList

from replicadnn.errors import WriteError

SOLVE_KEYS = {
    "alpha", "L", "scenario", "ansatz", "kappa", "status", "converged", "residual", "branch",
    "other_branches", "free_entropy", "q_ea", "Q_ea", "x", "q", "Q", "eps_g", "certificate",
    "timings",
}  # fmt: skip
CERTIFICATE_KEYS = {
    "residual", "mass_error", "ds_dm_max", "ds_dq_max", "unstable_liquid_layers",
}  # fmt: skip


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = run(list(args))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def one_line(err: str) -> bool:
    return err.startswith("Error: ") and err.count("\n") == 1 and "Traceback" not in err


def test_json_contract(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "solve", "--alpha", "100,25", "--L", "20", "--json")
    assert code == 0
    results = json.loads(out)["results"]
    assert [r["alpha"] for r in results] == [100.0, 25.0]
    for r in results:
        assert set(r) >= SOLVE_KEYS
        assert set(r["certificate"]) >= CERTIFICATE_KEYS
        assert len(r["q_ea"]) == 21
        assert len(r["Q_ea"]) == 20
        assert len(r["q"]) == 21
        assert len(r["q"][0]) == len(r["x"]) == 1
        assert r["status"] == "converged"
        assert r["ansatz"] == "rs"
        assert all(set(b) == {"branch", "free_entropy"} for b in r["other_branches"])
    assert results[1]["q_ea"][1] == pytest.approx(0.54243096, abs=1e-6)


def test_tables_name_a_closure_that_is_not_the_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The table alone says which theory its numbers are of; each failure is explained."""
    for command in (
        ["solve", "--alpha", "2", "--L", "2"],
        ["generalisation", "--alpha", "2", "--L", "2"],
        ["stability", "--alpha", "1", "--L", "2"],
        ["capacity", "--L", "1"],
        ["transitions", "--L", "2", "--ansatz", "rs"],
    ):
        assert run([*command, "--closure", "exact"]) == 0
        assert capsys.readouterr().out.splitlines()[0] == "closure exact"
        assert run(command) == 0
        assert "closure" not in capsys.readouterr().out
    ended = ["--alpha", "23", "--L", "4", "--closure", "exact", "--branch", "continuous"]
    assert run(["generalisation", *ended]) == 3
    assert "L = 4, alpha = 23: the continuous branch ends" in capsys.readouterr().err


def test_transitions_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """L = 4, exact neurons: the liquid that is left is layer 1; L = 5, random: beyond the bound."""
    assert run(["transitions", "--L", "4", "--closure", "exact"]) == 0
    said = capsys.readouterr()
    assert "centre" not in said.out
    assert "last liquid layer becomes solid at 19.384997" in said.out
    assert "equal s at 19.370359" in said.out
    assert "; q(1) 0.8321 -> 0.9999" in said.out
    assert run(["transitions", "--L", "5", "--closure", "exact", "--scenario", "random"]) == 0
    assert "layers 2..1: alpha > 32.13, no network" in capsys.readouterr().err


def test_files_and_figure(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    h5, png = str(tmp_path / "a.h5"), str(tmp_path / "a.png")
    code, out, err = call(
        capsys, "solve", "--alpha", "5:20:3:log", "--L", "4", "--output", h5, "--plot", png
    )
    assert code == 0
    assert "written" in err
    assert out.count("converged") == 3
    assert Path(png).read_bytes().startswith(b"\x89PNG")
    code, out, _ = call(capsys, "info", h5)
    assert code == 0
    assert "points: 3, converged: 3" in out
    assert "version" in out
    code, out, _ = call(capsys, "info", h5, "--json")
    assert len(json.loads(out)["points"]) == 3
    code, _, _ = call(capsys, "plot", "profile", h5, "-o", str(tmp_path / "b.png"))
    assert code == 0
    code, _, err = call(capsys, "solve", "--alpha", "5", "--L", "4", "--output", h5)
    assert code == 2
    assert one_line(err)


def test_exit_code_of_an_unsolved_point(capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "solve",
        "--alpha",
        "3",
        "--L",
        "1",
        "--scenario",
        "random",
        "--ansatz",
        "rs",
        "--json",
    ]
    code, out, _ = call(capsys, *words)
    result = json.loads(out)["results"][0]
    assert code == 3
    assert not result["converged"]
    assert result["free_entropy"] is None


RANDOM = ("--scenario", "random")


@pytest.mark.parametrize(
    "args",
    [
        ["solve", "--alpha", "-1", "--L", "4"],
        ["solve", "--alpha", "0", "--L", "4"],
        ["solve", "--alpha", "nan", "--L", "4"],
        ["solve", "--alpha", "", "--L", "4"],
        ["solve", "--alpha", "1:2", "--L", "4"],
        ["solve", "--alpha", "0:2:5:log", "--L", "4"],
        ["solve", "--alpha", "1:2:0", "--L", "4"],
        ["solve", "--alpha", "5", "--L", "0"],
        ["solve", "--alpha", "5", "--L", "x"],
        ["solve", "--alpha", "5"],
        ["solve", "--alpha", "5", "--L", "4", "--scenario", "glass"],
        ["solve", "--alpha", "5", "--L", "4", "--ansatz", "frsb"],
        ["solve", "--alpha", "5", "--L", "4", "--branch", "best"],
        ["solve", "--alpha", "5", "--L", "4", "--beta", "0"],
        ["solve", "--alpha", "5", "--L", "4", "--kappa", "nan"],
        ["solve", "--alpha", "5", "--L", "4", "--tol", "0"],
        ["solve", "--alpha", "5", "--L", "4", "--output", "/no/such/folder/a.h5"],
        ["solve", "--alpha", "5", "--L", "4", "--plot", "/no/such/folder/a.png"],
        ["solve", "--alpha", "5", "--L", "4", "--config", "/no/such/file.toml"],
        ["solve", "--alpha", "5", "--L", "4", "--what"],
        ["solve", "--alpha", "5", "--L", "4", "--closure", "exakt"],
        ["solve", "--alpha", "5", "--L", "4", "--closure", "exact", "--kappa", "0.1"],
        ["transitions", "--L", "4", "--closure", "exakt"],
        ["transitions", "--L", "4", "--closure", "exact", "--kappa", "0.1"],
        ["generalisation", "--L", "2", "--alpha", "3", "--closure", "exakt"],
        ["generalisation", "--L", "2", "--alpha", "3", "--closure", "exact", "--kappa", "0.1"],
        ["stability", "--L", "2", "--alpha", "3", "--closure", "exakt"],
        [
            "stability",
            "--L",
            "2",
            "--alpha",
            "3",
            "--closure",
            "exact",
            "--kappa",
            "0,0.1",
            "--scenario",
            "teacher-student",
        ],
        ["capacity", "--L", "2", "--closure", "exakt"],
        ["capacity", "--L", "2", "--kappa", "0.2", "--closure", "exact", "--ansatz", "rsb"],
        ["complexity", "--L", "3", "--alpha", "8", "--closure", "exact"],
        ["sweep", "--L", "2", "--alpha", "3", "--closure", "averaged,exakt", "--output", "a.h5"],
        [
            "sweep",
            "--task",
            "mc",
            "--L",
            "2",
            "--alpha",
            "3",
            "--N",
            "4",
            "--closure",
            "exact",
            "--output",
            "a.h5",
        ],
        ["info", "/no/such/file.h5"],
        ["plot", "profile", "/no/such/file.h5"],
        ["plot", "nothing", "a.h5"],
        ["plot", "profile", "."],
        ["sweep", "--output", "a.h5"],
        ["resolve"],
    ],
)
def test_mistakes(
    args: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, *args)
    assert code == 2
    assert one_line(err), err
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_figure_ending_is_checked_before_computing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, err = call(
        capsys, "solve", "--alpha", "5", "--L", "4", "--output", str(tmp_path / "a.h5"),
        "--plot", str(tmp_path / "a.xyz"),
    )  # fmt: skip
    assert code == 2
    assert one_line(err)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("args", "expected", "needs"),
    [
        (["transitions", "--L", "1"], 2, "at least one layer with a threshold"),
        (
            ["solve", "--alpha", "3", "--L", "1", "--scenario", "random", "--ansatz", "rs"],
            3, "at least one converged point",
        ),
    ],
)  # fmt: skip
def test_result_that_cannot_be_drawn_is_saved_and_printed(
    args: list[str], expected: int, needs: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    h5, png = tmp_path / "a.h5", tmp_path / "a.png"
    code, out, err = call(capsys, *args, "--json", "--output", str(h5), "--plot", str(png))
    assert code == expected
    assert json.loads(out)
    assert f"no figure: it needs {needs}\n" in err
    assert h5.exists()
    assert not png.exists()


def test_figure_that_cannot_be_written_costs_no_result(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from replicadnn import plot

    def full(found: object, path: str, *, overwrite: bool) -> Path:
        raise WriteError(path, "cannot be written (No space left on device)")

    monkeypatch.setattr(plot, "save_profile", full)
    png = str(tmp_path / "a.png")
    code, out, err = call(capsys, "solve", "--alpha", "5", "--L", "4", "--plot", png, "--json")
    assert code == 1
    assert json.loads(out)["results"][0]["converged"]
    assert err == f"no figure: {png}: cannot be written (No space left on device)\n"


def test_figure_does_not_replace_the_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    same = str(tmp_path / "a.png")
    code, _, err = call(
        capsys, "transitions", "--L", "4", "--output", same, "--plot", same, "--overwrite"
    )
    assert code == 2
    assert one_line(err)
    assert not Path(same).exists()


def test_help_without_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    for args in ([], ["plot"]):
        code, out, err = call(capsys, *args)
        assert (code, out) == (2, "")
        assert err.startswith("Usage: replicadnn")
        assert "\n  profile " in err or "\n  solve " in err


words = st.text(
    alphabet=st.characters(codec="utf-8", exclude_characters="\0"), min_size=0, max_size=12
)


typed = [
    "solve",
    "info",
    "plot",
    "profile",
    "--alpha",
    "--L",
    "--json",
    "2",
    "-1",
    "--branch",
    "--beta",
    "--kappa",
    "--tol",
    "1:3:2",
    "random",
    "--scenario",
]


@given(args=st.lists(st.one_of(st.sampled_from(typed), words), max_size=6))
def test_anything_typed(
    args: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    code, _, err = call(capsys, *args)
    assert code in (0, 2, 3)
    assert "Traceback" not in err
    assert "unexpected" not in err


@given(text=st.text(alphabet="0123456789.,:-+elognaif ", max_size=14))
def test_number_lists(text: str) -> None:
    import click

    try:
        numbers = NumberList().convert(text, None, None)
    except click.BadParameter:
        return
    assert all(math.isfinite(x) for x in numbers)


def test_number_list_values() -> None:
    convert = NumberList().convert
    assert convert("1, 2,5", None, None) == [1.0, 2.0, 5.0]
    assert convert("1:3:3", None, None) == [1.0, 2.0, 3.0]
    assert convert("1:100:3:log,7", None, None) == pytest.approx([1.0, 10.0, 100.0, 7.0])


def test_config_and_environment(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "c.toml"
    config.write_text('alpha = [5, 6.5]\nL = 4\n[solve]\nscenario = "teacher-student"\n')
    code, out, _ = call(capsys, "solve", "--config", str(config), "--json")
    results = json.loads(out)["results"]
    assert code == 0
    assert [r["alpha"] for r in results] == [5.0, 6.5]
    code, out, _ = call(capsys, "solve", "--config", str(config), "--L", "3", "--json")
    assert json.loads(out)["results"][0]["L"] == 3
    config.write_text("alhpa = 5\n")
    code, _, err = call(capsys, "solve", "--config", str(config), "--L", "3")
    assert code == 2
    assert "unknown key 'alhpa'" in err
    monkeypatch.setenv("REPLICADNN_SOLVE_L", "5")
    code, out, _ = call(capsys, "solve", "--alpha", "5", "--json")
    assert json.loads(out)["results"][0]["L"] == 5


def _start(*args: str, cwd: Path, **extra: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "replicadnn.cli.main", *args], cwd=cwd, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ.copy(), **extra,
    )  # fmt: skip


def test_interrupt_saves_what_is_done(tmp_path: Path) -> None:
    process = _start(
        "solve", "--alpha", "3:90:5000", "--L", "1000", "--output", "a.h5", cwd=tmp_path
    )
    journal = tmp_path / "a.h5.journal"
    deadline = time.monotonic() + 120.0
    while not (journal.exists() and journal.stat().st_size > 1000):  # the first points are safe
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    import replicadnn as rd

    done = rd.load(tmp_path / "a.h5")
    assert 0 < len(done) < 5000
    assert done.converged


def test_help_is_light() -> None:
    """The help text must not import the numerical libraries (speed: scripts/bench.py)."""
    code = (
        "import sys; from replicadnn.cli.main import run; run(['--help']); "
        "sys.exit('numpy' in sys.modules or 'numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0


def test_table_of_a_store_is_light(data: Path) -> None:
    """Neither the solvers nor what reads and writes results: it opens in a tenth of a second."""
    code = (
        "import sys; from replicadnn.cli.main import run; "
        f"code = run(['info', {str(data / 'sweep_v1.h5')!r}]); "
        "sys.exit(code or 'scipy' in sys.modules or 'numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0


def test_cite_agrees_with_the_citation_file(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "cite")
    assert code == 0
    cff = (Path(__file__).parents[1] / "CITATION.cff").read_text(encoding="utf-8")
    for entry in re.findall(r'^ +(?:doi|start|year|volume): "?([^"\n]+)"?$', cff, re.M):
        assert f"{{{entry}}}" in out
    version = re.search(r"^version: (.*)$", cff, re.M)
    assert version is not None
    assert f"version = {{{version.group(1)}}}" in out
    assert out.count("{") == out.count("}")
