"""Where results may go: only to files that are files, through links, never past permissions."""

from __future__ import annotations

import os
import socket
import stat
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn.storage import journal
from replicadnn.storage import solutions as store
from replicadnn.storage.locking import lock
from replicadnn.storage.outputs import atomic_file, check_target
from replicadnn.storage.tables import Column, Table, write_tables

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs pipes and links")

SOLVE = ("solve", "--alpha", "3", "--L", "2")
SIMULATE = ("mc-simulate", "--L", "1", "--N", "5", "--alpha", "1", "--sweeps", "20")
SWEEP = ("sweep", "--alpha", "3", "--L", "2", "--workers", "1")


@pytest.fixture(scope="module")
def solutions() -> rd.Solutions:
    return rd.solve([3.0, 4.0], 2)


def make(kind: str, path: Path) -> None:
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link to a pipe":
        os.mkfifo(path.with_name("pipe"))
        path.symlink_to("pipe")
    elif kind == "socket":
        here = os.getcwd()
        os.chdir(path.parent)  # names of sockets are short
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(path.name)
        os.chdir(here)
    else:
        try:
            os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))  # another null device
        except OSError:
            pytest.skip("needs root to make a device")


KINDS = ["folder", "pipe", "link to a pipe", "socket", "device"]


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run([*words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    return str(err)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "words",
    [
        SOLVE, (*SOLVE, "--overwrite"),
        SIMULATE, (*SIMULATE, "--overwrite"), (*SIMULATE, "--resume"),
        SWEEP, (*SWEEP, "--overwrite"),
        ("capacity", "--L", "1", "--overwrite"),
        ("complexity", "--L", "2", "--alpha", "90", "--overwrite"),
        ("generalisation", "--L", "1", "--alpha", "3", "--overwrite"),
        ("stability", "--L", "1", "--alpha", "1", "--overwrite"),
        ("transitions", "--L", "2", "--overwrite"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_command_refuses_what_is_no_file(
    kind: str, words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.h5"
    make(kind, path)
    before = path.lstat()
    err = refused(capsys, *words, "--output", str(path))
    assert f"{path}: is a " in err
    assert "not a file" in err
    assert os.path.samestat(path.lstat(), before)
    assert {p.name for p in tmp_path.iterdir()} <= {"a.h5", "pipe"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("overwrite", [False, True])
def test_figure_and_save_refuse_what_is_no_file(
    kind: str,
    overwrite: bool,
    solutions: rd.Solutions,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "a.png"
    make(kind, path)
    before = path.lstat()
    rows = Table("rows", (Column.of("x", np.array([1.0]), "x"),))
    writers: list[Callable[[], Any]] = [
        lambda: solutions.save(path, overwrite=overwrite),
        lambda: rd.plot.save_profile(solutions, path, overwrite=overwrite),
        lambda: write_tables(path, "capacity", [rows], overwrite=overwrite),
        lambda: rd.sweep([s.problem for s in solutions], path, workers=1, overwrite=overwrite),
    ]
    for write in writers:
        with pytest.raises(rd.FileError, match="not a file"):
            write()
    flag = ["--overwrite"] if overwrite else []
    assert "not a file" in refused(capsys, *SOLVE, "--plot", str(path), *flag)
    solutions.save(tmp_path / "b.h5")
    words = ("plot", "profile", str(tmp_path / "b.h5"), "-o", str(path), *flag)
    assert "not a file" in refused(capsys, *words)
    assert os.path.samestat(path.lstat(), before)


def test_a_pipe_in_the_place_of_a_journal(
    solutions: rd.Solutions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Opening it would wait for ever."""
    path = tmp_path / "a.h5"
    os.mkfifo(tmp_path / "a.h5.journal")
    for words in (SOLVE, SWEEP):
        assert "a.h5.journal: is not a file" in refused(capsys, *words, "--output", str(path))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.h5.journal"]
    store.save_solutions(solutions, path, more={"journal": "x", "journal_after": 0})
    with pytest.raises(rd.FileError, match="is not a file"):
        rd.load(path)


@pytest.mark.parametrize("exists", [True, False])
def test_links_are_followed(exists: bool, solutions: rd.Solutions, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    target, link = folder / "target.h5", tmp_path / "link.h5"
    (tmp_path / "first").symlink_to(Path("elsewhere") / "target.h5")
    link.symlink_to("first")
    if exists:
        target.write_bytes(b"old")
        with pytest.raises(rd.FileError, match=r"link\.h5: exists already"):
            solutions.save(link)
        assert target.read_bytes() == b"old"
    with atomic_file(link, overwrite=exists) as temporary:
        assert temporary.parent == folder
        temporary.write_bytes(b"new")
    assert target.read_bytes() == b"new"
    solutions.save(link, overwrite=True)
    assert link.is_symlink()
    assert not target.is_symlink()
    assert len(rd.load(target)) == len(rd.load(link)) == 2
    assert sorted(p.name for p in folder.iterdir()) == ["target.h5"]


def test_journal_and_lock_of_a_link_are_those_of_the_file(
    solutions: rd.Solutions, tmp_path: Path
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    target, link = folder / "target.h5", tmp_path / "link.h5"
    link.symlink_to(target)
    assert journal.journal_path(link) == folder / "target.h5.journal"
    writer = store.SolutionWriter(link, solutions.provenance, overwrite=False)
    for number, solution in enumerate(solutions):
        writer.add(number, [solution])
    assert sorted(p.name for p in folder.iterdir()) == ["target.h5", "target.h5.journal"]
    for path in (link, target):  # the second point is in the journal alone
        assert [s.alpha for s in rd.load(path)] == [3.0, 4.0]
    with lock(link), pytest.raises(rd.FileError, match="in use"), lock(target):
        pass
    writer.finish(finished=True)
    assert sorted(p.name for p in folder.iterdir()) == ["target.h5"]
    assert link.is_symlink()


def test_sweep_continues_through_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target.h5", tmp_path / "link.h5"
    link.symlink_to(target.name)
    problems = [rd.Problem(alpha=alpha, L=2) for alpha in (3.0, 4.0)]
    with ThreadPoolExecutor(1) as executor:
        assert rd.sweep(problems[:1], link, executor=executor).computed == 1
        assert rd.sweep(problems, target, executor=executor).computed == 1
        assert rd.sweep(problems, link, executor=executor).computed == 0
    assert link.is_symlink()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.h5", "target.h5"]


def test_links_that_lead_nowhere(solutions: rd.Solutions, tmp_path: Path) -> None:
    (tmp_path / "circle.h5").symlink_to("circle.h5")
    with pytest.raises(rd.FileError, match=r"circle\.h5: cannot be written \(.*symbolic links"):
        solutions.save(tmp_path / "circle.h5", overwrite=True)
    (tmp_path / "missing.h5").symlink_to("missing/a.h5")
    with pytest.raises(rd.FileError, match=r"missing\.h5: the folder .*missing does not exist"):
        solutions.save(tmp_path / "missing.h5", overwrite=True)


def test_figure_through_a_link(solutions: rd.Solutions, tmp_path: Path) -> None:
    link = tmp_path / "a.png"
    link.symlink_to("real")
    rd.plot.save_profile(solutions, link)
    assert link.is_symlink()
    assert (tmp_path / "real").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("words", [SOLVE, SIMULATE, SWEEP, ("capacity", "--L", "1")], ids=" ".join)
def test_protected_file_is_not_replaced(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not by root either, who may write it; renaming over it asks its folder alone."""
    path = tmp_path / "a.h5"
    path.write_bytes(b"precious")
    path.chmod(0o444)
    err = refused(capsys, *words, "--output", str(path), "--overwrite")
    assert f"{path}: is write-protected" in err
    assert path.read_bytes() == b"precious"


def test_permissions_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    before = os.umask(0o027)
    try:
        with atomic_file(path, overwrite=False):
            pass
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o600)
        with atomic_file(path, overwrite=True):
            pass
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_names_too_long_are_refused_before_computing(tmp_path: Path) -> None:
    """The temporary file has a longer name than the file."""
    with atomic_file(tmp_path / ("a" * 240), overwrite=False):
        pass
    for length in (241, 256):
        with pytest.raises(rd.FileError, match="too long"):
            check_target(tmp_path / ("a" * length), overwrite=True)


def test_zero_byte_in_a_name(solutions: rd.Solutions, tmp_path: Path) -> None:
    with pytest.raises(rd.FileError, match="null"):
        solutions.save(f"{tmp_path}/a\0.h5")
