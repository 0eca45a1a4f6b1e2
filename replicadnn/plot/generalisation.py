"""Generalisation error of the typical student against depth and against alpha."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from replicadnn.errors import InputError
from replicadnn.plot.style import colour_bar, save_figure, sequence, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.questions.generalisation import Generalisation

#: Most curves with a legend entry of their own.
_LEGEND_MAX = 8


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    with style():
        return Figure(layout="constrained").subplots()


def _check(found: Generalisation) -> None:
    if not np.any(np.isfinite(found.error)):
        raise InputError(
            "generalisation", f"{len(found.points)} points", "at least one converged point"
        )


def _measured(runs: Iterable[Any], found: Generalisation) -> list[tuple[int, float, float, float]]:
    """(L, alpha, error, standard error) of the runs that measured it at the same beta, kappa."""
    out = []
    for run in runs:
        errors, bars = getattr(run, "test_error", None), getattr(run, "test_error_err", None)
        if errors is None or bars is None or run.params["scenario"] != "teacher-student":
            continue
        same = float(run.params["beta"]) == found.beta and run.params["kappa"] == found.kappa
        if same and np.isfinite(errors[-1]):
            out.append(
                (int(run.params["L"]), float(run.params["alpha"]), float(errors[-1]),
                 float(bars[-1]))
            )  # fmt: skip
    return out


def _draw(
    ax: Axes,
    x: Sequence[float],
    title: str,
    curves: Sequence[tuple[str, Any, Sequence[tuple[float, ...]]]],
) -> None:
    many = len(curves) > _LEGEND_MAX
    for (name, values, markers), (colour, marker) in zip(
        curves, sequence(len(curves)), strict=True
    ):
        dots = len(x) <= 30
        ax.plot(
            x, values, color=colour, marker=marker if dots else "", markerfacecolor="none",
            markersize=3, label=None if many else name,
        )  # fmt: skip
        if markers:
            places, heights, bars = np.array(markers).T
            ax.errorbar(
                places, heights, np.nan_to_num(bars), linestyle="none", marker=marker,
                color=colour, capsize=2, markersize=6,
            )  # fmt: skip
    if any(markers for _, _, markers in curves):
        ax.errorbar([], [], [], linestyle="none", marker="o", color="0.3", label="Monte Carlo")
    ax.axhline(0.5, color="0.6", linewidth=0.8, linestyle=":")
    ax.set_ylabel(r"generalisation error  $\epsilon_g$")
    ax.set_ylim(-0.02, 0.54)
    if many:
        colour_bar(ax, [name for name, _, _ in curves], title)
    else:
        ax.legend(loc="best", title=title)


def error_against_depth(
    found: Generalisation, ax: Axes | None = None, *, runs: Iterable[Any] = ()
) -> Axes:
    """Draw eps_g against L, one line an alpha; guessing (1/2) dotted.

    Parameters
    ----------
    found : Generalisation
    ax : Axes, optional
        Where to draw; a new figure by default.
    runs : iterable of MonteCarloResult
        Filled markers with bars: error measured on fresh inputs, where beta and kappa agree.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        No converged point to draw.
    """
    _check(found)
    ax = _axes(ax)
    measured = _measured(runs, found)
    curves: list[tuple[str, Any, Sequence[tuple[float, ...]]]] = [
        (
            f"{alpha:.4g}",
            found.error[:, i],
            [(L, e, b) for L, a, e, b in measured if math.isclose(a, alpha)],
        )
        for alpha, i in sorted((alpha, i) for i, alpha in enumerate(found.alphas))
    ]
    _draw(ax, [float(L) for L in found.depths], r"$\alpha$", curves)
    ax.set_xlabel("depth  $L$")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return ax


def error_against_alpha(
    found: Generalisation, ax: Axes | None = None, *, runs: Iterable[Any] = ()
) -> Axes:
    """Draw eps_g against alpha (logarithmic), one line a depth; arguments as the other one."""
    _check(found)
    ax = _axes(ax)
    measured = _measured(runs, found)
    order = np.argsort(found.alphas)
    curves: list[tuple[str, Any, Sequence[tuple[float, ...]]]] = [
        (
            f"{depth}",
            found.error[i][order],
            [(a, e, b) for L, a, e, b in measured if depth == L],
        )
        for i, depth in enumerate(found.depths)
    ]
    _draw(ax, [found.alphas[i] for i in order], "$L$", curves)
    ax.set_xscale("log")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel(r"patterns per coupling  $\alpha$")
    return ax


def generalisation_figure(found: Generalisation, *, runs: Iterable[Any] = ()) -> Figure:
    """Against depth left, against alpha right; one panel if there is one alpha or one depth."""
    kept = list(runs)
    panels = []
    if len(found.depths) > 1 or len(found.alphas) == 1:
        panels.append(error_against_depth)
    if len(found.alphas) > 1:
        panels.append(error_against_alpha)
    with style():
        figure = Figure(figsize=(4.5 * len(panels), 3.8), layout="constrained")
        for draw, ax in zip(panels, np.atleast_1d(figure.subplots(1, len(panels))), strict=True):
            draw(found, ax, runs=kept)
        words = ["teacher-student", f"branch {found.branch}"]
        if not math.isinf(found.beta):
            words.append(rf"$\beta = {found.beta:g}$")
        if found.noisy != "none":
            words.append(f"noise: {found.noisy}")
        figure.suptitle(", ".join(words))
    return figure


def save_generalisation(
    found: Generalisation, path: str | Path, *, runs: Iterable[Any] = (), overwrite: bool = False
) -> Path:
    """Write `generalisation_figure` to ``path`` (.png, .pdf or .svg)."""
    return save_figure(generalisation_figure(found, runs=runs), path, overwrite=overwrite)
