"""State evolution of gradient descent: closed forms, quadrature, earlier independent numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import replicadnn as rd
from replicadnn.curves import Steps, descent
from replicadnn.curves.evolution.network import Network
from replicadnn.curves.evolution.problem import problem_of
from replicadnn.curves.evolution.responses import Responses
from replicadnn.curves.evolution.theory import Sampled, append_rows, evolve, root, scrambled
from replicadnn.types import FloatArray
from replicadnn.wide.activations import activation

#: L = 1: d/n, eta, gram of w and mu, sigma2; test and training error at steps 1, 2, 5, 10, 20.
LINEAR: list[tuple[float, float, tuple[float, float], float, list[float], list[float]]] = [
    (
        0.5, 0.3, (1.0, 0.0), 0.25,
        [1.331250000000, 0.994659375000, 0.649061599811, 0.507713614428, 0.462529258218],
        [0.886875000000, 0.524282812500, 0.250797007761, 0.166217599235, 0.134918206025],
    ),
    (
        2.0, 0.2, (1.0, 0.2), 0.25,
        [1.422000000000, 1.314800000000, 1.232564239360, 1.224832846795, 1.250671389060],
        [0.494000000000, 0.254320000000, 0.079689989120, 0.025195401990, 0.005342427423],
    ),
    (
        1.0, 0.4, (0.0, 0.0), 0.1,
        [0.636000000000, 0.524000000000, 0.423025694720, 0.384650572321, 0.381921536459],
        [0.252000000000, 0.131040000000, 0.055336130560, 0.030582847567, 0.018083544945],
    ),
]  # fmt: skip

#: Weights of the networks of the tables below; M = 3, eta = 0.5, n = d, y = 2 tanh(u) + eps.
W2 = [[0.6, 0.1, -0.3], [-0.4, 0.7, 0.2], [0.2, -0.5, 0.9]]
LAST = [0.5, -0.3, 0.8]
TEST_2 = [
    2.05359, 1.50895, 1.35736, 1.24522, 1.16498, 1.10725, 1.06410, 1.03064, 1.00408, 0.98252,
    0.96474, 0.95006, 0.93784, 0.92758, 0.91895, 0.91165,
]  # fmt: skip
TRAINING_2 = [
    2.05356, 1.04334, 0.71979, 0.48344, 0.33176, 0.23981, 0.18254, 0.14491, 0.11878, 0.09978,
    0.08550, 0.07440, 0.06556, 0.05837, 0.05240, 0.04738,
]  # fmt: skip
TEST_3 = [
    1.89973, 1.57237, 1.45835, 1.35135, 1.26347, 1.20038, 1.15475, 1.12007, 1.09269, 1.07071,
    1.05276, 1.03776, 1.02541, 1.01479, 1.00573, 0.99786,
]  # fmt: skip


def marchenko_pastur(
    d_over_n: float, eta: float, gram: tuple[float, float], sigma2: float, c: float = 1.0
) -> tuple[FloatArray, FloatArray]:
    """Errors of steps 0..20 as averages over the eigenvalues of X^T X/n; the teacher is c u."""
    nodes = 2000
    theta = np.pi * (np.arange(nodes) + 0.5) / nodes
    s = 1.0 + d_over_n + 2.0 * np.sqrt(d_over_n) * np.cos(theta)
    w = 2.0 * np.sin(theta) ** 2 / s / nodes
    if d_over_n > 1.0:
        s, w = np.append(s, 0.0), np.append(w, 1.0 - 1.0 / d_over_n)
    distance = gram[0] - 2.0 * c * gram[1] + c * c
    test, training = [], []
    for t in range(21):
        left = (1.0 - eta * s) ** t
        pulled = np.where(s > 0.0, (1.0 - left) / np.where(s > 0.0, s, 1.0), eta * t)
        noise = sigma2 * d_over_n * np.sum(w * s * pulled**2)
        test.append(distance * np.sum(w * left**2) + noise + sigma2)
        kept = 1.0 - d_over_n * np.sum(w) + d_over_n * np.sum(w * left**2)
        training.append(distance * np.sum(w * s * left**2) + sigma2 * kept)
    return np.array(test), np.array(training)


@pytest.mark.parametrize(("d_over_n", "eta", "gram", "sigma2", "test", "training"), LINEAR)
def test_one_layer_is_exact(
    d_over_n: float, eta: float, gram: tuple[float, float], sigma2: float, test: list[float],
    training: list[float],
) -> None:  # fmt: skip
    """The recursion has the numbers of the table and of the law of Marchenko and Pastur."""
    found = descent(
        1, n_over_d=1.0 / d_over_n, eta=eta, teacher="linear", amplitude=1.0, sigma2=sigma2,
        gram=[[gram[0], gram[1]], [gram[1], 1.0]], steps=20,
    )  # fmt: skip
    at = [1, 2, 5, 10, 20]
    np.testing.assert_allclose(found.test_error[at], test, rtol=0, atol=6e-13)
    np.testing.assert_allclose(found.training_error[at], training, rtol=0, atol=6e-13)
    exact = marchenko_pastur(d_over_n, eta, gram, sigma2)
    np.testing.assert_allclose(found.test_error, exact[0], rtol=2e-13)
    np.testing.assert_allclose(found.training_error, exact[1], rtol=2e-13)
    assert (found.points, found.theory.draws, found.test_error_error.max()) == (0, 1, 0.0)


@pytest.mark.parametrize(
    ("teacher", "c", "square"),
    [("sign", math.sqrt(2.0 / math.pi), 1.0), ("tanh", 0.605705509602, 0.394294490398)],
)
def test_one_layer_sees_any_teacher_linearly(teacher: str, c: float, square: float) -> None:
    """E u tanh(u) = E tanh'(u) = 1 - E tanh(u)^2; what is left acts as noise."""
    found = descent(
        1, n_over_d=2.0, eta=0.3, teacher=teacher, amplitude=1.5, sigma2=0.2, steps=20,
        gram=[[1.0, 0.3], [0.3, 1.0]],
    )  # fmt: skip
    exact = marchenko_pastur(0.5, 0.3, (1.0, 0.3), 0.2 + 2.25 * (square - c * c), 1.5 * c)
    np.testing.assert_allclose(found.test_error, exact[0], rtol=1e-10)
    np.testing.assert_allclose(found.training_error, exact[1], rtol=1e-10)


