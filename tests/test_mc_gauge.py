"""Overlaps whatever the signs of hidden neurons: of nothing, of the same network, in between."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from mc_exact import batch_error

from replicadnn.montecarlo import network
from replicadnn.montecarlo.connectivity import Graph
from replicadnn.montecarlo.measure import gauge, overlaps
from replicadnn.montecarlo.measure.registry import free_overlaps, teacher_overlaps
from replicadnn.montecarlo.network import Network
from replicadnn.montecarlo.spec import Start, make_spec

L, N, M, C = 3, 24, 40, 8


def diluted(rng: np.random.Generator, *, c: int = C, N: int = N, M: int = M, L: int = L) -> Network:
    """Couplings on spheres, neurons and inputs that follow no rule, c neurons read by each."""
    J = rng.standard_normal((L, N, c))
    J *= np.sqrt(c / np.square(J).sum(axis=2, keepdims=True))
    inputs = np.stack([[np.sort(rng.permutation(N)[:c]) for _ in range(N)] for _ in range(L)])
    S = network.random_signs((L + 1, N, M), rng)
    return Network(J.astype(np.float32), S, inputs.astype(np.int32))


def unrelated(net: Network, rng: np.random.Generator) -> Network:
    """On the same graph, with the same inputs and outputs."""
    other = diluted(rng, c=net.J.shape[2], N=net.J.shape[1], M=net.S.shape[2], L=len(net.J))
    other.S[0], other.S[-1] = net.S[0], net.S[-1]
    return replace(other, inputs=net.inputs)


def flipped(net: Network, rng: np.random.Generator) -> Network:
    """Random signs of hidden neurons, with the couplings that they have and that read them."""
    J, S = net.J.copy(), net.S.copy()
    for layer in range(1, len(J)):
        signs = network.random_signs((J.shape[1],), rng)
        S[layer] *= signs[:, None]
        J[layer - 1] *= signs[:, None]
        J[layer] *= signs[None, :] if net.inputs is None else signs[net.inputs[layer]]
    return Network(J, S, net.inputs)


def near(net: Network, Q: float, wrong: float, rng: np.random.Generator) -> Network:
    """Couplings at overlap about Q with those of ``net``; a share of the neurons' signs differ."""
    J = Q * net.J + math.sqrt(1.0 - Q * Q) * unrelated(net, rng).J
    J *= np.sqrt(net.J.shape[2] / np.square(J).sum(axis=2, keepdims=True))
    errors = np.where(rng.random(net.S[1:-1].shape) < wrong, -1, 1).astype(np.int8)
    S = net.S.copy()
    S[1:-1] *= errors
    return Network(J.astype(np.float32), S, net.inputs)


def both(a: Network, b: Network) -> np.ndarray:
    return np.concatenate([gauge.coupling_overlap(a, b), gauge.neuron_overlap(a, b)])


@pytest.mark.parametrize("dense", [False, True])
def test_nothing_depends_on_the_signs_of_hidden_neurons(dense: bool) -> None:
    rng = np.random.default_rng(1)
    a = diluted(rng, c=N if dense else C)
    a = replace(a, inputs=None) if dense else a
    b = near(a, 0.8, 0.1, rng)
    expected = both(a, b)
    for one, other in ((a, flipped(b, rng)), (flipped(a, rng), b)):
        np.testing.assert_array_equal(both(one, other), expected)
    assert np.abs(overlaps.neuron_overlap(a, flipped(b, rng))).max() < 0.5
    assert expected[L:].min() > 0.7


@pytest.mark.parametrize("c", [2, 8, 24])
def test_unrelated_networks_have_no_overlap(c: int) -> None:
    """400 pairs on the same graph: 0 within three standard errors, which are below 0.01."""
    rng = np.random.default_rng(2)
    found = []
    for _ in range(400):
        a = diluted(rng, c=c)
        found.append(both(a, unrelated(a, rng)))
    mean, error = batch_error(found)
    assert error.max() < 0.01
    np.testing.assert_array_less(np.abs(mean), 3.0 * error)
    # with signs of its own every neuron would have 0.8/sqrt(40)
    rms = [np.abs((a.S[1] * unrelated(a, rng).S[1]).mean(axis=1)).mean() for _ in range(20)]
    assert np.mean(rms) == pytest.approx(math.sqrt(2.0 / (math.pi * M)), rel=0.1)


def test_solid_networks_have_their_raw_overlap() -> None:
    """No neuron is flipped and no sign is wrong: equal, not only near."""
    rng = np.random.default_rng(3)
    a = diluted(rng)
    b = near(a, 0.97, 0.03, rng)
    raw = np.concatenate([overlaps.coupling_overlap(a, b), overlaps.neuron_overlap(a, b)])
    assert raw.min() > 0.9
    np.testing.assert_allclose(both(a, b), raw, rtol=1e-12)
    np.testing.assert_allclose(both(a, a), 1.0, rtol=1e-6)
    np.testing.assert_allclose(both(a, flipped(a, rng)), 1.0, rtol=1e-6)


