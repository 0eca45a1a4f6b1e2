"""Do moves that carry a neuron along with its couplings relax a network faster?

    python scripts/joint_moves.py --L 8 --c 16 --N 128 --alpha 8 --sweeps 8192

Gap sampler of the count potential, kappa = 0, planted start, regular graph.  ``single``: the moves
of the package, c rotations a perceptron and then a flip attempt for every hidden neuron and
pattern.  ``joint``: for every hidden neuron i its couplings rotate with S_i summed out,

    weight of J_i = prod_mu sum_{S = +-1} w(S h_i^mu) A_mu(S),   A_mu(S) = prod_j w(S_j h_j^mu(S)),

j the perceptrons that read i; then S_i^mu is drawn from its conditional probability (heat bath).
Both leave the Boltzmann weight unchanged; the output layer has no free neuron and is rotated as
before.  Written for clarity, without the package's kernels; prints the times in sweeps at which
C_J(l, t) and C_S(l, t) from t = 0 fall to 1/e, with the error over data sets.
"""

from __future__ import annotations

import argparse
import math
import time

import numba
import numpy as np
from numpy.typing import NDArray

from replicadnn.montecarlo.connectivity import Connectivity, Graph, random_couplings
from replicadnn.montecarlo.measure.relaxation import crossing_time
from replicadnn.montecarlo.network import error_rate, fields, propagate, random_signs

Array = NDArray[np.float64]


@numba.njit
def rotation(row, step, rng):
    """A random pair of the couplings ``row`` and what it turns into."""
    a = int(rng.random() * row.size)
    k = int(rng.random() * (row.size - 1))
    k += k >= a
    t = step * (2.0 * rng.random() - 1.0)
    cosine, sine = (1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t)
    return a, k, row[a] * cosine - row[k] * sine, row[a] * sine + row[k] * cosine


@numba.njit
def rotate(row, below, h, gain, step, rng):
    """As many rotations as couplings; ``gain`` (M): ln of the weight of h > 0 over that of h < 0.

    row (c) of the perceptron, h (M) its fields, below (c, M) what it reads; changed in place.
    Returns the number accepted.
    """
    scale = 1.0 / math.sqrt(row.size)
    accepted = 0
    for _ in range(row.size):
        a, k, new_a, new_k = rotation(row, step, rng)
        moved = h + scale * ((new_a - row[a]) * below[a] + (new_k - row[k]) * below[k])
        change = 0.0
        for mu in range(h.size):
            change += gain[mu] * ((moved[mu] > 0.0) - 1.0 * (h[mu] > 0.0))
        if change >= 0.0 or rng.random() < math.exp(change):
            row[a], row[k] = new_a, new_k
            h[:] = moved
            accepted += 1
    return accepted


@numba.njit
def preference(J, h, S, readers, places, l, i, beta):
    """beta^-1 ln A(+)/A(-) of neuron i of hidden layer l by pattern: violations that + avoids."""
    out = np.zeros(S.shape[2])
    scale = 1.0 / math.sqrt(J.shape[2])
    for e in range(J.shape[2]):
        j, place = readers[l, i, e], places[l, i, e]
        for mu in range(out.size):
            own = scale * J[l, j, place]
            rest, sign = h[l, j, mu] - own * S[l, i, mu], S[l + 1, j, mu]
            out[mu] += 1.0 * (sign * (rest - own) < 0.0) - 1.0 * (sign * (rest + own) < 0.0)
    return out


@numba.njit
def set_neuron(J, h, S, readers, places, l, i, mu, sign):
    """Put S_{l,i}^mu to ``sign`` and change the fields of its readers."""
    if sign == S[l, i, mu]:
        return
    S[l, i, mu] = sign
    for e in range(J.shape[2]):
        j, place = readers[l, i, e], places[l, i, e]
        h[l, j, mu] += 2.0 * J[l, j, place] * sign / math.sqrt(J.shape[2])


