"""What a run says of itself: how far it came, whether a layer collapsed, is it in equilibrium."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from replicadnn.montecarlo.measure import registry
from replicadnn.montecarlo.measure.equilibrium import (
    SIGNIFICANCE,
    TwoSided,
    Verdict,
    compare,
    halves_agree,
)
from replicadnn.montecarlo.measure.observable import Values
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


def progress(spec: Spec, done: int, total: int, values: Values, collapsed: bool) -> str:
    """One line on a run at one temperature; values : arrays of the result."""
    parts = [f"{done} of {total} sweeps of {spec.samples} samples"]
    times = [row for row in registry.TIMES if row.bounded]
    unknown = sum(int(np.isnan(values[row.name]).sum()) for row in times)
    ageing = sum(row.ageing(values) for row in times)
    if unknown > ageing:
        parts.append(f"{unknown - ageing} relaxation times beyond the run: only lower bounds")
    if ageing:
        parts.append(f"{ageing} relaxation times with ageing not excluded: only lower bounds")
    if collapsed:
        parts.append(f"a layer has collapsed (within-layer spin correlation above {COLLAPSE})")
    return "; ".join(parts)


def of_one_start(spec: Spec, values: Values) -> str:
    """What a run at one temperature shows; values : arrays of the result.

    The state of a planted start is an exact equilibrium sample, but an overlap with it is not in
    equilibrium before it has relaxed; so one start alone shows nothing of overlaps.
    """
    stuck = violating(spec, values["samples.energy"])
    if math.isinf(spec.beta) and stuck:
        remedy = ""
        if spec.sampler is Sampler.GAP and spec.start is Start.RANDOM:
            remedy = "; use replica exchange with inf as the last beta (tempering=[1, ..., 8, inf])"
        return (
            f"refuted: {stuck} of {spec.samples} samples still violate the hard constraint" + remedy
        )
    names = [name for name in watched(spec) if not np.isnan(values[f"relaxed.{name}"]).all()]
    said = "; ".join(f"{name} {layers_in_words(values[f'relaxed.{name}'])}" for name in names)
    if spec.start is Start.PLANTED:
        exact = "the state is an exact equilibrium sample (planted); overlaps with the start: "
        return f"not shown: {exact}{said}; compare with a random start"
    return f"not shown: random start; {said}; compare with a planted start or use replica exchange"


def violating(spec: Spec, energy: Array) -> int:
    """Number of samples with half a violated gap or more on average; energy (samples, L).

    A stuck sample has one or more at any time.  A gap of size 1e-7 may change its sign by rounding
    when fields are computed anew, and is put right soon after.
    """
    gaps = energy.sum(axis=1) * (spec.N * spec.M)
    return int(np.count_nonzero(gaps >= 0.5))


def watched(spec: Spec) -> list[str]:
    """Observables whose verdicts the sentence on a run names."""
    with_teacher = registry.teacher_overlaps(spec)
    energy = () if spec.start is Start.PLANTED else ("energy",)
    replicas = registry.free_overlaps(spec, teacher=False) if spec.replicas > 1 else ()
    return [*energy, *with_teacher, "test_error", *replicas]


def layers_in_words(relaxed: Array) -> str:
    """For instance "relaxed in layers 1, 3; not in 2" of (layers,) with 1, 0 or nan."""
    yes, no = (list(map(str, np.nonzero(relaxed == x)[0] + 1)) for x in (1.0, 0.0))
    if not no:
        return "relaxed" if yes else "not judged"
    if not yes:
        return "not relaxed"
    plural = "s" if len(yes) > 1 else ""
    return f"relaxed in layer{plural} {', '.join(yes)}, not in {', '.join(no)}"


def of_two_starts(planted: RunResult, random: RunResult) -> TwoSided:
    """`equilibrium.compare` of a planted and a random start on the same data.

    Compared are energies and those overlaps with the teacher that no relabelling changes, over the
    last octaves, in the layers where they have relaxed in both runs; the way is the difference of
    the overlaps at the first record.  An overlap that has not relaxed makes "shown" "not shown".
    """
    overlaps = registry.free_overlaps(planted.spec)
    above: dict[str, Array] = {}
    below: dict[str, Array] = {}
    way: dict[str, Array] = {}
    missing = []
    for name in ("energy", *overlaps):
        both = _judged(planted, name) & _judged(random, name)
        if name in overlaps and not both.all():
            missing.append(f"{name} {layers_in_words(np.where(both, 1.0, 0.0))}")
        if not both.any():
            continue
        above[name], below[name] = (run.samples[name][:, both] for run in (planted, random))
        if name in overlaps:
            way[name] = (planted.series[name][0] - random.series[name][0])[both]
    found = compare(above, below, way)
    if found.verdict is Verdict.REFUTED or not missing:
        return found
    why = f"not shown: in both runs {'; '.join(missing)}"
    return replace(found, verdict=Verdict.NOT_SHOWN, message=why)


def _judged(run: RunResult, name: str) -> NDArray[np.bool_]:
    """Layers in which an observable has relaxed; of replica exchange, all (`of_ladders` tells)."""
    relaxed = run.values.get(f"relaxed.{name}")
    return np.ones(run.samples[name].shape[1], bool) if relaxed is None else relaxed == 1.0


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
    stuck = violating(spec, late["energy"])
    if math.isinf(spec.beta) and stuck:
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
