"""Monte Carlo: relaxation times and curves layer by layer, overlaps, widths side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from replicadnn.errors import InputError
from replicadnn.montecarlo.spec import Potential, Spec
from replicadnn.plot.notebook import Figure
from replicadnn.plot.style import (
    closure_line,
    closures_in_order,
    judged_points,
    save_figure,
    sequence,
    style,
)
from replicadnn.solution import Solution

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.montecarlo.runs.result import MonteCarloResult

Kind = Literal["S", "J"]
Results: TypeAlias = "MonteCarloResult | Iterable[Any]"
_WHAT = {"S": "neurons", "J": "couplings"}
#: Most layers with an own entry in the legend of the curves.
_LEGEND_MAX = 10
_PANELS = "abcdefgh"
#: Of the closures, in the order of their lines: at L = 2 there is one hidden layer and no line.
_THEORY_MARKERS = "_x"
#: Shift of the markers of neighbouring runs, so that bars at the same layer stay apart.
_DODGE = 0.08


def _runs(results: Results) -> list[MonteCarloResult]:
    """The relaxation runs among ``results``; InputError if there is none."""
    from replicadnn.montecarlo.runs.result import (
        MonteCarloResult,  # with the sampler, which a phase diagram needs not
    )

    items = [results] if isinstance(results, MonteCarloResult) else list(results)
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


def _new_axes() -> Axes:
    with style():
        return Figure(layout="constrained").subplots()


def _layers(run: MonteCarloResult, quantity: str) -> NDArray[np.int64]:
    L = run.spec.L
    return np.arange(1, L + 1 if quantity == "J" else L)


#: What tells runs apart beside N: attribute of the Spec, and how it is written.
_TELLS = (("L", "$L = {:g}$"), ("alpha", r"$\alpha = {:g}$"), ("beta", r"$\beta = {:g}$"),
          ("kappa", r"$\kappa = {:g}$"), ("graph", "{} graph"), ("scenario", "{}"),
          ("sampler", "{} sampler"), ("start", "{} start"))  # fmt: skip


def _differ(others: list[MonteCarloResult], attribute: str) -> bool:
    """Do the runs of a figure differ in it?  alpha: by more than the rounding of M = alpha c."""
    values = {getattr(r.spec, attribute) for r in others}
    if attribute == "alpha":
        finest = min(r.spec.reads.fan_in for r in others)
        return bool(max(values) - min(values) > 1.0 / finest)
    return len(values) > 1


def _name(run: MonteCarloResult, others: list[MonteCarloResult]) -> str:
    """Size, and whatever else the runs of the figure differ in."""
    words = [_size(run.spec)]
    words += [
        text.format(getattr(run.spec, attribute))
        for attribute, text in _TELLS
        if _differ(others, attribute)
    ]
    return ", ".join(words)


def _size(spec: Spec) -> str:
    """N, and c where the network is diluted."""
    return f"$N = {spec.N}$" + ("" if spec.reads.dense else f", $c = {spec.connectivity}$")


def _layer_axis(ax: Axes, runs: list[MonteCarloResult]) -> None:
    depth = max(r.spec.L for r in runs)
    ax.set_xlabel(r"layer  $l$")
    ax.set_xlim(0.6, depth + 0.4)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def relaxation(results: Results, quantity: Kind = "S", ax: Axes | None = None) -> Axes:
    """Draw tau_S(l) or tau_J(l) with error bars, one set of markers a run.

    A time that is not known (beyond the run, or ageing) is drawn as an open marker at its lower
    bound, with an arrow.

    Raises
    ------
    InputError
        Unknown ``quantity``, or no relaxation run to draw.
    """
    _check(quantity)
    runs = _runs(results)
    ax = ax if ax is not None else _new_axes()
    bare = False
    for k, (run, (colour, marker)) in enumerate(zip(runs, sequence(len(runs)), strict=True)):
        l = _layers(run, quantity) + _DODGE * (k - 0.5 * (len(runs) - 1))
        tau, error = getattr(run, f"tau_{quantity}"), getattr(run, f"tau_{quantity}_err")
        bound = getattr(run, f"tau_{quantity}_bound")
        bare = bare or bool(np.any(np.isfinite(tau) & ~np.isfinite(error)))
        ax.plot(l, tau, color=colour, linewidth=0.6)
        judged_points(
            ax, l, tau, error, bound=bound, side="lower", length=0.3 * bound, color=colour,
            marker=marker, elinewidth=1.0, label=_name(run, runs),
        )  # fmt: skip
    if bare:
        ax.set_title("without bar: error not determined", loc="right", fontsize=7)
    ax.set_yscale("log")
    _layer_axis(ax, runs)
    ax.set_ylabel(rf"relaxation time of {_WHAT[quantity]}  $\tau_{quantity}(l)$  (sweeps)")
    return ax


def correlation(
    run: MonteCarloResult, quantity: Kind = "S", ax: Axes | None = None, *, legend: bool = True
) -> Axes:
    """Draw C_S(l, t) or C_J(l, t), one set of markers a layer, with error bars; t from 1."""
    _check(quantity)
    run = _runs(run)[0]
    ax = ax if ax is not None else _new_axes()
    layers = _layers(run, quantity)
    curves, errors = getattr(run, f"C_{quantity}"), getattr(run, f"C_{quantity}_err")
    later = run.times > 0
    for row, (l, (colour, marker)) in enumerate(zip(layers, sequence(run.spec.L), strict=False)):
        known = later & np.isfinite(curves[row])
        bars = np.where(np.isfinite(errors[row]), errors[row], 0.0)
        step = max(1, int(np.count_nonzero(known)) // 16)
        ax.errorbar(
            run.times[known], curves[row, known], bars[known], color=colour, marker=marker,
            markerfacecolor="none", markersize=3.5, linewidth=0.8, elinewidth=0.8,
            markevery=(row % step, step), errorevery=(row % step, step), label=f"$l = {l}$",
        )  # fmt: skip
    ax.axhline(math.exp(-1.0), color="0.5", linestyle=":", linewidth=0.8)
    ax.annotate(
        r"$1/\mathrm{e}$", (0.995, math.exp(-1.0)), xycoords=("axes fraction", "data"),
        xytext=(0, 2), textcoords="offset points", color="0.35", fontsize=8, ha="right",
    )  # fmt: skip
    ax.set_xscale("log")
    ax.set_ylim(min(-0.05, float(np.nanmin(curves, initial=0.0)) - 0.03), 1.03)
    ax.set_xlabel(r"time  $t$  (sweeps)")
    ax.set_ylabel(rf"autocorrelation of {_WHAT[quantity]}  $C_{quantity}(l, t)$")
    if legend and len(layers) <= _LEGEND_MAX:
        ax.legend(title="layer", ncols=1, loc="upper right")
    return ax


def overlaps(
    results: Results,
    quantity: Kind = "S",
    ax: Axes | None = None,
    *,
    theory: Iterable[Solution] = (),
) -> Axes:
    """Draw overlaps by layer: of two replicas where they were run, else with the teacher.

    Filled markers have relaxed.  Open ones have not: with an arrow they are bounds, without one
    averages over the last octave (no direction is known, or the file is older than the verdicts).
    Diluted networks: whatever the signs of the neurons (`overlap_name`).

    theory : q_EA(l) or Q_EA(l) of each is drawn as a line, of a style of its own and named by its
        closure; with a teacher r = q_EA and R = Q_EA (Nishimori).

    Raises
    ------
    InputError
        Unknown ``quantity``, nothing to draw, or runs of several L, alpha or beta with ``theory``.
    """
    _check(quantity)
    runs = _runs(results)
    ax = ax if ax is not None else _new_axes()
    _theory_lines(ax, runs, quantity, list(theory))
    drawn, names = 0, set()
    for k, (run, (colour, marker)) in enumerate(zip(runs, sequence(len(runs)), strict=True)):
        name = overlap_name(run, quantity)
        names.add(name)
        # a file made before overlaps were judged has its averages under the name itself
        judged = np.isfinite(run.relaxed[name])
        value = getattr(run, name)
        drawn += judged_points(
            ax, _layers(run, quantity) + _DODGE * (k - 0.5 * (len(runs) - 1)),
            np.where(judged, value, np.nan), getattr(run, f"{name}_err"),
            bound=getattr(run, f"{name}_bound"), side=run.bound_sides.get(name),
            raw=np.where(judged, run.last_octave[name], value), color=colour, marker=marker,
            label=_name(run, runs),
        )  # fmt: skip
    if drawn == 0 and runs[0].spec.L > 1:
        raise InputError("runs", f"{len(runs)} runs", "with overlaps (replicas, or a teacher)")
    _layer_axis(ax, runs)
    ax.set_ylabel("\n".join([f"overlap of {_WHAT[quantity]}", *map(_symbol, sorted(names))]))
    return ax


def _theory_lines(
    ax: Axes, runs: list[MonteCarloResult], quantity: Kind, theory: list[Solution]
) -> None:
    """Solutions at the one point of the runs, one line a closure."""
    for attribute in ("L", "alpha", "beta", "kappa") if theory else ():
        if _differ(runs, attribute):
            found = sorted({getattr(r.spec, attribute) for r in runs})
            raise InputError("theory", found, f"runs of one {attribute}: the line is of one")
    by_closure = {one.problem.closure: one for one in theory}
    for k, name in enumerate(closures_in_order(by_closure)):
        one = by_closure[name]
        values = one.q_ea[1:-1] if quantity == "S" else one.Q_ea
        ax.plot(
            np.arange(1, len(values) + 1), values, color="black", label=f"closure {name}",
            linestyle=closure_line(k), marker=_THEORY_MARKERS[k % 2], markersize=9,
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


def _headline(runs: list[MonteCarloResult]) -> str:
    """What the runs of a figure have in common."""
    spec = runs[0].spec
    beta = r"\infty" if math.isinf(spec.beta) else f"{spec.beta:g}"
    words = {
        "scenario": str(spec.scenario), "L": f"$L = {spec.L}$", "reads": _size(spec),
        "alpha": rf"$\alpha = {spec.alpha:g}$", "beta": rf"$\beta = {beta}$",
    }  # fmt: skip
    if spec.kappa:
        words["kappa"] = rf"$\kappa = {spec.kappa:g}$"
    if spec.graph is not None:
        words["graph"] = f"{spec.graph} graph"
    if spec.potential is not Potential.COUNT:
        words["potential"] = f"{spec.potential} potential"
    return ", ".join(text for name, text in words.items() if not _differ(runs, name))


def _about(runs: list[MonteCarloResult]) -> str:
    first = runs[0].spec
    starts = " and ".join(sorted({str(r.spec.start) for r in runs}))
    samples = sorted({r.spec.samples for r in runs})
    count = str(samples[0]) if len(samples) == 1 else f"{samples[0]}-{samples[-1]}"
    plural = "s" if samples[-1] > 1 else ""
    stopped = [r for r in runs if str(r.status) != "complete"]
    end = f"; {len(stopped)} of {len(runs)} runs not complete" if stopped else ""
    return f"{first.sampler} sampler, {starts} start, {count} sample{plural}{end}"


def relaxation_figure(results: Results, *, N: int | None = None) -> Figure:
    """tau_S(l), tau_J(l) of every run above, C_S(l, t), C_J(l, t) of one width below.

    N : width of the curves, the largest by default.
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
        figure = Figure(figsize=(4.7 * len(kinds), 7.0), layout="constrained")
        grid = figure.subplots(2, len(kinds), squeeze=False)
        for column, kind in enumerate(kinds):
            relaxation(runs, kind, grid[0][column])
            correlation(chosen, kind, grid[1][column], legend=False)
            if many:
                which = _name(chosen, runs)
                grid[1][column].set_title(which, loc="right", fontsize=9)
        if many:
            grid[0][-1].legend()
        share = list(grid[0])
        low = min(ax.get_ylim()[0] for ax in share)
        high = max(ax.get_ylim()[1] for ax in share)
        for ax in share:
            ax.set_ylim(low, high)
        handles, labels = grid[1][-1].get_legend_handles_labels()
        if len(handles) <= _LEGEND_MAX:
            figure.legend(handles, labels, loc="outside right lower", title="layer")
        _letters(list(grid.flat))
        figure.suptitle(_headline(runs) + "\n" + _about(runs))
    return figure


