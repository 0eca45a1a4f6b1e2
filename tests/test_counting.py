"""What counting forbids is marked wherever it is shown; symmetric states say if they are stable."""

from __future__ import annotations

import json
import math
from pathlib import Path

import h5py
import numpy as np
import pytest
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn.plot.naming import BEYOND
from replicadnn.problem import Problem, Scenario
from replicadnn.questions.capacity import End
from replicadnn.theory.counting import counting_bound, largest, objection, possible


def point(alpha: float, L: int, **more: float) -> Problem:
    return Problem(alpha=alpha, L=L, scenario=Scenario.RANDOM, **more)


def test_bound_solves_its_equation() -> None:
    assert counting_bound(1) == 2.0
    for L, alpha in ((2, 9.0886), (3, 16.2627), (20, 178.343)):
        assert counting_bound(L) == pytest.approx(alpha, rel=1e-5)
        p = 1.0 / counting_bound(L)
        assert L * (-p * math.log(p) - (1 - p) * math.log(1 - p)) == pytest.approx(math.log(2))


def test_where_it_applies() -> None:
    assert possible(point(9.0, 2)) is True
    assert possible(point(9.1, 2)) is False
    assert possible(point(9.1, 2, kappa=0.5)) is False  # a margin only makes it harder
    assert possible(point(2.0, 1)) is True
    for other in (
        point(9.1, 2, kappa=-0.1), point(9.1, 2, beta=5.0), Problem(alpha=9.1, L=2)
    ):  # fmt: skip
        assert possible(other) is None
        assert math.isnan(largest(other))
        assert objection(other) == []
    assert objection(point(9.0, 2)) == []
    assert objection(point(9.1, 2)) == [
        "alpha > 9.089: no network stores random data beyond the counting bound; "
        "the solution describes no state"
    ]


def test_symmetric_solutions_say_what_they_are(tmp_path: Path) -> None:
    below, above = rd.solve([8.0, 30.0], 2, scenario="random", ansatz="rs")
    assert (below.possible, above.possible) == (True, False)
    assert below.message == (
        "certified; unstable to replica-symmetry breaking "
        f"(rho = {below.certificate.replicon[0]:.4g})"
    )
    assert above.message.endswith("the solution describes no state")
    rho = rd.stability([8.0, 30.0], 2).points
    assert [s.certificate.replicon for s in (below, above)] == [(p.rho,) for p in rho]
    assert [p.possible for p in rho] == [True, False]
    stable = rd.solve(1.0, 2, scenario="random", ansatz="rs")
    assert stable.certificate.replicon[0] < 1.0
    assert "stable against replica-symmetry breaking" in stable.message
    teacher = rd.solve(30.0, 2)
    assert teacher.possible is None
    assert teacher.certificate.replicon == ()
    assert teacher.as_dict()["possible"] is None
    assert above.as_dict()["possible"] is False
    rd.Solutions([below, above, teacher]).save(tmp_path / "a.h5")
    again = rd.load(tmp_path / "a.h5")
    assert [s.possible for s in again] == [True, False, None]
    assert again[1].certificate.replicon == above.certificate.replicon
    with h5py.File(tmp_path / "a.h5") as file:
        marks = [file[f"solutions/{k:04d}"].attrs.get("possible") for k in range(3)]
    assert marks == [True, False, None]


def test_very_deep_networks_are_not_judged() -> None:
    deep = rd.solve(1.0, 501, scenario="random", ansatz="rs")
    assert deep.certificate.replicon == ()
    assert deep.message == "certified"


def test_broken_solutions_beyond_the_bound() -> None:
    beyond = rd.solve(16.5, 3, scenario="random", levels=1)
    assert beyond.converged
    assert beyond.message.endswith("the solution describes no state")
    inside = rd.solve(16.0, 3, scenario="random", levels=1)
    assert "counting" not in inside.message


