"""Parisi flow of the exact closure in the limit m_K -> 0 in which the volume of random data closes.

Hard constraints, kappa = 0.  With m_i = y_i m, m = m_K -> 0 (0 = y_0 < y_1 < ... < y_K = 1), fields
u = U/m of variances eps_i = e_i/m^2 and 1 - lam_K = nu m, m f of (53) in docs/theory.md tends to

    phi_K(omega, U)     = max_S [ S U - theta(-S omega) omega^2/(2 nu) ]   (output: U = 0, S = 1)
    phi_{i-1}(omega, U) = (1/y_i) ln E_i exp(y_i phi_i)

with the Gaussian increments lam_i - lam_{i-1} (lam_K = 1) and e_i - e_{i-1}.  The top average is a
closed form in U and, at the output, in omega; the levels below are those of `plane_twin`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, ndtr

from replicadnn.quadrature import SQRT_2PI, mills, on_panels
from replicadnn.theory.broken.state import FlowError
from replicadnn.theory.parisi import gaussian_matrix
from replicadnn.types import FloatArray

#: Windows in standard deviations; spacings of omega and U in units of the top Gaussian (U: of one,
#: if that is less).
_REACH = 8.5
_OMEGA, _FIELD, _OUTPUT = 0.22, 0.25, 0.05
#: Fewest points on a side, the smallest spacing in units of the usual one; most points.
_LEAST, _SMALLEST = 24, 1e-3
_MOST = 1500
#: Panels of the top average over omega: order, first width in sqrt(nu), growth, largest width in
#: standard deviations.
_ORDER, _FIRST, _GROWTH, _LARGEST = 16, 2.0, 1.5, 1.2


@dataclass(frozen=True, slots=True)
class LimitFlow:
    """A solved flow.

    Attributes
    ----------
    free_energy : float
        phi_0 at zero fields.
    q, G : arrays (K-1,)
        <(d_U phi_i)^2> and <(d_omega phi_i)^2>, i = 1..K-1; G is m^2 times that of (54).
    rest : float
        (1 - q_K)/m = 2 dF/de_K - 1; 0 at the output.
    pull : float
        G_K = 2 dF/dnu.
    A : array (K-1,)
        dF/dy_i, i = 1..K-1.
    contacts : float
        Weight of the gaps at contact, <theta(-S omega)>_K: they are within O(m) of the margin.
    edge : float
        m P(kappa + 0) = <theta(-S omega) |omega|>_K/nu.
    """

    free_energy: float
    q: FloatArray
    G: FloatArray
    rest: float
    pull: float
    A: FloatArray
    contacts: float
    edge: float


@dataclass(frozen=True, slots=True)
class _Top:
    """phi_{K-1} on a grid, its slopes in omega, U and nu, <d_U^2 phi_K>, contacts and edge."""

    f: FloatArray
    f_w: FloatArray
    f_u: FloatArray
    by_nu: FloatArray
    rest: FloatArray
    contacts: FloatArray
    edge: FloatArray


def hidden_flow(y: FloatArray, lam: FloatArray, e: FloatArray, nu: float) -> LimitFlow:
    """One hidden layer: y (K), lam (K-1), e (K); K = 1 has no grid."""
    K = y.size
    width, rise = 1.0 - (lam[-1] if K > 1 else 0.0), e[-1] - (e[-2] if K > 1 else 0.0)
    if K == 1:
        top = _hidden_top(np.zeros(1), np.zeros(1), float(width), float(rise), nu)
        return _averaged(y, top, [])
    tilt = float(y[:-1] @ np.diff(e[:-1], prepend=0.0))
    omega_step, omega_side = _grid(lam[-1], 0.0, _OMEGA * math.sqrt(width))
    step, side = _grid(e[-2], tilt, _FIELD * math.sqrt(min(rise, 1.0)))
    omega: FloatArray = omega_step * np.arange(omega_side + 1.0)
    U: FloatArray = step * np.arange(-side, side + 1.0)
    half = _hidden_top(omega, U, float(width), float(rise), nu)
    top = _Top(
        _whole(half.f, 1.0), _whole(half.f_w, -1.0), _whole(half.f_u, -1.0),
        _whole(half.by_nu, 1.0), _whole(half.rest, 1.0),
        _whole(half.contacts, 1.0), _whole(half.edge, 1.0),
    )  # fmt: skip
    rises = zip(np.diff(lam, prepend=0.0), np.diff(e[:-1], prepend=0.0), strict=True)
    moves = [
        (
            gaussian_matrix(2 * omega_side + 1, float(a) / omega_step**2),
            gaussian_matrix(2 * side + 1, float(b) / step**2),
        )
        for a, b in rises
    ]
    return _averaged(y, top, moves)


def output_flow(y: FloatArray, lam: FloatArray, nu: float) -> LimitFlow:
    """The output layer: omega alone."""
    width = 1.0 - (lam[-1] if y.size > 1 else 0.0)
    if y.size == 1:
        return _averaged(y, _output_top(np.zeros(1), float(width), nu), [])
    step, side = _grid(lam[-1], 0.0, _OUTPUT * math.sqrt(width))
    omega: FloatArray = step * np.arange(-side, side + 1.0)
    top = _output_top(omega, float(width), nu)
    moves = [
        (gaussian_matrix(2 * side + 1, float(a) / step**2), np.ones((1, 1)))
        for a in np.diff(lam, prepend=0.0)
    ]
    return _averaged(y, top, moves)


def _grid(variance: float, tilt: float, step: float) -> tuple[float, int]:
    """Spacing, and points on a side; of a level at zero, a few about zero."""
    reach = _REACH * math.sqrt(variance) + tilt
    if not reach < _MOST * step:
        raise FlowError("the limit of closing volume needs too large a grid")
    if reach > _LEAST * step:
        return step, math.ceil(reach / step)
    return max(reach / _LEAST, _SMALLEST * step), _LEAST


def _whole(half: FloatArray, parity: float) -> FloatArray:
    """From omega >= 0 to the plane, under (omega, U) -> (-omega, -U)."""
    return np.concatenate([parity * half[:0:-1, ::-1], half])


def _hidden_top(omega: FloatArray, U: FloatArray, width: float, rise: float, nu: float) -> _Top:
    """ln E exp(phi_K): over U in closed form, over omega >= 0 and <= 0 on panels."""
    edges, far = [0.0], float(omega[-1]) + _REACH * math.sqrt(width)
    panel = _FIRST * math.sqrt(nu)
    while edges[-1] < far:
        edges.append(edges[-1] + min(panel, _LARGEST * math.sqrt(width)))
        panel *= _GROWTH
    x, weights = (part.ravel() for part in on_panels(np.array(edges), _ORDER))
    a, root = (x * x / (4.0 * nu))[:, None], math.sqrt(rise)
    sides = []
    for sign in (1.0, -1.0):  # exp(phi_K) at omega of this sign, divided by exp(|U| + rise/2)
        V = sign * U
        up = np.exp(V - np.abs(U)) * ndtr((V + rise + a) / root)
        down = np.exp(-V - np.abs(U) - 2.0 * a) * ndtr((rise - V - a) / root)
        kink = np.exp(-a - 0.5 * ((V + a) / root) ** 2 - np.abs(U) - 0.5 * rise)
        sides.append((up + down, sign * (up - down), 2.0 * a * down / nu, kink, down))
    total, f_w, f_u, by_nu, rest, contacts, edge = (
        np.zeros((omega.size, U.size)) for _ in range(7)
    )
    for sign, (both, odd, slope, kink, down) in zip((1.0, -1.0), sides, strict=True):
        d = sign * x - omega[:, None]
        density = np.exp(-0.5 * d * d / width) * weights / (SQRT_2PI * math.sqrt(width))
        total += density @ both
        f_w += (density * d) @ both / width
        f_u += density @ odd
        by_nu += density @ slope
        rest += density @ kink * (2.0 / (SQRT_2PI * root))
        contacts += density @ down
        edge += (density * x) @ down / nu
    f = np.abs(U) + 0.5 * rise + np.log(total)
    means = (part / total for part in (f_w, f_u, by_nu, rest, contacts, edge))
    return _Top(f, *means)


def _output_top(omega: FloatArray, width: float, nu: float) -> _Top:
    """ln { Phi(omega/sqrt r) + sqrt(nu/c) e^(-omega^2/(2c)) Phi(-k omega) }, k^2 = nu/(r c).

    r = ``width``, c = nu + r.
    """
    c = nu + width
    k = math.sqrt(nu / (width * c))
    inside = log_ndtr(omega / math.sqrt(width))
    outside = 0.5 * math.log(nu / c) - omega**2 / (2.0 * c) + log_ndtr(-k * omega)
    f = np.logaddexp(inside, outside)
    part, edge = np.exp(outside - f), 1.0 / mills(-k * omega)
    density = np.exp(-0.5 * omega**2 / width - f) / (SQRT_2PI * math.sqrt(width))
    f_w = density - part * (omega / c + k * edge)
    change = 0.5 * (1.0 / nu - 1.0 / c)
    by_nu = part * (change + omega**2 / (2.0 * c * c) - change * k * omega * edge)
    none = np.zeros((omega.size, 1))
    column = part[:, None]  # S = 1: the edge is the mean of phi_K', and so phi_{K-1}'
    return _Top(f[:, None], f_w[:, None], none, by_nu[:, None], none, column, f_w[:, None])


def _averaged(
    y: FloatArray, top: _Top, moves: Sequence[tuple[FloatArray, FloatArray]]
) -> LimitFlow:
    """The levels below the top one and the averages over P_i."""
    K = y.size
    f, f_w, f_u = ([table] * K for table in (top.f, top.f_w, top.f_u))
    weights, norms = [top.f] * K, [top.f] * K
    for i in range(K - 1, 0, -1):
        left, right = moves[i - 1]
        largest = float(f[i].max())
        weights[i] = np.exp(y[i - 1] * (f[i] - largest))
        norms[i] = left @ weights[i] @ right.T
        whole = np.outer(left.sum(1), right.sum(1))
        f[i - 1] = largest + np.log(norms[i] / whole) / y[i - 1]
        f_w[i - 1] = left @ (weights[i] * f_w[i]) @ right.T / norms[i]
        f_u[i - 1] = left @ (weights[i] * f_u[i]) @ right.T / norms[i]
    P = np.zeros_like(top.f)
    P[P.shape[0] // 2, P.shape[1] // 2] = 1.0
    means, q, G = [float(np.sum(P * f[0]))], [], []
    for i in range(1, K):
        left, right = moves[i - 1]
        P = weights[i] * (left.T @ (P / norms[i]) @ right)
        means.append(float(np.sum(P * f[i])))
        q.append(float(np.sum(P * f_u[i] ** 2)))
        G.append(float(np.sum(P * f_w[i] ** 2)))
    return LimitFlow(
        means[0], np.array(q), np.array(G), float(np.sum(P * top.rest)),
        2.0 * float(np.sum(P * top.by_nu)), np.diff(means) / y[:-1],
        float(np.sum(P * top.contacts)), float(np.sum(P * top.edge)),
    )  # fmt: skip
