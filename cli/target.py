"""What the computing commands share at their end: files, figure, table or JSON, exit code."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click
from replicadnn.cli.options import config_option, note, progress

if TYPE_CHECKING:
    from replicadnn.storage.checkpoints import Pace

#: What to do about an --output that exists.
CONTINUES = "--resume continues it, --overwrite replaces it"
#: Tables are saved on the way this often (s), in at most this share of the time.
SAVE_EVERY, SAVE_SHARE = 1.0, 0.02


class Result(Protocol):
    """What a computation returns."""

    @property
    def converged(self) -> bool: ...
    def as_dict(self) -> dict[str, Any]: ...
    def save(self, path: str | Path, *, overwrite: bool = False) -> Path: ...


@dataclass(slots=True)
class Target:
    """Where the result of one call goes: --output, --plot, --resume, --overwrite and --json."""

    what: str
    output: str | None
    figure: str | None
    resume: bool
    overwrite: bool
    as_json: bool
    code: int = 0

    def check(self) -> None:
        """Refuse before the computation what could not be written after it."""
        from replicadnn.errors import InputError
        from replicadnn.storage.outputs import check_figure_name, check_target

        if self.output is None and self.resume:
            raise InputError("resume", "without --output", "needs the file to continue")
        if self.output is None and self.figure is None and self.overwrite:
            raise InputError("overwrite", "without --output or --plot", "needs a file to replace")
        if self.resume and self.overwrite:
            raise InputError("overwrite", "with --resume", "one of them")
        replace = self.overwrite or self.resume
        if self.output is not None:
            check_target(self.output, overwrite=replace, instead=CONTINUES)
        if self.figure is not None:
            check_target(self.figure, overwrite=replace)
            check_figure_name(self.figure)
            if (
                self.output is not None
                and Path(self.output).resolve() == Path(self.figure).resolve()
            ):
                raise InputError("plot", self.figure, "another file than --output")

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold --output, if there is one, against a second writer."""
        if self.output is None:
            yield
            return
        from replicadnn.storage.locking import lock

        with lock(self.output):
            yield

    def earlier(self, kind: str) -> Any:
        """The result of this kind in --output that --resume continues, or None."""
        from replicadnn.storage.readers import load_kind

        if self.output is None or not self.resume or not Path(self.output).exists():
            return None
        return load_kind(kind, self.output)

    def complete(self) -> bool:
        """Whether --resume has met a file that was finished."""
        from replicadnn.storage.readers import is_finished

        there = self.output is not None and self.resume and Path(self.output).exists()
        return there and is_finished(str(self.output))

    def save(self, found: Result) -> None:
        """Write the result to --output."""
        if self.output is not None:
            found.save(self.output, overwrite=self.overwrite or self.resume)
            note(f"{self.what} written to {self.output}")

    def checkpoint(self, pace: Pace, found: Callable[[], Result]) -> None:
        """Write what is done to --output, if it is time to."""
        if self.output is not None and pace.due():
            with pace.timed():
                found().save(self.output, overwrite=self.overwrite or self.resume)
            self.resume = True  # the file is ours now

    def interrupted(self, done: str) -> int:
        """Say what is kept; returns the exit code."""
        if self.output is None:
            note(f"interrupted: {done} done (with --output they are kept, and --resume continues)")
        else:
            note(f"interrupted: {done} done; --resume continues {self.output}")
        return 130

    def draw(self, save_figure: Callable[..., Path], found: object) -> None:
        """Write the figure to --plot; a result that cannot be drawn is still printed."""
        from replicadnn.errors import FileError, InputError

        try:
            save_figure(found, self.figure, overwrite=self.overwrite or self.resume)
            note(f"figure written to {self.figure}")
        except InputError as error:
            self.code = error.exit_code
            note(f"no figure: it needs {error.allowed}")
        except FileError as error:
            self.code = error.exit_code
            note(f"no figure: {error}")

    def finish(
        self,
        compute: Callable[..., Result],
        unit: str,
        table: Callable[[Any], None],
        kind: str,
    ) -> int:
        """Compute, write, draw, print; returns the exit code.

        ``compute`` is a question and gets ``progress``, ``known`` (what --resume continues) and
        ``checkpoint``; ``kind`` is its kind of files and of figures.  What is done is written
        on the way.  After Ctrl-C it is written and printed (exit code 130), and nothing is drawn.
        """
        from replicadnn.interrupt import Interrupted
        from replicadnn.storage.checkpoints import Pace

        pace = Pace(SAVE_EVERY, SAVE_SHARE)
        with self.writing():
            known = self.earlier(kind)
            try:
                with progress(unit) as report:
                    found = compute(
                        progress=report,
                        known=known,
                        checkpoint=lambda found: self.checkpoint(pace, found),
                    )
            except Interrupted as stop:
                if stop.done:
                    self.save(stop.partial)
                self.show(stop.partial, table)
                rows = stop.unit or unit
                return self.interrupted(f"{stop.done} {rows}{'' if stop.done == 1 else 's'}")
            self.save(found)
        if self.figure is not None:
            from replicadnn import plot

            self.draw(getattr(plot, f"save_{kind.replace('-', '_')}"), found)
        return self.show(found, table)

    def show(self, found: Result, table: Callable[[Any], None]) -> int:
        """Print the result, by ``table`` or as JSON; returns the exit code."""
        if self.as_json:
            click.echo(json.dumps(found.as_dict(), allow_nan=False))
        else:
            table(found)
        return self.code if found.converged else 3


def target_options(what: str, drawing: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """--output, --plot, --resume, --overwrite, --json, --config; the command gets a ``target``."""

    def decorate(function: Callable[..., int]) -> Callable[..., int]:
        @click.option("--output", metavar="FILE.h5", help=f"Save the {what} (HDF5).")
        @click.option("--plot", "figure", metavar="FILE.png", help=f"Draw {drawing}.")
        @click.option(
            "--resume", is_flag=True,
            help="Continue FILE.h5: what it holds is not computed again; more may be asked for.",
        )  # fmt: skip
        @click.option("--overwrite", is_flag=True, help="Replace existing output files.")
        @click.option("--json", "as_json", is_flag=True, help="Print one JSON document to stdout.")
        @config_option
        @functools.wraps(function)
        def call(
            output: str | None, figure: str | None, resume: bool, overwrite: bool, as_json: bool,
            **options: Any,
        ) -> int:  # fmt: skip
            target = Target(what, output, figure, resume, overwrite, as_json)
            target.check()
            return function(target=target, **options)

        return call

    return decorate
