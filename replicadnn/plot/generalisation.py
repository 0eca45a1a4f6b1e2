"""Generalisation error of the typical student against depth and against alpha."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from matplotlib.ticker import MaxNLocator

from replicadnn.calls import of_kind
from replicadnn.errors import InputError
from replicadnn.inputs import HiddenManifold, Inputs
from replicadnn.plot.canvas import drawing, entitle, few_decades, panels, place_legend
from replicadnn.plot.curves import Curve, draw
from replicadnn.plot.naming import Facts, Names, facts_of_inputs, written
from replicadnn.plot.notebook import Figure
from replicadnn.plot.style import MARKERS, judged_points, save_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.questions.generalisation import Generalisation

Found: TypeAlias = "Generalisation | Iterable[Generalisation]"


def _items(found: Found) -> list[Generalisation]:
    from replicadnn.questions.generalisation import Generalisation  # with the solvers

    items = [found] if isinstance(found, Generalisation) else list(found)
    if not items or any(not np.any(np.isfinite(one.error)) for one in items):
        points = sum(len(one.points) for one in items)
        raise InputError("generalisation", f"{points} points", "at least one converged point")
    return items


def _facts(one: Generalisation) -> Facts:
    return {
        "scenario": "teacher-student", "closure": one.closure, "kappa": one.kappa,
        "beta": one.beta, "noise": one.noisy, "asked": str(one.branch),
        "reads": f"teacher on the {'inputs' if one.teacher == 'inputs' else 'latent variables'}",
        **facts_of_inputs(one.inputs),
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Point:
    """eps_g of a run: ``value`` where it has relaxed, else a bound, or ``raw`` if not judged."""

    L: int
    N: int
    alpha: float
    kappa: float
    beta: float
    inputs: Inputs | None
    value: float
    error: float
    bound: float
    side: str | None
    raw: float


def _measured(runs: Iterable[Any], items: Sequence[Generalisation]) -> list[_Point]:
    """The runs that measured eps_g; InputError for one that no curve is about."""
    settings = {(one.beta, one.kappa) for one in items}
    known = " or ".join(f"beta = {b:g} with kappa = {k:g}" for b, k in sorted(settings))
    laws = [one.inputs for one in items if one.teacher == "inputs"]
    out = []
    for run in runs:
        params = run.params
        beta, kappa = float(params["beta"]), float(params["kappa"])
        if params["scenario"] != "teacher-student":
            allowed = "teacher-student in a run beside these curves"
            raise InputError("scenario", params["scenario"], allowed)
        if (beta, kappa) not in settings:
            allowed = f"a run at {known}, as these curves"
            raise InputError("run", f"beta = {beta:g}, kappa = {kappa:g}", allowed)
        D = params.get("latent")
        law = None if D is None else HiddenManifold(D / params["connectivity"])
        if law not in laws:
            shown = "independent inputs" if law is None else f"inputs {law.text}"
            raise InputError("run", shown, "inputs of one of these curves, a teacher on them")
        judged = math.isfinite(run.relaxed["test_error"][-1])
        value = float(run.test_error[-1])
        point = _Point(
            int(params["L"]), int(params["N"]), float(params["alpha"]), kappa, beta, law,
            value if judged else math.nan,
            float(run.test_error_err[-1]), float(run.test_error_bound[-1]),
            run.bound_sides.get("test_error"),
            float(run.last_octave["test_error"][-1]) if judged else value,
        )  # fmt: skip
        if not math.isfinite(point.raw):
            raise InputError("test_error", "not measured", "a run with test_patterns above 0")
        out.append(point)
    return out


def _draw(
    ax: Axes,
    found: Found,
    runs: Iterable[Any],
    fixed: str,
    look: dict[str, Any],
) -> Names:
    """One curve an alpha or depth (``fixed``) and result; every run as a marker of its colour."""
    items = _items(found)
    measured = _measured(runs, items)
    curves = [
        Curve({**_facts(one), fixed: value}, *points)
        for one in items
        for value, points in (_columns(one) if fixed == "alpha" else _rows(one))
    ]
    before = len(ax.lines)
    names = draw(ax, curves, "generalisation", look)
    lines = ax.lines[before : before + len(curves)]
    for line in lines:
        if len(np.atleast_1d(line.get_xdata())) > 30 and "marker" not in look:
            line.set_marker("")
    widths = sorted({point.N for point in measured})
    alone: dict[float, str] = {}
    for point in measured:
        shape = MARKERS[widths.index(point.N) % len(MARKERS)]
        colour = _colour(point, fixed, curves, lines, alone)
        judged_points(
            ax, [getattr(point, "L" if fixed == "alpha" else "alpha")], [point.value],
            [point.error], bound=[point.bound], side=point.side, raw=[point.raw], length=0.03,
            color=colour, marker=shape, markersize=5,
        )  # fmt: skip
    _name_runs(ax, measured, widths, fixed, alone)
    ax.axhline(0.5, color="0.6", linewidth=0.8, linestyle=":")
    ax.set_ylabel(r"generalisation error  $\epsilon_{\mathrm{g}}$")
    ax.set_ylim(-0.02, 0.54)
    return names


def _colour(
    point: _Point,
    fixed: str,
    curves: Sequence[Curve],
    lines: Sequence[Any],
    alone: dict[float, str],
) -> Any:
    """Colour of the curve a run belongs to; a grey of its own, kept in ``alone``, without one."""
    value = float(getattr(point, fixed))
    for curve, line in zip(curves, lines, strict=True):
        facts = curve.facts
        asked = {"beta": point.beta, "kappa": point.kappa, **facts_of_inputs(point.inputs)}
        if all(facts[name] == one for name, one in asked.items()) and math.isclose(
            float(facts[fixed]), value
        ):
            return line.get_color()
    return alone.setdefault(value, f"{min(0.2 + 0.12 * len(alone), 0.68):.2f}")


def _name_runs(
    ax: Axes, points: Sequence[_Point], widths: Sequence[int], fixed: str, alone: dict[float, str]
) -> None:
    """Legend entries of markers: widths, what has not relaxed, and runs that have no curve."""
    base: dict[str, Any] = {"linestyle": "none", "marker": "o", "color": "0.3", "markersize": 5}
    if len(widths) > 1:
        for place, N in enumerate(widths):
            shape = {"marker": MARKERS[place % len(MARKERS)]}
            if not any(math.isfinite(point.value) for point in points if point.N == N):
                shape["markerfacecolor"] = "none"
            ax.errorbar([], [], [], **base | shape, label=f"Monte Carlo, {written('N', N)}")
    elif any(math.isfinite(point.value) for point in points):
        ax.errorbar([], [], [], **base, label="Monte Carlo")
    if any(not math.isfinite(point.value) for point in points):
        ax.errorbar(
            [], [], [], **base, markerfacecolor="none", label="Monte Carlo, not relaxed (bound)"
        )
    for value, colour in alone.items():
        text = f"Monte Carlo alone, {written(fixed, value)}"
        ax.errorbar([], [], [], **base | {"color": colour}, label=text)


@of_kind("Generalisation", several=True)
def error_against_depth(
    found: Found,
    ax: Axes | None = None,
    *,
    runs: Iterable[Any] = (),
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw eps_g against L, one colour an alpha; guessing (1/2) dotted.

    Parameters
    ----------
    found : Generalisation or iterable of Generalisation
        Several, e.g. one a closure or beta, each with its own line.
    ax : Axes, optional
        Where to draw; a new figure by default.
    runs : iterable of MonteCarloResult
        Error measured on fresh inputs: filled markers with bars where it has relaxed, else open
        ones, with an arrow from the bound to the side of equilibrium; one shape a width.  Every run
        is drawn, in grey where no curve has its alpha.
    legend : bool
        Give title and legend.
    **look
        Of the lines, as of `profile`; a list has one value an alpha and result.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        No converged point to draw, results that cannot be told apart, or a run without a teacher
        or at a beta and kappa of none of them.
    """
    with drawing(ax) as ax:
        names = _draw(ax, found, runs, "alpha", look)
        ax.set_xlabel("depth  $L$")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        if legend:
            entitle(ax, names.title())
            place_legend(ax)
    return ax


