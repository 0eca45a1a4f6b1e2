"""Who may import whom: the tree is a house with floors, and no module reaches upwards."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

#: A package, and what nothing in it may import (function-level imports count).
FORBIDDEN = {
    "replicadnn.kernels": ("replicadnn.",),
    "replicadnn.theory": (
        "replicadnn.storage", "replicadnn.cli", "replicadnn.questions", "replicadnn.montecarlo",
        "replicadnn.plot", "replicadnn.sweeps",
    ),
    "replicadnn.theory.broken": ("replicadnn.theory.closures",),
    "replicadnn.questions": (
        "replicadnn.kernels", "replicadnn.cli", "replicadnn.montecarlo", "replicadnn.plot",
        "replicadnn.sweeps",
    ),
    "replicadnn.montecarlo": ("replicadnn.theory", "replicadnn.questions", "replicadnn.cli"),
    "replicadnn.storage": ("replicadnn.cli", "replicadnn.plot", "replicadnn.kernels"),
    "replicadnn.plot": ("replicadnn.cli", "replicadnn.kernels"),
    "replicadnn.sweeps": ("replicadnn.cli", "replicadnn.plot"),
}  # fmt: skip


def _modules() -> dict[str, Path]:
    out = {}
    for path in [*(ROOT / "replicadnn").rglob("*.py"), *(ROOT / "cli").glob("*.py")]:
        parts = path.relative_to(ROOT).with_suffix("").parts
        parts = ("replicadnn", *parts) if parts[0] == "cli" else parts
        out[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return out


def imports(source: str, name: str, package: bool, known: set[str]) -> set[str]:
    """Modules of ``known`` that the module ``name`` imports, wherever in its text."""
    found = set()
    here = name.split(".") if package else name.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{start}.{alias.name}"
                found.add(full if full in known else start)
    return found & known - {name}


def graph() -> dict[str, set[str]]:
    """Every module of the package with what it imports."""
    modules = _modules()
    return {
        name: imports(path.read_text(), name, path.name == "__init__.py", set(modules))
        for name, path in modules.items()
    }


def circle(edges: dict[str, set[str]]) -> list[str]:
    """A circle of imports, or nothing."""
    left = {name: set(targets) for name, targets in edges.items()}
    while left:
        free = {name for name, targets in left.items() if not targets & left.keys()}
        if not free:
            way = [min(left)]
            while way[-1] not in way[:-1]:
                way.append(min(left[way[-1]] & left.keys()))
            return way[way.index(way[-1]) :]
        left = {name: targets for name, targets in left.items() if name not in free}
    return []


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_module_reaches_upwards(package: str) -> None:
    inside = (package, package + ".")
    bad = [
        f"{name} imports {target}"
        for name, targets in graph().items()
        if name == package or name.startswith(inside[1])
        for target in sorted(targets)
        if target.startswith(FORBIDDEN[package])
        and not (target == package or target.startswith(inside[1]))
    ]
    assert bad == []


def test_no_circle_of_imports() -> None:
    assert circle(graph()) == []


def test_the_checks_see_imports_in_functions_and_circles() -> None:
    known = {"replicadnn.a", "replicadnn.b", "replicadnn.b.c"}
    text = "def f():\n    from replicadnn.b import c\n    from . import a\n"
    assert imports(text, "replicadnn.d", False, known) == {"replicadnn.b.c", "replicadnn.a"}
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": set()}) == ["a", "b", "c", "a"]
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
