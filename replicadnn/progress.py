"""How far a computation is: a bar in a terminal or a notebook, or a function of the caller."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from replicadnn.errors import InputError

#: Called with (done, in all).
Report: TypeAlias = Callable[[int, int], None]
#: What ``progress`` may be: a function, True for a bar, None or False for nothing.
Progress: TypeAlias = Report | bool | None


@contextlib.contextmanager
def reporting(progress: Progress, unit: str) -> Iterator[Report]:
    """The function to be called with (done, in all); it does nothing where nothing is asked for.

    Raises
    ------
    InputError
        ``progress`` is neither a function nor True, False or None.
    """
    check_progress(progress)
    if progress is True:
        with bar(unit) as report:
            yield report
    else:
        yield progress or (lambda done, total: None)


def check_progress(progress: Any) -> None:
    """Refuse what `reporting` does not take."""
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise InputError("progress", progress, "True, or a function of (done, in all)")


@contextlib.contextmanager
def bar(unit: str, doing: str | None = None, *, quiet: bool = False) -> Iterator[Report]:
    """A bar on stderr, or a widget in a notebook, that the function yielded moves.

    quiet : nothing where stderr is no terminal.
    """
    from tqdm import tqdm

    drawn: Any = None
    kind = tqdm if quiet else _of_this_place()

    def report(done: int, total: int) -> None:
        nonlocal drawn
        if drawn is None:
            drawn = kind(
                total=total, initial=done, unit=unit, desc=doing, disable=None if quiet else False,
                leave=not quiet, **_screen(),
            )  # fmt: skip
        drawn.update(done - drawn.n)

    try:
        yield report
    finally:
        if drawn is not None:
            drawn.close()


def _of_this_place() -> Any:
    """The bar of tqdm for this place: a widget in a notebook that has them, else text."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there are no widgets is no news to the user
        from tqdm.auto import tqdm

    return tqdm


def _screen() -> dict[str, int]:
    """Arguments of tqdm: a size for terminals that tell none (it would draw nothing there)."""
    try:
        known = os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except (OSError, ValueError):
        known = True
    return {} if known else {"ncols": 80, "nrows": 24}
