"""Where random data close with exact neurons and K levels: the limit m -> 0 and routes to it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import log_ndtr

import replicadnn as rd
from replicadnn.problem import Ansatz, BranchChoice, Problem, Scenario
from replicadnn.status import Status
from replicadnn.theory.broken import point
from replicadnn.theory.broken.climb import Effort, settle
from replicadnn.theory.broken.connected import few_level_curve
from replicadnn.theory.broken.curve import follow_branch
from replicadnn.theory.broken.search import find
from replicadnn.theory.closures.exact import closing, closing_levels
from replicadnn.theory.closures.exact.broken import LevelEquations
from replicadnn.theory.closures.exact.limit_flow import LimitFlow, hidden_flow, output_flow
from replicadnn.theory.counting import counting_bound
from replicadnn.types import FloatArray

Y, LAM, E, NU = np.array([0.4, 0.7, 1.0]), np.array([0.3, 0.6]), np.array([1.5, 3.0, 6.0]), 0.05
#: alpha at the end by L and K; K = 1 by `closing`, checked by plain sums below.
ENDS = {
    (2, 1): 9.0543051934, (2, 2): 8.6424756928, (2, 3): 8.6168152740, (2, 4): 8.6129351562,
    (3, 2): 15.9363481506, (3, 3): 15.8956692236, (4, 2): 23.1305316417, (4, 3): 23.1271865860,
}  # fmt: skip


def equations(alpha: float) -> LevelEquations:
    problem = Problem(
        alpha=alpha, L=2, scenario=Scenario.RANDOM, ansatz=Ansatz.RSB, closure="exact"
    )  # fmt: skip
    return LevelEquations(problem)


def moved(values: FloatArray, i: int, step: float) -> FloatArray:
    new = values.copy()
    new[i] += step
    return new


def slope(flow: object, values: FloatArray, i: int, step: float = 1e-4) -> float:
    """d phi_0/d values_i by differences."""
    assert callable(flow)
    up, down = flow(moved(values, i, step)), flow(moved(values, i, -step))
    return float(up.free_energy - down.free_energy) / (2.0 * step)


@pytest.mark.parametrize("output", [False, True])
def test_averages_of_the_limit_flow_are_derivatives(output: bool) -> None:
    def flow(
        y: FloatArray = Y, lam: FloatArray = LAM, e: FloatArray = E, nu: float = NU
    ) -> LimitFlow:
        return output_flow(y, lam, nu) if output else hidden_flow(y, lam, e, nu)

    here, half = flow(), 0.5 * np.diff(Y)
    for i in (0, 1):
        assert slope(lambda v: flow(lam=v), LAM, i) == pytest.approx(-half[i] * here.G[i], abs=1e-7)
        assert slope(lambda v: flow(y=v), Y, i) == pytest.approx(here.A[i], abs=1e-7)
        if not output:
            assert slope(lambda v: flow(e=v), E, i) == pytest.approx(-half[i] * here.q[i], abs=1e-7)
    by_nu = slope(lambda v: flow(nu=float(v[0])), np.array([NU]), 0, 1e-6)
    assert by_nu == pytest.approx(0.5 * here.pull, rel=1e-6)
    if not output:
        assert slope(lambda v: flow(e=v), E, 2) == pytest.approx(0.5 * (1.0 + here.rest), abs=1e-7)


def test_one_level_is_that_of_plain_sums() -> None:
    """The same average by the trapezoidal rule (`closing`)."""
    one, none = np.ones(1), np.zeros(0)
    flow, (value, by_nu, by_e) = hidden_flow(one, none, np.array([5.0]), NU), closing.site(NU, 5.0)
    assert flow.free_energy - 2.5 == pytest.approx(value, abs=1e-12)
    assert flow.pull == pytest.approx(2.0 * by_nu, rel=1e-11)
    assert flow.rest == pytest.approx(2.0 * by_e, rel=1e-10)
    flow, (value, by_nu) = output_flow(one, none, NU), closing.output(NU)
    assert flow.free_energy == pytest.approx(value, abs=1e-13)
    assert flow.pull == pytest.approx(2.0 * by_nu, rel=1e-11)


@pytest.mark.parametrize(
    ("L", "K"),
    [
        (2, 2), (3, 2), (4, 2),
        *(pytest.param(L, 3, marks=pytest.mark.slow) for L in (2, 3, 4)),
        pytest.param(2, 4, marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_ends(L: int, K: int) -> None:
    """Each further level ends earlier, and all inside the counting bound."""
    (point,) = rd.capacity(L, closure="exact", ansatz="rsb", levels=K)
    assert point.alpha == pytest.approx(ENDS[L, K], abs=1e-7)
    assert point.levels == K
    assert point.possible is True
    assert np.all(np.diff([point.bound, *point.by_level]) < 0.0)
    assert point.uncertainty == pytest.approx(point.by_level[-2] - point.alpha, abs=1e-12)


def test_an_end_is_the_smallest_over_the_breakpoint() -> None:
    """At fixed y alpha(y) from passes lies above the end by its curvature, and dPhi/dy turns."""
    end = closing_levels.settled(closing_levels.Closing.guess(2, 2))
    assert end is not None
    assert end.y[0] == pytest.approx(0.442575, abs=1e-5)
    assert end.q[1, 0] == pytest.approx(0.73368, abs=1e-4)
    for shift in (-0.1, 0.1):
        state = replace(end, y=end.y + np.array([shift, 0.0]))
        for _ in range(60):
            alpha, state, by_y = closing_levels.image(state)
        assert ENDS[2, 2] + 0.01 < alpha < ENDS[2, 2] + 0.03
        assert by_y[0] * shift > 0.0


def test_an_overlap_that_runs_to_zero_is_zero() -> None:
    """L = 4, two levels: layer 1 becomes solid in the last cell only."""
    end = closing_levels.settled(closing_levels.Closing.guess(4, 2))
    assert end is not None
    assert end.q[1, 0] == end.Q[0, 0] == end.Q[1, 0] == 0.0
    assert end.q[3, 0] == pytest.approx(0.3796, abs=1e-3)
    assert 0.005 < end.q[2, 0] < 0.05
    assert not closing_levels.wakes(end)  # 1e-5 falls to 1e-10 in eight passes


def test_an_overlap_that_would_grow_is_not_taken_for_zero() -> None:
    end = closing_levels.settled(closing_levels.Closing.guess(2, 2))
    assert end is not None
    assert not closing_levels.wakes(end)
    assert closing_levels.wakes(replace(end, q=np.where(end.q < 1.0, 0.0, end.q), Q=0.0 * end.Q))


def test_the_counting_bound_does_not_clip_what_is_accepted() -> None:
    """Far from the end Phi = 0 lies beyond the bound, 9.0886; only the passes are held there."""
    end = closing_levels.settled(closing_levels.Closing.guess(2, 2))
    assert end is not None
    off = replace(end, delta=5.0 * end.delta)
    free, held = (closing_levels.image(off, guarded=guarded)[0] for guarded in (False, True))
    assert free > 9.1
    assert held == pytest.approx(9.0886068, abs=1e-7)
    assert closing_levels.image(end)[0] == pytest.approx(ENDS[2, 2], abs=1e-9)


def sums(m: float, lam: float, V: float, eps: float) -> tuple[float, float, float]:
    """<f_w^2>, A = dF/dm and <f_uu> of one level by plain sums; eps = 0: the output."""
    a = 1.5 * math.sqrt(V)
    x = np.linspace(-1.0, 1.0, 2 * math.ceil(math.asinh(10.0 * math.sqrt(lam) / a) / 0.06) + 1)
    x *= math.asinh(10.0 * math.sqrt(lam) / a)
    omega, weight = a * np.sinh(x), a * np.cosh(x) * (x[1] - x[0]) / math.sqrt(2 * math.pi * lam)
    side = 10.0 * math.sqrt(eps) + m * eps
    u = np.linspace(-side, side, 2 * math.ceil(side / 0.3) + 1)
    z = omega[:, None] / math.sqrt(V)
    logs = (u + log_ndtr(z), -u + log_ndtr(-z)) if eps else (log_ndtr(z), np.full_like(z, -np.inf))
    f = np.logaddexp(*logs)
    up, down = (np.exp(part - f) for part in logs)
    width = math.sqrt(2 * math.pi * V)
    f_w = np.exp(-0.5 * z * z + (u if eps else 0.0) - f) / width
    if eps:
        f_w -= np.exp(-0.5 * z * z - u - f) / width
    power = m * f - 0.5 * omega[:, None] ** 2 / lam - (0.5 * u * u / eps if eps else 0.0)
    top = float(power.max())
    P = np.exp(power - top) * weight[:, None]
    if eps:
        P *= (u[1] - u[0]) / math.sqrt(2 * math.pi * eps)
    total = float(P.sum())
    F = (top + math.log(total)) / m
    mean = float((P * f).sum()) / total
    return (
        float((P * f_w**2).sum()) / total,
        (mean - F) / m,
        float((P * 4 * up * down).sum()) / total,
    )


def one_level_at(
    m: float, p: float, P: list[float], alpha: float
) -> tuple[float, float, list[float]]:
    """alpha, 1 - q, 1 - Q of the one-level solution of L = 2 with this m: passes from a guess.

    (33), (26) and ds/dm = 0, without the flows and the search of the package.
    """

    def response(B: float) -> float:
        def excess(x: float) -> float:
            return B * x * (x + m * (1.0 - x)) - (1.0 - x)

        return math.exp(brentq(lambda y: excess(math.exp(y)), -60.0, 0.0, xtol=1e-15))

    for _ in range(500):
        G2, A2, _ = sums(m, (1.0 - p) * (1.0 - P[1]), p + P[1] - p * P[1], 0.0)
        eps = (1.0 - P[1]) * G2
        G1, A1, new = sums(m, 1.0 - P[0], P[0], eps)
        spheres = sum(
            0.5 * ((1.0 - x) / (m * (x + m * (1.0 - x))) - math.log1p(m * (1.0 - x) / x) / m**2)
            for x in P
        )
        last, alpha = alpha, -spheres / (A1 + A2 - 0.5 * eps * (1.0 - p))
        P = [response(alpha * G1), response(alpha * (1.0 - p) * G2)]
        done = abs(alpha - last) + abs(new - p) < 1e-13
        p = new
        if done:
            return alpha, p, P
    raise AssertionError("the passes do not settle")


@pytest.mark.slow
def test_full_equations_by_plain_sums() -> None:
    """One level at alpha = 8: the breakpoint is that of the solver, 0.24355614."""
    here = equations(8.0)
    curve, end = few_level_curve(here, 1, Effort())
    assert end is None
    ev = settle(here, curve[-1][1]).evaluation
    alpha, p, P = one_level_at(float(ev.state.m[1]), 0.02, [0.02, 0.02], 8.0)
    q_rest, Q_rest = here.rests(ev)
    assert ev.state.m[1] == pytest.approx(0.24355614, abs=1e-8)
    assert alpha == pytest.approx(8.0, abs=1e-9)
    assert p == pytest.approx(q_rest[1], rel=1e-8)
    np.testing.assert_allclose(P, Q_rest, rtol=1e-8)


def extrapolated(m: list[float], alpha: list[float]) -> tuple[float, float]:
    """To m = 0 with 1, m, m^(3/2), m^2, and the change from the order before.

    m^(3/2): omega of order sqrt(V) weighs sqrt(m).
    """
    ends = []
    for n in (3, 4):
        basis = np.power.outer(np.array(m[-n:]), [0.0, 1.0, 1.5, 2.0][:n])
        ends.append(float(np.linalg.solve(basis, np.array(alpha[-n:]))[0]))
    return ends[1], abs(ends[1] - ends[0])


@pytest.mark.slow
def test_end_of_one_level_from_the_full_equations() -> None:
    """m = 0.12 ... 0.015 by plain sums."""
    alphas, p, P, alpha = [], 0.0164, [0.0126, 0.0176], 8.0
    steps = [0.12, 0.06, 0.03, 0.015]
    for m in steps:
        alpha, p, P = one_level_at(m, p, P, alpha)
        alphas.append(alpha)
    assert alphas[-1] == pytest.approx(8.9901389, abs=1e-6)
    end, error = extrapolated(steps, alphas)
    assert error < 2e-3
    assert end == pytest.approx(ENDS[2, 1], abs=2e-4)


@pytest.mark.slow
def test_end_of_two_levels_from_the_full_equations() -> None:
    """The branch of the liquid, L = 2, followed from alpha = 5 to m_2 = 0.12 without a fold."""
    here = equations(5.0)
    path = follow_branch(
        here, find(here, levels=2).state, step=0.1,
        stop=lambda point: bool(point.state.m[-1] < 0.12),
    )  # fmt: skip
    assert path.fold is None
    m, alpha = ([float(x) for x in row] for row in zip(
        *((p.state.m[-1], p.alpha) for p in path.points), strict=True
    ))  # fmt: skip
    chosen = [min(range(len(m)), key=lambda i: abs(m[i] - x)) for x in (0.33, 0.23, 0.16, 0.12)]
    end, error = extrapolated([m[i] for i in chosen], [alpha[i] for i in chosen])
    assert error < 0.025
    assert end == pytest.approx(ENDS[2, 2], abs=error)
    last = path.points[-1]
    assert last.state.m[1] / last.state.m[2] == pytest.approx(0.4426, abs=5e-3)


# --- what a point says beyond, and next to, the end ----------------------------------------------


def level_equations(alpha: float, L: int, **more: float) -> LevelEquations:
    problem = Problem(
        alpha=alpha, L=L, scenario=Scenario.RANDOM, ansatz=Ansatz.RSB, closure="exact", **more
    )
    return LevelEquations(problem)


def test_the_end_of_one_level_is_known_without_a_margin_and_with_hard_constraints() -> None:
    assert level_equations(1.0, 2).closing(1) == pytest.approx(9.0543051934, abs=1e-9)
    assert level_equations(1.0, 20).closing(8) == pytest.approx(178.343084, abs=1e-5)  # of one
    for other in (level_equations(1.0, 1), level_equations(1.0, 2, kappa=0.1),
                  level_equations(1.0, 2, beta=8.0)):  # fmt: skip
        assert math.isnan(other.closing(1))
    assert math.isnan(level_equations(1.0, 2).closing(0))


def test_the_end_of_one_level_becomes_the_counting_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """By passes 1e-8 below it at L = 5, equal to rounding at 8 and 10; deeper taken for it."""
    assert closing.one_step_end(5) / counting_bound(5) == pytest.approx(1.0 - 1.336e-8, abs=1e-10)
    assert closing.one_step_end(10_000) == counting_bound(10_000)
    monkeypatch.setattr(closing, "_DEEP", 99)
    for L in (8, 10):
        by_passes = closing.one_step_end.__wrapped__(L)
        assert by_passes == pytest.approx(counting_bound(L), rel=1e-13)


def test_beyond_the_end_of_one_level_nothing_is_sought() -> None:
    """9.0543 < 9.06 < 9.0886 (the counting bound) < 9.2; below, the search decides."""
    for alpha, more in (
        (9.06, "counting bound 9.08861"),
        (9.2, "alpha > 9.089: no network stores"),
    ):
        one = rd.solve(alpha, 2, scenario="random", closure="exact", ansatz="rsb", levels=4)
        assert one.status is Status.NO_SOLUTION
        assert one.message.startswith(
            "solutions with 1 level or more end by alpha = 9.05431, where s -> -infinity; " + more
        )
    assert point._closed(level_equations(9.05, 2), 1) == ""
    assert point._closed(level_equations(9.06, 2, kappa=0.1), 1) == ""


@pytest.mark.parametrize(
    ("alpha", "levels", "status", "words"),
    [
        (8.7, 2, Status.NO_SOLUTION, "solutions with 2 levels or more end by alpha = 8.64, where"),
        (
            8.6,
            2,
            Status.NOT_CONVERGED,
            "1 level or more end by alpha = 9.05; counting bound",
        ),
        (
            8.7,
            1,
            Status.NOT_CONVERGED,
            "1 level or more end by alpha = 9.05; counting bound",
        ),
        (8.1, 2, Status.NOT_CONVERGED, "the iteration diverged; to do"),
    ],
)
def test_a_point_that_fails_next_to_the_end_names_it(
    monkeypatch: pytest.MonkeyPatch, alpha: float, levels: int, status: Status, words: str
) -> None:
    """Ends at 9.05 and, with two levels, 8.64; from 0.9 x 9.05 = 8.145 on the end is near."""
    monkeypatch.setattr(LevelEquations, "closing", lambda self, K: {1: 9.05, 2: 8.64}[K])
    monkeypatch.setattr(point, "_try", lambda *_: None)
    settings = point.Settings(levels=levels)
    (one,) = point.solve_point(level_equations(alpha, 2), BranchChoice.AUTO, settings)
    assert one.status is status
    assert words in one.message
    assert ("end by" in one.message) is (alpha > 8.145)
