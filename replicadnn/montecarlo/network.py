"""A finite network of sign neurons: state, data, teacher, energy; all in plain numpy.

    h_{l,i}^mu = sum_k J_{l,i}^k S_{l-1,k}^mu / sqrt(c),   r_{l,i}^mu = S_{l,i}^mu h_{l,i}^mu,
    H = sum_{l,i,mu} theta(kappa - r_{l,i}^mu),            sum_k (J_{l,i}^k)^2 = c.

The sum over k runs over the c neurons that perceptron (l, i) reads (`connectivity`).  Arrays: J and
``inputs`` (L, N, c), J[l-1, i, k], inputs None for c = N; S (L+1, N, M) of +-1; h and r (L, N, M),
h[l-1] of layer l.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replicadnn.montecarlo.connectivity import (
    Floats,
    Inputs,
    Signs,
    fields,
    random_couplings,
    weighted_sums,
)
from replicadnn.montecarlo.latent import Projection, latent_signs

#: Widest layer whose N^2 overlaps of pairs of neurons are put in one table.
WIDEST_TABLE_OF_PAIRS = 1000


@dataclass(frozen=True, slots=True)
class Network:
    """Couplings and neurons of one network on one data set.

    J : (L, N, c) float32, rows of square norm c.
    S : (L+1, N, M) int8 of +-1; S[0] inputs, S[L] outputs.
    inputs : (L, N, c) int32, the neuron of the layer below that each coupling reads, ascending in
        every row; None where a perceptron reads all of them (c = N).
    """

    J: NDArray[np.float32]
    S: Signs
    inputs: Inputs | None = None


def error_rate(beta: float) -> float:
    """Probability p = 1/(1 + e^beta) that a perceptron in equilibrium errs (kappa = 0)."""
    return math.exp(-beta) / (1.0 + math.exp(-beta))


def random_signs(shape: tuple[int, ...], rng: np.random.Generator) -> Signs:
    """Independent fair +-1."""
    signs = 2 * rng.integers(0, 2, size=shape, dtype=np.int8) - 1
    return signs.astype(np.int8)


def draw_patterns(
    N: int, M: int, rng: np.random.Generator, projection: Projection | None = None
) -> Signs:
    """Input patterns (N, M): independent fair +-1, or signs of projected latent variables."""
    if projection is None:
        return random_signs((N, M), rng)
    return latent_signs(projection, M, rng)


def gaps(J: Floats, S: Signs, inputs: Inputs | None = None) -> NDArray[np.float64]:
    """Gaps r (L, N, M), r = S_l h_l."""
    return fields(J, S, inputs) * S[1:]


def violations(
    J: Floats, S: Signs, kappa: float = 0.0, inputs: Inputs | None = None
) -> NDArray[np.int64]:
    """Number of gaps below kappa by layer, (L,)."""
    counts: NDArray[np.int64] = np.sum(gaps(J, S, inputs) < kappa, axis=(1, 2), dtype=np.int64)
    return counts


def propagate(
    J: Floats,
    patterns: Signs,
    p: float = 0.0,
    rng: np.random.Generator | None = None,
    inputs: Inputs | None = None,
) -> Signs:
    """S (L+1, N, M) by forward propagation of the patterns (N, M); neurons err with probability p.

    J, inputs (L, N, c) : couplings, and the neurons that they read (None: c = N).
    """
    L, N = J.shape[:2]
    S = np.empty((L + 1, N, patterns.shape[1]), dtype=np.int8)
    S[0] = patterns
    for layer in range(1, L + 1):
        reads = None if inputs is None else inputs[layer - 1]
        h = weighted_sums(J[layer - 1], S[layer - 1], reads)
        S[layer] = np.where(h >= 0.0, 1, -1)
        if p > 0.0:
            if rng is None:
                raise ValueError("noisy propagation needs a random generator")
            S[layer] *= np.where(rng.random(h.shape) < p, -1, 1).astype(np.int8)
    return S


def plant(
    L: int,
    N: int,
    M: int,
    beta: float,
    rng: np.random.Generator,
    inputs: Inputs | None = None,
    projection: Projection | None = None,
) -> Network:
    """Equilibrium sample of the gap ensemble at beta, kappa = 0, together with its data.

    The sum over S_{l,i} of exp(-beta theta(-r)) is 1 + e^-beta whatever h is.  Hence uniform J, any
    input patterns that do not depend on J, and forward propagation in which every neuron errs with
    probability p = 1/(1 + e^beta), draw (J, S) from its Boltzmann distribution given inputs and
    outputs, on any graph.

    inputs : (L, N, c), who reads whom; None: c = N.
    projection : (N, D) of the input patterns (`latent`); None: independent fair +-1.
    """
    J = random_couplings(L, N, rng, None if inputs is None else inputs.shape[2])
    p = error_rate(beta) if math.isfinite(beta) else 0.0
    return Network(J, propagate(J, draw_patterns(N, M, rng, projection), p, rng, inputs), inputs)


def plant_outputs(
    L: int,
    N: int,
    M: int,
    beta: float,
    rng: np.random.Generator,
    inputs: Inputs | None = None,
    projection: Projection | None = None,
) -> Network:
    """Equilibrium sample of the weights ensemble: exact neurons, outputs that err with p.

    The number of wrong output bits E(J) has, for given inputs, the partition sum over outputs
    (1 + e^-beta)^{NM} whatever J is, so the same argument as in `plant` holds.
    Only S[L] differs from forward propagation: it holds the data.
    """
    J = random_couplings(L, N, rng, None if inputs is None else inputs.shape[2])
    S = propagate(J, draw_patterns(N, M, rng, projection), inputs=inputs)
    if math.isfinite(beta):
        S[L] *= np.where(rng.random((N, M)) < error_rate(beta), -1, 1).astype(np.int8)
    return Network(J, S, inputs)


def start_random(data: Network, rng: np.random.Generator, *, hidden: str = "random") -> Network:
    """Random couplings on the graph of ``data`` and, between its data, hidden neurons at random.

    hidden="propagated" puts the forward pass of the new couplings there instead.
    """
    L, N, c = data.J.shape
    J = random_couplings(L, N, rng, c)
    if hidden == "propagated":
        S = propagate(J, data.S[0], inputs=data.inputs)
    else:
        S = random_signs(data.S.shape, rng)
        S[0] = data.S[0]
    S[L] = data.S[L]
    return Network(J, S, data.inputs)


def gauge(net: Network, layer: int, signs: Signs) -> Network:
    """Flip the neurons of hidden layer ``layer`` = 1..L-1 by ``signs`` (N,) of +-1.

    S_i -> s_i S_i, J_{l,i} -> s_i J_{l,i}, and every coupling of layer l+1 that reads neuron i
    changes its sign with it.  Every gap stays the same, on any graph.
    """
    J, S = net.J.copy(), net.S.copy()
    S[layer] *= signs[:, None]
    J[layer - 1] *= signs[:, None]
    J[layer] *= signs if net.inputs is None else signs[net.inputs[layer]]
    return Network(J, S, net.inputs)


def permute(net: Network, layer: int, order: NDArray[np.intp], signs: Signs) -> Network:
    """Relabel the neurons of hidden layer ``layer`` by ``order`` and flip them by ``signs``.

    New neuron i is old neuron order[i] times signs[i]; J_l and J_{l+1} follow.  Every gap, and so
    everything measurable, stays the same up to the order of the gaps.  Fully connected networks
    only: on another graph the neurons read and are read by different ones (`gauge` is what is
    left); raises ValueError.
    """
    if net.inputs is not None:
        raise ValueError("the neurons of a diluted network cannot be permuted")
    J, S = net.J.copy(), net.S.copy()
    S[layer] = S[layer][order]
    J[layer - 1] = J[layer - 1][order]
    J[layer] = J[layer][:, order]
    return gauge(Network(J, S), layer, signs)


def spin_correlation(S: Signs) -> NDArray[np.float64]:
    """Root mean square over neuron pairs of the pattern average of S_i S_j, by hidden layer.

    Independent neurons give about 1/sqrt(M); copies of one neuron give 1 (collapse).
    """
    hidden = S[1:-1].astype(np.float64)
    _, N, M = S.shape
    if N > WIDEST_TABLE_OF_PAIRS:
        # sum_ij (S_i . S_j)^2 = sum_mu,nu (S^mu . S^nu)^2, whole numbers; M^2 for i = j
        patterns = np.matmul(hidden.transpose(0, 2, 1), hidden)
        squares = np.square(patterns).sum(axis=(1, 2)) / M**2 - N
        by_patterns: NDArray[np.float64] = np.sqrt(squares / (N * (N - 1)))
        return by_patterns
    overlap = np.matmul(hidden, hidden.transpose(0, 2, 1)) / M
    pairs = np.triu_indices(N, 1)
    result: NDArray[np.float64] = np.sqrt(np.square(overlap[:, pairs[0], pairs[1]]).mean(axis=1))
    return result


def rms_field(J: Floats, S: Signs, inputs: Inputs | None = None) -> NDArray[np.float64]:
    """Root mean square of h by layer, (L,)."""
    result: NDArray[np.float64] = np.sqrt(np.square(fields(J, S, inputs)).mean(axis=(1, 2)))
    return result
