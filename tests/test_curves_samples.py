"""Learning curves on drawn data sets, and their files, documents, figures and mistakes."""

from __future__ import annotations

import json
import math
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn.curves import Covariance, learning_curve, read_covariance
from replicadnn.curves.ask import row_of
from replicadnn.interrupt import Interrupted

#: Points whose data sets are drawn: keywords, gamma (p/gamma is whole for p = 120).
DRAWN: dict[str, tuple[dict[str, object], list[float]]] = {
    "isotropic, ridge": ({"ridge": 0.1}, [0.2, 0.5, 1.0, 2.0, 5.0]),
    "isotropic, without": ({}, [0.2, 0.5, 2.0, 5.0]),
    "power law, aligned": (
        {"covariance": "power-law", "modes": 120, "signal_exponent": 1.0, "ridge": 0.05,
         "sigma2": 0.1},
        [0.5, 1.0, 2.0],
    ),
    "own, optimal": (
        {"covariance": Covariance([4.0, 0.2, 0.0], weights=[1, 4, 1], signal=[1, 0, 1]),
         "ridge": "optimal", "sigma2": 0.4},
        [0.5, 2.0, 4.0],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DRAWN)
def test_drawn_data_sets_agree_within_their_errors(case: str) -> None:
    """z-scores of risk, its parts and the training error, p = 120, 60 data sets, fixed seed."""
    words, gamma = DRAWN[case]
    found = learning_curve(gamma, samples=60, p=120, seed=2, **words)
    measured = found.measured
    assert measured is not None
    np.testing.assert_array_equal(measured.gamma, gamma)
    for name in ("bias", "variance", "risk", "training_error"):
        theory, error = getattr(found, name), measured.error(name)
        sharp = theory > 1e-12
        z = (measured.mean(name) - theory)[sharp] / error[sharp]
        assert np.max(np.abs(z)) < 3.5, name
        assert np.all(error[sharp] < 0.15 * theory[sharp]), name
        assert np.all(measured.values[name][:, ~sharp] < 1e-20), name


def test_exact_formulas_of_finite_size() -> None:
    """Without ridge: variance sigma2 p/(n - p - 1) or sigma2 n/(p - n - 1), bias 1 - n/p."""
    found = learning_curve([25 / 31, 1.25], samples=1000, p=25, seed=3).measured
    assert found is not None
    assert found.n.tolist() == [31, 20]
    exact = np.array([1.25, 1.25])
    z = (found.mean("variance") - exact) / found.error("variance")
    assert np.max(np.abs(z)) < 3.0
    limit = learning_curve([25 / 31, 1.25]).variance  # 1.0417, 1
    assert np.all((found.mean("variance") - limit) / found.error("variance") > 3.0)
    bias, error = found.mean("bias")[1], found.error("bias")[1]
    assert abs(bias - (1 - 20 / 25)) < 3.0 * error


def test_a_negative_optimal_ridge_is_better_on_data_too() -> None:
    law = Covariance([1.0, 100.0 / 1980], weights=[20, 1980], signal=[1, 0])
    best = learning_curve(10.0, covariance=law, sigma2=0.1, ridge="optimal", samples=12, p=2000)
    none = learning_curve(10.0, covariance=law, sigma2=0.1, samples=12, p=2000)
    assert best.ridge[0] < -0.1
    assert best.measured is not None
    assert none.measured is not None
    gain = none.measured.values["risk"][:, 0] - best.measured.values["risk"][:, 0]  # same data
    mean, error = gain.mean(), gain.std(ddof=1) / math.sqrt(gain.size)
    assert mean > 3.0 * error
    assert abs(mean - (none.risk[0] - best.risk[0])) < 3.0 * error
    assert np.all(none.measured.values["training_error"] < 1e-20)


def test_where_no_mean_exists_none_is_measured() -> None:
    found = learning_curve([1.0, 1.02], samples=2, p=51)
    assert found.measured is not None
    assert np.isnan(found.measured.mean("risk")).tolist() == [True, True]
    with_ridge = learning_curve([1.0, 1.02], samples=2, p=51, ridge=0.01).measured
    assert with_ridge is not None
    assert np.isfinite(with_ridge.mean("risk")).all()


def test_more_data_sets_have_the_bits_of_one_run(tmp_path: Path) -> None:
    at = {"gamma": [0.5, 2.0], "p": 20, "seed": 5, "ridge": "optimal"}
    four, two = learning_curve(samples=4, **at), learning_curve(samples=2, **at)
    assert learning_curve(samples=4, known=two, **at) == four
    back = rd.load(two.save(tmp_path / "a.h5"))
    assert learning_curve(samples=4, known=back, **at) == four
    plain = learning_curve([0.5, 2.0], ridge="optimal")
    assert learning_curve(samples=4, known=plain, **at) == four
    for wrong, words in (
        ({"seed": 6}, "seed = 6: must be 5 to continue"),
        ({"p": 30}, "p = 30: must be 20 to continue"),
        ({"gamma": [0.5, 3.0]}, r"gamma = \[0\.5, 3\.0\]: must be \[0\.5, 2\.0\] to continue"),
        ({"ridge": 0.1}, r"ridge = 0\.1: must be optimal to continue"),
        ({"sigma2": 0.1}, r"sigma2 = 0\.1: must be 0\.25 to continue"),
        ({"covariance": Covariance([1.0, 2.0])}, "covariance = 'own .*': must be isotropic"),
    ):
        with pytest.raises(rd.InputError, match=words):
            learning_curve(samples=4, known=two, **(at | wrong))
    with pytest.raises(rd.InputError, match="samples = 1: at least the 2 of the earlier one"):
        learning_curve(samples=1, known=two, **at)


def test_ctrl_c_keeps_the_data_sets_that_are_done() -> None:
    at = {"gamma": [0.5, 2.0], "p": 20, "seed": 5}

    def press(so_far: Any) -> None:
        drawn = so_far().measured
        if drawn is not None and drawn.samples == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted) as caught:
        learning_curve(samples=4, checkpoint=press, **at)
    partial = caught.value.partial
    assert (caught.value.done, partial.finished, partial.measured.samples) == (2, False, 2)
    assert learning_curve(samples=4, known=partial, **at) == learning_curve(samples=4, **at)


