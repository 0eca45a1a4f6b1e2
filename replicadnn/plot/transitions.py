"""Thresholds ln alpha(l) of the layers, and the thickness of the solid against alpha."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from matplotlib.ticker import MaxNLocator

from replicadnn.calls import of_kind
from replicadnn.errors import InputError
from replicadnn.plot.canvas import (
    drawing,
    entitle,
    few_decades,
    figure_legend,
    panels,
    place_legend,
)
from replicadnn.plot.curves import asked
from replicadnn.plot.naming import BEYOND, Names, tell_apart
from replicadnn.plot.notebook import Figure
from replicadnn.plot.style import save_figure, sequence, style

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from replicadnn.questions.transitions import Transitions


Found: TypeAlias = "Transitions | Iterable[Transitions]"


def _items(found: Found) -> list[Transitions]:
    from replicadnn.questions.transitions import Transitions  # with the solvers

    items = [found] if isinstance(found, Transitions) else list(found)
    good = [t for t in items if np.any(np.isfinite(t.alpha))]
    if not good:
        raise InputError(
            "transitions", f"{len(items)} results", "at least one layer with a threshold"
        )
    return good


def _names(items: list[Transitions], refuse: bool) -> Names:
    facts = [
        {
            "scenario": str(t.scenario), "ansatz": str(t.ansatz), "closure": t.closure, "L": t.L,
            "kappa": t.kappa, "beta": t.beta, "levels": t.levels,
        }
        for t in items
    ]  # fmt: skip
    return tell_apart(facts, "transitions", refuse=refuse)


@of_kind("Transitions", several=True)
def transitions(found: Found, ax: Axes | None = None, *, legend: bool = True, **look: Any) -> Axes:
    """Draw ln alpha(l) against the depth of the layer from the boundary of its front.

    That is the nearest boundary, with closure exact the output; with closure exact and a margin,
    where fronts grow from both ends, the abscissa is the layer.

    Filled markers: second-order transitions, open ones: in a first-order step; bars are
    uncertainties, the line is the fit where there is one, and the band spans the two spinodals of
    the step after which no layer is liquid, with a line at equal free entropy.  Where thresholds
    of random data lie beyond the counting bound a line marks it; where the saturated branch has
    larger s than the solution of a threshold (teacher-student) another one.

    Parameters
    ----------
    found : Transitions or iterable of Transitions
    ax : Axes, optional
        Where to draw; a new figure by default.
    legend : bool
        Give title and legend.
    **look
        Of the markers, as of `profile`; a list has one value a result.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        No threshold to draw, or results that cannot be told apart.
    """
    items = _items(found)
    own = asked(look, len(items))
    names = _names(items, refuse="label" not in own[0])
    with drawing(ax) as ax:
        looks = zip(items, own, sequence(len(items)), strict=True)
        for place, (item, mine, (colour, marker)) in enumerate(looks):
            base: dict[str, Any] = {
                "color": colour,
                "marker": marker,
                "label": names.label(place) or "_one",
            }
            _thresholds(ax, item, base | mine)
            if item.filling is not None and len(items) == 1:
                _band(ax, item)
        _limits(ax, items, names)
        _marks(ax, items)
        ax.set_xlabel(_depth(items))
        ax.set_ylabel(r"threshold  $\ln \alpha(l)$")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        if legend:
            entitle(ax, names.title())
            place_legend(ax)
    return ax


def _limits(ax: Axes, items: list[Transitions], names: Names) -> None:
    """Lines above which thresholds are no state of a network, or not of the largest s."""
    several = "L" in names.differing
    for L, bound in sorted({(t.L, t.bound) for t in items if np.any(t.alpha > t.bound)}):
        ax.axhline(
            math.log(bound), color="0.35", linestyle="--", linewidth=1.0,
            label=rf"random: {BEYOND}, $\alpha > {bound:.4g}$" + f" ($L = {L}$)" * several,
        )  # fmt: skip
    for place, item in enumerate(items):
        if np.any(item.alpha > item.saturated):
            of = f" ({names.label(place)})" if len(items) > 1 else ""
            ax.axhline(
                math.log(item.saturated), color="0.35", linestyle=(0, (1, 3)), linewidth=1.0,
                label=rf"saturated branch has larger $s$: $\alpha > {item.saturated:.5g}$" + of,
            )  # fmt: skip


def _marks(ax: Axes, items: list[Transitions]) -> None:
    """Legend entries of open markers and of fits."""
    from replicadnn.questions.transitions import Order  # with the solvers

    if any(t.order is Order.FIRST for item in items for t in item.thresholds):
        ax.plot(
            [], [], color="0.35", linestyle="none", marker="o", markerfacecolor="none",
            label="in a first-order step",
        )  # fmt: skip
    if any(item.fit is not None for item in items):
        ax.plot([], [], color="0.35", linestyle=":", linewidth=0.8, label="straight-line fit")


def _depth(items: list[Transitions]) -> str:
    """Label of the abscissa `Transitions.depths`."""
    if all(t.independent for t in items):
        return "neuron layer  $l$"
    if any(t.independent for t in items):
        return "neuron layer  $l$ (margin), or depth from the boundary of its front"
    if all(t.two_fronts for t in items):
        return "depth of the layer from the nearest boundary  $l$"
    if not any(t.two_fronts for t in items if t.L > 2):
        return "depth of the layer from the output  $L - l$"
    return "depth of the layer from the boundary where its front starts"


def _thresholds(ax: Axes, item: Transitions, look: dict[str, Any]) -> None:
    """Markers by order of the transition, and the fit."""
    from replicadnn.questions.transitions import Order  # with the solvers

    layers, alpha = item.depths, item.alpha
    error = np.array([t.uncertainty for t in item.thresholds])
    second = np.array([t.order is Order.SECOND for t in item.thresholds])
    first = np.array([t.order is Order.FIRST for t in item.thresholds])
    markers = {"linestyle": "none"} | look
    ax.errorbar(
        layers[second], np.log(alpha[second]), error[second] / alpha[second], capsize=2, **markers
    )
    if np.any(first):
        hollow = markers | {"markerfacecolor": "none", "label": None}
        ax.plot(layers[first], np.log(alpha[first]), **hollow)
    if item.fit is not None:
        ends = np.array([item.fit.layers[0], item.fit.layers[-1]], float)
        line = item.fit.intercept + item.fit.slope * ends
        ax.plot(ends, line, color=markers["color"], linestyle=":", linewidth=0.8)


def _band(ax: Axes, item: Transitions) -> None:
    step = item.filling
    if step is None or math.isnan(step.down):
        return
    ax.axhspan(
        math.log(step.down), math.log(step.up), color="0.88", zorder=0,
        label="between the spinodals",
    )  # fmt: skip
    if not math.isnan(step.coexistence):
        ax.axhline(
            math.log(step.coexistence), color="0.35", linestyle="-.", linewidth=1.0,
            label=rf"equal $s$, $\alpha = {step.coexistence:.5g}$",
        )  # fmt: skip


@of_kind("Transitions", several=True)
def thickness(found: Found, ax: Axes | None = None, *, legend: bool = True, **look: Any) -> Axes:
    """Draw the thickness of the solid on one side against alpha (logarithmic), alpha rising.

    The staircase counts solid layers, the smooth curve is the sum of q_EA over them.  Arguments as
    of `transitions`.
    """
    items = _items(found)
    own = asked(look, len(items))
    names = _names(items, refuse="label" not in own[0])
    with drawing(ax) as ax:
        for place, (item, mine, (colour, _)) in enumerate(
            zip(items, own, sequence(len(items)), strict=True)
        ):
            base: dict[str, Any] = {
                "color": colour,
                "linewidth": 1.1,
                "label": names.label(place) or "_one",
            }
            _staircase(ax, item, base | mine)
        ax.plot([], [], color="0.35", label="solid layers")
        ax.plot([], [], color="0.35", linestyle="--", label=r"$\sum_l q_{\mathrm{EA}}(l)$")
        ax.set_xscale("log")
        few_decades(ax.xaxis)
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel(r"patterns per coupling  $\alpha$")
        two = all(t.two_fronts for t in items)
        both = all(t.independent for t in items)
        which = "both fronts" if both else "one side" if two else "one front"
        ax.set_ylabel(f"thickness of the solid ({which})")
        ax.set_ylim(bottom=0.0)
        if legend:
            entitle(ax, names.title())
            place_legend(ax)
    return ax


def _staircase(ax: Axes, item: Transitions, look: dict[str, Any]) -> None:
    """Number of solid layers, and the sum of q_EA over them."""
    alpha = item.alpha[np.isfinite(item.alpha)]
    table = item.thickness["alpha"]
    end = 3.0 * float(alpha[-1])
    if item.independent and table.size:  # the solutions may end
        end = min(end, float(table[-1]))
    edges = np.concatenate([[0.5 * alpha[0]], alpha, [max(end, alpha[-1] * 1.01)]])
    steps = {n: look[n] for n in ("color", "linewidth", "linestyle", "label") if n in look}
    ax.stairs(np.arange(alpha.size + 1), edges, baseline=None, **steps)
    if table.size:
        inside = table <= edges[-1]
        line = look | {"linestyle": "--", "label": None}
        ax.plot(table[inside], item.thickness["sum_q"][inside], **line)


@of_kind("Transitions", several=True)
def transitions_figure(found: Found, *, width: float | None = None, **look: Any) -> Figure:
    """Thresholds and thickness; ``width``: inches, 7 by default."""
    items = _items(found)
    names = _names(items, refuse="label" not in look)
    with style():
        figure, (first, second) = panels(2, width)
        transitions(items, first, legend=False, **look)
        thickness(items, second, legend=False, **look)
        entitle(figure, names.title())
        entries: dict[str, Artist] = {}
        for ax in (first, second):
            for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
                entries.setdefault(label, handle)
        figure_legend(figure, list(entries.values()))
    return figure


def save_transitions(
    found: Found,
    path: str | Path,
    *,
    width: float | None = None,
    overwrite: bool = False,
    **look: Any,
) -> Path:
    """Write `transitions_figure` to ``path`` (.png, .pdf or .svg)."""
    return save_figure(transitions_figure(found, width=width, **look), path, overwrite=overwrite)
