"""``replicadnn capacity``."""

from __future__ import annotations

import json
import math
from typing import Any

import click
from replicadnn.cli.options import NumberList, WholeList, config_option, note


@click.command(name="capacity")
@click.option("--L", "L", type=WholeList(), default="1,2,3,4", show_default=True, help="Depths.")
@click.option("--kappa", type=NumberList(), default="0", show_default=True, help="Margins.")
@click.option("--ansatz", default="rs", show_default=True, help="rs, 1rsb or rsb.")
@click.option("--levels", type=int, default=3, show_default=True, help="Levels K of rsb.")
@click.option(
    "--alpha-max", type=float, default=1e6, show_default=True, help="Where the search stops."
)
@click.option("--output", metavar="FILE.h5", help="Save the table (HDF5).")
@click.option("--plot", "figure", metavar="FILE.png", help="Draw alpha_J against L or kappa.")
@click.option("--overwrite", is_flag=True, help="Replace existing output files.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document to stdout.")
@config_option
def command(
    L: list[int],
    kappa: list[float],
    output: str | None,
    figure: str | None,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Largest alpha with a solution for random data (SAT/UNSAT), and how the solution ends."""
    from tqdm import tqdm

    from replicadnn.provenance import provenance
    from replicadnn.store import check_figure_name, check_target
    from replicadnn.theory.capacity import Capacity, plan, solve_plan

    for path in (output, figure):
        if path is not None:
            check_target(path, overwrite=overwrite)
    if figure is not None:
        check_figure_name(figure)
    work = plan(L, kappa, **options)
    total = len(work.pairs)
    bar = tqdm(
        solve_plan(work),
        total=total,
        unit="point",
        disable=None if total > 1 else True,
        leave=False,
    )
    found = Capacity(tuple(bar), work.alpha_max, provenance())
    if output is not None:
        found.save(output, overwrite=overwrite)
    if figure is not None:
        from replicadnn.plot import save_capacity

        save_capacity(found, figure, overwrite=overwrite)
    if as_json:
        click.echo(json.dumps(found.as_dict(), allow_nan=False))
    else:
        _print_table(found)
    for path, what in ((output, "table"), (figure, "figure")):
        if path is not None:
            note(f"{what} written to {path}")
    return 0 if found.converged else 3


def _print_table(found: Any) -> None:
    click.echo(
        f"{'L':>4} {'kappa':>7} {'ansatz':>6} {'alpha_J':>14} {'+-':>9}  {'end':<16}"
        f" {'second route':>14} {'bound':>10}"
    )
    for p in found:
        click.echo(
            f"{p.L:>4} {p.kappa:>7g} {p.ansatz:>6} {_number(p.alpha, 10):>14}"
            f" {_number(p.uncertainty, 2):>9}  {p.end:<16} {_number(p.reduced, 10):>14}"
            f" {_number(p.bound, 6):>10}"
        )
    for p in found:
        if p.message:
            note(f"L = {p.L}, kappa = {p.kappa:g}: {p.message}")


def _number(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}g}"
