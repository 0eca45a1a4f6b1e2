"""Eigenvalues of the Fisher information of one sample."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from replicadnn.errors import InputError
from replicadnn.plot.canvas import drawing, entitle, panels, place_legend
from replicadnn.plot.curves import asked
from replicadnn.plot.naming import Names, tell_apart
from replicadnn.plot.style import line_of, save_figure, sequence, style

#: Points of a curve.
_POINTS = 500

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.wide import SampleFisher


def sample_fisher(
    found: SampleFisher | Iterable[SampleFisher],
    ax: Axes | None = None,
    *,
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw the fraction of eigenvalues above lambda/M, of one or several results.

    Lines: the law, with steps at its atoms and level in its gaps; markers: drawn networks, where
    the result has them, the mean of every eigenvalue at its rank; dashed: the largest.

    Parameters
    ----------
    found : SampleFisher or iterable of SampleFisher
    ax : Axes, optional
    legend : bool
        Give title and legend.
    **look
        As of `profile`; a list has one value for each result.

    Raises
    ------
    InputError
        Nothing to draw, a smooth activation, or two results that cannot be told apart.
    """
    from replicadnn.wide import SampleFisher

    results = [found] if isinstance(found, SampleFisher) else list(found)
    if not results or any(one.spectrum is None for one in results):
        raise InputError("found", "no density", "results of activations with slope 0 or 1")
    names = _names(results)
    own = asked(look, len(results))
    ends = 0.8 * min(one.norm for one in results), 1.3 * max(one.largest for one in results)
    with drawing(ax) as ax:
        for place, (colour, marker) in enumerate(sequence(len(results))):
            base: dict[str, Any] = {
                "color": colour, "linestyle": line_of(place), "label": names.label(place) or "_one",
            }  # fmt: skip
            _draw(ax, results[place], ends, marker, base | own[place])
        ax.set_xscale("log")
        ax.set_xlim(*ends)
        ax.set_ylim(0.0, 1.02)
        ax.set_xlabel(r"eigenvalue over the width  $\lambda/M$")
        ax.set_ylabel("fraction above")
        if legend:
            entitle(ax, names.title(), _notes(results))
            place_legend(ax)
    return ax


def _draw(
    ax: Axes, one: SampleFisher, ends: tuple[float, float], marker: str, look: dict[str, Any]
) -> None:
    law = one.spectrum
    assert law is not None  # checked
    places = np.array([x for x, _ in law.atoms])
    x = np.geomspace(*ends, _POINTS)
    x = np.sort(np.concatenate([x, places, places * (1.0 + 1e-9)]))
    ax.plot(x, [law.above(at) for at in x], **look)
    ax.axvline(one.largest, color=look["color"], linestyle="--", linewidth=0.6)
    if one.networks:
        rank = 1.0 - (np.arange(one.M) + 0.5) / one.M
        every = np.unique(np.append(np.arange(0, one.M, max(1, one.M // 40)), one.M - 1))
        ax.plot(
            one.eigenvalues.mean(axis=0)[every], rank[every], color=look["color"], marker=marker,
            markersize=3.0, linestyle="none", label="_drawn",
        )  # fmt: skip


def _names(results: list[SampleFisher]) -> Names:
    keys = ("activation", "L", "sigma_w2", "sigma_b2")
    facts = [{k: getattr(one, k) for k in keys} | {"init": str(one.init)} for one in results]
    return tell_apart(facts, "found")


def _notes(results: list[SampleFisher]) -> list[str]:
    notes = ["dashed: largest eigenvalue of the law"]
    drawn = [one for one in results if one.networks]
    if drawn:
        widths = ", ".join(str(M) for M in sorted({one.M for one in drawn}))
        counts = ", ".join(str(n) for n in sorted({one.networks for one in drawn}))
        notes.append(f"markers: {counts} drawn networks of width {widths}")
    return notes


def save_sample_fisher(
    found: SampleFisher | Iterable[SampleFisher],
    path: str | Path,
    *,
    width: float | None = None,
    overwrite: bool = False,
    **look: Any,
) -> Path:
    """Write `sample_fisher` to ``path`` (.png, .pdf or .svg); ``width`` in inches."""
    with style():
        figure, (ax,) = panels(1, 5.0 if width is None else width)
        sample_fisher(found, ax, **look)
    return save_figure(figure, path, overwrite=overwrite)
