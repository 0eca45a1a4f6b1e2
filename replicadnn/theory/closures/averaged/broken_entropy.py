"""Free entropy of a K-level state of the averaged closure, with ds/dm, and its parts by layer."""

from __future__ import annotations

import math

import numpy as np

from replicadnn.kernels.theory import couplings as spherical
from replicadnn.kernels.theory import layers
from replicadnn.problem import Problem
from replicadnn.theory.broken.state import Evaluation, State
from replicadnn.theory.closures.averaged.broken_flows import LayerFlow, Layers, hidden
from replicadnn.theory.contract import Entropy
from replicadnn.types import FloatArray

LN2 = math.log(2.0)


def coupling_weight(L: int, layer: int) -> float:
    """How many layers the coupling layer with index ``layer`` (from 0) stands for: 2, centre 1."""
    return 1.0 if 2 * layer + 1 == L else 2.0


def neuron_weight(L: int, layer: int) -> float:
    """How many hidden layers layer ``layer`` (from 1) stands for."""
    return 1.0 if 2 * layer == L else 2.0


def free_entropy(
    problem: Problem,
    state: State,
    q: FloatArray,
    gaps: list[LayerFlow | None],
    spins: list[LayerFlow | None],
    liquid: float,
) -> tuple[float, FloatArray, float]:
    """s, its explicit derivatives ds/dm_i (q, Q, eps fixed) and the largest mass error.

    ``liquid`` is F of an interaction without overlap.
    """
    m, steps = state.m, state.steps
    s, mass = 0.0, 0.0
    grad = np.zeros(m.size)
    for layer, flow in enumerate(gaps):
        w = coupling_weight(problem.L, layer)
        part = layers.sphere_terms(w / problem.alpha, state.Q[layer], m, grad)
        s += w * part / problem.alpha
        if flow is None:
            s += w * liquid
        else:
            s += w * flow.F
            grad += w * flow.A[:-1]
            mass = max(mass, flow.mass_error)
    for layer, flow in enumerate(spins[1:], start=1):
        w = neuron_weight(problem.L, layer)
        if flow is None:
            s += w * LN2
        else:
            s += w * flow.F
            s += layers.field_terms(w, flow.A, state.eps[layer], q[layer], steps, m, grad)
            mass = max(mass, flow.mass_error)
    return s, grad, mass


def by_layer(problem: Problem, ev: Evaluation, kept: Layers, liquid: float) -> Entropy:
    """Parts of s by layer: interaction (L), couplings S_sph/alpha (L), neurons (L-1); sum = s."""
    state, L = ev.state, problem.L
    m, K1 = state.m, state.m.size
    interaction, couplings, neurons = np.empty(L), np.zeros(L), np.empty(L - 1)
    for layer, flow in enumerate(kept.gap_flows):
        interaction[[layer, L - 1 - layer]] = liquid if flow is None else flow.F
        if state.Q[layer, -1] > 0.0:
            part = spherical.entropy(state.Q[layer], m)[0] / problem.alpha
            couplings[[layer, L - 1 - layer]] = part
    for layer in range(1, hidden(L) + 1):
        flow, top = kept.spin_flows[layer], int(state.top[layer])
        part = LN2
        if flow is not None:
            m_top = 1.0 if top == K1 else float(m[top])
            fields = state.eps[layer, :top]
            conjugate = state.steps[:top] @ (fields * ev.q[layer, :top]) - m_top * fields[-1]
            part = flow.F + 0.5 * float(conjugate)
        neurons[[layer - 1, L - layer - 1]] = part
    return Entropy(ev.free_entropy, interaction, couplings, neurons)
