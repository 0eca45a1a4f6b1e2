"""Densities between edges, in one band or several: nodes by angle, doubled until mass settles."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from replicadnn import interrupt
from replicadnn.types import FloatArray
from replicadnn.wide.spectrum import Spectrum, by_angle

ComplexArray = NDArray[np.complex128]

#: Nodes at first, and how often they are doubled.
_NODES, _DOUBLINGS = 128, 4
#: Nodes of all bands together.
_MOST = 6000
#: The mass may move by this when nodes are doubled.
_SETTLED = 1e-11

#: x (n,) -> density and the largest residual of its equation.
Density = Callable[[FloatArray], tuple[FloatArray, float]]


def between(
    bands: Sequence[tuple[float, float]],
    density: Density,
    atoms: tuple[tuple[float, float], ...] = (),
) -> Spectrum:
    """The law of this density in rising bands, at the angles (i - 1/2) pi/n of `by_angle`."""
    before = math.nan
    for doubling in range(_DOUBLINGS + 1):
        n = _NODES * 2**doubling
        t = (np.arange(float(n)) + 0.5) * math.pi / n
        pieces = [by_angle(t, band) for band in reversed(bands)]
        x, stretch = (np.concatenate([piece[i] for piece in pieces]) for i in (0, 1))
        rho, residual = density(x)
        weights = rho * stretch * math.pi / n
        mass = float(np.sum(weights))
        if abs(mass - before) < _SETTLED:
            break
        if 2 * n * len(bands) > _MOST:
            break
        before = mass
    total = mass + sum(weight for _, weight in atoms)
    gaps = tuple((one[1], two[0]) for one, two in pairwise(bands))
    return Spectrum(
        np.log(x), x * rho, weights, (bands[0][0], bands[-1][1]), atoms, total - 1.0, residual,
        angular=True, gaps=gaps,
    )  # fmt: skip


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
