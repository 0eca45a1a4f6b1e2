"""Why a search of the broken-symmetry engine stopped: what the code decides on."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from replicadnn.status import Status


class StopReason(enum.Enum):
    """Why a minimisation, a curve or a climb in the number of levels ended; values are printed."""

    # a minimisation, at a solution or next to one
    GRADIENT = "gradient below tolerance"
    ROUNDING = "gradient at its rounding"
    FLAT = "rounding level"
    MERGED = "two levels merge"
    NO_DESCENT = "no descent"
    ITERATIONS = "iteration limit"
    TIME_LIMIT = "time limit"
    # ... where there is no solution near the start
    RUNAWAY = "overlaps run to one"
    COLLAPSE = "the free entropy runs to minus infinity"
    CONTACT = "1 - Q falls below 1e-5: alpha is next to the capacity"
    LEASH = "left the neighbourhood of the start"
    CLOSING = "the breakpoint m* of the saturated branch runs to zero"
    LEAP = "leads to another branch"
    # a followed curve
    FOLD = "fold"
    ONSET = "onset"
    ALPHA_RANGE = "alpha range"
    ASKED = "stop"
    SMALL_STEP = "step too small"
    POINTS = "points"
    # levels
    LIQUID = "liquid: no overlap to break"
    STABLE = "stable"
    SMALL_GAIN = "further levels lower s by less than its rounding"
    MERGES = "a further level merges with its neighbours: s changes by less than rounding"
    UNSTABLE = "unstable to one more level"
    NO_FLOW = "a flow cannot be computed"
    NOT_CERTIFIED = "not certified"
    LED_AWAY = "further levels lead away"
    NONE_BELOW = "no further levels found"

    @property
    def lost(self) -> bool:
        """True if the search has left its branch: what it returned is no solution of it."""
        return self in _LOST

    @property
    def branch_ends(self) -> bool:
        """True if there is no solution beyond on a followed curve."""
        return self in (StopReason.FOLD, StopReason.ONSET)

    @property
    def status(self) -> Status:
        """What it means for a point that stopped so, `GRADIENT` standing for a certified one."""
        if self is StopReason.GRADIENT:
            return Status.CONVERGED
        if self.branch_ends or self is StopReason.COLLAPSE:
            return Status.NO_SOLUTION
        return Status.NOT_CONVERGED


_LOST = frozenset(
    {
        StopReason.RUNAWAY, StopReason.COLLAPSE, StopReason.CONTACT, StopReason.LEASH,
        StopReason.CLOSING, StopReason.LEAP,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Note:
    """A reason, and the same in words with the numbers of the case."""

    reason: StopReason
    text: str

    @classmethod
    def plain(cls, reason: StopReason) -> Note:
        """The reason in its own words."""
        return cls(reason, reason.value)
