"""``replicadnn generalisation``."""

from __future__ import annotations

import json
import math
from typing import Any

import click
from replicadnn.cli.options import NumberList, WholeList, config_option, layer_progress, note


@click.command(name="generalisation")
@click.option(
    "--L", "L", type=WholeList(), required=True, help="Depths: 4, 1,2,5 or 1:20 (both ends)."
)
@click.option(
    "--alpha", type=NumberList(), required=True,
    help="Patterns per coupling: 25 or 25,100 or start:stop:count[:log], mixed.",
)  # fmt: skip
@click.option("--kappa", type=float, default=0.0, show_default=True, help="Margin of the gaps.")
@click.option(
    "--beta", type=float, default=float("inf"), show_default=True,
    help="Inverse temperature of the violation-count potential.",
)  # fmt: skip
@click.option(
    "--branch", default="auto", show_default=True, help="auto, equilibrium or continuous."
)
@click.option(
    "--noisy", default="none", show_default=True,
    help="none, teacher or both: networks that err on fresh inputs as in training.",
)  # fmt: skip
@click.option("--output", metavar="FILE.h5", help="Save the result (HDF5).")
@click.option("--plot", "figure", metavar="FILE.png", help="Draw eps_g against depth and alpha.")
@click.option("--overwrite", is_flag=True, help="Replace existing output files.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document to stdout.")
@config_option
def command(
    L: list[int],
    alpha: list[float],
    output: str | None,
    figure: str | None,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Error of the typical student on fresh inputs (teacher-student), by depth and alpha."""
    from replicadnn.store import check_figure_name, check_target
    from replicadnn.theory.generalisation import generalisation

    for path in (output, figure):
        if path is not None:
            check_target(path, overwrite=overwrite)
    if figure is not None:
        check_figure_name(figure)
    with layer_progress("point") as progress:
        found = generalisation(L, alpha, progress=progress, **options)
    if output is not None:
        found.save(output, overwrite=overwrite)
        note(f"errors written to {output}")
    if figure is not None:
        from replicadnn.plot import save_generalisation

        save_generalisation(found, figure, overwrite=overwrite)
        note(f"figure written to {figure}")
    if as_json:
        click.echo(json.dumps(found.as_dict(), allow_nan=False))
    else:
        click.echo(f"{'L':>5} {'alpha':>12} {'eps_g':>12} {'+-':>8} {'ln(1-2 eps_g)':>14}  liquid")
        for p in found.points:
            liquid = "-" if p.liquid_layers < 0 else f"{p.liquid_layers}/{p.L - 1}"
            click.echo(
                f"{p.L:>5} {p.alpha:>12.7g} {p.error:>12.9f} {p.uncertainty:>8.0e} "
                f"{p.log_rho:>14.5g}  {liquid} {p.branch}, {p.status}"
            )
    return 3 if any(math.isnan(p.error) for p in found.points) else 0
