"""``replicadnn natural-gradient``."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.options import WholeList, only_with
from replicadnn.cli.target import Target, target_options
from replicadnn.cli.wide import activation_option, bias_option, number

if TYPE_CHECKING:
    from replicadnn.wide import NaturalGradient


@click.command(name="natural-gradient")
@activation_option
@click.option(
    "--sigma-w2", type=float, required=True, help="Variance of the weights times their fan-in."
)
@bias_option
@click.option("--L", "L", type=int, default=3, show_default=True, help="Depth.")
@click.option("--N", "N", type=int, default=20, show_default=True, help="Training samples.")
@click.option("--M0", "M0", type=int, default=30, show_default=True, help="Inputs.")
@click.option(
    "--M", "M", type=WholeList(),
    help="Widths of the hidden layers, rising.  [default: 128,256,512,1024]",
)  # fmt: skip
@click.option("--C", "C", type=int, default=1, show_default=True, help="Outputs.")
@click.option("--T", "T", type=int, default=40, show_default=True, help="Test samples.")
@click.option(
    "--rate", type=float, default=1.0, show_default=True, help="Learning rate times alpha."
)
@click.option("--steps", type=int, default=1, show_default=True, help="Steps of drawn networks.")
@click.option(
    "--damping", type=float, default=0.0, show_default=True,
    help="Of the unit-wise metric, in units of the mean eigenvalue of a layer's blocks.",
)  # fmt: skip
@click.option(
    "--networks", type=int, default=0, show_default=True,
    help="Draw that many networks of every width and make the steps.",
)  # fmt: skip
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Of the samples and the networks."
)
@target_options("scalings and steps", "training loss and test outputs against the width")
def command(activation: str, target: Target, **options: Any) -> int:
    """Natural gradient of wide networks: the learning rate of every metric, steps of networks."""
    from replicadnn.wide import natural_gradient

    only_with("networks", options["networks"] > 0, "steps")
    return target.finish(
        partial(natural_gradient, activation, **options), "network", _print, "natural-gradient"
    )


def _print(found: NaturalGradient) -> None:
    click.echo(
        f"{found.activation}, sigma_w2 = {found.sigma_w2:g}, sigma_b2 = {found.sigma_b2:g}, "
        f"L = {found.L}, N = {found.N}, M_0 = {found.M0}, C = {found.C}"
    )
    smallest = ", ".join(number(float(one), 3) for one in found.smallest)
    click.echo(f"least eigenvalue of Theta_l over its mean, by layer: {smallest}")
    if found.networks:
        click.echo(
            f"{found.steps} step{'s' * (found.steps > 1)} at {found.rate:g}/alpha; loss in the "
            f"kernel regime {found.kernel_loss:.3g}; {found.networks} networks"
        )
    drawn = f" {'measured alpha':>16} {'loss':>20}" if found.networks else ""
    click.echo(f"{'M':>6} {'metric':>18} {'alpha':>12} {'eta':>12}{drawn}  note")
    for place, M in enumerate(found.M):
        for one in (row for row in found.scalings if M == row.M):
            line = f"{M:>6} {one.metric:>18} {number(one.alpha):>12} {number(one.eta, 6):>12}"
            if found.networks:
                alpha = float(found.mean("alpha", one.metric)[place])
                loss, error = (
                    float(of("loss", one.metric)[place]) for of in (found.mean, found.error)
                )
                bar = "" if math.isnan(error) else f" +- {error:.1e}"
                line += f" {number(alpha, 6):>16} {number(loss, 3) + bar:>20}"
            click.echo(f"{line}  {one.message}".rstrip())
