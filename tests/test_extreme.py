"""Large beta and large margins, against 25-digit quadrature and the limit beta -> inf.

Literal numbers: docs/theory.md, eqs. 8-20, by Gauss-Legendre panels in 25-digit arithmetic and a
root search of their own, or the closed form in the docstring.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from broken_cases import equations
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn import quadrature
from replicadnn.errors import InputError
from replicadnn.theory.broken.certificate import certify
from replicadnn.theory.broken.guess import first_guess, relaxed_guess
from replicadnn.theory.broken.minimise import minimise, polish
from replicadnn.theory.closures.averaged.weight import floor_distance

INF = math.inf

# alpha, kappa, beta, scenario, 1 - Q, s of one perceptron
ONE_LAYER = [
    (3.0, 0.0, 740.0, "random", 0.0022919422067611, -26.61476788080117),
    (3.0, 0.0, 750.0, "random", 0.0022615077130545, -26.94492210334093),
    (3.0, 0.0, 1e3, "random", 0.0016978442447445, -35.18097894094786),
    (3.0, 0.0, 1e4, "random", 0.00017020620435213, -328.6263688373081),
    (3.0, 0.0, 1e6, "random", 1.7023539726909e-6, -32510.75128244447),
    (0.5, 10.0, 750.0, "random", 0.044943687602803, -729.7419795124065),
    (1e6, 10.0, 700.0, "random", 0.015955708700961, -699.9999688091519),
    (1e9, 8.0, 1e9, "random", 1.6828347225288e-9, -999999999.6485272),
    (2.0, 9.0, 45.0, "random", 0.66614065322796, -44.96492058344181),
    (1e3, -3.0, 1e5, "random", 0.97693556063398, -0.001350924974257957),
    (1e9, -5.0, INF, "random", 0.99766820677039, -2.866516142537103e-7),
    (1e9, -5.0, INF, "teacher-student", 0.99766243465504, -2.866516116716886e-7),
    (1e6, -4.0, 1e4, "teacher-student", 0.97371530627778, -3.167162767354323e-5),
    (0.5, 9.0, INF, "teacher-student", 0.016170523179942, -4.627235589572416),
    (1e3, 10.0, 60.0, "teacher-student", 1.203165512008e-8, -0.07848858978834508),
]  # fmt: skip

# kappa, beta, 1 - q(1), 1 - Q, s of two layers, teacher-student, alpha = 0.01
TWO_LAYERS = [
    (8.0, INF, 4.6058327761589e-13, 0.60024894381974, -54.61972867333673),
    (9.0, INF, 3.6647584350448e-18, 0.54414082281365, -64.55631853139784),
    (9.0, 750.0, 3.6647584350448e-18, 0.54414082281365, -64.55631853139784),
    (10.0, INF, 2.4888542112569e-24, 0.49267849578633, -74.59224707285568),
]

# alpha, x, e: 1/alpha = Int_{-sqrt(2x)}^0 Dz z^2, e = H(sqrt(2x))
GROUND_STATES = [
    (2.5, 2.3208138380437, 0.015602696146634),
    (3.0, 1.7023531032726, 0.032505344989234),
    (10.0, 0.50258700652617, 0.15803088932509),
    (100.0, 0.092415909514329, 0.33362665903244),
]


@pytest.mark.parametrize(("alpha", "kappa", "beta", "scenario", "rest", "s"), ONE_LAYER)
def test_one_layer(
    alpha: float, kappa: float, beta: float, scenario: str, rest: float, s: float
) -> None:
    found = rd.solve(alpha, 1, kappa=kappa, beta=beta, scenario=scenario, ansatz="rs")
    assert found.converged, found.message
    assert found.one_minus_Q_ea[0] == pytest.approx(rest, rel=2e-12, abs=0.0)
    assert found.free_entropy == pytest.approx(s, rel=2e-12, abs=0.0)


@pytest.mark.parametrize(("kappa", "beta", "rest_q", "rest_Q", "s"), TWO_LAYERS)
def test_two_layers(kappa: float, beta: float, rest_q: float, rest_Q: float, s: float) -> None:
    found = rd.solve(0.01, 2, kappa=kappa, beta=beta)
    assert found.converged, found.message
    assert found.one_minus_q_ea[1] == pytest.approx(rest_q, rel=2e-11, abs=0.0)
    assert found.one_minus_Q_ea == pytest.approx([rest_Q, rest_Q], rel=1e-12)
    assert found.free_entropy == pytest.approx(s, rel=1e-12)


@pytest.mark.parametrize(("alpha", "x", "energy"), GROUND_STATES)
def test_ground_state_above_capacity(alpha: float, x: float, energy: float) -> None:
    """beta -> inf: beta (1 - Q) -> x, -s/beta -> fraction of errors (Gardner and Derrida 1988)."""
    distances = []
    for beta in (1e3, 1e4, 1e6, 1e9):
        found = rd.solve(alpha, 1, beta=beta, scenario="random", ansatz="rs")
        assert found.converged, found.message
        distances.append(abs(found.free_entropy / beta + energy))
        assert distances[-1] < 6.0 / beta**0.95
    assert found.one_minus_Q_ea[0] * beta == pytest.approx(x, rel=2e-8)
    assert distances[-1] < 1e-8


def test_margin_without_effect() -> None:
    """kappa = -10: Q = alpha (phi/Phi(10))^2 to 44 digits; a hidden layer is liquid."""
    for scenario in ("teacher-student", "random"):
        found = rd.solve(3.0, 1, kappa=-10.0, scenario=scenario, ansatz="rs")
        assert found.converged
        assert found.Q_ea[0] == pytest.approx(1.776205440783369e-44, rel=1e-12, abs=0.0)
        deep = rd.solve(30.0, 2, kappa=-10.0, scenario=scenario, ansatz="rs")
        assert deep.converged
        assert deep.q_ea[1] == 0.0
        assert deep.free_entropy == pytest.approx(math.log(2.0), rel=1e-14)


@pytest.mark.parametrize("beta", [700.0, 746.0, 1e4, 1e9])
def test_volume_is_never_empty_at_finite_beta(beta: float) -> None:
    """s >= -beta L - (terms of the couplings); hard constraints have no solution there."""
    for L in (1, 2):
        found = rd.solve(500.0, L, beta=beta, scenario="random", ansatz="rs")
        assert found.converged, found.message
        assert -beta * L < found.free_entropy < 0.0
    assert rd.solve(500.0, 1, scenario="random", ansatz="rs").status is rd.Status.NO_SOLUTION


@pytest.mark.parametrize("L", [1, 2, pytest.param(5, marks=pytest.mark.slow)])
def test_margin_and_large_beta(L: int) -> None:
    """Random data, where the map is not monotone: passes that are not damped run in circles."""
    for kappa, alpha, beta in itertools.product(
        (1.0, 4.0, 10.0), (1.9, 1e3), (30.0, 700.0, 1e6, 1e9)
    ):
        found = rd.solve(
            alpha, L, kappa=kappa, beta=beta, scenario="random", ansatz="rs", max_sweeps=3000
        )
        assert found.converged, (kappa, alpha, beta, found.message)


@pytest.mark.parametrize("beta", [700.0, 750.0, 2000.0])
def test_parisi_solver_without_levels(beta: float) -> None:
    """K = 0 on a grid against quadrature."""
    model = equations(3.0, 1, 0.0, beta)
    found = polish(model, minimise(model, relaxed_guess(model, first_guess(model.problem.L, 0))))
    symmetric = rd.solve(3.0, 1, beta=beta, scenario="random", ansatz="rs")
    assert found.evaluation.free_entropy == pytest.approx(symmetric.free_entropy, abs=1e-10)
    rest = 1.0 - found.evaluation.state.Q[0, 0]
    assert rest == pytest.approx(symmetric.one_minus_Q_ea[0], rel=1e-9)
    assert certify(model, found.evaluation).passes(1e-8)


def test_large_beta_is_the_hard_constraint_where_there_are_solutions() -> None:
    for ansatz in ("rs", "rsb"):
        soft, hard = (
            rd.solve(4.0, 3, beta=beta, scenario="random", ansatz=ansatz, levels=2)
            for beta in (1e4, INF)
        )
        assert soft.converged
        assert soft.free_entropy == pytest.approx(hard.free_entropy, abs=1e-10)


def test_broken_symmetry_says_where_its_grid_ends(capsys: pytest.CaptureFixture[str]) -> None:
    """beta = 750 above capacity: one line with argument, value and what to do, exit code 3."""
    words = "solve --L 1 --alpha 3 --beta 750 --scenario random --levels 2"
    assert run(words.split()) == 3
    text = capsys.readouterr()
    assert "beta = 750 is too large for broken symmetry" in text.out + text.err
    assert "or --ansatz rs" in text.out + text.err


@pytest.mark.parametrize("beta", [9e-4, 1.1e9, 1e300, -1.0, math.nan])
def test_range_of_beta(beta: float) -> None:
    with pytest.raises(InputError, match=r"beta = .*: a number from 0.001 to 1e\+09, or inf"):
        rd.solve(1.0, 1, beta=beta)


def test_floor_of_the_weight() -> None:
    """(1 - e^-beta) Phi(-d) = e^-beta, and sqrt(2 beta) is not accurate enough for panels."""
    assert floor_distance(math.log(2.0)) == 0.0
    assert floor_distance(INF) == INF
    assert floor_distance(30.0) == pytest.approx(7.357666815008737, rel=1e-12)
    assert floor_distance(700.0) == pytest.approx(37.295079632647415, rel=1e-12)
    assert floor_distance(1e9) == pytest.approx(44721.35929, rel=1e-9)


@pytest.mark.parametrize("beta", [2.0, 700.0, 750.0, 1e6, INF])
@pytest.mark.parametrize("u", [-1500.0, -1414.21, -300.0, -199.0, -38.6, -37.3, -3.0, 0.5, 60.0])
def test_slope_and_curvature_of_the_weight(u: float, beta: float) -> None:
    """h = b phi/w and -h (u + h) in 60 digits."""
    import mpmath as mp

    with mp.workdps(60):
        c = mp.exp(-mp.mpf(beta)) if beta < INF else mp.mpf(0)
        x = mp.mpf(u)
        h = (1 - c) * mp.npdf(x) / (c + (1 - c) * mp.erfc(-x / mp.sqrt(2)) / 2)
        exact = float(h), float(-h * (x + h))
    found = (
        f(np.array([u]), beta)[0]
        for f in (quadrature.log_weight_slope, quadrature.log_weight_curvature)
    )
    assert tuple(found) == pytest.approx(exact, rel=1e-9, abs=1e-300)
