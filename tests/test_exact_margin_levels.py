"""Exact neurons with a margin and broken symmetry: a front from either end, liquid between them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.optimize import root
from scipy.special import ndtr
from test_exact_levels import check_derivatives, equations

import replicadnn as rd
from replicadnn.plot.parisi import parisi_figure
from replicadnn.theory.broken.active import adjust_levels, match_couplings
from replicadnn.theory.broken.layout import gather
from replicadnn.theory.broken.search import find
from replicadnn.theory.broken.state import (
    State,
    first_fields,
    first_levels,
    liquid,
    make_state,
    zero_levels,
)
from replicadnn.theory.closures.exact.broken import LevelEquations
from replicadnn.types import FloatArray


def solve(alpha: float, L: int, kappa: float, K: int, **options: Any) -> rd.Solution:
    found = rd.solve(
        alpha, L, scenario="random", closure="exact", ansatz="rsb", kappa=kappa, levels=K, **options
    )
    assert isinstance(found, rd.Solution)
    return found


# --- one level by plain integrals ----------------------------------------------------------------

_Z = np.linspace(-11.0, 11.0, 4401)
_DZ = np.exp(-0.5 * _Z * _Z) * (_Z[1] - _Z[0]) / math.sqrt(2.0 * math.pi)


def tilted(m: float, f: FloatArray) -> float:
    """(1/m) ln Int Dz e^{m f}."""
    top = float(f.max())
    return top + math.log(float(_DZ @ np.exp(m * (f - top)))) / m


def sphere(m: float, Q: float) -> float:
    """S_sph of the overlaps 0 and Q: {ln(1-Q) + ln[(1 - Q + m Q)/(1-Q)]/m}/2."""
    return 0.5 * (math.log(1.0 - Q) + math.log(1.0 + m * Q / (1.0 - Q)) / m)


def input_part(m: float, Q: float, alpha: float, kappa: float) -> float:
    """s of layer 1 above the data and below a liquid: the weight W(omega) + W(-omega)."""
    omega, width = math.sqrt(Q) * _Z, math.sqrt(1.0 - Q)
    both = ndtr((omega - kappa) / width) + ndtr((-omega - kappa) / width)
    return tilted(m, np.log(both)) + sphere(m, Q) / alpha


def output_part(m: float, eps: float, q: float, Q: float, alpha: float, kappa: float) -> float:
    """s of layers L-1, whose perceptron sees a liquid, and L."""
    free = math.log(2.0 * float(ndtr(-kappa)))
    neurons = tilted(m, np.log(np.cosh(math.sqrt(eps) * _Z))) + free
    lam = q * Q
    output = np.log(ndtr((math.sqrt(lam) * _Z - kappa) / math.sqrt(1.0 - lam)))
    fields = 0.5 * (1.0 - m) * eps * q - 0.5 * eps
    return neurons + tilted(m, output) + fields + sphere(m, Q) / alpha


def differences(function: Any, x: FloatArray) -> FloatArray:
    """Five-point derivatives."""
    out = np.empty(x.size)
    for i in range(x.size):
        step = np.zeros(x.size)
        step[i] = 1e-3 * x[i]
        slope = [function(x + k * step) for k in (-2, -1, 1, 2)]
        out[i] = (slope[0] - 8.0 * slope[1] + 8.0 * slope[2] - slope[3]) / (12.0 * step[i])
    return out


@pytest.mark.parametrize(("alpha", "kappa"), [(0.5, 1.0), (200.0, -1.0)])
def test_one_level_by_plain_integrals(alpha: float, kappa: float) -> None:
    """L = 4, layer 2 liquid: one-dimensional sums; stationary by differences, ds/dm among them."""
    free = math.log(2.0 * float(ndtr(-kappa)))  # of the liquid layer

    def s(x: FloatArray) -> float:
        m, below, eps, q, above = x
        one = input_part(m, below, alpha, kappa)
        return one + free + output_part(m, eps, q, above, alpha, kappa)

    found = solve(alpha, 4, kappa, 1)
    assert found.converged
    state = find(equations(alpha, 4, kappa), levels=1).state
    near = np.array(
        [found.x[1], found.Q[0, 1], state.eps[3, 1], found.q[3, 1], found.Q[3, 1]]
    ) * np.array([1.03, 0.98, 1.02, 0.98, 1.02])
    there = root(lambda x: differences(s, x), near, tol=1e-12)
    m, below, eps, q, above = there.x
    assert found.free_entropy == pytest.approx(s(there.x), abs=1e-11)
    assert found.x[1] == pytest.approx(m, abs=1e-6)
    assert [found.Q[0, 1], found.q[3, 1], found.Q[3, 1]] == pytest.approx(
        [below, q, above], abs=1e-6
    )
    assert state.eps[3, 1] == pytest.approx(eps, rel=1e-5)
    omega, width = math.sqrt(below) * _Z, math.sqrt(1.0 - below)
    up, down = (ndtr((sign * omega - kappa) / width) for sign in (1.0, -1.0))
    weight = _DZ * (up + down) ** m
    overlap = float(weight @ ((up - down) / (up + down)) ** 2 / weight.sum())
    assert found.q[1, 1] == pytest.approx(overlap, abs=1e-6)
    assert found.q[2, 1] == found.Q[1, 1] == found.Q[2, 1] == 0.0


# --- two parts that ignore each other ------------------------------------------------------------


def only(state: State, layers: slice, couplings: slice) -> State:
    """The same breakpoints with order in these layers only."""
    eps, Q = np.zeros_like(state.eps), np.zeros_like(state.Q)
    eps[layers], Q[couplings] = state.eps[layers], state.Q[couplings]
    return make_state(state.m, eps, Q)


def test_a_liquid_layer_decouples_the_fronts() -> None:
    """s and ds/dm of both parts at the same breakpoints add up; ds/dm = 0 is a balance of both."""
    here = equations(0.6, 4, 1.0)
    joint = here.evaluate(find(here, levels=2).state, True)
    parts = [
        here.evaluate(only(joint.state, slice(1, 2), slice(0, 1)), True),
        here.evaluate(only(joint.state, slice(3, 4), slice(3, 4)), True),
    ]
    base = here.liquid_entropy()
    total = base + sum(part.free_entropy - base for part in parts)
    assert joint.free_entropy == pytest.approx(total, abs=1e-14)
    assert joint.free_entropy < base - 1e-3
    both = parts[0].ds_dm + parts[1].ds_dm
    np.testing.assert_allclose(joint.ds_dm, both, rtol=0, atol=1e-14)
    assert np.abs(joint.ds_dm).max() < 1e-11 < 1e-6 < np.abs(parts[0].ds_dm).max()
    np.testing.assert_array_equal(joint.q[1], parts[0].q[1])
    np.testing.assert_array_equal(joint.q[3], parts[1].q[3])


@pytest.mark.slow
def test_own_breakpoints_lower_each_part() -> None:
    """One level for each front, s = the sum, lies below one common level, above two of these."""
    alpha, kappa = 0.5, 1.0
    base = equations(alpha, 4, kappa).liquid_entropy()
    free = math.log(2.0 * float(ndtr(-kappa)))
    one, two = (solve(alpha, 4, kappa, K) for K in (1, 2))
    start = np.array([one.x[1], one.Q[0, 1]])
    there = root(lambda x: differences(lambda y: input_part(*y, alpha, kappa), x), start, tol=1e-12)
    below = input_part(*there.x, alpha, kappa) - free
    # the part of the outputs on its own: L = 3 before its layer 1 (which reads data) is solid
    state = find(equations(alpha, 4, kappa), levels=1).state
    start = np.array([one.x[1], state.eps[3, 1], one.q[3, 1], one.Q[3, 1]])
    there = root(
        lambda x: differences(lambda y: output_part(*y, alpha, kappa), x), start, tol=1e-12
    )
    above = output_part(*there.x, alpha, kappa) - free - math.log(float(ndtr(-kappa)))
    assert two.free_entropy - 1e-9 < base + below + above < one.free_entropy - 1e-8


@pytest.mark.parametrize(("L", "kappa", "alpha"), [(4, 1.0, 0.5), (4, -1.0, 200.0), (5, 0.2, 27.1)])
def test_without_levels_it_is_replica_symmetric(L: int, kappa: float, alpha: float) -> None:
    """K = 0 of this engine and the symmetric one: layer 2 liquid twice, then all solid."""
    one = find(equations(alpha, L, kappa), levels=0)
    symmetric = rd.solve(alpha, L, scenario="random", closure="exact", ansatz="rs", kappa=kappa)
    assert one.converged
    assert symmetric.converged
    assert one.free_entropy == pytest.approx(symmetric.free_entropy, abs=1e-12)
    np.testing.assert_allclose(one.q_ea, symmetric.q_ea, rtol=0, atol=1e-9)
    np.testing.assert_allclose(one.Q_ea, symmetric.Q_ea, rtol=0, atol=1e-9)
    rho = symmetric.certificate.replicon
    assert one.certificate.replicon[0] == pytest.approx(rho[0], rel=1e-8)


#: L, kappa, layer, alpha at which it becomes solid with K = 0 (`transitions`).
THRESHOLDS = [
    (4, 1.0, 3, 0.184827477), (4, 1.0, 1, 0.429915662), (4, 1.0, 2, 0.72670557),
    (4, -1.0, 1, 12.0898893), (4, -1.0, 3, 146.165423), (5, -0.5, 2, 134.191308),
]  # fmt: skip


@pytest.mark.parametrize(("L", "kappa", "layer", "alpha"), THRESHOLDS)
def test_layers_wake_where_the_transitions_are(
    L: int, kappa: float, layer: int, alpha: float
) -> None:
    below, above = (find(equations(alpha * f, L, kappa), levels=0) for f in (1 - 1e-3, 1 + 1e-3))
    assert below.converged
    assert above.converged
    assert below.q_ea[layer] == 0.0
    assert 0.0 < above.q_ea[layer] < 0.02
    model = equations(alpha * (1 - 1e-3), L, kappa)
    growth = model.zero_level_growth(below.evaluation)[layer, 0]
    assert 0.99 < growth < 1.0


def test_first_threshold_is_that_of_the_side_that_comes_first() -> None:
    """kappa = 1: the output, 1/w1^4; kappa = -1: the inputs, 1/(kappa w1)^2."""
    assert equations(1.0, 3, 1.0).first_threshold() == pytest.approx(0.184827477, rel=1e-8)
    assert equations(1.0, 3, -1.0).first_threshold() == pytest.approx(12.0898893, rel=1e-8)
    assert equations(1.0, 5, 1.0).first_layers == (4,)
    assert equations(1.0, 5, -1.0).first_layers == (1,)
    assert equations(1.0, 5, 0.0).first_layers == (4,)


# --- states --------------------------------------------------------------------------------------


def bent_states() -> dict[str, tuple[LevelEquations, State]]:
    """Away from solutions: layer 1 below a liquid, below a late first level, below none; K = 0."""
    x = np.arange(3) / 2
    late, none = np.maximum(x - 0.6, 0.0), np.zeros(3)
    return {
        "fronts": (
            equations(9.0, 4, 0.5, 3.0),
            make_state(
                0.6 * x, np.array([none, none, none, x, none]),
                np.array([0.5 * x, none, none, 0.4 * x**1.2]),
            ),
        ),
        "meeting": (
            equations(9.0, 3, 0.5, 3.0),
            make_state(
                0.6 * x, np.array([none, late, 0.8 * late, none]),
                np.array([0.6 * x, late, 0.9 * late]),
            ),
        ),
        "two of the inputs": (
            equations(9.0, 4, -0.7),
            make_state(
                0.6 * x, np.array([none, 0.3 * x, none, none, none]),
                np.array([0.6 * x, 0.5 * x, none, none]),
            ),
        ),
        "no levels": (
            equations(3.0, 3, 0.5),
            make_state(np.zeros(1), np.zeros((4, 1)), np.array([[0.4], [0.0], [0.0]])),
        ),
    }  # fmt: skip


@pytest.mark.parametrize("case", ["fronts", "meeting", "two of the inputs", "no levels"])
def test_gradient_and_hessian_are_differences(case: str) -> None:
    """Of s and of its gradient in (q, Q, m); without a field q is no unknown: it follows from Q."""
    check_derivatives(*bent_states()[case])


def test_what_is_unknown_and_what_follows() -> None:
    """Layer 1 of "meeting": solid from level 1 on, with a field, and so an unknown, from 2 on."""
    here, state = bent_states()["meeting"]
    assert list(first_levels(state)) == [0, 1, 2, 0]
    assert list(first_fields(state)) == [0, 2, 2, 0]
    layout = here.layout(state)
    assert list(layout.eps.index[1]) == [-1, -1, 2]
    assert list(layout.Q.index[0]) == [-1, 0, 1]
    ev = here.evaluate(state)
    assert ev.q[1, 1] > 0.0
    np.testing.assert_array_equal(zero_levels(state)[1:-1], ev.q[1:-1] == 0.0)
    assert gather(layout, state.Q, ev.q).size == layout.size == 6


def test_a_solution_is_a_minimum_of_s() -> None:
    here = equations(0.6, 4, 1.0)
    ev = here.evaluate(find(here, levels=2).state, True)
    layout = here.layout(ev.state)
    assert layout.size == 6  # Q(1), Q(4) and q(3), two levels each
    assert np.linalg.eigvalsh(here.hessian(layout, ev)).min() > 1e-6


def test_fields_are_where_the_couplings_above_are() -> None:
    """L = 3, both hidden layers solid from level 1 on: eps(1) comes with Q(2), and goes with it."""
    here = equations(9.0, 3, 0.5)
    x = np.array([0.0, 0.3, 0.6])
    none = np.zeros(3)
    state = make_state(0.5 * x, np.array([none, none, x, none]), np.array([x, none, x]))
    joined = match_couplings(here, state)
    np.testing.assert_array_equal(joined.eps[1] > 0.0, [False, True, True])
    assert np.all(np.diff(joined.eps[1]) > 0.0)
    assert joined.eps[1, -1] == pytest.approx(1e-4)
    np.testing.assert_array_equal(joined.eps[2], x)
    alone = match_couplings(
        here, joined.with_values(eps=np.zeros((4, 3)), Q=np.array([x, none, none]))
    )
    np.testing.assert_array_equal(alone.eps, np.zeros((4, 3)))
    np.testing.assert_array_equal(alone.Q, [x, none, none])
    averaged = match_couplings(equations(9.0, 3), state)  # kappa = 0: there is no layer 1
    np.testing.assert_array_equal(averaged.Q, [none, none, x])
    np.testing.assert_array_equal(averaged.eps[1], none)


def test_couplings_beside_the_data_wake_alone() -> None:
    """kappa = -1: layer 1 above alpha = 12.0899, without a field; it melts again below."""
    here = equations(12.2, 4, -1.0)
    woken = adjust_levels(here, here.evaluate(liquid(4)))
    assert woken is not None
    assert woken.Q[0, 0] == pytest.approx(0.01)  # a tenth of a tenth
    assert np.all(woken.eps == 0.0)
    assert np.all(woken.Q[1:] == 0.0)
    assert adjust_levels(equations(12.0, 4, -1.0), here.evaluate(liquid(4))) is not None
    below = equations(12.0, 4, -1.0)
    assert adjust_levels(below, below.evaluate(liquid(4))) is None
    small = below.evaluate(woken.with_values(Q=1e-3 * woken.Q))
    melted = adjust_levels(below, small)
    assert melted is not None
    assert np.all(melted.Q == 0.0)


def test_growth_beside_a_liquid_is_that_of_the_couplings() -> None:
    """alpha w2^2 q(1)^2 with w2 = kappa w1, below and above 1; kappa = 0: none."""
    w1 = math.exp(-0.5) / math.sqrt(2.0 * math.pi) / float(ndtr(-1.0))
    state = make_state(np.zeros(1), np.zeros((6, 1)), np.array([[0.4], [0.0], [0.0], [0.0], [0.0]]))
    for alpha in (2.0, 60.0):
        here = equations(alpha, 5, 1.0)
        ev = here.evaluate(state)
        growth = here.zero_level_growth(ev)[2, 0]
        assert growth == pytest.approx(alpha * w1**2 * float(ev.q[1, 0]) ** 2, rel=1e-12)
    none = equations(60.0, 5)
    assert none.evaluate(state).q[1, 0] == 0.0
    assert none.zero_level_growth(none.evaluate(state))[2, 0] == 0.0


def test_legend_of_neurons_without_couplings() -> None:
    """L = 3, kappa = 0: q(2) and Q(3) are solid, Q(2) is not; one legend names both layers."""
    found = rd.solve(
        6.0, 3, scenario="random", closure="exact", ansatz="1rsb"
    )  # fmt: skip
    figure = parisi_figure(found)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["$l = 2$", "$l = 3$"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("L", "kappa", "alpha", "solid"),
    [(3, -1.0, 20.0, [1]), (4, 1.0, 0.5, [1, 3]), (5, 1.0, 0.6, [1, 4]), (6, 0.5, 3.09, [1, 4, 5])],
)
@pytest.mark.parametrize("K", [1, 2, 4])
def test_certified(L: int, kappa: float, alpha: float, solid: list[int], K: int) -> None:
    """Every check passes, each level lowers s."""
    fewer = find(equations(alpha, L, kappa), levels=K // 2)
    found = find(equations(alpha, L, kappa), levels=K)
    assert found.converged
    assert found.levels == K
    assert not found.certificate.failures(1e-8)
    assert found.free_entropy < fewer.free_entropy - 1e-9
    assert list(np.flatnonzero(found.q_ea[1:-1] > 0.0) + 1) == solid


@pytest.mark.slow
def test_levels_of_two_fronts() -> None:
    """s falls as 1/K^4 to a limit that the stated error covers, L = 4, kappa = 1, alpha = 0.5."""
    by_levels = {2: -5.298736804, 4: -5.298739149, 8: -5.298739303}
    for K, s in by_levels.items():
        found = solve(0.5, 4, 1.0, K)
        assert found.free_entropy == pytest.approx(s, abs=2e-9)
        distance = found.free_entropy - by_levels[8]
        assert distance < found.certificate.levels_error_s
