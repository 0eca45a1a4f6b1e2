"""Distribution of the gaps P(r), by layer or on the way to jamming."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from replicadnn.errors import InputError
from replicadnn.plot.notebook import Figure
from replicadnn.plot.parisi import mirrored
from replicadnn.plot.style import BEYOND, closure_words, save_figure, sequence, style
from replicadnn.solution import Solution

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.questions.gaps import GapDistribution

_MOST = 8


def gaps(distributions: Iterable[GapDistribution], ax: Axes | None = None) -> Axes:
    """Draw P(r), one curve a distribution, on a logarithmic axis.

    The dashed line is the free Gaussian cut at the margin: liquid layers, and every layer in the
    teacher-student scenario.
    """
    items = list(distributions)
    if not items:
        raise InputError("distributions", "none", "at least one")
    if ax is None:
        with style():
            ax = Figure(figsize=(4.8, 3.8), layout="constrained").subplots()
    layers = len({d.layer for d in items}) > 1
    alphas = len({d.alpha for d in items}) > 1
    low = min((d.kappa if math.isinf(d.beta) else d.kappa - 3.0) for d in items)
    high = max(d.kappa for d in items) + 4.0
    for d, (colour, marker) in zip(items, sequence(len(items)), strict=True):
        words = [f"$l = {d.layer}$"] if layers or not alphas else []
        words += [rf"$\alpha = {d.alpha:g}$"] if alphas else []
        shown = (d.r >= low) & (d.r <= high) & (d.P > 0.0)
        ax.plot(
            d.r[shown], d.P[shown], color=colour, marker=marker, markerfacecolor="none",
            markersize=3.5, markevery=max(1, int(shown.sum()) // 9), label=", ".join(words),
        )  # fmt: skip
    first = items[0]
    noise = math.exp(-first.beta)
    norm = noise + (1.0 - noise) * 0.5 * math.erfc(first.kappa / math.sqrt(2.0))
    r = np.linspace(low, high, 400)
    free = np.where(r < first.kappa, noise, 1.0) * np.exp(-0.5 * r * r) / math.sqrt(2.0 * math.pi)
    ax.plot(r, free / norm, color="0.35", linestyle="--", linewidth=1.0, label="cut Gaussian")
    ax.set_yscale("log")
    ax.set_ylim(bottom=1e-4)
    ax.set_xlim(low - 0.05, high)
    ax.set_xlabel(r"gap  $r$")
    ax.set_ylabel(r"density  $P(r)$")
    ax.legend()
    return ax


def gaps_figure(solutions: Solution | Iterable[Solution], *, layer: int | None = None) -> Figure:
    """P(r) of all distinct layers of one solution (the last), or of ``layer`` of several.

    Mirror images (l and L + 1 - l, where the overlaps are symmetric) are drawn once; at most 8
    curves, evenly chosen.
    """
    from replicadnn.questions.gaps import gap_distribution  # with the solvers
    from replicadnn.theory.counting import counting_bound

    items = [solutions] if isinstance(solutions, Solution) else list(solutions)
    good = [s for s in items if s.converged]
    if not good:
        raise InputError("solutions", f"{len(items)} points", "at least one converged point")
    if layer is None:
        count = (good[-1].L + 1) // 2 if mirrored(good[-1]) else good[-1].L
        chosen = np.unique(np.linspace(1, count, min(count, _MOST)).round().astype(int))
        drawn = [gap_distribution(good[-1], int(l)) for l in chosen]
    else:
        picked = np.unique(np.linspace(0, len(good) - 1, min(len(good), _MOST)).round().astype(int))
        drawn = [gap_distribution(good[int(i)], layer) for i in picked]
    problem = good[-1].problem
    words = [str(problem.scenario), str(problem.ansatz), *closure_words([problem.closure])]
    words.append(f"$L = {problem.L}$")
    if layer is None:
        words.append(rf"$\alpha = {problem.alpha:g}$")
    else:
        words.append(f"$l = {layer}$")
    if problem.kappa:
        words.append(rf"$\kappa = {problem.kappa:g}$")
    if math.isfinite(problem.beta):
        words.append(rf"$\beta = {problem.beta:g}$")
    title = ", ".join(words)
    if any(s.possible is False for s in good):
        title += f",\n{BEYOND} from $\\alpha = {counting_bound(problem.L):.4g}$"
    with style():
        figure = Figure(figsize=(4.8, 3.8), layout="constrained")
        ax = gaps(drawn, figure.subplots())
        ax.set_title(title)
    return figure


def save_gaps(
    solutions: Solution | Iterable[Solution],
    path: str | Path,
    *,
    layer: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Write `gaps_figure` to ``path`` (.png, .pdf or .svg)."""
    return save_figure(gaps_figure(solutions, layer=layer), path, overwrite=overwrite)
