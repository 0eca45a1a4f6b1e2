"""Writing many small HDF5 groups quickly, and the checksum that every group carries.

The high-level interface of h5py spends about 0.1 ms on an attribute; a point has sixty.  Here
the attributes are created directly, and the checksum is computed from what is written instead of
being read back.  The result is the same file.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

#: Version 1.10 of the format: all metadata carry checksums of their own, any HDF5 since 2016 reads
#: it.
LIBVER = "v110"
_TEXT = h5py.string_dtype()
_SCALAR = h5py.h5s.create(h5py.h5s.SCALAR)


class _Disk(io.FileIO):
    """A file that never tells HDF5 of a failed write, but remembers it.

    HDF5 tries again whenever an object is closed, and h5py prints a traceback for each.  `writing`
    raises the error once, after everything is closed.
    """

    failure: OSError | None = None

    def write(self, data: Any, /) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while left and self.failure is None:
                left = left[super().write(left) or 0 :]
        except OSError as error:
            self.failure = error
        return size

    def truncate(self, size: int | None = None, /) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.failure = self.failure or error
            return size or 0


@contextlib.contextmanager
def writing(path: Path, *, new: bool) -> Iterator[h5py.File]:
    """A file to write, complete on the disk when the block ends; raises OSError."""
    with _Disk(path, "w+" if new else "r+") as disk:
        try:
            with h5py.File(disk, "w" if new else "r+", libver=LIBVER) as file:
                yield file
        except Exception as error:
            raise disk.failure or error from None
        if disk.failure is not None:
            raise disk.failure


def digest(group: h5py.Group) -> str:
    """SHA-256 of all attributes and datasets of a group: a flipped bit cannot pass unseen."""
    return digest_of(
        {name: group.attrs[name] for name in group.attrs},
        {name: np.asarray(group[name][()]) for name in group},
    )


def digest_of(attributes: Mapping[str, Any], datasets: Mapping[str, NDArray[Any]]) -> str:
    """`digest` of the group that would hold these."""
    total = hashlib.sha256()
    for name in sorted(attributes):
        if name != "sha256":
            value = np.asarray(attributes[name])
            text = repr(value.tolist()) if value.dtype.kind in "OSU" else value.tobytes().hex()
            total.update(f"{name}={text};".encode())
    for name in sorted(datasets):
        values = datasets[name]
        total.update(f"{name}:{values.dtype.str}{values.shape};".encode())
        if values.dtype.kind == "O":  # text; the bytes of the array would be addresses
            total.update(repr([_text(v) for v in values.ravel().tolist()]).encode())
        else:
            total.update(values.tobytes())
    return total.hexdigest()


def _text(value: object) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def root_digest(file: h5py.File) -> str:
    """`digest` of the attributes of the file itself."""
    return digest_of({name: file.attrs[name] for name in file.attrs}, {})


@cache
def _type(dtype: np.dtype[Any]) -> Any:
    return h5py.h5t.py_create(dtype, logical=True)


def put(where: h5py.Group | h5py.Dataset, attributes: Mapping[str, Any]) -> None:
    """Attributes of a new object: text, numbers, truth values, arrays of numbers or text."""
    for name, value in attributes.items():
        if isinstance(value, str):
            array = np.empty((), dtype=_TEXT)
            array[()] = value
        else:
            array = np.asarray(value, order="C")
        space = _SCALAR if array.shape == () else h5py.h5s.create_simple(array.shape)
        made = h5py.h5a.create(where.id, name.encode(), _type(array.dtype), space)
        made.write(array)


def put_checked(
    group: h5py.Group, attributes: Mapping[str, Any], datasets: Mapping[str, NDArray[Any]]
) -> dict[str, h5py.Dataset]:
    """Fill a new group and give it its checksum; returns the datasets."""
    made = {name: new_dataset(group, name, values) for name, values in datasets.items()}
    put(group, {**attributes, "sha256": digest_of(attributes, datasets)})
    return made


def new_dataset(group: h5py.Group, name: str, values: NDArray[Any]) -> h5py.Dataset:
    """A contiguous dataset."""
    values = np.asarray(values, order="C")
    space = h5py.h5s.create_simple(values.shape) if values.shape else _SCALAR
    made = h5py.h5d.create(group.id, name.encode(), _type(values.dtype), space)
    if values.size:
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, values)
    return h5py.Dataset(made)
