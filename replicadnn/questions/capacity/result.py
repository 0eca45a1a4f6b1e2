"""Results of `replicadnn.capacity`: where solutions end at each depth and margin, and files."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from replicadnn.problem import AVERAGED, Ansatz
from replicadnn.questions.schema import Answer, Item, Schema, origin
from replicadnn.storage.tables import Column, Plain, Table, Tables, plain
from replicadnn.validate import choice

#: Relative error of an end at which one level equals the counting bound.
_ROUNDING = 1e-8


class End(enum.StrEnum):
    """How the solutions end when alpha is raised."""

    #: q, Q -> 1 and s -> -infinity.
    DIVERGENCE = "divergence"
    #: The solution meets another one at 1 - Q > 0.
    SPINODAL = "spinodal"
    #: Broken symmetry: m* -> 0, s -> -infinity.
    NO_STATES = "no states left"
    #: Solutions up to ``alpha_max``.
    NO_END = "no end found"
    #: The computation failed.
    FAILED = "not resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityPoint:
    """The end of the solutions at one depth and margin.

    Attributes
    ----------
    L, kappa : depth and margin
    ansatz : Ansatz
        "rs" or "rsb".
    alpha : float
        The last alpha with a solution; nan where none was found up to ``alpha_max``.
    uncertainty : float
        rs: ten times the last change of the extrapolation (at least 1e-9 alpha), or all of it
        where the middle stays open; rsb: change from one level less.
    end : End
    reduced : float
        rs: the reduced equations (independent of ``alpha``; inf: they have no end).  rsb, L >= 2:
        all neurons strictly saturated at one level, which equals ``bound`` at kappa = 0; closure
        exact: the limit m -> 0 of one level.
    bound : float
        `replicadnn.theory.counting.counting_bound`; nan for kappa < 0.
    levels : int
        Number of levels K (0 for rs).
    saturated_layers : int
        Hidden layers with q = 1 beside each boundary on the branch that ends (rsb; -1: all).
        "frozen_layers" in documents and files.
    by_level : tuple of float
        ``alpha`` at K = 1, 2, ... levels (rsb).
    mismatch : float
        1 - Q at the last point, of the middle layer or, where that stays open, of the first (rs).
    message : str
    possible : bool or None
        False: networks end before, by ``bound``; None: the bound does not tell.
    """

    L: int
    kappa: float
    ansatz: Ansatz
    alpha: float
    uncertainty: float
    end: End
    reduced: float
    bound: float
    levels: int = 0
    saturated_layers: int = 0
    by_level: tuple[float, ...] = ()
    mismatch: float = math.nan
    message: str = ""
    possible: bool | None = None

    @property
    def converged(self) -> bool:
        """False only where the computation failed; "no end found" is an answer."""
        return self.end is not End.FAILED


_POINTS = Schema(
    "capacity",
    CapacityPoint,
    (
        Item("L", "depth"),
        Item("kappa", "margin"),
        Item("ansatz", "ansatz"),
        Item("alpha", "capacity, patterns per coupling"),
        Item("uncertainty", "error estimate of alpha"),
        Item("end", "how the branch ends"),
        Item("reduced", "second route"),
        Item("bound", "counting bound"),
        Item("levels", "levels K"),
        Item("saturated_layers", "saturated layers a side", name="frozen_layers"),
        Item("mismatch", "1 - Q of the middle layer at the last point", former="closure"),
        Item("message", "remark"),
        Item("possible", "within the counting bound"),
    ),
    counter="index",
)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Capacity(Answer):
    """What `capacity` returns: one `CapacityPoint` for each L and kappa, in the order asked for."""

    KIND: ClassVar[str] = "capacity"

    points: tuple[CapacityPoint, ...]
    alpha_max: float
    closure: str = AVERAGED

    def __iter__(self) -> Iterator[CapacityPoint]:
        return iter(self.points)

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: int) -> CapacityPoint:
        return self.points[index]

    @property
    def converged(self) -> bool:
        """Every point has an answer."""
        return all(p.converged for p in self.points)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers under the keys of ``replicadnn capacity --json``."""
        rows = [_POINTS.document(p) | {"by_level": plain(p.by_level)} for p in self.points]
        return {
            "closure": self.closure, "alpha_max": self.alpha_max, "capacity": rows,
            "finished": self.finished,
        }  # fmt: skip

    def tables(self) -> list[Table]:
        """Points, and their ends by number of levels."""
        rows = [(i, k + 1, a) for i, p in enumerate(self.points) for k, a in enumerate(p.by_level)]
        index, K, alpha = zip(*rows, strict=True) if rows else ((), (), ())
        levels = (
            Column.of("row", np.arange(len(rows)), "number of the row"),
            Column.of("index", np.array(index, dtype=np.int64), "point"),
            Column.of("K", np.array(K, dtype=np.int64), "levels"),
            Column.of("alpha", np.array(alpha, dtype=np.float64), "capacity at K"),
        )
        return [_POINTS.table(self.points), Table("levels", levels)]

    def attributes(self) -> dict[str, Plain]:
        """What was asked."""
        return {"alpha_max": self.alpha_max, "closure": self.closure}

    @classmethod
    def read(cls, file: Tables) -> Capacity:
        """The table that a file holds."""
        alpha_max = float(file.attributes["alpha_max"])
        levels = file["levels"]
        points = []
        for index, row in enumerate(_POINTS.read(file["capacity"])):
            ends = levels["alpha"][levels["index"] == index]
            kinds = {
                "ansatz": choice(Ansatz, "ansatz", row["ansatz"]),
                "end": choice(End, "end", row["end"]),
            }
            point = CapacityPoint(**row | kinds, by_level=tuple(ends.tolist()))
            points.append(replace(point, possible=possible(point, alpha_max)))
        closure = str(file.attributes.get("closure", AVERAGED))
        return cls(tuple(points), alpha_max, closure, **origin(file))


load_capacity = Capacity.load


def possible(point: CapacityPoint, alpha_max: float) -> bool | None:
    """Does the end that was found (none: beyond ``alpha_max``) lie within the counting bound?"""
    if math.isnan(point.bound) or point.end is End.FAILED:
        return None
    if point.end is End.NO_END:
        return None if alpha_max <= point.bound else False
    error = 0.0 if math.isnan(point.uncertainty) else point.uncertainty
    return point.alpha - error <= point.bound * (1.0 + _ROUNDING)


def judged(point: CapacityPoint, alpha_max: float) -> CapacityPoint:
    """``point`` with its ``possible``, and the objection of counting in its message."""
    answer = possible(point, alpha_max)
    if answer is not False:
        return replace(point, possible=answer)
    text = (
        f"no network stores random data beyond the counting bound {point.bound:.4g}: "
        "the solutions beyond it describe no state"
    )
    return replace(point, possible=False, message=f"{point.message}; {text}")
