"""The one place where compiler options are chosen.

``fastmath`` leaves out the ``nnan`` and ``ninf`` flags: with them ``isnan`` and
``isinf`` are always false and a failed computation cannot be seen.
"""

from __future__ import annotations

import numba

from replicadnn.kernels import _parts
from replicadnn.kernels._cache import KernelCache, say_once

FASTMATH = {"nsz", "arcp", "contract", "afn", "reassoc"}


def _compiler(whole=_parts.WholeCompiler, **options):
    """Decorator of a kernel: compiled when first called, kept on the disk (`KernelCache`).

    ``whole`` compiles what Python calls; kernels that kernels call are parts (`_parts`).
    """
    options = {"nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True, **options}

    def decorate(function):
        kernel = numba.njit(pipeline_class=whole, **options)(function)
        try:
            kernel._cache = KernelCache(function)
        except RuntimeError as error:
            line = "no folder for compiled kernels, compiled in every run (set NUMBA_CACHE_DIR)"
            say_once(line, error)
        parts = _parts.Parts(numba.njit(pipeline_class=_parts.PartCompiler, **options)(function))
        kernel.get_call_template = parts.get_call_template
        kernel.get_overload = parts.get_overload
        return kernel

    return decorate


#: Kernels that sum and multiply: reassociation allowed, infinities and nan kept.
jit = _compiler(fastmath=FASTMATH)

#: Kernels in which the order of operations carries the accuracy.
jit_strict = _compiler()

#: The same two for kernels that rely on IEEE division (x/0 = inf instead of an exception).
jit_ieee = _compiler(fastmath=FASTMATH, error_model="numpy")
jit_ieee_strict = _compiler(error_model="numpy")

#: Kernels with short loops, whose calls cost more than they do: without vectors, compiled sooner.
jit_short = _compiler(whole=_parts.ScalarCompiler, error_model="numpy")
