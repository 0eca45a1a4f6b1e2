"""Paper of a figure: sizes in print, axes, titles that fit, legends beside the curves."""

from __future__ import annotations

import contextlib
import itertools
import string
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import LineCollection
from matplotlib.figure import SubFigure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import StepPatch
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.ticker import FormatStrFormatter, FuncFormatter, ScalarFormatter
from matplotlib.transforms import Bbox, ScaledTranslation
from numpy.typing import NDArray

from replicadnn.errors import InputError
from replicadnn.plot.notebook import Figure
from replicadnn.plot.style import style

if TYPE_CHECKING:
    from matplotlib.artist import Artist

#: Width of one column of a journal, and of two, inches.
COLUMN, TWO_COLUMNS = 3.4, 7.0
#: Widths that can be asked for, inches.
_WIDTHS = (2.0, 20.0)
#: Free pixels between a legend and a curve (100 dots an inch).
_CLEAR = 4.0
#: Handle of a legend entry and the space between two columns, in units of the font.
_HANDLE = 6.0
_INSIDE = (
    "upper right", "upper left", "lower right", "lower left", "upper center", "lower center",
    "center right", "center left",
)  # fmt: skip
#: Smallest range of an axis in units of its largest number: less is rounding.
_ROUNDING = 1e-9


#: Figures made here: in our style whatever is drawn on them later, and free to grow.
_OURS: WeakSet[Figure] = WeakSet()


@contextlib.contextmanager
def drawing(ax: Axes | None) -> Iterator[Axes]:
    """The Axes to draw on; without one a new figure of the width of a column, in our style.

    Raises
    ------
    InputError
        ``ax`` is not an Axes.
    """
    if not isinstance(ax, Axes | None):
        raise InputError("ax", ax, "an Axes of matplotlib; everything after it goes by name")
    with style() if ax is None or _root(ax) in _OURS else contextlib.nullcontext():
        if ax is None:
            _, (ax,) = panels(1)
        yield ax
        plain_numbers(ax)


