"""The evidence that numbers solve the equations: one list of checks for every theory and ansatz."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from replicadnn.results import ResultBase, finite


@dataclass(frozen=True, slots=True)
class Check:
    """One quantity that has to be small: its metric in words, and the limit at a tolerance.

    The limit is max(tol, ``floor``), or ``floor`` whatever the tolerance where ``fixed``.
    """

    name: str
    metric: str
    floor: float
    fixed: bool = False

    def limit(self, tol: float) -> float:
        """The largest value that passes at tolerance ``tol``."""
        return self.floor if self.fixed else max(tol, self.floor)


_LAYER = "relative to x_EA (1 - x) of its layer, x = q or Q: for x_EA a change of its logit"
#: Every number that is checked.  "nan" fails, but for `grid_error`, where it says: no grid.
#: Floor of the derivatives: differences of s carry its rounding.  Largest of 1568 replica-symmetric
#: solutions at 1500 random problems (both scenarios, L <= 40, alpha 1e-4..1e6, beta 0.3..inf,
#: kappa -1.5..3): ds/dq 6.4e-11, ds/dQ 8.7e-11; of 398 at the ends of the ranges (alpha 3e-9..8e8,
#: beta 1e-3..1e9, kappa -10..10): 6.5e-10, 1.1e-9.
CHECKS = (
    Check("residual", f"max |F(x) - x| of the undamped map F, {_LAYER}", 0.0),
    Check(
        "mass_error", "absolute error of a normalisation whose value is of order one", 1e-10, True
    ),
    Check("ds_dq_max", "|ds/d logit q_EA(l)| or |ds/d ln eps(l)|, absolute", 1e-8),
    Check("ds_dQ_max", "|ds/d logit Q_EA(l)|, absolute", 1e-8),
    Check("ds_dm_max", "|ds/dm_i|, absolute", 1e-8),
    Check(
        "grid_error", "residual on a grid 1.5 times finer (same metric), and |change of s|", 1e-8
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class Certificate(ResultBase):
    """Independent evidence that the numbers solve the equations.

    A solution is converged if and only if `failures` is empty: every number of `CHECKS` within its
    limit, no unstable liquid layer or level, overlaps monotone in x.

    Attributes
    ----------
    residual : float
        max ``|F(x) - x| / (x_EA (1 - x))`` of the undamped map F over all overlaps x of every
        layer and level, x_EA that of the layer; replica symmetric: ``|logit F(x) - logit x|``,
        the same to first order.
    mass_error : float
        Largest error of a normalisation that holds exactly: rs, Int Dz w(u) = norm in every
        layer; rsb, sum of P_i over the grid at every level.
    ds_dq_max, ds_dQ_max : float
        Largest derivative of the free entropy in q(l) (rs: also in ln eps(l)) and in Q(l), in the
        unit x_EA (1 - x) of the layer and level x.  rs: the interaction and neuron parts are
        differentiated numerically, which compares two independent quadratures.
    ds_dm_max : float
        Largest derivative of s in a breakpoint; 0 where there is none (rs).
    unstable_liquid_layers : tuple of int
        Liquid layers (1..L-1) whose neighbours make them unstable: must be empty.
    unstable_zero_levels : tuple of (int, int)
        Levels (layer, i) of solid layers whose overlap is 0 and would grow: must be empty.
    contraction : float
        Largest real part of the eigenvalues of the saddle-point map at the solution (rs, logits),
        its spectral radius where the map is monotone; below 1 is stable.  Not a check: the search
        accepts nothing above 1.
    monotone : bool
        q_i and Q_i do not decrease with the level i and lie in [0, 1].
    levels_error_s, levels_error_q, levels_error_Q : float
        Error of the number of levels K: of s, and the largest of q_EA(l) and of Q_EA(l) over the
        layers (rsb; docs/theory.md, section 6.4).
    grid_error : float
        Residual of the same numbers on a grid 1.5 times finer, and the change of s (rsb).
    replicon : tuple of float
        rho_i of every level (random data; rs: one number, up to L = 500): 1 is marginal, above 1
        the level wants to split; rho_i - 1 falls as 1/K^2 where the breaking is continuous.
    """

    residual: float
    mass_error: float
    ds_dq_max: float
    ds_dQ_max: float
    ds_dm_max: float
    unstable_liquid_layers: tuple[int, ...] = ()
    unstable_zero_levels: tuple[tuple[int, int], ...] = ()
    contraction: float = math.nan
    monotone: bool = True
    levels_error_s: float = math.nan
    levels_error_q: float = math.nan
    levels_error_Q: float = math.nan
    grid_error: float = math.nan
    replicon: tuple[float, ...] = ()

    def _line(self) -> Mapping[str, object]:
        shown = {check.name: getattr(self, check.name) for check in CHECKS}
        return {name: f"{v:.1e}" for name, v in shown.items() if not math.isnan(v)} or {
            "residual": self.residual
        }

    def _records(self) -> Sequence[Mapping[str, Any]]:
        return [
            {"check": check.name, "value": getattr(self, check.name), "what": check.metric}
            for check in CHECKS
        ]

    def failures(self, tol: float) -> list[str]:
        """What does not pass at tolerance ``tol``, in words; empty if everything passes."""
        found = []
        for check in CHECKS:
            value, limit = getattr(self, check.name), check.limit(tol)
            applies = not (check.name == "grid_error" and math.isnan(value))
            if applies and not value <= limit:
                found.append(f"{check.name} = {value:.2e} (limit {limit:.0e})")
        if self.unstable_liquid_layers:
            found.append(f"unstable liquid layers {list(self.unstable_liquid_layers)}")
        if self.unstable_zero_levels:
            found.append(f"unstable zero overlaps (layer, level) {list(self.unstable_zero_levels)}")
        if not self.monotone:
            found.append("overlaps not monotone in x")
        return found

    def as_dict(self) -> dict[str, Any]:
        """Plain values under the key "certificate" of ``replicadnn solve --json``."""
        return {
            "residual": finite(self.residual),
            "mass_error": finite(self.mass_error),
            "ds_dm_max": finite(self.ds_dm_max),
            "ds_dq_max": finite(self.ds_dq_max),
            "ds_dQ_max": finite(self.ds_dQ_max),
            "unstable_liquid_layers": list(self.unstable_liquid_layers),
            "unstable_zero_levels": [list(p) for p in self.unstable_zero_levels],
            "contraction": finite(self.contraction),
            "monotone": self.monotone,
            "levels_error_s": finite(self.levels_error_s),
            "levels_error_q": finite(self.levels_error_q),
            "levels_error_Q": finite(self.levels_error_Q),
            "grid_error": finite(self.grid_error),
            "replicon": list(self.replicon),
        }

    def passes(self, tol: float) -> bool:
        """True if every check holds."""
        return not self.failures(tol)


def no_certificate(residual: float = math.nan) -> Certificate:
    """Certificate of a point where nothing could be checked but (perhaps) the residual."""
    nan = math.nan
    return Certificate(
        residual=residual, mass_error=nan, ds_dq_max=nan, ds_dQ_max=nan, ds_dm_max=nan
    )
