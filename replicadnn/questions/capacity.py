"""Capacity of the random scenario: the alpha beyond which the equations have no solution.

Replica symmetric (`closing`): the solution of the full equations is followed with 1 - Q of the
middle layer as the control parameter; alpha(1 - Q) is extrapolated to 1 - Q = 0, where q, Q -> 1
and s -> -infinity.
Second route (`reduced_rs`): with 1 - lam = mu -> 0 the equations become homogeneous,

    mu(l) [1 - 1/sqrt(alpha A)] = sqrt(2/(pi A)) [f(mu(l-1), mu(l)) + f(mu(l), mu(l+1))],
    f(a, b) = a b/sqrt(a^2 + b^2),   A(kappa) = Int_{-kappa}^inf Dz (z + kappa)^2,

an eigenvalue problem with Perron value Lambda_L of the bracket, so that

    alpha_J = [sqrt(A) - sqrt(2/pi) Lambda_L]^-2,   no end if the bracket is not positive.

Lambda_1 = 0 (Gardner), Lambda_2 = 1/sqrt 2, Lambda_3 = 2/sqrt 5, Lambda_inf = 1.

Broken symmetry (`closing_rsb`): the frozen branch, q = 1 above m*, dies where m* -> 0 and the
logarithm of the number of its states per N M, g of
`replicadnn.theory.closures.averaged.jamming`, reaches zero.

`counting_bound` holds for every theory: a perceptron has at most C(M, N) dichotomies (Cover 1965),
layer by layer at most C(M, N)^(L N) outputs (Mitchison and Durbin 1989), and 2^(N M) are needed:

    H(1/alpha) >= ln 2/L,   H(p) = -p ln p - (1-p) ln(1-p),   kappa >= 0.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import ndtr

from replicadnn import interrupt
from replicadnn.errors import InputError
from replicadnn.problem import ALPHA_RANGE, KAPPA_MAX, Ansatz, Problem, Scenario
from replicadnn.provenance import provenance as make_provenance
from replicadnn.storage.tables import Column, Table, plain, reading, write_tables
from replicadnn.theory.closures.averaged.equations import Equations
from replicadnn.theory.closures.averaged.jamming import SOLVED, Chain, Jamming, Point
from replicadnn.theory.counting import counting_bound
from replicadnn.theory.symmetric import search as branches
from replicadnn.theory.symmetric.state import State
from replicadnn.types import FloatArray
from replicadnn.validate import choice, real, whole

KIND = "capacity"
#: How a branch ends.
DIVERGENCE = "divergence"
SPINODAL = "spinodal"
NO_STATES = "no states left"
NO_END = "no end found"
FAILED = "not resolved"

MAX_LEVELS = 6
MAX_DEPTH = 200
_SWEEPS = 3000
#: Relative error of an end at which one level equals the counting bound.
_ROUNDING = 1e-8
#: Relative bracket from which the solution is followed with 1 - Q as the parameter.
_NEAR = 0.02
#: 1 - Q that ends the extrapolation, and the largest from which one is made.
_CLOSEST = 1e-7
_CLOSE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityPoint:
    """The end of the solutions at one depth and margin.

    Attributes
    ----------
    L, kappa : depth and margin
    ansatz : "rs" or "rsb"
    alpha : float
        The last alpha with a solution; nan where none was found up to ``alpha_max``.
    uncertainty : float
        rs: ten times the last change of the extrapolation (at least 1e-9 alpha), or all of it
        where the middle stays open; rsb: change from one level less.
    end : str
        "divergence" (q, Q -> 1, s -> -infinity), "spinodal" (the solution meets another one at
        1 - Q > 0), "no states left" (rsb: m* -> 0, s -> -infinity), "no end found",
        "not resolved".
    reduced : float
        rs: the reduced equations (independent of ``alpha``; inf: they have no end).  rsb, L >= 2:
        all neurons strictly frozen at one level, which equals ``bound`` at kappa = 0.
    bound : float
        `counting_bound`; nan for kappa < 0.
    levels : int
        Number of levels K (0 for rs).
    frozen_layers : int
        Hidden layers with q = 1 beside each boundary on the branch that ends (rsb; -1: all).
    by_level : tuple of float
        The same at K = 1, 2, ... levels (rsb).
    closure : float
        1 - Q at the last point, of the middle layer or, where that stays open, of the first (rs).
    message : str
    possible : bool or None
        False: networks end before, by ``bound``; None: the bound does not tell.
    """

    L: int
    kappa: float
    ansatz: str
    alpha: float
    uncertainty: float
    end: str
    reduced: float
    bound: float
    levels: int = 0
    frozen_layers: int = 0
    by_level: tuple[float, ...] = ()
    closure: float = math.nan
    message: str = ""
    possible: bool | None = None

    @property
    def converged(self) -> bool:
        """False only where the computation failed; "no end found" is an answer."""
        return self.end != FAILED


@dataclass(frozen=True, slots=True)
class Capacity:
    """What `capacity` returns: one `CapacityPoint` for each L and kappa, in the order asked for.

    ``finished`` is False if it was interrupted: the points are those that were done.
    """

    points: tuple[CapacityPoint, ...]
    alpha_max: float
    provenance: Mapping[str, str] = field(default_factory=dict)
    finished: bool = True

    def __iter__(self) -> Any:
        return iter(self.points)

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: int) -> CapacityPoint:
        return self.points[index]

    @property
    def converged(self) -> bool:
        """Every point has an answer."""
        return all(p.converged for p in self.points)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers under the keys of ``replicadnn capacity --json``."""
        return {
            "alpha_max": self.alpha_max,
            "capacity": [
                {name: plain(getattr(p, name)) for name in p.__dataclass_fields__}
                for p in self.points
            ],
            "finished": self.finished,
        }

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write to HDF5 (kind "capacity", docs/file-format.md)."""
        p = self.points
        main = Table(
            "capacity",
            (
                Column.of("index", np.arange(len(p)), "number of the point"),
                Column.of("L", [c.L for c in p], "depth"),
                Column.of("kappa", [c.kappa for c in p], "margin"),
                Column.of("ansatz", [c.ansatz for c in p], "ansatz"),
                Column.of("alpha", [c.alpha for c in p], "capacity, patterns per coupling"),
                Column.of("uncertainty", [c.uncertainty for c in p], "error estimate of alpha"),
                Column.of("end", [c.end for c in p], "how the branch ends"),
                Column.of("reduced", [c.reduced for c in p], "second route"),
                Column.of("bound", [c.bound for c in p], "counting bound"),
                Column.of("levels", [c.levels for c in p], "levels K"),
                Column.of("frozen_layers", [c.frozen_layers for c in p], "frozen layers a side"),
                Column.of(
                    "closure", [c.closure for c in p], "1 - Q of the middle layer at the last point"
                ),
                Column.of("message", [c.message for c in p], "remark"),
                Column.possible(c.possible for c in p),
            ),
        )
        rows = [(i, k + 1, a) for i, c in enumerate(p) for k, a in enumerate(c.by_level)]
        steps = Table(
            "levels",
            (
                Column.of("row", np.arange(len(rows)), "number of the row"),
                Column.of("index", np.array([r[0] for r in rows], dtype=int), "point"),
                Column.of("K", np.array([r[1] for r in rows], dtype=int), "levels"),
                Column.of("alpha", np.array([r[2] for r in rows], dtype=float), "capacity at K"),
            ),
        )
        return write_tables(
            path, KIND, [main, steps], attributes={"alpha_max": self.alpha_max},
            provenance=self.provenance or None, finished=self.finished, overwrite=overwrite,
        )  # fmt: skip

    @classmethod
    def load(cls, path: str | Path) -> Capacity:
        """Read back what `save` wrote; FileError if it is damaged or something else."""
        with reading(path, KIND) as found:
            steps = found["levels"]
            points = []
            alpha_max = float(found.attributes["alpha_max"])
            for row in found["capacity"].records():
                levels = steps["alpha"][steps["index"] == row.pop("index")]
                row.pop("possible", None)  # not in older files
                point = CapacityPoint(**row, by_level=tuple(levels.tolist()))
                points.append(replace(point, possible=_possible(point, alpha_max)))
            return cls(tuple(points), alpha_max, found.provenance, found.finished)


def load_capacity(path: str | Path) -> Capacity:
    """`Capacity.load`."""
    return Capacity.load(path)


def _possible(point: CapacityPoint, alpha_max: float) -> bool | None:
    """Does the end that was found (none: beyond ``alpha_max``) lie within the counting bound?"""
    if math.isnan(point.bound) or point.end == FAILED:
        return None
    if point.end == NO_END:
        return None if alpha_max <= point.bound else False
    error = 0.0 if math.isnan(point.uncertainty) else point.uncertainty
    return point.alpha - error <= point.bound * (1.0 + _ROUNDING)


def _judged(point: CapacityPoint, alpha_max: float) -> CapacityPoint:
    """``point`` with its ``possible``, and the objection of counting in its message."""
    possible = _possible(point, alpha_max)
    if possible is not False:
        return replace(point, possible=possible)
    text = (
        f"no network stores random data beyond the counting bound {point.bound:.4g}: "
        "the solutions beyond it describe no state"
    )
    return replace(point, possible=False, message=f"{point.message}; {text}")


# --- closed forms --------------------------------------------------------------------------


def contact_moment(kappa: float) -> float:
    """A = Int_{-kappa}^inf Dz (z + kappa)^2 = (1 + kappa^2) Phi(kappa) + kappa phi(kappa)."""
    density = math.exp(-0.5 * kappa * kappa) / math.sqrt(2.0 * math.pi)
    return (1.0 + kappa * kappa) * float(ndtr(kappa)) + kappa * density


def chain_eigenvalue(L: int) -> float:
    """Lambda_L of the module docstring.

    With mu(l+1)/mu(l) = tan theta_l the problem is Lambda = sin theta_1 =
    cos theta_{l-1} + sin theta_l, closed by theta_{L/2} = pi/4 (L even) or
    Lambda = 2 cos theta_{(L-1)/2} (L odd).
    1 - Lambda_L is doubly exponentially small in L.
    """
    if L == 1:
        return 0.0

    def excess(value: float) -> float:
        sine = value
        for _ in range(L // 2 - 1):
            sine = value - math.sqrt(1.0 - sine * sine)
            if sine <= 0.0:
                return -1.0
        if L % 2 == 0:
            return sine - math.sqrt(0.5)
        return value - 2.0 * math.sqrt(1.0 - sine * sine)

    top = math.nextafter(1.0, 0.0)
    return 1.0 if excess(top) <= 0.0 else float(brentq(excess, 0.5, top, xtol=1e-16))


def reduced_rs(L: int, kappa: float) -> float:
    """alpha_J of the reduced replica-symmetric equations; inf where they have no end."""
    left = math.sqrt(contact_moment(kappa)) - math.sqrt(2.0 / math.pi) * chain_eigenvalue(L)
    return left**-2 if left > 0.0 else math.inf


# --- replica symmetric ---------------------------------------------------------------------


def closing(L: int, kappa: float, *, alpha_max: float = 1e6) -> CapacityPoint:
    """The end of the replica-symmetric solutions from the full equations (no closed form used)."""
    reduced = reduced_rs(L, kappa)
    bound = counting_bound(L) if kappa >= 0.0 else math.nan

    def point(alpha: float, error: float, end: str, message: str, rest: float) -> CapacityPoint:
        return CapacityPoint(
            L=L, kappa=kappa, ansatz="rs", alpha=alpha, uncertainty=error, end=end, reduced=reduced,
            bound=bound, closure=rest, message=message,
        )  # fmt: skip

    low, high, state = _bracket(L, kappa, alpha_max)
    if math.isinf(high):
        rest = float(state.P[0])
        return point(
            math.nan, math.nan, NO_END, f"solution at alpha = {alpha_max:g}, 1 - Q = {rest:.2e}",
            rest,
        )  # fmt: skip
    middle = 0 if np.any(state.q == 0.0) else 2 * (L // 2)
    alphas, rests = _follow(L, kappa, low, state, middle)
    if middle > 0 and (len(alphas) < 4 or rests[-1] > _CLOSE):
        middle = 0
        alphas, rests = _follow(L, kappa, low, state, 0)
    if len(alphas) < 4:
        return point(
            low, math.nan, FAILED,
            f"solution at {low:.6g}, search stops at {high:.6g}; 1 - Q(1) = {state.P[0]:.1e} there"
            + (" while layers in the middle are liquid" if np.any(state.q == 0.0) else ""),
            float(state.P[L // 2]),
        )  # fmt: skip
    top = int(np.argmax(alphas))
    if top < len(alphas) - 1 and alphas[top] > alphas[-1] * (1.0 + 1e-9):
        error = float(abs(alphas[top] - max(alphas[max(top - 1, 0)], alphas[top + 1])))
        return point(
            float(alphas[top]), error, SPINODAL,
            f"turns back at 1 - Q = {rests[top]:.2e}; divergence at {alphas[-1]:.6g}",
            float(rests[top]),
        )  # fmt: skip
    closest = rests[-1]
    if closest > _CLOSE:
        return point(
            float(alphas[-1]), abs(high - float(alphas[-1])), FAILED,
            f"followed to 1 - Q = {closest:.1e} only", closest,
        )  # fmt: skip
    ends = [
        alphas[i] - rests[i] * (alphas[i] - alphas[i - 1]) / (rests[i] - rests[i - 1])
        for i in (-2, -1)
    ]
    error = max(10.0 * abs(ends[1] - ends[0]), 1e-9 * ends[1])
    if middle == 0 and L > 2:  # layers behind the first stay open: no straight line in 1 - Q(1)
        error = max(error, abs(ends[1] - alphas[-1]))
    return point(float(ends[1]), float(error), DIVERGENCE, "q, Q -> 1, s -> -infinity", closest)


def _problem(alpha: float, L: int, kappa: float) -> Problem:
    return Problem(alpha=alpha, L=L, scenario=Scenario.RANDOM, kappa=kappa)


def _bracket(L: int, kappa: float, alpha_max: float) -> tuple[float, float, State]:
    """alpha with a solution, alpha without (inf: none up to alpha_max), state at the first."""

    def attempt(alpha: float, start: State) -> branches.Settled:
        equations = Equations(_problem(alpha, L, kappa))
        return branches.settle(equations, start, side=+1, max_sweeps=_SWEEPS)

    low, state = 1e-3, State.liquid(L)
    high = math.inf
    while math.isinf(high):
        trial = min(2.0 * low, alpha_max)
        found = attempt(trial, state)
        if not found.found:
            high = trial
        elif trial == alpha_max:
            return trial, math.inf, found.state
        else:
            low, state = trial, found.state
    while high > (1.0 + _NEAR) * low or (np.any(state.q == 0.0) and high > (1.0 + 1e-4) * low):
        middle = math.sqrt(low * high)
        found = attempt(middle, state)
        if found.found:
            low, state = middle, found.state
        else:
            high = middle
    return low, high, state


def _follow(
    L: int, kappa: float, alpha: float, state: State, pin: int
) -> tuple[list[float], list[float]]:
    """alpha against 1 - Q down to 1e-7, by Newton in (overlaps, ln alpha).

    1 - Q is that of the couplings with logit number ``pin`` (even); empty if a liquid layer wakes.
    """
    alphas: list[float] = []
    rests: list[float] = []
    solved = _pinned(L, kappa, np.append(state.logits, math.log(alpha)), state, pin)
    step = 0.5 * math.log(10.0)
    last: FloatArray | None = None
    while solved is not None:
        alphas.append(math.exp(solved[-1]))
        rests.append(1.0 / (1.0 + math.exp(solved[pin])))
        here, solved = solved, None
        if rests[-1] < _CLOSEST:
            break
        while solved is None and step > 0.02:
            guess = here.copy()
            if last is None:
                guess[:-1] += step
            else:
                guess += (here - last) / (here[pin] - last[pin]) * step
            solved = _pinned(L, kappa, guess, state, pin)
            if solved is None:
                step *= 0.5
        last = here
    if alphas:
        equations = Equations(_problem(alphas[-1], L, kappa))
        active = state.active
        if equations.unstable_liquid_layers(state.with_logits(active, here[:-1])):
            return [], []
    return alphas, rests


def _pinned(L: int, kappa: float, guess: FloatArray, state: State, pin: int) -> FloatArray | None:
    """Newton at fixed logit guess[pin]; unknown: the other logits and ln alpha (last)."""
    u = guess.copy()
    size, h = u.size - 1, 1e-6
    active = state.active
    u[:-1] = np.where(active, u[:-1], 0.0)
    change = math.inf
    for _ in range(40):
        here = state.with_logits(active, u[:-1])
        alpha = math.exp(u[-1])
        residual, bands = Equations(_problem(alpha, L, kappa)).linearise(here, active)
        up = Equations(_problem(alpha * math.exp(h), L, kappa)).linearise(here, active)[0]
        down = Equations(_problem(alpha * math.exp(-h), L, kappa)).linearise(here, active)[0]
        matrix = np.zeros((size, size))
        for d in range(-2, 3):
            columns = np.arange(max(0, -d), min(size, size - d))
            matrix[columns + d, columns] = bands[2 + d, columns]
        matrix[:, pin] = -(up - down) / (2.0 * h)
        try:
            move = np.clip(np.linalg.solve(matrix, residual), -1.0, 1.0)
        except np.linalg.LinAlgError:
            return None
        if not np.all(np.isfinite(move)):
            return None
        change = float(np.max(np.abs(move)))
        u[-1] += move[pin]
        move[pin] = 0.0
        u[:-1] += move
        if not math.log(2.0 * ALPHA_RANGE[0]) < u[-1] < math.log(0.5 * ALPHA_RANGE[1]):
            return None
        if change < 1e-10:
            return u
    return u if change < 1e-7 else None


# --- broken symmetry -----------------------------------------------------------------------


def closing_rsb(L: int, kappa: float, *, levels: int = 3, alpha_max: float = 1e6) -> CapacityPoint:
    """The end of the frozen branch (L >= 2) or of one perceptron with kappa < 0, K = levels."""
    bound = counting_bound(L) if kappa >= 0.0 else math.nan
    if L == 1 and kappa >= 0.0:
        same = closing(1, kappa, alpha_max=alpha_max)
        return replace(same, ansatz="rsb", message=f"{same.message}; convex: replica symmetric")
    if L == 1:
        closed = _perceptron_ladder(kappa, levels)
    else:
        closed = _ladder(Chain.closed(L), kappa, levels, alpha_max) if L <= _DEEPEST else []
    best, frozen = closed, -1
    if L >= 4 and not (closed and _still_open(kappa, closed[-1])):
        side = _ladder(Chain.open(1), kappa, levels, alpha_max)
        if side and (not closed or side[-1] < closed[-1]):
            best, frozen = side, 1
    reduced = closed[0] if closed and L > 1 else math.nan
    if not best:
        return CapacityPoint(
            L=L, kappa=kappa, ansatz="rsb", alpha=math.nan, uncertainty=math.nan, end=FAILED,
            reduced=reduced, bound=bound, message="the equations of the limit were not solved",
        )  # fmt: skip
    error = abs(best[-1] - best[-2]) if len(best) > 1 and math.isfinite(best[-2]) else math.nan
    words = "m* -> 0, s -> -infinity"
    if L > _DEEPEST:
        words += (
            f"; frozen beside the boundaries (all layers frozen: not solved for L > {_DEEPEST})"
        )
    if len(best) < levels:
        words += f"; {len(best)} of {levels} levels (more do not lower it or were not solved)"
    return CapacityPoint(
        L=L, kappa=kappa, ansatz="rsb", alpha=best[-1], uncertainty=error, end=NO_STATES,
        reduced=reduced, bound=bound, levels=len(best), frozen_layers=frozen,
        by_level=tuple(best), message=words,
    )  # fmt: skip


#: A level that lowers the end by less than this has collapsed onto another one.
_COLLAPSED = 1e-5
#: Largest alpha of the search for the first number of levels.
_SEARCH = 1e4
#: Depth up to which the chain that is frozen throughout is solved.  At kappa = 0 its end grows by
#: about 6.8 a layer (49.3 at L = 8), past the 79.4 of the branch frozen beside the boundaries only.
_DEEPEST = 14


def _still_open(kappa: float, alpha: float) -> bool:
    """Does the branch frozen beside the boundaries only still have states at ``alpha``?"""
    model = Jamming(Chain.open(1), 2, kappa)
    point = model.relax(model.start(alpha), alpha, tol=1e-5)
    return model.evaluate(point, alpha).g > 0.02


def _ladder(chain: Chain, kappa: float, levels: int, alpha_max: float) -> list[float]:
    """Capacities at K = 1 .. levels, up to the last K that is solved (nan: no end at this K).

    At K = 1 an open chain has no end: g = n H(1/alpha) > 0.
    """
    first = 2 if chain.ends_open else 1
    ends = [math.nan] * (first - 1)
    best: tuple[Point, float] | None = None
    for K in range(first, max(levels, first) + 1):
        model = Jamming(chain, K, kappa)
        found = _first(model, alpha_max) if best is None else _next(model, *best)
        if found is None:
            break
        best = found
        ends.append(best[1])
    return ends if best is not None else []


#: Margin at which one perceptron is solved from scratch, and steps of the continuation from there.
_MARGIN = -1.5
_MARGIN_STEP = 0.1


def _perceptron_ladder(kappa: float, levels: int) -> list[float]:
    """Capacities of one perceptron at K = 1 .. levels, continued in the margin from -1.5.

    Guesses that serve at one margin fail at others: Q_0 runs from 1 to 0 as kappa falls from 0.
    """
    chain = Chain.closed(1)
    steps = max(1, math.ceil(abs(kappa - _MARGIN) / _MARGIN_STEP))
    margins = np.linspace(_MARGIN, kappa, steps + 1)
    ends: list[float] = []
    best: tuple[Point, float] | None = None
    for K in range(1, levels + 1):
        model = Jamming(chain, K, _MARGIN)
        best = _first_perceptron(model) if best is None else _next(model, *best)
        if best is None:
            break
        point, alpha = best
        residual = 0.0
        for last, margin in itertools.pairwise(map(float, margins)):
            alpha *= contact_moment(last) / contact_moment(margin)
            point, alpha, residual = Jamming(chain, K, margin).capacity(point, alpha)
            if residual > SOLVED:
                break
        if residual > SOLVED or (ends and alpha > ends[-1]):
            break
        ends.append(alpha)
    return ends


def _next(model: Jamming, point: Point, alpha: float) -> tuple[Point, float] | None:
    """One level more than ``point``: the lowest end, as every level must lower g."""
    best: tuple[Point, float] | None = None
    for shift, relaxed in ((0.998, False), (0.98, True), (0.998, True), (0.85, True)):
        guess = model.refine(point) if shift > 0.9 else model.start(alpha * shift)
        try:
            if relaxed and model.chain.gauge:
                guess = model.relax(guess, alpha * shift, tol=1e-6, passes=150)
            new, end, residual = model.capacity(guess, alpha * shift)
            if residual > SOLVED and model.chain.gauge:  # overlaps on their way to zero stop it
                new, end, residual = model.capacity(model.relax(new, end, tol=1e-9), end)
            if residual < SOLVED and model.wakes(new, end):
                continue
        except (ValueError, ArithmeticError):
            continue
        if residual < SOLVED and end < (alpha if best is None else best[1]) * (1.0 + 1e-9):
            best = new, end
            if end < alpha * (1.0 - _COLLAPSED):
                break
    return best


def _first(model: Jamming, alpha_max: float) -> tuple[Point, float] | None:
    """The smallest number of levels: solve from where g is about to vanish."""
    alpha, g = 1.5, math.inf
    while g > 0.0:
        if alpha > min(alpha_max, _SEARCH):
            return None
        alpha *= 1.6
        point = model.relax(model.start(alpha), alpha, tol=1e-5)
        g = model.evaluate(point, alpha).g
    for start in (alpha / 1.3, alpha, alpha / 1.5):
        guess = model.relax(model.start(start), start, tol=1e-5)
        point, end, residual = model.capacity(guess, start)
        if residual < SOLVED:
            return point, end
    return None


def _first_perceptron(model: Jamming) -> tuple[Point, float] | None:
    best: tuple[Point, float] | None = None
    symmetric = 1.0 / contact_moment(model.kappa)
    for overlap, rest in itertools.product((0.4, 0.7, 0.9), (0.01, 0.05, 0.2)):
        guess = model.start(symmetric)
        guess.Q[:] = overlap
        guess.d[:] = rest
        point, alpha, residual = model.capacity(guess, 0.95 * symmetric)
        broken = residual < SOLVED and float(point.d[0]) < 5.0
        if broken and (best is None or alpha < best[1]):
            best = point, alpha
    return best


# --- front end -----------------------------------------------------------------------------


def capacity(
    L: int | Sequence[int],
    *,
    kappa: ArrayLike = 0.0,
    ansatz: str = "rs",
    levels: int = 3,
    alpha_max: float = 1e6,
    progress: Callable[[int, int], None] | None = None,
) -> Capacity:
    """Largest alpha with a solution of the random scenario, hard constraints.

    rs: 1 - Q(1) -> 0 of the full equations, extrapolated; beside it
    alpha_J = [sqrt(A(kappa)) - sqrt(2/pi) Lambda_L]^-2 of the reduced ones (docs/physics.md,
    section 5).

    Parameters
    ----------
    L : int or sequence
        Depth, 1..200.
    kappa : float or sequence
        Margin, -10..10; every L is combined with every kappa.
    ansatz : {"rs", "rsb"}
    levels : int
        K of rsb, 1..6.
    alpha_max : float
        Where the search for an end stops, 1..1e9.
    progress : callable, optional
        Called with (points done, points in all).

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.
    KeyboardInterrupt
        Ctrl-C; its ``partial`` holds what is done.

    Examples
    --------
    >>> import replicadnn as rd
    >>> point = rd.capacity(1)[0]
    >>> point.end, round(point.alpha, 4)
    ('divergence', 2.0)
    """
    work = plan(L, kappa, ansatz=ansatz, levels=levels, alpha_max=alpha_max)
    points: list[CapacityPoint] = []

    def result(finished: bool) -> Capacity:
        return Capacity(tuple(points), work.alpha_max, make_provenance(), finished)

    with interrupt.keeping(lambda: (result(False), len(points))):
        for L, kappa in work.pairs:
            if work.ansatz is Ansatz.RS:
                point = closing(L, kappa, alpha_max=work.alpha_max)
            else:
                point = closing_rsb(L, kappa, levels=work.levels, alpha_max=work.alpha_max)
            points.append(_judged(point, work.alpha_max))
            if progress is not None:
                progress(len(points), len(work.pairs))
    return result(True)


@dataclass(frozen=True, slots=True)
class Plan:
    """Validated work: pairs (L, kappa) in order."""

    pairs: tuple[tuple[int, float], ...]
    ansatz: Ansatz
    levels: int
    alpha_max: float


def plan(
    L: int | Sequence[int],
    kappa: ArrayLike = 0.0,
    *,
    ansatz: str = "rs",
    levels: int = 3,
    alpha_max: float = 1e6,
) -> Plan:
    """Validate the arguments of `capacity` without computing anything."""
    depths = [whole("L", d, 1, MAX_DEPTH) for d in _list(L)]
    allowed = f"a number from {-KAPPA_MAX:g} to {KAPPA_MAX:g}"
    margins = [real("kappa", k, -KAPPA_MAX, KAPPA_MAX, allowed) for k in _list(kappa)]
    structure = choice(Ansatz, "ansatz", ansatz)
    if structure is Ansatz.ONE_RSB:
        structure, levels = Ansatz.RSB, 1
    levels = whole("levels", levels, 1, MAX_LEVELS)
    top = real("alpha_max", alpha_max, 1.0, ALPHA_RANGE[1], "a number from 1 to 1e9")
    for name, values in (("L", depths), ("kappa", margins)):
        if not values:
            raise InputError(name, values, "at least one number")
    return Plan(tuple(itertools.product(depths, margins)), structure, levels, top)


def _list(values: Any) -> list[Any]:
    items = list(values) if np.ndim(values) else [values]
    return [v.item() if isinstance(v, np.generic) else v for v in items]
