"""SGD as a heat bath: the energy that it keeps over p T, against the learning rate."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from replicadnn.plot.canvas import drawing, entitle, figure_legend, panels, place_legend
from replicadnn.plot.naming import Names, several, tell_apart
from replicadnn.plot.style import save_figure, sequence, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.experiments import SGDTemperature
    from replicadnn.plot.notebook import Figure

_NAMES = {
    "quadratic": "quadratic", "least-squares": "least squares", "network": "network",
}  # fmt: skip


def sgd_temperature(
    found: SGDTemperature | Iterable[SGDTemperature], ax: Axes | None = None, *, legend: bool = True
) -> Axes:
    """Draw <E>/(p T) against the learning rate, a curve a model, batch size and kind of batches.

    Markers with bars: measured.  Lines: the exact energy where it is known, else that of noise
    that does not depend on w.  Filled and solid: with replacement; open and dashed: epochs.
    Dotted: 1/4 of exp(-2E/T) and 1 of exp(-E/2T).

    Raises
    ------
    InputError
        Nothing to draw, or two results that cannot be told apart.
    """
    results = several(found)
    groups = [(one, B) for one in results for B in dict.fromkeys(one.B.tolist())]
    names = _names(groups)
    with drawing(ax) as ax:
        for share in (0.25, 1.0):
            ax.axhline(share, color="0.5", linewidth=0.8, linestyle=":", zorder=0.5)
        looks = dict(zip(dict.fromkeys(B for _, B in groups), sequence(len(groups)), strict=False))
        for place, (one, B) in enumerate(groups):
            _curve(ax, one, B, looks[B], names.label(place) or "_one")
        ax.set_xscale("log")
        ax.set_yscale("log")
        low, high = ax.get_ylim()
        ax.set_ylim(min(low, 0.1), max(high, 1.6))
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter(FormatStrFormatter("%g"))
            axis.set_minor_formatter(NullFormatter())
        ax.set_xlabel(r"learning rate  $\eta$")
        ax.set_ylabel(r"energy over  $p\,T$")
        if legend:
            entitle(ax, names.title(), _notes(results))
            place_legend(ax)
    return ax


def _curve(ax: Axes, one: SGDTemperature, B: int, look: tuple[Any, str], label: str) -> None:
    """Theory and measurement of one batch size."""
    rows = np.flatnonzero(one.B == B)
    rows = rows[np.argsort(one.eta[rows], kind="stable")]
    scale = one.p * one.T[rows]
    exact = np.where(np.isfinite(one.exact[rows]), one.exact[rows], one.additive[rows])
    dashed, (colour, marker) = str(one.batches) == "epochs", look
    ax.plot(one.eta[rows], exact / scale, "--" if dashed else "-", color=colour, label="_theory")
    ax.errorbar(
        one.eta[rows], one.energy[rows] / scale, one.error[rows] / scale, linestyle="none",
        markersize=4.0, capsize=1.5, label=label, color=colour, marker=marker,
        markerfacecolor="none" if dashed else colour,
    )  # fmt: skip


def sgd_temperature_figure(
    found: SGDTemperature | Iterable[SGDTemperature], *, width: float | None = None
) -> Figure:
    """`sgd_temperature`, one panel a model."""
    results = several(found)
    kinds = list(dict.fromkeys(str(one.model) for one in results))
    with style():
        figure, axes = panels(len(kinds), width, height=1.0, columns=3)
        for letter, ax, kind in zip("abc", axes, kinds, strict=False):
            mine = [one for one in results if str(one.model) == kind]
            sgd_temperature(mine, ax, legend=False)
            ax.set_title(f"({letter}) {_NAMES[kind]}", loc="left")
        entitle(figure, [], _notes(results))
        if len(results) > 1 or np.unique(results[0].B).size > 1:
            figure_legend(figure, axes[0].get_legend_handles_labels()[0])
    return figure


def save_sgd_temperature(
    found: SGDTemperature | Iterable[SGDTemperature],
    path: str | Path,
    *,
    width: float | None = None,
    overwrite: bool = False,
) -> Path:
    """Write `sgd_temperature_figure` to ``path`` (.png, .pdf or .svg); ``width`` in inches."""
    return save_figure(sgd_temperature_figure(found, width=width), path, overwrite=overwrite)


def _names(groups: list[tuple[SGDTemperature, int]]) -> Names:
    facts = [
        {"model": _NAMES[str(one.model)], "B": B, "batches": str(one.batches)} for one, B in groups
    ]
    return tell_apart(facts, "found")


def _notes(results: list[SGDTemperature]) -> list[str]:
    """What lines and markers are."""
    runs = ", ".join(str(n) for n in sorted({one.runs for one in results}))
    return [
        f"markers: {runs} runs; filled, solid: with replacement; open, dashed: epochs; dotted: "
        "1/4 of $e^{-2E/T}$ and 1 of $e^{-E/2T}$"
    ]
