"""Parisi flow of a neuron together with its perceptron: f(omega, u) on a quarter of the plane.

Formulas: docs/theory.md, section 8.  With breakpoints 0 = m_0 < m_1 < ... < m_K < m_{K+1} = 1,
variances lam_0 <= ... <= lam_K of omega and eps_0 <= ... <= eps_K of u, each (K+1,),

    f_K(omega, u)     = ln sum_S e^(S u) W(S omega),  W of the variance 1 - lam_K
    f_{i-1}(omega, u) = (1/m_i) ln E_i exp(m_i f_i),  E_i: Gaussian average over both increments
    P_0 = N(0, lam_0) N(0, eps_0),   P_i = e^{m_i f_i} E_i[ P_{i-1} e^{-m_i f_{i-1}} ]
    q_i = <f_u^2>_i,   G_i = <f_omega^2>_i   (averages over P_i)

f is even under (omega, u) -> (-omega, -u) at every margin, so that omega >= 0 suffices; there the
halves u >= 0 and u <= 0 (first axis of every table: 0, 1) are combined into the sum and the
difference, of which one is even and the other odd in omega, and in u.  Every average is then two
products of small matrices (`kernels.theory.plane`).  Densities are linear forms on these tables and
go forward with the transpose: mass is conserved to rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from replicadnn.kernels.theory import plane as kernels
from replicadnn.theory.broken.state import FlowError
from replicadnn.types import FloatArray

#: Window in standard deviations, and spacing times points per width: of asinh(omega/a), of u.
REACH = 8.8
OMEGA, FIELD = 0.35, 0.5
#: Spacing of u in units of the narrowest Gaussian of u, which may make it so many times wider: f
#: has its nearest poles at a distance pi/2 whatever the fields are.
PER_WIDTH, WIDEST = 0.25, 2.5
#: Scale a of the grid of omega in units of sqrt(1 - lam_K).
SCALE = 1.5
LEAST = 16
MAX_POINTS = 1500


@dataclass(frozen=True, slots=True)
class Grid:
    """omega = a sinh(h_omega k), k < n_omega, and u = h_u k, k < n_u."""

    a: float
    h_omega: float
    n_omega: int
    h_u: float
    n_u: int

    @classmethod
    def of(
        cls, m: FloatArray, lam: FloatArray, eps: FloatArray, points: float, finer: float = 1.0
    ) -> Grid:
        """Window of REACH standard deviations, that of u wider by the tilt sum_i m_i deps_i.

        ``finer`` times as many points of omega.  u is coarser where all its Gaussians are wide
        (one level near its end: eps ~ 1/m^2).
        """
        width = math.sqrt(1.0 - lam[-1])
        a, h = SCALE * width, OMEGA / (finer * points)
        n_omega = max(math.ceil(math.asinh(REACH * math.sqrt(lam[-1]) / a) / h), LEAST) + 1
        reach = REACH * math.sqrt(eps[-1]) + float(np.sum(m[1:] * np.diff(eps)))
        rises = np.diff(eps, prepend=0.0)
        narrowest = math.sqrt(float(rises[rises > 0.0].min(initial=math.inf)))
        wider = min(max(PER_WIDTH * narrowest / FIELD, 1.0), WIDEST) if reach > 0.0 else 1.0
        h_u = wider * FIELD / points
        if reach > 0.0:  # without a field u = 0, the rest only serves derivatives
            h_u = min(h_u, max(reach, 1e-3) / LEAST)
        n_u = math.ceil(reach / h_u) + 1
        if max(n_omega, n_u) > MAX_POINTS:
            raise FlowError("the fields of a neuron need too large a grid")
        return cls(a, h, n_omega, h_u, max(n_u, LEAST + 1))

    @property
    def omega(self) -> FloatArray:
        return np.asarray(self.a * np.sinh(self.h_omega * np.arange(self.n_omega)))

    @property
    def u(self) -> FloatArray:
        return np.asarray(self.h_u * np.arange(self.n_u))


@dataclass(frozen=True, slots=True)
class Tables:
    """What the responses of a flow need; rows by level i = 0..K, then (2, n_omega, n_u).

    ``omega`` (K+1, 2, n_omega, n_omega) and ``u`` (K+1, 2, n_u, n_u): the Gaussian averages E_i;
    f (K+1, ...) and ``first`` = (f_u, f_w); ``mean`` = <f_{i+1}> given the fields of level i;
    ``weight`` = e^{m_i (f_i - max)}; ``inverse`` = 1 / E_i of it, 0 where that underflows (mass
    there is lost, and seen); P: the densities as linear forms.
    """

    grid: Grid
    omega: FloatArray
    u: FloatArray
    f: FloatArray
    first: FloatArray
    mean: FloatArray
    weight: FloatArray
    inverse: FloatArray
    P: FloatArray


@dataclass(frozen=True, slots=True)
class PlaneFlow:
    """A solved flow.

    Attributes
    ----------
    m : array (K+1,)
    free_energy : float
        F: f_0 averaged over P_0.
    q, G : arrays (K+1,)
        <f_u^2>, <f_w^2>.
    squares : array (3, K+1)
        <f_uu^2>, <f_uw^2>, <f_ww^2>.
    A : array (K+2,)
        A_i = (<f_i> - <f_{i-1}>)/m_i = dF/dm_i, i = 1..K; 0 elsewhere.
    rest : float
        1 - q_K, with its own relative accuracy.
    mass_error : float
        Largest error of a sum of P_i.
    tables : Tables
    """

    m: FloatArray
    free_energy: float
    q: FloatArray
    G: FloatArray
    squares: FloatArray
    A: FloatArray
    rest: float
    mass_error: float
    tables: Tables


def plane_flow(
    m: FloatArray, lam: FloatArray, eps: FloatArray, kappa: float, beta: float, points: float,
    finer: float = 1.0,
) -> PlaneFlow:  # fmt: skip
    """The flow of one hidden layer on ``points`` points per width, ``finer`` times in omega."""
    K = m.size - 1
    grid = Grid.of(m, lam, eps, points, finer)
    shape = (2, grid.n_omega, grid.n_u)
    f, mean, weight, inverse, P = (np.zeros((K + 1, *shape)) for _ in range(5))
    first, second = np.empty((K + 1, 2, *shape)), np.empty((K + 1, 3, *shape))
    top = np.empty((6, *shape))
    kernels.site(grid.omega, grid.u, math.sqrt(1.0 - lam[K]), kappa, beta, top)
    f[K], first[K], second[K] = top[0], top[1:3], top[3:]
    rises = (np.diff(lam, prepend=0.0), np.diff(eps, prepend=0.0))
    omega = kernels.matrices(grid.n_omega, grid.h_omega, grid.a, rises[0], False)
    u = kernels.matrices(grid.n_u, grid.h_u, 0.0, rises[1], True)
    kernels.flow(m, omega, u, f, first, second, mean, weight, inverse, P)
    return _averaged(m, Tables(grid, omega, u, f, first, mean, weight, inverse, P), second)


def _averaged(m: FloatArray, tables: Tables, second: FloatArray) -> PlaneFlow:
    """The averages over P_i."""
    P, levels = tables.P.reshape(m.size, -1), range(m.size)
    first, second = (x.reshape(*x.shape[:2], -1) for x in (tables.first, second))
    q, G = np.array([(first[i] ** 2) @ P[i] for i in levels]).T
    squares = np.array([(second[i] ** 2) @ P[i] for i in levels]).T
    level = np.array([P[i] @ tables.f[i].ravel() for i in levels])
    A = np.zeros(m.size + 1)
    A[1:-1] = np.diff(level) / m[1:]
    if not (np.isfinite(level).all() and np.isfinite(q + G).all() and np.isfinite(squares).all()):
        raise FlowError("the flow of a hidden layer is not finite")
    mass = float(np.abs(P.sum(1) - 1.0).max())
    rest = float(P[-1] @ second[-1, 0])
    return PlaneFlow(m, float(level[0]), q, G, squares, A, rest, mass, tables)
