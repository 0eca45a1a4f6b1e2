"""A weight w(r) of a gap that a user states: its logarithm, the places of its kinks, its name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from replicadnn.errors import InputError, one_line
from replicadnn.types import FloatArray
from replicadnn.validate import bare, numbers, real

#: Gaps that count: a free gap is a standard Gaussian number, e^-72 beyond.
REACH = 12.0
#: Kinks may lie up to here.
KINK_MAX = 10.0
_LONGEST_NAME = 60


@dataclass(frozen=True, eq=False)
class Potential:
    """``Potential(log_weight, kinks=(), name=...)``: weight w(r) of the gap r = S h in place of
    w = 1 for r > kappa, e^-beta otherwise.

    Given to `replicadnn.solve` as ``potential=``, for random data and replica symmetry.  No
    derivative of w is needed: those of W(x) = Int Dz w(x + sqrt(V) z) are Gaussian moments of w.

    Attributes
    ----------
    log_weight : callable or None
        r -> ln w(r), arrays (n,) of floats to arrays (n,); -inf where the weight is 0, never nan or
        +inf.  Smooth between the kinks.  None: known by its name only, as in a file.
    kinks : tuple of float
        Where ln w or one of its derivatives jumps, -10..10; sorted, each once.
    name : str
        What files and figures call it; default the name of the function.

    Two potentials are equal only if they are the same object: functions cannot be compared.

    Raises
    ------
    InputError
        Names the argument, its value and what is allowed: not a function, not vectorised, nan or
        +inf, weight 0 everywhere, kinks out of range or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> soft = Potential(lambda r: -2.0 * np.minimum(r, 0.0) ** 2, kinks=[0.0], name="soft step")
    >>> soft
    Potential('soft step', kinks=(0.0,))
    """

    log_weight: Callable[[FloatArray], Any] | None
    kinks: tuple[float, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        put = object.__setattr__
        limits = f"numbers from {-KINK_MAX:g} to {KINK_MAX:g}"
        given: Iterable[Any] = () if _none(self.kinks) else numbers("kinks", self.kinks)
        found = {real("kinks", k, -KINK_MAX, KINK_MAX, limits) + 0.0 for k in given}
        put(self, "kinks", tuple(sorted(found)))
        put(self, "name", _name(self.name, self.log_weight))
        if self.log_weight is None:
            return
        if not callable(self.log_weight):
            raise InputError("log_weight", self.log_weight, "a function r -> ln w(r)")
        r = np.linspace(-REACH, REACH, 2402)  # no round numbers: kinks often are
        if not np.any(np.isfinite(self.at(r))):
            raise InputError("log_weight", self.name, "finite somewhere, not -inf everywhere")

    def __repr__(self) -> str:
        return f"Potential({self.name!r}, kinks={self.kinks})"

    def at(self, r: FloatArray) -> FloatArray:
        """ln w(r) of an array of any shape, checked.

        Raises
        ------
        InputError
            `log_weight` fails, does not return one number each, or returns nan or +inf; or there is
            none, because a file holds the name only.
        """
        if self.log_weight is None:
            raise InputError(
                "potential", self.name,
                "known by name only, a file holds no function: make the Potential again",
            )  # fmt: skip
        flat = r.ravel()
        try:
            with np.errstate(all="ignore"):
                values = np.asarray(self.log_weight(flat), dtype=float)
        except Exception as error:
            reason = f"{type(error).__name__}: {one_line(error, 80)}"
            allowed = f"a function of arrays r -> ln w(r); it fails on floats ({reason})"
            raise InputError("log_weight", self.name, allowed) from error
        if values.shape != flat.shape:
            raise InputError(
                "log_weight", self.name,
                f"one number for each r: an array {flat.shape} gives shape {values.shape}",
            )  # fmt: skip
        if not np.max(values, initial=-math.inf) < math.inf:  # nan too
            where = int(np.argmax(np.isnan(values) | (values == math.inf)))
            raise InputError(
                "log_weight", self.name,
                f"ln w(r) is {values[where]:g} at r = {flat[where]:.6g}; finite or -inf is allowed",
            )  # fmt: skip
        return values.reshape(r.shape)


def _none(values: Any) -> bool:
    """Whether these are no kinks at all."""
    values = bare(values)
    return values is None or (hasattr(values, "__len__") and len(values) == 0)


def _name(name: Any, function: Any) -> str:
    """``name``, or that of the function."""
    if name == "":
        name = getattr(function, "__name__", "own")
        name = "own" if name == "<lambda>" else name
    printable = isinstance(name, str) and name.strip() and name.isprintable()
    if not printable or len(name) > _LONGEST_NAME:
        allowed = f"a text of 1 to {_LONGEST_NAME} printable characters"
        raise InputError("name", name, allowed)
    return str(name)
