"""Distance of nearest neighbours against the number of points: the dimension of data."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import NullFormatter

from replicadnn.plot.canvas import drawing, entitle, few_decades, panels, place_legend
from replicadnn.plot.curves import asked
from replicadnn.plot.naming import several
from replicadnn.plot.style import line_of, save_figure, sequence, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.curves import EffectiveDimension
    from replicadnn.plot.notebook import Figure


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
            base: dict[str, Any] = {
                "color": colour, "marker": marker, "linestyle": "none", "markersize": 4,
                "label": f"{one.points} points of {one.features}: "
                f"$d = {_told(one.dimension, one.error)}$, "
                f"TwoNN ${_told(one.two_nn, one.two_nn_error)}$",
            }  # fmt: skip
            ax.errorbar(n, y, bars, **base | own[place])
            fit = np.exp(np.log(y).mean() - (np.log(n) - np.log(n).mean()) / one.dimension)
            ax.plot(n, fit, color=own[place].get("color", colour), linestyle=line_of(place))
        ax.set_xscale("log")
        ax.set_yscale("log")
        largest = max((one.sizes for one in results), key=lambda sizes: int(sizes[-1]))
        shown = largest[::-2]
        ax.set_xticks(shown, [str(n) for n in shown])
        ax.xaxis.set_minor_formatter(NullFormatter())
        few_decades(ax.yaxis)
        metrics = dict.fromkeys(one.metric.capitalize() for one in results)
        ax.set_xlabel("points  $n$")
        ax.set_ylabel(r"nearest neighbour  $\langle\delta_{\min}\rangle$")
        if legend:
            entitle(ax, [f"{one} distance" for one in metrics])
            place_legend(ax)
    return ax


def _told(value: float, error: float) -> str:
    """2.003(13): the error in units of the last digit, of two digits."""
    if not math.isfinite(value):
        return r"\mathrm{none}"
    if not math.isfinite(error) or error <= 0.0:
        return f"{value:.3g}"
    digits, power = f"{error:.1e}".split("e")
    places = max(0, 1 - int(power))
    return f"{value:.{places}f}({float(digits) * 10.0 ** (int(power) + places):.0f})"


def effective_dimension_figure(
    found: EffectiveDimension | Iterable[EffectiveDimension],
    *,
    width: float | None = None,
    **look: Any,
) -> Figure:
    """`effective_dimension`, a panel a metric: their distances have no common unit."""
    results = several(found)
    own = asked(look, len(results))
    metrics = sorted({one.metric for one in results})
    with style():
        figure, axes = panels(len(metrics), width)
        for ax, metric in zip(axes, metrics, strict=True):
            chosen = [k for k, one in enumerate(results) if one.metric == metric]
            words: dict[str, Any] = {name: [own[k].get(name) for k in chosen] for name in own[0]}
            effective_dimension([results[k] for k in chosen], ax, **words)
    return figure


def save_effective_dimension(
    found: EffectiveDimension | Iterable[EffectiveDimension],
    path: str | Path,
    *,
    width: float | None = None,
    overwrite: bool = False,
    **look: Any,
) -> Path:
    """Write `effective_dimension_figure` to ``path`` (.png, .pdf or .svg); ``width`` in inches."""
    figure = effective_dimension_figure(found, width=width, **look)
    return save_figure(figure, path, overwrite=overwrite)
