"""How a result was made: versions, command line, machine, time."""

from __future__ import annotations

import datetime
import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path


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
        "numpy": metadata.version("numpy"),
        "scipy": metadata.version("scipy"),
        "numba": metadata.version("numba"),
        "host": platform.node(),
        "platform": platform.platform(),
        "threads": "1",
        "seed": "",
        "time_utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    record.update({key: str(value) for key, value in extra.items()})
    return record
