"""A multilayer perceptron: its outputs, losses and their gradient by backpropagation."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from replicadnn.errors import InputError
from replicadnn.types import FloatArray
from replicadnn.validate import choice, real, whole
from replicadnn.wide.activations import Activation, activation

#: Largest width and number of hidden layers of a network that is trained.
MAX_WIDTH, MAX_LAYERS = 100_000, 1000


class Loss(enum.StrEnum):
    """What is minimised, a sum over outputs f_k with labels y_k and a mean over patterns."""

    #: ln(1 + exp(-y f)), y = +-1: for one output the softmax of two classes.
    CROSS_ENTROPY = "cross-entropy"
    #: (f - y)^2/2.
    SQUARED = "squared"

    def mean(self, output: FloatArray, label: FloatArray) -> float:
        """Of outputs and labels (patterns, outputs)."""
        if self is Loss.SQUARED:
            each = 0.5 * (output - label) ** 2
        else:
            each = np.logaddexp(0.0, -label * output)
        return float(each.sum() / len(output))

    def slope(self, output: FloatArray, label: FloatArray) -> FloatArray:
        """dE/df of every output, for the mean over patterns."""
        if self is Loss.SQUARED:
            each = output - label
        else:
            each = -0.5 * label * (1.0 - np.tanh(0.5 * label * output))
        return np.asarray(each / len(output))


class Forward(NamedTuple):
    """What the layers l = 1..L of a network are given and make of it."""

    #: h_{l-1}, each (patterns, width of layer l - 1).
    inputs: list[FloatArray]
    #: u_l = h_{l-1} W_l + b_l, each (patterns, width of layer l); the last are the outputs.
    fields: list[FloatArray]


@dataclass(frozen=True)
class Network:
    """A multilayer perceptron; its parameters are one flat vector, so that a step is one line.

        h_0 = x,   h_l = phi(h_{l-1} W_l + b_l),  l = 1..L-1,   f = h_{L-1} W_L + b_L

    with L layers of couplings, L - 1 of them hidden.  Entries of W_l are drawn with variance
    gain/(width of layer l - 1), those of W_L without the gain; biases start at 0.

    Parameters
    ----------
    widths : sequence of int
        Of the inputs, the hidden layers and the outputs; without hidden layers: two.
    activation : str or `replicadnn.wide.Activation`
        phi; with a derivative (not sign).
    gain : float
        1 or, of usual networks of relu, 2.
    biases : bool
        Without them: b_l = 0, and no parameters.

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.

    Examples
    --------
    >>> import numpy as np
    >>> net = Network((3, 4, 1), "tanh")
    >>> theta = net.draw(np.random.default_rng(1))
    >>> theta.shape, net.output(theta, np.ones((5, 3))).shape
    ((21,), (5, 1))
    """

    widths: tuple[int, ...]
    activation: Activation
    gain: float = 1.0
    biases: bool = True
    #: Place of (W_l, b_l) in the vector: start, end of W, end of b.
    places: tuple[tuple[int, int, int], ...] = field(init=False, repr=False)

    def __init__(
        self,
        widths: Sequence[int],
        activation: str | Activation = "relu",
        gain: float = 1.0,
        biases: bool = True,
    ) -> None:
        sizes = tuple(whole("widths", one, 1, MAX_WIDTH) for one in widths)
        if not 2 <= len(sizes) <= MAX_LAYERS + 2:
            raise InputError("widths", widths, "widths of inputs, hidden layers and outputs")
        places, start = [], 0
        for a, b in pairwise(sizes):
            places.append((start, start + a * b, start + a * b + (b if biases else 0)))
            start = places[-1][2]
        for name, value in (
            ("widths", sizes), ("activation", trainable(activation)),
            ("gain", real("gain", gain, 1e-6, 50.0, "a number above 0")),
            ("biases", bool(biases)), ("places", tuple(places)),
        ):  # fmt: skip
            object.__setattr__(self, name, value)

    @property
    def hidden(self) -> int:
        """Number of hidden layers, one less than L, the layers of couplings."""
        return len(self.widths) - 2

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.places[-1][2]

    def draw(self, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> FloatArray:
        """Parameters (size,) of a network before training."""
        theta = np.zeros(self.size, dtype)
        for place, (weights, _) in enumerate(self.matrices(theta)):
            gain = self.gain if place < self.hidden else 1.0
            weights[:] = rng.standard_normal(weights.shape) * math.sqrt(gain / len(weights))
        return theta

    def matrices(self, theta: FloatArray) -> list[tuple[FloatArray, FloatArray | None]]:
        """(W_l, b_l), l = 1..L, as views of the vector; None without biases."""
        return [
            (theta[start:middle].reshape(a, b), theta[middle:end] if self.biases else None)
            for (start, middle, end), (a, b) in zip(
                self.places, pairwise(self.widths), strict=True
            )
        ]  # fmt: skip

    def forward(self, theta: FloatArray, x: FloatArray) -> Forward:
        """All layers of inputs (patterns, inputs)."""
        inputs, fields = [x], list[FloatArray]()
        for weights, bias in self.matrices(theta):
            if fields:
                inputs.append(self.activation.function(fields[-1]))
            u = inputs[-1] @ weights
            if bias is not None:
                u += bias
            fields.append(u)
        return Forward(inputs, fields)

    def output(self, theta: FloatArray, x: FloatArray) -> FloatArray:
        """f (patterns, outputs) of inputs (patterns, inputs)."""
        return self.forward(theta, x).fields[-1]

    def loss(self, theta: FloatArray, x: FloatArray, y: FloatArray, loss: Loss) -> float:
        """E of labels y (patterns, outputs)."""
        return loss.mean(self.output(theta, x), y)

    def gradient(self, theta: FloatArray, x: FloatArray, y: FloatArray, loss: Loss) -> FloatArray:
        """dE/dtheta (size,), in the precision of the parameters."""
        seen, out, matrices = self.forward(theta, x), np.empty_like(theta), self.matrices(theta)
        delta, parts = loss.slope(seen.fields[-1], y), self.matrices(out)
        for place in range(self.hidden, -1, -1):
            weights, bias = parts[place]
            np.matmul(seen.inputs[place].T, delta, out=weights)
            if bias is not None:
                delta.sum(axis=0, out=bias)
            if place:
                delta = delta @ matrices[place][0].T
                delta *= self.activation.derivative(seen.fields[place - 1])
        return out

    def input_gradient(self, theta: FloatArray, x: FloatArray) -> FloatArray:
        """d(sum of outputs)/dx (patterns, inputs)."""
        fields, matrices = self.forward(theta, x).fields, self.matrices(theta)
        delta = np.ones_like(fields[-1]) @ matrices[-1][0].T
        for place in range(self.hidden - 1, -1, -1):
            delta *= self.activation.derivative(fields[place])
            delta = delta @ matrices[place][0].T
        return np.asarray(delta)


def trainable(value: Any) -> Activation:
    """An activation with gradients, by its name or as it is."""
    one = activation(value)
    if not one.differentiable:
        raise InputError("activation", one.name, "one with gradients, such as relu, tanh or erf")
    return one


def loss_of(value: Any) -> Loss:
    """A loss by its name."""
    return choice(Loss, "loss", value)


__all__ = ["Forward", "Loss", "Network", "loss_of", "trainable"]
