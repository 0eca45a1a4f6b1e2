"""Density of the gaps r = S h of one layer in the exact closure, replica symmetric.

Given the fields omega from below and u from above, a perceptron and its neuron have the weight
e^{uS} w(S h), h of mean omega and variance V = 1 - lam.  Random data, omega ~ N(0, lam),
u ~ N(0, eps):

    P(r) = w(r) < sum_S e^{uS} phi((r - S omega)/sqrt V) / sum_S e^{uS} W(S omega) >/sqrt V

The averages do not change when omega and u change their signs together, so both S give the same
and S = 1 is left with twice its probability, 1 + tanh(u + v), v(omega) = ln(W(omega)/W(-omega))/2:

    P(r) = w(r) < [1 + t(omega)] phi((r - omega)/sqrt V)/W(omega) >/sqrt V,   t = < tanh(u + v) >_u

Output layer (S given): t = 0.  In the teacher-student scenario the student is distributed as the
teacher, whose gaps are the Gaussian of an unconstrained network cut at the margin,
P(r) = w(r) phi(r)/norm, in every layer and at any overlap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import erf

from replicadnn.problem import Problem
from replicadnn.quadrature import SQRT_2PI, log_weight, on_panels
from replicadnn.solution import Solution
from replicadnn.theory.closures.averaged.gaps import cut_gaussian, sum_over_fields
from replicadnn.theory.closures.averaged.weight import floor_distance
from replicadnn.theory.closures.exact.equations import Equations
from replicadnn.theory.symmetric.state import State
from replicadnn.types import FloatArray

#: Standard deviations that a Gaussian average covers.
_REACH = 9.0
#: Spacing of the fields omega, in units of sqrt V (hard constraint, finite beta) and of sqrt lam.
_HARD, _SOFT, _OWN = 0.25, 0.1, 0.25
#: eps up to which the average over u is a sum over its Gaussian, and points of that.
_NARROW, _POINTS = 4.0, 241
#: Edges of the panels in x = u + v beyond it: tanh x is 1 to rounding behind the last one.
_PANELS, _ORDER = np.linspace(0.0, 20.0, 11), 16


@dataclass(frozen=True, slots=True)
class GapDensity:
    """P(r) of one layer at a solution (`replicadnn.theory.contract.GapDensity`).

    ``lam`` = q(l-1) Q(l), ``rest`` = 1 - lam, ``eps`` = Q(l+1) G(l+1), inf at the output.
    """

    problem: Problem
    lam: float
    rest: float
    eps: float

    @classmethod
    def of(cls, solution: Solution, layer: int) -> GapDensity:
        """That of ``layer`` (1..L) of a solution."""
        state = State(
            solution.q_ea, solution.one_minus_q_ea, solution.Q_ea, solution.one_minus_Q_ea
        )
        at = Equations(solution.problem).layers(state)
        n = layer - 1
        return cls(solution.problem, float(at.lam[n]), float(at.mu[n]), float(at.eps[n]))

    @property
    def width(self) -> float:
        """sqrt V: scale of the peak above the margin."""
        return math.sqrt(self.rest)

    @property
    def floor(self) -> float:
        """Below it, finite beta: fields at which ln W levels off at -beta; -inf for beta = inf."""
        return self.problem.kappa - floor_distance(self.problem.beta) * self.width

    def at(self, r: FloatArray) -> FloatArray:
        """P at the gaps ``r`` (n); at r = kappa from above."""
        kappa, beta = self.problem.kappa, self.problem.beta
        if self.problem.teacher:
            return cut_gaussian(r, kappa, beta)
        omega, weights = self.fields()
        return sum_over_fields(r, omega, weights, self.width, kappa, beta)

    def fields(self) -> tuple[FloatArray, FloatArray]:
        """omega and its weights N(omega; 0, lam) [1 + t(omega)], random data; they sum to 1."""
        if self.lam == 0.0:
            return np.zeros(1), 1.0 + self.bias(np.zeros(1))
        own = math.sqrt(self.lam)
        narrow = _HARD if math.isinf(self.problem.beta) else _SOFT
        step = min(narrow * self.width, _OWN * own)
        count = math.ceil(_REACH * own / step)
        omega = np.linspace(-count, count, 2 * count + 1) * step
        density = np.exp(-0.5 * (omega / own) ** 2) / (SQRT_2PI * own)
        return omega, step * density * (1.0 + self.bias(omega))

    def bias(self, omega: FloatArray) -> FloatArray:
        """t(omega) = < tanh(u + v) > over u ~ N(0, eps); 0 at the output and where eps = 0 = v."""
        kappa, beta = self.problem.kappa, self.problem.beta
        if math.isinf(self.eps):
            return np.zeros(omega.size)
        up, down = (log_weight((S * omega - kappa) / self.width, beta) for S in (1.0, -1.0))
        v = 0.5 * (up - down)
        return _narrow(v, self.eps) if self.eps <= _NARROW else _wide(v, self.eps)


def _narrow(v: FloatArray, eps: float) -> FloatArray:
    """< tanh(u + v) >, u ~ N(0, eps), by the trapezoidal rule over u."""
    z = np.linspace(-_REACH, _REACH, _POINTS)
    weights = np.exp(-0.5 * z * z) * (z[1] - z[0]) / SQRT_2PI
    return np.asarray(np.tanh(math.sqrt(eps) * z + v[:, None]) @ weights)


def _wide(v: FloatArray, eps: float) -> FloatArray:
    """The same where the Gaussian is wider than the step of tanh: a sign, less what rounds it off.

    < sign(x) > = erf(v/sqrt(2 eps)), x ~ N(v, eps); tanh x - sign x is odd and lives at |x| < 20.
    """
    x, weights = (a.ravel() for a in on_panels(_PANELS, _ORDER))
    rounded = weights * (np.tanh(x) - 1.0) / (SQRT_2PI * math.sqrt(eps))
    right, left = (np.exp(-0.5 * (x - S * v[:, None]) ** 2 / eps) for S in (1.0, -1.0))
    return np.asarray(erf(v / math.sqrt(2.0 * eps)) + (right - left) @ rounded)
