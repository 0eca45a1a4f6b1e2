"""Was equilibrium reached?  Statements from runs that began on two sides.

The violated fraction reaches 1/(1 + e^beta) long before a system equilibrates, so energy alone
proves nothing.  The test here compares a planted start (overlap with the teacher falls from 1)
with a random start (it rises from the matching floor) on the same data: in equilibrium they agree.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]
#: Probability below which agreement is refuted, and share of the way that a difference (with two
#: standard errors) may be where it is shown.
SIGNIFICANCE = 0.01
RESOLUTION = 0.1
#: Energies and overlaps (of order 1) that differ by less are equal: averages of the same numbers.
ROUNDING = 1e-12


class Verdict(enum.StrEnum):
    """``shown``, ``refuted``, or ``not shown``: agreement within errors too large to mean much."""

    SHOWN = "shown"
    NOT_SHOWN = "not shown"
    REFUTED = "refuted"


@dataclass(frozen=True, slots=True)
class TwoSided:
    """Verdict, the smallest p-value (times the number of comparisons), and one sentence.

    gap : name -> planted minus random, mean over samples, by layer; gap_err its standard error.
    """

    verdict: Verdict
    p_value: float
    message: str
    gap: dict[str, Array]
    gap_err: dict[str, Array]


def compare(
    above: Mapping[str, Array],
    below: Mapping[str, Array],
    way: Mapping[str, Array] | None = None,
    sides: str = "planted and random starts",
    alternative: Literal["two-sided", "greater"] = "two-sided",
) -> TwoSided:
    """Paired comparison of observables name -> (samples, layers) from two sides.

    above, below : from the planted start, whose overlaps fall, and from the random start.

    way : name -> (layers,), how far apart the two starts were in the beginning, for the overlaps
        that decide (those named here; without it every name that begins with R or r, and 1).
    sides : what the sentence calls the two.
    alternative : "greater" where only above > below speaks against equilibrium.

    Refuted: a paired t test gives p below 0.01 after correction for the number of comparisons (a
    layer that differs by the same amount in every sample has an infinite t; one that does not
    differ at all is no comparison).
    Shown: not refuted, and in every overlap that decides |difference| + 2 standard errors is below
    a tenth of the way.  Not shown: neither.
    """
    gap: dict[str, Array] = {}
    error: dict[str, Array] = {}
    p_values: list[float] = []
    for name, first in above.items():
        difference = first - below[name]
        if difference.size == 0 or len(difference) < 2 or not np.isfinite(difference).all():
            continue
        gap[name] = difference.mean(axis=0)
        error[name] = difference.std(axis=0, ddof=1) / np.sqrt(len(difference))
        p_values.extend(_compared(difference, alternative))
    if way is None:
        way = {name: np.ones_like(d) for name, d in gap.items() if name[0] in "Rr"}
    decisive = [name for name in way if name in gap]
    if not p_values or not decisive:
        return TwoSided(Verdict.NOT_SHOWN, float("nan"), "not shown: too few data", gap, error)
    p = min(1.0, float(np.min(p_values)) * len(p_values))
    close = all(
        np.all(np.abs(gap[name]) + 2.0 * error[name] < RESOLUTION * way[name]) for name in decisive
    )
    if p < SIGNIFICANCE:
        verdict, why = Verdict.REFUTED, f"{sides} disagree"
    elif close:
        verdict, why = Verdict.SHOWN, f"{sides} agree"
    else:
        verdict, why = Verdict.NOT_SHOWN, f"the difference of {sides} is not resolved"
    return TwoSided(verdict, p, f"{verdict}: {why} (p = {p:.2g})", gap, error)


def halves_agree(series: Array) -> float:
    """p-value for "second and third third of a run have the same mean".

    series (samples, K, layers), nan where not (yet) measured.  Student's t test over samples,
    corrected for the layers; nan where there is nothing to test.
    """
    series = series[:, ~np.isnan(series).any(axis=(0, 2))]
    third = series.shape[1] // 3
    if third == 0 or len(series) < 2 or series.shape[2] == 0:
        return float("nan")
    first = series[:, third : 2 * third].mean(axis=1)
    second = series[:, 2 * third :].mean(axis=1)
    p_values = _compared(second - first, "two-sided")
    return min(1.0, min(p_values) * len(p_values)) if p_values else 1.0


def p_values(difference: Array, alternative: Literal["two-sided", "greater"]) -> Array:
    """p-value of "the mean is 0" by layer, (layers,); difference (samples, layers).

    Student's t test; where all samples have the same difference t is infinite, and where it is 0 in
    all of them there is nothing to compare: nan (both up to `ROUNDING`).
    """
    spread = np.ptp(difference, axis=0) > ROUNDING
    same = difference[0] if alternative == "greater" else np.abs(difference[0])
    p = np.where(same > 0.0, 0.0, 1.0)
    p[~spread & (np.abs(difference[0]) <= ROUNDING)] = np.nan
    if spread.any():
        found = stats.ttest_1samp(difference[:, spread], 0.0, alternative=alternative)
        p[spread] = found.pvalue
    return p


def _compared(difference: Array, alternative: Literal["two-sided", "greater"]) -> list[float]:
    """`p_values` of the layers in which there is something to compare."""
    found = p_values(difference, alternative)
    known: list[float] = found[~np.isnan(found)].tolist()
    return known
