"""Figures of the sampler: what is drawn is what was measured."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from replicadnn.cli.main import run as command

import replicadnn as rd
from replicadnn.plot.relaxation import overlap_name, overlaps_figure
from replicadnn.storage.runs import Runs

pytestmark = pytest.mark.usefixtures("compiled")


@pytest.fixture(scope="module")
def runs() -> Runs:
    items = [
        rd.simulate(4.0, 3, N=N, beta=1.0, sweeps=400, samples=3, replicas=2, seed=1)
        for N in (5, 8)
    ]
    return Runs(tuple(items))


def bars(ax: object) -> list[ErrorbarContainer]:
    return [c for c in ax.containers if isinstance(c, ErrorbarContainer)]  # type: ignore[attr-defined]


def test_relaxation_times_are_those_measured(runs: Runs) -> None:
    mine = Figure().subplots()
    assert rd.plot.relaxation(runs, mine, quantity="J") is mine
    for k, (drawn, run) in enumerate(zip(bars(mine), runs, strict=True)):
        line, _, (segments,) = drawn.lines
        assert drawn.get_label() == f"$N = {(5, 8)[k]}$"
        np.testing.assert_allclose(line.get_xdata(), np.arange(1, 4) + 0.08 * (k - 0.5))
        assert line.get_markerfacecolor() != "none"
        np.testing.assert_array_equal(line.get_ydata(), run.tau_J)
        heights = [np.ptp(s[:, 1]) for s in segments.get_segments()]
        np.testing.assert_allclose(heights, 2 * run.tau_J_err)
    assert mine.get_yscale() == "log"
    assert "couplings" in mine.get_ylabel()
    with pytest.raises(rd.InputError, match="quantity"):
        rd.plot.relaxation(runs, quantity="K")  # type: ignore[arg-type]


def test_unknown_times_are_arrows_not_points() -> None:
    short = rd.simulate(20.0, 3, N=8, beta=5.0, sweeps=4, samples=2)
    assert np.isnan(short.tau_J).all()
    ax = rd.plot.relaxation(short, quantity="J")
    points, arrows = bars(ax)
    assert len(points.lines[0].get_ydata()) == 0
    np.testing.assert_array_equal(arrows.lines[0].get_ydata(), [4.0] * 3)
    assert arrows.lines[0].get_markerfacecolor() == "none"


def test_curves_are_those_measured(runs: Runs) -> None:
    run = runs[1]
    ax = rd.plot.correlation(run)
    drawn = bars(ax)
    assert len(drawn) == 2
    for row, container in enumerate(drawn):
        line = container.lines[0]
        np.testing.assert_array_equal(line.get_xdata(), run.times[1:])
        np.testing.assert_array_equal(line.get_ydata(), run.C_S[row, 1:])
    assert ax.get_xscale() == "log"


def test_layers_look_the_same_in_both_panels(runs: Runs) -> None:
    """One legend serves neurons and couplings."""
    one, two = rd.plot.correlation(runs[0]), rd.plot.correlation(runs[0], quantity="J")
    for a, b in zip(bars(one), bars(two), strict=False):
        assert a.get_label() == b.get_label()
        assert a.lines[0].get_color() == b.lines[0].get_color()
        assert a.lines[0].get_marker() == b.lines[0].get_marker()


def test_overlaps_with_theory(runs: Runs) -> None:
    """400 sweeps are few: what has not relaxed is an open marker at its bound."""
    solution = rd.solve([4.0], 3, beta=1.0)[0]
    ax = rd.plot.overlaps(runs, quantity="J", theory=[solution])
    np.testing.assert_array_equal(ax.get_lines()[0].get_ydata(), solution.Q_ea)
    assert "two replicas" in ax.get_ylabel()
    drawn = {float(y) for c in bars(ax) for y in c.lines[0].get_ydata()}
    for run in runs:
        for value, bound, relaxed in zip(run.Q, run.Q_bound, run.relaxed["Q"], strict=True):
            assert (value if relaxed else bound) in drawn
    single = rd.simulate(3.0, 2, N=5, beta=1.0, sweeps=20, samples=2)
    assert overlap_name(single, "S") == "r_matched"
    ax = rd.plot.overlaps(single)
    assert "with the teacher" in ax.get_ylabel()
    (filled, bound) = bars(ax)
    assert len(filled.lines[0].get_ydata()) == 0
    np.testing.assert_array_equal(bound.lines[0].get_ydata(), single.r_matched_bound)
    assert bound.lines[0].get_markerfacecolor() == "none"
    assert [line.get_marker() for line in bound.lines[1]] == [mpl.markers.CARETDOWNBASE]
    blind = rd.simulate(3.0, 2, N=5, scenario="random", beta=1.0, sweeps=20, samples=2)
    with pytest.raises(rd.InputError, match="with overlaps"):
        rd.plot.overlaps(blind)


def test_diluted_networks_beside_both_closures() -> None:
    """Lines of two styles, named; markers are the overlaps whatever the signs of the neurons."""
    run = rd.simulate(
        4.0, 3, N=12, connectivity=3, graph="regular", beta=1.0, sweeps=40, samples=2, replicas=2
    )
    theory = [rd.solve(4.0, 3, beta=1.0, closure=name) for name in ("exact", "averaged")]
    figure = overlaps_figure(run, theory=theory)
    for ax, names, values in (
        (figure.axes[0], "q_gauge", [one.q_ea[1:-1] for one in theory]),
        (figure.axes[1], "Q_gauge", [one.Q_ea for one in theory]),
    ):
        averaged, exact = ax.get_lines()[:2]
        np.testing.assert_array_equal(exact.get_ydata(), values[0])
        np.testing.assert_array_equal(averaged.get_ydata(), values[1])
        assert (averaged.get_linestyle(), exact.get_linestyle()) == ("-", "-.")
        assert averaged.get_marker() != exact.get_marker()
        np.testing.assert_array_equal(
            bars(ax)[1].lines[0].get_ydata(), getattr(run, f"{names}_bound")
        )
    labels = figure.axes[1].get_legend_handles_labels()[1]
    assert labels == ["closure averaged", "closure exact", "$N = 12$, $c = 3$"]
    title = figure.get_suptitle()
    assert "$N = 12$, $c = 3$" in title
    assert "regular graph" in title
    graphs = [run, rd.simulate(4.0, 3, N=12, connectivity=3, beta=1.0, sweeps=20, samples=2)]
    assert "graph" not in overlaps_figure(graphs).get_suptitle()
    labels = rd.plot.overlaps(graphs, quantity="J").get_legend_handles_labels()[1]
    assert [label.rpartition(", ")[2] for label in labels] == ["regular graph", "random graph"]


def test_runs_of_several_temperatures_have_their_own_labels() -> None:
    runs = [rd.simulate(3.0, 2, N=5, beta=b, sweeps=20, samples=2) for b in (1.0, 2.0)]
    labels = rd.plot.overlaps(runs).get_legend_handles_labels()[1]
    assert labels == [r"$N = 5$, $\beta = 1$", r"$N = 5$, $\beta = 2$"]
    assert r"\beta" not in overlaps_figure(runs).get_suptitle()
    with pytest.raises(rd.InputError, match=r"theory = \[1.0, 2.0\]: runs of one beta"):
        rd.plot.overlaps(runs, theory=[rd.solve([3.0], 2, beta=1.0)[0]])


def test_older_files_are_not_judged(data: Path) -> None:
    """Their averages are drawn as open markers with bars, without arrows."""
    (run,) = rd.load(data / "mc_v1.h5")
    assert run.to_json()["relaxed"]["R"] == [None] * run.spec.L
    ax = rd.plot.overlaps(run, quantity="J")
    (filled, open_ones) = bars(ax)
    assert len(filled.lines[0].get_ydata()) == 0
    np.testing.assert_array_equal(open_ones.lines[0].get_ydata(), run.Q)
    _, caps, (segments,) = open_ones.lines
    assert {cap.get_marker() for cap in caps} == {"_"}
    heights = [np.ptp(one[:, 1]) for one in segments.get_segments()]
    np.testing.assert_allclose(heights, 2 * run.Q_err)
    curves = bars(rd.plot.correlation(run))
    assert "none" not in {one.lines[0].get_markerfacecolor() for one in curves}


@pytest.mark.slow
def test_figures_from_the_command_line(
    runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(runs.save(tmp_path / "a.h5"))
    assert command(["plot", "relaxation", path]) == 0
    assert command(["plot", "relaxation", path, "--N", "5", "-o", str(tmp_path / "b.pdf")]) == 0
    assert command(["plot", "overlaps", path, "--theory"]) == 0
    both = str(tmp_path / "both.png")
    assert command(["plot", "overlaps", path, "--theory", "exact,averaged", "-o", both]) == 0
    assert (tmp_path / "a_relaxation.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "a_overlaps.png").read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    for words, named in (
        (["plot", "relaxation", path], "exists already"),
        (["plot", "relaxation", path, "--N", "7", "--overwrite"], "N = 7"),
        (["plot", "profile", path], "holds 'mc' results"),
        (["plot", "tree", path], "holds 'mc' results"),
        (["plot", "overlaps", path, "--alpha", "3", "--overwrite"], "only for solve files"),
        (["plot", "overlaps", path, "--theory", "exakt", "--overwrite"], "averaged, exact"),
        (["plot", "overlaps", path, "--theory", "exact,", "--overwrite"], "theory = ''"),
        (["plot", "relaxation", "missing.h5"], "no such file"),
    ):
        assert command(words) == 2
        err = capsys.readouterr().err
        assert named in err
        assert err.count("\n") == 1


def test_one_layer_has_no_neurons_to_draw(tmp_path: Path) -> None:
    run = rd.simulate(2.0, 1, N=5, sweeps=50, samples=2)
    rd.plot.save_relaxation(run, tmp_path / "a.png")
    rd.plot.save_overlaps(run, tmp_path / "b.png")
    assert len(rd.plot.relaxation_figure(run).axes) == 2
