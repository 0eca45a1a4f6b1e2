"""What all results have in common: one line as text, a small table in a notebook, ``==``.

A class states its line (`ResultBase._line`) and the rows of its table (`ResultBase._records`); how
they are shown, compared and handed to pandas is written here once.
"""

from __future__ import annotations

import functools
import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from replicadnn import registry
from replicadnn.errors import MissingError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

#: Rows of a table in a notebook; of more the first and the last are shown.
MAX_ROWS = 12


class Shown:
    """What shows itself: a line as text, a table in a notebook, the same table for pandas."""

    __slots__ = ()
    #: Columns of the table in a notebook, if there are any; empty: all but the messages.
    _COLUMNS: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        """Arrays that a property computes are read-only: to change one would change no result."""
        super().__init_subclass__(**options)
        for name, found in list(vars(cls).items()):
            get = found.fget if isinstance(found, property) else None
            if get is not None and "Array" in get.__annotations__.get("return", ""):
                setattr(cls, name, property(_reading(get), doc=found.__doc__))

    def _line(self) -> Mapping[str, object]:
        """What the one line says: name -> value."""
        raise NotImplementedError

    def _records(self) -> Sequence[Mapping[str, Any]]:
        """Rows of the table: column -> value."""
        return [self._line()]

    def __repr__(self) -> str:
        words = [f"{name} = {text(value)}" for name, value in self._line().items()]
        return f"<{type(self).__name__}: {', '.join(words)}>"

    def _repr_html_(self) -> str:
        return html_table(repr(self), self._records(), self._COLUMNS)

    def to_dataframe(self) -> pd.DataFrame:
        """The table that a notebook shows, with all rows and columns, as a pandas DataFrame.

        Raises
        ------
        MissingError
            pandas is not installed.
        """
        return extra("pandas").DataFrame(list(self._records()))


class Labelled(Shown):
    """What has arrays over layers, alpha, times, ..., and hands them to xarray."""

    __slots__ = ()

    def to_xarray(self) -> xr.Dataset:
        """Its arrays as an xarray Dataset with named axes and coordinates (docs/python.md).

        Raises
        ------
        InputError
            Several solutions of different depths.
        MissingError
            xarray is not installed.
        """
        return registry.dataset(self)


class ResultBase(Shown):
    """Base of results that are immutable dataclasses.

    Two results are equal if all their numbers are, to the last bit (nan is equal to nan); seconds,
    versions and time of day do not count.  Arrays are read-only: copy one to change it.
    """

    __slots__ = ()

    def __post_init__(self) -> None:
        for f in fields(self):  # type: ignore[arg-type]
            object.__setattr__(self, f.name, read_only(getattr(self, f.name)))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return _same_fields(self, other)

    __hash__ = None  # type: ignore[assignment]


def read_only(value: Any) -> Any:
    """An array, or a dict of arrays, that cannot be written through this object."""
    if isinstance(value, np.ndarray):
        value = value.view()
        value.flags.writeable = False
    elif isinstance(value, dict):
        value = {name: read_only(one) for name, one in value.items()}
    return value


def _reading(get: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The getter of a property, whose arrays are `read_only`."""

    @functools.wraps(get)
    def call(self: Any) -> Any:
        return read_only(get(self))

    return call


def _same_fields(one: Any, other: Any) -> bool:
    """Are two instances of one dataclass the `same` in all fields that count?"""
    names = [f.name for f in fields(one) if f.compare]
    return all(same(getattr(one, name), getattr(other, name)) for name in names)


def same(one: Any, other: Any) -> bool:
    """Equal to the last bit, nan to nan; arrays by shape and entries, containers by what they hold.

    Examples
    --------
    >>> same({"a": np.array([1.0, np.nan])}, {"a": np.array([1.0, np.nan])})
    True
    >>> same((1.0, 2.0), (1.0, 2.0 + 1e-15))
    False
    """
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        one, other = np.asarray(one), np.asarray(other)
        numeric = one.dtype.kind in "fc" and other.dtype.kind in "fc"
        return bool(np.array_equal(one, other, equal_nan=numeric))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, (tuple, list)) and isinstance(other, (tuple, list)):
        return len(one) == len(other) and all(map(same, one, other))
    if is_dataclass(one) and type(one) is type(other):
        return _same_fields(one, other)
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)


def finite(value: float) -> float | None:
    """``value``, or None where JSON has no number for it."""
    return float(value) if math.isfinite(value) else None


def text(value: object) -> str:
    """A value as it stands in a line or a cell: six digits, "-" for nothing and nan."""
    if value is None or (isinstance(value, (float, np.floating)) and math.isnan(value)):
        return "-"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}"
    return str(value)


def html_table(caption: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> str:
    """A table with one line above it; of more than `MAX_ROWS` rows the first and the last ones."""
    there = list(rows[0]) if rows else []
    names = [name for name in columns or there if name in there and (columns or name != "message")]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    cells = [
        "<tr>" + "".join(f"<td>{html.escape(text(row[name]))}</td>" for name in names) + "</tr>"
        for row in shortened(rows, MAX_ROWS)
        if row
    ]
    if len(rows) > MAX_ROWS:
        left = len(rows) - MAX_ROWS
        words = f'<tr><td colspan="{len(names)}">... {left} more ...</td></tr>'
        cells.insert(MAX_ROWS // 2, words)
    return (
        f"<div><p>{html.escape(caption)}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(cells)}</tbody></table></div>"
    )


def shortened(rows: Sequence[Any], most: int) -> list[Any]:
    """All rows, or the first and the last ``most // 2`` of them."""
    if len(rows) <= most:
        return list(rows)
    return [*rows[: most // 2], *rows[len(rows) - most // 2 :]]


def extra(name: str) -> Any:
    """A package that is not needed otherwise; MissingError says how to install it."""
    try:
        return import_module(name)
    except ImportError:
        raise MissingError(
            f"{name} is not installed: pip install {name}, or pip install 'replicadnn[notebook]'"
        ) from None
