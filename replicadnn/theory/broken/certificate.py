"""What is checked of a K-level solution before it is called converged."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from replicadnn.theory.broken.layout import make_layout
from replicadnn.theory.broken.minimise import gradient, zero_level_growth
from replicadnn.theory.closures.averaged.broken import (
    Array,
    Evaluation,
    FlowError,
    Model,
    evaluate,
    residual,
)
from replicadnn.theory.closures.averaged.broken_replicon import replicon

MASS_TOLERANCE = 1e-10
GRID_TOLERANCE = 1e-8
FINER = 1.5  # grid on which the numbers are checked
GROWS = 1e-9  # a zero overlap whose growth factor exceeds 1 by this is unstable
MONOTONE = 1e-10  # overlaps may fall from one level to the next by this (rounding)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was checked. All derivatives are of s per N*M.

    residual: max |map(q, Q) - (q, Q)|, undamped; mass_error: max |sum P_i - 1| over flows;
    ds_dm_max, ds_dq_max, ds_dQ_max; unstable_liquid_layers: liquid layers (1..L-1) in which an
    infinitesimal overlap grows; unstable_zero_levels: (layer, level) pairs where a zero overlap
    of a solid layer grows; monotone: q_i(l), Q_i(l) do not decrease in i and lie in [0, 1];
    grid_error: residual of the same fields and overlaps on a grid 1.5 times finer, and the change
    of s there, whichever is larger;
    replicon (K+1): rho_i; replicon_by_layer (K+1, L-1): share of hidden layers in its mode.
    """

    residual: float
    mass_error: float
    ds_dm_max: float
    ds_dq_max: float
    ds_dQ_max: float
    unstable_liquid_layers: tuple[int, ...]
    unstable_zero_levels: tuple[tuple[int, int], ...]
    monotone: bool
    grid_error: float
    replicon: Array
    replicon_by_layer: Array

    def failures(self, tol: float) -> list[str]:
        """What does not hold to `tol` (mass: 1e-10, grid: 1e-8 at best), in words."""
        limits = {
            "residual": tol, "ds_dm_max": tol, "ds_dq_max": tol, "ds_dQ_max": tol,
            "mass_error": MASS_TOLERANCE, "grid_error": max(tol, GRID_TOLERANCE),
        }  # fmt: skip
        found = [
            f"{name} = {getattr(self, name):.2e} (limit {limit:.0e})"
            for name, limit in limits.items()
            if not getattr(self, name) <= limit
        ]
        if self.unstable_liquid_layers:
            found.append(f"unstable liquid layers {list(self.unstable_liquid_layers)}")
        if self.unstable_zero_levels:
            found.append(f"unstable zero overlaps (layer, level) {list(self.unstable_zero_levels)}")
        if not self.monotone:
            found.append("overlaps not monotone in x")
        return found

    def passes(self, tol: float) -> bool:
        """True if every check holds."""
        return not self.failures(tol)

    def grid_alone(self, tol: float) -> bool:
        """True if a finer grid is all that is missing."""
        return not self.passes(tol) and replace(self, grid_error=0.0).passes(tol)


def certify(model: Model, ev: Evaluation) -> Certificate:
    """Check an evaluation."""
    layout = make_layout(model, ev.state)
    g = gradient(model, layout, ev)
    liquid, unstable = _growing_zeros(model, ev)
    values = np.concatenate([ev.q, ev.state.Q])
    monotone = bool(
        np.diff(values, axis=1).min(initial=0.0) > -MONOTONE
        and values.min() >= 0.0
        and values.max() <= 1.0
    )
    modes = replicon(model, ev)
    return Certificate(
        residual=residual(model, ev),
        mass_error=ev.mass_error,
        ds_dm_max=float(np.abs(ev.ds_dm[1:]).max(initial=0.0)),
        ds_dq_max=float(np.abs(g[layout.eps.numbers]).max(initial=0.0)),
        ds_dQ_max=float(np.abs(g[layout.Q.numbers]).max(initial=0.0)),
        unstable_liquid_layers=liquid,
        unstable_zero_levels=unstable,
        monotone=monotone,
        grid_error=_grid_error(model, ev),
        replicon=modes.rho,
        replicon_by_layer=modes.by_layer,
    )


def _growing_zeros(
    model: Model, ev: Evaluation
) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
    """Liquid layers, and (layer, level) with overlap zero in solid ones, where it would grow."""
    growth = zero_level_growth(ev, model)
    liquid: list[int] = []
    levels: list[tuple[int, int]] = []
    for layer in range(1, model.L):
        if ev.q[layer, -1] <= 0.0:
            if growth[layer, -1] > 1.0 + GROWS:
                liquid.append(layer)
            continue
        zero = np.flatnonzero(ev.state.eps[layer, : ev.state.top[layer]] <= 0.0)
        if ev.state.K > 0:  # at x = 0 it is the sign gauge that makes it zero
            zero = zero[zero > 0]
        levels += [(layer, int(i)) for i in zero[growth[layer, zero] > 1.0 + GROWS]]
    return tuple(liquid), tuple(levels)


def _grid_error(model: Model, ev: Evaluation) -> float:
    """Residual of the same numbers on a finer grid, or the change of s."""
    finer = replace(model, points_per_width=FINER * model.points_per_width)
    try:
        other = evaluate(finer, ev.state)
    except FlowError:
        return float("inf")
    worst = np.max([residual(finer, other), abs(other.free_entropy - ev.free_entropy)])
    return float(worst) if np.isfinite(worst) else float("inf")
