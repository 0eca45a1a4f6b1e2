"""Complexity of the saturated states: Sigma against the breakpoint and against their entropy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from replicadnn.errors import InputError
from replicadnn.plot.notebook import Figure
from replicadnn.plot.style import BEYOND, save_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.questions.complexity import Complexity


def complexity(found: Complexity, ax: Axes | None = None, *, against: str = "m") -> Axes:
    """Draw Sigma against the breakpoint "m" or the "internal" entropy of a state.

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
    if ax is None:
        with style():
            ax = Figure(figsize=(4.6, 3.6), layout="constrained").subplots()
    x = getattr(found, against)[known]
    ax.plot(x, found.sigma[known], color="black", marker="o", markerfacecolor="none", markersize=4)
    ax.axhline(0.0, color="0.35", linestyle=":", linewidth=1.0)
    names = {"m": r"breakpoint  $m$", "internal": r"entropy of a state  $f$  (per $NM$)"}
    ax.set_xlabel(names[against])
    ax.set_ylabel(r"complexity  $\Sigma$  (per $NM$)")
    return ax


def save_complexity(found: Complexity, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write Sigma(m) and Sigma(f) side by side to ``path``."""
    with style():
        figure = Figure(figsize=(8.6, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        complexity(found, left)
        complexity(found, right, against="internal")
        for letter, ax in zip("ab", (left, right), strict=True):
            ax.set_title(f"({letter})", loc="left", fontsize=9)
        margin = rf", $\kappa = {found.kappa:g}$" if found.kappa else ""
        beyond = f", {BEYOND}" if found.possible is False else ""
        figure.suptitle(
            rf"random, one step, layer 1 saturated, $L = {found.L}$, $\alpha = {found.alpha:g}$"
            + margin
            + beyond
        )
    return save_figure(figure, path, overwrite=overwrite)
