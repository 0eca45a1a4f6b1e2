"""Generalisation error of the typical student against depth and against alpha."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from matplotlib.ticker import MaxNLocator, NullFormatter

from replicadnn.errors import InputError
from replicadnn.plot.notebook import Figure
from replicadnn.plot.style import (
    closure_legend,
    closure_line,
    closure_words,
    closures_in_order,
    colour_bar,
    judged_points,
    save_figure,
    sequence,
    style,
)
from replicadnn.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.questions.generalisation import Generalisation

#: Most entries of a legend; more curves get a colour bar.
_LEGEND_MAX = 8


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    with style():
        return Figure(layout="constrained").subplots()


Found: TypeAlias = "Generalisation | Iterable[Generalisation]"


def _items(found: Found) -> list[Generalisation]:
    """Results of the closures, the averaged one first."""
    from replicadnn.questions.generalisation import Generalisation  # with the solvers

    items = [found] if isinstance(found, Generalisation) else list(found)
    if not items or any(not np.any(np.isfinite(one.error)) for one in items):
        points = sum(len(one.points) for one in items)
        raise InputError("generalisation", f"{points} points", "at least one converged point")
    order = closures_in_order(one.closure for one in items)
    if len(order) < len(items) or len({(one.beta, one.kappa, one.noisy) for one in items}) > 1:
        raise InputError(
            "generalisation", f"{len(items)} results",
            "one of each closure, with the same beta, kappa and noise",
        )  # fmt: skip
    return sorted(items, key=lambda one: order.index(one.closure))


@dataclass(frozen=True, slots=True)
class _Point:
    """eps_g of a run: ``value`` where it has relaxed, else a bound, or ``raw`` if not judged."""

    L: int
    alpha: float
    value: float
    error: float
    bound: float
    side: str | None
    raw: float


def _measured(runs: Iterable[Any], found: Generalisation) -> list[_Point]:
    """The runs that measured eps_g; InputError for one that these curves are not about."""
    out = []
    for run in runs:
        params = run.params
        teacher = params["scenario"] == "teacher-student"
        for name, wanted, fits in (
            ("scenario", "teacher-student", teacher),
            ("beta", f"{found.beta:g}", float(params["beta"]) == found.beta),
            ("kappa", f"{found.kappa:g}", params["kappa"] == found.kappa),
        ):
            if not fits:
                raise InputError(name, params[name], f"{wanted} in a run beside these curves")
        judged = math.isfinite(run.relaxed["test_error"][-1])
        value = float(run.test_error[-1])
        point = _Point(
            int(params["L"]), float(params["alpha"]), value if judged else math.nan,
            float(run.test_error_err[-1]), float(run.test_error_bound[-1]),
            run.bound_sides.get("test_error"),
            float(run.last_octave["test_error"][-1]) if judged else value,
        )  # fmt: skip
        if not math.isfinite(point.raw):
            raise InputError("test_error", "not measured", "a run with test_patterns above 0")
        out.append(point)
    return out


@dataclass(frozen=True, slots=True)
class _Curve:
    """One colour: the error by every closure against the abscissa, and what was measured."""

    name: str
    lines: Sequence[tuple[Sequence[float], FloatArray] | None]
    markers: Sequence[tuple[float, _Point]]


def _draw(ax: Axes, title: str, closures: Sequence[str], curves: Sequence[_Curve]) -> None:
    many = len(curves) + 2 * (len(closures) - 1) > _LEGEND_MAX
    for curve, (colour, marker) in zip(curves, sequence(len(curves)), strict=True):
        name = None if many else curve.name
        for number, line in enumerate(curve.lines):
            if line is None:
                continue
            x, values = line
            ax.plot(
                x, values, color=colour, marker=marker if len(x) <= 30 else "", markersize=3,
                markerfacecolor=colour if number else "none", label=name,
                linestyle=closure_line(number),
            )  # fmt: skip
            name = None
        for place, point in curve.markers:
            judged_points(
                ax, [place], [point.value], [point.error], bound=[point.bound], side=point.side,
                raw=[point.raw], length=0.03, color=colour, marker=marker, markersize=6,
            )  # fmt: skip
    closure_legend(ax, closures)
    points = [point for curve in curves for _, point in curve.markers]
    for relaxed, face, label in (
        (True, "0.3", "Monte Carlo"), (False, "none", "Monte Carlo, not relaxed (bound)")
    ):  # fmt: skip
        if any(math.isfinite(point.value) is relaxed for point in points):
            ax.errorbar(
                [], [], [], linestyle="none", marker="o", color="0.3", markersize=6,
                markerfacecolor=face, label=label,
            )  # fmt: skip
    ax.axhline(0.5, color="0.6", linewidth=0.8, linestyle=":")
    ax.set_ylabel(r"generalisation error  $\epsilon_g$")
    ax.set_ylim(-0.02, 0.54)
    if many:
        colour_bar(ax, [curve.name for curve in curves], title)
    if (
        not many or len(closures) > 1
    ):  # below the axes: nowhere inside are curves known to be absent
        ax.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, title=None if many else title
        )


def error_against_depth(found: Found, ax: Axes | None = None, *, runs: Iterable[Any] = ()) -> Axes:
    """Draw eps_g against L, one colour an alpha; guessing (1/2) dotted.

    Parameters
    ----------
    found : Generalisation or iterable of Generalisation
        Several: one a closure, each with its own line; markers are open for the averaged one.
    ax : Axes, optional
        Where to draw; a new figure by default.
    runs : iterable of MonteCarloResult
        Error measured on fresh inputs: filled markers with bars where it has relaxed, else open
        ones, with an arrow from the bound to the side of equilibrium.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        No converged point to draw, results that do not differ in the closure alone, or a run at
        another beta or kappa, or without a teacher.
    """
    items = _items(found)
    ax = _axes(ax)
    measured = _measured(runs, items[0])
    curves = [
        _Curve(
            f"{alpha:.4g}",
            [_column(one, alpha) for one in items],
            [(p.L, p) for p in measured if math.isclose(p.alpha, alpha)],
        )
        for alpha in sorted({alpha for one in items for alpha in one.alphas})
    ]
    _draw(ax, r"$\alpha$", [one.closure for one in items], curves)
    ax.set_xlabel("depth  $L$")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return ax


def _column(one: Generalisation, alpha: float) -> tuple[Sequence[float], FloatArray] | None:
    """(L, eps_g) at an alpha."""
    if alpha not in one.alphas:
        return None
    return [float(L) for L in one.depths], one.error[:, one.alphas.index(alpha)]


def error_against_alpha(found: Found, ax: Axes | None = None, *, runs: Iterable[Any] = ()) -> Axes:
    """Draw eps_g against alpha (logarithmic), one colour a depth; arguments as the other one."""
    items = _items(found)
    ax = _axes(ax)
    measured = _measured(runs, items[0])
    curves = [
        _Curve(
            f"{depth}",
            [_row(one, depth) for one in items],
            [(p.alpha, p) for p in measured if depth == p.L],
        )
        for depth in dict.fromkeys(depth for one in items for depth in one.depths)
    ]
    _draw(ax, "$L$", [one.closure for one in items], curves)
    ax.set_xscale("log")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel(r"patterns per coupling  $\alpha$")
    return ax


def _row(one: Generalisation, depth: int) -> tuple[Sequence[float], FloatArray] | None:
    """(alpha, eps_g) at a depth, alpha rising."""
    if depth not in one.depths:
        return None
    order = np.argsort(one.alphas)
    return [one.alphas[i] for i in order], one.error[one.depths.index(depth)][order]


def generalisation_figure(found: Found, *, runs: Iterable[Any] = ()) -> Figure:
    """Against depth left, against alpha right; one panel if there is one alpha or one depth."""
    items, kept = _items(found), list(runs)
    depths = {depth for one in items for depth in one.depths}
    alphas = {alpha for one in items for alpha in one.alphas}
    by_depth, by_alpha = len(depths) > 1 or len(alphas) == 1, len(alphas) > 1
    for point in _measured(kept, items[0]):
        on_curve = any(math.isclose(point.alpha, alpha) for alpha in alphas)
        if not ((by_depth and on_curve) or (by_alpha and point.L in depths)):
            raise InputError(
                "run", f"L = {point.L}, alpha = {point.alpha:g}", "at an alpha or L of a curve"
            )
    panels = []
    if by_depth:
        panels.append(error_against_depth)
    if by_alpha:
        panels.append(error_against_alpha)
    first = items[0]
    with style():
        figure = Figure(figsize=(4.5 * len(panels), 3.8), layout="constrained")
        for draw, ax in zip(panels, np.atleast_1d(figure.subplots(1, len(panels))), strict=True):
            draw(items, ax, runs=kept)
        words = ["teacher-student", *closure_words(one.closure for one in items)]
        words.append(f"branch {first.branch}")
        if not math.isinf(first.beta):
            words.append(rf"$\beta = {first.beta:g}$")
        if first.noisy != "none":
            words.append(f"noise: {first.noisy}")
        figure.suptitle(", ".join(words))
    return figure


def save_generalisation(
    found: Found, path: str | Path, *, runs: Iterable[Any] = (), overwrite: bool = False
) -> Path:
    """Write `generalisation_figure` to ``path`` (.png, .pdf or .svg)."""
    return save_figure(generalisation_figure(found, runs=runs), path, overwrite=overwrite)
