"""Which neurons of the layer below a perceptron reads: dense, all N of them.

Everything that depends on the fan-in c = N is said here and nowhere else: the sphere
sum_k (J_{l,i}^k)^2 = c, the fields sum_k J_{l,i}^k S_{l-1,k} / sqrt(c), the number of patterns
M = alpha c, and one rotation a coupling in every sweep.  Couplings are arrays J (L, N, c).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Signs = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Connectivity:
    """Every perceptron reads all ``width`` neurons of the layer below; width >= 2."""

    width: int

    @property
    def fan_in(self) -> int:
        """Couplings of a perceptron, c."""
        return self.width

    def shape(self, L: int) -> tuple[int, int, int]:
        """Shape (L, N, c) of the couplings of L layers."""
        return L, self.width, self.fan_in

    def patterns(self, alpha: float) -> int:
        """M = alpha c, rounded."""
        return round(alpha * self.fan_in)

    def alpha(self, M: int) -> float:
        """M / c."""
        return M / self.fan_in


def moves_per_layer(J: Floats) -> int:
    """Rotations that a sweep attempts in a layer: one a coupling, N c."""
    return int(J[0].size)


def random_couplings(L: int, N: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """J (L, N, c), every row uniform on the sphere of square norm c."""
    return normalised(rng.standard_normal(Connectivity(N).shape(L)))


def normalised(J: Floats) -> NDArray[np.float32]:
    """J (..., N, c) with every row rescaled to square norm c."""
    J64 = J.astype(np.float64)
    J64 *= np.sqrt(J.shape[-1] / np.square(J64).sum(axis=-1, keepdims=True))
    return J64.astype(np.float32)


def weighted_sums(J: Floats, S: Signs) -> NDArray[np.float64]:
    """sum_k J_{i,k} S_k^mu, without 1/sqrt(c); J (..., N, c), S (..., N, M) the layer below."""
    sums: NDArray[np.float64] = np.matmul(J.astype(np.float64), S.astype(np.float64))
    return sums


def fields(J: Floats, S: Signs) -> NDArray[np.float64]:
    """h (L, N, M), h[l-1] = J_l S_{l-1} / sqrt(c); J (L, N, c), S (L+1, N, M)."""
    return weighted_sums(J, S[:-1]) / math.sqrt(J.shape[-1])
