"""Options that several commands share: lists of numbers, configuration files, output."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from replicadnn.ranges import MAX_NUMBERS, expand

#: A keyword of Python with its value, in a message.
_KEYWORD = re.compile(r'\b(?P<name>[a-z][a-z_]*)=(?P<value>True\b|"[^"]*"|\[[^]]*\])')

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class NumberList(click.ParamType):
    """Numbers as ``3``, ``1,2,5``, ``start:stop:count``, ``start:stop:count:log``, or a mixture."""

    name = "numbers"

    def __init__(self, infinite: bool = False) -> None:
        self.infinite = infinite  # inf is a number too

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[float]:
        if isinstance(value, list):
            return value
        numbers: list[float] = []
        for part in str(value).split(","):
            try:
                numbers.extend(expand(part.strip(), infinite=self.infinite))
            except (ValueError, OverflowError) as error:
                self.fail(f"{part.strip()!r}: {error}", param, ctx)
        return numbers


class NumberOrWord(click.ParamType):
    """A number, or a word that says how it is chosen; words are for the library to judge."""

    name = "number or word"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | str:
        try:
            return float(value)
        except ValueError:
            return str(value)


class WholeList(click.ParamType):
    """Whole numbers as ``3``, ``1,2,5``, ``start:stop`` (both ends), ``start:stop:step``, mixed."""

    name = "whole numbers"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[int]:
        if isinstance(value, list):
            return value
        numbers: list[int] = []
        for part in str(value).split(","):
            try:
                ends = [int(piece) for piece in part.split(":")]
                if len(ends) == 1:
                    numbers.append(ends[0])
                    continue
                start, stop, step = (*ends, 1) if len(ends) == 2 else ends
                new = range(start, stop + 1, step)
                if len(ends) > 3 or not 1 <= len(new) <= MAX_NUMBERS or step < 1:
                    raise ValueError
            except ValueError:
                self.fail(
                    f"{part.strip()!r}: expected a whole number, start:stop or start:stop:step",
                    param, ctx,
                )  # fmt: skip
            numbers.extend(new)
        return numbers


def _read_config(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """Take defaults from a TOML file: keys are option names, the command line wins."""
    if value is None:
        return
    import tomllib

    try:
        with Path(value).open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise click.BadParameter(f"{value}: {error.strerror}", ctx, param) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{value}: not TOML: {error}", ctx, param) from None
    command = ctx.command.name or ""
    inner = table.pop(command, {})
    table = {**table, **inner} if isinstance(inner, dict) else {**table, command: inner}
    names: dict[str, str] = {}
    for known in ctx.command.params:
        if known.name is not None and known.name != param.name:
            for option in known.opts:
                names[option.lstrip("-")] = known.name
            names[known.name] = known.name
    defaults: dict[str, Any] = {}
    for key, entry in table.items():
        name = names.get(key) or names.get(key.replace("_", "-"))
        if name is None:
            known_keys = ", ".join(sorted({o.lstrip("-") for o in names}))
            raise click.BadParameter(
                f"{value}: unknown key {key!r} (known: {known_keys})", ctx, param
            )
        if isinstance(entry, list):
            entry = ",".join(str(item) for item in entry)
        if isinstance(entry, dict):
            raise click.BadParameter(f"{value}: {key} is a table, not a value", ctx, param)
        defaults[name] = entry if isinstance(entry, bool) else str(entry)
    ctx.default_map = {**(ctx.default_map or {}), **defaults}


def config_option(function: F) -> F:
    """``--config FILE.toml``."""
    return click.option(
        "--config", metavar="FILE.toml", callback=_read_config, is_eager=True,
        expose_value=False, help="Take option values from a TOML file (command line wins).",
    )(function)  # fmt: skip


alphas_option = click.option(
    "--alpha", type=NumberList(), required=True,
    help="Patterns per coupling of a perceptron, alpha = M/c (c = N where fully connected): "
    "25 or 25,100 or start:stop:count[:log], mixed.",
)  # fmt: skip
depth_option = click.option(
    "--L", "L", type=int, required=True, help="Depth: layers of perceptrons."
)
scenario_option = click.option(
    "--scenario", default="teacher-student", show_default=True,
    help="teacher-student (crystal) or random (glass).",
)  # fmt: skip
ansatz_option = click.option(
    "--ansatz", default=None,
    help="rs, 1rsb or rsb.  [default: rsb for random data with closure averaged, else rs]",
)  # fmt: skip
closure_option = click.option(
    "--closure", default="averaged", show_default=True,
    help="averaged (the article's neurons) or exact (networks with N >> c >> 1 inputs).",
)  # fmt: skip
kappa_option = click.option(
    "--kappa", type=float, default=0.0, show_default=True, help="Margin of the gaps."
)
beta_option = click.option(
    "--beta", type=float, default=float("inf"), show_default=True,
    help="Inverse temperature of the violation-count potential.",
)  # fmt: skip
inputs_option = click.option(
    "--inputs", default=None, metavar="LAW",
    help="L = 1: structured inputs, hidden-manifold:D/N, spectrum:VALUE@SHARE,... or a file as of "
    "learning-curve --covariance.  [default: independent]",
)  # fmt: skip
threads_option = click.option(
    "--threads", type=int, default=1, show_default=True, help="Threads over layers (rsb)."
)


def only_with(what: str, applies: bool, *names: str) -> None:
    """Refuse options typed on the command line that would have no effect.

    what : what they belong to; applies : whether that is asked for; names : of the parameters.
    """
    from click.core import ParameterSource

    from replicadnn.errors import InputError

    context = click.get_current_context()
    for name in names:
        if not applies and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            shown = context.params.get(name)
            raise InputError(name.replace("_", "-"), shown, f"only with {what}")


def only_with_ansatz(scenario: str, closure: str, ansatz: str | None) -> None:
    """`only_with` for --levels, --threads and --time-limit, which are of broken symmetry."""
    from replicadnn.problem import Ansatz, Scenario
    from replicadnn.theory.closures import default_ansatz
    from replicadnn.validate import choice

    structure = ansatz or default_ansatz(choice(Scenario, "scenario", scenario), closure)
    only_with("ansatz rsb", structure not in (Ansatz.RS, Ansatz.ONE_RSB), "levels")
    only_with("ansatz 1rsb or rsb", structure != Ansatz.RS, "threads", "time_limit")


def law_of(inputs: str | None) -> Any:
    """The law of inputs that is typed: read from a file of that name, else left to the library."""
    from pathlib import Path

    if inputs is None or not Path(inputs).is_file():
        return inputs
    from replicadnn.curves import read_covariance

    return read_covariance(inputs)


def yes_no(answer: bool | None) -> str:
    """A cell of a table."""
    return "-" if answer is None else "yes" if answer else "no"


def name_closure(closures: Iterable[str]) -> None:
    """A line above a table that is not of the default closure."""
    names = sorted(set(closures))
    if names != ["averaged"]:
        click.echo(f"closure {', '.join(names)}")


def in_options(message: str) -> str:
    """A message of the library in the words of the command line.

    The library names keywords of Python: ``overwrite=True`` is --overwrite here, ``branch="all"``
    --branch all, and ``alpha=[1, 2]`` --alpha 1,2; ``alpha_max = 5`` is --alpha-max 5 in a command
    that has this option.
    """

    def option(found: re.Match[str]) -> str:
        name, value = found["name"].replace("_", "-"), found["value"]
        return f"--{name}" + ("" if value == "True" else " " + re.sub(r'["\[\] ]', "", value))

    context = click.get_current_context(silent=True)
    for one in context.command.params if context is not None else ():
        if one.name and "_" in one.name and one.opts[0].startswith("--"):
            message = message.replace(f"{one.name} = ", f"{one.opts[0]} ")
    return _KEYWORD.sub(option, message)


def note(message: str) -> None:
    """A line for the user on stderr."""
    click.echo(in_options(message), err=True)


def with_progress(items: Iterable[T], total: int, unit: str) -> Iterator[T]:
    """``items`` with a progress bar on stderr, off for a single one or without a terminal."""
    with progress(unit) as report:
        for done, item in enumerate(items, start=1):
            if total > 1:
                report(done, total)
            yield item


def progress(
    unit: str, doing: str | None = None
) -> contextlib.AbstractContextManager[Callable[[int, int], None]]:
    """The same for a computation that calls ``report(done, total)``."""
    from replicadnn.progress import bar

    return bar(unit, doing, quiet=True)
