"""Replica exchange on one data set: chains on a ladder of inverse temperatures swap places.

After every ``every`` sweeps neighbouring rungs (even and odd pairs in turn) exchange their states
with probability min(1, exp((beta_i - beta_j)(H_i - H_j))), which keeps the product of the
Boltzmann distributions.  A round trip is a chain's way from the lowest rung to the highest and
back.  What is measured on the highest rung is averaged in blocks of rounds, so that the size of the
state does not depend on the length of the run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replicadnn.kernels.sampler.random import fill_u32
from replicadnn.montecarlo import network, overlaps
from replicadnn.montecarlo.gap import drawn_signs, seed_generator
from replicadnn.montecarlo.network import Network, start_random
from replicadnn.montecarlo.simulation import Chain, part, start_chain, starting_state
from replicadnn.montecarlo.spec import Spec, Start
from replicadnn.problem import Scenario

Array = NDArray[np.float64]

N_BLOCKS = 64
#: Measured on the highest rung, by layer of perceptrons l = 1..L and by hidden layer l = 1..L-1.
SERIES = ("energy", "R_matched", "test_error", "Q_matched", "Q_self")
HIDDEN_SERIES = ("r_matched", "q_matched", "q_self", "spin_correlation")


@dataclass(slots=True)
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
        numbers = [np.zeros(n, np.int64) for n in (K, K, K - 1, K - 1)]
        return cls(betas, steps, chains, seed_generator(swap_seed), np.arange(K), *numbers)

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


@dataclass(slots=True)
class LadderSample:
    """One data set with its ladders (replicas) and the averages over blocks of rounds.

    sums[name] (B + 1, layers), counts[name] (B + 1,): sums over the measurements of a block, and
    their number, entry 0 the start; sums["rungs"] (B + 1, K, L): energy of every rung.  J0, S0:
    states of the highest rungs in the middle of the run, with which Q_self, q_self compare those
    of its last quarter.
    """

    spec: Spec
    rounds: int
    teacher: Network
    ladders: list[Ladder]
    J0: NDArray[np.float32]
    S0: NDArray[np.int8]
    fresh: NDArray[np.uint64]
    sums: dict[str, Array]
    counts: dict[str, NDArray[np.int64]]
    round: int = 0

    @classmethod
    def start(
        cls,
        spec: Spec,
        betas: tuple[float, ...],
        steps: tuple[float, ...],
        rounds: int,
        seed: np.random.SeedSequence,
    ) -> LadderSample:
        """Draw data and starting states from ``seed``; every ladder has its own chains."""
        data_seed, fresh_seed, *seeds = seed.spawn(2 + spec.replicas)
        data = starting_state(spec, data_seed)
        ladders = [Ladder.start(spec, betas, steps, data, child) for child in seeds]
        L, N, M, K, B = spec.L, spec.N, spec.M, len(betas), min(rounds, N_BLOCKS)
        sums = {name: np.zeros((B + 1, L)) for name in SERIES}
        sums |= {name: np.zeros((B + 1, L - 1)) for name in HIDDEN_SERIES}
        sums["rungs"] = np.zeros((B + 1, K, L))
        sample = cls(
            spec, rounds, data[0], ladders,
            np.zeros((spec.replicas, L, N, N), np.float32),
            np.zeros((spec.replicas, L + 1, N, M), np.int8),
            seed_generator(fresh_seed),
            sums, {name: np.zeros(B + 1, np.int64) for name in sums},
        )  # fmt: skip
        sample._measure(0, last=True)
        return sample

    def run(self, until: int, every: int) -> None:
        """Advance to ``until`` rounds, measuring after each."""
        while self.round < until:
            for ladder in self.ladders:
                ladder.advance(every, self.round % 2)
            block, following = (self._block(k) for k in (self.round, self.round + 1))
            self._measure(block, last=following != block)
            self._compare_in_time(block)
            self.round += 1

    def _block(self, k: int) -> int:
        """Block of round k; 0 is the start."""
        return 1 + k * (len(self.counts["rungs"]) - 1) // self.rounds

    def _measure(self, block: int, *, last: bool) -> None:
        """Measure the highest rungs; fresh inputs only in the ``last`` round of a block."""
        gaps = self.spec.N * self.spec.M
        for ladder in self.ladders:
            energy = np.empty((len(ladder.betas), self.spec.L))
            for chain, rung in zip(ladder.chains, ladder.place, strict=True):
                energy[rung] = chain.violations() / gaps
            self._add("rungs", block, energy)
            self._add("energy", block, energy[-1])
        tops = [ladder.top().network() for ladder in self.ladders]
        for net in tops:
            self._add("spin_correlation", block, network.spin_correlation(net.S))
        if self.spec.scenario is Scenario.TEACHER_STUDENT:
            for net in tops:
                matched = self._compare(block, "R_matched", "r_matched", self.teacher, net)
                if last and self.spec.test_patterns:
                    shape = (self.spec.N, self.spec.test_patterns)
                    inputs = drawn_signs(shape, self.fresh)
                    error = overlaps.disagreement(self.teacher, matched, inputs)
                    self._add("test_error", block, error)
        if len(tops) > 1:
            self._compare(block, "Q_matched", "q_matched", tops[0], tops[1])

    def _compare_in_time(self, block: int) -> None:
        """Compare the last quarter of the run with the state in its middle."""
        for c, ladder in enumerate(self.ladders):
            if self.round == self.rounds // 2:
                net = ladder.top().network()
                self.J0[c], self.S0[c] = net.J, net.S
            if 4 * self.round >= 3 * self.rounds:
                net = ladder.top().network()
                self._compare(block, "Q_self", "q_self", Network(self.J0[c], self.S0[c]), net)

    def _compare(self, block: int, Q: str, q: str, a: Network, b: Network) -> Network:
        matched = overlaps.match(a, b)
        self._add(Q, block, overlaps.coupling_overlap(a, matched))
        self._add(q, block, overlaps.neuron_overlap(a, matched))
        return matched

    def _add(self, name: str, block: int, values: Array) -> None:
        self.sums[name][block] += values
        self.counts[name][block] += 1

    def series(self, name: str) -> Array:
        """Start and block averages (B + 1, layers), nan where nothing has been measured."""
        count = self.counts[name].reshape(-1, *[1] * (self.sums[name].ndim - 1))
        return np.where(count > 0, self.sums[name] / np.maximum(count, 1), np.nan)

    def late(self, name: str) -> Array:
        """Average over the second half of the blocks made so far, (layers); nan: not measured."""
        made = np.nonzero(self.counts["rungs"])[0]
        chosen = made[len(made) // 2 :]
        count = int(self.counts[name][chosen].sum())
        total: Array = self.sums[name][chosen].sum(axis=0)
        return total / count if count else np.full(total.shape, np.nan)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that changes in time, by name."""
        out: dict[str, NDArray[Any]] = {
            "round": np.array(self.round, np.int64),
            "teacher/J": self.teacher.J,
            "teacher/S": self.teacher.S,
            "J0": self.J0,
            "S0": self.S0,
            "fresh": self.fresh,
        }
        out |= {f"sums/{name}": values for name, values in self.sums.items()}
        out |= {f"counts/{name}": values for name, values in self.counts.items()}
        ladders = [ladder.arrays() for ladder in self.ladders]
        return out | {f"ladder/{n}": np.stack([a[n] for a in ladders]) for n in ladders[0]}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Continue from what `arrays` gave."""
        self.round = int(arrays["round"])
        self.teacher.J[...] = arrays["teacher/J"]
        self.teacher.S[...] = arrays["teacher/S"]
        for name in ("J0", "S0", "fresh"):
            getattr(self, name)[...] = arrays[name]
        for name, values in self.sums.items():
            values[...] = arrays[f"sums/{name}"]
            self.counts[name][...] = arrays[f"counts/{name}"]
        for c, ladder in enumerate(self.ladders):
            ladder.restore(part(arrays, "ladder/", c))
