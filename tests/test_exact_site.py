"""Exact neurons: site averages against the readable twin, their identities and known solutions."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicadnn.errors import InputError
from replicadnn.kernels.theory import exact as kernels
from replicadnn.kernels.theory import exact_grids, symmetric
from replicadnn.kernels.theory import exact_known as known
from replicadnn.problem import Problem
from replicadnn.theory.closures.averaged.equations import Equations
from replicadnn.theory.closures.common import iterate
from replicadnn.theory.closures.exact import twin
from replicadnn.theory.closures.exact.site import Sites

TEACHER, RANDOM = "teacher-student", "random"
SCENARIOS = (TEACHER, RANDOM)
C0 = 2.0 / math.pi


def problem(scenario: str, beta: float = math.inf, kappa: float = 0.0) -> Problem:
    kappa = 0.0 if scenario == TEACHER else kappa
    return Problem(alpha=1.0, L=1, scenario=scenario, beta=beta, kappa=kappa)


def site(case: Problem, lam: float, eps: float, *, mu: float | None = None, fine: int = 1):
    """q, 1 - q, G of one layer by the kernel."""
    parameters = Sites(case).parameters
    q, log_rest, G = kernels.site(*parameters, lam, 1.0 - lam if mu is None else mu, eps, fine)
    return np.array([q, math.exp(log_rest), G])


def slopes(case: Problem, lam: float, eps: float, *, mu: float | None = None, fine: int = 1):
    parameters = Sites(case).parameters
    mu = 1.0 - lam if mu is None else mu
    return np.array(kernels.site_and_slopes(*parameters, lam, mu, eps, fine)[3:])


def potential(case: Problem, lam: float, eps: float) -> float:
    return float(kernels.potential(*Sites(case).parameters, lam, 1.0 - lam, eps, 1))


betas = st.sampled_from([math.inf, 0.3, 2.0, 8.0])
kappas = st.sampled_from([0.0, -1.0, 0.5])
fields = st.floats(-7.0, math.log(5.0)).map(math.exp)
overlaps = st.floats(1e-3, 0.9)


@pytest.mark.parametrize("scenario", SCENARIOS)
@given(lam=overlaps, eps=fields, beta=betas, kappa=kappas)
def test_values_equal_twin(
    scenario: str, lam: float, eps: float, beta: float, kappa: float
) -> None:
    case = problem(scenario, beta, kappa)
    assert site(case, lam, eps) == pytest.approx(twin.site(case, lam, eps), rel=1e-10)
    assert potential(case, lam, eps) == pytest.approx(twin.potential(case, lam, eps), abs=1e-11)


@pytest.mark.parametrize("scenario", SCENARIOS)
@given(lam=overlaps, eps=fields, beta=betas, kappa=kappas)
def test_slopes_equal_twin(
    scenario: str, lam: float, eps: float, beta: float, kappa: float
) -> None:
    case = problem(scenario, beta, kappa)
    found, expected = slopes(case, lam, eps), twin.site_slopes(case, lam, eps)
    assert found[3:] == pytest.approx(expected[3:], rel=1e-8)
    # terms of the size of the squares cancel in the derivatives of the random scenario
    assert np.all(np.abs(found[:3] - expected[:3]) <= 1e-8 * (np.abs(expected[:3]) + expected[3:]))


@pytest.mark.parametrize("scenario", SCENARIOS)
@given(lam=overlaps, eps=st.floats(0.01, 40.0), beta=betas, kappa=kappas)
def test_values_are_derivatives_of_the_potential(
    scenario: str, lam: float, eps: float, beta: float, kappa: float
) -> None:
    """dF/dlam = G/2, dF/deps = -(1-q)/2 with a teacher, the opposite signs without."""
    case = problem(scenario, beta, kappa)
    sign = 1.0 if case.teacher else -1.0
    _, rest, G = site(case, lam, eps)
    by_lam = richardson(lambda x: potential(case, x, eps), lam, 2e-3 * min(lam, 1.0 - lam))
    by_eps = richardson(lambda x: potential(case, lam, x), eps, 2e-3 * eps)
    assert by_lam == pytest.approx(0.5 * sign * G, rel=1e-8, abs=1e-9)
    assert by_eps == pytest.approx(-0.5 * sign * rest, rel=1e-8, abs=1e-9)


def richardson(function, x: float, h: float) -> float:
    """Five-point first difference."""
    near, far = function(x + h) - function(x - h), function(x + 2 * h) - function(x - 2 * h)
    return float((8.0 * near - far) / (12.0 * h))


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize(
    ("beta", "kappa"), [(math.inf, 0.0), (3.0, 0.0), (2.0, 0.5), (1.0, -1.0), (math.inf, 2.0)]
)
@pytest.mark.parametrize(("lam", "eps"), [(0.3, 0.05), (0.6, 1.2), (0.5, 3.0), (0.95, 40.0)])
def test_slopes_are_derivatives_of_the_values(
    scenario: str, beta: float, kappa: float, lam: float, eps: float
) -> None:
    case = problem(scenario, beta, kappa)
    h, g = 2e-3 * min(lam, 1.0 - lam), 2e-3 * eps
    expected = [
        richardson(lambda x: site(case, lam, x)[0], eps, g),
        richardson(lambda x: site(case, x, eps)[0], lam, h),
        richardson(lambda x: site(case, x, eps)[2], lam, h),
    ]
    found = slopes(case, lam, eps)
    assert found[:3] == pytest.approx(expected, rel=1e-7, abs=1e-10)
    by_eps = richardson(lambda x: site(case, lam, x)[2], eps, g)
    assert found[1] == pytest.approx(by_eps, rel=1e-7, abs=1e-10)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("beta", [0.1, 1.0, 3.0, 10.0, 50.0, 1000.0, math.inf])
def test_accuracy_on_a_finer_grid(scenario: str, beta: float) -> None:
    """Half of every step changes nothing by more than 1e-12, from the liquid deep into the crystal.

    Derivatives are compared relative to their own terms, dq/deps of random data to (1 - q)/eps.
    """
    case = problem(scenario, beta)
    for mu in (1.0, 1.0 - 1e-12, 1.0 - 1e-4, 0.7, 0.3, 0.1, 1e-2, 1e-4, 1e-8, 1e-14):
        lam = {1.0: 0.0, 1.0 - 1e-12: 1e-12}.get(mu, 1.0 - mu)
        for eps in (0.0, 1e-10, 1e-3, 0.3, 1.49, 1.51, 5.0, 20.0, 100.0, 1e4, 1e8, math.inf):
            one = [*site(case, lam, eps, mu=mu), *slopes(case, lam, eps, mu=mu)]
            two = [*site(case, lam, eps, mu=mu, fine=2), *slopes(case, lam, eps, mu=mu, fine=2)]
            assert np.all(np.isfinite(one))
            size = np.abs(two)
            size[3:6] = np.maximum(size[3:6], size[6:9])
            size[3] = max(size[3], two[1] / max(eps, 1.0))
            assert np.all(np.abs(np.subtract(one, two)) <= 1e-12 * size), (mu, eps)


@pytest.mark.parametrize("beta", [0.1, 3.0, 50.0, math.inf])
@pytest.mark.parametrize("kappa", [-2.0, -0.5, 0.5, 2.0])
def test_accuracy_with_a_margin(beta: float, kappa: float) -> None:
    """With a margin rounding of omega/sqrt(mu) - kappa/sqrt(mu) adds 1e-16 kappa/sqrt(mu)."""
    case = problem(RANDOM, beta, kappa)
    for mu in (1.0, 0.5, 0.1, 1e-2, 1e-4, 1e-8, 1e-14):
        for eps in (0.0, 1e-3, 0.3, 1.49, 1.51, 20.0, 1e4, 1e8, math.inf):
            one, two = (site(case, 1.0 - mu, eps, mu=mu, fine=n) for n in (1, 2))
            assert np.all(np.isfinite([*one, *slopes(case, 1.0 - mu, eps, mu=mu)]))
            assert one == pytest.approx(two, rel=1e-12 + 4e-16 / math.sqrt(mu))


@pytest.mark.parametrize("kappa", [-3.0, 0.5, 10.0])
@pytest.mark.parametrize("mu", [1e-31, 1e-32, 1e-33, 1e-60, 1e-200])
def test_panels_end_where_numbers_are_coarser_than_the_step(mu: float, kappa: float) -> None:
    """At kappa/sqrt(mu) > 1e16 the step of w lies between two neighbouring numbers."""
    root = math.sqrt(mu)
    for beta in (math.inf, 3.0, 0.001):
        case = problem(RANDOM, beta, kappa)
        drop = Sites(case).parameters[3]
        for fine in (1, 2):
            edges = exact_grids.field_panels(9.2 / root, 1.0 / root, kappa / root, drop, fine)
            assert np.all(np.diff(edges) > 0.0)
            assert edges[-1] == 9.2 / root
            assert edges.size < 1500
        for eps in (0.0, 1.0, 1e4, math.inf):
            assert not np.any(np.isnan(site(case, 1.0, eps, mu=mu)))
            assert slopes(case, 1.0, eps, mu=mu).shape == (6,)


@pytest.mark.parametrize(
    ("kappa", "mu", "eps", "q"),
    [
        (-1.0, 0.02, 1e-3, 0.255665980951),
        (-1.0, 0.1, 0.05, 0.216080141802),
        (-0.5, 0.05, 0.2, 0.525470131164),
        (-1.0, 1e-3, 0.1, 0.360071490364),
    ],
)
def test_neurons_far_beyond_a_negative_margin_count(
    kappa: float, mu: float, eps: float, q: float
) -> None:
    """Most neurons are free (q < 0.4) and the rest follow omega: both parts of <tau^2>.

    Adaptive quadrature over omega, 721 points over u.
    """
    found = site(problem(RANDOM, math.inf, kappa), 1.0 - mu, eps, mu=mu)
    assert found[0] == pytest.approx(q, rel=1e-11)
    assert found[0] + found[1] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(("mu", "eps"), [(0.3, 4.0), (1e-2, 60.0), (1e-4, 400.0)])
def test_teacher_by_nested_integrals_with_30_digits(mu: float, eps: float) -> None:
    """1 - q = <(1-t^2) R>, G = <t'^2/(1-t^2) (1-R)>, R = e^(-eps/2) E_u cosh v/cosh(u+v)."""
    with mp.workdps(30):
        width, half = mp.sqrt((1 - mp.mpf(mu)) / mu), [-60, -20, -5, 0, 5, 20, 60]

        def density(z, variance):
            return mp.exp(-z * z / (2 * variance)) / mp.sqrt(2 * mp.pi * variance)

        def inner(v):
            x = mp.quad(lambda x: density(x - v, eps) / mp.cosh(x), half, maxdegree=6)
            return mp.exp(-mp.mpf(eps) / 2) * mp.cosh(v) * x

        def parts(y):
            rest = mp.erfc(y / mp.sqrt(2))
            v, spread = mp.log(2 / rest - 1) / 2, rest * (2 - rest)
            return inner(v), spread, 2 / mp.pi * mp.exp(-y * y)

        step, q, G = mp.mpf("0.2"), mp.mpf(0), mp.mpf(0)
        for i in range(1 + int(min(13, 11 * width) / step)):
            R, spread, square = parts(i * step)
            weight = (1 if i == 0 else 2) * step * density(i * step, width**2)
            q += weight * spread * R
            G += weight * square / spread * (1 - R) / mu
    _, rest, found = site(problem(TEACHER), 1.0 - mu, eps, mu=mu)
    assert rest == pytest.approx(float(q), rel=1e-12)
    assert found == pytest.approx(float(G), rel=1e-12)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("beta", [1.0, 3.0, math.inf])
