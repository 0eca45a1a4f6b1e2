"""Steps of natural gradient against the width: training loss, distance of test outputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from replicadnn.errors import InputError
from replicadnn.plot.canvas import (
    drawing,
    entitle,
    figure_legend,
    letter,
    panels,
    place_legend,
)
from replicadnn.plot.naming import tell_apart
from replicadnn.plot.style import line_of, save_figure, sequence, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.plot.notebook import Figure
    from replicadnn.wide import NaturalGradient

_LABELS = {
    "loss": "training loss, after / before",
    "test_distance": "test outputs: rms distance\nfrom the exact metric's",
    "test_error": "test outputs: rms error",
    "deviation": "test outputs: rms distance\nfrom the kernel's prediction",
    "anisotropy": r"kernel: $\|A/\alpha - 1\|$",
}
#: Markers of different metrics at one width stand beside one another.
_BESIDE = 1.06


def natural_gradient(
    found: NaturalGradient,
    ax: Axes | None = None,
    *,
    quantity: str = "loss",
    legend: bool = True,
) -> Axes:
    """Draw what steps of natural gradient give on drawn networks, against their width.

    Markers with bars: mean and standard error of drawn networks, a colour a metric; horizontal
    lines: infinite width, where it is known (``test_distance``, ``test_error``); dotted: 1/M.

    Parameters
    ----------
    found : NaturalGradient
    ax : Axes, optional
    quantity : {"loss", "test_distance", "test_error", "deviation", "anisotropy"}
    legend : bool
        Give title and legend.

    Raises
    ------
    InputError
        Unknown ``quantity``, or no drawn networks.
    """
    from replicadnn.wide.preconditioners import Metric

    if quantity not in _LABELS:
        raise InputError("quantity", quantity, "one of " + ", ".join(_LABELS))
    if not found.networks:
        raise InputError("networks", 0, "drawn networks (networks = 1 or more)")
    M, metrics = np.array(found.M, float), [str(one) for one in Metric]
    with drawing(ax) as ax:
        ax.set_xscale("log")
        ax.set_yscale("log", nonpositive="clip")
        for place, (colour, marker) in enumerate(sequence(len(metrics))):
            metric = metrics[place]
            mean, error = found.mean(quantity, metric), found.error(quantity, metric)
            shown = mean > 1e-12
            if not shown.any():
                continue
            bars = np.nan_to_num(error)[shown]  # one network has none
            ax.errorbar(
                M[shown] * _BESIDE ** (place - 2), mean[shown], bars, marker=marker, markersize=4.0,
                capsize=1.5, linestyle="none", color=colour, label=metric.replace("k-fac", "K-FAC"),
            )  # fmt: skip
            rows = [one for one in found.scalings if one.metric == metric]
            level = getattr(rows[-1], quantity, np.nan) if quantity.startswith("test") else np.nan
            if np.isfinite(level) and level > 0.0:
                ax.axhline(level, color=colour, linestyle=line_of(place), linewidth=0.9)
        if quantity == "loss" and M.size > 1 and found.kernel_loss == 0.0:
            top = float(found.mean("loss", "exact")[0])
            ax.plot(M, top * M[0] / M, color="0.35", linestyle=":", label=r"$1/M$")
        ax.set_xticks(M, [f"{one:g}" for one in M])
        ax.minorticks_off()
        ax.set_xlabel(r"width  $M$")
        ax.set_ylabel(_LABELS[quantity])
        if legend:
            entitle(ax, _title(found), _notes(found))
            place_legend(ax)
    return ax


def natural_gradient_figure(found: NaturalGradient, *, width: float | None = None) -> Figure:
    """Training loss after the steps beside the distance of the test outputs."""
    with style():
        figure, axes = panels(2, width)
        for ax, quantity in zip(axes, ("loss", "test_distance"), strict=True):
            natural_gradient(found, ax, quantity=quantity, legend=False)
        letter(axes)
        entitle(figure, _title(found), _notes(found))
        handles = axes[0].get_legend_handles_labels()[0]
        figure_legend(figure, sorted(handles, key=lambda one: one.get_label() == r"$1/M$"))
    return figure


def save_natural_gradient(
    found: NaturalGradient, path: str | Path, *, width: float | None = None, overwrite: bool = False
) -> Path:
    """Write `natural_gradient_figure` to ``path`` (.png, .pdf or .svg); ``width`` in inches."""
    return save_figure(natural_gradient_figure(found, width=width), path, overwrite=overwrite)


def _title(found: NaturalGradient) -> list[str]:
    keys = ("activation", "sigma_w2", "sigma_b2", "L", "N")
    names = tell_apart([{key: getattr(found, key) for key in keys}], "found")
    return names.title()


def _notes(found: NaturalGradient) -> list[str]:
    steps = "one step" if found.steps == 1 else f"{found.steps} steps"
    rate = r"$\eta = 1/\alpha$" if found.rate == 1.0 else rf"$\eta = {found.rate:g}/\alpha$"
    limits = "; lines: infinite width" * any(one.test_distance > 0.0 for one in found.scalings)
    notes = [f"{steps} at {rate}; markers: {found.networks} drawn networks a width{limits}"]
    if found.damping > 0.0:
        notes.append(f"unit-wise: damping {found.damping:g}")
    return notes
