"""Fisher information of one sample: reference numbers, bands and atoms, drawn networks."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn.wide.bands import between
from replicadnn.wide.chains import Chain, affine, projection

#: activation, sigma_b2, L, init: q, p, lambda_max, mass of the atom on top, eta_max M.
REFERENCE = {
    ("hard-tanh", 0.001, 8, "orthogonal"): (
        0.1417688416425, 0.9915988135149, 1.16835796645, 0.9411916946045, 1.711804136601,
    ),
    ("hard-tanh", 0.001, 64, "orthogonal"): (
        0.1417688416425, 0.9915988135149, 11.97949233633, 0.4707252514404, 0.1669519829262,
    ),
    ("hard-tanh", 0.05, 8, "orthogonal"): (
        0.3550820256933, 0.8579679602954, 5.160483175539, 0.005775722067609, 0.3875606085647,
    ),
    ("hard-tanh", 0.05, 8, "gaussian"): (
        0.3550820256933, 0.8579679602954, 29.98191774495, 0.0, 0.06670687369011,
    ),
    ("relu", 0.0, 8, "orthogonal"): (0.5, 0.5, 30.97353963412, 0.0, 0.06457124447593),
    ("relu", 0.0, 8, "gaussian"): (0.5, 0.5, 66.45808858104, 0.0, 0.03009415471769),
    ("linear", 0.0, 8, "gaussian"): (1.0, 1.0, 74.73871815839, 0.0, 0.02675989165029),
}  # fmt: skip


@pytest.mark.parametrize("point", [point for point in REFERENCE if point[2] == 8])
def test_reference_values(point: tuple[str, float, int, str]) -> None:
    """Largest eigenvalue, atoms, rate; mass 1; the mean of the density is the exact one."""
    name, bias, L, init = point
    norm, p, top, mass, rate = REFERENCE[point]
    found = rd.wide.sample_fisher(name, sigma_b2=bias, L=L, init=init, M=100)
    assert (found.norm, found.largest) == pytest.approx((norm, top), rel=2e-12)
    assert found.eta_max * 100 == pytest.approx(rate, rel=2e-12)
    law = found.spectrum
    assert law is not None
    atoms = [one for one in ((norm, 1.0 - p), (top, mass)) if one[1] > 0.0]
    assert np.ravel(law.atoms) == pytest.approx(np.ravel(atoms), rel=1e-10)
    assert abs(law.mass_error) < 1e-11
    assert law.mean == pytest.approx(found.mean, rel=1e-10)
    assert found.mean == pytest.approx(8.0 * norm, rel=1e-12)
    assert found.converged


def test_deep_isometry() -> None:
    """L = 64: the maximum is an atom that grows like L, though the Jacobian is isometric."""
    point = ("hard-tanh", 0.001, 64, "orthogonal")
    norm, _, top, mass, rate = REFERENCE[point]
    w = rd.wide.sample_fisher("hard-tanh", sigma_b2=0.001, L=8, init="orthogonal").sigma_w2
    steps = [projection(1.0 / w), affine(norm, w)] * 63
    bands = Chain(norm, tuple(steps)).bands()
    assert bands[-1][1] < top
    assert norm * np.sum(w ** np.arange(64.0)) == pytest.approx(top, rel=1e-10)
    assert 1.0 - 63.0 * (1.0 - 1.0 / w) == pytest.approx(mass, rel=1e-10)
    assert 2.0 / top == pytest.approx(rate, rel=1e-12)


@pytest.mark.parametrize(
    ("init", "L", "top"), [("orthogonal", 6, 5.3239), ("gaussian", 6, 15.9256)]
)
def test_smooth_activations_have_an_edge(init: str, L: int, top: float) -> None:
    """tanh; one of one's own by panels on the real line; orthogonal: below the norm of all sums."""
    found = rd.wide.sample_fisher("tanh", sigma_b2=0.05, L=L, init=init)
    assert found.largest == pytest.approx(top, abs=1e-4)
    assert found.spectrum is None
    assert "edge and mean alone" in found.message
    assert found.largest < found.norm * sum(found.sigma_w2**k for k in range(L)) * (
        1.0 if init == "orthogonal" else 9.0
    )
    mine = rd.wide.Activation("mine", np.tanh, lambda x: 1.0 / np.cosh(x) ** 2)
    other = rd.wide.sample_fisher(mine, sigma_b2=0.05, L=L, init=init)
    assert other.largest == pytest.approx(found.largest, rel=1e-8)


def test_two_layers_in_closed_form() -> None:
    """L = 2: q on the killed directions; orthogonal: q + sigma_w^2 q on the rest, no density."""
    found = rd.wide.sample_fisher("linear", sigma_w2=0.7, sigma_b2=0.1, L=3, init="orthogonal")
    assert found.spectrum is not None
    assert found.spectrum.atoms == ((pytest.approx(found.norm * (1 + 0.7 + 0.49)), 1.0),)
    gaussian = rd.wide.sample_fisher("linear", L=2)
    assert gaussian.spectrum is not None
    assert gaussian.spectrum.edges == pytest.approx((1.0, 5.0), rel=1e-12)
    law = gaussian.spectrum
    exact = np.sqrt((5.0 - law.x) / (law.x - 1.0)) / (2.0 * math.pi)
    inside = (law.x > 1.001) & (law.x < 4.999)
    assert law.density[inside] == pytest.approx(exact[inside], rel=1e-9)


