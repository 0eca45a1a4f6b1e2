"""Parisi functions q(x, l), Q(x, l) of the solid layers: the "river terraces" (figure 5)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.figure import Figure

from replicadnn.errors import InputError
from replicadnn.plot.style import BEYOND, closure_words, save_figure, sequence, style
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

    So it is with closure averaged; with exact neurons order comes from the output alone.
    """
    return all(
        np.allclose(values, values[::-1], rtol=0.0, atol=1e-6)
        for values in (solution.q_ea, solution.Q_ea)
    )


def layer_legend(ax: Axes, solution: Solution) -> None:
    """Legend of curves that are layers, beside the axes: overlaps may lie anywhere in [0, 1].

    It says so where each layer stands for its mirror image, too.
    """
    title = "layer and\nmirror image" if mirrored(solution) else "layer"
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.0, title=title)


def parisi(solution: Solution, quantity: Literal["q", "Q"] = "q", ax: Axes | None = None) -> Axes:
    """Draw q(x, l) or Q(x, l) against x for the solid layers (of mirror images the first one).

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
    rows, solid = solid_layers(solution, quantity)
    if ax is None:
        with style():
            ax = Figure(layout="constrained").subplots()
    edges = np.append(solution.x, 1.0)
    for layer, (colour, marker) in zip(solid, sequence(len(solid)), strict=True):
        values = rows[layer]
        ax.stairs(values, edges, baseline=None, color=colour, linewidth=1.3)
        positive = values > 1e-12  # a zero overlap is zero to rounding only
        ax.plot(
            0.5 * (edges[1:] + edges[:-1])[positive], values[positive], linestyle="none",
            marker=marker, ms=3, color=colour, markerfacecolor="none", label=rf"$l = {layer}$",
        )  # fmt: skip
    ax.set_xlabel(r"$x$  (fraction of pairs with a smaller overlap)")
    name = "neurons" if quantity == "q" else "couplings"
    ax.set_ylabel(rf"overlap of {name}  ${quantity}(x, l)$")
    ax.set_xlim(0.0, 1.0)
    ax.set_ylim(-0.02, 1.02)
    layer_legend(ax, solution)
    return ax


def quantities(solution: Solution) -> list[Literal["q", "Q"]]:
    """What there is to draw: a single perceptron has no hidden neurons."""
    return ["q", "Q"] if solution.L > 1 else ["Q"]


def headline(solution: Solution) -> str:
    """One line: the point, the branch and the number of levels."""
    problem = solution.problem
    words = [f"{problem.scenario}", f"$L = {problem.L}$", rf"$\alpha = {problem.alpha:g}$"]
    words += closure_words([problem.closure])
    if problem.kappa != 0.0:
        words.append(rf"$\kappa = {problem.kappa:g}$")
    if np.isfinite(problem.beta):
        words.append(rf"$\beta = {problem.beta:g}$")
    if problem.potential is not None:
        words.append(f"potential {problem.potential.name}")
    levels = solution.x.size - 1
    count = f"{levels} level{'s' if levels > 1 else ''}" if levels else "replica symmetric"
    words += [f"{solution.branch} branch", count]
    if solution.possible is False:
        words.append(BEYOND)
    return ", ".join(words)


def parisi_figure(solution: Solution) -> Figure:
    """Neurons left, couplings right."""
    kinds = quantities(solution)
    with style():
        figure = Figure(figsize=(4.5 * len(kinds), 3.8), layout="constrained")
        for kind, ax in zip(kinds, figure.subplots(1, len(kinds), squeeze=False)[0], strict=True):
            parisi(solution, kind, ax)
        figure.suptitle(headline(solution))
    return figure


def save_parisi(solution: Solution, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write `parisi_figure` to ``path`` (.png, .pdf or .svg)."""
    return save_figure(parisi_figure(solution), path, overwrite=overwrite)
