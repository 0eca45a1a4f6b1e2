"""How a result was made: versions, command line, machine, time, and what was asked."""

from __future__ import annotations

import datetime
import json
import platform
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from replicadnn.errors import InputError, brief


@cache
def version() -> str:
    """Version of the installed package."""
    try:
        return metadata.version("replicadnn")
    except metadata.PackageNotFoundError:
        return "0+unknown"


@cache
def revision() -> str:
    """Git revision of a source checkout, "" for an installed package."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return ""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"],
            capture_output=True, text=True, timeout=5, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


@cache
def _libraries() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {name: metadata.version(name) for name in ("numpy", "scipy", "numba")}


def _command_line() -> str:
    """The words of the command; bytes that are not UTF-8 are spelled out."""
    line = " ".join(sys.argv) if sys.argv and sys.argv[0] else "python"
    return line.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def provenance(**extra: object) -> dict[str, str]:
    """Everything needed to make the result again, as strings (file format: root attributes)."""
    record = {
        "version": version(),
        "git_revision": revision(),
        "command_line": _command_line(),
        "python": platform.python_version(),
        **_libraries(),
        "host": platform.node(),
        "platform": platform.platform(),
        "threads": "1",
        "seed": "",
        "time_utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    record.update({key: str(value) for key, value in extra.items()})
    return record


def settings(**asked: Any) -> str:
    """What a result was asked with, for the entry "asked" of its `provenance`.

    Everything that its numbers depend on, but not how many points: of those a later call may ask
    for more.
    """
    return json.dumps({name: _plain(value) for name, value in asked.items()})


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) or value == float("inf") else value


def same_settings(known: Mapping[str, str], asked: str) -> None:
    """Raise an `InputError` unless a result of provenance ``known`` was asked with the same.

    ``asked`` is made by `settings`.
    """
    if "asked" not in known:
        raise InputError(
            "earlier result", "of an older version", "it does not say what was asked, so that it "
            "cannot be continued",
        )  # fmt: skip
    before = json.loads(known["asked"])
    for name, value in json.loads(asked).items():
        if before.get(name) != value:
            there = before.get(name, "not given")
            raise InputError(name, value, f"must be {brief(there)} to continue the earlier result")
