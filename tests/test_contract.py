"""Closures with answers in closed form run through search, transitions, files and figures.

Both toys pair the neurons of a hidden layer with the couplings of its perceptron, q(l) = Q(l) = x.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import replicadnn as rd
from replicadnn import plot
from replicadnn.certificate import CHECKS
from replicadnn.problem import Problem, Scenario
from replicadnn.questions.transitions.symmetric import symmetric_transitions
from replicadnn.theory import closures
from replicadnn.theory.contract import Entropy, Fall
from replicadnn.theory.symmetric.curve import Curve
from replicadnn.theory.symmetric.state import (
    LIQUID_FLOOR,
    State,
    coupling_logit,
    full_order,
    neuron_logit,
)
from replicadnn.types import BoolArray, FloatArray

#: alpha at which hidden layer l of `Independent` becomes solid: l = 1, 2, ...; never mirrored.
COSTS = (9.0, 5.0, 2.0)


@dataclass(frozen=True)
class Toy:
    """ln B(l) = ln(alpha/c_l) + p ln q(l) + coupling sum_{k>l} ln q(k);  Q = B/(1+B), q = Q.

    The couplings of the last perceptron have Q = alpha/(1+alpha).  coupling = 0: L - 1 independent
    layers; coupling = 1: a layer sees all those above it, and none below.  p = 1 is second order,
    p = 2 has a spinodal at alpha = 4 c.
    """

    problem: Problem
    power: int
    coupling: int
    monotone = True
    auto_is_continuous = False

    @property
    def costs(self) -> FloatArray:
        hidden = self.problem.L - 1
        return np.ones(hidden) if self.coupling else np.array(COSTS)[:hidden]

    def at(self, alpha: float) -> Toy:
        return replace(self, problem=replace(self.problem, alpha=alpha))

    def shallow(self) -> Toy:
        return self

    def starts_above(self) -> Sequence[State]:
        return [full_order(self.problem)]

    def search_between(self, smallest: State, largest: State, fall: Fall) -> None:
        pass

    def log_B(self, state: State) -> FloatArray:
        """Of all couplings; -inf in liquid layers."""
        out = np.full(self.problem.L, math.log(self.problem.alpha))
        with np.errstate(divide="ignore"):
            q = np.log(state.q[1:-1])
        above = np.append(np.cumsum(q[:0:-1])[::-1], 0.0)[: q.size] if q.size else q
        out[:-1] += self.power * q - np.log(self.costs)
        if self.coupling:
            out[:-1] += above
        return out

    def unstable_liquid_layers(self, state: State) -> list[int]:
        if self.power > 1:
            return []
        log_gain = self.log_B(State(np.where(state.q > 0.0, state.q, 1.0), *(state.p,) * 3))[:-1]
        above_solid = np.append(np.cumprod(state.q[-2:1:-1] > 0.0)[::-1], 1)[: log_gain.size]
        ready = above_solid.astype(bool) if self.coupling else True
        bad = (state.q[1:-1] == 0.0) & (log_gain > 1e-9) & ready
        return [int(l) + 1 for l in np.flatnonzero(bad)]

    def sweep(self, state: State, pairs: int) -> float:
        change = 0.0
        for _ in range(pairs):
            for l in self.unstable_liquid_layers(state):
                state.q[l], state.p[l] = 1e-3, 1.0 - 1e-3
            before = state.copy()
            log_B = self.log_B(state)
            state.Q, state.P = 1.0 / (1.0 + np.exp(-log_B)), 1.0 / (1.0 + np.exp(log_B))
            state.q[1:-1], state.p[1:-1] = state.Q[:-1], state.P[:-1]
            dead = np.flatnonzero(state.q < LIQUID_FLOOR)
            state.q[dead], state.p[dead] = 0.0, 1.0
            state.Q[dead - 1], state.P[dead - 1] = 0.0, 1.0
            both = ((state.q, before.q), (state.p, before.p), (state.Q, before.Q))
            change = max(
                float(np.max(np.abs(new - old) / np.maximum(old, 1e-300))) for new, old in both
            )
        return change

    def linearise(self, state: State, active: BoolArray) -> tuple[FloatArray, FloatArray]:
        size, L = active.size, self.problem.L
        jacobian = np.zeros((size, size))
        for l in range(1, L):
            row = coupling_logit(l)
            jacobian[neuron_logit(l), row] = 1.0
            jacobian[row, neuron_logit(l)] = self.power * state.p[l]
            for k in range(l + 1, L) if self.coupling else ():
                jacobian[row, neuron_logit(k)] = state.p[k]
        values = np.empty(size)
        values[0::2] = self.log_B(state)
        values[1::2] = state.logits[0:-1:2]
        with np.errstate(invalid="ignore"):
            values = np.where(active, values - state.logits, 0.0)
        matrix = np.eye(size) - jacobian * active * active[:, None]
        width = size - 1  # everything: the engine takes bands of any width
        bands = np.zeros((2 * width + 1, size))
        for i in range(size):
            for j in range(size):
                bands[width + i - j, j] = matrix[i, j]
        return values, bands

    def by_log_alpha(self, state: State, active: BoolArray) -> FloatArray:
        out = np.zeros(active.size)
        out[0::2] = 1.0
        return np.where(active, out, 0.0)

    def residual(self, state: State) -> float:
        return float(np.max(np.abs(self.linearise(state, state.active)[0])))

    def free_entropy(self, state: State) -> Entropy:
        """sum_l H(Q) + Q ln B - p q, stationary if coupling = 0; else minus the squared residual.

        At a solution x of an independent layer -ln(1 - x) - p x; 0 in a liquid one.
        """
        L, Q, P = self.problem.L, state.Q, state.P
        if self.coupling:
            residual = self.linearise(state, state.active)[0]
            return Entropy(-float(residual @ residual), np.zeros(L), -residual[0::2] ** 2,
                           -residual[1::2] ** 2)  # fmt: skip
        with np.errstate(divide="ignore", invalid="ignore"):
            inner = np.where(Q > 0.0, -Q * np.log(Q), 0.0) - P * np.log(P)
            field = np.where(Q > 0.0, Q * self.log_B(state), 0.0)
        neurons = -self.power * state.q[1:-1]
        return Entropy(float(inner.sum() + field.sum() + neurons.sum()), field, inner, neurons)

    def gradient(self, state: State) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Central differences of s."""
        h, active = 1e-4, state.active
        y = np.where(active, state.logits, 0.0)
        out = np.zeros(y.size)
        for i in np.flatnonzero(active):
            step = h * np.eye(y.size)[i]
            ends = [self.free_entropy(state.with_logits(active, y + sign * step)).total
                    for sign in (2.0, 1.0, -1.0, -2.0)]  # fmt: skip
            out[i] = float(np.dot([-1.0, 8.0, -8.0, 1.0], ends)) / (12.0 * h)
        return out[1::2], out[0::2], np.zeros(0)

    def mass_error(self, state: State) -> float:
        return float(np.max(np.abs(state.Q + state.P - 1.0)))

    def replicon(self, state: State) -> float | None:
        return None


