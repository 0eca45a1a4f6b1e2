"""Capacity: closed forms, two routes for every number, jamming limit against the full solver."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from broken_cases import branch_at, equations
from hypothesis import given, settings
from hypothesis import strategies as st
from replicadnn.cli.main import run
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import ndtr

import replicadnn as rd
from replicadnn.plot.naming import BEYOND
from replicadnn.problem import Ansatz, Problem, Scenario
from replicadnn.questions.capacity import Capacity, CapacityPoint, End, broken, symmetric
from replicadnn.questions.capacity.ask import plan
from replicadnn.questions.capacity.broken import closing_rsb
from replicadnn.questions.capacity.result import possible
from replicadnn.questions.capacity.symmetric import _end, closing
from replicadnn.status import BranchKind
from replicadnn.theory import closures
from replicadnn.theory.broken.climb import settle
from replicadnn.theory.broken.curve import follow_branch
from replicadnn.theory.broken.guess import relaxed_guess, saturated_guess
from replicadnn.theory.broken.stop import StopReason
from replicadnn.theory.closures.averaged.closed_forms import chain_eigenvalue, reduced_rs
from replicadnn.theory.closures.averaged.jamming import (
    Chain,
    Jamming,
    contact_boundary,
    saturated_boundary,
)
from replicadnn.theory.closures.exact import closed_forms
from replicadnn.theory.contract import SaturatedEnds
from replicadnn.theory.counting import counting_bound
from replicadnn.theory.symmetric.state import State


def _gardner(kappa: float) -> float:
    """1/Int_{-kappa}^inf Dz (z + kappa)^2 by quadrature."""
    density = 1.0 / math.sqrt(2.0 * math.pi)
    value, _ = quad(
        lambda z: density * math.exp(-0.5 * z * z) * (z + kappa) ** 2, -kappa, 12.0, epsabs=1e-13
    )
    return 1.0 / value


@pytest.mark.parametrize("kappa", [0.0, 0.5, 1.0, -1.0])
def test_one_perceptron_ends_at_gardners_capacity(kappa: float) -> None:
    found = rd.capacity(1, kappa=kappa)[0]
    assert found.end is End.DIVERGENCE
    assert found.alpha == pytest.approx(_gardner(kappa), rel=1e-8)
    if kappa == 0.0:
        assert found.alpha == pytest.approx(2.0, abs=1e-8)


@pytest.mark.parametrize(
    ("L", "kappa", "error"),
    [(2, 0.0, 1e-6), (3, 0.5, 1e-6), pytest.param(8, 0.5, 1e-4, marks=pytest.mark.slow)],
)
def test_divergence_of_the_full_equations_meets_the_reduced_ones(
    L: int, kappa: float, error: float
) -> None:
    found = closing(L, kappa)
    assert found.end is End.DIVERGENCE
    assert abs(found.alpha - found.reduced) < found.uncertainty
    assert found.uncertainty < error * found.alpha
    below = rd.solve(0.99 * found.alpha, L, scenario="random", ansatz="rs", kappa=kappa)
    above = rd.solve(1.01 * found.alpha, L, scenario="random", ansatz="rs", kappa=kappa)
    assert below.converged
    assert above.status is rd.Status.NO_SOLUTION
    assert above.free_entropy == -math.inf


def test_two_layers_in_closed_form() -> None:
    assert reduced_rs(2, 0.0) == pytest.approx(2.0 / (1.0 - math.sqrt(2.0 / math.pi)) ** 2)
    assert chain_eigenvalue(3) == pytest.approx(2.0 / math.sqrt(5.0), abs=1e-12)


def test_no_end_at_three_layers() -> None:
    """sqrt(2/pi) Lambda_3 exceeds sqrt(A(0)): the symmetric equations are solvable at any alpha."""
    found = closing(3, 0.0)
    assert found.end is End.NO_END
    assert math.isinf(found.reduced)
    assert math.isnan(found.alpha)


def test_eigenvalue_grows_to_one() -> None:
    values = [chain_eigenvalue(L) for L in (1, 2, 3, 4, 5, 6, 40)]
    assert np.all(np.diff(values) > 0.0)
    assert values[-1] == 1.0
    mu = np.ones(6)  # the same by iteration of the positive homogeneous map
    for _ in range(5000):
        between = mu[:-1] * mu[1:] / np.hypot(mu[:-1], mu[1:])
        image = np.append(between, 0.0) + np.append(0.0, between)
        ratio, mu = image / mu, image / image.max()
    assert ratio.max() - ratio.min() < 1e-10
    assert values[5] == pytest.approx(float(ratio[0]), abs=1e-10)


@pytest.mark.parametrize("L", [2, 3, 5, 20])
def test_counting_bound(L: int) -> None:
    p = 1.0 / counting_bound(L)
    assert -p * math.log2(p) - (1.0 - p) * math.log2(1.0 - p) == pytest.approx(1.0 / L)


@pytest.mark.slow
def test_one_level_of_frozen_neurons_is_the_counting_bound() -> None:
    """At t -> 0 and one level g = 0 is H(1/alpha) = ln 2/L; t is exp(-O(alpha))."""
    for L, distance in ((2, 3e-4), (3, 1e-6), (4, 1e-9)):
        model = Jamming(Chain.closed(L), 1)
        start = 0.95 * counting_bound(L)
        _, alpha, residual = model.capacity(model.relax(model.start(start), start), start)
        assert residual < 1e-10
        assert 0.0 <= counting_bound(L) - alpha < distance * alpha


@pytest.mark.slow
def test_frozen_branch_of_the_full_solver_dies_where_the_jamming_limit_says() -> None:
    """alpha(m*) of the certified branch, extrapolated to m* = 0 by a parabola."""
    alphas = np.array([8.7, 8.8, 8.9])
    ends = [branch_at(float(a), 2, levels=1, branch="saturated") for a in alphas]
    assert all(one.converged and one.kind is BranchKind.SATURATED for one in ends)
    m = np.array([float(one.state.m[-1]) for one in ends])
    found = closing_rsb(2, 0.0, levels=1)
    assert found.alpha == pytest.approx(9.0866968, abs=1e-6)
    assert np.polyfit(m, alphas, 2)[-1] == pytest.approx(found.alpha, abs=0.005)


@pytest.mark.slow
def test_more_levels_lower_the_end() -> None:
    found = closing_rsb(2, 0.0, levels=3)
    assert found.end is End.NO_STATES
    assert np.all(np.diff(found.by_level) < 0.0)
    assert found.alpha == pytest.approx(8.66755265, abs=1e-6)
    assert found.uncertainty == pytest.approx(found.by_level[1] - found.by_level[2])
    assert found.alpha < found.bound


@pytest.mark.slow
def test_depth_three_to_twenty_with_broken_symmetry() -> None:
    three, four, deep = (closing_rsb(L, 0.0) for L in (3, 4, 20))
    assert three.alpha == pytest.approx(15.5056907, abs=1e-5)
    assert four.alpha == pytest.approx(22.3424365, abs=1e-5)
    assert deep.saturated_layers == 1
    assert deep.alpha == pytest.approx(79.374, abs=0.01)


def test_negative_margin_breaks_and_lowers_the_end() -> None:
    found = closing_rsb(1, -1.0, levels=1)
    assert found.alpha == pytest.approx(12.3196343, abs=1e-5)
    assert found.alpha < _gardner(-1.0)
    convex = closing_rsb(1, 0.0)
    assert convex.alpha == pytest.approx(2.0, abs=1e-8)


def test_levels_of_one_perceptron_at_several_margins() -> None:
    """Every level lowers the end; contacts tend to one; kappa = -1 as if solved from scratch."""
    for kappa, expected in ((-0.5, 4.69724), (-1.0, 12.28722), (-2.0, 124.8054)):
        found = closing_rsb(1, kappa, levels=2)
        assert found.levels == 2
        assert found.alpha == pytest.approx(expected, rel=2e-6)
        assert found.alpha < found.by_level[0] < _gardner(kappa)
    point, alpha, residual = Jamming(Chain.closed(1), 1, -1.0).capacity(
        Jamming(Chain.closed(1), 1).start(12.0), 12.6
    )
    assert residual < 1e-8
    assert point.d[0] < 5.0
    assert alpha == pytest.approx(closing_rsb(1, -1.0, levels=1).alpha, rel=1e-9)


def test_overlaps_that_would_grow_are_no_end() -> None:
    """L = 2: the end of one level is unstable to a second; that of two has no zero left."""
    one = Jamming(Chain.closed(2), 1)
    point, alpha, _ = one.capacity(one.relax(one.start(8.5), 8.5), 8.5)
    two = Jamming(Chain.closed(2), 2)
    guess = two.start(alpha)
    guess.q[1:], guess.Q[:], guess.t[:], guess.d[:] = 0.0, 0.0, point.t, point.d
    assert two.wakes(guess, alpha)
    solved, end, residual = two.capacity(two.relax(two.start(8.5), 8.5), 8.5)
    assert residual < 1e-8
    assert not two.wakes(solved, end)


@pytest.mark.slow
def test_eight_layers_end_with_a_liquid_centre_below_the_last_level() -> None:
    found = closing_rsb(8, 0.0, levels=2)
    assert found.levels == 2
    assert found.alpha == pytest.approx(49.3424167, abs=1e-6)
    assert found.alpha < found.bound


@pytest.mark.slow
def test_two_frozen_layers_a_side_end_where_the_limit_says() -> None:
    """L = 20, K = 2: the full solver's alpha(m*) against the limit m* = 0 of an open chain."""
    model = Jamming(Chain.open(2), 2)
    # starts at 115, 118, 122 and 130 lead the root finder astray
    _, end, residual = model.capacity(model.relax(model.start(125.0), 125.0), 125.0)
    assert residual < 1e-8
    assert end == pytest.approx(120.501211, abs=1e-5)
    full = equations(110.0, 20)
    found = settle(full, relaxed_guess(full, saturated_guess(full, 2, depth=2)))
    path = follow_branch(
        full, found.evaluation.state, max_points=120, step=0.1,
        stop=lambda p: bool(p.state.m[-1] < 0.04), deadline=time.perf_counter() + 60.0,
    )  # fmt: skip
    assert path.reason is StopReason.ASKED
    alpha, m = np.array([(p.alpha, p.state.m[-1]) for p in path.points[-3:]]).T
    assert float(np.polynomial.Polynomial.fit(m, alpha, 1)(0.0)) == pytest.approx(end, abs=0.15)


