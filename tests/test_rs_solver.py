"""Solutions against exact limits, identities, published profiles, and each other."""

from __future__ import annotations

import functools
import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ndtr

import replicadnn as rd
from replicadnn.problem import BranchChoice, Problem, Scenario
from replicadnn.status import Branch
from replicadnn.theory import solve as sweeping
from replicadnn.theory.closures import symmetric_equations
from replicadnn.theory.closures.averaged import twin
from replicadnn.theory.closures.averaged.entropy import free_entropy, gradient
from replicadnn.theory.closures.averaged.equations import Equations
from replicadnn.theory.closures.common import iterate
from replicadnn.theory.contract import Entropy
from replicadnn.theory.symmetric import connected, search
from replicadnn.theory.symmetric.branches import Candidate, _name, select
from replicadnn.theory.symmetric.connected import connected_to_liquid
from replicadnn.theory.symmetric.curve import Point
from replicadnn.theory.symmetric.newton import contraction, growth
from replicadnn.theory.symmetric.point import _doubts, _remark, certify
from replicadnn.theory.symmetric.search import Settled, Stop, settle
from replicadnn.theory.symmetric.state import State, distance

SCENARIOS = ("teacher-student", "random")
solve = functools.partial(rd.solve, ansatz="rs")
LN2 = math.log(2.0)
PI2 = math.pi**2


def test_reference_profiles(data: Path) -> None:
    for entry in json.loads((data / "rs_profiles.json").read_text()):
        found = solve(entry["alpha"], entry["L"], scenario=entry["scenario"], branch="all")
        assert found.converged
        best = min(found, key=lambda s: float(np.max(np.abs(s.q_ea - entry["q"]))))
        assert best.q_ea == pytest.approx(entry["q"], abs=1e-7)
        assert best.Q_ea == pytest.approx(entry["Q"], abs=1e-7)
        assert best.free_entropy == pytest.approx(entry["free_entropy"], abs=1e-7)


@given(
    alpha=st.floats(0.05, 3000.0), L=st.integers(1, 12), scenario=st.sampled_from(SCENARIOS),
    beta=st.sampled_from([math.inf, 1.0, 4.0, 20.0]), kappa=st.sampled_from([0.0, 0.0, -0.5, 0.3]),
)  # fmt: skip
def test_properties_of_every_solution(
    alpha: float, L: int, scenario: str, beta: float, kappa: float
) -> None:
    solutions = solve(alpha, L, scenario=scenario, beta=beta, kappa=kappa, branch="all")
    for s in solutions:
        if s.status is rd.Status.NO_SOLUTION:
            assert scenario == "random"
            continue
        assert s.converged, s.message
        assert s.residual <= 1e-8
        assert not s.certificate.unstable_liquid_layers
        assert s.q_ea == pytest.approx(s.q_ea[::-1], abs=1e-9)
        assert s.Q_ea == pytest.approx(s.Q_ea[::-1], abs=1e-9)
        assert np.all((s.q_ea >= 0) & (s.q_ea <= 1))
        assert s.q_ea[0] == s.q_ea[-1] == 1.0
        assert s.certificate.contraction < 1.0
        liquid = (
            L * math.log(math.exp(-beta) - math.expm1(-beta) * float(ndtr(-kappa))) + (L - 1) * LN2
        )
        if scenario == "random":
            assert s.free_entropy <= liquid + 1e-12
        elif s.branch == "continuous":
            assert s.free_entropy >= liquid - 1e-12


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize(("alpha", "L"), [(3.0, 4), (40.0, 5), (12.0, 2), (0.8, 1)])
def test_free_entropy_is_stationary(scenario: str, alpha: float, L: int) -> None:
    """Finite differences of the twin's s(q, Q, eps) vanish at the kernel's solution."""
    s = solve(alpha, L, scenario=scenario)
    problem, q, Q = s.problem, s.q_ea.copy(), s.Q_ea.copy()
    G = twin.curvature(problem, q[:-1] * Q * q[1:])
    eps = (Q * q[:-1] * G)[:-1] + (Q * q[1:] * G)[1:]
    assert twin.free_entropy(problem, q, Q, eps) == pytest.approx(s.free_entropy, abs=1e-9)
    for values, inner in ((q, range(1, L)), (Q, range(L)), (eps, range(L - 1))):
        for i in inner:
            if values[i] == 0.0:
                continue
            step = 1e-4 * min(values[i], max(1.0 - values[i], 1e-3))
            original = values[i]
            pair = []
            for sign in (1, -1):
                values[i] = original + sign * step
                pair.append(twin.free_entropy(problem, q, Q, eps))
            values[i] = original
            slope = (pair[0] - pair[1]) / (2 * step)
            assert abs(slope) * min(original, 1.0) < 2e-7


