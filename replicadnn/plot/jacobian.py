"""Singular values of the Jacobian of random networks: law, edge, atoms, drawn networks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from replicadnn.calls import of_kind
from replicadnn.plot.canvas import drawing, entitle, panels, place_legend
from replicadnn.plot.curves import asked
from replicadnn.plot.naming import Names, several, tell_apart
from replicadnn.plot.style import line_of, save_figure, sequence, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.wide import Jacobian

#: Bins of drawn networks, and the mass that is left out below.
_BINS, _LEFT_OUT = 24, 0.005


@of_kind("Jacobian", several=True)
def jacobian(
    found: Jacobian | Iterable[Jacobian],
    ax: Axes | None = None,
    *,
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw the density of ln s, s^2 the squared singular values, of one or several results.

    Lines: the law; markers with bars: drawn networks, where the result has them; dashed: the upper
    edge; dotted: where the largest of M values is due; a stem with a diamond: an atom, as high as
    its mass.

    Parameters
    ----------
    found : Jacobian or iterable of Jacobian
    ax : Axes, optional
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
    names = _names(results)
    own = asked(look, len(results))
    with drawing(ax) as ax:
        for place, (colour, marker) in enumerate(sequence(len(results))):
            base: dict[str, Any] = {
                "color": colour, "linestyle": line_of(place), "label": names.label(place) or "_one",
            }  # fmt: skip
            _draw(ax, results[place], marker, base | own[place])
        ax.set_xscale("log")
        ax.set_xlim(min(_low(one) for one in results), 1.6 * max(_high(one) for one in results))
        ax.set_ylim(bottom=0.0)
        ax.set_xlabel(r"singular value  $s$")
        ax.set_ylabel(r"density of  $\ln s$")
        if legend:
            entitle(ax, names.title(), _notes(results))
            place_legend(ax)
    return ax


def _draw(ax: Axes, one: Jacobian, marker: str, look: dict[str, Any]) -> None:
    law, colour = one.spectrum, look["color"]
    if law.log_x.size:
        ax.plot(np.exp(0.5 * law.log_x), 2.0 * law.log_density, **look)
        ax.axvline(np.sqrt(law.edges[1]), color=colour, linestyle="--", linewidth=0.6)
        ax.axvline(np.sqrt(one.quantile), color=colour, linestyle=":", linewidth=0.9)
    else:
        ax.plot([], [], **look)
    for x, mass in law.atoms:
        if x > 0.0:
            ax.plot([np.sqrt(x)] * 2, [0.0, mass], color=colour, linewidth=1.2, label="_atom")
            ax.plot(np.sqrt(x), mass, "d", color=colour, label="_atom")
            if one.measured is not None and one.measured.networks:
                border = 0.5 * (x + law.edges[1]) if law.log_x.size else 0.5 * x
                share = (one.measured.singular_values > border).mean(axis=1)
                error = share.std(ddof=1) / np.sqrt(share.size) if share.size > 1 else 0.0
                ax.errorbar(
                    1.05 * np.sqrt(x), share.mean(), error, color=colour, marker="d",
                    markerfacecolor="none", linestyle="none", capsize=1.5, label="_drawn",
                )  # fmt: skip
    if one.measured is not None and one.measured.networks and law.log_x.size:
        above = one.largest > law.edges[1]  # an atom, with its own marker
        cuts = np.geomspace(
            _low(one) ** 2, law.edges[1] if above else 1.5 * one.largest, _BINS + 1
        )  # fmt: skip
        counts = np.array(
            [np.histogram(values, cuts)[0] for values in one.measured.singular_values]
        )
        width = 0.5 * np.diff(np.log(cuts))
        height = counts / one.measured.M / width
        error = height.std(axis=0, ddof=1) / np.sqrt(len(height)) if len(height) > 1 else 0.0
        middle = np.sqrt(np.sqrt(cuts[1:] * cuts[:-1]))
        there = counts.sum(axis=0) > 0
        bars = np.broadcast_to(error, middle.shape)[there]
        ax.errorbar(
            middle[there], height.mean(axis=0)[there], bars, color=colour, marker=marker,
            markersize=3.0, linestyle="none", capsize=1.5, label="_drawn",
        )  # fmt: skip


def _low(one: Jacobian) -> float:
    """The singular value below which little is left."""
    if not one.spectrum.log_x.size:
        return 0.1 * float(np.sqrt(one.largest))
    continuous = float(np.sum(one.spectrum.weights))
    low = one.spectrum.quantile(max(one.spectrum.above(1e-300) - _LEFT_OUT * continuous, 0.0))
    return float(np.sqrt(max(low, 1e-4 * one.largest, 1e-300)))


def _high(one: Jacobian) -> float:
    return float(np.sqrt(one.largest))


def _names(results: list[Jacobian]) -> Names:
    keys = ("activation", "init", "L", "sigma_w2", "sigma_b2")
    facts = [{k: getattr(one, k) for k in keys} for one in results]
    return tell_apart([one | {"init": str(one["init"])} for one in facts], "found")


def _notes(results: list[Jacobian]) -> list[str]:
    widths = sorted({one.M for one in results})
    shown = ", ".join(str(M) for M in widths)
    notes = [f"dashed: edge; dotted: where the largest of {shown} values is due"]
    if any(x > 0.0 for one in results for x, _ in one.spectrum.atoms):
        notes.append("diamond: an atom, as high as its mass (open: drawn)")
    if any(one.measured is not None for one in results):
        notes.append(f"markers: drawn networks of width {shown}")
    return notes


def save_jacobian(
    found: Jacobian | Iterable[Jacobian],
    path: str | Path,
    *,
    width: float | None = None,
    overwrite: bool = False,
    **look: Any,
) -> Path:
    """Write `jacobian` to ``path`` (.png, .pdf or .svg); ``width`` in inches."""
    with style():
        figure, (ax,) = panels(1, 5.0 if width is None else width)
        jacobian(found, ax, **look)
    return save_figure(figure, path, overwrite=overwrite)