@settings(max_examples=5, deadline=None, derandomize=True)
@given(
    lam=st.floats(0.0, 0.98),
    theta=st.floats(1e-3, 1.0),
    kappa=st.floats(-1.5, 1.5),
    gap=st.floats(0.05, 50.0),
)
def test_boundaries_of_the_jamming_limit(
    lam: float, theta: float, kappa: float, gap: float
) -> None:
    """Both are one Gaussian average with a kink, done here by quadrature; derivatives by steps."""
    width = math.sqrt(1.0 - lam)
    h = np.array([-0.7, 0.1, 0.9])
    boundary, in_theta = contact_boundary(lam, theta, kappa)
    z, weight = np.polynomial.legendre.leggauss(400)
    for x, f in zip(h, boundary.evaluate(h)[0], strict=True):
        edge = (kappa - x) / width
        total = 0.0
        for a, b in ((-12.0, edge), (edge, 12.0)):
            y = 0.5 * (a + b) + 0.5 * (b - a) * z
            r = np.minimum(x + width * y - kappa, 0.0)
            total += 0.5 * (b - a) * float(
                weight @ np.exp(-0.5 * y * y - 0.5 * r * r / theta)
            )  # fmt: skip
        assert f == pytest.approx(math.log(total / math.sqrt(2.0 * math.pi)), abs=1e-8)
    e = 1e-5
    up, down = boundary.evaluate(h + e), boundary.evaluate(h - e)
    scale = 1.0 / (1.0 - lam)
    assert np.allclose((up[0] - down[0]) / (2 * e), boundary.evaluate(h)[1], atol=1e-7 * scale)
    assert np.allclose((up[1] - down[1]) / (2 * e), boundary.evaluate(h)[2], atol=1e-5 * scale**2)
    e *= theta
    more, less = (contact_boundary(lam, theta + d, kappa)[0].evaluate(h)[0] for d in (e, -e))
    assert np.allclose((more - less) / (2 * e), in_theta(h), rtol=1e-4, atol=1e-5 / theta)
    spin, in_gap = saturated_boundary(gap)
    e = 1e-5 * gap
    more, less = (saturated_boundary(gap + d)[0].evaluate(h)[0] for d in (e, -e))
    assert np.allclose((more - less) / (2 * e), in_gap(h), rtol=1e-4, atol=1e-8)
    direct = quad(
        lambda y: math.exp(-0.5 * y * y + abs(0.3 + math.sqrt(gap) * y) - 0.5 * gap), -20, 40,
        points=[-0.3 / math.sqrt(gap), math.sqrt(gap)], limit=400,
    )[0] / math.sqrt(2.0 * math.pi)  # fmt: skip
    assert spin.evaluate(np.array([0.3, 0.4]))[0][0] == pytest.approx(math.log(direct), abs=1e-6)