def test_certificate_detects_a_wrong_solution() -> None:
    s = solve(10.0, 3)
    equations = Equations(s.problem)
    state = State(s.q_ea.copy(), 1 - s.q_ea, s.Q_ea.copy(), 1 - s.Q_ea)
    assert max(np.max(np.abs(g)) for g in gradient(equations, state)) < 1e-9
    state.q[1] += 1e-4
    state.p[1] -= 1e-4
    assert np.max(np.abs(gradient(equations, state)[2])) > 1e-6
    assert equations.residual(state) > 1e-5
    hole = State.liquid(3)
    assert equations.unstable_liquid_layers(hole) == [1, 2]


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize(("L", "exact"), [(2, PI2 / 8), (3, PI2 / 4), (20, PI2 / 4)])
def test_first_transition(scenario: str, L: int, exact: float) -> None:
    below, above = solve([exact * (1 - 1e-6), exact * (1 + 1e-6)], L, scenario=scenario)
    assert below.converged
    assert above.converged
    assert np.all(below.q_ea[1:-1] == 0.0)
    assert below.free_entropy == pytest.approx(-LN2, abs=1e-14)
    assert 0.0 < above.q_ea[1] < 1e-4


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize(
    "beta", [3.0, *(pytest.param(one, marks=pytest.mark.slow) for one in (1.0, 6.0))]
)
def test_first_transition_at_finite_temperature(scenario: str, beta: float) -> None:
    exact = math.pi**2 / 4 / math.tanh(beta / 2) ** 4
    below, above = solve([exact * (1 - 1e-6), exact * (1 + 1e-6)], 6, scenario=scenario, beta=beta)
    assert below.q_ea[1] == 0.0
    assert 0.0 < above.q_ea[1] < 1e-3
    expected = 6 * math.log1p(math.exp(-beta)) - LN2
    assert below.free_entropy == pytest.approx(expected, abs=1e-13)


def test_bayes_optimal_perceptron() -> None:
    for alpha, Q in {1: 0.48626, 2: 0.72830, 4: 0.90026, 10: 0.98138}.items():
        s = solve(float(alpha), 1)
        assert s.Q_ea[0] == pytest.approx(Q, abs=6e-6)
        assert s.eps_g == pytest.approx(math.acos(s.Q_ea[0]) / math.pi, rel=1e-9)
    # a typical (Gibbs) student: eps_g -> 0.625/alpha (Gyorgyi and Tishby 1990), sqrt 2 times
    # the Bayes-optimal 0.442/alpha (Opper and Haussler 1991)
    far = solve(1e6, 1)
    assert far.eps_g is not None
    assert far.eps_g * 1e6 == pytest.approx(0.625, abs=5e-4)
    assert far.eps_g * 1e6 / math.sqrt(2.0) == pytest.approx(0.442, abs=5e-4)
    assert far.one_minus_Q_ea[0] == pytest.approx(0.5 * (math.pi * far.eps_g) ** 2, rel=1e-9)


@pytest.mark.parametrize("kappa", [0.0, 0.5, 1.0])
def test_gardner_capacity(kappa: float) -> None:
    """1/alpha_c = Int_{-kappa}^inf Dz (z + kappa)^2: solved below, empty above."""
    inverse, _ = quad(
        lambda z: math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi) * (z + kappa) ** 2,
        -kappa, 30.0, epsabs=1e-13,
    )  # fmt: skip
    capacity = 1.0 / inverse
    if kappa == 0.0:
        assert capacity == pytest.approx(2.0, rel=1e-12)
    below = solve(capacity * (1 - 1e-4), 1, scenario="random", kappa=kappa)
    above = solve(capacity * (1 + 1e-4), 1, scenario="random", kappa=kappa)
    assert below.converged
    assert below.one_minus_Q_ea[0] < 3e-4
    assert above.status is rd.Status.NO_SOLUTION
    assert above.free_entropy == -math.inf


