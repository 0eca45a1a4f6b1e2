"""Arguments that all questions about wide networks share, checked once."""

from __future__ import annotations

import enum
from typing import Any

from replicadnn.errors import InputError, brief
from replicadnn.validate import real, whole

#: Largest variance of weights and of biases, and largest depth.
MAX_VARIANCE, MAX_DEPTH = 50.0, 10_000
#: Largest width and number of networks that are drawn.
MAX_WIDTH, MAX_NETWORKS = 20_000, 100_000
#: A slope this near to 1 is 1 (rounding of the averages).
CRITICAL = 1e-12


class Init(enum.StrEnum):
    """How weights are drawn."""

    #: Independent Gaussian, variance sigma_w^2 / M_{l-1}.
    GAUSSIAN = "gaussian"
    #: sigma_w times a uniformly random orthogonal matrix.
    ORTHOGONAL = "orthogonal"


class Phase(enum.StrEnum):
    """What becomes of gradients and of two inputs in a deep network, by chi_1."""

    #: chi_1 < 1: gradients vanish, inputs become equal.
    ORDERED = "ordered"
    #: chi_1 = 1.
    CRITICAL = "critical"
    #: chi_1 > 1: gradients explode, inputs decorrelate.
    CHAOTIC = "chaotic"


class Kernel(enum.StrEnum):
    """Kernels of one network of finite width."""

    #: Gram matrix of the gradients.
    NTK = "ntk"
    #: Gram matrix of the last hidden layer.
    CONJUGATE = "conjugate"


class Loss(enum.StrEnum):
    """Losses with their Fisher information."""

    #: Gaussian outputs.
    SQUARED = "squared"
    #: Softmax outputs.
    CROSS_ENTROPY = "cross-entropy"


def phase_of(chi_1: float) -> Phase:
    """By chi_1, critical within rounding (1e-12)."""
    if abs(chi_1 - 1.0) <= CRITICAL:
        return Phase.CRITICAL
    return Phase.ORDERED if chi_1 < 1.0 else Phase.CHAOTIC


def weight_variance(value: Any, argument: str = "sigma_w2") -> float:
    """sigma_w^2, above 0."""
    allowed = f"a variance, above 0, at most {MAX_VARIANCE:g}"
    return real(argument, value, 1e-9, MAX_VARIANCE, allowed)


def bias_variance(value: Any, argument: str = "sigma_b2") -> float:
    """sigma_b^2, 0 or more."""
    return real(argument, value, 0.0, MAX_VARIANCE, f"a variance, from 0 to {MAX_VARIANCE:g}")


def depth(value: Any) -> int:
    """L, the number of weight matrices."""
    return whole("L", value, 1, MAX_DEPTH)


def continues(known: object, **asked: Any) -> None:
    """Refuse an earlier result that was asked with other arguments (its attributes)."""
    for name, value in asked.items():
        there = getattr(known, name)
        if there != value:
            raise InputError(name, value, f"must be {brief(there)} to continue the earlier result")
