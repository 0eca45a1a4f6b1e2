"""Averages over one neuron and its perceptron, for all layers: the kernels with types."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from replicadnn.errors import InputError
from replicadnn.kernels.theory import exact as kernels
from replicadnn.kernels.theory import exact_map as layers
from replicadnn.kernels.theory.exact_known import find_all, mark_new
from replicadnn.problem import Problem
from replicadnn.theory.closures.averaged.weight import floor_distance
from replicadnn.theory.closures.common import RELATIVE_STEP, ROUNDING, STENCIL
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
class Known:
    """Layers computed before, each at its own arguments; the layers `close` to them follow.

    Attributes
    ----------
    arguments : ndarray, (3, n)
        lam, mu, eps.
    averages : ndarray, (9, n)
        As in `replicadnn.kernels.theory.exact_known`.
    potentials : ndarray, (4, n)
        F and what `Sites.potential_slopes` finds.
    """

    arguments: FloatArray
    averages: FloatArray
    potentials: FloatArray

    @classmethod
    def nothing(cls) -> Known:
        return cls(np.empty((3, 0)), np.empty((9, 0)), np.empty((4, 0)))


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
    known: Known = field(default_factory=Known.nothing)
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
        arguments, table = self._layers(q, p, Q, P, linear=False)
        return Pass(*arguments, *table[:3])

    def linear(
        self, q: FloatArray, p: FloatArray, Q: FloatArray, P: FloatArray
    ) -> tuple[Pass, Slopes]:
        """The same, and the derivatives of q and G in eps and lam."""
        arguments, table = self._layers(q, p, Q, P, linear=True)
        return Pass(*arguments, *table[:3]), Slopes(*table[3:])

    def potentials(self, lam: FloatArray, mu: FloatArray, eps: FloatArray) -> FloatArray:
        """F(l) = <f>, less eps with a teacher; <ln W> where eps = inf (L).

        dF/dlam = G/2 (teacher), -G/2 (random); dF/deps = -(1-q)/2 (teacher), (1-q)/2 (random).
        """
        out = np.empty(lam.size)
        known = self.known.arguments, self.known.potentials
        kernels.layer_potentials(
            self.parameters, known, np.array([lam, mu, eps]), out, self.fine
        )  # fmt: skip
        return out

    def potential_slopes(self, lam: FloatArray, mu: FloatArray, eps: FloatArray) -> FloatArray:
        """dF/dlam, dF/dln eps by five-point differences, and what these cannot resolve; (3, L)."""
        at = np.array([lam, mu, eps])
        where = np.empty(lam.size, dtype=np.int64)
        find_all(self.known.arguments, self.problem.kappa, at, where)
        old = where >= 0
        out = np.empty((3, lam.size))
        out[:, old] = self.known.potentials[1:, where[old]]
        out[:, ~old] = self._differences(*at[:, ~old])
        return out

    def remembering(self, q: FloatArray, p: FloatArray, Q: FloatArray, P: FloatArray) -> Sites:
        """The same, with the layers of one more state `known`."""
        arguments, table = self._layers(q, p, Q, P, linear=True)
        new = np.empty(Q.size, dtype=np.bool_)
        mark_new(self.known.arguments, self.problem.kappa, arguments, new)
        arguments, table = arguments[:, new], table[:, new]
        potentials = np.vstack([self.potentials(*arguments), self._differences(*arguments)])
        old = self.known
        known = Known(
            np.hstack([old.arguments, arguments]),
            np.hstack([old.averages, table]),
            np.hstack([old.potentials, potentials]),
        )
        return replace(self, known=known)

    def _layers(
        self, q: FloatArray, p: FloatArray, Q: FloatArray, P: FloatArray, *, linear: bool
    ) -> tuple[FloatArray, FloatArray]:
        """Arguments (3, L) and averages (9, L) of the layers, those of `Slopes` if ``linear``."""
        arguments, table = np.empty((3, Q.size)), np.zeros((9, Q.size))
        known = self.known.arguments, self.known.averages
        layers.averages(
            self.parameters, known, q, p, Q, P, arguments, table, linear, self.fine
        )  # fmt: skip
        return arguments, table

    def _differences(self, lam: FloatArray, mu: FloatArray, eps: FloatArray) -> FloatArray:
        """`potential_slopes` of layers that are not known."""
        if lam.size == 0:
            return np.empty((3, 0))
        offset, weight = np.array(STENCIL).T
        none = np.zeros_like(offset)
        step = RELATIVE_STEP * np.minimum(lam, mu)
        moves = np.outer([*offset, *none], step)
        factors = 1.0 + RELATIVE_STEP * np.array([*none, *offset])
        at = lam + moves, mu - moves, eps * factors[:, None]
        F = self.potentials(*(x.ravel() for x in at)).reshape(2, offset.size, lam.size)
        by_lam, by_eps = np.tensordot(F, weight, axes=(1, 0))
        with np.errstate(invalid="ignore", divide="ignore"):
            by_lam = np.where(lam > 0.0, by_lam / step, 0.0)
        return np.array([by_lam, by_eps / RELATIVE_STEP, ROUNDING * np.abs(F[0]).max(axis=0)])

    def mass_error(self, lam: FloatArray, mu: FloatArray, eps: FloatArray) -> float:
        """Largest error of averages that are known exactly on the grids in use."""
        return float(kernels.mass_error(*self.parameters, lam, mu, eps, self.fine))
