"""Up to two levels of broken replica symmetry by nested sums, apart from the package.

Solves the equations of docs/theory.md, sections 3 and 6 (random scenario), for K = 0, 1, 2 levels
with free breakpoints, and those of section 4 for a teacher-student chain with a margin.  Only the
formulas are shared with the package: the Parisi flow is a sum over K + 1 nested Gaussian variables
on equidistant points, weighted at every level with exp(m_i f_i), and the equations go to
`scipy.optimize.root`.  Numbers in parentheses are equations of docs/theory.md.  `scripts/attack.py`
holds the package against it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, root
from scipy.special import log_ndtr

Array = NDArray[np.float64]

REACH = 9.0  # standard deviations
TOLERANCE = 1e-9  # of the equations
LARGEST = 6e6  # points of one sum
LN_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


class TooManyPoints(Exception):
    """A sum over all levels would be too large: narrow edges at large beta with L = 1."""


class NotFound(Exception):
    """No solution from any of the starts."""


# --- the flow -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Flow:
    """F, its moments T_i (K+1) of (25), and A_i = dF/dm_i (K)."""

    F: float
    T: Array
    A: Array


@dataclass(frozen=True)
class Gap:
    """f(h) = ln w((h - kappa)/width), w(u) = c + b Phi(u): boundary of an interaction."""

    kappa: float
    beta: float
    width: float

    def __call__(self, h: Array) -> tuple[Array, Array]:
        """f and f'."""
        u = (h - self.kappa) / self.width
        log_b = math.log(-math.expm1(-self.beta))
        f = np.logaddexp(-self.beta, log_b + log_ndtr(u))
        return f, np.exp(log_b - 0.5 * u * u - LN_SQRT_2PI - f) / self.width

    @property
    def spacing(self) -> float:
        """Between points of h: zeros of w lie 2.8, or pi/sqrt(2 beta), widths off the real axis."""
        slow = 2.0 * self.beta if self.beta < math.inf else 0.0
        return self.width * 0.6 / math.sqrt(max(1.2, slow))

    @property
    def curvature(self) -> float:
        """Of the parabola -h^2/(2 curvature) on the left; m_i (v_i - v_{i-1}) adds to it."""
        return self.width**2

    def drift(self, m: float, step: float, below: float) -> tuple[float, float]:
        """How far exp(m f) moves a variable of deviation ``step``, downwards and upwards."""
        far = REACH * below + abs(self.kappa)
        return 0.0, m * step * far / (self.width**2 + m * step**2)


@dataclass(frozen=True)
class Neuron:
    """f(h) = ln 2cosh h."""

    spacing: float = 0.3
    curvature: float = math.inf

    def __call__(self, h: Array) -> tuple[Array, Array]:
        return np.logaddexp(h, -h), np.tanh(h)

    def drift(self, m: float, step: float, below: float) -> tuple[float, float]:
        return m * step, m * step


def flow(edge: Gap | Neuron, m: Array, v: Array, fine: float = 1.0) -> Flow:
    """(23)-(25) with z_0..z_K as axes of one array; ``fine`` divides the spacing."""
    h: Array = np.zeros(())
    weights = []
    squares = np.diff(v, prepend=0.0)
    if squares.min() < -1e-12:  # more than rounding
        raise ValueError("variances must not decrease")
    # f_i is smoother than f_K by this factor
    rounder = np.sqrt(1.0 + np.append(np.cumsum((m * squares)[:0:-1])[::-1], 0.0) / edge.curvature)
    for i, step in enumerate(np.sqrt(np.maximum(squares, 0.0))):
        z = np.zeros(1)
        if step > 0.0:
            down, up = edge.drift(m[i], step, math.sqrt(v[i - 1])) if i else (0.0, 0.0)
            density = fine * max(1.7, step / (edge.spacing * rounder[i]))
            points = math.ceil((2.0 * REACH + down + up) * density)
            if points * h.size > LARGEST:
                raise TooManyPoints(f"{h.size} x {points} points: more than {LARGEST:g}")
            z = np.linspace(-REACH - down, REACH + up, points + 1)
        h = h[..., None] + step * z
        g = -0.5 * z * z
        weights.append(g - math.log(np.exp(g).sum()))
    f, slope = edge(h)
    levels, tilted = [(f, slope)], []
    for i in range(v.size - 1, 0, -1):
        x = m[i] * f + weights[i]
        top = x.max(axis=-1, keepdims=True)
        p = np.exp(x - top)
        total = p.sum(axis=-1, keepdims=True)
        f = (np.log(total) + top)[..., 0] / m[i]
        p /= total
        slope = (p * slope).sum(axis=-1)
        levels.append((f, slope))
        tilted.append(p)
    P = np.exp(weights[0])
    means, T = [], []
    for i, (f, slope) in enumerate(reversed(levels)):
        if i:
            P = P[..., None] * tilted[-i]
        means.append(float((P * f).sum()))
        T.append(float((P * slope**2).sum()))
    A = np.array([(means[i] - means[i - 1]) / m[i] for i in range(1, v.size)])
    return Flow(means[0], np.array(T), A)


