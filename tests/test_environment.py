"""What surrounds the program: the cache of compiled kernels, and the system it runs on."""

from __future__ import annotations

import copy
import errno
import importlib.util
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import pytest
from numba.core.caching import CompileResultCacheImpl
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn.kernels import _cache, _parts

SMALL = """
from replicadnn.kernels._jit import jit_strict

@jit_strict
def half(x):
    return x / 2

@jit_strict
def quarter(x):
    return half(x) / 2
"""
POINT = ("solve", "--alpha", "4", "--L", "2")
#: Replica-symmetric free entropy at that point, teacher-student.
ENTROPY = -0.64475329


# --- the cache of compiled kernels ---------------------------------------------------------

Fresh = Callable[[], Any]


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fresh:
    """Two kernels as a new process would import them, with a cache of their own."""
    source = tmp_path / "small.py"
    source.write_text(SMALL)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(_cache, "_said", set())

    def load() -> Any:
        found = importlib.util.spec_from_file_location("small", source)
        assert found is not None
        assert found.loader is not None
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
        return module

    return load


def entries(folder: Path, name: str = "") -> list[Path]:
    return sorted(file for file in folder.glob("cache/**/*.nbc") if name in file.name)


def hits(kernel: Any) -> int:
    return sum(kernel.stats.cache_hits.values())


def damaged(content: bytes, how: str) -> bytes:
    middle = len(content) // 2
    return {
        "empty": b"",
        "cut at the end": content[:-1],
        "cut in the checksum": content[:16],
        "cut after the checksum": content[:64],
        "one bit of the code": content[:middle]
        + bytes([content[middle] ^ 1])
        + content[middle + 1 :],
        "longer": content + b"\0",
        "text": b"no space left on device\n" * 20,
        "a pickle of something else": pickle.dumps(("0.60.0", {})),
        "a pickle that runs code": b"cbuiltins\nexit\n(tR.",
    }[how]


