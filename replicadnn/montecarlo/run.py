"""Front end of the sampler: `simulate` runs independent samples and returns one result.

A run is a fixed list of events (measurement times) per sample.  All that changes lives in arrays:
`Simulation.arrays` gives them, `Simulation.restore` continues from them, and the continued run is
bit-identical to an uninterrupted one, however either was cut into blocks and for any number of
threads.
"""

from __future__ import annotations

import enum
import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from replicadnn.errors import FileError, InputError
from replicadnn.montecarlo import network, overlaps, relaxation
from replicadnn.montecarlo.equilibrium import TwoSided, compare
from replicadnn.montecarlo.gap import GapChain
from replicadnn.montecarlo.network import Network
from replicadnn.montecarlo.weights import WeightsChain
from replicadnn.problem import Scenario, choice, real, whole

Array = NDArray[np.float64]
Chain = GapChain | WeightsChain

N_RECORDS = 64
TARGET_ACCEPTANCE = 0.15
LARGEST_STEP = 1.0
COLLAPSE = 0.9
BLOCK_SECONDS = 0.5
DEFAULT_BETA = 3.0


class Sampler(enum.StrEnum):
    """``gap``: couplings and hidden neurons move.  ``weights``: couplings move, neurons follow."""

    GAP = "gap"
    WEIGHTS = "weights"


class Start(enum.StrEnum):
    """``planted``: an exact equilibrium sample.  ``random``: random couplings and neurons."""

    PLANTED = "planted"
    RANDOM = "random"


class Potential(enum.StrEnum):
    """``count``: v = theta(kappa - r).  ``soft``: v = (kappa - r)^2 theta(kappa - r) / 2.

    With the soft potential r = 0 costs nothing: at large beta the gaps crowd at 0 and whole layers
    become copies of one neuron.  Look at ``collapsed``, ``rms_h`` and ``spin_correlation``.
    """

    COUNT = "count"
    SOFT = "soft"


class RunStatus(enum.StrEnum):
    """``complete``; ``stopped``: by time limit or request, continue from the saved state."""

    COMPLETE = "complete"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Spec:
    """What is asked of a run; two runs with equal Spec are bit-identical.

    M = alpha N rounded; ``alpha`` is the value after rounding, M / N.
    step None: chosen by a short pilot run for an acceptance of rotations of about 0.15.
    origins : number of measurement origins; replicas : chains from each starting state.
    """

    L: int
    N: int
    M: int
    scenario: Scenario
    sampler: Sampler
    beta: float
    kappa: float
    sweeps: int
    samples: int
    start: Start
    seed: int
    burn_in: int
    origins: int
    replicas: int
    per_decade: int
    step: float | None
    potential: Potential

    @property
    def alpha(self) -> float:
        """M / N."""
        return self.M / self.N

    def parameters(self) -> dict[str, Any]:
        """Plain numbers and strings, beta = inf as the string "inf"."""
        out = asdict(self)
        out["alpha"] = self.alpha
        for name in ("scenario", "sampler", "start", "potential"):
            out[name] = str(out[name])
        if math.isinf(self.beta):
            out["beta"] = "inf"
        return out


def default_beta(L: int, potential: str = "count") -> float:
    """Hard constraint where single moves can respect it (L = 1), else 3."""
    return math.inf if L == 1 and potential != Potential.SOFT else DEFAULT_BETA


