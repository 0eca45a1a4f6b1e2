"""Autocorrelations by layer and the times that they define, with errors over samples.

    C_J(l, t) = (1/(N c)) sum_{i,k} J_{l,i,k}(t0) J_{l,i,k}(t0 + t)          (fan-in c)
    C_S(l, t) = (1/(N M)) sum_{i,mu} S_{l,i}^mu(t0) S_{l,i}^mu(t0 + t)

tau is the time, in sweeps, at which the average curve falls to 1/e.  A curve that does not get
there has no tau (nan) and the length of the run as a lower bound.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from replicadnn.montecarlo.measure.equilibrium import RESOLUTION
from replicadnn.montecarlo.measure.stationarity import agree

Array = NDArray[np.float64]
Times = NDArray[np.int64]
LEVEL = math.exp(-1.0)
#: What C at 1/e may move between origins (two standard errors included) where it does not age.
AGEING = 0.2


def log_times(longest: int, per_decade: int = 10) -> Times:
    """0 and 10^(k/per_decade), rounded to whole numbers, up to ``longest``.

    The grid of a longer run begins with that of a shorter one.
    """
    powers = np.arange(math.floor(per_decade * math.log10(longest + 0.5)) + 2 if longest else 0)
    grid = np.rint(10.0 ** (powers / per_decade)).astype(np.int64)
    return np.unique(np.concatenate([[0], grid[grid <= longest]]))


def crossing_time(times: Times, curve: Array, level: float = LEVEL) -> float:
    """First time at which the curve is at or below ``level``, nan if never.

    Interpolated linearly in log(1 + t).
    """
    below = np.nonzero(curve <= level)[0]
    if len(below) == 0:
        return math.nan
    k = int(below[0])
    if k == 0:
        return float(times[0])
    x = np.log1p(times[[k - 1, k]].astype(np.float64))
    fraction = (curve[k - 1] - level) / (curve[k - 1] - curve[k])
    return float(np.expm1(x[0] + fraction * (x[1] - x[0])))


def integral_time(times: Times, curve: Array, floor: float = 0.05) -> float:
    """Trapezoidal integral of the curve up to where it falls to ``floor``; nan if it does not."""
    below = np.nonzero(curve <= floor)[0]
    if len(below) == 0:
        return math.nan
    k = int(below[0]) + 1
    return float(np.trapezoid(curve[:k], times[:k].astype(np.float64)))


def shoulder(times: Times, curve: Array, error: Array) -> tuple[float, float, float]:
    """Time, height and slope -dC/d ln t of the shoulder of a two-step relaxation.

    Two steps are two maxima of the slope, each above the minimum between them by more than five
    of its standard errors; the shoulder is that minimum.  (nan, nan, nan) for a single step.
    """
    use = (times > 0) & np.isfinite(curve)
    x, c, e = np.log(times[use].astype(np.float64)), curve[use], error[use]
    none = (math.nan, math.nan, math.nan)
    width = 3
    if len(c) < 2 * width + 3:
        return none
    run = x[width:] - x[:-width]
    slope = -(c[width:] - c[:-width]) / run
    noise = np.hypot(e[width:], e[:-width]) / run
    prominence = 5.0 * float(np.nanmedian(noise))
    from scipy.signal import find_peaks  # takes half a second to import

    peaks, _ = find_peaks(np.concatenate([[0.0], slope, [0.0]]), prominence=prominence)
    if len(peaks) < 2:
        return none
    first, last = int(peaks[0]) - 1, int(peaks[-1]) - 1
    k = first + int(np.argmin(slope[first : last + 1]))
    at = float(np.exp(0.5 * (x[k] + x[k + width])))
    return at, float(np.interp(np.log(at), x, c)), float(slope[k])


def average_origins(curves: Array) -> Array:
    """Mean over time origins of curves (samples, origins, layers, T), nan where a run was short.

    An entry that no origin reached stays nan.  Returns (samples, layers, T).
    """
    seen = ~np.isnan(curves)
    n = seen.sum(axis=1)
    total = np.where(seen, curves, 0.0).sum(axis=1)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def bootstrap_error(
    samples: Array, statistic: Callable[[Array], Array | float], *, resamples: int = 400
) -> Array:
    """Standard error over independent samples (first axis) of ``statistic(samples)``.

    nan for a single sample, and where the statistic is undefined in more than 5 % of the
    resamples.
    """
    shape = np.shape(statistic(samples))
    n = len(samples)
    if n < 2:
        return np.full(shape, np.nan)

    def of_indices(index: NDArray[np.float64]) -> Array:
        return np.ravel(statistic(samples[index.astype(np.intp)]))

    from scipy import stats  # takes a third of a second to import

    with warnings.catch_warnings():
        # an undefined resample makes the interval (not used here) degenerate
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap(
            (np.arange(n),),
            of_indices,
            n_resamples=resamples,
            vectorized=False,
            method="percentile",
            rng=np.random.default_rng(0),
        ).bootstrap_distribution
    found = np.atleast_2d(found)
    undefined = np.isnan(found).mean(axis=-1) > 0.05
    spread = np.full(len(found), np.nan)
    for k in np.nonzero(~undefined)[0]:
        spread[k] = np.std(found[k][~np.isnan(found[k])], ddof=1)
    return spread.reshape(shape)


def mean_error(samples: Array) -> Array:
    """Standard error of the mean over the first axis; nan for a single sample."""
    n = len(samples)
    if n < 2:
        return np.full(samples.shape[1:], np.nan)
    error: Array = samples.std(axis=0, ddof=1) / math.sqrt(n)
    return error


def layer_times(
    times: Times, curves: Array, of_curve: Callable[[Times, Array], float] = crossing_time
) -> tuple[Array, Array]:
    """Time of every layer and its bootstrap error from curves (samples, layers, T).

    Only times that every sample has reached are used.
    """
    whole = ~np.isnan(curves).any(axis=(0, 1))
    if curves.shape[1] == 0 or not whole.any():
        return np.full(curves.shape[1], np.nan), np.full(curves.shape[1], np.nan)
    t, c = times[whole], curves[:, :, whole]

    def statistic(chosen: Array) -> Array:
        return np.array([of_curve(t, curve) for curve in chosen.mean(axis=0)])

    return statistic(c), bootstrap_error(c, statistic)


def ageing(times: Times, curves: Array, at: Array) -> NDArray[np.bool_]:
    """Is it not shown that C(t) near t = ``at`` (layers,) is the same from two origins?

    curves (samples, origins, layers, T), nan where not measured.  Compared sample by sample, by
    `stationarity.agree`, is C at the first time from ``at`` on, from the earliest and the latest
    origin that have come so far: two standard errors included it may move by 0.2.  (Where tau
    grows as the age, C = exp(-t/age) at 1/e moves by 0.24 from an origin to the next.)  Not shown
    with one origin or one sample; False where ``at`` is nan.
    """
    ages = np.zeros(len(at), bool)
    for layer, time in enumerate(at):
        if math.isnan(time):
            continue
        here = curves[:, :, layer, int(np.searchsorted(times, time))]
        reached = np.nonzero(~np.isnan(here).any(axis=0))[0]
        if len(here) < 2 or len(reached) < 2:
            ages[layer] = True
        else:
            difference = here[:, reached[:1]] - here[:, reached[-1:]]
            ages[layer] = not agree(difference, AGEING / RESOLUTION)[0]
    return ages


def longest_time(times: Times, curves: Array) -> float:
    """Longest time at which all curves (samples, layers, T) are known; nan if there is none."""
    known = ~np.isnan(curves).any(axis=(0, 1)) if curves.shape[1] else np.zeros(len(times), bool)
    return float(times[known][-1]) if known.any() else math.nan


def growth_exponent(widths: Array, tau: Array, error: Array) -> tuple[float, float, float]:
    """Exponent z of tau ~ N^z, its error, and chi^2 per degree of freedom.

    Weighted least squares in the logarithms.  Where chi^2 per degree of freedom exceeds 1 the
    power law does not describe the widths within errors, and the error of z is stretched by its
    root.  (nan, nan, nan) for fewer than three usable widths.
    """
    use = np.isfinite(tau) & np.isfinite(error) & (error > 0)
    if use.sum() < 3:
        return math.nan, math.nan, math.nan
    x, y, w = np.log(widths[use]), np.log(tau[use]), (tau[use] / error[use]) ** 2
    x = x - np.average(x, weights=w)
    y = y - np.average(y, weights=w)
    spread = float(np.sum(w * x**2))
    z = float(np.sum(w * x * y)) / spread
    chi2 = float(np.sum(w * (y - z * x) ** 2)) / (len(x) - 2)
    return z, math.sqrt(max(1.0, chi2) / spread), chi2
