"""Speed of the Monte Carlo kernels against the limits of the core and the numpy twins.

    python scripts/bench_mc.py [--json FILE] [--check]

Every number is the best of several short runs, in processor time, so that other work on the machine
does little harm; only the gain from a second thread is in wall time and wants two idle cores.
Limits (fused multiply-adds from registers, bytes
a second from the level-2 cache) and numpy twins are measured in the same run, so that ratios mean
something on a shared machine.  ``--check`` exits with 1 if a floor is missed:

* gap sampler, L = 8: (N, M) = (20, 384) at most 0.55 ms, (40, 384) at most 2.3 ms a sweep, or at
  least 40 % of the multiply-add limit; at least 15 times the vectorised numpy twin;
* the same with c = 32 of N = 256 neurons read, L = 3, M = 256: at least 40 % of the multiply-adds
  a second of the fully connected networks with N = 256 and with N = 32, attempted moves counted;
* two chains on two threads at least 1.8 times one, fully connected and diluted;
* weights sampler at (L, N, alpha) = (4, 20, 4): at least 2 million moves a second.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numba
import numpy as np
from numpy.typing import NDArray

from replicadnn.kernels._simd import fma, splat, vload, vstore
from replicadnn.kernels.sampler import weights as weights_kernel
from replicadnn.montecarlo import network
from replicadnn.montecarlo.chains import gap, weights
from replicadnn.montecarlo.chains.common import aligned_zeros
from replicadnn.montecarlo.chains.start import pilot_step
from replicadnn.montecarlo.spec import make_spec

SHAPES = ((20, 128), (20, 384), (40, 384))
FLOOR_MS = {(20, 384): 0.55, (40, 384): 2.3}


@numba.njit(nogil=True)
def multiply_adds(y, n):  # type: ignore[no-untyped-def]
    """12 n vector multiply-adds of 16 numbers in 12 independent chains."""
    a = splat(np.float32(0.5))
    b = splat(np.float32(0.25))
    v0, v1, v2, v3 = vload(y, 0), vload(y, 16), vload(y, 32), vload(y, 48)
    v4, v5, v6, v7 = vload(y, 64), vload(y, 80), vload(y, 96), vload(y, 112)
    v8, v9, v10, v11 = vload(y, 128), vload(y, 144), vload(y, 160), vload(y, 176)
    for _ in range(n):
        v0, v1, v2, v3 = fma(v0, a, b), fma(v1, a, b), fma(v2, a, b), fma(v3, a, b)
        v4, v5, v6, v7 = fma(v4, a, b), fma(v5, a, b), fma(v6, a, b), fma(v7, a, b)
        v8, v9, v10, v11 = fma(v8, a, b), fma(v9, a, b), fma(v10, a, b), fma(v11, a, b)
    v0, v4, v8 = fma(v0, v1, fma(v2, a, v3)), fma(v4, v5, fma(v6, a, v7)), fma(v8, v9, v10)
    vstore(y, 0, fma(v0, v4, fma(v8, a, v11)))


@numba.njit(nogil=True)
def read(x, repeats):  # type: ignore[no-untyped-def]
    """Read all of x (length a multiple of 64) ``repeats`` times."""
    a = splat(np.float32(1.0))
    s0, s1, s2, s3 = splat(np.float32(0)), splat(np.float32(0)), splat(np.float32(0)), a
    for _ in range(repeats):
        for at in range(0, x.shape[0], 64):
            s0 = fma(vload(x, at), a, s0)
            s1 = fma(vload(x, at + 16), a, s1)
            s2 = fma(vload(x, at + 32), a, s2)
            s3 = fma(vload(x, at + 48), a, s3)
    vstore(x, 0, fma(s0, s1, fma(s2, a, s3)))


def best(
    call: Callable[[], object],
    repeats: int = 15,
    clock: Callable[[], float] = time.thread_time,
) -> float:
    """Shortest time of one call in seconds; processor time of this thread unless told."""
    call()
    times = []
    for _ in range(repeats):
        begin = clock()
        call()
        times.append(clock() - begin)
    return min(times)


def limits() -> dict[str, float]:
    """Multiply-adds a second from registers; bytes a second from 512 KiB and from 16 KiB."""
    y = aligned_zeros((192,))
    big, small = aligned_zeros((131072,)), aligned_zeros((4096,))
    return {
        "fma_per_s": 12 * 16 * 200_000 / best(lambda: multiply_adds(y, 200_000)),
        "l2_bytes_per_s": 10 * big.nbytes / best(lambda: read(big, 10)),
        "l1_bytes_per_s": 200 * small.nbytes / best(lambda: read(small, 200)),
    }


def planted_chain(
    N: int, M: int, seed: int = 0, L: int = 8, beta: float = 3.0, c: int | None = None
) -> gap.GapChain:
    """Gap chain at a planted state with the step that a run would choose."""
    spec = make_spec(M / (c or N), L, N=N, beta=beta, connectivity=c)
    step = pilot_step(spec, np.random.SeedSequence(1))
    inputs = spec.reads.draw(L, np.random.default_rng((seed, 1)))
    net = network.plant(L, N, M, beta, np.random.default_rng(seed), inputs)
    chain = gap.GapChain.start(net, np.random.SeedSequence(seed), beta=beta, step=step)
    chain.advance(20)
    return chain


def multiply_adds_per_sweep(chain: gap.GapChain) -> float:
    """One a trial field of a flip, two of a rotation; the same again for accepted moves."""
    rotations, flips = chain.acceptance()
    cells = chain.J[0].size * chain.M
    return float(cells * (2 * (1 + rotations).sum() + (1 + flips).sum()))


def attempted_per_sweep(chain: gap.GapChain) -> float:
    """Multiply-adds of the moves that a sweep tries: 2 N c M a layer, N c M a hidden layer."""
    L = chain.J.shape[0]
    return float(chain.J[0].size * chain.M * (2 * L + L - 1))


def numpy_sweep(chain: gap.GapChain) -> Callable[[], None]:
    """A sweep of the numpy twin from the same state, float32, numpy's own generator."""
    net = chain.network()
    rng = np.random.default_rng(0)
    S = net.S.astype(np.float32)
    h = network.fields(net.J, net.S, net.inputs).astype(np.float32)

    def draw(n: int) -> NDArray[np.uint32]:
        return rng.integers(0, 2**32, size=n, dtype=np.uint32)

    def sweep() -> None:
        gap.sweep_numpy(
            net.J, S, h, beta=chain.beta, kappa=0.0, step=chain.step, draw=draw, inputs=net.inputs
        )

    return sweep


