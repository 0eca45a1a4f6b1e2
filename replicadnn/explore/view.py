"""What the page shows at one setting of its controls: a solve, and sentences about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from replicadnn.errors import InputError
from replicadnn.solution import Solution, Solutions
from replicadnn.theory.solve import solve


@dataclass(frozen=True, slots=True)
class Controls:
    """Positions of the controls; ``beta`` inf: hard constraint."""

    alpha: float = 25.0
    L: int = 20
    kappa: float = 0.0
    beta: float = np.inf
    scenario: str = "teacher-student"
    closure: str = "averaged"
    branch: str = "auto"


@dataclass(frozen=True, slots=True)
class View:
    """Converged solutions at one setting, and one line each; ``words``: why there is none."""

    solutions: Solutions
    lines: tuple[str, ...]
    words: str


def look(controls: Controls) -> View:
    """Solve (replica symmetric) at the setting; a wrong one is a line, not an exception."""
    try:
        found = solve(
            [controls.alpha], controls.L, scenario=controls.scenario, ansatz="rs",
            kappa=controls.kappa, beta=controls.beta, closure=controls.closure,
            branch=controls.branch,
        )  # fmt: skip
    except InputError as error:
        return View(Solutions([]), (), str(error))
    good = [one for one in found if one.converged]
    words = "" if good else "; ".join(f"{one.status}: {one.message}" for one in found)
    return View(Solutions(good, found.provenance), tuple(describe(one) for one in good), words)


def describe(solution: Solution) -> str:
    """Branch, phase, free entropy and what a reader must know, in one line."""
    parts = [f"{solution.branch}: {phase(solution.solid_layers[1:-1])}"]
    parts.append(f"s = {solution.free_entropy:.6f}")
    if solution.eps_g is not None:
        parts.append(f"test error {solution.eps_g:.4f}")
    if solution.possible is False:
        parts.append("beyond the counting bound: not a state of networks")
    if solution.message != "certified":
        parts.append(solution.message)
    return ", ".join(parts)


def phase(solid: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
    """Which hidden layers are solid, in words, from a row of booleans (l = 1..L-1)."""
    count, hidden = int(solid.sum()), len(solid)
    if not hidden:
        return "no hidden layer"
    if not count:
        return "liquid"
    if count == hidden:
        return "solid in every layer"
    liquid = np.flatnonzero(~solid) + 1
    first, last = int(liquid[0]), int(liquid[-1])
    where = f"l = {first}" if first == last else f"l = {first}..{last}"
    if last - first + 1 != len(liquid):
        return f"{count} of {hidden} hidden layers solid"
    if first == 1:
        return f"solid at the output, liquid at {where}"
    if last == hidden:
        return f"solid at the input, liquid at {where}"
    return f"solid at both ends, liquid at {where}"
