"""Where the layers become solid: thresholds alpha(l), first-order steps, thickness of the solid.

    layer l, liquid between q(l-1) and q(l+1), is unstable when
    alpha G(0)^2 (q(l-1)^2 + q(l+1)^2) > 1                            (docs/theory.md, eq. 22)

Replica symmetric: the solutions connected to the liquid are one curve in (overlaps, alpha), built
stage by stage (`path`), with thresholds where the next layer becomes unstable (`thresholds`) and
first-order steps where it folds (`steps`).  Two independent fronts (closure exact with a margin):
the solution is followed while alpha is raised (`rising`).  Broken symmetry: `broken`.
"""

from replicadnn.questions.transitions.ask import transitions
from replicadnn.questions.transitions.result import (
    Fit,
    Order,
    Step,
    Threshold,
    Transitions,
    load_transitions,
)

__all__ = [
    "Fit",
    "Order",
    "Step",
    "Threshold",
    "Transitions",
    "load_transitions",
    "transitions",
]