@pytest.mark.parametrize(
    "how",
    [
        "empty", "cut at the end", "cut in the checksum", "cut after the checksum",
        "one bit of the code", "longer", "text", "a pickle of something else",
        "a pickle that runs code",
    ],
)  # fmt: skip
def test_damaged_kernel_is_compiled_again(
    how: str, fresh: Fresh, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = fresh()
    assert before.quarter(6.0) == 1.5
    assert before.half(6.0) == 3.0
    files = entries(tmp_path)
    assert len(files) == 2
    for file in files:
        file.write_bytes(damaged(file.read_bytes(), how))
    again = fresh()
    assert again.quarter(6.0) == 1.5
    assert again.half(6.0) == 3.0
    assert hits(again.quarter) == hits(again.half) == 0
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "damaged compiled kernels in " in caplog.text
    assert "removed, compiled again (ValueError: wrong checksum)" in caplog.text
    assert entries(tmp_path) == files
    caplog.clear()
    healed = fresh()
    assert healed.quarter(6.0) == 1.5
    assert hits(healed.quarter) == 1
    assert caplog.text == ""


def test_kernel_of_another_signature_is_not_run(
    fresh: Fresh, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Another process, or a copy of files, may put one kernel in the place of another."""
    small = fresh()
    assert small.half(5.0) == 2.5
    of_floats = entries(tmp_path, "half")
    assert small.half(3) == 1.5
    (of_ints,) = set(entries(tmp_path, "half")) - set(of_floats)
    of_ints.write_bytes(of_floats[0].read_bytes())
    again = fresh()
    assert again.half(3) == 1.5
    assert hits(again.half) == 0
    assert again.half.signatures == [(numba.int64,)]
    assert again.half(5.0) == 2.5
    assert hits(again.half) == 1
    assert caplog.text == ""


def test_kernels_compiled_before_a_change_are_not_used(
    fresh: Fresh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert fresh().half(3.0) == 1.5
    unchanged = fresh()
    assert unchanged.half(3.0) == 1.5
    assert hits(unchanged.half) == 1
    monkeypatch.setattr(_cache, "SOURCES", bytes(32))
    changed = fresh()
    assert changed.half(3.0) == 1.5
    assert hits(changed.half) == 0
    assert len(entries(tmp_path)) == 1
    assert caplog.text == ""


def test_every_source_file_counts(tmp_path: Path) -> None:
    """numba itself looks at the file of a kernel only, not at those of the kernels it calls."""
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("x = 1\n")
    first = _cache.fingerprint(tmp_path)
    os.utime(tmp_path / "a.py", (1, 1))
    (tmp_path / "c.txt").write_text("x = 1\n")
    assert _cache.fingerprint(tmp_path) == first
    (tmp_path / "b.py").write_text("x = 2\n")
    second = _cache.fingerprint(tmp_path)
    (tmp_path / "b.py").rename(tmp_path / "d.py")
    third = _cache.fingerprint(tmp_path)
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "e.py").write_text("x = 1\n")
    fourth = _cache.fingerprint(tmp_path)
    (tmp_path / "room" / "e.py").write_text("x = 2\n")
    assert len({first, second, third, fourth, _cache.fingerprint(tmp_path)}) == 5


def test_entry_that_can_be_neither_read_nor_removed(
    fresh: Fresh, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert fresh().half(3.0) == 1.5
    (file,) = entries(tmp_path)
    file.unlink()
    file.mkdir()
    assert fresh().half(3.0) == 1.5
    assert "cannot be removed" in caplog.text
    assert "compiled kernels cannot be kept in " in caplog.text
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_full_disk_costs_the_cache_alone(
    fresh: Fresh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(source: object, target: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_cache.os, "replace", full)
    assert fresh().quarter(6.0) == 1.5
    assert len(caplog.records) == 1
    assert "compiled kernels cannot be kept in " in caplog.text
    assert "No space left on device" in caplog.text
    assert [p for p in tmp_path.glob("cache/**/*") if p.is_file()] == []


def test_no_folder_for_a_cache(
    fresh: Fresh, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An installation that cannot be written to, and no home."""
    monkeypatch.setattr(CompileResultCacheImpl, "_locator_classes", [])
    assert fresh().quarter(6.0) == 1.5
    assert len(caplog.records) == 1
    assert "no folder for compiled kernels" in caplog.text
    assert "NUMBA_CACHE_DIR" in caplog.text


def test_end_of_file_is_no_interrupt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise EOFError("Ran out of input")

    monkeypatch.setattr("replicadnn.theory.solve.plan", broken)
    assert run([*POINT]) == 1
    err = capsys.readouterr().err
    assert err.startswith("Error: unexpected RuntimeError: EOFError: Ran out of input")
    assert err.count("\n") == 1


# --- whole processes -----------------------------------------------------------------------


def process(*words: str, python: tuple[str, ...] = (), **environment: str | None) -> Any:
    """The command line in a process; a variable that is None is not set."""
    changed = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, *python, "-m", "replicadnn.cli.main", *words],
        env={name: value for name, value in changed.items() if value is not None},
        capture_output=True, text=True, errors="surrogateescape", check=False, timeout=300,
    )  # fmt: skip


