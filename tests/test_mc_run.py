"""The front end: what it accepts, independence of threads and blocks, resume."""

from __future__ import annotations

import inspect
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from replicadnn.errors import InputError
from replicadnn.montecarlo import network
from replicadnn.montecarlo.chains import start
from replicadnn.montecarlo.runs import drive
from replicadnn.montecarlo.runs.result import RunStatus
from replicadnn.montecarlo.runs.schedule import make_schedule
from replicadnn.montecarlo.runs.simulate import simulate
from replicadnn.montecarlo.runs.simulation import Simulation
from replicadnn.montecarlo.runs.statement import has_collapsed
from replicadnn.montecarlo.spec import Parameters, make_spec

CASES = {
    "gap": {"L": 3, "N": 6, "alpha": 4.0, "beta": 2.0, "replicas": 2},
    "hard": {"L": 1, "N": 8, "alpha": 2.0, "beta": math.inf},
    "random": {"L": 2, "N": 6, "alpha": 3.0, "scenario": "random", "beta": 1.0, "kappa": 0.1},
    "soft": {"L": 2, "N": 5, "alpha": 3.0, "start": "random", "potential": "soft"},
    "weights": {"L": 3, "N": 6, "alpha": 4.0, "sampler": "weights", "beta": 2.0},
    "greedy": {
        "L": 2, "N": 6, "alpha": 2.0, "sampler": "weights", "beta": math.inf, "start": "random",
    },
}  # fmt: skip


