"""Densities between two edges: nodes by angle, doubled until the mass settles."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from replicadnn import interrupt
from replicadnn.types import FloatArray
from replicadnn.wide.spectrum import Spectrum, by_angle

ComplexArray = NDArray[np.complex128]

#: Nodes at first, and how often they are doubled.
_NODES, _DOUBLINGS = 128, 4
#: The mass may move by this when nodes are doubled.
_SETTLED = 1e-11

#: x (n,) -> density and the largest residual of its equation.
Density = Callable[[FloatArray], tuple[FloatArray, float]]


def between(
    low: float, high: float, density: Density, atoms: tuple[tuple[float, float], ...] = ()
) -> Spectrum:
    """The law of this density between its edges, at the angles (i - 1/2) pi/n of `by_angle`."""
    before = math.nan
    for doubling in range(_DOUBLINGS + 1):
        n = _NODES * 2**doubling
        t = (np.arange(float(n)) + 0.5) * math.pi / n
        x, stretch = by_angle(t, (low, high))
        rho, residual = density(x)
        weights = rho * stretch * math.pi / n
        mass = float(np.sum(weights))
        if abs(mass - before) < _SETTLED:
            break
        before = mass
    total = mass + sum(weight for _, weight in atoms)
    return Spectrum(
        np.log(x), x * rho, weights, (low, high), atoms, total - 1.0, residual, angular=True
    )


def descend(
    x: FloatArray,
    height: float,
    solve: Callable[[ComplexArray, ComplexArray | None], ComplexArray],
) -> ComplexArray:
    """Solutions at x + i0, followed down from x + i height: ``solve(z, start)`` at each height."""
    start = None
    for part in (*np.geomspace(1.0, 1e-7, 29), 0.0):
        interrupt.check()
        start = solve(x + 1j * height * part, start)
    assert start is not None
    return start
