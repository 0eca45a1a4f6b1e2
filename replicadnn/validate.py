"""Arguments of users: each is checked once, and refused with its name, value and range."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, TypeVar

from replicadnn.errors import InputError

E = TypeVar("E", bound=enum.StrEnum)


def choice(kind: type[E], argument: str, value: object) -> E:
    """``value`` as a member of ``kind``, or an `InputError` that lists the members."""
    try:
        return kind(str(value))
    except ValueError:
        raise InputError(argument, value, "one of " + ", ".join(m.value for m in kind)) from None


def real(argument: str, value: Any, low: float, high: float, allowed: str) -> float:
    """``value`` as a float in [low, high], or an `InputError` that says ``allowed``."""
    value = bare(value)
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(argument, value, allowed)
    number = float(value)
    if math.isnan(number) or not low <= number <= high:
        raise InputError(argument, value, allowed)
    return number


def whole(argument: str, value: Any, low: int, high: int) -> int:
    """``value`` as an int in [low, high], or an `InputError`."""
    allowed = f"a whole number from {low} to {high}"
    value = bare(value)
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError(argument, value, allowed)
    if not low <= int(value) <= high:
        raise InputError(argument, value, allowed)
    return int(value)


def bare(value: Any) -> Any:
    """A numpy scalar or an array without axes as the plain number that it holds."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def single(values: Any) -> bool:
    """Is this one value (a number, a text, an array without axes), not several?"""
    value = bare(values)
    return isinstance(value, (str, bytes)) or not isinstance(value, Iterable)


def numbers(argument: str, values: Any) -> list[Any]:
    """One number or several as a list of plain Python numbers, not yet checked.

    Raises
    ------
    InputError
        There is none, or they are not a flat list.
    """
    items = [bare(value) for value in ([values] if single(values) else values)]
    if not items:
        raise InputError(argument, items, "at least one number")
    if not all(single(item) for item in items):
        raise InputError(argument, values, "a number or a flat list of numbers")
    return items
