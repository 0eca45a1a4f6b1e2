"""Gradient descent: test, training and estimated error by step; theory and drawn data sets."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FormatStrFormatter

from replicadnn.errors import InputError
from replicadnn.plot.canvas import (
    drawing,
    entitle,
    place_legend,
    side_by_side,
)
from replicadnn.plot.curves import asked
from replicadnn.plot.naming import Names, several, tell_apart
from replicadnn.plot.style import line_of, save_figure, sequence, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from replicadnn.curves import Descent
    from replicadnn.plot.notebook import Figure

_LABELS = {"test_error": "test error", "training_error": "training error"}
#: Steps that have a marker, at most.
_MARKED = 20


def descent(
    found: Descent | Iterable[Descent],
    ax: Axes | None = None,
    *,
    quantity: str = "test_error",
    legend: bool = True,
    **look: Any,
) -> Axes:
    """Draw one error of one or several descents against the step.

    Lines: theory, with a band of two standard errors; markers with bars: means over drawn data
    sets, where the result has them; open ones: their test error estimated without test data.

    Parameters
    ----------
    found : Descent or iterable of Descent
    ax : Axes, optional
    quantity : {"test_error", "training_error"}
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
    names = _names(results)
    own = asked(look, len(results))
    with drawing(ax) as ax:
        for place, (colour, marker) in enumerate(sequence(len(results))):
            one = results[place]
            base: dict[str, Any] = {
                "color": colour, "linestyle": line_of(place), "label": names.label(place) or "_one",
            }  # fmt: skip
            y, error = getattr(one, quantity), getattr(one, f"{quantity}_error")
            (line,) = ax.plot(one.t, y, **base | own[place])
            if np.any(error > 0.0):
                low, high = y - 2.0 * error, y + 2.0 * error
                ax.fill_between(one.t, low, high, color=line.get_color(), alpha=0.2, linewidth=0.0)
            _markers(ax, one, quantity, line.get_color(), marker)
        if quantity == "training_error" or any(one.steps > 100 for one in results):
            ax.set_yscale("log", nonpositive="mask")
            if ax.get_ylim()[0] > 1e-3:
                ax.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        ax.set_xlabel("step of gradient descent")
        ax.set_ylabel(_LABELS[quantity])
        if legend:
            entitle(ax, names.title(), _notes(results, quantity == "test_error"))
            place_legend(ax)
    return ax


def _markers(ax: Axes, one: Descent, quantity: str, colour: Any, marker: str) -> None:
    """Means of the drawn data sets, with bars, and their estimates of the test error."""
    drawn = one.measured
    if drawn is None or not drawn.draws:
        return
    every = slice(None, None, max(1, one.t.size // _MARKED))
    for name, fill in ((quantity, colour), ("estimated_error", "none")):
        if name == "estimated_error" and quantity != "test_error":
            continue
        mean, error = drawn.mean(name), np.nan_to_num(drawn.error(name))
        ax.errorbar(
            one.t[every], mean[every], error[every], color=colour, marker=marker,
            markerfacecolor=fill, markersize=3.0, linestyle="none", capsize=1.5, label="_drawn",
        )  # fmt: skip


def descent_figure(
    found: Descent | Iterable[Descent], *, width: float | None = None, **look: Any
) -> Figure:
    """Test error beside the training error; see `descent`."""
    results = several(found)

    def draw(ax: Axes, quantity: str) -> None:
        descent(results, ax, quantity=quantity, legend=False, **look)

    with style():
        figure, _ = side_by_side(
            draw, list(_LABELS), width, _names(results).title(), _notes(results, True)
        )
    return figure


def save_descent(
    found: Descent | Iterable[Descent],
    path: str | Path,
    *,
    width: float | None = None,
    overwrite: bool = False,
    **look: Any,
) -> Path:
    """Write `descent_figure` to ``path`` (.png, .pdf or .svg); ``width`` in inches."""
    return save_figure(descent_figure(found, width=width, **look), path, overwrite=overwrite)


def _names(results: list[Descent]) -> Names:
    facts = [dict(one.problem.attributes()) for one in results]
    for one in facts if all(found.L == 1 for found in results) else ():
        del one["M"], one["activation"]
    return tell_apart(facts, "found")


def _notes(results: list[Descent], estimated: bool) -> list[str]:
    """What the markers are."""
    drawn = [one for one in results if one.measured is not None and one.measured.draws]
    if not drawn:
        return []
    counts = ", ".join(
        str(k) for k in sorted({one.measured.draws for one in drawn if one.measured})
    )
    sizes = ", ".join(f"{n}" for n in sorted({one.n for one in drawn}))
    more = "; open: estimated without test data" if estimated else ""
    return [f"markers: means over {counts} drawn data sets of {sizes} patterns{more}"]
