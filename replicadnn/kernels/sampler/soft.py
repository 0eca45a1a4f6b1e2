"""Sweeps with the soft-sphere potential v(r) = (kappa - r)^2 theta(kappa - r) / 2.

Moves, layout and order of the random numbers are those of `kernels.sampler.gap`; costs are real
numbers, and a move is accepted if u < exp(-beta cost) for u uniform in (0, 1).  A padded pattern
(S = 0, h = 0) never changes its energy.  Written for clarity, not for speed.
"""

from __future__ import annotations

import numpy as np

from replicadnn.kernels._jit import jit_strict
from replicadnn.kernels.sampler.gap import W, recompute_fields
from replicadnn.kernels.sampler.graph import flip_steps, read_by, reader, readers_of
from replicadnn.kernels.sampler.random import fill_u32
from replicadnn.kernels.sampler.sphere import draw_rotations, renormalise, rotated

_F = np.float32
_UNIT = 2.0**-32


@jit_strict
def potential(r, kappa):
    """Return v(r)."""
    x = kappa - r
    return 0.5 * x * x if x > 0.0 else 0.0


@jit_strict
def accepted(cost, u, beta):
    """Metropolis with the uint32 u."""
    return cost <= 0.0 or (np.float64(u) + 0.5) * _UNIT < np.exp(-beta * cost)


@jit_strict
def flip_layer(S, h, wiring, l, column, beta, kappa, rng, u):
    """One flip attempt of every neuron of hidden layer l and every pattern; returns accepted."""
    nb, N = S.shape[1], S.shape[2]
    count = 0
    for b in range(nb):
        fill_u32(rng, u, N * W)
        for i in range(N):
            begin, end = readers_of(wiring, l + 1, i, N)
            for w in range(W):
                s = S[l, b, i, w]
                own = s * h[l - 1, b, i, w]
                cost = potential(-own, kappa) - potential(own, kappa)
                for e in range(begin, end):
                    j, _ = reader(wiring, l + 1, i, e, N)
                    up = S[l + 1, b, j, w]
                    old = h[l, b, j, w]
                    new = old + column[e] * s
                    cost += potential(up * new, kappa) - potential(up * old, kappa)
                if accepted(cost, u[i * W + w], beta):
                    count += 1
                    S[l, b, i, w] = s - _F(2.0) * s
                    for e in range(begin, end):
                        j, _ = reader(wiring, l + 1, i, e, N)
                        h[l, b, j, w] += column[e] * s
    return count


@jit_strict
def rotate_layer(J, S, h, wiring, l, n_rotations, step, beta, kappa, rng):
    """n_rotations rotations of a random coupling pair, every perceptron of layer l."""
    nb, N = S.shape[1], S.shape[2]
    u = np.empty(4 * n_rotations + 16, np.uint32)
    pick = np.empty((n_rotations, 2), np.int64)
    turn = np.empty((n_rotations, 2), np.float64)
    count = 0
    for i in range(N):
        fill_u32(rng, u, (4 * n_rotations + 15) // 16 * 16)
        draw_rotations(u, n_rotations, J.shape[2], step, pick, turn)
        for move in range(n_rotations):
            a = pick[move, 0]
            k = pick[move, 1]
            new_a, new_k, da, dk = rotated(J, l, i, a, k, turn, move)
            d_a, d_k = _F(da), _F(dk)
            from_a, from_k = read_by(wiring, l, i, a), read_by(wiring, l, i, k)
            cost = 0.0
            for b in range(nb):
                for w in range(W):
                    s = S[l, b, i, w]
                    old = h[l - 1, b, i, w]
                    new = old + d_a * S[l - 1, b, from_a, w] + d_k * S[l - 1, b, from_k, w]
                    cost += potential(s * new, kappa) - potential(s * old, kappa)
            if accepted(cost, u[4 * move + 3], beta):
                count += 1
                J[l - 1, i, a] = new_a
                J[l - 1, i, k] = new_k
                for b in range(nb):
                    for w in range(W):
                        below = d_a * S[l - 1, b, from_a, w] + d_k * S[l - 1, b, from_k, w]
                        h[l - 1, b, i, w] += below
    return count


@jit_strict
def sweeps(J, S, h, wiring, rng, done, n, every, step, beta, kappa, rotations, flips):
    """Make n sweeps; arguments as in `replicadnn.kernels.sampler.gap.sweeps`."""
    L, N = h.shape[0], h.shape[2]
    c = J.shape[2]
    column = np.empty(N * c, np.float32)
    u = np.empty(N * W, np.uint32)
    for t in range(n):
        for l in range(1, L + 1):
            rotations[l - 1] += rotate_layer(J, S, h, wiring, l, c, step, beta, kappa, rng)
            if l < L:
                flip_steps(J, wiring, l, column)
                flips[l - 1] += flip_layer(S, h, wiring, l, column, beta, kappa, rng, u)
        if (done + t + 1) % every == 0:
            renormalise(J)
            recompute_fields(J, S, h, wiring)
