"""The samplers against exact enumeration and rejection sampling of tiny networks."""

from __future__ import annotations

import numpy as np
import pytest
from mc_exact import batch_error, cone_overlap, enumerate_gap, enumerate_weights, gap_averages

from replicadnn.montecarlo import connectivity, network
from replicadnn.montecarlo.chains.gap import GapChain
from replicadnn.montecarlo.chains.weights import WeightsChain
from replicadnn.montecarlo.network import Network
from replicadnn.montecarlo.runs.simulate import simulate
from replicadnn.montecarlo.spec import Potential

pytestmark = pytest.mark.usefixtures("compiled")


DATA = {
    2: (np.array([[1, 1], [1, -1]]), np.array([[1, -1], [1, 1]])),
    3: (np.array([[1, 1, -1], [1, -1, -1]]), np.array([[1, -1, -1], [1, 1, -1]])),
}


@pytest.mark.parametrize(
    ("L", "M", "beta", "kappa"),
    [(1, 3, 1.5, 0.0), (2, 2, 1.0, 0.0), (2, 3, 2.0, 0.0), (3, 2, 1.5, 0.0), (2, 2, 1.5, 0.4)],
)
def test_gap_sampler_against_enumeration(L, M, beta, kappa):
    S0, SL = DATA[M]
    exact = enumerate_gap(S0, SL, L, beta, kappa)
    expected = np.concatenate([exact["energy"], exact["correlation"], exact["product"]])
    mean, error = gap_averages(
        S0, SL, L, beta, kappa, chains=16, measures=1500, every=4, burn=100, seed=(L, M, 7)
    )
    assert error.max() < 0.03
    np.testing.assert_array_less(np.abs(mean - expected), 3.0 * error)


def test_hard_constraint_against_enumeration():
    """L = 1, beta = inf: uniform on the arc of solutions."""
    S0, SL = np.array([[1, 1], [1, -1]]), np.array([[1, 1], [1, -1]])
    exact = enumerate_gap(S0, SL, 1, np.inf, 0.0)
    mean, error = gap_averages(
        S0, SL, 1, np.inf, 0.0, chains=16, measures=1500, every=4, burn=100, seed=3
    )
    assert exact["energy"][0] == 0.0 == mean[0]
    assert abs(mean[1] - exact["product"][0]) < 3.0 * error[1] < 0.05


@pytest.mark.slow
def test_hard_constraint_against_sampling_of_the_cone():
    """L = 1, N = 20, alpha = 2: R by two routes that share nothing, and above the dense limit.

    The excess over N = infinity is a finite-size effect of about 0.21/N (docs/sampler.md).
    """
    rng = np.random.default_rng(51)
    cone = [cone_overlap(20, 40, 10, rng)[3:].mean() for _ in range(700)]
    R, error = batch_error(cone)
    run = simulate(2.0, 1, N=20, burn_in=1000, sweeps=1500, samples=60, seed=52, test_patterns=0)
    (found,), (found_error,) = batch_error(run.samples["R"])
    assert np.hypot(error, found_error) < 0.005
    assert abs(found - R) < 3.0 * np.hypot(error, found_error)
    assert found == pytest.approx(0.7283 + 0.21 / 20, abs=3.0 * found_error)


