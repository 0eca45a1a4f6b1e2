"""Sweeps of the gap sampler: couplings J and hidden neurons S both move.

Energy: H = number of gaps with r = S_{l,i} h_{l,i} < kappa, at inverse temperature beta.

Layout.  Patterns are cut into nb blocks of W = 32 (the last one padded):

    S (L+1, nb, N, W)   neurons, +1 or -1 as float32; 0 in the padding
    h (L, nb, N, W)     h[l-1] = J_l S_{l-1} / sqrt(c) of layer l; 0 in the padding
    J (L, N, c)         J[l-1, i, k], each row of square norm c
    wiring              `graph.Wiring`, or None: c = N and coupling k reads neuron k

A padded pattern has S = 0 and h = 0 for ever: its gaps never change, so it enters no decision.

Random numbers per sweep, in order, for l = 1..L: for each perceptron i, 4 c uint32 (rounded up to
a multiple of 16) for its c rotations; then, if l < L, for each block N W uint32 for the flips.
"""

from __future__ import annotations

import numpy as np

from replicadnn.kernels._jit import jit_strict
from replicadnn.kernels._simd import (
    add,
    at_most,
    blend,
    count_below,
    fma,
    iadd,
    isub,
    izero,
    keep_f,
    less,
    negative,
    negative_mask,
    popcount,
    select_i,
    splat,
    vload,
    vload_mask,
    vload_u32,
    vstore,
    vstore_u32,
)
from replicadnn.kernels.sampler.graph import flip_steps, read_by, readers_of
from replicadnn.kernels.sampler.random import fill_u32
from replicadnn.kernels.sampler.sphere import draw_rotations, refused, renormalise, rotated

W = 32
_F = np.float32
_U = np.uint64


@jit_strict
def largest_costs(u, n, thresholds):
    """Replace every random number u[0..n-1] by the largest cost that it lets pass.

    That is the number of d >= 1 with u < thresholds[d-1] = 2^32 exp(-beta d).
    """
    n_thresholds = thresholds.shape[0]
    for at in range(0, n, 32):
        r0 = vload_u32(u, at)
        r1 = vload_u32(u, at + 16)
        e0 = izero()
        e1 = izero()
        for k in range(n_thresholds):
            e0 = count_below(e0, r0, thresholds[k])
            e1 = count_below(e1, r1, thresholds[k])
        vstore_u32(u, at, e0)
        vstore_u32(u, at + 16, e1)


@jit_strict
def violated(hf, h_at, Sf, s_at, N, offset):
    """Violated gaps of one layer, for each of 16 patterns (`offset` = -kappa) of a block."""
    count = izero()
    for j in range(N):
        h, s = vload(hf, h_at + j * W), vload(Sf, s_at + j * W)
        count = iadd(count, negative(h, s, offset))
    return count


@jit_strict
def flip_layer(S, h, l, column, thresholds, kappa, rng, u):
    """One Metropolis flip attempt of every neuron of hidden layer l (1..L-1), all patterns; c = N.

    column : (N*N,) from `graph.flip_steps`.
    thresholds : uint32, thresholds[d-1] = 2^32 exp(-beta d); a flip that costs d > 0 is accepted
        when u32 < thresholds[d-1]; beyond the end of the array it is refused.
    u : uint32 scratch, at least N * W.
    Returns the number of accepted flips, padded patterns (always accepted) included.
    """
    nb = S.shape[1]
    N = S.shape[2]
    Sf = S.reshape(-1)
    hf = h.reshape(-1)
    offset = splat(_F(0.0 - kappa))
    minus_two = splat(_F(-2.0))
    accepted = 0
    for b in range(nb):
        fill_u32(rng, u, N * W)
        largest_costs(u, N * W, thresholds)
        s_own = (l * nb + b) * N * W
        h_own = ((l - 1) * nb + b) * N * W
        h_up = (l * nb + b) * N * W
        s_up = ((l + 1) * nb + b) * N * W
        old0 = violated(hf, h_up, Sf, s_up, N, offset)
        old1 = violated(hf, h_up + 16, Sf, s_up + 16, N, offset)
        for i in range(N):
            at = s_own + i * W
            s0 = vload(Sf, at)
            s1 = vload(Sf, at + 16)
            new0 = izero()
            new1 = izero()
            c = i * N
            for j in range(N):
                p = h_up + j * W
                q = s_up + j * W
                step = splat(column[c + j])
                x0 = fma(step, s0, vload(hf, p))
                new0 = iadd(new0, negative(x0, vload(Sf, q), offset))
                x1 = fma(step, s1, vload(hf, p + 16))
                new1 = iadd(new1, negative(x1, vload(Sf, q + 16), offset))
            # own gap: r -> -r
            g = h_own + i * W
            g0 = vload(hf, g)
            g1 = vload(hf, g + 16)
            t0 = fma(minus_two, s0, s0)
            t1 = fma(minus_two, s1, s1)
            d0 = iadd(isub(new0, old0), isub(negative(g0, t0, offset), negative(g0, s0, offset)))
            d1 = iadd(isub(new1, old1), isub(negative(g1, t1, offset), negative(g1, s1, offset)))
            m0 = at_most(d0, vload_u32(u, i * W))
            m1 = at_most(d1, vload_u32(u, i * W + 16))
            n_accepted = popcount(m0) + popcount(m1)
            if n_accepted == 0:
                continue
            accepted += n_accepted
            f0 = keep_f(m0, s0)
            f1 = keep_f(m1, s1)
            old0 = select_i(m0, new0, old0)
            old1 = select_i(m1, new1, old1)
            vstore(Sf, at, fma(minus_two, f0, s0))
            vstore(Sf, at + 16, fma(minus_two, f1, s1))
            for j in range(N):
                p = h_up + j * W
                step = splat(column[c + j])
                vstore(hf, p, fma(step, f0, vload(hf, p)))
                vstore(hf, p + 16, fma(step, f1, vload(hf, p + 16)))
    return accepted


