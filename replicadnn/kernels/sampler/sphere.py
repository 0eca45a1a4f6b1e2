"""Moves on the sphere sum_k J_k^2 = c, c the fan-in: rotation of a random pair of couplings."""

from __future__ import annotations

import numpy as np

from replicadnn.kernels._jit import jit_strict

_F = np.float32


@jit_strict
def draw_rotations(u, n, c, step, pick, turn):
    """Draw n random rotations from the uint32 u[4 r .. 4 r + 2], r < n.

    pick (n, 2) int64: two different indices below c, uniform up to c / 2^32;
    turn (n, 2) float64: cosine and sine of the angle 2 atan(t), t uniform in (-step, step).
    The inverse rotation is as probable and a rotation keeps the uniform measure of the sphere, so
    the proposal is symmetric.
    """
    for r in range(n):
        a = np.int64((np.uint64(u[4 * r]) * np.uint64(c)) >> np.uint64(32))
        k = np.int64((np.uint64(u[4 * r + 1]) * np.uint64(c - 1)) >> np.uint64(32))
        pick[r, 0] = a
        pick[r, 1] = k + np.int64(k >= a)
        t = step * (2.0 * (np.float64(u[4 * r + 2]) + 0.5) * 2.0**-32 - 1.0)
        norm = 1.0 / (1.0 + t * t)
        turn[r, 0] = (1.0 - t * t) * norm
        turn[r, 1] = 2.0 * t * norm


@jit_strict
def rotated(J, l, i, a, k, turn, move):
    """J_{l,i,a}, J_{l,i,k} after rotation ``move`` (float32), and their changes / sqrt(c)."""
    Ja = np.float64(J[l - 1, i, a])
    Jk = np.float64(J[l - 1, i, k])
    new_a = _F(Ja * turn[move, 0] - Jk * turn[move, 1])
    new_k = _F(Ja * turn[move, 1] + Jk * turn[move, 0])
    inverse_root = 1.0 / np.sqrt(J.shape[2])
    da = (np.float64(new_a) - Ja) * inverse_root
    dk = (np.float64(new_k) - Jk) * inverse_root
    return new_a, new_k, da, dk


@jit_strict
def refused(cost, u, thresholds):
    """Metropolis: is a move that raises the energy by ``cost`` refused?

    thresholds[d-1] = floor(2^32 exp(-beta d)) as uint32; beyond its end everything is refused.
    """
    return cost > 0 and (cost > thresholds.shape[0] or u >= thresholds[cost - 1])


@jit_strict
def largest_cost(u, thresholds):
    """Largest cost that Metropolis accepts with the random number u; see `refused`."""
    cost = 0
    while cost < thresholds.shape[0] and u < thresholds[cost]:
        cost += 1
    return cost


@jit_strict
def renormalise(J):
    """Put every perceptron back on the sphere sum_k J^2 = c, c = J.shape[2]."""
    L, N, c = J.shape
    for l in range(L):
        for i in range(N):
            norm = 0.0
            for k in range(c):
                norm += np.float64(J[l, i, k]) * np.float64(J[l, i, k])
            scale = np.sqrt(c / norm)
            for k in range(c):
                J[l, i, k] = _F(J[l, i, k] * scale)
