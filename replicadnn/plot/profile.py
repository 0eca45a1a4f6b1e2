"""Wetting profiles: q_EA(l) and Q_EA(l) against the layer (the article's figure 4)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.ticker import MaxNLocator

from replicadnn.calls import of_kind
from replicadnn.errors import InputError
from replicadnn.plot.canvas import drawing, entitle, figure_legend, panels, place_legend
from replicadnn.plot.curves import Curve, draw
from replicadnn.plot.naming import Names, facts_of, levels_words, objections
from replicadnn.plot.notebook import Figure
from replicadnn.plot.style import save_figure, style
from replicadnn.solution import Solution

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_QUANTITIES: tuple[Literal["q"], Literal["Q"]] = ("q", "Q")
_LABELS = {
    "q": r"overlap of neurons  $q_{\mathrm{EA}}(l)$",
    "Q": r"overlap of couplings  $Q_{\mathrm{EA}}(l)$",
}


@of_kind("Solution", several=True)
def profile(
    solutions: Solution | Iterable[Solution],
    ax: Axes | None = None,
    *,
    quantity: Literal["q", "Q"] = "q",
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw q_EA(l), l = 0..L, or Q_EA(l), l = 1..L, one curve a solution.

    The solutions may be of different problems, also over several calls with one ``ax``: the title
    says what all curves share, the legend what differs, alpha by colour, the closure by line, and
    everything else by marker.  Dashed: beyond the counting bound.  The title also says how many
    points did not converge (they are not drawn), and where another branch that was found has
    larger s.

    Parameters
    ----------
    solutions : Solution or iterable of Solution
    ax : Axes, optional
        Where to draw; a new figure, as wide as a column of a journal, by default.
    quantity : {"q", "Q"}
    legend : bool
        Give title and legend.
    **look
        Of the curves, as for `Axes.plot` (color, linestyle, marker, label, ...); a list has one
        value a curve.  A label replaces the name of its curve.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        Unknown ``quantity``, no converged solution to draw, or curves that cannot be told apart.
    """
    with drawing(ax) as ax:
        names, notes = _draw(solutions, ax, quantity, look)
        if legend:
            entitle(ax, names, notes)
            place_legend(ax)
    return ax


def _draw(
    solutions: Solution | Iterable[Solution],
    ax: Axes,
    quantity: str,
    look: dict[str, Any],
) -> tuple[list[str], list[str]]:
    """The curves; words of the title, and what it must say beside."""
    if quantity not in _LABELS:
        raise InputError("quantity", quantity, "one of " + ", ".join(_LABELS))
    items = [solutions] if isinstance(solutions, Solution) else list(solutions)
    good = [s for s in items if s.converged]
    if not good:
        raise InputError("solutions", f"{len(items)} points", "at least one converged point")
    found = draw(ax, [_curve(s, quantity) for s in good], "solutions", look)
    ax.set_xlabel(r"layer  $l$")
    ax.set_ylabel(_LABELS[quantity])
    ax.set_ylim(-0.03, 1.03)
    depth = max(one["L"] for one in found.facts)
    ax.set_xlim(-0.02 * depth, 1.02 * depth)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    notes = objections(good)
    if len(good) < len(items):
        notes.append(f"{len(items) - len(good)} of {len(items)} points did not converge: not drawn")
    return _title(found), notes


def _curve(solution: Solution, quantity: str) -> Curve:
    values = solution.q_ea if quantity == "q" else solution.Q_ea
    layers = np.arange(solution.L + 1 - values.size, solution.L + 1)
    return Curve(facts_of(solution), layers, values, solution.possible)


def _title(names: Names) -> list[str]:
    """What is shared, and the levels of broken symmetry as a range where they differ."""
    words = names.title()
    levels = [one["levels"] for one in names.facts]
    told = "levels" in names.differing or "ansatz" in names.differing
    return words + (levels_words(levels) if len(set(levels)) > 1 and not told else [])


@of_kind("Solution", several=True)
def profile_figure(
    solutions: Solution | Iterable[Solution], *, width: float | None = None, **look: Any
) -> Figure:
    """Both profiles, neurons and couplings, with one legend; ``width``: see `panels`."""
    items = [solutions] if isinstance(solutions, Solution) else list(solutions)
    with style():
        figure, axes = panels(2, width)
        for kind, ax in zip(_QUANTITIES, axes, strict=True):
            words, notes = _draw(items, ax, kind, look)
        figure_legend(figure, axes[0].get_legend_handles_labels()[0])
        entitle(figure, words, notes)
    return figure


def save_profile(
    solutions: Solution | Iterable[Solution],
    path: str | Path,
    *,
    quantity: Literal["q", "Q"] | None = None,
    width: float | None = None,
    overwrite: bool = False,
    **look: Any,
) -> Path:
    """Write `profile_figure`, or one ``quantity`` alone, to ``path`` (.png, .pdf or .svg)."""
    if quantity is None:
        return save_figure(
            profile_figure(solutions, width=width, **look), path, overwrite=overwrite
        )
    with style():
        figure, (ax,) = panels(1, width)
        profile(solutions, ax, quantity=quantity, **look)
    return save_figure(figure, path, overwrite=overwrite)
