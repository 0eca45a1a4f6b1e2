"""Input patterns with a latent dimension (hidden manifold): signs of a random linear map.

    x = sgn(F c / sqrt D),   c ~ N(0, I_D),   F (N, D) Gaussian with rows of |F_i|^2 = D.

F is drawn once a data set; training patterns and fresh inputs share it.  Two components of a
pattern have the covariance (2/pi) asin(F_i.F_k/D), which for large N and D has the eigenvalues of
`replicadnn.inputs.HiddenManifold` at delta = D/N.  D -> infinity: independent fair +-1.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Projection: TypeAlias = NDArray[np.float64]


def draw_projection(N: int, D: int, rng: np.random.Generator) -> Projection:
    """F (N, D), rows uniform on the sphere of square norm D."""
    F = rng.standard_normal((N, D))
    F *= math.sqrt(D) / np.linalg.norm(F, axis=1)[:, None]
    return F


def latent_signs(F: Projection, M: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """M patterns of +-1, (N, M)."""
    return np.where(F @ rng.standard_normal((F.shape[1], M)) >= 0.0, 1, -1).astype(np.int8)
