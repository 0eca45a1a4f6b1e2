"""NNGP and tangent kernels of pairs of inputs, layer by layer (docs/wide.md, eqs. 21 to 23)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from replicadnn import interrupt
from replicadnn.errors import InputError
from replicadnn.types import FloatArray
from replicadnn.wide.activations import Activation

IntArray = NDArray[np.int_]

#: Variances that agree to this are one: their pairs are followed by 1 - c.
_ONE = 1e-13
#: Variances that a float and its square can hold.
_LEAST, _MOST = 1e-150, 1e150


class Pairs(NamedTuple):
    """Pairs of inputs: ``|x_a|^2/M_0``, ``|x_b|^2/M_0`` and 1 - c, flat arrays of one length.

    gap is 0 for an input with itself, exactly.
    """

    qa: FloatArray
    qb: FloatArray
    gap: FloatArray


class Kernel(NamedTuple):
    """K^l, l = 1..L, and sigma_w^2 F' between layers l and l + 1, l = 1..L-1 (nan for sign)."""

    nngp: FloatArray
    slopes: FloatArray

    def tangent(self) -> FloatArray:
        """Theta^L: Theta^1 = K^1, Theta^{l+1} = K^{l+1} + Theta^l sigma_w^2 F'(K^l)."""
        theta = self.nngp[0].copy()
        for k, slope in zip(self.nngp[1:], self.slopes, strict=True):
            theta = k + theta * slope
        return np.asarray(theta)

    def layers(self) -> FloatArray:
        """Theta_l = K^l prod_{k >= l} sigma_w^2 F'(K^k): what the parameters of layer l add."""
        found = self.nngp.copy()
        for l in range(len(self.slopes)):
            found[: l + 1] *= self.slopes[l]
        return found


def pairs_of_gram(gram: FloatArray) -> tuple[Pairs, tuple[IntArray, IntArray]]:
    """The pairs a <= b of a Gram matrix x_a.x_b/M_0, and where they lie."""
    at = np.triu_indices(len(gram))
    norms = np.diag(gram)
    mean = float(norms.mean())
    if np.all(np.abs(norms - mean) <= _ONE * mean):
        norms = np.full(norms.shape, mean)
    qa, qb = norms[at[0]], norms[at[1]]
    with np.errstate(divide="ignore", invalid="ignore"):
        c = gram[at] / np.sqrt(qa * qb)
    gap = np.clip(1.0 - np.where(np.isfinite(c), c, 0.0), 0.0, 2.0)
    gap[at[0] == at[1]] = 0.0
    return Pairs(qa, qb, gap), at


def follow(phi: Activation, sigma_w2: float, sigma_b2: float, L: int, pairs: Pairs) -> Kernel:
    """K and F' of these pairs through L layers.

    Pairs of one variance are followed by 1 - c, to its own digits; others by c.
    """
    qa, qb, gap = pairs
    start = (1.0 - gap) * np.sqrt(qa * qb)
    same = (gap == 0.0) & (qa == qb)
    k = sigma_w2 * start + sigma_b2
    scale = sigma_w2 * np.sqrt(qa * qb) * gap
    qa, qb = sigma_w2 * qa + sigma_b2, sigma_w2 * qb + sigma_b2
    k[same] = qa[same]
    nngp, slopes = [k], []
    level = bool(np.all(qa == qb))
    gap = scale / qa if level else _gap(k, qa, qb, same)
    for l in range(1, L):
        interrupt.check()
        if not (np.min(qa) > _LEAST and np.max(qa) < _MOST and np.min(qb) > _LEAST):
            raise InputError("L", L, f"at most {l} at these variances: q leaves the floats")
        slopes.append(_slopes(phi, sigma_w2, qa, qb, gap))
        if level:
            q = _single(phi, sigma_w2, sigma_b2, qa)
            k, gap = _level(phi, sigma_w2, sigma_b2, qa, gap, q)
            qa = qb = q
        else:
            k = sigma_w2 * phi.product(qa, qb, 1.0 - gap) + sigma_b2
            qa, qb = (_single(phi, sigma_w2, sigma_b2, q) for q in (qa, qb))
            k[same] = qa[same]
            gap = _gap(k, qa, qb, same)
        nngp.append(k)
    return Kernel(np.array(nngp), np.array(slopes).reshape(L - 1, k.size))


def _gap(k: FloatArray, qa: FloatArray, qb: FloatArray, same: FloatArray) -> FloatArray:
    gap = np.clip(1.0 - k / np.sqrt(qa * qb), 0.0, 2.0)
    gap[same] = 0.0
    return gap


def _single(phi: Activation, w: float, b: float, q: FloatArray) -> FloatArray:
    """sigma_w^2 V(q) + sigma_b^2, each different q once."""
    each, where = np.unique(q, return_inverse=True)
    return np.asarray((w * phi.square(each) + b)[where])


def _level(
    phi: Activation, w: float, b: float, qa: FloatArray, gap: FloatArray, q: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """K and 1 - c of the next layer, of variance q."""
    near = gap < 0.5
    k, new = np.empty(gap.shape), np.empty(gap.shape)
    new[near] = w * phi.deficit(qa[near], gap[near]) / q[near]
    k[near] = q[near] * (1.0 - new[near])
    far = ~near
    k[far] = w * phi.product(qa[far], qa[far], 1.0 - gap[far]) + b
    new[far] = 1.0 - k[far] / q[far]
    same = gap == 0.0
    k[same], new[same] = q[same], 0.0
    return k, np.clip(new, 0.0, 2.0)


def _slopes(
    phi: Activation, w: float, qa: FloatArray, qb: FloatArray, gap: FloatArray
) -> FloatArray:
    if not phi.differentiable:
        return np.full(gap.shape, np.nan)
    return np.asarray(w * phi.slope_product(qa, qb, 1.0 - gap))
