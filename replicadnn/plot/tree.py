"""Ultrametric trees of replicas by layer (the article's figure 6), from computed overlaps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.cbook import normalize_kwargs
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, Normalize

from replicadnn.calls import of_kind
from replicadnn.errors import InputError
from replicadnn.plot.canvas import drawing, entitle, panels
from replicadnn.plot.naming import headline, objections
from replicadnn.plot.notebook import Figure
from replicadnn.plot.parisi import solid_layers
from replicadnn.plot.style import colours, save_figure, style
from replicadnn.solution import Solution
from replicadnn.theory.cascade import IntArray, leaf_order, sample_clusters
from replicadnn.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMES = {"q": "neurons", "Q": "couplings"}
#: Most replicas in one tree.
_MOST = 500


def branches(clusters: IntArray, height: FloatArray) -> tuple[FloatArray, IntArray]:
    """Lines of a dendrogram: segments (s, 2, 2) of points (place, height), and their levels (s,).

    A horizontal line at the height of level i joins the clusters into which a cluster splits
    above level i; from it a vertical line rises to the height at which each of them splits in
    turn. Replicas that share the last level are one state: a line at its height joins them.

    Parameters
    ----------
    clusters : array (K+1, n)
        From `sample_clusters`.
    height : array (K+1,)
        Height of every level, not decreasing. Levels of equal height are drawn as one split.
    """
    replicas = clusters.shape[1]
    place = np.empty(replicas)
    place[leaf_order(clusters)] = np.arange(1, replicas + 1)
    segments: list[tuple[tuple[float, float], tuple[float, float]]] = []
    levels: list[int] = []

    def draw(members: IntArray, level: int) -> tuple[float, float]:
        """Lines above ``level`` of one of its clusters; (place, height) where its stem ends."""
        while level + 1 < len(clusters) and np.ptp(clusters[level + 1, members]) == 0:
            level += 1
        at = float(height[level])
        if level + 1 == len(clusters):
            stems = [(float(place[i]), at) for i in members]
        else:
            labels = clusters[level + 1, members]
            stems = [draw(members[labels == label], level + 1) for label in np.unique(labels)]
        left, right = min(stems)[0], max(stems)[0]
        for x, y in stems:
            if y > at:
                segments.append(((x, at), (x, y)))
                levels.append(level)
        if right > left:
            segments.append(((left, at), (right, at)))
            levels.append(level)
        return 0.5 * (left + right), at

    draw(np.arange(replicas), 0)
    return np.array(segments, dtype=float).reshape(-1, 2, 2), np.array(levels, dtype=np.int64)


@of_kind("Solution")
def tree(
    solution: Solution,
    ax: Axes | None = None,
    *,
    layer: int | None = None,
    quantity: Literal["q", "Q"] = "q",
    replicas: int = 32,
    seed: int = 1,
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw the tree of ``replicas`` replicas as one layer sees it.

    Two replicas part at the height of their overlap q(x, l). The replicas are drawn from the
    probability cascade of the solution's breakpoints (theory/cascade.py); the same seed gives
    the same replicas in every layer. Colour is the x of the split.

    Parameters
    ----------
    solution : Solution
        A converged solution with at least one level of breaking.
    ax : Axes, optional
        Where to draw; a new figure by default.
    layer : int, optional
        l; by default the vertical axis is x itself, which all layers have in common, with a
        line at the x_l of every solid layer.
    quantity : {"q", "Q"}
    replicas : int
        2..500.
    seed : int
        Not negative.
    legend : bool
        Give a title.
    **look
        Of the branches, as for `matplotlib.collections.LineCollection`.

    Raises
    ------
    InputError
        Not converged, no breaking, a liquid or missing layer, or numbers out of range.
    """
    if not 2 <= replicas <= _MOST:
        raise InputError("replicas", replicas, f"2..{_MOST}")
    if seed < 0:
        raise InputError("seed", seed, "a whole number, not negative")
    rows, solid = solid_layers(solution, quantity)
    if solution.x.size < 2:
        raise InputError(
            "solution",
            f"ansatz {solution.problem.ansatz}",
            "one with broken replica symmetry (1rsb, rsb)",
        )
    centre = 0.5 * (solution.x + np.append(solution.x[1:], 1.0))
    if layer is not None and (layer not in rows or rows[layer][-1] <= 0.0):
        raise InputError("layer", layer, "a solid layer, such as " + ", ".join(map(str, solid)))
    height = centre if layer is None else np.maximum.accumulate(rows[layer])
    with drawing(ax) as ax:
        clusters = sample_clusters(solution.x, replicas, np.random.default_rng(seed))
        lines, levels = branches(clusters, height)
        base: dict[str, Any] = {"color": _scale().to_rgba(centre[levels]), "linewidth": 1.1}
        own = normalize_kwargs(look, LineCollection)
        ax.add_collection(LineCollection(list(lines), **base | own))
        ax.plot(
            np.arange(1, replicas + 1), np.full(replicas, height[-1]), linestyle="none",
            marker="o", markersize=2.2, color="black",
        )  # fmt: skip
        ax.set_xlim(0.0, replicas + 1.0)
        ax.set_xticks([])
        ax.set_xlabel(f"{replicas} replicas")
        if layer is None:
            ax.set_ylim(-0.03, 1.0)
            ax.set_ylabel(r"$x$ at which replicas part")
            _onsets(ax, solution, solid, quantity)
        else:
            ax.set_ylim(-0.03 * height[-1], 1.05 * height[-1])
            ax.set_ylabel(rf"overlap of {_NAMES[quantity]}  ${quantity}(x, {layer})$")
        if legend:
            where = "all layers" if layer is None else f"layer {layer}"
            entitle(ax, [*headline(solution), where], objections([solution]))
    return ax


