"""What was measured on data sets that were drawn: error bars over draws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from replicadnn.curves.least_squares import MEASURED
from replicadnn.results import ResultBase
from replicadnn.storage.tables import Column, Plain, Table, Tables, plain
from replicadnn.types import FloatArray, IntArray

_TEXT = {
    "bias": "(b^ - b)^T Sigma (b^ - b) without the noise of the patterns",
    "variance": "the same of the part of b^ that is linear in the noise",
    "risk": "excess risk of b^",
    "training_error": "mean squared residual on the patterns",
}


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Samples(ResultBase):
    """Drawn data sets beside a curve; see `replicadnn.curves.learning_curve`.

    Attributes
    ----------
    p, seed : int
    n : array (points,)
        Patterns at every point of the curve.
    values : mapping of arrays (samples, points)
        "bias", "variance", "risk", "training_error" of every data set; nan without ridge and with
        ``|n - p|`` at most 1, where they have no mean.
    """

    p: int
    seed: int
    n: IntArray
    values: Mapping[str, FloatArray]

    @property
    def samples(self) -> int:
        """How many data sets were drawn at every point."""
        return int(self.values["risk"].shape[0])

    @property
    def gamma(self) -> FloatArray:
        """p/n, n being whole."""
        return np.asarray(self.p / self.n)

    def mean(self, name: str) -> FloatArray:
        """Mean over data sets of bias, variance, risk or training_error; nan for none."""
        values = self.values[name]
        return np.full(self.n.size, math.nan) if not len(values) else np.asarray(values.mean(0))

    def error(self, name: str) -> FloatArray:
        """Standard error of `mean`; nan for one data set."""
        values = self.values[name]
        if len(values) < 2:
            return np.full(self.n.size, math.nan)
        return np.asarray(values.std(axis=0, ddof=1) / math.sqrt(len(values)))

    def rows(self) -> list[list[Sequence[float]]]:
        """The numbers of every data set, at every point, in the order of `MEASURED`."""
        stacked = np.stack([self.values[name] for name in MEASURED], axis=2)
        return [list(one) for one in stacked]

    def _line(self) -> Mapping[str, object]:
        return {"p": self.p, "points": self.n.size, "samples": self.samples, "seed": self.seed}

    def _records(self) -> Sequence[Mapping[str, Any]]:
        columns: dict[str, Any] = {"gamma": self.gamma.tolist(), "n": self.n.tolist()}
        for name in MEASURED:
            columns |= {name: self.mean(name).tolist(), f"{name}_error": self.error(name).tolist()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def as_dict(self) -> dict[str, Any]:
        """Means and errors as plain values; null for what does not exist."""
        line = {"p": self.p, "samples": self.samples, "seed": self.seed}
        document: dict[str, Any] = plain(line | {"points": self._records()})
        return document

    @classmethod
    def read(cls, file: Tables) -> Samples:
        """What the file of a learning curve holds."""
        a, rows, points = file.attributes, file["samples"], len(file["points"])
        shape = (int(a["samples"]), points)
        n = np.asarray(file["patterns"]["n"], dtype=np.int64)
        values = {name: np.reshape(rows[name], shape) for name in MEASURED}
        return cls(int(a["p"]), int(a["seed"]), n, values)


def sample_tables(found: Samples | None) -> list[Table]:
    """Patterns of every point; a row a data set and point."""
    if found is None:
        return []
    points = found.n.size
    patterns = [
        Column.of("point", np.arange(points), "number of the row"),
        Column.of("n", found.n, "patterns of a data set"),
    ]
    row = np.arange(found.samples * points)
    columns = [
        Column.of("row", row, "number of the row"),
        Column.of("sample", row // points, "data set"),
        Column.of("point", row % points, "point of the curve"),
        *(Column.of(name, found.values[name].ravel(), _TEXT[name]) for name in MEASURED),
    ]
    return [Table("patterns", tuple(patterns)), Table("samples", tuple(columns))]


def sample_attributes(found: Samples | None) -> dict[str, Plain]:
    """Attributes of a file."""
    return {} if found is None else {"p": found.p, "seed": found.seed, "samples": found.samples}
