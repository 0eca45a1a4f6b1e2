"""Kernels against the readable twin, closed forms and finite differences."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_ndtr

from replicadnn.kernels.theory import averages
from replicadnn.kernels.theory.special import mills
from replicadnn.problem import Problem
from replicadnn.theory.closures.averaged import twin
from replicadnn.theory.closures.averaged.equations import Equations
from replicadnn.theory.closures.averaged.weight import liquid_curvature
from replicadnn.theory.symmetric.newton import contraction, growth
from replicadnn.theory.symmetric.state import State

SCENARIOS = ("teacher-student", "random")
overlaps = st.floats(1e-4, 0.98)
betas = st.sampled_from([math.inf, 0.3, 2.0, 8.0, 30.0])
kappas = st.sampled_from([0.0, -1.0, 0.5, 2.0])


def constants(problem: Problem) -> tuple[float, float, float, float, float]:
    _, _, kappa, beta, drop, b, norm = Equations(problem).parameters
    return kappa, beta, drop, b, norm


@pytest.mark.parametrize("u", [-1e3, -30.0, -5.0, -0.1, 0.0, 2.0, 8.0])
def test_mills_ratio(u: float) -> None:
    expected = math.exp(float(log_ndtr(u)) + 0.5 * u * u + 0.5 * math.log(2 * math.pi))
    assert mills(u) == pytest.approx(expected, rel=1e-9 if u < -100 else 1e-12)


@pytest.mark.parametrize("scenario", SCENARIOS)
@given(lam=overlaps, beta=betas, kappa=kappas)
def test_curvature_equals_twin(scenario: str, lam: float, beta: float, kappa: float) -> None:
    problem = Problem(alpha=1.0, L=1, scenario=scenario, beta=beta, kappa=kappa)
    value, _ = averages.curvature(problem.teacher, lam, 1.0 - lam, *constants(problem))
    assert value == pytest.approx(twin.curvature(problem, np.array([lam]))[0], rel=1e-9)


@pytest.mark.parametrize("scenario", SCENARIOS)
@given(lam=overlaps, beta=betas, kappa=kappas)
def test_curvature_is_the_derivative_of_the_potential(
    scenario: str, lam: float, beta: float, kappa: float
) -> None:
    """dF_int/dlam = G/2 (teacher-student), -G/2 (random): two different quadratures."""
    problem = Problem(alpha=1.0, L=1, scenario=scenario, beta=beta, kappa=kappa)
    rest = constants(problem)
    step = 1e-3 * min(lam, 1.0 - lam)

    def potential(x: float) -> float:
        return averages.potential(problem.teacher, lam + x, 1.0 - lam - x, *rest)

    slope = (
        8 * (potential(step) - potential(-step)) - (potential(2 * step) - potential(-2 * step))
    ) / (12 * step)
    value, derivative = averages.curvature(problem.teacher, lam, 1.0 - lam, *rest)
    sign = 0.5 if problem.teacher else -0.5
    rounding = 1e-15 / step  # of a difference of potentials of order one
    assert slope == pytest.approx(sign * value, rel=2e-8, abs=max(1e-9, rounding))

    def shifted(x: float) -> float:
        return averages.curvature(problem.teacher, lam + x, 1.0 - lam - x, *rest)[0]

    second = (8 * (shifted(step) - shifted(-step)) - (shifted(2 * step) - shifted(-2 * step))) / (
        12 * step
    )
    assert second == pytest.approx(derivative, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("rest", [1e-3, 1e-6, 1e-9, 1e-12])
def test_curvature_near_saturation(scenario: str, rest: float) -> None:
    """Relative accuracy as lam -> 1, against 30-digit quadrature."""
    problem = Problem(alpha=1.0, L=1, scenario=scenario)
    value, _ = averages.curvature(problem.teacher, 1.0 - rest, rest, *constants(problem))
    mp.mp.dps = 30
    mu = mp.mpf(rest)
    width = mp.sqrt(mu / (1 - mu))
    near = [s * width * mp.mpf(2) ** j for j in range(-1, 45) for s in (-1, 1)]
    points = sorted({mp.mpf(0), *(x for x in near if abs(x) < 10), mp.mpf(-10), mp.mpf(10)})

    def integrand(z: mp.mpf) -> mp.mpf:
        u = z / width
        ratio = mp.npdf(u) / mp.ncdf(u)
        return mp.npdf(z) * ratio**2 * (2 * mp.ncdf(u) if problem.teacher else 1)

    exact = mp.quad(integrand, points, maxdegree=6) / mu
    assert value == pytest.approx(float(exact), rel=1e-9)


@pytest.mark.parametrize("scenario", SCENARIOS)
@given(eps=st.floats(1e-6, 40.0))
def test_neurons_equal_twin(scenario: str, eps: float) -> None:
    problem = Problem(alpha=1.0, L=2, scenario=scenario)
    q, log_rest, slope = averages.neuron(problem.teacher, eps)
    assert q == pytest.approx(twin.neurons(problem, np.array([eps]))[0], rel=1e-9, abs=1e-13)
    assert math.exp(log_rest) == pytest.approx(1.0 - q, rel=1e-9)
    step = 1e-4 * eps
    difference = averages.neuron(problem.teacher, eps + step)[0]
    difference -= averages.neuron(problem.teacher, eps - step)[0]
    assert slope == pytest.approx(difference / (2 * step), rel=1e-5, abs=1e-10)


@pytest.mark.parametrize("teacher", [True, False])
def test_neuron_formulae_join(teacher: bool) -> None:
    """The forms used below and above eps = 1 agree there."""
    low, high = (averages.neuron(teacher, 1.0 + s * 1e-13) for s in (-1, 1))
    assert np.allclose(low, high, rtol=1e-11, atol=0.0)


def test_saturated_teacher_neuron() -> None:
    """1 - q = exp(-eps/2) E sech -> exp(-eps/2) sqrt(pi/(2 eps)) (1 - pi^2/(8 eps) + ...)."""
    for eps in (1e3, 1e5):
        _, log_rest, _ = averages.neuron(True, eps)
        leading = -0.5 * eps + 0.5 * math.log(math.pi / (2 * eps)) - math.pi**2 / (8 * eps)
        assert log_rest == pytest.approx(leading, abs=5.0 / eps**2 + 1e-11)


@pytest.mark.parametrize("beta", [math.inf, 0.5, 3.0])
@pytest.mark.parametrize("kappa", [0.0, 0.7, -1.5])
def test_liquid_curvature(beta: float, kappa: float) -> None:
    expected = liquid_curvature(kappa, beta)
    if kappa == 0.0:
        assert expected == pytest.approx(2 / math.pi * math.tanh(beta / 2) ** 2, rel=1e-14)
    for scenario in SCENARIOS:
        problem = Problem(alpha=1.0, L=1, scenario=scenario, beta=beta, kappa=kappa)
        at_zero = averages.curvature(problem.teacher, 0.0, 1.0, *constants(problem))
        near = averages.curvature(problem.teacher, 1e-9, 1.0 - 1e-9, *constants(problem))
        assert at_zero[0] == pytest.approx(expected, rel=1e-13)
        assert near[0] == pytest.approx(expected, rel=1e-7)
        assert near[1] == pytest.approx(at_zero[1], rel=1e-6)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize(("beta", "kappa"), [(math.inf, 0.0), (2.0, 0.0), (math.inf, 0.4)])
def test_newton_system_is_the_derivative_of_the_map(
    scenario: str, beta: float, kappa: float
) -> None:
    problem = Problem(alpha=7.0, L=5, scenario=scenario, beta=beta, kappa=kappa)
    equations = Equations(problem)
    rng = np.random.default_rng(1)
    state = State.uniform(5, 0.5)
    active = state.active
    y = rng.uniform(-1.5, 1.5, active.size)
    _, bands = equations.linearise(state.with_logits(active, y), active)

    def residual(z: np.ndarray) -> np.ndarray:
        return equations.linearise(state.with_logits(active, z), active)[0]

    for j in range(active.size):
        bump = np.zeros(active.size)
        bump[j] = 1e-5
        column = -(residual(y + bump) - residual(y - bump)) / 2e-5
        for i in range(active.size):
            expected = bands[2 + i - j, j] if abs(i - j) <= 2 else 0.0
            assert column[i] == pytest.approx(expected, abs=2e-8)


@pytest.mark.parametrize("scenario", SCENARIOS)
@given(seed=st.integers(0, 10_000), beta=betas)
def test_map_equals_twin(scenario: str, seed: int, beta: float) -> None:
    rng = np.random.default_rng(seed)
    L = int(rng.integers(1, 7))
    problem = Problem(alpha=float(rng.uniform(0.5, 20)), L=L, scenario=scenario, beta=beta)
    q, Q = rng.uniform(0.05, 0.95, L + 1), rng.uniform(0.05, 0.95, L)
    q[[0, -1]] = 1.0
    new_q, new_Q = twin.saddle_map(problem, q, Q)
    equations = Equations(problem)
    state = State(q, 1.0 - q, Q, 1.0 - Q)
    values, _ = equations.linearise(state, state.active)
    image = state.logits + values
    assert 1 / (1 + np.exp(-image[0::2])) == pytest.approx(new_Q, rel=1e-8)
    assert 1 / (1 + np.exp(-image[1::2])) == pytest.approx(new_q[1:-1], rel=1e-8)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_map_is_monotone_where_it_is_said_to_be(scenario: str) -> None:
    """dG/dlam >= 0 (teacher-student; random: hard constraints or kappa <= 0) and dq/deps >= 0."""
    lams = [0.0, 1e-4, *np.linspace(0.02, 0.98, 25), 0.999]
    for beta in (math.inf, 0.01, 1.0, 5.0, 30.0):
        for kappa in (-3.0, -1.0, 0.0, 0.5, 1.0, 4.0):
            if scenario == "random" and kappa > 0.0 and beta < math.inf:
                continue
            problem = Problem(alpha=1.0, L=1, scenario=scenario, beta=beta, kappa=kappa)
            rest = constants(problem)
            slopes = [averages.curvature(problem.teacher, x, 1.0 - x, *rest)[1] for x in lams]
            assert min(slopes) >= 0.0, (beta, kappa)
    teacher = scenario == "teacher-student"
    assert min(averages.neuron(teacher, float(e))[2] for e in np.geomspace(1e-6, 1e4, 60)) >= 0.0


def test_exception_to_monotonicity() -> None:
    """Random data, beta = 2, kappa = 1: G falls with lam at small lam."""
    problem = Problem(alpha=1.0, L=1, scenario="random", beta=2.0, kappa=1.0)
    assert averages.curvature(False, 0.0, 1.0, *constants(problem))[1] < 0.0


def _bands(jacobian: list[list[float]]) -> np.ndarray:
    """1 - F' of two unknowns in the layout of scipy's ``solve_banded``."""
    a = np.eye(2) - np.array(jacobian)
    return np.array([[0.0, a[0, 1]], [a[0, 0], a[1, 1]], [a[1, 0], 0.0]])


@pytest.mark.parametrize(
    ("jacobian", "by_iteration", "exact"),
    [
        ([[0.5, 0.2], [0.1, 0.3]], 0.573205, 0.573205081),  # 0.4 + sqrt(0.03)
        ([[1.1, 0.0], [0.2, 0.3]], math.inf, 1.1),
        ([[0.9, 0.1], [0.4, 0.9]], math.inf, 1.1),
        ([[0.9, 0.0], [0.0, -0.2]], math.nan, 0.9),  # F' has a negative entry
        ([[-0.9, 0.0], [0.0, 0.2]], math.nan, 0.2),
        ([[0.1, -0.6], [0.6, 0.1]], math.nan, 0.1),  # 0.1 +- 0.6 i
    ],
)
def test_growth(jacobian: list[list[float]], by_iteration: float, exact: float) -> None:
    """Inverse iteration is for F' >= 0 and says when it is not; then the largest real part."""
    found = contraction(_bands(jacobian))
    assert found == pytest.approx(by_iteration, rel=1e-3, nan_ok=True)
    assert growth(_bands(jacobian)) == pytest.approx(exact, rel=1e-9)


def test_spectral_radius_of_many_unknowns_is_not_judged() -> None:
    bands = np.zeros((3, 800))
    bands[1] = 0.75
    assert growth(bands) == pytest.approx(0.25, rel=1e-12)
    assert math.isnan(growth(np.pad(bands, ((0, 0), (0, 1)), constant_values=1.0)))
