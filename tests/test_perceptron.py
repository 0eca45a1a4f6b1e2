"""One perceptron with negative margin: how replica symmetry breaks, by two routes.

Beyond the de Almeida-Thouless line q(x) is marginal, 1/D^2 = alpha <f''^2> with dD/dq = -x, and

    d<f''^2>/dq = <f'''^2> - 2 x <f''^3>
    d/dq of that = <f''''^2> - 12 x <f'' f'''^2> + 6 x^2 <f''^4> - 2 x' <f''^3>.

Two derivatives of marginality give x and x' = dx/dq where the breaking begins; x' > 0: continuous
q(x); x' < 0, x < 1: one step, with q_1 - q_0 from zero; x > 1: one step with a jump, before the
line.  Averages by quadrature, which shares nothing with the flows of the solver.
"""

from __future__ import annotations

import numpy as np
import pytest
from broken_cases import branch_at
from scipy.optimize import brentq
from scipy.special import log_ndtr

from replicadnn.status import Status
from replicadnn.theory.broken.search import Found

NODES, WEIGHTS = np.polynomial.legendre.leggauss(1200)
NODES, WEIGHTS = 12.0 * NODES, 12.0 * WEIGHTS * np.exp(-72.0 * NODES**2) / np.sqrt(2.0 * np.pi)


def breaking(kappa: float) -> tuple[float, float, float, float]:
    """(alpha, Q, x, dx/dQ) on the line of de Almeida and Thouless."""

    def derivatives(Q: float) -> list[np.ndarray]:
        s = np.sqrt(1.0 - Q)
        u = (np.sqrt(Q) * NODES - kappa) / s
        r = np.exp(-0.5 * u * u - log_ndtr(u)) / np.sqrt(2.0 * np.pi)
        second = -r * (u + r)
        third = -r - u * second - 2.0 * r * second
        fourth = -2.0 * second - u * third - 2.0 * (second**2 + r * third)
        return [r / s, second / s**2, third / s**3, fourth / s**4]

    def excess(Q: float) -> float:
        f1, f2, *_ = derivatives(Q)
        return float(Q * (WEIGHTS @ f2**2) / (WEIGHTS @ f1**2) - 1.0)

    Q = float(brentq(excess, 1e-3, 0.95, xtol=1e-14))
    D = 1.0 - Q
    f1, f2, f3, f4 = derivatives(Q)
    alpha = Q / D**2 / float(WEIGHTS @ f1**2)
    stiffness = D**-3 + alpha * float(WEIGHTS @ f2**3)
    x = 0.5 * alpha * float(WEIGHTS @ f3**2) / stiffness
    curvature = WEIGHTS @ (f4**2 - 12.0 * x * f2 * f3**2 + 6.0 * x**2 * f2**4)
    slope = 0.5 * (alpha * float(curvature) - 6.0 * x**2 / D**4) / stiffness
    return alpha, Q, x, slope


def above(kappa: float, distance: float, levels: int) -> Found:
    found = branch_at((1.0 + distance) * breaking(kappa)[0], 1, kappa=kappa, levels=levels)
    assert found.converged
    return found


@pytest.mark.parametrize("kappa", [-0.7, -1.0, -1.7, -2.0])
def test_breaking_begins_at_x(kappa: float) -> None:
    """x_1 of one step, extrapolated to the line from just above it."""
    distances = np.array([0.01, 0.02, 0.04]) / (8.0 if kappa < -1.8 else 1.0)
    x = [float(above(kappa, d, 1).state.m[-1]) for d in distances]
    on_line = float(np.polynomial.Polynomial.fit(distances, x, 2)(0.0))
    assert on_line == pytest.approx(breaking(kappa)[2], abs=1e-3)


@pytest.mark.parametrize("kappa", [-0.7, -1.0, -1.3])
def test_continuous_breaking(kappa: float) -> None:
    """dx/dQ > 0: further levels stay, and their slope is the predicted one."""
    slope = breaking(kappa)[3]
    two = above(kappa, 0.04, 2)
    assert slope > 0.0
    assert two.levels == 2
    assert two.free_entropy <= above(kappa, 0.04, 1).free_entropy
    rise = float(two.state.m[2] - two.state.m[1]) / float(
        0.5 * (two.state.Q[0, 2] - two.state.Q[0, 0])
    )
    assert rise == pytest.approx(slope, rel=0.15)


@pytest.mark.parametrize("kappa", [-1.7, -2.0])
def test_one_step_is_stable_where_x_would_fall(kappa: float) -> None:
    """dx/dQ < 0: both levels of one step have rho < 1, and a second step collapses."""
    assert breaking(kappa)[3] < 0.0
    one, two = (above(kappa, 0.04, K) for K in (1, 2))
    assert max(one.certificate.replicon) < 1.0
    assert two.levels == 1
    assert two.free_entropy == pytest.approx(one.free_entropy, abs=1e-12)


def test_margins_that_separate_the_three_kinds() -> None:
    first = brentq(lambda kappa: breaking(kappa)[3], -1.7, -1.3)
    second = brentq(lambda kappa: breaking(kappa)[2] - 1.0, -2.2, -1.9)
    assert first == pytest.approx(-1.47368, abs=1e-5)
    assert second == pytest.approx(-2.04312, abs=1e-5)


def test_jump_before_the_line() -> None:
    """kappa = -2.5, 5 % below the line: rs is stable, a one-step solution is lower in s."""
    alpha, _, x, _ = breaking(-2.5)
    assert x > 1.0
    symmetric = branch_at(0.95 * alpha, 1, kappa=-2.5, levels=0)
    broken = above(-2.5, 0.05, 1)
    for factor in (1.0, 0.95):
        broken = branch_at(factor * alpha, 1, kappa=-2.5, levels=1, start=broken)
        assert broken.converged
    assert max(symmetric.certificate.replicon) < 1.0
    assert max(broken.certificate.replicon) < 1.0
    assert broken.free_entropy < symmetric.free_entropy - 1e-6
    assert broken.state.Q[0, 1] - broken.state.Q[0, 0] > 0.5
    assert 0.8 < broken.state.m[1] < 0.9
    found = branch_at(0.95 * alpha, 1, kappa=-2.5, levels=4)
    assert found.levels == 1
    assert found.free_entropy == pytest.approx(broken.free_entropy, abs=1e-12)


def test_the_volume_closes_for_hard_constraints_only() -> None:
    """Above capacity there is no solution; at finite beta s >= -beta, and nothing closes."""
    closed = branch_at(14.0, 1, kappa=-1.0, levels=2)
    assert closed.status is Status.NO_SOLUTION
    soft = branch_at(1e3, 1, kappa=-1.0, beta=20.0, levels=1, time_limit=2.0)
    assert soft.status is not Status.NO_SOLUTION
    assert soft.free_entropy > -20.0


@pytest.mark.parametrize(("kappa", "jump"), [(-2.2, 111.535), (-2.5, 287.115)])
def test_where_the_jump_is(kappa: float, jump: float) -> None:
    """m = 1 there: one step has the s of the symmetric solution and a finite Q_1 - Q_0."""
    below, beyond = (branch_at(a, 1, kappa=kappa, levels=2) for a in (jump - 0.1, jump + 0.1))
    assert below.levels == 0
    assert beyond.levels == 1
    assert 0.99 < beyond.state.m[1] < 1.0
    assert beyond.state.Q[0, 1] - beyond.state.Q[0, 0] > 0.25
