"""Sweeps of the weights sampler: only couplings move, neurons are S_l = sgn(h_l).

Energy: E(J) = number of output bits that differ from the data.  After a rotation only the neurons
whose sign changed are propagated, pattern by pattern, through the layers above.

Layout (Np = N rounded up to 16, Mp = M rounded up to 16; padding is +0.0 everywhere):

    J (L, N, N)        J[l-1, i, k]
    C (L, N, Np)       C[l-1, k, i] = J[l-1, i, k] / sqrt(N): what input k adds to all fields
    R (L, N, Mp)       R[l, i, mu] = S_l, neuron-major, l = 0..L-1
    S (L, M, Np)       S[l-1] = S_l, pattern-major, l = 1..L (S[L-1] is the network's output)
    h (L, M, Np)       h[l-1] = h_l
    Y (M, Np)          outputs of the data

Random numbers per sweep: for l = 1..L, for each perceptron, 4 N uint32 (rounded up to a multiple
of 16) for its N rotations.
"""

from __future__ import annotations

import numpy as np

from replicadnn.kernels._jit import jit_strict
from replicadnn.kernels._simd import bit_count, fma, lowest_bit, sign_bits, splat, vload, vstore
from replicadnn.kernels.sampler.random import fill_u32
from replicadnn.kernels.sampler.sphere import draw_rotations, largest_cost, renormalise, rotated

_F = np.float32


@jit_strict
def forward(J, C, R, S, h, Y):
    """Fill C, R[1:], S and h from J and the inputs R[0]; returns E(J)."""
    L, M = h.shape[0], h.shape[1]
    N = J.shape[1]
    inverse_root = 1.0 / np.sqrt(N)
    wrong = 0
    for l in range(L):
        for i in range(N):
            for k in range(N):
                C[l, k, i] = _F(J[l, i, k] * inverse_root)
        for m in range(M):
            for i in range(N):
                h[l, m, i] = _F(0.0)
            for k in range(N):
                s = R[l, k, m]
                for i in range(N):
                    h[l, m, i] += s * C[l, k, i]
            for i in range(N):
                s = _F(1.0) if h[l, m, i] >= 0.0 else _F(-1.0)
                S[l, m, i] = s
                if l + 1 < L:
                    R[l + 1, i, m] = s
                elif s != Y[m, i]:
                    wrong += 1
    return wrong


@jit_strict
def propagate(S1, h1, C1, Y1, L, M, N, Np, l, i, m, trial, bits, top):
    """Consequences of flipping S_{l,i} for pattern m; returns the change of E.

    Flat views: S1, h1 (L*M*Np), C1 (L*N*Np), Y1 (M*Np), trial (M*L*Np), bits (M*L*Np/16).
    New fields of layers l+1.. go to trial[m, layer-1], flipped neurons to the words
    bits[m, layer-1], the last layer that was touched to top[m]; nothing else is written.
    """
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
            vstore(trial, at + 16 * v, vload(h1, here + 16 * v))
        words = (m * L + q - 2) * n_vec
        for w in range(n_vec):
            left = bits[words + w]
            while left != 0:
                k = 16 * w + lowest_bit(left)
                left &= left - 1
                c = splat(_F(-2.0) * S1[lower + k])
                column = ((q - 1) * N + k) * Np
                for v in range(n_vec):
                    x = fma(c, vload(C1, column + 16 * v), vload(trial, at + 16 * v))
                    vstore(trial, at + 16 * v, x)
        top[m] = q
        any_flip = 0
        for v in range(n_vec):
            s = vload(S1, here + 16 * v)
            flips = sign_bits(vload(trial, at + 16 * v), s)
            bits[(m * L + q - 1) * n_vec + v] = flips
            any_flip |= flips
            if q == L:
                wrong = sign_bits(s, vload(Y1, m * Np + 16 * v))
                change += bit_count(flips) - 2 * bit_count(flips & wrong)
        if any_flip == 0:
            break
    return change


@jit_strict
def commit(S1, h1, R, L, M, Np, l, m, trial, bits, top):
    """Make the trial of `propagate` for pattern m the state."""
    n_vec = Np // 16
    for q in range(l, top[m] + 1):
        here = ((q - 1) * M + m) * Np
        if q > l:
            at = (m * L + q - 1) * Np
            for v in range(n_vec):
                vstore(h1, here + 16 * v, vload(trial, at + 16 * v))
        for v in range(n_vec):
            left = bits[(m * L + q - 1) * n_vec + v]
            while left != 0:
                k = 16 * v + lowest_bit(left)
                left &= left - 1
                S1[here + k] = -S1[here + k]
                if q < L:
                    R[q, k, m] = -R[q, k, m]


@jit_strict
def count_wrong(S1, Y1, L, M, Np, m):
    """Wrong output bits of pattern m."""
    count = 0
    at = ((L - 1) * M + m) * Np
    for v in range(0, Np, 16):
        count += bit_count(sign_bits(vload(S1, at + v), vload(Y1, m * Np + v)))
    return count


