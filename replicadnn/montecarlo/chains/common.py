"""What the samplers share: the generator of a chain, Metropolis thresholds, aligned memory."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from replicadnn.kernels.sampler.graph import Wiring
from replicadnn.kernels.sampler.random import RNG_LANES, fill_u32
from replicadnn.montecarlo.connectivity import Inputs, Signs
from replicadnn.montecarlo.latent import Projection, latent_signs

#: Sweeps after which couplings are put back on the sphere and fields computed anew (rounding).
RECOMPUTE_EVERY = 256
#: draw(n) gives n uint32.
Draw = Callable[[int], NDArray[np.uint32]]


def seed_generator(seed: np.random.SeedSequence) -> NDArray[np.uint64]:
    """State (4, 8) of the eight-lane xoshiro256++ of one chain."""
    words = seed.generate_state(4 * RNG_LANES, np.uint64).astype(np.uint64)
    return words.reshape(4, RNG_LANES)


def drawn_signs(shape: tuple[int, ...], state: NDArray[np.uint64]) -> Signs:
    """Independent fair +-1 from the bits of a chain's generator ``state``, which moves on."""
    n = math.prod(shape)
    words = np.empty(-(-n // 512) * 16, np.uint32)
    fill_u32(state, words, len(words))
    bits = np.unpackbits(words.view(np.uint8), count=n).reshape(shape)
    return (2 * bits.view(np.int8) - 1).astype(np.int8)


def fresh_inputs(
    N: int, patterns: int, state: NDArray[np.uint64], projection: Projection | None
) -> Signs:
    """New inputs (N, patterns) of the law of a data set; the generator ``state`` moves on.

    projection : F of the data set; its latent variables come from a generator seeded by 256 bits.
    """
    if projection is None:
        return drawn_signs((N, patterns), state)
    words = np.packbits(drawn_signs((256,), state) > 0).view(np.uint64)
    return latent_signs(projection, patterns, np.random.default_rng(words))


def thresholds(beta: float, n: int) -> NDArray[np.uint32]:
    """floor(2^32 exp(-beta d)) for d = 1..n, cut where it falls to zero."""
    with np.errstate(over="ignore"):
        weight = np.exp(-beta * np.arange(1, n + 1))
    values = np.minimum(np.floor(2.0**32 * weight), 2.0**32 - 1.0)
    kept: NDArray[np.uint32] = values[values >= 1.0].astype(np.uint32)
    return kept


def aligned_zeros(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """float32 zeros that start on a 64-byte boundary (whole cache lines for the kernels)."""
    n_bytes = 4 * math.prod(shape)
    raw = np.zeros(n_bytes + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + n_bytes].view(np.float32).reshape(shape)


def wire(inputs: Inputs | None) -> Wiring | None:
    """The graph as kernels read it; None for the fully connected network."""
    if inputs is None:
        return None
    L, N, c = inputs.shape
    flat = inputs.reshape(L, N * c)
    # a stable sort: the edges of a neuron in ascending order of its readers
    order = np.argsort(flat, axis=1, kind="stable")
    reader, coupling = np.divmod(order, c)
    first = np.zeros((L, N + 1), np.int64)
    for layer in range(L):
        np.cumsum(np.bincount(flat[layer], minlength=N), out=first[layer, 1:])
    graph = np.ascontiguousarray(inputs, np.int32)
    return Wiring(graph, first, reader.astype(np.int32), coupling.astype(np.int32))
