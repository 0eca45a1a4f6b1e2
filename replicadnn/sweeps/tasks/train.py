"""The task of training networks of one depth, number of inputs and number of patterns."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from replicadnn.errors import InputError
from replicadnn.sweeps.tasks.contract import Column, Params, new_group

#: Columns of a point that `train` takes, or None, as numbers: nan or -1.
_OPTIONAL = ("k", "latent", "rate", "radius")


class TrainTask:
    """`replicadnn.experiments.train` of one combination, all its repetitions."""

    name = "train"
    kind = "trained"
    good = "complete"
    shown = "test_error"
    parameters: Mapping[str, Column] = {
        "hidden": Column(int, "hidden layers"),
        "inputs": Column(int, "number of inputs"),
        "n": Column(int, "training patterns"),
        "random": Column(float, "probability of a random label"),
        "data": Column(str, "data set, or its file"),
        "k": Column(int, "factors of a product, -1: other data"),
        "latent": Column(int, "latent inputs, -1: other data"),
        "width": Column(int, "width of the hidden layers"),
        "activation": Column(str, "activation"),
        "gain": Column(float, "variance of a weight times the fan-in"),
        "loss": Column(str, "loss"),
        "rate": Column(float, "learning rate, nan: by cross-validation"),
        "folds": Column(int, "of the cross-validation"),
        "batch": Column(int, "patterns a step"),
        "epochs": Column(int, "most epochs"),
        "repeats": Column(int, "networks"),
        "tests": Column(int, "fresh patterns"),
        "radius": Column(float, "of critical samples, nan: not counted"),
        "seed": Column(int, "seed of the random numbers"),
    }
    results: Mapping[str, Column] = {
        "reached": Column(int, "networks that reached training error 0"),
        "test_error": Column(float, "mean test error of these, nan: none"),
        "test_error_error": Column(float, "its standard error"),
        "epochs_needed": Column(float, "mean epochs to training error 0"),
        "critical": Column(float, "share of critical samples, nan: not counted"),
        "chosen_rate": Column(float, "learning rate"),
    }
    how: tuple[str, ...] = ()

    def complete(self, given: Mapping[str, Any]) -> Params:
        """All parameters, checked; raises InputError."""
        from replicadnn.experiments.trained import plan, train

        if "hidden" not in given:
            raise InputError("hidden", None, "must be given")
        usual = {
            name: one.default
            for name, one in inspect.signature(train).parameters.items()
            if name in self.parameters and name != "hidden"
        }
        recipe, points, rate, repeats = plan(**usual | self._asked(given))
        (point,) = points
        values = {
            "hidden": point.hidden, "inputs": point.inputs, "n": point.n, "random": point.random,
            "data": str(given.get("data", usual["data"])), "k": -1, "latent": -1,
            "repeats": repeats,
            "width": recipe.width, "activation": recipe.activation.name, "gain": recipe.gain,
            "loss": str(recipe.loss), "rate": math.nan if isinstance(rate, str) else rate,
            "folds": recipe.folds, "batch": recipe.batch, "epochs": recipe.epochs,
            "tests": recipe.tests, "seed": recipe.seed,
            "radius": math.nan if recipe.radius is None else recipe.radius,
        }  # fmt: skip
        own = recipe.task.attributes()
        return values | {name: own[name] for name in ("k", "latent") if name in own}

    def _asked(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Keywords of `train`: None for what stands for nothing."""
        values = dict(params)
        for name in _OPTIONAL:
            one = values.get(name)
            if isinstance(one, int | float) and (math.isnan(one) or one == -1):
                values[name] = None
        return values

    def check_how(self, how: Mapping[str, Any]) -> None:
        """Nothing to check."""

    def compute(self, params: Mapping[str, Any], how: Mapping[str, Any]) -> Any:
        """The `Trained` of one point."""
        from replicadnn.experiments.trained import train

        values = self._asked(params)
        return train(values.pop("hidden"), **values)

    def tiny(self, params: Mapping[str, Any]) -> Params:
        """Nothing is compiled: the least that there is."""
        small = {"hidden": 0, "n": 4, "rate": 0.1, "epochs": 1, "repeats": 1, "tests": 1}
        return dict(params) | small

    def row(self, result: Any) -> Params:
        """Table entries of a `Trained`."""
        count, all_of_them = result.reached[0], result.count[0]
        short = f"{all_of_them - count} of {all_of_them} networks kept a training error"
        return {
            "status": "complete" if count == all_of_them else "incomplete",
            "message": "" if count == all_of_them else short,
            "reached": count,
            "test_error": float(result.mean("test_error")[0]),
            "test_error_error": float(result.error("test_error")[0]),
            "epochs_needed": float(result.mean("epochs")[0]),
            "critical": float(result.mean("critical")[0]),
            "chosen_rate": result.networks[0].rate,
        }

    def root(self, rows: Mapping[str, list[Any]]) -> Mapping[str, Any]:
        """None."""
        return {}

    def write(self, file: h5py.File, name: str, result: Any) -> str:
        """Write the groups of a point; returns their checksum."""
        from replicadnn.storage.tables import write_table

        group = new_group(file, "trained", name)
        for key, value in (result.attributes() | {"origin": _origin(result)}).items():
            group.attrs[key] = value
        for number, table in enumerate(result.tables()):
            write_table(group.create_group(table.name), table, number)
        return _checksum(group)

    def read(self, file: h5py.File, name: str) -> tuple[Any, str]:
        """The result of a point and its checksum."""
        from replicadnn.experiments.result import Trained
        from replicadnn.storage.tables import Tables, read_table

        group = file["trained"][name]
        tables = {one: read_table(one, group[one])[1] for one in group}
        attributes: dict[str, Any] = {
            key: value.item() if isinstance(value, np.generic) else value
            for key, value in group.attrs.items()
        }
        origin = dict(line.split("=", 1) for line in attributes.pop("origin").split("\n"))
        found = Tables(self.kind, tables, attributes, origin)
        return Trained.read(found), _checksum(group)


def _origin(result: Any) -> str:
    """Provenance as one text."""
    return "\n".join(f"{key}={value}" for key, value in result.provenance.items())


def _checksum(group: h5py.Group) -> str:
    return " ".join(str(group[one].attrs["sha256"]) for one in group)
