"""Quantities that users read off a solution."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from replicadnn.errors import InputError


def generalisation_error(
    Q: ArrayLike, rest: ArrayLike | None = None, *, beta: float = math.inf, noisy: str = "none"
) -> float:
    """Disagreement of teacher and typical student on fresh inputs, neurons matched.

    Mean-field correlation map (docs/theory.md, eq. 24), rho(0) = 1,

        rho(l) = a (2/pi) asin(Q(l) rho(l-1)),   eps_g = (1 - rho(L))/2,

    where a = 1 when both networks are run without noise, 1 - 2p when one of them
    (``noisy="teacher"``) and (1 - 2p)^2 when both (``noisy="both"``) err at every perceptron
    with p = 1/(1 + exp(beta)).

    Parameters
    ----------
    Q : array (L,)
        Coupling overlap of teacher and student by layer, in [0, 1].
    rest : array (L,), optional
        1 - Q with its own accuracy; keeps eps_g accurate when Q -> 1.
    beta : float
        Inverse temperature, used only for ``noisy`` other than "none".
    noisy : {"none", "teacher", "both"}

    Returns
    -------
    float
        eps_g in [0, 1/2]; acos(Q)/pi for L = 1 without noise.

    Raises
    ------
    InputError
        ``Q`` outside [0, 1] or an unknown ``noisy``.
    """
    factors = {"none": 1.0, "teacher": math.tanh(beta / 2), "both": math.tanh(beta / 2) ** 2}
    if noisy not in factors:
        raise InputError("noisy", noisy, "one of " + ", ".join(factors))
    couplings = np.atleast_1d(np.asarray(Q, dtype=float))
    if not np.all((couplings >= 0.0) & (couplings <= 1.0)):
        raise InputError("Q", couplings, "overlaps in [0, 1]")
    rests = 1.0 - couplings if rest is None else np.atleast_1d(np.asarray(rest, dtype=float))
    a = factors[noisy]
    gap = 0.0  # 1 - rho
    for P in rests:
        product_gap = P + gap - P * gap  # 1 - Q rho
        if product_gap < 0.5:  # acos(Q rho), accurate at both ends
            angle = 2.0 * math.asin(math.sqrt(0.5 * product_gap))
        else:
            angle = math.acos(1.0 - product_gap)
        gap = (1.0 - a) + a * (2.0 / math.pi) * angle
    return 0.5 * gap
