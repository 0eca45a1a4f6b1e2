"""Who may import whom: the tree is a house with floors, and no room reaches upwards.

Imports inside functions count like all others.  What is found by name when it is needed (writers
and readers of results) is listed in `replicadnn.registry` and imports nothing.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

#: Words and checks that everything is written in: they know each other alone.
GROUND = {
    "errors", "types", "validate", "calls", "registry", "results", "progress",
    "status", "certificate", "potential", "problem", "inputs", "marchenko_pastur",
}  # fmt: skip
#: Small tools that know no result.
TOOLS = GROUND | {"arcsine", "interrupt", "provenance", "quadrature", "ranges"}
RESULT = TOOLS | {"solution"}
#: Room (a module or a package right below replicadnn): the rooms that it may import.
MAY_IMPORT = {
    **dict.fromkeys(GROUND, GROUND),
    **dict.fromkeys(TOOLS - GROUND, TOOLS),
    "kernels": set(),
    "solution": TOOLS | {"theory"},
    "theory": RESULT | {"kernels"},
    "montecarlo": TOOLS | {"kernels", "storage"},
    "storage": RESULT | {"montecarlo"},
    "questions": RESULT | {"theory", "storage"},
    "sweeps": RESULT | {"theory", "montecarlo", "storage", "kernels", "experiments"},
    "wide": TOOLS | {"storage", "questions"},
    "curves": TOOLS | {"storage", "questions", "wide"},
    "experiments": TOOLS | {"theory", "kernels", "montecarlo", "storage", "questions", "wide"},
    "plot": RESULT
    | {"theory", "montecarlo", "storage", "questions", "sweeps", "wide", "curves", "experiments"},
}
MAY_IMPORT["explore"] = RESULT | {"theory", "plot"}  # a page above the figures
MAY_IMPORT["__init__"] = RESULT | MAY_IMPORT.keys()  # the public names
MAY_IMPORT["cli"] = MAY_IMPORT["__init__"]  # above everything: nobody may import it


#: Engines know no equations, and questions ask for a closure by its name only.
WITHOUT = {
    "replicadnn.theory.broken": "replicadnn.theory.closures",
    "replicadnn.theory.symmetric": "replicadnn.theory.closures",
    "replicadnn.questions": "replicadnn.theory.closures.",
}


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its name when installed."""
    out = {}
    for path in sorted([*(ROOT / "replicadnn").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]):
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


@cache
def graph() -> dict[str, set[str]]:
    """Every module of the package with what it imports."""
    known = set(modules())
    return {
        name: imports(path.read_text(), name, path.name == "__init__.py", known)
        for name, path in modules().items()
    }


def room(name: str) -> str:
    """The module or package right below replicadnn that a module belongs to."""
    return name.split(".")[1] if "." in name else "__init__"


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


@pytest.mark.parametrize("where", sorted({room(name) for name in modules()}))
def test_no_room_reaches_upwards(where: str) -> None:
    allowed = MAY_IMPORT[where] | {where}
    bad = [
        f"{name} imports {target}"
        for name, targets in graph().items()
        if room(name) == where
        for target in sorted(targets)
        if room(target) not in allowed
    ]
    assert bad == []


@pytest.mark.parametrize("where", WITHOUT)
def test_who_knows_no_equations(where: str) -> None:
    bad = [
        f"{name} imports {target}"
        for name, targets in graph().items()
        if f"{name}.".startswith(f"{where}.")
        for target in sorted(targets)
        if target.startswith(WITHOUT[where])
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
