"""HDF5 files of kind "mc": several runs, their curves, and the state to continue from.

Layout (docs/file-format.md): /params/0000, /series/0000, /state/0000, ... one number a run.  A file
is always replaced as a whole (`outputs.atomic_file`), so it can be read at any moment of a run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

import h5py
import numpy as np
from numpy.typing import NDArray

from replicadnn.errors import FileError
from replicadnn.montecarlo.runs.result import RunStatus
from replicadnn.provenance import provenance as make_provenance
from replicadnn.results import ResultBase
from replicadnn.storage import files, hdf5
from replicadnn.storage.outputs import atomic_file
from replicadnn.storage.run_groups import Result, read_run, write_run

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Runs(ResultBase, Sequence["Result"]):
    """Results in the order asked for, with how they were made; ``finished``: all complete."""

    items: tuple[Result, ...]
    provenance: Mapping[str, str] = field(default_factory=dict, compare=False)
    finished: bool = True

    def _line(self) -> Mapping[str, object]:
        return {"runs": len(self.items), "finished": self.finished}

    def _records(self) -> Sequence[Mapping[str, Any]]:
        usual = {"connectivity": None, "graph": None, "latent": None}
        rows = [{**usual, **run._line(), "equilibrium": run.equilibrium} for run in self.items]
        return [{**row, "connectivity": row["connectivity"] or row["N"]} for row in rows]

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> Runs: ...
    def __getitem__(self, index: int | slice) -> Result | Runs:
        if isinstance(index, slice):
            return Runs(self.items[index], self.provenance, self.finished)
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the results (without a state to continue from) to an HDF5 file."""
        origin = dict(self.provenance) or make_provenance()
        return save_runs(
            path, self.items, provenance=origin, overwrite=overwrite, finished=self.finished
        )

    def summaries(self) -> list[dict[str, Any]]:
        """The main facts of every run (``replicadnn info``)."""
        return [summary(run) for run in self.items]

    @classmethod
    def load(cls, path: str | Path) -> Runs:
        """Read a file of kind "mc"."""
        return load_runs(path)


def save_result(result: Result, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write one run to an HDF5 file; see `replicadnn.registry`."""
    complete = result.status is RunStatus.COMPLETE
    return Runs((result,), finished=complete).save(path, overwrite=overwrite)


# --- writing -------------------------------------------------------------------------------


def save_runs(
    path: str | Path,
    results: Sequence[Result],
    *,
    states: Sequence[Arrays | None] | None = None,
    widths: Sequence[int] | None = None,
    provenance: Mapping[str, str],
    overwrite: bool,
    finished: bool,
) -> Path:
    """Write ``results`` and, where given, the arrays to continue from.

    widths : N of all runs asked for, also of those that have not begun.
    """
    states = states or [None] * len(results)
    widths = widths or [r.spec.N for r in results]
    more = {"widths": np.array(widths, np.int64)}
    with (
        atomic_file(path, overwrite=overwrite) as temporary,
        files.new_file(temporary, "mc", finished, provenance, more) as file,
    ):
        groups = {name: file.create_group(name) for name in ("params", "series", "state")}
        for k, (result, state) in enumerate(zip(results, states, strict=True)):
            name = f"{k:04d}"
            params, series = (groups[part].create_group(name) for part in ("params", "series"))
            write_run(params, series, result)
            if state is not None:
                _write_state(groups["state"].create_group(name), state)
    return Path(path)


def _write_state(group: h5py.Group, state: Arrays) -> None:
    for name, values in state.items():
        packed = {"compression": "gzip", "compression_opts": 1} if values.nbytes > 4096 else {}
        group.create_dataset(name.replace("/", "."), data=values, **packed)
    group.attrs["sha256"] = hdf5.digest(group)


# --- reading -------------------------------------------------------------------------------


@contextlib.contextmanager
def _reading(path: str | Path) -> Iterator[h5py.File]:
    """An open mc file; whatever is wrong inside becomes one `FileError`."""
    with files.open_checked(path, "mc") as file, files.one_error(path, "an mc file"):
        yield file


def load_runs(path: str | Path) -> Runs:
    """Read the results of a file of kind "mc", complete or in the middle of a run.

    Raises
    ------
    FileError
        Missing, unreadable, damaged, or not a file of kind "mc".
    """
    with _reading(path) as file:
        names = sorted(file["params"])
        if names != [f"{k:04d}" for k in range(len(names))] or names != sorted(file["series"]):
            raise ValueError("params and series disagree")
        items = tuple(read_run(file["params"][n], file["series"][n]) for n in names)
        finished = file.attrs["finished"]
        if not isinstance(finished, bool | np.bool_):
            raise ValueError("finished is not true or false")
        widths = [int(n) for n in np.atleast_1d(file.attrs["widths"])]
        if widths[: len(items)] != [r.spec.N for r in items]:
            raise ValueError("widths and params disagree")
        complete = len(items) == len(widths) and all(r.status is RunStatus.COMPLETE for r in items)
        if bool(finished) and not complete:
            raise ValueError("marked finished but a run is not complete")
        return Runs(items, files.provenance_of(file), bool(finished))


def load_checkpoint(
    path: str | Path,
) -> tuple[Runs, list[dict[str, NDArray[Any]] | None], list[int]]:
    """Results, arrays to continue from, and all widths asked for."""
    with _reading(path) as file:
        if "state" not in file:
            raise FileError(path, "holds no state to continue from")
    runs = load_runs(path)
    with _reading(path) as file:
        states: list[dict[str, NDArray[Any]] | None] = []
        for k in range(len(runs)):
            name = f"{k:04d}"
            group = file["state"].get(name)
            if group is None:
                states.append(None)
                continue
            if group.attrs["sha256"] != hdf5.digest(group):
                raise ValueError("checksum of a state does not match its numbers")
            states.append({n.replace(".", "/"): np.asarray(group[n][()]) for n in group})
        return runs, states, [int(n) for n in file.attrs["widths"]]


def summary(result: Result) -> dict[str, Any]:
    """The main facts of a run in plain values (``replicadnn info``)."""
    keys = (
        "N", "connectivity", "graph", "L", "alpha", "scenario", "sampler", "beta", "kappa", "start",
        "potential", "sweeps", "samples", "seed", "latent",
    )  # fmt: skip
    params = result.params
    return {key: params[key] for key in keys} | {
        "mode": str(result.mode),
        "status": str(result.status),
        "message": result.message,
        "equilibrium": result.equilibrium,
    }
