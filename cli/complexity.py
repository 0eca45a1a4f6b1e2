"""``replicadnn complexity``."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.options import NumberList, closure_option, kappa_option, note
from replicadnn.cli.target import Target, target_options

if TYPE_CHECKING:
    from replicadnn.questions.complexity import Complexity


@click.command(name="complexity")
@click.option("--L", "L", type=int, required=True, help="Depth, from 2.")
@click.option(
    "--alpha",
    type=float,
    required=True,
    help="Patterns per coupling of a perceptron, alpha = M/c (c = N where fully connected).",
)
@click.option("--m", "m", type=NumberList(), help="Breakpoints.  [default: 0.1:1:19]")
@closure_option
@kappa_option
@target_options("curve", "Sigma(m) and Sigma(f)")
def command(L: int, alpha: float, target: Target, **options: Any) -> int:
    """Number of saturated states of random data, Sigma(m), and where they appear and dominate."""
    from replicadnn.questions.complexity import complexity

    return target.finish(partial(complexity, alpha, L, **options), "point", _print, "complexity")


def _print(found: Complexity) -> None:
    from replicadnn.theory.counting import counting_bound

    click.echo(f"{'m':>8} {'s':>13} {'Sigma':>13} {'f':>13}")
    for row in zip(found.m, found.free_entropy, found.sigma, found.internal, strict=True):
        click.echo(f"{row[0]:>8.4g} {row[1]:>13.8f} {row[2]:>13.8f} {row[3]:>13.8f}")
    if found.possible is False:
        note(
            f"alpha > {counting_bound(found.L):.4g}: no network stores random data beyond the "
            "counting bound; these are no states"
        )
    if not found.finished:
        return
    if math.isnan(found.m_star):
        click.echo("Sigma has one sign at all these m")
    else:
        click.echo(f"Sigma = 0 at m* = {found.m_star:.4g}")
    if math.isnan(found.dynamical):  # computed at kappa = 0
        return
    static = "Sigma(1) < 0 there"
    if not math.isnan(found.static):
        static = f"Sigma(1) = 0 at alpha = {found.static:.9g}"
    click.echo(
        f"all layers saturated: appear at alpha = {found.dynamical:.7g} with s_ts + ln 2 = "
        f"{found.appearing_entropy:.5g}; {static}"
    )
