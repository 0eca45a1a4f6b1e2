"""The branch of the liquid: followed, told from others, and its end; levels and their errors."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from broken_cases import branch_at, equations

import replicadnn as rd
from replicadnn.certificate import Certificate
from replicadnn.status import BranchKind, Status
from replicadnn.theory.broken import climb as climbing
from replicadnn.theory.broken import connected as connection
from replicadnn.theory.broken import search
from replicadnn.theory.broken.accuracy import OverlapUnits
from replicadnn.theory.broken.certificate import certify, grid_alone
from replicadnn.theory.broken.climb import (
    Climb,
    Effort,
    Stage,
    assess,
    climb,
    leaps,
    one_more,
    settle,
)
from replicadnn.theory.broken.connected import connected, few_level_curve
from replicadnn.theory.broken.curve import follow_branch
from replicadnn.theory.broken.level_errors import level_errors
from replicadnn.theory.broken.minimise import Minimum, minimise, polish
from replicadnn.theory.broken.search import Found
from replicadnn.theory.broken.state import Evaluation, liquid
from replicadnn.theory.broken.stop import Note, StopReason
from replicadnn.theory.broken.tuning import TUNING
from replicadnn.theory.closures.averaged.broken import LevelEquations

MARGIN = {"kappa": 0.037, "beta": 6.0}  # L = 3: another branch beside the liquid's from 13 on


def solved(alpha: float, L: int, levels: int, **more: float) -> Found:
    return branch_at(alpha, L, levels=levels, **more)  # type: ignore[arg-type]


# --- the liquid and its threshold ------------------------------------------------------------


@pytest.mark.parametrize(
    ("L", "kappa", "beta", "alpha_1"),
    [(2, 0.0, np.inf, 1.2337005501), (3, 0.0, np.inf, 2.4674011003), (20, 0.0, 6.0, 2.5168181595)],
)
def test_threshold(L: int, kappa: float, beta: float, alpha_1: float) -> None:
    """pi^2/8 for L = 2, (pi/2)^2 beyond, times coth^4(beta/2)."""
    assert equations(1.0, L, kappa, beta).first_threshold() == pytest.approx(alpha_1, rel=1e-7)


@pytest.mark.parametrize(("alpha", "unstable"), [(1.22, ()), (1.25, (1,)), (4.0, (1,))])
def test_the_certificate_refuses_an_unstable_liquid(alpha: float, unstable: tuple[int]) -> None:
    """L = 2: growth factor alpha 2 (2/pi)^2 = alpha/1.2337; a sign turned in it certifies these."""
    model = equations(alpha, 2)
    ev = model.evaluate(liquid(model.problem.L))
    assert model.zero_level_growth(ev)[1, 0] == pytest.approx(0.810569469 * alpha, rel=1e-8)
    certificate = certify(model, ev)
    assert certificate.unstable_liquid_layers == unstable
    assert certificate.passes(1e-8) is (unstable == ())


def test_growth_of_a_liquid_layer_beside_a_solid_one() -> None:
    """L = 20, alpha = 12: layer 2 feels q(1) only, alpha (2/pi)^2 q(1)^2 = 0.405 12 q^2 < 1."""
    one = solved(12.0, 20, 2)
    model = equations(12.0, 20)
    growth = model.zero_level_growth(model.evaluate(one.state))
    assert one.q_ea[2] == 0.0
    D = (1.0 - one.Q_ea[1]) ** 2
    assert growth[2, -1] == pytest.approx(12.0 * 0.4052847346 * one.q_ea[1] ** 2 * D, rel=1e-8)


def test_below_the_threshold_there_is_nothing_to_break() -> None:
    one = solved(2.4, 3, 8)
    assert one.converged
    assert one.levels == 0
    assert one.text == "0 of 8 levels: liquid: no overlap to break"


# --- the curve -------------------------------------------------------------------------------


def test_the_curve_passes_where_the_largest_increment_changes() -> None:
    """L = 2, K = 1 from 1.5 through alpha = 4.0, Q = 1/2: tangents keep their coordinates."""
    model = equations(1.5, 2)
    curve, end = few_level_curve(model.at(6.0), 1, Effort())
    assert end is None
    Q = [float(state.Q[0, -1]) for _, state in curve]
    assert sorted(Q) == Q
    assert Q[0] < 0.1
    assert Q[-1] > 0.7
    start = curve[0]
    path = follow_branch(model.at(start[0]), start[1], alpha_range=(0.0, 6.0))
    assert path.reason is StopReason.ALPHA_RANGE
    assert path.fold is None


def test_one_step_curve_of_a_deep_network() -> None:
    """L = 20 to alpha = 4000 without a fold; s and m from an independent solver."""
    one = solved(4000.0, 20, 1)
    assert one.converged
    assert one.levels == 1
    assert one.free_entropy == pytest.approx(-1.1622899564, abs=1e-9)
    assert one.state.m[1] == pytest.approx(0.021523, abs=1e-6)
    assert one.text.startswith("one more level leads to another branch")
    assert np.isnan(one.errors.s)


@pytest.mark.parametrize(
    ("levels", "s", "q"),
    [(2, -0.8292639640, 0.6430), (4, -0.8295470576, 0.7064), (8, -0.8295755895, 0.7510)],
)
def test_beside_another_branch(levels: int, s: float, q: float) -> None:
    """alpha = 13.5: K = 8 was certified at -0.8373151, q = 0.99995 on another branch."""
    one = solved(13.5, 3, levels, **MARGIN)
    assert one.converged
    assert one.kind is BranchKind.CONTINUOUS
    assert one.levels == levels
    assert one.free_entropy == pytest.approx(s, abs=2e-9)
    assert one.q_ea[1] == pytest.approx(q, abs=1e-4)


@pytest.mark.parametrize(
    ("alpha", "L", "levels", "more", "fold"),
    [
        (16.0, 3, 4, MARGIN, 14.087),
        (17.0, 3, 8, MARGIN, 13.534),
        (18.0, 3, 8, {"beta": 8.0}, 14.271),
        (34.2113, 12, 2, {"kappa": 0.366, "beta": 6.0}, 29.426),
        pytest.param(78.0, 20, 16, {}, 77.342, marks=pytest.mark.slow),
    ],
)
def test_the_end_of_the_branch(
    alpha: float, L: int, levels: int, more: dict[str, float], fold: float
) -> None:
    one = solved(alpha, L, levels, **more)
    assert one.stop is StopReason.FOLD
    assert not one.converged
    assert f"ends in a fold at alpha = {fold:.5g}"[:-1] in one.text
    assert np.isnan(one.errors.s)


def test_levels_that_are_there_below_the_end() -> None:
    """alpha = 100, L = 20: K = 2 exists, K = 3 does not."""
    two = solved(100.0, 20, 2)
    assert two.converged
    assert two.free_entropy == pytest.approx(-0.8825603802, abs=1e-9)
    three = solved(100.0, 20, 3)
    assert three.stop is StopReason.FOLD
    assert "with only 2 levels a solution is left (s = -0.882560), unstable to" in three.text


def test_a_branch_that_does_not_begin_continuously_has_no_curve(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """10 % above the threshold q_EA is 0.0188 at L = 3: below 0.1, above 0.01."""
    model = equations(8.0, 3)
    assert few_level_curve(model, 1, Effort())[1] is None
    strict = replace(TUNING, small_q=0.01)
    monkeypatch.setattr("replicadnn.theory.broken.connected.TUNING", strict)
    curve, end = few_level_curve(model, 1, Effort())
    assert curve == []
    assert end is not None
    assert end.shown
    assert "where a layer becomes solid with a jump" in str(end)


def test_a_level_below_rounding_does_not_end_the_branch() -> None:
    """High temperature, beta = 0.36: one step lowers s by less than 1e-12, its curve wanders."""
    climbed, end = connected(equations(3088.0, 3, 0.0, 0.3616040634172243), 4, Effort())
    assert end is None
    assert climbed is not None
    assert climbed.stage.certificate.passes(1e-8)
    assert climbed.stage.evaluation.q[1, -1] == pytest.approx(0.0023195, abs=1e-6)


# --- one more level --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alpha", "L", "beta", "levels", "s", "q"),
    [
        (64.1965, 3, 2.0, 1, -0.3268187284, 0.22165),
        (64.1965, 3, 2.0, 2, -0.3268428757, 0.22886),
        (64.1965, 3, 2.0, 3, -0.3268442921, 0.23027),
        (14.9219, 20, np.inf, 2, -0.7244674170, 0.37348),
    ],
)
def test_all_levels_that_were_asked_for(
    alpha: float, L: int, beta: float, levels: int, s: float, q: float
) -> None:
    """One level less was delivered without a word (K = 1, 2: independent solver)."""
    one = solved(alpha, L, levels, beta=beta)
    assert one.converged
    assert one.levels == levels
    assert one.text == ""
    assert one.free_entropy == pytest.approx(s, abs=2e-9)
    assert one.q_ea[1] == pytest.approx(q, abs=2e-5)


def _changed(ev: Evaluation, q: float) -> Evaluation:
    values = ev.q.copy()
    values[1:-1, -1] = q
    return replace(ev, q=values)


def test_a_leap_is_more_than_a_fifth_of_the_way_to_one() -> None:
    ev = equations(8.0, 3).evaluate(solved(8.0, 3, 2).state)
    before = _changed(ev, 0.5)
    assert not leaps(before, _changed(ev, 0.59))
    assert leaps(before, _changed(ev, 0.61))
    assert not leaps(before, _changed(ev, 0.1))
    assert not leaps(before, _changed(ev, 0.79), 0.6)
    assert leaps(before, _changed(ev, 0.81), 0.6)


@pytest.mark.parametrize(("levels", "fold"), [(2, 3.4846), (4, 3.3409), (8, 3.3008)])
def test_a_layer_that_freezes_with_a_jump_ends_the_branch(levels: int, fold: float) -> None:
    """L = 4, kappa = 0.327: layer 2 wakes at 3.28 and folds at once; at 3.658 levels that are
    added to one (q_EA = 0.390) lead to q_EA = 0.718, K = 8 at s = -1.9110389.
    """
    ended = solved(3.65805, 4, levels, kappa=0.327)
    assert ended.stop is StopReason.FOLD
    assert f"ends in a fold at alpha = {fold}"[:-1] in ended.text
    jumped = branch_at(3.65805, 4, kappa=0.327, levels=levels, branch="discontinuous")
    assert jumped.converged
    assert jumped.kind is BranchKind.DISCONTINUOUS
    assert jumped.q_ea[1] == pytest.approx(0.718, abs=3e-3)
    below = solved(3.2, 4, levels, kappa=0.327)
    assert below.converged
    assert below.q_ea[1] < 0.4
    auto = rd.solve(3.65805, 4, scenario="random", kappa=0.327, levels=levels)
    assert auto.branch in ("discontinuous", "saturated")
    assert auto.free_entropy <= jumped.free_entropy + 1e-12


def test_a_leap_on_the_branch_is_followed() -> None:
    """L = 14: K = 3 exists at 1.27623 on the branch (0.5226) and off it (0.6599)."""
    on = solved(1.27623, 14, 3, kappa=0.738, beta=15.85)
    assert on.converged
    assert on.q_ea[1] == pytest.approx(0.5226, abs=2e-4)
    off = branch_at(1.27623, 14, kappa=0.738, beta=15.85, levels=3, branch="discontinuous")
    assert off.q_ea[1] == pytest.approx(0.6599, abs=2e-4)


@pytest.fixture(scope="module")
def two_levels() -> Stage:
    """L = 2, alpha = 4, K = 2: rho > 1."""
    return climb(equations(4.0, 2), solved(4.0, 2, 2).state, 2, Effort()).stage


def test_fewer_levels_need_a_reason(two_levels: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two levels of three: stable if rho <= 1, if the cells merge again, not if another branch."""
    effort, given = Effort(), Climb(two_levels)

    def instead(more: Stage | None, why: Note | None) -> Climb:
        monkeypatch.setattr(climbing, "one_more", lambda *given, **named: (more, why))
        return climbing._fill(given, 3, effort)

    assert two_levels.rho > 1.01
    refused = instead(None, Note.plain(StopReason.LEAP))
    assert not refused.stable
    assert refused.fewer is not None
    assert refused.fewer.reason is StopReason.UNSTABLE
    assert "unstable to one more level (rho = 1.0" in refused.fewer.text
    merged = instead(None, None)
    assert merged.stable
    assert merged.fewer is not None
    assert "merges with its neighbours" in merged.fewer.text
    for rho, reason in ((1.0 + 5e-10, StopReason.STABLE), (1.0 + 5e-9, StopReason.MERGES)):
        certificate = replace(two_levels.certificate, replicon=(0.5, rho, 0.9))
        given = Climb(replace(two_levels, certificate=certificate))
        found = instead(None, None)
        assert found.stable
        assert found.fewer is not None
        assert found.fewer.reason is reason


