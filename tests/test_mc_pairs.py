"""Distribution of the overlaps of two ladders: against enumeration, its rules, its arrays."""

from __future__ import annotations

import math

import h5py
import numpy as np
import pytest
from mc_exact import batch_error, hidden_states
from replicadnn.cli.main import run as command

import replicadnn as rd
from replicadnn.errors import InputError
from replicadnn.montecarlo.measure import distribution, gauge, overlaps, registry
from replicadnn.montecarlo.measure.distribution import Pairs, bin_centres, bin_of
from replicadnn.montecarlo.network import Network
from replicadnn.montecarlo.runs.tempering import Tempering, temper
from replicadnn.montecarlo.spec import Exchange, make_spec

pytestmark = pytest.mark.usefixtures("compiled")

RANDOM = {"scenario": "random", "replicas": 2}


# --- against enumeration ---------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("N", "graph"), [(3, "regular"), (2, None)])
def test_distribution_and_squares_against_enumeration(N, graph):
    """Two independent draws of the exact distribution, 12 data sets, three rungs, M = 2.

    N = 3, c = 2: whatever the signs; N = c = 2: neurons matched.
    """
    betas, rounds = (0.4, 1.2, 2.5), 1600
    spec = make_spec(
        1.0, 2, N=N, connectivity=2, graph=graph, beta=2.5, samples=12, seed=4, step=0.8, **RANDOM
    )
    job = Tempering(spec, Exchange(betas, rounds, 3))
    job.run(rounds)
    result = job.result()
    assert result.round_trips.min() > 50
    off, squares, table = [], [], None
    for k, sample in enumerate(job.samples):
        S, inputs = sample.teacher.S, sample.teacher.inputs
        for rung, beta in enumerate(betas):
            states, weights, Q2 = hidden_states(S[0], S[2], beta, inputs)
            if table is None:  # the same hidden layers in every data set
                table = [[neuron_overlaps(x, y, inputs) for y in states] for x in states]
                table = np.array(table).reshape(-1, 2)
            pairs = np.outer(weights, weights).ravel()
            exact = np.bincount(bin_of(table[:, 0]), pairs, 100)
            q2 = pairs @ table[:, 1]
            counts = result.values["counts.q"][k, rung, 0]
            assert counts.sum() == rounds // 2
            off.append(counts / counts.sum() - exact)
            by_sample = [result.samples[f"{name}2_by_beta"][k, rung] for name in "Qq"]
            squares.append(np.concatenate(by_sample) - [*Q2, q2])
    for found in (off, squares):
        # rungs one after the other in every data set
        mean, error = batch_error(np.reshape(found, (12, 3, -1)))
        assert error.max() < 0.02
        np.testing.assert_array_less(np.abs(mean), np.where(error > 0, 4.0 * error, 1e-12))
    possible = (np.abs(off) > 0).any(axis=0)
    assert 2 <= possible.sum() <= 6


def neuron_overlaps(a, b, inputs):
    """Overlap and its square of two hidden layers (N, M), as a ladder measures them."""
    N, M = a.shape
    J = np.ones((2, N, 2), np.float32)
    ends = np.ones((N, M), np.int8)
    one, other = (Network(J, np.array([ends, x, ends], np.int8), inputs) for x in (a, b))
    if inputs is None:
        other = overlaps.match(one, other)
        return overlaps.neuron_overlap(one, other)[0], gauge.neuron_square(one, other)[0]
    return gauge.neuron_overlap(one, other)[0], gauge.neuron_square(one, other)[0]


# --- squares ---------------------------------------------------------------------------------


def some(rng, *, L=3, N=24, M=40, c=8):
    J = rng.standard_normal((L, N, c))
    J *= np.sqrt(c / np.square(J).sum(axis=2, keepdims=True))
    inputs = np.stack([[np.sort(rng.permutation(N)[:c]) for _ in range(N)] for _ in range(L)])
    S = rng.choice([-1, 1], (L + 1, N, M)).astype(np.int8)
    return Network(J.astype(np.float32), S, inputs.astype(np.int32))


def both(a, b):
    return np.concatenate([gauge.coupling_square(a, b), gauge.neuron_square(a, b)])


