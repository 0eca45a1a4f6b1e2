"""Singular values of Jacobians: reference edges, exact moments and densities, drawn networks."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
import pytest
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn.wide import free

#: activation, sigma_b2 (None: not needed), init, L: largest s^2, variance.
EDGES = {
    ("linear", 0.0, "gaussian", 8): (23.09206062555, 8.0),
    ("relu", 0.0, "gaussian", 8): (43.54897888627, 16.0),
    ("hard-tanh", 0.001, "gaussian", 8): (23.26595768508, 8.067778915187),
    ("hard-tanh", 0.05, "gaussian", 8): (26.48702378637, 9.324357517087),
    ("tanh", 0.05, "gaussian", 8): (30.43795096585, 10.73804862647),
    ("erf1", 0.001, "gaussian", 8): (23.9610129347, 8.314859454166),
    ("erf1", 0.05, "gaussian", 8): (29.81592625975, 10.51277154821),
    ("relu", 0.0, "orthogonal", 8): (20.37199757633, 8.0),
    ("hard-tanh", 0.001, "orthogonal", 8): (1.069823201804, 0.06777891518683),
    ("hard-tanh", 0.05, "orthogonal", 8): (3.372476016036, 1.324357517087),
    ("tanh", 0.05, "orthogonal", 8): (8.371962197001, 2.738048626465),
    ("erf1", 0.001, "orthogonal", 8): (2.169574177031, 0.3148594541663),
    ("erf1", 0.05, "orthogonal", 8): (7.704450832943, 2.512771548213),
    ("linear", 0.0, "gaussian", 64): (175.3274219167, 64.0),
    ("relu", 0.0, "gaussian", 64): (347.9471525849, 128.0),
    ("hard-tanh", 0.001, "gaussian", 64): (176.7900053804, 64.54223132149),
    ("hard-tanh", 0.05, "gaussian", 64): (203.9049323398, 74.5948601367),
    ("erf1", 0.001, "gaussian", 64): (182.1879996286, 66.51887563333),
    ("erf1", 0.05, "gaussian", 64): (229.8582618447, 84.1021723857),
    ("tanh", 0.05, "gaussian", 64): (234.7682879281, 85.90438901172),
    ("relu", 0.0, "orthogonal", 64): (172.6091124337, 64.0),
    ("hard-tanh", 0.001, "orthogonal", 64): (1.715916298707, 0.5422313214946),
    ("hard-tanh", 0.05, "orthogonal", 64): (28.57452194616, 10.5948601367),
    ("tanh", 0.05, "orthogonal", 64): (60.49670731558, 21.90438901172),
    ("erf1", 0.001, "orthogonal", 64): (8.440248866532, 2.518875633331),
    ("erf1", 0.05, "orthogonal", 64): (55.52642940413, 20.1021723857),
}


@pytest.mark.parametrize("point", EDGES)
def test_edge_mass_and_moments(point: tuple[str, float, str, int]) -> None:
    """The edge to its digits; mass 1; mean and variance of the density are the exact ones."""
    name, bias, init, L = point
    found = rd.wide.jacobian(name, sigma_b2=bias, init=init, L=L)
    assert (found.largest, found.variance) == pytest.approx(EDGES[point], rel=5e-12)
    law = found.spectrum
    assert abs(law.mass_error) < 1e-11
    assert law.residual < 1e-11
    assert law.mean == pytest.approx(1.0, abs=1e-11)
    assert law.variance == pytest.approx(found.variance, rel=1e-10)
    assert found.converged


def test_isometry_is_an_atom() -> None:
    for L, mass in ((8, 0.9327905081194), (64, 0.4623240649553)):
        law = rd.wide.jacobian("hard-tanh", sigma_b2=0.001, L=L, init="orthogonal").spectrum
        (zero, _), (top, weight) = law.atoms
        assert zero == 0.0
        assert weight == pytest.approx(mass, rel=1e-12)
        assert law.edges[1] < top
    linear = rd.wide.jacobian("linear", init="orthogonal", L=64)
    assert linear.spectrum.atoms == ((1.0, 1.0),)
    assert (linear.variance, linear.quantile, linear.spectrum.mass_error) == (0.0, 1.0, 0.0)
    scaled = rd.wide.jacobian("linear", sigma_w2=0.5, init="orthogonal", L=3)
    assert scaled.largest == pytest.approx(0.125)
    relu = rd.wide.jacobian("relu", init="orthogonal", L=1)
    assert relu.spectrum.atoms == ((0.0, 0.5), (2.0, 0.5))


@pytest.mark.parametrize("L", [1, 2, 8])
def test_linear_gaussian_is_fuss_catalan(L: int) -> None:
    """Density in closed form, parametrised by an angle; at L = 1 Marchenko-Pastur."""
    law = rd.wide.jacobian("linear", L=L).spectrum
    angle = np.linspace(1e-6, math.pi / (L + 1) - 1e-6, 20_001)
    up, sine, low = np.sin((L + 1) * angle), np.sin(angle), np.sin(L * angle)
    x = up ** (L + 1) / (sine * low**L)
    rho = sine**2 * low ** (L - 1) / (math.pi * up**L)
    assert law.edges[1] == pytest.approx((L + 1) ** (L + 1) / L**L, rel=1e-13)
    shown = (law.x > 0.01) & (law.x < 0.999 * law.edges[1])
    wanted = np.interp(law.x[shown], x[::-1], rho[::-1])
    assert law.density[shown] == pytest.approx(wanted, rel=1e-4)
    if L == 1:
        exact = np.sqrt((4.0 - law.x[shown]) / law.x[shown]) / (2.0 * math.pi)
        assert law.density[shown] == pytest.approx(exact, rel=1e-12)
    assert law.moment(2) == pytest.approx(L + 1, rel=1e-12)
    assert law.moment(3) == pytest.approx(math.comb(3 * (L + 1), 3) / (3 * L + 1), rel=1e-11)


def test_the_quantile_beside_the_edge() -> None:
    """L = 64: far below the edge 175.3; numbers from the Fuss-Catalan density, by quadrature."""
    for M, wanted in ((200, 90.09946), (400, 115.58713), (800, 134.99947), (1600, 148.77214)):
        found = rd.wide.jacobian("linear", L=64, M=M)
        assert found.quantile == pytest.approx(wanted, rel=1e-6)
        assert found.spectrum.above(found.quantile) == pytest.approx(0.5 / M, rel=1e-8)
        assert "is not small" in found.message
    assert rd.wide.jacobian("linear", L=8, M=1000).message == ""


def test_away_from_criticality_and_at_q_zero() -> None:
    found = rd.wide.jacobian("tanh", sigma_w2=2.5, sigma_b2=0.05, L=5)
    assert found.mean == pytest.approx(1.133515698704**5, rel=1e-11)
    assert found.spectrum.mean == pytest.approx(found.mean, rel=1e-11)
    zero = rd.wide.jacobian("tanh", L=8)
    assert zero.largest == pytest.approx(23.09206062555, rel=1e-12)
    erf = rd.wide.jacobian("erf", L=8, init="orthogonal")
    assert erf.spectrum.atoms == ((pytest.approx(1.0), 1.0),)


def test_an_activation_of_ones_own() -> None:
    """The panels on the real line against the path of the built-in one; two slopes, not 0 and 1."""
    mine = rd.wide.Activation("mine", np.tanh, lambda x: 1.0 / np.cosh(x) ** 2)
    found = rd.wide.jacobian(mine, sigma_b2=0.05, L=8)
    wanted = rd.wide.jacobian("tanh", sigma_b2=0.05, L=8)
    assert found.largest == pytest.approx(wanted.largest, rel=1e-10)
    assert found.quantile == pytest.approx(wanted.quantile, rel=1e-7)
    leaky = rd.wide.Activation(
        "leaky", lambda x: np.where(x > 0, x, 0.1 * x), lambda x: np.where(x > 0, 1.0, 0.1), (0.0,)
    )
    law = rd.wide.jacobian(leaky, sigma_w2=1.9, sigma_b2=0.1, L=4)
    assert law.spectrum.mean == pytest.approx((1.9 * 0.505) ** 4, rel=1e-9)
    assert abs(law.spectrum.mass_error) < 1e-8


def test_a_density_is_quick() -> None:
    best = math.inf
    for _ in range(3):
        began = time.process_time()
        rd.wide.jacobian("tanh", sigma_b2=0.05, L=8, init="orthogonal")
        best = min(best, time.process_time() - began)
    assert best < 0.3


@pytest.mark.parametrize(
    ("name", "bias", "init"),
    [("linear", 0.0, "gaussian"), ("relu", 0.0, "gaussian"), ("tanh", 0.05, "gaussian"),
     ("tanh", 0.05, "orthogonal"), ("hard-tanh", 0.05, "orthogonal")],
)  # fmt: skip
def test_drawn_networks_fill_the_bins_of_the_law(name: str, bias: float, init: str) -> None:
    """Width 300, depth 4, 8 networks: bins within 4 errors, or 0.004 of the mass (width 300)."""
    found = rd.wide.jacobian(name, sigma_b2=bias or 0.0, init=init, L=4, M=300, networks=8, seed=4)
    assert found.measured is not None
    top = found.spectrum.edges[1]
    cuts = np.append(np.geomspace(0.02, 0.98 * top, 7), 10.0 * top)
    counts = np.array([np.histogram(v, cuts)[0] for v in found.measured.singular_values]) / 300
    mean, error = counts.mean(axis=0), counts.std(axis=0, ddof=1) / math.sqrt(8)
    assert np.all(np.abs(mean - found.spectrum.mass_in(cuts)) < 4.0 * error + 0.004)
    largest = found.measured.singular_values[:, -1]
    error = float(largest.std(ddof=1)) / math.sqrt(8)
    assert abs(float(largest.mean()) - found.quantile) < 4.0 * error + 0.06 * top


@pytest.mark.slow
def test_files_documents_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.h5"
    words = ["jacobian", "--activation", "hard-tanh", "--sigma-b2", "0.001", "--init", "orthogonal",
             "--L", "4", "--M", "40", "--networks", "2"]  # fmt: skip
    code = run([*words, "--json", "--output", str(path), "--plot", str(tmp_path / "a.png")])
    assert code == 0
    found = json.loads(capsys.readouterr().out)
    loaded = rd.load(path)
    assert loaded.as_dict() == found
    assert found["init"] == "orthogonal"
    assert len(found["atoms"]) == 2
    more = rd.wide.jacobian(
        "hard-tanh", sigma_b2=0.001, init="orthogonal", L=4, M=40, networks=3, known=loaded
    )
    assert more.measured.singular_values[:2].tolist() == found["singular_values"]
    assert run(["plot", "jacobian", str(path)]) == 0
    ax = rd.plot.jacobian([loaded, rd.wide.jacobian("tanh", sigma_b2=0.05)])
    law = loaded.spectrum
    assert ax.lines[0].get_ydata().tolist() == (2.0 * law.log_density).tolist()
    assert run(words[:-2]) == 0
    assert "atom at 0 of mass" in capsys.readouterr().out


def test_one_gaussian_layer_has_a_gap_above_zero() -> None:
    """J = D W has rank p M: Marchenko-Pastur between (1 -+ sqrt p)^2 sigma_w2, and 1 - p at 0."""
    law = rd.wide.jacobian("relu", L=1).spectrum
    assert law.edges == pytest.approx((2 * (1 - 0.5**0.5) ** 2, 2 * (1 + 0.5**0.5) ** 2))
    assert law.atoms == ((0.0, 0.5),)
    assert abs(law.mass_error) < 1e-14
    assert (law.mean, law.variance) == pytest.approx((1.0, 2.0), rel=1e-13)
    assert law.above(0.5 * law.edges[0]) == pytest.approx(0.5, abs=1e-12)
    assert law.quantile(0.25) == pytest.approx(law.quantile(0.25000001), rel=1e-6)
    assert law.above(law.quantile(0.25)) == pytest.approx(0.25, abs=1e-9)


def test_two_orthogonal_relu_layers_are_the_arcsine_law() -> None:
    """L (1 - p) = 1: the density diverges at its edge, rho = 1/(2 pi sqrt(x (4 - x)))."""
    law = rd.wide.jacobian("relu", L=2, init="orthogonal").spectrum
    assert law.edges == (0.0, pytest.approx(4.0, rel=1e-14))
    assert law.atoms == ((0.0, 0.5),)
    assert law.density == pytest.approx(0.5 / math.pi / np.sqrt(law.x * (4.0 - law.x)), rel=1e-9)
    assert abs(law.mass_error) < 1e-13
    assert (law.mean, law.variance) == pytest.approx((1.0, 2.0), rel=1e-12)
    exact = 0.5 * (1.0 - 2.0 / math.pi * math.asin(math.sqrt(3.0 / 4.0)))
    assert law.above(3.0) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("init", ["gaussian", "orthogonal"])
def test_twice_as_many_nodes_change_nothing(init: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at = {"sigma_b2": 0.05, "init": init, "L": 8}
    one = rd.wide.jacobian("tanh", **at)
    monkeypatch.setattr(free, "_STEP", 0.5 * free._STEP)
    monkeypatch.setattr(free, "_FINE", 0.5 * free._FINE)
    two = rd.wide.jacobian("tanh", **at)
    assert two.spectrum.log_x.size > 1.5 * one.spectrum.log_x.size
    assert two.largest == one.largest
    assert two.spectrum.variance == pytest.approx(one.spectrum.variance, rel=1e-12)
    assert two.quantile == pytest.approx(one.quantile, rel=1e-9)


MISTAKES = {
    "--activation sign": "activation = 'sign': one with gradients",
    "--activation tanh --L 0": "L = 0: a whole number from 1 to 1000",
    "--activation relu --sigma-b2 0.1": "sigma-b2 = 0.1: 0 for relu, which is critical",
    "--activation linear --sigma-w2 50 --L 100": "L = 100: at most 76 at chi_1 = 50",
    "--activation tanh --init haar": "init = 'haar': one of gaussian, orthogonal",
    "--activation tanh --sigma-w2 0": "sigma-w2 = 0.0: a variance, above 0",
    "--activation tanh --L 1 --init orthogonal --sigma-b2 0.1": "L = 1: 2 or more with orthogonal",
    "--activation tanh --networks 2": "networks = 2: none where q* = 0",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_are_one_line(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["jacobian", *words.split()]) == 2
    assert capsys.readouterr().err.startswith(f"Error: {MISTAKES[words]}")
