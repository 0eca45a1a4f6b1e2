"""The task of solving the equations at one point.

The table of a store opens without what computes, writes and reads its results: that is slow to
import, and imported where it is used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import h5py

from replicadnn.errors import InputError
from replicadnn.problem import AVERAGED, Ansatz, BranchChoice
from replicadnn.sweeps.tasks.contract import SHARED, Column, Params, new_group


class SolveTask:
    """`replicadnn.solve` at one point, independent of every other point."""

    name = "solve"
    kind = "solve"
    good = "converged"
    shown = "q_ea"
    parameters: Mapping[str, Column] = {
        **SHARED,
        "ansatz": Column(str, "structure of the overlap matrix"),
        "closure": Column(str, "treatment of the neurons", former=AVERAGED),
        "branch": Column(str, "branch asked for"),
        "tol": Column(float, "largest residual of a certified solution"),
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
        if work.asked is BranchChoice.ALL:
            raise InputError("branch", "all", "auto, equilibrium or continuous in a sweep")
        return {
            "alpha": problem.alpha,
            "L": problem.L,
            "kappa": problem.kappa + 0.0,
            "beta": problem.beta,
            "scenario": str(problem.scenario),
            "ansatz": str(problem.ansatz),
            "closure": problem.closure,
            "branch": str(work.asked),
            "tol": work.tol,
            "max_sweeps": work.max_sweeps if problem.ansatz is Ansatz.RS else -1,
            "levels": {Ansatz.RS: 0, Ansatz.ONE_RSB: 1}.get(problem.ansatz, work.levels),
        }

    def check_how(self, how: Mapping[str, Any]) -> None:
        """Raise an InputError for a way of computing that `solve` would refuse."""
        self.complete({"alpha": 1.0, "L": 1, **how})

    def compute(self, params: Mapping[str, Any], how: Mapping[str, Any]) -> Any:
        """The `Solution` of one point."""
        from replicadnn.theory.solve import solve

        values = dict(params) | dict(how)
        if values["ansatz"] != Ansatz.RSB:
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

    def root(self, rows: Mapping[str, list[Any]]) -> Mapping[str, Any]:
        """None."""
        return {}

    def write(self, file: h5py.File, name: str, result: Any) -> str:
        """Write the groups of a point; returns their checksum."""
        from replicadnn.storage.solutions import write_solution

        group = new_group(file, "solutions", name)
        write_solution(group, result)
        return str(group.attrs["sha256"])

    def read(self, file: h5py.File, name: str) -> tuple[Any, str]:
        """The result of a point and its checksum."""
        from replicadnn.storage.solutions import read_solution

        group = file["solutions"][name]
        return read_solution(group), str(group.attrs["sha256"])