def test_gardner_entropy_at_known_point() -> None:
    """L = 1: s alpha = min over Q of ln(1-Q)/2 + Q/(2(1-Q)) + alpha Int Dz ln Phi."""
    s = solve(1.0, 1, scenario="random")
    problem = s.problem
    grid = np.linspace(0.3, 0.8, 501)
    values = [twin.free_entropy(problem, np.ones(2), np.array([Q]), np.zeros(0)) for Q in grid]
    assert grid[int(np.argmin(values))] == pytest.approx(s.Q_ea[0], abs=1e-3)
    assert s.free_entropy == pytest.approx(min(values), abs=1e-5)


def test_entropy_order() -> None:
    """s rises with alpha in the teacher-student scenario and falls in the random one."""
    grid = np.geomspace(1.0, 700.0, 25)
    rising = [s.free_entropy for s in solve(grid, 8)]
    falling = [s.free_entropy for s in solve(grid, 8, scenario="random")]
    assert np.all(np.diff(rising) >= -1e-14)
    assert np.all(np.diff(falling) <= 1e-14)


def test_sweep_equals_single_points() -> None:
    """Continuation changes the speed, never the result."""
    grid = [700.0, 3.0, 450.0, 90.0, 560.0]
    for scenario in SCENARIOS:
        together = solve(grid, 20, scenario=scenario, branch="all")
        alone = [s for a in grid for s in solve(a, 20, scenario=scenario, branch="all")]
        assert [s.alpha for s in together] == [s.alpha for s in alone]
        for one, other in zip(together, alone, strict=True):
            assert one.branch == other.branch
            assert one.q_ea == pytest.approx(other.q_ea, abs=1e-10)


def test_branches_where_the_fronts_meet() -> None:
    """L = 20: hysteresis between 430 and 750, equal s near 545; frozen = 20 single layers."""
    at500 = {s.branch: s for s in solve(500.0, 20, branch="all")}
    assert set(at500) == {"continuous", "filled", "saturated"}
    assert at500["continuous"].free_entropy > at500["filled"].free_entropy
    assert solve(500.0, 20).branch == "continuous"
    assert solve(600.0, 20).branch == "filled"
    assert solve(600.0, 20, branch="continuous").branch == "continuous"
    assert solve(600.0, 20, branch="equilibrium").branch == "saturated"
    single = solve(500.0, 1)
    frozen = at500["saturated"]
    assert frozen.free_entropy == pytest.approx(20 * single.free_entropy, rel=1e-12)
    assert frozen.one_minus_Q_ea == pytest.approx(single.one_minus_Q_ea[0], rel=1e-9)
    ended = solve(800.0, 20, branch="continuous")
    assert ended.status is rd.Status.NO_SOLUTION
    assert "ends below" in ended.message
    listed = {b.branch: b.free_entropy for b in solve(500.0, 20).other_branches}
    assert set(listed) == {"filled", "saturated"}
    assert listed["filled"] == at500["filled"].free_entropy


def _branch(name: str, s: float, found: bool = True) -> Candidate:
    stop = Stop.FOUND if found else Stop.LIMIT
    settled = Settled(State.liquid(2), stop, 0.0, 1, 1, 0.5)
    return Candidate(Branch(name), settled, _entropy(s) if found else None)


def _entropy(s: float) -> Entropy:
    return Entropy(s, *np.zeros((3, 1)))


@pytest.mark.parametrize(
    ("scenario", "asked", "names"),
    [
        ("teacher-student", "auto", ["filled"]),  # largest s without saturated layers
        ("teacher-student", "equilibrium", ["saturated"]),  # largest s
        ("teacher-student", "continuous", ["continuous"]),
        ("teacher-student", "all", ["continuous", "filled", "saturated"]),
        ("random", "auto", ["continuous"]),
        ("random", "equilibrium", ["filled"]),  # smallest s
        ("random", "continuous", ["continuous"]),
        ("random", "all", ["continuous", "filled", "saturated"]),
    ],
)
def test_what_branch_selects(scenario: str, asked: str, names: list[str]) -> None:
    if scenario == "random":
        found = [_branch("continuous", -0.4), _branch("filled", -0.6), _branch("saturated", -0.5)]
    else:
        found = [_branch("continuous", -0.4), _branch("filled", -0.3), _branch("saturated", -0.2)]
    problem = Problem(alpha=5.0, L=2, scenario=Scenario(scenario))
    equations = symmetric_equations(problem)
    assert [b.name for b in select(equations, found, BranchChoice(asked))] == names


