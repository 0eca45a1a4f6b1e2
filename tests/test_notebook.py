"""Notebooks: results are tables, figures appear, a bar moves."""

from __future__ import annotations

from typing import Any

import matplotlib.figure
import pytest
from matplotlib.image import imread

import replicadnn as rd
from replicadnn.plot import notebook

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def solutions() -> rd.Solutions:
    return rd.solve([25.0, 100.0], 20)


def test_axes_and_figures_draw_themselves(solutions: rd.Solutions, tmp_path: Any) -> None:
    ax = rd.plot.profile(solutions)
    assert isinstance(ax, notebook.Axes)
    picture = ax._repr_png_()
    assert picture[:4] == PNG
    (tmp_path / "a.png").write_bytes(picture)
    pixels = imread(tmp_path / "a.png")
    assert pixels.shape[0] > 200
    assert (pixels[..., :3] < 0.5).any()  # something is drawn
    whole = rd.plot.profile_figure(solutions)
    assert whole._repr_png_()[:4] == PNG
    assert all(isinstance(one, notebook.Axes) for one in whole.axes)


def test_axes_of_the_caller_are_left_to_the_caller(solutions: rd.Solutions) -> None:
    own = matplotlib.figure.Figure().subplots()
    assert rd.plot.profile(solutions, ax=own) is own
    assert not hasattr(own, "_repr_png_")


def test_other_projections_are_those_of_matplotlib() -> None:
    polar = notebook.Figure().add_subplot(projection="polar")
    assert polar.name == "polar"
    part = notebook.Figure().subfigures(1, 2)[0]
    assert notebook.png(part)[:4] == PNG


def test_what_ipython_shows(solutions: rd.Solutions) -> None:
    formatters = pytest.importorskip("IPython.core.formatters")
    show = formatters.DisplayFormatter().format
    for result in (solutions, solutions[0], solutions[0].certificate, rd.transitions(4)):
        shown, _ = show(result)
        assert shown["text/html"].startswith("<div><p>&lt;")
        assert shown["text/plain"] == repr(result)
    shown, _ = show(rd.plot.profile(solutions))
    assert shown["image/png"][:4] == PNG


CELLS = (
    "import replicadnn as rd\nsol = rd.solve([25, 100], 20, progress=True)\nsol",
    "rd.plot.profile(sol)",
    "rd.plot.profile_figure(sol)",
    "import matplotlib.pyplot as plt\nrd.plot.profile(sol[0])",
    "figure, ax = plt.subplots()\nax = rd.plot.profile(sol, ax=ax)",
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_notebook(tmp_path: Any) -> None:
    """In a real kernel: one picture a cell, with pyplot and without it."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    nbclient.NotebookClient(book, timeout=50, resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [cell.outputs for cell in book.cells]
    assert "2/2" in "".join(o.text for o in outputs[0] if o.output_type == "stream")
    assert "<table>" in outputs[0][-1].data["text/html"]
    for shown in outputs[1:]:
        assert sum("image/png" in o.get("data", {}) for o in shown) == 1
