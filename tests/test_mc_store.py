"""Files of kind "mc": round trip, schema, and every kind of damage gives one FileError."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import replicadnn as rd
from replicadnn.montecarlo.runs.jobs import make_jobs
from replicadnn.montecarlo.runs.result import MonteCarloResult
from replicadnn.montecarlo.runs.study import run_study
from replicadnn.montecarlo.spec import Exchange
from replicadnn.storage import hdf5 as store
from replicadnn.storage.checkpoints import Pace
from replicadnn.storage.runs import Runs, load_checkpoint, save_runs

pytestmark = pytest.mark.usefixtures("compiled")


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two widths, complete, with states."""
    path = tmp_path_factory.mktemp("mc") / "a.h5"
    jobs = make_jobs(3.0, 2, N=[4, 5], beta=1.0, sweeps=40, samples=2, replicas=2)
    run_study(jobs, output=path)
    return path


def same(one: MonteCarloResult, other: MonteCarloResult) -> None:
    for entry in fields(MonteCarloResult):
        a, b = getattr(one, entry.name), getattr(other, entry.name)
        if entry.name != "values":
            assert a == b, entry.name
            assert type(a) is type(b)
    assert one.values.keys() == other.values.keys()
    for name, a in one.values.items():
        np.testing.assert_array_equal(a, other.values[name], err_msg=name)
        assert a.dtype == other.values[name].dtype


@pytest.mark.parametrize(
    "arguments",
    [
        {"L": 3, "N": 5, "alpha": 3.0, "replicas": 2},
        {"L": 1, "N": 5, "alpha": 3.0},
        {"L": 2, "N": 4, "alpha": 2.0, "scenario": "random", "kappa": 0.2, "samples": 1},
        {"L": 2, "N": 4, "alpha": 2.0, "sampler": "weights", "seed": 2**63, "step": 0.3},
    ],
)
def test_round_trip(arguments: dict[str, object], tmp_path: Path) -> None:
    run = rd.simulate(**({"sweeps": 30, "samples": 3} | arguments))  # type: ignore[arg-type]
    path = run.save(tmp_path / "a.h5")
    same(run, MonteCarloResult.load(path))
    loaded = rd.load(path)
    assert loaded.finished
    same(run, loaded[0])
    assert loaded.provenance["numpy"] == np.__version__
    documents = [json.dumps(r.to_json(), sort_keys=True) for r in (run, loaded[0])]
    assert documents[0] == documents[1]
    with pytest.raises(rd.FileError, match="exists already"):
        run.save(path)
    loaded.save(tmp_path / "b.h5")
    same(run, MonteCarloResult.load(tmp_path / "b.h5"))


def test_reference_file_of_schema_1(data: Path) -> None:
    """Later versions still read what this one wrote."""
    runs = rd.load(data / "mc_v1.h5")
    assert runs.finished
    assert runs[0].params["M"] == 12
    assert runs[0].params["sweeps_done"] == 4
    np.testing.assert_allclose(runs[0].C_S[:, 0], 1.0)
    assert np.all((runs[0].test_error > 0.0) & (runs[0].test_error < 1.0))


def test_files_made_before_the_verdicts_are_not_judged(data: Path, tmp_path: Path) -> None:
    """Their averages stay under their names, with neither verdict nor bound."""
    (run,) = rd.load(data / "mc_v1.h5")
    assert np.isfinite(run.R).all()
    for name in ("R_bound", "test_error_bound", "R_gauge"):
        assert np.isnan(run.values[name]).all()
    assert run.to_json()["relaxed"]["R"] == [None, None]
    assert np.isnan(run.last_octave["R"]).all()
    words = "not judged: made before observables had verdicts; it said then: shown"
    assert run.equilibrium.startswith(words)
    (again,) = rd.load(run.save(tmp_path / "a.h5"))
    assert again.equilibrium == run.equilibrium
    same(run, again)  # type: ignore[arg-type]


def test_states_made_before_the_verdicts_are_refused(reference: Path, tmp_path: Path) -> None:
    """They were measured at other times."""
    path = tmp_path / "a.h5"
    path.write_bytes(reference.read_bytes())
    with h5py.File(path, "r+") as file:
        group = file["state/0000"]
        del group["schedule"]
        group.attrs["sha256"] = store.digest(group)
    jobs = make_jobs(3.0, 2, N=[4, 5], beta=1.0, sweeps=80, samples=2, replicas=2)
    with pytest.raises(rd.InputError, match="state = 'of an earlier version'"):
        run_study(jobs, output=path, resume=True)


def test_early_files_of_schema_1(data: Path) -> None:
    """Made before some quantities were measured: what they lack is nan."""
    runs = rd.load(data / "mc_v1_early.h5")
    assert runs[0].params["M"] == 12
    np.testing.assert_allclose(runs[0].C_S[:, 0], 1.0)
    assert np.isnan(runs[0].test_error).all()
    assert runs[0].test_error.shape == (2,)
    assert runs[0].params["test_patterns"] == 0
    ladder = rd.load(data / "tempering_v1_early.h5")[0]
    assert np.isfinite(ladder.swap_acceptance).all()
    assert np.isnan(ladder.Q_matched).all()
    assert ladder.exchange == Exchange((0.5, 1.0, 2.0), 4, 10)
    assert len(ladder.series_times) == 0
    assert ladder.to_json()["Q_matched"] == [None, None]


