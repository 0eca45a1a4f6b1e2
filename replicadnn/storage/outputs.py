"""Where a result goes: which paths are refused, and files that are complete or not there.

Every file of this package is written by `atomic_file`: under a temporary name in the folder of
the file itself (symbolic links are followed), then renamed.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from replicadnn.errors import FileError, WriteError, one_line

#: What is being written has the name of its file, a dot before it, and this behind it.
_PART = ".part"


def follow(path: str | Path) -> Path:
    """The file that ``path`` stands for; its lock, journal and temporary file lie beside it."""
    return Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)


def check_target(
    path: str | Path, *, overwrite: bool, instead: str = "use overwrite=True to replace it"
) -> Path:
    """The file to write for ``path``; call it before a long computation.

    Parameters
    ----------
    path : path
        A symbolic link stands for the file it points to, which need not exist.
    overwrite : bool
        An existing file may be replaced, if its permissions let somebody write it (those of the
        folder would be enough to rename over it, and root may do anything).
    instead : str
        What to do about an existing file.

    Raises
    ------
    FileError
        ``path`` is a folder, a device, a pipe or a socket, exists (without ``overwrite``) or is
        write-protected; its folder is missing or not writable; its name is too long.
    """
    target = follow(path)
    try:
        mode = _mode(path)
        _mode(target.with_name(f".{target.name}.12345678{_PART}") if target.name else target)
    except (OSError, ValueError) as error:
        raise FileError(path, f"cannot be written ({_reason(error)})") from None
    if mode is not None and stat.S_ISDIR(mode):
        raise FileError(path, "is a folder, not a file")
    if mode is not None and not stat.S_ISREG(mode):
        raise FileError(path, "is a device, a pipe or a socket, not a file")
    if not target.parent.is_dir():
        raise FileError(path, f"the folder {target.parent} does not exist")
    if mode is not None and not overwrite:
        raise FileError(path, f"exists already ({instead})")
    if mode is not None and not (mode & 0o222 and os.access(target, os.W_OK)):
        raise FileError(path, "is write-protected (change its permissions, or take another name)")
    if not os.access(target.parent, os.W_OK):
        raise FileError(path, f"the folder {target.parent} is not writable")
    return target


def _mode(path: str | Path) -> int | None:
    """Type and permissions of a file; None: there is none."""
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _reason(error: Exception) -> str:
    return one_line(getattr(error, "strerror", None) or error)


@contextlib.contextmanager
def atomic_file(path: str | Path, *, overwrite: bool) -> Iterator[Path]:
    """A temporary path beside ``path`` that replaces it when the block ends without an error.

    Raises
    ------
    FileError
        As `check_target`.
    WriteError
        Writing fails.
    """
    target = check_target(path, overwrite=overwrite)
    temporary = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=_PART, dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        umask = os.umask(0)
        os.umask(umask)
        before = _mode(target)
        temporary.chmod(0o666 & ~umask if before is None else stat.S_IMODE(before))
        if overwrite:
            os.replace(temporary, target)
        else:
            _rename_new(temporary, target)
        sync_folder(target.parent)
    except FileExistsError:
        raise FileError(path, "exists already (use overwrite=True to replace it)") from None
    except (OSError, RuntimeError) as error:
        raise WriteError(path, f"cannot be written ({_reason(error)})") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def remove_leftovers(target: Path) -> None:
    """Remove what a writer of ``target`` that was killed has left; the caller holds its lock.

    What becomes another file, ``target``.x, stays.
    """
    own = re.compile(rf"\.{re.escape(target.name)}\.[^.]+{re.escape(_PART)}")
    for stale in target.parent.glob(f".*{_PART}"):
        if own.fullmatch(stale.name):
            with contextlib.suppress(OSError):
                stale.unlink()


def _rename_new(temporary: Path, target: Path) -> None:
    """Rename without replacing what somebody else may have written meanwhile."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if target.exists():
            raise FileExistsError from None
        os.replace(temporary, target)


def sync_folder(folder: Path) -> None:
    """New, renamed and removed names in ``folder`` survive a loss of power (not on Windows)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


#: File types a figure can be written as.
FIGURE_TYPES = (".png", ".pdf", ".svg")


def check_figure_name(path: str | Path) -> None:
    """Raise a `FileError` unless ``path`` ends in one of `FIGURE_TYPES`."""
    if Path(path).suffix.lower() not in FIGURE_TYPES:
        raise FileError(path, "a figure must end in " + ", ".join(FIGURE_TYPES))
