"""Two layers of weights with one output: gradients of every pattern, and the exact Hessian."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from replicadnn.types import FloatArray
from replicadnn.wide.activations import BUILT_IN, Activation

#: phi'' where there is one; of relu it is 0 but at the kink.
CURVATURES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "tanh": lambda u: -2.0 * np.tanh(u) * (1.0 - np.tanh(u) ** 2),
    "relu": np.zeros_like,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Committee:
    """f(x) = sum_k a_k phi(sum_i x_i W_ik), squared loss E = mean (f - y)^2/2.

    Parameters are one vector w (p,): W (inputs, hidden) row by row, then a (hidden,).
    activation : "tanh" or "relu".
    """

    inputs: int
    hidden: int
    activation: str

    @property
    def phi(self) -> Activation:
        """The activation with its derivative."""
        return BUILT_IN[self.activation]

    @property
    def size(self) -> int:
        """p, the number of parameters."""
        return (self.inputs + 1) * self.hidden

    def join(self, first: FloatArray, second: FloatArray) -> FloatArray:
        """The vector of W and a."""
        return np.concatenate([np.ravel(first), second])

    def split(self, w: FloatArray) -> tuple[FloatArray, FloatArray]:
        """W (..., inputs, hidden) and a (..., hidden) of vectors (..., p)."""
        cut = self.inputs * self.hidden
        return w[..., :cut].reshape(*w.shape[:-1], self.inputs, self.hidden), w[..., cut:]

    def output(self, w: FloatArray, x: FloatArray) -> FloatArray:
        """f (patterns,) of inputs (patterns, inputs)."""
        first, second = self.split(w)
        return np.asarray(self.phi.function(x @ first) @ second)

    def loss(self, w: FloatArray, x: FloatArray, y: FloatArray) -> float:
        """E."""
        return float(0.5 * np.mean((self.output(w, x) - y) ** 2))

    def gradients(self, w: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
        """grad E_mu of every pattern, (patterns, p)."""
        return (self.output(w, x) - y)[:, None] * self.output_gradients(w, x)

    def output_gradients(self, w: FloatArray, x: FloatArray) -> FloatArray:
        """df/dw of every pattern, (patterns, p)."""
        first, second = self.split(w)
        u = x @ first
        inner = second * self.phi.derivative(u)
        weights = (x[:, :, None] * inner[:, None, :]).reshape(len(x), -1)
        return np.concatenate([weights, self.phi.function(u)], axis=1)

    def batch_gradients(self, w: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
        """Gradients (runs, p) of several networks, each on its batch x (runs, B, inputs)."""
        first, second = self.split(w)
        u = x @ first
        value = self.phi.function(u)
        wrong = ((value @ second[:, :, None])[:, :, 0] - y) / y.shape[1]
        inner = wrong[:, :, None] * self.phi.derivative(u) * second[:, None, :]
        weights = (x.transpose(0, 2, 1) @ inner).reshape(len(w), -1)
        return np.concatenate([weights, (wrong[:, None, :] @ value)[:, 0, :]], axis=1)

    def hessian(self, w: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
        """d^2E/dw^2 (p, p) = mean of (df df^T + (f - y) d^2f)."""
        first, second = self.split(w)
        u, slopes = x @ first, self.output_gradients(w, x)
        wrong, cut = (self.output(w, x) - y) / len(x), self.inputs * self.hidden
        out = slopes.T @ slopes / len(x)
        bend = second * CURVATURES[self.activation](u)
        for k in range(self.hidden):
            mine = np.arange(k, cut, self.hidden)
            out[np.ix_(mine, mine)] += (x * (wrong * bend[:, k])[:, None]).T @ x
            mixed = x.T @ (wrong * self.phi.derivative(u[:, k]))
            out[mine, cut + k] += mixed
            out[cut + k, mine] += mixed
        return np.asarray(0.5 * (out + out.T))

    def rescaled(self, w: FloatArray, factor: float) -> FloatArray:
        """W -> factor W, a -> a/factor: of relu the same function."""
        first, second = self.split(w)
        return self.join(factor * first, second / factor)


__all__ = ["Committee"]
