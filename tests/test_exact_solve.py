"""Exact neurons, replica symmetric: solutions, thresholds and certificates through the engine.

The literal numbers are those of two independent solvers (quadratures by tanh-rule and by nested
sums), given to 10 digits.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

import replicadnn as rd
from replicadnn.problem import BranchChoice, Problem, Scenario
from replicadnn.questions.transitions.path import ordering_path
from replicadnn.questions.transitions.symmetric import symmetric_transitions
from replicadnn.status import Branch, BranchKind
from replicadnn.theory.closures import symmetric_equations
from replicadnn.theory.closures.exact import entropy, twin
from replicadnn.theory.closures.exact.equations import Equations
from replicadnn.theory.contract import Entropy
from replicadnn.theory.counting import largest
from replicadnn.theory.symmetric.branches import Candidate, select
from replicadnn.theory.symmetric.curve import Curve, Point
from replicadnn.theory.symmetric.search import Settled, Stop, settle
from replicadnn.theory.symmetric.state import State, full_order

TS, RANDOM = "teacher-student", "random"
inf = math.inf

# (scenario, L, alpha, beta, kappa), q of the solid layers, Q of the solid couplings, s, rho
POINTS = [
    ((TS, 1, 3, inf, 0), [], [0.8426058765], -0.4519627337, 0.4365),
    ((TS, 2, 2, inf, 0), [0.1693170933], [0.1208355342, 0.1802341602], -0.6925689738, 0.8755),
    ((TS, 2, 4, inf, 0), [0.6244886588], [0.6038934730, 0.6905650262], -0.6620092383, 0.7684),
    ((TS, 2, 8, 3, 0), [0.5992995055], [0.7135342535, 0.7705815825], -0.5580279304, 0.6694),
    ((TS, 2, 20, 3, 0), [0.8109011881], [0.9608461501, 0.9435308918], -0.4678612140, 0.6362),
    ((TS, 3, 5, inf, 0), [0.2452176865], [0.4568126161], -0.6892139545, 0.7624),
    (
        (TS, 3, 10, inf, 0), [0.5664679993, 0.5988825836],
        [0.6746570659, 0.6888878988, 0.8535720133], -0.6623665852, 0.8966,
    ),
    (
        (TS, 3, 20, 3, 0), [0.4412633098, 0.4638143089],
        [0.6588336554, 0.6663483351, 0.8607069260], -0.5212875253, 0.7894,
    ),
    (
        (TS, 5, 25, inf, 0), [0.1739388515, 0.5385782929], [0.5998033994, 0.9282614909],
        -0.6372530787, 0.7415,
    ),
    (
        (TS, 20, 100, inf, 0), [0.1369793476, 0.3552645832, 0.6690744528],
        [0.7430869737, 0.9432084503, 0.9875949553], -0.5871041242, 0.8720,
    ),
    ((TS, 3, 10, 3, 0), [0.2611980158], [0.5973660532], -0.5408800395, 0.8738),
    ((TS, 8, 20, 2, 0), [0.1896701345], [0.5939457478], 0.3256369366, 0.6388),
    ((RANDOM, 1, 1, inf, 0), [], [0.5853118518], -0.8558205967, 0.3975),
    ((RANDOM, 2, 2, inf, 0), [0.0826469125], [0.0590574822, 0.0886374395], -0.6932867096, 1.0130),
    ((RANDOM, 2, 4, inf, 0), [0.3117682782], [0.3127637745, 0.3841097734], -0.7009994698, 1.2031),
    ((RANDOM, 2, 8, 3, 0), [0.3156567552], [0.3977693578, 0.4692124277], -0.6069203886, 1.2152),
    ((RANDOM, 2, 20, 3, 0), [0.4652954308], [0.6711064839, 0.7055956865], -0.6436551652, 1.6449),
    ((RANDOM, 3, 5, inf, 0), [0.1276357145], [0.2456733535], -0.6942034014, 1.0496),
    (
        (RANDOM, 3, 10, inf, 0), [0.0260241048, 0.2387446597],
        [0.0328935909, 0.0366996599, 0.4941523117], -0.7006142067, 1.1925,
    ),
    (
        (RANDOM, 3, 20, 3, 0), [0.0729773798, 0.2217296367],
        [0.1179719591, 0.1280022733, 0.5554665261], -0.5550423236, 1.2023,
    ),
    (
        (RANDOM, 5, 25, inf, 0), [0.0266432766, 0.3658949918], [0.1203625743, 0.7363289103],
        -0.7209938390, 1.4540,
    ),
    (
        (RANDOM, 20, 100, inf, 0), [0.0206078127, 0.1946177017, 0.5384120353],
        [0.1738170399, 0.7044412071, 0.9143348094], -0.7757928673, 2.0455,
    ),
    (
        (RANDOM, 2, 4, inf, 0.3), [0.7359954223], [0.7324490600, 0.7672800807], -1.3850335953,
        2.5081,
    ),
    ((RANDOM, 3, 10, 3, 0), [0.1455147613], [0.3487153935], -0.5493501243, 1.0642),
    ((RANDOM, 8, 20, 2, 0), [0.1081364707], [0.3508364884], 0.3212244467, 1.0343),
    ((RANDOM, 1, 3, 3, 0), [], [0.6151960161], -0.8079649427, 0.5718),
]  # fmt: skip


def solve(scenario: str, L: int, alpha: float, beta: float = inf, kappa: float = 0.0, **more: str):  # type: ignore[no-untyped-def]
    return rd.solve(
        float(alpha), L, scenario=scenario, beta=beta, kappa=kappa, ansatz="rs", closure="exact",
        **more,
    )  # fmt: skip


@pytest.mark.parametrize(("point", "q", "Q", "s", "rho"), POINTS)
def test_reference(
    point: tuple[str, int, float, float, float], q: list[float], Q: list[float], s: float,
    rho: float,
) -> None:  # fmt: skip
    found = solve(*point)
    assert found.converged
    assert found.branch == "continuous"
    L = point[1]
    np.testing.assert_allclose(found.q_ea[1:L][L - 1 - len(q) :], q, rtol=0, atol=6e-11)
    np.testing.assert_allclose(found.Q_ea[L - len(Q) :], Q, rtol=0, atol=6e-11)
    assert np.all(found.q_ea[1 : L - len(q)] == 0.0)
    assert np.all(found.Q_ea[: L - len(Q)] == 0.0)
    assert found.free_entropy == pytest.approx(s, rel=0, abs=6e-11)
    equations = symmetric_equations(found.problem)
    state = State(found.q_ea, found.one_minus_q_ea, found.Q_ea, found.one_minus_Q_ea)
    assert equations.replicon(state) == pytest.approx(rho, abs=6e-5)


def test_crystal_keeps_its_complements() -> None:
    found = solve(TS, 5, 25, branch="all")
    assert [one.branch for one in found] == ["continuous", "saturated"]
    crystal = found[1]
    q = [3.6285569984e-05, 3.6743882288e-05, 3.6743941814e-05, 3.6290321658e-05]
    Q = [
        3.0693609554e-03, 3.1051734637e-03, 3.1056198011e-03, 3.1055552903e-03, 3.0999209274e-03,
    ]  # fmt: skip
    np.testing.assert_allclose(crystal.one_minus_q_ea[1:-1], q, rtol=1e-9)
    np.testing.assert_allclose(crystal.one_minus_Q_ea, Q, rtol=1e-9)
    assert crystal.free_entropy == pytest.approx(-0.6784068586, abs=6e-11)
    deep = solve(TS, 20, 100, branch="all")[1]
    # by 30-digit quadrature
    np.testing.assert_allclose(deep.one_minus_q_ea[1:-1], 1.58295425706e-14, rtol=1e-9)
    np.testing.assert_allclose(deep.one_minus_Q_ea, 1.9248901781e-04, rtol=1e-9)


@pytest.mark.parametrize("alpha", [100.0, 400.0, 2000.0])
def test_crystal_at_large_alpha(alpha: float) -> None:
    """alpha^2 (1 - Q) -> 1.9255492434 and s -> -(L/alpha)(ln alpha + 0.17241) -> 0 from below."""
    expected = {100.0: 1.92489, 400.0: 1.925508, 2000.0: 1.925548}[alpha]
    found = solve(TS, 4, alpha, branch="equilibrium")
    np.testing.assert_allclose(alpha**2 * found.one_minus_Q_ea, expected, rtol=2e-6)
    assert found.free_entropy < 0.0
    assert found.free_entropy == pytest.approx(
        -4.0 / alpha * (math.log(alpha) + 0.17241), rel=20.0 / alpha**1.5
    )


@pytest.mark.parametrize("scenario", [TS, RANDOM])
@pytest.mark.parametrize("beta", [1.0, 4.0, inf])
def test_one_perceptron_has_one_theory(scenario: str, beta: float) -> None:
    """L = 1 has no neuron that could be averaged."""
    for alpha in (0.2, 1.1, 1.9):
        exact = solve(scenario, 1, alpha, beta)
        averaged = rd.solve(alpha, 1, scenario=scenario, beta=beta, ansatz="rs")
        assert exact.free_entropy == pytest.approx(averaged.free_entropy, rel=1e-12)
        np.testing.assert_allclose(exact.one_minus_Q_ea, averaged.one_minus_Q_ea, rtol=1e-12)


@pytest.mark.parametrize(
    ("scenario", "L", "alpha", "beta"),
    [(TS, 3, 12.0, inf), (TS, 2, 6.0, 2.5), (RANDOM, 3, 12.0, inf)],
)
def test_s_is_stationary_and_the_twin_agrees(
    scenario: str, L: int, alpha: float, beta: float
) -> None:
    """Finite differences of the twin's s in q, Q and eps, one after the other."""
    found = solve(scenario, L, alpha, beta)
    problem, q, Q = found.problem, found.q_ea.copy(), found.Q_ea.copy()
    eps = twin.fields(problem, q, Q)
    assert twin.free_entropy(problem, q, Q, eps) == pytest.approx(found.free_entropy, abs=1e-9)
    for values, places in ((q, range(1, L)), (Q, range(L)), (eps, range(L - 1))):
        for i in places:
            keep, step = values[i], 1e-4 * values[i] * (1.0 - values[i] if values is not eps else 1)
            ends = []
            for sign in (1.0, -1.0):
                values[i] = keep + sign * step
                ends.append(twin.free_entropy(problem, q, Q, eps))
            values[i] = keep
            assert abs(ends[0] - ends[1]) / 2e-4 < 1e-8


