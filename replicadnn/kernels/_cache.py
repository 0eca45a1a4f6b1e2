"""Compiled kernels on the disk: what is damaged is noticed, removed and compiled again.

numba trusts the files of its cache.  An empty or cut one (a full disk, a loss of power) ends every
later call in an exception, a changed byte is machine code that runs, and an index in a file of its
own can name what another process has replaced.  Here every compiled kernel is one file, which is
not looked into before its checksum is right.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import pickle
import secrets
from pathlib import Path

import numba
from numba.core.caching import FunctionCache
from numba.core.serialize import dumps

logger = logging.getLogger(__name__)
_said: set[str] = set()


def fingerprint(folder: Path) -> bytes:
    """SHA-256 of the version of numba and of the source files below ``folder``.

    numba renews a kernel when its own file changes, not when a file changes that it calls.
    """
    total = hashlib.sha256(numba.__version__.encode())
    for file in sorted(folder.rglob("*.py")):
        content = file.read_bytes()
        name = file.relative_to(folder).as_posix()
        total.update(f" {name} {len(content)} ".encode() + content)
    return total.digest()


#: Of all kernels, when they were imported.
SOURCES = fingerprint(Path(__file__).parent)


class _Files:
    """The compiled forms of one kernel: SHA-256 of the rest | `fingerprint` | pickle."""

    def __init__(self, folder: str, name: str) -> None:
        self._folder, self._name = Path(folder), name

    def _path(self, key):
        form = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        return self._folder / f"{self._name}.{form}.nbc"

    def save(self, key, data):
        rest = SOURCES + dumps((key, data))
        path = self._path(key)
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
        try:
            temporary.write_bytes(hashlib.sha256(rest).digest() + rest)
            os.replace(temporary, path)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def load(self, key):
        try:
            content = self._path(key).read_bytes()
        except FileNotFoundError:
            return None
        checksum, sources, body = content[:32], content[32:64], content[64:]
        if hashlib.sha256(sources + body).digest() != checksum:
            raise ValueError("wrong checksum")
        if sources != SOURCES:
            return None
        made_for, data = pickle.loads(body)
        return data if made_for == key else None

    def flush(self):
        for file in self._folder.iterdir():
            if file.name.startswith(f"{self._name}.") and file.suffix == ".nbc":
                file.unlink(missing_ok=True)


class KernelCache(FunctionCache):  # type: ignore[misc]
    """numba's cache of one kernel, without its faith in files.

    Raises
    ------
    RuntimeError
        There is no folder to keep compiled kernels in.
    """

    def __init__(self, function):
        super().__init__(function)
        self._cache_file = _Files(self.cache_path, self._impl.filename_base)

    def load_overload(self, sig, target_context):
        """The compiled kernel, or None: it has to be compiled."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # whatever it is, compiling does not need the file
            try:
                self.flush()
                done = "removed, compiled again"
            except OSError as obstacle:
                done = f"cannot be removed ({obstacle.strerror}), compiled in every run"
            say_once(f"damaged compiled kernels in {self.cache_path}: {done}", error)
            return None

    def save_overload(self, sig, data):
        """Keep a compiled kernel; where that fails it is compiled again next time."""
        try:
            super().save_overload(sig, data)
        except OSError as error:  # no room, or no permission
            say_once(f"compiled kernels cannot be kept in {self.cache_path}", error)


def say_once(line: str, error: Exception) -> None:
    """Log a warning: one, there are a hundred kernels."""
    if line not in _said:
        _said.add(line)
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        logger.warning("%s (%s)", line, reason)
