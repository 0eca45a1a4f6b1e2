"""Distance from the start, and the sampler's networks under SGD: closed forms and other routes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from replicadnn.errors import InputError
from replicadnn.experiments import Loss, Network
from replicadnn.experiments.distance import Distances, distances, fits
from replicadnn.experiments.meeting import (
    Descent,
    Sample,
    Sampling,
    centre,
    equal_error_beta,
    floors,
    follow,
)
from replicadnn.experiments.sphere import Steep, onto_sphere
from replicadnn.experiments.tasks import HiddenManifold
from replicadnn.montecarlo.spec import Start

# --- distance --------------------------------------------------------------------------------


def test_each_law_finds_itself_and_not_the_other() -> None:
    t = np.unique(np.rint(np.geomspace(1, 4000, 40)).astype(np.int64))
    log = fits(t, 0.5 + 0.7 * np.log(t))
    assert log["log"].slope == pytest.approx(0.7, rel=1e-12)
    assert log["log"].explained == pytest.approx(1.0, abs=1e-12)
    assert log["power"].explained < 0.98
    power = fits(t, 0.3 * t**0.5)
    assert power["power"].slope == pytest.approx(0.5, rel=1e-12)
    assert power["power"].explained == pytest.approx(1.0, abs=1e-12)
    assert power["log"].explained < 0.85


def test_explained_by_hand() -> None:
    """d = 0, 1, 5 at ln t = 0, 1, 2: the line is -1/2 + 5 x/2, residuals 1/2, -1, 1/2."""
    t: Any = np.exp([0.0, 1.0, 2.0])
    found = fits(t, np.array([1e-9, 1.0, 5.0]))["log"]
    assert found.slope == pytest.approx(2.5, rel=1e-8)
    assert found.explained == pytest.approx(1 - 1.5 / 14, rel=1e-8)


def test_errors_of_fits_are_over_runs_and_ranges_are_cut() -> None:
    t = np.array([1, 2, 5, 10, 20, 50, 100], np.int64)
    curves = np.stack([0.2 + a * np.log(t) for a in (0.5, 0.7)])
    wrong = np.array([[0.5, 0.4, 0.2, 0.0, 0.0, 0.0, 0.0], [0.5, 0.4, 0.2, 0.1, 0.1, 0.1, 0.1]])
    found = Distances(t, curves, wrong, np.ones(2))
    assert found.fit()["log"]["slope"] == pytest.approx(0.6, rel=1e-12)
    assert found.fit()["log"]["slope_error"] == pytest.approx(0.1, rel=1e-12)
    assert found.memorised == math.inf
    bent = np.where(t < 10, 50.0 - t, curves)
    late = Distances(t, bent, wrong, np.ones(2)).fit(10.0)["log"]
    assert (late["slope"], late["explained"]) == (pytest.approx(0.6), pytest.approx(1.0))
    early = Distances(t, np.where(t > 10, 0.0, curves), wrong, np.ones(2)).fit(1.0, 10.0)
    assert early["log"]["slope"] == pytest.approx(0.6)
    assert Distances.of(found.as_dict()).distance.tolist() == curves.tolist()


def test_the_first_step_is_the_gradient_and_starts_are_shared() -> None:
    """After one step of a full batch |w_1 - w_0| = eta |grad|, whatever the labels; same w_0."""
    net = Network((6, 8, 1), "relu", 2.0)
    true, other = (
        distances(HiddenManifold(3), net, 40, (eta, 40), 1, (3, 5), random=random)
        for eta, random in ((0.1, False), (0.2, True))
    )
    assert_allclose(true.start, other.start, rtol=0)
    again = distances(HiddenManifold(3), net, 40, (0.2, 40), 1, (3, 5))
    assert_allclose(again.distance, 2 * true.distance, rtol=1e-4)
    assert np.abs(other.distance / again.distance - 1).max() > 1e-3
    assert true.distance.shape == (3, 1)


@pytest.mark.slow
def test_true_labels_are_nearer_to_a_logarithm_than_random_ones() -> None:
    """eta = 0.3, t >= 10: d grows as ln t with true labels, not while random ones are learned."""
    net, laws = Network((50, 200, 200, 1), "relu", 2.0), []
    for random in (False, True):
        found = distances(HiddenManifold(), net, 2000, (0.3, 50), 1500, (3, 1), random=random)
        laws.append(found.fit(10.0))
    true, random_ = laws
    assert true["log"]["explained"] > 0.95
    assert random_["log"]["explained"] + 3 * random_["log"]["explained_error"] < 0.85
    assert random_["log"]["explained"] < random_["power"]["explained"]


# --- the sampler's networks ------------------------------------------------------------------


def test_steep_networks_are_networks_of_another_normalisation() -> None:
    """theta = g J/sqrt(N): outputs and gradients of `Network` without biases."""
    rng, gain, L, N, M = np.random.default_rng(1), 3.0, 3, 5, 7
    J = onto_sphere(rng.standard_normal((2, L, N, N)))
    assert_allclose((J**2).sum(axis=-1), N, rtol=1e-14)
    x, y = rng.choice([-1.0, 1.0], (2, 2, M, N))
    net, steep = Network((N,) * (L + 1), "tanh", biases=False), Steep(gain)
    found = steep.gradient(J, x, y)
    for k in range(2):
        scale = gain / math.sqrt(N)
        theta = np.concatenate([scale * layer.T.ravel() for layer in J[k]])
        assert_allclose(steep.layers(J, x)[-1][k], net.output(theta, x[k]), rtol=1e-12)
        loss = net.loss(theta, x[k], y[k], Loss.CROSS_ENTROPY)
        assert steep.loss(J, x, y)[k] == pytest.approx(loss, rel=1e-12)
        slope = net.gradient(theta, x[k], y[k], Loss.CROSS_ENTROPY)
        expected = [scale * one.T for one, _ in net.matrices(slope)]
        assert_allclose(found[k], expected, rtol=1e-10, atol=1e-12)


def test_a_step_stays_on_the_sphere_and_goes_downhill() -> None:
    rng, net = np.random.default_rng(2), Steep(2.0)
    J = onto_sphere(rng.standard_normal((3, 2, 6, 6)))
    x, y = rng.choice([-1.0, 1.0], (2, 3, 20, 6))
    after = net.step(J, x, y, 0.01)
    assert_allclose((after**2).sum(axis=-1), 6.0, rtol=1e-14)
    assert (net.loss(after, x, y) < net.loss(J, x, y)).all()


def samples(start: Start, count: int = 3, **other: Any) -> list[Sample]:
    asked: dict[str, Any] = {"L": 3, "N": 6, "M": 60, "beta": 3.0} | other
    seeds = np.random.SeedSequence(4).spawn(count)
    return [Sample.draw(**asked, start=start, seed=one) for one in seeds]


def test_both_starts_have_the_same_data_and_the_teacher_has_its_errors() -> None:
    planted, random = samples(Start.PLANTED), samples(Start.RANDOM)
    for one, other in zip(planted, random, strict=True):
        assert np.array_equal(one.teacher.S, other.teacher.S)
        assert one.start is one.teacher
        seen = one.overlaps(one.student(one.start.J.astype(float)))
        assert_allclose(seen.R, 1.0, atol=1e-6)
        assert (seen.r == 1.0).all()
        assert seen.test_error == 0.0
        unrelated = other.overlaps(other.student(other.start.J.astype(float)))
        assert unrelated.R[-1] < 0.6
        assert unrelated.test_error > 0.3
    # p = 1/(1 + e^3) = 0.0474 of 3 * 360 labels err.
    wrong = [one.overlaps(one.student(one.start.J.astype(float))).wrong for one in planted]
    assert np.mean(wrong) == pytest.approx(0.0474, abs=4 * math.sqrt(0.0474 / 1080))
    R, r = floors(planted, 1)
    assert R.shape == (3, 3)
    assert r.shape == (3, 2)
    assert (R[:, 0] > 0.3).all()
    assert (np.abs(R[:, 2]) < 0.2).all()


ORDER = np.random.SeedSequence(1)


def test_without_steps_nothing_moves_and_curves_begin_at_one() -> None:
    start = samples(Start.PLANTED)
    cold = follow(start, Descent(start, 5.0, (1e-12, 5), ORDER), (0, 40))
    assert_allclose(cold.C_J, 1.0, atol=1e-6)
    assert_allclose(cold.R, 1.0, atol=1e-6)
    warm, again = (follow(start, Descent(start, 5.0, (0.3, 5), ORDER), (20, 200)) for _ in "ab")
    assert_allclose(warm.C_J[:, :, 0], 1.0, atol=1e-12)
    assert (warm.C_S[:, :, 0] == 1.0).all()
    assert warm.C_J.shape == (3, 3, warm.times.size)
    assert warm.C_S.shape[1] == 2
    assert (warm.C_J[:, :, -1] < 0.999).all()
    assert (warm.move > 1e-4).all()
    assert np.array_equal(again.C_J, warm.C_J)


class Turning:
    """Couplings that change their sign in every unit of time; the last layer from time 8 on not."""

    def __init__(self, start: list[Sample]) -> None:
        self.J, self.t = np.stack([one.start.J for one in start]).astype(float), 0

    def advance(self) -> None:
        self.J, self.t = self.J.copy(), self.t + 1
        self.J[:, : 2 if self.t > 8 else 3] *= -1.0


def test_curves_are_means_over_origins() -> None:
    """Origins 0, 2, 4, 6 of 16 steps: C_J = (-1)^t; the last layer, at rest from 8 on, has
    C_J(3) = (-1 - 1 - 1 + 1)/4, C_J(10) = 1 from all (to 10, 12, 14, 16), C_J(16) = 1."""
    start = samples(Start.RANDOM)
    seen = follow(start, Turning(start), (0, 16))
    signs = (-1.0) ** seen.times
    assert seen.times.tolist() == [0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16]
    assert_allclose(seen.C_J[:, :2], np.broadcast_to(signs, (3, 2, 11)), atol=1e-6)
    assert_allclose(seen.C_J[:, 2, [3, 8, 10]], [[-0.5, 1.0, 1.0]] * 3, atol=1e-6)
    assert_allclose(seen.move, [[2.0, 2.0, math.sqrt(2.0)]] * 3, rtol=1e-6)
    assert (np.abs(seen.C_S[:, 0]) == 1.0).all()


def test_a_fast_centre_lies_below_both_ends() -> None:
    """t = 10: the mean of 0.9, 0.2, 0.4, 0.7 is 0.55; t = 100: of 0.6, 0.1, 0.2, 0.5 it is 0.35."""
    t = np.array([0, 10, 100])
    curves = np.array([[[1, 0.9, 0.6], [1, 0.2, 0.1], [1, 0.4, 0.2], [1, 0.7, 0.5]]] * 2)
    seen = centre(t, curves)
    assert seen.at == 100
    assert_allclose(seen.first, [-0.45, -0.45])
    assert_allclose(seen.last, [-0.35, -0.35])
    assert_allclose(centre(t[:2], curves[:, :, :2]).first, [-0.6, -0.6])
    assert centre(t, curves[:, [1, 0, 3, 2]]).first.min() > 0.0
    assert np.isnan(centre(t, curves[:, :2]).last).all()


def test_the_sampler_has_the_share_of_wrong_outputs_that_is_asked_for() -> None:
    """Data of beta = 1 at beta = 1: equilibrium, 1/(1 + e) = 0.2689; more errors are hotter."""
    start = samples(Start.PLANTED, 4, beta=1.0)
    assert equal_error_beta(start, 0.2689, 1.0, 40) == pytest.approx(1.0, abs=0.15)
    hot = equal_error_beta(start, 0.40, 1.0, 40)
    assert 0.1 < hot < 0.5
    seen = follow(start, Sampling(start, hot, 1.0, ORDER), (20, 100))
    assert seen.wrong.mean() == pytest.approx(0.40, abs=0.03)
    assert (seen.C_J[:, :, -1].mean(axis=0) < 0.5).all()
    with pytest.raises(InputError, match="wrong"):
        equal_error_beta(start, 0.0, 1.0, 2)


@pytest.mark.slow
def test_one_layer_learns_its_teacher_from_both_starts() -> None:
    """L = 1: one valley; from both starts the same overlap, within errors, and no floor."""
    found = []
    for kind in (Start.PLANTED, Start.RANDOM):
        start = samples(kind, 6, L=1, N=10, M=100)
        found.append(follow(start, Descent(start, 5.0, (0.02, 10), ORDER), (4000, 2000)))
    (one, other), bar = (
        [run.R.mean() for run in found],
        math.hypot(*(float(run.R.std(ddof=1)) / math.sqrt(6) for run in found)),
    )
    assert one == pytest.approx(other, abs=4 * bar)
    assert other > 0.8
