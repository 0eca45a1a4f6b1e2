"""Gaps at contact where random data close with exact neurons: the limit m -> 0 and routes to it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import log_ndtr
from test_exact_ends import one_level_at, sums

import replicadnn as rd
from replicadnn.theory.closures.exact import closing, closing_levels
from replicadnn.theory.closures.exact.limit_flow import hidden_flow, output_flow

#: Contacts a coupling at the end, layers 1..L.
CONTACTS = {
    (2, 1): (1.010726, 1.156568), (2, 2): (1.000311, 1.008324), (2, 3): (1.000166, 1.004752),
    (3, 1): (1.000113, 1.003668, 1.003557), (3, 2): (1.000093, 1.002992, 1.000533),
}  # fmt: skip


@pytest.mark.parametrize(
    ("L", "K"), [
        (2, 1), (2, 2), (3, 1),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((3, 2), (2, 3))),
    ]
)  # fmt: skip
def test_contacts_at_the_end(L: int, K: int) -> None:
    """Just above one; at the output by the neurons that still flip, eta/delta (1e-4 at K > 1).

    One level: the end of `closing` again, and at the output nu (1 + nu)/[delta (1 + delta)].
    """
    guess = closing_levels.Closing.guess(L, K)
    if K == 3:
        two = closing_levels.settled(closing_levels.Closing.guess(L, 2))
        assert two is not None
        guess = two.refined(3)
    end = closing_levels.settled(guess)
    assert end is not None
    found = closing_levels.contacts(end)
    assert found == pytest.approx(CONTACTS[L, K], abs=1e-6)
    delta, eta = end.delta[-1], end.eta[-2]
    if K > 1:
        assert found[-1] == pytest.approx(1.0 + eta / delta, abs=1e-4)
        return
    assert closing_levels.image(end)[0] == pytest.approx(closing.one_step_end(L), abs=1e-9)
    nu = delta + eta
    assert found[-1] == pytest.approx(nu * (1.0 + nu) / (delta * (1.0 + delta)), abs=1e-9)


@pytest.mark.parametrize("alpha", [3.0, 9.0886068, 40.0])
def test_saturated_neurons_at_one_level_are_isostatic(alpha: float) -> None:
    """eta = 0: delta/(1 + delta) = (alpha - 1)^-2, and alpha contacts = 1 in every layer."""
    x = 1.0 / (alpha - 1.0)
    nu, one, none = x * x / (1.0 - x * x), np.ones(1), np.zeros(0)
    for flow in (output_flow(one, none, nu), hidden_flow(one, none, np.array([1e8]), nu)):
        assert alpha * flow.contacts == pytest.approx(1.0, abs=1e-9)
        assert flow.edge == pytest.approx(
            flow.contacts * x * math.sqrt(2.0 / math.pi) / nu, rel=1e-9
        )


def test_contacts_of_two_levels_by_nested_sums() -> None:
    """<theta(-S omega)> and <theta(-S omega)|omega|>/nu with exp(y phi) weights, nothing shared."""
    y, lam, e, nu = np.array([0.5, 1.0]), np.array([0.6]), np.array([2.0, 5.0]), 0.05
    inner = math.sqrt(0.4)
    w = np.sinh(np.linspace(-7.0, 7.0, 561)) * 0.006  # dense at the kink
    dw = np.gradient(w)
    U = np.linspace(-18.0, 18.0, 721)
    S = np.array([1.0, -1.0])[:, None, None]
    each = S * U - np.where(S * w[:, None] < 0.0, w[:, None] ** 2 / (2.0 * nu), 0.0)
    top, chosen = np.exp(each.max(0) - 18.0), each.argmax(0)
    touching = np.where(chosen == 0, w[:, None] < 0.0, w[:, None] > 0.0)
    z = np.linspace(-5.5, 5.5, 45)
    a, b = z * math.sqrt(0.6), z * math.sqrt(2.0)
    left = np.exp(-0.5 * ((w - a[:, None]) / inner) ** 2) * dw
    right = np.exp(-0.5 * (U - b[:, None]) ** 2 / 3.0)
    norm, touch, push = (
        left @ (top * part) @ right.T
        for part in (np.ones_like(touching), touching, touching * np.abs(w)[:, None] / nu)
    )
    P = np.exp(-0.5 * z[:, None] ** 2 - 0.5 * z**2) * norm ** y[0]
    flow = hidden_flow(y, lam, e, nu)
    assert flow.contacts == pytest.approx(float(np.sum(P * touch / norm) / P.sum()), rel=2e-4)
    assert flow.edge == pytest.approx(float(np.sum(P * push / norm) / P.sum()), rel=1e-3)


def plain_gaps(m: float, lam: float, V: float, eps: float) -> tuple[float, float]:
    """P(kappa + 0) and the weight of fields behind the margin, one level; eps = 0: the output."""
    top = math.asinh(10.0 * math.sqrt(lam / V) / 1.5)
    x = top * np.linspace(-1.0, 1.0, 2 * math.ceil(top / 0.06) + 1)
    side = 10.0 * math.sqrt(eps) + m * eps
    u = np.linspace(-side, side, 2 * math.ceil(side / 0.3) + 1)
    z = 1.5 * np.sinh(x)[:, None]  # omega/sqrt V
    logs = (u + log_ndtr(z), -u + log_ndtr(-z)) if eps else (log_ndtr(z), np.full_like(z, -np.inf))
    f = np.logaddexp(*logs)
    power = m * f - 0.5 * V * z * z / lam - (0.5 * u * u / eps if eps else 0.0)
    P = np.exp(power - power.max()) * np.cosh(x)[:, None]
    P /= P.sum()
    both = sum(np.exp(S * u - 0.5 * z * z - f) for S in ((1.0, -1.0) if eps else (1.0,)))
    behind = np.where(z < 0.0, np.exp(logs[0] - f), 0.0)
    behind = behind + np.where(z > 0.0, np.exp(logs[1] - f), 0.0) + 0.5 * (z == 0.0)
    return float((P * both).sum()) / math.sqrt(2.0 * math.pi * V), float((P * behind).sum())


def gaps_at(m: float, p: float, P: list[float]) -> list[tuple[float, float]]:
    """`plain_gaps` of both layers of L = 2."""
    V = p + P[1] - p * P[1]
    eps = (1.0 - P[1]) * sums(m, (1.0 - p) * (1.0 - P[1]), V, 0.0)[0]
    return [
        plain_gaps(m, 1.0 - P[0], P[0], eps),
        plain_gaps(m, (1.0 - p) * (1.0 - P[1]), V, 0.0),
    ]


def to_the_end(m: list[float], values: list[float]) -> tuple[float, float]:
    """To m = 0 with 1, m, m ln m, m^(3/2), and the change from the order before.

    m ln m: e^(m f) holds (sqrt V/|omega|)^m behind the margin.
    """
    ends, x = [], np.array(m)
    for n in (3, 4):
        basis = np.array([np.ones_like(x), x, x * np.log(x), x**1.5]).T[-n:, :n]
        ends.append(float(np.linalg.solve(basis, np.array(values[-n:]))[0]))
    return ends[1], abs(ends[1] - ends[0])


@pytest.mark.slow
def test_gaps_become_contacts_where_the_volume_closes() -> None:
    """L = 2, one level, m = 0.24 .. 0.015: no fold, and P(kappa + 0) grows as 1/m, 1/(1 - Q).

    Extrapolated they meet the limit: m P = 0.68666 and 0.68104, contacts 1.0107 and 1.1566.
    """
    found = rd.solve(8.0, 2, scenario="random", closure="exact", ansatz="rsb", levels=1)
    assert isinstance(found, rd.Solution)
    p, P, alpha = 0.0164, [0.0126, 0.0176], 8.0
    steps, rows = [0.24355614, 0.12, 0.06, 0.03, 0.015], []
    for m in steps:
        alpha, p, P = one_level_at(m, p, P, alpha)
        gaps = gaps_at(m, p, P)
        rows.append([m * edge for edge, _ in gaps] + [alpha * weight for _, weight in gaps])
        if m == steps[0]:
            for layer, (edge, _) in enumerate(gaps, 1):
                assert rd.gap_distribution(found, layer).edge == pytest.approx(edge, rel=1e-6)
            assert [edge for edge, _ in gaps] == pytest.approx([2.3578961, 2.4830259], abs=1e-6)
    table = np.array(rows)
    assert np.all(np.diff(table[:, :3], axis=0) > 0.0)
    assert np.all(np.diff(table[:, 3]) < 0.0)
    want = (0.68666, 0.68104, 1.010726, 1.156568)
    for column, limit in zip(table.T, want, strict=True):
        value, error = to_the_end(steps, column.tolist())
        assert error < 7e-3
        assert value == pytest.approx(limit, abs=error)
