"""The reference of the documentation holds every public name, each once, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import replicadnn as rd

PAGES = Path(__file__).resolve().parents[1] / "docs" / "reference"
ENTRY = re.compile(r"^\.\. auto(?:function|class):: ([\w.]+)$", re.M)
#: Names without a docstring of their own: the version, a module, a style that the table names.
ELSEWHERE = {
    "replicadnn.__version__", "replicadnn.plot", "replicadnn.wide", "replicadnn.curves",
    "replicadnn.experiments",
}  # fmt: skip


def test_every_public_name_has_its_place() -> None:
    found = [one for page in sorted(PAGES.glob("*.md")) for one in ENTRY.findall(page.read_text())]
    public = {f"replicadnn.{name}" for name in rd.__all__} - ELSEWHERE
    public |= {f"replicadnn.plot.{name}" for name in rd.plot.__all__}
    public |= {f"replicadnn.wide.{name}" for name in rd.wide.__all__}
    public |= {f"replicadnn.curves.{name}" for name in rd.curves.__all__}
    public |= {f"replicadnn.experiments.{name}" for name in rd.experiments.__all__}
    assert sorted(found) == sorted(public)