def test_progress_counts_data_sets_or_points() -> None:
    told: list[tuple[int, int]] = []
    learning_curve([0.5, 2.0, 3.0], progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    told.clear()
    learning_curve(
        [0.5, 2.0, 3.0], samples=2, p=12, progress=lambda done, total: told.append((done, total))
    )
    assert told == [(1, 2), (2, 2)]


def test_files_documents_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, picture = tmp_path / "a.h5", tmp_path / "a.png"
    words = ["learning-curve", "--gamma", "0.5,1,2", "--samples", "3", "--p", "40"]
    assert run([*words, "--json", "--output", str(path), "--plot", str(picture)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["risk"] for row in found["points"]] == pytest.approx([0.25, None, 0.75])
    assert found["samples"]["points"][0]["n"] == 80
    assert found["samples"]["points"][1]["risk"] is None
    loaded = rd.load(path)
    assert loaded.as_dict() == found
    assert loaded.to_xarray()["risk"].dims == ("gamma",)
    assert picture.stat().st_size > 5000
    assert run([*words, "--resume", "--output", str(path)]) == 0
    assert "0.3903882" in capsys.readouterr().out
    other = tmp_path / "c.h5"
    assert run(["learning-curve", "--ridge", "optimal", "--output", str(other)]) == 0
    assert run(["plot", "learning-curve", str(path), str(other)]) == 0
    best = rd.load(other)
    ax = rd.plot.learning_curve([loaded, best])
    assert ax.get_title().splitlines()[0] == r"isotropic covariance, $|b|^2 = 1$, $\sigma^2 = 0.25$"
    shown = ax.lines[0].get_ydata()
    assert (shown[0], shown[2]) == pytest.approx((0.25, 0.75))
    assert np.isnan(shown[1])
    ax = rd.plot.learning_curve(best, quantity="training_error")
    assert ax.lines[0].get_ydata().tolist() == best.training_error.tolist()
    with pytest.raises(rd.InputError, match="told apart"):
        rd.plot.learning_curve([loaded, loaded])
    with pytest.raises(rd.InputError, match="quantity = 'loss': one of risk"):
        rd.plot.learning_curve(loaded, quantity="loss")


def test_covariance_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.txt"
    path.write_text("# eigenvalue weight signal\n4 1 3\n0.25 3 1\n")
    law = read_covariance(path)
    assert (law.eigenvalues.tolist(), law.weights.tolist()) == ([4.0, 0.25], [0.25, 0.75])
    assert (law.signal.tolist(), law.name, law.mean) == ([0.75, 0.25], "own", 1.1875)
    assert run(["learning-curve", "--gamma", "2", "--covariance", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["covariance"] == "own"
    assert found["points"][0]["risk"] == learning_curve(2.0, covariance=law).risk[0]
    back = rd.load(learning_curve(2.0, covariance=law).save(tmp_path / "a.h5"))
    assert back.covariance == law
    for text, words in (("a b\n", "no table of eigenvalues"), ("1 2 3 4\n", "one to three")):
        path.write_text(text)
        with pytest.raises(rd.FileError, match=words):
            read_covariance(path)


MISTAKES = {
    "--gamma 0": "gamma = 0.0: a number from 1e-6 to 1e6",
    "--gamma nan": "gamma",
    "--model svm": "model = 'svm': one of ridge, features",
    "--n 20": "n = 20: only with samples",
    "--samples 1 --n 20": "n = 20: only with model features",
    "--loss hinge": "loss = 'hinge': only with model features",
    "--model features --b2 2": "b2 = 2.0: only with model ridge",
    "--model features --loss hinge": "loss = 'hinge': square with teacher linear",
    "--model features --loss huber": "loss = 'huber': one of square, logistic, hinge",
    "--model features --teacher relu": "teacher = 'relu': one of linear, sign",
    "--model features --activation relu": "activation = 'relu': one of mean 0",
    "--model features --ridge 0 --teacher sign --loss hinge": "ridge = 0.0: above 0 at gamma = 0.1",
    "--model features --ridge 0 --activation linear": "ridge = 0.0: above 0 at gamma = 0.1",
    "--model features --ridge -1": "ridge = -1.0: 0 or more",
    "--model features --n-over-d 0": "n-over-d = 0.0: a number from 0.001",
    "--model features --samples 1 --n 1": "n = 1: a whole number from 2",
    "--model features --samples 1 --n 2 --gamma 0.1": "n = 2: at least 1/gamma = 10: one feature",
    "--ridge best": "ridge = 'best': a number or optimal",
    "--ridge nan": "ridge = nan: a number or optimal",
    "--ridge -1 --gamma 4": "ridge = -1.0: above -1 at gamma = 4",
    "--covariance none.txt": "covariance = 'none.txt': isotropic, power-law, or your own",
    "--exponent 2": "exponent = 2.0: only with covariance power-law",
    "--covariance power-law --exponent -1": "exponent = -1.0: a number from 0 to 10",
    "--covariance power-law --modes 0": "modes = 0: a whole number from 1",
    "--b2 0": "b2 = 0.0: a number above 0",
    "--sigma2 -1": "sigma2 = -1.0: a variance, 0 or more",
    "--p 20": "p = 20: only with samples",
    "--samples -1": "samples = -1: a whole number from 0",
    "--samples 1 --p 1": "p = 1: a whole number from 2",
    "--samples 1 --p 10 --gamma 20": "p = 10: at least gamma = 20: one pattern",
    "--samples 1 --gamma 0.001": "p = 400: p n at most 2e+07 (gamma = 0.001)",
    "--samples 1 --covariance power-law --p 100": "p = 100: a number of features of which each of "
    "the 400 modes has its share, as 400",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_are_one_line(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["learning-curve", *words.split()]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    line = MISTAKES[words]
    assert said.err.startswith(f"Error: {line}") or (line == "gamma" and "--gamma" in said.err)
    assert said.err.count("\n") == 1


WRONG: dict[str, tuple[dict[str, object], str]] = {
    "empty": ({"eigenvalues": []}, "eigenvalues = []: at least one number"),
    "negative": ({"eigenvalues": [-1.0]}, "eigenvalues = -1.0: numbers from 0 to 1e+12"),
    "tiny": ({"eigenvalues": [1.0, 1e-200]}, "eigenvalues = [1.0, 1e-200]: 0, or 1e-100 and more"),
    "nothing": ({"eigenvalues": [0.0]}, "eigenvalues = [0.0]: one number at least above 0"),
    "shapes": ({"eigenvalues": [1, 2], "weights": [1]}, "weights = '1 numbers': 2, one an"),
    "no feature": (
        {"eigenvalues": [1, 0], "weights": [0, 1]},
        "weights = [0.0, 1.0]: some at an eigenvalue above 0",
    ),
    "no signal": (
        {"eigenvalues": [1, 0], "signal": [0, 1]},
        "signal = [0.0, 1.0]: some at an eigenvalue above 0",
    ),
    "signal of nothing": (
        {"eigenvalues": [1, 2], "weights": [1, 0], "signal": [1, 1]},
        "signal = [1.0, 1.0]: none where the weight is 0",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_covariances_that_are_none(case: str) -> None:
    words, line = WRONG[case]
    with pytest.raises(rd.InputError) as caught:
        Covariance(**words)  # type: ignore[arg-type]
    assert str(caught.value).startswith(line)


# --- theory alone, a point after another ---------------------------------------------------------


@pytest.mark.parametrize("samples", [0, 2])
def test_ctrl_c_keeps_the_points_that_are_done(samples: int) -> None:
    """Also those of the theory before the data sets; what is known is not computed again."""
    at: dict[str, Any] = {
        "model": "features", "teacher": "sign", "loss": "logistic", "n": 12, "samples": samples
    }  # fmt: skip
    gamma = [0.5, 1.0, 2.0, 4.0]
    parts: list[Any] = []

    def press(so_far: Any) -> None:
        parts.append(so_far())
        if len(parts) == 3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        learning_curve(gamma, checkpoint=press, **at)
    partial = caught.value.partial
    assert (caught.value.done, caught.value.unit) == (3, "point")
    assert [one.gamma.size for one in parts] == [1, 2, 3]
    assert partial.gamma.tolist() == gamma[:3]
    assert (partial.measured, partial.finished) == (None, False)
    later: list[Any] = []
    again = learning_curve(gamma, known=partial, checkpoint=lambda f: later.append(f()), **at)
    assert [one.gamma.size for one in later] == [4] * (1 + samples)
    assert not later[0].finished or not samples
    assert again.finished
    assert again == learning_curve(gamma, **at)


def test_resume_of_a_theory_that_was_interrupted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "a.h5")
    words = ["learning-curve", "--gamma", "0.5,1.5,2,3", "--ridge", "optimal", "--output", path]
    done: list[float] = []

    def third(problem: Any, gamma: float, ridge: Any) -> dict[str, float]:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(gamma)
        return row_of(problem, gamma, ridge)

    with monkeypatch.context() as patch:
        patch.setattr("replicadnn.curves.curve.row_of", third)
        assert run(words) == 130
    assert "interrupted: 2 points done" in capsys.readouterr().err
    assert rd.load(path).gamma.tolist() == [0.5, 1.5]
    assert not rd.load(path).finished
    assert run([*words, "--resume"]) == 0
    assert rd.load(path) == learning_curve([0.5, 1.5, 2.0, 3.0], ridge="optimal")
