"""``save`` of results: what is computed does not know how files are made.

The writer of a result is found by name, when it is needed: results lie below storage.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

#: Class of a result -> module, function (result, path, *, overwrite) -> Path.
_WRITERS = {
    "Solutions": ("replicadnn.storage.solutions", "save_solutions"),
    "MonteCarloResult": ("replicadnn.storage.runs", "save_result"),
    "TemperingResult": ("replicadnn.storage.runs", "save_result"),
}


def save(result: Any, path: str | Path, *, overwrite: bool) -> Path:
    """Write ``result`` to ``path``; FileError if it exists (without ``overwrite``) or fails."""
    module, name = _WRITERS[type(result).__name__]
    writer: Callable[..., Path] = getattr(import_module(module), name)
    return writer(result, path, overwrite=overwrite)


def load(path: str | Path) -> Any:
    """What a file holds; see `replicadnn.load`."""
    return import_module("replicadnn.storage.readers").load(path)