@pytest.mark.parametrize("lam", [1e-3, 0.3, 0.9, 0.9999])
def test_output_layer_is_the_interaction_of_averaged_neurons(
    scenario: str, beta: float, lam: float
) -> None:
    case = problem(scenario, beta)
    constants = Equations(case).parameters
    G, slope = symmetric.curvature(case.teacher, lam, 1.0 - lam, *constants[2:])
    assert site(case, lam, math.inf)[[0, 2]] == pytest.approx([1.0, G], rel=1e-11)
    assert slopes(case, lam, math.inf)[[0, 1, 2]] == pytest.approx([0.0, 0.0, slope], rel=1e-8)
    F = symmetric.potential(case.teacher, lam, 1.0 - lam, *constants[2:])
    assert potential(case, lam, math.inf) == pytest.approx(F, rel=1e-13)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("beta", [2.0, math.inf])
def test_linear_order(scenario: str, beta: float) -> None:
    """q = eps + c0 lam, G = c0 eps next to the liquid; no signal from above teaches nothing."""
    case = problem(scenario, beta)
    c0 = C0 if math.isinf(beta) else C0 * math.tanh(1.0) ** 2
    q, rest, G = site(case, 3e-9, 2e-9)
    assert q == pytest.approx(2e-9 + 3e-9 * c0, rel=1e-7)
    assert rest == pytest.approx(1.0 - q, rel=1e-15)
    assert pytest.approx(c0 * 2e-9, rel=1e-7) == G
    assert slopes(case, 0.0, 0.0) == pytest.approx([1.0, c0, 0.0, 1.0, c0, 0.0], rel=1e-13)
    assert site(case, 0.0, 0.0) == pytest.approx([0.0, 1.0, 0.0], abs=0.0)
    assert site(case, 0.6, 0.0)[2] == 0.0


