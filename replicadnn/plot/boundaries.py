"""Boundaries in a phase diagram: computed ones, or, without them, those between its cells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from replicadnn.errors import InputError
from replicadnn.plot.naming import BEYOND
from replicadnn.plot.style import LINES, MARKERS

if TYPE_CHECKING:
    from matplotlib.artist import Artist

    from replicadnn.plot.naming import Facts

#: Seen on every colour of a map.
_OUTLINE = (patheffects.withStroke(linewidth=2.6, foreground="black"),)
_LOOK: Mapping[str, Any] = {"color": "white", "linewidth": 1.2, "path_effects": _OUTLINE}


def computed(
    ax: Axes, results: Iterable[Any], shared: Facts, axes: tuple[str, str]
) -> list[Artist]:
    """Draw transitions, stability lines and capacities as curves; entries of the legend.

    Parameters
    ----------
    results : of `replicadnn.transitions`, `replicadnn.stability` or `replicadnn.capacity`
    shared : mapping
        What all points of the map have; so must the results.
    axes : (str, str)
        Abscissa and ordinate of the map; one of them is alpha.  The ordinate is "" where the map
        is a curve: boundaries are upright lines then.

    Raises
    ------
    InputError
        A map without alpha, a result of another kind, or of another problem than the map.
    """
    if "alpha" not in axes:
        raise InputError("boundaries", f"axes {', '.join(filter(None, axes))}", "a map with alpha")
    other = axes[0] if axes[1] == "alpha" else axes[1]
    found: dict[str, list[tuple[float, float, bool]]] = {}
    for result in results:
        for name, facts, alpha, beyond in _lines(result):
            for fact, value in shared.items():
                if fact in facts and facts[fact] != value:
                    shown = f"{fact} = {facts[fact]}"
                    raise InputError("boundaries", shown, f"{value}, as all points of the map")
            if math.isfinite(alpha):
                found.setdefault(name, []).append((float(facts.get(other, 0.0)), alpha, beyond))
    entries: list[Artist] = []
    for place, (name, points) in enumerate(found.items()):
        line = LINES[place % len(LINES)]
        if not other:
            entries += [
                ax.axvline(
                    alpha, color="0.35", linestyle=line, linewidth=0.9,
                    label=name + f", {BEYOND}" * beyond,
                )
                for _, alpha, beyond in points
            ][:1]  # fmt: skip
            continue
        entries += _line(ax, points, axes[0] == "alpha", MARKERS[place % len(MARKERS)], line, name)
    return entries


def _line(
    ax: Axes, points: list[tuple[float, float, bool]], across: bool, marker: str, line: Any,
    name: str,
) -> list[Artist]:  # fmt: skip
    """One curve through all points; dark markers beyond the counting bound."""
    at, alphas, flags = np.array(sorted(points)).T
    x, y = (alphas, at) if across else (at, alphas)
    beyond = flags > 0.0
    base: dict[str, Any] = dict(_LOOK) | {"marker": marker, "markersize": 4, "markeredgewidth": 0.6}
    entries: list[Artist] = [*ax.plot(
        x, y, markevery=np.flatnonzero(~beyond).tolist(), markeredgecolor="black", linestyle=line,
        label=name, **base,
    )]  # fmt: skip
    if beyond.any():
        entries += ax.plot(
            x[beyond], y[beyond], markerfacecolor="black", markeredgecolor="white",
            linestyle="none", label=f"{name}, {BEYOND}", **base,
        )  # fmt: skip
    return entries


def _lines(result: Any) -> Iterable[tuple[str, Facts, float, bool]]:
    """(name, facts, alpha, beyond the counting bound) of what bounds a phase in a result."""
    from replicadnn.questions.capacity import Capacity  # with the solvers
    from replicadnn.questions.stability import Stability
    from replicadnn.questions.transitions import Transitions

    if isinstance(result, Transitions):
        facts = {
            "scenario": str(result.scenario), "ansatz": str(result.ansatz),
            "closure": result.closure, "L": result.L, "kappa": result.kappa, "beta": result.beta,
        }  # fmt: skip
        first = float(np.nanmin(result.alpha, initial=math.inf))
        step = result.filling
        yield "first layer becomes solid", facts, first, False
        yield "last layer becomes solid", facts, result.last_liquid, False
        if step is not None:
            yield "first-order step, equal $s$", facts, step.coexistence, False
        yield "saturated branch, equal $s$", facts, result.saturated, False
    elif isinstance(result, Stability):
        for line in result.lines:
            facts = {
                "scenario": str(result.scenario), "ansatz": "rs", "closure": result.closure,
                "L": line.L, "kappa": line.kappa, "beta": line.beta,
            }  # fmt: skip
            yield "replica symmetry breaks", facts, line.alpha, False
    elif isinstance(result, Capacity):
        for p in result:
            facts = {
                "scenario": "random", "closure": result.closure, "L": p.L, "kappa": p.kappa,
                "beta": math.inf,
            }  # fmt: skip
            yield f"capacity ({p.ansatz})", facts, p.alpha, p.possible is False
    else:
        kind = type(result).__name__
        raise InputError("boundaries", kind, "Transitions, Stability or Capacity")


#: Between two points: what changes, in the order in which it is drawn, and its line.
_CHANGES = (
    ("branch changes", "-"),
    ("last layer becomes solid", "-."),
    ("first layer becomes solid", ":"),
)


def between(
    ax: Axes,
    edges: tuple[NDArray[np.float64], NDArray[np.float64]],
    branch: NDArray[np.int64],
    solid: NDArray[np.float64],
) -> list[Artist]:
    """Draw the edges between neighbouring cells of different phases; entries of the legend.

    Parameters
    ----------
    edges : of the columns and of the rows
    branch : array (rows, columns)
        Number of the branch, -1 in an empty cell.
    solid : array (rows, columns)
        Fraction of solid hidden layers, nan where it is not known.
    """
    state = np.where(solid <= 0.0, 0, np.where(solid < 1.0, 1, 2))
    state[np.isnan(solid)] = -1
    segments: dict[str, list[Any]] = {name: [] for name, _ in _CHANGES}
    rows, columns = branch.shape
    x, y = edges
    for i in range(rows):
        for j in range(columns):
            for k, l, ends in (
                (i, j + 1, [(x[j + 1], y[i]), (x[j + 1], y[i + 1])]),
                (i + 1, j, [(x[j], y[i + 1]), (x[j + 1], y[i + 1])]),
            ):
                if k < rows and l < columns and min(branch[i, j], branch[k, l]) >= 0:
                    name = _change(branch[i, j], branch[k, l], state[i, j], state[k, l])
                    if name:
                        segments[name].append(ends)
    entries: list[Artist] = []
    for name, line in _CHANGES:
        if segments[name]:
            look: dict[str, Any] = dict(_LOOK) | {"linestyle": line}
            group = LineCollection(_chains(segments[name]), capstyle="butt", **look)
            ax.add_collection(group, autolim=False)
            entries.append(Line2D([], [], label=f"{name} (between points)", **look))
    return entries


def _change(branch: int, other: int, state: int, other_state: int) -> str:
    if branch != other:
        return _CHANGES[0][0]
    low, high = sorted((state, other_state))
    if low < 0 or low == high:
        return ""
    return _CHANGES[1][0] if high == 2 else _CHANGES[2][0]


def _chains(segments: list[Any]) -> list[Any]:
    """Segments joined end to end where that is possible, so that dashes run through."""
    left = [tuple(map(tuple, one)) for one in segments]
    chains: list[list[Any]] = []
    while left:
        chain = list(left.pop())
        grown = True
        while grown:
            grown = False
            for one in left:
                for start, end in (one, one[::-1]):
                    if start == chain[-1]:
                        chain.append(end)
                    elif start == chain[0]:
                        chain.insert(0, end)
                    else:
                        continue
                    left.remove(one)
                    grown = True
                    break
                if grown:
                    break
        chains.append(chain)
    return chains
