"""Interpolation on a circle: what is exact about it, and what is harmful and what is not."""

from __future__ import annotations

import numpy as np
import pytest

import replicadnn as rd
from replicadnn.curves import interpolation
from replicadnn.curves.interpolating import Fit, Kernel, signal


@pytest.mark.parametrize("order", [2, 4])
def test_the_kernel_is_its_series(order: int) -> None:
    x = np.linspace(-1.0, 1.0, 9)
    k = np.arange(1, 20001)
    series = 1.0 + np.cos(2.0 * np.pi * x[:, None] * k) @ (1.0 / k**order)
    found = Kernel(order).of(x, np.zeros(1))[:, 0]
    np.testing.assert_allclose(found, series, atol=1e-4 if order == 2 else 1e-12)
    spiked = Kernel(order, 3.0, 0.5).of(x, np.zeros(1))[:, 0]
    away = np.minimum(np.abs(x), 1.0 - np.abs(x))
    np.testing.assert_allclose(spiked - found, 3.0 * (1.0 - 2.0 * away), atol=1e-12)


def test_order_two_is_nearly_a_polygon() -> None:
    """Linear between neighbours, up to the constant 1 of the kernel (of finite weight)."""
    rng = np.random.default_rng(0)
    x, y = np.sort(rng.random(30)), rng.standard_normal(30)
    fit = Fit.of(Kernel(2), x, y)
    np.testing.assert_allclose(fit(x), y, atol=1e-9)
    middle = 0.5 * (x[1:] + x[:-1])
    bend = fit(middle) - 0.5 * (y[1:] + y[:-1])
    assert np.max(np.abs(bend)) < 0.02


def test_harmful_tempered_benign() -> None:
    """Polygon: 2 sigma2/3 (mean of (1 - s)^2 + s^2 over a piece); spline: grows; spike: falls."""
    polygon = interpolation([40, 320], samples=40, seed=3)
    assert np.all(polygon.training_error < 1e-15)
    assert abs(polygon.mean[1] - 0.25 * 2.0 / 3.0) < 3.0 * polygon.error[1] + 2e-3
    spiked = interpolation([40, 320], height=3.0, samples=40, seed=3)
    assert np.all(spiked.training_error < 1e-20)
    assert spiked.mean[1] < 0.25 * spiked.mean[0] < 0.25 * polygon.mean[0]
    spline = interpolation([10, 80], order=4, samples=40, seed=3)
    assert spline.median[1] > 3.0 * spline.median[0] > 3.0 * 0.25
    ridge = interpolation([40, 320], ridge=3.0, samples=40, seed=3)
    assert np.all(ridge.training_error > 0.1)
    np.testing.assert_allclose(spiked.mean[1], ridge.mean[1], rtol=0.15)


def test_the_same_data_whatever_else_is_asked_for() -> None:
    both, one = interpolation([10, 20], samples=3), interpolation(20, samples=2)
    np.testing.assert_array_equal(both.risk[:2, 1], one.risk[:, 0])
    assert signal(np.array([0.25]))[0] == 1.0


def test_mistakes() -> None:
    for words, line in (
        ({"n": 2}, "n = 2: a whole number from 3"),
        ({"n": 9, "order": 3}, "order = 3: 2 or 4"),
        ({"n": 9, "height": -1}, "height = -1: a number, 0 or more"),
        ({"n": 9, "samples": 1}, "samples = 1: a whole number from 2"),
    ):
        with pytest.raises(rd.InputError, match=line):
            interpolation(**words)
    with pytest.raises(rd.ReplicaDNNError, match="of 2000 patterns is singular to rounding: fewer"):
        interpolation(2000, order=4, samples=2)
