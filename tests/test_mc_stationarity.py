"""When is an observable called relaxed: rules one by one, and rates of false claims."""

from __future__ import annotations

import math

import numpy as np
import pytest

from replicadnn.montecarlo.measure import relaxation, stationarity
from replicadnn.montecarlo.measure.observable import (
    FALLING,
    LIKENESS,
    UNLIKENESS,
    Layers,
    Recorded,
    Records,
)
from replicadnn.montecarlo.spec import Start


def autoregressive(rng, samples, times, tau):
    """Stationary Gaussian process of variance 1 with exp(-t/tau), (samples, K)."""
    x = np.empty((samples, len(times)))
    x[:, 0] = rng.standard_normal(samples)
    for k, step in enumerate(np.diff(times), start=1):
        a = math.exp(-step / tau)
        x[:, k] = a * x[:, k - 1] + math.sqrt(1.0 - a * a) * rng.standard_normal(samples)
    return x


def claims(trend, *, end=8192, samples=8, noise=0.02, tau=20.0, runs=200):
    """Share of synthetic runs that are called relaxed, and its standard error.

    The trend begins at 1; its distance from 1 differs by 5 % between samples.
    """
    times = stationarity.record_times(end)
    found = 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        size = 1.0 + 0.05 * rng.standard_normal((samples, 1))
        x = 1.0 - (1.0 - trend(times.astype(float))) * size
        x[:, 1:] += noise * autoregressive(rng, samples, times[1:], tau)
        found += bool(stationarity.relaxed(x[:, :, None], times, end)[0])
    share = found / runs
    return share, math.sqrt(max(share * (1.0 - share), 1.0 / runs) / runs)


def jump(t):
    """From 1 to 1/2 at once."""
    return np.where(t > 0, 0.5, 1.0)


@pytest.mark.parametrize(
    "trend",
    [
        lambda t: 1.0 - 0.03 * np.log1p(t),  # the same in every octave: glassy
        lambda t: (1.0 + t) ** -0.05,
        lambda t: (1.0 + t) ** -0.1,
        lambda t: np.where(t > 0, 0.5, 1.0) - 0.2 * (t > 5000),  # a step in the last octave
        lambda t: np.where(t > 0, 0.5, 1.0) - 0.2 * (t > 3000),  # and in the one before
        lambda t: np.where(t > 0, 0.5, 1.0) - 0.2 * (t > 900),  # and three octaves before
        lambda t: np.exp(-t / 16384),
        lambda t: np.exp(-t / 820),  # the run is 10 decay times long: 20 are needed
    ],
    ids=[
        "log",
        "power 0.05",
        "power 0.1",
        "step",
        "early step",
        "first step",
        "slow",
        "ten decay times",
    ],
)
@pytest.mark.parametrize("noise", [0.002, 0.05])
def test_what_still_moves_is_not_called_relaxed(trend, noise):
    share, error = claims(trend, noise=noise, runs=100)
    assert share - 2.0 * error < 0.01


def test_a_plateau_is_called_relaxed():
    """t tests at 1 % (two of them) are the only reason to refuse it."""
    share, error = claims(jump)
    assert share + 2.0 * error > 0.95
    share, error = claims(lambda t: np.where(t > 0, 0.5, 1.0) - 0.2 * (t > 500))  # T/16 = 512
    assert share + 2.0 * error > 0.95
    share, error = claims(lambda t: np.exp(-t / 100))  # 82 decay times
    assert share + 2.0 * error > 0.95


@pytest.mark.parametrize(
    ("length", "least", "most"), [(1, 0.0, 0.01), (5, 0.0, 0.05), (10, 0.2, 0.8), (40, 0.9, 1.0)]
)
def test_the_last_octave_holds_ten_autocorrelation_times(length, least, most):
    """4096 sweeps of ``length`` times 1 + 2 sum rho = 2 tau."""
    share, error = claims(jump, tau=2048 / length)
    assert least - 2.0 * error <= share <= most + 2.0 * error


def test_few_samples_are_seldom_enough():
    """The standard error of two samples is itself unknown: Student's quantile, not 2."""
    assert claims(lambda t: (1.0 + t) ** -0.1, end=2**20, samples=2, runs=100)[0] < 0.05
    assert claims(jump, samples=2, noise=0.002, tau=5.0, runs=100)[0] > 0.9


@pytest.mark.parametrize(("tau", "sum_of_rho"), [(0.5, 1.3130), (1.0, 2.1640), (3.0, 6.0555)])
def test_autocorrelation_time(tau, sum_of_rho):
    """coth(1/(2 tau)) of a series of 32, whose own mean is taken off: within 0.3."""
    rng = np.random.default_rng(1)
    series = autoregressive(rng, 8 * 300, np.arange(32.0), tau).reshape(300, 8, 32)
    found = [stationarity.autocorrelation_time(x[:, :, None])[0] for x in series]
    assert min(found) >= 1.0
    assert np.mean(found) == pytest.approx(sum_of_rho, abs=0.3)


