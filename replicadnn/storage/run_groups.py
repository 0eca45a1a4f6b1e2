"""One Monte Carlo run as two HDF5 groups: its parameters and its arrays.

Names, axes, meaning and units of the arrays are those of the table of the result
(`replicadnn.montecarlo.measure.registry`); docs/file-format.md lists them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from replicadnn.montecarlo.measure.equilibrium import Verdict
from replicadnn.montecarlo.measure.observable import AXES, Dataset
from replicadnn.montecarlo.runs.result import Mode, MonteCarloResult, RunStatus, TemperingResult
from replicadnn.montecarlo.spec import Exchange, Spec
from replicadnn.storage import hdf5

Result = MonteCarloResult | TemperingResult

#: Axes along which other tools may append.
_GROWING = ("times", "series_times")
#: Arrays of more bytes that do not grow are compressed: counts, of which most are 0.
PACKED = 8192


# --- writing -------------------------------------------------------------------------------


def write_run(params: h5py.Group, series: h5py.Group, result: Result) -> None:
    """Fill two new groups with a run, without a state to continue from."""
    _write_params(params, result)
    _write_series(series, result)


def _write_params(group: h5py.Group, result: Result) -> None:
    asked = result.spec.step
    group.attrs["mode"] = str(result.mode)
    group.attrs["asked_step"] = np.nan if asked is None else asked
    for name, value in result.params.items():
        if value is not None:
            group.attrs[f"param_{name}"] = value
    group.attrs["status"] = str(result.status)
    group.attrs["message"] = result.message
    group.attrs["collapsed"] = result.collapsed
    if isinstance(result, TemperingResult):
        group.attrs["verdict"] = str(result.verdict)
        group.attrs["rounds_done"] = result.rounds_done
    else:
        group.attrs["equilibrium"] = result.equilibrium
    for name, seconds in result.timings.items():
        group.attrs[f"timing_{name}"] = float(seconds)
    group.attrs["sha256"] = hdf5.digest(group)


def _create(
    group: h5py.Group, name: str, values: NDArray[Any], dims: Sequence[str]
) -> h5py.Dataset:
    """Dataset that can be made longer along its time axes (a dataset without numbers cannot)."""
    growing = tuple(None if d in _GROWING else n for d, n in zip(dims, values.shape, strict=True))
    if 0 in values.shape or None not in growing:
        packed = {"compression": "gzip"} if values.nbytes > PACKED else {}
        return group.create_dataset(name, data=values, **packed)
    return group.create_dataset(name, data=values, maxshape=growing, chunks=values.shape)


def recorded(result: Result) -> int:
    """Number of entries along ``series_times`` that hold measurements."""
    return int(np.count_nonzero(~np.isnan(result.values["series.energy"]).any(axis=-1)))


def _write_series(group: h5py.Group, result: Result) -> None:
    table = result.table()
    for name, size in result.sizes().items():
        if name in table:
            values, meaning, unit = result.values[name], table[name].meaning, table[name].unit
        else:
            values = np.arange(size) + (1 if name in ("coupling_layer", "hidden_layer") else 0)
            meaning, unit = AXES[name], "1"
        scale = _create(group, name, values, (name,))
        scale.attrs["long_name"], scale.attrs["units"] = meaning, unit
        scale.make_scale(name)
    for name, dataset in table.items():
        if dataset.dims != (name,):
            _write_dataset(group, name, dataset, result.values[name])
    counter = group.create_dataset("counter", data=np.int64(recorded(result)))  # after the numbers
    counter.attrs["long_name"] = "entries along series_times that hold measurements"
    counter.attrs["units"] = "1"
    group.attrs["sha256"] = hdf5.digest(group)


def _write_dataset(group: h5py.Group, name: str, dataset: Dataset, values: NDArray[Any]) -> None:
    made = _create(group, name, values, dataset.dims)
    made.attrs["long_name"], made.attrs["units"] = dataset.meaning, dataset.unit
    made.attrs["equation"] = dataset.equation
    for axis, dimension in enumerate(dataset.dims):
        made.dims[axis].attach_scale(group[dimension])


# --- reading -------------------------------------------------------------------------------


def read_run(params: h5py.Group, series: h5py.Group) -> Result:
    """The run of two groups, every value checked; raises ValueError, KeyError or TypeError.

    An array that the file does not hold, because it was made before that was measured, is nan (the
    checksum tells it from an array that was lost).
    """
    for group in (params, series):
        if group.attrs["sha256"] != hdf5.digest(group):
            raise ValueError("checksum of a run does not match its numbers")
    attributes = {name: _plain(value) for name, value in params.attrs.items()}
    mode = Mode(attributes["mode"])
    kind = MonteCarloResult if mode is Mode.RELAXATION else TemperingResult
    asked = _named(attributes, "param_")
    step = float(attributes["asked_step"])
    shared: dict[str, Any] = {
        "status": RunStatus(attributes["status"]),
        "message": attributes["message"],
        "spec": Spec.of(asked | {"step": None if np.isnan(step) else step}),
        "values": _read_values(series, kind.table()),
        "collapsed": bool(attributes.get("collapsed", False)),
        "timings": _named(attributes, "timing_"),
    }
    result: Result
    if mode is Mode.RELAXATION:
        result = MonteCarloResult(
            **shared,
            equilibrium=_equilibrium(attributes["equilibrium"], series),
            step=float(asked["step"]),
            sweeps_done=int(asked["sweeps_done"]),
        )
    else:
        result = TemperingResult(
            **shared,
            equilibrium=attributes["message"],
            exchange=Exchange.of(asked),
            rounds_done=int(attributes["rounds_done"]),
            verdict=Verdict(attributes["verdict"]),
        )
    _check(result)
    if "counter" in series and int(series["counter"][()]) != recorded(result):
        raise ValueError("the counter does not match the measurements")
    return result


def _equilibrium(said: str, series: h5py.Group) -> str:
    """What the file says, unless it was made before every observable had its verdict."""
    if "relaxed.energy" in series:
        return said
    return f"not judged: made before observables had verdicts; it said then: {said}"


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def _named(attributes: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Those whose names begin with ``prefix``, without it."""
    return {
        name.removeprefix(prefix): value
        for name, value in attributes.items()
        if name.startswith(prefix)
    }


def _read_values(series: h5py.Group, table: dict[str, Dataset]) -> dict[str, NDArray[Any]]:
    """All arrays of a table; nan where the file holds none."""
    values: dict[str, NDArray[Any]] = {}
    for name, dataset in table.items():
        if name in series:
            values[name] = series[name][()]
        else:
            shape = tuple(series[d].shape[0] if d in series else 0 for d in dataset.dims)
            values[name] = np.zeros(shape, np.int64) if dataset.whole else np.full(shape, np.nan)
    return values


def _check(result: Result) -> None:
    """Raise ValueError unless every array has the type and the shape of its table."""
    sizes = result.sizes()
    for name, dataset in result.table().items():
        values = result.values[name]
        if values.dtype.kind != ("i" if dataset.whole else "f"):
            raise ValueError(f"{name} holds {values.dtype}")
        expected = tuple(sizes[d] for d in dataset.dims)
        if values.shape != expected:
            raise ValueError(f"{name} has shape {values.shape}, not {expected}")
