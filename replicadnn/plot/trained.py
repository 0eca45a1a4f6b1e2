"""Networks that were trained: errors by depth and patterns, memorisation, where depth helps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import CenteredNorm
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, NullLocator

from replicadnn.errors import InputError
from replicadnn.plot.canvas import (
    drawing,
    entitle,
    figure_legend,
    letter,
    panels,
    place_legend,
)
from replicadnn.plot.curves import asked
from replicadnn.plot.naming import Names, several, tell_apart
from replicadnn.plot.style import save_figure, sequence, style
from replicadnn.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.experiments import Trained
    from replicadnn.experiments.single import Point
    from replicadnn.plot.notebook import Figure

#: What can be drawn against what varies.
QUANTITIES = {
    "test_error": "test error",
    "best_error": "least test error along training",
    "epochs": "epochs to training error 0",
    "first_error": "training error after one epoch",
    "critical": "critical sample ratio",
    "rate": "learning rate",
}
_AXES = {
    "hidden": "hidden layers",
    "n": r"training patterns  $n$",
    "random": "probability of a random label",
    "inputs": "inputs",
}
#: Name of the panel of errors along training.
_ALONG = "along"
#: A difference of less than this many standard errors is drawn as none.
_SHOWN = 2.0


@dataclass(frozen=True)
class _Curve:
    """Points of one result that differ in the abscissa alone."""

    found: Trained
    places: tuple[int, ...]
    facts: dict[str, Any]


def trained(
    found: Trained | Iterable[Trained],
    ax: Axes | None = None,
    *,
    quantity: str = "test_error",
    x: str | None = None,
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw a mean over networks, with its standard error, against depth or another axis.

    Open markers on dashed lines: regression with the tangent kernel (of test_error, where it was
    measured).  Dotted: the least error that any classifier has, where it is known and not 0.

    Parameters
    ----------
    found : Trained or iterable of Trained
    ax : Axes, optional
    quantity : {"test_error", "best_error", "epochs", "first_error", "critical", "rate"}
    x : {"hidden", "n", "random", "inputs"}
        By default the first of them that varies.
    legend : bool
        Give title and legend.
    **look
        As of `profile`; a list has one value for each curve.

    Raises
    ------
    InputError
        Nothing to draw, or two curves that cannot be told apart.
    """
    results = several(found)
    if quantity not in QUANTITIES:
        raise InputError("quantity", quantity, "one of " + ", ".join(QUANTITIES))
    axis = _abscissa(results, x)
    curves = [one for result in results for one in _curves(result, axis)]
    if not any(np.isfinite(result.mean(quantity)).any() for result in results):
        raise InputError("quantity", quantity, "one that was measured on networks without error")
    names = _names(curves)
    own = asked(look, len(curves))
    with drawing(ax) as ax:
        for place, (colour, marker) in enumerate(sequence(len(curves))):
            look_here: dict[str, Any] = {
                "color": colour, "marker": marker, "markersize": 3.5, "capsize": 1.5,
                "label": names.label(place) or "_one",
            }  # fmt: skip
            _draw(ax, curves[place], axis, quantity, look_here | own[place])
        _scale(ax, axis, curves)
        if quantity == "rate":
            ax.set_yscale("log")
        ax.set_xlabel(_AXES[axis])
        ax.set_ylabel(QUANTITIES[quantity])
        if legend:
            entitle(ax, names.title(), _notes(results, quantity))
            place_legend(ax)
    return ax


def _draw(ax: Axes, curve: _Curve, axis: str, quantity: str, look: dict[str, Any]) -> None:
    points, places = curve.found.points, list(curve.places)
    at = np.array([float(getattr(points[one], axis)) for one in places])
    order = np.argsort(at)
    for name, more in (
        (quantity, {}),
        ("kernel_error", {"linestyle": "--", "markerfacecolor": "none", "label": "_kernel"}),
    ):
        mean, error = (f(name)[places][order] for f in (curve.found.mean, curve.found.error))
        if name == quantity or (quantity == "test_error" and np.isfinite(mean).any()):
            ax.errorbar(at[order], mean, np.nan_to_num(error), **look | more)
    if quantity in ("test_error", "best_error"):
        least = np.array([curve.found.bayes[points[one].inputs] for one in places])[order]
        if np.any(least > 0.0):
            ax.plot(at[order], least, color=look["color"], linestyle=":", label="_least")


