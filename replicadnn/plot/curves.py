"""Curves of one figure: colour for a number, line and marker for everything else, and the names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cbook import normalize_kwargs
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from replicadnn.errors import InputError
from replicadnn.plot.naming import BEYOND, Facts, Names, tell_apart, written
from replicadnn.plot.style import LINES, colour_bar, line_of, sequence

#: More colours than these get a colour bar instead of entries in the legend.
LEGEND_MAX = 10
#: Facts that are numbers, in the order in which one of them gets the colours.
_NUMBERS = ("alpha", "layer", "L", "kappa", "beta", "N")
_GREY = "0.35"


@dataclass(frozen=True)
class Curve:
    """One curve: what it is, its points, and whether networks can be there (None: not known)."""

    facts: Facts
    x: ArrayLike
    y: ArrayLike
    possible: bool | None = None


@dataclass
class _Drawn:
    """What an Axes holds already: facts, lines and own labels of its curves, lines for names only.

    ``kinds``: lines of `LINES` that are taken.
    """

    facts: list[Facts] = field(default_factory=list)
    lines: list[Line2D] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    entries: list[Line2D] = field(default_factory=list)
    kinds: int = 0


_DRAWN: WeakKeyDictionary[Axes, _Drawn] = WeakKeyDictionary()


def asked(look: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """Arguments of `Axes.plot` by curve: a list has one for each, anything else is for all.

    Raises
    ------
    InputError
        A list of another length, or one label for several curves.
    """
    found: list[dict[str, Any]] = [{} for _ in range(count)]
    for name, value in normalize_kwargs(dict(look), Line2D).items():
        if isinstance(value, list) and len(value) != count:
            raise InputError(name, value, f"a list of {count}, one a curve")
        if name == "label" and not isinstance(value, list) and count > 1:
            raise InputError(name, value, f"a list of {count}, one a curve")
        for place, one in enumerate(found):
            one[name] = value[place] if isinstance(value, list) else value
    return found


def draw(ax: Axes, curves: Sequence[Curve], what: str, look: Mapping[str, Any]) -> Names:
    """Draw and name curves, beside those that ``ax`` holds already from an earlier call.

    Of what differs the number with the most values goes by colour (a colour bar above
    `LEGEND_MAX`), the rest by line, with open and filled markers in turn; dashed means beyond the
    counting bound.  Curves with a label of their own need not differ.

    Raises
    ------
    InputError
        Curves that cannot be told apart, more kinds of them than there are lines, or a ``look``
        that does not fit.
    """
    own = asked(look, len(curves))
    labels = [one.pop("label", None) for one in own]
    held = _DRAWN.setdefault(ax, _Drawn())
    old = len(held.facts)
    facts = [*held.facts, *(curve.facts for curve in curves)]
    names = tell_apart(facts, what, refuse=not any(held.labels + labels))
    here = Names(names.facts[old:], tuple(n for n in names.differing if _varies(names, n, old)))
    number, kinds = _by_kind(here, what)
    if held.kinds + len(kinds) > len(LINES):
        raise InputError(
            what, f"{held.kinds + len(kinds)} kinds of curves",
            f"at most {len(LINES)} that differ in more than {number or 'a number'}",
        )  # fmt: skip
    values = here.values(number) if number else kinds
    palette = list(sequence(len(values)))
    many = len(values) > LEGEND_MAX
    for curve, one, mine in zip(curves, here.facts, own, strict=True):
        kind = _kind(here, one, number)
        colour, marker = palette[values.index(one[number] if number else kind)]
        base = _look(held.kinds + kinds.index(kind), colour, "" if many else marker)
        if curve.possible is False:
            base["linestyle"] = "--"
        count = np.size(curve.x)
        base["markevery"] = max(1, count // 50)
        if "color" in mine and base["markerfacecolor"] != "none":
            base["markerfacecolor"] = mine["color"]
        held.lines += ax.plot(curve.x, curve.y, **base | mine)
    held.facts, held.labels = facts, held.labels + labels
    for line in held.entries:
        line.remove()
    product = bool(number) and 1 < len(kinds) <= len(curves) - len(values)
    by_parts = not old and not any(labels) and (many or product)
    held.entries = _name_parts(ax, here, number, many) if by_parts else []
    if not by_parts:
        _name_curves(held, names)
    if many and number:
        shown = [written(number, value, values) for value in values]
        colour_bar(ax, [_bare(text) for text in shown], _symbol(number))
    if any(line.get_linestyle() == "--" for line in held.lines) and any(
        curve.possible is False for curve in curves
    ):
        held.entries += ax.plot([], [], color=_GREY, linestyle="--", label=BEYOND)
    held.kinds += len(kinds)
    return names


def _varies(names: Names, name: str, old: int) -> bool:
    return len({one[name] for one in names.facts[old:]}) > 1


def _by_kind(names: Names, what: str) -> tuple[str, list[tuple[Any, ...]]]:
    """The fact that goes by colour ("": none does), and the different kinds of the rest."""
    numbers = [name for name in _NUMBERS if name in names.differing]
    number = max(numbers, key=lambda name: len(names.values(name)), default="")
    rest = [name for name in names.differing if name != number]
    ranks = {name: names.values(name) for name in rest}
    kinds = {_kind(names, one, number) for one in names.facts}
    return number, sorted(
        kinds, key=lambda kind: [ranks[n].index(v) for n, v in zip(rest, kind, strict=True)]
    )


def _kind(names: Names, one: Facts, number: str) -> tuple[Any, ...]:
    return tuple(one[name] for name in names.differing if name != number)


def _look(kind: int, colour: Any, marker: str) -> dict[str, Any]:
    face = colour if kind % 2 else "none"
    return {
        "color": colour, "marker": marker, "linestyle": line_of(kind), "markerfacecolor": face,
    }  # fmt: skip


def _name_curves(held: _Drawn, names: Names) -> None:
    """Every curve by what it does not share; one that shares everything stands in the title."""
    for place, (line, label) in enumerate(zip(held.lines, held.labels, strict=True)):
        text = names.label(place) if label is None else label
        line.set_label(text or "_one")


def _name_parts(ax: Axes, names: Names, number: str, many: bool) -> list[Line2D]:
    """Entries for the colours (unless there is a colour bar), then for the kinds of lines."""
    found: list[Line2D] = []
    _, kinds = _by_kind(names, "")
    values = names.values(number) if number else []
    for value, (colour, marker) in zip(values, sequence(len(values)), strict=True):
        if not many:
            text = written(number, value, values)
            found += ax.plot([], [], **_look(0, colour, marker), label=text)
    rest = [name for name in names.differing if name != number]
    for place, kind in enumerate(kinds if len(kinds) > 1 else ()):
        text = ", ".join(written(n, v) for n, v in zip(rest, kind, strict=True))
        found += ax.plot([], [], **_look(place, _GREY, "o"), label=text)
    return found


def _bare(text: str) -> str:
    return "$" + text.split("= ")[-1] if "= " in text else text


def _symbol(number: str) -> str:
    return written(number, 0.0).split(" =")[0] + "$"
