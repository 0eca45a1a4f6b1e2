"""What code decides on, as enumerations: how a computation ended, and which solution it is.

Messages are for people and are only printed.
"""

from __future__ import annotations

import enum
import re


class Status(enum.StrEnum):
    """How a computation ended; `remedy` says what to do about it."""

    CONVERGED = "converged"
    NOT_CONVERGED = "not converged"
    NO_SOLUTION = "no solution"

    @property
    def remedy(self) -> str:
        """What a user can do."""
        return {
            Status.CONVERGED: "nothing: the certificate passes",
            Status.NOT_CONVERGED: "approach the point through nearby alpha "
            "(a list of them), raise max_sweeps (rs) or time_limit (rsb), change "
            "levels (rsb), or loosen tol",
            Status.NO_SOLUTION: "no such solution at this point: change alpha, kappa or branch",
        }[self]


class BranchKind(enum.StrEnum):
    """What kind of solution a branch holds (docs/glossary.md)."""

    #: Connected to the liquid by a followed curve.
    CONTINUOUS = "continuous"
    #: Solid throughout, beyond a first-order step.
    FILLED = "filled"
    #: Broken symmetry: reached by a jump of q_EA only.
    DISCONTINUOUS = "discontinuous"
    #: q = 1: in every layer (teacher-student), or above a breakpoint in layers beside the data.
    SATURATED = "saturated"
    #: Teacher-student: q -> 1 in some layers only.
    PARTLY_SATURATED = "partly saturated"


_BRANCH = re.compile(r"(?P<kind>[a-z ]+?)(?: (?P<layers>[1-9][0-9]*))?")


class Branch(str):
    """Name of a branch: a text that also knows its `kind` and its saturated layers.

    "saturated 2": broken symmetry, q = 1 above a breakpoint in the first 2 layers from either
    boundary; "saturated": in the first one, or (teacher-student) in all; "partly saturated 3":
    teacher-student, q -> 1 in 3 hidden layers, where that tells branches apart.  Names of older
    files, with "frozen" in place of "saturated", are read as the new ones.

    Raises
    ------
    ValueError
        Not the name of a branch.

    Examples
    --------
    >>> Branch("frozen 2"), Branch("frozen 2").kind, Branch("frozen 2").saturated_layers
    ('saturated 2', <BranchKind.SATURATED: 'saturated'>, 2)
    """

    __slots__ = ("kind", "saturated_layers")

    kind: BranchKind
    #: Saturated layers that the name states: beside each boundary (1 if none is stated), or of a
    #: partly saturated branch (0 if none is).
    saturated_layers: int

    def __new__(cls, name: str) -> Branch:
        found = _BRANCH.fullmatch(str(name).replace("frozen", BranchKind.SATURATED))
        if found is None:
            raise ValueError(f"{name!r} is not the name of a branch")
        kind = BranchKind(found["kind"])
        layers = int(found["layers"] or 0)
        if kind is BranchKind.SATURATED:
            layers = max(layers, 1)
        elif layers and kind is not BranchKind.PARTLY_SATURATED:
            raise ValueError(f"{name!r}: only saturated branches count layers")
        silent = 1 if kind is BranchKind.SATURATED else 0
        self = super().__new__(cls, f"{kind} {layers}" if layers > silent else str(kind))
        self.kind, self.saturated_layers = kind, layers
        return self

    @classmethod
    def saturated(cls, layers: int) -> Branch:
        """The branch with this many saturated layers beside each boundary."""
        return cls(f"{BranchKind.SATURATED} {layers}")

    @classmethod
    def partly_saturated(cls, layers: int) -> Branch:
        """Teacher-student: the branch with q -> 1 in this many hidden layers."""
        return cls(f"{BranchKind.PARTLY_SATURATED} {layers}")

    @property
    def is_saturated(self) -> bool:
        """True if a layer has q = 1 (or q -> 1, teacher-student)."""
        return self.kind in (BranchKind.SATURATED, BranchKind.PARTLY_SATURATED)

    def __reduce__(self) -> tuple[type[Branch], tuple[str]]:
        return Branch, (str(self),)
