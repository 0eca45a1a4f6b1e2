"""Neurons kept with their perceptron, tested from outside: samples of a site, AMP on a network.

The overlaps expected here were computed elsewhere, by quadrature of the replica-symmetric averages.
"""

from __future__ import annotations

from dataclasses import dataclass

import amp
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr

Array = NDArray[np.float64]

# --- state evolution by sampling -----------------------------------------------------------------


@dataclass(frozen=True)
class Chain:
    """Layers whose q(1..L-1), Q(1..L) follow from averages over `draws` (layer, kind, sample)."""

    L: int
    alpha: float
    beta: float
    planted: bool
    draws: Array

    def weight(self, x: Array, V: float) -> tuple[Array, Array]:
        """W(x) and W'(x)."""
        rest = np.exp(-self.beta)
        density = np.exp(-0.5 * x**2 / V) / np.sqrt(2.0 * np.pi * V)
        return rest + (1.0 - rest) * ndtr(x / np.sqrt(V)), (1.0 - rest) * density

    def site(self, l: int, lam: float, eps: float) -> tuple[float, float]:
        """q(l) = <f_u^2> and G(l) = <f_omega^2>; in the output layer S is known."""
        z, z_field, z_above, uniform = self.draws[l - 1]
        V = 1.0 - lam
        omega = np.sqrt(lam) * z
        # the neuron that the layer above has seen: sign of its field, wrong with odds e^-beta
        right = uniform * (1.0 + np.exp(-self.beta)) < 1.0
        S = np.where(right, 1.0, -1.0) * np.sign(omega + np.sqrt(V) * z_field)
        if not self.planted:
            S = np.sign(uniform - 0.5)
        if l == self.L:
            W, slope = self.weight(S * omega, V)
            return 1.0, float(np.mean((slope / W) ** 2))
        u = np.sqrt(eps) * z_above + eps * S * self.planted
        (W_plus, slope_plus), (W_minus, slope_minus) = self.weight(omega, V), self.weight(-omega, V)
        odds = np.exp(-2.0 * u)
        total = W_plus + odds * W_minus
        f_u = (W_plus - odds * W_minus) / total
        f_omega = (slope_plus - odds * slope_minus) / total
        return float(np.mean(f_u**2)), float(np.mean(f_omega**2))

    def once(self, overlaps: Array) -> Array:
        """From the output down, every layer once."""
        q = np.concatenate([[1.0], overlaps[: self.L - 1], [1.0]])
        Q, eps = np.concatenate([[np.nan], overlaps[self.L - 1 :]]), 0.0
        for l in range(self.L, 0, -1):
            q[l], G = self.site(l, q[l - 1] * Q[l], eps)
            B = self.alpha * q[l - 1] * G
            Q[l] = B / (1.0 + B) if self.planted else 1.0 - 2.0 / (1.0 + np.sqrt(1.0 + 4.0 * B))
            eps = Q[l] * G
        return np.concatenate([q[1:-1], Q[1:]])

    def solve(self, overlaps: Array, tolerance: float = 3e-5) -> Array:
        """Fixed point for the same draws: repeated maps, extrapolated along the last two steps."""
        for _ in range(200):
            one = self.once(overlaps)
            two = self.once(one)
            first, second = one - overlaps, two - one
            rate = min(float(first @ second) / float(first @ first), 0.95)
            if np.abs(second).max() / (1.0 - rate) < tolerance:
                return two
            overlaps = np.clip(two + second * max(rate, 0.0) / (1.0 - rate), 0.0, 0.99)
        raise AssertionError("no fixed point after 400 maps")


def sampled(L: int, alpha: float, beta: float, planted: bool) -> tuple[Array, Array]:
    """Mean and standard error of the fixed points of eight independent sets of draws."""
    found = []
    for seed in np.random.SeedSequence(20).spawn(8):
        rng = np.random.default_rng(seed)
        draws = [[*rng.standard_normal((3, 200_000)), rng.random(200_000)] for _ in range(L)]
        chain = Chain(L, alpha, beta, planted, np.array(draws))
        found.append(chain.solve(np.full(2 * L - 1, 0.5)))
    return np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(len(found))


@pytest.mark.parametrize(
    ("L", "alpha", "beta", "planted", "expected"),
    [
        (2, 4.0, np.inf, True, [0.6244886588, 0.6038934730, 0.6905650262]),
        pytest.param(
            3, 10.0, 3.0, True, [0.0, 0.2611980158, 0.0, 0.0, 0.5973660532], marks=pytest.mark.slow
        ),
        (2, 8.0, 3.0, False, [0.3156567552, 0.3977693578, 0.4692124277]),
    ],
)
def test_sampling_the_site_gives_the_overlaps(
    L: int, alpha: float, beta: float, planted: bool, expected: list[float]
) -> None:
    mean, error = sampled(L, alpha, beta, planted)
    solid = np.array(expected) > 0.0
    assert error.max() < 2.5e-3
    assert np.all(np.abs(mean - expected)[solid] < 4.0 * error[solid])
    assert np.all(mean[~solid] < 1e-3)  # decays, until the iteration stops


