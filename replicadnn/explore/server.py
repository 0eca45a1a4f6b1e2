"""The server behind the page: this machine only (loopback), one process, until Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from replicadnn import interrupt
from replicadnn.errors import FileError, InputError

#: Milliseconds between two looks for Ctrl-C.
_POLL = 100


def serve(
    folder: str | Path = ".",
    port: int = 5006,
    *,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the page on 127.0.0.1 until Ctrl-C.

    Parameters
    ----------
    folder : path
        Where the page's button saves; must exist.
    port : int
        1024..65535; 0: any free one.
    ready : callable, optional
        Called once with the address when the page can be opened.

    Raises
    ------
    InputError
        Bokeh is not installed, the port is wrong or taken.
    FileError
        The folder is missing or cannot be written.
    """
    folder = Path(folder)
    if port != 0 and not 1024 <= port <= 65535:
        raise InputError("port", port, "0 (any free one) or 1024..65535")
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise FileError(folder, "not a folder that can be written")
    try:
        from bokeh.server.server import Server
    except ImportError:
        raise InputError(
            "explore", "bokeh", "the page needs it: pip install 'replicadnn[explore]'"
        ) from None
    from replicadnn.explore.page import Page

    def document(made: Any) -> None:
        made.title = "replicadnn"
        made.add_root(Page(folder).layout())

    try:
        server = Server({"/": document}, address="127.0.0.1", port=port)
    except OSError as error:
        raise InputError("port", port, f"a free one ({error.strerror})") from None
    server.start()
    loop = server.io_loop
    if ready is not None:
        loop.add_callback(ready, f"http://localhost:{server.port}/")

    def look() -> None:
        if interrupt.requested():
            loop.stop()

    with interrupt.safely():
        from tornado.ioloop import PeriodicCallback

        PeriodicCallback(look, _POLL).start()
        loop.start()
        server.stop()