def test_newton_matrix_is_the_derivative_of_the_map() -> None:
    """Bands of 1 - dF/dy and dF/d ln alpha against differences of F, all of them wide."""
    equations = Equations(Problem(alpha=30.0, L=5, closure="exact"))
    rng = np.random.default_rng(3)
    y = rng.normal(0.5, 1.0, 9)
    active = np.ones(9, dtype=bool)
    state = State.uniform(5, 0.5).with_logits(active, y)
    values, bands = equations.linearise(state, active)
    width = (len(bands) - 1) // 2
    assert width > 2  # not five diagonals
    for j in range(9):
        ends = []
        for sign in (1.0, -1.0):
            moved = y.copy()
            moved[j] += sign * 1e-5
            there = State.uniform(5, 0.5).with_logits(active, moved)
            ends.append(equations.linearise(there, active)[0])
        column = -(ends[0] - ends[1]) / 2e-5
        known = np.zeros(9)
        for i in range(max(0, j - width), min(9, j + width + 1)):
            known[i] = bands[width + i - j, j]
        np.testing.assert_allclose(known, column, atol=2e-8)
    up, down = (equations.at(30.0 * math.exp(h)).linearise(state, active)[0] for h in (1e-5, -1e-5))
    np.testing.assert_allclose(equations.by_log_alpha(state, active), (up - down) / 2e-5, atol=2e-8)
    assert np.max(np.abs(values)) > 0.01


