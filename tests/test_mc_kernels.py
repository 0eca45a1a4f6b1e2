"""Kernels against their numpy twins, running state against recomputation, symmetries."""

from __future__ import annotations

import numpy as np
import pytest
from mc_exact import batch_error

from replicadnn.kernels.sampler.gap import recompute_fields
from replicadnn.kernels.sampler.random import fill_u32
from replicadnn.montecarlo import network
from replicadnn.montecarlo.chains import gap, weights
from replicadnn.montecarlo.chains.common import seed_generator, thresholds
from replicadnn.montecarlo.measure import overlaps

MASK = (1 << 64) - 1


def xoshiro(state, n):
    """n words of one lane of xoshiro256++, in Python integers."""
    s = [int(x) for x in state]
    out = []
    for _ in range(n):
        x = (s[0] + s[3]) & MASK
        out.append((((x << 23) | (x >> 41)) + s[0]) & MASK)
        t = (s[1] << 17) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = ((s[3] << 45) | (s[3] >> 19)) & MASK
    return out


def test_generator_is_xoshiro256pp():
    state = seed_generator(np.random.SeedSequence(1))
    expected = np.array([xoshiro(state[:, lane], 5) for lane in range(8)], dtype=np.uint64).T
    out = np.empty(80, np.uint32)
    fill_u32(state, out, 32)
    fill_u32(state, out[32:], 48)
    halves = out.reshape(5, 8, 2).astype(np.uint64)
    words = halves[:, :, 0] | (halves[:, :, 1] << np.uint64(32))
    np.testing.assert_array_equal(words, expected)


def test_generator_known_answer():
    """First word from the state (1, 2, 3, 4), by hand: rotl(1 + 4, 23) + 1."""
    state = np.zeros((4, 8), np.uint64)
    state[:, 0] = [1, 2, 3, 4]
    out = np.empty(16, np.uint32)
    fill_u32(state, out, 16)
    assert int(out[0]) + (int(out[1]) << 32) == 41943041


def draws(seed):
    state = seed_generator(seed)

    def draw(n):
        out = np.empty(n, np.uint32)
        fill_u32(state, out, n)
        return out

    return draw


@pytest.mark.parametrize(
    ("L", "N", "M", "beta", "kappa"),
    [(1, 6, 40, np.inf, 0.0), (2, 5, 32, 0.7, 0.2), (4, 7, 50, 1.3, 0.0), (3, 17, 70, 3.0, 0.0)],
)
def test_gap_sweep_equals_numpy(L, N, M, beta, kappa):
    """Same random numbers, same moves: identical signs, couplings to float32 rounding."""
    net = network.plant(L, N, M, beta, np.random.default_rng(1))
    seed = np.random.SeedSequence(5)
    chain = gap.GapChain.start(net, seed, beta=beta, kappa=kappa, step=0.3)
    draw = draws(seed)
    J, S, h = net.J.astype(float), net.S.astype(float), network.fields(net.J, net.S)
    for _ in range(4):
        chain.advance(1)
        gap.sweep_numpy(J, S, h, beta=beta, kappa=kappa, step=0.3, draw=draw)
    found = chain.network()
    assert np.abs(J - net.J).max() > 0.3
    np.testing.assert_array_equal(found.S, S)
    np.testing.assert_allclose(found.J, J, atol=2e-6)
    np.testing.assert_allclose(gap.unpack(chain.h, M), h, atol=5e-6)
    np.testing.assert_allclose(h, network.fields(J, found.S), atol=1e-12)


def test_thresholds_of_costs():
    """floor(2^32 e^(-beta d)); costs with a weight below 2^-32 (e^-22.18) are refused."""
    found = thresholds(1.0, 100)
    assert found.size == 22
    assert found[[0, 21]].tolist() == [1580030168, 1]
    assert thresholds(np.inf, 100).size == 0
    assert thresholds(1e-12, 1).tolist() == [2**32 - 1]