def test_a_level_that_is_missing_is_found(two_levels: Stage) -> None:
    more, why = one_more(two_levels, Effort())
    assert why is None
    assert more is not None
    assert more.levels == 3
    assert more.s == pytest.approx(-0.7071871171, abs=1e-9)
    filled = climbing._fill(Climb(two_levels), 3, Effort())
    assert filled.stage.levels == 3
    assert filled.before == (two_levels,)


def test_levels_below_the_rounding_of_s() -> None:
    """L = 3, alpha = 2.47: error of s below 1e-11 long before 8 levels."""
    one = solved(2.47, 3, 8)
    assert one.converged
    assert one.levels < 8
    assert one.text.startswith(f"{one.levels} of 8 levels: ")
    assert one.errors.s < 3e-11


@pytest.mark.parametrize(
    ("alpha", "levels", "q", "error"),
    [
        (2.471, (0,), 2.83443135e-4, 2e-5),
        (2.5, (0,), 2.5501569e-3, 1e-4),
        (2.6, (2, 3), 1.029e-2, 2e-4),
    ],
)
def test_breakpoints_that_lower_s_by_rounding_are_noise(
    alpha: float, levels: tuple[int, ...], q: float, error: float
) -> None:
    """L = 3 above 2.4674: with one level q_EA was 2 % off at 2.471, twice as large at 2.468.

    Whether a third level at 2.6 is noise, it lowers s by less than 1e-12, is a matter of rounding.
    """
    one = solved(alpha, 3, 8)
    assert one.converged
    assert one.levels in levels
    assert one.q_ea[1] == pytest.approx(q, rel=1e-6 if levels == (0,) else 1e-3)
    assert 0.0 < one.errors.q[1] < error
    if levels == 0:
        assert one.text == "0 of 8 levels: further ones lower s by less than 1e-11"
        assert one.q_ea[1] == pytest.approx(rd.solve(alpha, 3, scenario="random").q_ea[1], rel=1e-6)


