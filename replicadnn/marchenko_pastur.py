"""Averages over the law of Marchenko and Pastur, in closed forms without cancellation.

t are the eigenvalues of F F^T/d, F (p, d) of independent entries of mean 0 and variance 1, p and d
large at c = p/d: mean 1, and a share 1 - 1/c of zeros for c > 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Averages:
    """<f(t)> at one z > 0, every one a sum or product of positive terms.

    ``S`` <1/(t+z)>, ``S2`` <1/(t+z)^2>, ``T`` <t/(t+z)>, ``T2`` <t/(t+z)^2>, ``U`` <t^2/(t+z)>,
    ``U2`` <t^2/(t+z)^2>, ``log`` <ln(1 + t/z)>.
    """

    S: float
    S2: float
    T: float
    T2: float
    U: float
    U2: float
    log: float


def averages(c: float, z: float) -> Averages:
    """`Averages` from S = 1/(z + 1/(1 + c S)); c > 0, z > 0.

    <ln(1 + t/z)> = ln(1 + 1/(z(1 + cS))) + ln(1 + cS)/c - T: stationary in S.
    """
    b = z + 1.0 - c
    r = math.sqrt(b * b + 4.0 * c * z)
    S = 2.0 / (b + r) if b > 0.0 else (r - b) / (2.0 * c * z)
    m = 1.0 + c * S
    S2 = (c * S * S + S) / r
    T, T2 = S / m, S2 / m**2
    return Averages(
        S, S2, T, T2, (c * S + T) / m, T2 * ((1.0 - c) ** 2 + 2.0 * z * (1.0 + c)) / (r + z),
        math.log1p(1.0 / (z * m)) + math.log1p(c * S) / c - T,
    )  # fmt: skip
