"""Averages over one neuron and its perceptron, for all layers: the kernels with types."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from replicadnn.errors import InputError
from replicadnn.kernels.theory import exact as kernels
from replicadnn.kernels.theory import exact_map as layers
from replicadnn.problem import Problem
from replicadnn.theory.closures.averaged.weight import floor_distance
from replicadnn.types import FloatArray


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass from the output to the input finds; entry l - 1 belongs to layer l.

    Attributes
    ----------
    lam, mu : ndarray, (L,)
        q(l-1) Q(l), the variance of omega, and 1 minus it.
    eps : ndarray, (L,)
        Variance of u, Q(l+1) G(l+1); inf at the output.
    q, log_rest : ndarray, (L,)
        <f_u^2> and ln(1 - <f_u^2>): the new q(l); 1 and -inf at the output.
    G : ndarray, (L,)
        <f_omega^2>.
    """

    lam: FloatArray
    mu: FloatArray
    eps: FloatArray
    q: FloatArray
    log_rest: FloatArray
    G: FloatArray


@dataclass(frozen=True, slots=True)
class Slopes:
    """Derivatives of q and G of every layer, and the replicon averages; each (L,).

    ``G_eps`` is not kept: it equals ``q_lam``.
    """

    q_eps: FloatArray
    q_lam: FloatArray
    G_lam: FloatArray
    f_uu: FloatArray  # <f_uu^2>
    f_uw: FloatArray  # <f_uw^2>
    f_ww: FloatArray  # <f_ww^2>


@dataclass(frozen=True, slots=True)
class Sites:
    """Site averages of the layers of one `Problem` (exact neurons, replica symmetric).

    ``fine`` = 2 halves every step of the quadrature; the change is its error.  It is below 1e-12
    relative without a margin and about 1e-16 abs(kappa)/sqrt(mu) beyond that with one.

    Raises
    ------
    InputError
        A margin in the teacher-student scenario: with exact neurons the sum over S then depends
        on omega, and the data of a forward pass are no longer a planted ensemble.
    """

    problem: Problem
    fine: int = 1
    #: teacher, kappa, beta, drop, b of `replicadnn.kernels.theory.exact`
    parameters: tuple[bool, float, float, float, float] = field(init=False)

    def __post_init__(self) -> None:
        problem = self.problem
        if problem.teacher and problem.kappa != 0.0:
            raise InputError("kappa", problem.kappa, "0 for exact neurons with a teacher")
        parameters = (
            problem.teacher, problem.kappa, problem.beta, floor_distance(problem.beta),
            -math.expm1(-problem.beta),
        )  # fmt: skip
        object.__setattr__(self, "parameters", parameters)

    def backward(self, q: FloatArray, p: FloatArray, Q: FloatArray, P: FloatArray) -> Pass:
        """New q(l), eps(l), G(l) of the overlaps q(0..L), Q(1..L) and p = 1 - q, P = 1 - Q."""
        out = Pass(*np.empty((6, Q.size)))
        layers.averages(
            self.parameters, q, p, Q, P,
            out.lam, out.mu, out.eps, out.q, out.log_rest, out.G, self.fine,
        )  # fmt: skip
        return out

    def slopes(self, lam: FloatArray, mu: FloatArray, eps: FloatArray) -> Slopes:
        """Derivatives of q and G in eps and lam; all (L,), eps = inf for an output layer."""
        out = np.empty((lam.size, 6))
        layers.slopes_of_layers(self.parameters, lam, mu, eps, out, self.fine)
        return Slopes(*out.T.copy())

    def potentials(self, lam: FloatArray, mu: FloatArray, eps: FloatArray) -> FloatArray:
        """F(l) = <f>, less eps with a teacher; <ln W> where eps = inf (L).

        dF/dlam = G/2 (teacher), -G/2 (random); dF/deps = -(1-q)/2 (teacher), (1-q)/2 (random).
        """
        out = np.empty(lam.size)
        kernels.layer_potentials(*self.parameters, lam, mu, eps, out, self.fine)
        return out

    def mass_error(self, lam: FloatArray, mu: FloatArray, eps: FloatArray) -> float:
        """Largest error of averages that are known exactly on the grids in use."""
        return float(kernels.mass_error(*self.parameters, lam, mu, eps, self.fine))
