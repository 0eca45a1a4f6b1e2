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

Every level has a grid of its own: as large as its own fields, as fine as its f_i, which the
averages above have smoothed.  Without variances it is the origin alone.
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
#: f_K has its nearest poles in u at a distance pi/2 whatever the fields are.  Its spacing of u is
#: this part of the Gaussian of the top level, if that is wider, but so many times at most: sums
#: need fewer points than interpolation.
PER_WIDTH, WIDEST = 0.25, 3.5
#: Poles of f_i, in units of pi/2: at least this part of the Gaussian of level i + 1, or 1/m_{i+1}.
SMOOTHED = 0.6
#: Scale a of the grid of omega in units of sqrt(1 - lam_i).
SCALE = 1.5
LEAST = 16
#: Most points of u of the top level, and of the others, whose averages are square matrices.
MAX_TOP, MAX_POINTS = 14000, 1500


@dataclass(frozen=True, slots=True)
class Grid:
    """omega = a sinh(h_omega k), k < n_omega, and u = h_u k, k < n_u."""

    a: float
    h_omega: float
    n_omega: int
    h_u: float
    n_u: int

    @classmethod
    def of(cls, lam: float, eps: float, tilt: float, h_omega: float, h_u: float) -> Grid:
        """Window of REACH standard deviations, that of u wider by ``tilt``."""
        a = SCALE * math.sqrt(1.0 - lam)
        if lam <= 0.0 and eps <= 0.0:
            return cls(a, h_omega, 1, h_u, 1)
        n_omega = max(math.ceil(math.asinh(REACH * math.sqrt(lam) / a) / h_omega), LEAST) + 1
        reach = REACH * math.sqrt(eps) + tilt
        if reach > 0.0:  # without a field u = 0, the rest only serves derivatives
            h_u = min(h_u, max(reach, 1e-3) / LEAST)
        return cls(a, h_omega, n_omega, h_u, max(math.ceil(reach / h_u), LEAST) + 1)

    @property
    def omega(self) -> FloatArray:
        return np.asarray(self.a * np.sinh(self.h_omega * np.arange(self.n_omega)))

    @property
    def u(self) -> FloatArray:
        return np.asarray(self.h_u * np.arange(self.n_u))

    @property
    def omega_axis(self) -> tuple[int, float, float]:
        """As `kernels.averages` takes it."""
        return self.n_omega, self.h_omega, self.a

    @property
    def u_axis(self) -> tuple[int, float, float]:
        """As `kernels.averages` takes it."""
        return self.n_u, self.h_u, 0.0


#: Below level 0 there are no fields: one point, all weight on it; and a table that no level has.
ORIGIN = Grid(1.0, 1.0, 1, 1.0, 1)
POINT = np.array([[[1.0]], [[0.0]]])
NOTHING = np.zeros((2, 1, 1))


def level_grids(
    m: FloatArray, lam: FloatArray, eps: FloatArray, points: float, finer: float = 1.0
) -> list[Grid]:
    """The grids of levels 0..K; ``finer`` times as many points of omega.

    Spacing of u: FIELD/points times the distance of the poles of f_i in units of pi/2.
    """
    K = m.size - 1
    width = np.sqrt(np.diff(eps, prepend=0.0))
    smooth = np.ones(K + 1)
    for i in range(K, 0, -1):
        smooth[i - 1] = max(smooth[i], min(SMOOTHED * width[i], 1.0 / m[i]))
    smooth[K] = min(max(PER_WIDTH * width[K] / FIELD, 1.0), WIDEST)
    tilt = np.cumsum(m * width**2)
    grids = [
        Grid.of(
            float(lam[i]),
            float(eps[i]),
            float(tilt[i]),
            OMEGA / (finer * points),
            float(smooth[i]) * FIELD / points,
        )
        for i in range(K + 1)
    ]
    large = max((max(grid.n_omega, grid.n_u) for grid in grids[:-1]), default=0) > MAX_POINTS
    if large or max(grids[-1].n_omega, grids[-1].n_u) > MAX_TOP:
        raise FlowError("the fields of a neuron need too large a grid")
    return grids


