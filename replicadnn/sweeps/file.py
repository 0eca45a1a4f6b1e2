"""The store of a sweep: an HDF5 file with a table of all points, and the journal beside it.

The groups of the points are those of kinds "solve" and "mc" (docs/file-format.md); /index holds one
row a planned point: identity, parameters, status and the main numbers.  Reading the table of
10,000 points takes a tenth of a second, the arrays of a point are read when they are asked for.
"""

from __future__ import annotations

import contextlib
import math
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from replicadnn.errors import FileError, InputError
from replicadnn.provenance import provenance as make_provenance
from replicadnn.ranges import equal
from replicadnn.storage import files, hdf5, journal
from replicadnn.storage.outputs import atomic_file
from replicadnn.storage.runs import Runs
from replicadnn.sweeps.plan import Plan, Point
from replicadnn.sweeps.tasks import TASKS, Column, Task

PENDING, FAILED = "pending", "failed"
_OWN = {
    "id": Column(str, "identity of the point: SHA-256 of its task and parameters"),
    "status": Column(str, "pending, failed, or the status of the result"),
    "message": Column(str, "how it ended, in one line"),
    "checksum": Column(str, "sha256 of the groups of the point, empty where there are none"),
}
_ERRORS = (
    KeyError, ValueError, TypeError, OSError, RuntimeError, AttributeError, MemoryError,
    OverflowError,
)  # fmt: skip

Row = dict[str, Any]


def columns(task: Task) -> dict[str, Column]:
    """All columns of the table."""
    return {**_OWN, **task.parameters, **task.results}


def blank(point: Point) -> Row:
    """Row of a point that has not been computed."""
    row = {name: column.missing for name, column in columns(point.task).items()}
    return row | dict(point.params) | {"id": point.id, "status": PENDING}


# --- reading -------------------------------------------------------------------------------


class Sweep(Sequence[Any]):
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
            name: _column(kinds[name], values) for name, values in self._rows.items()
        }

    def _read(self) -> bool:
        """Read file and journal; False if the writer has moved the one into the other meanwhile."""
        with files.open_checked(self.path, None) as file, _one_error(self.path):
            if not is_sweep(file):
                raise FileError(self.path, "is not the store of a sweep")
            self._task = _task_of(file)
            self._rows = _read_rows(file, self._task)
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
            k = position[journal.decode(body, "id")]
            for name, value in journal.decode(body, "row").items():
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
    def finished(self) -> bool:
        """Every planned point has been computed or has failed."""
        return self._finished

    @property
    def converged(self) -> NDArray[np.bool_]:
        """Which points converged (or, of a simulation, are complete)."""
        return np.asarray(self.table["status"] == self._task.good)

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
        with files.open_checked(self.path, None) as file, _one_error(self.path):
            return _result(file, self._task, k, self._rows["checksum"][k])

    def _from_journal(self, number: int) -> Any:
        start, size = self._places[number]
        path = journal.journal_path(self.path)
        with _one_error(path), path.open("rb") as file:
            file.seek(start)
            body = file.read(size)
            if journal.decode(body, "id") != self._rows["id"][number]:
                raise ValueError("replaced since it was loaded: load it again")
            return journal.decode(body, "result")

    def results(self) -> Iterator[tuple[int, Any]]:
        """(number, result) of every point that has one; the file is opened once."""
        with files.open_checked(self.path, None) as file:
            for k in np.flatnonzero(self.has_result).tolist():
                if k in self._places:
                    yield k, self._from_journal(k)
                    continue
                with _one_error(self.path):
                    found = _result(file, self._task, k, self._rows["checksum"][k])
                yield k, found

    def runs(self) -> Runs:
        """Every run that there is, of a sweep of the sampler."""
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

    def __repr__(self) -> str:
        good = int(np.sum(self.converged))
        return f"<Sweep {self.path.name}: {len(self)} points of {self.task}, {good} converged>"


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


