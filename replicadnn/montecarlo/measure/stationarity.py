"""Has an observable come to a plateau?  A verdict by layer, from its own series.

Records lie on a grid that does not depend on the length of the run (`record_times`).  An octave of
a run of T sweeps is (T/2, T], the one before it (T/4, T/2], and so on.  *Relaxed* is claimed only
of a series that has moved less than `RESOLUTION` of its way over the last octaves, whose average
is long beside its own autocorrelation time, and that was seen in two samples or more (`relaxed`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from replicadnn.montecarlo.measure.equilibrium import RESOLUTION, SIGNIFICANCE, p_values

Array = NDArray[np.float64]
Times = NDArray[np.int64]

#: Records in every octave [2^j, 2^(j+1)) of time from 32 on; before that, one a sweep.
PER_OCTAVE = 32
#: Runs of fewer sweeps have too few records: never relaxed.
SHORTEST = 64
#: Autocorrelation times that the last octave must hold.
LENGTH = 10.0
#: A way that is shorter counts as so long: differences below 0.03 are none (all are of order 1).
SHORTEST_WAY = 0.3
#: The window of the autocorrelation time is at least so many times as long as it.
WINDOW = 5.0
#: The last octave is compared with the one before it, and with the one three octaves before it.
BEFORE = (1, 3)


def record_times(longest: int) -> Times:
    """0, 1, ..., 31, then 32 evenly spaced times in every octave [2^j, 2^(j+1)), to ``longest``."""
    grid = [np.arange(PER_OCTAVE, dtype=np.int64)]
    begin = PER_OCTAVE
    while begin <= longest:
        grid.append(begin + np.arange(PER_OCTAVE, dtype=np.int64) * (begin // PER_OCTAVE))
        begin *= 2
    times = np.concatenate(grid)
    return times[times <= longest]


def in_octave(times: Times, end: int, before: int = 0) -> NDArray[np.bool_]:
    """Which records are those of the octave (end/2^(before+1), end/2^before], evenly spaced.

    The grid is coarser past a power of two; only times that are multiples of its coarser spacing
    in the octave count.  For end = 0 the record at 0.
    """
    inside: NDArray[np.bool_] = times == 0
    if end == 0:
        return inside
    spacing = 2.0 ** (math.ceil(math.log2(end)) - before) / (2 * PER_OCTAVE)
    even = times % max(1, int(spacing)) == 0
    inside = even & (times << (before + 1) > end) & (times << before <= end)
    return inside


def octave_mean(records: Array, times: Times, end: int, before: int = 0) -> Array:
    """Mean of records (samples, K, layers) over an octave, (samples, layers); nan without one."""
    chosen = records[:, in_octave(times, end, before)]
    if chosen.shape[1] == 0:
        return np.full((len(records), records.shape[2]), np.nan)
    mean: Array = chosen.mean(axis=1)
    return mean


def agree(difference: Array, way: Array | float) -> NDArray[np.bool_]:
    """Is there no difference?  difference (samples, layers), at least two samples -> (layers,).

    |mean| + 2 standard errors below a tenth of the way, and no t test over samples at p < 0.01.
    Of n samples the 2 is Student's quantile of n - 1 degrees of freedom at the same probability:
    14 for two samples, 4.5 for three, 2.4 for eight.
    """
    n = len(difference)
    mean = difference.mean(axis=0)
    error = difference.std(axis=0, ddof=1) / math.sqrt(n)
    reach = stats.t.ppf(stats.norm.cdf(2.0), n - 1)
    close = np.abs(mean) + reach * error < RESOLUTION * np.asarray(way)
    against = p_values(difference, "two-sided") < SIGNIFICANCE  # nan: no difference at all
    verdict: NDArray[np.bool_] = close & ~against
    return verdict


def autocorrelation_time(series: Array) -> Array:
    """tau = 1 + 2 sum_{k=1}^{W} rho(k) by layer, in steps, at least 1; series (samples, m, layers).

    rho is the mean over samples of their normalised autocorrelations; W is the smallest window with
    W >= 5 tau(W) (J. Goodman, J. Weare, Commun. Appl. Math. Comput. Sci. 5 (2010) 65), all of the
    series where there is none.  Taking off the mean of a series of m lowers rho by about
    (1 - rho) tau/m, which is given back once; the sum is the largest of those up to W.  A sample
    that does not move has rho = 1.
    """
    m = series.shape[1]
    x = series - series.mean(axis=1, keepdims=True)
    moved = np.ptp(series, axis=1) > 0.0
    power = np.abs(np.fft.rfft(x, 2 * m, axis=1)) ** 2
    covariance = np.fft.irfft(power, 2 * m, axis=1)[:, :m]
    variance = np.where(moved, covariance[:, 0], 1.0)[:, None]
    rho = np.where(moved[:, None], covariance / variance, 1.0).mean(axis=0)
    lost = np.minimum(0.5, _windowed(rho) / m)
    return _windowed(rho + (1.0 - rho) * lost)


def _windowed(rho: Array) -> Array:
    """Sum of rho (m, layers) up to the automatic window, as `autocorrelation_time` says."""
    tau = np.maximum.accumulate(2.0 * np.cumsum(rho, axis=0) - 1.0, axis=0)
    enough = np.arange(len(rho))[:, None] >= WINDOW * tau
    window = np.where(enough.any(axis=0), enough.argmax(axis=0), len(rho) - 1)
    found: Array = np.maximum(1.0, np.take_along_axis(tau, window[None], axis=0)[0])
    return found


def long_enough(series: Array) -> NDArray[np.bool_]:
    """Does the evenly spaced series (samples, m, layers) hold 10 autocorrelation times?"""
    verdict: NDArray[np.bool_] = series.shape[1] >= LENGTH * autocorrelation_time(series)
    return verdict


def relaxed(records: Array, times: Times, end: int) -> NDArray[np.bool_]:
    """Verdict by layer on records (samples, K, layers) at ``times`` of a run of length ``end``.

    Relaxed: at least two samples and 64 sweeps; the mean over the last octave `agree`s, sample by
    sample, with the one before it and with the one three octaves before it (a drift in ln t moves
    as much in every octave), where the way is |last octave - record 0|, at least 0.3; and the last
    octave is 10 of its own autocorrelation times long.
    """
    layers = records.shape[2]
    last = octave_mean(records, times, end)
    if len(records) < 2 or end < SHORTEST or layers == 0 or np.isnan(last).all():
        return np.zeros(layers, bool)
    way = np.abs((last - records[:, 0]).mean(axis=0))
    way = np.maximum(np.where(np.isnan(way), 0.0, way), SHORTEST_WAY)
    verdict = long_enough(records[:, in_octave(times, end)])
    for before in BEFORE:
        verdict &= agree(last - octave_mean(records, times, end, before), way)
    return verdict
