"""Upper bound on alpha from counting, for random data and hard constraints with kappa >= 0.

One perceptron with N couplings realises at most C(M, N) = 2 sum_{k<N} binom(M-1, k) dichotomies
of M points (T. M. Cover, IEEE Trans. Electron. Comput. EC-14, 326 (1965)), L layers of N of them at
most C(M, N)^(N L) of the 2^(N M) outputs. With ln C -> M H(1/alpha) for alpha = M/N >= 2,
H(p) = -p ln p - (1-p) ln(1-p), random outputs can be stored only if

    L H(1/alpha) >= ln 2.
"""

from __future__ import annotations

import math
from functools import lru_cache

from scipy.optimize import brentq

from replicadnn.problem import Problem


@lru_cache(maxsize=1024)
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


def largest(problem: Problem) -> float:
    """The bound on alpha at this point; nan where there is none.

    It holds for random data, hard constraints and kappa >= 0 (a margin only makes it harder), not
    for a potential of one's own.
    """
    hard = problem.hard and problem.kappa >= 0.0
    return math.nan if problem.teacher or not hard else counting_bound(problem.L)


def possible(problem: Problem) -> bool | None:
    """Whether networks can store the data, as far as counting tells; None where it does not."""
    bound = largest(problem)
    return None if math.isnan(bound) else problem.alpha <= bound


def beyond(problem: Problem) -> str:
    """What is to be said beyond the bound; empty elsewhere."""
    if possible(problem) is not False:
        return ""
    return (
        f"alpha > {largest(problem):.4g}: no network stores random data beyond the counting bound"
    )


def objection(problem: Problem) -> list[str]:
    """What a solution beyond the bound must say of itself; empty for any other."""
    words = beyond(problem)
    return [f"{words}; the solution describes no state"] if words else []
