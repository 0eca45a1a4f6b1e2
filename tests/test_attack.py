"""The independent solver (scripts/nested.py), and the bookkeeping of scripts/attack.py."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import attack
import nested
import numpy as np
import pytest
from broken_cases import branch_at


def test_two_levels_at_finite_beta() -> None:
    """s and q(1) as found by others with two levels and with one."""
    point = nested.solve(nested.Chain(64.1965, 3, beta=2.0), 2)
    assert point.levels == 2
    assert point.s == pytest.approx(-0.3268428757, abs=2e-10)
    assert point.q[1, -1] == pytest.approx(0.22886, abs=6e-6)
    fewer = nested.solve(nested.Chain(64.1965, 3, beta=2.0), 1)
    assert fewer.s == pytest.approx(-0.3268187284, abs=2e-10)
    assert fewer.q[1, -1] == pytest.approx(0.22165, abs=6e-6)


def test_one_perceptron_has_an_overlap_at_x_0() -> None:
    point = nested.solve(nested.Chain(100.0, 1, kappa=-2.0), 1)
    assert point.s == pytest.approx(-0.0257824, abs=1e-7)
    assert point.Q[0, 0] == pytest.approx(0.2532013, abs=1e-6)
    assert nested.solve(nested.Chain(100.0, 1, kappa=-2.0), 0).s == pytest.approx(
        -0.0243081, abs=1e-7
    )


@pytest.mark.parametrize(
    ("alpha", "L", "kappa", "beta", "levels"),
    [
        pytest.param(4.0, 2, 0.0, math.inf, 2, marks=pytest.mark.slow),
        (13.5, 3, 0.037, 6.0, 2),
        (5.0, 3, 0.3, 9.0, 1),
    ],
)
def test_the_package_finds_the_same(
    alpha: float, L: int, kappa: float, beta: float, levels: int
) -> None:
    own = nested.solve(nested.Chain(alpha, L, kappa, beta), levels)
    found = branch_at(alpha, L, kappa=kappa, beta=beta, levels=levels)
    assert found.converged
    assert own.levels == found.levels == levels
    assert own.s == pytest.approx(found.free_entropy, abs=1e-10)
    assert own.q[:, -1] == pytest.approx(found.q_ea, abs=1e-7)
    assert own.Q[:, -1] == pytest.approx(found.Q_ea, abs=1e-7)
    assert own.m == pytest.approx(found.state.m, abs=1e-6)


def test_hidden_layers_have_no_overlap_at_x_0() -> None:
    """The sign gauge; without it there is another stationary point, s = -1.0023717, q_0 = 0.36."""
    chain = nested.Chain(6187.3, 20, beta=6.0)
    point = nested.solve(chain, 1)
    assert point.s == pytest.approx(-0.9999991246, abs=1e-9)
    assert point.q[1, 1] == pytest.approx(0.602484, abs=1e-6)
    q, Q = point.q.copy(), point.Q.copy()
    q[1:-1, 0], Q[:, 0] = 0.1 * q[1:-1, 1], 0.1 * Q[:, 1]
    seeded = chain.evaluate(q, Q, point.m)
    assert np.all(seeded.new_q[1:-1, 0] == 0.0)
    assert seeded.new_Q[0, 0] > 0.1  # it would grow


def test_breakpoints_minimise_s() -> None:
    """With q and Q slaved, ds/dm is the derivative of s, zero at the solution and rising."""
    chain = nested.Chain(4.0, 2)
    point = nested.solve(chain, 2)
    assert np.abs(point.by_m).max() < 1e-11
    for i in (1, 2):
        shift = 0.02 * (np.arange(3) == i)
        off = [
            chain.iterate(chain.evaluate(point.q, point.Q, point.m + scale * shift), 150)
            for scale in (0.99, 1.0, 1.01)
        ]
        slope = off[1].by_m[i - 1]
        assert slope > 1e-5
        assert (off[2].s - off[0].s) / 4e-4 == pytest.approx(slope, rel=1e-4)
        assert off[1].s > point.s + 1e-7


def test_finer_sums_change_nothing() -> None:
    chain = nested.Chain(13.5, 3, 0.037, 6.0)
    point = nested.solve(chain, 2)
    finer = nested.Chain(13.5, 3, 0.037, 6.0, fine=2.0).evaluate(point.q, point.Q, point.m)
    assert finer.s == pytest.approx(point.s, abs=1e-11)
    assert finer.residual < 1e-9


def test_liquid_layers_and_the_first_transition() -> None:
    """Liquid below (pi/2)^2, one solid layer a side above; layer 2 freezes at 21.011652."""
    for alpha, solid in ((2.46, 0), (2.48, 1), (21.0, 1), (21.02, 2)):
        point = nested.solve(nested.Chain(alpha, 8), 0)
        assert np.count_nonzero(point.q[1:5, -1] > 0.0) == solid
    assert nested.solve(nested.Chain(2.46, 8), 2).s == pytest.approx(-math.log(2.0), abs=1e-13)


def test_teacher_student_with_a_hard_margin() -> None:
    s, q, Q = nested.planted(0.01, 2, 9.0)
    assert s == pytest.approx(-64.556319, abs=1e-6)
    assert q[1] == 1.0
    assert pytest.approx([0.4558592, 0.4558592], abs=1e-7) == Q
    s, _, Q = nested.planted(4.0, 1, 0.0)
    assert Q[0] == pytest.approx(0.90026, abs=5e-6)


@pytest.mark.slow
def test_numbers_at_depth_twenty() -> None:
    assert nested.solve(nested.Chain(4000.0, 20), 1).s == pytest.approx(-1.1622900, abs=1e-7)
    point = nested.solve(nested.Chain(100.0, 20), 2)
    assert point.s == pytest.approx(-0.8825604, abs=1e-7)
    assert point.m[1:] == pytest.approx([0.0991, 0.4623], abs=5e-5)
    two = nested.solve(nested.Chain(14.9219, 20), 2)
    assert two.levels == 2
    assert two.s == pytest.approx(-0.7244674170, abs=1e-9)
    high = nested.solve_high(nested.Chain(19.3, 3, 0.037, 6.0))
    assert high.s == pytest.approx(-0.9104063, abs=1e-7)
    assert high.q[1, -1] > 0.99999


def record(errors: dict[str, object], difference: float) -> dict[str, object]:
    """K and 2K levels whose s, q(1) and Q(1) differ by ``difference``."""
    runs = [
        {
            "status": "converged",
            "message": "certified; 2 levels",
            "levels": 2,
            "s": -0.7 + shift,
            "q": [1.0, 0.5 + shift, 1.0],
            "Q": [0.6 + shift, 0.6],
            "errors": errors,
        }
        for shift in (0.0, difference)
    ]
    return {"problem": {"alpha": 4.0, "L": 2, "levels": 2}, "runs": runs}


def test_errors_are_compared_by_quantity_and_layer() -> None:
    rows = attack.compare(record({"s": 1e-6, "q": 2e-3}, 1e-3))
    assert [(row["name"], row["layer"]) for row in rows] == [("s", None), ("q", None)]
    assert [row["actual"] > row["stated"] for row in rows] == [True, False]
    rows = attack.compare(record({"s": 2e-3, "Q": [5e-4, 0.0]}, 1e-3))
    assert [(row["name"], row["layer"]) for row in rows] == [("s", None), ("Q", 1)]
    assert [row["actual"] > row["stated"] for row in rows] == [False, True]


def test_report_counts_what_is_not_covered(capsys: pytest.CaptureFixture[str]) -> None:
    good = record({"s": 1e-3, "q": 1e-3}, 5e-4)
    bad = record({"s": 1e-4, "q": math.nan}, 5e-4)
    attack.coverage_report([good, bad])
    text = capsys.readouterr().out
    assert "s | 2 | 0.500 | 0.500 | 0.95, 2.75, 4.55, 5.00 | 0" in text
    assert "q | 1 | 1.000 | 1.000 | 0.50, 0.50, 0.50, 0.50 | 1" in text
    assert "     5.00  stated 1.00e-04 actual 5.00e-04  alpha = 4, L = 2, levels = 2" in text
    assert "nan among the errors of converged results: 1 of 2" in text


def test_fewer_levels_need_a_reason() -> None:
    run = {"levels": 1, "message": "certified; 1 level"}
    assert attack.silent(run, 2)
    assert not attack.silent(run, 1)
    assert not attack.silent({**run, "message": "certified; 1 level; the second collapsed"}, 2)


def test_problems_are_the_same_in_every_run() -> None:
    assert attack.draw(30)[:20] == attack.draw(20)
    first = attack.draw(1)[0]
    assert (first["alpha"], first["L"], first["levels"]) == (4.3681, 2, 2)


def test_an_answer_has_a_time_limit() -> None:
    began = time.perf_counter()
    assert attack.bounded(lambda: time.sleep(60.0), 0.2) is None
    assert time.perf_counter() - began < 30.0
    assert attack.bounded(lambda: 3, 30.0) == 3


def test_half_written_lines_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"a": math.inf}) + "\n" + '{"a": 1')
    assert attack.read_lines(path) == [{"a": math.inf}]
    assert attack.read_lines(tmp_path / "b.jsonl") == []


def test_walk_down_to_the_liquid() -> None:
    """L = 3, alpha = 4, beta = 5.43, three levels: 10 steps of 4 %, q_EA falls without a jump."""
    problem = {"alpha": 4.0, "L": 3, "kappa": 0.0, "beta": 5.43, "levels": 3}
    steps, largest, end, why = attack.walk_down(problem)
    assert why == ""
    assert steps == 10
    assert 0.005 < largest < 0.03
    assert end == pytest.approx(0.0095, abs=5e-4)
