"""``replicadnn phase-diagram``."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.options import NumberList, only_with
from replicadnn.cli.target import Target, target_options
from replicadnn.cli.wide import activation_option, drawn_options, number

if TYPE_CHECKING:
    from replicadnn.wide import PhaseDiagram

#: Rows of the table of the critical line.
_SHOWN = 12


@click.command(name="phase-diagram")
@activation_option
@click.option(
    "--sigma-w2", type=NumberList(), help="Variances of the weights, rising.  [default: 0.5:4:36]"
)
@click.option(
    "--sigma-b2", type=NumberList(), help="Variances of the biases, rising.  [default: 0:0.3:31]"
)
@drawn_options(500)
@click.option(
    "--L", "L", type=int, default=8, show_default=True, help="Depth of the drawn networks."
)
@target_options("maps", "chi_1 and the trainable depth over both variances")
def command(activation: str, target: Target, **options: Any) -> int:
    """Where random networks are ordered, critical or chaotic: critical line, maps, depth scales."""
    from replicadnn.wide import phase_diagram

    only_with("networks", options["networks"] > 0, "M", "L", "seed")
    return target.finish(
        partial(phase_diagram, activation, **options), "row", _print, "phase-diagram"
    )


def _print(found: PhaseDiagram) -> None:
    from replicadnn.results import shortened

    shape = f"{found.sigma_w2.size} x {found.sigma_b2.size}"
    click.echo(f"{found.activation}: maps of {shape} variances (--output, --plot or --json)")
    if not found.line.size:
        click.echo("no critical line: chaotic everywhere")
        return
    _print_drawn(found)
    click.echo(f"critical line\n{'sigma_b2':>14} {'sigma_w2':>16} {'q*':>16} {'chi_1 - 1':>11}")
    for q, w, b, chi in shortened(found.line.T.tolist(), _SHOWN):
        row = f"{number(b):>14} {number(w, 12):>16} {number(q, 12):>16}"
        click.echo(f"{row} {number(chi - 1.0, 2):>11}")


def _print_drawn(found: PhaseDiagram) -> None:
    if not found.measured:
        return
    one = found.measured[0]
    click.echo(f"{one.networks} drawn networks at each point, M = {one.M}, L = {one.L}")
    names = ("chi_1", "measured", "chi_c", "measured")
    click.echo(f"{'sigma_w2':>10} {'sigma_b2':>10}" + "".join(f" {n:>22}" for n in names))
    weights, biases = found.sigma_w2.tolist(), found.sigma_b2.tolist()
    for one in found.measured:
        at = weights.index(one.sigma_w2), biases.index(one.sigma_b2)
        cells = ""
        for name in ("chi_1", "chi_c"):
            value, error = getattr(one, name), getattr(one, f"{name}_error")
            shown = number(value, 5) + ("" if math.isnan(error) else f" +- {error:.1e}")
            cells += f" {number(float(getattr(found, name)[at])):>22} {shown:>22}"
        click.echo(f"{number(one.sigma_w2, 6):>10} {number(one.sigma_b2, 6):>10}{cells}")
