"""Jamming limit of the random scenario: the equations that are left when the volume closes.

With hard constraints the volume of a state shrinks to zero while the last breakpoint m = m_K and
1 - Q_K, 1 - q_K vanish together.  In units of m (docs/physics.md, section 5)

    1 - Q_K(l) = m d(l),  1 - q_K(l) = m t(l),  m^2 eps_K(l) = eta(l)^2,  m_i = m x_i (x_K = 1),

and m s -> g, stationary in every overlap, in t, d and in x_1 .. x_{K-1}:

    g = sum_l { F[f_int] + (1/2 alpha) [ sum_{i=1..K} (1/x_i) ln(D_{i-1}/D_i) + Q_0/D_0 ] }
      + sum_hidden { F[f_spin] - eta^2 t/2 - eps_{K-1}/2
                     + (1/2) sum_{i<K} (x_{i+1} - x_i) eps_i q_i }
    f_int(h)  = ln Int Dz exp(-(kappa - h - sqrt(v) z)_+^2 / (2 theta)),  v = 1 - lam_{K-1},
                theta(l) = t(l-1) + d(l) + t(l)
    f_spin(h) = ln Int Dz exp|h + sqrt(eta^2 - eps_{K-1}) z| - (eta^2 - eps_{K-1})/2
    D_K = d,  D_{i-1} = D_i + x_i (Q_i - Q_{i-1})

F[f] is the Parisi flow (docs/theory.md, eq. 23) over the levels 0 .. K-1 with top breakpoint 1.
g is the logarithm of the number of states, per N M, at the optimal x: it is positive below the
capacity, and s = g/m is stationary at m -> 0 where g = 0.  That alpha is the capacity.

Levels: K = 1 is one-step breaking.  For L >= 2 the sign gauge gives q_0 = Q_0 = 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import brentq, root
from scipy.special import log_ndtr

from replicadnn import interrupt
from replicadnn.theory.parisi import Boundary, Flow, fast_flow
from replicadnn.types import FloatArray

_LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)
#: An overlap below this is zero (`Jamming.wakes` tells whether it would grow).
_ZERO = 1e-7
_SEED = 1e-6
#: eta^2 beyond which exp(-eta^2/2) is below rounding and the neuron is strictly saturated.
_STIFF = 1200.0
#: Largest residual of a solution.
SOLVED = 1e-8


def contact_boundary(
    lam: float, theta: float, kappa: float
) -> tuple[Boundary, Callable[[FloatArray], FloatArray]]:
    """f_int above with its derivatives in h, and df_int/dtheta.

    f = ln[ Phi(r/s) + y exp(-r^2/2w) Phi(-r y/s) ],  r = h - kappa, s^2 = 1 - lam, w = s^2 + theta,
    y^2 = theta/w.
    """
    s2 = 1.0 - lam
    s, w = math.sqrt(s2), s2 + theta
    y2 = theta / w
    y = math.sqrt(y2)

    def parts(h: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        r = h - kappa
        inside = log_ndtr(r / s)
        touching = math.log(y) - 0.5 * r * r / w + log_ndtr(-r * y / s)
        f = np.logaddexp(inside, touching)
        return r, f, np.exp(touching - f), np.exp(-0.5 * r * r / s2 - _LOG_ROOT_2PI - f) / s

    def evaluate(h: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        r, f, contact, edge = parts(h)
        f1 = edge * (1.0 - y2) - r / w * contact
        second = -r / s2 * edge * (1.0 - y2) + (r * r / w - 1.0) / w * contact + r / w * y2 * edge
        return f, f1, second - f1 * f1

    def in_theta(h: FloatArray) -> FloatArray:
        r, _, contact, edge = parts(h)
        rate = 0.5 * s2 / (theta * w)
        return np.asarray(contact * (rate + 0.5 * (r / w) ** 2) - r * y2 * rate * edge)

    return Boundary(evaluate, 0.0, s), in_theta


def saturated_boundary(gap: float) -> tuple[Boundary, Callable[[FloatArray], FloatArray]]:
    """f_spin above for eta^2 - eps_{K-1} = ``gap``, and df_spin/dgap; ln 2cosh h for large gap."""
    hard = gap > _STIFF
    s = math.sqrt(gap)

    def parts(h: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        up = h if hard else h + log_ndtr(s + h / s)
        down = -h if hard else -h + log_ndtr(s - h / s)
        f = np.logaddexp(up, down)
        kink = -0.5 * gap - 0.5 * h * h / gap - _LOG_ROOT_2PI - f
        return f, np.exp(up - f) - np.exp(down - f), np.exp(kink) / s

    def evaluate(h: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        f, f1, edge = parts(h)
        return f, f1, 1.0 + 2.0 * edge - f1 * f1

    return Boundary(evaluate, 1.0, 1.0), lambda h: parts(h)[2]


def jammed_response(B: FloatArray, x: FloatArray) -> tuple[FloatArray, float]:
    """Q_0 .. Q_{K-1} and d induced by B_0 .. B_K when Q_K = 1: c_K = d, see `response`."""
    K = B.size - 1
    steps = np.diff(B)

    def overlaps(mu: float) -> FloatArray:
        c = 1.0 / mu
        below = np.ones(K + 1)
        for i in range(K, 0, -1):
            below[i] = 1.0 - x[i] * steps[i - 1] * c
            c = c / below[i]
        w = np.empty(K + 1)
        w[0] = B[0]
        for i in range(1, K + 1):
            w[i] = w[i - 1] / below[i] ** 2 + steps[i - 1] / below[i]
        scale = np.append(1.0 / np.cumprod(below[:0:-1])[::-1], 1.0) / mu
        return np.asarray(scale**2 * w)

    low = float(np.sum(x[1:] * steps))
    high = 1.0
    while overlaps(low + high)[-1] > 1.0:
        high *= 2.0
    start = high
    while overlaps(low + start)[-1] <= 1.0:
        start *= 0.5
    shift = brentq(lambda g: float(overlaps(low + g)[-1] - 1.0), start, high, rtol=1e-14)
    return overlaps(low + shift)[:-1], 1.0 / (low + shift)


@dataclass(frozen=True, slots=True)
class Chain:
    """Distinct layers of a chain: coupling c joins neurons ``left[c]`` and ``right[c]`` (0: data).

    ``closed``: all L layers, mirror images counted once.  ``open``: n layers behind the data whose
    last neurons have no further neighbour (the layers behind them stay below q = 1).
    """

    left: tuple[int, ...]
    right: tuple[int, ...]
    coupling_weight: tuple[int, ...]
    neuron_weight: tuple[int, ...]
    gauge: bool
    ends_open: bool

    @classmethod
    def closed(cls, L: int) -> Chain:
        C, H = (L + 1) // 2, L // 2
        return cls(
            tuple(range(C)), tuple(min(c + 1, L - c - 1) for c in range(C)),
            tuple(1 if 2 * c + 1 == L else 2 for c in range(C)),
            (0, *(1 if 2 * h == L else 2 for h in range(1, H + 1))), L > 1, False,
        )  # fmt: skip

    @classmethod
    def open(cls, n: int) -> Chain:
        return cls(tuple(range(n)), tuple(range(1, n + 1)), (2,) * n, (0, *(2,) * n), True, True)

    def neighbours(self, h: int) -> list[tuple[int, int]]:
        """(coupling, other neurons) of the layers that touch neurons h, mirror images included."""
        found = []
        for c, (a, b) in enumerate(zip(self.left, self.right, strict=True)):
            copies = self.coupling_weight[c] // self.neuron_weight[h]
            if a == b == h:
                found += [(c, h)] * (2 * self.coupling_weight[c] // self.neuron_weight[h])
            elif h in (a, b):
                found += [(c, a if b == h else b)] * copies
        return found


@dataclass(slots=True)
class Point:
    """Overlaps below the top level and their distances at it: q, t of neurons, Q, d of couplings.

    q (H+1, K), t (H+1): row 0 is the data (q = 1, t = 0); Q (C, K), d (C); x (K) from 0.
    """

    x: FloatArray
    q: FloatArray
    t: FloatArray
    Q: FloatArray
    d: FloatArray


@dataclass(frozen=True, slots=True)
class Image:
    """One evaluation: the map of the point, g, dg/dx_i (i = 1..K-1), largest mass error."""

    point: Point
    g: float
    dx: FloatArray
    mass_error: float


@dataclass(slots=True)
class Jamming:
    """The equations of one chain at K levels and margin kappa."""

    chain: Chain
    K: int
    kappa: float = 0.0
    _neighbours: list[list[tuple[int, int]]] = field(init=False)

    def __post_init__(self) -> None:
        hidden = len(self.chain.neuron_weight)
        self._neighbours = [[], *(self.chain.neighbours(h) for h in range(1, hidden))]

    def evaluate(self, p: Point, alpha: float) -> Image:
        """The saddle-point map at ``p`` and the value of g there."""
        interrupt.check()
        K, chain = self.K, self.chain
        full = np.append(p.x, 1.0)
        C, H = p.d.size, p.t.size - 1
        G, top, F = np.zeros((C, K)), np.zeros(C), np.zeros(C)
        new = Point(p.x, p.q.copy(), p.t.copy(), p.Q.copy(), p.d.copy())
        dx, g, mass = np.zeros(K), 0.0, 0.0
        for c in range(C):
            a, b = chain.left[c], chain.right[c]
            lam = np.maximum.accumulate(p.q[a] * p.Q[c] * p.q[b])
            boundary, in_theta = contact_boundary(
                float(lam[-1]), float(p.t[a] + p.d[c] + p.t[b]), self.kappa
            )
            flow = fast_flow(boundary, p.x, lam)
            G[c], F[c] = flow.T, flow.free_energy
            top[c] = 2.0 * float(flow.P[-1] @ in_theta(flow.h))
            mass = max(mass, flow.mass_error)
            B = alpha * np.append(p.q[a] * p.q[b] * G[c], top[c])
            new.Q[c], new.d[c] = jammed_response(np.maximum.accumulate(B), full)
            sphere, sphere_dx = _sphere(np.append(p.Q[c], 1.0), float(p.d[c]), full)
            g += chain.coupling_weight[c] * (F[c] + sphere / alpha)
            dx[1:] += chain.coupling_weight[c] * (_dF_dm(flow) + sphere_dx / alpha)
        for h in range(1, H + 1):
            eps, eta2 = np.zeros(K), 0.0
            for c, other in self._neighbours[h]:
                eps += p.Q[c] * p.q[other] * G[c]
                eta2 += top[c]
            eps = np.maximum.accumulate(eps)
            gap = eta2 - float(eps[-1])
            boundary, in_gap = saturated_boundary(gap)
            flow = fast_flow(boundary, p.x, eps)
            new.q[h] = flow.T
            new.t[h] = 2.0 * float(flow.P[-1] @ in_gap(flow.h))
            mass = max(mass, flow.mass_error)
            quadratic = 0.5 * float(np.diff(full) @ (eps * p.q[h]))
            weight = chain.neuron_weight[h]
            g += weight * (
                flow.free_energy - 0.5 * eta2 * float(p.t[h]) - 0.5 * float(eps[-1]) + quadratic
            )
            moved = 0.5 * (eps[:-1] * p.q[h, :-1] - eps[1:] * p.q[h, 1:])
            dx[1:] += weight * (_dF_dm(flow) + moved)
        return Image(new, g, dx[1:], mass)

    def contacts(self, p: Point, alpha: float) -> FloatArray:
        """Gaps that close at kappa, per coupling, in every distinct layer (isostatic: 1).

        alpha Int dh P_{K-1}(h) [weight of r < kappa in the average f_int of `contact_boundary`].
        """
        found = np.zeros(p.d.size)
        for c in range(p.d.size):
            a, b = self.chain.left[c], self.chain.right[c]
            lam = np.maximum.accumulate(p.q[a] * p.Q[c] * p.q[b])
            theta, s2 = float(p.t[a] + p.d[c] + p.t[b]), 1.0 - float(lam[-1])
            boundary, _ = contact_boundary(float(lam[-1]), theta, self.kappa)
            flow = fast_flow(boundary, p.x, lam)
            outside = log_ndtr((flow.h - self.kappa) / math.sqrt(s2))
            touching = -np.expm1(outside - boundary.evaluate(flow.h)[0])
            found[c] = alpha * float(flow.P[-1] @ touching)
        return found

    def start(self, alpha: float) -> Point:
        """A guess: K = 1 in closed form at t = 0, further levels rising linearly in x."""
        K, chain = self.K, self.chain
        rise = np.arange(K) / max(1, K - 1) if chain.gauge else (np.arange(K) + 1.0) / (K + 1.0)
        C, H = len(chain.left), len(chain.neuron_weight) - 1
        q = np.tile(0.6 * rise, (H + 1, 1))
        q[0] = 1.0
        d = 1.0 / (max(alpha, 2.5) - 1.0) ** 2 if chain.gauge else 0.05
        t = np.full(H + 1, 1e-4)
        t[0] = 0.0
        return Point(np.arange(K) / K, q, t, np.tile(0.9 * rise, (C, 1)), np.full(C, d))

    def refine(self, p: Point) -> Point:
        """A guess at K levels from a solution at K - 1."""
        K = self.K
        if not self.chain.gauge:  # one perceptron: the breaking continues towards Q = 1
            last = float(p.x[-1])
            x, near = np.append(p.x, last + 0.22 * (1.0 - last)), 1.0 - 0.1 * (1.0 - p.Q[:, -1:])
            ones = np.ones((p.t.size, K))
            return Point(x, ones, p.t.copy(), np.hstack([0.95 * p.Q, near]), p.d.copy())
        edges = np.arange(K) / (K - 1.0)
        x = np.interp(np.arange(K) / K, edges, np.append(p.x, 1.0))
        old, new = (np.arange(K - 1) + 0.5) / (K - 1), (np.arange(K) + 0.5) / K

        def curve(values: FloatArray) -> FloatArray:
            out = np.array([np.interp(new, [*old, 1.0], [*row, 0.5 + 0.5 * row[-1]])
                            for row in values])  # fmt: skip
            if self.chain.gauge:
                out[:, 0] = 0.0
            return out

        q = curve(p.q)
        q[0] = 1.0
        return Point(x, q, p.t.copy(), curve(p.Q), p.d.copy())

    def relax(self, p: Point, alpha: float, *, tol: float = 1e-7, passes: int = 400) -> Point:
        """Damped iteration at fixed x."""
        for _ in range(passes):
            new = self.evaluate(p, alpha).point
            change = 0.0
            for name in ("q", "t", "Q", "d"):
                old, target = getattr(p, name), getattr(new, name)
                change = max(change, float(np.max(np.abs(target - old), initial=0.0)))
                setattr(new, name, 0.5 * (old + target))
            if self.chain.gauge:  # rounding errors would grow away from it
                new.q[1:, 0] = new.Q[:, 0] = 0.0
            p = new
            if change < tol:
                break
        return p

    def wakes(self, p: Point, alpha: float, *, passes: int = 30) -> bool:
        """Would an infinitesimal overlap grow where ``p`` has none?  (Then ``p`` is no end.)"""
        first = 1 if self.chain.gauge else 0
        zero_q, zero_Q = p.q[1:, first:] <= _ZERO, p.Q[:, first:] <= _ZERO
        if not (zero_q.any() or zero_Q.any()):
            return False
        seeded = Point(p.x, p.q.copy(), p.t.copy(), p.Q.copy(), p.d.copy())
        seeded.q[1:, first:][zero_q] = seeded.Q[:, first:][zero_Q] = _SEED
        sizes = []
        for _ in range(2):  # the seeds turn into the leading mode, then its growth shows
            seeded = self.relax(seeded, alpha, tol=0.0, passes=passes)
            sizes.append(seeded.q[1:, first:][zero_q].sum() + seeded.Q[:, first:][zero_Q].sum())
        return bool(sizes[1] > sizes[0])

    def capacity(self, p: Point, alpha: float) -> tuple[Point, float, float]:
        """Solve everything and g = 0 for alpha at once; returns point, alpha, largest residual."""
        q_live, Q_live = p.q[1:] > _ZERO, p.Q > _ZERO
        if self.chain.gauge:
            q_live[:, 0] = Q_live[:, 0] = False
        K = self.K
        t_live = p.t[1:] > 0.0

        def pack(v: Point) -> FloatArray:
            gaps = np.diff(np.append(v.x, 1.0))
            with np.errstate(divide="ignore"):
                return np.concatenate(
                    [_logit(v.q[1:][q_live]), _logit(v.Q[Q_live]), np.log(v.t[1:][t_live]),
                     np.log(v.d), np.log(gaps[:-1] / gaps[-1])]
                )  # fmt: skip

        sizes = np.cumsum([q_live.sum(), Q_live.sum(), t_live.sum(), p.d.size])

        def unpack(u: FloatArray) -> Point:
            a, b, c, e, f = np.split(u, sizes)
            q, Q, t = p.q.copy(), p.Q.copy(), p.t.copy()
            q[1:][~q_live] = Q[~Q_live] = 0.0
            q[1:][q_live], Q[Q_live] = 1.0 / (1.0 + np.exp(-a)), 1.0 / (1.0 + np.exp(-b))
            t[1:][t_live] = np.exp(c)
            gaps = np.exp(np.append(f, 0.0))
            x = np.concatenate([[0.0], np.cumsum(gaps / gaps.sum())[:-1]])
            return Point(x, q, t, Q, np.exp(e))

        def equations(u: FloatArray) -> FloatArray:
            v = unpack(u[:-1])
            try:
                image = self.evaluate(v, math.exp(u[-1]))
            except (ValueError, ArithmeticError):
                return np.full(u.size, 1e3)
            image.point.x = v.x
            r = pack(image.point) - u[:-1]
            if K > 1:
                r[-(K - 1) :] = 10.0 * image.dx
            everything = np.append(r, image.g)
            return np.asarray(np.nan_to_num(everything, nan=1e3, posinf=1e3, neginf=-1e3))

        with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
            begin = np.append(pack(p), math.log(alpha))
            found = root(equations, begin, tol=1e-11)
            residual = float(np.max(np.abs(found.fun)))
            if residual > SOLVED:
                found = root(equations, begin, method="lm", tol=1e-13)
                residual = float(np.max(np.abs(found.fun)))
        return unpack(found.x[:-1]), math.exp(found.x[-1]), residual


def _logit(x: FloatArray) -> FloatArray:
    return np.asarray(np.log(x) - np.log1p(-x))


def _dF_dm(flow: Flow) -> FloatArray:
    return flow.dF_dm if flow.v.size > 1 else np.zeros(0)


def _sphere(Q: FloatArray, d: float, x: FloatArray) -> tuple[float, FloatArray]:
    """(1/2)[sum (1/x_i) ln(D_{i-1}/D_i) + Q_0/D_0] and its derivative in x_1 .. x_{K-1}."""
    steps = np.diff(Q)
    D = d + np.append(np.cumsum((x[1:] * steps)[::-1])[::-1], 0.0)
    first = Q[0] / D[0] ** 2
    B = first + np.append(0.0, np.cumsum(steps / (D[1:] * D[:-1])))
    ratio = np.log1p(x[1:] * steps / D[1:])
    value = 0.5 * (float(np.sum(ratio / x[1:])) + Q[0] / D[0])
    slope = 0.5 * (-ratio / x[1:] ** 2 + steps * (1.0 / (x[1:] * D[:-1]) - B[:-1]))
    return float(value), np.asarray(slope[:-1])
