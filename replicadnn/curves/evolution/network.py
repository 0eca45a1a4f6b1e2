"""A network of L layers as a function of the fields of its first layer, with two derivatives.

    a^1 = phi(z),  h^l = W^l a^{l-1},  a^l = phi(h^l) (l = 2..L-1),  f = w.a^{L-1}

for L >= 2, and f = z for L = 1.  z has M components, all hidden layers have M neurons; arrays have
the patterns as their last axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from replicadnn.errors import InputError
from replicadnn.types import FloatArray
from replicadnn.wide.activations import Activation
from replicadnn.wide.averages import sech2

Function: TypeAlias = Callable[[FloatArray], FloatArray]

#: Distance of the arguments of the differences that give a second derivative.
_APART = 1e-3


def _gaussian_slope(gain: float) -> Function:
    """Second derivative of erf(gain x)."""
    factor = -4.0 * gain**3 / np.sqrt(np.pi)
    return lambda x: np.asarray(factor * x * np.exp(-((gain * x) ** 2)))


#: Second derivatives of the built-in activations that have one everywhere.
_SECOND: Mapping[str, Function] = {
    "tanh": lambda x: np.asarray(-2.0 * np.tanh(x) * sech2(x)),
    "erf": _gaussian_slope(1.0),
    "erf1": _gaussian_slope(0.5 * float(np.sqrt(np.pi))),
    "linear": lambda x: np.zeros_like(x),
}


def second_derivative(phi: Activation) -> Function:
    """phi'': of a built-in activation, or by differences of fourth order of phi'.

    Raises
    ------
    InputError
        The activation has kinks: gradient descent then responds to where the patterns lie.
    """
    if phi.name in _SECOND and phi.averages is not None and not phi.kinks:
        return _SECOND[phi.name]
    if phi.kinks or not phi.differentiable:
        raise InputError("activation", phi.name, "a smooth one, as tanh, erf, or one of your own")

    def differences(x: FloatArray) -> FloatArray:
        near = phi.derivative(x + _APART) - phi.derivative(x - _APART)
        far = phi.derivative(x + 2.0 * _APART) - phi.derivative(x - 2.0 * _APART)
        return np.asarray((8.0 * near - far) / (12.0 * _APART))

    return differences


@dataclass(frozen=True, slots=True)
class Derivatives:
    """At fields z (M, N) of N patterns with outputs y, loss (f - y)^2/2 of each."""

    #: f (N,) and df/dz (M, N).
    output: FloatArray
    slope: FloatArray
    #: G (M, N) and H (M, M, N): first and second derivative of the loss by z.
    gradient: FloatArray
    hessian: FloatArray
    #: Gradient of the mean loss by W^2..W^{L-1} and w.
    weights: tuple[FloatArray, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """L layers of one activation; the weights W^2..W^{L-1}, w are arguments."""

    L: int
    phi: Function
    slope: Function
    second: Function

    @classmethod
    def of(cls, L: int, activation: Activation) -> Network:
        """Of an activation that has two derivatives."""
        return cls(L, activation.function, activation.derivative, second_derivative(activation))

    def output(self, z: FloatArray, weights: tuple[FloatArray, ...]) -> FloatArray:
        """f (N,)."""
        if self.L == 1:
            return np.asarray(z[0])
        state = self.phi(z)
        for W in weights[:-1]:
            state = self.phi(W @ state)
        return np.asarray(weights[-1] @ state)

    def derivatives(
        self, z: FloatArray, weights: tuple[FloatArray, ...], y: FloatArray
    ) -> Derivatives:
        """Everything that gradient descent and its responses need.

        Forwards dh^l/dz, backwards df/da^l; then

            d^2 f/dz_i dz_j = sum_l sum_k (df/da^l_k) phi''(h^l_k) (dh^l_k/dz_i) (dh^l_k/dz_j).
        """
        size = z.shape[0]
        eye = np.eye(size)[:, :, None]
        if self.L == 1:
            one, curved = np.ones_like(z), np.zeros((size, size, z.shape[1]))
            return _of_loss(z[0], one, curved, y, ())
        fields, states, moves = [z], [self.phi(z)], [np.broadcast_to(eye, (size, *z.shape))]
        for W in weights[:-1]:
            passed = self.slope(fields[-1])[:, None] * moves[-1]
            moves.append(np.tensordot(W, passed, 1))
            fields.append(W @ states[-1])
            states.append(self.phi(fields[-1]))
        f = weights[-1] @ states[-1]
        residual = (f - y) / z.shape[1]
        grads = [states[-1] @ residual]
        back = np.broadcast_to(weights[-1][:, None], z.shape)
        curved = np.zeros((size, size, z.shape[1]))
        for l in range(len(fields) - 1, -1, -1):
            bent = back * self.second(fields[l])
            curved += np.einsum("kn,kin,kjn->ijn", bent, moves[l], moves[l])
            back = back * self.slope(fields[l])
            if l > 0:
                grads.insert(0, (back * residual) @ states[l - 1].T)
                back = weights[l - 1].T @ back
        return _of_loss(f, back, curved, y, tuple(grads))


def _of_loss(
    f: FloatArray, slope: FloatArray, curved: FloatArray, y: FloatArray,
    weights: tuple[FloatArray, ...],
) -> Derivatives:  # fmt: skip
    """From the derivatives of f to those of (f - y)^2/2."""
    residual = f - y
    hessian = slope[:, None] * slope[None, :] + residual * curved
    return Derivatives(f, slope, residual * slope, hessian, weights)
