"""How the answer to a question becomes a file and a document: columns as data, written once.

A question states the columns of its tables (`Schema`) and the scalars of its file; `Answer` gives
it ``save`` and ``load``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar, get_type_hints

import numpy as np

from replicadnn.errors import InputError
from replicadnn.provenance import same_settings
from replicadnn.results import Labelled, ResultBase
from replicadnn.storage.tables import (
    Column,
    Plain,
    Table,
    Tables,
    plain,
    reading,
    seconds,
    write_tables,
)

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

#: Called after every point with a function that returns the result so far.
Checkpoint = Callable[[Callable[[], Any]], None]

#: Attributes of a file that the one line of an answer names.
_TOLD = (
    "scenario",
    "ansatz",
    "closure",
    "alpha",
    "L",
    "kappa",
    "beta",
    "noisy",
    "levels",
    "alpha_max",
)

_DTYPES: dict[Any, Any] = {int: np.int64, float: np.float64, bool: np.bool_}


@dataclass(frozen=True, slots=True)
class Item:
    """One column: an attribute of the rows and what it means.

    ``name`` is its name in files and documents where that is another one, ``former`` the one in
    older files; ``added``: older files lack it, and the dataclass has a default.
    """

    attribute: str
    text: str
    equation: str = ""
    name: str = ""
    former: str = ""
    added: bool = False

    @property
    def key(self) -> str:
        """Name in files and documents."""
        return self.name or self.attribute

    def key_in(self, stored: set[str]) -> str:
        """Name in a file with these columns."""
        older = self.key not in stored and self.former in stored
        return self.former if older else self.key


@dataclass(frozen=True, slots=True)
class Schema:
    """One table: a row an instance of the dataclass ``row``, a column an `Item`.

    An attribute of type ``bool | None`` is written as in `Column.possible`; it is not read back,
    because the counting bound gives it again.  ``counter`` names a first column that counts rows.
    """

    name: str
    row: type
    items: tuple[Item, ...]
    counter: str = ""

    def table(
        self,
        rows: Sequence[Any],
        *,
        attributes: Mapping[str, Plain] | None = None,
        more: Iterable[Column] = (),
    ) -> Table:
        """The table of these rows, with ``more`` columns behind the others."""
        hints = get_type_hints(self.row)
        columns = []
        if self.counter:
            columns.append(Column.of(self.counter, np.arange(len(rows)), "number of the row"))
        for item in self.items:
            values = [getattr(row, item.attribute) for row in rows]
            columns.append(_column(item, values, hints[item.attribute]))
        return Table(self.name, (*columns, *more), attributes or {})

    def read(self, table: Table) -> list[dict[str, Any]]:
        """What the rows of a file say of the attributes, one dict a row."""
        hints = get_type_hints(self.row)
        stored = {column.name for column in table.columns}
        names = {
            item.attribute: item.key_in(stored)
            for item in self.items
            if hints[item.attribute] != bool | None and not (item.added and item.key not in stored)
        }
        return [
            {attribute: record[name] for attribute, name in names.items()}
            for record in table.records()
        ]

    def document(self, row: Any) -> dict[str, Any]:
        """One row as JSON values under the names of the columns."""
        values = ((item.key, getattr(row, item.attribute)) for item in self.items)
        return {key: str(v) if isinstance(v, str) else plain(v) for key, v in values}


def _column(item: Item, values: list[Any], hint: Any) -> Column:
    if hint == bool | None:
        return Column.possible(values)
    dtype = _DTYPES.get(hint)
    array = (
        np.array([str(value) for value in values], dtype=object)
        if dtype is None
        else np.array(values, dtype=dtype)
    )
    return Column.of(item.key, array, item.text, equation=item.equation)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class Answer(ResultBase, Labelled):
    """Answer to a question: what it has in common with the others.

    Attributes
    ----------
    timings : mapping
        Seconds by part of the computation.
    provenance : mapping
        Versions, host and time.
    finished : bool
        False if the computation was interrupted: the rest is what was done.
    """

    #: Kind of the file, as in `replicadnn.registry.READERS`.
    KIND: ClassVar[str]

    timings: Mapping[str, float] = field(default_factory=dict, compare=False)
    provenance: Mapping[str, str] = field(default_factory=dict, compare=False)
    finished: bool = True

    def _line(self) -> Mapping[str, object]:
        told = {n: v for n, v in self.attributes().items() if n in _TOLD}
        return (
            told | {"rows": len(self._records())} | ({} if self.finished else {"finished": False})
        )

    def _records(self) -> Sequence[Mapping[str, Any]]:
        return self.tables()[0].records()

    def tables(self) -> list[Table]:
        """The tables of its file."""
        raise NotImplementedError

    def attributes(self) -> dict[str, Plain]:
        """The scalars of its file."""
        raise NotImplementedError

    @classmethod
    def read(cls, file: Tables) -> Self:
        """The answer that a file holds."""
        raise NotImplementedError

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write everything to one HDF5 file (docs/file-format.md, "Kinds that are tables").

        Raises
        ------
        FileError
            The file exists (without ``overwrite``), the folder is missing, or writing fails.
        """
        return write_tables(
            path, self.KIND, self.tables(), attributes=self.attributes() | seconds(self.timings),
            provenance=self.provenance or None, finished=self.finished, overwrite=overwrite,
        )  # fmt: skip

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        FileError
            As `replicadnn.load`.
        """
        with reading(path, cls.KIND) as file:
            return cls.read(file)


def origin(file: Tables) -> dict[str, Any]:
    """Timings, provenance and ``finished`` of a file, for the constructor of an `Answer`."""
    return {"timings": file.timings, "provenance": file.provenance, "finished": file.finished}


def beta_value(beta: float) -> float | str:
    """An inverse temperature in a document: "inf" for the hard constraint."""
    return "inf" if math.isinf(beta) else beta


def taken_over(
    known: Answer | None,
    asked: str,
    rows: Iterable[tuple[K, T]],
    wanted: Iterable[K],
    name: str,
) -> dict[K, list[T]]:
    """Rows of an earlier result, by what they are the answer to; none without one.

    Parameters
    ----------
    known : Answer or None
    asked : str
        `replicadnn.provenance.settings` of the new call.
    rows : iterable of (key, row)
    wanted : iterable
        Keys that are asked for now.
    name : str
        What a key is made of.

    Raises
    ------
    InputError
        It was asked with other arguments, or has a key that is not ``wanted``.
    """
    found: dict[K, list[T]] = {}
    if known is None:
        return found
    same_settings(known.provenance, asked)
    for key, row in rows:
        found.setdefault(key, []).append(row)
    lost = found.keys() - set(wanted)
    if lost:
        value = min(lost, key=repr)
        raise InputError(name, value, "is in the earlier result and must be asked for too")
    return found
