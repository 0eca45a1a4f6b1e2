"""A weight of the gaps of one's own: smoothing, solutions, the liquid, files, mistakes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from replicadnn.cli.main import run
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import ndtr

import replicadnn as rd
from replicadnn import plot
from replicadnn.errors import InputError
from replicadnn.problem import Problem, Scenario
from replicadnn.theory.closures import fronts, general, symmetric_equations
from replicadnn.theory.closures.averaged import twin as averaged_twin
from replicadnn.theory.closures.exact import twin
from replicadnn.theory.closures.smoothed import Integrated, Step
from replicadnn.theory.symmetric.state import State

BETA = 2.0
SOFT = rd.Potential(lambda r: -BETA * np.minimum(r, 0.0) ** 2, kinks=[0.0], name="soft step")
WINDOW = rd.Potential(
    lambda r: np.where(np.abs(r) < 1.0, 0.0, -np.inf), kinks=[-1.0, 1.0], name="window"
)


def step(kappa: float, beta: float) -> rd.Potential:
    """The built-in weight as a user would state it."""
    return rd.Potential(lambda r: np.where(r > kappa, 0.0, -beta), kinks=[kappa], name="step")


def soft_W(x, V):
    """W of `SOFT` in closed form."""
    c = 1.0 + 2.0 * BETA * V
    tail = np.exp(-BETA * x * x / c) * ndtr(-x / np.sqrt(V * c)) / np.sqrt(c)
    return ndtr(x / np.sqrt(V)) + tail


def window_W(x, V):
    """W of `WINDOW` in closed form."""
    x = np.abs(x)  # small differences of small numbers
    return ndtr((1.0 - x) / np.sqrt(V)) - ndtr((-1.0 - x) / np.sqrt(V))


# --- smoothing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("V", [1.0, 0.5, 1e-2, 1e-5])
@pytest.mark.parametrize(("kappa", "beta"), [(0.0, math.inf), (0.5, 2.0), (-1.3, math.inf)])
def test_smoothing_of_the_step_is_its_closed_form(kappa: float, beta: float, V: float) -> None:
    x = math.sqrt(1.0 - 0.9 * V) * np.linspace(-6.0, 6.0, 41)
    found, expected = Integrated(step(kappa, beta)).smoothed(x, V), Step(kappa, beta).smoothed(x, V)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-11, atol=1e-12 / math.sqrt(V))
    np.testing.assert_allclose(found[2], expected[2], atol=2e-11 / V)


@pytest.mark.parametrize("V", [1.0, 0.1, 1e-3])
def test_smoothing_of_two_wells_finds_both(V: float) -> None:
    """w = sum of two narrow Gaussians: W is one too, width^2 + V."""
    size, places = 0.1, (-1.0, 1.4)

    def log_weight(r):
        return np.logaddexp(*(-0.5 * ((r - c) / size) ** 2 for c in places))

    x = np.linspace(-3.0, 3.0, 25)
    total = size * size + V
    logs = np.array([-0.5 * (x - c) ** 2 / total for c in places])
    share = np.exp(logs - np.logaddexp(*logs))
    slope = sum(s * (c - x) / total for s, c in zip(share, places, strict=True))
    found = Integrated(rd.Potential(log_weight, name="wells")).smoothed(x, V)
    expected = np.logaddexp(*logs) + math.log(size / math.sqrt(total))
    np.testing.assert_allclose(found[0], expected, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(found[1], slope, rtol=1e-9, atol=1e-9)


# --- solutions -----------------------------------------------------------------------------------

QUICK = [
    ("exact", 1.0, 1, 0.0, math.inf), ("averaged", 0.5, 1, 0.5, 2.0),
    ("averaged", 4.0, 2, 0.0, math.inf), ("exact", 5.0, 3, 0.0, math.inf),
    ("averaged", 0.7, 2, 0.0, math.inf),
]  # fmt: skip
SLOW = [
    ("exact", 4.0, 2, 0.0, math.inf), ("exact", 2.0, 2, 0.3, math.inf),
    ("exact", 8.0, 2, 0.0, 3.0), ("averaged", 2.0, 2, 0.3, math.inf),
    ("averaged", 10.0, 3, 0.0, 3.0), ("exact", 20.0, 3, 0.0, 3.0), ("exact", 1.0, 3, -0.5, 2.0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("closure", "alpha", "L", "kappa", "beta"),
    [*QUICK, *(pytest.param(*one, marks=pytest.mark.slow) for one in SLOW)],
)
def test_the_step_as_a_potential_has_the_built_in_solution(
    closure: str, alpha: float, L: int, kappa: float, beta: float
) -> None:
    options = {"scenario": "random", "closure": closure}
    found = rd.solve(alpha, L, potential=step(kappa, beta), **options)
    expected = rd.solve(alpha, L, ansatz="rs", kappa=kappa, beta=beta, **options)
    assert found.converged
    assert expected.converged
    assert found.branch == expected.branch
    np.testing.assert_allclose(found.q, expected.q, atol=1e-10)
    np.testing.assert_allclose(found.Q, expected.Q, atol=1e-10)
    assert found.free_entropy == pytest.approx(expected.free_entropy, abs=1e-10)
    assert found.certificate.replicon == pytest.approx(expected.certificate.replicon, abs=1e-9)


def perceptron(W: Callable, alpha: float) -> tuple[float, float]:
    """Q and s of one perceptron from W alone, by scipy's quadrature and differences of s."""

    def s(Q: float) -> float:
        def integrand(y: float) -> float:
            density = math.exp(-0.5 * y * y) / math.sqrt(2.0 * math.pi)
            return density * math.log(W(math.sqrt(Q) * y, 1.0 - Q))

        F = quad(integrand, -7.0, 7.0, epsabs=1e-13, epsrel=1e-13, limit=400)[0]
        return F + (math.log(1.0 - Q) + Q / (1.0 - Q)) / (2.0 * alpha)

    h = 1e-3

    def slope(Q: float) -> float:
        near, far = s(Q + h) - s(Q - h), s(Q + 2 * h) - s(Q - 2 * h)
        return (8.0 * near - far) / (12.0 * h)

    Q = brentq(slope, 0.05, 0.9, xtol=1e-12)
    return Q, s(Q)


