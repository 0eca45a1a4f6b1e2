"""Parisi solver: stationarity, exact limits, references, independence of start and levels."""

from __future__ import annotations

import numpy as np
import pytest
from broken_cases import branch_at, equations
from scipy.special import log_ndtr

from replicadnn.status import BranchKind
from replicadnn.theory.broken.accuracy import residual
from replicadnn.theory.broken.certificate import certify
from replicadnn.theory.broken.climb import ladder
from replicadnn.theory.broken.descent import unknowns
from replicadnn.theory.broken.guess import first_guess, relaxed_guess
from replicadnn.theory.broken.layout import Layout, apply_step
from replicadnn.theory.broken.minimise import minimise, polish
from replicadnn.theory.broken.resample import resample
from replicadnn.theory.broken.search import Found
from replicadnn.theory.broken.state import State, make_state
from replicadnn.theory.closures.averaged.broken import LevelEquations

LN2 = float(np.log(2.0))


def random_state(model: LevelEquations, K: int, seed: int, saturated: bool = False) -> State:
    """A state far from any solution, with zero levels in deeper layers."""
    rng = np.random.default_rng(seed)
    L = model.problem.L
    m = np.concatenate([[0.0], np.cumsum(rng.uniform(0.5, 1.5, K))])
    m *= 0.95 / (m[-1] + 0.5)
    depth = np.minimum(np.arange(L + 1), L - np.arange(L + 1))
    eps, Q = np.zeros((L + 1, K + 1)), np.zeros((L, K + 1))
    for layer in range(1, L // 2 + 1):
        low = min(int(depth[layer]), K)
        eps[layer, low:] = np.cumsum(rng.uniform(0.2, 0.8, K + 1 - low))
        eps[L - layer] = eps[layer]
    for layer in range(1, (L + 1) // 2 + 1):
        low = max(min(int(depth[layer - 1]), K), min(int(depth[layer]), K))
        steps = np.cumsum(rng.uniform(0.5, 1.5, K + 1 - low))
        Q[layer - 1, low:] = 0.8 * steps / steps[-1]
        Q[L - layer] = Q[layer - 1]
    top = np.full(L + 1, K + 1)
    if saturated:
        top[1] = top[L - 1] = K
    return make_state(m, eps, Q, top)


HARD = np.inf


def random_step(layout: Layout, K: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A direction in (eps, Q), ten times as long in eps, and one in m."""
    scale = np.full(layout.size, 0.1)
    scale[layout.eps.numbers] = 1.0
    return scale * rng.normal(size=layout.size), rng.normal(size=K) * 0.1


@pytest.mark.parametrize(
    ("L", "kappa", "beta", "saturated"),
    [
        (1, 0.1, HARD, False),
        (2, 0.1, HARD, False),
        (3, 0.1, HARD, False),
        (6, 0.1, HARD, False),
        (7, 0.1, HARD, False),
        (6, 0.1, HARD, True),
        (2, 0.3, 3.0, False),
        (3, -0.3, 3.0, False),
        (3, 0.3, HARD, False),
        (3, -0.3, 1.0, True),
    ],
)
def test_gradient_of_free_entropy(L: int, kappa: float, beta: float, saturated: bool) -> None:
    """ds/d(q, Q, m) against differences of s along q = T(eps), at an arbitrary state."""
    model = equations(4.0, L, kappa, beta)
    state = random_state(model, 4, L, saturated)
    layout = model.layout(state)
    K = state.K
    g = model.gradient(layout, model.evaluate(state))
    step = 1e-5
    rng = np.random.default_rng(0)
    for _ in range(6):
        change, dm = random_step(layout, K, rng)
        pair = [
            model.evaluate(apply_step(layout, state, s * step * change, s * step * dm))
            for s in (1.0, -1.0)
        ]
        change = unknowns(layout, pair[0]) - unknowns(layout, pair[1])
        slope = (pair[0].free_entropy - pair[1].free_entropy) / (2 * step)
        assert slope == pytest.approx(g @ change / (2 * step), abs=3e-8)


@pytest.mark.parametrize(
    ("L", "K", "kappa", "beta", "saturated"),
    [
        (1, 3, 0.0, 3.0, False),
        (2, 3, 0.0, 3.0, False),
        (3, 3, 0.0, 3.0, False),
        (6, 3, 0.0, 3.0, False),
        (6, 3, 0.0, 3.0, True),
        (2, 2, 0.3, 3.0, False),
        (3, 4, -0.3, 3.0, False),
        (3, 3, 0.3, HARD, False),
        (2, 3, -0.3, HARD, True),
    ],
)
def test_hessian(L: int, K: int, kappa: float, beta: float, saturated: bool) -> None:
    """Exact Hessian against differences of the gradient."""
    model = equations(4.0, L, kappa, beta)
    state = random_state(model, K, 10 + L, saturated)
    layout = model.layout(state)
    K = state.K
    H = model.hessian(layout, model.evaluate(state, True))
    rng = np.random.default_rng(1)
    step = 1e-5
    for _ in range(5):
        change, dm = random_step(layout, K, rng)
        pair = [
            model.evaluate(apply_step(layout, state, s * step * change, s * step * dm))
            for s in (1.0, -1.0)
        ]
        change = unknowns(layout, pair[0]) - unknowns(layout, pair[1])
        slopes = [model.gradient(layout, ev) for ev in pair]
        np.testing.assert_allclose(
            (slopes[0] - slopes[1]) / (2 * step), H @ change / (2 * step), atol=2e-6
        )


@pytest.fixture(scope="module")
def two_layers() -> Found:
    return branch_at(4.0, 2)


def assert_certified(solution: Found, tol: float = 1e-8) -> None:
    c = solution.certificate
    assert solution.converged
    assert max(c.residual, c.ds_dm_max, c.ds_dq_max, c.ds_dQ_max) <= tol
    assert c.mass_error < 1e-10
    assert c.monotone
    assert c.unstable_liquid_layers == ()
    assert c.unstable_zero_levels == ()


def test_L2_alpha4(two_layers: Found) -> None:
    assert_certified(two_layers)
    assert two_layers.free_entropy == pytest.approx(-0.7071900, abs=5e-7)
    assert two_layers.q_ea[1] == pytest.approx(0.4716, abs=1e-3)
    assert np.diff(two_layers.evaluation.q[1]).max() < 0.1 * two_layers.q_ea[1]  # no jump


def test_L3_alpha8() -> None:
    solution = branch_at(8.0, 3)
    assert_certified(solution)
    assert solution.free_entropy == pytest.approx(-0.7053375, abs=5e-7)
    assert solution.q_ea[1] == pytest.approx(0.398, abs=1e-3)
    assert np.diff(solution.evaluation.q[1]).max() < 0.1 * solution.q_ea[1]


def mean_overlap(solution: Found, layer: int) -> float:
    return float(solution.state.steps @ solution.evaluation.q[layer])


@pytest.mark.parametrize(
    ("alpha", "s", "q1", "Q1", "mean"),
    [(5.0, -0.695287, 0.1477, 0.2830, 0.12137), (10.0, -0.708761, 0.3016, 0.6044, 0.22617)],
)
def test_L4_references(alpha: float, s: float, q1: float, Q1: float, mean: float) -> None:
    solution = branch_at(alpha, 4)
    assert_certified(solution)
    assert solution.free_entropy == pytest.approx(s, abs=1e-6)
    assert solution.q_ea[1] == pytest.approx(q1, abs=3e-4)
    assert solution.Q_ea[0] == pytest.approx(Q1, abs=6e-4)
    assert mean_overlap(solution, 1) == pytest.approx(mean, abs=5e-5)
    assert solution.q_ea[2] == 0.0


@pytest.mark.slow
def test_L20_references() -> None:
    """alpha = 40, 60 from scratch, 75 from 60 (from scratch it runs to another branch)."""
    forty, sixty = (branch_at(alpha, 20) for alpha in (40.0, 60.0))
    near = branch_at(68.0, 20, start=sixty)
    last = branch_at(75.0, 20, start=near)
    for solution, s, error, solid in (
        (forty, -0.791535, 3e-6, 2),
        (sixty, -0.829837, 5e-6, 3),
        (last, -0.852828, 5e-6, 3),
    ):
        assert_certified(solution)
        assert solution.free_entropy == pytest.approx(s, abs=error)
        assert np.count_nonzero(solution.q_ea[1:10]) == solid
    assert last.q_ea[1] == pytest.approx(0.761, abs=0.004)


@pytest.mark.slow
def test_levels_converge(two_layers: Found) -> None:
    """K and 2K agree within the error that K reports; s falls with K; rho -> 1 from above."""
    eight, thirty_two = branch_at(4.0, 2, levels=8), branch_at(4.0, 2, levels=32)
    for few, many in ((eight, two_layers), (two_layers, thirty_two)):
        assert few.free_entropy > many.free_entropy
        gap = few.free_entropy - many.free_entropy
        assert gap < few.errors.s
        assert abs(few.q_ea[1] - many.q_ea[1]) < few.errors.q.max()
    assert eight.free_entropy - two_layers.free_entropy < 1e-5
    assert min(two_layers.certificate.replicon) > 1.0
    assert max(abs(rho - 1.0) for rho in thirty_two.certificate.replicon) < 2e-4


def test_start_independence(two_layers: Found) -> None:
    """Three guesses far apart end in the same solution.

    Sliding a level along the curve costs little: eigenvalues of 1e-6 against a gradient of 1e-12
    leave positions of single levels open to 1e-6, while s agrees to 1e-11.
    """
    model = equations(4.0, 2)
    starts = [
        relaxed_guess(model, first_guess(model.problem.L, 2, field, overlap))
        for field, overlap in ((0.2, 0.1), (10.0, 0.95))
    ]
    starts.append(random_state(model, 4, 3))
    for start in starts:
        again = branch_at(4.0, 2, start=start)
        assert_certified(again)
        assert again.free_entropy == pytest.approx(two_layers.free_entropy, abs=1e-11)
        np.testing.assert_allclose(again.evaluation.q, two_layers.evaluation.q, atol=2e-6)
        np.testing.assert_allclose(again.state.m, two_layers.state.m, atol=5e-6)


def test_finite_temperature_and_margin() -> None:
    """L = 3, beta = 3, kappa = 0.2, above the onset: K = 4 and 8 agree, and so do three starts."""
    alpha, kappa, beta = 8.0, 0.2, 3.0
    few, many = (branch_at(alpha, 3, kappa=kappa, beta=beta, levels=K) for K in (4, 8))
    for one in (few, many):
        assert_certified(one)
        assert 0.1 < one.q_ea[1] < 0.9
    gap = few.free_entropy - many.free_entropy
    assert 0.0 < gap < few.errors.s
    change = abs(few.q_ea - many.q_ea).max()
    assert change < few.errors.q.max()
    model = equations(alpha, 3, kappa, beta)
    for start in (
        relaxed_guess(model, first_guess(model.problem.L, 2, 0.2, 0.1)),
        relaxed_guess(model, first_guess(model.problem.L, 2, 10.0, 0.95)),
        random_state(model, 4, 5),
    ):
        again = branch_at(alpha, 3, kappa=kappa, beta=beta, levels=8, start=start)
        assert_certified(again)
        assert again.free_entropy == pytest.approx(many.free_entropy, abs=1e-11)
        np.testing.assert_allclose(again.evaluation.q, many.evaluation.q, atol=2e-6)


@pytest.mark.parametrize(("L", "alpha"), [(2, 1.2), (3, 2.4), (6, 2.4), (4, 2.0)])
def test_liquid_below_the_transition(L: int, alpha: float) -> None:
    solution = branch_at(alpha, L, levels=4)
    assert solution.converged
    assert solution.liquid
    assert solution.free_entropy == pytest.approx(-LN2, abs=1e-12)


@pytest.mark.parametrize(("L", "alpha"), [(2, 1.30), (3, 2.55), (6, 2.55)])
def test_solid_above_the_transition(L: int, alpha: float) -> None:
    """Just above alpha = pi^2/8 (L = 2) and (pi/2)^2 (L >= 3) layer 1 is solid and s < -ln 2."""
    solution = branch_at(alpha, L, levels=4)
    assert_certified(solution)
    assert 0.0 < solution.q_ea[1] < 0.1
    assert solution.free_entropy < -LN2


def test_liquid_at_finite_temperature() -> None:
    """s = L ln(1 + e^-beta) - ln 2 below the transition (in the normalisation of the flow)."""
    solution = branch_at(1.0, 3, beta=1.0, levels=2)
    w = np.exp(-1.0) + 0.5 * (1 - np.exp(-1.0))
    assert solution.free_entropy == pytest.approx(3 * np.log(w) + 2 * LN2, abs=1e-12)


@pytest.mark.parametrize(("alpha", "kappa"), [(1.0, 0.0), (1.5, 0.0), (0.7, 0.5)])
def test_single_layer_is_gardner(alpha: float, kappa: float) -> None:
    """L = 1, K = 0: Q/(1-Q)^2 = alpha G(Q), and breaking does not occur for kappa >= 0."""
    rs = branch_at(alpha, 1, kappa=kappa, levels=0)
    assert_certified(rs)
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    from scipy.special import log_ndtr

    Q = rs.Q_ea[0]
    u = (np.sqrt(Q) * nodes - kappa) / np.sqrt(1 - Q)
    ratio = np.exp(-0.5 * u * u - 0.5 * np.log(2 * np.pi) - log_ndtr(u))
    G = weights @ ratio**2 / weights.sum() / (1 - Q)
    assert pytest.approx(alpha * G, rel=1e-7) == Q / (1 - Q) ** 2
    assert rs.certificate.replicon[0] < 1.0


def test_single_layer_negative_margin_breaks() -> None:
    """L = 1, kappa = -2: stable at alpha = 40, broken at 100, where breaking lowers s."""
    assert branch_at(40.0, 1, kappa=-2.0, levels=0).certificate.replicon[0] < 1.0
    rs, broken = (branch_at(100.0, 1, kappa=-2.0, levels=k) for k in (0, 2))
    assert rs.certificate.replicon[0] > 1.0
    assert_certified(broken)
    assert broken.free_entropy < rs.free_entropy - 1e-6


def one_step_at(alpha: float, L: int, m: float) -> tuple[float, float]:
    """1RSB at a given breakpoint: s(m) and the complexity Sigma(m) = -m^2 ds/dm."""
    here = equations(alpha, L)
    guess = first_guess(L, 1).with_values(m=np.array([0.0, m]))
    found = minimise(here, relaxed_guess(here, guess), free_breakpoints=False)
    assert residual(here, found.evaluation) < 1e-8
    return found.evaluation.free_entropy, -(m**2) * float(found.evaluation.ds_dm[1])


def test_one_step_complexity() -> None:
    """Sigma(m) vanishes at the stationary m, s(m) is smallest there, Sigma = -m^2 ds/dm."""
    one = branch_at(4.0, 2, levels=1)
    m = float(one.state.m[1])
    step = 1e-3
    s, sigma = np.transpose([one_step_at(4.0, 2, x) for x in (m - step, m, m + step)])
    assert abs(sigma[1]) < 1e-10
    assert s[1] == pytest.approx(one.free_entropy, abs=1e-12)
    assert s[0] > s[1] < s[2]
    slope = (s[2] - s[0]) / (2 * step)
    assert -(m**2) * slope == pytest.approx(0.5 * (sigma[0] + sigma[2]), abs=1e-7)


def test_replicon_predicts_splitting() -> None:
    """A stable replica-symmetric point keeps rho < 1, an unstable one gains from a second level."""
    model = equations(4.0, 2)
    rs = branch_at(4.0, 2, levels=0)
    modes = model.replicon(model.evaluate(rs.state))
    assert modes.rho[0] == pytest.approx(rs.certificate.replicon[0], abs=1e-12)
    assert modes.rho[0] > 1
    assert branch_at(4.0, 2, levels=1).free_entropy < rs.free_entropy
    np.testing.assert_allclose(modes.by_layer.sum(1), 1.0)


def test_threads_give_the_same_digits() -> None:
    one = branch_at(12.0, 6, levels=6)
    for threads in (2, 5):
        more = branch_at(12.0, 6, levels=6, threads=threads)
        np.testing.assert_array_equal(one.state.m, more.state.m)
        np.testing.assert_array_equal(one.evaluation.q, more.evaluation.q)
        np.testing.assert_array_equal(one.state.Q, more.state.Q)
        assert one.free_entropy == more.free_entropy
        assert one.certificate.residual == more.certificate.residual
        np.testing.assert_array_equal(one.errors.q, more.errors.q)


def test_resample_keeps_the_curve(two_layers: Found) -> None:
    model = equations(4.0, 2)
    finer = resample(model, two_layers.state, 24)
    assert model.evaluate(finer).free_entropy == pytest.approx(two_layers.free_entropy, abs=5e-6)
    assert residual(model, model.evaluate(finer)) < 5e-3


@pytest.mark.parametrize("first", [1e-30, 1e-9, 0.3])
@pytest.mark.parametrize("equal", [False, True])
def test_resample_of_degenerate_curves(first: float, equal: bool) -> None:
    """Equal values and fronts that nearly vanish: the new levels are still ordered."""
    model = equations(10.0, 6)
    m = np.linspace(0.0, 0.8, 5)
    eps, Q = np.zeros((7, 5)), np.zeros((6, 5))
    eps[1:-1] = [0.0, 0.0, 0.0, first, first if equal else 0.5]
    Q[:] = [0.0, 0.0, 0.0, 0.5 * first, 0.5 * first if equal else 0.4]
    new = resample(model, make_state(m, eps, Q), 9)
    assert np.isfinite(new.eps).all()
    for row, levels in [(r, new.eps[r]) for r in range(1, 6)] + [(r, new.Q[r]) for r in range(6)]:
        solid = levels[levels > 0.0]
        assert np.all(np.diff(solid) > 0.0), row
    assert np.all(np.diff(new.m) > 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_any_problem_ends_in_a_status(seed: int) -> None:
    """Random problems, most of them without a solution, under a short time limit."""
    rng = np.random.default_rng(seed)
    arguments = {
        "alpha": float(np.exp(rng.uniform(np.log(0.5), np.log(5000.0)))),
        "L": int(rng.choice([1, 2, 3, 5, 8, 20])),
        "kappa": float(rng.choice([0.0, rng.uniform(-1.0, 1.0)])),
        "beta": float(rng.choice([1.0, 3.0, np.inf])),
        "levels": int(rng.choice([1, 2, 4, 8])),
    }
    for branch in ("continuous", "saturated"):
        solution = branch_at(**arguments, branch=branch, time_limit=1.0)
        assert solution.converged or solution.text
        assert np.isfinite(solution.free_entropy)
        if solution.converged:
            assert_certified(solution)


def test_time_limit_is_reported() -> None:
    solution = branch_at(60.0, 20, levels=24, time_limit=0.05)
    assert not solution.converged


def test_minimum_is_a_minimum(two_layers: Found) -> None:
    """s is lowest at the solution: the Hessian over (q, Q, m) is positive."""
    model = equations(4.0, 2)
    found = minimise(model, resample(model, two_layers.state, 6))
    H = model.hessian(found.layout, found.evaluation)
    scale = 1.0 / np.sqrt(np.diag(H))
    assert np.linalg.eigvalsh(H * scale[:, None] * scale).min() > 0.0


def test_a_coarse_grid_does_not_pass(two_layers: Found) -> None:
    """Converged to every digit on its own grid, and seen to be wrong on a finer one."""
    assert two_layers.certificate.grid_error < 1e-10
    coarse = equations(4.0, 2, points=2.0)
    found = polish(coarse, minimise(coarse, resample(coarse, two_layers.state, 6)))
    certificate = certify(coarse, found.evaluation)
    assert max(certificate.residual, certificate.ds_dm_max, certificate.ds_dQ_max) < 1e-10
    assert certificate.grid_error > 1e-7
    assert not certificate.passes(1e-8)


def test_ladder() -> None:
    assert ladder(16, 2) == [2, 3, 4, 6, 8, 12, 16]
    assert ladder(16, 1) == [2, 4, 8, 16]
    assert ladder(12, 1) == [2, 3, 6, 12]
    assert ladder(0, 2) == [0]
    assert ladder(1, 2) == [1]
    assert ladder(2, 2) == [2]


def test_saturated_branch() -> None:
    """L = 20, alpha = 50: q(1) = 1 above m* in (0, 1), Q(1) < 1, stationary in q, Q and m*."""
    one = branch_at(50.0, 20, levels=2, branch="saturated")
    assert_certified(one)
    assert one.kind is BranchKind.SATURATED
    assert one.evaluation.q[1, -1] == 1.0
    assert one.evaluation.q[1, -2] < 0.9
    assert 0.9 < one.Q_ea[0] < 1.0
    assert 0.6 < one.state.m[-1] < 0.8
    assert one.q_ea[2] < 1.0


def test_levels_can_be_many() -> None:
    """L = 100 and K = 64: liquid layers cost nothing, the ends do not see each other."""
    long = branch_at(10.0, 100, levels=4)
    short = branch_at(10.0, 6, levels=4)
    assert long.free_entropy == pytest.approx(short.free_entropy, abs=1e-10)
    np.testing.assert_allclose(long.q_ea[1:4], short.q_ea[1:4], atol=1e-6)


def test_depth_adds_liquid_layers_only() -> None:
    """s of the liquid is L ln Phi(-kappa) + (L-1) ln 2: -35 at L = 200; the solid ends stay."""
    deep, short = (branch_at(3.0, L, levels=2, kappa=0.2) for L in (200, 20))
    assert deep.converged
    layer = log_ndtr(-0.2) + np.log(2.0)
    assert deep.free_entropy - 180 * layer == pytest.approx(short.free_entropy, abs=1e-11)


@pytest.mark.slow
def test_sixty_four_levels() -> None:
    many = branch_at(4.0, 2, levels=64)
    assert many.converged
    # levels that lower s by less than rounding collapse: how many stay depends on the machine
    assert many.levels >= 48
    assert many.free_entropy == pytest.approx(-0.70719003083, abs=2e-11)


@pytest.mark.parametrize(("alpha", "L", "levels"), [(3.2923, 4, 2), (3.5, 2, 4)])
def test_further_levels_lower_s_near_a_transition(alpha: float, L: int, levels: int) -> None:
    """The solution with fewer levels is a saddle, flat to the rounding of s, and is left."""
    few, more = (branch_at(alpha, L, levels=k) for k in (1, levels))
    assert few.converged
    assert more.converged
    assert more.levels == levels
    assert more.free_entropy < few.free_entropy - 1e-9


def test_one_level_is_found_by_continuation() -> None:
    """From scratch overlaps run to one; the branch with one level reaches alpha from below."""
    near = branch_at(38.0, 10, levels=1, kappa=0.2)
    followed = branch_at(42.162, 10, levels=1, kappa=0.2, start=near)
    alone = branch_at(42.162, 10, levels=1, kappa=0.2)
    assert followed.converged
    assert alone.converged
    assert alone.free_entropy == pytest.approx(followed.free_entropy, abs=1e-11)


def test_just_above_the_first_transition() -> None:
    """At alpha = pi^2/4 (1 + d) the overlap grows like d and s - s_liquid like -d^3.

    Around d = 0.02 a second level lowers s by 1e-11, the limit at which it counts: rounding decides
    whether one level is an answer there.
    """
    drops = []
    for d in (0.01, 0.04):
        one = branch_at(np.pi**2 / 4 * (1 + d), 20, levels=4)
        assert one.converged
        drops.append(-np.log(2) - one.free_entropy)
    assert np.log2(drops[1] / drops[0]) / 2.0 == pytest.approx(3.0, abs=0.1)


def test_levels_move_to_the_last_rise() -> None:
    """L = 20, alpha = 75, next to the end: a minimum with fewer levels in the last rise is left.

    With one level there s = -0.8528243987, q_EA(1) = 0.7414 is stationary too.
    """
    few, many = (branch_at(75.0, 20, levels=K) for K in (8, 16))
    assert few.converged
    assert many.converged
    assert few.levels == 8
    assert few.free_entropy < -0.85282550
    assert many.free_entropy < few.free_entropy
    assert abs(few.q_ea - many.q_ea).max() < few.errors.q.max() < 0.02
