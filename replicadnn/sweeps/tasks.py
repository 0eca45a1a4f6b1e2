"""What is done at one point of a sweep: solve the equations, or simulate.

A task names its parameters, completes and checks those of a point, computes it, and says which
numbers of the result go into the table of the store.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from replicadnn.errors import InputError
from replicadnn.storage.run_groups import read_run, write_run
from replicadnn.storage.solutions import read_solution, write_solution
from replicadnn.validate import whole

Params = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table of a store: type, meaning, units."""

    kind: type
    long_name: str
    units: str = "1"

    @property
    def missing(self) -> Any:
        """What stands where there is no value."""
        return {float: math.nan, int: -1, str: ""}[self.kind]


_TOL = "largest residual of a certified solution"
_SHARED = {
    "alpha": Column(float, "patterns per coupling, M / N"),
    "L": Column(int, "depth, layers of perceptrons"),
    "kappa": Column(float, "margin of the gaps"),
    "beta": Column(float, "inverse temperature, inf: hard constraint"),
    "scenario": Column(str, "origin of the data"),
}


class SolveTask:
    """`replicadnn.solve` at one point, independent of every other point."""

    name = "solve"
    kind = "solve"
    #: Status of a point that needs nothing done about it.
    good = "converged"
    parameters: Mapping[str, Column] = {
        **_SHARED,
        "ansatz": Column(str, "structure of the overlap matrix"),
        "branch": Column(str, "branch asked for"),
        "tol": Column(float, _TOL),
        "max_sweeps": Column(int, "Gauss-Seidel passes allowed to each start (rs), else -1"),
        "levels": Column(int, "number K of levels of the Parisi function"),
    }
    results: Mapping[str, Column] = {
        "found_branch": Column(str, "branch of the solution"),
        "free_entropy": Column(float, "free entropy s = ln V / (N M)"),
        "residual": Column(float, "residual of the undamped map"),
        "eps_g": Column(float, "generalisation error"),
        "q_ea": Column(float, "Edwards-Anderson overlap of the neurons, mean of hidden layers"),
        "Q_ea": Column(float, "Edwards-Anderson overlap of the couplings, mean of layers"),
        "solid": Column(float, "fraction of hidden layers with q_EA > 0"),
        "possible": Column(int, "1: within the counting bound, 0: beyond it, -1: not known"),
    }
    #: How a point is computed, not what: no part of its identity.
    how: tuple[str, ...] = ("time_limit",)

    def complete(self, given: Mapping[str, Any]) -> Params:
        """All parameters, checked; raises InputError."""
        from replicadnn.theory.solve import plan

        for name in ("alpha", "L"):
            if name not in given:
                raise InputError(name, None, "must be given")
        values = dict(given)
        alpha, L = values.pop("alpha"), values.pop("L")
        work = plan([alpha], L, **values)
        problem = work.problems[0]
        if str(work.asked) == "all":
            raise InputError("branch", "all", "auto, equilibrium or continuous in a sweep")
        rs = str(problem.ansatz) == "rs"
        return {
            "alpha": problem.alpha,
            "L": problem.L,
            "kappa": problem.kappa + 0.0,
            "beta": problem.beta,
            "scenario": str(problem.scenario),
            "ansatz": str(problem.ansatz),
            "branch": str(work.asked),
            "tol": work.tol,
            "max_sweeps": work.max_sweeps if rs else -1,
            "levels": {"rs": 0, "1rsb": 1}.get(str(problem.ansatz), work.levels),
        }

    def check_how(self, how: Mapping[str, Any]) -> None:
        """Raise an InputError for a way of computing that `solve` would refuse."""
        self.complete({"alpha": 1.0, "L": 1, **how})

    def compute(self, params: Mapping[str, Any], how: Mapping[str, Any]) -> Any:
        """The `Solution` of one point."""
        from replicadnn.theory.solve import solve

        values = dict(params) | dict(how)
        if values["ansatz"] != "rsb":
            del values["levels"]
        if values["max_sweeps"] < 0:
            del values["max_sweeps"]
        return solve(values.pop("alpha"), values.pop("L"), **values)

    def tiny(self, params: Mapping[str, Any]) -> Params:
        """A point of a moment that needs the same compiled kernels."""
        return dict(params) | {"alpha": 1.0, "L": 2, "levels": min(1, params["levels"])}

    def row(self, result: Any) -> Params:
        """Table entries of a `Solution`."""
        hidden = result.q_ea[1:-1]
        return {
            "status": str(result.status),
            "message": result.message,
            "found_branch": result.branch,
            "free_entropy": result.free_entropy,
            "residual": result.residual,
            "eps_g": math.nan if result.eps_g is None else result.eps_g,
            "q_ea": float(hidden.mean()) if hidden.size else math.nan,
            "Q_ea": float(result.Q_ea.mean()),
            "solid": float((hidden > 0.0).mean()) if hidden.size else math.nan,
            "possible": -1 if result.possible is None else int(result.possible),
        }

    def write(self, file: h5py.File, name: str, result: Any) -> str:
        """Write the groups of a point; returns their checksum."""
        group = _new_group(file, "solutions", name)
        write_solution(group, result)
        return str(group.attrs["sha256"])

    def read(self, file: h5py.File, name: str) -> tuple[Any, str]:
        """The result of a point and its checksum."""
        group = file["solutions"][name]
        return read_solution(group), str(group.attrs["sha256"])


