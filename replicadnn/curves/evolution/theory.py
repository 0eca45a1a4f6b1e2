"""State evolution: the process of one pattern, sampled (docs/descent.md, eqs. 3 to 9)."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import qmc

from replicadnn import interrupt
from replicadnn.curves.evolution.problem import Functions, Problem
from replicadnn.curves.evolution.responses import Responses
from replicadnn.types import FloatArray

#: A variance given the past that is smaller, in units of the variance, is rounding.
_ROUNDING = 1e-13


def append_rows(factor: FloatArray, start: int, covariance: FloatArray) -> None:
    """More rows of a lower triangular factor, factor factor^T = covariance.

    Parameters
    ----------
    factor : array (K, K)
        Its rows from ``start`` on are written.
    start : int
    covariance : array (m, start + m)
        Of the new numbers with the earlier ones and with each other; it may be singular, what is
        left of a variance below 1e-13 of it counts as 0.
    """
    for place, wanted in enumerate(covariance):
        i = start + place
        row = factor[i]
        for j in range(i):
            pivot = factor[j, j]
            row[j] = (wanted[j] - row[:j] @ factor[j, :j]) / pivot if pivot > 0.0 else 0.0
        left = float(wanted[i] - row[:i] @ row[:i])
        row[i] = math.sqrt(left) if left > _ROUNDING * wanted[i] else 0.0


def root(covariance: FloatArray) -> FloatArray:
    """A lower triangular factor of a covariance, which may be singular."""
    factor = np.zeros(covariance.shape)
    append_rows(factor, 0, covariance)
    return factor


def scrambled(points: int, dimensions: int, rng: np.random.Generator) -> FloatArray:
    """Standard normal numbers (dimensions, points) from one scramble of Sobol's sequence."""
    drawn = qmc.MultivariateNormalQMC(np.zeros(dimensions), rng=rng).random(points)
    return np.ascontiguousarray(drawn.T)


class Sampled:
    """Points for every Gaussian number: averages are means over them."""

    def __init__(self, problem: Problem, steps: int, normals: FloatArray) -> None:
        self.size = normals.shape[1]
        M = problem.M
        self.start = root(problem.gram) @ normals[: M + 1]
        self.noise = normals[M + 1]
        self.fresh = normals[M + 2 :]
        self.factor = np.zeros((steps * M, steps * M))

    def product(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """E a b^T."""
        return np.asarray(a @ b.T / self.size)

    def force(self, covariance: FloatArray) -> FloatArray:
        """Gaussian numbers of this covariance with the earlier ones and with each other."""
        new, upto = covariance.shape
        append_rows(self.factor, upto - new, covariance)
        return np.asarray(self.factor[upto - new : upto, :upto] @ self.fresh[:upto])


class Linear:
    """L = 1: all fields are linear in u, the start, the noise and the forces, so that their
    coefficients and one matrix of second moments are enough, without a sample.
    """

    def __init__(self, problem: Problem, steps: int) -> None:
        self.size = 3 + steps
        self.start, self.noise = np.eye(2, self.size), np.eye(3, self.size)[2]
        self.moments = np.zeros((self.size, self.size))
        self.moments[:2, :2], self.moments[2, 2] = problem.gram, 1.0

    def product(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """E a b^T."""
        return np.asarray(a @ self.moments @ b.T)

    def force(self, covariance: FloatArray) -> FloatArray:
        """A number of this covariance with the earlier ones and with itself."""
        place = 2 + covariance.shape[1]
        self.moments[place, 3 : place + 1] = self.moments[3 : place + 1, place] = covariance[0]
        return np.eye(1, self.size, place)


def evolve(
    problem: Problem, functions: Functions, steps: int, ensemble: Sampled | Linear
) -> FloatArray:
    """Test and training error of steps 0..``steps``: array (2, steps + 1)."""
    M, net, teacher = problem.M, functions.network, functions.teacher
    eta, ratio, average = problem.eta, 1.0 / problem.n_over_d, ensemble.product
    u, weights = ensemble.start[M], problem.weights
    clean = teacher.function(u)
    y = clean + math.sqrt(teacher.sigma2) * ensemble.noise
    U = np.empty(((steps + 1) * M, ensemble.size))
    U[:M] = ensemble.start[:M]
    responses = Responses(steps, M, ensemble.size, eta, ratio)
    errors = np.empty((2, steps + 1))
    for t in range(steps + 1):
        interrupt.check()
        now, upto = slice(t * M, (t + 1) * M), slice(0, (t + 1) * M)
        back = responses.back(t)
        at = net.derivatives(U[now] + back[:, 0], weights, y)
        tested, trained = net.output(U[now], weights) - clean, at.output - y
        errors[:, t] = average(tested, tested) + teacher.sigma2, average(trained, trained)
        if t == steps:
            break
        responses.record(t, back, at)
        G = responses.gradients(t)
        R = responses.R[t, :, : t + 1].reshape(M, -1)
        if teacher.slope is not None:
            r = np.mean(responses.of_step(t, 1) * teacher.slope(u), axis=1)
        else:  # integrated by parts: E G u* = sum_s R(t, s) E U^s u* + r
            r = average(G[now], u) - R @ average(U[upto], u)
        force = ensemble.force(ratio * average(G[now], G)) + R @ U[upto] + r[:, None] * u
        U[(t + 1) * M : (t + 2) * M] = U[now] - eta * force
        weights = tuple(W - eta * g for W, g in zip(weights, at.weights, strict=True))
    return errors
