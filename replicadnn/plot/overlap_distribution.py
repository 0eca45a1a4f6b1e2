"""Distribution of the overlap of two ladders of replica exchange beside P(q) of the theory."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from replicadnn.calls import check_kind, of_kind
from replicadnn.errors import InputError
from replicadnn.plot.canvas import drawing, entitle, figure_legend, panels, place_legend
from replicadnn.plot.curves import asked
from replicadnn.plot.naming import Facts, Names, facts_of, tell_apart
from replicadnn.plot.notebook import Figure
from replicadnn.plot.style import line_of, save_figure, sequence, style
from replicadnn.solution import Solution

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.montecarlo.runs.result import TemperingResult

Array = NDArray[np.float64]
Quantity = Literal["q", "Q"]
Results: TypeAlias = "TemperingResult | Iterable[Any]"
_RUNS = "MonteCarloResult or TemperingResult"
_NAMES = {"q": "neurons", "Q": "couplings"}
_PANELS = "abcdefghijklmnopqrstuvwxyz"
#: Inverse temperatures that agree so far are one rung.
_SAME = 1e-6
_NOT_RELAXED = "dotted: not relaxed"


def _ladders(results: Results) -> list[TemperingResult]:
    """The runs with two ladders a data set; InputError where one has not."""
    from replicadnn.montecarlo.runs.result import MonteCarloResult, TemperingResult

    single = isinstance(results, MonteCarloResult | TemperingResult)
    items = [results] if single else list(cast("Iterable[Any]", results))
    runs = [run for run in items if isinstance(run, TemperingResult) and run.overlap.size]
    if not runs or len(runs) < len(items):
        raise InputError(
            "runs", f"{len(items)}, {len(runs)} of them with distributions",
            "runs of replica exchange with two ladders a data set (tempering, replicas 2)",
        )  # fmt: skip
    return runs


def _rung(run: TemperingResult, beta: float | None) -> int:
    """Place of the rung: the highest one, or that of ``beta``."""
    if beta is None:
        return len(run.betas) - 1
    near = np.flatnonzero(np.isclose(run.betas, beta, rtol=_SAME, atol=0.0))
    if not near.size:
        raise InputError("beta", beta, "one of " + ", ".join(f"{b:g}" for b in run.betas))
    return int(near[0])


def _facts(run: TemperingResult, rung: int) -> Facts:
    spec = run.spec
    return {
        "scenario": str(spec.scenario), "L": spec.L, "N": spec.N,
        "connectivity": None if spec.reads.dense else spec.connectivity, "alpha": spec.alpha,
        "kappa": spec.kappa, "beta": float(run.betas[rung]),
        "graph": None if spec.graph is None else str(spec.graph), "start": str(spec.start),
    }  # fmt: skip


def _names(runs: list[TemperingResult], beta: float | None) -> Names:
    """Names of runs; those of equal alpha but for the rounding of M = alpha c share it."""
    facts = [dict(_facts(run, _rung(run, beta))) for run in runs]
    alphas = [run.spec.alpha for run in runs]
    if max(alphas) - min(alphas) <= 1.0 / min(run.spec.reads.fan_in for run in runs):
        facts = [one | {"alpha": alphas[0]} for one in facts]
    return tell_apart(facts, "runs", refuse=False)


def _label(names: Names, run: int) -> str:
    size = [n for n in ("N", "connectivity") if names.facts[run][n] is not None]
    return names.label(run, [*size, *(n for n in names.differing if n not in size)])


@of_kind(_RUNS, several=True)
def overlap_distribution(
    results: Results,
    ax: Axes | None = None,
    *,
    quantity: Quantity = "q",
    layer: int = 1,
    beta: float | None = None,
    theory: Solution | Iterable[Solution] = (),
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw the density of the overlap of two ladders in one layer, with error bars over data sets.

    Of theory the continuous part of P(q) is drawn as a line, in the same unit, and the deltas as
    stems whose weights stand on an axis of their own at the right.

    Parameters
    ----------
    results : TemperingResult or an iterable of them
        Of replica exchange with two ladders a data set.
    quantity : {"q", "Q"}
        Overlap of the neurons of ``layer``, 1..L-1, or of the couplings, 1..L.
    beta : float, optional
        Which rung; the highest by default.
    theory : Solution or an iterable of them
        Of the runs' L, alpha, beta and kappa.
    legend : bool
        Give title and legend.
    **look
        As of `profile`; a list has one value a run.

    Raises
    ------
    InputError
        No such quantity, layer or rung, a run without two ladders, or runs of several L, alpha,
        beta or kappa with ``theory``.
    """
    if quantity not in _NAMES:
        raise InputError("quantity", quantity, "one of q, Q")
    runs, solutions = _ladders(results), _solutions(theory)
    own, names = asked(look, len(runs)), _names(runs, beta)
    deepest = min(run.spec.L for run in runs) - (quantity == "q")
    if not 1 <= layer <= deepest:
        raise InputError("layer", layer, f"1..{deepest}")
    with drawing(ax) as ax:
        ends = [_theory(ax, names, solutions, quantity, layer)]
        looks = zip(runs, own, sequence(len(runs)), strict=True)
        for k, (run, mine, (colour, _)) in enumerate(looks):
            base = {"color": colour, "linewidth": 1.2, "label": _label(names, k)} | mine
            ends.append(_histogram(ax, run, _rung(run, beta), quantity, layer, base))
        low, high = np.nanmin(ends), np.nanmax(ends)
        ax.set_xlim(max(-1.0, low - 0.04), min(1.0, high + 0.04))
        ax.set_ylim(bottom=0.0)
        ax.set_xlabel(rf"overlap of {_NAMES[quantity]}  ${quantity}({layer})$")
        ax.set_ylabel(rf"density  $P({quantity}, {layer})$")
        if legend:
            entitle(ax, names.title(), _notes(runs, beta))
            place_legend(ax)
    return ax


