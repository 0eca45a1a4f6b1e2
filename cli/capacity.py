"""``replicadnn capacity``."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.options import (
    NumberList,
    WholeList,
    closure_option,
    name_closure,
    note,
    only_with,
    yes_no,
)
from replicadnn.cli.target import Target, target_options

if TYPE_CHECKING:
    from replicadnn.questions.capacity import Capacity


@click.command(name="capacity")
@click.option("--L", "L", type=WholeList(), default="1,2,3,4", show_default=True, help="Depths.")
@click.option("--kappa", type=NumberList(), default="0", show_default=True, help="Margins.")
@click.option("--ansatz", default="rs", show_default=True, help="rs, 1rsb or rsb.")
@closure_option
@click.option("--levels", type=int, default=3, show_default=True, help="Levels K of rsb.")
@click.option(
    "--alpha-max", type=float, default=1e6, show_default=True, help="Where the search stops."
)
@target_options("table", "alpha_J against L or kappa")
def command(L: list[int], kappa: list[float], target: Target, **options: Any) -> int:
    """Largest alpha with a solution for random data (SAT/UNSAT), and how the solution ends."""
    from replicadnn.questions.capacity import capacity

    only_with("ansatz rsb", options["ansatz"] not in ("rs", "1rsb"), "levels")
    return target.finish(
        partial(capacity, L, kappa=kappa, **options), "point", _print_table, "capacity"
    )


def _print_table(found: Capacity) -> None:
    name_closure([found.closure])
    click.echo(
        f"{'L':>4} {'kappa':>7} {'ansatz':>6} {'alpha_J':>14} {'+-':>9}  {'end':<16}"
        f" {'second route':>14} {'bound':>10} {'possible':>8}"
    )
    for p in found:
        click.echo(
            f"{p.L:>4} {p.kappa:>7g} {p.ansatz:>6} {_number(p.alpha, 10):>14}"
            f" {_number(p.uncertainty, 2):>9}  {p.end:<16} {_number(p.reduced, 10):>14}"
            f" {_number(p.bound, 6):>10} {yes_no(p.possible):>8}"
        )
    for p in found:
        if p.message:
            note(f"L = {p.L}, kappa = {p.kappa:g}: {p.message}")


def _number(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}g}"
