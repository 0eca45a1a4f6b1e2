"""Metrics of the certificate in broken symmetry, reasons to stop, distances from one."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from broken_cases import branch_at, equations

import replicadnn as rd
from replicadnn.status import Status
from replicadnn.theory.broken.accuracy import OverlapUnits
from replicadnn.theory.broken.certificate import _growing_zeros, certify
from replicadnn.theory.broken.search import Found
from replicadnn.theory.broken.state import liquid, make_state
from replicadnn.theory.broken.stop import StopReason


@pytest.fixture(scope="module")
def one_step() -> Found:
    """L = 3, alpha = 8, K = 1: q_EA(1) = q_EA(2), a layer beside the data."""
    return branch_at(8.0, 3, levels=1)


def test_unit_of_an_overlap(one_step: Found) -> None:
    """x_EA (1 - x) in every solid layer; data and liquid layers count by what they are off."""
    here = one_step.stage.equations
    units = OverlapUnits.of(here, one_step.evaluation)
    q, Q = one_step.q_ea, one_step.Q_ea
    assert units.q[1, 1] == pytest.approx(q[1] * (1.0 - q[1]), rel=1e-12)
    assert units.q[1, 0] == pytest.approx(q[1], rel=1e-12)  # q_0 = 0
    assert units.Q[:, 1] == pytest.approx(Q * (1.0 - Q), rel=1e-12)
    assert units.q[[0, 3]].tolist() == [[1.0, 1.0]] * 2
    nothing = equations(2.0, 3)
    none = OverlapUnits.of(nothing, nothing.evaluate(liquid(3)))
    assert none.q.tolist() == [[1.0]] * 4
    assert none.Q.tolist() == [[1.0]] * 3


def test_a_saturated_layer_counts_by_its_last_level_below_one() -> None:
    one = branch_at(7.0, 2, levels=2, branch="saturated")
    units = OverlapUnits.of(one.stage.equations, one.evaluation)
    below = float(one.evaluation.q[1, -2])
    assert one.evaluation.q[1, -1] == 1.0
    assert 0.1 < below < 0.9
    assert units.q[1, -2] == pytest.approx(below * (1.0 - below), rel=1e-12)
    assert units.q[1, -1] == 1.0


@pytest.mark.parametrize("shift", [1e-6, 1e-4])
def test_residual_and_slopes_are_changes_of_logits(one_step: Found, shift: float) -> None:
    """Q(1) = Q(3) moved by ``shift`` in its logit: the residual is of that order, whatever Q."""
    here, state = one_step.stage.equations, one_step.state
    Q = state.Q.copy()
    Q[[0, 2], -1] += shift * Q[0, -1] * (1.0 - Q[0, -1])
    ev = here.evaluate(state.with_values(Q=Q))
    moved = certify(here, ev)
    assert 0.2 * shift < moved.residual < 5.0 * shift
    layout = here.layout(ev.state)
    slope = here.gradient(layout, ev)[layout.Q.index[0, -1]]
    unit = Q[0, -1] * (1.0 - Q[0, -1])  # 1 - Q is that of the right-hand side
    assert moved.ds_dQ_max == pytest.approx(abs(slope) * unit, rel=3.0 * shift)
    assert moved.replicon == tuple(here.replicon(ev).rho)


@pytest.mark.parametrize(
    ("reason", "lost", "ends", "status"),
    [
        (StopReason.GRADIENT, False, False, Status.CONVERGED),
        (StopReason.RUNAWAY, True, False, Status.NOT_CONVERGED),
        (StopReason.CONTACT, True, False, Status.NOT_CONVERGED),
        (StopReason.CLOSING, True, False, Status.NOT_CONVERGED),
        (StopReason.LEASH, True, False, Status.NOT_CONVERGED),
        (StopReason.LEAP, True, False, Status.NOT_CONVERGED),
        (StopReason.COLLAPSE, True, False, Status.NO_SOLUTION),
        (StopReason.FOLD, False, True, Status.NO_SOLUTION),
        (StopReason.ONSET, False, True, Status.NO_SOLUTION),
        (StopReason.TIME_LIMIT, False, False, Status.NOT_CONVERGED),
        (StopReason.FLAT, False, False, Status.NOT_CONVERGED),
        (StopReason.UNSTABLE, False, False, Status.NOT_CONVERGED),
    ],
)
def test_reasons(reason: StopReason, lost: bool, ends: bool, status: Status) -> None:
    assert (reason.lost, reason.branch_ends, reason.status) == (lost, ends, status)


def test_distances_from_one_of_a_solution() -> None:
    """Sums of sech^2 and the resolvent D_K, the same as 1 - x where that has digits."""
    one = rd.solve(8.0, 3, scenario="random", levels=4)
    assert one.converged
    np.testing.assert_allclose(one.one_minus_q_ea, 1.0 - one.q_ea, rtol=0.0, atol=1e-14)
    np.testing.assert_allclose(one.one_minus_Q_ea, 1.0 - one.Q_ea, rtol=0.0, atol=1e-12)
    saturated = rd.solve(13.0, 3, scenario="random", levels=2, branch="equilibrium")
    assert saturated.branch == "saturated"
    assert saturated.q_ea[1] == 1.0
    assert saturated.one_minus_q_ea.tolist() == [0.0] * 4


def test_overlaps_of_zero_that_would_grow() -> None:
    """Growth factors from 1 + 1e-9 on; x = 0 is left out, for there q = 0 by symmetry."""
    eps, q = np.zeros((5, 3)), np.zeros((5, 3))
    q[[0, 4]] = 1.0
    eps[1], q[1] = (0.0, 0.0, 0.5), (0.0, 0.0, 0.3)  # solid; levels 0 and 1 have no overlap
    eps[3], q[3] = (0.0, 0.2, 0.5), (0.0, 0.1, 0.3)  # solid; level 0 has none
    state = make_state(np.array([0.0, 0.3, 0.6]), eps, np.zeros((4, 3)))
    ev = SimpleNamespace(q=q, state=state)
    growth = np.zeros((5, 3))
    here = SimpleNamespace(zero_level_growth=lambda _: growth)
    growth[[1, 3], 0] = 3.0
    growth[1, 1] = growth[2, 2] = 1.0 + 0.9e-9
    assert _growing_zeros(here, ev) == ((), ())
    growth[1, 1] = 1.0 + 1.1e-9
    assert _growing_zeros(here, ev) == ((), ((1, 1),))
    growth[2, 2] = 1.0 + 1.1e-9  # layer 2 is liquid
    assert _growing_zeros(here, ev) == ((2,), ((1, 1),))


@pytest.mark.parametrize(
    ("fall", "top", "monotone"),
    [(0.0, 0.0, True), (0.9e-10, 0.0, True), (1.1e-10, 0.0, False), (0.0, 1e-12, False)],
)
def test_overlaps_must_not_fall_nor_leave_their_range(
    one_step: Found, fall: float, top: float, monotone: bool
) -> None:
    """Up to 1e-10, the rounding of overlaps that are equal."""
    q = one_step.evaluation.q.copy()
    q[1, 0] = q[1, 1] + fall
    q[0] += top  # data: one at every level
    ev = replace(one_step.evaluation, q=q)
    assert certify(one_step.stage.equations, ev).monotone is monotone
