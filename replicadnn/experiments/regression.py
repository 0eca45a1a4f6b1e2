"""Regression with the tangent kernel of an infinitely wide network, beside trained ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from replicadnn import interrupt
from replicadnn.types import FloatArray
from replicadnn.wide.activations import Activation

#: Pairs of inputs that are followed through the layers at once.
_BLOCK = 1_000_000
#: Correlations this near to 1 are those of an input with itself.
_SAME = 1e-13
#: Ridge over the mean of the diagonal: what rounding needs.
RIDGE = 1e-6


def tangent(phi: Activation, gain: float, L: int, x: FloatArray, z: FloatArray) -> FloatArray:
    """Tangent kernel (len(x), len(z)) of L layers of weights of variance gain/width, no biases.

    `replicadnn.wide.kernels` gives the same for the pairs of one list of inputs.
    """
    size = x.shape[1]
    qx, qz = (gain * np.mean(one**2, axis=1) for one in (x, z))
    kernel = np.empty((len(x), len(z)))
    rows = max(1, _BLOCK // len(z))
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        kernel[part] = _block(phi, gain, L, gain * (x[part] @ z.T) / size, (qx[part], qz))
    return kernel


def _block(
    phi: Activation, gain: float, L: int, k: FloatArray, q: tuple[FloatArray, FloatArray]
) -> FloatArray:
    """Theta^L of pairs with K^1 = ``k`` and variances ``q`` of rows and columns."""
    theta, (qa, qb) = k.copy(), q
    for _ in range(1, L):
        interrupt.check()
        c = np.clip(k / np.sqrt(np.outer(qa, qb)), -1.0, 1.0)
        c[c > 1.0 - _SAME] = 1.0
        theta *= gain * phi.slope_product(qa[:, None], qb, c)
        k = gain * phi.product(qa[:, None], qb, c)
        theta += k
        qa, qb = gain * phi.square(qa), gain * phi.square(qb)
    return theta


def kernel_outputs(
    phi: Activation, gain: float, L: int, data: tuple[FloatArray, FloatArray], z: FloatArray
) -> FloatArray:
    """f(z) = Theta(z, X) (Theta(X, X) + ridge)^{-1} y: training of all layers to the end, f_0 = 0.

    Jacot et al., arXiv:1806.07572; the ridge is 1e-6 of the mean of the diagonal.
    """
    x, y = data
    theta = tangent(phi, gain, L, x, x)
    theta[np.diag_indices(len(x))] += RIDGE * float(np.mean(np.diag(theta)))
    weights: Any = cho_solve(cho_factor(theta, overwrite_a=True), y)
    return np.asarray(tangent(phi, gain, L, z, x) @ weights)


__all__ = ["RIDGE", "kernel_outputs", "tangent"]
