"""Parisi flow of one function: backward f, forward P, second moments.

Formulas: docs/theory.md, section 6. Given breakpoints ``0 = m_0 < m_1 < ... < m_k < m_{k+1}``,
variances ``v_0 <= ... <= v_k`` and a boundary function f_k,

    f_{i-1}(h) = (1/m_i) ln Int Dz exp( m_i f_i(h + sqrt(v_i - v_{i-1}) z) ),        i = k..1
    F          = Int Dz f_0(sqrt(v_0) z),        P_0(h) = Normal(0, v_0)
    P_i(h)     = exp(m_i f_i(h)) Int Dz P_{i-1}(h') exp(-m_i f_{i-1}(h'))
    T_i        = Int dh P_i(h) f_i'(h)^2,        dF/dv_i = -(m_{i+1} - m_i)/2 T_i.

One object serves the interaction (`gap_boundary`), the neurons (`spin_boundary`) and any other
model with the same structure (scripts/sk.py). `parisi_flow` is the plain numpy statement of the
formulas, `fast_flow` the compiled one; tests hold them together.

Examples
--------
>>> import numpy as np
>>> m, v = np.array([0.0, 0.5]), np.array([0.0, 1.0])
>>> flow = fast_flow(spin_boundary(), m, v)
>>> bool(abs(flow.free_energy - 0.9741) < 1e-3)
True
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import toeplitz

from replicadnn.kernels.theory import boundaries, layers
from replicadnn.kernels.theory import parisi as kernels
from replicadnn.types import FloatArray

REACH = 8.0
MARGIN = 24
MAX_POINTS = 40001
MAX_POINTS_SPIN = 8001  # long windows come with long stencils


@dataclass(frozen=True, slots=True)
class Boundary:
    """A boundary function h -> (f, f', f'').

    `slope` bounds |f'| where f grows linearly (the tilt exp(m f) shifts Gaussians by m slope
    variance, so windows must be wider); 0 where f stays below a constant. `width` is the scale on
    which f' changes; the grid follows it.
    """

    evaluate: Callable[[FloatArray], tuple[FloatArray, FloatArray, FloatArray]]
    slope: float
    width: float


@dataclass(frozen=True, slots=True)
class Grid:
    """Uniform grid of `left` + 1 + `right` points with h = 0 at index `left`."""

    step: float
    left: int
    right: int

    @property
    def h(self) -> FloatArray:
        return np.asarray(np.arange(-self.left, self.right + 1) * self.step)


@dataclass(frozen=True, slots=True)
class Flow:
    """A solved flow: arrays over levels i = 0..k (rows) and grid points h (columns)."""

    m: FloatArray
    v: FloatArray
    h: FloatArray
    f: FloatArray
    f1: FloatArray
    f2: FloatArray
    P: FloatArray
    T: FloatArray
    curvature: FloatArray
    mean: FloatArray
    free_energy: float
    mass_error: float

    @property
    def dF_dv(self) -> FloatArray:
        """-(m_{i+1} - m_i) T_i / 2 with m_{k+1} = m[k+1]."""
        return np.asarray(-0.5 * np.diff(self.m) * self.T)

    @property
    def dF_dm(self) -> FloatArray:
        """A_i = (<f_i> - <f_{i-1}>)/m_i, i = 1..k."""
        return np.asarray(np.diff(self.mean) / self.m[1:-1])


def gap_boundary(v_top: float, kappa: float = 0.0, beta: float = np.inf) -> Boundary:
    """f = ln[ e^-beta + (1 - e^-beta) Phi((h - kappa)/sqrt(1 - v_top)) ]."""
    width = float(np.sqrt(1.0 - v_top))

    def evaluate(h: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        f, f1, f2 = np.empty_like(h), np.empty_like(h), np.empty_like(h)
        step = float(h[1] - h[0])
        left = round(-float(h[0]) / step)
        boundaries.gap_boundary(kappa, beta, width, step, left, f, f1, f2)
        return f, f1, f2

    return Boundary(evaluate, 0.0, width)


def spin_boundary(m_top: float = 1.0) -> Boundary:
    """f = (1/m_top) ln 2cosh(m_top h): a free neuron (1) or one saturated above m_top."""

    def evaluate(h: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        y = m_top * h
        t = np.tanh(y)
        return np.logaddexp(y, -y) / m_top, t, m_top * (1.0 - t * t)

    return Boundary(evaluate, 1.0, 1.0 / m_top)


def make_grid(
    boundary: Boundary, m: FloatArray, v: FloatArray, points_per_width: float = 5.0
) -> Grid:
    """Spacing width/points_per_width; window 8 sqrt(v_k) + slope sum_i m_i (v_i - v_{i-1}).

    Smaller where a bounded f falls steeply (`kernels.layers.spacings`).
    """
    step = boundary.width / points_per_width
    if boundary.slope == 0.0:
        limits = layers.spacings(m, v, boundary.width, points_per_width)
        step = min(step, float(limits.min()))
    drift = boundary.slope * float(np.sum(m[1 : v.size] * np.diff(v)))
    reach = REACH * float(np.sqrt(v[-1])) + drift
    limit = MAX_POINTS_SPIN if boundary.slope > 0.0 else MAX_POINTS
    step = max(step, 2.0 * reach / limit)
    side = int(np.ceil(reach / step)) + MARGIN
    return Grid(step, side, side)


def _with_top(m: FloatArray, v: FloatArray, m_top: float) -> FloatArray:
    """Check m, v and return m with m_{k+1} appended."""
    m, v = np.asarray(m, float), np.asarray(v, float)
    if m.shape != v.shape or m[0] != 0.0:
        raise ValueError("m and v must have equal length and m[0] = 0")
    full = np.append(m, m_top)
    if np.any(np.diff(full) <= 0.0) or np.any(np.diff(v) < 0.0) or v[0] < 0.0:
        raise ValueError("m must increase strictly below m_top, v must not decrease from v[0] >= 0")
    return full


def gaussian_matrix(n: int, variance: float) -> FloatArray:
    """W[h, h'] of a Gaussian of `variance` (units step^2): W = exp(-variance g(theta)) per mode.

    g(theta) = theta^2/2 up to order 20, so that any variance from 0 on is exact for functions
    resolved by the grid.
    """
    if variance >= kernels.S_SAMPLED:
        row = np.exp(-0.5 * np.arange(n) ** 2 / variance)
        return np.asarray(toeplitz(row / (2.0 * row.sum() - row[0])))
    theta = np.pi * (np.arange(4096) + 0.5) / 4096
    modes = np.cos(np.outer(np.arange(kernels.HALF_SMALL + 1), theta))
    row = np.zeros(n)
    row[: kernels.HALF_SMALL + 1] = modes @ np.exp(-variance * kernels.symbol(theta)) / theta.size
    return np.asarray(toeplitz(row))


def parisi_flow(
    boundary: Boundary,
    m: FloatArray,
    v: FloatArray,
    *,
    m_top: float = 1.0,
    grid: Grid | None = None,
) -> Flow:
    """The flow in plain numpy, one matrix a level: the readable twin of `fast_flow`.

    Parameters
    ----------
    boundary : Boundary
    m, v : arrays (k+1,)
        Breakpoints with m[0] = 0 and variances, both non-decreasing.
    m_top : float
        m_{k+1}: 1, or m* where the levels above m* are saturated.
    """
    full = _with_top(m, v, m_top)
    grid = grid or make_grid(boundary, full, v)
    h, k = grid.h, v.size - 1
    f = np.empty((k + 1, h.size))
    f1, f2, P = np.empty_like(f), np.empty_like(f), np.empty_like(f)
    f[k], f1[k], f2[k] = boundary.evaluate(h)
    transition = [np.empty(0)] * (k + 1)
    for i in range(k, 0, -1):
        W = gaussian_matrix(h.size, (v[i] - v[i - 1]) / grid.step**2)
        weight = W * np.exp(m[i] * (f[i] - f[i].max()))
        total = np.maximum(weight.sum(1), kernels.UNDERFLOW)
        A = weight / total[:, None]
        f[i - 1] = f[i].max() + np.log(total / W.sum(1)) / m[i]
        f1[i - 1] = A @ f1[i]
        f2[i - 1] = A @ (f2[i] + m[i] * f1[i] ** 2) - m[i] * f1[i - 1] ** 2
        transition[i] = A
    P[0] = gaussian_matrix(h.size, v[0] / grid.step**2)[grid.left]
    for i in range(1, k + 1):
        P[i] = P[i - 1] @ transition[i]
    return _collect(full, v, h, f, f1, f2, P, float(abs(P.sum(1) - 1.0).max()))


def fast_flow(
    boundary: Boundary,
    m: FloatArray,
    v: FloatArray,
    *,
    m_top: float = 1.0,
    grid: Grid | None = None,
) -> Flow:
    """`parisi_flow` by the compiled kernel: same arguments, same result."""
    full = _with_top(m, v, m_top)
    grid = grid or make_grid(boundary, full, v)
    h, k = grid.h, v.size - 1
    f, f1, f2, fbar, e, S, P = (np.zeros((k + 1, h.size)) for _ in range(7))
    T, C, mean = (np.zeros(k + 1) for _ in range(3))
    f[k], f1[k], f2[k] = boundary.evaluate(h)
    v = np.asarray(v, float)
    _, error = kernels.flow(
        full,
        v,
        grid.step,
        grid.left,
        np.ones(k + 1, dtype=np.int64),
        boundary.slope,
        boundary.width,
        f,
        f1,
        f2,
        fbar,
        e,
        S,
        P,
        T,
        C,
        mean,
    )
    return _collect(full, v, h, f, f1, f2, P, float(error))


def _collect(full: FloatArray, v: FloatArray, h: FloatArray, *arrays: Any) -> Flow:
    f, f1, f2, P, mass_error = arrays
    T = (P * f1**2).sum(1)
    mean = (P * f).sum(1)
    curvature = (P * f2**2).sum(1)
    return Flow(
        full, np.asarray(v, float), h, f, f1, f2, P, T, curvature, mean, float(mean[0]), mass_error
    )
