"""The frame that every HDF5 file of this package has: root attributes, versions, checksums.

The schema is documented in docs/file-format.md.  Files are written by `storage.outputs`: an
interrupted or failed write leaves what was there before.  Reading never unpickles and never trusts
shapes or attribute values.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from replicadnn.errors import FileError, one_line
from replicadnn.registry import READERS
from replicadnn.storage import hdf5

FORMAT = "replicadnn"
SCHEMA_VERSION = 1
#: What reading contents that are damaged, foreign or impossible can raise (InputError is one).
_WRONG = (
    KeyError, ValueError, TypeError, OSError, RuntimeError, AttributeError, MemoryError,
    OverflowError,
)  # fmt: skip


@contextlib.contextmanager
def new_file(
    path: Path,
    kind: str,
    finished: bool,
    provenance: Mapping[str, str],
    more: Mapping[str, Any] | None = None,
) -> Iterator[h5py.File]:
    """A new file with its root attributes; ``more``: those of this kind alone."""
    with hdf5.writing(path, new=True) as file:
        root_attributes(
            file,
            {
                "format": FORMAT,
                "schema_version": SCHEMA_VERSION,
                "kind": kind,
                "finished": finished,
                **(more or {}),
                **{f"provenance_{key}": str(value) for key, value in provenance.items()},
            },
        )
        yield file


def root_attributes(file: h5py.File, changes: Mapping[str, Any]) -> None:
    """Set root attributes (None removes one) and their checksum."""
    for name, value in changes.items():
        if value is None:
            file.attrs.pop(name, None)
        else:
            file.attrs[name] = value
    file.attrs["sha256"] = hdf5.root_digest(file)


def replaced(path: str | Path, file: h5py.File) -> bool:
    """Whether ``path`` is another file than the open one: its writer has moved the journal."""
    return not os.path.samestat(os.fstat(file.id.get_vfd_handle()), os.stat(path))


@contextlib.contextmanager
def open_checked(path: str | Path, kind: str | None) -> Iterator[h5py.File]:
    """An open file whose format, schema version and kind (None: any) are as expected.

    Raises
    ------
    FileError
        Missing, no file, unreadable, not of this package, of a newer schema, damaged in its root
        attributes, or of another kind.
    """
    target = Path(path)
    if not target.is_file():
        raise FileError(target, "no such file" if not target.exists() else "is not a file")
    try:
        file = h5py.File(target, "r")
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise FileError(
            target, "not a readable HDF5 file (foreign, truncated or in use)"
        ) from error
    with file:
        wrong = _wrong_frame(file, kind)
        if wrong is not None:
            raise FileError(target, wrong)
        yield file


def _wrong_frame(file: h5py.File, kind: str | None) -> str | None:
    """What is wrong with the root attributes, or None."""
    try:
        name, version, found = (file.attrs.get(n) for n in ("format", "schema_version", "kind"))
        whole = file.attrs.get("sha256") in (None, hdf5.root_digest(file))
    except (OSError, RuntimeError, ValueError, KeyError, TypeError):
        return "not a replicadnn file (unreadable attributes)"
    if not isinstance(name, str) or name != FORMAT:
        return "an HDF5 file, but not a replicadnn one"
    if not isinstance(version, int | np.integer) or version < 1:
        return "schema_version is missing or invalid"
    if version > SCHEMA_VERSION:
        return f"schema_version {version} is newer than this program ({SCHEMA_VERSION})"
    if not whole:
        return "damaged (checksum of the root attributes)"
    if not isinstance(found, str) or found not in READERS:
        return "kind is missing or unknown"
    if kind is not None and found != kind:
        return f"holds {found!r} results, expected {kind!r}"
    return None


@contextlib.contextmanager
def one_error(path: str | Path, what: str) -> Iterator[None]:
    """Whatever is wrong with the contents of a file becomes one `FileError`: not ``what``."""
    try:
        yield
    except FileError:
        raise
    except _WRONG as error:
        raise FileError(path, f"damaged or not {what} ({one_line(error)})") from error


def provenance_of(file: h5py.File) -> dict[str, str]:
    """How a file was made."""
    return {
        key.removeprefix("provenance_"): str(value)
        for key, value in file.attrs.items()
        if key.startswith("provenance_")
    }
