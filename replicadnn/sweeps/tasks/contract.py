"""What a task of a sweep must offer, and how it is found.

A task names its parameters, completes and checks those of a point, computes it, and says which
numbers of the result go into the table of the store.  Another task is one more file beside this
one and a row in `replicadnn.registry.TASKS`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import h5py

from replicadnn.errors import InputError
from replicadnn.registry import TASKS, find

Params = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table of a store: type, meaning, units.

    ``former``: the value that a parameter has at points of stores older than it; no part of an
    identity, so that theirs stay.
    """

    kind: type[float] | type[int] | type[str]
    long_name: str
    units: str = "1"
    former: Any = None

    @property
    def missing(self) -> Any:
        """What stands where there is no value."""
        if self.former is not None:
            return self.former
        return {float: math.nan, int: -1, str: ""}[self.kind]


#: Parameters that every task has so far.
SHARED = {
    "alpha": Column(float, "patterns per coupling of a perceptron"),
    "L": Column(int, "depth, layers of perceptrons"),
    "kappa": Column(float, "margin of the gaps"),
    "beta": Column(float, "inverse temperature, inf: hard constraint"),
    "scenario": Column(str, "origin of the data"),
}


class Task(Protocol):
    """One kind of computation: the same for every point, whatever computes it and where."""

    @property
    def name(self) -> str:
        """Its name in plans, a key of `TASKS`."""

    @property
    def kind(self) -> str:
        """Kind of the files that hold its results, a key of `replicadnn.registry.READERS`."""

    @property
    def good(self) -> str:
        """Status of a point that needs nothing done about it."""

    @property
    def shown(self) -> str:
        """Column that a map of the sweep shows if none is asked for."""

    @property
    def parameters(self) -> Mapping[str, Column]:
        """What identifies a point: columns of the table."""

    @property
    def results(self) -> Mapping[str, Column]:
        """Main numbers of a result: columns of the table."""

    @property
    def how(self) -> tuple[str, ...]:
        """How a point is computed, not what: keys of a plan that are no part of an identity."""

    def complete(self, given: Mapping[str, Any]) -> Params:
        """All `parameters` of a point from those given, checked; raises InputError."""

    def check_how(self, how: Mapping[str, Any]) -> None:
        """Raise an InputError for values of `how` that `compute` would refuse."""

    def compute(self, params: Mapping[str, Any], how: Mapping[str, Any]) -> Any:
        """The result at one point, independent of every other point."""

    def tiny(self, params: Mapping[str, Any]) -> Params:
        """A point of a moment that needs the same compiled kernels."""

    def row(self, result: Any) -> Params:
        """Entries of a result in the table: status, message and `results`."""

    def root(self, rows: Mapping[str, list[Any]]) -> Mapping[str, Any]:
        """Root attributes that files of this kind have, from the columns of the table."""

    def write(self, file: h5py.File, name: str, result: Any) -> str:
        """Write the groups of a point; returns their checksum."""

    def read(self, file: h5py.File, name: str) -> tuple[Any, str]:
        """The result of a point and its checksum."""


@cache
def task_named(name: str) -> Task:
    """The task of this name; raises InputError."""
    if name not in TASKS:
        raise InputError("task", name, "one of " + ", ".join(TASKS))
    made: Task = find(TASKS[name])()
    return made


def task_of_kind(kind: str) -> Task:
    """The task whose results are in files of this kind; raises ValueError."""
    for task in map(task_named, TASKS):
        if task.kind == kind:
            return task
    raise ValueError(f"no task makes files of kind {kind}")


def new_group(file: h5py.File, parent: str, name: str) -> h5py.Group:
    """A new empty group; the one of an earlier attempt goes."""
    inside = file.require_group(parent)
    if name in inside:
        del inside[name]
    return inside.create_group(name)
