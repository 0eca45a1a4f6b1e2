"""Files of kind "solve": one group a solution, and a journal while a long run grows."""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from replicadnn.certificate import Certificate
from replicadnn.inputs import inputs_of
from replicadnn.potential import Potential
from replicadnn.problem import AVERAGED, Problem
from replicadnn.provenance import provenance as make_provenance
from replicadnn.solution import OtherBranch, Solution, Solutions
from replicadnn.status import Branch, Status
from replicadnn.storage import hdf5
from replicadnn.storage.files import (
    new_file,
    one_error,
    open_checked,
    provenance_of,
    replaced,
)
from replicadnn.storage.journal import Journal, Scan, each, journal_path, refuse_orphan
from replicadnn.storage.outputs import atomic_file, check_target
from replicadnn.storage.records import decode, encode

logger = logging.getLogger(__name__)

_CERTIFICATE = (
    "residual",
    "mass_error",
    "ds_dq_max",
    "ds_dQ_max",
    "ds_dm_max",
    "contraction",
    "levels_error_s",
    "levels_error_q",
)

#: In files since the first one, or missing there.
_CERTIFICATE_LATER = ("grid_error", "levels_error_Q")

#: name -> (dimensions, long_name, equation in docs/theory.md); a solution may lack the errors
DATASETS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "q": (("neuron_layer", "x"), "overlap of the neurons of layer l on [x_i, x_(i+1))", "10"),
    "Q": (("coupling_layer", "x"), "overlap of the couplings of layer l on [x_i, x_(i+1))", "12"),
    "one_minus_q_ea": (("neuron_layer",), "1 - q_EA with its own relative accuracy", "10"),
    "one_minus_Q_ea": (("coupling_layer",), "1 - Q_EA with its own relative accuracy", "12"),
    "q_ea_error": (("neuron_layer",), "error of q_EA from the number of levels", "30"),
    "Q_ea_error": (("coupling_layer",), "error of Q_EA from the number of levels", "30"),
    "entropy_interaction": (("coupling_layer",), "interaction part of the free entropy", "19"),
    "entropy_couplings": (("coupling_layer",), "coupling part of the free entropy", "19"),
    "entropy_neurons": (("hidden_layer",), "neuron part of the free entropy", "19"),
}


class SolutionWriter:
    """Solutions of a long run, each safe when it is `add`-ed: the first as a file, then a journal.

    The caller holds the lock of ``path``.  Raises FileError as `save_solutions`.

    known : solutions by number that the file (with ``overwrite``) may hold already.
    """

    def __init__(
        self,
        path: str | Path,
        provenance: Mapping[str, str],
        *,
        overwrite: bool,
        known: Mapping[int, Sequence[Solution]] | None = None,
    ) -> None:
        check_target(path, overwrite=overwrite)
        refuse_orphan(path)
        self._path, self._overwrite, self._provenance = path, overwrite, provenance
        self._found: dict[int, Sequence[Solution]] = dict(known or {})
        self._journal: Journal | None = None

    @property
    def solutions(self) -> Solutions:
        """Everything added, in the order of ``number``."""
        items = [s for number in sorted(self._found) for s in self._found[number]]
        return Solutions(items, self._provenance)

    def add(self, number: int, found: Sequence[Solution]) -> None:
        """Keep the solutions of one point."""
        if self._journal is not None:
            self._journal.append(encode({"number": number, "result": list(found)}))
            self._found[number] = found
            logger.info("recorded %d", number)
            return
        self._found[number] = found
        name = secrets.token_hex(16)
        numbers = [k for k in sorted(self._found) for _ in self._found[k]]
        more = {"journal": name, "journal_after": number, "journal_numbers": np.array(numbers)}
        self._save(finished=False, more=more)
        self._journal = Journal(self._path, name)
        logger.info("recorded %d", number)

    def finish(self, *, finished: bool, progress: Callable[[int, int], None] | None = None) -> None:
        """Write the whole file, in order; the journal goes (also that of a file continued)."""
        self._save(finished=finished, progress=progress)
        (self._journal or Journal(self._path, "")).remove()

    def _save(self, **options: Any) -> None:
        save_solutions(self.solutions, self._path, overwrite=self._overwrite, **options)
        self._overwrite = True


