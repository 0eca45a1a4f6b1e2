"""Exact neurons, replica symmetric, as they are written: the readable twin of the kernels.

Plain numpy on one fixed grid of (y, z), omega = sqrt(lam) y from below and u from above, every
average a sum over the plane.  Slow and meant to be read; tests hold it together with
`kernels.theory.exact`.  Accurate to 1e-11 (second
derivatives 1e-9) for lam <= 0.9, eps <= 5, kappa <= 0.5 and beta <= 10 or inf.
"""

from __future__ import annotations

import math

import numpy as np

from replicadnn.problem import Problem
from replicadnn.quadrature import log_weight, log_weight_curvature, log_weight_slope
from replicadnn.theory.closures.averaged.twin import couplings
from replicadnn.types import FloatArray

_STEP = 0.05
_Y = np.linspace(-9.5, 9.5, 381)
_DY: FloatArray = np.asarray(
    np.exp(-0.5 * _Y**2) * _STEP / math.sqrt(2.0 * math.pi), dtype=np.float64
)


class Layer:
    """f and its derivatives on the grid, and the measure of one layer.

    f(omega, u) = ln sum_S e^{S u} W(S omega), W(x) = w((x - kappa)/sqrt(1 - lam));
    omega ~ N(0, lam), u ~ N(0, eps) for random data; with a teacher the weight is
    2 W(omega)/(1 + e^-beta) and u ~ N(eps, eps).  eps = inf: the output layer, f = ln W(omega).

    Attributes
    ----------
    f, u, w, uu, uw, ww : ndarray, (381, 381) or (381, 1)
        f, f_u, f_omega, f_uu, f_u omega, f_omega omega.
    measure : ndarray, same shape
        Weights of the average; they sum to 1.
    """

    def __init__(self, problem: Problem, lam: float, eps: float) -> None:
        kappa, beta = problem.kappa, problem.beta
        root = math.sqrt(1.0 - lam)
        omega: FloatArray = math.sqrt(lam) * _Y[:, None]
        sides = [(S * omega - kappa) / root for S in (1.0, -1.0)]
        logs = [log_weight(x, beta) for x in sides]
        slopes = [log_weight_slope(x, beta) / root for x in sides]
        curvatures = [log_weight_curvature(x, beta) / root**2 for x in sides]
        planted = 2.0 * np.exp(logs[0]) / (1.0 + math.exp(-beta)) if problem.teacher else 1.0
        if math.isinf(eps):
            self.f, self.w, self.ww = logs[0], slopes[0], curvatures[0]
            self.u, self.uu, self.uw = np.ones_like(omega), 0.0 * omega, 0.0 * omega
            self.measure = _DY[:, None] * planted
            return
        u = math.sqrt(eps) * _Y + (eps if problem.teacher else 0.0)
        self.f = np.logaddexp(u + logs[0], -u + logs[1])
        up = np.exp(u + logs[0] - self.f)  # sigma_+, probability of S = +1
        down = np.exp(-u + logs[1] - self.f)
        self.u = up - down
        self.w = up * slopes[0] - down * slopes[1]
        self.uu = 4.0 * up * down
        self.uw = 2.0 * up * down * (slopes[0] + slopes[1])
        seconds = [c + r * r for c, r in zip(curvatures, slopes, strict=True)]
        self.ww = up * seconds[0] + down * seconds[1] - self.w**2
        self.measure = _DY[:, None] * _DY * planted

    def average(self, values: FloatArray) -> float:
        """<values> over omega and u."""
        return float(np.sum(self.measure * values))


def site(problem: Problem, lam: float, eps: float) -> tuple[float, float, float]:
    """q = <f_u^2>, 1 - q = <f_uu> and G = <f_omega^2> of one layer.

    <f_uu> = 1 - <f_u^2> whatever the measure; eps = inf gives q = 1.
    """
    layer = Layer(problem, lam, eps)
    return layer.average(layer.u**2), layer.average(layer.uu), layer.average(layer.w**2)


def site_slopes(problem: Problem, lam: float, eps: float) -> FloatArray:
    """dq/deps, dq/dlam = dG/deps, dG/dlam, <f_uu^2>, <f_uw^2>, <f_ww^2>."""
    layer = Layer(problem, lam, eps)
    squares = [layer.average(x**2) for x in (layer.uu, layer.uw, layer.ww)]
    along = [
        layer.average(layer.u**2 * layer.uu),
        layer.average(layer.u * layer.w * layer.uw),
        layer.average(layer.w**2 * layer.ww),
    ]
    part = 0.0 if problem.teacher else 2.0
    slopes = [square - part * term for square, term in zip(squares, along, strict=True)]
    return np.array(slopes + squares)


def potential(problem: Problem, lam: float, eps: float) -> float:
    """F = <f>, less eps with a teacher at hidden layers."""
    layer = Layer(problem, lam, eps)
    shift = eps if problem.teacher and not math.isinf(eps) else 0.0
    return layer.average(layer.f) - shift


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
