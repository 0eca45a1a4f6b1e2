"""What a type checker knows of the public calls (read by mypy in tests/test_calls.py, not run)."""

from __future__ import annotations

from typing import assert_type

import numpy as np

import replicadnn as rd

BRANCH: str = "all"

assert_type(rd.solve(25, 20), rd.Solution)
assert_type(rd.solve(np.float64(25.0), L=20, branch="continuous"), rd.Solution)
assert_type(rd.solve(np.int64(25), 20), rd.Solution)
assert_type(rd.solve([25, 100.0], 20), rd.Solutions)
assert_type(rd.solve(range(1, 4), 20, scenario="random"), rd.Solutions)
assert_type(rd.solve(np.linspace(1.0, 9.0, 3), 20, ansatz=None), rd.Solutions)
assert_type(rd.solve(25, 20, branch="all"), rd.Solutions)
assert_type(rd.solve(25, 20, branch=BRANCH), rd.Solution | rd.Solutions)
assert_type(rd.solve(rd.Problem(25, 20, kappa=0.5)), rd.Solution)
assert_type(rd.solve(rd.Problem(25, 20), branch="all"), rd.Solutions)
assert_type(rd.simulate(4, 3, N=10, sweeps=100), rd.MonteCarloResult)
assert_type(rd.simulate(4, 3, N=10, start="random", output="a.h5"), rd.MonteCarloResult)
assert_type(rd.simulate(4, 3, N=10, tempering=[1.0, 2.0], every=5), rd.TemperingResult)
assert_type(rd.simulate(4, 3, N=[10, 14], progress=True), rd.Runs)
assert_type(rd.simulate(4, 3, N=64, connectivity=[8, 16]), rd.Runs)
assert_type(rd.simulate(4, 3, N=10, start="both"), rd.Runs)
assert_type(rd.generalisation([1, 10], 4), rd.Generalisation)
rd.solve(25)  # type: ignore[call-overload]
rd.solve(rd.Problem(25, 20), 20)  # type: ignore[call-overload]
rd.solve(25, 20, levls=4)  # type: ignore[call-overload]
rd.solve(25, 20, "random")  # type: ignore[call-overload]
rd.generalisation(4, [1, 2], 0.5)  # type: ignore[call-arg]
rd.simulate(4, 3, 10)  # type: ignore[call-overload]
