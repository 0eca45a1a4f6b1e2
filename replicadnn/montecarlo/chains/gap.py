"""The gap sampler: Metropolis moves of couplings and hidden neurons at inverse temperature beta.

One sweep, layer by layer: c rotations of a random coupling pair in every perceptron, then one
flip attempt of every hidden neuron for every pattern.  Compiled in `kernels.sampler.gap`;
`sweep_numpy` is the same sweep in plain numpy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replicadnn.kernels.sampler import gap as kernel
from replicadnn.kernels.sampler import soft
from replicadnn.kernels.sampler.graph import Wiring
from replicadnn.montecarlo.chains.common import (
    RECOMPUTE_EVERY,
    Draw,
    aligned_zeros,
    seed_generator,
    thresholds,
    wire,
)
from replicadnn.montecarlo.connectivity import Inputs, fields, moves_per_layer
from replicadnn.montecarlo.network import Network
from replicadnn.montecarlo.spec import Potential

Floats = NDArray[np.floating[Any]]


def pack(a: NDArray[np.generic]) -> NDArray[np.float32]:
    """(layers, N, M) -> (layers, nb, N, 32), patterns in blocks, zeros in the padding."""
    layers, N, M = a.shape
    nb = -(-M // kernel.W)
    out = aligned_zeros((layers, nb, N, kernel.W))
    padded = np.zeros((layers, N, nb * kernel.W), np.float32)
    padded[:, :, :M] = a
    out[:] = padded.reshape(layers, N, nb, kernel.W).transpose(0, 2, 1, 3)
    return out


def unpack(a: NDArray[np.float32], M: int) -> NDArray[np.float32]:
    """Inverse of `pack`: (layers, nb, N, 32) -> (layers, N, M)."""
    layers, nb, N, width = a.shape
    return a.transpose(0, 2, 1, 3).reshape(layers, N, nb * width)[:, :, :M]


@dataclass(slots=True, kw_only=True)
class GapChain:
    """One Markov chain of the gap sampler; every field but the numbers is an array.

    J (L, N, c), S (L+1, nb, N, 32), h (L, nb, N, 32) float32; rng (4, 8) uint64;
    counters (2L-1,) int64: accepted rotations of layers 1..L, accepted flips of layers 1..L-1;
    done: sweeps made; potential: see `Potential`; wiring: the graph, None for c = N.
    """

    beta: float
    kappa: float
    step: float
    M: int
    J: NDArray[np.float32]
    S: NDArray[np.float32]
    h: NDArray[np.float32]
    rng: NDArray[np.uint64]
    counters: NDArray[np.int64]
    done: int = 0
    potential: Potential = Potential.COUNT
    wiring: Wiring | None = None

    @classmethod
    def start(
        cls,
        net: Network,
        seed: np.random.SeedSequence,
        *,
        beta: float,
        kappa: float = 0.0,
        step: float = 0.1,
        potential: Potential = Potential.COUNT,
    ) -> GapChain:
        """Chain that begins at the network ``net``."""
        L, S = len(net.J), pack(net.S)
        J = np.ascontiguousarray(net.J, dtype=np.float32).copy()
        wiring = wire(net.inputs)
        h = aligned_zeros((L, *S.shape[1:]))
        if np.isinf(beta):
            h[:] = pack(fields(net.J, net.S, net.inputs))
            kernel.recompute_keeping(J, S, h, wiring, kappa)
        else:
            kernel.recompute_fields(J, S, h, wiring)
        return cls(
            beta=beta, kappa=kappa, step=step, potential=potential, M=net.S.shape[2],
            J=J, S=S, h=h, rng=seed_generator(seed), counters=np.zeros(2 * L - 1, np.int64),
            wiring=wiring,
        )  # fmt: skip

    def advance(self, n: int) -> None:
        """Make n sweeps."""
        L = self.J.shape[0]
        if self.potential is Potential.SOFT:
            soft.sweeps(
                self.J, self.S, self.h, self.wiring, self.rng, self.done, n, RECOMPUTE_EVERY,
                self.step, self.beta, self.kappa, self.counters[:L], self.counters[L:],
            )  # fmt: skip
            self.done += n
            return
        kernel.sweeps(
            self.J,
            self.S,
            self.h,
            self.wiring,
            self.M,
            self.rng,
            self.done,
            n,
            RECOMPUTE_EVERY,
            self.step,
            thresholds(self.beta, self._largest_fan_out() + 1),
            thresholds(self.beta, self.M),
            self.kappa,
            self.counters[:L],
            self.counters[L:],
            aligned_zeros((self.S.shape[1] * kernel.W,)),
        )
        self.done += n

    def _largest_fan_out(self) -> int:
        """Most perceptrons that read one neuron: a flip costs at most one violation more."""
        return self.J.shape[1] if self.wiring is None else int(np.diff(self.wiring.first).max())

    def network(self) -> Network:
        """Copy of the present state in plain layout."""
        S = unpack(self.S, self.M).astype(np.int8)
        return Network(self.J.copy(), S, None if self.wiring is None else self.wiring.inputs)

    def violations(self) -> NDArray[np.int64]:
        """Violated gaps by layer from the running fields, (L,)."""
        r = unpack(self.h, self.M) * unpack(self.S, self.M)[1:]
        counts: NDArray[np.int64] = np.sum(r < self.kappa, axis=(1, 2), dtype=np.int64)
        return counts

    def energy(self) -> float:
        """Return H, the sum of v over all gaps."""
        if self.potential is Potential.COUNT:
            return int(self.violations().sum())
        r = unpack(self.h, self.M).astype(np.float64) * unpack(self.S, self.M)[1:]
        return float(0.5 * np.square(np.maximum(self.kappa - r, 0.0)).sum())

    def energy_scale(self) -> int:
        """Number of gaps, L N M."""
        L, N = self.J.shape[:2]
        return int(L * N * self.M)

    def acceptance(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Accepted fraction of the rotations (L,) and of the flips (L-1,) so far."""
        L, N = self.J.shape[:2]
        n = max(self.done, 1)
        padding = self.S.shape[1] * kernel.W - self.M
        flips = self.counters[L:] - self.done * N * padding
        return self.counters[:L] / (n * moves_per_layer(self.J)), flips / (n * N * self.M)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that changes in time; `restore` reads it back."""
        return {
            "J": self.J,
            "S": self.S,
            "h": self.h,
            "rng": self.rng,
            "counters": self.counters,
            "done": np.array(self.done, np.int64),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Continue from the arrays of another chain of the same shape."""
        for name in ("J", "S", "h", "rng", "counters"):
            getattr(self, name)[...] = arrays[name]
        self.done = int(arrays["done"])


