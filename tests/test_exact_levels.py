"""Broken symmetry of the exact closure: references, certificate, derivatives, refusals."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn.problem import Ansatz, Problem, Scenario
from replicadnn.theory.broken.layout import gather
from replicadnn.theory.broken.search import find
from replicadnn.theory.broken.state import Evaluation, State, liquid, make_state
from replicadnn.theory.closures.exact import closing
from replicadnn.theory.closures.exact.broken import LevelEquations
from replicadnn.types import FloatArray

INF = math.inf


def equations(alpha: float, L: int, kappa: float = 0.0, beta: float = INF) -> LevelEquations:
    problem = Problem(
        alpha=alpha, L=L, scenario=Scenario.RANDOM, ansatz=Ansatz.RSB, kappa=kappa, beta=beta,
        closure="exact",
    )  # fmt: skip
    return LevelEquations(problem)


def solve(L: int, alpha: float, K: int, **options: Any) -> rd.Solution:
    found = rd.solve(
        alpha, L, scenario="random", closure="exact", ansatz="rsb", levels=K, **options
    )
    assert isinstance(found, rd.Solution)
    return found


#: L, alpha, K: s, m, q of every solid layer, Q; nested trapezoidal sums in one and two levels.
NESTED: dict[tuple[int, float, int], tuple[float, list[float], list[list[float]]]] = {
    (2, 4.0, 1): (
        -0.701743527213, [0.3692507414], [[0.42083446], [0.42024829], [0.50491817]],
    ),
    (2, 4.0, 2): (
        -0.701842931402, [0.205891911, 0.540263496],
        [[0.21551318, 0.46233220], [0.21721165, 0.46051925], [0.27314452, 0.54717847]],
    ),
    (2, 3.0, 1): (
        -0.695683438595, [0.2718899678], [[0.25550502], [0.22740217], [0.30135031]],
    ),
    (2, 3.0, 2): (
        -0.695692265846, [0.144521800, 0.409530354],
        [[0.13072295, 0.27076195], [0.11654176, 0.24091952], [0.15701569, 0.31844204]],
    ),
    (3, 6.0, 1): (-0.695245611058, [0.2015191805], [[0.17964578], [0.35415393]]),
    (3, 6.0, 2): (
        -0.695248910917, [0.104584825, 0.300078361],
        [[0.08975934, 0.18620712], [0.18089179, 0.36631228]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NESTED)
def test_one_and_two_levels(case: tuple[int, float, int]) -> None:
    s, m, overlaps = NESTED[case]
    L, alpha, K = case
    found = solve(L, alpha, K)
    assert found.converged
    assert found.free_entropy == pytest.approx(s, abs=1.5e-12)
    np.testing.assert_allclose(found.x[1:], m, rtol=0, atol=2e-9)
    solid = [*found.q[1:-1], *found.Q] if L == 2 else [found.q[2], found.Q[2]]
    for row, want in zip(solid, overlaps, strict=True):
        assert row[0] == 0.0
        np.testing.assert_allclose(row[1:], want, rtol=0, atol=6e-9)
    assert found.certificate.residual < 1e-12
    assert found.certificate.ds_dm_max < 1e-12


def test_layer_1_of_three_is_exactly_liquid() -> None:
    """Order comes from the output: at alpha = 6 neither layer 1 nor the couplings beside it."""
    found = solve(3, 6.0, 2)
    assert np.all(found.q[1] == 0.0)
    assert np.all(found.Q[:2] == 0.0)
    assert found.q_ea[2] > 0.18


#: s at L = 2, alpha = 4 by number of levels; their limit is -0.701852128(1).
BY_LEVELS = {3: -0.701850180, 4: -0.701851496, 6: -0.701852001, 8: -0.7018520873}


@pytest.mark.parametrize("K", [3, 4, *(pytest.param(K, marks=pytest.mark.slow) for K in (6, 8))])
def test_more_levels(K: int) -> None:
    """Each lowers s; the stated error covers the distance from the limit; rho - 1 ~ 1/K^2 > 0."""
    found = solve(2, 4.0, K)
    assert found.converged
    assert found.free_entropy == pytest.approx(BY_LEVELS[K], abs=6e-10)
    certificate = found.certificate
    distance = found.free_entropy + 0.701852128
    assert 0.0 < distance < certificate.levels_error_s < 20.0 * distance
    assert abs(found.q_ea[1] - 0.47984) < certificate.levels_error_q
    excess = np.array(certificate.replicon) - 1.0
    assert np.all(excess > 0.0)
    assert excess.max() * (K + 1) ** 2 == pytest.approx(0.15, rel=0.25)


@pytest.mark.slow
@pytest.mark.parametrize(("K", "s"), [(12, -0.7018521198), (16, -0.7018521252)])
def test_many_levels(K: int, s: float) -> None:
    found = solve(2, 4.0, K)
    assert found.converged
    assert found.free_entropy == pytest.approx(s, abs=1e-10)
    assert 1.0 < max(found.certificate.replicon) < 1.0008


def test_one_layer_is_that_of_the_averaged_closure() -> None:
    """There is no hidden neuron: one perceptron with kappa < 0, two levels."""
    one, other = (
        rd.solve(9.0, 1, scenario="random", kappa=-1.0, ansatz="rsb", levels=2, closure=closure)
        for closure in ("exact", "averaged")
    )
    assert one.converged
    assert one.free_entropy == pytest.approx(other.free_entropy, abs=1e-11)
    np.testing.assert_allclose(one.Q, other.Q, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("L", "kappa", "beta", "threshold"),
    [
        (2, 0.0, INF, 1.5249377),
        (3, 0.0, INF, 2.4674011),
        (2, 0.5, INF, 0.352247),
        (2, 0.0, 3.0, 1.5249377 / math.tanh(1.5) ** 4),
    ],
)
def test_first_threshold(L: int, kappa: float, beta: float, threshold: float) -> None:
    """An overlap of the liquid grows above and falls below; its growth is that of the equations."""
    here = equations(threshold, L, kappa, beta)
    assert here.first_threshold() == pytest.approx(threshold, rel=2e-6)
    growth = here.zero_level_growth(here.evaluate(liquid(L)))
    assert growth[L - 1, 0] == pytest.approx(1.0, abs=1e-5)
    assert here.evaluate(liquid(L)).free_entropy == pytest.approx(here.liquid_entropy(), abs=1e-14)


@pytest.mark.parametrize(("L", "kappa", "beta"), [(2, 0.3, INF), (3, 0.0, 4.0)])
def test_margin_and_temperature(L: int, kappa: float, beta: float) -> None:
    """Certified, below the replica-symmetric s, above which one level cannot lie."""
    alpha = 1.0 if L == 2 else 8.0
    found = solve(L, alpha, 1, kappa=kappa, beta=beta)
    symmetric = rd.solve(
        alpha, L, scenario="random", ansatz="rs", closure="exact", kappa=kappa, beta=beta
    )
    assert found.converged
    assert found.free_entropy < symmetric.free_entropy - 1e-6
    assert symmetric.certificate.replicon[0] > max(found.certificate.replicon) > 1.0


def at_overlaps(
    here: LevelEquations, ev: Evaluation, change: FloatArray, dm: FloatArray
) -> Evaluation:
    """The evaluation with (q, Q) moved by ``change`` and m by ``dm``: Newton steps in eps."""
    layout, state = here.layout(ev.state), ev.state
    target = gather(layout, state.Q, ev.q) + change
    eps, Q = state.eps.copy(), state.Q.copy()
    Q[layout.Q.mask] = target[layout.Q.numbers]
    for _ in range(8):
        now = here.evaluate(make_state(state.m + np.append(0.0, dm), eps, Q), True)
        rest = target - gather(layout, Q, now.q)
        if np.abs(rest).max() < 1e-14:
            break
        step = here.field_step(layout, now, np.append(rest, np.zeros(state.K)))
        eps[layout.eps.mask] += step[layout.eps.numbers]
    return now


def check_derivatives(here: LevelEquations, state: State) -> None:
    """Gradient and Hessian in (q, Q, m) are differences of s and of the gradient."""
    ev = here.evaluate(state, True)
    layout = here.layout(state)
    gradient, hessian = here.gradient(layout, ev), here.hessian(layout, ev)
    step = 3e-5
    for i in range(layout.size + state.K):
        move = np.zeros(layout.size + state.K)
        move[i] = step
        up, down = (
            at_overlaps(here, ev, sign * move[: layout.size], sign * move[layout.size :])
            for sign in (1.0, -1.0)
        )
        slope = (up.free_entropy - down.free_entropy) / (2 * step)
        assert slope == pytest.approx(gradient[i], abs=1e-8)
        change = (here.gradient(layout, up) - here.gradient(layout, down)) / (2 * step)
        np.testing.assert_allclose(change, hessian[:, i], rtol=0, atol=2e-7)


def bent_states() -> dict[str, tuple[LevelEquations, State]]:
    """Away from solutions: all solid, layer 1 liquid, a margin with a late first level, K = 0."""
    x = np.arange(3) / 2
    late = np.maximum(x - 0.6, 0.0)
    none = np.zeros(3)
    return {
        "solid": (
            equations(9.0, 3),
            make_state(0.6 * x, np.outer([0, 0.5, 0.8, 0], x), np.outer([0.4, 0.5, 0.6], x**1.2)),
        ),
        "liquid": (
            equations(9.0, 3),
            make_state(0.6 * x, np.outer([0, 0, 0.8, 0], x), np.outer([0, 0, 0.6], x**1.2)),
        ),
        "late": (
            equations(9.0, 3, beta=4.0),
            make_state(
                0.6 * x, np.array([none, late, x, none]), np.array([late, 0.9 * late, 0.5 * x])
            ),
        ),
        "no levels": (
            equations(3.0, 2),
            make_state(np.zeros(1), np.array([[0], [0.5], [0]]), np.array([[0.4], [0.5]])),
        ),
    }


@pytest.mark.parametrize("case", ["solid", "liquid", "late", "no levels"])
def test_gradient_and_hessian_are_differences(case: str) -> None:
    """Of s and of its gradient in (q, Q, m), eps eliminated by q = T(lam, eps)."""
    check_derivatives(*bent_states()[case])


def test_solution_is_a_minimum_of_s() -> None:
    """s(q, Q, m) has a positive definite Hessian at a stable solution."""
    here = equations(6.0, 3)
    ev = find(here, levels=2).evaluation
    ev, layout = here.evaluate(ev.state, True), here.layout(ev.state)
    assert layout.size == 4
    assert np.linalg.eigvalsh(here.hessian(layout, ev)).min() > 1e-6
    assert np.abs(here.gradient(layout, ev)).max() < 1e-12


def test_parts_and_file(tmp_path: Path) -> None:
    found = solve(3, 6.0, 1)
    parts = (found.entropy_interaction, found.entropy_couplings, found.entropy_neurons)
    assert sum(float(part.sum()) for part in parts) == pytest.approx(found.free_entropy, abs=1e-13)
    back = rd.load(found.save(tmp_path / "a.h5"))[0]
    assert back.problem == found.problem
    assert np.array_equal(back.q, found.q)
    assert back.certificate.replicon == found.certificate.replicon
    assert back.certificate.residual == found.certificate.residual


def test_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    point = ["solve", "--alpha", "4", "--L", "2", "--scenario", "random", "--closure", "exact"]
    assert run([*point, "--ansatz", "1rsb", "--json"]) == 0
    (document,) = json.loads(capsys.readouterr().out)["results"]
    assert document["free_entropy"] == pytest.approx(-0.701743527213, abs=2e-12)
    assert (document["closure"], document["ansatz"]) == ("exact", "1rsb")


def test_what_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Teacher, thresholds and capacity with a margin: one line each."""
    with pytest.raises(rd.InputError, match="ansatz"):
        rd.solve(4.0, 2, closure="exact", ansatz="rsb")
    with pytest.raises(rd.InputError, match="two fronts"):
        rd.transitions(3, scenario="random", closure="exact", ansatz="rsb", kappa=0.2)
    margin = ["--kappa", "0.2", "--ansatz", "rsb"]
    assert run(["capacity", "--L", "2", "--closure", "exact", *margin]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_replica_symmetry_is_still_the_default() -> None:
    found = rd.solve(4.0, 2, scenario="random", closure="exact")
    assert found.problem.ansatz is Ansatz.RS


def test_one_level_ends_inside_the_counting_bound() -> None:
    """m -> 0: 9.0543051934 at L = 2; the bound is 9.0886, approached exponentially with depth."""
    ends = {2: 9.0543051934, 3: 16.2617635775, 4: 23.9849973063}
    found = rd.capacity([2, 3, 4, 20], closure="exact", ansatz="1rsb")
    for point in found:
        assert point.alpha == pytest.approx(ends.get(point.L, point.alpha), abs=1e-9)
        assert point.possible is True
        assert (point.levels, str(point.end)) == (1, "no states left")
    gaps = [1.0 - point.alpha / point.bound for point in found]
    assert gaps[:3] == pytest.approx([3.7742e-3, 5.6513e-5, 9.3601e-7], rel=1e-4)
    assert abs(gaps[3]) < 1e-12


def test_end_of_one_level_is_stationary() -> None:
    """Derivatives of its parts are differences."""
    nu, e, step = 0.05, 5.0, 1e-5
    _, by_nu, by_e = closing.site(nu, e)
    up, down = (closing.site(nu + sign * step, e)[0] for sign in (1, -1))
    assert (up - down) / (2 * step) == pytest.approx(by_nu, rel=1e-7)
    up, down = (closing.site(nu, e + sign * step)[0] for sign in (1, -1))
    assert (up - down) / (2 * step) == pytest.approx(by_e, rel=1e-7)
    up, down = (closing.output(nu + sign * step)[0] for sign in (1, -1))
    assert (up - down) / (2 * step) == pytest.approx(closing.output(nu)[1], rel=1e-7)


@pytest.mark.slow
def test_thresholds() -> None:
    """Layer 1 of L = 3 becomes solid at 8.5753, 8.3628, 8.3093 with K = 1, 2, 4 levels."""
    for K, alpha in ((1, 8.57531), (2, 8.36278), (4, 8.30926)):
        found = rd.transitions(3, scenario="random", ansatz="rsb", closure="exact", levels=K)
        assert found.alpha == pytest.approx([2.4674011, alpha], abs=2e-4)


@pytest.mark.slow
def test_deep_network() -> None:
    """L = 20, alpha = 60: three solid layers beside the output; certified."""
    found = solve(20, 60.0, 8)
    assert found.converged
    assert found.free_entropy == pytest.approx(-0.76184218091, abs=1e-9)
    np.testing.assert_allclose(found.q_ea[16:-1], [0.0, 0.0880863, 0.3259530, 0.6912273], atol=2e-6)
