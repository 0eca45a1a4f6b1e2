"""Compiled assembly of the Hessian against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import block_diag

from replicadnn.kernels.theory import newton
from replicadnn.theory import spherical as response

Array = np.ndarray


def coupling_block(
    m: Array, q_a: Array, Q: Array, q_b: Array, G: Array, dTdv: Array, dAdv: Array, dAdm: Array,
    alpha: float,
) -> Array:  # fmt: skip
    """Numpy twin of `newton.coupling_block`."""
    dBdQ, _, dSdQ, dSdm = response.jacobians(Q, m)
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
    vectors[1] = np.sort(vectors[1])
    matrices = [rng.normal(size=shape) for shape in [(k1, k1), (k1 + 1, k1), (k1 + 1, k1 + 1)]]
    found = newton.coupling_block(m, *vectors, *matrices, 3.0)
    np.testing.assert_allclose(found, coupling_block(m, *vectors, *matrices, 3.0), rtol=1e-10)


def test_add_block_adds_repeated_and_skips_negative_indices() -> None:
    rng = np.random.default_rng(1)
    index, block = np.array([2, -1, 0, 2]), rng.normal(size=(4, 4))
    H, expected = np.zeros((3, 3)), np.zeros((3, 3))
    newton.add_block(H, index, 2.0, block)
    np.add.at(expected, np.ix_([2, 0, 2], [2, 0, 2]), 2.0 * block[np.ix_([0, 2, 3], [0, 2, 3])])
    np.testing.assert_allclose(H, expected, rtol=1e-15)


def directions(x: Array) -> Array:
    """Columns: every direction enlarges one increment by its own size at the largest one's cost."""
    pieces = np.diff([0.0, *x, 1.0])
    largest = int(np.argmax(pieces))
    others = np.delete(np.arange(pieces.size), largest)
    change = np.zeros((pieces.size, x.size))
    change[others, np.arange(x.size)] = pieces[others]
    change[largest] = -pieces[others]
    return np.cumsum(change, axis=0)[:-1]


@pytest.mark.parametrize(
    "blocks",
    [
        [[0.3]],
        [[0.9]],
        [[0.1, 0.2, 0.9], [0.5, 0.7, 0.9999]],
        [[0.05, 0.6, 0.7], [0.2], [0.9, 0.95]],
    ],
)
def test_units(blocks: list[list[float]]) -> None:
    """U^T M, U z and U^-1 z against the matrix U written out, with and without breakpoints."""
    gaps = np.array([0.2, 0.05])
    offsets = np.cumsum([0, *(len(x) for x in blocks)])
    matrix = block_diag(*(directions(np.array(x)) for x in blocks), np.diag(gaps))
    x = np.concatenate(blocks)
    turns = newton.largest_increments(x, offsets)
    size = newton.exchanges(x, offsets, turns, gaps)
    rng = np.random.default_rng(3)
    n = int(offsets[-1])
    for count in (n, n + 2):
        M, z = rng.normal(size=(count, 4)), rng.normal(size=count)
        U = matrix[:count, :count]
        found = newton.rows_in_units(M, size, turns, offsets)
        np.testing.assert_allclose(found, U.T @ M, rtol=1e-12, atol=1e-15)
        found = newton.step_from_units(z, size, turns, offsets)
        np.testing.assert_allclose(found, U @ z, rtol=1e-12, atol=1e-15)
    back = newton.step_in_units(U @ z, size, turns, offsets)
    np.testing.assert_allclose(back, z, rtol=1e-10)


def test_units_at_other_turns() -> None:
    """One block (0.2, 0.5), exchanges with increment 0 instead of the largest, 1 - 0.5."""
    offsets, no_gaps = np.array([0, 2]), np.zeros(0)
    x, turns = np.array([0.2, 0.5]), np.array([0])
    assert newton.largest_increments(x, offsets)[0] == 2
    size = newton.exchanges(x, offsets, turns, no_gaps)
    np.testing.assert_allclose(size, [-0.3, -0.5])
    step = newton.step_from_units(np.array([1.0, 0.0]), size, turns, offsets)
    np.testing.assert_allclose(step, [-0.3, 0.0])


def spin_block(
    steps: Array, eps: Array, dTdv: Array, dTdm: Array, dAdm: Array, low: int
) -> tuple[Array, Array, Array]:
    """Numpy twin of `newton.spin_block`: d(W eps)/dm by differences of the linear function."""
    k, top = steps.size - 1, eps.size
    size, n_m, levels = top - low, min(top, k), slice(low, top)
    inverse = np.linalg.inv(dTdv[levels, levels])
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
    block = np.block([[half @ inverse, qm], [qm.T, mm + T_m.T @ half @ inverse @ T_m]])
    return block, inverse, T_m[:, :n_m]


@pytest.mark.parametrize(
    ("k1", "top", "low"), [(1, 1, 0), (4, 4, 0), (7, 7, 3), (7, 6, 2), (7, 6, 6)]
)
def test_spin_block(k1: int, top: int, low: int) -> None:
    """All levels free, and (top < k1) frozen above; levels below `low` are zero."""
    rng = np.random.default_rng(k1)
    steps, eps = rng.uniform(0.1, 1.0, k1), np.sort(rng.uniform(size=top))
    eps[:low] = 0.0
    values = (
        steps, eps, rng.normal(size=(top, top)) + 3 * np.eye(top), rng.normal(size=(top, top + 1)),
        rng.normal(size=(top + 1, top + 1)), low,
    )  # fmt: skip
    for found, twin in zip(newton.spin_block(*values), spin_block(*values), strict=True):
        np.testing.assert_allclose(found, twin, rtol=1e-11)


def test_spin_block_without_response() -> None:
    nothing, dTdm, dAdm = np.zeros((2, 2)), np.ones((2, 3)), np.ones((3, 3))
    with pytest.raises(np.linalg.LinAlgError):
        newton.spin_block(np.ones(2), np.ones(2), nothing, dTdm, dAdm, 0)