def test_a_polished_solution_solves_the_equations_in_units_of_its_overlaps() -> None:
    """alpha_1 (1 + 0.001): Q(2) = 7e-8, far below what ds/d ln Q can tell from rounding."""
    model = equations(2.47, 3)
    found = solved(2.47, 3, 1)
    worse = found.state.with_values(eps=found.state.eps * 1.001, Q=found.state.Q, m=found.state.m)
    start = replace(found.stage.found, evaluation=model.evaluate(worse, True))
    better = polish(model, start).evaluation
    units = OverlapUnits.of(model, better)
    assert OverlapUnits.of(model, start.evaluation).residual(model, start.evaluation) > 1e-4
    assert units.residual(model, better) < 1e-8


def test_levels_that_change_nothing_are_not_sought(two_levels: Stage) -> None:
    """Error of four levels from two: (0.1489) times the change of s, below 1e-11 or not."""
    four = _stage(two_levels, 4, -1.0, 0.5)
    gain, late = StopReason.SMALL_GAIN, StopReason.TIME_LIMIT
    for change, reason in ((6e-11, gain), (8e-11, late)):
        two = _stage(two_levels, 2, -1.0 + change, 0.4)
        found = climbing._fill(Climb(four, (two,)), 5, Effort(deadline=0.0))
        assert found.fewer is not None
        assert found.fewer.reason is reason
        assert found.stable is (reason is gain)


