"""Columns as data: what a question states is what its file and document hold; former names."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

import replicadnn as rd
from replicadnn.problem import Ansatz
from replicadnn.questions.capacity import End
from replicadnn.questions.generalisation import Noise
from replicadnn.questions.schema import Answer, Item, Schema, beta_value
from replicadnn.questions.transitions import Order
from replicadnn.status import BranchKind, Status
from replicadnn.storage.tables import Column, Table, write_tables
from replicadnn.validate import numbers

DATA = Path(__file__).parent.parent / "data"


class Colour(enum.StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Row:
    depth: int
    height: float
    colour: Colour
    open: bool
    possible: bool | None = None


SCHEMA = Schema(
    "rows",
    Row,
    (
        Item("depth", "depth of the row"),
        Item("height", "its height", "22", name="h", former="altitude"),
        Item("colour", "its colour"),
        Item("open", "whether it is open"),
        Item("possible", "whether it is possible"),
    ),
    counter="index",
)


def test_a_table_says_what_the_schema_says() -> None:
    rows = [Row(2, 0.5, Colour.RED, True, None), Row(3, math.inf, Colour.RED, False, False)]
    table = SCHEMA.table(rows, attributes={"n": 7}, more=[Column.of("last", [8, 9], "more")])
    names = ["index", "depth", "h", "colour", "open", "possible", "last"]
    assert [c.name for c in table.columns] == names
    assert dict(table.attributes) == {"n": 7}
    assert [c.values.dtype.kind for c in table.columns] == list("iifObii")
    assert table["possible"].tolist() == [-1, 0]
    assert (table.columns[2].long_name, table.columns[2].equation) == ("its height", "22")
    assert SCHEMA.read(table) == [
        {"depth": 2, "height": 0.5, "colour": "red", "open": True},
        {"depth": 3, "height": math.inf, "colour": "red", "open": False},
    ]
    document = SCHEMA.document(rows[1])
    assert document == {"depth": 3, "h": None, "colour": "red", "open": False, "possible": False}
    assert type(document["colour"]) is str


def test_an_empty_table_has_its_types() -> None:
    table = SCHEMA.table([])
    assert [c.values.dtype.kind for c in table.columns] == list("iifObi")
    assert SCHEMA.read(table) == []


def test_a_former_name_is_read_where_the_present_one_is_missing() -> None:
    other = [
        Column.of("depth", [4], ""), Column.of("colour", ["red"], ""), Column.of("open", [True], "")
    ]  # fmt: skip
    old = Table("rows", (*other, Column.of("altitude", [0.25], "")))
    both = Table("rows", (*old.columns, Column.of("h", [0.75], "")))
    assert SCHEMA.read(old)[0]["height"] == 0.25
    assert SCHEMA.read(both)[0]["height"] == 0.75
    with pytest.raises(KeyError, match="'h'"):
        SCHEMA.read(Table("rows", tuple(other)))


def test_one_number_or_several() -> None:
    assert numbers("x", 3) == [3]
    assert numbers("x", np.array(2.5)) == [2.5]
    assert numbers("x", (1, 2.0)) == [1, 2.0]
    assert numbers("x", range(1, 4)) == [1, 2, 3]
    assert numbers("x", "12") == ["12"]
    values = numbers("x", np.array([1, 2]))
    assert [type(v) for v in values] == [int, int]
    for empty in ([], (), np.zeros(0)):
        with pytest.raises(rd.InputError, match="at least one number"):
            numbers("x", empty)


def test_inverse_temperature_of_a_document() -> None:
    assert beta_value(math.inf) == "inf"
    assert beta_value(2.5) == 2.5


def test_an_answer_states_its_file() -> None:
    bare = Answer()
    assert bare.finished
    for method in (bare.tables, bare.attributes):
        with pytest.raises(NotImplementedError):
            method()


# --- files written before names changed ----------------------------------------------------


def test_capacity_of_an_older_file() -> None:
    """Column "closure" is `mismatch`, "frozen_layers" is `saturated_layers`."""
    symmetric, broken = rd.load(DATA / "capacity_v1.h5")
    with h5py.File(DATA / "capacity_v1.h5") as file:
        assert "closure" in file["tables/capacity"]
        assert "mismatch" not in file["tables/capacity"]
    assert (symmetric.L, symmetric.kappa, symmetric.alpha) == (2, 0.5, 4.813579877374499)
    assert symmetric.mismatch == 7.713003668556429e-08
    assert (symmetric.ansatz, symmetric.end) == (Ansatz.RS, End.DIVERGENCE)
    assert symmetric.possible is True
    assert (broken.saturated_layers, broken.levels, broken.end) == (-1, 2, End.NO_STATES)
    assert broken.by_level == (12.319634346587474, 12.287222221593858)
    assert math.isnan(broken.mismatch)
    assert broken.possible is None


def test_present_names_in_a_new_file(tmp_path: Path) -> None:
    path = rd.load(DATA / "capacity_v1.h5").save(tmp_path / "c.h5")
    with h5py.File(path) as file:
        table = file["tables/capacity"]
        assert table["mismatch"][0] == 7.713003668556429e-08
        assert "closure" not in table
        assert table["frozen_layers"][()].tolist() == [0, -1]


def test_frozen_branches_of_older_files_are_saturated() -> None:
    with h5py.File(DATA / "stability_v1.h5") as file:
        assert file["tables/points/branch"].asstr()[()].tolist() == ["continuous", "frozen"]
    points = rd.load(DATA / "stability_v1.h5").points
    assert [p.branch for p in points] == ["continuous", "saturated"]
    assert points[1].branch.kind is BranchKind.SATURATED
    assert [p.rho for p in points] == [0.8358507756462712, 0.4995348505388743]
    found = rd.load(DATA / "generalisation_v1.h5")
    assert [p.branch for p in found.points] == ["continuous", "saturated"]
    assert [p.status for p in found.points] == [Status.CONVERGED] * 2
    assert found.noisy is Noise.NONE
    assert found.error[0, 1] == 0.11697105642273237


def test_transitions_and_complexity_of_older_files() -> None:
    found = rd.load(DATA / "transitions_v1.h5")
    assert [t.order for t in found.thresholds] == [Order.SECOND] * 2
    assert found.alpha.tolist() == [2.467401100272339, 8.702769877682536]
    assert found.saturated == found.steps[0].coexistence == 24.851717623252625
    assert found.as_dict()["frozen"]["alpha"] == 24.851717623252625
    states = rd.load(DATA / "complexity_v1.h5")
    assert states.sigma.tolist() == [0.011976200088848261, -0.009490981175059362]
    assert states.dynamical == 6.913536429405212
    assert math.isnan(states.static)


def test_a_word_that_is_no_end_is_a_damaged_file(tmp_path: Path) -> None:
    table = Table("capacity", tuple(
        Column.of(name, [value], "") for name, value in {
            "L": 1, "kappa": 0.0, "ansatz": "rs", "alpha": 2.0, "uncertainty": 0.0, "end": "bang",
            "reduced": 2.0, "bound": 2.0, "levels": 0, "frozen_layers": 0, "mismatch": 0.0,
            "message": "",
        }.items()
    ))  # fmt: skip
    levels = Table("levels", (Column.of("index", np.zeros(0, int), ""),
                              Column.of("alpha", np.zeros(0), "")))  # fmt: skip
    path = write_tables(
        tmp_path / "c.h5", "capacity", [table, levels], attributes={"alpha_max": 1.0}
    )
    with pytest.raises(rd.FileError, match="bang"):
        rd.load(path)
