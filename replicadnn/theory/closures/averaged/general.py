"""The averaged closure for a weight of one's own: `Equations` with averages over gaps of the twin.

The twin's layer without a field from above (eps = inf, f = ln W) is this closure's interaction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from replicadnn import interrupt
from replicadnn.kernels.theory.averages import neuron
from replicadnn.theory.closures import general
from replicadnn.theory.closures.averaged.entropy import interaction_overlap, neuron_field
from replicadnn.theory.closures.averaged.equations import FRONT, Equations
from replicadnn.theory.closures.exact.twin import Averages
from replicadnn.theory.symmetric.state import State, coupling_logit, neuron_logit
from replicadnn.types import BoolArray, FloatArray


@dataclass(slots=True)
class GeneralEquations(Equations):
    """Random data and a `Potential`."""

    c0: float = field(init=False)
    w2: float = field(init=False)

    def __post_init__(self) -> None:
        self.c0, self.w2 = general.free_moments(self.problem)
        self.threshold = self.problem.alpha * self.c0**2

    @property
    def monotone(self) -> bool:
        """Not known."""
        return False

    def at(self, alpha: float) -> GeneralEquations:
        """The same equations at another alpha."""
        return GeneralEquations(replace(self.problem, alpha=alpha))

    def shallow(self) -> GeneralEquations:
        """The network of 40 layers, parity kept."""
        L = self.problem.L
        return self if L <= FRONT else GeneralEquations(replace(self.problem, L=FRONT + L % 2))

    # -- averages over gaps --------------------------------------------------------------------
    def _gaps(self, lam: FloatArray, mu: FloatArray) -> list[Averages]:
        pairs = zip(lam, mu, strict=True)
        return [general.averages(self.problem, a, math.inf, b) for a, b in pairs]

    def interactions(self, lam: FloatArray, mu: FloatArray) -> FloatArray:
        """F_int = <ln W>."""
        return np.array([at.F for at in self._gaps(lam, mu)])

    def mass_errors(self, lam: FloatArray, mu: FloatArray) -> float:
        """Largest error of <1> = 1 and <W> = <w>."""
        norm = general.log_norm(self.problem)
        each = self._gaps(lam, mu)
        return max(max(abs(at.mass - 1.0), abs(at.log_mean - norm)) for at in each)

    def gap_responses(self, lam: FloatArray, mu: FloatArray) -> FloatArray:
        """<f''^2>."""
        return np.array([at.f_ww for at in self._gaps(lam, mu)])

    def curvatures(self, state: State) -> FloatArray:
        """G(l) = <(W'/W)^2>."""
        return np.array([at.G for at in self._gaps(*interaction_overlap(state))])

    # -- the map -------------------------------------------------------------------------------
    def sweep(self, state: State, pairs: int) -> float:
        """``2 pairs`` passes of the map in place; last relative change."""
        return general.sweep(state, pairs, self._image, self._growth)

    def _image(self, state: State) -> tuple[FloatArray, FloatArray, FloatArray]:
        q, log_rest = np.ones(state.q.size), np.full(state.q.size, -np.inf)
        for l, eps in enumerate(neuron_field(self, state), start=1):
            q[l], log_rest[l], _ = neuron(False, float(eps))
        G = self.curvatures(state)
        return q, log_rest, self.problem.alpha * state.q[:-1] * state.q[1:] * G

    def _growth(self, state: State) -> FloatArray:
        """Of layers l = 1..L: that of their neurons, or with w1 = 0 that of couplings alone."""
        if self.c0 == 0.0:
            sides = state.q[:-1] * state.q[1:]
            return general.coupling_growth(self.problem.alpha, self.w2, sides)
        return np.append(np.where(state.q[1:-1] == 0.0, self.instability(state), 0.0), 0.0)

    def unstable_liquid_layers(self, state: State) -> list[int]:
        """Layers 1..L that are liquid although an overlap there would grow."""
        return general.unstable_layers(state, self._growth(state))

    def linearise(self, state: State, active: BoolArray) -> tuple[FloatArray, FloatArray]:
        """F(y) - y and the bands of 1 - dF/dy, as `kernels.theory.symmetric.newton_system`.

        dln lam = p dlogit q(l-1) + P dlogit Q + p dlogit q(l), dln G = g dln lam.
        """
        interrupt.check()
        q, p, Q, P, L = state.q, state.p, state.Q, state.P, self.problem.L
        gaps = self._gaps(*interaction_overlap(state))
        G = np.array([at.G for at in gaps])
        g = interaction_overlap(state)[0] * np.array([at.G_lam for at in gaps])
        g = np.divide(g, G, out=np.zeros(L), where=G > 0.0)
        d_lam = np.zeros((L, 2 * L + 1))  # columns: logits of q(0), Q(1), q(1), ..., Q(L), q(L)
        rows = np.arange(L)
        d_lam[rows, 2 * rows], d_lam[rows, 2 * rows + 1] = p[:-1], P
        d_lam[rows, 2 * rows + 2] = p[1:]
        values, slopes = np.zeros(active.size), np.zeros((active.size, 2 * L + 1))
        eps = neuron_field(self, state)
        for l in (1 + np.flatnonzero(active[0::2])).tolist():
            B = self.problem.alpha * q[l - 1] * q[l] * G[l - 1]
            new = B * (2.0 / (1.0 + math.sqrt(1.0 + 4.0 * B))) ** 2
            gain, row = 1.0 / (1.0 + new), coupling_logit(l)
            d_B = (1.0 + g[l - 1]) * d_lam[l - 1]
            d_B[2 * l - 1] -= P[l - 1]
            slopes[row] = gain * d_B
            with np.errstate(divide="ignore"):
                values[row] = 0.5 * (np.log(new) + np.log(B))
        for l in (1 + np.flatnonzero(active[1::2])).tolist():
            new, log_rest, slope = neuron(False, float(eps[l - 1]))
            row = neuron_logit(l)
            for k, beside in ((l, l - 1), (l + 1, l + 1)):
                part = (1.0 + g[k - 1]) * d_lam[k - 1]
                part[2 * l] -= p[l]
                slopes[row] += Q[k - 1] * q[beside] * G[k - 1] * part
            if new == 0.0:  # a guess far from any solution: refused by nan
                values[row] = math.nan
                continue
            slopes[row] *= slope / (new * math.exp(log_rest))
            values[row] = math.log(new) - log_rest
        return self._banded(values, slopes[:, 1:-1], state, active)

    @staticmethod
    def _banded(
        values: FloatArray, slopes: FloatArray, state: State, active: BoolArray
    ) -> tuple[FloatArray, FloatArray]:
        """F - y and 1 - dF/dy in bands of width 2, on the ``active`` logits."""
        size = active.size
        with np.errstate(invalid="ignore"):
            residual = np.where(active, values - state.logits, 0.0)
        matrix = np.eye(size) - np.where(active[:, None] & active, slopes, 0.0)
        bands = np.zeros((5, size))
        for d in range(-2, 3):
            columns = np.arange(max(0, -d), min(size, size - d))
            bands[2 + d, columns] = matrix[columns + d, columns]
        return residual, bands
