"""What came of networks that were trained: means and standard errors over repetitions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from replicadnn.errors import InputError
from replicadnn.experiments.single import Outcome, Point
from replicadnn.experiments.tasks import restored
from replicadnn.questions.schema import Answer, Item, Schema, origin
from replicadnn.results import extra
from replicadnn.storage.tables import Column, Plain, Table, Tables, plain
from replicadnn.types import FloatArray

#: What is averaged over networks, with its meaning.
MEASURED = {
    "epochs": "epochs until the training error was 0, or given up",
    "training_error": "training error at the end",
    "first_error": "training error after the first epoch",
    "test_error": "error on fresh patterns with clean labels",
    "best_error": "the least test error along the training",
    "critical": "share of fresh inputs with another class nearby, a lower bound",
    "kernel_error": "test error of regression with the tangent kernel",
}
#: What varies from point to point.
AXES = {
    "hidden": "hidden layers", "inputs": "number of inputs", "n": "training patterns",
    "random": "probability of a random label",
}  # fmt: skip
#: One row a network.
NETWORKS = Schema(
    "networks",
    Outcome,
    (
        *(Item(name, text) for name, text in AXES.items()),
        Item("repeat", "number of the repetition"),
        Item("rate", "learning rate"),
        Item("reached", "was the training error 0?"),
        *(Item(name, text) for name, text in MEASURED.items()),
    ),
    counter="network",
)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Trained(Answer):
    """Networks that were trained; see `replicadnn.experiments.train`.

    Attributes
    ----------
    settings : mapping
        What was asked and is the same for all of them: data, width, activation, ...
    networks : tuple of `Outcome`
        One a network.
    along : array (rows, 4)
        Number of the network, epoch, training error and test error after it; test errors are nan
        without ``along``.
    """

    KIND: ClassVar[str] = "trained"

    settings: Mapping[str, Plain]
    networks: tuple[Outcome, ...]
    along: FloatArray

    @property
    def points(self) -> list[Point]:
        """What varies, every combination once, in the order in which they were trained."""
        return list(dict.fromkeys(one.point for one in self.networks))

    def values(self, name: str, point: Point | None = None) -> FloatArray:
        """One of ``epochs``, ``test_error``, ... of the networks that reached training error 0.

        Of all of them, or of one point; in the order of repetitions.
        """
        known = {field.name for field in fields(Outcome)}
        if name not in known:
            raise InputError("name", name, "one of " + ", ".join(MEASURED))
        rows = [one for one in self.networks if one.reached and point in (None, one.point)]
        return np.array([float(getattr(one, name)) for one in rows])

    def mean(self, name: str) -> FloatArray:
        """Mean over the networks of every point that reached training error 0; nan: none did."""
        found = [self.values(name, point) for point in self.points]
        return np.array([one.mean() if one.size else math.nan for one in found])

    def error(self, name: str) -> FloatArray:
        """Standard error of `mean`; nan for fewer than two networks."""
        return np.array([standard_error(self.values(name, one)) for one in self.points])

    @property
    def count(self) -> list[int]:
        """Networks of every point."""
        return [sum(one.point == point for one in self.networks) for point in self.points]

    @property
    def reached(self) -> list[int]:
        """Networks of every point with training error 0."""
        return [self.values("rate", point).size for point in self.points]

    def rate(self, point: Point) -> float:
        """The learning rate of a point."""
        return next(one.rate for one in self.networks if one.point == point)

    def difference(self, one: Point, other: Point, name: str = "test_error") -> tuple[float, float]:
        """Mean of ``one`` - ``other`` over repetitions of the same data, and its standard error.

        Repetitions count in which both networks reached training error 0.
        """
        pairs: dict[int, dict[Point, float]] = {}
        for row in self.networks:
            if row.reached and row.point in (one, other):
                pairs.setdefault(row.repeat, {})[row.point] = float(getattr(row, name))
        both = np.array([pair[one] - pair[other] for pair in pairs.values() if len(pair) == 2])
        return (float(both.mean()) if both.size else math.nan), standard_error(both)

    @property
    def bayes(self) -> dict[int, float]:
        """Number of inputs -> the least error of any classifier; nan: not known."""
        task = restored(self.settings)
        known = sorted({one.inputs for one in self.networks})
        return {one: math.nan if task is None else task.bayes_error(one) for one in known}

    @property
    def converged(self) -> bool:
        """Did all networks reach training error 0?"""
        return all(one.reached for one in self.networks)

    def _line(self) -> Mapping[str, object]:
        names = ("data", "k", "width", "activation", "loss")
        told = {name: self.settings[name] for name in names if name in self.settings}
        return told | {"points": len(self.points), "networks": len(self.networks)}

    def _records(self) -> Sequence[Mapping[str, Any]]:
        points = self.points
        columns: dict[str, Any] = {
            name: [getattr(point, name) for point in points] for name in AXES
        }
        columns |= {"rate": [self.rate(point) for point in points]}
        columns |= {"networks": self.count, "reached": self.reached}
        for name in MEASURED:
            columns |= {name: self.mean(name).tolist(), f"{name}_error": self.error(name).tolist()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def as_dict(self) -> dict[str, Any]:
        """The document of ``train --json``; null for what does not exist."""
        document: dict[str, Any] = plain(
            dict(self.settings)
            | {
                "bayes_error": self.bayes,
                "points": self._records(),
                "networks": [NETWORKS.document(one) for one in self.networks],
                "timings": self.timings,
                "finished": self.finished,
            }
        )
        return document

    def tables(self) -> list[Table]:
        """A row a network, and one after every epoch."""
        row = np.arange(len(self.along))
        along = (
            Column.of("row", row, "number of the row"),
            Column.of("network", self.along[:, 0].astype(np.int64), "network"),
            Column.of("epoch", self.along[:, 1].astype(np.int64), "epochs that were made"),
            Column.of("training_error", self.along[:, 2], "training error"),
            Column.of("test_error", self.along[:, 3], "error on fresh patterns, clean labels"),
        )
        return [NETWORKS.table(self.networks), Table("along", along)]

    def attributes(self) -> dict[str, Plain]:
        """What was asked."""
        return dict(self.settings)

    @classmethod
    def read(cls, file: Tables) -> Trained:
        """What a file holds."""
        along = file["along"]
        names = ("network", "epoch", "training_error", "test_error")
        rows = [one | {"reached": bool(one["reached"])} for one in NETWORKS.read(file["networks"])]
        own = {k: v for k, v in file.attributes.items() if not k.startswith("seconds_")}
        return cls(
            settings=own,
            networks=tuple(Outcome(**one) for one in rows),
            along=np.column_stack([np.asarray(along[name], float) for name in names]),
            **origin(file),
        )


def standard_error(values: FloatArray) -> float:
    """Of a mean; nan for fewer than two."""
    return float(values.std(ddof=1)) / math.sqrt(values.size) if values.size > 1 else math.nan


load_trained = Trained.load


def to_dataset(found: Trained) -> Any:
    """Means and standard errors as an xarray Dataset over points."""
    xarray = extra("xarray")
    measured: dict[str, Any] = {}
    for name, words in MEASURED.items():
        measured[name] = (("point",), found.mean(name), {"long_name": words})
        measured[f"{name}_error"] = (("point",), found.error(name), {"long_name": "its error"})
    axes = {
        name: (("point",), [getattr(one, name) for one in found.points], {"long_name": words})
        for name, words in AXES.items()
    }
    return xarray.Dataset(measured, axes, found.attributes())


__all__ = ["AXES", "MEASURED", "Trained", "load_trained", "standard_error", "to_dataset"]