@jit_strict
def flip_layer_diluted(S, h, wiring, l, column, thresholds, kappa, rng, u):
    """`flip_layer` for c < N: a flip visits the readers of its neuron alone.

    column : (N*c,) from `graph.flip_steps`.  The change of their violations is summed reader by
    reader, since no number of a whole layer can be kept up to date at the cost of c of them.
    """
    nb = S.shape[1]
    N = S.shape[2]
    Sf = S.reshape(-1)
    hf = h.reshape(-1)
    reader = wiring.reader[l]
    offset = splat(_F(0.0 - kappa))
    minus_two = splat(_F(-2.0))
    accepted = 0
    for b in range(nb):
        fill_u32(rng, u, N * W)
        largest_costs(u, N * W, thresholds)
        s_own = (l * nb + b) * N * W
        h_own = ((l - 1) * nb + b) * N * W
        h_up = (l * nb + b) * N * W
        s_up = ((l + 1) * nb + b) * N * W
        for i in range(N):
            at = s_own + i * W
            s0 = vload(Sf, at)
            s1 = vload(Sf, at + 16)
            # own gap: r -> -r
            g = h_own + i * W
            g0 = vload(hf, g)
            g1 = vload(hf, g + 16)
            t0 = fma(minus_two, s0, s0)
            t1 = fma(minus_two, s1, s1)
            d0 = isub(negative(g0, t0, offset), negative(g0, s0, offset))
            d1 = isub(negative(g1, t1, offset), negative(g1, s1, offset))
            begin, end = readers_of(wiring, l + 1, i, N)
            for e in range(begin, end):
                j = np.int64(reader[_U(e)]) * W
                p = h_up + j
                q = s_up + j
                step = splat(column[_U(e)])
                x0 = vload(hf, p)
                y0 = vload(Sf, q)
                d0 = iadd(
                    d0, isub(negative(fma(step, s0, x0), y0, offset), negative(x0, y0, offset))
                )
                x1 = vload(hf, p + 16)
                y1 = vload(Sf, q + 16)
                d1 = iadd(
                    d1, isub(negative(fma(step, s1, x1), y1, offset), negative(x1, y1, offset))
                )
            m0 = at_most(d0, vload_u32(u, i * W))
            m1 = at_most(d1, vload_u32(u, i * W + 16))
            n_accepted = popcount(m0) + popcount(m1)
            if n_accepted == 0:
                continue
            accepted += n_accepted
            f0 = keep_f(m0, s0)
            f1 = keep_f(m1, s1)
            vstore(Sf, at, fma(minus_two, f0, s0))
            vstore(Sf, at + 16, fma(minus_two, f1, s1))
            for e in range(begin, end):
                p = h_up + np.int64(reader[_U(e)]) * W
                step = splat(column[_U(e)])
                vstore(hf, p, fma(step, f0, vload(hf, p)))
                vstore(hf, p + 16, fma(step, f1, vload(hf, p + 16)))
    return accepted


@jit_strict
def flip_neurons(S, h, wiring, l, column, thresholds, kappa, rng, u):
    """The flips of a hidden layer, of a diluted or a fully connected network."""
    if wiring is None:
        return flip_layer(S, h, l, column, thresholds, kappa, rng, u)
    return flip_layer_diluted(S, h, wiring, l, column, thresholds, kappa, rng, u)


