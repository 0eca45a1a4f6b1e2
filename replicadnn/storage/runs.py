"""HDF5 files of kind "mc": several runs, their curves, and the state to continue from.

Layout (docs/file-format.md): /params/0000, /series/0000, /state/0000, ... one number a run.  A file
is always replaced as a whole (`outputs.atomic_file`), so it can be read at any moment of a run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

import h5py
import numpy as np
from numpy.typing import NDArray

from replicadnn.errors import FileError, InputError
from replicadnn.montecarlo import ladder
from replicadnn.montecarlo.equilibrium import Verdict
from replicadnn.montecarlo.result import HIDDEN_SERIES, SERIES, MonteCarloResult, RunStatus
from replicadnn.montecarlo.tempering import TemperingResult
from replicadnn.provenance import provenance as make_provenance
from replicadnn.storage import files, hdf5
from replicadnn.storage.locking import lock as lock
from replicadnn.storage.outputs import atomic_file

Result = MonteCarloResult | TemperingResult
Arrays = Mapping[str, NDArray[Any]]
Table = dict[str, tuple[tuple[str, ...], str, str]]

J, S = "coupling_layer", "hidden_layer"
_MEANING = {
    "energy": "fraction of violated gaps; weights sampler: of wrong outputs, in the last layer",
    "rms_h": "root mean square of the field h",
    "spin_correlation": "rms overlap of pairs of neurons of a layer; near 1: the layer collapsed",
    "R": "overlap of the couplings with the teacher",
    "r": "overlap of the neurons with the teacher",
    "R_matched": "overlap of the couplings with the teacher, neurons matched",
    "r_matched": "overlap of the neurons with the teacher, neurons matched",
    "test_error": "disagreement with the noiseless teacher on fresh inputs, last layer: eps_g",
    "Q": "overlap of the couplings of two replicas from one start",
    "q": "overlap of the neurons of two replicas from one start",
}


def _relaxation_table() -> Table:
    """Dataset name -> (dimensions, long_name, units) of a relaxation run."""
    table: Table = {}
    for letter, layer, what in (("J", J, "couplings"), ("S", S, "neurons")):
        correlation = f"autocorrelation of the {what} of layer l after t sweeps"
        table[f"C_{letter}"] = ((layer, "times"), correlation, "1")
        table[f"samples_C_{letter}"] = (("sample", layer, "times"), correlation, "1")
        table[f"origins_C_{letter}"] = (("origin", layer, "times"), correlation, "1")
        table[f"tau_{letter}"] = ((layer,), f"time where C_{letter} is 1/e, nan: beyond", "sweeps")
        bound = f"lower bound where tau_{letter} is nan"
        table[f"tau_{letter}_bound"] = ((layer,), bound, "sweeps")
        area = f"area under C_{letter} down to 0.05"
        table[f"integral_{letter}"] = ((layer,), area, "sweeps")
        rate = f"accepted fraction of the moves of the {what}"
        table[f"acceptance.{letter}"] = ((layer,), rate, "1")
    for names, layer in ((SERIES, J), (HIDDEN_SERIES, S)):
        for name in names:
            table[name] = ((layer,), _MEANING[name] + ", second half of the run", "1")
            table[f"series.{name}"] = (("series_times", layer), _MEANING[name], "1")
            table[f"samples.{name}"] = (("sample", layer), _MEANING[name], "1")
    with_error = ["C_J", "C_S", "tau_J", "tau_S", "integral_J", "integral_S", "energy"]
    with_error += ["R", "r", "R_matched", "r_matched", "Q", "q", "test_error"]
    for name in with_error:
        dims, _, units = table[name]
        table[f"{name}_err"] = (dims, f"standard error of {name} over samples", units)
    return table


_MEANING |= {
    "Q_matched": "overlap of the couplings of two ladders of one data set, neurons matched",
    "q_matched": "overlap of the neurons of two ladders of one data set, neurons matched",
    "Q_self": "overlap of the couplings with those in the middle of the run, neurons matched",
    "q_self": "overlap of the neurons with those in the middle of the run, neurons matched",
}
_TEMPERING: Table = {
    "steps": (("betas",), "step of the rotations by rung", "1"),
    "swap_acceptance": (("pair",), "accepted fraction of swaps of rungs k and k + 1", "1"),
    "round_trips": (("sample",), "ways from the lowest rung to the highest and back", "1"),
    "energy": (("betas", J), "fraction of violated gaps by rung", "1"),
}
for _names, _layer in ((ladder.SERIES, J), (ladder.HIDDEN_SERIES, S)):
    for _name in _names:
        _text = _MEANING[_name] + ", largest beta"
        _TEMPERING.setdefault(_name, ((_layer,), _text + ", second half of the run", "1"))
        _TEMPERING[f"series.{_name}"] = (("series_times", _layer), _text, "1")
        _TEMPERING[f"samples.{_name}"] = (("sample", _layer), _text, "1")
        if _name not in ("energy", "spin_correlation"):
            _TEMPERING[f"{_name}_err"] = ((_layer,), f"standard error of {_name} over samples", "1")
_TABLES = {"relaxation": _relaxation_table(), "tempering": _TEMPERING}
#: Scales that are fields of the result, and their meaning; the others count from 0 or 1.
_OWN_SCALES = {
    "relaxation": {
        "times": ("time since the origin", "sweeps"),
        "series_times": ("time since the start", "sweeps"),
    },
    "tempering": {
        "betas": ("inverse temperature of the rung", "1"),
        "series_times": ("end of the block of rounds that is averaged", "sweeps"),
    },
}
_WHOLE = ("times", "series_times", "round_trips")
_GROWING = ("times", "series_times")
_WORDS = {
    "relaxation": ("status", "message", "equilibrium"),
    "tempering": ("status", "message", "verdict"),
}


@dataclass(frozen=True, slots=True)
class Runs(Sequence["Result"]):
    """Results in the order asked for, with how they were made; ``finished``: all complete."""

    items: tuple[Result, ...]
    provenance: Mapping[str, str] = field(default_factory=dict)
    finished: bool = True

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> Runs: ...
    def __getitem__(self, index: int | slice) -> Result | Runs:
        if isinstance(index, slice):
            return Runs(self.items[index], self.provenance, self.finished)
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the results (without a state to continue from) to an HDF5 file."""
        origin = dict(self.provenance) or make_provenance()
        return save_runs(
            path, self.items, provenance=origin, overwrite=overwrite, finished=self.finished
        )

    def summaries(self) -> list[dict[str, Any]]:
        """The main facts of every run (``replicadnn info``)."""
        return [summary(run) for run in self.items]

    @classmethod
    def load(cls, path: str | Path) -> Runs:
        """Read a file of kind "mc"."""
        return load_runs(path)


