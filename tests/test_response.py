"""Spherical response: exact inverse, limits, derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicadnn.kernels.theory import couplings
from replicadnn.theory import spherical


def overlaps(seed: int, k: int, top: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    m = np.concatenate([[0.0], np.sort(rng.uniform(0.02, 0.98, k))])
    return np.sort(rng.uniform(0.0, top, k + 1)), m


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 12), st.integers(0, 999), st.sampled_from([1e-9, 0.1, 0.9, 0.999999]))
def test_response_inverts_field_overlaps(k: int, seed: int, top: float) -> None:
    Q, m = overlaps(seed, k, top)
    B = spherical.field_overlaps(Q, m)
    np.testing.assert_allclose(spherical.response(B, m), Q, rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize("B", [1e-12, 0.1, 3.0, 1e6])
def test_replica_symmetric_limit(B: float) -> None:
    """k = 0: Q/(1-Q)^2 = B."""
    Q = spherical.response(np.array([B]), np.zeros(1))[0]
    assert pytest.approx(B, rel=1e-9) == Q / (1.0 - Q) ** 2


def test_zero_field() -> None:
    m = np.array([0.0, 0.5])
    np.testing.assert_array_equal(spherical.response(np.zeros(2), m), np.zeros(2))


def test_entropy_derivatives() -> None:
    """dS/dQ_i = (m_{i+1}-m_i) B_i / 2 and dS/dm_i = S'_i, by complex step."""
    Q, m = overlaps(1, 6, 0.9)
    full = np.diff(np.append(m, 1.0))
    step = 1e-30
    by_Q = np.array([spherical.entropy(Q + 1j * step * e, m).imag / step for e in np.eye(7)])
    by_m = np.array([spherical.entropy(Q, m + 1j * step * e).imag / step for e in np.eye(7)[1:]])
    np.testing.assert_allclose(by_Q, 0.5 * full * spherical.field_overlaps(Q, m), rtol=1e-11)
    np.testing.assert_allclose(by_m, spherical.entropy_dm(Q, m), rtol=1e-9, atol=1e-12)


def test_jacobians_match_differences() -> None:
    Q, m = overlaps(2, 4, 0.8)
    dBdQ, dBdm, dSdQ, dSdm = spherical.jacobians(Q, m)
    step = 1e-6
    for i, e in enumerate(np.eye(5)):
        plus, minus = (spherical.field_overlaps(Q + s * step * e, m) for s in (1, -1))
        np.testing.assert_allclose((plus - minus) / (2 * step), dBdQ[:, i], rtol=1e-5, atol=1e-6)
        plus, minus = (spherical.entropy_dm(Q + s * step * e, m) for s in (1, -1))
        np.testing.assert_allclose((plus - minus) / (2 * step), dSdQ[:, i], rtol=1e-4, atol=1e-6)
    for i, e in enumerate(np.eye(5)[1:]):
        plus, minus = (spherical.field_overlaps(Q, m + s * step * e) for s in (1, -1))
        np.testing.assert_allclose((plus - minus) / (2 * step), dBdm[:, i], rtol=1e-5, atol=1e-6)
        plus, minus = (spherical.entropy_dm(Q, m + s * step * e) for s in (1, -1))
        np.testing.assert_allclose((plus - minus) / (2 * step), dSdm[:, i], rtol=1e-4, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 20), st.integers(0, 999), st.sampled_from([1e-3, 0.1, 0.9, 0.9999]))
def test_kernel_is_the_numpy_twin(k: int, seed: int, top: float) -> None:
    """Values, the inverse, and closed second derivatives against complex steps."""
    Q, m = overlaps(seed, k, top)
    s, by_m = couplings.entropy(Q, m)
    np.testing.assert_allclose(s, spherical.entropy(Q, m), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(by_m, spherical.entropy_dm(Q, m), rtol=1e-11, atol=1e-14)
    B = spherical.field_overlaps(Q, m)
    np.testing.assert_allclose(couplings.field_overlaps(Q, m), B, rtol=1e-12)
    np.testing.assert_allclose(couplings.response(B, m), spherical.response(B, m), rtol=1e-10)
    dBdQ, _, dSdQ, dSdm = spherical.jacobians(Q, m)
    for found, twin in zip(couplings.second_derivatives(Q, m), (dBdQ, dSdQ, dSdm), strict=True):
        np.testing.assert_allclose(found, twin, atol=1e-9 * np.abs(twin).max(initial=1e-300))


def test_kernel_keeps_the_limits() -> None:
    np.testing.assert_array_equal(couplings.response(np.zeros(2), np.array([0.0, 0.5])), 0.0)
    for B in (1e-12, 0.1, 3.0, 1e6):
        Q = couplings.response(np.array([B]), np.zeros(1))[0]
        assert pytest.approx(B, rel=1e-9) == Q / (1.0 - Q) ** 2
    # no cancellation where two levels merge: (x/(1+x) - ln(1+x))/x^2 = -1/2 + 2x/3 - ...
    for x in (0.0, 1e-8, 1e-3):
        g, slope = couplings.curved_log(x)
        assert g == pytest.approx(-0.5 + 2.0 * x / 3.0 - 0.75 * x * x, abs=1e-8)
        assert slope == pytest.approx(2.0 / 3.0 - 1.5 * x, abs=1e-5)
    below, above = couplings.curved_log(0.1 - 1e-12), couplings.curved_log(0.1 + 1e-12)
    np.testing.assert_allclose(below, above, rtol=1e-11)


@pytest.mark.parametrize(
    ("B", "m", "rest"),
    [
        ([0.0, 1e6], [0.0, 0.3], 3.33329629699587e-6),
        ([0.0, 1e3, 1e12], [0.0, 0.1, 0.4], 2.50000000181651e-12),
        ([0.0, 5.0, 9.0, 1e5], [0.0, 0.2, 0.4, 0.6], 1.66666831499827e-5),
    ],
)
def test_distance_from_one_keeps_its_digits(B: list[float], m: list[float], rest: float) -> None:
    """1 - Q_K = 1/mu; literal numbers in 40-digit arithmetic, where 1.0 - Q_K has none left."""
    Q, found = couplings.response_and_rest(np.array(B), np.array(m))
    assert found == pytest.approx(rest, rel=2e-14, abs=0.0)
    np.testing.assert_array_equal(Q, couplings.response(np.array(B), np.array(m)))


def test_distance_from_one_without_a_field() -> None:
    assert couplings.response_and_rest(np.zeros(2), np.array([0.0, 0.5]))[1] == 1.0
