"""Gradient descent on drawn data sets beside its theory; files, documents, figures, mistakes."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn.curves import descent
from replicadnn.interrupt import Interrupted

W2 = [[0.6, 0.1, -0.3], [-0.4, 0.7, 0.2], [0.2, -0.5, 0.9]]
LAST = [0.5, -0.3, 0.8]
#: What is drawn; the second start is one of rows that overlap with each other and with mu.
DRAWN: dict[str, dict[str, Any]] = {
    "L = 1": {"L": 1, "teacher": "linear", "amplitude": 1.0, "sigma2": 0.25, "eta": 0.4},
    "L = 2": {"L": 2, "weights": [LAST]},
    "L = 2, correlated start, sign teacher": {
        "L": 2, "M": 2, "weights": [[0.9, 0.4]], "teacher": "sign", "amplitude": 1.0,
        "gram": [[1.0, 0.4, 0.3], [0.4, 0.8, -0.2], [0.3, -0.2, 1.0]], "n_over_d": 2.0,
    },
    "L = 3": {"L": 3, "weights": [W2, LAST]},
    "L = 3, erf, fewer patterns": {
        "L": 3, "M": 2, "weights": [[[0.9, -0.3], [0.4, 0.8]], [0.7, -0.6]], "activation": "erf",
        "n_over_d": 0.5, "eta": 0.25,
    },
}  # fmt: skip


@pytest.mark.parametrize("case", DRAWN)
def test_descent_on_data_agrees_with_the_theory(case: str) -> None:
    """z-scores of every step, n = 500, 24 data sets, fixed seed; estimates beside both."""
    found = descent(**DRAWN[case], steps=10, points=2048, scrambles=6, samples=24, n=500, seed=4)
    measured = found.measured
    assert measured is not None
    for name, theory in (
        ("test_error", "test_error"), ("training_error", "training_error"),
        ("estimated_error", "test_error"),
    ):  # fmt: skip
        wanted, mean = getattr(found, theory), measured.mean(name)
        error = np.hypot(measured.error(name), getattr(found, f"{theory}_error"))
        assert np.all(np.abs(mean - wanted)[1:] < 3.5 * error[1:]), name
        assert np.all(error < 0.05 * wanted), name
    # gradient descent has fitted the patterns: a theory without memory would be far off
    assert found.training_error[-1] < 0.7 * found.test_error[-1]
    first = [measured.values[name][:, 0] for name in ("estimated_error", "training_error")]
    np.testing.assert_allclose(*first, rtol=1e-13)  # nothing has come back yet


@pytest.mark.slow
@pytest.mark.parametrize(
    ("L", "n", "samples"), [(2, 500, 30), (2, 2000, 8), (3, 500, 30), (3, 2000, 8)]
)
def test_mean_relative_error_is_below_one_per_cent(L: int, n: int, samples: int) -> None:
    found = descent(
        L, weights=[LAST] if L == 2 else [W2, LAST], points=8192, scrambles=8, samples=samples, n=n,
    )  # fmt: skip
    assert found.measured is not None
    mean, error = found.measured.mean("test_error"), found.measured.error("test_error")
    assert np.mean(np.abs(mean / found.test_error - 1.0)) < 0.01
    assert np.mean(error / mean) < 0.013
    away = np.abs(found.training_error / found.test_error - 1.0)[1:]
    assert away.mean() > 0.5


def test_the_start_is_that_of_the_problem() -> None:
    """Equal Gram matrices: the test error of step 0 has no spread over data sets but of points."""
    found = descent(2, steps=1, samples=3, n=60, points=4096, scrambles=2, seed=2)
    assert found.measured is not None
    first = found.measured.values["test_error"][:, 0]
    np.testing.assert_allclose(first, found.test_error[0], rtol=1e-4)
    assert (found.n, found.d) == (60, 60)
    assert descent(2, steps=1, samples=1, n=60, n_over_d=2.0, points=64).d == 30
    scale = descent(2, sigma_w2=0.25, steps=1, points=64)
    np.testing.assert_array_equal(scale.gram, np.diag([0.25, 0.25, 0.25, 1.0]))
    np.testing.assert_allclose(scale.weights[0], 0.5 * descent(2, steps=1, points=64).weights[0])


def test_more_draws_have_the_bits_of_one_run(tmp_path: Path) -> None:
    at: dict[str, Any] = {"L": 2, "M": 2, "steps": 3, "points": 64, "n": 20, "seed": 5}
    all_of_it = descent(scrambles=4, samples=3, **at)
    some = descent(scrambles=2, samples=1, **at)
    assert descent(scrambles=4, samples=3, known=some, **at) == all_of_it
    back = rd.load(some.save(tmp_path / "a.h5"))
    assert back == some
    assert descent(scrambles=4, samples=3, known=back, **at) == all_of_it
    assert descent(scrambles=4, samples=3, known=descent(scrambles=2, **at), **at) == all_of_it
    for wrong, words in (
        ({"seed": 6}, "weights = .*: must be .* to continue"),
        ({"n": 30}, "n = 30: must be 20 to continue the earlier result"),
        ({"points": 128}, "points = 128: must be 64 to continue"),
        ({"steps": 4}, "steps = 4: must be 3 to continue"),
        ({"eta": 0.1}, r"eta = 0\.1: must be 0\.5 to continue"),
        ({"scrambles": 3}, "scrambles = 3: at least the 4 of the earlier result"),
        ({"samples": 2}, "samples = 2: at least the 3 of the earlier result"),
    ):
        with pytest.raises(rd.InputError, match=words):
            descent(**({"scrambles": 4, "samples": 3} | at | wrong), known=all_of_it)


def test_ctrl_c_keeps_the_draws_that_are_done() -> None:
    at: dict[str, Any] = {"steps": 3, "points": 64, "scrambles": 2, "samples": 3, "n": 20}

    def press(so_far: Any) -> None:
        found = so_far()
        if found.measured.draws == 1:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted) as caught:
        descent(2, checkpoint=press, **at)
    partial = caught.value.partial
    assert (caught.value.done, partial.finished) == (3, False)
    assert (partial.theory.draws, partial.measured.draws) == (2, 1)
    assert descent(2, known=partial, **at) == descent(2, **at)


def test_progress_counts_draws() -> None:
    told: list[tuple[int, int]] = []
    descent(
        2, steps=2, points=64, scrambles=2, samples=1, n=20,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_files_documents_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, picture = tmp_path / "a.h5", tmp_path / "a.png"
    words = ["descent", "--steps", "3", "--points", "64", "--scrambles", "2", "--n", "40"]
    assert (
        run([*words, "--samples", "2", "--json", "--output", str(path), "--plot", str(picture)])
        == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert [row["step"] for row in found["steps"]] == [0, 1, 2, 3]
    assert (found["samples"]["n"], found["samples"]["samples"], found["scrambles"]) == (40, 2, 2)
    assert set(found["samples"]["steps"][0]) >= {"estimated_error", "estimated_error_error"}
    loaded = rd.load(path)
    assert loaded.as_dict() == found
    assert loaded.to_xarray()["measured_test_error"].dims == ("sample", "step")
    assert picture.stat().st_size > 5000
    assert run([*words, "--samples", "2", "--resume", "--output", str(path)]) == 0
    assert "measured: 2 data sets, n = 40, d = 40" in capsys.readouterr().out
    other = tmp_path / "b.h5"
    assert run([*words[:-2], "--eta", "0.2", "--output", str(other)]) == 0
    assert run(["plot", "descent", str(path), str(other), "-o", str(tmp_path / "c.png")]) == 0
    ax = rd.plot.descent([loaded, rd.load(other)])
    assert ax.lines[0].get_ydata().tolist() == loaded.test_error.tolist()
    assert "open: estimated without test data" in ax.get_title().replace("\n", " ")
    ax = rd.plot.descent(loaded, quantity="training_error")
    assert ax.lines[0].get_ydata().tolist() == loaded.training_error.tolist()
    assert "open" not in ax.get_title()
    with pytest.raises(rd.InputError, match="told apart"):
        rd.plot.descent([loaded, loaded])
    with pytest.raises(rd.InputError, match="quantity = 'loss': one of test_error, training_error"):
        rd.plot.descent(loaded, quantity="loss")


def test_a_theory_that_ends_early_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    words = "descent --L 5 --eta 0.7 --points 256 --scrambles 4 --json"
    assert run(words.split()) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["steps"][-1]["test_error"] is None
    assert "smaller eta" in found["message"]
    assert run(words.split()[:-1]) == 3
    assert "the theory ends before step" in capsys.readouterr().err


MISTAKES = {
    "--L 0": "L = 0: a whole number from 1 to 50",
    "--L 1 --M 3": "M = 3: only with L from 2",
    "--L 1 --points 64": "points = 64: only with L from 2",
    "--L 1 --activation erf": "activation = 'erf': only with L from 2",
    "--M 0": "M = 0: a whole number from 1 to 50",
    "--activation relu": "activation = 'relu': a smooth one",
    "--activation sign": "activation = 'sign': a smooth one",
    "--activation cosh": "activation = 'cosh': one of tanh",
    "--teacher cosh": "teacher = 'cosh': one of tanh",
    "--amplitude nan": "amplitude = nan: a number",
    "--sigma2 -1": "sigma2 = -1.0: a variance, 0 or more",
    "--n-over-d 0": "n-over-d = 0.0: a number from 0.001",
    "--eta 0": "eta = 0.0: a rate above 0",
    "--steps 0": "steps = 0: a whole number from 1",
    "--steps 900": "steps = 900: (steps M)^2 points",
    "--sigma-w2 -1": "sigma-w2 = -1.0: a variance, 0 or more",
    "--points 100": "points = 100: a power of 2, as 4096",
    "--points 32": "points = 32: a whole number from 64",
    "--scrambles 1": "scrambles = 1: a whole number from 2",
    "--samples -1": "samples = -1: a whole number from 0",
    "--n 20": "n = 20: only with samples",
    "--samples 1 --n 3": "n = 3: more: d = n/(n/d) = 3 is below M + 1",
    "--samples 1 --n 20000": "n = 20000: n d at most 2e+07",
    "--seed -1": "seed = -1: a whole number from 0",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_are_one_line(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["descent", *words.split()]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"Error: {MISTAKES[words]}")
    assert said.err.count("\n") == 1


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "shape": ({"gram": [[1.0]]}, "gram = [[1.0]]: finite numbers of shape (3, 3)"),
    "mu": ({"gram": np.diag([1.0, 1.0, 2.0])}, "symmetric, with 1 (of mu) at its end"),
    "negative": (
        {"gram": [[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]]},
        "without a negative eigenvalue",
    ),
    "weights": ({"weights": [[1.0]]}, "weights = [1.0]: finite numbers of shape (2,)"),
    "number of weights": ({"weights": []}, "weights = []: 1 arrays: W^2..W^(L-1) and w"),
    "no numbers": ({"weights": [["a", "b"]]}, "finite numbers of shape (2,)"),
    "kinks": (
        {"activation": rd.wide.Activation("abs", np.abs, np.sign, kinks=(0.0,))},
        "activation = 'abs': a smooth one",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_mistakes_of_python(case: str) -> None:
    words, line = WRONG[case]
    with pytest.raises(rd.InputError) as caught:
        descent(2, M=2, **words)
    assert line in str(caught.value)
