"""Compiled assembly of the Hessian against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest

from replicadnn.kernels import newton

Array = np.ndarray


def coupling_block(
    m: Array, q_a: Array, Q: Array, q_b: Array, G: Array, dTdv: Array, dAdv: Array, dAdm: Array,
    dBdQ: Array, dSdQ: Array, dSdm: Array, alpha: float,
) -> Array:  # fmt: skip
    """Numpy twin of `newton.coupling_block`."""
    half = 0.5 * np.diff(np.append(m, 1.0))
    slopes = [np.diag(q_b * Q), np.diag(q_a * q_b), np.diag(q_a * Q)]
    zero = np.zeros_like(m)
    third = [[zero, q_b, Q], [q_b, zero, q_a], [Q, q_a, zero]]
    curvature = -half[:, None] * dTdv
    xx = [
        [a @ curvature @ b - np.diag(half * G * third[r][c]) for c, b in enumerate(slopes)]
        for r, a in enumerate(slopes)
    ]
    xx[1][1] = xx[1][1] + half[:, None] * dBdQ / alpha
    xm = [a @ dAdv[1 : m.size].T for a in slopes]
    xm[1] = xm[1] + dSdQ.T / alpha
    mm = dAdm[1 : m.size, 1 : m.size] + dSdm / alpha
    return np.block(
        [[*row, col] for row, col in zip(xx, xm, strict=True)] + [[c.T for c in xm] + [mm]]
    )


@pytest.mark.parametrize("k1", [1, 2, 7])
def test_coupling_block(k1: int) -> None:
    rng = np.random.default_rng(k1)
    m = np.concatenate([[0.0], np.sort(rng.uniform(size=k1 - 1))])
    vectors = rng.uniform(size=(4, k1))
    shapes = [(k1, k1), (k1 + 1, k1), (k1 + 1, k1 + 1), (k1, k1), (k1 - 1, k1), (k1 - 1, k1 - 1)]
    matrices = [rng.normal(size=shape) for shape in shapes]
    found = newton.coupling_block(m, *vectors, *matrices, 3.0)
    np.testing.assert_allclose(found, coupling_block(m, *vectors, *matrices, 3.0), rtol=1e-13)


def test_add_block_adds_repeated_and_skips_negative_indices() -> None:
    rng = np.random.default_rng(1)
    index, block = np.array([2, -1, 0, 2]), rng.normal(size=(4, 4))
    H, expected = np.zeros((3, 3)), np.zeros((3, 3))
    newton.add_block(H, index, 2.0, block)
    np.add.at(expected, np.ix_([2, 0, 2], [2, 0, 2]), 2.0 * block[np.ix_([0, 2, 3], [0, 2, 3])])
    np.testing.assert_allclose(H, expected, rtol=1e-15)


@pytest.mark.parametrize("x", [[0.3], [0.9], [0.1, 0.2, 0.9], [0.5, 0.7, 0.9999], [0.05, 0.6, 0.7]])
def test_exchanges(x: list[float]) -> None:
    """Every direction enlarges one increment by its own size at the cost of the largest."""
    pieces = np.diff([0.0, *x, 1.0])
    largest = int(np.argmax(pieces))
    others = np.delete(np.arange(pieces.size), largest)
    change = np.zeros((pieces.size, len(x)))
    change[others, np.arange(len(x))] = pieces[others]
    change[largest] = -pieces[others]
    np.testing.assert_allclose(
        newton.exchanges(np.array(x)), np.cumsum(change, axis=0)[:-1], atol=1e-15
    )


def spin_block(
    steps: Array, eps: Array, inverse: Array, dTdm: Array, dAdm: Array, low: int, n_m: int
) -> Array:
    """Numpy twin of `newton.spin_block`: d(W eps)/dm by differences of the linear function."""
    k, size = steps.size - 1, inverse.shape[0]
    levels = slice(low, low + size)
    half = np.diag(0.5 * steps[levels])
    T_m = np.zeros((size, k))
    T_m[:, :n_m] = dTdm[levels, 1 : n_m + 1]
    explicit = np.zeros((size, k))
    for j in range(n_m):  # m_{j+1} up by one: cell j wider, cell j+1 narrower
        wider = np.zeros(steps.size)
        wider[j], wider[j + 1] = 1.0, -1.0
        full = np.append(eps, np.zeros(steps.size - eps.size))
        explicit[:, j] = 0.5 * (wider * full)[levels]
    mm = np.zeros((k, k))
    mm[:n_m, :n_m] = dAdm[1 : n_m + 1, 1 : n_m + 1]
    qm = explicit - half @ inverse @ T_m
    return np.block([[half @ inverse, qm], [qm.T, mm + T_m.T @ half @ inverse @ T_m]])


@pytest.mark.parametrize(("k1", "top", "low"), [(1, 1, 0), (4, 4, 0), (7, 7, 3), (7, 6, 2)])
def test_spin_block(k1: int, top: int, low: int) -> None:
    """All levels free, and (top < k1) frozen above; levels below `low` are zero."""
    rng = np.random.default_rng(k1)
    steps, eps = rng.uniform(0.1, 1.0, k1), np.sort(rng.uniform(size=top))
    eps[:low] = 0.0
    values = (
        steps, eps, np.linalg.inv(rng.normal(size=(top - low, top - low)) + 3 * np.eye(top - low)),
        rng.normal(size=(top, top + 1)), rng.normal(size=(top + 1, top + 1)), low, min(top, k1 - 1),
    )  # fmt: skip
    np.testing.assert_allclose(newton.spin_block(*values), spin_block(*values), rtol=1e-12)
