"""Search for the replica-symmetric solutions of one problem: settle a start, follow a branch.

Where the map of the equations is monotone (docs/theory.md, section 5.2) a start below its image
climbs to the smallest solution above it, a start above its image falls to the largest solution
below:

* ``climb`` from the liquid gives the smallest solution without an unstable liquid layer,
* ``fall`` from full order gives the largest solution,
* starts in between give what lies between.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from replicadnn.problem import Problem
from replicadnn.theory.contract import Leave, SymmetricEquations
from replicadnn.theory.symmetric.newton import NewtonResult, contraction, growth, newton
from replicadnn.theory.symmetric.state import LIQUID_FLOOR, SAME, State, distance
from replicadnn.types import FloatArray

#: Newton aims below the tolerance asked for, since it costs one more step only.
NEWTON_TOL = 1e-10
#: Largest move of a logit in one Newton step.
CAP = 2.0
#: Newton is tried once a pass changes no overlap by more than this factor.
TRUST = 0.1
#: A pass with less change than this factor is close to a solution: Newton may take its time.
_CLOSE = 0.02
#: A second step of Newton's method below this part of the first: F' hardly changes on the way, so
#: that passes come to the same solution if they contract there, from whichever side.
QUADRATIC = 0.05
#: 1 - Q below this for random data and hard constraints: the volume closes (no solution).
COLLAPSED = 1e-12
#: A start this close to a known solution, and approaching it, is taken to join it.
SQUEEZED = 0.02


class Stop(enum.Enum):
    """Why a search ended."""

    #: At a solution.
    FOUND = enum.auto()
    #: It approaches the solution that was known.
    JOINS_KNOWN = enum.auto()
    #: 1 - Q closes to 0: the volume is empty.
    UNSAT = enum.auto()
    #: Left where the caller asked for it.
    LEFT = enum.auto()
    #: The passes that were allowed are used up.
    LIMIT = enum.auto()


_WORDS = {
    Stop.FOUND: "",
    Stop.JOINS_KNOWN: "joins the known solution",
    Stop.UNSAT: "UNSAT: 1 - Q closes to 0, the volume is empty at this alpha",
    Stop.LEFT: "left on the way",
    Stop.LIMIT: "no fixed point within {sweeps} passes",
}


@dataclass(frozen=True, slots=True)
class Settled:
    """Outcome of one search: ``state`` solves the equations if `found`."""

    state: State
    stop: Stop
    residual: float
    sweeps: int
    newton_steps: int
    contraction: float
    limit: int = 0

    @property
    def found(self) -> bool:
        """Whether ``state`` is a solution."""
        return self.stop in (Stop.FOUND, Stop.JOINS_KNOWN)

    @property
    def message(self) -> str:
        """`stop` in words, for people."""
        return _WORDS[self.stop].format(sweeps=self.limit)


def settle(
    equations: SymmetricEquations,
    start: State,
    *,
    side: int,
    max_sweeps: int,
    known: Sequence[State] = (),
    leave: Leave | None = None,
) -> Settled:
    """Relax ``start`` to the solution next to it.

    ``side`` = +1 climbs from below, -1 falls from above; a Newton result on the wrong side of
    the current state, or one at which the map does not contract, is refused and the
    passes go on.  With ``known`` (solutions, the first of them below ``start``) the search stops as
    soon as the state is squeezed against the first, or next to one that Newton's method leads to;
    with ``leave`` as soon as that says so of the state that passes have come to.
    """
    return _Search(equations, side, max_sweeps, known, leave, start.copy()).run()


@dataclass(slots=True)
class _Search:
    """Passes and Newton's method by turns, from one start."""

    equations: SymmetricEquations
    side: int
    max_sweeps: int
    known: Sequence[State]
    leave: Leave | None
    state: State
    sweeps: int = field(default=0, init=False)
    steps: int = field(default=0, init=False)
    radius: float = field(default=math.nan, init=False)
    gap: float = field(default=math.inf, init=False)

    def run(self) -> Settled:
        batch = 2
        change = self.equations.residual(self.state)  # a start next to a solution needs no pass
        if 0.0 < change < _CLOSE and (found := self._newton(change)):
            return found
        while self.sweeps < self.max_sweeps:
            change = self.equations.sweep(self.state, batch)
            self.sweeps += batch
            batch = min(max(2, self.sweeps // 3), 256)
            found = self._stopped() or (self._newton(change) if change <= TRUST else None)
            if found is not None:
                return found
        return self._end(
            Stop.LIMIT, residual=self.equations.residual(self.state), radius=self.radius
        )

    def _end(
        self, stop: Stop, state: State | None = None, residual: float = math.inf,
        radius: float = math.nan,
    ) -> Settled:  # fmt: skip
        return Settled(
            self.state if state is None else state, stop, residual, self.sweeps, self.steps,
            radius, self.max_sweeps,
        )  # fmt: skip

    def _stopped(self) -> Settled | None:
        """Ends that a look at the state alone tells."""
        if _may_close(self.equations.problem) and float(np.min(self.state.P)) < COLLAPSED:
            return self._end(Stop.UNSAT)
        if self.leave is not None and self.leave(self.state):
            return self._end(Stop.LEFT)
        if self.known:
            last, self.gap = self.gap, distance(self.state, self.known[0])
            if self.gap < min(SQUEEZED, 0.7 * last):
                return self._end(Stop.JOINS_KNOWN, self.known[0], 0.0)
        return None

    def _newton(self, change: float) -> Settled | None:
        """A solution, or a reason to stop, or nothing yet."""
        close = change < _CLOSE
        active = self.state.active
        trial = newton_from(
            self.equations, self.state, max_iter=25 if close else 8, dying=self.side < 0
        )
        self.steps += trial.iterations
        if not trial.converged:
            if self.side > 0 and close and _closes_in(self.equations, self.state):
                return self._end(Stop.UNSAT)
            if self.side < 0:
                self.state.drop(below=LIQUID_FLOOR)
            return None
        moved = self.state.with_logits(active, trial.y)
        if distance(moved, self.state) < SQUEEZED:
            for known in self.known:
                if distance(moved, known) < SAME:
                    return self._end(Stop.JOINS_KNOWN, known, 0.0)
        self.radius = contraction(trial.bands)
        if math.isnan(self.radius):
            self.radius = growth(trial.bands)
        ordered = self.side * (moved.logits[active] - self.state.logits[active]) >= -1e-6
        near = change < _CLOSE
        if self.equations.monotone:
            near = change < 1e-6 or trial.shrink < QUADRATIC
        if self.radius >= 1.0 or not (near or np.all(ordered)):
            return None
        if self.equations.unstable_liquid_layers(moved):
            self.state = moved
            return None
        return self._end(Stop.FOUND, moved, trial.residual, self.radius)


def newton_from(
    equations: SymmetricEquations, state: State, *, max_iter: int, dying: bool
) -> NewtonResult:
    """Newton in the active logits of ``state``; the others are 0 in the result's ``y``.

    With ``dying`` it stops when a neuron layer falls below `LIQUID_FLOOR`.
    """
    active = state.active

    def evaluate(y: FloatArray) -> tuple[FloatArray, FloatArray]:
        return equations.linearise(state.with_logits(active, y), active)

    floor = np.full(active.size, -np.inf)
    if dying:
        floor[1::2] = math.log(LIQUID_FLOOR)
    start = np.where(active, state.logits, 0.0)
    return newton(evaluate, start, tol=NEWTON_TOL, cap=CAP, max_iter=max_iter, floor=floor)


def _may_close(problem: Problem) -> bool:
    """At finite beta every coupling has a weight, and the volume is never empty.

    A potential of one's own has beta = inf here: whether it forbids gaps is not asked.
    """
    return not problem.teacher and math.isinf(problem.beta)


def _closes_in(equations: SymmetricEquations, state: State) -> bool:
    """Hard constraints: does the map push up here and at every state closer to q = Q = 1?

    Just past capacity the passes take forever (1 - Q shrinks by a factor close to 1); the drift
    is read off along the ray on which all 1 - q and 1 - Q shrink together.
    """
    if not _may_close(equations.problem) or np.any(state.q == 0.0):
        return False
    for shrink in np.exp(-np.arange(0.0, 28.0, 0.5)):
        p, P = state.p * shrink, state.P * shrink
        probe = State(1.0 - p, p, 1.0 - P, P)
        rising, _ = equations.linearise(probe, probe.active)
        if not np.all(rising > 0.0):
            return False
        if float(np.min(P)) < COLLAPSED:
            break
    return True
