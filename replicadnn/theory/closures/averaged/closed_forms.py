"""Closed forms of the replica-symmetric capacity: the equations that are left at mu = 1 - lam -> 0.

They become homogeneous,

    mu(l) [1 - 1/sqrt(alpha A)] = sqrt(2/(pi A)) [f(mu(l-1), mu(l)) + f(mu(l), mu(l+1))],
    f(a, b) = a b/sqrt(a^2 + b^2),   A(kappa) = Int_{-kappa}^inf Dz (z + kappa)^2,

an eigenvalue problem with Perron value Lambda_L of the bracket, so that

    alpha_J = [sqrt(A) - sqrt(2/pi) Lambda_L]^-2,   no end if the bracket is not positive.

Lambda_1 = 0 (Gardner), Lambda_2 = 1/sqrt 2, Lambda_3 = 2/sqrt 5, Lambda_inf = 1.
"""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.special import ndtr


def contact_moment(kappa: float) -> float:
    """A = Int_{-kappa}^inf Dz (z + kappa)^2 = (1 + kappa^2) Phi(kappa) + kappa phi(kappa)."""
    density = math.exp(-0.5 * kappa * kappa) / math.sqrt(2.0 * math.pi)
    return (1.0 + kappa * kappa) * float(ndtr(kappa)) + kappa * density


def chain_eigenvalue(L: int) -> float:
    """Lambda_L of the module docstring.

    With mu(l+1)/mu(l) = tan theta_l the problem is Lambda = sin theta_1 =
    cos theta_{l-1} + sin theta_l, closed by theta_{L/2} = pi/4 (L even) or
    Lambda = 2 cos theta_{(L-1)/2} (L odd).
    1 - Lambda_L is doubly exponentially small in L.
    """
    if L == 1:
        return 0.0

    def excess(value: float) -> float:
        sine = value
        for _ in range(L // 2 - 1):
            sine = value - math.sqrt(1.0 - sine * sine)
            if sine <= 0.0:
                return -1.0
        if L % 2 == 0:
            return sine - math.sqrt(0.5)
        return value - 2.0 * math.sqrt(1.0 - sine * sine)

    top = math.nextafter(1.0, 0.0)
    return 1.0 if excess(top) <= 0.0 else float(brentq(excess, 0.5, top, xtol=1e-16))


def reduced_rs(L: int, kappa: float) -> float:
    """alpha_J of the reduced replica-symmetric equations; inf where they have no end."""
    left = math.sqrt(contact_moment(kappa)) - math.sqrt(2.0 / math.pi) * chain_eigenvalue(L)
    return left**-2 if left > 0.0 else math.inf