def test_linear_order_with_a_margin() -> None:
    """A margin gives G a term in lam: G = c0 eps + (kappa w1)^2 lam, w1 = phi(kappa)/Phi(-kappa).

    kappa = 0.5: w1 = 1.141078, c0 = w1^2 = 1.302059, (kappa w1)^2 = 0.325515.
    """
    case = problem(RANDOM, math.inf, 0.5)
    assert site(case, 0.0, 1e-8)[2] == pytest.approx(1.302059e-8, rel=1e-6)
    assert site(case, 1e-8, 0.0)[2] == pytest.approx(0.325515e-8, rel=2e-6)


def test_saturation_of_a_teacher() -> None:
    """ln(1 - q) falls like -eps/2 without underflow; G tends to that of the output layer."""
    case = problem(TEACHER)
    parameters = Sites(case).parameters
    q, log_rest, G = kernels.site(*parameters, 0.99, 0.01, 1e6, 1)
    assert q == 1.0
    assert log_rest == pytest.approx(-5e5, rel=1e-4)
    assert pytest.approx(site(case, 0.99, math.inf)[2], rel=1e-14) == G


def test_signals_of_zero_variance() -> None:
    """lam = 0: an Ising spin in the field u; q = E tanh^2, by the averaged closure's formula."""
    for scenario in SCENARIOS:
        teacher = scenario == TEACHER
        for eps in (1e-3, 1.0, 7.0, 80.0):
            q, log_rest, slope = symmetric.neuron(teacher, eps)
            found = site(problem(scenario), 0.0, eps)
            assert found[:2] == pytest.approx([q, math.exp(log_rest)], rel=1e-12)
            assert slopes(problem(scenario), 0.0, eps)[0] == pytest.approx(slope, rel=1e-11)


