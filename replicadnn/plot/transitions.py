"""Thresholds ln alpha(l) of the layers, and the thickness of the solid against alpha."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator, NullFormatter

from replicadnn.errors import InputError
from replicadnn.plot.notebook import Figure
from replicadnn.plot.style import BEYOND, closure_words, save_figure, sequence, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.questions.transitions import Transitions


def _items(found: Transitions | Iterable[Transitions]) -> list[Transitions]:
    from replicadnn.questions.transitions import Transitions  # with the solvers

    items = [found] if isinstance(found, Transitions) else list(found)
    good = [t for t in items if np.any(np.isfinite(t.alpha))]
    if not good:
        raise InputError(
            "transitions", f"{len(items)} results", "at least one layer with a threshold"
        )
    return good


def _name(item: Transitions, others: list[Transitions]) -> str:
    words = [str(item.scenario), str(item.ansatz)]
    if len({t.closure for t in others}) > 1:
        words.append(item.closure)
    if len({t.L for t in others}) > 1:
        words.append(f"$L = {item.L}$")
    if not math.isinf(item.beta):
        words.append(rf"$\beta = {item.beta:g}$")
    if item.kappa != 0.0:
        words.append(rf"$\kappa = {item.kappa:g}$")
    return ", ".join(words)


def transitions(found: Transitions | Iterable[Transitions], ax: Axes | None = None) -> Axes:
    """Draw ln alpha(l) against the depth of the layer from the boundary of its front.

    That is the nearest boundary, with closure exact the output.

    Filled markers: second-order transitions, open ones: in a first-order step; bars are
    uncertainties, the line is the fit where there is one, and the band spans the two spinodals of
    the step after which no layer is liquid, with a line at equal free entropy.  Where thresholds
    of random data lie beyond the counting bound a line marks it.

    Parameters
    ----------
    found : Transitions or iterable of Transitions
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        No threshold to draw.
    """
    from replicadnn.questions.transitions import Order  # with the solvers

    items = _items(found)
    if ax is None:
        with style():
            ax = Figure(layout="constrained").subplots()
    for item, (colour, marker) in zip(items, sequence(len(items)), strict=True):
        _thresholds(ax, item, _name(item, items), colour, marker)
        if item.filling is not None and len(items) == 1:
            _band(ax, item)
    several = len({t.L for t in items}) > 1
    for L, bound in sorted({(t.L, t.bound) for t in items if np.any(t.alpha > t.bound)}):
        ax.axhline(
            math.log(bound), color="0.35", linestyle="-.", linewidth=1.0,
            label=f"{BEYOND}: above" + (f" ($L = {L}$)" if several else ""),
        )  # fmt: skip
    if any(t.order is Order.FIRST for item in items for t in item.thresholds):
        ax.plot(
            [], [], color="0.3", linestyle="none", marker="o", markerfacecolor="none",
            label="in a first-order step",
        )  # fmt: skip
    if any(item.fit is not None for item in items):
        ax.plot([], [], color="0.3", linestyle="--", linewidth=0.8, label="straight-line fit")
    ax.set_xlabel(_depth(items))
    ax.set_ylabel(r"threshold  $\ln \alpha(l)$")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    # below the axes: the line of the bound crosses them
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    return ax


def _depth(items: list[Transitions]) -> str:
    """Label of the abscissa `Transitions.depths`."""
    if all(t.two_fronts for t in items):
        return "depth of the layer from the nearest boundary  $l$"
    if not any(t.two_fronts for t in items if t.L > 2):
        return "depth of the layer from the output  $L - l$"
    return "depth of the layer from the boundary where its front starts"


def _thresholds(
    ax: Axes, item: Transitions, label: str, colour: tuple[float, ...], marker: str
) -> None:
    """Markers by order of the transition, and the fit."""
    from replicadnn.questions.transitions import Order  # with the solvers

    layers, alpha = item.depths, item.alpha
    error = np.array([t.uncertainty for t in item.thresholds])
    second = np.array([t.order is Order.SECOND for t in item.thresholds])
    first = np.array([t.order is Order.FIRST for t in item.thresholds])
    ax.errorbar(
        layers[second], np.log(alpha[second]), error[second] / alpha[second], label=label,
        linestyle="none", marker=marker, color=colour, capsize=2,
    )  # fmt: skip
    if np.any(first):
        ax.plot(
            layers[first], np.log(alpha[first]), linestyle="none", marker=marker,
            markerfacecolor="none", color=colour,
        )  # fmt: skip
    if item.fit is not None:
        ends = np.array([item.fit.layers[0], item.fit.layers[-1]], float)
        line = item.fit.intercept + item.fit.slope * ends
        ax.plot(ends, line, color=colour, linestyle="--", linewidth=0.8)


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
            math.log(step.coexistence), color="0.4", linestyle=":", linewidth=1.0,
            label=rf"equal $s$, $\alpha = {step.coexistence:.5g}$",
        )  # fmt: skip


def thickness(found: Transitions | Iterable[Transitions], ax: Axes | None = None) -> Axes:
    """Draw the thickness of the solid on one side against alpha (logarithmic), alpha rising.

    The staircase counts solid layers, the smooth curve is the sum of q_EA over them.
    """
    items = _items(found)
    if ax is None:
        with style():
            ax = Figure(layout="constrained").subplots()
    for item, (colour, _) in zip(items, sequence(len(items)), strict=True):
        alpha = item.alpha[np.isfinite(item.alpha)]
        table = item.thickness["alpha"]
        end = 3.0 * float(alpha[-1])
        edges = np.concatenate([[0.5 * alpha[0]], alpha, [max(end, alpha[-1] * 1.01)]])
        ax.stairs(
            np.arange(alpha.size + 1), edges, baseline=None, color=colour, linewidth=1.2,
            label=_name(item, items),
        )  # fmt: skip
        if table.size:
            inside = table <= edges[-1]
            ax.plot(table[inside], item.thickness["sum_q"][inside], color=colour, linestyle="--")
    ax.plot([], [], color="0.3", label="solid layers")
    ax.plot([], [], color="0.3", linestyle="--", label=r"$\sum_l q_{\mathrm{EA}}(l)$")
    ax.set_xscale("log")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel(r"patterns per coupling  $\alpha$")
    two = all(t.two_fronts for t in items)
    ax.set_ylabel(f"thickness of the solid ({'one side' if two else 'one front'})")
    ax.set_ylim(bottom=0.0)
    ax.legend(loc="upper left")
    return ax


def transitions_figure(found: Transitions | Iterable[Transitions]) -> Figure:
    """Thresholds left, thickness right."""
    items = _items(found)
    with style():
        figure = Figure(figsize=(9.0, 4.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        transitions(items, left)
        thickness(items, right)
        depths = sorted({t.L for t in items})
        words = [f"L = {depths[0]}"] if len(depths) == 1 else []
        words += closure_words(t.closure for t in items)
        if words:
            figure.suptitle(", ".join(words))
    return figure


def save_transitions(
    found: Transitions | Iterable[Transitions], path: str | Path, *, overwrite: bool = False
) -> Path:
    """Write `transitions_figure` to ``path`` (.png, .pdf or .svg)."""
    return save_figure(transitions_figure(found), path, overwrite=overwrite)
