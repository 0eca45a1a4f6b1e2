"""Networks that are drawn: outputs, gradients and Gram matrices; a loop that can be continued."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from replicadnn import interrupt
from replicadnn.errors import InputError
from replicadnn.progress import Progress, reporting
from replicadnn.questions.schema import Checkpoint
from replicadnn.types import FloatArray
from replicadnn.wide.activations import Activation

T = TypeVar("T")

#: Most weights of one network, and most entries of one Gram matrix.
MAX_WEIGHTS, MAX_GRAM = 100_000_000, 25_000_000


@dataclass(frozen=True)
class Net:
    """W^l (M_l, M_{l-1}) and b^l (M_l,), l = 1..L: h^l = W^l x^{l-1} + b^l, f = h^L."""

    phi: Activation
    weights: tuple[FloatArray, ...]
    biases: tuple[FloatArray, ...]

    def forward(self, x: FloatArray) -> tuple[list[FloatArray], list[FloatArray]]:
        """x^0..x^{L-1} and h^1..h^L of inputs x (n, M_0), each (n, M_l)."""
        states, fields = [x], []
        for l, (W, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            interrupt.check()
            fields.append(states[-1] @ W.T + b)
            if l < len(self.weights) - 1:
                states.append(self.phi.function(fields[-1]))
        return states, fields

    def backward(self, fields: Sequence[FloatArray], seed: FloatArray) -> list[FloatArray]:
        """d(sum_k seed_k f_k)/dh^l of every input, l = 1..L, each (n, M_l); seed (n, C)."""
        deltas = [seed]
        for l in range(len(self.weights) - 1, 0, -1):
            interrupt.check()
            deltas.insert(0, (deltas[0] @ self.weights[l]) * self.phi.derivative(fields[l - 1]))
        return deltas


def draw(
    phi: Activation,
    widths: Sequence[int],
    sigma_w2: float,
    sigma_b2: float,
    rng: np.random.Generator,
) -> Net:
    """Independent Gaussian weights of variance sigma_w2/M_{l-1}, biases of variance sigma_b2."""
    weights, biases = [], []
    for inputs, outputs in pairwise(widths):
        weights.append(rng.standard_normal((outputs, inputs)) * math.sqrt(sigma_w2 / inputs))
        biases.append(rng.standard_normal(outputs) * math.sqrt(sigma_b2))
    return Net(phi, tuple(weights), tuple(biases))


def gram(
    net: Net, x: FloatArray, weights: Sequence[float], biases: float, outputs: int = 1
) -> FloatArray:
    """(n C, n C) Gram matrix of the gradients of f_1..f_C, rows (output, input).

        sum_l (delta^l_a.delta^l_b) (weights_l x_a^{l-1}.x_b^{l-1} + biases)

    weights_l : 1 in the standard parameterisation, sigma_w2/M_{l-1} in that of the tangent kernel;
    biases : 1 and sigma_b2.
    """
    states, fields = net.forward(x)
    each = [net.backward(fields, _unit(len(x), outputs, k)) for k in range(outputs)]
    found = np.zeros((len(x) * outputs,) * 2)
    for l, state in enumerate(states):
        delta = np.concatenate([one[l] for one in each])
        found += (delta @ delta.T) * np.tile(
            weights[l] * (state @ state.T) + biases, (outputs,) * 2
        )
    return found


def _unit(n: int, outputs: int, k: int) -> FloatArray:
    seed = np.zeros((n, outputs))
    seed[:, k] = 1.0
    return seed


def generator(seed: int, number: int) -> np.random.Generator:
    """The generator of the network of this number: its own child of the seed."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))


def check_size(M: int, L: int, rows: int) -> None:
    """Refuse networks or Gram matrices that are too large."""
    if L * M**2 > MAX_WEIGHTS:
        raise InputError("M", M, f"L M^2 at most {MAX_WEIGHTS:g} weights")
    if rows**2 > MAX_GRAM:
        raise InputError("networks", rows, f"at most {math.isqrt(MAX_GRAM)} rows of a Gram matrix")


def draw_all(
    count: int,
    rows: list[T],
    one: Callable[[int], T],
    result: Callable[[Sequence[T], bool], Any],
    checkpoint: Checkpoint | None,
    progress: Progress,
) -> Any:
    """``result(rows, finished)`` once there are ``count`` rows; ``one(number)`` makes a row.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C; its ``partial`` holds the rows that are done.
    """
    with (
        reporting(progress, "network") as report,
        interrupt.keeping(lambda: (result(rows, False), len(rows))),
    ):
        while len(rows) < count:
            rows.append(one(len(rows)))
            if checkpoint is not None:
                checkpoint(lambda: result(rows, False))
            report(len(rows), count)
    return result(rows, True)