def gap_rows(limit: dict[str, float]) -> list[dict[str, float]]:
    """One row for every shape."""
    rows = []
    for N, M in SHAPES:
        chain = planted_chain(N, M)
        seconds = best(partial(chain.advance, 5), 60) / 5
        twin = best(numpy_sweep(chain), 5)
        work = multiply_adds_per_sweep(chain)
        rotations, flips = chain.acceptance()
        rows.append(
            {
                "N": N,
                "M": M,
                "step": chain.step,
                "acceptance_J": float(rotations.mean()),
                "acceptance_S": float(flips.mean()),
                "ms_per_sweep": 1e3 * seconds,
                "fma_share": work / seconds / limit["fma_per_s"],
                "numpy_ms": 1e3 * twin,
                "times_numpy": twin / seconds,
            }
        )
    return rows


def diluted_chain(seed: int = 0) -> gap.GapChain:
    """Every perceptron reads 32 of 256 neurons; L = 3, M = 256."""
    return planted_chain(256, 256, seed, L=3, c=32)


def diluted_row() -> dict[str, float]:
    """Attempted multiply-adds a second against fully connected networks of the same N, same c."""
    chains = {"c": diluted_chain(), "N": planted_chain(256, 256, L=3)}
    chains["small"] = planted_chain(32, 256, L=3)
    rate = {}
    for name, sweeps in (("c", 5), ("N", 1), ("small", 40)):
        seconds = best(partial(chains[name].advance, sweeps), 20) / sweeps
        rate[name] = attempted_per_sweep(chains[name]) / seconds
    twin = best(numpy_sweep(chains["c"]), 3)
    return {
        "ms_per_sweep": 1e3 * attempted_per_sweep(chains["c"]) / rate["c"],
        "multiply_adds_per_s": rate["c"],
        "times_dense_same_N": rate["c"] / rate["N"],
        "times_dense_same_c": rate["c"] / rate["small"],
        "times_numpy": twin * rate["c"] / attempted_per_sweep(chains["c"]),
    }


