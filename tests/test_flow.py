"""Parisi flow: kernel against twin, identities, mass, hard limits, the SK model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_ndtr, roots_hermitenorm

from replicadnn.kernels.theory import layers
from replicadnn.kernels.theory.boundaries import log_ndtr as kernel_log_ndtr
from replicadnn.kernels.theory.hessian import _supports
from replicadnn.theory.closures.averaged.broken_flows import LayerFlow
from replicadnn.theory.parisi import (
    Boundary,
    Grid,
    fast_flow,
    gap_boundary,
    make_grid,
    parisi_flow,
    spin_boundary,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import sk

NODES, WEIGHTS = roots_hermitenorm(120)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def levels(seed: int, k: int, v_top: float, m_top: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Random breakpoints and variances that are not close to each other."""
    rng = np.random.default_rng(seed)
    m = np.concatenate([[0.0], np.cumsum(rng.uniform(0.5, 1.5, k))])
    m *= m_top * 0.95 / max(m[-1] + 0.5, 1.0)
    v = np.cumsum(rng.uniform(0.2, 1.8, k + 1))
    return m, v_top * v / v[-1]


def boundaries(v_top: float) -> dict[str, Boundary]:
    return {
        "gap": gap_boundary(v_top),
        "gap, kappa and beta": gap_boundary(v_top, 0.4, 3.0),
        "spin": spin_boundary(),
    }


@pytest.mark.parametrize("name", ["gap", "gap, kappa and beta", "spin"])
@pytest.mark.parametrize("k", [0, 1, 5, 12])
@pytest.mark.parametrize("v_top", [0.3, 0.9])
def test_kernel_equals_twin(name: str, k: int, v_top: float) -> None:
    m, v = levels(k, k, v_top)
    boundary = boundaries(v_top)[name]
    slow, fast = parisi_flow(boundary, m, v), fast_flow(boundary, m, v)
    assert fast.free_energy == pytest.approx(slow.free_energy, abs=1e-11)
    np.testing.assert_allclose(fast.T, slow.T, atol=1e-10)
    np.testing.assert_allclose(fast.curvature, slow.curvature, atol=1e-9)
    np.testing.assert_allclose(fast.mean, slow.mean, atol=1e-11)
    np.testing.assert_allclose(fast.P, slow.P, atol=1e-11)


@pytest.mark.parametrize("name", ["gap", "gap, kappa and beta", "spin"])
def test_one_level_against_gauss_hermite(name: str) -> None:
    """k = 1: both integrals done by Gauss-Hermite quadrature of the formulas."""
    m, v = np.array([0.0, 0.4]), np.array([0.25, 0.7])
    boundary = boundaries(0.7)[name]
    if name == "spin":
        f1 = lambda h: np.logaddexp(h, -h)  # noqa: E731
    else:
        kappa, noise = (0.4, np.exp(-3.0)) if "kappa" in name else (0.0, 0.0)
        width = np.sqrt(0.3)
        f1 = lambda h: np.logaddexp(  # noqa: E731
            np.log(max(noise, 1e-300)), np.log1p(-noise) + log_ndtr((h - kappa) / width)
        )
    h0 = np.sqrt(v[0]) * NODES
    inner = np.exp(m[1] * f1(h0[:, None] + np.sqrt(v[1] - v[0]) * NODES)) @ WEIGHTS
    exact = float(WEIGHTS @ np.log(inner)) / m[1]
    assert fast_flow(boundary, m, v).free_energy == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("name", ["gap", "gap, kappa and beta", "spin"])
@pytest.mark.parametrize("k", [0, 1, 4])
def test_derivatives_of_free_energy(name: str, k: int) -> None:
    """dF/dv_i = -(m_{i+1}-m_i)/2 T_i (+1/2 at the top of the spin flow), dF/dm_i = A_i."""
    m, v = levels(3 + k, k, 0.8)
    step = 1e-4

    def energy(m: np.ndarray, v: np.ndarray) -> float:
        return fast_flow(boundaries(v[-1])[name], m, v).free_energy

    flow = fast_flow(boundaries(v[-1])[name], m, v)
    by_v = flow.dF_dv
    by_v[-1] += 0.5 if name == "spin" else 0.0
    for i in range(k + 1):
        d = step * np.eye(k + 1)[i]
        four = (
            8 * (energy(m, v + d) - energy(m, v - d)) - energy(m, v + 2 * d) + energy(m, v - 2 * d)
        )
        assert four / (12 * step) == pytest.approx(by_v[i], abs=2e-8)
    for i in range(1, k + 1):
        d = step * np.eye(k + 1)[i]
        slope = (energy(m + d, v) - energy(m - d, v)) / (2 * step)
        assert slope == pytest.approx(flow.dF_dm[i - 1], abs=1e-8)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 8),
    st.integers(0, 1000),
    st.sampled_from([1e-6, 0.01, 0.5, 0.97, 0.9995]),
    st.booleans(),
)
def test_mass_and_order(k: int, seed: int, v_top: float, zero_start: bool) -> None:
    """sum P_i = 1; T_i >= 0 does not decrease; v_0 = 0 and equal variances are allowed."""
    m, v = levels(seed, k, v_top)
    if zero_start:
        v = v * (np.arange(k + 1) >= min(k, 2))
    for boundary in (gap_boundary(v[-1]), spin_boundary()):
        flow = fast_flow(boundary, m, v)
        assert flow.mass_error < 1e-10
        assert abs(flow.P.sum(1) - 1.0).max() < 1e-10
        assert np.diff(flow.T).min(initial=0.0) > -1e-9


