"""``replicadnn sweep``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.info import print_not_converged
from replicadnn.cli.options import config_option, note, only_with, progress

if TYPE_CHECKING:
    from replicadnn.sweeps.reader import Sweep

#: Parameters that have an option of their own; all others: --set NAME=VALUES.
_AXES = (
    "alpha",
    "L",
    "N",
    "kappa",
    "beta",
    "scenario",
    "ansatz",
    "closure",
    "levels",
    "branch",
    "seed",
)


class _Share(click.ParamType):
    name = "i/n"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        try:
            number, of = (int(piece) for piece in str(value).split("/"))
        except ValueError:
            self.fail(f"{value!r}: expected i/n, for instance 3/10", param, ctx)
        return number, of


def _axes(function: Callable[..., Any]) -> Callable[..., Any]:
    for name in reversed(_AXES):
        function = click.option(
            f"--{name}", name, metavar="VALUES", help=f"Values of {name} (replaces the plan's)."
        )(function)
    return function


@click.command(name="sweep")
@click.argument("plan", required=False, metavar="[PLAN.toml]")
@click.option("--task", help="solve, mc-simulate or train.  [default: solve]")
@_axes
@click.option(
    "--set", "more", multiple=True, metavar="NAME=VALUES",
    help="Values of any other parameter: sweeps, M, start, ... (repeatable).",
)  # fmt: skip
@click.option("--time-limit", type=float, help="Seconds for each branch of each point (rsb).")
@click.option(
    "--output", required=True, metavar="FILE.h5",
    help="The store.  Points that it holds are not repeated.",
)  # fmt: skip
@click.option("--workers", type=int, help="Processes.  [default: the cores]")
@click.option("--scheduler", metavar="tcp://HOST:PORT", help="Compute on a Dask cluster instead.")
@click.option("--share", type=_Share(), help="Only share i of n, e.g. of an array job: 3/10.")
@click.option(
    "--collect", multiple=True, metavar="FILE.h5",
    help="Take over the points of this store, e.g. of a share (repeatable).",
)  # fmt: skip
@click.option("--retry", is_flag=True, help="Repeat points that failed or did not converge.")
@click.option("--resume", is_flag=True, help="Continue FILE.h5, as without this word.")
@click.option("--overwrite", is_flag=True, help="Begin anew instead of continuing FILE.h5.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document to stdout.")
@config_option
def command(
    plan: str | None,
    task: str | None,
    more: tuple[str, ...],
    time_limit: float | None,
    output: str,
    resume: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Compute a grid of points into one store: a phase diagram, a study of widths or seeds.

    PLAN.toml names the task and the grid; options replace its entries.  VALUES are a number, a
    comma list, start:stop:count or start:stop:count:log, mixed.  Interrupted at any moment, the
    same command continues.  Exit code 3: some points failed or did not converge; they are listed.
    """
    from replicadnn.errors import InputError
    from replicadnn.sweeps.driver import sweep
    from replicadnn.sweeps.plan import plan_from_table
    from replicadnn.sweeps.reader import Sweep

    if resume and options["overwrite"]:
        raise InputError("overwrite", "with --resume", "one of them")
    given = {name: options.pop(name) for name in _AXES}
    table = _table(plan, task, {k: v for k, v in given.items() if v is not None}, more, time_limit)
    work = plan_from_table(table)
    kinds = {point.params.get("ansatz") for point in work.points}
    only_with("ansatz rsb", "rsb" in kinds, "levels")
    only_with("ansatz 1rsb or rsb", bool(kinds & {"1rsb", "rsb"}), "time_limit")
    interrupted = False
    try:
        with progress("point") as computing, progress("point", "writing") as moving:
            found = sweep(work, output, progress=computing, moving=moving, **options)
    except KeyboardInterrupt:
        interrupted = True
        if not Path(output).exists():
            note("interrupted before the first point: nothing is kept")
            return 130
        found = Sweep(output)
    if as_json:
        click.echo(json.dumps(_document(found), allow_nan=False))
    else:
        _print(found, interrupted)
    if interrupted:
        note("interrupted: run the same command again to continue")
        return 130
    return 0 if bool(found.converged.all()) else 3


def _table(
    plan: str | None, task: str | None, given: dict[str, str], more: tuple[str, ...],
    time_limit: float | None,
) -> dict[str, Any]:  # fmt: skip
    """The plan with the options in place of its entries."""
    from replicadnn.errors import InputError
    from replicadnn.sweeps.plan import read_toml

    table = {} if plan is None else read_toml(plan)
    if task is not None:
        table["task"] = task
    if time_limit is not None:
        table["time_limit"] = time_limit
    for entry in more:
        name, equals, values = entry.partition("=")
        if not equals:
            raise InputError("set", entry, "NAME=VALUES")
        given[name.strip()] = values
    if given:
        grids = table.get("grid", {})
        many = isinstance(grids, list)
        for grid in grids if many else [grids]:
            if not isinstance(grid, dict):
                raise InputError("grid", grid, "a table of parameters")
            grid.update(given)
        table["grid"] = grids
    if "grid" not in table:
        raise click.UsageError("nothing to compute: give a PLAN.toml, or values: --alpha, --L, ...")
    return table


def _document(found: Sweep) -> dict[str, Any]:
    said = found.describe()
    return {
        "output": str(found.path),
        "computed": found.computed,
        "finished": said["finished"],
        **said["sweep"],
    }


def _print(found: Sweep, interrupted: bool) -> None:
    said = _document(found)
    counts = ", ".join(f"{count} {status}" for status, count in said["counts"].items())
    now = "" if interrupted else f" ({said['computed']} computed now)"
    click.echo(f"{said['points']} points: {counts}{now}")
    print_not_converged(said["not_converged"], said["output"])
    note(f"store: {said['output']}")
