"""Gaussian special functions inside compiled code.

``scipy.special.erfcx`` is called by address: one implementation of the error function in the
whole project, the same inside and outside compiled code.  `mills` is the only function the
kernels need: everything about ``Phi`` and ``phi/Phi`` follows from it without overflow.
"""

from __future__ import annotations

import math

from llvmlite import binding
from numba import types
from numba.extending import get_cython_function_address

from replicadnn.kernels._jit import jit_strict

_SYMBOL = "replicadnn_scipy_erfcx"
_MODULE = "scipy.special.cython_special"
_SQRT_HALF = math.sqrt(0.5)
_SQRT_HALF_PI = math.sqrt(0.5 * math.pi)


def _erfcx_address() -> int:
    """Address of scipy's real ``erfcx`` (the name of a fused specialisation is not public)."""
    for name in ("__pyx_fuse_1erfcx", "__pyx_fuse_0erfcx", "erfcx"):
        try:
            address = get_cython_function_address(_MODULE, name)
        except ValueError:
            continue
        import ctypes

        found = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(address)(1.0)
        if abs(found - 0.42758357615580700442) < 1e-14:
            return int(address)
    raise ImportError(
        "scipy.special.cython_special exports no real erfcx: scipy >= 1.10 is required"
    )


binding.add_symbol(_SYMBOL, _erfcx_address())
erfcx = types.ExternalFunction(_SYMBOL, types.float64(types.float64))


@jit_strict
def mills(u: float) -> float:
    """Phi(u)/phi(u) = sqrt(pi/2) erfcx(-u/sqrt 2); tends to -1/u on the far left, to inf right."""
    return _SQRT_HALF_PI * erfcx(-u * _SQRT_HALF)
