"""Figures that do not mislead: names, cells, legends and colours, with the numbers written out."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn.plot.boundaries import between
from replicadnn.plot.curves import Curve, draw
from replicadnn.plot.map import _edges
from replicadnn.plot.naming import BEYOND, tell_apart
from replicadnn.plot.style import sequence


@pytest.fixture(scope="module")
def random() -> rd.Solutions:
    return rd.solve([10.0, 30.0], 12, scenario="random", ansatz="rs")


@pytest.fixture(scope="module")
def teacher() -> rd.Solutions:
    return rd.solve([10.0, 30.0], 12)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> rd.Sweep:
    """Three ratios of alpha, depths 2, 3 and 5 (4 is missing)."""
    path = tmp_path_factory.mktemp("map") / "s.h5"
    return rd.sweep({"grid": {"alpha": [2.0, 20.0, 200.0], "L": [2, 3, 5]}}, path, workers=1)


def labels(ax: Axes) -> list[str]:
    return list(ax.get_legend_handles_labels()[1])


# --- names -----------------------------------------------------------------------------------


def test_what_differs_is_named_and_what_is_shared_is_the_title(
    random: rd.Solutions, teacher: rd.Solutions
) -> None:
    ax = rd.plot.profile([*teacher, *random])
    assert ax.get_title() == "rs, $L = 12$"
    assert labels(ax) == [r"$\alpha = 10$", r"$\alpha = 30$", "random", "teacher-student"]
    lines = [line.get_linestyle() for line in ax.lines[:4]]
    assert lines == ["-.", "-.", "-", "-"]
    assert rd.plot.profile(teacher).get_title() == "teacher-student, rs, $L = 12$"
    one = rd.plot.profile(teacher[0])
    assert one.get_title() == r"teacher-student, rs, $L = 12$, $\alpha = 10$"
    assert one.get_legend() is None


def test_a_second_call_names_all_curves_again(random: rd.Solutions, teacher: rd.Solutions) -> None:
    ax = rd.plot.profile(random)
    assert ax.get_title() == "random, rs, $L = 12$"
    assert rd.plot.profile(teacher[1], ax, color="red") is ax
    assert ax.get_title() == "rs, $L = 12$"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        r"random, $\alpha = 10$", r"random, $\alpha = 30$", r"teacher-student, $\alpha = 30$",
    ]  # fmt: skip
    assert ax.lines[2].get_linestyle() == "-."
    assert ax.lines[2].get_color() == ax.lines[2].get_markerfacecolor() == "red"
    with pytest.raises(rd.InputError, match="curves 3 and 4"):
        rd.plot.profile(teacher[1], ax)


def test_curves_that_cannot_be_told_apart_are_refused(teacher: rd.Solutions) -> None:
    with pytest.raises(rd.InputError, match=r"curves 1 and 2.*teacher-student, rs, L = 12, alpha"):
        rd.plot.profile([teacher[0], teacher[0]])
    close = rd.solve([10.0, 10.0000001], 12)
    assert labels(rd.plot.profile(close)) == [r"$\alpha = 10$", r"$\alpha = 10.0000001$"]
    both = rd.plot.profile([teacher[0], teacher[0]], label=["first", "again"])
    assert labels(both) == ["first", "again"]
    levels = [{"L": 3, "alpha": 2.0, "levels": K} for K in (8, 16)]
    assert [tell_apart(levels, "x").label(k) for k in (0, 1)] == ["8 levels", "16 levels"]
    depths = [one | {"L": L} for one, L in zip(levels, (3, 4), strict=True)]
    assert [tell_apart(depths, "x").label(k) for k in (0, 1)] == ["$L = 3$", "$L = 4$"]
    seven = [Curve({"L": 3, "closure": name}, [1.0], [0.5]) for name in "abcdefg"]
    with pytest.raises(rd.InputError, match="7 kinds of curves': at most 6"):
        draw(Figure().subplots(), seven, "solutions", {})
    assert len(draw(Figure().subplots(), seven[:6], "solutions", {}).facts) == 6


def test_both_scenarios_and_closures_at_three_alphas(tmp_path: Path) -> None:
    """Twelve curves, seven names: alpha by colour, scenario by marker, closure by line."""
    alphas = [5.0, 10.0, 20.0]
    found = [
        rd.solve(alphas, 6, scenario=scenario, closure=closure, ansatz="rs")
        for scenario in ("random", "teacher-student") for closure in ("averaged", "exact")
    ]  # fmt: skip
    ax = rd.plot.profile([one for part in found for one in part])
    assert ax.get_title() == "rs, $L = 6$"
    assert labels(ax) == [
        r"$\alpha = 5$", r"$\alpha = 10$", r"$\alpha = 20$",
        "random", "teacher-student", "closure averaged", "closure exact",
    ]  # fmt: skip
    lines = ax.lines[:12]
    assert [line.get_linestyle() for line in lines] == ["-", "-", "-", "-.", "-.", "-."] * 2
    assert [line.get_marker() for line in lines] == ["o"] * 6 + ["s"] * 6
    assert len({line.get_color() for line in lines}) == 3
    assert all(line.get_markerfacecolor() == line.get_color() for line in lines)
    entries = ax.lines[12:]
    assert [line.get_marker() for line in entries] == ["", "", "", "o", "s", "None", "None"]
    assert [line.get_linestyle() for line in entries[3:]] == ["None", "None", "-", "-."]
    files = [str(part.save(tmp_path / f"{k}.h5")) for k, part in enumerate(found)]
    target = str(tmp_path / "both.svg")
    words = ["--alpha", "5,20", "--quantity", "q", "--width", "3.4", "-o", target]
    assert run(["plot", "profile", *files, *words]) == 0
    text = Path(target).read_text(encoding="utf-8")
    assert 'width="244.8pt"' in text  # 3.4 inches


def test_look_goes_to_the_curves(teacher: rd.Solutions) -> None:
    ax = Figure().subplots()
    rd.plot.profile(teacher, ax, quantity="Q", c=["red", "green"], ls=":", lw=3)
    assert [line.get_color() for line in ax.lines] == ["red", "green"]
    assert [line.get_linestyle() for line in ax.lines] == [":", ":"]
    assert [line.get_linewidth() for line in ax.lines] == [3, 3]
    for look, text in (
        ({"color": ["red"]}, r"color = \['red'\]: a list of 2, one a curve"),
        ({"label": "theory"}, "label = 'theory': a list of 2, one a curve"),
    ):
        with pytest.raises(rd.InputError, match=text):
            rd.plot.profile(teacher, **look)
    with pytest.raises(rd.InputError, match=r"ax = 'Q': an Axes of matplotlib"):
        rd.plot.profile(teacher, "Q")  # type: ignore[arg-type]
    with pytest.raises(rd.InputError, match=r"width = 50: 2\.\.20 inches"):
        rd.plot.profile_figure(teacher, width=50)


#: Functions of an Axes: the file of data/ that they draw, None: a broken solution of their own.
DRAWING = {
    "profile": "solve_v1", "parisi": "solve_v1", "distribution": "solve_v1", "tree": None,
    "transitions": "transitions_v1", "thickness": "transitions_v1", "capacity": "capacity_v1",
    "replicon": "stability_v1", "complexity": "complexity_v1",
    "error_against_alpha": "generalisation_v1", "error_against_depth": "generalisation_v1",
    "relaxation": "mc_v1", "correlation": "mc_v1", "overlaps": "mc_v1",
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWING)
def test_every_function_takes_an_axes_and_a_colour(name: str, data: Path) -> None:
    file = DRAWING[name]
    if file is None:
        content: Any = rd.solve(10.0, 4, scenario="random", ansatz="1rsb")
    else:
        content = rd.load(data / f"{file}.h5")
        content = content[-1] if name in ("parisi", "distribution") else content
    ax = Figure().subplots()
    draw_one = getattr(rd.plot, name)
    assert draw_one(content, ax, color="red") is ax
    artists = [*ax.lines, *ax.collections, *ax.patches]
    colours = [artist.get_edgecolor() if hasattr(artist, "get_edgecolor") else artist.get_color()
               for artist in artists]  # fmt: skip
    red = [
        c for c in colours if np.array_equal(np.ravel(mpl.colors.to_rgba_array(c))[:3], [1, 0, 0])
    ]
    assert red
    with pytest.raises(rd.InputError, match="ax = 3: an Axes"):
        draw_one(content, 3)


# --- impossible results ------------------------------------------------------------------------


def test_impossible_results_carry_their_warning() -> None:
    """Random data end at 9.09 (L = 2); the saturated branch has larger s from 277 (L = 20)."""
    title = rd.plot.capacity(rd.capacity([1, 2])).get_title().replace("\n", " ")
    assert title == (
        r"random data, rs open: no network ($L = 2$: $\alpha_{\mathrm{J}} = 48.96$, bound 9.089)"
    )
    ax = rd.plot.capacity(rd.capacity([1, 2]))
    marked = [
        line.get_markerfacecolor() for line in ax.lines
        if line.get_marker() == "o" and np.any(np.isclose(line.get_ydata(), 48.95883, rtol=1e-6))
    ]  # fmt: skip
    assert marked == ["none"]
    assert len(rd.plot.capacity(rd.capacity([1])).get_title().splitlines()) == 1
    wetting = rd.solve([250.0, 277.0, 278.0], 20)
    title = rd.plot.profile(wetting).get_title().splitlines()
    assert title == [
        "teacher-student, rs, $L = 20$", r"at $\alpha = 278$ a saturated branch has larger $s$",
    ]  # fmt: skip
    assert rd.plot.profile(wetting[:2]).get_title() == "teacher-student, rs, $L = 20$"
    beyond = rd.solve([178.0, 179.0], 20, scenario="random", ansatz="rs")
    ax = rd.plot.profile(beyond)
    assert [line.get_linestyle() for line in ax.lines[:2]] == ["-", "--"]
    assert labels(ax)[-1] == BEYOND
    assert BEYOND in rd.plot.parisi(beyond[1]).get_title().replace("\n", " ")
    assert BEYOND not in rd.plot.parisi(beyond[0]).get_title().replace("\n", " ")


def test_tables_carry_the_warning(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["solve", "--L", "20", "--alpha", "277,278"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[1].endswith("  converged")
    assert rows[2].endswith("  converged; a saturated branch has larger s")


# --- maps ----------------------------------------------------------------------------------------


def test_cells_end_half_way_and_none_is_invented() -> None:
    """Whole numbers have cells of one; other values need a grid of three at least."""
    np.testing.assert_allclose(_edges(np.array([2, 3])), [1.5, 2.5, 3.5])
    np.testing.assert_allclose(_edges(np.array([2, 4])), [1.5, 2.5, 3.5, 4.5])
    np.testing.assert_allclose(_edges(np.array([1.0, 2.0, 3.0])), [0.5, 1.5, 2.5, 3.5])
    found = _edges(np.array([1.0, 10.0, 100.0]))
    np.testing.assert_allclose(found, [10**-0.5, 10**0.5, 10**1.5, 10**2.5])
    for values in ([4.0, 40.0], [1.0, 10.0, 1000.0], [0.0, 1.0, 3.0]):
        assert _edges(np.array(values)) is None
    assert _edges(np.array([1, 100])) is None


@pytest.mark.slow
def test_missing_depths_are_gaps(plane: rd.Sweep) -> None:
    ax = rd.plot.diagram(plane)
    grid = ax.collections[0].get_array()
    assert grid.shape == (4, 3)
    assert grid.mask.tolist() == [[False] * 3, [False] * 3, [True] * 3, [False] * 3]
    place = list(plane.select(alpha=20.0, L=5))
    assert grid[3, 1] == plane["q_ea"][place[0]]
    assert ax.get_title() == "teacher-student, rs"
    edges = ax.collections[0].get_coordinates()
    np.testing.assert_allclose(edges[:, 0, 1], [1.5, 2.5, 3.5, 4.5, 5.5])
    np.testing.assert_allclose(edges[0, :, 0], [2 / 10**0.5, 2 * 10**0.5, 20 * 10**0.5, 632.45553])


def test_boundaries_between_cells_and_branches(plane: rd.Sweep) -> None:
    """Saturated at alpha = 20, 200 (L = 2) and 200 (L = 3): hatched, with a line around."""
    branch = {(a, L): b for a, L, b in zip(plane["alpha"], plane["L"], plane["found_branch"],
                                           strict=True)}  # fmt: skip
    saturated = {point for point, name in branch.items() if name == "saturated"}
    assert saturated == {(20.0, 2), (200.0, 2), (200.0, 3)}
    ax = rd.plot.diagram(plane)
    entries = [text.get_text() for text in ax.get_legend().get_texts()]
    assert entries[0] == "saturated branch"
    assert "branch changes (between points)" in entries
    assert "last layer becomes solid (between points)" in entries
    line = next(c for c in ax.collections if isinstance(c, LineCollection))
    ends = {tuple(np.round(point, 6)) for path in line.get_paths() for point in path.vertices}
    left, right = round(2 * 10**0.5, 6), round(20 * 10**0.5, 6)
    assert {(left, 1.5), (left, 2.5), (right, 2.5), (right, 3.5)} <= ends


def test_what_changes_between_two_cells() -> None:
    """One row of five cells: liquid, partly solid, solid, another branch, empty, solid."""
    edges = np.arange(7.0), np.array([0.0, 1.0])
    branch = np.array([[0, 0, 0, 1, -1, 1]])
    solid = np.array([[0.0, 0.5, 1.0, 1.0, np.nan, 1.0]])
    ax = Figure().subplots()
    entries = between(ax, edges, branch, solid)
    found = {
        one.get_label().removesuffix(" (between points)"): [
            path.vertices.tolist() for path in lines.get_paths()
        ]
        for one, lines in zip(entries, ax.collections, strict=True)
    }
    assert found == {
        "branch changes": [[[3.0, 0.0], [3.0, 1.0]]],
        "last layer becomes solid": [[[2.0, 0.0], [2.0, 1.0]]],
        "first layer becomes solid": [[[1.0, 0.0], [1.0, 1.0]]],
    }


def test_computed_boundaries_take_their_place(
    plane: rd.Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [rd.transitions(L) for L in (3, 5)]
    ax = rd.plot.diagram(plane, boundaries=found)
    entries = [text.get_text() for text in ax.get_legend().get_texts()]
    assert not any("between" in text for text in entries)
    first = next(line for line in ax.lines if line.get_label() == "first layer becomes solid")
    np.testing.assert_array_equal(first.get_ydata(), [3.0, 5.0])
    np.testing.assert_allclose(first.get_xdata(), [one.alpha[0] for one in found])
    assert first.get_xdata()[0] == pytest.approx(2.4674, rel=1e-4)
    with pytest.raises(rd.InputError, match="scenario = random': teacher-student, as all points"):
        rd.plot.diagram(plane, boundaries=[replace(found[0], scenario="random")])
    with pytest.raises(rd.InputError, match="a map with alpha"):
        rd.plot.diagram(plane, x="L", y="kappa", boundaries=found, alpha=20.0)
    with pytest.raises(rd.InputError, match="L = 5': 3, as all points"):
        rd.plot.diagram(plane, boundaries=found, L=3)
    with pytest.raises(rd.InputError, match="boundaries = 'int': Transitions, Stability"):
        rd.plot.diagram(plane, boundaries=[3])
    with pytest.raises(
        rd.InputError, match=r"fixed = \{\}: one value each of alpha, such as alpha=2"
    ):
        rd.plot.diagram(plane, x="L", y="kappa")
    words = ["plot", "map", str(plane.path), "--x", "L", "--y", "kappa"]
    assert run(words) == 2
    said = capsys.readouterr().err.strip()
    assert said == "Error: fix = 'not given': one value each of alpha, such as --fix alpha=2.0"
    assert run([*words, "--fix", "alpha=2.0", "-o", str(plane.path) + ".png"]) == 0


#: What is asked of points at alpha = 2, 20, 200 and L = 2, 3, 5, and the one line that refuses it.
NOT_THERE = {
    "map --fix alpa=2": "fix = 'alpa=2': NAME=VALUE, NAME one of id, status, ",
    "map --fix alpha=two": "fix = 'alpha=two': NAME=VALUE with a number",
    "map --fix alpha=3": "fix = 'alpha=3': entries of at least one point; there are alpha = 2.0, "
    "20.0, 200.0",
    "map --x depth": "x = 'depth': a column of numbers: alpha, L, ",
    "map --y alpha": "y = 'alpha': another column than x",
    "map --quantity branch": "quantity = 'branch': a column of numbers: alpha, L, ",
    "profile --fix L=4": "fix = 'L=4': entries of at least one point; there are L = 2, 3, 5",
    "profile --fix depth=3": "fix = 'depth=3': NAME=VALUE, NAME one of id, ",
    "parisi --fix alpha=2.0": "fix = 'alpha=2.0': one value each of L, such as --fix L=2",
}


@pytest.mark.parametrize("typed", NOT_THERE)
def test_points_that_are_not_there_are_told_by_those_that_are(
    typed: str, plane: rd.Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *words = typed.split()
    assert run(["plot", name, str(plane.path), *words]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"Error: {NOT_THERE[typed]}")
    assert said.count("\n") == 1


@pytest.mark.slow
def test_no_solution_is_not_a_failure_and_a_capacity_is_one_line(tmp_path: Path) -> None:
    """L = 2, rs: alpha_J = 48.96 at kappa = 0, beyond the bound 9.09, and 4.81 at kappa = 0.5."""
    grid = {"alpha": [1.0, 5.0, 60.0], "L": 2, "kappa": [0.0, 0.5]}
    grid |= {"scenario": "random", "ansatz": "rs"}
    found = rd.sweep({"grid": grid}, tmp_path / "s.h5", workers=1)
    assert [str(s) for s in found.table["status"]].count("no solution") == 3
    ends = rd.capacity(2, kappa=[0.0, 0.5])
    ax = rd.plot.diagram(found, y="kappa", boundaries=[ends])
    named = {line.get_label(): line for line in ax.lines}
    assert set(named) == {"capacity (rs)", f"capacity (rs), {BEYOND}", "no solution"}
    np.testing.assert_allclose(named["capacity (rs)"].get_xdata(), [48.9588, 4.81358], rtol=1e-5)
    assert named["capacity (rs)"].get_markevery() == [1]
    np.testing.assert_array_equal(named[f"capacity (rs), {BEYOND}"].get_ydata(), [0.0])
    crosses = named["no solution"]
    assert sorted(zip(crosses.get_xdata(), crosses.get_ydata(), strict=True)) == [
        (5.0, 0.5), (60.0, 0.0), (60.0, 0.5),
    ]  # fmt: skip
    one = np.arange(6) == 2
    status = np.where(one, "not converged", found.table["status"])
    found.table = {**found.table, "status": status}
    later = {line.get_label() for line in rd.plot.diagram(found, y="kappa").lines}
    assert {"no solution", "not converged"} <= later


def test_cells_beyond_the_counting_bound_are_hatched(tmp_path: Path) -> None:
    """L = 2: 9.09, L = 3: 16.3."""
    grid = {"alpha": [5.0, 10.0, 20.0], "L": [2, 3], "scenario": "random", "ansatz": "rs"}
    ax = rd.plot.diagram(rd.sweep({"grid": grid}, tmp_path / "s.h5", workers=1))
    assert ax.get_legend().get_texts()[0].get_text() == BEYOND
    hatched = next(c for c in ax.collections if c.get_hatch())
    corners = sorted(tuple(np.round(p.vertices[0], 4)) for p in hatched.get_paths())
    step = 2**0.5
    want = [(5 * step, 1.5), (10 * step, 1.5), (10 * step, 2.5)]
    np.testing.assert_allclose(corners, want, atol=1e-3)


def test_one_row_is_a_curve(plane: rd.Sweep) -> None:
    ax = rd.plot.diagram(plane, L=5)
    assert not [c for c in ax.collections if c.get_array() is not None]
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [2.0, 20.0, 200.0])
    assert ax.get_title() == "teacher-student, rs, $L = 5$"
    assert ax.get_xlabel().startswith("patterns per coupling")
    ax = rd.plot.diagram(plane, L=3, boundaries=[rd.transitions(3)])
    upright = [line.get_xdata()[0] for line in ax.lines if len(set(line.get_xdata())) == 1]
    assert upright[0] == pytest.approx(2.4674, rel=1e-4)


@pytest.mark.slow
def test_points_that_are_no_grid_are_markers(tmp_path: Path) -> None:
    points = {"grid": {"alpha": [4.0, 40.0], "L": [2, 4]}}
    ax = rd.plot.diagram(rd.sweep(points, tmp_path / "s.h5", workers=1))
    places = np.concatenate([c.get_offsets() for c in ax.collections])
    assert sorted(map(tuple, places.tolist())) == [(4, 2), (4, 4), (40, 2), (40, 4)]


# --- legends, colours, numbers -----------------------------------------------------------------


def pixels(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[::-1, :, :3].astype(int)


def covered(figure: Figure) -> list[bool]:
    """Of every legend: whether there is ink below it once it is taken away."""
    pixels(figure)
    found = [one for ax in figure.axes if (one := ax.get_legend())] + list(figure.legends)
    boxes = [one.get_window_extent() for one in found]
    figure.set_layout_engine("none")
    for one in found:
        one.set_visible(False)
    ink = pixels(figure).min(axis=2) < 250
    return [
        bool(ink[int(box.y0) : int(box.y1) + 1, int(box.x0) : int(box.x1) + 1].any())
        for box in boxes
    ]


@pytest.mark.parametrize("width", [None, 3.4])
@pytest.mark.slow
def test_no_legend_lies_on_a_curve(
    random: rd.Solutions, teacher: rd.Solutions, width: float | None
) -> None:
    several = [*random, *teacher]
    figures = [
        rd.plot.profile_figure(several, width=width),
        rd.plot.profile(several).figure,
        rd.plot.transitions_figure([rd.transitions(6), rd.transitions(8)], width=width),
        rd.plot.gaps_figure(random, width=width),
        rd.plot.generalisation_figure(rd.generalisation([2.0, 4.0, 8.0], [1, 2, 3]), width=width),
        rd.plot.capacity(rd.capacity([1, 2, 3])).figure,
    ]
    for figure in figures:
        found = covered(figure)
        assert found
        assert not any(found)
    if width is not None:
        assert figures[0].get_size_inches()[0] == 3.4


def test_a_legend_on_a_curve_is_noticed(teacher: rd.Solutions) -> None:
    ax = rd.plot.profile(teacher)
    ax.legend(loc="lower center")
    assert covered(ax.figure) == [True]


def luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance of sRGB (WCAG 2, "relative luminance")."""
    c = np.array(colour[:3])
    linear = np.where(c <= 0.03928, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


#: What protanopes and deuteranopes see (Machado et al., IEEE TVCG 15, 1291 (2009), table 1).
COLOUR_BLIND = np.array(
    [
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]],
    ]
)  # fmt: skip


