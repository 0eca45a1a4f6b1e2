"""Print the core requirements of pyproject.toml at their lowest versions, one a line.

usage: python scripts/minimum.py > lowest.txt; pip install -r lowest.txt
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def lowest(requirements: list[str]) -> list[str]:
    """``name>=1.2`` as ``name==1.2``; anything else is refused."""
    found = []
    for one in requirements:
        match = re.fullmatch(r"([\w-]+)>=([\d.]+)", one)
        if match is None:
            raise SystemExit(f"{one}: expected name>=version")
        found.append(f"{match[1]}=={match[2]}")
    return found


if __name__ == "__main__":
    print("\n".join(lowest(tomllib.loads(PROJECT.read_text())["project"]["dependencies"])))
