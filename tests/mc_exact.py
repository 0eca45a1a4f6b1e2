"""Exact averages of tiny networks, for the tests of the sampler.

c = 2: a perceptron is J = sqrt(2) (cos phi, sin phi), and on what it reads, x in {+-1}^2, its field
is h = x_1 cos phi + x_2 sin phi.  The circle falls into arcs on which every violation is constant.
"""

from __future__ import annotations

import itertools

import numpy as np

from replicadnn.montecarlo import network
from replicadnn.montecarlo.chains.gap import GapChain
from replicadnn.montecarlo.network import Network

INPUTS = np.array([(1, 1), (1, -1), (-1, 1), (-1, -1)])


def arcs(kappa):
    """Centres and lengths (fractions of the circle) of the arcs between all sign changes."""
    centres = np.arctan2(INPUTS[:, 1], INPUTS[:, 0])
    breaks = [0.0]
    for sign in (1, -1):  # y h = kappa
        half = np.arccos(sign * kappa / np.sqrt(2.0))
        breaks += [*(centres + half), *(centres - half)]
    edges = np.unique(np.round(np.mod(breaks, 2 * np.pi), 12))
    edges = np.append(edges, edges[0] + 2 * np.pi)
    return (edges[1:] + edges[:-1]) / 2, np.diff(edges) / (2 * np.pi)


def perceptron_table(kappa, beta, M):
    """For inputs x (M patterns, index 0..3 each) and outputs y: weight, <H>, <J_1 J_2>, <J>.

    <J> (2,); and at last <(J_1^2 - J_2^2)/2>.

    Returns a dict keyed by (x tuple, y tuple).
    """
    phi, length = arcs(kappa)
    edges_lo, edges_hi = phi - np.pi * length, phi + np.pi * length
    h = INPUTS @ np.stack([np.cos(phi), np.sin(phi)])  # (4, arcs)
    # average over an arc of J_1 J_2 = 2 cos sin = sin 2 phi
    width = edges_hi - edges_lo
    product = (np.cos(2 * edges_lo) - np.cos(2 * edges_hi)) / 2 / width
    # likewise of J_1, J_2 and of (J_1^2 - J_2^2)/2 = cos 2 phi
    J = np.sqrt(2.0) / width
    J = J * np.array([np.sin(edges_hi) - np.sin(edges_lo), np.cos(edges_lo) - np.cos(edges_hi)])
    difference = (np.sin(2 * edges_hi) - np.sin(2 * edges_lo)) / 2 / width
    table = {}
    for x in itertools.product(range(4), repeat=M):
        for y in itertools.product((1, -1), repeat=M):
            v = (np.array(y)[:, None] * h[list(x)] < kappa).sum(axis=0)
            w = length * (np.exp(-beta * v) if np.isfinite(beta) else (v == 0))
            z = w.sum()
            if z > 0:
                means = ((w @ one) / z for one in (v, product, J.T, difference))
                table[x, y] = z, *means
    return table


def every_neuron(L, N):
    """The graph (L, N, N) of the fully connected network, as one of connectivity N."""
    return np.broadcast_to(np.arange(N, dtype=np.int32), (L, N, N)).copy()


def enumerate_gap(S0, SL, L, beta, kappa, inputs=None):
    """Exact averages of the gap ensemble for data S0, SL (N, M) and L layers, c = 2.

    inputs : (L, N, 2), who reads whom; None: N = 2, all.

    Returns dict: energy (L,), correlation = <S_{l,1}^1 S_{l,1}^2> (L-1,) (first two patterns),
    product = <J_{l,1}^1 J_{l,1}^2> (L,).
    """
    N, M = S0.shape
    inputs = every_neuron(L, N) if inputs is None else inputs
    table = perceptron_table(kappa, beta, M)
    index = {tuple(x): i for i, x in enumerate(INPUTS)}
    total, energy, correlation, product = 0.0, np.zeros(L), np.zeros(L - 1), np.zeros(L)
    for bits in itertools.product((1, -1), repeat=(L - 1) * N * M):
        hidden = np.array(bits).reshape(L - 1, N, M)
        S = [S0, *hidden, SL]
        weight, e, p = 1.0, np.zeros(L), np.zeros(L)
        for layer in range(1, L + 1):
            for i in range(N):
                read = S[layer - 1][inputs[layer - 1, i]]
                x = tuple(index[tuple(read[:, mu])] for mu in range(M))
                found = table.get((x, tuple(int(s) for s in S[layer][i])))
                if found is None:
                    weight = 0.0
                    break
                weight *= found[0]
                e[layer - 1] += found[1]
                if i == 0:
                    p[layer - 1] = found[2]
        total += weight
        energy += weight * e
        product += weight * p
        correlation += weight * hidden[:, 0, 0] * hidden[:, 0, 1]
    return {
        "energy": energy / total,
        "correlation": correlation / total,
        "product": product / total,
    }


