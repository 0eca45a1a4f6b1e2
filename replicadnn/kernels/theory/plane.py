"""Gaussian averages on the plane (omega, u) of a neuron and its perceptron, as small matrices.

Grids are halves, x_k = h k >= 0 with k = 0..n-1: omega = a sinh x (dense at the origin, as fine
as the field needs far away) and u = x.  A Gaussian average maps even functions to even and odd to
odd ones, each by a matrix of its own,

    C+[k, j] = c[k, j] + c[k, -j],    C-[k, j] = c[k, j] - c[k, -j]    (j > 0; c[k, 0] once),
    sum_j c[k, j] g(x_j) = Int Dz g(y_k + sigma z),

at the points y_k of another grid.  c comes from the local interpolant of order ``ORDER`` through
the points x_j: integrated by the trapezoidal rule in x where sigma is larger than the spacing, by
Gauss-Hermite nodes where it is smaller.
"""

import math

import numpy as np

from replicadnn.kernels._jit import jit_ieee, jit_ieee_strict
from replicadnn.kernels.theory.boundaries import log_ndtr

ORDER = 14
WIDE = 1.6  # sigma in units of the local spacing from which sums over the points are exact
DOUBLE = 4.0  # ... below which they want every spacing halved
REACH = 9.0
UNDERFLOW = 1e-280
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(20)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@jit_ieee_strict
def _interpolate(t, n, weight, row):
    """Add weight times the Lagrange weights at place t (units of h) to a row of places 1-n..n-1."""
    first = math.floor(t) - ORDER // 2 + 1
    first = min(max(first, 1 - n), n - ORDER)
    total, b = 0.0, 1.0
    for j in range(ORDER):
        d = t - (first + j)
        if abs(d) < 1e-12:
            row[first + j + n - 1] += weight
            return
        total += b / d
        b *= -(ORDER - 1.0 - j) / (j + 1.0)
    b = 1.0
    for j in range(ORDER):
        row[first + j + n - 1] += weight * (b / (t - (first + j))) / total
        b *= -(ORDER - 1.0 - j) / (j + 1.0)


@jit_ieee_strict
def _place(y, h, a):
    """Place of a coordinate in units of h; a = 0: a uniform grid."""
    return (math.asinh(y / a) if a > 0.0 else y) / h


@jit_ieee_strict
def _coordinate(t, h, a):
    """Coordinate of a place, and its derivative."""
    if a > 0.0:
        return a * math.sinh(h * t), a * h * math.cosh(h * t)
    return h * t, h