@dataclass(frozen=True)
class ToyStage:
    """The network itself, with the layers of the stages so far solid."""

    equations: Toy
    order: tuple[int, ...]
    layer: int
    mirrored = False

    @property
    def problem(self) -> Problem:
        return self.equations.problem

    @property
    def newest(self) -> int:
        return self.order[self.layer - 1]

    @property
    def closed(self) -> bool:
        return self.layer == len(self.order)

    @property
    def network_depth(self) -> int:
        return self.problem.L

    def seed(self, before: State | None, log_alpha: float, overlap: float) -> State:
        state = State.liquid(self.problem.L) if before is None else before.copy()
        state.q[self.newest] = state.Q[self.newest - 1] = overlap
        state.p[self.newest] = state.P[self.newest - 1] = 1.0 - overlap
        state.Q[-1] = 1.0 / (1.0 + math.exp(-log_alpha))
        state.P[-1] = 1.0 - state.Q[-1]
        return state

    def excess(self, state: State, log_alpha: float) -> float:
        equations = self.equations.at(math.exp(log_alpha))
        lifted = replace(state, q=np.where(state.q > 0.0, state.q, 1.0))
        return float(equations.log_B(lifted)[self.order[self.layer] - 1])

    def excess_of(self, overlap: float, log_alpha: float) -> float:
        raise NotImplementedError

    def expand(self, state: State) -> State:
        return state


@dataclass(frozen=True)
class ToyFronts:
    """The last hidden layer first: order grows from the output side only."""

    equations: Toy

    @property
    def layers(self) -> tuple[int, ...]:
        return tuple(range(self.equations.problem.L - 1, 0, -1))

    @property
    def first_threshold(self) -> float:
        return math.inf if self.equations.power > 1 else float(self.equations.costs[-1])

    def stage(self, layer: int) -> ToyStage:
        return ToyStage(self.equations, self.layers, layer)


@dataclass(frozen=True)
class ToyClosure:
    """A closure of independent or stacked layers."""

    name: str
    power: int
    coupling: int

    def check(self, problem: Problem) -> None:
        if problem.kappa < 0.0:
            raise rd.InputError("kappa", problem.kappa, f"0 or more with closure {self.name}")

    def symmetric(self, problem: Problem) -> Toy:
        return Toy(problem, self.power, self.coupling)

    def fronts(self, problem: Problem) -> ToyFronts:
        return ToyFronts(self.symmetric(problem))


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closures, "_CLOSURES", dict(closures._CLOSURES))
    closures.register(ToyClosure("second", 1, 0))
    closures.register(ToyClosure("first", 2, 0))
    closures.register(ToyClosure("stack", 1, 1))


