"""Gradient descent on a drawn data set, with the estimate of its test error from the same data."""

from __future__ import annotations

import math

import numpy as np

from replicadnn import interrupt
from replicadnn.curves.evolution.problem import Functions, Problem
from replicadnn.curves.evolution.responses import Responses
from replicadnn.curves.evolution.theory import root, scrambled
from replicadnn.types import FloatArray

#: Fresh patterns on which the network is tested at every step.
_FRESH = 4096


def inputs(problem: Problem, n: int) -> int:
    """Input dimension d of n patterns: n/(n/d), rounded."""
    return max(1, round(n / problem.n_over_d))


def descend(
    problem: Problem, functions: Functions, steps: int, n: int, rng: np.random.Generator
) -> FloatArray:
    """Test, training and estimated error of steps 0..``steps``: array (3, steps + 1).

    Inputs are Gaussian.  W^1 and mu start with exactly the Gram matrix of the problem.  Fields of
    fresh patterns are Gaussian given W^1, so that the test error is an average over `_FRESH`
    points of one scramble of Sobol's sequence.
    """
    M, d = problem.M, inputs(problem, n)
    net, teacher = functions.network, functions.teacher
    frame, _ = np.linalg.qr(rng.standard_normal((d, M + 1)))
    first = math.sqrt(d) * frame @ root(problem.gram).T  # columns: rows of W^1, mu
    x = rng.standard_normal((n, d)) / math.sqrt(d)
    noise = math.sqrt(teacher.sigma2) * rng.standard_normal(n)
    y = teacher.function(x @ first[:, M]) + noise
    fresh, weights = scrambled(_FRESH, M + 1, rng), problem.weights
    responses = Responses(steps, M, n, problem.eta, d / n)
    errors = np.empty((3, steps + 1))
    for t in range(steps + 1):
        interrupt.check()
        Z, back = (x @ first[:, :M]).T, responses.back(t)
        at = net.derivatives(Z, weights, y)
        there = root(first.T @ first / d) @ fresh
        tested = net.output(there[:M], weights) - teacher.function(there[M])
        errors[:, t] = (
            np.mean(tested**2) + teacher.sigma2,
            np.mean((at.output - y) ** 2),
            np.mean((net.output(Z - back[:, 0], weights) - y) ** 2),
        )
        if t < steps:
            responses.record(t, back, at)
            first[:, :M] -= problem.eta * d / n * (x.T @ at.gradient.T)
            weights = tuple(W - problem.eta * g for W, g in zip(weights, at.weights, strict=True))
    return errors
