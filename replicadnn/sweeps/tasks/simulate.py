"""The task of simulating networks of one width and connectivity from one seed.

The table of a store opens without what computes, writes and reads its results: that is slow to
import, and imported where it is used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from replicadnn.errors import InputError
from replicadnn.sweeps.tasks.contract import SHARED, Column, Params, new_group
from replicadnn.validate import whole


class SimulateTask:
    """`replicadnn.simulate`: one width, one seed."""

    name = "mc-simulate"
    kind = "mc"
    good = "complete"
    shown = "R"
    parameters: Mapping[str, Column] = {
        **SHARED,
        "N": Column(int, "width"),
        "connectivity": Column(int, "neurons that a perceptron reads, 0: all N", former=0),
        "graph": Column(str, "who reads whom, empty: everyone everyone", former=""),
        "M": Column(int, "number of patterns"),
        "sampler": Column(str, "sampler"),
        "sweeps": Column(int, "sweeps of a run"),
        "samples": Column(int, "independent data sets"),
        "start": Column(str, "start of the chains"),
        "seed": Column(int, "seed of the random numbers"),
        "burn_in": Column(int, "sweeps before the first origin"),
        "origins": Column(int, "measurement origins"),
        "replicas": Column(int, "chains from one start"),
        "per_decade": Column(int, "points of a curve a decade of time"),
        "step": Column(float, "step of the rotations, nan: by pilot run"),
        "potential": Column(str, "potential of the gaps"),
        "test_patterns": Column(int, "fresh inputs a record for the test error"),
        "latent": Column(int, "latent dimension of the inputs, 0: independent", former=0),
    }
    results: Mapping[str, Column] = {
        "energy": Column(float, "fraction of violated gaps, mean of layers, nan: some not relaxed"),
        "R": Column(
            float,
            "overlap of the couplings with the teacher, mean of layers, nan: some not relaxed",
        ),
        "tau_J": Column(float, "longest tau_J(l), nan: not known in some layer", "sweeps"),
        "tau_S": Column(float, "longest tau_S(l), nan: not known in some layer", "sweeps"),
    }
    how: tuple[str, ...] = ()

    def complete(self, given: Mapping[str, Any]) -> Params:
        """All parameters, checked; raises InputError."""
        from replicadnn.montecarlo.runs.jobs import make_jobs

        values = dict(given)
        for name in ("alpha", "L", "N"):
            if name not in given:
                raise InputError(name, None, "must be given")
        if values.get("step") is not None and math.isnan(values["step"]):
            values["step"] = None
        values.pop("M", None)
        alpha = values.pop("alpha")
        c = values.pop("connectivity", None) or None
        values |= {"connectivity": None if c is None else [c], "graph": values.get("graph") or None}
        values["latent"] = values.get("latent") or None
        found = make_jobs(alpha, values.pop("L"), N=[values.pop("N")], **values)
        if len(found) != 1:
            raise InputError("start", "both", "planted or random in a sweep")
        spec = found[0].spec
        params = spec.parameters()
        # those of the fully connected network stand for "no such choice", as in stores without them
        params["connectivity"] = 0 if spec.reads.dense else spec.connectivity
        params["graph"] = params["graph"] or ""
        params["latent"] = params["latent"] or 0
        params["seed"] = whole("seed", params["seed"], 0, 2**63 - 1)  # a column of the table
        params["alpha"] = float(alpha)  # M / c is alpha rounded
        params["beta"] = float(params["beta"])
        params["kappa"] += 0.0
        params["step"] = math.nan if params["step"] is None else params["step"]
        return params

    def check_how(self, how: Mapping[str, Any]) -> None:
        """Nothing to check."""

    def compute(self, params: Mapping[str, Any], how: Mapping[str, Any]) -> Any:
        """The `MonteCarloResult` of one point."""
        from replicadnn.montecarlo.runs.simulate import simulate

        values = dict(params) | dict(how)
        del values["M"]
        for name in ("connectivity", "graph", "latent"):
            values[name] = values[name] or None
        if math.isnan(values["step"]):
            del values["step"]
        return simulate(**values)

    def tiny(self, params: Mapping[str, Any]) -> Params:
        """A point of a moment that needs the same compiled kernels."""
        small = {"alpha": 2.0, "N": 3, "sweeps": 1, "samples": 1, "burn_in": 0, "replicas": 1}
        small["connectivity"] = min(2, params["connectivity"])
        return dict(params) | small | {"L": min(2, params["L"])}

    def row(self, result: Any) -> Params:
        """Table entries of a `MonteCarloResult`."""
        return {
            "status": str(result.status),
            "message": result.message,
            "energy": _mean(result.energy),
            "R": _mean(result.R),
            "tau_J": float(np.max(result.tau_J, initial=0.0)),
            "tau_S": float(np.max(result.tau_S)) if len(result.tau_S) else math.nan,
        }

    def root(self, rows: Mapping[str, list[Any]]) -> Mapping[str, Any]:
        """The widths of all points."""
        return {"widths": np.array(rows["N"], np.int64)}

    def write(self, file: h5py.File, name: str, result: Any) -> str:
        """Write the groups of a point; returns their checksum."""
        from replicadnn.storage.run_groups import write_run

        params = new_group(file, "params", name)
        series = new_group(file, "series", name)
        write_run(params, series, result)
        return _joined(params, series)

    def read(self, file: h5py.File, name: str) -> tuple[Any, str]:
        """The result of a point and its checksum."""
        from replicadnn.storage.run_groups import read_run

        params, series = file["params"][name], file["series"][name]
        return read_run(params, series), _joined(params, series)


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _joined(params: h5py.Group, series: h5py.Group) -> str:
    return f"{params.attrs['sha256']} {series.attrs['sha256']}"