def equal(a, b):
    """Every array of two results, bit by bit; timings apart."""
    for name in a.__dataclass_fields__:
        if name not in ("values", "timings"):
            assert getattr(a, name) == getattr(b, name), name
    assert a.values.keys() == b.values.keys()
    for name in a.values:
        np.testing.assert_array_equal(a.values[name], b.values[name], err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_threads_and_blocks_leave_no_trace(case):
    arguments = CASES[case] | {"sweeps": 300, "samples": 3, "seed": 4}
    one = simulate(**arguments)
    three = simulate(**arguments, threads=3)
    equal(one, three)
    sim = Simulation(make_spec(**arguments))
    for until in (1, 2, 50, 51, 200, 300):
        sim.run(until)
    equal(one, sim.result())
    assert one.status is RunStatus.COMPLETE


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("cut", [1, 128, 299])
def test_resume_is_bit_identical(case, cut):
    spec = make_spec(**CASES[case], sweeps=300, samples=2, seed=9)
    through = Simulation(spec)
    through.run(through.total)
    first = Simulation(spec)
    first.run(cut)
    assert not first.finished
    assert first.result().status is RunStatus.STOPPED
    saved = {name: array.copy() for name, array in first.arrays().items()}
    first.run(first.total)  # must not reach into what was saved
    second = Simulation(spec, saved)
    assert second.done == cut
    second.run(second.total)
    equal(through.result(), second.result())
    for name, array in through.arrays().items():
        np.testing.assert_array_equal(array, second.arrays()[name], err_msg=name)


def test_sweeps_done_are_those_of_the_slowest_sample():
    sim = Simulation(make_spec(**CASES["gap"], sweeps=30, samples=2, step=0.3))
    sim.samples[0].run(30)
    assert (sim.done, sim.finished) == (0, False)
    sim.run(29)
    assert (sim.done, sim.finished) == (29, False)
    sim.run(30)
    assert (sim.done, sim.finished) == (30, True)
    sim.samples[1].event -= 1  # the last measurement is still to be made
    assert (sim.done, sim.finished) == (30, False)


def test_resume_takes_everything_from_the_state():
    """Nothing but the Spec decides: data drawn anew by a changed generator would not matter."""
    spec = make_spec(**CASES["weights"], sweeps=60, samples=1, seed=1)
    through = Simulation(spec)
    through.run(60)
    first = Simulation(spec)
    first.run(30)
    second = Simulation(replace(spec, seed=2), first.arrays())
    second.run(60)
    np.testing.assert_array_equal(through.samples[0].series["R"], second.samples[0].series["R"])
    for name, array in through.arrays().items():
        np.testing.assert_array_equal(array, second.arrays()[name], err_msg=name)


@pytest.mark.parametrize("change", [{"N": 5}, {"origins": 3}, {"samples": 2}, {"sampler": "gap"}])
def test_state_of_other_parameters_is_refused(change):
    arguments = CASES["weights"] | {"sweeps": 60, "samples": 1}
    state = Simulation(make_spec(**arguments)).arrays()
    with pytest.raises(InputError, match="state = "):
        Simulation(make_spec(**(arguments | change)), state)
    del state["schedule"]
    with pytest.raises(InputError, match="state = 'of an earlier version'"):
        Simulation(make_spec(**arguments), state)


def test_state_is_plain_numbers():
    """Arrays of numbers only, with fixed shapes: nothing that would need a pickle."""
    sim = Simulation(make_spec(**CASES["gap"], sweeps=50, samples=2))
    before = {k: (v.shape, v.dtype) for k, v in sim.arrays().items()}
    sim.run(50)
    assert {k: (v.shape, v.dtype) for k, v in sim.arrays().items()} == before
    assert all(dtype.kind in "iuf" for _, dtype in before.values())


def test_samples_do_not_depend_on_their_number():
    few = simulate(**CASES["gap"], sweeps=60, samples=2, seed=3)
    many = simulate(**CASES["gap"], sweeps=60, samples=4, seed=3)
    np.testing.assert_array_equal(many.samples_C_S[:2], few.samples_C_S)
    assert np.abs(many.samples_C_S[0] - many.samples_C_S[1]).max() > 0.01


def test_curves_start_at_one_and_time_origins_are_averaged():
    run = simulate(**CASES["gap"], sweeps=200, samples=3, origins=4)
    np.testing.assert_allclose(run.C_J[:, 0], 1.0, rtol=1e-5)
    np.testing.assert_array_equal(run.C_S[:, 0], 1.0)
    assert run.origins_C_S.shape[0] == 4
    assert np.isnan(run.origins_C_S[3, :, -1]).all()
    assert not np.isnan(run.origins_C_S[0]).any()


def test_curve_is_what_it_says():
    """C(l, t) from the states at two moments of a run, by hand."""
    spec = make_spec(**CASES["gap"], sweeps=40, samples=1, origins=1)
    sim = Simulation(spec)
    sim.run(0)
    first = sim.samples[0].chains[0].network()
    t = int(sim.schedule.lags[-3])
    sim.run(t)
    now = sim.samples[0].chains[0].network()
    sim.run(40)
    C_J, C_S = (sim.samples[0].curves[letter][0, 0] for letter in "JS")
    k = len(sim.schedule.lags) - 3
    np.testing.assert_allclose(C_J[:, k], (first.J * now.J).mean(axis=(1, 2)), rtol=1e-5)
    expected = (first.S[1:-1] * now.S[1:-1]).mean(axis=(1, 2))
    np.testing.assert_allclose(C_S[:, k], expected, rtol=1e-12)


def test_tau_beyond_the_run_is_null_with_a_bound():
    run = simulate(20.0, 3, N=8, beta=5.0, sweeps=5, samples=3)
    document = json.loads(json.dumps(run.to_json(), allow_nan=False))
    assert document["tau_J"] == [None] * 3
    assert document["tau_J_bound"] == [5.0] * 3
    assert "lower bounds" in document["message"]


def test_json_has_the_agreed_keys():
    run = simulate(**CASES["gap"], sweeps=20, samples=2)
    keys = (
        "params times C_J C_J_err C_S C_S_err tau_J tau_J_err tau_S tau_S_err energy acceptance R"
    )
    assert set(keys.split()) <= set(run.to_json())
    assert run.to_json()["params"]["alpha"] == 4.0


def test_pattern_number_is_rounded_and_reported():
    run = simulate(1.5, 2, N=7, sweeps=2, samples=1, beta=1.0)
    assert run.params["M"] == 10
    assert run.params["alpha"] == 10 / 7


def test_schedule_covers_every_lag_of_the_first_origin():
    spec = make_spec(2.0, 2, N=4, sweeps=1000, burn_in=50, origins=3)
    schedule = make_schedule(spec)
    times = [event.time for event in schedule.events]
    assert times == sorted(set(times))
    assert 1050 - 16 <= times[-1] <= 1050
    seen = [(e.time - 50, place, k) for e in schedule.events for place, k in e.lags]
    for origin in schedule.used(1000):
        expected = {(origin.time + t, origin.place, k) for k, t in enumerate(schedule.lags)
                    if origin.time + t <= 1000}  # fmt: skip
        assert expected <= set(seen)


def test_stop_and_time_limit_end_cleanly():
    calls = []
    run = simulate(4.0, 2, N=10, sweeps=10**7, samples=1, stop=lambda: len(calls) > 1,
                   progress=lambda done, total: calls.append(done))  # fmt: skip
    assert run.status is RunStatus.STOPPED
    assert 0 < run.params["sweeps_done"] == calls[-1] < 10**7
    run = simulate(4.0, 2, N=10, sweeps=10**7, samples=1, time_limit=0.0)
    assert run.status is RunStatus.STOPPED
    assert not np.isnan(run.C_S[:, 0]).any()


class Clockwork:
    """A run of 10 000 sweeps of ``seconds`` each, on a clock of its own."""

    def __init__(self, seconds):
        self.seconds, self.now, self.done, self.total, self.blocks = seconds, 0.0, 0, 10_000, []

    @property
    def finished(self):
        return self.done >= self.total

    def run(self, until, pool=None):
        self.blocks.append(until - self.done)
        self.now += (until - self.done) * self.seconds
        self.done = until

    def perf_counter(self):
        return self.now


def test_blocks_are_half_a_second(monkeypatch):
    """From one sweep on, four times as many at most: a stop is noticed within half a second."""
    slow = Clockwork(2.0**-7)
    monkeypatch.setattr(drive, "time", slow)
    drive.drive(slow, 1)
    assert slow.blocks[:6] == [1, 4, 16, 64, 64, 64]
    assert slow.done == 10_000
    limited = Clockwork(2.0**-7)
    monkeypatch.setattr(drive, "time", limited)
    drive.drive(limited, 1, time_limit=2.0)
    assert limited.done == 277  # 1 + 4 + 16 + 4 * 64: the first block that ends past two seconds


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"N": 1}, "N = 1"),
        ({"L": 0}, "L = 0"),
        ({"alpha": 0.0}, "alpha = 0.0"),
        ({"alpha": math.nan}, "alpha = nan"),
        ({"alpha": 1e-4}, "alpha = 0.0001"),
        ({"beta": 0.0}, "beta = 0.0"),
        ({"beta": -1.0}, "beta = -1.0"),
        ({"beta": math.inf}, "beta = inf"),
        ({"sweeps": 0}, "sweeps = 0"),
        ({"samples": 0}, "samples = 0"),
        ({"threads": 0}, "threads = 0"),
        ({"scenario": "Random"}, "scenario = 'Random'"),
        ({"sampler": "hmc"}, "sampler = 'hmc'"),
        ({"start": "warm"}, "start = 'warm'"),
        ({"scenario": "random", "start": "planted"}, "start = 'planted'"),
        ({"kappa": 0.5}, "kappa = 0.5"),
        ({"sampler": "weights", "kappa": 0.5}, "kappa = 0.5"),
        ({"step": 0.0}, "step = 0.0"),
        ({"potential": "hard"}, "potential = 'hard'"),
        ({"potential": "soft"}, "potential = 'soft'"),
        ({"potential": "soft", "start": "random", "beta": math.inf}, "beta = inf"),
        ({"potential": "soft", "start": "random", "sampler": "weights"}, "potential = 'soft'"),
        ({"time_limit": -1.0}, "time_limit = -1.0"),
        ({"test_patterns": -1}, "test_patterns = -1"),
    ],
)
def test_bad_input_is_named(arguments, named):
    with pytest.raises(InputError) as found:
        simulate(**({"L": 3, "N": 5, "alpha": 2.0} | arguments))
    assert str(found.value).startswith(named)
    assert "\n" not in str(found.value)


