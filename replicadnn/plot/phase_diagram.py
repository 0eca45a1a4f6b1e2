"""Phase diagram of random networks: maps over the two variances, and the critical line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LogNorm, TwoSlopeNorm
from numpy.typing import NDArray

from replicadnn.calls import of_kind
from replicadnn.errors import InputError
from replicadnn.plot.canvas import (
    drawing,
    entitle,
    letter,
    panels,
    place_legend,
)
from replicadnn.plot.style import save_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.plot.notebook import Figure
    from replicadnn.wide import PhaseDiagram

_LABELS = {
    "q_star": r"$q^*$", "c_star": r"$c^*$", "chi_1": r"$\ln \chi_1$", "chi_c": r"$\chi_c$",
    "xi_q": r"$\xi_q$ (layers)", "xi_c": r"$\xi_c$ (layers)",
    "trainable_depth": r"$6\,\xi_c$ (layers)",
}  # fmt: skip
#: Depths above this have one colour.
_DEEPEST = 1000.0


@of_kind("PhaseDiagram")
def phase_diagram(
    found: PhaseDiagram,
    ax: Axes | None = None,
    *,
    quantity: str = "trainable_depth",
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw one map over sigma_w^2 and sigma_b^2 in colours, and the critical line chi_1 = 1.

    Cells without a number (q* = 0, or q that grows without bound) stay white.  Circles in the same
    colours, of chi_1, chi_c and what follows from them: drawn networks, where the result has them.

    Parameters
    ----------
    found : PhaseDiagram
    ax : Axes, optional
    quantity : {"trainable_depth", "chi_1", "xi_c", "xi_q", "c_star", "q_star", "chi_c"}
    legend : bool
        Give title and legend.
    **look
        Of the critical line, as of `Axes.plot`.

    Raises
    ------
    InputError
        Unknown ``quantity``, or fewer than two values of a variance.
    """
    if quantity not in _LABELS:
        raise InputError("quantity", quantity, "one of " + ", ".join(_LABELS))
    if min(found.sigma_w2.size, found.sigma_b2.size) < 2:
        raise InputError("found", "one row or column", "at least two values of both variances")
    values = np.array(getattr(found, quantity), float)
    colours: dict[str, Any] = {"cmap": "viridis"}
    extend = "neither"
    if quantity in ("trainable_depth", "xi_c", "xi_q"):
        known = values[(values > 0.0) & (values <= _DEEPEST)]
        deeper = bool(np.any(values > _DEEPEST))
        low, high = (known.min(), known.max()) if known.size else (1.0, _DEEPEST)
        extend = "max" if deeper else "neither"
        colours["norm"] = LogNorm(low, _DEEPEST if deeper else max(high, 1.01 * low), clip=True)
        values = np.where(np.isinf(values), _DEEPEST, values)
    elif quantity == "chi_1":
        with np.errstate(divide="ignore"):
            values = np.log(values)
        most = np.max(np.abs(values[np.isfinite(values)]), initial=0.1)
        colours = {"cmap": "RdBu_r", "norm": TwoSlopeNorm(0.0, -most, most)}
    with drawing(ax) as ax:
        shown = np.ma.masked_invalid(values.T)
        mesh = ax.pcolormesh(found.sigma_w2, found.sigma_b2, shown, rasterized=True, **colours)
        ax.figure.colorbar(mesh, ax=ax, label=_LABELS[quantity], extend=extend)
        limits = ax.get_xlim(), ax.get_ylim()
        drawn = _drawn(found, quantity)
        if drawn.size:
            x, y, value = drawn
            colours["norm"] = mesh.norm
            ring: dict[str, Any] = {"zorder": 3.0, "label": "_drawn"}
            ax.scatter(x, y, s=75.0, color="white", **ring)
            ax.scatter(x, y, s=42.0, c=value, edgecolors="black", linewidths=0.9, **ring, **colours)
        if found.line.size:
            base: dict[str, Any] = {"color": "black", "linewidth": 1.5, "label": r"$\chi_1 = 1$"}
            marker = {"marker": "o"} if found.line.shape[1] == 1 else {}
            ax.plot(found.line[1], found.line[2], **base | marker | look)
        ax.set_xlim(limits[0])
        ax.set_ylim(limits[1])
        ax.set_xlabel(r"weights  $\sigma_w^2$")
        ax.set_ylabel(r"biases  $\sigma_b^2$")
        if legend:
            entitle(ax, [found.activation], _notes(found))
            place_legend(ax)
    return ax


def _drawn(found: PhaseDiagram, quantity: str) -> NDArray[np.float64]:
    """sigma_w2, sigma_b2 and value of every point with drawn networks; of none: no columns."""
    from replicadnn.wide.maps import depth_scale

    if quantity not in ("chi_1", "chi_c", "xi_c", "trainable_depth"):
        return np.empty((3, 0))
    name = "chi_1" if quantity == "chi_1" else "chi_c"
    value = np.array([getattr(one, name) for one in found.measured], float)
    if quantity == "chi_1":
        value = np.log(value)
    elif quantity != "chi_c":
        depth = depth_scale(value)
        depth = np.where((depth < 0.0) | np.isinf(depth), np.inf, depth)
        value = np.minimum((6.0 if quantity == "trainable_depth" else 1.0) * depth, _DEEPEST)
    weights = [one.sigma_w2 for one in found.measured]
    return np.array([weights, [one.sigma_b2 for one in found.measured], value], float)


@of_kind("PhaseDiagram")
def phase_diagram_figure(found: PhaseDiagram, *, width: float | None = None) -> Figure:
    """ln chi_1 and the trainable depth 6 xi_c, both with the critical line."""
    with style():
        names = ["chi_1", "trainable_depth"] if found.line.size else ["trainable_depth"]
        figure, axes = panels(len(names), width)
        for ax, name in zip(axes, names, strict=True):
            phase_diagram(found, ax, quantity=name, legend=False)
        letter(axes)
        entitle(figure, [found.activation], _notes(found))
    return figure


def save_phase_diagram(
    found: PhaseDiagram, path: str | Path, *, width: float | None = None, overwrite: bool = False
) -> Path:
    """Write `phase_diagram_figure` to ``path`` (.png, .pdf or .svg); ``width`` in inches."""
    return save_figure(phase_diagram_figure(found, width=width), path, overwrite=overwrite)


def _notes(found: PhaseDiagram) -> list[str]:
    if not found.line.size:
        return ["chaotic everywhere: no critical line"]
    notes = [r"line: critical, $\chi_1 = 1$; left of it ordered, right of it chaotic"]
    if found.line.shape[1] == 1:
        notes = [r"critical at one point only, $\sigma_b^2 = 0$"]
    if found.measured:
        one = found.measured[0]
        notes.append(
            f"circles, in the colours of the map: {one.networks} drawn networks, "
            f"$M = {one.M}$, $L = {one.L}$"
        )
    if np.isinf(found.q_star).any():
        notes.append("white: the variance grows without bound")
    return notes
