"""Where the volume of random data closes with K levels of broken symmetry: the limit m_K -> 0.

Hard constraints, kappa = 0, L >= 2.  With `limit_flow`'s y, e and nu, 1 - q_K(l) = eta(l) m,
1 - Q_K(l) = delta(l) m, D_i(l) = d_i(l) m (d_K = delta, d_{i-1} = d_i + y_i (Q_i - Q_{i-1}),
Q_K = 1) and q_i, Q_i of the lower levels below one, m s tends to

    Phi = sum_l { F(l) + sum_i ln(d_{i-1}/d_i)/(2 alpha y_i) }
        + sum_{l<L} { -(1 + eta) e_K/2 + (1/2) sum_{i<K} (y_{i+1} - y_i) e_i q_i }

stationary in all of them and in y, and zero at the end: s -> -infinity beyond.  In stationarity

    e_i(l) = Q_i(l+1) G_i(l+1),   b_i(l) = alpha q_i(l-1) G_i(l),
    1/d_i - 1/d_{i-1} = y_i (b_i - b_{i-1})

with G_K = `LimitFlow.pull` and nu(l) = delta(l) + eta(l-1).  K = 1 is `closing`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.optimize import brentq, root

from replicadnn.theory.broken.state import FlowError
from replicadnn.theory.closures.exact.limit_flow import LimitFlow, hidden_flow, output_flow
from replicadnn.theory.counting import counting_bound
from replicadnn.types import FloatArray

#: Depth up to which it is solved in a few minutes.
DEEPEST = 6
#: Guess: y_i, q_i, Q_i = (i/K) to these powers.
_GUESS = (1.2, 0.45, 0.22)
#: Rounds of passes and passes of a round; steps of y: first, least and largest length in units of
#: the slope, longest in units of a gap, and when Newton's method takes over.
_ROUNDS, _PASSES = 30, 10
_LENGTHS = (4.0, 1.0, 100.0)
_LONGEST, _NEAR = 0.3, 1e-3
#: Newton's method: relative accuracy of a step, and the residual that it must reach.
_XTOL, _DONE = 1e-13, 1e-9
#: Overlaps below this have run to zero.
_ZERO = 1e-3
#: ... and they must not grow from this.
_SMALL = 1e-5
#: Least increment of a level.
_LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class Closing:
    """The state: y (K), q (L+1, K-1), eta (L+1), Q (L, K-1), delta (L); data: q = 1, eta = 0."""

    y: FloatArray
    q: FloatArray
    eta: FloatArray
    Q: FloatArray
    delta: FloatArray

    @classmethod
    def guess(cls, L: int, K: int) -> Closing:
        """Levels that rise as powers of i/K, delta of saturated neurons."""
        x = 1.0 / (counting_bound(L) - 1.0)
        share = np.arange(1, K + 1) / K
        q = np.tile(share[:-1] ** _GUESS[1], (L + 1, 1))
        q[0] = q[L] = 1.0
        Q = np.tile(share[:-1] ** _GUESS[2], (L, 1))
        return cls(share ** _GUESS[0], q, np.zeros(L + 1), Q, np.full(L, x * x / (1.0 - x * x)))

    def refined(self, K: int) -> Closing:
        """K levels on the same curves q(x), Q(x): level i at i/K of them, y_i at (i - 1/2)/K."""
        old, at = self.y.size, np.arange(1, K) / K

        def over(row: FloatArray) -> FloatArray:
            values = np.concatenate([[0.0], row, [1.0]])
            return np.asarray(PchipInterpolator(np.arange(old + 1) / old, values)(at))

        points = np.append(0.0, (np.arange(1, old + 1) - 0.5) / old)
        y = PchipInterpolator(points, np.append(0.0, self.y))((np.arange(1, K + 1) - 0.5) / K)
        q, Q = np.array([over(row) for row in self.q]), np.array([over(row) for row in self.Q])
        q[0] = q[-1] = 1.0
        return Closing(np.asarray(y / y[-1]), q, self.eta, Q, self.delta)

    @property
    def _rows(self) -> list[FloatArray]:
        """All sets of levels: y, q of the hidden layers, Q."""
        return [self.y[:-1], *self.q[1:-1], *self.Q]

    def numbers(self) -> FloatArray:
        """Unbounded coordinates: ln(increment/last increment) of levels above 0, ln of rests."""
        levels = [_coordinates(row[row > 0.0]) for row in self._rows]
        return np.concatenate([*levels, np.log(self.eta[1:-1]), np.log(self.delta)])

    def at(self, numbers: FloatArray) -> Closing:
        """The state of these coordinates, with the zeros of this one."""
        rows, L = [row.copy() for row in self._rows], self.delta.size
        sizes = np.cumsum([np.count_nonzero(row) for row in rows])
        for row, part in zip(rows, np.split(numbers[: sizes[-1]], sizes[:-1]), strict=True):
            row[row > 0.0] = _levels(part)
        rests = np.exp(numbers[sizes[-1] :])
        q, eta = self.q.copy(), np.zeros(L + 1)
        q[1:-1], eta[1:-1] = rows[1:L], rests[: L - 1]
        return Closing(np.append(rows[0], 1.0), q, eta, np.array(rows[L:]), rests[L - 1 :])

    def melted(self) -> Closing:
        """Without the overlaps that have run to zero: q_i(l), and with them Q_i(l), Q_i(l+1)."""
        q = np.where(self.q < _ZERO, 0.0, self.q)
        return replace(self, q=q, Q=np.where(q[:-1] * q[1:] > 0.0, self.Q, 0.0))


def _coordinates(levels: FloatArray) -> FloatArray:
    """Levels between 0 and 1 to ln(increment/last increment)."""
    rises = np.maximum(np.diff(levels, prepend=0.0, append=1.0), _LEAST)
    return np.asarray(np.log(rises[:-1] / rises[-1]))


def _levels(coordinates: FloatArray) -> FloatArray:
    """The inverse of `_coordinates`."""
    rises = np.exp(np.append(coordinates, 0.0))
    return np.asarray(np.cumsum(rises)[:-1] / rises.sum())


def image(state: Closing, *, guarded: bool = False) -> tuple[float, Closing, FloatArray]:
    """alpha at which Phi is zero at this state, the state that the equations give, dPhi/dy_i.

    ``guarded`` keeps passes from afar in range, alpha below the counting bound, overlaps and fields
    `_rising`; what is accepted as an end has to solve the equations without it.
    """
    y, L = state.y, state.delta.size
    flows, fields = _flows(state, guarded=guarded)
    total = sum(flow.free_energy for flow in flows)
    slope = sum((flow.A for flow in flows), np.zeros(y.size - 1))
    for e, q, eta in zip(fields, state.q[1:-1], state.eta[1:-1], strict=True):
        product = e[:-1] * q
        total += 0.5 * float(np.diff(y) @ product) - 0.5 * (1.0 + eta) * float(e[-1])
        slope = slope + 0.5 * (np.append(0.0, product)[:-1] - product)
    spheres = [_sphere(y, Q, float(d)) for Q, d in zip(state.Q, state.delta, strict=True)]
    alpha = -0.5 * sum(value for value, _ in spheres) / min(total, -_LEAST)
    alpha = min(alpha, counting_bound(L)) if guarded else alpha
    slope = slope + 0.5 * sum((by_y for _, by_y in spheres), np.zeros(y.size - 1)) / alpha
    q, eta, Q, delta = state.q.copy(), state.eta.copy(), state.Q.copy(), state.delta.copy()
    for row, flow in enumerate(flows):
        pulls = alpha * np.append(state.q[row] * flow.G, flow.pull)
        Q[row], delta[row] = _response(y, _rising(pulls) if guarded else pulls)
        if row < L - 1:
            q[row + 1] = _rising(flow.q) if guarded else flow.q
            eta[row + 1] = flow.rest
    return float(alpha), Closing(y, q, eta, Q, delta), slope


def _rising(levels: FloatArray) -> FloatArray:
    """Levels that rise from zero; next to it rounding alone may turn them around."""
    return np.asarray(np.maximum.accumulate(np.maximum(levels, 0.0)))


def _flows(state: Closing, *, guarded: bool) -> tuple[list[LimitFlow], list[FloatArray]]:
    """The flows of layers 1..L and e of 1..L-1, from the output down."""
    lam, nu = state.q[:-1] * state.Q, state.delta + state.eta[:-1]
    flows = [output_flow(state.y, lam[-1], float(nu[-1]))]
    fields: list[FloatArray] = []
    for l in range(state.delta.size - 1, 0, -1):
        e = np.append(state.Q[l] * flows[0].G, flows[0].pull)
        e = _rising(e) if guarded else e
        fields.insert(0, e)
        flows.insert(0, hidden_flow(state.y, lam[l - 1], e, float(nu[l - 1])))
    return flows, fields


def contacts(end: Closing) -> FloatArray:
    """Gaps at the margin per coupling, layers 1..L: alpha <theta(-S omega)>_K.

    One, isostatic, for K = 1 and saturated neurons (eta = 0) at every layer.
    """
    flows, _ = _flows(end, guarded=False)
    return np.array([flow.contacts for flow in flows]) * image(end)[0]


def edges(end: Closing) -> FloatArray:
    """Limit of m P(kappa + 0), layers 1..L; their sum is -dPhi/dkappa."""
    return np.array([flow.edge for flow in _flows(end, guarded=False)[0]])


def _sphere(y: FloatArray, Q: FloatArray, delta: float) -> tuple[float, FloatArray]:
    """sum_i ln(d_{i-1}/d_i)/y_i and its derivatives in y_1..y_{K-1}."""
    rises = np.diff(Q, prepend=0.0, append=1.0)
    d = np.append(delta + np.cumsum((y * rises)[::-1])[::-1], delta)
    logs = np.log(d[:-1] / d[1:])
    through = np.cumsum((1.0 / y[:-1] - 1.0 / y[1:]) / d[1:-1])  # d_j rises with y_i, i > j
    by_y = -logs / y**2 + rises * (1.0 / (y[0] * d[0]) - np.append(0.0, through))
    return float(np.sum(logs / y)), np.asarray(by_y[:-1])


def _response(y: FloatArray, pulls: FloatArray) -> tuple[FloatArray, float]:
    """Q_1..Q_{K-1} and delta of b_1..b_K: 1/d_i = 1/d_0 + sum y b, sum_i (Q_i - Q_{i-1}) = 1."""
    rises = np.diff(pulls, prepend=0.0)
    inner = np.append(0.0, np.cumsum(y * rises))

    def d(log_d0: float) -> FloatArray:
        return np.asarray(1.0 / (math.exp(-log_d0) + inner))

    def excess(log_d0: float) -> float:
        at = d(log_d0)
        return float(rises @ (at[1:] * at[:-1])) - 1.0

    at = d(float(brentq(excess, -40.0, 40.0, xtol=1e-15)))
    return np.cumsum(rises * at[1:] * at[:-1])[:-1], float(at[-1])


@lru_cache(maxsize=64)
def ends(L: int, K: int) -> tuple[float, ...]:
    """alpha of the ends with 2, ..., K levels; shorter where one is not found."""
    found: list[float] = []
    state: Closing | None = None
    for levels in range(2, K + 1):
        start = Closing.guess(L, levels) if state is None else state.refined(levels)
        try:
            state = settled(start)
        except (FlowError, ValueError):
            break
        if state is None:
            break
        found.append(image(state)[0])
    return tuple(found)


def settled(state: Closing) -> Closing | None:
    """The stationary state near ``state``: passes with steps in y, then Newton's method."""
    state = _approached(state)
    few = state.y.size - 1

    def residual(numbers: FloatArray) -> FloatArray:
        at = state.at(numbers)
        _, new, slope = image(at)
        kept = replace(new, q=np.where(at.q > 0.0, new.q, 0.0), Q=np.where(at.Q > 0.0, new.Q, 0.0))
        wanted = kept.numbers() - numbers
        gaps = np.diff(at.y, prepend=0.0)
        wanted[:few] = slope * np.minimum(gaps[:-1], gaps[1:])
        return np.asarray(wanted)

    found = root(residual, state.numbers(), method="hybr", options={"xtol": _XTOL})
    if np.abs(found.fun).max() > _DONE:
        return None
    end = state.at(found.x)
    return None if wakes(end) else end


