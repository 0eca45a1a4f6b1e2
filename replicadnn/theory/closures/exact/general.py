"""The exact closure for a weight of one's own: `Equations` with site averages of the twin."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from replicadnn.theory.closures import general
from replicadnn.theory.closures.exact.equations import FRONT, Equations
from replicadnn.theory.closures.exact.site import Pass, Sites, Slopes
from replicadnn.theory.closures.exact.twin import Averages
from replicadnn.theory.symmetric.state import State
from replicadnn.types import FloatArray

_TINY = 1e-200


class GeneralSites(Sites):
    """Site averages by the readable twin."""

    def backward(self, q: FloatArray, p: FloatArray, Q: FloatArray, P: FloatArray) -> Pass:
        """New q(l), eps(l), G(l), from the output to the input."""
        L = Q.size
        lam = np.where(q[:-1] * Q > _TINY, q[:-1] * Q, 0.0)
        mu = np.maximum(p[:-1] + P - p[:-1] * P, _TINY)
        eps, new_q, log_rest, G = np.full(L, np.inf), np.zeros(L), np.zeros(L), np.zeros(L)
        for l in range(L - 1, -1, -1):
            if l < L - 1:
                eps[l] = Q[l + 1] * G[l + 1] if Q[l + 1] * G[l + 1] > _TINY else 0.0
            if lam[l] == eps[l] == 0.0:
                continue
            at = general.averages(self.problem, lam[l], eps[l], mu[l])
            new_q[l], G[l] = at.q, at.G
            with np.errstate(divide="ignore"):
                log_rest[l] = np.log(at.rest) if at.q > 0.5 else np.log1p(-at.q)
        return Pass(lam, mu, eps, new_q, log_rest, G)

    def linear(
        self, q: FloatArray, p: FloatArray, Q: FloatArray, P: FloatArray
    ) -> tuple[Pass, Slopes]:
        """The same, the derivatives of q and G, and the averages of the replicon."""
        at = self.backward(q, p, Q, P)
        each = self._each(at.lam, at.mu, at.eps)
        return at, Slopes(*np.array([one[3:9] for one in each]).T.copy())

    def potentials(self, lam: FloatArray, mu: FloatArray, eps: FloatArray) -> FloatArray:
        """F(l) = <f>."""
        return np.array([at.F for at in self._each(lam, mu, eps)])

    def mass_error(self, lam: FloatArray, mu: FloatArray, eps: FloatArray) -> float:
        """Largest error of two averages that are known: <1> = 1 and <W(omega)> = <w>."""
        norm = general.log_norm(self.problem)
        each = self._each(lam, mu, eps)
        errors = [max(abs(at.mass - 1.0), abs(at.log_mean - norm)) for at in each]
        return max(errors, default=0.0)

    def _each(self, lam: FloatArray, mu: FloatArray, eps: FloatArray) -> list[Averages]:
        layers = zip(lam, eps, mu, strict=True)
        return [general.averages(self.problem, *layer) for layer in layers]


@dataclass(slots=True)
class GeneralEquations(Equations):
    """Random data and a `Potential`."""

    def __post_init__(self) -> None:
        self.sites = GeneralSites(self.problem)
        self.c0, self.w2 = general.free_moments(self.problem)

    def at(self, alpha: float) -> GeneralEquations:
        """The same equations at another alpha."""
        return GeneralEquations(replace(self.problem, alpha=alpha))

    def shallow(self) -> GeneralEquations:
        """Order comes from the output and does not reach 40 layers deep."""
        return GeneralEquations(replace(self.problem, L=min(self.problem.L, FRONT)))

    def sweep(self, state: State, pairs: int) -> float:
        """``2 pairs`` passes of the map in place; last relative change."""
        return general.sweep(state, pairs, self._image, self._growth)

    def _image(self, state: State) -> tuple[FloatArray, FloatArray, FloatArray]:
        at = self.layers(state)
        return (
            np.append(1.0, at.q),
            np.append(-np.inf, at.log_rest),
            (self.problem.alpha * state.q[:-1] * at.G),
        )

    def _growth(self, state: State) -> FloatArray:
        """Of layers l = 1..L: that of their neurons, or with w1 = 0 that of couplings alone."""
        if self.c0 == 0.0:
            return general.coupling_growth(self.problem.alpha, self.w2, state.q[:-1])
        return np.append(np.where(state.q[1:-1] == 0.0, self.growth(state), 0.0), 0.0)

    def unstable_liquid_layers(self, state: State) -> list[int]:
        """Layers 1..L that are liquid although an overlap there would grow.

        With w1 = 0 these are couplings, whose neurons stay liquid beside them; the output's too.
        """
        return general.unstable_layers(state, self._growth(state))