@pytest.mark.parametrize(
    ("potential", "W", "alpha"),
    [(SOFT, soft_W, 2.0), (SOFT, soft_W, 10.0), (WINDOW, window_W, 2.4)],
)
def test_one_perceptron_by_a_second_route(
    potential: rd.Potential, W: Callable, alpha: float
) -> None:
    found = rd.solve(alpha, 1, scenario="random", potential=potential)
    Q, s = perceptron(W, alpha)
    assert found.converged
    assert found.Q_ea[0] == pytest.approx(Q, abs=1e-7)
    assert found.free_entropy == pytest.approx(s, abs=1e-9)


def test_two_layers_of_soft_steps_by_monte_carlo_and_differences() -> None:
    found = rd.solve(20.0, 2, scenario="random", closure="exact", potential=SOFT)
    assert found.converged
    assert found.q_ea[1] > 0.05
    q, Q = found.q_ea, found.Q_ea
    eps = twin.fields(found.problem, q, Q)
    # the site average of layer 1 over omega and u, from W in closed form
    rng = np.random.default_rng(5)
    omega, u = rng.normal(size=(2, 400_000)) * np.sqrt([[Q[0]], [eps[0]]])
    v = 0.5 * np.log(soft_W(omega, 1.0 - Q[0]) / soft_W(-omega, 1.0 - Q[0]))
    values = np.tanh(u + v) ** 2
    error = float(np.std(values)) / math.sqrt(values.size)
    assert error < 1e-3
    assert abs(float(np.mean(values)) - q[1]) < 4.0 * error
    # s is stationary in q, Q, eps
    at = twin.free_entropy(found.problem, q, Q, eps)
    assert at == pytest.approx(found.free_entropy, abs=1e-11)
    for values, i in ((q, 1), (Q, 0), (Q, 1), (eps, 0)):
        ends = []
        for sign in (1.0, -1.0):
            moved = values.copy()
            moved[i] *= 1.0 + 1e-4 * sign
            arguments = [moved if x is values else x for x in (q, Q, eps)]
            ends.append(twin.free_entropy(found.problem, *arguments))
        assert abs(ends[0] - ends[1]) / 2e-4 < 1e-7


