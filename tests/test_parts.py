"""Kernels inside kernels: compiled as parts of their callers, complete when asked for more."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from numba.core.registry import cpu_target

from replicadnn.kernels import _jit, _parts
from replicadnn.kernels._jit import jit_ieee_strict, jit_short, jit_strict

LINE = "replicadnn: compiling its loops for this machine (some 10 s, only the first time)\n"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(_parts, "_spent", [])
    yield
    assert "_library_class" not in vars(cpu_target.target_context.codegen())


def pair() -> tuple[Any, Any]:
    @jit_ieee_strict
    def ratio(x, y):  # type: ignore[no-untyped-def]
        return x / y

    @jit_short
    def ratios(x, y):  # type: ignore[no-untyped-def]
        out = np.empty(x.size, dtype=np.int16)
        for i in range(x.size):
            out[i] = min(ratio(x[i], y[i]), 300.0)
        return out

    return ratio, ratios


def test_a_part_has_no_form_of_its_own_until_python_calls_it() -> None:
    ratio, ratios = pair()
    x, y = np.array([6.0, 1.0]), np.array([2.0, 0.0])
    assert ratios(x, y).tolist() == [3, 300]  # division by zero as the callee was asked to
    assert ratios.signatures
    assert ratio.signatures == []
    assert ratio(1.0, 0.0) == np.inf
    assert ratio.signatures == [(numba.float64, numba.float64)]
    assert ratios(x, y).tolist() == [3, 300]


def test_options_of_the_callee_hold_in_the_caller() -> None:
    """x / 0 raises in `jit_strict`, not in a kernel of IEEE division that it calls."""
    ratio, _ = pair()

    @jit_strict
    def sums(x, y):  # type: ignore[no-untyped-def]
        return ratio(x, y) + x / (y + 1.0)

    assert sums(1.0, 0.0) == np.inf
    with pytest.raises(ZeroDivisionError):
        sums(1.0, -1.0)


def test_other_functions_of_numba_use_what_kernels_have_compiled() -> None:
    """numba's own functions became parts; another function that needs them finds them complete."""
    _, ratios = pair()
    assert ratios(np.ones(1), np.ones(1)).tolist() == [1]

    @numba.njit
    def own(n):  # type: ignore[no-untyped-def]
        out = np.empty(n, dtype=np.int16)
        for i in range(n):
            out[i] = min(i + 0.5, 2.0)
        return out

    assert own(4).tolist() == [0, 1, 2, 2]


@pytest.mark.parametrize(
    ("version", "known"), [((0, 60), True), ((0, 68), True), ((0, 69), False), ((1, 0), False)]
)
def test_a_numba_that_nobody_has_tried_compiles_its_own_way(
    version: tuple[int, int], known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _jit.knows(version) is known
    monkeypatch.setattr(_jit, "knows", lambda _: known)
    ratio, ratios = pair()
    assert ratios(np.array([6.0, 1.0]), np.array([2.0, 0.0])).tolist() == [3, 300]
    assert (ratio.signatures == []) is known  # a part leaves no form that Python could call


_PLAIN = """
from replicadnn.kernels import _jit
_jit.knows = lambda version: False
import replicadnn as rd
for options in ({"levels": 2}, {"levels": 1, "closure": "exact", "ansatz": "rsb"}, {}):
    scenario = "random" if options else "teacher-student"
    print(rd.solve(4, 2, scenario=scenario, **options).free_entropy)
"""


@pytest.mark.slow
def test_without_parts_the_numbers_are_the_same() -> None:
    values = []
    for text in (_PLAIN, _PLAIN.replace("_jit.knows =", "unused =")):
        done = subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, check=True, timeout=1200
        )
        values.append([float(word) for word in done.stdout.split()])
    assert len(values[0]) == 3
    np.testing.assert_allclose(*values, rtol=1e-12)


def test_garbage_is_collected_again() -> None:
    _, ratios = pair()
    assert gc.isenabled()
    ratios(np.ones(1), np.ones(1))
    assert gc.isenabled()
    gc.disable()
    try:
        pair()[1](np.ones(1), np.ones(1))
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize(("spent", "said"), [(0.99, ""), (1.01, LINE)])
def test_one_line_after_a_second(
    spent: float, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_parts, "_spent", [spent])
    ratio, _ = pair()
    ratio(1.0, 2.0)
    assert capsys.readouterr().err == said
    if said:
        ratio(1, 2)
        pair()[0](1.0, 2.0)
        assert capsys.readouterr().err == ""