def test_contacts_become_isostatic_with_levels() -> None:
    """alpha times the weight of closed gaps: alpha_J Phi(kappa) symmetric, 1 with full breaking."""
    counts = []
    for K in (1, 2):
        model = Jamming(Chain.closed(2), K)
        point, alpha, residual = model.capacity(model.relax(model.start(8.5), 8.5), 8.5)
        assert residual < 1e-8
        counts.append(float(model.contacts(point, alpha)[0]))
    symmetric = 48.9588 / 2.0
    assert symmetric > counts[0] > counts[1] > 1.0
    assert counts[0] == pytest.approx(1.006907, abs=1e-5)
    assert counts[1] == pytest.approx(1.000652, abs=1e-5)


def test_g_is_stationary_at_the_fixed_point() -> None:
    """dg = 0 in q, Q, t, d by differences: functional and map agree."""
    model = Jamming(Chain.closed(4), 2)
    point = model.relax(model.start(20.0), 20.0, tol=1e-11, passes=2000)
    for name, index in (("q", (1, 1)), ("Q", (0, 1)), ("d", (1,)), ("Q", (1, 1)), ("q", (2, 1))):
        values = []
        for sign in (1.0, -1.0):
            array = getattr(point, name).copy()
            array[index] *= 1.0 + 3e-4 * sign
            values.append(model.evaluate(replace(point, **{name: array}), 20.0).g)
        assert abs(values[0] - values[1]) / 6e-4 < 1e-6, name