@dataclass(frozen=True, slots=True)
class Tables:
    """What the responses of a flow need; by level i = 0..K, tables (2, n_omega, n_u) on its grid.

    ``omega`` (2, ., n_omega) and ``u`` (2, n_u, .): the Gaussian averages E_i, from the grid of
    level i to that of i - 1; f, ``first`` = (f_u, f_w), ``second`` = (f_uu, f_uw, f_ww);
    ``mean`` = <f_{i+1}> given the fields of level i; ``weight`` = e^{m_i (f_i - max)};
    ``inverse`` = 1 / E_i of it, on the grid of i - 1, 0 where that underflows (mass there is lost,
    and seen); P: the densities as linear forms.
    """

    grids: list[Grid]
    omega: list[FloatArray]
    u: list[FloatArray]
    f: list[FloatArray]
    first: list[FloatArray]
    second: list[FloatArray]
    mean: list[FloatArray]
    weight: list[FloatArray]
    inverse: list[FloatArray]
    P: list[FloatArray]


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
    grids = level_grids(m, lam, eps, points, finer)
    omega, u = _matrices(m, grids, np.diff(lam, prepend=0.0), np.diff(eps, prepend=0.0))
    top = np.empty((6, 2, grids[K].n_omega, grids[K].n_u))
    kernels.site(grids[K].omega, grids[K].u, math.sqrt(1.0 - lam[K]), kappa, beta, top)
    f, first, second = ([part] * (K + 1) for part in (top[0], top[1:3], top[3:]))
    mean, weight, inverse = ([NOTHING] * (K + 1) for _ in range(3))
    for i in range(K, 0, -1):
        f[i - 1], first[i - 1], second[i - 1], mean[i - 1], weight[i], inverse[i] = kernels.lower(
            m[i], omega[i], u[i], f[i], first[i], second[i]
        )
    P = [kernels.form(POINT, omega[0], u[0])]
    for i in range(1, K + 1):
        P.append(kernels.form(P[-1] * inverse[i], omega[i], u[i]) * weight[i])
    return _averaged(m, Tables(grids, omega, u, f, first, second, mean, weight, inverse, P))


def _matrices(
    m: FloatArray, grids: list[Grid], by_omega: FloatArray, by_u: FloatArray
) -> tuple[list[FloatArray], list[FloatArray]]:
    """E_i for increments of both variances (K+1); e^(m f) grows no faster than e^(m |u|)."""
    omega, u = [], []
    for i, (below, own) in enumerate(zip([ORIGIN, *grids], grids, strict=False)):
        sigma, width = (math.sqrt(max(rise[i], 0.0)) for rise in (by_omega, by_u))
        omega.append(kernels.matrix(*below.omega_axis, own.omega_axis, sigma, 0.0, False))
        u.append(kernels.matrix(*below.u_axis, own.u_axis, width, m[i] * width, True))
    return omega, u


def _averaged(m: FloatArray, tables: Tables) -> PlaneFlow:
    """The averages over P_i."""
    levels = zip(tables.P, tables.f, tables.first, tables.second, strict=True)
    moments = np.array([_moments(*level) for level in levels]).T
    level, q, G, squares = moments[0], moments[1], moments[2], moments[3:]
    A = np.zeros(m.size + 1)
    A[1:-1] = np.diff(level) / m[1:]
    if not np.isfinite(moments).all():
        raise FlowError("the flow of a hidden layer is not finite")
    mass = max(abs(float(P.sum()) - 1.0) for P in tables.P)
    rest = float(np.sum(tables.P[-1] * tables.second[-1][0]))
    return PlaneFlow(m, float(level[0]), q, G, squares, A, rest, mass, tables)


def _moments(P: FloatArray, f: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """<f>, <f_u^2>, <f_w^2>, <f_uu^2>, <f_uw^2>, <f_ww^2> of one level."""
    squares = [float(np.sum(P * slope * slope)) for slope in (*first, *second)]
    return np.array([float(np.sum(P * f)), *squares])
