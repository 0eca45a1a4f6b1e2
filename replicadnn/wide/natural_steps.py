"""Steps of natural gradient on drawn networks, measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from replicadnn import interrupt
from replicadnn.types import FloatArray
from replicadnn.wide.activations import Activation
from replicadnn.wide.preconditioners import Draw, Layer, Metric, direction, kernel


@dataclass(frozen=True, slots=True)
class Step:
    """What was measured of one metric on one network."""

    M: int
    network: int
    metric: str
    alpha: float
    anisotropy: float
    loss: float
    deviation: float
    test_distance: float
    test_error: float


@np.errstate(over="ignore", invalid="ignore")
def steps(
    phi: Activation, asked: Mapping[str, Any], metrics: Mapping[Metric, float],
    samples: tuple[FloatArray, FloatArray], key: tuple[int, int],
) -> list[Step]:  # fmt: skip
    """The steps of these metrics from the network of width and number ``key``.

    ``metrics``: each with its alpha; nan: that of the network's own kernel is taken.
    """
    x, y = samples
    N, C, damping = asked["N"], asked["C"], asked["damping"]
    rng = np.random.default_rng(np.random.SeedSequence(asked["seed"], spawn_key=key))
    widths = [asked["M0"], *[key[0]] * (asked["L"] - 1), C]
    start = Draw.of(phi, (asked["sigma_w2"], asked["sigma_b2"]), widths, rng)
    layers = start.layers(x)
    before = start.outputs(x).reshape(C, -1)
    r = before - y
    share = 1.0 - (1.0 - asked["rate"]) ** asked["steps"]
    exact, found = None, []
    trained = [layer.rows(slice(0, N)) for layer in layers]
    for metric, known in metrics.items():
        A = kernel(metric, trained, damping)
        alpha = float(np.trace(A)) / len(A)
        anisotropy = float(np.linalg.norm(A / alpha - np.eye(len(A)), 2))
        used = alpha if math.isnan(known) else known
        changes = direction(metric, trained, r[:, :N].ravel(), damping)
        eta = asked["rate"] / used
        after = _walk(
            start.moved(changes, eta), metric, x[:N], y[:, :N], (eta, asked["steps"] - 1, damping)
        )
        outputs = after.outputs(x).reshape(C, -1)
        exact = outputs if exact is None else exact
        predicted = before - share / used * _moved(layers, changes).reshape(C, -1)
        found.append(
            Step(
                key[0], key[1], str(metric), alpha, anisotropy,
                float(np.sum((outputs - y)[:, :N] ** 2) / np.sum(r[:, :N] ** 2)),
                *(_rms((outputs - other)[:, N:]) for other in (predicted, exact, y)),
            )
        )  # fmt: skip
    return found


def _walk(
    net: Draw, metric: Metric, x: FloatArray, y: FloatArray, pace: tuple[float, int, float]
) -> Draw:
    """The network after more steps, while numbers are finite; ``pace``: rate, how many, damping."""
    for _ in range(pace[1]):
        interrupt.check()
        r = net.outputs(x) - y.ravel()
        if not np.all(np.isfinite(r)):
            break
        net = net.moved(direction(metric, net.layers(x), r, pace[2]), pace[0])
    return net


def _moved(layers: list[Layer], changes: list[FloatArray]) -> FloatArray:
    """J times changes of all weights."""
    parts = [one.pull(change) for one, change in zip(layers, changes, strict=True)]
    return np.asarray(np.sum(parts, axis=0))


def _rms(values: FloatArray) -> float:
    return math.sqrt(float(np.mean(values**2)))
