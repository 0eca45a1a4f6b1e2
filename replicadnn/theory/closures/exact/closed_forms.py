"""Replica-symmetric capacity of the exact closure: the equations that are left where volumes close.

Random data, beta = inf, kappa = 0: at the end 1 - q(l) = eta(l) x, 1 - Q(l) = delta(l) x and
V(l) = 1 - lam(l) = nu(l) x with x -> 0, and eps(l) = e(l)/x^2.  The averages over omega and u
become those over one Gaussian number z,

    I(k) = Int Dz z^2 H(k z^2),   J(k) = Int Dz phi(k z^2),   H(x) = Int_x^inf Dz,

    k(l) = 1/(4 nu(l) sqrt(e(l))),  e(l) = g(l+1),  g(l) = I(k(l))/nu(l)^2,  g(L) = 1/(2 nu(L)^2),
    eta(l) = 2 J(k(l))/sqrt(e(l)),   delta(l) = 1/sqrt(alpha g(l)),   nu(l) = eta(l-1) + delta(l).

Data have eta(0) = 0.  The scale of x is free: nu(L) = 1, and the rest follows from the output to
the input at a given alpha, which is the capacity where eta(0) = 0.  L = 1: alpha = 2 (Gardner);
L = 2: alpha I(k) = 1 and 1 - sqrt(2/alpha) = 2 sqrt(2) J(k).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from replicadnn.problem import ALPHA_RANGE
from replicadnn.quadrature import SQRT_2PI
from replicadnn.types import FloatArray

#: Nodes of the Gaussian averages, in units of the width of their integrand.
_T = np.linspace(-12.0, 12.0, 961)
#: Range of ln k in which J is inverted.
_LOG_K = (-40.0, 40.0)
#: Steps in ln alpha of the search for the sign change of eta(0).
_SCAN = 0.1


def _average(values: Callable[[FloatArray], FloatArray], k: float) -> float:
    """Int Dz values(z), of width 1/sqrt(1 + k), by the trapezoidal rule, exact to rounding."""
    z = _T / math.sqrt(1.0 + k)
    weights = np.exp(-0.5 * z * z) * (z[1] - z[0]) / SQRT_2PI
    return float(np.sum(weights * values(z)))


def second_moment(k: float) -> float:
    """I(k), from 1/2 at k = 0 down."""
    return _average(lambda z: z * z * ndtr(-k * z * z), k)


def mean_density(k: float) -> float:
    """J(k), from 1/sqrt(2 pi) at k = 0 down."""
    return _average(lambda z: np.exp(-0.5 * (k * z * z) ** 2) / SQRT_2PI, k)


def _inverse(density: float) -> float:
    """The k with this J(k)."""
    found = brentq(lambda x: mean_density(math.exp(x)) - density, *_LOG_K, xtol=1e-15)
    return math.exp(found)


def _excess(log_alpha: float, L: int) -> float:
    """eta(0) at nu(L) = 1; the first eta(l) < 0 on the way, inf where no k makes J large enough."""
    alpha = math.exp(log_alpha)
    nu, g = 1.0, 0.5
    for _ in range(L - 1):
        eta, e = nu - 1.0 / math.sqrt(alpha * g), g
        if eta <= 0.0:
            return eta
        wanted = 0.5 * eta * math.sqrt(e)
        if wanted >= 1.0 / SQRT_2PI:
            return math.inf
        k = _inverse(wanted)
        nu = 0.25 / (k * math.sqrt(e))
        g = second_moment(k) / nu**2
    return nu - 1.0 / math.sqrt(alpha * g)


def reduced_rs(L: int) -> float:
    """Capacity at kappa = 0; inf where it lies beyond the range of alpha."""
    low = high = 0.0
    top = math.log(ALPHA_RANGE[1])
    while _excess(high, L) <= 0.0:
        low, high = high, high + _SCAN
        if high > top:
            return math.inf
    while not math.isfinite(_excess(high, L)):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _excess(middle, L) <= 0.0 else (low, middle)
    return math.exp(brentq(_excess, low, high, args=(L,), xtol=1e-14, rtol=1e-14))
