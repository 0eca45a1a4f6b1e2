"""Front end of the sampler: `simulate` runs independent samples and returns one result."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Unpack

from numpy.typing import NDArray

from replicadnn import interrupt
from replicadnn.calls import by_name
from replicadnn.montecarlo.measure.equilibrium import TwoSided
from replicadnn.montecarlo.runs import statement
from replicadnn.montecarlo.runs.drive import drive
from replicadnn.montecarlo.runs.result import MonteCarloResult
from replicadnn.montecarlo.runs.simulation import Simulation
from replicadnn.montecarlo.spec import Parameters, make_spec
from replicadnn.validate import real, whole


@by_name(options=make_spec)
@interrupt.safely()
def simulate(
    alpha: float,
    L: int,
    *,
    N: int,
    threads: int = 1,
    state: Mapping[str, NDArray[Any]] | None = None,
    checkpoint: Callable[[Simulation], None] | None = None,
    stop: Callable[[], bool] | None = None,
    time_limit: float | None = None,
    **parameters: Unpack[Parameters],
) -> MonteCarloResult:
    """Sample networks of width N and connectivity c and measure how every layer relaxes.

    Parameters
    ----------
    alpha, L, N : patterns per coupling of a perceptron, depth, width; M = alpha c is rounded.
    connectivity : neurons c that a perceptron reads, 2 to N; None: all N.
    graph : where c < N, "random" (default: each perceptron draws its c neurons, the fan-out
        fluctuates) or "regular" (fan-out c too); a new one in every sample.
    scenario : "teacher-student" (default) or "random".
    sampler : "gap" (default; count potential at beta) or "weights" (beta = inf: greedy).
    beta : inverse temperature; inf (hard constraint) in the gap sampler only for L = 1.  None: inf
        for L = 1, else 3.
    kappa : margin (default 0); a gap is violated below it.
    sweeps, samples : length of a run (10000) and number of independent data sets (8).
    start : "planted" (default with a teacher) or "random".
    seed, threads : the result depends on the seed (default 0) alone.
    burn_in : sweeps before ``sweeps``, not measured (0).  Random starts get a burn-in by default:
        their curves begin after an eighth of the run, and averages are over its last half.
    origins, replicas, per_decade : most origins of a curve (4), chains from one start (1), points
        a decade (10).
    potential : "count" (default) or, from a random start, "soft" (see `Potential`).
    step : half width of t in rotations by 2 atan(t); None: pilot run, acceptance about 0.15.
    test_patterns : fresh inputs a record, for `MonteCarloResult.test_error` (1000); 0: none.
    state : arrays of a run of the same parameters, from `Simulation.arrays`, interrupted or
        finished; with more ``sweeps`` it goes on, to the bits of one run.
    checkpoint : called with the Simulation after every block (about half a second).
    stop : polled after every block; True ends the run cleanly.
    time_limit : seconds after which the run ends cleanly.

    Raises
    ------
    InputError : argument outside its range, named with value and range.
    CallError : the call itself is wrong; the message shows the right one.
    """
    spec = make_spec(alpha, L, N=N, **parameters)
    threads = whole("threads", threads, 1, 4096)
    if time_limit is not None:
        time_limit = real("time_limit", time_limit, 0.0, math.inf, "seconds, 0 or more")
    begin = time.perf_counter()
    sim = Simulation(spec, state)
    drive(sim, threads, checkpoint=checkpoint, stop=stop, time_limit=time_limit)
    return sim.result(time.perf_counter() - begin)


def two_sided(
    alpha: float, L: int, *, N: int, **arguments: Any
) -> tuple[TwoSided, MonteCarloResult, MonteCarloResult]:
    """Was equilibrium reached within ``sweeps``?  Planted and random starts on the same data.

    Returns the statement (`statement.of_two_starts`) and both results.
    Arguments as in `simulate`, without start.
    """
    planted = simulate(alpha, L, N=N, **arguments, start="planted")
    random = simulate(alpha, L, N=N, **arguments, start="random")
    return statement.of_two_starts(planted, random), planted, random
