"""Results as xarray Datasets: the arrays of the files, with names for their axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from replicadnn.errors import InputError
from replicadnn.problem import Problem
from replicadnn.results import extra
from replicadnn.solution import Solution, Solutions
from replicadnn.storage.run_groups import Result
from replicadnn.storage.solutions import DATASETS
from replicadnn.types import FloatArray

if TYPE_CHECKING:
    import xarray as xr

#: First layer of an axis of the files; the Datasets have one axis, ``layer`` = 0..L.
_FIRST = {"neuron_layer": 0, "coupling_layer": 1, "hidden_layer": 1}
#: What every solution is one number or word of.
_SCALARS = {
    "free_entropy": "free entropy s = ln V / (N M)",
    "eps_g": "generalisation error of noiseless passes on fresh inputs",
    "residual": "residual of the undamped map",
    "converged": "the certificate passes",
    "branch": "which of several solutions",
    "status": "how the computation ended",
}


def of_solution(solution: Solution) -> xr.Dataset:
    """One solution: axes ``layer`` (0..L) and ``x`` (breakpoints); alpha is a coordinate."""
    found = of_solutions([solution])
    return found.isel(alpha=0)


def of_solutions(solutions: Solutions | Sequence[Solution]) -> xr.Dataset:
    """Solutions of one depth: axes ``alpha`` in their order, ``layer`` (0..L) and ``x``.

    Couplings have no layer 0, neuron parts of the entropy none at 0 and L: nan there.  Where
    breakpoints differ the third axis is ``level``, and ``x`` a coordinate over (alpha, level), nan
    beyond the levels of a solution.  Parameters are attributes, those that differ coordinates.

    Raises
    ------
    InputError
        No solution, or several depths.
    MissingError
        xarray is not installed.
    """
    depths = sorted({s.L for s in solutions})
    if len(depths) != 1:
        raise InputError("L", depths, "one depth in all solutions")
    L, most = depths[0], max(s.x.size for s in solutions)
    x = np.full((len(solutions), most), np.nan)
    for k, s in enumerate(solutions):
        x[k, : s.x.size] = s.x
    shared = bool((x == x[0]).all())
    level = "x" if shared else "level"
    variables: dict[str, Any] = {
        name: (("alpha",), [_plain(getattr(s, name)) for s in solutions], {"long_name": meaning})
        for name, meaning in _SCALARS.items()
    }
    for name, (axes, meaning, equation) in DATASETS.items():
        last = (most,) if "x" in axes else ()
        rows = [_layers(getattr(s, name), L, _FIRST[axes[0]], last) for s in solutions]
        note = {"long_name": meaning, "units": "1", "equation": equation}
        variables[name] = (("alpha", "layer", *([level] if last else [])), np.array(rows), note)
    alpha = {"long_name": "patterns per coupling of a perceptron, alpha = M/c", "units": "1"}
    coordinates: dict[str, Any] = {
        "alpha": ("alpha", [s.alpha for s in solutions], alpha),
        "layer": ("layer", np.arange(L + 1), {"long_name": "layer l", "units": "1"}),
        "x": ("x", x[0]) if shared else (("alpha", "level"), x),
    }
    attributes: dict[str, Any] = {}
    for f in fields(Problem):
        values = [_plain(getattr(s.problem, f.name)) for s in solutions]
        if f.name == "alpha":
            continue
        if len(set(values)) > 1:
            coordinates[f.name] = (
                "alpha",
                ["none" if value is None else value for value in values],
            )
        elif values[0] is not None:
            attributes[f.name] = values[0]
    return extra("xarray").Dataset(variables, coordinates, attributes)


def of_run(run: Result) -> xr.Dataset:
    """A run of the sampler: every array of its table under its name, on the axes of its file."""
    table, sizes = run.table(), run.sizes()
    variables: dict[str, Any] = {}
    coordinates: dict[str, Any] = {
        axis: (axis, np.arange(size) + (1 if axis in _FIRST else 0))
        for axis, size in sizes.items()
        if axis not in table
    }
    for name, dataset in table.items():
        note = {"long_name": dataset.meaning, "units": dataset.unit}
        place = coordinates if dataset.dims == (name,) else variables
        place[name] = (dataset.dims, run.values[name], note)
    attributes = {name: _plain(v) for name, v in run.params.items() if v is not None}
    return extra("xarray").Dataset(variables, coordinates, attributes)


def of_answer(answer: Any) -> xr.Dataset:
    """Answer to a question: the tables of its file, an axis TABLE_row each.

    Columns of the first table have their names, those of another one TABLE_COLUMN; the scalars of
    the file are attributes.
    """
    variables: dict[str, Any] = {}
    for number, table in enumerate(answer.tables()):
        for column in table.columns:
            name = f"{table.name}_{column.name}" if number else column.name
            text = column.values.dtype.kind == "O"
            values = column.values.astype(str) if text else column.values
            note = {"long_name": column.long_name, "units": column.units}
            variables[name] = (f"{table.name}_row", values, note)
    return extra("xarray").Dataset(variables, attrs=dict(answer.attributes()))


def _layers(values: FloatArray | None, L: int, first: int, last: tuple[int, ...]) -> FloatArray:
    """An array of layers from ``first`` on (and levels) in one of layers 0..L; nan elsewhere."""
    out = np.full((L + 1, *last), np.nan)
    if values is not None:
        rows = slice(first, first + len(values))
        out[(rows, slice(0, values.shape[1])) if last else rows] = values
    return out


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value
