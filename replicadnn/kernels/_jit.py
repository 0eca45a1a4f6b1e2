"""The one place where compiler options are chosen.

``fastmath`` leaves out the ``nnan`` and ``ninf`` flags: with them ``isnan`` and
``isinf`` are always false and a failed computation cannot be seen.
"""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path

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


def drop_stale(sources: Path, cache: Path) -> None:
    """Remove cached kernels in ``cache`` older than a file of ``sources``.

    numba renews a kernel when its own file changes, not when a file changes that it calls.
    """
    newest = max((file.stat().st_mtime_ns for file in sources.glob("*.py")), default=0)
    for index in cache.glob("*.nbi"):
        with contextlib.suppress(OSError):
            if index.stat().st_mtime_ns < newest:
                index.unlink()


@jit
def _probe():
    return 0


drop_stale(Path(__file__).parent, Path(_probe.stats.cache_path))
