"""Where a chain begins: data and first state of a sample, the sampler asked for, its step."""

from __future__ import annotations

import math

import numpy as np

from replicadnn import interrupt
from replicadnn.montecarlo import network
from replicadnn.montecarlo.chains.gap import GapChain
from replicadnn.montecarlo.chains.weights import WeightsChain
from replicadnn.montecarlo.connectivity import Inputs, moves_per_layer
from replicadnn.montecarlo.latent import Projection, draw_projection
from replicadnn.montecarlo.network import Network
from replicadnn.montecarlo.spec import Potential, Sampler, Spec, Start
from replicadnn.problem import Scenario

Chain = GapChain | WeightsChain

#: Accepted share of the rotations at which a pilot run aims, and the largest step it takes.
TARGET_ACCEPTANCE = 0.15
LARGEST_STEP = 1.0
#: Rounds of a pilot run, which adjust the step, and their sweeps.
PILOT_ROUNDS, PILOT_SWEEPS = 10, 20


def draw_graph(spec: Spec, seed: np.random.SeedSequence) -> Inputs | None:
    """Who reads whom in one sample, None where fully connected; seed: that of the sample's data.

    It has a child of this seed for itself: no other random number depends on there being a graph.
    """
    child = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, 0))
    return spec.reads.draw(spec.L, np.random.default_rng(child))


def sample_projection(spec: Spec, seed: np.random.SeedSequence) -> Projection | None:
    """F of the inputs of one sample, None where they are independent; seed: that of its data.

    Like the graph it has a child of this seed for itself.
    """
    if spec.latent is None:
        return None
    child = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, 1))
    return draw_projection(spec.N, spec.latent, np.random.default_rng(child))


def starting_state(
    spec: Spec, seed: np.random.SeedSequence, inputs: Inputs | None = None
) -> tuple[Network, Network]:
    """(teacher, first state) of one sample; both hold the data in S[0] and S[L].

    Random labels: the "teacher" only carries the data.  Soft potential: a noiseless teacher.
    inputs : the graph of both, that of `draw_graph` unless given.
    """
    interrupt.check()
    if inputs is None:
        inputs = draw_graph(spec, seed)
    rng = np.random.default_rng(seed)
    plant = network.plant if spec.sampler is Sampler.GAP else network.plant_outputs
    beta = spec.beta if spec.potential is Potential.COUNT else math.inf
    projection = sample_projection(spec, seed)
    teacher = plant(spec.L, spec.N, spec.M, beta, rng, inputs, projection)
    if spec.scenario is Scenario.RANDOM:
        teacher.S[spec.L] = network.random_signs((spec.N, spec.M), rng)
    if spec.start is Start.PLANTED:
        return teacher, teacher
    return teacher, network.start_random(teacher, rng)


def start_chain(spec: Spec, net: Network, seed: np.random.SeedSequence, step: float) -> Chain:
    """Chain of the sampler that is asked for, at the state ``net``."""
    if spec.sampler is Sampler.GAP:
        return GapChain.start(
            net, seed, beta=spec.beta, kappa=spec.kappa, step=step, potential=spec.potential
        )
    return WeightsChain.start(net, seed, beta=spec.beta, step=step)


def pilot_step(spec: Spec, seed: np.random.SeedSequence) -> float:
    """Step for an acceptance of rotations near 0.15, from a short run that is thrown away.

    One step serves all layers (otherwise tau(l) could not be compared between layers) and all
    samples; it is rounded to two digits.  Starts from the planted state where there is one.
    Ctrl-C acts between its sweeps.
    """
    data_seed, chain_seed = seed.spawn(2)
    teacher, first = starting_state(spec, data_seed)
    planted = spec.scenario is Scenario.TEACHER_STUDENT and spec.kappa == 0.0
    net = teacher if planted and spec.potential is Potential.COUNT else first
    step = 0.3
    chain = start_chain(spec, net, chain_seed, step)
    for _ in range(PILOT_ROUNDS):
        chain.counters[:] = 0
        before = chain.done
        for _ in range(PILOT_SWEEPS):
            interrupt.check()
            chain.advance(1)
        tried = (chain.done - before) * spec.L * moves_per_layer(chain.J)
        rate = chain.counters[: spec.L].sum() / tried
        step = min(LARGEST_STEP, step * float(np.clip(rate / TARGET_ACCEPTANCE, 0.3, 3.0)))
        chain.step = step
    return float(f"{step:.2g}")
