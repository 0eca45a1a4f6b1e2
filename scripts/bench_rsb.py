"""Speed of the Parisi solver, as ratios against its plain numpy twin in this run.

User CPU time of this process (all threads), which other work on the machine disturbs less than
wall time does; minimum, median and maximum of some runs after one warm-up.

usage: python scripts/bench_rsb.py [--quick]
"""

from __future__ import annotations

import cProfile
import pstats
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from replicadnn.problem import Ansatz, Problem, Scenario
from replicadnn.theory import parisi as flow
from replicadnn.theory.broken.search import Found, find
from replicadnn.theory.broken.state import State, make_state
from replicadnn.theory.closures.averaged.broken import LevelEquations
from replicadnn.theory.threads import Threads

PARTS = {
    "flows": ("kernels/theory/layers.py", ("gap_flow", "spin_flow")),
    "responses": ("kernels/theory/layers.py", ("responses",)),
    "blocks of the Hessian": ("kernels/theory/newton.py", ("coupling_block", "spin_block")),
    "eigenvalues": ("_decomp.py", ("eigh",)),
    "all tasks of the layers": ("averaged/broken.py", ("_call",)),
}


def equations(alpha: float, L: int) -> LevelEquations:
    """K-level equations of random data."""
    problem = Problem(alpha=alpha, L=L, scenario=Scenario.RANDOM, ansatz=Ansatz.RSB)
    return LevelEquations(problem)


def solve(alpha: float, L: int, levels: int = 16, threads: int = 1) -> Found:
    """The branch of the liquid."""
    return find(equations(alpha, L), levels=levels, threads=threads)


def solid_state(L: int, K: int) -> State:
    """Every layer solid, overlaps rising linearly in x: a state for timing, not a solution."""
    m = np.arange(K + 1) / (K + 1.0)
    rise = m / m[-1]
    return make_state(m, np.tile(2.0 * rise, (L + 1, 1)), np.tile(0.7 * rise, (L, 1)))


def seconds(action: Callable[[], object], runs: int = 5) -> list[float]:
    """User CPU seconds of every run, after one warm-up."""
    action()
    times = []
    for _ in range(runs):
        began = time.process_time()
        action()
        times.append(time.process_time() - began)
    return times


def row(name: str, times: list[float]) -> None:
    low, middle, high = min(times), statistics.median(times), max(times)
    print(f"{name:<52}" + " ".join(f"{1e3 * t:10.2f}" for t in (low, middle, high)))


def twin_map(model: LevelEquations, state: State) -> None:
    """The flows of one map by the numpy twin."""
    lam, L = model.evaluate(state).lam, model.problem.L
    for layer in range((L + 1) // 2):
        if lam[layer, -1] > 0.0:
            flow.parisi_flow(flow.gap_boundary(lam[layer, -1]), state.m, lam[layer])
    for layer in range(1, L // 2 + 1):
        if state.eps[layer, -1] > 0.0:
            flow.parisi_flow(flow.spin_boundary(), state.m, state.eps[layer])


def shares(alpha: float, L: int, K: int) -> None:
    """Where the time of one solve goes."""
    profile = cProfile.Profile()
    profile.enable()
    solve(alpha, L, K)
    profile.disable()
    stats = pstats.Stats(profile)
    total = stats.total_tt  # type: ignore[attr-defined]
    entries = stats.stats.items()  # type: ignore[attr-defined]
    print(f"shares of one solve, L = {L}, alpha = {alpha:g}, K = {K}:")
    for name, (file, functions) in PARTS.items():
        spent = sum(
            v[3] for (path, _, what), v in entries if path.endswith(file) and what in functions
        )
        print(f"    {name:<24}{100 * spent / total:5.1f} %")


MEMORY = """
import resource, sys
import replicadnn as rd
rd.solve(4.0, 2, scenario="random", levels=2)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
alpha, L, K = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
one = rd.solve(alpha, L, scenario="random", levels=K, branch="continuous", time_limit=240.0)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(one.converged, one.levels, (after - before) / 1024)
"""


def memory(alpha: float, L: int, K: int) -> None:
    """Growth of the resident set in a fresh process."""
    words = subprocess.run(
        [sys.executable, "-c", MEMORY, str(alpha), str(L), str(K)],
        capture_output=True, check=True, text=True,
    ).stdout.split()  # fmt: skip
    print(f"memory, alpha = {alpha:g}, L = {L}, K = {K}: converged {words[0]} with {words[1]} "
          f"levels, {float(words[2]):.0f} MiB above the imported program")  # fmt: skip


def threads(L: int, K: int) -> None:
    """Wall time of one map with responses on one and two threads."""
    model, state = equations(60.0, L), solid_state(L, K)
    best = []
    for count in (1, 2):
        with Threads(count) as shared:
            times = []
            for _ in range(7):
                began = time.perf_counter()
                model.evaluate(state, True, shared)
                times.append(time.perf_counter() - began)
            best.append(min(times))
    print(f"two threads, one map with responses, L = {L}, K = {K}: {best[0] / best[1]:.2f} "
          "times faster (least wall time of 7)")  # fmt: skip


def main() -> None:
    quick = "--quick" in sys.argv
    print(f"{'CPU time':<52}{'min ms':>10} {'median':>10} {'max':>10}")
    point = solve(60.0, 20, 8 if quick else 16)
    model, state = equations(60.0, 20), point.state
    kernel = seconds(lambda: model.evaluate(state), 20)
    plain = seconds(lambda: twin_map(model, state), 2)
    row(f"one map, L = 20, alpha = 60, K = {state.K}", kernel)
    row("the same flows by the numpy twin", plain)
    print(f"  ratio {min(plain) / min(kernel):.0f}")
    row("one map with all responses", seconds(lambda: model.evaluate(state, True), 10))
    layout = model.layout(state)
    full = model.evaluate(state, True)
    row("Hessian assembly", seconds(lambda: model.hessian(layout, full), 10))
    for L in (10, 20, 40, 100):
        solid = solid_state(L, 16)
        row(f"one map, all layers solid, L = {L}, K = 16",
            seconds(lambda L=L, solid=solid: equations(60.0, L).evaluate(solid), 5))  # type: ignore[misc]  # fmt: skip
    for K in (8, 16, 32, 64):
        solid = solid_state(20, K)
        row(f"one map, all layers solid, L = 20, K = {K}",
            seconds(lambda solid=solid: equations(60.0, 20).evaluate(solid), 5))  # type: ignore[misc]  # fmt: skip
    threads(20, 16)
    threads(100, 16)
    if quick:
        return
    row("solve, L = 20, alpha = 60, K = 16", seconds(lambda: solve(60.0, 20), 3))
    row("solve, L = 3, alpha = 8, K = 16", seconds(lambda: solve(8.0, 3), 3))
    shares(60.0, 20, 16)
    memory(60.0, 100, 16)
    memory(4.0, 2, 64)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak resident set of this run {peak:.0f} MiB")


if __name__ == "__main__":
    main()