def test_zero_increment_is_neutral() -> None:
    m, v = np.array([0.0, 0.3, 0.7]), np.array([0.1, 0.6, 0.6])
    three = fast_flow(gap_boundary(0.6), m, v)
    two = fast_flow(gap_boundary(0.6), m[:2], v[:2])
    assert three.free_energy == pytest.approx(two.free_energy, abs=1e-13)
    assert three.T[1] == pytest.approx(three.T[2], abs=1e-12)


@pytest.mark.parametrize("eps", [30.0, 400.0, 2000.0])
def test_large_fields(eps: float) -> None:
    """m = 1/2: F lies between (1/m) ln[2 e^(m^2 eps/2) Phi(m sqrt(eps))] and ln 2 above it."""
    m, v = np.array([0.0, 0.5]), np.array([0.0, eps])
    flow = fast_flow(spin_boundary(), m, v)
    assert 0.9 < flow.T[1] <= 1.0 + 1e-9
    low = (np.log(2.0) + 0.125 * eps + log_ndtr(0.5 * np.sqrt(eps))) / 0.5
    assert low - 1e-6 < flow.free_energy < low + np.log(2.0)
    assert flow.mass_error < 1e-10


@pytest.mark.parametrize("eps", [1e4, 1e6])
def test_fields_beyond_the_range_are_reported(eps: float) -> None:
    """exp(m f) underflows: nothing is NaN, and the mass error says that the result is wrong."""
    flow = fast_flow(spin_boundary(), np.array([0.0, 0.5]), np.array([0.0, eps]))
    assert np.isfinite(flow.free_energy)
    assert np.isfinite(flow.T).all()
    assert flow.mass_error > 0.5


def test_the_largest_error_of_a_mass_is_reported() -> None:
    """v = 1e4, h up to 8000: e^-3200 underflows; P_0 has its mass, P_1 of the twin none."""
    m, v, grid = np.array([0.0, 0.9]), np.array([0.0, 1e4]), Grid(40.0, 200, 200)
    for flow in (parisi_flow, fast_flow):
        found = flow(spin_boundary(), m, v, grid=grid)
        assert found.mass_error == pytest.approx(1.0, abs=1e-9)
    assert parisi_flow(spin_boundary(), m, v, grid=grid).P.sum(1) == pytest.approx([1.0, 0.0])


@pytest.mark.parametrize("gap", [1e-3, 1e-4, 1e-6])
def test_interaction_near_contact(gap: float) -> None:
    """lam -> 1 with k = 0: f' = |h|/(1-lam) for h < 0, so T (1-lam)^2 -> 1/2."""
    lam = 1.0 - gap
    flow = fast_flow(gap_boundary(lam), np.zeros(1), np.array([lam]))
    assert flow.T[0] * gap**2 == pytest.approx(0.5, abs=1.5 * np.sqrt(gap))
    assert flow.mass_error < 1e-10