def test_incomplete_run_is_marked(tmp_path: Path) -> None:
    run = rd.simulate(3.0, 2, N=6, sweeps=10**7, samples=1, time_limit=0.0)
    loaded = rd.load(run.save(tmp_path / "a.h5"))
    assert not loaded.finished
    same(run, loaded[0])
    assert np.isnan(loaded[0].C_J[:, -1]).all()


def test_one_of_several_runs_is_refused(reference: Path) -> None:
    with pytest.raises(rd.FileError, match="exactly one"):
        MonteCarloResult.load(reference)
    assert [r.params["N"] for r in rd.load(reference)] == [4, 5]


def test_schema(reference: Path) -> None:
    with h5py.File(reference) as file:
        assert file.attrs["format"] == "replicadnn"
        assert file.attrs["kind"] == "mc"
        assert file.attrs["schema_version"] == 1
        assert bool(file.attrs["finished"])
        assert file.attrs["provenance_seed"] == "0"
        assert set(file) == {"params", "series", "state"}
        group = file["series/0001"]
        assert group["C_J"].shape == (2, len(group["times"]))
        assert group["C_S"].shape == (1, len(group["times"]))
        for dataset in group.values():
            assert {"long_name", "units"} <= set(dataset.attrs)
        assert group["C_S"].dims[1].keys() == ["times"]
        assert file["state/0001/chain.J"].shape[0] == 2


@pytest.mark.parametrize("L", [1, 2])
def test_xarray_opens_it(L: int, tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    path = rd.simulate(3.0, L, N=4, sweeps=20, samples=2).save(tmp_path / "a.h5")
    with xarray.open_dataset(path, group="series/0000", engine="h5netcdf") as data:
        assert data["C_J"].dims == ("coupling_layer", "times")
        assert list(data["coupling_layer"]) == list(range(1, L + 1))
        assert data["samples_C_S"].dims == ("sample", "hidden_layer", "times")


def test_state_continues_the_run(reference: Path) -> None:
    """The arrays of the file are those of the simulation, bit by bit."""
    runs, states, widths = load_checkpoint(reference)
    job = make_jobs(3.0, 2, N=[4], beta=1.0, sweeps=40, samples=2, replicas=2)[0]
    sim = job.begin(None)
    sim.run(40)
    assert ([run.spec.step for run in runs], widths) == ([None, None], [4, 5])
    assert states[0] is not None
    assert set(states[0]) == set(sim.arrays())
    for name, values in sim.arrays().items():
        np.testing.assert_array_equal(values, states[0][name], err_msg=name)
        assert values.dtype == states[0][name].dtype


def test_wrong_kind_is_named(reference: Path, data: Path) -> None:
    from replicadnn.storage.readers import load_runs, load_solutions

    with pytest.raises(rd.FileError, match="holds 'mc' results"):
        load_solutions(reference)
    with pytest.raises(rd.FileError, match="holds 'solve' results"):
        load_runs(data / "solve_v1.h5")


def right_or_refused(path: Path, original: Path) -> None:
    """Either the file is refused, or everything read is what was written."""
    try:
        loaded, states, _ = load_checkpoint(path)
    except rd.FileError:
        return
    first, good, _ = load_checkpoint(original)
    assert len(loaded) == len(first)
    for a, b in zip(loaded, first, strict=True):
        same(a, b)  # type: ignore[arg-type]
    for have, want in zip(states, good, strict=True):
        assert have is not None
        assert want is not None
        assert all(np.array_equal(have[n], want[n], equal_nan=True) for n in want)


@given(cut=st.floats(0.0, 0.9999))
def test_truncated_files(cut: float, reference: Path, tmp_path: Path) -> None:
    whole = reference.read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: int(cut * len(whole))])
    right_or_refused(tmp_path / "cut.h5", reference)


@given(where=st.floats(0.0, 0.9999), bit=st.integers(0, 7))
def test_flipped_bits(where: float, bit: int, reference: Path, tmp_path: Path) -> None:
    content = bytearray(reference.read_bytes())
    content[int(where * len(content))] ^= 1 << bit
    (tmp_path / "flip.h5").write_bytes(bytes(content))
    right_or_refused(tmp_path / "flip.h5", reference)


hostile = st.sampled_from(
    ["", "nan", -1, 10**12, math.nan, np.zeros(3), b"\xff\xfe", np.array(["a"], dtype="S1")]
)


@given(
    name=st.sampled_from(
        ["param_L", "param_N", "status", "mode", "sha256", "param_samples", "timing_seconds"]
    ),
    value=hostile,
)
def test_hostile_attributes(name: str, value: object, reference: Path, tmp_path: Path) -> None:
    path = tmp_path / "h.h5"
    path.write_bytes(reference.read_bytes())
    with h5py.File(path, "r+") as file:
        file["params/0001"].attrs[name] = value
    with pytest.raises(rd.FileError):
        rd.load(path)