def hidden_states(S0, SL, beta, inputs=None):
    """Exact distribution of the hidden layer of the gap ensemble, L = 2, c = 2, kappa = 0.

    inputs : (2, N, 2), who reads whom; None: N = 2, all.

    Returns states (n, N, M), probabilities (n,) and the mean squares Q2 (2,) of the overlap of the
    couplings of two independent draws, as `gauge.coupling_square` measures them: of layer 1 the
    mean of 2 cos^2(phi_a - phi_b) - 1, of layer 2 that of J_i^a J_j^a J_i^b J_j^b over pairs of
    perceptrons i, j that read one neuron.
    """
    N, M = S0.shape
    inputs = every_neuron(2, N) if inputs is None else inputs
    table = perceptron_table(0.0, beta, M)
    index = {tuple(x): i for i, x in enumerate(INPUTS)}
    states = np.array(list(itertools.product((1, -1), repeat=N * M))).reshape(-1, N, M)
    pairs = [
        (one, other)
        for one, other in itertools.combinations(np.ndindex(N, 2), 2)
        if inputs[1][one] == inputs[1][other]
    ]
    weights, angles, products = np.ones(len(states)), [], []
    for k, hidden in enumerate(states):
        S = [S0, hidden, SL]
        found = [
            [
                table[
                    tuple(index[tuple(x)] for x in S[l][inputs[l, i]].T),
                    tuple(map(int, S[l + 1][i])),
                ]
                for i in range(N)
            ]
            for l in range(2)
        ]
        weights[k] = np.prod([one[0] for layer in found for one in layer])
        angles.append([(one[2], one[4]) for one in found[0]])
        products.append([found[1][i][3][a] * found[1][j][3][b] for (i, a), (j, b) in pairs])
    weights /= weights.sum()
    angles, products = weights @ np.array(angles).reshape(len(states), -1), weights @ products
    Q2 = [np.square(angles).sum() / N, np.square(products).mean()]
    return states, weights, np.array(Q2)


def batch_error(values):
    """Mean and standard error over the first axis (independent chains)."""
    values = np.asarray(values, float)
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))


def enumerate_weights(S0, SL, L, beta, inputs=None):
    """Exact averages of the weights ensemble, c = 2: four equal arcs a perceptron.

    inputs : (L, N, 2), who reads whom; None: N = 2, all.
    Returns energy and <S_{l,1}^1 S_{l,1}^2> for l = 1..L, (L+1,).
    """
    N = len(S0)
    inputs = every_neuron(L, N) if inputs is None else inputs
    phi = np.arange(4) * np.pi / 2
    direction = np.stack([np.cos(phi), np.sin(phi)], axis=1)
    S, correlation = S0[None], []  # all choices of the layers so far, one after the other
    for layer in range(L):
        choice = np.array(list(itertools.product(range(4), repeat=N)))
        h = np.einsum("tik,sikm->stim", direction[choice], S[:, inputs[layer]])
        S = np.sign(h).reshape(-1, *S0.shape)
        correlation = [np.repeat(c, len(choice)) for c in correlation]
        correlation.append(S[:, 0, 0] * S[:, 0, 1])
    energy = (S != SL).sum(axis=(1, 2))
    weight = np.exp(-beta * energy)
    return np.array([energy, *correlation]) @ weight / weight.sum()


def cone_overlap(N, M, trajectories, rng):
    """Overlap with the teacher of one spherical perceptron without errors; inputs +-1.

    Exact Hamiltonian sampling of a Gaussian restricted to the cone of solutions (A. Pakman and
    L. Paninski, J. Comput. Graph. Stat. 23 (2014) 518): J cos t + v sin t for a quarter turn,
    reflected at the walls y x . J = 0.  The teacher is a solution drawn from the prior, so the
    chain begins in equilibrium.  Returns the overlap after every trajectory.
    """
    teacher = rng.standard_normal(N)
    inputs = rng.choice([-1.0, 1.0], (M, N))
    walls = inputs * np.sign(inputs @ teacher)[:, None]
    J, found = teacher.copy(), []
    for _ in range(trajectories):
        v, left, last = rng.standard_normal(N), np.pi / 2, -1
        while True:
            # the first wall: the smallest t with walls . (J cos t + v sin t) = 0
            cotangent = -(walls @ v) / np.maximum(walls @ J, 1e-14)
            if last >= 0:
                cotangent[last] = -np.inf
            hit = int(np.argmax(cotangent))
            t = min(left, float(np.arctan2(1.0, cotangent[hit])))
            J, v = J * np.cos(t) + v * np.sin(t), v * np.cos(t) - J * np.sin(t)
            left -= t
            if left <= 0.0:
                break
            v -= 2.0 * (walls[hit] @ v) / N * walls[hit]
            last = hit
        found.append(J @ teacher / np.sqrt((J @ J) * (teacher @ teacher)))
    return np.array(found)


def gap_averages(
    S0, SL, L, beta, kappa, *, chains, measures, every, burn, seed, step=1.0, inputs=None
):
    """Chain-wise averages of the gap sampler from random starts on fixed data.

    Violations and <J_{l,1}^1 J_{l,1}^2> of every layer, <S_{l,1}^1 S_{l,1}^2> of every hidden one.
    """
    N, M = S0.shape
    c = N if inputs is None else inputs.shape[2]
    rows = []
    for child in np.random.SeedSequence(seed).spawn(chains):
        rng = np.random.default_rng(child.spawn(1)[0])
        data = np.ones((L + 1, N, M), np.int8)
        data[0], data[L] = S0, SL
        net = Network(np.ones((L, N, c), np.float32), data, inputs)
        net = network.start_random(net, rng)
        chain = GapChain.start(net, child, beta=beta, kappa=kappa, step=step)
        chain.advance(burn)
        energy, correlation, product = np.zeros(L), np.zeros(L - 1), np.zeros(L)
        for _ in range(measures):
            chain.advance(every)
            energy += chain.violations()
            S = chain.S[1:L, 0, 0]
            correlation += S[:, 0] * S[:, 1]
            product += chain.J[:, 0, 0] * chain.J[:, 0, 1]
        rows.append(np.concatenate([energy, correlation, product]) / measures)
    return batch_error(rows)