def wakes(state: Closing) -> bool:
    """Do small overlaps in place of the zeros of a state grow in passes?  Then it is no end."""
    zero = state.q == 0.0
    if not zero.any():
        return False
    tried = replace(
        state, q=np.where(zero, _SMALL, state.q), Q=np.where(state.Q == 0.0, _SMALL, state.Q)
    )
    for _ in range(_PASSES):
        tried = image(tried, guarded=True)[1]
    return bool((tried.q[zero] > _SMALL).any())


def _approached(state: Closing) -> Closing:
    """Rounds of passes at fixed y, each with a step of y down Phi (length: Barzilai-Borwein)."""
    before: tuple[FloatArray, FloatArray] | None = None
    length = _LENGTHS[0]
    for _ in range(_ROUNDS):
        for _ in range(_PASSES):
            state = image(state, guarded=True)[1].melted()
        y, slope = state.y[:-1], image(state, guarded=True)[2]
        if before is not None:
            dy, change = y - before[0], slope - before[1]
            length = abs(float(dy @ dy) / (float(dy @ change) + _LEAST))
        before = y, slope
        gaps = np.diff(state.y, prepend=0.0)
        length = min(max(length, _LENGTHS[1]), _LENGTHS[2])
        step = np.clip(-length * slope, -_LONGEST * gaps[:-1], _LONGEST * gaps[1:])
        if np.abs(step).max(initial=0.0) < _NEAR:
            break
        state = replace(state, y=np.append(y + step, 1.0))
    return state
