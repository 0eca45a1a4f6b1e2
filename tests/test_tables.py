"""Files of tables: what goes in comes out, damage is noticed, xarray opens them as they are."""

from __future__ import annotations

import math
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray

import replicadnn as rd
from replicadnn.storage.hdf5 import root_digest
from replicadnn.storage.readers import describe
from replicadnn.storage.tables import Column, Table, read_tables, write_tables


def _tables() -> list[Table]:
    second = Table(
        "zeta",
        (
            Column.of("layer", [1, 2, 3], "layer"),
            Column.of("alpha", [2.5, math.nan, 38.0], "threshold", equation="22"),
            Column.of("order", ["second", "first", ""], "order of the transition"),
            Column.of("stable", [True, False, True], "stable"),
        ),
        {"slope": 0.5, "points": 3, "note": "all", "linear": False},
    )
    return [second, Table("empty", (Column.of("layer", np.zeros(0, int), "layer"),))]


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_tables(path, "transitions", _tables(), attributes={"L": 20, "beta": math.inf})
    found = read_tables(path, "transitions")
    assert list(found.tables) == ["zeta", "empty"]
    assert found.attributes == {"L": 20, "beta": math.inf}
    assert found.finished
    for table in _tables():
        other = found[table.name]
        assert dict(other.attributes) == dict(table.attributes)
        for a, b in zip(table.columns, other.columns, strict=True):
            assert (a.name, a.long_name, a.units, a.equation) == (
                b.name, b.long_name, b.units, b.equation,
            )  # fmt: skip
            np.testing.assert_array_equal(a.values, b.values)
    assert found["zeta"].rows()[1] == {
        "layer": 2, "alpha": None, "order": "first", "stable": False,
    }  # fmt: skip
    with pytest.raises(KeyError, match="no column"):
        found["zeta"]["beta"]


def test_described_and_opened_by_xarray(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_tables(path, "transitions", _tables(), attributes={"beta": math.inf})
    summary = describe(path)
    assert summary["kind"] == "transitions"
    assert summary["attributes"] == {"beta": "inf"}
    assert [t["rows"] for t in summary["tables"]] == [3, 0]
    with xarray.open_dataset(path, group="tables/zeta", engine="h5netcdf") as data:
        assert data["alpha"].dims == ("layer",)
        assert data["alpha"].attrs["equation"] == "docs/theory.md eq. 22"


def test_damage_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    for change in ("value", "attribute", "root"):
        write_tables(path, "transitions", _tables(), attributes={"L": 3}, overwrite=True)
        with h5py.File(path, "r+") as file:
            if change == "value":
                file["tables/zeta/alpha"][0] = 2.6
            elif change == "attribute":
                file["tables/zeta"].attrs["slope"] = 0.6
            else:
                file["tables"].attrs["L"] = 4
        with pytest.raises(rd.FileError, match="checksum"):
            read_tables(path)
    with pytest.raises(rd.FileError, match="exists already"):
        write_tables(path, "transitions", _tables())
    with pytest.raises(rd.FileError, match="expected 'generalisation'"):
        read_tables(path, "generalisation")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("format", "other", "an HDF5 file, but not a replicadnn one"),
        ("schema_version", 2, r"schema_version 2 is newer than this program \(1\)"),
        ("schema_version", 0, "schema_version is missing or invalid"),
        ("kind", "poem", "kind is missing or unknown"),
        ("finished", False, r"damaged \(checksum of the root attributes\)"),
    ],
)
def test_frame_is_checked(name: str, value: object, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_tables(path, "transitions", _tables())
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value
        if name != "finished":  # a forger, or another version
            file.attrs["sha256"] = root_digest(file)
    with pytest.raises(rd.FileError, match=said):
        read_tables(path)


@pytest.mark.parametrize(
    "kind", ["capacity", "complexity", "generalisation", "stability", "transitions"]
)
def test_tables_of_something_else_are_one_error(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_tables(path, kind, _tables(), attributes={"L": 3})
    with pytest.raises(rd.FileError, match=f"damaged or not a {kind} file"):
        rd.load(path)


def test_columns_of_one_length(tmp_path: Path) -> None:
    bad = Table("a", (Column.of("x", [1.0, 2.0], "x"), Column.of("y", [1.0], "y")))
    with pytest.raises(ValueError, match="column y"):
        write_tables(tmp_path / "a.h5", "transitions", [bad])
    assert not list(tmp_path.iterdir())
