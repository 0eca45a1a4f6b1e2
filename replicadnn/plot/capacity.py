"""Capacity alpha_J against depth or margin, with the counting bound."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from replicadnn.calls import of_kind
from replicadnn.errors import InputError
from replicadnn.plot.canvas import drawing, entitle, panels, place_legend
from replicadnn.plot.curves import asked
from replicadnn.plot.naming import BEYOND, Facts, Names, tell_apart
from replicadnn.plot.style import save_figure, sequence, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.questions.capacity import Capacity, CapacityPoint


@of_kind("Capacity", several=True)
def capacity(
    found: Capacity | Iterable[Capacity],
    ax: Axes | None = None,
    *,
    against: str | None = None,
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw alpha_J of one or several tables; an arrow stands for "no end found".

    Open markers: beyond the counting bound, where no network stores random data; the title says
    by how much.

    Parameters
    ----------
    found : Capacity or iterable of Capacity
        E.g. the rs and the rsb table together.
    ax : Axes, optional
    against : {"L", "kappa"}, optional
        Abscissa; by default the one with more values.
    legend : bool
        Give title and legend.
    **look
        As of `profile`; a list has one value for each ansatz, closure and depth or margin.

    Raises
    ------
    InputError
        Unknown ``against``, nothing to draw, or two answers to one question.
    """
    from replicadnn.questions.capacity import Capacity  # with the solvers

    tables = [found] if isinstance(found, Capacity) else list(found)
    points = [p for table in tables for p in table]
    if not points:
        raise InputError("found", "an empty table", "at least one point")
    if against is None:
        many = len({p.kappa for p in points}) > len({p.L for p in points})
        against = "kappa" if many else "L"
    if against not in ("L", "kappa"):
        raise InputError("against", against, "L or kappa")
    names, series = _by_name(tables, against)
    own = asked(look, len(series))
    with drawing(ax) as ax:
        top = 3.0 * max((p.alpha for p in points if math.isfinite(p.alpha)), default=1.0)
        for place, (colour, marker) in enumerate(sequence(len(series))):
            base: dict[str, Any] = {
                "color": colour,
                "marker": marker,
                "label": names.label(place) or "_one",
            }
            _draw(ax, series[place], against, top, base | own[place])
        _frame(ax, points, against)
        if legend:
            entitle(ax, ["random data", *names.title()], _notes(points))
            place_legend(ax)
    return ax


def _by_name(tables: list[Capacity], against: str) -> tuple[Names, list[list[CapacityPoint]]]:
    """Points of each ansatz, closure and depth or margin, by rising abscissa, and their names."""
    other = "L" if against == "kappa" else "kappa"
    series: dict[tuple[Any, ...], list[CapacityPoint]] = {}
    facts: dict[tuple[Any, ...], Facts] = {}
    for table in tables:
        for p in table:
            one = {"ansatz": str(p.ansatz), "closure": table.closure, other: getattr(p, other)}
            key = tuple(one.values())
            facts[key] = one
            same = [q for q in series.setdefault(key, []) if _at(q, against) == _at(p, against)]
            if same and same[0] != p:
                raise InputError(
                    "found", f"{against} = {_at(p, against):g}, twice", "one answer to a question"
                )
            series[key] += [] if same else [p]
    order = sorted(series)
    drawn = [sorted(series[key], key=lambda p: _at(p, against)) for key in order]
    return tell_apart([facts[key] for key in order], "found"), drawn


def _at(point: CapacityPoint, name: str) -> float:
    return float(getattr(point, name))


def _draw(
    ax: Axes, items: list[CapacityPoint], against: str, top: float, look: dict[str, Any]
) -> None:
    """Points of one ansatz and depth or margin; an arrow below ``top`` where there is no end."""
    from replicadnn.questions.capacity import End  # with the solvers

    x = np.array([_at(p, against) for p in items])
    y = np.array([p.alpha for p in items])
    bars = np.array([p.uncertainty if math.isfinite(p.uncertainty) else 0.0 for p in items])
    line: dict[str, Any] = {"linestyle": ":", "linewidth": 0.8} | look
    ax.plot([], [], **line)  # for the legend
    ax.plot(x, y, **line | {"marker": "", "label": None})
    markers = look | {"label": None, "linestyle": "none"}
    beyond = np.array([p.possible is False for p in items])
    open_end = np.isnan(y) & np.array([p.end is End.NO_END for p in items])
    for which, face in ((~beyond, look["color"]), (beyond, "none")):
        shown = which & ~np.isnan(y)
        looks = markers | {"markerfacecolor": face}
        ax.errorbar(x[shown], y[shown], bars[shown], capsize=2, **looks)
        shown = which & open_end
        if shown.any():
            arrows = np.full(shown.sum(), 0.5 * top)
            ax.errorbar(x[shown], arrows, 0.3 * top, lolims=True, **looks)
    if beyond.any() and not any(one.get_label() == BEYOND for one in ax.lines):
        ax.plot(
            [], [], color="0.35", marker="o", markerfacecolor="none", linestyle="none", label=BEYOND
        )


def _frame(ax: Axes, points: list[CapacityPoint], against: str) -> None:
    """Counting bound, and axes."""
    from replicadnn.theory.counting import counting_bound  # with the solvers

    if against == "L" and all(p.kappa >= 0.0 for p in points):
        depths = np.arange(1, max(p.L for p in points) + 1)
        ax.plot(
            depths, [counting_bound(int(L)) for L in depths], color="0.35", linestyle="--",
            linewidth=1.0, label=r"counting bound $H(1/\alpha) = \ln 2/L$",
        )  # fmt: skip
    ax.set_yscale("log")
    if against == "L":
        ax.set_xlabel(r"depth  $L$")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        ax.set_xlabel(r"margin  $\kappa$")
    ax.set_ylabel(r"capacity  $\alpha_{\mathrm{J}}$  (patterns per coupling)")


def _notes(points: list[CapacityPoint]) -> list[str]:
    """The worst of what no network can be."""
    beyond = [p for p in points if p.possible is False and math.isfinite(p.alpha)]
    if not beyond:
        return []
    worst = max(beyond, key=lambda p: p.alpha / p.bound)
    return [
        rf"open: no network ($L = {worst.L}$: $\alpha_{{\mathrm{{J}}}} = {worst.alpha:.4g}$, "
        rf"bound {worst.bound:.4g})"
    ]


def save_capacity(
    found: Capacity | Iterable[Capacity],
    path: str | Path,
    *,
    width: float | None = None,
    overwrite: bool = False,
    **look: Any,
) -> Path:
    """Write `capacity` to ``path`` (.png, .pdf or .svg); ``width`` in inches."""
    with style():
        figure, (ax,) = panels(1, width)
        capacity(found, ax, **look)
    return save_figure(figure, path, overwrite=overwrite)
