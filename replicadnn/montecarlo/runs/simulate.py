"""Front end of the sampler: `simulate` runs independent samples, one network or several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, Unpack, overload

from replicadnn import interrupt
from replicadnn.calls import by_name
from replicadnn.montecarlo.measure.equilibrium import TwoSided
from replicadnn.montecarlo.runs import statement
from replicadnn.montecarlo.runs.jobs import make_jobs
from replicadnn.montecarlo.runs.result import MonteCarloResult, TemperingResult
from replicadnn.montecarlo.runs.study import run_study
from replicadnn.montecarlo.spec import Parameters, make_spec
from replicadnn.progress import Progress, reporting
from replicadnn.storage.runs import Runs
from replicadnn.types import Number
from replicadnn.validate import numbers, single

_OneStart: TypeAlias = Literal["planted", "random"] | None


class Options(Parameters, total=False):
    """Keywords of `simulate` for the type checker, beside those that say what comes back."""

    every: int | None
    output: str | Path | None
    resume: bool
    overwrite: bool
    threads: int
    time_limit: float | None
    stop: Callable[[], bool] | None
    progress: Progress


@overload
def simulate(
    alpha: Number, L: int, *, N: int, connectivity: int | None = ..., start: _OneStart = ...,
    tempering: None = ..., **options: Unpack[Options],
) -> MonteCarloResult: ...  # fmt: skip
@overload
def simulate(
    alpha: Number, L: int, *, N: int, connectivity: int | None = ..., start: _OneStart = ...,
    tempering: Sequence[float], **options: Unpack[Options],
) -> TemperingResult: ...  # fmt: skip
@overload
def simulate(
    alpha: Number, L: int, *, N: Iterable[int], connectivity: int | Iterable[int] | None = ...,
    start: str | None = ..., tempering: Sequence[float] | None = ..., **options: Unpack[Options],
) -> Runs: ...  # fmt: skip
@overload
def simulate(
    alpha: Number, L: int, *, N: int, connectivity: Iterable[int], start: str | None = ...,
    tempering: Sequence[float] | None = ..., **options: Unpack[Options],
) -> Runs: ...  # fmt: skip
@overload
def simulate(
    alpha: Number, L: int, *, N: int, connectivity: int | None = ..., start: Literal["both"],
    tempering: Sequence[float] | None = ..., **options: Unpack[Options],
) -> Runs: ...  # fmt: skip
@overload
def simulate(
    alpha: Number, L: int, *, N: int, connectivity: int | None = ..., start: str | None,
    tempering: Sequence[float] | None = ..., **options: Unpack[Options],
) -> MonteCarloResult | TemperingResult | Runs: ...  # fmt: skip
@by_name(options=make_spec)
@interrupt.safely()
def simulate(
    alpha: Number,
    L: int,
    *,
    N: int | Iterable[int],
    connectivity: int | Iterable[int] | None = None,
    start: str | None = None,
    tempering: Sequence[float] | None = None,
    every: int | None = None,
    output: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    threads: int = 1,
    time_limit: float | None = None,
    stop: Callable[[], bool] | None = None,
    progress: Progress = None,
    **parameters: Unpack[Parameters],
) -> MonteCarloResult | TemperingResult | Runs:
    """Sample networks of width N and connectivity c and measure how every layer relaxes.

    Parameters
    ----------
    alpha : patterns per coupling of a perceptron, alpha = M/c (c = N where fully connected); M is
        rounded.
    L : depth.
    N : width, or several: one run each.
    connectivity : neurons c that a perceptron reads, 2 to N, or several: each with every N; None:
        all N.
    graph : where c < N, "random" (default: each perceptron draws its c neurons, the fan-out
        fluctuates) or "regular" (fan-out c too); a new one in every sample.
    scenario : "teacher-student" (default) or "random".
    sampler : "gap" (default; count potential at beta) or "weights" (beta = inf: greedy).
    beta : inverse temperature; inf (hard constraint) in the gap sampler only for L = 1.  None: inf
        for L = 1, else 3; with ``tempering`` its largest.
    kappa : margin (default 0); a gap is violated below it.
    sweeps, samples : length of a run (10000) and number of independent data sets (8).
    start : "planted" (default with a teacher), "random", or "both": one run each on the same data,
        the second of which says whether they have met.
    tempering : ladder of two or more ascending inverse temperatures: replica exchange.
    every : sweeps between two swaps (10), with ``tempering`` only.
    seed, threads : the result depends on the seed (default 0) alone.
    burn_in : sweeps before ``sweeps``, not measured (0).  Random starts get a burn-in by default:
        their curves begin after an eighth of the run, and averages are over its last half.
    origins, replicas, per_decade : most origins of a curve (4), chains (ladders) from one start
        (1), points a decade (10).
    potential : "count" (default) or, from a random start, "soft" (see `Potential`).
    step : half width of t in rotations by 2 atan(t); None: pilot run, acceptance about 0.15.
    test_patterns : fresh inputs a record, for `MonteCarloResult.test_error` (1000); 0: none.
    latent : dimension D of the variables c ~ N(0, I) that inputs sgn(F c/sqrt D) are made of; F
        (N, D) is random, the same for a data set and its fresh inputs.  None: independent +-1.
    output : HDF5 file of the results and the state to continue from, written on the way.
    resume : continue ``output``, made with the same parameters; with more ``sweeps`` a finished
        run at one temperature goes on too, to the bits of one run.  No such file: begin.
    overwrite : replace ``output``.
    time_limit : seconds after which the runs end cleanly.
    stop : polled about twice a second; True ends the runs cleanly.
    progress : True for a bar, or a function called with (sweeps done, in all), of all runs.

    Returns
    -------
    MonteCarloResult, TemperingResult or Runs
        One result for a single ``N`` and ``connectivity``, `TemperingResult` with ``tempering``;
        `Runs`, a sequence of results, for several of them or ``start="both"``.

    Raises
    ------
    InputError : argument outside its range, named with value and range.
    CallError : the call itself is wrong; the message shows the right one.
    FileError : ``output`` exists (without resume or overwrite), is in use or damaged.
    KeyboardInterrupt : Ctrl-C; its ``partial`` is what is done, and ``output`` holds it (empty
        `Runs`, and no file, before the first sweep).
    """
    jobs = make_jobs(
        alpha, L, N=numbers("N", N), start=start, tempering=tempering, every=every,
        connectivity=None if connectivity is None else numbers("connectivity", connectivity),
        **parameters,
    )  # fmt: skip
    with reporting(progress, "sweep") as report:
        runs = run_study(
            jobs, threads=threads, output=output, resume=resume, overwrite=overwrite,
            stop=lambda: interrupt.requested() or (stop is not None and stop()),
            time_limit=time_limit,
            progress=lambda k, done, total: report(k * total + done, len(jobs) * total),
        )  # fmt: skip
    alone = single(N) and (connectivity is None or single(connectivity)) and start != "both"
    found = runs[0] if alone and len(runs) else runs
    if interrupt.requested():
        raise interrupt.Interrupted(found, len(runs))
    return found


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
