"""Figures: what is drawn is what was solved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from replicadnn.cli import selection

import replicadnn as rd


def test_profile_draws_the_overlaps() -> None:
    solutions = rd.solve([25.0, 100.0], 20)
    ax = rd.plot.profile(solutions)
    lines = ax.get_lines()
    assert len(lines) == 2
    assert np.array_equal(lines[0].get_xdata(), np.arange(21))
    assert np.array_equal(lines[0].get_ydata(), solutions[0].q_ea)
    mine = Figure().subplots()
    assert rd.plot.profile(solutions[1], "Q", ax=mine) is mine
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
