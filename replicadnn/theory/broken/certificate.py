"""The certificate of a K-level solution (`replicadnn.certificate.Certificate` has the metrics)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from replicadnn.certificate import Certificate
from replicadnn.theory.broken.accuracy import OverlapUnits
from replicadnn.theory.broken.layout import gather
from replicadnn.theory.broken.state import Evaluation, FlowError, zero_levels
from replicadnn.theory.broken.tuning import TUNING
from replicadnn.theory.contract import BrokenEquations


def certify(equations: BrokenEquations, ev: Evaluation) -> Certificate:
    """Check an evaluation; the errors of the number of levels are left open (nan)."""
    layout, units = equations.layout(ev.state), OverlapUnits.of(equations, ev)
    slope = np.abs(equations.gradient(layout, ev)[: layout.size]) * gather(layout, units.Q, units.q)
    liquid, unstable = _growing_zeros(equations, ev)
    values = np.concatenate([ev.q, ev.state.Q])
    monotone = bool(
        np.diff(values, axis=1).min(initial=0.0) > -TUNING.monotone
        and values.min() >= 0.0
        and values.max() <= 1.0
    )
    return Certificate(
        residual=units.residual(equations, ev),
        mass_error=ev.mass_error,
        ds_dm_max=float(np.abs(ev.ds_dm[1:]).max(initial=0.0)),
        ds_dq_max=float(slope[layout.eps.numbers].max(initial=0.0)),
        ds_dQ_max=float(slope[layout.Q.numbers].max(initial=0.0)),
        unstable_liquid_layers=liquid,
        unstable_zero_levels=unstable,
        monotone=monotone,
        grid_error=_grid_error(equations, ev, units),
        replicon=tuple(float(rho) for rho in equations.replicon(ev).rho),
    )


def grid_alone(certificate: Certificate, tol: float) -> bool:
    """True if a finer grid is all that is missing."""
    return not certificate.passes(tol) and replace(certificate, grid_error=0.0).passes(tol)


def _growing_zeros(
    equations: BrokenEquations, ev: Evaluation
) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
    """Liquid layers, and (layer, level) with overlap zero in solid ones, where it would grow."""
    growth, zeros = equations.zero_level_growth(ev), zero_levels(ev.state)
    liquid: list[int] = []
    levels: list[tuple[int, int]] = []
    for layer in range(1, ev.state.L):
        if ev.q[layer, -1] <= 0.0:
            if growth[layer, -1] > 1.0 + TUNING.grows:
                liquid.append(layer)
            continue
        zero = np.flatnonzero(zeros[layer, : ev.state.top[layer]])
        if ev.state.K > 0:  # at x = 0 it is the sign gauge that makes it zero
            zero = zero[zero > 0]
        levels += [(layer, int(i)) for i in zero[growth[layer, zero] > 1.0 + TUNING.grows]]
    return tuple(liquid), tuple(levels)


def _grid_error(equations: BrokenEquations, ev: Evaluation, units: OverlapUnits) -> float:
    """Residual of the same numbers on a finer grid, or the change of s."""
    finer = equations.finer(TUNING.check_finer)
    try:
        other = finer.evaluate(ev.state)
        worst = np.max([units.residual(finer, other), abs(other.free_entropy - ev.free_entropy)])
    except FlowError:
        return float("inf")
    return float(worst) if np.isfinite(worst) else float("inf")
