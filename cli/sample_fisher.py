"""``replicadnn sample-fisher``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.options import note, only_with
from replicadnn.cli.target import Target, target_options
from replicadnn.cli.wide import activation_option, bias_option, drawn_options, number

if TYPE_CHECKING:
    from replicadnn.wide import SampleFisher


@click.command(name="sample-fisher")
@activation_option
@click.option(
    "--sigma-w2", type=float, help="Variance of weights times fan-in.  [default: chi_1 = 1]"
)  # fmt: skip
@bias_option
@click.option(
    "--L", "L", type=int, default=8, show_default=True, help="Depth: number of weight matrices."
)
@click.option("--init", default="gaussian", show_default=True, help="gaussian or orthogonal.")
@drawn_options(400)
@target_options("law", "the fraction of eigenvalues above lambda")
def command(activation: str, target: Target, **options: Any) -> int:
    """Fisher information of one sample, as many outputs as neurons: largest eigenvalue, atoms."""
    from replicadnn.wide import sample_fisher

    only_with("networks", options["networks"] > 0, "seed")
    question = partial(sample_fisher, activation, **options)
    return target.finish(question, "network", _print, "sample-fisher")


def _print(found: SampleFisher) -> None:
    law = found.spectrum
    click.echo(
        f"{found.activation}, {found.init} weights, L = {found.L}, sigma_w2 = "
        f"{number(found.sigma_w2, 12)}, sigma_b2 = {found.sigma_b2:g}, |x|^2/M = "
        f"{number(found.norm)}"
    )
    click.echo("eigenvalues of the Fisher information of one sample, over M:")
    click.echo(f"  mean {number(found.mean, 12)}, largest {number(found.largest, 12)}")
    if law is not None:
        for x, mass in law.atoms:
            click.echo(f"  atom at {number(x, 12)} of mass {number(mass, 12)}")
        if law.log_x.size:
            shown = "; ".join(f"{number(a, 6)} to {number(b, 6)}" for a, b in law.bands[::-1])
            click.echo(f"  density from {shown}")
        click.echo(f"  mass error {law.mass_error:.1e}, residual {law.residual:.1e}")
    if found.networks:
        values = found.eigenvalues
        largest = ", ".join(number(one, 5) for one in values[:12, -1])
        click.echo(f"  drawn, {found.networks} networks: largest of each, and mean of all")
        click.echo(f"    {largest}; {number(float(values.mean()), 5)}")
    click.echo(
        f"steps by one sample are stable below eta = {number(found.eta_max)} (M = {found.M})"
    )
    if found.message:
        note(found.message)