def test_second_derivatives_match_differences() -> None:
    """The response matrices of `kernels.theory.hessian` against differences of T and A."""
    m, v = levels(5, 4, 0.7)

    def run(m: np.ndarray, v: np.ndarray, spin: bool) -> tuple[LayerFlow, Any]:
        moments, work = (
            layers.spin_flow(m, 4 * v, 1.0, 5.0)
            if spin
            else layers.gap_flow(m, v, 0.2, np.inf, 5.0)
        )
        return LayerFlow(*moments), work

    step = 1e-5
    for spin in (False, True):
        flow, work = run(m, v, spin)
        dTdv, dTdm, dAdv, dAdm = layers.responses(flow.T, flow.curvature, work)
        factor = 4.0 if spin else 1.0
        for i in range(5):
            d = step * np.eye(5)[i]
            up, down = run(m, v + d, spin)[0], run(m, v - d, spin)[0]
            slope = (up.T - down.T) / (2 * step * factor)
            np.testing.assert_allclose(slope, dTdv[:, i], atol=3e-7)
            slope = (up.A - down.A) / (2 * step * factor)
            np.testing.assert_allclose(slope[1:5], dAdv[1:5, i], atol=3e-7)
        for i in range(1, 5):
            d = step * np.eye(5)[i]
            up, down = run(m + d, v, spin)[0], run(m - d, v, spin)[0]
            np.testing.assert_allclose((up.T - down.T) / (2 * step), dTdm[:, i], atol=3e-7)
            slope = (up.A - down.A) / (2 * step)
            np.testing.assert_allclose(slope[1:5], dAdm[1:5, i], atol=3e-7)


@pytest.mark.parametrize("spin", [False, True])
def test_responses_of_a_sharp_level_are_the_limit(spin: bool) -> None:
    """v_0 = 0 (a density at one point) against v_0 = 1e-9."""
    m, v = levels(5, 4, 0.7)
    found = []
    for first in (0.0, 1e-9):
        v[0] = first
        moments, work = (
            layers.spin_flow(m, 4 * v, 1.0, 5.0)
            if spin
            else layers.gap_flow(m, v, 0.4, np.inf, 5.0)
        )
        found.append(layers.responses(moments[1], moments[2], work))
    for sharp, wide in zip(*found, strict=True):
        np.testing.assert_allclose(sharp, wide, atol=1e-7)


