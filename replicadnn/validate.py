"""Arguments of users: each is checked once, and refused with its name, value and range."""

from __future__ import annotations

import enum
import math
import numbers
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
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InputError(argument, value, allowed)
    number = float(value)
    if math.isnan(number) or not low <= number <= high:
        raise InputError(argument, value, allowed)
    return number


def whole(argument: str, value: Any, low: int, high: int) -> int:
    """``value`` as an int in [low, high], or an `InputError`."""
    allowed = f"a whole number from {low} to {high}"
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise InputError(argument, value, allowed)
    if not low <= int(value) <= high:
        raise InputError(argument, value, allowed)
    return int(value)
