"""Replicon against alpha, and the de Almeida-Thouless line."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from replicadnn.calls import of_kind
from replicadnn.errors import InputError
from replicadnn.plot.canvas import drawing, entitle, panels, place_legend
from replicadnn.plot.curves import named
from replicadnn.plot.naming import BEYOND, Facts
from replicadnn.plot.style import save_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.questions.stability import Stability, StabilityPoint

_SETTING = ("L", "kappa", "beta")


@of_kind("Stability")
def replicon(found: Stability, ax: Axes | None = None, *, legend: bool = True, **look: Any) -> Axes:
    """Draw rho(alpha), one curve for each L, kappa, beta and branch; dotted where rho = 1.

    Dashed: beyond the counting bound of random data.

    Parameters
    ----------
    found : Stability
    ax : Axes, optional
        Where to draw; a new figure by default.
    legend : bool
        Give title and legend.
    **look
        As of `profile`; a list has one value a curve.

    Raises
    ------
    InputError
        No solved point.
    """
    points = [p for p in found.points if math.isfinite(p.rho)]
    if not points:
        raise InputError("found", "no solved point", "at least one solved point")

    def series(p: StabilityPoint) -> tuple[float, float, float, str]:
        return p.L, p.kappa, p.beta, str(p.branch)

    groups = [list(g) for _, g in itertools.groupby(sorted(points, key=series), series)]
    facts = [
        dict(_facts(found)) | dict(zip((*_SETTING, "branch"), series(g[0]), strict=True))
        for g in groups
    ]
    names, looks = named(facts, "found", look)
    with drawing(ax) as ax:
        for items, base in zip(groups, looks, strict=True):
            _curve(ax, sorted(items, key=lambda p: p.alpha), base)
        if any(p.possible is False for p in points):
            ax.plot([], [], color="0.35", linestyle="--", label=BEYOND)
        ax.axhline(1.0, color="0.35", linestyle=":", linewidth=1.0)
        alphas = [p.alpha for p in points]
        if max(alphas) > 20.0 * min(alphas):
            ax.set_xscale("log")
        ax.set_xlabel(r"$\alpha$  (patterns per coupling)")
        ax.set_ylabel(r"replicon  $\rho$  (below 1: stable)")
        if max(p.rho for p in points) > 20.0:
            ax.set_yscale("log")
        if legend:
            entitle(ax, names.title())
            place_legend(ax)
    return ax


def _facts(found: Stability) -> Facts:
    return {"scenario": str(found.scenario), "ansatz": "rs", "closure": found.closure}


def _curve(ax: Axes, items: list[StabilityPoint], look: dict[str, Any]) -> None:
    """rho of one branch, dashed from the last point within the counting bound on."""
    known = sum(p.possible is not False for p in items)  # these have the smallest alpha
    beyond = items[max(0, known - 1) :] if known < len(items) else []
    base: dict[str, Any] = {"linestyle": "-", "markevery": max(1, len(items) // 12)} | look
    for part, change in (
        (items[:known], {}),
        (beyond, {"linestyle": "--", "label": "_beyond" if known else look["label"]}),
    ):
        if part:
            ax.plot([p.alpha for p in part], [p.rho for p in part], **base | change)


@of_kind("Stability")
def almeida_thouless(
    found: Stability,
    ax: Axes | None = None,
    *,
    against: str = "kappa",
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw alpha_AT against "kappa" or "beta", one curve for each of the other parameters.

    Arguments as of `replicon`.
    """
    if against not in ("kappa", "beta"):
        raise InputError("against", against, "kappa or beta")
    lines = [line for line in found.lines if math.isfinite(line.alpha)]
    if not lines:
        raise InputError("found", "no line", "at least one crossing of rho = 1")
    others = [n for n in _SETTING if n != against]
    groups = sorted({tuple(getattr(line, n) for n in others) for line in lines})
    facts = [dict(_facts(found)) | dict(zip(others, group, strict=True)) for group in groups]
    names, looks = named(facts, "found", look)
    with drawing(ax) as ax:
        for group, base in zip(groups, looks, strict=True):
            its = [line for line in lines if tuple(getattr(line, n) for n in others) == group]
            its.sort(key=lambda line: getattr(line, against))
            x = [getattr(line, against) for line in its]
            ax.plot(x, [line.alpha for line in its], **base)
        ax.set_yscale("log")
        if against == "beta" and np.ptp([line.beta for line in lines]) > 20.0:
            ax.set_xscale("log")
        labels = {"kappa": r"margin  $\kappa$", "beta": r"inverse temperature  $\beta$"}
        ax.set_xlabel(labels[against])
        ax.set_ylabel(r"$\alpha_{\mathrm{AT}}$  (replica symmetry breaks above)")
        if legend:
            entitle(ax, names.title())
            place_legend(ax)
    return ax


def save_stability(
    found: Stability,
    path: str | Path,
    *,
    width: float | None = None,
    overwrite: bool = False,
    **look: Any,
) -> Path:
    """Write `replicon` to ``path``, with `almeida_thouless` beside it where it is a line.

    ``look`` is for `replicon`.
    """
    crossings = [line for line in found.lines if math.isfinite(line.alpha)]
    against = next(
        (n for n in ("kappa", "beta") if len({getattr(c, n) for c in crossings}) > 2), ""
    )
    with style():
        figure, axes = panels(2 if against else 1, width)
        replicon(found, axes[0], **look)
        if against:
            almeida_thouless(found, axes[1], against=against)
    return save_figure(figure, path, overwrite=overwrite)
