"""Exponents of full replica-symmetry breaking where one perceptron (kappa < 0) jams.

Next to the capacity q(x) and the distribution P(h) of fields at its upper end have power laws
(P. Charbonneau, J. Kurchan, G. Parisi, P. Urbani, F. Zamponi, Nature Comm. 5, 3725 (2014);
S. Franz, G. Parisi, J. Phys. A 49, 145001 (2016)):

    1 - q(x) ~ x^-1.41574,   P(kappa + r) ~ r^-0.41269,   P(kappa - t) ~ t^0.42311.

They extend over 1 - Q_K << 1 only, which the uniform grid of the solver does not reach (1e-5).
Here every level has a grid of its own, fields t = h - kappa = sqrt(D_i) sinh(u) with u uniform;
the parabola -t^2/(2 D_i) of f_i is subtracted where t < 0,

    f_i(t) = ln Phi(t/sqrt(D_i)) + g_i(t),   D_K = 1 - Q_K, D_{i-1} = D_i + m_i (Q_i - Q_{i-1}),

and Gaussian averages use the trapezoidal rule about the tilted mean.  Breakpoints are geometric and
fixed, 1 - Q_K is given and alpha found.  It shares nothing with the solver but the equations.

Run as a script it prints alpha and local slopes for 1 - Q_K = 1e-4, 1e-6, ...
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq, root
from scipy.special import erfcx, log_ndtr

Array = NDArray[np.float64]

FIRST = 8.5e-5  # m_1 at 1 - Q_K = 1e-6, where it is next to the lower end of the broken part
TOP = 0.08  # m_K
SLOPE = 0.41574  # of D_i in m_i
NODES = np.linspace(-9.0, 9.0, 73)
LOG_WEIGHTS = -0.5 * NODES**2 + np.log((NODES[1] - NODES[0]) / np.sqrt(2.0 * np.pi))
NOTHING = -80.0  # ln P below which P counts as zero
REACH = 10.0


@dataclass(frozen=True, slots=True)
class Grid:
    """t = sqrt(D) sinh(u)."""

    D: float
    u: Array

    @classmethod
    def of(cls, D: float, step: float) -> Grid:
        side = int(np.ceil(np.arcsinh(REACH / np.sqrt(D)) / step))
        return cls(D, step * np.arange(-side, side + 1))

    @property
    def t(self) -> Array:
        return np.asarray(np.sqrt(self.D) * np.sinh(self.u))

    def read(self, curve: CubicSpline, t: Array) -> Array:
        u = np.arcsinh(t / np.sqrt(self.D))
        return np.asarray(curve(np.clip(u, self.u[0], self.u[-1])))


@dataclass(frozen=True, slots=True)
class Fields:
    """T_i = <f_i'^2> (K+1), largest mass error, and ln P_K on t."""

    T: Array
    mass_error: float
    t: Array
    log_P: Array

    def slope(self, t: Array) -> Array:
        """d ln P_K/d ln|t|, t of one sign."""
        side = np.sign(self.t) == np.sign(t[0])
        x = np.log(np.abs(self.t[side]))
        order = np.argsort(x)
        curve = CubicSpline(x[order], np.maximum(self.log_P[side], NOTHING)[order])
        return np.asarray(curve(np.log(np.abs(t)), 1))


def _without_parabola(x: Array) -> Array:
    """ln Phi(x), for x < 0 with x^2/2 added."""
    low = np.minimum(x, 0.0)
    return np.where(x < 0.0, np.log(0.5 * erfcx(-low / np.sqrt(2.0))), log_ndtr(np.maximum(x, 0.0)))


def _average(exponent: Array) -> Array:
    """ln of the sum over the nodes."""
    top = exponent.max(1)
    return np.asarray(top + np.log(np.exp(exponent - top[:, None]).sum(1)))


def _start(grid: Grid, stretch: float, spread: float) -> tuple[Array, Array]:
    """Points of integration for every t; for t < 0 about t times `stretch`.

    Also where they are taken with the parabola split off.
    """
    left = grid.t < 0.0
    centre = np.where(left, grid.t * stretch, grid.t)
    width = np.sqrt(spread * np.where(left, stretch, 1.0))
    return centre[:, None] + width[:, None] * NODES, left