def make_spec(
    L: int,
    N: int,
    alpha: float,
    *,
    scenario: str = "teacher-student",
    sampler: str = "gap",
    beta: float | None = None,
    kappa: float = 0.0,
    sweeps: int = 10_000,
    samples: int = 8,
    start: str | None = None,
    seed: int = 0,
    burn_in: int = 0,
    origins: int = 4,
    replicas: int = 1,
    per_decade: int = 10,
    step: float | None = None,
    potential: str = "count",
) -> Spec:
    """Validate the arguments of `simulate`; raises InputError with argument, value and range."""
    if beta is None:
        beta = default_beta(L, potential)
    N = whole("N", N, 2, 100_000)
    alpha = real("alpha", alpha, 1e-9, 1e9, "a number above 0")
    M = round(alpha * N)
    if not 1 <= M <= 10_000_000:
        raise InputError("alpha", alpha, f"alpha * N must round to 1..10000000 patterns (N = {N})")
    kind = choice(Scenario, "scenario", scenario)
    which = choice(Sampler, "sampler", sampler)
    if start is None:
        start = "planted" if kind is Scenario.TEACHER_STUDENT else "random"
    spec = Spec(
        L=whole("L", L, 1, 100_000),
        N=N,
        M=M,
        scenario=kind,
        sampler=which,
        beta=real("beta", beta, 1e-12, math.inf, "a number above 0, or inf"),
        kappa=real("kappa", kappa, -10.0, 10.0, "a number from -10 to 10"),
        sweeps=whole("sweeps", sweeps, 1, 10**12),
        samples=whole("samples", samples, 1, 10**6),
        start=choice(Start, "start", start),
        seed=whole("seed", seed, 0, 2**63),
        burn_in=whole("burn_in", burn_in, 0, 10**12),
        origins=whole("origins", origins, 1, 1000),
        replicas=whole("replicas", replicas, 1, 16),
        per_decade=whole("per_decade", per_decade, 1, 1000),
        step=None if step is None else real("step", step, 1e-9, 1e3, "a number above 0"),
        potential=choice(Potential, "potential", potential),
    )
    _check_combinations(spec)
    return spec


def _check_combinations(spec: Spec) -> None:
    gap = spec.sampler is Sampler.GAP
    if gap and math.isinf(spec.beta) and spec.L > 1:
        raise InputError(
            "beta",
            spec.beta,
            "finite for L > 1 in the gap sampler (with hard constraints every flip is refused)",
        )
    if spec.scenario is Scenario.RANDOM and spec.start is Start.PLANTED:
        raise InputError("start", "planted", "random for random labels (nothing to plant)")
    if gap and spec.kappa != 0.0 and spec.start is Start.PLANTED:
        raise InputError(
            "kappa", spec.kappa, "0 with a planted start (planting is exact only there)"
        )
    if spec.potential is Potential.SOFT:
        if not gap:
            raise InputError("potential", "soft", "count in the weights sampler")
        if spec.start is Start.PLANTED:
            raise InputError("potential", "soft", "count with a planted start (exact only there)")
        if math.isinf(spec.beta):
            raise InputError("beta", spec.beta, "finite with the soft potential")
    if not gap and spec.kappa != 0.0:
        raise InputError("kappa", spec.kappa, "0 in the weights sampler")


# --- schedule ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Event:
    """Measurements due after ``time`` sweeps: curve points, a new origin, a record."""

    time: int
    origin: int | None
    lags: tuple[tuple[int, int], ...]
    record: int | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """lags (T,), origins (A,), record times (K,) in sweeps, and all events in time order."""

    lags: NDArray[np.int64]
    origins: NDArray[np.int64]
    records: NDArray[np.int64]
    events: tuple[Event, ...]


def make_schedule(spec: Spec) -> Schedule:
    """Events of one sample: log-spaced lags after every origin, evenly spaced records."""
    end = spec.burn_in + spec.sweeps
    lags = relaxation.log_times(spec.sweeps, spec.per_decade)
    origins = relaxation.time_origins(spec.burn_in, spec.sweeps, spec.origins)
    spaced = np.linspace(spec.burn_in, end, N_RECORDS + 1)
    records = np.unique(np.rint(spaced).astype(np.int64))
    due: dict[int, list[tuple[int, int]]] = {}
    for a, origin in enumerate(origins):
        for k, lag in enumerate(lags):
            if origin + lag <= end:
                due.setdefault(int(origin + lag), []).append((a, k))
    first = {int(t): a for a, t in enumerate(origins)}
    nth = {int(t): k for k, t in enumerate(records)}
    moments = sorted(due.keys() | first.keys() | nth.keys())
    events = tuple(Event(t, first.get(t), tuple(due.get(t, ())), nth.get(t)) for t in moments)
    return Schedule(lags, origins, records, events)


