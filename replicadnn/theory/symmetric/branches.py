"""All replica-symmetric branches at one point, their names, and the one that is asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from replicadnn.problem import BranchChoice
from replicadnn.status import Branch, BranchKind
from replicadnn.theory.contract import SymmetricEquations
from replicadnn.theory.symmetric.connected import connected_to_liquid
from replicadnn.theory.symmetric.search import Settled, settle
from replicadnn.theory.symmetric.state import SATURATED, State, distance

MAX_SWEEPS = 50_000
#: Two solutions closer than this in every overlap are the same one.
_SAME = 1e-6
#: A branch keeps its name from one alpha to the next if no overlap moves further than this.
_MOVED = 0.05


@dataclass(frozen=True, slots=True)
class Candidate:
    """A named outcome of the search at one point, with its free entropy."""

    name: Branch
    settled: Settled
    free_entropy: float

    @property
    def saturated(self) -> bool:
        """True if a layer has q -> 1."""
        return self.name.is_saturated


def find_branches(
    equations: SymmetricEquations,
    *,
    previous: Sequence[Candidate] = (),
    max_sweeps: int = MAX_SWEEPS,
) -> list[Candidate]:
    """Every solution that the starts of the equations lead to, smallest first.

    Parameters
    ----------
    equations : SymmetricEquations
    previous : sequence of Candidate
        Branches found at a smaller alpha of the same problem: the smallest is the start of the
        climb, and their names carry over where a solution moves continuously.
    max_sweeps : int
        Gauss-Seidel passes allowed to each start.
    """
    start = previous[0].settled.state if previous else State.liquid(equations.problem.L)
    lowest = settle(equations, start, side=+1, max_sweeps=max_sweeps)
    found = [lowest]
    for top in equations.starts_above():
        known = lowest.state if lowest.found else None
        settled = settle(equations, top, side=-1, max_sweeps=max_sweeps, known=known)
        if settled.found and all(
            distance(settled.state, other.state) > _SAME for other in found if other.found
        ):
            found.append(settled)
    return [
        Candidate(
            _name(equations, settled, settled is lowest, previous, max_sweeps),
            settled,
            equations.free_entropy(settled.state).total if settled.found else math.nan,
        )
        for settled in found
    ]


def _name(
    equations: SymmetricEquations,
    settled: Settled,
    lowest: bool,
    previous: Sequence[Candidate],
    max_sweeps: int,
) -> Branch:
    """Name of one solution: continuous if it leads to the liquid, else by what it looks like."""
    state = settled.state
    if not settled.found or (lowest and np.any(state.q == 0.0)):
        return Branch(BranchKind.CONTINUOUS)
    near = [b for b in previous if distance(b.settled.state, state) < _MOVED]
    if len(near) == 1:
        return near[0].name
    if lowest and connected_to_liquid(equations, state, max_sweeps=max_sweeps):
        return Branch(BranchKind.CONTINUOUS)
    saturated = state.q[1:-1] > SATURATED
    if np.all(saturated):
        return Branch(BranchKind.SATURATED)
    return Branch(BranchKind.PARTLY_SATURATED if np.any(saturated) else BranchKind.FILLED)


def select(
    equations: SymmetricEquations, found: Sequence[Candidate], asked: BranchChoice
) -> list[Candidate]:
    """The branches that answer the question ``asked`` (docs/theory.md, section 5.3).

    ``auto``: the continuous one, and past its end the smallest solution, which is where it falls
    to (`SymmetricEquations.auto_is_continuous`: random data, the exact closure); else the largest
    s among the branches without saturated layers (among all, if every one is saturated:
    teacher-student, averaged closure).  ``equilibrium``: the largest s of all in the
    teacher-student scenario, the smallest in the random one (n -> 0).
    """
    if asked is BranchChoice.ALL:
        return list(found)
    if not found[0].settled.found:  # without the smallest solution nothing can be compared
        return list(found[:1])
    continuous = [b for b in found if b.name.kind is BranchKind.CONTINUOUS]
    if asked is BranchChoice.CONTINUOUS:
        return continuous
    if asked is BranchChoice.AUTO and equations.auto_is_continuous:
        return continuous or [found[0]]
    candidates = list(found)
    if asked is BranchChoice.AUTO:
        candidates = [b for b in found if not b.saturated] or candidates
    sign = 1.0 if equations.problem.teacher else -1.0
    return [max(candidates, key=lambda b: (b.settled.found, sign * b.free_entropy))]
