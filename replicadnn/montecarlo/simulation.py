"""Independent samples of one `Spec`, advanced together and measured at their events.

All that changes lives in arrays: `Simulation.arrays` gives them, ``Simulation(spec, arrays)``
continues from them, and the continued run is bit-identical to an uninterrupted one, however either
was cut into blocks and for any number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replicadnn.errors import InputError
from replicadnn.montecarlo import network, overlaps
from replicadnn.montecarlo.gap import GapChain, drawn_signs, seed_generator
from replicadnn.montecarlo.network import Network
from replicadnn.montecarlo.result import HIDDEN_SERIES, SERIES, MonteCarloResult, make_result
from replicadnn.montecarlo.schedule import Event, Schedule, make_schedule
from replicadnn.montecarlo.spec import Potential, Sampler, Spec, Start
from replicadnn.montecarlo.weights import WeightsChain
from replicadnn.problem import Scenario

Array = NDArray[np.float64]
Chain = GapChain | WeightsChain

TARGET_ACCEPTANCE = 0.15
LARGEST_STEP = 1.0


@dataclass(slots=True)
class SampleRun:
    """One data set with its chains (replicas from one starting state) and measurements.

    curves_J (replicas, A, L, T), curves_S (replicas, A, L-1, T), nan where not measured;
    series: name -> (K, L) or (K, L-1); snapshots J0, S0 at the origins; fresh (4, 8): generator of
    the fresh inputs.
    """

    spec: Spec
    schedule: Schedule
    teacher: Network
    chains: list[Chain]
    J0: NDArray[np.float32]
    S0: NDArray[np.int8]
    fresh: NDArray[np.uint64]
    curves_J: Array
    curves_S: Array
    series: dict[str, Array]
    event: int = 0

    @classmethod
    def start(
        cls, spec: Spec, schedule: Schedule, seed: np.random.SeedSequence, step: float
    ) -> SampleRun:
        """Draw data and starting state from ``seed`` and set the chains up."""
        data_seed, *chain_seeds, fresh_seed = seed.spawn(2 + spec.replicas)
        teacher, first = starting_state(spec, data_seed)
        chains = [start_chain(spec, first, child, step) for child in chain_seeds]
        L, N, M = spec.L, spec.N, spec.M
        lead = (spec.replicas, len(schedule.origins))
        T, K = len(schedule.lags), len(schedule.records)
        series = {name: np.full((K, L), np.nan) for name in SERIES}
        series |= {name: np.full((K, L - 1), np.nan) for name in HIDDEN_SERIES}
        return cls(
            spec,
            schedule,
            teacher,
            chains,
            np.zeros((*lead, L, N, N), np.float32),
            np.zeros((*lead, L - 1, N, M), np.int8),
            seed_generator(fresh_seed),
            np.full((*lead, L, T), np.nan),
            np.full((*lead, L - 1, T), np.nan),
            series,
        )

    def run(self, until: int) -> None:
        """Advance to ``until`` sweeps, measuring at every event on the way."""
        events = self.schedule.events
        while self.event < len(events) and events[self.event].time <= until:
            self._advance(events[self.event].time)
            self._measure(events[self.event])
            self.event += 1
        self._advance(until)

    def _advance(self, until: int) -> None:
        for chain in self.chains:
            if chain.done < until:
                chain.advance(until - chain.done)

    def _measure(self, event: Event) -> None:
        nets = [chain.network() for chain in self.chains]
        for c, net in enumerate(nets):
            if event.origin is not None:
                self.J0[c, event.origin] = net.J
                self.S0[c, event.origin] = net.S[1:-1]
            for a, k in event.lags:
                product = net.J * self.J0[c, a]
                self.curves_J[c, a, :, k] = product.mean(axis=(1, 2), dtype=np.float64)
                signs = net.S[1:-1] * self.S0[c, a]
                self.curves_S[c, a, :, k] = signs.mean(axis=(1, 2), dtype=np.float64)
        if event.record is not None:
            self._record(event.record, nets)

    def _record(self, k: int, nets: list[Network]) -> None:
        series, net, chain = self.series, nets[0], self.chains[0]
        series["energy"][k] = chain.violations() / (self.spec.N * self.spec.M)
        series["rms_h"][k] = network.rms_field(net.J, net.S)
        series["spin_correlation"][k] = network.spin_correlation(net.S)
        if self.spec.scenario is Scenario.TEACHER_STUDENT:
            series["R"][k] = overlaps.coupling_overlap(self.teacher, net)
            series["r"][k] = overlaps.neuron_overlap(self.teacher, net)
            matched = overlaps.match(self.teacher, net)
            series["R_matched"][k] = overlaps.coupling_overlap(self.teacher, matched)
            series["r_matched"][k] = overlaps.neuron_overlap(self.teacher, matched)
            if self.spec.test_patterns:
                inputs = drawn_signs((self.spec.N, self.spec.test_patterns), self.fresh)
                student = net if self.spec.start is Start.PLANTED else matched
                series["test_error"][k] = overlaps.disagreement(self.teacher, student, inputs)
        if len(nets) > 1:
            series["Q"][k] = overlaps.coupling_overlap(nets[0], nets[1])
            series["q"][k] = overlaps.neuron_overlap(nets[0], nets[1])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that changes in time, by name."""
        out: dict[str, NDArray[Any]] = {
            "event": np.array(self.event, np.int64),
            "teacher/J": self.teacher.J,
            "teacher/S": self.teacher.S,
            "J0": self.J0,
            "S0": self.S0,
            "fresh": self.fresh,
            "curves_J": self.curves_J,
            "curves_S": self.curves_S,
        }
        out |= {f"series/{name}": values for name, values in self.series.items()}
        chains = [chain.arrays() for chain in self.chains]
        return out | {f"chain/{n}": np.stack([c[n] for c in chains]) for n in chains[0]}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Continue from what `arrays` gave."""
        self.event = int(arrays["event"])
        self.teacher.J[...] = arrays["teacher/J"]
        self.teacher.S[...] = arrays["teacher/S"]
        for name in ("J0", "S0", "fresh", "curves_J", "curves_S"):
            getattr(self, name)[...] = arrays[name]
        for name, values in self.series.items():
            values[...] = arrays[f"series/{name}"]
        for c, chain in enumerate(self.chains):
            chain.restore(part(arrays, "chain/", c))


def starting_state(spec: Spec, seed: np.random.SeedSequence) -> tuple[Network, Network]:
    """(teacher, first state) of one sample; both hold the data in S[0] and S[L].

    Random labels: the "teacher" only carries the data.  Soft potential: a noiseless teacher.
    """
    rng = np.random.default_rng(seed)
    plant = network.plant if spec.sampler is Sampler.GAP else network.plant_outputs
    beta = spec.beta if spec.potential is Potential.COUNT else math.inf
    teacher = plant(spec.L, spec.N, spec.M, beta, rng)
    if spec.scenario is Scenario.RANDOM:
        teacher.S[spec.L] = network.random_signs((spec.N, spec.M), rng)
    if spec.start is Start.PLANTED:
        return teacher, teacher
    return teacher, network.start_random(teacher, rng)


def start_chain(spec: Spec, net: Network, seed: np.random.SeedSequence, step: float) -> Chain:
    """Chain of the sampler that is asked for, at the state ``net``."""
    if spec.sampler is Sampler.GAP:
        return GapChain.start(
            net, seed, beta=spec.beta, kappa=spec.kappa, step=step, potential=str(spec.potential)
        )
    return WeightsChain.start(net, seed, beta=spec.beta, step=step)


def pilot_step(spec: Spec, seed: np.random.SeedSequence, rounds: int = 10) -> float:
    """Step for an acceptance of rotations near 0.15, from a short run that is thrown away.

    One step serves all layers (otherwise tau(l) could not be compared between layers) and all
    samples; it is rounded to two digits.  Starts from the planted state where there is one.
    """
    data_seed, chain_seed = seed.spawn(2)
    teacher, first = starting_state(spec, data_seed)
    planted = spec.scenario is Scenario.TEACHER_STUDENT and spec.kappa == 0.0
    net = teacher if planted and spec.potential is Potential.COUNT else first
    step = 0.3
    chain = start_chain(spec, net, chain_seed, step)
    for _ in range(rounds):
        chain.counters[:] = 0
        before = chain.done
        chain.advance(20)
        rate = chain.counters[: spec.L].sum() / ((chain.done - before) * spec.L * spec.N**2)
        step = min(LARGEST_STEP, step * float(np.clip(rate / TARGET_ACCEPTANCE, 0.3, 3.0)))
        chain.step = step
    return float(f"{step:.2g}")


def part(arrays: Mapping[str, NDArray[Any]], prefix: str, index: int) -> dict[str, NDArray[Any]]:
    """Entry ``index`` of the arrays whose names begin with ``prefix``, without it."""
    return {n.removeprefix(prefix): a[index] for n, a in arrays.items() if n.startswith(prefix)}


def check_state(own: Mapping[str, NDArray[Any]], given: Mapping[str, NDArray[Any]]) -> None:
    """Raise InputError unless ``given`` has the names, shapes and types of ``own``."""
    for name in sorted(own.keys() | given.keys()):
        expected = f"{own[name].dtype}{own[name].shape}" if name in own else "absent"
        found = f"{given[name].dtype}{np.shape(given[name])}" if name in given else "absent"
        if expected != found:
            raise InputError("state", f"{name}: {found}", f"must be {expected} (other parameters?)")


# --- all samples ---------------------------------------------------------------------------


class Simulation:
    """Independent samples of one Spec, advanced together.

    ``Simulation(spec)`` starts; ``Simulation(spec, arrays)`` continues from saved `arrays`.
    """

    def __init__(self, spec: Spec, arrays: Mapping[str, NDArray[Any]] | None = None) -> None:
        self.spec = spec
        self.schedule = make_schedule(spec)
        root = np.random.SeedSequence(spec.seed)
        pilot_seed, *seeds = root.spawn(1 + spec.samples)
        if arrays is not None:
            self.step = float(arrays["step"])
        else:
            self.step = spec.step if spec.step is not None else pilot_step(spec, pilot_seed)
        self.samples = [SampleRun.start(spec, self.schedule, s, self.step) for s in seeds]
        if arrays is not None:
            check_state(self.arrays(), arrays)
            for k, sample in enumerate(self.samples):
                sample.restore({n: a[k] for n, a in arrays.items() if n != "step"})

    @property
    def total(self) -> int:
        """Sweeps of a complete run."""
        return self.spec.burn_in + self.spec.sweeps

    @property
    def done(self) -> int:
        """Sweeps made by every chain."""
        return min(chain.done for sample in self.samples for chain in sample.chains)

    @property
    def finished(self) -> bool:
        """Have all chains made all sweeps and measurements?"""
        n = len(self.schedule.events)
        return self.done >= self.total and all(s.event == n for s in self.samples)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The whole changing state: name -> array, first axis the sample; and the step."""
        parts = [sample.arrays() for sample in self.samples]
        out = {name: np.stack([p[name] for p in parts]) for name in parts[0]}
        return out | {"step": np.array(self.step)}

    def run(self, until: int, pool: ThreadPoolExecutor | None = None) -> None:
        """Advance every sample to ``until`` sweeps, on the threads of ``pool``."""
        if pool is None:
            for sample in self.samples:
                sample.run(until)
        else:
            list(pool.map(lambda sample: sample.run(until), self.samples))

    def result(self, seconds: float = 0.0) -> MonteCarloResult:
        """Averages and errors of what has been measured so far."""
        return make_result(self, seconds)
