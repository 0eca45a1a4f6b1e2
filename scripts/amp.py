"""Approximate message passing (AMP) on one planted, diluted network of sign neurons.

N neurons in layers 0..L; perceptron (l, i) reads c neurons of layer l-1, drawn without repetition,
h = c^-1/2 sum_k J_ik S_k.  A teacher J* (rows of length sqrt c) maps M = alpha c random inputs S_0
to outputs S_L, each neuron being sign(h) with odds 1 : e^-beta.  Given S_0, S_L and the wiring, AMP
estimates the posterior means J^ of the couplings and s^ of the hidden neurons.  Nothing here comes
from the replica calculation: the overlaps of the estimates with the teacher,

    q(l) = <s^ S*>,  l = 1..L-1,        Q(l) = <J^ J*>,  l = 1..L,

test its q and Q from outside, where N >> c >> 1.  (s^ = S_0 and S_L at the ends.)

Equations.  Write every message as its full field minus what its receiver itself had sent, and
expand in c^-1/2; what is left of the subtraction at order one is the last term of each line.
For perceptron i, one pattern (index suppressed where no sum runs over it), with

    W(x; V) = e^-beta + (1 - e^-beta) Phi(x / sqrt V),    f = ln sum_S e^(u S) W(S omega; V)
    (output layer: f = ln W(S_L omega; V)),    g = df/domega,  f'' = d^2f/domega^2,  s^ = df/du,

and J the couplings of the layer whose perceptrons are i (below) or j (above), sigma their variance:

    V_i     = 1/c sum_k [ sigma_ik + J^_ik^2 (1 - s^_k^2) ]
    omega_i = c^-1/2 sum_k J^_ik s^_k  - g_i 1/c sum_k [ sigma_ik s^_k^2 + J^_ik^2 (1 - s^_k^2) ]
    u_k     = c^-1/2 sum_j J^_jk g_j   - s^_k 1/c sum_j [ J^_jk^2 f''_j + sigma_jk g_j^2 ]
    b_ik    = c^-1/2 sum_mu s^_k g_i   - J^_ik 1/c sum_mu [ s^_k^2 f''_i + (1 - s^_k^2) g_i^2 ]
    A_ik    = -1/c sum_mu [ f''_i + (1 - s^_k^2) g_i^2 ],    sigma = 1 / (A + z_i),  J^ = b sigma

with z_i such that sum_k (J^^2 + sigma) = c (a term of A that does not depend on k drops out).
The term of J^2 in the message to S_k multiplies S_k^2 = 1 and is a constant: u has no variance.

Damping.  u and b keep a share of their old values.  What is subtracted has to be what they contain:
the g of omega's last term, the s^ beside sigma g^2 in u and the J^ beside (1 - s^2) g^2 in b are
averages over the past with the same weights.  Then damping slows every mode down and changes the
stability of none.  (With the present values instead, a neuron of zero overlap is always marginal:
its planted direction has the root 1, and the growing root alpha G^2 is damped away.)

A hidden neuron may change sign together with its couplings: overlaps are taken after every neuron
of the estimate got the sign in which it resembles the teacher's.  Where N and c are large the
overlaps of the estimate with itself, <s^^2> and <J^^2>, are the same (Nishimori).

    python scripts/amp.py --L 2 --alpha 4 --N 2000 --c 30 --seed 1          # start without a clue
    python scripts/amp.py --L 2 --alpha 4 --N 2000 --c 30 --seed 1 --start 0.9
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import log_ndtr

Array = NDArray[np.float64]

DAMPING = 0.5  # share of the old field that is kept
CLUELESS = 1e-3  # size of the random fields from which a start without a clue breaks the symmetry


@dataclass(frozen=True, slots=True)
class Network:
    """Teacher: reads[l-1], couplings[l-1] (N, c) of layer l = 1..L, states[l] (N, M), l = 0..L."""

    beta: float
    reads: list[NDArray[np.int64]]
    couplings: list[Array]
    states: list[Array]

    @property
    def L(self) -> int:
        return len(self.reads)


@dataclass(slots=True)
class Estimate:
    """Neurons s, u (N, M) of layers l = 0..L; layer l-1 = 0..L-1 of the rest belongs to layer l.

    J, b, precision (N, c) of its couplings; g, curvature (N, M) of its perceptrons.  `sent` holds
    the means as the damped fields contain them: s as b does, J and g as u and b do.
    """

    s: list[Array]
    u: list[Array]
    J: list[Array]
    b: list[Array]
    precision: list[Array]
    g: list[Array]
    curvature: list[Array]
    sent_s: list[Array]
    sent_J: list[Array]
    sent_g: list[Array]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Overlaps with the teacher, of the estimate with itself, and how the iteration ended."""

    q: Array
    Q: Array
    q_self: Array
    Q_self: Array
    change: float
    sweeps: int


