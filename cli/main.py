"""``replicadnn``: the command group, exit codes and error messages."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import click

_COMMANDS = {
    "solve": "replica solution q(l), Q(l) at one or many alpha",
    "capacity": "largest alpha with a solution (random data), and how the solution ends",
    "stability": "replicon and de Almeida-Thouless line of the replica-symmetric solutions",
    "complexity": "number of saturated states of random data, Sigma(m)",
    "transitions": "where the layers become solid: thresholds alpha(l), first-order steps",
    "generalisation": "error of the typical student on fresh inputs",
    "propagate": "random wide networks: signals and gradients by layer, fixed points",
    "phase-diagram": "random wide networks: ordered or chaotic, critical line, trainable depth",
    "jacobian": "random wide networks: singular values of the input-output Jacobian",
    "fisher": "random wide networks: Fisher information, largest stable learning rates",
    "sample-fisher": "random wide networks: Fisher information of one sample, isometry",
    "kernels": "random wide networks: Gaussian-process and tangent kernels (NNGP, NTK)",
    "kernel-spectrum": "random wide networks: spectra of the kernels at width ~ inputs",
    "natural-gradient": "random wide networks: natural gradient, learning rates and steps",
    "learning-curve": "double descent: error of least squares, random features by their number",
    "descent": "gradient descent on all layers: test and training error by step",
    "train": "networks that are really trained: test error by depth, memorisation",
    "sgd-temperature": "SGD as a heat bath: the energy that it keeps at a minimum",
    "effective-dimension": "dimension of data from distances of nearest neighbours",
    "mc-simulate": "relaxation of every layer of networks of finite width (Monte Carlo)",
    "sweep": "grids of points in parallel, here or on a cluster, into one store",
    "plot": "figures from result files",
    "explore": "a page with sliders: profiles that follow alpha, L, kappa, beta",
    "info": "what is inside a result file",
    "cite": "BibTeX entries of this program and of the theory",
}

EXIT_NOT_CONVERGED = 3
EXIT_INTERRUPTED = 130
_STOPPING = "\ninterrupt: stopping at the next safe point (again: stop at once)\n"


class LazyGroup(click.Group):
    """Imports a command's module only when the command runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = cmd_name.replace("-", "_")
        command: click.Command = import_module(f"replicadnn.cli.{module}").command
        command.short_help = _COMMANDS[cmd_name]
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the command that was meant by a misspelt one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], _COMMANDS, 1)
            error.message += f" Did you mean {near[0]!r}?" if near else ""
            raise

    def invoke(self, ctx: click.Context) -> Any:
        from replicadnn.errors import InputError

        try:
            return super().invoke(ctx)
        except InputError as error:
            spelt = self._option(ctx, error.argument)
            raise InputError(spelt, error.value, error.allowed) from error
        except EOFError as error:  # no command asks for input; click would call it an interrupt
            raise RuntimeError(f"EOFError: {error}") from error

    def _option(self, ctx: click.Context, argument: str) -> str:
        """A keyword of Python as the option of the command that was called, alpha-max."""
        command = self.get_command(ctx, ctx.invoked_subcommand or "")
        for one in command.params if command is not None else ():
            if one.name == argument:
                return one.opts[0].lstrip("-")
        return argument


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from replicadnn.provenance import version

        click.echo(f"replicadnn {version()}")
        ctx.exit()


_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=LazyGroup, context_settings=_SETTINGS)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version,
    help="Print the version and exit.",
)  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, help="Log what the solvers do (to stderr).")
def cli(verbose: bool) -> None:
    """What does the space of solutions of a deep network look like, layer by layer?"""
    import logging

    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(levelname)s: %(message)s"
    )
    logging.getLogger("replicadnn").setLevel(logging.INFO if verbose else logging.WARNING)
    _warn_of_misspelt()


def _warn_of_misspelt() -> None:
    """A line for each variable REPLICADNN_* that nothing reads."""
    if not any(name.startswith("REPLICADNN_") for name in os.environ):
        return
    from difflib import get_close_matches

    known = {"REPLICADNN_DEBUG", *_variables(cli, "REPLICADNN")}
    for name in sorted(os.environ):
        if name.startswith("REPLICADNN_") and name not in known:
            near = get_close_matches(name, known, 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            click.echo(f"warning: the environment variable {name} is not known{hint}", err=True)


def _variables(command: click.Command, prefix: str) -> Iterator[str]:
    """Names of the variables that options of a command, and of those below it, are read from."""
    for one in command.params:
        if isinstance(one, click.Option) and one.allow_from_autoenv and one.name:
            yield f"{prefix}_{one.name}".upper()
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _variables(inner, f"{prefix}_{name.replace('-', '_')}")


def main(args: list[str] | None = None) -> None:
    """Entry point: one clear line for a user's mistake, and the documented exit codes."""
    import signal

    code = run(args)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing is left to interrupt
    sys.exit(code)


def run(args: list[str] | None = None) -> int:
    """Run the command line and return its exit code (no exception, no traceback)."""
    import signal

    from replicadnn import interrupt
    from replicadnn.errors import ReplicaDNNError

    try:
        stops = (signal.SIGINT, signal.SIGTERM)  # the second: a batch system at its time limit
        with interrupt.safely(signals=stops, say=_STOPPING), interrupt.at_imports():
            code = cli.main(
                args=args, prog_name="replicadnn", standalone_mode=False,
                auto_envvar_prefix="REPLICADNN",
            )  # fmt: skip
            return int(code or 0)
    except click.UsageError as error:
        if isinstance(error, click.exceptions.NoArgsIsHelpError):  # the message is the help text
            click.echo(error.format_message(), err=True)
            return 2
        hint = f" (see '{error.ctx.command_path} --help')" if error.ctx is not None else ""
        return _fail(error.format_message() + hint, 2)
    except click.ClickException as error:
        return _fail(error.format_message(), 2)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", EXIT_INTERRUPTED)
    except ReplicaDNNError as error:
        return _fail(str(error), error.exit_code)
    except BrokenPipeError:
        # the reader of our output has gone: nothing more can be said to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # the last resort: one line instead of a traceback
        if os.environ.get("REPLICADNN_DEBUG"):
            raise
        return _fail(
            f"unexpected {type(error).__name__}: {error} "
            "(set REPLICADNN_DEBUG=1 for the traceback)", 1,
        )  # fmt: skip


def _fail(message: str, code: int) -> int:
    from replicadnn.cli.options import in_options

    click.echo(f"Error: {in_options(' '.join(message.split()))}", err=True)
    return code


if __name__ == "__main__":
    main()