def _journaled(path: str | Path, file: h5py.File) -> dict[int, list[Solution]] | None:
    """Solutions in the journal of a file alone, by the number of their point; None: `replaced`."""
    found: dict[int, list[Solution]] = {}

    def use(body: bytes) -> None:
        record = decode(body)
        items = list(record["result"])
        if not all(isinstance(item, Solution) for item in items):
            raise ValueError("not solutions")
        found[int(record["number"])] = items

    if "journal" in file.attrs:
        try:
            each(Scan(journal_path(path), str(file.attrs["journal"])), use)
        except OSError:
            if not replaced(path, file):
                raise
        if replaced(path, file):
            return None
    return found


def save_solutions(
    solutions: Solutions,
    path: str | Path,
    *,
    overwrite: bool = False,
    finished: bool = True,
    more: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write ``solutions`` to ``path``; see `Solutions.save`."""
    origin = solutions.provenance or make_provenance()
    with (
        atomic_file(path, overwrite=overwrite) as temporary,
        new_file(temporary, "solve", finished, origin, more) as file,
    ):
        root = file.create_group("solutions")
        for number, solution in enumerate(solutions):
            write_solution(root.create_group(f"{number:04d}"), solution)
            if progress is not None:
                progress(number + 1, len(solutions))
    return Path(path)


#: Derivatives of the certificate, and what passed in files before they named the closure.
_DERIVATIVES = ("ds_dq_max", "ds_dQ_max", "ds_dm_max")
_FORMER_LIMIT = 1e-7

_SCALES = {
    "x": "breakpoint of the Parisi function",
    "neuron_layer": "layer of neurons l = 0..L",
    "coupling_layer": "layer of perceptrons l = 1..L",
    "hidden_layer": "hidden layer of neurons l = 1..L-1",
}


def write_solution(group: h5py.Group, solution: Solution) -> None:
    """Fill the new ``group`` with one solution (docs/file-format.md, kind "solve")."""
    L = solution.problem.L
    datasets = {
        "x": solution.x,
        "neuron_layer": np.arange(L + 1),
        "coupling_layer": np.arange(1, L + 1),
        "hidden_layer": np.arange(1, L),
        **{name: values for name in DATASETS if (values := getattr(solution, name)) is not None},
    }
    made = hdf5.put_checked(group, _attributes(solution), datasets)
    for name, long_name in _SCALES.items():
        hdf5.put(made[name], {"long_name": long_name, "units": "1"})
        made[name].make_scale(name)
    for name, (dimensions, long_name, equation) in DATASETS.items():
        if name not in made:
            continue
        words = {"long_name": long_name, "units": "1"}
        hdf5.put(made[name], {**words, "equation": f"docs/theory.md eq. {equation}"})
        for axis, dimension in enumerate(dimensions):
            h5py.h5ds.attach_scale(made[name].id, made[dimension].id, axis)


def _attributes(solution: Solution) -> dict[str, Any]:
    problem, certificate = solution.problem, solution.certificate
    found: dict[str, Any] = {"L": problem.L, "converged": solution.converged}
    found |= {name: float(getattr(problem, name)) for name in ("alpha", "kappa", "beta")}
    found |= {name: str(getattr(problem, name)) for name in ("scenario", "ansatz", "closure")}
    found |= {name: float(getattr(solution, name)) for name in ("free_entropy", "tol", "residual")}
    found |= {name: str(getattr(solution, name)) for name in ("status", "message", "branch")}
    if problem.potential is not None:
        found["potential"] = problem.potential.name
    if problem.inputs is not None:
        found["inputs"] = problem.inputs.text
    if solution.possible is not None:
        found["possible"] = solution.possible
    if solution.eps_g is not None:
        found["eps_g"] = float(solution.eps_g)
    for name in (*_CERTIFICATE, *_CERTIFICATE_LATER):
        found[f"certificate_{name}"] = float(getattr(certificate, name))
    layers = np.array(certificate.unstable_liquid_layers, dtype=np.int64)
    found["certificate_unstable_liquid_layers"] = layers
    found["certificate_unstable_zero_levels"] = np.array(
        certificate.unstable_zero_levels, dtype=np.int64
    ).reshape(-1, 2)
    found["certificate_monotone"] = bool(certificate.monotone)
    found["certificate_replicon"] = np.array(certificate.replicon, dtype=float)
    others = solution.other_branches
    found["other_branches"] = np.array([b.branch for b in others], dtype=h5py.string_dtype())
    found["other_free_entropies"] = np.array([b.free_entropy for b in others], dtype=float)
    found |= {f"seconds_{name}": float(value) for name, value in solution.timings.items()}
    found |= {f"count_{name}": int(value) for name, value in solution.iterations.items()}
    return found


def load_solutions(path: str | Path) -> Solutions:
    """Read a file of kind "solve"; see `storage.readers.load`."""
    with open_checked(path, "solve") as file, one_error(path, "a solve file"):
        groups = file["solutions"]
        items = [read_solution(groups[name]) for name in sorted(groups, key=int)]
        origin = provenance_of(file)
        later = _journaled(path, file)
        if later is None:
            return load_solutions(path)
        if later:
            after = np.full(len(items), file.attrs["journal_after"])
            numbers = file.attrs.get("journal_numbers", after)  # not in older files
            for number, item in zip(numbers, items, strict=True):
                later.setdefault(int(number), []).append(item)
            items = [s for number in sorted(later) for s in later[number]]
    return Solutions(items, origin)


def read_solution(group: h5py.Group) -> Solution:
    """The solution of a group, every value checked."""
    attributes = {name: group.attrs[name] for name in group.attrs}
    arrays = {name: np.asarray(group[name][()]) for name in group}
    if attributes["sha256"] != hdf5.digest_of(attributes, arrays):
        raise ValueError("checksum of a solution does not match its numbers")
    problem = _problem(attributes)
    L = problem.L
    x = _array(arrays, "x", (None,))
    levels = x.size
    if levels < 1 or x[0] != 0.0 or np.any(np.diff(x) <= 0.0) or x[-1] > 1.0:
        raise ValueError("x must rise from 0 and stay within [0, 1]")
    solution = Solution(
        problem=problem,
        status=Status(_word(attributes["status"])),
        message=_word(attributes["message"]),
        branch=Branch(_word(attributes["branch"])),
        other_branches=_others(attributes),
        free_entropy=float(attributes["free_entropy"]),
        x=x,
        q=_array(arrays, "q", (L + 1, levels)),
        Q=_array(arrays, "Q", (L, levels)),
        one_minus_q_ea=_array(arrays, "one_minus_q_ea", (L + 1,)),
        one_minus_Q_ea=_array(arrays, "one_minus_Q_ea", (L,)),
        entropy_interaction=_array(arrays, "entropy_interaction", (L,)),
        entropy_couplings=_array(arrays, "entropy_couplings", (L,)),
        entropy_neurons=_array(arrays, "entropy_neurons", (L - 1,)),
        certificate=_certificate(attributes),
        tol=float(attributes["tol"]),
        q_ea_error=_array(arrays, "q_ea_error", (L + 1,)) if "q_ea_error" in arrays else None,
        Q_ea_error=_array(arrays, "Q_ea_error", (L,)) if "Q_ea_error" in arrays else None,
        timings={name: float(value) for name, value in _those(attributes, "seconds_")},
        iterations={name: int(value) for name, value in _those(attributes, "count_")},
    )
    if solution.converged:
        certificate = solution.certificate
        _verify(solution, certificate if "closure" in attributes else _as_of_its_time(certificate))
    return solution


def _problem(attributes: Mapping[str, Any]) -> Problem:
    name = attributes.get("potential")  # a file holds no function
    return Problem(
        alpha=float(attributes["alpha"]),
        L=int(attributes["L"]),
        scenario=_word(attributes["scenario"]),
        ansatz=_word(attributes["ansatz"]),
        kappa=float(attributes["kappa"]),
        beta=float(attributes["beta"]),
        closure=_word(attributes.get("closure", AVERAGED)),
        potential=Potential(None, name=_word(name)) if name is not None else None,
        inputs=inputs_of(_word(attributes["inputs"])) if "inputs" in attributes else None,
    )


def _certificate(attributes: Mapping[str, Any]) -> Certificate:
    later = {n: attributes.get(f"certificate_{n}", math.nan) for n in _CERTIFICATE_LATER}
    return Certificate(
        **{name: float(attributes[f"certificate_{name}"]) for name in _CERTIFICATE},
        **{name: float(value) for name, value in later.items()},
        unstable_liquid_layers=tuple(
            int(l) for l in np.atleast_1d(attributes["certificate_unstable_liquid_layers"])
        ),
        unstable_zero_levels=_pairs(attributes.get("certificate_unstable_zero_levels")),
        monotone=bool(attributes["certificate_monotone"]),
        replicon=tuple(float(r) for r in np.atleast_1d(attributes["certificate_replicon"])),
    )


def _others(attributes: Mapping[str, Any]) -> tuple[OtherBranch, ...]:
    names = [_word(name) for name in np.atleast_1d(attributes["other_branches"])]
    values = np.atleast_1d(attributes["other_free_entropies"]).astype(float)
    if len(names) != values.size:
        raise ValueError("other_branches and other_free_entropies disagree")
    return tuple(OtherBranch(Branch(n), float(v)) for n, v in zip(names, values, strict=True))


def _those(attributes: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    """Attributes whose name starts with ``prefix``, without it."""
    found = attributes.items()
    return [(name.removeprefix(prefix), v) for name, v in found if name.startswith(prefix)]


def _as_of_its_time(certificate: Certificate) -> Certificate:
    """Of a file that does not name the closure: derivatives up to 1e-7 passed, and count as 0."""
    passed: dict[str, Any] = {
        n: 0.0 for n in _DERIVATIVES if getattr(certificate, n) <= _FORMER_LIMIT
    }
    return replace(certificate, **passed)


def _verify(solution: Solution, certificate: Certificate) -> None:
    """ValueError if a solution that calls itself converged contradicts itself.

    Distances from 1 are right-hand sides of the equations, overlaps what is put into them: with
    broken symmetry they differ by what the certificate says, the residual.
    """
    apart = 1e-12 + certificate.residual
    both = (
        ("q", solution.q, solution.one_minus_q_ea),
        ("Q", solution.Q, solution.one_minus_Q_ea),
    )
    for name, values, rest in both:
        for what, numbers in ((name, values), (f"1 - {name}", rest)):
            if not np.all((numbers >= 0.0) & (numbers <= 1.0)):
                raise ValueError(f"{what} outside [0, 1]")
        if np.any(np.abs(values[:, -1] + rest - 1.0) > apart):
            raise ValueError(f"{name}_EA and 1 - {name}_EA disagree")
    if certificate.failures(solution.tol):
        raise ValueError("marked converged but the certificate fails")
    parts = (solution.entropy_interaction, solution.entropy_couplings, solution.entropy_neurons)
    total = sum(float(np.sum(part)) for part in parts)
    if not math.isclose(total, solution.free_entropy, rel_tol=1e-9, abs_tol=1e-9):
        raise ValueError("free_entropy is not the sum of its parts")


def _pairs(values: Any) -> tuple[tuple[int, int], ...]:
    """Pairs of whole numbers; none in files without them."""
    if values is None:
        return ()
    return tuple((int(a), int(b)) for a, b in np.asarray(values).reshape(-1, 2))


def _word(value: Any) -> Any:
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="strict")
    if not isinstance(value, str):
        raise TypeError(f"expected text, found {type(value).__name__}")
    return value


def _array(
    arrays: Mapping[str, NDArray[Any]], name: str, shape: tuple[int | None, ...]
) -> NDArray[np.float64]:
    values = arrays[name]
    if values.dtype.kind != "f":
        raise ValueError(f"{name} is not a dataset of floats")
    expected = tuple(
        have if want is None else want for want, have in zip(shape, values.shape, strict=False)
    )
    if values.ndim != len(shape) or values.shape != expected:
        raise ValueError(f"{name} has shape {values.shape}, expected {shape}")
    return values.astype(float, copy=False)