def _columns(one: Generalisation) -> list[tuple[float, tuple[Any, Any]]]:
    """alpha, (L, eps_g)."""
    depths = [float(L) for L in one.depths]
    return [(alpha, (depths, one.error[:, place])) for place, alpha in enumerate(one.alphas)]


@of_kind("Generalisation", several=True)
def error_against_alpha(
    found: Found,
    ax: Axes | None = None,
    *,
    runs: Iterable[Any] = (),
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw eps_g against alpha (logarithmic), one colour a depth; arguments as the other one."""
    with drawing(ax) as ax:
        names = _draw(ax, found, runs, "L", look)
        ax.set_xscale("log")
        few_decades(ax.xaxis)
        ax.set_xlabel(r"patterns per coupling  $\alpha$")
        if legend:
            entitle(ax, names.title())
            place_legend(ax)
    return ax


def _rows(one: Generalisation) -> list[tuple[int, tuple[Any, Any]]]:
    """L, (alpha, eps_g), alpha rising."""
    order = np.argsort(one.alphas)
    alphas = [one.alphas[i] for i in order]
    return [(L, (alphas, one.error[place][order])) for place, L in enumerate(one.depths)]


@of_kind("Generalisation", several=True)
def generalisation_figure(
    found: Found, *, runs: Iterable[Any] = (), width: float | None = None, **look: Any
) -> Figure:
    """Against depth and against alpha; one panel if there is one alpha or one depth.

    ``width``: inches, 7 (or 3.4 for one panel) by default.
    """
    items, kept = _items(found), list(runs)
    depths = {depth for one in items for depth in one.depths}
    alphas = {alpha for one in items for alpha in one.alphas}
    chosen = []
    if len(depths) > 1 or len(alphas) == 1:
        chosen.append(error_against_depth)
    if len(alphas) > 1:
        chosen.append(error_against_alpha)
    with style():
        figure, axes = panels(len(chosen), width)
        for draw_one, ax in zip(chosen, axes, strict=True):
            draw_one(items, ax, runs=kept, legend=False, **look)
        facts: list[Facts] = [_facts(one) for one in items]
        if len(chosen) == 1:  # the one depth, or the one alpha, of the panel
            fixed = {"L": min(depths)} if len(depths) == 1 else {"alpha": min(alphas)}
            facts = [{**one, **fixed} for one in facts]
        entitle(figure, Names(tuple(facts), ()).title())
        for ax in axes:
            place_legend(ax)
    return figure


def save_generalisation(
    found: Found,
    path: str | Path,
    *,
    runs: Iterable[Any] = (),
    width: float | None = None,
    overwrite: bool = False,
    **look: Any,
) -> Path:
    """Write `generalisation_figure` to ``path`` (.png, .pdf or .svg)."""
    figure = generalisation_figure(found, runs=runs, width=width, **look)
    return save_figure(figure, path, overwrite=overwrite)