def trained_along(
    found: Trained | Iterable[Trained],
    ax: Axes | None = None,
    *,
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw test error (lines) and training error (dashed) after every epoch, means of networks.

    A network that has stopped keeps its errors.  Bands: standard errors of the test error.

    Parameters
    ----------
    found : Trained or iterable of Trained
        With errors ``along`` the training.
    ax : Axes, optional
    legend : bool
        Give title and legend.
    **look
        As of `profile`; a list has one value for each curve.

    Raises
    ------
    InputError
        Test errors were not measured along the training.
    """
    results = several(found)
    curves = [
        _Curve(one, (place,), _facts(one, point))
        for one in results
        for place, point in enumerate(one.points)
    ]
    names = _names(curves)
    own = asked(look, len(curves))
    with drawing(ax) as ax:
        for place, (colour, _) in enumerate(sequence(len(curves))):
            one = curves[place]
            errors, bars = _along(one.found, one.found.points[one.places[0]])
            base = {"color": colour, "label": names.label(place) or "_one"} | own[place]
            epochs = 1 + np.arange(len(errors))
            ax.plot(epochs, errors[:, 1], **base)
            low, high = errors[:, 1] - bars, errors[:, 1] + bars
            ax.fill_between(epochs, low, high, color=base["color"], alpha=0.25, linewidth=0.0)
            ax.plot(epochs, errors[:, 0], **base | {"linestyle": "--", "label": "_training"})
        ax.set_xscale("log")
        ax.set_xlabel("epochs")
        ax.set_ylabel("error  (dashed: training)")
        if legend:
            entitle(ax, names.title(), _notes(results, _ALONG))
            place_legend(ax)
    return ax


def _along(found: Trained, point: Point) -> tuple[FloatArray, FloatArray]:
    """Mean errors (epochs, 2) of the networks of a point, standard errors of those of the test."""
    chosen = [number for number, one in enumerate(found.networks) if one.point == point]
    rows = [found.along[found.along[:, 0] == number][:, 2:] for number in chosen]
    if not all(np.isfinite(one[:, 1]).all() for one in rows):
        raise InputError("found", found, "test errors along the training (along)")
    most = max(len(one) for one in rows)
    longer = [np.vstack([one, np.repeat(one[-1:], most - len(one), axis=0)]) for one in rows]
    bars = np.std(longer, axis=0, ddof=1)[:, 1] / np.sqrt(len(longer)) if len(longer) > 1 else 0.0
    return np.asarray(np.mean(longer, axis=0)), np.broadcast_to(bars, most)


def depth_map(found: Trained, ax: Axes | None = None, *, legend: bool = True) -> Axes:
    """Draw where depth helps: error of the deepest minus that of the shallowest networks.

    Over patterns and inputs.  Ringed: more than 2 standard errors of the paired difference from 0.

    Parameters
    ----------
    found : Trained
        Of two depths or more, one share of random labels.
    ax : Axes, optional
    legend : bool
        Give a title and the bar of colours.

    Raises
    ------
    InputError
        One depth alone, or no place where both reached training error 0.
    """
    depths = sorted({one.hidden for one in found.points})
    if len(depths) < 2 or len({one.random for one in found.points}) > 1:
        raise InputError("found", found, "two depths or more, one share of random labels")
    rows = depth_differences(found)
    if not len(rows):
        raise InputError("found", found, "networks of both depths without training error")
    n, inputs, difference, error = rows.T
    clear = np.abs(difference) > _SHOWN * error
    with drawing(ax) as ax:
        norm = CenteredNorm(halfrange=float(np.max(np.abs(difference))))
        look: dict[str, Any] = {"cmap": "RdBu_r", "norm": norm, "s": 130.0, "linewidths": 0.8}
        drawn = ax.scatter(n, inputs, c=difference, **look)
        for chosen, edge in ((clear, "black"), (~clear, "lightgrey")):
            ax.scatter(n[chosen], inputs[chosen], s=130.0, facecolors="none", edgecolors=edge)
        for one in rows:
            ax.annotate(f"{one[2]:+.3f}", one[:2], xytext=(0, -11), textcoords="offset points",
                        ha="center", va="top", fontsize=5)  # fmt: skip
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.margins(0.2)
        for axis, values in ((ax.xaxis, n), (ax.yaxis, inputs)):
            axis.set_major_locator(FixedLocator(sorted(set(values.tolist()))))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_locator(NullLocator())
        ax.set_xlabel(_AXES["n"])
        ax.set_ylabel(_AXES["inputs"])
        if legend:
            bar = ax.figure.colorbar(drawn, ax=ax)
            bar.set_label(f"test error, {depths[-1]} minus {depths[0]} hidden layers")
            entitle(ax, [_data(found)], ["ringed: more than 2 standard errors from 0"])
    return ax


def depth_differences(found: Trained) -> FloatArray:
    """Rows n, inputs, difference of the test errors of deepest and shallowest, its error."""
    depths = sorted({one.hidden for one in found.points})
    by = {(one.n, one.inputs, one.hidden): one for one in found.points}
    rows = []
    for n, inputs in sorted({(one.n, one.inputs) for one in found.points}):
        ends = [by.get((n, inputs, depth)) for depth in (depths[-1], depths[0])]
        if ends[0] is not None and ends[1] is not None:
            rows.append((n, inputs, *found.difference(ends[0], ends[1])))
    table = np.array(rows, float).reshape(-1, 4)
    return np.asarray(table[np.isfinite(table).all(axis=1)])


def trained_figure(
    found: Trained | Iterable[Trained],
    *,
    quantity: str | None = None,
    x: str | None = None,
    width: float | None = None,
    **look: Any,
) -> Figure:
    """`trained` in a panel for each quantity that was measured, and `trained_along`.

    quantity : one of those of `trained`, or "along"; by default test_error, beside it epochs where
        patterns or labels vary, critical and along where they were measured.
    """
    results = several(found)
    chosen = [quantity] if quantity is not None else _measured(results, x)
    with style():
        figure, axes = panels(len(chosen), width, columns=3, height=0.85)
        for ax, name in zip(axes, chosen, strict=True):
            if name == _ALONG:
                trained_along(results, ax, legend=False, **look)
            else:
                trained(results, ax, quantity=name, x=x, legend=False, **look)
        letter(axes)
        if chosen == [_ALONG]:
            curves = [_Curve(r, (), _facts(r, p)) for r in results for p in r.points]
        else:
            axis = _abscissa(results, x)
            curves = [one for result in results for one in _curves(result, axis)]
        names, notes = _names(curves), _notes(results, chosen[0])
        first = axes[0]
        if len(chosen) == 1:
            entitle(first, names.title(), notes)
            place_legend(first)
        else:
            entitle(figure, names.title(), notes)
            handles, labels = first.get_legend_handles_labels()
            figure_legend(figure, [h for h, t in zip(handles, labels, strict=True) if t[:1] != "_"])
    return figure


def save_trained(
    found: Trained | Iterable[Trained],
    path: str | Path,
    *,
    width: float | None = None,
    overwrite: bool = False,
    **look: Any,
) -> Path:
    """Write `trained_figure` to ``path`` (.png, .pdf or .svg); ``width`` in inches."""
    return save_figure(trained_figure(found, width=width, **look), path, overwrite=overwrite)


def save_depth_map(
    found: Trained, path: str | Path, *, width: float | None = None, overwrite: bool = False
) -> Path:
    """Write `depth_map` to ``path`` (.png, .pdf or .svg); ``width`` in inches."""
    with style():
        figure, (ax,) = panels(1, width)
        depth_map(found, ax)
    return save_figure(figure, path, overwrite=overwrite)


def _measured(results: Sequence[Trained], x: str | None) -> list[str]:
    """What is worth a panel."""
    chosen = ["test_error"]
    if _abscissa(results, x) in ("n", "random"):
        chosen.append("epochs")
    if all(np.isfinite(one.mean("critical")).any() for one in results):
        chosen.append("critical")
    return chosen


def _abscissa(results: Sequence[Trained], x: str | None) -> str:
    """The axis that is asked for, or the first one that varies in a result."""
    if x is not None:
        if x not in _AXES:
            raise InputError("x", x, "one of " + ", ".join(_AXES))
        return x
    for name in _AXES:
        if any(len({getattr(one, name) for one in result.points}) > 1 for result in results):
            return name
    return "hidden"


def _curves(found: Trained, axis: str) -> list[_Curve]:
    """Points by what they have beside the abscissa."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    points = found.points
    for place, point in enumerate(points):
        key = tuple(getattr(point, name) for name in _AXES if name != axis)
        groups.setdefault(key, []).append(place)
    made = []
    for places in groups.values():
        facts = _facts(found, points[places[0]])
        del facts[axis]
        made.append(_Curve(found, tuple(places), facts))
    return made


def _facts(found: Trained, point: Point) -> dict[str, Any]:
    names = ("activation", "width", "loss")
    own = {name: found.settings[name] for name in names}
    return own | {"data": _data(found)} | {name: getattr(point, name) for name in _AXES}


def _data(found: Trained) -> str:
    """The rule in words: 3-local, 2-global, temperature, ..."""
    name, k = found.settings["data"], found.settings.get("k")
    return str(name) if k is None else f"{k}-{name}"


def _names(curves: Sequence[_Curve]) -> Names:
    return tell_apart([one.facts for one in curves], "found")


def _scale(ax: Axes, axis: str, curves: Sequence[_Curve]) -> None:
    """Whole numbers of layers; patterns and inputs by their logarithm."""
    values = sorted(
        {getattr(one.found.points[place], axis) for one in curves for place in one.places}
    )
    if axis == "hidden":
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    elif axis in ("n", "inputs"):
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(FixedLocator(values))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())


def _notes(results: Sequence[Trained], quantity: str) -> list[str]:
    """What markers and bars are."""
    counts = sorted({count for one in results for count in one.count})
    shown = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    if quantity == _ALONG:
        return [f"means of {shown} networks, bands: standard errors"]
    notes = [f"means and standard errors of {shown} networks"]
    if quantity == "test_error":
        kernel = any(np.isfinite(one.mean("kernel_error")).any() for one in results)
        least = any(value > 0.0 for one in results for value in one.bayes.values())
        words = ["open: tangent kernel"] * kernel + ["dotted: least possible"] * least
        notes += ["; ".join(words)] if words else []
    return notes


__all__ = [
    "depth_differences",
    "depth_map",
    "save_depth_map",
    "save_trained",
    "trained",
    "trained_along",
    "trained_figure",
]
