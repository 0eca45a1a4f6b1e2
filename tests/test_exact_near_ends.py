"""Solutions of the exact closure next to the end of a branch, where m -> 0 and eps ~ 1/m^2."""

from __future__ import annotations

import math

import numpy as np
import pytest

import replicadnn as rd
from replicadnn.problem import Ansatz, Problem, Scenario
from replicadnn.status import Branch, BranchKind, Status
from replicadnn.theory.broken import level_errors
from replicadnn.theory.broken.cells import split_cells
from replicadnn.theory.broken.climb import Climb, Effort, settle
from replicadnn.theory.broken.connected import few_level_curve
from replicadnn.theory.broken.descent import Quadratic
from replicadnn.theory.broken.ends import ended
from replicadnn.theory.broken.layout import Units
from replicadnn.theory.broken.minimise import _at_rounding, minimise
from replicadnn.theory.broken.search import Found, find
from replicadnn.theory.broken.stop import StopReason
from replicadnn.theory.closures.exact import plane_twin
from replicadnn.theory.closures.exact.broken import LevelEquations
from replicadnn.theory.closures.exact.plane import level_grids, plane_flow
from replicadnn.theory.closures.exact.plane_response import U, W, plane_response
from replicadnn.types import FloatArray


def equations(alpha: float, L: int = 2) -> LevelEquations:
    problem = Problem(
        alpha=alpha, L=L, scenario=Scenario.RANDOM, ansatz=Ansatz.RSB, closure="exact"
    )
    return LevelEquations(problem)


def solved(alpha: float, levels: int, L: int = 2) -> rd.Solution:
    one = rd.solve(alpha, L, scenario="random", closure="exact", ansatz="rsb", levels=levels)
    assert isinstance(one, rd.Solution)
    return one


