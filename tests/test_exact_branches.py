"""Exact neurons, teacher-student: the smallest solution, and what lies between it and the crystal.

Literal numbers come from the curve of solutions, followed by `Curve`, which shares no step with the
search.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import replicadnn as rd
from replicadnn.problem import Problem, Scenario
from replicadnn.questions.transitions.path import SolutionPath, ordering_path
from replicadnn.solution import Solution
from replicadnn.theory.closures import symmetric_equations
from replicadnn.theory.closures.exact.equations import Equations
from replicadnn.theory.contract import Leave, SymmetricEquations
from replicadnn.theory.symmetric.branches import find_branches
from replicadnn.theory.symmetric.curve import Curve, Point
from replicadnn.theory.symmetric.newton import newton
from replicadnn.theory.symmetric.search import Stop, settle
from replicadnn.theory.symmetric.state import State, distance, full_order, neuron_logit
from replicadnn.types import FloatArray


def equations(L: int, alpha: float) -> Equations:
    found = symmetric_equations(Problem(alpha=alpha, L=L, closure="exact"))
    assert isinstance(found, Equations)
    return found


def branches(L: int, alpha: float, **asked: float) -> dict[str, Solution]:
    solutions = rd.solve([alpha], L, closure="exact", branch="all", **asked)
    assert all(s.converged for s in solutions)
    return {str(s.branch): s for s in solutions}


# --- the smallest solution -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alpha", "q"),
    [
        # layer 1 liquid: its onset is 5247.1594
        (5200.0, [0.0, 0.00022688]),
        (5208.719436, [0.0, 0.00027218]),
        # ... and solid, up to the fold at 5247.160346
        (5247.1602, [7.644498e-06, 0.00047013]),
    ],
)
def test_a_climb_does_not_step_over_small_overlaps(alpha: float, q: list[float]) -> None:
    """L = 10: the second layer wakes with q = 2e-4; ten times that would melt into the crystal."""
    settled = settle(equations(10, alpha), State.liquid(10), side=+1, max_sweeps=20_000)
    assert settled.found
    np.testing.assert_allclose(settled.state.q[1:3], q, rtol=3e-5)


@pytest.mark.parametrize(("L", "beta"), [(4, math.inf), (6, math.inf), (10, math.inf), (8, 3.0)])
def test_climbs_end_on_the_first_branch_of_the_curve(L: int, beta: float) -> None:
    problem = Problem(alpha=2.0, L=L, beta=beta, closure="exact")
    path = SolutionPath(problem, list(ordering_path(problem, 1e6)))
    onsets = [s.points[0].log_alpha for s in path.segments]
    end = max(point.log_alpha for s in path.segments for point in s.points)
    beyond = [onset + d for onset in onsets for d in (1e-6, 1e-3, 1e-2) if onset + d < end]
    drawn = np.random.default_rng(L).uniform(onsets[0], end, 6)
    for log_alpha in [*beyond, *drawn]:
        crossing = path.crossing(log_alpha)
        assert crossing is not None
        here = Problem(alpha=math.exp(log_alpha), L=L, beta=beta, closure="exact")
        settled = settle(symmetric_equations(here), State.liquid(L), side=+1, max_sweeps=50_000)
        assert settled.found
        assert distance(settled.state, path.state(crossing)) < 1e-6, here.alpha


# --- partly ordered networks -----------------------------------------------------------------


def test_partly_saturated_networks_of_20_layers() -> None:
    """alpha = 100: crystals of n = 1..14 layers beside the output, each with a front below."""
    found = branches(20, 100.0)
    names = [f"partly saturated {n}" for n in range(1, 15)]
    assert list(found) == ["continuous", "saturated", *names]
    front, crystal = found["continuous"], found["saturated"]
    for n, name in enumerate(names, start=1):
        solution = found[name]
        shallow = rd.solve(100.0, 20 - n, closure="exact")
        np.testing.assert_allclose(solution.q_ea[: 20 - n], shallow.q_ea[:-1], atol=2e-15)
        np.testing.assert_allclose(solution.Q_ea[: 20 - n], shallow.Q_ea, atol=2e-15)
        assert np.all(solution.q_ea[20 - n :] > 1.0 - 1e-9)
        # every crystal layer costs what it does in the crystal of 20 layers
        cost = crystal.free_entropy / 20.0
        assert solution.free_entropy == pytest.approx(front.free_entropy + n * cost, abs=1e-9)
    assert found["partly saturated 1"].free_entropy == pytest.approx(-0.63488066, abs=1e-8)


@pytest.mark.parametrize(
    ("alpha", "names"),
    [
        (27.9, []),
        (28.01, ["partly saturated"]),  # one layer from 28.00064
        (28.03, [f"partly saturated {n}" for n in range(1, 8)]),  # more from 28.0249
    ],
)
def test_partly_saturated_networks_appear_at_28(alpha: float, names: list[str]) -> None:
    assert list(branches(12, alpha)) == ["continuous", "saturated", *names]


@pytest.mark.parametrize(
    ("n", "spinodal"), [(1, 28.00064256203), (2, 28.02476672068), (3, 28.02490372974)]
)
def test_spinodals_of_partly_saturated_networks(n: int, spinodal: float) -> None:
    here = equations(8, 36.0)
    (start,) = (b for b in find_branches(here, between=True) if b.name == f"partly saturated {n}")
    curve = Curve(here, neuron_logit(8 - n), sign=-1.0)
    before = curve.solve(start.settled.state, math.log(36.0))
    assert before is not None
    fold: Point | None = None
    for after in curve.trace(before, lambda point: point.slope >= 0.0):
        if after.slope >= 0.0:
            fold = curve.fold(before, after)
        before = after
    assert fold is not None
    assert fold.alpha == pytest.approx(spinodal, rel=1e-11)


def test_a_solution_between_two_folds_is_found() -> None:
    """L = 5: between 42.217 and 42.391 a third stable solution, fed from both ends."""
    found = branches(5, 42.3)
    assert list(found) == ["continuous", "saturated", "filled"]
    np.testing.assert_allclose(
        found["filled"].q_ea[1:-1], [0.62603778, 0.41249020, 0.44481071, 0.68141027], atol=1e-8
    )
    assert found["filled"].free_entropy == pytest.approx(-0.617290, abs=1e-6)
    for alpha in (42.2, 42.4):
        assert list(branches(5, alpha)) == ["continuous", "saturated"]


def test_where_nothing_is_searched_between() -> None:
    """Without a teacher, in deeper networks, with averaged neurons, or unless all are asked for."""
    low, high = State.liquid(41), full_order(Problem(alpha=100.0, L=41))
    assert starts_between(equations(41, 100.0), low, high, []) == 0
    low, high = State.liquid(6), full_order(Problem(alpha=100.0, L=6))
    random = Problem(alpha=100.0, L=6, closure="exact", scenario=Scenario.RANDOM)
    for other in (random, Problem(alpha=100.0, L=6)):
        assert starts_between(symmetric_equations(other), low, high, []) == 0
    assert [str(b.name) for b in find_branches(equations(6, 40.0))] == ["continuous", "saturated"]


def starts_between(
    here: SymmetricEquations,
    low: State,
    high: State,
    found: list[State | None],
    left: list[bool] | None = None,
) -> int:
    """Number of starts when they lead to the states of ``found``, then to ``low``.

    ``left`` : whether each search would be left at ``low``.
    """
    begun = 0

    def fall(start: State, leave: Leave | None = None) -> State | None:
        nonlocal begun
        begun += 1
        if left is not None:
            left.append(leave is not None and leave(low))
        return found[begun - 1] if begun <= len(found) else low

    here.search_between(low, high, fall)
    return begun


def test_a_series_of_starts_ends_where_one_bounds_the_rest() -> None:
    """L = 6, layers 1..3 liquid: (a) n = 1, 2, ..., (b) k = 1..4, (c) k = 4, then 3, 5."""
    low, high = State.liquid(6), full_order(Problem(alpha=100.0, L=6))
    low.q[4:6], low.p[4:6], low.Q[4:], low.P[4:] = 0.5, 0.5, 0.5, 0.5
    one, two, fed = low.copy(), low.copy(), low.copy()
    one.q[5] = two.q[5] = two.q[4] = 1.0
    fed.q[1:4], fed.Q[:4] = 0.5, 0.5
    for found, a, b, c in (
        ([low], 1, 1, 2),  # all other starts lead to low
        ([None], 1, 4, 2),  # the search has failed: nothing bounds (b)
        ([high], 1, 0, 2),  # the crystal: so do the starts of (b), which lie above
        ([one, low], 2, 1, 2),
        ([one, one], 2, 1, 2),  # not where (a) has ended, but layer 1 is liquid
        ([one, two, high], 3, 0, 2),
        ([low, high, fed, None, one], 1, 4, 2),
        ([fed, fed, high, fed], 2, 2, 2),  # where (a) has ended, layer 1 solid
        ([low, low, high], 1, 1, 2),  # 4 to the crystal: so does 5, and 3 is between
        ([low, low, None], 1, 1, 3),  # 4 failed: nothing bounds the others
        ([low, low, fed], 1, 1, 3),
    ):
        assert starts_between(equations(6, 100.0), low, high, found) == a + b + c


def test_a_network_whose_first_layer_melts_is_left() -> None:
    """In (b) alone, and if (a) has found what is fed from the output."""
    low, high = State.liquid(6), full_order(Problem(alpha=100.0, L=6))
    for found, left in (
        ([low, high], [False, True, True, False]),
        ([None, high, high], [False] * 6),
    ):
        asked: list[bool] = []
        starts_between(equations(6, 100.0), low, high, found, asked)
        assert asked == left
    here = equations(20, 27.99)
    settled = settle(
        here, full_order(here.problem), side=-1, max_sweeps=20, leave=lambda state: state.q[1] < 1.0
    )  # fmt: skip
    assert settled.stop is Stop.LEFT
    assert settled.sweeps == 2
    assert not settled.found


def test_networks_ordered_but_for_the_inputs_at_finite_beta() -> None:
    """L = 10, beta = 3: next to the inputs such states exist before they do at the output."""
    assert list(branches(10, 69.0, beta=3.0)) == ["continuous", "saturated"]
    found = branches(10, 70.335, beta=3.0)
    assert list(found) == ["continuous", "saturated", "partly saturated"]
    assert found["partly saturated"].q_ea[1] == pytest.approx(0.8888, abs=5e-5)
    names = ["partly saturated 7", "partly saturated 8"]
    assert list(branches(10, 72.0, beta=3.0)) == ["continuous", "saturated", *names]


def test_no_network_is_torn_between_its_front_and_the_inputs() -> None:
    """L = 20, alpha = 50: a crystal of n = 16 layers would push the front past layer 1."""
    found = branches(20, 50.0)
    names = [f"partly saturated {n}" for n in range(1, 16)]
    assert list(found) == ["continuous", "saturated", *names]


def test_the_equilibrium_is_never_partly_saturated() -> None:
    """Every crystal layer lowers s."""
    for alpha in (30.0, 100.0, 300.0):
        found = branches(9, alpha)
        front = found["continuous"].free_entropy
        partly = [s.free_entropy for name, s in found.items() if name.startswith("partly")]
        assert partly
        assert all(b < a for a, b in zip([front, *partly], partly, strict=False))


def test_layers_of_a_solution_are_remembered_once() -> None:
    """The crystal of 20 layers at alpha = 100: all layers but the output are alike, also in 15."""
    deep, shallow = equations(20, 100.0), equations(15, 100.0)
    sites = deep.sites
    for here, new in ((deep, 2), (shallow, 0)):
        state = settle(here, full_order(here.problem), side=-1, max_sweeps=100).state
        at = state.q, state.p, state.Q, state.P
        before = sites.known.arguments.shape[1]
        sites = sites.remembering(*at)
        assert sites.known.arguments.shape[1] == before + new
        layers, slopes = here.sites.linear(*at)
        again, same = sites.linear(*at)
        for name in ("q", "log_rest", "G", "eps"):
            np.testing.assert_allclose(getattr(again, name), getattr(layers, name), rtol=2e-14)
        np.testing.assert_allclose(same.q_eps, slopes.q_eps, rtol=1e-7)
        arguments = layers.lam, layers.mu, layers.eps
        F, again_F = here.sites.potentials(*arguments), sites.potentials(*arguments)
        np.testing.assert_allclose(again_F, F, rtol=1e-14, atol=1e-16)
        for row, want in zip(
            sites.potential_slopes(*arguments), here.sites.potential_slopes(*arguments), strict=True
        ):
            np.testing.assert_allclose(row, want, rtol=1e-8, atol=1e-12)


def test_newton_is_believed_from_either_side_where_it_is_quadratic() -> None:
    """The crystal above a network of one layer at beta = 3: layer 1 climbs, layer 2 falls."""
    solution = branches(10, 100.0, beta=3.0)["partly saturated 8"]
    np.testing.assert_allclose(solution.q_ea[1:3], [0.8964201, 0.9999989], atol=1e-7)
    assert solution.iterations["sweeps"] <= 6  # 17 until no overlap moves by 1e-6


def test_steps_of_newton() -> None:
    """y^2 = 2 from 2: steps -1/2 and -1/12; from 1/4 the first one, 31/8, is cut."""

    def evaluate(y: FloatArray) -> tuple[FloatArray, FloatArray]:
        return 2.0 - y * y, 2.0 * y[None, :]

    for start, shrink in ((2.0, 1.0 / 6.0), (math.sqrt(2.0), 0.0), (0.25, math.inf)):
        found = newton(evaluate, np.array([start]), tol=1e-10, cap=1.0, max_iter=30)
        assert found.converged
        assert found.y[0] == pytest.approx(math.sqrt(2.0), rel=1e-15)
        assert found.shrink == pytest.approx(shrink, rel=1e-12)


# --- a margin: order from the inputs as well -------------------------------------------------


def test_with_a_margin_order_also_comes_from_the_inputs() -> None:
    """Random data, kappa = 1: layer L-1 from alpha = 0.18483 on, layer 1 from 0.42992."""
    solid = []
    for alpha in (0.1848, 0.1849, 0.4299, 0.4300, 0.6):
        s = rd.solve(alpha, 4, scenario="random", ansatz="rs", kappa=1.0, closure="exact")
        assert s.converged
        solid.append(np.flatnonzero(s.q_ea[1:-1] > 0.0) + 1)
    assert [list(layers) for layers in solid] == [[], [3], [3], [1, 3], [1, 3]]
    # the two fronts do not know of each other while a liquid layer lies between
    deep = rd.solve(0.6, 7, scenario="random", ansatz="rs", kappa=1.0, closure="exact")
    assert list(np.flatnonzero(deep.q_ea[1:-1] > 0.0) + 1) == [1, 6]
    np.testing.assert_allclose(deep.q_ea[[1, 6]], s.q_ea[[1, 3]], rtol=1e-12)
    assert deep.q_ea[1] == pytest.approx(0.15755319, abs=1e-8)


def test_first_threshold_with_a_margin() -> None:
    """L = 2, kappa = 0.5: 0.352247 (linear theory of the liquid)."""
    for alpha, solid in ((0.35224, False), (0.35226, True)):
        s = rd.solve(alpha, 2, scenario="random", ansatz="rs", kappa=0.5, closure="exact")
        assert s.converged
        assert bool(s.q_ea[1] > 0.0) is solid
