"""``replicadnn propagate``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.options import only_with
from replicadnn.cli.target import Target, target_options
from replicadnn.cli.wide import activation_option, bias_option, drawn_options, number

if TYPE_CHECKING:
    from replicadnn.wide import Propagation

#: Layers of the table; of more the first and last ones.
_SHOWN = 12


@click.command(name="propagate")
@activation_option
@click.option(
    "--sigma-w2", type=float, required=True, help="Variance of the weights times their fan-in."
)
@bias_option
@click.option(
    "--L", "L", type=int, default=30, show_default=True, help="Depth: number of weight matrices."
)
@click.option(
    "--q0", type=float, default=1.0, show_default=True, help="|x|^2/M_0 of the two inputs."
)
@click.option(
    "--c0", type=float, default=0.6, show_default=True, help="Correlation of the two inputs."
)
@drawn_options(1000)
@click.option(
    "--init", default="gaussian", show_default=True, help="Drawn networks: gaussian or orthogonal."
)
@target_options("result", "c and the gradient against the layer")
def command(activation: str, target: Target, **options: Any) -> int:
    """How signals and gradients pass through a random, infinitely wide network."""
    from replicadnn.wide import propagation

    only_with("networks", options["networks"] > 0, "M", "seed", "init")
    return target.finish(
        partial(propagation, activation, **options), "network", _print, "propagation"
    )


def _print(found: Propagation) -> None:
    from replicadnn.results import shortened

    click.echo(
        f"{found.activation}, sigma_w2 = {found.sigma_w2:g}, sigma_b2 = {found.sigma_b2:g}: "
        f"{found.phase}"
    )
    click.echo(f"fixed point  q* = {number(found.q_star, 12)}  c* = {number(found.c_star, 12)}")
    slopes = (("chi_1", found.chi_1), ("chi_c", found.chi_c), ("chi_q", found.chi_q))
    click.echo("slopes       " + "  ".join(f"{name} = {number(v, 12)}" for name, v in slopes))
    scales = (("xi_q", found.xi_q), ("xi_c", found.xi_c), ("xi_grad", found.xi_grad))
    click.echo("layers       " + "  ".join(f"{name} = {number(v)}" for name, v in scales))
    click.echo(f"trainable    to a depth of about 6 xi_c = {number(found.trainable_depth, 4)}")
    drawn = found.measured
    more = "" if drawn is None else f"   {'c measured':>22} {'ln gradient measured':>24}"
    click.echo(f"{'layer':>6} {'q':>14} {'c':>14} {'1 - c':>12} {'ln gradient':>14}{more}")
    for l in shortened(range(found.L), _SHOWN):
        line = (
            f"{l + 1:>6} {found.q[l]:>14.8f} {found.c[l]:>14.8f} {found.one_minus_c[l]:>12.5g} "
            f"{number(found.log_gradient[l]):>14}"
        )
        if drawn is not None and drawn.networks:
            for name in ("c", "log_gradient"):
                mean, error = drawn.mean(name)[l], drawn.error(name)[l]
                line += f"   {number(mean, 5):>11} +- {number(error, 2):>7}"
        click.echo(line)
