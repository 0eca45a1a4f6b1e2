"""Replica exchange over independent data sets.

C(l, t) is not measured: where states swap between temperatures the time of a chain is not the time
of a dynamics at one temperature.  Measured are equilibrium averages on the highest rung.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replicadnn import interrupt
from replicadnn.errors import InputError
from replicadnn.montecarlo.chains.start import pilot_step
from replicadnn.montecarlo.chains.state import check_state, saved_graphs
from replicadnn.montecarlo.measure import distribution, registry
from replicadnn.montecarlo.measure.equilibrium import Verdict
from replicadnn.montecarlo.measure.observable import Records, Values
from replicadnn.montecarlo.runs import statement
from replicadnn.montecarlo.runs.drive import drive
from replicadnn.montecarlo.runs.ladder_sample import LadderSample
from replicadnn.montecarlo.runs.result import RunStatus, TemperingResult
from replicadnn.montecarlo.spec import Exchange, Spec, check_ladder, make_spec
from replicadnn.validate import whole


def geometric_ladder(low: float, high: float, n: int) -> tuple[float, ...]:
    """Ladder of n inverse temperatures from ``low`` to ``high``, equal ratios."""
    return tuple(float(b) for b in np.geomspace(low, high, n))


class Tempering:
    """Independent samples of one Spec, each with ladders; resumable like a `Simulation`."""

    def __init__(
        self,
        spec: Spec,
        exchange: Exchange,
        arrays: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        self.spec, self.exchange = spec, exchange
        root = np.random.SeedSequence(spec.seed)
        pilot_seed, *seeds = root.spawn(1 + spec.samples)
        if arrays is None:
            steps = rung_steps(spec, exchange.betas, pilot_seed)
        else:
            steps = tuple(float(s) for s in arrays["steps"])
        self.steps = steps
        graphs = zip(seeds, saved_graphs(spec, arrays), strict=True)
        self.samples = [LadderSample.start(spec, exchange, steps, s, g) for s, g in graphs]
        if arrays is not None:
            if spec.replicas > 1 and "pairs/rounds" not in arrays:
                what = "begun by this one (it kept no distributions of overlaps)"
                raise InputError("state", "of an earlier version", what)
            check_state(self.arrays(), arrays)
            for k, sample in enumerate(self.samples):
                sample.restore({n: a[k] for n, a in arrays.items() if n != "steps"})

    @property
    def done(self) -> int:
        """Rounds made by every sample."""
        return min(sample.round for sample in self.samples)

    @property
    def total(self) -> int:
        """Rounds of a complete run."""
        return self.exchange.rounds

    @property
    def finished(self) -> bool:
        """Have all samples made all rounds?"""
        return self.done >= self.exchange.rounds

    def run(self, until: int, pool: ThreadPoolExecutor | None = None) -> None:
        """Advance every sample to ``until`` rounds."""

        def advance(sample: LadderSample) -> None:
            sample.run(min(until, self.exchange.rounds), self.exchange.every)

        list(pool.map(advance, self.samples) if pool else map(advance, self.samples))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The whole changing state: name -> array, first axis the sample; and the steps."""
        parts = [sample.arrays() for sample in self.samples]
        out = {name: np.stack([p[name] for p in parts]) for name in parts[0]}
        return out | {"steps": np.array(self.steps)}

    def result(self, seconds: float = 0.0) -> TemperingResult:
        """Averages over the second half of the rounds made so far."""
        names = [row.name for row in registry.LADDER]
        records = {name: np.stack([s.series(name) for s in self.samples]) for name in names}
        late = {name: np.stack([s.late(name) for s in self.samples]) for name in names}
        blocks = records["energy"].shape[1]
        values = self._of_ladders(blocks - 1)
        verdict, why = Verdict.NOT_SHOWN, "not shown: no round has been made"
        if self.done:
            trips = values["round_trips"]
            verdict, why = statement.of_ladders(self.spec, records, late, trips)
        made = int(np.count_nonzero(~np.isnan(records["energy"]).any(axis=(0, 2)))) - 1
        shown = verdict is Verdict.SHOWN
        for row in registry.LADDER:
            series = records[row.name]
            found = Records(series, np.arange(blocks), made, self.spec.start, shown)
            values |= row.averages(found, late[row.name])
        values |= self._of_pairs(shown, values["round_trips"])
        collapsed = statement.has_collapsed(self.spec, late["spin_correlation"])
        if collapsed:
            why += "; a layer has collapsed (copies of one neuron)"
        return TemperingResult(
            status=RunStatus.COMPLETE if self.finished else RunStatus.STOPPED,
            message=why,
            equilibrium=why,
            spec=self.spec,
            exchange=self.exchange,
            rounds_done=self.done,
            values=values,
            collapsed=collapsed,
            verdict=verdict,
            timings={"seconds": seconds},
        )

    def _of_ladders(self, blocks: int) -> Values:
        """What belongs to the ladders, not to the highest rung."""
        ladders = [ladder for sample in self.samples for ladder in sample.ladders]
        tries = np.sum([x.tries for x in ladders], axis=0)
        swaps = np.sum([x.swaps for x in ladders], axis=0)
        ends = -(-np.arange(blocks + 1) * self.exchange.rounds // blocks)
        trips = np.array([[x.trips.sum() for x in s.ladders] for s in self.samples])
        return {
            "betas": np.array(self.exchange.betas),
            "series_times": ends * self.exchange.every,
            "steps": np.array(self.steps),
            "swap_acceptance": np.where(tries > 0, swaps / np.maximum(tries, 1), np.nan),
            "round_trips": trips.min(axis=1),
            "energy": np.mean([s.late("rungs") for s in self.samples], axis=0),
        }

    def _of_pairs(self, shown: bool, trips: NDArray[np.int64]) -> Values:
        """Distributions of the overlaps of two ladders, on every rung."""
        pairs = [sample.pairs for sample in self.samples if sample.pairs is not None]
        rungs = len(self.exchange.betas)
        if not pairs:
            out: Values = {"overlap": np.empty(0)}
            for row in registry.PAIRS:
                out |= row.nothing(self.spec.samples, rungs, self.spec.L)
            return out
        out = {"overlap": distribution.bin_centres()}
        trusted = distribution.energies_agree(pairs) & (trips.min() >= statement.MIN_ROUND_TRIPS)
        for row in registry.PAIRS:
            out |= row.averages(pairs, trusted, shown)
        return out


def rung_steps(
    spec: Spec, betas: Sequence[float], seed: np.random.SeedSequence
) -> tuple[float, ...]:
    """Step of every rung from a short pilot run at its beta."""
    if spec.step is not None:
        return tuple(spec.step for _ in betas)
    children = seed.spawn(len(betas))
    return tuple(pilot_step(replace(spec, beta=b), s) for b, s in zip(betas, children, strict=True))


@interrupt.safely()
def temper(
    alpha: float,
    L: int,
    *,
    N: int,
    betas: Sequence[float],
    rounds: int = 1000,
    every: int = 10,
    threads: int = 1,
    state: Mapping[str, NDArray[Any]] | None = None,
    checkpoint: Callable[[Tempering], None] | None = None,
    stop: Callable[[], bool] | None = None,
    **arguments: Any,
) -> TemperingResult:
    """Replica exchange on the ladder ``betas``; the data belong to its largest beta.

    rounds, every : number of rounds, and sweeps before each attempt to swap.
    state, checkpoint, stop : as in `simulate`.
    arguments : scenario, sampler, kappa, samples, start, seed, step, replicas, potential,
        test_patterns as in `simulate`; replicas is the number of ladders on each data set.
    """
    ladder = check_ladder(betas)
    rounds, every = whole("rounds", rounds, 1, 10**9), whole("every", every, 1, 10**9)
    spec = make_spec(alpha, L, N=N, beta=ladder[-1], sweeps=rounds * every, **arguments)
    job = Tempering(spec, Exchange(ladder, rounds, every), state)
    begin = time.perf_counter()
    drive(job, whole("threads", threads, 1, 4096), checkpoint=checkpoint, stop=stop)
    return job.result(time.perf_counter() - begin)
