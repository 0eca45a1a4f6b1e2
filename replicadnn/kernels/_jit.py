"""The one place where compiler options are chosen.

``fastmath`` leaves out the ``nnan`` and ``ninf`` flags: with them ``isnan`` and
``isinf`` are always false and a failed computation cannot be seen.
"""

from __future__ import annotations

import functools

import numba

FASTMATH = {"nsz", "arcp", "contract", "afn", "reassoc"}

#: Kernels that sum and multiply: reassociation allowed, infinities and nan kept.
jit = functools.partial(numba.njit, cache=True, nogil=True, fastmath=FASTMATH)

#: Kernels in which the order of operations carries the accuracy.
jit_strict = functools.partial(numba.njit, cache=True, nogil=True)

#: The same two for kernels that rely on IEEE division (x/0 = inf instead of an exception).
jit_ieee = functools.partial(
    numba.njit, cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy"
)
jit_ieee_strict = functools.partial(numba.njit, cache=True, nogil=True, error_model="numpy")
