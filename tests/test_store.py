"""Files: round trip, atomic writes, and every kind of damage gives one FileError."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import replicadnn as rd
from replicadnn.storage import hdf5, journal
from replicadnn.storage import solutions as store
from replicadnn.storage.outputs import atomic_file

REFERENCE = Path(__file__).resolve().parent.parent / "data" / "solve_v1.h5"


@pytest.mark.parametrize("when", ["before the journal is opened", "before it is read"])
def test_reading_while_the_journal_is_moved(
    when: str, solutions: rd.Solutions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that has opened the file before its writer replaces it sees every point."""
    path = tmp_path / "a.h5"
    writer = store.SolutionWriter(path, solutions.provenance, overwrite=False)
    for number, solution in enumerate(solutions):
        writer.add(number, [solution])
    assert len(rd.load(path)) == 4

    class Slow(journal.Scan):
        def __init__(self, beside: Path, name: str) -> None:
            if when == "before the journal is opened":
                writer.finish(finished=True)
            super().__init__(beside, name)

        def bodies(self) -> Iterator[bytes]:
            if when == "before it is read":
                writer.finish(finished=True)
            return super().bodies()

    monkeypatch.setattr(store, "Scan", Slow)
    assert all(same(a, b) for a, b in zip(solutions, rd.load(path), strict=True))
    assert not journal.journal_path(path).exists()


@pytest.fixture(scope="module")
def solutions() -> rd.Solutions:
    return rd.solve([2.0, 500.0], 20, branch="all")


def same(one: rd.Solution, other: rd.Solution) -> bool:
    return json.dumps(one.as_dict(), sort_keys=True) == json.dumps(other.as_dict(), sort_keys=True)


def test_round_trip(solutions: rd.Solutions, tmp_path: Path) -> None:
    path = solutions.save(tmp_path / "a.h5")
    back = rd.load(path)
    assert len(back) == len(solutions) == 4
    assert all(same(a, b) for a, b in zip(solutions, back, strict=True))
    assert back.provenance["numpy"] == np.__version__
    single = solutions[1].save(tmp_path / "b.h5")
    assert same(rd.load(single)[0], solutions[1])


def test_overlap_and_distance_from_one_may_differ_by_the_residual(tmp_path: Path) -> None:
    """Certified with broken symmetry at residual 9.5e-12 they were 1.2e-12 apart, and refused."""
    one = rd.solve(3.0, 1, scenario="random", ansatz="rs", beta=1.0)
    certificate = replace(one.certificate, residual=9.5e-12)
    for apart, readable in ((1.2e-12, True), (9e-12, True), (2e-11, False)):
        rest = one.one_minus_Q_ea + apart
        found = replace(one, one_minus_Q_ea=rest, certificate=certificate)
        path = rd.Solutions([found]).save(tmp_path / f"{apart}.h5")
        if readable:
            assert rd.load(path)[0].converged
        else:
            with pytest.raises(rd.FileError, match="Q_EA and 1 - Q_EA disagree"):
                rd.load(path)


def test_unsolved_points_are_kept(tmp_path: Path) -> None:
    empty = rd.solve([1.0, 5.0], 1, scenario="random", ansatz="rs")
    back = rd.load(empty.save(tmp_path / "a.h5"))
    assert [s.converged for s in back] == [True, False]
    assert back[1].free_entropy == -np.inf


def test_file_of_schema_1_still_opens() -> None:
    old = rd.load(REFERENCE)
    new = rd.solve([2.0, 6.0], 3, branch="all")
    assert [s.branch for s in old] == [s.branch for s in new]
    for a, b in zip(old, new, strict=True):
        assert a.q_ea == pytest.approx(b.q_ea, abs=1e-12)


def older_file(path: Path, solutions: rd.Solutions, **changes: object) -> Path:
    """A file as it was before it named the closure, with some attributes changed."""
    solutions.save(path)
    with h5py.File(path, "r+") as file:
        for group in file["solutions"].values():
            del group.attrs["closure"]
            for name, value in changes.items():
                group.attrs[name] = value
            group.attrs["sha256"] = hdf5.digest(group)
    return path


