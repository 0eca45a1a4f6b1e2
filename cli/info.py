"""``replicadnn info``."""

from __future__ import annotations

import json
from typing import Any

import click
from replicadnn.cli.options import in_options

#: Lines about points that did not converge.
_SHOWN = 20
#: Points of one reason that are named.
_PLACES = 3


@click.command(name="info")
@click.argument("file", metavar="FILE.h5")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document to stdout.")
def command(file: str, as_json: bool) -> int:
    """Show what is inside a result file, where it comes from and whether it converged."""
    from replicadnn.storage.readers import describe

    summary = describe(file)
    if as_json:
        click.echo(json.dumps(summary, allow_nan=False))
        return 0
    click.echo(f"{file}: {summary['kind']} (schema {summary['schema_version']})")
    click.echo(f"finished: {'yes' if summary['finished'] else 'no: it was interrupted'}")
    if "sweep" in summary:
        _print_sweep(summary["sweep"], file)
    elif summary["kind"] == "mc":
        _print_runs(summary["runs"])
    elif "tables" in summary:
        _print_tables(summary)
    else:
        _print_points(summary["points"])
    click.echo("provenance:")
    for key, value in summary["provenance"].items():
        click.echo(f"  {key}: {value}")
    return 0


def _print_runs(runs: list[dict[str, Any]]) -> None:
    click.echo(f"runs: {len(runs)}")
    for run in runs:
        c, graph = run["connectivity"], run["graph"]
        diluted = "" if graph is None else f"c = {c:<4} ({graph} graph) "
        if run["latent"] is not None:
            diluted += f"D = {run['latent']} latent "
        click.echo(
            f"  N = {run['N']:<5} {diluted}L = {run['L']:<4} alpha = {run['alpha']:<8.6g} "
            f"{run['scenario']}, {run['sampler']} sampler, beta = {run['beta']}, "
            f"kappa = {run['kappa']:g}, {run['start']} start, {run['mode']}: {run['status']}"
        )
        click.echo(in_options(f"    {run['message']}"))
        if run["equilibrium"] != run["message"]:
            click.echo(in_options(f"    equilibrium {run['equilibrium']}"))


def _print_tables(summary: dict[str, Any]) -> None:
    for key, value in summary["attributes"].items():
        click.echo(f"{key}: {'-' if value is None else value}")
    for table in summary["tables"]:
        click.echo(f"table {table['name']}: {table['rows']} rows")
        for key, value in table["attributes"].items():
            click.echo(f"  {key}: {'-' if value is None else value}")
        for name, meaning in table["columns"].items():
            click.echo(f"  column {name}: {meaning}")


def _print_sweep(sweep: dict[str, Any], file: str) -> None:
    counts = ", ".join(f"{count} {status}" for status, count in sweep["counts"].items())
    click.echo(f"sweep of {sweep['task']}: {sweep['points']} points: {counts}")
    if sweep["damaged_records"]:
        click.echo(f"damaged records of the journal: {sweep['damaged_records']} (to be repeated)")
    for name, value in sweep["parameters"].items():
        if isinstance(value, dict):
            value = f"{value['from']} to {value['to']}, {value['values']} values"
        click.echo(f"  {name}: {value}")
    print_not_converged(sweep["not_converged"], file)


def print_not_converged(rows: list[dict[str, Any]], file: str) -> None:
    """Points of a sweep that failed or did not converge: one line a reason, with the first ones."""
    reasons: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        reasons.setdefault((row["status"], row["message"]), []).append(row)
    for (status, message), points in list(reasons.items())[:_SHOWN]:
        where = "; ".join(map(_where, points[:_PLACES]))
        more = f"; and {len(points) - _PLACES} more" if len(points) > _PLACES else ""
        click.echo(in_options(f"  {status}: {where}{more}: {message}"))
    left = sum(map(len, list(reasons.values())[_SHOWN:]))
    if left:
        click.echo(f"  and {left} more points (replicadnn info {file} --json)")


def _where(row: dict[str, Any]) -> str:
    """A point by its parameters; numbers to 6 digits (`--fix` and `Sweep.select` take them)."""
    names = [n for n in ("L", "N", "alpha", "kappa", "beta", "scenario", "seed") if n in row]
    shown = {n: f"{row[n]:g}" if isinstance(row[n], float) else row[n] for n in names}
    return ", ".join(f"{name} = {value}" for name, value in shown.items())


def _print_points(points: list[dict[str, Any]]) -> None:
    from replicadnn.problem import AVERAGED

    good = sum(point["converged"] for point in points)
    click.echo(f"points: {len(points)}, converged: {good}")
    for point in points:
        entropy = point["free_entropy"]
        shown = "-" if entropy is None else f"{entropy:.8f}"
        click.echo(
            f"  alpha = {point['alpha']:<10.7g} L = {point['L']:<5} {point['scenario']}, "
            f"{point['ansatz']}, "
            + (f"closure {point['closure']}, " if point["closure"] != AVERAGED else "")
            + (f"inputs {point['inputs']}, " if point["inputs"] is not None else "")
            + f"{_weight(point)}: "
            f"{point['branch']}, s = {shown}, {point['status']}"
            + (", beyond the counting bound" if point["possible"] is False else "")
        )
        if not point["converged"]:
            click.echo(f"    {point['message']}")


def _weight(point: dict[str, Any]) -> str:
    """The weight of the gaps: a potential of one's own by its name, else margin and temperature."""
    if point["potential"] is not None:
        return f"potential {point['potential']}"
    return f"kappa = {point['kappa']:g}, beta = {point['beta']}"
