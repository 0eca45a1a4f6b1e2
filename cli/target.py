"""What the computing commands share at their end: files, figure, table or JSON, exit code."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import click
from replicadnn.cli.options import config_option, note, progress


class Result(Protocol):
    """What a computation returns."""

    @property
    def converged(self) -> bool: ...
    def as_dict(self) -> dict[str, Any]: ...
    def save(self, path: str | Path, *, overwrite: bool = False) -> Path: ...


@dataclass(slots=True)
class Target:
    """Where the result of one call goes: --output, --plot, --overwrite and --json."""

    what: str
    output: str | None
    figure: str | None
    overwrite: bool
    as_json: bool
    instead: str
    code: int = 0

    def check(self) -> None:
        """Refuse before the computation what could not be written after it."""
        from replicadnn.errors import InputError
        from replicadnn.storage.outputs import check_figure_name, check_target

        if self.output is not None:
            check_target(self.output, overwrite=self.overwrite, instead=self.instead)
        if self.figure is not None:
            check_target(self.figure, overwrite=self.overwrite)
            check_figure_name(self.figure)
            if (
                self.output is not None
                and Path(self.output).resolve() == Path(self.figure).resolve()
            ):
                raise InputError("plot", self.figure, "another file than --output")

    def save(self, found: Result) -> None:
        """Write the result to --output."""
        if self.output is not None:
            found.save(self.output, overwrite=self.overwrite)
            note(f"{self.what} written to {self.output}")

    def draw(self, save_figure: Callable[..., Path], found: object) -> None:
        """Write the figure to --plot; a result that cannot be drawn is still printed."""
        from replicadnn.errors import FileError, InputError

        try:
            save_figure(found, self.figure, overwrite=self.overwrite)
            note(f"figure written to {self.figure}")
        except InputError as error:
            self.code = error.exit_code
            note(f"no figure: it needs {error.allowed}")
        except FileError as error:
            self.code = error.exit_code
            note(f"no figure: {error}")

    def finish(
        self,
        compute: Callable[[Callable[[int, int], None]], Result],
        unit: str,
        table: Callable[[Any], None],
        save_figure: str,
    ) -> int:
        """Compute, write, draw (`save_figure` of replicadnn.plot), print; returns the exit code.

        ``compute`` gets a function that shows how many of how many ``unit`` are done.  After
        Ctrl-C what is done is written and printed (exit code 130), and nothing is drawn.
        """
        from replicadnn.interrupt import Interrupted

        try:
            with progress(unit) as report:
                found = compute(report)
        except Interrupted as stop:
            if stop.done:
                self.save(stop.partial)
            self.show(stop.partial, table)
            note(f"interrupted: {stop.done} {unit}{'' if stop.done == 1 else 's'} done")
            return 130
        self.save(found)
        if self.figure is not None:
            from replicadnn import plot

            self.draw(getattr(plot, save_figure), found)
        return self.show(found, table)

    def show(self, found: Result, table: Callable[[Any], None]) -> int:
        """Print the result, by ``table`` or as JSON; returns the exit code."""
        if self.as_json:
            click.echo(json.dumps(found.as_dict(), allow_nan=False))
        else:
            table(found)
        return self.code if found.converged else 3


def target_options(
    what: str, drawing: str, instead: str = "use --overwrite to replace it"
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """--output, --plot, --overwrite, --json and --config; the command gets a checked ``target``.

    instead : what to do about an --output that exists.
    """

    def decorate(function: Callable[..., int]) -> Callable[..., int]:
        @click.option("--output", metavar="FILE.h5", help=f"Save the {what} (HDF5).")
        @click.option("--plot", "figure", metavar="FILE.png", help=f"Draw {drawing}.")
        @click.option("--overwrite", is_flag=True, help="Replace existing output files.")
        @click.option("--json", "as_json", is_flag=True, help="Print one JSON document to stdout.")
        @config_option
        @functools.wraps(function)
        def call(
            output: str | None, figure: str | None, overwrite: bool, as_json: bool, **options: Any
        ) -> int:
            target = Target(what, output, figure, overwrite, as_json, instead)
            target.check()
            return function(target=target, **options)

        return call

    return decorate
