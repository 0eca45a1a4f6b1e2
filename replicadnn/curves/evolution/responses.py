"""What a pattern does to the weights comes back to its own fields: the same sums in the theory and
on a data set (docs/descent.md, eqs. 5 to 8).

With K the factor eta d/n, and S^s any of G^s, dG^s/dy and dG^s/dU^r of every pattern,

    what comes back at step t:  -K sum_{s<t} P(t, s+1) S^s,

which is Z^t - U^t, dZ^t/dy and dZ^t/dU^r.  The propagator P of a change of the weights follows
from the averages R(t, s) = E dG^t/dU^s over the patterns.
"""

from __future__ import annotations

import numpy as np

from replicadnn.curves.evolution.network import Derivatives
from replicadnn.types import FloatArray

#: Most numbers that are kept: two GB.
MAX_KEPT = 250_000_000


def kept(steps: int, M: int, patterns: int) -> int:
    """How many numbers `Responses` keeps."""
    return steps * M * (2 + steps * M) * patterns


class Responses:
    """P, R and what they are made of, step by step; M fields, N patterns.

    Parameters
    ----------
    steps, M, patterns : int
    eta : float
    d_over_n : float
    """

    def __init__(self, steps: int, M: int, patterns: int, eta: float, d_over_n: float) -> None:
        self.M, self.N, self.eta, self.factor = M, patterns, eta, eta * d_over_n
        #: S^t, rows (step, field), columns (G, dG/dy, dG/dU^0.., patterns).
        self.past = np.zeros((steps * M, (2 + steps * M) * patterns))
        #: P(t, s) as blocks (t, M, s, M); P(t, s) = 0 for s > t or s = 0.
        self.P = np.zeros((steps + 1, M, steps + 1, M))
        #: R(t, s) as blocks (t, M, s, M).
        self.R = np.zeros((steps, M, steps, M))

    def back(self, t: int) -> FloatArray:
        """Z^t - U^t, dZ^t/dy and dZ^t/dU^s for s < t: array (M, 2 + t M, N)."""
        columns = 2 + t * self.M
        row = self.P[t, :, 1 : t + 1].reshape(self.M, t * self.M)
        there = self.past[: t * self.M, : columns * self.N]
        return np.asarray(-self.factor * (row @ there)).reshape(self.M, columns, self.N)

    def record(self, t: int, back: FloatArray, at: Derivatives) -> None:
        """Take over step t: the derivatives at its fields Z, and ``back`` of the same step."""
        M, end = self.M, 2 + (t + 1) * self.M
        now = self.past[t * M : (t + 1) * M].reshape(M, -1, self.N)
        now[:, 0] = at.gradient
        for i, j in np.ndindex(M, M):
            now[i, 1 : end - M] += at.hessian[i, j] * back[j, 1:]
        now[:, 1] -= at.slope
        now[:, end - M : end] = at.hessian
        self.R[t, :, : t + 1] = now[:, 2:end].mean(axis=2).reshape(M, t + 1, M)
        before = self.P[: t + 1].reshape((t + 1) * M, -1)
        change = self.R[t, :, : t + 1].reshape(M, -1) @ before
        self.P[t + 1] = self.P[t] - self.eta * change.reshape(M, -1, M)
        self.P[t + 1, :, t + 1] = np.eye(M)

    def of_step(self, t: int, column: int) -> FloatArray:
        """Column ``column`` of step t (0: G, 1: dG/dy), array (M, N)."""
        rows = self.past[t * self.M : (t + 1) * self.M]
        return rows[:, column * self.N : (column + 1) * self.N]

    def gradients(self, t: int) -> FloatArray:
        """G^0..G^t, array ((t + 1) M, N)."""
        return self.past[: (t + 1) * self.M, : self.N]