def test_teacher_student_map_is_monotone_and_random_is_not() -> None:
    """Every dF/dy >= 0 with a teacher; dq/deps < 0 occurs for random data at finite beta."""
    rng = np.random.default_rng(5)
    lowest = {}
    for scenario in (TS, RANDOM):
        equations = Equations(
            Problem(alpha=20.0, L=3, scenario=Scenario(scenario), beta=2.0, closure="exact")
        )
        slopes = []
        for _ in range(200):
            state = State.uniform(3, 0.5).with_logits(np.ones(5, bool), rng.normal(1.0, 3.0, 5))
            _, found = equations.linear(state)
            slopes.append(min(found.q_eps[:-1].min(), found.q_lam.min(), found.G_lam.min()))
        lowest[scenario] = min(slopes)
        assert equations.monotone == (scenario == TS)
    assert lowest[TS] >= 0.0
    assert lowest[RANDOM] < -1e-3


@pytest.mark.parametrize(
    ("L", "scenario", "beta", "thresholds"),
    [
        (2, TS, inf, [1.524937744]),
        (3, TS, inf, [2.4674011, 6.60646534]),
        (3, TS, 3.0, [3.67587625, 11.3371773]),
        (4, TS, inf, [2.4674011, 12.91562554, 19.38499672]),
        (5, TS, inf, [2.4674011, 12.91562554, 41.34768791, 50.94792001]),
        (6, TS, inf, [2.4674011, 12.91562554, 41.34768791, 114.0889192, 128.6474627]),
        (3, RANDOM, inf, [2.4674011, 9.52425]),
        (4, RANDOM, inf, [2.4674011, 21.01165, 33.96358]),
        (5, RANDOM, 3.0, [3.67587625, 46.87612, 318.885, 400.69]),
    ],
)
def test_thresholds(L: int, scenario: str, beta: float, thresholds: list[float]) -> None:
    problem = Problem(alpha=1.0, L=L, scenario=Scenario(scenario), beta=beta, closure="exact")
    found = symmetric_transitions(problem, 1e3, None)
    digits = 2e-6 if scenario == RANDOM else 1e-7 if L == 5 and beta < inf else 2e-8
    np.testing.assert_allclose(found.alpha, thresholds, rtol=digits)
    assert [t.layer for t in found.thresholds] == list(range(L - 1, 0, -1))


