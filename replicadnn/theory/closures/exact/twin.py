"""Exact neurons, replica symmetric, as they are written: the readable twin of the kernels.

Plain numpy, any weight of the gaps: every average a sum over a grid of omega from below
(`closures.gap`) and u from above.  Slow and meant to be read; tests hold it together with
`kernels.theory.exact`, and `exact.general` solves with it where there is no kernel.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from replicadnn.problem import Problem
from replicadnn.quadrature import SQRT_2PI
from replicadnn.theory.closures.averaged.twin import couplings
from replicadnn.theory.closures.gap import Gap
from replicadnn.theory.closures.smoothed import weight_of
from replicadnn.types import FloatArray

#: End of the grid of u in units of sqrt(eps), and its longest step there and in u: the trapezoidal
#: rule is exact to rounding below pi/2, where tanh has its pole, and most points of it.
_END, _STEP, _STEP_U, _POINTS = 9.5, 0.4, 0.25, 4001


class Layer:
    """f and its derivatives on the grid, and the measure of one layer.

    f(omega, u) = ln sum_S e^{S u} W(S omega), W of `closures.smoothed` at V = 1 - lam;
    omega ~ N(0, lam), u ~ N(0, eps) for random data; with a teacher the weight is
    2 W(omega)/(1 + e^-beta) and u ~ N(eps, eps).  eps = inf: the output layer, f = ln W(omega).
    ``mu``: 1 - lam where that has a relative accuracy of its own.

    Attributes
    ----------
    f, u, w, uu, uw, ww : ndarray, (n, k) or (n, 1)
        f, f_u, f_omega, f_uu, f_u omega, f_omega omega.
    measure : ndarray, same shape
        Weights of the average; they sum to 1.
    log_mean : float
        ln <W(omega)> over omega ~ N(0, lam), which is ln <w>.
    """

    def __init__(self, problem: Problem, lam: float, eps: float, mu: float | None = None) -> None:
        gap = Gap(weight_of(problem), lam, 1.0 - lam if mu is None else mu)
        self.log_mean = float(logsumexp(gap.f, b=gap.measure))
        one, self.measure = np.ones((gap.omega.size, 1)), gap.measure[:, None]
        if problem.teacher:
            self.measure = self.measure * 2.0 * np.exp(gap.f[:, None])
            self.measure /= 1.0 + math.exp(-problem.beta)
        if math.isinf(eps):
            self.f, self.w, self.ww = gap.f[:, None], gap.w[:, None], gap.ww[:, None]
            self.u, self.uu, self.uw = one, 0.0 * one, 0.0 * one
            return
        y, weights = _normal(eps)
        u = math.sqrt(eps) * y + (eps if problem.teacher else 0.0)
        # S = -1 sees the gap -omega: the same numbers in reverse order
        logs, slopes, curvatures = ((x[:, None], x[::-1, None]) for x in (gap.f, gap.w, gap.ww))
        self.f = np.logaddexp(u + logs[0], -u + logs[1])
        up = np.exp(u + logs[0] - self.f)  # sigma_+, probability of S = +1
        down = np.exp(-u + logs[1] - self.f)
        self.u = np.tanh(u + 0.5 * (logs[0] - logs[1]))
        self.w = up * slopes[0] - down * slopes[1]
        self.uu = 4.0 * up * down
        self.uw = 2.0 * up * down * (slopes[0] + slopes[1])
        # variance of the slope over S in place of the difference of its squares
        self.ww = (
            up * curvatures[0] + down * curvatures[1] + up * down * (slopes[0] + slopes[1]) ** 2
        )
        self.measure = self.measure * weights

    def average(self, values: FloatArray) -> float:
        """<values> over omega and u."""
        return float(np.sum(self.measure * values))


def _normal(eps: float) -> tuple[FloatArray, FloatArray]:
    """Points and weights of a standard Gaussian u/sqrt(eps)."""
    if eps == 0.0:
        return np.zeros(1), np.ones(1)
    step = min(_STEP, _STEP_U / math.sqrt(eps))
    half = min(math.ceil(_END / step), _POINTS // 2)
    y = np.linspace(-_END, _END, 2 * half + 1)
    return y, np.exp(-0.5 * y * y) * (y[1] - y[0]) / SQRT_2PI


class Averages(NamedTuple):
    """What the equations need of one layer."""

    q: float  # <f_u^2>
    rest: float  # 1 - q = <f_uu>
    G: float  # <f_omega^2>
    q_eps: float  # dq/deps
    q_lam: float  # dq/dlam = dG/deps
    G_lam: float  # dG/dlam
    f_uu: float  # <f_uu^2>
    f_uw: float
    f_ww: float
    F: float  # <f>, less eps with a teacher at hidden layers
    mass: float  # sum of the measure, 1
    log_mean: float  # ln <W(omega)> = ln <w>


@lru_cache(maxsize=4096)
def averages(problem: Problem, lam: float, eps: float, mu: float | None = None) -> Averages:
    """All averages of one layer.

    <f_uu> = 1 - <f_u^2> whatever the measure; eps = inf gives q = 1.
    """
    layer = Layer(problem, lam, eps, mu)
    mean = layer.average
    squares = [mean(x**2) for x in (layer.uu, layer.uw, layer.ww)]
    along = [
        mean(layer.u**2 * layer.uu),
        mean(layer.u * layer.w * layer.uw),
        mean(layer.w**2 * layer.ww),
    ]
    part = 0.0 if problem.teacher else 2.0
    slopes = [square - part * term for square, term in zip(squares, along, strict=True)]
    shift = eps if problem.teacher and not math.isinf(eps) else 0.0
    values = [mean(layer.u**2), mean(layer.uu), mean(layer.w**2), *slopes, *squares]
    values += [mean(layer.f) - shift, float(np.sum(layer.measure)), layer.log_mean]
    return Averages._make(values)


def site(problem: Problem, lam: float, eps: float) -> tuple[float, float, float]:
    """q = <f_u^2>, 1 - q = <f_uu> and G = <f_omega^2> of one layer."""
    return averages(problem, lam, eps)[:3]


def site_slopes(problem: Problem, lam: float, eps: float) -> FloatArray:
    """dq/deps, dq/dlam = dG/deps, dG/dlam, <f_uu^2>, <f_uw^2>, <f_ww^2>."""
    return np.array(averages(problem, lam, eps)[3:9])


def potential(problem: Problem, lam: float, eps: float) -> float:
    """F = <f>, less eps with a teacher at hidden layers."""
    return averages(problem, lam, eps).F


def saddle_map(problem: Problem, q: FloatArray, Q: FloatArray) -> tuple[FloatArray, FloatArray]:
    """One undamped step (q, Q) -> (q', Q'), from the output to the input; q (L+1), Q (L)."""
    new_q, new_Q = q.copy(), Q.copy()
    eps = math.inf
    for l in range(problem.L, 0, -1):
        new_q[l], _, G = site(problem, q[l - 1] * Q[l - 1], eps)
        new_Q[l - 1] = float(couplings(problem, np.array(problem.alpha * q[l - 1] * G)))
        eps = Q[l - 1] * G
    return new_q, new_Q


def fields(problem: Problem, q: FloatArray, Q: FloatArray) -> FloatArray:
    """eps(l) = Q(l+1) G(l+1), l = 1..L-1, and inf for the output layer; (L,)."""
    eps = np.full(problem.L, math.inf)
    for l in range(problem.L - 1, 0, -1):
        eps[l - 1] = Q[l] * site(problem, q[l] * Q[l], float(eps[l]))[2]
    return eps


def free_entropy(problem: Problem, q: FloatArray, Q: FloatArray, eps: FloatArray) -> float:
    """s(q, Q, eps) per N M, stationary in every argument; eps (L) ends with inf."""
    total = sum(potential(problem, float(q[l] * Q[l]), float(eps[l])) for l in range(problem.L))
    rest = 1.0 - q[1:-1]
    if problem.teacher:
        spherical = 0.5 * (np.log(1.0 - Q) + Q)
        total += 0.5 * float(np.sum(eps[:-1] * rest))
    else:
        spherical = 0.5 * (np.log(1.0 - Q) + Q / (1.0 - Q))
        total -= 0.5 * float(np.sum(eps[:-1] * rest))
    return total + float(np.sum(spherical)) / problem.alpha
