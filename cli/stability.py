"""``replicadnn stability``."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.options import NumberList, WholeList, closure_option, name_closure, yes_no
from replicadnn.cli.target import Target, target_options

if TYPE_CHECKING:
    from replicadnn.questions.stability import Stability


@click.command(name="stability")
@click.option("--L", "L", type=WholeList(), required=True, help="Depths.")
@click.option(
    "--alpha", type=NumberList(), required=True,
    help="Patterns per coupling of a perceptron, alpha = M/c (c = N where fully connected): grid "
    "1,2,5 or start:stop:count[:log], mixed.",
)  # fmt: skip
@click.option("--scenario", default="random", show_default=True, help="random or teacher-student.")
@closure_option
@click.option("--kappa", type=NumberList(), default="0", show_default=True, help="Margins.")
@click.option(
    "--beta", type=NumberList(infinite=True), default="inf", show_default=True,
    help="Inverse temperatures; inf: the hard constraint.",
)  # fmt: skip
@target_options("tables", "rho against alpha")
def command(L: list[int], alpha: list[float], target: Target, **options: Any) -> int:
    """Replicon of the replica-symmetric solutions, and the de Almeida-Thouless line."""
    from replicadnn.questions.stability import stability

    return target.finish(
        partial(stability, alpha, L, **options), "point", _print_tables, "stability"
    )


def _print_tables(found: Stability) -> None:
    name_closure([found.closure])
    click.echo(
        f"{'L':>4} {'kappa':>7} {'beta':>6} {'alpha':>12}  {'branch':<13} {'s':>12} {'rho':>12}"
        f" {'possible':>8}"
    )
    for p in found.points:
        click.echo(
            f"{p.L:>4} {p.kappa:>7g} {p.beta:>6g} {p.alpha:>12.7g}  {p.branch:<13}"
            f" {p.free_entropy:>12.7f} {p.rho:>12.8f} {yes_no(p.possible):>8}"
        )
    click.echo("rho = 1 on the continuous branch:")
    for line in found.lines:
        where = "" if math.isnan(line.alpha) else f"alpha = {line.alpha:.10g}: "
        click.echo(f"{line.L:>4} {line.kappa:>7g} {line.beta:>6g}  {where}{line.message}")
