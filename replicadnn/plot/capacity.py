"""Capacity alpha_J against depth or margin, with the counting bound."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from replicadnn.errors import InputError
from replicadnn.plot.notebook import Figure
from replicadnn.plot.style import (
    BEYOND,
    closure_words,
    closures_in_order,
    save_figure,
    sequence,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.questions.capacity import Capacity, CapacityPoint


def capacity(
    found: Capacity | Iterable[Capacity], ax: Axes | None = None, *, against: str | None = None
) -> Axes:
    """Draw alpha_J of one or several tables; an arrow stands for "no end found".

    Open markers: beyond the counting bound, where no network stores random data.

    Parameters
    ----------
    found : Capacity or iterable of Capacity
        E.g. the rs and the rsb table together.
    ax : Axes, optional
    against : {"L", "kappa"}, optional
        Abscissa; by default the one with more values.

    Raises
    ------
    InputError
        Unknown ``against``, or nothing to draw.
    """
    from replicadnn.questions.capacity import Capacity  # with the solvers

    tables = [found] if isinstance(found, Capacity) else list(found)
    points = [p for table in tables for p in table]
    closures = closures_in_order(table.closure for table in tables)
    if not points:
        raise InputError("found", "an empty table", "at least one point")
    if against is None:
        many = len({p.kappa for p in points}) > len({p.L for p in points})
        against = "kappa" if many else "L"
    if against not in ("L", "kappa"):
        raise InputError("against", against, "L or kappa")
    if ax is None:
        with style():
            ax = Figure(figsize=(4.8, 3.8), layout="constrained").subplots()
    other = "L" if against == "kappa" else "kappa"

    found_by: dict[tuple[str, int, float], list[CapacityPoint]] = {}
    for table in tables:
        for p in table:
            key = str(p.ansatz), closures.index(table.closure), float(getattr(p, other))
            found_by.setdefault(key, []).append(p)
    groups = sorted(found_by.items(), key=lambda group: group[0])
    top = 3.0 * max((p.alpha for p in points if math.isfinite(p.alpha)), default=1.0)
    several = len({key[2] for key, _ in groups}) > 1
    for (key, items), (colour, marker) in zip(groups, sequence(len(groups)), strict=True):
        _series(ax, sorted(items, key=lambda p: getattr(p, against)), against, top, colour, marker)
        name = key[0] + (f", {closures[key[1]]}" if len(closures) > 1 else "")
        name += rf", ${_symbol(other)} = {key[2]:g}$" if several else ""
        ax.plot([], [], color=colour, marker=marker, linestyle=":", linewidth=0.8, label=name)
    if any(p.possible is False for p in points):
        ax.plot(
            [], [], color="0.35", marker="o", markerfacecolor="none", linestyle="none", label=BEYOND
        )
    _frame(ax, points, against, other)
    words = closure_words(closures)
    if words:
        ax.set_title(", ".join([ax.get_title(), *words]))
    return ax


def _series(
    ax: Axes,
    items: list[CapacityPoint],
    against: str,
    top: float,
    colour: tuple[float, ...],
    marker: str,
) -> None:
    """Points of one ansatz and depth or margin; an arrow below ``top`` where there is no end."""
    from replicadnn.questions.capacity import End  # with the solvers

    x = np.array([getattr(p, against) for p in items], dtype=float)
    y = np.array([p.alpha for p in items])
    bars = np.array([p.uncertainty if math.isfinite(p.uncertainty) else 0.0 for p in items])
    ax.plot(x, y, color=colour, linestyle=":", linewidth=0.8)
    beyond = np.array([p.possible is False for p in items])
    open_end = np.isnan(y) & np.array([p.end is End.NO_END for p in items])
    for which, face in ((~beyond, colour), (beyond, "none")):
        shown = which & ~np.isnan(y)
        ax.errorbar(
            x[shown], y[shown], bars[shown], color=colour, marker=marker, markerfacecolor=face,
            capsize=2, linestyle="none",
        )  # fmt: skip
        shown = which & open_end
        if shown.any():
            ax.errorbar(
                x[shown], np.full(shown.sum(), 0.5 * top), 0.3 * top, lolims=True,
                color=colour, marker=marker, markerfacecolor=face, linestyle="none",
            )  # fmt: skip


def _frame(ax: Axes, points: list[CapacityPoint], against: str, other: str) -> None:
    """Counting bound, axes, title and legend."""
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
    fixed = sorted({getattr(p, other) for p in points})
    title = rf", ${_symbol(other)} = {fixed[0]:g}$" if len(fixed) == 1 else ""
    ax.set_title("random data" + title)
    ax.legend(loc="upper left" if against == "L" else "best")


def _symbol(name: str) -> str:
    return r"\kappa" if name == "kappa" else name


def save_capacity(
    found: Capacity | Iterable[Capacity], path: str | Path, *, overwrite: bool = False
) -> Path:
    """Write `capacity` to ``path`` (.png, .pdf or .svg)."""
    with style():
        figure = Figure(figsize=(4.8, 3.8), layout="constrained")
        capacity(found, figure.subplots())
    return save_figure(figure, path, overwrite=overwrite)
