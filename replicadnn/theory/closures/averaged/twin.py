"""The replica-symmetric equations as they are written: the readable twin of the kernels.

Plain numpy on a fixed grid of z, every integral as in docs/theory.md, section 4.  Slow and
meant to be read; tests hold it together with `kernels.theory.averages`, benchmarks compare speed.
Accurate to 1e-8 while sqrt((1 - lam)/lam) is resolved by the grid (lam below 0.999).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr

from replicadnn.problem import Problem
from replicadnn.quadrature import SQRT_2PI, log_weight, log_weight_slope
from replicadnn.types import FloatArray

_Z = np.linspace(-10.0, 10.0, 4001)
_DZ = np.exp(-0.5 * _Z**2) / SQRT_2PI * (_Z[1] - _Z[0])


def field(lam: FloatArray, kappa: float) -> FloatArray:
    """u = (sqrt(lam) z - kappa)/sqrt(1 - lam), one row a layer."""
    root = np.sqrt(np.maximum(lam, 0.0))  # a liquid overlap may round to -1e-17
    out: FloatArray = (root[:, None] * _Z - kappa) / np.sqrt(1.0 - lam)[:, None]
    return out


def norm(problem: Problem) -> float:
    """Average of w: exp(-beta) + (1 - exp(-beta)) Phi(-kappa)."""
    c = math.exp(-problem.beta)
    return c + (1.0 - c) * float(ndtr(-problem.kappa))


def curvature(problem: Problem, lam: FloatArray) -> FloatArray:
    """G(lam): Int Dz (w'/w)^2 / (1-lam), weighted by w/norm in the teacher-student scenario."""
    u = field(lam, problem.kappa)
    integrand = log_weight_slope(u, problem.beta) ** 2
    if problem.teacher:
        integrand = integrand * np.exp(log_weight(u, problem.beta)) / norm(problem)
    out: FloatArray = integrand @ _DZ / (1.0 - lam)
    return out


def neurons(problem: Problem, eps: FloatArray) -> FloatArray:
    """q(eps): Int Dz tanh(sqrt(eps) z + eps), or Int Dz tanh^2(sqrt(eps) z) for random data."""
    x = np.sqrt(np.maximum(eps, 0.0))[:, None] * _Z
    if problem.teacher:
        return np.asarray(np.tanh(x + eps[:, None]) @ _DZ)
    return np.asarray(np.tanh(x) ** 2 @ _DZ)


def couplings(problem: Problem, B: FloatArray) -> FloatArray:
    """Q(B): B/(1+B), or the root of Q/(1-Q)^2 = B for random data."""
    if problem.teacher:
        return B / (1.0 + B)
    return B * (2.0 / (1.0 + np.sqrt(1.0 + 4.0 * B))) ** 2


def saddle_map(problem: Problem, q: FloatArray, Q: FloatArray) -> tuple[FloatArray, FloatArray]:
    """One undamped step (q, Q) -> (q', Q') of the saddle-point equations."""
    lam = q[:-1] * Q * q[1:]
    G = curvature(problem, lam)
    eps = (Q * q[:-1] * G)[:-1] + (Q * q[1:] * G)[1:]
    new = q.copy()
    new[1:-1] = neurons(problem, eps)
    return new, couplings(problem, problem.alpha * q[:-1] * q[1:] * G)


def free_entropy(problem: Problem, q: FloatArray, Q: FloatArray, eps: FloatArray) -> float:
    """s(q, Q, eps) per N M, stationary in every argument (docs/theory.md, eqs. 19, 20)."""
    lam = q[:-1] * Q * q[1:]
    log_w = log_weight(field(lam, problem.kappa), problem.beta)
    inner = q[1:-1]
    if problem.teacher:
        interaction = (np.exp(log_w) * log_w) @ _DZ / norm(problem)
        spherical = 0.5 * (np.log(1.0 - Q) + Q)
        x = np.sqrt(eps)[:, None] * _Z + eps[:, None]
        spins = np.logaddexp(x, -x) @ _DZ - 0.5 * eps - 0.5 * eps * inner
    else:
        interaction = log_w @ _DZ
        spherical = 0.5 * (np.log(1.0 - Q) + Q / (1.0 - Q))
        x = np.sqrt(np.maximum(eps, 0.0))[:, None] * _Z
        spins = np.logaddexp(x, -x) @ _DZ - 0.5 * eps * (1.0 - inner)
    return float(np.sum(interaction) + np.sum(spherical) / problem.alpha + np.sum(spins))