def test_older_names_of_branches(tmp_path: Path) -> None:
    """ "frozen" is "saturated"; without a closure it is the averaged one."""
    new = rd.solve([500.0], 20, branch="equilibrium")
    assert new[0].branch == "saturated"
    others = np.array(["continuous", "partly frozen"], dtype=h5py.string_dtype())
    old = older_file(tmp_path / "a.h5", new, branch="frozen", other_branches=others)
    with h5py.File(old) as file:
        assert file["solutions/0000"].attrs["branch"] == "frozen"
    back = rd.load(old)[0]
    assert back.branch == "saturated"
    assert [b.branch for b in back.other_branches] == ["continuous", "partly saturated"]
    assert back.problem.closure == "averaged"
    assert np.array_equal(back.q, new[0].q)


def test_older_limits_of_the_certificate(tmp_path: Path) -> None:
    """Derivatives up to 1e-7 were certified before the closure was named; now 1e-8."""
    new = rd.Solutions([rd.solve(5.0, 4)])
    assert rd.load(older_file(tmp_path / "a.h5", new, certificate_ds_dq_max=9e-8))[0].converged
    with pytest.raises(rd.FileError, match="certificate fails"):
        rd.load(older_file(tmp_path / "b.h5", new, certificate_ds_dq_max=1.1e-7))
    with pytest.raises(
        rd.FileError, match="certificate fails"
    ):  # the other limits were what they are: 1e-8 at tol = 1e-8
        rd.load(older_file(tmp_path / "d.h5", new, certificate_residual=2e-8))
    path = new.save(tmp_path / "c.h5")
    with h5py.File(path, "r+") as file:
        group = file["solutions/0000"]
        group.attrs["certificate_ds_dq_max"] = 1.1e-8
        group.attrs["sha256"] = hdf5.digest(group)
    with pytest.raises(rd.FileError, match="certificate fails"):
        rd.load(path)


def test_schema_attributes(solutions: rd.Solutions, tmp_path: Path) -> None:
    with h5py.File(solutions.save(tmp_path / "a.h5")) as file:
        assert file.attrs["format"] == "replicadnn"
        assert file.attrs["kind"] == "solve"
        assert file.attrs["schema_version"] == 1
        assert bool(file.attrs["finished"])
        group = file["solutions/0000"]
        assert group["q"].shape == (21, 1)
        assert group["Q"].shape == (20, 1)
        for name in ("q", "Q", "x"):
            assert {"long_name", "units"} <= set(group[name].attrs)
        assert group["q"].dims[0].keys() == ["neuron_layer"]