# --- readable twin -------------------------------------------------------------------------


def sweep_numpy(
    J: Floats,
    S: Floats,
    h: Floats,
    *,
    beta: float,
    kappa: float,
    step: float,
    draw: Draw,
    inputs: Inputs | None = None,
    width: int = kernel.W,
) -> None:
    """One sweep in numpy, vectorised: same moves, same order of random numbers.

    J (L, N, c), S (L+1, N, M), h (L, N, M) of one floating type change in place; ``draw(n)``
    gives n uint32.  inputs (L, N, c): the graph, None for c = N.
    """
    L = len(J)
    for layer in range(1, L + 1):
        rotate_numpy(J, S, h, layer, beta=beta, kappa=kappa, step=step, draw=draw, inputs=inputs)
        if layer < L:
            flip_numpy(
                J, S, h, layer, beta=beta, kappa=kappa, draw=draw, inputs=inputs, width=width
            )


def rotate_numpy(
    J: Floats,
    S: Floats,
    h: Floats,
    layer: int,
    *,
    beta: float,
    kappa: float,
    step: float,
    draw: Draw,
    inputs: Inputs | None = None,
) -> None:
    """c Metropolis rotations in every perceptron of a layer; all its perceptrons at once.

    A rotation turns (J_a, J_b) by 2 atan(t), t uniform in [-step, step].
    """
    N, c = J.shape[1:]
    rows, sign, below, field = J[layer - 1], S[layer], S[layer - 1], h[layer - 1]
    per_row = (4 * c + 15) // 16 * 16
    u = np.stack([draw(per_row)[: 4 * c].reshape(c, 4) for _ in range(N)])
    accept = _accept_table(beta, S.shape[2])
    every = np.arange(N)
    old = np.count_nonzero(field * sign < kappa, axis=1)
    for move in range(c):
        u_a, u_b, u_t, u_accept = u[:, move].T.astype(np.int64)
        a, b = (u_a * c) >> 32, (u_b * (c - 1)) >> 32
        b += b >= a
        t = step * (2.0 * (u_t + 0.5) * 2.0**-32 - 1.0)
        cosine, sine = (1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t)
        J_a, J_b = rows[every, a], rows[every, b]
        new_a, new_b = J_a * cosine - J_b * sine, J_a * sine + J_b * cosine
        d_a = ((new_a - J_a) / math.sqrt(c)).astype(h.dtype)
        d_b = ((new_b - J_b) / math.sqrt(c)).astype(h.dtype)
        read_a, read_b = (k if inputs is None else inputs[layer - 1, every, k] for k in (a, b))
        trial = field + d_a[:, None] * below[read_a] + d_b[:, None] * below[read_b]
        new = np.count_nonzero(trial * sign < kappa, axis=1)
        yes = (new <= old) | (u_accept < accept[np.maximum(new - old, 0)])
        rows[every[yes], a[yes]] = new_a[yes]
        rows[every[yes], b[yes]] = new_b[yes]
        field[yes] = trial[yes]
        old[yes] = new[yes]


