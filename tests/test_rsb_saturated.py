"""The saturated branch, the counting bound, and the non-convex perceptron."""

from __future__ import annotations

import math

import numpy as np
import pytest
from broken_cases import branch_at, equations
from scipy.optimize import brentq
from scipy.special import log_ndtr

from replicadnn.status import BranchKind
from replicadnn.theory.broken.certificate import certify
from replicadnn.theory.broken.climb import settle
from replicadnn.theory.broken.guess import relaxed_guess, saturated_guess
from replicadnn.theory.broken.resample import refine
from replicadnn.theory.broken.saturated import saturated_end
from replicadnn.theory.counting import counting_bound


def test_counting_bound() -> None:
    """Gardner's 2 for one layer; for L = 2 against exact binomial sums at N = 400."""
    assert counting_bound(1) == 2.0
    N, alpha = 400, counting_bound(2)

    def log_dichotomies(M: int) -> float:
        terms = [math.lgamma(M) - math.lgamma(k + 1) - math.lgamma(M - k) for k in range(N)]
        return float(np.logaddexp.reduce(terms)) + math.log(2.0)

    for factor, realisable in ((0.97, True), (1.03, False)):
        M = round(factor * alpha * N)
        assert (2 * log_dichotomies(M) > M * math.log(2.0)) is realisable


def test_saturated_branch_with_many_levels() -> None:
    """K = 2, 4, 8 at L = 2: certified, s falls, differences shrink."""
    one = [branch_at(7.0, 2, levels=K, branch="saturated") for K in (2, 4, 8)]
    for solution in one:
        assert solution.converged
        assert solution.kind is BranchKind.SATURATED
        assert solution.evaluation.q[1, -1] == 1.0
        assert solution.Q_ea[0] < 1.0
        assert solution.certificate.residual < 1e-10
    s = [solution.free_entropy for solution in one]
    assert s[0] > s[1] > s[2]
    assert s[1] - s[2] < 0.2 * (s[0] - s[1])


def test_two_saturated_layers() -> None:
    """L = 20, alpha = 60, K = 2: q(1) = q(2) = 1 above m* also solves; s is above that of one."""
    model = equations(60.0, 20)
    s = []
    for depth in (1, 2):
        found = settle(model, relaxed_guess(model, saturated_guess(model, 2, depth=depth)))
        ev = found.evaluation
        assert certify(model, ev).passes(1e-8)
        np.testing.assert_array_equal(ev.q[1 : depth + 1, -1], 1.0)
        assert ev.q[depth + 1, -1] < 0.9
        s.append(ev.free_entropy)
    assert s[0] < s[1] - 0.01


def test_saturated_solutions_beyond_the_counting_bound() -> None:
    """L = 8, alpha = 65 > 58.4: certified with K = 2 and 4, though no couplings exist there.

    A limit of the functional, which the front end therefore does not search there.
    """
    model = equations(65.0, 8)
    assert counting_bound(8) < 60.0
    found = settle(model, relaxed_guess(model, saturated_guess(model, 2)))
    assert certify(model, found.evaluation).passes(1e-8)
    more = settle(model, refine(model, found.evaluation, 4))
    assert certify(model, more.evaluation).passes(1e-8)
    assert more.evaluation.state.m[-1] == pytest.approx(0.428, abs=1e-3)
    assert 0.0 < found.evaluation.free_entropy - more.evaluation.free_entropy < 2e-3


@pytest.mark.slow
def test_saturated_branch_closes_below_the_counting_bound() -> None:
    """m* -> 0 at alpha_J(L = 2); the same from two and three levels; 1 - Q vanishes with m*."""
    two, three = (saturated_end(equations(4.0, 2), levels=K) for K in (2, 3))
    assert two is not None
    assert three is not None
    assert two.error < 0.05
    assert two.alpha == pytest.approx(three.alpha, abs=0.1)
    assert two.points[-1][0] < two.alpha < counting_bound(2)


NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(200)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def almeida_thouless(kappa: float) -> tuple[float, float]:
    """(alpha, Q) of the AT line of one perceptron, by quadrature.

    Q = alpha (1-Q)^2 <f'^2> and 1 = alpha (1-Q)^2 <f''^2>: f = ln Phi((h - kappa)/sqrt(1-Q)).
    """

    def moments(Q: float) -> tuple[float, float]:
        u = (np.sqrt(Q) * NODES - kappa) / np.sqrt(1 - Q)
        r = np.exp(-0.5 * u * u - log_ndtr(u)) / np.sqrt(2 * np.pi)
        return float(WEIGHTS @ r**2) / (1 - Q), float(WEIGHTS @ (r * (u + r)) ** 2) / (1 - Q) ** 2

    def excess(Q: float) -> float:
        first, second = moments(Q)
        return Q * second / first - 1.0

    Q = brentq(excess, 0.02, 0.9)
    return Q / (1 - Q) ** 2 / moments(Q)[0], Q


@pytest.mark.parametrize("kappa", [-1.0, -2.0])
def test_almeida_thouless_line_of_one_perceptron(kappa: float) -> None:
    """rho = 1 on the AT line found by quadrature; below it K = 1 collapses, above it lowers s."""
    alpha, Q = almeida_thouless(kappa)
    rs = branch_at(alpha, 1, kappa=kappa, levels=0)
    assert rs.Q_ea[0] == pytest.approx(Q, abs=1e-7)
    assert rs.certificate.replicon[0] == pytest.approx(1.0, abs=1e-6)
    above = [branch_at(1.1 * alpha, 1, kappa=kappa, levels=K) for K in (0, 2)]
    assert all(one.converged for one in above)
    assert above[0].certificate.replicon[0] > 1.0
    assert above[1].free_entropy < above[0].free_entropy
    below = [branch_at(0.9 * alpha, 1, kappa=kappa, levels=K) for K in (0, 2)]
    assert below[0].certificate.replicon[0] < 1.0
    assert below[1].free_entropy == pytest.approx(below[0].free_entropy, abs=1e-12)