def test_gap_sampler_against_rejection_sampling():
    """N = 3, L = 2: uniform (J, S), kept with probability exp(-beta H)."""
    L, N, M, beta = 2, 3, 3, 0.7
    rng = np.random.default_rng(20)
    S0 = network.random_signs((N, M), rng)
    SL = network.random_signs((N, M), rng)
    kept = []
    for _ in range(12):
        n = 100_000
        J = connectivity.normalised(rng.standard_normal((n, L, N, N)))
        S1 = rng.choice(np.array([-1, 1], np.int8), size=(n, N, M))
        v1 = ((J[:, 0] @ S0) * S1 < 0).sum(axis=(1, 2))
        v2 = ((J[:, 1] @ S1) * SL < 0).sum(axis=(1, 2))
        yes = rng.random(n) < np.exp(-beta * (v1 + v2))
        columns = [v1, v2, S1[:, 0, 0] * S1[:, 0, 1], J[:, 0, 0, 0] * J[:, 0, 0, 1]]
        columns.append(J[:, 1, 0, 0] * J[:, 1, 0, 1])
        kept.append(np.stack([c[yes] for c in columns], axis=1))
    sample = np.concatenate(kept)
    expected, expected_error = batch_error(sample)
    mean, error = gap_averages(
        S0, SL, L, beta, 0.0, chains=16, measures=1500, every=4, burn=100, seed=21
    )
    assert len(sample) > 5000
    sigma = np.hypot(error, expected_error)
    np.testing.assert_array_less(np.abs(mean - expected), 3.0 * sigma)


def test_flip_acceptance_is_metropolis():
    """All 2^6 states of a hidden layer, many copies: accepted fraction = min(1, e^(-beta dH))."""
    from replicadnn.kernels.sampler import gap as kernel
    from replicadnn.kernels.sampler.graph import flip_steps
    from replicadnn.montecarlo.chains.common import seed_generator, thresholds
    from replicadnn.montecarlo.chains.gap import pack

    beta, N, copies = 0.8, 6, 1600
    rng = np.random.default_rng(4)
    J = connectivity.random_couplings(2, N, rng)
    states = np.array(np.meshgrid(*[[-1, 1]] * N)).reshape(N, -1)
    M = states.shape[1] * copies
    S = np.empty((3, N, M), np.int8)
    S[0] = network.random_signs((N, 1), rng)
    S[1] = np.tile(states, copies)
    S[2] = network.random_signs((N, 1), rng)

    # only neuron 0 is tested: the others follow it in the same kernel call
    def energy(a):
        return (network.gaps(J, a) < 0).sum(axis=(0, 1))

    flipped = S.copy()
    flipped[1, 0] *= -1
    cost = (energy(flipped) - energy(S))[: states.shape[1]]
    packed, h = pack(S), pack(network.fields(J, S))
    column = np.empty(N * N, np.float32)
    flip_steps(J, None, 1, column)
    state = seed_generator(np.random.SeedSequence(8))
    u = np.empty(N * kernel.W, np.uint32)
    kernel.flip_layer(packed, h, 1, column, thresholds(beta, N + 1), 0.0, state, u)
    after = packed.transpose(0, 2, 1, 3).reshape(3, N, M)[1, 0]
    fraction = (after != S[1, 0]).reshape(copies, -1).mean(axis=0)
    expected = np.exp(-beta * np.maximum(cost, 0))
    assert set(cost) >= {-2, -1, 0, 1, 2}
    sigma = np.sqrt(expected * (1 - expected) / copies)
    assert np.all(fraction[cost <= 0] == 1.0)
    z = (fraction - expected)[cost > 0] / sigma[cost > 0]
    assert np.mean(z**2) == pytest.approx(1.0, abs=3.0 * np.sqrt(2.0 / len(z)))


@pytest.mark.parametrize("layer", [1, 2])
def test_rotations_satisfy_detailed_balance(layer):
    """From exact equilibrium samples x0, one rotation a perceptron: <f0 g1> = <g0 f1>."""
    from replicadnn.kernels.sampler import gap as kernel
    from replicadnn.montecarlo.chains.common import seed_generator, thresholds

    beta, L, N, M, step = 1.0, 2, 3, 4, 1.5
    rng = np.random.default_rng(31)
    state = seed_generator(np.random.SeedSequence(32))
    row = np.empty(32, np.float32)
    thr = thresholds(beta, M)

    def observables(chain):
        J = chain.J[layer - 1]
        return np.array([chain.energy(), J[0, 0], J[0, 0] ** 2, J[0, 1] * J[0, 2], J[1, 1] ** 4])

    odd = []
    for _ in range(12000):
        net = network.plant(L, N, M, beta, rng)
        chain = GapChain.start(net, np.random.SeedSequence(0), beta=beta)
        before = observables(chain)
        arrays = (chain.J, chain.S, chain.h, None)
        kernel.rotate_layer(*arrays, M, layer, 1, step, thr, 0.0, state, row)
        after = observables(chain)
        odd.append((np.outer(before, after) - np.outer(after, before))[np.triu_indices(5, 1)])
    mean, error = batch_error(odd)
    assert np.all(error > 0)
    np.testing.assert_array_less(np.abs(mean), 3.0 * error)