def test_capacity_beyond_the_bound(tmp_path: Path) -> None:
    found = rd.capacity([1, 2, 3], kappa=[0.0, -0.5])
    marks = {(p.L, p.kappa): p.possible for p in found}
    assert [marks[L, 0.0] for L in (1, 2, 3)] == [True, False, False]
    assert [marks[L, -0.5] for L in (1, 2, 3)] == [None] * 3
    two = next(p for p in found if (p.L, p.kappa) == (2, 0.0))
    assert "beyond the counting bound 9.089" in two.message
    assert rd.load(found.save(tmp_path / "a.h5")).as_dict() == found.as_dict()
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        table = file["tables/capacity"]
        assert table["possible"][()].tolist() == [1, -1, 0, -1, 0, -1]
    broken = rd.capacity([2, 3], ansatz="rsb", levels=1)  # the bound itself
    assert [p.possible for p in broken] == [True, True]
    early = rd.capacity(3, alpha_max=10.0)[0]
    assert early.end is End.NO_END
    assert early.possible is None


def test_other_questions(tmp_path: Path) -> None:
    found = rd.transitions(20, scenario="random", ansatz="rs")
    rows = found.as_dict()["transitions"]
    assert [row["possible"] for row in rows[:5]] == [True, True, True, False, False]
    assert found.as_dict() == rd.load(found.save(tmp_path / "t.h5")).as_dict()
    assert {row["possible"] for row in rd.transitions(6).as_dict()["transitions"]} == {None}
    states = rd.complexity(9.5, 2, m=[0.8])
    assert states.possible is False
    assert rd.load(states.save(tmp_path / "c.h5")).possible is False
    assert rd.complexity(6.0, 2, m=[0.8]).as_dict()["possible"] is True


@pytest.mark.slow
def test_commands_show_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    solve = ["solve", "--L", "2", "--alpha"]
    assert run([*solve, "8,30", "--scenario", "random", "--ansatz", "rs"]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[-2] for line in out.splitlines()] == ["possible", "yes", "no"]
    assert "alpha > 9.089: no network stores random data" in err
    assert run([*solve, "8"]) == 0
    assert "possible" not in capsys.readouterr().out
    assert run(["capacity", "--L", "1,2", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["capacity"]
    assert [row["possible"] for row in rows] == [True, False]
    store = tmp_path / "s.h5"
    words = f"sweep --scenario random --ansatz rs --alpha 8,30 --L 2 --workers 1 --output {store}"
    assert run(words.split()) == 0
    assert rd.load(store)["possible"].tolist() == [1, 0]
    assert run(["sweep", "--alpha", "8", "--L", "2", "--workers", "1", "--output", str(store)]) == 0
    assert sorted(rd.load(store)["possible"].tolist()) == [-1, 0, 1]


def test_figures_show_it() -> None:
    def words(ax: object) -> list[str]:
        return ax.get_legend_handles_labels()[1]  # type: ignore[attr-defined,no-any-return]

    found = rd.capacity([1, 2])
    ax = rd.plot.capacity(found)
    assert BEYOND in words(ax)
    faces = [np.size(line.get_xdata()) for line in ax.lines if line.get_markerfacecolor() == "none"]
    assert 1 in faces
    assert BEYOND not in words(rd.plot.capacity(rd.capacity([1])))
    solutions = rd.solve([8.0, 30.0], 2, scenario="random", ansatz="rs")
    ax = rd.plot.profile(solutions)
    assert BEYOND in words(ax)
    assert [line.get_linestyle() for line in ax.lines[:2]] == ["-", "--"]
    assert BEYOND not in words(rd.plot.profile(solutions[:1]))
    lines = rd.plot.replicon(rd.stability([1.0, 8.0, 30.0], 2)).lines
    assert [(len(line.get_xdata()), line.get_linestyle()) for line in lines[:2]] == [
        (2, "-"), (2, "--"),
    ]  # fmt: skip
    thresholds = rd.transitions(20, scenario="random", ansatz="rs")
    assert any(BEYOND in label for label in words(rd.plot.transitions(thresholds)))
    assert not any(BEYOND in label for label in words(rd.plot.transitions(rd.transitions(6))))
