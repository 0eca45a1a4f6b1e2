"""Compiled assembly of the Hessian of the free entropy (`replicadnn.theory.broken.descent`)."""

import numpy as np
from numpy.typing import NDArray

from replicadnn.kernels._jit import jit_short
from replicadnn.kernels.theory import couplings


@jit_short
def add_block(H, index, weight, block):
    """H[index_r, index_c] += weight block[r, c], negative indices left out."""
    for r in range(index.size):
        for c in range(index.size):
            if index[r] >= 0 and index[c] >= 0:
                H[index[r], index[c]] += weight * block[r, c]


@jit_short
def coupling_block(m, q_a, Q, q_b, G, dTdv, dAdv, dAdm, alpha):
    """Second derivatives of F_int(lam, m) + S_sph(Q, m)/alpha, lam = q_a Q q_b.

    Rows and columns (q_a, Q, q_b, m_1..m_K), K+1 levels each. With x, y two of the three overlaps,
    lam_x = dlam/dx and w_i = m_{i+1} - m_i,

        d^2/dx_i dy_j = -w_i/2 [ lam_x,i dT_i/dlam_j lam_y,j + delta_ij G_i d^2lam_i/dx dy ],
        d^2/dx_i dm_j = lam_x,i dA_j/dlam_i,      d^2/dm_i dm_j = dA_i/dm_j.
    """
    k1 = m.size
    k = k1 - 1
    dBdQ, dSdQ, dSdm = couplings.second_derivatives(Q, m)
    out = np.empty((3 * k1 + k, 3 * k1 + k))
    slope, third = np.empty((3, k1)), np.empty((3, k1))
    for i in range(k1):
        third[0, i], third[1, i], third[2, i] = q_a[i], Q[i], q_b[i]
        slope[0, i], slope[1, i], slope[2, i] = q_b[i] * Q[i], q_a[i] * q_b[i], q_a[i] * Q[i]
    for i in range(k1):
        half = 0.5 * ((m[i + 1] if i < k else 1.0) - m[i])
        for r in range(3):
            for c in range(3):
                for j in range(k1):
                    out[r * k1 + i, c * k1 + j] = -half * slope[r, i] * dTdv[i, j] * slope[c, j]
                if r != c:
                    out[r * k1 + i, c * k1 + i] -= half * G[i] * third[3 - r - c, i]
            for j in range(k):
                out[r * k1 + i, 3 * k1 + j] = slope[r, i] * dAdv[j + 1, i]
        for j in range(k1):
            out[k1 + i, k1 + j] += half * dBdQ[i, j] / alpha
        for j in range(k):
            out[k1 + i, 3 * k1 + j] += dSdQ[j, i] / alpha
    for i in range(k):
        for r in range(3 * k1):
            out[3 * k1 + i, r] = out[r, 3 * k1 + i]
        for j in range(k):
            out[3 * k1 + i, 3 * k1 + j] = dAdm[i + 1, j + 1] + dSdm[i, j] / alpha
    return out


