"""Overlap distributions P(q, l), P(Q, l) by layer: delta weights and continuous part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from replicadnn.errors import InputError
from replicadnn.plot.notebook import Figure
from replicadnn.plot.parisi import headline, layer_legend, quantities, solid_layers
from replicadnn.plot.style import save_figure, sequence, style
from replicadnn.solution import Solution

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMES = {"q": "neurons", "Q": "couplings"}


def distribution(
    solution: Solution,
    quantity: Literal["q", "Q"] = "q",
    part: Literal["deltas", "continuous"] = "deltas",
    ax: Axes | None = None,
) -> Axes:
    """Draw one part of P(q, l) or P(Q, l) for the solid layers (of mirror images the first one).

    The deltas are drawn as stems with the error of their weights, the continuous part as the
    step function that K levels give, with a marker at the overlap of every level in it
    (docs/observables.md, eqs. 3, 4).

    Parameters
    ----------
    solution : Solution
        A converged solution.
    quantity : {"q", "Q"}
    part : {"deltas", "continuous"}
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    InputError
        Not converged, nothing solid to draw, or an unknown ``quantity`` or ``part``.
    """
    if part not in ("deltas", "continuous"):
        raise InputError("part", part, "one of deltas, continuous")
    _, solid = solid_layers(solution, quantity)
    if ax is None:
        with style():
            ax = Figure(layout="constrained").subplots()
    for layer, (colour, marker) in zip(solid, sequence(len(solid)), strict=True):
        found = solution.overlap_distribution(layer, quantity)
        label = rf"$l = {layer}$"
        if part == "deltas":
            values, weights, errors = np.array(
                [(d.value, d.weight, d.error) for d in found.deltas]
            ).T
            ax.vlines(values, 0.0, weights, color=colour, linewidth=1.3)
            ax.errorbar(
                values, weights, errors, color=colour, marker=marker, linestyle="none",
                capsize=2, elinewidth=0.8, markerfacecolor="none", label=label,
            )  # fmt: skip
            continue
        if found.continuous_weight == 0.0:
            continue
        ax.stairs(found.density, found.edges, color=colour, linewidth=1.2)
        inside = (found.values > found.edges[0]) & (found.values < found.edges[-1])
        levels = found.values[inside]
        heights = found.density[np.searchsorted(found.edges, levels, side="right") - 1]
        ax.plot(
            levels, heights, color=colour, marker=marker, linestyle="none", markersize=3,
            markerfacecolor="none", label=label,
        )  # fmt: skip
    ax.set_xlabel(rf"overlap of {_NAMES[quantity]}  ${quantity}$")
    ax.set_xlim(-0.02, 1.02)
    if part == "deltas":
        ax.set_ylabel(rf"weight of the deltas of  $P({quantity}, l)$")
        ax.set_ylim(0.0, 1.03)
    else:
        ax.set_ylabel(rf"continuous part of  $P({quantity}, l)$")
        ax.set_ylim(bottom=0.0)
    return ax


def distribution_figure(solution: Solution) -> Figure:
    """Neurons left, couplings right; deltas above, the continuous part (if any) below."""
    kinds = quantities(solution)
    broken = any(
        solution.overlap_distribution(layer, kind).continuous_weight > 0.0
        for kind in kinds
        for layer in solid_layers(solution, kind)[1]
    )
    parts: list[Literal["deltas", "continuous"]] = (
        ["deltas", "continuous"] if broken else ["deltas"]
    )
    with style():
        figure = Figure(figsize=(4.5 * len(kinds), 3.2 * len(parts)), layout="constrained")
        grid = figure.subplots(len(parts), len(kinds), squeeze=False)
        for row, part in zip(grid, parts, strict=True):
            for ax, kind in zip(row, kinds, strict=True):
                distribution(solution, kind, part, ax)
        for ax in grid[0]:
            layer_legend(ax, solution)
        figure.suptitle(headline(solution))
    return figure


def save_distribution(solution: Solution, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write `distribution_figure` to ``path`` (.png, .pdf or .svg)."""
    return save_figure(distribution_figure(solution), path, overwrite=overwrite)
