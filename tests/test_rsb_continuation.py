"""Continuation in alpha: gradient in alpha, folds, onset of layers."""

from __future__ import annotations

import numpy as np
import pytest
from broken_cases import branch_at, equations

from replicadnn.theory.broken.accuracy import residual
from replicadnn.theory.broken.climb import settle
from replicadnn.theory.broken.curve import BranchPath, follow_branch
from replicadnn.theory.broken.guess import first_guess, relaxed_guess
from replicadnn.theory.broken.stop import StopReason


def test_gradient_by_alpha() -> None:
    """d(ds/dx)/d ln alpha at a fixed state, against differences."""
    state = branch_at(8.0, 3, levels=3).state
    step = 1e-5
    models = [equations(8.0 * np.exp(s * step), 3) for s in (1.0, -1.0)]
    layout = models[0].layout(state)
    up, down = (model.gradient(layout, model.evaluate(state)) for model in models)
    model = equations(8.0, 3)
    exact = model.by_log_alpha(layout, model.evaluate(state))
    np.testing.assert_allclose((up - down) / (2 * step), exact, atol=1e-8)


@pytest.fixture(scope="module")
def two_levels() -> BranchPath:
    """L = 20, K = 2 from alpha = 100 through its fold."""
    model = equations(60.0, 20)
    start = settle(
        equations(60.0, 20), relaxed_guess(equations(60.0, 20), first_guess(model.problem.L, 2))
    )
    near = follow_branch(
        equations(60.0, 20), start.evaluation.state, stop=lambda point: point.alpha > 100.0
    )
    last = near.points[-1]
    return follow_branch(equations(last.alpha, 20), last.state, past_fold=4)


def test_fold_of_two_levels(two_levels: BranchPath) -> None:
    """alpha has a maximum, the lowest eigenvalue of the Hessian passes through zero there."""
    assert two_levels.reason is StopReason.FOLD
    fold = two_levels.fold
    assert fold is not None
    assert fold.error < 1e-3
    assert all(point.alpha <= fold.alpha + fold.error for point in two_levels.points)
    assert abs(fold.point.lowest) < 1e-5
    signs = [point.negative for point in two_levels.points]
    assert signs == sorted(signs)
    assert signs[0] == 0
    assert signs[-1] == 1
    assert fold.alpha == pytest.approx(125.604, abs=0.01)  # measured


def test_every_point_is_a_solution(two_levels: BranchPath) -> None:
    for point in two_levels.points:
        assert residual(equations(point.alpha, 20), point.evaluation) < 1e-8
        assert abs(point.evaluation.ds_dm[1:]).max() < 1e-8


def test_both_arms_merge_as_a_square_root(two_levels: BranchPath) -> None:
    """Near the fold (q - q_fold)^2 is linear in alpha_fold - alpha, on either arm."""
    fold = two_levels.fold
    assert fold is not None
    near = [p for p in two_levels.points if 0.02 < fold.alpha - p.alpha < 10.0]
    assert {p.negative for p in near} == {0, 1}
    q = fold.point.evaluation.q[1, -1]
    ratio = [(p.evaluation.q[1, -1] - q) ** 2 / (fold.alpha - p.alpha) for p in near]
    assert max(ratio) < 4.0 * min(ratio)


def test_no_solution_beyond_the_fold(two_levels: BranchPath) -> None:
    fold = two_levels.fold
    assert fold is not None
    lost = settle(equations(fold.alpha + 0.5, 20), fold.point.state, leash=0.1)
    assert lost.stop is StopReason.LEASH
