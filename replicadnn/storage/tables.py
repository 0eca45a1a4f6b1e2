"""Result files that are tables: thresholds, lines of stability, curves of errors.

One layout for every such kind (docs/file-format.md, "Kinds that are tables"): named tables of
one-dimensional columns, the first of which is the dimension scale of the others, and plain
attributes.  What the columns mean is the business of the module that computes them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from replicadnn.provenance import provenance as make_provenance
from replicadnn.storage.files import new_file, one_error, open_checked, provenance_of
from replicadnn.storage.hdf5 import digest
from replicadnn.storage.outputs import atomic_file

#: What an attribute may be; a missing number is nan.
Plain = float | int | bool | str


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One quantity, a value a row: floats, whole numbers, truth values or text."""

    name: str
    values: NDArray[Any]
    long_name: str
    units: str = "1"
    equation: str = ""

    @classmethod
    def of(
        cls, name: str, values: ArrayLike, long_name: str, units: str = "1", equation: str = ""
    ) -> Column:
        """A column from any sequence; text becomes an object array of `str`."""
        array = np.asarray(values)
        if array.dtype.kind in "US":
            array = array.astype(object)
        return cls(name, array, long_name, units, equation)

    @classmethod
    def possible(cls, answers: Iterable[bool | None]) -> Column:
        """Whether networks can store the data of a row: 1, 0, or -1 where None."""
        numbers = [-1 if answer is None else int(answer) for answer in answers]
        text = "1: within the counting bound, 0: beyond it, -1: not known"
        return cls("possible", np.array(numbers, dtype=np.int64), text)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns of equal length; the first one is the abscissa.  ``attributes`` are scalars."""

    name: str
    columns: tuple[Column, ...]
    attributes: Mapping[str, Plain] = field(default_factory=dict)

    def __getitem__(self, name: str) -> NDArray[Any]:
        for column in self.columns:
            if column.name == name:
                return column.values
        raise KeyError(f"no column {name!r}")

    def __len__(self) -> int:
        return int(self.columns[0].values.size)

    @classmethod
    def of(
        cls,
        name: str,
        items: Sequence[object],
        columns: Iterable[tuple[str, str, str]],
        attributes: Mapping[str, Plain] | None = None,
    ) -> Table:
        """One row an item; ``columns``: its attributes (name, long_name, equation)."""
        return cls(
            name,
            tuple(
                Column.of(key, [getattr(item, key) for item in items], text, equation=number)
                for key, text, number in columns
            ),
            attributes or {},
        )

    def records(self) -> list[dict[str, Any]]:
        """One dict of Python values a row."""
        columns = {c.name: c.values.tolist() for c in self.columns}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def rows(self) -> list[dict[str, Any]]:
        """`records` ready for JSON: nan and infinite numbers are None."""
        return [plain(record) for record in self.records()]


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Everything in a file: its kind, tables by name, attributes and where it comes from."""

    kind: str
    tables: Mapping[str, Table]
    attributes: Mapping[str, Plain]
    provenance: Mapping[str, str]
    finished: bool = True

    def __getitem__(self, name: str) -> Table:
        return self.tables[name]

    @property
    def timings(self) -> dict[str, float]:
        """What `seconds` made attributes of."""
        return {
            key.removeprefix("seconds_"): float(value)
            for key, value in self.attributes.items()
            if key.startswith("seconds_")
        }


def seconds(timings: Mapping[str, float]) -> dict[str, Plain]:
    """Timings as attributes."""
    return {f"seconds_{key}": float(value) for key, value in timings.items()}


