"""Curves of one figure: a number by colour, the closure by line, the rest by marker, and names.

Markers are filled: an open one is kept for what has not relaxed, or what no network can be.
"""

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
from replicadnn.plot.style import LINES, MARKERS, colour_bar, line_of, sequence

#: More colours than these get a colour bar instead of entries in the legend.
LEGEND_MAX = 10
#: Facts that are numbers, in the order in which one of them gets the colours.
_NUMBERS = ("alpha", "layer", "L", "kappa", "beta", "N")
#: The fact that has the lines to itself where others differ beside it.
_BY_LINE = "closure"
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


def named(
    facts: Sequence[Facts], what: str, look: Mapping[str, Any]
) -> tuple[Names, list[dict[str, Any]]]:
    """Names of curves that have a colour and a marker each, and the arguments of each.

    Raises
    ------
    InputError
        Curves of equal facts without a label of their own, or a ``look`` that does not fit.
    """
    own = asked(look, len(facts))
    names = tell_apart(facts, what, refuse="label" not in own[0])
    looks = zip(own, sequence(len(facts)), strict=True)
    return names, [
        {"color": colour, "marker": marker, "label": names.label(place) or "_one"} | mine
        for place, (mine, (colour, marker)) in enumerate(looks)
    ]  # fmt: skip