def test_first_thresholds_in_closed_form() -> None:
    """((sqrt 5 - 1)/2) (pi/2)^2 and (pi/2)^2: linear stability of the liquid."""
    golden = 0.5 * (math.sqrt(5.0) - 1.0)
    for L, alpha in ((2, golden * (0.5 * math.pi) ** 2), (3, (0.5 * math.pi) ** 2)):
        liquid = State.liquid(L)
        below, above = (
            Equations(Problem(alpha=alpha * f, L=L, closure="exact")) for f in (1 - 1e-6, 1 + 1e-6)
        )
        assert below.unstable_liquid_layers(liquid) == []
        assert above.unstable_liquid_layers(liquid) == [L - 1]


def test_liquid_input_layer_counts_its_data() -> None:
    """a q(2)^2 (1 + a) > 1 for layer 1, a q(l+1)^2 > 1 elsewhere; kappa = 0.5: 0.352247."""
    found = symmetric_transitions(Problem(alpha=1.0, L=3, closure="exact"), 10.0, None)
    onset = found.thresholds[1].alpha
    q = solve(TS, 3, onset * (1 - 1e-7)).q_ea[2]
    a = onset * (2.0 / math.pi) ** 2
    assert a * q**2 * (1.0 + a) == pytest.approx(1.0, abs=1e-6)
    for alpha, layers in ((0.3522, []), (0.3523, [1])):
        problem = Problem(alpha=alpha, L=2, scenario=Scenario.RANDOM, kappa=0.5, closure="exact")
        assert Equations(problem).unstable_liquid_layers(State.liquid(2)) == layers
    # with a margin the input side becomes solid as well: kappa = 1, alpha w2^2 = 1 at 0.42992
    for alpha, first in ((0.4299, False), (0.43, True)):
        problem = Problem(alpha=alpha, L=4, scenario=Scenario.RANDOM, kappa=1.0, closure="exact")
        assert (1 in Equations(problem).unstable_liquid_layers(State.liquid(4))) is first