@jit_strict
def pack_signs(Sf, start, nb, N, out):
    """Sign bits of one layer: out[i * 2 nb + c] holds patterns 16 c .. 16 c + 15 of neuron i.

    Sf : flat S; start : where the layer begins.  A set bit means S = -1.
    """
    for b in range(nb):
        for i in range(N):
            p = start + (b * N + i) * W
            q = i * 2 * nb + 2 * b
            out[q] = np.uint16(negative_mask(vload(Sf, p)))
            out[q + 1] = np.uint16(negative_mask(vload(Sf, p + 16)))


@jit_strict
def rotate_layer(J, S, h, wiring, M, l, n_rotations, step, thresholds, kappa, rng, row):
    """n_rotations Metropolis rotations of a random coupling pair, for every perceptron of layer l.

    Proposal: `replicadnn.kernels.sampler.sphere.draw_rotations`.
    M : number of patterns without padding.  thresholds : uint32, as in flip_layer.
    row : float32 scratch (nb * W).
    Returns the number of accepted rotations.

    While perceptron i is at work its gaps r = S_{l,i} h stay in ``row``, and the signs of
    S_{l,i} S_{l-1,k} are bits, those of the neurons that it reads side by side, so that the inner
    loop loads 64 + 4 bytes for 16 patterns and is the same for every connectivity.  Padded patterns
    get the gap 1e30 meanwhile: no rotation changes its sign.
    """
    nb = S.shape[1]
    N = S.shape[2]
    fan_in = J.shape[2]
    chunks = 2 * nb
    Sf = S.reshape(-1)
    hf = h.reshape(-1)
    limit = splat(_F(kappa))
    h_own = (l - 1) * nb * N * W
    s_own = l * nb * N * W
    down = np.empty(N * chunks, np.uint16)
    own = np.empty(N * chunks, np.uint16)
    product = np.empty(fan_in * chunks, np.uint16)
    pack_signs(Sf, (l - 1) * nb * N * W, nb, N, down)
    pack_signs(Sf, s_own, nb, N, own)
    u = np.empty(4 * n_rotations + 16, np.uint32)
    pick = np.empty((n_rotations, 2), np.int64)
    turn = np.empty((n_rotations, 2), np.float64)
    accepted = 0
    for i in range(N):
        fill_u32(rng, u, (4 * n_rotations + 15) // 16 * 16)
        draw_rotations(u, n_rotations, fan_in, step, pick, turn)
        for k in range(fan_in):
            source = read_by(wiring, l, i, k) * chunks
            for c in range(chunks):  # unsigned: no check for negative indices, so it vectorises
                product[_U(k * chunks + c)] = down[_U(source + c)] ^ own[_U(i * chunks + c)]
        n_old = load_gaps(Sf, s_own, hf, h_own, i, nb, N, M, limit, row)
        for move in range(n_rotations):
            a = pick[move, 0]
            k = pick[move, 1]
            new_a, new_k, da, dk = rotated(J, l, i, a, k, turn, move)
            plus_plus = splat(_F(da + dk))
            plus_minus = splat(_F(da - dk))
            minus_plus = splat(_F(dk - da))
            minus_minus = splat(_F(-da - dk))
            pa = a * chunks
            pk = k * chunks
            n_new = np.int64(0)
            for c in range(chunks):
                minus_a = vload_mask(product, pa + c)
                minus_k = vload_mask(product, pk + c)
                plus = blend(minus_k, plus_minus, plus_plus)
                minus = blend(minus_k, minus_minus, minus_plus)
                x = add(vload(row, 16 * c), blend(minus_a, minus, plus))
                n_new += popcount(less(x, limit))
            if refused(n_new - n_old, u[4 * move + 3], thresholds):
                continue
            accepted += 1
            n_old = n_new
            J[l - 1, i, a] = new_a
            J[l - 1, i, k] = new_k
            for c in range(chunks):
                minus_a = vload_mask(product, pa + c)
                minus_k = vload_mask(product, pk + c)
                plus = blend(minus_k, plus_minus, plus_plus)
                minus = blend(minus_k, minus_minus, minus_plus)
                vstore(row, 16 * c, add(vload(row, 16 * c), blend(minus_a, minus, plus)))
        store_fields(Sf, s_own, hf, h_own, i, nb, N, row)
    return accepted


@jit_strict
def load_gaps(Sf, s_own, hf, h_own, i, nb, N, M, limit, row):
    """row[mu] = gap of perceptron i for every pattern, 1e30 in the padding; returns violations."""
    zero = splat(_F(0.0))
    count = np.int64(0)
    for b in range(nb):
        p = (b * N + i) * W
        for half in range(0, W, 16):
            r = fma(vload(hf, h_own + p + half), vload(Sf, s_own + p + half), zero)
            vstore(row, b * W + half, r)
    for m in range(M, nb * W):
        row[_U(m)] = _F(1e30)
    for c in range(2 * nb):
        count += popcount(less(vload(row, 16 * c), limit))
    return count


@jit_strict
def store_fields(Sf, s_own, hf, h_own, i, nb, N, row):
    """Put h = S r of perceptron i back; S = 0 in the padding puts the 0 back there."""
    zero = splat(_F(0.0))
    for b in range(nb):
        p = (b * N + i) * W
        for half in range(0, W, 16):
            x = fma(vload(row, b * W + half), vload(Sf, s_own + p + half), zero)
            vstore(hf, h_own + p + half, x)


@jit_strict
def recompute_fields(J, S, h, wiring):
    """h[l-1] = J_l S_{l-1} / sqrt(c) from scratch."""
    L, nb, N = h.shape[0], h.shape[1], h.shape[2]
    c = J.shape[2]
    Sf = S.reshape(-1)
    hf = h.reshape(-1)
    inverse_root = 1.0 / np.sqrt(c)
    for l in range(L):
        for b in range(nb):
            o = (l * nb + b) * N * W
            for i in range(N):
                x0 = splat(_F(0.0))
                x1 = splat(_F(0.0))
                for k in range(c):
                    weight = splat(_F(J[l, i, k] * inverse_root))
                    p = o + read_by(wiring, l + 1, i, k) * W
                    x0 = fma(weight, vload(Sf, p), x0)
                    x1 = fma(weight, vload(Sf, p + 16), x1)
                vstore(hf, o + i * W, x0)
                vstore(hf, o + i * W + 16, x1)


@jit_strict
def recompute_keeping(J, S, h, wiring, kappa):
    """`recompute_fields` that violates nothing: hard constraints.

    Running fields drift by rounding, about 1e-5 between two calls.  Where a gap that was not
    violated by the field in ``h`` would be by the new one, it becomes kappa.
    """
    old = h.copy().reshape(-1)
    recompute_fields(J, S, h, wiring)
    hf = h.reshape(-1)
    above = S[1:].reshape(-1)
    limit = _F(kappa)
    for at in range(hf.size):
        if above[at] * hf[at] < limit <= above[at] * old[at]:
            hf[at] = above[at] * limit


@jit_strict
def sweeps(
    J, S, h, wiring, M, rng, done, n, every, step, flip_thresholds, rotate_thresholds, kappa,
    rotations, flips, row,
):  # fmt: skip
    """Make n sweeps: c rotations per perceptron and one flip attempt per hidden neuron and pattern.

    Layer by layer, l = 1..L: rotations of layer l, then flips of layer l if it is hidden.

    J, S, h, wiring : network in the layout of this module; J, S, h are changed in place.
    M : number of patterns without padding.
    rng : generator (4, 8), which moves on.
    done, every : after every sweep whose running number (``done`` were made before) is a multiple
        of ``every`` the couplings are renormalised and the fields recomputed; where no cost is
        accepted (hard constraints), by `recompute_keeping`.
    step : a rotation turns by 2 atan(t), t uniform in (-step, step).
    flip_thresholds, rotate_thresholds : uint32, 2^32 exp(-beta d) for a cost d = 1..
    kappa : a gap below it is violated.
    rotations (L,), flips (L-1,) : int64 counters of accepted moves, added to.
    row : float32 scratch (nb * W).
    """
    L, N = h.shape[0], h.shape[2]
    c = J.shape[2]
    column = np.empty(N * c, np.float32)
    u = np.empty(N * W, np.uint32)
    for t in range(n):
        for l in range(1, L + 1):
            rotations[l - 1] += rotate_layer(
                J, S, h, wiring, M, l, c, step, rotate_thresholds, kappa, rng, row
            )
            if l < L:
                flip_steps(J, wiring, l, column)
                flips[l - 1] += flip_neurons(
                    S, h, wiring, l, column, flip_thresholds, kappa, rng, u
                )
        if (done + t + 1) % every == 0:
            renormalise(J)
            if rotate_thresholds.size == 0:
                recompute_keeping(J, S, h, wiring, kappa)
            else:
                recompute_fields(J, S, h, wiring)