def draw(ax: Axes, curves: Sequence[Curve], what: str, look: Mapping[str, Any]) -> Names:
    """Draw and name curves, beside those that ``ax`` holds already from an earlier call.

    Of what differs the number with the most values goes by colour (a colour bar above
    `LEGEND_MAX`), the rest by line; where the closure differs and something else besides, the line
    is the closure and the marker everything else.  Dashed means beyond the counting bound.  Curves
    with a label of their own need not differ.

    Raises
    ------
    InputError
        Curves that cannot be told apart, more kinds of them than there are lines or markers, or a
        ``look`` that does not fit.
    """
    own = asked(look, len(curves))
    labels = [one.pop("label", None) for one in own]
    held = _DRAWN.setdefault(ax, _Drawn())
    old = len(held.facts)
    facts = [*held.facts, *(curve.facts for curve in curves)]
    names = tell_apart(facts, what, refuse=not any(held.labels + labels))
    here = Names(names.facts[old:], tuple(n for n in names.differing if _varies(names, n, old)))
    roles = _roles(here)
    _fits(roles, held, what)
    values = roles.values
    palette = list(sequence(len(values)))
    many = len(values) > LEGEND_MAX
    for curve, one, mine in zip(curves, here.facts, own, strict=True):
        colour, marker = palette[
            values.index(one[roles.number] if roles.number else roles.kind(one))
        ]
        if roles.by_marker:
            marker = MARKERS[roles.markers.index(roles.part(one, roles.by_marker))]
        line = line_of(held.kinds + roles.lines.index(roles.part(one, roles.by_line)))
        base: dict[str, Any] = {"color": colour, "linestyle": line}
        base["marker"] = "" if many and not roles.by_marker else marker
        if curve.possible is False:
            base["linestyle"] = "--"
        base["markevery"] = max(1, np.size(curve.x) // 50)
        held.lines += ax.plot(curve.x, curve.y, **base | mine)
    held.facts, held.labels = facts, held.labels + labels
    for entry in held.entries:
        entry.remove()
    kinds = len({roles.kind(one) for one in here.facts})
    product = bool(roles.number) and 1 < kinds <= len(curves) - len(values)
    by_parts = not old and not any(labels) and (many or product)
    held.entries = _name_parts(ax, roles, many) if by_parts else []
    if not by_parts:
        _name_curves(held, names)
    if many and roles.number:
        shown = [written(roles.number, value, values) for value in values]
        colour_bar(ax, [_bare(text) for text in shown], _symbol(roles.number))
    if any(line.get_linestyle() == "--" for line in held.lines) and any(
        curve.possible is False for curve in curves
    ):
        held.entries += ax.plot([], [], color=_GREY, linestyle="--", label=BEYOND)
    held.kinds += len(roles.lines)
    return names


@dataclass(frozen=True)
class _Roles:
    """What tells the facts that differ: colour (``number``, "": none), line, marker.

    ``values`` have the colours: of the number, or without one the kinds of curves; ``lines`` and
    ``markers`` are what there is of the facts ``by_line`` and ``by_marker``, in order.
    """

    number: str
    by_line: tuple[str, ...]
    by_marker: tuple[str, ...]
    values: list[Any]
    lines: list[tuple[Any, ...]]
    markers: list[tuple[Any, ...]]

    @staticmethod
    def part(one: Facts, chosen: tuple[str, ...]) -> tuple[Any, ...]:
        """Some facts of a curve."""
        return tuple(one[name] for name in chosen)

    def kind(self, one: Facts) -> tuple[Any, ...]:
        """All facts of a curve that differ, but for the number."""
        return self.part(one, self.by_marker + self.by_line)


def _roles(names: Names) -> _Roles:
    numbers = [name for name in _NUMBERS if name in names.differing]
    number = max(numbers, key=lambda name: len(names.values(name)), default="")
    rest = tuple(name for name in names.differing if name != number)
    alone = _BY_LINE in rest and len(rest) > 1
    by_line = (_BY_LINE,) if alone else rest
    by_marker = tuple(name for name in rest if name not in by_line)
    ranks = {name: names.values(name) for name in rest}

    def found(chosen: tuple[str, ...]) -> list[tuple[Any, ...]]:
        parts = {_Roles.part(one, chosen) for one in names.facts}
        return sorted(
            parts, key=lambda p: [ranks[n].index(v) for n, v in zip(chosen, p, strict=True)]
        )

    values = names.values(number) if number else found(by_marker + by_line)
    return _Roles(number, by_line, by_marker, values, found(by_line), found(by_marker))


def _fits(roles: _Roles, held: _Drawn, what: str) -> None:
    """InputError where lines or markers do not suffice."""
    for taken, most in ((held.kinds + len(roles.lines), LINES), (len(roles.markers), MARKERS)):
        if taken > len(most):
            raise InputError(
                what, f"{taken} kinds of curves",
                f"at most {len(most)} that differ in more than {roles.number or 'a number'}",
            )  # fmt: skip


def _varies(names: Names, name: str, old: int) -> bool:
    return len({one[name] for one in names.facts[old:]}) > 1


def _name_curves(held: _Drawn, names: Names) -> None:
    """Every curve by what it does not share; one that shares everything stands in the title."""
    for place, (line, label) in enumerate(zip(held.lines, held.labels, strict=True)):
        text = names.label(place) if label is None else label
        line.set_label(text or "_one")


def _name_parts(ax: Axes, roles: _Roles, many: bool) -> list[Line2D]:
    """Entries for the colours (unless there is a colour bar), then for markers and lines."""
    found: list[Line2D] = []
    for value, (colour, marker) in zip(roles.values, sequence(len(roles.values)), strict=True):
        if not many:
            text = written(roles.number, value, roles.values)
            shown = "" if roles.by_marker else marker
            found += ax.plot([], [], color=colour, marker=shown, label=text)
    for place, part in enumerate(roles.markers if roles.by_marker else ()):
        found += ax.plot(
            [], [], color=_GREY, marker=MARKERS[place], linestyle="none",
            label=_words(roles.by_marker, part),
        )  # fmt: skip
    for place, part in enumerate(roles.lines if len(roles.lines) > 1 else ()):
        label = _words(roles.by_line, part)
        found += ax.plot([], [], color=_GREY, linestyle=line_of(place), label=label)
    return found


def _words(chosen: tuple[str, ...], part: tuple[Any, ...]) -> str:
    return ", ".join(written(name, value) for name, value in zip(chosen, part, strict=True))


def _bare(text: str) -> str:
    return "$" + text.split("= ")[-1] if "= " in text else text


def _symbol(number: str) -> str:
    return written(number, 0.0).split(" =")[0] + "$"
