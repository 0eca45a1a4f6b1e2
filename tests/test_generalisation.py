"""Error of the typical student: closed forms, exactly 1/2 behind a liquid layer, files, figure."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn import quadrature
from replicadnn.problem import Problem
from replicadnn.questions.generalisation import Generalisation, Noise, log_correlation
from replicadnn.theory.closures.averaged import twin


def test_one_perceptron() -> None:
    found = rd.generalisation([1.0, 2.0, 4.0], 1)
    for p, Q in zip(found.points, (0.48626, 0.72830, 0.90026), strict=True):
        assert p.error == pytest.approx(math.acos(Q) / math.pi, abs=1e-5)
        assert p.uncertainty < 1e-10


def test_a_liquid_layer_means_guessing() -> None:
    found = rd.generalisation([1.0, 2.4, 12.0, 100.0], [2, 3, 4, 8, 20])
    for p in found.points:
        if p.liquid_layers > 0:
            assert p.error == 0.5
            assert p.log_rho == -math.inf
        else:
            assert p.error < 0.5
            assert 1.0 - 2.0 * p.error == pytest.approx(math.exp(p.log_rho), abs=1e-12)
    liquid = {(p.L, p.alpha) for p in found.points if p.liquid_layers > 0}
    assert (20, 100.0) in liquid
    assert (4, 12.0) not in liquid


def test_decay_with_depth_in_the_filled_phase() -> None:
    """rho(L) falls by a factor (2/pi) Q a layer: below 1/2, exponentially close to it."""
    found = rd.generalisation([1000.0], [12, 14, 16, 40])
    logs = [p.log_rho for p in found.points]
    centre = rd.solve(1000.0, 40).Q_ea[20]
    assert (logs[3] - logs[2]) / 24 == pytest.approx(math.log(2 / math.pi * centre), abs=0.01)
    assert np.all(np.diff(found.error[:, 0]) > 0.0)


def test_map_against_random_networks() -> None:
    """Teacher and student with given overlaps Q of their couplings, fresh inputs, wide layers."""
    rng = np.random.default_rng(3)
    Q, N, inputs = (0.9, 0.6, 0.8), 1500, 1500
    teacher = student = np.sign(rng.standard_normal((N, inputs)))
    for overlap in Q:
        J = rng.standard_normal((N, N))
        K = overlap * J + math.sqrt(1.0 - overlap**2) * rng.standard_normal((N, N))
        teacher, student = np.sign(J @ teacher), np.sign(K @ student)
    measured = np.mean(teacher != student)
    assert measured == pytest.approx(rd.generalisation_error(Q), abs=2.5e-3)
    assert math.exp(log_correlation(Q)) == pytest.approx(1 - 2 * rd.generalisation_error(Q))


def test_log_correlation_of_many_layers() -> None:
    assert log_correlation([0.5] * 2000) == pytest.approx(
        log_correlation([0.5] * 40) + 1960 * math.log(1.0 / math.pi), rel=1e-12
    )
    assert log_correlation([0.9, 0.0, 0.9]) == -math.inf
    assert log_correlation([1.0]) == pytest.approx(0.0, abs=1e-15)


def test_file_document_and_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, png = tmp_path / "g.h5", tmp_path / "g.png"
    words = ["generalisation", "--L", "1:3", "--alpha", "1,30", "--json"]
    assert run([*words, "--output", str(path), "--plot", str(png)]) == 0
    rows = json.loads(capsys.readouterr().out)["generalisation"]
    assert [(r["L"], r["alpha"]) for r in rows] == [
        (1, 1.0), (1, 30.0), (2, 1.0), (2, 30.0), (3, 1.0), (3, 30.0),
    ]  # fmt: skip
    assert {"eps_g", "uncertainty", "status", "branch", "liquid_layers"} <= set(rows[0])
    assert rows[2]["eps_g"] == 0.5
    assert rows[2]["log_rho"] is None
    found = rd.load(path)
    assert isinstance(found, Generalisation)
    assert found.error.shape == (3, 2)
    assert png.stat().st_size > 10_000
    assert run(["plot", "generalisation", str(path), "-o", str(tmp_path / "h.png")]) == 0
    assert run(["info", str(path)]) == 0


def measured(value: float, **changes: object) -> SimpleNamespace:
    """A run with this test error; ``relaxed``: 1, 0 or nan."""
    relaxed = float(changes.pop("relaxed", 1.0))  # type: ignore[arg-type]
    side = changes.pop("side", "lower")
    parameters = {
        "scenario": "teacher-student",
        "L": 1,
        "N": 9,
        "alpha": 2.0,
        "beta": "inf",
        "kappa": 0.0,
    }
    known = np.array([value if relaxed != 0.0 else math.nan])
    return SimpleNamespace(
        params=parameters | changes, test_error=known, test_error_err=known / 50,
        test_error_bound=np.array([value if relaxed == 0.0 else math.nan]),
        relaxed={"test_error": np.array([relaxed])}, bound_sides={"test_error": side},
        last_octave={"test_error": np.array([math.nan if math.isnan(relaxed) else value])},
    )  # fmt: skip


def test_markers_of_the_sampler() -> None:
    """Relaxed: filled; not relaxed: open at the bound, with an arrow; not judged: open, a bar."""
    found = rd.generalisation([1.0, 2.0], [1, 2])
    runs = [measured(0.24), measured(0.10, L=2, relaxed=0.0), measured(0.3, L=2, relaxed=math.nan)]
    plain = rd.plot.error_against_depth(found)
    ax = rd.plot.error_against_depth(found, Figure().subplots(), runs=runs)
    assert len(plain.containers) == 0
    drawn = [c for c in ax.containers if len(c.lines[0].get_ydata())]
    assert [c.lines[0].get_ydata()[0] for c in drawn] == pytest.approx([0.24, 0.10, 0.3])
    faces = [c.lines[0].get_markerfacecolor() for c in drawn]
    assert faces[1:] == ["none", "none"]
    assert faces[0] != "none"
    arrows = [[line.get_marker() for line in c.lines[1]] for c in drawn]
    assert arrows[1] == [mpl.markers.CARETUPBASE]
    assert arrows[2] == ["_", "_"]
    labels = ax.get_legend_handles_labels()[1]
    assert labels[-2:] == ["Monte Carlo", "Monte Carlo, not relaxed (bound)"]
    falling = rd.plot.error_against_depth(found, runs=[measured(0.4, relaxed=0.0, side="upper")])
    (arrow,) = [c.lines[1] for c in falling.containers if c.lines[1]]
    assert arrow[0].get_marker() == mpl.markers.CARETDOWNBASE


def test_no_run_is_dropped() -> None:
    """Without a curve at its alpha a run is drawn in grey, and named; one shape a width."""
    found = rd.generalisation([1.0, 2.0], [1, 2])
    runs = [measured(0.2), measured(0.21, N=20), measured(0.4, L=5, alpha=7.0)]
    ax = rd.plot.error_against_depth(found, runs=runs)
    drawn = [c.lines[0] for c in ax.containers if len(c.lines[0].get_ydata())]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in drawn] == [
        (1.0, 0.2), (1.0, 0.21), (5.0, 0.4),
    ]  # fmt: skip
    assert [line.get_marker() for line in drawn] == ["o", "s", "o"]
    assert [line.get_color() for line in drawn[:2]] == [ax.lines[1].get_color()] * 2
    assert drawn[2].get_color() == "0.20"
    assert ax.get_legend_handles_labels()[1][-3:] == [
        "Monte Carlo, $N = 9$", "Monte Carlo, $N = 20$", r"Monte Carlo alone, $\alpha = 7$",
    ]  # fmt: skip
    for panel in rd.plot.generalisation_figure(found, runs=runs).axes:
        assert len([c for c in panel.containers if len(c.lines[0].get_ydata())]) == 3
    warm = rd.generalisation([1.0, 2.0], [1, 2], beta=3.0)
    ax = rd.plot.error_against_depth([found, warm], runs=[measured(0.3, beta=3.0)])
    assert ax.containers[0].lines[0].get_color() == ax.lines[3].get_color()
    assert ax.get_legend_handles_labels()[1][:4] == [
        r"$\alpha = 1$", r"$\alpha = 2$", r"$\beta = 3$", r"$\beta = \infty$",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"beta": 3.0}, "beta = 3, kappa = 0': a run at beta = inf with kappa = 0, as these"),
        ({"kappa": 0.1}, "beta = inf, kappa = 0.1': a run at beta = inf with kappa = 0"),
        ({"scenario": "random"}, "scenario = 'random': teacher-student"),
    ],
)
def test_runs_of_another_point_are_refused(change: dict[str, object], named: str) -> None:
    found = rd.generalisation([1.0, 2.0], [1, 2])
    with pytest.raises(rd.InputError, match=named):
        rd.plot.generalisation_figure(found, runs=[measured(0.2), measured(0.2, **change)])


def test_exact_closure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """eps_g of the literal Q(l): L = 2, alpha = 4 and L = 3, alpha = 10; layer 1 liquid: 1/2."""
    words = ["generalisation", "--L", "2,3", "--alpha", "4,10", "--closure", "exact", "--json"]
    paths = [str(tmp_path / f"{name}.h5") for name in ("averaged", "exact")]
    assert run([*words, "--output", paths[1]]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["closure"] == "exact"
    found = rd.load(paths[1])
    assert found.closure == "exact"
    Q = {(2, 4.0): [0.6038934730, 0.6905650262],
         (3, 10.0): [0.6746570659, 0.6888878988, 0.8535720133]}  # fmt: skip
    for point in found.points:
        if point.L == 3 and point.alpha == 4.0:
            assert (point.error, point.liquid_layers) == (0.5, 1)
        elif (point.L, point.alpha) in Q:
            want = -0.5 * math.expm1(log_correlation(Q[point.L, point.alpha]))
            assert point.error == pytest.approx(want, abs=1e-9)
    rd.generalisation([4.0, 10.0], [2, 3]).save(paths[0])
    assert run(["plot", "generalisation", *paths]) == 0
    assert run(["plot", "generalisation", paths[0], paths[0], "-o", str(tmp_path / "n.png")]) == 2
    both = rd.plot.error_against_depth([found, rd.load(paths[0])])
    labels = both.get_legend_handles_labels()[1]
    alphas = [r"$\alpha = 4$", r"$\alpha = 10$"]
    assert labels == [*alphas, "closure averaged", "closure exact"]
    assert [line.get_linestyle() for line in both.lines[:4]] == ["-.", "-.", "-", "-"]
    title = rd.plot.generalisation_figure(found).get_suptitle()
    assert title == "teacher-student, closure exact, branch auto"


@pytest.mark.parametrize(
    "args",
    [
        ["--L", "0", "--alpha", "1"], ["--L", "3:1", "--alpha", "1"], ["--L", "x", "--alpha", "1"],
        ["--L", "2", "--alpha", "1", "--noisy", "much"],
        ["--L", "2", "--alpha", "1", "--branch", "all"],
    ],
)  # fmt: skip
def test_mistakes(capsys: pytest.CaptureFixture[str], args: list[str]) -> None:
    assert run(["generalisation", *args]) == 2
    assert capsys.readouterr().err.startswith("Error: ")


@pytest.mark.parametrize("beta", [math.inf, 2.0])
def test_replicon_is_the_derivative_of_the_map(beta: float) -> None:
    """Teacher-student: dG/dlam = <f''^2>, dq/deps = <(1 - m^2)^2>, dQ/dB = (1 - Q)^2.

    So the replicon map is the derivative of the saddle-point map, and a solution at which the map
    contracts is stable against breaking of replica symmetry.
    """
    z = np.linspace(-10.0, 10.0, 4001)
    Dz = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    problem = Problem(alpha=1.0, L=2, beta=beta)
    for lam in (0.1, 0.5, 0.8):
        around = twin.curvature(problem, np.array([lam - 1e-4, lam + 1e-4]))
        u = z * math.sqrt(lam / (1 - lam))
        slope = quadrature.log_weight_slope(u, beta)
        second = -slope * (u + slope) / (1 - lam)  # f'' with respect to the field
        weight = np.exp(quadrature.log_weight(u, beta)) / twin.norm(problem)
        assert (around[1] - around[0]) / 2e-4 == pytest.approx(
            float(np.sum(Dz * weight * second**2)), rel=1e-6
        )
    for eps in (0.2, 1.0, 4.0):
        ends = twin.neurons(problem, np.array([eps - 1e-4, eps + 1e-4]))
        m = np.tanh(math.sqrt(eps) * z + eps)
        assert (ends[1] - ends[0]) / 2e-4 == pytest.approx(
            float(np.sum(Dz * (1 - m**2) ** 2)), rel=1e-6
        )


def test_factor_of_noisy_networks() -> None:
    """tanh(beta/2) = (e^2 - 1)/(e^2 + 1) at beta = 2 for each network that errs."""
    once = 0.7615941559557649
    factors = {noise: noise.factor(2.0) for noise in Noise}
    assert factors == pytest.approx(
        {Noise.NONE: 1.0, Noise.TEACHER: once, Noise.BOTH: 0.580025658}, rel=1e-8
    )
    found = rd.generalisation(20.0, 2, beta=2.0, noisy="both").points[0]
    assert 1.0 - 2.0 * found.error == pytest.approx(math.exp(found.log_rho), rel=1e-9)


def test_liquid_layers_are_counted_among_the_hidden_ones() -> None:
    """L = 20, alpha = 25: layers 1, 2, 18 and 19 are solid, 15 of 19 hidden layers liquid."""
    (point,) = rd.generalisation(25.0, 20).points
    assert point.liquid_layers == 15
