"""``replicadnn stability``."""

from __future__ import annotations

import json
import math
from typing import Any

import click
from replicadnn.cli.options import NumberList, WholeList, config_option, note


@click.command(name="stability")
@click.option("--L", "L", type=WholeList(), required=True, help="Depths.")
@click.option(
    "--alpha", type=NumberList(), required=True,
    help="Grid of patterns per coupling: 1,2,5 or start:stop:count[:log], mixed.",
)  # fmt: skip
@click.option("--scenario", default="random", show_default=True, help="random or teacher-student.")
@click.option("--kappa", type=NumberList(), default="0", show_default=True, help="Margins.")
@click.option(
    "--beta", type=NumberList(), default=None,
    help="Inverse temperatures.  [default: inf, the hard constraint]",
)  # fmt: skip
@click.option("--output", metavar="FILE.h5", help="Save the tables (HDF5).")
@click.option("--plot", "figure", metavar="FILE.png", help="Draw rho against alpha.")
@click.option("--overwrite", is_flag=True, help="Replace existing output files.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document to stdout.")
@config_option
def command(
    L: list[int],
    alpha: list[float],
    scenario: str,
    kappa: list[float],
    beta: list[float] | None,
    output: str | None,
    figure: str | None,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Replicon of the replica-symmetric solutions, and the de Almeida-Thouless line."""
    from tqdm import tqdm

    from replicadnn.provenance import provenance
    from replicadnn.store import check_figure_name, check_target
    from replicadnn.theory.stability import Stability, plan, scan

    for path in (output, figure):
        if path is not None:
            check_target(path, overwrite=overwrite)
    if figure is not None:
        check_figure_name(figure)
    problems, grid = plan(
        alpha, L, scenario=scenario, kappa=kappa, beta=[math.inf] if beta is None else beta
    )
    points: list[Any] = []
    lines = []
    total = len(problems)
    for problem in tqdm(
        problems, unit="curve", disable=None if total > 1 else True, leave=False
    ):  # fmt: skip
        some, line = scan(problem, grid)
        points += some
        lines.append(line)
    found = Stability(str(problems[0].scenario), tuple(points), tuple(lines), provenance())
    if output is not None:
        found.save(output, overwrite=overwrite)
    if figure is not None:
        from replicadnn.plot import save_stability

        save_stability(found, figure, overwrite=overwrite)
    if as_json:
        click.echo(json.dumps(found.as_dict(), allow_nan=False))
    else:
        _print_tables(found)
    for path, what in ((output, "tables"), (figure, "figure")):
        if path is not None:
            note(f"{what} written to {path}")
    return 0 if found.converged else 3


def _print_tables(found: Any) -> None:
    click.echo(
        f"{'L':>4} {'kappa':>7} {'beta':>6} {'alpha':>12}  {'branch':<13} {'s':>12} {'rho':>12}"
    )
    for p in found.points:
        click.echo(
            f"{p.L:>4} {p.kappa:>7g} {p.beta:>6g} {p.alpha:>12.7g}  {p.branch:<13}"
            f" {p.free_entropy:>12.7f} {p.rho:>12.8f}"
        )
    click.echo("rho = 1 on the continuous branch:")
    for line in found.lines:
        where = "" if math.isnan(line.alpha) else f"alpha = {line.alpha:.10g}: "
        click.echo(f"{line.L:>4} {line.kappa:>7g} {line.beta:>6g}  {where}{line.message}")