def flip_numpy(
    J: Floats,
    S: Floats,
    h: Floats,
    layer: int,
    *,
    beta: float,
    kappa: float,
    draw: Draw,
    inputs: Inputs | None = None,
    width: int = kernel.W,
) -> None:
    """One Metropolis flip attempt of every neuron of a hidden layer, all patterns at once."""
    N, M = J.shape[1], S.shape[2]
    blocks = -(-M // width)
    u = np.stack([draw(N * width).reshape(N, width) for _ in range(blocks)], axis=1)
    u = u.reshape(N, blocks * width)[:, :M]
    accept = _accept_table(beta, N + 1)
    steps = (-2.0 / math.sqrt(J.shape[2]) * J[layer]).astype(h.dtype)
    violated = h[layer] * S[layer + 1] < kappa
    for i in range(N):
        # who reads neuron i, through which coupling
        rows, k = (slice(None), i) if inputs is None else np.nonzero(inputs[layer] == i)
        change = steps[rows, k][:, None] * S[layer, i]
        field, above = h[layer, rows], S[layer + 1, rows]
        new = (field + change) * above < kappa
        own = h[layer - 1, i] * S[layer, i]
        cost = np.count_nonzero(new, axis=0) - np.count_nonzero(violated[rows], axis=0)
        cost += (-own < kappa).astype(np.int64) - (own < kappa)
        yes = (cost <= 0) | (u[i] < accept[np.maximum(cost, 0)])
        violated[rows] = np.where(yes, new, violated[rows])
        h[layer, rows] = field + change * yes
        S[layer, i, yes] *= -1


def _accept_table(beta: float, n: int) -> NDArray[np.int64]:
    """table[d] = 2^32 exp(-beta d) for a cost d = 1..n; entry 0 is not used."""
    table = np.zeros(n + 1, np.int64)
    found = thresholds(beta, n)
    table[1 : len(found) + 1] = found
    return table
