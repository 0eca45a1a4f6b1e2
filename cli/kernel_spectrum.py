"""``replicadnn kernel-spectrum``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.options import NumberList, note, only_with
from replicadnn.cli.target import Target, target_options
from replicadnn.cli.wide import activation_option, number

if TYPE_CHECKING:
    from replicadnn.wide import KernelSpectrum


@click.command(name="kernel-spectrum")
@activation_option
@click.option(
    "--gamma", type=NumberList(),
    help="Number of inputs over the widths, inputs first, then hidden layers.  [default: 1,1]",
)  # fmt: skip
@click.option("--kernel", default="ntk", show_default=True, help="ntk or conjugate.")
@click.option(
    "--networks", type=int, default=0, show_default=True,
    help="Draw that many networks and compute their eigenvalues.",
)  # fmt: skip
@click.option("--n", "n", type=int, default=400, show_default=True, help="Inputs of each.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the networks.")
@target_options("law", "the density of the eigenvalues")
def command(activation: str, target: Target, **options: Any) -> int:
    """Spectrum of the tangent or conjugate kernel of one network of width ~ number of inputs."""
    from replicadnn.wide import kernel_spectrum

    only_with("networks", options["networks"] > 0, "n", "seed")
    question = partial(kernel_spectrum, activation, **options)
    return target.finish(question, "network", _print, "kernel-spectrum")


def _print(found: KernelSpectrum) -> None:
    law = found.spectrum
    ratios = ", ".join(f"{one:g}" for one in found.gamma)
    click.echo(f"{found.activation}, {found.kernel} kernel, gamma = {ratios}")
    click.echo(f"b^2 = {number(found.slope, 12)}, a = {number(found.growth, 12)}")
    click.echo(f"eigenvalues: mean {number(found.mean, 12)}, variance {number(law.variance, 10)}")
    click.echo(f"  from {number(law.edges[0], 12)} to {number(law.edges[1], 12)}")
    if found.shift:
        click.echo(f"  none below r+ = {number(found.shift, 12)}")
    for x, mass in law.atoms:
        click.echo(f"  atom at {number(x, 12)} of mass {number(mass, 12)}")
    click.echo(f"  mass error {law.mass_error:.1e}, residual {law.residual:.1e}")
    if found.networks:
        values = found.eigenvalues
        ends = number(float(values[:, 0].mean()), 5), number(float(values[:, -1].mean()), 5)
        click.echo(
            f"  drawn, {found.networks} networks of {found.n} inputs: from {ends[0]} to {ends[1]}, "
            f"mean {number(float(values.mean()), 5)}"
        )
    if found.message:
        note(found.message)
