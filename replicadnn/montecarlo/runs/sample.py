"""One data set with its chains: advanced from event to event, measured at each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replicadnn.montecarlo.chains.common import fresh_inputs, seed_generator
from replicadnn.montecarlo.chains.start import (
    Chain,
    sample_projection,
    start_chain,
    starting_state,
)
from replicadnn.montecarlo.chains.state import part
from replicadnn.montecarlo.connectivity import Inputs, Signs
from replicadnn.montecarlo.latent import Projection
from replicadnn.montecarlo.measure import registry
from replicadnn.montecarlo.measure.observable import Moment
from replicadnn.montecarlo.network import Network
from replicadnn.montecarlo.runs.schedule import Event, Schedule
from replicadnn.montecarlo.spec import Spec, Start
from replicadnn.problem import Scenario

Array = NDArray[np.float64]


@dataclass(slots=True, kw_only=True)
class SampleRun:
    """One data set with its chains (replicas from one starting state) and measurements.

    curves: letter -> (replicas, P, layers, T), nan where not measured; origins: letter -> states,
    (replicas, P, layers, N, anything), at the origins that have the P places of the schedule now;
    series: name -> (K, layers); fresh (4, 8): generator of the fresh inputs; projection (N, D): F
    of the inputs, None where they are independent.
    """

    spec: Spec
    schedule: Schedule
    teacher: Network
    chains: list[Chain]
    fresh: NDArray[np.uint64]
    projection: Projection | None
    origins: dict[str, NDArray[Any]]
    curves: dict[str, Array]
    series: dict[str, Array]
    event: int = 0

    @classmethod
    def start(
        cls,
        spec: Spec,
        schedule: Schedule,
        seed: np.random.SeedSequence,
        step: float,
        inputs: Inputs | None = None,
    ) -> SampleRun:
        """Draw data and starting state from ``seed`` and set the chains up.

        inputs : the graph, drawn from ``seed`` too unless given.
        """
        data_seed, *chain_seeds, fresh_seed = seed.spawn(2 + spec.replicas)
        teacher, first = starting_state(spec, data_seed, inputs)
        chains = [start_chain(spec, first, child, step) for child in chain_seeds]
        lead = (spec.replicas, schedule.places)
        T, K = len(schedule.lags), len(schedule.records)
        states = {row.letter: row.state(first) for row in registry.CURVES}
        return cls(
            spec=spec,
            schedule=schedule,
            teacher=teacher,
            chains=chains,
            fresh=seed_generator(fresh_seed),
            projection=sample_projection(spec, data_seed),
            origins={name: np.zeros((*lead, *x.shape), x.dtype) for name, x in states.items()},
            curves={
                row.letter: np.full((*lead, row.layers.number(spec.L), T), np.nan)
                for row in registry.CURVES
            },
            series={
                row.name: np.full((K, row.layers.number(spec.L)), np.nan)
                for row in registry.RECORDED
            },
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
        for row in registry.CURVES:
            origins, curves = self.origins[row.letter], self.curves[row.letter]
            for c, net in enumerate(nets):
                if event.origin is not None:
                    origins[c, event.origin] = row.state(net)
                    curves[c, event.origin] = np.nan  # those of the origin that was there before
                for a, k in event.lags:
                    curves[c, a, :, k] = row.correlation(net, origins[c, a])
        if event.record is not None:
            self.record(event.record, nets)

    def record(self, k: int, nets: list[Network]) -> None:
        """Record ``k`` of every observable that can be measured; nets: one a chain."""
        spec = self.spec
        moment = Moment(
            spec,
            self.chains[0],
            nets[0],
            teacher=self.teacher if spec.scenario is Scenario.TEACHER_STUDENT else None,
            partner=nets[1] if len(nets) > 1 else None,
            fresh=self._fresh_inputs if spec.test_patterns else None,
            own_labels=spec.start is Start.PLANTED,
        )
        for row in registry.RECORDED:
            if moment.has(row.needs):
                self.series[row.name][k] = row.measure(moment)

    def _fresh_inputs(self) -> Signs:
        spec = self.spec
        return fresh_inputs(spec.N, spec.test_patterns, self.fresh, self.projection)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that changes in time, by name."""
        out: dict[str, NDArray[Any]] = {
            "event": np.array(self.event, np.int64),
            "teacher/J": self.teacher.J,
            "teacher/S": self.teacher.S,
            "fresh": self.fresh,
        }
        if self.teacher.inputs is not None:
            out["inputs"] = self.teacher.inputs
        if self.projection is not None:
            out["projection"] = self.projection
        out |= {f"{letter}0": states for letter, states in self.origins.items()}
        out |= {f"curves_{letter}": curves for letter, curves in self.curves.items()}
        out |= {f"series/{name}": values for name, values in self.series.items()}
        chains = [chain.arrays() for chain in self.chains]
        return out | {f"chain/{n}": np.stack([c[n] for c in chains]) for n in chains[0]}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Continue from what `arrays` gave."""
        self.event = int(arrays["event"])
        own = self.arrays()
        for name, values in own.items():
            if name != "event" and not name.startswith("chain/"):
                values[...] = arrays[name]
        for c, chain in enumerate(self.chains):
            chain.restore(part(arrays, "chain/", c))