def test_what_branch_selects_without_a_continuous_branch() -> None:
    teacher, random = (Problem(alpha=5.0, L=2, scenario=s) for s in Scenario.__members__.values())
    teacher, random = (teacher, random) if teacher.teacher else (random, teacher)
    teacher, random = symmetric_equations(teacher), symmetric_equations(random)
    filled, frozen = _branch("filled", -0.6), _branch("saturated", -0.2)
    partly = _branch("partly saturated", -0.4)
    assert select(teacher, [filled, frozen], BranchChoice.CONTINUOUS) == []
    assert select(teacher, [filled, frozen], BranchChoice.AUTO) == [filled]
    assert select(teacher, [partly, frozen], BranchChoice.AUTO) == [frozen]
    assert select(random, [frozen, filled], BranchChoice.AUTO) == [frozen]  # smallest overlaps
    lost = _branch("continuous", 0.0, found=False)
    assert select(teacher, [lost, frozen], BranchChoice.AUTO) == [lost]
    assert select(
        teacher, [filled, _branch("partly saturated", 0.0, found=False)], BranchChoice.AUTO
    ) == [filled]


def test_distance_is_the_largest_difference_of_any_overlap() -> None:
    a = State.uniform(3, 0.5, 0.5)
    b = a.copy()
    b.Q[1] += 0.02
    b.q[2] += 0.03
    assert distance(a, b) == pytest.approx(0.03, rel=1e-12)
    b.Q[1] += 0.03
    assert distance(a, b) == pytest.approx(0.05, rel=1e-12)
    assert distance(b, a) == distance(a, b)
    assert distance(a, a) == 0.0


@pytest.mark.parametrize(
    ("inner", "lowest", "name"),
    [
        ((0.96, 0.97, 0.96), False, "saturated"),
        ((0.96, 0.94, 0.96), False, "partly saturated"),
        ((0.94, 0.93, 0.94), False, "filled"),
        ((0.94, 0.0, 0.94), False, "filled"),
        ((0.94, 0.0, 0.94), True, "continuous"),  # a liquid layer: the smallest one, not cut off
    ],
)
def test_names_of_branches(inner: tuple[float, ...], lowest: bool, name: str) -> None:
    """Saturated: q above 0.95."""
    q = np.array([1.0, *inner, 1.0])
    Q = np.full(4, 0.9)
    settled = Settled(State(q, 1.0 - q, Q, 1.0 - Q), Stop.FOUND, 0.0, 1, 1, 0.5)
    equations = Equations(Problem(alpha=500.0, L=4))
    assert _name(equations, settled, lowest, (), 10) == name
    for shift, carried in ((0.04, "filled"), (0.06, name)):
        before = State(q, 1.0 - q, Q - shift, 1.0 - Q + shift)
        there = Settled(before, Stop.FOUND, 0.0, 1, 1, 0.5)
        previous = [Candidate(Branch("filled"), there, _entropy(-0.4))]
        if name != "continuous":
            assert _name(equations, settled, lowest, previous, 10) == carried


@pytest.mark.parametrize(
    ("s", "frozen", "asked", "beta", "words"),
    [
        (
            -0.4,
            -0.3,
            "auto",
            math.inf,
            "certified; a saturated branch (q -> 1) has larger s = -0.3",
        ),
        (-0.4, -0.5, "auto", math.inf, "certified"),
        (-0.4, -0.3, "continuous", math.inf, "certified"),
        (2e-12, -0.5, "auto", math.inf, "certified, but s > 0 is impossible"),
        (2e-12, -0.5, "auto", 3.0, "certified"),  # noise: V may exceed one
        (5e-13, -0.5, "auto", math.inf, "certified"),
    ],
)
def test_remarks(s: float, frozen: float, asked: str, beta: float, words: str) -> None:
    problem = Problem(alpha=500.0, L=2, beta=beta)
    found = [_branch("continuous", s), _branch("saturated", frozen)]
    said = _remark(problem, found[0], found, BranchChoice(asked))
    assert said.startswith(words)
    assert (said == "certified") is (words == "certified")
    glass = Problem(alpha=500.0, L=2, scenario=Scenario.RANDOM)
    assert _remark(glass, _branch("continuous", -0.4), found, BranchChoice.AUTO) == "certified"


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("alpha", 1e-9, 9.9e-10),
        ("alpha", 1e9, 1.01e9),
        ("L", 1, 0),
        ("L", 1_000_000, 1_000_001),
        ("kappa", -10.0, -10.1),
        ("kappa", 10.0, 10.1),
        ("beta", 1e-3, 9.9e-4),
    ],
)
def test_ends_of_the_ranges(name: str, inside: float, outside: float) -> None:
    assert getattr(Problem(**({"alpha": 1.0, "L": 2} | {name: inside})), name) == inside
    with pytest.raises(rd.InputError, match=f"{name} = "):
        Problem(**({"alpha": 1.0, "L": 2} | {name: outside}))


