"""Results of `replicadnn.transitions`: thresholds, first-order steps, straight line, files."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from replicadnn.problem import AVERAGED, EXACT, Ansatz, Problem, Scenario
from replicadnn.questions.schema import Answer, Item, Schema, beta_value, origin
from replicadnn.storage.tables import Column, Plain, Table, Tables, plain
from replicadnn.theory.counting import largest
from replicadnn.types import FloatArray
from replicadnn.validate import choice

#: q_EA of a centre below which a step that starts there fills it.
_THIN = 0.1


class Order(enum.StrEnum):
    """Order of the transition in which a layer becomes solid."""

    SECOND = "second"
    #: With others, in a step.
    FIRST = "first"
    #: It stays liquid as far as alpha was raised.
    NOT_REACHED = ""


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where one layer becomes solid.

    Attributes
    ----------
    layer : int
        Neuron layer l; where fronts grow from both boundaries (closure averaged) that of the one
        at the inputs, which is the depth from the nearest boundary.
    alpha : float
        Where the layer becomes solid when alpha is raised; nan if it does not below ``alpha_max``.
    uncertainty : float
        Bracket of the sign change of (22) and rounding; with levels, their error.
    onset : float
        Where (22) holds for this layer on the curve.  Equal to ``alpha`` for a second-order
        transition; smaller if the curve had to be left by a first-order step before, nan where
        it was not followed behind that step (independent fronts).
    order : Order
    growth : float
        d q(l) / d ln alpha just above a second-order onset (q grows linearly).
    coarse : float
        With levels: ``alpha`` with half as many (with one level: ``alpha``); else nan.
    """

    layer: int
    alpha: float
    uncertainty: float
    onset: float
    order: Order
    growth: float
    coarse: float = math.nan

    @classmethod
    def missing(cls, layer: int) -> Threshold:
        """A layer that stays liquid."""
        nan = math.nan
        return cls(layer, nan, nan, nan, Order.NOT_REACHED, nan)


@dataclass(frozen=True, slots=True)
class Step:
    """A first-order step: the curve turns back at ``up`` (alpha rising) and at ``down`` (falling).

    It turns in a fold, or at ``up`` where a layer sets in towards smaller alpha.

    ``coexistence`` is where the solution beyond ``down`` and the smallest one have equal s;
    ``solid_before``, ``solid_after`` count solid layers of a front, ``q_before`` and ``q_after``
    are q_EA of the layer that becomes solid last on either side of the jump at ``up``.  Where the
    curve turns back for good, what it falls to is on another one: ``down``, ``coexistence`` and
    ``q_after`` are nan, see
    `Transitions.saturated`.

    With independent fronts (`Transitions.independent`) only what alpha meets when it rises is
    known: ``down``, ``coexistence`` are nan, ``solid_before``, ``solid_after`` count the layers of
    both, ``q_before``, ``q_after`` are the smallest q_EA of a hidden layer.
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
    """Least squares ln alpha = intercept + slope n over the depths n = `Transitions.depths`.

    With standard errors; ``layers`` are the depths used.

    ``residual_max`` is the largest deviation of ln alpha; ``slope_first`` and ``slope_last`` are
    ln alpha(n+1)/alpha(n) at the two ends: equal if the law is linear.
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


_THRESHOLDS = Schema(
    "thresholds",
    Threshold,
    (
        Item("layer", "neuron layer l; of two mirrored fronts that of the one at the inputs"),
        Item("alpha", "threshold alpha(l) when alpha is raised", "22"),
        Item("uncertainty", "uncertainty of alpha(l)"),
        Item("onset", "alpha at which the instability criterion holds on the solution curve", "22"),
        Item("order", "order of the transition"),
        Item("growth", "d q(l) / d ln alpha above a second-order onset"),
        Item("coarse", "threshold with half as many levels", added=True),
    ),
)
_STEPS = Schema(
    "steps",
    Step,
    (
        Item("up", "spinodal when alpha rises"),
        Item("down", "spinodal when alpha falls"),
        Item("coexistence", "alpha of equal free entropy"),
        Item("uncertainty", "uncertainty of the coexistence"),
        Item("solid_before", "solid layers of a front below the step"),
        Item("solid_after", "solid layers of a front above the step"),
        Item("q_before", "q_EA of the layer that becomes solid last, below the step"),
        Item("q_after", "q_EA of the layer that becomes solid last, above the step"),
    ),
)
_THICKNESS = {
    "alpha": "patterns per coupling",
    "solid_layers": "solid layers of a front",
    "sum_q": "sum of q_EA over the hidden layers of one side",
}


