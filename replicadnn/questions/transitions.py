"""Where the layers freeze: thresholds alpha(l), first-order steps, thickness of the solid.

    layer l, liquid between q(l-1) and q(l+1), is unstable when
    alpha G(0)^2 (q(l-1)^2 + q(l+1)^2) > 1                            (docs/theory.md, eq. 22)

Replica symmetric: the solutions connected to the liquid are one curve in (overlaps, alpha), built
layer by layer (`ordering_path`).  While the layers beyond l are liquid the front is that of a chain
of l + 1 layers whose end has q = 0, so the left side of (22) is a smooth function along the curve
and a root search in it gives alpha(l).  Broken symmetry: `replicadnn.questions.transitions_broken`.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.stats import linregress

from replicadnn import interrupt
from replicadnn.errors import InputError
from replicadnn.problem import ALPHA_RANGE, Ansatz, Problem, Scenario
from replicadnn.provenance import provenance
from replicadnn.storage.tables import Column, Plain, Table, plain, reading, seconds, write_tables
from replicadnn.theory.closures import fronts, symmetric_equations
from replicadnn.theory.contract import Stage
from replicadnn.theory.counting import largest
from replicadnn.theory.symmetric import search as branches
from replicadnn.theory.symmetric.curve import Curve, Point
from replicadnn.theory.symmetric.state import SATURATED, State, full_order, neuron_logit
from replicadnn.types import FloatArray
from replicadnn.validate import choice, real, whole

#: Called after every layer with (layers done, layers in all).
Progress = Callable[[int, int], None]

MAX_DEPTH = 1000
#: Logit of the overlap with which a layer starts: q = 8e-7, alpha - alpha(l) is then ~ q alpha(l).
_START = -14.0
#: Half width, in the logit of the control, of the bracket that certifies a root.
_BRACKET = 1e-9
#: Relative error of alpha from rounding and quadrature (tests: against 18-digit integrals).
_ROUNDING = 1e-12
#: The curve of a network without liquid layers is followed to this distance of q(centre) from 1
#: (random data: where the volume closes it is not resolved further).
_NEAR_ONE = {True: 1e-9, False: 1e-3}


@dataclass(frozen=True, slots=True)
class Threshold:
    """Freezing of one layer.

    Attributes
    ----------
    layer : int
        Depth from the nearest boundary, 1 first.
    alpha : float
        Where the layer freezes when alpha is raised; nan if it does not below ``alpha_max``.
    uncertainty : float
        Bracket of the sign change of (22) and rounding; with levels, their error.
    onset : float
        Where (22) holds for this layer on the curve.  Equal to ``alpha`` for a second-order
        transition; smaller if the curve had to be left by a first-order step before.
    order : str
        "second", "first" (with others, in a step), or "" if not reached.
    growth : float
        d q(l) / d ln alpha just above a second-order onset (q grows linearly).
    """

    layer: int
    alpha: float
    uncertainty: float
    onset: float
    order: str
    growth: float


@dataclass(frozen=True, slots=True)
class Step:
    """A first-order step: the curve folds at ``up`` (alpha rising) and at ``down`` (falling).

    ``coexistence`` is where the solution beyond ``down`` and the smallest one have equal s;
    ``solid_before``, ``solid_after`` count solid layers a side, ``q_before`` and ``q_after`` are
    q_EA of the centre on either side of the jump at ``up``.
    """

    up: float
    down: float
    coexistence: float
    uncertainty: float
    solid_before: int
    solid_after: int
    q_before: float
    q_after: float


@dataclass(frozen=True, slots=True)
class Fit:
    """Least squares ln alpha(l) = intercept + slope l with standard errors.

    ``residual_max`` is the largest deviation of ln alpha; ``slope_first`` and ``slope_last`` are
    ln alpha(l+1)/alpha(l) at the two ends: equal if the law is linear.
    """

    layers: tuple[int, ...]
    intercept: float
    intercept_err: float
    slope: float
    slope_err: float
    r_squared: float
    residual_max: float
    slope_first: float
    slope_last: float


@dataclass(frozen=True, slots=True)
class Transitions:
    """All transitions of one network; see `transitions`.

    Attributes
    ----------
    thresholds : tuple of Threshold
        One a layer, 1..L//2.
    steps : tuple of Step
        First-order steps met when alpha rises, in order.
    fit : Fit or None
        Over the layers that freeze by a second-order transition with a liquid neighbour.
    thickness : mapping
        "alpha", "solid_layers" (a side) and "sum_q" (sum of q_EA over one side), alpha rising.
    last_liquid : float
        Largest alpha at which a liquid layer is left when alpha rises: threshold of the centre.
    liquid_returns : float
        Where a liquid layer reappears when alpha falls from the solid side.
    frozen : float
        Teacher-student: from here on the frozen branch (q -> 1) has larger s than the solution
        reached by raising alpha; nan if there is none.
    frozen_uncertainty : float
        Of ``frozen``, from its bracket.
    message : str
        What is missing, and why.
    finished : bool
        False if it was interrupted: thresholds that were not done are nan.
    """

    scenario: Scenario
    ansatz: Ansatz
    L: int
    kappa: float
    beta: float
    thresholds: tuple[Threshold, ...]
    steps: tuple[Step, ...]
    fit: Fit | None
    thickness: Mapping[str, FloatArray]
    last_liquid: float
    liquid_returns: float
    frozen: float
    frozen_uncertainty: float
    message: str
    levels: int = 0
    timings: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    finished: bool = True

    @property
    def alpha(self) -> FloatArray:
        """Thresholds of all layers, nan where one was not reached."""
        return np.array([t.alpha for t in self.thresholds])

    @property
    def layers(self) -> FloatArray:
        """Depths 1..L//2 from the nearest boundary."""
        return np.array([float(t.layer) for t in self.thresholds])

    @property
    def filling(self) -> Step | None:
        """The step by which the centre fills, i.e. the last one that starts with a thin centre."""
        thin = [s for s in self.steps if s.q_before < 0.1]
        return thin[-1] if thin else None

    @property
    def converged(self) -> bool:
        """Every layer has a threshold."""
        return not any(math.isnan(t.alpha) for t in self.thresholds)

    @property
    def bound(self) -> float:
        """Counting bound on alpha (random data, hard constraints, kappa >= 0), else nan."""
        return largest(
            Problem(alpha=1.0, L=self.L, scenario=self.scenario, kappa=self.kappa, beta=self.beta)
        )

    def possible(self, alpha: float) -> bool | None:
        """Whether networks can store the data at this alpha; None where the bound does not tell."""
        return None if math.isnan(alpha) or math.isnan(self.bound) else alpha <= self.bound

    def as_dict(self) -> dict[str, Any]:
        """The document of ``transitions --json``: plain values, null for what does not exist."""
        document: dict[str, Any] = plain(
            {
                "transitions": [
                    _fields(t) | {"possible": self.possible(t.alpha)} for t in self.thresholds
                ],
                "scenario": str(self.scenario),
                "ansatz": str(self.ansatz),
                "L": self.L,
                "kappa": self.kappa,
                "beta": "inf" if math.isinf(self.beta) else self.beta,
                "levels": self.levels,
                "fit": None if self.fit is None else _fields(self.fit),
                "liquid": {
                    "last_liquid": self.last_liquid,
                    "returns": self.liquid_returns,
                    "filling_step": None if self.filling is None else _fields(self.filling),
                },
                "steps": [_fields(s) for s in self.steps],
                "frozen": {"alpha": self.frozen, "uncertainty": self.frozen_uncertainty},
                "thickness": self.thickness,
                "message": self.message,
                "timings": self.timings,
                "finished": self.finished,
            }
        )
        return document

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write everything to one HDF5 file of kind "transitions" (docs/file-format.md).

        Raises
        ------
        FileError
            The file exists (without ``overwrite``), the folder is missing, or writing fails.
        """
        attributes: dict[str, Plain] = {
            "scenario": str(self.scenario), "ansatz": str(self.ansatz), "L": self.L,
            "kappa": self.kappa, "beta": self.beta, "levels": self.levels,
            "message": self.message, "last_liquid": self.last_liquid,
            "liquid_returns": self.liquid_returns, "frozen": self.frozen,
            "frozen_uncertainty": self.frozen_uncertainty,
        }  # fmt: skip
        return write_tables(
            path, "transitions", self._tables(), attributes=attributes | seconds(self.timings),
            provenance=self.provenance, finished=self.finished, overwrite=overwrite,
        )  # fmt: skip

    def _tables(self) -> list[Table]:
        fit = {} if self.fit is None else _flat_fit(self.fit)
        thresholds = Table.of("thresholds", self.thresholds, _THRESHOLD_COLUMNS, fit)
        possible = Column.possible(self.possible(t.alpha) for t in self.thresholds)
        thresholds = replace(thresholds, columns=(*thresholds.columns, possible))
        steps = Table.of("steps", self.steps, _STEP_COLUMNS)
        thickness = Table(
            "thickness",
            tuple(Column.of(name, self.thickness[name], text) for name, text in _THICKNESS_COLUMNS),
        )
        return [thresholds, steps, thickness]


_THRESHOLD_COLUMNS = (
    ("layer", "depth of the layer from the nearest boundary", ""),
    ("alpha", "threshold alpha(l) when alpha is raised", "22"),
    ("uncertainty", "uncertainty of alpha(l)", ""),
    ("onset", "alpha at which the instability criterion holds on the solution curve", "22"),
    ("order", "order of the transition", ""),
    ("growth", "d q(l) / d ln alpha above a second-order onset", ""),
)
_STEP_COLUMNS = (
    ("up", "spinodal when alpha rises", ""),
    ("down", "spinodal when alpha falls", ""),
    ("coexistence", "alpha of equal free entropy", ""),
    ("uncertainty", "uncertainty of the coexistence", ""),
    ("solid_before", "solid layers a side below the step", ""),
    ("solid_after", "solid layers a side above the step", ""),
    ("q_before", "q_EA of the centre below the step", ""),
    ("q_after", "q_EA of the centre above the step", ""),
)
_THICKNESS_COLUMNS = (
    ("alpha", "patterns per coupling"),
    ("solid_layers", "solid layers a side"),
    ("sum_q", "sum of q_EA over the hidden layers of one side"),
)


def _fields(item: Any) -> dict[str, Any]:
    return {name: getattr(item, name) for name in item.__dataclass_fields__}


def _flat_fit(fit: Fit) -> dict[str, Plain]:
    values = {f"fit_{k}": v for k, v in _fields(fit).items() if k != "layers"}
    return values | {"fit_first_layer": fit.layers[0], "fit_last_layer": fit.layers[-1]}


def load_transitions(path: str | Path) -> Transitions:
    """Read a file of kind "transitions".

    Raises
    ------
    FileError
        As `replicadnn.load`.
    """
    with reading(path, "transitions") as file:
        a, rows = file.attributes, file["thresholds"]
        return Transitions(
            scenario=choice(Scenario, "scenario", a["scenario"]),
            ansatz=choice(Ansatz, "ansatz", a["ansatz"]),
            L=int(a["L"]),
            kappa=float(a["kappa"]),
            beta=float(a["beta"]),
            thresholds=tuple(
                Threshold(**{name: row[name] for name, _, _ in _THRESHOLD_COLUMNS})
                for row in rows.records()
            ),
            steps=tuple(Step(**row) for row in file["steps"].records()),
            fit=_read_fit(rows.attributes),
            thickness={n: file["thickness"][n] for n, _ in _THICKNESS_COLUMNS},
            last_liquid=float(a["last_liquid"]),
            liquid_returns=float(a["liquid_returns"]),
            frozen=float(a["frozen"]),
            frozen_uncertainty=float(a["frozen_uncertainty"]),
            message=str(a["message"]),
            levels=int(a["levels"]),
            timings=file.timings,
            provenance=file.provenance,
            finished=file.finished,
        )


def _read_fit(attributes: Mapping[str, Plain]) -> Fit | None:
    if "fit_slope" not in attributes:
        return None
    values: dict[str, Any] = {k.removeprefix("fit_"): v for k, v in attributes.items()}
    layers = tuple(range(int(values.pop("first_layer")), int(values.pop("last_layer")) + 1))
    return Fit(layers=layers, **values)


def transitions(
    L: int,
    *,
    scenario: str = "teacher-student",
    ansatz: str | None = None,
    kappa: float = 0.0,
    beta: float = math.inf,
    alpha_max: float = ALPHA_RANGE[1],
    levels: int = 8,
    threads: int = 1,
    progress: Progress | None = None,
) -> Transitions:
    """Thresholds alpha(l) of all layers, first-order steps, and the fate of the liquid centre.

    Parameters
    ----------
    L : int
        Depth, 1..1000 (L = 1 has no hidden layer and no transition).
    scenario : {"teacher-student", "random"}
    ansatz : {"rs", "1rsb", "rsb"}, optional
        Default as in `replicadnn.solve`.
    kappa, beta : float
        Margin and inverse temperature.
    alpha_max : float
        Nothing is looked for beyond.
    levels : int
        Levels K of rsb; the error comes from K and K/2 levels.
    threads : int
        Threads over the layers (rsb).
    progress : callable, optional
        Called with (layers done, layers in all).

    Returns
    -------
    Transitions

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.
    KeyboardInterrupt
        Ctrl-C; its ``partial`` holds what is done.

    Examples
    --------
    >>> import replicadnn as rd
    >>> found = rd.transitions(20)
    >>> print(found.alpha[:4].round(6))
    [ 2.467401 12.915626 38.421296 88.86683 ]
    >>> step = found.filling
    >>> round(step.down, 3), round(step.coexistence, 3), round(step.up, 3)
    (429.639, 544.745, 754.744)
    """
    from replicadnn.theory.solve import default_ansatz

    setting = choice(Scenario, "scenario", scenario)
    structure = default_ansatz(setting) if ansatz is None else choice(Ansatz, "ansatz", ansatz)
    if structure is not Ansatz.RS and setting is Scenario.TEACHER_STUDENT:
        raise InputError("ansatz", str(structure), "rs (exact for teacher-student data)")
    whole("L", L, 1, MAX_DEPTH)
    low, high = ALPHA_RANGE
    alpha_max = real("alpha_max", alpha_max, low, high, f"a number from {low:g} to {high:g}")
    whole("levels", levels, 1, 512)
    whole("threads", threads, 1, 1024)
    problem = Problem(
        alpha=1.0, L=L, scenario=setting, ansatz=structure, kappa=kappa, beta=beta
    )  # fmt: skip
    if structure is not Ansatz.RS:
        from replicadnn.questions.transitions_broken import broken_transitions

        count = 1 if structure is Ansatz.ONE_RSB else levels
        return broken_transitions(problem, alpha_max, count, threads, progress)
    return _symmetric_transitions(problem, alpha_max, progress)


# -- the curve of the solutions connected to the liquid --------------------------------------------


@dataclass(slots=True)
class Segment:
    """The part of the curve on which ``layer`` is the last solid one.

    ``points`` run from its onset to the onset of the next layer (or, for the centre, to the end);
    folds are among them.  ``complete`` is False where alpha_max or a failure came first.
    """

    stage: Stage
    curve: Curve
    points: list[Point]
    folds: list[int]
    complete: bool = False

    @property
    def layer(self) -> int:
        """Solid layers a front."""
        return self.stage.layer


def ordering_path(problem: Problem, alpha_max: float) -> Iterator[Segment]:
    """The curve from the liquid on, one segment for each layer 1..L//2 that starts to freeze.

    While the next layer is liquid the curve is that of the chain q(0) = 1, ..., q(layer+1) = 0;
    with the centre solid it is that of the whole (symmetric) network.
    """
    growth = fronts(problem)
    log_alpha = math.log(growth.first_threshold)
    front: State | None = None
    log_max = math.log(alpha_max)
    near_one = _NEAR_ONE[problem.teacher]
    for layer in range(1, len(growth.layers) + 1):
        if log_alpha > log_max:
            return
        stage = growth.stage(layer)
        curve = Curve(
            symmetric_equations(stage.problem), neuron_logit(stage.newest), stage.mirrored
        )
        start = curve.solve(stage.seed(front, log_alpha, math.exp(_START)), log_alpha)
        if start is None:
            return
        segment = Segment(stage, curve, [start], [])

        def excess(point: Point, stage: Stage = stage) -> float:
            return stage.excess(point.state, point.log_alpha)

        def over(point: Point, stage: Stage = stage, excess: Any = excess) -> bool:
            if point.log_alpha > log_max:
                return True
            if stage.closed:
                return bool(point.state.p[stage.newest] < near_one)
            return bool(excess(point) >= 0.0)

        for point in curve.trace(start, over):
            before = segment.points[-1]
            if point.slope * before.slope < 0.0:
                segment.folds.append(len(segment.points))
                segment.points.append(curve.fold(before, point))
            segment.points.append(point)
        if not stage.closed and excess(segment.points[-1]) >= 0.0:
            # a fold may lie between the onset of the next layer and the last point
            end = next(j for j, point in enumerate(segment.points) if excess(point) >= 0.0)
            onset = curve.root(segment.points[end - 1], segment.points[end], excess)
            segment.points[end:] = [onset]
            segment.folds = [j for j in segment.folds if j < end]
            segment.complete = True
            log_alpha, front = onset.log_alpha, onset.state
        yield segment
        if not segment.complete:
            return


@dataclass(slots=True)
class SolutionPath:
    """All segments of one network: where the curve crosses a given alpha, and s there."""

    problem: Problem
    segments: Sequence[Segment]

    def places(self) -> list[tuple[int, int]]:
        """(segment, point) of every point in order."""
        return [(i, j) for i, s in enumerate(self.segments) for j in range(len(s.points))]

    def crossing(self, log_alpha: float, after: tuple[int, int] = (0, 0)) -> Found | None:
        """The first rising crossing of ``log_alpha`` from the point ``after`` on."""
        for i, segment in enumerate(self.segments):
            points = segment.points
            for j in range(len(points) - 1):
                if (i, j) < after:
                    continue
                a, b = points[j], points[j + 1]
                if a.log_alpha <= log_alpha < b.log_alpha:
                    found = segment.curve.root(a, b, lambda p: p.log_alpha - log_alpha)
                    return Found((i, j), found)
        return None

    def entropy(self, found: Found) -> float:
        """s of the whole network at a point of the curve."""
        segment = self.segments[found.place[0]]
        network = symmetric_equations(
            replace(self.problem, alpha=found.point.alpha, ansatz=Ansatz.RS)
        )
        return network.free_entropy(segment.stage.expand(found.point.state)).total


@dataclass(frozen=True, slots=True)
class Found:
    """A point of the curve and its place (segment, point before)."""

    place: tuple[int, int]
    point: Point


# -- what the curve says ----------------------------------------------------------------------


def _symmetric_transitions(
    problem: Problem, alpha_max: float, progress: Progress | None
) -> Transitions:
    began = time.perf_counter()
    centre = problem.L // 2
    segments: list[Segment] = []
    steps: tuple[Step, ...] = ()
    frozen = (math.nan, math.nan)
    traced = began

    def result(finished: bool) -> tuple[Transitions, int]:
        thresholds = _thresholds(problem, segments, alpha_max)
        last, returns = _liquid(segments, thresholds)
        message = _message(problem, thresholds, alpha_max)
        found = Transitions(
            scenario=problem.scenario,
            ansatz=Ansatz.RS,
            L=problem.L,
            kappa=problem.kappa,
            beta=problem.beta,
            thresholds=thresholds,
            steps=steps,
            fit=fit_thresholds(thresholds, problem.L),
            thickness=_thickness(segments),
            last_liquid=last,
            liquid_returns=returns,
            frozen=frozen[0],
            frozen_uncertainty=frozen[1],
            message=message if finished else "interrupted",
            timings={"curve": traced - began, "steps": time.perf_counter() - traced},
            provenance=provenance(),
            finished=finished,
        )
        return found, int(np.isfinite(found.alpha).sum())

    with interrupt.keeping(lambda: result(False)):
        for segment in ordering_path(problem, alpha_max) if centre else ():
            segments.append(segment)
            if progress is not None:
                progress(segment.layer, centre)
        traced = time.perf_counter()
        path = SolutionPath(problem, segments)
        steps = _steps(path)
        frozen = _frozen_overtakes(path, steps, alpha_max)
    return result(True)[0]


def _thresholds(
    problem: Problem, segments: Sequence[Segment], alpha_max: float
) -> tuple[Threshold, ...]:
    nan = math.nan
    out: list[Threshold] = []
    highest, highest_width = -math.inf, 0.0
    for layer in range(1, problem.L // 2 + 1):
        if layer == 1:
            onset = fronts(problem).first_threshold
            width = _ROUNDING * onset
        elif layer - 2 < len(segments) and segments[layer - 2].complete:
            last = segments[layer - 2].points[-1]
            onset = last.alpha
            width = _width(segments[layer - 2].curve, last)
        else:
            onset, width = nan, nan
        if not onset <= alpha_max or not max(onset, highest) <= alpha_max:
            out.append(Threshold(layer, nan, nan, nan, "", nan))
            continue
        second = onset >= highest
        growth = nan
        if layer - 1 < len(segments):
            start = segments[layer - 1].points[0]
            growth = math.exp(_START) / float(start.slope)
            second = second and start.slope > 0.0
        alpha, error = (onset, width) if onset >= highest else (highest, highest_width)
        out.append(
            Threshold(layer, alpha, error, onset, "second" if second else "first",
                      growth if second else nan)
        )  # fmt: skip
        highest = max(highest, onset)
        if layer - 1 < len(segments):
            segment = segments[layer - 1]
            for j in segment.folds:
                if segment.points[j].alpha > highest:
                    highest = segment.points[j].alpha
                    highest_width = _width(segment.curve, segment.points[j])
    return tuple(out)


def _width(curve: Curve, point: Point) -> float:
    """Uncertainty of alpha at a root in the control: its bracket, and rounding."""
    ends = [curve.at(point.y + sign * _BRACKET, point) for sign in (-1.0, 1.0)]
    spread = max(abs(e.alpha - point.alpha) if e is not None else math.inf for e in ends)
    return spread + _ROUNDING * point.alpha


def _steps(path: SolutionPath) -> tuple[Step, ...]:
    """Steps met when alpha rises: maxima of alpha above everything before, and where they lead."""
    out = []
    highest = -math.inf
    for i, segment in enumerate(path.segments):
        for j, point in enumerate(segment.points):
            maximum = j in segment.folds and segment.points[j - 1].slope > 0.0
            if maximum and point.log_alpha > highest:
                out.append(_step(path, (i, j)))
            highest = max(highest, point.log_alpha)
    return tuple(out)


def _step(path: SolutionPath, place: tuple[int, int]) -> Step:
    top = path.segments[place[0]].points[place[1]]
    landing = path.crossing(top.log_alpha, after=(place[0], place[1] + 1))
    minima = [
        (i, j)
        for i, s in enumerate(path.segments)
        for j in s.folds
        if (i, j) > place and s.points[j - 1].slope < 0.0
    ]
    if landing is not None:
        minima = [m for m in minima if m <= landing.place][-1:]
    down = path.segments[minima[-1][0]].points[minima[-1][1]] if minima else None
    coexistence, uncertainty = math.nan, math.nan
    if down is not None:
        high = min(top.log_alpha, path.segments[-1].points[-1].log_alpha)
        coexistence, uncertainty = _coexistence(path, minima[-1], down.log_alpha, high)
    before = path.segments[place[0]]
    after = path.segments[landing.place[0]] if landing is not None else None
    return Step(
        up=top.alpha,
        down=math.nan if down is None else down.alpha,
        coexistence=coexistence,
        uncertainty=uncertainty,
        solid_before=before.layer,
        solid_after=after.layer if after is not None else path.problem.L // 2,
        q_before=_centre_overlap(before, top, path.problem),
        q_after=(
            _centre_overlap(after, landing.point, path.problem)
            if after is not None and landing is not None
            else _centre_overlap(path.segments[-1], path.segments[-1].points[-1], path.problem)
        ),
    )


def _centre_overlap(segment: Segment, point: Point, problem: Problem) -> float:
    return float(segment.stage.expand(point.state).q[fronts(problem).layers[-1]])


def _coexistence(
    path: SolutionPath, minimum: tuple[int, int], low: float, high: float
) -> tuple[float, float]:
    """alpha at which the solution beyond a fold has the s of the first one on the curve."""

    def difference(log_alpha: float) -> float:
        lower = path.crossing(log_alpha)
        upper = path.crossing(log_alpha, after=minimum)
        if lower is None or upper is None:
            return math.nan
        return path.entropy(upper) - path.entropy(lower)

    inset = 1e-9 * max(1.0, abs(high - low))
    low, high = low + inset, high - inset
    ends = difference(low), difference(high)
    if not ends[0] * ends[1] < 0.0:
        return math.nan, math.nan
    width = 1e-9
    root = float(brentq(difference, low, high, xtol=1e-12, rtol=1e-14))
    while difference(root - width) * difference(root + width) > 0.0 and width < 1e-3:
        width *= 4.0
    return math.exp(root), math.exp(root) * 2.0 * width


def _liquid(segments: Sequence[Segment], thresholds: Sequence[Threshold]) -> tuple[float, float]:
    """Largest alpha with a liquid layer on the way up; where one returns on the way down."""
    if not thresholds or math.isnan(thresholds[-1].alpha) or len(segments) < len(thresholds):
        return math.nan, math.nan
    closed = segments[-1]
    return thresholds[-1].alpha, min(
        thresholds[-1].onset, min(point.alpha for point in closed.points)
    )


def _frozen_overtakes(
    path: SolutionPath, steps: Sequence[Step], alpha_max: float
) -> tuple[float, float]:
    """Teacher-student: from which alpha on the frozen branch has larger s than the first solution.

    The frozen branch is what falls from full order (docs/theory.md, section 5.4); in shallow
    networks the curve itself leads there.
    """
    problem = path.problem
    if not problem.teacher or not path.segments:
        return math.nan, math.nan
    end = path.segments[-1]
    if steps and _centre_overlap(end, end.points[-1], problem) > SATURATED:
        return steps[-1].coexistence, steps[-1].uncertainty

    def gain(log_alpha: float) -> float:
        equations = symmetric_equations(
            replace(problem, alpha=math.exp(log_alpha), ansatz=Ansatz.RS)
        )
        top = branches.settle(equations, full_order(equations.problem), side=-1, max_sweeps=20_000)
        first = path.crossing(log_alpha)
        if not top.found or first is None or np.any(top.state.q < SATURATED):
            return -math.inf
        return equations.free_entropy(top.state).total - path.entropy(first)

    low = math.log(path.segments[0].points[0].alpha) + 1e-6
    grid = np.arange(low, math.log(alpha_max), 0.25)
    before = -math.inf
    for a, b in itertools.pairwise(grid):
        value = gain(b)
        if value > 0.0:
            if math.isinf(before):  # the branch appears within this step of the grid
                a = _first_finite(gain, a, b)
                if gain(a) > 0.0:
                    return math.exp(a), math.exp(a) * 1e-6
            root = float(brentq(gain, a, b, xtol=1e-11, rtol=1e-13))
            return math.exp(root), math.exp(root) * 1e-9
        before = value
        if b > 12.0:
            break
    return math.nan, math.nan


def _first_finite(value: Callable[[float], float], low: float, high: float) -> float:
    """Where ``value`` becomes finite (to 1e-7), between an infinite and a finite argument."""
    while high - low > 1e-7:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if math.isfinite(value(middle)) else (middle, high)
    return high


def _thickness(segments: Sequence[Segment]) -> dict[str, FloatArray]:
    """Solid layers a side and sum of q over them while alpha rises."""
    rows = []
    highest = -math.inf
    for segment in segments:
        for point in segment.points:
            if point.log_alpha > highest:
                highest = point.log_alpha
                total = float(np.sum(point.state.q[1 : segment.layer + 1]))
                rows.append((point.alpha, float(segment.layer), total))
    table = np.array(rows).reshape(-1, 3)
    return {name: table[:, i] for i, (name, _) in enumerate(_THICKNESS_COLUMNS)}


def fit_thresholds(thresholds: Sequence[Threshold], L: int) -> Fit | None:
    """Straight line through ln alpha(l) over the second-order layers with a liquid neighbour.

    Left out: layers of first-order steps, and the centre of an even network, whose two solid
    neighbours change its criterion.  None with fewer than three layers.
    """
    used = [t for t in thresholds if t.order == "second" and not (L % 2 == 0 and t.layer == L // 2)]
    if len(used) < 3:
        return None
    layers = np.array([t.layer for t in used], float)
    logs = np.log([t.alpha for t in used])
    line = linregress(layers, logs)
    slopes = np.diff(logs) / np.diff(layers)
    return Fit(
        layers=tuple(t.layer for t in used),
        intercept=float(line.intercept),
        intercept_err=float(line.intercept_stderr),
        slope=float(line.slope),
        slope_err=float(line.stderr),
        r_squared=float(line.rvalue) ** 2,
        residual_max=float(np.max(np.abs(logs - line.intercept - line.slope * layers))),
        slope_first=float(slopes[0]),
        slope_last=float(slopes[-1]),
    )


def _message(problem: Problem, thresholds: Sequence[Threshold], alpha_max: float) -> str:
    if not thresholds:
        return "L = 1 has no hidden layer: no transition"
    missing = [t.layer for t in thresholds if math.isnan(t.alpha)]
    first = [t.layer for t in thresholds if t.order == "first"]
    words = []
    if first:
        words.append(f"layers {first[0]}..{first[-1]} freeze in first-order steps")
    if missing:
        words.append(
            f"layers {missing[0]}..{missing[-1]} stay liquid up to alpha_max = {alpha_max:g}"
        )
    return "; ".join(words) or "every layer freezes by a second-order transition"
