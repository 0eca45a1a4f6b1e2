"""Double descent: risk and training error against features per pattern; theory and data sets."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from replicadnn.errors import InputError
from replicadnn.plot.canvas import (
    drawing,
    entitle,
    few_decades,
    place_legend,
    side_by_side,
)
from replicadnn.plot.curves import asked
from replicadnn.plot.naming import Names, several, tell_apart
from replicadnn.plot.style import line_of, save_figure, sequence, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.curves import LearningCurve
    from replicadnn.plot.notebook import Figure

_LABELS = {
    "risk": r"excess risk  $R$",
    "bias": "bias",
    "variance": "variance",
    "test_error": "test error",
    "training_error": "training error",
    "ridge": r"ridge  $\lambda$",
    "kappa": r"effective ridge  $\kappa$",
    "optimal_ridge": "optimal ridge",
    "optimal_risk": "risk at the optimal ridge",
    "V": "response  $V$",
    "q": "variance of the field  $q$",
    "m": "overlap with the teacher  $m$",
}
#: Quantities of one sign that may span decades.
_LOGARITHMIC = ("risk", "bias", "variance", "test_error", "optimal_risk")


def learning_curve(
    found: LearningCurve | Iterable[LearningCurve],
    ax: Axes | None = None,
    *,
    quantity: str = "risk",
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw one quantity of one or several curves against gamma = p/n.

    Lines: theory; markers with bars: drawn data sets, where the result has them.  A risk that is
    infinite leaves a gap.

    Parameters
    ----------
    found : LearningCurve or iterable of LearningCurve
    ax : Axes, optional
    quantity : {"risk", "bias", "variance", "test_error", "training_error", "ridge", "kappa", \
"optimal_ridge", "optimal_risk"}; random features: test_error, training_error, ridge, V, q, m
    legend : bool
        Give title and legend.
    **look
        As of `profile`; a list has one value for each result.

    Raises
    ------
    InputError
        Unknown ``quantity``, nothing to draw, or two results that cannot be told apart.
    """
    if quantity not in _LABELS:
        raise InputError("quantity", quantity, "one of " + ", ".join(_LABELS))
    results = several(found)
    lacking = [one for one in results if quantity not in one.columns]
    if lacking:
        known = ", ".join(name for name in _LABELS if name in lacking[0].columns)
        raise InputError("quantity", quantity, f"of model {lacking[0].model} one of {known}")
    names = _names(results)
    own = asked(look, len(results))
    with drawing(ax) as ax:
        for place, (colour, marker) in enumerate(sequence(len(results))):
            one = results[place]
            order = np.argsort(one.gamma, kind="stable")
            y = np.array(getattr(one, quantity), float)[order]
            base: dict[str, Any] = {
                "color": colour, "linestyle": line_of(place), "label": names.label(place) or "_one",
            }  # fmt: skip
            y[~np.isfinite(y)] = np.nan
            ax.plot(one.gamma[order], y, **base | own[place])
            if one.measured is not None and quantity in one.measured.values:
                _markers(ax, one, quantity, own[place].get("color", colour), marker)
        ax.set_xscale("log")
        _ticks(ax)
        if quantity in _LOGARITHMIC and any("risk" in one.columns for one in results):
            ax.set_yscale("log", nonpositive="mask")
            few_decades(ax.yaxis)
        ax.set_xlabel(r"features per pattern  $\gamma = p/n$")
        ax.set_ylabel(_LABELS[quantity])
        if legend:
            entitle(ax, names.title(), _notes(results))
            place_legend(ax)
    return ax


def _ticks(ax: Axes) -> None:
    """Plain numbers on the axis of gamma: 1, 2, 5 in every decade where there are few."""
    low, high = ax.get_xlim()
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 300.0 * low else (1.0,)))
    ax.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _markers(ax: Axes, one: LearningCurve, quantity: str, colour: Any, marker: str) -> None:
    """Means of the drawn data sets, with bars."""
    measured = one.measured
    assert measured is not None
    mean, error = measured.mean(quantity), np.nan_to_num(measured.error(quantity))
    every = slice(None, None, max(1, mean.size // 20))
    ax.errorbar(
        measured.gamma[every], mean[every], error[every], color=colour, marker=marker,
        markersize=3.0, linestyle="none", capsize=1.5, label="_drawn",
    )  # fmt: skip


def learning_curve_figure(
    found: LearningCurve | Iterable[LearningCurve], *, width: float | None = None, **look: Any
) -> Figure:
    """Excess risk (random features: test error) beside the training error; see `learning_curve`."""
    results = several(found)
    first = "risk" if all("risk" in one.columns for one in results) else "test_error"

    def draw(ax: Axes, quantity: str) -> None:
        learning_curve(results, ax, quantity=quantity, legend=False, **look)

    with style():
        figure, _ = side_by_side(
            draw, [first, "training_error"], width, _names(results).title(), _notes(results)
        )
    return figure


def save_learning_curve(
    found: LearningCurve | Iterable[LearningCurve],
    path: str | Path,
    *,
    width: float | None = None,
    overwrite: bool = False,
    **look: Any,
) -> Path:
    """Write `learning_curve_figure` to ``path`` (.png, .pdf or .svg); ``width`` in inches."""
    return save_figure(learning_curve_figure(found, width=width, **look), path, overwrite=overwrite)


def _names(results: list[LearningCurve]) -> Names:
    facts = [dict(one.problem.attributes()) | {"ridge": one.asked} for one in results]
    for one in facts:
        if "activation" in one:
            one["features"] = one.pop("activation")
    return tell_apart(facts, "found")


def _notes(results: list[LearningCurve]) -> list[str]:
    """What the markers are."""
    drawn = [(one.problem.SIZE, one.measured) for one in results if one.measured is not None]
    if not drawn:
        return []
    counts = ", ".join(str(n) for n in sorted({one.samples for _, one in drawn}))
    sizes = " or ".join(f"{size} {word}" for word, size in sorted({(w, s.size) for w, s in drawn}))
    return [f"markers: {counts} drawn data sets of {sizes}"]
