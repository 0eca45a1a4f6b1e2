"""Phase diagrams: one number of every point of a sweep against two of its parameters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from replicadnn.calls import of_kind
from replicadnn.errors import InputError
from replicadnn.plot import boundaries as lines
from replicadnn.plot.canvas import (
    drawing,
    entitle,
    few_decades,
    no_offset,
    panels,
    place_legend,
    span,
)
from replicadnn.plot.naming import BEYOND, Names
from replicadnn.plot.style import MARKERS, save_figure, style
from replicadnn.status import Branch, Status

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from replicadnn.plot.naming import Facts
    from replicadnn.sweeps.reader import Sweep

_LABELS = {
    "alpha": r"patterns per coupling  $\alpha$",
    "L": r"depth  $L$",
    "N": r"width  $N$",
    "kappa": r"margin  $\kappa$",
    "beta": r"inverse temperature  $\beta$",
    "free_entropy": r"free entropy  $s$",
    "eps_g": r"generalisation error  $\epsilon_{\mathrm{g}}$",
    "q_ea": r"overlap of neurons  $\langle q_{\mathrm{EA}} \rangle_l$",
    "Q_ea": r"overlap of couplings  $\langle Q_{\mathrm{EA}} \rangle_l$",
    "solid": "solid fraction of hidden layers",
    "residual": "residual of the map",
    "energy": "fraction of violated gaps",
    "R": r"overlap with the teacher  $\langle R \rangle_l$",
    "tau_J": r"longest relaxation time  $\max_l \tau_J$  (sweeps)",
    "tau_S": r"longest relaxation time  $\max_l \tau_S$  (sweeps)",
}
#: Parameters that must not differ but along the axes.
_FIXED = (
    "scenario", "ansatz", "closure", "sampler", "L", "N", "connectivity", "alpha", "kappa", "beta",
    "graph", "potential", "start",
)  # fmt: skip
#: Whole numbers further apart than this are drawn as markers, not as cells with gaps.
_MOST_ROWS = 60
#: Steps of a grid that are equal to this have cells; others are not a grid.
_EQUAL = 0.02
_HATCHES = ("", "////", "\\\\\\\\", "....", "++++", "oooo")


@dataclass(frozen=True)
class _Axis:
    """One axis: name, values of all points, whether logarithmic, borders of cells (or none)."""

    name: str
    values: NDArray[Any]
    log: bool
    edges: NDArray[np.float64] | None

    @property
    def single(self) -> bool:
        return len(np.unique(self.values)) == 1

    def cell(self, which: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Number of the cell of every point of ``which``."""
        assert self.edges is not None
        return np.searchsorted(self.edges, self.values[which].astype(float)) - 1


@dataclass(frozen=True)
class _Points:
    """The chosen points of a sweep: number to draw, which are good, branch and state."""

    value: NDArray[np.float64]
    good: NDArray[np.bool_]
    pending: NDArray[np.bool_]
    none: NDArray[np.bool_]
    branch: NDArray[np.int64]
    branches: list[str]
    solid: NDArray[np.float64]
    impossible: NDArray[np.bool_]


