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
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(argument, value, allowed)
    number = float(value)
    if math.isnan(number) or not low <= number <= high:
        raise InputError(argument, value, allowed)
    return number


def whole(argument: str, value: Any, low: int, high: int) -> int:
    """``value`` as an int in [low, high], or an `InputError`."""
    allowed = f"a whole number from {low} to {high}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError(argument, value, allowed)
    if not low <= int(value) <= high:
        raise InputError(argument, value, allowed)
    return int(value)


def numbers(argument: str, values: Any) -> list[Any]:
    """One number or several as a list of plain Python numbers, not yet checked.

    Raises
    ------
    InputError
        There is none.
    """
    single = isinstance(values, str) or getattr(values, "ndim", 1) == 0
    items = list(values) if isinstance(values, Iterable) and not single else [values]
    if not items:
        raise InputError(argument, items, "at least one number")
    return [v.item() if hasattr(v, "item") else v for v in items]