@pytest.mark.parametrize("sampler", ["gap", "weights"])
def test_everything_is_accepted_at_no_cost(sampler):
    """beta = 1e-9: all of three sweeps' rotations; none before the first."""
    rng = np.random.default_rng(3)
    net, seed = network.plant(2, 5, 20, 1.0, rng), np.random.SeedSequence(4)
    kind = gap.GapChain if sampler == "gap" else weights.WeightsChain
    chain = kind.start(net, seed, beta=1e-9, step=0.3)
    np.testing.assert_array_equal(chain.acceptance()[0], 0.0)
    chain.advance(3)
    np.testing.assert_array_equal(chain.acceptance()[0], 1.0)
    np.testing.assert_array_equal(chain.acceptance()[1], [1.0] if sampler == "gap" else [])


@pytest.mark.parametrize("M", [20, 33, 64])
def test_accepted_flips_are_those_of_real_patterns(M):
    """Each hidden neuron tries once a sweep: accepted = changed, though M is padded to 32, 64."""
    net = network.plant(3, 5, M, 0.7, np.random.default_rng(1))
    chain = gap.GapChain.start(net, np.random.SeedSequence(2), beta=0.7, step=0.3)
    changed = np.zeros(2)
    for _ in range(3):
        before = chain.network().S
        chain.advance(1)
        changed += (before != chain.network().S)[1:-1].mean(axis=(1, 2)) / 3
    np.testing.assert_allclose(chain.acceptance()[1], changed, rtol=1e-12)
    assert np.all((changed > 0.2) & (changed < 0.9))


@pytest.mark.parametrize(
    ("L", "N", "M", "beta", "step", "sweeps"),
    [
        (1, 5, 20, 1.0, 0.3, 3),
        (3, 7, 50, 1.3, 0.3, 3),
        (3, 20, 21, 0.7, 0.3, 1),
        (2, 4, 9, np.inf, 0.3, 3),
        (3, 6, 40, 0.5, 1.0, 12),
    ],
)
def test_weights_sweep_equals_numpy(L, N, M, beta, step, sweeps):
    """The early end of hopeless moves changes no decision: same run as full forward passes."""
    rng = np.random.default_rng(2)
    net = network.plant_outputs(L, N, M, beta, rng)
    if not np.isfinite(beta):
        net = network.start_random(net, rng)
    seed = np.random.SeedSequence(6)
    chain = weights.WeightsChain.start(net, seed, beta=beta, step=step)
    draw, J = draws(seed), net.J.astype(float)
    for _ in range(sweeps):
        chain.advance(1)
        energy = weights.sweep_numpy(J, net.S[0], net.S[L], beta=beta, step=step, draw=draw)
        assert chain.energy() == energy
    np.testing.assert_allclose(chain.J, J, atol=5e-6)
    np.testing.assert_array_equal(chain.network().S, network.propagate(J, net.S[0]))


def test_gap_running_state_equals_recomputation():
    """600 sweeps (two recomputations inside): fields, sphere and padding stay exact."""
    L, N, M, beta = 3, 9, 45, 2.0
    net = network.plant(L, N, M, beta, np.random.default_rng(3))
    chain = gap.GapChain.start(net, np.random.SeedSequence(1), beta=beta, step=0.3)
    for n in (250, 350):
        chain.advance(n)
        now = chain.network()
        np.testing.assert_allclose(gap.unpack(chain.h, M), network.fields(now.J, now.S), atol=3e-5)
        np.testing.assert_allclose(np.square(now.J).sum(-1), N, rtol=3e-5)
        np.testing.assert_array_equal(chain.violations(), network.violations(now.J, now.S))
        np.testing.assert_array_equal(now.S[[0, L]], net.S[[0, L]])
    padded = np.zeros((L + 1, N, chain.S.shape[1] * 32), np.float32)
    padded[:, :, :M] = now.S
    np.testing.assert_array_equal(gap.unpack(chain.S, padded.shape[2]), padded)


