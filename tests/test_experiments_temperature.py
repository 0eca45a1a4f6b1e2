"""SGD as a heat bath: stationary energies in closed form, by other routes, and measured."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from replicadnn.cli.main import run
from scipy.linalg import solve_discrete_lyapunov

import replicadnn as rd
from replicadnn.errors import InputError
from replicadnn.experiments import Loss, Network, sgd_temperature, stationary
from replicadnn.experiments.committee import Committee
from replicadnn.experiments.heat import Batches, draws, mean_energies
from replicadnn.experiments.landscapes import (
    Landscape,
    LeastSquares,
    Model,
    Quadratic,
    Regression,
)
from replicadnn.interrupt import Interrupted
from replicadnn.types import FloatArray


def energy(
    landscape: Landscape, eta: float, B: int, batches: str, *, runs: int = 32, steps: int = 4000
) -> tuple[float, float]:
    """Mean and standard error over runs, of `mean_energies`."""
    found = mean_energies(
        landscape, eta, B, Batches(batches), (runs, 2000, steps), np.random.default_rng(7)
    )
    return float(found.mean()), float(found.std(ddof=1)) / math.sqrt(runs)


# --- closed forms ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("eta", "B", "exact"),
    [(0.1, 8, 0.064339), (0.4, 8, 0.286693), (0.4, 32, 0.071673), (0.8, 32, 0.190624)],
)
def test_quadratic_of_twenty_modes(eta: float, B: int, exact: float) -> None:
    found = stationary.additive_energy(Quadratic.draw(1000, 1), eta, B)
    assert found == pytest.approx(exact, abs=5e-7)
    h = np.geomspace(0.05, 2.0, 20)
    assert found == pytest.approx(0.5 * np.sum(eta / B / (2.0 - eta * h)), rel=1e-12)


@pytest.mark.parametrize(
    ("eta", "B", "exact", "leading"),
    [(0.02, 4, 0.002304, 0.002224), (0.05, 4, 0.006091, 0.005560), (0.1, 4, 0.013488, 0.011121),
     (0.1, 16, 0.003076, 0.002780)],
)  # fmt: skip
def test_least_squares_with_noise_that_depends_on_w(
    eta: float, B: int, exact: float, leading: float
) -> None:
    problem = LeastSquares.draw(1000, 0)
    assert stationary.least_squares_energy(problem, eta, B) == pytest.approx(exact, abs=5e-7)
    assert eta * np.trace(problem.noise) / (4 * B) == pytest.approx(leading, abs=5e-7)


def test_one_step_keeps_the_exact_spread_of_least_squares() -> None:
    """The mean over all B-tuples of patterns of one step, written out: three patterns, B = 2."""
    rng = np.random.default_rng(4)
    problem = LeastSquares.of(rng.standard_normal((3, 2)), rng.standard_normal(3))
    eta, spread = 0.2, np.eye(2)
    for _ in range(3000):
        after = np.zeros((2, 2))
        for a in range(3):
            for b in range(3):
                x = problem.x[[a, b]]
                turn = np.eye(2) - eta * x.T @ x / 2
                kick = -eta * x.T @ (x @ problem.minimum - problem.y[[a, b]]) / 2
                after += (turn @ spread @ turn.T + np.outer(kick, kick)) / 9
        spread = after
    exact = stationary.least_squares_energy(problem, eta, 2)
    assert exact == pytest.approx(0.5 * np.trace(problem.hessian @ spread), rel=1e-10)


@pytest.mark.parametrize("landscape", [LeastSquares.draw(60, 3), Regression.draw(200, 1)])
def test_the_sum_over_modes_is_the_discrete_lyapunov_equation(landscape: Landscape) -> None:
    eta, B = 0.3, 5
    turn = np.eye(len(landscape.hessian)) - eta * landscape.hessian
    spread = solve_discrete_lyapunov(turn, eta**2 / B * landscape.noise)
    expected = 0.5 * np.trace(landscape.hessian @ spread)
    assert stationary.additive_energy(landscape, eta, B) == pytest.approx(expected, rel=1e-9)


def test_a_quarter_of_p_t_and_not_p_t() -> None:
    """<E> = p T/4 of exp(-2E/T); exp(-E/2T) would give p T."""
    found = sgd_temperature(eta=1e-3, B=7, runs=2, steps=1, burn_in=0)
    assert found.equipartition[0] == pytest.approx(20 * found.T[0] / 4, rel=1e-14)
    assert found.exact[0] == pytest.approx(0.25 * 20 * found.T[0], rel=1e-3)


def test_the_distribution_is_that_of_a_quarter() -> None:
    """Isotropic H: 2E/T is Gamma of shape p/2 for small eta: mean p/2 and variance p/2."""
    p, eta, B = 6, 0.02, 4
    landscape = Quadratic.draw(500, 2, h=np.ones(p))
    rng, w = np.random.default_rng(3), np.zeros((4000, p))
    stream = draws(rng, 500, B, 4000, Batches.INDEPENDENT)
    for _ in range(300):
        w -= eta * landscape.gradient(w, next(stream))
    scaled = 2.0 * landscape.energy(w) / (eta / B)
    error = math.sqrt(p / 2 / 4000)
    assert scaled.mean() == pytest.approx(p / 2 / (1 - eta / 2), abs=4 * error)
    assert scaled.var() == pytest.approx(p / 2, rel=0.12)


@pytest.mark.parametrize(("n", "B"), [(12, 3), (13, 3), (8, 8), (10, 1)])
def test_epochs_in_closed_form_are_the_powers_of_the_step(n: int, B: int) -> None:
    """One mode: covariance of the noise of an epoch as a matrix, w as a sum over steps."""
    eta, h, m = 0.3, 0.7, n // B
    r, places = 1.0 - eta * h, np.arange(m)
    noise = ((n / B) * np.eye(m) - 1.0) / (n - 1.0)
    weights = eta * np.tril(r ** (places[:, None] - places[None, :]))
    pushed = np.einsum("ja,ab,jb->j", weights, noise, weights)
    start = pushed[-1] / (1.0 - r ** (2 * m))
    expected = h * np.mean(r ** (2.0 * (places + 1)) * start + pushed)
    found = stationary.without_replacement(np.array([h]), np.ones(1), eta, B, n)
    assert_allclose(found, [expected], rtol=1e-12, atol=1e-15)


def test_one_epoch_a_step_is_without_noise_and_long_epochs_are_independent() -> None:
    h, noise = np.array([0.1, 1.0]), np.ones(2)
    assert_allclose(stationary.without_replacement(h, noise, 0.2, 50, 50), 0.0, atol=1e-15)
    long = stationary.without_replacement(h, noise, 0.2, 1, 200_000)
    assert_allclose(long, stationary.with_replacement(h, noise, 0.2, 1), rtol=1e-3)
    flat = stationary.without_replacement(np.array([0.0]), np.zeros(1), 0.2, 4, 40)
    assert flat.tolist() == [0.0]


def test_slow_modes_are_colder_in_epochs_by_a_third_of_what_they_relax_in_one() -> None:
    """eta h m/3 of the energy of independent batches, where that is small."""
    h, noise, eta, B, n = np.array([0.3]), np.ones(1), 1e-4, 4, 1000
    found = stationary.without_replacement(h, noise, eta, B, n)
    factor = found / stationary.with_replacement(h, noise, eta, B)
    assert factor[0] == pytest.approx(1e-4 * 0.3 * 250 / 3, rel=2e-3)


def test_how_much_of_the_energy_the_burn_in_reaches() -> None:
    one = Quadratic.draw(50, 1, h=np.array([0.5]))
    assert stationary.equilibrated(one, 0.2, 3, 5) == pytest.approx(1 - 0.9**10, rel=1e-12)
    assert stationary.equilibrated(one, 0.2, 3, 0) == 0.0


# --- measured --------------------------------------------------------------------------------


@pytest.mark.parametrize("batches", ["independent", "epochs"])
@pytest.mark.parametrize(("eta", "B"), [(0.4, 8), (0.8, 30)])
def test_quadratic_within_four_errors(eta: float, B: int, batches: str) -> None:
    landscape = Quadratic.draw(240, 1)
    mean, error = energy(landscape, eta, B, batches)
    exact = stationary.additive_energy(landscape, eta, B, replacement=batches == "independent")
    assert mean == pytest.approx(exact, abs=4 * error)
    assert error < 0.01 * exact


def test_least_squares_within_four_errors_and_epochs_are_colder() -> None:
    problem = LeastSquares.draw(1000, 0)
    mean, error = energy(problem, 0.1, 16, "independent")
    assert mean == pytest.approx(stationary.least_squares_energy(problem, 0.1, 16), abs=4 * error)
    without, other = energy(problem, 0.1, 16, "epochs")
    assert without < mean - 20 * math.hypot(error, other)
    # Another program, batches that run over the end of an epoch: 0.002318(8).
    assert without == pytest.approx(0.002318, abs=4 * math.hypot(other, 8e-6))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("eta", "B", "independent", "epochs"),
    [(0.02, 4, (0.002332, 21e-6), (0.001591, 14e-6)),
     (0.05, 4, (0.006115, 35e-6), (0.005161, 31e-6)),
     (0.1, 4, (0.013498, 57e-6), (0.012491, 52e-6))],
)  # fmt: skip
def test_least_squares_as_another_program_measured(
    eta: float, B: int, independent: tuple[float, float], epochs: tuple[float, float]
) -> None:
    problem = LeastSquares.draw(1000, 0)
    for batches, (there, bar) in (("independent", independent), ("epochs", epochs)):
        mean, error = energy(problem, eta, B, batches, steps=10_000)
        assert mean == pytest.approx(there, abs=4 * math.hypot(bar, error))


def planted() -> Regression:
    """6-3-1 tanh neurons; a neuron of the minimum is nearly straight, six directions are flat."""
    rng, net = np.random.default_rng(0), Committee(6, 3, "tanh")
    rng.standard_normal(1000 * 10 + 10 + 1000)
    x = rng.standard_normal((1000, 6))
    start = net.join(1.5 * rng.standard_normal((6, 3)) / np.sqrt(6.0), np.array([1.0, -1.0, 0.7]))
    return Regression.of(net, x, net.output(start, x) + 0.4 * rng.standard_normal(1000), start)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("eta", "B", "leading", "there", "bar"),
    [(0.05, 8, 0.001961, 0.002060, 14e-6), (0.1, 32, 0.000981, 0.001062, 6e-6),
     (0.05, 2, 0.007845, 0.008562, 58e-6)],
)  # fmt: skip
def test_a_network_as_another_program_measured(
    eta: float, B: int, leading: float, there: float, bar: float
) -> None:
    landscape = planted()
    assert eta * np.trace(landscape.noise) / (4 * B) == pytest.approx(leading, rel=1e-3)
    mean, error = energy(landscape, eta, B, "independent", runs=16, steps=40_000)
    assert mean == pytest.approx(there, abs=4 * math.hypot(bar, error))


def test_a_network_keeps_the_energy_of_its_quadratic() -> None:
    landscape = Regression.draw(1000, 1)
    mean, error = energy(landscape, 0.2, 64, "independent", steps=6000)
    assert mean == pytest.approx(stationary.additive_energy(landscape, 0.2, 64), abs=4 * error)
    assert error < 0.02 * mean


# --- the small network -----------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_gradients_and_hessian_of_the_committee(activation: str) -> None:
    net, rng = Committee(3, 4, activation), np.random.default_rng(2)
    w, x, y = rng.standard_normal(16), rng.standard_normal((9, 3)), rng.standard_normal(9)
    each = net.gradients(w, x, y)
    other = Network((3, 4, 1), activation, biases=False)
    assert_allclose(each.mean(axis=0), other.gradient(w, x, y[:, None], Loss.SQUARED), rtol=1e-12)
    pair = net.batch_gradients(
        np.stack([w, w]), np.stack([x[:4], x[4:8]]), np.stack([y[:4], y[4:8]])
    )
    assert_allclose(pair, [each[:4].mean(axis=0), each[4:8].mean(axis=0)], rtol=1e-12)
    h = 1e-6
    differences = np.array([
        net.gradients(w + h * e, x, y).mean(axis=0) - net.gradients(w - h * e, x, y).mean(axis=0)
        for e in np.eye(16)
    ]) / (2 * h)  # fmt: skip
    assert_allclose(net.hessian(w, x, y), differences, atol=1e-7)


def test_flatness_is_not_a_property_of_the_function() -> None:
    """relu: W -> 10 W, a -> a/10 leaves f; the Hessian becomes D^-1 H D^-1, D = (10, 1/10)."""
    net, rng = Committee(6, 3, "relu"), np.random.default_rng(1)
    x = rng.standard_normal((200, 6))
    w, y = rng.standard_normal(21), rng.standard_normal(200)
    other = net.rescaled(w, 10.0)
    assert_allclose(net.output(other, x), net.output(w, x), rtol=1e-12, atol=1e-12)
    before, after = net.hessian(w, x, y), net.hessian(other, x, y)
    scale = np.concatenate([np.full(18, 10.0), np.full(3, 0.1)])
    assert_allclose(after, before / np.outer(scale, scale), rtol=1e-12, atol=1e-13)
    weights, outputs = (np.trace(before[part, part]) for part in (slice(18), slice(18, 21)))
    assert np.trace(after) == pytest.approx(weights / 100 + 100 * outputs, rel=1e-12)
    largest = [np.linalg.eigvalsh(one)[-1] for one in (before, after)]
    assert largest[1] > 20 * largest[0]
    # Of tanh it is another function.
    smooth = Committee(6, 3, "tanh")
    assert np.abs(smooth.output(other, x) - smooth.output(w, x)).max() > 0.1


# --- the question ----------------------------------------------------------------------------

SMALL: dict[str, Any] = {"runs": 3, "steps": 60, "burn_in": 400, "n": 64}


def test_points_do_not_depend_on_the_others_and_are_continued() -> None:
    whole = sgd_temperature(eta=[0.1, 0.4], B=[4, 8], **SMALL)
    one = sgd_temperature(eta=0.4, B=4, **SMALL)
    assert whole.points[2] == one.points[0]
    assert sgd_temperature(eta=[0.1, 0.4], B=[4, 8], known=one, **SMALL) == whole
    with pytest.raises(InputError, match="steps"):
        sgd_temperature(eta=0.4, B=4, known=one, **(SMALL | {"steps": 61}))
    with pytest.raises(InputError, match="eta, B"):
        sgd_temperature(eta=0.1, B=4, known=one, **SMALL)


def test_ctrl_c_keeps_the_points_that_are_done() -> None:
    def press(_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(Interrupted) as stop:
        sgd_temperature(eta=[0.1, 0.4], B=4, checkpoint=press, **SMALL)
    partial = stop.value.partial
    assert (stop.value.done, len(partial.points), partial.finished) == (1, 1, False)
    assert sgd_temperature(eta=[0.1, 0.4], B=4, known=partial, **SMALL) == sgd_temperature(
        eta=[0.1, 0.4], B=4, **SMALL
    )


def test_converged_is_at_ninety_nine_percent() -> None:
    """One mode-by-mode share of the energy below, one above 0.99 at the end of the burn-in."""
    few, many = (
        sgd_temperature(eta=0.4, B=8, runs=2, steps=2, n=64, burn_in=burn_in)
        for burn_in in (40, 60)
    )
    assert few.equilibrated[0] < 0.99 < many.equilibrated[0]
    assert (few.converged, many.converged) == (False, True)


def test_files_documents_and_figures(tmp_path: Path, capsys: Any) -> None:
    path, other = tmp_path / "a.h5", tmp_path / "b.h5"
    words = ["--runs", "2", "--steps", "40", "--burn-in", "900", "--n", "64", "--eta", "0.1,0.2"]
    command = ["sgd-temperature", "--model", "least-squares", *words]
    assert run([*command, "--B", "4", "--output", str(path)]) == 0
    assert "1/4 where P(w) = exp(-2E/T)" in capsys.readouterr().out
    assert run([*command, "--B", "4,8", "--output", str(path), "--resume", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    loaded = rd.load(path)
    assert document["points"][1]["energy"] == loaded.energy[1]
    assert [(one["eta"], one["B"]) for one in document["points"]] == [
        (0.1, 4), (0.1, 8), (0.2, 4), (0.2, 8),
    ]  # fmt: skip
    assert loaded == sgd_temperature(
        "least-squares", eta=[0.1, 0.2], B=[4, 8], runs=2, steps=40, burn_in=900, n=64
    )
    epochs = [*command, "--B", "4", "--batches", "epochs", "--output", str(other)]
    assert run(epochs) == 0
    assert math.isnan(rd.load(other).exact[0])
    assert run(["plot", "sgd-temperature", str(path), str(other)]) == 0
    ax = rd.plot.sgd_temperature(loaded)
    shown = [line for line in ax.lines if line.get_label() == "_theory"]
    rows = loaded.B == 4
    assert_allclose(shown[0].get_ydata(), (loaded.exact / (10 * loaded.T))[rows])
    assert_allclose(loaded.share, loaded.energy / (10 * loaded.T), rtol=1e-14)
    with pytest.raises(InputError, match="found"):
        rd.plot.sgd_temperature([loaded, loaded])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--model cubic", "model = 'cubic': one of quadratic, least-squares, network"),
        ("--batches all", "batches = 'all': one of independent, epochs"),
        ("--eta 1", "eta = 1.0: below 2/h_max = 1"),
        ("--eta 0", "eta = 0.0: a number above 0"),
        ("--B 0", "B = 0: a whole number from 1 to 1000"),
        ("--B 501 --batches epochs", "B = 501: a whole number from 1 to 500"),
        ("--n 20", "n = 20: more than the 20 parameters"),
        ("--runs 1", "runs = 1: a whole number from 2 to 10000"),
        ("--steps 0", "steps = 0: a whole number from 1 to"),
        ("--model least-squares --eta 0.8 --B 1", "eta = 0.8: smaller: at B = 1 the spread"),
    ],
)
def test_mistakes(words: str, message: str, capsys: Any) -> None:
    assert run(["sgd-temperature", *words.split()]) == 2
    assert message in capsys.readouterr().err


def test_a_run_that_grows_is_nan_and_not_converged() -> None:
    landscape = Quadratic.draw(64, 1)
    found = mean_energies(
        landscape, 1.5, 4, Batches.INDEPENDENT, (2, 0, 4000), np.random.default_rng(1)
    )
    assert np.isnan(found).all()


def test_every_pattern_once_an_epoch() -> None:
    stream = draws(np.random.default_rng(1), 10, 3, 2, Batches.EPOCHS)
    epoch: FloatArray = np.concatenate([next(stream) for _ in range(3)], axis=1)
    assert [len(set(one)) for one in epoch.tolist()] == [9, 9]
    assert set(Model) == {"quadratic", "least-squares", "network"}