@pytest.mark.parametrize(("L", "M", "beta"), [(1, 3, 1.0), (2, 3, 1.0), (3, 2, 0.7), (3, 3, 2.0)])
def test_weights_sampler_against_enumeration(L, M, beta):
    S0, SL = DATA[M]
    expected = enumerate_weights(S0, SL, L, beta)
    data = np.ones((L + 1, 2, M), np.int8)
    data[0], data[L] = S0, SL
    rows = []
    for child in np.random.SeedSequence((L, M, 11)).spawn(16):
        rng = np.random.default_rng(child.spawn(1)[0])
        net = network.start_random(Network(np.ones((L, 2, 2), np.float32), data), rng)
        chain = WeightsChain.start(net, child, beta=beta, step=1.0)
        chain.advance(100)
        sums = np.zeros(L + 1)
        for _ in range(1500):
            chain.advance(4)
            S = chain.state.S
            sums += [chain.energy(), *(S[:, 0, 0] * S[:, 1, 0])]
        rows.append(sums / 1500)
    mean, error = batch_error(rows)
    assert error.max() < 0.03
    np.testing.assert_array_less(np.abs(mean - expected), 3.0 * error)


def test_soft_potential_against_weighted_sampling():
    """N = 2, L = 2: uniform (J, S) weighted with exp(-beta H), H = sum r^2 theta(-r) / 2."""
    L, N, M, beta = 2, 2, 3, 4.0
    S0, SL = DATA[3]
    rng = np.random.default_rng(41)
    n = 400_000
    J = connectivity.normalised(rng.standard_normal((n, L, N, N)))
    S1 = rng.choice(np.array([-1, 1], np.int8), size=(n, N, M))
    r1 = (J[:, 0] @ S0) * S1 / np.sqrt(N)
    r2 = (J[:, 1] @ S1) * SL / np.sqrt(N)
    H = 0.5 * (np.minimum(r1, 0.0) ** 2).sum(axis=(1, 2))
    H += 0.5 * (np.minimum(r2, 0.0) ** 2).sum(axis=(1, 2))
    weight = np.exp(-beta * H).reshape(40, -1)
    columns = [H, (r1 < 0).sum(axis=(1, 2)), (r2 < 0).sum(axis=(1, 2)), S1[:, 0, 0] * S1[:, 0, 1]]
    blocks = [(c.reshape(40, -1) * weight).sum(axis=1) / weight.sum(axis=1) for c in columns]
    expected, expected_error = batch_error(np.stack(blocks, axis=1))
    rows = []
    for child in np.random.SeedSequence(42).spawn(16):
        data = np.ones((L + 1, N, M), np.int8)
        data[0], data[L] = S0, SL
        rng = np.random.default_rng(child.spawn(1)[0])
        net = network.start_random(Network(np.ones((L, N, N), np.float32), data), rng)
        chain = GapChain.start(net, child, beta=beta, step=1.0, potential=Potential.SOFT)
        chain.advance(100)
        sums = np.zeros(4)
        for _ in range(1000):
            chain.advance(4)
            S = chain.S[1, 0, 0]
            sums += [chain.energy(), *chain.violations(), S[0] * S[1]]
        rows.append(sums / 1000)
    mean, error = batch_error(rows)
    sigma = np.hypot(error, expected_error)
    assert sigma.max() < 0.05
    np.testing.assert_array_less(np.abs(mean - expected), 3.0 * sigma)
