"""Chains on graphs of connectivity c < N: kernels, exact averages, and the runs around them."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from mc_exact import (
    batch_error,
    enumerate_gap,
    enumerate_weights,
    every_neuron,
    gap_averages,
    perceptron_table,
)
from test_mc_kernels import draws
from test_mc_run import CASES as DENSE
from test_mc_run import equal

from replicadnn.errors import InputError
from replicadnn.kernels.sampler import gap as gap_kernel
from replicadnn.kernels.sampler.graph import flip_steps
from replicadnn.montecarlo import connectivity, network
from replicadnn.montecarlo.chains import gap, weights
from replicadnn.montecarlo.chains.common import seed_generator, thresholds, wire
from replicadnn.montecarlo.chains.gap import GapChain
from replicadnn.montecarlo.chains.weights import WeightsChain
from replicadnn.montecarlo.connectivity import Connectivity, Graph
from replicadnn.montecarlo.network import Network
from replicadnn.montecarlo.runs.simulate import simulate
from replicadnn.montecarlo.runs.simulation import Simulation
from replicadnn.montecarlo.runs.tempering import Tempering, temper
from replicadnn.montecarlo.spec import Exchange, Potential, make_spec

pytestmark = pytest.mark.usefixtures("compiled")

CASES = {
    "gap": {"L": 3, "N": 8, "connectivity": 3, "alpha": 6.0, "beta": 2.0, "replicas": 2},
    "hard": {"L": 1, "N": 8, "connectivity": 4, "alpha": 2.0, "beta": math.inf},
    "random": {"L": 2, "N": 6, "connectivity": 5, "alpha": 3.0, "scenario": "random", "kappa": 0.1},
    "soft": {"L": 2, "N": 5, "connectivity": 2, "alpha": 6.0, "start": "random",
             "potential": "soft"},
    "weights": {"L": 3, "N": 8, "connectivity": 4, "alpha": 4.0, "sampler": "weights", "beta": 2.0,
                "graph": "regular"},
}  # fmt: skip


def drawn(N, c, graph="random", seed=0, L=1):
    return Connectivity(N, c, Graph(graph)).draw(L, np.random.default_rng(seed))


# --- the fully connected network is what it was ----------------------------------------------

#: SHA-256 (its first 16 digits) of couplings and neurons after 300 sweeps, from the code that knew
#: no graphs: all chains, then all teachers.
BEFORE = {
    "gap": "d880145005a5f68a",
    "hard": "ed0aa390e3ab12b2",
    "random": "0452987c2e17e8d3",
    "soft": "67e72abdda896c04",
    "weights": "0730c48a17994ecc",
    "greedy": "a2685805d2619b47",
}


def digest(networks):
    whole = hashlib.sha256()
    for net in networks:
        whole.update(net.J.tobytes())
        whole.update(net.S.tobytes())
    return whole.hexdigest()[:16]


@pytest.mark.parametrize("case", BEFORE)
def test_fully_connected_runs_keep_their_bits(case):
    width = DENSE[case]["N"]
    sim = Simulation(make_spec(**DENSE[case], connectivity=width, sweeps=300, samples=2, seed=9))
    sim.run(300)
    chains = [chain.network() for sample in sim.samples for chain in sample.chains]
    assert digest([*chains, *(sample.teacher for sample in sim.samples)]) == BEFORE[case]
    assert "inputs" not in sim.arrays()


def test_fully_connected_ladders_keep_their_bits():
    arguments = {"beta": 2.0, "sweeps": 200, "samples": 2, "seed": 3, "start": "random"}
    spec = make_spec(3.0, 2, N=5, replicas=2, **arguments)
    run = Tempering(spec, Exchange((0.5, 1.0, 2.0), 20, 10))
    run.run(20)
    ladders = [ladder for sample in run.samples for ladder in sample.ladders]
    found = digest([chain.network() for ladder in ladders for chain in ladder.chains])
    assert found == "2f001067dfbca7ba"


@pytest.mark.parametrize("case", ["gap", "soft", "weights"])
def test_connectivity_n_is_the_fully_connected_network(case):
    arguments = DENSE[case] | {"sweeps": 50, "samples": 2}
    one = simulate(**arguments)
    equal(one, simulate(**arguments, connectivity=arguments["N"]))
    assert one.params["connectivity"] == one.spec.N
    assert one.params["graph"] is None


@pytest.mark.parametrize("kind", ["count", "soft", "weights"])
def test_the_graph_of_all_neurons_moves_like_no_graph(kind):
    """The kernels for c < N, given the graph of the fully connected network: the same moves."""
    L, N, M, beta = 3, 18, 70, 1.3
    plant = network.plant_outputs if kind == "weights" else network.plant
    net = plant(L, N, M, beta, np.random.default_rng(1))
    chains = []
    for start in (net, Network(net.J, net.S, every_neuron(L, N))):
        seed = np.random.SeedSequence(5)
        if kind == "weights":
            chain = WeightsChain.start(start, seed, beta=beta, step=0.3)
        else:
            chain = GapChain.start(
                start, seed, beta=beta, kappa=0.1, step=0.3, potential=Potential(kind)
            )
        chain.advance(3)
        chains.append(chain)
    dense, general = chains
    assert np.count_nonzero(dense.network().S != net.S) > 100
    np.testing.assert_array_equal(general.network().S, dense.network().S)
    np.testing.assert_array_equal(general.J, dense.J)
    np.testing.assert_array_equal(general.counters, dense.counters)


# --- kernels against their twins -------------------------------------------------------------


@pytest.mark.parametrize(
    ("L", "N", "c", "M", "beta", "kappa", "graph"),
    [
        (1, 6, 3, 40, np.inf, 0.0, "random"),
        (2, 9, 2, 32, 0.7, 0.2, "random"),
        (4, 7, 6, 50, 1.3, 0.0, "regular"),
        (3, 40, 5, 70, 3.0, 0.0, "regular"),
        (3, 17, 16, 70, 0.5, 0.0, "random"),
    ],
)
def test_gap_sweep_equals_numpy(L, N, c, M, beta, kappa, graph):
    """Same random numbers, same moves: identical signs, couplings to float32 rounding."""
    inputs = drawn(N, c, graph, 3, L)
    net = network.plant(L, N, M, beta, np.random.default_rng(1), inputs)
    seed = np.random.SeedSequence(5)
    chain = GapChain.start(net, seed, beta=beta, kappa=kappa, step=0.3)
    draw = draws(seed)
    J, S, h = net.J.astype(float), net.S.astype(float), network.fields(net.J, net.S, inputs)
    for _ in range(4):
        chain.advance(1)
        gap.sweep_numpy(J, S, h, beta=beta, kappa=kappa, step=0.3, draw=draw, inputs=inputs)
    found = chain.network()
    assert np.abs(J - net.J).max() > 0.3
    np.testing.assert_array_equal(found.S, S)
    np.testing.assert_array_equal(found.inputs, inputs)
    np.testing.assert_allclose(found.J, J, atol=2e-6)
    np.testing.assert_allclose(gap.unpack(chain.h, M), h, atol=5e-6)
    np.testing.assert_allclose(h, network.fields(J, found.S, inputs), atol=1e-12)


@pytest.mark.parametrize(
    ("L", "N", "c", "M", "beta", "graph"),
    [
        (1, 5, 3, 20, 1.0, "random"),
        (3, 7, 2, 50, 1.3, "random"),
        (3, 20, 4, 21, 0.7, "regular"),
        (2, 6, 5, 9, np.inf, "regular"),
    ],
)
def test_weights_sweep_equals_numpy(L, N, c, M, beta, graph):
    rng = np.random.default_rng(2)
    inputs = drawn(N, c, graph, 4, L)
    net = network.plant_outputs(L, N, M, beta, rng, inputs)
    if not np.isfinite(beta):
        net = network.start_random(net, rng)
    seed = np.random.SeedSequence(6)
    chain = WeightsChain.start(net, seed, beta=beta, step=0.3)
    draw, J = draws(seed), net.J.astype(float)
    for _ in range(3):
        chain.advance(1)
        energy = weights.sweep_numpy(
            J, net.S[0], net.S[L], beta=beta, step=0.3, draw=draw, inputs=inputs
        )
        assert chain.energy() == energy
    np.testing.assert_allclose(chain.J, J, atol=5e-6)
    np.testing.assert_array_equal(chain.network().S, network.propagate(J, net.S[0], inputs=inputs))


def test_running_state_equals_recomputation():
    """600 sweeps (two recomputations inside), both samplers."""
    L, N, c, M, beta = 3, 12, 4, 45, 2.0
    inputs = drawn(N, c, "random", 7, L)
    net = network.plant(L, N, M, beta, np.random.default_rng(3), inputs)
    chain = GapChain.start(net, np.random.SeedSequence(1), beta=beta, step=0.3)
    for n in (250, 350):
        chain.advance(n)
        now = chain.network()
        h = network.fields(now.J, now.S, inputs)
        np.testing.assert_allclose(gap.unpack(chain.h, M), h, atol=3e-5)
        np.testing.assert_allclose(np.square(now.J).sum(-1), 4.0, rtol=3e-5)
        found = network.violations(now.J, now.S, inputs=inputs)
        np.testing.assert_array_equal(chain.violations(), found)
        np.testing.assert_array_equal(now.S[[0, L]], net.S[[0, L]])
    net = network.plant_outputs(L, N, M, beta, np.random.default_rng(3), inputs)
    student = WeightsChain.start(net, np.random.SeedSequence(1), beta=beta, step=0.3)
    student.advance(300)
    now = student.network()
    np.testing.assert_array_equal(now.S, network.propagate(now.J, net.S[0], inputs=inputs))
    np.testing.assert_allclose(np.square(now.J).sum(-1), 4.0, rtol=3e-5)
    assert student.energy() == np.count_nonzero(now.S[L] != net.S[L])


def test_a_run_commutes_with_the_sign_gauge():
    """Signs of hidden neurons leave every acceptance of the flips, hence their run, the same."""
    L, N, c, M, beta = 3, 9, 4, 40, 1.5
    rng = np.random.default_rng(9)
    net = network.plant(L, N, M, beta, rng, drawn(N, c, "random", 8, L))
    signs = network.random_signs((N,), rng)
    runs = []
    for start in (net, network.gauge(net, 2, signs)):
        chain = GapChain.start(start, np.random.SeedSequence(4), beta=beta, step=0.0)
        chain.advance(20)  # step 0: couplings rest, neurons flip
        runs.append(chain.network())
    assert np.count_nonzero(runs[0].S != net.S) > 50
    np.testing.assert_array_equal(network.gauge(runs[0], 2, signs).S, runs[1].S)


# --- exact averages --------------------------------------------------------------------------

#: Three neurons that read two each; neuron 1 of layer 1 is read three times, 2 once.
READS = np.array(
    [[[0, 1], [1, 2], [0, 2]], [[0, 1], [1, 2], [0, 1]], [[0, 2], [0, 1], [1, 2]]], np.int32
)
DATA = {
    2: (np.array([[1, 1], [1, -1], [-1, 1]]), np.array([[1, -1], [1, 1], [-1, -1]])),
    3: (
        np.array([[1, 1, -1], [1, -1, -1], [-1, 1, 1]]),
        np.array([[1, -1, -1], [1, 1, -1], [-1, 1, -1]]),
    ),
}


@pytest.mark.parametrize(
    ("L", "M", "beta", "kappa"),
    [(1, 3, 1.5, 0.0), (2, 2, 1.0, 0.0), (2, 3, 2.0, 0.0), (3, 2, 1.5, 0.0), (2, 2, 1.5, 0.4)],
)
def test_gap_sampler_against_enumeration(L, M, beta, kappa):
    S0, SL = DATA[M]
    exact = enumerate_gap(S0, SL, L, beta, kappa, READS[:L])
    expected = np.concatenate([exact["energy"], exact["correlation"], exact["product"]])
    mean, error = gap_averages(
        S0, SL, L, beta, kappa, chains=16, measures=1500, every=4, burn=100, seed=(L, M, 7),
        inputs=READS[:L],
    )  # fmt: skip
    assert error.max() < 0.03
    np.testing.assert_array_less(np.abs(mean - expected), 3.0 * error)


def test_every_hidden_state_has_its_probability():
    """L = 2, M = 2: the 64 states of three hidden neurons, chi^2 with errors over chains."""
    M, beta = 2, 2.5
    S0, SL = DATA[M]
    table = perceptron_table(0.0, beta, M)
    number = {(1, 1): 0, (1, -1): 1, (-1, 1): 2, (-1, -1): 3}
    states = np.array(np.meshgrid(*[[1, -1]] * 6, indexing="ij")).reshape(6, 64)
    exact = np.ones(64)
    for s in range(64):
        S = [S0, states[:, s].reshape(3, 2), SL]
        for layer in (1, 2):
            for i in range(3):
                read = S[layer - 1][READS[layer - 1, i]]
                x = tuple(number[tuple(read[:, mu])] for mu in range(M))
                exact[s] *= table[x, tuple(int(v) for v in S[layer][i])][0]
    exact /= exact.sum()
    rows = []
    for child in np.random.SeedSequence(15).spawn(30):
        data = np.ones((3, 3, M), np.int8)
        data[0], data[2] = S0, SL
        start = Network(np.ones((2, 3, 2), np.float32), data, READS[:2])
        net = network.start_random(start, np.random.default_rng(child.spawn(1)[0]))
        chain = GapChain.start(net, child, beta=beta, step=1.0)
        chain.advance(50)
        counts = np.zeros(64)
        for _ in range(1500):
            chain.advance(2)
            down = chain.S[1, 0, :, :M].reshape(6) < 0
            counts[int(down @ (2 ** np.arange(5, -1, -1)))] += 1
        rows.append(counts / 1500)
    mean, error = batch_error(rows)
    assert np.mean(((mean - 1 / 64) / error) ** 2) > 20.0  # they are not equally probable
    z = (mean - exact) / error
    assert np.abs(z).max() < 4.0  # of 64
    assert np.mean(z**2) == pytest.approx(1.0, abs=3.0 * np.sqrt(2.0 / 64) * 30 / 25)


@pytest.mark.parametrize(("L", "M", "beta"), [(1, 3, 1.0), (2, 3, 1.0), (3, 2, 0.7)])
def test_weights_sampler_against_enumeration(L, M, beta):
    S0, SL = DATA[M]
    expected = enumerate_weights(S0, SL, L, beta, READS[:L])
    data = np.ones((L + 1, 3, M), np.int8)
    data[0], data[L] = S0, SL
    start = Network(np.ones((L, 3, 2), np.float32), data, READS[:L])
    rows = []
    for child in np.random.SeedSequence((L, M, 11)).spawn(16):
        net = network.start_random(start, np.random.default_rng(child.spawn(1)[0]))
        chain = WeightsChain.start(net, child, beta=beta, step=1.0)
        chain.advance(100)
        sums = np.zeros(L + 1)
        for _ in range(1500):
            chain.advance(4)
            S = chain.state.S
            sums += [chain.energy(), *(S[:, 0, 0] * S[:, 1, 0])]
        rows.append(sums / 1500)
    mean, error = batch_error(rows)
    assert error.max() < 0.05
    np.testing.assert_array_less(np.abs(mean - expected), 3.0 * error)


@pytest.mark.parametrize("potential", ["count", "soft"])
def test_gap_sampler_against_weighted_sampling(potential):
    """N = 4, c = 3, L = 2: uniform (J, S), weighted with exp(-beta H)."""
    L, N, c, M, beta = 2, 4, 3, 2, 0.8 if potential == "count" else 4.0
    rng = np.random.default_rng(20)
    inputs = drawn(N, c, "random", 5, L)
    S0, SL = network.random_signs((N, M), rng), network.random_signs((N, M), rng)
    J = connectivity.normalised(rng.standard_normal((400_000, L, N, c)))
    S1 = rng.choice(np.array([-1, 1], np.int8), size=(len(J), N, M))
    r1 = np.einsum("tik,ikm->tim", J[:, 0], S0[inputs[0]].astype(np.float32)) * S1
    r2 = np.einsum("tik,tikm->tim", J[:, 1], S1[:, inputs[1]].astype(np.float32)) * SL
    cost = [(r < 0).astype(float) for r in (r1, r2)]
    if potential == "soft":
        cost = [0.5 * np.minimum(r / np.sqrt(c), 0.0) ** 2 for r in (r1, r2)]
    H = sum(v.sum(axis=(1, 2)) for v in cost)
    weight = np.exp(-beta * H).reshape(40, -1)
    columns = [H, (r1 < 0).sum(axis=(1, 2)), (r2 < 0).sum(axis=(1, 2)), S1[:, 0, 0] * S1[:, 0, 1]]
    columns.append(J[:, 1, 0, 0] * J[:, 1, 0, 1])
    blocks = [(x.reshape(40, -1) * weight).sum(axis=1) / weight.sum(axis=1) for x in columns]
    expected, expected_error = batch_error(np.stack(blocks, axis=1))
    data = np.ones((L + 1, N, M), np.int8)
    data[0], data[L] = S0, SL
    rows = []
    for child in np.random.SeedSequence(42).spawn(16):
        start = Network(np.ones((L, N, c), np.float32), data, inputs)
        net = network.start_random(start, np.random.default_rng(child.spawn(1)[0]))
        chain = GapChain.start(net, child, beta=beta, step=1.0, potential=Potential(potential))
        chain.advance(100)
        sums = np.zeros(5)
        for _ in range(1000):
            chain.advance(3)
            S, J_2 = chain.S[1, 0, 0], chain.J[1, 0]
            sums += [chain.energy(), *chain.violations(), S[0] * S[1], J_2[0] * J_2[1]]
        rows.append(sums / 1000)
    mean, error = batch_error(rows)
    sigma = np.hypot(error, expected_error)
    assert sigma.max() < 0.05
    np.testing.assert_array_less(np.abs(mean - expected), 3.0 * sigma)


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_planted_energy_stays(beta):
    """Planting is exact on any graph: every layer keeps p = 1/(1 + e^beta), both samplers."""
    L, N, c, M = 3, 10, 3, 40
    rows = []
    for k in range(24):
        inputs = drawn(N, c, "random", k, L)
        net = network.plant(L, N, M, beta, np.random.default_rng((k, 1)), inputs)
        chain = GapChain.start(net, np.random.SeedSequence(k), beta=beta, step=0.3)
        net = network.plant_outputs(L, N, M, beta, np.random.default_rng((k, 2)), inputs)
        student = WeightsChain.start(net, np.random.SeedSequence(k), beta=beta, step=0.3)
        mean = np.zeros(L + 1)
        for _ in range(20):
            chain.advance(10)
            student.advance(5)
            mean[:L] += chain.violations() / (20 * N * M)
            mean[L] += student.energy() / (20 * N * M)
        rows.append(mean)
    mean, error = batch_error(rows)
    assert error.max() < 0.01
    np.testing.assert_array_less(np.abs(mean - network.error_rate(beta)), 3.0 * error)


# --- single moves ----------------------------------------------------------------------------


@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.slow
def test_rotations_satisfy_detailed_balance(layer):
    """From exact equilibrium samples, one rotation a perceptron: <f0 g1> = <g0 f1>."""
    beta, L, N, c, M, step = 1.0, 2, 4, 3, 4, 1.5
    rng = np.random.default_rng(33)
    state = seed_generator(np.random.SeedSequence(34))
    row, accept = np.empty(32, np.float32), thresholds(beta, M)
    inputs = drawn(N, c, "random", 6, L)

    def observables(chain):
        J = chain.J[layer - 1]
        return np.array([chain.energy(), J[0, 0], J[0, 0] ** 2, J[0, 1] * J[0, 2], J[1, 1] ** 4])

    odd = []
    for _ in range(10000):
        net = network.plant(L, N, M, beta, rng, inputs)
        chain = GapChain.start(net, np.random.SeedSequence(0), beta=beta)
        before = observables(chain)
        arrays = (chain.J, chain.S, chain.h, chain.wiring)
        gap_kernel.rotate_layer(*arrays, M, layer, 1, step, accept, 0.0, state, row)
        after = observables(chain)
        odd.append((np.outer(before, after) - np.outer(after, before))[np.triu_indices(5, 1)])
    mean, error = batch_error(odd)
    assert np.all(error > 0)
    np.testing.assert_array_less(np.abs(mean), 3.0 * error)


def test_flip_acceptance_is_metropolis():
    """All states of a hidden layer, many copies: accepted fraction = min(1, e^(-beta dH))."""
    beta, N, c, copies = 0.8, 6, 4, 1600
    rng = np.random.default_rng(4)
    inputs = drawn(N, c, "random", 2, 2)
    J = connectivity.random_couplings(2, N, rng, c)
    states = np.array(np.meshgrid(*[[-1, 1]] * N)).reshape(N, -1)
    M = states.shape[1] * copies
    S = np.empty((3, N, M), np.int8)
    S[0] = network.random_signs((N, 1), rng)
    S[1] = np.tile(states, copies)
    S[2] = network.random_signs((N, 1), rng)

    # only neuron 0 is tested: the others follow it in the same kernel call
    def energy(a):
        return (network.gaps(J, a, inputs) < 0).sum(axis=(0, 1))

    flipped = S.copy()
    flipped[1, 0] *= -1
    cost = (energy(flipped) - energy(S))[: states.shape[1]]
    packed, h = gap.pack(S), gap.pack(network.fields(J, S, inputs))
    wiring, column = wire(inputs), np.empty(N * c, np.float32)
    flip_steps(J, wiring, 1, column)
    state = seed_generator(np.random.SeedSequence(8))
    u = np.empty(N * 32, np.uint32)
    gap_kernel.flip_neurons(packed, h, wiring, 1, column, thresholds(beta, N), 0.0, state, u)
    after = packed.transpose(0, 2, 1, 3).reshape(3, N, M)[1, 0]
    fraction = (after != S[1, 0]).reshape(copies, -1).mean(axis=0)
    expected = np.exp(-beta * np.maximum(cost, 0))
    assert set(cost) >= {-1, 0, 1}
    sigma = np.sqrt(expected * (1 - expected) / copies)
    assert np.all(fraction[cost <= 0] == 1.0)
    z = (fraction - expected)[cost > 0] / sigma[cost > 0]
    assert np.mean(z**2) == pytest.approx(1.0, abs=3.0 * np.sqrt(2.0 / len(z)))


@pytest.mark.parametrize("M", [20, 33])
def test_accepted_flips_are_those_of_real_patterns(M):
    inputs = drawn(6, 3, "random", 3, 3)
    net = network.plant(3, 6, M, 0.7, np.random.default_rng(1), inputs)
    chain = GapChain.start(net, np.random.SeedSequence(2), beta=0.7, step=0.3)
    changed = np.zeros(2)
    for _ in range(3):
        before = chain.network().S
        chain.advance(1)
        changed += (before != chain.network().S)[1:-1].mean(axis=(1, 2)) / 3
    np.testing.assert_allclose(chain.acceptance()[1], changed, rtol=1e-12)
    assert np.all((changed > 0.2) & (changed < 0.9))


def test_a_neuron_that_nobody_reads():
    """Free but for its own gap: flipped at will where that is cheap, and nothing else changes."""
    inputs = np.array([[[0, 1], [1, 2], [0, 2]], [[0, 1], [0, 1], [0, 1]]], np.int32)
    net = network.plant(2, 3, 64, 1.0, np.random.default_rng(0), inputs)
    chain = GapChain.start(net, np.random.SeedSequence(1), beta=1.0, step=0.0)
    chain.advance(200)
    now = chain.network()
    violated = (network.gaps(now.J, now.S, inputs) < 0)[0, 2].mean()
    assert abs(violated - network.error_rate(1.0)) < 4.0 * np.sqrt(0.27 * 0.73 / 64)
    np.testing.assert_array_equal(chain.violations(), network.violations(now.J, now.S, 0.0, inputs))


# --- runs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_threads_and_blocks_leave_no_trace(case):
    arguments = CASES[case] | {"sweeps": 100, "samples": 3, "seed": 4}
    one = simulate(**arguments)
    equal(one, simulate(**arguments, threads=3))
    sim = Simulation(make_spec(**arguments))
    for until in (1, 2, 50, 100):
        sim.run(until)
    equal(one, sim.result())


@pytest.mark.parametrize("case", CASES)
def test_resume_is_bit_identical(case):
    spec = make_spec(**CASES[case], sweeps=300, samples=2, seed=9)
    through = Simulation(spec)
    through.run(through.total)
    first = Simulation(spec)
    first.run(128)
    saved = {name: array.copy() for name, array in first.arrays().items()}
    first.run(first.total)  # must not reach into what was saved
    second = Simulation(spec, saved)
    second.run(second.total)
    equal(through.result(), second.result())
    for name, array in through.arrays().items():
        np.testing.assert_array_equal(array, second.arrays()[name], err_msg=name)


def test_ladders_resume_on_their_graphs():
    arguments = {"beta": 2.0, "sweeps": 200, "samples": 2, "seed": 3, "start": "random"}
    spec = make_spec(3.0, 2, N=6, replicas=2, connectivity=3, graph="regular", **arguments)
    exchange = Exchange((0.5, 1.0, 2.0), 20, 10)
    through, first = Tempering(spec, exchange), Tempering(spec, exchange)
    through.run(20)
    first.run(7)
    second = Tempering(spec, exchange, first.arrays())
    second.run(20)
    equal(through.result(), second.result())
    for sample in second.samples:
        for ladder in sample.ladders:
            for chain in ladder.chains:
                np.testing.assert_array_equal(chain.wiring.inputs, sample.teacher.inputs)


def test_a_run_continues_on_the_graph_that_was_saved():
    """Not on one drawn anew: a state stays good where the generator of another numpy differs."""
    spec = make_spec(3.0, 2, N=6, connectivity=3, sweeps=40, samples=2, seed=1)
    saved = Simulation(spec).arrays()
    assert saved["inputs"].shape == (2, 2, 6, 3)
    other = np.stack([drawn(6, 3, "random", 90 + k, 2) for k in range(2)])
    moved = Simulation(spec, saved | {"inputs": other})
    for sample, inputs in zip(moved.samples, other, strict=True):
        np.testing.assert_array_equal(sample.teacher.inputs, inputs)
        np.testing.assert_array_equal(sample.chains[0].wiring.inputs, inputs)


def test_what_is_no_graph_is_refused():
    spec = make_spec(3.0, 2, N=6, connectivity=3, graph="regular", sweeps=4, samples=2)
    saved = Simulation(spec).arrays()
    for place, value in (((0, 0, 0, 0), -1), ((1, 1, 5, 2), 6), ((0, 0, 0, 0), 5)):
        bad = saved["inputs"].copy()
        bad[place] = value
        with pytest.raises(InputError, match="state = 'inputs': must be regular graphs"):
            Simulation(spec, saved | {"inputs": bad})
    for bad in (saved["inputs"].astype(np.int64), saved["inputs"][:1]):
        with pytest.raises(InputError, match=r"graphs int32\(2, 2, 6, 3\)"):
            Simulation(spec, saved | {"inputs": bad})
    with pytest.raises(InputError, match="inputs: absent"):
        Simulation(spec, {n: a for n, a in saved.items() if n != "inputs"})
    dense = make_spec(3.0, 2, N=6, sweeps=4, samples=2)
    with pytest.raises(InputError, match="inputs: int32"):
        Simulation(dense, Simulation(dense).arrays() | {"inputs": saved["inputs"]})


def test_starts_and_replicas_share_the_graph_and_the_data():
    arguments = {"connectivity": 3, "sweeps": 4, "samples": 2, "seed": 5, "beta": 1.0}
    runs = [
        Simulation(make_spec(4.0, 2, N=6, start=start, replicas=replicas, **arguments))
        for start, replicas in (("planted", 1), ("random", 1), ("planted", 3))
    ]
    first, *others = (run.samples[1].teacher for run in runs)
    for other in others:
        np.testing.assert_array_equal(other.inputs, first.inputs)
        np.testing.assert_array_equal(other.J, first.J)
        np.testing.assert_array_equal(other.S, first.S)
    assert not np.array_equal(runs[0].samples[0].teacher.inputs, first.inputs)


def test_overlaps_of_a_diluted_run():
    """Planted: matched overlaps begin at 1; ladders report them; test error below chance."""
    run = simulate(8.0, 2, N=8, connectivity=4, beta=3.0, sweeps=100, samples=4, replicas=2)
    for name in ("R", "R_matched", "Q"):
        np.testing.assert_allclose(run.series[name][0], 1.0, atol=1e-6)
    assert (run.last_octave["R_matched"] > 0.3).all()
    assert run.last_octave["test_error"][-1] < 0.4
    assert (run.spec.M, run.params["alpha"]) == (32, 8.0)
    ladder = temper(
        4.0, 2, N=6, betas=(1.0, 2.0), rounds=8, samples=2, replicas=2, connectivity=3,
        graph="regular",
    )  # fmt: skip
    assert np.isfinite(ladder.last_octave["Q_matched"]).all()
    assert np.isfinite(ladder.q_self).all()
