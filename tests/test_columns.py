"""Functions in groups of eight: compiled sums and stencils against numpy; the compiler's cache."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicadnn.kernels.theory import columns

Array = np.ndarray
GROUP = columns.GROUP


def pack(functions: Array) -> Array:
    """Table of functions (count, size), count a multiple of eight."""
    count, size = functions.shape
    return functions.reshape(count // GROUP, GROUP, size).transpose(0, 2, 1).ravel().copy()


def unpack(table: Array, count: int) -> Array:
    size = table.size // count
    return table.reshape(count // GROUP, size, GROUP).transpose(0, 2, 1).reshape(count, size)


def toeplitz(w: Array, rows: Array, size: int) -> Array:
    """Matrix of w_|h - row|, zero beyond the stencil."""
    distance = np.abs(rows[:, None] - np.arange(size))
    return np.where(distance < w.size, w[np.minimum(distance, w.size - 1)], 0.0)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 7), st.sampled_from([1, 2, 4]), st.integers(1, 5), st.integers(1, 12),
    st.integers(0, 2**31),
)  # fmt: skip
def test_convolve(half: int, ratio: int, groups: int, points: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    count, shift = GROUP * groups, half + int(rng.integers(3))
    low = int(rng.integers(points))
    size = shift + (points - 1) * ratio + half + 1 + int(rng.integers(3))
    x, before = rng.normal(size=(count, size)), rng.normal(size=(count, points * ratio))
    w, scale = rng.normal(size=half + 1), rng.uniform(1.0, 2.0, points)
    scale[rng.uniform(size=points) < 0.3] = 0.0
    rows = shift + ratio * np.arange(low, points)
    expected = before.copy()
    new = scale[low:] * (x @ toeplitz(w, rows, size).T)
    kept = before[:, ratio * np.arange(low, points)]  # rows with scale 0 are taken over
    expected[:, low:points] = np.where(scale[low:] > 0.0, new, kept)
    out = pack(before)
    columns.convolve(w, pack(x), size, shift, ratio, count, low, points, scale, out, points * ratio)
    np.testing.assert_allclose(unpack(out, count), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n", [1, 7, 8, 9, 40])
@pytest.mark.parametrize("half", [0, 1, 2, 5, 6])
def test_convolve_one(n: int, half: int) -> None:
    """Zero outside the grid, also where the stencil is longer than the grid."""
    rng = np.random.default_rng(n)
    w, x, out = rng.normal(size=half + 1), rng.normal(size=n), np.empty(n)
    columns.convolve_one(w, x, out)
    np.testing.assert_allclose(out, toeplitz(w, np.arange(n), n) @ x, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("count", [8, 16, 24])
def test_sums(count: int) -> None:
    rng = np.random.default_rng(count)
    size, low, high = 13, 2, 11
    x, y, weight = (rng.normal(size=shape) for shape in ((count, size), (count, size), count))
    single = rng.normal(size=size)
    inside = slice(low, high)

    out = rng.normal(size=count)
    expected = out - x[:, inside] @ single[inside]
    columns.add_sums(pack(x), size, count, single, low, high, -1.0, out)
    np.testing.assert_allclose(out, expected, rtol=1e-12)

    products = rng.normal(size=(count + 8, count + 8))
    full = weight[:, None] * (x[:, inside] @ y[:, inside].T)
    change = -products[:count, :count].copy()
    columns.add_products(pack(x), pack(y), size, count, low, high, weight, products)
    change += products[:count, :count]
    group = np.arange(count) // GROUP
    done = group[None, :] <= group[:, None]
    np.testing.assert_allclose(change, np.where(done, full, 0.0), atol=1e-12)

    moved = np.ones(count * (size + 3))
    columns.weighted(pack(x), size, count, single, low, high, moved, size + 3, 1)
    expected = np.ones((count, size + 3))
    expected[:, low + 1 : high + 1] = single[inside] * x[:, inside]
    np.testing.assert_allclose(unpack(moved, count), expected, rtol=1e-15)

    columns.clear(moved, size + 3, count, 3, 5)
    expected[:, 3:5] = 0.0
    np.testing.assert_allclose(unpack(moved, count), expected, rtol=1e-15)