def given(**words: Any) -> dict[str, Any]:
    """Arguments of `problem_of`."""
    base = {
        "L": 2, "M": 1, "activation": "tanh", "teacher": "tanh", "amplitude": 2.0, "sigma2": 0.09,
        "n_over_d": 1.0, "eta": 0.5, "sigma_w2": 1.0, "gram": None, "weights": None,
    }  # fmt: skip
    return base | words


def test_samples_agree_with_moments() -> None:
    """L = 1 by points, as the other depths are done, beside its exact numbers."""
    words = {"M": None, "teacher": "linear", "amplitude": 1.0, "sigma2": 0.25, "n_over_d": 0.5,
             "eta": 0.2, "gram": [[1.0, 0.2], [0.2, 1.0]]}  # fmt: skip
    problem, functions = problem_of(given(L=1, **words), np.random.default_rng(0))
    exact = marchenko_pastur(2.0, 0.2, (1.0, 0.2), 0.25)
    rows = []
    for k in range(4):
        points = scrambled(4096, 23, np.random.default_rng(k))
        rows.append(evolve(problem, functions, 20, Sampled(problem, 20, points)))
    off = np.abs(np.mean(rows, axis=0) / exact - 1.0)
    assert 1e-7 < off[0].max() < 1e-3
    assert off[1].max() < 1e-2


@pytest.mark.parametrize("name", ["tanh", "erf", "erf1", "linear", "own"])
@pytest.mark.parametrize("L", [2, 3, 5])
def test_derivatives_are_those_of_the_network(name: str, L: int) -> None:
    own = rd.wide.Activation(
        "softplus", lambda x: np.logaddexp(0.0, x), lambda x: 1.0 / (1.0 + np.exp(-x))
    )
    net = Network.of(L, own if name == "own" else activation(name))
    rng, h = np.random.default_rng(L), 1e-4
    z, y = rng.standard_normal((3, 4)), rng.standard_normal(4)
    weights = (*(rng.standard_normal((3, 3)) for _ in range(L - 2)), rng.standard_normal(3))

    def loss(z: FloatArray, weights: tuple[FloatArray, ...]) -> FloatArray:
        return np.asarray(0.5 * (net.output(z, weights) - y) ** 2)

    at = net.derivatives(z, weights, y)
    np.testing.assert_array_equal(at.output, net.output(z, weights))
    e = h * np.eye(3)[:, :, None]
    for i in range(3):
        first = (loss(z + e[i], weights) - loss(z - e[i], weights)) / (2.0 * h)
        np.testing.assert_allclose(at.gradient[i], first, atol=1e-6)
        slope = (net.output(z + e[i], weights) - net.output(z - e[i], weights)) / (2.0 * h)
        np.testing.assert_allclose(at.slope[i], slope, atol=1e-6)
        more, less = (net.derivatives(z + s * e[i], weights, y).gradient for s in (1.0, -1.0))
        np.testing.assert_allclose(at.hessian[:, i], (more - less) / (2.0 * h), atol=1e-6)
    for l, W in enumerate(weights):
        for place in np.ndindex(W.shape):
            moved = []
            for step in (h, -h):
                other = W.copy()
                other[place] += step
                moved.append(loss(z, (*weights[:l], other, *weights[l + 1 :])).mean())
            slope = (moved[0] - moved[1]) / (2.0 * h)
            assert at.weights[l][place] == pytest.approx(slope, abs=1e-6)