@of_kind("Sweep")
def diagram(
    sweep: Sweep,
    ax: Axes | None = None,
    *,
    quantity: str | None = None,
    x: str = "alpha",
    y: str = "L",
    boundaries: Iterable[Any] = (),
    legend: bool = True,
    cmap: Any = None,
    vmin: float | None = None,
    vmax: float | None = None,
    **fixed: Any,
) -> Axes:
    """Draw a number of the table over the (x, y) plane.

    On a grid (equal steps or ratios, whole numbers) every point is a cell that ends half-way to
    its neighbours; whole numbers that are missing leave a gap.  Points that are no grid are
    markers.  With one value of x or y the number is drawn against the other one.  Points where
    there is no solution are crosses, those that failed or did not converge +, pending ones dots.

    Branches are told apart by hatching (or markers); hatched too: beyond the counting bound.
    Boundaries are the computed ones, or else run between neighbouring cells whose branch differs
    or between which the first or last hidden layer becomes solid.

    Parameters
    ----------
    sweep : Sweep
    ax : Axes, optional
        Where to draw; a new figure by default.
    quantity, x, y : str
        Columns of the table that hold numbers; ``quantity`` is by default q_ea, of a simulation R.
    boundaries : iterable of Transitions, Stability or Capacity
        To draw as lines; they must be of the problem of the map.
    legend : bool
        Give title and legend.
    cmap, vmin, vmax
        As for `Axes.pcolormesh`.
    **fixed
        Entries that the points must have, e.g. ``kappa=0.0``; needed where the sweep has several
        values of another parameter.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        No such column, no converged point, several values of another parameter, or boundaries of
        another problem.
    """
    quantity = sweep.shown if quantity is None else quantity
    chosen = sweep.select(**fixed)
    if not chosen.size:
        raise InputError("fixed", fixed, sweep.entries(fixed))
    numbers = [n for n, column in sweep.table.items() if column.dtype.kind in "fi"]
    for argument, name in (("quantity", quantity), ("x", x), ("y", y)):
        if name not in numbers:
            raise InputError(argument, name, "a column of numbers: " + ", ".join(numbers))
    if x == y:
        raise InputError("y", y, "another column than x")
    shared = _shared(sweep, chosen, fixed, (x, y))
    points = _points(sweep, chosen, quantity, (x, y))
    axes = [_axis(name, sweep[name][chosen]) for name in (x, y)]
    drawn = list(boundaries)
    with drawing(ax) as ax:
        single = next((one for one in axes if one.single), None)
        if single is None:
            limits = span(points.value[points.good], vmin, vmax)
            entries = _plane(ax, axes, points, limits, cmap, _LABELS.get(quantity, quantity))
            if drawn:
                entries += lines.computed(ax, drawn, shared, (x, y))
            elif axes[0].edges is not None and axes[1].edges is not None:
                entries += _between(ax, axes, points)
            entries += _crosses(ax, axes, points)
        else:
            (free,) = [one for one in axes if one is not single] or [axes[0]]
            entries = _curve(ax, free, points, _LABELS.get(quantity, quantity))
            shared = {**shared, single.name: _plain(single.values[0])}
            if drawn:
                entries += lines.computed(ax, drawn, shared, (free.name, ""))
        if legend:
            entitle(ax, Names((shared,), ()).title())
            if entries:
                place_legend(ax, entries, inside=single is not None)
    return ax


def _shared(
    sweep: Sweep, chosen: NDArray[np.int64], fixed: dict[str, Any], axes: tuple[str, str]
) -> Facts:
    """Parameters that all points have; InputError where they have several values of one."""
    names = [n for n in _FIXED if n in sweep.table and n not in axes]
    values = {n: sweep[n][chosen] for n in names}
    if any(len({str(v) for v in found}) > 1 for found in values.values()):
        raise InputError("fixed", fixed, sweep.several(chosen, axes))
    shared = {name: _plain(found[0]) for name, found in values.items() if len(found)}
    return {n: None if n == "connectivity" and not value else value for n, value in shared.items()}


def _plain(value: Any) -> Any:
    """As Python has it; what is not there (no graph) as None."""
    found = value.item() if isinstance(value, np.generic) else value
    return None if found in ("", b"") else found


def _points(
    sweep: Sweep, chosen: NDArray[np.int64], quantity: str, axes: tuple[str, str]
) -> _Points:
    value = sweep[quantity][chosen].astype(float)
    good = sweep.converged[chosen] & np.isfinite(value)
    for name in axes:
        good &= np.isfinite(sweep[name][chosen])
    if not np.any(good):
        raise InputError("quantity", quantity, "at least one converged point that has this number")
    places = np.stack([sweep[name][chosen][good].astype(float) for name in axes])
    if np.unique(places, axis=1).shape[1] < places.shape[1]:
        raise InputError("fixed", "several points at one place", sweep.several(chosen, axes))
    has = sweep.table.__contains__
    branches, branch = [""], np.full(len(value), 0)
    if has("found_branch"):
        found = sweep["found_branch"][chosen]
        names = [_branch(b) if known else "" for b, known in zip(found, good, strict=True)]
        branches = sorted(set(names) - {""}, key=_branch_rank)
        branch = np.array([branches.index(b) if b else 0 for b in names])
    nothing = np.full(len(value), np.nan)
    return _Points(
        value, good, sweep.pending[chosen], sweep["status"][chosen] == Status.NO_SOLUTION,
        branch, branches,
        sweep["solid"][chosen].astype(float) if has("solid") else nothing,
        sweep["possible"][chosen] == 0 if has("possible") else np.full(len(value), False),
    )  # fmt: skip