def test_files_and_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, picture = tmp_path / "c.h5", tmp_path / "c.png"
    code = run(["capacity", "--L", "1,3", "--json", "--output", str(path), "--plot", str(picture)])
    assert code == 0
    found = json.loads(capsys.readouterr().out)
    rows = found["capacity"]
    assert [row["L"] for row in rows] == [1, 3]
    assert rows[0]["alpha"] == pytest.approx(2.0, abs=1e-8)
    assert rows[0]["uncertainty"] < 1e-7
    assert rows[1]["alpha"] is None
    assert rows[1]["end"] == "no end found"
    loaded = rd.load(path)
    assert loaded.as_dict() == found
    assert picture.stat().st_size > 5000
    assert run(["plot", "capacity", str(path), "-o", str(tmp_path / "d.png")]) == 0


def test_levels_of_every_point_come_back_from_a_file(tmp_path: Path) -> None:
    points = [
        CapacityPoint(
            L=L, kappa=0.0, ansatz=Ansatz.RSB, alpha=by_level[-1], uncertainty=0.01,
            end=End.NO_STATES, reduced=math.nan, bound=9.087, levels=len(by_level),
            by_level=by_level, mismatch=0.1, possible=True,
        )
        for L, by_level in ((2, (9.05, 8.67)), (3, (9.0,)), (4, (9.08, 8.5, 8.25)))
    ]  # fmt: skip
    path = Capacity(tuple(points), 1e6).save(tmp_path / "c.h5")
    back = Capacity.load(path)
    assert [p.by_level for p in back] == [(9.05, 8.67), (9.0,), (9.08, 8.5, 8.25)]
    assert [(p.L, p.alpha, p.possible) for p in back] == [
        (2, 8.67, True),
        (3, 9.0, True),
        (4, 8.25, True),
    ]


