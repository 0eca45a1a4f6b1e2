"""A layer becomes solid: on the curve of the liquid, through an S of few levels, or with a jump."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from broken_cases import branch_at, equations

import replicadnn as rd
from replicadnn.problem import Ansatz, Problem, Scenario
from replicadnn.status import BranchKind
from replicadnn.theory.broken.climb import jumps
from replicadnn.theory.broken.curve import follow_branch
from replicadnn.theory.broken.jumps import doubles, loses_its_step
from replicadnn.theory.broken.search import Found, find
from replicadnn.theory.broken.stop import StopReason
from replicadnn.theory.closures import broken_equations

CLOSING: dict[str, Any] = {
    "kappa": 0.509,
    "beta": 5.64,
}  # L = 9: layer 2 becomes solid at 2.6844, without a jump


def exact(alpha: float, K: int, beta: float = math.inf, kind: str = "continuous") -> Found:
    """L = 3 with the exact closure: layer 1 becomes solid with a jump."""
    problem = Problem(
        alpha=alpha, L=3, scenario=Scenario.RANDOM, ansatz=Ansatz.RSB, beta=beta, closure="exact"
    )
    return find(broken_equations(problem), BranchKind(kind), levels=K)


def stage(levels: int, *q: float, saturated: bool = False) -> Any:
    """Levels and q_EA of the hidden layers."""
    state = SimpleNamespace(L=len(q) + 1, Q=np.zeros((len(q) + 1, 1)), saturated=saturated)
    ev = SimpleNamespace(q=np.array([[1.0], *([x] for x in q), [1.0]]), state=state)
    return SimpleNamespace(levels=levels, s=-0.7, evaluation=ev)


@pytest.mark.parametrize(
    ("after", "jump"),
    [
        ((0.229, 0.0), False),  # 0.05 from one level to two: an error of 1.6 times that
        ((0.231, 0.0), True),
        ((0.05, 0.0), False),
        ((0.15, 0.099), False),  # a liquid layer
        ((0.15, 0.101), True),
    ],
)
def test_more_levels_move_overlaps_by_the_error_of_fewer(
    after: tuple[float, ...], jump: bool
) -> None:
    before = (stage(1, 0.1, 0.0), stage(2, 0.15, 0.0))
    assert jumps(before, stage(3, *after)) is jump
    assert not jumps(before[1:], stage(3, *after))  # nothing is known of the error
    assert not jumps(before, stage(3, *after, saturated=True))


def test_errors_below_a_hundredth_explain_a_hundredth() -> None:
    before = (stage(1, 0.1499), stage(2, 0.15))
    assert not jumps(before, stage(3, 0.1599))
    assert jumps(before, stage(3, 0.1601))


@pytest.mark.parametrize(
    ("old", "new", "doubled"),
    [(0.1, 0.199, False), (0.1, 0.201, True), (0.0, 0.0099, False), (0.004, 0.0141, True)],
)
def test_doubling(old: float, new: float, doubled: bool) -> None:
    assert doubles(stage(2, old).evaluation, stage(2, new).evaluation) is doubled


@pytest.mark.parametrize(("K", "fold"), [(4, 2.76892), (8, 2.71168)])
def test_the_curve_is_not_stepped_over_where_a_layer_wakes(K: int, fold: float) -> None:
    """Eight levels: a step over the threshold, 2.6874, led to q_EA(2) = 0.084, past the fold."""
    below = branch_at(2.6, 9, levels=K, **CLOSING)
    path = follow_branch(below.stage.equations, below.state, past_fold=1)
    assert path.reason is StopReason.FOLD
    assert path.fold is not None
    assert path.fold.alpha == pytest.approx(fold, abs=2e-5)
    awake = next(point for point in path.points if point.evaluation.q[2, -1] > 0.0)
    assert awake.evaluation.q[2, -1] < 0.004


@pytest.mark.parametrize(
    ("K", "q"), [pytest.param(2, 0.39901, marks=pytest.mark.slow), (4, 0.40546)]
)
def test_few_levels_go_through_an_s_that_closes(K: int, q: float) -> None:
    """Folds at 3.0132 and 2.9305 (K = 2), 2.7689 and 2.698 (4), 2.6937 and 2.6846 (16)."""
    one = branch_at(3.88973, 9, levels=K, **CLOSING)
    assert one.converged
    assert one.kind is BranchKind.CONTINUOUS
    assert one.q_ea[2] == pytest.approx(q, abs=2e-5)


@pytest.mark.parametrize(
    ("alpha", "L", "lost", "more"), [(2.638, 4, True, {"kappa": 0.4}), (2.8, 9, False, CLOSING)]
)
def test_a_jump_is_a_step_that_loses_its_weight(
    alpha: float, L: int, lost: bool, more: dict[str, Any]
) -> None:
    """L = 4: q(2) keeps 0.406 while m_4 runs to one at 2.479.  L = 9: a fold at 2.698."""
    beyond = branch_at(alpha, L, levels=4, branch="discontinuous", **more)
    assert loses_its_step(equations(alpha, L, **more), beyond.state) is lost


def test_a_level_moved_to_the_top_does_not_make_a_layer_jump() -> None:
    """L = 4, kappa = 0.15, fold at 6.2239: moving a level to the top led to q_EA(2) = 0.184."""
    one = branch_at(6.2, 4, kappa=0.15, levels=8)
    assert one.converged
    assert one.q_ea[2] == pytest.approx(0.0022, abs=1e-4)


@pytest.mark.slow
def test_two_levels_of_layer_1_below_their_fold() -> None:
    """Exact closure, L = 3: solid from 8.3628, fold at 8.7708."""
    one = exact(8.4, 2)
    assert one.converged
    assert one.kind is BranchKind.CONTINUOUS
    assert one.q_ea[1] == pytest.approx(0.00324, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alpha", "K", "beta", "fold"),
    [
        (8.5, 4, math.inf, 8.4291),
        (8.7, 4, math.inf, 8.4291),
        (8.7, 3, math.inf, 8.5158),
        (9.0, 4, math.inf, 8.4291),
        (8.4, 8, math.inf, 8.3369),
        (10.65, 4, 4.0, 10.588),
    ],
)
def test_layer_1_past_the_fold_is_not_continuous(
    alpha: float, K: int, beta: float, fold: float
) -> None:
    """q_EA(1) = 0.174 at 8.5 with four levels was named continuous."""
    one = exact(alpha, K, beta)
    assert one.stop is StopReason.FOLD
    assert f"ends in a fold at alpha = {fold}"[:-1] in one.text


@pytest.mark.slow
def test_layer_1_next_to_the_fold() -> None:
    """8.4 with four levels: 0.00923 on the curve, 0.146 where a level moved to the top leads."""
    on = exact(8.4, 4)
    assert on.converged
    assert on.q_ea[1] == pytest.approx(0.00923, abs=2e-5)
    off = exact(8.5, 4, kind="discontinuous")
    assert off.converged
    assert off.kind is BranchKind.DISCONTINUOUS
    assert off.q_ea[1] == pytest.approx(0.17424, abs=2e-5)
    assert off.free_entropy == pytest.approx(-0.698643791, abs=2e-9)
    auto = rd.solve(8.5, 3, scenario="random", closure="exact", ansatz="rsb", levels=4)
    assert auto.branch == "discontinuous"
    assert auto.free_entropy == pytest.approx(off.free_entropy, abs=1e-12)
