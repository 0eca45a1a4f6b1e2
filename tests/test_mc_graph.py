"""Graphs of connectivity c: who reads whom, drawn how, and what a sign gauge does on them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicadnn.montecarlo import connectivity, network
from replicadnn.montecarlo.chains.common import wire
from replicadnn.montecarlo.chains.start import draw_graph, starting_state
from replicadnn.montecarlo.connectivity import Connectivity, Graph
from replicadnn.montecarlo.measure import overlaps
from replicadnn.montecarlo.spec import make_spec


def drawn(N, c, graph, seed=0, L=1):
    return Connectivity(N, c, Graph(graph)).draw(L, np.random.default_rng(seed))


@pytest.mark.parametrize("graph", ["random", "regular"])
@given(data=st.data())
def test_every_perceptron_reads_c_different_neurons(graph, data):
    N = data.draw(st.integers(3, 14))
    c = data.draw(st.integers(2, N - 1))
    inputs = drawn(N, c, graph, data.draw(st.integers(0, 99)), L=2)
    assert inputs.dtype == np.int32
    assert inputs.shape == (2, N, c)
    assert (np.diff(inputs, axis=2) > 0).all()  # ascending, so none twice
    assert inputs.min() >= 0
    assert inputs.max() < N
    assert Connectivity(N, c, Graph(graph)).holds(inputs)
    if graph == "regular":
        for layer in inputs:
            assert np.bincount(layer.ravel(), minlength=N).tolist() == [c] * N


def test_all_neurons_are_no_graph():
    assert drawn(5, 5, "random") is None
    assert drawn(5, 5, "regular") is None


@pytest.mark.parametrize(("N", "c"), [(256, 32), (40, 39), (60, 30)])
def test_large_graphs_differ_from_layer_to_layer(N, c):
    for graph in Graph:
        inputs = drawn(N, c, graph, L=2)
        assert Connectivity(N, c, graph).holds(inputs)
        assert not np.array_equal(inputs[0], inputs[1])


def test_random_fan_out_is_binomial():
    """Mean c; variance c (1 - c/N): 12 (1 - 12/48) = 9 at N = 48."""
    fan_out = np.array(
        [np.bincount(x.ravel(), minlength=48) for x in drawn(48, 12, "random", L=80)]
    )
    assert fan_out.mean() == 12.0
    variance = np.square(fan_out - 12.0).mean(axis=1)
    error = variance.std(ddof=1) / np.sqrt(80)
    assert error < 0.3
    assert abs(variance.mean() - 9.0) < 3.0 * error


def chi_square(graphs, possible):
    """Of the counts against equal probability of ``possible`` graphs, in standard deviations."""
    _, counts = np.unique([g.tobytes() for g in graphs], return_counts=True)
    assert len(counts) <= possible
    expected, never = len(graphs) / possible, possible - len(counts)
    chi2 = np.square(counts - expected).sum() / expected + never * expected
    return (chi2 - (possible - 1)) / np.sqrt(2 * (possible - 1))


@pytest.mark.parametrize(
    ("N", "c", "graph", "possible"),
    [
        (4, 2, "regular", 90),  # matrices of 0 and 1 with all sums 2
        (3, 2, "regular", 6),
        (4, 3, "regular", 24),
        (5, 3, "regular", 2040),
        (4, 2, "random", 6**4),
    ],
)
def test_all_graphs_are_equally_probable(N, c, graph, possible):
    assert abs(chi_square(drawn(N, c, graph, 1, L=6 * possible), possible)) < 3.0


def test_switches_forget_where_they_began():
    """Neurons that two perceptrons share: c (c - 1)/(N - 1) = 6/29 on average in every regular
    graph; their mean square as in graphs made by rejection, which are exactly uniform.
    """
    N, c, n = 30, 3, 400

    def shared(inputs):
        reads = np.zeros((N, N))
        np.put_along_axis(reads, inputs.astype(np.intp), 1.0, axis=1)
        return (reads @ reads.T)[np.triu_indices(N, 1)]

    rng = np.random.default_rng(7)
    kept = []
    while len(kept) < n:  # the configuration model, kept where it has no double edge
        edges = np.sort(rng.permutation(np.repeat(np.arange(N), c)).reshape(N, c), axis=1)
        if (np.diff(edges, axis=1) > 0).all():
            kept.append(np.square(shared(edges)).mean())
    found = np.array([shared(x) for x in drawn(N, c, "regular", 8, L=n)])
    np.testing.assert_allclose(found.mean(axis=1), c * (c - 1) / (N - 1))
    squares = np.square(found).mean(axis=1)
    error = np.hypot(np.std(kept), squares.std()) / np.sqrt(n)
    assert error < 0.003
    assert abs(squares.mean() - np.mean(kept)) < 3.0 * error


def test_what_is_no_graph_is_seen():
    good = drawn(6, 3, "regular")
    reads = Connectivity(6, 3, Graph.REGULAR)
    assert reads.holds(good)
    twice, outside, below, uneven = (good.copy() for _ in range(4))
    twice[0, 0, 1] = twice[0, 0, 0]
    outside[0, 0, 2] = 6
    below[0, 0, 0] = -1
    uneven[0] = [0, 1, 2]
    for bad in (twice, outside, below, uneven, good[:, :, :2], good[:, :5]):
        assert not reads.holds(bad)
    assert Connectivity(6, 3, Graph.RANDOM).holds(uneven)


def test_graph_is_drawn_again_bit_by_bit():
    """From the seed alone, whatever else the run does; another sample, another graph."""
    spec = make_spec(4.0, 2, N=5, connectivity=2, replicas=3, start="random")
    seed = np.random.SeedSequence(11)
    inputs = draw_graph(spec, seed)
    assert inputs.tolist() == [
        [[2, 4], [2, 4], [2, 3], [1, 2], [2, 3]],
        [[1, 4], [0, 3], [3, 4], [1, 2], [2, 3]],
    ]
    np.testing.assert_array_equal(draw_graph(spec, seed), inputs)
    teacher, first = starting_state(spec, seed)
    assert teacher.inputs is first.inputs
    np.testing.assert_array_equal(teacher.inputs, inputs)
    planted = make_spec(4.0, 2, N=5, connectivity=2, sampler="weights")
    np.testing.assert_array_equal(starting_state(planted, seed)[0].inputs, inputs)
    assert not np.array_equal(draw_graph(spec, np.random.SeedSequence(12)), inputs)


@pytest.mark.parametrize("graph", ["random", "regular"])
def test_wiring_lists_all_readers(graph):
    L, N, c = 2, 9, 4
    inputs = drawn(N, c, graph, 3, L)
    wiring = wire(inputs)
    np.testing.assert_array_equal(wiring.inputs, inputs)
    for layer, k in itertools.product(range(L), range(N)):
        e = slice(*wiring.first[layer, k : k + 2])
        readers, couplings = np.nonzero(inputs[layer] == k)
        np.testing.assert_array_equal(wiring.reader[layer, e], readers)
        np.testing.assert_array_equal(wiring.coupling[layer, e], couplings)
    assert wire(None) is None


def test_fields_of_a_graph():
    """Written out: h = c^-1/2 sum_k J_k S_inputs[k]; with all neurons the dense fields."""
    L, N, c, M = 2, 7, 3, 5
    rng = np.random.default_rng(2)
    inputs = drawn(N, c, "random", 4, L)
    J = connectivity.random_couplings(L, N, rng, c)
    S = network.random_signs((L + 1, N, M), rng)
    h = network.fields(J, S, inputs)
    for layer, i, mu in itertools.product(range(L), range(N), range(M)):
        terms = [float(J[layer, i, k]) * S[layer, inputs[layer, i, k], mu] for k in range(c)]
        assert h[layer, i, mu] == pytest.approx(sum(terms) / np.sqrt(3.0), abs=1e-12)
    J = connectivity.random_couplings(L, N, rng)
    every = np.broadcast_to(np.arange(N, dtype=np.int32), (L, N, N))
    np.testing.assert_allclose(network.fields(J, S, every), network.fields(J, S), atol=1e-12)
    np.testing.assert_array_equal(
        network.propagate(J, S[0], inputs=every), network.propagate(J, S[0])
    )


@pytest.mark.parametrize("c", [4, 7])
@pytest.mark.parametrize("layer", [1, 2, 3])
def test_gauge_changes_no_gap(c, layer):
    L, N, M, beta = 4, 7, 40, 1.5
    rng = np.random.default_rng(layer)
    net = network.plant(L, N, M, beta, rng, drawn(N, c, "random", 5, L))
    signs = network.random_signs((N,), rng)
    moved = network.gauge(net, layer, signs)
    assert np.abs(moved.J - net.J).max() > 1.0
    np.testing.assert_array_equal(moved.S[layer], net.S[layer] * signs[:, None])
    np.testing.assert_array_equal(np.delete(moved.S, layer, 0), np.delete(net.S, layer, 0))
    np.testing.assert_allclose(
        network.gaps(moved.J, moved.S, moved.inputs),
        network.gaps(net.J, net.S, net.inputs),
        atol=1e-12,
    )
    back = network.gauge(moved, layer, signs)
    np.testing.assert_array_equal(back.J, net.J)


def test_matching_undoes_the_gauge_and_leaves_the_neurons_in_place():
    L, N, M = 3, 8, 60
    rng = np.random.default_rng(9)
    net = network.plant(L, N, M, 2.0, rng, drawn(N, 3, "regular", 6, L))
    moved = net
    for layer, flipped in ((1, 2), (2, 5)):
        signs = np.where(np.arange(N) < flipped, -1, 1).astype(np.int8)
        moved = network.gauge(moved, layer, signs)
    assert overlaps.neuron_overlap(net, moved).tolist() == [0.5, -0.25]
    back = overlaps.match(net, moved)
    np.testing.assert_array_equal(back.S, net.S)
    np.testing.assert_array_equal(back.J, net.J)
    with pytest.raises(ValueError, match="cannot be permuted"):
        network.permute(net, 1, np.arange(N), network.random_signs((N,), rng))


def test_unrelated_networks_match_at_the_floor():
    """The mean of |sum of M = 64 signs| / M: binomial 0.09935, about sqrt(2 / (pi M)) = 0.0997."""
    L, N, M = 2, 40, 64
    found = []
    for k in range(60):
        rng = np.random.default_rng((k, 3))
        a = network.plant(L, N, M, 2.0, rng, drawn(N, 8, "random", k, L))
        b = network.start_random(a, rng)
        found.append(overlaps.neuron_overlap(a, overlaps.match(a, b))[0])
    error = np.std(found, ddof=1) / np.sqrt(60)
    assert error < 0.005
    assert abs(np.mean(found) - 0.09935) < 3.0 * error


def test_how_often_edges_are_switched(monkeypatch):
    """Ten rounds after the last double edge; a permutation, or what it leaves out, needs none."""
    doubled = []
    switch = connectivity._switch

    def watched(edges, rng):
        switch(edges, rng)
        doubled.append(bool((np.diff(np.sort(edges, axis=1), axis=1) == 0).any()))

    monkeypatch.setattr(connectivity, "_switch", watched)
    drawn(60, 20, "regular", 1)
    assert doubled[0]
    assert doubled[-11:] == [True] + 10 * [False]
    # the complement, 20 of 60 neurons that are not read, is drawn in the same way
    n = len(doubled)
    drawn(60, 40, "regular", 1)
    assert len(doubled) == 2 * n
    drawn(60, 59, "regular", 1)
    assert len(doubled) == 2 * n
