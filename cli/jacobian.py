"""``replicadnn jacobian``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.options import note, only_with
from replicadnn.cli.target import Target, target_options
from replicadnn.cli.wide import activation_option, bias_option, drawn_options, number

if TYPE_CHECKING:
    from replicadnn.wide import Jacobian


@click.command(name="jacobian")
@activation_option
@click.option(
    "--sigma-w2", type=float, help="Variance of weights times fan-in.  [default: chi_1 = 1]"
)  # fmt: skip
@bias_option
@click.option("--L", "L", type=int, default=8, show_default=True, help="Depth.")
@click.option("--init", default="gaussian", show_default=True, help="gaussian or orthogonal.")
@drawn_options(400)
@target_options("law", "the density of the singular values")
def command(activation: str, target: Target, **options: Any) -> int:
    """Singular values of the input-output Jacobian of a random network: density, edge, atoms."""
    from replicadnn.wide import jacobian

    only_with("networks", options["networks"] > 0, "seed")
    return target.finish(partial(jacobian, activation, **options), "network", _print, "jacobian")


def _print(found: Jacobian) -> None:
    law = found.spectrum
    click.echo(
        f"{found.activation}, {found.init} weights, L = {found.L}, sigma_w2 = "
        f"{number(found.sigma_w2, 12)}, sigma_b2 = {found.sigma_b2:g}, q* = {number(found.q_star)}"
    )
    click.echo("squared singular values of dx^L/dx^0:")
    click.echo(f"  mean {number(found.mean, 12)}, variance {number(found.variance, 12)}")
    click.echo(f"  largest {number(found.largest, 12)}")
    click.echo(f"  1/(2M) of them above {number(found.quantile)} (M = {found.M})")
    for x, mass in law.atoms:
        click.echo(f"  atom at {number(x, 12)} of mass {number(mass, 12)}")
    click.echo(f"  mass error {law.mass_error:.1e}, residual {law.residual:.1e}")
    drawn = found.measured
    if drawn is not None and drawn.networks:
        values = drawn.singular_values
        click.echo(f"  drawn, {drawn.networks} networks: largest of each, and mean of all")
        largest = ", ".join(number(one, 4) for one in values[:12, -1])
        click.echo(f"    {largest}; {number(float(values.mean()), 5)}")
    if found.message:
        note(found.message)