def test_an_unstable_answer_is_not_converged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A climb that stops below K levels although one more is not excluded."""

    climbed = connected(equations(4.0, 2), 2, Effort())[0]
    assert climbed is not None
    note = Note.plain(StopReason.UNSTABLE)
    unstable = replace(climbed, fewer=note)
    monkeypatch.setattr(search, "connected", lambda model, K, effort: (unstable, None))
    one = solved(4.0, 2, 3)
    assert one.status is Status.NOT_CONVERGED
    assert one.text == "2 of 3 levels: unstable to one more level"


# --- errors of the number of levels ------------------------------------------------------------


def _stage(like: Stage, levels: int, s: float, q: float, rho: float = 1.1) -> Stage:
    """A stage with other numbers; only what errors are made of is consistent."""
    state = solved(4.0, 2, levels).state if levels else like.evaluation.state
    ev = like.equations.evaluate(state)
    values, Q = ev.q.copy(), state.Q.copy()
    values[1, -1], Q[:, -1] = q, 0.5
    ev = replace(ev, free_entropy=s, q=values, state=state.with_values(Q=Q))
    certificate = replace(like.certificate, replicon=(rho,))
    return Stage(like.equations, replace(like.found, evaluation=ev), certificate)


def test_errors_from_half_the_levels(two_levels: Stage) -> None:
    """K = 4 after K = 2: 2/((5/3)^4 - 1) = 0.2978 and 2/((5/3)^2 - 1) = 1.125 of the change."""
    four, two = _stage(two_levels, 4, -1.0, 0.5), _stage(two_levels, 2, -0.9, 0.4)
    errors = level_errors(Climb(four, (two,)), Effort())
    assert errors.s == pytest.approx(0.0297794 + 1e-11, rel=1e-5)
    assert errors.q[1] == pytest.approx(0.1125, rel=1e-6)
    assert errors.q[0] == errors.q[2] == 0.0
    shift = np.zeros(5)
    shift[1] = 0.03
    assert level_errors(Climb(four, (two,), shift=shift), Effort()).q[1] == pytest.approx(0.12)
    stable = replace(four, certificate=replace(four.certificate, replicon=(1.0,)))
    none = level_errors(Climb(stable, (two,)), Effort())
    assert none.s == 1e-11
    assert none.q.max() == 0.0


def test_errors_from_one_more_level() -> None:
    """K = 1: 2/(1 - (2/3)^4) = 2.4923 and 2/(1 - (2/3)^2) = 3.6 of the change to K = 2."""
    one, two = solved(4.0, 2, 1), solved(4.0, 2, 2)
    assert one.errors.s == pytest.approx(
        2.4923077 * (one.free_entropy - two.free_entropy), rel=1e-6
    )
    assert one.errors.q[1] == pytest.approx(3.6 * (two.q_ea[1] - one.q_ea[1]), rel=1e-6)
    assert one.errors.Q[0] == pytest.approx(3.6 * (two.Q_ea[0] - one.Q_ea[0]), rel=1e-6)


def test_error_of_a_layer_that_may_wake() -> None:
    """L = 20, alpha = 16.4: layer 2 is liquid with one level, solid with more."""
    few, many = solved(16.4, 20, 1), solved(16.4, 20, 8)
    assert few.q_ea[2] == 0.0
    assert few.q_ea[1] < many.q_ea[1] < few.q_ea[1] + few.errors.q[1]
    assert few.errors.q[2] > 0.0
    assert few.errors.Q[1] >= few.errors.q[2]
    assert 0.0 < many.q_ea[2] <= few.errors.q[2]


@pytest.mark.parametrize(
    ("alpha", "L", "levels", "more"),
    [
        (17.063, 20, 4, {}),
        (75.0, 20, 8, {}),
        (45.0, 7, 8, {}),
        (7.781, 1, 4, {"kappa": 0.5, "beta": 8.0}),
        (13.5, 3, 4, MARGIN),
        (3.88973, 9, 8, {"kappa": 0.509, "beta": 5.64}),  # followed from below, not climbed to
    ],
)
def test_stated_errors_cover(alpha: float, L: int, levels: int, more: dict[str, float]) -> None:
    """Points where the difference to twice the levels exceeded what was stated."""
    few, many = (solved(alpha, L, K, **more) for K in (levels, 2 * levels))
    assert few.converged
    assert many.converged
    assert few.free_entropy - many.free_entropy < few.errors.s
    assert np.all(np.abs(few.q_ea - many.q_ea) <= few.errors.q + 1e-12)
    assert np.all(np.abs(few.Q_ea - many.Q_ea) <= few.errors.Q + 1e-12)
    assert few.errors.s < 100.0 * (few.free_entropy - many.free_entropy)


# --- the grid ------------------------------------------------------------------------------------


def test_the_grid_is_refined_where_it_alone_is_too_coarse() -> None:
    """beta = 6, alpha = 6187.3, L = 20, 1rsb: grid_error was 1.19e-8, s right to 1e-11."""
    one = solved(6187.3, 20, 1, beta=6.0)
    assert one.converged
    assert one.free_entropy == pytest.approx(-0.9999991246, abs=2e-10)
    assert one.certificate.grid_error < 1e-8


@pytest.mark.parametrize(("points", "enough"), [(2.0, False), (2.5, True)])
def test_a_coarse_grid_is_refined_twice_and_named_if_that_is_not_enough(
    points: float, enough: bool
) -> None:
    coarse = equations(60.0, 20, points=points)
    found = settle(coarse, solved(60.0, 20, 2).state)
    before = certify(coarse, found.evaluation)
    assert grid_alone(before, 1e-8)
    assert before.failures(1e-8) == [f"grid_error = {before.grid_error:.2e} (limit 1e-08)"]
    stage = assess(coarse, found, Effort())
    refined = stage.equations
    assert isinstance(refined, LevelEquations)
    assert stage.certificate.passes(1e-8) is enough
    assert 1.2 * points < refined.points_per_width <= 2.25 * points
    assert not grid_alone(replace(before, mass_error=1e-9), 1e-8)
    assert not grid_alone(replace(before, grid_error=1e-9), 1e-8)  # nothing is missing


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"residual": 2e-8}, "residual = 2.00e-08 (limit 1e-08)"),
        ({"ds_dm_max": 2e-8}, "ds_dm_max = 2.00e-08 (limit 1e-08)"),
        ({"ds_dq_max": np.nan}, "ds_dq_max = nan (limit 1e-08)"),
        ({"ds_dQ_max": 2e-8}, "ds_dQ_max = 2.00e-08 (limit 1e-08)"),
        ({"mass_error": 2e-10}, "mass_error = 2.00e-10 (limit 1e-10)"),
        ({"grid_error": 2e-8}, "grid_error = 2.00e-08 (limit 1e-08)"),
        ({"unstable_liquid_layers": (2,)}, "unstable liquid layers [2]"),
        ({"unstable_zero_levels": ((1, 2),)}, "unstable zero overlaps (layer, level) [(1, 2)]"),
        ({"monotone": False}, "overlaps not monotone in x"),
    ],
)
def test_every_check_of_the_certificate_refuses(change: dict[str, object], words: str) -> None:
    good: Certificate = solved(4.0, 2, 2).certificate
    assert good.failures(1e-8) == []
    assert replace(good, **change).failures(1e-8) == [words]  # type: ignore[arg-type]


# --- what the front end makes of it --------------------------------------------------------------


def test_past_the_end_auto_is_the_smallest_s() -> None:
    """L = 3, alpha = 15 > 13.6: layer 1 saturated; `continuous` says where it ended."""
    auto = rd.solve(15.0, 3, scenario="random", levels=4)
    assert auto.converged
    assert auto.branch == "saturated"
    assert auto.free_entropy == pytest.approx(-0.945716768, abs=1e-8)
    assert "the branch of the liquid with 4 levels ends in a fold at alpha = 14.0" in auto.message
    ended = rd.solve(15.0, 3, scenario="random", levels=4, branch="continuous")
    assert ended.status is rd.Status.NO_SOLUTION
    assert "ends in a fold at alpha = 14.0" in ended.message
    assert 'branch="all" searches for others' in ended.message
    everything = rd.solve(15.0, 3, scenario="random", levels=4, branch="all")
    assert [one.branch for one in everything] == ["saturated"]


def test_where_both_exist_auto_is_continuous_and_equilibrium_the_smaller_s() -> None:
    """L = 3, alpha = 13: -0.7328 continuous, -0.7514 with layer 1 saturated."""
    auto = rd.solve(13.0, 3, scenario="random", levels=4)
    assert auto.branch == "continuous"
    lowest = rd.solve(13.0, 3, scenario="random", levels=4, branch="equilibrium")
    assert lowest.branch == "saturated"
    assert lowest.free_entropy == pytest.approx(-0.751398689, abs=1e-8)
    assert lowest.free_entropy < auto.free_entropy - 0.01


def test_beyond_the_counting_bound_there_is_no_solution() -> None:
    one = rd.solve(20.0, 3, scenario="random", levels=4)
    assert one.status is rd.Status.NO_SOLUTION
    assert "alpha > 16.26" in one.message


def test_minimise_alone_does_not_know_branches() -> None:
    """The leap rule is needed: from K = 2 at alpha = 17 three levels fall to q = 0.99999."""
    model = equations(17.0, 3, 0.037, 6.0)
    climbed, end = connected(model, 2, Effort())
    assert end is None
    assert climbed is not None
    split = climbing.split_cells(model, climbed.stage.evaluation, np.array([False, False, True]))
    found = minimise(model, split)
    assert found.evaluation.q[1, -1] > 0.999
    assert leaps(climbed.stage.evaluation, found.evaluation)


def test_a_start_is_not_left_for_another_branch() -> None:
    """From K = 2 at alpha = 16 three levels at 17 would be those of q = 0.99999."""
    near = solved(16.0, 3, 2, **MARGIN)
    followed = branch_at(17.0, 3, levels=2, start=near, **MARGIN)  # type: ignore[arg-type]
    assert followed.converged
    assert followed.kind is BranchKind.CONTINUOUS
    lost = branch_at(17.0, 3, levels=3, start=near, **MARGIN)  # type: ignore[arg-type]
    assert lost.stop.lost
    assert lost.status is Status.NOT_CONVERGED


@pytest.mark.parametrize(("drop", "words"), [(5e-12, ""), (5e-11, "residual = 2.00e-08 (limit")])
def test_a_split_that_is_not_certified_counts_only_if_it_lowers_s(
    two_levels: Stage, monkeypatch: pytest.MonkeyPatch, drop: float, words: str
) -> None:
    def spoilt(model: LevelEquations, found: Minimum, effort: Effort) -> Stage:
        certificate = replace(two_levels.certificate, residual=2e-8)
        ev = replace(found.evaluation, free_entropy=two_levels.s - drop)
        return Stage(model, replace(found, evaluation=ev), certificate)

    monkeypatch.setattr(climbing, "assess", spoilt)
    more, why = one_more(two_levels, Effort())
    assert more is None
    assert (why is not None) is bool(words)
    assert why is None or why.text.startswith(words)


def test_one_convex_perceptron_has_no_error_of_levels() -> None:
    one = rd.solve(1.6, 1, scenario="random", levels=8)
    assert one.converged
    assert one.certificate.levels_error_s == 0.0
    assert one.Q_ea_error is not None
    assert one.Q_ea_error.tolist() == [0.0]
    assert rd.solve(2.1, 1, scenario="random", levels=8).Q_ea_error is None


@pytest.mark.parametrize(("gain", "resolved"), [(0.9e-10, False), (1.1e-10, True), (-1.0, False)])
def test_one_level_is_told_from_none_by_a_gain_of_1e_10(
    gain: float, resolved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    entropies = iter((-gain, 0.0))  # with one level, without

    def settled(*arguments: object) -> SimpleNamespace:
        return SimpleNamespace(evaluation=SimpleNamespace(free_entropy=next(entropies)))

    monkeypatch.setattr(connection, "settle", settled)
    curve = [(4.0, liquid(3))]
    assert connection._resolved(equations(4.0, 3), curve, SimpleNamespace()) is resolved
    assert connection._resolved(equations(4.0, 3), [], SimpleNamespace())


@pytest.mark.parametrize(
    ("fold", "top", "end", "reason"),
    [
        (None, 7.0, None, None),
        (6.5, 6.5, 6.5, StopReason.FOLD),
        (7.5, 7.0, None, None),  # a fold beyond what was asked for
        (7.5, 6.8, 6.8, StopReason.ONSET),
        (None, 6.8, 6.8, StopReason.ONSET),
    ],
)
def test_where_a_path_to_alpha_7_ends(
    fold: float | None, top: float, end: float | None, reason: StopReason | None
) -> None:
    points = [SimpleNamespace(alpha=a, state=liquid(3)) for a in (5.0, top, 6.0)]
    known = None if fold is None else SimpleNamespace(alpha=fold)
    path = SimpleNamespace(points=points, fold=known, reason=StopReason.ONSET)
    found = connection._end_of(path, 7.0)
    assert (None if found is None else (found.alpha, found.reason)) == (
        None if end is None else (end, reason)
    )


@pytest.mark.parametrize(
    ("reason", "over", "expected"),
    [
        (StopReason.FOLD, True, StopReason.FOLD),  # the end is shown, however late
        (StopReason.POINTS, True, StopReason.TIME_LIMIT),  # it is not: time was what was missing
        (StopReason.POINTS, False, StopReason.POINTS),
    ],
)
def test_an_end_that_is_not_shown_in_time_is_a_time_limit(
    reason: StopReason, over: bool, expected: StopReason
) -> None:
    effort = climbing.Effort(deadline=-np.inf if over else np.inf)
    found = climbing.Climb(SimpleNamespace(s=-0.7, levels=1))  # type: ignore[arg-type]
    end = connection.End(2, 13.5, reason)
    assert search._outcome(found, end, 4, effort)[0] is expected


@pytest.mark.parametrize(
    ("away", "lost", "expected"),
    [
        (False, None, None),
        (True, None, StopReason.LEAP),  # not the solution next to the start
        (True, StopReason.COLLAPSE, StopReason.COLLAPSE),  # what was lost before says more
    ],
)
def test_a_solution_far_from_its_start_is_another_one(
    away: bool, lost: StopReason | None, expected: StopReason | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    start = liquid(3)
    note = None if lost is None else Note.plain(lost)
    climbed = climbing.Climb(SimpleNamespace(evaluation=None), lost=note)  # type: ignore[arg-type]
    monkeypatch.setattr(search, "climb", lambda *arguments: climbed)
    monkeypatch.setattr(search, "leaps", lambda *arguments: away)
    found = search._from_start(equations(2.0, 3), 2, start, climbing.UNLIMITED)
    assert (found.lost.reason if found.lost else None) is expected