def test_mistakes_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["capacity", "--L", "0"]) == 2
    assert run(["capacity", "--L", "1.5"]) == 2
    assert run(["capacity", "--levels", "9", "--ansatz", "rsb"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    with pytest.raises(rd.InputError, match="alpha_max"):
        rd.capacity(1, alpha_max=0.5)


# --- decisions about how the curve alpha(1 - Q) ends ----------------------------------------


def _blank(L: int = 2) -> CapacityPoint:
    return CapacityPoint(
        L=L, kappa=0.0, ansatz=Ansatz.RS, alpha=math.nan, uncertainty=math.nan, end=End.FAILED,
        reduced=math.nan, bound=9.0,
    )  # fmt: skip


def test_a_straight_line_ends_where_it_meets_one() -> None:
    """alpha = 5 - 3 r: extrapolated to 5, and no better than 1e-9."""
    rests = [1e-4, 1e-5, 1e-6, 1e-7]
    found = _end(_blank(), [5.0 - 3.0 * r for r in rests], rests, 5.1, True)
    assert found.end is End.DIVERGENCE
    assert found.alpha == pytest.approx(5.0, rel=1e-12)
    assert found.uncertainty == pytest.approx(5e-9, rel=1e-6)
    assert found.mismatch == 1e-7


def test_uncertainty_is_ten_times_the_last_change_of_the_extrapolation() -> None:
    """alpha = 5 - 3 r - 1e4 r^2: lines through neighbours end at 5 + 1e4 r r'."""
    rests = [1e-3, 1e-4, 1e-5]
    found = _end(_blank(), [5.0 - 3.0 * r - 1e4 * r * r for r in rests], rests, 5.1, True)
    assert found.alpha == pytest.approx(5.0 + 1e-5, rel=1e-12)
    assert found.uncertainty == pytest.approx(10.0 * (1e-3 - 1e-5), rel=1e-6)


def test_an_open_middle_adds_the_whole_extrapolation() -> None:
    rests = [3e-4, 2e-4, 1e-4]
    alphas = [5.0 - 3.0 * r for r in rests]
    for L, expected in ((2, 5e-9), (3, 3e-4)):
        found = _end(_blank(L), alphas, rests, 5.1, False)
        assert found.uncertainty == pytest.approx(expected, rel=1e-6), L


def test_a_maximum_is_a_spinodal_if_alpha_falls_behind_it() -> None:
    found = _end(_blank(), [4.0, 5.0, 4.9, 4.7], [1e-2, 1e-3, 1e-4, 1e-5], 5.1, True)
    assert (found.end, found.alpha, found.mismatch) == (End.SPINODAL, 5.0, 1e-3)
    assert found.uncertainty == pytest.approx(0.1)
    flat = [4.0, 5.0, 5.0 * (1.0 - 5e-10), 5.0 * (1.0 - 5e-10)]
    assert _end(_blank(), flat, [1e-2, 1e-5, 1e-6, 1e-7], 5.1, True).end is End.DIVERGENCE


def test_a_curve_that_stops_early_has_no_end() -> None:
    found = _end(_blank(), [4.0, 4.5, 4.9], [1e-2, 1e-3, 1.1e-4], 5.1, True)
    assert (found.end, found.alpha) == (End.FAILED, 4.9)
    assert found.uncertainty == pytest.approx(0.2)
    assert not found.converged


@pytest.mark.parametrize(
    ("alpha", "uncertainty", "end", "alpha_max", "answer"),
    [
        (9.05, 0.0, End.DIVERGENCE, 1e6, False),
        (9.05, 0.1, End.DIVERGENCE, 1e6, True),  # within its error
        (9.0, math.nan, End.NO_STATES, 1e6, True),
        (9.0 * (1.0 + 5e-9), math.nan, End.NO_STATES, 1e6, True),  # rounding
        (9.0 * (1.0 + 5e-8), math.nan, End.NO_STATES, 1e6, False),
        (math.nan, math.nan, End.NO_END, 1e6, False),
        (math.nan, math.nan, End.NO_END, 8.0, None),  # not sought beyond the bound
        (5.0, 0.0, End.FAILED, 1e6, None),
    ],
)
def test_whether_networks_reach_an_end(
    alpha: float, uncertainty: float, end: End, alpha_max: float, answer: bool | None
) -> None:
    point = replace(_blank(), alpha=alpha, uncertainty=uncertainty, end=end)
    assert possible(point, alpha_max) is answer
    assert possible(replace(point, bound=math.nan), alpha_max) is None


def test_depths_margins_and_levels_that_are_asked_for() -> None:
    work = plan([1, 2], [0.0, 0.5], ansatz="1rsb", levels=4)
    assert work.pairs == ((1, 0.0), (1, 0.5), (2, 0.0), (2, 0.5))
    assert (work.ansatz, work.levels) == (Ansatz.RSB, 1)
    assert plan(200, ansatz="rsb", levels=6).levels == 6
    with pytest.raises(rd.InputError, match="from 1 to 200"):
        plan(201)
    with pytest.raises(rd.InputError, match="from 1 to 6"):
        plan(2, ansatz="rsb", levels=7)


@pytest.mark.parametrize(
    ("L", "alpha", "digits"), [(1, 2.0, 1e-12), (2, 20.6487645696, 5e-12), (3, 148.4187, 5e-7),
                               (4, 1472.28, 5e-6)],
)  # fmt: skip
def test_exact_closure_ends_where_its_reduced_equations_do(
    L: int, alpha: float, digits: float
) -> None:
    """Literal ends of the exact closure; they violate the counting bound from L = 2 on."""
    assert closed_forms.reduced_rs(L) == pytest.approx(alpha, rel=digits)
    found = rd.capacity(L, closure="exact")
    point = found[0]
    assert found.closure == "exact"
    assert point.end is End.DIVERGENCE
    assert point.alpha == pytest.approx(point.reduced, abs=point.uncertainty)
    assert point.uncertainty < 1e-5 * point.alpha
    assert point.possible is (L == 1)
    assert ("no network stores random data beyond the counting bound" in point.message) is (L > 1)


def test_reduced_equations_of_the_exact_closure() -> None:
    """L = 2 in closed form: alpha I(k) = 1 and 1 - sqrt(2/alpha) = 2 sqrt(2) J(k)."""
    alpha = closed_forms.reduced_rs(2)
    density = math.sqrt(0.5 / math.pi)

    def gauss(value: Callable[[float], float]) -> float:
        return quad(lambda z: density * math.exp(-0.5 * z * z) * value(z), -10, 10, epsabs=1e-13)[0]

    k = brentq(lambda k: alpha * closed_forms.second_moment(k) - 1.0, 1e-3, 1e3, xtol=1e-14)
    assert gauss(lambda z: z * z * ndtr(-k * z * z)) == pytest.approx(1.0 / alpha, rel=1e-10)
    J = gauss(lambda z: density * math.exp(-0.5 * (k * z * z) ** 2))
    assert closed_forms.mean_density(k) == pytest.approx(J, rel=1e-10)
    assert 1.0 - math.sqrt(2.0 / alpha) == pytest.approx(2.0 * math.sqrt(2.0) * J, rel=1e-10)
    assert math.isinf(closed_forms.reduced_rs(8))  # beyond the range of alpha
    margin = Problem(alpha=1.0, L=2, scenario=Scenario.RANDOM, kappa=0.5, closure="exact")
    assert math.isnan(closures.reduced_capacity(margin))


@pytest.mark.slow
def test_exact_end_of_five_layers_is_resolved() -> None:
    point = rd.capacity(5, closure="exact")[0]
    assert point.end is End.DIVERGENCE
    assert point.alpha == pytest.approx(point.reduced, abs=point.uncertainty)
    assert point.reduced == pytest.approx(42618.32326, rel=1e-9)


def test_capacity_of_both_closures_in_one_figure(tmp_path: Path) -> None:
    tables = [rd.capacity([1, 2], closure=name) for name in ("averaged", "exact")]
    back = rd.load(tables[1].save(tmp_path / "c.h5"))
    assert back.closure == "exact"
    assert back.points == tables[1].points
    assert back.as_dict()["closure"] == "exact"
    labels = rd.plot.capacity(tables).get_legend_handles_labels()[1]
    assert labels[:2] == ["closure averaged", BEYOND]
    assert "closure exact" in labels
    title = rd.plot.capacity(tables[1]).get_title().splitlines()
    assert title[0] == "random data, rs, closure exact"
    assert "20.65" in title[1]
    assert "9.089" in title[1]
    assert "closure" not in rd.plot.capacity(tables[0]).get_title()


def test_a_closure_need_not_know_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without closed forms there is no second route; without the jamming limit no broken end."""
    monkeypatch.setattr(closures, "closure_of", lambda problem: SimpleNamespace(name="toy"))
    problem = Problem(alpha=1.0, L=2, scenario=Scenario.RANDOM, ansatz=Ansatz.RSB)
    assert math.isnan(closures.reduced_capacity(problem))
    with pytest.raises(rd.InputError, match="rs with closure toy"):
        closures.saturated_ends(problem, 2, 1e6)


@pytest.mark.parametrize(
    ("everywhere", "beside", "alpha", "error", "saturated"),
    [
        ((9.0, 8.7), (), 8.7, 0.3, -1),
        ((9.0, 8.7), (8.9,), 8.7, 0.3, -1),
        ((9.0, 8.7), (9.5, 8.5), 8.5, 1.0, 1),  # the branch that dies first bounds the storage
        ((), (9.5, 8.5), 8.5, 1.0, 1),
    ],
)
def test_the_smaller_end_of_the_saturated_branches_counts(
    everywhere: tuple[float, ...], beside: tuple[float, ...], alpha: float, error: float,
    saturated: int, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    ends = SaturatedEnds(everywhere=list(everywhere), beside=list(beside), deepest=8)
    monkeypatch.setattr(broken, "saturated_ends", lambda *arguments: ends)
    found = closing_rsb(4, 0.0, levels=2)
    assert (found.alpha, found.saturated_layers, found.end) == (alpha, saturated, End.NO_STATES)
    assert found.uncertainty == pytest.approx(error, abs=1e-12)


@pytest.mark.parametrize(
    ("L", "inner", "points", "closest", "layers"),
    [
        (4, 0.5, 4, 1e-5, [3]),  # the middle
        (4, 0.5, 3, 1e-5, [3, 1]),  # fewer than four points are no curve
        (4, 0.5, 4, 2e-4, [3, 1]),  # nor one that stops before 1 - Q = 1e-4
        (4, 0.0, 4, 1e-5, [1]),  # liquid
        (1, 0.5, 4, 1e-5, [1]),
    ],
)
def test_the_end_is_followed_in_the_middle_or_else_in_the_first_layer(
    L: int, inner: float, points: int, closest: float, layers: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    state = State.uniform(L, 1.0 - inner, 0.1)
    asked: list[int] = []

    def follow(problem: Problem, found: object, layer: int) -> tuple[list[float], list[float]]:
        asked.append(layer)
        rests = [closest * 10.0**n for n in range(points)][::-1]
        return [5.0 - 3.0 * r for r in rests], rests

    bracket = symmetric._Bracket(4.9, 5.1, state)
    monkeypatch.setattr(symmetric, "_bracket", lambda problem, alpha_max: bracket)
    monkeypatch.setattr(symmetric, "_follow", follow)
    closing(L, 0.0)
    assert asked == layers


def test_a_number_is_not_its_own_second_route() -> None:
    """One level: the end is the root of the limit equations itself; nothing stands beside it."""
    point = rd.capacity(2, ansatz="1rsb", closure="exact")[0]
    assert point.alpha == pytest.approx(9.0543051934, rel=1e-9)
    assert math.isnan(point.reduced)
