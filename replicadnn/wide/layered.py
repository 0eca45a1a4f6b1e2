"""The law of r + sum_l q_l X_l^T X_l, X_l the layers of one random network of n inputs.

Columns of X_l are phi of Gaussians whose covariance is (1 - b_l^2) + b_l^2 X_{l-1}^T X_{l-1}, rows
are independent, gamma_l = n/d_l (Fan and Wang 2020, arXiv:2005.11879; docs/wide.md, eqs. 34 to 36).
With s_1..s_L unknown and, at level l, Z_l = r - z + sum_{k > l} (1 - b_k^2)/s_k and
zeta_l = q_l + b_{l+1}^2/s_{l+1} (zeta_L = q_L),

    t_l(w) = w_l/zeta_l + t_{l-1}(w - (w_l/zeta_l) (Z_l, q_0, ..., q_{l-1})),
    s_l = 1/zeta_l + gamma_l t_{l-1}(1 - b_l^2, 0, ..., 0, b_l^2),
    E 1/(x - z) = t_L(1, 0, ..., 0),

all s_l solved for at once.  Inputs are Gaussian, X_0^T X_0 of the law of Marchenko and Pastur.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replicadnn import interrupt
from replicadnn.types import FloatArray
from replicadnn.wide.bands import ComplexArray, between, descend
from replicadnn.wide.spectrum import Spectrum

#: Newton's steps, and where they end, relative.
_NEWTON, _CLOSE = 60, 1e-14
#: First distance from the spectrum and largest step of z, both in units of the mean; the step that
#: is left when an edge is near.
_AWAY, _STEP, _NEAR = 200.0, 20.0, 1e-6
#: Step of a derivative along the imaginary axis.
_SIDE = 1e-30

Array = NDArray[Any]


def pastur(u: Array, gamma: float) -> Array:
    """E 1/(x - u) of the law of Marchenko and Pastur, n x n Wishart matrices of n/d = gamma."""
    low, high = (1.0 - math.sqrt(gamma)) ** 2, (1.0 + math.sqrt(gamma)) ** 2
    root = np.sqrt(u - low + 0j) * np.sqrt(u - high + 0j)
    return np.asarray(2.0 / (1.0 - gamma - u - root))


@dataclass(frozen=True)
class Layered:
    """gamma_0, gamma_l and b_l^2 (L,), q_l (L + 1,) and r."""

    gamma_0: float
    gammas: FloatArray
    slopes: FloatArray
    weights: FloatArray
    shift: float

    @property
    def L(self) -> int:
        """Hidden layers."""
        return self.gammas.size

    @property
    def mean(self) -> float:
        """r + sum_l q_l."""
        return self.shift + float(np.sum(self.weights))

    def levels(self, s: Array, z: Array) -> tuple[list[Array], list[Array]]:
        """Z_l and zeta_l, l = 0..L; s (..., L), z (...)."""
        L = self.L
        zeta = [self.weights[l] + self.slopes[l] / s[..., l] for l in range(L)]
        zeta.append(np.full(np.shape(z), self.weights[L]))
        top = [np.asarray(self.shift - z)]
        for l in range(L - 1, -1, -1):
            top.insert(0, top[0] + (1.0 - self.slopes[l]) / s[..., l])
        return top, zeta

    def transform(self, top: list[Array], zeta: list[Array], w: list[Any]) -> Array:
        """t_l(w) of len(w) - 2 = l: w_{-1}, w_0, ..., w_l."""
        found, w = 0.0, list(w)
        while len(w) > 2:
            l = len(w) - 2
            share = w.pop() / zeta[l]
            found = found + share
            w = [w[0] - share * top[l]] + [w[j + 1] - share * self.weights[j] for j in range(l)]
        share = w[1] / zeta[0]
        rest = (w[0] - share * top[0]) / zeta[0]
        return np.asarray(found + share + rest * pastur(-top[0] / zeta[0], self.gamma_0))

    def miss(self, s: Array, z: Array) -> Array:
        """Right-hand sides minus s, (..., L)."""
        top, zeta = self.levels(s, z)
        found = []
        for l in range(1, self.L + 1):
            b = self.slopes[l - 1]
            w = [1.0 - b, *[0.0] * (l - 1), b]
            right = 1.0 / zeta[l] + self.gammas[l - 1] * self.transform(top, zeta, w)
            found.append(right - s[..., l - 1])
        return np.stack(found, axis=-1)

    def stieltjes(self, s: Array, z: Array) -> Array:
        """E 1/(x - z)."""
        top, zeta = self.levels(s, z)
        return self.transform(top, zeta, [1.0, *[0.0] * (self.L + 1)])

    def spectrum(self) -> Spectrum:
        """Edges, and the density between them."""
        low, high = self.edge(-1.0), self.edge(1.0)
        return between([(low, high)], lambda x: self._density(x, 20.0 * high))

    def _density(self, x: FloatArray, height: float) -> tuple[FloatArray, float]:
        def solve(z: ComplexArray, s: ComplexArray | None) -> ComplexArray:
            if s is None:
                s = self._iterate(z)
            for _ in range(_NEWTON):
                f = self.miss(s, z)
                change = np.linalg.solve(self._jacobian(s, z, f), -f[..., None])[..., 0]
                size = np.max(np.abs(change) / np.abs(s), axis=-1)
                s = s + change * np.minimum(1.0, 0.5 / np.maximum(size, 1e-300))[..., None]
                if np.all(size <= _CLOSE):
                    break
            return s

        s = descend(x, height, solve)
        wrong = np.max(np.abs(self.miss(s, x + 0j)) / np.abs(s), axis=-1)
        rho = np.abs(self.stieltjes(s, x + 0j).imag) / math.pi
        return np.asarray(rho), float(np.max(wrong))

    def _iterate(self, z: Array) -> Any:
        """s far from the spectrum, by damped iteration."""
        s = np.ones((*np.shape(z), self.L), np.asarray(z).dtype)
        for _ in range(60):
            s = s + 0.6 * self.miss(s, z)
        return s

    def _jacobian(self, s: Array, z: Array, f: Array) -> Array:
        """d miss/ds by differences, (..., L, L); good enough for Newton's steps."""
        sizes = 1e-7 * np.abs(np.moveaxis(s, -1, 0))  # (L, ...)
        unit = np.eye(self.L).reshape(self.L, *[1] * (s.ndim - 1), self.L)
        rows = (self.miss(s + unit * sizes[..., None], z) - f) / sizes[..., None]
        return np.moveaxis(rows, 0, -1)

    def _exact(self, s: FloatArray, z: float) -> FloatArray:
        """The same for real s and z outside the spectrum, to rounding."""
        rows = self.miss(s + 1j * _SIDE * np.eye(self.L), np.asarray(complex(z)))
        return np.asarray(rows.imag.T / _SIDE)

    def _outside(self, z: float, s: FloatArray) -> FloatArray | None:
        """Newton's solution at a real z outside the spectrum, near ``s``; None: there is none."""
        start = s
        for _ in range(30):
            f = self.miss(s, np.asarray(complex(z)))
            if not np.all(np.isfinite(f)) or np.max(np.abs(f.imag)) > 0.0:
                return None
            change = np.linalg.solve(self._exact(s, z), -f.real)
            s = s + change
            if np.max(np.abs(s - start) / np.abs(start)) > 0.5:
                return None
            if np.max(np.abs(change) / np.abs(s)) < 1e-13:
                return s
        return None

    def edge(self, side: float) -> float:
        """The upper (side 1) or lower (-1) edge: where the solution outside ends, det dF/ds = 0.

        Followed from far outside, on its side of the mean; the fold is the root of {F, det dF/ds}.
        """
        from scipy.optimize import root

        z = self.shift + side * _AWAY * self.mean
        s = np.real(self._iterate(np.asarray(complex(z))))
        sign = np.linalg.slogdet(self._exact(s, z))[0]
        step = _STEP * self.mean
        while step > _NEAR * self.mean:
            interrupt.check()
            at = z - side * step
            new = self._outside(at, s) if side * (at - self.mean) > 0.0 else None
            if new is None or np.linalg.slogdet(self._exact(new, at))[0] != sign:
                step *= 0.5
                continue
            z, s, step = at, new, 1.3 * step

        scale = np.abs(np.linalg.det(self._exact(s, z)))

        def fold(v: FloatArray) -> FloatArray:
            at, of = v[-1] * self.mean, v[:-1]
            f = self.miss(of, np.asarray(complex(at))).real
            return np.append(f, np.linalg.det(self._exact(of, at)) / scale)

        found = root(fold, np.append(s, z / self.mean), tol=1e-15).x
        return float(found[-1] * self.mean)