def random_levels(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Levels as a search may meet them: wide and narrow cells, a thin one at the top."""
    k, top = int(rng.integers(1, 14)), rng.uniform(0.3, 0.97)
    v = np.concatenate([[0.0], np.sort(rng.uniform(0.0, top, k - 1)), [top]])
    if rng.uniform() < 0.5:
        v = np.sort(np.append(v[:-2], top * np.array([1.0 - rng.uniform(0.002, 0.05), 1.0])))
    return np.concatenate([[0.0], np.sort(rng.uniform(0.0, 1.0, k))]), v


@pytest.mark.parametrize("beta", [np.inf, 7.0, 16.0, 28.0])
def test_default_grid_is_fine_enough_for_any_levels(beta: float) -> None:
    """Also where exp(m f) is steep at a density that is not small, and at the floor f = -beta."""
    rng = np.random.default_rng(24)
    for _ in range(150):
        m, v = random_levels(rng)
        kappa = float(rng.choice([-0.5, 0.0, 0.3]))
        one, fine = (layers.gap_flow(m, v, kappa, beta, points)[0] for points in (5.0, 10.0))
        assert one[4] < 1e-12
        assert one[0] == pytest.approx(fine[0], abs=1e-10)
        np.testing.assert_allclose(one[1], fine[1], rtol=1e-11, atol=1e-9 if beta < 100.0 else 1e-8)


def test_default_grid_of_neurons() -> None:
    rng = np.random.default_rng(25)
    for _ in range(150):
        m, v = random_levels(rng)
        v *= np.exp(rng.uniform(-3.0, 5.0))
        m_top = rng.choice([1.0, rng.uniform(0.1, 1.0)])
        one, fine = (layers.spin_flow(m_top * m, v, m_top, points)[0] for points in (5.0, 10.0))
        assert one[4] < 1e-12
        assert one[0] == pytest.approx(fine[0], abs=2e-10)
        np.testing.assert_allclose(one[1], fine[1], rtol=1e-11, atol=2e-9)


def test_no_spacing_of_the_grid_is_special() -> None:
    """Rows in the far tail whose sum vanishes by cancellation once gave mass errors of one."""
    v = np.array(
        [0.0, 0.0045, 0.0185, 0.0432, 0.0808, 0.1334, 0.201, 0.2775, 0.3538, 0.4018, 0.4459,
         0.4869, 0.5248, 0.5598, 0.5921, 0.6703, 0.6813, 0.6898]
    )  # fmt: skip
    m = np.array(
        [0.0, 0.017, 0.0502, 0.0808, 0.108, 0.1314, 0.1518, 0.1711, 0.1922, 0.347, 0.3715, 0.4002,
         0.4339, 0.4736, 0.5204, 0.7835, 0.7949, 0.806]
    )  # fmt: skip
    boundary = gap_boundary(v[-1])
    reference = layers.gap_flow(m, v, 0.0, np.inf, 10.0)[0]
    for points in np.linspace(4.8, 5.2, 401):
        step = boundary.width / points
        side = int(8.0 * np.sqrt(v[-1]) / step) + 24
        flow = fast_flow(boundary, m, v, grid=Grid(step, side, side))
        assert flow.mass_error < 1e-12
        assert flow.free_energy == pytest.approx(reference[0], abs=1e-9)
        np.testing.assert_allclose(flow.T, reference[1], rtol=1e-11, atol=1e-8)


@pytest.mark.parametrize("beta", [12.0, 18.0, 28.0, 80.0, 750.0])
def test_kink_of_the_floor_is_resolved(beta: float) -> None:
    """At small m the density reaches the floor f = -beta, whose kink is 1/sqrt(2 beta) as wide."""
    m, v = np.array([0.0, 0.05]), np.array([0.48, 0.96])
    one, fine = (layers.gap_flow(m, v, 0.0, beta, points)[0] for points in (5.0, 10.0))
    np.testing.assert_allclose(one[1], fine[1], rtol=1e-11, atol=1e-9)


def test_grid_refinement() -> None:
    """Twice the resolution changes F and T by less than 1e-10."""
    m, v = levels(1, 10, 0.9)
    full = np.append(m, 1.0)
    for boundary in (gap_boundary(0.9), spin_boundary()):
        coarse = fast_flow(boundary, m, v)
        fine = fast_flow(boundary, m, v, grid=make_grid(boundary, full, v, 10.0))
        assert coarse.free_energy == pytest.approx(fine.free_energy, abs=1e-10)
        np.testing.assert_allclose(coarse.T, fine.T, atol=1e-10)


def test_bad_levels_are_refused() -> None:
    for m, v in (([0.0, 0.5], [0.2, 0.1]), ([0.0, 1.5], [0.1, 0.2]), ([0.1, 0.5], [0.1, 0.2])):
        with pytest.raises(ValueError, match="m"):
            fast_flow(spin_boundary(), np.array(m), np.array(v))


@pytest.mark.parametrize("x", [-200.0, -35.0, -29.9, -8.0, -1.0, 0.0, 4.9, 5.1, 20.0])
def test_log_ndtr(x: float) -> None:
    assert kernel_log_ndtr(x) == pytest.approx(float(log_ndtr(x)), rel=1e-12)


def test_sk_published_values() -> None:
    """beta = 2, h = 0: RS -0.792393; fixed-breakpoint 5-level value -0.791179 is a lower bound."""
    assert sk.solve_sk(2.0, 0).free_energy == pytest.approx(-0.792393, abs=1e-6)
    five = sk.solve_sk(2.0, 5)
    assert five.gradient < 1e-7
    assert five.free_energy == pytest.approx(-0.791179, abs=2e-6)
    assert five.free_energy > sk.solve_sk(2.0, 2).free_energy


@pytest.mark.slow
def test_sk_ground_state() -> None:
    assert sk.ground_state_energy(K=8) == pytest.approx(-0.7631667265, abs=1e-5)


@pytest.mark.parametrize(
    ("m", "eps", "m_top", "rest"),
    [
        (0.5, 10.0, 1.0, 0.0606242406866098),
        (0.9, 20.0, 1.0, 7.08559289926259e-5),
        (0.9, 60.0, 1.0, 3.88802129678439e-12),
        (0.95, 100.0, 1.0, 2.92430720913018e-21),
        (0.3, 30.0, 0.5, 0.0685275967188186),
        (0.45, 200.0, 0.5, 2.43665653069975e-10),
    ],
)
def test_distance_of_a_neuron_overlap_from_one(
    m: float, eps: float, m_top: float, rest: float
) -> None:
    """One step: 1 - q_1 = Int cosh^(m/t - 2)(t h) / Int cosh^(m/t)(t h), t = m_top, h ~ N(0, eps).

    Literal numbers by quadrature in 40-digit arithmetic; 1.0 - q_1 has lost the small ones.
    """
    moments, _ = layers.spin_flow(np.array([0.0, m]), np.array([0.0, eps]), m_top, 5.0)
    assert LayerFlow(*moments).rest == pytest.approx(rest, rel=2e-14, abs=0.0)


def test_range_of_a_level_holds_that_of_the_level_below() -> None:
    """A conditional mean that underflows keeps the value of its own point, which has to be there.

    Grids of 41 and 81 points; differences of the coarse one reach 4 of its points, 8 fine ones.
    """
    P = np.zeros((2, 81))
    P[0, 10:31], P[1, 38:43] = 1.0 / 21.0, 0.2
    lows, highs = _supports(P, np.array([20, 40]), np.array([1, 2]))
    assert lows.tolist() == [6, 12]  # 38 - 8 = 30 would leave out the points 12..29
    assert highs.tolist() == [35, 69]
