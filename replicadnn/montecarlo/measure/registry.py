"""The registry: one row an observable.  To add one, add its row and its measuring function.

`RECORDED` along a run at one temperature, `CURVES` and `TIMES` of its relaxation, `LADDER` on the
highest rung of replica exchange and `PAIRS`, of two ladders, on every rung.  `relaxation_table` and
`ladder_table` are all arrays of a result, with their axes, meaning and units: what files and JSON
documents hold.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from replicadnn.montecarlo import network
from replicadnn.montecarlo.measure import gauge, overlaps, relaxation
from replicadnn.montecarlo.measure.distribution import Distribution
from replicadnn.montecarlo.measure.observable import (
    FALLING,
    LIKENESS,
    UNLIKENESS,
    Curve,
    CurveTime,
    Dataset,
    Layers,
    Moment,
    Needs,
    Recorded,
    Side,
)
from replicadnn.montecarlo.spec import Spec, Start

Array = NDArray[np.float64]
J, S = Layers.COUPLINGS, Layers.NEURONS


# --- measuring functions: of a moment, one number a layer ------------------------------------


def violated_share(moment: Moment) -> Array:
    """(1/(N M)) #{i, mu : r_{l,i}^mu < kappa}; weights sampler: wrong output bits, l = L."""
    share: Array = moment.chain.violations() / (moment.spec.N * moment.spec.M)
    return share


def error_on_fresh_inputs(moment: Moment) -> Array:
    """`overlaps.disagreement` of teacher and student on fresh inputs."""
    student = moment.net if moment.own_labels else moment.matched
    return overlaps.disagreement(moment.teacher, student, moment.fresh_inputs())


def free_overlap(moment: Moment, couplings: bool) -> Array:
    """Overlap with the partner that no relabelling of hidden neurons changes.

    Whatever the signs of neurons in a diluted network, neurons matched in a fully connected one.
    """
    if moment.spec.reads.dense:
        one, other = moment.net, moment.partner_matched
        return (overlaps.coupling_overlap if couplings else overlaps.neuron_overlap)(one, other)
    one, other = moment.net, moment.partner
    return (gauge.coupling_overlap if couplings else gauge.neuron_overlap)(one, other)


def free_square(moment: Moment, couplings: bool) -> Array:
    """Its square without what unrelated networks have (fully connected: neurons matched)."""
    partner = moment.partner_matched if moment.spec.reads.dense else moment.partner
    measure = gauge.coupling_square if couplings else gauge.neuron_square
    return measure(moment.net, partner)


# --- rows ------------------------------------------------------------------------------------

_ENERGY = "fraction of violated gaps; weights sampler: of wrong outputs, in the last layer"
_ERROR = "disagreement with the noiseless teacher on fresh inputs, last layer: eps_g"
_COPIES = "rms overlap of pairs of neurons of a layer; near 1: the layer collapsed"

