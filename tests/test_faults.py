"""The reliability suite in small: scripts/faults.py, the whole of which anyone can run."""

from __future__ import annotations

import random
from pathlib import Path

import faults  # scripts/
import pytest


@pytest.mark.slow
@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize(("name", "tries"), [("damaged", 12), ("hostile", 25)])
def test_files(name: str, tries: int, tmp_path: Path) -> None:
    check(name, tries, tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize(
    ("name", "tries"),
    [
        ("kills-solve", 2),
        ("kills-capacity", 3),
        ("kills-simulate", 2),
        ("kills-sweep", 3),
        ("disk-full", 1),
    ],
)
def test_processes(name: str, tries: int, tmp_path: Path) -> None:
    check(name, tries, tmp_path)


@pytest.mark.usefixtures("compiled")
def test_read_only_folder(tmp_path: Path) -> None:
    check("read-only", 1, tmp_path)


@pytest.mark.slow
def test_two_writers(tmp_path: Path) -> None:
    check("two-writers", 1, tmp_path)


def check(name: str, tries: int, folder: Path) -> None:
    count = faults.FAULTS[name][0](folder, random.Random(7), tries)
    assert count.tried >= tries
    assert (count.lost, count.tracebacks, count.wrong) == (0, 0, 0), count.notes
