"""Exact neurons with a margin: a front from the inputs and one from the outputs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn.problem import Problem, Scenario
from replicadnn.questions.transitions import Transitions
from replicadnn.questions.transitions.rising import Ascent
from replicadnn.theory.closures import fronts, independent_fronts
from replicadnn.theory.closures.exact.equations import Equations
from replicadnn.theory.symmetric.state import State

inf = math.inf


def problem(L: int, kappa: float, beta: float = inf, alpha: float = 1.0) -> Problem:
    return Problem(
        alpha=alpha, L=L, scenario=Scenario.RANDOM, kappa=kappa, beta=beta, closure="exact"
    )


def found(L: int, kappa: float, beta: float = inf, **more: Any) -> Transitions:
    return rd.transitions(L, scenario="random", kappa=kappa, beta=beta, closure="exact", **more)


def solve(alpha: float, L: int, kappa: float, beta: float = inf) -> rd.Solution:
    solution = rd.solve(
        alpha, L, scenario="random", ansatz="rs", kappa=kappa, beta=beta, closure="exact"
    )
    assert solution.converged, solution.message
    return solution


# L, kappa, beta, layers in the order in which they become solid, their alpha
CASES = [
    (2, 0.5, inf, (1,), (0.352246842,)),
    (2, 1.0, inf, (1,), (0.105327460,)),
    (4, 1.0, inf, (3, 1, 2), (0.184827477, 0.429915662, 0.72670557)),
    (4, -1.0, inf, (1, 3, 2), (12.0898893, 146.165423, 384.717975)),
    (5, -0.5, inf, (4, 1, 2, 3), (14.8792626, 15.4294589, 134.191308, 339.039911)),
    (5, 0.2, inf, (4, 3, 2, 1), (1.34016942, 8.94603967, 25.5036876, 27.0064534)),
    (3, 0.5, 3.0, (2, 1), (1.104624, 2.93755654)),
    (5, 1.0, 3.0, (4, 1, 2, 3), (0.578759256, 0.760762286, 4.55863647, 5.10684879)),
    (3, -0.5, 1.0, (1, 2), (52.3323078, 170.711181)),
    (4, 1.0, 1.0, (1, 3, 2), (9.3686982, 87.772506, 2317.8799)),
    (3, 0.5, 0.1, (1, 2), (3109.99374, 604502.625)),
    (2, -0.5, 0.001, (1,), (32283442.5,)),
]


@pytest.mark.parametrize(("L", "kappa", "beta", "layers", "alphas"), CASES)
def test_thresholds_of_both_fronts(
    L: int, kappa: float, beta: float, layers: tuple[int, ...], alphas: tuple[float, ...]
) -> None:
    """Order and values; the solver has the layer liquid just below and solid just above."""
    here = found(L, kappa, beta)
    assert tuple(here.layers) == layers
    assert here.alpha == pytest.approx(alphas, rel=2e-8)
    assert [t.order for t in here.thresholds] == ["second"] * (L - 1)
    assert here.origins[-1] == "both"
    for layer, alpha in zip(layers, alphas, strict=True):
        below, above = (solve(alpha * f, L, kappa, beta) for f in (1 - 2e-4, 1 + 2e-4))
        assert below.q_ea[layer] == 0.0
        assert above.q_ea[layer] > 0.0


@pytest.mark.parametrize(
    ("kappa", "beta", "inputs", "outputs"),
    [
        # w1 = phi(kappa)(1 - e^-beta)/w0: 1/(kappa w1)^2 and 1/w1^4
        (1.0, inf, 0.429915662, 0.184827477),
        (-1.0, inf, 12.0898893, 146.165423),
        (-0.5, inf, 15.4294589, 14.8792626),
        (1.0, 1.0, 9.36869816, 87.7725053),
    ],
)
def test_first_threshold_is_that_of_the_side_that_comes_first(
    kappa: float, beta: float, inputs: float, outputs: float
) -> None:
    density = math.exp(-0.5 * kappa**2) / math.sqrt(2.0 * math.pi)
    rest = 0.0 if math.isinf(beta) else math.exp(-beta)
    w1 = (1.0 - rest) * density / (rest + (1.0 - rest) * 0.5 * math.erfc(kappa / math.sqrt(2.0)))
    assert 1.0 / (kappa * w1) ** 2 == pytest.approx(inputs, rel=1e-8)
    assert 1.0 / w1**4 == pytest.approx(outputs, rel=1e-8)
    grown = independent_fronts(problem(3, kappa, beta))
    assert grown is not None
    assert grown.first_threshold == pytest.approx(min(inputs, outputs), rel=1e-8)


@pytest.mark.parametrize(("kappa", "beta"), [(0.5, inf), (-0.7, inf), (1.0, 3.0), (-0.5, 1.0)])
@pytest.mark.parametrize("ends", [(0.0, 0.3), (0.4, 0.0), (0.4, 0.3), (1.0, 1.0)])
def test_growth_is_that_of_the_map(kappa: float, beta: float, ends: tuple[float, float]) -> None:
    """Largest eigenvalue of (q, G) -> (q, G) of a liquid layer, by differences of its averages."""
    alpha, tiny = 0.8, 1e-7
    below, above = ends
    equations = Equations(problem(4, kappa, beta, alpha))
    state = State.liquid(4)
    state.q[1], state.p[1] = below, 1.0 - below
    state.q[3], state.p[3] = above, 1.0 - above
    state.Q[0] = state.Q[3] = 0.5
    state.P[0] = state.P[3] = 0.5
    upper = float(equations.layers(state).G[2])  # G(3) at lam(3) = 0
    columns = []
    for q, G in ((tiny, 0.0), (0.0, tiny)):
        eps, lam = np.array([alpha * upper**2 * q]), np.array([alpha * below**2 * G])
        columns.append(_linear(equations, float(lam[0]), float(eps[0]), tiny))
    expected = max(abs(np.linalg.eigvals(np.array(columns).T)))
    assert equations.growth(state)[1] == pytest.approx(expected, rel=1e-5, abs=1e-12)


def _linear(equations: Equations, lam: float, eps: float, tiny: float) -> tuple[float, float]:
    from replicadnn.kernels.theory.exact import site

    if lam == eps == 0.0:
        return 0.0, 0.0
    q, _, G = site(*equations.sites.parameters, lam, 1.0 - lam, eps, 1)
    return q / tiny, G / tiny


def test_growth_by_hand() -> None:
    """One side alone: alpha w2^2 q(l-1)^2 and alpha G(l+1)^2; one where (48) is one."""
    kappa = 1.0
    w1 = math.exp(-0.5) / math.sqrt(2.0 * math.pi) / (0.5 * math.erfc(math.sqrt(0.5)))
    assert w1 == pytest.approx(1.525135, rel=1e-6)
    alpha = 0.3
    growth = Equations(problem(3, kappa, alpha=alpha)).growth(State.liquid(3))
    assert growth == pytest.approx([alpha * w1**2, alpha * w1**4], rel=1e-12)
    at = Equations(problem(2, kappa, alpha=0.10532746)).growth(State.liquid(2))
    assert at == pytest.approx([1.0], rel=1e-7)


@pytest.mark.parametrize(
    ("layer", "beta"), [(1, inf), (1, 1.0), (1, 0.001), (3, inf), (3, 1.0), (3, 0.03)]
)
def test_a_layer_starts_with_small_overlaps_only(layer: int, beta: float) -> None:
    """At beta = 0.001 Q(1) = q(1)/c0 with 1/c0 = 8e6: none of the three exceeds what is asked."""
    grown = independent_fronts(problem(4, 0.5, beta))
    assert grown is not None
    liquid = State.liquid(4)
    onset = -float(grown.log_growth(liquid, 0.0)[layer - 1])
    state = grown.seed(liquid, onset, layer, 1e-6)
    new = [state.q[layer], state.Q[layer - 1], state.Q[layer]]
    rest = [state.p[layer], state.P[layer - 1], state.P[layer]]
    assert max(new) == 1e-6
    assert min(new) >= 0.0
    assert np.add(new, rest) == pytest.approx(1.0, abs=1e-15)
    assert np.count_nonzero(new) == 2


def test_what_is_said_of_the_fronts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.h5"
    words = ["transitions", "--L", "4", "--scenario", "random", "--closure", "exact"]
    assert run([*words, "--kappa", "1", "--output", str(path)]) == 0
    out = capsys.readouterr().out
    assert "second, from outputs" in out
    assert "second, from inputs" in out
    here = rd.load(path)
    assert isinstance(here, Transitions)
    rows = here.as_dict()["transitions"]
    assert [(t["layer"], t["front"]) for t in rows] == [
        (3, "outputs"), (1, "inputs"), (2, "both"),
    ]  # fmt: skip
    assert here.fit is None
    assert here.last_liquid == here.liquid_returns == here.alpha[-1]
    assert list(here.depths) == [3.0, 1.0, 2.0]
    assert not here.two_fronts
    axes = rd.plot.transitions(here)
    assert axes.get_xlabel() == "neuron layer  $l$"
    thick = rd.plot.thickness(here)
    assert "both fronts" in thick.get_ylabel()
    assert thick.get_xlim()[1] < 4.0  # nothing is drawn beyond the end of the solutions
    assert run(["plot", "transitions", str(path), "-o", str(tmp_path / "t.png")]) == 0
    capsys.readouterr()
    assert run([*words, "--kappa", "1", "--alpha-max", "0.5", "--json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert [t["front"] for t in document["transitions"]] == ["outputs", "inputs", None]
    assert document["message"] == "layer 2 is not reached: alpha_max = 0.5"
    assert document["liquid"]["last_liquid"] is None


def test_fronts_of_the_others_are_not_independent() -> None:
    mirrored, single = rd.transitions(4), rd.transitions(4, closure="exact", alpha_max=1e3)
    assert mirrored.origins == ("both", "both")
    assert single.origins == ("outputs", "outputs", "outputs")
    assert independent_fronts(Problem(alpha=1.0, L=3, closure="exact")) is None
    assert independent_fronts(Problem(alpha=1.0, L=3, kappa=0.5)) is None
    with pytest.raises(rd.InputError, match="two fronts"):
        fronts(problem(3, 0.5))


def test_what_there_is_none_of() -> None:
    assert found(1, 0.5).message == "L = 1 has no hidden layer: no transition"
    low = found(4, 1.0, alpha_max=0.1)
    assert np.all(np.isnan(low.alpha))
    assert low.message == "layers 3..1 are not reached: alpha_max = 0.1"
    with pytest.raises(rd.InputError, match="kappa"):
        rd.transitions(3, closure="exact", kappa=0.5)


def test_larger_steps_once_every_layer_is_solid() -> None:
    """L = 3, kappa = 5, beta = 20: two layers at 0.0015, then 12 decades of alpha with no fold."""
    case = problem(3, 5.0, 20.0)
    grown = independent_fronts(case)
    assert grown is not None
    ascent = Ascent(case, grown, 1e9, lambda done: None)
    ascent.run()
    alpha, solid, _ = np.array(ascent.rows).T
    steps = np.diff(np.log(alpha))
    assert steps[solid[:-1] < 2].max() < 0.1 + 1e-12
    assert 0.5 < steps[solid[:-1] == 2].max() < 1.0 + 1e-12
    assert alpha[-1] > 3e8
    assert len(alpha) < 60
    assert not ascent.steps


def test_margins_meet_the_single_front_at_zero() -> None:
    """kappa -> 0: the inputs come later and later, the rest is that of one front."""
    none = rd.transitions(3, scenario="random", closure="exact", alpha_max=50.0)
    for kappa in (1e-6, -1e-6):
        assert found(3, kappa, alpha_max=50.0).alpha == pytest.approx(none.alpha, rel=1e-5)


@pytest.mark.slow
def test_solutions_that_end_before_the_fronts_meet() -> None:
    """L = 13, kappa = 0.5: at 20.273 layer 4 is still liquid, between two solid ones."""
    here = found(13, 0.5)
    assert [t.layer for t in here.thresholds if math.isnan(t.alpha)] == [4]
    assert here.message.startswith("layer 4 is not reached: the symmetric solutions end at")
    assert float(here.message.split("= ")[1]) == pytest.approx(20.273, abs=1e-3)
    assert not here.converged
    last = solve(20.26, 13, 0.5)
    assert [n for n in range(1, 13) if last.q_ea[n] == 0.0] == [4, 5]


@pytest.mark.slow
def test_a_step_after_the_fronts_have_met() -> None:
    """L = 8, kappa = 0.2: up at 108.2317; a larger smallest overlap on the other side."""
    here = found(8, 0.2)
    (step,) = here.steps
    assert step.up == pytest.approx(108.231683, rel=1e-7)
    assert math.isnan(step.down)
    assert math.isnan(here.liquid_returns)
    below, above = (solve(step.up * f, 8, 0.2) for f in (1 - 1e-4, 1 + 1e-4))
    assert below.q_ea.min() < step.q_before < 0.0089
    assert above.q_ea.min() == pytest.approx(step.q_after, rel=1e-2)
    assert here.alpha[-1] == pytest.approx(106.240026, rel=1e-7)
