"""Which points of a result file a figure shows: ``--alpha``, ``--fix NAME=VALUE``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.options import note

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from replicadnn.solution import Solution
    from replicadnn.sweeps.reader import Sweep

#: Curves of one figure: more of the points of a file are chosen evenly.
MOST = 100

alpha_option = click.option(
    "--alpha", type=float, help="Which point of the file.  [default: the last]"
)
fix_option = click.option(
    "--fix", multiple=True, metavar="NAME=VALUE",
    help="Sweep: only points with this entry (repeatable).",
)  # fmt: skip


def fixed(sweep: Sweep, fix: Sequence[str]) -> dict[str, float | str]:
    """The entries that --fix asks for, as arguments of `Sweep.select`."""
    from replicadnn.errors import InputError

    entries: dict[str, float | str] = {}
    for entry in fix:
        name, _, value = entry.partition("=")
        if name not in sweep.table:
            raise InputError("fix", entry, "NAME=VALUE, NAME one of " + ", ".join(sweep.table))
        try:
            entries[name] = float(value) if sweep[name].dtype.kind in "fi" else value
        except ValueError:
            raise InputError("fix", entry, "NAME=VALUE with a number") from None
    return entries


@contextlib.contextmanager
def in_fix(fix: Sequence[str]) -> Iterator[None]:
    """Say what is to be fixed in the words of the option."""
    from replicadnn.errors import InputError

    try:
        yield
    except InputError as error:
        if error.argument != "fixed":
            raise
        raise _unfixed(fix, error.allowed) from None


def _unfixed(fix: Sequence[str], several: str) -> Exception:
    """The error of points that differ in too much; ``several``: of `Sweep.several`."""
    from replicadnn.errors import InputError

    return InputError(
        "fix", " ".join(fix) or "not given", several.replace("such as ", "such as --fix ")
    )


def solutions(
    file: str, fix: Sequence[str], alphas: Sequence[float] = (), *, mixed: bool = False
) -> Sequence[Solution]:
    """The solutions of a file, all of them or those at ``alphas``, evenly thinned to `MOST`.

    ``mixed``: those of a store may differ in more than alpha.
    """
    import numpy as np

    chosen = [_chosen(file, fix, alpha, mixed) for alpha in alphas or (None,)]
    content, numbers = chosen[0][0], np.unique(np.concatenate([one for _, one in chosen]))
    step = -(-len(numbers) // MOST)
    some = numbers[::-step][::-1]
    if len(some) < len(numbers):
        note(f"{len(some)} of {len(numbers)} points are drawn")
    return [content[int(k)] for k in some]


def one_solution(file: str, fix: Sequence[str], alpha: float | None) -> Solution:
    """The solution of a file at ``alpha`` (the first of several), or the last one."""
    content, numbers = _chosen(file, fix, alpha)
    solution: Solution = content[int(numbers[-1 if alpha is None else 0])]
    return solution


def _chosen(
    file: str, fix: Sequence[str], alpha: float | None, mixed: bool = False
) -> tuple[Sequence[Any], NDArray[np.int64]]:
    """Solutions of a file, those of a sweep read when asked for, and the numbers of the chosen."""
    import numpy as np

    from replicadnn.errors import InputError
    from replicadnn.ranges import equal
    from replicadnn.storage.readers import kind_of

    of_sweep = kind_of(file) == ("solve", True)
    content, numbers, alphas = _of_sweep(file, fix, mixed) if of_sweep else _of_solve(file, fix)
    if not len(numbers):
        name, value = ("fix", " ".join(fix)) if fix else ("file", file)
        raise InputError(name, value, "at least one point with a result")
    if alpha is not None:
        near = equal(alphas, alpha)
        if not near.any():
            there = ", ".join(f"{a:g}" for a in np.unique(alphas)[:20])
            raise InputError("alpha", alpha, f"one of the points in the file: {there}")
        numbers = numbers[near]
    return content, numbers


def _of_sweep(
    file: str, fix: Sequence[str], mixed: bool
) -> tuple[Sequence[Any], NDArray[np.int64], NDArray[np.float64]]:
    """The points of a store that have a result; they must differ in alpha alone, if not mixed."""
    from replicadnn.errors import InputError
    from replicadnn.storage.readers import load_sweep

    sweep = load_sweep(file)
    words = fixed(sweep, fix)
    numbers = sweep.select(**words)
    if fix and not numbers.size:
        raise InputError("fix", " ".join(fix), sweep.entries(words))
    numbers = numbers[sweep.has_result[numbers]]
    several = sweep.several(numbers, ["alpha"])
    if several and not mixed:
        raise _unfixed(fix, several)
    return sweep, numbers, sweep["alpha"][numbers]


def _of_solve(
    file: str, fix: Sequence[str]
) -> tuple[Sequence[Any], NDArray[np.int64], NDArray[np.float64]]:
    """All solutions of a file that is no store."""
    import numpy as np

    from replicadnn.errors import InputError
    from replicadnn.storage.readers import load_solutions

    if fix:
        raise InputError("fix", " ".join(fix), "only for the store of a sweep")
    found = load_solutions(file)
    return found, np.arange(len(found)), found.alpha
