"""Natural gradient of one network: five metrics, the kernel each generates, one step.

A row of a Jacobian J is the gradient of one output at one sample, n C of them, the samples of the
first output first; layer l has D (rows x M_l), gradients with respect to preactivations, and inputs
X (samples x fan-in, with sigma_b as last column where biases are trained), both in the
parametrisation in which all weights and biases are drawn from N(0, 1).  With residuals r = f - y

    theta -> theta - eta G^{-1} J^T r/N,    A = J G^{-1} J^T/N             (docs/wide.md, eq. G1)

without damping, everything in matrices of rows, never of parameters.
"""

from __future__ import annotations

import enum
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from replicadnn import interrupt
from replicadnn.types import FloatArray
from replicadnn.wide.activations import Activation

#: Eigenvalues of a Gram matrix below this share of the largest are 0.
_RANK = 1e-11
#: Numbers in one pass over units.
_CHUNK = 4_000_000


class Metric(enum.StrEnum):
    """Which Fisher information preconditions the gradient."""

    #: F = J^T J/N.
    EXACT = "exact"
    #: Its blocks of one layer.
    BLOCK_DIAGONAL = "block-diagonal"
    #: Blocks of one layer and of neighbouring ones; indefinite.
    BLOCK_TRIDIAGONAL = "block-tridiagonal"
    #: By layer, A x B: second moments of inputs and of gradients.
    KFAC = "k-fac"
    #: Its blocks of the weights into one neuron.
    UNIT_WISE = "unit-wise"


