"""Figures of overlap distributions and trees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from replicadnn.cli.main import run as command

import replicadnn as rd
from replicadnn.plot.tree import branches
from replicadnn.theory.cascade import common_level, sample_clusters


@pytest.fixture(scope="module")
def solutions() -> rd.Solutions:
    return rd.solve([10.0, 30.0], 6, scenario="random", levels=6)


def test_distribution_draws_the_weights(solutions: rd.Solutions) -> None:
    mine = Figure().subplots()
    ax = rd.plot.distribution(solutions[1], mine, quantity="Q")
    assert ax is mine
    assert [c.get_label() for c in ax.containers] == ["$l = 1$", "$l = 2$"]
    for layer, container in zip((1, 2), ax.containers, strict=True):
        deltas = solutions[1].overlap_distribution(layer, "Q").deltas
        np.testing.assert_array_equal(
            container.lines[0].get_xydata(), [(d.value, d.weight) for d in deltas]
        )
    assert "P(Q, l)" in ax.get_ylabel()
    assert len(rd.plot.distribution(solutions[1], part="continuous").patches) == 2
    assert len(rd.plot.distribution_figure(solutions[1]).axes) == 4


def test_single_overlaps_and_single_layers() -> None:
    crystal = rd.solve(25.0, 6)
    assert len(rd.plot.distribution_figure(crystal).axes) == 2  # no continuous part
    one_step = rd.solve(10.0, 4, scenario="random", ansatz="1rsb")
    assert len(rd.plot.distribution_figure(one_step).axes) == 2
    perceptron = rd.solve(1.0, 1, scenario="random", ansatz="rs")
    assert len(rd.plot.distribution_figure(perceptron).axes) == 1  # no hidden neurons
    assert len(rd.plot.parisi_figure(perceptron).axes) == 1
    with pytest.raises(rd.InputError, match="no hidden neurons"):
        rd.plot.tree(perceptron)
    with pytest.raises(rd.InputError, match="broken replica symmetry"):
        rd.plot.tree(crystal)


def test_what_cannot_be_drawn(solutions: rd.Solutions) -> None:
    liquid = rd.solve(2.0, 4, scenario="random", levels=2)
    failed = rd.solve(60.0, 20, scenario="random", time_limit=0.0)
    for draw in (rd.plot.distribution, rd.plot.tree, rd.plot.parisi):
        with pytest.raises(rd.InputError, match="solid"):
            draw(liquid)
        with pytest.raises(rd.InputError, match="converged"):
            draw(failed)
    for words, named in (
        ({"layer": 3}, "layer = 3"),
        ({"layer": 0}, "layer = 0"),
        ({"replicas": 1}, "replicas = 1"),
        ({"seed": -1}, "seed = -1"),
    ):
        with pytest.raises(rd.InputError, match=named):
            rd.plot.tree(solutions[1], **words)
    with pytest.raises(rd.InputError, match="part"):
        rd.plot.distribution(solutions[1], part="all")  # type: ignore[arg-type]


def test_branches_join_at_the_overlap() -> None:
    """The height at which the lines of two leaves meet is the overlap of the pair."""
    x, height = np.array([0.0, 0.2, 0.5, 0.7]), np.array([0.0, 0.0, 0.3, 0.6])
    clusters = sample_clusters(x, 7, np.random.default_rng(5))
    lines, levels = branches(clusters, height)
    assert len(lines) == len(levels)
    expected = height[common_level(clusters)]
    place = np.empty(7, dtype=int)
    place[np.lexsort(clusters[::-1])] = np.arange(1, 8)
    horizontal = [(a[0], b[0], a[1]) for a, b in lines if a[1] == b[1]]
    vertical = [(a[0], a[1], b[1]) for a, b in lines if a[0] == b[0]]
    assert len(horizontal) + len(vertical) == len(lines)

    def path(leaf: int) -> set[tuple[float, float, float]]:
        """Horizontal lines below a leaf, followed down to the root."""
        at, y = float(place[leaf]), height[-1]
        found: set[tuple[float, float, float]] = set()
        while True:
            here = [h for h in horizontal if h[0] <= at <= h[1] and h[2] == y and h not in found]
            found.update(here)
            centres = [0.5 * (h[0] + h[1]) for h in here] or [at]
            stems = [
                v for v in vertical if v[2] == y and any(abs(v[0] - c) < 1e-9 for c in centres)
            ]
            if not stems:
                if not here:
                    return found
                at = centres[0]
                continue
            at, y = stems[0][0], stems[0][1]

    paths = [path(leaf) for leaf in range(7)]
    for a in range(7):
        for b in range(a):
            common = paths[a] & paths[b]
            assert common
            assert max(h[2] for h in common) == expected[a, b]


def test_command_line(
    solutions: rd.Solutions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(solutions.save(tmp_path / "a.h5"))
    assert command(["plot", "overlaps", path]) == 0
    assert command(["plot", "tree", path, "--quantity", "Q", "--seed", "3"]) == 0
    assert command(["plot", "parisi", path, "--alpha", "10"]) == 0
    for name in ("overlaps", "tree", "parisi"):
        assert (tmp_path / f"a_{name}.png").read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    again = str(tmp_path / "b.png")
    for words, named in (
        (["overlaps", path], "exists already"),
        (["overlaps", path, "-o", again, "--alpha", "11"], "10, 30"),
        (["overlaps", path, "-o", again, "--theory"], "only for Monte Carlo files"),
        (["tree", path, "-o", again, "--replicas", "1"], "2..500"),
        (["tree", path, "-o", again, "--quantity", "x"], "--quantity"),
        (["tree", "missing.h5"], "no such file"),
    ):
        assert command(["plot", *words]) == 2
        err = capsys.readouterr().err
        assert named in err
        assert err.count("\n") == 1
