"""The arrays of a run by name: parts of them, and whether they belong to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replicadnn.errors import InputError
from replicadnn.montecarlo.connectivity import Inputs
from replicadnn.montecarlo.spec import Spec


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


def saved_graphs(
    spec: Spec, arrays: Mapping[str, NDArray[Any]] | None
) -> list[Inputs] | list[None]:
    """The graph of every sample from saved arrays; None where it is to be drawn, or there is none.

    Raises InputError where one is no graph of ``spec``: kernels do not check what they read.
    """
    if arrays is None or spec.reads.dense or "inputs" not in arrays:
        return [None] * spec.samples
    found = arrays["inputs"]
    shape = (spec.samples, *spec.reads.shape(spec.L))
    fits = found.dtype == np.int32 and found.shape == shape
    if not fits or not all(spec.reads.holds(inputs) for inputs in found):
        raise InputError("state", "inputs", f"must be {spec.graph} graphs int32{shape}")
    return list(found)
