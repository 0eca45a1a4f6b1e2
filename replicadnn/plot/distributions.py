"""Overlap distributions P(q, l), P(Q, l) by layer: delta weights and continuous part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from replicadnn.calls import of_kind
from replicadnn.errors import InputError
from replicadnn.plot.canvas import drawing, entitle, panels
from replicadnn.plot.curves import asked
from replicadnn.plot.naming import headline, objections
from replicadnn.plot.notebook import Figure
from replicadnn.plot.parisi import layer_legend, layer_looks, quantities, solid_layers
from replicadnn.plot.style import save_figure, style
from replicadnn.solution import Solution

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.theory.observables import OverlapDistribution

_NAMES = {"q": "neurons", "Q": "couplings"}


@of_kind("Solution")
def distribution(
    solution: Solution,
    ax: Axes | None = None,
    *,
    quantity: Literal["q", "Q"] = "q",
    part: Literal["deltas", "continuous"] = "deltas",
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw one part of P(q, l) or P(Q, l) for the solid layers (of mirror images the first one).

    The deltas are drawn as stems with the error of their weights, the continuous part as the
    step function that K levels give, with a marker at the overlap of every level in it
    (docs/observables.md, eqs. 3, 4).

    Parameters
    ----------
    solution : Solution
        A converged solution.
    ax : Axes, optional
        Where to draw; a new figure by default.
    quantity : {"q", "Q"}
    part : {"deltas", "continuous"}
    legend : bool
        Give title and legend.
    **look
        As of `profile`; a list has one value a layer.

    Raises
    ------
    InputError
        Not converged, nothing solid to draw, or an unknown ``quantity`` or ``part``.
    """
    if part not in ("deltas", "continuous"):
        raise InputError("part", part, "one of deltas, continuous")
    _, solid = solid_layers(solution, quantity)
    own = asked(look, len(solid))
    with drawing(ax) as ax:
        looks = layer_looks(solution)
        for layer, mine in zip(solid, own, strict=True):
            colour, marker = looks[layer]
            base: dict[str, Any] = {
                "color": colour, "marker": marker, "markersize": 3, "markerfacecolor": "none",
                "label": rf"$l = {layer}$", "linestyle": "-", "linewidth": 1.2,
            } | mine  # fmt: skip
            _layer(ax, solution.overlap_distribution(layer, quantity), part, base)
        ax.set_xlabel(rf"overlap of {_NAMES[quantity]}  ${quantity}$")
        ax.set_xlim(-0.02, 1.02)
        if part == "deltas":
            ax.set_ylabel(rf"weight of the deltas of  $P({quantity}, l)$")
            ax.set_ylim(0.0, 1.03)
        else:
            ax.set_ylabel(rf"continuous part of  $P({quantity}, l)$")
            ax.set_ylim(bottom=0.0)
        if legend:
            entitle(ax, headline(solution), objections([solution]))
            layer_legend(ax, solution)
    return ax


def _layer(ax: Axes, found: OverlapDistribution, part: str, look: dict[str, Any]) -> None:
    """One layer: stems with bars, or a staircase with a marker at every level."""
    line = {name: look[name] for name in ("color", "linestyle", "linewidth")}
    markers = look | {"linestyle": "none"}
    if part == "deltas":
        values, weights, errors = np.array([(d.value, d.weight, d.error) for d in found.deltas]).T
        ax.vlines(values, 0.0, weights, **line)
        ax.errorbar(values, weights, errors, capsize=2, elinewidth=0.8, **markers)
    elif found.continuous_weight > 0.0:
        ax.stairs(found.density, found.edges, **line)
        inside = (found.values > found.edges[0]) & (found.values < found.edges[-1])
        levels = found.values[inside]
        heights = found.density[np.searchsorted(found.edges, levels, side="right") - 1]
        ax.plot(levels, heights, **markers)


@of_kind("Solution")
def distribution_figure(solution: Solution, *, width: float | None = None, **look: Any) -> Figure:
    """Neurons and couplings; deltas first, then the continuous part (if any).

    ``width``: inches, 7 (or 3.4 for one panel) by default.
    """
    kinds = quantities(solution)
    broken = any(
        solution.overlap_distribution(layer, kind).continuous_weight > 0.0
        for kind in kinds
        for layer in solid_layers(solution, kind)[1]
    )
    parts: list[Literal["deltas", "continuous"]] = (
        ["deltas", "continuous"] if broken else ["deltas"]
    )
    chosen = [(kind, part) for part in parts for kind in kinds]
    with style():
        figure, axes = panels(len(chosen), width, columns=len(kinds))
        for (kind, part), ax in zip(chosen, axes, strict=True):
            distribution(solution, ax, quantity=kind, part=part, legend=False, **look)
        layer_legend(axes[len(kinds) - 1], solution, figure)
        entitle(figure, headline(solution), objections([solution]))
    return figure


def save_distribution(
    solution: Solution,
    path: str | Path,
    *,
    width: float | None = None,
    overwrite: bool = False,
    **look: Any,
) -> Path:
    """Write `distribution_figure` to ``path`` (.png, .pdf or .svg)."""
    return save_figure(
        distribution_figure(solution, width=width, **look), path, overwrite=overwrite
    )
