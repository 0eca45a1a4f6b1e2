"""``replicadnn effective-dimension``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.target import Target, target_options
from replicadnn.cli.wide import number

if TYPE_CHECKING:
    from replicadnn.curves import EffectiveDimension


@click.command(name="effective-dimension")
@click.argument("data", metavar="FILE.npy|.npz|.csv")
@click.option(
    "--queries", type=int, default=2000, show_default=True,
    help="Points whose nearest neighbours are sought.",
)  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Of the subsets.")
@target_options("distances", "distance of nearest neighbours against the number of points")
def command(data: str, target: Target, **options: Any) -> int:
    """Effective dimension of data, a point a row: <delta_min> ~ n^(-1/d), and TwoNN."""
    from replicadnn.curves import effective_dimension, read_data

    compute = partial(effective_dimension, read_data(data), **options)
    return target.finish(compute, "size", _print, "effective-dimension")


def _print(found: EffectiveDimension) -> None:
    click.echo(
        f"{found.points} points of {found.features} features, {found.metric} distance"
        + (f", {found.duplicates} duplicates" if found.duplicates else "")
    )
    click.echo(f"{'points':>10} {'<delta_min>':>14} {'local d':>10}")
    for row in found._records():
        shown = (number(float(row["distance"])), number(float(row["local"]), 4))
        click.echo(f"{row['size']:>10} {shown[0]:>14} {shown[1]:>10}")
    click.echo(f"slope:  d = {number(found.dimension, 4)} +- {number(found.error, 2)}")
    click.echo(f"TwoNN:  d = {number(found.two_nn, 4)} +- {number(found.two_nn_error, 2)}")
    click.echo("errors are statistical; large d reads low (docs/inputs.md, section 5)")