def _onsets(ax: Axes, solution: Solution, solid: list[int], quantity: Literal["q", "Q"]) -> None:
    """A line at x_l of every solid layer."""
    for l in solid:
        onset = solution.overlap_distribution(l, quantity).onset
        if onset > 0.0:
            ax.axhline(onset, color="0.35", linestyle="--", linewidth=0.8)
            ax.annotate(
                rf"$x_{{{l}}}$", (1.0, onset), xycoords=("axes fraction", "data"),
                xytext=(2, 0), textcoords="offset points", va="center", fontsize=7,
            )  # fmt: skip


def _scale() -> ScalarMappable:
    """Colours of x in [0, 1]."""
    return ScalarMappable(Normalize(0.0, 1.0), ListedColormap(colours(256)))


@of_kind("Solution")
def tree_figure(
    solution: Solution,
    quantity: Literal["q", "Q"] = "q",
    *,
    replicas: int = 32,
    seed: int = 1,
    width: float | None = None,
    **look: Any,
) -> Figure:
    """The tree in x, common to all layers, then as each layer of `solid_layers` sees it."""
    _, solid = solid_layers(solution, quantity)
    chosen: list[int | None] = [None, *solid]
    options: dict[str, Any] = {"quantity": quantity, "replicas": replicas, "seed": seed}
    with style():
        figure, axes = panels(len(chosen), width, height=0.6)
        for layer, ax in zip(chosen, axes, strict=True):
            tree(solution, ax, layer=layer, legend=False, **options, **look)
            ax.set_title("all layers" if layer is None else f"layer {layer}", loc="left")
        highest = max((ax.get_ylim()[1] for ax in axes[1:]), default=1.0)
        for ax in axes[1:]:
            ax.set_ylim(-0.03 * highest, highest)
        figure.colorbar(
            _scale(), ax=axes, label="$x$ of the split", location="bottom", shrink=0.6, aspect=40
        )
        entitle(figure, headline(solution), objections([solution]))
    return figure


def save_tree(
    solution: Solution,
    path: str | Path,
    quantity: Literal["q", "Q"] = "q",
    *,
    replicas: int = 32,
    seed: int = 1,
    width: float | None = None,
    overwrite: bool = False,
    **look: Any,
) -> Path:
    """Write `tree_figure` to ``path`` (.png, .pdf or .svg)."""
    figure = tree_figure(solution, quantity, replicas=replicas, seed=seed, width=width, **look)
    return save_figure(figure, path, overwrite=overwrite)
