"""Search for the replica-symmetric solutions of one problem: settle a start, follow a branch.

The map is monotone except for random data at finite beta with kappa > 0, where the ordering is
not guaranteed (docs/theory.md, section 5.2).  Where it is monotone a start below its image climbs
to the smallest solution above it, a start above its image falls to the largest solution below:

* ``climb`` from the liquid gives the smallest solution without an unstable liquid layer,
* ``fall`` from full order gives the largest solution,
* starts in between give what lies between.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from replicadnn.problem import Problem
from replicadnn.theory.closures.averaged.equations import Equations
from replicadnn.theory.symmetric.newton import contraction
from replicadnn.theory.symmetric.state import LIQUID_FLOOR, State

#: Newton aims below the tolerance asked for, since it costs one more step only.
NEWTON_TOL = 1e-10
#: Largest move of a logit in one Newton step.
CAP = 2.0
#: Newton is tried once a pass changes no overlap by more than this factor.
TRUST = 0.5
#: 1 - Q below this for random data and hard constraints: the volume closes (no solution).
COLLAPSED = 1e-12
UNSAT = "UNSAT: 1 - Q closes to 0, the volume is empty at this alpha"
#: A start this close to a known solution, and approaching it, is taken to join it.
SQUEEZED = 0.02
#: Depth beyond which the two fronts are independent.
_FRONT = 40
#: A layer with q above this counts as frozen in names of branches.
FROZEN = 0.95


@dataclass(frozen=True, slots=True)
class Settled:
    """Outcome of one search: ``state`` solves the equations if ``found``."""

    state: State
    found: bool
    residual: float
    sweeps: int
    newton_steps: int
    contraction: float
    reason: str = ""


def settle(
    equations: Equations,
    start: State,
    *,
    side: int,
    max_sweeps: int,
    known: State | None = None,
    leash: float = math.inf,
) -> Settled:
    """Relax ``start`` to the solution next to it.

    ``side`` = +1 climbs from below, -1 falls from above; a Newton result on the wrong side of
    the current state, or one at which the map does not contract, is refused and the
    passes go on.  With ``known`` (a solution below ``start``) the search stops as soon as the
    state is squeezed against it, with ``leash`` as soon as an overlap has moved further than that.
    """
    state = start.copy()
    done = steps = 0
    gap = math.inf
    batch = 2
    radius = math.nan
    while done < max_sweeps:
        change = equations.sweep(state, batch)
        done += batch
        batch = min(max(2, done // 3), 256)
        if _collapsed(equations, state):
            return Settled(state, False, math.inf, done, steps, math.nan, UNSAT)
        if distance(state, start) > leash:
            return Settled(state, False, math.inf, done, steps, math.nan, "left the start")
        if known is not None:
            last, gap = gap, distance(state, known)
            if gap < min(SQUEEZED, 0.7 * last):
                return Settled(known, True, 0.0, done, steps, math.nan, "joins the known solution")
        if change > TRUST:
            continue
        trial = equations.newton(
            state,
            tol=NEWTON_TOL,
            cap=CAP,
            max_iter=25 if change < 0.02 else 8,
            dying=side < 0,
        )
        steps += trial.iterations
        active = equations.active(state)
        moved = state.with_logits(active, trial.y)
        if not trial.converged:
            if side > 0 and change < 0.02 and _closes_in(equations, state):
                return Settled(state, False, math.inf, done, steps, math.nan, UNSAT)
            if side < 0:
                state.drop(below=LIQUID_FLOOR)
            continue
        radius = contraction(trial.bands)
        if math.isnan(radius):
            radius = _growth(trial.bands)
        ordered = side * (moved.logits[active] - state.logits[active]) >= -1e-6
        near = change < (1e-6 if equations.monotone else 0.02)
        if radius >= 1.0 or not (near or np.all(ordered)):
            continue
        if equations.unstable_liquid_layers(moved):
            state = moved
            continue
        if distance(moved, start) > leash:
            continue
        return Settled(moved, True, trial.residual, done, steps, radius)
    return Settled(
        state, False, equations.residual(state), done, steps, radius,
        f"no fixed point within {max_sweeps} passes",
    )  # fmt: skip


def _collapsed(equations: Equations, state: State) -> bool:
    """Random data, hard constraints: the couplings have closed in on one point."""
    return _may_close(equations.problem) and float(np.min(state.P)) < COLLAPSED


def _may_close(problem: Problem) -> bool:
    """At finite beta every coupling has a weight, and the volume is never empty."""
    return not problem.teacher and math.isinf(problem.beta)


def _closes_in(equations: Equations, state: State) -> bool:
    """Hard constraints: does the map push up here and at every state closer to q = Q = 1?

    Just past capacity the passes take forever (1 - Q shrinks by a factor close to 1); the drift
    is read off along the ray on which all 1 - q and 1 - Q shrink together.
    """
    if not _may_close(equations.problem) or np.any(state.q == 0.0):
        return False
    for shrink in np.exp(-np.arange(0.0, 28.0, 0.5)):
        p, P = state.p * shrink, state.P * shrink
        probe = State(1.0 - p, p, 1.0 - P, P)
        rising, _ = equations.linearise(probe, equations.active(probe))
        if not np.all(rising > 0.0):
            return False
        if float(np.min(P)) < COLLAPSED:
            break
    return True


def _growth(bands: np.ndarray) -> float:
    """Largest real part of the eigenvalues of F' from the bands of 1 - F', whatever its signs.

    The spectral radius where F' >= 0.  Below 1 passes that are damped enough converge.
    nan above 800 unknowns: stability is then not judged, and the certificate shows nan.
    """
    width, size = (bands.shape[0] - 1) // 2, bands.shape[1]
    if size > 800:
        return math.nan
    dense = np.zeros((size, size))
    for d in range(-width, width + 1):
        columns = np.arange(max(0, -d), min(size, size - d))
        dense[columns + d, columns] = -bands[width + d, columns]
    return float(np.max(np.linalg.eigvals(dense + np.eye(size)).real))


def distance(a: State, b: State) -> float:
    """Largest difference of two states in any overlap."""
    return float(max(np.max(np.abs(a.q - b.q)), np.max(np.abs(a.Q - b.Q))))


def full_order(problem: Problem) -> State:
    """A start above every solution: q = 1 and 1 - Q far below its smallest possible value."""
    return State.uniform(problem.L, 0.0, 1e-4 / (1.0 + problem.alpha) ** 2)


def connected_to_liquid(
    problem: Problem, state: State, *, max_sweeps: int, jump: float = 0.05
) -> bool:
    """Follow a solution down in alpha: does it reach the liquid without a jump?

    The step in ln alpha is halved while an overlap changes by more than ``jump``; a change that
    stays when the step is below 2e-3 is a fold (spinodal), and the branch is not connected.
    The two fronts of a solution do not feel each other over more than ``_FRONT`` layers, so a
    deeper network is judged at that depth (parity kept), from the solution found there.
    """
    if problem.L > _FRONT:
        problem = replace(problem, L=_FRONT + problem.L % 2)
        shallow = settle(
            Equations(problem), State.liquid(problem.L), side=+1, max_sweeps=max_sweeps
        )
        if not shallow.found:
            return False
        state = shallow.state
    alpha, step = problem.alpha, 0.05
    while True:
        if problem.L == 1 or np.any(state.q == 0.0):
            return True
        lower = replace(problem, alpha=max(alpha * math.exp(-step), 1e-9))
        found = settle(Equations(lower), state, side=-1, max_sweeps=max_sweeps, leash=jump)
        if found.found:
            alpha, state, step = lower.alpha, found.state, min(2.0 * step, 0.7)
        elif step < 2e-3:
            return False
        else:
            step *= 0.5
