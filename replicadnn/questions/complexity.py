"""Complexity of the saturated states: one step of symmetry breaking with q = 1 inside a state.

At a breakpoint m the number of states with entropy f(m) is exp(N M Sigma(m)),

    Sigma(m) = -m^2 ds/dm,    internal entropy f(m) = s + m ds/dm,    m s = Sigma + m f.

At the static point Sigma(1) = 0; beyond it Sigma(m*) = 0 at m* < 1.  At m = 1 the states are those
around a planted configuration, which ties the random to the teacher-student scenario (tested):

    Sigma(1) = -ln 2 - s_ts,   s_ts the teacher-student free entropy of the same branch,
    dynamical point: where that branch appears (its lower spinodal),
    static point: where s_ts = -ln 2; with all layers saturated L f_1(alpha) = -ln 2, f_1 of L = 1.

States need Sigma(1) > 0, so a branch that appears with s_ts > -ln 2 makes no 1RSB-like jump.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import brentq

from replicadnn import interrupt
from replicadnn.calls import by_name
from replicadnn.errors import InputError
from replicadnn.problem import AVERAGED, Ansatz, Problem, Scenario
from replicadnn.progress import Progress, reporting
from replicadnn.provenance import provenance, settings
from replicadnn.questions.schema import Answer, Checkpoint, Item, origin, taken_over
from replicadnn.storage.tables import Column, Plain, Table, Tables, plain
from replicadnn.theory.broken.accuracy import residual
from replicadnn.theory.broken.active import adjust_levels
from replicadnn.theory.broken.guess import relax, relaxed_guess, saturated_guess
from replicadnn.theory.broken.minimise import minimise
from replicadnn.theory.broken.state import FlowError
from replicadnn.theory.closures import broken_equations, symmetric_equations
from replicadnn.theory.counting import possible
from replicadnn.theory.symmetric.search import settle
from replicadnn.theory.symmetric.state import State, full_order
from replicadnn.types import FloatArray, Number, Several
from replicadnn.validate import numbers, real, whole

_SWEEPS = 20_000
#: Largest breakpoint that is solved as it is.
_THICK = 0.999
#: All inner overlaps above this: the saturated branch of the teacher-student scenario.
_SATURATED = 0.8
#: Largest residual of a point that is reported.
_SOLVED = 1e-8

_SCALARS = ("alpha", "L", "kappa", "m_star", "dynamical", "static", "appearing_entropy")
_CURVE = (
    Item("m", "breakpoint"),
    Item("free_entropy", "free entropy per N M"),
    Item("sigma", "complexity per N M"),
    Item("internal", "internal entropy of a state per N M"),
    Item("residual", "residual"),
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class Complexity(Answer):
    """Sigma(m) of the saturated states at one alpha, and where they appear and dominate.

    Attributes
    ----------
    alpha, L, kappa : the point
    m : array
        Breakpoints asked for.
    free_entropy, sigma, internal : arrays
        s(m), Sigma(m) and f(m) with layer 1 and L-1 saturated; nan where not met to 1e-8.
    residual : array
        Residual of the saddle-point equations.
    m_star : float
        Where Sigma = 0 (linear between neighbours in m); nan if Sigma keeps its sign.
    dynamical, static : float
        alpha where the states saturated in every layer appear, and where their Sigma(1) vanishes
        (kappa = 0); ``static`` is nan where they appear with Sigma(1) < 0: no such jump.
    appearing_entropy : float
        s_ts - (-ln 2) where the branch appears: negative if there is a 1RSB-like jump.
    finished : bool
        False if it was interrupted: m holds the breakpoints that were done.
    """

    KIND: ClassVar[str] = "complexity"

    alpha: float
    L: int
    kappa: float
    m: FloatArray
    free_entropy: FloatArray
    sigma: FloatArray
    internal: FloatArray
    residual: FloatArray
    m_star: float
    dynamical: float
    static: float
    appearing_entropy: float

    @property
    def possible(self) -> bool | None:
        """False beyond the counting bound: there are no such states; None: it does not tell."""
        return possible(
            Problem(alpha=self.alpha, L=self.L, scenario=Scenario.RANDOM, kappa=self.kappa)
        )

    @property
    def converged(self) -> bool:
        """Every point of the curve was solved."""
        return bool(np.all(np.isfinite(self.sigma)))

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers under the keys of ``replicadnn complexity --json``."""
        names = [*_SCALARS, *(item.attribute for item in _CURVE), "finished", "possible"]
        return {name: plain(getattr(self, name)) for name in names} | {"closure": AVERAGED}

    def tables(self) -> list[Table]:
        """The curve."""
        columns = tuple(Column.of(c.key, getattr(self, c.attribute), c.text) for c in _CURVE)
        return [Table("curve", columns)]

    def attributes(self) -> dict[str, Plain]:
        """The scalars, and ``possible`` where it is known."""
        found: dict[str, Plain] = {name: getattr(self, name) for name in _SCALARS}
        found["closure"] = AVERAGED
        return found if self.possible is None else found | {"possible": self.possible}

    @classmethod
    def read(cls, file: Tables) -> Complexity:
        """What a file holds."""
        curve: dict[str, Any] = {c.attribute: file["curve"][c.key] for c in _CURVE}
        scalars: dict[str, Any] = {name: file.attributes[name] for name in _SCALARS}
        return cls(**curve, **scalars, **origin(file))