def plant(L: int, N: int, c: int, alpha: float, beta: float, rng: np.random.Generator) -> Network:
    """A teacher with M = alpha c patterns; rows of J have length sqrt(c)."""
    M = round(alpha * c)
    reads, couplings = [], []
    states = [rng.choice([-1.0, 1.0], size=(N, M))]
    for _ in range(L):
        read = np.array([rng.choice(N, size=c, replace=False) for _ in range(N)])
        J = rng.standard_normal((N, c))
        J *= np.sqrt(c / (J**2).sum(axis=1, keepdims=True))
        h = _matrix(read, J, N) @ states[-1]
        right = rng.random((N, M)) * (1.0 + np.exp(-beta)) < 1.0
        states.append(np.where(right, 1.0, -1.0) * np.sign(h))
        reads.append(read)
        couplings.append(J)
    return Network(beta, reads, couplings, states)


def _matrix(reads: NDArray[np.int64], values: Array, N: int) -> csr_array:
    rows, c = reads.shape
    return csr_array((values.ravel(), reads.ravel(), np.arange(rows + 1) * c), shape=(rows, N))


def _over_patterns(reads: NDArray[np.int64], above: Array, below: Array) -> Array:
    """sum_mu above_i below_k for every coupling ik, (N, c)."""
    slots = [np.einsum("im,im->i", above, below[column]) for column in reads.T]
    return np.stack(slots, axis=1)


def _log_weight(x: Array, beta: float) -> Array:
    """ln W at V = 1."""
    if np.isinf(beta):
        return np.asarray(log_ndtr(x))
    return np.asarray(np.logaddexp(-beta, np.log1p(-np.exp(-beta)) + log_ndtr(x)))


def site(omega: Array, V: Array, u: Array, beta: float) -> tuple[Array, Array, Array]:
    """s^ = f_u, g = f_omega, f_omega,omega of f = ln sum_S e^(u S) W(S omega; V).

    An output S_L is the limit u -> S_L infinity.
    """
    root = np.sqrt(V)
    x = omega / root
    plus, minus = _log_weight(x, beta), _log_weight(-x, beta)
    density = np.log1p(-np.exp(-beta)) - 0.5 * x**2 - 0.5 * np.log(2.0 * np.pi)
    r_plus, r_minus = np.exp(density - plus) / root, np.exp(density - minus) / root
    s = np.tanh(u + 0.5 * (plus - minus))
    p_plus, p_minus = 0.5 * (1.0 + s), 0.5 * (1.0 - s)
    g = p_plus * r_plus - p_minus * r_minus
    # W''(x) = -(x/V) W'(x)
    return s, g, -omega / V * g - g**2


