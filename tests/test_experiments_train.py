"""Networks trained to zero error: data sets, pairing, bits, resume, rates, what is measured."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn.experiments import single
from replicadnn.experiments.critical import critical_samples
from replicadnn.experiments.network import Loss, Network
from replicadnn.experiments.regression import kernel_outputs, tangent
from replicadnn.experiments.result import Trained, standard_error
from replicadnn.experiments.single import Outcome, Point, RateChoice, Recipe, best_rate, patterns
from replicadnn.experiments.tasks import HiddenManifold, Parity, Stored, Temperature, task_of
from replicadnn.plot.trained import depth_differences
from replicadnn.results import same
from replicadnn.wide.activations import activation

SMALL: dict[str, Any] = {"n": 60, "inputs": 5, "width": 10, "rate": 0.3, "repeats": 3}
train = rd.experiments.train


def recipe(**more: Any) -> Recipe:
    """What is asked of networks of a moment."""
    usual: dict[str, Any] = {
        "task": Parity("local", 1), "width": 12, "activation": activation("relu"), "gain": 1.0,
        "loss": Loss.CROSS_ENTROPY, "batch": 10, "epochs": 60, "tests": 200, "seed": 3,
        "folds": 2, "kernel": False, "radius": None, "along": False,
    }  # fmt: skip
    return Recipe(**usual | more)


# --- data sets -------------------------------------------------------------------------------


def test_local_labels_are_the_sign_of_a_product_of_k_inputs() -> None:
    x, y = Parity("local", 2).draw(np.random.default_rng(1), 6, 300, 100)
    fits = [
        (i, j) for i in range(6) for j in range(i) if np.all(np.sign(x[:, i] * x[:, j]) == y)
    ]  # fmt: skip
    assert len(fits) == 1
    assert x.shape == (400, 6)


def test_global_labels_sum_the_product_over_all_shifts() -> None:
    x, y = Parity("global", 2).draw(np.random.default_rng(1), 7, 300, 0)
    fits = [
        d for d in (1, 2, 3) if np.all(np.sign((x * np.roll(x, -d, axis=1)).sum(axis=1)) == y)
    ]  # fmt: skip
    assert len(fits) == 1
    x, y = Parity("global", 1).draw(np.random.default_rng(2), 7, 300, 0)
    assert np.all(np.sign(x.sum(axis=1)) == y)


def test_the_chain_has_the_covariance_of_its_temperature() -> None:
    task = Temperature((0.1, 0.3))
    x, y = task.draw(np.random.default_rng(4), 8, 40_000, 0)
    for beta, sign in ((0.1, -1.0), (0.3, 1.0)):
        inverse = np.eye(8) - beta * (np.roll(np.eye(8), 1, 0) + np.roll(np.eye(8), -1, 0))
        want = np.linalg.inv(inverse)
        chosen = x[y == sign]
        found = chosen.T @ chosen / len(chosen)
        # entries are known to sqrt((C_ii C_jj + C_ij^2)/n): five of them
        error = np.sqrt((np.outer(np.diag(want), np.diag(want)) + want**2) / len(chosen))
        assert np.all(np.abs(found - want) < 5.0 * error)


def test_the_least_error_is_that_of_the_likelihood_ratio() -> None:
    task, n = Temperature((0.1, 0.3)), 200_000
    x, y = task.draw(np.random.default_rng(5), 50, n, 0)
    energy = (x * np.roll(x, -1, axis=1)).sum(axis=1)
    found = float(np.mean((energy > 11.900887) != (y > 0)))
    want = task.bayes_error(50)
    assert want == pytest.approx(0.195039, abs=1e-6)
    assert found == pytest.approx(want, abs=4.0 * math.sqrt(want * (1.0 - want) / n))
    # one pair of inputs more or less makes it worse or better
    assert task.bayes_error(20) > want > task.bayes_error(100)


def test_the_manifold_has_the_rank_of_its_latent_inputs() -> None:
    x, y = HiddenManifold(3).draw(np.random.default_rng(1), 12, 500, 0)
    assert x.std() == pytest.approx(1.0, abs=1e-12)
    linear = np.arctanh(np.clip(x * np.tanh(1.0) / np.abs(x).max(), -0.999, 0.999))
    assert np.linalg.matrix_rank(linear - linear.mean(axis=0), tol=1e-9) > 3
    assert set(np.unique(y)) == {-1.0, 1.0}
    assert math.isnan(HiddenManifold(3).bayes_error(2))


def test_a_file_of_patterns_is_shuffled_and_not_repeated(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((30, 4))
    path = tmp_path / "own.npz"
    np.savez(path, x=x, y=np.sign(x[:, 0]))
    task = task_of(path)
    assert isinstance(task, Stored)
    drawn, labels = task.draw(np.random.default_rng(2), 4, 20, 100)
    assert sorted(map(tuple, drawn)) == sorted(map(tuple, x))
    assert np.all(labels == np.sign(drawn[:, 0]))
    found = train(1, data=str(path), n=20, width=8, rate=0.2, repeats=2)
    assert found.settings["data"] == "own"
    assert [one.inputs for one in found.networks] == [4, 4]
    assert math.isnan(found.bayes[4])
    with pytest.raises(rd.InputError, match="n = 30: below the 30 patterns of own"):
        train(1, data=str(path), n=30)
    for wrong in ({"x": x}, {"x": x, "y": np.arange(30)}, {"x": x[:, 0], "y": x[:, 0]}):
        np.savez(path, **wrong)
        with pytest.raises(rd.FileError):
            train(1, data=str(path), n=20)


# --- one network -----------------------------------------------------------------------------


def test_depths_and_shares_see_the_same_data() -> None:
    one, other = (
        patterns(recipe(), Point(hidden, 5, 400, share), 2)
        for hidden, share in ((1, 0.0), (4, 0.5))
    )
    assert np.array_equal(one.x, other.x)
    assert np.array_equal(one.test_y, other.test_y)
    changed = float(np.mean(one.y != other.y))
    # a share of 1/2 is drawn anew, half of these stay what they were
    assert changed == pytest.approx(0.25, abs=4.0 * math.sqrt(0.25 * 0.75 / 400))
    more = patterns(recipe(), Point(1, 5, 400, 0.8), 2)
    assert np.all((one.y != other.y) <= (one.y != more.y))
    assert not np.array_equal(one.x, patterns(recipe(), Point(1, 5, 400, 0.0), 3).x)


def test_training_stops_at_the_first_epoch_without_error() -> None:
    found = train([1, 2], along=True, **SMALL)
    for number, one in enumerate(found.networks):
        errors = found.along[found.along[:, 0] == number]
        assert errors[:, 1].tolist() == list(range(1, one.epochs + 1))
        assert one.reached
        assert errors[-1, 2] == one.training_error == 0.0
        assert np.all(errors[:-1, 2] > 0.0)
        assert errors[0, 2] == one.first_error
        assert errors[-1, 3] == one.test_error
        assert errors[:, 3].min() == one.best_error


def test_what_does_not_reach_error_0_is_counted_and_not_averaged() -> None:
    few = train(1, **SMALL | {"epochs": 1, "rate": 1e-6})
    assert (few.reached, few.count) == ([0], [3])
    assert math.isnan(few.mean("test_error")[0])
    assert not few.converged
    with np.errstate(all="ignore"):
        wild = train(3, **SMALL | {"rate": 1e6, "loss": "squared", "repeats": 1})
    (one,) = wild.networks
    assert not one.reached
    assert one.training_error == 1.0
    assert math.isnan(one.test_error)


def test_means_and_errors_by_hand() -> None:
    found = made(
        [(0, True, 0.1), (1, True, 0.3), (2, False, 0.5)], [(0, True, 0.2), (2, True, 0.1)]
    )
    assert_allclose(found.mean("test_error"), [0.2, 0.15])
    assert_allclose(found.error("test_error"), [0.1, 0.05])
    assert found.count == [3, 2]
    one, two = found.points
    mean, error = found.difference(two, one)  # repetition 0 alone has both
    assert mean == pytest.approx(0.1)
    assert math.isnan(error)
    assert standard_error(np.array([1.0, 2.0, 3.0])) == pytest.approx(1.0 / math.sqrt(3.0))


def made(*depths: list[tuple[int, bool, float]]) -> Trained:
    """A result with these networks: repetition, reached, test error."""
    rows = [
        Outcome(hidden, 5, 60, 0.0, repeat, 0.1, 3, reached, 0.0, 0.2, test, *[math.nan] * 3)
        for hidden, networks in enumerate(depths)
        for repeat, reached, test in networks
    ]
    settings = {"data": "local", "k": 1, "width": 10, "activation": "relu", "loss": "squared"}
    return Trained(settings=settings, networks=tuple(rows), along=np.empty((0, 4)))


def test_critical_samples_of_a_linear_classifier_are_those_near_its_plane() -> None:
    net = Network((3, 1), "linear")
    theta = np.array([1.0, -2.0, 0.5, 0.1])
    x = np.random.default_rng(1).standard_normal((2000, 3))
    found = critical_samples(net, theta, x, 0.2, np.random.default_rng(2))
    distance = np.abs(x @ theta[:3] + 0.1) / 3.5  # in the largest component
    assert np.array_equal(found, distance < 0.2)


def test_the_tangent_kernel_is_that_of_wide_networks() -> None:
    x = np.random.default_rng(1).standard_normal((12, 5))
    for name, L in (("relu", 4), ("erf", 3), ("relu", 1)):
        want = rd.wide.kernels(name, sigma_w2=1.7, L=L, inputs=x).ntk
        assert_allclose(tangent(activation(name), 1.7, L, x, x), want, rtol=1e-10)
        assert_allclose(tangent(activation(name), 1.7, L, x[:3], x), want[:3], rtol=1e-10)


def test_kernel_regression_without_hidden_layers_is_least_squares() -> None:
    rng = np.random.default_rng(2)
    x, z = rng.standard_normal((40, 5)), rng.standard_normal((9, 5))
    y = x @ rng.standard_normal(5)
    found = kernel_outputs(activation("relu"), 1.0, 1, (x, y), z)
    want = z @ np.linalg.lstsq(x, y, rcond=None)[0]
    assert_allclose(found, want, atol=1e-4)


def test_the_ridge_of_the_kernel_is_a_millionth_of_its_diagonal() -> None:
    x = np.array([[2.0]])
    found = kernel_outputs(activation("relu"), 1.0, 1, (x, np.array([1.0])), x)
    assert found[0] == pytest.approx(1.0 / (1.0 + 1e-6), abs=1e-9)


def test_an_output_of_0_is_wrong() -> None:
    net = Network((1, 1), "linear", biases=False)
    x = np.array([[-1.0], [0.0], [2.0], [3.0]])
    y = np.array([[1.0], [1.0], [1.0], [-1.0]])
    assert single.error(net, np.array([1.0]), x, y) == 0.75


def test_the_learning_rate_is_the_best_of_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: dict[float, list[float]] = {}
    one = recipe()
    inside = single.train_on

    def counted(
        recipe: Recipe, point: Point, repeat: int, data: Any, rate: float, watch: Any
    ) -> Any:
        assert repeat == 2**32 - 1  # data of their own
        net, found = inside(recipe, point, repeat, data, rate, watch)
        wrong = single.error(net, found.parameters, data.test_x, data.test_y)
        last = watch.errors[-1][0] if watch.errors else 1.0
        tried.setdefault(rate, []).append(wrong if last == 0.0 else 0.5 + 0.5 * last)
        return net, found

    monkeypatch.setattr(single, "train_on", counted)
    best = best_rate(one, Point(1, 5, 80, 0.0), RateChoice.CROSS_VALIDATION)
    assert len(tried) == 6
    assert all(0.01 <= rate <= 3.0 and len(scores) == 2 for rate, scores in tried.items())
    scores = {rate: np.mean(values) for rate, values in tried.items()}
    assert scores[min(tried, key=lambda rate: abs(rate - best))] == min(scores.values())


# --- results ---------------------------------------------------------------------------------


def test_bits_do_not_depend_on_what_else_is_asked_nor_on_threads() -> None:
    whole = train([1, 2], **SMALL | {"n": [40, 60]})
    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(lambda hidden: train(hidden, **SMALL), [1, 2]))
    same_n = [one for one in whole.networks if one.n == 60]
    assert same([one for part in parts for one in part.networks], same_n)


def test_continued_networks_are_those_of_one_run(tmp_path: Path) -> None:
    asked = SMALL | {"rate": None, "folds": 2, "along": True}
    once = train([1, 2], **asked)
    seen: list[tuple[int, int]] = []
    saved: list[Trained] = []
    train(1, **asked | {"repeats": 2}, progress=lambda *two: seen.append(two),
          checkpoint=lambda result: saved.append(result()))  # fmt: skip
    assert seen == [(1, 2), (2, 2)]
    assert [len(one.networks) for one in saved] == [1, 2]
    assert not saved[0].finished
    again = rd.load(saved[0].save(tmp_path / "a.h5"))
    assert again == saved[0]
    assert train([1, 2], known=again, **asked) == once
    with pytest.raises(rd.InputError, match="width = 11: must be 10 to continue"):
        train([1, 2], known=again, **asked | {"width": 11})
    with pytest.raises(rd.InputError, match="is in the earlier result and must be asked for too"):
        train(2, known=again, **asked)


def test_ctrl_c_keeps_the_networks_that_are_done() -> None:
    def stop(done: int, of: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        train(1, progress=stop, **SMALL)
    partial = caught.value.partial  # type: ignore[attr-defined]
    assert len(partial.networks) == 2
    assert not partial.finished
    assert train(1, known=partial, **SMALL) == train(1, **SMALL)


def test_the_command_prints_saves_and_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = "train --hidden 1,2 --n 60 --inputs 5 --width 10 --rate 0.3 --repeats 3"
    assert run([*words.split(), "--output", "a.h5", "--plot", "a.png", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    found = train([1, 2], **SMALL)
    assert rd.load("a.h5") == found
    assert [one["test_error"] for one in document["points"]] == found.mean("test_error").tolist()
    assert (len(document["networks"]), document["k"], document["finished"]) == (6, 1, True)
    assert Path("a.png").stat().st_size > 5000
    assert run(words.split()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[2].split()[:6] == ["1", "5", "60", "0", "0.3", "3/3"]
    assert run([*words.split(), "--epochs", "1", "--rate", "1e-6"]) == 3


def test_a_sweep_has_the_networks_of_the_command(tmp_path: Path) -> None:
    grid = SMALL | {"hidden": [1, 2], "k": 1}
    with ThreadPoolExecutor(1) as pool:
        store = rd.sweep({"task": "train", "grid": grid}, tmp_path / "a.h5", executor=pool)
        again = rd.sweep({"task": "train", "grid": grid}, tmp_path / "a.h5", executor=pool)
    assert again.computed == 0
    found = train([1, 2], **SMALL)
    assert store["test_error"].tolist() == found.mean("test_error").tolist()
    assert store["status"].tolist() == ["complete", "complete"]
    assert store[1] == train(2, **SMALL)
    assert same([*store[0].networks, *store[1].networks], list(found.networks))


# --- figures ---------------------------------------------------------------------------------


@pytest.mark.parametrize("draw", ["trained", "trained_along"])
def test_figures_say_what_their_curves_are(draw: str) -> None:
    found = train([1, 2], along=True, random=[0.0, 0.4], **SMALL)
    ax = getattr(rd.plot, draw)(found)
    legend = ax.get_legend()
    assert legend is not None
    labels = [one.get_text() for one in legend.get_texts()]
    assert len(labels) == (2 if draw == "trained" else 4)
    assert "random labels: 0.4" in labels[1]
    assert "1-local" in ax.get_title()


def test_the_map_of_depths_shows_paired_differences() -> None:
    found = train([1, 2], **SMALL | {"n": [40, 60]})
    rows = depth_differences(found)
    points = {(one.hidden, one.n): one for one in found.points}
    for n, inputs, mean, error in rows:
        want = found.difference(points[2, int(n)], points[1, int(n)])
        assert (inputs, mean, error) == (5.0, *want)
    ax = rd.plot.depth_map(found)
    assert {one.get_text() for one in ax.texts} == {f"{row[2]:+.3f}" for row in rows}
    with pytest.raises(rd.InputError, match="two depths or more"):
        rd.plot.depth_map(train(1, **SMALL))


def test_only_clear_differences_have_a_ring() -> None:
    """Rings: more than 2 standard errors."""
    both = [(0, True, 0.2), (1, True, 0.2), (2, True, 0.2)]
    for last, ringed in ((0.13, 1), (0.21, 0)):  # difference over error: -5.3, then -1.8
        found = made(both, [(0, True, 0.1), (1, True, 0.11), (2, True, last)])
        ax = rd.plot.depth_map(found)
        (row,) = depth_differences(found)
        assert (abs(row[2]) > 2.0 * row[3]) == bool(ringed)
        assert len(ax.collections[1].get_offsets()) == ringed  # type: ignore[arg-type]
        assert len(ax.collections[2].get_offsets()) == 1 - ringed  # type: ignore[arg-type]


def test_networks_that_have_stopped_keep_their_errors() -> None:
    found = made([(0, True, 0.2), (1, True, 0.4)])
    rows = [
        (0, 1, 0.5, 0.4),
        (0, 2, 0.0, 0.2),
        (1, 1, 0.5, 0.6),
        (1, 2, 0.3, 0.5),
        (1, 3, 0.0, 0.4),
    ]
    ax = rd.plot.trained_along(replace(found, along=np.array(rows, float)))
    test, training = (np.asarray(one.get_ydata(), float) for one in ax.lines)
    assert test.tolist() == pytest.approx([0.5, 0.35, 0.3])
    assert training.tolist() == pytest.approx([0.5, 0.15, 0.0])


def test_a_figure_has_a_panel_for_what_was_measured() -> None:
    def panels(**asked: Any) -> list[str]:
        found = train(1, **SMALL | asked)
        return [ax.get_ylabel() for ax in rd.plot.trained_figure(found).axes]

    assert panels() == ["test error"]
    assert panels(n=[40, 60]) == ["test error", "epochs to training error 0"]
    assert panels(radius=0.1) == ["test error", "critical sample ratio"]


WRONG: dict[str, tuple[Callable[[Trained], Any], str]] = {
    "quantity": (lambda one: rd.plot.trained(one, quantity="loss"), "quantity = 'loss': one of"),
    "x": (lambda one: rd.plot.trained(one, x="depth"), "x = 'depth': one of hidden, n, random"),
    "not measured": (lambda one: rd.plot.trained(one, quantity="critical"), "was measured"),
    "along": (rd.plot.trained_along, "test errors along the training"),
    "name": (lambda one: one.values("loss"), "name = 'loss': one of epochs, "),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_mistakes_of_figures(mistake: str) -> None:
    call, said = WRONG[mistake]
    with pytest.raises(rd.InputError, match=said):
        call(train(1, **SMALL))


def test_a_rate_is_judged_on_fresh_patterns_after_training_on_all_n(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[int, tuple[int, ...], tuple[int, ...], float]] = []
    real = single.train_on

    def watched(recipe: Any, point: Any, repeat: int, data: Any, rate: float, watch: Any) -> Any:
        seen.append((repeat, data.x.shape, data.test_x.shape, rate))
        return real(recipe, point, repeat, data, rate, watch)

    monkeypatch.setattr(single, "train_on", watched)
    asked = SMALL | {"n": 60, "tests": 90, "folds": 4, "repeats": 1, "epochs": 30}
    for rate, sets, shape, test in (
        ("fresh", [2**32 - 1, 2**32 - 2, 2**32 - 3], 60, 90), (None, [2**32 - 1] * 4, 45, 15),
    ):  # fmt: skip
        seen.clear()
        found = train(1, **asked | {"rate": rate})
        tried = seen[:-1]  # the last one is the network itself
        assert [one[0] for one in tried] == sets * (len(tried) // len(sets))
        assert {(one[1][0], one[2][0]) for one in tried} == {(shape, test)}
        rates = sorted({one[3] for one in tried})
        assert 2 < len(rates) <= 6
        assert 0.01 < rates[0] < rates[-1] < 3.0
        assert found.networks[0].rate in rates
        assert seen[-1][0] == 0


def test_the_rate_of_least_fresh_error_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors are put in: 0.1 more for every factor of ten from the rate 0.2."""
    told: list[float] = []

    def put(recipe: Any, point: Any, repeat: int, data: Any, rate: float, watch: Any) -> Any:
        told.append(rate)
        watch.errors.append((0.0, math.nan))
        return None, SimpleNamespace(finite=True, parameters=None)

    monkeypatch.setattr(single, "train_on", put)
    monkeypatch.setattr(single, "error", lambda *_: 0.1 + 0.1 * abs(math.log10(told[-1] / 0.2)))
    chosen = best_rate(recipe(), Point(1, 5, 60, 0.0), RateChoice.FRESH)
    assert chosen == min(told, key=lambda rate: abs(math.log(rate / 0.2)))
    assert 0.15 < chosen < 0.27