def test_one_neuron_beside_quadrature() -> None:
    """f = v tanh(z), v = 0.8: averages of the first step from 120 Gauss-Hermite nodes a number."""
    problem, functions = problem_of(given(weights=[[0.8]]), np.random.default_rng(0))
    points = scrambled(2**15, 5, np.random.default_rng(1))
    u, us, noise = points[0], points[1], points[2]
    at = functions.network.derivatives(u[None], problem.weights, 2.0 * np.tanh(us) + 0.3 * noise)
    responses = Responses(1, 1, u.size, 0.5, 1.0)
    responses.record(0, responses.back(0), at)
    assert responses.R[0, 0, 0, 0] == pytest.approx(0.1163505204, abs=2e-5)
    r = np.mean(responses.of_step(0, 1) * functions.teacher.slope(us))  # type: ignore[misc]
    assert r == pytest.approx(-0.5870066630, abs=2e-5)
    assert np.mean(at.gradient**2) == pytest.approx(0.5262559, abs=1e-4)
    assert 0.8 - 0.5 * at.weights[0][0] == pytest.approx(0.6422822038, abs=2e-5)
    found = descent(2, M=1, weights=[[0.8]], steps=6, points=2**14, scrambles=6)
    assert found.test_error[0] == pytest.approx(1.9195264354, abs=1e-5)
    assert found.test_error[1] == pytest.approx(1.567649606, abs=1e-4)
    assert found.training_error[1] == pytest.approx(1.26225375, abs=1e-4)
    test = [1.442439, 1.335480, 1.24635, 1.17897, 1.13054]
    training = [0.994802, 0.757260, 0.56383, 0.42322, 0.32634]
    within(found, "test_error", test, [4e-6, 17e-6, 8e-5, 19e-5, 27e-5], 2)
    within(found, "training_error", training, [31e-6, 44e-6, 12e-5, 27e-5, 22e-5], 2)


def within(
    found: rd.curves.Descent, name: str, wanted: list[float], errors: Any, first: int = 0
) -> None:
    """Four joint standard errors, and 3e-5 for digits that are not written."""
    at = slice(first, first + len(wanted))
    error = np.hypot(getattr(found, f"{name}_error")[at], np.asarray(errors))
    off = np.abs(getattr(found, name)[at] - wanted)
    assert np.all(off < 4.0 * error + 3e-5), (off, error)
    assert np.all(error < 0.02 * np.asarray(wanted))


@pytest.mark.parametrize(("L", "points"), [(2, 4096), (3, 4096)])
def test_three_neurons_have_the_numbers_of_another_program(L: int, points: int) -> None:
    """Orders of the errors of that program: 1e-4 at first, 1e-3 at the last steps."""
    weights = [LAST] if L == 2 else [W2, LAST]
    found = descent(L, weights=weights, points=points, scrambles=4, seed=3)
    theirs = np.minimum(1e-3, 1e-5 + 1e-4 * np.arange(16.0))
    within(found, "test_error", TEST_2 if L == 2 else TEST_3, theirs)
    if L == 2:
        within(found, "training_error", TRAINING_2, 0.3 * theirs)
    assert found.message == ""