@jit_strict
def rotate_layer(
    J,
    C,
    R,
    S,
    h,
    Y,
    l,
    n_rotations,
    step,
    thresholds,
    rng,
    u,
    row,
    new_row,
    sign,
    trial,
    bits,
    top,
    flipped,
    wrong,
):
    """n_rotations Metropolis rotations of a random coupling pair, every perceptron of layer l.

    Proposal as in the gap sampler.  thresholds : uint32, 2^32 exp(-beta d) for d = 1..; an empty
    array is the greedy rule (accept what does not raise E).
    Scratch: u (4 n_rotations + 16) uint32; row, new_row, sign (Mp) float32; trial (M*L*Np) float32;
    bits (M*L*Np/16) int64; top, flipped, wrong (M) int64.
    Returns the number of accepted rotations and the change of E.
    """
    L, M, Np = h.shape
    N = J.shape[1]
    Mp = R.shape[2]
    S1, h1, C1, Y1 = S.reshape(-1), h.reshape(-1), C.reshape(-1), Y.reshape(-1)
    R1 = R.reshape(-1)
    inverse_root = 1.0 / np.sqrt(N)
    pick = np.empty((n_rotations, 2), np.int64)
    turn = np.empty((n_rotations, 2), np.float64)
    for m in range(M):
        wrong[m] = count_wrong(S1, Y1, L, M, Np, m)
    accepted = 0
    energy = 0
    for i in range(N):
        fill_u32(rng, u, (4 * n_rotations + 15) // 16 * 16)
        draw_rotations(u, n_rotations, N, step, pick, turn)
        for m in range(M):
            row[m] = h[l - 1, m, i]
            sign[m] = S[l - 1, m, i]
        for m in range(M, Mp):
            row[m] = _F(0.0)
            sign[m] = _F(0.0)
        for move in range(n_rotations):
            a = pick[move, 0]
            k = pick[move, 1]
            new_a, new_k, da, dk = rotated(J, l, i, a, k, turn, move)
            da_all, dk_all = splat(_F(da)), splat(_F(dk))
            pa = ((l - 1) * N + a) * Mp
            pk = ((l - 1) * N + k) * Mp
            limit = largest_cost(u[4 * move + 3], thresholds)
            n_flipped = 0
            hope = 0  # the most that the patterns still to come can take off the cost
            for at in range(0, Mp, 16):
                x = fma(dk_all, vload(R1, pk + at), fma(da_all, vload(R1, pa + at), vload(row, at)))
                vstore(new_row, at, x)
                left = sign_bits(x, vload(sign, at))
                while left != 0:
                    m = at + lowest_bit(left)
                    left &= left - 1
                    flipped[n_flipped] = m
                    n_flipped += 1
                    hope += wrong[m]
            cost = 0
            for f in range(n_flipped):
                m = flipped[f]
                if l == L:
                    cost += 1 if sign[m] == Y[m, i] else -1
                    continue
                cost += propagate(S1, h1, C1, Y1, L, M, N, Np, l, i, m, trial, bits, top)
                hope -= wrong[m]
                if cost - hope > limit:
                    break
            if cost > limit:
                continue
            accepted += 1
            energy += cost
            J[l - 1, i, a] = new_a
            J[l - 1, i, k] = new_k
            C[l - 1, a, i] = _F(new_a * inverse_root)
            C[l - 1, k, i] = _F(new_k * inverse_root)
            for at in range(0, Mp, 16):
                vstore(row, at, vload(new_row, at))
            for f in range(n_flipped):
                m = flipped[f]
                sign[m] = -sign[m]
                if l < L:
                    commit(S1, h1, R, L, M, Np, l, m, trial, bits, top)
                    wrong[m] = count_wrong(S1, Y1, L, M, Np, m)
        for m in range(M):
            h[l - 1, m, i] = row[m]
            S[l - 1, m, i] = sign[m]
    return accepted, energy


@jit_strict
def sweeps(J, C, R, S, h, Y, rng, done, n, every, step, thresholds, acc_J, energy):
    """Make n sweeps of N rotations per perceptron, layer by layer; returns E at the end.

    done, every : after every sweep whose running number is a multiple of ``every`` the couplings
        are renormalised and everything is propagated anew.
    acc_J (L,) : int64 counters of accepted rotations, added to.
    """
    L, M, Np = h.shape
    N = J.shape[1]
    Mp = R.shape[2]
    u = np.empty(4 * N + 16, np.uint32)
    row = np.empty(Mp, np.float32)
    new_row = np.empty(Mp, np.float32)
    sign = np.empty(Mp, np.float32)
    trial = np.empty(M * L * Np, np.float32)
    bits = np.zeros(M * L * (Np // 16), np.int64)
    top = np.zeros(M, np.int64)
    flipped = np.empty(Mp, np.int64)
    wrong = np.empty(M, np.int64)
    for t in range(n):
        for l in range(1, L + 1):
            accepted, change = rotate_layer(
                J,
                C,
                R,
                S,
                h,
                Y,
                l,
                N,
                step,
                thresholds,
                rng,
                u,
                row,
                new_row,
                sign,
                trial,
                bits,
                top,
                flipped,
                wrong,
            )
            acc_J[l - 1] += accepted
            energy += change
        if (done + t + 1) % every == 0:
            renormalise(J)
            energy = forward(J, C, R, S, h, Y)
    return energy