def _weight(x: Array, left: Array) -> Array:
    """ln Phi(x), with x^2/2 added in the rows `left`."""
    out = log_ndtr(x)
    out[left] = np.where(x[left] < 0.0, _without_parabola(x[left]), out[left] + 0.5 * x[left] ** 2)
    return np.asarray(out)


def fields(m: Array, D: Array, Q_0: float, kappa: float, step: float = 0.025) -> Fields:
    """The flow with breakpoints m (K+1, m_0 = 0) and resolvents D (K+1, falling)."""
    K = m.size - 1
    grids = [Grid.of(float(d), step) for d in D]
    g = [np.zeros(grid.u.size) for grid in grids]
    curves = [CubicSpline(grids[K].u, g[K])]
    for i in range(K, 0, -1):
        out, inner = grids[i - 1], grids[i]
        points, left = _start(out, D[i] / D[i - 1], (D[i - 1] - D[i]) / m[i])
        exponent = inner.read(curves[0], points) + _weight(points / np.sqrt(inner.D), left)
        value = _average(LOG_WEIGHTS + m[i] * exponent)
        value -= np.where(left, 0.5 * np.log(D[i - 1] / D[i]), 0.0)
        g[i - 1] = value / m[i] - _without_parabola(out.t / np.sqrt(out.D))
        curves.insert(0, CubicSpline(out.u, g[i - 1]))
    log_P = -0.5 * (grids[0].t + kappa) ** 2 / Q_0 - 0.5 * np.log(2.0 * np.pi * Q_0)
    T, error = np.empty(K + 1), 0.0
    for i in range(K + 1):
        here = grids[i]
        if i > 0:
            before = grids[i - 1]
            density = CubicSpline(before.u, np.maximum(log_P, NOTHING))
            points, left = _start(here, D[i - 1] / D[i], (D[i - 1] - D[i]) / m[i])
            f = before.read(curves[i - 1], points) + _weight(points / np.sqrt(before.D), left)
            exponent = LOG_WEIGHTS + before.read(density, points) - m[i] * f
            exponent[np.abs(points) > REACH] = -np.inf
            own = g[i] + _without_parabola(here.t / np.sqrt(here.D))
            log_P = _average(np.maximum(exponent, -1e4)) + m[i] * own
            log_P += np.where(left, 0.5 * np.log(D[i - 1] / D[i]), 0.0)
        x = here.t / np.sqrt(here.D)
        falling = np.exp(-0.5 * np.maximum(x, 0.0) ** 2 - _without_parabola(x))
        rate = np.sqrt(here.D) * np.cosh(here.u)
        slope = falling / np.sqrt(2.0 * np.pi * here.D) + curves[i](here.u, 1) / rate
        measure = np.exp(log_P) * rate * step
        T[i] = measure @ slope**2
        error = max(error, abs(float(measure.sum()) - 1.0))
    return Fields(T, error, grids[K].t, log_P)


def overlaps(T: Array, m: Array, D_K: float) -> tuple[float, Array]:
    """alpha and D_i at given 1 - Q_K from B_i = alpha T_i (docs/theory.md, eq. 26)."""
    rise = np.diff(T)

    def resolvents(alpha: float) -> Array | None:
        D = np.full(m.size, D_K)
        for i in range(m.size - 1, 0, -1):
            left = 1.0 - m[i] * alpha * rise[i - 1] * D[i]
            if left <= 0.0:
                return None
            D[i - 1] = D[i] / left
        return D

    def excess(alpha: float) -> float:
        D = resolvents(alpha)
        if D is None:
            return 1e3
        length = alpha * (T[0] * D[0] ** 2 + rise @ (D[:-1] * D[1:])) + D_K - 1.0
        return float(min(length, 1e3))

    alpha = float(brentq(excess, 1e-9, 1e3, xtol=1e-15, rtol=1e-14))
    found = resolvents(alpha)
    assert found is not None
    return alpha, found


@dataclass(frozen=True, slots=True)
class Jammed:
    """A solution: 1 - Q_i are `rest`; `residual` is the largest error of ln(D_{i-1} - D_i)."""

    alpha: float
    m: Array
    rest: Array
    residual: float
    fields: Fields

    def rise(self) -> Array:
        """d ln(1 - q)/d ln x between neighbouring levels 1 .. K-1, q_i at sqrt(m_i m_{i+1})."""
        x = 0.5 * np.log(self.m[1:-1] * self.m[2:])
        return np.asarray(np.diff(np.log(self.rest[1:-1])) / np.diff(x))