def test_a_sample_that_does_not_move_has_no_autocorrelation_time():
    rng = np.random.default_rng(2)
    series = rng.standard_normal((8, 32, 2))
    series[3, :, 1] = 0.7
    assert list(stationarity.long_enough(series)) == [True, False]


def test_records_are_every_sweep_then_32_an_octave():
    times = stationarity.record_times(300)
    expected = [*range(64), *range(64, 128, 2), *range(128, 256, 4), *range(256, 301, 8)]
    np.testing.assert_array_equal(times, expected)
    np.testing.assert_array_equal(stationarity.record_times(1), [0, 1])
    assert len(stationarity.record_times(10**7)) == 615


@pytest.mark.parametrize(("short", "long"), [(1, 2), (31, 32), (100, 10_000), (4096, 4097)])
def test_records_of_a_longer_run_begin_with_those_of_a_shorter_one(short, long):
    times = stationarity.record_times(long)
    np.testing.assert_array_equal(times[times <= short], stationarity.record_times(short))


@pytest.mark.parametrize(
    ("end", "before", "expected"),
    [
        (0, 0, [0]),
        (1, 0, [1]),
        (32, 0, range(17, 33)),
        (128, 0, range(66, 129, 2)),
        (128, 1, range(33, 65)),
        (128, 3, range(9, 17)),
        (100, 0, range(52, 101, 2)),
        (129, 0, range(68, 129, 4)),
        (129, 1, range(34, 65, 2)),
    ],
)
def test_octaves_are_evenly_spaced(end, before, expected):
    times = stationarity.record_times(300)
    chosen = times[stationarity.in_octave(times, end, before)]
    np.testing.assert_array_equal(chosen, list(expected))


