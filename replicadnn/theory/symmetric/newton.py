"""Newton iteration for a fixed point y = F(y) with a banded Jacobian.  Knows no physics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dgbsv, dgbtrf, dgbtrs

from replicadnn.types import FloatArray

#: ``evaluate(y) -> (F(y) - y, bands of 1 - dF/dy)`` in the layout of scipy's ``solve_banded``.
Evaluate = Callable[[FloatArray], tuple[FloatArray, FloatArray]]


@dataclass(frozen=True, slots=True)
class NewtonResult:
    """Last iterate, its residual max|F(y) - y|, whether that is below ``tol``, and the bands.

    ``shrink`` : the second step as a part of the first; inf if the first was cut short.
    """

    y: FloatArray
    residual: float
    converged: bool
    iterations: int
    bands: FloatArray
    shrink: float


def bandwidth(bands: FloatArray) -> int:
    """Number of sub- (and super-) diagonals of a symmetric band layout."""
    return (len(bands) - 1) // 2


def solve_bands(bands: FloatArray, right: FloatArray) -> FloatArray | None:
    """Solve a banded system (layout of scipy's ``solve_banded``); None if it is singular.

    LAPACK's gbsv without the checks of the wrapper, which cost more than a small system does.
    """
    width = bandwidth(bands)
    _, _, solution, info = dgbsv(width, width, _with_room(bands), right, overwrite_ab=True)
    return solution if info == 0 else None


def _with_room(bands: FloatArray) -> FloatArray:
    """The bands below as many rows of zeros as LAPACK needs for its factors."""
    width = bandwidth(bands)
    work = np.zeros((bands.shape[0] + width, bands.shape[1]))
    work[width:] = bands
    return work


def newton(
    evaluate: Evaluate,
    y: FloatArray,
    *,
    tol: float,
    cap: float,
    max_iter: int,
    floor: float | FloatArray = -np.inf,
) -> NewtonResult:
    """Solve F(y) = y by y <- y + (1 - F')^{-1} (F - y), every component moving by at most ``cap``.

    Iterates past ``tol`` as long as the residual still halves, so that a converged result sits
    at rounding level.  Stops early when a component falls below ``floor``
    (one number, or one a component).
    """
    best = np.inf
    lengths: list[float] = []
    residual, bands = evaluate(y)
    size = float(np.max(np.abs(residual), initial=0.0))
    for _ in range(max_iter):
        if not np.isfinite(size) or size == 0.0 or (size <= tol and size > 0.5 * best):
            break
        best = min(best, size)
        step = solve_bands(bands, residual)
        if step is None:
            break
        trial = y + np.clip(step, -cap, cap)
        if not np.all(trial > floor):
            break
        new_residual, new_bands = evaluate(trial)
        new_size = float(np.max(np.abs(new_residual), initial=0.0))
        if size <= tol and not new_size < size:
            break
        lengths.append(float(np.max(np.abs(step))))
        y, residual, bands, size = trial, new_residual, new_bands, new_size
    shrink = lengths[1] / lengths[0] if len(lengths) > 1 else 0.0
    if lengths and lengths[0] > cap:
        shrink = np.inf
    return NewtonResult(y, size, bool(size <= tol), len(lengths), bands, shrink)


def growth(bands: FloatArray) -> float:
    """Largest real part of the eigenvalues of F' from the bands of 1 - F', whatever its signs.

    The spectral radius where F' >= 0.  Below 1 passes that are damped enough converge.
    nan above 800 unknowns: stability is then not judged, and the certificate shows nan.
    """
    width, size = bandwidth(bands), bands.shape[1]
    if size > 800:
        return float("nan")
    dense = np.zeros((size, size))
    for d in range(-width, width + 1):
        columns = np.arange(max(0, -d), min(size, size - d))
        dense[columns + d, columns] = -bands[width + d, columns]
    return float(np.max(np.linalg.eigvals(dense + np.eye(size)).real))


def contraction(bands: FloatArray, iterations: int = 30) -> float:
    """Spectral radius of a non-negative F' from the bands of 1 - F', by inverse iteration.

    For F' >= 0 the map contracts if and only if (1 - F')^{-1} 1 > 0 (an M-matrix); the inverse
    iteration then converges to 1/(1 - rho), here to three digits.  A vector that is not positive
    means rho >= 1 and returns inf; negative entries of F' are not covered and return nan.
    """
    width = bandwidth(bands)
    if bands.shape[1] == 0:
        return 0.0
    off_diagonal = np.delete(bands, width, axis=0)
    if np.any(off_diagonal > 1e-9) or np.any(bands[width] > 1.0 + 1e-9):
        return float("nan")
    factors, pivots, singular = dgbtrf(_with_room(bands), width, width, overwrite_ab=True)
    if singular:
        return float("inf")
    vector = np.ones(bands.shape[1])
    growth = 1.0
    for _ in range(iterations):
        image, _ = dgbtrs(factors, width, width, vector, pivots)
        if not image.min() > 0.0:
            return float("inf")
        last, growth = growth, float((image / vector).max())
        vector = image / image.max()
        if abs(growth - last) < 1e-3 * growth:
            break
    return 1.0 - 1.0 / growth
