"""Independent samples of one `Spec`, advanced together and measured at their events.

All that changes lives in arrays: `Simulation.arrays` gives them, ``Simulation(spec, arrays)``
continues from them, and the continued run is bit-identical to an uninterrupted one, however either
was cut into blocks and for any number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replicadnn.montecarlo.chains.start import pilot_step
from replicadnn.montecarlo.chains.state import check_state, saved_graphs
from replicadnn.montecarlo.measure import registry, relaxation
from replicadnn.montecarlo.measure.observable import Values
from replicadnn.montecarlo.runs import statement
from replicadnn.montecarlo.runs.result import MonteCarloResult, RunStatus
from replicadnn.montecarlo.runs.sample import SampleRun
from replicadnn.montecarlo.runs.schedule import make_schedule
from replicadnn.montecarlo.spec import Spec


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
        graphs = zip(seeds, saved_graphs(spec, arrays), strict=True)
        self.samples = [SampleRun.start(spec, self.schedule, s, self.step, g) for s, g in graphs]
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
        spec, values = self.spec, self._values()
        late = values["samples.spin_correlation"]
        collapsed = statement.has_collapsed(spec, late)
        missing = int(np.isnan(values["tau_J"]).sum() + np.isnan(values["tau_S"]).sum())
        chain_sweeps = self.done * spec.samples * spec.replicas
        return MonteCarloResult(
            status=RunStatus.COMPLETE if self.finished else RunStatus.STOPPED,
            message=statement.progress(spec, self.done, self.total, missing, collapsed),
            equilibrium=statement.of_one_start(spec, values["samples.energy"]),
            spec=spec,
            step=self.step,
            sweeps_done=self.done,
            values=values,
            collapsed=collapsed,
            timings={
                "seconds": seconds,
                "sweeps_per_second": chain_sweeps / seconds if seconds > 0 else math.nan,
            },
        )

    def _values(self) -> Values:
        """All arrays of the result, in the order of the registry."""
        times = self.schedule.lags
        values: Values = {"times": times, "series_times": self.schedule.records}
        for curve in registry.CURVES:
            values |= curve.averages(np.stack([s.curves[curve.letter] for s in self.samples]))
        for row in registry.TIMES:
            values |= row.averages(times, values[f"samples_{row.curve}"])
        values |= self._acceptance()
        for recorded in registry.RECORDED:
            records = np.stack([s.series[recorded.name] for s in self.samples])
            values |= recorded.averages(records, relaxation.second_half(records))
        return values

    def _acceptance(self) -> Values:
        """Accepted share of the moves; in the weights sampler no neuron moves by itself: nan."""
        rates = [chain.acceptance() for s in self.samples for chain in s.chains]
        flips = np.mean([r[1] for r in rates], axis=0)
        if len(flips) != self.spec.L - 1:
            flips = np.full(self.spec.L - 1, np.nan)
        return {"acceptance.J": np.mean([r[0] for r in rates], axis=0), "acceptance.S": flips}