def _solutions(theory: Solution | Iterable[Solution]) -> list[Solution]:
    check_kind("theory", theory, "Solution", several=True)
    return [theory] if isinstance(theory, Solution) else list(theory)


def _histogram(
    ax: Axes, run: TemperingResult, rung: int, quantity: Quantity, layer: int, look: dict[str, Any]
) -> tuple[float, float]:
    """One run; returns the overlaps between which there are counts."""
    counts = run.values[f"counts.{quantity}"][:, rung, layer - 1].astype(float)
    half = 0.5 * (run.overlap[1] - run.overlap[0])
    edges = np.append(run.overlap - half, run.overlap[-1] + half)
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    by_sample = counts / (total * 2.0 * half)
    density = by_sample.mean(axis=0)
    seen = np.flatnonzero(density)
    if not seen.size:
        return math.nan, math.nan
    part = slice(seen[0], seen[-1] + 1)
    relaxed = run.relaxed[f"P_{quantity}"][rung, layer - 1] == 1.0
    line = {"linestyle": "-" if relaxed else ":"} | look
    ax.stairs(density[part], edges[seen[0] : seen[-1] + 2], baseline=0.0, **line)
    if len(counts) > 1:
        error = by_sample.std(axis=0, ddof=1) / math.sqrt(len(counts))
        ax.errorbar(
            run.overlap[part], density[part], error[part], linestyle="none", elinewidth=0.8,
            color=look["color"],
        )  # fmt: skip
    return edges[seen[0]], edges[seen[-1] + 1]


def _theory(
    ax: Axes, names: Names, solutions: list[Solution], quantity: Quantity, layer: int
) -> tuple[float, float]:
    """Solutions at the one point of the runs; returns the smallest and largest overlap."""
    for attribute in ("L", "alpha", "beta", "kappa") if solutions else ():
        if attribute in names.differing:
            raise InputError(
                "theory", names.values(attribute), f"runs of one {attribute}: the line is of one"
            )
    if not solutions:
        return math.nan, math.nan
    lines = tell_apart([facts_of(one) for one in solutions], "theory")
    weights = ax.twinx()
    weights.set_ylim(0.0, 1.03)
    weights.set_ylabel("weight of the deltas")
    ends = []
    closures = lines.values("closure")
    order = sorted(
        range(len(solutions)), key=lambda k: closures.index(facts_of(solutions[k])["closure"])
    )
    for k, place in enumerate(order):
        found = solutions[place].overlap_distribution(layer, quantity)
        text = lines.label(place, lines.differing or ["closure"])
        look: dict[str, Any] = {"color": "black", "linestyle": line_of(k), "linewidth": 1.0}
        values, heights = np.array([(one.value, one.weight) for one in found.deltas]).T
        weights.vlines(values, 0.0, heights, **look)
        weights.plot(
            values,
            heights,
            color="black",
            marker="ox"[k % 2],
            markersize=4,
            markerfacecolor="none",
            linestyle="none",
        )
        ax.plot(
            [], [], marker="ox"[k % 2], markersize=4, markerfacecolor="none", label=text, **look
        )
        if found.continuous_weight > 0.0:
            ax.stairs(found.density, found.edges, baseline=None, **look)
        ends += [*values, *found.values]
    return min(ends), max(ends)


def _notes(runs: list[TemperingResult], beta: float | None) -> list[str]:
    """What the figure must say beside its names."""
    samples = sorted({run.spec.samples for run in runs})
    count = str(samples[0]) if len(samples) == 1 else f"{samples[0]}-{samples[-1]}"
    loose = any(
        (run.relaxed[f"P_{name}"][_rung(run, beta)] != 1.0).any() for run in runs for name in "qQ"
    )
    about = f"two ladders on each of {count} data sets"
    return [about + f"; {_NOT_RELAXED}" * loose]


@of_kind(_RUNS, several=True)
def overlap_distribution_figure(
    results: Results,
    *,
    beta: float | None = None,
    theory: Solution | Iterable[Solution] = (),
    width: float | None = None,
) -> Figure:
    """One panel for the neurons of every hidden layer, then one for the couplings of every layer.

    ``beta``: which rung, the highest by default; ``width``: inches.
    """
    runs, solutions = _ladders(results), _solutions(theory)
    L = min(run.spec.L for run in runs)
    layers: list[tuple[Quantity, int]] = [("q", l) for l in range(1, L)]
    layers += [("Q", l) for l in range(1, L + 1)]
    names = _names(runs, beta)
    with style():
        figure, axes = panels(len(layers), width, columns=min(3, len(layers)), height=0.9)
        for letter, ax, (quantity, layer) in zip(_PANELS, axes, layers, strict=False):
            overlap_distribution(
                runs, ax, quantity=quantity, layer=layer, beta=beta, theory=solutions, legend=False
            )
            ax.set_title(f"({letter})", loc="left", fontsize=9)
        figure_legend(figure, axes[-1].get_legend_handles_labels()[0])
        entitle(figure, names.title(), _notes(runs, beta))
    return figure


def save_overlap_distribution(
    results: Results,
    path: str | Path,
    *,
    beta: float | None = None,
    theory: Solution | Iterable[Solution] = (),
    width: float | None = None,
    overwrite: bool = False,
) -> Path:
    """Write `overlap_distribution_figure` to ``path`` (.png, .pdf or .svg)."""
    figure = overlap_distribution_figure(results, beta=beta, theory=theory, width=width)
    return save_figure(figure, path, overwrite=overwrite)
