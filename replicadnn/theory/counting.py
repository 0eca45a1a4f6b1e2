"""Upper bound on alpha from counting, for random data and hard constraints with kappa >= 0.

One perceptron with N couplings realises at most C(M, N) = 2 sum_{k<N} binom(M-1, k) dichotomies
of M points (T. M. Cover, IEEE Trans. Electron. Comput. EC-14, 326 (1965)), L layers of N of them at
most C(M, N)^(N L) of the 2^(N M) outputs. With ln C -> M H(1/alpha) for alpha = M/N >= 2,
H(p) = -p ln p - (1-p) ln(1-p), random outputs can be stored only if

    L H(1/alpha) >= ln 2.
"""

from __future__ import annotations

import math

from scipy.optimize import brentq


def counting_bound(L: int) -> float:
    """Largest alpha with L H(1/alpha) = ln 2: beyond it the Gardner volume is empty (N -> inf).

    2 for L = 1 (there it is the capacity), 9.09, 16.3 and 178 for L = 2, 3 and 20.
    """

    def excess(log_alpha: float) -> float:
        p = math.exp(-log_alpha)
        return L * (p * log_alpha - (1.0 - p) * math.log1p(-p)) - math.log(2.0)

    if L == 1:
        return 2.0
    return math.exp(brentq(excess, math.log(2.0), 60.0, xtol=1e-13))