# --- the sphere -----------------------------------------------------------------------------


def widths(Q: Array, m: Array) -> Array:
    """D_i, docs/theory.md 6.2."""
    D = np.empty_like(Q)
    D[-1] = 1.0 - Q[-1]
    for i in range(Q.size - 1, 0, -1):
        D[i - 1] = D[i] + m[i] * (Q[i] - Q[i - 1])
    return D


def sphere(Q: Array, m: Array) -> tuple[float, Array]:
    """S_sph (27) and its derivatives in the breakpoints (K)."""
    D, K = widths(Q, m), Q.size - 1
    S = math.log(D[-1]) + Q[0] / D[0]
    by_m = np.zeros(K)
    for i in range(1, K + 1):
        S += math.log(D[i - 1] / D[i]) / m[i]
        inner = sum((1.0 / D[j - 1] - 1.0 / D[j]) / m[j] for j in range(1, i))
        by_D = 1.0 / (m[i] * D[i - 1]) + inner - Q[0] / D[0] ** 2
        by_m[i - 1] = -math.log(D[i - 1] / D[i]) / m[i] ** 2 + (Q[i] - Q[i - 1]) * by_D
    return 0.5 * S, 0.5 * by_m


def response(B: Array, m: Array) -> Array:
    """Q of (26) for given B: the D_K for which D_K + Q_K = 1."""
    steps = np.diff(B)

    def overlaps(D: float) -> Array:
        rises = []
        for i in range(B.size - 1, 0, -1):
            below = D / (1.0 - m[i] * steps[i - 1] * D)
            rises.append(steps[i - 1] * D * below)
            D = below
        return np.cumsum([B[0] * D * D, *reversed(rises)])

    def mismatch(D: float) -> float:
        return D + float(overlaps(D)[-1]) - 1.0

    limit = 1.0 / max(1.0, float(np.sum(m[1:] * steps)))
    top = limit if limit == 1.0 else limit * (1.0 - 1e-15)
    return overlaps(float(brentq(mismatch, 0.0, top, xtol=1e-16, rtol=1e-14)))


# --- a chain of layers ----------------------------------------------------------------------


@dataclass(frozen=True)
class Point:
    """Overlaps q (L+1, K+1), Q (L, K+1), breakpoints m (K+1) and what follows from them.

    s: free entropy (28); by_m: ds/dm (29); new_q, new_Q: right-hand sides of the equations.
    """

    m: Array
    q: Array
    Q: Array
    s: float
    by_m: Array
    new_q: Array
    new_Q: Array

    @property
    def mismatch(self) -> float:
        """Largest error of the equations of q and Q."""
        return float(max(abs(self.new_q - self.q).max(), abs(self.new_Q - self.Q).max()))

    @property
    def residual(self) -> float:
        """Largest error of the equations of q, Q and m."""
        return max(self.mismatch, float(abs(self.by_m).max(initial=0.0)))

    @property
    def levels(self) -> int:
        return self.m.size - 1


