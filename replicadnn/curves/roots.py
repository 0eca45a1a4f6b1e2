"""Roots of functions of one number."""

from __future__ import annotations

from collections.abc import Callable

from scipy.optimize import brentq


def rising_root(function: Callable[[float], float], low: float, high: float) -> float:
    """The root in [low, high] of a function that is below 0 before it and above 0 behind it.

    To the last digits; an end where rounding has hidden it beyond.
    """
    if function(low) >= 0.0:
        return low
    if function(high) <= 0.0:
        return high
    return float(brentq(function, low, high, xtol=1e-300, rtol=9e-16, maxiter=500))
