"""Figures that a notebook shows where a cell ends with them, or with their Axes.

They belong to no window and no pyplot; a notebook shows what can draw itself.  Axes that a caller
made (``ax=``) are left as they are: their own figure is shown by whoever made it.
"""

from __future__ import annotations

import io
from typing import Any

from matplotlib import axes, figure
from matplotlib.backends.backend_agg import FigureCanvasAgg


class Figure(figure.Figure):
    """A figure that shows itself in a notebook, and its Axes too."""

    def _repr_png_(self) -> bytes:
        return png(self)

    def add_subplot(self, *args: Any, **options: Any) -> Any:
        """As that of matplotlib; the Axes are `Axes`, unless another kind is asked for."""
        if not {"projection", "polar", "axes_class"} & options.keys():
            options["axes_class"] = Axes
        return super().add_subplot(*args, **options)


class Axes(axes.Axes):
    """Axes whose figure a notebook shows."""

    def _repr_png_(self) -> bytes:
        return png(self.figure)


def png(drawn: Any) -> bytes:
    """The picture of a figure, or of the one that a part of it belongs to."""
    while isinstance(drawn, figure.SubFigure):
        drawn = drawn.figure
    buffer = io.BytesIO()
    FigureCanvasAgg(drawn)
    drawn.savefig(buffer, format="png")
    return buffer.getvalue()