def test_weights_running_state_equals_recomputation():
    L, N, M, beta = 4, 18, 37, 1.0
    net = network.plant_outputs(L, N, M, beta, np.random.default_rng(3))
    chain = weights.WeightsChain.start(net, np.random.SeedSequence(1), beta=beta, step=0.3)
    for n in (100, 200):
        chain.advance(n)
        now = chain.network()
        np.testing.assert_array_equal(now.S, network.propagate(now.J, net.S[0]))
        np.testing.assert_allclose(
            chain.state.h[:, :, :N], network.fields(now.J, now.S).transpose(0, 2, 1), atol=3e-5
        )
        np.testing.assert_allclose(np.square(now.J).sum(-1), N, rtol=3e-5)
        assert chain.energy() == chain.violations()[-1] == np.count_nonzero(now.S[L] != net.S[L])


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_planted_energy_stays(beta):
    """Every layer keeps the violated fraction p = 1/(1 + e^beta)."""
    L, N, M = 4, 8, 40
    rows = []
    for k in range(24):
        net = network.plant(L, N, M, beta, np.random.default_rng((k, 1)))
        chain = gap.GapChain.start(net, np.random.SeedSequence(k), beta=beta, step=0.3)
        mean = np.zeros(L)
        for _ in range(20):
            chain.advance(10)
            mean += chain.violations() / (N * M) / 20
        rows.append(mean)
    mean, error = batch_error(rows)
    assert error.max() < 0.005
    np.testing.assert_array_less(np.abs(mean - network.error_rate(beta)), 3.0 * error)


@pytest.mark.parametrize("L", [2, 3])
def test_known_couplings_bound_the_overlap(L):
    """Couplings at rest: q(1) >= tanh^2(beta/2), since S_1 = sgn(h_1) errs only with p."""
    N, M, beta = 8, 320, 2.0
    rows = []
    for k in range(6):
        net = network.plant(L, N, M, beta, np.random.default_rng((k, L)))
        a, b = (
            gap.GapChain.start(net, np.random.SeedSequence((k, r)), beta=beta, step=0.0)
            for r in range(2)
        )
        for chain in (a, b):
            chain.advance(400)
        rows.append(overlaps.neuron_overlap(a.network(), b.network()))
    mean, error = batch_error(rows)
    bound = np.tanh(beta / 2) ** 2
    assert error.max() < 0.05
    assert mean[0] > bound - 3.0 * error[0]
    assert mean[0] < 0.95


