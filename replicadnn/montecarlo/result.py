"""What comes back from a run: averages over samples with errors, and what they mean."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from replicadnn import registry
from replicadnn.errors import FileError
from replicadnn.montecarlo import relaxation
from replicadnn.montecarlo.spec import Sampler, Spec, Start

if TYPE_CHECKING:
    from replicadnn.montecarlo.simulation import Simulation

Array = NDArray[np.float64]

#: Correlation within a layer above which it counts as copies of one neuron; with few patterns
#: (independent neurons have 1/sqrt(M)) it says nothing.
COLLAPSE = 0.9
COLLAPSE_PATTERNS = 16
#: Recorded along a run, by layer of perceptrons l = 1..L and by hidden layer l = 1..L-1.
SERIES = ("energy", "rms_h", "R", "R_matched", "Q", "test_error")
HIDDEN_SERIES = ("spin_correlation", "r", "r_matched", "q")


class RunStatus(enum.StrEnum):
    """``complete``; ``stopped``: by time limit or request, continue from the saved state."""

    COMPLETE = "complete"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class MonteCarloResult:
    """Averages over samples; every ``_err`` is a standard error over samples (nan for one).

    times (T,) in sweeps; C_J (L, T), C_S (L-1, T) averaged over origins; tau_* where the curve is
    1/e, nan with the lower bound tau_*_bound if it did not get there; integral_* the area under
    the curve (down to 0.05), nan likewise.  energy (L,): fraction of violated gaps (weights
    sampler: of wrong outputs, in the last place).  R, r: overlap with the teacher, raw, over the
    second half of the run; *_matched after matching the neurons.  Q, q: overlap of two replicas
    from one starting state, likewise.  test_error (L,): fraction of the neurons of layer l = 1..L
    that differ between teacher and student in noiseless forward passes of fresh random inputs,
    likewise (random start: neurons matched); test_error[-1] is the generalisation error eps_g, and
    1 - 2 test_error the overlap of the representations.
    samples_C_* (samples, L or L-1, T): curves of every sample; origins_C_* (A, L or L-1, T): of
    every origin, for a test of stationarity.
    series: name -> (K, L or L-1), averages over samples at the times ``series_times``.
    samples: name -> (samples, L or L-1), averages over the second half of every sample.
    """

    status: RunStatus
    message: str
    equilibrium: str
    params: dict[str, Any]
    times: NDArray[np.int64]
    C_J: Array
    C_J_err: Array
    C_S: Array
    C_S_err: Array
    tau_J: Array
    tau_J_err: Array
    tau_J_bound: Array
    tau_S: Array
    tau_S_err: Array
    tau_S_bound: Array
    integral_J: Array
    integral_J_err: Array
    integral_S: Array
    integral_S_err: Array
    energy: Array
    energy_err: Array
    acceptance: dict[str, Array]
    R: Array
    R_err: Array
    r: Array
    r_err: Array
    R_matched: Array
    R_matched_err: Array
    r_matched: Array
    r_matched_err: Array
    Q: Array
    Q_err: Array
    q: Array
    q_err: Array
    test_error: Array
    test_error_err: Array
    rms_h: Array
    spin_correlation: Array
    collapsed: bool
    samples_C_J: Array
    samples_C_S: Array
    origins_C_J: Array
    origins_C_S: Array
    series_times: NDArray[np.int64]
    series: dict[str, Array]
    samples: dict[str, Array]
    timings: dict[str, float] = field(default_factory=dict)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the result to an HDF5 file of kind "mc"; FileError if it exists already."""
        return registry.save(self, path, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> MonteCarloResult:
        """Read a file that holds one run; for several use `replicadnn.load`."""
        runs = registry.load(path)
        only = runs[0] if len(runs) == 1 else None
        if not isinstance(only, MonteCarloResult):
            raise FileError(path, "does not hold exactly one relaxation run (use replicadnn.load)")
        return only

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers; what is not known is None, never a made-up number."""
        keys = (
            "params", "times", "C_J", "C_J_err", "C_S", "C_S_err", "tau_J", "tau_J_err", "tau_S",
            "tau_S_err", "energy", "acceptance", "R", "status", "message", "equilibrium",
            "tau_J_bound", "tau_S_bound", "integral_J", "integral_J_err", "integral_S",
            "integral_S_err", "energy_err", "R_err", "r", "r_err", "R_matched", "R_matched_err",
            "r_matched", "r_matched_err", "Q", "Q_err", "q", "q_err", "test_error",
            "test_error_err", "rms_h", "spin_correlation", "collapsed", "timings",
        )  # fmt: skip
        return {key: plain(getattr(self, key)) for key in keys}


def plain(value: Any) -> Any:
    """Arrays to lists, nan and inf to None, enums to strings."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, enum.Enum):
        return str(value)
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _second_half(values: Array) -> Array:
    """Mean over the second half of the records made so far; values (samples, K, layers)."""
    made = np.nonzero(~np.isnan(values).any(axis=(0, 2)))[0]
    if values.shape[2] == 0 or len(made) == 0:
        return np.full((values.shape[0], values.shape[2]), np.nan)
    mean: Array = values[:, made[len(made) // 2 :]].mean(axis=1)
    return mean


def _bounds(times: NDArray[np.int64], curves: Array, tau: Array) -> Array:
    """Longest time that all samples reached, where tau is unknown; nan elsewhere."""
    whole = ~np.isnan(curves).any(axis=(0, 1)) if curves.shape[1] else np.zeros(len(times), bool)
    longest = float(times[whole][-1]) if whole.any() else math.nan
    return np.where(np.isnan(tau), longest, np.nan)


def make_result(sim: Simulation, seconds: float) -> MonteCarloResult:
    """Assemble the result of a simulation, complete or not."""
    spec, schedule = sim.spec, sim.schedule
    times = schedule.lags
    all_J = np.stack([s.curves_J for s in sim.samples])  # (samples, replicas, A, L, T)
    all_S = np.stack([s.curves_S for s in sim.samples])
    n, c, a, L, T = all_J.shape
    C_J = relaxation.average_origins(all_J.reshape(n, c * a, L, T))
    C_S = relaxation.average_origins(all_S.reshape(n, c * a, L - 1, T))
    tau_J, tau_J_err = relaxation.layer_times(times, C_J)
    tau_S, tau_S_err = relaxation.layer_times(times, C_S)
    integral_J, integral_J_err = relaxation.layer_times(times, C_J, relaxation.integral_time)
    integral_S, integral_S_err = relaxation.layer_times(times, C_S, relaxation.integral_time)
    series = {k: np.stack([s.series[k] for s in sim.samples]) for k in SERIES + HIDDEN_SERIES}
    late = {name: _second_half(values) for name, values in series.items()}
    mean = {name: values.mean(axis=0) for name, values in late.items()}
    err = {name: relaxation.mean_error(values) for name, values in late.items()}
    rates = [chain.acceptance() for s in sim.samples for chain in s.chains]
    acceptance = {
        "J": np.mean([r[0] for r in rates], axis=0),
        "S": np.mean([r[1] for r in rates], axis=0),
    }
    if len(acceptance["S"]) != spec.L - 1:  # weights sampler: the neurons do not move by themselves
        acceptance["S"] = np.full(spec.L - 1, np.nan)
    collapsed = has_collapsed(spec, late["spin_correlation"])
    complete = sim.finished
    status = RunStatus.COMPLETE if complete else RunStatus.STOPPED
    chain_sweeps = sim.done * len(rates)
    return MonteCarloResult(
        status=status,
        message=_message(sim, tau_J, tau_S, collapsed),
        equilibrium=_equilibrium(spec, late["energy"]),
        params=spec.parameters() | {"step": sim.step, "sweeps_done": sim.done},
        times=times,
        C_J=C_J.mean(axis=0),
        C_J_err=relaxation.mean_error(C_J),
        C_S=C_S.mean(axis=0),
        C_S_err=relaxation.mean_error(C_S),
        tau_J=tau_J,
        tau_J_err=tau_J_err,
        tau_J_bound=_bounds(times, C_J, tau_J),
        tau_S=tau_S,
        tau_S_err=tau_S_err,
        tau_S_bound=_bounds(times, C_S, tau_S),
        integral_J=integral_J,
        integral_J_err=integral_J_err,
        integral_S=integral_S,
        integral_S_err=integral_S_err,
        energy=mean["energy"],
        energy_err=err["energy"],
        acceptance=acceptance,
        R=mean["R"],
        R_err=err["R"],
        r=mean["r"],
        r_err=err["r"],
        R_matched=mean["R_matched"],
        R_matched_err=err["R_matched"],
        r_matched=mean["r_matched"],
        r_matched_err=err["r_matched"],
        Q=mean["Q"],
        Q_err=err["Q"],
        q=mean["q"],
        q_err=err["q"],
        test_error=mean["test_error"],
        test_error_err=err["test_error"],
        rms_h=mean["rms_h"],
        spin_correlation=mean["spin_correlation"],
        collapsed=collapsed,
        samples_C_J=C_J,
        samples_C_S=C_S,
        origins_C_J=all_J.mean(axis=(0, 1)),
        origins_C_S=all_S.mean(axis=(0, 1)),
        series_times=schedule.records,
        series={name: values.mean(axis=0) for name, values in series.items()},
        samples=late,
        timings={
            "seconds": seconds,
            "sweeps_per_second": chain_sweeps / seconds if seconds > 0 else math.nan,
        },
    )


def has_collapsed(spec: Spec, spin_correlation: Array) -> bool:
    """Is some layer of some sample made of copies of one neuron?  (samples, L-1)."""
    return spec.M >= COLLAPSE_PATTERNS and bool(np.any(spin_correlation > COLLAPSE))


def _message(sim: Simulation, tau_J: Array, tau_S: Array, collapsed: bool) -> str:
    parts = [f"{sim.done} of {sim.total} sweeps of {sim.spec.samples} samples"]
    missing = int(np.isnan(tau_J).sum() + np.isnan(tau_S).sum())
    if missing:
        parts.append(f"{missing} relaxation times beyond the run: only lower bounds")
    if collapsed:
        parts.append(f"a layer has collapsed (within-layer spin correlation above {COLLAPSE})")
    return "; ".join(parts)


def _equilibrium(spec: Spec, energy: Array) -> str:
    stuck = int(np.count_nonzero(energy.sum(axis=1) > 0))
    if math.isinf(spec.beta) and stuck:
        remedy = ""
        if spec.sampler is Sampler.GAP and spec.start is Start.RANDOM:
            remedy = "; use replica exchange with inf as the last beta (--tempering 1:8:12:log,inf)"
        return (
            f"refuted: {stuck} of {spec.samples} samples still violate the hard constraint" + remedy
        )
    if spec.start is Start.PLANTED:
        return "shown: the planted start is an exact equilibrium sample"
    return "not shown: random start; compare with a planted start or use replica exchange"
