"""scripts/jamming.py: its flow against the package's, and the exponents of full breaking."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from replicadnn.theory.flow import fast_flow, gap_boundary
from replicadnn.theory.response import resolvents

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import jamming  # isort: skip

GAPS, FORCES, RISE = -0.41269, 0.42311, -1.41574


def test_the_graded_flow_is_the_flow_of_the_solver() -> None:
    m = np.array([0.0, 0.02, 0.05, 0.1])
    rest = np.array([0.2, 0.08, 0.02, 0.004])
    exact = fast_flow(gap_boundary(1.0 - rest[-1], -0.5), m, 1.0 - rest)
    errors = []
    for step in (0.06, 0.04):
        found = jamming.fields(m, resolvents(1.0 - rest, m), 0.8, -0.5, step)
        errors.append(float(np.max(np.abs(found.T / exact.T - 1.0))))
        assert found.mass_error < 1e-5
    assert errors[1] < errors[0] < 1e-5
    near = np.abs(exact.h + 0.5) < 0.3
    P = np.interp(exact.h[near] + 0.5, found.t, np.exp(found.log_P))
    spacing = exact.h[1] - exact.h[0]
    assert np.allclose(P, exact.P[-1, near] / spacing, rtol=3e-3)


@pytest.mark.slow
def test_local_exponents_approach_those_of_full_breaking() -> None:
    """kappa = -0.5: a hundredth of 1 - Q_K halves, or nearly, what is missing.

    alpha tends to the end, which is 4.696675 at four levels (`theory.capacity`), lower at more.
    """
    found = jamming.solve(-0.5, [1e-4, 1e-6, 1e-8])
    assert all(one.residual < 1e-8 for one in found)
    assert [one.alpha for one in found] == pytest.approx([4.6895, 4.6964, 4.6966], abs=1e-4)
    t = np.geomspace(1e-4, 0.03, 60)
    slopes = {
        GAPS: [float(one.fields.slope(t).min()) for one in found],
        FORCES: [float(one.fields.slope(-t).max()) for one in found],
        RISE: [float(one.rise()[3:-3].max()) for one in found],
    }
    for exponent, local in slopes.items():
        missing = np.abs(np.array(local) - exponent)
        assert np.all(missing[1:] < 0.55 * missing[:-1])
    assert slopes[GAPS][-1] == pytest.approx(GAPS, rel=0.06)
    assert slopes[RISE][-1] == pytest.approx(RISE, rel=0.02)
    decade = found[-1].fields.slope(np.geomspace(6e-4, 1e-2, 20))
    assert np.all(np.abs(decade / GAPS - 1.0) < 0.12)
