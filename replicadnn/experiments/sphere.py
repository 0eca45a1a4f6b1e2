"""The sampler's networks with steep neurons instead of signs, so that they have gradients.

    u_l = J_l h_{l-1}/sqrt(N),   h_l = tanh(g u_l),   |J_{l,i}|^2 = N,   l = 1..L,
    E = (1/M) sum_{i,mu} ln(1 + exp(-g y_i^mu u_{L,i}^mu)),

the networks of docs/sampler.md for g -> infinity.  Several of one size are kept side by side:
couplings J (samples, L, N, N), patterns (samples, M, N).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from replicadnn.types import FloatArray


def onto_sphere(J: FloatArray) -> FloatArray:
    """Every perceptron with |J_{l,i}|^2 = N."""
    norm = np.sqrt(np.einsum("...k,...k->...", J, J))[..., None]
    return np.asarray(J * (math.sqrt(J.shape[-1]) / norm))


@dataclass(frozen=True, slots=True)
class Steep:
    """Gain g of the neurons."""

    gain: float

    def layers(self, J: FloatArray, x: FloatArray) -> list[FloatArray]:
        """x, h_1, ..., h_{L-1} and g u_L, each (samples, patterns, N)."""
        out, scale = [x], self.gain / math.sqrt(J.shape[-1])
        for place in range(J.shape[1]):
            field = out[-1] @ J[:, place].transpose(0, 2, 1)
            field *= scale
            out.append(field if place == J.shape[1] - 1 else np.tanh(field, out=field))
        return out

    def loss(self, J: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
        """E (samples,)."""
        out = self.layers(J, x)[-1]
        return np.asarray(np.logaddexp(0.0, -y * out).sum(axis=(1, 2)) / x.shape[1])

    def gradient(self, J: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
        """dE/dJ, of the shape of J."""
        h, out, scale = self.layers(J, x), np.empty_like(J), self.gain / math.sqrt(J.shape[-1])
        delta = (-0.5 * scale / x.shape[1]) * y * (1.0 - np.tanh(0.5 * y * h[-1]))
        for place in range(J.shape[1] - 1, -1, -1):
            np.matmul(delta.transpose(0, 2, 1), h[place], out=out[:, place])
            if place:
                delta = delta @ J[:, place]
                delta *= scale * (1.0 - h[place] ** 2)
        return out

    def step(self, J: FloatArray, x: FloatArray, y: FloatArray, eta: float) -> FloatArray:
        """One step of SGD on this batch, and back onto the sphere."""
        return onto_sphere(J - eta * self.gradient(J, x, y))