load_complexity = Complexity.load


def saturated_point(alpha: float, L: int, m: float, kappa: float) -> tuple[float, float, float]:
    """s, Sigma and residual at breakpoint m with q(1) = q(L-1) = 1 above it."""
    levels = broken_equations(
        Problem(alpha=alpha, L=L, scenario=Scenario.RANDOM, ansatz=Ansatz.ONE_RSB, kappa=kappa)
    )
    try:
        guess = relaxed_guess(levels, saturated_guess(levels, 1, m))
        found = minimise(levels, guess, free_breakpoints=False)
        for _ in range(3):  # overlaps on their way to zero hold up the rest
            changed = adjust_levels(levels, found.evaluation)
            if changed is None:
                break
            found = minimise(levels, changed, free_breakpoints=False)
        # near m = 1 the cell below m* has hardly any weight in s, and its overlaps are as little
        # determined by the minimum: the map itself finishes them
        ev = levels.evaluate(relax(levels, found.evaluation.state, 20, damping=1.0))
    except FlowError:
        return math.nan, math.nan, math.inf
    return float(ev.free_entropy), float(-(m**2) * ev.ds_dm[1]), float(residual(levels, ev))


def planted(alpha: float, L: int) -> tuple[State, float] | None:
    """Teacher-student solution saturated in every layer, with s; None where it does not exist."""
    equations = symmetric_equations(Problem(alpha=alpha, L=L))
    settled = settle(equations, full_order(equations.problem), side=-1, max_sweeps=_SWEEPS)
    if not settled.found or float(settled.state.q.min()) < _SATURATED:
        return None
    return settled.state, equations.free_entropy(settled.state).total


def planted_range(L: int) -> tuple[float, float, float]:
    """Dynamical point, static point (nan: none) and s_ts + ln 2 at the first (kappa = 0)."""
    low, high = 1.0, 1.0
    while planted(high, L) is None:
        low, high = high, 1.5 * high
    while high - low > 1e-6 * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if planted(middle, L) is None else (low, middle)
    first = planted(high, L)
    assert first is not None
    excess = first[1] + math.log(2.0)
    if excess >= 0.0:
        return high, math.nan, excess

    def value(alpha: float) -> float:
        found = planted(alpha, L)
        return math.nan if found is None else found[1] + math.log(2.0)

    top = 2.0 * high
    while value(top) < 0.0:
        top *= 2.0
    return high, float(brentq(value, high, top, rtol=1e-10)), excess