def plain(value: Any) -> Any:
    """A numpy scalar, array, mapping or list as JSON values; None for nan and infinity."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_tables(
    path: str | Path,
    kind: str,
    tables: Iterable[Table],
    *,
    attributes: Mapping[str, Plain] | None = None,
    provenance: Mapping[str, str] | None = None,
    finished: bool = True,
    overwrite: bool = False,
) -> Path:
    """Write ``tables`` to one HDF5 file of this ``kind``; complete or not at all.

    Raises
    ------
    FileError
        The file exists (without ``overwrite``), the folder is missing, or writing fails.
    """
    origin = provenance or make_provenance()
    with (
        atomic_file(path, overwrite=overwrite) as temporary,
        new_file(temporary, kind, finished, origin) as file,
    ):
        root = file.create_group("tables")
        for key, plain_value in (attributes or {}).items():
            root.attrs[key] = plain_value
        for number, table in enumerate(tables):
            write_table(root.create_group(table.name), table, number)
        root.attrs["sha256"] = _checksum(root)
    return Path(path)


def write_table(group: h5py.Group, table: Table, number: int = 0) -> None:
    """Write a table into an empty group; ``number``: its place among the others."""
    for key, value in table.attributes.items():
        group.attrs[key] = value
    group.attrs["order"] = number
    group.attrs["columns"] = np.array([c.name for c in table.columns], dtype=h5py.string_dtype())
    scale = None
    for column in table.columns:
        if column.values.shape != (len(table),):
            raise ValueError(f"column {column.name} is not of length {len(table)}")
        text = column.values.dtype.kind == "O"
        dataset = group.create_dataset(
            column.name, data=column.values, dtype=h5py.string_dtype() if text else None
        )
        dataset.attrs["long_name"] = column.long_name
        dataset.attrs["units"] = column.units
        if column.equation:
            dataset.attrs["equation"] = f"docs/theory.md eq. {column.equation}"
        if scale is None:
            scale = dataset
            scale.make_scale(column.name)
        else:
            dataset.dims[0].attach_scale(scale)
    group.attrs["sha256"] = digest(group)


def _checksum(root: h5py.Group) -> str:
    """Checksum of the attributes above the tables (each table carries its own)."""
    pairs = {k: plain(root.attrs[k]) for k in sorted(root.attrs) if k != "sha256"}
    return hashlib.sha256(json.dumps([pairs, sorted(root)]).encode()).hexdigest()


def read_tables(path: str | Path, kind: str | None = None) -> Tables:
    """Read a file of kind ``kind`` (any kind that is tables by default), every value checked.

    Raises
    ------
    FileError
        Missing, unreadable, damaged, of a newer schema or of another kind.
    """
    with open_checked(path, kind) as file, one_error(path, "a file of tables"):
        root = file["tables"]
        if root.attrs["sha256"] != _checksum(root):
            raise ValueError("checksum of the attributes does not match")
        tables = [read_table(name, root[name]) for name in root]
        tables.sort(key=lambda pair: pair[0])
        return Tables(
            kind=str(file.attrs["kind"]),
            tables={table.name: table for _, table in tables},
            attributes={k: _scalar(v) for k, v in root.attrs.items() if k != "sha256"},
            provenance=provenance_of(file),
            finished=bool(file.attrs.get("finished", False)),
        )


@contextlib.contextmanager
def reading(path: str | Path, kind: str) -> Iterator[Tables]:
    """`read_tables` for a block that makes a result of it; what does not fit is a FileError."""
    found = read_tables(path, kind)
    with one_error(path, f"a {kind} file"):
        yield found


def read_table(name: str, group: h5py.Group) -> tuple[int, Table]:
    """What `write_table` wrote: the table's place and the table; ValueError: it is damaged."""
    if group.attrs["sha256"] != digest(group):
        raise ValueError(f"checksum of table {name} does not match its numbers")
    columns = []
    for column in group.attrs["columns"]:
        dataset = group[column]
        values = dataset.asstr()[()] if dataset.dtype.kind == "O" else np.asarray(dataset[()])
        equation = str(dataset.attrs.get("equation", "")).removeprefix("docs/theory.md eq. ")
        columns.append(
            Column(
                str(column), values, str(dataset.attrs["long_name"]), str(dataset.attrs["units"]),
                equation,
            )
        )  # fmt: skip
    own = ("sha256", "order", "columns")
    attributes = {k: _scalar(v) for k, v in group.attrs.items() if k not in own}
    return int(group.attrs["order"]), Table(name, tuple(columns), attributes)


def _scalar(value: Any) -> Plain:
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, float | int | bool | str):
        raise TypeError(f"an attribute is {type(value).__name__}, not a plain value")
    return value


def describe_tables(path: str | Path) -> dict[str, Any]:
    """What `replicadnn.storage.readers.describe` says about a file of tables."""
    found = read_tables(path)
    return {
        "attributes": {
            k: "inf" if v == math.inf else plain(v) for k, v in found.attributes.items()
        },
        "tables": [
            {
                "name": table.name,
                "rows": len(table),
                "columns": {c.name: c.long_name for c in table.columns},
                "attributes": plain(table.attributes),
            }
            for table in found.tables.values()
        ],
        "provenance": dict(found.provenance),
    }