class SimulateTask:
    """`replicadnn.simulate`: one width, one seed."""

    name = "mc-simulate"
    kind = "mc"
    good = "complete"
    parameters: Mapping[str, Column] = {
        **_SHARED,
        "N": Column(int, "width"),
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
    }
    results: Mapping[str, Column] = {
        "energy": Column(float, "fraction of violated gaps, mean of layers"),
        "R": Column(float, "overlap of the couplings with the teacher, mean of layers"),
        "tau_J": Column(float, "longest tau_J(l), nan: beyond the run in some layer", "sweeps"),
        "tau_S": Column(float, "longest tau_S(l), nan: beyond the run in some layer", "sweeps"),
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
        found = make_jobs(values.pop("L"), [values.pop("N")], alpha, **values)
        if len(found) != 1:
            raise InputError("start", "both", "planted or random in a sweep")
        params = found[0].spec.parameters()
        params["seed"] = whole("seed", params["seed"], 0, 2**63 - 1)  # a column of the table
        params["alpha"] = float(alpha)  # M / N is alpha rounded
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
        if math.isnan(values["step"]):
            del values["step"]
        return simulate(values.pop("L"), values.pop("N"), values.pop("alpha"), **values)

    def tiny(self, params: Mapping[str, Any]) -> Params:
        """A point of a moment that needs the same compiled kernels."""
        small = {"alpha": 2.0, "N": 3, "sweeps": 1, "samples": 1, "burn_in": 0, "replicas": 1}
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

    def write(self, file: h5py.File, name: str, result: Any) -> str:
        """Write the groups of a point; returns their checksum."""
        params = _new_group(file, "params", name)
        series = _new_group(file, "series", name)
        write_run(params, series, result)
        return _joined(params, series)

    def read(self, file: h5py.File, name: str) -> tuple[Any, str]:
        """The result of a point and its checksum."""
        params, series = file["params"][name], file["series"][name]
        return read_run(params, series), _joined(params, series)


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _new_group(file: h5py.File, parent: str, name: str) -> h5py.Group:
    """A new empty group; the one of an earlier attempt goes."""
    inside = file.require_group(parent)
    if name in inside:
        del inside[name]
    return inside.create_group(name)


def _joined(params: h5py.Group, series: h5py.Group) -> str:
    return f"{params.attrs['sha256']} {series.attrs['sha256']}"


Task = SolveTask | SimulateTask
TASKS: dict[str, Task] = {task.name: task for task in (SolveTask(), SimulateTask())}


def task_named(name: object) -> Task:
    """The task of this name; raises InputError."""
    try:
        return TASKS[str(name)]
    except KeyError:
        raise InputError("task", name, "one of " + ", ".join(TASKS)) from None
