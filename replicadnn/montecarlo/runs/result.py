"""What comes back from a run: averages over samples with errors, and what they mean.

The arrays of a result are those of its table in `replicadnn.montecarlo.measure.registry`; they are
attributes of the result, with a point in the name read as ``result.series["energy"]``.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from replicadnn.errors import FileError
from replicadnn.montecarlo.measure import registry
from replicadnn.montecarlo.measure.equilibrium import Verdict
from replicadnn.montecarlo.measure.observable import Dataset
from replicadnn.montecarlo.spec import Exchange, Spec
from replicadnn.registry import load, save
from replicadnn.results import Labelled, ResultBase


class RunStatus(enum.StrEnum):
    """``complete``; ``stopped``: by time limit or request, continue from the saved state."""

    COMPLETE = "complete"
    STOPPED = "stopped"


class Mode(enum.StrEnum):
    """Kind of run: ``relaxation`` at one temperature, or ``tempering``, replica exchange."""

    RELAXATION = "relaxation"
    TEMPERING = "tempering"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class RunResult(ResultBase, Labelled):
    """What both kinds of run have.

    message : one line; of replica exchange it is the statement about equilibrium.
    equilibrium : shown, not shown or refuted, and why.
    spec : what was asked.
    values : name -> array, as in `table`; whatever is not known is nan.
    collapsed : is some layer of some sample made of copies of one neuron?
    timings : seconds, and for a run at one temperature sweeps_per_second.
    """

    mode: ClassVar[Mode]
    _COLUMNS: ClassVar[tuple[str, ...]] = (
        "layer", "tau_S", "tau_S_err", "tau_J", "tau_J_err", "energy", "energy_err", "R_matched",
        "R_matched_err", "Q_matched", "Q_matched_err", "test_error", "test_error_err",
    )  # fmt: skip
    status: RunStatus
    message: str
    equilibrium: str
    spec: Spec
    values: dict[str, NDArray[Any]]
    collapsed: bool
    timings: dict[str, float] = field(default_factory=dict, compare=False)

    def _line(self) -> Mapping[str, object]:
        spec = self.spec
        told: dict[str, object] = {"alpha": spec.alpha, "L": spec.L, "N": spec.N}
        if not spec.reads.dense:
            told |= {"connectivity": spec.connectivity, "graph": str(spec.graph)}
        told |= {"scenario": str(spec.scenario), "beta": spec.beta, "start": str(spec.start)}
        return told | {"mode": str(self.mode), "status": str(self.status)}

    def _records(self) -> Sequence[Mapping[str, Any]]:
        """One row a layer: what is one number a layer of couplings or of hidden neurons."""
        columns: dict[str, Any] = {"layer": np.arange(1, self.spec.L + 1)}
        for name, dataset in self.table().items():
            if dataset.dims in (("coupling_layer",), ("hidden_layer",)):
                columns[name] = np.append(self.values[name], math.nan)[: self.spec.L]
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def __getattr__(self, name: str) -> NDArray[Any]:
        """An array by its name (``run.tau_J``)."""
        if not name.startswith("_") and name not in {f.name for f in fields(type(self))}:
            found = self.values.get(name)
            if found is not None:
                return found
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *(name for name in self.values if "." not in name)]

    @classmethod
    def table(cls) -> dict[str, Dataset]:
        """All arrays by name: axes, meaning, unit."""
        raise NotImplementedError

    @property
    def params(self) -> dict[str, Any]:
        """Parameters of the run as plain values, by name."""
        raise NotImplementedError

    @property
    def series(self) -> dict[str, NDArray[np.float64]]:
        """Name -> (K, layers): means over samples at the times ``series_times``."""
        return self._group("series.")

    @property
    def samples(self) -> dict[str, NDArray[np.float64]]:
        """Name -> (samples, layers): means over the last octave of every sample, relaxed or not."""
        return self._group("samples.")

    @property
    def last_octave(self) -> dict[str, NDArray[np.float64]]:
        """Name -> (layers,): mean over the last octave and over samples, relaxed or not."""
        return self._group("last_octave.")

    @property
    def relaxed(self) -> dict[str, NDArray[np.float64]]:
        """Name -> (layers,): 1 where it has relaxed, 0 where not, nan where it is not judged."""
        return self._group("relaxed.")

    @property
    def bound_sides(self) -> dict[str, str]:
        """Name -> "upper" or "lower", what NAME_bound is; without an entry there is no bound."""
        raise NotImplementedError

    def _group(self, prefix: str) -> dict[str, NDArray[np.float64]]:
        return {n.removeprefix(prefix): a for n, a in self.values.items() if n.startswith(prefix)}

    def sizes(self) -> dict[str, int]:
        """Axis -> length; raises KeyError where a scale is missing."""
        L, table = self.spec.L, self.table()
        sizes = {"coupling_layer": L, "hidden_layer": L - 1, "sample": self.spec.samples}
        for name, dataset in table.items():
            if dataset.dims == (name,):
                sizes[name] = len(self.values[name])
        if "betas" in sizes:
            sizes["pair"] = sizes["betas"] - 1
        for name, dataset in table.items():
            for dim, size in zip(dataset.dims, np.shape(self.values[name]), strict=False):
                sizes.setdefault(dim, size)
        return sizes

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the result to an HDF5 file of kind "mc"; FileError if it exists already."""
        return save(self, path, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a file that holds one run of this kind; for several use `replicadnn.load`."""
        runs = load(path)
        only = runs[0] if len(runs) == 1 else None
        if not isinstance(only, cls):
            kind = "relaxation" if cls is MonteCarloResult else "tempering"
            raise FileError(path, f"does not hold exactly one {kind} run (use replicadnn.load)")
        return only

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers; what is not known is None, never a made-up number."""
        out: dict[str, Any] = {"params": plain(self.params), "status": str(self.status)}
        out |= {"message": self.message, "equilibrium": self.equilibrium}
        for name, dataset in self.table().items():
            if dataset.printed:
                head, _, tail = name.partition(".")
                inside = out.setdefault(head, {}) if tail else out
                inside[tail or head] = plain(self.values[name])
                if dataset.verdict:
                    inside[tail or head] = _answers(self.values[name])
        out["bound_sides"] = self.bound_sides
        return out | {"collapsed": self.collapsed, "timings": plain(self.timings)}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class MonteCarloResult(RunResult):
    """Averages over samples; every ``_err`` is a standard error over samples (nan for one).

    times (T,) in sweeps; C_J (L, T), C_S (L-1, T) averaged over origins; tau_* where the curve is
    1/e, nan with the lower bound tau_*_bound if it did not get there or, from a random start, if
    curves from two origins differ; integral_* the area under the curve (down to 0.05), likewise.

    Means over the last octave (T/2, T] of the run, where they have relaxed
    (`replicadnn.montecarlo.measure.stationarity.relaxed`), else nan, with NAME_bound where it is
    known on which side equilibrium lies (`bound_sides`): energy (L,), fraction of violated gaps
    (weights sampler: of wrong outputs, in the last place).  R, r: overlap with the teacher, raw;
    *_matched after matching the neurons; *_gauge whatever the signs of hidden neurons.  Q, q:
    overlap of two replicas from one starting state, likewise.  test_error (L,): fraction of the
    neurons of layer l = 1..L that differ between teacher and student in noiseless forward passes of
    fresh random inputs (random start: neurons matched); test_error[-1] is the generalisation error
    eps_g, and 1 - 2 test_error the overlap of the representations.
    relaxed: name -> verdicts by layer.  last_octave: name -> the means, relaxed or not.
    samples_C_* (samples, L or L-1, T): curves of every sample; origins_C_* (A, L or L-1, T): of
    every origin (``origin_times``), for a test of stationarity.
    series: name -> (K, L or L-1), averages over samples at the times ``series_times``.
    samples: name -> (samples, L or L-1), averages over the last octave of every sample.

    All of them, with axes, meaning and units: `table`.  step : the one used; sweeps_done : made.
    """

    mode: ClassVar[Mode] = Mode.RELAXATION
    step: float
    sweeps_done: int

    @classmethod
    def table(cls) -> dict[str, Dataset]:
        """All arrays by name: axes, meaning, unit."""
        return registry.relaxation_table()

    @property
    def bound_sides(self) -> dict[str, str]:
        """Name -> "upper" or "lower", what NAME_bound is; without an entry there is no bound."""
        return registry.bound_sides(self.spec.start, (*registry.TIMES, *registry.RECORDED))

    @property
    def params(self) -> dict[str, Any]:
        """Parameters of the run as plain values, by name; ``step`` is the one used."""
        return self.spec.parameters() | {"step": self.step, "sweeps_done": self.sweeps_done}

    @property
    def acceptance(self) -> dict[str, NDArray[np.float64]]:
        """Accepted share of the moves by layer, of the couplings "J" and of the neurons "S"."""
        return self._group("acceptance.")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class TemperingResult(RunResult):
    """energy (K, L): violated fraction by rung and layer; the rest on the highest rung.

    Last half of the run, neurons matched throughout, nan with a bound where not relaxed (as in
    `MonteCarloResult`, in blocks; not Q_self, q_self; all are known where equilibrium is shown):
    R_matched (L,), r_matched (L-1,) with the teacher; Q_matched, q_matched between two ladders of
    one data set (replicas > 1); Q_self, q_self between the states in the middle and in the last
    quarter of the run.  From random starts the former come from below and the latter from above: in
    equilibrium they agree.
    swap_acceptance (K-1,); round_trips (samples,) of the slower ladder.  series: name -> (B,
    layers), averages over samples and over the blocks of rounds that end at ``series_times``
    (sweeps), entry 0 the start; samples: name -> (samples, layers), for `equilibrium.compare`.

    Two ladders on every rung, second half of the run, nan where not relaxed (docs/sampler.md,
    Overlap distributions), each with _err over samples: P_q (K, L-1, bins), P_Q (K, L, bins),
    densities on the bins centred at ``overlap``; q_by_beta, q2_by_beta, Q_by_beta, Q2_by_beta (K,
    layers), means and mean squares.  counts.q, counts.Q (samples, K, layers, bins) of
    ``values``: rounds by overlap, relaxed or not.

    All of them, with axes, meaning and units: `table`.
    """

    mode: ClassVar[Mode] = Mode.TEMPERING
    exchange: Exchange
    rounds_done: int
    verdict: Verdict

    @classmethod
    def table(cls) -> dict[str, Dataset]:
        """All arrays by name: axes, meaning, unit."""
        return registry.ladder_table()

    @property
    def bound_sides(self) -> dict[str, str]:
        """Name -> "upper" or "lower", what NAME_bound is; without an entry there is no bound."""
        return registry.bound_sides(self.spec.start, registry.LADDER)

    @property
    def params(self) -> dict[str, Any]:
        """Parameters of the run as plain values, by name."""
        return self.spec.parameters() | self.exchange.parameters()

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers; nan becomes None, an infinite beta the string "inf"."""
        out = RunResult.to_json(self)
        betas = ["inf" if math.isinf(b) else b for b in self.exchange.betas]
        out["betas"] = out["params"]["betas"] = betas
        return out | {"rounds_done": self.rounds_done, "verdict": str(self.verdict)}


def _answers(verdicts: NDArray[np.float64]) -> list[Any]:
    """True for 1, False for 0, None for nan."""
    if verdicts.ndim > 1:
        return [_answers(one) for one in verdicts]
    return [None if math.isnan(one) else bool(one) for one in verdicts.tolist()]


def plain(value: Any) -> Any:
    """Arrays to lists, nan and inf to None, enums to strings."""
    if isinstance(value, Mapping):
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