def test_margin_is_continuous_at_zero() -> None:
    """Two grids and two forms of f_ww meet at kappa = 0."""
    for eps in (0.4, 6.0, math.inf):
        none, little = (problem(RANDOM, math.inf, kappa) for kappa in (0.0, 1e-9))
        assert site(little, 0.7, eps) == pytest.approx(site(none, 0.7, eps), rel=2e-8)
        assert slopes(little, 0.7, eps) == pytest.approx(slopes(none, 0.7, eps), rel=4e-8)


def test_mass_error_sees_a_bad_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = (*Sites(problem(TEACHER)).parameters, 0.6, 0.4)
    for eps in (0.3, 1.4, 5.0, 1e3, math.inf):
        assert kernels.site_mass_error(*arguments, eps, 1) < 1e-13
    monkeypatch.setattr(kernels, "field_grid", exact_grids.field_grid.py_func)
    monkeypatch.setattr(exact_grids, "_ANALYTIC", 9.0)
    monkeypatch.setattr(exact_grids, "_Y_STEP", 1.0)
    assert kernels.site_mass_error.py_func(*arguments, math.inf, 1) > 1e-9


def test_a_margin_with_a_teacher_is_refused() -> None:
    with pytest.raises(InputError, match=r"kappa = 0\.5: 0 for exact neurons with a teacher"):
        Sites(Problem(alpha=1.0, L=2, scenario=TEACHER, kappa=0.5))