def solve(alpha: float, L: int, closure: str, **options: object) -> rd.Solution:
    found = rd.solve(alpha, L, closure=closure, ansatz="rs", beta=1.0, **options)
    assert isinstance(found, rd.Solution)
    return found


def test_names_of_closures() -> None:
    problem = Problem(alpha=1.0, L=2, closure="nobody")
    with pytest.raises(
        rd.InputError, match=r"closure = 'nobody'.*averaged, .*second, first, stack"
    ):
        closures.closure_of(problem)
    with pytest.raises(rd.InputError, match="closure = 'nobody'"):
        rd.solve(1.0, 2, closure="nobody")
    with pytest.raises(rd.InputError, match="closure = ''"):
        Problem(alpha=1.0, L=2, closure="")
    with pytest.raises(rd.InputError, match=r"ansatz = 'rsb'.*rs with closure second"):
        rd.solve(1.0, 2, closure="second", scenario="random", ansatz="rsb")
    assert rd.solve(4.0, 2, closure="second", scenario="random").problem.ansatz == "rs"
    with pytest.raises(rd.InputError, match=r"kappa = -1.0"):
        rd.solve(1.0, 2, closure="second", kappa=-1.0)
    with pytest.raises(rd.InputError, match="closure = 'second'"):
        rd.gap_distribution(rd.solve(3.0, 2, closure="second"), 1)
    again = closures.closure_of(Problem(alpha=1.0, L=2, closure="second"))
    assert closures.register(again) is again
    with pytest.raises(ValueError, match="'second'"):
        closures.register(ToyClosure("second", 2, 0))
    assert rd.solve(5.0, 4).problem.closure == "averaged"


def test_independent_layers() -> None:
    """q = 1 - c/alpha where alpha > c; s = -ln(1 - q) - q a layer; contraction sqrt(c/alpha)."""
    found = solve(6.0, 4, "second")
    assert found.converged, found.message
    assert found.branch == "continuous"
    assert found.q_ea == pytest.approx([1.0, 0.0, 1 / 6, 2 / 3, 1.0], abs=1e-12)
    assert found.Q_ea == pytest.approx([0.0, 1 / 6, 2 / 3, 6 / 7], abs=1e-12)
    s = -math.log(5 / 6) - 1 / 6 - math.log(1 / 3) - 2 / 3 + math.log(7)
    assert found.free_entropy == pytest.approx(s, abs=1e-12)
    assert found.certificate.contraction == pytest.approx(math.sqrt(5 / 6), abs=2e-3)
    assert found.certificate.unstable_liquid_layers == ()
    for check in CHECKS[:5]:
        assert 0.0 <= getattr(found.certificate, check.name) < 1e-9
    solid = solve(12.0, 4, "second")  # no liquid layer: followed down to the liquid
    assert solid.branch == "continuous"
    assert solid.q_ea[1:4] == pytest.approx([1 / 4, 7 / 12, 5 / 6], abs=1e-12)


def test_all_branches_of_a_first_order_transition() -> None:
    """x = (1 + sqrt(1 - 4 c/alpha))/2 beyond the spinodal 4 c = 36; s = -ln(1 - x) - 2 x."""

    def x(cost: float, alpha: float) -> float:
        return 0.5 + 0.5 * math.sqrt(1.0 - 4.0 * cost / alpha)

    def s(value: float, alpha: float) -> float:
        return -math.log(1.0 - value) - 2.0 * value + math.log1p(alpha)

    assert [b.branch for b in rd.solve(35.9, 2, closure="first", branch="all")] == ["continuous"]
    both = rd.solve(45.0, 2, closure="first", branch="all", beta=1.0)
    assert [b.branch for b in both] == ["continuous", "filled"]
    assert both[0].q_ea[1] == 0.0
    assert both[1].q_ea[1] == pytest.approx(x(9.0, 45.0), abs=1e-12)
    assert both[1].free_entropy == pytest.approx(s(x(9.0, 45.0), 45.0), abs=1e-12)
    assert both.converged
    assert solve(45.0, 2, "first").branch == "continuous"  # s = -0.16 < 0 of the liquid layer
    assert solve(63.0, 2, "first").branch == "filled"  # s = +0.10
    assert solve(63.0, 2, "first", scenario="random", branch="equilibrium").branch == "continuous"
    assert solve(45.0, 2, "first", scenario="random", branch="equilibrium").branch == "filled"
    far = solve(270.0, 2, "first")
    assert far.branch == "continuous"
    assert far.message.startswith("certified; a saturated branch (q -> 1) has larger s")
    partly = solve(120.0, 3, "first", branch="equilibrium")
    assert partly.branch == "partly saturated"
    assert partly.q_ea[1:3] == pytest.approx([x(9.0, 120.0), x(5.0, 120.0)], abs=1e-12)


