"""The weights sampler: couplings move, neurons follow by forward propagation.

    P(J) ~ exp(-beta E(J)),  E = number of output bits that differ from the data.

beta = inf is the greedy rule: a rotation is accepted if it does not raise E.  One sweep is c
rotations of a random coupling pair in every perceptron, layer by layer.  Compiled in
`replicadnn.kernels.sampler.weights`; `sweep_numpy` is the same sweep with full forward passes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replicadnn.kernels.sampler import weights as kernel
from replicadnn.kernels.sampler.graph import Wiring
from replicadnn.montecarlo.chains.common import (
    RECOMPUTE_EVERY,
    Draw,
    aligned_zeros,
    seed_generator,
    thresholds,
    wire,
)
from replicadnn.montecarlo.connectivity import Inputs, moves_per_layer
from replicadnn.montecarlo.network import Network, propagate

#: Names of the arrays of `kernels.sampler.weights.State` in files.
_IN_FILES = ("J", "C", "R", "S", "h", "Y")


def _padded(n: int) -> int:
    return -(-n // 16) * 16


@dataclass(slots=True, kw_only=True)
class WeightsChain:
    """One Markov chain of the weights sampler; ``state``: see `kernels.sampler.weights.State`.

    energy_now is E of the present couplings, counters (L,) the accepted rotations, done the sweeps;
    wiring: the graph, None for c = N.
    """

    beta: float
    step: float
    state: kernel.State
    rng: NDArray[np.uint64]
    counters: NDArray[np.int64]
    energy_now: int
    done: int = 0
    wiring: Wiring | None = None

    @classmethod
    def start(
        cls, net: Network, seed: np.random.SeedSequence, *, beta: float, step: float = 0.1
    ) -> WeightsChain:
        """Chain that begins at the couplings of ``net``, for the data S[0], S[L] of ``net``."""
        L, N = net.J.shape[:2]
        M = net.S.shape[2]
        Np, Mp = _padded(N), _padded(M)
        J = np.ascontiguousarray(net.J, dtype=np.float32).copy()
        below = aligned_zeros((L, N, Mp))
        below[0, :, :M] = net.S[0]
        outputs = aligned_zeros((M, Np))
        outputs[:, :N] = net.S[L].T
        wiring = wire(net.inputs)
        columns = aligned_zeros((L, N, Np) if wiring is None else (L, 1, J[0].size))
        S, h = aligned_zeros((L, M, Np)), aligned_zeros((L, M, Np))
        state = kernel.State(J, columns, below, S, h, outputs)
        wrong = int(kernel.forward(state, wiring))
        return cls(
            beta=beta, step=step, state=state, rng=seed_generator(seed),
            counters=np.zeros(L, np.int64), energy_now=wrong, wiring=wiring,
        )  # fmt: skip

    @property
    def J(self) -> NDArray[np.float32]:
        """Couplings (L, N, c)."""
        couplings: NDArray[np.float32] = self.state.J
        return couplings

    def advance(self, n: int) -> None:
        """Make n sweeps."""
        accept = thresholds(self.beta, self.energy_scale())
        energy = kernel.sweeps(
            self.state, self.wiring, self.rng, self.done, n, RECOMPUTE_EVERY, self.step, accept,
            self.counters, self.energy_now,
        )  # fmt: skip
        self.energy_now = int(energy)
        self.done += n

    def network(self) -> Network:
        """Copy of couplings and propagated neurons; S[L] is the network's own output."""
        L, N = self.J.shape[:2]
        M = len(self.state.outputs)
        S = np.empty((L + 1, N, M), np.int8)
        S[0] = self.state.below[0, :, :M]
        S[1:] = self.state.S[:, :, :N].transpose(0, 2, 1)
        return Network(self.J.copy(), S, None if self.wiring is None else self.wiring.inputs)

    def violations(self) -> NDArray[np.int64]:
        """Wrong output bits, in the place of layer L; zero in the others, (L,)."""
        counts = np.zeros(self.J.shape[0], np.int64)
        counts[-1] = np.count_nonzero(self.state.S[-1] != self.state.outputs)
        return counts

    def energy(self) -> int:
        """E, the number of wrong output bits."""
        return self.energy_now

    def energy_scale(self) -> int:
        """Number of output bits, N M."""
        return int(len(self.state.outputs) * self.J.shape[1])

    def acceptance(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Accepted fraction of the rotations (L,); there are no flips, so the second is empty."""
        return self.counters / (max(self.done, 1) * moves_per_layer(self.J)), np.empty(0)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that changes in time; `restore` reads it back."""
        out = dict(zip(_IN_FILES, self.state, strict=True))
        return out | {
            "rng": self.rng,
            "counters": self.counters,
            "energy_now": np.array(self.energy_now, np.int64),
            "done": np.array(self.done, np.int64),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Continue from the arrays of another chain of the same shape."""
        for name, own in zip(_IN_FILES, self.state, strict=True):
            own[...] = arrays[name]
        self.rng[...] = arrays["rng"]
        self.counters[...] = arrays["counters"]
        self.energy_now = int(arrays["energy_now"])
        self.done = int(arrays["done"])


# --- readable twin -------------------------------------------------------------------------


def sweep_numpy(
    J: NDArray[np.float64],
    patterns: NDArray[np.int8],
    outputs: NDArray[np.int8],
    *,
    beta: float,
    step: float,
    draw: Draw,
    inputs: Inputs | None = None,
) -> int:
    """One sweep with a full forward pass a move; J changes in place, returns E at the end.

    patterns, outputs (N, M): the data; inputs (L, N, c): the graph, None for c = N.
    """
    L, N, c = J.shape
    accept = thresholds(beta, outputs.size)

    def energy() -> int:
        return int(np.count_nonzero(propagate(J, patterns, inputs=inputs)[L] != outputs))

    old = energy()
    for layer in range(L):
        for i in range(N):
            u = draw((4 * c + 15) // 16 * 16)[: 4 * c].reshape(c, 4)
            for u_a, u_b, u_t, u_accept in u:
                a = (int(u_a) * c) >> 32
                b = (int(u_b) * (c - 1)) >> 32
                b += b >= a
                angle = 2.0 * math.atan(step * (2.0 * (float(u_t) + 0.5) * 2.0**-32 - 1.0))
                kept = J[layer, i].copy()
                J[layer, i, a] = kept[a] * math.cos(angle) - kept[b] * math.sin(angle)
                J[layer, i, b] = kept[a] * math.sin(angle) + kept[b] * math.cos(angle)
                new = energy()
                cost = new - old
                if cost > 0 and (cost > len(accept) or u_accept >= accept[cost - 1]):
                    J[layer, i] = kept
                else:
                    old = new
    return old
