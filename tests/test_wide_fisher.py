"""Fisher information: reference numbers, exact small networks, drawn networks, learning rates."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn.wide.activations import activation
from replicadnn.wide.draws import draw, generator, gram
from replicadnn.wide.information import softened
from replicadnn.wide.softmax import mean_square

#: activation, sigma_w2, sigma_b2, L: kappa_1, kappa_2, lambda_max, eta_max at M = N = 1000, C = 1.
KAPPAS = {
    ("relu", 2.0, 0.0, 3): (1.5, 0.3428543181415, 688.0229276467, 0.002906879872217),
    ("relu", 2.0, 0.0, 4): (1.333333333333, 0.3534627022675, 1063.327718696, 0.001880887674454),
    ("relu", 2.0, 0.0, 5): (1.25, 0.3575976243026, 1433.960106713, 0.00139473894053),
    ("relu", 2.0, 0.1, 3): (1.575, 0.4014942172551, 805.3354460758, 0.002483437193465),
    ("relu", 2.0, 0.1, 4): (1.433333333333, 0.4289064920679, 1289.732756727, 0.001550708850006),
    ("relu", 2.0, 0.1, 5): (1.375, 0.4493901731048, 1801.263131727, 0.001110331946939),
    ("tanh", 3.0, 0.64, 3): (0.9555219041828, 0.1186153720629, 238.9045571901, 0.008371543948442),
    ("tanh", 3.0, 0.64, 4): (0.8082779824854, 0.136750267607, 412.2653859656, 0.004851244048334),
    ("tanh", 3.0, 0.64, 5): (0.7363078229182, 0.1484135927664, 596.0059479862, 0.003355671208916),
    ("erf", 2.0, 0.1, 3): (0.9881344964761, 0.0351241126162, 72.15424600012, 0.02771839650291),
    ("erf", 2.0, 0.1, 4): (0.8772153581991, 0.04537880371973, 138.6319208226, 0.01442669183354),
    ("erf", 2.0, 0.1, 5): (0.8474778403433, 0.05446784056905, 221.0434022753, 0.009047996816068),
    ("linear", 1.0, 0.1, 3): (1.65, 0.15, 303, 0.006600660066007),
    ("linear", 1.0, 0.1, 4): (1.533333333333, 0.2, 604, 0.003311258278146),
    ("linear", 1.0, 0.1, 5): (1.5, 0.25, 1005, 0.001990049751244),
}


@pytest.mark.parametrize("point", KAPPAS)
def test_reference_values(point: tuple[str, float, float, int]) -> None:
    name, w, b, L = point
    found = rd.wide.fisher(name, sigma_w2=w, sigma_b2=b, L=L)
    numbers = (found.kappa_1, found.kappa_2, found.lambda_max, found.eta_max)
    assert numbers == pytest.approx(KAPPAS[point], rel=2e-12)
    assert found.mean == pytest.approx(found.kappa_1 / 1000)
    spread = 0.999 * found.kappa_2**2 + found.kappa_1**2 / 1000
    assert found.second_moment == pytest.approx((L - 1) * spread, rel=1e-12)
    assert found.bulk == pytest.approx((L - 1) * (found.kappa_1 - found.kappa_2), rel=1e-12)
    assert found.eta_catapult == 2.0 * found.eta_max


@pytest.mark.parametrize(
    ("L", "kappa"), [(3, 0.391524783363), (4, 0.2452403114182), (5, 0.1757764172684)]
)
def test_centred_networks_have_no_large_eigenvalue(L: int, kappa: float) -> None:
    found = rd.wide.fisher("tanh", sigma_w2=1.0, L=L)
    assert (found.kappa_1, found.kappa_2) == pytest.approx((kappa, 0.0), rel=1e-12)
    assert found.outliers == 0
    assert found.lower < found.bulk < found.lambda_max < 10.0
    mine = rd.wide.Activation("mine", np.tanh, lambda x: 1.0 / np.cosh(x) ** 2)
    other = rd.wide.fisher(mine, sigma_w2=1.0, L=L)
    assert (other.kappa_2, other.outliers) == (0.0, 0)
    assert other.lambda_max == pytest.approx(found.lambda_max, rel=1e-9)


def test_edges_of_centred_networks() -> None:
    """tanh(3, 0), L = 3, T/M = 0.2: 5.92 and 20.26; linear, L = 2: products of Wishart matrices."""
    found = rd.wide.fisher("tanh", sigma_w2=3.0, M=1000, N=200)
    assert (found.lower, found.lambda_max) == pytest.approx((5.917, 20.261), abs=5e-4)
    wide = rd.wide.fisher("tanh", sigma_w2=3.0, M=10_000, N=100)
    assert wide.lower == pytest.approx(wide.bulk, rel=0.2)
    assert wide.lambda_max == pytest.approx(wide.bulk, rel=0.3)
    linear = rd.wide.fisher("linear", sigma_w2=1.0, L=2, M=500, N=500)
    rng, tops = np.random.default_rng(1), []
    for _ in range(3):
        x, W = rng.standard_normal((500, 500)), rng.standard_normal((500, 500)) / 500**0.5
        tops.append(np.linalg.eigvalsh(x @ (np.eye(500) + W.T @ W) @ x.T / 500)[-1])
    assert linear.lambda_max == pytest.approx(np.mean(tops), rel=0.02)


@pytest.mark.parametrize(
    ("name", "w", "b", "L", "C"),
    [("relu", 2.0, 0.1, 3, 2), ("tanh", 3.0, 0.64, 3, 1), ("relu", 2.0, 0.0, 4, 1)],
)
def test_drawn_networks(name: str, w: float, b: float, L: int, C: int) -> None:
    """Width 300, 60 samples, 16 networks: within 4 errors and the corrections of order N/M."""
    found = rd.wide.fisher(name, sigma_w2=w, sigma_b2=b, L=L, C=C, M=300, N=60, networks=16, seed=2)
    for what in ("mean", "lambda_max", "bulk"):
        values = found.measured(what)
        error = float(values.std(ddof=1)) / 4.0
        exact = found.lambda_max_biases if what == "lambda_max" else getattr(found, what)
        allowed = 4.0 * error + 0.02 * exact
        assert abs(float(values.mean()) - exact) < allowed, what
    second = found.measured("second_moment")
    error = float(second.std(ddof=1)) / 4.0
    assert abs(float(second.mean()) - found.second_moment) < 4.0 * error + 0.1 * found.second_moment
    assert found.eigenvalues[:, -C].min() > 4.0 * found.eigenvalues[:, -C - 1].max()


def test_mean_subtraction_takes_the_large_eigenvalues_away() -> None:
    """Without it they grow like M, with it they stay, at M/N = 2, inside the bounds."""
    at = {"sigma_w2": 2.0, "sigma_b2": 0.1, "networks": 6, "seed": 3}
    one, two = (rd.wide.fisher("relu", M=M, N=M // 2, **at) for M in (100, 400))
    grown = two.measured("lambda_max").mean() / one.measured("lambda_max").mean()
    assert 3.0 < grown < 5.0
    low, high = two.subtracted_bounds
    assert (low, high) == pytest.approx((4.694023131, 4.694023131 * math.sqrt(200)), rel=1e-9)
    for found in (one, two):
        kept = found.measured("subtracted_max")
        assert 1.8 * low < kept.mean() < 4.0 * low
        assert np.all(kept < high)


def test_centred_networks_fill_their_edges() -> None:
    found = rd.wide.fisher("tanh", sigma_w2=3.0, M=400, N=80, networks=12, seed=4)
    for what in ("lower", "lambda_max"):
        values = found.measured(what)
        error = float(values.std(ddof=1)) / math.sqrt(12)
        exact = getattr(found, what)
        assert abs(float(values.mean()) - exact) < 4.0 * error + 0.06 * exact


def test_the_dual_matrix_has_the_eigenvalues_of_the_fisher_information() -> None:
    """P x P from finite differences of the outputs, both losses."""
    net = draw(activation("tanh"), [3, 3, 2], 1.5, 0.3, generator(1, 0))
    x = generator(1, 1).standard_normal((4, 3))
    start = [one.copy() for pair in zip(net.weights, net.biases, strict=True) for one in pair]
    h, rows = 1e-6, []
    for i, part in enumerate(start):
        for at in np.ndindex(part.shape):
            moved = []
            for step in (h, -h):
                new = [one.copy() for one in start]
                new[i][at] += step
                other = type(net)(net.phi, tuple(new[::2]), tuple(new[1::2]))
                moved.append(other.forward(x)[1][-1])
            rows.append((moved[0] - moved[1]) / (2 * h))
    J = np.array(rows)  # (P, n, C)
    dual = gram(net, x, [1.0, 1.0], 1.0, 2) / 4
    F = np.einsum("pnk,qnk->pq", J, J) / 4
    assert np.linalg.eigvalsh(F)[-8:] == pytest.approx(np.linalg.eigvalsh(dual), rel=1e-6)
    g = np.exp(net.forward(x)[1][-1])
    g /= g.sum(axis=1, keepdims=True)
    Q = g[:, :, None] * np.eye(2) - g[:, :, None] * g[:, None, :]
    soft = np.einsum("pnk,nkl,qnl->pq", J, Q, J) / 4
    values = np.linalg.eigvalsh(softened(dual, net, x))
    assert np.linalg.eigvalsh(soft)[-4:] == pytest.approx(values[-4:], rel=1e-6)
    assert values[:4] == pytest.approx(np.zeros(4), abs=1e-12)


def test_cross_entropy_has_one_large_eigenvalue_less() -> None:
    """C - 1 large ones; their mean over networks is alpha M kappa_2 (1 - C E g^2)/(C - 1)."""
    found = rd.wide.fisher(
        "relu", sigma_w2=2.0, sigma_b2=0.1, C=3, loss="cross-entropy", M=300, N=60, networks=24
    )
    assert found.outliers == 2
    values = found.eigenvalues
    assert np.median(values[:, -2]) > 4.0 * np.median(values[:, -3])
    large = found.measured("lambda_max")
    error = float(large.std(ddof=1)) / math.sqrt(24)
    assert abs(float(large.mean()) - found.lambda_max) < 4.0 * error
    plain = rd.wide.fisher("relu", sigma_w2=2.0, sigma_b2=0.1, C=3, M=300, N=60)
    factor = (1.0 - 3.0 * mean_square(3, 2.3)) / 2.0
    assert found.lambda_max == pytest.approx(factor * plain.lambda_max, rel=1e-12)


@pytest.mark.parametrize(("C", "q"), [(2, 1.0), (4, 2.3), (10, 5.0)])
def test_mean_square_of_softmax(C: int, q: float) -> None:
    """Sampled; C = 2 by a one-dimensional quadrature; equal fields give 1/C^2."""
    f = math.sqrt(q) * np.random.default_rng(1).standard_normal((200_000, C))
    g = np.exp(f - f.max(axis=1, keepdims=True))
    squares = ((g / g.sum(axis=1, keepdims=True)) ** 2).mean(axis=1)
    error = float(squares.std()) / math.sqrt(200_000)
    assert abs(float(squares.mean()) - mean_square(C, q)) < 4.0 * error
    assert mean_square(C, 0.0) == pytest.approx(1.0 / C**2, rel=1e-12)
    if C == 2:
        z, w = np.polynomial.hermite_e.hermegauss(100)
        exact = w @ (1.0 + np.exp(-math.sqrt(2.0 * q) * z)) ** -2.0 / w.sum()
        assert mean_square(C, q) == pytest.approx(float(exact), rel=1e-9)


def test_the_learning_rate_that_diverges() -> None:
    """Steps of linearised outputs: the error falls below 2/lambda_max of the network, not above."""
    found = rd.wide.fisher("erf", sigma_w2=2.0, sigma_b2=0.1, M=100, N=20, networks=1)
    net = draw(activation("erf"), [100, 100, 100, 1], 2.0, 0.1, generator(1, 0))
    rng = generator(1, 0)
    draw(activation("erf"), [100, 100, 100, 1], 2.0, 0.1, rng)
    theta = gram(net, rng.standard_normal((20, 100)), [1.0] * 3, 1.0) / 20
    limit, error = 2.0 / found.eigenvalues[0, -1], np.ones(20)
    below = np.linalg.matrix_power(np.eye(20) - 0.98 * limit * theta, 400) @ error
    above = np.linalg.matrix_power(np.eye(20) - 1.02 * limit * theta, 400) @ error
    assert np.abs(below).max() < 1.0 < np.abs(above).max()


@pytest.mark.slow
def test_files_documents_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.h5"
    words = ["fisher", "--activation", "relu", "--sigma-w2", "2", "--M", "20", "--N", "10", "--C",
             "2", "--networks", "2"]  # fmt: skip
    assert run([*words, "--json", "--output", str(path), "--plot", str(tmp_path / "a.png")]) == 0
    found = json.loads(capsys.readouterr().out)
    loaded = rd.load(path)
    assert loaded.as_dict() == found
    assert (found["outliers"], found["loss"]) == (2, "squared")
    more = rd.wide.fisher("relu", sigma_w2=2.0, M=20, N=10, C=2, networks=3, known=loaded)
    assert more.eigenvalues[:2].tolist() == found["networks"]["eigenvalues"]
    assert run(["plot", "fisher", str(path)]) == 0
    wide = rd.wide.fisher("relu", sigma_w2=2.0, M=40, N=20, C=2)
    ax = rd.plot.fisher([wide, loaded])
    assert ax.lines[0].get_ydata().tolist() == [loaded.lambda_max, wide.lambda_max]
    assert run(words) == 0
    out = capsys.readouterr().out
    assert "2 large" in out
    assert "mean output subtracted" in out
    assert run([*words[:3], "--sigma-w2", "2", "--C", "3", "--loss", "cross-entropy"]) == 0
    assert "2 large" in capsys.readouterr().out
    with pytest.raises(rd.InputError, match="at least one drawn network"):
        rd.plot.fisher_eigenvalues(wide)
    with pytest.raises(rd.InputError, match="one of mean, second_moment"):
        loaded.measured("largest")


MISTAKES = {
    "--activation relu --L 1000 --sigma-w2 50": "L = 1000: at most 108 at these variances",
    "--activation tanh --L 1000 --sigma-w2 20": "L = 1000: fewer layers at these variances",
    "--activation sign": "activation = 'sign': one with gradients",
    "--activation tanh --L 1": "L = 1: a whole number from 2 to 1000",
    "--activation tanh --loss hinge": "loss = 'hinge': one of squared, cross-entropy",
    "--activation tanh --loss cross-entropy": "C = 1: a whole number from 2 to 1000",
    "--activation tanh --N 6000 --networks 1": "networks = 6000: at most 5000 rows",
    "--activation tanh --seed 4": "seed = 4: only with networks",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_are_one_line(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fisher", "--sigma-w2", "1", *words.split()]) == 2
    assert capsys.readouterr().err.startswith(f"Error: {MISTAKES[words]}")
