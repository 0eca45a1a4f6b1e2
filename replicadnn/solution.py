"""What comes back: one frozen `Solution` a point, collected in `Solutions`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, overload

import numpy as np
from numpy.typing import NDArray

from replicadnn import registry
from replicadnn.certificate import Certificate
from replicadnn.errors import InputError
from replicadnn.inputs import weight_overlap
from replicadnn.problem import AVERAGED, Ansatz, Problem, Scenario
from replicadnn.results import Labelled, ResultBase, finite, read_only, same
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


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class Solution(ResultBase, Labelled):
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
        Overlaps of neurons l = 0..L and of couplings l = 1..L, in [0, 1].  With structured inputs
        (`Problem.inputs`) Q is that of the fields; `weight_overlap`: of the couplings.
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

    _COLUMNS: ClassVar[tuple[str, ...]] = ("layer", "q_ea", "Q_ea")

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
    timings: Mapping[str, float] = field(default_factory=dict, compare=False)
    iterations: Mapping[str, int] = field(default_factory=dict)

    def _line(self) -> Mapping[str, object]:
        solid = f"{int(self.solid_layers[1:-1].sum())}/{self.L - 1}"
        ansatz = f"{self.ansatz} (K = {self.levels})" if self.levels else str(self.ansatz)
        told = {"alpha": self.alpha, "L": self.L, "scenario": str(self.scenario), "ansatz": ansatz}
        rest = {"kappa": self.kappa, "beta": self.beta, "closure": self.closure}
        usual = {"kappa": 0.0, "beta": math.inf, "closure": AVERAGED}
        own = self.problem.potential
        told |= {} if own is None else {"potential": own.name}
        told |= {} if self.problem.inputs is None else {"inputs": self.problem.inputs.text}
        told |= {name: value for name, value in rest.items() if value != usual[name]}
        told |= {"branch": str(self.branch), "free_entropy": self.free_entropy, "solid": solid}
        told |= {} if self.eps_g is None else {"eps_g": self.eps_g}
        return told | {"residual": f"{self.residual:.1e}", "status": str(self.status)}

    def _records(self) -> Sequence[Mapping[str, Any]]:
        Q, P = (np.append(math.nan, values) for values in (self.Q_ea, self.one_minus_Q_ea))
        columns = {
            "layer": np.arange(self.L + 1), "q_ea": self.q_ea, "Q_ea": Q,
            "one_minus_q_ea": self.one_minus_q_ea, "one_minus_Q_ea": P,
        }  # fmt: skip
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    @property
    def alpha(self) -> float:
        """Patterns per coupling of a perceptron."""
        return self.problem.alpha

    @property
    def kappa(self) -> float:
        """Margin."""
        return self.problem.kappa

    @property
    def beta(self) -> float:
        """Inverse temperature; inf: the hard constraint."""
        return self.problem.beta

    @property
    def scenario(self) -> Scenario:
        """Origin of the data."""
        return self.problem.scenario

    @property
    def ansatz(self) -> Ansatz:
        """Structure of the overlap matrices."""
        return self.problem.ansatz

    @property
    def closure(self) -> str:
        """Treatment of the neurons."""
        return self.problem.closure

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
    def better_branch(self) -> str:
        """The other branch of largest s found at this point, if its s is larger; else empty."""
        others = [b for b in self.other_branches if b.free_entropy > self.free_entropy]
        return str(max(others, key=lambda b: b.free_entropy).branch) if others else ""

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
    def weight_overlap(self) -> FloatArray:
        """Overlap w.w'/N of the couplings of two replicas, (L,); Q_EA for independent inputs."""
        law, Q = self.problem.inputs, self.Q_ea
        if law is None or not np.all(np.isfinite(Q)):
            return Q
        return np.array([weight_overlap(law, float(Q[0]), float(self.one_minus_Q_ea[0]))])

    @property
    def R(self) -> FloatArray | None:
        """Teacher-student overlap of the couplings by layer (`weight_overlap`); None for random."""
        return self.weight_overlap if self.problem.teacher else None

    @property
    def eps_g(self) -> float | None:
        """Generalisation error of noiseless passes on fresh inputs; None for random data."""
        if not self.problem.teacher or not np.all(np.isfinite(self.Q_ea)):
            return None
        return observables.generalisation_error(self.Q_ea, self.one_minus_Q_ea)

    @property
    def eps_bayes(self) -> float | None:
        """Error of the vote of all solutions, arccos(sqrt Q)/pi; None for random data and L > 1.

        With a teacher that the student can be, no other estimate of its outputs is better.
        """
        if self.L > 1 or self.eps_g is None:
            return None
        return observables.vote_error(float(self.Q_ea[0]), float(self.one_minus_Q_ea[0]))

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
            **self.problem.as_dict(),
            "status": str(self.status),
            "converged": self.converged,
            "possible": self.possible,
            "message": self.message,
            "residual": finite(self.residual),
            "branch": str(self.branch),
            "other_branches": [
                {"branch": str(b.branch), "free_entropy": finite(b.free_entropy)}
                for b in self.other_branches
            ],
            "free_entropy": finite(self.free_entropy),
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
            "eps_bayes": self.eps_bayes,
            "weight_overlap": _list(self.weight_overlap),
            "certificate": self.certificate.as_dict(),
            "tol": self.tol,
            "iterations": dict(self.iterations),
            "timings": dict(self.timings),
        }