def two_octaves(early, late, *, start=1.0, spread=0.0, samples=8, noise=1e-4):
    """Runs of 256 sweeps at ``early`` up to 128 and at ``late`` after it."""
    times = stationarity.record_times(256)
    rng = np.random.default_rng(3)
    pattern = np.array([-1.0, 1.0] * (samples // 2))  # standard error spread/sqrt(7)
    x = np.where(times > 128, late + spread * pattern[:, None], early)
    x = x + noise * rng.standard_normal(x.shape)
    x[:, 0] = start
    return bool(stationarity.relaxed(x[:, :, None], times, 256)[0])


def test_the_scale_is_the_way_from_the_start():
    """Difference 0.02 +- 0.0113, 0.0275 more by Student: 0.0475 of a way of 0.5 or 0.4."""
    assert two_octaves(0.52, 0.5, spread=0.03, start=1.0)
    assert not two_octaves(0.52, 0.5, spread=0.03, start=0.9)
    assert not two_octaves(0.52, 0.5, spread=0.03, start=0.5)


def test_a_way_below_three_tenths_counts_as_three_tenths():
    """2.43 * 0.0265/sqrt(7) = 0.0244 is below 0.03; 2.43 * 0.034/sqrt(7) = 0.0312 is not."""
    assert two_octaves(0.5, 0.5, spread=0.0265, start=0.5)
    assert not two_octaves(0.5, 0.5, spread=0.034, start=0.5)


def test_a_significant_difference_is_a_drift_however_small():
    """0.002 +- 0.0005: t = 4, p = 0.005 with 7 degrees of freedom; +- 0.0007: p = 0.025."""
    assert not two_octaves(0.502, 0.5, spread=0.0005 * math.sqrt(7), noise=1e-6)
    assert two_octaves(0.502, 0.5, spread=0.0007 * math.sqrt(7), noise=1e-6)


@pytest.mark.parametrize(("samples", "end", "verdict"), [(1, 256, False), (8, 63, False)])
def test_never_from_one_sample_or_fewer_than_64_sweeps(samples, end, verdict):
    times = stationarity.record_times(end)
    rng = np.random.default_rng(4)
    x = 0.5 + 1e-3 * rng.standard_normal((samples, len(times), 1))
    assert bool(stationarity.relaxed(x, times, end)[0]) is verdict
    enough = stationarity.record_times(64)
    y = 0.5 + 1e-3 * rng.standard_normal((8, len(enough), 1))
    assert stationarity.relaxed(y, enough, 64)[0]


ROW = Recorded("R", Layers.COUPLINGS, "overlap", lambda moment: moment.net.J, bounds=LIKENESS)
STATE = Recorded("e", Layers.COUPLINGS, "energy", lambda moment: moment.net.J, of_state=True)


def recorded(values, start=Start.PLANTED):
    """Four samples with these averages, two layers, in a run too short to relax."""
    series = np.repeat(np.asarray(values, float)[:, None, :], 3, axis=1)
    return Records(series, np.arange(3), 2, start)


def test_what_has_not_relaxed_is_a_bound_two_standard_errors_beyond():
    """0.5, 0.7, 0.5, 0.7: mean 0.6, standard error 0.2/sqrt(12) = 0.0577."""
    values = [[0.5, 0.1], [0.7, 0.1], [0.5, 0.1], [0.7, 0.1]]
    for start, bound in ((Start.PLANTED, 0.7155), (Start.RANDOM, 0.4845)):
        found = ROW.averages(recorded(values, start))
        assert np.isnan(found["R"]).all()
        assert np.isnan(found["R_err"]).all()
        np.testing.assert_allclose(found["R_bound"], [bound, 0.1], atol=1e-4)
        np.testing.assert_allclose(found["last_octave.R"], [0.6, 0.1])
        np.testing.assert_array_equal(found["relaxed.R"], [0.0, 0.0])
    single = ROW.averages(recorded(values[:1]))
    np.testing.assert_array_equal(single["R_bound"], [0.5, 0.1])


def test_sides_of_bounds():
    """An overlap with the teacher falls from it and rises to it, the error the other way round."""
    assert (LIKENESS[Start.PLANTED], LIKENESS[Start.RANDOM]) == ("upper", "lower")
    assert (UNLIKENESS[Start.PLANTED], UNLIKENESS[Start.RANDOM]) == ("lower", "upper")
    assert dict(FALLING) == {Start.PLANTED: "upper"}


def test_the_planted_state_is_in_equilibrium_at_once():
    """An energy is, an overlap with the start is not; nor is an energy after a random start."""
    values = [[0.5, 0.1], [0.7, 0.1]]
    planted = STATE.averages(recorded(values))
    np.testing.assert_allclose(planted["e"], [0.6, 0.1])
    assert "e_bound" not in planted
    assert np.isnan(STATE.averages(recorded(values, Start.RANDOM))["e"]).all()
    nothing = ROW.averages(recorded([[np.nan, np.nan]] * 2))
    for name in ("R", "R_bound", "relaxed.R"):
        assert np.isnan(nothing[name]).all()


def curves(ages, *, samples=8, tau=20.0, noise=0.01):
    """C = exp(-t/tau(age)) from origins 256, 512, 1024, tau in proportion to age^ages."""
    times = relaxation.log_times(2000)
    rng = np.random.default_rng(5)
    origins = np.array([256.0, 512.0, 1024.0])
    C = np.exp(-times / (tau * (origins / 512.0) ** ages)[:, None])
    return times, C[None, :, None] + noise * rng.standard_normal((samples, 3, 1, len(times)))


@pytest.mark.parametrize(("ages", "verdict"), [(0.0, False), (0.2, True), (0.5, True), (1.0, True)])
def test_curves_from_different_origins_must_agree(ages, verdict):
    """A weak ageing is seen by the t test, a strong one by the distance as well."""
    times, C = curves(ages)
    assert relaxation.ageing(times, C, np.array([20.0]))[0] == verdict


@pytest.mark.parametrize(("distance", "verdict"), [(0.19, False), (0.21, True)])
def test_curves_may_differ_by_a_fifth(distance, verdict):
    """Two standard errors included: 2.43 * s/sqrt(8) of eight samples, mean 0."""
    times = np.arange(3)
    pattern = np.array([-1.0, 1.0] * 4) * math.sqrt(7.0) / 2.4288
    C = np.full((8, 2, 1, 3), 0.5)
    C[:, 1, 0, 1] += distance * pattern
    assert relaxation.ageing(times, C, np.array([1.0]))[0] == verdict


def test_one_origin_or_one_sample_does_not_tell():
    times, C = curves(0.0)
    at = np.array([20.0])
    assert relaxation.ageing(times, C[:, :1], at)[0]
    assert relaxation.ageing(times, C[:1], at)[0]
    late = C.copy()
    late[:, 1:, :, times >= 20] = np.nan  # the younger curves are not long enough
    assert relaxation.ageing(times, late, at)[0]
    assert not relaxation.ageing(times, late, np.array([np.nan]))[0]


@pytest.mark.parametrize(("burn_in", "verdict"), [(0, 1.0), (32, 1.0), (33, 0.0)])
def test_a_burn_in_is_at_most_an_eighth_of_the_run(burn_in, verdict):
    """256 sweeps of a plateau after it: beyond 32 the octaves hardly differ in age."""
    times = stationarity.record_times(256)
    values = 0.5 + 1e-3 * np.random.default_rng(4).standard_normal((8, len(times), 1))
    records = Records(values, times, 256, Start.PLANTED, burn_in=burn_in)
    assert ROW.averages(records)["relaxed.R"] == verdict
