"""Same call, same bits: no result depends on what was computed before."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

import replicadnn as rd

CALLS: list[dict[str, Any]] = [
    {"alpha": 5.0, "L": 4},
    {"alpha": 5.0, "L": 4, "tol": 1e-12},
    {"alpha": [400.0, 500.0], "L": 20, "branch": "all"},
    {"alpha": 500.0, "L": 20, "branch": "all"},
    {"alpha": 8.0, "L": 5, "beta": 3.0},
    {"alpha": 6.0, "L": 3, "scenario": "random", "ansatz": "rs"},
    {"alpha": 6.0, "L": 3, "scenario": "random", "ansatz": "1rsb"},
    {"alpha": 6.0, "L": 3, "scenario": "random", "levels": 3},
    {"alpha": 6.0, "L": 3, "scenario": "random", "levels": 3, "tol": 1e-6},
    {"alpha": 8.0, "L": 3, "scenario": "random", "levels": 3},
    {"alpha": 7.0, "L": 3, "scenario": "random", "levels": 2, "branch": "equilibrium"},
    {"alpha": 30.0, "L": 1, "scenario": "random", "kappa": -1.5, "levels": 3},
    {"alpha": 5.0, "L": 3, "scenario": "random", "beta": 6.0, "levels": 2},
]


def bits(call: dict[str, Any]) -> list[bytes]:
    """Every number of the answer, exactly."""
    found = rd.solve(**call)
    items = [found] if isinstance(found, rd.Solution) else list(found)
    return [
        b"".join(
            np.ascontiguousarray(values).tobytes()
            for values in (
                s.x, s.q, s.Q, s.one_minus_q_ea, s.one_minus_Q_ea, s.free_entropy,
                s.entropy_interaction, s.entropy_couplings, s.entropy_neurons,
                [getattr(s.certificate, n) for n in ("residual", "ds_dq_max", "ds_dQ_max")],
            )
        )
        + f"{s.status} {s.branch} {s.message}".encode()
        for s in items
    ]  # fmt: skip


def test_a_shuffled_list_of_solves_gives_the_same_bits() -> None:
    first = {number: bits(call) for number, call in enumerate(CALLS)}
    for seed in (1,):
        order = list(range(len(CALLS)))
        random.Random(seed).shuffle(order)
        for number in order:
            assert bits(CALLS[number]) == first[number], CALLS[number]
