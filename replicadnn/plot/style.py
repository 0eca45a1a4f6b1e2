"""The shipped style sheet, colours that stay apart in grey, and saving."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib import style as mpl_style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from replicadnn.storage.outputs import atomic_file, check_figure_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = "osD^v<>pPX"
#: Lines of the kinds of curves of a figure; "--" is kept for what lies beyond the counting bound.
LINES = ("-", "-.", ":", (0, (4, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (9, 2, 4, 2)))
#: The dark part of a map whose lightness rises steadily: its end has a contrast of 3 to white.
_MAP, _END = "plasma", 0.64


def line_of(number: int) -> Any:
    """Line style of the kind of curves of this number."""
    return LINES[number % len(LINES)]


def colours(count: int) -> NDArray[np.float64]:
    """``count`` colours (count, 4), dark to bright: apart in grey and for the colour-blind."""
    return np.asarray(mpl.colormaps[_MAP](_END * np.arange(count) / max(1, count - 1)))


def style() -> AbstractContextManager[Any]:
    """Context manager: the project's matplotlib style."""
    sheet = str(files("replicadnn.plot") / "replicadnn.mplstyle")
    manager: AbstractContextManager[Any] = mpl_style.context(sheet)
    return manager


def sequence(count: int) -> Iterator[tuple[tuple[float, ...], str]]:
    """``count`` pairs (colour, marker); the colours of `colours`."""
    for colour, marker in zip(colours(count), itertools.cycle(MARKERS), strict=False):
        yield tuple(colour.tolist()), marker


def judged_points(
    ax: Axes,
    x: ArrayLike,
    value: ArrayLike,
    error: ArrayLike,
    *,
    bound: ArrayLike | None = None,
    side: str | None = None,
    raw: ArrayLike | None = None,
    label: str | None = None,
    length: ArrayLike = 0.05,
    **look: Any,
) -> int:
    """Draw what is known as filled markers with bars, a bound as an open marker with an arrow.

    value : nan where it is not known; there ``bound``, an "upper" or "lower" one by ``side``, is
        drawn, or else, as an open marker with its bar, ``raw``.
    length : of the arrows.  Returns how many points were drawn.
    """
    x, value, error = (np.asarray(a, float) for a in (x, value, error))
    known = np.isfinite(value)
    bars = np.where(np.isfinite(error), error, 0.0)
    base: dict[str, Any] = {"linestyle": "none", "capsize": 2} | look
    ax.errorbar(x[known], value[known], bars[known], label=label, **base)
    base |= {"linestyle": "none", "markerfacecolor": "none"}
    height = np.full(value.shape, np.nan) if bound is None else np.asarray(bound, float)
    bounded = ~known & np.isfinite(height)
    arrows = np.broadcast_to(np.asarray(length, float), value.shape)
    if bounded.any():
        ax.errorbar(
            x[bounded], height[bounded], arrows[bounded], lolims=side == "lower",
            uplims=side == "upper", **base | {"capsize": 0},
        )  # fmt: skip
    rest = np.full(value.shape, np.nan) if raw is None else np.asarray(raw, float)
    bare = ~known & ~bounded & np.isfinite(rest)
    if bare.any():
        ax.errorbar(x[bare], rest[bare], bars[bare] if bars[bare].any() else None, **base)
    return int(np.count_nonzero(known | bounded | bare))


def colour_bar(ax: Axes, labels: Sequence[str], title: str) -> None:
    """Order of the curves of `sequence` by a colour bar, instead of a legend too long to read."""
    size = len(labels)
    shades = ListedColormap(colours(size))
    bar = ax.figure.colorbar(ScalarMappable(Normalize(0, size - 1), shades), ax=ax)
    ticks = np.unique(np.linspace(0, size - 1, 5).round().astype(int))
    bar.set_ticks([float(i) for i in ticks], labels=[labels[i] for i in ticks])
    bar.set_label(title)


def save_figure(figure: Figure, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write ``figure`` to ``path`` (.png, .pdf, .svg), complete or not at all.

    Raises
    ------
    FileError
        Unknown ending, existing file without ``overwrite``, missing folder, failed write.
    """
    target = Path(path)
    check_figure_name(target)
    FigureCanvasAgg(figure)
    with style(), atomic_file(target, overwrite=overwrite) as temporary:
        figure.savefig(temporary, format=target.suffix.lower()[1:])
    return target
