"""Times, errors and overlaps on inputs with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicadnn.montecarlo import connectivity, network
from replicadnn.montecarlo.chains.common import drawn_signs, seed_generator
from replicadnn.montecarlo.measure import overlaps, relaxation
from replicadnn.montecarlo.network import Network


@given(st.integers(1, 10**7), st.integers(1, 30))
@settings(max_examples=50, deadline=None)
def test_log_times(longest, per_decade):
    times = relaxation.log_times(longest, per_decade)
    assert list(times[:2]) == [0, 1]
    assert longest / (10 ** (1.0 / per_decade) * 1.02 + 0.5) < times[-1] <= longest
    assert np.all(np.diff(times) > 0)
    ratios = times[2:] / times[1:-1]
    if len(ratios) > 1 and times[-1] > 1000:
        assert ratios[times[1:-1] > 100].max() < 10 ** (1.0 / per_decade) * 1.02


@given(st.integers(1, 10**7), st.integers(0, 10**7), st.integers(1, 30))
def test_lags_of_a_longer_run_begin_with_those_of_a_shorter_one(short, more, per_decade):
    long = relaxation.log_times(short + more, per_decade)
    np.testing.assert_array_equal(long[long <= short], relaxation.log_times(short, per_decade))


def test_lags_are_ten_a_decade():
    expected = [0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 63, 79, 100]
    np.testing.assert_array_equal(relaxation.log_times(100), expected)
    np.testing.assert_array_equal(relaxation.log_times(125)[-2:], [79, 100])
    assert len(relaxation.log_times(10**7, 10)) == 69


def test_crossing_time_of_an_exponential():
    times = relaxation.log_times(10_000, 20)
    curve = np.exp(-times / 137.0)
    assert relaxation.crossing_time(times, curve) == pytest.approx(137.0, rel=0.01)
    assert np.isnan(relaxation.crossing_time(times[:20], curve[:20]))
    assert relaxation.crossing_time(times, np.zeros(len(times))) == 0.0


def test_integral_time_of_a_straight_line():
    """C = 1 - t/100 down to C = 0.05 encloses (1 - 0.05^2) 100 / 2."""
    times = np.arange(200)
    curve = 1.0 - times / 100.0
    expected = 50.0 * (1.0 - 0.05**2)
    assert relaxation.integral_time(times, curve) == pytest.approx(expected, abs=0.05)
    assert np.isnan(relaxation.integral_time(times[:50], curve[:50]))


def test_shoulder_of_a_two_step_curve():
    """0.6 exp(-t/3) + 0.4 exp(-t/3000): the shoulder lies at 0.4, near sqrt(3 * 3000)."""
    times = relaxation.log_times(30_000, 10)
    error = np.full(len(times), 0.003)
    noise = error * np.random.default_rng(0).standard_normal(len(times))
    two = 0.6 * np.exp(-times / 3.0) + 0.4 * np.exp(-times / 3000.0) + noise
    at, height, slope = relaxation.shoulder(times, two, error)
    assert 20 < at < 500
    assert height == pytest.approx(0.4, abs=0.03)
    assert slope < 0.03
    one = np.exp(-times / 300.0) + noise
    assert np.isnan(relaxation.shoulder(times, one, error)).all()
    stretched = np.exp(-((times / 300.0) ** 0.4)) + noise
    assert np.isnan(relaxation.shoulder(times, stretched, error)).all()


@pytest.mark.parametrize(("error", "seen"), [(0.0130, True), (0.0140, False)])
def test_a_shoulder_is_five_standard_errors_deep(error, seen):
    """The smaller maximum stands 0.139 above; the error of a slope is sqrt(2) error/0.687."""
    times = relaxation.log_times(30_000, 10)
    curve = 0.6 * np.exp(-times / 3.0) + 0.4 * np.exp(-times / 3000.0)
    found = relaxation.shoulder(times, curve, np.full(len(times), error))
    assert np.isfinite(found).all() == seen


def test_average_origins_skips_what_was_not_measured():
    curves = np.full((1, 2, 1, 3), np.nan)
    curves[0, 0, 0, :2] = [1.0, 0.5]
    curves[0, 1, 0, :1] = [0.8]
    found = relaxation.average_origins(curves)
    np.testing.assert_allclose(found[0, 0, :2], [0.9, 0.5])
    assert np.isnan(found[0, 0, 2])


def test_layer_times_error_has_the_right_size():
    """Spread of tau over repetitions equals the mean bootstrap error (30 %)."""
    rng = np.random.default_rng(1)
    times = relaxation.log_times(2000, 10)
    found, errors = [], []
    for _ in range(40):
        rates = 100.0 * np.exp(0.3 * rng.standard_normal((12, 1, 1)))
        tau, error = relaxation.layer_times(times, np.exp(-times / rates))
        found.append(tau[0])
        errors.append(error[0])
    assert np.mean(errors) == pytest.approx(np.std(found), rel=0.3)


def test_layer_times_refuses_short_runs():
    times = relaxation.log_times(100, 10)
    curves = np.stack([np.stack([np.exp(-times / tau)]) for tau in (500.0, 700.0, 600.0)])
    tau, error = relaxation.layer_times(times, curves)
    assert np.isnan(tau[0])
    assert np.isnan(error[0])


def test_errors_of_what_is_not_always_defined():
    """Three samples: all of one kind in 2/27 = 7 % of the resamples or, of the first, in 4 %."""
    values = np.array([[1.0], [2.0], [4.0]])

    def unless_one_kind(chosen):
        return np.where(np.ptp(chosen, axis=0) == 0.0, np.nan, chosen.mean(axis=0))

    def unless_only_ones(chosen):
        return np.where(chosen.max(axis=0) == 1.0, np.nan, chosen.mean(axis=0))

    assert np.isnan(relaxation.bootstrap_error(values, unless_one_kind)).all()
    # standard error of the mean with n in place of n - 1: sqrt(14/9/3) = 0.72
    assert relaxation.bootstrap_error(values, unless_only_ones) == pytest.approx(0.7, abs=0.07)


def test_single_sample_has_no_error():
    assert np.isnan(relaxation.mean_error(np.ones((1, 3)))).all()
    assert np.isnan(relaxation.bootstrap_error(np.ones((1, 3)), lambda x: x.mean(axis=0))).all()


def test_growth_exponent():
    widths = np.array([10.0, 14.0, 20.0, 28.0])
    tau = 3.0 * widths**1.3
    z, error, chi2 = relaxation.growth_exponent(widths, tau, 0.1 * tau)
    assert z == pytest.approx(1.3)
    assert 0.1 < error < 0.2
    assert chi2 < 1e-20
    bent = tau * (1.0 + 0.2 * (widths == 20))
    _, stretched, chi2 = relaxation.growth_exponent(widths, bent, 0.01 * bent)
    _, plain, _ = relaxation.growth_exponent(widths, tau, 0.01 * tau)
    assert chi2 > 20
    assert stretched == pytest.approx(plain * np.sqrt(chi2), rel=1e-6)
    assert np.isnan(relaxation.growth_exponent(widths[:2], tau[:2], tau[:2])[0])
    assert relaxation.growth_exponent(widths[:3], tau[:3], tau[:3])[0] == pytest.approx(1.3)
    tau[1] = np.nan  # not reached
    assert relaxation.growth_exponent(widths, tau, 0.1 * tau)[0] == pytest.approx(1.3)
    assert np.isnan(relaxation.growth_exponent(widths[:3], tau[:3], 0.1 * tau[:3])[0])


def test_growth_exponent_covers():
    """The error is that of repeated experiments."""
    rng = np.random.default_rng(3)
    widths = np.array([10.0, 14.0, 20.0, 28.0])
    tau = widths**1.1
    found = [
        relaxation.growth_exponent(widths, tau * np.exp(0.05 * rng.standard_normal(4)), 0.05 * tau)[
            0
        ]
        for _ in range(300)
    ]
    _, error, _ = relaxation.growth_exponent(widths, tau, 0.05 * tau)
    assert np.mean(found) == pytest.approx(1.1, abs=3 * error / np.sqrt(300))
    assert np.std(found) == pytest.approx(error, rel=0.15)


@pytest.mark.parametrize("seed", range(3))
def test_match_undoes_a_relabelling(seed):
    """Permutation and signs of every hidden layer are found exactly."""
    L, N, M = 4, 8, 40
    rng = np.random.default_rng(seed)
    net = network.plant(L, N, M, 2.0, rng)
    moved = net
    for layer in range(1, L):
        moved = network.permute(moved, layer, rng.permutation(N), network.random_signs((N,), rng))
    assert np.abs(overlaps.neuron_overlap(net, moved)).max() < 0.6
    assert np.abs(overlaps.coupling_overlap(net, moved)).max() < 0.6
    back = overlaps.match(net, moved)
    np.testing.assert_array_equal(back.S, net.S)
    np.testing.assert_array_equal(back.J, net.J)
    np.testing.assert_allclose(overlaps.coupling_overlap(net, back), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(overlaps.neuron_overlap(net, back), 1.0)


def test_matching_floor_is_positive_where_raw_overlaps_vanish():
    """Unrelated networks: raw overlaps centre on 0, matched ones do not.  Neurons follow their
    couplings, and so couplings of matched neurons are alike too, but for the output."""
    L, N, M = 3, 12, 48
    floors = [overlaps.matching_floor(L, N, M, 3.0, np.random.default_rng(k)) for k in range(40)]
    floor, error = np.mean(floors, axis=0), np.std(floors, axis=0, ddof=1) / np.sqrt(40)
    raw = []
    for k in range(20):
        rng = np.random.default_rng(k)
        a = network.plant(L, N, M, 3.0, rng)
        raw.append(overlaps.neuron_overlap(a, network.start_random(a, rng)))
    assert np.abs(np.mean(raw, axis=0)).max() < 0.03
    assert abs(floor[L - 1]) < 4.0 * error[L - 1]
    assert floor[0] > 0.3
    assert floor[1] > 0.05
    assert floor[L:].min() > 0.25


def test_couplings_at_the_floor_belong_to_neurons_that_follow_them():
    """At beta = 0 they do not: neurons still match, couplings do not."""
    floors = [overlaps.matching_floor(2, 12, 48, 0.0, np.random.default_rng(k)) for k in range(40)]
    floor, error = np.mean(floors, axis=0), np.std(floors, axis=0, ddof=1) / np.sqrt(40)
    assert np.all(np.abs(floor[:2]) < 4.0 * error[:2])
    assert floor[2] > 0.25


def test_spin_correlation_sees_a_collapse():
    rng = np.random.default_rng(0)
    S = network.random_signs((4, 10, 400), rng)
    S[2] = S[2, :1]
    found = network.spin_correlation(S)
    assert found[0] == pytest.approx(1.0 / np.sqrt(400), rel=0.3)
    assert found[1] == 1.0


def test_disagreement_of_one_layer_is_the_angle():
    """L = 1: two half spaces at overlap R disagree on a share acos(R)/pi (inputs +-1, N large)."""
    rng = np.random.default_rng(12)
    N, P, batches = 150, 1500, 40
    none = np.empty((2, N, 0), np.int8)
    teacher = Network(connectivity.random_couplings(1, N, rng), none)
    mixed = 0.8 * teacher.J + 0.6 * connectivity.random_couplings(1, N, rng)
    student = Network(connectivity.normalised(mixed), none)
    found = np.array([
        overlaps.disagreement(teacher, student, network.random_signs((N, P), rng))[0]
        for _ in range(batches)
    ])  # fmt: skip
    R = (teacher.J[0] * student.J[0]).mean(axis=1, dtype=float)
    expected = (np.arccos(R) / np.pi).mean()
    error = found.std(ddof=1) / np.sqrt(batches)
    assert error < 4e-4
    assert abs(found.mean() - expected) < 3.0 * error


def test_disagreement_forgets_the_labels_of_hidden_neurons_after_matching():
    rng = np.random.default_rng(13)
    a = network.plant(3, 6, 40, np.inf, rng)
    b = network.permute(a, 1, rng.permutation(6), network.random_signs((6,), rng))
    inputs = network.random_signs((6, 200), rng)
    raw = overlaps.disagreement(a, b, inputs)
    assert raw[0] > 0.2
    assert raw[2] == 0.0
    np.testing.assert_array_equal(overlaps.disagreement(a, overlaps.match(a, b), inputs), 0.0)


def test_fresh_signs_are_fair_and_move_on():
    state = seed_generator(np.random.SeedSequence(3))
    one, two = drawn_signs((7, 3001), state), drawn_signs((7, 3001), state)
    assert set(np.unique(one)) == {-1, 1}
    for signs in (one, two, one * two, one[:, 1:] * one[:, :-1], one[1:] * one[:-1]):
        assert abs(signs.mean(dtype=float)) < 4.0 / np.sqrt(signs.size)


def test_a_curve_that_only_touches_the_level_has_crossed_it():
    times = np.array([0, 1, 2])
    assert relaxation.crossing_time(times, np.array([1.0, 0.5, 0.5]), 0.5) == pytest.approx(1.0)
    assert np.isnan(relaxation.crossing_time(times, np.array([1.0, 0.51, 0.51]), 0.5))
