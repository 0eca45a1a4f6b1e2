"""The replica-symmetric equations as they are written: the readable twin of the kernels.

Plain numpy, any weight of the gaps, every integral as in docs/theory.md, section 4.  Slow and meant
to be read; tests hold it together with `kernels.theory.averages`, benchmarks compare speed, and
`averaged.general` solves with it where there is no kernel.
"""

from __future__ import annotations

import math

import numpy as np

from replicadnn.problem import Problem
from replicadnn.quadrature import SQRT_2PI
from replicadnn.theory.closures.gap import Gap
from replicadnn.theory.closures.smoothed import weight_of
from replicadnn.types import FloatArray

_Z = np.linspace(-10.0, 10.0, 4001)
_DZ = np.exp(-0.5 * _Z**2) / SQRT_2PI * (_Z[1] - _Z[0])


def norm(problem: Problem) -> float:
    """Average of w: W(0) at V = 1."""
    return math.exp(float(weight_of(problem).smoothed(np.zeros(1), 1.0)[0][0]))


def curvature(problem: Problem, lam: FloatArray) -> FloatArray:
    """G(lam): Int Dz (W'/W)^2 (L), weighted by W/norm in the teacher-student scenario."""
    out = np.empty(lam.size)
    for l, overlap in enumerate(lam):
        gap = Gap(weight_of(problem), max(float(overlap), 0.0), 1.0 - float(overlap))
        planted = np.exp(gap.f) / norm(problem) if problem.teacher else 1.0
        out[l] = np.sum(gap.measure * planted * gap.w**2)
    return out


def interaction(problem: Problem, lam: FloatArray) -> FloatArray:
    """F_int(lam): Int Dz ln W (L), weighted likewise."""
    out = np.empty(lam.size)
    for l, overlap in enumerate(lam):
        gap = Gap(weight_of(problem), max(float(overlap), 0.0), 1.0 - float(overlap))
        planted = np.exp(gap.f) / norm(problem) if problem.teacher else 1.0
        out[l] = np.sum(gap.measure * planted * gap.f)
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
    gaps = interaction(problem, q[:-1] * Q * q[1:])
    inner = q[1:-1]
    x = np.sqrt(np.maximum(eps, 0.0))[:, None] * _Z
    if problem.teacher:
        spherical = 0.5 * (np.log(1.0 - Q) + Q)
        x = x + eps[:, None]
        spins = np.logaddexp(x, -x) @ _DZ - 0.5 * eps - 0.5 * eps * inner
    else:
        spherical = 0.5 * (np.log(1.0 - Q) + Q / (1.0 - Q))
        spins = np.logaddexp(x, -x) @ _DZ - 0.5 * eps * (1.0 - inner)
    return float(np.sum(gaps) + np.sum(spherical) / problem.alpha + np.sum(spins))
