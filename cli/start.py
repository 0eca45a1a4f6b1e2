"""The entry point: Ctrl-C is one line from the first moment, while modules are imported too."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import NoReturn


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """Nothing has begun that would have to be finished."""
    os.write(2, b"Error: interrupted\n")
    os._exit(130)


def main() -> None:
    """``replicadnn``: from here on no signal is a traceback."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    from replicadnn.cli.main import main as begin

    begin()
