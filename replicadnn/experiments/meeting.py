"""SGD and the sampler on the same networks and data: overlaps and relaxation by layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from replicadnn import interrupt
from replicadnn.errors import InputError
from replicadnn.experiments.heat import Batches, draws
from replicadnn.experiments.sphere import Steep, onto_sphere
from replicadnn.montecarlo.chains.weights import WeightsChain
from replicadnn.montecarlo.connectivity import Signs
from replicadnn.montecarlo.measure import overlaps, relaxation
from replicadnn.montecarlo.network import (
    Network,
    plant_outputs,
    propagate,
    random_signs,
    spin_correlation,
    start_random,
)
from replicadnn.montecarlo.spec import Start
from replicadnn.types import FloatArray, IntArray

#: Records over the last half of a run, and fresh inputs of each.
_RECORDS, _FRESH = 16, 200
#: Unrelated networks of each sample.
_UNRELATED = 20
#: Origins of autocorrelations, over the first half of a run.
_ORIGINS = 4


class Record(NamedTuple):
    """Of one student, or means: R (L,), r and copies (L - 1,), and two shares."""

    R: FloatArray
    r: FloatArray
    copies: FloatArray
    wrong: float
    test_error: float


@dataclass(frozen=True, slots=True)
class Sample:
    """A teacher with its data, and what belongs to it.

    teacher : couplings of the teacher; S[0], S[L] the data, labels that err among them.
    start : the couplings before training.
    fresh : inputs (N, patterns) for the error on fresh inputs.
    """

    teacher: Network
    start: Network
    fresh: Signs

    @classmethod
    def draw(
        cls, L: int, N: int, M: int, beta: float, start: Start, seed: np.random.SeedSequence
    ) -> Sample:
        """As in the weights sampler: outputs that err with probability 1/(1 + e^beta)."""
        rng = np.random.default_rng(seed)
        teacher = plant_outputs(L, N, M, beta, rng)
        unrelated = start_random(teacher, rng, hidden="propagated")
        first = teacher if start is Start.PLANTED else unrelated
        return cls(teacher, first, random_signs((N, _FRESH), rng))

    def student(self, J: FloatArray) -> Network:
        """The sign network of couplings J (L, N, N) on the inputs of the teacher."""
        couplings = J.astype(np.float32)
        return Network(couplings, propagate(couplings, self.teacher.S[0]), None)

    def overlaps(self, student: Network) -> Record:
        """What is seen of a student, its neurons matched to those of the teacher."""
        matched = overlaps.match(self.teacher, student)
        fresh = overlaps.disagreement(self.teacher, matched, self.fresh)[-1]
        wrong = float(np.mean(student.S[-1] != self.teacher.S[-1]))
        return Record(
            overlaps.coupling_overlap(self.teacher, matched),
            overlaps.neuron_overlap(self.teacher, matched), spin_correlation(student.S),
            wrong, float(fresh),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """What the runs of all samples gave.

    Attributes
    ----------
    times : array (T,)
        Lags, in units of time: steps of SGD, sweeps of the sampler.
    C_J, C_S : arrays (samples, L, T) and (samples, L - 1, T)
        Autocorrelations of couplings and of neurons: means over the origins that reach a lag.
    R, r : arrays (samples, L) and (samples, L - 1)
        Overlaps with the teacher, neurons matched: means over the last half of the run.
    copies : array (samples, L - 1)
        Rms overlap of pairs of neurons of a layer; near 1: the layer collapsed.
    wrong, test_error : arrays (samples,)
        Share of outputs other than the labels; errors on fresh inputs against the teacher.
    move : array (samples, L)
        Root mean square of the change of a coupling in a unit of time.
    """

    times: IntArray
    C_J: FloatArray
    C_S: FloatArray
    R: FloatArray
    r: FloatArray
    copies: FloatArray
    wrong: FloatArray
    test_error: FloatArray
    move: FloatArray


class Dynamics(Protocol):
    """Networks of all samples, side by side: couplings J (samples, L, N, N) that move in time."""

    @property
    def J(self) -> FloatArray:
        """Couplings now; a new array after every `advance`."""

    def advance(self) -> None:
        """One unit of time."""


class Descent:
    """SGD with neurons of slope ``gain``, rate (eta, B), independent batches; unit: a step."""

    def __init__(
        self,
        samples: list[Sample],
        gain: float,
        rate: tuple[float, int],
        seed: np.random.SeedSequence,
    ) -> None:
        (self.eta, B), self.net = rate, Steep(gain)
        self.x = np.stack([one.teacher.S[0].T for one in samples]).astype(float)
        self.y = np.stack([one.teacher.S[-1].T for one in samples]).astype(float)
        self.J = onto_sphere(np.stack([one.start.J for one in samples]).astype(float))
        rng = np.random.default_rng(seed)
        self.batches = draws(rng, self.x.shape[1], B, len(samples), Batches.INDEPENDENT)
        self.rows = np.arange(len(samples))[:, None]

    def advance(self) -> None:
        """One step of every network, on a batch of its own data."""
        batch = next(self.batches)
        self.J = self.net.step(self.J, self.x[self.rows, batch], self.y[self.rows, batch], self.eta)


class Sampling:
    """The weights sampler at ``beta``, whatever the beta of the labels was; unit: a sweep."""

    def __init__(
        self, samples: list[Sample], beta: float, step: float, seed: np.random.SeedSequence
    ) -> None:
        self.chains = [
            WeightsChain.start(
                one.start,
                np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, k)),
                beta=beta,
                step=step,
            )
            for k, one in enumerate(samples)
        ]

    @property
    def J(self) -> FloatArray:
        """Couplings now (samples, L, N, N)."""
        return np.stack([chain.J for chain in self.chains]).astype(float)

    def advance(self) -> None:
        """One sweep of every chain."""
        for chain in self.chains:
            chain.advance(1)

    def wrong(self, beta: float, sweeps: int) -> float:
        """Mean share of wrong outputs of all chains, over the last half of so many at ``beta``."""
        seen = []
        for t in range(sweeps):
            for chain in self.chains:
                chain.beta = beta
                chain.advance(1)
                if 2 * t >= sweeps:
                    seen.append(chain.energy() / chain.energy_scale())
        return float(np.mean(seen))


def equal_error_beta(samples: list[Sample], wrong: float, step: float, sweeps: int) -> float:
    """The beta at which the sampler has this mean share of ``wrong`` outputs on these data.

    By bisection of [0, 8] to 1 %, from the hot side, ``sweeps`` at every beta; the share falls
    with beta.  Whether chains are in equilibrium there is for longer runs to show.
    """
    chains, low, high = Sampling(samples, 0.0, step, np.random.SeedSequence(0)), 0.0, 0.125
    while chains.wrong(high, sweeps) > wrong:
        low, high = high, 2.0 * high
        if high > 8.0:
            raise InputError("wrong", wrong, "a share that the sampler has at a beta up to 8")
    while high - low > 0.01 * high:
        middle = 0.5 * (low + high)
        above = chains.wrong(middle, sweeps) > wrong
        low, high = (middle, high) if above else (low, middle)
    return 0.5 * (low + high)


class _Curves:
    """C_J and C_S of several origins, filled as time goes on."""

    def __init__(self, samples: list[Sample], steps: int) -> None:
        self.samples, self.times = samples, relaxation.log_times(steps)
        L = samples[0].start.J.shape[0]
        lead, T = (len(samples), _ORIGINS), self.times.size
        self.J, self.S = np.full((*lead, L, T), np.nan), np.full((*lead, L - 1, T), np.nan)
        #: Time -> the origins and lags that fall on it.
        self.due: dict[int, list[tuple[int, int]]] = {}
        for origin in range(_ORIGINS):
            begin = origin * steps // (2 * _ORIGINS)
            for k, lag in enumerate(self.times.tolist()):
                if begin + lag <= steps:
                    self.due.setdefault(begin + lag, []).append((origin, k))
        self.origins: dict[int, tuple[FloatArray, FloatArray]] = {}

    def see(self, t: int, J: FloatArray) -> None:
        """The state at time t, if it matters."""
        if t not in self.due:
            return
        now = (J, _neurons(self.samples, J))
        for origin, k in self.due[t]:
            first = self.origins.setdefault(origin, now)
            for curve, here, there in zip((self.J, self.S), now, first, strict=True):
                curve[:, origin, :, k] = (here * there).mean(axis=(2, 3))


def follow(samples: list[Sample], moving: Dynamics, size: tuple[int, int]) -> Measured:
    """Burn in, then look: every sample on its own data, side by side; size: (burn_in, steps)."""
    burn_in, steps = size
    for t in range(burn_in):
        if t % 100 == 0:
            interrupt.check()
        moving.advance()
    curves, J = _Curves(samples, steps), moving.J
    seen: list[list[Record]] = []
    looks = set(np.linspace(steps // 2 + 1, steps, _RECORDS).astype(int).tolist())
    moved = np.zeros(J.shape[:2])
    for t in range(steps + 1):
        curves.see(t, J)
        if t in looks:
            interrupt.check()
            seen.append([one.overlaps(one.student(j)) for one, j in zip(samples, J, strict=True)])
        if t < steps:
            moving.advance()
            moved += ((moving.J - J) ** 2).mean(axis=(2, 3))
            J = moving.J
    means = (np.array([[one[k] for one in look] for look in seen]).mean(axis=0) for k in range(5))
    R, r, copies, wrong, fresh = means
    C_J, C_S = relaxation.average_origins(curves.J), relaxation.average_origins(curves.S)
    return Measured(curves.times, C_J, C_S, R, r, copies, wrong, fresh, np.sqrt(moved / steps))


def _neurons(samples: list[Sample], J: FloatArray) -> FloatArray:
    """Hidden neurons (samples, L - 1, N, M) of the sign networks."""
    found = [one.student(j).S[1:-1] for one, j in zip(samples, J, strict=True)]
    return np.stack(found).astype(float)


class Centre(NamedTuple):
    """C_J of the layers 2..L-1, their mean, less that of an end, sample by sample.

    at : time at which the mean of all layers and samples first is 1/2 or less; else the last one.
    first, last : arrays (samples,), less that of layer 1 and of layer L.  Both below 0: a fast
        centre between slow ends, like a liquid between solids.  nan for L < 3.
    """

    at: int
    first: FloatArray
    last: FloatArray


def centre(times: IntArray, C_J: FloatArray) -> Centre:
    """Do the layers between forget faster than both ends?  C_J (samples, L, T)."""
    below = np.nonzero(C_J.mean(axis=(0, 1)) <= 0.5)[0]
    k = int(below[0]) if below.size else times.size - 1
    if C_J.shape[1] < 3:
        none = np.full(len(C_J), np.nan)
        return Centre(int(times[k]), none, none)
    between = C_J[:, 1:-1, k].mean(axis=1)
    return Centre(int(times[k]), between - C_J[:, 0, k], between - C_J[:, -1, k])


def floors(samples: list[Sample], seed: int) -> tuple[FloatArray, FloatArray]:
    """Matched overlaps R (samples, L), r (samples, L - 1) of unrelated networks on the same data.

    Means over 20 networks of each sample.
    """
    rng, found = np.random.default_rng(seed), []
    for one in samples:
        others = (start_random(one.teacher, rng, hidden="propagated") for _ in range(_UNRELATED))
        found.append([one.overlaps(other)[:2] for other in others])
    R, r = (np.array([[one[k] for one in of] for of in found]).mean(axis=1) for k in range(2))
    return R, r
