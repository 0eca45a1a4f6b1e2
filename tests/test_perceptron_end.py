"""One perceptron next to its capacity, kappa = -0.5: solved up to the end, refused beyond it.

The end is alpha = 4.700139 at one level, 4.697236 at two, 4.696675 at four (`theory.capacity`, the
equations of the limit).
"""

from __future__ import annotations

import numpy as np
import pytest
from broken_cases import branch_at, equations

from replicadnn.status import Status
from replicadnn.theory.broken.cells import drop_collapsed, split_cells
from replicadnn.theory.broken.climb import settle
from replicadnn.theory.broken.minimise import minimise
from replicadnn.theory.broken.resample import resample
from replicadnn.theory.broken.state import State, make_state
from replicadnn.theory.broken.stop import StopReason


def state(m: list[float], rest: list[float]) -> State:
    return make_state(np.array([0.0, *m]), np.zeros((2, len(m) + 1)), 1.0 - np.array([rest]))


def test_a_split_level_stays_below_one() -> None:
    model = equations(4.6, 1, -0.5)
    split = split_cells(model, model.evaluate(state([], [0.0173])), np.array([True]))
    assert np.all(np.diff(split.Q[0]) > 0.0)
    assert 0.004 < 1.0 - split.Q[0, 1] < 0.0173
    assert split.m[1] == pytest.approx(0.173)


def test_a_new_breakpoint_keeps_the_ratio() -> None:
    model = equations(4.68, 1, -0.5)
    ev = model.evaluate(state([0.0107], [0.154, 7.5e-4]))
    split = split_cells(model, ev, np.array([False, True]))
    assert split.m[2] == pytest.approx(0.0214)


def test_geometric_levels_stay_geometric() -> None:
    """m_i and 1 - Q_i in ratios of 4 and 10: with twice as many levels 2 and about sqrt(10)."""
    wide = state([1e-5, 4e-5, 1.6e-4, 6.4e-4], [1e-3, 1e-4, 1e-5, 1e-6, 1e-7])
    more = resample(equations(4.69, 1, -0.5), wide, 8)
    assert np.allclose(more.m[2:] / more.m[1:-1], 2.0, rtol=2e-3)
    ratio = (1.0 - more.Q[0, :-1]) / (1.0 - more.Q[0, 1:])
    assert np.allclose(ratio, 10.0 ** (5.0 / 9.0), rtol=2e-3)


def test_narrow_cells_count_in_units_of_the_last_breakpoint() -> None:
    close = state([1e-3, 1.05e-3, 1e-2], [0.2, 0.1, 0.09, 1e-4])
    assert drop_collapsed(equations(4.69, 1, -0.5), close) is None
    merged = drop_collapsed(equations(4.69, 1, -0.5), state([0.1, 0.100001], [0.2, 0.1, 0.05]))
    assert merged is not None
    assert merged.K == 1


def test_the_search_ends_at_rounding() -> None:
    """Three levels at 4.68: without that rule 80 steps, most of them of no length."""
    model = equations(4.68, 1, -0.5)
    start = state([0.0045, 0.011, 0.035], [0.196, 0.058, 0.011, 4e-4])
    found = minimise(model, start, max_iterations=80)
    assert found.iterations <= 25
    assert found.converged or found.stop is StopReason.ROUNDING
    assert found.evaluation.free_entropy == pytest.approx(-1.2845114385, abs=1e-9)


@pytest.mark.parametrize(
    ("alpha", "K", "s"),
    [
        (4.6, 4, -0.9421817603),
        (4.65, 8, -1.0812386354),
        pytest.param(4.68, 8, -1.2852173757, marks=pytest.mark.slow),
        pytest.param(4.69, 4, -1.4711108350, marks=pytest.mark.slow),
    ],
)
def test_solved_up_to_the_end(alpha: float, K: int, s: float) -> None:
    found = branch_at(alpha, 1, kappa=-0.5, levels=K)
    assert found.converged
    assert found.levels == K
    assert found.free_entropy == pytest.approx(s, abs=1e-9)
    assert np.all(np.diff(found.state.m[2:] / found.state.m[1:-1]) > 0.0)


def test_error_of_the_number_of_levels() -> None:
    """alpha = 4.65: 1 - Q = 1.407e-3 at 8 levels, 1.395e-3 at 16, 1.391e-3 at 32."""
    found = branch_at(4.65, 1, kappa=-0.5, levels=8)
    missing = (1.0 - found.Q_ea[0]) - 1.390e-3
    assert 1.4e-5 < missing < 2e-5
    assert missing < found.errors.Q[0] < 5.0 * missing
    assert found.errors.s > -1.0812386354 + 1.0812411131


@pytest.mark.slow
def test_end_of_one_level() -> None:
    """m and 1 - Q vanish together, as in the limit: at 4.700139 with (1 - Q)/m = 0.05442."""
    last = state([0.0063], [0.151, 5e-4])
    ends = []
    for alpha in (4.695, 4.6975, 4.699):
        model = equations(alpha, 1, -0.5)
        last = settle(model, last).evaluation.state
        ends.append((alpha, float(last.m[1]), 1.0 - float(last.Q[0, 1])))
    alpha, m, rest = np.array(ends).T
    assert np.polyval(np.polyfit(m, alpha, 2), 0.0) == pytest.approx(4.700139, abs=2e-5)
    assert np.polyval(np.polyfit(m, rest / m, 2), 0.0) == pytest.approx(0.05442, abs=5e-4)


@pytest.mark.parametrize(
    "alpha", [*(pytest.param(alpha, marks=pytest.mark.slow) for alpha in (4.72, 4.75)), 5.0]
)
def test_no_solution_beyond_the_end(alpha: float) -> None:
    """The symmetric one, which exists to 4.770, is not taken for an answer."""
    assert branch_at(alpha, 1, kappa=-0.5, levels=4).stop is StopReason.COLLAPSE


@pytest.mark.slow
def test_too_close_to_tell() -> None:
    found = branch_at(4.7, 1, kappa=-0.5, levels=4)
    assert found.stop is StopReason.CONTACT
    assert found.status is Status.NOT_CONVERGED
