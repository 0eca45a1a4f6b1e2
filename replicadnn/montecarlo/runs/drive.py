"""Run something resumable to its end, block by block."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from replicadnn import interrupt

BLOCK_SECONDS = 0.5


class Resumable(Protocol):
    """What `drive` asks of a `Simulation` or a `Tempering`."""

    @property
    def total(self) -> int: ...
    @property
    def done(self) -> int: ...
    @property
    def finished(self) -> bool: ...
    def run(self, until: int, pool: ThreadPoolExecutor | None = None) -> None: ...


Sim = TypeVar("Sim", bound=Resumable)


def drive(
    sim: Sim,
    threads: int,
    *,
    checkpoint: Callable[[Sim], None] | None = None,
    stop: Callable[[], bool] | None = None,
    time_limit: float | None = None,
) -> None:
    """Run to the end, block by block; blocks are sized by time and leave no trace in the result."""
    begin = time.perf_counter()
    block = 1
    with ThreadPoolExecutor(threads) as pool:
        while not sim.finished:
            tick = time.perf_counter()
            sim.run(min(sim.total, sim.done + block), pool)
            now = time.perf_counter()
            if checkpoint is not None:
                checkpoint(sim)
            if stop is not None and stop():
                return
            interrupt.check()
            if time_limit is not None and now - begin >= time_limit:
                return
            growth = BLOCK_SECONDS / max(now - tick, 1e-6)
            block = max(1, int(block * min(4.0, max(0.25, growth))))
