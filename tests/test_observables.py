"""Overlap distributions, terraces, moments, and replicas drawn from the cascade."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import replicadnn as rd
from replicadnn.theory.cascade import common_level, leaf_order, partition, sample_clusters
from replicadnn.theory.observables import (
    OverlapDistribution,
    _liquid_cells,
    moment,
    overlap_distribution,
    plateaus,
)

Array = NDArray[np.float64]


@pytest.fixture(scope="module")
def terraced() -> rd.Solution:
    """Two solid layers a side, a liquid centre."""
    return rd.solve(30.0, 6, scenario="random", levels=8)


def total(found: OverlapDistribution) -> float:
    return sum(d.weight for d in found.deltas) + found.continuous_weight


Ramp = tuple[float, float, float, float]


def staircase(k: int, bend: float, *ramps: Ramp) -> tuple[Array, Array]:
    """k levels a ramp (x from, x to, q from, q to): m_i and q_i interleave along q(x)."""
    x, values = [0.0], [ramps[0][2]]
    for start, end, bottom, top in ramps:
        for j in range(1, k + 1):
            t = j / k
            x.append(start + (end - start) * (j - 0.5) / k)
            values.append(bottom + (top - bottom) * t * (1.0 + bend * (1.0 - t)))
    return np.array(x), np.array(values)


# --- distributions -------------------------------------------------------------------------


@st.composite
def curves(draw: st.DrawFn) -> tuple[Array, Array]:
    gap = st.floats(1e-3, 1.0)
    widths = np.array(draw(st.lists(gap, min_size=1, max_size=12)))
    rises = np.array(
        draw(st.lists(st.one_of(st.just(0.0), gap), min_size=widths.size, max_size=widths.size))
    )
    x = np.append(0.0, np.cumsum(widths)[:-1] / widths.sum())
    values = np.cumsum(rises) * draw(st.floats(0.0, 1.0)) / max(rises.sum(), 1.0)
    return x, np.minimum(values, 1.0)


@given(curves())
def test_any_curve_gives_a_distribution(curve: tuple[Array, Array]) -> None:
    x, values = curve
    found = overlap_distribution(x, values)
    assert found.weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert total(found) == pytest.approx(1.0, abs=1e-12)
    assert np.all(np.diff(found.values) > 0.0)
    assert np.all(found.density >= 0.0)
    assert np.all(np.diff(found.edges) > 0.0)
    assert all(d.weight >= 0.0 for d in found.deltas)
    ends = [0.0, *(y for s in found.steps for y in (s.start, s.middle, s.end)), 1.0]
    assert np.all(np.diff(ends) >= -1e-12)
    assert 0.0 <= found.onset <= 1.0
    for k in (1, 2):
        by_levels = float(found.weights @ found.values**k)
        assert moment(x, values, k) == pytest.approx(by_levels, abs=1e-9)


@pytest.mark.parametrize("k", [4, 16])
def test_one_ramp_is_exact(k: int) -> None:
    """q rises linearly to 0.3 at x = 0.4: a delta of weight 0.6, density 4/3, no delta at 0."""
    found = overlap_distribution(*staircase(k, 0.0, (0.0, 0.4, 0.0, 0.3)))
    (top,) = found.deltas
    assert (top.value, top.weight) == pytest.approx((0.3, 0.6), abs=1e-12)
    np.testing.assert_allclose(found.density, 4.0 / 3.0, rtol=1e-12)
    assert (found.edges[0], found.edges[-1]) == pytest.approx((0.0, 0.3), abs=1e-12)
    (step,) = found.steps
    assert (step.start, step.middle, step.end) == pytest.approx((0.0, 0.2, 0.4), abs=1e-12)
    assert found.onset == 0.0


@pytest.mark.parametrize("bend", [-0.5, 0.5])
@pytest.mark.parametrize("k", [6, 12])
def test_terraces_are_found_within_half_a_cell(k: int, bend: float) -> None:
    """Two steps with a plateau between, and a deeper layer that takes part in the second only."""
    x, first = staircase(k, bend, (0.0, 0.2, 0.0, 0.4), (0.5, 0.65, 0.4, 0.6))
    second = np.interp(first, [0.4, 0.6], [0.0, 0.25])
    for values, flats, steps in (
        (first, {0.4: 0.3, 0.6: 0.35}, [(0.0, 0.2), (0.5, 0.65)]),
        (second, {0.0: 0.5, 0.25: 0.35}, [(0.5, 0.65)]),
    ):
        found = overlap_distribution(x, values)
        assert len(found.deltas) == len(flats)
        for delta, (value, weight) in zip(found.deltas, flats.items(), strict=True):
            assert delta.value == pytest.approx(value, abs=1e-12)
            assert abs(delta.weight - weight) <= delta.error
        for step, (start, end) in zip(found.steps, steps, strict=True):
            assert step.resolved
            assert abs(step.start - start) <= step.error
            assert abs(step.end - end) <= step.error
        assert found.steps[0].error <= 0.1 / k + 1e-12
    assert found.onset == pytest.approx(0.5, abs=found.onset_error)


def test_a_stray_level_makes_no_plateau() -> None:
    """Two levels close together on a steep part: their neighbours are not plateaus."""
    x, values = staircase(8, 0.0, (0.0, 0.4, 0.0, 0.4))
    x, values = np.insert(x, 5, x[4] + 0.002), np.insert(values, 5, values[4] + 0.001)
    assert plateaus(x).tolist() == [False] * 9 + [True]
    (top,) = overlap_distribution(x, values).deltas
    assert top.weight == pytest.approx(0.6, abs=1e-12)


@pytest.mark.parametrize(("wide", "plateau"), [(0.31, True), (0.29, False)])
def test_a_plateau_is_three_times_as_wide_as_its_neighbours(wide: float, plateau: bool) -> None:
    """Cells of 0.1 but for one; the first counts twice; four levels and more."""
    x = np.cumsum([0.0, 0.05, 0.1, wide, 0.1, 0.1])
    assert plateaus(x).tolist() == [False, False, plateau, False, False, True]
    x = np.cumsum([0.0, wide / 2, 0.1, 0.1, 0.1, 0.1])
    assert plateaus(x).tolist() == [plateau, False, False, False, False, True]
    assert plateaus(x[:5]).tolist() == [plateau, False, False, False, True]
    assert plateaus(x[:4]).tolist() == [True] * 4


@pytest.mark.parametrize(
    ("level", "weight", "flat", "cells"),
    [
        # D w/(12 W) = 0.48 0.18/(12 0.3) = 0.024, 0.016; for w > W 0.45/12 = 0.0375
        ([0.0, 0.02, 0.5], [0.3, 0.3, 0.18], [True, True, True], 2),
        ([0.0, 0.02, 0.5], [0.3, 0.3, 0.12], [True, True, True], 1),
        ([0.0, 0.05, 0.5], [0.3, 0.1, 0.3], [True, True, True], 1),
        ([0.0, 0.03, 0.5], [0.3, 0.1, 0.3], [True, True, True], 2),
        ([0.0, 0.02, 0.5], [0.3, 0.3, 0.18], [True, False, True], 1),  # no plateau
        ([0.001, 0.02, 0.5], [0.3, 0.3, 0.18], [True, True, True], 0),
    ],
)
def test_liquid_within_the_error_of_a_plateau(
    level: list[float], weight: list[float], flat: list[bool], cells: int
) -> None:
    assert _liquid_cells(*map(np.array, (level, weight, flat))) == cells


def test_few_levels_are_deltas() -> None:
    for x, values in (([0.0, 0.3], [0.0, 0.5]), ([0.0, 0.1, 0.2, 0.3], [0.0, 0.2, 0.4, 0.6])):
        found = overlap_distribution(x, values)
        weights = np.diff([*x, 1.0])
        assert [(d.value, d.weight) for d in found.deltas] == list(
            zip(values, weights, strict=True)
        )
    assert found.continuous_weight == 0.0
    assert not found.steps[0].resolved
    frozen = overlap_distribution(
        [0.0, 0.1, 0.2, 0.3, 0.4, 0.5], [0, 0.1, 0.2, 0.3, 0.4, 1], jump=True
    )
    assert [(d.value, d.weight) for d in frozen.deltas] == [(0.4, pytest.approx(0.05)), (1.0, 0.5)]
    assert frozen.density[-1] == 0.0
    single = overlap_distribution([0.0], [0.7])
    assert [(d.value, d.weight, d.error) for d in single.deltas] == [(0.7, 1.0, 0.0)]
    assert (single.onset, single.density.size) == (0.0, 0)
    assert overlap_distribution([0.0, 0.5], [0.0, 0.0]).onset == 1.0


@pytest.mark.parametrize(
    ("x", "values", "named"),
    [
        ([0.1, 0.5], [0.0, 0.5], "x ="),
        ([0.0, 0.0], [0.0, 0.5], "x ="),
        ([0.0, 0.5], [0.0], "values ="),
        ([0.0, 0.5], [0.5, 0.2], "values ="),
        ([0.0, 0.5], [0.0, 1.2], "values ="),
        ([0.0, 0.5], [0.0, math.nan], "values ="),
    ],
)
def test_no_distribution_of_nonsense(x: list[float], values: list[float], named: str) -> None:
    with pytest.raises(rd.InputError, match=named):
        overlap_distribution(x, values)
    with pytest.raises(rd.InputError, match="order"):
        moment([0.0], [0.5], -1.0)


# --- solutions -----------------------------------------------------------------------------


@pytest.mark.parametrize(("alpha", "published"), [(5.0, 0.12137), (10.0, 0.226175)])
def test_mean_overlap_against_published_numbers(alpha: float, published: float, data: Path) -> None:
    """Int q(x, 1) dx at L = 4, from 4 and 8 levels by its 1/K^2 law."""
    four, eight = (rd.solve(alpha, 4, scenario="random", levels=K) for K in (4, 8))
    means = [float(s.moments()[1]) for s in (four, eight)]
    limit = means[1] + (means[1] - means[0]) / 3.0
    assert limit == pytest.approx(published, abs=1e-5)
    entry = next(
        e for e in json.loads((data / "parisi.json").read_text())
        if (e["L"], e["alpha"]) == (4, alpha)
    )  # fmt: skip
    assert limit == pytest.approx(entry["int_q_1"], abs=entry["int_q_error"])
    # the second moment converges faster than 1/K^2
    squares = [float(s.moments(2)[1]) for s in (four, eight)]
    assert squares[0] == pytest.approx(squares[1], abs=5e-6)
    assert abs(means[0] - means[1]) > 1e-4


def test_terraces_of_a_solution(terraced: rd.Solution) -> None:
    """A layer that freezes does so at a step of the layers before it."""
    s = terraced
    assert s.converged
    onset = s.x_l
    assert onset[0] == onset[1] == onset[-1] == 0.0
    assert onset[3] == 1.0
    np.testing.assert_allclose(onset, onset[::-1], atol=1e-9)
    for quantity in ("q", "Q"):
        outer, inner = (s.overlap_distribution(l, quantity) for l in (1, 2))  # type: ignore[arg-type]
        assert len(outer.steps) == 2
        assert len(inner.steps) == 1
        for name in ("start", "end"):
            shift = getattr(inner.steps[0], name) - getattr(outer.steps[1], name)
            assert abs(shift) < inner.steps[0].error
        assert total(outer) == pytest.approx(1.0, abs=1e-12)
        assert inner.deltas[0].value == 0.0
        assert inner.deltas[0].weight == pytest.approx(inner.onset)


def test_slopes_are_the_marginal_mode() -> None:
    """dq(x, l)/dx by layer is the replicon eigenvector (docs/observables.md, eq. 5).

    Layer 1 has a plateau where the zero overlap of layer 2 is marginal.
    """
    from broken_cases import branch_at, equations

    s = branch_at(40.0, 5, levels=12)
    model = equations(40.0, 5)
    state = model.evaluate(s.state, derivatives=True)
    modes = model.replicon(state)
    (plateau,) = np.flatnonzero(plateaus(s.state.m)[:-1])
    growth = model.zero_level_growth(state)[2]
    assert growth[plateau] == pytest.approx(1.0, abs=0.01)
    assert np.all(growth[1:plateau] < 0.95)
    inside = [i for i in range(1, s.levels) if s.evaluation.q[2, i - 1] > 1e-2]
    assert len(inside) >= 3
    for i in inside:
        slope = s.evaluation.q[1:5, i + 1] - s.evaluation.q[1:5, i - 1]
        np.testing.assert_allclose(slope / slope.sum(), modes.by_layer[i], atol=0.005)
        assert not np.allclose(modes.by_layer[i], 0.25, atol=0.02)


def test_api_of_a_solution(terraced: rd.Solution) -> None:
    s = terraced
    assert s.moments().shape == (7,)
    assert s.moments(2, "Q").shape == (6,)
    np.testing.assert_allclose(s.moments(0), 1.0)
    for layer, quantity, named in ((7, "q", "layer"), (0, "Q", "layer"), (1, "p", "quantity")):
        with pytest.raises(rd.InputError, match=named):
            s.overlap_distribution(layer, quantity)  # type: ignore[arg-type]
    words: dict[str, Any] = json.loads(json.dumps(s.as_dict(), allow_nan=False))
    assert words["moments"]["q1"] == pytest.approx(s.moments().tolist())
    assert words["moments"]["Q2"] == pytest.approx(s.moments(2, "Q").tolist())
    assert words["x_l"] == s.x_l.tolist()
    assert words["x_l_error"][2] == s.overlap_distribution(2).onset_error > 0.0
    parts = sum(sum(part) for part in words["entropy_by_layer"].values())
    assert parts == pytest.approx(s.free_entropy, abs=1e-10)


def test_replica_symmetric_solutions() -> None:
    s = rd.solve(25.0, 6)
    (delta,) = s.overlap_distribution(1).deltas
    assert (delta.value, delta.weight) == (s.q_ea[1], 1.0)
    np.testing.assert_array_equal(s.moments(), s.q_ea)
    np.testing.assert_array_equal(s.x_l, np.where(s.q_ea > 0.0, 0.0, 1.0))


def test_nothing_is_derived_from_a_failure() -> None:
    s = rd.solve(60.0, 20, scenario="random", time_limit=0.0)
    assert not s.converged
    assert np.all(np.isnan(s.x_l))
    assert s.as_dict()["x_l"] == [None] * 21
    with pytest.raises(rd.InputError, match="converged"):
        s.overlap_distribution(1)


# --- cascade -------------------------------------------------------------------------------

_X = np.array([0.0, 0.15, 0.4, 0.8])


def test_pairs_and_triples_follow_the_cascade() -> None:
    """P(overlap q_i) = m_{i+1} - m_i; three replicas in one cluster: (1 - m)(2 - m)/2."""
    rng = np.random.default_rng(7)
    pairs, triples = [], []
    for _ in range(1500):
        clusters = sample_clusters(_X, 6, rng)
        level = common_level(clusters)[np.triu_indices(6, 1)]
        pairs.append(np.bincount(level, minlength=4) / level.size)
        triples.append([np.ptp(row[:3]) == 0 for row in clusters])
    for sample, expected in (
        (np.array(pairs), np.diff(np.append(_X, 1.0))),
        (np.array(triples, dtype=float), (1.0 - _X) * (2.0 - _X) / 2.0),
    ):
        error = sample.std(axis=0, ddof=1) / math.sqrt(len(sample))
        assert np.all(np.abs(sample.mean(axis=0) - expected) <= 4.0 * error + 1e-12)
        assert np.all(error < 0.02)


@given(st.integers(1, 12), st.integers(0, 10**6))
def test_trees_are_ultrametric(replicas: int, seed: int) -> None:
    clusters = sample_clusters(_X, replicas, np.random.default_rng(seed))
    assert np.all(clusters[0] == 0)
    level = common_level(clusters)
    assert np.all(np.diag(level) == _X.size - 1)
    nearest = np.minimum(level[:, :, None], level[None, :, :]).max(axis=1)  # over the third
    assert np.all(level >= nearest)
    for row in clusters[:, leaf_order(clusters)]:  # contiguous clusters
        assert np.count_nonzero(np.diff(row)) == np.unique(row).size - 1


def test_cascade_edges() -> None:
    rng = np.random.default_rng(1)
    assert np.all(partition(20, 0.0, rng) == 0)
    again = [sample_clusters(_X, 9, np.random.default_rng(3)) for _ in range(2)]
    np.testing.assert_array_equal(*again)
    assert np.all(sample_clusters([0.0], 5, rng) == 0)
    for x, replicas, named in (([0.0, 1.0], 3, "x"), ([0.1], 3, "x"), ([0.0], 0, "replicas")):
        with pytest.raises(rd.InputError, match=named):
            sample_clusters(x, replicas, rng)


@pytest.mark.parametrize(
    ("values", "onset"), [([0.0, 0.5], 0.3), ([0.2, 0.5], 0.0), ([0.2, 0.2], 0.0)]
)
def test_onset_is_where_overlaps_leave_zero(values: list[float], onset: float) -> None:
    assert overlap_distribution([0.0, 0.3], values).onset == onset