def start(network: Network, clue: float, rng: np.random.Generator) -> Estimate:
    """Means of overlap `clue` with the teacher, disturbed; 0: random means of size CLUELESS."""
    J, s = [], [network.states[0]]
    noise = np.sqrt(clue * (1.0 - clue)) if clue > 0.0 else CLUELESS
    for teacher, S in zip(network.couplings, network.states[1:], strict=True):
        J.append(clue * teacher + noise * rng.standard_normal(teacher.shape))
        right = rng.random(S.shape) < 0.5 * (1.0 + np.sqrt(clue))
        s.append(np.sqrt(clue) * np.where(right, S, -S))
        s[-1] += CLUELESS * (clue == 0.0) * rng.standard_normal(S.shape)
    s[-1] = network.states[-1]
    nothing = [np.zeros_like(S) for S in s]
    return Estimate(
        s=s,
        u=[np.arctanh(0.999999 * one) for one in s],
        J=J,
        b=[one / (1.0 - clue) for one in J],
        precision=[np.full(one.shape, 1.0 / (1.0 - clue)) for one in J],
        g=nothing[1:],
        curvature=nothing[1:],
        sent_s=list(s[:-1]),
        sent_J=list(J),
        sent_g=nothing[1:],
    )


def sweep(network: Network, now: Estimate, damping: float) -> float:
    """One update of all layers, from the output to the input; largest relative change, squared."""
    changes = []
    for l in range(network.L, 0, -1):
        changes.append(_update_neurons(network, now, l, damping))
        changes.append(_update_couplings(network, now, l, damping))
    return max(changes)


def _update_neurons(network: Network, now: Estimate, l: int, damping: float) -> float:
    """omega, V of perceptrons l and u of their neurons; then s^, g, f''."""
    reads = network.reads[l - 1]
    N, c = reads.shape
    J, below = now.J[l - 1], now.s[l - 1]
    spread = 1.0 / now.precision[l - 1]
    of_neurons = _matrix(reads, J**2 / c, N) @ (1.0 - below**2)
    of_couplings = _matrix(reads, spread / c, N) @ below**2
    V = of_neurons + (spread.sum(axis=1) / c)[:, None]
    omega = _matrix(reads, J / np.sqrt(c), N) @ below - now.sent_g[l - 1] * (
        of_neurons + of_couplings
    )
    old = now.s[l]
    u = np.inf * old
    if l < network.L:
        now.u[l] = _mix(now.u[l], _from_above(network, now, l), damping)
        u = now.u[l]
    now.s[l], now.g[l - 1], now.curvature[l - 1] = site(omega, V, u, network.beta)
    now.sent_g[l - 1] = _mix(now.sent_g[l - 1], now.g[l - 1], damping)
    return _change(old, now.s[l])


def _from_above(network: Network, now: Estimate, l: int) -> Array:
    """u of layer l < L."""
    reads = network.reads[l]
    N, c = reads.shape
    J, g, curvature = now.J[l], now.g[l], now.curvature[l]
    own = now.s[l] * (_matrix(reads, J**2 / c, N).T @ curvature)
    own += now.sent_s[l] * (_matrix(reads, 1.0 / (c * now.precision[l]), N).T @ g**2)
    return np.asarray(_matrix(reads, J / np.sqrt(c), N).T @ g - own)


def _update_couplings(network: Network, now: Estimate, l: int, damping: float) -> float:
    """b, A and J^ of the couplings of layer l."""
    reads = network.reads[l - 1]
    c = reads.shape[1]
    s, g, old = now.s[l - 1], now.g[l - 1], now.J[l - 1]
    unsure = _over_patterns(reads, g**2, 1.0 - s**2) / c
    b = _over_patterns(reads, g, s) / np.sqrt(c) - now.sent_J[l - 1] * unsure
    b -= old * _over_patterns(reads, now.curvature[l - 1], s**2) / c
    b = _mix(now.b[l - 1], b, damping)
    now.b[l - 1] = b
    now.sent_s[l - 1] = _mix(now.sent_s[l - 1], s, damping)
    now.precision[l - 1] = _mix(now.precision[l - 1], _spherical(b, -unsure), damping)
    now.J[l - 1] = b / now.precision[l - 1]
    now.sent_J[l - 1] = _mix(now.sent_J[l - 1], now.J[l - 1], damping)
    return _change(old, now.J[l - 1])


