"""Eigenvalues of the Fisher information of random networks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from replicadnn.errors import InputError
from replicadnn.plot.canvas import (
    curves_legend,
    drawing,
    entitle,
    few_decades,
    letter,
    panels,
    place_legend,
)
from replicadnn.plot.naming import Names, several, tell_apart
from replicadnn.plot.style import save_figure, sequence, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.plot.notebook import Figure
    from replicadnn.wide import Fisher

_KEYS = ("activation", "L", "sigma_w2", "sigma_b2", "C", "loss")
_BINS = 60


def fisher(
    found: Fisher | Iterable[Fisher], ax: Axes | None = None, *, legend: bool = True
) -> Axes:
    """Draw the largest eigenvalue against the width M, one curve a kind of network.

    Lines: theory; filled markers: drawn networks; open markers: drawn, the mean over the samples
    subtracted from the outputs, between its bounds (shaded).

    Parameters
    ----------
    found : Fisher or iterable of Fisher
    ax : Axes, optional
    legend : bool
        Give title and legend.

    Raises
    ------
    InputError
        Nothing to draw.
    """
    groups, names = _groups(found)
    with drawing(ax) as ax:
        for place, (colour, marker) in enumerate(sequence(len(groups))):
            group = groups[place]
            M = np.array([one.M for one in group])
            look: dict[str, Any] = {"color": colour, "label": names.label(place) or "_one"}
            ends = ".-" if len(group) == 1 else "-"
            ax.plot(M, [one.lambda_max for one in group], ends, **look)
            if str(group[0].loss) == "squared" and group[0].outliers:
                low, high = np.array([one.subtracted_bounds for one in group]).T
                ax.fill_between(M, low, high, color=colour, alpha=0.12, linewidth=0.0)
            for name, face in (("lambda_max", colour), ("subtracted_max", "none")):
                _drawn(ax, group, name, {"color": colour, "marker": marker} | _face(face))
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xlabel("width  $M$")
        few_decades(ax.xaxis)
        ax.set_ylabel(r"largest eigenvalue  $\lambda_{\max}$")
        if legend:
            entitle(ax, names.title(), _notes(groups))
            place_legend(ax)
    return ax


def _face(colour: Any) -> dict[str, Any]:
    return {"markerfacecolor": colour}


def _drawn(ax: Axes, group: list[Fisher], name: str, look: dict[str, Any]) -> None:
    for one in group:
        values = one.measured(name) if one.networks else np.empty(0)
        if values.size and np.isfinite(values).all():
            error = values.std(ddof=1) / np.sqrt(values.size) if values.size > 1 else 0.0
            ax.errorbar(
                one.M, values.mean(), error, markersize=3.0, linestyle="none", capsize=1.5,
                label="_drawn", **look,
            )  # fmt: skip


def fisher_eigenvalues(
    found: Fisher, ax: Axes | None = None, *, legend: bool = True, **look: Any
) -> Axes:
    """Draw how many eigenvalues of the dual matrix lie in bins of ln(lambda), drawn networks.

    Line: as they are; filled: the mean over the samples subtracted from the outputs; dashed:
    lambda_max of the theory.

    Raises
    ------
    InputError
        No networks were drawn.
    """
    if not found.networks:
        raise InputError("networks", 0, "at least one drawn network")
    with drawing(ax) as ax:
        every = [found.eigenvalues, found.subtracted]
        floor = 1e-6 * float(found.eigenvalues.max())
        shown = np.concatenate([v[np.isfinite(v) & (v > floor)] for v in every])
        cuts = np.geomspace(0.9 * shown.min(), 1.1 * shown.max(), _BINS + 1)
        base: dict[str, Any] = {"color": "0.15"}
        for values, own in zip(
            every, ({}, {"color": "0.75", "fill": True, "zorder": 0.5}), strict=True
        ):
            if np.isfinite(values).all():
                heights = np.histogram(values, cuts)[0] / found.networks
                ax.stairs(heights, cuts, **base | look | own)
        if found.outliers:
            ax.axvline(found.lambda_max, color="0.35", linestyle="--", linewidth=0.8)
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xlabel(r"eigenvalue  $\lambda$")
        ax.set_ylabel("number in a bin, a network")
        if legend:
            entitle(ax, tell_apart([_facts(found)], "found").title(), [_eigenvalue_note(found)])
    return ax


def _eigenvalue_note(found: Fisher) -> str:
    return (
        f"$M = {found.M}$, {found.N} samples, {found.networks} networks; filled: mean output "
        r"subtracted; dashed: $\lambda_{\max}$"
    )


def _facts(one: Fisher) -> dict[str, Any]:
    return {key: getattr(one, key) for key in _KEYS} | {"loss": str(one.loss)}


def _groups(found: Fisher | Iterable[Fisher]) -> tuple[list[list[Fisher]], Names]:
    """Results that differ in M and N alone, by rising M."""
    results = several(found)
    groups: dict[tuple[Any, ...], list[Fisher]] = {}
    for one in results:
        groups.setdefault(tuple(_facts(one).values()), []).append(one)
    made = [sorted(group, key=lambda one: one.M) for group in groups.values()]
    return made, tell_apart([_facts(group[0]) for group in made], "found")


def _notes(groups: list[list[Fisher]]) -> list[str]:
    ratios = sorted({one.N / one.M for group in groups for one in group})
    shown = ", ".join(f"{ratio:.3g}" for ratio in ratios)
    notes = [f"samples over width: {shown}"]
    if any(one.networks for group in groups for one in group):
        notes.append("markers: drawn; open: mean output subtracted (shaded: its bounds)")
    return notes


def fisher_figure(found: Fisher | Iterable[Fisher], *, width: float | None = None) -> Figure:
    """`fisher`, and beside it `fisher_eigenvalues` of the widest result with networks."""
    groups, names = _groups(found)
    drawn = [one for group in groups for one in group if one.networks]
    with style():
        figure, axes = panels(2 if drawn else 1, width)
        fisher([one for group in groups for one in group], axes[0], legend=False)
        notes = _notes(groups)
        if drawn:
            widest = max(drawn, key=lambda one: one.M)
            fisher_eigenvalues(widest, axes[1], legend=False)
            notes.append(f"(b): {_eigenvalue_note(widest)}")
        entitle(figure, names.title(), notes)
        letter(axes)
        curves_legend(figure, axes[0])
    return figure


def save_fisher(
    found: Fisher | Iterable[Fisher],
    path: str | Path,
    *,
    width: float | None = None,
    overwrite: bool = False,
) -> Path:
    """Write `fisher_figure` to ``path`` (.png, .pdf or .svg); ``width`` in inches."""
    return save_figure(fisher_figure(found, width=width), path, overwrite=overwrite)
