"""``replicadnn sgd-temperature``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.options import NumberList, WholeList
from replicadnn.cli.target import Target, target_options
from replicadnn.cli.wide import number

if TYPE_CHECKING:
    from replicadnn.experiments import SGDTemperature


@click.command(name="sgd-temperature")
@click.option(
    "--model", default="quadratic", show_default=True,
    help="quadratic (20 modes), least-squares (10 inputs) or network (6-3-1 tanh neurons).",
)  # fmt: skip
@click.option("--eta", type=NumberList(), help="Learning rates.  [default: 0.05,0.1,0.2]")
@click.option("--B", "B", type=WholeList(), help="Patterns of a batch.  [default: 4,16]")
@click.option(
    "--batches", default="independent", show_default=True,
    help="independent (with replacement) or epochs (every pattern once an epoch).",
)  # fmt: skip
@click.option("--n", type=int, default=1000, show_default=True, help="Patterns.")
@click.option("--runs", type=int, default=32, show_default=True, help="Runs of every point.")
@click.option("--steps", type=int, default=20_000, show_default=True, help="Steps that count.")
@click.option("--burn-in", type=int, default=5000, show_default=True, help="Steps before them.")
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Of the data set and of the runs."
)
@target_options("energies", "energy over p T against the learning rate")
def command(target: Target, **options: Any) -> int:
    """SGD as a heat bath: the energy that it keeps at a minimum, against T = eta sigma^2/B."""
    from replicadnn.experiments import sgd_temperature

    compute = partial(sgd_temperature, **options)
    return target.finish(compute, "point", _print, "sgd-temperature")


def _print(found: SGDTemperature) -> None:
    click.echo(
        f"{found.model}, {found.batches} batches: n = {found.n}, p = {found.p}, "
        f"tr C = {number(found.trace, 6)}, 2/h_max = {number(2.0 / found.h_max, 6)}; "
        f"{found.runs} runs of {found.steps} steps"
    )
    heads = ("eta", "B", "T", "p T/4", "additive", "exact")
    click.echo(
        " ".join(f"{head:>11}" for head in heads)
        + f" {'energy':>23} {'energy/(p T)':>19}  equilibrated"
    )
    for place, one in enumerate(found.points):
        cells = (one.eta, one.B, one.T, one.equipartition, one.additive, one.exact)
        line = " ".join(f"{number(cell, 5):>11}" for cell in cells)
        line += f" {number(one.energy, 5):>11} +- {number(one.error, 2):>8}"
        scale = one.error / (found.p * one.T)
        share = f"{number(found.share[place], 4):>8} +- {number(scale, 2):>7}"
        click.echo(f"{line} {share}  {one.equilibrated:.4f}")
    click.echo("energy/(p T) at small eta: 1/4 where P(w) = exp(-2E/T), 1 where it is exp(-E/2T)")
