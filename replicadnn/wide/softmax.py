"""Averages of softmax outputs of independent Gaussian fields."""

from __future__ import annotations

import math

import numpy as np

from replicadnn.wide.averages import REACH, gaussian

#: Step of the trapezoidal rules, in standard deviations and in ln t.
_STEP = 0.08


def mean_square(C: int, q: float) -> float:
    """E g_1^2, g_k = exp(f_k)/sum exp(f_j), f_1..f_C independent N(0, q).

    1/S^2 is the integral of t exp(-t S), so that, with u = t exp(f),

        E g_1^2 = int ds A_2(s) A_0(s)^{C-1},   A_k(s) = E u^k exp(-u), t = exp(s).

    Examples
    --------
    >>> round(mean_square(2, 0.0), 12)
    0.25
    """
    z = np.arange(-REACH, REACH + 0.5 * _STEP, _STEP)
    weight, wide = _STEP * gaussian(z), REACH * math.sqrt(q)
    s = np.arange(-40.0 - wide, 7.0 + wide, _STEP)
    u = np.exp(np.minimum(s[:, None] + math.sqrt(q) * z, 7.0))
    gone = np.exp(-u)
    zero, two = gone @ weight, (u * u * gone) @ weight
    return float(_STEP * np.sum(two * zero ** (C - 1)))