def test_partly_solid_networks_are_read_a_little_low() -> None:
    """A wrong sign costs: Q = 0.69 of c = 8 is read as 0.67, q = 0.6 of 40 patterns as it is."""
    rng = np.random.default_rng(4)
    found, raw = [], []
    for _ in range(200):
        a = diluted(rng)
        b = near(a, 0.7, 0.2, rng)
        found.append(both(a, flipped(b, rng)))
        raw.append(np.concatenate([overlaps.coupling_overlap(a, b), overlaps.neuron_overlap(a, b)]))
    mean, error = batch_error(np.array(found) - np.array(raw))
    assert np.mean(raw, axis=0) == pytest.approx([0.69, 0.69, 0.69, 0.6, 0.6], abs=0.01)
    np.testing.assert_allclose(mean[[0, 1]], -0.02, atol=3.0 * error[:2].max())
    np.testing.assert_allclose(mean[2:], 0.0, atol=1e-3)
    assert error.max() < 0.007


def test_a_melted_layer_below_hides_a_solid_one() -> None:
    """Neurons of layer 1 unrelated, couplings of layer 2 the same: their signs are unknown."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(200):
        a = diluted(rng)
        S = a.S.copy()
        S[1] = network.random_signs((N, M), rng)
        found.append(both(a, Network(a.J, S, a.inputs)))
    mean, error = batch_error(found)
    assert abs(mean[1]) < 3.0 * error[1]  # Q(2)
    assert abs(mean[L]) < 3.0 * error[L]  # q(1)
    np.testing.assert_allclose(mean[[0, 2, L + 1]], 1.0, rtol=1e-6)


def test_floor_of_liquid_layers_whose_neurons_follow_their_couplings() -> None:
    """(2/pi)^(3/2) / sqrt(c) for M >> c: two random perceptrons do agree or disagree a little."""
    rng = np.random.default_rng(6)
    found = []
    for _ in range(20):
        a = diluted(rng, c=16, N=64, M=4000, L=2)
        b = unrelated(a, rng)
        for net in (a, b):
            assert net.inputs is not None
            h = (net.J[0][:, :, None] * net.S[0][net.inputs[0]]).sum(axis=1)
            net.S[1] = np.where(h >= 0, 1, -1)
        found.append(gauge.neuron_overlap(a, b)[0])
    assert np.mean(found) == pytest.approx(0.508 / 4.0, abs=0.006)


def test_one_pattern_tells_no_sign() -> None:
    rng = np.random.default_rng(7)
    a = diluted(rng, M=1)
    assert np.isnan(gauge.neuron_overlap(a, a)).all()
    odd = diluted(rng, M=3)
    np.testing.assert_allclose(gauge.neuron_overlap(odd, odd), 1.0)


def test_which_overlaps_no_relabelling_changes() -> None:
    """Matched in a fully connected network, whatever the signs in a diluted one."""
    spec = make_spec(2.0, 3, N=10, start=Start.RANDOM)
    assert free_overlaps(spec) == ("R_matched", "r_matched")
    assert free_overlaps(spec, teacher=False) == ("Q", "q")
    planted = replace(spec, start=Start.PLANTED)
    assert teacher_overlaps(spec) == ("R_matched", "r_matched")
    assert teacher_overlaps(planted) == ("R", "r")
    spec, planted = (replace(one, connectivity=4, graph=Graph.RANDOM) for one in (spec, planted))
    assert free_overlaps(spec) == ("R_gauge", "r_gauge")
    assert free_overlaps(spec, teacher=False) == ("Q_gauge", "q_gauge")
    assert teacher_overlaps(spec) == teacher_overlaps(planted) == ("R_gauge", "r_gauge")


def test_sums_are_those_written_out() -> None:
    """The closed form of the neurons and the couplings, one term after the other."""
    rng = np.random.default_rng(8)
    a = diluted(rng, c=3, N=5, M=4)
    b = near(a, 0.5, 0.3, rng)
    s = (a.S * b.S).astype(int)
    for l in range(1, L):
        q = [np.sign(row.sum() - one) * one for row in s[l] for one in row]
        assert gauge.neuron_overlap(a, b)[l - 1] == pytest.approx(np.mean(q))
    assert a.inputs is not None
    for l in range(1, L + 1):
        Q = []
        for i in range(5):
            read = a.inputs[l - 1, i]
            below = np.sign(s[l - 1][read].sum(axis=1)) if l > 1 else np.ones(3)
            p = below * a.J[l - 1, i] * b.J[l - 1, i]
            Q += [(np.sign(p.sum() - p[k]) if l < L else 1.0) * p[k] for k in range(3)]
        assert gauge.coupling_overlap(a, b)[l - 1] == pytest.approx(np.mean(Q))