@pytest.mark.parametrize(
    ("scenario", "L", "alpha", "beta", "q", "Q", "s"),
    [
        (TEACHER, 2, 4.0, math.inf, [0.6244886588], [0.6038934730, 0.6905650262], -0.6620092383),
        (RANDOM, 2, 4.0, math.inf, [0.3117682782], [0.3127637745, 0.3841097734], -0.7009994698),
        (TEACHER, 2, 8.0, 3.0, [0.5992995055], [0.7135342535, 0.7705815825], -0.5580279304),
        (RANDOM, 2, 8.0, 3.0, [0.3156567552], [0.3977693578, 0.4692124277], -0.6069203886),
        (
            TEACHER, 3, 10.0, math.inf, [0.5664679993, 0.5988825836],
            [0.6746570659, 0.6888878988, 0.8535720133], -0.6623665852,
        ),
    ],
)  # fmt: skip
def test_reference_solutions(
    scenario: str, L: int, alpha: float, beta: float, q: list[float], Q: list[float], s: float
) -> None:
    """Known solutions: the twin iterated from 1/2, and one pass of the kernels there."""
    case = Problem(alpha=alpha, L=L, scenario=scenario, beta=beta)
    start = np.full(L + 1, 0.5)
    start[[0, -1]] = 1.0
    found_q, found_Q, _ = iterate(twin.saddle_map, case, start, np.full(L, 0.5), tol=1e-11)
    assert found_q[1:-1] == pytest.approx(q, abs=1e-9)
    assert found_Q == pytest.approx(Q, abs=1e-9)
    eps = twin.fields(case, found_q, found_Q)
    assert twin.free_entropy(case, found_q, found_Q, eps) == pytest.approx(s, abs=1e-9)

    sites = Sites(case)
    once = sites.backward(found_q, 1.0 - found_q, found_Q, 1.0 - found_Q)
    assert once.q[:-1] == pytest.approx(found_q[1:-1], abs=1e-9)
    assert once.eps == pytest.approx(eps, rel=1e-10)
    assert sites.mass_error(once.lam, once.mu, once.eps) < 1e-13
    spherical = np.log1p(-found_Q) + (found_Q if case.teacher else found_Q / (1.0 - found_Q))
    neurons = once.eps[:-1] * (1.0 - found_q[1:-1]) * (1.0 if case.teacher else -1.0)
    total = np.sum(sites.potentials(once.lam, once.mu, once.eps)) + 0.5 * np.sum(neurons)
    assert total + 0.5 * np.sum(spherical) / alpha == pytest.approx(s, abs=1e-9)


def test_crystal_keeps_relative_accuracy() -> None:
    """Deep network, alpha = 100, beta = inf: layers inside are alike, 1 - q = 1.583e-14.

    The number is 1 - q by nested integrals with 30 digits at mu = 1.92489017837e-4, eps = Q G.
    """
    parameters = Sites(problem(TEACHER)).parameters
    rest, couplings = 1e-14, 1e-4
    eps = 50.0
    for _ in range(400):
        mu = rest + couplings - rest * couplings
        _, log_rest, G = kernels.site(*parameters, 1.0 - mu, mu, eps, 1)
        rest = math.exp(log_rest)
        couplings = 1.0 / (1.0 + 100.0 * (1.0 - rest) * G)
        eps = (1.0 - couplings) * G
    assert rest == pytest.approx(1.5829542570622e-14, rel=1e-11)
    assert couplings == pytest.approx(1.9248901782e-4, rel=1e-10)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("beta", [3.0, math.inf])