def panels(
    count: int, width: float | None = None, *, height: float = 0.75, columns: int = 2
) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels at the size of its print, and its axes row by row.

    Parameters
    ----------
    width : float, optional
        Inches, 2..20; by default 3.4 (a column of a journal) for one panel, 7 for several, up to
        ``columns`` of them side by side.  A figure narrower than 5 stacks its panels.
    height : of a panel, in units of its width.

    Raises
    ------
    InputError
        ``width`` out of range.
    """
    low, high = _WIDTHS
    if width is not None and not low <= width <= high:
        raise InputError("width", width, f"{low:g}..{high:g} inches")
    size = width if width is not None else COLUMN if count == 1 else TWO_COLUMNS
    columns = 1 if size < 5.0 else min(count, columns)
    rows = -(-count // columns)
    figure = Figure(figsize=(size, rows * height * size / columns + 0.4), layout="constrained")
    _OURS.add(figure)
    axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def text_width(text: str, size: float) -> float:
    """Width of a line in points."""
    if not text:
        return 0.0
    path = TextPath((0, 0), text, size=size, prop=FontProperties(family=rcParams["font.family"]))
    return float(path.get_extents().width)


def fit(words: Sequence[str], width: float, size: float) -> str:
    """``words`` with commas between them, broken into lines no wider than ``width`` inches."""
    lines: list[str] = []
    for word in words:
        longer = f"{lines[-1]}, {word}" if lines else word
        if lines and text_width(longer, size) <= 72.0 * width:
            lines[-1] = longer
        elif lines:
            lines[-1] += ","
            lines.append(word)
        else:
            lines.append(word)
    return "\n".join(lines)


def entitle(target: Axes | Figure, words: Sequence[str], notes: Sequence[str] = ()) -> None:
    """Title of an axes or a figure: what its curves share, and a line for each of the notes."""
    if isinstance(target, Axes):
        size = FontProperties(size=rcParams["axes.titlesize"]).get_size_in_points()
        figure = _root(target)
        share = target.get_position().width if len(figure.axes) > 1 else 0.95
        width = share * figure.get_size_inches()[0]
    else:
        size = FontProperties(size=rcParams["figure.titlesize"]).get_size_in_points()
        width = 0.97 * target.get_size_inches()[0]
    lines = [fit(words, width, size)] if words else []
    lines += [fit_sentence(note, width, size) for note in notes]
    text = "\n".join(lines)
    if isinstance(target, Axes):
        target.set_title(text)
    elif text:
        target.suptitle(text)


def fit_sentence(text: str, width: float, size: float) -> str:
    """A sentence broken at blanks outside formulas."""
    lines: list[str] = []
    for word in _blanks(text):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) > 72.0 * width:
            lines.append(word)
        else:
            lines[-1:] = [longer]
    return "\n".join(lines)


def _blanks(text: str) -> list[str]:
    """Words of a text; a formula is one word."""
    words: list[str] = []
    whole = True
    for word in text.split(" "):
        if whole:
            words.append(word)
        else:
            words[-1] += f" {word}"
        whole ^= word.count("$") % 2 == 1
    return words


def span(values: NDArray[np.float64], low: float | None, high: float | None) -> tuple[float, float]:
    """Range of ``values``, widened where it is rounding only; ``low``, ``high``: what is asked."""
    found = [float(values.min()), float(values.max())]
    most = max(abs(found[0]), abs(found[1]))
    if found[1] - found[0] <= max(_ROUNDING * most, 1e-12):
        found = [found[0] - 0.1 * max(most, 1e-3), found[1] + 0.1 * max(most, 1e-3)]
    return found[0] if low is None else low, found[1] if high is None else high


def plain_numbers(ax: Axes) -> None:
    """No offset beside an axis, and no range that is rounding only."""
    for axis in (ax.xaxis, ax.yaxis):
        no_offset(axis)
    values = [np.ravel(np.asarray(line.get_ydata(), float)) for line in ax.lines]
    known = np.concatenate([one[np.isfinite(one)] for one in values] or [np.empty(0)])
    low, high = ax.get_ylim()
    if known.size and ax.get_yscale() == "linear" and ax.get_autoscaley_on():
        narrow = span(known, None, None)
        if narrow != (known.min(), known.max()):
            low, high = min(low, narrow[0]), max(high, narrow[1])
            ax.set_ylim(low, high)


def few_decades(axis: Axis) -> None:
    """Plain numbers, also between the decades, on a logarithmic axis that shows hardly one."""
    low, high = axis.get_view_interval()
    if low > 1e-3 and high < 1e4 and high < 100.0 * low:
        axis.set_major_formatter(FormatStrFormatter("%g"))

    def between(value: float, _: object = None) -> str:
        """One decade at most: 2, 3, ... in less than half of it, 2, 3, 4, 6, or 2 and 5."""
        low, high = np.log10(axis.get_view_interval())
        if np.floor(high) - np.floor(np.nextafter(low, -np.inf)) > 1.0:
            return ""
        shown = range(2, 10) if high - low <= 0.5 else (2, 3, 4, 6) if high - low <= 1.0 else (2, 5)
        return f"{value:g}" if round(value / 10.0 ** np.floor(np.log10(value))) in shown else ""

    axis.set_minor_formatter(FuncFormatter(between))


def no_offset(axis: Axis) -> None:
    """Numbers of an axis as they are, not as differences from one."""
    formatter = axis.get_major_formatter()
    if isinstance(formatter, ScalarFormatter):
        formatter.set_useOffset(False)


# --- legends ---------------------------------------------------------------------------------


def folded(labels: Sequence[str], width: float, size: float) -> list[str]:
    """Labels broken into lines where one would not fit a legend of ``width`` inches."""
    return [fit_sentence(label, width - _HANDLE * size / 72.0, size) for label in labels]


def columns_that_fit(labels: Sequence[str], width: float, size: float) -> int:
    """Most columns of a legend of ``width`` inches."""
    lines = [line for label in labels for line in label.split("\n")]
    widest = max(text_width(line, size) for line in lines) + _HANDLE * size
    return int(np.clip(72.0 * width // widest, 1, len(labels)))


def place_legend(
    ax: Axes,
    handles: Sequence[Artist] | None = None,
    title: str | None = None,
    *,
    inside: bool = True,
) -> None:
    """A legend where no curve is: inside the axes if there is room, else below them.

    ``handles``: by default everything that has a label.  Call it when all is drawn.
    """
    found = list(ax.get_legend_handles_labels()[0] if handles is None else handles)
    if not found:
        return
    labels = [str(one.get_label()) for one in found]
    figure = _root(ax)
    figure.draw_without_rendering()
    points = drawn_points(ax)
    places: Any = _INSIDE if inside else ()
    for place in places:
        box = ax.legend(found, labels, loc=place, title=title).get_window_extent().padded(_CLEAR)
        outside = not _contains(ax.get_window_extent(), box)
        if not outside and not _touches(points, box):
            return
    bottom = ax.get_window_extent().y0
    tight = ax.get_tightbbox(for_layout_only=False)
    legend_now = ax.get_legend()
    if legend_now is not None:
        legend_now.remove()
        tight = ax.get_tightbbox()
    below = (tight.y0 if tight is not None else bottom) - bottom
    size = FontProperties(size=rcParams["legend.fontsize"]).get_size_in_points()
    width = figure.get_size_inches()[0] * min(1.0, ax.get_position().width + 0.2)
    labels = folded(labels, width, size)
    columns = columns_that_fit(labels, width, size)
    ax.legend(
        found, labels, title=title, loc="upper center", bbox_to_anchor=(0.5, 0.0),
        borderaxespad=0.0, ncols=columns,
        bbox_transform=ax.transAxes
        + ScaledTranslation(0.0, below / figure.dpi - 0.04, figure.dpi_scale_trans),
    )  # fmt: skip
    _grow(figure, labels, columns, title)


def _grow(figure: Figure, labels: Sequence[str], columns: int, title: str | None) -> None:
    """Make room for a legend outside the axes, in a figure of ours."""
    if figure in _OURS:
        more = sum(label.count("\n") for label in labels) + (title is not None)
        lines = -(-len(labels) // columns) + more
        size = FontProperties(size=rcParams["legend.fontsize"]).get_size_in_points()
        figure.set_figheight(figure.get_size_inches()[1] + 1.5 * size * lines / 72.0)


def figure_legend(figure: Figure, handles: Sequence[Artist], title: str | None = None) -> None:
    """One legend of all panels, below them."""
    if handles:
        size = FontProperties(size=rcParams["legend.fontsize"]).get_size_in_points()
        width = 0.98 * figure.get_size_inches()[0]
        labels = folded([str(one.get_label()) for one in handles], width, size)
        columns = columns_that_fit(labels, width, size)
        figure.legend(handles, labels, title=title, loc="outside lower center", ncols=columns)
        _grow(figure, labels, columns, title)


def curves_legend(figure: Figure, ax: Axes) -> None:
    """One legend of all panels: the named curves of ``ax``, where there are several."""
    handles = [line for line in ax.lines if not str(line.get_label()).startswith("_")]
    if len(handles) > 1:
        figure_legend(figure, handles)


def side_by_side(
    draw: Callable[[Axes, str], object], quantities: Sequence[str], width: float | None,
    words: Sequence[str], notes: Sequence[str] = (),
) -> tuple[Figure, list[Axes]]:  # fmt: skip
    """A lettered panel a quantity of the same curves, above it what they share, one legend below.

    draw : draws the curves of a quantity into an Axes, without title and legend.
    """
    figure, axes = panels(len(quantities), width)
    for ax, quantity in zip(axes, quantities, strict=True):
        draw(ax, quantity)
    letter(axes)
    entitle(figure, words, notes)
    curves_legend(figure, axes[0])
    return figure, axes


def letter(axes: Sequence[Axes]) -> None:
    """(a), (b), ... where there are several panels."""
    for name, ax in zip(string.ascii_lowercase, axes, strict=False):
        if len(axes) > 1:
            ax.set_title(f"({name})", loc="left")


def _root(ax: Axes) -> Any:
    """The figure of an Axes, a caller's or ours, beyond its subfigures."""
    figure: Any = ax.figure
    while isinstance(figure, SubFigure):
        figure = figure.figure
    return figure


