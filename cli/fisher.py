"""``replicadnn fisher``."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.options import only_with
from replicadnn.cli.target import Target, target_options
from replicadnn.cli.wide import activation_option, bias_option, number

if TYPE_CHECKING:
    from replicadnn.wide import Fisher


@click.command(name="fisher")
@activation_option
@click.option(
    "--sigma-w2", type=float, required=True, help="Variance of the weights times their fan-in."
)
@bias_option
@click.option(
    "--L", "L", type=int, default=3, show_default=True, help="Depth: number of weight matrices."
)
@click.option("--M", "M", type=int, default=1000, show_default=True, help="Width.")
@click.option("--N", "N", type=int, default=1000, show_default=True, help="Samples.")
@click.option("--C", "C", type=int, default=1, show_default=True, help="Outputs.")
@click.option("--loss", default="squared", show_default=True, help="squared or cross-entropy.")
@click.option(
    "--networks", type=int, default=0, show_default=True,
    help="Draw that many networks and compute their eigenvalues.",
)  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Of the networks.")
@target_options("eigenvalues", "the largest eigenvalue, and all of the drawn networks")
def command(activation: str, target: Target, **options: Any) -> int:
    """Eigenvalues of the Fisher information of random networks, and stable learning rates."""
    from replicadnn.wide import fisher

    only_with("networks", options["networks"] > 0, "seed")
    return target.finish(partial(fisher, activation, **options), "network", _print, "fisher")


#: Names of the table, and their words.
_ROWS = {
    "mean": "mean over the parameters",
    "second_moment": "second moment",
    "lambda_max": "largest",
    "bulk": "mean of the others",
    "lower": "smallest of the dual matrix",
    "subtracted_max": "largest, mean output subtracted",
}


def _print(found: Fisher) -> None:
    click.echo(
        f"{found.activation}, sigma_w2 = {found.sigma_w2:g}, sigma_b2 = {found.sigma_b2:g}, "
        f"L = {found.L}, M = {found.M}, N = {found.N}, C = {found.C}, {found.loss}"
    )
    click.echo(f"kappa_1 = {number(found.kappa_1, 12)}, kappa_2 = {number(found.kappa_2, 12)}")
    large = f"{found.outliers} large" if found.outliers else "none large (centred)"
    click.echo(f"eigenvalues of the Fisher information, {large}:")
    for name, words in _ROWS.items():
        line = f"  {words:<32} {number(_theory(found, name), 10):>18}"
        if found.networks:
            values = found.measured(name)
            spread = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
            line += f"   drawn {number(float(values.mean()), 6):>10} +- {spread:.2g}"
        click.echo(line)
    low, high = found.subtracted_bounds
    click.echo(f"  with the mean output subtracted between {number(low, 6)} and {number(high, 6)}")
    click.echo(
        f"gradient descent is stable below eta = 2/largest = {number(found.eta_max, 10)} "
        f"(networks may learn up to {number(found.eta_catapult, 5)})"
    )


def _theory(found: Fisher, name: str) -> float:
    value = getattr(found, name, math.nan)
    return float(value)
