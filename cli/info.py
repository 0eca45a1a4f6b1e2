"""``replicadnn info``."""

from __future__ import annotations

import json

import click


@click.command(name="info")
@click.argument("file", metavar="FILE.h5")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document to stdout.")
def command(file: str, as_json: bool) -> int:
    """Show what is inside a result file, where it comes from and whether it converged."""
    from replicadnn.store import describe

    summary = describe(file)
    if as_json:
        click.echo(json.dumps(summary, allow_nan=False))
        return 0
    click.echo(f"{file}: {summary['kind']} (schema {summary['schema_version']})")
    click.echo(f"finished: {'yes' if summary['finished'] else 'no: it was interrupted'}")
    points = summary["points"]
    good = sum(point["converged"] for point in points)
    click.echo(f"points: {len(points)}, converged: {good}")
    for point in points:
        entropy = point["free_entropy"]
        shown = "-" if entropy is None else f"{entropy:.8f}"
        click.echo(
            f"  alpha = {point['alpha']:<10.7g} L = {point['L']:<5} {point['scenario']}, "
            f"{point['ansatz']}, kappa = {point['kappa']:g}, beta = {point['beta']}: "
            f"{point['branch']}, s = {shown}, {point['status']}"
        )
    click.echo("provenance:")
    for key, value in summary["provenance"].items():
        click.echo(f"  {key}: {value}")
    return 0
