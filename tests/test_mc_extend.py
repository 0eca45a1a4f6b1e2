"""Runs that go on: times of measurement do not depend on the length, bits are those of one run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from replicadnn.cli.main import run as command

import replicadnn as rd
from replicadnn.errors import InputError
from replicadnn.montecarlo.runs.jobs import make_jobs
from replicadnn.montecarlo.runs.schedule import make_schedule
from replicadnn.montecarlo.runs.simulate import simulate
from replicadnn.montecarlo.runs.simulation import Simulation
from replicadnn.montecarlo.runs.study import run_study
from replicadnn.montecarlo.spec import make_spec
from replicadnn.storage.runs import load_checkpoint

pytestmark = pytest.mark.usefixtures("compiled")

CASES = {
    "planted": {"L": 3, "N": 6, "alpha": 4.0, "beta": 2.0, "replicas": 2},
    "random": {"L": 2, "N": 6, "alpha": 3.0, "beta": 2.0, "start": "random", "burn_in": 7},
    "weights": {"L": 3, "N": 6, "alpha": 4.0, "sampler": "weights", "beta": 2.0, "origins": 1},
}


def plan(sweeps: int, **arguments: object):
    return make_schedule(make_spec(2.0, 2, N=4, sweeps=sweeps, **arguments))  # type: ignore[arg-type]


@pytest.mark.parametrize("start", ["planted", "random"])
@pytest.mark.parametrize("origins", [1, 2, 4, 30])
@pytest.mark.parametrize(("short", "long"), [(1, 2), (63, 64), (300, 5000), (1024, 1025)])
def test_events_of_a_longer_run_begin_with_those_of_a_shorter_one(
    start: str, origins: int, short: int, long: int
) -> None:
    one, two = (plan(n, start=start, origins=origins, burn_in=5) for n in (short, long))
    assert [e for e in two.events if e.time <= short + 5] == list(one.events)
    assert one.places == two.places
    assert one.used(short) == two.used(short)


@pytest.mark.parametrize(
    ("start", "origins", "done", "expected"),
    [
        ("planted", 4, 1000, [0, 64, 128, 256]),
        ("planted", 4, 1024, [0, 128, 256, 512]),
        ("planted", 1, 1024, [0]),
        ("planted", 4, 1, [0]),
        ("random", 4, 1024, [128, 256, 512]),  # an eighth of the run is the burn-in
        ("random", 4, 1023, [128, 256]),
        ("random", 4, 1025, [256, 512]),
        ("random", 1, 1024, [512]),
        ("random", 4, 1, []),
        ("random", 4, 2, [1]),
    ],
)
def test_origins_of_a_run(start: str, origins: int, done: int, expected: list[int]) -> None:
    used = plan(5000, start=start, origins=origins).used(done)
    assert [o.time for o in used] == expected
    assert len({o.place for o in used}) == len(used)


@pytest.mark.parametrize(("start", "places"), [("planted", 5), ("random", 4)])
def test_places_are_enough_and_no_more_for_ten_million_sweeps(start: str, places: int) -> None:
    """An origin keeps its place as long as a run that ends then may use it."""
    schedule = plan(10**7, start=start, origins=4)
    assert schedule.places == places
    assert len(schedule.events) < 2000
    for done in (1, 2, 3, 100, 1024, 1025, 10**6, 2**23, 2**23 - 1, 10**7):
        holds: dict[int, int] = {}
        for event in schedule.events:
            if event.time <= done and event.origin is not None:
                holds[event.origin] = event.time
        for origin in schedule.used(done):
            assert holds[origin.place] == origin.time


def test_the_trajectory_is_that_of_the_first_version() -> None:
    """Couplings and neurons after 300 sweeps, whatever is measured on the way."""
    soft = {"L": 2, "N": 5, "alpha": 3.0, "start": "random", "potential": "soft"}
    weights = {"L": 3, "N": 6, "alpha": 4.0, "sampler": "weights", "beta": 2.0}
    for arguments, expected in (
        (CASES["planted"], "c2994326af50a8cc"),
        (weights, "8b51235542768a03"),
        (soft, "22d7e288e16d2220"),
    ):
        sim = Simulation(make_spec(**arguments, sweeps=300, samples=2, seed=4))  # type: ignore[arg-type]
        sim.run(300)
        digest = hashlib.sha256()
        for name in ("chain/J", "chain/S"):
            digest.update(np.ascontiguousarray(sim.arrays()[name]).tobytes())
        assert digest.hexdigest()[:16] == expected


def same(one: Simulation, other: Simulation) -> None:
    for name, array in one.arrays().items():
        np.testing.assert_array_equal(array, other.arrays()[name], err_msg=name)
    a, b = one.result(), other.result()
    assert (a.message, a.equilibrium, a.spec) == (b.message, b.equilibrium, b.spec)
    for name in a.values:
        np.testing.assert_array_equal(a.values[name], b.values[name], err_msg=name)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("asked", "made"), [(100, 100), (300, 120), (1000, 130), (1, 1)])
def test_a_run_that_goes_on_is_one_run(case: str, asked: int, made: int) -> None:
    """Finished, or stopped and then asked for more or fewer sweeps: the bits of 400 at once."""
    spec = make_spec(**CASES[case], sweeps=400, samples=2, seed=9)  # type: ignore[arg-type]
    through = Simulation(spec)
    through.run(through.total)
    first = Simulation(make_spec(**CASES[case], sweeps=asked, samples=2, seed=9))  # type: ignore[arg-type]
    first.run(made + spec.burn_in)
    second = Simulation(spec, first.arrays())
    assert second.done == made + spec.burn_in
    second.run(second.total)
    same(through, second)


def test_a_stopped_run_says_what_a_finished_one_of_its_length_says() -> None:
    arguments = CASES["planted"] | {"samples": 3, "seed": 2}
    long = Simulation(make_spec(**arguments, sweeps=3000))  # type: ignore[arg-type]
    long.run(200)
    short = simulate(**arguments, sweeps=200)  # type: ignore[arg-type]
    found = long.result()
    for name in ("tau_S", "R", "R_bound", "last_octave.R", "samples.energy", "origins_C_J"):
        part = short.values[name]
        whole = found.values[name]
        np.testing.assert_array_equal(whole[..., : part.shape[-1]], part, err_msg=name)


def test_a_simulation_continues_and_refuses_fewer_sweeps_than_are_made() -> None:
    arguments = CASES["weights"] | {"samples": 1, "seed": 3}
    sim = Simulation(make_spec(**arguments, sweeps=60))  # type: ignore[arg-type]
    sim.run(60)
    longer = Simulation(make_spec(**arguments, sweeps=90), sim.arrays())  # type: ignore[arg-type]
    longer.run(90)
    np.testing.assert_array_equal(
        longer.result().C_J,
        simulate(**arguments, sweeps=90).C_J,  # type: ignore[arg-type]
    )
    with pytest.raises(InputError, match="sweeps = 59: at least 60, which are made"):
        Simulation(make_spec(**arguments, sweeps=59), sim.arrays())  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_finished_file_of_several_widths_goes_on(tmp_path: Path) -> None:
    """Also where it is cut off between the widths; the others keep their states meanwhile."""

    def jobs(sweeps: int):
        return make_jobs(3.0, 2, N=[4, 5], beta=1.0, sweeps=sweeps, samples=2, start="both")

    through, cut = tmp_path / "through.h5", tmp_path / "cut.h5"
    run_study(jobs(500), output=through)
    run_study(jobs(100), output=cut)
    calls = []
    stopped = run_study(
        jobs(500), output=cut, resume=True, stop=lambda: len(calls) > 1,
        progress=lambda job, done, total: calls.append(job),
    )  # fmt: skip
    assert not stopped.finished
    assert len(stopped) == 4
    assert not rd.load(cut).finished
    assert run_study(jobs(500), output=cut, resume=True).finished
    for one, other in zip(load_checkpoint(through)[1], load_checkpoint(cut)[1], strict=True):
        assert one is not None
        assert other is not None
        for name, values in one.items():
            np.testing.assert_array_equal(values, other[name], err_msg=name)
    for a, b in zip(rd.load(through), rd.load(cut), strict=True):
        assert (a.equilibrium, a.message, a.spec) == (b.equilibrium, b.message, b.spec)
        for name in a.values:
            np.testing.assert_array_equal(a.values[name], b.values[name], err_msg=name)


def test_the_command_line_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "a.h5")
    words = ["mc-simulate", "--L", "2", "--N", "5", "--alpha", "3", "--beta", "1", "--samples", "2"]
    assert command([*words, "--sweeps", "50", "--output", path]) == 0
    capsys.readouterr()
    assert command([*words, "--sweeps", "200", "--output", path, "--resume", "--json"]) == 0
    longer = json.loads(capsys.readouterr().out)
    assert command([*words, "--sweeps", "200", "--json"]) == 0
    once = json.loads(capsys.readouterr().out)
    for document in (longer, once):
        del document["timings"]
    assert longer == once
    assert command([*words, "--sweeps", "199", "--output", path, "--resume"]) == 2
    err = capsys.readouterr().err
    assert err == "Error: sweeps = 199: at least 200, which are made, to resume a.h5\n"


def test_a_ladder_cannot_be_made_longer(tmp_path: Path) -> None:
    """Its blocks, and the state in its middle, are parts of its length."""
    path = tmp_path / "a.h5"
    ladder = {"tempering": [1.0, 2.0], "samples": 1, "step": 0.5}
    run_study(make_jobs(3.0, 2, N=[4], sweeps=40, **ladder), output=path)
    with pytest.raises(InputError, match=r"sweeps = 80: must be 40 to resume a\.h5: only a run at"):
        run_study(make_jobs(3.0, 2, N=[4], sweeps=80, **ladder), output=path, resume=True)