@pytest.mark.parametrize(
    ("L", "up", "down", "equal", "s"),
    [
        (4, 22.62066353, 14.89704017, 19.37035943, -0.6474325007),
        (5, 51.07653452, 15.33815147, 27.54574516, -0.6333270327),
    ],
)
def test_first_order_step(L: int, up: float, down: float, equal: float, s: float) -> None:
    found = symmetric_transitions(Problem(alpha=1.0, L=L, closure="exact"), 1e3, None)
    (step,) = found.steps
    assert step.up == pytest.approx(up, rel=1e-9)
    assert step.down == pytest.approx(down, rel=1e-9)
    assert step.coexistence == pytest.approx(equal, rel=1e-9)
    assert found.saturated == pytest.approx(equal, rel=1e-9)
    both = solve(TS, L, equal, branch="all")
    np.testing.assert_allclose([b.free_entropy for b in both], s, atol=1e-9)


@pytest.mark.parametrize(
    ("L", "spinodal"),
    [(4, 14.89704017), (5, 15.33815147), (6, 15.5563591), (8, 15.7512043), (20, 15.90756448)],
)
def test_where_the_crystal_appears(L: int, spinodal: float) -> None:
    """Its fold, followed from where it has the s of the front; and s on both sides (L = 20)."""
    found = symmetric_transitions(Problem(alpha=1.0, L=L, closure="exact"), 300.0, None)
    assert found.saturated_spinodal == pytest.approx(spinodal, rel=5e-9)
    if L == 20:
        assert found.saturated == pytest.approx(190.00367533, rel=1e-9)
        at = solve(TS, 20, found.saturated, branch="all")
        front, crystal = (one for one in at if "partly" not in one.branch)
        np.testing.assert_allclose(front.free_entropy, -0.5704587007, atol=1e-9)
        np.testing.assert_allclose(crystal.free_entropy, -0.5704587007, atol=1e-9)
    assert [len(solve(TS, L, spinodal * f, branch="all")) for f in (0.999, 1.001)] == [1, 2]


@pytest.mark.parametrize("L", [2, 3])
def test_shallow_networks_have_one_continuous_curve(L: int) -> None:
    """No step, and no saturated branch beside the curve: it leads there itself."""
    found = symmetric_transitions(Problem(alpha=1.0, L=L, closure="exact"), 1e3, None)
    assert found.steps == ()
    assert math.isnan(found.saturated)
    assert [one.branch for one in solve(TS, L, 300.0, branch="all")] == ["continuous"]


def test_curve_of_six_layers_does_not_lead_to_the_crystal() -> None:
    """From the fold at 128.690 it turns at 18.983 and ends in states with a liquid layer 1."""
    problem = Problem(alpha=1.0, L=6, closure="exact")
    segments = list(ordering_path(problem, 1e3))
    folds = [s.points[j].alpha for s in segments for j in s.folds]
    assert folds[0] == pytest.approx(128.6904210, rel=1e-8)
    assert min(folds) == pytest.approx(18.98288918, rel=1e-6)
    end = segments[-1].points[-1]
    assert end.state.q[1] < 1e-6
    assert end.state.q[5] > 0.99
    step = symmetric_transitions(problem, 1e3, None).steps[0]
    assert math.isnan(step.down)
    assert math.isnan(step.coexistence)
    assert math.isnan(step.q_after)
    # falling from the crystal a liquid layer returns where that ends, not on this curve
    assert symmetric_transitions(problem, 1e3, None).liquid_returns == pytest.approx(
        15.5563591, rel=5e-9
    )


def _candidate(name: str, s: float) -> Candidate:
    settled = Settled(State.liquid(2), Stop.FOUND, 0.0, 1, 1, 0.5)
    return Candidate(Branch(name), settled, Entropy(s, *np.zeros((3, 1))))


