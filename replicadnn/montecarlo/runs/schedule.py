"""When a run measures what.  No time depends on the length of the run, so that it can go on.

Times are counted from the end of the burn-in asked for.  Records: `stationarity.record_times`.
Lags of the curves: `relaxation.log_times`.  Origins: 1, 2, 4, 8, ..., and 0 for a planted start.
The curves of a run of T sweeps use the last origins up to T/2, at most as many as asked for; from a
random start none before T/8, which is its burn-in; from a planted start, which is in equilibrium at
once, 0 is one of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replicadnn.montecarlo.measure import relaxation, stationarity
from replicadnn.montecarlo.spec import Spec, Start

#: From a random start: powers of two in [T/8, T/2].
MOST_ORIGINS = 3


@dataclass(frozen=True, slots=True)
class Origin:
    """``time``, and which of the places for states and curves it has from ``time`` to ``until``."""

    time: int
    place: int
    until: float


@dataclass(frozen=True, slots=True)
class Event:
    """Measurements due after ``time`` sweeps, burn-in included.

    origin : the place at which a state is kept from now on, in place of an older one.
    lags : (place, lag) of the points of curves.
    """

    time: int
    origin: int | None
    lags: tuple[tuple[int, int], ...]
    record: int | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """lags (T,), records (K,) in sweeps since the burn-in, origins, and all events in time order.

    places : states kept at a time.  asked : origins that a curve may use, origin 0 among them where
    ``from_zero``.
    """

    lags: NDArray[np.int64]
    records: NDArray[np.int64]
    origins: tuple[Origin, ...]
    places: int
    asked: int
    from_zero: bool
    events: tuple[Event, ...]

    def used(self, done: int) -> list[Origin]:
        """Origins of the curves of a run of ``done`` sweeps, ascending."""
        zero = [o for o in self.origins if o.time == 0]
        later = [o for o in self.origins if 0 < 2 * o.time <= done]
        if not self.from_zero:
            later = [o for o in later if 8 * o.time >= done]
        return zero + later[max(0, len(later) - (self.asked - len(zero))) :]


def make_schedule(spec: Spec) -> Schedule:
    """Events of one sample up to the length asked for; those of a longer run begin with them."""
    begin, T = spec.burn_in, spec.sweeps
    planted = spec.start is Start.PLANTED
    asked = spec.origins if planted else min(spec.origins, MOST_ORIGINS)
    origins, places = _origins(T, asked, from_zero=planted)
    lags = relaxation.log_times(T, spec.per_decade)
    records = stationarity.record_times(T)
    due: dict[int, list[tuple[int, int]]] = {}
    for origin in origins:
        for k, lag in enumerate(lags):
            if origin.time + lag <= T and origin.time + lag < origin.until:
                due.setdefault(int(origin.time + lag), []).append((origin.place, k))
    first = {o.time: o.place for o in origins}
    nth = {int(t): k for k, t in enumerate(records)}
    events = tuple(
        Event(begin + t, first.get(t), tuple(due.get(t, ())), nth.get(t))
        for t in sorted(due.keys() | first.keys() | nth.keys())
    )
    return Schedule(lags, records, origins, places, asked, planted, events)


def _origins(T: int, asked: int, *, from_zero: bool) -> tuple[tuple[Origin, ...], int]:
    """All origins up to T and the number of places.

    Of the powers of two a curve uses the last n; n + 1 are kept, since the last one is too young at
    first.
    """
    zero = (Origin(0, 0, float("inf")),) if from_zero else ()
    n = asked - len(zero)
    if n == 0:
        return zero, len(zero)
    powers = tuple(
        Origin(2**j, len(zero) + j % (n + 1), float(2 ** (j + n + 1)))
        for j in range(T.bit_length())
    )
    return zero + powers, len(zero) + n + 1
