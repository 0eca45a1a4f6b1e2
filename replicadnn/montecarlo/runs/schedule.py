"""When a run measures what: log-spaced lags after several origins, evenly spaced records."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replicadnn.montecarlo.measure import relaxation
from replicadnn.montecarlo.spec import Spec

N_RECORDS = 64


@dataclass(frozen=True, slots=True)
class Event:
    """Measurements due after ``time`` sweeps: curve points, a new origin, a record."""

    time: int
    origin: int | None
    lags: tuple[tuple[int, int], ...]
    record: int | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """lags (T,), origins (A,), record times (K,) in sweeps, and all events in time order."""

    lags: NDArray[np.int64]
    origins: NDArray[np.int64]
    records: NDArray[np.int64]
    events: tuple[Event, ...]


def make_schedule(spec: Spec) -> Schedule:
    """Events of one sample: log-spaced lags after every origin, evenly spaced records."""
    end = spec.burn_in + spec.sweeps
    lags = relaxation.log_times(spec.sweeps, spec.per_decade)
    origins = relaxation.time_origins(spec.burn_in, spec.sweeps, spec.origins)
    spaced = np.linspace(spec.burn_in, end, N_RECORDS + 1)
    records = np.unique(np.rint(spaced).astype(np.int64))
    due: dict[int, list[tuple[int, int]]] = {}
    for a, origin in enumerate(origins):
        for k, lag in enumerate(lags):
            if origin + lag <= end:
                due.setdefault(int(origin + lag), []).append((a, k))
    first = {int(t): a for a, t in enumerate(origins)}
    nth = {int(t): k for k, t in enumerate(records)}
    moments = sorted(due.keys() | first.keys() | nth.keys())
    events = tuple(Event(t, first.get(t), tuple(due.get(t, ())), nth.get(t)) for t in moments)
    return Schedule(lags, origins, records, events)
