"""Reading the store of a sweep: an HDF5 file with a table of all points, and its journal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from replicadnn.errors import FileError, InputError
from replicadnn.ranges import equal
from replicadnn.results import Labelled, read_only
from replicadnn.storage import files, journal, records
from replicadnn.sweeps.index import (
    FAILED,
    PENDING,
    Row,
    column_array,
    columns,
    group_name,
    is_sweep,
    read_rows,
    task_in,
)
from replicadnn.sweeps.tasks.contract import Task

if TYPE_CHECKING:
    from replicadnn.storage.runs import Runs


class Sweep(Labelled, Sequence[Any]):
    """The points of a store, in the order planned.

    ``sweep[i]`` is the `Solution` or `MonteCarloResult` of point i, read when asked for (None
    where it failed or has not been computed).  ``sweep["alpha"]`` is a column of the table.

    Attributes
    ----------
    path : Path
    task : "solve" or "mc-simulate"
    table : mapping, name -> array
        Identity, status, message, all parameters, and the main numbers of every point.
    finished : bool
        Every planned point has been computed or has failed.
    damaged : int
        Records of the journal that were damaged: their points are pending again.
    provenance : mapping
    computed : int
        Points computed by the call that returned this object.
    """

    def __init__(self, path: str | Path, computed: int = 0) -> None:
        self.path = Path(path)
        self.computed = computed
        while not self._read():
            pass
        kinds = columns(self._task)
        self.table: Mapping[str, NDArray[Any]] = {
            name: read_only(column_array(kinds[name], values))
            for name, values in self._rows.items()
        }

    def _read(self) -> bool:
        """Read file and journal; False if the writer has moved the one into the other meanwhile."""
        with files.open_checked(self.path, None) as file, files.one_error(self.path, "a sweep"):
            if not is_sweep(file):
                raise FileError(self.path, "is not the store of a sweep")
            self._task = task_in(file)
            self._rows = read_rows(file, self._task)
            self._finished = bool(file.attrs["finished"])
            self.provenance: Mapping[str, str] = files.provenance_of(file)
            self._places: dict[int, tuple[int, int]] = {}
            self.damaged = 0
            try:
                if "journal" in file.attrs:
                    name = str(file.attrs["journal"])
                    self._overlay(journal.Scan(journal.journal_path(self.path), name))
            except OSError:
                if not files.replaced(self.path, file):
                    raise
            return not files.replaced(self.path, file)

    def _overlay(self, scan: journal.Scan) -> None:
        """Points that are in the journal alone."""
        self.damaged = scan.damaged
        position = {name: k for k, name in enumerate(self._rows["id"])}
        places = iter(scan.places)

        def use(body: bytes) -> None:
            k = position[records.decode(body, "id")]
            for name, value in records.decode(body, "row").items():
                self._rows[name][k] = value
            self._places[k] = next(places)

        journal.each(scan, use)
        if self._places:
            self._finished = PENDING not in self._rows["status"]

    @property
    def task(self) -> str:
        """Name of the task."""
        return self._task.name

    @property
    def parameters(self) -> tuple[str, ...]:
        """The columns that identify a point."""
        return tuple(self._task.parameters)

    def meaning(self, name: str) -> str:
        """What a column holds."""
        return columns(self._task)[name].long_name

    @property
    def shown(self) -> str:
        """The column that a map shows if none is asked for."""
        return self._task.shown

    @property
    def finished(self) -> bool:
        """Every planned point has been computed or has failed."""
        return self._finished

    @property
    def converged(self) -> NDArray[np.bool_]:
        """Which points converged (or, of a simulation, are complete)."""
        return np.asarray(self.table["status"] == self._task.good)

    @property
    def pending(self) -> NDArray[np.bool_]:
        """Which points have not been computed."""
        return np.asarray(self.table["status"] == PENDING)

    @property
    def has_result(self) -> NDArray[np.bool_]:
        """Which points have been computed without failing."""
        return ~np.isin(self.table["status"], (PENDING, FAILED))

    def count(self, status: str) -> int:
        """Number of points of this status."""
        return int(np.sum(self.table["status"] == status))

    def row(self, index: int) -> Row:
        """One row of the table."""
        return {name: values[index] for name, values in self._rows.items()}

    def select(self, **values: Any) -> NDArray[np.int64]:
        """Numbers of the points with these entries in the table, e.g. ``select(L=20)``.

        A float is met to 1e-9, or else by the one value that prints the same (6 digits).
        """
        keep = np.ones(len(self), bool)
        for name, value in values.items():
            found = self._known(name)
            keep &= equal(found, value) if found.dtype.kind == "f" else found == value
        return np.flatnonzero(keep)

    def entries(self, names: Iterable[str]) -> str:
        """What there is to select in these columns, where nothing was found."""
        there = (f"{n} = " + ", ".join(str(v) for v in np.unique(self[n])[:20]) for n in names)
        return f"entries of at least one point; there are {'; '.join(there)}"

    def several(self, numbers: NDArray[np.int64], axes: Sequence[str]) -> str:
        """What is to be fixed for these points to differ only in ``axes``; empty: nothing."""
        values = {name: self[name][numbers] for name in self._task.parameters if name not in axes}
        free = [name for name, found in values.items() if len({str(v) for v in found}) > 1]
        if not free:
            return ""
        return f"one value each of {', '.join(free)}, such as {free[0]}={values[free[0]][0]}"

    def _known(self, name: str) -> NDArray[Any]:
        if name not in self.table:
            raise InputError("column", name, "one of " + ", ".join(self.table))
        return self.table[name]

    def __len__(self) -> int:
        return len(self._rows["id"])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            return self._known(index)
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        k = range(len(self))[index]
        if self._rows["status"][k] in (PENDING, FAILED):
            return None
        if k in self._places:
            return self._from_journal(k)
        with files.open_checked(self.path, None) as file, files.one_error(self.path, "a sweep"):
            return _result(file, self._task, k, self._rows["checksum"][k])

    def _from_journal(self, number: int) -> Any:
        start, size = self._places[number]
        path = journal.journal_path(self.path)
        with files.one_error(path, "a sweep"), path.open("rb") as file:
            file.seek(start)
            body = file.read(size)
            if records.decode(body, "id") != self._rows["id"][number]:
                raise ValueError("replaced since it was loaded: load it again")
            return records.decode(body, "result")

    def results(self) -> Iterator[tuple[int, Any]]:
        """(number, result) of every point that has one; the file is opened once."""
        with files.open_checked(self.path, None) as file:
            for k in np.flatnonzero(self.has_result).tolist():
                if k in self._places:
                    yield k, self._from_journal(k)
                    continue
                with files.one_error(self.path, "a sweep"):
                    found = _result(file, self._task, k, self._rows["checksum"][k])
                yield k, found

    def runs(self) -> Runs:
        """Every run that there is, of a sweep of the sampler."""
        from replicadnn.storage.runs import Runs  # slow to import, the table does not need it

        items = tuple(run for _, run in self.results())
        return Runs(items, self.provenance, bool(self.converged.all()))

    def describe(self) -> dict[str, Any]:
        """Contents in plain values (``replicadnn info``)."""
        return {
            "kind": self._task.kind,
            "schema_version": files.SCHEMA_VERSION,
            "finished": self.finished,
            "sweep": {
                "task": self.task,
                "points": len(self),
                "counts": {status: self.count(status) for status in sorted(set(self["status"]))},
                "damaged_records": self.damaged,
                "parameters": {n: _summary(self._rows[n]) for n in self._task.parameters},
                "not_converged": [
                    {name: _plain(value) for name, value in self.row(int(k)).items()}
                    for k in np.flatnonzero(~self.converged)
                    if self._rows["status"][k] != PENDING
                ],
            },
            "provenance": dict(self.provenance),
        }

    def _line(self) -> Mapping[str, object]:
        good = int(np.sum(self.converged))
        return {"file": self.path.name, "task": self.task, "points": len(self), "converged": good}

    def _records(self) -> Sequence[Mapping[str, Any]]:
        return [self.row(k) for k in range(len(self))]


def _plain(value: Any) -> Any:
    """For JSON, which has neither nan nor inf."""
    if isinstance(value, float) and not math.isfinite(value):
        return "inf" if value == math.inf else None
    return value


def _summary(values: list[Any]) -> Any:
    """The value of a parameter, or the smallest, the largest and how many different ones."""
    different = sorted(set(values))
    if len(different) <= 1:
        return _plain(different[0]) if different else None
    if isinstance(different[0], str):
        return different
    return {"from": _plain(different[0]), "to": _plain(different[-1]), "values": len(different)}


def _result(file: h5py.File, task: Task, number: int, checksum: str) -> Any:
    result, found = task.read(file, group_name(number))
    if found != checksum:
        raise ValueError(f"point {number} is not the one that the table names")
    return result