def test_all_layers_are_the_single_layer(scenario: str, beta: float) -> None:
    """Layer 1 is liquid, layer 2 has no signal from below."""
    case = problem(scenario, beta)
    q, Q = np.array([1.0, 0.0, 0.5, 0.5, 1.0]), np.array([0.0, 0.0, 0.4, 0.9])
    sites = Sites(case)
    found, linear = sites.linear(q, 1.0 - q, Q, 1.0 - Q)
    values = sites.backward(q, 1.0 - q, Q, 1.0 - Q)
    for l in range(4):
        at = (*sites.parameters, found.lam[l], found.mu[l], found.eps[l], 1)
        row = linear.q_eps, linear.q_lam, linear.G_lam, linear.f_uu, linear.f_uw, linear.f_ww
        assert [x[l] for x in row] == pytest.approx(kernels.site_and_slopes(*at)[3:], rel=1e-14)
        for one, kernel in ((found, kernels.site_and_slopes), (values, kernels.site)):
            want = kernel(*at)[:3] if l else (0.0, 0.0, 0.0)
            assert (one.q[l], one.log_rest[l], one.G[l]) == pytest.approx(want, rel=1e-14)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize(("beta", "kappa"), [(3.0, 0.0), (math.inf, 0.0), (2.0, 0.5)])
def test_values_do_not_depend_on_whether_slopes_are_asked_for(
    scenario: str, beta: float, kappa: float
) -> None:
    """Two grids; one form of the averages over u with slopes and one without."""
    case = problem(scenario, beta, kappa)
    for lam, mu in ((0.3, 0.7), (1.0 - 1e-3, 1e-3)):
        for eps in (1e-6, 0.4, 1.5, 1.6, 30.0, math.inf):
            at = (*Sites(case).parameters, lam, mu, eps, 1)
            assert kernels.site_and_slopes(*at)[:3] == pytest.approx(kernels.site(*at), rel=1e-12)


def close_to_known(
    case: Problem, lam: float, mu: float, eps: float, by: tuple[float, float]
) -> float:
    """Relative change of a layer whose lam and eps differ by ``by``; nan if it does not follow."""
    arguments, table = np.array([[lam], [mu], [eps]]), np.empty((9, 1))
    table[:, 0] = kernels.site_and_slopes(*Sites(case).parameters, lam, mu, eps, 1)
    at = lam + by[0], mu - by[0], eps + by[1]
    if known.find(arguments, case.kappa, *at) < 0:
        return math.nan
    follows = known.following(arguments, table, 0, *at)
    want = kernels.site_and_slopes(*Sites(case).parameters, *at, 1)
    assert follows[0] == pytest.approx(want[0], rel=2e-15)
    assert follows[2] == pytest.approx(want[2], rel=2e-14)
    return abs(follows[1] - want[1])


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("beta", [3.0, math.inf])
def test_layers_that_are_nearly_alike_follow(scenario: str, beta: float) -> None:
    """By the slopes, where lam or mu and eps differ by less than 1e-9 of themselves."""
    case = problem(scenario, beta)
    for lam, mu, eps in ((0.3, 0.7, 0.5), (1e-6, 1.0 - 1e-6, 1e-3), (1.0 - 2e-4, 2e-4, 6.0)):
        small = min(lam, mu)
        assert close_to_known(case, lam, mu, eps, (0.0, 0.0)) == 0.0
        for by in ((9e-10 * small, 0.0), (-9e-10 * small, 9e-10 * min(eps, 1.0))):
            assert close_to_known(case, lam, mu, eps, by) < 2e-14
        for by in ((1.2e-9 * small, 0.0), (0.0, 1.2e-9 * min(eps, 1.0))):
            assert math.isnan(close_to_known(case, lam, mu, eps, by))
    assert math.isnan(close_to_known(case, 0.5, 0.5, 2.0, (0.0, math.inf)))
    assert close_to_known(case, 0.9, 0.1, math.inf, (0.0, 0.0)) != 0.0  # 1 - q = 0 in both


def test_with_a_margin_layers_have_to_be_more_alike() -> None:
    """kappa = 0.5, mu = 1e-6: a margin of 500 standard deviations."""
    case = problem(RANDOM, math.inf, 0.5)
    for part, follows in ((1.9e-12, True), (2.1e-12, False)):
        by = part * 1e-6, 0.0
        assert math.isnan(close_to_known(case, 1.0 - 1e-6, 1e-6, 3.0, by)) is not follows
