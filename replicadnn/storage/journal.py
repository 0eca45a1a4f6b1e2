"""Results that are safe the moment they are computed: an append-only file beside an HDF5 file.

Appending to HDF5 in place is not safe against a kill, rewriting the whole file for every point
costs more with every point.  A journal record costs the same at any length; the records are moved
into the HDF5 file when the computation ends (docs/file-format.md, "Journal").

Layout: a header line with the name that the HDF5 file calls its journal, then records

    marker (8 bytes) | length of the body (8) | SHA-256 of length and body (32) | body

The body is made by `storage.records`.  A record cut short by a kill is dropped; one that is damaged
is skipped and counted.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import mmap
import os
import stat
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from replicadnn.errors import FileError, WriteError, one_line
from replicadnn.storage.outputs import follow, sync_folder

_MAGIC = b"replicadnn journal 1 "
_HEADER = len(_MAGIC) + 33
_MARKER = b"\x89RDNNJ\r\n"
_FRAME = struct.Struct("<8sQ32s")
#: Seconds between calls of fsync: what a loss of power (not a kill) can cost.
_SYNC_EVERY = 1.0


def journal_path(path: str | Path) -> Path:
    """The journal of the HDF5 file ``path``: FILE.h5.journal."""
    return Path(f"{follow(path)}.journal")


def refuse_orphan(path: str | Path) -> None:
    """Raise a FileError if there is a journal whose HDF5 file is gone: its points are no junk."""
    beside, target = journal_path(path), Path(path)
    if beside.exists() and not beside.is_file():
        raise FileError(beside, f"is not a file: the journal of {target.name} cannot be written")
    if beside.exists() and not target.exists():
        raise FileError(
            beside, f"belongs to {target.name}, which is gone: bring it back, or delete both"
        )


class Scan:
    """Records of a journal: their places, and how many were damaged.

    Empty where there is no journal, or one that ``name`` does not name (left over from before the
    HDF5 file was last replaced).
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.places: list[tuple[int, int]] = []
        self.damaged = 0
        self.end = 0
        self.matches = False
        with contextlib.suppress(FileNotFoundError), _mapped(path) as data:
            self.matches = data[:_HEADER] == _header(name)
            if self.matches:
                self._walk(data)

    def _walk(self, data: mmap.mmap | bytes) -> None:
        at = self.end = _HEADER
        while at + _FRAME.size <= len(data):
            marker, size, checksum = _FRAME.unpack_from(data, at)
            start = at + _FRAME.size
            if marker == _MARKER and start + size <= len(data):
                body = memoryview(data)[start : start + size]
                good = _checksum(size, body) == checksum
                body.release()
                if good:
                    self.places.append((start, size))
                    at = self.end = start + size
                    continue
            following = data.find(_MARKER, at + 1)
            if following < 0:  # the record that a kill cut short
                return
            self.damaged += 1
            at = following

    def __len__(self) -> int:
        return len(self.places)

    def bodies(self) -> Iterator[bytes]:
        """Every record, in the order written."""
        if self.places:
            with self.path.open("rb") as file:
                for start, size in self.places:
                    file.seek(start)
                    yield file.read(size)


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap | bytes]:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for its writer
            raise FileError(path, "is not a file")
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                yield b""
                return
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield data
    except (FileNotFoundError, FileError):
        raise
    except OSError as error:
        raise FileError(path, f"cannot be read ({error.strerror})") from error


def _header(name: str) -> bytes:
    return _MAGIC + name.encode()[:32].ljust(32, b"0") + b"\n"


def _checksum(size: int, body: bytes | memoryview) -> bytes:
    total = hashlib.sha256(size.to_bytes(8, "little"))
    total.update(body)
    return total.digest()


def _write_all(file: io.FileIO, data: bytes) -> None:
    left = memoryview(data)
    while left:  # a disk that fills up takes a part first
        left = left[file.write(left) :]


class Journal:
    """The one writer of a journal (the caller holds the lock of the HDF5 file).

    The file appears with the first record.  Whatever follows the last complete record is cut off.
    """

    def __init__(self, path: str | Path, name: str) -> None:
        self.path = journal_path(path)
        self._name = name
        self._file: io.FileIO | None = None
        self._synced = 0.0

    def append(self, body: bytes) -> None:
        """Add one record; raises `WriteError` (and leaves the journal as it was)."""
        frame = _FRAME.pack(_MARKER, len(body), _checksum(len(body), body))
        try:
            file = self._open()
            end = file.tell()
            try:
                _write_all(file, frame + body)
                if time.monotonic() - self._synced > _SYNC_EVERY:
                    os.fsync(file.fileno())
                    self._synced = time.monotonic()
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(end)
                    file.seek(end)
                raise
        except OSError as error:
            raise WriteError(self.path, f"cannot be written ({error.strerror})") from error

    def _open(self) -> io.FileIO:
        if self._file is None:
            found = Scan(self.path, self._name)
            file = io.FileIO(self.path, "r+" if found.matches else "w+")
            try:
                if found.matches:
                    file.truncate(found.end)
                else:
                    _write_all(file, _header(self._name))
                    sync_folder(self.path.absolute().parent)
                file.seek(0, os.SEEK_END)
            except OSError:
                file.close()
                raise
            self._file = file
        return self._file

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Delete it: its records are in the HDF5 file."""
        self.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def each(scan: Scan, use: Callable[[bytes], None]) -> None:
    """Call ``use`` with every record; what is not a record of this package is a `FileError`."""
    for body in scan.bodies():
        try:
            use(body)
        except FileError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError, struct.error) as error:
            reason = one_line(f"{type(error).__name__} {error}")
            raise FileError(scan.path, f"damaged or foreign record ({reason})") from error