def test_squares_by_hand():
    """N = 2, c = 2, M = 3: every pair written out."""
    J = np.array([[[1.0, 1.0], [-1.0, 1.0]], [[1.0, -1.0], [1.4, 0.2]]], np.float32)
    K = np.array([[[1.0, 1.0], [1.4, 0.2]], [[-1.0, 1.0], [1.4, -0.2]]], np.float32)
    S = np.ones((3, 2, 3), np.int8)
    T = S.copy()
    T[1] = [[1, 1, -1], [-1, -1, -1]]
    a, b = Network(J, S), Network(K, T)
    # neuron 1: products 1, 1, -1: pairs 1 - 1 - 1; neuron 2: all pairs 1
    assert gauge.neuron_square(a, b) == pytest.approx([(-1 / 3 + 1) / 2], rel=1e-12)
    # layer 1: P = 2 and -1.2: (4/2 - 1) and (1.44/2 - 1)
    # layer 2: neuron 1 is read with p = -1, 1.96, neuron 2 with p = -1, -0.04
    expected = [(1.0 - 0.28) / 2, (-1.96 + 0.04) / 2]
    assert gauge.coupling_square(a, b) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dense", [False, True])
def test_squares_do_not_depend_on_the_signs_of_hidden_neurons(dense):
    rng = np.random.default_rng(1)
    a = some(rng, c=24 if dense else 8)
    a = Network(a.J, a.S, None if dense else a.inputs)
    b = Network(some(rng, c=a.J.shape[2]).J, a.S.copy(), a.inputs)
    b.S[1:-1, :, :10] *= -1
    J, S = b.J.copy(), b.S.copy()
    for layer in (1, 2):
        signs = rng.choice([-1, 1], 24).astype(np.int8)
        S[layer] *= signs[:, None]
        J[layer - 1] *= signs[:, None]
        J[layer] *= signs if dense else signs[b.inputs[layer]]
    assert not np.array_equal(J, b.J)
    np.testing.assert_array_equal(both(a, Network(J, S, b.inputs)), both(a, b))


def test_squares_of_nothing_and_of_the_same():
    """Unrelated: 0 within three errors; the same network 1, in the last layer on average.

    The overlap of perceptrons at angle Q = 0.6: (c Q^2 - 1)/(c - 1) = 0.269 for c = 8.
    """
    rng = np.random.default_rng(2)
    unrelated, same, near = [], [], []
    for _ in range(200):
        a, b = some(rng), some(rng)
        unrelated.append(both(a, Network(b.J, b.S, a.inputs)))
        same.append(both(a, a))
        across = b.J - (a.J * b.J).sum(axis=2, keepdims=True) / 8 * a.J
        across *= np.sqrt(8 / np.square(across).sum(axis=2, keepdims=True))
        near.append(gauge.coupling_square(a, Network(0.6 * a.J + 0.8 * across, a.S, a.inputs))[:2])
    mean, error = batch_error(unrelated)
    assert error.max() < 0.01
    np.testing.assert_array_less(np.abs(mean), 3.0 * error)
    exact = np.array(same)[:, [0, 1, 3, 4]]
    np.testing.assert_allclose(exact, 1.0, rtol=1e-5)
    mean, error = batch_error(np.array(same)[:, 2])
    assert abs(mean - 1.0) < 3.0 * error < 0.03
    np.testing.assert_allclose(near, (8 * 0.36 - 1) / 7, rtol=1e-5)


def test_one_pattern_has_no_square():
    net = some(np.random.default_rng(3), M=1)
    assert np.isnan(gauge.neuron_square(net, net)).all()


# --- bins, quarters, verdicts ----------------------------------------------------------------


def test_bins_are_two_hundredths_wide():
    np.testing.assert_allclose(bin_centres()[[0, 50, 99]], [-0.99, 0.01, 0.99], rtol=1e-12)
    found = bin_of(np.array([-1.0, -0.981, -0.979, -0.001, 0.001, 0.019, 0.021, 0.999, 1.0]))
    assert found.tolist() == [0, 0, 1, 49, 50, 50, 51, 99, 99]
    assert bin_of(np.array([1.0 + 1e-9, -1.0 - 1e-9])).tolist() == [99, 0]


def made(quarters, wobble=0.001, energy=0.0, rounds=(10, 10, 10, 10), samples=4, rungs=1):
    """Pairs of samples whose overlap is that of ``quarters`` +- wobble on every rung."""
    found = []
    for sign in (1, -1, 1, -1)[:samples]:
        one = Pairs(registry.PAIRS, rungs, 2)
        one.arrays["rounds"][:] = rounds
        count = np.array(rounds)[:, None, None]
        values = np.array(quarters, float)[:, None, None]
        values = values + sign * wobble * np.array([0, 0, 1, -1])[:, None, None]
        one.arrays["sums/q"][:] = count * values
        one.arrays["squares/q"][:] = count * values**2
        one.arrays["energy"][:, 0] = count * (0.05 + energy + sign * 0.001)
        one.arrays["energy"][:, 1] = count * 0.05
        found.append(one)
    return found