def thickness_table(rows: list[tuple[float, float, float]]) -> dict[str, FloatArray]:
    """`Transitions.thickness` from rows (alpha, solid layers a side, sum of q_EA)."""
    table = np.array(rows, dtype=float).reshape(-1, len(_THICKNESS))
    return dict(zip(_THICKNESS, table.T.copy(), strict=True))


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Transitions(Answer):
    """All transitions of one network; see `transitions`.

    Attributes
    ----------
    thresholds : tuple of Threshold
        One a layer, in the order in which a front reaches them: 1..L//2, or L-1..1 with closure
        exact, whose only front starts at the output; with a margin, where a second one starts at
        the inputs, in the order of alpha.
    steps : tuple of Step
        First-order steps met when alpha rises, in order.
    fit : Fit or None
        Over the layers with a second-order transition and a liquid neighbour.
    thickness : mapping
        "alpha", "solid_layers" (of one front, or of both independent ones) and "sum_q" (sum of
        q_EA over them), alpha rising.
    last_liquid : float
        Largest alpha at which a liquid layer is left when alpha rises: threshold of the centre.
    liquid_returns : float
        Where a liquid layer reappears when alpha falls from the solid side; nan with independent
        fronts after a step, which is not followed back.
    saturated : float
        Teacher-student: from here on the saturated branch (q -> 1) has larger s than the solution
        reached by raising alpha; nan if there is none.  "frozen" in documents and files.
    saturated_uncertainty : float
        Of ``saturated``, from its bracket.
    saturated_spinodal : float
        Where that branch appears, by a fold, when alpha is raised; nan if it was not found.
    message : str
        What is missing, and why.
    levels : int
        Levels K (0: replica symmetric).
    closure : str
        Treatment of the neurons.
    finished : bool
        False if it was interrupted: thresholds that were not done are nan.
    """

    KIND: ClassVar[str] = "transitions"

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
    saturated: float
    saturated_uncertainty: float
    message: str
    levels: int = 0
    closure: str = AVERAGED
    saturated_spinodal: float = math.nan

    @property
    def alpha(self) -> FloatArray:
        """Thresholds of all layers, nan where one was not reached."""
        return np.array([t.alpha for t in self.thresholds])

    @property
    def layers(self) -> FloatArray:
        """Neuron layers of the thresholds."""
        return np.array([float(t.layer) for t in self.thresholds])

    @property
    def depths(self) -> FloatArray:
        """1, 2, ...: depth of each of them from the boundary where its front starts.

        The layers themselves where two independent fronts start.
        """
        if self.independent:
            return self.layers
        return np.arange(1.0, len(self.thresholds) + 1.0)

    @property
    def independent(self) -> bool:
        """Whether a front from the inputs and another from the outputs grow, each on its own."""
        return self.closure == EXACT and self.kappa != 0.0

    @property
    def origins(self) -> tuple[str, ...]:
        """Whence the front comes that reaches a layer: "inputs", "outputs" or "both"; "" if none.

        Two mirrored fronts: "both"; two independent ones meet in the last layer.
        """
        words, low, high = [], 0, self.L
        for t in self.thresholds:
            if math.isnan(t.alpha):
                words.append("")
            elif self.two_fronts or (self.independent and low + 1 == t.layer == high - 1):
                words.append("both")
            elif self.independent and t.layer == low + 1:
                words.append("inputs")
                low += 1
            else:
                words.append("outputs")
                high -= 1
        return tuple(words)

    @property
    def two_fronts(self) -> bool:
        """Whether mirrored fronts grow from both boundaries: depths are layers."""
        return not self.independent and bool(np.array_equal(self.layers, self.depths))

    @property
    def filling(self) -> Step | None:
        """The step by which the centre fills, i.e. the last one that starts with a thin centre."""
        thin = [s for s in self.steps if s.q_before < _THIN and s.q_after != 0.0]
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
                    _THRESHOLDS.document(t)
                    | {"possible": self.possible(t.alpha), "front": origin or None}
                    for t, origin in zip(self.thresholds, self.origins, strict=True)
                ],
                "scenario": str(self.scenario),
                "ansatz": str(self.ansatz),
                "closure": self.closure,
                "L": self.L,
                "kappa": self.kappa,
                "beta": beta_value(self.beta),
                "levels": self.levels,
                "fit": None if self.fit is None else _fields(self.fit),
                "liquid": {
                    "last_liquid": self.last_liquid,
                    "returns": self.liquid_returns,
                    "filling_step": (
                        None if self.filling is None else _STEPS.document(self.filling)
                    ),
                },
                "steps": [_STEPS.document(s) for s in self.steps],
                "frozen": {
                    "alpha": self.saturated,
                    "uncertainty": self.saturated_uncertainty,
                    "spinodal": self.saturated_spinodal,
                },
                "thickness": self.thickness,
                "message": self.message,
                "timings": self.timings,
                "finished": self.finished,
            }
        )
        return document

    def attributes(self) -> dict[str, Plain]:
        """Everything that is one number or word."""
        return {
            "scenario": str(self.scenario), "ansatz": str(self.ansatz), "closure": self.closure,
            "L": self.L,
            "kappa": self.kappa, "beta": self.beta, "levels": self.levels,
            "message": self.message, "last_liquid": self.last_liquid,
            "liquid_returns": self.liquid_returns, "frozen": self.saturated,
            "frozen_uncertainty": self.saturated_uncertainty,
            "frozen_spinodal": self.saturated_spinodal,
        }  # fmt: skip

    @classmethod
    def of_problem(cls, problem: Problem, **found: Any) -> Self:
        """What was found (the other attributes) for the layers of a problem, whatever its alpha."""
        return cls(
            scenario=problem.scenario, ansatz=problem.ansatz, closure=problem.closure,
            L=problem.L, kappa=problem.kappa, beta=problem.beta, **found,
        )  # fmt: skip

    def tables(self) -> list[Table]:
        """Thresholds (the fit is in their attributes), steps, thickness."""
        fit = {} if self.fit is None else _flat_fit(self.fit)
        possible = Column.possible(self.possible(t.alpha) for t in self.thresholds)
        thickness = tuple(Column.of(n, self.thickness[n], text) for n, text in _THICKNESS.items())
        return [
            _THRESHOLDS.table(self.thresholds, attributes=fit, more=[possible]),
            _STEPS.table(self.steps),
            Table("thickness", thickness),
        ]

    @classmethod
    def read(cls, file: Tables) -> Transitions:
        """What a file holds."""
        a, rows = file.attributes, _THRESHOLDS.read(file["thresholds"])
        return cls(
            scenario=choice(Scenario, "scenario", a["scenario"]),
            ansatz=choice(Ansatz, "ansatz", a["ansatz"]),
            L=int(a["L"]),
            kappa=float(a["kappa"]),
            beta=float(a["beta"]),
            thresholds=tuple(
                Threshold(**row | {"order": choice(Order, "order", row["order"])}) for row in rows
            ),
            steps=tuple(Step(**row) for row in _STEPS.read(file["steps"])),
            fit=_read_fit(file["thresholds"].attributes),
            thickness={name: file["thickness"][name] for name in _THICKNESS},
            last_liquid=float(a["last_liquid"]),
            liquid_returns=float(a["liquid_returns"]),
            saturated=float(a["frozen"]),
            saturated_uncertainty=float(a["frozen_uncertainty"]),
            saturated_spinodal=float(a.get("frozen_spinodal", math.nan)),  # not in older files
            message=str(a["message"]),
            levels=int(a["levels"]),
            closure=str(a.get("closure", AVERAGED)),
            **origin(file),
        )


load_transitions = Transitions.load


def _fields(item: Any) -> dict[str, Any]:
    return {name: getattr(item, name) for name in item.__dataclass_fields__}


def _flat_fit(fit: Fit) -> dict[str, Plain]:
    values = {f"fit_{k}": v for k, v in _fields(fit).items() if k != "layers"}
    return values | {"fit_first_layer": fit.layers[0], "fit_last_layer": fit.layers[-1]}


def _read_fit(attributes: Mapping[str, Plain]) -> Fit | None:
    if "fit_slope" not in attributes:
        return None
    values: dict[str, Any] = {k.removeprefix("fit_"): v for k, v in attributes.items()}
    layers = tuple(range(int(values.pop("first_layer")), int(values.pop("last_layer")) + 1))
    return Fit(layers=layers, **values)
