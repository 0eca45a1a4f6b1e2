"""Distance of nearest neighbours against the number of points: the dimension of data."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from replicadnn.plot.canvas import drawing, entitle, few_decades, place_legend
from replicadnn.plot.curves import asked
from replicadnn.plot.naming import several
from replicadnn.plot.style import line_of, save_figure, sequence, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.curves import EffectiveDimension


def effective_dimension(
    found: EffectiveDimension | Iterable[EffectiveDimension],
    ax: Axes | None = None,
    *,
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw <delta_min> against n with bars over groups of points, and the straight line of its fit.

    Parameters
    ----------
    found : EffectiveDimension or iterable of EffectiveDimension
    ax : Axes, optional
    legend : bool
        Give title and legend.
    **look
        Of the markers, as of `profile`; a list has one value for each result.

    Raises
    ------
    InputError
        Nothing to draw.
    """
    results = several(found)
    own = asked(look, len(results))
    with drawing(ax) as ax:
        for place, (colour, marker) in enumerate(sequence(len(results))):
            one = results[place]
            n, y = one.sizes, one.distance
            bars = one.distances.std(axis=0, ddof=1) / math.sqrt(len(one.distances))
            label = f"$d = {one.dimension:.3g} \\pm {one.error:.1g}$, TwoNN ${one.two_nn:.3g}$"
            base: dict[str, Any] = {
                "color": colour, "marker": marker, "linestyle": "none", "markersize": 4,
                "label": f"{one.points} points of {one.features}: {label}",
            }  # fmt: skip
            ax.errorbar(n, y, bars, **base | own[place])
            fit = np.exp(np.log(y).mean() - (np.log(n) - np.log(n).mean()) / one.dimension)
            ax.plot(n, fit, color=own[place].get("color", colour), linestyle=line_of(place))
        ax.set_xscale("log")
        ax.set_yscale("log")
        few_decades(ax.xaxis)
        few_decades(ax.yaxis)
        metrics = dict.fromkeys(one.metric for one in results)
        ax.set_xlabel("points  $n$")
        ax.set_ylabel(r"nearest neighbour  $\langle\delta_{\min}\rangle$")
        if legend:
            entitle(ax, [f"{metric} distance" for metric in metrics])
            place_legend(ax)
    return ax


def save_effective_dimension(
    found: EffectiveDimension | Iterable[EffectiveDimension],
    path: str | Path,
    *,
    width: float | None = None,
    overwrite: bool = False,
    **look: Any,
) -> Path:
    """Write the figure to ``path`` (.png, .pdf or .svg)."""
    from replicadnn.plot.canvas import panels

    with style():
        figure, (ax,) = panels(1, width)
        effective_dimension(found, ax, **look)
    return save_figure(figure, path, overwrite=overwrite)