def near(m: float, nu: float, e: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """One level close to its end: m, lam, eps."""
    return np.array([0.0, m]), np.array([0.0, 1.0 - nu * m]), np.array([0.0, e / m**2])


# --- the flow -------------------------------------------------------------------------------------


def test_the_window_holds_the_tilted_gaussian() -> None:
    """e^(m f) shifts the Gaussian of u by m sigma = sqrt(14) of its widths: 9 of them lose 1e-9."""
    m, lam, eps = near(0.0879, 0.00535, 14.0)
    one, other = (plane_flow(m, lam, eps, 0.0, math.inf, points) for points in (5.0, 10.0))
    assert one.rest == pytest.approx(other.rest, rel=1e-11)
    assert one.free_energy == pytest.approx(other.free_energy, rel=1e-13)


def test_wide_fields_against_plain_sums() -> None:
    """The same shift; V = 0.15 and sigma = 4.7, which the plain sums resolve."""
    m, lam, eps = near(0.8, 0.19, 14.0)
    found = plane_flow(m, lam, eps, 0.0, math.inf, 5.0)
    F, q, G, A = plane_twin.one_step(0.8, float(lam[1]), float(eps[1]), 0.0, math.inf)
    assert found.free_energy == pytest.approx(F, rel=1e-12)
    assert found.q[1] == pytest.approx(q, abs=1e-12)
    assert found.G[1] == pytest.approx(G, rel=1e-11)
    assert found.A[1] == pytest.approx(A, rel=1e-11)


def test_every_level_has_the_grid_of_its_own_fields() -> None:
    """Nothing at level 0; at level 1 as many points for any m, at the top as many as 1/m."""

    def sizes(m: float) -> list[int]:
        y, lam, e = np.array([0, 0.44, 1.0]), np.array([0, 0.6, 1 - 0.02 * m]), [0, 3.0, 5.7]
        return [grid.n_u for grid in level_grids(m * y, lam, np.array(e) / m**2, 5.0)]

    assert sizes(0.1)[:2] == sizes(0.025)[:2] == [1, 169]
    assert sizes(0.025)[2] == pytest.approx(4 * sizes(0.1)[2], rel=0.01)


def test_second_derivatives_where_the_kink_is_narrow() -> None:
    """dq, dG by eps_1 and lam_1: differences in omega do not resolve f_omega there."""
    m, lam, eps = near(0.2, 0.02, 5.7)
    response = plane_response(plane_flow(m, lam, eps, 0.0, math.inf, 5.0)).by_variance

    def slope(row: int, step: float) -> FloatArray:
        def value(times: float) -> FloatArray:
            moved = [lam.copy(), eps.copy()]
            moved[row][1] += times * step
            flow = plane_flow(m, moved[0], moved[1], 0.0, math.inf, 5.0)
            return np.array([flow.q[1], flow.G[1]])

        near, far = value(1.0) - value(-1.0), value(2.0) - value(-2.0)
        return np.asarray((8.0 * near - far) / (12.0 * step))

    np.testing.assert_allclose(response[:, 1, W, 1], slope(0, 1e-5), rtol=1e-6)
    np.testing.assert_allclose(response[:, 1, U, 1], slope(1, 0.5), rtol=1e-6)


# --- solutions ------------------------------------------------------------------------------------


def test_the_curve_of_one_level_leads_to_its_end() -> None:
    """m = 0.12 by plain sums without a flow (`test_exact_ends`); alpha is known to 5e-8."""
    here = equations(8.5642356)
    curve, end = few_level_curve(here, 1, Effort())
    assert end is None
    ev = settle(here, curve[-1][1]).evaluation
    assert ev.state.m[1] == pytest.approx(0.12, abs=3e-8)
    assert here.rests(ev)[0][1] == pytest.approx(2.299e-3, rel=5e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alpha", "m", "rest"),
    [(8.8075210, 0.06, 5.317e-4), (8.9285503, 0.03, 1.680e-4), (8.9901389, 0.015, 6.397e-5)],
)
def test_one_level_is_that_of_plain_sums(alpha: float, m: float, rest: float) -> None:
    """The same for the whole search; the end is 9.0543."""
    one = solved(alpha, 1)
    assert one.status is Status.CONVERGED
    assert one.branch == Branch(BranchKind.CONTINUOUS)
    assert one.x[1] == pytest.approx(m, abs=3e-8)
    assert one.one_minus_q_ea[1] == pytest.approx(rest, rel=5e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alpha", "m", "s"),
    [
        (8.3, (0.0547273, 0.1230848), -0.9997509242),
        (8.5, (0.0221587, 0.0499483), -1.1625485183),
    ],
)
def test_two_levels_next_to_their_end(alpha: float, m: tuple[float, float], s: float) -> None:
    """8.6425 is the end, m_1/m_2 -> 0.4426."""
    one = solved(alpha, 2)
    assert one.status is Status.CONVERGED
    assert one.branch == Branch(BranchKind.CONTINUOUS)
    assert one.x[1:] == pytest.approx(m, abs=2e-7)
    assert one.free_entropy == pytest.approx(s, abs=1e-9)


@pytest.mark.parametrize(
    ("alpha", "levels", "words"),
    [
        (8.65, 2, "solutions with 2 levels or more end by alpha = 8.64248, where"),
        (8.8, 2, "solutions with 2 levels or more end by alpha = 8.64248, where"),
        (9.06, 1, "solutions with 1 level or more end by alpha = 9.05431, where"),
        (9.2, 1, "solutions with 1 level or more end by alpha = 9.05431, where"),
    ],
)
def test_beyond_the_end_there_is_no_solution(alpha: float, levels: int, words: str) -> None:
    one = solved(alpha, levels)
    assert one.status is Status.NO_SOLUTION
    assert one.message.startswith(words)
    bound = "counting bound 9.08861" if alpha < 9.08 else "alpha > 9.089: no network"
    assert bound in one.message


def test_two_levels_end_before_one() -> None:
    """8.6425 and 9.0543; with a margin no end is known."""
    assert [ended(equations(alpha), 2) for alpha in (8.63, 8.65)] == [False, True]
    assert [ended(equations(alpha), 1) for alpha in (8.65, 9.06)] == [False, True]
    with_margin = Problem(
        alpha=9.2, L=2, scenario=Scenario.RANDOM, ansatz=Ansatz.RSB, closure="exact", kappa=0.1
    )
    assert not ended(LevelEquations(with_margin), 2)


def test_the_end_of_several_levels_is_not_solved_for_far_below(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Below 0.9 x 9.0543 = 8.149."""

    def closing(self: LevelEquations, levels: int) -> float:
        assert levels == 1, "asked"
        return 9.0543

    monkeypatch.setattr(LevelEquations, "closing", closing)
    assert not ended(equations(8.1), 2)
    with pytest.raises(AssertionError, match="asked"):
        ended(equations(8.2), 2)


# --- the search -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def one_level() -> Found:
    """alpha = 7: m = 0.38255, 1 - q = 0.0955; two levels: m_2 = 0.54064, 1 - q = 0.0146."""
    return find(equations(7.0), levels=1)


def test_a_search_that_leaps_is_given_up(one_level: Found) -> None:
    """Below (1 - share)^2 = 0.64 of the first 1 - q; with share = 1 it goes on to two levels."""
    here, ev = equations(7.0), one_level.evaluation
    start = split_cells(here, ev, np.array([True, False]))
    gone = minimise(here, start, share=0.2)
    rest = 1.0 - gone.evaluation.q[1, -1]
    assert gone.stop is StopReason.LEAP
    assert gone.lost
    first = 1.0 - here.evaluate(start).q[1, -1]
    assert rest < 0.64 * first
    whole = minimise(here, start, share=1.0)
    assert whole.converged
    assert whole.evaluation.state.m[2] == pytest.approx(0.54064, abs=1e-5)


def test_no_level_is_tried_beyond_its_end(
    one_level: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    """alpha = 7 beyond an end of two levels at 6.9, and below one at 7.1."""

    def tried(*_: object, **__: object) -> None:
        raise AssertionError("tried")

    climb = Climb(one_level.stage)
    monkeypatch.setattr(level_errors, "one_more", tried)
    monkeypatch.setattr(LevelEquations, "closing", lambda self, K: {1: 7.5, 2: 6.9}[K])
    assert math.isnan(level_errors.level_errors(climb, Effort()).s)
    monkeypatch.setattr(LevelEquations, "closing", lambda self, K: {1: 7.5, 2: 7.1}[K])
    with pytest.raises(AssertionError, match="tried"):
        level_errors.level_errors(climb, Effort())


@pytest.mark.parametrize(
    ("slope", "curvature", "cut", "last", "ends"),
    [
        (1e-12, 1.0, False, 1.5e-12, True),
        (1e-12, 1.0, False, 1e-10, False),  # still falls
        (1e-12, 1.0, True, 1e-10, True),
        (1e-6, 1.0, False, 1.5e-6, False),  # s would fall by 5e-13
        (1e-12, -1.0, False, 1.5e-12, False),  # a saddle
    ],
)
def test_a_gradient_at_its_rounding_ends_the_search(
    slope: float, curvature: float, cut: bool, last: float, ends: bool
) -> None:
    """Where s would fall by less than 1e-17 and the gradient has not been halved."""
    units = Units(np.ones(1), np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64))
    local = Quadratic(np.array([slope]), np.array([[curvature]]), units)
    assert _at_rounding(local, cut, last) is ends
