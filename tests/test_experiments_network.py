"""Networks that are trained: gradients beside differences, closed forms, the loop of SGD."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from replicadnn.errors import InputError
from replicadnn.experiments.network import Loss, Network
from replicadnn.experiments.sgd import batches, descend
from replicadnn.types import FloatArray

SHAPES = [(5, 1), (5, 4, 1), (4, 6, 3, 2), (3, 4, 4, 4, 1)]


def data(net: Network, n: int = 7) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Parameters, inputs, labels."""
    rng = np.random.default_rng(3)
    theta = net.draw(rng) + 0.1 * rng.standard_normal(net.size)
    x = rng.standard_normal((n, net.widths[0]))
    return theta, x, rng.choice([-1.0, 1.0], (n, net.widths[-1]))


@pytest.mark.parametrize("loss", Loss)
@pytest.mark.parametrize("activation", ["tanh", "erf", "relu"])
@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("widths", SHAPES)
def test_gradient_is_that_of_differences(
    widths: tuple[int, ...], biases: bool, activation: str, loss: Loss
) -> None:
    net = Network(widths, activation, 1.5, biases)
    theta, x, y = data(net)
    found, h = net.gradient(theta, x, y, loss), 1e-6
    for one in range(net.size):
        step = h * (np.arange(net.size) == one)
        high, low = (net.loss(theta + sign * step, x, y, loss) for sign in (1, -1))
        assert found[one] == pytest.approx((high - low) / (2 * h), abs=2e-8)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_input_gradient_is_that_of_differences(activation: str) -> None:
    net = Network((4, 6, 5, 2), activation)
    theta, x, _ = data(net)
    found, h = net.input_gradient(theta, x), 1e-6
    for one in range(4):
        step = h * (np.arange(4) == one)
        high, low = (net.output(theta, x + sign * step).sum(axis=1) for sign in (1, -1))
        assert_allclose(found[:, one], (high - low) / (2 * h), atol=1e-8)


def test_output_of_a_small_network_by_hand() -> None:
    net = Network((2, 2, 1), "relu")
    theta = np.array([1.0, -1.0, 2.0, 3.0, 0.5, -0.5, 2.0, -1.0, 0.25])
    # u = (1 + 2 + 0.5, -1 + 3 - 0.5) = (3.5, 1.5); f = 7 - 1.5 + 0.25
    assert net.output(theta, np.array([[1.0, 1.0]])).tolist() == [[5.75]]
    assert net.size == 9
    assert net.hidden == 1


def test_losses_by_hand() -> None:
    f, y = np.array([[2.0], [-1.0]]), np.array([[1.0], [1.0]])
    assert Loss.SQUARED.mean(f, y) == 1.25
    expected = (np.log1p(np.exp(-2.0)) + np.log1p(np.exp(1.0))) / 2
    assert Loss.CROSS_ENTROPY.mean(f, y) == pytest.approx(expected, rel=1e-14)
    assert np.isfinite(Loss.CROSS_ENTROPY.mean(1e5 * f, y))


def test_drawn_weights_have_the_variance_of_the_gain() -> None:
    net = Network((400, 300, 200), "relu", 2.0)
    (first, bias), (last, _) = net.matrices(net.draw(np.random.default_rng(1)))
    assert bias is not None
    assert not bias.any()
    # Variance of n Gaussians is known to sqrt(2/n): five standard errors.
    assert first.var() * 400 == pytest.approx(2.0, rel=5 * (2 / first.size) ** 0.5)
    assert last.var() * 300 == pytest.approx(1.0, rel=5 * (2 / last.size) ** 0.5)


def test_single_precision_stays_single_and_agrees() -> None:
    for activation in ("tanh", "erf", "relu"):
        net = Network((6, 8, 8, 1), activation)
        theta, x, y = data(net)
        small = [one.astype(np.float32) for one in (theta, x, y)]
        for loss in Loss:
            found = net.gradient(small[0], small[1], small[2], loss)
            assert found.dtype == np.float32
            assert net.output(small[0], small[1]).dtype == np.float32
            assert_allclose(found, net.gradient(theta, x, y, loss), atol=1e-6)


def test_descent_of_a_quadratic_is_the_power_of_the_rate() -> None:
    x, y = np.ones((6, 1)), np.zeros((6, 1))
    found = descend(
        lambda theta, x, y: theta * np.array([1.0, 0.5]), np.array([1.0, 1.0]), (x, y),
        np.random.default_rng(0), rate=0.1, batch=2, epochs=4,
    )  # fmt: skip
    assert (found.epochs, found.steps, found.finite) == (4, 12, True)
    assert_allclose(found.parameters, [0.9**12, 0.95**12], rtol=1e-13)


def test_every_pattern_once_an_epoch_or_independent_draws() -> None:
    once = list(batches(np.random.default_rng(1), 10, 4, False))
    assert [one.size for one in once] == [4, 4, 2]
    assert sorted(np.concatenate(once)) == list(range(10))
    drawn = list(batches(np.random.default_rng(1), 10, 4, True))
    assert [one.size for one in drawn] == [4, 4, 4]
    assert sorted(np.concatenate(drawn)) != sorted([*range(10), *range(2)])


def test_hooks_stop_and_the_start_is_not_changed() -> None:
    start, data_ = np.ones(1), (np.ones((4, 1)), np.ones((4, 1)))
    seen: list[int] = []

    def step(count: int, theta: FloatArray) -> bool:
        seen.append(count)
        return count == 3

    found = descend(lambda theta, x, y: theta.copy(), start, data_, np.random.default_rng(0),
                    rate=0.5, batch=2, epochs=9, each_step=step)  # fmt: skip
    assert seen == [1, 2, 3]
    assert (found.epochs, found.steps) == (2, 3)
    assert start[0] == 1.0
    assert found.parameters[0] == 0.125
    found = descend(lambda theta, x, y: theta.copy(), start, data_, np.random.default_rng(0),
                    rate=0.5, batch=4, epochs=9, each_epoch=lambda at, _: at == 2)  # fmt: skip
    assert (found.epochs, found.parameters[0]) == (2, 0.25)


def test_too_large_a_rate_is_not_finite() -> None:
    found = descend(
        lambda theta, x, y: theta.copy(), np.ones(1), (np.ones((4, 1)), np.ones((4, 1))),
        np.random.default_rng(0), rate=1e200, batch=1, epochs=5,
    )  # fmt: skip
    assert not found.finite
    assert found.epochs == 1


def test_a_network_learns() -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((200, 10))
    y = np.sign(x[:, :1])
    net = Network((10, 30, 1), "tanh")
    found = descend(lambda *a: net.gradient(*a, Loss.CROSS_ENTROPY), net.draw(rng), (x, y), rng,
                    rate=0.3, batch=20, epochs=40)  # fmt: skip
    assert np.mean(np.sign(net.output(found.parameters, x)) != y) < 0.02


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((5,),), "widths"), (((5, 0, 1),), "widths"), (((5, 1), "sign"), "activation"),
        (((5, 1), "tanh", 0.0), "gain"),
    ],
)  # fmt: skip
def test_networks_that_are_refused(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Network(*arguments)  # type: ignore[arg-type]


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(InputError, match="batch = 5"):
        descend(lambda theta, x, y: theta, np.ones(1), (np.ones((4, 1)), np.ones((4, 1))),
                np.random.default_rng(0), rate=1.0, batch=5, epochs=1)  # fmt: skip