@contextlib.contextmanager
def _one_error(path: str | Path) -> Iterator[None]:
    """Whatever is wrong inside a file becomes one `FileError`."""
    try:
        yield
    except FileError:
        raise
    except (InputError, *_ERRORS) as error:
        reason = " ".join(str(error).split())[:200]
        raise FileError(path, f"damaged or not a sweep ({reason})") from error


def is_sweep(file: h5py.File) -> bool:
    """True for the store of a sweep."""
    return "index" in file


def _task_of(file: h5py.File) -> Task:
    kind = file.attrs["kind"]
    return next(task for task in TASKS.values() if task.kind == kind)


def _read_rows(file: h5py.File, task: Task) -> dict[str, list[Any]]:
    group = file["index"]
    if group.attrs["sha256"] != hdf5.digest(group):
        raise ValueError("checksum of the table does not match")
    size = int(group.attrs["points"])
    rows: dict[str, list[Any]] = {}
    for name, column in columns(task).items():
        if name not in group:  # a column that later versions have added
            rows[name] = [column.missing] * size
            continue
        dataset = group[name]
        values = dataset.asstr()[()] if column.kind is str else dataset[()]
        if values.shape != (size,):
            raise ValueError(f"column {name} has shape {values.shape}, expected ({size},)")
        rows[name] = values.tolist()
    return rows


def _result(file: h5py.File, task: Task, number: int, checksum: str) -> Any:
    result, found = task.read(file, group_name(number))
    if found != checksum:
        raise ValueError(f"point {number} is not the one that the table names")
    return result


def group_name(number: int) -> str:
    """Name of the groups of a point."""
    return f"{number:04d}"


def _column(column: Column, values: list[Any]) -> NDArray[Any]:
    if column.kind is str:
        return np.array(values, dtype=h5py.string_dtype())
    return np.array(values, dtype=np.float64 if column.kind is float else np.int64)


# --- writing -------------------------------------------------------------------------------


