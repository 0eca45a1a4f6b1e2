"""Broken replica symmetry through the public front end."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from broken_cases import branch_at, equations
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn.problem import BranchChoice
from replicadnn.status import Branch, BranchKind
from replicadnn.theory.broken import point
from replicadnn.theory.broken.point import Settings
from replicadnn.theory.broken.search import Found
from replicadnn.theory.broken.stop import StopReason


@pytest.fixture(scope="module")
def solution() -> rd.Solution:
    return rd.solve(10.0, 4, scenario="random", levels=8)


def test_contract(solution: rd.Solution, data: Path) -> None:
    assert solution.converged
    assert solution.problem.ansatz == "rsb"
    K1 = solution.x.size
    assert solution.q.shape == (5, K1)
    assert solution.Q.shape == (4, K1)
    assert solution.x[0] == 0.0
    assert np.all(np.diff(solution.x) > 0.0)
    assert solution.certificate.ds_dm_max < 1e-8
    assert solution.certificate.mass_error < 1e-10
    assert solution.eps_g is None
    published = next(
        entry
        for entry in json.loads((data / "parisi.json").read_text())
        if (entry["L"], entry["alpha"]) == (4, 10)
    )
    error = 3 * published["free_entropy_error"]
    assert solution.free_entropy == pytest.approx(published["free_entropy"], abs=error)


def test_parts_of_the_entropy(solution: rd.Solution) -> None:
    parts = (solution.entropy_interaction, solution.entropy_couplings, solution.entropy_neurons)
    assert sum(float(p.sum()) for p in parts) == pytest.approx(solution.free_entropy, abs=1e-12)


def test_below_the_replica_symmetric_value(solution: rd.Solution) -> None:
    """Random data: more breaking lowers s (n -> 0), from rs over 1rsb to K levels."""
    symmetric = rd.solve(10.0, 4, scenario="random", ansatz="rs")
    one_step = rd.solve(10.0, 4, scenario="random", ansatz="1rsb")
    assert one_step.converged
    assert one_step.x.size == 2
    assert solution.free_entropy < one_step.free_entropy < symmetric.free_entropy < -math.log(2)


def test_liquid_below_the_transition() -> None:
    s = rd.solve(2.0, 4, scenario="random", levels=4)
    assert s.converged
    assert np.all(s.q_ea[1:-1] == 0.0)
    assert s.free_entropy == pytest.approx(-math.log(2), abs=1e-12)


def test_round_trip(solution: rd.Solution, tmp_path: Path) -> None:
    back = rd.load(solution.save(tmp_path / "a.h5"))[0]
    assert np.array_equal(back.q, solution.q)
    assert back.certificate.replicon == solution.certificate.replicon
    assert back.certificate.ds_dm_max == solution.certificate.ds_dm_max
    assert back.certificate.levels_error_s == solution.certificate.levels_error_s
    assert 0.0 < back.certificate.grid_error == solution.certificate.grid_error < 1e-9
    wrong = dataclasses.replace(back.certificate, grid_error=2e-8)
    assert wrong.failures(1e-10) == ["grid_error = 2.00e-08 (limit 1e-08)"]


def test_teacher_student_has_no_breaking(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["solve", "--alpha", "5", "--L", "3", "--ansatz", "rsb"]) == 2
    assert "exact for teacher-student" in capsys.readouterr().err


def test_time_limit_is_a_status() -> None:
    s = rd.solve(60.0, 20, scenario="random", time_limit=0.0)
    assert not s.converged
    assert s.message


def test_parisi_figure(solution: rd.Solution, tmp_path: Path) -> None:
    ax = rd.plot.parisi(solution, quantity="Q")
    assert len(ax.patches) == 1  # layer 2 is liquid on both of its sides: one distinct solid layer
    path = rd.plot.save_parisi(solution, tmp_path / "a.png")
    assert path.stat().st_size > 10_000
    with pytest.raises(rd.InputError, match="solid"):
        rd.plot.parisi(rd.solve(2.0, 4, scenario="random", levels=2))


def test_parisi_figure_of_a_symmetric_solution(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, figure = str(tmp_path / "a.h5"), str(tmp_path / "a.png")
    assert run(["solve", "--alpha", "5", "--L", "3", "--output", store]) == 0
    capsys.readouterr()
    assert run(["plot", "parisi", store, "-o", figure]) == 0
    assert "do not depend on x" in capsys.readouterr().err


@pytest.mark.slow
def test_branches_with_several_saturated_layers() -> None:
    """L = 20, alpha = 100: layer 1 alone has closed, 5 layers have not begun; s rises."""
    found = rd.solve(100.0, 20, scenario="random", branch="all", levels=2)
    saturated = [one for one in found if one.branch.startswith("saturated")]
    assert [one.branch for one in saturated] == ["saturated 2", "saturated 3", "saturated 4"]
    assert all(one.converged for one in saturated)
    assert np.all(np.diff([one.free_entropy for one in saturated]) > 0.0)
    for depth, one in enumerate(saturated, start=2):
        assert np.all(one.q_ea[1 : depth + 1] == 1.0)
        assert one.q_ea[depth + 1] < 1.0
        assert {other.branch for other in one.other_branches} >= {
            other.branch for other in saturated if other is not one
        }


@pytest.mark.parametrize(("next_layer", "branches"), [(0.9995, 1), (0.9985, 2)])
def test_a_next_layer_beyond_0999_is_saturated_too(
    next_layer: float, branches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Layer 2 of the first branch at 0.9995: two saturated layers would be the same state again."""
    one = branch_at(20.0, 4, levels=2, branch="saturated")
    assert one.converged
    assert one.q_ea[2] > 0.999
    q = one.evaluation.q.copy()
    q[2, -1] = next_layer
    one = with_evaluation(one, q=q)
    monkeypatch.setattr(point, "_try", lambda *arguments: one)
    found = point._saturated(equations(20.0, 4), Settings(levels=2))
    assert [b.branch for b in found] == ["saturated", "saturated 2"][:branches]