def verdict(pairs, trusted=True, shown=False):
    row = {one.name: one for one in registry.PAIRS}["q"]
    return row.averages(pairs, np.array([trusted]), shown)


@pytest.mark.parametrize(
    ("quarters", "wobble", "relaxed"),
    [
        ([0, 0.1, 0.2, 0.2], 0.001, 1.0),
        ([0, 0.1, 0.2, 0.21], 0.002, 1.0),  # 0.01 and 3.3 errors of 0.0023: 0.018; p = 0.022
        ([0, 0.1, 0.2, 0.24], 0.006, 0.0),  # 0.04 is above a tenth of 0.3; p = 0.010
        ([0, 0.1, 0.2, 0.21], 0.001, 0.0),  # small, but nearly the same in all samples: p = 0.003
        ([0, 0.1, 0.6, 0.634], 0.0054, 0.0),  # 0.055 < 0.06, but the square moves by 0.042 > 0.038
        ([0, 0.1, 0.2, 0.2], 0.02, 0.0),  # nothing is known so well
    ],
)
def test_the_last_two_quarters_agree_within_a_tenth_of_at_least_three_tenths(
    quarters, wobble, relaxed
):
    found = verdict(made(quarters, wobble))
    assert found["relaxed.P_q"].tolist() == [[relaxed]]
    late = (quarters[2] + quarters[3]) / 2
    assert found["samples.q_by_beta"].mean() == pytest.approx(late, rel=1e-12)
    if relaxed:
        assert found["q_by_beta"][0, 0] == pytest.approx(late, rel=1e-12)
    else:
        assert np.isnan(found["q_by_beta"][0, 0])
        assert np.isnan(found["P_q_err"]).all()


def test_what_makes_a_distribution_trusted():
    flat = [0.0, 0.1, 0.2, 0.2]
    assert verdict(made(flat), trusted=False)["relaxed.P_q"][0, 0] == 0.0
    assert verdict(made(flat, 0.02), shown=True)["relaxed.P_q"][0, 0] == 1.0
    assert verdict(made(flat), trusted=False, shown=True)["relaxed.P_q"][0, 0] == 1.0
    unfinished = made(flat, rounds=(10, 10, 10, 0))
    assert verdict(unfinished)["relaxed.P_q"][0, 0] == 0.0
    assert verdict(unfinished)["samples.q_by_beta"].mean() == pytest.approx(0.15)  # 2nd and 3rd
    assert verdict(made(flat, samples=1))["relaxed.P_q"][0, 0] == 0.0
    nothing = verdict(made(flat, rounds=(0, 0, 0, 0)))
    assert np.isnan(nothing["relaxed.P_q"]).all()


def test_energies_of_two_ladders_disagree_below_one_per_cent_of_all_layers():
    """Four samples, differences e +- 0.001: t = e/0.000577; p of one layer, times two of them."""
    flat = [0.0, 0.1, 0.2, 0.2]
    for t, agree in ((0.0, True), (7.0, True), (8.0, False), (-8.0, False)):  # p = 0.0060, 0.0041
        pairs = made(flat, energy=t * 0.001 / math.sqrt(3.0))
        assert distribution.energies_agree(pairs).tolist() == [agree]
    assert distribution.energies_agree(made(flat, samples=1)).tolist() == [False]


def test_five_round_trips_are_asked_for_in_the_slowest_sample():
    job = Tempering(
        make_spec(2.0, 2, N=4, beta=1.0, step=0.5, **RANDOM), Exchange((0.9, 1.0), 4, 1)
    )
    for sample, one in zip(job.samples, made([0.0, 0.1, 0.2, 0.2], rungs=2), strict=False):
        sample.pairs = one
    job.samples = job.samples[:4]
    for trips, relaxed in ((4, 0.0), (5, 1.0)):
        values = job._of_pairs(False, np.array([9, trips, 9, 9]))
        assert values["relaxed.P_q"].tolist() == [[relaxed], [relaxed]]


# --- arrays ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run():
    return temper(
        3.0, 2, N=8, connectivity=4, betas=(0.6, 0.9, 1.2), rounds=240, every=5, samples=4, seed=3,
        start="random", **RANDOM,
    )  # fmt: skip


