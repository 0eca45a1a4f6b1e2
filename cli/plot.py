"""``replicadnn plot``: one subcommand a figure."""

from __future__ import annotations

from pathlib import Path

import click


@click.group(name="plot")
def command() -> None:
    """Draw a figure from a result file."""


@command.command(name="profile")
@click.argument("file", metavar="FILE.h5")
@click.option("-o", "--output", metavar="FILE.png", help="[default: FILE_profile.png]")
@click.option("--overwrite", is_flag=True, help="Replace an existing figure.")
def profile(file: str, output: str | None, overwrite: bool) -> int:
    """Overlaps q_EA(l) and Q_EA(l) against the layer: the wetting of the network."""
    from replicadnn.plot import save_profile
    from replicadnn.store import load

    target = output or str(Path(file).with_suffix("")) + "_profile.png"
    save_profile(load(file), target, overwrite=overwrite)
    click.echo(f"figure written to {target}", err=True)
    return 0
