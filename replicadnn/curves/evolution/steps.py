"""Errors by step, of several draws: scrambles of the theory or drawn data sets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from replicadnn.results import ResultBase
from replicadnn.storage.tables import Column, Table
from replicadnn.types import FloatArray

#: Numbers of a draw of the theory, and of one of the data sets.
THEORY = ("test_error", "training_error")
DRAWN = (*THEORY, "estimated_error")
_TEXT = {
    "test_error": "mean squared error on fresh patterns with noise",
    "training_error": "mean squared error on the patterns",
    "estimated_error": "estimate of the test error from the patterns alone",
}


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Steps(ResultBase):
    """Errors at steps 0..T of gradient descent; see `replicadnn.curves.descent`.

    Attributes
    ----------
    values : mapping of arrays (draws, T + 1)
        "test_error", "training_error"; of drawn data sets "estimated_error" too.
    exact : bool
        One draw without an error: theory of L = 1.
    """

    values: Mapping[str, FloatArray]
    exact: bool = False

    @classmethod
    def of(cls, names: Sequence[str], rows: Sequence[FloatArray], steps: int, exact: bool) -> Steps:
        """From an array (names, steps + 1) of every draw."""
        array = np.array(rows, float).reshape(len(rows), len(names), steps + 1)
        return cls({name: array[:, k] for k, name in enumerate(names)}, exact)

    @property
    def draws(self) -> int:
        """How many there are."""
        return int(self.values["test_error"].shape[0])

    @property
    def steps(self) -> int:
        """T."""
        return int(self.values["test_error"].shape[1]) - 1

    def mean(self, name: str) -> FloatArray:
        """Mean of one of ``values`` over draws, array (T + 1,); nan for none."""
        values = self.values[name]
        with np.errstate(over="ignore", invalid="ignore"):  # a descent may diverge
            mean = values.mean(axis=0) if len(values) else np.full(self.steps + 1, math.nan)
        return np.asarray(mean)

    def error(self, name: str) -> FloatArray:
        """Standard error of `mean`; nan for one draw, 0 where ``exact``."""
        values = self.values[name]
        if self.exact or len(values) < 2:
            return np.full(self.steps + 1, 0.0 if self.exact else math.nan)
        with np.errstate(over="ignore", invalid="ignore"):  # a descent may diverge
            return np.asarray(values.std(axis=0, ddof=1) / math.sqrt(len(values)))

    def rows(self) -> list[FloatArray]:
        """An array (names, T + 1) of every draw."""
        return list(np.stack(list(self.values.values()), axis=1))

    def _line(self) -> Mapping[str, object]:
        return {"draws": self.draws, "steps": self.steps}

    def _records(self) -> Sequence[Mapping[str, Any]]:
        columns: dict[str, Any] = {"step": range(self.steps + 1)}
        for name in self.values:
            columns |= {name: self.mean(name).tolist(), f"{name}_error": self.error(name).tolist()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def table(self, name: str) -> Table:
        """A row a draw and step."""
        size = self.steps + 1
        row = np.arange(self.draws * size)
        columns = [
            Column.of("row", row, "number of the row"),
            Column.of("draw", row // size, "scramble of the theory, or data set"),
            Column.of("step", row % size, "step of gradient descent"),
            *(Column.of(key, one.ravel(), _TEXT[key]) for key, one in self.values.items()),
        ]
        return Table(name, tuple(columns))

    @classmethod
    def read(cls, table: Table, names: Sequence[str], steps: int, exact: bool) -> Steps:
        """What a table holds."""
        shape = (-1, steps + 1)
        return cls({name: np.reshape(table[name], shape) for name in names}, exact)