def test_a_teacher_with_jumps_is_integrated_by_parts() -> None:
    """The same teacher with its slope and without."""
    problem, functions = problem_of(given(M=2, weights=[[0.7, -0.4]]), np.random.default_rng(0))
    teacher = functions.teacher
    without = type(functions)(
        functions.network, type(teacher)(teacher.function, None, teacher.sigma2)
    )
    rows: list[list[FloatArray]] = [[], []]
    for k in range(6):
        points = scrambled(4096, 4 + 2 * 6, np.random.default_rng(k))
        for row, which in zip(rows, (functions, without), strict=True):
            row.append(evolve(problem, which, 6, Sampled(problem, 6, points)))
    one, two = np.array(rows)
    error = (one - two).std(axis=0, ddof=1) / math.sqrt(6.0)
    assert np.all(np.abs((one - two).mean(axis=0)) < 4.0 * error + 1e-12)
    assert np.abs(one - two)[:, :, 1:].max() > 1e-6
    assert error.max() < 5e-3
    _, sign = problem_of(given(teacher="sign"), np.random.default_rng(0))
    assert sign.teacher.slope is None
    _, smooth = problem_of(given(teacher="erf"), np.random.default_rng(0))
    assert smooth.teacher.slope is not None


def test_factors_of_singular_covariances() -> None:
    rng = np.random.default_rng(0)
    low = rng.standard_normal((6, 3))
    covariance = low @ low.T
    factor = root(covariance)
    np.testing.assert_allclose(factor @ factor.T, covariance, atol=1e-6)
    assert np.count_nonzero(np.diag(factor)) == 3
    whole = rng.standard_normal((6, 6))
    covariance = whole @ whole.T
    np.testing.assert_allclose(root(covariance), np.linalg.cholesky(covariance), atol=1e-10)
    rows = np.zeros((6, 6))
    append_rows(rows, 0, covariance[:2, :2])
    append_rows(rows, 2, covariance[2:])
    np.testing.assert_array_equal(rows, root(covariance))


def test_where_the_theory_ends() -> None:
    """A standard error of 1.99 % of the test error is told, 2.01 % is not, nor what follows."""
    base = descent(2, M=1, steps=3, points=64, scrambles=2)

    def ends(share: float) -> rd.curves.Descent:
        away = np.array([0.0, 0.0, share, 0.0])
        rows = np.stack([1.0 + away, 1.0 - away])  # mean 1, standard error ``share``
        theory = Steps({"test_error": rows, "training_error": rows})
        return type(base)(base.problem, 3, 64, 1, theory)

    told = ends(0.0199)
    assert (told.told, told.converged, told.message) == (4, True, "")
    cut = ends(0.0201)
    assert (cut.told, cut.converged) == (2, False)
    assert np.isnan(cut.test_error).tolist() == [False, False, True, True]
    assert np.isnan(cut.training_error_error).tolist() == [False, False, True, True]
    assert cut.message.startswith("the theory ends before step 2: the standard error of its test")
    assert "(2.0% of it)" in cut.message
    lost = Steps({name: np.array([[1.0, np.nan], [1.0, 1.0]]) for name in base.theory.values})
    gone = type(base)(base.problem, 1, 64, 1, lost)
    assert (gone.told, gone.converged) == (1, False)
    assert "(it is not finite)" in gone.message


def test_a_large_rate_and_depth_is_said_to_be_too_much() -> None:
    found = descent(5, eta=0.7, steps=15, points=256, scrambles=4)
    assert 1 < found.told <= 15
    assert "smaller eta" in found.message
    diverges = descent(2, eta=500.0, steps=40, points=64, scrambles=2)
    assert not diverges.converged


def test_errors_are_standard_errors() -> None:
    steps = Steps({"test_error": np.array([[1.0, 2.0], [3.0, 2.0]])})
    assert steps.mean("test_error").tolist() == [2.0, 2.0]
    assert steps.error("test_error").tolist() == [1.0, 0.0]
    one = Steps({"test_error": np.ones((1, 2))})
    assert np.isnan(one.error("test_error")).all()
    assert Steps({"test_error": np.ones((1, 2))}, True).error("test_error").tolist() == [0.0, 0.0]
    assert np.isnan(Steps({"test_error": np.empty((0, 2))}).mean("test_error")).all()


@pytest.mark.slow
@pytest.mark.parametrize("L", [2, 3])
def test_three_neurons_with_more_points(L: int) -> None:
    found = descent(L, weights=[LAST] if L == 2 else [W2, LAST], points=2**14, scrambles=8)
    theirs = np.minimum(1e-3, 1e-5 + 1e-4 * np.arange(16.0))
    within(found, "test_error", TEST_2 if L == 2 else TEST_3, theirs)
    assert np.all(found.test_error_error < 2e-3)
