"""All replica-symmetric branches at one point, their names, and the one that is asked for."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from replicadnn.problem import BranchChoice
from replicadnn.status import Branch, BranchKind
from replicadnn.theory.contract import Entropy, Leave, SymmetricEquations
from replicadnn.theory.symmetric.connected import connected_to_liquid
from replicadnn.theory.symmetric.search import Settled, Stop, settle
from replicadnn.theory.symmetric.state import SAME, SATURATED, State, distance
from replicadnn.types import BoolArray

logger = logging.getLogger(__name__)

MAX_SWEEPS = 50_000
#: A branch keeps its name from one alpha to the next if no overlap moves further than this.
_MOVED = 0.05


@dataclass(frozen=True, slots=True)
class Candidate:
    """A named outcome of the search at one point, with its entropy (None: not found)."""

    name: Branch
    settled: Settled
    entropy: Entropy | None

    @property
    def free_entropy(self) -> float:
        """s; nan where no solution was found."""
        return math.nan if self.entropy is None else self.entropy.total

    @property
    def saturated(self) -> bool:
        """True if a layer has q -> 1."""
        return self.name.is_saturated


def find_branches(
    equations: SymmetricEquations,
    *,
    previous: Sequence[Candidate] = (),
    max_sweeps: int = MAX_SWEEPS,
    between: bool = False,
) -> list[Candidate]:
    """Every solution that the starts of the equations lead to, smallest first.

    No start depends on another alpha, so that a point has the same bits whatever else is asked for.

    Parameters
    ----------
    equations : SymmetricEquations
    previous : sequence of Candidate
        Branches found at another alpha of the same problem: their names carry over where a
        solution moves continuously (finding out a name may take longer than the solution).
    max_sweeps : int
        Gauss-Seidel passes allowed to each start.
    between : bool
        Search also between the smallest solution and the largest
        (`SymmetricEquations.search_between`).
    """
    liquid = State.liquid(equations.problem.L)
    lowest = settle(equations, liquid, side=+1, max_sweeps=max_sweeps)
    found = [lowest]

    def fall(start: State, leave: Leave | None = None) -> State | None:
        known = [one.state for one in found if one.found] if lowest.found else []
        settled = settle(
            equations, start, side=-1, max_sweeps=max_sweeps, known=known, leave=leave
        )  # fmt: skip
        if _is_new(settled, found):
            found.append(settled)
        return settled.state if settled.found or settled.stop is Stop.LEFT else None

    for top in equations.starts_above():
        fall(top)
    if between and lowest.found and len(found) > 1:
        ends = len(found)
        equations.search_between(lowest.state, found[-1].state, fall)
        found[ends:] = sorted(found[ends:], key=lambda one: float(one.state.q.sum()))
    named = _numbered(
        [
            Candidate(
                _name(equations, settled, settled is lowest, previous, max_sweeps),
                settled,
                equations.free_entropy(settled.state) if settled.found else None,
            )
            for settled in found
        ]
    )
    for one in named:
        logger.info(
            "%s: %s, s = %.8g; %d passes, %d Newton steps, residual %.1e", one.name,
            one.settled.message or "found", one.free_entropy, one.settled.sweeps,
            one.settled.newton_steps, one.settled.residual,
        )  # fmt: skip
    return named


def _is_new(settled: Settled, found: Sequence[Settled]) -> bool:
    """Whether a search has come to a solution that is not among those of ``found``."""
    return settled.found and all(
        distance(settled.state, other.state) > SAME for other in found if other.found
    )


def _numbered(found: list[Candidate]) -> list[Candidate]:
    """Where several are partly saturated, their names count the saturated layers."""
    partly = [b.name.kind is BranchKind.PARTLY_SATURATED for b in found]
    if sum(partly) < 2:
        return found
    return [
        replace(b, name=Branch.partly_saturated(int(np.sum(_saturated(b.settled.state)))))
        if several
        else b
        for b, several in zip(found, partly, strict=True)
    ]


def _saturated(state: State) -> BoolArray:
    """Mask of the hidden layers with q -> 1."""
    return np.asarray(state.q[1:-1] > SATURATED)


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
    saturated = _saturated(state)
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
