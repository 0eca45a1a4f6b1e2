"""Independent samples of one `Spec`, advanced together and measured at their events.

All that changes lives in arrays: `Simulation.arrays` gives them, ``Simulation(spec, arrays)``
continues from them, and the continued run is bit-identical to an uninterrupted one, however either
was cut into blocks and for any number of threads.  The arrays may be those of a run for which fewer
sweeps had been asked, or more than are made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replicadnn.errors import InputError
from replicadnn.montecarlo.chains.start import pilot_step
from replicadnn.montecarlo.chains.state import check_state, saved_graphs
from replicadnn.montecarlo.measure import registry
from replicadnn.montecarlo.measure.observable import Records, Values
from replicadnn.montecarlo.runs import statement
from replicadnn.montecarlo.runs.result import MonteCarloResult, RunStatus
from replicadnn.montecarlo.runs.sample import SampleRun
from replicadnn.montecarlo.runs.schedule import make_schedule
from replicadnn.montecarlo.spec import Spec

#: Number of the rules by which a run is measured, part of the state: 1, without a number, had
#: times that depend on the length of the run.
SCHEDULE = 2
_SHARED = ("step", "schedule")
#: First parts of the names of arrays of the state that a longer run has longer, and their axis.
_GROWS = {"series": 1, "curves_J": 4, "curves_S": 4}


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
            arrays = self._fitted(arrays)
            check_state(self.arrays(), arrays)
            for k, sample in enumerate(self.samples):
                sample.restore({n: a[k] for n, a in arrays.items() if n not in _SHARED})
            if self.done > self.total:
                raise InputError(
                    "sweeps", spec.sweeps, f"at least {self.done - spec.burn_in}, which are made"
                )

    def _fitted(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Series and curves as long as this run's: what is not measured is nan anyway."""
        if "schedule" not in arrays:
            raise InputError(
                "state", "of an earlier version", "begun by this one (measured at other times)"
            )
        out = dict(arrays)
        for name, own in self.arrays().items():
            axis = _GROWS.get(name.partition("/")[0])
            given = out.get(name)
            if axis is None or given is None or given.ndim != own.ndim:
                continue
            there = given.swapaxes(0, axis)[: own.shape[axis]]
            new = np.full_like(own.swapaxes(0, axis), np.nan)
            if there.shape[1:] == new.shape[1:]:
                new[: len(there)] = there
                out[name] = np.ascontiguousarray(new.swapaxes(0, axis))
        return out

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
        return out | {"step": np.array(self.step), "schedule": np.array(SCHEDULE)}

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
        chain_sweeps = self.done * spec.samples * spec.replicas
        return MonteCarloResult(
            status=RunStatus.COMPLETE if self.finished else RunStatus.STOPPED,
            message=statement.progress(spec, self.done, self.total, values, collapsed),
            equilibrium=statement.of_one_start(spec, values),
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
        spec, schedule = self.spec, self.schedule
        end = max(0, self.done - spec.burn_in)
        used = schedule.used(end)
        places = [origin.place for origin in used]
        values: Values = {
            "times": schedule.lags,
            "series_times": spec.burn_in + schedule.records,
            "origin_times": np.array([spec.burn_in + origin.time for origin in used], np.int64),
        }
        for curve in registry.CURVES:
            kept = np.stack([s.curves[curve.letter] for s in self.samples])
            curves = kept[:, :, places].mean(axis=1)  # over replicas
            values |= curve.averages(curves)
            for time in registry.TIMES:
                if time.curve == curve.name:
                    values |= time.averages(schedule.lags, curves, spec.start)
        values |= self._acceptance()
        for row in registry.RECORDED:
            series = np.stack([s.series[row.name] for s in self.samples])
            records = Records(series, schedule.records, end, spec.start, burn_in=spec.burn_in)
            values |= row.averages(records)
        return values

    def _acceptance(self) -> Values:
        """Accepted share of the moves; in the weights sampler no neuron moves by itself: nan."""
        rates = [chain.acceptance() for s in self.samples for chain in s.chains]
        flips = np.mean([r[1] for r in rates], axis=0)
        if len(flips) != self.spec.L - 1:
            flips = np.full(self.spec.L - 1, np.nan)
        return {"acceptance.J": np.mean([r[0] for r in rates], axis=0), "acceptance.S": flips}