def _contains(outer: Bbox, inner: Bbox) -> bool:
    return bool(
        outer.x0 <= inner.x0 + 2 * _CLEAR and inner.x1 <= outer.x1 + 2 * _CLEAR
        and outer.y0 <= inner.y0 + 2 * _CLEAR and inner.y1 <= outer.y1 + 2 * _CLEAR
    )  # fmt: skip


def _touches(points: NDArray[np.float64], box: Bbox) -> bool:
    x, y = points.T
    return bool(np.any((x >= box.x0) & (x <= box.x1) & (y >= box.y0) & (y <= box.y1)))


def drawn_points(ax: Axes) -> NDArray[np.float64]:
    """Pixels (n, 2) of all lines, markers, bars, staircases and texts, at most 3 apart."""
    paths = [one.get_transform().transform_path(one.get_path()) for one in ax.lines]
    paths += [
        one.get_transform().transform_path(one.get_path())
        for one in ax.patches
        if isinstance(one, StepPatch)
    ]
    found = [np.empty((0, 2))]
    for group in ax.collections:
        if isinstance(group, LineCollection):
            paths += [group.get_transform().transform_path(path) for path in group.get_paths()]
        else:
            places = group.get_offset_transform().transform(np.asarray(group.get_offsets()))
            found.append(np.asarray(places).reshape(-1, 2))
    for text in ax.texts:
        box = text.get_window_extent()
        found.append(_dense(np.array([[box.x0, box.y0], [box.x1, box.y0], [box.x1, box.y1]])))
    for path in paths:
        found += [_dense(part) for part in _parts(path)]
    points = np.concatenate(found)
    return points[np.isfinite(points).all(axis=1)]


def _parts(path: Path) -> list[NDArray[np.float64]]:
    """Vertices of the unbroken parts of a path."""
    vertices = np.asarray(path.vertices, float)
    breaks = ~np.isfinite(vertices).all(axis=1)
    if path.codes is not None:
        breaks = breaks | (np.asarray(path.codes) == Path.MOVETO)
    return [part for part in np.split(vertices, np.flatnonzero(breaks)) if len(part)]


def _dense(vertices: NDArray[np.float64], apart: float = 3.0) -> NDArray[np.float64]:
    """Points along straight pieces, at most ``apart`` pixels from one another."""
    vertices = vertices[np.isfinite(vertices).all(axis=1)]
    pieces = [vertices]
    for start, end in itertools.pairwise(vertices):
        count = int(min(np.hypot(*(end - start)) / apart, 10_000))
        pieces.append(start + np.linspace(0.0, 1.0, count + 2)[:, None] * (end - start))
    return np.concatenate(pieces)