@given(name=st.sampled_from(["finished", "widths", "kind"]), value=hostile)
def test_hostile_root(name: str, value: object, reference: Path, tmp_path: Path) -> None:
    path = tmp_path / "h.h5"
    path.write_bytes(reference.read_bytes())
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value
    with pytest.raises(rd.FileError):
        rd.load(path)


@pytest.mark.parametrize(
    "name", ["params/0000", "series/0001", "series/0000/C_J", "params", "series"]
)
def test_missing_parts(name: str, reference: Path, tmp_path: Path) -> None:
    path = tmp_path / "h.h5"
    path.write_bytes(reference.read_bytes())
    with h5py.File(path, "r+") as file:
        del file[name]
    with pytest.raises(rd.FileError, match="damaged"):
        rd.load(path)


def test_damaged_state_is_not_continued(reference: Path, tmp_path: Path) -> None:
    path = tmp_path / "h.h5"
    path.write_bytes(reference.read_bytes())
    with h5py.File(path, "r+") as file:
        file["state/0000/event"][0] += 1
    rd.load(path)  # the results are sound
    with pytest.raises(rd.FileError, match="checksum of a state"):
        load_checkpoint(path)


def test_failed_run_leaves_no_lock(tmp_path: Path) -> None:
    jobs = make_jobs(3.0, 2, N=[4], beta=1.0, sweeps=40, samples=1)

    def trouble(*_: int) -> None:
        raise RuntimeError("stop here")

    with pytest.raises(RuntimeError, match="stop here"):
        run_study(jobs, output=tmp_path / "a.h5", progress=trouble)
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]
    assert not rd.load(tmp_path / "a.h5").finished
    assert run_study(jobs, output=tmp_path / "a.h5", resume=True).finished


def test_time_axes_can_grow_and_the_counter_counts(tmp_path: Path) -> None:
    """/series: unlimited along times and series_times; counter = records made so far."""
    jobs = make_jobs(3.0, 2, N=[4], beta=1.0, sweeps=1000, samples=2)
    sim = jobs[0].begin(None)
    sim.run(500)
    path = tmp_path / "a.h5"
    result = sim.result()
    Runs((result,), finished=False).save(path)
    with h5py.File(path, "r+") as file:
        group = file["series/0000"]
        for name, axis in (("times", 0), ("C_J", 1), ("samples_C_S", 2), ("series.energy", 0)):
            assert group[name].maxshape[axis] is None
            assert group[name].maxshape[:axis] == group[name].shape[:axis]
        made = int(group["counter"][()])
        assert made == 32 + 32 * 3 + 31  # 0, ..., 31, three octaves, and 256, 264, ..., 496
        assert np.isfinite(group["series.energy"][:made]).all()
        assert np.isnan(group["series.energy"][made:]).all()
        group["C_J"].resize(group["C_J"].shape[1] + 5, axis=1)  # what another tool may do
        assert np.array_equal(group["C_J"][:, :-5], result.C_J, equal_nan=True)
    with h5py.File(result.save(tmp_path / "b.h5"), "r+") as file:
        group = file["series/0000"]
        group["counter"][()] = made + 1
        group.attrs["sha256"] = store.digest(group)
    with pytest.raises(rd.FileError, match="counter"):
        rd.load(tmp_path / "b.h5")


@pytest.mark.parametrize("ladder", [None, [1.0, 2.0]])
def test_a_checkpoint_does_not_grow_with_the_run(
    ladder: list[float] | None, tmp_path: Path
) -> None:
    """10^7 sweeps need no more than the logarithm, 32 records an octave; a ladder the same."""
    sizes = []
    for sweeps in (10**3, 10**7):
        jobs = make_jobs(4.0, 3, N=[6], tempering=ladder, sweeps=sweeps, samples=2, step=0.3)
        path = tmp_path / f"{sweeps}.h5"
        sim = jobs[0].begin(None)
        sim.run(1)
        save_runs(
            path, [sim.result()], states=[sim.arrays()], provenance={}, overwrite=False,
            finished=False,
        )  # fmt: skip
        sizes.append(path.stat().st_size)
    assert sizes[1] < (1.5 if ladder else 3.0) * sizes[0]


def test_checkpoints_take_a_small_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that costs 3 s is due again after 300 s, a quick one after ten."""
    clock = [100.0]
    monkeypatch.setattr("replicadnn.storage.checkpoints.time.monotonic", lambda: clock[0])
    pace = Pace(10.0, 0.01)
    for cost, wait in ((3.0, 300.0), (0.01, 10.0)):
        assert pace.due()
        with pace.timed():
            clock[0] += cost
        for later, due in ((0.99 * wait, False), (wait, True)):
            now, clock[0] = clock[0], clock[0] + later
            assert pace.due() is due
            clock[0] = now
        clock[0] += wait