@by_name()
def complexity(
    alpha: float,
    L: int,
    *,
    m: Number | Several | None = None,
    kappa: float = 0.0,
    closure: str = AVERAGED,
    known: Complexity | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = None,
) -> Complexity:
    """Sigma(m) = -m^2 ds/dm of the saturated states of random data (one step, hard constraints).

    Parameters
    ----------
    alpha : float
        Patterns per coupling of a perceptron, alpha = M/c (c = N where fully connected).
    L : int
        Depth, 2..200.
    m : array, optional
        Breakpoints in (0, 1]; default 0.1, 0.15, ..., 1; above 0.999 continued linearly.
    kappa : float
        Margin.
    closure : str
        Treatment of the neurons; "averaged" is the only one with saturated states.
    known, checkpoint, progress : after every breakpoint

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.
    KeyboardInterrupt
        Ctrl-C; its ``partial`` holds what is done.

    Examples
    --------
    >>> import replicadnn as rd
    >>> found = rd.complexity(6.0, 2, m=[0.8, 0.9])
    >>> found.sigma.round(4).tolist()
    [0.012, -0.0095]
    """
    problem = Problem(alpha=alpha, L=L, scenario=Scenario.RANDOM, kappa=kappa)
    if closure != AVERAGED:
        raise InputError("closure", closure, "averaged: only there do layers saturate at q = 1")
    whole("L", L, 2, 200)
    asked = np.linspace(0.1, 1.0, 19) if m is None else numbers("m", m)
    values = np.array([real("m", float(v), 1e-3, 1.0, "numbers from 0.001 to 1") for v in asked])
    asked_with = settings(alpha=problem.alpha, L=L, kappa=problem.kappa)
    there = taken_over(known, asked_with, _solved_rows(known), values.tolist(), "m")
    rows = {m: found[0] for m, found in there.items()}
    ends = (math.nan, math.nan, math.nan)
    if known is not None and known.finished:
        ends = known.dynamical, known.static, known.appearing_entropy

    def result(finished: bool) -> Complexity:
        done = [m for m in values.tolist() if m in rows]
        found = _result(problem, done, [rows[m] for m in done], ends, finished)
        return replace(found, provenance=provenance(asked=asked_with))

    with (
        reporting(progress, "point") as report,
        interrupt.keeping(lambda: (result(False), len(rows))),
    ):
        for value in values.tolist():
            if value in rows:
                continue
            rows[value] = _row(problem, value)
            if checkpoint is not None:
                checkpoint(lambda: result(False))
            report(len(rows), len(values))
        if problem.kappa == 0.0 and math.isnan(ends[0]):
            ends = planted_range(L)
    return result(True)


def _solved_rows(known: Complexity | None) -> list[tuple[float, tuple[float, float, float]]]:
    """Breakpoints of an earlier result that were solved, each with its (s, Sigma, residual)."""
    if known is None:
        return []
    columns = (known.m, known.free_entropy, known.sigma, known.residual)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [(m, (s, sigma, rest)) for m, s, sigma, rest in rows if math.isfinite(sigma)]


def _result(
    problem: Problem, done: Sequence[float], rows: Sequence[tuple[float, float, float]],
    ends: tuple[float, float, float], finished: bool,
) -> Complexity:  # fmt: skip
    """From the rows (s, Sigma, residual) at the breakpoints ``done`` and the `planted_range`."""
    m = np.array(done, dtype=float)
    s, sigma, rest = np.array(rows, dtype=float).reshape(-1, 3).T.copy()
    bad = ~(rest < _SOLVED)
    s[bad] = sigma[bad] = math.nan
    dynamical, static, excess = ends
    return Complexity(
        alpha=problem.alpha, L=problem.L, kappa=problem.kappa, m=m, free_entropy=s, sigma=sigma,
        internal=s - sigma / m, residual=rest, m_star=_zero(m, sigma),
        dynamical=dynamical, static=static, appearing_entropy=excess, finished=finished,
    )  # fmt: skip


def _row(problem: Problem, m: float) -> tuple[float, float, float]:
    """`saturated_point`; above 0.999, where the cell of the states closes, continued linearly."""
    alpha, L, kappa = problem.alpha, problem.L, problem.kappa
    if m <= _THICK:
        return saturated_point(alpha, L, m, kappa)
    low, high = (saturated_point(alpha, L, x, kappa) for x in (2.0 * _THICK - 1.0, _THICK))
    part = (m - _THICK) / (1.0 - _THICK)
    s, sigma = (high[i] + part * (high[i] - low[i]) for i in (0, 1))
    return s, sigma, max(low[2], high[2])


def _zero(m: FloatArray, sigma: FloatArray) -> float:
    """Where sigma changes sign, by linear interpolation; nan if it does not."""
    order = np.argsort(m)
    m, sigma = m[order], sigma[order]
    for i in range(m.size - 1):
        if sigma[i] * sigma[i + 1] < 0.0:
            return float(m[i] - sigma[i] * (m[i + 1] - m[i]) / (sigma[i + 1] - sigma[i]))
    return math.nan
