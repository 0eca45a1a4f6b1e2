"""Ultrametric trees of replicas by layer (the article's figure 6), from computed overlaps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, Normalize

from replicadnn.errors import InputError
from replicadnn.plot.notebook import Figure
from replicadnn.plot.parisi import headline, solid_layers
from replicadnn.plot.style import save_figure, style
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


def tree(
    solution: Solution,
    layer: int | None = None,
    quantity: Literal["q", "Q"] = "q",
    ax: Axes | None = None,
    *,
    replicas: int = 32,
    seed: int = 1,
) -> Axes:
    """Draw the tree of ``replicas`` replicas as one layer sees it.

    Two replicas part at the height of their overlap q(x, l). The replicas are drawn from the
    probability cascade of the solution's breakpoints (theory/cascade.py); the same seed gives
    the same replicas in every layer. Colour is the x of the split.

    Parameters
    ----------
    solution : Solution
        A converged solution with at least one level of breaking.
    layer : int, optional
        l; by default the vertical axis is x itself, which all layers have in common, with a
        line at the x_l of every solid layer.
    quantity : {"q", "Q"}
    ax : Axes, optional
        Where to draw; a new figure by default.
    replicas : int
        2..500.
    seed : int
        Not negative.

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
    if ax is None:
        with style():
            ax = Figure(layout="constrained").subplots()
    clusters = sample_clusters(solution.x, replicas, np.random.default_rng(seed))
    lines, levels = branches(clusters, height)
    ax.add_collection(
        LineCollection(list(lines), colors=_scale().to_rgba(centre[levels]), linewidths=1.1)
    )
    ax.plot(
        np.arange(1, replicas + 1), np.full(replicas, height[-1]), linestyle="none", marker="o",
        markersize=2.2, color="black",
    )  # fmt: skip
    ax.set_xlim(0.0, replicas + 1.0)
    ax.set_xticks([])
    ax.set_xlabel(f"{replicas} replicas")
    if layer is not None:
        ax.set_ylim(-0.03 * height[-1], 1.05 * height[-1])
        ax.set_ylabel(rf"overlap of {_NAMES[quantity]}  ${quantity}(x, {layer})$")
        return ax
    ax.set_ylim(-0.03, 1.0)
    ax.set_ylabel(r"$x$ at which replicas part")
    for l in solid:
        onset = solution.overlap_distribution(l, quantity).onset
        if onset > 0.0:
            ax.axhline(onset, color="0.35", linestyle="--", linewidth=0.8)
            ax.annotate(
                rf"$x_{{{l}}}$", (1.0, onset), xycoords=("axes fraction", "data"),
                xytext=(2, 0), textcoords="offset points", va="center", fontsize=9,
            )  # fmt: skip
    return ax


def _scale() -> ScalarMappable:
    """Colours of x in [0, 1]: the dark part of the map, legible on white."""
    dark = ListedColormap(colormaps["viridis"](np.linspace(0.0, 0.85, 256)))
    return ScalarMappable(Normalize(0.0, 1.0), dark)


def tree_figure(
    solution: Solution,
    quantity: Literal["q", "Q"] = "q",
    *,
    replicas: int = 32,
    seed: int = 1,
) -> Figure:
    """The tree in x, common to all layers, then as each layer of `solid_layers` sees it."""
    _, solid = solid_layers(solution, quantity)
    panels: list[int | None] = [None, *solid]
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    with style():
        figure = Figure(figsize=(4.6 * columns, 2.7 * rows + 0.4), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        highest = 0.0
        for layer, ax in zip(panels, axes, strict=False):
            tree(solution, layer, quantity, ax, replicas=replicas, seed=seed)
            ax.set_title("all layers" if layer is None else f"layer {layer}", loc="left")
            if layer is not None:
                highest = max(highest, ax.get_ylim()[1])
        for ax in axes[1 : len(panels)]:
            ax.set_ylim(-0.03 * highest, highest)
        for ax in axes[len(panels) :]:
            ax.remove()
        figure.colorbar(
            _scale(), ax=list(axes[: len(panels)]), label="$x$ of the split", shrink=0.6
        )
        figure.suptitle(headline(solution))
    return figure


def save_tree(
    solution: Solution,
    path: str | Path,
    quantity: Literal["q", "Q"] = "q",
    *,
    replicas: int = 32,
    seed: int = 1,
    overwrite: bool = False,
) -> Path:
    """Write `tree_figure` to ``path`` (.png, .pdf or .svg)."""
    figure = tree_figure(solution, quantity, replicas=replicas, seed=seed)
    return save_figure(figure, path, overwrite=overwrite)
