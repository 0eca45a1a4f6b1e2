"""The certificate: every check, every limit, with numbers that are not taken from the code."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

import replicadnn as rd
from replicadnn.certificate import CHECKS, Certificate, no_certificate
from replicadnn.status import Branch, BranchKind

GOOD = Certificate(
    residual=9e-9, mass_error=9e-11, ds_dq_max=9e-9, ds_dQ_max=9e-9, ds_dm_max=9e-9,
    grid_error=9e-9,
)  # fmt: skip


def test_a_certificate_within_every_limit_passes() -> None:
    assert GOOD.failures(1e-8) == []
    assert GOOD.passes(1e-8)
    assert replace(GOOD, grid_error=math.nan).passes(1e-8)  # no grid: does not apply


@pytest.mark.parametrize(
    ("name", "tol", "passes", "fails"),
    [
        ("residual", 1e-8, 1.0e-8, 1.1e-8),
        ("residual", 1e-12, 1.0e-12, 1.1e-12),  # the only one that a small tol makes stricter
        ("residual", 1e-4, 1.0e-4, 1.1e-4),
        ("mass_error", 1e-8, 1.0e-10, 1.1e-10),
        ("mass_error", 1e-4, 1.0e-10, 1.1e-10),  # fixed
        ("ds_dq_max", 1e-8, 1.0e-8, 1.1e-8),
        ("ds_dq_max", 1e-12, 1.0e-8, 1.1e-8),
        ("ds_dq_max", 1e-4, 1.0e-4, 1.1e-4),
        ("ds_dQ_max", 1e-8, 1.0e-8, 1.1e-8),
        ("ds_dQ_max", 1e-12, 1.0e-8, 1.1e-8),
        ("ds_dQ_max", 1e-4, 1.0e-4, 1.1e-4),
        ("ds_dm_max", 1e-8, 1.0e-8, 1.1e-8),
        ("ds_dm_max", 1e-12, 1.0e-8, 1.1e-8),
        ("ds_dm_max", 1e-4, 1.0e-4, 1.1e-4),
        ("grid_error", 1e-8, 1.0e-8, 1.1e-8),
        ("grid_error", 1e-12, 1.0e-8, 1.1e-8),
        ("grid_error", 1e-4, 1.0e-4, 1.1e-4),
    ],
)
def test_limits(name: str, tol: float, passes: float, fails: float) -> None:
    clean = Certificate(residual=0.0, mass_error=0.0, ds_dq_max=0.0, ds_dQ_max=0.0, ds_dm_max=0.0)
    assert replace(clean, **{name: passes}).passes(tol)
    found = replace(clean, **{name: fails}).failures(tol)
    assert len(found) == 1
    assert found[0].startswith(f"{name} = {fails:.2e} (limit ")


def test_every_check_has_limits_above() -> None:
    assert [c.name for c in CHECKS] == [
        "residual", "mass_error", "ds_dq_max", "ds_dQ_max", "ds_dm_max", "grid_error",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["residual", "mass_error", "ds_dq_max", "ds_dQ_max", "ds_dm_max"])
def test_nan_fails(name: str) -> None:
    assert not replace(GOOD, **{name: math.nan}).passes(1e-2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"unstable_liquid_layers": (2,)}, "unstable liquid layers [2]"),
        ({"unstable_zero_levels": ((1, 3),)}, "unstable zero overlaps (layer, level) [(1, 3)]"),
        ({"monotone": False}, "overlaps not monotone in x"),
    ],
)
def test_what_must_not_be(change: dict[str, Any], words: str) -> None:
    assert replace(GOOD, **change).failures(1e-2) == [words]


def test_what_is_no_check() -> None:
    told = replace(
        GOOD, contraction=2.0, replicon=(1.5,), levels_error_s=1.0, levels_error_q=1.0,
        levels_error_Q=1.0,
    )  # fmt: skip
    assert told.passes(1e-8)


def test_nothing_computed_is_not_converged() -> None:
    assert len(no_certificate().failures(1e-2)) == 5
    assert no_certificate(0.25).residual == 0.25
    assert not no_certificate(0.0).passes(1e-2)


@pytest.mark.parametrize(
    ("name", "text", "kind", "layers"),
    [
        ("continuous", "continuous", BranchKind.CONTINUOUS, 0),
        ("filled", "filled", BranchKind.FILLED, 0),
        ("discontinuous", "discontinuous", BranchKind.DISCONTINUOUS, 0),
        ("saturated", "saturated", BranchKind.SATURATED, 1),
        ("saturated 1", "saturated", BranchKind.SATURATED, 1),
        ("saturated 12", "saturated 12", BranchKind.SATURATED, 12),
        ("partly saturated", "partly saturated", BranchKind.PARTLY_SATURATED, 0),
        ("partly saturated 3", "partly saturated 3", BranchKind.PARTLY_SATURATED, 3),
        ("frozen", "saturated", BranchKind.SATURATED, 1),  # names in older files
        ("frozen 3", "saturated 3", BranchKind.SATURATED, 3),
        ("partly frozen", "partly saturated", BranchKind.PARTLY_SATURATED, 0),
    ],
)
def test_branch_names(name: str, text: str, kind: BranchKind, layers: int) -> None:
    branch = Branch(name)
    assert branch == text
    assert (branch.kind, branch.saturated_layers) == (kind, layers)
    assert branch.is_saturated is (kind in (BranchKind.SATURATED, BranchKind.PARTLY_SATURATED))


def test_branch_by_its_number_of_saturated_layers() -> None:
    assert Branch.saturated(1) == "saturated"
    assert Branch.saturated(4).saturated_layers == 4
    assert Branch.partly_saturated(1) == "partly saturated 1"


@pytest.mark.parametrize("name", ["", "solid", "filled 2", "saturated 0", "saturated x", "Filled"])
def test_no_branch_has_this_name(name: str) -> None:
    with pytest.raises(ValueError, match="|".join(["branch", "BranchKind", "count layers"])):
        Branch(name)


def test_converged_means_that_the_certificate_passes() -> None:
    for alpha, scenario, tol in ((5.0, "teacher-student", 1e-8), (5.0, "random", 1e-13)):
        for found in rd.solve(
            [alpha, 2 * alpha], 4, scenario=scenario, ansatz="rs", tol=tol, branch="all"
        ):
            assert found.converged is found.certificate.passes(tol)