# --- one network ---------------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [2.0, np.inf])
def test_derivatives_of_a_site(beta: float) -> None:
    """s^, g, f'' against differences of ln sum_S e^(u S) W(S omega; V)."""
    omega, u, V, step = np.array([-1.7, 0.2, 0.9]), np.array([0.4, -1.1, 2.0]), 0.3, 1e-4
    rest = np.exp(-beta)

    def f(omega: Array, u: Array) -> Array:
        W = [rest + (1.0 - rest) * ndtr(S * omega / np.sqrt(V)) for S in (1, -1)]
        return np.asarray(np.log(np.exp(u) * W[0] + np.exp(-u) * W[1]))

    s, g, curvature = amp.site(omega, np.full(3, V), u, beta)
    assert s == pytest.approx((f(omega, u + step) - f(omega, u - step)) / (2.0 * step), abs=1e-6)
    up, down = f(omega + step, u), f(omega - step, u)
    assert g == pytest.approx((up - down) / (2.0 * step), abs=1e-6)
    assert curvature == pytest.approx((up - 2.0 * f(omega, u) + down) / step**2, abs=1e-5)
    _, known, _ = amp.site(omega, np.full(3, V), np.full(3, -np.inf), beta)
    with_output = [
        np.log(rest + (1.0 - rest) * ndtr(-(omega + d) / np.sqrt(V))) for d in (step, -step)
    ]
    assert known == pytest.approx((with_output[0] - with_output[1]) / (2.0 * step), abs=1e-6)


def message_passing(
    L: int, alpha: float, beta: float, N: int, c: int, *, clue: float, sweeps: int, seed: int = 1
) -> amp.Outcome:
    rng = np.random.default_rng(seed)
    network = amp.plant(L, N, c, alpha, beta, rng)
    return amp.run(network, rng, clue=clue, sweeps=sweeps)


def test_teacher_has_the_odds_and_the_wiring() -> None:
    network = amp.plant(2, 400, 16, 3.0, 1.5, np.random.default_rng(3))
    assert [S.shape for S in network.states] == [(400, 48)] * 3
    for l in (1, 2):
        read, J = network.reads[l - 1], network.couplings[l - 1]
        assert all(len(set(row)) == 16 for row in read)
        h = np.einsum("ik,ikm->im", J, network.states[l - 1][read])
        # 19200 neurons: standard error 0.0028
        assert np.mean(h * network.states[l] > 0) == pytest.approx(0.8176, abs=0.012)
        assert np.sum(J**2, axis=1) == pytest.approx(16.0)


def test_start_without_a_clue_finds_the_teacher_of_a_small_network() -> None:
    """And estimates its own overlap: no term of the equations may be left out for that."""
    end = message_passing(2, 8.0, 3.0, 400, 20, clue=0.0, sweeps=60)
    assert np.abs(end.q - [0.5992995055]).max() < 0.05
    assert np.abs(end.Q - [0.7135342535, 0.7705815825]).max() < 0.05
    assert np.abs(end.q_self - end.q).max() < 0.02
    assert np.abs(end.Q_self - end.Q).max() < 0.02


@pytest.mark.slow
@pytest.mark.parametrize(("clue", "sweeps"), [(0.0, 60), (0.8, 40)])
def test_two_layers_from_either_side(clue: float, sweeps: int) -> None:
    """Neurons averaged in their perceptron would give q = 0.553 and Q = 0.749 in both layers."""
    end = message_passing(2, 8.0, 3.0, 2000, 30, clue=clue, sweeps=sweeps)
    for q, Q in ((end.q, end.Q), (end.q_self, end.Q_self)):
        assert np.abs(q - [0.5992995055]).max() < 0.03
        assert np.abs(Q - [0.7135342535, 0.7705815825]).max() < 0.03


@pytest.mark.slow
def test_three_layers_the_first_is_liquid() -> None:
    """Started with equal overlaps, the first layer loses them and the others arrive."""
    end = message_passing(3, 5.0, np.inf, 2000, 30, clue=0.3, sweeps=60)
    assert np.abs(end.q - [0.0, 0.2452176865]).max() < 0.04
    assert np.abs(end.Q - [0.0, 0.0, 0.4568126161]).max() < 0.04


@pytest.mark.slow
def test_what_is_missing_falls_as_one_over_c() -> None:
    """N/c fixed; one network deviates from the mean of several by 0.005 in q at N = 1000."""
    small = [
        message_passing(2, 4.0, np.inf, 1000, 15, clue=0.0, sweeps=80, seed=one).q
        for one in (1, 2, 3)
    ]
    large = [
        message_passing(2, 4.0, np.inf, 2000, 30, clue=0.0, sweeps=80, seed=one).q for one in (1, 2)
    ]
    missing = 0.6244886588 - np.array([np.mean(small), np.mean(large)])
    assert 0.02 < missing[0] < 0.07
    assert 0.01 < missing[1] < 0.7 * missing[0]