@pytest.mark.parametrize("count", range(1, 11))
def test_colours_are_legible_and_apart_in_grey(count: int) -> None:
    """Contrast to white at least 3 (WCAG 2, 1.4.11), brighter from one to the next."""
    light = [luminance(colour) for colour, _ in sequence(count)]
    assert max(light) <= 1.05 / 3.0 - 0.05 + 1e-3
    assert all(b - a > 0.004 for a, b in itertools.pairwise(light))
    markers = [marker for _, marker in sequence(count)]
    assert len(set(markers)) == count
    for seen in COLOUR_BLIND:
        light = [
            luminance(tuple(np.clip(seen @ colour[:3], 0, 1))) for colour, _ in sequence(count)
        ]
        assert all(b - a > 0.003 for a, b in itertools.pairwise(light))


def test_no_offsets_and_no_range_of_rounding() -> None:
    """Equal to 1e-15 is equal: the axis does not show the rounding."""
    ax = Figure().subplots()
    from replicadnn.plot.canvas import drawing, span

    with drawing(ax) as same:
        same.plot([1, 2], [0.5, 0.5 + 1e-15])
    assert ax.get_ylim()[1] - ax.get_ylim()[0] > 0.09
    assert not ax.yaxis.get_major_formatter().get_useOffset()  # type: ignore[attr-defined]
    assert span(np.array([0.5, 0.5 + 1e-15]), None, None) == pytest.approx((0.45, 0.55))
    assert span(np.array([0.5, 0.6]), None, 2.0) == (0.5, 2.0)


@pytest.mark.parametrize(
    ("ending", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF-"), ("svg", b"<?xml")]
)
def test_every_ending_at_the_width_of_a_column(
    teacher: rd.Solutions, tmp_path: Path, ending: str, start: bytes
) -> None:
    path = rd.plot.save_profile(teacher, tmp_path / f"a.{ending}", width=3.4)
    assert path.read_bytes().startswith(start)
    if ending == "png":
        assert mpl.image.imread(path).shape[1] == 1020  # 3.4 inches, 300 dots an inch
    if ending == "pdf":
        assert b"/MediaBox [ 0 0 244.8 " in path.read_bytes()
