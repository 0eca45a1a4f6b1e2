"""Ctrl-C at safe points.

Python raises KeyboardInterrupt wherever it happens to be, also where a compiled kernel hands its
result back, and numba makes a SystemError of that.  Inside `safely` the first Ctrl-C is therefore
only noted; `check`, called between kernels, raises KeyboardInterrupt.  The second Ctrl-C raises it
at once; signals of one moment are one Ctrl-C, since what has started this program may pass on what
the terminal sends to both.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

#: Seconds within which signals are one Ctrl-C.
SAME_PRESS = 0.25


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a computation, with what was done.

    Attributes
    ----------
    partial : the result that the computation would have returned, of what is done (may be empty)
    done : int
        Number of its rows.
    unit : str
        What they are, where a computation has rows of several kinds; else empty.
    """

    def __init__(self, partial: Any, done: int, unit: str = "") -> None:
        super().__init__(f"{done} done")
        self.partial = partial
        self.done = done
        self.unit = unit


@dataclass(slots=True)
class _Requests:
    """Signals since the outermost `safely` began; ``pending``: one that nobody has acted on."""

    inside: bool = False
    count: int = 0
    pending: bool = False
    say: str = ""
    last: float = 0.0

    def begin(self, say: str) -> None:
        """The outermost block begins."""
        self.inside, self.count, self.pending, self.say = True, 0, False, say

    def end(self) -> bool:
        """It has ended, and the handlers are those of before; is there a signal left?"""
        late, self.inside, self.count, self.pending = self.pending, False, 0, False
        return late

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        now = time.monotonic()
        if self.count and now - self.last < SAME_PRESS:
            return
        self.last = now
        self.count += 1
        if self.count > 1:
            self.pending = False
            raise KeyboardInterrupt
        self.pending = True
        if self.say:  # not print: the signal may have come while something is being printed
            with contextlib.suppress(OSError, ValueError):
                os.write(sys.stderr.fileno(), self.say.encode())


_requests = _Requests()


def check() -> None:
    """A safe point: raise KeyboardInterrupt if Ctrl-C was pressed; costs 50 ns."""
    if _requests.pending:
        _requests.pending = False
        raise KeyboardInterrupt


def requested() -> bool:
    """Was Ctrl-C pressed?  For loops that end by themselves: `check` raises no more."""
    _requests.pending = False
    return _requests.count > 0


@contextlib.contextmanager
def safely(*, signals: tuple[int, ...] = (), say: str = "") -> Iterator[None]:
    """Let Ctrl-C act at safe points only; also a decorator, and blocks may be nested.

    Does nothing outside the main thread and where a caller handles (or ignores) Ctrl-C.
    A Ctrl-C after the last safe point is raised at the end of the block.

    Parameters
    ----------
    signals : tuple of int
        Signals to take over whatever handles them now; default: SIGINT if Python handles it.
    say : str
        Written to stderr at the first signal.
    """
    before: dict[int, Any] = {}
    mine = late = False
    if threading.current_thread() is threading.main_thread() and not _requests.inside:
        if not signals and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signals = (signal.SIGINT,)
        mine = bool(signals)
    try:
        if mine:
            _requests.begin(say)
            for number in signals:
                before[number] = signal.signal(number, _requests.handle)
        yield
    except SystemError as error:
        if _of_interrupt(error):
            raise KeyboardInterrupt from error
        raise
    finally:
        if mine:  # a signal is noted until its handler is back, and none is dropped after that
            try:
                for number, handler in before.items():
                    signal.signal(number, handler)
            finally:
                late = _requests.end()
    if late:
        raise KeyboardInterrupt


class _Imports:
    """A finder that finds nothing."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Called as an import begins; in another thread than the main one it does nothing."""
        if threading.current_thread() is threading.main_thread():
            check()


@contextlib.contextmanager
def at_imports() -> Iterator[None]:
    """Let the beginning of every import be a safe point too: those of a command take seconds."""
    finder = _Imports()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def _of_interrupt(error: BaseException | None) -> bool:
    """Did a second Ctrl-C, or the handler of a caller, raise where a kernel handed back?

    Kernels that call kernels wrap one SystemError in the other.
    """
    while isinstance(error, SystemError):
        error = error.__cause__
    return isinstance(error, KeyboardInterrupt)


@contextlib.contextmanager
def keeping(partial: Callable[[], tuple[Any, int]], unit: str = "") -> Iterator[None]:
    """`safely`, and the KeyboardInterrupt is an `Interrupted` made of ``partial()``."""
    try:
        with safely():
            yield
    except KeyboardInterrupt:
        found, done = partial()
        raise Interrupted(found, done, unit) from None
