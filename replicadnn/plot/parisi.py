"""Parisi functions q(x, l), Q(x, l) of the solid layers: the "river terraces" (figure 5)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.figure import Figure

from replicadnn.errors import InputError
from replicadnn.plot.style import save_figure, sequence, style
from replicadnn.solution import Solution

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def parisi(solution: Solution, quantity: Literal["q", "Q"] = "q", ax: Axes | None = None) -> Axes:
    """Draw q(x, l) or Q(x, l) against x for the solid layers of the first half of the network.

    The K + 1 levels are drawn as what they are, steps between breakpoints; where the breaking is
    continuous their width falls as 1/K.

    Parameters
    ----------
    solution : Solution
        A converged solution.
    quantity : {"q", "Q"}
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        Not converged, nothing solid to draw, or an unknown ``quantity``.
    """
    if quantity not in ("q", "Q"):
        raise InputError("quantity", quantity, "one of q, Q")
    if not solution.converged:
        raise InputError("solution", str(solution.status), "a converged solution")
    rows = solution.q if quantity == "q" else solution.Q
    last = solution.L // 2 if quantity == "q" else (solution.L + 1) // 2
    first = 1 if quantity == "q" else 0
    solid = [i for i in range(first, last + 1 - (1 - first)) if rows[i, -1] > 0.0]
    if not solid:
        raise InputError("solution", f"alpha = {solution.alpha:g}", "at least one solid layer")
    if ax is None:
        with style():
            ax = Figure(layout="constrained").subplots()
    edges = np.append(solution.x, 1.0)
    for i, (colour, marker) in zip(solid, sequence(len(solid)), strict=True):
        layer = i + 1 - first
        ax.stairs(rows[i], edges, baseline=None, color=colour, linewidth=1.3)
        ax.plot(
            0.5 * (edges[1:] + edges[:-1]), rows[i], linestyle="none", marker=marker, ms=3,
            color=colour, markerfacecolor="none", label=rf"$l = {layer}$",
        )  # fmt: skip
    ax.set_xlabel(r"$x$  (fraction of pairs with a smaller overlap)")
    name = "neurons" if quantity == "q" else "couplings"
    ax.set_ylabel(rf"overlap of {name}  ${quantity}(x, l)$")
    ax.set_xlim(0.0, 1.0)
    ax.set_ylim(-0.02, 1.02)
    ax.legend(loc="best", title="layer")
    return ax


def parisi_figure(solution: Solution) -> Figure:
    """Neurons left, couplings right."""
    with style():
        figure = Figure(figsize=(9.0, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        parisi(solution, "q", left)
        parisi(solution, "Q", right)
        problem = solution.problem
        figure.suptitle(
            rf"{problem.scenario}, L = {problem.L}, $\alpha$ = {problem.alpha:g}, "
            f"{solution.branch} branch, {solution.x.size - 1} levels"
        )
    return figure


def save_parisi(solution: Solution, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write `parisi_figure` to ``path`` (.png, .pdf or .svg)."""
    return save_figure(parisi_figure(solution), path, overwrite=overwrite)