@jit_ieee_strict
def averages(n, h, a, own, sigma, tilt):
    """C+ and C- of a Gaussian of standard deviation ``sigma``; rows of c sum to one.

    ``tilt`` (in sigma) widens its window: what it is to average grows no faster than e^(tilt z).
    From the grid ``own`` = (n, h, a) of the function to the points (n, h, a) of its average.
    """
    size, h_own, a_own = own
    even, odd = np.zeros((n, size)), np.zeros((n, size))
    row = np.empty(2 * size - 1)
    far = (REACH + tilt) * sigma
    for k in range(n):
        row[:] = 0.0
        y = _coordinate(float(k), h, a)[0]
        place = min(_place(y, h_own, a_own), size - 1.0)
        spacing = _coordinate(place, h_own, a_own)[1]
        if size == 1:
            row[0] = 1.0
        elif sigma <= 0.0:
            _interpolate(place, size, 1.0, row)
        elif sigma < WIDE * spacing:
            for j in range(_NODES.size):
                t = _place(y + sigma * _NODES[j], h_own, a_own)
                if abs(t) <= size - 1.0:
                    _interpolate(t, size, _WEIGHTS[j], row)
        else:
            parts = 2 if sigma < DOUBLE * spacing else 1
            last = parts * (size - 1)
            low = max(math.floor(parts * _place(y - far, h_own, a_own)), -last)
            high = min(math.ceil(parts * _place(y + far, h_own, a_own)), last)
            for i in range(low, high + 1):
                at, step = _coordinate(i / parts, h_own, a_own)
                w = step * math.exp(-0.5 * ((at - y) / sigma) ** 2)
                if i % parts == 0:
                    row[i // parts + size - 1] += w
                else:
                    _interpolate(i / parts, size, w, row)
        total = row.sum()
        for j in range(size):
            right, left = row[size - 1 + j] / total, row[size - 1 - j] / total
            even[k, j] = right + (left if j > 0 else 0.0)
            odd[k, j] = right - left if j > 0 and k > 0 else 0.0
    return even, odd


@jit_ieee_strict
def slopes(n, h, a):
    """D+ and D- (n, n): derivatives at the points of even and of odd functions."""
    even, odd = np.zeros((n, n)), np.zeros((n, n))
    row = np.empty(2 * n - 1)
    for k in range(n):
        row[:] = 0.0
        first = min(max(k - ORDER // 2, 1 - n), n - ORDER - 1)
        own = 0.0  # barycentric weights of ORDER + 1 points, relative to that of the point itself
        b = np.empty(ORDER + 1)
        b[0] = 1.0
        for j in range(ORDER):
            b[j + 1] = -b[j] * (ORDER - j) / (j + 1.0)
        for j in range(ORDER + 1):
            if first + j != k:
                w = b[j] / b[k - first] / (k - first - j)
                row[first + j + n - 1] = w
                own -= w
        row[k + n - 1] = own
        step = _coordinate(float(k), h, a)[1]
        for j in range(n):
            right, left = row[n - 1 + j] / step, row[n - 1 - j] / step
            if k > 0:
                even[k, j] = right + (left if j > 0 else 0.0)
            odd[k, j] = right - left if j > 0 else 0.0
    return even, odd


@jit_ieee_strict
def _log_weight(x, width, kappa, beta):
    """ln W(x) and its derivative, W = e^-beta + (1 - e^-beta) Phi((x - kappa)/width)."""
    signal = math.log(-math.expm1(-beta))
    y = (x - kappa) / width
    lp = log_ndtr(y) + signal
    value = max(lp, -beta)
    if not math.isinf(beta):
        value += math.log1p(math.exp(-abs(lp + beta)))
    slope = math.exp(signal - 0.5 * y * y - value) / (math.sqrt(2.0 * math.pi) * width)
    return value, slope, y / width


@jit_ieee_strict
def site(omega, u, width, kappa, beta, out):
    """f = ln sum_S e^(S u) W(S omega) and f_u, f_w, f_uu, f_uw, f_ww into ``out`` (6, 2, n, k).

    Entry [:, 0] is at (omega, u), [:, 1] at (omega, -u).
    """
    for i in range(omega.size):
        plus, r_plus, y_plus = _log_weight(omega[i], width, kappa, beta)
        minus, r_minus, y_minus = _log_weight(-omega[i], width, kappa, beta)
        c_plus, c_minus = -r_plus * (y_plus + r_plus), -r_minus * (y_minus + r_minus)
        for half in range(2):
            for j in range(u.size):
                field = u[j] if half == 0 else -u[j]
                gap = 2.0 * field + plus - minus
                small = math.exp(-abs(gap))
                up, down = 1.0 / (1.0 + small), small / (1.0 + small)
                if gap < 0.0:
                    up, down = down, up
                top = field + plus if gap >= 0.0 else minus - field
                both = up * down
                out[0, half, i, j] = top + math.log1p(small)
                out[1, half, i, j] = up - down
                out[2, half, i, j] = up * r_plus - down * r_minus
                out[3, half, i, j] = 4.0 * both
                out[4, half, i, j] = 2.0 * both * (r_plus + r_minus)
                out[5, half, i, j] = up * c_plus + down * c_minus + both * (r_plus + r_minus) ** 2


@jit_ieee
def average(x, weight, scale, omega, u, parity):
    """scale E(weight x) for tables x (n, 2, n_omega, n_u) of one parity (0 even, 1 odd).

    ``omega`` (2, ., n_omega) and ``u`` (2, n_u, .): C+ and C- of both fields, that of u
    transposed.  The halves u >= 0 and u <= 0 of a table have an even and an odd combination.
    """
    n, a, b = x.shape[0], x.shape[2], x.shape[3]
    total, rest = np.empty((n * a, b)), np.empty((n * a, b))
    for t in range(n):
        for k in range(a):
            row = t * a + k
            for j in range(b):
                right, left = weight[0, k, j] * x[t, 0, k, j], weight[1, k, j] * x[t, 1, k, j]
                total[row, j] = right + left
                rest[row, j] = right - left
    total, rest = np.dot(total, u[0]), np.dot(rest, u[1])
    out = np.empty((n, 2, omega.shape[1], u.shape[2]))
    for t in range(n):
        one = np.dot(omega[parity], total[t * a : (t + 1) * a])
        two = np.dot(omega[1 - parity], rest[t * a : (t + 1) * a])
        for k in range(out.shape[2]):
            for j in range(out.shape[3]):
                out[t, 0, k, j] = 0.5 * scale[0, k, j] * (one[k, j] + two[k, j])
                out[t, 1, k, j] = 0.5 * scale[1, k, j] * (one[k, j] - two[k, j])
    return out


@jit_ieee
def form(p, omega, u):
    """x -> p(E x) for a linear form p on even tables: the transpose of `average`."""
    total = np.dot(np.dot(omega[0].T, p[0] + p[1]), u[0].T)
    rest = np.dot(np.dot(omega[1].T, p[0] - p[1]), u[1].T)
    out = np.empty((2, *total.shape))
    out[0], out[1] = 0.5 * (total + rest), 0.5 * (total - rest)
    return out


@jit_ieee
def _prepare(m, f, first, second, weight, even):
    """weight = e^{m (f - max f)}; even = 1, f, f_xy + m f_x f_y.  Returns max f."""
    highest = f.max()
    for half in range(2):
        for k in range(f.shape[1]):
            for j in range(f.shape[2]):
                value, u, w = f[half, k, j], first[0, half, k, j], first[1, half, k, j]
                weight[half, k, j] = math.exp(m * (value - highest))
                even[0, half, k, j] = 1.0
                even[1, half, k, j] = value
                even[2, half, k, j] = second[0, half, k, j] + m * u * u
                even[3, half, k, j] = second[1, half, k, j] + m * u * w
                even[4, half, k, j] = second[2, half, k, j] + m * w * w
    return highest


@jit_ieee
def _divide(m, highest, even, first, f, mean, inverse):
    """f, means and derivatives (in place) of the level below from E of weight times them."""
    for half in range(2):
        for k in range(f.shape[1]):
            for j in range(f.shape[2]):
                norm = even[0, half, k, j]
                good = norm > UNDERFLOW
                scale = 1.0 / norm if good else 0.0
                f[half, k, j] = highest + math.log(norm if good else UNDERFLOW) / m
                mean[half, k, j] = even[1, half, k, j] * scale if good else f[half, k, j]
                u, w = first[0, half, k, j] * scale, first[1, half, k, j] * scale
                first[0, half, k, j], first[1, half, k, j] = u, w
                even[2, half, k, j] = even[2, half, k, j] * scale - m * u * u
                even[3, half, k, j] = even[3, half, k, j] * scale - m * u * w
                even[4, half, k, j] = even[4, half, k, j] * scale - m * w * w
                inverse[half, k, j] = scale


@jit_ieee
def matrix(n, h, a, own, sigma, tilt, transposed):
    """C+ and C- of `averages` (2, n, size), or each ``transposed``."""
    even, odd = averages(n, h, a, own, sigma, tilt)
    out = np.empty((2, own[0], n) if transposed else (2, n, own[0]))
    out[0], out[1] = (even.T, odd.T) if transposed else (even, odd)
    return out


@jit_ieee
def lower(m, omega, u, f, first, second):
    """The level below: f, first, second and mean there, weight here, inverse there.

    Tables as in `replicadnn.theory.closures.exact.plane.Tables`.
    """
    weight, even = np.empty(f.shape), np.empty((5, *f.shape))
    highest = _prepare(m, f, first, second, weight, even)
    shape = (2, omega.shape[1], u.shape[2])
    ones = np.ones(shape)
    below = average(even, weight, ones, omega, u, 0)
    slopes = average(first, weight, ones, omega, u, 1)
    value, mean, inverse = np.empty(shape), np.empty(shape), np.empty(shape)
    _divide(m, highest, below, slopes, value, mean, inverse)
    return value, slopes, below[2:], mean, weight, inverse
