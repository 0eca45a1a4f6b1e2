"""Compiled assembly of the Hessian of the free entropy (see `replicadnn.theory.rsb_newton`)."""

import numpy as np

from ._jit import jit_ieee_strict


@jit_ieee_strict
def add_block(H, index, weight, block):
    """H[index_r, index_c] += weight block[r, c], negative indices left out."""
    for r in range(index.size):
        for c in range(index.size):
            if index[r] >= 0 and index[c] >= 0:
                H[index[r], index[c]] += weight * block[r, c]


@jit_ieee_strict
def coupling_block(m, q_a, Q, q_b, G, dTdv, dAdv, dAdm, dBdQ, dSdQ, dSdm, alpha):
    """Second derivatives of F_int(lam, m) + S_sph(Q, m)/alpha, lam = q_a Q q_b.

    Rows and columns (q_a, Q, q_b, m_1..m_K), K+1 levels each. With x, y two of the three overlaps,
    lam_x = dlam/dx and w_i = m_{i+1} - m_i,

        d^2/dx_i dy_j = -w_i/2 [ lam_x,i dT_i/dlam_j lam_y,j + delta_ij G_i d^2lam_i/dx dy ],
        d^2/dx_i dm_j = lam_x,i dA_j/dlam_i,      d^2/dm_i dm_j = dA_i/dm_j.
    """
    k1 = m.size
    k = k1 - 1
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


@jit_ieee_strict
def spin_block(steps, eps, inverse, dTdm, dAdm, low, n_m):
    """Second derivatives of a neuron entropy at given (q, m), eps eliminated by q = T(eps).

    Rows and columns (q_low, q_low+1, .., m_1..m_K). With W = diag(m_{i+1}-m_i)/2, the `inverse` of
    T' = dT/deps and T_m = dT/dm on these levels (m beyond `n_m` does not enter),

        qq: W T'^-1,    qm: d(W eps)/dm - W T'^-1 T_m,    mm: dA/dm + (W T_m)^T T'^-1 T_m.
    """
    size, k = inverse.shape[0], steps.size - 1
    out = np.zeros((size + k, size + k))
    T_m = dTdm[low : low + size, 1 : n_m + 1]
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


@jit_ieee_strict
def exchanges(x):
    """Natural directions of overlaps 0 < x_0 < ... < x_k < 1, one a column.

    The increments, 1 - x_k included, sum to one; each column enlarges one of them by its own
    size at the cost of the largest. So 1 - x_k moves in units of itself only, which matters where
    it is 1e-4 (frozen branch).
    """
    n = x.size
    pieces = np.empty(n + 1)
    largest = 0
    for i in range(n + 1):
        above = x[i] if i < n else 1.0
        below = x[i - 1] if i > 0 else 0.0
        pieces[i] = max(above - below, 1e-12)
        if pieces[i] > pieces[largest]:
            largest = i
    out = np.zeros((n, n))
    for c in range(n):
        piece = c if c < largest else c + 1
        if piece < largest:  # levels piece..largest-1 rise
            out[piece:largest, c] = pieces[piece]
        else:
            out[largest:piece, c] = -pieces[piece]
    return out
