"""The overlap of two sign neurons: rho = (2/pi) asin(x), x the overlap of what they add up.

One copy for the error of the student (docs/theory.md, eq. 24; x = Q rho) and for random networks of
sign neurons (docs/wide.md, eq. 12; x = c).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from replicadnn.types import FloatArray


def sign_overlap(x: ArrayLike, rest: ArrayLike | None = None) -> tuple[FloatArray, FloatArray]:
    """(2/pi) asin(x) and (2/pi) acos(x) = 1 - (2/pi) asin(x), each to its own last digits.

    Parameters
    ----------
    x : array
        Overlaps in [-1, 1].
    rest : array, optional
        1 - x with its own accuracy.

    Examples
    --------
    >>> [float(v) for v in sign_overlap(0.5)]
    [0.33333333333333337, 0.6666666666666666]
    """
    overlap: FloatArray = np.clip(np.asarray(x, dtype=float), -1.0, 1.0)
    gap = 1.0 - overlap if rest is None else np.clip(np.asarray(rest, dtype=float), 0.0, 2.0)
    with np.errstate(invalid="ignore"):
        angle = np.where(gap < 0.5, 2.0 * np.arcsin(np.sqrt(0.5 * gap)), np.arccos(overlap))
        side = np.where(gap < 0.5, 0.5 * math.pi - angle, np.arcsin(overlap))
    return np.asarray(2.0 / math.pi * side), np.asarray(2.0 / math.pi * angle)
