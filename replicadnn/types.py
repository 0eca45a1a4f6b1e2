"""Names of types, for annotations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
#: One number of Python or numpy.
Number: TypeAlias = float | np.floating[Any] | np.integer[Any]
#: Several of them.
Several: TypeAlias = NDArray[Any] | Iterable[float]