def test_stopped_run_averages_what_it_has():
    """A tenth of a run: records so far are averaged, later curve points stay unknown."""
    sim = Simulation(make_spec(**CASES["gap"], sweeps=1000, samples=2))
    sim.run(100)
    run = sim.result()
    assert run.status is RunStatus.STOPPED
    made = sim.samples[0].series["energy"]
    # every sweep up to 64, then every second one, 100 included; the last octave is 52, 54, ..., 100
    assert np.count_nonzero(~np.isnan(made[:, 0])) == 64 + 19
    last = [*range(52, 64, 2), *range(64, 83)]
    expected = np.mean([s.series["energy"][last].mean(axis=0) for s in sim.samples], axis=0)
    np.testing.assert_allclose(run.last_octave["energy"], expected)
    assert np.isnan(run.C_S[:, -1]).all()
    json.dumps(run.to_json(), allow_nan=False)


def test_stuck_quench_is_not_called_equilibrium():
    """Hard constraint from a random start at large alpha: violated gaps remain, and it says so."""
    stuck = simulate(4.0, 1, N=20, beta=math.inf, sweeps=30, samples=2, start="random")
    assert stuck.last_octave["energy"][0] > 0
    assert stuck.equilibrium.startswith("refuted: 2 of 2")
    planted = simulate(4.0, 1, N=20, beta=math.inf, sweeps=30, samples=2)
    assert planted.equilibrium.startswith("not shown: the state is an exact equilibrium sample")
    assert planted.energy[0] == 0.0
    assert simulate(2.0, 2, N=5, sweeps=9, samples=2, start="random").equilibrium.startswith("not")


