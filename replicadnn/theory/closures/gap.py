"""Averages over the field omega of one gap on a grid: what the readable twins share.

omega ~ N(0, lam), V = 1 - lam; W of `closures.smoothed`.  The grid has Gauss-Legendre panels that
end at the kinks of w, where W varies over sqrt(V), grow away from them up to sqrt(lam), and are
halved where (ln W)'' is not yet smooth on them.
"""

from __future__ import annotations

import math

import numpy as np

from replicadnn.quadrature import SQRT_2PI, on_panels
from replicadnn.theory.closures.smoothed import Weight
from replicadnn.types import BoolArray, FloatArray

_ORDER = 16
#: End of the grid and longest panel, in units of sqrt(lam) ...
_END, _LONGEST = 9.5, 1.5
#: ... and edges about a kink of w, in units of sqrt(V); then each _GROWTH times as far.
_NEAR = np.array([0.0, 1.1, 2.2, 3.4, 4.8, 6.5, 8.5])
_GROWTH = 1.3
#: Panels are halved until the Legendre coefficients of (ln W)'' from this degree on are this small
#: (two segments of equal weight make an edge of ln W where w has none), so often at most.
_DEGREE, _SMOOTH, _ROUNDS = 13, 1e-7, 10
#: Edges closer than this, in units of sqrt(V) and of sqrt(lam), are one.
_SAME = 0.3


class Gap:
    """f = ln W(omega) and its derivatives on the grid; all (n,), omega from -end to end.

    Attributes
    ----------
    omega : ndarray
        Symmetric: omega[::-1] = -omega.
    measure : ndarray
        Weights of the Gaussian average; they sum to 1.
    f, w, ww : ndarray
        ln W, (ln W)', (ln W)''.
    """

    def __init__(self, weight: Weight, lam: float, mu: float) -> None:
        self.omega, self.measure = np.zeros(1), np.ones(1)
        half = _edges(weight, lam, mu)
        for _ in range(_ROUNDS if lam > 0.0 else 0):
            nodes, weights = on_panels(np.concatenate([-half[:0:-1], half]), _ORDER)
            self.omega = nodes.ravel()
            density = np.exp(-0.5 * (nodes / math.sqrt(lam)) ** 2) / (SQRT_2PI * math.sqrt(lam))
            self.measure = (weights * density).ravel()
            self.f, self.w, self.ww = weight.smoothed(self.omega, mu)
            rough = _rough(self.ww.reshape(nodes.shape), self.measure.reshape(nodes.shape))
            rough = (rough | rough[::-1])[half.size - 1 :]
            if not np.any(rough):
                return
            half = np.sort(np.append(half, (0.5 * (half[1:] + half[:-1]))[rough]))
        self.f, self.w, self.ww = weight.smoothed(self.omega, mu)


def _rough(values: FloatArray, measure: FloatArray) -> BoolArray:
    """Panels on which values (n, order) at Gauss-Legendre nodes are no polynomial of low degree.

    To a part of their root mean square, in units of it on the panel.
    """
    nodes, weights = np.polynomial.legendre.leggauss(_ORDER)
    basis = np.polynomial.legendre.legvander(nodes, _ORDER - 1) * weights[:, None]
    coefficients = values @ (basis * (np.arange(_ORDER) + 0.5))
    tail = np.max(np.abs(coefficients[:, _DEGREE:]), axis=1) * np.sqrt(np.sum(measure, axis=1))
    return np.asarray(tail > _SMOOTH * math.sqrt(float(np.sum(measure * values**2))))


def _edges(weight: Weight, lam: float, mu: float) -> FloatArray:
    """Edges of the panels from 0 up: those about -kinks serve the neurons with S = -1."""
    scale, root = math.sqrt(lam), math.sqrt(mu)
    end = _END * scale
    steps = np.arange(0.0, _END + 0.5 * _LONGEST, _LONGEST) * scale
    more = [np.abs(weight.cells)]
    distance = float(_NEAR[-1])
    near = list(root * _NEAR)
    while (reach := root * (distance := distance * _GROWTH)) < 2.0 * end:
        near.append(reach)
    for kink in weight.kinks:
        more += [np.abs(abs(kink) + sign * np.array(near)) for sign in (-1.0, 1.0)]
    edges = np.unique(np.minimum(np.concatenate([steps, *more]), end))
    kept, same = [0.0], _SAME * min(root, scale)
    for edge in edges[1:-1]:
        if same < edge - kept[-1] and same < end - edge:
            kept.append(float(edge))
    return np.array([*kept, end])
