"""What a sweep computes: grids of parameters, expanded into points with an identity."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from replicadnn.errors import FileError, InputError, one_line
from replicadnn.problem import Problem
from replicadnn.ranges import MAX_NUMBERS as MAX_POINTS
from replicadnn.ranges import expand
from replicadnn.sweeps.tasks.contract import Task, task_named
from replicadnn.validate import whole

#: Short names of the command line.
_TASK_ALIASES = {"mc": "mc-simulate", "simulate": "mc-simulate"}


@dataclass(frozen=True)
class Point:
    """One task with all its parameters, checked and completed."""

    task: Task
    params: Mapping[str, Any]

    @cached_property
    def id(self) -> str:
        """Identity: SHA-256 of task and parameters, whatever their order was (32 hex digits).

        Parameters at their `Column.former` value are left out.
        """
        known = self.task.parameters
        stated = {n: v for n, v in self.params.items() if known[n].former != v}
        text = json.dumps([self.task.name, stated], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def label(self, short: bool = False) -> str:
        """The parameters in one line (``short``: the main ones)."""
        names = [n for n in ("L", "N", "alpha", "kappa", "beta", "seed") if n in self.params]
        names += [] if short else [n for n in self.params if n not in names]
        return ", ".join(f"{name} = {_shown(self.params[name])}" for name in names)


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class Plan:
    """Different points of one task in a fixed order; ``how``: time limits and the like."""

    task: Task
    points: tuple[Point, ...]
    how: Mapping[str, Any] = field(default_factory=dict)

    def share(self, number: int, of: int) -> Plan:
        """Every ``of``-th point, beginning with the ``number``-th; 1 <= number <= of."""
        of = whole("share", of, 1, MAX_POINTS)
        number = whole("share", number, 1, of)
        return Plan(self.task, self.points[number - 1 :: of], self.how)


def make_plan(asked: object) -> Plan:
    """A plan from what a user may give.

    Parameters
    ----------
    asked : Plan, path of a TOML file, mapping as in such a file, or Problems

    Raises
    ------
    InputError
        Names the parameter, its value and the allowed range.
    FileError
        The TOML file cannot be read.
    """
    if isinstance(asked, Plan):
        return asked
    if isinstance(asked, str | Path):
        return plan_from_table(read_toml(asked))
    if isinstance(asked, Mapping):
        return plan_from_table(asked)
    if isinstance(asked, Iterable):
        task = task_named("solve")
        return Plan(task, _different(_point(task, _of_problem(task, p)) for p in asked))
    raise InputError("plan", asked, "a TOML file, a mapping or Problems")


def read_toml(path: str | Path) -> dict[str, Any]:
    """Contents of a TOML file; raises FileError."""
    try:
        with Path(path).open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise FileError(path, f"cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FileError(path, one_line(f"not TOML: {error}")) from None


def plan_from_table(table: Mapping[str, Any]) -> Plan:
    """A plan from {"task": name, "grid": grid or list of grids, time_limit: ...}.

    A grid maps parameters to one value or several; its points are all combinations, the last
    parameter running fastest.  Numbers may be text as on the command line: "1:1000:20:log".
    """
    rest = dict(table)
    name = rest.pop("task", "solve")
    task = task_named(_TASK_ALIASES.get(str(name), str(name)))
    grids = rest.pop("grid", None)
    grids = [grids] if isinstance(grids, Mapping) else grids
    if not isinstance(grids, list) or not all(isinstance(g, Mapping) and g for g in grids):
        raise InputError("grid", grids, "a table of parameters, or several ([[grid]])")
    how = {key: rest.pop(key) for key in task.how if key in rest}
    if rest:
        known = ", ".join(("task", "grid", *task.how))
        raise InputError(
            next(iter(rest)), next(iter(rest.values())), f"unknown key (known: {known})"
        )
    task.check_how(how)
    points = itertools.chain.from_iterable(_expand(task, grid) for grid in grids)
    return Plan(task, _different(points), how)


def _of_problem(task: Task, problem: Any) -> dict[str, Any]:
    """Parameters of a point; of a Problem also those the task has not, unless they are default."""
    if isinstance(problem, Mapping):
        return dict(problem)
    if not isinstance(problem, Problem):
        raise InputError("plan", problem, "a TOML file, a mapping or Problems")
    values = {f.name: (getattr(problem, f.name), f.default) for f in fields(problem)}
    return {
        n: value for n, (value, usual) in values.items() if n in task.parameters or value != usual
    }


def _expand(task: Task, grid: Mapping[str, Any]) -> Iterable[Point]:
    axes = {str(name): _values(task, str(name), given) for name, given in grid.items()}
    size = math.prod(len(axis) for axis in axes.values())
    if size > MAX_POINTS:
        raise InputError("grid", f"{size} points", f"at most {MAX_POINTS}")
    for values in itertools.product(*axes.values()):
        yield _point(task, dict(zip(axes, values, strict=True)))


def _point(task: Task, given: Mapping[str, Any]) -> Point:
    for name in given:
        if name not in task.parameters:
            known = ", ".join(task.parameters)
            raise InputError(name, given[name], f"no parameter of {task.name} (known: {known})")
    return Point(task, task.complete(given))


def _different(points: Iterable[Point]) -> tuple[Point, ...]:
    found = {point.id: point for point in points}
    if not found:
        raise InputError("plan", "no points", "at least one point")
    if len(found) > MAX_POINTS:
        raise InputError("plan", f"{len(found)} points", f"at most {MAX_POINTS}")
    return tuple(found.values())


def _values(task: Task, name: str, given: Any) -> list[Any]:
    """Values of a grid parameter: one, a list, or text with lists and ranges of numbers."""
    if name not in task.parameters:
        known = ", ".join(task.parameters)
        raise InputError(name, given, f"no parameter of {task.name} (known: {known})")
    items = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    kind = task.parameters[name].kind
    out: list[Any] = []
    for item in items:
        if isinstance(item, str):
            parts = [part.strip() for part in item.split(",")]
            out += parts if kind is str else [v for part in parts for v in _numbers(name, part)]
        else:
            out.append(item)
    if not out:
        raise InputError(name, given, "at least one value")
    if kind is int:
        out = [int(v) if isinstance(v, float) and v.is_integer() else v for v in out]
    return out


def _numbers(name: str, text: str) -> list[float]:
    try:
        return expand(text, infinite=True)
    except ValueError as error:
        raise InputError(name, text, str(error)) from None