def test_xarray_opens_it(solutions: rd.Solutions, tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    path = solutions.save(tmp_path / "a.h5")
    with xarray.open_dataset(path, group="solutions/0000", engine="h5netcdf") as data:
        assert data["q"].dims == ("neuron_layer", "x")
        assert data["Q"].attrs["long_name"].startswith("overlap of the couplings")


def test_never_overwrites_silently(solutions: rd.Solutions, tmp_path: Path) -> None:
    path = solutions.save(tmp_path / "a.h5")
    before = path.read_bytes()
    with pytest.raises(rd.FileError, match="exists already"):
        solutions[:1].save(path)
    assert path.read_bytes() == before
    solutions[:1].save(path, overwrite=True)
    assert len(rd.load(path)) == 1


def test_failed_write_leaves_the_old_file(solutions: rd.Solutions, tmp_path: Path) -> None:
    path = solutions.save(tmp_path / "a.h5")
    before = path.read_bytes()

    def half_a_file() -> None:
        with atomic_file(path, overwrite=True) as temporary:
            temporary.write_bytes(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(rd.FileError, match="cannot be written"):
        half_a_file()
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_two_writers(tmp_path: Path) -> None:
    """A file that appears meanwhile is not replaced."""
    path = tmp_path / "a.bin"

    def meanwhile() -> None:
        with atomic_file(path, overwrite=False) as temporary:
            temporary.write_bytes(b"mine")
            path.write_bytes(b"theirs")

    with pytest.raises(rd.FileError, match="exists already"):
        meanwhile()
    assert path.read_bytes() == b"theirs"


@pytest.mark.parametrize("target", ["missing/a.h5", "."])
def test_impossible_targets(solutions: rd.Solutions, tmp_path: Path, target: str) -> None:
    with pytest.raises(rd.FileError):
        solutions.save(tmp_path / target)


def test_disk_full(tmp_path: Path) -> None:
    """A limit on the file size stands in for a full disk: nothing is left behind."""
    code = (
        "import resource, signal, replicadnn as rd\n"
        "s = rd.solve([2.0, 6.0], 3)\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))\n"
        "try:\n    s.save('a.h5')\n"
        "except rd.FileError as error:\n    print('FileError', error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONWARNINGS": "default"},
    )  # fmt: skip
    assert "FileError" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []


def readable_or_file_error(path: Path) -> None:
    try:
        loaded = rd.load(path)
    except rd.FileError:
        return
    original = rd.load(REFERENCE)
    assert len(loaded) == len(original)
    assert all(same(a, b) for a, b in zip(loaded, original, strict=True))


@given(cut=st.floats(0.0, 0.999))
def test_truncated_files(cut: float, tmp_path: Path) -> None:
    whole = REFERENCE.read_bytes()
    path = tmp_path / "cut.h5"
    path.write_bytes(whole[: int(cut * len(whole))])
    with pytest.raises(rd.FileError):
        rd.load(path)


@given(where=st.floats(0.0, 0.9999), bit=st.integers(0, 7))
def test_flipped_bits(where: float, bit: int, tmp_path: Path) -> None:
    """Either refused, or the flip hit nothing that is read: never a wrong number."""
    content = bytearray(REFERENCE.read_bytes())
    content[int(where * len(content))] ^= 1 << bit
    path = tmp_path / "flip.h5"
    path.write_bytes(bytes(content))
    readable_or_file_error(path)


@given(content=st.binary(max_size=300))
def test_foreign_files(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    path.write_bytes(content)
    with pytest.raises(rd.FileError):
        rd.load(path)


hostile = st.sampled_from(
    ["", "nan", -1, 10**12, math.nan, np.zeros(3), b"\xff\xfe", np.array(["a"], dtype="S1")]
)


@given(
    name=st.sampled_from(["alpha", "L", "scenario", "tol", "status", "other_branches", "sha256"]),
    value=hostile,
)
def test_hostile_attributes(name: str, value: object, tmp_path: Path) -> None:
    path = tmp_path / "h.h5"
    path.write_bytes(REFERENCE.read_bytes())
    with h5py.File(path, "r+") as file:
        file["solutions/0001"].attrs[name] = value
    with pytest.raises(rd.FileError):
        rd.load(path)


@given(name=st.sampled_from(["format", "schema_version", "kind"]), value=hostile)
def test_hostile_root(name: str, value: object, tmp_path: Path) -> None:
    path = tmp_path / "h.h5"
    path.write_bytes(REFERENCE.read_bytes())
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value
    with pytest.raises(rd.FileError):
        rd.load(path)


@pytest.mark.parametrize("name", ["q", "Q", "x", "one_minus_q_ea"])
def test_missing_or_reshaped_datasets(name: str, tmp_path: Path) -> None:
    path = tmp_path / "h.h5"
    path.write_bytes(REFERENCE.read_bytes())
    with h5py.File(path, "r+") as file:
        del file["solutions/0000"][name]
    with pytest.raises(rd.FileError, match="damaged"):
        rd.load(path)


def test_foreign_hdf5(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["data"] = 1.0
    with pytest.raises(rd.FileError, match="not a replicadnn one"):
        rd.load(tmp_path / "f.h5")
