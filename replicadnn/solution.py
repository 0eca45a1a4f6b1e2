"""What comes back: one frozen `Solution` a point, collected in `Solutions`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from replicadnn import registry
from replicadnn.certificate import Certificate, no_certificate
from replicadnn.errors import InputError
from replicadnn.problem import Problem
from replicadnn.status import Branch, BranchKind, Status
from replicadnn.theory import counting, observables
from replicadnn.types import FloatArray

CONTINUOUS = Branch(BranchKind.CONTINUOUS)
_QUANTITIES: tuple[Literal["q"], Literal["Q"]] = ("q", "Q")


@dataclass(frozen=True, slots=True)
class OtherBranch:
    """Another solution found at the same point."""

    branch: Branch
    free_entropy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """Overlaps of one solution of the saddle-point equations.

    Attributes
    ----------
    problem : Problem
        The point asked for.
    status : Status
    message : str
        One line: how it ended, and anything a reader of the numbers must know.
    branch : Branch
        A text with a ``kind``: "continuous" (connected to the liquid), "filled" (solid throughout,
        beyond a first-order step), "discontinuous" (rsb: reached by a jump of q_EA only),
        "saturated" (teacher-student: q -> 1 in every layer; random: in layer 1, above a
        breakpoint), "saturated 2", ... (in the first 2, ... layers) or "partly saturated".
    other_branches : tuple of OtherBranch
        The other solutions found at this point, with their free entropies.
    free_entropy : float
        s = ln V/(N M); -inf where the volume is empty, nan where nothing was found.
    x : array (K+1,)
        Breakpoints, from 0; level i lives on [x_i, x_{i+1}).
    q, Q : arrays (L+1, K+1), (L, K+1)
        Overlaps of neurons l = 0..L and of couplings l = 1..L, in [0, 1].
    one_minus_q_ea, one_minus_Q_ea : arrays (L+1,), (L,)
        Distance of the Edwards-Anderson values from 1, with its own relative accuracy.
    q_ea_error, Q_ea_error : arrays (L+1,), (L,), or None
        Error of the number of levels, layer by layer (docs/theory.md, section 6.4); None for rs
        and in files that do not hold it.
    entropy_interaction, entropy_couplings, entropy_neurons : arrays (L,), (L,), (L-1,)
        The parts that s is the sum of, by layer: the share of every layer in the log volume.
    certificate : Certificate
    tol : float
        Tolerance asked for.
    timings : mapping
        Seconds by stage: "solve", "certify".
    iterations : mapping
        Counts: "sweeps", "newton".
    """

    problem: Problem
    status: Status
    message: str
    branch: Branch
    other_branches: tuple[OtherBranch, ...]
    free_entropy: float
    x: FloatArray
    q: FloatArray
    Q: FloatArray
    one_minus_q_ea: FloatArray
    one_minus_Q_ea: FloatArray
    entropy_interaction: FloatArray
    entropy_couplings: FloatArray
    entropy_neurons: FloatArray
    certificate: Certificate
    tol: float
    q_ea_error: FloatArray | None = None
    Q_ea_error: FloatArray | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    iterations: Mapping[str, int] = field(default_factory=dict)

    @property
    def alpha(self) -> float:
        """Training patterns per coupling."""
        return self.problem.alpha

    @property
    def L(self) -> int:
        """Depth."""
        return self.problem.L

    @property
    def levels(self) -> int:
        """Number K of breakpoints above 0: 0 for rs, and where fewer levels are all there are."""
        return self.x.size - 1

    @property
    def converged(self) -> bool:
        """True only if the certificate passes."""
        return self.status is Status.CONVERGED

    @property
    def possible(self) -> bool | None:
        """False beyond the counting bound: no network stores random data at this point.

        None where the bound does not apply: teacher-student, finite beta, kappa < 0.
        """
        return counting.possible(self.problem)

    @property
    def residual(self) -> float:
        """Residual of the undamped map (see `Certificate`)."""
        return self.certificate.residual

    @property
    def q_ea(self) -> FloatArray:
        """Edwards-Anderson overlap of the neurons, l = 0..L."""
        return self.q[:, -1]

    @property
    def Q_ea(self) -> FloatArray:
        """Edwards-Anderson overlap of the couplings, l = 1..L."""
        return self.Q[:, -1]

    @property
    def R(self) -> FloatArray | None:
        """Teacher-student overlap of the couplings by layer (equals Q_ea); None for random."""
        return self.Q_ea if self.problem.teacher else None

    @property
    def eps_g(self) -> float | None:
        """Generalisation error of noiseless passes on fresh inputs; None for random data."""
        if not self.problem.teacher or not np.all(np.isfinite(self.Q_ea)):
            return None
        return observables.generalisation_error(self.Q_ea, self.one_minus_Q_ea)

    @property
    def solid_layers(self) -> NDArray[np.bool_]:
        """Boolean (L+1,): neuron layers with q_EA > 0 (the data layers always are)."""
        return self.q_ea > 0.0

    def overlaps(self, quantity: Literal["q", "Q"] = "q") -> FloatArray:
        """q (L+1, K+1) or Q (L, K+1), by name; InputError for any other name."""
        if quantity not in ("q", "Q"):
            raise InputError("quantity", quantity, "one of q, Q")
        return self.q if quantity == "q" else self.Q

    def overlap_distribution(
        self, layer: int, quantity: Literal["q", "Q"] = "q"
    ) -> observables.OverlapDistribution:
        """P(q, l) = dx/dq(x, l), or P(Q, l): deltas and continuous part (docs/observables.md).

        Parameters
        ----------
        layer : int
            l = 0..L for q, 1..L for Q.
        quantity : {"q", "Q"}

        Raises
        ------
        InputError
            Layer or quantity that does not exist, or a solution that is not converged.
        """
        rows = self.overlaps(quantity)
        first = self.L + 1 - len(rows)
        if not first <= layer <= self.L:
            raise InputError("layer", layer, f"{first}..{self.L} for {quantity}")
        if not self.converged:
            raise InputError("solution", str(self.status), "a converged solution")
        jump = self.branch.kind is BranchKind.SATURATED
        return observables.overlap_distribution(self.x, rows[layer - first], jump=jump)

    def moments(self, order: float = 1.0, quantity: Literal["q", "Q"] = "q") -> FloatArray:
        """Int_0^1 q(x, l)^k dx by layer, k = ``order``: (L+1,) for q, (L,) for Q.

        Mean of q^k over pairs of replicas. Exact for the K levels; for k = 1 it converges as
        1/K^2, for k >= 2 faster (docs/observables.md).
        """
        return observables.moment(self.x, self.overlaps(quantity), order)

    @property
    def x_l(self) -> FloatArray:
        """x up to which q(x, l) = 0, l = 0..L: 0 at the data, 1 in liquid layers.

        nan if not converged. `OverlapDistribution.onset_error` is its error.
        """
        return self._onsets()[0]

    def _onsets(self) -> tuple[FloatArray, FloatArray]:
        """x_l and its error."""
        if not self.converged:
            return np.full(self.L + 1, math.nan), np.full(self.L + 1, math.nan)
        onset, error = np.where(self.solid_layers, 0.0, 1.0), np.zeros(self.L + 1)
        if self.x.size > 1:
            for l in np.flatnonzero(self.solid_layers):
                found = self.overlap_distribution(int(l))
                onset[l], error[l] = found.onset, found.onset_error
        return onset, error

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write this solution to an HDF5 file (see `Solutions.save`)."""
        return Solutions([self]).save(path, overwrite=overwrite)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and lists under the keys of ``replicadnn solve --json``."""
        x_l, x_l_error = self._onsets()
        return {
            **_problem_fields(self.problem),
            "status": str(self.status),
            "converged": self.converged,
            "possible": self.possible,
            "message": self.message,
            "residual": _finite(self.residual),
            "branch": str(self.branch),
            "other_branches": [
                {"branch": str(b.branch), "free_entropy": _finite(b.free_entropy)}
                for b in self.other_branches
            ],
            "free_entropy": _finite(self.free_entropy),
            "levels": self.levels,
            "q_ea": _list(self.q_ea),
            "Q_ea": _list(self.Q_ea),
            "one_minus_q_ea": _list(self.one_minus_q_ea),
            "one_minus_Q_ea": _list(self.one_minus_Q_ea),
            "q_ea_error": None if self.q_ea_error is None else _list(self.q_ea_error),
            "Q_ea_error": None if self.Q_ea_error is None else _list(self.Q_ea_error),
            "x": _list(self.x),
            "q": _list(self.q),
            "Q": _list(self.Q),
            "moments": {
                f"{name}{order}": _list(self.moments(order, name))
                for name in _QUANTITIES
                for order in (1, 2)
            },
            "x_l": _list(x_l),
            "x_l_error": _list(x_l_error),
            "entropy_by_layer": {
                "interaction": _list(self.entropy_interaction),
                "couplings": _list(self.entropy_couplings),
                "neurons": _list(self.entropy_neurons),
            },
            "R": None if self.R is None else _list(self.R),
            "eps_g": self.eps_g,
            "certificate": _certificate_fields(self.certificate),
            "tol": self.tol,
            "iterations": dict(self.iterations),
            "timings": dict(self.timings),
        }


def _problem_fields(problem: Problem) -> dict[str, Any]:
    return {
        "alpha": problem.alpha,
        "L": problem.L,
        "scenario": str(problem.scenario),
        "ansatz": str(problem.ansatz),
        "closure": problem.closure,
        "kappa": problem.kappa,
        "beta": problem.beta if np.isfinite(problem.beta) else "inf",
        "potential": None if problem.potential is None else problem.potential.name,
    }


def _certificate_fields(certificate: Certificate) -> dict[str, Any]:
    return {
        "residual": _finite(certificate.residual),
        "mass_error": _finite(certificate.mass_error),
        "ds_dm_max": _finite(certificate.ds_dm_max),
        "ds_dq_max": _finite(certificate.ds_dq_max),
        "ds_dQ_max": _finite(certificate.ds_dQ_max),
        "unstable_liquid_layers": list(certificate.unstable_liquid_layers),
        "unstable_zero_levels": [list(p) for p in certificate.unstable_zero_levels],
        "contraction": _finite(certificate.contraction),
        "monotone": certificate.monotone,
        "levels_error_s": _finite(certificate.levels_error_s),
        "levels_error_q": _finite(certificate.levels_error_q),
        "levels_error_Q": _finite(certificate.levels_error_Q),
        "grid_error": _finite(certificate.grid_error),
        "replicon": list(certificate.replicon),
    }


def unsolved(
    problem: Problem,
    status: Status,
    message: str,
    *,
    tol: float,
    branch: Branch = CONTINUOUS,
    other_branches: tuple[OtherBranch, ...] = (),
    timings: Mapping[str, float] | None = None,
) -> Solution:
    """A `Solution` without numbers (all nan) that says why there are none and what to do."""
    L = problem.L
    return Solution(
        problem=problem,
        status=status,
        message=f"{message}; to do: {status.remedy}",
        branch=branch,
        other_branches=other_branches,
        free_entropy=math.nan,
        x=np.zeros(1),
        q=np.full((L + 1, 1), math.nan),
        Q=np.full((L, 1), math.nan),
        one_minus_q_ea=np.full(L + 1, math.nan),
        one_minus_Q_ea=np.full(L, math.nan),
        entropy_interaction=np.full(L, math.nan),
        entropy_couplings=np.full(L, math.nan),
        entropy_neurons=np.full(L - 1, math.nan),
        certificate=no_certificate(),
        tol=tol,
        timings=dict(timings or {}),
    )


def _finite(value: float) -> float | None:
    """``value``, or None where JSON has no number for it."""
    return float(value) if np.isfinite(value) else None


def _list(values: FloatArray) -> list[Any]:
    return [_list(v) if np.ndim(v) else _finite(v) for v in values]


class Solutions(Sequence[Solution]):
    """Solutions in the order of alpha asked for; several a point with ``branch="all"``.

    Behaves like a tuple; ``provenance`` records how the numbers were made.
    """

    __slots__ = ("_items", "provenance")

    def __init__(
        self, items: Sequence[Solution], provenance: Mapping[str, str] | None = None
    ) -> None:
        self._items = tuple(items)
        self.provenance: Mapping[str, str] = dict(provenance or {})

    @overload
    def __getitem__(self, index: int) -> Solution: ...
    @overload
    def __getitem__(self, index: slice) -> Solutions: ...
    def __getitem__(self, index: int | slice) -> Solution | Solutions:
        if isinstance(index, slice):
            return Solutions(self._items[index], self.provenance)
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Solution]:
        return iter(self._items)

    def __repr__(self) -> str:
        good = sum(s.converged for s in self)
        return f"<Solutions: {len(self)} ({good} converged)>"

    @property
    def converged(self) -> bool:
        """True if every solution is."""
        return all(s.converged for s in self)

    @property
    def alpha(self) -> FloatArray:
        """alpha of every solution."""
        return np.array([s.alpha for s in self])

    def as_dict(self) -> dict[str, Any]:
        """The document of ``solve --json``."""
        return {"results": [s.as_dict() for s in self]}

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write all solutions to one HDF5 file (docs/file-format.md); atomic.

        Raises
        ------
        FileError
            The file exists (without ``overwrite``), the folder is missing, or writing fails.
        """
        return registry.save(self, path, overwrite=overwrite)