def test_planted_overlap_is_the_first_curve():
    """From a planted start R(l) at time t is C_J(l, t) from origin 0."""
    spec = make_spec(4.0, 2, N=6, beta=2.0, sweeps=63, samples=1, origins=1)
    sim = Simulation(spec)
    sim.run(63)
    sample = sim.samples[0]
    np.testing.assert_allclose(sample.series["R"][-1], sample.curves["J"][0, 0, :, -1], rtol=1e-6)
    np.testing.assert_allclose(sample.series["r"][-1], sample.curves["S"][0, 0, :, -1], rtol=1e-12)


def test_test_error_follows_from_the_overlap():
    """L = 1: eps_g is the mean of acos(R)/pi over the perceptrons (N large)."""
    sim = Simulation(make_spec(2.0, 1, N=100, sweeps=200, samples=2, seed=1, test_patterns=5_000))
    sim.run(200)
    for sample in sim.samples:
        R = (sample.teacher.J * sample.chains[0].network().J).mean(axis=2, dtype=float)
        expected = (np.arccos(R) / np.pi).mean()
        assert 0.05 < expected < 0.3
        error = sample.series["test_error"]
        assert error[0, 0] == 0.0  # the planted start is the teacher
        # three standard errors, and a correction of order 1/N because inputs are +-1
        sigma = np.sqrt(expected * (1.0 - expected) / (100 * 5_000))
        assert abs(error[-1, 0] - expected) < 3.0 * sigma + 0.05 / 100


def test_measuring_the_test_error_leaves_the_chains_alone():
    measured, off = (simulate(**CASES["gap"], sweeps=60, test_patterns=n) for n in (50, 0))
    np.testing.assert_array_equal(off.C_J, measured.C_J)
    assert off.to_json()["test_error"] == [None] * 3
    assert off.to_json()["test_error_err"] == [None] * 3
    assert np.all(measured.last_octave["test_error"] > 0.0)


def test_test_error_of_deep_networks():
    """Representations drift apart with depth; random labels have no teacher to compare with."""
    run = simulate(8.0, 3, N=10, beta=3.0, sweeps=300, samples=4, seed=1)
    assert run.test_error.shape == run.test_error_err.shape == (3,)
    error = run.last_octave["test_error"]
    assert np.all((error > 0.01) & (error < 0.5))
    assert error[2] > error[0]
    glass = simulate(3.0, 2, N=6, scenario="random", sweeps=20, samples=2)
    assert np.isnan(glass.test_error).all()
    stranger = simulate(0.2, 2, N=10, beta=1.0, start="random", sweeps=20, samples=6)
    assert stranger.last_octave["test_error"][-1] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("start", "low", "high"), [("random", 0.0, 0.0), ("planted", 0.3, 0.7)])
def test_labels_of_an_unrelated_student_are_matched_first(start, low, high):
    """The teacher with new labels is a perfect student; from the planted start labels count."""
    spec = make_spec(8.0, 3, N=6, beta=2.0, samples=1, start=start, test_patterns=400, step=0.1)
    sample = Simulation(spec).samples[0]
    rng = np.random.default_rng(13)
    signs = np.array([-1, 1, -1, 1, -1, -1], np.int8)
    student = network.permute(sample.teacher, 1, rng.permutation(6), signs)
    sample.record(0, [student])
    error = sample.series["test_error"][0]
    assert low <= error[0] <= high
    np.testing.assert_array_equal(error[1:], 0.0)


@pytest.mark.parametrize(
    "arguments",
    [
        {"L": 1, "N": 20, "alpha": 8.0, "beta": 2.0},
        {"L": 3, "N": 10, "alpha": 6.0},
        {"L": 3, "N": 10, "alpha": 6.0, "scenario": "random", "beta": 3.0},
    ],
)
def test_pilot_run_aims_at_an_acceptance_of_fifteen_hundredths(arguments):
    run = simulate(**arguments, sweeps=200, samples=2, seed=1)
    assert run.acceptance["J"].mean() == pytest.approx(0.15, abs=0.03)
    assert run.params["step"] < 1.0


def test_steps_of_the_pilot_run_end_at_one():
    """Few patterns at a high temperature: larger rotations would still be accepted too often."""
    run = simulate(2.0, 1, N=20, beta=2.0, sweeps=20, samples=1)
    assert run.params["step"] == 1.0
    assert run.acceptance["J"].mean() > 0.2