@dataclass(frozen=True, slots=True)
class Layer:
    """Weights (M_l x fan-in) of a layer, its inputs X and the gradients D of its rows."""

    weights: FloatArray
    inputs: FloatArray
    gradients: FloatArray

    def rows(self, chosen: slice) -> Layer:
        """The same for some samples."""
        D = self.gradients.reshape(-1, self.inputs.shape[0], self.gradients.shape[1])[:, chosen]
        return Layer(
            self.weights, self.inputs[chosen], np.ascontiguousarray(D.reshape(-1, D.shape[2]))
        )

    @property
    def outputs(self) -> int:
        """C."""
        return int(self.gradients.shape[0] // self.inputs.shape[0])

    def gram(self) -> FloatArray:
        """Theta_l = J_l J_l^T = D D^T o X X^T."""
        D, X = self.gradients, self.inputs
        C = self.outputs
        return np.asarray((D @ D.T) * np.tile(X @ X.T, (C, C)))

    def push(self, r: FloatArray) -> FloatArray:
        """J_l^T r as a matrix like the weights."""
        return np.asarray((self.gradients * r[:, None]).T @ np.tile(self.inputs, (self.outputs, 1)))

    def pull(self, change: FloatArray) -> FloatArray:
        """J_l applied to a change of the weights."""
        moved = np.tile(self.inputs @ change.T, (self.outputs, 1))
        return np.asarray(np.sum(self.gradients * moved, axis=1))


@dataclass(frozen=True, slots=True)
class Draw:
    """Weights of one network, each matrix with its column of biases where they are trained."""

    phi: Activation
    scales: tuple[tuple[float, float], ...]
    weights: tuple[FloatArray, ...]

    @classmethod
    def of(
        cls, phi: Activation, variances: tuple[float, float], widths: list[int],
        rng: np.random.Generator,
    ) -> Draw:  # fmt: skip
        """A random network of these widths, inputs first."""
        w, b = (math.sqrt(one) for one in variances)
        pairs = list(itertools.pairwise(widths))
        return cls(
            phi,
            tuple((w / math.sqrt(fan), b) for fan, _ in pairs),
            tuple(rng.standard_normal((out, fan + (b > 0.0))) for fan, out in pairs),
        )

    def moved(self, changes: list[FloatArray], rate: float) -> Draw:
        """The network with ``rate`` times the changes taken from its weights."""
        new = (W - rate * change for W, change in zip(self.weights, changes, strict=True))
        return Draw(self.phi, self.scales, tuple(new))

    def outputs(self, x: FloatArray) -> FloatArray:
        """f, all samples of the first output first."""
        return np.asarray(self._forward(x)[1][-1].T.ravel())

    def layers(self, x: FloatArray) -> list[Layer]:
        """Inputs and gradients of every layer."""
        inputs, fields = self._forward(x)
        C, samples = fields[-1].shape[1], len(x)
        delta = np.repeat(np.eye(C), samples, axis=0)
        found = [Layer(self.weights[-1], inputs[-1], delta)]
        for l in range(len(self.weights) - 2, -1, -1):
            W = self.weights[l + 1][:, : fields[l].shape[1]] * self.scales[l + 1][0]
            delta = (delta @ W) * np.tile(self.phi.derivative(fields[l]), (C, 1))
            found.insert(0, Layer(self.weights[l], inputs[l], delta))
        return found

    def _forward(self, x: FloatArray) -> tuple[list[FloatArray], list[FloatArray]]:
        inputs, fields = [], []
        for W, (scale, bias) in zip(self.weights, self.scales, strict=True):
            x = scale * x
            x = np.column_stack([x, np.full(len(x), bias)]) if bias > 0.0 else x
            inputs.append(x)
            fields.append(x @ W.T)
            x = self.phi.function(fields[-1])
        return inputs, fields


def kernel(metric: Metric, layers: list[Layer], damping: float = 0.0) -> FloatArray:
    """A = J G^{-1} J^T/N of the training rows; alpha times the identity where it is isotropic.

    ``damping`` is of the unit-wise metric, in units of the mean eigenvalue of a layer's blocks.
    """
    rows = layers[0].gradients.shape[0]
    if metric is Metric.EXACT:
        parts = [_projection(np.sum([one.gram() for one in layers], axis=0))]
    elif metric is Metric.BLOCK_TRIDIAGONAL:
        parts = tridiagonal([_inverse(one.gram()) for one in layers], np.eye(rows))
    elif metric is Metric.BLOCK_DIAGONAL:
        parts = [_projection(one.gram()) for one in layers]
    elif metric is Metric.KFAC:
        parts = [_kfac_kernel(one) for one in layers]
    else:
        parts = [_unit_kernel(one, damping) for one in layers]
    return np.asarray(np.sum(parts, axis=0))


def direction(
    metric: Metric, layers: list[Layer], r: FloatArray, damping: float = 0.0
) -> list[FloatArray]:
    """G^{-1} J^T r/N, layer by layer; ``damping`` as of `kernel`."""
    if metric is Metric.EXACT:
        v = _inverse(np.sum([one.gram() for one in layers], axis=0)) @ r
        return [one.push(v) for one in layers]
    if metric is Metric.BLOCK_DIAGONAL:
        return [one.push(_inverse(one.gram()) @ r) for one in layers]
    if metric is Metric.BLOCK_TRIDIAGONAL:
        inverses = [_inverse(one.gram()) for one in layers]
        parts = tridiagonal(inverses, r)
        return [
            one.push(inverse @ w) for one, inverse, w in zip(layers, inverses, parts, strict=True)
        ]
    if metric is Metric.KFAC:
        return [_kfac_step(one, r) for one in layers]
    return [_unit_step(one, r, damping) for one in layers]


def tridiagonal(inverses: list[FloatArray], r: FloatArray) -> list[FloatArray]:
    """w_l of J_l^T Theta_l^{-1} w_l from the Theta_l^{-1}: w_{l-1} + w_l + w_{l+1} = r at every l.

    v_l r with v of `tridiagonal_weights`.  For L = 3s + 2 these equations have the null vector
    n = (1, -1, 0, 1, -1, ...); without damping the solution is that of least
    sum_l w_l^T Theta_l^{-1} w_l.
    """
    L = len(inverses)
    found = [one * r for one in tridiagonal_weights(L)]
    if L % 3 != 2:
        return found
    null = np.array([(1.0, -1.0, 0.0)[l % 3] for l in range(L)])
    normal = np.einsum("l,lij->ij", null**2, inverses)
    pulled = sum(n * K @ w for n, K, w in zip(null, inverses, found, strict=True))
    t = np.linalg.solve(normal, pulled)
    return [w - n * t for n, w in zip(null, found, strict=True)]


def tridiagonal_weights(L: int) -> FloatArray:
    """v_{l-1} + v_l + v_{l+1} = 1: 1 at each third layer, from the second (L = 3s) or the first."""
    v = np.zeros(L)
    v[(1 if L % 3 == 0 else 0) :: 3] = 1.0
    return v


def _inverse(gram: FloatArray) -> FloatArray:
    """Of one or several Gram matrices, on their range."""
    return np.asarray(np.linalg.pinv(gram, rcond=_RANK, hermitian=True))


def _projection(gram: FloatArray) -> FloatArray:
    """The projection on the range of a Gram matrix."""
    values, vectors = np.linalg.eigh(gram)
    kept = vectors[:, values > _RANK * values[-1]]
    return np.asarray(kept @ kept.T)


def _kfac_kernel(one: Layer) -> FloatArray:
    """N P_D o P_X: with A = X^T X/N and B = D^T D/N each inverse is N times a projection."""
    D, X, C = one.gradients, one.inputs, one.outputs
    return np.asarray(len(X) * _projection(D @ D.T) * np.tile(_projection(X @ X.T), (C, C)))


def _kfac_step(one: Layer, r: FloatArray) -> FloatArray:
    """B^+ (sum_n r_n d_n x_n^T/N) A^+, row by row."""
    D, X, C = one.gradients, one.inputs, one.outputs
    back, front = D.T @ _inverse(D @ D.T), X.T @ _inverse(X @ X.T)
    return np.asarray(len(X) * (back * r) @ np.tile(front, (1, C)).T)


def _units(one: Layer) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
    """Units in chunks: which, d (units, C, samples), and K_SS^{-1} (units, samples, samples).

    S: the samples at which the gradient of the unit is not 0; 0 outside S.
    """
    X, C = one.inputs, one.outputs
    d = one.gradients.T.reshape(-1, C, len(X))
    active = np.any(d != 0.0, axis=1)
    K = X @ X.T
    rest = np.eye(len(X)) * np.mean(np.diag(K))
    size = max(1, _CHUNK // (len(X) ** 2))
    whole = _inverse(K)[None] if active.all() else None
    for start in range(0, len(d), size):
        interrupt.check()
        chosen = slice(start, start + size)
        on = active[chosen]
        inverse = whole
        if inverse is None:
            both = on[:, :, None] & on[:, None, :]
            try:
                inverse = np.where(both, np.linalg.inv(np.where(both, K, rest)), 0.0)
            except np.linalg.LinAlgError:  # a sample without inputs
                inverse = _inverse(np.where(both, K, 0.0))
        yield chosen, d[chosen], inverse


def _damped(one: Layer, damping: float) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
    """Units in chunks: which, their G_i = J_i J_i^T, (G_i + damping mean)^{-1}."""
    D, C = one.gradients.T, one.outputs
    K = np.tile(one.inputs @ one.inputs.T, (C, C))
    rows = len(K)
    shift = damping * float(np.mean(D * D * np.diag(K))) * np.eye(rows)
    size = max(1, _CHUNK // rows**2)
    for start in range(0, len(D), size):
        interrupt.check()
        d = D[start : start + size]
        G = K * d[:, :, None] * d[:, None, :]
        yield slice(start, start + size), G, np.asarray(np.linalg.inv(G + shift))


def _unit_kernel(one: Layer, damping: float) -> FloatArray:
    """Sum over units of E P E^T, E the directions of the outputs' gradients, P = 1 on S."""
    rows, samples = one.gradients.shape[0], len(one.inputs)
    if damping > 0.0:
        parts = [np.einsum("iab,ibc->ac", G, inverse) for _, G, inverse in _damped(one, damping)]
        return np.asarray(np.sum(parts, axis=0))
    C = one.outputs
    d = one.gradients.T.reshape(-1, C, samples)
    norm = np.sqrt(np.sum(d * d, axis=1, keepdims=True))
    e = np.divide(d, norm, out=np.zeros_like(d), where=norm > 0.0)
    same = np.einsum("ikn,ijn->kjn", e, e)
    found = np.zeros((C, samples, C, samples))
    found[:, np.arange(samples), :, np.arange(samples)] = same.transpose(2, 0, 1)
    return found.reshape(rows, rows)


def _unit_step(one: Layer, r: FloatArray, damping: float) -> FloatArray:
    """Of unit i: X_S^T K_SS^{-1} g, g_n = d_n.r_n/|d_n|^2 on S; damped J_i^T (G_i + ...)^{-1} r."""
    found = np.empty_like(one.weights)
    if damping > 0.0:
        X = np.tile(one.inputs, (one.outputs, 1))
        for chosen, _, inverse in _damped(one, damping):
            found[chosen] = ((inverse @ r) * one.gradients.T[chosen]) @ X
        return found
    for chosen, d, inverse in _units(one):
        norm = np.sum(d * d, axis=1)
        along = np.sum(d * r.reshape(1, *d.shape[1:]), axis=1)
        g = np.divide(along, norm, out=np.zeros_like(along), where=norm > 0.0)
        found[chosen] = np.matmul(inverse, g[:, :, None])[:, :, 0] @ one.inputs
    return found
