"""Replica exchange against enumeration; statements about equilibrium."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mc_exact import batch_error, enumerate_gap

from replicadnn.errors import InputError
from replicadnn.montecarlo.measure import equilibrium
from replicadnn.montecarlo.measure.equilibrium import Verdict
from replicadnn.montecarlo.runs import statement
from replicadnn.montecarlo.runs.simulate import simulate, two_sided
from replicadnn.montecarlo.runs.tempering import Tempering, geometric_ladder, temper
from replicadnn.montecarlo.spec import Exchange, make_spec


@pytest.mark.slow
def test_every_rung_against_enumeration():
    """Energies by layer on three rungs, 16 random data sets, each with its own exact value."""
    betas, rounds = (0.4, 1.0, 2.5), 1500
    spec = make_spec(1.0, 2, N=2, scenario="random", beta=betas[-1], samples=16, seed=20, step=0.8)
    job = Tempering(spec, Exchange(betas, rounds, 3))
    job.run(rounds)
    off = []
    for sample in job.samples:
        S = sample.teacher.S
        measured = np.average(
            sample.series("rungs")[5:], axis=0, weights=sample.counts["rungs"][5:]
        )
        measured = measured * 4
        exact = [enumerate_gap(S[0], S[2], 2, beta, 0.0)["energy"] for beta in betas]
        off.append(measured - np.array(exact))
    mean, error = batch_error(off)
    assert error.max() < 0.03
    np.testing.assert_array_less(np.abs(mean), 3.0 * error)
    result = job.result()
    assert np.all((result.swap_acceptance > 0.2) & (result.swap_acceptance < 1.0))
    assert result.round_trips.min() > 50


def test_round_trips_by_hand():
    """bottom, top, bottom is one trip; starting at the top and falling is none."""
    spec = make_spec(1.0, 2, N=2, samples=1, beta=2.0, step=0.5)
    ladder = Tempering(spec, Exchange((1.0, 2.0), 1, 1)).samples[0].ladders[0]
    for place in ([0, 1], [1, 0], [0, 1], [1, 0]):
        ladder.place[:] = place
        ladder._mark_ends()
    np.testing.assert_array_equal(ladder.trips, [1, 1])


def test_resume_is_bit_identical():
    spec = make_spec(4.0, 3, N=5, beta=2.0, samples=2, seed=3, replicas=2)
    through = Tempering(spec, Exchange((1.8, 1.9, 2.0), 40, 5))
    through.run(40)
    first = Tempering(spec, Exchange((1.8, 1.9, 2.0), 40, 5))
    first.run(17)
    saved = {name: array.copy() for name, array in first.arrays().items()}
    first.run(40)
    second = Tempering(spec, Exchange((1.8, 1.9, 2.0), 40, 5), saved)
    assert second.done == 17
    second.run(40)
    for name, array in through.arrays().items():
        np.testing.assert_array_equal(array, second.arrays()[name], err_msg=name)
        np.testing.assert_array_equal(array, first.arrays()[name], err_msg=name)
    assert through.samples[0].ladders[1].swaps.sum() > 0
    assert through.samples[0].counts["q_self"].sum() == 2 * 10  # two ladders, the last quarter


def test_rounds_done_are_those_of_the_slowest_sample():
    job = Tempering(
        make_spec(3.0, 2, N=4, beta=2.0, samples=2, step=0.3), Exchange((1.0, 2.0), 6, 1)
    )
    job.samples[0].run(6, 1)
    assert (job.done, job.finished) == (0, False)
    job.run(4)
    assert (job.done, job.finished) == (4, False)
    job.run(6)
    assert (job.done, job.finished) == (6, True)


def test_threads_leave_no_trace():
    arguments = {"betas": (0.5, 1.0, 2.0), "rounds": 20, "every": 3, "samples": 3, "seed": 1}
    one = temper(4.0, 2, N=5, **arguments)
    two = temper(4.0, 2, N=5, threads=2, **arguments)
    np.testing.assert_array_equal(one.energy, two.energy)
    np.testing.assert_array_equal(one.samples["R_matched"], two.samples["R_matched"])


def test_infinite_beta_on_top_against_enumeration():
    """L = 1: the hard constraint on the last rung, reached from random starts through swaps."""
    spec = make_spec(1.5, 1, N=2, beta=math.inf, samples=16, seed=8, step=0.8, start="random")
    job = Tempering(spec, Exchange((1.0, 4.0, math.inf), 600, 3))
    job.run(600)
    off, energy = [], []
    for sample in job.samples:
        S = sample.teacher.S
        exact = [enumerate_gap(S[0], S[1], 1, b, 0.0)["energy"] for b in (1.0, 4.0, math.inf)]
        rungs = np.average(sample.series("rungs")[5:], axis=0, weights=sample.counts["rungs"][5:])
        off.append(rungs * 6 - np.array(exact))
        energy.append(rungs[2])
    mean, error = batch_error(off)
    assert np.all(np.array(energy) == 0.0)
    assert error[:2].max() < 0.03
    np.testing.assert_array_less(np.abs(mean[:2]), 3.0 * error[:2])
    result = job.result()
    assert result.swap_acceptance.min() > 0.1
    assert result.to_json()["betas"] == [1.0, 4.0, "inf"]


def test_random_start_reaches_the_hard_constraint_where_a_quench_sticks():
    """L = 1, alpha = 2: direct quench refuted; with the ladder no violated gap at the top, and the
    overlap with the teacher is that of the planted start."""
    quench = simulate(2.0, 1, N=20, beta=math.inf, start="random", sweeps=500, samples=4)
    assert quench.equilibrium.startswith("refuted")
    assert "use replica exchange with inf as the last beta" in quench.equilibrium
    betas = (*geometric_ladder(2.0, 8.0, 4), math.inf)
    ladder = temper(2.0, 1, N=20, betas=betas, rounds=200, samples=4, start="random")
    assert np.all(ladder.energy[-1] == 0.0)
    planted = simulate(2.0, 1, N=20, sweeps=2000, samples=4)
    (one, two), (first, second) = (
        batch_error(planted.samples["R"]),
        batch_error(ladder.samples["R_matched"]),
    )
    sigma = np.hypot(two, second)
    assert sigma[0] < 0.03
    assert abs(first[0] - one[0]) < 3.0 * sigma[0]


@pytest.mark.parametrize("betas", [(1.0,), (2.0, 1.0), (0.0, 1.0), (math.inf, 1.0), (1.0, 1.0)])
def test_bad_ladder_is_named(betas):
    with pytest.raises(InputError, match="tempering"):
        temper(4.0, 2, N=5, betas=betas)


def test_two_sided_statement():
    """A quick system: the starts agree after a long run and not after a short one."""
    arguments = {"L": 2, "N": 10, "alpha": 3.0, "beta": 1.0, "samples": 24, "test_patterns": 0}
    verdicts = {sweeps: two_sided(**arguments, sweeps=sweeps, seed=1)[0] for sweeps in (4, 1024)}
    assert verdicts[4].verdict is Verdict.NOT_SHOWN
    assert (
        verdicts[4].message
        == "not shown: in both runs R_matched not relaxed; r_matched not relaxed"
    )
    assert verdicts[1024].verdict is Verdict.SHOWN
    assert verdicts[1024].p_value > 0.01
    assert np.abs(verdicts[1024].gap["R_matched"]).max() < 0.05


def test_glassy_system_is_not_declared_equilibrated():
    """L = 3, alpha = 20, beta = 5: the random start stays far from the planted one."""
    statement, planted, random = two_sided(20.0, 3, N=10, beta=5.0, samples=6, sweeps=300, seed=1)
    assert statement.verdict is Verdict.NOT_SHOWN
    assert planted.R_matched_bound[0] > random.R_matched_bound[0] + 0.1
    assert (planted.bound_sides["R_matched"], random.bound_sides["R_matched"]) == ("upper", "lower")


def test_large_errors_show_nothing():
    rng = np.random.default_rng(0)
    a = {"R_matched": rng.standard_normal((4, 2)), "energy": rng.standard_normal((4, 2))}
    b = {"R_matched": rng.standard_normal((4, 2)), "energy": rng.standard_normal((4, 2))}
    assert equilibrium.compare(a, b).verdict is Verdict.NOT_SHOWN
    assert equilibrium.compare(a, b, {"R_matched": np.full(2, 100.0)}).verdict is Verdict.SHOWN
    single = {name: values[:1] for name, values in a.items()}
    assert equilibrium.compare(single, single).verdict is Verdict.NOT_SHOWN


@pytest.mark.parametrize(
    ("gap", "error", "verdict"),
    [
        (0.02, 0.030, "shown"),  # 0.02 + 0.06 = 0.08
        (0.02, 0.045, "not shown"),  # 0.11
        (-0.02, 0.045, "not shown"),
        (0.09, 0.004, "refuted"),  # 0.098, but t = 22
        (0.00, 0.049, "shown"),
        (0.00, 0.051, "not shown"),
    ],
)
def test_shown_is_the_gap_and_two_standard_errors_within_a_tenth(gap, error, verdict):
    """Four samples with this mean difference and this standard error; the way is 1."""
    pattern = np.array([[-1.0], [1.0], [-1.0], [1.0]]) * np.sqrt(3.0)  # standard error 1
    above = {"R_matched": 0.5 + gap + error * pattern}
    below = {"R_matched": np.full((4, 1), 0.5)}
    found = equilibrium.compare(above, below)
    assert found.gap["R_matched"] == pytest.approx([gap], abs=1e-15)
    assert found.gap_err["R_matched"] == pytest.approx([error], rel=1e-12)
    assert found.verdict == verdict


@pytest.mark.parametrize(("p_value", "verdict"), [(0.0099, "refuted"), (0.0101, "shown")])
def test_refuted_below_one_per_cent_of_all_comparisons(p_value, verdict):
    """Three samples, t = x/s: p = 1 - t/sqrt(t^2 + 2) with two degrees of freedom; two layers."""
    alone = p_value / 2.0
    t = np.sqrt(2.0) * (1.0 - alone) / np.sqrt(1.0 - (1.0 - alone) ** 2)
    pattern = np.array([-1.0, 0.0, 1.0]) * np.sqrt(3.0)  # standard error 1
    a = {"R": 0.001 * np.stack([t + pattern, pattern], axis=1)}
    found = equilibrium.compare(a, {"R": np.zeros((3, 2))})
    assert found.p_value == pytest.approx(p_value, rel=1e-9)
    assert found.verdict == verdict


def test_five_round_trips_in_the_slowest_sample():
    shown = (Verdict.SHOWN, "shown: agree")
    verdict, message = statement.needs_round_trips(*shown, np.array([40, 4]))
    assert verdict is Verdict.NOT_SHOWN
    assert message.endswith("4 round trips in the slowest sample, 5 asked for")
    assert statement.needs_round_trips(*shown, np.array([40, 5])) == shown
    refuted = (Verdict.REFUTED, "refuted: disagree")
    assert statement.needs_round_trips(*refuted, np.array([0])) == refuted


WOBBLE = np.array([-1.0, 1.0, -1.0, 1.0])[:, None]


def said_of_one_start(
    spec, *, energy=0.0, above=0.5, below=0.5, began=0.1, drift=0.0, trips=(9, 5)
):
    """Statement about four samples, overlaps +- 0.002, which began at 1 and at ``began``."""
    flat = np.zeros((4, 9, 1))
    flat[:, 6:] = drift + 0.001 * WOBBLE[:, None]
    watched = ("R_matched", "r_matched", "q_matched")
    series = {name: np.full((4, 9, 1), np.nan) for name in watched}
    series |= {"energy": flat, "Q_matched": np.full((4, 9, 1), began)}
    series["q_matched"][:, 0] = began
    late = {"energy": np.array([[energy], [0.0], [0.0], [energy]])}
    late |= dict.fromkeys(("Q_self", "q_self"), above + 0.002 * WOBBLE)
    late |= {name: np.full((4, 1), below) for name in ("Q_matched", "q_matched")}
    return statement.of_ladders(spec, series, late, np.array(trips))


def test_statement_of_two_ladders():
    """Overlaps with earlier states and between ladders within a tenth of 1 - 0.1, from above."""
    spec = make_spec(3.0, 2, N=4, scenario="random", beta=2.0, samples=4, replicas=2)
    assert said_of_one_start(spec)[0] is Verdict.SHOWN
    assert said_of_one_start(spec, trips=(9, 4))[0] is Verdict.NOT_SHOWN
    assert said_of_one_start(spec, above=0.51)[0] is Verdict.REFUTED
    assert said_of_one_start(spec, above=0.43)[0] is Verdict.SHOWN  # the wrong way round
    assert said_of_one_start(spec, above=0.40)[0] is Verdict.NOT_SHOWN
    assert said_of_one_start(spec, above=0.43, began=0.4)[0] is Verdict.NOT_SHOWN
    verdict, why = said_of_one_start(spec, drift=0.1)
    assert verdict is Verdict.REFUTED
    assert "still drifts" in why
    # t of four samples 7.0 and 8.5: p = 0.0060 and 0.0034, twice that for two observables
    assert said_of_one_start(spec, drift=7.0 * 0.001 / math.sqrt(3.0))[0] is Verdict.SHOWN
    assert said_of_one_start(spec, drift=8.5 * 0.001 / math.sqrt(3.0))[0] is Verdict.REFUTED
    assert said_of_one_start(spec, energy=0.1)[0] is Verdict.SHOWN


def test_statement_of_less_than_two_ladders():
    one = make_spec(3.0, 2, N=4, scenario="random", beta=2.0, samples=4)
    assert said_of_one_start(one) == (
        Verdict.NOT_SHOWN,
        "not shown: one ladder; compare two (replicas)",
    )
    planted = make_spec(3.0, 2, N=4, beta=2.0, samples=4, replicas=2)
    verdict, why = said_of_one_start(planted)
    assert verdict is Verdict.NOT_SHOWN
    assert "from the planted side" in why
    hard = make_spec(1.0, 1, N=4, scenario="random", samples=4, replicas=2)
    assert said_of_one_start(hard)[0] is Verdict.SHOWN
    assert said_of_one_start(hard, energy=0.1) == (
        Verdict.REFUTED,
        "refuted: 2 of 4 samples violate the constraint",
    )


def test_only_the_side_that_matters_counts():
    """Overlaps from above that lie below those from below are no sign of a slow relaxation."""
    rng = np.random.default_rng(5)
    a, b = ({"Q": shift + 0.01 * rng.standard_normal((8, 2))} for shift in (0.30, 0.35))
    way = {"Q": np.ones(2)}
    assert equilibrium.compare(a, b, way).verdict is Verdict.REFUTED
    assert equilibrium.compare(a, b, way, alternative="greater").verdict is Verdict.SHOWN
    assert equilibrium.compare(b, a, way, alternative="greater").verdict is Verdict.REFUTED


@pytest.mark.parametrize(
    ("steps", "alternative", "p", "verdict"),
    [
        ([0.01, 0.0], "two-sided", 0.0, "refuted"),  # the same in every sample: t is infinite
        ([-0.01, 0.0], "two-sided", 0.0, "refuted"),
        ([0.01, 0.0], "greater", 0.0, "refuted"),
        ([-0.01, 0.0], "greater", 1.0, "shown"),
        ([0.0, 0.0], "two-sided", math.nan, "not shown"),  # nothing differs: nothing to compare
    ],
)
def test_the_same_difference_in_every_sample(steps, alternative, p, verdict):
    below = {"Q": np.linspace(0.2, 0.4, 8).reshape(4, 2)}
    above = {"Q": below["Q"] + 0.0}
    above["Q"][:, 0], below["Q"][:, 0] = 0.5 + steps[0], 0.5
    found = equilibrium.compare(above, below, {"Q": np.ones(2)}, alternative=alternative)
    np.testing.assert_equal(found.p_value, p)
    assert found.verdict == verdict


def test_false_alarms_are_rare():
    """Same distribution on both sides: refuted in about 1 % of the cases."""
    rng = np.random.default_rng(1)
    refuted = 0
    for _ in range(400):
        a, b = ({"R": 0.1 * rng.standard_normal((8, 5))} for _ in range(2))
        refuted += equilibrium.compare(a, b).verdict is Verdict.REFUTED
    assert refuted <= 12


@pytest.mark.parametrize(
    ("moves", "p"),
    [
        ([5, 5, 5, 0, 0, 0, 0, 0, 0], 0.4228),  # the first third may relax
        ([0, 0, 0, 5, 5, 5, 0, 0, 0], 0.0),
        ([0, 0, 0, 0, 0, 0, 5, 5, 5], 0.0),
        ([0, 0, 0, 0, 0, 0, 0, 0, 0], 0.4228),
    ],
)
def test_drift_is_that_of_the_last_two_thirds(moves, p):
    """Differences of four samples -1, 0, 1, 4 times 0.001: t = 0.926, p = 0.423."""
    series = np.repeat([moves], 4, axis=0).astype(float)
    series[:, 8] += 0.001 * np.array([-1.0, 0.0, 1.0, 4.0])
    assert equilibrium.halves_agree(series[:, :, None]) == pytest.approx(p, abs=1e-4)
    both = np.stack([series, series], axis=2)  # two layers are two comparisons
    assert equilibrium.halves_agree(both) == pytest.approx(min(1.0, 2 * p), abs=1e-4)
    beside = np.stack([np.zeros((4, 9)), series], axis=2)  # a layer that does not move is none
    assert equilibrium.halves_agree(beside) == pytest.approx(p, abs=1e-4)
    assert equilibrium.halves_agree(beside[:, :, :1]) == 1.0
    constant = np.zeros((4, 9))
    constant[:, 6:] = 1e-3  # the same step in all samples: t is infinite
    assert equilibrium.halves_agree(constant[:, :, None]) == 0.0
    rounding = 1e-13 * np.array([1.0, 2.0, 2.0, 1.0])[:, None]
    assert equilibrium.halves_agree((constant + rounding * constant)[:, :, None]) == 0.0
    assert equilibrium.halves_agree((rounding * np.arange(9))[:, :, None]) == 1.0
    assert equilibrium.halves_agree(np.stack([constant, series], axis=2)) == 0.0
    assert np.isnan(equilibrium.halves_agree(series[:1, :, None]))
    assert np.isnan(equilibrium.halves_agree(series[:, :2, None]))


def test_drift_is_seen():
    rng = np.random.default_rng(2)
    flat = 0.1 * rng.standard_normal((8, 90, 3))
    assert equilibrium.halves_agree(flat) > 0.01
    assert equilibrium.halves_agree(flat + 0.002 * np.arange(90)[None, :, None]) < 0.01


@pytest.mark.slow
def test_random_labels_need_two_ladders_and_round_trips():
    """Overlaps with earlier states (from above) and between ladders (from below) must meet."""
    betas = geometric_ladder(0.5, 1.5, 3)
    arguments = {"betas": betas, "samples": 8, "scenario": "random"}
    few = temper(3.0, 2, N=4, **arguments, rounds=12, replicas=2)
    assert few.verdict is not Verdict.SHOWN
    one = temper(3.0, 2, N=4, **arguments, rounds=400)
    assert one.verdict is Verdict.NOT_SHOWN
    assert "replicas" in one.message
    two = temper(3.0, 2, N=4, **arguments, rounds=400, replicas=2)
    assert two.verdict is Verdict.SHOWN
    assert two.round_trips.min() >= 5
    assert np.abs(two.Q_self - two.Q_matched).max() < 0.05
    assert np.isfinite(two.q_matched_err).all()
    assert "R" not in two.to_json()


def test_stuck_ladders_are_refuted_though_energy_is_flat():
    """Cold ladder, random labels: each ladder keeps its own valley; energy alone would not tell."""
    found = temper(
        8.0, 2, N=8, betas=(4.0, 4.2), rounds=60, samples=6, scenario="random", replicas=2, seed=1
    )
    assert found.verdict is not Verdict.SHOWN
    assert found.q_self[0] > found.last_octave["q_matched"][0] + 0.2


def test_size_of_the_state_does_not_grow_with_the_run():
    spec = make_spec(3.0, 2, N=4, beta=2.0, samples=1, replicas=2)
    sizes = [
        sum(a.nbytes for a in Tempering(spec, Exchange((1.0, 2.0), rounds, 10)).arrays().values())
        for rounds in (64, 10**6)
    ]
    assert sizes[0] == sizes[1]


def test_collapse_is_seen_under_replica_exchange():
    """Soft potential at large beta: the alarm of the plain run is not lost."""
    run = temper(
        3.0, 2, N=6, betas=(1.0, 2.0), rounds=3, samples=2, start="random", potential="soft"
    )
    assert not run.collapsed
    assert run.spin_correlation.shape == (1,)
    copies = Tempering(make_spec(3.0, 2, N=6, beta=2.0, samples=1), Exchange((1.0, 2.0), 2, 1))
    for chain in copies.samples[0].ladders[0].chains:
        chain.S[1] = chain.S[1][:, :1]  # every neuron a copy of the first
    copies.samples[0].measure(1, last=False)
    assert copies.result().collapsed


def test_series_begin_at_the_start():
    """Entry 0: the planted state is the teacher, unrelated random ones match at the floor."""
    for start, low, high in (("planted", 1.0, 1.0), ("random", 0.0, 0.6)):
        run = temper(4.0, 2, N=8, betas=(1.0, 2.0), rounds=6, samples=3, start=start, replicas=2)
        np.testing.assert_array_equal(run.series_times, 10 * np.arange(7))
        for name in ("r_matched", "q_matched"):
            assert np.all((run.series[name][0] >= low) & (run.series[name][0] <= high))
        assert np.isnan(run.series["q_self"][0]).all()


@pytest.mark.parametrize("name", ["R", "R_matched", "r", "r_matched"])
def test_overlaps_of_couplings_and_of_neurons_decide(name):
    a = {name: np.array([[0.50], [0.52], [0.48]]), "energy": np.array([[0.1], [0.1], [0.1]])}
    b = {name: np.array([[0.51], [0.51], [0.49]]), "energy": np.array([[0.1], [0.1], [0.1]])}
    assert equilibrium.compare(a, b).verdict is Verdict.SHOWN
    rest = [{"energy": x["energy"] + [[0.0], [0.01], [0.02]]} for x in (a, b)]
    assert equilibrium.compare(*rest).verdict is Verdict.NOT_SHOWN  # energies alone do not


def test_the_state_for_overlaps_with_earlier_ones_is_that_of_the_middle():
    """Kept in the round that begins at the middle (the 11th of 20), and never again."""
    spec = make_spec(4.0, 2, N=5, beta=2.0, samples=1, seed=3, step=0.5)
    job = Tempering(spec, Exchange((1.5, 2.0), 20, 2))
    sample = job.samples[0]
    for until in (10, 11, 20):
        sample.run(until, 2)
        top = sample.ladders[0].top().network()
        if until == 10:
            assert not sample.S0.any()
        if until == 11:
            kept = top.J.copy(), top.S.copy()
        if until > 10:
            np.testing.assert_array_equal(sample.J0[0], kept[0])
            np.testing.assert_array_equal(sample.S0[0], kept[1])
    assert not np.array_equal(top.J, kept[0])
