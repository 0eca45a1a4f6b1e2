"""Kernels of random, infinitely wide networks against the correlation of their inputs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from replicadnn.errors import InputError
from replicadnn.plot.canvas import (
    drawing,
    entitle,
    place_legend,
    side_by_side,
)
from replicadnn.plot.curves import asked
from replicadnn.plot.naming import Names, several, tell_apart
from replicadnn.plot.style import line_of, save_figure, sequence, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.plot.notebook import Figure
    from replicadnn.wide import Kernels

#: What may be drawn, and its name on the axis.
_KERNELS = {"nngp": "NNGP  $K^L$", "ntk": r"NTK  $\Theta^L$"}


def kernels(
    found: Kernels | Iterable[Kernels],
    ax: Axes | None = None,
    *,
    quantity: str = "ntk",
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw a kernel against the correlation of the two inputs, of one or several results.

    Lines: pairs of given correlations; dots: pairs of given inputs; markers with bars: drawn
    networks, where the result has them.

    Parameters
    ----------
    found : Kernels or iterable of Kernels
    ax : Axes, optional
    quantity : {"ntk", "nngp"}
    legend : bool
        Give title and legend.
    **look
        As of `profile`; a list has one value for each result.

    Raises
    ------
    InputError
        Nothing to draw, or two results that cannot be told apart.
    """
    results = several(found)
    if quantity not in _KERNELS:
        raise InputError("quantity", quantity, "one of " + ", ".join(_KERNELS))
    names = _names(results)
    own = asked(look, len(results))
    with drawing(ax) as ax:
        for place, (colour, marker) in enumerate(sequence(len(results))):
            base: dict[str, Any] = {
                "color": colour, "linestyle": line_of(place), "label": names.label(place) or "_one",
            }  # fmt: skip
            _draw(ax, results[place], quantity, marker, base | own[place])
        ax.set_xlabel(r"correlation of the inputs  $c^0$")
        ax.set_ylabel(_KERNELS[quantity])
        if legend:
            entitle(ax, names.title(), _notes(results))
            place_legend(ax)
    return ax


def _draw(ax: Axes, one: Kernels, quantity: str, marker: str, look: dict[str, Any]) -> None:
    at = slice(None) if one.overlap.ndim == 1 else np.triu_indices(len(one.overlap))
    c, value = one.correlation[at], getattr(one, quantity)[at]
    order = np.argsort(c)
    dots = {} if one.overlap.ndim == 1 else {"linestyle": "none", "marker": ".", "markersize": 3.0}
    ax.plot(c[order], value[order], **look | dots)
    drawn = getattr(one, f"drawn_{quantity}")
    if len(drawn):
        drawn = drawn[(slice(None), *at)] if isinstance(at, tuple) else drawn
        error = drawn.std(axis=0, ddof=1) / np.sqrt(len(drawn)) if len(drawn) > 1 else None
        ax.errorbar(
            c, drawn.mean(axis=0), error, color=look["color"], marker=marker, markersize=3.0,
            linestyle="none", capsize=1.5, label="_drawn",
        )  # fmt: skip


def _names(results: list[Kernels]) -> Names:
    keys = ("activation", "L", "sigma_w2", "sigma_b2")
    facts = [{k: getattr(one, k) for k in keys} for one in results]
    for fact, one in zip(facts, results, strict=True):
        fact["q0"] = one.q0 if np.isfinite(one.q0) else 1.0
    return tell_apart(facts, "found")


def _notes(results: list[Kernels]) -> list[str]:
    widths = sorted({one.M for one in results if one.networks})
    if not widths:
        return []
    return [f"markers: drawn networks of width {', '.join(str(M) for M in widths)}"]


def kernels_figure(found: Kernels | Iterable[Kernels], *, width: float | None = None) -> Figure:
    """Both kernels of one or several results, side by side (of sign networks the first alone)."""
    results = several(found)
    shown = ["nngp", "ntk"] if any(np.isfinite(one.ntk).any() for one in results) else ["nngp"]

    def draw(ax: Axes, quantity: str) -> None:
        kernels(results, ax, quantity=quantity, legend=False)

    with style():
        figure, _ = side_by_side(draw, shown, width, _names(results).title(), _notes(results))
    return figure


def save_kernels(
    found: Kernels | Iterable[Kernels],
    path: str | Path,
    *,
    width: float | None = None,
    overwrite: bool = False,
) -> Path:
    """Write `kernels_figure` to ``path`` (.png, .pdf or .svg); ``width`` in inches."""
    return save_figure(kernels_figure(found, width=width), path, overwrite=overwrite)
