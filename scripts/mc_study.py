"""Finite-width studies: relaxation times against N, overlaps against the replica solution.

    python scripts/mc_study.py widths --L 8 --alpha 8 --N 10,14,20,28 --output FILE.json
    python scripts/mc_study.py theory --L 2 --alpha 8 --N 10,20,40 --output FILE.json
    python scripts/mc_study.py dilute --L 2 --alpha 4,8,12,20 --c 16,32 -o FILE.json --plot FILE.png

``dilute`` (scripts/dilute_study.py): diluted networks beside both closures, from both starts.

The other runs are teacher-student, planted, count potential.  ``widths`` gives tau_J(l), tau_S(l)
for every N and the exponent of tau ~ N^z with its error (a description of the widths simulated, no
claim about N -> infinity).  ``theory`` puts the overlaps of two replicas from one planted state
beside q_EA(l), Q_EA(l) of the teacher-student solution at the same alpha, beta, L, and the height
of the shoulder of C(l, t) where the relaxation has two steps.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import dilute_study
import numpy as np

from replicadnn.errors import ReplicaDNNError
from replicadnn.montecarlo.measure import relaxation
from replicadnn.montecarlo.runs.result import MonteCarloResult, plain
from replicadnn.montecarlo.runs.simulate import simulate


def run(N: int, options: argparse.Namespace, replicas: int) -> MonteCarloResult:
    """One planted run of width N."""
    result = simulate(
        options.alpha,
        options.L,
        N=N,
        beta=options.beta,
        sweeps=options.sweeps,
        samples=options.samples,
        replicas=replicas,
        seed=options.seed,
        threads=options.threads,
    )
    print(f"N = {N}: {result.message}; {result.timings['seconds']:.0f} s", file=sys.stderr)
    return result


def curves(result: MonteCarloResult) -> dict[str, Any]:
    """What a figure of one width needs."""
    names = (
        "params", "times", "C_J", "C_J_err", "C_S", "C_S_err", "tau_J", "tau_J_err",
        "tau_J_bound", "tau_S", "tau_S_err", "tau_S_bound", "energy", "acceptance", "Q", "Q_err",
        "Q_bound", "q", "q_err", "q_bound", "R_matched", "r_matched", "series_times",
    )  # fmt: skip
    out = {name: getattr(result, name) for name in names}
    return out | {"Q_series": result.series["Q"], "q_series": result.series["q"]}


def widths(options: argparse.Namespace) -> dict[str, Any]:
    """Relaxation times for every N, and exponents layer by layer."""
    rows = [run(N, options, 1) for N in options.N]
    N = np.array(options.N, float)
    fits = {}
    for name in ("tau_S", "tau_J"):
        tau = np.array([getattr(row, name) for row in rows])
        error = np.array([getattr(row, name + "_err") for row in rows])
        fits[name] = [
            relaxation.growth_exponent(N, tau[:, k], error[:, k]) for k in range(tau.shape[1])
        ]
    return {"runs": [curves(row) for row in rows], "exponent_error_chi2": fits}


def theory(options: argparse.Namespace) -> dict[str, Any]:
    """Two-replica overlaps and shoulders beside the replica solution."""
    from replicadnn.theory.solve import solve

    solution = solve(
        alpha=[options.alpha], L=options.L, scenario="teacher-student", beta=options.beta
    )[0]
    runs = []
    for N in options.N:
        row = run(N, options, 2)
        shoulders = {
            name: [
                relaxation.shoulder(row.times, curve, error)
                for curve, error in zip(
                    getattr(row, name), getattr(row, name + "_err"), strict=True
                )
            ]
            for name in ("C_J", "C_S")
        }
        runs.append(curves(row) | {"shoulders": shoulders})
    return {
        "q_ea": np.asarray(solution.q_ea),
        "Q_ea": np.asarray(solution.Q_ea),
        "runs": runs,
    }


def width_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``widths`` and ``theory``."""
    parser.add_argument("--L", type=int, default=8)
    parser.add_argument("--alpha", type=float, default=8.0)
    parser.add_argument("--beta", type=float, default=3.0)
    parser.add_argument("--N", type=lambda s: [int(n) for n in s.split(",")], default=[10, 14, 20])
    parser.add_argument("--sweeps", type=int, default=20_000)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", required=True)


def main(words: list[str] | None = None) -> int:
    """Run one study and write one JSON document; 2 for a mistake of the user."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    studies = parser.add_subparsers(dest="study", required=True)
    for name in ("widths", "theory"):
        width_arguments(studies.add_parser(name))
    dilute_study.add_arguments(studies.add_parser("dilute"))
    options = parser.parse_args(words)
    try:
        if options.study == "dilute":
            dilute_study.main(options)
            return 0
        document = {"widths": widths, "theory": theory}[options.study](options)
        with open(options.output, "w", encoding="utf-8") as file:
            json.dump(plain(document), file)
    except ReplicaDNNError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
