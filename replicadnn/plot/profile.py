"""Wetting profiles: q_EA(l) and Q_EA(l) against the layer (the article's figure 4)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from replicadnn.errors import InputError
from replicadnn.plot.style import (
    BEYOND,
    closure_legend,
    closure_line,
    closure_words,
    closures_in_order,
    colour_bar,
    save_figure,
    sequence,
    style,
)
from replicadnn.solution import Solution

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LABELS = {
    "q": r"overlap of neurons  $q_{\mathrm{EA}}(l)$",
    "Q": r"overlap of couplings  $Q_{\mathrm{EA}}(l)$",
}
#: How the legend names a point.
_POINT = r"$\alpha = "
#: Above this number of points the curves get a colour bar instead of a legend.
_LEGEND_MAX = 10


def profile(
    solutions: Solution | Iterable[Solution],
    quantity: Literal["q", "Q"] = "q",
    ax: Axes | None = None,
    *,
    legend: bool = True,
) -> Axes:
    """Draw q_EA(l), l = 0..L, or Q_EA(l), l = 1..L, one curve a solution.

    Points that did not converge are left out, and the title says how many.  Dashed: beyond the
    counting bound.  Solutions of several closures at one alpha share their colour; markers are open
    for the averaged closure, filled (and the line another) for others.

    Parameters
    ----------
    solutions : Solution or iterable of Solution
    quantity : {"q", "Q"}
    ax : Axes, optional
        Where to draw; a new figure by default.
    legend : bool
        Name the curves by alpha (and branch, where it is not the continuous one).

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        Unknown ``quantity``, or no converged solution to draw.
    """
    if quantity not in _LABELS:
        raise InputError("quantity", quantity, "one of " + ", ".join(_LABELS))
    items = [solutions] if isinstance(solutions, Solution) else list(solutions)
    good = [s for s in items if s.converged]
    if not good:
        raise InputError("solutions", f"{len(items)} points", "at least one converged point")
    if ax is None:
        with style():
            ax = Figure(layout="constrained").subplots()
    closures = closures_in_order(s.problem.closure for s in good)
    curves = _curves(good)
    many = len(curves) > _LEGEND_MAX
    for curve, (colour, marker) in zip(curves, sequence(len(curves)), strict=True):
        for number, solution in enumerate(curve):
            values = solution.q_ea if quantity == "q" else solution.Q_ea
            layers = np.arange(solution.L + 1 - values.size, solution.L + 1)
            closure = closures.index(solution.problem.closure)
            ax.plot(
                layers, values, color=colour, marker="" if many else marker,
                label=None if number else _label(solution),
                markerfacecolor=colour if closure else "none", markevery=_every(values.size),
                linestyle="--" if solution.possible is False else closure_line(closure),
            )  # fmt: skip
    closure_legend(ax, closures)
    if any(s.possible is False for s in good):
        ax.plot([], [], color="0.35", linestyle="--", label=BEYOND)
    ax.set_xlabel(r"layer  $l$")
    ax.set_ylabel(_LABELS[quantity])
    ax.set_ylim(-0.03, 1.03)
    depth = max(s.L for s in good)
    ax.set_xlim(-0.02 * depth, 1.02 * depth)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    if len(good) < len(items):
        ax.set_title(f"{len(items) - len(good)} of {len(items)} points did not converge: not drawn")
    if many:
        colour_bar(ax, [f"{curve[0].alpha:.4g}" for curve in curves], r"$\alpha$")
        if legend:
            _short_legend(ax)
    elif legend:
        ax.legend(loc="upper center", ncols=2)
    return ax


def _curves(good: list[Solution]) -> list[list[Solution]]:
    """Solutions that share a colour: of several closures those at the same point."""
    if len({s.problem.closure for s in good}) == 1:
        return [[s] for s in good]
    together: dict[str, list[Solution]] = {}
    for s in good:
        together.setdefault(_label(s), []).append(s)
    return list(together.values())


def _short_legend(ax: Axes) -> None:
    """The entries that a colour bar does not replace."""
    found = list(zip(*ax.get_legend_handles_labels(), strict=True))
    shown = [pair for pair in found if not pair[1].startswith(_POINT)]
    if shown:
        ax.legend(*zip(*shown, strict=True))


def _label(solution: Solution) -> str:
    name = f"{_POINT}{solution.alpha:g}$"
    return name if solution.branch == "continuous" else f"{name} ({solution.branch})"


def _every(points: int) -> int:
    return max(1, points // 50)


def profile_figure(solutions: Solution | Iterable[Solution]) -> Figure:
    """Both profiles side by side: neurons left, couplings right, one legend."""
    items = [solutions] if isinstance(solutions, Solution) else list(solutions)
    with style():
        figure = Figure(figsize=(9.0, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=False)
        profile(items, "q", left, legend=False)
        profile(items, "Q", right, legend=False)
        _name_panels(figure, left, items)
    return figure


def _name_panels(figure: Figure, left: Any, items: list[Solution]) -> None:
    handles, labels = left.get_legend_handles_labels()
    if sum(label.startswith(_POINT) for label in labels) <= _LEGEND_MAX:
        figure.legend(handles, labels, loc="outside right upper")
    else:
        _short_legend(left)
    good = [s for s in items if s.converged]
    first = good[0].problem
    words = [str(first.scenario), f"ansatz {first.ansatz}", f"L = {first.L}"]
    words += closure_words(s.problem.closure for s in good)
    fewest, most = min(s.x.size - 1 for s in good), max(s.x.size - 1 for s in good)
    if most > 0:
        words.append(f"{most} levels" if fewest == most else f"{fewest} to {most} levels")
    if first.kappa != 0.0:
        words.append(rf"$\kappa$ = {first.kappa:g}")
    if np.isfinite(first.beta):
        words.append(rf"$\beta$ = {first.beta:g}")
    if first.potential is not None:
        words.append(f"potential {first.potential.name}")
    figure.suptitle(", ".join(words))


def save_profile(
    solutions: Solution | Iterable[Solution], path: str | Path, *, overwrite: bool = False
) -> Path:
    """Write `profile_figure` to ``path`` (.png, .pdf or .svg)."""
    return save_figure(profile_figure(solutions), path, overwrite=overwrite)
