"""The flow of two fields: against its twin, plain sums, the symmetric averages, differences."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from replicadnn.kernels.theory.exact import site_and_slopes
from replicadnn.problem import Problem, Scenario
from replicadnn.theory.broken.state import FlowError
from replicadnn.theory.closures.exact import plane_twin
from replicadnn.theory.closures.exact.plane import PlaneFlow, plane_flow
from replicadnn.theory.closures.exact.plane_response import U, W, plane_response
from replicadnn.theory.closures.exact.site import Sites
from replicadnn.types import FloatArray

INF = math.inf


def arrays(*rows: list[float]) -> list[FloatArray]:
    return [np.array(row) for row in rows]


#: m, lam, eps, kappa, beta: two levels, three with a margin at finite beta, with an overlap at
#: x = 0, without levels, nothing from below.
CASES = {
    "two levels": (*arrays([0, 0.2, 0.54], [0, 0.2, 0.46], [0, 0.11, 0.35]), 0.0, INF),
    "margin": (*arrays([0, 0.2, 0.44, 0.7], [0, 0.2, 0.46, 0.7], [0, 0.4, 0.6, 1.5]), 0.3, 4.0),
    "level zero": (*arrays([0, 0.2, 0.44], [0.1, 0.2, 0.46], [0.3, 0.4, 0.6]), 0.0, INF),
    "no levels": (*arrays([0], [0.4], [0.6]), 0.0, INF),
    "from above only": (*arrays([0, 0.3], [0, 0], [0, 0.8]), 0.0, INF),
}


def flow(case: str, points: float = 5.0) -> PlaneFlow:
    return plane_flow(*CASES[case], points)


@pytest.mark.parametrize("case", CASES)
def test_flow_is_its_twin(case: str) -> None:
    """Half the plane on a mapped grid, the whole one on a uniform grid: F, q, G, A to 1e-13."""
    fast, slow = flow(case), plane_twin.plane_flow(*CASES[case])
    assert fast.free_energy == pytest.approx(slow.free_energy, abs=2e-14)
    np.testing.assert_allclose(fast.q, slow.q, rtol=0, atol=2e-13)
    np.testing.assert_allclose(fast.G, slow.G, rtol=0, atol=2e-13)
    np.testing.assert_allclose(fast.A, slow.A, rtol=0, atol=2e-13)
    np.testing.assert_allclose(fast.squares, slow.squares, rtol=0, atol=3e-11)
    assert fast.mass_error < 1e-14


@pytest.mark.parametrize(("kappa", "beta"), [(0.0, INF), (0.5, INF), (0.2, 3.0)])
def test_one_level_needs_no_flow(kappa: float, beta: float) -> None:
    """Plain sums with the weight e^{m f} give the same F, q, G and dF/dm."""
    m, lam, eps = 0.37, 0.55, 0.8
    F, q, G, A = plane_twin.one_step(m, lam, eps, kappa, beta)
    found = plane_flow(*arrays([0, m], [0, lam], [0, eps]), kappa, beta, 5.0)
    assert found.free_energy == pytest.approx(F, abs=2e-14)
    assert found.q[1] == pytest.approx(q, abs=2e-14)
    assert found.G[1] == pytest.approx(G, abs=2e-14)
    assert found.A[1] == pytest.approx(A, abs=1e-13)


def test_without_levels_it_is_replica_symmetric() -> None:
    """Moments and second derivatives from the quadratures of the symmetric equations."""
    lam, eps = np.array([0.4]), np.array([0.6])
    sites = Sites(Problem(alpha=1.0, L=2, scenario=Scenario.RANDOM, closure="exact"))
    found = plane_flow(np.zeros(1), lam, eps, 0.0, INF, 5.0)
    slopes = site_and_slopes(*sites.parameters, lam[0], 1.0 - lam[0], eps[0], 1)[3:]
    assert found.free_energy == pytest.approx(sites.potentials(lam, 1.0 - lam, eps)[0], abs=1e-13)
    np.testing.assert_allclose(found.squares[:, 0], slopes[3:], rtol=0, atol=1e-12)
    response = plane_response(found).by_variance[:, 0, :, 0]
    want = [slopes[:2], slopes[1:3]]
    np.testing.assert_allclose(response, want, rtol=0, atol=1e-9)
    assert found.rest == pytest.approx(1.0 - found.q[0], abs=1e-14)


def test_a_grid_finer_by_half_changes_nothing() -> None:
    """F to 1e-14, moments to 1e-12, also next to saturation, V = 1e-3."""
    near = (*arrays([0, 0.2, 0.5], [0, 0.9, 0.999], [0, 3.0, 9.0]), 0.0, INF)
    for case in (*CASES.values(), near):
        one, other = (plane_flow(*case, points) for points in (5.0, 7.5))
        assert one.free_energy == pytest.approx(other.free_energy, abs=5e-14)
        np.testing.assert_allclose(one.q, other.q, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(one.G, other.G, rtol=5e-10, atol=1e-13)


def test_fields_beyond_any_grid_are_refused() -> None:
    with pytest.raises(FlowError, match="grid"):
        plane_flow(*arrays([0, 0.5], [0, 0.5], [0, 1e4]), 0.0, INF, 5.0)


def differences(value: Callable[[float], FloatArray], step: float = 1e-4) -> FloatArray:
    """Central difference of fourth order."""
    near, far = value(step) - value(-step), value(2 * step) - value(-2 * step)
    return np.asarray((8.0 * near - far) / (12.0 * step))


@pytest.mark.parametrize("case", ["two levels", "margin", "level zero", "no levels"])
def test_responses_are_differences(case: str) -> None:
    """dF = -(m_{i+1} - m_i)/2 (G, q) (1/2 more for eps_K), and all second derivatives."""
    m, lam, eps, kappa, beta = CASES[case]
    K = m.size - 1
    found = flow(case)
    response = plane_response(found)
    width = np.diff(np.append(m, 1.0))

    def moved(row: int, i: int) -> Callable[[float], FloatArray]:
        def value(step: float) -> FloatArray:
            args = [m.copy(), lam.copy(), eps.copy()]
            args[row][i] += step
            other = plane_flow(args[0], args[1], args[2], kappa, beta, 5.0)
            return np.concatenate([[other.free_energy], other.q, other.G, other.A[1:-1]])

        return value

    for x, row, moment in ((U, 2, found.q), (W, 1, found.G)):
        for i in range(K + 1):
            if CASES[case][row][i] == 0.0:
                continue
            slope = differences(moved(row, i))
            top = 0.5 if x == U and i == K else 0.0
            assert slope[0] == pytest.approx(top - 0.5 * width[i] * moment[i], abs=1e-10)
            want = response.by_variance[:, :, x, i].ravel()
            np.testing.assert_allclose(slope[1 : 2 * K + 3], want, rtol=0, atol=2e-9)
    for i in range(1, K + 1):
        slope = differences(moved(0, i))
        assert slope[0] == pytest.approx(found.A[i], abs=1e-10)
        want = np.concatenate([response.by_step[:, :, i].ravel(), response.steps[1:, i]])
        np.testing.assert_allclose(slope[1:], want, rtol=0, atol=2e-9)


def test_second_derivatives_are_symmetric() -> None:
    """d2F/dlam_i deps_j by either order: (m_{j+1}-m_j) dT_j/dv_i."""
    found = flow("margin")
    response, width = plane_response(found).by_variance, np.diff(np.append(found.m, 1.0))
    second = response.reshape(8, 8) * np.tile(width, 2)[:, None]
    np.testing.assert_allclose(second, second.T, rtol=0, atol=1e-10)
