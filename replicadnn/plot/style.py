"""The shipped style sheet, colours that stay apart in grey, and saving."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
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
from numpy.typing import ArrayLike

from replicadnn.problem import AVERAGED
from replicadnn.storage.outputs import atomic_file, check_figure_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = "osD^v<>pPX"
#: Lines of the closures of one figure; markers are open for the first, filled for the others.
CLOSURE_LINES = ("-", "-.", ":")
#: Legend of what no network can be (`Solution.possible` is False).
BEYOND = "beyond the counting bound"


def closure_words(closures: Iterable[str]) -> list[str]:
    """What a title says of the closures: nothing of the averaged one alone, or where they differ.

    Where they differ the legend says which is which.
    """
    different = set(closures)
    return [f"closure {name}" for name in different - {AVERAGED}] if len(different) == 1 else []


def closures_in_order(closures: Iterable[str]) -> list[str]:
    """The different closures of a figure; `CLOSURE_LINES` are theirs in this order."""
    return sorted(set(closures), key=lambda name: (name != AVERAGED, name))


def closure_legend(ax: Axes, closures: Sequence[str]) -> None:
    """Legend entries that say which lines and markers belong to which of several closures."""
    for number, name in enumerate(closures if len(closures) > 1 else ()):
        face = "0.35" if number else "none"
        ax.plot(
            [], [], color="0.35", linestyle=closure_line(number), marker="o", markerfacecolor=face,
            label=f"closure {name}",
        )  # fmt: skip


def closure_line(number: int) -> str:
    """Line style of the closure of this number in `closures_in_order`."""
    return CLOSURE_LINES[number % len(CLOSURE_LINES)]


def style() -> AbstractContextManager[Any]:
    """Context manager: the project's matplotlib style."""
    sheet = str(files("replicadnn.plot") / "replicadnn.mplstyle")
    manager: AbstractContextManager[Any] = mpl_style.context(sheet)
    return manager


def sequence(count: int) -> Iterator[tuple[tuple[float, ...], str]]:
    """``count`` pairs (colour, marker) along one sequential colour-blind-safe map."""
    colours = mpl.colormaps["viridis"]
    markers = itertools.cycle(MARKERS)
    for i in range(count):
        yield colours(0.92 * i / max(1, count - 1)), next(markers)


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
        drawn, or else, as an open marker alone, ``raw``.
    length : of the arrows.  Returns how many points were drawn.
    """
    x, value, error = (np.asarray(a, float) for a in (x, value, error))
    known = np.isfinite(value)
    bars = np.where(np.isfinite(error), error, 0.0)
    ax.errorbar(
        x[known], value[known], bars[known], capsize=2, label=label, **{"linestyle": "none"} | look
    )
    look = look | {"linestyle": "none", "markerfacecolor": "none"}
    height = np.full(value.shape, np.nan) if bound is None else np.asarray(bound, float)
    bounded = ~known & np.isfinite(height)
    arrows = np.broadcast_to(np.asarray(length, float), value.shape)
    if bounded.any():
        ax.errorbar(
            x[bounded], height[bounded], arrows[bounded], lolims=side == "lower",
            uplims=side == "upper", **look,
        )  # fmt: skip
    rest = np.full(value.shape, np.nan) if raw is None else np.asarray(raw, float)
    bare = ~known & ~bounded & np.isfinite(rest)
    if bare.any():
        ax.errorbar(x[bare], rest[bare], **look)
    return int(np.count_nonzero(known | bounded | bare))


def colour_bar(ax: Axes, labels: Sequence[str], title: str) -> None:
    """Order of the curves of `sequence` by a colour bar, instead of a legend too long to read."""
    size = len(labels)
    colours = ListedColormap(mpl.colormaps["viridis"](np.linspace(0.0, 0.92, size)))
    bar = ax.figure.colorbar(ScalarMappable(Normalize(0, size - 1), colours), ax=ax)
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
    with atomic_file(target, overwrite=overwrite) as temporary:
        figure.savefig(temporary, format=target.suffix.lower()[1:])
    return target