def test_counts_are_those_of_the_second_half(run):
    for name, layers in (("q", 1), ("Q", 2)):
        counts = run.values[f"counts.{name}"]
        assert counts.shape == (4, 3, layers, 100)
        assert (counts.sum(axis=-1) == 120).all()
        density = counts.mean(axis=0) / (120 * 0.02)
        good = run.relaxed[f"P_{name}"] == 1.0
        assert good.any()
        P = getattr(run, f"P_{name}")
        np.testing.assert_allclose(P[good], density[good], rtol=1e-12)
        assert np.isnan(P[~good]).all()
        np.testing.assert_allclose(P[good].sum(axis=-1) * 0.02, 1.0, rtol=1e-12)
        error = (counts / 2.4).std(axis=0, ddof=1) / 2.0
        np.testing.assert_allclose(getattr(run, f"P_{name}_err")[good], error[good], rtol=1e-12)
        by_bins = counts.mean(axis=0) @ run.overlap / 120
        by_sample = run.samples[f"{name}_by_beta"]
        np.testing.assert_allclose(by_bins, by_sample.mean(axis=0), atol=0.01)


def test_the_highest_rung_is_the_one_that_is_measured_besides():
    """Fully connected: Q_matched of the highest rung is the same overlap, in the same rounds."""
    spec = make_spec(3.0, 2, N=4, beta=1.2, samples=2, start="random", **RANDOM)
    job = Tempering(spec, Exchange((0.6, 1.2), 100, 4))
    job.run(77)
    for sample in job.samples:
        assert sample.pairs.arrays["rounds"].tolist() == [25, 25, 25, 2]
        for name in "Qq":
            np.testing.assert_allclose(
                sample.pairs.arrays[f"sums/{name}"][:, -1].sum(axis=0),
                sample.sums[f"{name}_matched"][1:].sum(axis=0),
                rtol=1e-9,
            )


def test_threads_leave_no_trace_in_counts(run):
    again = temper(
        3.0, 2, N=8, connectivity=4, betas=(0.6, 0.9, 1.2), rounds=240, every=5, samples=4, seed=3,
        start="random", threads=2, **RANDOM,
    )  # fmt: skip
    for name, values in run.values.items():
        np.testing.assert_array_equal(values, again.values[name], err_msg=name)


def test_files_and_documents_hold_the_distribution(run, tmp_path):
    back = rd.load(run.save(tmp_path / "a.h5"))[0]
    for name, values in run.values.items():
        np.testing.assert_array_equal(values, back.values[name], err_msg=name)
    with h5py.File(tmp_path / "a.h5") as file:
        counts = file["series/0000/counts.Q"]
        assert counts.compression == "gzip"  # most of them are 0
        assert counts.id.get_storage_size() < counts.nbytes / 10
        assert file["series/0000/energy"].compression is None
    document = run.to_json()
    assert len(document["overlap"]) == 100
    assert np.shape(document["P_Q"]) == (3, 2, 100)
    assert np.shape(document["relaxed"]["P_q"]) == (3, 1)
    assert {type(one) for one in document["relaxed"]["P_q"][0]} == {bool}
    assert "counts" not in document


def test_one_ladder_has_no_bins(tmp_path):
    one = temper(3.0, 2, N=4, betas=(0.6, 1.2), rounds=8, samples=2, scenario="random")
    assert one.P_q.shape == (2, 1, 0)
    assert np.isnan(one.q_by_beta).all()
    assert one.to_json()["P_Q"] == [[[], []], [[], []]]
    back = rd.load(one.save(tmp_path / "a.h5"))[0]
    assert back.P_q.shape == (2, 1, 0)


def test_older_files_have_no_bins(data):
    (run,) = rd.load(data / "tempering_v1_early.h5")
    assert run.overlap.shape == (0,)
    assert run.P_Q.shape == (3, 2, 0)
    assert np.isnan(run.relaxed["P_q"]).all()


def test_states_without_counts_are_refused():
    spec = make_spec(3.0, 2, N=4, beta=1.0, samples=2, **RANDOM)
    job = Tempering(spec, Exchange((0.5, 1.0), 8, 2))
    older = {n: a for n, a in job.arrays().items() if not n.startswith("pairs/")}
    with pytest.raises(InputError, match="state = 'of an earlier version'"):
        Tempering(spec, Exchange((0.5, 1.0), 8, 2), older)


# --- figures ---------------------------------------------------------------------------------


