"""Where K levels end, s -> -infinity, as far as a closure has equations of that end."""

from __future__ import annotations

from replicadnn.theory.broken.tuning import TUNING
from replicadnn.theory.contract import BrokenEquations


def ended(equations: BrokenEquations, levels: int) -> bool:
    """True beyond the end of K = ``levels`` levels (more of them end no later).

    Equations with several levels are solved next to the end of one only.
    """
    alpha = equations.problem.alpha
    if levels > 1 and not alpha > TUNING.near_closing * equations.closing(1):
        return False
    return bool(alpha > equations.closing(levels))
