"""Stochastic gradient descent: one loop, whatever is descended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from replicadnn import interrupt
from replicadnn.errors import InputError
from replicadnn.types import FloatArray, IntArray

#: dE/dtheta of parameters on the patterns of one batch: inputs and labels.
Gradient = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
#: Called with what is counted and the parameters; true: enough.
Hook = Callable[[int, FloatArray], bool | None]


@dataclass(frozen=True, slots=True)
class Descended:
    """Where a descent came to.

    Attributes
    ----------
    parameters : array (size,)
    epochs, steps : int
        That were made; a last epoch that was stopped in the middle counts.
    finite : bool
        False: the parameters grew beyond all bounds, the rate is too large.
    """

    parameters: FloatArray
    epochs: int
    steps: int
    finite: bool


def batches(rng: np.random.Generator, n: int, size: int, replacement: bool) -> Iterator[IntArray]:
    """Patterns of the batches of one epoch: n/size, rounded up; the last may be smaller.

    Without replacement every pattern occurs once; with it, every batch has ``size`` independent
    draws.
    """
    if replacement:
        for _ in range(-(-n // size)):
            yield rng.integers(n, size=size)
        return
    order = rng.permutation(n)
    for start in range(0, n, size):
        yield order[start : start + size]


def descend(
    gradient: Gradient,
    theta: FloatArray,
    data: tuple[FloatArray, FloatArray],
    rng: np.random.Generator,
    *,
    rate: float,
    batch: int,
    epochs: int,
    replacement: bool = False,
    each_step: Hook | None = None,
    each_epoch: Hook | None = None,
) -> Descended:
    """theta <- theta - rate gradient(theta, batch), for whole epochs or until a hook says enough.

    Parameters
    ----------
    gradient : callable (theta, x, y) -> array (size,)
        Of the mean over a batch.
    theta : array (size,)
        Where to start; not changed.
    data : inputs (n, ...) and labels (n, ...)
    rng : Generator
        For the order of the patterns alone.
    rate, batch, epochs : learning rate, patterns a step (at most n), most epochs
    replacement : bool
        Independent batches; else a new order of all patterns every epoch.
    each_step, each_epoch : callable (count from 1, theta) -> bool
        After every one.  They must not change theta, and copy what they keep.

    Raises
    ------
    InputError
        A batch larger than n.
    KeyboardInterrupt
        Ctrl-C, between epochs.
    """
    x, y = data
    n, theta, step = len(x), theta.copy(), 0
    if not 1 <= batch <= n:
        raise InputError("batch", batch, f"from 1 to the {n} patterns")
    with np.errstate(over="ignore", invalid="ignore"):
        for epoch in range(1, epochs + 1):
            interrupt.check()
            for chosen in batches(rng, n, batch, replacement):
                change = gradient(theta, x[chosen], y[chosen])
                change *= rate
                theta -= change
                step += 1
                if each_step is not None and each_step(step, theta):
                    return Descended(theta, epoch, step, bool(np.isfinite(theta).all()))
            if not np.isfinite(theta).all():
                return Descended(theta, epoch, step, False)
            if each_epoch is not None and each_epoch(epoch, theta):
                return Descended(theta, epoch, step, True)
        return Descended(theta, epochs, step, True)


__all__ = ["Descended", "Gradient", "Hook", "batches", "descend"]
