"""Results as bytes: the body of a journal's record.

Length of the head (4 bytes, little-endian), head (JSON), and the arrays that the head refers to.
What JSON lacks is an object with the key "#": "array", "tuple", or the name of a dataclass; only
those of `replicadnn.registry.RECORDS` are kept and made again, and nothing is unpickled.
"""

from __future__ import annotations

import enum
import json
import struct
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

import numpy as np

from replicadnn.registry import RECORDS, find
from replicadnn.status import Branch

_HEAD = struct.Struct("<I")
#: Kinds of numpy types that may be kept: floats, whole numbers, truth values.
_NUMBERS = "fiub"


def encode(value: Any) -> bytes:
    """Body of a record: plain values, arrays of numbers and the results of this package.

    Raises
    ------
    TypeError
        Something else is in it.
    """
    blobs: list[bytes] = []
    offset = 0

    def array(item: np.ndarray[Any, Any]) -> dict[str, Any]:
        nonlocal offset
        if item.dtype.kind not in _NUMBERS:
            raise TypeError(f"an array of {item.dtype} cannot be kept")
        blobs.append(np.ascontiguousarray(item).tobytes())
        place = {"#": "array", "at": offset, "is": item.dtype.str, "of": item.shape}
        offset += len(blobs[-1])
        return place

    def plain(item: Any) -> Any:
        if isinstance(item, np.ndarray):
            return array(item)
        if isinstance(item, np.generic):
            return item.item()
        if is_dataclass(item) and not isinstance(item, type):
            name = type(item).__name__
            if name not in RECORDS:
                raise TypeError(f"a {name} cannot be kept")
            return {"#": name} | {f.name: plain(getattr(item, f.name)) for f in fields(item)}
        if isinstance(item, Mapping):
            return {str(key): plain(entry) for key, entry in item.items()}
        if isinstance(item, tuple):
            return {"#": "tuple", "items": [plain(entry) for entry in item]}
        if isinstance(item, list):
            return [plain(entry) for entry in item]
        return str(item) if isinstance(item, str) else item

    head = json.dumps(plain(value), separators=(",", ":")).encode()
    return b"".join((_HEAD.pack(len(head)), head, *blobs))


def decode(body: bytes | memoryview, key: str | None = None) -> Any:
    """The value that `encode` was given (``key``: only this entry of a mapping).

    Raises
    ------
    ValueError, TypeError, KeyError
        Not the body of a record.
    """
    if len(body) < _HEAD.size:
        raise ValueError("empty record")
    size = _HEAD.unpack_from(body)[0]
    head = json.loads(bytes(body[_HEAD.size : _HEAD.size + size]))
    blob = memoryview(body)[_HEAD.size + size :]

    def full(item: Any) -> Any:
        if isinstance(item, list):
            return [full(entry) for entry in item]
        if not isinstance(item, dict):
            return item
        kind = item.pop("#", None)
        if kind == "array":
            return _array(blob, item)
        values = {name: full(entry) for name, entry in item.items()}
        if kind is None:
            return values
        return tuple(values["items"]) if kind == "tuple" else _made(find(RECORDS[kind]), values)

    return full(head if key is None else head[key])


def _array(blob: memoryview, place: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    dtype, shape = np.dtype(place["is"]), tuple(place["of"])
    if dtype.kind not in _NUMBERS:
        raise ValueError(f"an array of {dtype}")
    count = int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(blob, dtype, count, place["at"]).reshape(shape).copy()


def _made(kind: type, values: Mapping[str, Any]) -> Any:
    """A dataclass of its fields; words with a meaning are made what they were."""
    return kind(**{**values, **{n: word(values[n]) for n, word in _words(kind).items()}})


@cache
def _words(kind: type) -> dict[str, type]:
    """Fields of a dataclass that are words with a meaning: enumerations, names of branches."""
    hints = typing.get_type_hints(kind)
    return {
        n: t for n, t in hints.items() if isinstance(t, type) and issubclass(t, (enum.Enum, Branch))
    }
