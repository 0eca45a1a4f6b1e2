"""Replicon and de Almeida-Thouless lines; complexity of the saturated states."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from broken_cases import branch_at
from replicadnn.cli.main import run
from scipy.optimize import brentq

import replicadnn as rd
from replicadnn.questions.complexity import planted, planted_range, saturated_point


@pytest.mark.parametrize(
    ("L", "alpha", "kappa", "beta"),
    [(1, 80.0, -2.0, math.inf), (2, 4.0, 0.0, math.inf), (3, 8.0, 0.0, math.inf),
     (1, 10.0, 0.0, 2.0), (3, 20.0, 0.2, 3.0)],
)  # fmt: skip
def test_replicon_against_the_flows(L: int, alpha: float, kappa: float, beta: float) -> None:
    """The same spectral radius from the Parisi flow at K = 0: other quadrature, other assembly."""
    flow = branch_at(alpha, L, kappa=kappa, beta=beta, levels=0)
    assert flow.converged
    found = rd.stability([alpha], L, kappa=kappa, beta=beta).points[0]
    assert found.rho == pytest.approx(float(flow.certificate.replicon[0]), rel=1e-8)


def test_one_convex_perceptron_is_stable_up_to_capacity() -> None:
    found = rd.stability([0.5, 1.0, 1.9, 1.999, 1.99999], 1)
    rho = np.array([p.rho for p in found.points])
    assert np.all(np.diff(rho) > 0.0)
    assert 0.99 < rho[-1] < 1.0
    assert math.isnan(found.lines[0].alpha)


def test_lines_of_one_perceptron() -> None:
    """Negative margin and finite temperature break symmetry; rho is 1 on the line by the flow."""
    for kappa, beta, grid, expected in (
        (-2.0, math.inf, [40.0, 80.0], 61.87863),
        (0.0, 2.0, [5.0, 20.0], 10.44736),
    ):
        line = rd.stability(grid, 1, kappa=kappa, beta=beta).lines[0]
        assert not line.onset
        assert line.alpha == pytest.approx(expected, abs=1e-4)
        assert line.uncertainty == pytest.approx(1e-10 * line.alpha)
        flow = branch_at(line.alpha, 1, kappa=kappa, beta=beta, levels=0)
        assert float(flow.certificate.replicon[0]) == pytest.approx(1.0, abs=1e-8)


@pytest.mark.parametrize(("L", "onset"), [(2, math.pi**2 / 8), (3, math.pi**2 / 4)])
def test_deep_random_networks_break_where_they_become_solid(L: int, onset: float) -> None:
    found = rd.stability([0.8 * onset, 1.05 * onset, 1.1 * onset, 1.2 * onset], L)
    line = found.lines[0]
    assert line.onset
    assert abs(line.alpha - onset) < line.uncertainty
    assert line.uncertainty == pytest.approx(1e-6 * line.alpha)
    assert line.message == "at the onset of order"
    rho = np.array([p.rho for p in found.points])
    assert rho[0] == pytest.approx(math.sqrt(0.8), rel=1e-10)
    assert np.all(rho[1:] > 1.0)
    # quadratic in the distance from the onset, as in the Sherrington-Kirkpatrick model
    ratio = (rho[1:] - 1.0) / np.array([0.05, 0.1, 0.2]) ** 2
    assert ratio.max() / ratio.min() < 1.25


def test_teacher_student_solutions_are_stable() -> None:
    for L, beta in ((1, math.inf), (2, math.inf), (3, 3.0), (20, math.inf)):
        found = rd.stability([1.0, 3.0, 25.0, 500.0], L, scenario="teacher-student", beta=beta)
        rho = [p.rho for p in found.points]
        assert np.all(np.array(rho) < 1.0)
        for p in found.points:  # on the Nishimori line the replicon map is the saddle-point map
            if p.branch in ("filled", "saturated"):  # contraction: solid layers only, 2-3 digits
                assert p.rho == pytest.approx(p.contraction, rel=0.02)
    assert {p.branch for p in found.points} == {"continuous", "filled", "saturated"}
    one = rd.stability([1e4], 1, scenario="teacher-student").points[0]
    assert one.rho == pytest.approx(0.5, abs=1e-4)


def test_exact_closure(tmp_path: Path) -> None:
    """Literal rho of random data; symmetry breaks where the first layer becomes solid.

    In the liquid, L = 2: rho^3 = a rho + a^2, a = alpha (2/pi)^2, 0.7840755 at alpha = 1.
    """
    found = rd.stability([1.0, 2.0, 4.0], 2, closure="exact")
    assert [p.rho for p in found.points] == pytest.approx([0.7840755, 1.0130, 1.2031], abs=5e-5)
    line = found.lines[0]  # rho - 1 grows as the square of the distance: a root to 1e-6
    assert line.alpha == pytest.approx(1.5249377, abs=line.uncertainty)
    assert line.uncertainty == pytest.approx(1.5e-6, rel=0.05)
    assert line.onset
    back = rd.load(found.save(tmp_path / "s.h5"))
    assert (back.closure, back.points) == ("exact", found.points)
    assert back.as_dict()["closure"] == "exact"
    assert "closure exact" in rd.plot.replicon(found).get_title()
    planted = rd.stability([4.0], 2, scenario="teacher-student", closure="exact")
    assert planted.points[0].rho == pytest.approx(0.7684, abs=5e-5)


def test_files_and_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, picture = tmp_path / "s.h5", tmp_path / "s.png"
    code = run(
        ["stability", "--L", "1", "--alpha", "5,20,60,80", "--kappa=-1,-1.5,-2", "--json",
         "--output", str(path), "--plot", str(picture)]
    )  # fmt: skip
    assert code == 0
    found = json.loads(capsys.readouterr().out)
    assert [line["kappa"] for line in found["lines"]] == [-1.0, -1.5, -2.0]
    assert found["lines"][2]["alpha"] == pytest.approx(61.87863, abs=1e-4)
    assert found["points"][-1]["beta"] == "inf"
    assert rd.load(path).as_dict() == found
    assert picture.stat().st_size > 5000
    assert run(["plot", "stability", str(path), "-o", str(tmp_path / "t.png")]) == 0
    assert run(["stability", "--L", "1", "--alpha", "-3"]) == 2
    assert run(["stability", "--L", "501", "--alpha", "3"]) == 2
    capsys.readouterr()
    assert run(["stability", "--L", "1", "--alpha", "5,8", "--beta", "2,inf", "--json"]) == 0
    lines = json.loads(capsys.readouterr().out)["lines"]  # alpha_J = 2 at kappa = 0
    assert [line["beta"] for line in lines] == [2.0, "inf"]
    assert [line["message"] for line in lines] == [
        "rho < 1 at every alpha of the grid with a solution",
        "no solution at any alpha of the grid",
    ]


# --- complexity ----------------------------------------------------------------------------


@pytest.mark.parametrize(("L", "alpha"), [(3, 25.0), (4, 30.0)])
def test_complexity_of_planted_states(L: int, alpha: float) -> None:
    """Sigma(1) of one-step breaking is -ln 2 - s of the teacher-student scenario."""
    found = planted(alpha, L)
    assert found is not None
    s, sigma, residual = saturated_point(alpha, L, 1.0 - 1e-9, 0.0)
    assert residual < 1e-8
    assert s == pytest.approx(-math.log(2.0), abs=1e-8)
    assert sigma == pytest.approx(-math.log(2.0) - found[1], abs=2e-6)


@pytest.mark.slow
def test_where_saturated_states_appear_and_dominate() -> None:
    """Static point: L f_1 = -ln 2 of one perceptron; no such jump for L = 2 and 3."""
    for L in (2, 3):
        appears, static, excess = planted_range(L)
        assert excess > 0.0
        assert math.isnan(static)
        assert planted(appears * (1.0 - 1e-5), L) is None
    appears, static, excess = planted_range(4)
    assert appears == pytest.approx(12.1023, abs=1e-3)
    assert excess < 0.0

    def alone(alpha: float) -> float:
        one = planted(alpha, 1)
        return math.nan if one is None else 20 * one[1] + math.log(2.0)

    assert static == pytest.approx(17.53917, abs=1e-4)
    assert planted_range(20)[1] == pytest.approx(brentq(alone, 50.0, 400.0), rel=1e-9)


def test_complexity_where_a_deep_overlap_vanishes() -> None:
    """L = 20, alpha = 40: q(4) runs to zero between m = 0.5 and 0.9 and must not stop the rest."""
    values = [saturated_point(40.0, 20, m, 0.0) for m in (0.5, 0.6, 0.7, 0.8, 0.9)]
    assert max(residual for *_, residual in values) < 1e-10
    sigma = np.array([value[1] for value in values])
    assert np.all(np.diff(sigma) < 0.0)
    assert abs(np.diff(sigma, 3)).max() < 1e-3


def test_complexity_curve(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, picture = tmp_path / "x.h5", tmp_path / "x.png"
    code = run(
        ["complexity", "--L", "3", "--alpha", "12", "--m", "0.5:1:6", "--json", "--output",
         str(path), "--plot", str(picture)]
    )  # fmt: skip
    assert code == 0
    found = json.loads(capsys.readouterr().out)
    s, sigma, m = (np.array(found[n]) for n in ("free_entropy", "sigma", "m"))
    assert np.all(np.diff(sigma) < 0.0)
    assert found["m_star"] == pytest.approx(0.85, abs=0.01)
    assert s.argmin() in (3, 4)  # s is a minimum where Sigma = 0
    middle = -(m[2] ** 2) * (s[3] - s[1]) / (m[3] - m[1])
    assert middle == pytest.approx(sigma[2], abs=0.01)
    assert rd.load(path).as_dict() == found
    assert picture.stat().st_size > 5000
    assert run(["plot", "complexity", str(path), "-o", str(tmp_path / "t.png")]) == 0
    assert run(["complexity", "--L", "1", "--alpha", "12"]) == 2
    assert run(["complexity", "--L", "3", "--alpha", "12", "--m", "2"]) == 2
