"""Curve of the replica-symmetric solutions with exact neurons, by plain pseudo-arclength.

A check of `replicadnn.questions.transitions.path`, which takes longer steps with one overlap as the
control: here the unknowns are all logits of q and Q and ln alpha, the matrix is dense, a step turns
by less than 0.1.  Begins at a solution with every layer solid, towards larger q(1); prints every
fold with the number of unstable directions behind it (docs/theory.md, section 8.11).

    python scripts/exact_curve.py --L 6 --alpha 128.66
    python scripts/exact_curve.py --L 10 --alpha 5247.1599
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import replicadnn as rd
from replicadnn.problem import Problem
from replicadnn.theory.closures.exact.equations import Equations
from replicadnn.theory.symmetric.state import State

Array = NDArray[np.float64]

LONGEST = 0.15  # step in (logits, ln alpha)
LIQUID, CRYSTAL = 1e-8, 0.999  # q at which the curve has arrived


@dataclass(frozen=True, slots=True)
class Place:
    """x = (logits, ln alpha), F(x) - x, its derivative (n, n + 1), q(1..L-1) and s."""

    x: Array
    rest: Array
    slope: Array
    q: Array
    s: float

    @property
    def alpha(self) -> float:
        return math.exp(self.x[-1])

    @property
    def unstable(self) -> int:
        """Directions in which the map moves away."""
        jacobian = self.slope[:, :-1] + np.eye(len(self.rest))
        return int(np.sum(np.linalg.eigvals(jacobian).real > 1.0))


def place(L: int, x: Array) -> Place:
    active = np.ones(2 * L - 1, dtype=bool)
    equations = Equations(Problem(alpha=math.exp(x[-1]), L=L, closure="exact"))
    state = State.uniform(L, 0.5).with_logits(active, x[:-1])
    rest, bands = equations.linearise(state, active)
    width, n = (len(bands) - 1) // 2, active.size
    slope = np.zeros((n, n + 1))
    for j in range(n):
        for i in range(max(0, j - width), min(n, j + width + 1)):
            slope[i, j] = -bands[width + i - j, j]
    slope[:, n] = equations.by_log_alpha(state, active)
    return Place(x, rest, slope, state.q[1:-1], equations.free_entropy(state).total)


def tangent(at: Place, before: Array) -> Array:
    found = np.linalg.solve(np.vstack([at.slope, before]), np.append(np.zeros(len(at.rest)), 1.0))
    return np.asarray(found / np.linalg.norm(found))


def step(L: int, at: Place, along: Array, length: float) -> Place:
    """Newton on the plane at ``length`` along the tangent."""
    there = place(L, at.x + length * along)
    for _ in range(8):
        off = along @ (there.x - at.x) - length
        move = np.linalg.solve(np.vstack([there.slope, along]), -np.append(there.rest, off))
        there = place(L, there.x + move)
        if np.max(np.abs(move)) < 1e-11:
            break
    return there


def follow(L: int, alpha: float) -> None:
    first = rd.solve(alpha, L, closure="exact", branch="continuous")
    state = State(first.q_ea, first.one_minus_q_ea, first.Q_ea, first.one_minus_Q_ea)
    if not first.converged or np.any(state.q == 0.0):
        raise SystemExit(f"alpha = {alpha}: not every layer is solid on the branch of the liquid")
    at = place(L, np.append(state.logits, math.log(alpha)))
    along, length = tangent(at, np.eye(2 * L)[1]), 1e-3
    while np.min(at.q) > LIQUID and (np.min(at.q) < CRYSTAL or along[-1] < 0.0 or at.alpha < 30.0):
        there = step(L, at, along, length)
        ahead = tangent(there, along)
        if not (np.max(np.abs(there.rest)) < 1e-8 and ahead @ along > 0.995):
            length /= 2.0
            if length < 1e-7:
                raise SystemExit(f"lost at alpha = {at.alpha}")
            continue
        if ahead[-1] * along[-1] < 0.0:
            print(f"fold  {there.alpha:.4f}  s {there.s:.5f}  unstable {there.unstable}", there.q)
        at, along, length = there, ahead, min(1.3 * length, LONGEST)
    print(f"end   {at.alpha:.4f}  s {at.s:.5f}  unstable {at.unstable}", at.q)


def main() -> None:
    parser = argparse.ArgumentParser(description="fold after fold of the branch of the liquid")
    parser.add_argument("--L", type=int, default=6)
    parser.add_argument("--alpha", type=float, default=128.66)
    options = parser.parse_args()
    np.set_printoptions(precision=3, suppress=True)
    follow(options.L, options.alpha)


if __name__ == "__main__":
    main()