#: With the teacher, neurons matched: the same for a run at one temperature and for a ladder.
_R_MATCHED = Recorded(
    "R_matched", J, "overlap of the couplings with the teacher, neurons matched",
    lambda m: overlaps.coupling_overlap(m.teacher, m.matched), Needs.TEACHER, bounds=LIKENESS,
)  # fmt: skip
_r_MATCHED = Recorded(
    "r_matched", S, "overlap of the neurons with the teacher, neurons matched",
    lambda m: overlaps.neuron_overlap(m.teacher, m.matched), Needs.TEACHER, bounds=LIKENESS,
)  # fmt: skip
_TEST_ERROR = Recorded(
    "test_error", J, _ERROR, error_on_fresh_inputs, Needs.FRESH_INPUTS, bounds=UNLIKENESS
)
_SPIN_CORRELATION = Recorded(
    "spin_correlation", S, _COPIES, lambda m: network.spin_correlation(m.net.S), error=False,
    of_state=True,
)  # fmt: skip
RECORDED: tuple[Recorded, ...] = (
    Recorded("energy", J, _ENERGY, violated_share, bounds={Start.RANDOM: Side.UPPER},
             of_state=True),
    Recorded(
        "R", J, "overlap of the couplings with the teacher",
        lambda m: overlaps.coupling_overlap(m.teacher, m.net), Needs.TEACHER,
        bounds=FALLING,
    ),
    Recorded(
        "r", S, "overlap of the neurons with the teacher",
        lambda m: overlaps.neuron_overlap(m.teacher, m.net), Needs.TEACHER,
        bounds=FALLING,
    ),
    _R_MATCHED,
    _r_MATCHED,
    Recorded(
        "R_gauge", J, "overlap of the couplings with the teacher, whatever the signs of neurons",
        lambda m: gauge.coupling_overlap(m.teacher, m.net), Needs.TEACHER, bounds=LIKENESS,
    ),
    Recorded(
        "r_gauge", S, "overlap of the neurons with the teacher, whatever their signs",
        lambda m: gauge.neuron_overlap(m.teacher, m.net), Needs.TEACHER, bounds=LIKENESS,
    ),
    Recorded(
        "Q", J, "overlap of the couplings of two replicas from one start",
        lambda m: overlaps.coupling_overlap(m.net, m.partner), Needs.PARTNER, bounds=FALLING,
    ),
    Recorded(
        "q", S, "overlap of the neurons of two replicas from one start",
        lambda m: overlaps.neuron_overlap(m.net, m.partner), Needs.PARTNER, bounds=FALLING,
    ),
    Recorded(
        "Q_gauge", J,
        "overlap of the couplings of two replicas from one start, whatever the signs of neurons",
        lambda m: gauge.coupling_overlap(m.net, m.partner), Needs.PARTNER, bounds=FALLING,
    ),
    Recorded(
        "q_gauge", S, "overlap of the neurons of two replicas from one start, whatever their signs",
        lambda m: gauge.neuron_overlap(m.net, m.partner), Needs.PARTNER, bounds=FALLING,
    ),
    _TEST_ERROR,
    Recorded(
        "rms_h", J, "root mean square of the field h",
        lambda m: network.rms_field(m.net.J, m.net.S, m.net.inputs), error=False, of_state=True,
    ),
    _SPIN_CORRELATION,
)  # fmt: skip

LADDER: tuple[Recorded, ...] = (
    Recorded("energy", J, _ENERGY, violated_share, error=False, value=False),
    _R_MATCHED,
    _r_MATCHED,
    _TEST_ERROR,
    Recorded(
        "Q_matched", J,
        "overlap of the couplings of two ladders of one data set, neurons matched",
        lambda m: overlaps.coupling_overlap(m.net, m.partner_matched), Needs.PARTNER,
        bounds=LIKENESS,
    ),
    Recorded(
        "q_matched", S,
        "overlap of the neurons of two ladders of one data set, neurons matched",
        lambda m: overlaps.neuron_overlap(m.net, m.partner_matched), Needs.PARTNER,
        bounds=LIKENESS,
    ),
    Recorded(
        "Q_self", J,
        "overlap of the couplings with those in the middle of the run, neurons matched",
        lambda m: overlaps.coupling_overlap(m.earlier, m.now_matched), Needs.EARLIER,
        judged=False,
    ),
    Recorded(
        "q_self", S,
        "overlap of the neurons with those in the middle of the run, neurons matched",
        lambda m: overlaps.neuron_overlap(m.earlier, m.now_matched), Needs.EARLIER,
        judged=False,
    ),
    _SPIN_CORRELATION,
)  # fmt: skip

PAIRS: tuple[Distribution, ...] = (
    Distribution(
        "Q", J, "overlap of the couplings of two ladders of one data set, any labels of neurons",
        lambda m: free_overlap(m, couplings=True), lambda m: free_square(m, couplings=True),
    ),
    Distribution(
        "q", S, "overlap of the neurons of two ladders of one data set, whatever their labels",
        lambda m: free_overlap(m, couplings=False), lambda m: free_square(m, couplings=False),
    ),
)  # fmt: skip

CURVES: tuple[Curve, ...] = (
    Curve("J", J, "autocorrelation of the couplings of layer l after t sweeps", lambda net: net.J),
    Curve("S", S, "autocorrelation of the neurons of layer l after t sweeps",
          lambda net: net.S[1:-1]),
)  # fmt: skip