def test_figure_is_what_was_counted(run):
    """Densities with bars over data sets; deltas of theory at their weights, on an own axis."""
    theory = rd.solve(3.0, 2, scenario="random", ansatz="rsb", levels=2, beta=1.2)
    ax = rd.plot.overlap_distribution(run, quantity="Q", layer=2, theory=[theory])
    counts = run.values["counts.Q"][:, -1, 1]
    density = counts.mean(axis=0) / (120 * 0.02)
    error = (counts / 2.4).std(axis=0, ddof=1) / 2.0
    seen = np.flatnonzero(density)
    part = slice(seen[0], seen[-1] + 1)
    (bars,) = ax.containers
    _, _, (segments,) = bars.lines
    ends = np.array(segments.get_segments())
    np.testing.assert_allclose(ends[:, 0, 0], run.overlap[part], rtol=1e-12)
    np.testing.assert_allclose(ends[:, :, 1].mean(axis=1), density[part], rtol=1e-9)
    np.testing.assert_allclose(np.ptp(ends[:, :, 1], axis=1), 2 * error[part], atol=1e-12)
    histogram = ax.patches[-1].get_data()
    np.testing.assert_allclose(histogram.values, density[part], rtol=1e-12)
    assert ax.patches[-1].get_linestyle() == ("-" if run.relaxed["P_Q"][-1, 1] else ":")
    weights = next(one for one in ax.figure.axes if one is not ax)
    deltas = theory.overlap_distribution(2, "Q").deltas
    drawn = weights.get_lines()[0].get_xydata()
    np.testing.assert_allclose(drawn, [(one.value, one.weight) for one in deltas])
    assert weights.get_ylim()[1] == pytest.approx(1.03)
    figure = rd.plot.overlap_distribution_figure(run, beta=0.9)
    assert len(figure.axes) == 3
    assert r"\beta = 0.9" in figure.get_suptitle()


def test_what_cannot_be_drawn(run):
    one = temper(3.0, 2, N=4, betas=(0.6, 1.2), rounds=8, samples=2, scenario="random")
    plain = rd.simulate(3.0, 2, N=4, beta=1.0, sweeps=8, samples=2)
    for runs in (one, [run, one], [run, plain], []):
        with pytest.raises(InputError, match="two ladders a data set"):
            rd.plot.overlap_distribution(runs)
    theory = rd.solve(3.0, 2, scenario="random", ansatz="rs", beta=1.2)
    other = temper(3.0, 2, N=4, betas=(0.6, 1.3), rounds=8, samples=2, start="random", **RANDOM)
    with pytest.raises(InputError, match="runs of one beta"):
        rd.plot.overlap_distribution([run, other], theory=theory)
    for words, named in (
        ({"quantity": "R"}, "one of q, Q"),
        ({"layer": 2}, "1..1"),
        ({"layer": 0}, "1..1"),
        ({"quantity": "Q", "layer": 3}, "1..2"),
        ({"beta": 1.0}, "one of 0.6, 0.9, 1.2"),
    ):
        with pytest.raises(InputError, match=named):
            rd.plot.overlap_distribution(run, **words)


def test_figures_from_the_command_line(run, tmp_path, capsys):
    path = str(run.save(tmp_path / "a.h5"))
    assert command(["plot", "overlap-distribution", path]) == 0
    assert (tmp_path / "a_overlap-distribution.png").read_bytes().startswith(b"\x89PNG")
    image = str(tmp_path / "b.svg")
    words = ["plot", "overlap-distribution", path, "-o", image]
    assert command([*words, "--beta", "0.9", "--theory", "exact,averaged"]) == 0
    capsys.readouterr()
    for change, named in (
        (["--beta", "1"], "beta = 1.0: one of 0.6, 0.9, 1.2"),
        (["--theory", "exakt"], "a comma list of averaged, exact"),
    ):
        assert command([*words, "--overwrite", *change]) == 2
        err = capsys.readouterr().err
        assert named in err
        assert err.count("\n") == 1
    picture = tmp_path / "c.png"
    asked = ["mc-simulate", "--L", "2", "--N", "4", "--alpha", "2", "--scenario", "random"]
    asked += ["--tempering", "0.5,1", "--sweeps", "40", "--samples", "2", "--plot", str(picture)]
    assert command(asked) == 2
    assert (
        "no figure: it needs runs of replica exchange with two ladders" in capsys.readouterr().err
    )
    assert command([*asked, "--replicas", "2"]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
