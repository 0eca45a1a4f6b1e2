"""Published and derived numbers that need longer runs."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest

from replicadnn.montecarlo.runs.simulate import simulate

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("alpha", "R", "sweeps", "samples"),
    [(1.0, 0.48626, 6000, 8), (2.0, 0.72830, 8000, 6), (4.0, 0.90026, 12000, 4)],
)
def test_spherical_perceptron_generalises_as_the_rs_curve(alpha, R, sweeps, samples):
    """L = 1, N = 100, hard constraint: R against the dense-limit value (docs/theory.md).

    The planted start is an exact equilibrium sample, and R falls from 1 to its equilibrium value.
    The last octave of the run must be flat, and R agree to 0.005 (the corrections of order 1/N
    included; the statistical error is below 0.002).
    """
    run = simulate(alpha, 1, N=100, beta=math.inf, sweeps=sweeps, samples=samples, seed=5)
    # violated gaps of a layer: none, or one by rounding in a few of the records
    assert run.energy[0] * 100 * 100 * alpha < 0.05
    assert run.equilibrium.startswith("not shown: the state is an exact equilibrium sample")
    by_sample = run.samples["R"][:, 0]
    assert by_sample.std(ddof=1) / math.sqrt(samples) < 0.002
    first, second = (
        run.series["R"][(run.series_times > low) & (run.series_times <= high), 0].mean()
        for low, high in ((sweeps / 2, 3 * sweeps / 4), (3 * sweeps / 4, sweeps))
    )
    assert abs(first - second) < 0.002
    assert by_sample.mean() == pytest.approx(R, abs=0.005)


def test_ends_relax_slower_than_the_centre():
    """L = 8, N = 10, alpha = 8, beta = 3: the slow zones at both ends."""
    run = simulate(8.0, 8, N=10, beta=3.0, sweeps=20_000, samples=8, seed=2)
    assert np.isfinite(run.tau_S).all()
    assert np.all(run.tau_S_err < 0.15 * run.tau_S)
    centre = run.tau_S[3]
    assert run.tau_S[0] > 5.0 * centre
    assert run.tau_S[-1] > 4.0 * centre
    assert np.all(np.diff(run.tau_S[:4]) < 0)
    assert np.all(np.diff(run.tau_S[3:]) > 0)


def test_soft_potential_collapses_and_says_so():
    """L = 8, N = 20, alpha = 4, beta = 50: layers become copies of one neuron, gaps crowd at 0."""
    arguments = {"L": 8, "N": 20, "alpha": 4.0, "samples": 1, "start": "random", "seed": 3}
    count = simulate(**arguments, beta=3.0, sweeps=3000)
    assert not count.collapsed
    assert count.last_octave["spin_correlation"].max() < 0.3
    soft = simulate(**arguments, beta=50.0, potential="soft", sweeps=12_000)
    assert soft.collapsed
    assert "collapsed" in soft.message
    copies = np.argmax(soft.last_octave["spin_correlation"]) + 1  # a hidden layer of copies
    # the fields of the layer above it (index copies = layer + 1)
    assert soft.last_octave["rms_h"][copies] < 0.2


PORTABLE = """
import hashlib
import numpy as np
from replicadnn.montecarlo.runs.simulation import Simulation
from replicadnn.montecarlo.spec import make_spec
digest = hashlib.sha256()
for alpha, sampler in ((5.0, "gap"), (3.0, "weights")):
    how = {"sampler": sampler, "sweeps": 300, "samples": 1, "step": 0.3}
    sim = Simulation(make_spec(alpha, 3, N=12, **how))
    sim.run(300)
    arrays = sim.arrays()
    for name in sorted(n for n in arrays if n.startswith("chain/")):
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
print(digest.hexdigest())
"""


def test_same_bits_without_wide_registers(tmp_path):
    """Code for a plain processor (no FMA, no AVX) gives the very same trajectory."""
    found = []
    for k, target in enumerate(({}, {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""})):
        environment = os.environ | target | {"NUMBA_CACHE_DIR": str(tmp_path / str(k))}
        done = subprocess.run(
            [sys.executable, "-c", PORTABLE],
            env=environment, capture_output=True, text=True, check=True, timeout=300,
        )  # fmt: skip
        found.append(done.stdout)
    assert found[0] == found[1]
    assert len(found[0].strip()) == 64