def save_result(result: Result, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write one run to an HDF5 file; see `replicadnn.registry`."""
    complete = result.status is RunStatus.COMPLETE
    return Runs((result,), finished=complete).save(path, overwrite=overwrite)


def mode_of(result: Result) -> str:
    """The kind of run: tempering or relaxation."""
    return "tempering" if isinstance(result, TemperingResult) else "relaxation"


# --- writing -------------------------------------------------------------------------------


def save_runs(
    path: str | Path,
    results: Sequence[Result],
    *,
    states: Sequence[Arrays | None] | None = None,
    asked_steps: Sequence[float | None] | None = None,
    widths: Sequence[int] | None = None,
    provenance: Mapping[str, str],
    overwrite: bool,
    finished: bool,
) -> Path:
    """Write ``results`` and, where given, the arrays to continue from.

    asked_steps : the step asked for, None: by pilot run; widths : N of all runs asked for, also of
    those that have not begun.
    """
    states = states or [None] * len(results)
    asked_steps = asked_steps or [r.params.get("step") for r in results]
    widths = widths or [r.params["N"] for r in results]
    more = {"widths": np.array(widths, np.int64)}
    with (
        atomic_file(path, overwrite=overwrite) as temporary,
        files.new_file(temporary, "mc", finished, provenance, more) as file,
    ):
        groups = {name: file.create_group(name) for name in ("params", "series", "state")}
        for k, (result, state, step) in enumerate(zip(results, states, asked_steps, strict=True)):
            name = f"{k:04d}"
            params, series = (groups[part].create_group(name) for part in ("params", "series"))
            write_run(params, series, result, step)
            if state is not None:
                _write_state(groups["state"].create_group(name), state)
    return Path(path)


def write_run(
    params: h5py.Group, series: h5py.Group, result: Result, asked_step: float | None
) -> None:
    """Fill two new groups with a run, without a state to continue from."""
    _write_params(params, result, asked_step)
    _write_series(series, result)


def _write_params(group: h5py.Group, result: Result, asked_step: float | None) -> None:
    mode = mode_of(result)
    group.attrs["mode"] = mode
    group.attrs["asked_step"] = np.nan if asked_step is None else float(asked_step)
    for name, value in result.params.items():
        if value is not None:
            group.attrs[f"param_{name}"] = value
    for name in _WORDS[mode]:
        group.attrs[name] = str(getattr(result, name))
    group.attrs["collapsed"] = result.collapsed
    if isinstance(result, TemperingResult):
        group.attrs["rounds_done"] = result.rounds_done
    for name, seconds in result.timings.items():
        group.attrs[f"timing_{name}"] = float(seconds)
    group.attrs["sha256"] = hdf5.digest(group)


def _value(result: Result, name: str) -> NDArray[Any]:
    head, _, tail = name.partition(".")
    found = getattr(result, head)
    return np.asarray(found[tail] if tail else found)


def _sizes(result: Result) -> dict[str, int]:
    L = int(result.params["L"])
    sizes = {J: L, S: L - 1, "sample": int(result.params["samples"])}
    if isinstance(result, MonteCarloResult):
        return sizes | {
            "times": len(result.times),
            "series_times": len(result.series_times),
            "origin": len(result.origins_C_J),
        }
    return sizes | {
        "betas": len(result.betas),
        "pair": len(result.betas) - 1,
        "series_times": len(result.series_times),
    }


_SCALES = {
    J: "layer of perceptrons l = 1..L",
    S: "hidden layer of neurons l = 1..L-1",
    "sample": "independent data set, from 0",
    "origin": "measurement origin, from 0",
    "pair": "pair of neighbouring rungs k, k + 1, from 0",
}


def _create(
    group: h5py.Group, name: str, values: NDArray[Any], dims: Sequence[str]
) -> h5py.Dataset:
    """Dataset that can be made longer along its time axes (a dataset without numbers cannot)."""
    growing = tuple(None if d in _GROWING else n for d, n in zip(dims, values.shape, strict=True))
    if 0 in values.shape or None not in growing:
        return group.create_dataset(name, data=values)
    return group.create_dataset(name, data=values, maxshape=growing, chunks=values.shape)


def recorded(result: Result) -> int:
    """Number of entries along ``series_times`` that hold measurements."""
    return int(np.count_nonzero(~np.isnan(result.series["energy"]).any(axis=-1)))


def _write_series(group: h5py.Group, result: Result) -> None:
    mode = mode_of(result)
    for name, size in _sizes(result).items():
        if name in _OWN_SCALES[mode]:
            values, (long_name, units) = _value(result, name), _OWN_SCALES[mode][name]
        else:
            values = np.arange(size) + (1 if name in (J, S) else 0)
            long_name, units = _SCALES[name], "1"
        scale = _create(group, name, np.asarray(values), (name,))
        scale.attrs["long_name"], scale.attrs["units"] = long_name, units
        scale.make_scale(name)
    for name, (dims, long_name, units) in _TABLES[mode].items():
        dataset = _create(group, name, _value(result, name), dims)
        dataset.attrs["long_name"], dataset.attrs["units"] = long_name, units
        dataset.attrs["equation"] = "docs/sampler.md, Definitions"
        for axis, dimension in enumerate(dims):
            dataset.dims[axis].attach_scale(group[dimension])
    counter = group.create_dataset("counter", data=np.int64(recorded(result)))  # after the numbers
    counter.attrs["long_name"] = "entries along series_times that hold measurements"
    counter.attrs["units"] = "1"
    group.attrs["sha256"] = hdf5.digest(group)


def _write_state(group: h5py.Group, state: Arrays) -> None:
    for name, values in state.items():
        packed = {"compression": "gzip", "compression_opts": 1} if values.nbytes > 4096 else {}
        group.create_dataset(name.replace("/", "."), data=values, **packed)
    group.attrs["sha256"] = hdf5.digest(group)


# --- reading -------------------------------------------------------------------------------


@contextlib.contextmanager
def _reading(path: str | Path) -> Iterator[h5py.File]:
    """An open mc file; whatever is wrong inside becomes one `FileError`."""
    with files.open_checked(path, "mc") as file:
        try:
            yield file
        except (FileError, InputError):
            raise
        except (
            KeyError, ValueError, TypeError, OSError, RuntimeError, AttributeError, MemoryError,
            OverflowError,
        ) as error:  # fmt: skip
            reason = " ".join(str(error).split())[:200]
            raise FileError(path, f"damaged or not an mc file ({reason})") from error


def load_runs(path: str | Path) -> Runs:
    """Read the results of a file of kind "mc", complete or in the middle of a run.

    Raises
    ------
    FileError
        Missing, unreadable, damaged, or not a file of kind "mc".
    """
    with _reading(path) as file:
        names = sorted(file["params"])
        if names != [f"{k:04d}" for k in range(len(names))] or names != sorted(file["series"]):
            raise ValueError("params and series disagree")
        items = tuple(read_run(file["params"][n], file["series"][n]) for n in names)
        origin = {
            key.removeprefix("provenance_"): str(value)
            for key, value in file.attrs.items()
            if key.startswith("provenance_")
        }
        finished = file.attrs["finished"]
        if not isinstance(finished, bool | np.bool_):
            raise ValueError("finished is not true or false")
        widths = [int(n) for n in np.atleast_1d(file.attrs["widths"])]
        if widths[: len(items)] != [r.params["N"] for r in items]:
            raise ValueError("widths and params disagree")
        complete = len(items) == len(widths) and all(r.status is RunStatus.COMPLETE for r in items)
        if bool(finished) and not complete:
            raise ValueError("marked finished but a run is not complete")
        return Runs(items, origin, bool(finished))


def load_checkpoint(
    path: str | Path,
) -> tuple[Runs, list[dict[str, NDArray[Any]] | None], list[float | None], list[int]]:
    """Results, arrays to continue from, steps asked for, and all widths asked for."""
    with _reading(path) as file:
        if "state" not in file:
            raise FileError(path, "holds no state to continue from")
    runs = load_runs(path)
    with _reading(path) as file:
        states: list[dict[str, NDArray[Any]] | None] = []
        steps: list[float | None] = []
        for k in range(len(runs)):
            name = f"{k:04d}"
            step = float(file["params"][name].attrs["asked_step"])
            steps.append(None if np.isnan(step) else step)
            group = file["state"].get(name)
            if group is None:
                states.append(None)
                continue
            if group.attrs["sha256"] != hdf5.digest(group):
                raise ValueError("checksum of a state does not match its numbers")
            states.append({n.replace(".", "/"): np.asarray(group[n][()]) for n in group})
        return runs, states, steps, [int(n) for n in file.attrs["widths"]]


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def read_run(params: h5py.Group, series: h5py.Group) -> Result:
    """The run of two groups, every value checked."""
    for group in (params, series):
        if group.attrs["sha256"] != hdf5.digest(group):
            raise ValueError("checksum of a run does not match its numbers")
    attributes = {name: _plain(value) for name, value in params.attrs.items()}
    mode = attributes["mode"]
    asked = {
        name.removeprefix("param_"): value
        for name, value in attributes.items()
        if name.startswith("param_")
    }
    timings = {
        name.removeprefix("timing_"): value
        for name, value in attributes.items()
        if name.startswith("timing_")
    }
    early = "counter" not in series  # by version 0.1.0: what it did not measure is nan
    fields: dict[str, Any] = {
        name: series[name][()] if name in series or not early else np.zeros(0, dtype=np.int64)
        for name in _OWN_SCALES[mode]
    }
    for name, (dims, _, _) in _TABLES[mode].items():
        head, _, tail = name.partition(".")
        if early and name not in series:
            shape = tuple(series[d].shape[0] if d in series else 0 for d in dims)
            values = np.full(shape, np.nan)
        else:
            values = series[name][()]
        if values.dtype.kind != ("i" if name in _WHOLE else "f"):
            raise ValueError(f"{name} holds {values.dtype}")
        if tail:
            fields.setdefault(head, {})[tail] = values
        else:
            fields[head] = values
    fields |= {name: attributes[name] for name in _WORDS[mode]}
    fields["status"] = RunStatus(attributes["status"])
    fields["collapsed"] = bool(
        attributes.get("collapsed", False) if early else attributes["collapsed"]
    )
    result: Result
    if mode == "relaxation":
        result = MonteCarloResult(params=asked, timings=timings, **fields)
    else:
        asked.setdefault("step", None)
        fields |= {"verdict": Verdict(attributes["verdict"])}
        fields["rounds_done"] = attributes["rounds_done"]
        result = TemperingResult(params=asked, timings=timings, **fields)
    sizes = _sizes(result)
    for name, (dims, _, _) in _TABLES[mode].items():
        expected = tuple(sizes[d] for d in dims)
        if _value(result, name).shape != expected:
            raise ValueError(f"{name} has shape {_value(result, name).shape}, not {expected}")
    if not early and int(series["counter"][()]) != recorded(result):
        raise ValueError("the counter does not match the measurements")
    return result


def summary(result: Result) -> dict[str, Any]:
    """The main facts of a run in plain values (``replicadnn info``)."""
    keys = ("N", "L", "alpha", "scenario", "sampler", "beta", "kappa", "start", "potential")
    out = {key: result.params[key] for key in keys}
    out |= {key: result.params[key] for key in ("sweeps", "samples", "seed")}
    tempering = isinstance(result, TemperingResult)
    return out | {
        "mode": "tempering" if tempering else "relaxation",
        "status": str(result.status),
        "message": result.message,
        "equilibrium": result.equilibrium,
    }
