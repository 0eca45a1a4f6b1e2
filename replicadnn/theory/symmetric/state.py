"""Overlaps of a replica-symmetric network, each with its distance from 1.

Both ends of [0, 1] have full relative accuracy.  Newton works in the logits y = ln x/(1-x) of the
overlaps that are neither exactly 0 (liquid) nor 1 to within 1e-280 (saturated), interleaved as
Q(1), q(1), Q(2), ..., q(L-1), Q(L).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from replicadnn.kernels.theory.symmetric import largest_difference
from replicadnn.problem import Problem
from replicadnn.types import BoolArray, FloatArray

#: An overlap this close to 1 is saturated for good: no unknown any more.
_EXACTLY_ONE = 1e-280
#: A layer with q above this counts as saturated in names of branches.
SATURATED = 0.95
#: Two solutions closer than this in every overlap are the same one.
SAME = 1e-6
#: An overlap below this that is not unstable is a liquid layer: exactly 0.
LIQUID_FLOOR = 1e-10


def neuron_logit(layer: int) -> int:
    """Position of q(layer), layer = 1..L-1, among the logits."""
    return 2 * layer - 1


def coupling_logit(layer: int) -> int:
    """Position of Q(layer), layer = 1..L, among the logits."""
    return 2 * layer - 2


@dataclass(slots=True)
class State:
    """Overlaps q (L+1), Q (L) and their distances p = 1 - q, P = 1 - Q from 1."""

    q: FloatArray
    p: FloatArray
    Q: FloatArray
    P: FloatArray

    @classmethod
    def uniform(cls, L: int, rest: float, coupling_rest: float | None = None) -> State:
        """Every inner overlap at 1 - ``rest`` (couplings at 1 - ``coupling_rest`` if given)."""
        other = rest if coupling_rest is None else coupling_rest
        state = cls(
            np.full(L + 1, 1.0 - rest), np.full(L + 1, rest), np.full(L, 1.0 - other),
            np.full(L, other),
        )  # fmt: skip
        state.q[[0, L]] = 1.0
        state.p[[0, L]] = 0.0
        return state

    @classmethod
    def liquid(cls, L: int) -> State:
        """No order anywhere but in the data: q = Q = 0 inside."""
        return cls.uniform(L, 1.0)

    def copy(self) -> State:
        return State(self.q.copy(), self.p.copy(), self.Q.copy(), self.P.copy())

    @property
    def active(self) -> BoolArray:
        """Mask (2L-1) of the logits that are neither liquid nor saturated: Newton's unknowns."""
        mask = np.empty(2 * self.Q.size - 1, dtype=bool)
        mask[0::2] = (self.Q > 0.0) & (self.P > _EXACTLY_ONE)
        mask[1::2] = (self.q[1:-1] > 0.0) & (self.p[1:-1] > _EXACTLY_ONE)
        return mask

    @property
    def torn(self) -> bool:
        """Whether couplings without order lie between neurons with order: never a solution.

        Newton leaves an overlap of exactly 0 as it is, so that only this can tell.
        """
        return bool(np.any((self.Q == 0.0) & (self.q[:-1] > 0.0) & (self.q[1:] > 0.0)))

    @property
    def logits(self) -> FloatArray:
        """Interleaved logits, -inf for 0 and +inf for 1."""
        y = np.empty(2 * self.Q.size - 1)
        with np.errstate(divide="ignore"):
            y[0::2] = np.log(self.Q) - np.log(self.P)
            y[1::2] = np.log(self.q[1:-1]) - np.log(self.p[1:-1])
        return y

    def with_logits(self, active: BoolArray, y: FloatArray) -> State:
        """Copy of this state in which the logits marked ``active`` are those of ``y``."""
        filled, empty = expit(y), expit(-y)
        new = self.copy()
        for x, rest, part in (
            (new.Q, new.P, slice(0, None, 2)),
            (new.q[1:-1], new.p[1:-1], slice(1, None, 2)),
        ):
            np.copyto(x, filled[part], where=active[part])
            np.copyto(rest, empty[part], where=active[part])
        return new

    def drop(self, below: float) -> None:
        """Make every hidden layer with 0 < q < ``below`` liquid, in place.

        Those with q = 0 are as they are: their couplings may be solid (an even weight).
        """
        small = np.flatnonzero((self.q > 0.0) & (self.q < below))
        self.q[small], self.p[small] = 0.0, 1.0
        for couplings in (small - 1, small):
            self.Q[couplings], self.P[couplings] = 0.0, 1.0


def full_order(problem: Problem) -> State:
    """A start above every solution: q = 1 and 1 - Q far below its smallest possible value."""
    return State.uniform(problem.L, 0.0, 1e-4 / (1.0 + problem.alpha) ** 2)


def distance(a: State, b: State) -> float:
    """Largest difference of two states in any overlap."""
    return max(float(largest_difference(a.q, b.q)), float(largest_difference(a.Q, b.Q)))
