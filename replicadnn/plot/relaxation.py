"""Monte Carlo: relaxation times and curves layer by layer, overlaps, widths side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from replicadnn.calls import check_kind, of_kind
from replicadnn.errors import InputError
from replicadnn.plot.canvas import (
    drawing,
    entitle,
    few_decades,
    figure_legend,
    panels,
    place_legend,
)
from replicadnn.plot.curves import LEGEND_MAX, asked
from replicadnn.plot.naming import Facts, Names, facts_of, tell_apart
from replicadnn.plot.notebook import Figure
from replicadnn.plot.style import judged_points, line_of, save_figure, sequence, style
from replicadnn.solution import Solution

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.montecarlo.runs.result import MonteCarloResult

Kind = Literal["S", "J"]
Results: TypeAlias = "MonteCarloResult | Iterable[Any]"
_RUNS = "MonteCarloResult or TemperingResult"
_WHAT = {"S": "neurons", "J": "couplings"}
_PANELS = "abcdefgh"
#: Of solutions, in the order of their lines: at L = 2 there is one hidden layer and no line.
_THEORY_MARKERS = "_x"
#: Shift of the markers of neighbouring runs, so that bars at the same layer stay apart.
_DODGE = 0.08


def _runs(results: Results) -> list[MonteCarloResult]:
    """The relaxation runs among ``results``; InputError if there is none."""
    from replicadnn.montecarlo.runs.result import (
        MonteCarloResult,  # with the sampler, which a phase diagram needs not
        TemperingResult,
    )

    single = isinstance(results, MonteCarloResult | TemperingResult)
    items = [results] if single else list(cast("Iterable[Any]", results))
    runs = [run for run in items if isinstance(run, MonteCarloResult)]
    if not runs:
        raise InputError(
            "runs", f"{len(items)} of replica exchange", "at least one without (C(l, t) is not "
            "defined where states swap)"
        )  # fmt: skip
    return runs


def _check(quantity: str) -> None:
    if quantity not in _WHAT:
        raise InputError("quantity", quantity, "one of " + ", ".join(_WHAT))


def _layers(run: MonteCarloResult, quantity: str) -> NDArray[np.int64]:
    L = run.spec.L
    return np.arange(1, L + 1 if quantity == "J" else L)


def _facts(run: MonteCarloResult) -> Facts:
    spec = run.spec
    return {
        "scenario": str(spec.scenario), "sampler": str(spec.sampler), "L": spec.L, "N": spec.N,
        "connectivity": None if spec.reads.dense else spec.connectivity, "alpha": spec.alpha,
        "kappa": spec.kappa, "beta": spec.beta,
        "graph": None if spec.graph is None else str(spec.graph),
        "potential": str(spec.potential), "start": str(spec.start), "latent": spec.latent,
    }  # fmt: skip


def _names(runs: list[MonteCarloResult], *, refuse: bool = False) -> Names:
    """Names of runs; those of equal alpha but for the rounding of M = alpha c share it.

    Runs of one setting and other seeds are repetitions: they may share everything.
    """
    facts = [dict(_facts(run)) for run in runs]
    alphas = [run.spec.alpha for run in runs]
    if max(alphas) - min(alphas) <= 1.0 / min(run.spec.reads.fan_in for run in runs):
        facts = [one | {"alpha": alphas[0]} for one in facts]
    return tell_apart(facts, "runs", refuse=refuse)


def _label(names: Names, run: int) -> str:
    """Width (always), and whatever else the runs of the figure differ in."""
    size = [n for n in ("N", "connectivity") if names.facts[run][n] is not None]
    return names.label(run, [*size, *(n for n in names.differing if n not in size)])


def _layer_axis(ax: Axes, runs: list[MonteCarloResult]) -> None:
    depth = max(r.spec.L for r in runs)
    ax.set_xlabel(r"layer  $l$")
    ax.set_xlim(0.6, depth + 0.4)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


@of_kind(_RUNS, several=True)
def relaxation(
    results: Results,
    ax: Axes | None = None,
    *,
    quantity: Kind = "S",
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw tau_S(l) or tau_J(l) with error bars, one set of markers a run.

    A time that is not known (beyond the run, or ageing) is drawn as an open marker at its lower
    bound, with an arrow.  ``legend``: give title and legend; ``look``: as of `profile`, a list has
    one value a run.

    Raises
    ------
    InputError
        Unknown ``quantity``, or no relaxation run to draw.
    """
    _check(quantity)
    runs = _runs(results)
    own, names = asked(look, len(runs)), _names(runs)
    with drawing(ax) as ax:
        bare = False
        looks = zip(runs, own, sequence(len(runs)), strict=True)
        for k, (run, mine, (colour, marker)) in enumerate(looks):
            l = _layers(run, quantity) + _DODGE * (k - 0.5 * (len(runs) - 1))
            tau, error = getattr(run, f"tau_{quantity}"), getattr(run, f"tau_{quantity}_err")
            bound = getattr(run, f"tau_{quantity}_bound")
            bare = bare or bool(np.any(np.isfinite(tau) & ~np.isfinite(error)))
            base: dict[str, Any] = {
                "color": colour,
                "marker": marker,
                "label": _label(names, k),
            } | mine
            line = {n: base[n] for n in ("color", "linestyle") if n in base}
            ax.plot(l, tau, linewidth=0.6, **line)
            base.pop("linestyle", None)
            judged_points(
                ax, l, tau, error, bound=bound, side="lower", length=0.3 * bound, elinewidth=1.0,
                **base,
            )  # fmt: skip
        ax.set_yscale("log")
        few_decades(ax.yaxis)
        _layer_axis(ax, runs)
        ax.set_ylabel(rf"relaxation time of {_WHAT[quantity]}  $\tau_{quantity}(l)$  (sweeps)")
        if legend:
            entitle(ax, names.title(), ["without bar: error not determined"] * bare)
            if len(runs) > 1 or "label" in look:
                place_legend(ax)
        elif bare:
            ax.set_title("without bar: error not determined", loc="right", fontsize=7)
    return ax


