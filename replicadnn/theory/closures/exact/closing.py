"""Where the volume of random data closes with one step of broken symmetry: the limit m -> 0.

Hard constraints, kappa = 0, L >= 2.  At the end of the branch 1 - q(l) = eta(l) m,
1 - Q(l) = delta(l) m, 1 - lam(l) = nu(l) m with nu(l) = delta(l) + eta(l-1) and
eps(l) = e(l)/m^2.  Then m s tends to

    Phi = sum_l ln(1 + 1/delta(l))/(2 alpha) + ln[1/2 + x(L)/2]
          + sum_{l<L} { ln X(nu(l), e(l)) - e(l) eta(l)/2 },    x(l) = (1 + 1/nu(l))^(-1/2),
    X = Int Dz [ H(-(a + e)/sqrt e) + e^(-2a) H(-(e - a)/sqrt e) ],   a = z^2/(4 nu),

H(y) = Int_y^inf Dz, stationary in delta, eta, e, and zero at the end: s -> -infinity beyond.
With e -> infinity, where q = 1, Phi = L h(1/alpha) - ln 2, h(p) = -p ln p - (1-p) ln(1-p): the
counting bound (`theory.counting`).  Finite e lowers it, by e^(-O(alpha)).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.special import ndtr

from replicadnn.quadrature import SQRT_2PI
from replicadnn.theory.counting import counting_bound
from replicadnn.types import FloatArray

#: The average over z: even, by the trapezoidal rule with a step that resolves sqrt(nu).
_REACH, _STEP = 12.0, 0.04
_PASSES = 500
#: Relative change of alpha at which the passes end.
_DONE = 1e-14
#: Layers up to which the end differs from the counting bound by more than rounding.
_DEEP = 8


def site(nu: float, e: float) -> tuple[float, float, float]:
    """ln X and its derivatives in nu and e."""
    step = _STEP * min(1.0, 4.0 * math.sqrt(nu))
    z = step * np.arange(math.ceil(_REACH / step))
    weight = 2.0 * step / SQRT_2PI * np.exp(-0.5 * z * z)
    weight[0] *= 0.5
    a, root = z * z / (4.0 * nu), math.sqrt(e)
    other = np.exp(-2.0 * a) * ndtr((e - a) / root)
    X = float(np.sum(weight * (ndtr((a + e) / root) + other)))
    by_nu = float(np.sum(weight * 2.0 * other * a)) / nu
    by_e = float(np.sum(weight * np.exp(-0.5 * ((a + e) / root) ** 2))) / (SQRT_2PI * root)
    return math.log(X), by_nu / X, by_e / X


def output(nu: float) -> tuple[float, float]:
    """ln[1/2 + x/2] and its derivative in nu."""
    x = 1.0 / math.sqrt(1.0 + 1.0 / nu)
    return math.log(0.5 + 0.5 * x), 0.5 * x**3 / (nu * nu * (1.0 + x))


@lru_cache(maxsize=256)
def one_step_end(L: int) -> float:
    """alpha at which Phi = 0; nan if the passes do not settle.

    Beyond `_DEEP` layers the counting bound, which it equals to rounding: relative differences are
    4e-3, 6e-5, 9e-7, 1e-8, 2e-10 and 2e-14 at L = 2..6 and 8.

    Passes over the layers (e from nu above, eta from e, delta from nu) at the alpha that makes Phi
    zero with the values at hand: Phi is stationary in them.
    """
    alpha = counting_bound(L)
    if L > _DEEP:
        return alpha
    x = 1.0 / (alpha - 1.0)
    delta: FloatArray = np.full(L, x * x / (1.0 - x * x))
    eta: FloatArray = np.zeros(L)  # eta[l - 1] of neuron layer l - 1; the data have none
    for _ in range(_PASSES):
        nu, by_nu, new = delta + eta, np.empty(L), np.zeros(L)
        total, by_nu[-1] = output(float(nu[-1]))
        for l in range(L - 1, 0, -1):
            e = 2.0 * by_nu[l]
            value, by_nu[l - 1], by_e = site(float(nu[l - 1]), float(e))
            total += value - 0.5 * e * eta[l]
            new[l] = 2.0 * by_e
        last, alpha = alpha, float(np.sum(np.log1p(1.0 / delta)) / (-2.0 * total))
        pull = alpha * by_nu  # 1/(delta (1 + delta)) = 2 alpha dPhi/dnu
        delta, eta = np.asarray(1.0 / (pull * (1.0 + np.sqrt(1.0 + 2.0 / pull)))), new
        if abs(alpha - last) < _DONE * alpha:
            return alpha
    return math.nan
