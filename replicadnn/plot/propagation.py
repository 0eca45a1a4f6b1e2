"""Correlations and gradients of random networks against the layer: theory, and drawn networks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from replicadnn.calls import of_kind
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
    from replicadnn.wide import Propagation

_LABELS = {
    "q": r"variance  $q^l$",
    "c": r"correlation  $c^l$",
    "log_gradient": r"gradient  $\ln |\partial f/\partial h^l|^2$",
}


@of_kind("Propagation", several=True)
def propagation(
    found: Propagation | Iterable[Propagation],
    ax: Axes | None = None,
    *,
    quantity: str = "c",
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw c^l, q^l or ``ln |df/dh^l|^2`` of one or several results against the layer.

    Lines: infinite width; markers with bars: drawn networks, where the result has them; dotted:
    the fixed point c*.

    Parameters
    ----------
    found : Propagation or iterable of Propagation
    ax : Axes, optional
    quantity : {"c", "q", "log_gradient"}
    legend : bool
        Give title and legend.
    **look
        As of `profile`; a list has one value for each result.

    Raises
    ------
    InputError
        Unknown ``quantity``, nothing to draw, or two results that cannot be told apart.
    """
    if quantity not in _LABELS:
        raise InputError("quantity", quantity, "one of " + ", ".join(_LABELS))
    results = several(found)
    names = _names(results)
    own = asked(look, len(results))
    with drawing(ax) as ax:
        for place, (colour, marker) in enumerate(sequence(len(results))):
            one = results[place]
            y = getattr(one, quantity)
            if np.isnan(y).all():
                continue
            layer = np.arange(1, one.L + 1)
            base: dict[str, Any] = {
                "color": colour, "linestyle": line_of(place), "label": names.label(place) or "_one",
            }  # fmt: skip
            colour = own[place].get("color", colour)
            ax.plot(layer, y, **base | own[place])
            if quantity == "c" and np.isfinite(one.c_star):
                ax.axhline(one.c_star, color=colour, linestyle=":", linewidth=0.6)
            if one.measured is not None:
                every = slice(None, None, max(1, one.L // 25))
                ax.errorbar(
                    layer[every], one.measured.mean(quantity)[every],
                    np.nan_to_num(one.measured.error(quantity))[every], color=colour,
                    marker=marker, markersize=3.0, linestyle="none", capsize=1.5, label="_drawn",
                )  # fmt: skip
        ax.set_xlabel(r"layer  $l$")
        ax.set_ylabel(_LABELS[quantity])
        if legend:
            entitle(ax, names.title(), _notes(results))
            place_legend(ax)
    return ax


@of_kind("Propagation", several=True)
def propagation_figure(
    found: Propagation | Iterable[Propagation], *, width: float | None = None, **look: Any
) -> Figure:
    """c^l beside ``ln |df/dh^l|^2``; see `propagation`."""
    results = several(found)

    def draw(ax: Axes, quantity: str) -> None:
        propagation(results, ax, quantity=quantity, legend=False, **look)

    with style():
        figure, axes = side_by_side(
            draw, ["c", "log_gradient"], width, _names(results).title(), _notes(results)
        )
        axes[0].set_ylim(top=1.02)
        axes[1].axhline(0.0, color="0.35", linestyle=":", linewidth=0.6)
    return figure


def save_propagation(
    found: Propagation | Iterable[Propagation],
    path: str | Path,
    *,
    width: float | None = None,
    overwrite: bool = False,
    **look: Any,
) -> Path:
    """Write `propagation_figure` to ``path`` (.png, .pdf or .svg); ``width`` in inches."""
    return save_figure(propagation_figure(found, width=width, **look), path, overwrite=overwrite)


def _names(results: list[Propagation]) -> Names:
    keys = ("activation", "sigma_w2", "sigma_b2", "L", "q0", "c0")
    return tell_apart([{key: getattr(one, key) for key in keys} for one in results], "found")


def _notes(results: list[Propagation]) -> list[str]:
    """What the markers are, and what has no gradient."""
    drawn = [one.measured for one in results if one.measured is not None]
    notes = []
    if drawn:
        widths = ", ".join(str(M) for M in sorted({one.M for one in drawn}))
        counts = ", ".join(str(n) for n in sorted({one.networks for one in drawn}))
        notes.append(f"markers: {counts} drawn networks of width {widths}")
    if any(one.activation == "sign" for one in results):
        notes.append("sign has no gradient")
    return notes
