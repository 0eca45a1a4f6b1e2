"""Speed of the replica-symmetric solver, as ratios against its plain numpy twin in this run.

usage: python scripts/bench_rs.py
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

import replicadnn as rd
from replicadnn.problem import Problem
from replicadnn.theory import rs as twin
from replicadnn.theory.saddle import Equations, State


def seconds(action: Callable[[], object], runs: int = 5) -> tuple[float, float, float]:
    """Least, median and largest wall time of ``runs`` runs after one warm-up."""
    action()
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return min(times), statistics.median(times), max(times)


def rs(alpha: ArrayLike, L: int, scenario: str) -> object:
    """The replica-symmetric solution, all branches searched."""
    return rd.solve(alpha, L, scenario=scenario, ansatz="rs")


def row(name: str, times: tuple[float, float, float]) -> None:
    print(f"{name:<58} " + " ".join(f"{1e3 * t:10.2f}" for t in times))


def main() -> None:
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    print(f"{'':<58} {'min ms':>10} {'median':>10} {'max':>10}")
    for scenario in ("teacher-student", "random"):
        problem = Problem(alpha=100.0, L=20, scenario=scenario)
        equations = Equations(problem)
        state = State.uniform(20, 0.5)
        active = equations.active(state)
        kernel = seconds(lambda: [equations.linearise(state, active) for _ in range(100)])
        plain = seconds(lambda: twin.saddle_map(problem, state.q, state.Q))
        row(f"{scenario}: 100 maps with Jacobian, L = 20", kernel)
        row(f"{scenario}: 1 map of the numpy twin (no Jacobian)", plain)
        print(f"  ratio of one map, numpy/kernel: {100 * plain[1] / kernel[1]:.0f}")
        row(f"{scenario}: one point, all branches searched",
            seconds(lambda: rs(100.0, 20, scenario)))  # fmt: skip
        q, Q = np.full(21, 0.5), np.full(20, 0.5)
        q[[0, -1]] = 1.0
        row(f"{scenario}: the same by plain iteration of the twin, 1e-10",
            seconds(lambda: twin.iterate(problem, q, Q, tol=1e-10), runs=1))  # fmt: skip
        grid = np.linspace(2.0, 750.0, 200)
        row(f"{scenario}: sweep of 200 alpha",
            seconds(lambda: rs(grid, 20, scenario), runs=3))  # fmt: skip
        for L in (100, 1000, 10_000):
            row(f"{scenario}: one point, alpha = 100, L = {L}",
                seconds(lambda: rs(100.0, L, scenario), runs=2))  # fmt: skip
    program = [sys.executable, "-m", "replicadnn.cli.main"]
    for name, words in (
        ("replicadnn --help", ["--help"]),
        ("replicadnn solve --alpha 25 --L 20", ["solve", "--alpha", "25", "--L", "20"]),
    ):
        command = [*program, *words]
        row(name, seconds(lambda: subprocess.run(command, capture_output=True, check=True)))


if __name__ == "__main__":
    main()
