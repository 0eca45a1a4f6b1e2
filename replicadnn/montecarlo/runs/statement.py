"""What a run says of itself: how far it came, whether a layer collapsed, is it in equilibrium."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from replicadnn.montecarlo.measure.equilibrium import (
    SIGNIFICANCE,
    TwoSided,
    Verdict,
    compare,
    halves_agree,
)
from replicadnn.montecarlo.runs.result import RunResult
from replicadnn.montecarlo.spec import Sampler, Spec, Start

Array = NDArray[np.float64]

#: Correlation within a layer above which it counts as copies of one neuron; with few patterns
#: (independent neurons have 1/sqrt(M)) it says nothing.
COLLAPSE = 0.9
COLLAPSE_PATTERNS = 16
#: Ways from the lowest rung to the highest and back that the slowest sample must have made.
MIN_ROUND_TRIPS = 5


def has_collapsed(spec: Spec, spin_correlation: Array) -> bool:
    """Is some layer of some sample made of copies of one neuron?  (samples, L-1)."""
    return spec.M >= COLLAPSE_PATTERNS and bool(np.any(spin_correlation > COLLAPSE))


def progress(spec: Spec, done: int, total: int, missing: int, collapsed: bool) -> str:
    """One line on a run at one temperature; missing : relaxation times that are not known."""
    parts = [f"{done} of {total} sweeps of {spec.samples} samples"]
    if missing:
        parts.append(f"{missing} relaxation times beyond the run: only lower bounds")
    if collapsed:
        parts.append(f"a layer has collapsed (within-layer spin correlation above {COLLAPSE})")
    return "; ".join(parts)


def of_one_start(spec: Spec, energy: Array) -> str:
    """What a run at one temperature shows; energy (samples, L), means over the second half."""
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


def of_two_starts(planted: RunResult, random: RunResult) -> TwoSided:
    """`equilibrium.compare` of a planted and a random start on the same data.

    Compared are energies and matched overlaps with the teacher over the second halves; the way is
    the difference of the overlaps at the first record.
    """
    names = ("energy", "R_matched", "r_matched")
    above, below = ({name: run.samples[name] for name in names} for run in (planted, random))
    way = {
        name: planted.series[name][0] - random.series[name][0]
        for name in ("R_matched", "r_matched")
    }
    return compare(above, below, way)


def of_ladders(
    spec: Spec,
    series: Mapping[str, Array],
    late: Mapping[str, Array],
    trips: NDArray[np.int64],
) -> tuple[Verdict, str]:
    """What one start alone says about the highest rung.

    Refuted by a drift between the second and the last third of the run, or where the overlap with
    an earlier state (from above) and between ladders (from below) disagree; shown where these
    agree, in a run from random starts with enough round trips.

    series : name -> (samples, B, layers); late : name -> (samples, layers); trips (samples,).
    """
    if math.isinf(spec.beta) and np.any(late["energy"] > 0):
        stuck = int(np.count_nonzero(late["energy"].sum(axis=1) > 0))
        return Verdict.REFUTED, f"refuted: {stuck} of {spec.samples} samples violate the constraint"
    watched = ("energy", "R_matched", "r_matched", "Q_matched", "q_matched")
    p_values = [halves_agree(series[name]) for name in watched]
    known = [p for p in p_values if not math.isnan(p)]
    lowest = min(known, default=math.nan) * len(known)
    if lowest < SIGNIFICANCE:
        return Verdict.REFUTED, f"refuted: the top rung still drifts (p = {lowest:.2g})"
    if spec.start is Start.PLANTED:
        return Verdict.NOT_SHOWN, (
            "not shown: no drift seen from the planted side; compare with a random start (both)"
        )
    if spec.replicas < 2:
        return Verdict.NOT_SHOWN, "not shown: one ladder; compare two (replicas)"
    names = {"Q": ("Q_self", "Q_matched"), "q": ("q_self", "q_matched")}
    above = {name: late[pair[0]] for name, pair in names.items()}
    below = {name: late[pair[1]] for name, pair in names.items()}
    way = {name: 1.0 - series[pair[1]][:, 0].mean(axis=0) for name, pair in names.items()}
    sides = "overlaps with earlier states and with other ladders"
    found = compare(above, below, way, sides, "greater")
    return needs_round_trips(found.verdict, found.message, trips)


def needs_round_trips(
    verdict: Verdict, message: str, trips: NDArray[np.int64]
) -> tuple[Verdict, str]:
    """Agreement without round trips shows nothing: all ladders may be stuck in one valley."""
    if verdict is Verdict.SHOWN and trips.min() < MIN_ROUND_TRIPS:
        few = f"{int(trips.min())} round trips in the slowest sample, {MIN_ROUND_TRIPS} asked for"
        return Verdict.NOT_SHOWN, f"not shown: agreement, but {few}"
    return verdict, message