# --- one sample ----------------------------------------------------------------------------

SERIES = ("energy", "rms_h", "R", "R_matched", "Q")
HIDDEN_SERIES = ("spin_correlation", "r", "r_matched", "q")


@dataclass(slots=True)
class SampleRun:
    """One data set with its chains (replicas from one starting state) and measurements.

    curves_J (replicas, A, L, T), curves_S (replicas, A, L-1, T), nan where not measured;
    series: name -> (K, L) or (K, L-1); snapshots J0, S0 at the origins.
    """

    spec: Spec
    schedule: Schedule
    teacher: Network
    chains: list[Chain]
    J0: NDArray[np.float32]
    S0: NDArray[np.int8]
    curves_J: Array
    curves_S: Array
    series: dict[str, Array]
    event: int = 0

    @classmethod
    def start(
        cls, spec: Spec, schedule: Schedule, seed: np.random.SeedSequence, step: float
    ) -> SampleRun:
        """Draw data and starting state from ``seed`` and set the chains up."""
        data_seed, *chain_seeds = seed.spawn(1 + spec.replicas)
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
        for name in ("J0", "S0", "curves_J", "curves_S"):
            getattr(self, name)[...] = arrays[name]
        for name, values in self.series.items():
            values[...] = arrays[f"series/{name}"]
        names = [n.removeprefix("chain/") for n in arrays if n.startswith("chain/")]
        for c, chain in enumerate(self.chains):
            chain.restore({n: arrays[f"chain/{n}"][c] for n in names})


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


@dataclass(frozen=True, slots=True)
class MonteCarloResult:
    """Averages over samples; every ``_err`` is a standard error over samples (nan for one).

    times (T,) in sweeps; C_J (L, T), C_S (L-1, T) averaged over origins; tau_* where the curve is
    1/e, nan with the lower bound tau_*_bound if it did not get there; integral_* the area under
    the curve (down to 0.05), nan likewise.  energy (L,): fraction of violated gaps (weights
    sampler: of wrong outputs, in the last place).  R, r: overlap with the teacher, raw, over the
    second half of the run; *_matched after matching the neurons.  Q, q: overlap of two replicas
    from one starting state, likewise.  samples_C_* (samples, L or L-1, T): curves of every sample;
    origins_C_* (A, L or L-1, T): of every origin, for a test of stationarity.
    series: name -> (K, L or L-1), averages over samples at the times ``series_times``.
    samples: name -> (samples, L or L-1), averages over the second half of every sample.
    """

    status: RunStatus
    message: str
    equilibrium: str
    params: dict[str, Any]
    times: NDArray[np.int64]
    C_J: Array
    C_J_err: Array
    C_S: Array
    C_S_err: Array
    tau_J: Array
    tau_J_err: Array
    tau_J_bound: Array
    tau_S: Array
    tau_S_err: Array
    tau_S_bound: Array
    integral_J: Array
    integral_J_err: Array
    integral_S: Array
    integral_S_err: Array
    energy: Array
    energy_err: Array
    acceptance: dict[str, Array]
    R: Array
    R_err: Array
    r: Array
    r_err: Array
    R_matched: Array
    R_matched_err: Array
    r_matched: Array
    r_matched_err: Array
    Q: Array
    Q_err: Array
    q: Array
    q_err: Array
    rms_h: Array
    spin_correlation: Array
    collapsed: bool
    samples_C_J: Array
    samples_C_S: Array
    origins_C_J: Array
    origins_C_S: Array
    series_times: NDArray[np.int64]
    series: dict[str, Array]
    samples: dict[str, Array]
    timings: dict[str, float] = field(default_factory=dict)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the result to an HDF5 file of kind "mc"; FileError if it exists already."""
        from replicadnn.montecarlo.files import Runs

        complete = self.status is RunStatus.COMPLETE
        return Runs((self,), finished=complete).save(path, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> MonteCarloResult:
        """Read a file that holds one run; for several use `replicadnn.load`."""
        from replicadnn.montecarlo.files import load_runs

        runs = load_runs(path)
        only = runs[0] if len(runs) == 1 else None
        if not isinstance(only, MonteCarloResult):
            raise FileError(path, "does not hold exactly one relaxation run (use replicadnn.load)")
        return only

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers; what is not known is None, never a made-up number."""
        keys = (
            "params", "times", "C_J", "C_J_err", "C_S", "C_S_err", "tau_J", "tau_J_err", "tau_S",
            "tau_S_err", "energy", "acceptance", "R", "status", "message", "equilibrium",
            "tau_J_bound", "tau_S_bound", "integral_J", "integral_J_err", "integral_S",
            "integral_S_err", "energy_err", "R_err", "r", "r_err", "R_matched", "R_matched_err",
            "r_matched", "r_matched_err", "Q", "Q_err", "q", "q_err", "rms_h", "spin_correlation",
            "collapsed", "timings",
        )  # fmt: skip
        return {key: plain(getattr(self, key)) for key in keys}


