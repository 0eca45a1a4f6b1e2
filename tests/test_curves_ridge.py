"""Least squares: reference numbers, closed forms, a spectrum integrated, identities, optima."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

import replicadnn as rd
from replicadnn.curves import Covariance, LearningCurve, learning_curve, power_law
from replicadnn.curves.least_squares import LeastSquares

#: Isotropic, |b|^2 = 1, sigma2 = 0.25; gamma: risk without ridge, then at ridge 0.1 kappa, risk and
#: training error, and the risk at the optimal ridge 0.25 gamma.
ISOTROPIC = {
    0.2: (0.0625, 0.121699056603, 0.061245627513, 0.210149729701, 0.058031149572),
    0.5: (0.25, 0.174165738677, 0.176783725737, 0.140696209831, 0.175390529679),
    0.9: (2.25, 0.316227766017, 0.390411244197, 0.064041124420, 0.351046089139),
    1.0: (math.inf, 0.370156211872, 0.441129886846, 0.050441685470, 0.390388203202),
    1.1: (2.590909090909, 0.431662479036, 0.485788316538, 0.039487922563, 0.426742486590),
    2.0: (0.75, 1.184428877022, 0.686528664445, 0.006675796662, 0.640388203202),
    5.0: (0.8625, 4.124246851269, 0.858946891017, 0.000651960741, 0.845635610526),
    10.0: (0.927777777778, 9.110975772792, 0.927118962434, 0.000141804683, 0.921343022094),
}
#: 400 eigenvalues k^-1.5, sigma2 = 0.1; (n, ridge): kappa, risk of isotropic b and of b_k^2 ~ 1/k.
POWER = {
    (100, 0.0): (0.3347764537, 0.1758355714, 0.1537143021),
    (100, 0.05): (0.4244779811, 0.1544487590, 0.1392110001),
    (200, 0.0): (0.0740873583, 0.1960579710, 0.1743667625),
    (380, 0.05): (0.0953705402, 0.0633990434, 0.0497642880),
    (800, 0.05): (0.0674808765, 0.0349617531, 0.0256186684),
}
#: b_k^2 ~ 1/k; n: optimal ridge and its risk.
ALIGNED = {
    100: (0.12231106, 0.1348853405),
    200: (0.13595292, 0.0731193430),
    380: (0.11073910, 0.0434665185),
    800: (0.07626878, 0.0244883016),
}


def test_isotropic_reference() -> None:
    gammas = list(ISOTROPIC)
    without = learning_curve(gammas)
    with_ridge = learning_curve(gammas, ridge=0.1)
    best = learning_curve(gammas, ridge="optimal")
    found = np.array(
        [without.risk, with_ridge.kappa, with_ridge.risk, with_ridge.training_error, best.risk]
    )
    np.testing.assert_allclose(found.T, list(ISOTROPIC.values()), rtol=0, atol=6e-13)
    np.testing.assert_allclose(best.ridge, 0.25 * np.array(gammas), rtol=1e-15)
    for one in (without, with_ridge):
        np.testing.assert_array_equal(one.optimal_risk, best.risk)
    assert best.asked == "optimal"


def test_formulas_of_the_lectures_without_ridge() -> None:
    """gamma < 1: sigma2 gamma/(1 - gamma); gamma > 1: |b|^2 (1 - 1/gamma) + sigma2/(gamma - 1)."""
    gamma = np.array([1e-6, 0.3, 0.999999, 1.000001, 1.7, 1e6])
    found = learning_curve(gamma, b2=3.0, sigma2=0.7)
    below = gamma < 1
    with np.errstate(divide="ignore"):
        bias = np.where(below, 0.0, 3.0 * (1 - 1 / gamma))
        variance = 0.7 * np.where(below, gamma / (1 - gamma), 1 / (gamma - 1))
    np.testing.assert_allclose(found.bias, bias, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(found.variance, variance, rtol=1e-9)
    np.testing.assert_array_equal(found.kappa[below], 0.0)
    np.testing.assert_array_equal(found.training_error[~below], 0.0)
    np.testing.assert_allclose(found.training_error[below], 0.7 * (1 - gamma[below]), rtol=1e-9)


def marchenko_pastur(gamma: float, ridge: float) -> tuple[float, float]:
    """Bias and variance at \\|b\\|^2 = sigma2 = 1 as integrals over the law of X^T X/n."""
    a, b = (1 - math.sqrt(gamma)) ** 2, (1 + math.sqrt(gamma)) ** 2

    def average(f: object) -> float:
        def integrand(t: float) -> float:
            e = 0.5 * (a + b) - 0.5 * (b - a) * math.cos(t)
            weight = (0.5 * (b - a) * math.sin(t)) ** 2 / (2 * math.pi * gamma * e)
            return weight * f(e)  # type: ignore[operator]

        return quad(integrand, 0, math.pi, epsabs=1e-13, epsrel=1e-13)[0]

    atom = max(0.0, 1 - 1 / gamma)
    return (
        average(lambda e: (ridge / (e + ridge)) ** 2) + atom,
        average(lambda e: gamma * e / (e + ridge) ** 2),
    )


@pytest.mark.parametrize(
    ("gamma", "ridge"), [(0.5, 0.1), (1.5, 0.3), (4.0, -0.5), (0.25, -0.1), (3.0, 2.0)]
)
def test_isotropic_against_the_spectrum_of_the_patterns(gamma: float, ridge: float) -> None:
    """Also at a negative ridge, on both sides of the threshold."""
    found = learning_curve(gamma, sigma2=1.0, ridge=ridge)
    bias, variance = marchenko_pastur(gamma, ridge)
    assert found.bias[0] == pytest.approx(bias, rel=1e-10)
    assert found.variance[0] == pytest.approx(variance, rel=1e-10)


@pytest.mark.parametrize("point", POWER)
def test_power_law_reference(point: tuple[int, float]) -> None:
    n, ridge = point
    kappa, isotropic, aligned = POWER[point]
    for exponent, risk in ((0.0, isotropic), (1.0, aligned)):
        found = learning_curve(
            400 / n, covariance="power-law", signal_exponent=exponent, sigma2=0.1, ridge=ridge
        )
        assert found.kappa[0] == pytest.approx(kappa, abs=6e-11)
        assert found.risk[0] == pytest.approx(risk, abs=6e-11)


def test_ridgeless_below_the_threshold_forgets_the_covariance() -> None:
    """sigma2 gamma/(1 - gamma) of every covariance; eigenvalues of 0 do not count as features."""
    found = learning_curve(0.5, covariance="power-law", exponent=3.0)
    assert found.risk[0] == pytest.approx(0.25, rel=1e-13)
    half = Covariance([1.0, 0.0])
    found = learning_curve([1.0, 2.0, 4.0], covariance=half, b2=2.0, sigma2=0.25)
    plain = learning_curve([0.5, 1.0, 2.0], b2=1.0, sigma2=0.25)
    np.testing.assert_allclose(found.risk, plain.risk, rtol=1e-13)
    np.testing.assert_allclose(found.optimal_ridge, plain.optimal_ridge, rtol=1e-13)
    np.testing.assert_allclose(found.optimal_risk, plain.optimal_risk, rtol=1e-13)


#: Interpolation by p features of which 20 carry the signal; p: kappa, risk (docs/curves.md).
BENIGN = {
    1000: (0.4354011173, 0.1478089821),
    10_000: (0.5250660529, 0.1326073434),
    100_000: (0.5338704536, 0.1313808264),
}


@pytest.mark.parametrize("p", BENIGN)
def test_benign_overfitting(p: int) -> None:
    """200 patterns; p - 20 flat directions of total variance 100 take up the noise."""
    law = Covariance([1.0, 100.0 / (p - 20)], weights=[20, p - 20], signal=[1, 0])
    found = learning_curve(p / 200, covariance=law, sigma2=0.1)
    assert (found.kappa[0], found.risk[0]) == pytest.approx(BENIGN[p], abs=6e-11)
    assert found.training_error[0] == 0.0


# --- identities --------------------------------------------------------------------------------

OWN = Covariance([5.0, 1.0, 0.1, 0.0], weights=[1, 2, 3, 2], signal=[2, 1, 4, 1])
RIDGES = [(g, lam) for g in (0.3, 1.2, 6.0) for lam in (0.0, 0.02, 0.7, 30.0)]


@pytest.mark.parametrize(("gamma", "ridge"), [*RIDGES, (0.3, -0.03), (6.0, -0.03)])
def test_identities(gamma: float, ridge: float) -> None:
    """kappa solves its equation; training error by GCV, below the test error; parts and sum."""
    found = learning_curve(gamma, covariance=OWN, b2=2.0, sigma2=0.3, ridge=ridge)
    kappa = found.kappa[0]
    s, w = OWN.eigenvalues[:3], OWN.weights[:3]
    df1, df2 = (gamma * np.sum(w * (s / (s + kappa)) ** k) for k in (1, 2))
    assert (found.df1[0], found.df2[0]) == pytest.approx((df1, df2), rel=1e-13)
    assert kappa * (1 - df1) == pytest.approx(ridge, rel=1e-10, abs=1e-13)
    risk = (kappa**2 * 2.0 * np.sum(OWN.signal[:3] * s / (s + kappa) ** 2) + 0.3 * df2) / (1 - df2)
    assert found.risk[0] == pytest.approx(risk, rel=1e-10)
    assert found.risk[0] == found.bias[0] + found.variance[0]
    assert found.test_error[0] == found.risk[0] + 0.3
    gcv = (1 - df1) ** 2 * found.test_error[0]
    assert found.training_error[0] == pytest.approx(gcv, rel=1e-10, abs=1e-15)
    assert 0.0 <= found.training_error[0] < found.test_error[0]


def test_the_lowest_ridge_is_the_edge_of_the_spectrum() -> None:
    """-(1 - sqrt gamma)^2 for isotropic inputs, where the risk diverges; none lies below it."""
    for gamma in (0.25, 4.0):
        edge = -((1 - math.sqrt(gamma)) ** 2)
        assert learning_curve(gamma, ridge=edge * (1 - 1e-8)).risk[0] > 1e3
        with pytest.raises(rd.InputError, match=rf"above {edge:g} at gamma = {gamma:g}"):
            learning_curve(gamma, ridge=edge * (1 + 1e-8))
    with pytest.raises(rd.InputError, match=r"ridge = -0\.03: above -0\.00\d+ at gamma = 1\.2"):
        learning_curve([6.0, 1.2], covariance=OWN, ridge=-0.03)


def test_many_patterns_and_few() -> None:
    """gamma -> 0: kappa is the ridge, bias that of the ridge; gamma -> inf: nothing is learned."""
    found = learning_curve([1e-6, 1e6], covariance=OWN, b2=2.0, sigma2=0.3, ridge=0.4)
    s, b2 = OWN.eigenvalues, 2.0 * OWN.signal
    assert found.kappa[0] == pytest.approx(0.4, rel=1e-5)
    assert found.bias[0] == pytest.approx(np.sum(0.16 * b2 * s / (s + 0.4) ** 2), rel=1e-5)
    assert found.variance[0] < 1e-6
    assert found.risk[1] == pytest.approx(b2 @ s, rel=1e-5)


def test_split_modes_and_the_order_of_modes_change_nothing() -> None:
    one = learning_curve([0.7, 3.0], covariance=power_law(1.0, 50, 2.0), ridge="optimal")
    law = power_law(1.0, 50, 2.0)
    s, b = np.repeat(law.eigenvalues, 8)[::-1], np.repeat(law.signal, 8)[::-1]
    two = learning_curve([0.7, 3.0], covariance=Covariance(s, signal=b), ridge="optimal")
    for name in ("kappa", "ridge", "risk", "training_error"):
        np.testing.assert_allclose(getattr(one, name), getattr(two, name), rtol=1e-10)


def test_units() -> None:
    """x -> c x: kappa and ridge grow by c^2; y -> d y: the risk grows by d^2."""
    one = learning_curve([0.7, 3.0], covariance=OWN, b2=2.0, sigma2=0.3, ridge="optimal")
    large = Covariance(1e6 * OWN.eigenvalues, weights=OWN.weights, signal=OWN.signal)
    two = learning_curve([0.7, 3.0], covariance=large, b2=8e-6, sigma2=1.2, ridge="optimal")
    np.testing.assert_allclose(two.kappa, 1e6 * one.kappa, rtol=1e-10)
    np.testing.assert_allclose(two.ridge, 1e6 * one.ridge, rtol=1e-10)
    np.testing.assert_allclose(two.risk, 4 * one.risk, rtol=1e-10)


# --- the optimal ridge ---------------------------------------------------------------------------


@pytest.mark.parametrize("n", ALIGNED)
def test_optimal_ridge_reference(n: int) -> None:
    found = learning_curve(
        400 / n, covariance="power-law", signal_exponent=1.0, sigma2=0.1, ridge="optimal"
    )
    ridge, risk = ALIGNED[n]
    assert found.ridge[0] == pytest.approx(ridge, abs=2e-8)
    assert found.risk[0] == pytest.approx(risk, abs=6e-11)


@pytest.mark.parametrize("exponent", [0.0, 0.7, -1.0])
@pytest.mark.parametrize("gamma", [0.4, 1.0, 2.5])
def test_the_optimal_ridge_is_a_minimum(gamma: float, exponent: float) -> None:
    at = {"covariance": "power-law", "modes": 60, "signal_exponent": exponent}
    best = learning_curve(gamma, ridge="optimal", **at)
    ridge, risk = float(best.ridge[0]), best.risk[0]
    step = 1e-3 * max(abs(ridge), 1e-3)
    beside = [learning_curve(gamma, ridge=ridge + d, **at).risk[0] for d in (-step, step)]
    assert min(beside) > risk
    assert beside[0] == pytest.approx(beside[1], rel=1e-4)
    for other in np.logspace(-4, 3, 30):
        assert learning_curve(gamma, ridge=other, **at).risk[0] >= risk * (1 - 1e-14)


def test_search_finds_the_closed_form_where_b_is_isotropic() -> None:
    """sigma2 gamma/|b|^2 for every covariance."""
    for gamma in (0.3, 1.0, 7.0):
        here = LeastSquares(power_law(2.0, 30), 2.0, 0.6).at(gamma)
        assert here.ridge(here.optimal_kappa()) == pytest.approx(0.3 * gamma, rel=1e-10)
    found = learning_curve([0.3, 7.0], covariance="power-law", b2=2.0, sigma2=0.6)
    np.testing.assert_allclose(found.optimal_ridge, [0.09, 2.1], rtol=1e-14)


def test_the_optimal_ridge_of_eigenvalues_far_apart() -> None:
    """Beside an eigenvalue of 1e10 that is always learned: that of the small one alone."""
    law = Covariance([1e10, 1e-8], signal=[0, 1])
    found = learning_curve([0.5, 3.0], covariance=law, sigma2=1e-9, ridge="optimal")
    assert found.ridge[0] == pytest.approx(0.25e-9, rel=1e-6)  # (7) with the small features alone
    assert found.risk[1] == pytest.approx(1e-8, rel=1e-6)  # more large features than patterns
    for k, gamma in enumerate((0.5, 3.0)):
        for lam in np.geomspace(1e-13, 1e3, 60):
            at = learning_curve(gamma, covariance=law, sigma2=1e-9, ridge=lam)
            assert at.risk[0] >= found.risk[k] * (1 - 1e-12)


def test_the_optimal_ridge_may_be_negative() -> None:
    """The 980 flat directions of benign overfitting are a ridge that is too large."""
    law = Covariance([1.0, 100.0 / 980.0], weights=[20, 980], signal=[1, 0])
    found = learning_curve(5.0, covariance=law, sigma2=0.1, ridge="optimal")
    assert found.ridge[0] == pytest.approx(-0.0628309, abs=1e-7)
    without = learning_curve(5.0, covariance=law, sigma2=0.1)
    assert found.risk[0] == pytest.approx(0.14044267, abs=1e-8)
    assert without.risk[0] > found.risk[0]
    assert without.optimal_ridge[0] == found.ridge[0]


def test_without_noise() -> None:
    """Ridge 0 is optimal, and nothing diverges at the threshold."""
    found = learning_curve([0.5, 1.0, 2.0], sigma2=0.0, ridge="optimal")
    np.testing.assert_allclose(found.risk, [0.0, 0.0, 0.5], atol=1e-15)
    law = power_law(1.0, 20, 1.0)
    found = learning_curve([0.5, 1.0], covariance=law, sigma2=0.0, ridge="optimal")
    np.testing.assert_allclose(found.risk, [0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(found.ridge, [0.0, 0.0], atol=1e-7)


@pytest.mark.parametrize("modes", [1, 7, 400])
def test_at_the_threshold_the_risk_is_infinite(modes: int) -> None:
    """Weights that add up to 1 within rounding; with a rank of 3/4 it lies at 4/3."""
    found = learning_curve([1.0], covariance="power-law", modes=modes)
    assert (found.risk[0], found.bias[0], found.training_error[0]) == (math.inf, 0.0, 0.0)
    assert found.optimal_risk[0] < 1.0
    law = Covariance([1.0, 1.0, 2.0, 0.0])
    assert learning_curve(4 / 3, covariance=law).risk[0] == math.inf
    assert math.isfinite(learning_curve(1.0, covariance=law).risk[0])


def test_near_the_threshold_no_digits_are_lost() -> None:
    """1 - df1 and 1 - df2 are sums of positive terms: against 40 digits."""
    mpmath = pytest.importorskip("mpmath")
    law = power_law(1.5, 12, 1.0)
    gamma = 1.0 + 1e-7
    found = learning_curve(gamma, covariance=law, sigma2=0.1)
    with mpmath.workdps(40):
        s = [mpmath.mpf(float(one)) for one in law.eigenvalues]
        g = mpmath.mpf(gamma) / 12
        k = mpmath.findroot(lambda k: g * sum(t / (t + k) for t in s) - 1, found.kappa[0])
        df2 = g * sum((t / (t + k)) ** 2 for t in s)
        bias = k**2 * sum(float(b) * t / (t + k) ** 2 for b, t in zip(law.signal, s, strict=True))
        risk = (bias + mpmath.mpf(0.1) * df2) / (1 - df2)
    assert found.kappa[0] == pytest.approx(float(k), rel=1e-8)  # gamma - 1 has nine digits
    assert found.risk[0] == pytest.approx(float(risk), rel=1e-8)


def test_a_single_point_is_a_curve_and_any_order_is_kept() -> None:
    found = learning_curve([3.0, 0.5])
    assert isinstance(found, LearningCurve)
    assert found.gamma.tolist() == [3.0, 0.5]
    assert learning_curve(0.5).risk[0] == found.risk[1]
    assert learning_curve().gamma.size == 40