def numbers(stdout: str) -> dict[str, Any]:
    (found,) = json.loads(stdout)["results"]
    del found["timings"]
    assert found["free_entropy"] == pytest.approx(ENTROPY, abs=1e-8)
    return dict(found)


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A cache that has seen `POINT`, and its numbers."""
    folder = tmp_path_factory.mktemp("cache")
    done = process(*POINT, "--json", NUMBA_CACHE_DIR=str(folder))
    assert (done.returncode, done.stderr) == (0, f"{_parts.LINE}\n")
    return folder, numbers(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["empty", "cut at the end", "text"])
def test_command_line_with_a_damaged_cache(how: str, warm: tuple[Path, dict[str, Any]]) -> None:
    folder, expected = warm
    files = sorted(folder.glob("**/*.nbc"))
    assert len(files) > 3
    for file in files:
        file.write_bytes(damaged(file.read_bytes(), how))
    done = process(*POINT, "--json", NUMBA_CACHE_DIR=str(folder))
    assert done.returncode == 0
    assert done.stderr.startswith("WARNING: damaged compiled kernels in ")
    assert done.stderr.splitlines()[1:] == [_parts.LINE]
    assert numbers(done.stdout) == expected
    done = process(*POINT, "--json", NUMBA_CACHE_DIR=str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert numbers(done.stdout) == expected


@pytest.mark.slow
def test_python_with_a_damaged_cache(warm: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = warm
    for file in folder.glob("**/*.nbc"):
        file.write_bytes(b"")
    done = subprocess.run(
        [sys.executable, "-c", "import replicadnn as rd; print(rd.solve([4], 2)[0].free_entropy)"],
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert float(done.stdout) == pytest.approx(ENTROPY, abs=1e-8)
    assert done.stderr.startswith("damaged compiled kernels in ")
    assert done.stderr.splitlines()[1:] == [_parts.LINE]


@pytest.mark.slow
def test_eight_processes_on_a_cold_cache(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    together = [
        subprocess.Popen(
            [sys.executable, "-m", "replicadnn.cli.main", *POINT, "--json"], env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(8)
    ]  # fmt: skip
    said = [one.communicate(timeout=600) for one in together]
    assert [one.returncode for one in together] == [0] * 8
    assert {err for _, err in said} <= {"", f"{_parts.LINE}\n"}
    first, *others = [numbers(out) for out, _ in said]
    assert all(other == first for other in others)
    assert list(tmp_path.glob("cache/**/*.tmp")) == []


@pytest.mark.parametrize(
    ("python", "environment"),
    [
        ((), {"HOME": None}),
        ((), {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
        (("-O",), {}),
        (("-W", "error"), {}),
        ((), {"DISPLAY": None, "WAYLAND_DISPLAY": None, "MPLBACKEND": None}),
        ((), {"MPLCONFIGDIR": "{file}/sub"}),
    ],
    ids=["no home", "C locale", "-O", "-W error", "no display", "matplotlib without a folder"],
)
@pytest.mark.slow
def test_surroundings(
    python: tuple[str, ...], environment: dict[str, str | None], tmp_path: Path
) -> None:
    """Each with names that have spaces, umlauts, # and %."""
    (tmp_path / "file").touch()
    folder = tmp_path / "a b ä # 50%d"
    folder.mkdir()
    values = {
        name: value and value.format(file=tmp_path / "file") for name, value in environment.items()
    }
    words = (*POINT, "--output", str(folder / "ö #1 %.h5"), "--plot", str(folder / "ö #1 %.png"))
    done = process(*words, "--json", python=python, **values)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    numbers(done.stdout)
    assert sorted(os.listdir(folder)) == ["ö #1 %.h5", "ö #1 %.png"]
    found = rd.load(folder / "ö #1 %.h5")
    assert found[0].free_entropy == pytest.approx(ENTROPY, abs=1e-8)
    assert f"--output {folder / 'ö #1 %.h5'} --plot" in found.provenance["command_line"]


@pytest.mark.slow
def test_names_that_are_not_unicode(tmp_path: Path) -> None:
    name = tmp_path / "latin-\udce4.h5"
    try:
        name.touch()
    except (OSError, UnicodeError):
        pytest.skip("no such names on this file system")
    done = process(*POINT, "--output", str(name), "--overwrite")
    warned = done.stderr.replace(f"{_parts.LINE}\n", "")
    assert (done.returncode, warned.count("\n")) == (0, 1)
    assert r"latin-\xe4.h5" in rd.load(name).provenance["command_line"]
    done = process("info", str(name))
    assert (done.returncode, done.stderr) == (0, "")
    assert r"latin-\xe4.h5" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
@pytest.mark.slow
def test_output_into_head() -> None:
    command = f"'{sys.executable}' -m replicadnn.cli.main solve --alpha 1:3:300 --L 2 --json"
    done = subprocess.run(
        f"{command} | head -c 10",
        shell=True, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == '{"results"'
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


def test_results_are_copied_and_pickled() -> None:
    found = rd.solve([4.0], 2)
    for other in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert json.dumps(other[0].as_dict()) == json.dumps(found[0].as_dict())
        assert other[0].q_ea.tolist() == found[0].q_ea.tolist()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.slow
def test_fork_after_use() -> None:
    code = (
        "import os, replicadnn as rd\n"
        "first = rd.solve([4.0], 2)[0].free_entropy\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0 if rd.solve([4.0], 2)[0].free_entropy == first else 1)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == "0\n"
