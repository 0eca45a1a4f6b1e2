"""Replica exchange over independent data sets, and what it says about equilibrium.

C(l, t) is not measured: where states swap between temperatures the time of a chain is not the time
of a dynamics at one temperature.  Measured are equilibrium averages on the highest rung.
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

from replicadnn import interrupt
from replicadnn.errors import InputError
from replicadnn.montecarlo.drive import drive
from replicadnn.montecarlo.equilibrium import SIGNIFICANCE, Verdict, compare, halves_agree
from replicadnn.montecarlo.ladder import HIDDEN_SERIES, SERIES, LadderSample
from replicadnn.montecarlo.relaxation import mean_error
from replicadnn.montecarlo.result import RunStatus, has_collapsed, plain
from replicadnn.montecarlo.simulation import check_state, pilot_step
from replicadnn.montecarlo.spec import Spec, Start, make_spec
from replicadnn.validate import whole

Array = NDArray[np.float64]
MIN_ROUND_TRIPS = 5


def geometric_ladder(low: float, high: float, n: int) -> tuple[float, ...]:
    """Ladder of n inverse temperatures from ``low`` to ``high``, equal ratios."""
    return tuple(float(b) for b in np.geomspace(low, high, n))


class Tempering:
    """Independent samples of one Spec, each with ladders; resumable like a `Simulation`."""

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
        self.samples = [LadderSample.start(spec, self.betas, steps, rounds, s) for s in seeds]
        if arrays is not None:
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
        return self.rounds

    @property
    def finished(self) -> bool:
        """Have all samples made all rounds?"""
        return self.done >= self.rounds

    def run(self, until: int, pool: ThreadPoolExecutor | None = None) -> None:
        """Advance every sample to ``until`` rounds."""

        def advance(sample: LadderSample) -> None:
            sample.run(min(until, self.rounds), self.every)

        list(pool.map(advance, self.samples) if pool else map(advance, self.samples))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The whole changing state: name -> array, first axis the sample; and the steps."""
        parts = [sample.arrays() for sample in self.samples]
        out = {name: np.stack([p[name] for p in parts]) for name in parts[0]}
        return out | {"steps": np.array(self.steps)}

    def result(self, seconds: float = 0.0) -> TemperingResult:
        """Averages over the second half of the rounds made so far."""
        ladders = [ladder for sample in self.samples for ladder in sample.ladders]
        tries = np.sum([x.tries for x in ladders], axis=0)
        swaps = np.sum([x.swaps for x in ladders], axis=0)
        trips = np.array([[x.trips.sum() for x in s.ladders] for s in self.samples]).min(axis=1)
        names = SERIES + HIDDEN_SERIES
        series = {name: np.stack([s.series(name) for s in self.samples]) for name in names}
        late = {name: np.stack([s.late(name) for s in self.samples]) for name in names}
        mean = {name: values.mean(axis=0) for name, values in late.items()}
        err = {name: mean_error(values) for name, values in late.items()}
        if self.done:
            verdict, why = _statement(self.spec, series, late, trips)
        else:
            verdict, why = Verdict.NOT_SHOWN, "not shown: no round has been made"
        collapsed = has_collapsed(self.spec, late["spin_correlation"])
        if collapsed:
            why += "; a layer has collapsed (copies of one neuron)"
        blocks = series["energy"].shape[1] - 1
        ends = -(-np.arange(blocks + 1) * self.rounds // blocks)
        return TemperingResult(
            status=RunStatus.COMPLETE if self.finished else RunStatus.STOPPED,
            params=self.parameters(),
            rounds_done=self.done,
            betas=np.array(self.betas),
            steps=np.array(self.steps),
            swap_acceptance=np.where(tries > 0, swaps / np.maximum(tries, 1), np.nan),
            round_trips=trips,
            energy=np.mean([s.late("rungs") for s in self.samples], axis=0),
            **{name: mean[name] for name in names if name not in ("energy", "spin_correlation")},
            **{f"{name}_err": err[name] for name in _WITH_ERROR},
            spin_correlation=mean["spin_correlation"],
            collapsed=collapsed,
            samples=late,
            series_times=ends * self.every,
            series={name: values.mean(axis=0) for name, values in series.items()},
            verdict=verdict,
            message=why,
            timings={"seconds": seconds},
        )

    def parameters(self) -> dict[str, Any]:
        """Parameters of the Spec, and the ladder."""
        ladder = {"betas": list(self.betas), "rounds": self.rounds, "every": self.every}
        return self.spec.parameters() | ladder


_WITH_ERROR = (
    "R_matched", "r_matched", "test_error", "Q_matched", "q_matched", "Q_self", "q_self",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TemperingResult:
    """energy (K, L): violated fraction by rung and layer; the rest on the highest rung.

    Second half of the run, neurons matched throughout: R_matched (L,), r_matched (L-1,) with the
    teacher; Q_matched, q_matched between two ladders of one data set (replicas > 1); Q_self,
    q_self between the states in the middle and in the last quarter of the run.  From random starts
    the former come from below and the latter from above: in equilibrium they agree.
    swap_acceptance (K-1,); round_trips (samples,) of the slower ladder.  series: name -> (B,
    layers), averages over samples and over the blocks of rounds that end at ``series_times``
    (sweeps), entry 0 the start; samples: name -> (samples, layers), for `equilibrium.compare`.
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
    R_matched_err: Array
    r_matched: Array
    r_matched_err: Array
    test_error: Array
    test_error_err: Array
    Q_matched: Array
    Q_matched_err: Array
    q_matched: Array
    q_matched_err: Array
    Q_self: Array
    Q_self_err: Array
    q_self: Array
    q_self_err: Array
    spin_correlation: Array
    collapsed: bool
    samples: dict[str, Array]
    series_times: NDArray[np.int64]
    series: dict[str, Array]
    verdict: Verdict
    message: str
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def equilibrium(self) -> str:
        """The statement: shown, not shown or refuted, and why."""
        return self.message

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers; nan becomes None, an infinite beta the string "inf"."""
        keys = (
            "status", "params", "rounds_done", "betas", "steps", "swap_acceptance", "round_trips",
            "energy", "R_matched", "R_matched_err", "r_matched", "r_matched_err", "test_error",
            "test_error_err", "Q_matched", "Q_matched_err", "q_matched", "q_matched_err", "Q_self",
            "Q_self_err", "q_self", "q_self_err", "spin_correlation", "collapsed", "verdict",
            "message", "equilibrium", "timings",
        )  # fmt: skip
        out = {key: plain(getattr(self, key)) for key in keys}
        out["betas"] = ["inf" if math.isinf(b) else float(b) for b in self.betas]
        out["params"]["betas"] = out["betas"]
        return out


def _statement(
    spec: Spec,
    series: Mapping[str, Array],
    late: Mapping[str, Array],
    trips: NDArray[np.int64],
) -> tuple[Verdict, str]:
    """What one start alone says about the highest rung.

    Refuted by a drift between the second and the last third of the run, or where the overlap with
    an earlier state (from above) and between ladders (from below) disagree; shown where these
    agree, in a run from random starts with enough round trips.
    """
    if math.isinf(spec.beta) and np.any(late["energy"] > 0):
        stuck = int(np.count_nonzero(late["energy"].sum(axis=1) > 0))
        return Verdict.REFUTED, f"refuted: {stuck} of {spec.samples} samples violate the constraint"
    watched = ("energy", "R_matched", "r_matched", "Q_matched", "q_matched")
    p_values = [halves_agree(series[name]) for name in watched]
    known = [p for p in p_values if not math.isnan(p)]
    lowest = min(known, default=math.nan) * len(known)
    if lowest < SIGNIFICANCE:
        return Verdict.REFUTED, f"refuted: the top rung still drifts (p = {lowest:.2g})"
    if spec.start is Start.PLANTED:
        return Verdict.NOT_SHOWN, (
            "not shown: no drift seen from the planted side; compare with a random start (both)"
        )
    if spec.replicas < 2:
        return Verdict.NOT_SHOWN, "not shown: one ladder; compare two (replicas)"
    names = {"Q": ("Q_self", "Q_matched"), "q": ("q_self", "q_matched")}
    above = {name: late[pair[0]] for name, pair in names.items()}
    below = {name: late[pair[1]] for name, pair in names.items()}
    way = {name: 1.0 - series[pair[1]][:, 0].mean(axis=0) for name, pair in names.items()}
    sides = "overlaps with earlier states and with other ladders"
    found = compare(above, below, way, sides, "greater")
    return needs_round_trips(found.verdict, found.message, trips)


def needs_round_trips(
    verdict: Verdict, message: str, trips: NDArray[np.int64]
) -> tuple[Verdict, str]:
    """Agreement without round trips shows nothing: all ladders may be stuck in one valley."""
    if verdict is Verdict.SHOWN and trips.min() < MIN_ROUND_TRIPS:
        few = f"{int(trips.min())} round trips in the slowest sample, {MIN_ROUND_TRIPS} asked for"
        return Verdict.NOT_SHOWN, f"not shown: agreement, but {few}"
    return verdict, message


def rung_steps(
    spec: Spec, betas: Sequence[float], seed: np.random.SeedSequence
) -> tuple[float, ...]:
    """Step of every rung from a short pilot run at its beta."""
    if spec.step is not None:
        return tuple(spec.step for _ in betas)
    children = seed.spawn(len(betas))
    return tuple(pilot_step(replace(spec, beta=b), s) for b, s in zip(betas, children, strict=True))


def check_ladder(betas: Sequence[float]) -> tuple[float, ...]:
    """Ascending, positive, at least two, only the last may be inf; raises InputError."""
    ladder = tuple(float(b) for b in betas)
    ascending = all(a < b for a, b in itertools.pairwise(ladder))
    if len(ladder) < 2 or not ascending or not ladder[0] > 0:
        raise InputError("tempering", list(betas), "two or more ascending numbers above 0")
    return ladder


@interrupt.safely()
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
    arguments : scenario, sampler, kappa, samples, start, seed, step, replicas, potential,
        test_patterns as in `simulate`; replicas is the number of ladders on each data set.
    """
    ladder = check_ladder(betas)
    rounds, every = whole("rounds", rounds, 1, 10**9), whole("every", every, 1, 10**9)
    spec = make_spec(L, N, alpha, beta=ladder[-1], sweeps=rounds * every, **arguments)
    job = Tempering(spec, ladder, rounds, every, state)
    begin = time.perf_counter()
    drive(job, whole("threads", threads, 1, 4096), checkpoint=checkpoint, stop=stop)
    return job.result(time.perf_counter() - begin)
