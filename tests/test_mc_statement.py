"""What a run says of itself, and how what has not relaxed is written."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from replicadnn.cli.main import run as command
from replicadnn.cli.mc_simulate import _number

import replicadnn as rd
from replicadnn.montecarlo.measure import registry
from replicadnn.montecarlo.measure.equilibrium import Verdict
from replicadnn.montecarlo.measure.observable import Records, Side
from replicadnn.montecarlo.measure.stationarity import record_times
from replicadnn.montecarlo.runs import statement
from replicadnn.montecarlo.runs.result import MonteCarloResult, RunStatus
from replicadnn.montecarlo.spec import Start, make_spec

pytestmark = pytest.mark.usefixtures("compiled")


@pytest.mark.parametrize(
    ("relaxed", "words"),
    [
        ([1, 1, 1], "relaxed"),
        ([0, 0, 0], "not relaxed"),
        ([1, 0, 1], "relaxed in layers 1, 3, not in 2"),
        ([0, 1, 0], "relaxed in layer 2, not in 1, 3"),
        ([math.nan] * 3, "not judged"),
    ],
)
def test_layers_in_words(relaxed: list[float], words: str) -> None:
    assert statement.layers_in_words(np.array(relaxed, float)) == words


def test_one_planted_start_shows_nothing_of_overlaps() -> None:
    """After one sweep 2 % of the outputs differ, after long runs 40 %: the first is no answer."""
    run = rd.simulate(4.0, 3, N=10, sweeps=1, samples=4)
    assert run.equilibrium == (
        "not shown: the state is an exact equilibrium sample (planted); overlaps with the start: "
        "R not relaxed; r not relaxed; test_error not relaxed; compare with a random start"
    )
    document = json.loads(json.dumps(run.to_json(), allow_nan=False))
    for name in ("R", "R_matched", "R_gauge", "test_error", "R_err", "test_error_err"):
        assert document[name] == [None] * 3
    assert document["relaxed"]["R"] == [False] * 3
    assert document["relaxed"]["energy"] == [True] * 3
    assert document["relaxed"]["Q"] == [None] * 3
    assert all(0.9 < bound < 1.0 for bound in document["R_bound"])
    assert all(0.0 < bound < 0.3 for bound in document["test_error_bound"])
    assert document["bound_sides"]["R"] == "upper"
    assert document["bound_sides"]["test_error"] == document["bound_sides"]["tau_J"] == "lower"
    assert all(value is not None for value in document["energy"])


def test_a_random_start_has_other_bounds() -> None:
    run = rd.simulate(4.0, 2, N=6, beta=2.0, sweeps=5, samples=3, start="random", replicas=2)
    assert run.equilibrium == (
        "not shown: random start; energy not relaxed; R_matched not relaxed; r_matched not "
        "relaxed; test_error not relaxed; Q not relaxed; q not relaxed; compare with a planted "
        "start or use replica exchange"
    )
    sides = run.bound_sides
    assert (sides["R_matched"], sides["test_error"], sides["energy"]) == ("lower", "upper", "upper")
    # raw signs of hidden neurons are free; replicas forget their start before they find the teacher
    assert not {"R", "Q", "q", "Q_gauge", "q_gauge"} & set(sides)
    assert np.isnan(run.R_bound).all()
    assert "beyond the run" in run.message


@pytest.mark.parametrize(
    ("value", "error", "bound", "side", "words"),
    [
        (0.5, 0.01, math.nan, "upper", "0.500 +- 0.010"),
        (math.nan, math.nan, 0.25, "upper", "< 0.25"),
        (math.nan, math.nan, 0.25, "lower", "> 0.25"),
        (math.nan, math.nan, math.nan, "lower", "-"),
    ],
)
def test_cells_of_a_table(value: float, error: float, bound: float, side: str, words: str) -> None:
    assert _number(value, error, bound, side) == words


def test_tables_show_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["mc-simulate", "--L", "2", "--N", "8", "--alpha", "8", "--samples", "3"]
    for start, cell, error in (("planted", " < 0.", ": > 0."), ("random", " > 0.", ": < 0.")):
        assert command([*words, "--sweeps", "3", "--start", start]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert cell in lines[4]
        assert lines[-1].startswith("error on fresh inputs")
        assert error in lines[-1]


def run_of(start: str, relaxed: dict[str, list[float]], overlap: float) -> MonteCarloResult:
    """Four samples with these overlaps, +- 0.002, from a start at 1 or at 0."""
    spread = 0.002 * np.array([-1.0, 1.0, -1.0, 1.0])[:, None] * np.ones(2)
    sign = 1.0 if start == "planted" else -1.0
    values = {f"relaxed.{name}": np.array(row) for name, row in relaxed.items()}
    for name, level, layers in (
        ("energy", 0.1, 2), ("R_matched", overlap, 2), ("r_matched", overlap, 1)
    ):  # fmt: skip
        values[f"samples.{name}"] = level + sign * spread[:, :layers]
        values[f"series.{name}"] = np.full((3, layers), 1.0 if start == "planted" else 0.0)
    return MonteCarloResult(
        status=RunStatus.COMPLETE, message="", equilibrium="", values=values, collapsed=False,
        spec=make_spec(2.0, 2, N=10, start=start), step=0.1, sweeps_done=1,
    )  # fmt: skip


ALL = {"energy": [1.0, 1.0], "R_matched": [1.0, 1.0], "r_matched": [1.0]}


@pytest.mark.parametrize(
    ("planted", "random", "overlaps", "verdict", "words"),
    [
        (ALL, ALL, (0.5, 0.5), Verdict.SHOWN, "agree"),
        (ALL, ALL, (0.6, 0.5), Verdict.REFUTED, "disagree"),
        (ALL | {"R_matched": [1.0, 0.0]}, ALL, (0.5, 0.5), Verdict.NOT_SHOWN,
         "not shown: in both runs R_matched relaxed in layer 1, not in 2"),
        (ALL, ALL | {"r_matched": [0.0]}, (0.5, 0.5), Verdict.NOT_SHOWN,
         "not shown: in both runs r_matched not relaxed"),
        (ALL, ALL | {"energy": [0.0, 0.0]}, (0.5, 0.5), Verdict.SHOWN, "agree"),
        (ALL, ALL | {"r_matched": [0.0]}, (0.6, 0.5), Verdict.REFUTED, "disagree"),
        (ALL, {name: [0.0] * len(row) for name, row in ALL.items()}, (0.6, 0.5),
         Verdict.NOT_SHOWN, "R_matched not relaxed; r_matched not relaxed"),
    ],
    ids=["agree", "disagree", "one layer", "neurons", "energy", "disagree where relaxed", "none"],
)  # fmt: skip
def test_two_starts_compare_what_has_relaxed_in_both(
    planted: dict[str, list[float]], random: dict[str, list[float]],
    overlaps: tuple[float, float], verdict: Verdict, words: str,
) -> None:  # fmt: skip
    found = statement.of_two_starts(
        run_of("planted", planted, overlaps[0]), run_of("random", random, overlaps[1])
    )
    assert found.verdict is verdict
    assert words in found.message


@pytest.mark.slow
def test_tau_from_two_starts_is_that_after_the_quench() -> None:
    """Seven sweeps of a quench would read tau wrong: origins of a random start begin at T/8."""
    arguments = {"L": 2, "N": 20, "alpha": 4.0, "beta": 1.0, "samples": 12, "test_patterns": 0}
    planted, random = (
        rd.simulate(**arguments, sweeps=1024, start=start)  # type: ignore[arg-type]
        for start in ("planted", "random")
    )
    assert list(planted.origin_times) == [0, 128, 256, 512]
    assert list(random.origin_times) == [128, 256, 512]
    assert np.isfinite(random.tau_J).all()
    error = np.hypot(planted.tau_J_err, random.tau_J_err)
    np.testing.assert_array_less(np.abs(planted.tau_J - random.tau_J), 3.0 * error)
    assert np.all(error < 0.2 * planted.tau_J)


@pytest.mark.parametrize(("gaps", "stuck"), [(0.0, 0), (0.4, 0), (0.6, 1), (3.0, 1)])
def test_a_stuck_sample_violates_a_gap_most_of_the_time(gaps: float, stuck: int) -> None:
    """Less is rounding: one gap of many in one record of many."""
    spec = make_spec(2.0, 1, N=10)
    energy = np.zeros((4, 1))
    energy[2] = gaps / (10 * 20)
    assert statement.violating(spec, energy) == stuck


def test_every_bound_has_its_side() -> None:
    """By start; raw overlaps and those of replicas have one from the planted start alone."""
    falling = ["R", "r", "R_matched", "r_matched", "R_gauge", "r_gauge"]
    planted = dict.fromkeys([*falling, "Q", "q", "Q_gauge", "q_gauge"], "upper")
    planted |= dict.fromkeys(("tau_J", "tau_S", "test_error"), "lower")
    random = dict.fromkeys(["energy", "test_error"], "upper")
    random |= dict.fromkeys(
        ["tau_J", "tau_S", "R_matched", "r_matched", "R_gauge", "r_gauge"], "lower"
    )
    for start, sides in (("planted", planted), ("random", random)):
        assert run_of(start, {}, 0.5).bound_sides == sides


@pytest.mark.parametrize(
    ("start", "upper", "value", "bound"),
    [
        (Start.PLANTED, True, (0.3, 0.5), 0.6),  # mean 0.4, its error 0.1
        (Start.PLANTED, True, (-0.31, -0.29), 0.0),  # no overlap in equilibrium is negative
        (Start.RANDOM, False, (0.3, 0.5), 0.2),
        (Start.RANDOM, False, (-0.31, -0.29), -0.32),
    ],
)
def test_a_bound_is_two_errors_out_and_an_upper_one_not_negative(
    start: Start, upper: bool, value: tuple[float, float], bound: float
) -> None:
    (row,) = (row for row in registry.RECORDED if row.name == "R_gauge")
    times = record_times(8)  # too short to have relaxed
    values = np.broadcast_to(np.array(value)[:, None, None], (2, times.size, 1))
    out = row.averages(Records(values, times, 8, start))
    assert np.isnan(out["R_gauge"]).all()
    assert out["R_gauge_bound"] == pytest.approx(bound)
    assert (row.bounds[start] is Side.UPPER) is upper