@pytest.mark.parametrize(
    ("alpha", "inner"),
    [
        (0.9, [0.0, 0.0, 0.0]),
        (2.5, [0.0, 1 / 3, 3 / 5]),
        (5.0, [2 / 3, 3 / 4, 4 / 5]),
    ],
)
def test_order_from_the_output_side_with_a_wide_jacobian(alpha: float, inner: list[float]) -> None:
    """q of the n-th layer from the outputs is (alpha - n)/(alpha - n + 1): it sees all above."""
    found = solve(alpha, 4, "stack")
    assert found.converged, found.message
    assert found.branch == "continuous"
    assert found.q_ea[1:4] == pytest.approx(inner, abs=1e-12)
    assert found.Q_ea[3] == pytest.approx(alpha / (1.0 + alpha), abs=1e-12)


def test_curve_with_a_wide_jacobian() -> None:
    """alpha against q(1) of the stack: q = (alpha - 3)/(alpha - 2), d ln alpha/d logit q known."""
    equations = Toy(Problem(alpha=1.0, L=4, closure="stack"), 1, 1)
    start = State.uniform(4, 0.5)
    point = Curve(equations, neuron_logit(1)).solve(start, math.log(5.0))
    assert point is not None
    assert point.alpha == pytest.approx(4.0, rel=1e-12)  # q = 1/2
    assert point.slope == pytest.approx(0.25, rel=1e-10)  # dq/d alpha = 1/(alpha - 2)^2
    by_coupling = Curve(equations, coupling_logit(1)).solve(start, math.log(5.0))
    assert by_coupling is not None
    assert by_coupling.alpha == pytest.approx(4.0, rel=1e-12)


def test_files_and_figures_name_the_closure(tmp_path: Path) -> None:
    found = solve(6.0, 4, "second")
    assert found.as_dict()["closure"] == "second"
    back = rd.load(found.save(tmp_path / "toy.h5"))[0]
    assert back.problem == found.problem
    assert np.array_equal(back.q, found.q)
    assert back.certificate == found.certificate
    drawn = plot.profile(found)
    assert drawn.lines[0].get_ydata() == pytest.approx(found.q_ea)
    title = plot.profile_figure(found).get_suptitle()
    assert "closure second" in title
    assert "closure" not in plot.profile_figure(rd.solve(5.0, 4)).get_suptitle()


@pytest.mark.parametrize(
    ("closure", "thresholds"), [("second", [2.0, 5.0, 9.0]), ("stack", [1.0, 2.0, 3.0])]
)
def test_transitions_of_closures_without_mirror_symmetry(
    closure: str, thresholds: list[float], tmp_path: Path
) -> None:
    """Stage n is the n-th layer from the outputs; q = 1 - c/alpha has d q/d ln alpha = 1 at c."""
    problem = Problem(alpha=1.0, L=4, scenario=Scenario.RANDOM, closure=closure)
    found = symmetric_transitions(problem, 1e4, None)
    assert found.alpha == pytest.approx(thresholds, rel=1e-9)
    assert [t.order for t in found.thresholds] == ["second"] * 3
    # a layer of the stack: q = (alpha - n)/(alpha - n + 1), hence alpha = n
    growth = [1.0, 1.0, 1.0] if closure == "second" else thresholds
    assert [t.growth for t in found.thresholds] == pytest.approx(growth, rel=1e-5)
    assert found.steps == ()
    assert found.last_liquid == found.alpha[-1]
    solid = found.thickness["solid_layers"]
    assert set(solid) == {1.0, 2.0, 3.0}
    at_end = found.thickness["sum_q"][-1], found.thickness["alpha"][-1]
    inner = rd.solve(at_end[1], 4, closure=closure, scenario="random", ansatz="rs").q_ea[1:4]
    assert at_end[0] == pytest.approx(float(inner.sum()), abs=1e-9)
    back = rd.load(found.save(tmp_path / "toy.h5"))
    assert np.array_equal(back.alpha, found.alpha)
    assert plot.transitions(found).lines


def test_transitions_of_a_closure_whose_liquid_is_stable() -> None:
    """B ~ q^2 never wakes a liquid layer: the path starts at a threshold that is none."""
    problem = Problem(alpha=1.0, L=2, scenario=Scenario.RANDOM, closure="first")
    assert math.isnan(symmetric_transitions(problem, 1e4, None).alpha[0])
