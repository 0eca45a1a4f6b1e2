"""Replicon against alpha, and the de Almeida-Thouless line."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from replicadnn.errors import InputError
from replicadnn.plot.notebook import Figure
from replicadnn.plot.style import BEYOND, closure_words, save_figure, sequence, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.questions.stability import Stability, StabilityPoint

_SYMBOLS = {"L": "L", "kappa": r"\kappa", "beta": r"\beta"}
_LEGEND_MAX = 10


def replicon(found: Stability, ax: Axes | None = None) -> Axes:
    """Draw rho(alpha), one curve for each L, kappa, beta and branch; dotted where rho = 1.

    Dashed: beyond the counting bound of random data.

    Raises
    ------
    InputError
        No solved point.
    """
    points = [p for p in found.points if math.isfinite(p.rho)]
    if not points:
        raise InputError("found", "no solved point", "at least one solved point")
    if ax is None:
        ax = _axes()
    varying = [n for n in _SYMBOLS if len({getattr(p, n) for p in points}) > 1]
    branches = len({p.branch for p in points}) > 1

    def series(p: StabilityPoint) -> tuple[float, float, float, str]:
        return p.L, p.kappa, p.beta, p.branch

    groups = [
        (key, list(items)) for key, items in itertools.groupby(sorted(points, key=series), series)
    ]
    for (key, items), (colour, marker) in zip(groups, sequence(len(groups)), strict=True):
        words = [f"${_SYMBOLS[n]} = {_value(getattr(items[0], n))}$" for n in varying]
        words += [key[3]] if branches else []
        _curve(ax, sorted(items, key=lambda p: p.alpha), ", ".join(words), colour, marker)
    outside = any(p.possible is False for p in points)
    if outside:
        ax.plot([], [], color="0.35", linestyle="--", label=BEYOND)
    ax.axhline(1.0, color="0.35", linestyle=":", linewidth=1.0)
    alphas = [p.alpha for p in points]
    if max(alphas) > 20.0 * min(alphas):
        ax.set_xscale("log")
    ax.set_xlabel(r"$\alpha$  (patterns per coupling)")
    ax.set_ylabel(r"replicon  $\rho$  (below 1: stable)")
    if max(p.rho for p in points) > 20.0:
        ax.set_yscale("log")
    fixed = [
        f"${_SYMBOLS[n]} = {_value(getattr(points[0], n))}$" for n in _SYMBOLS if n not in varying
    ]
    ax.set_title(", ".join([found.scenario, *closure_words([found.closure]), *fixed]))
    if 1 < len(groups) <= _LEGEND_MAX or outside:
        ax.legend()
    return ax


def _curve(
    ax: Axes, items: list[StabilityPoint], label: str, colour: tuple[float, ...], marker: str
) -> None:
    """rho of one branch, dashed from the last point within the counting bound on."""
    known = sum(p.possible is not False for p in items)  # these have the smallest alpha
    beyond = items[max(0, known - 1) :] if known < len(items) else []
    for part, line in ((items[:known], "-"), (beyond, "--")):
        ax.plot(
            [p.alpha for p in part], [p.rho for p in part], color=colour, marker=marker,
            markerfacecolor="none", markersize=4, linestyle=line,
            label=label if part is not beyond or not known else None,
            markevery=max(1, len(items) // 12),
        )  # fmt: skip


def almeida_thouless(found: Stability, against: str = "kappa", ax: Axes | None = None) -> Axes:
    """Draw alpha_AT against "kappa" or "beta", one curve for each of the other parameters."""
    if against not in ("kappa", "beta"):
        raise InputError("against", against, "kappa or beta")
    lines = [line for line in found.lines if math.isfinite(line.alpha)]
    if not lines:
        raise InputError("found", "no line", "at least one crossing of rho = 1")
    if ax is None:
        ax = _axes()
    others = [n for n in _SYMBOLS if n != against]
    groups = sorted({tuple(getattr(line, n) for n in others) for line in lines})
    for group, (colour, marker) in zip(groups, sequence(len(groups)), strict=True):
        mine = [line for line in lines if tuple(getattr(line, n) for n in others) == group]
        mine.sort(key=lambda line: getattr(line, against))
        label = ", ".join(
            f"${_SYMBOLS[n]} = {_value(v)}$" for n, v in zip(others, group, strict=True)
        )
        ax.plot(
            [getattr(line, against) for line in mine], [line.alpha for line in mine], color=colour,
            marker=marker, markerfacecolor="none", label=label,
        )  # fmt: skip
    ax.set_yscale("log")
    if against == "beta" and np.ptp([line.beta for line in lines]) > 20.0:
        ax.set_xscale("log")
    names = {"kappa": r"margin  $\kappa$", "beta": r"inverse temperature  $\beta$"}
    ax.set_xlabel(names[against])
    ax.set_ylabel(r"$\alpha_{\mathrm{AT}}$  (replica symmetry breaks above)")
    ax.set_title(", ".join([found.scenario, *closure_words([found.closure])]))
    ax.legend()
    return ax


def _axes() -> Axes:
    with style():
        return Figure(figsize=(4.8, 3.8), layout="constrained").subplots()


def _value(x: float) -> str:
    return r"\infty" if math.isinf(x) else f"{x:g}"


def save_stability(found: Stability, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write `replicon` to ``path``, with `almeida_thouless` beside it where it is a line."""
    crossings = [line for line in found.lines if math.isfinite(line.alpha)]
    against = next(
        (n for n in ("kappa", "beta") if len({getattr(c, n) for c in crossings}) > 2), ""
    )
    with style():
        size = (9.2, 3.8) if against else (4.8, 3.8)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(1, 2 if against else 1, squeeze=False)[0]
        replicon(found, axes[0])
        if against:
            almeida_thouless(found, against, axes[1])
    return save_figure(figure, path, overwrite=overwrite)