def overlaps_figure(results: Results, *, theory: Iterable[Solution] = ()) -> Figure:
    """Overlaps of neurons and couplings side by side, every run with its own markers."""
    runs, theory = _runs(results), list(theory)
    kinds: list[Kind] = ["S", "J"] if runs[0].spec.L > 1 else ["J"]
    with style():
        figure = Figure(figsize=(4.5 * len(kinds), 3.6), layout="constrained")
        grid = figure.subplots(1, len(kinds), squeeze=False)[0]
        for ax, kind in zip(grid, kinds, strict=True):
            overlaps(runs, kind, ax, theory=theory)
        if len(runs) > 1 or theory:
            grid[-1].legend(loc="upper left", bbox_to_anchor=(1.02, 1.0))
        _letters(list(grid))
        lengths = sorted({r.sweeps_done for r in runs})
        when = ", ".join(map(str, lengths))
        figure.suptitle(
            f"{_headline(runs)}\n{_about(runs)}, mean over the last half of {when} sweeps\n"
            "filled: relaxed; open: not relaxed, the arrow points to equilibrium"
        )
    return figure


def _letters(axes: list[Axes]) -> None:
    if len(axes) > 1:
        for letter, ax in zip(_PANELS, axes, strict=False):
            ax.set_title(f"({letter})", loc="left", fontsize=9)


def save_relaxation(
    results: Results, path: str | Path, *, N: int | None = None, overwrite: bool = False
) -> Path:
    """Write `relaxation_figure` to ``path`` (.png, .pdf or .svg)."""
    return save_figure(relaxation_figure(results, N=N), path, overwrite=overwrite)


def save_overlaps(
    results: Results,
    path: str | Path,
    *,
    theory: Iterable[Solution] = (),
    overwrite: bool = False,
) -> Path:
    """Write `overlaps_figure` to ``path`` (.png, .pdf or .svg)."""
    return save_figure(overlaps_figure(results, theory=theory), path, overwrite=overwrite)