@pytest.mark.parametrize(("L", "judged"), [(20, 20), (40, 40), (41, 41), (43, 41), (1000, 40)])
def test_depth_beyond_forty_is_judged_at_forty_with_its_parity(
    L: int, judged: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The centre of an odd number of layers is a coupling, of an even number a neuron."""
    depths: list[int] = []

    def down(equations: Equations, state: State) -> None:
        assert state.Q.size == equations.problem.L
        depths.append(equations.problem.L)

    monkeypatch.setattr(connected, "_down_to_a_liquid_layer", down)
    monkeypatch.setattr(
        connected, "settle",
        lambda equations, start, **rest: Settled(
            State.uniform(equations.problem.L, 0.5, 0.5), Stop.FOUND, 0.0, 1, 0, 0.5
        ),
    )  # fmt: skip
    solid = State.uniform(L, 0.5, 0.5)
    assert not connected_to_liquid(Equations(Problem(alpha=500.0, L=L)), solid, max_sweeps=10)
    assert depths == [judged]


@pytest.mark.parametrize(
    ("slope", "q", "connected_there", "expected"),
    [
        (-0.1, 1e-7, True, True),  # a layer vanishes, next to the smallest solution
        (-0.1, 1e-7, False, False),  # ... but the smallest solution there is another one
        (0.1, 1e-7, True, False),  # alpha rises again: a fold
        (-0.1, 1e-5, True, False),  # the curve could not be followed to where the layer vanishes
    ],
)
def test_what_connected_to_the_liquid_means(
    slope: float, q: float, connected_there: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Down in alpha along the curve, without a fold, to a layer that vanishes (5.3)."""
    end = State.uniform(2, 1.0 - q, 0.5)

    class Followed:
        def __init__(self, *arguments: object, sign: float = 1.0) -> None:
            self.sign = sign

        def solve(self, state: State, log_alpha: float) -> Point:
            return Point(state, log_alpha, 0.0, -0.1, np.zeros(3), 0.0)

        def trace(self, start: Point, until: object) -> list[Point]:
            return [Point(end, 0.0, -5.0, slope, np.zeros(3), 0.0)]

        def turned(self, point: Point) -> Followed:
            return self

    smallest = end if connected_there else State.uniform(2, 1.0 - q - 0.02, 0.5)
    found = Settled(smallest, Stop.FOUND, 0.0, 1, 0, 0.5)
    monkeypatch.setattr(connected, "Curve", Followed)
    monkeypatch.setattr(connected, "settle", lambda *arguments, **rest: found)
    start, equations = State.uniform(2, 0.5, 0.5), Equations(Problem(alpha=9.0, L=2))
    assert connected_to_liquid(equations, start, max_sweeps=10) is expected


def test_connection_to_the_liquid() -> None:
    for alpha, branch, expected in ((300.0, "continuous", True), (500.0, "filled", False)):
        L = 4 if expected else 20
        s = next(x for x in solve(alpha, L, branch="all") if x.branch == branch)
        state = State(
            s.q_ea.copy(), s.one_minus_q_ea.copy(), s.Q_ea.copy(), s.one_minus_Q_ea.copy()
        )
        assert connected_to_liquid(Equations(s.problem), state, max_sweeps=10_000) is expected


@pytest.mark.parametrize("alpha", [1e-6, 1e6])
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("L", [1, 2, 3, 20])
def test_extreme_alpha(alpha: float, scenario: str, L: int) -> None:
    s = solve(alpha, L, scenario=scenario)
    if scenario == "random" and alpha > 1 and L <= 2:
        assert s.status is rd.Status.NO_SOLUTION
        return
    assert s.converged, s.message
    if alpha < 1:
        assert s.free_entropy == pytest.approx(-LN2, abs=1e-6)


def test_deep_network_equals_shallow_fronts() -> None:
    """With a liquid centre the depth does not matter; cost and memory are linear in L."""
    deep, shallow = solve(100.0, 10_000), solve(100.0, 20)
    assert deep.converged
    assert deep.q_ea[:10] == pytest.approx(shallow.q_ea[:10], abs=1e-12)
    assert deep.free_entropy == pytest.approx(shallow.free_entropy, abs=1e-10)


def test_not_converged_is_said() -> None:
    s = solve(400.0, 20, max_sweeps=1)
    assert s.status is rd.Status.NOT_CONVERGED
    assert s.residual > 1e-3
    assert "try nearby alpha, more passes (rs)" in s.message
    assert math.isnan(s.free_entropy)


def test_entropy_parts_add_up() -> None:
    for scenario in SCENARIOS:
        s = solve(60.0, 6, scenario=scenario)
        total = s.entropy_interaction.sum() + s.entropy_couplings.sum() + s.entropy_neurons.sum()
        assert total == pytest.approx(s.free_entropy, rel=1e-14)
        state = State(
            s.q_ea.copy(), s.one_minus_q_ea.copy(), s.Q_ea.copy(), s.one_minus_Q_ea.copy()
        )
        assert free_entropy(Equations(s.problem), state).total == s.free_entropy


def test_plain_iteration_of_the_twin_reaches_the_same_point() -> None:
    for scenario in SCENARIOS:
        problem = Problem(alpha=9.0, L=4, scenario=scenario)
        q, Q = np.full(5, 0.5), np.full(4, 0.5)
        q[[0, -1]] = 1.0
        q, Q, _ = iterate(twin.saddle_map, problem, q, Q, tol=1e-11)
        s = solve(9.0, 4, scenario=scenario)
        assert s.q_ea == pytest.approx(q, abs=1e-8)
        assert s.Q_ea == pytest.approx(Q, abs=1e-8)


def test_generalisation_error() -> None:
    assert rd.generalisation_error([0.0]) == 0.5
    assert rd.generalisation_error([1.0, 1.0]) == 0.0
    assert rd.generalisation_error(0.5) == pytest.approx(math.acos(0.5) / math.pi)
    tiny = rd.generalisation_error([1.0], [1e-20])
    assert tiny == pytest.approx(math.sqrt(2e-20) / math.pi, rel=1e-12)
    noisy = rd.generalisation_error([1.0], beta=2.0, noisy="teacher")
    assert noisy == pytest.approx(1 / (1 + math.exp(2.0)))
    with pytest.raises(rd.InputError, match="Q"):
        rd.generalisation_error([1.5])


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"alpha": 0.0, "L": 3}, "alpha = 0"),
        ({"alpha": math.nan, "L": 3}, "alpha = nan"),
        ({"alpha": math.inf, "L": 3}, "alpha = inf"),
        ({"alpha": "3", "L": 3}, "alpha = '3'"),
        ({"alpha": [], "L": 3}, "at least one"),
        ({"alpha": [[1.0]], "L": 3}, "flat list"),
        ({"alpha": 1.0, "L": 0}, "L = 0"),
        ({"alpha": 1.0, "L": 2.5}, "L = 2.5"),
        ({"alpha": 1.0, "L": True}, "L = True"),
        ({"alpha": 1.0, "L": 2, "scenario": "x"}, "random, teacher-student"),
        ({"alpha": 1.0, "L": 2, "branch": "best"}, "auto, equilibrium"),
        ({"alpha": 1.0, "L": 2, "beta": 0.0}, "beta = 0"),
        ({"alpha": 1.0, "L": 2, "kappa": math.nan}, "kappa = nan"),
        ({"alpha": 1.0, "L": 2, "tol": 1.0}, "tol = 1"),
        ({"alpha": 1.0, "L": 2, "max_sweeps": 0}, "max_sweeps = 0"),
    ],
)
def test_bad_input(arguments: dict[str, object], match: str) -> None:
    with pytest.raises(rd.InputError, match=match):
        solve(**arguments)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("layer", [2, 3])
