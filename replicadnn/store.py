"""HDF5 files: one schema, written complete or not at all, read with every value checked.

The schema is documented in docs/file-format.md.  Files are written by `replicadnn.outputs`: an
interrupted or failed write leaves what was there before.  Reading never unpickles and never trusts
shapes or attribute values.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from replicadnn import hdf5
from replicadnn.errors import FileError, InputError
from replicadnn.hdf5 import digest as digest
from replicadnn.journal import (
    Journal,
    Scan,
    decode,
    each,
    encode,
    journal_path,
    refuse_orphan,
)
from replicadnn.outputs import atomic_file, check_target
from replicadnn.problem import Problem
from replicadnn.provenance import provenance as make_provenance
from replicadnn.solution import Certificate, OtherBranch, Solution, Solutions, Status

if TYPE_CHECKING:
    from replicadnn.montecarlo.files import Runs
    from replicadnn.sweeps.file import Sweep

logger = logging.getLogger(__name__)

FORMAT = "replicadnn"
SCHEMA_VERSION = 1
#: Kinds whose files are tables (`replicadnn.tables`), and what reads each: module, function.
TABLE_KINDS: dict[str, tuple[str, str]] = {
    "transitions": ("replicadnn.theory.transitions", "load_transitions"),
    "generalisation": ("replicadnn.theory.generalisation", "load_generalisation"),
    "capacity": ("replicadnn.theory.capacity", "load_capacity"),
    "stability": ("replicadnn.theory.stability", "load_stability"),
    "complexity": ("replicadnn.theory.complexity", "load_complexity"),
}
KINDS = ("solve", "mc", *TABLE_KINDS)

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
_DATASETS: dict[str, tuple[tuple[str, ...], str, str]] = {
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


@contextlib.contextmanager
def new_file(
    path: Path,
    kind: str,
    finished: bool,
    provenance: Mapping[str, str],
    more: Mapping[str, Any] | None = None,
) -> Iterator[h5py.File]:
    """A new file with its root attributes; ``more``: those of this kind alone."""
    with hdf5.writing(path, new=True) as file:
        root_attributes(
            file,
            {
                "format": FORMAT,
                "schema_version": SCHEMA_VERSION,
                "kind": kind,
                "finished": finished,
                **(more or {}),
                **{f"provenance_{key}": str(value) for key, value in provenance.items()},
            },
        )
        yield file


def root_attributes(file: h5py.File, changes: Mapping[str, Any]) -> None:
    """Set root attributes (None removes one) and their checksum."""
    for name, value in changes.items():
        if value is None:
            file.attrs.pop(name, None)
        else:
            file.attrs[name] = value
    file.attrs["sha256"] = hdf5.root_digest(file)


class SolutionWriter:
    """Solutions of a long run, each safe when it is `add`-ed: the first as a file, then a journal.

    The caller holds the lock of ``path``.  Raises FileError as `save_solutions`.
    """

    def __init__(self, path: str | Path, provenance: Mapping[str, str], *, overwrite: bool) -> None:
        check_target(path, overwrite=overwrite)
        refuse_orphan(path)
        self._path, self._overwrite, self._provenance = path, overwrite, provenance
        self._found: dict[int, Sequence[Solution]] = {}
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
        self._save(finished=False, more={"journal": name, "journal_after": number})
        self._journal = Journal(self._path, name)
        logger.info("recorded %d", number)

    def finish(self, *, finished: bool, progress: Callable[[int, int], None] | None = None) -> None:
        """Write the whole file, in order; the journal goes."""
        self._save(finished=finished, progress=progress)
        if self._journal is not None:
            self._journal.remove()

    def _save(self, **options: Any) -> None:
        save_solutions(self.solutions, self._path, overwrite=self._overwrite, **options)
        self._overwrite = True


def replaced(path: str | Path, file: h5py.File) -> bool:
    """Whether ``path`` is another file than the open one: its writer has moved the journal."""
    return not os.path.samestat(os.fstat(file.id.get_vfd_handle()), os.stat(path))


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
        **{name: values for name in _DATASETS if (values := getattr(solution, name)) is not None},
    }
    made = hdf5.put_checked(group, _attributes(solution), datasets)
    for name, long_name in _SCALES.items():
        hdf5.put(made[name], {"long_name": long_name, "units": "1"})
        made[name].make_scale(name)
    for name, (dimensions, long_name, equation) in _DATASETS.items():
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
    found |= {name: str(getattr(problem, name)) for name in ("scenario", "ansatz")}
    found |= {name: float(getattr(solution, name)) for name in ("free_entropy", "tol", "residual")}
    found |= {name: str(getattr(solution, name)) for name in ("status", "message", "branch")}
    if solution.possible is not None:
        found["possible"] = solution.possible
    if solution.eps_g is not None:
        found["eps_g"] = float(solution.eps_g)
    for name in (*_CERTIFICATE, *_CERTIFICATE_LATER):
        found[f"certificate_{name}"] = float(getattr(certificate, name))
    layers = np.array(certificate.unstable_liquid_layers, dtype=np.int64)
    found["certificate_unstable_liquid_layers"] = layers
    found["certificate_monotone"] = bool(certificate.monotone)
    found["certificate_replicon"] = np.array(certificate.replicon, dtype=float)
    others = solution.other_branches
    found["other_branches"] = np.array([b.branch for b in others], dtype=h5py.string_dtype())
    found["other_free_entropies"] = np.array([b.free_entropy for b in others], dtype=float)
    found |= {f"seconds_{name}": float(value) for name, value in solution.timings.items()}
    found |= {f"count_{name}": int(value) for name, value in solution.iterations.items()}
    return found


def load(path: str | Path) -> Any:
    """Read a file written by ``save`` or by ``--output``.

    Returns `Solutions`, the `Runs` of a sampler, a `Sweep`, `Transitions`, `Generalisation`,
    `Capacity`, `Stability` or `Complexity`, by what the file holds.

    Raises
    ------
    FileError
        Missing, unreadable, truncated, not a replicadnn file, of a newer schema, or with values
        that no solution can have.
    """
    kind, sweep = kind_of(path)
    if sweep:
        return load_sweep(path)
    if kind in TABLE_KINDS:
        module, function = TABLE_KINDS[kind]
        return getattr(import_module(module), function)(path)
    return load_solutions(path) if kind == "solve" else load_runs(path)


def kind_of(path: str | Path) -> tuple[str, bool]:
    """What a file holds, one of `KINDS`, and whether it is the store of a sweep; see `load`."""
    with open_checked(path, None) as file:
        return str(file.attrs["kind"]), "index" in file


def load_sweep(path: str | Path) -> Sweep:
    """Open the store of a sweep; see `load`."""
    from replicadnn.sweeps.file import Sweep

    return Sweep(path)


def load_runs(path: str | Path) -> Runs:
    """Read a file of kind "mc"; of a sweep, every run there is; see `load`."""
    from replicadnn.montecarlo import files

    if kind_of(path) == ("mc", True):
        sweep = load_sweep(path)
        runs = tuple(run for _, run in sweep.results())
        return files.Runs(runs, sweep.provenance, bool(sweep.converged.all()))
    return files.load_runs(path)


def provenance_of(file: h5py.File) -> dict[str, str]:
    """How a file was made."""
    return {
        key.removeprefix("provenance_"): str(value)
        for key, value in file.attrs.items()
        if key.startswith("provenance_")
    }


def load_solutions(path: str | Path) -> Solutions:
    """Read a file of kind "solve"; of a sweep, every solution there is; see `load`."""
    with open_checked(path, "solve") as file:
        if "index" in file:
            sweep = load_sweep(path)
            return Solutions([result for _, result in sweep.results()], sweep.provenance)
        try:
            groups = file["solutions"]
            items = [read_solution(groups[name]) for name in sorted(groups, key=int)]
            origin = provenance_of(file)
            later = _journaled(path, file)
            if later is None:
                return load_solutions(path)
            if later:
                later[int(file.attrs["journal_after"])] = items
                items = [s for number in sorted(later) for s in later[number]]
        except FileError:
            raise
        except (InputError, KeyError, ValueError, TypeError, OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise FileError(path, f"damaged or not a solve file ({reason})") from error
    return Solutions(items, origin)


def describe(path: str | Path) -> dict[str, Any]:
    """Contents, convergence and provenance of a result file as plain values.

    Raises
    ------
    FileError
        As `load`.
    """
    with open_checked(path, None) as file:
        kind = str(file.attrs["kind"])
        version = int(file.attrs["schema_version"])
        finished = bool(file.attrs.get("finished", False))
        sweep = "index" in file
    if sweep:
        return load_sweep(path).describe()
    if kind in TABLE_KINDS:
        from replicadnn.tables import describe_tables

        head = {"kind": kind, "schema_version": version, "finished": finished}
        return head | describe_tables(path)
    if kind == "mc":
        from replicadnn.montecarlo.files import summary

        runs = load_runs(path)
        return {
            "kind": kind,
            "schema_version": version,
            "finished": runs.finished,
            "runs": [summary(run) for run in runs],
            "provenance": dict(runs.provenance),
        }
    solutions = load_solutions(path)
    keys = (
        "alpha", "L", "scenario", "ansatz", "kappa", "beta", "branch", "status", "converged",
        "possible", "message", "residual", "free_entropy",
    )  # fmt: skip
    return {
        "kind": kind,
        "schema_version": version,
        "finished": finished,
        "points": [{key: full[key] for key in keys} for full in (s.as_dict() for s in solutions)],
        "provenance": dict(solutions.provenance),
    }


@contextlib.contextmanager
def open_checked(path: str | Path, kind: str | None) -> Iterator[h5py.File]:
    """An open file whose format, schema version and kind are as expected."""
    target = Path(path)
    if not target.is_file():
        raise FileError(target, "no such file" if not target.exists() else "is not a file")
    try:
        file = h5py.File(target, "r")
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise FileError(
            target, "not a readable HDF5 file (foreign, truncated or in use)"
        ) from error
    with file:
        try:
            words = {name: file.attrs.get(name) for name in ("format", "schema_version")}
            found = file.attrs.get("kind")
            whole = file.attrs.get("sha256") in (None, hdf5.root_digest(file))
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise FileError(target, "not a replicadnn file (unreadable attributes)") from error
        if not isinstance(words["format"], str) or words["format"] != FORMAT:
            raise FileError(target, "an HDF5 file, but not a replicadnn one")
        version = words["schema_version"]
        if not isinstance(version, int | np.integer) or version < 1:
            raise FileError(target, "schema_version is missing or invalid")
        if version > SCHEMA_VERSION:
            raise FileError(
                target, f"schema_version {version} is newer than this program ({SCHEMA_VERSION})"
            )
        if not whole:
            raise FileError(target, "damaged (checksum of the root attributes)")
        if not isinstance(found, str) or found not in KINDS:
            raise FileError(target, "kind is missing or unknown")
        if kind is not None and found != kind:
            raise FileError(target, f"holds {found!r} results, expected {kind!r}")
        yield file


def read_solution(group: h5py.Group) -> Solution:
    """The solution of a group, every value checked."""
    attributes = {name: group.attrs[name] for name in group.attrs}
    arrays = {name: np.asarray(group[name][()]) for name in group}
    if attributes["sha256"] != hdf5.digest_of(attributes, arrays):
        raise ValueError("checksum of a solution does not match its numbers")
    problem = Problem(
        alpha=float(attributes["alpha"]),
        L=int(attributes["L"]),
        scenario=_word(attributes["scenario"]),
        ansatz=_word(attributes["ansatz"]),
        kappa=float(attributes["kappa"]),
        beta=float(attributes["beta"]),
    )
    L = problem.L
    x = _array(arrays, "x", (None,))
    levels = x.size
    if levels < 1 or x[0] != 0.0 or np.any(np.diff(x) <= 0.0) or x[-1] > 1.0:
        raise ValueError("x must rise from 0 and stay within [0, 1]")
    q, Q = _array(arrays, "q", (L + 1, levels)), _array(arrays, "Q", (L, levels))
    rest_q, rest_Q = (
        _array(arrays, "one_minus_q_ea", (L + 1,)), _array(arrays, "one_minus_Q_ea", (L,)),
    )  # fmt: skip
    status = Status(_word(attributes["status"]))
    if status is Status.CONVERGED:
        for name, values in (("q", q), ("Q", Q), ("1 - q", rest_q), ("1 - Q", rest_Q)):
            if not np.all((values >= 0.0) & (values <= 1.0)):
                raise ValueError(f"{name} outside [0, 1]")
        for ea, rest in ((q[:, -1], rest_q), (Q[:, -1], rest_Q)):
            if np.any(np.abs(ea + rest - 1.0) > 1e-12):
                raise ValueError("q_EA and 1 - q_EA disagree")
    certificate = Certificate(
        **{name: float(attributes[f"certificate_{name}"]) for name in _CERTIFICATE},
        **{
            name: float(attributes.get(f"certificate_{name}", math.nan))
            for name in _CERTIFICATE_LATER
        },
        unstable_liquid_layers=tuple(
            int(l) for l in np.atleast_1d(attributes["certificate_unstable_liquid_layers"])
        ),
        monotone=bool(attributes["certificate_monotone"]),
        replicon=tuple(float(r) for r in np.atleast_1d(attributes["certificate_replicon"])),
    )
    tol = float(attributes["tol"])
    entropy = float(attributes["free_entropy"])
    parts = {
        name: _array(arrays, name, (size,))
        for name, size in (
            ("entropy_interaction", L), ("entropy_couplings", L), ("entropy_neurons", L - 1),
        )
    }  # fmt: skip
    if status is Status.CONVERGED:
        if certificate.failures(tol):
            raise ValueError("marked converged but the certificate fails")
        total = sum(float(np.sum(part)) for part in parts.values())
        if not math.isclose(total, entropy, rel_tol=1e-9, abs_tol=1e-9):
            raise ValueError("free_entropy is not the sum of its parts")
    names = [_word(name) for name in np.atleast_1d(attributes["other_branches"])]
    values = np.atleast_1d(attributes["other_free_entropies"]).astype(float)
    if len(names) != values.size:
        raise ValueError("other_branches and other_free_entropies disagree")
    return Solution(
        problem=problem,
        status=status,
        message=_word(attributes["message"]),
        branch=_word(attributes["branch"]),
        other_branches=tuple(OtherBranch(n, float(v)) for n, v in zip(names, values, strict=True)),
        free_entropy=entropy,
        x=x,
        q=q,
        Q=Q,
        one_minus_q_ea=rest_q,
        one_minus_Q_ea=rest_Q,
        **parts,
        certificate=certificate,
        tol=tol,
        q_ea_error=_array(arrays, "q_ea_error", (L + 1,)) if "q_ea_error" in arrays else None,
        Q_ea_error=_array(arrays, "Q_ea_error", (L,)) if "Q_ea_error" in arrays else None,
        timings={
            k.removeprefix("seconds_"): float(attributes[k])
            for k in attributes
            if k.startswith("seconds_")
        },
        iterations={
            k.removeprefix("count_"): int(attributes[k])
            for k in attributes
            if k.startswith("count_")
        },
    )


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