def _state(log_steps: Array, m: Array, D_K: float) -> tuple[Array, float]:
    """D_i and Q_0 from ln(D_{i-1} - D_i)."""
    steps = np.exp(log_steps)
    D = D_K + np.append(np.cumsum(steps[::-1])[::-1], 0.0)
    return D, float(1.0 - D_K - np.sum(steps / m[1:]))


def _settle(guess: Array, m: Array, D_K: float, kappa: float, step: float) -> Jammed:
    """Damped passes, then a quasi-Newton method in ln(D_{i-1} - D_i)."""

    def error(y: Array) -> Array:
        D, Q_0 = _state(y, m, D_K)
        if not 0.0 < Q_0 < 1.0:
            return np.full(y.size, 1e2)
        T = np.maximum.accumulate(fields(m, D, Q_0, kappa, step).T)
        return np.asarray(np.log(np.maximum(-np.diff(overlaps(T, m, D_K)[1]), 1e-300)) - y)

    for _ in range(60):
        guess = guess + 0.5 * np.clip(error(guess), -1.0, 1.0)
    options = {"eps": 1e-10, "factor": 0.1, "maxfev": 400}
    found = root(error, guess, method="hybr", options=options)
    last = fields(m, *_state(found.x, m, D_K), kappa, step)
    rest = D_K + np.append(np.cumsum((np.exp(found.x) / m[1:])[::-1])[::-1], 0.0)
    residual = float(np.abs(found.fun).max())
    return Jammed(overlaps(last.T, m, D_K)[0], m, rest, residual, last)


def solve(kappa: float, ends: list[float], ratio: float = 1.4, step: float = 0.025) -> list[Jammed]:
    """Solutions at 1 - Q_K in `ends` (falling), each the start of the next."""
    out: list[Jammed] = []
    for D_K in ends:
        first = FIRST * (D_K / 1e-6) ** (1.0 / (1.0 + SLOPE))
        K = 1 + int(np.log(TOP / first) / np.log(ratio))
        m = np.append(0.0, first * ratio ** np.arange(K))
        guess = _longer(out[-1], m) if out else _power_law(m, D_K)
        out.append(_settle(guess, m, D_K, kappa, step))
    return out


def _longer(last: Jammed, m: Array) -> Array:
    """ln(D_{i-1} - D_i) of `last` in units of m_1, its end replaced by the power law."""
    known = np.log(last.m[1:] * -np.diff(last.rest))[:-7] + np.log(m[1] / last.m[1])
    more = np.arange(1, m.size - known.size)
    return np.append(known, known[-1] - SLOPE * np.log(m[2] / m[1]) * more)


def _power_law(m: Array, D_K: float) -> Array:
    """ln(D_{i-1} - D_i) of D_i ~ m_i^-c with Q_K - Q_0 = 0.2."""

    def steps(c: float) -> Array:
        D = D_K * (m[1:] / m[-1]) ** -c
        return -np.diff(np.append(1.3 * D[0], D))

    c = float(brentq(lambda c: float(np.sum(steps(c) / m[1:])) - 0.2, 0.01, 3.0))
    return np.asarray(np.log(steps(c)))


def main() -> None:
    last = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    for one in solve(-0.5, [10.0**-k for k in range(4, last + 1, 2)]):
        print(
            f"1 - Q_K = {one.rest[-1]:.0e}, K = {one.m.size - 1}: alpha = {one.alpha:.7f},", end=""
        )
        print(f" residual {one.residual:.0e}, mass error {one.fields.mass_error:.0e}")
        decades = np.geomspace(1e-5, 1.0, 21)
        for name, sign in (("gaps", 1.0), ("forces", -1.0)):
            pairs = zip(decades, one.fields.slope(sign * decades), strict=True)
            print(f"  {name}: " + " ".join(f"{t:.1e} {slope:.4f}" for t, slope in pairs))
        print("  1 - q: " + " ".join(f"{slope:.3f}" for slope in one.rise()))


if __name__ == "__main__":
    main()