@pytest.mark.parametrize("beta", [30.0, 300.0])
def test_the_edge_where_a_floor_takes_over_is_resolved(beta: float) -> None:
    """ln W bends within sqrt(V)/sqrt(2 beta) far from the kink: G against the kernel."""
    usual = Problem(1.0, 1, scenario=Scenario.RANDOM, beta=beta)
    own = replace(usual, beta=math.inf, potential=step(0.0, beta))
    for rest in (0.7, 0.1, 1e-3):
        state = State.uniform(1, rest)
        found, expected = (symmetric_equations(p).curvatures(state) for p in (own, usual))
        assert found == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("potential", [SOFT, WINDOW])
def test_slopes_are_differences(potential: rd.Potential) -> None:
    problem = Problem(1.0, 2, scenario=Scenario.RANDOM, potential=potential)
    lam, eps, h = 0.4, 0.7, 1e-4
    at = twin.averages(problem, lam, eps)
    up, down = twin.averages(problem, lam + h, eps), twin.averages(problem, lam - h, eps)
    more, less = twin.averages(problem, lam, eps + h), twin.averages(problem, lam, eps - h)
    assert (up.q - down.q) / (2 * h) == pytest.approx(at.q_lam, abs=1e-7)
    assert (more.G - less.G) / (2 * h) == pytest.approx(at.q_lam, abs=1e-7)
    assert (up.G - down.G) / (2 * h) == pytest.approx(at.G_lam, rel=1e-6)
    assert (more.q - less.q) / (2 * h) == pytest.approx(at.q_eps, rel=1e-6)
    assert (up.F - down.F) / (2 * h) == pytest.approx(-0.5 * at.G, rel=1e-6)
    assert (more.F - less.F) / (2 * h) == pytest.approx(0.5 * at.rest, rel=1e-6)


def test_averaged_twin_of_a_soft_step_has_the_solution() -> None:
    found = rd.solve(30.0, 2, scenario="random", potential=SOFT)
    assert found.converged
    assert found.q_ea[1] > 0.05
    q, Q = averaged_twin.saddle_map(found.problem, found.q_ea, found.Q_ea)
    np.testing.assert_allclose(q, found.q_ea, atol=1e-8)
    np.testing.assert_allclose(Q, found.Q_ea, atol=1e-8)


# --- the liquid ----------------------------------------------------------------------------------


def test_couplings_of_a_window_become_solid_alone() -> None:
    """alpha w2^2 = 1, w2 = -2 phi(1)/erf(1/sqrt 2): 1.99004; layers 2.. see no signal."""
    problem = Problem(1.0, 3, scenario=Scenario.RANDOM, closure="exact", potential=WINDOW)
    c0, w2 = general.free_moments(problem)
    assert c0 == 0.0
    assert 1.0 / w2**2 == pytest.approx(1.99003537, abs=1e-8)
    options = {"scenario": "random", "closure": "exact", "potential": WINDOW}
    below, above = (rd.solve(alpha, 3, **options) for alpha in (1.95, 2.4))
    assert below.converged
    assert np.all(below.Q_ea == 0.0)
    assert above.converged
    assert np.all(above.q_ea[1:3] == 0.0)
    alone = rd.solve(2.4, 1, **options)
    assert above.Q_ea == pytest.approx([alone.Q_ea[0], 0.0, 0.0], abs=1e-12)
    assert alone.Q_ea[0] > 0.2
    # two free layers beside it: ln erf(1/sqrt 2) + ln 2 each
    assert above.free_entropy == pytest.approx(
        alone.free_entropy + 2.0 * (math.log(0.6826894921370859) + math.log(2.0)), abs=1e-10
    )


def test_the_certificate_sees_the_liquid_of_a_window() -> None:
    for closure, L, alpha, layers in (
        ("exact", 3, 2.0, [1]), ("exact", 3, 1.98, []), ("exact", 1, 2.0, [1]),
        ("averaged", 1, 2.0, [1]), ("averaged", 3, 50.0, []),
    ):  # fmt: skip
        problem = Problem(alpha, L, scenario=Scenario.RANDOM, closure=closure, potential=WINDOW)
        assert symmetric_equations(problem).unstable_liquid_layers(State.liquid(L)) == layers


@pytest.mark.parametrize("closure", ["averaged", "exact"])
def test_the_liquid_of_a_step_is_that_of_the_kernels(closure: str) -> None:
    """kappa = 0.5, L = 2: the exact closure's onset is at 0.352247."""
    onset = 0.352247 if closure == "exact" else 0.432
    for alpha in (0.99 * onset, 1.01 * onset):
        usual = Problem(alpha, 2, scenario=Scenario.RANDOM, closure=closure, kappa=0.5)
        own = replace(usual, kappa=0.0, potential=step(0.5, math.inf))
        found = [
            symmetric_equations(p).unstable_liquid_layers(State.liquid(2)) for p in (usual, own)
        ]
        assert found[0] == found[1]
        if closure == "exact":
            assert found[1] == ([1] if alpha > onset else [])


