"""The table of a sweep as an xarray Dataset, over its grid where it is one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from replicadnn.results import extra
from replicadnn.sweeps.reader import Sweep

if TYPE_CHECKING:
    import xarray as xr


def of_sweep(sweep: Sweep) -> xr.Dataset:
    """The main numbers of every point; parameters of one value are attributes.

    Where the points are all combinations of the parameters that differ, every one of these is an
    axis, its values ascending.  Else the one axis is ``point``, and they are coordinates.

    Raises
    ------
    MissingError
        xarray is not installed.
    """
    columns = {name: _plain(values) for name, values in sweep.table.items()}
    chosen = [name for name in sweep.parameters if len(np.unique(columns[name])) > 1]
    values, places = {}, []
    for name in chosen:
        values[name], place = np.unique(columns[name], return_inverse=True)
        places.append(place.ravel())
    shape = tuple(len(one) for one in values.values())
    order = np.lexsort(places[::-1]) if places else np.arange(len(sweep))
    grid = len(sweep) == math.prod(shape) and len({*zip(*places, strict=True)}) in (0, len(sweep))
    found: dict[str, Any] = {}
    for name, column in columns.items():
        note = {"long_name": sweep.meaning(name)}
        if name in sweep.parameters and name not in chosen:
            continue
        if not grid:
            found[name] = (("point",), column, note)
        elif name not in chosen:
            found[name] = (tuple(chosen), column[order].reshape(shape), note)
    coordinates = {n: (n, values[n]) if grid else found.pop(n) for n in chosen}
    shared = {n: columns[n][0].item() for n in sweep.parameters if n not in chosen and len(sweep)}
    return extra("xarray").Dataset(found, coordinates, {"task": sweep.task} | shared)


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """Text as text of one length, which can be sorted."""
    return values.astype(str) if values.dtype.kind == "O" else values