def measurable(net):
    """Gap counts by layer, sorted gaps, replica-style overlaps: nothing may see the gauge."""
    r = network.gaps(net.J, net.S)
    return (
        network.violations(net.J, net.S),
        np.sort(r, axis=1),
        network.spin_correlation(net.S),
        network.rms_field(net.J, net.S),
    )


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_gauge_and_permutation_invariance(layer):
    """Relabelling and flipping hidden neurons (J_l, S_l, J_{l+1}) changes nothing measurable."""
    L, N, M, beta = 4, 7, 40, 1.5
    rng = np.random.default_rng(layer)
    net = network.plant(L, N, M, beta, rng)
    order, signs = rng.permutation(N), network.random_signs((N,), rng)
    moved = network.permute(net, layer, order, signs)
    assert np.abs(moved.J - net.J).max() > 1.0
    for a, b in zip(measurable(net), measurable(moved), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_flip_dynamics_commutes_with_the_sign_gauge():
    """Sign flips of a hidden neuron leave every acceptance, hence the whole run, the same."""
    L, N, M, beta = 3, 6, 40, 1.5
    rng = np.random.default_rng(9)
    net = network.plant(L, N, M, beta, rng)
    signs = network.random_signs((N,), rng)
    identity = np.arange(N)
    moved = network.permute(net, 2, identity, signs)
    runs = []
    for start in (net, moved):
        chain = gap.GapChain.start(start, np.random.SeedSequence(4), beta=beta, step=0.0)
        chain.advance(20)  # step 0: couplings rest, neurons flip
        runs.append(chain.network())
    assert np.count_nonzero(runs[0].S != net.S) > 50
    np.testing.assert_array_equal(network.permute(runs[0], 2, identity, signs).S, runs[1].S)


def test_weights_kernel_keeps_the_wrong_bits_of_every_pattern():
    """The bound behind the early end of a move is up to date after every accepted move."""
    from replicadnn.kernels.sampler import weights as kernel

    L, N, M, beta = 3, 6, 40, 0.5
    net = network.plant_outputs(L, N, M, beta, np.random.default_rng(2))
    c = weights.WeightsChain.start(net, np.random.SeedSequence(6), beta=beta, step=1.0)
    memory = kernel.scratch(L, M, N, 16, 48)
    accepted, change = kernel.rotate_layer(
        c.state, None, 1, N, 1.0, thresholds(beta, N * M), c.rng, memory
    )
    assert accepted > 5
    expected = np.count_nonzero(c.network().S[L] != net.S[L], axis=0)
    np.testing.assert_array_equal(memory.wrong, expected)
    assert change == expected.sum() - c.energy()


def test_a_gap_at_the_margin_is_not_violated():
    """J = (1, -1), S = (1, 1): h = 0, r = 0; (-1, -1): h = -sqrt 2, r = S h."""
    J = np.array([[[1.0, -1.0], [-1.0, -1.0]]], np.float32)
    S = np.ones((2, 2, 1), np.int8)
    for kappa, violated in ((0.0, 1), (0.1, 2), (-2.0, 0)):
        chain = gap.GapChain.start(
            network.Network(J, S), np.random.SeedSequence(1), beta=1.0, kappa=kappa
        )
        assert chain.violations().tolist() == [violated]


# --- rounding under hard constraints ---------------------------------------------------------


def nearly_zero_gaps(N=16):
    """S = +1 everywhere, and gaps of about 1e-8 above 0: the last coupling undoes the others."""
    J = np.random.default_rng(3).standard_normal((1, N, N)).astype(np.float32)
    for row in J[0]:
        row[-1] = -row[:-1].sum(dtype=np.float64)
        while row.sum(dtype=np.float64) <= 0.0:
            row[-1] = np.nextafter(row[-1], np.float32(np.inf))
    return network.Network(J, np.ones((2, N, 1), np.int8))


def test_a_start_without_violations_has_none_by_rounding():
    net = nearly_zero_gaps()
    assert network.violations(net.J, net.S).sum() == 0
    chain = gap.GapChain.start(net, np.random.SeedSequence(0), beta=np.inf)
    kept = chain.violations().sum()
    recompute_fields(chain.J, chain.S, chain.h, None)
    assert (int(kept), int(chain.violations().sum()) > 0) == (0, True)


@pytest.mark.parametrize(("beta", "violated"), [(np.inf, 0), (2.0, 1)])
def test_hard_constraints_outlive_the_rounding_of_running_fields(
    beta: float, violated: int
) -> None:
    """Field 0 has drifted to 1e-6, its couplings give -1e-6: after the renewal 0, and at finite
    beta, where it costs what it costs, -1e-6.  Field 1 was violated before, and stays so."""
    J = np.array([[[1.0, -1.0 - 2e-6], [1.0, -1.5]]], np.float32)
    net = network.Network(J, np.ones((2, 2, 1), np.int8))
    chain = gap.GapChain.start(net, np.random.SeedSequence(0), beta=beta, step=1e-9)
    chain.h[0, 0, 0, 0], chain.done = 1e-6, 255
    assert chain.violations().tolist() == [1]
    chain.advance(1)
    assert chain.violations().tolist() == [1 + violated]
    assert chain.h[0, 0, 0, 0] == pytest.approx(-1.41e-6 * violated, rel=0.1)
