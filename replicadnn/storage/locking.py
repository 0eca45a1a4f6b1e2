"""One writer a file: a lock that the system frees when its process dies."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from replicadnn.errors import FileError
from replicadnn.storage.outputs import check_target, remove_leftovers


@contextlib.contextmanager
def lock(path: str | Path) -> Iterator[None]:
    """Hold ``path`` against a second writer; the system frees it when the process dies.

    Raises
    ------
    FileError
        Another process writes this file, or as `outputs.check_target`.
    """
    target = check_target(path, overwrite=True)
    guard = target.with_name(f".{target.name}.lock")
    try:
        handle = _locked(guard)
    except BlockingIOError:
        raise FileError(path, "in use: another process is writing it") from None
    except OSError as error:
        raise FileError(path, f"cannot be locked ({error.strerror})") from error
    try:
        remove_leftovers(target)
        yield
    finally:
        with contextlib.suppress(OSError):
            guard.unlink()
        os.close(handle)


def _locked(guard: Path) -> int:
    """File descriptor of the locked ``guard``; BlockingIOError if it is taken."""
    while True:
        handle = os.open(guard, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _take(handle)
            # the last holder may have removed the file between open and lock
            if guard.exists() and os.path.samestat(os.fstat(handle), guard.stat()):
                return handle
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _take(handle: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError from error
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
