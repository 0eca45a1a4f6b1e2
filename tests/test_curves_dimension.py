"""Effective dimension of data: known dimensions, the formulas written out, files, mistakes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from test_mc_cli import call

import replicadnn as rd
from replicadnn.curves import effective_dimension, read_data
from replicadnn.interrupt import Interrupted
from replicadnn.plot.effective_dimension import _told, effective_dimension_figure


def manifold(d: int, points: int = 2000, features: int = 20, seed: int = 0) -> Any:
    """tanh(F c/sqrt d) of Gaussian c."""
    rng = np.random.default_rng(seed)
    F, c = rng.standard_normal((features, d)), rng.standard_normal((points, d))
    return np.tanh(c @ F.T / math.sqrt(d))


@pytest.mark.parametrize(("d", "low", "high"), [(1, 0.9, 1.1), (2, 1.85, 2.1), (4, 3.5, 4.2)])
def test_dimension_of_a_manifold(d: int, low: float, high: float) -> None:
    """4: the slope reads low by a few per cent."""
    found = effective_dimension(manifold(d))
    assert low < found.dimension < high
    assert low < found.two_nn < high * 1.1
    assert 0.0 < found.error < 0.1 * d
    assert found.metric == "euclidean"
    assert found.sizes[-1] == 2000


def test_sizes_are_halved_down_to_64() -> None:
    assert effective_dimension(manifold(1, 1024)).sizes.tolist() == [64, 128, 256, 512, 1024]
    assert effective_dimension(manifold(1, 255)).sizes.tolist() == [127, 255]


def test_numbers_written_out() -> None:
    """All points at once: the mean smallest distance, and TwoNN of largest likelihood."""
    X = manifold(2, 300)
    found = effective_dimension(X, queries=300)
    near = np.sort(cdist(X, X), axis=1)[:, 1:3]
    assert found.distance[-1] == pytest.approx(near[:, 0].mean(), rel=1e-12)
    log = np.sort(np.log(near[:, 1] / near[:, 0]))
    total = log[:270].sum() + 30 * log[269]
    assert found.two_nn == pytest.approx(270 / total, rel=1e-12)
    assert found.two_nn_error == pytest.approx(math.sqrt(270) / total, rel=1e-12)
    x, y = np.log(found.sizes), np.log(found.distance)
    assert found.dimension == pytest.approx(-1.0 / np.polyfit(x, y, 1)[0], rel=1e-12)
    slopes = [-1.0 / np.polyfit(x, np.log(one), 1)[0] for one in found.distances]
    assert found.error == pytest.approx(np.std(slopes, ddof=1) / math.sqrt(10), rel=1e-12)
    local = -(x[-1] - x[-2]) / (y[-1] - y[-2])
    assert found.local[-1] == pytest.approx(local, rel=1e-12)


def test_two_values_have_the_hamming_distance() -> None:
    """sgn(F c) knows the direction of c alone, d - 1 = 3 dimensions; Euclidean distances, roots of
    the Hamming ones, give twice as much."""
    signs = np.sign(manifold(4, 1000, 400))
    found = effective_dimension(signs)
    assert found.metric == "hamming"
    assert 2.4 < found.dimension < 3.2
    assert effective_dimension(signs * 3.0 + 1.0).distance.tolist() == found.distance.tolist()
    near = np.sort(cdist(signs, signs, "hamming") * 400, axis=1)[:, 1]
    everyone = effective_dimension(signs, queries=1000)
    assert everyone.distance[-1] == pytest.approx(near.mean(), rel=1e-12)
    other = effective_dimension(signs + 1e-9 * np.arange(400))
    assert other.metric == "euclidean"
    assert other.dimension == pytest.approx(2.0 * found.dimension, rel=0.15)


def test_duplicates_are_counted_and_left_out_of_two_nn() -> None:
    X = manifold(2, 500)
    X[:20] = X[480:]
    found = effective_dimension(X, queries=500)
    assert found.duplicates == 40
    assert 1.5 < found.two_nn < 2.5
    same = effective_dimension(np.repeat(manifold(2, 250), 2, axis=0), queries=500)
    assert same.duplicates == 500
    assert math.isnan(same.two_nn)
    assert not same.converged


def test_files_resume_and_interrupts(tmp_path: Path) -> None:
    X = manifold(2, 600)
    whole = effective_dimension(X)
    whole.save(tmp_path / "a.h5")
    loaded = rd.load(tmp_path / "a.h5")
    assert loaded == whole
    assert loaded.to_xarray()["distance"].size == whole.distances.size
    assert loaded.as_dict()["dimension"] == whole.dimension
    parts: list[Any] = []
    effective_dimension(X, checkpoint=lambda made: parts.append(made()))
    assert [one.sizes.size for one in parts] == [1, 2, 3, 4]
    assert not parts[1].finished
    assert math.isnan(parts[0].dimension)
    parts[1].save(tmp_path / "b.h5")
    again = effective_dimension(X, known=rd.load(tmp_path / "b.h5"))
    assert again == whole

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        effective_dimension(X, progress=stop)
    assert caught.value.partial.sizes.size == 3
    with pytest.raises(rd.InputError, match="sum"):
        effective_dimension(X + 1.0, known=whole)


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    X = manifold(2, 500)
    np.save(tmp_path / "a.npy", X)
    np.savez(tmp_path / "a.npz", data=X, other=np.zeros(3))
    np.savetxt(tmp_path / "a.csv", X, delimiter=",")
    np.savez(tmp_path / "b.npz", one=X, two=X)
    (tmp_path / "a.txt").write_text("1 2")
    (tmp_path / "bad.csv").write_text("1,2\na,b\n")
    out, figure = str(tmp_path / "d.h5"), str(tmp_path / "d.png")
    words = ("effective-dimension", str(tmp_path / "a.npy"), "--output", out, "--plot", figure)
    code, said, _ = call(capsys, *words, "--json")
    assert code == 0
    document = json.loads(said)
    assert document["dimension"] == effective_dimension(X).dimension
    assert document["sizes"][0]["local"] is None
    assert Path(figure).stat().st_size > 1000
    code, said, _ = call(capsys, "plot", "effective-dimension", out, "-o", str(tmp_path / "e.png"))
    assert code == 0
    for name in ("a.npz", "a.csv"):
        code, said, _ = call(capsys, "effective-dimension", str(tmp_path / name))
        assert code == 0
        assert "slope:  d = " in said
    for name, reason in {
        "b.npz": "arrays one, two: one, or one named data",
        "a.txt": "a file .npy, .npz or .csv",
        "bad.csv": "no table of numbers",
        "none.npy": "no table of numbers",
    }.items():
        code, _, err = call(capsys, "effective-dimension", str(tmp_path / name))
        assert code == 2
        assert reason in err


def test_few_features_apart_are_duplicates() -> None:
    """On a circle the slope of signs is 1 while neighbours differ in many features."""
    angle = 2.0 * math.pi * np.random.default_rng(1).random(1000)
    c = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    F = np.random.default_rng(2).standard_normal((2000, 2))
    many, few = (effective_dimension(np.sign(c @ F[:p].T)) for p in (2000, 100))
    assert 0.85 < many.dimension < 1.0
    assert few.dimension < 0.8
    assert few.duplicates > 900
    assert math.isnan(few.two_nn)


def test_figure_has_a_panel_a_metric() -> None:
    smooth = effective_dimension(manifold(2, 1024))
    signs = effective_dimension(np.sign(manifold(3, 300, 100)))
    ax = rd.plot.effective_dimension(smooth)
    assert ax.get_title() == "Euclidean distance"
    assert [one.get_text() for one in ax.get_xticklabels()] == ["1024", "256", "64"]
    (label,) = ax.get_legend_handles_labels()[1]
    assert label.startswith("1024 points of 20: $d = ")
    figure = effective_dimension_figure([signs, smooth])
    assert [one.get_title() for one in figure.axes] == ["Euclidean distance", "Hamming distance"]
    assert [len(one.get_legend_handles_labels()[1]) for one in figure.axes] == [1, 1]


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (2.0034, 0.0131, "2.003(13)"), (0.9624, 0.00998, "0.962(10)"), (13.21, 0.24, "13.21(24)"),
        (120.4, 31.0, "120(31)"), (0.668, math.nan, "0.668"), (math.nan, 0.1, r"\mathrm{none}"),
    ],
)  # fmt: skip
def test_numbers_of_a_legend(value: float, error: float, said: str) -> None:
    assert _told(value, error) == said


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (np.zeros((200, 3)), "0 everywhere: points that differ"),
        (np.zeros(200), r"of shape \(200,\): 128 points"),
        (np.ones((127, 2)), r"of shape \(127, 2\): 128 points"),
        (np.full((200, 2), math.nan), "nan or inf: finite numbers"),
        ([["a"]], "list: a table of numbers"),
    ],
)
def test_mistakes_are_named(data: Any, said: str) -> None:
    with pytest.raises(rd.InputError, match=said.split(": ")[-1]):
        effective_dimension(data)
    with pytest.raises(rd.InputError, match="queries = 99: a whole number from 100"):
        effective_dimension(manifold(1, 200), queries=99)


def test_read_data(tmp_path: Path) -> None:
    X = manifold(1, 130, 3)
    np.savez(tmp_path / "only.npz", X)
    assert read_data(tmp_path / "only.npz").tolist() == X.tolist()