TIMES: tuple[CurveTime, ...] = (
    CurveTime("tau_J", "C_J", J, "time where C_J is 1/e, nan: not known", relaxation.crossing_time,
              bounded=True),
    CurveTime("tau_S", "C_S", S, "time where C_S is 1/e, nan: not known", relaxation.crossing_time,
              bounded=True),
    CurveTime("integral_J", "C_J", J, "area under C_J down to 0.05", relaxation.integral_time),
    CurveTime("integral_S", "C_S", S, "area under C_S down to 0.05", relaxation.integral_time),
)  # fmt: skip


# --- what is asked of the rows ---------------------------------------------------------------


def bound_sides(start: Start, rows: Iterable[Recorded | CurveTime]) -> dict[str, str]:
    """Name -> side of its bound, of the rows that have one after this start."""
    out = {}
    for row in rows:
        if isinstance(row, CurveTime):
            if row.bounded:
                out[row.name] = str(Side.LOWER)
        elif start in row.bounds and row.value and row.judged:
            out[row.name] = str(row.bounds[start])
    return out


def free_overlaps(spec: Spec, teacher: bool = True) -> tuple[str, str]:
    """Names of the overlaps of couplings and of neurons that no relabelling of neurons changes.

    With the teacher: matched in a fully connected network, without regard to signs in a diluted
    one.  Of two replicas (``teacher`` False) from one start: raw, and without regard to signs.
    """
    diluted = not spec.reads.dense
    letters = ("R", "r") if teacher else ("Q", "q")
    end = "_gauge" if diluted else "_matched" if teacher else ""
    return letters[0] + end, letters[1] + end


def teacher_overlaps(spec: Spec) -> tuple[str, str]:
    """Names of the overlaps with the teacher that a run is told by: raw where it began there.

    In a diluted network, whose neurons flip but are never permuted, those without regard to signs.
    """
    free = free_overlaps(spec)
    if spec.start is Start.PLANTED and free[0] == "R_matched":
        return "R", "r"
    return free


# --- all arrays of a result ------------------------------------------------------------------


def relaxation_table() -> dict[str, Dataset]:
    """Name -> array of a run at one temperature, scales first."""
    table = {
        "times": Dataset(("times",), "time since the origin", "sweeps", whole=True),
        "series_times": Dataset(
            ("series_times",), "time since the start", "sweeps", whole=True, printed=False
        ),
        "origin_times": Dataset(
            ("origin",), "time of the origin since the start", "sweeps", whole=True, printed=False
        ),
    }
    for curve in CURVES:
        table |= curve.datasets()
    for time in TIMES:
        table |= time.datasets()
    for letter, layers, what in (("J", J, "couplings"), ("S", S, "neurons")):
        accepted = f"accepted fraction of the moves of the {what}"
        table[f"acceptance.{letter}"] = Dataset((str(layers),), accepted)
    for recorded in RECORDED:
        table |= recorded.datasets()
    return table


def ladder_table() -> dict[str, Dataset]:
    """Name -> array of a run of replica exchange, scales first."""
    block = "end of the block of rounds that is averaged"
    trips = "ways from the lowest rung to the highest and back"
    table = {
        "betas": Dataset(("betas",), "inverse temperature of the rung"),
        "series_times": Dataset(("series_times",), block, "sweeps", whole=True, printed=False),
        "steps": Dataset(("betas",), "step of the rotations by rung"),
        "swap_acceptance": Dataset(("pair",), "accepted fraction of swaps of rungs k and k + 1"),
        "round_trips": Dataset(("sample",), trips, whole=True),
        "energy": Dataset(("betas", str(J)), "fraction of violated gaps by rung"),
    }
    for row in LADDER:
        table |= row.datasets(", largest beta")
    centre = "centre of the bin of overlaps, which are 0.02 wide; none where there is one ladder"
    table["overlap"] = Dataset(("overlap",), centre)
    for pair in PAIRS:
        table |= pair.datasets()
    return table