def test_auto_stays_on_the_branch_of_the_liquid() -> None:
    """Unlike in the averaged closure a branch with larger s is only mentioned."""
    exact = symmetric_equations(Problem(alpha=5.0, L=2, closure="exact"))
    found = [_candidate("continuous", -0.7), _candidate("filled", -0.3)]
    assert select(exact, found, BranchChoice.AUTO) == found[:1]
    assert select(exact, found, BranchChoice.EQUILIBRIUM) == found[1:]
    assert select(exact, found[1:], BranchChoice.AUTO) == found[1:]
    averaged = symmetric_equations(Problem(alpha=5.0, L=2))
    assert select(averaged, found, BranchChoice.AUTO) == found[1:]
    auto = solve(TS, 4, 21.0)
    assert auto.branch == "continuous"
    assert "has larger s" in auto.message
    assert solve(TS, 4, 21.0, branch="equilibrium").branch.kind is not BranchKind.CONTINUOUS
    past = solve(TS, 4, 23.0)  # the branch of the liquid has ended
    assert past.branch.kind is not BranchKind.CONTINUOUS
    assert past.converged


def test_s_is_never_positive_with_hard_constraints() -> None:
    for L, alpha in itertools.product((2, 3, 4, 7), (3.0, 12.0, 30.0, 200.0)):
        for one in solve(TS, L, alpha, branch="all"):
            assert one.converged
            assert one.free_entropy <= 0.0
        random = solve(RANDOM, L, alpha)
        if random.converged:
            assert random.free_entropy <= -math.log(2.0) + 1e-12
        front = solve(TS, L, alpha, branch="equilibrium")
        assert front.free_entropy >= -math.log(2.0) - 1e-12


def test_overlap_of_the_inputs_at_large_alpha() -> None:
    """q(1) >= tanh^2(beta/2): the couplings are known, and one gap still errs."""
    for beta in (1.5, 3.0):
        found = solve(TS, 2, 1e4, beta)
        assert found.q_ea[1] > math.tanh(0.5 * beta) ** 2
        assert found.q_ea[1] < 1.0 - 1e-3


def test_random_data_end_beyond_the_counting_bound() -> None:
    """Replica symmetry ends at 20.6487645696 (L = 2); networks end at 9.0886 (Cover)."""
    assert largest(solve(RANDOM, 2, 8.0).problem) == pytest.approx(9.08860683, rel=1e-8)
    within, beyond = solve(RANDOM, 2, 8.0), solve(RANDOM, 2, 20.0)
    assert (within.possible, beyond.possible) == (True, False)
    assert "unstable to replica-symmetry breaking" in within.message
    assert solve(RANDOM, 2, 20.64).converged
    assert solve(RANDOM, 2, 21.0).status is rd.Status.NO_SOLUTION


def test_what_is_refused() -> None:
    with pytest.raises(rd.InputError, match="kappa"):
        solve(TS, 2, 3.0, kappa=0.3)
    with pytest.raises(rd.InputError, match="closure"):
        rd.solve(3.0, 2, closure="exakt")


def test_certificate_sees_a_wrong_overlap() -> None:
    """Residual, gradients and zero levels of a moved solution."""
    problem = Problem(alpha=12.0, L=3, closure="exact")
    equations = Equations(problem)
    found = settle(equations, State.liquid(3), side=1, max_sweeps=1000)
    good = found.state
    assert equations.residual(good) < 1e-12
    for gradient in equations.gradient(good):
        assert np.max(np.abs(gradient), initial=0.0) < 1e-10
    moved = replace(good, q=good.q * 1.0, p=good.p * 1.0)
    moved.q[1] *= 1.001
    moved.p[1] = 1.0 - moved.q[1]
    assert equations.residual(moved) > 1e-4
    eps = equations.layers(good).eps
    in_q, _, _ = entropy.gradient(equations.sites, moved, eps)
    in_q_good, _, _ = entropy.gradient(equations.sites, good, eps)
    assert np.max(np.abs(in_q_good)) < 1e-10
    assert np.max(np.abs(in_q)) < 1e-2  # s is linear in q at fixed eps: other gradients see it
    assert np.max(np.abs(entropy.gradient(equations.sites, moved, eps)[1])) > 1e-5
    liquid = State.liquid(3)
    assert equations.unstable_liquid_layers(liquid) == [2]


