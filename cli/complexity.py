"""``replicadnn complexity``."""

from __future__ import annotations

import json

import click
from replicadnn.cli.options import NumberList, config_option, note


@click.command(name="complexity")
@click.option("--L", "L", type=int, required=True, help="Depth, from 2.")
@click.option("--alpha", type=float, required=True, help="Patterns per coupling.")
@click.option("--m", "m", type=NumberList(), help="Breakpoints.  [default: 0.1:1:19]")
@click.option("--kappa", type=float, default=0.0, show_default=True, help="Margin of the gaps.")
@click.option("--output", metavar="FILE.h5", help="Save the curve (HDF5).")
@click.option("--plot", "figure", metavar="FILE.png", help="Draw Sigma(m) and Sigma(f).")
@click.option("--overwrite", is_flag=True, help="Replace existing output files.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document to stdout.")
@config_option
def command(
    L: int,
    alpha: float,
    m: list[float] | None,
    kappa: float,
    output: str | None,
    figure: str | None,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Number of frozen states of random data, Sigma(m), and where they appear and dominate."""
    from replicadnn.store import check_figure_name, check_target
    from replicadnn.theory.complexity import complexity

    for path in (output, figure):
        if path is not None:
            check_target(path, overwrite=overwrite)
    if figure is not None:
        check_figure_name(figure)
    found = complexity(alpha, L, m=m, kappa=kappa)
    if output is not None:
        found.save(output, overwrite=overwrite)
    if figure is not None:
        from replicadnn.plot import save_complexity

        save_complexity(found, figure, overwrite=overwrite)
    if as_json:
        click.echo(json.dumps(found.as_dict(), allow_nan=False))
    else:
        click.echo(f"{'m':>8} {'s':>13} {'Sigma':>13} {'f':>13}")
        for row in zip(found.m, found.free_entropy, found.sigma, found.internal, strict=True):
            click.echo(f"{row[0]:>8.4g} {row[1]:>13.8f} {row[2]:>13.8f} {row[3]:>13.8f}")
        click.echo(f"Sigma = 0 at m* = {found.m_star:.4g}")
        click.echo(
            f"all layers frozen: appear at alpha = {found.dynamical:.7g} with s_ts + ln 2 = "
            f"{found.appearing_entropy:.5g}; Sigma(1) = 0 at alpha = {found.static:.9g}"
        )
    for path, what in ((output, "curve"), (figure, "figure")):
        if path is not None:
            note(f"{what} written to {path}")
    return 0 if found.converged else 3
