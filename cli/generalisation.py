"""``replicadnn generalisation``."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.options import (
    WholeList,
    alphas_option,
    beta_option,
    closure_option,
    inputs_option,
    kappa_option,
    law_of,
    name_closure,
    note,
    only_with,
)
from replicadnn.cli.target import Target, target_options

if TYPE_CHECKING:
    from replicadnn.questions.generalisation import Generalisation


@click.command(name="generalisation")
@click.option(
    "--L", "L", type=WholeList(), required=True, help="Depths: 4, 1,2,5 or 1:20 (both ends)."
)
@alphas_option
@closure_option
@kappa_option
@beta_option
@click.option(
    "--branch", default="auto", show_default=True, help="auto, equilibrium or continuous."
)
@click.option(
    "--noisy", default="none", show_default=True,
    help="none, teacher or both: networks that err on fresh inputs as in training.",
)  # fmt: skip
@inputs_option
@click.option(
    "--teacher", default="inputs", show_default=True,
    help="What the teacher reads: inputs, or latent (their latent variables; L = 1).",
)  # fmt: skip
@target_options("errors", "eps_g against depth and alpha")
def command(L: list[int], alpha: list[float], target: Target, **options: Any) -> int:
    """Error of the typical student on fresh inputs (teacher-student), by depth and alpha."""
    from replicadnn.questions.generalisation import generalisation

    options["inputs"] = law_of(options["inputs"])
    only_with("a finite beta", math.isfinite(options["beta"]), "noisy")
    return target.finish(
        partial(generalisation, alpha, L, **options), "point", _print, "generalisation"
    )


_READS = {"inputs": "inputs", "latent": "latent variables"}


def _print(found: Generalisation) -> None:
    name_closure([found.closure])
    structured = found.inputs is not None
    if found.inputs is not None:
        click.echo(f"inputs {found.inputs.text}, teacher on the {_READS[str(found.teacher)]}")
    click.echo(
        f"{'L':>5} {'alpha':>12} {'eps_g':>12} {'+-':>8} {'ln(1-2 eps_g)':>14}  "
        + (f"{'eps_vote':>11}  " if structured else "")
        + "liquid layers, branch, status"
    )
    for p in found.points:
        liquid = "-" if p.liquid_layers < 0 else f"{p.liquid_layers}/{p.L - 1}"
        click.echo(
            f"{p.L:>5} {p.alpha:>12.7g} {p.error:>12.9f} {p.uncertainty:>8.0e} "
            f"{p.log_rho:>14.5g}  "
            + (f"{p.vote:>11.9f}  " if structured else "")
            + f"{liquid}, {p.branch}, {p.status}"
        )
    for p in found.points:
        if math.isnan(p.error):
            note(f"L = {p.L}, alpha = {p.alpha:g}: {p.message}")
