"""A finite network of sign neurons: state, data, teacher, energy; all in plain numpy.

    h_{l,i}^mu = sum_k J_{l,i}^k S_{l-1,k}^mu / sqrt(c),   r_{l,i}^mu = S_{l,i}^mu h_{l,i}^mu,
    H = sum_{l,i,mu} theta(kappa - r_{l,i}^mu),            sum_k (J_{l,i}^k)^2 = c.

Arrays: J (L, N, c), J[l-1, i, k], with the fan-in c of `connectivity`; S (L+1, N, M) of +-1; h and
r (L, N, M), h[l-1] of layer l.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replicadnn.montecarlo.connectivity import (
    Floats,
    Signs,
    fields,
    random_couplings,
    weighted_sums,
)


@dataclass(frozen=True, slots=True)
class Network:
    """Couplings and neurons of one network on one data set.

    J : (L, N, c) float32, rows of square norm c.
    S : (L+1, N, M) int8 of +-1; S[0] inputs, S[L] outputs.
    inputs : (L, N, c) int32, inputs[l-1, i, k] the neuron of layer l-1 that coupling k of
        perceptron (l, i) reads; None: k itself, c = N.
    """

    J: NDArray[np.float32]
    S: Signs
    inputs: NDArray[np.int32] | None = None


def error_rate(beta: float) -> float:
    """Probability p = 1/(1 + e^beta) that a perceptron in equilibrium errs (kappa = 0)."""
    return math.exp(-beta) / (1.0 + math.exp(-beta))


def random_signs(shape: tuple[int, ...], rng: np.random.Generator) -> Signs:
    """Independent fair +-1."""
    signs = 2 * rng.integers(0, 2, size=shape, dtype=np.int8) - 1
    return signs.astype(np.int8)


def gaps(J: Floats, S: Signs) -> NDArray[np.float64]:
    """Gaps r (L, N, M), r = S_l h_l."""
    return fields(J, S) * S[1:]


def violations(J: Floats, S: Signs, kappa: float = 0.0) -> NDArray[np.int64]:
    """Number of gaps below kappa by layer, (L,)."""
    counts: NDArray[np.int64] = np.sum(gaps(J, S) < kappa, axis=(1, 2), dtype=np.int64)
    return counts


def propagate(
    J: Floats, inputs: Signs, p: float = 0.0, rng: np.random.Generator | None = None
) -> Signs:
    """S (L+1, N, M) by forward propagation; every neuron errs with probability p."""
    L, N = J.shape[:2]
    S = np.empty((L + 1, N, inputs.shape[1]), dtype=np.int8)
    S[0] = inputs
    for layer in range(1, L + 1):
        h = weighted_sums(J[layer - 1], S[layer - 1])
        S[layer] = np.where(h >= 0.0, 1, -1)
        if p > 0.0:
            if rng is None:
                raise ValueError("noisy propagation needs a random generator")
            S[layer] *= np.where(rng.random(h.shape) < p, -1, 1).astype(np.int8)
    return S


def plant(L: int, N: int, M: int, beta: float, rng: np.random.Generator) -> Network:
    """Equilibrium sample of the gap ensemble at beta, kappa = 0, together with its data.

    The sum over S_{l,i} of exp(-beta theta(-r)) is 1 + e^-beta whatever h is.  Hence uniform J and
    inputs, and forward propagation in which every neuron errs with probability
    p = 1/(1 + e^beta), draws (J, S) from its Boltzmann distribution given inputs and outputs.
    """
    J = random_couplings(L, N, rng)
    p = error_rate(beta) if math.isfinite(beta) else 0.0
    return Network(J, propagate(J, random_signs((N, M), rng), p, rng))


def plant_outputs(L: int, N: int, M: int, beta: float, rng: np.random.Generator) -> Network:
    """Equilibrium sample of the weights ensemble: exact neurons, outputs that err with p.

    The number of wrong output bits E(J) has, for given inputs, the partition sum over outputs
    (1 + e^-beta)^{NM} whatever J is, so the same argument as in `plant` holds.
    Only S[L] differs from forward propagation: it holds the data.
    """
    J = random_couplings(L, N, rng)
    S = propagate(J, random_signs((N, M), rng))
    if math.isfinite(beta):
        S[L] *= np.where(rng.random((N, M)) < error_rate(beta), -1, 1).astype(np.int8)
    return Network(J, S)


def start_random(data: Network, rng: np.random.Generator, *, hidden: str = "random") -> Network:
    """Random couplings and, between the data of ``data``, hidden neurons at random.

    hidden="propagated" puts the forward pass of the new couplings there instead.
    """
    L, N = data.J.shape[:2]
    J = random_couplings(L, N, rng)
    if hidden == "propagated":
        S = propagate(J, data.S[0])
    else:
        S = random_signs(data.S.shape, rng)
        S[0] = data.S[0]
    S[L] = data.S[L]
    return Network(J, S)


def permute(net: Network, layer: int, order: NDArray[np.intp], signs: Signs) -> Network:
    """Relabel the neurons of hidden layer ``layer`` by ``order`` and flip them by ``signs``.

    New neuron i is old neuron order[i] times signs[i]; J_l and J_{l+1} follow.  Every gap, and so
    everything measurable, stays the same up to the order of the gaps.
    """
    J, S = net.J.copy(), net.S.copy()
    S[layer] = S[layer][order] * signs[:, None]
    J[layer - 1] = J[layer - 1][order] * signs[:, None]
    J[layer] = J[layer][:, order] * signs[None, :]
    return Network(J, S)


def spin_correlation(S: Signs) -> NDArray[np.float64]:
    """Root mean square over neuron pairs of the pattern average of S_i S_j, by hidden layer.

    Independent neurons give about 1/sqrt(M); copies of one neuron give 1 (collapse).
    """
    hidden = S[1:-1].astype(np.float64)
    _, N, M = S.shape
    overlap = np.matmul(hidden, hidden.transpose(0, 2, 1)) / M
    pairs = np.triu_indices(N, 1)
    result: NDArray[np.float64] = np.sqrt(np.square(overlap[:, pairs[0], pairs[1]]).mean(axis=1))
    return result


def rms_field(J: Floats, S: Signs) -> NDArray[np.float64]:
    """Root mean square of h by layer, (L,)."""
    result: NDArray[np.float64] = np.sqrt(np.square(fields(J, S)).mean(axis=(1, 2)))
    return result
