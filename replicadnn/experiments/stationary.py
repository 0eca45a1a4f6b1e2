"""Where SGD stays: the stationary energy of its steps near a minimum (docs/heat-bath.md)."""

from __future__ import annotations

import numpy as np

from replicadnn.errors import InputError
from replicadnn.experiments.landscapes import Landscape, LeastSquares
from replicadnn.types import FloatArray


def modes(landscape: Landscape) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues h_i of the Hessian (rising) and C_ii, the noise in its eigenvectors."""
    h, vectors = np.linalg.eigh(landscape.hessian)
    return h, np.einsum("ai,ab,bi->i", vectors, landscape.noise, vectors)


def check_rate(eta: float, h: FloatArray) -> None:
    """Refuse a rate at which steps of a quadratic grow: eta h >= 2."""
    if eta * h[-1] >= 2.0:
        raise InputError("eta", eta, f"below 2/h_max = {2.0 / h[-1]:.6g}")


def with_replacement(h: FloatArray, noise: FloatArray, eta: float, B: int) -> FloatArray:
    """Stationary S_i = <w_i^2> of additive noise, independent batches (eq. 4).

        S_i = (eta C_ii/B)/(h_i (2 - eta h_i)),

    as h_i S_i (p,), which stays finite where h_i is 0 and nothing pushes.
    """
    return np.asarray(eta * noise / (B * (2.0 - eta * h)))


def without_replacement(h: FloatArray, noise: FloatArray, eta: float, B: int, n: int) -> FloatArray:
    """The same where every pattern is drawn once in an epoch of m = n/B steps (eq. 6).

    Batches a, b of one epoch: <xi_a xi_b> = C (delta_ab n/B - 1)/(n - 1).  With r = 1 - eta h the
    place after j steps of an epoch is w_j = r^j w_0 - eta sum_{a <= j} r^(j - a) xi_a, hence

        <w_j^2> = r^2j <w_0^2> + eta^2 C/(n - 1) [(n/B) (1 - r^2j)/(1 - r^2) - g_j^2],

    g_j = (1 - r^j)/(1 - r), and <w_0^2> = <w_m^2>.  Returned is h_i times the mean over j = 1..m.
    A remainder of fewer than B patterns is left out of an epoch, another one in each.
    """
    m = n // B
    j = np.arange(1, m + 1)[:, None]
    r = np.where(eta * np.abs(h) < 1e-9, 1.0 - 1e-9, 1.0 - eta * h)  # flat: the limit
    fresh = (n / B) * (1.0 - r ** (2 * j)) / (1.0 - r**2) - ((1.0 - r**j) / (1.0 - r)) ** 2
    pushed = eta**2 * noise / (n - 1.0) * fresh
    start = pushed[-1] / (1.0 - r ** (2 * m))
    return np.asarray(h * (r ** (2 * j) * start + pushed).mean(axis=0))


def additive_energy(landscape: Landscape, eta: float, B: int, *, replacement: bool = True) -> float:
    """<E> = sum_i h_i S_i/2 of a quadratic with the Hessian and the noise of the minimum."""
    h, noise = modes(landscape)
    check_rate(eta, h)
    if replacement:
        return float(0.5 * with_replacement(h, noise, eta, B).sum())
    return float(0.5 * without_replacement(h, noise, eta, B, landscape.n).sum())


def equilibrated(landscape: Landscape, eta: float, B: int, steps: int) -> float:
    """Share of the stationary energy that steps from the minimum reach, in the quadratic.

    Mode i has come to the share 1 - (1 - eta h_i)^(2 steps).
    """
    h, noise = modes(landscape)
    energy = with_replacement(h, noise, eta, B)
    share = 1.0 - np.abs(1.0 - eta * h) ** (2 * steps)
    return float((energy * share).sum() / energy.sum())


def least_squares_energy(problem: LeastSquares, eta: float, B: int) -> float:
    """<E> of independent batches, exact: the noise depends on w (eq. 5).

        S = S - eta (H S + S H) + eta^2 [(1 - 1/B) H S H + (1/B) <x x^T S x x^T>] + eta^2 C/B,

    a linear system of p^2 unknowns.

    Raises
    ------
    InputError
        The second moment of w has no stationary value at this rate.
    """
    p, x = problem.hessian.shape[0], problem.x
    pairs = np.einsum("ni,nj->nij", x, x).reshape(len(x), p * p)
    fourth = (pairs.T @ pairs / len(x)).reshape(p, p, p, p)  # <x_i x_j x_k x_l>, symmetric
    kicks = fourth.reshape(p * p, p * p) - np.kron(problem.hessian, problem.hessian)
    step = np.eye(p) - eta * problem.hessian
    turn = np.kron(step, step) + eta**2 / B * kicks
    if np.abs(np.linalg.eigvals(turn)).max() >= 1.0:
        raise InputError("eta", eta, f"smaller: at B = {B} the spread of w grows without bound")
    spread = np.linalg.solve(np.eye(p * p) - turn, (eta**2 / B * problem.noise).ravel())
    return float(0.5 * np.trace(problem.hessian @ spread.reshape(p, p)))