@numba.njit
def sweep(J, S, h, inputs, readers, places, beta, step, joint, accepted, rng):
    """One sweep, layer by layer; accepted (L) is added to."""
    L, N, _ = J.shape
    for l in range(1, L + 1):
        summed = joint and l < L
        for i in range(N):
            gain = beta * S[l, i]
            if summed:
                up = beta * preference(J, h, S, readers, places, l, i, beta)
                gain = np.logaddexp(up, -beta) - np.logaddexp(up - beta, 0.0)
            accepted[l - 1] += rotate(
                J[l - 1, i], S[l - 1][inputs[l - 1, i]], h[l - 1, i], gain, step[l - 1], rng
            )
            if summed:
                for mu in range(up.size):
                    odds = up[mu] + beta * np.sign(h[l - 1, i, mu])
                    plus = rng.random() < 1.0 / (1.0 + math.exp(-odds))
                    set_neuron(J, h, S, readers, places, l, i, mu, 1.0 if plus else -1.0)
        if l < L and not joint:
            for i in range(N):
                up = preference(J, h, S, readers, places, l, i, beta)
                for mu in range(up.size):
                    cost = S[l, i, mu] * (up[mu] + np.sign(h[l - 1, i, mu]))
                    if cost <= 0.0 or rng.random() < math.exp(-beta * cost):
                        set_neuron(J, h, S, readers, places, l, i, mu, -S[l, i, mu])


def one_run(a: argparse.Namespace, joint: bool, seed: int) -> tuple[Array, Array, Array, float]:
    """C_J (L, T), C_S (L-1, T) at `times`, accepted share (L), seconds."""
    rng = np.random.default_rng(seed)
    M = round(a.alpha * a.c)
    inputs = Connectivity(a.N, a.c, Graph.REGULAR).draw(a.L, rng)
    if inputs is None:
        raise SystemExit("joint_moves: c must be below N")
    order = np.argsort(inputs.reshape(a.L, -1), axis=1, kind="stable").reshape(a.L, a.N, a.c)
    J = random_couplings(a.L, a.N, rng, a.c)
    S = propagate(J, random_signs((a.N, M), rng), error_rate(a.beta), rng, inputs)
    J0, S0 = J.astype(np.float64), S.astype(np.float64)
    J, S = J0.copy(), S0.copy()
    steps = np.full(a.L, a.step)
    steps[:-1] *= a.joint_step / a.step if joint else 1.0
    accepted = np.zeros(a.L)
    C_J, C_S = [np.ones(a.L)], [np.ones(a.L - 1)]
    begin = time.process_time()
    done = 0
    for t in times(a.sweeps)[1:]:
        h = fields(J, S.astype(np.int8), inputs)  # against rounding
        while done < t:
            sweep(J, S, h, inputs, order // a.c, order % a.c, a.beta, steps, joint, accepted, rng)
            done += 1
        C_J.append((J * J0).mean(axis=(1, 2)))
        C_S.append((S * S0).mean(axis=(1, 2))[1:-1])
    seconds = time.process_time() - begin
    return np.array(C_J).T, np.array(C_S).T, accepted / (done * a.N * a.c), seconds


def times(longest: int) -> NDArray[np.int64]:
    """0, 1 and then eight times an octave."""
    grid = np.rint(2.0 ** np.arange(0.0, math.log2(longest) + 0.01, 0.125))
    return np.unique(np.concatenate([[0], grid])).astype(np.int64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, kind, default in (
        ("L", int, 8), ("N", int, 128), ("c", int, 16), ("alpha", float, 8.0), ("beta", float, 3.0),
        ("sweeps", int, 8192), ("samples", int, 3), ("step", float, 0.37),
        ("joint-step", float, 0.55), ("seed", int, 1),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=kind, default=default)
    a = parser.parse_args()
    for joint in (False, True):
        runs = [one_run(a, joint, a.seed + s) for s in range(a.samples)]
        print("joint" if joint else "single", f"{np.mean([r[3] for r in runs]):.1f} s a run")
        for name, k in (("tau_J", 0), ("tau_S", 1)):
            tau = np.array([[crossing_time(times(a.sweeps), c) for c in r[k]] for r in runs])
            error = tau.std(axis=0, ddof=1) / math.sqrt(len(runs))
            print(
                f"  {name}", *(f"{t:.0f}({e:.0f})" for t, e in zip(tau.mean(0), error, strict=True))
            )
        print("  accepted", np.round(np.mean([r[2] for r in runs], axis=0), 3))


if __name__ == "__main__":
    main()
