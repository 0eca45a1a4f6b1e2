"""Lists of numbers as text, on the command line and in files."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_NUMBERS = 1_000_000
FORMS = "a number, start:stop:count or start:stop:count:log"


def expand(text: str, *, infinite: bool = False) -> list[float]:
    """Numbers of ``3``, ``start:stop:count`` or ``start:stop:count:log``; ends are exact.

    infinite : a single inf is a number too.  Raises ValueError that says what is wrong.
    """
    pieces = text.split(":")
    if len(pieces) == 1:
        return [_number(text, infinite)]
    if len(pieces) not in (3, 4) or (len(pieces) == 4 and pieces[3] != "log"):
        raise ValueError(f"expected {FORMS}")
    start, stop = _number(pieces[0], False), _number(pieces[1], False)
    try:
        count = int(pieces[2])
    except ValueError:
        count = 0
    if not 1 <= count <= MAX_NUMBERS:
        raise ValueError(f"the count must be a whole number from 1 to {MAX_NUMBERS}")
    if count == 1:
        return [start]
    if len(pieces) == 4:
        if start <= 0.0 or stop <= 0.0:
            raise ValueError("a log range needs positive ends")
        low, high = math.log(start), math.log(stop)
        inner = [math.exp(low + (high - low) * i / (count - 1)) for i in range(1, count - 1)]
    else:
        inner = [start + (stop - start) * i / (count - 1) for i in range(1, count - 1)]
    return [start, *inner, stop]


def equal(values: NDArray[np.float64], asked: float) -> NDArray[np.bool_]:
    """Which values are the one asked for: to 1e-9, or else the one that prints the same (%g)."""
    import numpy as np

    close = np.isclose(values, asked, rtol=1e-9, atol=0.0)
    if close.any():
        return close
    printed = np.array([f"{v:g}" == f"{asked:g}" for v in values], dtype=bool)
    return printed if len(np.unique(values[printed])) == 1 else close


def _number(text: str, infinite: bool) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"expected {FORMS}") from None
    if not math.isfinite(number) and not (infinite and number == math.inf):
        raise ValueError("expected a finite number")
    return number
