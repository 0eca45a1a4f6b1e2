"""Replicas drawn from the Ruelle probability cascade of K levels: random ultrametric trees.

Below the overlap of level i the replicas fall into clusters; their weights are those of the
cascade with parameters m_1 < ... < m_K (Ruelle 1987; Mezard, Parisi, Sourlas, Toulouse and Virasoro
1984). Seen from n replicas the clusters of level i are an exchangeable random partition with
Poisson-Dirichlet parameter m_i. Going from level i to level i-1 merges them by an independent
partition with parameter m_{i-1}/m_i (Bolthausen and Sznitman 1998; Pitman 1999): sampling is
exact at any n.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from replicadnn.errors import InputError

IntArray = NDArray[np.int64]


def partition(items: int, parameter: float, rng: np.random.Generator) -> IntArray:
    """Random partition of ``items`` with Poisson-Dirichlet parameter a in [0, 1): block labels.

    Item n + 1 joins a block of size b with probability (b - a)/n and opens one with probability
    a B/n, B the number of blocks (Chinese-restaurant construction). Two items share a block with
    probability 1 - a.
    """
    labels = np.zeros(items, dtype=np.int64)
    sizes = [1]
    for n in range(1, items):
        chances = np.append(np.array(sizes) - parameter, parameter * len(sizes)) / n
        block = int(rng.choice(chances.size, p=chances / chances.sum()))
        labels[n] = block
        if block == len(sizes):
            sizes.append(0)
        sizes[block] += 1
    return labels


def sample_clusters(x: ArrayLike, replicas: int, rng: np.random.Generator) -> IntArray:
    """Clusters of ``replicas`` replicas at every level: labels (K+1, replicas), nested.

    Replicas with equal labels in row i have overlap q_i or more; row 0 is one cluster. The
    probability of that for a pair is 1 - m_i, so that its overlap is q_i with probability
    m_{i+1} - m_i.

    Parameters
    ----------
    x : array (K+1,)
        Breakpoints m_i, rising from 0 and below 1.
    replicas : int
        n >= 1.
    rng : numpy Generator

    Raises
    ------
    InputError
        Breakpoints or number of replicas out of range.
    """
    m = np.asarray(x, dtype=float)
    if m.ndim != 1 or m.size == 0 or m[0] != 0.0 or m[-1] >= 1.0 or not np.all(np.diff(m) > 0.0):
        raise InputError("x", x, "breakpoints that rise from 0 and stay below 1")
    if replicas < 1:
        raise InputError("replicas", replicas, "at least 1")
    clusters = np.empty((m.size, replicas), dtype=np.int64)
    labels = np.arange(replicas)
    above = 1.0
    for i in range(m.size - 1, -1, -1):
        labels = partition(int(labels.max()) + 1, m[i] / above, rng)[labels]
        clusters[i], above = labels, m[i]
    return clusters


def common_level(clusters: IntArray) -> IntArray:
    """Last level that two replicas share, (n, n): their overlap is that level's value."""
    together = clusters[:, :, None] == clusters[:, None, :]
    return np.asarray(together.sum(axis=0) - 1)


def leaf_order(clusters: IntArray) -> IntArray:
    """An order of the replicas in which every cluster of every level is contiguous."""
    return np.asarray(np.lexsort(clusters[::-1]))
