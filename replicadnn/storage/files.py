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

from replicadnn.errors import FileError
from replicadnn.storage import hdf5

FORMAT = "replicadnn"
SCHEMA_VERSION = 1
#: Kinds whose files are tables (`storage.tables`).
TABLE_KINDS = ("transitions", "generalisation", "capacity", "stability", "complexity")
KINDS = ("solve", "mc", *TABLE_KINDS)


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
    """An open file whose format, schema version and kind are as expected."""
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
        try:
            words = {name: file.attrs.get(name) for name in ("format", "schema_version")}
            found = file.attrs.get("kind")
            whole = file.attrs.get("sha256") in (None, hdf5.root_digest(file))
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise FileError(target, "not a replicadnn file (unreadable attributes)") from error
        if not isinstance(words["format"], str) or words["format"] != FORMAT:
            raise FileError(target, "an HDF5 file, but not a replicadnn one")
        version = words["schema_version"]
        if not isinstance(version, int | np.integer) or version < 1:
            raise FileError(target, "schema_version is missing or invalid")
        if version > SCHEMA_VERSION:
            raise FileError(
                target, f"schema_version {version} is newer than this program ({SCHEMA_VERSION})"
            )
        if not whole:
            raise FileError(target, "damaged (checksum of the root attributes)")
        if not isinstance(found, str) or found not in KINDS:
            raise FileError(target, "kind is missing or unknown")
        if kind is not None and found != kind:
            raise FileError(target, f"holds {found!r} results, expected {kind!r}")
        yield file


def provenance_of(file: h5py.File) -> dict[str, str]:
    """How a file was made."""
    return {
        key.removeprefix("provenance_"): str(value)
        for key, value in file.attrs.items()
        if key.startswith("provenance_")
    }
