"""Exact averages of tiny networks, for the tests of the sampler.

N = 2: a perceptron is J = sqrt(2) (cos phi, sin phi), and on an input x in {+-1}^2 its field is
h = x_1 cos phi + x_2 sin phi.  The circle falls into arcs on which every violation is constant.
"""

from __future__ import annotations

import itertools

import numpy as np

INPUTS = np.array([(1, 1), (1, -1), (-1, 1), (-1, -1)])


def arcs(kappa):
    """Centres and lengths (fractions of the circle) of the arcs between all sign changes."""
    centres = np.arctan2(INPUTS[:, 1], INPUTS[:, 0])
    breaks = [0.0]
    for sign in (1, -1):  # y h = kappa
        half = np.arccos(sign * kappa / np.sqrt(2.0))
        breaks += [*(centres + half), *(centres - half)]
    edges = np.unique(np.round(np.mod(breaks, 2 * np.pi), 12))
    edges = np.append(edges, edges[0] + 2 * np.pi)
    return (edges[1:] + edges[:-1]) / 2, np.diff(edges) / (2 * np.pi)


def perceptron_table(kappa, beta, M):
    """For inputs x (M patterns, index 0..3 each) and outputs y: weight, <H>, <J_1 J_2>.

    Returns a dict keyed by (x tuple, y tuple).
    """
    phi, length = arcs(kappa)
    edges_lo, edges_hi = phi - np.pi * length, phi + np.pi * length
    h = INPUTS @ np.stack([np.cos(phi), np.sin(phi)])  # (4, arcs)
    # average over an arc of J_1 J_2 = 2 cos sin = sin 2 phi
    product = (np.cos(2 * edges_lo) - np.cos(2 * edges_hi)) / 2 / (edges_hi - edges_lo)
    table = {}
    for x in itertools.product(range(4), repeat=M):
        for y in itertools.product((1, -1), repeat=M):
            v = (np.array(y)[:, None] * h[list(x)] < kappa).sum(axis=0)
            w = length * (np.exp(-beta * v) if np.isfinite(beta) else (v == 0))
            z = w.sum()
            if z > 0:
                table[x, y] = z, (w @ v) / z, (w @ product) / z
    return table


def enumerate_gap(S0, SL, L, beta, kappa):
    """Exact averages of the gap ensemble for data S0, SL (2, M) and L layers.

    Returns dict: energy (L,), correlation = <S_{l,1}^1 S_{l,1}^2> (L-1,) (first two patterns),
    product = <J_{l,1}^1 J_{l,1}^2> (L,).
    """
    M = S0.shape[1]
    table = perceptron_table(kappa, beta, M)
    index = {tuple(x): i for i, x in enumerate(INPUTS)}
    total, energy, correlation, product = 0.0, np.zeros(L), np.zeros(L - 1), np.zeros(L)
    for bits in itertools.product((1, -1), repeat=(L - 1) * 2 * M):
        hidden = np.array(bits).reshape(L - 1, 2, M)
        S = [S0, *hidden, SL]
        weight, e, p = 1.0, np.zeros(L), np.zeros(L)
        for layer in range(1, L + 1):
            x = tuple(index[tuple(S[layer - 1][:, mu])] for mu in range(M))
            for i in range(2):
                found = table.get((x, tuple(int(s) for s in S[layer][i])))
                if found is None:
                    weight = 0.0
                    break
                weight *= found[0]
                e[layer - 1] += found[1]
                if i == 0:
                    p[layer - 1] = found[2]
        total += weight
        energy += weight * e
        product += weight * p
        correlation += weight * hidden[:, 0, 0] * hidden[:, 0, 1]
    return {
        "energy": energy / total,
        "correlation": correlation / total,
        "product": product / total,
    }


def batch_error(values):
    """Mean and standard error over the first axis (independent chains)."""
    values = np.asarray(values, float)
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))


def enumerate_weights(S0, SL, L, beta):
    """Exact averages of the weights ensemble, N = 2: four equal arcs a perceptron.

    Returns energy and <S_{l,1}^1 S_{l,1}^2> for l = 1..L, (L+1,).
    """
    phi = np.arange(4) * np.pi / 2
    direction = np.stack([np.cos(phi), np.sin(phi)], axis=1)
    total, sums = 0.0, np.zeros(L + 1)
    for choice in itertools.product(range(4), repeat=2 * L):
        S, correlation = S0, []
        for layer in range(L):
            J = direction[list(choice[2 * layer : 2 * layer + 2])]
            S = np.sign(J @ S)
            correlation.append(S[0, 0] * S[0, 1])
        energy = np.count_nonzero(S != SL)
        weight = np.exp(-beta * energy)
        total += weight
        sums += weight * np.array([energy, *correlation])
    return sums / total


def cone_overlap(N, M, trajectories, rng):
    """Overlap with the teacher of one spherical perceptron without errors; inputs +-1.

    Exact Hamiltonian sampling of a Gaussian restricted to the cone of solutions (A. Pakman and
    L. Paninski, J. Comput. Graph. Stat. 23 (2014) 518): J cos t + v sin t for a quarter turn,
    reflected at the walls y x . J = 0.  The teacher is a solution drawn from the prior, so the
    chain begins in equilibrium.  Returns the overlap after every trajectory.
    """
    teacher = rng.standard_normal(N)
    inputs = rng.choice([-1.0, 1.0], (M, N))
    walls = inputs * np.sign(inputs @ teacher)[:, None]
    J, found = teacher.copy(), []
    for _ in range(trajectories):
        v, left, last = rng.standard_normal(N), np.pi / 2, -1
        while True:
            # the first wall: the smallest t with walls . (J cos t + v sin t) = 0
            cotangent = -(walls @ v) / np.maximum(walls @ J, 1e-14)
            if last >= 0:
                cotangent[last] = -np.inf
            hit = int(np.argmax(cotangent))
            t = min(left, float(np.arctan2(1.0, cotangent[hit])))
            J, v = J * np.cos(t) + v * np.sin(t), v * np.cos(t) - J * np.sin(t)
            left -= t
            if left <= 0.0:
                break
            v -= 2.0 * (walls[hit] @ v) / N * walls[hit]
            last = hit
        found.append(J @ teacher / np.sqrt((J @ J) * (teacher @ teacher)))
    return np.array(found)