def test_parameters_are_declared_once_more_for_the_type_checker_only():
    """The typed keywords of `simulate` are those that `make_spec` takes."""
    taken = inspect.signature(make_spec).parameters.values()
    keywords = {p.name for p in taken if p.kind is p.KEYWORD_ONLY} - {"N", "connectivity", "start"}
    assert keywords == set(Parameters.__annotations__)


@pytest.mark.parametrize(
    ("M", "correlation", "collapsed"),
    [(16, 0.91, True), (16, 0.89, False), (15, 0.91, False), (100, 0.91, True)],
)
def test_collapse_is_a_correlation_above_nine_tenths(M, correlation, collapsed):
    """With 16 patterns or more; one layer of one sample is enough."""
    spec = make_spec(M / 10, 3, N=10, beta=1.0)
    assert has_collapsed(spec, np.array([[0.1, 0.2], [correlation, 0.2]])) is collapsed


def test_a_handful_of_patterns_is_no_collapse():
    """With one pattern every pair of neurons is correlated: that says nothing."""
    run = simulate(0.25, 2, N=4, beta=1.0, sweeps=20, samples=2)
    assert run.params["M"] == 1
    assert run.spin_correlation[0] == 1.0
    assert not run.collapsed


def test_what_cannot_fit_is_refused_before_it_is_tried():
    with pytest.raises(InputError, match=r"N = 100000: smaller: .* GB, this machine has .* GB"):
        simulate(1.0, 100_000, N=100_000, beta=1.0)


def test_memory_that_is_needed(monkeypatch):
    """3 samples of 2 replicas: 200 couplings of 8 + 4 * 5 bytes and 600 neurons of 9 + 5."""
    arguments = {"L": 2, "N": 10, "alpha": 2.0, "samples": 3, "replicas": 2, "origins": 4}
    for there, fits in ((84_000, True), (83_999, False)):
        pages = {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": there}
        monkeypatch.setattr("replicadnn.montecarlo.spec.os.sysconf", pages.__getitem__)
        if fits:
            make_spec(**arguments)
        else:
            with pytest.raises(InputError, match=r"need about 8.4e-05 GB"):
                make_spec(**arguments)


def test_outputs_of_the_weights_ensemble_err_with_the_probability_of_their_beta():
    """p = 1/(1 + e^beta): a tenth at beta = ln 9, none at inf; neurons below are exact."""
    for beta, wrong in ((math.log(9.0), 0.1), (math.inf, 0.0)):
        net = network.plant_outputs(2, 20, 1000, beta, np.random.default_rng(1))
        exact = network.propagate(net.J, net.S[0])
        np.testing.assert_array_equal(net.S[1], exact[1])
        assert np.mean(net.S[2] != exact[2]) == pytest.approx(wrong, abs=0.01)


def test_sign_of_zero_is_plus_one():
    S = network.propagate(np.array([[[1.0, -1.0], [-1.0, -1.0]]]), np.ones((2, 1), np.int8))
    assert S[1, :, 0].tolist() == [1, -1]


@pytest.mark.parametrize(("potential", "exact"), [("soft", True), ("count", False)])
def test_a_teacher_for_the_soft_potential_makes_no_errors(potential, exact):
    spec = make_spec(5.0, 2, N=20, beta=1.0, start="random", potential=potential)
    teacher, _ = start.starting_state(spec, np.random.SeedSequence(1))
    assert np.array_equal(network.propagate(teacher.J, teacher.S[0]), teacher.S) is exact


@pytest.mark.parametrize(
    ("potential", "kappa", "planted"),
    [("count", 0.0, True), ("soft", 0.0, False), ("count", 0.2, False)],
)
def test_pilot_run_starts_where_the_run_is_in_equilibrium(
    potential: str, kappa: float, planted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the teacher where that is an exact sample, else at the start of the run."""
    from replicadnn.montecarlo.chains import start as starts

    spec = make_spec(2.0, 2, N=4, beta=2.0, potential=potential, kappa=kappa, start="random")
    began = []
    known = starts.starting_state(spec, np.random.SeedSequence(3).spawn(2)[0])

    def start_chain(spec: object, net: object, seed: object, step: float) -> object:
        began.append(net)
        raise InterruptedError

    monkeypatch.setattr(starts, "start_chain", start_chain)
    with pytest.raises(InterruptedError):
        starts.pilot_step(spec, np.random.SeedSequence(3))
    np.testing.assert_array_equal(began[0].J, known[0 if planted else 1].J)
    assert not np.array_equal(known[0].J, known[1].J)
