"""Many runs of SGD at once around a minimum: the energy that they keep."""

from __future__ import annotations

import enum
import math
import struct
from collections.abc import Iterator

import numpy as np

from replicadnn import interrupt
from replicadnn.experiments.landscapes import Landscape
from replicadnn.types import FloatArray, IntArray

#: Most numbers of patterns that are drawn ahead.
_AHEAD = 1_000_000


class Batches(enum.StrEnum):
    """How the patterns of a step are chosen."""

    #: With replacement: every step draws B patterns anew.
    INDEPENDENT = "independent"
    #: Without: all patterns in a new order, cut into batches, epoch after epoch.
    EPOCHS = "epochs"


def generator(seed: int, eta: float, B: int) -> np.random.Generator:
    """Of one point: it does not depend on the others that are asked for."""
    bits = struct.unpack("<Q", struct.pack("<d", eta))[0]
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(B, bits)))


def draws(
    rng: np.random.Generator, n: int, B: int, runs: int, batches: Batches
) -> Iterator[IntArray]:
    """Batches (runs, B) of step after step, without end; a remainder of an epoch is left out."""
    while True:
        if batches is Batches.EPOCHS:
            orders = rng.permuted(np.tile(np.arange(n), (runs, 1)), axis=1)
            yield from orders[:, : n // B * B].reshape(runs, n // B, B).transpose(1, 0, 2)
        else:
            steps = max(1, min(1000, _AHEAD // (runs * B)))
            yield from rng.integers(n, size=(steps, runs, B))


def mean_energies(
    landscape: Landscape,
    eta: float,
    B: int,
    batches: Batches,
    size: tuple[int, int, int],
    rng: np.random.Generator,
) -> FloatArray:
    """E(w_t) - E(w*), the mean over the steps after the burn-in: (runs,), nan where it grew.

    size : (runs, burn_in, steps).  All runs start at w*.  The energy is taken at one step of every
    ``landscape.every``, at random, so that the place in an epoch has no say.
    """
    runs, burn_in, steps = size
    w, total, taken = np.tile(landscape.minimum, (runs, 1)), np.zeros(runs), 0
    every, stream = landscape.every, draws(rng, landscape.n, B, runs, batches)
    look = int(rng.integers(every))
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(burn_in + steps):
            w -= eta * landscape.gradient(w, next(stream))
            place = (t - burn_in) % every
            if t >= burn_in and place == look:
                total += landscape.energy(w)
                taken += 1
            if place == every - 1:
                look = int(rng.integers(every))
            if t % 1000 == 0:
                interrupt.check()
                if not np.isfinite(w).all():
                    break
        return np.where(np.isfinite(w).all(axis=1), total / max(taken, 1), math.nan)
