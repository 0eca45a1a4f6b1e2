"""Replica exchange on one data set: chains on a ladder of inverse temperatures swap places.

After every ``every`` sweeps neighbouring rungs (even and odd pairs in turn) exchange their states
with probability min(1, exp((beta_i - beta_j)(H_i - H_j))), which keeps the product of the
Boltzmann distributions.  A round trip is a chain's way from the lowest rung to the highest and
back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replicadnn.kernels.sampler.random import fill_u32
from replicadnn.montecarlo.chains.common import seed_generator
from replicadnn.montecarlo.chains.start import Chain, start_chain
from replicadnn.montecarlo.chains.state import part
from replicadnn.montecarlo.network import Network, start_random
from replicadnn.montecarlo.spec import Spec, Start


@dataclass(slots=True, kw_only=True)
class Ladder:
    """One chain on every rung.

    chains[c] sits on rung place[c]; rung K-1 is the largest beta.  trip[c]: -1 since the bottom, 1
    since the top after the bottom, 0 before the bottom; trips[c]: completed round trips; tries,
    swaps (K-1,).
    """

    betas: tuple[float, ...]
    steps: tuple[float, ...]
    chains: list[Chain]
    rng: NDArray[np.uint64]
    place: NDArray[np.int64]
    trip: NDArray[np.int64]
    trips: NDArray[np.int64]
    tries: NDArray[np.int64]
    swaps: NDArray[np.int64]

    @classmethod
    def start(
        cls,
        spec: Spec,
        betas: tuple[float, ...],
        steps: tuple[float, ...],
        data: tuple[Network, Network],
        seed: np.random.SeedSequence,
    ) -> Ladder:
        """Every rung from the first state in ``data``; random starts differ between rungs."""
        K = len(betas)
        swap_seed, *seeds = seed.spawn(1 + K)
        teacher, first = data
        chains = []
        for k, child in enumerate(seeds):
            net = first
            if spec.start is Start.RANDOM:
                net = start_random(teacher, np.random.default_rng(child.spawn(1)[0]))
            chain = start_chain(spec, net, child, steps[k])
            chain.beta = betas[k]
            chains.append(chain)
        return cls(
            betas=betas,
            steps=steps,
            chains=chains,
            rng=seed_generator(swap_seed),
            place=np.arange(K),
            trip=np.zeros(K, np.int64),
            trips=np.zeros(K, np.int64),
            tries=np.zeros(K - 1, np.int64),
            swaps=np.zeros(K - 1, np.int64),
        )

    def advance(self, sweeps: int, parity: int) -> None:
        """``sweeps`` sweeps of every chain, then one attempt for half of the pairs."""
        for chain in self.chains:
            chain.advance(sweeps)
        self._swap(parity)
        self._mark_ends()

    def top(self) -> Chain:
        """The chain on the rung of the largest beta."""
        return self.chains[int(np.argmax(self.place))]

    def _swap(self, parity: int) -> None:
        u = np.empty((len(self.betas) + 15) // 16 * 16, np.uint32)
        fill_u32(self.rng, u, len(u))
        on_rung = np.argsort(self.place)
        for k in range(parity, len(self.betas) - 1, 2):
            a, b = on_rung[k], on_rung[k + 1]
            rise = self.chains[b].energy() - self.chains[a].energy()
            # equal energies: certain, also where the upper beta is infinite (inf * 0)
            cost = (self.betas[k + 1] - self.betas[k]) * rise if rise else 0.0
            self.tries[k] += 1
            if cost >= 0.0 or (float(u[k]) + 0.5) * 2.0**-32 < math.exp(cost):
                self.swaps[k] += 1
                self.place[a], self.place[b] = k + 1, k
        self._set_rungs()

    def _set_rungs(self) -> None:
        for chain, k in zip(self.chains, self.place, strict=True):
            chain.beta, chain.step = self.betas[k], self.steps[k]

    def _mark_ends(self) -> None:
        top, bottom = np.argmax(self.place), np.argmin(self.place)
        if self.trip[top] == -1:
            self.trip[top] = 1
        if self.trip[bottom] == 1:
            self.trips[bottom] += 1
        self.trip[bottom] = -1

    _FIELDS = ("rng", "place", "trip", "trips", "tries", "swaps")

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that changes in time, by name."""
        out: dict[str, NDArray[Any]] = {name: getattr(self, name) for name in self._FIELDS}
        chains = [chain.arrays() for chain in self.chains]
        return out | {f"chain/{n}": np.stack([c[n] for c in chains]) for n in chains[0]}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Continue from what `arrays` gave."""
        for name in self._FIELDS:
            getattr(self, name)[...] = arrays[name]
        for c, chain in enumerate(self.chains):
            chain.restore(part(arrays, "chain/", c))
        self._set_rungs()
