"""Distribution of the gaps: normalisation, the derivative in kappa, closed forms, jamming."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from replicadnn.cli.main import run
from scipy.special import ndtr

import replicadnn as rd
from replicadnn.problem import Ansatz, Problem, Scenario
from replicadnn.theory import closures
from replicadnn.theory.closures.averaged.gaps import GapDensity, readable_density
from replicadnn.theory.closures.exact.broken_gaps import LevelGaps, _one_side
from replicadnn.theory.closures.exact.equations import Equations
from replicadnn.theory.closures.exact.gaps import GapDensity as ExactDensity
from replicadnn.theory.closures.exact.plane import plane_flow
from replicadnn.theory.closures.exact.site import Sites
from replicadnn.theory.symmetric.state import State
from replicadnn.types import FloatArray

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


# --- exact neurons -------------------------------------------------------------------------------


def _exact(alpha: float, L: int, **where: Any) -> rd.Solution:
    found: rd.Solution = rd.solve(alpha, L, scenario="random", closure="exact", **where)
    assert found.converged
    return found


@pytest.mark.parametrize(
    ("L", "alpha", "kappa", "beta"),
    [(2, 4.0, 0.0, math.inf), (2, 4.0, 0.3, math.inf), (3, 20.0, 0.2, 3.0), (2, 20.0, 0.0, 3.0)],
)
def test_exact_gaps_are_derivatives_of_s(L: int, alpha: float, kappa: float, beta: float) -> None:
    """ds/dkappa = -(1 - e^-beta) sum_l P_l(kappa + 0), ds/dbeta = -sum_l violated(l)."""
    step = 1e-3
    layers = [rd.gap_distribution(_exact(alpha, L, kappa=kappa, beta=beta), l + 1)
              for l in range(L)]  # fmt: skip
    assert all(abs(layer.norm - 1.0) < 1e-10 for layer in layers)
    by_kappa = sum(
        w * _exact(alpha, L, kappa=kappa + k * step, beta=beta).free_entropy for k, w in _STENCIL
    ) / (12.0 * step)
    edge = (1.0 - math.exp(-beta)) * sum(layer.edge for layer in layers)
    assert by_kappa == pytest.approx(-edge, rel=1e-8)
    if math.isfinite(beta):
        by_beta = sum(
            w * _exact(alpha, L, kappa=kappa, beta=beta + k * step).free_entropy
            for k, w in _STENCIL
        ) / (12.0 * step)
        violated = sum(layer.violated for layer in layers)
        assert by_beta == pytest.approx(-violated, rel=1e-9)
    else:
        assert all(layer.violated == 0.0 for layer in layers)


def test_exact_violations_of_every_layer() -> None:
    """Violated gaps of layer l: -dF(l)/dbeta at fixed overlaps and fields."""
    found = _exact(20.0, 3, beta=3.0)
    state = State(found.q_ea, found.one_minus_q_ea, found.Q_ea, found.one_minus_Q_ea)
    at = Equations(found.problem).layers(state)

    def potentials(beta: float) -> np.ndarray:
        return Sites(replace(found.problem, beta=beta)).potentials(at.lam, at.mu, at.eps)

    step = 1e-3
    slope = sum(w * potentials(3.0 + k * step) for k, w in _STENCIL) / (12.0 * step)
    violated = [rd.gap_distribution(found, l).violated for l in (1, 2, 3)]
    assert violated == pytest.approx(-slope, rel=1e-9)


@pytest.mark.parametrize("where", [(1.0, math.inf, 0.0), (3.0, 3.0, 0.0), (0.8, 5.0, 0.4)])
def test_exact_gaps_of_one_perceptron_are_the_averaged_ones(
    where: tuple[float, float, float],
) -> None:
    alpha, beta, kappa = where
    one = rd.gap_distribution(_exact(alpha, 1, beta=beta, kappa=kappa), 1)
    other = rd.gap_distribution(
        rd.solve(alpha, 1, scenario="random", ansatz="rs", beta=beta, kappa=kappa), 1
    )
    assert pytest.approx(other.P, abs=1e-10) == one.P
    assert one.edge == pytest.approx(other.edge, abs=1e-10)


@pytest.mark.parametrize(
    ("lam", "eps", "beta", "kappa"),
    [(0.5, 1.0, math.inf, 0.0), (0.5, 3.9, 3.0, 0.2), (0.5, 4.1, 3.0, 0.2), (0.3, 60.0, 2.0, 0.0)],
)
def test_exact_gaps_against_both_sums_over_the_plane(
    lam: float, eps: float, beta: float, kappa: float
) -> None:
    """The formula as it is first written, a sum over S, omega and u; narrow and wide fields u."""
    problem = Problem(alpha=1.0, L=2, scenario=Scenario.RANDOM, kappa=kappa, beta=beta)
    V = 1.0 - lam
    z = np.linspace(-9.0, 9.0, 1801)
    weight = np.exp(-0.5 * z**2) * (z[1] - z[0]) / math.sqrt(2.0 * math.pi)
    omega, u = math.sqrt(lam) * z[::6, None], math.sqrt(eps) * z
    plane = 6.0 * weight[::6, None] * weight
    noise = math.exp(-beta)

    def W(x: np.ndarray) -> np.ndarray:
        return noise + (1.0 - noise) * ndtr((x - kappa) / math.sqrt(V))

    r = kappa + np.array([-1.0, -0.1, 0.0, 0.1, 0.7, 2.0])
    r = r[r >= kappa] if math.isinf(beta) else r
    want = []
    for gap in r:
        near = [np.exp(S * u - 0.5 * (gap - S * omega) ** 2 / V) for S in (1.0, -1.0)]
        total = np.exp(u) * W(omega) + np.exp(-u) * W(-omega)
        mean = float(np.sum(plane * (near[0] + near[1]) / total)) / math.sqrt(2.0 * math.pi * V)
        want.append(mean * (noise if gap < kappa else 1.0))
    assert ExactDensity(problem, lam, V, eps).at(r) == pytest.approx(want, rel=1e-9)


def test_exact_planted_gaps_are_a_cut_gaussian() -> None:
    """Student and teacher are alike: w(r) phi(r)/norm; the posterior average says the same."""
    found = rd.solve(20.0, 2, beta=3.0, closure="exact")
    gaps = rd.gap_distribution(found, 1)
    noise = math.exp(-3.0)
    exact = np.where(gaps.r < 0.0, noise, 1.0) * np.exp(-0.5 * gaps.r**2)
    assert np.allclose(gaps.P, exact * 2.0 / (math.sqrt(2.0 * math.pi) * (1.0 + noise)), atol=1e-12)
    lam = float(found.Q_ea[0])
    V = 1.0 - lam
    eps = float(Equations(found.problem).layers(
        State(found.q_ea, found.one_minus_q_ea, found.Q_ea, found.one_minus_Q_ea)
    ).eps[0])  # fmt: skip
    z = np.linspace(-9.0, 9.0, 601)
    weight = np.exp(-0.5 * z**2) * (z[1] - z[0]) / math.sqrt(2.0 * math.pi)
    omega, u = math.sqrt(lam) * z[:, None], eps + math.sqrt(eps) * z

    def W(x: np.ndarray) -> np.ndarray:
        return noise + (1.0 - noise) * ndtr(x / math.sqrt(V))

    planted = weight[:, None] * weight * 2.0 * W(omega) / (1.0 + noise)
    for gap in (-0.5, 0.0, 0.4, 1.5):
        near = [np.exp(S * u - 0.5 * (gap - S * omega) ** 2 / V) for S in (1.0, -1.0)]
        total = np.exp(u) * W(omega) + np.exp(-u) * W(-omega)
        mean = np.sum(planted * (near[0] + near[1]) / total) / math.sqrt(2.0 * math.pi * V)
        P = math.exp(-0.5 * gap**2) * 2.0 / (math.sqrt(2.0 * math.pi) * (1.0 + noise))
        assert mean == pytest.approx(P, rel=1e-10)


def test_every_layer_of_the_exact_closure_is_drawn(tmp_path: Path) -> None:
    """Input and output are no mirror images of each other; L = 2 has one q, but two Q."""
    found = _exact(20.0, 3)
    path = found.save(tmp_path / "g.h5")
    assert run(["plot", "gaps", str(path)]) == 0
    assert (tmp_path / "g_gaps.png").stat().st_size > 5000
    curves = ["$l = 1$", "$l = 2$", "cut Gaussian"]
    drawn = rd.plot.gaps_figure(_exact(4.0, 2)).axes[0]
    assert drawn.get_legend_handles_labels()[1] == curves
    averaged = rd.plot.gaps_figure(rd.solve(4.0, 2, scenario="random", ansatz="rs")).axes[0]
    assert averaged.get_legend_handles_labels()[1] == ["cut Gaussian"]
    assert averaged.get_title() == r"random, rs, $L = 2$, $l = 1$, $\alpha = 4$"
    P = [rd.gap_distribution(found, l).edge for l in (1, 3)]
    assert P[0] != pytest.approx(P[1], rel=0.05)


def test_a_closure_need_not_know_its_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    found = rd.solve(1.0, 1)
    monkeypatch.setattr(closures, "closure_of", lambda problem: SimpleNamespace(name="toy"))
    with pytest.raises(rd.InputError, match="toy"):
        rd.gap_distribution(found, 1)


# --- exact neurons with levels -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("L", "alpha", "kappa", "beta", "levels"),
    [
        pytest.param(2, 4.0, 0.2, 3.0, 2, marks=pytest.mark.slow),
        pytest.param(2, 6.0, 0.0, math.inf, 1, marks=pytest.mark.slow),
        pytest.param(3, 6.0, 0.0, math.inf, 1, marks=pytest.mark.slow),
        pytest.param(3, 2.0, 0.5, 4.0, 2, marks=pytest.mark.slow),
        pytest.param(3, 20.0, -1.0, math.inf, 2, marks=pytest.mark.slow),
    ],
)
def test_exact_gaps_with_levels_are_derivatives_of_s(
    L: int, alpha: float, kappa: float, beta: float, levels: int
) -> None:
    """Mass 1; ds/dkappa = -(1 - e^-beta) sum_l P_l(kappa + 0), ds/dbeta = -sum_l violated(l)."""
    step = 1e-3

    def solve(margin: float, cold: float) -> rd.Solution:
        return _exact(
            alpha, L, kappa=margin, beta=cold, ansatz="rsb", levels=levels
        )  # fmt: skip

    here = solve(kappa, beta)
    assert here.x.size == levels + 1
    layers = [rd.gap_distribution(here, l + 1) for l in range(L)]
    assert all(abs(layer.norm - 1.0) < 1e-10 for layer in layers)
    by_kappa = sum(
        w * solve(kappa + k * step, beta).free_entropy for k, w in _STENCIL
    ) / (12.0 * step)  # fmt: skip
    edge = (1.0 - math.exp(-beta)) * sum(layer.edge for layer in layers)
    assert by_kappa == pytest.approx(-edge, rel=1e-8)
    if math.isinf(beta):
        assert all(layer.violated == 0.0 for layer in layers)
        return
    by_beta = sum(
        w * solve(kappa, beta + k * step).free_entropy for k, w in _STENCIL
    ) / (12.0 * step)  # fmt: skip
    assert by_beta == pytest.approx(-sum(layer.violated for layer in layers), rel=1e-8)


def test_levels_change_the_gaps_of_solid_layers_only() -> None:
    """L = 4, kappa = 1, alpha = 0.5: layer 2 liquid, layer 3 above it without a signal from below.

    The gaps of layers 1 and 4 are closer to the margin than those of a cut Gaussian.
    """
    found = _exact(0.5, 4, kappa=1.0, ansatz="rsb", levels=1)
    norm = math.sqrt(2.0 * math.pi) * ndtr(-1.0)
    for layer, liquid in ((1, False), (2, True), (3, True), (4, False)):
        gaps = rd.gap_distribution(found, layer)
        assert gaps.norm == pytest.approx(1.0, abs=1e-12)
        free = np.exp(-0.5 * gaps.r**2) / norm
        assert np.allclose(gaps.P, free, rtol=1e-12, atol=0.0) == liquid
        edge = math.exp(-0.5) / norm
        if liquid:
            assert gaps.edge == pytest.approx(edge, rel=1e-12)
        else:
            assert gaps.edge > 1.001 * edge


def test_gaps_next_to_contact_are_on_a_grid_of_their_own() -> None:
    """lam(1) = 0.99: twice the points of omega change nothing; those of the flow were too few."""
    problem = Problem(
        alpha=1.0, L=2, scenario=Scenario.RANDOM, kappa=0.0, closure="exact", ansatz=Ansatz.RSB
    )
    m, lam, eps = np.array([0.0, 0.3]), np.array([0.0, 0.99]), np.array([0.0, 4.0])
    r = np.geomspace(1e-3, 3.0, 40)

    def density(finer: float) -> FloatArray:
        flow = plane_flow(m, lam, eps, 0.0, math.inf, 5.0, finer)
        return LevelGaps(problem, *_one_side(flow), 0.01).at(r)

    usual = 5.5 * 0.35 / (0.5 * 5.0) * math.sqrt(99.0)
    assert density(usual) == pytest.approx(density(2.0 * usual), rel=1e-7)
    assert density(1.0) != pytest.approx(density(usual), rel=1e-3)