def plain(value: Any) -> Any:
    """Arrays to lists, nan and inf to None, enums to strings."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, enum.Enum):
        return str(value)
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _second_half(values: Array) -> Array:
    """Mean over the second half of the records made so far; values (samples, K, layers)."""
    made = np.nonzero(~np.isnan(values).any(axis=(0, 2)))[0]
    if values.shape[2] == 0 or len(made) == 0:
        return np.full((values.shape[0], values.shape[2]), np.nan)
    mean: Array = values[:, made[len(made) // 2 :]].mean(axis=1)
    return mean


def _bounds(times: NDArray[np.int64], curves: Array, tau: Array) -> Array:
    """Longest time that all samples reached, where tau is unknown; nan elsewhere."""
    whole = ~np.isnan(curves).any(axis=(0, 1)) if curves.shape[1] else np.zeros(len(times), bool)
    longest = float(times[whole][-1]) if whole.any() else math.nan
    return np.where(np.isnan(tau), longest, np.nan)


def make_result(sim: Simulation, seconds: float) -> MonteCarloResult:
    """Assemble the result of a simulation, complete or not."""
    spec, schedule = sim.spec, sim.schedule
    times = schedule.lags
    all_J = np.stack([s.curves_J for s in sim.samples])  # (samples, replicas, A, L, T)
    all_S = np.stack([s.curves_S for s in sim.samples])
    n, c, a, L, T = all_J.shape
    C_J = relaxation.average_origins(all_J.reshape(n, c * a, L, T))
    C_S = relaxation.average_origins(all_S.reshape(n, c * a, L - 1, T))
    tau_J, tau_J_err = relaxation.layer_times(times, C_J)
    tau_S, tau_S_err = relaxation.layer_times(times, C_S)
    integral_J, integral_J_err = relaxation.layer_times(times, C_J, relaxation.integral_time)
    integral_S, integral_S_err = relaxation.layer_times(times, C_S, relaxation.integral_time)
    series = {k: np.stack([s.series[k] for s in sim.samples]) for k in SERIES + HIDDEN_SERIES}
    late = {name: _second_half(values) for name, values in series.items()}
    mean = {name: values.mean(axis=0) for name, values in late.items()}
    err = {name: relaxation.mean_error(values) for name, values in late.items()}
    rates = [chain.acceptance() for s in sim.samples for chain in s.chains]
    acceptance = {
        "J": np.mean([r[0] for r in rates], axis=0),
        "S": np.mean([r[1] for r in rates], axis=0),
    }
    if len(acceptance["S"]) != spec.L - 1:  # weights sampler: the neurons do not move by themselves
        acceptance["S"] = np.full(spec.L - 1, np.nan)
    collapsed = bool(np.any(late["spin_correlation"] > COLLAPSE))
    complete = sim.finished
    status = RunStatus.COMPLETE if complete else RunStatus.STOPPED
    chain_sweeps = sim.done * len(rates)
    return MonteCarloResult(
        status=status,
        message=_message(sim, tau_J, tau_S, collapsed),
        equilibrium=_equilibrium(spec, late["energy"]),
        params=spec.parameters() | {"step": sim.step, "sweeps_done": sim.done},
        times=times,
        C_J=C_J.mean(axis=0),
        C_J_err=relaxation.mean_error(C_J),
        C_S=C_S.mean(axis=0),
        C_S_err=relaxation.mean_error(C_S),
        tau_J=tau_J,
        tau_J_err=tau_J_err,
        tau_J_bound=_bounds(times, C_J, tau_J),
        tau_S=tau_S,
        tau_S_err=tau_S_err,
        tau_S_bound=_bounds(times, C_S, tau_S),
        integral_J=integral_J,
        integral_J_err=integral_J_err,
        integral_S=integral_S,
        integral_S_err=integral_S_err,
        energy=mean["energy"],
        energy_err=err["energy"],
        acceptance=acceptance,
        R=mean["R"],
        R_err=err["R"],
        r=mean["r"],
        r_err=err["r"],
        R_matched=mean["R_matched"],
        R_matched_err=err["R_matched"],
        r_matched=mean["r_matched"],
        r_matched_err=err["r_matched"],
        Q=mean["Q"],
        Q_err=err["Q"],
        q=mean["q"],
        q_err=err["q"],
        rms_h=mean["rms_h"],
        spin_correlation=mean["spin_correlation"],
        collapsed=collapsed,
        samples_C_J=C_J,
        samples_C_S=C_S,
        origins_C_J=all_J.mean(axis=(0, 1)),
        origins_C_S=all_S.mean(axis=(0, 1)),
        series_times=schedule.records,
        series={name: values.mean(axis=0) for name, values in series.items()},
        samples=late,
        timings={
            "seconds": seconds,
            "sweeps_per_second": chain_sweeps / seconds if seconds > 0 else math.nan,
        },
    )


def _message(sim: Simulation, tau_J: Array, tau_S: Array, collapsed: bool) -> str:
    parts = [f"{sim.done} of {sim.total} sweeps of {sim.spec.samples} samples"]
    missing = int(np.isnan(tau_J).sum() + np.isnan(tau_S).sum())
    if missing:
        parts.append(f"{missing} relaxation times beyond the run: only lower bounds")
    if collapsed:
        parts.append(f"a layer has collapsed (within-layer spin correlation above {COLLAPSE})")
    return "; ".join(parts)


def _equilibrium(spec: Spec, energy: Array) -> str:
    stuck = int(np.count_nonzero(energy.sum(axis=1) > 0))
    if math.isinf(spec.beta) and stuck:
        return f"refuted: {stuck} of {spec.samples} samples still violate the hard constraint"
    if spec.start is Start.PLANTED:
        return "shown: the planted start is an exact equilibrium sample"
    return "not shown: random start; compare with a planted start or use replica exchange"


def simulate(
    L: int,
    N: int,
    alpha: float,
    *,
    scenario: str = "teacher-student",
    sampler: str = "gap",
    beta: float | None = None,
    kappa: float = 0.0,
    sweeps: int = 10_000,
    samples: int = 8,
    start: str | None = None,
    seed: int = 0,
    threads: int = 1,
    burn_in: int = 0,
    origins: int = 4,
    replicas: int = 1,
    per_decade: int = 10,
    step: float | None = None,
    potential: str = "count",
    state: Mapping[str, NDArray[Any]] | None = None,
    checkpoint: Callable[[Simulation], None] | None = None,
    stop: Callable[[], bool] | None = None,
    time_limit: float | None = None,
) -> MonteCarloResult:
    """Sample networks of width N and measure how every layer relaxes.

    Parameters
    ----------
    L, N, alpha : depth, width, patterns per width; M = alpha N is rounded.
    scenario : "teacher-student" or "random".
    sampler : "gap" (count potential at beta) or "weights" (beta = inf: greedy).
    beta : inverse temperature; inf (hard constraint) in the gap sampler only for L = 1.  None: inf
        for L = 1, else 3.
    kappa : margin; a gap is violated below it.
    sweeps, samples : length of a run and number of independent data sets.
    start : "planted" (default with a teacher) or "random".
    seed, threads : the result depends on the seed alone.
    burn_in : sweeps before the first origin.
    origins, replicas, per_decade : measurement origins, chains from one start, points a decade.
    potential : "count" or, from a random start, "soft" (see `Potential`).
    step : half width of t in rotations by 2 atan(t); None: pilot run, acceptance about 0.15.
    state : arrays of an interrupted run of the same parameters, from `Simulation.arrays`.
    checkpoint : called with the Simulation after every block (about half a second).
    stop : polled after every block; True ends the run cleanly.
    time_limit : seconds after which the run ends cleanly.

    Raises
    ------
    InputError : argument outside its range, named with value and range.
    """
    spec = make_spec(
        L,
        N,
        alpha,
        scenario=scenario,
        sampler=sampler,
        beta=beta,
        kappa=kappa,
        sweeps=sweeps,
        samples=samples,
        start=start,
        seed=seed,
        burn_in=burn_in,
        origins=origins,
        replicas=replicas,
        per_decade=per_decade,
        step=step,
        potential=potential,
    )
    threads = whole("threads", threads, 1, 4096)
    if time_limit is not None:
        time_limit = real("time_limit", time_limit, 0.0, math.inf, "seconds, 0 or more")
    begin = time.perf_counter()
    sim = Simulation(spec, state)
    drive(sim, threads, checkpoint=checkpoint, stop=stop, time_limit=time_limit)
    return sim.result(time.perf_counter() - begin)


def two_sided(
    L: int, N: int, alpha: float, **arguments: Any
) -> tuple[TwoSided, MonteCarloResult, MonteCarloResult]:
    """Was equilibrium reached within ``sweeps``?  Planted and random starts on the same data.

    Returns the statement (`equilibrium.compare` of energies and matched overlaps with the teacher
    over the second halves; the way is their difference at the first record) and both results.
    Arguments as in `simulate`, without start.
    """
    planted = simulate(L, N, alpha, **arguments, start="planted")
    random = simulate(L, N, alpha, **arguments, start="random")
    return compare_starts(planted, random), planted, random


def compare_starts(planted: MonteCarloResult, random: MonteCarloResult) -> TwoSided:
    """`equilibrium.compare` of two runs on the same data."""
    names = ("energy", "R_matched", "r_matched")
    first = {name: planted.samples[name] for name in names}
    way = {
        name: planted.series[name][0] - random.series[name][0]
        for name in ("R_matched", "r_matched")
    }
    return compare(first, random.samples, way)


class Resumable(Protocol):
    """What `drive` asks of a `Simulation` or a `tempering.Tempering`."""

    @property
    def total(self) -> int: ...
    @property
    def done(self) -> int: ...
    @property
    def finished(self) -> bool: ...
    def run(self, until: int, pool: ThreadPoolExecutor | None = None) -> None: ...


Sim = TypeVar("Sim", bound=Resumable)


def drive(
    sim: Sim,
    threads: int,
    *,
    checkpoint: Callable[[Sim], None] | None = None,
    stop: Callable[[], bool] | None = None,
    time_limit: float | None = None,
) -> None:
    """Run to the end, block by block; blocks are sized by time and leave no trace in the result."""
    begin = time.perf_counter()
    block = 1
    with ThreadPoolExecutor(threads) as pool:
        while not sim.finished:
            tick = time.perf_counter()
            sim.run(min(sim.total, sim.done + block), pool)
            now = time.perf_counter()
            if checkpoint is not None:
                checkpoint(sim)
            if stop is not None and stop():
                return
            if time_limit is not None and now - begin >= time_limit:
                return
            growth = BLOCK_SECONDS / max(now - tick, 1e-6)
            block = max(1, int(block * min(4.0, max(0.25, growth))))
