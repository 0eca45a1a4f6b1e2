"""The arrays of a run by name: parts of them, and whether they belong to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replicadnn.errors import InputError


def part(arrays: Mapping[str, NDArray[Any]], prefix: str, index: int) -> dict[str, NDArray[Any]]:
    """Entry ``index`` of the arrays whose names begin with ``prefix``, without it."""
    return {n.removeprefix(prefix): a[index] for n, a in arrays.items() if n.startswith(prefix)}


def check_state(own: Mapping[str, NDArray[Any]], given: Mapping[str, NDArray[Any]]) -> None:
    """Raise InputError unless ``given`` has the names, shapes and types of ``own``."""
    for name in sorted(own.keys() | given.keys()):
        expected = f"{own[name].dtype}{own[name].shape}" if name in own else "absent"
        found = f"{given[name].dtype}{np.shape(given[name])}" if name in given else "absent"
        if expected != found:
            raise InputError("state", f"{name}: {found}", f"must be {expected} (other parameters?)")
