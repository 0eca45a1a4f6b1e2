"""What is measured on data sets that are drawn: error bars over draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from replicadnn import interrupt
from replicadnn.curves.ask import Problem
from replicadnn.errors import InputError
from replicadnn.progress import Progress, reporting
from replicadnn.results import ResultBase
from replicadnn.storage.tables import Column, Plain, Table, Tables, plain
from replicadnn.types import FloatArray, IntArray
from replicadnn.validate import whole

#: Most features or patterns, whichever is fixed, and draws.
_MAX_SIZE, _MAX_SAMPLES = 10_000, 100_000
#: Most entries of the matrix of the patterns of one data set.
_MAX_ENTRIES = 20_000_000
_TEXT = {
    "bias": "(b^ - b)^T Sigma (b^ - b) without the noise of the patterns",
    "variance": "the same of the part of b^ that is linear in the noise",
    "risk": "excess risk of b^",
    "test_error": "error on fresh patterns",
    "training_error": "error on the patterns",
}


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Samples(ResultBase):
    """Drawn data sets beside a curve; see `replicadnn.curves.learning_curve`.

    Attributes
    ----------
    size, seed : int
        What was fixed along the curve: p (model "ridge") or n ("features").
    n, p : arrays (points,)
        Patterns and features at every point of the curve.
    values : mapping of arrays (samples, points)
        Of every data set: "bias", "variance", "risk", "test_error", "training_error" ("features":
        the last two); nan where there is no mean (docs/curves.md, section 5).
    """

    size: int
    seed: int
    n: IntArray
    p: IntArray
    values: Mapping[str, FloatArray]

    @property
    def samples(self) -> int:
        """How many data sets were drawn at every point."""
        return int(self.values["test_error"].shape[0])

    @property
    def gamma(self) -> FloatArray:
        """p/n of whole numbers."""
        return np.asarray(self.p / self.n)

    def mean(self, name: str) -> FloatArray:
        """Mean of one of ``values`` over data sets; nan for none."""
        values = self.values[name]
        return np.full(self.n.size, math.nan) if not len(values) else np.asarray(values.mean(0))

    def error(self, name: str) -> FloatArray:
        """Standard error of `mean`; nan for one data set."""
        values = self.values[name]
        if len(values) < 2:
            return np.full(self.n.size, math.nan)
        return np.asarray(values.std(axis=0, ddof=1) / math.sqrt(len(values)))

    def rows(self) -> list[list[Sequence[float]]]:
        """The numbers of every data set, at every point, in the order of ``values``."""
        return [list(one) for one in np.stack(list(self.values.values()), axis=2)]

    def _line(self) -> Mapping[str, object]:
        return {"size": self.size, "points": self.n.size, "samples": self.samples,
                "seed": self.seed}  # fmt: skip

    def _records(self) -> Sequence[Mapping[str, Any]]:
        columns: dict[str, Any] = {
            "gamma": self.gamma.tolist(), "n": self.n.tolist(), "p": self.p.tolist()
        }  # fmt: skip
        for name in self.values:
            columns |= {name: self.mean(name).tolist(), f"{name}_error": self.error(name).tolist()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def as_dict(self) -> dict[str, Any]:
        """Means and errors as plain values; null for what does not exist."""
        line = {"size": self.size, "samples": self.samples, "seed": self.seed}
        document: dict[str, Any] = plain(line | {"points": self._records()})
        return document

    def tables(self) -> list[Table]:
        """Patterns and features of every point; a row a data set and point."""
        points = self.n.size
        sizes = [
            Column.of("point", np.arange(points), "number of the row"),
            Column.of("n", self.n, "patterns of a data set"),
            Column.of("p", self.p, "features of a data set"),
        ]
        row = np.arange(self.samples * points)
        columns = [
            Column.of("row", row, "number of the row"),
            Column.of("sample", row // points, "data set"),
            Column.of("point", row % points, "point of the curve"),
            *(Column.of(name, one.ravel(), _TEXT[name]) for name, one in self.values.items()),
        ]
        return [Table("sizes", tuple(sizes)), Table("samples", tuple(columns))]

    def attributes(self) -> dict[str, Plain]:
        """Attributes of a file."""
        return {"size": self.size, "seed": self.seed, "samples": self.samples}

    @classmethod
    def read(cls, file: Tables, names: Sequence[str]) -> Samples:
        """What the file of a learning curve holds."""
        a, rows, sizes = file.attributes, file["samples"], file["sizes"]
        shape = (int(a["samples"]), len(sizes))
        values = {name: np.reshape(rows[name], shape) for name in names}
        n, p = (np.asarray(sizes[name], dtype=np.int64) for name in ("n", "p"))
        return cls(int(a["size"]), int(a["seed"]), n, p, values)


@dataclass(frozen=True, slots=True)
class Plan:
    """Data sets to be drawn, at every gamma with its ridge."""

    problem: Problem
    gamma: FloatArray
    ridge: FloatArray
    size: int
    seed: int

    @classmethod
    def of(
        cls,
        problem: Problem,
        gamma: FloatArray,
        ridge: FloatArray,
        size: tuple[str, Any],
        seed: Any,
    ) -> Plan:
        """Of arguments that are not yet checked; ``size``: name and value of what is fixed."""
        name, value = size
        plan = cls(
            problem, gamma, ridge, whole(name, value, 2, _MAX_SIZE),
            whole("seed", seed, 0, 2**63 - 1),
        )  # fmt: skip
        for one, (n, p) in zip(gamma, plan.shapes(), strict=True):
            if n * p > _MAX_ENTRIES:
                raise InputError(name, value, f"p n at most {_MAX_ENTRIES:g} (gamma = {one:g})")
        return plan

    def shapes(self) -> list[tuple[int, int]]:
        """(n, p) at every gamma."""
        return [self.problem.shape(self.size, float(one)) for one in self.gamma]

    def continues(self, known: Samples, count: int, name: str) -> None:
        """Refuse an earlier result of other data sets, or of more."""
        for word, there, value in (
            (name, known.size, self.size), ("seed", known.seed, self.seed),
        ):  # fmt: skip
            if there != value:
                raise InputError(word, value, f"must be {there} to continue the earlier result")
        if known.samples > count:
            raise InputError("samples", count, f"at least the {known.samples} of the earlier one")

    def draw(
        self,
        count: int,
        known: Samples | None,
        beside: Callable[[Samples, bool], Any],
        checkpoint: Callable[[Callable[[], Any]], None] | None,
        progress: Progress,
    ) -> Any:
        """``beside(samples, finished)`` of ``count`` data sets at every point."""
        rows: list[list[Sequence[float]]] = [] if known is None else known.rows()
        shapes, names = np.array(self.shapes(), dtype=np.int64), self.problem.MEASURED

        def result(finished: bool) -> Any:
            values = np.array(rows, float).reshape(len(rows), len(shapes), len(names))
            found = {name: values[:, :, k] for k, name in enumerate(names)}
            n, p = shapes.T
            return beside(Samples(self.size, self.seed, n, p, found), finished)

        with (
            reporting(progress, "data set") as report,
            interrupt.keeping(lambda: (result(False), len(rows))),
        ):
            while len(rows) < count:
                rows.append(self._one(len(rows)))
                if checkpoint is not None:
                    checkpoint(lambda: result(False))
                report(len(rows), count)
        return result(True)

    def _one(self, number: int) -> list[Sequence[float]]:
        """What is measured at every gamma on the data set of this number."""
        row: list[Sequence[float]] = []
        for place, (n, p) in enumerate(self.shapes()):
            interrupt.check()
            child = np.random.SeedSequence(self.seed, spawn_key=(number, place))
            rng, ridge = np.random.default_rng(child), float(self.ridge[place])
            found = self.problem.draw(rng, n, p, ridge)
            row.append([found[name] for name in self.problem.MEASURED])
        return row


def samples_asked(value: Any) -> int:
    """How many data sets."""
    return whole("samples", value, 0, _MAX_SAMPLES)
