"""Parisi functions q(x, l), Q(x, l) of the solid layers: the "river terraces" (figure 5)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from replicadnn.calls import of_kind
from replicadnn.errors import InputError
from replicadnn.plot.canvas import drawing, entitle, figure_legend, panels, place_legend
from replicadnn.plot.curves import asked
from replicadnn.plot.naming import headline, objections
from replicadnn.plot.notebook import Figure
from replicadnn.plot.style import save_figure, sequence, style
from replicadnn.solution import Solution
from replicadnn.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def solid_layers(
    solution: Solution, quantity: Literal["q", "Q"]
) -> tuple[dict[int, FloatArray], list[int]]:
    """Overlaps (K+1,) of the layers without data, and those to draw: the solid ones.

    Of a `mirrored` solution those of the first half only.

    Raises
    ------
    InputError
        Not converged, nothing solid, or an unknown ``quantity``.
    """
    if not solution.converged:
        raise InputError("solution", str(solution.status), "a converged solution")
    values = solution.overlaps(quantity)[1:-1] if quantity == "q" else solution.overlaps(quantity)
    if solution.L == 1 and quantity == "q":
        raise InputError("quantity", quantity, "Q: one perceptron has no hidden neurons")
    rows = dict(enumerate(values, start=1))
    drawn = (len(rows) + 1) // 2 if mirrored(solution) else len(rows)
    solid = [layer for layer in range(1, drawn + 1) if rows[layer][-1] > 0.0]
    if not solid:
        raise InputError("solution", f"alpha = {solution.alpha:g}", "at least one solid layer")
    return rows, solid


def mirrored(solution: Solution) -> bool:
    """Whether the second half repeats the first to 1e-6: q(l) = q(L-l) and Q(l) = Q(L+1-l).

    So it is with closure averaged; with exact neurons input and output differ.
    """
    return all(
        np.allclose(values, values[::-1], rtol=0.0, atol=1e-6)
        for values in (solution.q_ea, solution.Q_ea)
    )


def layer_looks(solution: Solution) -> dict[int, tuple[tuple[float, ...], str]]:
    """Colour and marker of every layer that is solid in neurons or couplings: one for both."""
    drawn = (solution.L + 1) // 2 if mirrored(solution) else solution.L
    solid = (solution.Q_ea > 0.0) | (solution.q_ea[1:] > 0.0)
    layers = [l for l in range(1, drawn + 1) if solid[l - 1]]
    return dict(zip(layers, sequence(len(layers)), strict=True))


def layer_legend(ax: Axes, solution: Solution, figure: Figure | None = None) -> None:
    """Legend of curves that are layers, where no curve is; of a whole ``figure`` below it.

    That of a figure has the layers of all its panels: neurons may be solid where couplings are not.
    It says so where each layer stands for its mirror image, too.
    """
    title = "layer and mirror image" if mirrored(solution) else "layer"
    if figure is None:
        place_legend(ax, title=title)
    else:
        curves = (zip(*one.get_legend_handles_labels(), strict=True) for one in figure.axes)
        handles = {label: handle for panel in curves for handle, label in panel}
        figure_legend(figure, list(handles.values()), title)


@of_kind("Solution")
def parisi(
    solution: Solution,
    ax: Axes | None = None,
    *,
    quantity: Literal["q", "Q"] = "q",
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw q(x, l) or Q(x, l) against x for the solid layers (of mirror images the first one).

    The K + 1 levels are drawn as what they are, steps between breakpoints; where the breaking is
    continuous their width falls as 1/K.

    Parameters
    ----------
    solution : Solution
        A converged solution.
    ax : Axes, optional
        Where to draw; a new figure by default.
    quantity : {"q", "Q"}
    legend : bool
        Give title and legend.
    **look
        Of the markers and staircases, as of `profile`; a list has one value a layer.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        Not converged, nothing solid to draw, or an unknown ``quantity``.
    """
    rows, solid = solid_layers(solution, quantity)
    own = asked(look, len(solid))
    edges = np.append(solution.x, 1.0)
    with drawing(ax) as ax:
        looks = layer_looks(solution)
        for layer, mine in zip(solid, own, strict=True):
            values, (colour, marker) = rows[layer], looks[layer]
            base: dict[str, Any] = {
                "color": colour, "marker": marker, "markersize": 3, "markerfacecolor": "none",
                "label": rf"$l = {layer}$", "linestyle": "-",
            } | mine  # fmt: skip
            line = {name: base[name] for name in ("color", "linestyle")}
            ax.stairs(values, edges, baseline=None, linewidth=base.pop("linewidth", 1.2), **line)
            positive = values > 1e-12  # a zero overlap is zero to rounding only
            middles = 0.5 * (edges[1:] + edges[:-1])[positive]
            ax.plot(middles, values[positive], **base | {"linestyle": "none"})
        ax.set_xlabel(r"$x$  (fraction of pairs with a smaller overlap)")
        name = "neurons" if quantity == "q" else "couplings"
        ax.set_ylabel(rf"overlap of {name}  ${quantity}(x, l)$")
        ax.set_xlim(0.0, 1.0)
        ax.set_ylim(-0.02, 1.02)
        if legend:
            entitle(ax, headline(solution), objections([solution]))
            layer_legend(ax, solution)
    return ax


def quantities(solution: Solution) -> list[Literal["q", "Q"]]:
    """What there is to draw: a single perceptron has no hidden neurons."""
    return ["q", "Q"] if solution.L > 1 else ["Q"]


@of_kind("Solution")
def parisi_figure(solution: Solution, *, width: float | None = None, **look: Any) -> Figure:
    """Neurons and couplings; ``width``: inches, 7 (or 3.4 for one panel) by default."""
    kinds = quantities(solution)
    with style():
        figure, axes = panels(len(kinds), width)
        for kind, ax in zip(kinds, axes, strict=True):
            parisi(solution, ax, quantity=kind, legend=False, **look)
        layer_legend(axes[-1], solution, figure)
        entitle(figure, headline(solution), objections([solution]))
    return figure


def save_parisi(
    solution: Solution,
    path: str | Path,
    *,
    width: float | None = None,
    overwrite: bool = False,
    **look: Any,
) -> Path:
    """Write `parisi_figure` to ``path`` (.png, .pdf or .svg)."""
    return save_figure(parisi_figure(solution, width=width, **look), path, overwrite=overwrite)
