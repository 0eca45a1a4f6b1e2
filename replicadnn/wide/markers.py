"""chi_1 and chi_c measured on drawn networks, for the phase diagram.

Networks start at the fixed point, so that all layers are alike, and gradients on their way back
give both slopes (docs/wide.md, eqs. 8 to 10): with d the gradients of v.f at the two inputs,

    E |d^1|^2 = chi_1^{L-1},    E d_a^1 d_b^1 = chi_c^{L-1}    at the correlation c*.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from replicadnn.questions.schema import Item, Schema
from replicadnn.storage.tables import plain
from replicadnn.types import FloatArray
from replicadnn.wide.activations import Activation
from replicadnn.wide.maps import depth_scale
from replicadnn.wide.networks import wide_networks

#: Fractions of both axes at which networks are drawn, and inputs that can be made.
_WEIGHTS, _BIASES, _NORMS = (0.125, 0.375, 0.625, 0.875), (1 / 6, 0.5, 5 / 6), (1e-9, 10.0)


@dataclass(frozen=True, slots=True)
class Drawn:
    """How many networks are drawn at each point, of which width and depth."""

    networks: int
    M: int
    L: int
    seed: int


@dataclass(frozen=True, slots=True)
class Marker:
    """One point of the plane: chi_1 and chi_c of drawn networks with standard errors."""

    sigma_w2: float
    sigma_b2: float
    chi_1: float
    chi_1_error: float
    chi_c: float
    chi_c_error: float
    networks: int
    M: int
    L: int
    seed: int

    @property
    def key(self) -> tuple[float, float, Drawn]:
        """What it was asked for."""
        return self.sigma_w2, self.sigma_b2, Drawn(self.networks, self.M, self.L, self.seed)

    def document(self) -> dict[str, Any]:
        """The row as JSON values, with xi_grad, xi_c = -1/ln chi and their standard errors.

        xi_c is null where chi_c is 1 or more: deeper than these networks can tell.
        """
        found = MARKERS.document(self)
        for name, chi, error in (
            ("xi_grad", self.chi_1, self.chi_1_error),
            ("xi_c", self.chi_c, self.chi_c_error),
        ):
            xi = float(depth_scale(np.array(chi)))
            xi = math.nan if name == "xi_c" and xi < 0.0 else xi
            found |= {name: plain(xi), f"{name}_error": plain(xi * xi * error / chi)}
        return found


MARKERS = Schema("networks", Marker, (
    Item("sigma_w2", "variance of the weights"), Item("sigma_b2", "variance of the biases"),
    Item("chi_1", "growth of |df/dh|^2 by layer, of drawn networks"),
    Item("chi_1_error", "standard error of it"),
    Item("chi_c", "slope of the map of c at c_star, of drawn networks"),
    Item("chi_c_error", "standard error of it"), Item("networks", "how many were drawn"),
    Item("M", "their width"), Item("L", "their depth"), Item("seed", "of them"),
), counter="point")  # fmt: skip


def points(sigma_w2: FloatArray, sigma_b2: FloatArray, q: FloatArray) -> Iterator[tuple[int, int]]:
    """Places on the axes, at most 4 x 3, that have a fixed point with q* > 0."""
    places = [
        dict.fromkeys(int(one) for one in np.rint(np.array(share) * (axis.size - 1)))
        for share, axis in ((_WEIGHTS, sigma_w2), (_BIASES, sigma_b2))
    ]
    for i in places[0]:
        for j in places[1]:
            norm = (q[i, j] - sigma_b2[j]) / sigma_w2[i]
            if _NORMS[0] <= norm <= _NORMS[1]:
                yield i, j


def marker(
    phi: Activation, variances: tuple[float, float], fixed: tuple[float, float], drawn: Drawn
) -> Marker:
    """Networks at these variances; ``fixed``: q* and c*."""
    (w, b), (q, c) = variances, fixed
    own = np.random.SeedSequence(
        drawn.seed, spawn_key=tuple(int(one) for one in np.array([w, b]).view(np.uint32))
    ).generate_state(1, np.uint64)[0]
    found = wide_networks(
        phi, sigma_w2=w, sigma_b2=b, L=drawn.L, M=drawn.M, networks=drawn.networks,
        q0=(q - b) / w, c0=min((c * q - b) / (q - b), 1.0), seed=int(own) >> 1,
    )  # fmt: skip
    norm = np.exp(found.log_gradient[:, 0])
    chi_1, chi_c = (slope_of(one, drawn.L - 1) for one in (norm, norm * found.gradient_c[:, 0]))
    return Marker(w, b, *chi_1, *chi_c, drawn.networks, drawn.M, drawn.L, drawn.seed)


def slope_of(values: FloatArray, steps: int) -> tuple[float, float]:
    """(mean)^(1/steps) and its standard error; nan for a mean that is not positive."""
    mean = float(np.mean(values))
    if mean <= 0.0:
        return math.nan, math.nan
    slope = mean ** (1.0 / steps)
    if len(values) < 2:
        return slope, math.nan
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return slope, slope * error / (mean * steps)
