"""Spectra of the kernels of networks whose widths are of the order of the number of inputs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from replicadnn.plot.canvas import drawing, entitle, panels, place_legend
from replicadnn.plot.curves import asked
from replicadnn.plot.naming import Names, several, tell_apart
from replicadnn.plot.style import line_of, save_figure, sequence, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.types import FloatArray
    from replicadnn.wide import KernelSpectrum, Spectrum

#: Bins of drawn networks, and the part of the upper edge below which nothing is drawn.
_BINS, _LEAST = 24, 1e-3


def kernel_spectrum(
    found: KernelSpectrum | Iterable[KernelSpectrum],
    ax: Axes | None = None,
    *,
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw the density of ln(lambda), lambda the eigenvalues, of one or several results.

    Lines: the law; markers with bars: drawn networks, where the result has them; dashed: edges.

    Parameters
    ----------
    found : KernelSpectrum or iterable of KernelSpectrum
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
            one = results[place]
            _draw_law(ax, one.spectrum, one.eigenvalues, marker, base | own[place])
        ax.set_xscale("log")
        top = max(one.spectrum.edges[1] for one in results)
        ax.set_xlim(0.8 * min(_low(one.spectrum) for one in results), 1.3 * top)
        ax.set_ylim(bottom=0.0)
        ax.set_xlabel(r"eigenvalue  $\lambda$")
        ax.set_ylabel(r"density of  $\ln \lambda$")
        if legend:
            entitle(ax, names.title(), _notes(results))
            place_legend(ax)
    return ax


def _low(law: Spectrum) -> float:
    return max(law.edges[0], _LEAST * law.edges[1])


def _draw_law(
    ax: Axes, law: Spectrum, values: FloatArray, marker: str, look: dict[str, Any]
) -> None:
    """A law by density of ln(lambda), its edges, and eigenvalues (networks, n) in bins."""
    for k, (low, high) in enumerate(law.bands):
        inside = (law.x >= low) & (law.x <= high)
        own = {"label": "_band"} if k else {}
        ax.plot(law.x[inside], law.log_density[inside], **look | own)
        for edge in (low, high):
            if edge > 0.0:
                ax.axvline(edge, color=look["color"], linestyle="--", linewidth=0.6)
    if len(values):
        cuts = np.geomspace(_low(law), law.edges[1], _BINS + 1)
        counts = np.array([np.histogram(one, cuts)[0] for one in values])
        height = counts / values.shape[1] / np.diff(np.log(cuts))
        error = height.std(axis=0, ddof=1) / np.sqrt(len(height)) if len(height) > 1 else 0.0
        middle, there = np.sqrt(cuts[1:] * cuts[:-1]), counts.sum(axis=0) > 0
        bars = np.broadcast_to(error, middle.shape)[there]
        ax.errorbar(
            middle[there], height.mean(axis=0)[there], bars, color=look["color"], marker=marker,
            markersize=3.0, linestyle="none", capsize=1.5, label="_drawn",
        )  # fmt: skip


def _names(results: list[KernelSpectrum]) -> Names:
    facts = [
        {
            "activation": one.activation,
            "kernel": "tangent" if str(one.kernel) == "ntk" else "conjugate",
            "gamma": ", ".join(f"{ratio:g}" for ratio in one.gamma),
        }
        for one in results
    ]
    return tell_apart(facts, "found")


def _notes(results: list[KernelSpectrum]) -> list[str]:
    notes = ["dashed: edges"]
    drawn = [one for one in results if one.networks]
    if drawn:
        counts = ", ".join(str(n) for n in sorted({one.networks for one in drawn}))
        inputs = ", ".join(str(n) for n in sorted({one.n for one in drawn}))
        notes.append(f"markers: {counts} drawn networks of {inputs} inputs")
    return notes


def save_kernel_spectrum(
    found: KernelSpectrum | Iterable[KernelSpectrum],
    path: str | Path,
    *,
    width: float | None = None,
    overwrite: bool = False,
    **look: Any,
) -> Path:
    """Write `kernel_spectrum` to ``path`` (.png, .pdf or .svg); ``width`` in inches."""
    with style():
        figure, (ax,) = panels(1, 5.0 if width is None else width)
        kernel_spectrum(found, ax, **look)
    return save_figure(figure, path, overwrite=overwrite)
