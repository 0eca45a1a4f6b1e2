"""Replica exchange: chains at a ladder of inverse temperatures swap places.

After every ``every`` sweeps neighbouring rungs (even and odd pairs in turn) exchange their states
with probability min(1, exp((beta_i - beta_j)(H_i - H_j))), which keeps the product of the
Boltzmann distributions.  A round trip is a chain's way from the lowest rung to the highest and
back.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replicadnn.errors import InputError
from replicadnn.kernels.random import fill_u32
from replicadnn.montecarlo import overlaps
from replicadnn.montecarlo.drive import drive
from replicadnn.montecarlo.equilibrium import Verdict, halves_agree
from replicadnn.montecarlo.gap import seed_generator
from replicadnn.montecarlo.network import Network, start_random
from replicadnn.montecarlo.result import RunStatus, plain
from replicadnn.montecarlo.simulation import (
    Chain,
    check_state,
    pilot_step,
    start_chain,
    starting_state,
)
from replicadnn.montecarlo.spec import Spec, Start, make_spec
from replicadnn.problem import Scenario, whole

Array = NDArray[np.float64]
MIN_ROUND_TRIPS = 5


def geometric_ladder(low: float, high: float, n: int) -> tuple[float, ...]:
    """Ladder of n inverse temperatures from ``low`` to ``high``, equal ratios."""
    return tuple(float(b) for b in np.geomspace(low, high, n))


@dataclass(slots=True)
class Ladder:
    """One data set with a chain on every rung.

    chains[c] sits on rung place[c]; rung K-1 is the largest beta.  trip[c]: -1 since the bottom, 1
    since the top after the bottom, 0 before the bottom; trips[c]: completed round trips; tries,
    swaps (K-1,).  energy (rounds, K, L) by rung; R, r: matched teacher overlaps of the top rung.
    """

    spec: Spec
    betas: tuple[float, ...]
    steps: tuple[float, ...]
    chains: list[Chain]
    teacher: Network
    rng: NDArray[np.uint64]
    place: NDArray[np.int64]
    trip: NDArray[np.int64]
    trips: NDArray[np.int64]
    tries: NDArray[np.int64]
    swaps: NDArray[np.int64]
    energy: Array
    R: Array
    r: Array
    round: int = 0

    @classmethod
    def start(
        cls,
        spec: Spec,
        betas: tuple[float, ...],
        steps: tuple[float, ...],
        rounds: int,
        seed: np.random.SeedSequence,
    ) -> Ladder:
        """Every rung from the starting state of ``spec``; random starts differ between rungs."""
        K, L = len(betas), spec.L
        data_seed, swap_seed, *seeds = seed.spawn(2 + K)
        teacher, first = starting_state(spec, data_seed)
        chains = []
        for k, child in enumerate(seeds):
            net = first
            if spec.start is Start.RANDOM:
                net = start_random(teacher, np.random.default_rng(child.spawn(1)[0]))
            chain = start_chain(spec, net, child, steps[k])
            chain.beta = betas[k]
            chains.append(chain)
        return cls(
            spec, betas, steps, chains, teacher, seed_generator(swap_seed),
            np.arange(K), np.zeros(K, np.int64), np.zeros(K, np.int64),
            np.zeros(K - 1, np.int64), np.zeros(K - 1, np.int64),
            np.full((rounds, K, L), np.nan), np.full((rounds, L), np.nan),
            np.full((rounds, L - 1), np.nan),
        )  # fmt: skip

    def run(self, rounds: int, every: int) -> None:
        """``rounds`` more rounds of ``every`` sweeps and one attempt for half of the pairs."""
        for _ in range(rounds):
            for chain in self.chains:
                chain.advance(every)
            self._swap(self.round % 2)
            self._mark_ends()
            self._record(self.round)
            self.round += 1

    def _swap(self, parity: int) -> None:
        u = np.empty((len(self.betas) + 15) // 16 * 16, np.uint32)
        fill_u32(self.rng, u, len(u))
        on_rung = np.argsort(self.place)
        for k in range(parity, len(self.betas) - 1, 2):
            a, b = on_rung[k], on_rung[k + 1]
            cost = (self.betas[k + 1] - self.betas[k]) * (
                self.chains[b].energy() - self.chains[a].energy()
            )
            self.tries[k] += 1
            if cost >= 0.0 or (float(u[k]) + 0.5) * 2.0**-32 < math.exp(cost):
                self.swaps[k] += 1
                self.place[a], self.place[b] = k + 1, k
        for chain, k in zip(self.chains, self.place, strict=True):
            chain.beta, chain.step = self.betas[k], self.steps[k]

    def _mark_ends(self) -> None:
        top, bottom = np.argmax(self.place), np.argmin(self.place)
        if self.trip[top] == -1:
            self.trip[top] = 1
        if self.trip[bottom] == 1:
            self.trips[bottom] += 1
        self.trip[bottom] = -1

    def _record(self, k: int) -> None:
        gaps = self.spec.N * self.spec.M
        for chain, rung in zip(self.chains, self.place, strict=True):
            self.energy[k, rung] = chain.violations() / gaps
        if self.spec.scenario is Scenario.TEACHER_STUDENT:
            top = self.chains[int(np.argmax(self.place))].network()
            matched = overlaps.match(self.teacher, top)
            self.R[k] = overlaps.coupling_overlap(self.teacher, matched)
            self.r[k] = overlaps.neuron_overlap(self.teacher, matched)

    _FIELDS = ("rng", "place", "trip", "trips", "tries", "swaps", "energy", "R", "r")

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that changes in time, by name."""
        out: dict[str, NDArray[Any]] = {name: getattr(self, name) for name in self._FIELDS}
        out["round"] = np.array(self.round, np.int64)
        out |= {"teacher/J": self.teacher.J, "teacher/S": self.teacher.S}
        chains = [chain.arrays() for chain in self.chains]
        return out | {f"chain/{n}": np.stack([c[n] for c in chains]) for n in chains[0]}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Continue from what `arrays` gave."""
        for name in self._FIELDS:
            getattr(self, name)[...] = arrays[name]
        self.round = int(arrays["round"])
        self.teacher.J[...] = arrays["teacher/J"]
        self.teacher.S[...] = arrays["teacher/S"]
        names = [n.removeprefix("chain/") for n in arrays if n.startswith("chain/")]
        for c, chain in enumerate(self.chains):
            chain.restore({n: arrays[f"chain/{n}"][c] for n in names})
            chain.beta, chain.step = self.betas[self.place[c]], self.steps[self.place[c]]


class Tempering:
    """Independent ladders (samples) of one Spec; resumable like `run.Simulation`."""

    def __init__(
        self,
        spec: Spec,
        betas: Sequence[float],
        rounds: int,
        every: int,
        arrays: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        self.spec, self.betas = spec, tuple(float(b) for b in betas)
        self.rounds, self.every = rounds, every
        root = np.random.SeedSequence(spec.seed)
        pilot_seed, *seeds = root.spawn(1 + spec.samples)
        if arrays is None:
            steps = rung_steps(spec, self.betas, pilot_seed)
        else:
            steps = tuple(float(s) for s in arrays["steps"])
        self.steps = steps
        self.ladders = [Ladder.start(spec, self.betas, steps, rounds, s) for s in seeds]
        if arrays is not None:
            check_state(self.arrays(), arrays)
            for k, ladder in enumerate(self.ladders):
                ladder.restore({n: a[k] for n, a in arrays.items() if n != "steps"})

    @property
    def done(self) -> int:
        """Rounds made by every ladder."""
        return min(ladder.round for ladder in self.ladders)

    @property
    def total(self) -> int:
        """Rounds of a complete run."""
        return self.rounds

    @property
    def finished(self) -> bool:
        """Have all ladders made all rounds?"""
        return self.done >= self.rounds

    def run(self, until: int, pool: ThreadPoolExecutor | None = None) -> None:
        """Advance every ladder to ``until`` rounds."""

        def advance(ladder: Ladder) -> None:
            ladder.run(max(0, min(until, self.rounds) - ladder.round), self.every)

        list(pool.map(advance, self.ladders) if pool else map(advance, self.ladders))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The whole changing state: name -> array, first axis the sample; and the steps."""
        parts = [ladder.arrays() for ladder in self.ladders]
        out = {name: np.stack([p[name] for p in parts]) for name in parts[0]}
        return out | {"steps": np.array(self.steps)}

    def result(self, seconds: float = 0.0) -> TemperingResult:
        """Averages over the second half of the rounds made so far; nan before the first."""
        n = self.done
        if n == 0:
            return self._nothing_yet(seconds)
        late = slice(n // 2, n)
        energy = np.stack([x.energy[:n] for x in self.ladders])  # (samples, rounds, K, L)
        R = np.stack([x.R[:n] for x in self.ladders])
        r = np.stack([x.r[:n] for x in self.ladders])
        tries = np.sum([x.tries for x in self.ladders], axis=0)
        swaps = np.sum([x.swaps for x in self.ladders], axis=0)
        trips = np.array([x.trips.sum() for x in self.ladders])
        samples = {
            "energy": energy[:, late, -1].mean(axis=1),
            "R_matched": R[:, late].mean(axis=1),
            "r_matched": r[:, late].mean(axis=1),
        }
        verdict, why = _stationary(energy[:, :, -1], trips)
        return TemperingResult(
            status=RunStatus.COMPLETE if self.finished else RunStatus.STOPPED,
            params=self.parameters(),
            rounds_done=n,
            betas=np.array(self.betas),
            steps=np.array(self.steps),
            swap_acceptance=swaps / np.maximum(tries, 1),
            round_trips=trips,
            energy=energy[:, late].mean(axis=(0, 1)),
            R_matched=samples["R_matched"].mean(axis=0),
            r_matched=samples["r_matched"].mean(axis=0),
            samples=samples,
            verdict=verdict,
            message=why,
            timings={"seconds": seconds},
        )

    def parameters(self) -> dict[str, Any]:
        """Parameters of the Spec, and the ladder."""
        ladder = {"betas": list(self.betas), "rounds": self.rounds, "every": self.every}
        return self.spec.parameters() | ladder

    def _nothing_yet(self, seconds: float) -> TemperingResult:
        K, L, n = len(self.betas), self.spec.L, self.spec.samples
        return TemperingResult(
            status=RunStatus.STOPPED,
            params=self.parameters(),
            rounds_done=0,
            betas=np.array(self.betas),
            steps=np.array(self.steps),
            swap_acceptance=np.full(K - 1, np.nan),
            round_trips=np.zeros(n, np.int64),
            energy=np.full((K, L), np.nan),
            R_matched=np.full(L, np.nan),
            r_matched=np.full(L - 1, np.nan),
            samples={
                "energy": np.full((n, L), np.nan),
                "R_matched": np.full((n, L), np.nan),
                "r_matched": np.full((n, L - 1), np.nan),
            },
            verdict=Verdict.NOT_SHOWN,
            message="not shown: no round has been made",
            timings={"seconds": seconds},
        )


@dataclass(frozen=True, slots=True)
class TemperingResult:
    """energy (K, L): violated fraction by rung and layer; overlaps at the largest beta.

    swap_acceptance (K-1,); round_trips (samples,); samples: name -> (samples, layers) at the
    largest beta, for `equilibrium.compare` with a run from the other side.
    """

    status: RunStatus
    params: dict[str, Any]
    rounds_done: int
    betas: Array
    steps: Array
    swap_acceptance: Array
    round_trips: NDArray[np.int64]
    energy: Array
    R_matched: Array
    r_matched: Array
    samples: dict[str, Array]
    verdict: Verdict
    message: str
    timings: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers; nan becomes None."""
        keys = (
            "status", "params", "rounds_done", "betas", "steps", "swap_acceptance", "round_trips",
            "energy", "R_matched", "r_matched", "verdict", "message", "timings",
        )  # fmt: skip
        return {key: plain(getattr(self, key)) for key in keys}


def _stationary(energy: Array, trips: NDArray[np.int64]) -> tuple[Verdict, str]:
    """Statement from one side alone: drift at the top rung, and round trips."""
    p = halves_agree(energy)
    if p < 0.01:
        return Verdict.REFUTED, f"refuted: the top rung still drifts (p = {p:.2g})"
    if np.isnan(p) or trips.min() < MIN_ROUND_TRIPS:
        few = f"{int(trips.min())} round trips in the slowest sample"
        return Verdict.NOT_SHOWN, f"not shown: {few}; {MIN_ROUND_TRIPS} are asked for"
    return Verdict.SHOWN, (
        f"shown: no drift at the top rung (p = {p:.2g}), at least {int(trips.min())} round trips; "
        "compare with a planted start where there is one"
    )


def rung_steps(
    spec: Spec, betas: Sequence[float], seed: np.random.SeedSequence
) -> tuple[float, ...]:
    """Step of every rung from a short pilot run at its beta."""
    if spec.step is not None:
        return tuple(spec.step for _ in betas)
    children = seed.spawn(len(betas))
    return tuple(pilot_step(replace(spec, beta=b), s) for b, s in zip(betas, children, strict=True))


def check_ladder(betas: Sequence[float]) -> tuple[float, ...]:
    """Ascending, positive, finite, at least two; raises InputError."""
    ladder = tuple(float(b) for b in betas)
    ascending = all(a < b for a, b in itertools.pairwise(ladder))
    if len(ladder) < 2 or not ascending or not all(0 < b < math.inf for b in ladder):
        raise InputError("tempering", list(betas), "two or more ascending finite numbers above 0")
    return ladder


def temper(
    L: int,
    N: int,
    alpha: float,
    *,
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
    arguments : scenario, sampler, kappa, samples, start, seed, step as in `simulate`.
    """
    ladder = check_ladder(betas)
    rounds, every = whole("rounds", rounds, 1, 10**9), whole("every", every, 1, 10**9)
    spec = make_spec(L, N, alpha, beta=ladder[-1], sweeps=rounds * every, **arguments)
    job = Tempering(spec, ladder, rounds, every, state)
    begin = time.perf_counter()
    drive(job, whole("threads", threads, 1, 4096), checkpoint=checkpoint, stop=stop)
    return job.result(time.perf_counter() - begin)
