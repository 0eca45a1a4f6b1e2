"""Complexity of the saturated states: Sigma against the breakpoint and against their entropy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from replicadnn.calls import of_kind
from replicadnn.errors import InputError
from replicadnn.plot.canvas import (
    drawing,
    entitle,
    letter,
    panels,
)
from replicadnn.plot.curves import asked
from replicadnn.plot.naming import BEYOND, tell_apart
from replicadnn.plot.style import save_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.questions.complexity import Complexity


@of_kind("Complexity")
def complexity(
    found: Complexity,
    ax: Axes | None = None,
    *,
    against: str = "m",
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw Sigma against the breakpoint "m" or the "internal" entropy of a state.

    ``legend``: give a title; ``look``: of the line, as for `Axes.plot`.

    Raises
    ------
    InputError
        Unknown ``against``, or no solved point.
    """
    if against not in ("m", "internal"):
        raise InputError("against", against, "m or internal")
    known = np.isfinite(found.sigma)
    if not known.any():
        raise InputError("found", "no solved point", "at least one solved point")
    with drawing(ax) as ax:
        x = getattr(found, against)[known]
        (mine,) = asked(look, 1)
        base: dict[str, Any] = {"color": "black", "marker": "o"}
        ax.plot(x, found.sigma[known], **base | mine)
        ax.axhline(0.0, color="0.35", linestyle=":", linewidth=1.0)
        names = {"m": r"breakpoint  $m$", "internal": r"entropy of a state  $f$  (per $NM$)"}
        ax.set_xlabel(names[against])
        ax.set_ylabel(r"complexity  $\Sigma$  (per $NM$)")
        if legend:
            entitle(ax, _title(found))
    return ax


def _title(found: Complexity) -> list[str]:
    facts = {
        "scenario": "random", "ansatz": "one step", "L": found.L, "alpha": found.alpha,
        "kappa": found.kappa,
    }  # fmt: skip
    words = [*tell_apart([facts], "found").title(), "layer 1 saturated"]
    return words + [BEYOND] * (found.possible is False)


def save_complexity(
    found: Complexity,
    path: str | Path,
    *,
    width: float | None = None,
    overwrite: bool = False,
    **look: Any,
) -> Path:
    """Write Sigma(m) and Sigma(f) to ``path``; ``width`` in inches (see `canvas.panels`)."""
    with style():
        figure, (left, right) = panels(2, width)
        complexity(found, left, legend=False, **look)
        complexity(found, right, against="internal", legend=False, **look)
        letter([left, right])
        entitle(figure, _title(found))
    return save_figure(figure, path, overwrite=overwrite)