def _branch(name: Any) -> str:
    """Name of a branch, of older files too."""
    return str(Branch(name.decode() if isinstance(name, bytes) else name))


def _branch_rank(name: str) -> tuple[bool, str]:
    return name != "continuous", name


def _axis(name: str, values: NDArray[Any]) -> _Axis:
    found = np.unique(values[np.isfinite(values)])
    log = _log(found.astype(float))
    return _Axis(name, values, log, _edges(found))


def _log(values: NDArray[np.float64]) -> bool:
    """Equal ratios, or more than two decades."""
    if values[0] <= 0 or len(values) < 2:
        return False
    ratios = values[1:] / values[:-1]
    equal = len(values) > 3 and bool(np.ptp(np.log(ratios)) < _EQUAL * np.log(ratios[0]))
    return equal or bool(values[-1] > 100 * values[0])


def _edges(values: NDArray[Any]) -> NDArray[np.float64] | None:
    """Borders of the cells of rising ``values``; None where they are no grid.

    Whole numbers: half a step around each, so that a missing one leaves a gap.  Others: half-way,
    if there are three at least with equal steps or equal ratios.
    """
    if values.dtype.kind == "i":
        low, high = int(values[0]), int(values[-1])
        return np.arange(low, high + 2, dtype=float) - 0.5 if high - low < _MOST_ROWS else None
    if len(values) < 3:
        return None
    if np.ptp(np.diff(values)) < _EQUAL * np.diff(values)[0]:
        return _half_way(values)
    if values[0] > 0.0:
        ratios = np.diff(np.log(values))
        if np.ptp(ratios) < _EQUAL * ratios[0]:
            return np.asarray(np.exp(_half_way(np.log(values))), float)
    return None


