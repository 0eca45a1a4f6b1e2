"""Spectra of kernels at width ~ inputs: reference edges, exact laws and moments, drawn networks."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn.wide import bands
from replicadnn.wide.activations import activation
from replicadnn.wide.layered import Layered, pastur
from replicadnn.wide.spectra import constants

#: gamma: r_+, both edges of the tangent kernel, upper edge of the conjugate kernel, trace (erf).
ERF = {
    (0.5, 1.0): (0.3121171609568, 0.4634969626891, 7.673943756798, 5.347634779387, 2.225700003786),
    (1.0, 0.5, 1.0): (
        0.9798240495258, 1.074314638966, 14.87495753231, 7.452258186178, 3.728040503066,
    ),
    (0.5, 0.5): (0.3121171609568, 0.4964207571191, 6.727545275383, 4.226625392898, 2.225700003786),
}  # fmt: skip


@pytest.mark.parametrize("gamma", ERF)
def test_reference_edges(gamma: tuple[float, ...]) -> None:
    shift, low, high, top, trace = ERF[gamma]
    found = rd.wide.kernel_spectrum("erf", gamma=gamma)
    assert (found.slope, found.growth) == pytest.approx(
        (0.9135828428289, 1.225700003786), rel=3e-13
    )
    assert (found.shift, found.mean) == pytest.approx((shift, trace), rel=1e-12)
    assert found.spectrum.edges == pytest.approx((low, high), rel=2e-12)
    assert abs(found.spectrum.mass_error) < 1e-11
    assert found.spectrum.mean == pytest.approx(trace, rel=1e-11)
    conjugate = rd.wide.kernel_spectrum("erf", gamma=gamma, kernel="conjugate")
    assert conjugate.spectrum.edges[1] == pytest.approx(top, rel=2e-12)
    assert abs(conjugate.spectrum.mass_error) < 1e-11
    assert conjugate.spectrum.mean == pytest.approx(1.0, rel=1e-11)
    assert found.converged
    assert conjugate.converged


def test_reference_edges_of_sign() -> None:
    tops = {1: 5.430220051814, 2: 6.183415754386, 4: 6.761071920697, 8: 6.92037879827}
    for layers, top in tops.items():
        found = rd.wide.kernel_spectrum("sign", gamma=[1.0] * (layers + 1), kernel="conjugate")
        assert found.spectrum.edges == pytest.approx((0.0, top), rel=3e-12)
        assert abs(found.spectrum.mass_error) < 1e-10


def test_constants() -> None:
    """erf, sign, relu in closed form; tanh against a second quadrature; its own mean."""
    v = 2.0 / math.pi * math.asin(2.0 / 3.0)
    erf = (0.0, v, 4.0 / (3.0 * math.pi) / v, 4.0 / (math.pi * math.sqrt(5.0)) / v)
    assert constants(activation("erf")) == pytest.approx(erf, abs=1e-14)
    assert constants(activation("sign")) == pytest.approx((0.0, 1.0, 2.0 / math.pi, math.inf))
    v = 0.5 - 0.5 / math.pi
    relu = (1.0 / math.sqrt(2.0 * math.pi), v, 0.25 / v, 0.5 / v)
    assert constants(activation("relu")) == pytest.approx(relu, abs=1e-14)
    z, w = np.polynomial.hermite_e.hermegauss(120)
    w = w / w.sum()
    variance = w @ np.tanh(z) ** 2
    wanted = (w @ np.cosh(z) ** -2.0) ** 2 / variance, w @ np.cosh(z) ** -4.0 / variance
    assert constants(activation("tanh"))[2:] == pytest.approx(wanted, rel=1e-6)
    mine = rd.wide.Activation("mine", lambda x: x**2 + x, lambda x: 2 * x + 1)
    assert constants(mine) == pytest.approx((1.0, 3.0, 1.0 / 3.0, 5.0 / 3.0), rel=1e-12)


def test_one_wishart_matrix() -> None:
    """b^2 = 1 and a wide hidden layer: the inputs alone, Marchenko and Pastur, atom for n > d."""
    exact = ((1.0 - 2.0**0.5) ** 2, (1.0 + 2.0**0.5) ** 2)
    found = rd.wide.kernel_spectrum("linear", gamma=[2.0, 0.01], kernel="conjugate").spectrum
    assert found.atoms == ((0.0, 0.5),)
    assert found.edges == pytest.approx(exact, rel=0.02)
    x, h = np.array([7.0, 50.0, -3.0]), 1e-5
    for gamma in (0.5, 1.0, 2.0):
        m = pastur(x, gamma)
        assert gamma * x * m**2 - (1.0 - gamma - x) * m + 1.0 == pytest.approx(0.0, abs=1e-12)
        assert np.all((pastur(x + h, gamma) - m).real > 0.0)


def test_moments_of_the_conjugate_kernel() -> None:
    """E x^2 of a free product with a Wishart matrix: E y^2 + gamma (E y)^2, y the law before."""
    for name, gamma in (("erf", (0.5, 2.0, 0.7)), ("tanh", (1.0, 1.0, 1.0)), ("relu", (0.3, 3.0))):
        found = rd.wide.kernel_spectrum(name, gamma=gamma, kernel="conjugate")
        variance = gamma[0]
        for ratio in gamma[1:]:
            variance = found.slope**2 * variance + ratio
        assert found.spectrum.variance == pytest.approx(variance, rel=1e-9)


def test_second_moment_of_the_tangent_kernel() -> None:
    """One hidden layer: E (q_0 X + Y)^2 with Y of a covariance (1 - b^2) + b^2 X given X."""
    for gamma in ((0.5, 1.0), (1.0, 0.3)):
        found = rd.wide.kernel_spectrum("erf", gamma=gamma)
        b, first = found.slope, gamma[0]
        of_y = b**2 * first + gamma[1]
        assert found.spectrum.variance == pytest.approx(
            b**2 * first + of_y + 2.0 * b * b * first, rel=1e-10
        )


def test_the_density_solves_its_equations_anywhere() -> None:
    """E 1/(x - z) from the fixed point against the integral of the density, off the axis."""
    found = rd.wide.kernel_spectrum("erf", gamma=[1.0, 0.5, 1.0])
    b, a = found.slope, found.growth
    powers = np.arange(2.0, -1.0, -1.0)
    law = Layered(
        1.0, np.array([0.5, 1.0]), np.array([b, b]), b**powers, float(np.sum(a**powers - b**powers))
    )
    z = np.array([3.0 + 1.0j])
    s = law._iterate(z)
    for _ in range(400):
        s = s + 0.3 * law.miss(s, z)
    m = np.sum(found.spectrum.weights / (found.spectrum.x - z))
    assert abs(law.stieltjes(s, z)[0] - m) < 1e-9


def test_bins_and_quantiles_of_angular_nodes() -> None:
    law = rd.wide.kernel_spectrum("erf", gamma=[1.0, 1.0], kernel="conjugate").spectrum
    cuts = np.array([0.0, 1e-4, 0.1, 1.0, 3.0, 9.0])
    masses = law.mass_in(cuts)
    assert masses.sum() == pytest.approx(1.0, abs=1e-10)
    fine = bands.between(
        [(0.0, law.edges[1])], lambda x: (np.interp(x, law.x[::-1], law.density[::-1]), 0.0)
    )
    assert masses[2:] == pytest.approx(fine.mass_in(cuts)[2:], abs=2e-3)
    for part in (0.01, 0.5, 0.97):
        assert law.above(law.quantile(part)) == pytest.approx(part, abs=1e-10)
    assert law.quantile(1.0) == 0.0


@pytest.mark.parametrize(
    ("name", "gamma", "kernel"),
    [("erf", (0.5, 1.0), "ntk"), ("tanh", (1.0, 1.0, 1.0), "ntk"), ("relu", (1.0, 0.5), "ntk"),
     ("sign", (1.0, 1.0, 1.0), "conjugate"), ("erf", (0.5, 2.0), "conjugate"),
     ("relu", (1.0, 0.5), "conjugate")],
)  # fmt: skip
def test_drawn_networks_fill_the_bins(name: str, gamma: tuple[float, ...], kernel: str) -> None:
    """240 inputs, 8 networks: bins within 4 errors or 0.006 of the mass (finite n)."""
    found = rd.wide.kernel_spectrum(name, gamma=gamma, kernel=kernel, n=240, networks=8, seed=2)
    law = found.spectrum
    cuts = np.append(np.linspace(0.0, law.edges[1], 8)[:-1], 99.0)
    cuts[0] = -1.0
    counts = np.array([np.histogram(values, cuts)[0] for values in found.eigenvalues]) / 240
    error = counts.std(axis=0, ddof=1) / math.sqrt(8)
    assert np.all(np.abs(counts.mean(axis=0) - law.mass_in(cuts)) < 4.0 * error + 0.006)
    spread = found.eigenvalues.mean(axis=1)
    error = float(spread.std(ddof=1)) / math.sqrt(8)
    assert abs(float(spread.mean()) - found.mean) < 4.0 * error + 0.01
    assert found.eigenvalues[:, -1].mean() == pytest.approx(law.edges[1], rel=0.08)


def test_two_bands() -> None:
    """n far above the input entries: 99 of 100 directions near 1 - b^2, the others near 100 b^2."""
    found = rd.wide.kernel_spectrum("erf", gamma=[100.0, 0.01], kernel="conjugate")
    law = found.spectrum
    assert len(law.bands) == 2
    (low, high), (_, end) = law.bands[0], law.bands[1]
    assert end < 0.2 < 50.0 < low < high
    assert law.above(1.0) == pytest.approx(0.01, abs=1e-12)
    assert law.mean == pytest.approx(1.0, rel=1e-11)
    variance = found.slope**2 * 100.0 + 0.01
    assert law.variance == pytest.approx(variance, rel=1e-10)
    assert law.quantile(0.005) > low
    assert law.quantile(0.5) < end


def test_missing_mass_is_told() -> None:
    """Linear layers: the density has another power at 0, and the message says so."""
    found = rd.wide.kernel_spectrum("linear", gamma=[1.0, 1.0, 1.0], kernel="conjugate")
    assert not found.converged
    assert "another power than -1/2 at 0" in found.message


def test_files_documents_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.h5"
    words = ["kernel-spectrum", "--activation", "erf", "--gamma", "0.5,1", "--n", "30",
             "--networks", "2"]  # fmt: skip
    assert run([*words, "--json", "--output", str(path), "--plot", str(tmp_path / "a.png")]) == 0
    found = json.loads(capsys.readouterr().out)
    loaded = rd.load(path)
    assert loaded.as_dict() == found
    assert len(found["eigenvalues"][0]) == 30
    more = rd.wide.kernel_spectrum("erf", gamma=[0.5, 1.0], n=30, networks=3, known=loaded)
    assert more.eigenvalues[:2].tolist() == found["eigenvalues"]
    assert run(["plot", "kernel-spectrum", str(path)]) == 0
    other = rd.wide.kernel_spectrum("erf", gamma=[0.5, 2.0], kernel="conjugate")
    ax = rd.plot.kernel_spectrum([loaded, other])
    assert ax.lines[0].get_ydata().tolist() == loaded.spectrum.log_density.tolist()
    assert run(words) == 0
    assert "none below r+ = 0.31211716" in capsys.readouterr().out
    assert run([*words[:3], "--kernel", "conjugate", "--gamma", "1,2"]) == 0
    assert "atom at 0 of mass 0.5" in capsys.readouterr().out


MISTAKES = {
    "--gamma 1": "gamma = '1 numbers': 2 to 11, inputs first",
    "--gamma 1,0": "gamma = 0.0: numbers from 0.01 to 100",
    "--kernel nngp": "kernel = 'nngp': one of ntk, conjugate",
    "--activation sign": "kernel = 'ntk': conjugate for sign",
    "--n 50": "n = 50: only with networks",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_are_one_line(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["kernel-spectrum", "--activation", "tanh", *words.split()]) == 2
    assert capsys.readouterr().err.startswith(f"Error: {MISTAKES[words]}")
