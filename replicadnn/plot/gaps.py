"""Distribution of the gaps P(r), by layer or on the way to jamming."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from replicadnn.calls import of_kind
from replicadnn.errors import InputError
from replicadnn.plot.canvas import drawing, entitle, panels, place_legend
from replicadnn.plot.curves import named
from replicadnn.plot.naming import BEYOND, facts_of, objections, tell_apart
from replicadnn.plot.notebook import Figure
from replicadnn.plot.parisi import mirrored
from replicadnn.plot.style import save_figure, style
from replicadnn.solution import Solution
from replicadnn.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.questions.gaps import GapDistribution

_MOST = 8


@of_kind("GapDistribution", several=True)
def gaps(
    distributions: Iterable[GapDistribution],
    ax: Axes | None = None,
    *,
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw P(r), one curve a distribution, on a logarithmic axis.

    The dashed line is the free Gaussian cut at the margin: liquid layers, and every layer in the
    teacher-student scenario.

    Parameters
    ----------
    distributions : iterable of GapDistribution
        Of different layers, alpha, kappa or beta.
    ax : Axes, optional
        Where to draw; a new figure by default.
    legend : bool
        Give title and legend.
    **look
        As of `profile`; a list has one value a curve.

    Raises
    ------
    InputError
        Nothing to draw, or curves that cannot be told apart.
    """
    items = list(distributions)
    if not items:
        raise InputError("distributions", "none", "at least one")
    facts = [{n: getattr(d, n) for n in ("layer", "alpha", "kappa", "beta")} for d in items]
    names, looks = named(facts, "distributions", look)
    with drawing(ax) as ax:
        low = min((d.kappa if math.isinf(d.beta) else d.kappa - 3.0) for d in items)
        high = max(d.kappa for d in items) + 4.0
        for d, base in zip(items, looks, strict=True):
            shown = (d.r >= low) & (d.r <= high) & (d.P > 0.0)
            every = {"markevery": max(1, int(shown.sum()) // 9)}
            ax.plot(d.r[shown], d.P[shown], **every | base)
        for number, (kappa, beta) in enumerate(sorted({(d.kappa, d.beta) for d in items})):
            r, free = _cut_gaussian(kappa, beta, low, high)
            label = None if number else "cut Gaussian"
            ax.plot(r, free, color="0.35", linestyle="--", linewidth=1.0, label=label)
        ax.set_yscale("log")
        ax.set_ylim(bottom=1e-4)
        ax.set_xlim(low - 0.05, high)
        ax.set_xlabel(r"gap  $r$")
        ax.set_ylabel(r"density  $P(r)$")
        if legend:
            entitle(ax, names.title())
            place_legend(ax)
    return ax


def _cut_gaussian(
    kappa: float, beta: float, low: float, high: float
) -> tuple[FloatArray, FloatArray]:
    """(r, density) of a normal gap, weight exp(-beta) below the margin."""
    noise = math.exp(-beta)
    norm = noise + (1.0 - noise) * 0.5 * math.erfc(kappa / math.sqrt(2.0))
    r = np.linspace(low, high, 400)
    free = np.where(r < kappa, noise, 1.0) * np.exp(-0.5 * r * r) / math.sqrt(2.0 * math.pi)
    return r, free / norm


@of_kind("Solution", several=True)
def gaps_figure(
    solutions: Solution | Iterable[Solution],
    *,
    layer: int | None = None,
    width: float | None = None,
    **look: Any,
) -> Figure:
    """P(r) of all distinct layers of one solution (the last), or of ``layer`` of several.

    Mirror images (l and L + 1 - l, where the overlaps are symmetric) are drawn once; at most 8
    curves, evenly chosen, which the title says.  ``width``: inches, 3.4 by default.
    """
    from replicadnn.questions.gaps import gap_distribution  # with the solvers
    from replicadnn.theory.counting import counting_bound

    items = [solutions] if isinstance(solutions, Solution) else list(solutions)
    good = [s for s in items if s.converged]
    if not good:
        raise InputError("solutions", f"{len(items)} points", "at least one converged point")
    if layer is None:
        count = (good[-1].L + 1) // 2 if mirrored(good[-1]) else good[-1].L
        chosen = [(good[-1], l) for l in range(1, count + 1)]
    else:
        chosen = [(one, layer) for one in good]
    picked = np.unique(np.linspace(0, len(chosen) - 1, min(len(chosen), _MOST)).round().astype(int))
    drawn = [chosen[int(i)] for i in picked]
    facts = [{**facts_of(one), "layer": l} for one, l in drawn]
    names = tell_apart(facts, "solutions", refuse="label" not in look)
    notes = objections([one for one, _ in drawn])
    if len(drawn) < len(chosen):
        notes.append(f"{len(drawn)} of {len(chosen)} curves are drawn")
    if any(one.possible is False for one, _ in drawn):
        bounds = sorted({counting_bound(one.L) for one, _ in drawn})
        notes += [rf"{BEYOND} from $\alpha = {bound:.4g}$" for bound in bounds]
    labels = {"label": [names.label(k) or "_one" for k in range(len(drawn))]}
    with style():
        figure, (ax,) = panels(1, width, height=0.8)
        gaps([gap_distribution(one, l) for one, l in drawn], ax, legend=False, **labels | look)
        entitle(ax, names.title(), notes)
        place_legend(ax)
    return figure


def save_gaps(
    solutions: Solution | Iterable[Solution],
    path: str | Path,
    *,
    layer: int | None = None,
    width: float | None = None,
    overwrite: bool = False,
    **look: Any,
) -> Path:
    """Write `gaps_figure` to ``path`` (.png, .pdf or .svg)."""
    figure = gaps_figure(solutions, layer=layer, width=width, **look)
    return save_figure(figure, path, overwrite=overwrite)
