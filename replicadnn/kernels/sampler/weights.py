"""Sweeps of the weights sampler: only couplings move, neurons are S_l = sgn(h_l).

Energy: E(J) = number of output bits that differ from the data.  After a rotation only the neurons
whose sign changed are propagated, pattern by pattern, through the layers above.

Layout: `State`, with Np = N rounded up to 16 and Mp = M rounded up to 16; padding is +0.0.

A network of connectivity c < N has a `graph.Wiring`; None: c = N and coupling k reads neuron k.

Random numbers per sweep: for l = 1..L, for each perceptron, 4 c uint32 (rounded up to a multiple
of 16) for its c rotations.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from replicadnn.kernels._jit import jit_strict
from replicadnn.kernels._simd import bit_count, fma, lowest_bit, sign_bits, splat, vload, vstore
from replicadnn.kernels.sampler.graph import read_by
from replicadnn.kernels.sampler.random import fill_u32
from replicadnn.kernels.sampler.sphere import draw_rotations, largest_cost, renormalise, rotated

_F = np.float32
_U = np.uint64


class State(NamedTuple):
    """Everything that a sweep changes, float32.

    J        (L, N, c)    J[l-1, i, k]
    columns  (L, N, Np)   columns[l-1, k, i] = J[l-1, i, k] / sqrt(N): what input k adds to fields;
                          with a wiring (L, 1, N c), J / sqrt(c) in the order of its readers
    below    (L, N, Mp)   below[l, i, mu] = S_l, neuron by neuron, l = 0..L-1
    S        (L, M, Np)   S[l-1] = S_l, pattern by pattern, l = 1..L (S[L-1]: the network's output)
    h        (L, M, Np)   h[l-1] = h_l
    outputs  (M, Np)      outputs of the data
    """

    J: Any
    columns: Any
    below: Any
    S: Any
    h: Any
    outputs: Any


class Scratch(NamedTuple):
    """Memory of `rotate_layer`, made by `scratch`.

    randoms (4 c + 16) uint32; row, new_row, sign (Mp) float32: fields of the perceptron at work,
    the same after a trial, its signs.  trial (M*L*Np) float32, bits (M*L*Np/16), top (M) int64: see
    `propagate`.  flipped (Mp), wrong (M) int64: patterns whose sign a trial changes, and wrong
    output bits of every pattern.
    """

    randoms: Any
    row: Any
    new_row: Any
    sign: Any
    trial: Any
    bits: Any
    top: Any
    flipped: Any
    wrong: Any


@jit_strict
def scratch(L, M, c, Np, Mp):
    """Scratch memory for networks of this shape."""
    return Scratch(
        np.empty(4 * c + 16, np.uint32),
        np.empty(Mp, _F),
        np.empty(Mp, _F),
        np.empty(Mp, _F),
        np.empty(M * L * Np, _F),
        np.zeros(M * L * (Np // 16), np.int64),
        np.zeros(M, np.int64),
        np.empty(Mp, np.int64),
        np.zeros(M, np.int64),
    )


@jit_strict
def fill_columns(columns, J, wiring, l):
    """State.columns of layer l + 1 from J."""
    N, c = J.shape[1], J.shape[2]
    inverse_root = 1.0 / np.sqrt(c)
    if wiring is None:
        for i in range(N):
            for k in range(N):
                columns[l, k, i] = _F(J[l, i, k] * inverse_root)
    else:
        for e in range(N * c):
            i, k = wiring.reader[l, e], wiring.coupling[l, e]
            columns[l, 0, e] = _F(J[l, i, k] * inverse_root)


@jit_strict
def set_column(columns, wiring, l, k, i, value):
    """Keep `fill_columns` up to date with one coupling J_{l,i,k} / sqrt(c) = ``value``."""
    if wiring is None:
        columns[l - 1, k, i] = value
    else:
        source = wiring.inputs[l - 1, i, k]
        for e in range(wiring.first[l - 1, source], wiring.first[l - 1, source + 1]):
            if wiring.reader[l - 1, e] == i:
                columns[l - 1, 0, e] = value


@jit_strict
def fields_of_pattern(state, wiring, l, m):
    """h_{l+1} of pattern m, into state.h."""
    J, columns, below, _, h, _ = state
    N = J.shape[1]
    for i in range(N):
        h[l, m, i] = _F(0.0)
    for k in range(N):
        s = below[l, k, m]
        if wiring is None:
            for i in range(N):
                h[l, m, i] += s * columns[l, k, i]
        else:
            for e in range(wiring.first[l, k], wiring.first[l, k + 1]):
                h[l, m, wiring.reader[l, e]] += s * columns[l, 0, e]


@jit_strict
def forward(state, wiring):
    """Fill columns, below[1:], S and h from J and the inputs below[0]; returns E(J)."""
    J, columns, below, S, h, outputs = state
    L, M = h.shape[0], h.shape[1]
    N = J.shape[1]
    wrong = 0
    for l in range(L):
        fill_columns(columns, J, wiring, l)
        for m in range(M):
            fields_of_pattern(state, wiring, l, m)
            for i in range(N):
                s = _F(1.0) if h[l, m, i] >= 0.0 else _F(-1.0)
                S[l, m, i] = s
                if l + 1 < L:
                    below[l + 1, i, m] = s
                elif s != outputs[m, i]:
                    wrong += 1
    return wrong


@jit_strict
def add_flip(trial, at, columns, wiring, q, k, N, change):
    """Add ``change`` (-2 S) times what neuron k of layer q-1 adds to the fields of layer q.

    trial : flat; the fields of layer q begin at ``at``.  columns : flat.
    """
    if wiring is None:
        Np = (N + 15) // 16 * 16
        factor = splat(change)
        column = ((q - 1) * N + k) * Np
        for v in range(0, Np, 16):
            x = fma(factor, vload(columns, column + v), vload(trial, at + v))
            vstore(trial, at + v, x)
    else:
        readers = wiring.reader[q - 1]
        layer = (q - 1) * readers.shape[0]
        for e in range(wiring.first[q - 1, k], wiring.first[q - 1, k + 1]):
            trial[_U(at + readers[_U(e)])] += change * columns[_U(layer + e)]


@jit_strict
def propagate(S, h, columns, wiring, outputs, shape, l, i, m, trial, bits, top):
    """Consequences of flipping S_{l,i} for pattern m; returns the change of E.

    S, h, columns, outputs : flat views of the arrays of `State`; shape : (L, M, N, Np).
    New fields of layers l+1.. go to trial[m, layer-1], flipped neurons to the words
    bits[m, layer-1], the last layer that was touched to top[m]; nothing else is written.
    """
    L, M, N, Np = shape
    n_vec = Np // 16
    change = 0
    # layer l itself has the single flipped neuron i
    below = (m * L + l - 1) * n_vec
    for v in range(n_vec):
        bits[below + v] = 0
    bits[below + i // 16] = 1 << (i % 16)
    top[m] = l
    for q in range(l + 1, L + 1):
        at = (m * L + q - 1) * Np
        here = ((q - 1) * M + m) * Np
        lower = ((q - 2) * M + m) * Np
        for v in range(n_vec):
            vstore(trial, at + 16 * v, vload(h, here + 16 * v))
        words = (m * L + q - 2) * n_vec
        for w in range(n_vec):
            left = bits[words + w]
            while left != 0:
                k = 16 * w + lowest_bit(left)
                left &= left - 1
                add_flip(trial, at, columns, wiring, q, k, N, _F(-2.0) * S[lower + k])
        top[m] = q
        any_flip = 0
        for v in range(n_vec):
            s = vload(S, here + 16 * v)
            flips = sign_bits(vload(trial, at + 16 * v), s)
            bits[(m * L + q - 1) * n_vec + v] = flips
            any_flip |= flips
            if q == L:
                wrong = sign_bits(s, vload(outputs, m * Np + 16 * v))
                change += bit_count(flips) - 2 * bit_count(flips & wrong)
        if any_flip == 0:
            break
    return change


@jit_strict
def commit(S, h, below, shape, l, m, trial, bits, top):
    """Make the trial of `propagate` for pattern m the state; ``below`` in its own shape."""
    L, M, _, Np = shape
    n_vec = Np // 16
    for q in range(l, top[m] + 1):
        here = ((q - 1) * M + m) * Np
        if q > l:
            at = (m * L + q - 1) * Np
            for v in range(n_vec):
                vstore(h, here + 16 * v, vload(trial, at + 16 * v))
        for v in range(n_vec):
            left = bits[(m * L + q - 1) * n_vec + v]
            while left != 0:
                k = 16 * v + lowest_bit(left)
                left &= left - 1
                S[here + k] = -S[here + k]
                if q < L:
                    below[q, k, m] = -below[q, k, m]


@jit_strict
def count_wrong(S, outputs, shape, m):
    """Wrong output bits of pattern m, from flat views."""
    L, M, _, Np = shape
    count = 0
    at = ((L - 1) * M + m) * Np
    for v in range(0, Np, 16):
        count += bit_count(sign_bits(vload(S, at + v), vload(outputs, m * Np + v)))
    return count


@jit_strict
def turned_patterns(row, new_row, sign, below, pa, pk, da, dk, flipped, wrong):
    """Fields after a rotation, and the patterns whose sign they change.

    new_row = row + da S_a + dk S_k, with the inputs a, k at places pa, pk of the flat ``below``.
    The patterns go to ``flipped``; returns their number and the sum of their ``wrong``.
    """
    da_all, dk_all = splat(da), splat(dk)
    n_flipped = 0
    total = 0
    for at in range(0, row.shape[0], 16):
        x = fma(da_all, vload(below, pa + at), vload(row, at))
        x = fma(dk_all, vload(below, pk + at), x)
        vstore(new_row, at, x)
        left = sign_bits(x, vload(sign, at))
        while left != 0:
            m = at + lowest_bit(left)
            left &= left - 1
            flipped[n_flipped] = m
            n_flipped += 1
            total += wrong[m]
    return n_flipped, total


@jit_strict
def load_perceptron(h, S, l, i, row, sign):
    """Fields and signs of perceptron i of layer l for every pattern, 0 in the padding."""
    M = h.shape[1]
    for m in range(M):
        row[m] = h[l - 1, m, i]
        sign[m] = S[l - 1, m, i]
    for m in range(M, row.shape[0]):
        row[m] = _F(0.0)
        sign[m] = _F(0.0)


@jit_strict
def store_perceptron(h, S, l, i, row, sign):
    """Put fields and signs of perceptron i of layer l back."""
    for m in range(h.shape[1]):
        h[l - 1, m, i] = row[m]
        S[l - 1, m, i] = sign[m]


@jit_strict
def rotate_layer(state, wiring, l, n_rotations, step, thresholds, rng, memory):
    """n_rotations Metropolis rotations of a random coupling pair, every perceptron of layer l.

    state : `State`; wiring : of a diluted network, or None; memory : `Scratch`; l = 1..L.
    step : the angle is 2 atan(t), t uniform in (-step, step), as in the gap sampler.
    thresholds : uint32, 2^32 exp(-beta d) for d = 1..; an empty array is the greedy rule (accept
        what does not raise E).
    rng : generator (4, 8), which moves on.
    Returns the number of accepted rotations and the change of E.
    """
    J, columns, below, S, h, outputs = state
    u, row, new_row, sign, trial, bits, top, flipped, wrong = memory
    L, M, Np = h.shape
    N = J.shape[1]
    Mp = below.shape[2]
    shape = (L, M, N, Np)
    columns1, below1, outputs1 = columns.reshape(-1), below.reshape(-1), outputs.reshape(-1)
    S1, h1 = S.reshape(-1), h.reshape(-1)
    inverse_root = 1.0 / np.sqrt(J.shape[2])
    pick = np.empty((n_rotations, 2), np.int64)
    turn = np.empty((n_rotations, 2), np.float64)
    for m in range(M):
        wrong[m] = count_wrong(S1, outputs1, shape, m)
    accepted = 0
    energy = 0
    for i in range(N):
        fill_u32(rng, u, (4 * n_rotations + 15) // 16 * 16)
        draw_rotations(u, n_rotations, J.shape[2], step, pick, turn)
        load_perceptron(h, S, l, i, row, sign)
        for move in range(n_rotations):
            a = pick[move, 0]
            k = pick[move, 1]
            new_a, new_k, da, dk = rotated(J, l, i, a, k, turn, move)
            pa = ((l - 1) * N + read_by(wiring, l, i, a)) * Mp
            pk = ((l - 1) * N + read_by(wiring, l, i, k)) * Mp
            limit = largest_cost(u[4 * move + 3], thresholds)
            # hope: the most that the patterns still to come can take off the cost
            n_flipped, hope = turned_patterns(
                row, new_row, sign, below1, pa, pk, _F(da), _F(dk), flipped, wrong
            )
            cost = 0
            for f in range(n_flipped):
                m = flipped[f]
                if l == L:
                    cost += 1 if sign[m] == outputs[m, i] else -1
                    continue
                cost += propagate(
                    S1, h1, columns1, wiring, outputs1, shape, l, i, m, trial, bits, top
                )
                hope -= wrong[m]
                if cost - hope > limit:
                    break
            if cost > limit:
                continue
            accepted += 1
            energy += cost
            J[l - 1, i, a] = new_a
            J[l - 1, i, k] = new_k
            set_column(columns, wiring, l, a, i, _F(new_a * inverse_root))
            set_column(columns, wiring, l, k, i, _F(new_k * inverse_root))
            for at in range(0, Mp, 16):
                vstore(row, at, vload(new_row, at))
            for f in range(n_flipped):
                m = flipped[f]
                sign[m] = -sign[m]
                if l < L:
                    commit(S1, h1, below, shape, l, m, trial, bits, top)
                    wrong[m] = count_wrong(S1, outputs1, shape, m)
        store_perceptron(h, S, l, i, row, sign)
    return accepted, energy


@jit_strict
def sweeps(state, wiring, rng, done, n, every, step, thresholds, counters, energy):
    """Make n sweeps of c rotations per perceptron, layer by layer; returns E at the end.

    state, wiring, step, thresholds, rng : as in `rotate_layer`.
    done, every : after every sweep whose running number is a multiple of ``every`` the couplings
        are renormalised and everything is propagated anew.
    counters (L,) : int64, accepted rotations by layer, added to.
    energy : E of the present couplings.
    """
    L, M, Np = state.h.shape
    c = state.J.shape[2]
    memory = scratch(L, M, c, Np, state.below.shape[2])
    for t in range(n):
        for l in range(1, L + 1):
            accepted, change = rotate_layer(state, wiring, l, c, step, thresholds, rng, memory)
            counters[l - 1] += accepted
            energy += change
        if (done + t + 1) % every == 0:
            renormalise(state.J)
            energy = forward(state, wiring)
    return energy