def _list(values: FloatArray) -> list[Any]:
    return [_list(v) if np.ndim(v) else finite(v) for v in values]


class Solutions(Labelled, Sequence[Solution]):
    """Solutions in the order of alpha asked for; several a point with ``branch="all"``.

    Behaves like a tuple; ``provenance`` records how the numbers were made.
    """

    __slots__ = ("_items", "provenance")
    _COLUMNS = (
        "alpha", "L", "scenario", "ansatz", "kappa", "beta", "closure", "branch", "free_entropy",
        "solid", "eps_g", "residual", "status",
    )  # fmt: skip

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

    def _line(self) -> Mapping[str, object]:
        good = sum(s.converged for s in self)
        return {"points": len(self), "converged": good}

    def _records(self) -> Sequence[Mapping[str, Any]]:
        rows = [{**s._line(), "possible": s.possible, "message": s.message} for s in self]
        names = dict.fromkeys(name for row in rows for name in row)  # those that any has
        usual: dict[str, Any] = {"kappa": 0.0, "beta": math.inf, "closure": AVERAGED}
        return [{name: row.get(name, usual.get(name)) for name in names} for row in rows]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Solutions):
            return NotImplemented
        return same(self._items, other._items)

    __hash__ = None  # type: ignore[assignment]

    def _stacked(self, name: str) -> FloatArray:
        """An attribute of all of them as one read-only array, the first axis in their order."""
        depths = sorted({s.L for s in self})
        if len(depths) > 1:
            raise InputError("L", depths, "one depth in all solutions")
        values = [getattr(s, name) for s in self]
        found: FloatArray = read_only(np.array([math.nan if v is None else v for v in values]))
        return found

    @property
    def converged(self) -> bool:
        """True if every solution is."""
        return all(s.converged for s in self)

    @property
    def alpha(self) -> FloatArray:
        """alpha of every solution, (n,)."""
        return np.array([s.alpha for s in self])

    @property
    def q_ea(self) -> FloatArray:
        """Edwards-Anderson overlaps of the neurons, (n, L+1)."""
        return self._stacked("q_ea")

    @property
    def Q_ea(self) -> FloatArray:
        """Edwards-Anderson overlaps of the couplings, (n, L)."""
        return self._stacked("Q_ea")

    @property
    def free_entropy(self) -> FloatArray:
        """s of every solution, (n,)."""
        return np.array([s.free_entropy for s in self])

    @property
    def eps_g(self) -> FloatArray:
        """Generalisation errors, (n,); nan for random data and where nothing was found."""
        return np.array([math.nan if s.eps_g is None else s.eps_g for s in self])

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