def test_onset_of_deeper_layers(scenario: str, layer: int) -> None:
    """Bisect alpha(l); right beside it, where everything slows down, the solver still converges."""
    low, high = (3.0, 60.0) if layer == 2 else (12.0, 200.0)
    for _ in range(40):
        middle = 0.5 * (low + high)
        s = solve(middle, 20, scenario=scenario, branch="continuous")
        assert s.converged, (middle, s.message)
        low, high = (low, middle) if s.q_ea[layer] > 0.0 else (middle, high)
    for shift in (-1e-4, -1e-7, -1e-9, 1e-9, 1e-7, 1e-4):
        s = solve(high * (1 + shift), 20, scenario=scenario, branch="continuous")
        assert s.converged, (shift, s.message)
        instability = high * (2 / math.pi) ** 2 * s.q_ea[layer - 1] ** 2
        assert instability == pytest.approx(1.0, abs=5 * abs(shift) + 1e-8)


def _state_at(q: float, rest: float = 0.5) -> State:
    state = State.uniform(3, 0.5, rest)
    state.q[1] = q
    state.p[1] = 1.0 - q
    return state


def test_a_start_within_two_hundredths_of_the_known_solution_joins_it_if_it_approaches() -> None:
    equations = symmetric_equations(Problem(alpha=5.0, L=3))
    known = [_state_at(0.5)]
    for q, stop in ((0.521, None), (0.519, Stop.JOINS_KNOWN)):
        one = search._Search(equations, -1, 10, known, None, _state_at(q))
        ended = one._stopped()
        assert (ended.stop if ended else None) is stop
    one = search._Search(equations, -1, 10, known, None, _state_at(0.525))
    assert one._stopped() is None
    for q in (0.519, 0.518):  # less than three tenths closer than before: it may pass by
        one.state = _state_at(q)
        assert one._stopped() is None