def test_two_atoms_and_deep_contraction() -> None:
    """L = 2, orthogonal relu: V and 3 V, half each; sigma_w2 = 1/2: twenty layers, mass 1."""
    found = rd.wide.sample_fisher("relu", L=2, init="orthogonal")
    assert found.spectrum is not None
    assert found.spectrum.atoms == ((0.5, 0.5), (1.5, 0.5))
    assert found.spectrum.mass_error == 0.0
    deep = rd.wide.sample_fisher("linear", sigma_w2=0.5, sigma_b2=0.1, L=20).spectrum
    assert deep is not None
    assert abs(deep.mass_error) < 1e-11
    assert deep.mean == pytest.approx(0.4 * (1.0 - 0.5**20), rel=1e-11)


def test_bands_are_those_of_a_projected_law() -> None:
    """P (q + w P' ) P by a large matrix: two bands' masses, and nothing in the gap."""
    p, norm, w = 0.9, 1.0, 1.0
    steps = [projection(p), affine(norm, w)] * 3
    chain = Chain(norm, tuple(steps))
    bands = chain.bands()
    law = between(
        bands, lambda x: chain.density(x, 80.0), ((norm, 0.1), (norm * 4.0, 1.0 - 3.0 * 0.1))
    )
    assert len(bands) == 2
    assert abs(law.mass_error) < 1e-12
    rng, n = np.random.default_rng(3), 600
    H = norm * np.eye(n)
    for _ in range(3):
        q, _ = np.linalg.qr(rng.standard_normal((n, n)))
        kept = q[:, : int(p * n)]
        H = norm * np.eye(n) + w * kept @ (kept.T @ H @ kept) @ kept.T
    values = np.linalg.eigvalsh(H)
    for low, high in bands:
        share = np.mean((values > low - 0.02) & (values < high + 0.02))
        assert share == pytest.approx(law.above(low) - law.above(high), abs=0.01)
    middle = 0.5 * (bands[0][1] + bands[1][0])
    assert law.above(bands[0][1]) == pytest.approx(law.above(middle), abs=1e-12)
    assert law.above(law.quantile(0.73)) == pytest.approx(0.73, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "bias", "init"),
    [
        ("hard-tanh", 0.05, "gaussian"),
        ("relu", 0.0, "orthogonal"),
        ("hard-tanh", 0.05, "orthogonal"),
    ],
)
def test_drawn_networks(name: str, bias: float, init: str) -> None:
    """Width 200, L = 6, 8 networks: fractions above six points within 4 errors or 0.02."""
    found = rd.wide.sample_fisher(name, sigma_b2=bias, L=6, init=init, M=200, networks=8, seed=3)
    law = found.spectrum
    assert law is not None
    cuts = np.linspace(1.5 * found.norm, 0.9 * found.largest, 6)
    counts = (found.eigenvalues[:, :, None] > cuts).mean(axis=1)
    error = counts.std(axis=0, ddof=1) / math.sqrt(8)
    exact = np.array([law.above(at) for at in cuts])
    assert np.all(np.abs(counts.mean(axis=0) - exact) < 4.0 * error + 0.02)
    mean = found.eigenvalues.mean(axis=1)
    assert abs(mean.mean() - found.mean) < 4.0 * mean.std(ddof=1) / math.sqrt(8) + 0.02 * found.mean
    assert found.eigenvalues[:, -1].mean() == pytest.approx(found.largest, rel=0.15)


def test_files_documents_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.h5"
    words = ["sample-fisher", "--activation", "hard-tanh", "--sigma-b2", "0.001", "--init",
             "orthogonal", "--L", "4", "--M", "20", "--networks", "2"]  # fmt: skip
    assert run([*words, "--json", "--output", str(path), "--plot", str(tmp_path / "a.png")]) == 0
    found = json.loads(capsys.readouterr().out)
    loaded = rd.load(path)
    assert loaded.as_dict() == found
    assert len(found["law"]["gaps"]) == 1
    more = rd.wide.sample_fisher(
        "hard-tanh", sigma_b2=0.001, init="orthogonal", L=4, M=20, networks=3, known=loaded
    )
    assert more.eigenvalues[:2].tolist() == found["eigenvalues"]
    assert run(["plot", "sample-fisher", str(path)]) == 0
    ax = rd.plot.sample_fisher([loaded, rd.wide.sample_fisher("relu", L=3)])
    assert ax.lines[0].get_ydata()[0] == pytest.approx(1.0, abs=1e-9)
    assert run(words) == 0
    assert "density from 0.28" in capsys.readouterr().out
    smooth = ["sample-fisher", "--activation", "tanh", "--sigma-b2", "0.1", "--L", "2"]
    assert run([*smooth, "--output", str(tmp_path / "b.h5")]) == 0
    assert "edge and mean alone" in capsys.readouterr().err
    assert rd.load(tmp_path / "b.h5").spectrum is None
    with pytest.raises(rd.InputError, match="activations with slope 0 or 1"):
        rd.plot.sample_fisher(rd.load(tmp_path / "b.h5"))


MISTAKES = {
    "--activation sign": "activation = 'sign': one with gradients",
    "--activation tanh --L 1": "L = 1: a whole number from 2 to 100",
    "--activation tanh": "sigma-w2 = 1.0: another one for tanh with sigma_b2 = 0: q* = 0",
    "--activation relu --sigma-b2 0.1": "sigma-b2 = 0.1: 0 for relu, or give sigma_w2",
    "--activation relu --sigma-w2 3": "sigma-w2 = 3.0: another one for relu",
    "--activation relu --init haar": "init = 'haar': one of gaussian, orthogonal",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_are_one_line(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sample-fisher", *words.split()]) == 2
    assert capsys.readouterr().err.startswith(f"Error: {MISTAKES[words]}")
