"""Critical sample ratio: how many inputs lie close to the boundary of a classifier."""

from __future__ import annotations

import numpy as np

from replicadnn.experiments.network import Network
from replicadnn.types import BoolArray, FloatArray

#: Steps of the search, their length over the radius, and the number of its starts.
_STEPS, _LENGTH, _STARTS = 10, 0.25, 2


def critical_samples(
    net: Network, theta: FloatArray, x: FloatArray, radius: float, rng: np.random.Generator
) -> BoolArray:
    """Which inputs have another class within ``radius`` in every component?

        max_i |z_i - x_i| <= radius  with  sign f(z) != sign f(x)

    (Arpit et al., arXiv:1706.05394).  Searched by steps of radius/4 along the sign of the gradient,
    10 from each of 2 random starts: what is not found may be there, so that their share is a lower
    bound of the critical sample ratio.
    """
    side = np.sign(net.output(theta, x))
    found = np.zeros(len(x), bool)
    for _ in range(_STARTS):
        z = x + radius * rng.uniform(-1.0, 1.0, x.shape).astype(x.dtype)
        for _ in range(_STEPS):
            z -= _LENGTH * radius * side * np.sign(net.input_gradient(theta, z))
            np.clip(z, x - radius, x + radius, out=z)
            found |= (np.sign(net.output(theta, z)) != side)[:, 0]
    return found


__all__ = ["critical_samples"]