def test_no_saturated_branch_beyond_the_counting_bound() -> None:
    assert point._saturated(equations(9.2, 2), Settings(levels=2)) == []


@pytest.mark.parametrize(
    ("more", "searched"),
    [({}, False), ({"kappa": 0.3}, False), ({"kappa": -0.3}, True), ({"beta": 6.0}, True)],
)
def test_saturated_branches_are_searched_for_where_there_is_no_bound(
    more: dict[str, float], searched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counting bound, 9.09 for L = 2, holds for hard constraints and kappa >= 0."""
    calls: list[object] = []
    monkeypatch.setattr(point, "_try", lambda *arguments: calls.append(arguments))
    assert point._saturated(equations(9.2, 2, **more), Settings(levels=2)) == []
    assert bool(calls) is searched


def with_evaluation(found: Found, **changes: Any) -> Found:
    """The same with other numbers in its evaluation."""
    stage = found.stage
    ev = dataclasses.replace(stage.evaluation, **changes)
    minimum = dataclasses.replace(stage.found, evaluation=ev)
    return dataclasses.replace(found, stage=dataclasses.replace(stage, found=minimum))


@pytest.fixture(scope="module")
def one() -> Found:
    found = branch_at(4.0, 2, levels=1)
    assert found.converged
    return found


@pytest.mark.parametrize(
    ("asked", "ended", "s_saturated", "branches", "looked"),
    [
        ("auto", False, -0.9, ["continuous"], False),
        ("continuous", False, -0.9, ["continuous"], False),
        ("equilibrium", False, -0.9, ["saturated"], True),  # smallest s
        ("equilibrium", False, -0.7, ["continuous"], True),
        ("all", False, -0.9, ["continuous", "saturated", "saturated 2"], True),
        ("auto", True, -0.9, ["saturated"], True),  # past the end: smallest s of what is left
        ("auto", True, -0.5, ["saturated 2"], True),
        ("equilibrium", True, -0.9, ["saturated"], True),
        ("continuous", True, -0.9, ["none"], False),
        ("all", True, -0.9, ["saturated", "saturated 2"], True),
    ],
)
def test_what_branch_selects(
    one: Found, asked: str, ended: bool, s_saturated: float, branches: list[str], looked: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Continuous at s = -0.8 or ended, two saturated branches at ``s_saturated`` and -0.6."""
    stop = StopReason.FOLD if ended else one.stop
    continuous = dataclasses.replace(with_evaluation(one, free_entropy=-0.8), stop=stop)
    saturated = [
        point._Named(with_evaluation(one, free_entropy=s), Branch(name))
        for name, s in (("saturated", s_saturated), ("saturated 2", -0.6))
    ]
    calls: list[object] = []
    monkeypatch.setattr(point, "_try", lambda *arguments: continuous)
    monkeypatch.setattr(point, "_saturated", lambda *arguments: calls.append(1) or saturated)
    found = point.solve_point(equations(4.0, 2), BranchChoice(asked), Settings(levels=1))
    assert [b.branch if b.converged else "none" for b in found] == branches
    assert bool(calls) is looked
    if branches == ["none"]:
        assert found[0].status is rd.Status.NO_SOLUTION


def test_saturated_branches_that_have_closed_are_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One saturated layer a side has closed, two are found; without any the search ends."""
    one = branch_at(20.0, 4, levels=2, branch="saturated")
    assert one.converged
    closed = dataclasses.replace(one, stop=StopReason.CLOSING)
    lost = dataclasses.replace(one, stop=StopReason.FOLD)
    for first, names in ((closed, ["saturated 2"]), (lost, []), (None, [])):
        answers = {1: first, 2: one}
        monkeypatch.setattr(point, "_saturated_at", lambda _, depth, __, a=answers: a[depth])
        assert [b.branch for b in point._saturated(equations(20.0, 4), Settings())] == names


def test_one_perceptron_is_convex_from_kappa_0_on() -> None:
    convex, other = (
        rd.solve(a, 1, scenario="random", kappa=kappa, levels=2)
        for a, kappa in ((1.5, 0.0), (30.0, -1.5))
    )
    assert "convex" in convex.message
    assert (convex.levels, convex.certificate.levels_error_s) == (0, 0.0)
    assert "convex" not in other.message
    assert other.levels == 2
    assert other.free_entropy == pytest.approx(-0.08555705, abs=1e-8)


@pytest.mark.parametrize(
    ("change", "kind", "converged", "names"),
    [
        (1.1e-6, BranchKind.DISCONTINUOUS, True, ["discontinuous"]),
        (-1.1e-6, BranchKind.DISCONTINUOUS, True, ["discontinuous"]),
        (0.9e-6, BranchKind.DISCONTINUOUS, True, []),  # the same with levels shared out otherwise
        (0.9e-6, BranchKind.DISCONTINUOUS, False, ["discontinuous"]),  # there is no other one
        (0.1, BranchKind.CONTINUOUS, True, []),
    ],
)
def test_a_discontinuous_solution_differs_in_s_by_1e_6(
    one: Found, change: float, kind: BranchKind, converged: bool, names: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    stop = one.stop if converged else StopReason.FOLD
    continuous = dataclasses.replace(with_evaluation(one, free_entropy=-0.8), stop=stop)
    other = dataclasses.replace(with_evaluation(one, free_entropy=-0.8 + change), kind=kind)
    monkeypatch.setattr(point, "_try", lambda *arguments: other)
    found = point._discontinuous(equations(4.0, 2), continuous, Settings(levels=1))
    assert [b.branch for b in found] == names