@dataclass(frozen=True)
class Chain:
    """Random scenario; layers l and L - l are equal. ``fine`` > 1: more points in every sum."""

    alpha: float
    L: int
    kappa: float = 0.0
    beta: float = math.inf
    fine: float = 1.0

    def evaluate(self, q: Array, Q: Array, m: Array) -> Point:
        L, K = self.L, m.size - 1
        above = np.append(m[1:], 1.0)
        new_q, new_Q = q.copy(), Q.copy()
        G = np.empty_like(Q)
        s, by_m = 0.0, np.zeros(K)
        for l in range(1, (L + 1) // 2 + 1):
            lam = q[l - 1] * Q[l - 1] * q[l]
            one = flow(Gap(self.kappa, self.beta, math.sqrt(1.0 - lam[-1])), m, lam, self.fine)
            G[l - 1] = G[L - l] = one.T
            new_Q[l - 1] = new_Q[L - l] = response(self.alpha * q[l - 1] * q[l] * one.T, m)
            S, S_m = sphere(Q[l - 1], m)
            count = 1 if l == L + 1 - l else 2
            s += count * (one.F + S / self.alpha)
            by_m += count * (one.A + S_m / self.alpha)
        for l in range(1, L // 2 + 1):
            eps = Q[l - 1] * q[l - 1] * G[l - 1] + Q[l] * q[l + 1] * G[l]
            one = flow(Neuron(), m, eps, self.fine)
            new_q[l] = new_q[L - l] = one.T if K == 0 else np.append(0.0, one.T[1:])
            count = 1 if l == L - l else 2
            s += count * (one.F - 0.5 * eps[-1] + 0.5 * float((above - m) @ (eps * q[l])))
            by_m += count * (one.A - 0.5 * np.diff(eps * q[l]))
        return Point(m, q, Q, s, by_m, new_q, new_Q)

    def iterate(self, point: Point, steps: int) -> Point:
        """Overlaps replaced by the right-hand sides, breakpoints kept."""
        for _ in range(steps):
            point = self.evaluate(point.new_q, point.new_Q, point.m)
        return point


# --- unknowns as one vector -----------------------------------------------------------------


def rows(q: Array, Q: Array) -> Array:
    """Overlaps of one half of the chain: q of layers 1.. on top, Q of layers 1.. below."""
    L = Q.shape[0]
    return np.vstack([q[1 : L // 2 + 1], Q[: (L + 1) // 2]])


def unfold(X: Array, L: int) -> tuple[Array, Array]:
    """q (L+1, K+1) and Q (L, K+1) from their half."""
    q, Q = np.ones((L + 1, X.shape[1])), np.empty((L, X.shape[1]))
    half = L // 2
    for l in range(1, half + 1):
        q[l] = q[L - l] = X[l - 1]
    for l in range((L + 1) // 2):
        Q[l] = Q[L - 1 - l] = X[half + l]
    return q, Q


def rises(X: Array) -> Array:
    return np.diff(X, axis=1, prepend=0.0)


def logs(X: Array, on: NDArray[np.bool_]) -> Array:
    """ln[(x_i - x_{i-1})/(1 - x_K)] of the rises that are on."""
    share = rises(X)[on] / np.broadcast_to(1.0 - X[:, -1:], X.shape)[on]
    return np.log(np.maximum(share, 1e-300))


def overlaps(y: Array, on: NDArray[np.bool_]) -> Array:
    """The inverse of `logs`."""
    share = np.zeros(on.shape)
    share[on] = np.exp(y)
    return np.cumsum(share, axis=1) / (1.0 + share.sum(axis=1, keepdims=True))


def polish(chain: Chain, start: Point, free: bool = True) -> Point | None:
    """All equations by Powell's method; None if they are not met.

    Rises that are zero at the start stay zero, breakpoints keep their values unless ``free``.
    """
    X = rows(start.q, start.Q)
    on = rises(X) > 0.0
    size = int(on.sum())
    K = start.levels if free else 0
    unit = 10.0 * max(float(np.abs(start.by_m).max(initial=0.0)), 1e-9)  # ds/dm falls as q^3
    every = np.ones((1, K), dtype=bool)

    def point(y: Array) -> Point:
        m = np.append(0.0, overlaps(y[size:], every)[0]) if K else start.m
        return chain.evaluate(*unfold(overlaps(y[:size], on), chain.L), m)

    def equations(y: Array) -> Array:
        if not np.all(np.abs(y) < 60.0):
            return np.full(y.size, 1e3)
        found = point(y)
        new = logs(rows(found.new_q, found.new_Q), on)
        return np.append(new - y[:size], found.by_m[:K] / unit)

    y = np.append(logs(X, on), logs(start.m[None, 1:], every)) if K else logs(X, on)
    if y.size == 0:
        return start
    try:
        found = root(equations, y, method="hybr", options={"xtol": 1e-13, "maxfev": 60 * y.size})
    except (TooManyPoints, ValueError):
        return None
    last = point(found.x)
    return last if (last.residual if free else last.mismatch) < TOLERANCE else None


# --- from no level to two -------------------------------------------------------------------


def prune(chain: Chain, point: Point, least: float = 1e-4) -> Point:
    """Rises below ``least`` set to zero, but the last of a solid row; `awake` brings some back."""
    X = rows(point.q, point.Q)
    step = rises(X)
    gone = step < least
    gone[:, -1] &= X[:, -1] < least
    step[gone] = 0.0
    return chain.evaluate(*unfold(np.cumsum(step, axis=1), chain.L), point.m)


def awake(chain: Chain, point: Point) -> Point | None:
    """The point with its zero rises seeded if any of them grows under the equations."""
    X = rows(point.q, point.Q)
    zero = rises(X) <= 0.0
    if chain.L > 1 and point.levels:
        zero[:, 0] = False  # sign gauge of the hidden neurons: q_0 = Q_0 = 0
    if not zero.any():
        return None
    step = rises(X)
    step[zero] = 1e-6
    other = chain.iterate(chain.evaluate(*unfold(np.cumsum(step, axis=1), chain.L), point.m), 4)
    before = rises(rows(other.q, other.Q))
    other = chain.iterate(other, 2)
    after = rises(rows(other.q, other.Q))
    grows = zero & (after > (1.0 + 1e-6) * before)
    if not grows.any():
        return None
    step = rises(X)
    step[grows] = 3e-3
    seeded = chain.evaluate(*unfold(np.cumsum(0.99 * step, axis=1), chain.L), point.m)
    return chain.iterate(seeded, 40)


def settle(chain: Chain, start: Point) -> Point | None:
    """Polish, with the zero rises that the equations want."""
    start = prune(chain, start)
    point = polish(chain, polish(chain, start, free=False) or start)
    for _ in range(6):
        if point is None:
            return None
        point = prune(chain, point, 1e-9)  # rises that ran to zero
        seeded = awake(chain, point)
        if seeded is None:
            return point
        point = polish(chain, prune(chain, seeded))
    return None


def symmetric(chain: Chain, overlap: float = 0.05) -> Point | None:
    """K = 0, reached from small overlaps."""
    X = np.full((chain.L // 2 + (chain.L + 1) // 2, 1), overlap)
    start = chain.evaluate(*unfold(X, chain.L), np.zeros(1))
    return settle(chain, chain.iterate(start, 100))


#: Breakpoints tried with one level.
ONE_STEP = (0.005, 0.02, 0.05, 0.1, 0.2, 0.35, 0.55, 0.75, 0.9)


def starts(chain: Chain, point: Point) -> list[Point]:
    """One level more in several ways, each after some iterations at fixed breakpoints."""
    X = rows(point.q, point.Q)
    if point.levels == 0:
        low = 0.9 * X if chain.L == 1 else 0.0 * X
        one_step = np.hstack([low, X + 0.2 * (1.0 - X) * (X > 0.0)])
        guesses = [([0.0, m], one_step) for m in ONE_STEP]
    else:
        m = float(point.m[1])
        above = X[:, 1:] + 0.15 * (1.0 - X[:, 1:]) * (X[:, 1:] > 0.0)
        middle = X[:, :1] + 0.85 * (X[:, 1:] - X[:, :1])
        two_step = np.hstack([X[:, :1], middle, above])
        above_m = [m + b * (1.0 - m) for b in (0.05, 0.2, 0.5)] + [1.6 * m] * (m < 0.5)
        guesses = [([0.0, a * m, b], two_step) for a in (0.5, 0.8) for b in above_m]
    return iterated(chain, guesses)


def high_starts(chain: Chain) -> list[Point]:
    """Two levels with the upper one next to q = 1 (L >= 2)."""
    size = chain.L // 2 + (chain.L + 1) // 2
    guesses = [
        ([0.0, *m], np.tile([0.0, middle, 0.9999], (size, 1)))
        for m in ((0.15, 0.6), (0.25, 0.75), (0.35, 0.9))
        for middle in (0.5, 0.8)
    ]
    return iterated(chain, guesses)


def iterated(
    chain: Chain, guesses: list[tuple[list[float], Array]], steps: int = 25
) -> list[Point]:
    """Points by increasing s; guesses that leave the range of the sums are dropped."""
    found = []
    for m, X in guesses:
        try:
            start = chain.evaluate(*unfold(X, chain.L), np.array(m))
            found.append(chain.iterate(start, steps))
        except (ValueError, TooManyPoints):
            continue
    return sorted(found, key=lambda one: one.s)


def lowest(chain: Chain, guesses: list[Point], below: float, tries: int) -> Point | None:
    """The lowest solution with distinct levels and s under ``below`` from the first guesses."""
    best: Point | None = None
    for start in guesses[:tries]:
        point = settle(chain, start)
        if point is not None and distinct(point) and point.s < below - 1e-12:
            best, below = point, point.s
    return best


def distinct(point: Point) -> bool:
    """Levels that have not merged: widths of the cells and steps of the overlaps."""
    X = rows(point.q, point.Q)
    return bool(
        np.diff(np.append(point.m, 1.0)).min() > 1e-6 and rises(X)[:, 1:].max(axis=0).min() > 1e-6
    )


def solve(chain: Chain, K: int, tries: int = 3) -> Point:
    """The solution with K <= 2 levels reached from small overlaps, or with fewer if s is not lower.

    Raises `NotFound` where the search ends without a symmetric solution.
    """
    best = symmetric(chain)
    if best is None:
        raise NotFound("no symmetric solution")
    for _ in range(K):
        lower = lowest(chain, starts(chain, best), best.s, tries)
        if lower is None:
            break
        best = lower
    return best


def solve_high(chain: Chain, tries: int = 3) -> Point:
    """A solution with two levels reached from overlaps next to one; `NotFound` if there is none."""
    found = lowest(chain, high_starts(chain), math.inf, tries)
    if found is None:
        raise NotFound("no solution next to q = 1")
    return found


# --- teacher-student chain with a margin, hard constraints ----------------------------------


def gaussian(scale: float, up: float = 0.0) -> tuple[Array, Array]:
    """Points and log weights of Dz for functions of z that vary over 1/``scale``."""
    z = np.linspace(-REACH - 3.0, REACH + 3.0 + up, 1 + math.ceil(24.0 * max(4.0, 6.0 * scale)))
    return z, -0.5 * z * z - LN_SQRT_2PI + math.log(z[1] - z[0])


def planted(alpha: float, L: int, kappa: float) -> tuple[float, Array, Array]:
    """s (20), q (L+1) and Q (L) of the symmetric solution reached from small overlaps."""
    norm = float(log_ndtr(-kappa))
    half, size = L // 2, L // 2 + (L + 1) // 2

    def half_to_all(x: Array, ends: bool) -> Array:
        inner = np.array([x[min(l, L - l) - 1] for l in range(1, L)])
        return (
            np.concatenate([[0.0], inner, [0.0]])
            if ends
            else np.array([x[half + min(l, L - 1 - l)] for l in range(L)])
        )

    def interaction(rest: float) -> tuple[float, float]:
        """F and G (14) at 1 - lam = ``rest``."""
        width, root_lam = math.sqrt(rest), math.sqrt(1.0 - rest)
        z, g = gaussian(root_lam / width, abs(kappa))
        ln_w = log_ndtr((root_lam * z - kappa) / width)
        F = float((np.exp(g + ln_w - norm) * ln_w).sum())
        t, g = gaussian(1.0)
        u = root_lam * t - width * kappa
        ratio = np.exp(g - 0.5 * u * u - LN_SQRT_2PI - log_ndtr(u)).sum()
        return F, float(math.exp(-0.5 * kappa**2 - LN_SQRT_2PI - norm) * ratio / width)

    def neurons(eps: float) -> tuple[float, float]:
        """E ln 2cosh(sqrt(eps) z + eps) and 1 - q (15)."""
        scale = math.sqrt(eps)
        z, g = gaussian(scale)
        x = scale * z
        rest = float(np.exp(g - 0.5 * eps - np.logaddexp(x, -x)).sum()) * 2.0
        return float((np.exp(g) * np.logaddexp(x + eps, -x - eps)).sum()), rest

    def evaluate(y: Array) -> tuple[float, Array, Array, Array]:
        """s, right-hand sides as logits, 1 - q and 1 - Q."""
        rest = 1.0 / (1.0 + np.exp(y))
        p, P = half_to_all(rest, True), half_to_all(rest, False)
        ln_q, ln_Q = np.log1p(-p), np.log1p(-P)
        both = [interaction(-math.expm1(ln_q[l] + ln_Q[l] + ln_q[l + 1])) for l in range(L)]
        G = np.array([g for _, g in both])
        s = sum(F for F, _ in both) + float((np.log(P) + 1.0 - P).sum()) / (2.0 * alpha)
        q, Q, new = 1.0 - p, 1.0 - P, np.empty(size)
        for l in range(1, L):
            eps = Q[l - 1] * q[l - 1] * G[l - 1] + Q[l] * q[l + 1] * G[l]
            F, off = neurons(eps)
            s += F - 0.5 * eps * (1.0 + q[l])
            if l <= half:
                new[l - 1] = math.log1p(-off) - math.log(off)
        new[half:] = np.log(alpha * q[:-1] * q[1:] * G)[: size - half]
        return s, new, p, P

    y = np.full(size, -4.0)
    for _ in range(200):
        y = evaluate(y)[1]
    found = root(lambda y: evaluate(y)[1] - y, y, options={"xtol": 1e-13})
    s, new, p, P = evaluate(found.x)
    if not np.abs(new - found.x).max() < TOLERANCE:
        raise NotFound("the equations of the teacher-student chain are not met")
    return s, 1.0 - p, 1.0 - P
