"""The table of a store: one row a planned point, a column for whatever a task names.

/index of the HDF5 file (docs/file-format.md, "Stores of sweeps").  Reading the table of 10,000
points takes a tenth of a second.
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from replicadnn.storage import hdf5
from replicadnn.sweeps.plan import Point
from replicadnn.sweeps.tasks.contract import Column, Task, task_of_kind

#: Status of a point that has no result; that of the others is the status of their result.
PENDING, FAILED = "pending", "failed"
_OWN = {
    "id": Column(str, "identity of the point: SHA-256 of its task and parameters"),
    "status": Column(str, "pending, failed, or the status of the result"),
    "message": Column(str, "how it ended, in one line"),
    "checksum": Column(str, "sha256 of the groups of the point, empty where there are none"),
}

Row = dict[str, Any]
#: The table in memory: column -> one plain value a point.
Rows = dict[str, list[Any]]


def columns(task: Task) -> dict[str, Column]:
    """All columns of the table."""
    return {**_OWN, **task.parameters, **task.results}


def blank(point: Point) -> Row:
    """Row of a point that has not been computed."""
    row = {name: column.missing for name, column in columns(point.task).items()}
    return row | dict(point.params) | {"id": point.id, "status": PENDING}


def column_array(column: Column, values: list[Any]) -> NDArray[Any]:
    """A column as an array: float64, int64 or text."""
    if column.kind is str:
        return np.array(values, dtype=h5py.string_dtype())
    return np.array(values, dtype=np.float64 if column.kind is float else np.int64)


def group_name(number: int) -> str:
    """Name of the groups of a point."""
    return f"{number:04d}"


def is_sweep(file: h5py.File) -> bool:
    """True for the store of a sweep."""
    return "index" in file


def task_in(file: h5py.File) -> Task:
    """The task whose points a store holds."""
    return task_of_kind(str(file.attrs["kind"]))


def read_rows(file: h5py.File, task: Task) -> Rows:
    """The table of a store; raises ValueError where it is damaged."""
    group = file["index"]
    if group.attrs["sha256"] != hdf5.digest(group):
        raise ValueError("checksum of the table does not match")
    size = int(group.attrs["points"])
    rows: Rows = {}
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


def write_rows(file: h5py.File, task: Task, rows: Rows) -> None:
    """Write the table in place of the one there is."""
    if is_sweep(file):
        del file["index"]
    kinds = columns(task)
    arrays = {name: column_array(kinds[name], values) for name, values in rows.items()}
    group = file.create_group("index")
    made = hdf5.put_checked(group, {"points": len(rows["id"])}, arrays)
    for name, column in kinds.items():
        hdf5.put(made[name], {"long_name": column.long_name, "units": column.units})
