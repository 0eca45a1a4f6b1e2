"""One data set under replica exchange: what is measured on the highest rung, in blocks of rounds.

Averages over blocks keep the size of the state independent of the length of the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replicadnn.montecarlo.chains.common import fresh_inputs, seed_generator
from replicadnn.montecarlo.chains.ladder import Ladder
from replicadnn.montecarlo.chains.start import sample_projection, starting_state
from replicadnn.montecarlo.chains.state import part
from replicadnn.montecarlo.connectivity import Inputs, Signs
from replicadnn.montecarlo.latent import Projection
from replicadnn.montecarlo.measure import registry
from replicadnn.montecarlo.measure.distribution import QUARTERS, Pairs
from replicadnn.montecarlo.measure.observable import Moment
from replicadnn.montecarlo.network import Network
from replicadnn.montecarlo.spec import Exchange, Spec
from replicadnn.problem import Scenario

Array = NDArray[np.float64]

N_BLOCKS = 64


@dataclass(slots=True, kw_only=True)
class LadderSample:
    """One data set with its ladders (replicas) and the averages over blocks of rounds.

    sums[name] (B + 1, layers), counts[name] (B + 1,): sums over the measurements of a block, and
    their number, entry 0 the start; sums["rungs"] (B + 1, K, L): energy of every rung.  J0, S0:
    states of the highest rungs in the middle of the run, with which Q_self, q_self compare those
    of its last quarter.  pairs: distributions of the overlaps of the first two ladders, None where
    there is one.  projection (N, D): F of the inputs, None where they are independent.
    """

    spec: Spec
    rounds: int
    teacher: Network
    ladders: list[Ladder]
    J0: NDArray[np.float32]
    S0: NDArray[np.int8]
    fresh: NDArray[np.uint64]
    projection: Projection | None
    sums: dict[str, Array]
    counts: dict[str, NDArray[np.int64]]
    pairs: Pairs | None
    round: int = 0

    @classmethod
    def start(
        cls,
        spec: Spec,
        exchange: Exchange,
        steps: tuple[float, ...],
        seed: np.random.SeedSequence,
        inputs: Inputs | None = None,
    ) -> LadderSample:
        """Draw data and starting states from ``seed``; every ladder has its own chains.

        inputs : the graph, drawn from ``seed`` too unless given.
        """
        data_seed, fresh_seed, *seeds = seed.spawn(2 + spec.replicas)
        data = teacher, first = starting_state(spec, data_seed, inputs)
        blocks = min(exchange.rounds, N_BLOCKS) + 1
        sums = {row.name: np.zeros((blocks, row.layers.number(spec.L))) for row in registry.LADDER}
        sums["rungs"] = np.zeros((blocks, len(exchange.betas), spec.L))
        sample = cls(
            spec=spec,
            rounds=exchange.rounds,
            teacher=teacher,
            ladders=[Ladder.start(spec, exchange.betas, steps, data, child) for child in seeds],
            J0=np.zeros((spec.replicas, *first.J.shape), np.float32),
            S0=np.zeros((spec.replicas, *first.S.shape), np.int8),
            fresh=seed_generator(fresh_seed),
            projection=sample_projection(spec, data_seed),
            sums=sums,
            counts={name: np.zeros(blocks, np.int64) for name in sums},
            pairs=Pairs(registry.PAIRS, len(exchange.betas), spec.L) if spec.replicas > 1 else None,
        )
        sample.measure(0, last=True)
        return sample

    def run(self, until: int, every: int) -> None:
        """Advance to ``until`` rounds, measuring after each."""
        while self.round < until:
            for ladder in self.ladders:
                ladder.advance(every, self.round % 2)
            block, following = (self._block(k) for k in (self.round, self.round + 1))
            late = 4 * self.round >= 3 * self.rounds
            self.measure(block, last=following != block, late=late)
            self._compare(QUARTERS * self.round // self.rounds)
            if self.round == self.rounds // 2:
                self._keep()
            self.round += 1

    def _block(self, k: int) -> int:
        """Block of round k; 0 is the start."""
        return 1 + k * (len(self.counts["rungs"]) - 1) // self.rounds

    def _keep(self) -> None:
        """Keep the states of the highest rungs."""
        for c, ladder in enumerate(self.ladders):
            net = ladder.top().network()
            self.J0[c], self.S0[c] = net.J, net.S

    def measure(self, block: int, *, last: bool, late: bool = False) -> None:
        """Measure the highest rungs.

        last : in the last round of a block, which alone measures on fresh inputs.
        late : in the last quarter of the run, compared with the states kept in its middle.
        """
        spec = self.spec
        gaps = spec.N * spec.M
        for ladder in self.ladders:
            energy = np.empty((len(ladder.betas), spec.L))
            for chain, rung in zip(ladder.chains, ladder.place, strict=True):
                energy[rung] = chain.violations() / gaps
            self._add("rungs", block, energy)
        tops = [ladder.top() for ladder in self.ladders]
        nets = [chain.network() for chain in tops]
        for c, (chain, net) in enumerate(zip(tops, nets, strict=True)):
            moment = Moment(
                spec,
                chain,
                net,
                teacher=self.teacher if spec.scenario is Scenario.TEACHER_STUDENT else None,
                partner=nets[1] if c == 0 and len(nets) > 1 else None,
                earlier=Network(self.J0[c], self.S0[c], net.inputs) if late else None,
                fresh=self._fresh_inputs if last and spec.test_patterns else None,
            )
            for row in registry.LADDER:
                if moment.has(row.needs):
                    self._add(row.name, block, row.measure(moment))

    def _compare(self, quarter: int) -> None:
        """The overlaps of the first two ladders, on every rung."""
        if self.pairs is None:
            return
        gaps = self.spec.N * self.spec.M
        first, second = ([one.chains[c] for c in np.argsort(one.place)] for one in self.ladders[:2])
        for ladder, chains in enumerate((first, second)):
            energy = np.array([chain.violations() for chain in chains]) / gaps
            self.pairs.measure_energy(quarter, ladder, energy)
        self.pairs.measure(
            quarter,
            [
                Moment(self.spec, chain, chain.network(), partner=other.network())
                for chain, other in zip(first, second, strict=True)
            ],
        )

    def _fresh_inputs(self) -> Signs:
        spec = self.spec
        return fresh_inputs(spec.N, spec.test_patterns, self.fresh, self.projection)

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
        if self.teacher.inputs is not None:
            out["inputs"] = self.teacher.inputs
        if self.projection is not None:
            out["projection"] = self.projection
        out |= {f"sums/{name}": values for name, values in self.sums.items()}
        out |= {f"counts/{name}": values for name, values in self.counts.items()}
        if self.pairs is not None:
            out |= {f"pairs/{name}": values for name, values in self.pairs.arrays.items()}
        ladders = [ladder.arrays() for ladder in self.ladders]
        return out | {f"ladder/{n}": np.stack([a[n] for a in ladders]) for n in ladders[0]}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Continue from what `arrays` gave."""
        self.round = int(arrays["round"])
        for name, values in self.arrays().items():
            if name != "round" and not name.startswith("ladder/"):
                values[...] = arrays[name]
        for c, ladder in enumerate(self.ladders):
            ladder.restore(part(arrays, "ladder/", c))