def spin_block(
    steps: NDArray[np.float64],
    eps: NDArray[np.float64],
    dTdv: NDArray[np.float64],
    dTdm: NDArray[np.float64],
    dAdm: NDArray[np.float64],
    low: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Second derivatives of a neuron entropy at given (q, m), eps eliminated by q = T(eps).

    Rows and columns (q_low, q_low+1, .., m_1..m_K). With W = diag(m_{i+1}-m_i)/2, T' = dT/deps and
    T_m = dT/dm on the levels from `low` on (m beyond the free levels does not enter),

        qq: W T'^-1,    qm: d(W eps)/dm - W T'^-1 T_m,    mm: dA/dm + (W T_m)^T T'^-1 T_m.

    Returns them with T'^-1 and T_m. Raises LinAlgError where T' is singular.
    """
    inverse = np.asarray(np.linalg.inv(dTdv[low:, low:]), float)
    T_m = dTdm[low:, 1 : min(eps.size, steps.size - 1) + 1].copy()
    return np.asarray(_spin_block(steps, eps, inverse, T_m, dAdm, low)), inverse, T_m


@jit_short
def _spin_block(steps, eps, inverse, T_m, dAdm, low):
    """The block of `spin_block` from T'^-1 (inverse of ``dTdv``) and T_m."""
    k, size, n_m = steps.size - 1, T_m.shape[0], T_m.shape[1]
    out = np.zeros((size + k, size + k))
    pull = np.zeros((size, n_m))
    for i in range(size):
        for r in range(size):
            for j in range(n_m):
                pull[i, j] += inverse[i, r] * T_m[r, j]
    for i in range(size):
        half = 0.5 * steps[low + i]
        for j in range(size):
            out[i, j] = half * inverse[i, j]
        for j in range(n_m):
            cross = -half * pull[i, j]
            if j == low + i:
                cross += 0.5 * eps[low + i]
            elif j + 1 == low + i:
                cross -= 0.5 * eps[low + i]
            out[i, size + j] = out[size + j, i] = cross
    for i in range(n_m):
        for j in range(n_m):
            total = dAdm[i + 1, j + 1]
            for r in range(size):
                total += 0.5 * steps[low + r] * T_m[r, i] * pull[r, j]
            out[size + i, size + j] = total
    return out


@jit_short
def largest_increments(x, offsets):
    """Place of the largest increment of every block 0 < x_0 < ... < x_k < 1, 1 - x_k included."""
    turns = np.empty(offsets.size - 1, dtype=np.int64)
    for b in range(turns.size):
        first, end = offsets[b], offsets[b + 1]
        turns[b], largest, below = first, 0.0, 0.0
        for i in range(first, end + 1):
            above = x[i] if i < end else 1.0
            if above - below > largest:
                largest, turns[b] = above - below, i
            below = above
    return turns


@jit_short
def exchanges(x, offsets, turns, gaps):
    """Sizes of the natural directions of blocks of overlaps 0 < x_0 < ... < x_k < 1, then of m.

    The increments of a block, 1 - x_k included, sum to one; each direction enlarges one of them by
    its own size at the cost of the one at `turns` (the largest). So 1 - x_k moves in units of
    itself only, which matters where it is 1e-4 (saturated branch). Direction c adds size_c to the
    rows c..turn-1 of its block (c < turn) or to the rows turn..c (c >= turn; size_c < 0 there).
    """
    n = offsets[-1]
    size = np.empty(n + gaps.size)
    for b in range(turns.size):
        first, end = offsets[b], offsets[b + 1]
        for c in range(first, end):
            if c < turns[b]:
                size[c] = max(x[c] - (x[c - 1] if c > first else 0.0), 1e-12)
            else:
                size[c] = -max((x[c + 1] if c + 1 < end else 1.0) - x[c], 1e-12)
    for i in range(gaps.size):
        size[n + i] = gaps[i]
    return size


@jit_short
def rows_in_units(M, size, turns, offsets):
    """U^T M for the matrix U of the directions: sums of rows from each turn outwards."""
    out = np.empty(M.shape)
    total = np.empty(M.shape[1])
    for b in range(turns.size):
        for j in range(total.size):
            total[j] = 0.0
        for c in range(turns[b] - 1, offsets[b] - 1, -1):
            for j in range(M.shape[1]):
                total[j] += M[c, j]
                out[c, j] = total[j] * size[c]
        for j in range(total.size):
            total[j] = 0.0
        for c in range(turns[b], offsets[b + 1]):
            for j in range(M.shape[1]):
                total[j] += M[c, j]
                out[c, j] = total[j] * size[c]
    for i in range(offsets[-1], M.shape[0]):
        for j in range(M.shape[1]):
            out[i, j] = M[i, j] * size[i]
    return out


@jit_short
def step_from_units(z, size, turns, offsets):
    """U z."""
    out = np.empty(z.size)
    for b in range(turns.size):
        total = 0.0
        for r in range(offsets[b], turns[b]):
            total += size[r] * z[r]
            out[r] = total
        total = 0.0
        for r in range(offsets[b + 1] - 1, turns[b] - 1, -1):
            total += size[r] * z[r]
            out[r] = total
    for i in range(offsets[-1], z.size):
        out[i] = size[i] * z[i]
    return out


@jit_short
def step_in_units(step, size, turns, offsets):
    """U^-1 step, the inverse of `step_from_units`."""
    z = np.empty(step.size)
    for r in range(z.size):
        z[r] = step[r] / size[r]
    for b in range(turns.size):
        for r in range(offsets[b] + 1, turns[b]):
            z[r] = (step[r] - step[r - 1]) / size[r]
        for r in range(turns[b], offsets[b + 1] - 1):
            z[r] = (step[r] - step[r + 1]) / size[r]
    return z
