"""Reading any file of this package: what it holds decides what comes back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from replicadnn.registry import READERS, SWEEP, find
from replicadnn.storage.files import open_checked
from replicadnn.storage.tables import describe_tables

if TYPE_CHECKING:
    from replicadnn.solution import Solutions

#: Keys of a point that `describe` shows.
_SHOWN = (
    "alpha", "L", "scenario", "ansatz", "closure", "kappa", "beta", "potential", "inputs",
    "branch", "status", "converged",
    "possible", "message", "residual", "free_entropy",
)  # fmt: skip


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
    return load_sweep(path) if sweep else load_kind(kind, path)


def load_kind(kind: str, path: str | Path) -> Any:
    """Read a file that must be of this kind, a key of `replicadnn.registry.READERS`; see `load`."""
    return find(READERS[kind])(path)


def kind_of(path: str | Path) -> tuple[str, bool]:
    """What a file holds, a key of `READERS`, and whether it is the store of a sweep; see `load`."""
    with open_checked(path, None) as file:
        return str(file.attrs["kind"]), "index" in file


def is_finished(path: str | Path) -> bool:
    """Whether a file holds everything that was asked for; see `load`."""
    with open_checked(path, None) as file:
        return bool(file.attrs.get("finished", False))


def load_sweep(path: str | Path) -> Any:
    """Open the store of a sweep, a `replicadnn.Sweep`; see `load`."""
    return find(SWEEP)(path)


def load_runs(path: str | Path) -> Any:
    """The `Runs` of a file of kind "mc"; of a sweep, every run there is; see `load`."""
    if kind_of(path) == ("mc", True):
        return load_sweep(path).runs()
    return load_kind("mc", path)


def load_solutions(path: str | Path) -> Solutions:
    """Read a file of kind "solve"; of a sweep, every solution there is; see `load`."""
    if kind_of(path) == ("solve", True):
        from replicadnn.solution import Solutions  # slow to import, a table does not need it

        sweep = load_sweep(path)
        return Solutions([result for _, result in sweep.results()], sweep.provenance)
    found: Solutions = load_kind("solve", path)
    return found


def describe(path: str | Path) -> dict[str, Any]:
    """Contents, convergence and provenance of a result file as plain values.

    Raises
    ------
    FileError
        As `load`.
    """
    with open_checked(path, None) as file:
        kind, sweep = str(file.attrs["kind"]), "index" in file
        head = {
            "kind": kind,
            "schema_version": int(file.attrs["schema_version"]),
            "finished": bool(file.attrs.get("finished", False)),
        }
    if sweep:
        head |= load_sweep(path).describe()
    elif kind == "solve":
        solutions = load_solutions(path)
        points = [{key: full[key] for key in _SHOWN} for full in (s.as_dict() for s in solutions)]
        head |= {"points": points, "provenance": dict(solutions.provenance)}
    elif kind == "mc":
        runs = load_runs(path)
        head |= {
            "finished": runs.finished,
            "runs": runs.summaries(),
            "provenance": dict(runs.provenance),
        }
    else:
        head |= describe_tables(path)
    return head