def _half_way(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Borders half-way between ``values``, and half a step beyond the first and the last."""
    middle = 0.5 * (values[1:] + values[:-1])
    ends = [2.0 * values[0] - middle[0]], [2.0 * values[-1] - middle[-1]]
    return np.concatenate([ends[0], middle, ends[1]])


def _plane(
    ax: Axes,
    axes: list[_Axis],
    points: _Points,
    limits: tuple[float, float],
    cmap: Any,
    label: str,
) -> list[Artist]:
    """Cells, or markers where the points are no grid, with the colour bar; legend entries."""
    across, up = axes
    colours: dict[str, Any] = {"vmin": limits[0], "vmax": limits[1], "cmap": cmap}
    for one, axis, scale in ((across, ax.xaxis, ax.set_xscale), (up, ax.yaxis, ax.set_yscale)):
        if one.log:
            scale("log")
            few_decades(axis)
        elif one.values.dtype.kind == "i":
            axis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel(_LABELS.get(across.name, across.name))
    ax.set_ylabel(_LABELS.get(up.name, up.name))
    if across.edges is None or up.edges is None:
        entries = _markers(ax, axes, points, colours)
    else:
        grid = np.full((len(up.edges) - 1, len(across.edges) - 1), np.nan)
        grid[up.cell(points.good), across.cell(points.good)] = points.value[points.good]
        ax.pcolormesh(
            across.edges, up.edges, np.ma.masked_invalid(grid), rasterized=True, **colours
        )
        entries = _hatched(ax, axes, points)
    bar = ax.figure.colorbar(ax.collections[0], ax=ax, label=label)
    no_offset(bar.ax.yaxis)
    return entries


def _markers(ax: Axes, axes: list[_Axis], points: _Points, colours: dict[str, Any]) -> list[Artist]:
    """Points that are no grid: one shape a branch."""
    entries: list[Artist] = []
    for number, name in enumerate(points.branches):
        mine = points.good & (points.branch == number)
        marker = MARKERS[(number + 1) % len(MARKERS)]
        x, y = (one.values[mine] for one in axes)
        ax.scatter(x, y, c=points.value[mine], marker=marker, s=16, linewidths=0.0, **colours)
        if len(points.branches) > 1:
            look: dict[str, Any] = {"linestyle": "none", "color": "0.35", "marker": marker}
            entries.append(Line2D([], [], label=f"{name} branch", **look))
    beyond = points.good & points.impossible
    if beyond.any():
        entries += ax.plot(
            *(one.values[beyond] for one in axes), linestyle="none", color="0.35", marker="o",
            markerfacecolor="none", markersize=7, label=BEYOND,
        )  # fmt: skip
    return entries


def _hatched(ax: Axes, axes: list[_Axis], points: _Points) -> list[Artist]:
    """Hatch the cells of every branch but the first, and those beyond the counting bound."""
    groups = [
        (f"{name} branch", points.good & (points.branch == number))
        for number, name in enumerate(points.branches)
    ][1:]
    groups += [(BEYOND, points.good & points.impossible)]
    entries: list[Artist] = []
    for number, (label, which) in enumerate(groups, start=1):
        if which.any():
            look: dict[str, Any] = {"hatch": _HATCHES[number % len(_HATCHES)], "linewidth": 0.0}
            boxes = [_box(axes, i, j) for i, j in zip(*_cells(axes, which), strict=True)]
            ax.add_collection(
                PatchCollection(boxes, facecolor="none", edgecolor="white", **look), autolim=False
            )
            entries.append(Patch(facecolor="0.6", edgecolor="white", label=label, **look))
    return entries


def _cells(axes: list[_Axis], which: NDArray[np.bool_]) -> tuple[NDArray[np.int64], ...]:
    """(row, column) of the cells of these points."""
    return axes[1].cell(which), axes[0].cell(which)


def _box(axes: list[_Axis], row: int, column: int) -> Rectangle:
    x, y = axes[0].edges, axes[1].edges
    assert x is not None
    assert y is not None
    corner = (float(x[column]), float(y[row]))
    return Rectangle(corner, float(x[column + 1]) - corner[0], float(y[row + 1]) - corner[1])


def _between(ax: Axes, axes: list[_Axis], points: _Points) -> list[Artist]:
    """Boundaries between neighbouring cells."""
    x, y = axes[0].edges, axes[1].edges
    assert x is not None
    assert y is not None
    branch = np.full((len(y) - 1, len(x) - 1), -1)
    solid = np.full(branch.shape, np.nan)
    cells = _cells(axes, points.good)
    branch[cells] = points.branch[points.good]
    solid[cells] = points.solid[points.good]
    return lines.between(ax, (x, y), branch, solid)


def _crosses(ax: Axes, axes: list[_Axis], points: _Points) -> list[Artist]:
    """Points without a number."""
    entries: list[Artist] = []
    for label, marker, which in (
        ("no solution", "x", points.none),
        ("not converged", "+", ~points.good & ~points.pending & ~points.none),
        ("pending", ".", points.pending),
    ):
        if np.any(which):
            entries += ax.plot(
                *(one.values[which] for one in axes), marker, color="0.35", label=label,
                linestyle="none",
            )  # fmt: skip
    return entries


def _curve(ax: Axes, free: _Axis, points: _Points, label: str) -> list[Artist]:
    """The number against the one parameter that has several values; a line along each branch."""
    entries: list[Artist] = []
    order = np.argsort(free.values)
    for number, name in enumerate(points.branches):
        value = np.where(points.good & (points.branch == number), points.value, np.nan)
        face = "black" if number == 0 else "none"
        entries += ax.plot(
            free.values[order], value[order], color="black", marker=MARKERS[number % len(MARKERS)],
            markerfacecolor=face, linestyle="-" if number == 0 else ":", label=f"{name} branch",
        )  # fmt: skip
    if len(points.branches) == 1:
        entries.clear()
    beyond = points.good & points.impossible
    if beyond.any():
        look: dict[str, Any] = {
            "linestyle": "none",
            "color": "0.35",
            "marker": "x",
            "label": BEYOND,
        }
        entries += ax.plot(free.values[beyond], points.value[beyond], **look)
    missing = int(np.count_nonzero(~points.good))
    if missing:
        text = f"{missing} of {points.good.size} points have no number"
        entries += ax.plot([], [], linestyle="none", label=text)
    if free.log:
        ax.set_xscale("log")
        few_decades(ax.xaxis)
    ax.set_xlabel(_LABELS.get(free.name, free.name))
    ax.set_ylabel(label)
    return entries


def save_diagram(
    sweep: Sweep,
    path: str | Path,
    *,
    width: float | None = None,
    overwrite: bool = False,
    **options: Any,
) -> Path:
    """Draw `diagram` (``options`` are its arguments) and write it (.png, .pdf, .svg)."""
    with style():
        figure, (ax,) = panels(1, width, height=0.8)
        diagram(sweep, ax, **options)
        return save_figure(figure, path, overwrite=overwrite)
