"""What is unknown of a K-level solution, and what one evaluation of the equations gives.

Nothing here knows an equation: a closure (`theory.contract.BrokenEquations`) evaluates a `State`,
the engine moves it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from replicadnn.kernels.theory.levels import widths
from replicadnn.types import BoolArray, FloatArray, IntArray

#: Runs independent tasks: the builtin ``map`` or `theory.threads.Threads`.
Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


class FlowError(ArithmeticError):
    """The iteration has left the range in which a flow can be computed."""


def serial(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterable[Any]:
    """The `Mapper` of one thread."""
    return map(function, items)


@dataclass(frozen=True, slots=True)
class State:
    """m (K+1) with m[0] = 0, fields eps (L+1, K+1), overlaps Q (L, K+1); row l-1 of Q is layer l.

    eps(l) is what the flow of neuron layer l takes (averaged closure: variances of its field);
    rows 0 and L, the data, are unused.  q_i(l) is positive exactly where eps_i(l) is, or Q_i(l)
    of the couplings below, which may hold neurons by themselves
    (`theory.contract.BrokenEquations.solid_without_field`).  ``top[l]`` is the number of free
    levels of hidden layer l: q_i(l) = 1 for i >= top[l] (saturated), where eps is unused; K+1
    elsewhere.
    """

    m: FloatArray
    eps: FloatArray
    Q: FloatArray
    top: IntArray

    @property
    def K(self) -> int:
        """Number of breakpoints above 0."""
        return self.m.size - 1

    @property
    def L(self) -> int:
        """Depth."""
        return int(self.Q.shape[0])

    @property
    def steps(self) -> FloatArray:
        """m_{i+1} - m_i with m_{K+1} = 1."""
        return np.asarray(widths(self.m))

    @property
    def saturated(self) -> bool:
        """True if a layer has q = 1 above a breakpoint."""
        return int(self.top.min()) <= self.K

    @property
    def pinned(self) -> bool:
        """True if the sign gauge of hidden neurons makes every overlap at x = 0 vanish."""
        return self.L > 1 and self.K > 0

    def with_values(self, **changes: Any) -> State:
        """A copy with other arrays."""
        return replace(self, **changes)


def make_state(m: FloatArray, eps: FloatArray, Q: FloatArray, top: IntArray | None = None) -> State:
    """A state from arrays; without ``top`` no level is saturated."""
    eps = np.array(eps, float)
    eps[0] = eps[-1] = 0.0
    if top is None:
        top = np.full(eps.shape[0], m.size, dtype=np.int64)
    return State(np.array(m, float), eps, np.array(Q, float), np.array(top, dtype=np.int64))


def symmetric(state: State) -> State:
    """The last level alone, at x = 0: where the replica-symmetric solution beside it begins."""
    return make_state(np.zeros(1), state.eps[:, -1:], state.Q[:, -1:])


def liquid(L: int) -> State:
    """q = Q = 0 in all hidden layers, L >= 2, without levels."""
    return make_state(np.zeros(1), np.zeros((L + 1, 1)), np.zeros((L, 1)))


def zero_levels(state: State) -> BoolArray:
    """Where q_i(l) = 0, (L+1, K+1): no field and no couplings below; data rows unused."""
    zero = state.eps <= 0.0
    zero[1:] &= state.Q <= 0.0
    return np.asarray(zero)


def first_levels(state: State) -> IntArray:
    """First level with q_i(l) > 0 for each hidden l (K+1 if none); 0 for the data layers."""
    return _first(state, ~zero_levels(state))


def first_fields(state: State) -> IntArray:
    """First level with eps_i(l) > 0 for each hidden l (K+1 if none); 0 for the data layers."""
    return _first(state, state.eps > 0.0)


def _first(state: State, positive: BoolArray) -> IntArray:
    first = np.where(positive.any(1), positive.argmax(1), state.m.size).astype(np.int64)
    first[0] = first[-1] = 0
    return np.minimum(first, state.top)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One pass over the layers.

    Attributes
    ----------
    state : State
    q : array (L+1, K+1)
        Overlaps of the neurons that follow from the fields, q(0) = q(L) = 1.
    lam : array (L, K+1)
        Overlaps of the interactions; 1 is contact, where the volume closes.
    free_entropy : float
        s at (q, Q, m), per N M.
    ds_dm : array (K+1,)
        ds/dm_i at fixed q and Q; entry 0 unused.
    mass_error : float
        Largest error of a normalisation that holds exactly.
    kept : object
        What the closure keeps for its derivatives; the engine passes it on.
    """

    state: State
    q: FloatArray
    lam: FloatArray
    free_entropy: float
    ds_dm: FloatArray
    mass_error: float
    kept: object


@dataclass(frozen=True, slots=True)
class Image:
    """F(q, Q) of the undamped map F at fixed m: q (L+1, K+1), Q (L, K+1).

    ``q_rest`` (L+1): 1 - q at the last level below one, 0 at the data, 1 in liquid layers;
    ``Q_rest`` (L): 1 - Q_K; both with their own relative accuracy.
    """

    q: FloatArray
    Q: FloatArray
    q_rest: FloatArray
    Q_rest: FloatArray


@dataclass(frozen=True, slots=True)
class Replicon:
    """rho (K+1) and the eigenvectors: delta eps (K+1, L+1), delta Q (K+1, L).

    ``by_layer`` (K+1, L-1) is the share of hidden layer l in the eigenvector, sum_l = 1 (0 if it
    has none: saturated layers).
    """

    rho: FloatArray
    eps: FloatArray
    Q: FloatArray
    by_layer: FloatArray
