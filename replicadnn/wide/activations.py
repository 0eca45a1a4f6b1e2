"""Activations of random networks, and their Gaussian averages (docs/wide.md, section 2)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erf

from replicadnn.errors import InputError, one_line
from replicadnn.types import FloatArray
from replicadnn.wide.averages import Function, Panels, Tanh, sech2
from replicadnn.wide.closed import Erf, HardTanh, Linear, Relu, Sign

#: Relative difference of a derivative and differences of its function that is refused.
_DIFFERS = 1e-4


class Averages(Protocol):
    """Averages over u ~ Normal(0, q), and over pairs of variances q_a, q_b and correlation c."""

    def square(self, q: FloatArray) -> FloatArray:
        """V(q) = E phi(u)^2."""

    def slope_square(self, q: FloatArray) -> FloatArray:
        """D(q) = E phi'(u)^2."""

    def response(self, q: FloatArray) -> FloatArray:
        """dV/dq."""

    def product(self, qa: FloatArray, qb: FloatArray, c: FloatArray) -> FloatArray:
        """F(q_a, q_b, c) = E phi(u_a) phi(u_b)."""

    def slope_product(self, qa: FloatArray, qb: FloatArray, c: FloatArray) -> FloatArray:
        """F'(q_a, q_b, c) = E phi'(u_a) phi'(u_b) = dF/dK, K = c sqrt(q_a q_b)."""

    def deficit(self, q: FloatArray, gap: FloatArray) -> FloatArray:
        """V(q) - F(q, q, 1 - gap)."""


@dataclass(frozen=True, eq=False)
class Activation:
    """An activation: its function, derivative and kinks, and its Gaussian averages.

    Averages over u ~ Normal(0, q) and over pairs (u_a, u_b) of variances q_a, q_b and correlation c
    take numbers or arrays and are exact to about 1e-13 (docs/wide.md, eq. 1):

        square V(q) = E phi^2,  slope_square D(q) = E phi'^2,  response dV/dq,
        product F = E phi(u_a) phi(u_b),  slope_product F' = E phi'(u_a) phi'(u_b).

    The built-in ones have a name for `replicadnn.wide.propagation` and its like; one of your own is
    made here and given in place of the name.  Its averages are integrated by panels that are split
    at the kinks and doubled until they agree.

    Parameters
    ----------
    name : str
        How results, files and figures call it; not the name of a built-in one.
    function, derivative : callable
        Elementwise, of arrays to arrays of the same shape.
    kinks : sequence of float
        Where function or derivative jump.

    Raises
    ------
    InputError
        No derivative, one that is not that of the function, or values that are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> import replicadnn as rd
    >>> swish = rd.wide.Activation(
    ...     "swish",
    ...     lambda x: x / (1 + np.exp(-x)),
    ...     lambda x: (1 + np.exp(-x) * (1 + x)) / (1 + np.exp(-x)) ** 2,
    ... )
    >>> round(float(swish.square(1.0)), 6)
    0.35577
    """

    name: str
    function: Function
    derivative: Function
    kinks: tuple[float, ...] = ()
    averages: Averages | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.averages is not None:
            return
        if not isinstance(self.name, str) or not self.name or _known(self.name) in BUILT_IN:
            raise InputError("name", self.name, "a text, other than " + ", ".join(BUILT_IN))
        for argument in ("function", "derivative"):
            if not callable(getattr(self, argument)):
                raise InputError(argument, getattr(self, argument), "a function of an array")
        kinks = tuple(sorted(float(kink) for kink in self.kinks))
        if not all(math.isfinite(kink) for kink in kinks):
            raise InputError("kinks", self.kinks, "finite numbers")
        object.__setattr__(self, "kinks", kinks)
        _check_derivative(self)
        object.__setattr__(self, "averages", Panels(self.function, self.derivative, kinks))

    def square(self, q: ArrayLike) -> FloatArray:
        """V(q) = E phi(u)^2."""
        return self._forms.square(_variance(q))

    def slope_square(self, q: ArrayLike) -> FloatArray:
        """D(q) = E phi'(u)^2; inf for sign."""
        return self._forms.slope_square(_variance(q))

    def response(self, q: ArrayLike) -> FloatArray:
        """dV/dq = E[phi'^2 + phi phi'']."""
        return self._forms.response(_variance(q))

    def product(self, qa: ArrayLike, qb: ArrayLike, c: ArrayLike) -> FloatArray:
        """F(q_a, q_b, c) = E phi(u_a) phi(u_b)."""
        return self._forms.product(_variance(qa), _variance(qb), _correlation(c))

    def slope_product(self, qa: ArrayLike, qb: ArrayLike, c: ArrayLike) -> FloatArray:
        """F'(q_a, q_b, c) = E phi'(u_a) phi'(u_b) = dF/dK, K = c sqrt(q_a q_b)."""
        return self._forms.slope_product(_variance(qa), _variance(qb), _correlation(c))

    def deficit(self, q: ArrayLike, gap: ArrayLike) -> FloatArray:
        """V(q) - F(q, q, 1 - gap), accurate where both agree nearly."""
        return self._forms.deficit(_variance(q), np.asarray(gap, float))

    @property
    def _forms(self) -> Averages:
        assert self.averages is not None  # __post_init__ gives one
        return self.averages

    @property
    def differentiable(self) -> bool:
        """Has it gradients?  Not sign: its derivative is 0 almost everywhere."""
        return not isinstance(self.averages, Sign)

    @property
    def pieces(self) -> bool:
        """Does its slope take the values 0 and 1 alone (linear, relu, hard tanh)?"""
        return isinstance(self.averages, Linear | Relu | HardTanh)


