"""Speed of everything, as ratios within one run: `python scripts/bench.py`.

usage: python scripts/bench.py [GROUP ...] [--runs N] [--quick] [--write]

Groups: rs, rsb, sampler, sweep. A ratio compares two programs run alternately in this process (or
as processes, for sweeps), N pairs (at least 5 unless --quick); min, median, max over the pairs.
"twin" is the plain numpy statement of the same formula in this package. --write puts the table into
docs/notes/performance.md, between its markers. No result is judged: read the numbers.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType

import numpy as np

SCRIPTS = Path(__file__).resolve().parent
PAGE = SCRIPTS.parent / "docs" / "notes" / "performance.md"
MARKERS = ("<!-- table made by scripts/bench.py: begin -->", "<!-- table: end -->")
Action = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One line of the table: a ratio of times, or a time in ms."""

    what: str
    values: tuple[float, ...]
    unit: str = ""

    def cells(self) -> tuple[str, str, str]:
        """Min, median, max."""
        return (
            f"{min(self.values):.4g}",
            f"{statistics.median(self.values):.4g}",
            f"{max(self.values):.4g}",
        )


def seconds(action: Action) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


class Bench:
    """Runs pairs and single actions; yields rows."""

    def __init__(self, runs: int) -> None:
        self.runs = runs

    def ratio(self, what: str, slow: Action, fast: Action, times: float = 1.0) -> Row:
        """Time of ``slow`` over time of ``fast`` (which does ``times`` as much), pair by pair."""
        slow(), fast()
        pairs = [(seconds(slow), seconds(fast)) for _ in range(self.runs)]
        return Row(what, tuple(times * a / b for a, b in pairs), "ratio")

    def time(self, what: str, action: Action) -> Row:
        """Wall time in ms."""
        action()
        return Row(what, tuple(1e3 * seconds(action) for _ in range(self.runs)), "ms")


def rs(bench: Bench) -> Iterator[Row]:
    """Replica-symmetric solver, both closures."""
    from replicadnn.theory.closures.averaged import twin as averaged
    from replicadnn.theory.closures.exact import twin as exact

    for scenario in ("teacher-student", "random"):
        yield from symmetric(bench, scenario, "averaged", averaged, 50)
        yield from symmetric(bench, scenario, "exact", exact, 20)
        yield from both_closures(bench, scenario)
    program = [sys.executable, "-m", "replicadnn.cli.main"]
    yield bench.time(
        "replicadnn --help",
        lambda: subprocess.run([*program, "--help"], capture_output=True, check=True),
    )
    yield bench.time(
        "replicadnn solve --alpha 25 --L 20",
        lambda: subprocess.run(
            [*program, "solve", "--alpha", "25", "--L", "20"], capture_output=True, check=True
        ),
    )


def symmetric(
    bench: Bench, scenario: str, closure: str, twin: ModuleType, maps: int
) -> Iterator[Row]:
    """One closure in one scenario: the map, a solution, the cost of depth and of a sweep."""
    import replicadnn as rd
    from replicadnn.problem import Problem
    from replicadnn.theory.closures import symmetric_equations
    from replicadnn.theory.closures.common import iterate
    from replicadnn.theory.symmetric.state import State

    def solve(alpha: object, L: int, branch: str = "auto") -> object:
        return rd.solve(alpha, L, scenario=scenario, ansatz="rs", closure=closure, branch=branch)

    def plain() -> object:
        """The map of the twin; equal layers once, as in the kernel, but nothing from before."""
        if closure == "exact":
            twin.averages.cache_clear()
        return twin.saddle_map(problem, q, Q)

    name = f"rs, {closure}, {scenario}"
    problem = Problem(alpha=100.0, L=20, scenario=scenario, closure=closure)
    equations, state = symmetric_equations(problem), State.uniform(20, 0.5)
    q, Q = np.full(21, 0.5), np.full(20, 0.5)
    q[[0, -1]] = 1.0
    yield bench.ratio(
        f"{name}: one map, L = 20, twin / compiled (which adds the Jacobian)",
        plain,
        lambda: [equations.linearise(state, state.active) for _ in range(maps)],
        float(maps),
    )
    yield bench.time(
        f"{name}: one point, all branches, L = 20", lambda: solve(100.0, 20, branch="all")
    )
    yield bench.time(f"{name}: 200 alphas, L = 20", lambda: solve(np.linspace(1.0, 400.0, 200), 20))
    yield bench.ratio(
        f"{name}: L = 1000 / L = 100", lambda: solve(100.0, 1000), lambda: solve(100.0, 100)
    )
    if closure == "averaged":
        yield bench.ratio(
            f"{name}: one solution to 1e-10, L = 20, plain iteration of the twin / solve",
            lambda: iterate(twin.saddle_map, problem, q, Q, tol=1e-10),
            lambda: solve(100.0, 20),
        )