def two_threads(make: Callable[[int], gap.GapChain], sweeps: int = 50) -> float:
    """Throughput of two chains on two threads over that of one chain."""
    chains = [make(seed) for seed in (1, 2)]
    with ThreadPoolExecutor(2) as pool:

        def both() -> None:
            list(pool.map(lambda chain: chain.advance(sweeps), chains))

        one, two = [], []
        for _ in range(12):
            one.append(best(partial(chains[0].advance, sweeps), 3, time.perf_counter))
            two.append(best(both, 3, time.perf_counter))
    return 2 * min(one) / min(two)


def weights_chain(L: int = 4, N: int = 20, alpha: float = 4.0) -> weights.WeightsChain:
    """Weights chain after its first sweeps, with the step that a run would choose."""
    beta = 3.0
    spec = make_spec(alpha, L, N=N, sampler="weights", beta=beta)
    step = pilot_step(spec, np.random.SeedSequence(1))
    net = network.plant_outputs(L, N, spec.M, beta, np.random.default_rng(0))
    chain = weights.WeightsChain.start(net, np.random.SeedSequence(0), beta=beta, step=step)
    chain.advance(20)
    return chain


def weights_row() -> dict[str, float]:
    """Moves a second at (L, N, alpha) = (4, 20, 4), and against a full forward pass a move."""
    chain = weights_chain()
    net = chain.network()
    per_move = best(lambda: chain.advance(5), 60) / (5 * chain.J.size)
    forward = best(lambda: network.propagate(net.J, net.S[0]), 200)
    compiled = best(lambda: weights_kernel.forward(chain.state, chain.wiring), 200)
    return {
        "step": chain.step,
        "acceptance_J": float(chain.acceptance()[0].mean()),
        "moves_per_s": 1.0 / per_move,
        "times_numpy_pass": forward / per_move,
        "times_compiled_pass": compiled / per_move,
    }


def main() -> int:
    """Measure, print, and with --check compare with the floors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    limit = limits()
    print("limits of one core: " + ", ".join(f"{k} {v / 1e9:.1f}e9" for k, v in limit.items()))
    rows = gap_rows(limit)
    missed = []
    for row in rows:
        print("gap L=8 " + ", ".join(f"{k} {v:.4g}" for k, v in row.items()))
        floor = FLOOR_MS.get((int(row["N"]), int(row["M"])))
        if floor and row["ms_per_sweep"] > floor and row["fma_share"] < 0.4:
            missed.append(f"gap {row['N']}, {row['M']}")
        if row["times_numpy"] < 15:
            missed.append(f"numpy ratio {row['N']}, {row['M']}")
    move = weights_row()
    print("weights L=4 N=20 alpha=4 " + ", ".join(f"{k} {v:.4g}" for k, v in move.items()))
    if move["moves_per_s"] < 2e6:
        missed.append("weights")
    diluted = diluted_row()
    print("gap L=3 N=256 M=256 c=32 " + ", ".join(f"{k} {v:.4g}" for k, v in diluted.items()))
    if min(diluted["times_dense_same_N"], diluted["times_dense_same_c"]) < 0.4:
        missed.append("diluted")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = {"dense": float("nan"), "diluted": float("nan")}
    if (cores or 1) > 1:
        threads["dense"] = two_threads(partial(planted_chain, 20, 384))
        threads["diluted"] = two_threads(diluted_chain, 5)
    for name, times in threads.items():
        print(f"two {name} chains on two threads: {times:.2f} times one ({cores} cores)")
        if times < 1.8:
            missed.append(f"two threads, {name}")
    if options.json:
        document = {"limits": limit, "gap": rows, "weights": move, "diluted": diluted}
        document["two_threads"] = threads
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
    print("floors: " + ("missed " + "; ".join(missed) if missed else "all met"))
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
