"""How public functions are called: alpha and L by position, everything else by name.

One decorator, `by_name`, looks at a call before the function sees it, so that every function
refuses in the same words what it does not take, and shows the call that it takes.
"""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from replicadnn.errors import CallError, InputError

P = ParamSpec("P")
R = TypeVar("R")
_BY_NAME = inspect.Parameter.KEYWORD_ONLY


def by_name(
    *, options: Callable[..., Any] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorator of a public function: a mistaken call is refused, and the right one shown.

    Parameters
    ----------
    options : callable, optional
        Where the function hands its ``**options`` on to: their names and defaults are those of its
        keyword-only parameters, and stand in the signature that ``help`` shows.

    Raises
    ------
    CallError
        When called with too many arguments by position, an unknown or a missing one, or one given
        twice.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = _signature(function, options)
        name, known = function.__name__, signature.parameters
        first = [p.name for p in known.values() if p.kind is not _BY_NAME]
        needed = [p.name for p in known.values() if p.default is p.empty]
        right = ", ".join([*first, *(f"{one}=..." for one in needed if one not in first)])

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if len(args) > len(first) or not kwargs.keys() <= known.keys():
                raise CallError(_refusal(name, first, right, len(args), kwargs, list(known)))
            given = [*first[: len(args)], *kwargs]
            wrong = [one for one in given if given.count(one) > 1]
            wrong = wrong or [one for one in needed if one not in given]
            if wrong:
                how = "is given twice" if wrong[0] in given else "is missing"
                raise CallError(f"{name}: {wrong[0]} {how}; the call is {name}({right})")
            try:
                return function(*args, **kwargs)
            except InputError as error:
                if error.argument == "L" and len(args) > 1 and not isinstance(error.value, int):
                    order = f"{error.allowed}; the call is {name}({right})"
                    raise InputError("L", error.value, order) from None
                raise

        call.__signature__ = signature  # type: ignore[attr-defined]
        return call

    return decorate


def _signature(
    function: Callable[..., Any], options: Callable[..., Any] | None
) -> inspect.Signature:
    """The signature of ``function`` with the keywords of ``options`` in place of its ``**``."""
    own = inspect.signature(function)
    if options is None:
        return own
    kept = [p for p in own.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    there = {p.name for p in kept}
    more = [
        p for p in inspect.signature(options).parameters.values()
        if p.kind is _BY_NAME and p.name not in there
    ]  # fmt: skip
    return own.replace(parameters=[*kept, *more])


def _refusal(
    name: str, first: list[str], right: str, positions: int, given: Mapping[str, Any],
    known: list[str],
) -> str:  # fmt: skip
    """What is wrong with a call that has too many positions or an unknown name."""
    if positions > len(first):
        return (
            f"{name}: {positions} arguments by position; {' and '.join(first)} may go by position, "
            f"all else by name: {name}({right})"
        )
    unknown = next(one for one in given if one not in known)
    near = difflib.get_close_matches(unknown, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "it takes " + ", ".join(known)
    return f"{name}: there is no argument {unknown}; {hint}"