def both_closures(bench: Bench, scenario: str) -> Iterator[Row]:
    """What keeping the neuron costs: the exact closure over the averaged one."""
    import replicadnn as rd

    def solve(closure: str, alpha: object, L: int) -> Action:
        return lambda: rd.solve(alpha, L, scenario=scenario, ansatz="rs", closure=closure)

    many = np.linspace(1.0, 400.0, 200)
    for what, alpha, L in (
        ("one point, L = 20", 100.0, 20), ("one point, L = 1000", 100.0, 1000),
        ("200 alphas, L = 20", many, 20),
    ):  # fmt: skip
        yield bench.ratio(
            f"rs, {scenario}: {what}, exact / averaged",
            solve("exact", alpha, L),
            solve("averaged", alpha, L),
        )


def rsb(bench: Bench) -> Iterator[Row]:
    """Broken replica symmetry."""
    from bench_rsb import equations, solid_state, solve, twin_map

    from replicadnn.theory.broken.state import Mapper
    from replicadnn.theory.threads import Threads

    def one_map(L: int, K: int) -> Action:
        model, state = equations(60.0, L), solid_state(L, K)
        return lambda: model.evaluate(state)

    def with_blocks(L: int, K: int, mapper: Mapper) -> Action:
        model, state = equations(60.0, L), solid_state(L, K)
        return lambda: [model.evaluate(state, True, mapper) for _ in range(5)]

    base, state = one_map(20, 16), solid_state(20, 16)
    yield bench.ratio(
        "rsb: one map, every layer solid, L = 20, K = 16, twin / compiled",
        lambda: twin_map(equations(60.0, 20), state),
        lambda: [base() for _ in range(20)],
        20.0,
    )
    yield bench.ratio("rsb: one map, L = 80 / L = 20, K = 16", one_map(80, 16), base)
    yield bench.ratio("rsb: one map, K = 64 / K = 16, L = 20", one_map(20, 64), base)
    for alpha, L, K in ((4.0, 2, 16), (8.0, 3, 16), (60.0, 20, 16)):
        yield bench.time(
            f"rsb: certified solution, L = {L}, alpha = {alpha:g}, K = {K}",
            lambda a=alpha, n=L, k=K: solve(a, n, k),
        )
    with Threads(2) as two:
        yield bench.ratio(
            "rsb: one map with the Hessian, every layer solid, L = 100, K = 16, one thread / two",
            with_blocks(100, 16, map),
            with_blocks(100, 16, two),
        )
    for L, K in ((20, 16), (100, 16), (20, 32), (20, 64)):
        yield bench.ratio(
            f"rsb: L = {L}, alpha = 60, K = {K}, one thread / two",
            lambda n=L, k=K: solve(60.0, n, k, 1),
            lambda n=L, k=K: solve(60.0, n, k, 2),
        )


