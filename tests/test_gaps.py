"""Distribution of the gaps: normalisation, the derivative in kappa, closed forms, jamming."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from replicadnn.cli.main import run
from scipy.special import ndtr

import replicadnn as rd
from replicadnn.problem import Problem, Scenario
from replicadnn.theory import closures
from replicadnn.theory.closures.averaged.gaps import GapDensity, readable_density

_STENCIL = ((-2, 1.0), (-1, -8.0), (1, 8.0), (2, -1.0))


@pytest.mark.parametrize(
    ("L", "alpha", "kappa", "beta", "ansatz"),
    [(1, 1.0, 0.0, math.inf, "rs"), (1, 50.0, -2.0, math.inf, "rs"),
     (2, 10.0, 0.0, 3.0, "rs"), (3, 20.0, 0.1, math.inf, "rs"),
     (2, 5.0, 0.1, 4.0, "rsb"), (1, 3.0, 0.0, 750.0, "rs"), (1, 3.0, 4.0, 200.0, "rs"),
     pytest.param(1, 3.0, 0.0, 30.0, "rsb", marks=pytest.mark.slow),
     pytest.param(3, 8.0, 0.0, math.inf, "rsb", marks=pytest.mark.slow)],
)  # fmt: skip
def test_edge_is_the_derivative_of_s(
    L: int, alpha: float, kappa: float, beta: float, ansatz: str
) -> None:
    """ds/dkappa = -(1 - e^-beta) sum_l P_l(kappa + 0), the left side by differences of s."""
    step = 1e-3

    def solve(margin: float) -> rd.Solution:
        found: rd.Solution = rd.solve(
            alpha, L, scenario="random", ansatz=ansatz, kappa=margin, beta=beta, levels=4
        )
        assert found.converged
        return found

    slope = sum(w * solve(kappa + k * step).free_entropy for k, w in _STENCIL) / (12.0 * step)
    layers = [rd.gap_distribution(solve(kappa), l) for l in range(1, L + 1)]
    assert all(abs(layer.norm - 1.0) < 1e-10 for layer in layers)
    edge = (1.0 - math.exp(-beta)) * sum(layer.edge for layer in layers)
    assert slope == pytest.approx(-edge, rel=1e-6)


def test_planted_gaps_are_a_cut_gaussian() -> None:
    found = rd.solve(20.0, 3, kappa=0.3, beta=3.0)
    for layer in (1, 2):
        gaps = rd.gap_distribution(found, layer)
        noise = math.exp(-3.0)
        norm = noise + (1.0 - noise) * ndtr(-0.3)
        exact = np.where(gaps.r < 0.3, noise, 1.0) * np.exp(-0.5 * gaps.r**2)
        assert np.allclose(gaps.P, exact / (math.sqrt(2.0 * math.pi) * norm), atol=1e-12)
        assert gaps.violated == pytest.approx(noise * ndtr(0.3) / norm, abs=1e-12)


def test_half_of_the_gaps_close_at_capacity() -> None:
    """alpha -> 2: weight 1/2 at r = 0 (alpha/2 = 1 contact a coupling), then half a Gaussian."""
    weights = []
    for alpha in (1.99, 1.999, 1.9999):
        gaps = rd.gap_distribution(rd.solve(alpha, 1, scenario="random", ansatz="rs"), 1)
        assert abs(gaps.norm - 1.0) < 1e-10
        weights.append(gaps.within(0.1))
    rest = ndtr(0.1) - 0.5
    error = np.array(weights) - 0.5 - rest
    assert np.all(np.diff(np.abs(error)) < 0.0)
    assert abs(error[-1]) < 1e-3
    tail = gaps.r > 0.5
    free = np.exp(-0.5 * gaps.r[tail] ** 2) / math.sqrt(2.0 * math.pi)
    assert np.allclose(gaps.P[tail], free, rtol=1e-3)


def test_liquid_layers_and_finite_temperature() -> None:
    found = rd.solve(2.0, 4, scenario="random", ansatz="rs", beta=2.0)
    gaps = rd.gap_distribution(found, 2)
    assert gaps.violated == pytest.approx(1.0 / (1.0 + math.exp(2.0)), abs=1e-10)
    assert gaps.mean == pytest.approx(
        math.sqrt(2.0 / math.pi) * (1.0 - math.exp(-2.0)) / (1.0 + math.exp(-2.0)), abs=1e-10
    )


def test_figure_and_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "g.h5"
    rd.solve([4.0, 20.0], 3, scenario="random", ansatz="rs").save(path)
    for extra in ([], ["--alpha", "4"], ["--layer", "1"]):
        target = tmp_path / f"g{len(extra)}{extra[:1]}.png"
        assert run(["plot", "gaps", str(path), "-o", str(target), *extra]) == 0
        assert target.stat().st_size > 5000
    assert run(["plot", "gaps", str(path), "--alpha", "5"]) == 2
    assert run(["plot", "gaps", str(path), "--layer", "9", "-o", str(tmp_path / "no.png")]) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lam", "kappa", "beta"),
    [(0.3, 0.0, math.inf), (0.8, -1.2, math.inf), (0.6, 0.4, 3.0), (0.05, 0.0, 8.0)],
)
def test_kernel_against_its_readable_twin(lam: float, kappa: float, beta: float) -> None:
    problem = Problem(alpha=1.0, L=1, scenario=Scenario.RANDOM, kappa=kappa, beta=beta)
    r = kappa + np.concatenate([-np.geomspace(2.0, 1e-3, 7), [0.0], np.geomspace(1e-3, 4.0, 9)])
    r = r[r >= kappa] if math.isinf(beta) else r
    density = GapDensity(problem, np.zeros(1), np.array([lam]), 1.0 - lam)
    assert density.width == pytest.approx(math.sqrt(1.0 - lam))
    assert density.at(r) == pytest.approx(readable_density(r, lam, kappa, beta), rel=1e-8)


def test_a_closure_need_not_know_its_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    found = rd.solve(1.0, 1)
    monkeypatch.setattr(closures, "closure_of", lambda problem: SimpleNamespace(name="toy"))
    with pytest.raises(rd.InputError, match="toy"):
        rd.gap_distribution(found, 1)
