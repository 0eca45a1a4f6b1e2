"""How public functions are called: alpha and L by position, everything else by name.

One decorator, `by_name`, looks at a call before the function sees it, so that every function
refuses in the same words what it does not take, and shows the call that it takes.  It also writes
out the text of the arguments that every long computation has (`CONTINUED`).
"""

from __future__ import annotations

import difflib
import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ParamSpec, TypeVar

from replicadnn.errors import CallError, InputError
from replicadnn.progress import check_progress

P = ParamSpec("P")
R = TypeVar("R")
_BY_NAME = inspect.Parameter.KEYWORD_ONLY

#: Arguments of long computations as ``help`` shows them.  A docstring names them in one line,
#: ``known, checkpoint, progress : after every point``; lines below it belong to ``known``.
CONTINUED = {
    "known": (
        "{kind}, optional",
        "An earlier result with the same arguments and fewer {unit}s, or the ``partial`` of an",
        "interrupt: what it has is not computed again.",
    ),
    "checkpoint": (
        "callable, optional",
        "Called after every {unit} with a function that returns the result so far.",
    ),
    "progress": (
        "True or callable, optional",
        "True for a bar, or a function called with ({unit}s done, {unit}s in all).",
    ),
}
_SHORT = re.compile(
    r"^(?P<pad> *)(?P<names>(?:(?:known|checkpoint|progress)(?:, )?)+)"
    r" : after every (?P<unit>\w+(?: \w+)?)\n"
    r"(?P<more>(?:(?P=pad) +\S.*\n)*)",
    re.MULTILINE,
)


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
            _check_continued(name, signature, kwargs)
            try:
                return function(*args, **kwargs)
            except InputError as error:
                if error.argument == "L" and len(args) > 1 and not isinstance(error.value, int):
                    order = f"{error.allowed}; the call is {name}({right})"
                    raise InputError("L", error.value, order) from None
                raise

        call.__doc__ = _in_full(function.__doc__, signature)
        call.__signature__ = signature  # type: ignore[attr-defined]
        return call

    return decorate


def of_kind(kind: str, *, several: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorator of a function of results: its first argument must be of this kind.

    kind : name of a class, or "One or Other" (by name: the modules of solvers are imported where
        they are needed).
    several : an iterable of them is taken too.

    Raises
    ------
    InputError
        When called with anything else.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        argument = next(iter(inspect.signature(function).parameters))

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if args:
                first = check_kind(argument, args[0], kind, several=several)
                return function(first, *args[1:], **kwargs)  # type: ignore[arg-type]
            if argument in kwargs:
                kwargs[argument] = check_kind(argument, kwargs[argument], kind, several=several)
            return function(*args, **kwargs)

        return call

    return decorate


def check_kind(argument: str, value: Any, kind: str, *, several: bool) -> Any:
    """``value`` if it is of this kind, or (``several``) an iterable of such; see `of_kind`."""
    wanted = f"a {kind}" + ", or several of them" * several
    if not several or _is(value, kind):
        if not _is(value, kind):
            raise InputError(argument, value, wanted)
        return value
    try:
        items = list(value)
    except TypeError:
        raise InputError(argument, value, wanted) from None
    wrong = [one for one in items if not _is(one, kind)]
    if wrong:
        raise InputError(argument, wrong[0], wanted)
    return items if isinstance(value, Iterator) else value


def _is(value: object, kind: str) -> bool:
    return not {one.__name__ for one in type(value).__mro__}.isdisjoint(kind.split(" or "))


def _check_continued(name: str, signature: inspect.Signature, given: Mapping[str, Any]) -> None:
    """Refuse what cannot be one of the arguments of `CONTINUED`, before anything is computed."""
    known, checkpoint = given.get("known"), given.get("checkpoint")
    if known is not None:
        kind = _kind(signature, "known")
        if not _is(known, kind):
            raise InputError("known", known, f"an earlier result of {name}, a {kind}")
    if checkpoint is not None and not callable(checkpoint):
        raise InputError("checkpoint", checkpoint, "a function of a function")
    if "progress" in given:
        check_progress(given["progress"])


def _kind(signature: inspect.Signature, name: str) -> str:
    """The class that an argument takes beside None, as its annotation has it."""
    return str(signature.parameters[name].annotation).partition(" |")[0]


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


def _in_full(doc: str | None, signature: inspect.Signature) -> str | None:
    """A docstring with the text of `CONTINUED` in place of the line that names its arguments."""

    def text(found: re.Match[str]) -> str:
        pad, unit = found["pad"], found["unit"]
        out = ""
        for name in found["names"].split(", "):
            kind = _kind(signature, name)
            first, *rest = (line.format(kind=kind, unit=unit) for line in CONTINUED[name])
            out += f"{pad}{name} : {first}\n" + "".join(f"{pad}    {line}\n" for line in rest)
            out += found["more"] if name == "known" else ""
        return out

    return None if doc is None else _SHORT.sub(text, doc)


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
