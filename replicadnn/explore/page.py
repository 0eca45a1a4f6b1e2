"""The page: controls, two figures that follow them, lines about the solutions, a button that saves.

Everything that is asked is answered by `replicadnn.explore.view`; here is only what it looks like.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from bokeh.layouts import column, row
from bokeh.models import ColumnDataSource, CustomJSTickFormatter, Range1d
from bokeh.models.widgets import Button, CheckboxGroup, Div, Select, Slider
from bokeh.palettes import Colorblind
from bokeh.plotting import figure

from replicadnn.errors import ReplicaDNNError
from replicadnn.explore.view import Controls, View, look
from replicadnn.theory.closures import names

#: Of the solutions that are drawn; the lines below the figures name the others too, in gray.
COLOURS = Colorblind[8]
BRANCHES = ["auto", "continuous", "equilibrium", "all"]
SCENARIOS = ["teacher-student", "random"]
#: Of a slider, in pixels.
_WIDE = 260
_HARD = "hard constraint (beta = inf)"


class Page:
    """The controls and what follows them; one for every open window.

    Parameters
    ----------
    folder : Path
        Where the button saves.
    start : Controls
    """

    def __init__(self, folder: Path, start: Controls | None = None) -> None:
        start = start or Controls()
        self.folder = folder
        self.view: View
        self.alpha = Slider(
            start=-1, end=5, step=0.01, value=float(np.log10(start.alpha)), title="alpha",
            width=_WIDE, name="alpha",
            format=CustomJSTickFormatter(code="return (10 ** tick).toPrecision(4)"),
        )  # fmt: skip
        self.L = Slider(width=_WIDE, start=1, end=60, step=1, value=start.L, title="L", name="L")
        self.kappa = Slider(
            start=-2, end=2, step=0.01, value=start.kappa, title="kappa", width=_WIDE, name="kappa"
        )
        hard = bool(np.isinf(start.beta))
        self.beta = Slider(
            start=0.1, end=10, step=0.1, value=3 if hard else start.beta, title="beta", width=_WIDE,
            name="beta", disabled=hard,
        )  # fmt: skip
        self.hard = CheckboxGroup(labels=[_HARD], active=[0] if hard else [], name="hard")
        self.scenario = Select(options=SCENARIOS, value=start.scenario, title="scenario")
        self.closure = Select(options=list(names()), value=start.closure, title="closure")
        self.branch = Select(options=BRANCHES, value=start.branch, title="branch")
        self.save = Button(label="save figure and HDF5", name="save")
        self.saved = Div(text="", name="saved", width=760)
        self.words = Div(text="", name="words", width=760)
        self.neurons, self.couplings = ColumnDataSource(), ColumnDataSource()
        self._listen()
        self.update()

    @property
    def controls(self) -> Controls:
        """Where the controls stand."""
        return Controls(
            alpha=float(10**self.alpha.value), L=int(self.L.value), kappa=float(self.kappa.value),
            beta=np.inf if self.hard.active else float(self.beta.value),
            scenario=self.scenario.value, closure=self.closure.value, branch=self.branch.value,
        )  # fmt: skip

    def layout(self) -> Any:
        """The page as one Bokeh object."""
        sliders = (self.alpha, self.L, self.kappa, self.hard, self.beta)
        picks = (self.scenario, self.closure, self.branch, self.save)
        left = column(*sliders, *picks, width=300)
        figures = row(
            _figure("overlap of neurons q(l)", self.neurons),
            _figure("overlap of couplings Q(l)", self.couplings),
        )
        return row(left, column(figures, self.words, self.saved))

    def update(self) -> None:
        """Solve where the controls stand and show it."""
        self.view = look(self.controls)
        drawn = self.view.solutions[: len(COLOURS)]
        self.neurons.data = _columns([(np.arange(s.L + 1), s.q_ea) for s in drawn])
        self.couplings.data = _columns([(np.arange(1, s.L + 1), s.Q_ea) for s in drawn])
        lines = [
            f'<span style="color:{colour}">&#9632;</span> {escape(line)}'
            for colour, line in zip(
                [*COLOURS, *["gray"] * len(self.view.lines)], self.view.lines, strict=False
            )
        ]
        self.words.text = "<br>".join(
            [*lines, *([escape(self.view.words)] if self.view.words else [])]
        )
        self.saved.text = ""

    def keep(self) -> None:
        """Save the solutions (HDF5) and their profile figure (PDF) under the next free number."""
        from replicadnn.plot import save_profile

        if not len(self.view.solutions):
            self.saved.text = "nothing to save: no solution here"
            return
        number = 1
        while any(self._file(number, kind).exists() for kind in ("h5", "pdf")):
            number += 1
        try:
            data = self.view.solutions.save(self._file(number, "h5"))
            save_profile(self.view.solutions, self._file(number, "pdf"))
        except ReplicaDNNError as error:
            self.saved.text = f"not saved: {error}"
            return
        self.saved.text = f"saved: {data} and {data.with_suffix('.pdf').name}"

    def _file(self, number: int, kind: str) -> Path:
        return self.folder / f"explore_{number:03d}.{kind}"

    def _listen(self) -> None:
        def changed(attr: str, old: Any, new: Any) -> None:
            self.beta.disabled = bool(self.hard.active)
            self.update()

        for slider in (self.alpha, self.L, self.kappa, self.beta):
            slider.on_change("value", changed)
        for choice in (self.scenario, self.closure, self.branch):
            choice.on_change("value", changed)
        self.hard.on_change("active", changed)
        self.save.on_click(lambda: self.keep())


def _columns(curves: list[tuple[Any, Any]]) -> dict[str, list[Any]]:
    """Curves as the columns of one source, one entry a curve."""
    return {
        "x": [list(map(float, x)) for x, _ in curves],
        "y": [list(map(float, y)) for _, y in curves],
        "colour": [COLOURS[i] for i in range(len(curves))],
    }


def _figure(title: str, source: ColumnDataSource) -> Any:
    """One figure of overlaps by layer."""
    drawn = figure(
        title=title, width=380, height=320, x_axis_label="layer l",
        y_range=Range1d(start=-0.02, end=1.02),
        tools="pan,wheel_zoom,reset,save", toolbar_location="above",
    )  # fmt: skip
    drawn.multi_line("x", "y", source=source, line_color="colour", line_width=2)
    return drawn