class Writer:
    """The one writer of a store; the caller holds its lock.

    A run begins with a file whose table names every planned point, appends what is computed to the
    journal, and ends by moving the journal into the file.  The file is always replaced as a
    whole by a complete one, which calls its journal by a new name: records count either in the
    journal or in the file, never in both.
    """

    def __init__(
        self,
        path: str | Path,
        plan: Plan,
        *,
        overwrite: bool,
        retry: bool,
        moving: Callable[[int, int], None] | None = None,
    ) -> None:
        self.path, self.task = Path(path), plan.task
        self._moving = moving
        exists = self.path.exists() and not overwrite
        if exists:
            self._continue(plan)
        else:
            self._create(plan, overwrite)
        self.done = {
            name
            for name, status in zip(self._rows["id"], self._rows["status"], strict=True)
            if (status == self.task.good if retry else status != PENDING)
        }
        self._position = {name: k for k, name in enumerate(self._rows["id"])}

    def _create(self, plan: Plan, overwrite: bool) -> None:
        journal.refuse_orphan(self.path)
        rows = [blank(point) for point in plan.points]
        self._rows = {name: [row[name] for row in rows] for name in columns(self.task)}
        self._name: str | None = secrets.token_hex(16)
        with (
            atomic_file(self.path, overwrite=overwrite) as temporary,
            files.new_file(
                temporary, self.task.kind, False, make_provenance(), {"journal": self._name}
            ) as file,
        ):
            self._write_index(file)
        self._open_journal()
        self._journal.remove()

    def _continue(self, plan: Plan) -> None:
        with files.open_checked(self.path, None) as file, _one_error(self.path):
            if not is_sweep(file):
                raise FileError(
                    self.path, "exists and is not the store of a sweep (--overwrite replaces it)"
                )
            found = _task_of(file)
            if found is not self.task:
                raise FileError(self.path, f"is a sweep of {found.name}, not of {self.task.name}")
            self._rows = _read_rows(file, found)
            name = file.attrs.get("journal")
            self._name = None if name is None else str(name)
        known = set(self._rows["id"])
        new = [point for point in plan.points if point.id not in known]
        for point in new:
            for column, value in blank(point).items():
                self._rows[column].append(value)
        self._open_journal()
        if new or len(journal.Scan(self._journal.path, self._name or "")):
            self.merge(finished=False)

    def _open_journal(self) -> None:
        self._journal = journal.Journal(self.path, self._name or "")

    def begin(self) -> None:
        """Make the file one that has a journal; nothing is written where it has one."""
        if self._name is None:
            self.merge(finished=False)

    def record(self, body: bytes) -> Row:
        """Keep one outcome; its cost does not depend on how many there are."""
        row, k = journal.decode(body, "row"), self._position[journal.decode(body, "id")]
        self._journal.append(body)
        self._enter(k, row)
        return dict(row)

    def _enter(self, number: int, row: Mapping[str, Any]) -> None:
        for name, value in row.items():
            self._rows[name][number] = value

    def merge(self, *, finished: bool) -> None:
        """Move the journal into the file.

        The file is copied (bytes, not points), the new points are added to the copy, and the copy
        takes its place.
        """
        self._journal.close()
        scan = journal.Scan(self._journal.path, self._name or "")
        self._position = {name: k for k, name in enumerate(self._rows["id"])}
        name = None if finished else secrets.token_hex(16)
        with atomic_file(self.path, overwrite=True) as temporary:
            shutil.copyfile(self.path, temporary)
            with hdf5.writing(temporary, new=False) as file:
                done = 0

                def use(body: bytes) -> None:
                    nonlocal done
                    outcome = journal.decode(body)
                    k = self._position[outcome["id"]]
                    self._enter(k, outcome["row"])
                    checksum = ""
                    if outcome["result"] is not None:
                        checksum = self.task.write(file, group_name(k), outcome["result"])
                    self._rows["checksum"][k] = checksum
                    done += 1
                    if self._moving is not None:
                        self._moving(done, len(scan))

                journal.each(scan, use)
                self._forget_lost()
                del file["index"]
                self._write_index(file)
                files.root_attributes(file, {"finished": self.finished, "journal": name})
        self._journal.remove()
        self._name = name
        self._open_journal()

    def _forget_lost(self) -> None:
        """Points recorded in this run whose record was damaged since are pending again."""
        for k, status in enumerate(self._rows["status"]):
            if status not in (PENDING, FAILED) and not self._rows["checksum"][k]:
                self._enter(k, {n: c.missing for n, c in self.task.results.items()})
                self._enter(k, {"status": PENDING, "message": ""})

    @property
    def finished(self) -> bool:
        """No planned point is pending."""
        return PENDING not in self._rows["status"]

    def _write_index(self, file: h5py.File) -> None:
        if self.task.kind == "mc":  # what a reader of single files expects
            widths = np.array(self._rows["N"], np.int64)
            files.root_attributes(file, {"widths": widths})
        kinds = columns(self.task)
        arrays = {name: _column(kinds[name], values) for name, values in self._rows.items()}
        group = file.create_group("index")
        count = {"points": len(self._rows["id"])}
        made = hdf5.put_checked(group, count, arrays)
        for name, column in kinds.items():
            hdf5.put(made[name], {"long_name": column.long_name, "units": column.units})

    def close(self) -> None:
        """Let go of the journal."""
        self._journal.close()


def outcome(point: Point, row: Mapping[str, Any], result: Any) -> bytes:
    """Record of a point: its row of the table and its result (None: failed)."""
    filled = {name: column.missing for name, column in point.task.results.items()} | dict(row)
    return journal.encode({"id": point.id, "row": {**filled, "checksum": ""}, "result": result})


def failure(point: Point, reason: str) -> bytes:
    """Record of a point that could not be computed."""
    line = "".join(c if c.isprintable() else "?" for c in " ".join(reason.split())[:500])
    return outcome(point, {"status": FAILED, "message": line}, None)