@of_kind(_RUNS, several=True)
def correlation(
    run: MonteCarloResult,
    ax: Axes | None = None,
    *,
    quantity: Kind = "S",
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw C_S(l, t) or C_J(l, t), one set of markers a layer, with error bars; t from 1.

    ``legend``: give title and legend; ``look``: as of `profile`, a list has one value a layer.
    """
    _check(quantity)
    run = _runs(run)[0]
    layers = _layers(run, quantity)
    own = asked(look, len(layers))
    curves, errors = getattr(run, f"C_{quantity}"), getattr(run, f"C_{quantity}_err")
    later = run.times > 0
    with drawing(ax) as ax:
        looks = zip(layers, own, sequence(run.spec.L), strict=False)
        for row, (l, mine, (colour, marker)) in enumerate(looks):
            known = later & np.isfinite(curves[row])
            bars = np.where(np.isfinite(errors[row]), errors[row], 0.0)
            step = max(1, int(np.count_nonzero(known)) // 16)
            base: dict[str, Any] = {
                "color": colour, "marker": marker, "markersize": 3,
                "linewidth": 0.8, "label": f"$l = {l}$",
            } | mine  # fmt: skip
            ax.errorbar(
                run.times[known], curves[row, known], bars[known], elinewidth=0.8,
                markevery=(row % step, step), errorevery=(row % step, step), **base,
            )  # fmt: skip
        ax.axhline(math.exp(-1.0), color="0.5", linestyle=":", linewidth=0.8)
        ax.annotate(
            r"$1/\mathrm{e}$", (0.995, math.exp(-1.0)), xycoords=("axes fraction", "data"),
            xytext=(0, 2), textcoords="offset points", color="0.35", fontsize=7, ha="right",
        )  # fmt: skip
        ax.set_xscale("log")
        ax.set_ylim(min(-0.05, float(np.nanmin(curves, initial=0.0)) - 0.03), 1.03)
        ax.set_xlabel(r"time  $t$  (sweeps)")
        ax.set_ylabel(rf"autocorrelation of {_WHAT[quantity]}  $C_{quantity}(l, t)$")
        if legend:
            entitle(ax, _names([run]).title())
            if len(layers) <= LEGEND_MAX:
                place_legend(ax)
    return ax


@of_kind(_RUNS, several=True)
def overlaps(
    results: Results,
    ax: Axes | None = None,
    *,
    quantity: Kind = "S",
    theory: Solution | Iterable[Solution] = (),
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw overlaps by layer: of two replicas where they were run, else with the teacher.

    Filled markers have relaxed.  Open ones have not: with an arrow they are bounds, without one
    averages over the last octave (no direction is known, or the file is older than the verdicts).
    Diluted networks: whatever the signs of the neurons (`overlap_name`).

    theory : q_EA(l) or Q_EA(l) of each is drawn as a line, of a style of its own and named by its
        closure; with a teacher r = q_EA and R = Q_EA (Nishimori).

    ``legend``: give title and legend; ``look``: as of `profile`, a list has one value a run.

    Raises
    ------
    InputError
        Unknown ``quantity``, nothing to draw, or runs of several L, alpha or beta with ``theory``.
    """
    _check(quantity)
    runs = _runs(results)
    own, names = asked(look, len(runs)), _names(runs)
    with drawing(ax) as ax:
        _theory_lines(ax, names, quantity, _solutions(theory))
        drawn, measured = 0, set()
        looks = zip(runs, own, sequence(len(runs)), strict=True)
        for k, (run, mine, (colour, marker)) in enumerate(looks):
            name = overlap_name(run, quantity)
            measured.add(name)
            # a file made before overlaps were judged has its averages under the name itself
            judged = np.isfinite(run.relaxed[name])
            value = getattr(run, name)
            base: dict[str, Any] = {
                "color": colour,
                "marker": marker,
                "label": _label(names, k),
            } | mine
            drawn += judged_points(
                ax, _layers(run, quantity) + _DODGE * (k - 0.5 * (len(runs) - 1)),
                np.where(judged, value, np.nan), getattr(run, f"{name}_err"),
                bound=getattr(run, f"{name}_bound"), side=run.bound_sides.get(name),
                raw=np.where(judged, run.last_octave[name], value), **base,
            )  # fmt: skip
        if drawn == 0 and runs[0].spec.L > 1:
            raise InputError("runs", f"{len(runs)} runs", "with overlaps (replicas, or a teacher)")
        _layer_axis(ax, runs)
        what = "\n".join([f"overlap of {_WHAT[quantity]}", *map(_symbol, sorted(measured))])
        ax.set_ylabel(what)
        if legend:
            entitle(ax, names.title())
            place_legend(ax)
    return ax


def _solutions(theory: Solution | Iterable[Solution]) -> list[Solution]:
    check_kind("theory", theory, "Solution", several=True)
    return [theory] if isinstance(theory, Solution) else list(theory)


def _theory_lines(ax: Axes, names: Names, quantity: Kind, theory: list[Solution]) -> None:
    """Solutions at the one point of the runs, one line each."""
    for attribute in ("L", "alpha", "beta", "kappa") if theory else ():
        if attribute in names.differing:
            found = names.values(attribute)
            raise InputError("theory", found, f"runs of one {attribute}: the line is of one")
    if not theory:
        return
    if any(one["latent"] is not None for one in names.facts):
        raise InputError("theory", "of independent inputs", "none beside runs with latent inputs")
    lines = tell_apart([facts_of(one) for one in theory], "theory")
    closures = lines.values("closure")
    order = sorted(range(len(theory)), key=lambda k: closures.index(theory[k].problem.closure))
    for k, place in enumerate(order):
        one = theory[place]
        values = one.q_ea[1:-1] if quantity == "S" else one.Q_ea
        text = lines.label(place, lines.differing or ["closure"])
        ax.plot(
            np.arange(1, len(values) + 1), values, color="black", label=text,
            linestyle=line_of(k), marker=_THEORY_MARKERS[k % 2], markersize=9,
        )  # fmt: skip


def overlap_name(run: MonteCarloResult, quantity: Kind) -> str:
    """The overlap that no relabelling changes: of two replicas, else with the teacher."""
    from replicadnn.montecarlo.measure.registry import free_overlaps  # with the sampler

    return free_overlaps(run.spec, teacher=run.spec.replicas == 1)[quantity == "S"]


def _symbol(name: str) -> str:
    letter, _, end = name.partition("_")
    what = "of two replicas" if letter in "qQ" else "with the teacher"
    ends = {"": "", "matched": ", matched", "gauge": ", any signs"}
    return rf"${letter}(l)$ {what}{ends[end]}"


# --- whole figures -------------------------------------------------------------------------


def _headline(runs: list[MonteCarloResult]) -> list[str]:
    """What the runs of a figure have in common; beta also where it is infinite."""
    names = _names(runs)
    words = names.title()
    hard = "beta" not in names.differing and math.isinf(runs[0].spec.beta)
    return words + [r"$\beta = \infty$"] * hard


def _about(runs: list[MonteCarloResult]) -> str:
    samples = sorted({r.spec.samples for r in runs})
    count = str(samples[0]) if len(samples) == 1 else f"{samples[0]}-{samples[-1]}"
    stopped = [r for r in runs if str(r.status) != "complete"]
    end = f"; {len(stopped)} of {len(runs)} runs not complete" if stopped else ""
    return f"{count} sample{'s' if samples[-1] > 1 else ''}{end}"


@of_kind(_RUNS, several=True)
def relaxation_figure(
    results: Results, *, N: int | None = None, width: float | None = None
) -> Figure:
    """tau_S(l), tau_J(l) of every run above, C_S(l, t), C_J(l, t) of one width below.

    N : width of the curves, the largest by default.  ``width`` of the figure: inches.
    """
    runs = _runs(results)
    widths = [r.spec.N for r in runs]
    if N is None:
        N = max(widths)
    if N not in widths:
        raise InputError("N", N, "one of " + ", ".join(map(str, sorted(set(widths)))))
    chosen = runs[widths.index(N)]
    kinds: list[Kind] = ["S", "J"] if chosen.spec.L > 1 else ["J"]
    many = len(runs) > 1
    with style():
        figure, axes = panels(2 * len(kinds), width, columns=len(kinds))
        upper, lower = axes[: len(kinds)], axes[len(kinds) :]
        for kind, above, below in zip(kinds, upper, lower, strict=True):
            relaxation(runs, above, quantity=kind, legend=False)
            correlation(chosen, below, quantity=kind, legend=False)
            if many:
                below.set_title(_label(_names(runs), runs.index(chosen)), loc="right")
        low = min(ax.get_ylim()[0] for ax in upper)
        high = max(ax.get_ylim()[1] for ax in upper)
        for ax in upper:
            ax.set_ylim(low, high)
            few_decades(ax.yaxis)
        _letters(axes)
        handles = lower[-1].get_legend_handles_labels()[0]
        if len(handles) <= LEGEND_MAX:
            figure_legend(figure, handles, "layer")
        entitle(figure, _headline(runs), [_about(runs)])
        if many:
            place_legend(upper[-1])
    return figure


@of_kind(_RUNS, several=True)
def overlaps_figure(
    results: Results, *, theory: Solution | Iterable[Solution] = (), width: float | None = None
) -> Figure:
    """Overlaps of neurons and couplings, every run with its own markers; ``width``: inches."""
    runs, theory = _runs(results), _solutions(theory)
    kinds: list[Kind] = ["S", "J"] if runs[0].spec.L > 1 else ["J"]
    with style():
        figure, axes = panels(len(kinds), width)
        for ax, kind in zip(axes, kinds, strict=True):
            overlaps(runs, ax, quantity=kind, theory=theory, legend=False)
        if len(runs) > 1 or theory:
            figure_legend(figure, axes[-1].get_legend_handles_labels()[0])
        _letters(axes)
        lengths = sorted({r.sweeps_done for r in runs})
        when = ", ".join(map(str, lengths))
        about = f"{_about(runs)}, mean over the last half of {when} sweeps"
        state = "filled: relaxed; open: not relaxed, the arrow points to equilibrium"
        entitle(figure, _headline(runs), [about, state])
    return figure


def _letters(axes: list[Axes]) -> None:
    if len(axes) > 1:
        for letter, ax in zip(_PANELS, axes, strict=False):
            ax.set_title(f"({letter})", loc="left", fontsize=9)


def save_relaxation(
    results: Results,
    path: str | Path,
    *,
    N: int | None = None,
    width: float | None = None,
    overwrite: bool = False,
) -> Path:
    """Write `relaxation_figure` to ``path`` (.png, .pdf or .svg)."""
    return save_figure(relaxation_figure(results, N=N, width=width), path, overwrite=overwrite)


def save_overlaps(
    results: Results,
    path: str | Path,
    *,
    theory: Solution | Iterable[Solution] = (),
    width: float | None = None,
    overwrite: bool = False,
) -> Path:
    """Write `overlaps_figure` to ``path`` (.png, .pdf or .svg)."""
    figure = overlaps_figure(results, theory=theory, width=width)
    return save_figure(figure, path, overwrite=overwrite)
