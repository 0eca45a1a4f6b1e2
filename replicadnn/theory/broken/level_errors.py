"""Error of the number of levels: how far K levels are from continuous breaking.

With K + 1 cells s is too high by a multiple of (K+1)^-4 and q_EA, Q_EA are off by one of (K+1)^-2
(docs/theory.md, section 6.4).  So two numbers of levels, K and K', give the error of K as

    |s(K) - s(K')| / |((K+1)/(K'+1))^4 - 1|,      |q(K) - q(K')| / |((K+1)/(K'+1))^2 - 1|,

K' = K/2 from the climb (or solved for this) and, up to K = 3, K' = K + 1, solved for this.  Where
q(x) has several steep parts their levels come in whole numbers, and K and K/2 may share the same
error at the top: the change of q_EA when the top cell alone is split counts too, twice.  All of it
is doubled: measured, 19 of 20 errors stated so are not exceeded (scripts/attack.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from replicadnn.theory.broken.accuracy import residual
from replicadnn.theory.broken.climb import Climb, Effort, Stage, between, one_more, settle
from replicadnn.theory.broken.ends import ended
from replicadnn.theory.broken.resample import resample
from replicadnn.theory.broken.tuning import TUNING
from replicadnn.types import FloatArray


@dataclass(frozen=True, slots=True)
class LevelErrors:
    """Of s, q_EA(l) (L+1) and Q_EA(l) (L).

    nan where one more level leads to another branch, or has ended: then there is nothing to
    converge to.
    """

    s: float
    q: FloatArray
    Q: FloatArray


def no_errors(L: int) -> LevelErrors:
    """Nothing is known."""
    return LevelErrors(float("nan"), np.full(L + 1, np.nan), np.full(L, np.nan))


def level_errors(found: Climb, effort: Effort) -> LevelErrors:
    """Errors of `found.stage`."""
    stage = found.stage
    s, values = 0.0, np.zeros(2 * stage.evaluation.state.L + 1)
    if stage.rho > 1.0 + TUNING.stable:
        K, others = stage.levels, [] if found.half is None else [found.half]
        if TUNING.few >= K and found.fewer is None:
            if ended(stage.equations, min(K + 1, TUNING.quick_end)):
                return no_errors(stage.evaluation.state.L)
            further, why = one_more(stage, effort, share=TUNING.apart)
            if why is not None:
                return no_errors(stage.evaluation.state.L)
            if further is not None and further.levels > K:
                others.append(further)
        elif TUNING.few < K and not others:
            others = _half(stage, effort)
            if not others:
                return no_errors(stage.evaluation.state.L)
        for other in others:
            by_s, by_values = between(stage, other)
            s, values = max(s, by_s), np.maximum(values, by_values)
    if found.shift is not None:
        values = np.maximum(values, TUNING.shift_weight * found.shift)
    return _with_waking_layers(stage, TUNING.safety * s + TUNING.same, TUNING.safety * values)


def _half(stage: Stage, effort: Effort) -> list[Stage]:
    """A solution with about half the levels, for one that was followed here and not climbed to."""
    equations, state = stage.equations, stage.evaluation.state
    half = settle(equations, resample(equations, state, state.K // 2), effort)
    fewer = Stage(equations, half, stage.certificate)
    solved = not half.lost and residual(equations, half.evaluation) < effort.tol
    return [fewer] if solved and 0 < fewer.levels < state.K else []


def _with_waking_layers(stage: Stage, s: float, values: FloatArray) -> LevelErrors:
    """A liquid layer wakes if the overlap beside it is larger: q(l) <= growth - 1 then."""
    ev, L = stage.evaluation, stage.evaluation.state.L
    q, Q = values[: L + 1].copy(), values[L + 1 :].copy()
    growth = stage.equations.zero_level_growth(ev)[:, -1]
    known = ev.q[:, -1]
    for layer in range(1, L):
        beside = [n for n in (layer - 1, layer + 1) if known[n] > 0.0]
        if known[layer] > 0.0 or not beside:
            continue
        larger = max(min(known[n] + values[n], 1.0) / known[n] for n in beside)
        waking = min(max(growth[layer] * larger**2 - 1.0, 0.0), 1.0)
        q[layer] = max(q[layer], waking)
        for row in (layer - 1, layer):
            Q[row] = max(Q[row], min(TUNING.waking_Q * waking, 1.0))
    return LevelErrors(s, q, Q)