def sampler(bench: Bench) -> Iterator[Row]:
    """Monte Carlo."""
    import bench_mc

    from replicadnn.montecarlo.network import propagate

    limit = bench_mc.limits()
    chains = {}
    for N, M in ((10, 384), (20, 384), (40, 384)):
        chain = chains[N] = bench_mc.planted_chain(N, M)
        plain, advance = bench_mc.numpy_sweep(chain), chain.advance
        yield bench.ratio(
            f"gap sampler: sweep at L = 8, N = {N}, M = {M}, twin / compiled",
            plain,
            lambda a=advance: a(20),
            20.0,
        )
        row = bench.time(f"gap sampler: 100 sweeps at N = {N}, M = {M}", lambda a=advance: a(100))
        yield row
        work = 100 * bench_mc.multiply_adds_per_sweep(chain)
        yield Row(
            f"gap sampler: share of the multiply-add limit of a core, N = {N}",
            tuple(work / (1e-3 * t) / limit["fma_per_s"] for t in row.values),
        )
    yield bench.ratio(
        "gap sampler: N = 40 / N = 20 (N^2 M moves of M fields: 4)",
        lambda: chains[40].advance(50),
        lambda: chains[20].advance(50),
    )
    diluted = bench_mc.diluted_chain()
    for N, sweeps in ((256, 1), (32, 50)):
        dense = bench_mc.planted_chain(N, 256, L=3)
        counts = [bench_mc.attempted_per_sweep(chain) for chain in (diluted, dense)]
        yield bench.ratio(
            f"gap sampler: multiply-adds a second, c = 32 of N = 256 / all of N = {N}",
            lambda d=dense, n=sweeps: d.advance(n),
            lambda: diluted.advance(10),
            10 * counts[0] / (sweeps * counts[1]),
        )
    pairs = {
        "": ([bench_mc.planted_chain(20, 384, seed) for seed in (1, 2)], 200),
        ", c = 32": ([bench_mc.diluted_chain(seed) for seed in (1, 2)], 20),
    }
    with ThreadPoolExecutor(2) as pool:
        for name, (two, n) in pairs.items():
            yield bench.ratio(
                f"gap sampler: two chains one after the other / on two threads{name}",
                lambda two=two, n=n: [chain.advance(n) for chain in two],
                lambda two=two, n=n: list(pool.map(lambda chain: chain.advance(n), two)),
            )
    chain = bench_mc.weights_chain()
    move, net, moves = chain.advance, chain.network(), chain.J.size
    row = bench.time("weights sampler: 20 sweeps at L = 4, N = 20, alpha = 4", lambda: move(20))
    yield row
    yield Row(
        "weights sampler: million moves a second",
        tuple(20 * moves / (1e3 * t) for t in row.values),
    )
    yield bench.ratio(
        "weights sampler: full forward pass (numpy) / one move",
        lambda: [propagate(net.J, net.S[0]) for _ in range(20)],
        lambda: move(20),
        moves,
    )


def sweep(bench: Bench) -> Iterator[Row]:
    """Many points on several processes, on a Dask cluster, and the growth of a store."""
    import replicadnn as rd

    plan = {
        "task": "solve",
        "grid": {
            "alpha": list(np.linspace(3.0, 12.0, 200)),
            "L": 3,
            "scenario": "random",
            "levels": 8,
        },
    }
    with tempfile.TemporaryDirectory() as folder:

        def run(**where: object) -> Action:
            return lambda: rd.sweep(plan, Path(folder) / "s.h5", overwrite=True, **where)

        yield bench.ratio("sweep of 200 points, one worker / two", run(workers=1), run(workers=2))
        if importlib.util.find_spec("distributed"):
            from distributed import Client, LocalCluster

            options = {"threads_per_worker": 1, "dashboard_address": ":0"}
            with (
                LocalCluster(n_workers=1, **options) as one,
                LocalCluster(n_workers=2, **options) as two,
                Client(one) as first,
                Client(two) as second,
            ):
                yield bench.ratio(
                    "sweep of 200 points, Dask: one worker / two",
                    run(executor=first.get_executor()),
                    run(executor=second.get_executor()),
                )


GROUPS = {"rs": rs, "rsb": rsb, "sampler": sampler, "sweep": sweep}


def machine() -> str:
    """Processor, cores, versions."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    versions = ", ".join(f"{p} {metadata.version(p)}" for p in ("numpy", "numba", "scipy"))
    return f"{name}, {os.cpu_count()} cores; Python {platform.python_version()}, {versions}"


def main() -> int:
    """Run the groups and print (or write) the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--runs", type=int, default=5, help="pairs a ratio [default: 5]")
    parser.add_argument("--quick", action="store_true", help="two pairs: a check that it runs")
    parser.add_argument("--write", action="store_true", help="put the table into the documentation")
    options = parser.parse_args()
    for name in options.groups:
        if name not in GROUPS:
            parser.error(f"no group {name!r}; there are {', '.join(GROUPS)}")
    if options.runs < 5:
        parser.error(f"--runs {options.runs}: at least 5")
    runs = 2 if options.quick else options.runs
    head = f"{machine()}; {runs} pairs"
    lines = [head, "", "| | min | median | max |", "|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    for name in options.groups or GROUPS:
        for row in GROUPS[name](Bench(runs)):
            unit = f" [{row.unit}]" if row.unit else ""
            lines.append(f"| {row.what}{unit} | " + " | ".join(row.cells()) + " |")
            print(lines[-1], flush=True)
    if options.write:
        text = PAGE.read_text(encoding="utf-8")
        before, _, rest = text.partition(MARKERS[0])
        _, _, after = rest.partition(MARKERS[1])
        table = "\n".join([MARKERS[0], "", *lines, "", MARKERS[1]])
        PAGE.write_text(before + table + after, encoding="utf-8")
        print(f"written into {PAGE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