@pytest.mark.parametrize(("alpha", "L"), [(9.0, 20), (15.9, 60), (1e8, 2), (1e-3, 6)])
def test_overlaps_that_underflow_on_the_way(alpha: float, L: int) -> None:
    """Layers melt to 1e-300 in one pass; trials of Newton's method go beyond 1 - 1e-300."""
    for one in solve(TS, L, alpha, branch="all"):
        assert one.converged


def test_curve_stays_on_itself() -> None:
    """L = 10: near alpha = 16 the crystal's curve is close; landing there is refused.

    Equal s from full order; no step of the front's curve leads there.
    """
    found = symmetric_transitions(Problem(alpha=1.0, L=10, closure="exact"), 1e4, None)
    assert found.saturated == pytest.approx(75.4401, abs=1e-4)
    assert math.isnan(found.steps[0].down)


@pytest.mark.parametrize(
    ("tangent", "turning", "control", "sign"),
    [
        ([1.0, 7.9, 0.5], False, 1, 1.0),
        ([1.0, -8.1, 0.5], True, 1, -1.0),
        ([1.0, 0.5, 20.0], True, 2, 1.0),
        ([1.0, 0.9, -0.2], False, 0, 1.0),  # no other logit changes more
    ],
)
def test_control_goes_to_the_logit_that_changes_most(
    tangent: list[float], turning: bool, control: int, sign: float
) -> None:
    point = Point(State.uniform(2, 0.5), 0.0, 0.0, -0.1, np.array(tangent), 0.0)
    assert point.turning is turning
    curve = Curve(symmetric_equations(Problem(alpha=2.0, L=2, closure="exact")), 0)
    turned = curve.turned(point)
    assert (turned.control, turned.sign) == (control, sign)
    assert (turned is curve) == (control == 0)


def test_starts_of_the_search() -> None:
    """From above: with a teacher L = 2 bounds deeper networks; without q = 0.9, Q = 0.99."""
    (full,) = symmetric_equations(Problem(alpha=3.0, L=2, closure="exact")).starts_above()
    np.testing.assert_array_equal(full.p[1:-1], 0.0)
    np.testing.assert_allclose(full.P, 1e-4 / 16.0)
    for alpha, beta in ((4.0, inf), (14.9, inf), (80.0, inf), (20.0, 3.0)):
        here = symmetric_equations(Problem(alpha=alpha, L=4, beta=beta, closure="exact"))
        (start,) = here.starts_above()
        image, top = start.copy(), full_order(here.problem)
        here.sweep(image, 1)
        here.sweep(top, 100)
        pair = solve(TS, 2, alpha, beta=beta, branch="equilibrium")
        for x in (image, top):
            assert np.all(start.p <= x.p)
            assert np.all(start.P <= x.P)
        # already near the solution of two layers
        np.testing.assert_allclose(start.q[1:-1], pair.q_ea[1], rtol=0.05)
        np.testing.assert_allclose(start.Q[[0, 3]], pair.Q_ea, rtol=0.05)
        np.testing.assert_allclose(start.Q[1:3], pair.Q_ea.min(), rtol=0.05)
    problem = Problem(alpha=3.0, L=3, scenario=Scenario.RANDOM, closure="exact")
    (start,) = symmetric_equations(problem).starts_above()
    np.testing.assert_allclose(start.q[1:-1], 0.9)
    np.testing.assert_allclose(start.Q, 0.99)


@pytest.mark.parametrize("scenario", [TS, RANDOM])
def test_deep_networks_cost_no_more_than_their_layers(scenario: str) -> None:
    """1000 layers at alpha = 100: the order of 20, and s differs by the liquid layers."""
    deep, shallow = solve(scenario, 1000, 100), solve(scenario, 20, 100)
    np.testing.assert_allclose(deep.q_ea[-4:], shallow.q_ea[-4:], rtol=1e-12)
    assert np.all(deep.q_ea[1:-4] == 0.0)
    assert deep.free_entropy == pytest.approx(shallow.free_entropy, abs=1e-9)
