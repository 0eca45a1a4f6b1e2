"""The engine does not rely on mirrored layers: every layer with numbers of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from broken_cases import branch_at

from replicadnn.problem import Ansatz, Problem, Scenario
from replicadnn.theory.broken.layout import Images, Layout, number_unknowns
from replicadnn.theory.broken.search import find
from replicadnn.theory.broken.state import Evaluation, State
from replicadnn.theory.closures.averaged.broken import LevelEquations
from replicadnn.types import FloatArray


@dataclass(frozen=True, slots=True)
class Unfolded(LevelEquations):
    """The averaged closure with L hidden and L + 1 coupling layers as unknowns.

    The derivatives of a mirrored pair are shared out in halves; off the mirror-symmetric states
    this Hessian is not that of s, so searches must stay on them by themselves.
    """

    @property
    def coupling_images(self) -> Images:
        return [(l,) for l in range(1, self.problem.L + 1)]

    @property
    def neuron_images(self) -> Images:
        return [(l,) for l in range(1, self.problem.L)]

    def layout(self, state: State) -> Layout:
        return number_unknowns(state, self.coupling_images, self.neuron_images)

    def _folded(self, state: State) -> Layout:
        return LevelEquations(self.problem).layout(state)

    def _numbers(self, layout: Layout, state: State) -> np.ndarray:
        """For every unknown here, its number among the mirrored ones (then m)."""
        folded = self._folded(state)
        out = np.empty(layout.size + state.K, dtype=np.int64)
        out[layout.Q.numbers] = folded.Q.index[layout.Q.mask]
        out[layout.eps.numbers] = folded.eps.index[layout.eps.mask]
        out[layout.size :] = folded.size + np.arange(state.K)
        return out

    def _unfold(self, vector: FloatArray, layout: Layout, state: State) -> FloatArray:
        numbers = self._numbers(layout, state)
        copies = np.bincount(numbers)
        return vector[numbers] / copies[numbers]

    def gradient(self, layout: Layout, ev: Evaluation) -> FloatArray:
        inner = LevelEquations(self.problem)
        return self._unfold(inner.gradient(self._folded(ev.state), ev), layout, ev.state)

    def by_log_alpha(self, layout: Layout, ev: Evaluation) -> FloatArray:
        inner = LevelEquations(self.problem)
        return self._unfold(inner.by_log_alpha(self._folded(ev.state), ev), layout, ev.state)

    def hessian(self, layout: Layout, ev: Evaluation) -> FloatArray:
        """P^T H P over mirrored pairs, and a stiff part that keeps the images together."""
        folded = self._folded(ev.state)
        H = LevelEquations(self.problem).hessian(folded, ev)
        numbers = self._numbers(layout, ev.state)
        copies = np.bincount(numbers)[numbers]
        out = H[np.ix_(numbers, numbers)] / np.outer(copies, copies)
        stiff = np.abs(np.diag(H))
        for i, first in enumerate(numbers):
            for j, second in enumerate(numbers):
                if first == second and copies[i] == 2:
                    out[i, j] += stiff[first] * (0.5 if i == j else -0.5)
        return out

    def field_step(self, layout: Layout, ev: Evaluation, step: FloatArray) -> FloatArray:
        """The mean step of the images, by the mirrored equations."""
        folded = self._folded(ev.state)
        numbers = self._numbers(layout, ev.state)
        mean = np.bincount(numbers, step) / np.bincount(numbers)
        change = LevelEquations(self.problem).field_step(folded, ev, mean)
        return change[numbers[: layout.size]]


@pytest.mark.parametrize(("alpha", "L", "levels"), [(4.0, 3, 1), (8.0, 3, 4), (12.0, 6, 3)])
def test_layers_without_images(alpha: float, L: int, levels: int) -> None:
    """The branch followed from the threshold, levels added: the same solution and certificate."""
    problem = Problem(alpha=alpha, L=L, scenario=Scenario.RANDOM, ansatz=Ansatz.RSB)
    alone = find(Unfolded(problem), levels=levels)
    paired = branch_at(alpha, L, levels=levels)
    assert alone.converged
    assert alone.levels == paired.levels == levels
    assert alone.free_entropy == pytest.approx(paired.free_entropy, abs=1e-11)
    np.testing.assert_allclose(alone.q_ea, paired.q_ea, atol=1e-7)
    layout, folded = (one.stage.equations.layout(one.state) for one in (alone, paired))
    assert np.all(layout.weights == 1.0)
    assert layout.size == folded.weights.sum() > folded.size