# --- files, figures, mistakes --------------------------------------------------------------------


def test_a_file_holds_the_name_and_no_function(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = rd.solve(2.0, 1, scenario="random", potential=SOFT)
    assert found.as_dict()["potential"] == "soft step"
    assert found.possible is None
    assert "soft step potential" in plot.profile_figure(found).get_suptitle()
    back = rd.load(found.save(tmp_path / "own.h5"))[0]
    assert back.problem.potential.name == "soft step"
    assert back.problem.potential.log_weight is None
    assert run(["info", str(tmp_path / "own.h5")]) == 0
    assert "rs, potential soft step: continuous" in capsys.readouterr().out
    assert back.free_entropy == found.free_entropy
    with pytest.raises(InputError, match=r"soft step.*a file holds no function"):
        rd.solve(back.problem)
    assert rd.solve(1.0, 1, scenario="random", ansatz="rs").as_dict()["potential"] is None


def test_own_potentials_are_refused_where_they_are_not_covered() -> None:
    found = rd.solve(2.0, 1, scenario="random", potential=SOFT)
    with pytest.raises(InputError, match="the built-in one for the distribution of the gaps"):
        rd.gap_distribution(found, 1)
    for options, words in (
        ({}, "scenario.*planting"),
        ({"scenario": "random", "ansatz": "rsb"}, "ansatz.*rs with a potential"),
        ({"scenario": "random", "kappa": 0.5}, "kappa = 0.5: 0 with a potential"),
        ({"scenario": "random", "beta": 2.0}, "beta = 2.0: inf with a potential"),
    ):
        with pytest.raises(InputError, match=words):
            rd.solve(2.0, 1, potential=SOFT, **options)
    with pytest.raises(InputError, match=r"a replicadnn\.Potential"):
        rd.solve(2.0, 1, scenario="random", potential=lambda r: 0.0 * r)


MISTAKES = [
    ((lambda r: -r if r > 0 else 0.0,), {}, "log_weight.*fails on floats"),
    ((lambda r: 0.0,), {}, "one number for each r"),
    ((lambda r: np.full(r.shape, np.nan),), {}, "ln w.r. is nan at r = -12"),
    ((lambda r: np.where(r > 1.0, np.inf, 0.0),), {}, "ln w.r. is inf"),
    ((lambda r: np.full(r.shape, -np.inf),), {}, "not -inf everywhere"),
    ((3.0,), {}, "a function r -> ln w"),
    ((lambda r: 0.0 * r,), {"kinks": [11.0]}, "kinks = 11.0: numbers from -10 to 10"),
    ((lambda r: 0.0 * r,), {"kinks": [math.nan]}, "kinks = nan"),
    ((lambda r: 0.0 * r,), {"kinks": ["a"]}, "kinks = 'a'"),
    ((lambda r: 0.0 * r,), {"name": "two\nlines"}, "name = .*printable"),
]


@pytest.mark.parametrize(("arguments", "options", "words"), MISTAKES)
def test_mistakes_are_one_line(arguments: tuple, options: dict, words: str) -> None:
    with pytest.raises(InputError, match=words) as found:
        rd.Potential(*arguments, **options)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("log_weight", "where"),
    [(lambda r: np.where(r > 0.3, 0.0, -1.0), "0.3"), (lambda r: -np.abs(r + 1.0), "-1"),
     (lambda r: np.where(r > 0.3, 0.0, -np.inf), "0.3")],
)  # fmt: skip
def test_a_kink_that_was_not_named_is_found(log_weight: Callable, where: str) -> None:
    with pytest.raises(InputError, match=rf"all kinks of own: ln w is not smooth at r = {where}"):
        rd.solve(1.0, 1, scenario="random", potential=rd.Potential(log_weight))


def test_thresholds_are_those_of_the_built_in_weight() -> None:
    problem = Problem(1.0, 2, scenario=Scenario.RANDOM, closure="exact", potential=SOFT)
    with pytest.raises(InputError, match="the built-in one for thresholds"):
        fronts(problem)
