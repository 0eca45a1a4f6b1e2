"""Replicon against the linear map of fluctuations written out."""

from __future__ import annotations

import numpy as np
import pytest
from broken_cases import equations
from test_rsb import random_state

from replicadnn.theory import spherical as response
from replicadnn.theory.broken.state import Evaluation
from replicadnn.theory.closures.averaged import broken_replicon as module
from replicadnn.theory.closures.averaged.broken import LevelEquations
from replicadnn.theory.closures.averaged.broken_flows import Layers
from replicadnn.theory.closures.averaged.broken_replicon import liquid_curvature

Array = np.ndarray


def fluctuation_map(
    model: LevelEquations, ev: Evaluation, level: int
) -> tuple[Array, Array, Array]:
    """(delta q, delta Q) -> themselves and -> delta eps; delta q/delta eps; at one level."""
    L, kept = model.problem.L, ev.kept
    assert isinstance(kept, Layers)
    q, Q, G = ev.q[:, level], ev.state.Q[:, level], kept.G[:, level]
    spin, gap = np.ones(L + 1), np.full(L, liquid_curvature(model.problem))
    spin[[0, L]] = 0.0
    for layer, flow in enumerate(kept.spin_flows):
        if flow is not None:
            free = level < flow.curvature.size
            spin[[layer, L - layer]] = flow.curvature[level] if free else 0.0
    for layer, flow in enumerate(kept.gap_flows):
        if flow is not None:
            gap[[layer, L - 1 - layer]] = flow.curvature[level]
    D2 = response.resolvents(ev.state.Q, np.tile(ev.state.m, (L, 1)))[:, level] ** 2
    deps, dB = np.zeros((L + 1, 2 * L + 1)), np.zeros((L, 2 * L + 1))
    for s in range(L):
        left, own, right = s, L + 1 + s, s + 1
        dG = np.zeros(2 * L + 1)
        dG[left] = gap[s] * q[right] * Q[s]
        dG[right] = gap[s] * q[left] * Q[s]
        dG[own] = gap[s] * q[left] * q[right]
        for here, there in ((left, right), (right, left)):  # eps(here): Q q(there) G
            deps[here] += Q[s] * q[there] * dG
            deps[here, there] += Q[s] * G[s]
            deps[here, own] += q[there] * G[s]
        dB[s] = model.problem.alpha * q[left] * q[right] * dG  # B = alpha q q G
        dB[s, left] += model.problem.alpha * q[right] * G[s]
        dB[s, right] += model.problem.alpha * q[left] * G[s]
    return np.vstack([spin[:, None] * deps, D2[:, None] * dB]), deps, spin


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize(
    ("L", "dense"), [*((L, True) for L in (1, 2, 3, 4, 5, 12, 13)), (12, False), (13, False)]
)
def test_replicon(L: int, dense: bool, frozen: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eigenvalue and vector; without `dense` by Lanczos steps."""
    monkeypatch.setattr(module, "DENSE", 300 if dense else 4)
    model = equations(4.0, L, 0.1)
    ev = model.evaluate(random_state(model, 4, L, frozen and L > 1))
    found = model.replicon(ev)
    for level in range(5):
        matrix, deps, spin = fluctuation_map(model, ev, level)
        assert found.rho[level] == pytest.approx(abs(np.linalg.eigvals(matrix)).max(), rel=1e-9)
        if found.rho[level] == 0.0:
            continue
        vector = np.concatenate([spin * found.eps[level] / found.rho[level], found.Q[level]])
        np.testing.assert_allclose(matrix @ vector, found.rho[level] * vector, atol=1e-8)
        np.testing.assert_allclose((deps @ vector)[1:L], found.eps[level, 1:L], atol=1e-8)
        total = vector[1:L].sum()
        shares = vector[1:L] / total if total > 1e-9 else np.zeros(L - 1)
        np.testing.assert_allclose(found.by_layer[level], shares, atol=1e-8)
