"""Phase diagrams: one number of every point of a sweep against two of its parameters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from replicadnn.errors import InputError
from replicadnn.plot.notebook import Figure
from replicadnn.plot.style import closure_words, save_figure, style
from replicadnn.problem import AVERAGED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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


def diagram(
    sweep: Sweep,
    quantity: str = "q_ea",
    x: str = "alpha",
    y: str = "L",
    ax: Axes | None = None,
    **fixed: Any,
) -> Axes:
    """Draw a number of the table over the (x, y) plane, each point a cell.

    Points that failed or did not converge are crosses, pending ones dots, cells without a point
    stay empty.  Axes with equal ratios, or over more than two decades, are logarithmic.

    Parameters
    ----------
    sweep : Sweep
    quantity, x, y : str
        Columns of the table that hold numbers.
    ax : Axes, optional
        Where to draw; a new figure by default.
    fixed :
        Entries that the points must have, e.g. ``kappa=0.0``; needed where the sweep has several
        values of another parameter.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        No such column, no converged point, or several points in one cell.
    """
    chosen = sweep.select(**fixed)
    columns = {name: sweep[name][chosen] for name in (quantity, x, y)}
    for name, values in columns.items():
        if values.dtype.kind not in "fi":
            numbers = [n for n, c in sweep.table.items() if c.dtype.kind in "fi"]
            raise InputError("column", name, "a column of numbers: " + ", ".join(numbers))
    good = sweep.converged[chosen] & np.isfinite(columns[quantity])
    good &= np.isfinite(columns[x]) & np.isfinite(columns[y])
    if not np.any(good):
        raise InputError("quantity", quantity, "at least one converged point that has this number")
    edges, places = {}, {}
    for name in (x, y):
        values, place = np.unique(columns[name], return_inverse=True)
        values, place = values[np.isfinite(values)], np.minimum(place, len(values) - 1)
        edges[name], places[name] = (_edges(values), _log(values)), place
    shape = (len(edges[y][0]) - 1, len(edges[x][0]) - 1)
    cells = places[y][good] * shape[1] + places[x][good]
    if len(np.unique(cells)) != len(cells):
        raise InputError("fixed", dict(fixed), sweep.several(chosen, (x, y)))
    grid = np.full(shape, np.nan)
    grid.ravel()[cells] = columns[quantity][good]
    if ax is None:
        ax = Figure(layout="constrained").add_subplot()
    mesh = ax.pcolormesh(edges[x][0], edges[y][0], np.ma.masked_invalid(grid), rasterized=True)
    figure = ax.figure
    figure.colorbar(mesh, ax=ax, label=_LABELS.get(quantity, quantity))
    pending = sweep.pending[chosen]
    for label, marker, which in (
        ("not converged", "x", ~good & ~pending),
        ("pending", ".", pending),
    ):
        if np.any(which):
            ax.plot(
                columns[x][which], columns[y][which], marker, color="0.35", markersize=3,
                linestyle="none", label=label,
            )  # fmt: skip
    if np.any(~good):
        ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
    ax.set_title(_headline(sweep, chosen), loc="left", fontsize="medium")
    for name, scale, axis in ((x, ax.set_xscale, ax.xaxis), (y, ax.set_yscale, ax.yaxis)):
        if edges[name][1]:
            scale("log")
        elif columns[name].dtype.kind == "i":
            axis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel(_LABELS.get(x, x))
    ax.set_ylabel(_LABELS.get(y, y))
    return ax


def _headline(sweep: Sweep, chosen: NDArray[Any]) -> str:
    """What all points share: scenario, ansatz; closure, margin and temperature if not usual."""
    words = []
    usual = {"scenario": None, "ansatz": None, "closure": AVERAGED, "kappa": 0.0, "beta": np.inf}
    for name, default in usual.items():
        if name not in sweep.table:
            continue
        values = np.unique(sweep[name][chosen])
        if len(values) == 1 and values[0] != default:
            value = values[0]
            symbol = {"kappa": r"$\kappa$", "beta": r"$\beta$"}.get(name)
            if name == "closure":
                words += closure_words([str(value)])
            else:
                words.append(str(value) if symbol is None else f"{symbol} = {value:g}")
    return ", ".join(words)


def _log(values: NDArray[Any]) -> bool:
    if values[0] <= 0:
        return False
    ratios = values[1:] / values[:-1]
    equal = len(values) > 3 and bool(np.ptp(ratios) < 1e-6 * ratios[0])
    return equal or bool(values[-1] > 100 * values[0])


def _edges(values: NDArray[Any]) -> NDArray[np.float64]:
    """Borders half-way between the values (geometrically, where the axis is logarithmic).

    Positive values have no border below 0.
    """
    values = values.astype(float)
    if len(values) == 1:
        return np.array([values[0] - 0.5, values[0] + 0.5])
    scaled = np.log(values) if _log(values) else values
    middle = 0.5 * (scaled[1:] + scaled[:-1])
    all_edges = np.concatenate([[2 * scaled[0] - middle[0]], middle, [2 * scaled[-1] - middle[-1]]])
    if _log(values):
        all_edges = np.exp(all_edges)
    elif values[0] > 0.0:
        all_edges[0] = max(all_edges[0], 0.0)
    return all_edges


def save_diagram(
    sweep: Sweep,
    path: str | Path,
    quantity: str = "q_ea",
    x: str = "alpha",
    y: str = "L",
    *,
    overwrite: bool = False,
    **fixed: Any,
) -> Path:
    """Draw `diagram` in the shipped style and write it (.png, .pdf, .svg)."""
    with style():
        figure = Figure(layout="constrained")
        diagram(sweep, quantity, x, y, figure.add_subplot(), **fixed)
        return save_figure(figure, path, overwrite=overwrite)
