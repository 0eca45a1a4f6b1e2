"""The one place where compiler options are chosen.

``fastmath`` leaves out the ``nnan`` and ``ninf`` flags: with them ``isnan`` and
``isinf`` are always false and a failed computation cannot be seen.
"""

from __future__ import annotations

from typing import Any

import numba

from replicadnn.kernels._cache import KernelCache, say_once

#: Newest numba whose compiler `_parts` knows from inside; a later one compiles its own way.
NEWEST = (0, 68)

FASTMATH = {"nsz", "arcp", "contract", "afn", "reassoc"}


def knows(version: tuple[int, ...]) -> bool:
    """Whether kernels inside kernels can be compiled as parts: not with a numba after `NEWEST`."""
    return version[:2] <= NEWEST


def _compiler(vectors=True, **options):
    """Decorator of a kernel: compiled when first called, kept on the disk (`KernelCache`).

    Kernels that kernels call are parts (`_parts`) where numba is known; the numbers are the same
    where it is not, the first call takes some three times as long.
    """

    def decorate(function):
        kernel, part = _forms(function, vectors, {"nogil": True, **options})
        try:
            kernel._cache = KernelCache(function)
        except RuntimeError as error:
            line = "no folder for compiled kernels, compiled in every run (set NUMBA_CACHE_DIR)"
            say_once(line, error)
        if part is not None:
            kernel.get_call_template = part.get_call_template
            kernel.get_overload = part.get_overload
        return kernel

    return decorate


def _forms(function: Any, vectors: bool, options: dict[str, Any]) -> tuple[Any, Any]:
    """What Python calls, and what kernels call (None: the same)."""
    if not knows(numba.version_info.short):
        return numba.njit(**options)(function), None
    from replicadnn.kernels import _parts

    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, **options}
    whole = _parts.WholeCompiler if vectors else _parts.ScalarCompiler
    part = numba.njit(pipeline_class=_parts.PartCompiler, **options)(function)
    return numba.njit(pipeline_class=whole, **options)(function), _parts.Parts(part)


#: Kernels that sum and multiply: reassociation allowed, infinities and nan kept.
jit = _compiler(fastmath=FASTMATH)

#: Kernels in which the order of operations carries the accuracy.
jit_strict = _compiler()

#: The same two for kernels that rely on IEEE division (x/0 = inf instead of an exception).
jit_ieee = _compiler(fastmath=FASTMATH, error_model="numpy")
jit_ieee_strict = _compiler(error_model="numpy")

#: Kernels with short loops, whose calls cost more than they do: without vectors, compiled sooner.
jit_short = _compiler(vectors=False, error_model="numpy")
