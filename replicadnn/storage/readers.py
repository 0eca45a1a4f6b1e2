"""Reading any file of this package: what it holds decides what comes back.

Storage lies below the questions, the sampler and the sweeps whose results it reads, so it finds
their readers by name, and only when a file asks for one.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from replicadnn.solution import Solutions
from replicadnn.storage import solutions
from replicadnn.storage.files import TABLE_KINDS, open_checked
from replicadnn.storage.tables import describe_tables

#: Kind of a file ("sweep": a store of a sweep, of whatever kind) -> module, what reads it.
_READERS = {
    "sweep": ("replicadnn.sweeps.file", "Sweep"),
    "mc": ("replicadnn.storage.runs", "load_runs"),
    "transitions": ("replicadnn.questions.transitions", "load_transitions"),
    "generalisation": ("replicadnn.questions.generalisation", "load_generalisation"),
    "capacity": ("replicadnn.questions.capacity", "load_capacity"),
    "stability": ("replicadnn.questions.stability", "load_stability"),
    "complexity": ("replicadnn.questions.complexity", "load_complexity"),
}


def _reader(kind: str) -> Callable[[str | Path], Any]:
    module, name = _READERS[kind]
    found: Callable[[str | Path], Any] = getattr(import_module(module), name)
    return found


def load(path: str | Path) -> Any:
    """Read a file written by ``save`` or by ``--output``.

    Returns `Solutions`, the `Runs` of a sampler, a `Sweep`, `Transitions`, `Generalisation`,
    `Capacity`, `Stability` or `Complexity`, by what the file holds.

    Raises
    ------
    FileError
        Missing, unreadable, truncated, not a replicadnn file, of a newer schema, or with values
        that no solution can have.
    """
    kind, sweep = kind_of(path)
    if sweep:
        return load_sweep(path)
    return load_solutions(path) if kind == "solve" else _reader(kind)(path)


def kind_of(path: str | Path) -> tuple[str, bool]:
    """What a file holds, one of `KINDS`, and whether it is the store of a sweep; see `load`."""
    with open_checked(path, None) as file:
        return str(file.attrs["kind"]), "index" in file


def load_sweep(path: str | Path) -> Any:
    """Open the store of a sweep, a `replicadnn.Sweep`; see `load`."""
    return _reader("sweep")(path)


def load_runs(path: str | Path) -> Any:
    """The `Runs` of a file of kind "mc"; of a sweep, every run there is; see `load`."""
    return load_sweep(path).runs() if kind_of(path) == ("mc", True) else _reader("mc")(path)


def load_solutions(path: str | Path) -> Solutions:
    """Read a file of kind "solve"; of a sweep, every solution there is; see `load`."""
    if kind_of(path) == ("solve", True):
        sweep = load_sweep(path)
        return Solutions([result for _, result in sweep.results()], sweep.provenance)
    return solutions.load_solutions(path)


def describe(path: str | Path) -> dict[str, Any]:
    """Contents, convergence and provenance of a result file as plain values.

    Raises
    ------
    FileError
        As `load`.
    """
    with open_checked(path, None) as file:
        kind = str(file.attrs["kind"])
        version = int(file.attrs["schema_version"])
        finished = bool(file.attrs.get("finished", False))
        sweep = "index" in file
    if sweep:
        described: dict[str, Any] = load_sweep(path).describe()
        return described
    if kind in TABLE_KINDS:
        head = {"kind": kind, "schema_version": version, "finished": finished}
        return head | describe_tables(path)
    if kind == "mc":
        runs = load_runs(path)
        return {
            "kind": kind,
            "schema_version": version,
            "finished": runs.finished,
            "runs": runs.summaries(),
            "provenance": dict(runs.provenance),
        }
    found = load_solutions(path)
    keys = (
        "alpha", "L", "scenario", "ansatz", "kappa", "beta", "branch", "status", "converged",
        "possible", "message", "residual", "free_entropy",
    )  # fmt: skip
    return {
        "kind": kind,
        "schema_version": version,
        "finished": finished,
        "points": [{key: full[key] for key in keys} for full in (s.as_dict() for s in found)],
        "provenance": dict(found.provenance),
    }
