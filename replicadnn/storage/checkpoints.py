"""How often to save on the way what takes the place of a whole file."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


class Pace:
    """Saves are due ``every`` so many seconds, and take at most a ``share`` of the time."""

    def __init__(self, every: float, share: float) -> None:
        self._every, self._share = every, share
        self._next = 0.0

    def due(self) -> bool:
        """Is it time to save?  The first time it is."""
        return time.monotonic() >= self._next

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Around a save: the next one is due when this one is a small share of the time."""
        began = time.monotonic()
        yield
        now = time.monotonic()
        self._next = now + max(self._every, (now - began) / self._share)
