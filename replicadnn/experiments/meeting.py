"""SGD in the sampler's networks: overlaps with the teacher and relaxation by layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from replicadnn import interrupt
from replicadnn.experiments.heat import Batches, draws
from replicadnn.experiments.sphere import Steep, onto_sphere
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
        Steps since the end of the burn-in.
    C_J, C_S : arrays (samples, L, T) and (samples, L - 1, T)
        Autocorrelations of couplings and of neurons from there on.
    R, r : arrays (samples, L) and (samples, L - 1)
        Overlaps with the teacher, neurons matched: means over the last half of the run.
    copies : array (samples, L - 1)
        Rms overlap of pairs of neurons of a layer; near 1: the layer collapsed.
    wrong, test_error : arrays (samples,)
        Share of outputs other than the labels; errors on fresh inputs against the teacher.
    move : array (samples, L)
        Root mean square of the change of a coupling in a step.
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


def descend(
    samples: list[Sample],
    gain: float,
    rate: tuple[float, int],
    size: tuple[int, int],
    rng: np.random.Generator,
) -> Measured:
    """Burn in, then follow: every sample on its own data, side by side.

    rate : (eta, B); size : (burn_in, steps).
    """
    (eta, B), (burn_in, steps), net = rate, size, Steep(gain)
    x = np.stack([one.teacher.S[0].T for one in samples]).astype(float)
    y = np.stack([one.teacher.S[-1].T for one in samples]).astype(float)
    J = onto_sphere(np.stack([one.start.J for one in samples]).astype(float))
    stream = draws(rng, x.shape[1], B, len(samples), Batches.INDEPENDENT)
    rows = np.arange(len(samples))[:, None]
    for t in range(burn_in):
        batch = next(stream)
        J = net.step(J, x[rows, batch], y[rows, batch], eta)
        if t % 1000 == 0:
            interrupt.check()
    times = relaxation.log_times(steps)
    first, states = J, _neurons(samples, J)
    curves: list[tuple[FloatArray, FloatArray]] = []
    seen: list[list[Record]] = []
    due = set(times.tolist())
    looks = set(np.linspace(steps // 2 + 1, steps, _RECORDS).astype(int).tolist())
    moved = np.zeros(J.shape[:2])
    for t in range(steps + 1):
        if t in due:
            curves.append((
                (J * first).mean(axis=(2, 3)), (_neurons(samples, J) * states).mean(axis=(2, 3)),
            ))  # fmt: skip
        if t in looks:
            interrupt.check()
            seen.append([one.overlaps(one.student(j)) for one, j in zip(samples, J, strict=True)])
        if t < steps:
            batch = next(stream)
            after = net.step(J, x[rows, batch], y[rows, batch], eta)
            moved += ((after - J) ** 2).mean(axis=(2, 3))
            J = after
    means = (np.array([[one[k] for one in look] for look in seen]).mean(axis=0) for k in range(5))
    R, r, copies, wrong, fresh = means
    C_J, C_S = (np.stack([one[k] for one in curves], axis=2) for k in range(2))
    return Measured(times, C_J, C_S, R, r, copies, wrong, fresh, np.sqrt(moved / steps))


def _neurons(samples: list[Sample], J: FloatArray) -> FloatArray:
    """Hidden neurons (samples, L - 1, N, M) of the sign networks."""
    found = [one.student(j).S[1:-1] for one, j in zip(samples, J, strict=True)]
    return np.stack(found).astype(float)


def floors(samples: list[Sample], seed: int) -> tuple[FloatArray, FloatArray]:
    """Matched overlaps R (L,), r (L - 1,) of unrelated networks on the same data."""
    rng = np.random.default_rng(seed)
    found = [one.overlaps(start_random(one.teacher, rng, hidden="propagated")) for one in samples]
    return np.mean([one.R for one in found], axis=0), np.mean([one.r for one in found], axis=0)
