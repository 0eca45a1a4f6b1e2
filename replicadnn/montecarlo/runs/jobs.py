"""The runs of a study: one a width N and connectivity c, or two for ``start="both"``."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from replicadnn.errors import InputError
from replicadnn.montecarlo.runs.simulation import Simulation
from replicadnn.montecarlo.runs.tempering import Tempering
from replicadnn.montecarlo.spec import Exchange, Spec, Start, check_ladder, make_spec
from replicadnn.types import Number
from replicadnn.validate import whole

MAX_RUNS = 1000


@dataclass(frozen=True, slots=True)
class Job:
    """One run: its Spec and, for replica exchange, the ladder and when rungs swap."""

    spec: Spec
    exchange: Exchange | None = None

    def begin(self, arrays: dict[str, NDArray[Any]] | None) -> Simulation | Tempering:
        """Start, or continue from ``arrays``."""
        if self.exchange is None:
            return Simulation(self.spec, arrays)
        return Tempering(self.spec, self.exchange, arrays)


def make_jobs(
    alpha: Number,
    L: int,
    *,
    N: Sequence[float],
    connectivity: Sequence[float] | None = None,
    graph: str | None = None,
    tempering: Sequence[float] | None = None,
    every: int | None = None,
    start: str | None = None,
    **arguments: Any,
) -> list[Job]:
    """Jobs of a study, N outer, connectivity inner; raises InputError for a value out of range.

    connectivity : fan-ins, each with every N, or None: c = N.
    graph : as in `simulate`; where only some c are below N, the graph of those.
    start : as in `simulate`, or "both": a planted and a random start on the same data.
    tempering : ladder of beta (its largest is the beta of the data), or None; ``replicas`` is then
        the number of ladders on each data set.
    every : sweeps between two swaps, 10 by default; only with tempering.
    """
    networks = _networks(N, connectivity, graph)
    if start not in (None, "both", *Start):
        raise InputError("start", start, "one of both, " + ", ".join(sorted(Start)))
    starts = [*Start] if start == "both" else [start]
    if every is not None and tempering is None:
        raise InputError("every", every, "only with tempering")
    ladder: tuple[float, ...] = ()
    if tempering is not None:
        ladder = check_ladder(tempering)
        if arguments.get("beta") not in (None, ladder[-1]):
            raise InputError("beta", arguments["beta"], f"absent, or {ladder[-1]:g} as the ladder")
        arguments["beta"] = ladder[-1]
        every = whole("every", 10 if every is None else every, 1, 10**9)
        if arguments.get("burn_in", 0) != 0:
            raise InputError("burn_in", arguments["burn_in"], "0 with tempering")
    jobs = []
    for network, begin in itertools.product(networks, starts):
        spec = make_spec(alpha, L, start=begin, **network, **arguments)
        if every is not None and spec.sweeps < every:
            raise InputError("sweeps", spec.sweeps, f"at least the {every} between two swaps")
        swaps = Exchange(ladder, spec.sweeps // every, every) if every is not None else None
        jobs.append(Job(spec, swaps))
    return jobs


def _networks(
    N: Sequence[float], connectivity: Sequence[float] | None, graph: str | None
) -> list[dict[str, Any]]:
    """N, connectivity and graph of every network; a fully connected one has no graph."""
    for name, values in (("N", N), ("connectivity", connectivity)):
        if values is not None and not 1 <= len(values) <= MAX_RUNS:
            raise InputError(name, f"{len(values)} values", f"1 to {MAX_RUNS} values")
    pairs = [(n, c) for n in N for c in ([n] if connectivity is None else connectivity)]
    if len(pairs) > MAX_RUNS:
        raise InputError("connectivity", f"{len(pairs)} runs", f"1 to {MAX_RUNS} with those of N")
    some = any(c != n for n, c in pairs)
    return [
        {"N": _whole(n), "connectivity": _whole(c), "graph": None if some and c == n else graph}
        for n, c in pairs
    ]


def _whole(value: float) -> float:
    """As an int where it is a whole number; what is not is refused where it is used."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
