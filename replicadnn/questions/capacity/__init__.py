"""Capacity of the random scenario: the alpha beyond which the equations have no solution.

Replica symmetric (`symmetric.closing`): the solution of the full equations is followed with 1 - Q
of the middle layer as the control parameter; alpha(1 - Q) is extrapolated to 1 - Q = 0, where
q, Q -> 1 and s -> -infinity.  Second route: the reduced equations of the closure
(`replicadnn.theory.closures.reduced_capacity`).  Broken symmetry:
`broken.closing_rsb`.

`replicadnn.theory.counting.counting_bound` holds for every theory: a perceptron has at most
C(M, N) dichotomies (Cover 1965), layer by layer at most C(M, N)^(L N) outputs (Mitchison and
Durbin 1989), and 2^(N M) are needed:

    H(1/alpha) >= ln 2/L,   H(p) = -p ln p - (1-p) ln(1-p),   kappa >= 0.
"""

from replicadnn.questions.capacity.ask import capacity
from replicadnn.questions.capacity.result import Capacity, CapacityPoint, End, load_capacity

__all__ = ["Capacity", "CapacityPoint", "End", "capacity", "load_capacity"]
