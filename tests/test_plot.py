"""Figures: what is drawn is what was solved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from replicadnn.cli import selection
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn.plot.canvas import few_decades
from replicadnn.questions.transitions import Order


def test_profile_draws_the_overlaps() -> None:
    solutions = rd.solve([25.0, 100.0], 20)
    ax = rd.plot.profile(solutions)
    lines = ax.get_lines()
    assert len(lines) == 2
    assert np.array_equal(lines[0].get_xdata(), np.arange(21))
    assert np.array_equal(lines[0].get_ydata(), solutions[0].q_ea)
    mine = Figure().subplots()
    assert rd.plot.profile(solutions[1], mine, quantity="Q") is mine
    assert np.array_equal(mine.get_lines()[0].get_xdata(), np.arange(1, 21))
    assert mine.get_xlabel()
    assert "Q" in mine.get_ylabel()


def test_unsolved_points_are_not_drawn() -> None:
    mixed = rd.solve([1.0, 5.0], 1, scenario="random", ansatz="rs")
    ax = rd.plot.profile(mixed)
    assert len(ax.get_lines()) == 1
    assert "1 of 2" in ax.get_title()
    with pytest.raises(rd.InputError, match="converged"):
        rd.plot.profile(mixed[1])


def test_profiles_of_both_closures(tmp_path: Path) -> None:
    """One colour an alpha; whole lines: averaged, broken: exact; no marker is open."""
    exact = rd.solve([5.0, 30.0], 6, closure="exact")
    averaged = rd.solve([5.0, 30.0], 6)
    ax = rd.plot.profile([*exact, *averaged])
    colours = [line.get_color() for line in ax.lines[:4]]
    assert colours[0] == colours[2] != colours[1] == colours[3]
    assert [line.get_linestyle() for line in ax.lines[:4]] == ["-.", "-.", "-", "-"]
    faces = [line.get_markerfacecolor() for line in ax.lines[:4]]
    assert faces == colours
    assert ax.get_legend_handles_labels()[1] == [
        r"$\alpha = 5$", r"$\alpha = 30$", "closure averaged", "closure exact",
    ]  # fmt: skip
    assert "closure exact" in rd.plot.profile_figure(exact).get_suptitle()
    files = [str(s.save(tmp_path / f"{i}.h5")) for i, s in enumerate((exact, averaged))]
    assert run(["plot", "profile", *files]) == 0
    assert (tmp_path / "0_profile.png").stat().st_size > 5000
    many = rd.solve(np.geomspace(2.0, 60.0, 12), 6)
    again = rd.solve(np.geomspace(2.0, 60.0, 12), 6, closure="exact")
    legend = rd.plot.profile([*many, *again]).get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["closure averaged", "closure exact"]


def test_layers_of_the_exact_closure_have_no_mirror_image() -> None:
    """L = 2: Q(1) and Q(2) differ; L = 20: the solid layers are the last ones."""
    averaged = rd.solve(4.0, 2, scenario="random", ansatz="rs")
    exact = rd.solve(4.0, 2, scenario="random", closure="exact")
    for found, title, layers in (
        (averaged, "layer and mirror image", ["$l = 1$"]),
        (exact, "layer", ["$l = 1$", "$l = 2$"]),
    ):
        for draw in (rd.plot.parisi, rd.plot.distribution):
            assert draw(found, quantity="Q").get_legend_handles_labels()[1] == layers
        assert rd.plot.parisi(found, quantity="Q").get_legend().get_title().get_text() == title
        (legend,) = rd.plot.distribution_figure(found).legends
        assert legend.get_title().get_text() == title
    deep = rd.solve(25.0, 20, closure="exact")
    assert rd.plot.parisi(deep).get_legend_handles_labels()[1] == ["$l = 18$", "$l = 19$"]
    assert rd.plot.parisi(deep, quantity="Q").get_legend_handles_labels()[1] == [
        "$l = 19$",
        "$l = 20$",
    ]


def test_open_markers_of_first_order_are_named() -> None:
    found = rd.transitions(3, closure="exact", alpha_max=10.0)
    first = replace(found.thresholds[1], order=Order.FIRST)
    words = "in a first-order step"
    drawn = rd.plot.transitions(replace(found, thresholds=(found.thresholds[0], first)))
    assert words in drawn.get_legend_handles_labels()[1]
    assert words not in rd.plot.transitions(found).get_legend_handles_labels()[1]


def test_many_curves_get_a_colour_bar(tmp_path: Path) -> None:
    solutions = rd.solve(np.linspace(3.0, 60.0, 15), 6)
    path = rd.plot.save_profile(solutions, tmp_path / "a.png")
    assert path.stat().st_size > 10_000
    with pytest.raises(rd.FileError, match="exists already"):
        rd.plot.save_profile(solutions, path)
    with pytest.raises(rd.FileError, match=r"must end in \.png"):
        rd.plot.save_profile(solutions, tmp_path / "a.bmp")


def test_a_figure_shows_at_most_a_hundred_points_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alpha = np.linspace(1.0, 2.0, 101)
    path = str(rd.solve(alpha, 2).save(tmp_path / "a.h5"))
    drawn = [s.alpha for s in selection.solutions(path, ())]
    assert drawn == alpha[::2].tolist()  # the last is among them
    assert capsys.readouterr().err == "51 of 101 points are drawn\n"
    path = str(rd.solve(alpha[:100], 2).save(tmp_path / "b.h5"))
    assert len(selection.solutions(path, ())) == 100


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (0.2, 9.0, ["0.2", "0.5", "1", "2", "5"]),
        (0.8, 6.0, ["1", "2", "3", "4", "6"]),
        (2.5, 7.0, ["3", "4", "5", "6", "7"]),
        (0.5, 40.0, ["1", "10"]),
    ],
)
def test_numbers_between_two_decades(low: float, high: float, shown: list[str]) -> None:
    """On a logarithmic axis that shows one power of ten or none: as many as there is room for."""
    ax = Figure().subplots()
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    few_decades(ax.xaxis)
    found = [
        (float(place), text)
        for minor in (False, True)
        for place, text in zip(
            ax.xaxis.get_ticklocs(minor=minor),
            [one.get_text() for one in ax.get_xticklabels(minor=minor)],
            strict=True,
        )
        if text and (1.0 - 1e-9) * low <= place <= (1.0 + 1e-9) * high  # ticks are rounded
    ]
    assert [text for _, text in sorted(found)] == shown
