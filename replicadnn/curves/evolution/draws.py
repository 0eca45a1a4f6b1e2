"""What is drawn, one after another: scrambles of the theory, then data sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from replicadnn import interrupt
from replicadnn.curves.evolution.drawn import descend, inputs
from replicadnn.curves.evolution.problem import MAX_L, Functions, Problem
from replicadnn.curves.evolution.responses import MAX_KEPT, kept
from replicadnn.curves.evolution.steps import Steps
from replicadnn.curves.evolution.theory import Linear, Sampled, evolve, scrambled
from replicadnn.errors import InputError
from replicadnn.progress import Progress, reporting
from replicadnn.types import FloatArray
from replicadnn.validate import whole

#: Most steps, draws, patterns, and entries of the matrix of the patterns of one data set.
MAX_STEPS, _MAX_DRAWS, _MAX_N, _MAX_ENTRIES = 1000, 100_000, 100_000, 20_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """How much is drawn: points of a scramble (0 for L = 1), scrambles, data sets, patterns."""

    points: int
    scrambles: int
    samples: int
    n: int
    seed: int


def limits(L: Any, points: Any, scrambles: Any, samples: Any, n: Any, seed: Any) -> Asked:
    """From arguments that are not yet checked."""
    exact = whole("L", L, 1, MAX_L) == 1
    size = whole("points", points, 64, 2**20)
    if size & (size - 1):
        raise InputError("points", points, "a power of 2, as 4096")
    count = whole("scrambles", scrambles, 2, _MAX_DRAWS)
    return Asked(
        0 if exact else size, 1 if exact else count, whole("samples", samples, 0, _MAX_DRAWS),
        whole("n", n, 2, _MAX_N), whole("seed", seed, 0, 2**63 - 1),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """The draws of one problem."""

    problem: Problem
    functions: Functions
    steps: int
    asked: Asked
    d: int

    @classmethod
    def of(cls, problem: Problem, functions: Functions, steps: Any, asked: Asked) -> Plan:
        """With the sizes checked."""
        last = whole("steps", steps, 1, MAX_STEPS)
        size = max(asked.points or 3 + last, asked.n if asked.samples else 0)
        if kept(last, problem.M, size) > MAX_KEPT:
            raise InputError(
                "steps", steps, "(steps M)^2 points (or n) at most 2.5e8: fewer of them"
            )
        d = inputs(problem, asked.n)
        if asked.samples and d < problem.M + 1:
            raise InputError("n", asked.n, f"more: d = n/(n/d) = {d} is below M + 1")
        if asked.samples and asked.n * d > _MAX_ENTRIES:
            raise InputError("n", asked.n, f"n d at most {_MAX_ENTRIES:g} (d = {d})")
        return cls(problem, functions, last, asked, d)

    @property
    def scrambles(self) -> int:
        """Draws of the theory."""
        return self.asked.scrambles

    @property
    def samples(self) -> int:
        """Data sets."""
        return self.asked.samples

    @property
    def n(self) -> int:
        """Patterns of a data set."""
        return self.asked.n

    def continues(
        self, theory: Steps, measured: Steps | None, n: int
    ) -> tuple[list[FloatArray], list[FloatArray]]:
        """The rows of an earlier result: of the theory, of data sets.

        Raises
        ------
        InputError
            It has more draws, or data sets of another size.
        """
        there = 0 if measured is None else measured.draws
        for name, count, before in (
            ("scrambles", self.scrambles, theory.draws), ("samples", self.samples, there),
        ):  # fmt: skip
            if before > count:
                raise InputError(name, count, f"at least the {before} of the earlier result")
        if measured is not None and n != self.n:
            raise InputError("n", self.n, f"must be {n} to continue the earlier result")
        return theory.rows(), [] if measured is None else measured.rows()

    def draw(
        self,
        theory: list[FloatArray],
        drawn: list[FloatArray],
        result: Callable[[bool], Any],
        checkpoint: Callable[[Callable[[], Any]], None] | None,
        progress: Progress,
    ) -> Any:
        """``result(finished)`` once both lists have all their rows."""
        total = self.scrambles + self.samples
        with (
            reporting(progress, "draw") as report,
            interrupt.keeping(lambda: (result(False), len(theory) + len(drawn))),
        ):
            while (done := len(theory) + len(drawn)) < total:
                if len(theory) < self.scrambles:
                    theory.append(self._theory(len(theory)))
                else:
                    drawn.append(self._data_set(len(drawn)))
                if checkpoint is not None:
                    checkpoint(lambda: result(False))
                report(done + 1, total)
        return result(True)

    def _generator(self, kind: int, number: int) -> np.random.Generator:
        key = np.random.SeedSequence(self.asked.seed, spawn_key=(kind, number))
        return np.random.default_rng(key)

    def _theory(self, number: int) -> FloatArray:
        """Errors of one scramble, or the exact ones; what is not finite is for the caller."""
        problem = self.problem
        ensemble: Linear | Sampled
        if self.asked.points == 0:
            ensemble = Linear(problem, self.steps)
        else:
            dimensions = problem.M + 2 + self.steps * problem.M
            rng = self._generator(1, number)
            ensemble = Sampled(problem, self.steps, scrambled(self.asked.points, dimensions, rng))
        with np.errstate(over="ignore", invalid="ignore"):
            return evolve(problem, self.functions, self.steps, ensemble)

    def _data_set(self, number: int) -> FloatArray:
        """Errors of descent on the data set of this number."""
        with np.errstate(over="ignore", invalid="ignore"):
            return descend(
                self.problem, self.functions, self.steps, self.n, self._generator(2, number)
            )
