"""Training and test loss in the regime of the tangent kernel."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from replicadnn.plot.canvas import drawing, panels, place_legend
from replicadnn.plot.curves import asked
from replicadnn.plot.naming import several
from replicadnn.plot.style import save_figure, sequence, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.wide import Training


def training(
    found: Training | Iterable[Training],
    ax: Axes | None = None,
    *,
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw training loss (lines) and test loss (dashed) against t, of one or several results.

    Parameters
    ----------
    found : Training or iterable of Training
    ax : Axes, optional
    legend : bool
        Give a legend.
    **look
        As of `profile`; a list has one value for each result.

    Raises
    ------
    InputError
        Nothing to draw.
    """
    results = several(found)
    own = asked(look, len(results))
    with drawing(ax) as ax:
        for place, (colour, _) in enumerate(sequence(len(results))):
            one = results[place]
            shown = np.isfinite(one.time) & (one.time > 0.0)
            base: dict[str, Any] = {"color": colour, "label": _label(one)} | own[place]
            ax.plot(one.time[shown], one.loss[shown], **base)
            dashed = base | {"linestyle": "--", "label": "_test"}
            ax.plot(one.time[shown], one.test_loss[shown], **dashed)
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xlabel("$t$")
        ax.set_ylabel("loss (dashed: test)")
        if legend:
            place_legend(ax)
    return ax


def _label(one: Training) -> str:
    if np.isnan(one.eta):
        return f"gradient flow, $N = {one.N}$"
    return rf"$\eta = {one.eta / one.eta_max:.3g}\,\eta_{{\max}}$, $N = {one.N}$"


def save_training(
    found: Training | Iterable[Training],
    path: str | Path,
    *,
    width: float | None = None,
    overwrite: bool = False,
    **look: Any,
) -> Path:
    """Write `training` to ``path`` (.png, .pdf or .svg); ``width`` in inches."""
    with style():
        figure, (ax,) = panels(1, width)
        training(found, ax, **look)
    return save_figure(figure, path, overwrite=overwrite)