def _variance(q: ArrayLike) -> FloatArray:
    values = np.asarray(q, float)
    if not np.all((values >= 0.0) & np.isfinite(values)):
        raise InputError("q", q, "a variance: finite, not negative")
    return values


def _correlation(c: ArrayLike) -> FloatArray:
    values = np.asarray(c, float)
    if not np.all(np.abs(values) <= 1.0 + 1e-12):
        raise InputError("c", c, "a correlation from -1 to 1")
    return np.asarray(np.clip(values, -1.0, 1.0))


def _check_derivative(one: Activation) -> None:
    """Refuse a derivative that differences of the function contradict."""
    x = np.linspace(-2.97, 3.03, 61)
    for kink in one.kinks:
        x = x[np.abs(x - kink) > 1e-3]
    h = 1e-5
    try:
        value, slope = np.asarray(one.function(x)), np.asarray(one.derivative(x))
        steps = (np.asarray(one.function(x + h)) - np.asarray(one.function(x - h))) / (2.0 * h)
    except Exception as error:
        raise InputError(
            "function", one.name, f"an elementwise function of an array ({one_line(error)})"
        ) from error
    for argument, got in (("function", value), ("derivative", slope)):
        if got.shape != x.shape or not np.all(np.isfinite(got)):
            raise InputError(argument, one.name, "finite values, of the shape of the argument")
    wrong = np.abs(slope - steps) > _DIFFERS * (1.0 + np.abs(steps))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise InputError(
            "derivative", one.name,
            f"that of the function (at x = {x[at]:.3g} it is {slope[at]:.6g}, differences give "
            f"{steps[at]:.6g}; name all kinks)",
        )  # fmt: skip


def _erf(name: str, gain: float) -> Activation:
    def function(x: FloatArray) -> FloatArray:
        return np.asarray(erf(gain * x))

    def derivative(x: FloatArray) -> FloatArray:
        return np.asarray(2.0 * gain / math.sqrt(math.pi) * np.exp(-((gain * x) ** 2)))

    return Activation(name, function, derivative, (), Erf(gain))


def _between(x: FloatArray) -> FloatArray:
    return (np.abs(x) < 1.0).astype(float)


#: The built-in activations: erf is erf(x), erf1 is erf(sqrt(pi) x/2), of slope 1.
BUILT_IN: dict[str, Activation] = {}
BUILT_IN |= {
    one.name: one
    for one in (
        Activation("tanh", np.tanh, sech2, (), Tanh()),
        _erf("erf", 1.0),
        _erf("erf1", 0.5 * math.sqrt(math.pi)),
        Activation(
            "relu", lambda x: np.maximum(x, 0.0), lambda x: (x > 0.0).astype(float), (0.0,), Relu()
        ),
        Activation("hard-tanh", lambda x: np.clip(x, -1.0, 1.0), _between, (-1.0, 1.0), HardTanh()),
        Activation("linear", lambda x: np.array(x, float), np.ones_like, (), Linear()),
        Activation("sign", np.sign, np.zeros_like, (0.0,), Sign()),
    )
}


def _known(name: str) -> str:
    """The name of a built-in activation in its usual spelling."""
    return "hard-tanh" if name in ("hardtanh", "hard_tanh") else name


def activation(value: Any) -> Activation:
    """A built-in activation by its name, or the `Activation` that was given.

    Raises
    ------
    InputError
        Neither.
    """
    if isinstance(value, Activation):
        return value
    if isinstance(value, str) and _known(value) in BUILT_IN:
        return BUILT_IN[_known(value)]
    names = ", ".join(BUILT_IN)
    raise InputError("activation", value, f"one of {names}, or an Activation of your own")


__all__ = ["BUILT_IN", "Activation", "Averages", "activation"]
