from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "default", deadline=None, max_examples=40, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
settings.load_profile("default")


@pytest.fixture
def data() -> Path:
    return Path(__file__).resolve().parent.parent / "data"


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("REPLICADNN_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True, scope="session")
def _compiles_silently() -> None:
    """Whether a test finds its kernels compiled depends on what ran before it."""
    from replicadnn.kernels import _parts

    _parts._spent[:] = [-math.inf]


@pytest.fixture(scope="session")
def compiled() -> None:
    """Both samplers compiled (about 20 s with an empty numba cache): no test is timed with it."""
    from replicadnn.montecarlo.runs.simulate import simulate

    for sampler in ("gap", "weights"):
        simulate(1.0, 2, N=2, sampler=sampler, sweeps=1, samples=1)