@pytest.mark.parametrize("closure", ["averaged", "exact"])
def test_newton_joins_the_known_solution_it_leads_to_within_two_hundredths(closure: str) -> None:
    equations = symmetric_equations(Problem(alpha=12.0, L=3, closure=closure))
    solution = settle(equations, State.liquid(3), side=+1, max_sweeps=1000).state
    for shift, joins in ((0.019, True), (0.021, False)):
        start = solution.copy()
        start.q[2] -= shift
        start.p[2] += shift
        for known in ((State.liquid(3), solution), (State.liquid(3),)):
            one = search._Search(equations, -1, 10, known, None, start.copy())
            ended = one._newton(0.05)
            assert ended is not None
            known_one = joins and len(known) == 2
            assert ended.stop is (Stop.JOINS_KNOWN if known_one else Stop.FOUND)
            assert (ended.state is solution) is known_one
            assert distance(ended.state, solution) < 1e-9


@pytest.mark.parametrize("closure", ["averaged", "exact"])
def test_a_fall_refuses_a_distant_solution_above_it(
    closure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Near it Newton's second step is below a twentieth of the first, and passes go there too."""
    equations = symmetric_equations(Problem(alpha=12.0, L=3, closure=closure))
    solution = settle(equations, State.liquid(3), side=+1, max_sweeps=1000).state
    start = solution.copy()
    start.q[1:3] -= 0.02
    start.p[1:3] += 0.02
    for limit, refused in ((1.0, False), (0.0, True)):
        monkeypatch.setattr(search, "QUADRATIC", limit)
        one = search._Search(equations, -1, 10, (), None, start.copy())
        assert (one._newton(0.05) is None) is refused


@pytest.mark.parametrize("closure", ["averaged", "exact"])
def test_couplings_without_order_between_neurons_with_order_are_no_solution(closure: str) -> None:
    """Newton's method leaves an overlap of exactly 0 alone: here all others solve the rest."""
    equations = symmetric_equations(Problem(alpha=12.0, L=3, closure=closure))
    state = settle(equations, State.liquid(3), side=+1, max_sweeps=1000).state
    assert equations.residual(state) < 1e-10
    assert not state.torn
    state.Q[1], state.P[1] = 0.0, 1.0
    assert state.torn
    assert equations.residual(state) == math.inf
    assert certify(equations, state, 0.5).failures(1e-8)
    state.q[1], state.p[1] = 0.0, 1.0  # a liquid layer is not torn
    assert not state.torn


@pytest.mark.parametrize(
    ("scenario", "beta", "rest", "empty"),
    [
        ("random", math.inf, 1.1e-12, False),
        ("random", math.inf, 0.9e-12, True),
        ("random", 3.0, 0.9e-12, False),  # at finite beta every coupling has a weight
        ("teacher-student", math.inf, 0.9e-12, False),  # the teacher is always there
    ],
)
def test_the_volume_is_empty_where_its_rest_falls_below_1e_12(
    scenario: str, beta: float, rest: float, empty: bool
) -> None:
    equations = symmetric_equations(Problem(alpha=5.0, L=3, scenario=Scenario(scenario), beta=beta))
    here = _state_at(0.5, rest)
    ended = search._Search(equations, 1, 10, (), None, here.copy())._stopped()
    assert (ended is not None and ended.stop is Stop.UNSAT) is empty


def test_an_unstable_liquid_is_not_certified() -> None:
    """Layers beside the data are unstable from alpha = pi^2/4 = 2.47 on, the others not."""
    for alpha, unstable in ((2.4, ()), (2.5, (1, 4))):
        equations = symmetric_equations(Problem(alpha=alpha, L=5))
        evidence = certify(equations, State.liquid(5), 0.0)
        assert evidence.unstable_liquid_layers == unstable
        assert evidence.passes(1e-8) is (unstable == ())


def test_spectral_radius_from_one_on_is_infinite() -> None:
    """One unknown with F' = 1/2, 1 and 3/2; two with F' = [[1/2, 1/4], [1/4, 1/2]]."""
    assert contraction(np.array([[0.5]])) == pytest.approx(0.5, abs=1e-12)
    assert math.isinf(contraction(np.array([[0.0]])))
    assert math.isinf(contraction(np.array([[-0.5]])))
    two = np.array([[0.0, -0.25], [0.5, 0.5], [-0.25, 0.0]])
    assert contraction(two) == pytest.approx(0.75, abs=1e-12)


def test_what_is_said_of_replica_symmetry() -> None:
    problem = Problem(alpha=1.5, L=1, scenario=Scenario.RANDOM)
    plain = certify(symmetric_equations(problem), State.liquid(1), 0.0)
    for rho, words in ((1.01, "unstable to"), (0.99, "stable against"), (1.0, "stable against")):
        said = _doubts(problem, replace(plain, replicon=(rho,)))
        assert said == [f"{words} replica-symmetry breaking (rho = {rho:.4g})"]


def test_a_point_starts_from_the_one_before_if_all_of_its_branches_were_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, lost = _branch("continuous", -0.4), _branch("filled", 0.0, found=False)
    answers = {1.0: [one], 2.0: [one, lost], 3.0: [one]}
    starts: dict[float, object] = {}

    def solved(equations: Equations, asked: BranchChoice, **given: object) -> tuple[list, list]:
        starts[equations.problem.alpha] = given["previous"]
        return [], answers[equations.problem.alpha]

    monkeypatch.setattr(sweeping, "solve_point", solved)
    order = [i for i, _ in sweeping.solve_plan(sweeping.plan([3.0, 1.0, 2.0], 2))]
    assert order == [1, 2, 0]  # from small to large alpha
    assert starts == {1.0: [], 2.0: [one], 3.0: []}


def test_derivatives_of_the_certificate() -> None:
    """ds/dq_max is the largest of ds/dq and ds/d ln eps; signs do not matter."""
    problem = Problem(alpha=5.0, L=3)
    for by_q, by_eps, largest in ((-3e-9, 2e-9, 3e-9), (1e-9, -4e-9, 4e-9)):
        slopes = (np.array([by_q, 0.0]), np.array([2e-9, -5e-9, 0.0]), np.array([by_eps, 1e-10]))
        equations = SimpleNamespace(
            problem=problem, gradient=lambda _, slopes=slopes: slopes, residual=lambda _: 6e-9,
            mass_error=lambda _: 7e-12, unstable_liquid_layers=lambda _: [],
        )  # fmt: skip
        evidence = certify(equations, State.liquid(3), 0.5)
        assert (evidence.ds_dq_max, evidence.ds_dQ_max) == (largest, 5e-9)
        assert (evidence.residual, evidence.mass_error) == (6e-9, 7e-12)


def test_growth_is_not_judged_beyond_800_unknowns() -> None:
    """F' = diag(0.25): three quarters are the bands of 1 - F'."""
    assert growth(np.full((1, 800), 0.75)) == pytest.approx(0.25, rel=1e-12)
    assert math.isnan(growth(np.full((1, 801), 0.75)))


def test_a_name_carries_over_from_one_neighbour_only() -> None:
    q = np.array([1.0, 0.94, 0.93, 0.94, 1.0])
    Q = np.full(4, 0.9)
    here = Settled(State(q, 1.0 - q, Q, 1.0 - Q), Stop.FOUND, 0.0, 1, 1, 0.5)
    equations = Equations(Problem(alpha=500.0, L=4))
    names = ("saturated", "continuous")
    previous = [Candidate(Branch(name), here, _entropy(-0.4)) for name in names]
    assert _name(equations, here, False, previous[:1], 10) == "saturated"
    assert _name(equations, here, False, previous, 10) == "filled"  # two: by what it looks like