def _change(old: Array, new: Array) -> float:
    """Mean square change over mean square; what is smaller than a clueless start counts as 0."""
    return float(np.mean((new - old) ** 2) / (np.mean(new**2) + CLUELESS**2))


def _mix(old: Array, new: Array, kept: float) -> Array:
    return np.asarray(kept * old + (1.0 - kept) * new)


def _spherical(b: Array, A: Array) -> Array:
    """A + multiplier, one multiplier a row so that the mean of J^2 = (b/.)^2 + 1/. is one."""
    precision = A - A.min(axis=1, keepdims=True) + 1.0 / A.shape[1]
    for _ in range(50):  # the mean falls and is convex: Newton's steps rise to the root
        square = np.mean((b / precision) ** 2 + 1.0 / precision, axis=1, keepdims=True)
        slope = np.mean(2.0 * b**2 / precision**3 + precision**-2, axis=1, keepdims=True)
        step = (square - 1.0) / slope
        precision = precision + step
        if np.all(np.abs(step) < 1e-10 * precision.min(axis=1, keepdims=True)):
            break
    return np.asarray(precision)


def overlaps(network: Network, now: Estimate) -> tuple[Array, Array, Array, Array]:
    """q (L-1), Q (L) with the teacher and q, Q of the estimate with itself; signs made equal."""
    signs = [np.ones(len(network.states[0]))]
    q = []
    for l in range(1, network.L):
        each = np.mean(now.s[l] * network.states[l], axis=1)
        signs.append(np.sign(each))
        q.append(np.mean(np.abs(each)))
    signs.append(signs[0])
    Q = [
        np.mean(J * teacher * signs[l + 1][:, None] * signs[l][reads])
        for l, (J, teacher, reads) in enumerate(
            zip(now.J, network.couplings, network.reads, strict=True)
        )
    ]
    q_self = [np.mean(s**2) for s in now.s[1:-1]]
    Q_self = [np.mean(J**2) for J in now.J]
    return np.array(q), np.array(Q), np.array(q_self), np.array(Q_self)


def run(
    network: Network,
    rng: np.random.Generator,
    *,
    clue: float = 0.0,
    sweeps: int = 500,
    tolerance: float = 1e-7,
    damping: float = DAMPING,
    watch: bool = False,
) -> Outcome:
    """Sweeps until the squared relative change of every layer is below `tolerance`."""
    now = start(network, clue, rng)
    change, count = np.inf, 0
    while change > tolerance and count < sweeps:
        change = sweep(network, now, damping)
        count += 1
        if watch and count % 10 == 0:
            q, Q, q_self, Q_self = overlaps(network, now)
            with np.printoptions(precision=4, floatmode="fixed"):
                print(f"{count:5d} {change:.1e}  q {q} {q_self}  Q {Q} {Q_self}", flush=True)
    return Outcome(*overlaps(network, now), change, count)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--L", type=int, default=2)
    parser.add_argument("--N", type=int, default=2000)
    parser.add_argument("--c", type=int, default=30)
    parser.add_argument("--alpha", type=float, default=4.0)
    parser.add_argument("--beta", type=float, default=np.inf)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=float, default=0.0, help="overlap with the teacher, 0 to 1")
    parser.add_argument("--damping", type=float, default=DAMPING, help="share kept, 0 to 1")
    parser.add_argument("--sweeps", type=int, default=500)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    network = plant(given.L, given.N, given.c, given.alpha, given.beta, rng)
    end = run(
        network, rng, clue=given.start, sweeps=given.sweeps, damping=given.damping, watch=True
    )
    print(f"after {end.sweeps} sweeps, change {end.change:.1e}")
    print(f"  q with the teacher {end.q}, with itself {end.q_self}")
    print(f"  Q with the teacher {end.Q}, with itself {end.Q_self}")


if __name__ == "__main__":
    main()
